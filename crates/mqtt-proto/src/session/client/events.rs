//! What the machine of a client hands up.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::session::flow::Step;
use crate::{
    Capabilities, ConnAck, End, Incoming, PacketId, Properties, Property, PropertyList, QoS, ReasonCode,
    SavedSession,
};

/// One effect of an input. Drain with [`crate::Client::next_output`] after every input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientOutput {
    /// Send these bytes.
    Transmit(Vec<u8>),
    /// The server goes on with the authentication; answer with `authenticate`.
    Challenge {
        /// What the method says.
        data: Option<Vec<u8>>,
    },
    /// The server accepted.
    Connected(Box<Connected>),
    /// A later authentication ended well.
    Reauthenticated {
        /// What the method says at last.
        data: Option<Vec<u8>>,
    },
    /// A message. With an identifier: answer with `acknowledge`.
    Message(Incoming),
    /// A message of QoS 2 from the server is at its end.
    Released {
        /// Which.
        id: PacketId,
    },
    /// The server has our message of QoS 2: only PUBREL is repeated from now on.
    Received {
        /// Which.
        id: PacketId,
    },
    /// Our message of QoS 1 or 2 is at its end, or refused: forget it.
    Delivered {
        /// Which.
        id: PacketId,
        /// Success, or why the server refused it.
        reason: ReasonCode,
    },
    /// The answer to `subscribe`.
    Subscribed {
        /// Which.
        id: PacketId,
        /// One for each filter, in order.
        reasons: Vec<ReasonCode>,
    },
    /// The answer to `unsubscribe`.
    Unsubscribed {
        /// Which.
        id: PacketId,
        /// One for each filter, in order; none in 3.1.1.
        reasons: Vec<ReasonCode>,
    },
    /// The connection is over: close the transport when all before is sent. Nothing follows.
    Ended(Box<ClientEnd>),
}

impl From<Step> for ClientOutput {
    fn from(step: Step) -> Self {
        match step {
            Step::Received(id) => Self::Received { id },
            Step::Delivered(id, reason) => Self::Delivered { id, reason },
            Step::Released(id) => Self::Released { id },
        }
    }
}

/// How a connection ended and what outlives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientEnd {
    /// How.
    pub end: End,
    /// For the next connection; `None` when the session ended with this one.
    pub session: Option<SavedSession>,
    /// Another server, if this one named it.
    pub server_reference: Option<String>,
}

/// What the server said when it accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Whether the stored session goes on.
    pub session_present: bool,
    /// The stored session that the server does not know: none of it is under way any more.
    pub lost: Option<SavedSession>,
    /// The name that the server gave.
    pub assigned_client_id: Option<String>,
    /// Seconds; zero for never.
    pub keep_alive_secs: u16,
    /// Seconds the session outlives the connection.
    pub session_expiry_secs: u32,
    /// What the server offers.
    pub offered: Capabilities,
    /// Base of response topics.
    pub response_information: Option<String>,
    /// What the authentication method says at last.
    pub authentication_data: Option<Vec<u8>>,
    /// The reason in words.
    pub why: Option<String>,
    /// In the server's words.
    pub user_properties: PropertyList,
}

impl Connected {
    pub(super) fn offered(properties: &Properties<'_>) -> Capabilities {
        Capabilities {
            maximum_qos: properties.maximum_qos().unwrap_or(QoS::ExactlyOnce),
            retain: properties.retain_available().unwrap_or(true),
            wildcards: properties.wildcard_subscription_available().unwrap_or(true),
            subscription_identifiers: properties.subscription_identifier_available().unwrap_or(true),
            shared_subscriptions: properties.shared_subscription_available().unwrap_or(true),
        }
    }

    pub(super) fn of(
        connack: &ConnAck<'_>,
        keep_alive_secs: u16,
        session_expiry_secs: u32,
        lost: Option<SavedSession>,
    ) -> Self {
        let properties = connack.properties;
        let mut user_properties = PropertyList::new();
        for (name, value) in properties.user_properties() {
            user_properties.push(Property::UserProperty(name, value)).expect("what was read can be written");
        }
        Self {
            session_present: connack.session_present,
            lost,
            assigned_client_id: properties.assigned_client_identifier().map(Into::into),
            keep_alive_secs,
            session_expiry_secs,
            offered: Self::offered(&properties),
            response_information: properties.response_information().map(Into::into),
            authentication_data: properties.authentication_data().map(<[u8]>::to_vec),
            why: properties.reason_string().map(Into::into),
            user_properties,
        }
    }
}
