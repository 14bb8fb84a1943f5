//! What the machine of a server hands up.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU32;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    Absence, Connect, End, Incoming, LastWill, PacketId, Property, PropertyList, Publication, QoS,
    ReasonCode, Subscribe, SubscriptionOptions, Unsubscribe, Version, Will,
};

/// One effect of an input. Drain with [`crate::Server::next_output`] after every input.
#[derive(Debug)]
pub enum ServerOutput {
    /// Send these bytes.
    Transmit(Vec<u8>),
    /// A client asks to be connected; answer with `accept`, `refuse` or, with a method, `challenge`.
    Connect(Box<ConnectRequest>),
    /// A client goes on with its authentication, or authenticates again while it is connected. Answer the first
    /// as [`ServerOutput::Connect`]; the second with `challenge`, `reauthenticated` or `disconnect`.
    Authenticate {
        /// What the method says.
        data: Option<Vec<u8>>,
    },
    /// A message. With an identifier: answer with `acknowledge`.
    Message(Incoming),
    /// A message of QoS 2 from the client is at its end: its identifier is free again.
    Released {
        /// Which.
        id: PacketId,
    },
    /// The client has our message of QoS 2: only PUBREL is repeated from now on.
    Received {
        /// Which.
        id: PacketId,
    },
    /// Our message of QoS 1 or 2 is at its end, or refused: forget it.
    Delivered {
        /// Which.
        id: PacketId,
        /// Success, or why the client refused it.
        reason: ReasonCode,
    },
    /// A client wants messages; answer with `subscribed`.
    Subscribe(SubscribeRequest),
    /// A client no longer wants messages; answer with `unsubscribed`.
    Unsubscribe(UnsubscribeRequest),
    /// The connection is over: close the transport when all before is sent. Nothing follows.
    Ended(Box<ServerEnd>),
}

/// How a connection ended and what outlives it.
#[derive(Debug)]
pub struct ServerEnd {
    /// How.
    pub end: End,
    /// The session and its will; `None` when the client was never accepted.
    pub absence: Option<Absence>,
}

/// A password that is wiped when dropped.
#[derive(Clone)]
pub struct OwnedPassword(Zeroizing<Vec<u8>>);

impl OwnedPassword {
    /// A copy of `bytes`.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for OwnedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnedPassword(..)")
    }
}

impl PartialEq for OwnedPassword {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for OwnedPassword {}

/// What CONNECT asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRequest {
    /// Which text the connection follows.
    pub version: Version,
    /// Empty: the answer names one.
    pub client_id: String,
    /// Whether a stored session is to be discarded.
    pub clean_start: bool,
    /// Seconds that the session shall outlive the connection, at most those of the settings.
    pub session_expiry_secs: u32,
    /// As the client wishes it.
    pub keep_alive_secs: u16,
    /// Who it is.
    pub user_name: Option<String>,
    /// What only they know.
    pub password: Option<OwnedPassword>,
    /// What is published when the connection ends without farewell; the machine keeps a copy.
    pub will: Option<LastWill>,
    /// Authentication method; with one, `challenge` may be the answer.
    pub method: Option<String>,
    /// What the method says.
    pub authentication_data: Option<Vec<u8>>,
    /// Whether the client asks for response information.
    pub wants_response_information: bool,
    /// In the client's words.
    pub user_properties: PropertyList,
}

impl ConnectRequest {
    pub(super) fn of(connect: &Connect<'_>, expiry_max: u32) -> Self {
        let properties = connect.properties;
        let asked = match connect.version {
            Version::V3_1_1 if connect.clean_start => 0,
            Version::V3_1_1 => u32::MAX,
            Version::V5 => properties.session_expiry_secs().unwrap_or(0),
        };
        Self {
            version: connect.version,
            client_id: connect.client_id.into(),
            clean_start: connect.clean_start,
            session_expiry_secs: asked.min(expiry_max),
            keep_alive_secs: connect.keep_alive_secs,
            user_name: connect.user_name.map(Into::into),
            password: connect.password.map(|password| OwnedPassword::new(password.0)),
            will: connect.will.as_ref().map(last_will),
            method: properties.authentication_method().map(Into::into),
            authentication_data: properties.authentication_data().map(<[u8]>::to_vec),
            wants_response_information: properties.request_response_information().unwrap_or(false),
            user_properties: user_properties(&properties),
        }
    }
}

fn last_will(will: &Will<'_>) -> LastWill {
    let mut properties = PropertyList::new();
    for property in will.properties.iter() {
        match property {
            Property::WillDelayInterval(_) | Property::MessageExpiryInterval(_) => {}
            other => properties.push(other).expect("what was read can be written"),
        }
    }
    let message = crate::Message { topic: will.topic.into(), payload: will.payload.to_vec(), properties };
    LastWill {
        publication: Publication {
            message: message.into(),
            qos: will.qos,
            retain: will.retain,
            expiry_secs: will.properties.message_expiry_secs(),
            subscription_ids: Vec::new(),
        },
        delay_secs: will.properties.will_delay_secs().unwrap_or(0),
    }
}

fn user_properties(properties: &crate::Properties<'_>) -> PropertyList {
    let mut list = PropertyList::new();
    for (name, value) in properties.user_properties() {
        list.push(Property::UserProperty(name, value)).expect("what was read can be written");
    }
    list
}

/// What SUBSCRIBE asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeRequest {
    /// To be answered with.
    pub id: PacketId,
    /// Filters and options, in order; valid, and offered by the settings.
    pub subscriptions: Vec<(String, SubscriptionOptions)>,
    /// Goes with every message that is sent for these subscriptions.
    pub identifier: Option<NonZeroU32>,
    /// In the client's words.
    pub user_properties: PropertyList,
}

impl SubscribeRequest {
    pub(super) fn of(subscribe: &Subscribe<'_>, identifier: Option<NonZeroU32>) -> Self {
        let owned = |(filter, options): (&str, SubscriptionOptions)| (String::from(filter), options);
        Self {
            id: subscribe.id,
            subscriptions: subscribe.subscriptions.iter().map(owned).collect(),
            identifier,
            user_properties: user_properties(&subscribe.properties),
        }
    }

    /// The reasons that grant every subscription its own QoS, up to `maximum`.
    #[must_use]
    pub fn granted(&self, maximum: QoS) -> Vec<ReasonCode> {
        let grant =
            |(_, options): &(String, SubscriptionOptions)| ReasonCode(options.qos.min(maximum).to_bits());
        self.subscriptions.iter().map(grant).collect()
    }
}

/// What UNSUBSCRIBE asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsubscribeRequest {
    /// To be answered with.
    pub id: PacketId,
    /// Filters, in order.
    pub filters: Vec<String>,
    /// In the client's words.
    pub user_properties: PropertyList,
}

impl UnsubscribeRequest {
    pub(super) fn of(unsubscribe: &Unsubscribe<'_>) -> Self {
        Self {
            id: unsubscribe.id,
            filters: unsubscribe.filters.iter().map(String::from).collect(),
            user_properties: user_properties(&unsubscribe.properties),
        }
    }
}
