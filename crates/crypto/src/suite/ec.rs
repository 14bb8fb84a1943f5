//! ECDSA and static Diffie-Hellman, by published vectors and by what must be refused.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use clock::Dice;

use super::curves::{self, Party, published};
use super::keys::pkcs8_of_scalar;
use super::{hex, rsa, with_one_bit_flipped};
use crate::{
    CryptoError, Curve, HashAlgorithm, KeyKind, PrivateKey, Provider, PublicKey, SignatureScheme,
    ecdsa_to_der,
};

pub(crate) const CURVES: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];

pub(crate) fn generated(provider: &dyn Provider, curve: Curve, run: u64) -> Arc<dyn PrivateKey> {
    provider.generate_key(KeyKind::Ec(curve), &mut Dice::numbered(run)).expect("every provider makes EC keys")
}

pub(crate) fn public_key(curve: Curve, x: &[u8], y: &[u8]) -> PublicKey {
    PublicKey::from_point(curve, &[&[4], x, y].concat()).expect("an uncompressed point")
}

/// The scalar gives the published point; the published signature verifies; no neighbour of it does.
pub fn published_signature(provider: &dyn Provider, curve: Curve) {
    let vector = published(curve);
    let key = provider.import_key(&pkcs8_of_scalar(curve, &hex(vector.scalar))).expect("a published key");
    let public = public_key(curve, &hex(vector.x), &hex(vector.y));
    assert_eq!(key.public(), &public, "the public half of the published scalar");
    assert_eq!(provider.check_key(&public), Ok(()));

    let scheme = SignatureScheme::Ecdsa(curve);
    let signature = [hex(vector.r), hex(vector.s)].concat();
    let verify =
        |key: &PublicKey, message: &[u8], signature: &[u8]| provider.verify(key, scheme, message, signature);
    assert_eq!(verify(&public, b"sample", &signature), Ok(()));
    assert_eq!(verify(&public, b"sampld", &signature), Err(CryptoError::NotGenuine));
    for changed in with_one_bit_flipped(&signature).step_by(5) {
        assert_eq!(verify(&public, b"sample", &changed), Err(CryptoError::NotGenuine));
    }
    let stranger = generated(provider, curve, 1);
    assert_eq!(verify(stranger.public(), b"sample", &signature), Err(CryptoError::NotGenuine));
    for other in CURVES.into_iter().filter(|other| *other != curve) {
        let key = generated(provider, other, 1);
        assert_eq!(verify(key.public(), b"sample", &signature), Err(CryptoError::WrongKey), "{other:?}");
        let refused = provider.verify(&public, SignatureScheme::Ecdsa(other), b"sample", &signature);
        assert_eq!(refused, Err(CryptoError::WrongKey), "{other:?}");
    }
}

/// Signing the published message with the published key gives the published signature.
///
/// Only for providers that sign as RFC 6979 says.
pub fn deterministic_signatures(provider: &dyn Provider) {
    for vector in &curves::ALL {
        let pkcs8 = pkcs8_of_scalar(vector.curve, &hex(vector.scalar));
        let key = provider.import_key(&pkcs8).expect("a published key");
        let signature = key.sign(SignatureScheme::Ecdsa(vector.curve), b"sample", &mut Dice::numbered(1));
        assert_eq!(signature, Ok([hex(vector.r), hex(vector.s)].concat()), "{:?}", vector.curve);
    }
}

/// What a key signs verifies with its public half, and with nothing else.
pub fn sign_and_verify(provider: &dyn Provider) {
    for curve in CURVES {
        let (key, stranger) = (generated(provider, curve, 1), generated(provider, curve, 2));
        let scheme = SignatureScheme::Ecdsa(curve);
        for message in [&b""[..], b"message", &[0x5a; 1000]] {
            let signature = key.sign(scheme, message, &mut Dice::numbered(3)).expect("its own curve");
            assert_eq!(signature.len(), 2 * curve.field_length());
            assert_eq!(provider.verify(key.public(), scheme, message, &signature), Ok(()));
            let longer = [message, &[0]].concat();
            let refusals = [
                provider.verify(key.public(), scheme, &longer, &signature),
                provider.verify(stranger.public(), scheme, message, &signature),
            ];
            assert_eq!(refusals, [Err(CryptoError::NotGenuine); 2]);
        }
    }
}

