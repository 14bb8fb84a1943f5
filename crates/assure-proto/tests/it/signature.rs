//! Signatures against the oracle's vectors, and those we make.

use assure_proto::{
    AuthenticatedKey, Class, IssueError, KeyDefinition, Metadata, SignatureError, SignatureFormat, Signer,
    SimpleTime, Validity, VerifyingKey,
};
use clock::Dice;
use crypto::{Curve, HashAlgorithm, KeyKind, Secret};
use model::KeyId;

use crate::vectors::{self, OwnKey, hex, hex_if, id, load, name, providers, reason};

// verifies: ASSURE-7.3-01, ASSURE-7.3-02, ASSURE-7.3-03, ASSURE-7.3-04, ASSURE-7.3-05, ASSURE-7.3-07
// verifies: ASSURE-7.3-08, ASSURE-7.3-09, ASSURE-7.3-10, ASSURE-7.3-11, ASSURE-7.3-12, ASSURE-7.3-18
// verifies: ASSURE-7.5-04, ASSURE-7.9-00, ASSURE-7.9-01, ASSURE-7.9-02, ASSURE-7.9-03, ASSURE-7.9-08
// verifies: ASSURE-7.9-09, ASSURE-7.9-10, ASSURE-7.9-11, ASSURE-7.9-16, ASSURE-7.9-17, ASSURE-7.9-18
#[test]
fn signatures_of_the_oracle_hold_and_fail_alike() {
    let file = load("signatures.json");
    for vector in vectors::vectors(&file) {
        let decoded = AuthenticatedKey::decode(&hex(vector, "bytes"));
        let signer = &vector["signer"];
        for provider in providers() {
            let outcome = decoded.as_ref().map_err(|_| None).and_then(|key| {
                let tbs = key.to_be_signed();
                let verify = |verifying| key.signature().verify(provider, verifying, &tbs).map_err(Some);
                match (hex_if(signer, "secret"), hex_if(signer, "definition")) {
                    (Some(secret), _) => verify(VerifyingKey::Secret(&Secret::new(secret))),
                    (None, definition) => {
                        let definition = KeyDefinition::decode(&definition.unwrap()).unwrap();
                        verify(VerifyingKey::Public(definition.public_key().unwrap()))
                    }
                }
            });
            match (reason(vector), outcome) {
                (None, Ok(())) => {
                    let key = decoded.as_ref().unwrap();
                    assert_eq!(*key.to_be_signed(), hex(vector, "tbs"), "{}", name(vector));
                    let format = vectors::number(vector, "format");
                    assert_eq!(u32::from(key.signature().format.number()), format, "{}", name(vector));
                }
                (Some("bad-signature"), Err(Some(SignatureError::NotGenuine)))
                | (Some("format-key-mismatch"), Err(Some(SignatureError::FormatMismatch))) => {}
                (Some(reason), Err(None)) => {
                    assert!(!matches!(reason, "bad-signature" | "format-key-mismatch"), "{}", name(vector));
                }
                (expected, outcome) => panic!("{}: {outcome:?} for {expected:?}", name(vector)),
            }
        }
    }
}

// verifies: ASSURE-7.9-00, ASSURE-7.9-08, ASSURE-7.9-16, ASSURE-7.3-12
#[test]
fn what_we_sign_is_what_the_oracle_signs_over() {
    let file = load("signatures.json");
    let mut dice = Dice::numbered(1);
    let mut formats = Vec::new();
    for vector in
        vectors::vectors(&file).iter().filter(|v| name(v).starts_with("format ") && reason(v).is_none())
    {
        let theirs = AuthenticatedKey::decode(&hex(vector, "bytes")).unwrap();
        for provider in providers() {
            let Some(key) = OwnKey::read(provider, &vector["signer"]) else { continue };
            let key_id = id(&vector["signer"], "key_id");
            let signer = match &key {
                OwnKey::Secret(secret) => Signer::with_secret(key_id, Class::ManagementSystem, secret),
                OwnKey::Private(key) => Signer::with_private_key(key_id, Class::ManagementSystem, &**key),
            };
            let signer = match theirs.signature().format {
                SignatureFormat::Ecdsa(_) => signer,
                SignatureFormat::Rsa(hash) | SignatureFormat::Hmac(hash) => signer.hashing_with(hash),
            };
            let ours = AuthenticatedKey::issue(
                provider,
                theirs.class(),
                theirs.definition(),
                theirs.metadata(),
                &signer,
                theirs.signature().validity,
                &mut dice,
            )
            .unwrap();
            assert_eq!(ours.to_be_signed(), theirs.to_be_signed(), "{}", name(vector));
            if !matches!(theirs.signature().format, SignatureFormat::Ecdsa(_)) {
                assert_eq!(ours, theirs, "{}: RSA and HMAC have one value", name(vector));
            }
            formats.push(theirs.signature().format.number());
        }
    }
    formats.sort_unstable();
    formats.dedup();
    assert_eq!(formats, [0, 1, 2, 8, 9, 10, 16, 17, 18]);
}

