//! From the first power-on to service.

use std::time::Duration;

use agent::{AgentEvent, BootstrapFailure, Control, ReplayFailure};
use assure_proto::{ChannelState, DeviceInfo, GoodbyeReason};
use coap_proto::Code;
use crypto::Curve;

use crate::bench::{A, B, BOOTSTRAP, Bench, ONE};
use crate::server::Serving;
use crate::world::{EC, FIRST, Kind, SECOND, World, put};

// verifies: ASSURE-14.5-05, ASSURE-14.5-07, ASSURE-14.5-08, ASSURE-14.5-09, ASSURE-11.3.1-01, ASSURE-15.3-02
// verifies: ASSURE-10.1.6-06, ASSURE-8.4-01, ASSURE-8.4-06, ASSURE-8.2-01
// verifies: ASSURE-1-11, ASSURE-2.2-04, ASSURE-2.3-01, ASSURE-6.1-01, ASSURE-6.1-02, ASSURE-6.1-03, ASSURE-6.1-04
#[test]
fn a_device_comes_into_service_whatever_its_kind_of_key() {
    for kind in [Kind::Secret, EC, Kind::Ec(Curve::P384)] {
        let mut bench = Bench::new(World::new(kind));
        bench.serve_a();
        bench.power_on();
        bench.run_for(Duration::from_secs(5));
        let events = bench.device().events.clone();
        assert_eq!(bench.device().state(ONE), Some(ChannelState::Open), "{kind:?}: {events:?}");
        let place = |event: &AgentEvent| events.iter().position(|heard| heard == event).expect("it happened");
        let owned = place(&AgentEvent::Owned { generation: 1, sequence_number: 1, is_new_owner: true });
        let erased = place(&AgentEvent::Erased);
        let configured = place(&AgentEvent::Bootstrapped { sequence_number: 1 });
        let in_service = place(&AgentEvent::InService { channel: ONE });
        assert!(owned < erased && erased < configured && configured < in_service, "{events:?}");
        let uuid = bench.world().uuid;
        assert_eq!(bench.servers[BOOTSTRAP].count("bootstrap"), 1, "one request in the session");
        assert_eq!(bench.servers[BOOTSTRAP].asked[0].1, format!("v1/devices/{uuid}/bootstrap"));
        let (method, path, body) = bench.servers[A].asked[0].clone();
        assert_eq!((method, path), (Code::PUT, format!("v1/devices/{uuid}/info")));
        let info = DeviceInfo::decode(&body).expect("presence tells of the device");
        assert_eq!((info.device, info.device_product_code.as_str()), (uuid, "lamp"));
        assert_eq!(bench.servers[A].count("timestamp"), 1, "the time is asked for behind presence");
        assert_eq!(bench.servers[B].asked, [], "nobody else hears of the device");
    }
}

// verifies: ASSURE-15.5.2-01, ASSURE-8.3-06, TS-D12
#[test]
fn a_device_with_an_rsa_key_comes_into_service_with_the_other_provider() {
    let mut bench = Bench::in_service(World::new(Kind::Rsa));
    assert!(bench.device().heard(&AgentEvent::InService { channel: ONE }));
    let offered = bench.servers[BOOTSTRAP].offers[0].clone();
    assert!(offered.iter().all(|suite| suite.key_agreement() == dtls_proto::KeyAgreement::EcdheRsa));
}

// verifies: TS-H8, ASSURE-14.7-05
#[test]
fn a_lossy_network_only_delays_service() {
    for kind in [Kind::Secret, EC] {
        let mut bench = Bench::new(World::new(kind));
        let mut dice = clock::Dice::numbered(5);
        bench.arrives = Box::new(move |_, _, _| dice.below(5) != 0);
        bench.serve_a();
        bench.power_on();
        bench.run_for(Duration::from_secs(600));
        assert!(bench.device().heard(&AgentEvent::InService { channel: ONE }), "{:?}", bench.device().events);
    }
}

// verifies: ASSURE-10.1.6-05, TS-H8, ASSURE-1-10
#[test]
fn a_device_in_service_returns_after_power_on_and_finds_its_image_unchanged() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let disk = bench.device().disk.clone();
    bench.cut_power();
    bench.run_for(Duration::from_secs(5));
    bench.device().events.clear();
    bench.power_on();
    bench.run_for(Duration::from_secs(5));
    assert_eq!(bench.device().state(ONE), Some(ChannelState::Open));
    assert!(bench.device().heard(&AgentEvent::ImageUnchanged));
    assert_eq!(bench.servers[BOOTSTRAP].count("bootstrap"), 2, "it asks at every power-on");
    assert_eq!(bench.device().disk, disk, "nothing was written");
}

