//! At the access service: greeting, orders, reports, heartbeats, connections anew.

use std::time::Duration;

use agent::osap::{NotTaken, Offline, OrderKind, SmartEvent, Target};
use mqtt_proto::ReasonCode;
use osap_things::{Child, DesiredValue, DownMessage, Failure, Node, Resource, UpMessage};
use serde_json::json;

use super::bench::{Bench, place, serial};

fn offline(bench: &Bench) -> Vec<Offline> {
    let of = |event: &SmartEvent| match event {
        SmartEvent::Offline { why, .. } => Some(*why),
        _ => None,
    };
    bench.events.iter().filter_map(of).collect()
}

// verifies: OSAP-2.1.3-01, OSAP-2.1.3-02, OSAP-2.1.3-03, OSAP-6-16
#[test]
fn an_operation_is_run_and_its_answer_has_the_seq_of_the_question() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    bench.answers = Some(Ok(json!({ "left": 9 })));
    let input = json!({ "secs": 5 });
    let asked =
        bench.say(&DownMessage::Operate { node: Node::Device, place: place("open"), input: input.clone() });
    assert_eq!(bench.orders.len(), 1);
    assert_eq!(bench.orders[0].kind, OrderKind::Operate(input));
    let (general, message) = bench.cloud.heard.last().unwrap();
    assert_eq!(general.seq, asked.seq);
    let done =
        UpMessage::Operated { node: Node::Device, place: place("open"), result: Ok(json!({ "left": 9 })) };
    assert_eq!(message, &done);
}

// verifies: OSAP-2.1.2-01, OSAP-2.1.2-02
#[test]
fn an_attribute_is_set_reported_and_read() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    let set = bench.say(&DownMessage::Set { node: Node::Device, place: place("volume"), value: json!(3) });
    assert_eq!(bench.reported("volume"), [json!(3)]);
    let was_set = |(general, message): &(osap_proto::General, UpMessage)| {
        general.seq == set.seq && matches!(message, UpMessage::WasSet { result: Ok(()), .. })
    };
    assert_eq!(bench.cloud.heard.iter().filter(|heard| was_set(heard)).count(), 1);
    bench.answers = Some(Ok(json!(3)));
    bench.say(&DownMessage::Query { node: Node::Device, place: place("volume") });
    let (_, message) = bench.cloud.heard.last().unwrap();
    assert!(
        matches!(message, UpMessage::Answered { result: Ok(value), .. } if *value == json!(3)),
        "{message:?}"
    );
}

#[test]
fn a_refused_order_says_why_and_an_answer_counts_once() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    let jammed = Failure { code: 7, message: "jammed".into() };
    bench.answers = Some(Err(jammed.clone()));
    bench.say(&DownMessage::Operate { node: Node::Device, place: place("open"), input: json!(null) });
    let (_, message) = bench.cloud.heard.last().unwrap();
    assert!(matches!(message, UpMessage::Operated { result: Err(why), .. } if *why == jammed));
    let number = bench.orders[0].number;
    assert_eq!(bench.device.answer(number, Ok(json!(1)), bench.now), Err(NotTaken::NoOrder));
}

#[test]
fn an_order_that_comes_twice_is_run_once() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    let order = DownMessage::Operate { node: Node::Device, place: place("open"), input: json!(null) };
    let general = bench.say(&order);
    bench.break_link();
    bench.until_online();
    let (stream, said, _) = bench.cloud.say(&order, Some(general), bench.now.moment);
    bench.hand(stream, said);
    bench.drain();
    assert_eq!(bench.orders.len(), 1);
    assert!(bench.events.contains(&SmartEvent::MessageDropped));
}

#[test]
fn an_answer_that_was_not_acknowledged_is_said_again_with_its_numbers() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    bench.cloud.is_acknowledging = false;
    let asked =
        bench.say(&DownMessage::Operate { node: Node::Device, place: place("open"), input: json!(null) });
    bench.break_link();
    bench.cloud.is_acknowledging = true;
    bench.until_online();
    let answers: Vec<_> = bench
        .cloud
        .heard
        .iter()
        .filter(|(_, message)| matches!(message, UpMessage::Operated { .. }))
        .collect();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].0.seq, asked.seq);
}

