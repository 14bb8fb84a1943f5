//! PUBLISH.

use super::connect::{check_properties, read_properties, write_properties};
use super::field::{Fields, Sink};
use super::{DecodeError, Flaw, PacketId, PayloadFormat, Place, Properties, QoS, Version, is_topic_name};

/// The QoS of a message on its way, with what goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// QoS 0: has no identifier and is never repeated.
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce {
        /// Answered by PUBACK with the same.
        id: PacketId,
        /// Whether this may have been sent before.
        dup: bool,
    },
    /// QoS 2.
    ExactlyOnce {
        /// Answered by PUBREC with the same.
        id: PacketId,
        /// Whether this may have been sent before.
        dup: bool,
    },
}

impl Delivery {
    /// Its QoS.
    #[must_use]
    pub const fn qos(self) -> QoS {
        match self {
            Self::AtMostOnce => QoS::AtMostOnce,
            Self::AtLeastOnce { .. } => QoS::AtLeastOnce,
            Self::ExactlyOnce { .. } => QoS::ExactlyOnce,
        }
    }

    /// Its identifier, unless it is QoS 0.
    #[must_use]
    pub const fn id(self) -> Option<PacketId> {
        match self {
            Self::AtMostOnce => None,
            Self::AtLeastOnce { id, .. } | Self::ExactlyOnce { id, .. } => Some(id),
        }
    }

    /// Whether it may have been sent before.
    #[must_use]
    pub const fn is_dup(self) -> bool {
        match self {
            Self::AtMostOnce => false,
            Self::AtLeastOnce { dup, .. } | Self::ExactlyOnce { dup, .. } => dup,
        }
    }
}

/// A message. Source: MQTT 5.0 and 3.1.1 section 3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// QoS and identifier.
    pub delivery: Delivery,
    /// Whether it is to be retained, or was.
    pub retain: bool,
    /// The topic; empty in 5.0 when an alias stands for it.
    pub topic: &'a str,
    /// [`Place::Publish`]; none in 3.1.1.
    pub properties: Properties<'a>,
    /// Any bytes.
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    /// Whether the payload is of the format it says.
    #[must_use]
    pub fn is_payload_as_said(&self) -> bool {
        self.properties.payload_format() != Some(PayloadFormat::Utf8)
            || core::str::from_utf8(self.payload).is_ok()
    }

    pub(crate) fn read(fields: &mut Fields<'a>, flags: u8, version: Version) -> Result<Self, DecodeError> {
        let refused = |flaw| DecodeError { offset: 0, flaw };
        let qos = QoS::from_bits(flags >> 1 & 3).ok_or(refused(Flaw::QosThree))?;
        let dup = flags & 8 != 0;
        if dup && qos == QoS::AtMostOnce {
            return Err(refused(Flaw::DupWithoutId));
        }
        let at_topic = fields.clone();
        let topic = fields.text()?;
        let delivery = match qos {
            QoS::AtMostOnce => Delivery::AtMostOnce,
            QoS::AtLeastOnce => Delivery::AtLeastOnce { id: fields.packet_id()?, dup },
            QoS::ExactlyOnce => Delivery::ExactlyOnce { id: fields.packet_id()?, dup },
        };
        let properties = read_properties(fields, Place::Publish, version)?;
        check_topic(topic, properties, version).map_err(|flaw| at_topic.flaw(flaw))?;
        Ok(Self { delivery, retain: flags & 1 != 0, topic, properties, payload: fields.rest() })
    }

    pub(crate) fn flags(&self) -> u8 {
        u8::from(self.delivery.is_dup()) << 3 | self.delivery.qos().to_bits() << 1 | u8::from(self.retain)
    }

    pub(crate) fn check(&self, version: Version) -> Result<(), Flaw> {
        check_properties(self.properties, Place::Publish, version)?;
        check_topic(self.topic, self.properties, version)
    }

    pub(crate) fn write(&self, version: Version, out: &mut impl Sink) {
        out.text(self.topic);
        if let Some(id) = self.delivery.id() {
            out.u16(id.get());
        }
        write_properties(self.properties, version, out);
        out.put(self.payload);
    }
}

fn check_topic(topic: &str, properties: Properties<'_>, version: Version) -> Result<(), Flaw> {
    match version {
        Version::V5 if topic.is_empty() && properties.topic_alias().is_some() => Ok(()),
        Version::V5 if topic.is_empty() => Err(Flaw::NoTopic),
        Version::V3_1_1 | Version::V5 if is_topic_name(topic) => Ok(()),
        Version::V3_1_1 | Version::V5 => Err(Flaw::TopicName),
    }
}
