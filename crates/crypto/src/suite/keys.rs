//! Private keys of elliptic curves: made, exported, imported, refused.

use alloc::vec;
use alloc::vec::Vec;

use clock::Dice;

use super::curves::{self, Published};
use super::ec::{CURVES, generated, public_key};
use super::{element, hex};
use crate::public_key::algorithm;
use crate::{CryptoError, Curve, KeyKind, Provider, SignatureScheme};

const VERSION_1: &[u8] = &[2, 1, 0];
const EC_VERSION: &[u8] = &[2, 1, 1];
const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
const BIT_STRING: u8 = 0x03;

/// PKCS#8 v1 around an `ECPrivateKey`.
fn wrapped(curve: Curve, ec_private_key: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[VERSION_1, algorithm(curve), &element(OCTET_STRING, &[ec_private_key])])
}

/// PKCS#8 v1 with the scalar alone.
pub(crate) fn pkcs8_of_scalar(curve: Curve, scalar: &[u8]) -> Vec<u8> {
    wrapped(curve, &element(SEQUENCE, &[EC_VERSION, &element(OCTET_STRING, &[scalar])]))
}

/// The optional parts of an `ECPrivateKey`: `[0] EXPLICIT` parameters and `[1] EXPLICIT` public key.
fn parameters(curve: Curve) -> Vec<u8> {
    // The algorithm identifier is SEQUENCE { id-ecPublicKey (9 bytes), curve }.
    element(0xa0, &[&algorithm(curve)[2 + 9..]])
}

fn embedded(point: &[u8]) -> Vec<u8> {
    element(0xa1, &[&element(BIT_STRING, &[&[0], point])])
}

/// A key that was exported and imported is the same key.
pub fn round_trip(provider: &dyn Provider) {
    for curve in CURVES {
        let (key, peer) = (generated(provider, curve, 1), generated(provider, curve, 2));
        let pkcs8 = key.pkcs8().expect("EC keys may leave");
        let back = provider.import_key(pkcs8.expose()).expect("its own export");
        assert_eq!(key.public().kind(), KeyKind::Ec(curve));
        assert_eq!(back.public(), key.public());
        assert_eq!(back.pkcs8().as_ref(), Ok(&pkcs8));
        assert_eq!(back.agree(peer.public()), key.agree(peer.public()));
        assert_eq!(peer.agree(back.public()), key.agree(peer.public()));
        let scheme = SignatureScheme::Ecdsa(curve);
        let signature = back.sign(scheme, b"message", &mut Dice::numbered(3)).expect("its own curve");
        assert_eq!(provider.verify(key.public(), scheme, b"message", &signature), Ok(()));
    }
}

/// Known dice give a known key; dice that rolled on give another.
pub fn drawn_from_dice(provider: &dyn Provider) {
    for curve in CURVES {
        assert_eq!(generated(provider, curve, 1).public(), generated(provider, curve, 1).public());
        assert_ne!(generated(provider, curve, 1).public(), generated(provider, curve, 2).public());
        let mut dice = Dice::numbered(1);
        let [first, second] = [(); 2].map(|()| {
            provider.generate_key(KeyKind::Ec(curve), &mut dice).expect("every provider makes EC keys")
        });
        assert_ne!(first.public(), second.public());
    }
}

/// Curve parameters and public key inside an `ECPrivateKey` may be there or not.
pub fn accepted_forms(provider: &dyn Provider) {
    for Published { curve, scalar, x, y, .. } in &curves::ALL {
        let public = public_key(*curve, &hex(x), &hex(y));
        let (_, point) = public.point().expect("an EC key");
        let scalar = element(OCTET_STRING, &[&hex(scalar)]);
        let nothing = Vec::new();
        for parameters in [&nothing, &parameters(*curve)] {
            for embedded in [&nothing, &embedded(point)] {
                let key = element(SEQUENCE, &[EC_VERSION, &scalar, parameters, embedded]);
                let key = provider.import_key(&wrapped(*curve, &key)).expect("an accepted form");
                assert_eq!(key.public(), &public, "{curve:?}");
            }
        }
    }
}

