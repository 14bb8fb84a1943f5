//! ECIES to the identity server's key: how a maker's record travels through servers that may not read it.
//!
//! Blob = R (133 bytes, `04 || X || Y`) || AES-256-CBC ciphertext (zero IV, PKCS#7) || HMAC-SHA-512 (64).
//! Keys = X9.63-KDF-SHA-512(X of the shared point, R || device UUID): 32 bytes for AES, 64 for HMAC. The HMAC
//! covers ciphertext || maker id || device UUID. The IV may be zero because each key is used once; R enters
//! the derivation so that -R gives another key.
//! Source: aSSURE 9.2.1; ruling A-ASSURE-39; decisions M11, G 20, LOW on A-ASSURE-39; SEC 1 section 5.1.

use alloc::vec::Vec;

use clock::Dice;
use crypto::{CryptoError, Curve, Group, HashAlgorithm, PrivateKey, Provider, PublicKey, Secret, x963_kdf};
use model::Uuid;
use subtle::ConstantTimeEq;
use wire::{DecodeError, Reason};

/// No blob is longer, in bytes: a record of 16 KiB, its padding, the point and the tag.
pub const ECIES_LENGTH_MAX: usize = 16_384 + 16 + POINT_LENGTH + TAG_LENGTH;

const CURVE: Curve = Curve::P521;
const POINT_LENGTH: usize = 1 + 2 * CURVE.field_length();
const TAG_LENGTH: usize = 64;
const CIPHER_KEY_LENGTH: usize = 32;
const BLOCK: usize = 16;
const ZERO_IV: [u8; BLOCK] = [0; BLOCK];

/// Whom a blob is about: both ids are authenticated with it, neither stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EciesContext {
    /// The maker's id, from the maker's certificate.
    pub maker: Uuid,
    /// The device's UUID, from the URI.
    pub device: Uuid,
}

/// Why a blob was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EciesError {
    /// Its length or its point cannot be right.
    Malformed(DecodeError),
    /// It is not genuine: other key, other maker, other device, or changed.
    NotGenuine,
    /// The key given is not on P-521.
    WrongKey,
    /// The provider of cryptography cannot do it.
    Unsupported,
}

impl core::fmt::Display for EciesError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "malformed ECIES blob: {error}"),
            Self::NotGenuine => f.write_str("ECIES blob that is not genuine"),
            Self::WrongKey => f.write_str("ECIES needs a P-521 key"),
            Self::Unsupported => f.write_str("this provider cannot open ECIES blobs"),
        }
    }
}

impl core::error::Error for EciesError {}

impl From<CryptoError> for EciesError {
    fn from(error: CryptoError) -> Self {
        match error {
            CryptoError::NotGenuine | CryptoError::BadInput => Self::NotGenuine,
            CryptoError::WrongKey => Self::WrongKey,
            CryptoError::Unsupported => Self::Unsupported,
        }
    }
}

/// Encrypts `plaintext` to the identity server's P-521 key.
///
/// # Errors
/// [`CryptoError::WrongKey`] for a key on another curve, [`CryptoError::BadInput`] when the blob would be
/// longer than [`ECIES_LENGTH_MAX`].
pub fn seal(
    provider: &dyn Provider,
    recipient: &PublicKey,
    context: EciesContext,
    plaintext: &[u8],
    dice: &mut Dice,
) -> Result<Vec<u8>, CryptoError> {
    let Some((CURVE, point)) = recipient.point() else { return Err(CryptoError::WrongKey) };
    if plaintext.len() > ECIES_LENGTH_MAX - POINT_LENGTH - TAG_LENGTH - BLOCK {
        return Err(CryptoError::BadInput);
    }
    let exchange = provider.start_exchange(Group::Nist(CURVE), dice)?;
    let ephemeral = exchange.public().to_vec();
    let keys = derive(provider, &exchange.finish(point)?, &ephemeral, context);
    let (cipher_key, mac_key) = keys.expose().split_at(CIPHER_KEY_LENGTH);
    let ciphertext = provider.cbc_encrypt(cipher_key, &ZERO_IV, plaintext)?;
    let tag = tag(provider, mac_key, &ciphertext, context);
    Ok([&ephemeral, &ciphertext, tag.as_ref()].concat())
}

/// Decrypts a blob with the identity server's key; the tag is checked before anything is decrypted.
///
/// # Errors
/// [`EciesError`] says whose fault it is.
pub fn open(
    provider: &dyn Provider,
    key: &dyn PrivateKey,
    context: EciesContext,
    blob: &[u8],
) -> Result<Secret, EciesError> {
    let Parts { point, ciphertext, tag: received_tag } = Parts::of(blob).map_err(EciesError::Malformed)?;
    let ephemeral = PublicKey::from_point(CURVE, point)
        .map_err(|_| EciesError::Malformed(DecodeError::new(0, Reason::WrongKind)))?;
    let keys = derive(provider, &key.agree(&ephemeral)?, point, context);
    let (cipher_key, mac_key) = keys.expose().split_at(CIPHER_KEY_LENGTH);
    let expected_tag = tag(provider, mac_key, ciphertext, context);
    if !bool::from(expected_tag.as_ref().ct_eq(received_tag)) {
        return Err(EciesError::NotGenuine);
    }
    Ok(provider.cbc_decrypt(cipher_key, &ZERO_IV, ciphertext)?)
}

struct Parts<'a> {
    point: &'a [u8],
    ciphertext: &'a [u8],
    tag: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(blob: &'a [u8]) -> Result<Self, DecodeError> {
        if blob.len() > ECIES_LENGTH_MAX {
            return Err(DecodeError::new(ECIES_LENGTH_MAX, Reason::OverLimit));
        }
        let truncated = DecodeError::new(blob.len(), Reason::Truncated);
        let (point, rest) = blob.split_at_checked(POINT_LENGTH).ok_or(truncated)?;
        let tag_at = rest.len().checked_sub(TAG_LENGTH).ok_or(truncated)?;
        let (ciphertext, tag) = rest.split_at(tag_at);
        if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(BLOCK) {
            return Err(DecodeError::new(POINT_LENGTH, Reason::OutOfRange));
        }
        Ok(Self { point, ciphertext, tag })
    }
}

fn derive(provider: &dyn Provider, shared: &Secret, ephemeral: &[u8], context: EciesContext) -> Secret {
    let shared_info = [ephemeral, &context.device.0].concat();
    x963_kdf(provider, HashAlgorithm::Sha512, shared, &shared_info, CIPHER_KEY_LENGTH + TAG_LENGTH)
}

fn tag(provider: &dyn Provider, key: &[u8], ciphertext: &[u8], context: EciesContext) -> crypto::Digest {
    provider.hmac(HashAlgorithm::Sha512, key, &[ciphertext, &context.maker.0, &context.device.0])
}
