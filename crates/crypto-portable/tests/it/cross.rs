//! Both providers on the same inputs: what one writes the other writes, reads and verifies.

use std::num::NonZeroU32;

use clock::Dice;
use crypto::{
    Aead, Curve, Group, HashAlgorithm, KeyKind, PakeSide, Provider, PublicKey, ScryptCost, Secret,
    SignatureScheme, draw_scalar, x963_kdf,
};
use crypto_portable::Portable;
use crypto_server::Server;

const HASHES: [HashAlgorithm; 3] = [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512];
const CURVES: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];
const AEADS: [Aead; 7] = [
    Aead::Aes128Ccm8,
    Aead::Aes128Ccm,
    Aead::Aes192Ccm,
    Aead::Aes256Ccm,
    Aead::Aes128Gcm,
    Aead::Aes192Gcm,
    Aead::Aes256Gcm,
];

/// Both orders: who writes, who reads.
fn pairs() -> [(&'static dyn Provider, &'static dyn Provider); 2] {
    [(&Server, &Portable), (&Portable, &Server)]
}

fn random(dice: &mut Dice, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    dice.fill(&mut out);
    out
}

/// Lengths around the blocks of ciphers and hashes.
const LENGTHS: [usize; 13] = [0, 1, 15, 16, 17, 31, 63, 64, 65, 127, 128, 255, 1024];

#[test]
fn hashes_and_derivations_are_the_same() {
    let mut dice = Dice::numbered(1);
    for hash in HASHES {
        for length in LENGTHS {
            let (key, head, tail) =
                (random(&mut dice, length), random(&mut dice, length), random(&mut dice, 7));
            let parts: [&[u8]; 2] = [&head, &tail];
            let rounds = NonZeroU32::new(3).unwrap();
            let of = |provider: &dyn Provider| {
                let mut prf = vec![0; length];
                provider.tls12_prf(hash, &key, b"label", &parts, &mut prf);
                let mut stretched = vec![0; length];
                provider.pbkdf2_sha256(&key, &head, rounds, &mut stretched);
                let derived = x963_kdf(provider, hash, &Secret::from(&key[..]), &head, length);
                (provider.digest(hash, &parts), provider.hmac(hash, &key, &parts), prf, stretched, derived)
            };
            assert_eq!(of(&Server), of(&Portable), "{hash:?}, {length} bytes");
        }
    }
}

#[test]
fn sealed_texts_are_the_same_and_open_on_the_other_side() {
    let mut dice = Dice::numbered(2);
    for aead in AEADS {
        let key = random(&mut dice, aead.key_length());
        for length in LENGTHS {
            let (nonce, aad) = (random(&mut dice, aead.nonce_length()), random(&mut dice, length / 2));
            let text = random(&mut dice, length);
            let mut sealed = [text.clone(), text.clone()];
            Server.aead(aead, &key).unwrap().seal(&nonce, &aad, &mut sealed[0]).unwrap();
            Portable.aead(aead, &key).unwrap().seal(&nonce, &aad, &mut sealed[1]).unwrap();
            assert_eq!(sealed[0], sealed[1], "{aead:?}, {length} bytes");
            for (_, reader) in pairs() {
                let mut opened = sealed[0].clone();
                reader.aead(aead, &key).unwrap().open(&nonce, &aad, &mut opened).unwrap();
                assert_eq!(opened, text, "{aead:?}, {length} bytes");
            }
        }
    }
}

#[test]
fn cbc_and_key_wrap_are_the_same() {
    let mut dice = Dice::numbered(3);
    for key_length in [16, 24, 32] {
        let (key, iv) = (random(&mut dice, key_length), dice.bytes());
        for length in LENGTHS {
            let text = random(&mut dice, length);
            let sealed = Server.cbc_encrypt(&key, &iv, &text).unwrap();
            assert_eq!(Portable.cbc_encrypt(&key, &iv, &text).as_ref(), Ok(&sealed));
            for (_, reader) in pairs() {
                assert_eq!(reader.cbc_decrypt(&key, &iv, &sealed).unwrap().expose(), text);
            }
            // Whatever the bytes are, both find the same text or both refuse.
            let noise = random(&mut dice, length / 16 * 16);
            assert_eq!(Server.cbc_decrypt(&key, &iv, &noise), Portable.cbc_decrypt(&key, &iv, &noise));
        }
    }
    for kek_length in [16, 32] {
        let kek = random(&mut dice, kek_length);
        for key_length in [16, 24, 32, 40, 64] {
            let key = random(&mut dice, key_length);
            let wrapped = Server.key_wrap(&kek, &key).unwrap();
            assert_eq!(Portable.key_wrap(&kek, &key).as_ref(), Ok(&wrapped));
            for (_, reader) in pairs() {
                assert_eq!(reader.key_unwrap(&kek, &wrapped).unwrap().expose(), key);
            }
        }
    }
}

#[test]
fn the_same_dice_give_the_same_keys() {
    for curve in CURVES {
        for run in 0..4 {
            let keys = pairs().map(|(provider, _)| {
                provider.generate_key(KeyKind::Ec(curve), &mut Dice::numbered(run)).unwrap()
            });
            assert_eq!(keys[0].public(), keys[1].public());
            assert_eq!(keys[0].pkcs8(), keys[1].pkcs8(), "{curve:?}");
            let exchanges = pairs().map(|(provider, _)| {
                provider.start_exchange(Group::Nist(curve), &mut Dice::numbered(run)).unwrap()
            });
            assert_eq!(exchanges[0].public(), exchanges[1].public());
        }
    }
}

