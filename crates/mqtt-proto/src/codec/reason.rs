//! Reason codes.

use super::{Kind, Version};

/// Why an answer is as it is, or a connection ends; 0x80 and above are failures.
///
/// Return codes of 3.1.1 CONNACK are read as the 5.0 code of the same meaning.
/// Source: MQTT 5.0 section 2.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReasonCode(pub u8);

macro_rules! reason_codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        impl ReasonCode {
            $($(#[$doc])* pub const $name: Self = Self($value);)*
        }
    };
}

reason_codes! {
    /// Success; of DISCONNECT: normal, without the will; of SUBACK: QoS 0 granted.
    SUCCESS = 0x00;
    /// SUBACK: QoS 1 granted.
    GRANTED_QOS_1 = 0x01;
    /// SUBACK: QoS 2 granted.
    GRANTED_QOS_2 = 0x02;
    /// DISCONNECT of a client that wants its will published.
    DISCONNECT_WITH_WILL = 0x04;
    /// Nobody subscribes to this topic.
    NO_MATCHING_SUBSCRIBERS = 0x10;
    /// There was no such subscription.
    NO_SUBSCRIPTION_EXISTED = 0x11;
    /// AUTH: go on.
    CONTINUE_AUTHENTICATION = 0x18;
    /// AUTH: a client starts over.
    RE_AUTHENTICATE = 0x19;
    /// No more is said.
    UNSPECIFIED_ERROR = 0x80;
    /// A packet that cannot be read.
    MALFORMED_PACKET = 0x81;
    /// A packet that may not be sent like this, or here, or now.
    PROTOCOL_ERROR = 0x82;
    /// Valid, and not accepted.
    IMPLEMENTATION_SPECIFIC_ERROR = 0x83;
    /// A version that is not spoken here.
    UNSUPPORTED_PROTOCOL_VERSION = 0x84;
    /// A client identifier that is not allowed.
    CLIENT_IDENTIFIER_NOT_VALID = 0x85;
    /// User name or password are wrong.
    BAD_USER_NAME_OR_PASSWORD = 0x86;
    /// Not allowed.
    NOT_AUTHORIZED = 0x87;
    /// The server cannot serve.
    SERVER_UNAVAILABLE = 0x88;
    /// The server has too much to do.
    SERVER_BUSY = 0x89;
    /// This client was banned.
    BANNED = 0x8a;
    /// The server is going down.
    SERVER_SHUTTING_DOWN = 0x8b;
    /// An authentication method that is not known, or not the one begun with.
    BAD_AUTHENTICATION_METHOD = 0x8c;
    /// Nothing came for one and a half times the keep alive.
    KEEP_ALIVE_TIMEOUT = 0x8d;
    /// Another connection took the session over.
    SESSION_TAKEN_OVER = 0x8e;
    /// A filter that is well formed and not accepted.
    TOPIC_FILTER_INVALID = 0x8f;
    /// A topic name that is well formed and not accepted.
    TOPIC_NAME_INVALID = 0x90;
    /// The packet identifier is in use.
    PACKET_IDENTIFIER_IN_USE = 0x91;
    /// The packet identifier is not known.
    PACKET_IDENTIFIER_NOT_FOUND = 0x92;
    /// More than Receive Maximum at once.
    RECEIVE_MAXIMUM_EXCEEDED = 0x93;
    /// A topic alias of zero or over the maximum.
    TOPIC_ALIAS_INVALID = 0x94;
    /// Over the maximum packet size.
    PACKET_TOO_LARGE = 0x95;
    /// Messages come too fast.
    MESSAGE_RATE_TOO_HIGH = 0x96;
    /// A limit of this end is reached.
    QUOTA_EXCEEDED = 0x97;
    /// Closed by an operator.
    ADMINISTRATIVE_ACTION = 0x98;
    /// The payload is not of the format it says.
    PAYLOAD_FORMAT_INVALID = 0x99;
    /// Retained messages are not kept here.
    RETAIN_NOT_SUPPORTED = 0x9a;
    /// Over the maximum QoS.
    QOS_NOT_SUPPORTED = 0x9b;
    /// Use another server for now.
    USE_ANOTHER_SERVER = 0x9c;
    /// Use another server from now on.
    SERVER_MOVED = 0x9d;
    /// Shared subscriptions are not offered.
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9e;
    /// Connections come too fast.
    CONNECTION_RATE_EXCEEDED = 0x9f;
    /// The longest time of connection is over.
    MAXIMUM_CONNECT_TIME = 0xa0;
    /// Subscription identifiers are not offered.
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xa1;
    /// Wildcards are not offered.
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xa2;
}

