//! Orders: their queue, their limits, their ends.

use assure_proto::ChannelId;
use management::{
    Command, GeneratedKind, KeyKind, NotPlaced, ORDER_COUNT_MAX, OrderState, Outcome, PlaceOrder, ReadOrder,
    Registrant, TAKEN_COUNT_MAX,
};

use crate::world::{Device, World};

fn place(world: &mut World, device: &Device, command: Command) -> Result<u64, NotPlaced> {
    let (by, deadline, origin) = (Registrant::Operator, world.in_secs(30), world.origin());
    world.run(&PlaceOrder { device: device.uuid, by, command, deadline, origin })
}

fn state(world: &World, device: &Device, number: u64) -> OrderState {
    let read = ReadOrder { device: device.uuid, number, by: Registrant::Operator };
    world.run(&read).unwrap().unwrap().state
}

fn answered(code: u8) -> Outcome {
    Outcome::Answered { code, payload: Vec::new() }
}

#[test]
fn orders_are_given_in_their_order_and_settled_once() {
    let mut world = World::new(50);
    let device = world.in_service(KeyKind::Ec);
    let first = place(&mut world, &device, Command::ReadInfo).unwrap();
    let second = place(&mut world, &device, Command::Reboot).unwrap();
    let due = world.take(&device);
    let numbers: Vec<_> = due.iter().map(|order| order.number).collect();
    assert_eq!(numbers, [first, second]);
    assert_eq!(due[1].command, Command::Reboot);
    assert!(world.settle(&device, first, answered(0x45)));
    assert!(!world.settle(&device, first, Outcome::NoAnswer), "the first end stands");
    assert_eq!(state(&world, &device, first), OrderState::Done { outcome: answered(0x45) });
    assert!(world.take(&device).is_empty(), "a reboot is not sent twice");
    assert!(!world.settle(&device, 99, answered(0x45)), "no such order");
}

#[test]
fn what_may_be_repeated_is_given_again_to_a_new_taker() {
    let mut world = World::new(51);
    let device = world.in_service(KeyKind::Ec);
    let again = place(&mut world, &device, Command::ListKeys).unwrap();
    let generate = Command::GenerateKey { kind: GeneratedKind::P256, persistent: true };
    let once = place(&mut world, &device, generate).unwrap();
    assert_eq!(world.take(&device).len(), 2);
    let numbers: Vec<_> = world.take(&device).iter().map(|order| order.number).collect();
    assert_eq!(numbers, [again]);
    world.set_clock(30);
    assert_eq!(state(&world, &device, once), OrderState::Done { outcome: Outcome::NoAnswer });
    assert!(world.take(&device).is_empty());
}

#[test]
fn late_orders_are_not_sent() {
    let mut world = World::new(52);
    let device = world.in_service(KeyKind::Ec);
    let order = place(&mut world, &device, Command::Shutdown).unwrap();
    world.set_clock(29);
    assert_eq!(state(&world, &device, order), OrderState::Waiting);
    world.set_clock(30);
    assert_eq!(state(&world, &device, order), OrderState::Done { outcome: Outcome::Late });
    assert!(world.take(&device).is_empty());
    assert!(!world.settle(&device, order, answered(0x44)));
    let deadline = world.utc();
    let (by, origin) = (Registrant::Operator, world.origin());
    let past = PlaceOrder { device: device.uuid, by, command: Command::Reboot, deadline, origin };
    assert_eq!(world.run(&past), Err(NotPlaced::Late));
}

