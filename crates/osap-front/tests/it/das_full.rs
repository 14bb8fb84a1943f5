//! An owner that has no room for what it is told, for a while, and a device that has none for an order, ever.

use mqtt_proto::{ClientOutput, Publication, QoS};
use osap_front::Output;
use osap_front::das::{DasCommand, DasEvent, OfflineReason, OrderFailure};
use osap_proto::General;
use osap_things::{DownMessage, Node};
use serde_json::json;

use crate::das::{lock, order, report};
use crate::device::{Device, Talk};
use crate::world::{World, at, serial};

/// Reports on their way, with nobody looking at what comes of them yet.
fn say(world: &mut World, talk: &mut Talk, device: &mut Device, count: usize) -> Vec<General> {
    let mut said = Vec::new();
    for _ in 0..count {
        let general = device.general(at(2));
        let (topic, payload) = talk.seal(general, &report(true), at(2));
        let publication = Publication::new(&topic, &payload, QoS::AtLeastOnce).unwrap();
        talk.client.publish(publication, at(2).moment).unwrap();
        while let Some(ClientOutput::Transmit(bytes)) = talk.client.next_output() {
            world.das.receive(talk.line, &bytes, at(2));
        }
        said.push(general);
    }
    said
}

/// Drains what is put out; the owner refuses the first `refused` events and takes the others.
fn drain(world: &mut World, refused: usize) -> Vec<DasEvent> {
    let (mut left, mut taken) = (refused, Vec::new());
    while let Some(output) = world.das.next_output() {
        match output {
            Output::Event(event) if left > 0 => {
                left -= 1;
                world.das.refused(event, at(2));
            }
            Output::Event(event) => taken.push(event),
            Output::Transmit { .. } | Output::Close { .. } => {}
        }
    }
    taken
}

fn numbers(events: &[DasEvent]) -> Vec<General> {
    let of_report =
        |event: &DasEvent| if let DasEvent::Up { general, .. } = event { Some(*general) } else { None };
    events.iter().filter_map(of_report).collect()
}

#[test]
fn a_place_that_gets_free_while_one_is_refused_goes_to_no_later_event() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    world.told();
    let mut said = say(&mut world, &mut talk, &mut device, 3);
    assert_eq!(drain(&mut world, 1), [], "what is behind the refused one waits with it");
    said.extend(say(&mut world, &mut talk, &mut device, 1));
    assert_eq!(drain(&mut world, 0), [], "and what comes later behind them");
    world.das.expire(at(3));
    assert_eq!(drain(&mut world, 1), [], "offered again, and there is no room yet");
    assert!(world.das.next_deadline().is_some_and(|due| due <= at(3).moment), "it goes on");
    world.das.expire(at(3));
    assert_eq!(numbers(&drain(&mut world, 0)), said);
    said = say(&mut world, &mut talk, &mut device, 1);
    assert_eq!(numbers(&drain(&mut world, 0)), said, "nothing waits any more");
}

#[test]
fn of_too_many_that_wait_the_connection_of_the_newest_is_closed_and_its_end_is_told_last() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    world.told();
    let said = say(&mut world, &mut talk, &mut device, 6);
    assert_eq!(drain(&mut world, 1), []);
    world.das.expire(at(3));
    let told = drain(&mut world, 0);
    assert_eq!(numbers(&told), said[..4], "four may wait");
    let gone = DasEvent::Offline { serial: serial("T1"), reason: OfflineReason::Closed };
    assert_eq!((told.len(), told.last()), (5, Some(&gone)));
    assert_eq!(world.das.device_count(), 0);
}

#[test]
fn an_order_larger_than_the_device_takes_fails_and_those_behind_it_leave() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    device.limits.packet_size_max = 4096;
    let mut talk = world.connect(&mut device, at(1));
    world.told();
    let mut large = order(1, 60);
    large.message = DownMessage::Set { node: Node::Device, place: lock(), value: json!("x".repeat(5000)) };
    world.das.command(DasCommand::Order(large), at(2));
    world.das.command(DasCommand::Order(order(2, 60)), at(2));
    talk.turn(&mut world, at(2));
    let failed = DasEvent::OrderFailed {
        serial: serial("T1"),
        node: Node::Device,
        id: 1,
        why: OrderFailure::TooLarge,
    };
    assert_eq!(world.told(), [failed]);
    let heard: Vec<_> = talk.heard.iter().map(|got| &got.message).collect();
    assert_eq!(heard, [&order(2, 60).message]);
    let mut talk = world.connect(&mut device, at(3));
    talk.turn(&mut world, at(3));
    assert!(!world.told().iter().any(|event| matches!(event, DasEvent::OrderFailed { .. })), "told once");
}
