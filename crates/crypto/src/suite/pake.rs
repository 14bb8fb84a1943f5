//! SPAKE2+ over P-256 and scrypt, by published vectors and by what must not be taken.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::hex;
use crate::{
    CryptoError, Curve, KeyKind, PakeExchange, PakePoint, PakeSide, Provider, PublicKey, SPAKE2PLUS_M,
    SPAKE2PLUS_N, ScryptCost, Secret,
};

const W0: &str = "bb8e1bbcf3c48f62c08db243652ae55d3e5586053fca77102994f23ad95491b3";
const W1: &str = "7e945f34d78785b8a3ef44d0df5a1a97d6b3b460409a345ca7830387a74b1dba";
const L: &str =
    "04eb7c9db3d9a9eb1f8adab81b5794c1f13ae3e225efbe91ea487425854c7fc00f00bfedcbd09b2400142d40a14f2064ef
    31dfaa903b91d1faea7093d835966efd";
const X: &str = "d1232c8e8693d02368976c174e2088851b8365d0d79a9eee709c6a05a2fad539";
const Y: &str = "717a72348a182085109c8d3917d6c43d59b224dc6a7fc4f0483232fa6516d8b3";
const SHARE_P: &str =
    "04ef3bd051bf78a2234ec0df197f7828060fe9856503579bb1733009042c15c0c1de127727f418b5966afadfdd95
    a6e4591d171056b333dab97a79c7193e341727";
const SHARE_V: &str =
    "04c0f65da0d11927bdf5d560c69e1d7d939a05b0e88291887d679fcadea75810fb5cc1ca7494db39e82ff2f50665
    255d76173e09986ab46742c798a9a68437b048";
const Z: &str =
    "04bbfce7dd7f277819c8da21544afb7964705569bdf12fb92aa388059408d50091a0c5f1d3127f56813b5337f9e4e67e2c
    a633117a4fbd559946ab474356c41839";
const V: &str =
    "0458bf27c6bca011c9ce1930e8984a797a3419797b936629a5a937cf2f11c8b9514b82b993da8a46e664f23db7c01edc87
    faa530db01c2ee405230b18997f16b68";
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

fn point(digits: &str) -> PakePoint {
    hex(digits).try_into().expect("a point of 65 bytes")
}

fn secret(digits: &str) -> Secret {
    Secret::new(hex(digits))
}

fn key(digits: &str) -> PublicKey {
    PublicKey::from_point(Curve::P256, &hex(digits)).expect("a point")
}

fn begun(provider: &dyn Provider, scalar: &str) -> Box<dyn PakeExchange> {
    provider.start_pake(&hex(scalar)).expect("a scalar of the range")
}

/// Shares, Z and V of both sides.
///
/// Source: RFC 9383 appendix C, P-256 with SHA-256.
pub fn vectors(provider: &dyn Provider) {
    let (w0, w1) = (secret(W0), secret(W1));
    let (prover, verifier) = (begun(provider, X), begun(provider, Y));
    assert_eq!(prover.share(PakeSide::Prover, &w0), Ok(point(SHARE_P)));
    assert_eq!(verifier.share(PakeSide::Verifier, &w0), Ok(point(SHARE_V)));
    let at_prover = prover.finish_prover(&w0, &w1, &point(SHARE_V)).expect("a genuine share");
    let at_verifier = verifier.finish_verifier(&w0, &key(L), &point(SHARE_P)).expect("a genuine share");
    assert_eq!((at_prover.z.expose(), at_prover.v.expose()), (&hex(Z)[..], &hex(V)[..]));
    assert_eq!(at_prover, at_verifier);
    let of_another = begun(provider, X).finish_prover(&w0, &w0, &point(SHARE_V)).expect("another password");
    assert_eq!(of_another.z, at_prover.z);
    assert_ne!(of_another.v, at_prover.v, "w1 is in V");
}

/// Halves of a stretched password are taken modulo the order, and L is w1 times the base point.
pub fn passwords(provider: &dyn Provider) {
    let padded = |half: &str| [vec![0; 8], hex(half)].concat();
    let plain = provider.pake_password(&Secret::new([padded(W0), padded(W1)].concat())).expect("80 bytes");
    assert_eq!((plain.w0, plain.w1, plain.point_l), (secret(W0), secret(W1), key(L)));
    // One order more is the same number; 2^256 times the order is nothing.
    let order = hex(ORDER);
    let above = [&order[..], &[0; 8][..]].concat();
    let mut sum = padded(W1);
    let mut carry = 0;
    for (at, byte) in order.iter().enumerate().rev() {
        let [high, low] = (u16::from(sum[at + 8]) + u16::from(*byte) + carry).to_be_bytes();
        (sum[at + 8], carry) = (low, u16::from(high));
    }
    sum[7] = u8::try_from(carry).expect("one bit");
    let more = provider.pake_password(&Secret::new([above, sum].concat())).expect("80 bytes");
    assert_eq!((more.w0, more.w1, more.point_l), (Secret::new(vec![0; 32]), secret(W1), key(L)));
    for size in [0, 2, 64, 79, 81, 90] {
        let refused = provider.pake_password(&Secret::new(vec![1; size])).err();
        assert_eq!(refused, Some(CryptoError::BadInput), "{size} bytes");
    }
    let no_record = provider.pake_password(&Secret::new([padded(W0), padded(ORDER)].concat())).err();
    assert_eq!(no_record, Some(CryptoError::BadInput), "L would be infinity");
}

