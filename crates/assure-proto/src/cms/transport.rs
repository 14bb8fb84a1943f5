//! The recipient with an RSA key: key transport with RSAES-OAEP (RFC 3560, RFC 8017 section 7.1).

use alloc::vec::Vec;

use clock::Dice;
use crypto::{CryptoError, HashAlgorithm, KeyKind, PrivateKey, Provider, PublicKey, Secret};
use model::KeyId;

use super::algorithm;
use super::der::{self, INTEGER, OCTET_STRING, Reader, SEQUENCE};
use super::{OpenError, check_binding};

/// The version of infos that name the recipient by subjectKeyIdentifier.
const VERSION: u8 = 2;

/// Encrypts `content_key` to `recipient` and writes the KeyTransRecipientInfo.
pub(super) fn seal(
    provider: &dyn Provider,
    recipient: &PublicKey,
    recipient_id: &KeyId,
    bound: Option<&[u8; 32]>,
    content_key: &[u8],
    dice: &mut Dice,
) -> Result<Vec<u8>, CryptoError> {
    let hash = HashAlgorithm::Sha256;
    let bound = bound.map(|bound| &bound[..]);
    let encrypted = provider.oaep_encrypt(recipient, hash, bound.unwrap_or_default(), content_key, dice)?;
    Ok(der::element(
        SEQUENCE,
        &[
            &der::element(INTEGER, &[&[VERSION]]),
            &der::element(der::primitive(0), &[&recipient_id.0]),
            &algorithm::oaep_identifier(hash, bound),
            &der::element(OCTET_STRING, &[&encrypted]),
        ],
    ))
}

/// Reads the KeyTransRecipientInfo and decrypts the content key.
pub(super) fn open(
    key: &dyn PrivateKey,
    bound: Option<&[u8; 32]>,
    recipients: &mut Reader<'_>,
) -> Result<Secret, OpenError> {
    let mut info = recipients.inside(SEQUENCE)?;
    if !matches!(key.public().kind(), KeyKind::Rsa { .. }) {
        return Err(OpenError::WrongKey);
    }
    info.version(VERSION)?;
    info.bytes(der::primitive(0))?;
    let (hash, label) = algorithm::read_oaep(&mut info)?;
    let encrypted = info.bytes(OCTET_STRING)?;
    info.finish()?;
    check_binding(bound, label)?;
    Ok(key.oaep_decrypt(hash, label.unwrap_or_default(), encrypted)?)
}
