//! The messages of an image, and their encryption under a shared secret.

use core::net::IpAddr;

use assure_proto::{
    Address, AuthenticatedKey, ChannelDefinition, CipherSuite, Class, KeyDefinition, MESSAGES_MAX, Metadata,
    PAYLOAD_ROUNDS_MAX, PayloadRefusal, Privileges, SecretPayload, TooManyMessages, decode_payload,
    encode_payload, seal_secret_payload,
};
use clock::Dice;
use crypto::Secret;
use wire::{DecodeError, Reason};

use crate::counting::Counting;
use crate::reject;
use crate::vectors::{self, hex, id, load, name, number, providers, reason};

fn unseal(
    provider: &dyn crypto::Provider,
    secret: &Secret,
    bytes: &[u8],
) -> Result<Secret, Result<DecodeError, PayloadRefusal>> {
    SecretPayload::decode(bytes).map_err(Ok)?.open(provider, secret).map_err(Err)
}

// verifies: ASSURE-15.5.3-01, ASSURE-15.5.3-02, ASSURE-15.5.3-03, ASSURE-15.5.3-04, ASSURE-15.5.3-05
// verifies: ASSURE-15.5.3-06, ASSURE-7.8-00, ASSURE-7.8-01, ASSURE-7.8-02, ASSURE-7.8-03, ASSURE-7.8-04
// verifies: ASSURE-7.8-05, ASSURE-7.8-06, ASSURE-7.8-07, ASSURE-7.8-08, TS-M2
#[test]
fn sealed_payloads_of_the_oracle_open_alike() {
    let file = load("payload.json");
    let mut suites = Vec::new();
    for vector in vectors::vectors(&file).iter().filter(|v| v["kind"] == "sealed") {
        let bytes = hex(vector, "bytes");
        let secret = Secret::new(hex(vector, "secret"));
        for provider in providers() {
            let outcome = unseal(provider, &secret, &bytes);
            let expected = match reason(vector) {
                None => {
                    assert_eq!(outcome.unwrap().expose(), hex(vector, "plaintext"), "{}", name(vector));
                    let payload = SecretPayload::decode(&bytes).unwrap();
                    assert_eq!(payload.encode(), bytes, "{}", name(vector));
                    suites.push(number(vector, "suite"));
                    continue;
                }
                Some("salt-length") => Some(PayloadRefusal::SaltLength),
                Some("encrypted-secret-length") => Some(PayloadRefusal::EncryptedSecretLength),
                Some("rounds-zero" | "rounds-too-many") => Some(PayloadRefusal::Rounds),
                Some("iv-length") => Some(PayloadRefusal::IvLength),
                Some("tag-length") => Some(PayloadRefusal::TagLength),
                Some("payload-decryption") => Some(PayloadRefusal::NotGenuine),
                Some(_) => None,
            };
            match (outcome, expected) {
                (Err(Err(refusal)), Some(expected)) => assert_eq!(refusal, expected, "{}", name(vector)),
                (Err(Ok(_)), None) => {}
                (outcome, _) => panic!("{}: {outcome:?}", name(vector)),
            }
        }
    }
    suites.sort_unstable();
    suites.dedup();
    assert_eq!(suites, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
}

// verifies: ASSURE-15.5.3-03, ASSURE-15.5.3-04, ASSURE-15.5.3-05, ASSURE-15.1-01
#[test]
fn what_is_sealed_opens_with_the_same_secret_only() {
    let (secret, other) = (Secret::new(vec![1; 32]), Secret::new(vec![2; 32]));
    for suite in CipherSuite::ALL {
        for (sealing, opening) in [(0, 1), (1, 0)] {
            let (sealing, opening) = (providers()[sealing], providers()[opening]);
            let mut dice = Dice::numbered(suite.number().into());
            let bytes = seal_secret_payload(sealing, &secret, suite, b"messages", &mut dice).unwrap();
            let payload = SecretPayload::decode(&bytes).unwrap();
            assert_eq!((payload.suite, payload.rounds, payload.salt.len()), (suite, 1000, 16));
            assert_eq!(payload.tag.len(), suite.tag_length());
            assert_eq!(payload.open(opening, &secret).unwrap().expose(), b"messages");
            // CBC has no tag: the wrong key shows in the padding, or in content that is another
            let wrong = payload.open(opening, &other);
            assert!(wrong.is_err() || suite.tag_length() == 0, "{suite:?}");
            assert_ne!(wrong.ok(), Some(Secret::from(&b"messages"[..])), "{suite:?}");
            let again = seal_secret_payload(sealing, &secret, suite, b"messages", &mut dice).unwrap();
            let again = SecretPayload::decode(&again).unwrap();
            assert!(again.salt != payload.salt && again.iv != payload.iv, "nothing is used twice");
        }
    }
    assert_eq!(CipherSuite::from_number(9), None);
}

// verifies: TS-M2, ASSURE-15.5.3-02
#[test]
fn ts_m2_payload_of_another_derivation_is_refused_before_any_round() {
    let secret = Secret::new(vec![1; 32]);
    for provider in providers() {
        let counting = Counting::new(provider);
        let bytes =
            seal_secret_payload(provider, &secret, CipherSuite::Aes256Ccm, b"x", &mut Dice::numbered(1))
                .unwrap();
        let good = SecretPayload::decode(&bytes).unwrap();
        let root_salt = [b"assure/root".as_slice(), &[9; 16]].concat();
        let attacks = [
            (
                SecretPayload { salt: &root_salt, encrypted_secret: &[0; 32], ..good },
                PayloadRefusal::SaltLength,
            ),
            (SecretPayload { salt: &good.salt[..15], ..good }, PayloadRefusal::SaltLength),
            (SecretPayload { encrypted_secret: &[0; 33], ..good }, PayloadRefusal::EncryptedSecretLength),
            (SecretPayload { rounds: 0, ..good }, PayloadRefusal::Rounds),
            (SecretPayload { rounds: PAYLOAD_ROUNDS_MAX + 1, ..good }, PayloadRefusal::Rounds),
            (SecretPayload { iv: &good.iv[1..], ..good }, PayloadRefusal::IvLength),
            (SecretPayload { tag: &good.tag[1..], ..good }, PayloadRefusal::TagLength),
        ];
        for (attack, refusal) in attacks {
            assert_eq!(attack.open(&counting, &secret), Err(refusal));
        }
        for length in 1..32 {
            let guess = SecretPayload { encrypted_secret: &good.encrypted_secret[..length], ..good };
            assert_eq!(guess.open(&counting, &secret), Err(PayloadRefusal::EncryptedSecretLength));
        }
        assert_eq!(counting.rounds(), 0, "no PBKDF2 round was spent");
        assert!(good.open(&counting, &secret).is_ok());
        assert_eq!(counting.rounds(), 1000, "the counter counts");
    }
}

// verifies: ASSURE-15.5.3-01, ASSURE-15.5.3-05
#[test]
fn malformed_sealed_payloads_are_refused() {
    let secret = Secret::new(vec![1; 32]);
    let provider = providers()[0];
    for suite in CipherSuite::ALL {
        let good =
            seal_secret_payload(provider, &secret, suite, b"0123456789", &mut Dice::numbered(3)).unwrap();
        reject::cuts_and_additions(&good, |bytes| {
            SecretPayload::decode(bytes).map(|payload| payload.encode())
        });
        reject::flips(&good, |bytes| SecretPayload::decode(bytes).map(|payload| payload.encode()));
    }
    let good =
        seal_secret_payload(provider, &secret, CipherSuite::Aes128Ccm, b"0123456789", &mut Dice::numbered(3));
    let good = good.unwrap();
    for (at, bit) in reject::every_bit(&good) {
        let mut changed = good.clone();
        changed[at] ^= bit;
        assert!(unseal(provider, &secret, &changed).is_err(), "bit {bit:02x} of byte {at}");
    }
}

// verifies: ASSURE-15.5.4-01, ASSURE-15.5.1-03, ASSURE-15.5.2-03
#[test]
fn messages_of_the_oracle_are_read_alike() {
    let file = load("payload.json");
    let mut counts = Vec::new();
    for vector in vectors::vectors(&file).iter().filter(|v| v["kind"] == "messages") {
        let bytes = hex(vector, "bytes");
        let read = decode_payload(&bytes);
        match reason(vector) {
            None => {
                let messages = read.unwrap();
                let count = vector["messages"].as_array().map(Vec::len);
                let count = count.unwrap_or_else(|| number(vector, "count") as usize);
                assert_eq!(messages.len(), count, "{}", name(vector));
                assert_eq!(encode_payload(&messages), Ok(bytes.clone()), "{}", name(vector));
                counts.push(messages.len());
            }
            // what stands in a message is for the CoAP codec to judge
            Some("coap-message" | "coap-code") => assert!(read.is_ok(), "{}", name(vector)),
            Some(_) => assert!(read.is_err(), "{}", name(vector)),
        }
    }
    assert!(counts.contains(&0) && counts.contains(&1) && counts.contains(&2), "{counts:?}");
}

// verifies: ASSURE-15.5.4-01
#[test]
fn payloads_hold_256_messages_and_no_more() {
    let messages = vec![[7_u8]; MESSAGES_MAX];
    let bytes = encode_payload(&messages).unwrap();
    assert_eq!(decode_payload(&bytes).unwrap().len(), MESSAGES_MAX);
    assert_eq!(encode_payload(&vec![[7_u8]; MESSAGES_MAX + 1]), Err(TooManyMessages));
    let over = [&[0x99, 1, 1][..], &[0x41, 7].repeat(MESSAGES_MAX + 1)].concat();
    assert_eq!(decode_payload(&over), Err(DecodeError::new(0, Reason::OverLimit)));
    let few = encode_payload(&[&[1, 2][..], &[], &[3]]).unwrap();
    reject::cuts_and_additions(&few, |bytes| decode_payload(bytes).map(|messages| messages.len()));
    reject::flips(&few, |bytes| decode_payload(bytes).map(|messages| encode_payload(&messages).unwrap()));
}

#[test]
fn bodies_of_the_first_messages_are_read_alike() {
    let file = load("payload.json");
    let (mut keys, mut channels) = (0, 0);
    for vector in vectors::vectors(&file).iter().filter(|v| v["kind"] == "body") {
        let bytes = hex(vector, "bytes");
        if vector.get("local_key_id").is_none() {
            let key = AuthenticatedKey::decode(&bytes).unwrap();
            assert_eq!((key.class(), key.id()), (Class::Channel, id(vector, "key_id")));
            assert_eq!(key.metadata(), Metadata::NONE);
            let KeyDefinition::Derived(derived) = key.definition() else { panic!("a derived secret") };
            assert_eq!(derived.derivations()[0].reference, id(vector, "reference"));
            keys += 1;
            continue;
        }
        let channel = ChannelDefinition::decode(&bytes).unwrap();
        assert_eq!(channel.local_key, id(vector, "local_key_id"));
        let peer = channel.peer_key.map_or(Vec::new(), |peer| peer.0.to_vec());
        assert_eq!(peer, hex(vector, "peer_key_id"), "{}", name(vector));
        assert_eq!(channel.privileges, Privileges::ALL, "{}", name(vector));
        assert!(channel.persistent_across_reboots && channel.open_immediately);
        assert_eq!(channel.encode(), bytes, "{}", name(vector));
        let Address::Ip { remote: IpAddr::V4(remote), local_port: 0, remote_port } = channel.address else {
            panic!("{}: {channel:?}", name(vector))
        };
        assert_eq!(remote.octets()[..], hex(vector, "address"));
        assert_eq!(u32::from(remote_port), number(vector, "port"));
        channels += 1;
    }
    assert_eq!((keys, channels), (1, 2));
}
