//! Making an image: the management system's side.

use alloc::vec::Vec;

use clock::Dice;
use crypto::{CryptoError, Provider, PublicKey, Secret};
use model::{KeyId, Uuid};
use zeroize::Zeroizing;

use super::parse::{IMAGE_KEY_COUNT_MAX, IMAGE_LENGTH_MAX, has_repeated_id};
use crate::authenticated_key::AuthenticatedKey;
use crate::cbor::Writer;
use crate::class::Class;
use crate::cms;
use crate::owner_data::OwnerData;
use crate::payload::encode_payload;
use crate::secret_payload::{CipherSuite, seal_secret_payload};
use crate::signature::Validity;
use crate::signer::Signer;
use crate::time::SimpleTime;

/// Whom the payload is encrypted to.
#[derive(Clone, Copy, Debug)]
pub enum PayloadKey<'a> {
    /// A device with an EC or RSA key; the key's id is the device's UUID.
    Device(&'a PublicKey),
    /// A device with a shared secret: the owner secret, which also signs the image.
    OwnerSecret {
        /// The owner secret.
        secret: &'a Secret,
        /// The cipher suite.
        suite: CipherSuite,
    },
}

/// What goes into an image.
#[derive(Clone, Copy, Debug)]
pub struct ImageContents<'a> {
    /// The device it is for.
    pub device: Uuid,
    /// The keys of the configuration in their given order, and any further ones behind them.
    pub authenticated_keys: &'a [AuthenticatedKey],
    /// The owner data of the configuration.
    pub owner_data: &'a OwnerData,
    /// Whom the payload is encrypted to.
    pub payload_key: PayloadKey<'a>,
    /// The CoAP messages that the device replays to itself, in order; at most 256.
    pub messages: &'a [Vec<u8>],
}

/// Why an image was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// No key at all, or more than 16.
    KeyCount,
    /// A key with its private part.
    PrivateKeyInHeader,
    /// Two keys with one id.
    DuplicateKeyId,
    /// The signing key is not among the keys as class 2.
    SignerNotAmongKeys,
    /// An image needs a time of creation.
    CreatedAtZero,
    /// More than 256 messages.
    TooManyMessages,
    /// The image would have more than 65,536 bytes.
    TooLong,
    /// The cryptography failed.
    Crypto(CryptoError),
}

impl core::fmt::Display for BuildError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::KeyCount => "an image has 1 to 16 keys",
            Self::PrivateKeyInHeader => "a private key does not belong in an image header",
            Self::DuplicateKeyId => "two keys with one id",
            Self::SignerNotAmongKeys => "the signing key is not in the image as a management system",
            Self::CreatedAtZero => "an image needs a time of creation",
            Self::TooManyMessages => "too many messages",
            Self::TooLong => "the image is too long",
            Self::Crypto(_) => "the cryptography failed",
        })
    }
}

impl core::error::Error for BuildError {}

/// The time of creation for the next image: never before the last one's, even when the clock went back.
/// Source: TS-M13.
#[must_use]
pub fn next_created_at(now: SimpleTime, last: Option<SimpleTime>) -> SimpleTime {
    last.map_or(now, |last| now.max(SimpleTime { secs: last.secs.saturating_add(1) }))
}

/// Encrypts the messages, puts everything in order and signs it.
///
/// # Errors
/// [`BuildError`]; nothing that a device would refuse for its form is signed.
/// Source: aSSURE 15.5; TS-M1, TS-M15; decision G 15.
pub fn build_image(
    provider: &dyn Provider,
    contents: &ImageContents<'_>,
    signer: &Signer<'_>,
    validity: Validity,
    dice: &mut Dice,
) -> Result<Vec<u8>, BuildError> {
    check(contents, signer, validity)?;
    let payload = encode_payload(contents.messages).map_err(|_| BuildError::TooManyMessages)?;
    let (decryption_key_id, encrypted) =
        encrypt(provider, contents, signer.key_id(), &Zeroizing::new(payload), dice)
            .map_err(BuildError::Crypto)?;
    let mut items = Writer::new();
    for key in contents.authenticated_keys {
        items.raw(key.encoded());
    }
    items.raw(contents.owner_data.encoded()).bytes(&decryption_key_id.0).bytes(&encrypted);
    let item_count = contents.authenticated_keys.len() + 3;
    let image = signer
        .close(provider, &items.finish(), item_count, &[], validity, dice)
        .map_err(BuildError::Crypto)?;
    if image.len() > IMAGE_LENGTH_MAX { Err(BuildError::TooLong) } else { Ok(image) }
}

fn check(contents: &ImageContents<'_>, signer: &Signer<'_>, validity: Validity) -> Result<(), BuildError> {
    let keys = contents.authenticated_keys;
    if !(1..=IMAGE_KEY_COUNT_MAX).contains(&keys.len()) {
        return Err(BuildError::KeyCount);
    }
    if keys.iter().any(|key| key.definition().has_private()) {
        return Err(BuildError::PrivateKeyInHeader);
    }
    if has_repeated_id(keys) {
        return Err(BuildError::DuplicateKeyId);
    }
    let is_signer = |key: &AuthenticatedKey| {
        key.id() == signer.key_id() && key.class() == Class::ManagementSystem && signer.class() == key.class()
    };
    if !keys.iter().any(is_signer) {
        return Err(BuildError::SignerNotAmongKeys);
    }
    if validity.created_at.secs == 0 {
        return Err(BuildError::CreatedAtZero);
    }
    Ok(())
}

fn encrypt(
    provider: &dyn Provider,
    contents: &ImageContents<'_>,
    signer: KeyId,
    payload: &[u8],
    dice: &mut Dice,
) -> Result<(KeyId, Vec<u8>), CryptoError> {
    match contents.payload_key {
        PayloadKey::Device(key) => {
            let id = KeyId::from(contents.device);
            let sequence_number = contents.owner_data.sequence_number();
            let bound = cms::binding(provider, &contents.device, &signer, sequence_number);
            Ok((id, cms::seal(provider, key, &id, Some(&bound), payload, dice)?))
        }
        PayloadKey::OwnerSecret { secret, suite } => {
            Ok((signer, seal_secret_payload(provider, secret, suite, payload, dice)?))
        }
    }
}
