//! The power fails at every write and every erasure.

use std::time::Duration;

use agent::{AgentEvent, Control};
use assure_proto::ChannelState;
use coap_proto::{Code, Request};

use crate::bench::{A, B, BOOTSTRAP, Bench, Cut, ONE};
use crate::world::{EC, Kind, World, put};

/// Brings the device from A to B with the power failing once, and tells at how many works it may fail.
fn take_over(kind: Kind, cut: Cut) -> usize {
    let mut bench = Bench::in_service(World::new(kind));
    let secret_of_a = bench.world().a.name();
    let answer = bench.ask(Code::PUT, "v1/parameters/diary", b"A's own words");
    assert_eq!(answer.code, Code::CREATED);
    bench.device().user_data = Some("A's diary".into());
    let b = bench.world().b.clone();
    let mut messages = bench.world().messages(&b);
    messages.push(put(u16::try_from(messages.len()).unwrap(), "v1/parameters/colour", b"x"));
    let header = bench.world().header(&b);
    let image = bench.world().image_with(&b, crate::world::SECOND, &header, &messages);
    bench.serve(image);
    bench.device().works = 0;
    bench.device().cut = cut;
    bench.control(Control::Held(Duration::from_secs(5)));
    for _ in 0..200 {
        bench.run_for(Duration::from_millis(50));
        if bench.device().agent.is_none() {
            bench.device().cut = Cut::Never;
            bench.device().events.clear();
            bench.power_on();
        }
        let opened_b = !bench.servers[B].connected.is_empty();
        if opened_b {
            assert_eq!(bench.device().user_data, None, "{kind:?} {cut:?}: erased before a channel opens");
            assert!(!bench.stores(b"A's own words"), "{kind:?} {cut:?}");
            assert!(!bench.stores(&secret_of_a.0), "{kind:?} {cut:?}");
        }
    }
    let works = bench.device().works;
    bench.run_for(Duration::from_secs(120));
    assert_eq!(
        bench.device().state(ONE),
        Some(ChannelState::Open),
        "{kind:?} {cut:?}: {:?}",
        bench.device().events
    );
    assert_eq!(bench.device().agent().sequence_number(), 2, "{kind:?} {cut:?}");
    assert_eq!(bench.device().agent().parameter("colour"), Some(&b"x"[..]));
    // a cut may have swallowed the farewell to A; its end of the session is dead all the same
    if !bench.servers[A].connected.is_empty() {
        let answer = bench.ask_from(A, Request::new(Code::GET, "v1/ping"));
        assert_eq!(answer, None, "{kind:?} {cut:?}");
    }
    works
}

// verifies: TS-M14, TS-M13, ASSURE-14.7-08, ASSURE-15.5-08, TS-H3
#[test]
fn ts_m14_a_power_cut_at_any_write_leaves_nothing_of_the_earlier_owner_behind() {
    for kind in [Kind::Secret, EC] {
        let works = take_over(kind, Cut::Never);
        assert_eq!(works, 4, "commit 1, erasure, commit 2, the report of the erasure");
        for number in 0..works {
            take_over(kind, Cut::Before(number));
            take_over(kind, Cut::After(number));
        }
    }
}

// verifies: TS-M14
#[test]
fn ts_m14_no_channel_opens_while_an_erasure_is_pending() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    bench.device().user_data = Some("A's diary".into());
    bench.serve_b();
    bench.device().works = 0;
    bench.device().cut = Cut::Before(1);
    bench.control(Control::Held(Duration::from_secs(5)));
    bench.run_for(Duration::from_secs(8));
    assert!(bench.device().agent.is_none(), "the power failed at the erasure");
    // the power fails again at the next try
    let works = bench.device().works;
    bench.device().cut = Cut::Before(works);
    bench.device().events.clear();
    bench.power_on();
    bench.run_for(Duration::from_secs(8));
    assert!(bench.device().agent.is_none());
    assert!(!bench.device().heard(&AgentEvent::Erased));
    assert!(bench.servers[B].connected.is_empty() && bench.servers[B].asked.is_empty());
    // the erasure needs no server
    bench.device().cut = Cut::Never;
    bench.servers[BOOTSTRAP].is_on = false;
    bench.power_on();
    assert_eq!(bench.device().user_data, None, "before anything else");
    bench.servers[BOOTSTRAP].is_on = true;
    bench.run_for(Duration::from_secs(8));
    assert_eq!(bench.device().state(ONE), Some(ChannelState::Open));
}

// verifies: TS-M14, ASSURE-10.1.1-02
#[test]
fn an_answer_waits_until_what_it_says_is_safe() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    bench.device().writes_at_once = false;
    let request = Request::new(Code::PUT, "v1/parameters/colour")
        .with_payload(coap_proto::ContentFormat::OCTET_STREAM, *b"blue");
    let now = clock::Now::without_utc(bench.now);
    let id = bench.servers[A].ask(request, now);
    bench.run_for(Duration::from_secs(3));
    let answered = |bench: &Bench| bench.servers[A].answers.iter().any(|(asked, _)| *asked == id);
    assert!(!answered(&bench), "nothing is promised before it is written");
    bench.finish_writes();
    bench.run_for(Duration::from_secs(1));
    assert!(answered(&bench));
    bench.cut_power();
    bench.device().writes_at_once = true;
    bench.power_on();
    assert_eq!(bench.device().agent().parameter("colour"), Some(&b"blue"[..]));
}

// verifies: TS-M14, TS-H3
#[test]
fn nothing_goes_on_before_the_first_commit_is_safe() {
    let mut bench = Bench::new(World::new(Kind::Secret));
    bench.device().writes_at_once = false;
    bench.serve_a();
    bench.power_on();
    bench.run_for(Duration::from_secs(30));
    assert_eq!(bench.device().pending.len(), 1, "commit 1 waits");
    assert_eq!(bench.device().works, 0, "no erasure yet");
    assert_eq!(bench.servers[A].offers.len(), 0, "no channel");
    bench.finish_writes();
    bench.run_for(Duration::from_secs(5));
    assert_eq!(bench.device().pending.len(), 1, "commit 2 waits");
    assert_eq!(bench.servers[A].offers.len(), 0, "no channel");
    bench.finish_writes();
    bench.run_for(Duration::from_secs(5));
    assert_eq!(bench.device().state(ONE), Some(ChannelState::Open));
}