#[test]
fn more_orders_than_can_wait_are_refused_at_once() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    bench.answers = None;
    for n in 0..65 {
        bench.say(&DownMessage::Operate { node: Node::Device, place: place("open"), input: json!(n) });
    }
    assert_eq!(bench.orders.len(), 64);
    let (_, message) = bench.cloud.heard.last().unwrap();
    assert!(matches!(message, UpMessage::Operated { result: Err(_), .. }), "{message:?}");
    let first = bench.orders[0].number;
    bench.device.answer(first, Ok(json!(null)), bench.now).unwrap();
    bench.drain();
    bench.say(&DownMessage::Operate { node: Node::Device, place: place("open"), input: json!(65) });
    assert_eq!(bench.orders.len(), 65, "an answer makes room");
}

#[test]
fn attributes_are_told_after_each_login_and_the_last_value_counts() {
    let mut bench = Bench::with_psk();
    for value in [1, 2, 3] {
        bench.device.set_attribute(Node::Device, place("volume"), json!(value), bench.now).unwrap();
    }
    bench.until_online();
    assert_eq!(bench.reported("volume"), [json!(3)]);
    bench.break_link();
    for value in [4, 5] {
        bench.device.set_attribute(Node::Device, place("volume"), json!(value), bench.now).unwrap();
    }
    bench.until_online();
    assert_eq!(bench.reported("volume"), [json!(3), json!(5)]);
    bench.break_link();
    bench.until_online();
    assert_eq!(bench.reported("volume"), [json!(3), json!(5), json!(5)], "unchanged, and told all the same");
    bench.device.set_attribute(Node::Device, place("volume"), json!(5), bench.now).unwrap();
    bench.drain();
    assert_eq!(bench.reported("volume").len(), 3, "what has not changed is not told within a session");
}

#[test]
fn a_value_that_changes_on_its_way_is_told_again() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    bench.cloud.is_acknowledging = false;
    bench.device.set_attribute(Node::Device, place("volume"), json!(1), bench.now).unwrap();
    bench.drain();
    bench.device.set_attribute(Node::Device, place("volume"), json!(2), bench.now).unwrap();
    bench.drain();
    bench.cloud.is_acknowledging = true;
    bench.break_link();
    bench.until_online();
    assert_eq!(bench.reported("volume"), [json!(2)]);
}

#[test]
fn what_is_wanted_is_asked_for_after_login() {
    let mut bench = Bench::with_psk();
    bench.device.set_attribute(Node::Device, place("volume"), json!(1), bench.now).unwrap();
    bench.until_online();
    let asks = |(_, message): &&(_, UpMessage)| matches!(message, UpMessage::AskDesired { .. });
    let (general, _) = bench.cloud.heard.iter().find(asks).cloned().expect("the question");
    let values = vec![DesiredValue { area: "Lock".into(), identifier: "volume".into(), value: json!(9) }];
    let answer = DownMessage::Desired { node: Node::Device, resource: Resource::global(), values };
    let (stream, said, _) = bench.cloud.say(&answer, Some(general), bench.now.moment);
    bench.hand(stream, said);
    bench.drain();
    assert_eq!(bench.desired.len(), 1);
    assert_eq!(bench.desired[0].value, json!(9));
}

// verifies: OSAP-2.1.8-02
#[test]
fn a_hub_tells_its_children_and_orders_to_them_reach_the_application() {
    let mut bench = Bench::with_psk();
    let child = osap_proto::Serial::new(b"C-1").unwrap();
    let children = vec![Child { serial: child.clone(), is_connected: true }];
    bench.device.set_children(children.clone(), bench.now).unwrap();
    bench.until_online();
    assert_eq!(bench.cloud.heard[0].1, UpMessage::Children(children.clone()));
    let node = Node::child(child).unwrap();
    bench.say(&DownMessage::Operate { node: node.clone(), place: place("open"), input: json!(null) });
    assert_eq!(bench.orders[0].node, node);
    let many = (0..65).map(|n| Child {
        serial: osap_proto::Serial::new(format!("C-{n}").as_bytes()).unwrap(),
        is_connected: true,
    });
    assert_eq!(bench.device.set_children(many.collect(), bench.now), Err(NotTaken::TooMany));
    bench.break_link();
    bench.until_online();
    let told =
        bench.cloud.heard.iter().filter(|(_, message)| *message == UpMessage::Children(children.clone()));
    assert_eq!(told.count(), 2, "after each login");
}

