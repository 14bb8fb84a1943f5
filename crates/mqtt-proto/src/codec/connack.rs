//! CONNACK.

use super::connect::{check_properties, read_properties, write_properties};
use super::field::{Fields, Sink};
use super::{DecodeError, Flaw, Kind, Place, Properties, ReasonCode, Version};

/// The server's answer to CONNECT. Source: MQTT 5.0 and 3.1.1 section 3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnAck<'a> {
    /// Whether the server goes on with a stored session; never with a refusal.
    pub session_present: bool,
    /// Success or why not; in 3.1.1 one of the six that it has a return code for.
    pub reason: ReasonCode,
    /// [`Place::ConnAck`]; none in 3.1.1.
    pub properties: Properties<'a>,
}

impl<'a> ConnAck<'a> {
    pub(crate) fn read(fields: &mut Fields<'a>, version: Version) -> Result<Self, DecodeError> {
        let at_flags = fields.clone();
        let session_present = match fields.u8()? {
            0 => false,
            1 => true,
            _ => return Err(at_flags.flaw(Flaw::ReservedBits)),
        };
        let at_reason = fields.clone();
        let code = fields.u8()?;
        let reason = match version {
            Version::V3_1_1 => ReasonCode::from_return_code(code),
            Version::V5 => Some(ReasonCode(code)).filter(|code| code.is_of(Kind::ConnAck, version)),
        };
        let reason = reason.ok_or_else(|| at_reason.flaw(Flaw::ReasonCode))?;
        if session_present && reason != ReasonCode::SUCCESS {
            return Err(at_flags.flaw(Flaw::SessionPresent));
        }
        let properties = read_properties(fields, Place::ConnAck, version)?;
        Ok(Self { session_present, reason, properties })
    }

    pub(crate) fn check(&self, version: Version) -> Result<(), Flaw> {
        if !self.reason.is_of(Kind::ConnAck, version) {
            return Err(Flaw::ReasonCode);
        }
        if self.session_present && self.reason != ReasonCode::SUCCESS {
            return Err(Flaw::SessionPresent);
        }
        check_properties(self.properties, Place::ConnAck, version)
    }

    pub(crate) fn write(&self, version: Version, out: &mut impl Sink) {
        out.u8(u8::from(self.session_present));
        out.u8(match version {
            Version::V3_1_1 => self.reason.to_return_code().expect("checked before"),
            Version::V5 => self.reason.0,
        });
        write_properties(self.properties, version, out);
    }
}
