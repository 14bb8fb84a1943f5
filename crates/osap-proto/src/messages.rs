//! H1-I, H1-II, H1-III and H1-V: field by field.
//!
//! Source: OSAP secure profile section 4.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crypto::{Curve, Provider, PublicKey};
use wire::{Cursor, DecodeError, Reason};

use crate::frame::{MessageKind, VERSION, VERSION_OF_MISMATCH, framed};
use crate::negotiation::Header;
use crate::{Frame, ProtocolType, ResultCode, Serial};

/// A point of P-256, uncompressed.
pub(crate) const SHARE_SIZE: usize = 65;
/// r and s of a signature.
pub(crate) const SIGNATURE_SIZE: usize = 64;
/// The one suite: P-256, SHA-256, HKDF, HMAC, AES-128-GCM.
const SUITE: u8 = 1;

/// What the serial of an offer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The serial of a product.
    Serial,
    /// `<product key>:<device name>`.
    ProductKey,
}

/// How a code was stretched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kdf {
    /// scrypt, N = 2^15, r = 8, p = 1.
    Scrypt,
    /// PBKDF2-HMAC-SHA256, 600,000 rounds.
    Pbkdf2,
}

impl Kdf {
    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Scrypt => 1,
            Self::Pbkdf2 => 2,
        }
    }

    /// The one of this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Scrypt),
            2 => Some(Self::Pbkdf2),
            _ => None,
        }
    }
}

/// Which credential an offer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Kind 1: a code, stretched like this.
    Code(Kdf),
    /// Kind 2: a pre-shared key.
    Psk,
    /// Kind 3: a key pair, by the SHA-256 of its SubjectPublicKeyInfo.
    KeyPair([u8; 32]),
    /// Kind 4: a ticket, by its id.
    Ticket([u8; 16]),
}

impl Claim {
    /// The kind's number.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Code(_) => 1,
            Self::Psk => 2,
            Self::KeyPair(_) => 3,
            Self::Ticket(_) => 4,
        }
    }
}

/// H1-I: the offer of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct First {
    /// The asked type and all that the device can.
    pub header: Header,
    /// What the serial is.
    pub mode: Mode,
    /// Who it is.
    pub serial: Serial,
    /// How it means to prove that.
    pub claim: Claim,
    /// Random bytes.
    pub random: [u8; 32],
    /// The device's share: a point, checked when read.
    pub share: [u8; SHARE_SIZE],
}

/// Why an H1-I is refused, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferError {
    /// Result 3.
    Malformed(DecodeError),
    /// Result 22.
    Suite,
    /// Result 23, without a number behind it.
    Kdf,
    /// Result 16.
    BadPoint,
}

impl OfferError {
    /// The result that tells it.
    #[must_use]
    pub const fn result(self) -> ResultCode {
        match self {
            Self::Malformed(_) => ResultCode::MALFORMED,
            Self::Suite => ResultCode::SUITE,
            Self::Kdf => ResultCode::KDF,
            Self::BadPoint => ResultCode::BAD_POINT,
        }
    }
}

impl From<DecodeError> for OfferError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl First {
    /// Reads what follows the header, which was judged before: fields of a type that is not run are not read.
    ///
    /// # Errors
    /// See [`OfferError`]: fields, then suite, then kdf, then share.
    pub fn decode_payload(
        provider: &dyn Provider,
        header: Header,
        mut cursor: Cursor<'_>,
    ) -> Result<Self, OfferError> {
        version(&mut cursor, VERSION)?;
        let mode = match cursor.u8()? {
            0 => Mode::Serial,
            1 => Mode::ProductKey,
            _ => return Err(cursor.error(Reason::OutOfRange).into()),
        };
        let serial = Serial::new(cursor.vec8()?).ok_or_else(|| cursor.error(Reason::OutOfRange))?;
        let [suite, kind, kdf] = cursor.array()?;
        let random = cursor.array()?;
        let share = cursor.array()?;
        let claim = match kind {
            1 => Kdf::from_number(kdf).map(Claim::Code),
            2 => Some(Claim::Psk),
            3 => Some(Claim::KeyPair(cursor.array()?)),
            4 => Some(Claim::Ticket(cursor.array()?)),
            _ => return Err(cursor.error(Reason::OutOfRange).into()),
        };
        cursor.finish()?;
        if suite != SUITE {
            return Err(OfferError::Suite);
        }
        let claim = claim.filter(|claim| claim.kind() == 1 || kdf == 0).ok_or(OfferError::Kdf)?;
        check_share(provider, &share)?;
        Ok(Self { header, mode, serial, claim, random, share })
    }

