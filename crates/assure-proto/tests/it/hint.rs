//! Hints, identities and the peer_name extension.

use assure_proto::{
    CHAIN_COUNT_MAX, DerivationCache, DeriveError, DerivedKey, HINT_LENGTH_MAX, HeldKey, HeldKeys,
    KeyDefinition, PEER_NAME_EXTENSION, PskHint, RoundBudget, decode_peer_name, decode_psk_identity,
    derive_chain, encode_peer_name, encode_psk_identity,
};
use crypto::Secret;
use model::{KeyId, Uuid};
use wire::{DecodeError, Reason};

use crate::reject;
use crate::vectors::{self, hex, id, load, name, providers, reason};

// verifies: ASSURE-8.4-10, ASSURE-8.4-11, ASSURE-8.4-12, ASSURE-8.4-13
#[test]
fn hints_of_the_oracle_are_read_alike() {
    let file = load("hint.json");
    for vector in vectors::vectors(&file).iter().filter(|v| v["kind"] == "hint") {
        let text = vector["text"].as_str().unwrap();
        let read = PskHint::decode(text.as_bytes());
        if reason(vector).is_some() {
            assert!(read.is_err(), "{}: {read:?}", name(vector));
            continue;
        }
        let hint = read.unwrap();
        let ids: Vec<KeyId> = match &hint {
            PskHint::KeyId(id) => vec![*id],
            PskHint::Definitions(definitions) => definitions.iter().map(DerivedKey::id).collect(),
        };
        let expected: Vec<_> = vector["key_ids"].as_array().unwrap().iter().map(|id| id.as_str()).collect();
        let ids: Vec<_> = ids.iter().map(|id| model::hex(&id.0)).collect();
        assert_eq!(ids.iter().map(|id| Some(id.as_str())).collect::<Vec<_>>(), expected, "{}", name(vector));
        // a list of one is read but never written
        if vector.get("written").is_none_or(|written| written == true) {
            assert_eq!(hint.encode().as_deref(), Ok(text), "{}", name(vector));
        }
    }
}

// verifies: ASSURE-8.4-10
#[test]
fn identities_of_the_oracle_are_read_alike() {
    let file = load("hint.json");
    for vector in vectors::vectors(&file).iter().filter(|v| v["kind"] == "identity") {
        let text = vector["text"].as_str().unwrap();
        let read = decode_psk_identity(text.as_bytes());
        if reason(vector).is_some() {
            assert!(read.is_err(), "{}", name(vector));
            continue;
        }
        assert_eq!(read, Ok(id(vector, "key_id")), "{}", name(vector));
        assert_eq!(encode_psk_identity(&read.unwrap()), text, "{}", name(vector));
    }
}

struct Device {
    id: KeyId,
    secret: Secret,
}

impl HeldKeys for Device {
    fn held_key(&self, id: KeyId) -> Option<HeldKey<'_>> {
        (id == self.id).then_some(HeldKey::Secret(&self.secret))
    }

    fn is_root_secret(&self, secret: &Secret) -> bool {
        *secret == self.secret
    }
}

// verifies: TS-M2, TS-M3
#[test]
fn hinted_chains_of_the_oracle_are_followed_alike() {
    let file = load("hint.json");
    for vector in vectors::vectors(&file).iter().filter(|v| v["kind"] == "chain") {
        let device = Device { id: id(vector, "uuid"), secret: Secret::new(hex(vector, "secret")) };
        let list = vector["definitions"].as_array().unwrap();
        let decode = |value: &serde_json::Value| {
            let bytes = model::bytes_from_hex(value.as_str().unwrap()).unwrap();
            KeyDefinition::decode(&bytes).unwrap()
        };
        let chain: Vec<_> = list.iter().map(decode).collect();
        for provider in providers() {
            let (mut budget, mut cache) = (RoundBudget::handshake(), DerivationCache::new());
            let outcome = derive_chain(provider, &device, device.id, &chain, &mut budget, &mut cache);
            let expected = match reason(vector) {
                None => {
                    assert_eq!(outcome.unwrap().expose(), hex(vector, "psk"), "{}", name(vector));
                    assert_eq!(budget.spent(), vectors::number(vector, "rounds_spent"), "{}", name(vector));
                    continue;
                }
                Some("reference-unknown") => DeriveError::NotInOrder,
                Some("rounds-too-many") => DeriveError::TooManyRounds,
                Some("salt-length") => DeriveError::SaltLength,
                Some("encrypted-secret-length") => DeriveError::SecretLength,
                Some(other) => panic!("{other}"),
            };
            assert_eq!(outcome, Err(expected), "{}", name(vector));
        }
    }
}

