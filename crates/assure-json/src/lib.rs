//! The JSON forms of aSSURE, which only servers and stations speak: a device needs no JSON.
//!
//! Source: aSSURE 6.1, 9.2.1, 11.2, 15.2 with decision G 1 of the layouts.

mod authority;
mod choices;
mod configuration;
mod pem;
mod record;
mod status;
mod text;

pub use authority::{
    CreateMessage, DeviceDataMessage, KeysMessage, MirrorMessage, OwnerChangeMessage, OwnerMessage,
};
pub use choices::{ChoiceMessage, Method, ParameterChoice};
pub use configuration::{Configuration, ConfiguredDevice};
pub use pem::{BadPem, public_key_from_pem, public_key_to_pem};
pub use record::{BadRecord, Capabilities, DeviceKey, DeviceRecord, SECRET_LENGTH_MAX, SECRET_LENGTH_MIN};
pub use status::{DeviceInfo, DeviceStatus, StatusAnswer};
