//! The JSON twin of a parameter set.

use serde::{Deserialize, Serialize};

/// One way to configure a device: the messages its image may carry.
/// Source: aSSURE 15.2 with rulings A-ASSURE-43, -44.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterChoice {
    /// The name of the choice.
    pub name: String,
    /// The messages, in order.
    pub messages: Vec<ChoiceMessage>,
}

/// One message of a [`ParameterChoice`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceMessage {
    /// The CoAP method.
    pub method: Method,
    /// The path, with `{name}` where something is filled in.
    pub path: String,
    /// The name of the payload's form: `authenticated_key`, `channel`, `cbor-any`, `empty` or the maker's own.
    pub payload: String,
    /// Whether the image must carry it.
    #[serde(default)]
    pub required: bool,
    /// At least so many such messages.
    pub min: u32,
    /// At most so many such messages.
    pub max: u32,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A CoAP method by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// 0.01
    Get,
    /// 0.02
    Post,
    /// 0.03
    Put,
    /// 0.04
    Delete,
}
