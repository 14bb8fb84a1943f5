//! CMS enveloped data for one raw public key: the content key is wrapped for it, the content encrypted.
//!
//! Only DER is accepted, only one recipient, and the recipient's id is written but never read: the key
//! either opens the message or it does not. For bootstrap images the envelope is bound to device, owner key
//! and owner sequence number by [`binding`]; in derivations of keys, which their signature binds, a binding
//! is refused.
//! Source: aSSURE 7.2, 15.5.1, 15.5.2; RFC 5652, RFC 5753, RFC 8017; decisions M1, G 12, G 13.

mod agreement;
mod algorithm;
mod der;
mod transport;

use alloc::vec::Vec;

use clock::Dice;
use crypto::{CryptoError, HashAlgorithm, PrivateKey, Provider, PublicKey, Secret};
use model::{KeyId, Uuid};
use wire::{DecodeError, Reason};
use zeroize::Zeroizing;

use algorithm::Aes;
use der::{INTEGER, OID, Reader, SEQUENCE, SET};

/// No accepted message is longer, in bytes: an image, which holds one, is not longer either.
pub const CMS_LENGTH_MAX: usize = 65_536;

/// The version of EnvelopedData whose recipients are named by key identifier.
const VERSION: u8 = 2;

/// Why a message was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The bytes are not DER of the accepted form.
    Malformed(DecodeError),
    /// An algorithm is named that is not accepted: a KDF or OAEP with SHA-1, PKCS#1 v1.5, another cipher.
    RefusedAlgorithm,
    /// The message is not bound to anything, but should be.
    BindingAbsent,
    /// The message is bound to something else, or is bound where no binding belongs.
    BindingOther,
    /// The recipient's key is of another kind or curve.
    WrongKey,
    /// Some key or ciphertext in it is not genuine; which one is not told.
    NotGenuine,
    /// The provider of cryptography cannot open messages for this kind of key.
    Unsupported,
}

impl core::fmt::Display for OpenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "malformed enveloped data: {error}"),
            Self::RefusedAlgorithm => f.write_str("enveloped data with a refused algorithm"),
            Self::BindingAbsent => f.write_str("enveloped data that is not bound to its image"),
            Self::BindingOther => f.write_str("enveloped data that is bound to something else"),
            Self::WrongKey => f.write_str("enveloped data for another kind of key"),
            Self::NotGenuine => f.write_str("enveloped data that is not genuine"),
            Self::Unsupported => f.write_str("this provider cannot open enveloped data for this key"),
        }
    }
}

impl core::error::Error for OpenError {}

impl From<DecodeError> for OpenError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl From<CryptoError> for OpenError {
    fn from(error: CryptoError) -> Self {
        match error {
            CryptoError::NotGenuine | CryptoError::BadInput => Self::NotGenuine,
            CryptoError::WrongKey => Self::WrongKey,
            CryptoError::Unsupported => Self::Unsupported,
        }
    }
}

/// What the envelope of a bootstrap image is bound to: SHA-256(device, signer's key id, sequence number).
///
/// The sequence number enters as four bytes, most significant first.
/// Source: decisions M1 and G 13.
#[must_use]
pub fn binding(provider: &dyn Provider, device: &Uuid, signer: &KeyId, sequence_number: u32) -> [u8; 32] {
    let parts: [&[u8]; 3] = [&device.0, &signer.0, &sequence_number.to_be_bytes()];
    provider.digest(HashAlgorithm::Sha256, &parts).first_32()
}