// verifies: OSAP-2.1.3-01
#[test]
fn the_device_calls_the_platform_and_gets_its_answer() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    let call = bench.device.call(Node::Device, place("now"), json!({ "zone": "UTC" }), bench.now).unwrap();
    bench.drain();
    let (general, _) = bench.cloud.heard.last().cloned().unwrap();
    let result = Ok(json!(12));
    let answer =
        DownMessage::CallAnswered { node: Node::Device, place: place("now"), result: result.clone() };
    let (stream, said, _) = bench.cloud.say(&answer, Some(general), bench.now.moment);
    bench.hand(stream, said);
    bench.drain();
    assert!(bench.events.contains(&SmartEvent::CallEnded { call, result: Some(result) }));
    let unanswered = bench.device.call(Node::Device, place("now"), json!(null), bench.now).unwrap();
    bench.drain();
    for _ in 0..3 {
        bench.wait();
    }
    assert!(bench.events.contains(&SmartEvent::CallEnded { call: unanswered, result: None }));
}

// verifies: OSAP-7-01, OSAP-7-02, OSAP-7-03, OSAP-7-06, OSAP-7-07
#[test]
fn heartbeats_go_every_thirty_seconds_and_a_mute_server_is_left() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    assert_eq!(bench.cloud.keep_alives, [30]);
    for _ in 0..5 {
        assert_eq!(bench.wait(), Duration::from_secs(30));
        assert!(bench.device.is_online());
    }
    bench.cloud.is_mute = true;
    let mut waited = Duration::ZERO;
    while bench.device.is_online() {
        waited += bench.wait();
    }
    assert!(waited <= Duration::from_secs(45), "{waited:?}");
    assert_eq!(offline(&bench), [Offline::LinkLost]);
    bench.cloud.is_mute = false;
    bench.until_online();
}

#[test]
fn a_broken_link_is_renewed_four_times_within_the_run_then_a_new_run_comes() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    assert_eq!(bench.cloud.connects, [1]);
    bench.break_link();
    bench.until_online();
    assert_eq!((bench.cloud.runs.len(), &bench.cloud.connects[..]), (1, &[1, 2][..]), "conn_no rises");
    bench.is_reachable = false;
    bench.break_link();
    for _ in 0..4 {
        bench.wait();
    }
    assert!(
        bench.targets[3..].iter().all(|target| matches!(target, Target::Das { .. })),
        "{:?}",
        bench.targets
    );
    bench.wait();
    assert!(matches!(bench.targets.last(), Some(Target::Lbs { .. })), "{:?}", bench.targets);
    bench.is_reachable = true;
    bench.until_online();
    assert_eq!(bench.cloud.runs, [2, 4]);
    assert_eq!(bench.cloud.connects, [1, 2, 1], "a new epoch begins at 1");
}

// verifies: OSAP-5-45
#[test]
fn a_das_that_started_anew_sends_the_device_back_to_the_load_balancer() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    bench.cloud.restart_das();
    let stream = bench.stream.take().unwrap();
    bench.device.closed(stream, bench.now);
    bench.drain();
    bench.until_online();
    assert_eq!(offline(&bench), [Offline::LinkLost, Offline::Refused(0x9C)]);
    assert_eq!(bench.cloud.runs, [2, 4]);
}

#[test]
fn a_session_at_its_end_is_renewed_at_once() {
    let mut bench = Bench::with_psk();
    bench.cloud.session_secs = 100;
    bench.until_online();
    while bench.cloud.runs.len() < 2 {
        bench.wait();
    }
    bench.drain();
    assert_eq!(offline(&bench), [Offline::Expired]);
    assert!(bench.device.is_online());
    let over = bench.now.moment.since(super::bench::now().moment);
    assert!(over <= Duration::from_secs(101), "{over:?}");
}

