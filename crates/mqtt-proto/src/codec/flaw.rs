//! What can be wrong with a packet.

use crate::ReasonCode;

/// Why bytes are no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Offset in bytes from the start of the packet, its fixed header included.
    pub offset: usize,
    /// What is wrong there.
    pub flaw: Flaw,
}

/// A rule that a packet breaks, read or about to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The packet ends inside a field.
    Truncated,
    /// Bytes follow the last field.
    Trailing,
    /// A variable byte integer with more bytes than it needs.
    NotShortest,
    /// A variable byte integer of more than four bytes.
    IntegerTooLong,
    /// The packet is larger than this end takes.
    TooLarge,
    /// A packet type that does not exist in this version.
    UnknownType,
    /// Reserved bits do not have their prescribed value.
    ReservedBits,
    /// A QoS of 3.
    QosThree,
    /// A QoS 0 message marked as a repetition.
    DupWithoutId,
    /// A string is not UTF-8.
    NotUtf8,
    /// A string contains U+0000.
    NullCharacter,
    /// The protocol is not called `MQTT`.
    ProtocolName,
    /// A protocol level other than 4 and 5.
    ProtocolLevel(u8),
    /// Will QoS or will retain without a will.
    WillFlags,
    /// A password without a user name in 3.1.1.
    PasswordAlone,
    /// A packet identifier of zero.
    ZeroPacketId,
    /// A topic name that is empty, or has a wildcard.
    TopicName,
    /// A topic filter that is empty, has a wildcard out of place, or a share without name or filter.
    TopicFilter,
    /// Neither a topic name nor an alias.
    NoTopic,
    /// A topic alias of zero.
    TopicAliasZero,
    /// A request without any topic filter, or its answer without any reason code.
    NoFilters,
    /// Subscription options with values that are not defined.
    SubscriptionOptions,
    /// No Local on a shared subscription.
    SharedNoLocal,
    /// A reason code that this packet does not have.
    ReasonCode,
    /// Session Present together with a refusal.
    SessionPresent,
    /// A property identifier that is not defined.
    UnknownProperty,
    /// A property that this packet does not have.
    MisplacedProperty,
    /// A property twice that may stand once.
    RepeatedProperty,
    /// A property with a value that is not allowed.
    PropertyValue,
    /// A response topic that is no topic name.
    ResponseTopic,
    /// Authentication data without a method, or an AUTH packet without one.
    NoAuthenticationMethod,
    /// A field is longer than its length can say. Only when writing.
    FieldTooLong,
    /// A field that this version does not have, such as properties in 3.1.1. Only when writing.
    NotInVersion,
}

impl Flaw {
    /// What a 5.0 end says when it closes the connection for this.
    ///
    /// Source: MQTT 5.0 sections 2.2.2.2, 3 (each packet) and 4.13; what the text calls malformed is 0x81, what it
    /// calls a protocol error 0x82.
    #[must_use]
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::TooLarge => ReasonCode::PACKET_TOO_LARGE,
            Self::ProtocolName | Self::ProtocolLevel(_) => ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
            Self::TopicAliasZero => ReasonCode::TOPIC_ALIAS_INVALID,
            Self::ZeroPacketId
            | Self::NoTopic
            | Self::NoFilters
            | Self::SubscriptionOptions
            | Self::SharedNoLocal
            | Self::SessionPresent
            | Self::RepeatedProperty
            | Self::PropertyValue
            | Self::ResponseTopic
            | Self::NoAuthenticationMethod => ReasonCode::PROTOCOL_ERROR,
            Self::Truncated
            | Self::Trailing
            | Self::NotShortest
            | Self::IntegerTooLong
            | Self::UnknownType
            | Self::ReservedBits
            | Self::QosThree
            | Self::DupWithoutId
            | Self::NotUtf8
            | Self::NullCharacter
            | Self::WillFlags
            | Self::PasswordAlone
            | Self::TopicName
            | Self::TopicFilter
            | Self::ReasonCode
            | Self::UnknownProperty
            | Self::MisplacedProperty
            | Self::FieldTooLong
            | Self::NotInVersion => ReasonCode::MALFORMED_PACKET,
        }
    }
}

impl DecodeError {
    /// What a 5.0 end says when it closes the connection for this; a 3.1.1 end closes without a word.
    #[must_use]
    pub const fn reason_code(self) -> ReasonCode {
        self.flaw.reason_code()
    }
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?} at byte {}", self.flaw, self.offset)
    }
}

impl core::error::Error for DecodeError {}

/// Why a packet was not written. Nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// It would be larger than the receiver takes, or than any packet can be.
    TooLarge,
    /// It breaks a rule; the receiver would close the connection.
    Invalid(Flaw),
}

impl From<Flaw> for EncodeError {
    fn from(flaw: Flaw) -> Self {
        Self::Invalid(flaw)
    }
}

impl core::fmt::Display for EncodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooLarge => f.write_str("too large"),
            Self::Invalid(flaw) => write!(f, "{flaw:?}"),
        }
    }
}

impl core::error::Error for EncodeError {}
