//! What a peer may not do, and how connections end.

use crate::{DecodeError, EncodeError, Kind, ReasonCode};

/// A rule of conduct that the peer broke; the connection is closed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Something else than CONNECT came first, or than CONNACK or AUTH.
    NotConnected(Kind),
    /// A packet that only the other side may send, or may not send twice.
    Unexpected(Kind),
    /// An answer to nothing that was asked, or with another number of codes.
    NotAsked(Kind),
    /// A step in the delivery of a message that is not its next one.
    OutOfStep(Kind),
    /// A packet identifier that is in use for something else.
    IdInUse,
    /// More unacknowledged messages than this end takes.
    ReceiveMaximum,
    /// A topic alias over the maximum.
    AliasOverMaximum,
    /// A topic alias that was not said what it stands for.
    UnknownAlias,
    /// Topics behind aliases of more bytes than this end keeps.
    AliasMemory,
    /// More requests without an answer than this end takes.
    TooManyRequests,
    /// More data behind CONNECT than this end holds before its answer.
    TooMuchEarlyData,
    /// More steps of authentication than this end takes.
    TooManyRounds,
    /// A QoS that the server said it does not have.
    QosNotSupported,
    /// A retained message for a server that said it keeps none.
    RetainNotSupported,
    /// A subscription identifier in a message of a client.
    IdentifierOfClient,
    /// A subscription identifier for a server that said it has none.
    IdentifiersNotSupported,
    /// A shared subscription at a server that said it has none.
    SharedNotSupported,
    /// A wildcard at a server that said it has none.
    WildcardsNotSupported,
    /// A session that was to end with the connection is to be kept after all, or a server says such a thing.
    SessionExpiry,
    /// Another authentication method than the one begun with, or none was begun with.
    AuthenticationMethod,
    /// A reason that only the other side may give.
    ReasonOfOtherSide,
    /// A payload that is not of the format it says, where nothing but closing can say so.
    PayloadFormat,
    /// The server goes on with a session that does not exist here.
    UnknownSession,
    /// A client has no name: in 3.1.1 without a clean session, in 5.0 without one from the server.
    NoClientIdentifier,
}

impl Violation {
    /// What a 5.0 end says when it closes the connection for this.
    #[must_use]
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::NotConnected(_)
            | Self::Unexpected(_)
            | Self::NotAsked(_)
            | Self::OutOfStep(_)
            | Self::IdInUse
            | Self::UnknownAlias
            | Self::IdentifierOfClient
            | Self::SessionExpiry
            | Self::AuthenticationMethod
            | Self::ReasonOfOtherSide
            | Self::UnknownSession => ReasonCode::PROTOCOL_ERROR,
            Self::NoClientIdentifier => ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
            Self::ReceiveMaximum => ReasonCode::RECEIVE_MAXIMUM_EXCEEDED,
            Self::AliasOverMaximum => ReasonCode::TOPIC_ALIAS_INVALID,
            Self::AliasMemory | Self::TooManyRequests | Self::TooMuchEarlyData | Self::TooManyRounds => {
                ReasonCode::QUOTA_EXCEEDED
            }
            Self::QosNotSupported => ReasonCode::QOS_NOT_SUPPORTED,
            Self::RetainNotSupported => ReasonCode::RETAIN_NOT_SUPPORTED,
            Self::IdentifiersNotSupported => ReasonCode::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED,
            Self::SharedNotSupported => ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
            Self::WildcardsNotSupported => ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,
            Self::PayloadFormat => ReasonCode::PAYLOAD_FORMAT_INVALID,
        }
    }
}

/// How a connection ended. The transport is to be closed, if it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer said DISCONNECT.
    Left(ReasonCode),
    /// This end said DISCONNECT, or would have in 5.0.
    Closed(ReasonCode),
    /// CONNECT was answered with a refusal.
    Refused(ReasonCode),
    /// The transport broke.
    TransportLost,
    /// The peer sent what is no packet.
    Malformed(DecodeError),
    /// The peer broke a rule of conduct.
    Violation(Violation),
    /// Nothing came for one and a half times the keep alive, or no answer to PINGREQ.
    KeepAlive,
    /// CONNECT, its answer, or a step of authentication did not come in time.
    NotConnectedInTime,
    /// What must be said is larger than the peer takes.
    Unsendable,
}

/// Nothing of the kind is waiting for this. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAsked;

/// Why an input ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Malformed(DecodeError),
    Violation(Violation),
    Unsendable,
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl From<EncodeError> for Stop {
    fn from(_: EncodeError) -> Self {
        Self::Unsendable
    }
}

impl Stop {
    pub(crate) const fn reason_code(self) -> ReasonCode {
        match self {
            Self::Malformed(error) => error.reason_code(),
            Self::Violation(violation) => violation.reason_code(),
            Self::Unsendable => ReasonCode::PACKET_TOO_LARGE,
        }
    }

    pub(crate) const fn end(self) -> End {
        match self {
            Self::Malformed(error) => End::Malformed(error),
            Self::Violation(violation) => End::Violation(violation),
            Self::Unsendable => End::Unsendable,
        }
    }
}
