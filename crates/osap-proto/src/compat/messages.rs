//! Messages of type 1, field by field.

use alloc::vec::Vec;

use crypto::{Provider, Secret};
use wire::{Cursor, DecodeError, Reason};

use super::keys::{KEY_SIZE, SIGN_SIZE, TAG_SIZE, cbc, open, seal, uncbc};
use super::{Case, CodeKeys, Generation};
use crate::{Devid, Header, Mode, ResultCode, Serial};

/// A point of P-384, uncompressed.
pub(crate) const POINT_SIZE: usize = 97;
/// Longest body; everything of type 1 is far shorter.
const BODY_SIZE_MAX: usize = 1024;
/// Bytes that may wait.
const WAITING_SIZE_MAX: usize = 4096;
const VARINT_SIZE_MAX: usize = 4;
/// Versions: form, low, high. What comes is not looked at, as devices do not.
const VERSION_OF_AUTH: [u8; 3] = [1, 2, 0];
const VERSION: [u8; 3] = [1, 1, 0];

/// Which protocol the first bytes of a connection belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// More bytes are needed.
    More,
    /// Type 1.
    Compat,
    /// The secure profile, or nothing that anybody knows.
    Other,
}

/// Judges the first bytes of a connection on a port where compat is switched on.
#[must_use]
pub fn beginning(bytes: &[u8]) -> Beginning {
    match bytes.first() {
        None => Beginning::More,
        Some(0x12 | 0x70) => Beginning::Compat,
        Some(0x1A) => {
            let ends = bytes[1..].iter().take(VARINT_SIZE_MAX).position(|part| part & 0x80 == 0);
            match ends.map(|at| bytes.get(2 + at)) {
                Some(Some(1)) => Beginning::Compat,
                Some(Some(_)) => Beginning::Other,
                Some(None) => Beginning::More,
                None if bytes.len() <= VARINT_SIZE_MAX => Beginning::More,
                None => Beginning::Other,
            }
        }
        Some(_) => Beginning::Other,
    }
}

/// The receiving end of a connection, cut into messages of byte 0 and body. A message over its limit, or more bytes
/// than a peer has any reason to send ahead, end it.
#[derive(Debug, Default)]
pub(crate) struct CompatInlet {
    waiting: Vec<u8>,
}

/// The connection is to be closed unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadFraming;

impl CompatInlet {
    pub(crate) fn push(&mut self, segment: &[u8]) -> Result<(), BadFraming> {
        if segment.len() > WAITING_SIZE_MAX - self.waiting.len() {
            return Err(BadFraming);
        }
        self.waiting.extend_from_slice(segment);
        Ok(())
    }

    pub(crate) fn take(&mut self) -> Result<Option<(u8, Vec<u8>)>, BadFraming> {
        let Some((&byte0, rest)) = self.waiting.split_first() else { return Ok(None) };
        let mut length = 0;
        for (place, &part) in rest.iter().take(VARINT_SIZE_MAX).enumerate() {
            length |= usize::from(part & 0x7F) << (7 * place);
            if length > BODY_SIZE_MAX {
                return Err(BadFraming);
            }
            if part & 0x80 == 0 {
                let start = 2 + place;
                if self.waiting.len() < start + length {
                    return Ok(None);
                }
                let body = self.waiting[start..start + length].to_vec();
                self.waiting.drain(..start + length);
                return Ok(Some((byte0, body)));
            }
        }
        if rest.len() >= VARINT_SIZE_MAX { Err(BadFraming) } else { Ok(None) }
    }
}

