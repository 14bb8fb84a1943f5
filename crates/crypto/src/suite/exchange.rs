//! Ephemeral key exchange.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use clock::Dice;

use super::curves;
use super::ec::{CURVES, generated};
use super::hex;
use crate::{CryptoError, Curve, Group, KeyExchange, Provider, PublicKey};

const GROUPS: [Group; 4] =
    [Group::Nist(Curve::P256), Group::Nist(Curve::P384), Group::Nist(Curve::P521), Group::X25519];

fn started(provider: &dyn Provider, group: Group, run: u64) -> Box<dyn KeyExchange> {
    provider.start_exchange(group, &mut Dice::numbered(run)).expect("every provider has every group")
}

const fn public_length(group: Group) -> usize {
    match group {
        Group::Nist(curve) => 1 + 2 * curve.field_length(),
        Group::X25519 => 32,
    }
}

/// Two exchanges find one secret, a third finds another; the public value follows from the dice.
pub fn both_sides_agree(provider: &dyn Provider) {
    for group in GROUPS {
        let [a, b, c, again] = [1, 2, 3, 1].map(|run| started(provider, group, run));
        assert_eq!(a.public().len(), public_length(group));
        assert_eq!(a.public(), again.public(), "{group:?}: the same dice");
        assert_ne!(a.public(), b.public(), "{group:?}: other dice");
        let (of_a, of_b, of_c) = (a.public().to_vec(), b.public().to_vec(), c.public().to_vec());
        let at_a = a.finish(&of_b).expect("a public value");
        assert_eq!(b.finish(&of_a).as_ref(), Ok(&at_a), "{group:?}");
        assert_ne!(again.finish(&of_c).as_ref(), Ok(&at_a), "{group:?}: another peer");
        assert_ne!(at_a.expose(), vec![0; at_a.len()]);
    }
    for curve in CURVES {
        // Static keys were held against published vectors; an exchange does the same with a fresh key.
        let (fixed, fresh) = (generated(provider, curve, 1), started(provider, Group::Nist(curve), 2));
        let public = PublicKey::from_point(curve, fresh.public()).expect("an uncompressed point");
        let (_, point) = fixed.public().point().expect("an EC key");
        let secret = fresh.finish(point).expect("a point of the curve");
        assert_eq!(secret.len(), curve.field_length());
        assert_eq!(fixed.agree(&public), Ok(secret));
    }
}

/// Other lengths, other forms of the point, the point at infinity and points off the curve are refused.
pub fn refusals(provider: &dyn Provider) {
    for vector in &curves::ALL {
        let (x, y) = (hex(vector.x), hex(vector.y));
        let n = vector.curve.field_length();
        let good = [&[4], &x[..], &y].concat();
        let mut beside = good.clone();
        beside[2 * n] ^= 1;
        let odd = y[n - 1] & 1;
        let public = PublicKey::from_point(vector.curve, &good).expect("an uncompressed point");
        let bad: [Vec<u8>; 11] = [
            Vec::new(),
            vec![0],
            vec![0; good.len()],
            [&[4], &vec![0; 2 * n][..]].concat(),
            beside,
            [&[2 + odd], &x[..]].concat(),
            [&[6 + odd], &x[..], &y].concat(),
            good[..good.len() - 1].to_vec(),
            [&good[..], &[0]].concat(),
            good[1..].to_vec(),
            public.spki().to_vec(),
        ];
        for peer in bad {
            let refused = started(provider, Group::Nist(vector.curve), 1).finish(&peer).err();
            assert_eq!(refused, Some(CryptoError::BadInput), "{:?}: {peer:02x?}", vector.curve);
        }
        assert!(started(provider, Group::Nist(vector.curve), 1).finish(&good).is_ok());
    }
    for length in (0..=64).filter(|length| *length != 32) {
        let refused = started(provider, Group::X25519, 1).finish(&vec![9; length]).err();
        assert_eq!(refused, Some(CryptoError::BadInput), "X25519: {length} bytes");
    }
    // id-X25519 in a SubjectPublicKeyInfo is not a public value on the wire.
    let spki = [&hex("302a300506032b656e032100")[..], &[9; 32]].concat();
    assert_eq!(started(provider, Group::X25519, 1).finish(&spki).err(), Some(CryptoError::BadInput));
}

/// The points whose product with every scalar is zero.
///
/// Source: RFC 7748 section 6.1 asks for the check; orders 1, 2, 4 and 8 on the curve and on its twist.
pub fn small_order(provider: &dyn Provider) {
    let points = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for point in points {
        for run in 0..3 {
            let refused = started(provider, Group::X25519, run).finish(&hex(point)).err();
            assert_eq!(refused, Some(CryptoError::BadInput), "{point}");
        }
    }
}
