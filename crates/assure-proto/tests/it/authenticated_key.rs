//! Authenticated keys and the store that checks them, against the oracle's vectors.

use assure_proto::{
    Anchors, AuthenticatedKey, Class, HeldKey, KeyRefusal, KeyStore, SignatureError, TimeRefusal,
};
use model::{KeyId, Uuid};
use serde_json::Value;

use crate::vectors::{self, OwnKey, hex_if, id, load, name, providers, reason};

fn fits(reason: &str, refusal: KeyRefusal) -> bool {
    let expected: &[&str] = match refusal {
        KeyRefusal::SelfSigned => &["self-signed"],
        KeyRefusal::UnknownSigner => &["unknown-signer"],
        KeyRefusal::DuplicateKeyId => &["duplicate-key-id"],
        KeyRefusal::SignedByDeviceSecret => &["signed-by-device-secret"],
        KeyRefusal::ClassNotAllowed => &["class-not-allowed"],
        KeyRefusal::MetadataMismatch => &["metadata-mismatch"],
        KeyRefusal::ChainTooLong => &["chain-too-long"],
        KeyRefusal::Time(TimeRefusal::NotYetValid) => &["not-yet-valid"],
        KeyRefusal::Time(TimeRefusal::Expired) => &["expired"],
        KeyRefusal::Signature(SignatureError::NotGenuine) => &["bad-signature"],
        KeyRefusal::Signature(SignatureError::FormatMismatch) => &["format-key-mismatch"],
        KeyRefusal::SignerUnusable => &["reference-unknown"],
        KeyRefusal::BadKey | KeyRefusal::Derivation(_) | KeyRefusal::Full => &[],
    };
    expected.contains(&reason)
}

/// The verdict on the last key of a vector; all earlier ones are accepted.
fn judge(provider: &dyn crypto::Provider, vector: &Value) -> Result<Class, Option<KeyRefusal>> {
    let roots: Vec<_> = vector["present"].as_array().unwrap().iter().map(vectors::root).collect();
    let keys = vector["held"].as_array().unwrap().iter();
    let keys: Vec<_> = keys
        .map(|key| (id(key, "key_id"), OwnKey::read(provider, key).expect("secrets need no private key")))
        .collect();
    let held: Vec<(KeyId, HeldKey<'_>)> = keys.iter().map(|(id, key)| (*id, key.held())).collect();
    let device = hex_if(vector, "device_uuid").map(|uuid| Uuid(uuid.try_into().unwrap()));
    let anchors = Anchors { device, roots: &roots, held: &held };
    let mut store = KeyStore::empty(16);
    let chain: Vec<Vec<u8>> = serde_json::from_value::<Vec<String>>(vector["keys"].clone())
        .unwrap()
        .iter()
        .map(|key| model::bytes_from_hex(key).unwrap())
        .collect();
    let (last, earlier) = chain.split_last().expect("at least one key");
    let time_before = vectors::time(vector.get("now_before").unwrap_or(&vector["now"]));
    for key in earlier {
        let key = AuthenticatedKey::decode(key).unwrap();
        let stored = store.check(provider, &anchors, key, time_before);
        store.insert(stored.unwrap_or_else(|error| panic!("{}: {error:?}", name(vector)))).unwrap();
    }
    let key = AuthenticatedKey::decode(last).map_err(|_| None)?;
    let before = store.len();
    let stored = store.check(provider, &anchors, key.clone(), vectors::time(&vector["now"])).map_err(Some)?;
    assert_eq!(store.len(), before, "checking stores nothing");
    assert_eq!(key.encoded(), last.as_slice());
    assert_eq!(key.metadata(), vectors::metadata(&vector["metadata"]), "{}", name(vector));
    assert_eq!(key.id(), id(vector, "key_id"), "{}", name(vector));
    Ok(stored.class())
}

// verifies: ASSURE-7.1-01, ASSURE-7.4-01, ASSURE-7.4-02, ASSURE-7.4-03, ASSURE-7.4-04, ASSURE-7.4-05
// verifies: ASSURE-7.4-06, ASSURE-7.4-07, ASSURE-7.4-08, ASSURE-7.4-09, ASSURE-7.4-10, ASSURE-7.4-11
// verifies: ASSURE-7.4-12, ASSURE-7.4-13, ASSURE-7.3-06, ASSURE-7.3-14, ASSURE-7.5-00, ASSURE-7.5-03
// verifies: ASSURE-7.7-00, ASSURE-7.7-01, ASSURE-7.7-02, ASSURE-7.7-03, ASSURE-7.7-04, ASSURE-7.7-05
// verifies: ASSURE-7.7-06, ASSURE-7.7-07, ASSURE-7.7-08, ASSURE-7.7-09, ASSURE-7.7-10, ASSURE-7.7-11
// verifies: ASSURE-7.7-12, ASSURE-7.7-14, ASSURE-7.10-01, ASSURE-7.10-02
#[test]
fn keys_of_the_oracle_are_judged_alike() {
    let file = load("authenticated_keys.json");
    let mut pairs = 0;
    for vector in vectors::vectors(&file) {
        for provider in providers() {
            match (reason(vector), judge(provider, vector)) {
                (None, Ok(class)) => {
                    assert_eq!(
                        u32::from(class.number()),
                        vectors::number(vector, "class"),
                        "{}",
                        name(vector)
                    );
                }
                (Some(reason), Err(Some(refusal))) => {
                    assert!(fits(reason, refusal), "{}: {refusal:?} for {reason}", name(vector));
                }
                (Some(_), Err(None)) => {}
                (expected, verdict) => panic!("{}: {verdict:?} for {expected:?}", name(vector)),
            }
        }
        if vector.get("signer_class").is_some() {
            let class = |member| Class::ALL[usize::try_from(vectors::number(vector, member)).unwrap()];
            let allowed = class("signer_class").may_sign(class("signed_class"));
            assert_eq!(allowed, reason(vector).is_none(), "{}", name(vector));
            pairs += 1;
        }
    }
    assert_eq!(pairs, 36);
}

// verifies: ASSURE-7.7-06, ASSURE-7.7-07, ASSURE-7.7-08, ASSURE-7.7-09, ASSURE-7.7-10, ASSURE-7.7-11
#[test]
fn configuration_and_bootstrap_data_are_for_management_systems_to_sign() {
    for class in Class::ALL {
        let expected = class == Class::ManagementSystem;
        assert_eq!(class.may_sign_configuration(), expected, "{class:?}");
        assert_eq!(class.may_sign_bootstrap_data(), expected, "{class:?}");
    }
    assert_eq!(Class::from_number(6), None);
}