#[test]
fn ecdsa_signatures_verify_on_the_other_side() {
    let mut dice = Dice::numbered(4);
    for (signer, verifier) in pairs() {
        for curve in CURVES {
            let key = signer.generate_key(KeyKind::Ec(curve), &mut dice).unwrap();
            let scheme = SignatureScheme::Ecdsa(curve);
            for length in LENGTHS {
                let message = random(&mut dice, length);
                let signature = key.sign(scheme, &message, &mut dice).unwrap();
                assert_eq!(verifier.verify(key.public(), scheme, &message, &signature), Ok(()), "{curve:?}");
                let changed = [&message[..], &[1]].concat();
                assert!(verifier.verify(key.public(), scheme, &changed, &signature).is_err(), "{curve:?}");
            }
        }
    }
}

#[test]
fn both_providers_find_one_secret() {
    let mut dice = Dice::numbered(5);
    for (one, other) in pairs() {
        for group in CURVES.map(Group::Nist).into_iter().chain([Group::X25519]) {
            for _ in 0..4 {
                let a = one.start_exchange(group, &mut dice).unwrap();
                let b = other.start_exchange(group, &mut dice).unwrap();
                let (of_a, of_b) = (a.public().to_vec(), b.public().to_vec());
                assert_eq!(a.finish(&of_b).unwrap(), b.finish(&of_a).unwrap(), "{group:?}");
            }
        }
        for curve in CURVES {
            let a = one.generate_key(KeyKind::Ec(curve), &mut dice).unwrap();
            let b = other.generate_key(KeyKind::Ec(curve), &mut dice).unwrap();
            assert_eq!(a.agree(b.public()).unwrap(), b.agree(a.public()).unwrap(), "{curve:?}");
            let moved = other.import_key(a.pkcs8().unwrap().expose()).unwrap();
            assert_eq!(moved.agree(b.public()), a.agree(b.public()), "{curve:?}");
        }
    }
}

#[test]
fn rsa_public_work_fits_the_servers_private_work() {
    let mut dice = Dice::numbered(6);
    for modulus_bits in [2048, 3072] {
        let key = Server.generate_key(KeyKind::Rsa { modulus_bits }, &mut dice).unwrap();
        let public = PublicKey::from_spki(key.public().spki()).unwrap();
        assert_eq!(Portable.check_key(&public), Ok(()));
        for hash in HASHES {
            let scheme = SignatureScheme::RsaPkcs1(hash);
            let signature = key.sign(scheme, b"message", &mut dice).unwrap();
            assert_eq!(Portable.verify(&public, scheme, b"message", &signature), Ok(()), "{hash:?}");
            assert!(Portable.verify(&public, scheme, b"massage", &signature).is_err(), "{hash:?}");
            for label in [&b""[..], b"label", &[7; 32]] {
                let sealed = Portable.oaep_encrypt(&public, hash, label, b"content key", &mut dice).unwrap();
                let opened = key.oaep_decrypt(hash, label, &sealed).unwrap();
                assert_eq!(opened.expose(), b"content key", "{hash:?}");
                assert!(key.oaep_decrypt(hash, b"another label", &sealed).is_err(), "{hash:?}");
            }
        }
    }
}

#[test]
fn both_providers_run_spake2plus_with_each_other() {
    let mut dice = Dice::numbered(7);
    for _ in 0..8 {
        let stretched = Secret::new(random(&mut dice, 80));
        let password = Server.pake_password(&stretched).unwrap();
        assert_eq!(Portable.pake_password(&stretched).as_ref(), Ok(&password));
        for (one, other) in pairs() {
            let begin = |provider: &'static dyn Provider, dice: &mut Dice| {
                draw_scalar(Curve::P256, dice, |scalar| provider.start_pake(scalar)).unwrap()
            };
            let (prover, verifier) = (begin(one, &mut dice), begin(other, &mut dice));
            let share_p = prover.share(PakeSide::Prover, &password.w0).unwrap();
            let share_v = verifier.share(PakeSide::Verifier, &password.w0).unwrap();
            let at_prover = prover.finish_prover(&password.w0, &password.w1, &share_v).unwrap();
            let at_verifier = verifier.finish_verifier(&password.w0, &password.point_l, &share_p).unwrap();
            assert_eq!(at_prover, at_verifier);
            // The same scalar, the same everything, whoever computes it.
            let scalar = random(&mut dice, 32);
            let of = |provider: &dyn Provider| {
                let exchange = provider.start_pake(&scalar).unwrap();
                let share = exchange.share(PakeSide::Verifier, &password.w0).unwrap();
                (share, exchange.finish_verifier(&password.w0, &password.point_l, &share_p).unwrap())
            };
            assert_eq!(of(one), of(other));
        }
    }
    let stretch = |provider: &dyn Provider| {
        let mut out = [0; 80];
        provider.scrypt(b"code", b"salt", ScryptCost { log2_n: 10, r: 8, p: 1 }, &mut out).unwrap();
        out
    };
    assert_eq!(stretch(&Server), stretch(&Portable));
}
