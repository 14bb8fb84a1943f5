//! System calls, ping, info, parameters, and the goodbyes that follow.

use std::time::Duration;

use agent::{AgentEvent, Control, PARAMETER_COUNT_MAX, PARAMETER_LENGTH_MAX, PING_LENGTH_MAX};
use assure_proto::{ChannelState, DeviceInfo, GoodbyeReason, Privileges};
use coap_proto::{Code, ContentFormat, Request};

use crate::bench::{A, BOOTSTRAP, Bench, ONE};
use crate::server::Serving;
use crate::world::{EC, Kind, World, put};

fn goodbyes(bench: &Bench, server: usize) -> Vec<Vec<u8>> {
    let asked = bench.servers[server].asked.iter();
    asked.filter(|(_, path, _)| path.ends_with("/goodbye")).map(|(_, _, body)| body.clone()).collect()
}

// verifies: ASSURE-10.1.13-01, ASSURE-10.1.13-02, ASSURE-10.1.14-01, ASSURE-10.1.14-02, ASSURE-11.3.2-01
// verifies: ASSURE-11.3.2-02, ASSURE-11.3.2-03, ASSURE-11.3.2-04
#[test]
fn reboot_and_shutdown_answer_say_goodbye_and_act() {
    for (path, reason, last) in [("v1/reboot", 1, "reboot"), ("v1/shutdown", 0, "power off")] {
        let mut bench = Bench::in_service(World::new(EC));
        let answer = bench.ask(Code::PUT, path, b"");
        assert_eq!((answer.code, answer.payload.len()), (Code::CHANGED, 0));
        bench.run_for(Duration::from_secs(1));
        assert_eq!(goodbyes(&bench, A), [[reason]], "one byte");
        assert_eq!(bench.device().last, Some(last));
        assert!(bench.servers[A].connected.is_empty(), "closed cleanly");
        assert_eq!(bench.device().agent().next_deadline(), None, "nothing follows");
        let asked = bench.servers[A].asked.len();
        let now = bench.clock(0);
        bench.device().agent().control(Control::Reboot, now);
        bench.settle(0);
        bench.run_for(Duration::from_secs(100));
        assert_eq!(bench.servers[A].asked.len(), asked);
    }
}

// verifies: ASSURE-11.3.2-05, ASSURE-10.1.15-01, ASSURE-10.1.15-02, ASSURE-14.7-05
#[test]
fn bootstrap_by_order_leaves_the_old_state_in_service() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    bench.servers[BOOTSTRAP].serving = Serving::Empty;
    let answer = bench.ask(Code::PUT, "v1/bootstrap", b"");
    assert_eq!((answer.code, answer.payload.len()), (Code::CHANGED, 0));
    bench.run_for(Duration::from_secs(2));
    assert_eq!(goodbyes(&bench, A), [[2]]);
    assert_eq!(bench.servers[BOOTSTRAP].count("bootstrap"), 2);
    assert_eq!(bench.ask(Code::GET, "v1/ping", b"").code, Code::CONTENT, "A's channel still answers");
    assert_eq!(bench.servers[A].count("info"), 2, "and presence is told again");
    bench.run_for(Duration::from_secs(40));
    assert_eq!(bench.servers[BOOTSTRAP].count("bootstrap"), 3, "the next follows the back-off timer");
}

// verifies: ASSURE-11.3.2-06, ASSURE-11.3.2-07, ASSURE-11.3.2-03, TS-H8
#[test]
fn local_controls_give_their_own_reasons() {
    for (control, reason, last) in [
        (Control::Reboot, 3, Some("reboot")),
        (Control::PowerOff, 0, Some("power off")),
        (Control::Held(Duration::from_secs(5)), 4, None),
        (Control::Held(Duration::from_secs(12)), 4, None),
    ] {
        let mut bench = Bench::in_service(World::new(Kind::Secret));
        bench.control(control);
        bench.run_for(Duration::from_secs(1));
        assert_eq!(goodbyes(&bench, A), [[reason]], "{control:?}");
        assert_eq!(bench.device().last, last);
        let contested = bench.device().heard(&AgentEvent::ContestNotAvailable);
        assert_eq!(contested, control == Control::Held(Duration::from_secs(12)), "refused in so many words");
    }
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    bench.control(Control::Held(Duration::from_millis(4999)));
    bench.run_for(Duration::from_secs(1));
    assert_eq!(goodbyes(&bench, A).len(), 0);
    assert!(bench.device().heard(&AgentEvent::ButtonIgnored));
}