/// Zero, the order, other lengths and the ASN.1 form are no signatures.
pub fn signatures_out_of_range(provider: &dyn Provider) {
    for vector in &curves::ALL {
        let public = public_key(vector.curve, &hex(vector.x), &hex(vector.y));
        let (r, s, order) = (hex(vector.r), hex(vector.s), hex(vector.order));
        let zero = vec![0; order.len()];
        let good = [&r[..], &s].concat();
        let bad: [Vec<u8>; 11] = [
            [&zero[..], &s].concat(),
            [&r[..], &zero].concat(),
            [&zero[..], &zero].concat(),
            [&order[..], &s].concat(),
            [&r[..], &order].concat(),
            vec![0xff; good.len()],
            [&good[..], &[0]].concat(),
            good[..good.len() - 1].to_vec(),
            good[1..].to_vec(),
            ecdsa_to_der(vector.curve, &good).expect("the fixed form"),
            Vec::new(),
        ];
        let scheme = SignatureScheme::Ecdsa(vector.curve);
        for signature in bad {
            let refused = provider.verify(&public, scheme, b"sample", &signature);
            assert_eq!(refused, Err(CryptoError::NotGenuine), "{:?}: {signature:02x?}", vector.curve);
        }
    }
}

/// Both parties of RFC 5903 section 8 find the published X coordinate.
pub fn agreement_vectors(provider: &dyn Provider) {
    for vector in &curves::ALL {
        let import = |party: &Party| {
            let key = provider.import_key(&pkcs8_of_scalar(vector.curve, &hex(party.scalar)));
            let key = key.expect("a published key");
            assert_eq!(key.public(), &public_key(vector.curve, &hex(party.x), &hex(party.y)));
            key
        };
        let (initiator, responder) = (import(&vector.initiator), import(&vector.responder));
        let secret = initiator.agree(responder.public()).expect("both on one curve");
        assert_eq!(secret.expose(), hex(vector.shared_x), "{:?}", vector.curve);
        assert_eq!(responder.agree(initiator.public()), Ok(secret));
    }
}

/// A key of another curve or kind is told apart from a wrong signature.
pub fn wrong_key(provider: &dyn Provider) {
    let wrong = CryptoError::WrongKey;
    let mut dice = Dice::numbered(1);
    let (p256, p384) = (generated(provider, Curve::P256, 1), generated(provider, Curve::P384, 1));
    let rsa_public = rsa::published_public_key();
    let rsa_scheme = SignatureScheme::RsaPkcs1(HashAlgorithm::Sha256);
    let ec_scheme = SignatureScheme::Ecdsa(Curve::P256);

    assert_eq!(p256.sign(SignatureScheme::Ecdsa(Curve::P384), b"", &mut dice), Err(wrong));
    assert_eq!(p256.sign(rsa_scheme, b"", &mut dice), Err(wrong));
    assert_eq!(p256.agree(p384.public()), Err(wrong));
    assert_eq!(p256.agree(&rsa_public), Err(wrong));
    assert_eq!(p256.oaep_decrypt(HashAlgorithm::Sha256, b"", &[0; 256]), Err(wrong));
    assert_eq!(provider.verify(p256.public(), rsa_scheme, b"", &[0; 64]), Err(wrong));
    assert_eq!(provider.verify(&rsa_public, ec_scheme, b"", &[0; 64]), Err(wrong));
    let encrypted = provider.oaep_encrypt(p256.public(), HashAlgorithm::Sha256, b"", b"", &mut dice);
    assert_eq!(encrypted, Err(wrong));
}

/// A point off the curve has the right form and is refused by every use.
pub fn off_the_curve(provider: &dyn Provider) {
    for vector in &curves::ALL {
        let (curve, x, y) = (vector.curve, hex(vector.x), hex(vector.y));
        let own = generated(provider, curve, 1);
        let mut beside = y.clone();
        beside[curve.field_length() - 1] ^= 1;
        let mut beyond_the_field = vec![0xff; curve.field_length()];
        beyond_the_field[0] = if curve == Curve::P521 { 3 } else { 0xff };
        let zero = vec![0; curve.field_length()];
        for (x, y) in
            [(&x, &beside), (&y, &x), (&beyond_the_field, &y), (&x, &beyond_the_field), (&zero, &zero)]
        {
            let key = public_key(curve, x, y);
            assert_eq!(provider.check_key(&key), Err(CryptoError::BadInput), "{curve:?}");
            assert_eq!(own.agree(&key), Err(CryptoError::BadInput), "{curve:?}");
            let signature = [hex(vector.r), hex(vector.s)].concat();
            let refused = provider.verify(&key, SignatureScheme::Ecdsa(curve), b"sample", &signature);
            assert_eq!(refused, Err(CryptoError::BadInput), "{curve:?}");
        }
    }
}
