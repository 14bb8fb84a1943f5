//! Enveloped data: ours, the oracle's, and what is refused.

use std::sync::Arc;

use assure_proto::cms::{self, CMS_LENGTH_MAX, OpenError};
use clock::Dice;
use crypto::{CryptoError, Curve, KeyKind, PrivateKey, Provider};
use model::{KeyId, Uuid};
use wire::{DecodeError, Reason};

use crate::counting::Counting;
use crate::reject;
use crate::vectors::{self, OwnKey, hex, hex_if, load, name, providers, reason};

const ID: KeyId = KeyId([0x1d; 16]);
const BOUND: [u8; 32] = [0xb0; 32];

/// One key of each kind that the provider has.
fn keys(provider: &dyn Provider) -> Vec<Arc<dyn PrivateKey>> {
    let mut dice = Dice::numbered(7);
    let kinds = [
        KeyKind::Ec(Curve::P256),
        KeyKind::Ec(Curve::P384),
        KeyKind::Ec(Curve::P521),
        KeyKind::Rsa { modulus_bits: 2048 },
    ];
    let made = kinds.map(|kind| match provider.generate_key(kind, &mut dice) {
        Ok(key) => Some(key),
        Err(error) => {
            assert_eq!((error, matches!(kind, KeyKind::Rsa { .. })), (CryptoError::Unsupported, true));
            None
        }
    });
    made.into_iter().flatten().collect()
}

fn p256(provider: &dyn Provider, run: u64) -> Arc<dyn PrivateKey> {
    provider.generate_key(KeyKind::Ec(Curve::P256), &mut Dice::numbered(run)).unwrap()
}

// verifies: ASSURE-7.2-28, ASSURE-7.2-29, ASSURE-15.5.1-01, ASSURE-15.5.1-02, ASSURE-15.5.2-01
// verifies: ASSURE-15.5.2-02, TS-M1
#[test]
fn enveloped_data_of_the_oracle_opens_alike() {
    let file = load("cms.json");
    let mut opened = [0; 2];
    for vector in vectors::vectors(&file) {
        let bytes = hex(vector, "bytes");
        let bound = hex_if(vector, "binding").map(|bound| <[u8; 32]>::try_from(bound).unwrap());
        for (provider, opened) in providers().into_iter().zip(&mut opened) {
            let Some(OwnKey::Private(key)) = OwnKey::read(provider, &vector["recipient"]) else { continue };
            let outcome = cms::open(provider, &*key, bound.as_ref(), &bytes);
            match (reason(vector), &outcome) {
                (None, Ok(plaintext)) => {
                    assert_eq!(plaintext.expose(), hex(vector, "plaintext"), "{}", name(vector));
                    *opened += 1;
                }
                (Some("cms-binding"), Err(OpenError::BindingAbsent | OpenError::BindingOther))
                | (Some("cms-unwrap" | "cms-padding"), Err(OpenError::NotGenuine)) => {}
                (Some(other), Err(_)) if other != "cms-binding" => {}
                _ => panic!("{}: {outcome:?}", name(vector)),
            }
        }
    }
    assert!(opened.iter().all(|count| *count > 10), "{opened:?}");
}

// verifies: ASSURE-15.5.1-01, ASSURE-15.5.2-01, ASSURE-15.1-01
#[test]
fn what_is_sealed_opens_with_the_same_key_only() {
    for provider in providers() {
        let others = keys(provider);
        for (index, key) in others.iter().enumerate() {
            for bound in [None, Some(&BOUND)] {
                for length in [0, 1, 15, 16, 17, 5000] {
                    let plaintext = vec![0x5a; length];
                    let mut dice = Dice::numbered(length as u64);
                    let der = cms::seal(provider, key.public(), &ID, bound, &plaintext, &mut dice).unwrap();
                    let opened = cms::open(provider, &**key, bound, &der).unwrap();
                    assert_eq!(opened.expose(), plaintext);
                    let again = cms::seal(provider, key.public(), &ID, bound, &plaintext, &mut dice).unwrap();
                    assert_ne!(der, again, "content key, IV and ephemeral key are fresh");
                }
            }
            let der =
                cms::seal(provider, key.public(), &ID, None, b"secret", &mut Dice::numbered(1)).unwrap();
            for (other, other_key) in others.iter().enumerate().filter(|(other, _)| *other != index) {
                let refused = cms::open(provider, &**other_key, None, &der).unwrap_err();
                assert!(
                    matches!(refused, OpenError::WrongKey | OpenError::NotGenuine | OpenError::Malformed(_)),
                    "{other}: {refused:?}"
                );
            }
        }
        let key = p256(provider, 1);
        let der = cms::seal(provider, key.public(), &ID, None, b"secret", &mut Dice::numbered(1)).unwrap();
        assert_eq!(cms::open(provider, &*p256(provider, 2), None, &der), Err(OpenError::NotGenuine));
    }
}