// verifies: ASSURE-11.3.2-01, ASSURE-2.2-06
#[test]
fn goodbye_waits_two_seconds_at_most_and_reaches_all_management_systems() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let (second, _) = bench.add_channel(7, Privileges::NONE, "10.0.0.4:49683");
    bench.servers[A].answers_goodbye = false;
    let start = bench.now;
    bench.control(Control::PowerOff);
    bench.run_for(Duration::from_millis(1900));
    assert_eq!(bench.device().last, None, "it waits for A");
    bench.run_for(Duration::from_millis(200));
    assert_eq!(bench.device().last, Some("power off"));
    assert!(bench.now - start < Duration::from_millis(2200));
    assert_eq!((goodbyes(&bench, A), goodbyes(&bench, second)), (vec![vec![0]], vec![vec![0]]));
    let reason = GoodbyeReason::ShuttingDown;
    assert!(bench.device().heard(&AgentEvent::SaidGoodbye { reason, told: 2, acknowledged: 1 }));
}

// verifies: ASSURE-10.1.13-03, ASSURE-10.1.14-03, ASSURE-10.1.15-03, ASSURE-10.1.16-01, ASSURE-10.1.17-01
// verifies: ASSURE-10-05, ASSURE-2.4-01, ASSURE-2.5-01
#[test]
fn a_channel_without_flags_may_ping_and_read_the_info_alone() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let others = Privileges { channel_management: true, system_management: false, key_management: true };
    for (number, privileges) in [(7, Privileges::NONE), (8, others)] {
        let at = format!("10.0.0.{number}:49683");
        let (server, _) = bench.add_channel(number, privileges, &at);
        for path in ["v1/reboot", "v1/shutdown", "v1/bootstrap", "v1/parameters/x", "v1/walled-garden"] {
            let answer = bench.ask_from(server, Request::new(Code::PUT, path)).unwrap();
            assert_eq!(answer.code, Code::UNAUTHORIZED, "{path}");
        }
        for method in [Code::GET, Code::DELETE] {
            let answer = bench.ask_from(server, Request::new(method, "v1/parameters/x")).unwrap();
            assert_eq!(answer.code, Code::UNAUTHORIZED);
        }
        assert_eq!(bench.ask_from(server, Request::new(Code::GET, "v1/ping")).unwrap().code, Code::CONTENT);
        assert_eq!(bench.ask_from(server, Request::new(Code::GET, "v1/info")).unwrap().code, Code::CONTENT);
    }
    bench.run_for(Duration::from_secs(3));
    assert_eq!(bench.device().last, None, "no restart");
    assert_eq!(bench.servers[BOOTSTRAP].count("bootstrap"), 1);
}

// verifies: ASSURE-10.1.16-02, ASSURE-10.1.16-03
#[test]
fn a_ping_comes_back_up_to_the_limit() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    for length in [0, 64, PING_LENGTH_MAX, PING_LENGTH_MAX + 1] {
        let sent = vec![0x5a; length];
        let mut request = Request::new(Code::GET, "v1/ping");
        request.payload = sent.clone();
        let answer = bench.ask_from(A, request).unwrap();
        assert_eq!(answer.code, Code::CONTENT);
        assert_eq!(answer.payload, sent[..length.min(PING_LENGTH_MAX)], "{length}");
    }
    assert_eq!(bench.ask(Code::PUT, "v1/ping", b"x").code, Code::METHOD_NOT_ALLOWED);
}