const CONNACK: &[u8] = &[
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99,
    0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
];
const CONNACK_3_1_1: &[u8] = &[0x00, 0x84, 0x85, 0x88, 0x86, 0x87];
const RECEIVED: &[u8] = &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const RELEASED: &[u8] = &[0x00, 0x92];
const SUBACK: &[u8] = &[0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2];
const SUBACK_3_1_1: &[u8] = &[0x00, 0x01, 0x02, 0x80];
const UNSUBACK: &[u8] = &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91];
/// 0x8c stands in the table of all reason codes, not in that of DISCONNECT; it is taken.
const DISCONNECT: &[u8] = &[
    0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95,
    0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
];
const DISCONNECT_OF_CLIENTS: &[u8] =
    &[0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x8c, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];
const AUTH: &[u8] = &[0x00, 0x18, 0x19];

impl ReasonCode {
    /// Whether this says that something failed.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        self.0 >= 0x80
    }

    /// Whether packets of `kind` may carry this code in `version`.
    #[must_use]
    pub fn is_of(self, kind: Kind, version: Version) -> bool {
        let table = match (kind, version) {
            (Kind::ConnAck, Version::V5) => CONNACK,
            (Kind::ConnAck, Version::V3_1_1) => CONNACK_3_1_1,
            (Kind::SubAck, Version::V5) => SUBACK,
            (Kind::SubAck, Version::V3_1_1) => SUBACK_3_1_1,
            (_, Version::V3_1_1) => return false,
            (Kind::PubAck | Kind::PubRec, Version::V5) => RECEIVED,
            (Kind::PubRel | Kind::PubComp, Version::V5) => RELEASED,
            (Kind::UnsubAck, Version::V5) => UNSUBACK,
            (Kind::Disconnect, Version::V5) => DISCONNECT,
            (Kind::Auth, Version::V5) => AUTH,
            (
                Kind::Connect
                | Kind::Publish
                | Kind::Subscribe
                | Kind::Unsubscribe
                | Kind::PingReq
                | Kind::PingResp,
                Version::V5,
            ) => return false,
        };
        table.contains(&self.0)
    }

    /// Whether a client may say this in DISCONNECT; a server may say all of them but 0x04.
    #[must_use]
    pub fn is_of_leaving_client(self) -> bool {
        DISCONNECT_OF_CLIENTS.contains(&self.0)
    }

    /// The return code of a 3.1.1 CONNACK that comes nearest; `None`: the connection is closed without one.
    ///
    /// Source: MQTT 3.1.1 section 3.2.2.3.
    #[must_use]
    pub const fn to_return_code(self) -> Option<u8> {
        match self {
            Self::SUCCESS => Some(0),
            Self::UNSUPPORTED_PROTOCOL_VERSION => Some(1),
            Self::CLIENT_IDENTIFIER_NOT_VALID => Some(2),
            Self::SERVER_UNAVAILABLE
            | Self::SERVER_BUSY
            | Self::USE_ANOTHER_SERVER
            | Self::SERVER_MOVED
            | Self::QUOTA_EXCEEDED
            | Self::CONNECTION_RATE_EXCEEDED => Some(3),
            Self::BAD_USER_NAME_OR_PASSWORD => Some(4),
            Self::NOT_AUTHORIZED | Self::BANNED => Some(5),
            _ => None,
        }
    }

    /// The code that a 3.1.1 return code stands for.
    #[must_use]
    pub const fn from_return_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::SUCCESS),
            1 => Some(Self::UNSUPPORTED_PROTOCOL_VERSION),
            2 => Some(Self::CLIENT_IDENTIFIER_NOT_VALID),
            3 => Some(Self::SERVER_UNAVAILABLE),
            4 => Some(Self::BAD_USER_NAME_OR_PASSWORD),
            5 => Some(Self::NOT_AUTHORIZED),
            _ => None,
        }
    }
}