// verifies: ASSURE-8.2.1-01, ASSURE-8.2.1-02, ASSURE-8.2.1-03, ASSURE-8.2.1-04, ASSURE-8.2.1-05
// verifies: ASSURE-8.2.1-06
#[test]
fn peer_names_of_the_oracle_are_read_alike() {
    let file = load("hint.json");
    assert_eq!(u32::from(PEER_NAME_EXTENSION), vectors::number(&file, "peer_name_type"));
    for vector in vectors::vectors(&file).iter().filter(|v| v["kind"] == "peer_name") {
        let read = decode_peer_name(&hex(vector, "bytes"));
        if reason(vector).is_some() {
            assert!(read.is_err(), "{}: {read:?}", name(vector));
            continue;
        }
        let expected = vectors::hex_if(vector, "uuid").map(|uuid| Uuid(uuid.try_into().unwrap()));
        assert_eq!(read, Ok(expected), "{}", name(vector));
    }
}

// verifies: ASSURE-8.2.1-02, ASSURE-8.2.1-05
#[test]
fn the_peer_name_we_write_is_nineteen_bytes_and_nothing_else() {
    let good = encode_peer_name(&Uuid([0xab; 16]));
    assert_eq!(good[..], [&[0, 0x11, 0][..], &[0xab; 16]].concat());
    assert_eq!(decode_peer_name(&good), Ok(Some(Uuid([0xab; 16]))));
    reject::cuts_and_additions(&good, decode_peer_name);
    let twice = [&[0, 0x22, 0][..], &[0xab; 16], &[0], &[0xab; 16]].concat();
    assert_eq!(decode_peer_name(&twice), Err(DecodeError::new(19, Reason::Repeated)));
}

// verifies: ASSURE-8.4-10, ASSURE-8.4-13
#[test]
fn hints_over_their_limits_are_refused() {
    let file = load("hint.json");
    let all = vectors::vectors(&file);
    let eight = all.iter().find(|v| name(v) == "hint: list of 8").unwrap();
    let PskHint::Definitions(mut definitions) =
        PskHint::decode(eight["text"].as_str().unwrap().as_bytes()).unwrap()
    else {
        panic!("a list of definitions");
    };
    assert_eq!(definitions.len(), CHAIN_COUNT_MAX);
    definitions.push(definitions[0].clone());
    assert_eq!(PskHint::Definitions(definitions).encode().unwrap_err().reason, Reason::OverLimit);
    assert_eq!(PskHint::Definitions(Vec::new()).encode().unwrap_err().reason, Reason::OutOfRange);
    let long = vec![b'A'; HINT_LENGTH_MAX + 1];
    assert_eq!(PskHint::decode(&long), Err(DecodeError::new(HINT_LENGTH_MAX, Reason::OverLimit)));
    assert!(decode_psk_identity(&[b'A'; 28]).is_err());
    for (at, text) in [(3, &b"UAA\n"[..]), (0, b"-AAA"), (1, b"U\xffAA")] {
        assert_eq!(PskHint::decode(text), Err(DecodeError::new(at, Reason::OutOfRange)));
    }
}
