//! Public keys, private keys and signatures in DER, and both providers against each other.

use crypto::{
    Curve, HashAlgorithm, KeyKind, PakeExchange, PakePoint, PakeSecrets, PakeSide, PrivateKeyInfo, Provider,
    PublicKey, SPAKE2PLUS_M, SPAKE2PLUS_N, Secret, SignatureScheme, ecdsa_from_der, ecdsa_to_der,
};
use crypto_portable::Portable;
use crypto_server::Server;

use crate::rules::{bounded, reached};
use crate::script::{Recorder, Script};
use crate::{Reached, Target, vectors};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "public_key",
        about: "PublicKey::from_spki; both providers agree about the key",
        length_max: 600,
        run: public_key,
        seeds: || vectors::member("keys.json", "spki"),
    },
    Target {
        name: "private_key",
        about: "PrivateKeyInfo::from_pkcs8; import with both providers",
        length_max: 2500,
        run: private_key,
        seeds: || vectors::member("keys.json", "private_key"),
    },
    Target {
        name: "ecdsa_der",
        about: "ecdsa_from_der on every curve",
        length_max: 160,
        run: ecdsa_der,
        seeds: ecdsa_seeds,
    },
    Target {
        name: "providers",
        about: "verification, CBC and key unwrapping: both providers give one answer",
        length_max: 2048,
        run: providers,
        seeds: provider_seeds,
    },
    Target {
        name: "pake",
        about: "SPAKE2+: any scalars, passwords and shares; both providers give one answer, both sides agree",
        length_max: 400,
        run: pake,
        seeds: pake_seeds,
    },
];

const CURVES: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];

fn public_key(input: &[u8]) -> Reached {
    let Ok(key) = bounded(input, PublicKey::from_spki) else { return Reached::Refused };
    assert_eq!(key.spki(), input);
    if let Some((curve, point)) = key.point() {
        assert_eq!(PublicKey::from_point(curve, point), Ok(key.clone()));
    }
    let [portable, server] = [Portable.check_key(&key).is_ok(), Server.check_key(&key).is_ok()];
    if matches!(key.kind(), KeyKind::Ec(_)) {
        assert_eq!(portable, server, "the providers differ about {key:?}");
    }
    reached(portable && server)
}

fn private_key(input: &[u8]) -> Reached {
    let info = bounded(input, PrivateKeyInfo::from_pkcs8);
    let [portable, server] = [Portable.import_key(input), Server.import_key(input)];
    match info {
        Err(_) => {
            assert!(portable.is_err() && server.is_err(), "a provider takes what the shape refuses");
            Reached::Refused
        }
        Ok(PrivateKeyInfo::Rsa) => reached(server.is_ok()),
        Ok(PrivateKeyInfo::Ec { .. }) => {
            assert_eq!(portable.is_ok(), server.is_ok(), "the providers differ about a key");
            let (Ok(portable), Ok(server)) = (portable, server) else { return Reached::Refused };
            assert_eq!(portable.public(), server.public());
            Reached::Accepted
        }
    }
}

fn ecdsa_der(input: &[u8]) -> Reached {
    let mut accepted = false;
    for curve in CURVES {
        let Ok(fixed) = bounded(input, |der| ecdsa_from_der(curve, der)) else { continue };
        assert_eq!(fixed.len(), 2 * curve.field_length());
        assert_eq!(ecdsa_to_der(curve, &fixed).as_deref(), Ok(input), "one signature has two forms");
        accepted = true;
    }
    reached(accepted)
}

fn ecdsa_seeds() -> Vec<Vec<u8>> {
    let mut dice = clock::Dice::numbered(5);
    let of = |curve: Curve| {
        let mut fixed = vec![0; 2 * curve.field_length()];
        dice.fill(&mut fixed);
        let high = ecdsa_to_der(curve, &fixed).expect("the length fits");
        fixed[..curve.field_length()].fill(1);
        [high, ecdsa_to_der(curve, &fixed).expect("the length fits")]
    };
    CURVES.map(of).into_iter().flatten().collect()
}

/// `choice, key or secret, message, signature or ciphertext`.
fn providers(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let (choice, first, second, third) = (script.u8(), script.bytes(), script.bytes(), script.bytes());
    let both: [&dyn Provider; 2] = [&Portable, &Server];
    match choice % 4 {
        0 => {
            let Ok(key) = PublicKey::from_spki(first) else { return Reached::Refused };
            let hashes = [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512];
            let scheme = match key.kind() {
                KeyKind::Ec(curve) => SignatureScheme::Ecdsa(curve),
                KeyKind::Rsa { .. } => SignatureScheme::RsaPkcs1(hashes[usize::from(choice / 4) % 3]),
            };
            let [one, other] = both.map(|provider| provider.verify(&key, scheme, second, third).is_ok());
            assert_eq!(one, other, "the providers differ about a signature");
            reached(one)
        }
        1 => {
            let Ok(iv) = <&[u8; 16]>::try_from(second) else { return Reached::Refused };
            let [one, other] = both.map(|provider| provider.cbc_decrypt(first, iv, third));
            assert_eq!(one, other, "the providers differ about CBC");
            reached(one.is_ok())
        }
        2 => {
            let [one, other] = both.map(|provider| provider.key_unwrap(first, second));
            assert_eq!(one, other, "the providers differ about a wrapped key");
            reached(one.is_ok())
        }
        _ => {
            let [one, other] = both.map(|provider| provider.digest(HashAlgorithm::Sha384, &[first, second]));
            assert_eq!(one, other);
            let [one, other] =
                both.map(|provider| provider.hmac(HashAlgorithm::Sha256, first, &[second, third]));
            assert_eq!(one, other, "the providers differ about HMAC");
            Reached::Refused
        }
    }
}

