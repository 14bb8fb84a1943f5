//! Owner data against the oracle's vectors.

use assure_proto::{OwnerBinding, OwnerData, RootKey, definition_hash};
use crypto::Secret;
use model::Uuid;

use crate::vectors::{self, hex, id, load, name, providers, reason};

// verifies: ASSURE-15.5-06, ASSURE-7.5-05, ASSURE-7.3-18, TS-C2
#[test]
fn owner_data_of_the_oracle_is_judged_alike() {
    let file = load("owner.json");
    for vector in vectors::vectors(&file) {
        let bytes = hex(vector, "bytes");
        let decoded = OwnerData::decode(&bytes);
        for provider in providers() {
            let outcome = decoded.as_ref().map_err(|_| "malformed").and_then(|owner| {
                let definition = hex(vector, "owner_definition");
                let owner_key = assure_proto::KeyDefinition::decode(&definition).unwrap().id();
                let device = Uuid(id(vector, "uuid").0);
                let definition_hash = definition_hash(provider, &definition);
                let binding = OwnerBinding { device, owner_key, definition_hash };
                let signer = vectors::root(&vector["signer"]);
                if owner.signature().key_id != signer.key_id || signer.class.number() > 1 {
                    return Err("owner-signer");
                }
                owner.verify(provider, signer.verifying_key(), &binding).map_err(|_| "bad-signature")?;
                Ok((owner, binding))
            });
            match (reason(vector), outcome) {
                (None, Ok((owner, binding))) => {
                    assert_eq!(binding.encode(), hex(vector, "prefix"), "{}", name(vector));
                    assert_eq!(binding.encode().len(), 69);
                    assert_eq!(owner.to_be_signed(&binding), hex(vector, "tbs"), "{}", name(vector));
                    assert_eq!(owner.sequence_number(), vectors::number(vector, "sequence"));
                    assert_eq!(owner.encoded(), bytes);
                }
                (Some(expected @ ("bad-signature" | "owner-signer")), Err(found)) => {
                    assert_eq!(found, expected, "{}", name(vector));
                }
                (Some(_), Err("malformed")) => {}
                (expected, outcome) => panic!("{}: {outcome:?} for {expected:?}", name(vector)),
            }
        }
    }
}

// verifies: ASSURE-15.5-06
#[test]
fn owner_data_we_issue_covers_what_the_oracle_covers() {
    use assure_proto::{Class, Signer};
    let file = load("owner.json");
    let mut dice = clock::Dice::numbered(1);
    let genuine = vectors::vectors(&file).iter().filter(|vector| reason(vector).is_none());
    let mut issued = 0;
    for vector in genuine {
        let RootKey::Secret(secret) = vectors::root(&vector["signer"]).key else { continue };
        let theirs = OwnerData::decode(&hex(vector, "bytes")).unwrap();
        for provider in providers() {
            let definition = hex(vector, "owner_definition");
            let binding = OwnerBinding {
                device: Uuid(id(vector, "uuid").0),
                owner_key: assure_proto::KeyDefinition::decode(&definition).unwrap().id(),
                definition_hash: definition_hash(provider, &definition),
            };
            let secret = Secret::from(secret.expose());
            let signer = Signer::with_secret(theirs.signature().key_id, Class::TrustedAuthority, &secret);
            let ours = OwnerData::issue(
                provider,
                &binding,
                theirs.sequence_number(),
                &signer,
                theirs.signature().validity,
                &mut dice,
            );
            assert_eq!(ours.unwrap(), theirs, "{}", name(vector));
            issued += 1;
            let owner_itself = Signer::with_secret(binding.owner_key, Class::TrustedAuthority, &secret);
            let management = Signer::with_secret(theirs.signature().key_id, Class::ManagementSystem, &secret);
            for wrong in [owner_itself, management] {
                let validity = theirs.signature().validity;
                assert!(OwnerData::issue(provider, &binding, 1, &wrong, validity, &mut dice).is_err());
            }
        }
    }
    assert!(issued > 0);
}
