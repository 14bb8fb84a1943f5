//! The session at an access service as type 1 has it: CONNECT with a registration in the place of the will, and
//! envelopes of CBC.
//!
//! The CONNECT of deployed devices is none to a strict reader of MQTT: no client id without a clean session, and NULs
//! behind the topic of the will. It is read here as a whole packet.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crypto::{Provider, Secret};
use subtle::ConstantTimeEq;
use wire::{Cursor, DecodeError, Reason};

use super::keys::{KEY_SIZE, cbc, uncbc};
use crate::json::Value;
use crate::{Devid, Serial};

/// The topic of the will has always so many bytes.
const WILL_TOPIC_SIZE: usize = 128;
/// What every device says as its password; it proves nothing.
const PASSWORD: &[u8] = b"test";
/// Longest packet that is read: ours have about 530 bytes.
const CONNECT_SIZE_MAX: usize = 4096;
const LEVEL: u8 = 4;
/// Connect flags: user name, password, will of QoS 1 with retain; and a clean session.
const FLAGS: u8 = 0xEC;
const CLEAN: u8 = 0x02;

/// A CONNECT of type 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompatConnect<'a> {
    /// Whether it is a registration; else the session goes on.
    pub is_clean: bool,
    /// In seconds.
    pub keep_alive: u16,
    /// The topic of the will, up to its first NUL.
    pub will_topic: &'a [u8],
    /// The registration, sealed.
    pub will: &'a [u8],
    /// The serial.
    pub user_name: &'a [u8],
}

impl<'a> CompatConnect<'a> {
    /// Reads a whole CONNECT packet.
    ///
    /// # Errors
    /// [`DecodeError`] when it is none of a device of type 1: offset and reason.
    pub fn decode(packet: &'a [u8]) -> Result<Self, DecodeError> {
        if packet.len() > CONNECT_SIZE_MAX {
            return Err(DecodeError::new(0, Reason::OutOfRange));
        }
        let mut cursor = Cursor::new(packet);
        if cursor.u8()? != 0x10 {
            return Err(DecodeError::new(0, Reason::WrongKind));
        }
        let mut length = 0;
        for place in 0..4 {
            let part = cursor.u8()?;
            length |= usize::from(part & 0x7F) << (7 * place);
            if part & 0x80 == 0 {
                break;
            }
        }
        if cursor.rest().len() != length {
            return Err(cursor.error(Reason::OutOfRange));
        }
        let (protocol, level, flags) = (cursor.vec16()?, cursor.u8()?, cursor.u8()?);
        if protocol != b"MQTT" || level != LEVEL || flags & !CLEAN != FLAGS {
            return Err(cursor.error(Reason::OutOfRange));
        }
        let keep_alive = cursor.u16()?;
        if !cursor.vec16()?.is_empty() {
            return Err(cursor.error(Reason::OutOfRange));
        }
        let padded = cursor.vec16()?;
        let topic_size = padded.iter().position(|byte| *byte == 0).unwrap_or(padded.len());
        let (topic, padding) = padded.split_at(topic_size);
        if padding.iter().any(|byte| *byte != 0) {
            return Err(cursor.error(Reason::OutOfRange));
        }
        let (will, user_name) = (cursor.vec16()?, cursor.vec16()?);
        // The password is the same for all devices, and not judged.
        cursor.vec16()?;
        cursor.finish()?;
        Ok(Self { is_clean: flags & CLEAN != 0, keep_alive, will_topic: topic, will, user_name })
    }

    /// The whole packet, as a device sends it.
    ///
    /// # Panics
    /// When the topic is longer than 128 bytes or another part than 65,535.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut topic = [0; WILL_TOPIC_SIZE];
        topic[..self.will_topic.len()].copy_from_slice(self.will_topic);
        let flags = if self.is_clean { FLAGS | CLEAN } else { FLAGS };
        let mut body = [&b"\0\x04MQTT"[..], &[LEVEL, flags], &self.keep_alive.to_be_bytes()].concat();
        for part in [&[][..], &topic, self.will, self.user_name, PASSWORD] {
            body.extend_from_slice(&u16::try_from(part.len()).expect("parts are short").to_be_bytes());
            body.extend_from_slice(part);
        }
        let mut packet = Vec::with_capacity(5 + body.len());
        packet.push(0x10);
        let mut left = body.len();
        while left >= 0x80 {
            packet.push((left & 0x7F) as u8 | 0x80);
            left >>= 7;
        }
        packet.push(left as u8);
        packet.extend_from_slice(&body);
        packet
    }
}

/// What an access service knows of a device of type 1: written by the load balancer, read by every access service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompatSession {
    /// Who.
    pub serial: Serial,
    /// Its device id.
    pub devid: Devid,
    /// The session key, 16 bytes.
    pub session_key: Secret,
    /// Whether a listener may have the session key, since it went under the nonce of the device id: the first CONNECT
    /// is answered 11, and the device refreshes its key at once.
    pub is_exposed: bool,
}