#[test]
fn a_full_queue_refuses_and_done_orders_make_room() {
    let mut world = World::new(53);
    let device = world.in_service(KeyKind::Ec);
    for _ in 0..ORDER_COUNT_MAX {
        assert!(place(&mut world, &device, Command::ReadInfo).is_ok());
    }
    assert_eq!(place(&mut world, &device, Command::ReadInfo), Err(NotPlaced::Full));
    let due = world.take(&device);
    assert_eq!(due.len(), TAKEN_COUNT_MAX);
    assert!(world.settle(&device, due[0].number, answered(0x45)));
    assert!(place(&mut world, &device, Command::ReadInfo).is_ok());
    assert_eq!(place(&mut world, &device, Command::ReadInfo), Err(NotPlaced::Full));
    world.set_clock(60);
    for _ in 0..3 * ORDER_COUNT_MAX {
        place(&mut world, &device, Command::ReadInfo).unwrap();
        let due = world.take(&device);
        assert!(world.settle(&device, due[0].number, answered(0x45)));
    }
    let oldest = ReadOrder { device: device.uuid, number: 0, by: Registrant::Operator };
    assert_eq!(world.run(&oldest), Ok(None), "the oldest are forgotten");
}

#[test]
fn only_well_formed_orders_for_ones_own_devices_are_taken() {
    let mut world = World::new(54);
    let (device, stranger) = (world.in_service(KeyKind::Ec), world.device(KeyKind::Ec));
    assert_eq!(place(&mut world, &stranger, Command::Reboot), Err(NotPlaced::NotOurs));
    let (by, deadline, origin) = (Registrant::User("ann".into()), world.in_secs(9), world.origin());
    let foreign = PlaceOrder { device: device.uuid, by, command: Command::Reboot, deadline, origin };
    assert_eq!(world.run(&foreign), Err(NotPlaced::NotOurs), "the operator registered it");
    let id = model::KeyId([1; 16]);
    let definition = assure_proto::ChannelDefinition {
        local_key: id,
        peer_key: None,
        persistent_across_reboots: false,
        open_immediately: false,
        privileges: assure_proto::Privileges::NONE,
        further_flags: Vec::new(),
        address: world.address(),
    };
    let assigned = ChannelId::FIRST_ASSIGNED;
    for malformed in [
        Command::Ping { payload: vec![0; 65] },
        Command::PutKey { id, key: crypto::Secret::from(&[0x80][..]) },
        Command::PutChannel { id: assigned, definition },
    ] {
        assert_eq!(place(&mut world, &device, malformed), Err(NotPlaced::Malformed));
    }
    assert!(world.take(&device).is_empty());
}

#[test]
fn orders_of_a_device_that_left_are_withdrawn() {
    let mut world = World::new(55);
    let device = world.in_service(KeyKind::Ec);
    let order = place(&mut world, &device, Command::Reboot).unwrap();
    let leave = management::Leave { device: device.uuid, to: None, origin: world.origin() };
    world.run(&leave).unwrap();
    let standing = management::Standing::Gone;
    let known = management::StandingKnown { device: device.uuid, standing, origin: world.origin() };
    world.run(&known).unwrap();
    assert!(world.take(&device).is_empty());
    assert_eq!(state(&world, &device, order), OrderState::Done { outcome: Outcome::Withdrawn });
}

#[test]
fn planned_orders_never_hide_behind_those_that_are_done() {
    let mut world = World::new(56);
    let (hub, mut leaf) = (world.in_service(KeyKind::SharedSecret), world.in_service(KeyKind::SharedSecret));
    let mut hub = hub;
    for _ in 0..150 {
        let shape = management::Shape::Star;
        crate::links::plan(&mut world, shape, &[&hub, &leaf], Vec::new()).unwrap();
        assert_eq!(
            world.carry_out(&mut hub).iter().filter(|c| matches!(c, Command::PutChannel { .. })).count(),
            1
        );
        assert!(!world.take(&leaf).is_empty(), "the newest order is seen");
        let leave = management::Leave { device: leaf.uuid, to: None, origin: world.origin() };
        world.run(&leave).unwrap();
        let standing = management::Standing::Gone;
        let known = management::StandingKnown { device: leaf.uuid, standing, origin: world.origin() };
        world.run(&known).unwrap();
        leaf = world.in_service(KeyKind::SharedSecret);
    }
}