// verifies: ASSURE-10.1.17-01, ASSURE-10.1.17-02, ASSURE-10.1.17-05, ASSURE-10.1.17-06, ASSURE-10.1.17-07
// verifies: ASSURE-10-01
#[test]
fn info_tells_nine_items() {
    let mut bench = Bench::in_service(World::new(EC));
    let answer = bench.ask(Code::GET, "v1/info", b"");
    assert_eq!(
        (answer.code, answer.options.view().content_format()),
        (Code::CONTENT, Some(ContentFormat::CBOR))
    );
    let info = DeviceInfo::decode(&answer.payload).unwrap();
    assert_eq!((info.device, info.device_product_code.as_str()), (bench.world().uuid, "lamp"));
    assert_eq!(bench.ask(Code::DELETE, "v1/info", b"").code, Code::METHOD_NOT_ALLOWED);
    assert_eq!(bench.ask(Code::GET, "v1/nothing", b"").code, Code::NOT_FOUND);
}

// verifies: ASSURE-15.1-04
#[test]
fn parameters_are_kept_within_limits() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    assert_eq!(bench.ask(Code::PUT, "v1/parameters/a", b"1").code, Code::CREATED);
    assert_eq!(bench.ask(Code::PUT, "v1/parameters/a", b"2").code, Code::CHANGED);
    let read = bench.ask(Code::GET, "v1/parameters/a", b"");
    assert_eq!((read.code, read.payload.as_slice()), (Code::CONTENT, &b"2"[..]));
    assert_eq!(bench.ask(Code::GET, "v1/parameters/b", b"").code, Code::NOT_FOUND);
    let long = "n".repeat(65);
    assert_eq!(bench.ask(Code::PUT, &format!("v1/parameters/{long}"), b"1").code, Code::BAD_REQUEST);
    let big = vec![1; PARAMETER_LENGTH_MAX + 1];
    assert_eq!(bench.ask(Code::PUT, "v1/parameters/b", &big).code, Code::REQUEST_ENTITY_TOO_LARGE);
    assert_eq!(bench.ask(Code::PUT, "v1/parameters/b", &big[1..]).code, Code::CREATED);
    for number in 2..PARAMETER_COUNT_MAX {
        assert_eq!(bench.ask(Code::PUT, &format!("v1/parameters/p{number}"), b"x").code, Code::CREATED);
    }
    assert_eq!(bench.ask(Code::PUT, "v1/parameters/more", b"x").code, Code::REQUEST_ENTITY_TOO_LARGE);
    assert_eq!(bench.ask(Code::PUT, "v1/parameters/a", b"3").code, Code::CHANGED, "one that is there");
    assert_eq!(bench.ask(Code::DELETE, "v1/parameters/a", b"").code, Code::DELETED);
    assert_eq!(bench.ask(Code::DELETE, "v1/parameters/a", b"").code, Code::DELETED, "it is not there");
    assert_eq!(bench.ask(Code::PUT, "v1/parameters/more", b"x").code, Code::CREATED);
}

// verifies: ASSURE-15.5.4-02
#[test]
fn an_image_cannot_order_a_reboot() {
    for path in ["v1/reboot", "v1/shutdown", "v1/bootstrap"] {
        let mut bench = Bench::new(World::new(Kind::Secret));
        let a = bench.world().a.clone();
        let mut messages = bench.world().messages(&a);
        messages.push(put(2, path, b""));
        let header = bench.world().header(&a);
        let image = bench.world().image_with(&a, crate::world::FIRST, &header, &messages);
        bench.serve(image);
        bench.power_on();
        bench.run_for(Duration::from_secs(5));
        assert_eq!(bench.device().last, None);
        assert!(!bench.device().agent().is_configured(), "{path}");
    }
}

// verifies: ASSURE-8.1-01, ASSURE-1-02, ASSURE-10-02
#[test]
fn plain_coap_gets_no_answer() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let device = bench.device().address;
    let stranger = crate::world::address("10.66.66.66:5683");
    let plain = coap_proto::store_request(1, Code::GET, "v1/ping", &[], ContentFormat::CBOR, b"");
    let heard = std::rc::Rc::new(std::cell::Cell::new(0));
    let counted = heard.clone();
    bench.arrives = Box::new(move |_, to, _| {
        counted.set(counted.get() + usize::from(to == stranger));
        true
    });
    bench.inject(stranger, device, plain.clone());
    bench.inject(bench.servers[A].address, device, plain);
    bench.run_for(Duration::from_secs(10));
    assert_eq!(heard.get(), 0);
    assert_eq!(bench.device().state(ONE), Some(ChannelState::Open), "and the channel stands");
}
