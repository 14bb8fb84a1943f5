//! The chain of secrets and single envelopes, compared with the published ones at any phase and counter.

extern crate std;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use clock::Moment;
use crypto::{Provider, Secret};
use crypto_portable::Portable;
use serde_json::Value;

use super::*;

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn vectors(kind: &str) -> Vec<Value> {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/vectors/osap/envelope.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let found: Vec<Value> =
        file["vectors"].as_array().unwrap().iter().filter(|one| one["kind"] == kind).cloned().collect();
    assert!(!found.is_empty());
    found
}

fn numbers(vector: &Value) -> ConnectionNumbers {
    let bytes = hex(&vector["connection"]);
    ConnectionNumbers {
        epoch: u32::from_be_bytes(bytes[..4].try_into().unwrap()),
        conn_no: u32::from_be_bytes(bytes[4..8].try_into().unwrap()),
        conn_nonce: bytes[8..].try_into().unwrap(),
    }
}

fn secret_0(vector: &Value) -> (Secret, Secret) {
    let direction = if vector["direction"] == "up" { Direction::Up } else { Direction::Down };
    let das_secret = Secret::new(hex(&vector["das_secret"]));
    let hello = hello(&Portable, &das_secret, direction, &numbers(vector));
    let first = first_secret(&Portable, &hello, &hex(&vector["das_nonce"]).try_into().unwrap());
    (hello, first)
}

// verifies: OSAP-6-20, TS-H11, TS-M19
#[test]
fn secrets_of_each_phase_are_the_published_ones() {
    for vector in vectors("keys") {
        let (hello, mut secret) = secret_0(&vector);
        assert_eq!(hello.expose(), hex(&vector["hello"]));
        let mut at = 0;
        for phase in vector["chain"].as_array().unwrap() {
            while phase["phase"] != at {
                secret = next_secret(&Portable, &secret);
                at += 1;
            }
            assert_eq!(secret.expose(), hex(&phase["secret"]), "{}", vector["name"]);
            assert_eq!(
                expand(&Portable, secret.expose(), &[b"osap-h1 das key"], 16).expose(),
                hex(&phase["key"])
            );
            assert_eq!(
                expand(&Portable, secret.expose(), &[b"osap-h1 das iv"], 12).expose(),
                hex(&phase["iv"])
            );
        }
    }
}

// verifies: OSAP-6-20
#[test]
fn envelopes_of_any_phase_and_counter_are_the_published_ones() {
    for vector in vectors("seal") {
        let (_, mut secret) = secret_0(&vector);
        let phase = u8::try_from(vector["phase"].as_u64().unwrap()).unwrap();
        for _ in 0..phase {
            secret = next_secret(&Portable, &secret);
        }
        let counter = vector["ctr"].as_u64().unwrap();
        let topic = String::from(vector["topic"].as_str().unwrap());
        let keys = PhaseKeys::new(&Portable, &secret);
        let sealed = keys.seal(phase, counter, topic.as_bytes(), hex(&vector["plain"])).unwrap();
        assert_eq!(sealed, hex(&vector["payload"]), "{}", vector["name"]);
        assert_eq!(keys.open(counter, topic.as_bytes(), &sealed).unwrap().expose(), hex(&vector["plain"]));
    }
}

fn pair() -> (Sealer, Opener) {
    let provider: Arc<dyn Provider> = Arc::new(Portable);
    let secret = Secret::new([7; 32].to_vec());
    let sealer = Sealer::new(Arc::clone(&provider), secret.clone(), 0, Moment::START);
    (sealer, Opener::new(provider, secret, None))
}

const GENERAL: General = General { seq: 1, ts: 2 };

// verifies: TS-M19
#[test]
fn ts_m19_a_sender_leaves_a_phase_with_its_last_counter_and_never_uses_phase_255() {
    let (mut sealer, mut opener) = pair();
    sealer.counter = COUNTER_END - 1;
    let last = sealer.seal(b"/iot/X/a", GENERAL, b"1", Moment::START).unwrap();
    assert_eq!(last[..10], [FORM, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF]);
    let next = sealer.seal(b"/iot/X/a", GENERAL, b"2", Moment::START).unwrap();
    assert_eq!(next[..10], [FORM, 1, 0, 0, 0, 0, 0, 0, 0, 0], "the counter begins anew under new keys");
    assert_eq!(opener.receive(b"/iot/X/a", &last, Moment::START).unwrap().application(), b"1");
    assert_eq!(opener.receive(b"/iot/X/a", &next, Moment::START).unwrap().application(), b"2");
    (sealer.phase, sealer.counter) = (PHASE_END - 1, COUNTER_END - 1);
    assert!(sealer.seal(b"/iot/X/a", GENERAL, b"3", Moment::START).is_ok());
    for _ in 0..2 {
        assert_eq!(sealer.seal(b"/iot/X/a", GENERAL, b"4", Moment::START), Err(Exhausted));
    }
    assert_eq!(sealer.phase, PHASE_END - 1);
}

// verifies: TS-M19
#[test]
fn ts_m19_a_sender_leaves_a_phase_after_a_day() {
    let day = core::time::Duration::from_secs(86_400);
    let (mut sealer, _) = pair();
    let before = Moment::START + (day - core::time::Duration::from_secs(1));
    assert_eq!(sealer.seal(b"/iot/X/a", GENERAL, b"", before).unwrap()[1], 0);
    assert_eq!(sealer.seal(b"/iot/X/a", GENERAL, b"", Moment::START + day).unwrap()[1], 1);
    assert_eq!(
        sealer.seal(b"/iot/X/a", GENERAL, b"", Moment::START + day).unwrap()[..10],
        [FORM, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    );
}

#[test]
fn general_parts_are_read_alike_whether_they_need_a_reader_of_json() {
    for number in [0, 9, 10, 9_999_999_999_999_999_999, 10_000_000_000_000_000_000, u64::MAX] {
        let general = General { seq: number, ts: u64::MAX - number };
        let plain = general.plaintext(b"body");
        assert_eq!(split(&plain), Some((general, &b"body"[..])));
        let spaced = alloc::format!("{{ \"Ts\": {}, \"Seq\": {number} }}", general.ts);
        let size = u16::try_from(spaced.len()).unwrap().to_be_bytes();
        assert_eq!(split(&[&size[..], spaced.as_bytes()].concat()), Some((general, &b""[..])));
    }
    for wrong in ["01", "", "-1", "1.0", "18446744073709551616", "1 1"] {
        let general = alloc::format!("{{\"Seq\":{wrong},\"Ts\":1}}");
        let size = u16::try_from(general.len()).unwrap().to_be_bytes();
        assert_eq!(split(&[&size[..], general.as_bytes()].concat()), None, "{wrong}");
    }
}

#[test]
fn topics_of_any_length_are_bound_to_what_is_sealed() {
    let (mut sealer, mut opener) = pair();
    for length in [0, 168, 169, 170, 60_000] {
        let topic = alloc::vec![b't'; length];
        let sealed = sealer.seal(&topic, GENERAL, b"body", Moment::START).unwrap();
        let opened = opener.receive(&topic, &sealed, Moment::START).unwrap();
        assert_eq!((opened.general, opened.application()), (GENERAL, &b"body"[..]));
    }
    let (topic, mut other) = ([b't'; 300], [b't'; 300]);
    other[299] = b'u';
    let sealed = sealer.seal(&topic, GENERAL, b"body", Moment::START).unwrap();
    assert_eq!(opener.receive(&other, &sealed, Moment::START), Err(Unopened::Bad));
}