fn provider_seeds() -> Vec<Vec<u8>> {
    let mut dice = clock::Dice::numbered(6);
    let mut seeds = Vec::new();
    let mut put = |choice: u8, parts: [&[u8]; 3]| {
        let mut out = Recorder::default();
        out.u8(choice);
        parts.iter().for_each(|part| {
            out.bytes(part);
        });
        seeds.push(out.0);
    };
    for curve in CURVES {
        let key = Server.generate_key(KeyKind::Ec(curve), &mut dice).expect("a curve of the provider");
        let signature = key.sign(SignatureScheme::Ecdsa(curve), b"message", &mut dice).expect("its scheme");
        put(0, [key.public().spki(), b"message", &signature]);
    }
    let rsa = Server.generate_key(KeyKind::Rsa { modulus_bits: 2048 }, &mut dice).expect("a size it has");
    let scheme = SignatureScheme::RsaPkcs1(HashAlgorithm::Sha256);
    let signature = rsa.sign(scheme, b"message", &mut dice).expect("its scheme");
    put(0, [rsa.public().spki(), b"message", &signature]);
    for length in [16, 24, 32] {
        let key = vec![7; length];
        let sealed = Server.cbc_encrypt(&key, &[3; 16], b"something to hide").expect("a key length");
        put(1, [&key, &[3; 16], &sealed]);
        if let Ok(wrapped) = Server.key_wrap(&key, &[9; 32]) {
            put(2, [&key, &wrapped, &[]]);
        }
    }
    put(3, [b"key", b"one", b"two"]);
    seeds
}

/// `stretched password, scalar of the prover, scalar of the verifier, share of anybody`.
fn pake(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let (stretched, x, y, foreign) = (script.bytes(), script.bytes(), script.bytes(), script.bytes());
    let both: [&dyn Provider; 2] = [&Portable, &Server];
    let stretched = Secret::from(stretched);
    let [password, other] = both.map(|provider| provider.pake_password(&stretched));
    assert_eq!(password, other, "the providers differ about a password");
    let Ok(password) = password else { return Reached::Refused };
    let begun = |scalar: &[u8]| {
        let [one, other] = both.map(|provider| provider.start_pake(scalar));
        assert_eq!(one.is_ok(), other.is_ok(), "the providers differ about a scalar");
        one.ok().zip(other.ok()).map(|(one, other)| [one, other])
    };
    let share = |ends: &[Box<dyn PakeExchange>; 2], side| {
        let [one, other] = ends.each_ref().map(|end| end.share(side, &password.w0));
        assert_eq!(one, other, "the providers differ about a share");
        one.ok()
    };
    let (Some(prover), Some(verifier)) = (begun(x), begun(y)) else { return Reached::Refused };
    let shares = share(&prover, PakeSide::Prover).zip(share(&verifier, PakeSide::Verifier));
    let Some((share_p, share_v)) = shares else { return Reached::Refused };
    let alike = |found: [Result<PakeSecrets, crypto::CryptoError>; 2]| {
        let [one, other] = found;
        assert_eq!(one, other, "the providers differ about Z and V");
        one.ok()
    };
    if let Ok(foreign) = PakePoint::try_from(foreign) {
        let ends = begun(y).expect("it was begun before");
        alike(ends.map(|end| end.finish_verifier(&password.w0, &password.point_l, &foreign)));
        let ends = begun(x).expect("it was begun before");
        alike(ends.map(|end| end.finish_prover(&password.w0, &password.w1, &foreign)));
    }
    let at_prover = alike(prover.map(|end| end.finish_prover(&password.w0, &password.w1, &share_v)));
    let at_verifier =
        alike(verifier.map(|end| end.finish_verifier(&password.w0, &password.point_l, &share_p)));
    assert_eq!(at_prover, at_verifier, "the sides differ");
    reached(at_prover.is_some())
}

fn pake_seeds() -> Vec<Vec<u8>> {
    let mut dice = clock::Dice::numbered(8);
    let mut seeds = Vec::new();
    for foreign in [SPAKE2PLUS_M, SPAKE2PLUS_N, [4; 65]] {
        let (stretched, x, y): ([u8; 80], [u8; 32], [u8; 32]) = (dice.bytes(), dice.bytes(), dice.bytes());
        let mut out = Recorder::default();
        out.bytes(&stretched).bytes(&x).bytes(&y).bytes(&foreign);
        seeds.push(out.0);
    }
    // w0 = 1, so that M and N alone leave infinity.
    let mut one = [0; 80];
    (one[39], one[79]) = (1, 2);
    for foreign in [SPAKE2PLUS_M, SPAKE2PLUS_N] {
        let mut out = Recorder::default();
        out.bytes(&one).bytes(&[3; 32]).bytes(&[5; 32]).bytes(&foreign);
        seeds.push(out.0);
    }
    seeds
}
