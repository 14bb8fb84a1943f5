//! The properties of one packet.

use alloc::vec::Vec;
use core::fmt;
use core::num::{NonZeroU16, NonZeroU32};

use super::field::{Fields, Sink, VAR_INT_MAX};
use super::topic::is_topic_name;
use super::{DecodeError, Flaw, PayloadFormat, Property, QoS};

/// Where properties stand: in a packet, or in the will inside of CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// CONNECT.
    Connect,
    /// The will of CONNECT.
    Will,
    /// CONNACK.
    ConnAck,
    /// PUBLISH.
    Publish,
    /// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK.
    Ack,
    /// SUBSCRIBE.
    Subscribe,
    /// UNSUBSCRIBE.
    Unsubscribe,
    /// DISCONNECT.
    Disconnect,
    /// AUTH.
    Auth,
}

impl Place {
    /// Whether `property` may stand here. Source: MQTT 5.0 table 2-4.
    const fn has(self, property: &Property<'_>) -> bool {
        match property {
            Property::PayloadFormat(_)
            | Property::MessageExpiryInterval(_)
            | Property::ContentType(_)
            | Property::ResponseTopic(_)
            | Property::CorrelationData(_) => matches!(self, Self::Publish | Self::Will),
            Property::SubscriptionIdentifier(_) => matches!(self, Self::Publish | Self::Subscribe),
            Property::SessionExpiryInterval(_) => {
                matches!(self, Self::Connect | Self::ConnAck | Self::Disconnect)
            }
            Property::AuthenticationMethod(_) | Property::AuthenticationData(_) => {
                matches!(self, Self::Connect | Self::ConnAck | Self::Auth)
            }
            Property::RequestProblemInformation(_) | Property::RequestResponseInformation(_) => {
                matches!(self, Self::Connect)
            }
            Property::WillDelayInterval(_) => matches!(self, Self::Will),
            Property::AssignedClientIdentifier(_)
            | Property::ServerKeepAlive(_)
            | Property::ResponseInformation(_)
            | Property::MaximumQos(_)
            | Property::RetainAvailable(_)
            | Property::WildcardSubscriptionAvailable(_)
            | Property::SubscriptionIdentifierAvailable(_)
            | Property::SharedSubscriptionAvailable(_) => matches!(self, Self::ConnAck),
            Property::ServerReference(_) => matches!(self, Self::ConnAck | Self::Disconnect),
            Property::ReasonString(_) => {
                matches!(self, Self::ConnAck | Self::Ack | Self::Disconnect | Self::Auth)
            }
            Property::ReceiveMaximum(_) | Property::TopicAliasMaximum(_) | Property::MaximumPacketSize(_) => {
                matches!(self, Self::Connect | Self::ConnAck)
            }
            Property::TopicAlias(_) => matches!(self, Self::Publish),
            Property::UserProperty(..) => true,
        }
    }
}

/// The properties of one packet, in the order they stand there; borrowed from it, or from a [`PropertyList`].
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Properties<'a>(&'a [u8]);

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