/// A device that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompatRegistration {
    /// Whether it registers anew; else its session and both subscriptions go on.
    pub is_login: bool,
    /// In seconds.
    pub keep_alive: u16,
    /// What it says of itself, as JSON; it is no will and is never published.
    pub about: Secret,
}

/// Why a CONNECT of type 1 is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompatRefusal {
    /// There is no session of this serial, or its key is one that a listener may have: back to the load balancer.
    Session,
    /// The registration does not open, or is that of another device.
    NotProven,
}

impl CompatRefusal {
    /// The return code of MQTT 3.1.1; 11 sends a device back to the load balancer.
    #[must_use]
    pub const fn return_code(self) -> u8 {
        match self {
            Self::Session | Self::NotProven => 11,
        }
    }
}

/// Judges a CONNECT: the registration opens under the session key and names the device that the record names.
///
/// # Errors
/// See [`CompatRefusal`].
pub fn admit_compat(
    provider: &dyn Provider,
    connect: &CompatConnect<'_>,
    session: Option<&CompatSession>,
) -> Result<CompatRegistration, CompatRefusal> {
    let session = session
        .filter(|session| session.session_key.len() == KEY_SIZE)
        .filter(|session| bool::from(session.serial.as_bytes().ct_eq(connect.user_name)))
        .ok_or(CompatRefusal::Session)?;
    let about = uncbc(provider, &session.session_key, connect.will).ok_or(CompatRefusal::NotProven)?;
    let value = Value::parse(about.expose()).ok_or(CompatRefusal::NotProven)?;
    let is = |member: &str, expected: &[u8]| {
        let text = value.member(member).and_then(Value::text).unwrap_or_default();
        text.as_bytes().ct_eq(expected)
    };
    let is_own = is("SubSerial", session.serial.as_bytes()) & is("DeviceID", session.devid.as_bytes());
    let is_below = connect
        .will_topic
        .strip_prefix(b"/Basic/pu2cenplt/")
        .and_then(|rest| rest.strip_prefix(session.serial.as_bytes()))
        .is_some_and(|rest| matches!(rest, b"/firstconnect" | b"/breakconnect"));
    if !bool::from(is_own) || !is_below {
        return Err(CompatRefusal::NotProven);
    }
    if session.is_exposed {
        return Err(CompatRefusal::Session);
    }
    Ok(CompatRegistration { is_login: connect.is_clean, keep_alive: connect.keep_alive, about })
}

/// What stands before the application's part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompatGeneral {
    /// The version of the command; devices of the third generation leave it out where topics say all.
    pub version: Option<String>,
    /// Counts requests; an answer has that of its request. Nothing checks it.
    pub seq: u64,
    /// 1 for a request, 2 for an answer; stands where the version does.
    pub message_type: u64,
}

impl CompatGeneral {
    /// As JSON.
    fn encode(&self) -> Option<String> {
        match &self.version {
            Some(version) if version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.') => {
                Some(format!(
                    "{{\"CmdVer\":\"{version}\",\"Seq\":{},\"MsgType\":{}}}",
                    self.seq, self.message_type
                ))
            }
            Some(_) => None,
            None => Some(format!("{{\"Seq\":{}}}", self.seq)),
        }
    }
}

/// A message of type 1 that was opened. Nothing proves it: it can be altered, replayed and moved to other topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompatMessage {
    /// What stands before it.
    pub general: CompatGeneral,
    /// The application's part.
    pub application: Vec<u8>,
}

/// The payload of a message; `None` when the version is none, or the key has not 16 bytes.
#[must_use]
pub fn seal_compat(
    provider: &dyn Provider,
    session_key: &Secret,
    general: &CompatGeneral,
    application: &[u8],
) -> Option<Vec<u8>> {
    let general = general.encode().filter(|_| session_key.len() == KEY_SIZE)?;
    let size = u16::try_from(general.len()).ok()?;
    Some(cbc(provider, session_key, &[&size.to_be_bytes(), general.as_bytes(), application].concat()))
}

/// Opens the payload of a message; `None` when it is none.
#[must_use]
pub fn open_compat(provider: &dyn Provider, session_key: &Secret, payload: &[u8]) -> Option<CompatMessage> {
    let plain = uncbc(provider, session_key, payload)?;
    let mut cursor = Cursor::new(plain.expose());
    let value = Value::parse(cursor.vec16().ok()?)?;
    let general = CompatGeneral {
        version: value.member("CmdVer").and_then(Value::text).map(String::from),
        seq: value.member("Seq")?.unsigned()?,
        message_type: value.member("MsgType").and_then(Value::unsigned).unwrap_or(1),
    };
    Some(CompatMessage { general, application: cursor.rest().to_vec() })
}
