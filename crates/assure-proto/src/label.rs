//! What is printed on a device: the bytes of its QR code and the case string.
//!
//! The picture of the code is made by the maker's station; here are only its bytes.
//! Source: aSSURE 6.2.4, 6.2.5; rulings A-ASSURE-13, A-ASSURE-14, A-ASSURE-17.

use alloc::string::String;

use clock::Dice;
use crypto::{HashAlgorithm, Provider, Secret};
use model::{BadText, Uuid, bytes_from_hex, hex};
use subtle::ConstantTimeEq;
use wire::DecodeError;
use zeroize::Zeroizing;

use crate::cbor::{Reader, Writer};

/// Length of a label in bytes.
pub const LABEL_LENGTH: usize = 36;
/// Length of a case string in characters.
pub const CASE_STRING_LENGTH: usize = 32;
/// Typed case strings longer than this are not looked at, separators included.
pub const CASE_INPUT_LENGTH_MAX: usize = 128;

const VERSION: u64 = 1;
const CASE_ID_LENGTH: usize = 16;

/// The case id: 128 random bits that whoever holds the device can read from its case.
///
/// It proves possession, so it is kept like a secret: wiped when dropped, compared in constant time, never
/// shown by `Debug`. Its text form is 32 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct CaseId(Secret);

impl CaseId {
    /// Draws a new case id.
    #[must_use]
    pub fn draw(dice: &mut Dice) -> Self {
        Self(Secret::from(&*Zeroizing::new(dice.bytes::<CASE_ID_LENGTH>()) as &[u8]))
    }

    /// The case id with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; CASE_ID_LENGTH]) -> Self {
        Self(Secret::from(&bytes[..]))
    }

    /// Reads what a person typed: letters in either case; spaces and hyphens do not count.
    ///
    /// # Errors
    /// [`BadText`] when what is left is not 32 hexadecimal digits.
    pub fn from_typed(text: &str) -> Result<Self, BadText> {
        if text.len() > CASE_INPUT_LENGTH_MAX {
            return Err(BadText);
        }
        let digits: Zeroizing<String> =
            Zeroizing::new(text.chars().filter(|c| !matches!(c, ' ' | '-')).collect());
        if digits.len() != CASE_STRING_LENGTH {
            return Err(BadText);
        }
        bytes_from_hex(&digits).map(|bytes| Self(Secret::new(bytes)))
    }

    /// The 16 bytes of the id.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// The case string: 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn case_string(&self) -> Zeroizing<String> {
        Zeroizing::new(hex(self.expose()))
    }

    /// What the registration server holds in place of the case id:
    /// SHA-256(16 bytes of the UUID, 32 ASCII digits of the case string).
    ///
    /// Source: ruling A-ASSURE-13 with its decision under LOW.
    #[must_use]
    pub fn hash(&self, provider: &dyn Provider, device: &Uuid) -> CaseHash {
        let case_string = self.case_string();
        CaseHash(provider.digest(HashAlgorithm::Sha256, &[&device.0, case_string.as_bytes()]).first_32())
    }
}

impl core::fmt::Debug for CaseId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("CaseId(..)")
    }
}

/// The hash against which a claimed case string is checked; compared in constant time.
#[derive(Clone, Copy)]
pub struct CaseHash(pub [u8; 32]);

impl PartialEq for CaseHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for CaseHash {}

impl core::fmt::Debug for CaseHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("CaseHash(..)")
    }
}

/// The bytes of the QR code: `ARRAY [1, device UUID, case id]`, 36 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The device's UUID.
    pub device: Uuid,
    /// The case id.
    pub case_id: CaseId,
}

impl Label {
    /// Writes the 36 bytes for the QR code's byte mode.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<[u8; LABEL_LENGTH]> {
        let mut writer = Writer::new();
        writer.array(3).uint(VERSION).bytes(&self.device.0).bytes(self.case_id.expose());
        let written = Zeroizing::new(writer.finish());
        let mut out = Zeroizing::new([0; LABEL_LENGTH]);
        out.copy_from_slice(&written);
        out
    }

    /// Reads the bytes of a QR code.
    ///
    /// # Errors
    /// [`DecodeError`] on any other version, length or form.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        reader.array_of(3)?;
        let unknown = reader.error(wire::Reason::UnknownVersion);
        if reader.u64()? != VERSION {
            return Err(unknown);
        }
        let device = Uuid(reader.bytes_of()?);
        let case_id = CaseId::from_bytes(&Zeroizing::new(reader.bytes_of::<CASE_ID_LENGTH>()?));
        reader.finish()?;
        Ok(Self { device, case_id })
    }
}