macro_rules! first_of {
    ($($(#[$doc:meta])* $name:ident: $variant:ident -> $type:ty;)*) => {
        impl<'a> Properties<'a> {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(&self) -> Option<$type> {
                    self.iter().find_map(|property| match property {
                        Property::$variant(value) => Some(value),
                        _ => None,
                    })
                }
            )*
        }
    };
}

first_of! {
    /// What the payload is.
    payload_format: PayloadFormat -> PayloadFormat;
    /// Seconds the message lives.
    message_expiry_secs: MessageExpiryInterval -> u32;
    /// What the payload is, in the publisher's words.
    content_type: ContentType -> &'a str;
    /// Where a response shall be published.
    response_topic: ResponseTopic -> &'a str;
    /// What ties a response to its request.
    correlation_data: CorrelationData -> &'a [u8];
    /// The first subscription identifier.
    subscription_identifier: SubscriptionIdentifier -> NonZeroU32;
    /// Seconds the session outlives the connection.
    session_expiry_secs: SessionExpiryInterval -> u32;
    /// The name that the server gave.
    assigned_client_identifier: AssignedClientIdentifier -> &'a str;
    /// Seconds that the client shall use as keep alive.
    server_keep_alive_secs: ServerKeepAlive -> u16;
    /// Name of the authentication method.
    authentication_method: AuthenticationMethod -> &'a str;
    /// What the authentication method says.
    authentication_data: AuthenticationData -> &'a [u8];
    /// Whether reasons in words are welcome everywhere.
    request_problem_information: RequestProblemInformation -> bool;
    /// Seconds between the end of the connection and the will.
    will_delay_secs: WillDelayInterval -> u32;
    /// Whether response information is asked for.
    request_response_information: RequestResponseInformation -> bool;
    /// Base of response topics.
    response_information: ResponseInformation -> &'a str;
    /// Another server.
    server_reference: ServerReference -> &'a str;
    /// The reason in words.
    reason_string: ReasonString -> &'a str;
    /// Unacknowledged messages of QoS 1 and 2 at once.
    receive_maximum: ReceiveMaximum -> NonZeroU16;
    /// Highest topic alias.
    topic_alias_maximum: TopicAliasMaximum -> u16;
    /// The alias of the topic.
    topic_alias: TopicAlias -> NonZeroU16;
    /// Highest QoS, when it is not 2.
    maximum_qos: MaximumQos -> QoS;
    /// Whether retained messages are kept.
    retain_available: RetainAvailable -> bool;
    /// Bytes of the largest packet.
    maximum_packet_size: MaximumPacketSize -> NonZeroU32;
    /// Whether filters may have wildcards.
    wildcard_subscription_available: WildcardSubscriptionAvailable -> bool;
    /// Whether subscriptions may have identifiers.
    subscription_identifier_available: SubscriptionIdentifierAvailable -> bool;
    /// Whether subscriptions may be shared.
    shared_subscription_available: SharedSubscriptionAvailable -> bool;
}

impl<'a> Properties<'a> {
    /// No properties.
    pub const NONE: Self = Self(&[]);

    /// Each property, in order.
    #[must_use]
    pub const fn iter(&self) -> PropertyIter<'a> {
        PropertyIter(Fields::new(self.0, 0))
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values of user properties, in order.
    pub fn user_properties(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.iter().filter_map(|property| match property {
            Property::UserProperty(name, value) => Some((name, value)),
            _ => None,
        })
    }

    /// Bytes they take, without their length.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn read(fields: &mut Fields<'a>, place: Place) -> Result<Self, DecodeError> {
        let length = fields.var_int()?;
        let start = fields.clone();
        let part = fields.part(length as usize)?;
        let mut whole = part.clone();
        scan(part, place)?;
        debug_assert!(start.offset() <= fields.offset(), "reading goes forward");
        Ok(Self(whole.rest()))
    }

    /// Whether these may stand in `place`.
    pub(crate) fn check(&self, place: Place) -> Result<(), Flaw> {
        if self.0.len() > VAR_INT_MAX as usize {
            return Err(Flaw::FieldTooLong);
        }
        scan(Fields::new(self.0, 0), place).map_err(|error| error.flaw)
    }

    pub(crate) fn write(&self, out: &mut impl Sink) {
        out.var_int(u32::try_from(self.0.len()).expect("checked before"));
        out.put(self.0);
    }
}

/// Checks each property, and that none stands twice that may stand once.
fn scan(mut fields: Fields<'_>, place: Place) -> Result<(), DecodeError> {
    let mut seen: u64 = 0;
    let mut has_method = false;
    let mut data_at = None;
    while !fields.is_empty() {
        let start = fields.clone();
        let property = Property::read(&mut fields)?;
        if !place.has(&property) {
            return Err(start.flaw(Flaw::MisplacedProperty));
        }
        let bit = 1_u64 << property.id();
        let may_repeat = match property {
            Property::UserProperty(..) => true,
            Property::SubscriptionIdentifier(_) => place == Place::Publish,
            Property::AuthenticationMethod(_) => {
                has_method = true;
                false
            }
            Property::AuthenticationData(_) => {
                data_at = Some(start.offset());
                false
            }
            Property::ResponseTopic(topic) if !is_topic_name(topic) => {
                return Err(start.flaw(Flaw::ResponseTopic));
            }
            _ => false,
        };
        if seen & bit != 0 && !may_repeat {
            return Err(start.flaw(Flaw::RepeatedProperty));
        }
        seen |= bit;
    }
    match data_at {
        Some(offset) if !has_method => Err(DecodeError { offset, flaw: Flaw::NoAuthenticationMethod }),
        _ => Ok(()),
    }
}

/// Gives each property in order.
#[derive(Clone, Debug)]
pub struct PropertyIter<'a>(Fields<'a>);

impl<'a> Iterator for PropertyIter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        // What is iterated was read once, or written by us: it ends where it is empty.
        if self.0.is_empty() { None } else { Property::read(&mut self.0).ok() }
    }
}

/// Properties that are being put together.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PropertyList(Vec<u8>);

impl fmt::Debug for PropertyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_properties().fmt(f)
    }
}

impl PropertyList {
    /// No properties.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends `property`. Whether it may stand in a packet, and how often, is checked when that is written.
    ///
    /// # Errors
    /// [`Flaw`] when the value itself cannot be written: too long, a null character, out of range.
    pub fn push(&mut self, property: Property<'_>) -> Result<(), Flaw> {
        property.check()?;
        property.write(&mut self.0);
        Ok(())
    }

    /// The same list with `property` at its end.
    ///
    /// # Errors
    /// As of [`PropertyList::push`].
    pub fn with(mut self, property: Property<'_>) -> Result<Self, Flaw> {
        self.push(property)?;
        Ok(self)
    }

    /// Appends all of `properties`.
    pub fn extend(&mut self, properties: Properties<'_>) {
        self.0.extend_from_slice(properties.0);
    }

    /// Takes all out; the memory stays.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What is in it, to be written or read.
    #[must_use]
    pub fn as_properties(&self) -> Properties<'_> {
        Properties(&self.0)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
