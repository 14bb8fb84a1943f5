//! PUBACK, PUBREC, PUBREL, PUBCOMP.

use super::connect::check_properties;
use super::field::{Fields, Sink};
use super::{DecodeError, Flaw, Kind, PacketId, Place, Properties, ReasonCode, Version};

/// One step in the delivery of a message. Source: MQTT 5.0 and 3.1.1 sections 3.4 to 3.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// That of PUBLISH.
    pub id: PacketId,
    /// Success or why not; always success in 3.1.1.
    pub reason: ReasonCode,
    /// [`Place::Ack`]; none in 3.1.1.
    pub properties: Properties<'a>,
}

impl<'a> Ack<'a> {
    /// Success, without another word.
    #[must_use]
    pub const fn success(id: PacketId) -> Self {
        Self { id, reason: ReasonCode::SUCCESS, properties: Properties::NONE }
    }

    pub(crate) fn read(fields: &mut Fields<'a>, kind: Kind, version: Version) -> Result<Self, DecodeError> {
        let id = fields.packet_id()?;
        if version == Version::V3_1_1 || fields.is_empty() {
            return Ok(Self::success(id));
        }
        let at_reason = fields.clone();
        let reason = ReasonCode(fields.u8()?);
        if !reason.is_of(kind, version) {
            return Err(at_reason.flaw(Flaw::ReasonCode));
        }
        let properties = match fields.is_empty() {
            true => Properties::NONE,
            false => Properties::read(fields, Place::Ack)?,
        };
        Ok(Self { id, reason, properties })
    }

    pub(crate) fn check(&self, kind: Kind, version: Version) -> Result<(), Flaw> {
        check_properties(self.properties, Place::Ack, version)?;
        let known = match version {
            Version::V3_1_1 => self.reason == ReasonCode::SUCCESS,
            Version::V5 => self.reason.is_of(kind, version),
        };
        if known { Ok(()) } else { Err(Flaw::ReasonCode) }
    }

    pub(crate) fn write(&self, version: Version, out: &mut impl Sink) {
        out.u16(self.id.get());
        if version == Version::V3_1_1 || self.reason == ReasonCode::SUCCESS && self.properties.is_empty() {
            return;
        }
        out.u8(self.reason.0);
        if !self.properties.is_empty() {
            self.properties.write(out);
        }
    }
}
