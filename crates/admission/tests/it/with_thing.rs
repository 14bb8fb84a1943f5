//! A device and its thing come and go in one commit.

use admission::*;
use hub::{AddThing, Binding, Marks, OsapMode, ReadThing, Refusal, RemoveThing, ThingModel};
use model::Uuid;
use osap_proto::*;
use serde_json::json;

use crate::world::*;

fn add(world: &World, id: Uuid, credentials: Credentials) -> AddWithThing {
    let origin = world.origin();
    let model = ThingModel::new(json!({"title": "Camera"})).unwrap();
    let binding = Binding::Osap { serial: "T12345678".into(), mode: OsapMode::Serial };
    AddWithThing {
        add: AddThing { id, model, binding, marks: Marks::default(), origin: origin.clone() },
        enrol: Enrol { serial: camera(), mode: Mode::Serial, credentials, thing: Some(id), origin },
    }
}

fn has_thing(world: &World, id: Uuid) -> bool {
    world.run(&ReadThing { thing: id, party: hub::Party::Owner }).is_ok()
}

fn record(world: &World) -> Option<AdmittedDevice> {
    world.run(&ReadDevice { serial: camera() }).unwrap()
}

#[test]
fn a_device_and_its_thing_are_added_together_or_not_at_all() {
    let world = World::new();
    let refused = world.run(&add(&world, THING, Credentials::default()));
    assert_eq!(refused, Err(NotAdded::Credential(NoCredential::None)));
    assert!(!has_thing(&world, THING) && record(&world).is_none());
    assert_eq!(world.audit(), [], "nothing was written");
    let added = world.run(&add(&world, THING, label())).unwrap();
    assert_eq!((added.id, record(&world).unwrap().thing), (THING, Some(THING)));
    let mut said = world.audit();
    said.sort_unstable();
    assert_eq!(said, [("device.admit".to_owned(), Some(THING)), ("things.add".to_owned(), Some(THING))]);
    let again = world.run(&add(&world, Uuid([9; 16]), factory_key()));
    assert_eq!(again, Err(NotAdded::Thing(Refusal::Exists)), "one thing for a device");
    assert!(!record(&world).unwrap().allowed.psk, "nothing is put over the record of a thing");
}

// verifies: TS-M19
#[test]
fn ts_m19_what_was_left_of_an_earlier_thing_goes_with_its_tickets() {
    let world = World::with(factory_key());
    let generation = world.look_up().generation;
    world.complete(Claim::Psk, 3, generation);
    assert!(record(&world).unwrap().has_ticket);
    world.run(&add(&world, THING, label())).unwrap();
    let now = record(&world).unwrap();
    assert_eq!(now.allowed, AllowedKinds { code: true, psk: false, key_pair: false });
    assert_eq!((now.has_ticket, now.devid, now.last_admitted), (false, None, None));
    let late = world.complete(Claim::Psk, 4, generation);
    assert_eq!(late.outcome, Committed::LostRace, "a run that began before ends without effect");
}

// verifies: TS-M19
#[test]
fn ts_m19_a_removed_thing_leaves_no_ticket_of_its_device_behind() {
    let world = World::new();
    world.run(&add(&world, THING, factory_key())).unwrap();
    let generation = world.look_up().generation;
    world.complete(Claim::Psk, 3, generation);
    let remove = RemoveWithThing(RemoveThing { thing: THING, origin: world.origin() });
    assert!(matches!(world.run(&remove), Ok(Binding::Osap { .. })));
    assert!(!has_thing(&world, THING) && record(&world).is_none());
    let ticket = world.complete(Claim::Ticket([3; 16]), 4, generation);
    assert_eq!(ticket.outcome, Committed::LostRace, "its ticket proves nothing");
    let said: Vec<String> = world.audit().into_iter().map(|(operation, _)| operation).collect();
    for expected in ["things.remove", "device.dismiss"] {
        assert_eq!(said.iter().filter(|one| *one == expected).count(), 1, "{expected}");
    }
    let remove = RemoveWithThing(RemoveThing { thing: THING, origin: world.origin() });
    assert_eq!(world.run(&remove), Err(Refusal::NotHere));
}

#[test]
fn the_record_says_when_the_device_was_admitted_last() {
    let mut world = World::with(factory_key());
    assert_eq!(record(&world).unwrap().last_admitted, None);
    let generation = world.look_up().generation;
    world.millis += 5000;
    world.complete(Claim::Psk, 3, generation);
    let at = record(&world).unwrap().last_admitted.unwrap();
    assert_eq!(at.as_unix_millis(), START_MILLIS + 5000);
}