// verifies: ASSURE-7.9-03, ASSURE-7.9-11
#[test]
fn reserved_formats_have_no_meaning() {
    let known: Vec<_> = (0..=255).filter(|number| SignatureFormat::from_number(*number).is_some()).collect();
    assert_eq!(known, [0, 1, 2, 8, 9, 10, 16, 17, 18]);
}

// verifies: ASSURE-7.3-08, ASSURE-7.3-09
#[test]
fn r_and_s_are_written_at_full_width() {
    let mut dice = Dice::numbered(4);
    for provider in providers() {
        for (curve, width) in [(Curve::P256, 32), (Curve::P384, 48), (Curve::P521, 66)] {
            let key = provider.generate_key(KeyKind::Ec(curve), &mut dice).unwrap();
            let signer = Signer::with_private_key(KeyId([1; 16]), Class::Device, &*key);
            let subject = KeyDefinition::public(KeyId([2; 16]), key.public().clone());
            let issued = AuthenticatedKey::issue(
                provider,
                Class::Channel,
                &subject,
                Metadata::NONE,
                &signer,
                Validity::UNLIMITED,
                &mut dice,
            )
            .unwrap();
            let assure_proto::SignatureValue::Ecdsa { r, s } = &issued.signature().value else {
                panic!("an EC key signs with ECDSA");
            };
            assert_eq!((r.len(), s.len()), (width, width));
        }
    }
}

// verifies: TS-M8, ASSURE-7.7-06
#[test]
fn issuing_refuses_what_receivers_would_and_shared_keys_off_p256() {
    let mut dice = Dice::numbered(5);
    let provider = providers()[0];
    let secret = Secret::new(vec![7; 32]);
    let mut issue = |signer: Class, class: Class, curve: Curve, id: u8| {
        let key = provider.generate_key(KeyKind::Ec(curve), &mut dice).unwrap();
        let definition = KeyDefinition::public(KeyId([id; 16]), key.public().clone());
        let signer = Signer::with_secret(KeyId([1; 16]), signer, &secret);
        let validity = Validity::since(SimpleTime { secs: 1 });
        AuthenticatedKey::issue(provider, class, &definition, Metadata::NONE, &signer, validity, &mut dice)
            .map(|_| ())
    };
    for signer in Class::ALL {
        for class in Class::ALL {
            let expected = if signer.may_sign(class) { Ok(()) } else { Err(IssueError::ClassNotAllowed) };
            assert_eq!(issue(signer, class, Curve::P256, 2), expected, "{signer:?} {class:?}");
        }
    }
    for class in [Class::TrustedAuthority, Class::ManagementSystem, Class::BootstrapService] {
        let refused = issue(Class::TrustedAuthority, class, Curve::P384, 2);
        assert_eq!(refused, Err(IssueError::Curve), "{class:?}");
    }
    let own = issue(Class::TrustedAuthority, Class::Device, Curve::P384, 2);
    assert_eq!(own, Ok(()), "a device's own key keeps its curve");
    let itself = issue(Class::TrustedAuthority, Class::TrustedAuthority, Curve::P256, 1);
    assert_eq!(itself, Err(IssueError::SelfSigned));
}

// verifies: ASSURE-7.9-16, ASSURE-7.9-17, ASSURE-7.9-18
#[test]
fn hmac_formats_follow_their_hash() {
    let secret = Secret::new(vec![7; 32]);
    let signer = Signer::with_secret(KeyId([1; 16]), Class::ManagementSystem, &secret);
    let numbers = [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512]
        .map(|hash| signer.hashing_with(hash).format().number());
    assert_eq!(numbers, [16, 17, 18]);
}