/// Encrypts `plaintext` to `recipient` with AES-128-CBC: EC keys by ephemeral-static Diffie-Hellman with the
/// SHA-256 KDF and AES-128 key wrap, RSA keys by OAEP with SHA-256.
///
/// `bound` is the user keying material (EC) or the OAEP label (RSA); see [`binding`].
///
/// # Errors
/// [`CryptoError::BadInput`] when the key is no usable one or the message would be longer than
/// [`CMS_LENGTH_MAX`]; otherwise what the provider says.
pub fn seal(
    provider: &dyn Provider,
    recipient: &PublicKey,
    recipient_id: &KeyId,
    bound: Option<&[u8; 32]>,
    plaintext: &[u8],
    dice: &mut Dice,
) -> Result<Vec<u8>, CryptoError> {
    if plaintext.len() > CMS_LENGTH_MAX {
        return Err(CryptoError::BadInput);
    }
    let cipher = Aes::Bits128;
    let content_key = Zeroizing::new(dice.bytes::<{ Aes::Bits128.key_length() }>());
    let iv = dice.bytes();
    let encrypted = provider.cbc_encrypt(&*content_key, &iv, plaintext)?;
    let info = match recipient.point() {
        Some(key) => agreement::seal(provider, key, recipient_id, bound, &*content_key, dice)?,
        None => transport::seal(provider, recipient, recipient_id, bound, &*content_key, dice)?,
    };
    let content = [
        der::element(OID, &[algorithm::DATA]),
        cipher.cbc_identifier(&iv),
        der::element(der::primitive(0), &[&encrypted]),
    ]
    .concat();
    let enveloped = [
        der::element(INTEGER, &[&[VERSION]]),
        der::element(SET, &[&info]),
        der::element(SEQUENCE, &[&content]),
    ]
    .concat();
    let explicit = der::element(der::constructed(0), &[&der::element(SEQUENCE, &[&enveloped])]);
    let message = der::element(SEQUENCE, &[&der::element(OID, &[algorithm::ENVELOPED_DATA]), &explicit]);
    if message.len() > CMS_LENGTH_MAX { Err(CryptoError::BadInput) } else { Ok(message) }
}

/// Decrypts a message made for `key`.
///
/// With `bound`, the message must carry exactly that binding; without, it must carry none. Both are checked
/// before any key is used. Callers check the signature around the message first, so that the padding of
/// the content is no oracle. AES-256 and SHA-384 or SHA-512 are accepted beside the algorithms that
/// [`seal`] writes (ruling A-ASSURE-96).
///
/// # Errors
/// [`OpenError`] says whose fault it is.
pub fn open(
    provider: &dyn Provider,
    key: &dyn PrivateKey,
    bound: Option<&[u8; 32]>,
    der: &[u8],
) -> Result<Secret, OpenError> {
    if der.len() > CMS_LENGTH_MAX {
        return Err(DecodeError::new(CMS_LENGTH_MAX, Reason::OverLimit).into());
    }
    let (mut recipients, content) = read_outer(der)?;
    let content = Content::read(content)?;
    let content_key = if agreement::is_next(&recipients) {
        agreement::open(provider, key, bound, &mut recipients)?
    } else {
        transport::open(key, bound, &mut recipients)?
    };
    if content_key.len() != content.cipher.key_length() {
        return Err(OpenError::NotGenuine);
    }
    Ok(provider.cbc_decrypt(content_key.expose(), &content.iv, content.encrypted)?)
}

/// The recipients (one) and the encrypted content info.
fn read_outer(der: &[u8]) -> Result<(Reader<'_>, Reader<'_>), OpenError> {
    let mut whole = Reader::new(der);
    let mut message = whole.inside(SEQUENCE)?;
    whole.finish()?;
    let at = message.error(Reason::WrongKind);
    if message.bytes(OID)? != algorithm::ENVELOPED_DATA {
        return Err(at.into());
    }
    let mut explicit = message.inside(der::constructed(0))?;
    message.finish()?;
    let mut enveloped = explicit.inside(SEQUENCE)?;
    explicit.finish()?;
    enveloped.version(VERSION)?;
    let recipients = enveloped.inside(SET)?;
    let content = enveloped.inside(SEQUENCE)?;
    enveloped.finish()?;
    let mut after_first = recipients.clone();
    after_first.skip()?;
    if !after_first.is_empty() {
        return Err(after_first.error(Reason::OverLimit).into());
    }
    Ok((recipients, content))
}

struct Content<'a> {
    cipher: Aes,
    iv: [u8; 16],
    encrypted: &'a [u8],
}

impl<'a> Content<'a> {
    fn read(mut info: Reader<'a>) -> Result<Self, OpenError> {
        let at = info.error(Reason::WrongKind);
        if info.bytes(OID)? != algorithm::DATA {
            return Err(at.into());
        }
        let (cipher, iv) = Aes::read_cbc(&mut info)?;
        let encrypted = info.bytes(der::primitive(0))?;
        info.finish()?;
        Ok(Self { cipher, iv, encrypted })
    }
}

/// The binding of a message is exactly the expected one, or absent where none is expected.
fn check_binding(expected: Option<&[u8; 32]>, found: Option<&[u8]>) -> Result<(), OpenError> {
    match (expected, found) {
        (None, None) => Ok(()),
        (Some(expected), Some(found)) if expected == found => Ok(()),
        (Some(_), None) => Err(OpenError::BindingAbsent),
        (Some(_) | None, Some(_)) => Err(OpenError::BindingOther),
    }
}
