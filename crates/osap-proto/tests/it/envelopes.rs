//! Sealed messages between a device and an access service.

use std::time::Duration;

use clock::Moment;
use crypto::Secret;
use osap_proto::*;
use serde_json::Value;

use crate::world::*;

const GENERAL: General = General { seq: 5, ts: 1_795_307_861_000 };

fn numbers(vector: &Value) -> ConnectionNumbers {
    let bytes = hex(&vector["connection"]);
    ConnectionNumbers {
        epoch: u32::from_be_bytes(bytes[..4].try_into().unwrap()),
        conn_no: u32::from_be_bytes(bytes[4..8].try_into().unwrap()),
        conn_nonce: bytes[8..].try_into().unwrap(),
    }
}

fn meter() -> Serial {
    Serial::new(b"E00000042").unwrap()
}

fn of_kind(kind: &str) -> Vec<Value> {
    vectors("envelope.json").into_iter().filter(|one| one["kind"] == kind).collect()
}

/// Both ends of a connection, by a greeting of this nonce.
fn sessions(das_secret: &Secret, numbers: &ConnectionNumbers, das_nonce: [u8; 16]) -> (Session, Session) {
    let (payload, das) = greet(&provider(), das_secret, &meter(), numbers, das_nonce, GENERAL, Moment::START);
    let topic = greeting_topic(&meter());
    let device = open_greeting(&provider(), das_secret, &meter(), numbers, &topic, &payload, Moment::START);
    (device.expect("the greeting opens"), das)
}

// verifies: OSAP-6-20, TS-H11, TS-M19
#[test]
fn ts_m19_envelopes_in_any_order_are_judged_as_published() {
    let mut count = 0;
    for vector in of_kind("order") {
        count += 1;
        let (device, das) =
            sessions(&secret(&vector["das_secret"]), &numbers(&vector), array(&vector["das_nonce"]));
        let mut opener = if vector["direction"] == "up" { das.opener } else { device.opener };
        for (at, step) in vector["steps"].as_array().unwrap().iter().enumerate() {
            let now = Moment::START + Duration::from_secs_f64(step["now"].as_f64().unwrap());
            let told =
                match opener.receive(step["topic"].as_str().unwrap().as_bytes(), &hex(&step["payload"]), now)
                {
                    Ok(_) => "deliver",
                    Err(Unopened::Old) => "old",
                    Err(Unopened::Bad) => "bad",
                    Err(Unopened::Closed) => "closed",
                };
            assert_eq!(step["told"], told, "{}, step {at}", name(&vector));
        }
    }
    assert!(count > 40, "{count}");
}

// verifies: TS-H11
#[test]
fn ts_h11_only_the_greeting_of_this_very_connection_opens() {
    let mut count = 0;
    for vector in of_kind("greeting") {
        count += 1;
        let session = open_greeting(
            &provider(),
            &secret(&vector["das_secret"]),
            &meter(),
            &numbers(&vector),
            vector["topic"].as_str().unwrap().as_bytes(),
            &hex(&vector["payload"]),
            Moment::START,
        );
        assert_eq!(session.is_some(), is_good(&vector), "{}", name(&vector));
    }
    assert!(count > 7, "{count}");
}

// verifies: TS-H11
#[test]
fn ts_h11_the_same_connect_taken_twice_gives_other_keys() {
    let numbers = ConnectionNumbers { epoch: 1, conn_no: 1, conn_nonce: [2; 16] };
    let das_secret = Secret::new(vec![3; 32]);
    let (mut device, mut das) = sessions(&das_secret, &numbers, [4; 16]);
    let (_, mut das_again) = sessions(&das_secret, &numbers, [5; 16]);
    let topic = b"/iot/E00000042/a";
    let up = device.sealer.seal(topic, GENERAL, b"on", Moment::START).unwrap();
    assert_eq!(das_again.opener.receive(topic, &up, Moment::START), Err(Unopened::Bad));
    let opened = das.opener.receive(topic, &up, Moment::START).unwrap();
    assert_eq!((opened.general, opened.application()), (GENERAL, &b"on"[..]));
    let down = das.sealer.seal(topic, GENERAL, b"off", Moment::START).unwrap();
    let down_again = das_again.sealer.seal(topic, GENERAL, b"off", Moment::START).unwrap();
    assert_eq!(down[..10], down_again[..10]);
    assert_ne!(down[10..], down_again[10..]);
    assert_eq!(device.opener.receive(topic, &down_again, Moment::START), Err(Unopened::Bad));
    assert_eq!(device.opener.receive(topic, &down, Moment::START).unwrap().application(), b"off");
    assert_eq!(down[9], 1, "the greeting was counter 0");
}

// verifies: TS-M19
#[test]
fn the_keys_of_a_phase_that_is_over_go_after_60_seconds() {
    let day = Duration::from_secs(86_400);
    let numbers = ConnectionNumbers { epoch: 1, conn_no: 1, conn_nonce: [2; 16] };
    let (mut device, mut das) = sessions(&Secret::new(vec![3; 32]), &numbers, [4; 16]);
    let topic = b"/iot/E00000042/a";
    let late = device.sealer.seal(topic, GENERAL, b"1", Moment::START).unwrap();
    let later = device.sealer.seal(topic, GENERAL, b"2", Moment::START).unwrap();
    let next = device.sealer.seal(topic, GENERAL, b"3", Moment::START + day).unwrap();
    assert_eq!(das.opener.next_deadline(), None);
    assert!(das.opener.receive(topic, &next, Moment::START + day).is_ok());
    let until = Moment::START + day + Duration::from_secs(60);
    assert_eq!(das.opener.next_deadline(), Some(until));
    assert!(das.opener.receive(topic, &late, until).is_ok());
    das.opener.expire(until + Duration::from_micros(1));
    assert_eq!(das.opener.next_deadline(), None);
    assert_eq!(das.opener.receive(topic, &later, until), Err(Unopened::Old), "its keys are gone");
}

#[test]
fn a_closed_connection_opens_nothing_more() {
    let numbers = ConnectionNumbers { epoch: 1, conn_no: 1, conn_nonce: [2; 16] };
    let (mut device, mut das) = sessions(&Secret::new(vec![3; 32]), &numbers, [4; 16]);
    let good = device.sealer.seal(b"/iot/E00000042/a", GENERAL, b"1", Moment::START).unwrap();
    let judged: Vec<_> =
        (0..4).map(|_| das.opener.receive(b"/iot/E00000042/a", &[], Moment::START).err()).collect();
    assert_eq!(judged, [Unopened::Bad, Unopened::Bad, Unopened::Closed, Unopened::Closed].map(Some));
    assert_eq!(das.opener.receive(b"/iot/E00000042/a", &good, Moment::START), Err(Unopened::Closed));
}

// verifies: OSAP-6-20
#[test]
fn the_will_is_the_published_one() {
    let vector = of_kind("will").into_iter().find(is_good).unwrap();
    let plain = hex(&vector["plain"]);
    let size = usize::from(u16::from_be_bytes([plain[0], plain[1]]));
    let general: Value = serde_json::from_slice(&plain[2..2 + size]).unwrap();
    let general = General { seq: general["Seq"].as_u64().unwrap(), ts: general["Ts"].as_u64().unwrap() };
    let sealed = seal_will(
        provider().as_ref(),
        &secret(&vector["das_secret"]),
        &numbers(&vector),
        vector["topic"].as_str().unwrap().as_bytes(),
        general,
        &plain[2 + size..],
    );
    assert_eq!(sealed, Some(hex(&vector["payload"])));
}
