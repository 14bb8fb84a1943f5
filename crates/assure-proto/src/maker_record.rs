//! A maker's record of one device: the JSON, signed by the station that tested it, encrypted to the identity
//! server.
//!
//! Plaintext = `ARRAY [BYTE STRING JSON, signature]`; the blob around it is [`crate::ecies`]. What the JSON
//! says, and whether the station is a known one, is the identity server's to judge.
//! Source: aSSURE 9.2.1; decisions M11, G 20, G 21; layouts 2.10.

use alloc::vec::Vec;

use clock::Dice;
use crypto::{CryptoError, Curve, PrivateKey, Provider, PublicKey};
use model::KeyId;
use wire::{DecodeError, Reason};
use zeroize::Zeroizing;

use crate::cbor::{Reader, Writer};
use crate::ecies::{self, EciesContext, EciesError};
use crate::signature::{Signature, SignatureError, SignatureFormat, Validity, VerifyingKey, covered};
use crate::signer::Signer;

/// Length in bytes of the longest plaintext.
/// Source: decision G 4.
pub const RECORD_LENGTH_MAX: usize = 16_384;

/// A signed record in the clear. It may hold a device secret: wiped when dropped, never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct MakerRecord {
    encoded: Zeroizing<Vec<u8>>,
    json: Zeroizing<Vec<u8>>,
    signature: Signature,
    values_at: usize,
}

/// Why a blob does not give a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// The blob does not open.
    Blob(EciesError),
    /// What was in it is no record.
    Malformed(DecodeError),
}

impl core::fmt::Display for RecordError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Blob(error) => error.fmt(f),
            Self::Malformed(error) => write!(f, "malformed record: {error}"),
        }
    }
}

impl core::error::Error for RecordError {}

impl MakerRecord {
    /// Signs `json` with the station's key.
    ///
    /// # Errors
    /// [`CryptoError::WrongKey`] when that is no P-256 key, [`CryptoError::BadInput`] when the record would be
    /// longer than [`RECORD_LENGTH_MAX`].
    pub fn sign(
        provider: &dyn Provider,
        station: &Signer<'_>,
        validity: Validity,
        json: &[u8],
        dice: &mut Dice,
    ) -> Result<Self, CryptoError> {
        if station.format() != STATION_FORMAT {
            return Err(CryptoError::WrongKey);
        }
        let mut items = Writer::new();
        items.bytes(json);
        let items = Zeroizing::new(items.finish());
        let encoded = Zeroizing::new(station.close(provider, &items, 1, &[], validity, dice)?);
        Self::decode(&encoded).map_err(|_| CryptoError::BadInput)
    }

    /// Reads a record; nothing is verified.
    ///
    /// # Errors
    /// [`DecodeError`] on another form, another signature format than ECDSA on P-256, or over
    /// [`RECORD_LENGTH_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > RECORD_LENGTH_MAX {
            return Err(DecodeError::new(RECORD_LENGTH_MAX, Reason::OverLimit));
        }
        let mut reader = Reader::whole(bytes)?;
        reader.array_of(2)?;
        let json = Zeroizing::new(reader.bytes()?.to_vec());
        let other_format = reader.error(Reason::OutOfRange);
        let placed = Signature::read(&mut reader)?;
        reader.finish()?;
        if placed.signature.format != STATION_FORMAT {
            return Err(other_format);
        }
        let encoded = Zeroizing::new(bytes.to_vec());
        Ok(Self { encoded, json, signature: placed.signature, values_at: placed.values_at })
    }

    /// Opens a blob; nothing is verified but that it was made for this key, maker and device.
    ///
    /// # Errors
    /// [`RecordError`] says what is wrong.
    pub fn open(
        provider: &dyn Provider,
        key: &dyn PrivateKey,
        context: EciesContext,
        blob: &[u8],
    ) -> Result<Self, RecordError> {
        let plaintext = ecies::open(provider, key, context, blob).map_err(RecordError::Blob)?;
        Self::decode(plaintext.expose()).map_err(RecordError::Malformed)
    }

    /// Encrypts the record to the identity server's P-521 key: the blob that is uploaded.
    ///
    /// # Errors
    /// [`CryptoError::WrongKey`] for a key on another curve.
    pub fn seal(
        &self,
        provider: &dyn Provider,
        identity_key: &PublicKey,
        context: EciesContext,
        dice: &mut Dice,
    ) -> Result<Vec<u8>, CryptoError> {
        ecies::seal(provider, identity_key, context, &self.encoded, dice)
    }

    /// The id of the key that signed: the identity server looks the station up by it.
    #[must_use]
    pub const fn station(&self) -> KeyId {
        self.signature.key_id
    }

    /// Checks the station's signature.
    ///
    /// # Errors
    /// [`SignatureError`] when it is not that station's signature over these bytes.
    pub fn verify(&self, provider: &dyn Provider, station: &PublicKey) -> Result<(), SignatureError> {
        let to_be_signed = Zeroizing::new(covered(&self.encoded, self.values_at, self.signature.format));
        self.signature.verify(provider, VerifyingKey::Public(station), &to_be_signed)
    }

    /// The JSON, byte for byte as it was signed.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The plaintext, byte for byte as it was signed.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }
}

impl core::fmt::Debug for MakerRecord {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "MakerRecord({} bytes, station {})", self.encoded.len(), self.station())
    }
}

const STATION_FORMAT: SignatureFormat = SignatureFormat::Ecdsa(Curve::P256);
