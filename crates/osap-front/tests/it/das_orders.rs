//! Orders of things that are removed and added again.

use osap_front::das::{DasCommand, DasEvent, DasOrder};
use osap_things::{DownMessage, Node, UpMessage};
use serde_json::json;

use crate::das::{lock, order};
use crate::world::{World, at, serial};

fn was_set(node: Node) -> UpMessage {
    UpMessage::WasSet { node, place: lock(), result: Ok(()) }
}

fn later(general: osap_proto::General) -> osap_proto::General {
    osap_proto::General { seq: general.seq, ts: general.ts + 5 }
}

#[test]
fn of_a_thing_that_is_no_more_nothing_is_sent_or_answered() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    for (id, until) in [(41, 60), (42, 3)] {
        world.das.command(DasCommand::Order(order(id, until)), at(2));
    }
    talk.turn(&mut world, at(2));
    let asked: Vec<_> = talk.heard.drain(..).map(|got| got.general).collect();
    world.das.expire(at(4));
    world.das.command(DasCommand::Forget { serial: serial("T1"), node: Node::Device }, at(5));
    talk.turn(&mut world, at(5));
    assert!(world.is_closed(talk.line));
    let mut talk = world.connect(&mut device, at(6));
    assert_eq!(talk.heard.len(), 0, "the order of the removed thing is not sent to the next one");
    world.told();
    for general in asked {
        talk.say(&mut world, later(general), &was_set(Node::Device), at(7));
    }
    assert_eq!(world.told(), [], "nor are answers to it and to a late one answers");
    assert_eq!(world.das.counters().stray, 2);
}

#[test]
fn a_sub_device_that_is_no_thing_any_more_is_forgotten_alone() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    let child = |name| Node::child(serial(name)).unwrap();
    for node in [Node::Device, child("C1"), child("C2")] {
        let message = DownMessage::Set { node, place: lock(), value: json!(true) };
        let order = DasOrder { message, ..*order(41, 60) };
        world.das.command(DasCommand::Order(Box::new(order)), at(2));
    }
    talk.turn(&mut world, at(2));
    world.told();
    let asked: Vec<_> = talk.heard.drain(..).map(|got| got.general).collect();
    world.das.command(DasCommand::Forget { serial: serial("T1"), node: child("C1") }, at(3));
    talk.turn(&mut world, at(3));
    assert!(!world.is_closed(talk.line), "the gateway stays");
    for (general, node) in asked.into_iter().zip([Node::Device, child("C1"), child("C2")]) {
        talk.say(&mut world, later(general), &was_set(node), at(4));
    }
    let answered: Vec<Node> = world
        .told()
        .into_iter()
        .map(|event| match event {
            DasEvent::Answered { result, .. } => result.node,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(answered, [Node::Device, child("C2")]);
}

#[test]
fn another_order_of_the_same_number_is_another_order() {
    let mut world = World::new();
    let mut device = world.ready_device("T1", at(0));
    let mut talk = world.connect(&mut device, at(1));
    world.told();
    let set = |value| {
        let message = DownMessage::Set { node: Node::Device, place: lock(), value: json!(value) };
        DasOrder { message, ..*order(41, 60) }
    };
    for value in [true, true, false] {
        world.das.command(DasCommand::Order(Box::new(set(value))), at(2));
        talk.turn(&mut world, at(2));
    }
    let heard: Vec<_> = talk.heard.iter().map(|got| got.message.clone()).collect();
    assert_eq!(heard.first(), Some(&set(true).message));
    assert_eq!(heard.last(), Some(&set(false).message), "the new one is sent, not the old one again");
    let (first, last) = (talk.heard[0].general, talk.heard[talk.heard.len() - 1].general);
    talk.say(&mut world, later(first), &was_set(Node::Device), at(3));
    assert_eq!(world.told(), [], "the answer to the old one is none to the new one");
    talk.say(&mut world, later(last), &was_set(Node::Device), at(3));
    assert!(matches!(&world.told()[..], [DasEvent::Answered { result, .. }] if result.id == 41));
}
