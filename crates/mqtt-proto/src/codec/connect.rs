//! CONNECT.

use core::fmt;

use subtle::ConstantTimeEq;

use super::field::{Fields, Sink, check_binary, check_text};
use super::{DecodeError, Flaw, Place, Properties, QoS, Version, is_topic_name};

const CLEAN_START: u8 = 0x02;
const WILL: u8 = 0x04;
const WILL_RETAIN: u8 = 0x20;
const PASSWORD: u8 = 0x40;
const USER_NAME: u8 = 0x80;

/// A password, kept out of logs and compared in constant time.
#[derive(Clone, Copy)]
pub struct Password<'a>(pub &'a [u8]);

impl fmt::Debug for Password<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl PartialEq for Password<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0).into()
    }
}

impl Eq for Password<'_> {}

/// What the server shall publish when the connection ends without farewell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Will<'a> {
    /// How it is published.
    pub qos: QoS,
    /// Whether it is retained.
    pub retain: bool,
    /// Its topic.
    pub topic: &'a str,
    /// Its payload.
    pub payload: &'a [u8],
    /// Its properties, [`Place::Will`]; none in 3.1.1.
    pub properties: Properties<'a>,
}

/// A client asks to be connected. Source: MQTT 5.0 and 3.1.1 section 3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// Which text the connection follows.
    pub version: Version,
    /// Whether a stored session is discarded; in 3.1.1 also that none is kept.
    pub clean_start: bool,
    /// Seconds; zero for never.
    pub keep_alive_secs: u16,
    /// [`Place::Connect`]; none in 3.1.1.
    pub properties: Properties<'a>,
    /// May be empty.
    pub client_id: &'a str,
    /// The last will.
    pub will: Option<Will<'a>>,
    /// Who it is.
    pub user_name: Option<&'a str>,
    /// What only they know; in 3.1.1 only with a user name.
    pub password: Option<Password<'a>>,
}

impl<'a> Connect<'a> {
    pub(crate) fn read(fields: &mut Fields<'a>) -> Result<Self, DecodeError> {
        let start = fields.clone();
        let name = fields.binary()?;
        if name != b"MQTT" && name != b"MQIsdp" {
            return Err(start.flaw(Flaw::ProtocolName));
        }
        let at_level = fields.clone();
        let version = match fields.u8()? {
            4 if name == b"MQTT" => Version::V3_1_1,
            5 if name == b"MQTT" => Version::V5,
            level => return Err(at_level.flaw(Flaw::ProtocolLevel(level))),
        };
        let at_flags = fields.clone();
        let flags = fields.u8()?;
        check_flags(flags, version).map_err(|flaw| at_flags.flaw(flaw))?;
        let keep_alive_secs = fields.u16()?;
        let properties = read_properties(fields, Place::Connect, version)?;
        let client_id = fields.text()?;
        let will = match flags & WILL {
            0 => None,
            _ => Some(Will::read(fields, flags, version)?),
        };
        let user_name = if flags & USER_NAME != 0 { Some(fields.text()?) } else { None };
        let password = if flags & PASSWORD != 0 { Some(Password(fields.binary()?)) } else { None };
        let clean_start = flags & CLEAN_START != 0;
        Ok(Self { version, clean_start, keep_alive_secs, properties, client_id, will, user_name, password })
    }

    fn flags(&self) -> u8 {
        let will = self
            .will
            .map_or(0, |will| WILL | will.qos.to_bits() << 3 | if will.retain { WILL_RETAIN } else { 0 });
        let flag = |yes: bool, bit: u8| if yes { bit } else { 0 };
        will | flag(self.clean_start, CLEAN_START)
            | flag(self.user_name.is_some(), USER_NAME)
            | flag(self.password.is_some(), PASSWORD)
    }

    pub(crate) fn check(&self) -> Result<(), Flaw> {
        check_flags(self.flags(), self.version)?;
        check_properties(self.properties, Place::Connect, self.version)?;
        check_text(self.client_id)?;
        if let Some(will) = &self.will {
            check_properties(will.properties, Place::Will, self.version)?;
            if !is_topic_name(will.topic) {
                return Err(Flaw::TopicName);
            }
            check_binary(will.payload)?;
        }
        self.user_name.map_or(Ok(()), check_text)?;
        self.password.map_or(Ok(()), |password| check_binary(password.0))
    }

    pub(crate) fn write(&self, out: &mut impl Sink) {
        out.text("MQTT");
        out.u8(match self.version {
            Version::V3_1_1 => 4,
            Version::V5 => 5,
        });
        out.u8(self.flags());
        out.u16(self.keep_alive_secs);
        write_properties(self.properties, self.version, out);
        out.text(self.client_id);
        if let Some(will) = &self.will {
            write_properties(will.properties, self.version, out);
            out.text(will.topic);
            out.binary(will.payload);
        }
        if let Some(user_name) = self.user_name {
            out.text(user_name);
        }
        if let Some(password) = self.password {
            out.binary(password.0);
        }
    }
}

impl<'a> Will<'a> {
    fn read(fields: &mut Fields<'a>, flags: u8, version: Version) -> Result<Self, DecodeError> {
        let qos = QoS::from_bits(flags >> 3 & 3).ok_or_else(|| fields.flaw(Flaw::QosThree))?;
        let properties = read_properties(fields, Place::Will, version)?;
        let at_topic = fields.clone();
        let topic = fields.text()?;
        if !is_topic_name(topic) {
            return Err(at_topic.flaw(Flaw::TopicName));
        }
        Ok(Self { qos, retain: flags & WILL_RETAIN != 0, topic, payload: fields.binary()?, properties })
    }
}

fn check_flags(flags: u8, version: Version) -> Result<(), Flaw> {
    if flags & 1 != 0 {
        return Err(Flaw::ReservedBits);
    }
    let will_bits = flags & (WILL_RETAIN | 0x18);
    if flags & WILL == 0 && will_bits != 0 {
        return Err(Flaw::WillFlags);
    }
    if flags & 0x18 == 0x18 {
        return Err(Flaw::QosThree);
    }
    if version == Version::V3_1_1 && flags & (USER_NAME | PASSWORD) == PASSWORD {
        return Err(Flaw::PasswordAlone);
    }
    Ok(())
}

/// Properties where `version` has them.
pub(crate) fn read_properties<'a>(
    fields: &mut Fields<'a>,
    place: Place,
    version: Version,
) -> Result<Properties<'a>, DecodeError> {
    match version {
        Version::V3_1_1 => Ok(Properties::NONE),
        Version::V5 => Properties::read(fields, place),
    }
}

/// Whether these properties may stand in `place` of `version`.
pub(crate) fn check_properties(
    properties: Properties<'_>,
    place: Place,
    version: Version,
) -> Result<(), Flaw> {
    match version {
        Version::V3_1_1 if properties.is_empty() => Ok(()),
        Version::V3_1_1 => Err(Flaw::NotInVersion),
        Version::V5 => properties.check(place),
    }
}

/// Writes properties where `version` has them.
pub(crate) fn write_properties(properties: Properties<'_>, version: Version, out: &mut impl Sink) {
    if version == Version::V5 {
        properties.write(out);
    }
}