// verifies: TS-M1, ASSURE-15.5.1-01, ASSURE-15.5.2-01
#[test]
fn ts_m1_payload_lifted_into_another_owners_image_is_refused() {
    let (device, b, c) = (Uuid([9; 16]), KeyId([0xb; 16]), KeyId([0xc; 16]));
    for provider in providers() {
        let counting = Counting::new(provider);
        let of_b = cms::binding(provider, &device, &b, 7);
        assert_eq!(
            of_b,
            provider
                .digest(crypto::HashAlgorithm::Sha256, &[&[9; 16], &[0xb; 16], &[0, 0, 0, 7],])
                .first_32(),
            "the number is big-endian"
        );
        for key in keys(provider) {
            let dice = &mut Dice::numbered(5);
            let lifted = cms::seal(provider, key.public(), &ID, Some(&of_b), b"B's messages", dice).unwrap();
            let unbound = cms::seal(provider, key.public(), &ID, None, b"B's messages", dice).unwrap();
            let before = counting.decryptions();
            let attempts = [
                cms::binding(provider, &device, &c, 7),
                cms::binding(provider, &device, &c, 8),
                cms::binding(provider, &device, &b, 8),
                cms::binding(provider, &device, &b, 7 << 24),
                cms::binding(provider, &Uuid([8; 16]), &b, 7),
            ];
            for bound in &attempts {
                assert_eq!(cms::open(&counting, &*key, Some(bound), &lifted), Err(OpenError::BindingOther));
            }
            assert_eq!(cms::open(&counting, &*key, Some(&of_b), &unbound), Err(OpenError::BindingAbsent));
            assert_eq!(cms::open(&counting, &*key, None, &lifted), Err(OpenError::BindingOther));
            assert_eq!(counting.decryptions(), before, "refused before any key is used");

            // Rewriting the binding in the message to the expected one does not help: it enters the keys.
            let at = lifted.windows(32).position(|window| window == of_b).unwrap();
            let mut rewritten = lifted.clone();
            rewritten[at..at + 32].copy_from_slice(&attempts[0]);
            assert_eq!(
                cms::open(&counting, &*key, Some(&attempts[0]), &rewritten),
                Err(OpenError::NotGenuine)
            );
            let opened = cms::open(&counting, &*key, Some(&of_b), &lifted).unwrap();
            assert_eq!(opened.expose(), b"B's messages");
            assert!(counting.decryptions() > before, "the counter counts");
        }
    }
}

fn open_error(outcome: Result<crypto::Secret, OpenError>) -> Result<crypto::Secret, DecodeError> {
    outcome.map_err(|error| match error {
        OpenError::Malformed(error) => error,
        other => panic!("{other:?}"),
    })
}

#[test]
fn malformed_messages_are_refused() {
    for provider in providers() {
        for key in keys(provider) {
            for bound in [None, Some(&BOUND)] {
                let good = cms::seal(provider, key.public(), &ID, bound, b"content", &mut Dice::numbered(2))
                    .unwrap();
                reject::cuts_and_additions(&good, |der| open_error(cms::open(provider, &*key, bound, der)));
            }
        }
    }
    let provider = providers()[0];
    let over = vec![0x30; CMS_LENGTH_MAX + 1];
    let expected = DecodeError::new(CMS_LENGTH_MAX, Reason::OverLimit);
    assert_eq!(cms::open(provider, &*p256(provider, 1), None, &over), Err(OpenError::Malformed(expected)));
    let key = p256(provider, 1);
    let too_long = vec![0; CMS_LENGTH_MAX - 100];
    let sealed = cms::seal(provider, key.public(), &ID, None, &too_long, &mut Dice::numbered(1));
    assert_eq!(sealed, Err(CryptoError::BadInput), "what could not be read is not written");
}

/// The recipient's id is not read; IV and content have no check of their own, which is the signature's.
#[test]
fn changed_bits_are_refused_wherever_they_mean_something() {
    let provider = providers()[1];
    for kind in [KeyKind::Ec(Curve::P256), KeyKind::Rsa { modulus_bits: 2048 }] {
        let key = provider.generate_key(kind, &mut Dice::numbered(3)).unwrap();
        let good =
            cms::seal(provider, key.public(), &ID, Some(&BOUND), b"content", &mut Dice::numbered(2)).unwrap();
        let id_at = good.windows(16).position(|window| window == ID.0).unwrap();
        let iv_at = good.len() - 16 - 2 - 16;
        for (at, bit) in reject::every_bit(&good) {
            let mut changed = good.clone();
            changed[at] ^= bit;
            let outcome = cms::open(provider, &*key, Some(&BOUND), &changed);
            let unread = (id_at..id_at + 16).contains(&at);
            let unchecked = (iv_at..iv_at + 16).contains(&at) || at >= good.len() - 16;
            match outcome {
                Ok(content) if unread => assert_eq!(content.expose(), b"content"),
                Ok(content) if unchecked => assert_ne!(content.expose(), b"content"),
                Ok(_) => panic!("bit {bit:02x} of byte {at} means nothing"),
                Err(_) => assert!(!unread, "bit {bit:02x} of byte {at} of the id is read"),
            }
        }
    }
}

// verifies: ASSURE-7.2-29, ASSURE-15.5.1-02, ASSURE-15.5.2-02, ASSURE-7.2-32
#[test]
fn written_messages_name_the_default_algorithms() {
    let provider = providers()[1];
    let aes128_cbc = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 2];
    let aes128_wrap = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 5];
    let std_dh_sha256 = [0x2b, 0x81, 4, 1, 11, 1];
    let sha256 = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
    let names = |der: &[u8], oid: &[u8]| der.windows(oid.len()).filter(|window| *window == oid).count();
    for key in keys(provider) {
        let der = cms::seal(provider, key.public(), &ID, None, &[7; 32], &mut Dice::numbered(2)).unwrap();
        assert_eq!(names(&der, &aes128_cbc), 1);
        match key.public().kind() {
            KeyKind::Ec(_) => assert_eq!((names(&der, &aes128_wrap), names(&der, &std_dh_sha256)), (1, 1)),
            KeyKind::Rsa { .. } => assert_eq!(names(&der, &sha256), 2, "label and mask"),
        }
    }
}