/// Scalars and numbers out of range, what is no point, and shares that end at infinity.
pub fn refusals(provider: &dyn Provider) {
    let zero = [0; 32];
    for scalar in [&zero[..], &hex(ORDER), &hex(X)[1..], &[1; 33], &[]] {
        assert_eq!(provider.start_pake(scalar).err(), Some(CryptoError::BadInput), "{scalar:02x?}");
    }
    let (w0, w1) = (secret(W0), secret(W1));
    for bad in [secret(ORDER), Secret::new(vec![1; 31]), Secret::new(Vec::new())] {
        assert_eq!(begun(provider, X).share(PakeSide::Prover, &bad), Err(CryptoError::BadInput));
        let refused = begun(provider, X).finish_prover(&w0, &bad, &point(SHARE_V)).err();
        assert_eq!(refused, Some(CryptoError::BadInput));
        let refused = begun(provider, Y).finish_verifier(&bad, &key(L), &point(SHARE_P)).err();
        assert_eq!(refused, Some(CryptoError::BadInput));
    }
    let mut beside = point(SHARE_P);
    beside[64] ^= 1;
    let mut hybrid = point(SHARE_P);
    hybrid[0] = 7;
    for peer in [beside, hybrid, [0; 65]] {
        assert_eq!(
            begun(provider, Y).finish_verifier(&w0, &key(L), &peer).err(),
            Some(CryptoError::BadInput)
        );
        assert_eq!(begun(provider, X).finish_prover(&w0, &w1, &peer).err(), Some(CryptoError::BadInput));
    }
    // With w0 = 1 the blinding is the constant itself: a share that is nothing else leaves infinity.
    let one = Secret::new([vec![0; 31], vec![1]].concat());
    let at_verifier = begun(provider, Y).finish_verifier(&one, &key(L), &SPAKE2PLUS_M).err();
    assert_eq!(at_verifier, Some(CryptoError::BadInput), "Z is infinity");
    let at_prover = begun(provider, X).finish_prover(&one, &w1, &SPAKE2PLUS_N).err();
    assert_eq!(at_prover, Some(CryptoError::BadInput));
    let null = Secret::new(vec![0; 32]);
    let no_v = begun(provider, X).finish_prover(&w0, &null, &point(SHARE_V)).err();
    assert_eq!(no_v, Some(CryptoError::BadInput), "V is infinity");
    let other = provider.generate_key(KeyKind::Ec(Curve::P384), &mut clock::Dice::numbered(1));
    let other = other.expect("P-384").public().clone();
    let wrong = begun(provider, Y).finish_verifier(&w0, &other, &point(SHARE_P)).err();
    assert_eq!(wrong, Some(CryptoError::WrongKey));
}

/// Source: RFC 7914 section 12; the last vector, of a gigabyte, is left out.
pub fn scrypt_vectors(provider: &dyn Provider) {
    let cost = |log2_n, r, p| ScryptCost { log2_n, r, p };
    let vectors: [(&[u8], &[u8], ScryptCost, &str); 3] = [
        (
            b"",
            b"",
            cost(4, 1, 1),
            "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442
             fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906",
        ),
        (
            b"password",
            b"NaCl",
            cost(10, 8, 16),
            "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162
             2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
        ),
        (
            b"pleaseletmein",
            b"SodiumChloride",
            cost(14, 8, 1),
            "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2
             d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887",
        ),
    ];
    for (passphrase, salt, cost, expected) in vectors {
        let mut out = vec![0; 64];
        assert_eq!(provider.scrypt(passphrase, salt, cost, &mut out), Ok(()));
        assert_eq!(out, hex(expected), "{cost:?}");
    }
    for bad in [cost(0, 8, 1), cost(15, 0, 1), cost(15, 8, 0), cost(64, 8, 1)] {
        assert_eq!(provider.scrypt(b"p", b"s", bad, &mut [0; 8]), Err(CryptoError::BadInput), "{bad:?}");
    }
    assert_eq!(provider.scrypt(b"p", b"s", cost(4, 1, 1), &mut []), Err(CryptoError::BadInput));
}