    /// The whole message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let serial_size = u8::try_from(self.serial.as_bytes().len()).expect("a serial has at most 71 bytes");
        let mode = match self.mode {
            Mode::Serial => 0,
            Mode::ProductKey => 1,
        };
        let (kdf, behind): (u8, &[u8]) = match &self.claim {
            Claim::Code(kdf) => (kdf.number(), &[]),
            Claim::Psk => (0, &[]),
            Claim::KeyPair(key_id) => (0, key_id),
            Claim::Ticket(ticket_id) => (0, ticket_id),
        };
        let header = self.header.encode();
        let body = [
            &header[..],
            &VERSION,
            &[mode, serial_size],
            self.serial.as_bytes(),
            &[SUITE, self.claim.kind(), kdf],
            &self.random,
            &self.share,
            behind,
        ]
        .concat();
        framed(MessageKind::First, &body)
    }
}

/// Checks that a share is a point of the curve, uncompressed and in range.
pub(crate) fn check_share(provider: &dyn Provider, share: &[u8; SHARE_SIZE]) -> Result<(), OfferError> {
    let key = PublicKey::from_point(Curve::P256, share).map_err(|_| OfferError::BadPoint)?;
    provider.check_key(&key).map_err(|_| OfferError::BadPoint)
}

/// H1-II as a device reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Second<'a> {
    /// Result 0.
    Answer(Box<Answer<'a>>),
    /// Result 20 or 21 under their own version: another type.
    Mismatch {
        /// The type that the load balancer names.
        told: ProtocolType,
        /// 20 or 21.
        result: ResultCode,
    },
    /// Another result: a hint.
    Refused {
        /// What the load balancer says.
        result: ResultCode,
        /// The kdf on record, behind result 23.
        kdf: Option<Kdf>,
        /// Seconds to wait, behind result 24.
        wait_secs: Option<u16>,
    },
}

/// The fields of an H1-II with result 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The asked type and all that the port serves.
    pub header: Header,
    /// Random bytes.
    pub random: [u8; 32],
    /// The share of the load balancer, not checked yet.
    pub share: [u8; SHARE_SIZE],
    /// The message from byte 0 up to and without `mac`: what the transcript takes in.
    pub before_mac: &'a [u8],
    /// mac_s.
    pub mac: [u8; 32],
    /// r and s, for kind 3 only.
    pub signature: Option<[u8; SIGNATURE_SIZE]>,
}

impl<'a> Second<'a> {
    /// Reads an H1-II; `is_signed` when kind 3 runs.
    ///
    /// # Errors
    /// [`DecodeError`]; the offset counts from byte 0.
    pub fn decode(frame: &Frame<'a>, is_signed: bool) -> Result<Self, DecodeError> {
        if frame.kind() != Some(MessageKind::Second) {
            return Err(DecodeError::new(0, Reason::WrongKind));
        }
        let base = frame.head().len();
        Self::decode_body(frame, is_signed).map_err(|error| error.moved_by(base))
    }

    fn decode_body(frame: &Frame<'a>, is_signed: bool) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(frame.body());
        let told = cursor.clone().u8()?;
        // A mismatch may name a type that is no good; that it is not followed is the device's own judgement.
        let header = Header::decode(&mut cursor);
        if header.is_err() {
            let mut cursor = Cursor::new(frame.body());
            cursor.u8()?;
            cursor.vec8()?;
            return Self::mismatch(ProtocolType(told), cursor);
        }
        let header = header?;
        let stated = cursor.array::<3>()?;
        if stated == VERSION_OF_MISMATCH {
            let mut cursor = Cursor::new(frame.body());
            cursor.u8()?;
            cursor.vec8()?;
            return Self::mismatch(header.protocol, cursor);
        }
        if stated != VERSION {
            return Err(cursor.error(Reason::UnknownVersion));
        }
        let result = ResultCode(cursor.u8()?);
        if result != ResultCode::OK {
            return Self::refused(result, cursor);
        }
        if cursor.u8()? != SUITE {
            return Err(cursor.error(Reason::OutOfRange));
        }
        let (random, share) = (cursor.array()?, cursor.array()?);
        let before_mac = &frame.bytes()[..frame.head().len() + cursor.offset()];
        let mac = cursor.array()?;
        let signature = if is_signed { Some(signature(&mut cursor)?) } else { None };
        cursor.finish()?;
        Ok(Self::Answer(Box::new(Answer { header, random, share, before_mac, mac, signature })))
    }