#[test]
fn a_das_that_does_not_greet_is_left_and_hears_nothing() {
    let mut bench = Bench::with_psk();
    bench.cloud.greets = false;
    bench.raise("secret");
    assert!(!bench.device.is_online());
    assert_eq!(bench.wait(), Duration::from_secs(10));
    assert_eq!(offline(&bench), [Offline::NotGenuine]);
    assert!(bench.cloud.heard.is_empty());
    bench.cloud.greets = true;
    bench.until_online();
    assert_eq!(bench.taken_events(), ["secret"]);
}

#[test]
fn a_greeting_that_is_not_genuine_ends_the_connection() {
    let mut bench = Bench::with_psk();
    bench.cloud.greets = false;
    bench.drain();
    let topic = format!("/iot/{}/global/0-global/basic/session/greeting", "T12345678");
    let (stream, said) = bench.cloud.forge(&topic, &[0x5A; 90], bench.now.moment);
    bench.hand(stream, said);
    bench.drain();
    assert_eq!(offline(&bench), [Offline::NotGenuine]);
}

#[test]
fn a_message_that_is_not_genuine_holds_no_acknowledgement_of_a_good_one_back() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    let topic = "/iot/T12345678/global/0-global/model/service/operate/Lock/open";
    let (stream, said) = bench.cloud.forge(topic, &[0x10; 60], bench.now.moment);
    bench.hand(stream, said);
    bench.drain();
    assert_eq!(bench.cloud.acknowledged, 0);
    bench.say(&DownMessage::Set { node: Node::Device, place: place("volume"), value: json!(3) });
    assert_eq!(bench.cloud.acknowledged, 1, "the good one alone");
    assert!(bench.device.is_online());
}

#[test]
fn the_third_message_that_is_not_genuine_ends_the_connection() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    let topic = "/iot/T12345678/global/0-global/model/service/operate/Lock/open";
    for n in 1..=3 {
        let (stream, said) = bench.cloud.forge(topic, &[0x10; 60], bench.now.moment);
        bench.hand(stream, said);
        bench.drain();
        assert_eq!(bench.device.is_online(), n < 3);
    }
    assert!(bench.orders.is_empty());
    assert_eq!(offline(&bench), [Offline::NotGenuine]);
}

#[test]
fn a_refusal_without_end_does_not_make_the_device_run_in_circles() {
    let mut bench = Bench::with_psk();
    bench.cloud.refuses_with = Some(ReasonCode(0x9C));
    bench.drain();
    let mut waits = Vec::new();
    for _ in 0..6 {
        waits.push(bench.wait());
    }
    assert!(waits.iter().all(|wait| *wait >= Duration::from_secs(1)), "{waits:?}");
    assert!(waits[5] > waits[0], "{waits:?}");
}

// verifies: OSAP-6-08, OSAP-6-17
#[test]
fn a_device_that_is_switched_off_says_so() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    bench.device.power_off(bench.now);
    bench.drain();
    assert_eq!(bench.cloud.farewells, 1);
    assert_eq!(bench.device.next_deadline(), None);
    assert_eq!(bench.stream, None);
    let late = bench.device.raise(Node::Device, place("opened"), json!(1), bench.now);
    assert_eq!(late, Err(NotTaken::Off));
    assert_eq!(serial(), *bench.device.serial());
}

#[test]
fn what_is_too_large_is_not_taken() {
    let mut bench = Bench::with_psk();
    bench.until_online();
    let large = json!("a".repeat(70_000));
    let refused = bench.device.set_attribute(Node::Device, place("volume"), large.clone(), bench.now);
    assert_eq!(refused, Err(NotTaken::TooLarge));
    assert_eq!(
        bench.device.raise(Node::Device, place("opened"), large.clone(), bench.now),
        Err(NotTaken::TooLarge)
    );
    bench.answers = None;
    bench.say(&DownMessage::Query { node: Node::Device, place: place("volume") });
    let number = bench.orders[0].number;
    assert_eq!(bench.device.answer(number, Ok(large), bench.now), Err(NotTaken::TooLarge));
    bench.drain();
    let (_, message) = bench.cloud.heard.last().unwrap();
    assert!(matches!(message, UpMessage::Answered { result: Err(_), .. }), "the platform learns of it");
}