/// Scalars out of range, contradictions inside the key and other encodings are refused.
pub fn refused_forms(provider: &dyn Provider) {
    for vector in &curves::ALL {
        for (why, pkcs8) in scalars_out_of_range(vector).into_iter().chain(malformed(vector)) {
            let refused = provider.import_key(&pkcs8).err();
            assert_eq!(refused, Some(CryptoError::BadInput), "{:?}: {why}", vector.curve);
        }
        let mut largest = hex(vector.order);
        let last = largest.len() - 1;
        largest[last] -= 1;
        assert!(
            provider.import_key(&pkcs8_of_scalar(vector.curve, &largest)).is_ok(),
            "order - 1 is a scalar"
        );
    }
}

fn scalars_out_of_range(vector: &Published) -> Vec<(&'static str, Vec<u8>)> {
    let curve = vector.curve;
    let scalar = hex(vector.scalar);
    vec![
        ("zero", pkcs8_of_scalar(curve, &vec![0; scalar.len()])),
        ("the order", pkcs8_of_scalar(curve, &hex(vector.order))),
        ("all ones", pkcs8_of_scalar(curve, &vec![0xff; scalar.len()])),
        ("a short scalar", pkcs8_of_scalar(curve, &scalar[1..])),
        ("a long scalar", pkcs8_of_scalar(curve, &[&[0], &scalar[..]].concat())),
        ("no scalar", pkcs8_of_scalar(curve, &[])),
    ]
}

fn malformed(vector: &Published) -> Vec<(&'static str, Vec<u8>)> {
    let curve = vector.curve;
    let (x, y) = (hex(vector.x), hex(vector.y));
    let point = [&[4], &x[..], &y].concat();
    let others = [&[4], &hex(vector.initiator.x)[..], &hex(vector.initiator.y)].concat();
    let compressed = [&[2 + (y[y.len() - 1] & 1)], &x[..]].concat();
    let other_curve = if curve == Curve::P256 { Curve::P384 } else { Curve::P256 };
    let scalar = element(OCTET_STRING, &[&hex(vector.scalar)]);
    let ec = |parts: &[&[u8]]| wrapped(curve, &element(SEQUENCE, parts));

    let key = element(SEQUENCE, &[EC_VERSION, &scalar, &embedded(&point)]);
    let octets = element(OCTET_STRING, &[&key]);
    let attributes = [0xa0, 0];
    let outer_public = element(0x81, &[&[0], &point]);
    let mut cut = wrapped(curve, &key);
    cut.pop();
    vec![
        ("another key's point", ec(&[EC_VERSION, &scalar, &embedded(&others)])),
        ("a compressed point", ec(&[EC_VERSION, &scalar, &embedded(&compressed)])),
        ("an empty point", ec(&[EC_VERSION, &scalar, &embedded(&[])])),
        ("another curve's parameters", ec(&[EC_VERSION, &scalar, &parameters(other_curve)])),
        ("parameters after the point", ec(&[EC_VERSION, &scalar, &embedded(&point), &parameters(curve)])),
        ("EC version 2", ec(&[&[2, 1, 2], &scalar])),
        ("more in the EC key", ec(&[EC_VERSION, &scalar, &embedded(&point), &[5, 0]])),
        ("PKCS#8 v2", element(SEQUENCE, &[&[2, 1, 1], algorithm(curve), &octets])),
        (
            "PKCS#8 v2 with its public key",
            element(SEQUENCE, &[&[2, 1, 1], algorithm(curve), &octets, &outer_public]),
        ),
        (
            "v1 with a public key of v2",
            element(SEQUENCE, &[VERSION_1, algorithm(curve), &octets, &outer_public]),
        ),
        ("attributes", element(SEQUENCE, &[VERSION_1, algorithm(curve), &octets, &attributes])),
        ("a key of another curve", wrapped(other_curve, &key)),
        ("something after it", [&wrapped(curve, &key)[..], &[0]].concat()),
        ("an end too early", cut),
        ("the EC key alone", key),
        ("nothing", Vec::new()),
    ]
}
