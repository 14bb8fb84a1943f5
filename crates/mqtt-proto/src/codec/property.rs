//! One property.

use core::fmt;
use core::num::{NonZeroU16, NonZeroU32};

use super::field::{Fields, Sink, VAR_INT_MAX, check_binary, check_text};
use super::{DecodeError, Flaw, QoS};

/// What a payload says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadFormat {
    /// Any bytes.
    Unspecified,
    /// UTF-8 text.
    Utf8,
}

/// One property of a 5.0 packet. Source: MQTT 5.0 section 2.2.2.2.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Property<'a> {
    /// 0x01: what the payload is.
    PayloadFormat(PayloadFormat),
    /// 0x02: seconds the message lives.
    MessageExpiryInterval(u32),
    /// 0x03: what the payload is, in the publisher's words.
    ContentType(&'a str),
    /// 0x08: where a response shall be published.
    ResponseTopic(&'a str),
    /// 0x09: what ties a response to its request.
    CorrelationData(&'a [u8]),
    /// 0x0b: which subscription; 1 to 268,435,455.
    SubscriptionIdentifier(NonZeroU32),
    /// 0x11: seconds the session outlives the connection; `u32::MAX` for ever.
    SessionExpiryInterval(u32),
    /// 0x12: the name that the server gave.
    AssignedClientIdentifier(&'a str),
    /// 0x13: seconds that the client shall use.
    ServerKeepAlive(u16),
    /// 0x15: name of the method.
    AuthenticationMethod(&'a str),
    /// 0x16: what the method says.
    AuthenticationData(&'a [u8]),
    /// 0x17: whether reasons in words are welcome everywhere.
    RequestProblemInformation(bool),
    /// 0x18: seconds between the end of the connection and the will.
    WillDelayInterval(u32),
    /// 0x19: whether response information is asked for.
    RequestResponseInformation(bool),
    /// 0x1a: base of response topics.
    ResponseInformation(&'a str),
    /// 0x1c: another server.
    ServerReference(&'a str),
    /// 0x1f: the reason in words.
    ReasonString(&'a str),
    /// 0x21: unacknowledged messages of QoS 1 and 2 at once.
    ReceiveMaximum(NonZeroU16),
    /// 0x22: highest topic alias.
    TopicAliasMaximum(u16),
    /// 0x23: the alias of the topic.
    TopicAlias(NonZeroU16),
    /// 0x24: QoS 0 or 1; QoS 2 is said by leaving it out.
    MaximumQos(QoS),
    /// 0x25: whether retained messages are kept.
    RetainAvailable(bool),
    /// 0x26: a name and a value, as often as wanted.
    UserProperty(&'a str, &'a str),
    /// 0x27: bytes of the largest packet.
    MaximumPacketSize(NonZeroU32),
    /// 0x28: whether filters may have wildcards.
    WildcardSubscriptionAvailable(bool),
    /// 0x29: whether subscriptions may have identifiers.
    SubscriptionIdentifierAvailable(bool),
    /// 0x2a: whether subscriptions may be shared.
    SharedSubscriptionAvailable(bool),
}

impl fmt::Debug for Property<'_> {
    /// Hides authentication data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AuthenticationData(data) => write!(f, "0x16({} bytes)", data.len()),
            Self::UserProperty(name, value) => write!(f, "0x26({name:?}, {value:?})"),
            Self::ContentType(text)
            | Self::ResponseTopic(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => write!(f, "0x{:02x}({text:?})", self.id()),
            Self::CorrelationData(data) => write!(f, "0x09({data:02x?})"),
            Self::PayloadFormat(format) => write!(f, "0x01({format:?})"),
            Self::MaximumQos(qos) => write!(f, "0x24({qos:?})"),
            Self::SubscriptionIdentifier(number) | Self::MaximumPacketSize(number) => {
                write!(f, "0x{:02x}({number})", self.id())
            }
            Self::ReceiveMaximum(number) | Self::TopicAlias(number) => {
                write!(f, "0x{:02x}({number})", self.id())
            }
            Self::MessageExpiryInterval(number)
            | Self::SessionExpiryInterval(number)
            | Self::WillDelayInterval(number) => write!(f, "0x{:02x}({number})", self.id()),
            Self::ServerKeepAlive(number) | Self::TopicAliasMaximum(number) => {
                write!(f, "0x{:02x}({number})", self.id())
            }
            Self::RequestProblemInformation(yes)
            | Self::RequestResponseInformation(yes)
            | Self::RetainAvailable(yes)
            | Self::WildcardSubscriptionAvailable(yes)
            | Self::SubscriptionIdentifierAvailable(yes)
            | Self::SharedSubscriptionAvailable(yes) => write!(f, "0x{:02x}({yes})", self.id()),
        }
    }
}

impl<'a> Property<'a> {
    /// Its number on the wire.
    #[must_use]
    pub const fn id(&self) -> u8 {
        match self {
            Self::PayloadFormat(_) => 0x01,
            Self::MessageExpiryInterval(_) => 0x02,
            Self::ContentType(_) => 0x03,
            Self::ResponseTopic(_) => 0x08,
            Self::CorrelationData(_) => 0x09,
            Self::SubscriptionIdentifier(_) => 0x0b,
            Self::SessionExpiryInterval(_) => 0x11,
            Self::AssignedClientIdentifier(_) => 0x12,
            Self::ServerKeepAlive(_) => 0x13,
            Self::AuthenticationMethod(_) => 0x15,
            Self::AuthenticationData(_) => 0x16,
            Self::RequestProblemInformation(_) => 0x17,
            Self::WillDelayInterval(_) => 0x18,
            Self::RequestResponseInformation(_) => 0x19,
            Self::ResponseInformation(_) => 0x1a,
            Self::ServerReference(_) => 0x1c,
            Self::ReasonString(_) => 0x1f,
            Self::ReceiveMaximum(_) => 0x21,
            Self::TopicAliasMaximum(_) => 0x22,
            Self::TopicAlias(_) => 0x23,
            Self::MaximumQos(_) => 0x24,
            Self::RetainAvailable(_) => 0x25,
            Self::UserProperty(..) => 0x26,
            Self::MaximumPacketSize(_) => 0x27,
            Self::WildcardSubscriptionAvailable(_) => 0x28,
            Self::SubscriptionIdentifierAvailable(_) => 0x29,
            Self::SharedSubscriptionAvailable(_) => 0x2a,
        }
    }

    /// Reads one property; its identifier is a variable byte integer that never needs a second byte.
    pub(crate) fn read(fields: &mut Fields<'a>) -> Result<Self, DecodeError> {
        let start = fields.clone();
        let id = fields.var_int()?;
        let value = fields.offset();
        let refused = |flaw| DecodeError { offset: value, flaw };
        let flag = |byte: u8| match byte {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(refused(Flaw::PropertyValue)),
        };
        Ok(match id {
            0x01 if flag(fields.u8()?)? => Self::PayloadFormat(PayloadFormat::Utf8),
            0x01 => Self::PayloadFormat(PayloadFormat::Unspecified),
            0x02 => Self::MessageExpiryInterval(fields.u32()?),
            0x03 => Self::ContentType(fields.text()?),
            0x08 => Self::ResponseTopic(fields.text()?),
            0x09 => Self::CorrelationData(fields.binary()?),
            0x0b => Self::SubscriptionIdentifier(
                NonZeroU32::new(fields.var_int()?).ok_or(refused(Flaw::PropertyValue))?,
            ),
            0x11 => Self::SessionExpiryInterval(fields.u32()?),
            0x12 => Self::AssignedClientIdentifier(fields.text()?),
            0x13 => Self::ServerKeepAlive(fields.u16()?),
            0x15 => Self::AuthenticationMethod(fields.text()?),
            0x16 => Self::AuthenticationData(fields.binary()?),
            0x17 => Self::RequestProblemInformation(flag(fields.u8()?)?),
            0x18 => Self::WillDelayInterval(fields.u32()?),
            0x19 => Self::RequestResponseInformation(flag(fields.u8()?)?),
            0x1a => Self::ResponseInformation(fields.text()?),
            0x1c => Self::ServerReference(fields.text()?),
            0x1f => Self::ReasonString(fields.text()?),
            0x21 => Self::ReceiveMaximum(NonZeroU16::new(fields.u16()?).ok_or(refused(Flaw::PropertyValue))?),
            0x22 => Self::TopicAliasMaximum(fields.u16()?),
            0x23 => Self::TopicAlias(NonZeroU16::new(fields.u16()?).ok_or(refused(Flaw::TopicAliasZero))?),
            0x24 if flag(fields.u8()?)? => Self::MaximumQos(QoS::AtLeastOnce),
            0x24 => Self::MaximumQos(QoS::AtMostOnce),
            0x25 => Self::RetainAvailable(flag(fields.u8()?)?),
            0x26 => Self::UserProperty(fields.text()?, fields.text()?),
            0x27 => {
                Self::MaximumPacketSize(NonZeroU32::new(fields.u32()?).ok_or(refused(Flaw::PropertyValue))?)
            }
            0x28 => Self::WildcardSubscriptionAvailable(flag(fields.u8()?)?),
            0x29 => Self::SubscriptionIdentifierAvailable(flag(fields.u8()?)?),
            0x2a => Self::SharedSubscriptionAvailable(flag(fields.u8()?)?),
            _ => return Err(start.flaw(Flaw::UnknownProperty)),
        })
    }

    /// Whether the value can be written.
    pub(crate) fn check(&self) -> Result<(), Flaw> {
        match self {
            Self::ContentType(text)
            | Self::ResponseTopic(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => check_text(text),
            Self::UserProperty(name, value) => check_text(name).and_then(|()| check_text(value)),
            Self::CorrelationData(data) | Self::AuthenticationData(data) => check_binary(data),
            Self::SubscriptionIdentifier(number) if number.get() > VAR_INT_MAX => Err(Flaw::PropertyValue),
            Self::MaximumQos(QoS::ExactlyOnce) => Err(Flaw::PropertyValue),
            _ => Ok(()),
        }
    }

    pub(crate) fn write(&self, out: &mut impl Sink) {
        out.u8(self.id());
        match *self {
            Self::PayloadFormat(format) => out.u8(u8::from(format == PayloadFormat::Utf8)),
            Self::MaximumQos(qos) => out.u8(qos.to_bits()),
            Self::RequestProblemInformation(yes)
            | Self::RequestResponseInformation(yes)
            | Self::RetainAvailable(yes)
            | Self::WildcardSubscriptionAvailable(yes)
            | Self::SubscriptionIdentifierAvailable(yes)
            | Self::SharedSubscriptionAvailable(yes) => out.u8(u8::from(yes)),
            Self::ServerKeepAlive(number) | Self::TopicAliasMaximum(number) => out.u16(number),
            Self::ReceiveMaximum(number) | Self::TopicAlias(number) => out.u16(number.get()),
            Self::MessageExpiryInterval(number)
            | Self::SessionExpiryInterval(number)
            | Self::WillDelayInterval(number) => out.u32(number),
            Self::MaximumPacketSize(number) => out.u32(number.get()),
            Self::SubscriptionIdentifier(number) => out.var_int(number.get()),
            Self::ContentType(text)
            | Self::ResponseTopic(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => out.text(text),
            Self::CorrelationData(data) | Self::AuthenticationData(data) => out.binary(data),
            Self::UserProperty(name, value) => {
                out.text(name);
                out.text(value);
            }
        }
    }
}
