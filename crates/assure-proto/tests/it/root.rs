//! K_root against the oracle's vectors.

use assure_proto::{
    Anchors, AuthenticatedKey, Class, HeldKey, KeyDefinition, KeyRefusal, KeyStore, Root, TimeTrust,
    root_key_id,
};
use crypto::Secret;
use model::{KeyId, Uuid};

use crate::vectors::{self, hex, id, load, name, providers, reason};

// verifies: TS-M2, TS-L1
#[test]
fn roots_of_the_oracle_are_made_alike_and_stay_out_of_reach() {
    let file = load("root.json");
    let mut kinds = [0; 3];
    for vector in vectors::vectors(&file) {
        for provider in providers() {
            let uuid = Uuid(id(vector, "uuid").0);
            let secret = Secret::new(hex(vector, "secret"));
            let root = Root::of_shared_secret(provider, &uuid, &secret);
            assert_eq!(
                root.secret().map(Secret::expose),
                Some(&hex(vector, "k_root")[..]),
                "{}",
                name(vector)
            );
            assert_eq!((root.class, root.key_id), (Class::TrustedAuthority, id(vector, "key_id")));
            assert_eq!(root_key_id(provider, &uuid), root.key_id);
            let held = [(KeyId::from(uuid), HeldKey::Secret(&secret))];
            let roots = [root];
            let anchors = Anchors { device: Some(uuid), roots: &roots, held: &held };
            match vector["kind"].as_str() {
                Some("root") => kinds[0] += 1,
                Some("signed") => {
                    kinds[1] += 1;
                    let key = AuthenticatedKey::decode(&hex(vector, "bytes")).unwrap();
                    assert_eq!(*key.to_be_signed(), hex(vector, "tbs"));
                    let stored =
                        KeyStore::empty(1).check(provider, &anchors, key, TimeTrust::Unknown).unwrap();
                    assert_eq!(stored.secret().map(Secret::expose), Some(&hex(vector, "t_secret")[..]));
                    assert!(stored.is_signed_by_root());
                }
                Some("use") => {
                    kinds[2] += 1;
                    let refused = use_as_signed_key(provider, &anchors, vector);
                    // an unknown reference is no offence of a key, but it yields no secret either
                    let expected = reason(vector).expect("all are refused");
                    assert_eq!(refused, expected, "{}", name(vector));
                }
                other => panic!("kind {other:?}"),
            }
        }
    }
    assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
}

/// Signs the definition under K_root and lets the device take it: the way a secret would get in.
fn use_as_signed_key(
    provider: &dyn crypto::Provider,
    anchors: &Anchors<'_>,
    vector: &serde_json::Value,
) -> &'static str {
    use assure_proto::{DeriveError, Metadata, Signer, Validity};
    let definition = KeyDefinition::decode(&hex(vector, "bytes")).unwrap();
    let root = &anchors.roots[0];
    let signer = Signer::with_secret(root.key_id, root.class, root.secret().unwrap());
    let mut dice = clock::Dice::numbered(1);
    let key = AuthenticatedKey::issue(
        provider,
        Class::TrustedAuthority,
        &definition,
        Metadata::NONE,
        &signer,
        Validity::UNLIMITED,
        &mut dice,
    );
    match KeyStore::empty(1).check(provider, anchors, key.unwrap(), TimeTrust::Unknown) {
        Ok(stored) if stored.secret().is_none() => "reference-unknown",
        Err(KeyRefusal::Derivation(DeriveError::SaltLength)) => "salt-length",
        Err(KeyRefusal::Derivation(DeriveError::SecretLength)) => "encrypted-secret-length",
        Err(KeyRefusal::Derivation(DeriveError::IsRoot)) => "output-is-root",
        other => panic!("{}: {other:?}", name(vector)),
    }
}