// verifies: ASSURE-14.7-08, ASSURE-14.7-09, TS-M5, ASSURE-1-10, ASSURE-6.1-02, ASSURE-14.7-01
#[test]
fn a_new_owner_takes_over_at_the_button() {
    for kind in [Kind::Secret, EC] {
        let mut bench = Bench::in_service(World::new(kind));
        bench.device().user_data = Some("A's diary".into());
        bench.serve_b();
        bench.control(Control::Held(Duration::from_secs(5)));
        bench.run_for(Duration::from_secs(8));
        let goodbye: Vec<_> =
            bench.servers[A].asked.iter().filter(|(_, path, _)| path.ends_with("goodbye")).collect();
        assert_eq!(goodbye.len(), 1);
        assert_eq!(goodbye[0].2, [4], "told to bootstrap by local controls");
        assert!(bench.device().heard(&AgentEvent::Bootstrapped { sequence_number: 2 }));
        assert_eq!(bench.device().state(ONE), Some(ChannelState::Open));
        assert_eq!(bench.servers[B].count("info"), 1, "presence to the new owner");
        assert!(bench.servers[A].connected.is_empty(), "nothing of A's is connected");
        assert_eq!(bench.device().user_data, None, "A's data is erased");
        let a = bench.world().a.name();
        let stored = bench.device().disk.clone();
        let stands = stored.expose().windows(16).any(|part| part == a.0);
        assert!(!stands, "no key of A is stored");
        assert!(bench.device().heard(&AgentEvent::SaidGoodbye {
            reason: GoodbyeReason::BootstrapByLocalControl,
            told: 1,
            acknowledged: 1
        }));
    }
}

// verifies: TS-H3, ASSURE-15.5.4-02
#[test]
fn ts_h3_a_payload_that_fails_leaves_the_device_owned_and_unconfigured() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let b = bench.world().b.clone();
    let mut messages = bench.world().messages(&b);
    messages.push(put(2, "v1/parameters/colour", b"blue"));
    messages.push(put(3, "v1/other-api", b"x"));
    let header = bench.world().header(&b);
    let image = bench.world().image_with(&b, SECOND, &header, &messages);
    bench.serve(image);
    bench.control(Control::Held(Duration::from_secs(6)));
    bench.run_for(Duration::from_secs(10));
    let failure = ReplayFailure::Refused { index: 3, code: Code::NOT_FOUND };
    assert!(bench.device().heard(&AgentEvent::ConfigurationFailed(failure)), "{:?}", bench.device().events);
    assert_eq!(bench.device().state(ONE), None, "no channel at all, neither A's nor B's");
    assert_eq!(bench.device().agent().parameter("colour"), None, "the messages before had no effect");
    assert_eq!(bench.device().agent().sequence_number(), 2, "but the number is stored");
    assert!(bench.servers[A].connected.is_empty() && bench.servers[B].connected.is_empty());
    assert!(!bench.device().agent().is_configured());
    // B uploads a corrected image under the same number, and the device asks by itself
    let marks = crate::world::Marks { created_at: SECOND.created_at + 1, ..SECOND };
    bench.serve_image_of(&b, marks);
    bench.run_for(Duration::from_secs(60));
    assert!(bench.device().heard(&AgentEvent::Bootstrapped { sequence_number: 2 }));
    assert_eq!(bench.device().state(ONE), Some(ChannelState::Open));
}

