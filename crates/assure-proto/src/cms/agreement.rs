//! The recipient with an elliptic-curve key: ephemeral-static Diffie-Hellman (RFC 5753 section 3.1).

use alloc::vec::Vec;

use clock::Dice;
use crypto::{
    CryptoError, Curve, Group, HashAlgorithm, KeyKind, PrivateKey, Provider, PublicKey, Secret, x963_kdf,
};
use model::KeyId;
use wire::Reason;

use super::algorithm::{self, Aes, EC_PUBLIC_KEY};
use super::der::{self, BIT_STRING, INTEGER, NULL, OCTET_STRING, OID, Reader, SEQUENCE};
use super::{OpenError, check_binding};

const VERSION: u8 = 3;
const RECIPIENT: u8 = der::constructed(1);

/// Whether the next RecipientInfo is of this kind.
pub(super) fn is_next(recipients: &Reader<'_>) -> bool {
    recipients.next_is(RECIPIENT)
}

/// Wraps `content_key` for the owner of `point` and writes the KeyAgreeRecipientInfo.
pub(super) fn seal(
    provider: &dyn Provider,
    (curve, point): (Curve, &[u8]),
    recipient_id: &KeyId,
    bound: Option<&[u8; 32]>,
    content_key: &[u8],
    dice: &mut Dice,
) -> Result<Vec<u8>, CryptoError> {
    let (hash, wrap) = (HashAlgorithm::Sha256, Aes::Bits128);
    let exchange = provider.start_exchange(Group::Nist(curve), dice)?;
    let ephemeral = exchange.public().to_vec();
    let shared_secret = exchange.finish(point)?;
    let bound = bound.map(|bound| &bound[..]);
    let kek = wrapping_key(provider, hash, wrap, &shared_secret, bound);
    let wrapped = provider.key_wrap(kek.expose(), content_key)?;

    let algorithm = der::element(SEQUENCE, &[&der::element(OID, &[EC_PUBLIC_KEY])]);
    let public_key = [algorithm, der::element(BIT_STRING, &[&[0], &ephemeral])].concat();
    let originator = der::element(der::constructed(0), &[&der::element(der::constructed(1), &[&public_key])]);
    let key_id = der::element(der::constructed(0), &[&der::element(OCTET_STRING, &[&recipient_id.0])]);
    let encrypted_key = der::element(SEQUENCE, &[&key_id, &der::element(OCTET_STRING, &[&wrapped])]);
    let keying_material = bound.map_or_else(Vec::new, |bound| {
        der::element(der::constructed(1), &[&der::element(OCTET_STRING, &[bound])])
    });
    Ok(der::element(
        RECIPIENT,
        &[
            &der::element(INTEGER, &[&[VERSION]]),
            &originator,
            &keying_material,
            &algorithm::agreement_identifier(hash, wrap),
            &der::element(SEQUENCE, &[&encrypted_key]),
        ],
    ))
}

/// Reads the KeyAgreeRecipientInfo and unwraps the content key.
pub(super) fn open(
    provider: &dyn Provider,
    key: &dyn PrivateKey,
    bound: Option<&[u8; 32]>,
    recipients: &mut Reader<'_>,
) -> Result<Secret, OpenError> {
    let mut info = recipients.inside(RECIPIENT)?;
    let KeyKind::Ec(curve) = key.public().kind() else { return Err(OpenError::WrongKey) };
    info.version(VERSION)?;
    let ephemeral = read_originator(&mut info, curve)?;
    let keying_material = if info.next_is(der::constructed(1)) {
        let mut explicit = info.inside(der::constructed(1))?;
        let octets = explicit.bytes(OCTET_STRING)?;
        explicit.finish()?;
        Some(octets)
    } else {
        None
    };
    let (hash, wrap) = algorithm::read_agreement(&mut info)?;
    let wrapped = read_encrypted_key(&mut info)?;
    info.finish()?;
    check_binding(bound, keying_material)?;

    let shared_secret = key.agree(&ephemeral)?;
    let kek = wrapping_key(provider, hash, wrap, &shared_secret, keying_material);
    Ok(provider.key_unwrap(kek.expose(), wrapped)?)
}

fn read_originator(info: &mut Reader<'_>, curve: Curve) -> Result<PublicKey, OpenError> {
    let mut originator = info.inside(der::constructed(0))?;
    let mut public_key = originator.inside(der::constructed(1))?;
    originator.finish()?;
    let mut identifier = public_key.inside(SEQUENCE)?;
    if identifier.bytes(OID)? != EC_PUBLIC_KEY {
        return Err(OpenError::RefusedAlgorithm);
    }
    // Parameters are absent, NULL, or the recipient's own curve (RFC 5753 section 3.1.1).
    if identifier.next_is(NULL) {
        identifier.inside(NULL)?.finish()?;
    } else if !identifier.is_empty() && identifier.bytes(OID)? != algorithm::curve_oid(curve) {
        return Err(OpenError::WrongKey);
    }
    identifier.finish()?;
    let at = public_key.error(Reason::OutOfRange);
    let point = public_key.bit_string()?;
    public_key.finish()?;
    PublicKey::from_point(curve, point).map_err(|_| at.into())
}

/// One key for one recipient, whose id is not looked at: the key either opens it or not.
fn read_encrypted_key<'a>(info: &mut Reader<'a>) -> Result<&'a [u8], OpenError> {
    let mut keys = info.inside(SEQUENCE)?;
    let mut encrypted_key = keys.inside(SEQUENCE)?;
    if !keys.is_empty() {
        return Err(keys.error(Reason::OverLimit).into());
    }
    let mut key_id = encrypted_key.inside(der::constructed(0))?;
    key_id.bytes(OCTET_STRING)?;
    key_id.finish()?;
    let wrapped = encrypted_key.bytes(OCTET_STRING)?;
    encrypted_key.finish()?;
    Ok(wrapped)
}

/// X9.63 over ECC-CMS-SharedInfo (RFC 5753 section 7.2), which holds the user keying material.
fn wrapping_key(
    provider: &dyn Provider,
    hash: HashAlgorithm,
    wrap: Aes,
    shared_secret: &Secret,
    keying_material: Option<&[u8]>,
) -> Secret {
    let entity = keying_material.map_or_else(Vec::new, |octets| {
        der::element(der::constructed(0), &[&der::element(OCTET_STRING, &[octets])])
    });
    let bits: u32 = match wrap {
        Aes::Bits128 => 128,
        Aes::Bits256 => 256,
    };
    let public = der::element(der::constructed(2), &[&der::element(OCTET_STRING, &[&bits.to_be_bytes()])]);
    let shared_info = der::element(SEQUENCE, &[&wrap.wrap_identifier(), &entity, &public]);
    x963_kdf(provider, hash, shared_secret, &shared_info, wrap.key_length())
}