fn framed(byte0: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut left = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = Vec::with_capacity(5 + left);
    bytes.push(byte0);
    while left >= 0x80 {
        bytes.push((left & 0x7F) as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

/// An answer that says a result other than 0 and nothing else.
pub(crate) fn failure(byte0: u8, generation: Generation, result: ResultCode) -> Vec<u8> {
    match (byte0 >> 4, generation) {
        (2, Generation::Third) => framed(byte0, &[&[1], &VERSION_OF_AUTH, &[result.0]]),
        (2, Generation::Second) => framed(byte0, &[&VERSION_OF_AUTH, &[result.0]]),
        _ => framed(byte0, &[&VERSION, &[result.0]]),
    }
}

/// AUTH_I: the serial, and the device's point under its code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AuthFirst {
    pub(crate) generation: Generation,
    /// What a device of the third generation offers.
    pub(crate) header: Option<Header>,
    pub(crate) mode: Mode,
    pub(crate) serial: Serial,
    pub(crate) sealed: Vec<u8>,
}

impl AuthFirst {
    /// Reads the body of an AUTH_I with or without a header.
    pub(crate) fn decode(generation: Generation, body: &[u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(body);
        let header = match generation {
            Generation::Third => Some(Header::decode(&mut cursor)?),
            Generation::Second => None,
        };
        cursor.take(VERSION.len())?;
        let mode = match cursor.u8()? {
            0 => Mode::Serial,
            1 => Mode::ProductKey,
            _ => return Err(cursor.error(Reason::OutOfRange)),
        };
        let serial = serial(&mut cursor)?;
        let sealed = cursor.rest().to_vec();
        Ok(Self { generation, header, mode, serial, sealed })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let header = self.header.as_ref().map(Header::encode).unwrap_or_default();
        let mode = match self.mode {
            Mode::Serial => 0,
            Mode::ProductKey => 1,
        };
        let byte0 = match self.generation {
            Generation::Second => 0x12,
            Generation::Third => 0x1A,
        };
        let serial = self.serial.as_bytes();
        framed(byte0, &[&header, &VERSION_OF_AUTH, &[mode, size_of(serial)], serial, &self.sealed])
    }
}

fn serial(cursor: &mut Cursor<'_>) -> Result<Serial, DecodeError> {
    Serial::new(cursor.vec8()?).ok_or_else(|| cursor.error(Reason::OutOfRange))
}

fn size_of(serial: &[u8]) -> u8 {
    u8::try_from(serial.len()).expect("a serial has at most 71 bytes")
}

/// A point under the key of a code.
pub(crate) fn seal_point(
    provider: &dyn Provider,
    keys: &CodeKeys,
    (generation, case): (Generation, Case),
    point: &[u8],
) -> Vec<u8> {
    let key = keys.of(generation, case);
    match generation {
        Generation::Second => cbc(provider, key, point),
        Generation::Third => seal(provider, key, point),
    }
}

/// The point that was sealed, when it opens to one of the right size.
pub(crate) fn open_point(
    provider: &dyn Provider,
    keys: &CodeKeys,
    (generation, case): (Generation, Case),
    sealed: &[u8],
) -> Option<Secret> {
    let key = keys.of(generation, case);
    match generation {
        Generation::Second => uncbc(provider, key, sealed),
        Generation::Third => open(provider, key, sealed),
    }
    .filter(|point| point.len() == POINT_SIZE && point.expose()[0] == 4)
}

/// AUTH_II with result 0.
pub(crate) fn auth_second(generation: Generation, sealed: &[u8]) -> Vec<u8> {
    match generation {
        Generation::Second => framed(0x22, &[&VERSION_OF_AUTH, &[0], sealed]),
        Generation::Third => framed(0x2A, &[&[1], &VERSION_OF_AUTH, &[0], sealed]),
    }
}

/// 72: the proof of the master key. 42: the device id before it, in clear.
pub(crate) fn session_request(devid: Option<&Devid>, sign: &[u8; SIGN_SIZE]) -> Vec<u8> {
    match devid {
        None => framed(0x72, &[&VERSION, sign]),
        Some(devid) => framed(0x42, &[&VERSION, &[32], devid.as_bytes(), sign]),
    }
}

/// Reads the body of 72 or 42.
pub(crate) fn read_session_request(
    has_devid: bool,
    body: &[u8],
) -> Result<(Option<[u8; 32]>, [u8; SIGN_SIZE]), DecodeError> {
    let mut cursor = Cursor::new(body);
    cursor.take(VERSION.len())?;
    let devid = if has_devid { Some(devid(&mut cursor)?) } else { None };
    let sign = cursor.array()?;
    cursor.finish()?;
    Ok((devid, sign))
}

fn devid(cursor: &mut Cursor<'_>) -> Result<[u8; 32], DecodeError> {
    <[u8; 32]>::try_from(cursor.vec8()?).map_err(|_| cursor.error(Reason::OutOfRange))
}

/// What 82 and 62 bring.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SessionAnswer {
    pub(crate) devid: Devid,
    pub(crate) session_key: Secret,
    pub(crate) sign: [u8; SIGN_SIZE],
}

impl SessionAnswer {
    pub(crate) fn encode(
        &self,
        provider: &dyn Provider,
        byte0: u8,
        generation: Generation,
        master: &Secret,
    ) -> Vec<u8> {
        let sealed = |plain: &[u8]| match generation {
            Generation::Second => {
                let sealed = cbc(provider, master, plain);
                [&[sealed.len() as u8], &sealed[..]].concat()
            }
            Generation::Third => {
                let mut sealed = seal(provider, master, plain);
                sealed.insert(TAG_SIZE, plain.len() as u8);
                sealed
            }
        };
        let (devid, key) = (sealed(self.devid.as_bytes()), sealed(self.session_key.expose()));
        framed(byte0, &[&VERSION, &[0], &devid, &key, &self.sign])
    }

    /// Reads what follows result 0; `None` when something does not open or has another size.
    pub(crate) fn decode(
        provider: &dyn Provider,
        generation: Generation,
        master: &Secret,
        answer: &[u8],
    ) -> Option<Self> {
        let mut cursor = Cursor::new(answer);
        let mut take = |size: usize| match generation {
            Generation::Second => uncbc(provider, master, cursor.vec8().ok()?),
            Generation::Third => {
                let tag = cursor.take(TAG_SIZE).ok()?;
                let sealed = cursor.vec8().ok().filter(|sealed| sealed.len() == size)?;
                open(provider, master, &[tag, sealed].concat())
            }
        };
        let (devid, session_key) = (take(32)?, take(KEY_SIZE)?);
        let sign = cursor.array().ok()?;
        cursor.finish().ok()?;
        let session_key = Some(session_key).filter(|key| key.len() == KEY_SIZE)?;
        Some(Self { devid: Devid::new(devid.expose())?, session_key, sign })
    }
}

/// 70: who the device is, in clear, and one byte under the master key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RefreshFirst {
    pub(crate) serial: Serial,
    pub(crate) devid: [u8; 32],
    pub(crate) sealed: Vec<u8>,
}

impl RefreshFirst {
    pub(crate) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(body);
        cursor.take(VERSION.len())?;
        let (serial, devid) = (serial(&mut cursor)?, devid(&mut cursor)?);
        Ok(Self { serial, devid, sealed: cursor.rest().to_vec() })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let serial = self.serial.as_bytes();
        framed(0x70, &[&VERSION, &[size_of(serial)], serial, &[32], &self.devid, &self.sealed])
    }
}

/// 90 and A0 behind their version, 80 and B0 behind version and result 0: CBC and nothing else.
pub(crate) fn sealed_message(byte0: u8, sealed: &[u8]) -> Vec<u8> {
    match byte0 {
        0x80 | 0xB0 => framed(byte0, &[&VERSION, &[0], sealed]),
        _ => framed(byte0, &[&VERSION, sealed]),
    }
}

/// What stands behind the version of a message of the device.
pub(crate) fn behind_version(body: &[u8]) -> Option<&[u8]> {
    body.get(VERSION.len()..)
}

/// Result of an answer, and what follows it.
pub(crate) fn behind_result(body: &[u8]) -> Option<(ResultCode, &[u8])> {
    let (result, rest) = behind_version(body)?.split_first()?;
    Some((ResultCode(*result), rest))
}