    fn mismatch(told: ProtocolType, mut cursor: Cursor<'_>) -> Result<Self, DecodeError> {
        version(&mut cursor, VERSION_OF_MISMATCH)?;
        let result = ResultCode(cursor.u8()?);
        if !matches!(result, ResultCode::REMATCH | ResultCode::NO_COMMON_TYPE) {
            return Err(cursor.error(Reason::OutOfRange));
        }
        cursor.finish()?;
        Ok(Self::Mismatch { told, result })
    }

    fn refused(result: ResultCode, mut cursor: Cursor<'_>) -> Result<Self, DecodeError> {
        let (mut kdf, mut wait_secs) = (None, None);
        // A 23 to a kdf that is no number at all comes without one.
        if result == ResultCode::KDF && !cursor.is_empty() {
            kdf = Some(Kdf::from_number(cursor.u8()?).ok_or_else(|| cursor.error(Reason::OutOfRange))?);
        }
        if result == ResultCode::LATER {
            wait_secs = Some(cursor.u16()?);
        }
        cursor.finish()?;
        Ok(Self::Refused { result, kdf, wait_secs })
    }

    /// An H1-II that refuses; `behind` is what follows the result.
    pub(crate) fn encode_refusal(header: &Header, result: ResultCode, behind: &[u8]) -> Vec<u8> {
        let header = header.encode();
        framed(MessageKind::Second, &[&header[..], &VERSION, &[result.0], behind].concat())
    }

    /// An H1-II with result 0 up to and without mac_s, under the length of the whole.
    pub(crate) fn encode_before_mac(
        header: &Header,
        random: &[u8; 32],
        share: &[u8; SHARE_SIZE],
        is_signed: bool,
    ) -> Vec<u8> {
        let header = header.encode();
        let body = [&header[..], &VERSION, &[ResultCode::OK.0, SUITE], random, share].concat();
        let behind = 32 + if is_signed { 2 + SIGNATURE_SIZE } else { 0 };
        let mut bytes = crate::frame::head_of(MessageKind::Second, body.len() + behind);
        bytes.extend_from_slice(&body);
        bytes
    }
}

/// H1-III: the device's proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Third {
    /// mac_d.
    pub mac: [u8; 32],
    /// r and s, for kind 3 only.
    pub signature: Option<[u8; SIGNATURE_SIZE]>,
}

impl Third {
    /// Reads the body of an H1-III; `is_signed` when kind 3 runs.
    ///
    /// # Errors
    /// [`DecodeError`]: result 3.
    pub fn decode(body: &[u8], is_signed: bool) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(body);
        version(&mut cursor, VERSION)?;
        let mac = cursor.array()?;
        let signature = if is_signed { Some(signature(&mut cursor)?) } else { None };
        cursor.finish()?;
        Ok(Self { mac, signature })
    }

    /// The whole message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = [&VERSION[..], &self.mac].concat();
        if let Some(signature) = &self.signature {
            put_signature(&mut body, signature);
        }
        framed(MessageKind::Third, &body)
    }
}

/// H1-V: a proof that was not taken.
#[must_use]
pub(crate) fn encode_fifth(result: ResultCode) -> Vec<u8> {
    framed(MessageKind::Fifth, &[&VERSION[..], &[result.0]].concat())
}

/// Reads the body of an H1-V.
pub(crate) fn decode_fifth(body: &[u8]) -> Result<ResultCode, DecodeError> {
    let mut cursor = Cursor::new(body);
    version(&mut cursor, VERSION)?;
    let result = ResultCode(cursor.u8()?);
    cursor.finish()?;
    Ok(result)
}

/// Appends a signature with its length.
pub(crate) fn put_signature(bytes: &mut Vec<u8>, signature: &[u8; SIGNATURE_SIZE]) {
    bytes.extend_from_slice(&(SIGNATURE_SIZE as u16).to_be_bytes());
    bytes.extend_from_slice(signature);
}

fn signature(cursor: &mut Cursor<'_>) -> Result<[u8; SIGNATURE_SIZE], DecodeError> {
    if usize::from(cursor.u16()?) != SIGNATURE_SIZE {
        return Err(cursor.error(Reason::OutOfRange));
    }
    cursor.array()
}

fn version(cursor: &mut Cursor<'_>, expected: [u8; 3]) -> Result<(), DecodeError> {
    if cursor.array::<3>()? == expected { Ok(()) } else { Err(cursor.error(Reason::UnknownVersion)) }
}