// verifies: TS-H8, ASSURE-14.7-05, ASSURE-15.4-03
#[test]
fn ts_h8_nothing_that_is_no_genuine_image_changes_a_device_in_service() {
    let false_answers = [
        Serving::Empty,
        Serving::Code(Code::FORBIDDEN),
        Serving::Silence,
        Serving::Image(b"no image".to_vec()),
        Serving::Code(Code::NOT_FOUND),
    ];
    for answer in false_answers {
        let mut bench = Bench::in_service(World::new(Kind::Secret));
        let before = bench.device().disk.clone();
        bench.servers[BOOTSTRAP].serving = answer.clone();
        bench.control(Control::Held(Duration::from_secs(5)));
        bench.run_for(Duration::from_secs(20));
        assert_eq!(bench.device().disk, before, "{answer:?}");
        assert_eq!(bench.device().state(ONE), Some(ChannelState::Open));
        let answered = bench.ask(Code::GET, "v1/ping", b"still there");
        assert_eq!(
            (answered.code, answered.payload.as_slice()),
            (Code::CONTENT, &b"still there"[..]),
            "{answer:?}"
        );
        if answer == Serving::Empty {
            assert!(bench.device().heard(&AgentEvent::BootstrapFailed(BootstrapFailure::Empty)));
            assert_eq!(bench.servers[A].count("info"), 2, "goodbye was said, so presence is told again");
        }
    }
}

// verifies: TS-H8, ASSURE-1-10
#[test]
fn ts_h8_the_device_asks_every_day_and_after_failures_sooner() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let asked = |bench: &Bench| bench.servers[BOOTSTRAP].count("bootstrap");
    bench.run_for(Duration::from_secs(19 * 3600));
    assert_eq!(asked(&bench), 1, "not before 24 h less a fifth");
    bench.run_for(Duration::from_secs(10 * 3600));
    assert_eq!(asked(&bench), 2, "but within 24 h and a fifth");
    // the owner is gone: the answer is empty, once a day
    bench.servers[BOOTSTRAP].serving = Serving::Empty;
    bench.run_for(Duration::from_secs(29 * 3600));
    assert!(asked(&bench) > 3, "a failure is followed by a series");
    let series = asked(&bench);
    bench.run_for(Duration::from_secs(48 * 3600));
    let daily = asked(&bench) - series;
    assert!((1..=3).contains(&daily), "{daily} in two days: the daily rhythm is back");
}

// verifies: ASSURE-14.7-05, TS-H8
#[test]
fn a_device_without_an_owner_asks_after_thirty_seconds_and_up_to_an_hour() {
    let mut bench = Bench::new(World::new(EC));
    bench.power_on();
    bench.run_for(Duration::from_secs(20));
    assert_eq!(bench.servers[BOOTSTRAP].count("bootstrap"), 1);
    bench.run_for(Duration::from_secs(20));
    assert_eq!(bench.servers[BOOTSTRAP].count("bootstrap"), 2);
    bench.run_for(Duration::from_secs(24 * 3600));
    let in_a_day = bench.servers[BOOTSTRAP].count("bootstrap");
    assert!((24..=42).contains(&in_a_day), "{in_a_day}: about once an hour in the end");
    assert_eq!(bench.device().agent().sequence_number(), 0);
    assert!(bench.device().works == 0, "nothing was ever written");
}

// verifies: ASSURE-15.1-04, ASSURE-15.5.4-03
#[test]
fn parameters_in_the_payload_reach_the_application_and_survive() {
    let mut bench = Bench::new(World::new(Kind::Secret));
    let a = bench.world().a.clone();
    let mut messages = bench.world().messages(&a);
    messages.push(put(2, "v1/parameters/colour", b"\x64blue"));
    let header = bench.world().header(&a);
    let image = bench.world().image_with(&a, FIRST, &header, &messages);
    bench.serve(image);
    bench.power_on();
    bench.run_for(Duration::from_secs(5));
    assert_eq!(bench.device().agent().parameter("colour"), Some(&b"\x64blue"[..]));
    bench.cut_power();
    bench.power_on();
    assert_eq!(bench.device().agent().parameter("colour"), Some(&b"\x64blue"[..]));
}

// verifies: ASSURE-15.5.4-04
#[test]
fn a_payload_with_something_that_is_no_request_fails_whole() {
    let mut bench = Bench::new(World::new(Kind::Secret));
    let a = bench.world().a.clone();
    let mut messages = bench.world().messages(&a);
    messages.push(vec![0x50, 0x45, 0, 2]);
    let header = bench.world().header(&a);
    let image = bench.world().image_with(&a, FIRST, &header, &messages);
    bench.serve(image);
    bench.power_on();
    bench.run_for(Duration::from_secs(5));
    let failed = |event: &AgentEvent| {
        matches!(event, AgentEvent::ConfigurationFailed(ReplayFailure::NotReplayable { index: 2, .. }))
    };
    assert!(bench.device().events.iter().any(failed), "{:?}", bench.device().events);
    assert_eq!(bench.device().state(ONE), None);
}
