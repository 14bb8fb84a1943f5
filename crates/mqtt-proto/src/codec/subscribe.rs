//! SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK.

use super::connect::{check_properties, read_properties, write_properties};
use super::field::{Fields, Sink};
use super::{
    DecodeError, Filters, Flaw, Kind, PacketId, Place, Properties, ReasonCode, Subscriptions, Version,
};

/// A client wants messages. Source: MQTT 5.0 and 3.1.1 section 3.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Answered by SUBACK with the same.
    pub id: PacketId,
    /// [`Place::Subscribe`]; none in 3.1.1.
    pub properties: Properties<'a>,
    /// Which messages, and how.
    pub subscriptions: Subscriptions<'a>,
}

impl<'a> Subscribe<'a> {
    pub(crate) fn read(fields: &mut Fields<'a>, version: Version) -> Result<Self, DecodeError> {
        let id = fields.packet_id()?;
        let properties = read_properties(fields, Place::Subscribe, version)?;
        Ok(Self { id, properties, subscriptions: Subscriptions::read(fields, version)? })
    }

    pub(crate) fn check(&self, version: Version) -> Result<(), Flaw> {
        check_properties(self.properties, Place::Subscribe, version)?;
        self.subscriptions.check(version)
    }

    pub(crate) fn write(&self, version: Version, out: &mut impl Sink) {
        out.u16(self.id.get());
        write_properties(self.properties, version, out);
        self.subscriptions.write(out);
    }
}

/// A client no longer wants messages. Source: MQTT 5.0 and 3.1.1 section 3.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// Answered by UNSUBACK with the same.
    pub id: PacketId,
    /// [`Place::Unsubscribe`]; none in 3.1.1.
    pub properties: Properties<'a>,
    /// Which subscriptions, by their filter.
    pub filters: Filters<'a>,
}

impl<'a> Unsubscribe<'a> {
    pub(crate) fn read(fields: &mut Fields<'a>, version: Version) -> Result<Self, DecodeError> {
        let id = fields.packet_id()?;
        let properties = read_properties(fields, Place::Unsubscribe, version)?;
        Ok(Self { id, properties, filters: Filters::read(fields, version)? })
    }

    pub(crate) fn check(&self, version: Version) -> Result<(), Flaw> {
        check_properties(self.properties, Place::Unsubscribe, version)?;
        self.filters.check(version)
    }

    pub(crate) fn write(&self, version: Version, out: &mut impl Sink) {
        out.u16(self.id.get());
        write_properties(self.properties, version, out);
        self.filters.write(out);
    }
}

/// The answer to SUBSCRIBE. Source: MQTT 5.0 and 3.1.1 section 3.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubAck<'a> {
    /// That of SUBSCRIBE.
    pub id: PacketId,
    /// [`Place::Ack`]; none in 3.1.1.
    pub properties: Properties<'a>,
    /// A reason code for each filter, in order; at least one.
    pub codes: &'a [u8],
}

impl<'a> SubAck<'a> {
    pub(crate) fn read(fields: &mut Fields<'a>, version: Version) -> Result<Self, DecodeError> {
        let id = fields.packet_id()?;
        let properties = read_properties(fields, Place::Ack, version)?;
        let base = fields.offset();
        let codes = fields.rest();
        check_codes(codes, Kind::SubAck, version)
            .map_err(|(at, flaw)| DecodeError { offset: base + at, flaw })?;
        Ok(Self { id, properties, codes })
    }

    pub(crate) fn check(&self, version: Version) -> Result<(), Flaw> {
        check_properties(self.properties, Place::Ack, version)?;
        check_codes(self.codes, Kind::SubAck, version).map_err(|(_, flaw)| flaw)
    }

    pub(crate) fn write(&self, version: Version, out: &mut impl Sink) {
        out.u16(self.id.get());
        write_properties(self.properties, version, out);
        out.put(self.codes);
    }
}

/// The answer to UNSUBSCRIBE. Source: MQTT 5.0 and 3.1.1 section 3.11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsubAck<'a> {
    /// That of UNSUBSCRIBE.
    pub id: PacketId,
    /// [`Place::Ack`]; none in 3.1.1.
    pub properties: Properties<'a>,
    /// A reason code for each filter, in order; at least one in 5.0, none in 3.1.1.
    pub codes: &'a [u8],
}

impl<'a> UnsubAck<'a> {
    pub(crate) fn read(fields: &mut Fields<'a>, version: Version) -> Result<Self, DecodeError> {
        let id = fields.packet_id()?;
        if version == Version::V3_1_1 {
            return Ok(Self { id, properties: Properties::NONE, codes: &[] });
        }
        let properties = Properties::read(fields, Place::Ack)?;
        let base = fields.offset();
        let codes = fields.rest();
        check_codes(codes, Kind::UnsubAck, version)
            .map_err(|(at, flaw)| DecodeError { offset: base + at, flaw })?;
        Ok(Self { id, properties, codes })
    }

    pub(crate) fn check(&self, version: Version) -> Result<(), Flaw> {
        check_properties(self.properties, Place::Ack, version)?;
        match version {
            Version::V3_1_1 if self.codes.is_empty() => Ok(()),
            Version::V3_1_1 => Err(Flaw::NotInVersion),
            Version::V5 => check_codes(self.codes, Kind::UnsubAck, version).map_err(|(_, flaw)| flaw),
        }
    }

    pub(crate) fn write(&self, version: Version, out: &mut impl Sink) {
        out.u16(self.id.get());
        write_properties(self.properties, version, out);
        out.put(self.codes);
    }
}

/// The place and flaw of the first code that may not stand there.
fn check_codes(codes: &[u8], kind: Kind, version: Version) -> Result<(), (usize, Flaw)> {
    if codes.is_empty() {
        return Err((0, Flaw::NoFilters));
    }
    match codes.iter().position(|code| !ReasonCode(*code).is_of(kind, version)) {
        Some(at) => Err((at, Flaw::ReasonCode)),
        None => Ok(()),
    }
}
