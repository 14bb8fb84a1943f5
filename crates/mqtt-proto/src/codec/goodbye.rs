//! DISCONNECT and AUTH.

use super::connect::check_properties;
use super::field::{Fields, Sink};
use super::{DecodeError, Flaw, Kind, Place, Properties, ReasonCode, Version};

/// The connection ends. Source: MQTT 5.0 and 3.1.1 section 3.14.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// Why; always success in 3.1.1.
    pub reason: ReasonCode,
    /// [`Place::Disconnect`]; none in 3.1.1.
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    /// Without another word.
    #[must_use]
    pub const fn plain(reason: ReasonCode) -> Self {
        Self { reason, properties: Properties::NONE }
    }

    pub(crate) fn read(fields: &mut Fields<'a>, version: Version) -> Result<Self, DecodeError> {
        if version == Version::V3_1_1 || fields.is_empty() {
            return Ok(Self::plain(ReasonCode::SUCCESS));
        }
        let reason = read_reason(fields, Kind::Disconnect)?;
        if fields.is_empty() {
            return Ok(Self::plain(reason));
        }
        Ok(Self { reason, properties: Properties::read(fields, Place::Disconnect)? })
    }

    pub(crate) fn check(&self, version: Version) -> Result<(), Flaw> {
        check_properties(self.properties, Place::Disconnect, version)?;
        let known = match version {
            Version::V3_1_1 => self.reason == ReasonCode::SUCCESS,
            Version::V5 => self.reason.is_of(Kind::Disconnect, version),
        };
        if known { Ok(()) } else { Err(Flaw::ReasonCode) }
    }

    pub(crate) fn write(&self, version: Version, out: &mut impl Sink) {
        if version == Version::V3_1_1 || self.reason == ReasonCode::SUCCESS && self.properties.is_empty() {
            return;
        }
        out.u8(self.reason.0);
        if !self.properties.is_empty() {
            self.properties.write(out);
        }
    }
}

/// A step of authentication, 5.0 only. Source: MQTT 5.0 section 3.15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// Success, go on, or start over.
    pub reason: ReasonCode,
    /// [`Place::Auth`]; with a method unless the packet is empty.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    pub(crate) fn read(fields: &mut Fields<'a>) -> Result<Self, DecodeError> {
        if fields.is_empty() {
            return Ok(Self { reason: ReasonCode::SUCCESS, properties: Properties::NONE });
        }
        let start = fields.clone();
        let reason = read_reason(fields, Kind::Auth)?;
        let auth = Self { reason, properties: Properties::read(fields, Place::Auth)? };
        auth.check_method().map_err(|flaw| start.flaw(flaw))?;
        Ok(auth)
    }

    /// Only success may go without a method, and then without all else.
    fn check_method(&self) -> Result<(), Flaw> {
        let is_empty = self.reason == ReasonCode::SUCCESS && self.properties.is_empty();
        let has_method = self.properties.authentication_method().is_some();
        if is_empty || has_method { Ok(()) } else { Err(Flaw::NoAuthenticationMethod) }
    }

    pub(crate) fn check(&self, version: Version) -> Result<(), Flaw> {
        if version == Version::V3_1_1 {
            return Err(Flaw::NotInVersion);
        }
        if !self.reason.is_of(Kind::Auth, version) {
            return Err(Flaw::ReasonCode);
        }
        self.properties.check(Place::Auth)?;
        self.check_method()
    }

    pub(crate) fn write(&self, out: &mut impl Sink) {
        if self.reason == ReasonCode::SUCCESS && self.properties.is_empty() {
            return;
        }
        out.u8(self.reason.0);
        self.properties.write(out);
    }
}

fn read_reason(fields: &mut Fields<'_>, kind: Kind) -> Result<ReasonCode, DecodeError> {
    let start = fields.clone();
    let reason = ReasonCode(fields.u8()?);
    if reason.is_of(kind, Version::V5) { Ok(reason) } else { Err(start.flaw(Flaw::ReasonCode)) }
}
