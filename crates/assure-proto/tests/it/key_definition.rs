//! Key definitions against the oracle's vectors.

use assure_proto::{KeyDefinition, KeyFormat};
use crypto::CryptoError;

use crate::vectors::{self, hex, id, load, name, providers, reason};

/// Definitions that decode and are refused when the key is looked at: the point is not on its curve, or
/// the private part is another key's.
const REFUSED_AT_USE: [&str; 3] = ["ec-point", "private-key-mismatch", "pkcs8-der"];

// verifies: ASSURE-7.2-02, ASSURE-7.2-03, ASSURE-7.2-05, ASSURE-7.2-06, ASSURE-7.2-07, ASSURE-7.2-08
// verifies: ASSURE-7.2-09, ASSURE-7.2-10, ASSURE-7.2-11, ASSURE-7.2-14, ASSURE-7.2-15, ASSURE-7.2-16
// verifies: ASSURE-7.2-17, ASSURE-7.3-17, ASSURE-7.5-01, ASSURE-7.6-00, ASSURE-7.6-01, ASSURE-7.6-02
// verifies: ASSURE-7.2-01, TS-L1
#[test]
fn definitions_of_the_oracle_are_read_alike() {
    let file = load("keys.json");
    let definitions = vectors::vectors(&file).iter().filter(|vector| vector["kind"] == "definition");
    for vector in definitions {
        let bytes = hex(vector, "bytes");
        let decoded = KeyDefinition::decode(&bytes);
        let Some(reason) = reason(vector) else {
            let definition = decoded.unwrap_or_else(|error| panic!("{}: {error}", name(vector)));
            accepted(vector, &definition, &bytes);
            continue;
        };
        if let Ok(definition) = &decoded {
            assert!(REFUSED_AT_USE.contains(&reason), "{}: {reason}", name(vector));
            for provider in providers() {
                let public = definition.public_key().expect("only key pairs get here");
                let point = provider.check_key(public);
                let (KeyDefinition::Ec(pair) | KeyDefinition::Rsa(pair)) = definition else {
                    panic!("{}", name(vector));
                };
                let private = pair.private_key(provider).map(|_| ());
                assert!(point.is_err() || private.is_err(), "{} with {}", name(vector), provider.name());
            }
        }
    }
}

fn accepted(vector: &serde_json::Value, definition: &KeyDefinition, bytes: &[u8]) {
    assert_eq!(definition.encode_private().as_slice(), bytes, "{}", name(vector));
    assert_eq!(definition.id(), id(vector, "key_id"), "{}", name(vector));
    assert_eq!(definition.format() as u64, vector["format"].as_u64().unwrap(), "{}", name(vector));
    if let Some(spki) = vectors::hex_if(vector, "spki") {
        assert_eq!(definition.public_key().expect("a public key").spki(), spki, "{}", name(vector));
    }
    let has_private = vector.get("private_key").is_some();
    assert_eq!(definition.has_private(), has_private, "{}", name(vector));
    if let KeyDefinition::Ec(pair) | KeyDefinition::Rsa(pair) = definition {
        for provider in providers() {
            assert_eq!(provider.check_key(pair.public()), Ok(()), "{}", name(vector));
            match pair.private_key(provider) {
                Ok(key) => assert_eq!(key.is_some(), has_private, "{}", name(vector)),
                Err(error) => {
                    let rsa_without_private_keys = definition.format() == KeyFormat::Rsa;
                    assert!(rsa_without_private_keys, "{}", name(vector));
                    assert_eq!(error, CryptoError::Unsupported, "{}", provider.name());
                }
            }
        }
    }
    for cut in 0..bytes.len() {
        assert!(KeyDefinition::decode(&bytes[..cut]).is_err(), "{} cut at {cut}", name(vector));
    }
    assert!(KeyDefinition::decode(&[bytes, &[0]].concat()).is_err(), "{} trailing", name(vector));
}

// verifies: ASSURE-10.1.3-05
#[test]
fn a_private_part_is_shown_to_nobody() {
    let file = load("keys.json");
    let vector = vectors::vectors(&file).iter().find(|v| name(v) == "P-256 with private part").unwrap();
    let private = hex(vector, "scalar");
    let definition = KeyDefinition::decode(&hex(vector, "bytes")).unwrap();
    let shown = [definition.encode(), definition.encode_masked(), format!("{definition:?}").into_bytes()];
    for bytes in shown {
        assert!(!bytes.windows(private.len()).any(|window| window == private));
    }
    assert!(definition.encode().ends_with(&[0x40]));
    assert!(definition.encode_masked().ends_with(b"\x47PRESENT"));
    let public = KeyDefinition::public(definition.id(), definition.public_key().unwrap().clone());
    assert_eq!(public.encode_masked(), public.encode(), "nothing to mask");
}
