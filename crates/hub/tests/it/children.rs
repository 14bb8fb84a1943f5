//! Sub-devices: what a gateway tells, what the owner decides, and who may speak for whom.

use hub::{
    Adopt, Binding, CHILD_COUNT_MAX, ChildState, ChildView, DECLINED_COUNT_MAX, Decline, FindThing,
    ListChildren, Refusal, RemoveThing, TellChildren, ThingModel, ToldChild,
};
use model::Uuid;
use serde_json::json;

use crate::house::{House, LOCK, lock_json};

const LAMP: Uuid = Uuid([9; 16]);
const OTHER_HUB: Uuid = Uuid([8; 16]);

fn told(serial: &str, is_connected: bool) -> ToldChild {
    ToldChild { serial: serial.into(), is_connected }
}

fn tell(house: &House, hub: Uuid, told: &[ToldChild]) -> Result<Vec<(String, Uuid)>, Refusal> {
    house.run(&TellChildren { hub, told: told.to_vec() })
}

fn adopt(house: &House, hub: Uuid, serial: &str, id: Uuid) -> Result<(), Refusal> {
    let model = ThingModel::new(json!({"title": "Lamp", "properties": {"on": {"type": "boolean"}}})).unwrap();
    let adopt = Adopt { hub, serial: serial.into(), id, model, origin: house.origin() };
    house.run(&adopt).map(|_| ())
}

fn decline(house: &House, serial: &str) -> Result<(), Refusal> {
    house.run(&Decline { hub: LOCK, serial: serial.into(), origin: house.origin() })
}

fn list(house: &House, hub: Uuid) -> Vec<ChildView> {
    house.run(&ListChildren { hub }).unwrap()
}

fn states(house: &House) -> Vec<(String, ChildState)> {
    list(house, LOCK).into_iter().map(|view| (view.serial, view.state)).collect()
}

// verifies: OSAP-2.1.8-02
#[test]
fn a_sub_device_waits_until_the_owner_makes_a_thing_of_it() {
    let house = House::new();
    assert_eq!(tell(&house, LOCK, &[told("C-1", true), told("C-2", false)]), Ok(vec![]));
    let waiting = list(&house, LOCK);
    assert_eq!(waiting.len(), 2);
    assert!(waiting.iter().all(|view| view.state == ChildState::Waiting && view.is_told));
    assert!(waiting[0].is_connected && !waiting[1].is_connected);
    adopt(&house, LOCK, "C-1", LAMP).unwrap();
    assert_eq!(adopt(&house, LOCK, "C-1", Uuid([3; 16])), Err(Refusal::Exists));
    assert_eq!(states(&house)[0], ("C-1".into(), ChildState::Adopted(LAMP)));
    let again = tell(&house, LOCK, &[told("C-1", false), told("C-2", false)]);
    assert_eq!(again, Ok(vec![("C-1".into(), LAMP)]));
    // What the gateway tells of no more is no offer, and what it never told of cannot be adopted.
    assert_eq!(tell(&house, LOCK, &[]), Ok(vec![]));
    let views = list(&house, LOCK);
    assert_eq!(views.len(), 1);
    assert!(!views[0].is_told && !views[0].is_connected);
    assert_eq!(adopt(&house, LOCK, "C-2", Uuid([3; 16])), Err(Refusal::NoSuchName));
    assert!(house.audit().contains("things.adopt root done"));
    // Its thing is removed like any other, and the sub-device waits again.
    house.run(&RemoveThing { thing: LAMP, origin: house.origin() }).unwrap();
    assert_eq!(tell(&house, LOCK, &[told("C-1", true)]), Ok(vec![]));
    assert_eq!(states(&house), [("C-1".into(), ChildState::Waiting)]);
}

// verifies: OSAP-2.1.8-02
#[test]
fn a_refused_sub_device_stays_refused_until_the_owner_adopts_it() {
    let house = House::new();
    assert_eq!(decline(&house, "C-1"), Err(Refusal::NoSuchName));
    tell(&house, LOCK, &[told("C-1", true)]).unwrap();
    decline(&house, "C-1").unwrap();
    decline(&house, "C-1").unwrap();
    for all in [vec![], vec![told("C-1", true)]] {
        tell(&house, LOCK, &all).unwrap();
        assert_eq!(states(&house), [("C-1".into(), ChildState::Declined)]);
    }
    adopt(&house, LOCK, "C-1", LAMP).unwrap();
    assert_eq!(decline(&house, "C-1"), Err(Refusal::Exists), "its thing is removed first");
    house.run(&RemoveThing { thing: LAMP, origin: house.origin() }).unwrap();
    assert_eq!(states(&house), [("C-1".into(), ChildState::Waiting)]);
}

// verifies: OSAP-2.1.8-02
#[test]
fn a_gateway_speaks_for_its_own_sub_devices_alone() {
    let house = House::new();
    house.add(OTHER_HUB, "D2", lock_json()).unwrap();
    tell(&house, LOCK, &[told("C-1", true)]).unwrap();
    adopt(&house, LOCK, "C-1", LAMP).unwrap();
    // The same serial behind another gateway is another device, and a serial of a gateway names none.
    let forged = [told("C-1", true), told("D1", true)];
    assert_eq!(tell(&house, OTHER_HUB, &forged), Ok(vec![]));
    assert!(list(&house, OTHER_HUB).iter().all(|view| view.state == ChildState::Waiting));
    let of = |hub| house.run(&FindThing { binding: Binding::Child { hub, serial: "C-1".into() } });
    assert_eq!((of(LOCK), of(OTHER_HUB)), (Ok(Some(LAMP)), Ok(None)));
    adopt(&house, OTHER_HUB, "D1", Uuid([3; 16])).unwrap();
    assert_eq!(house.run(&FindThing { binding: house.binding_of("D1") }), Ok(Some(LOCK)));
}

// verifies: OSAP-2.1.8-02
#[test]
fn offers_and_refusals_are_bounded() {
    let house = House::new();
    let many = |range: std::ops::Range<usize>| -> Vec<ToldChild> {
        range.map(|number| told(&format!("C-{number:03}"), true)).collect()
    };
    assert_eq!(tell(&house, LOCK, &many(0..CHILD_COUNT_MAX + 1)), Err(Refusal::Full));
    assert_eq!(tell(&house, LOCK, &[told("global", true)]), Err(Refusal::BadBinding));
    assert_eq!(tell(&house, Uuid([1; 16]), &many(0..1)), Err(Refusal::NotHere));
    assert_eq!(list(&house, LOCK), []);
    tell(&house, LOCK, &many(0..CHILD_COUNT_MAX)).unwrap();
    for child in many(0..CHILD_COUNT_MAX) {
        decline(&house, &child.serial).unwrap();
    }
    // Others in their place: the refused stay, and one more is not kept.
    tell(&house, LOCK, &many(100..100 + CHILD_COUNT_MAX)).unwrap();
    assert_eq!(list(&house, LOCK).len(), CHILD_COUNT_MAX + DECLINED_COUNT_MAX);
    assert_eq!(decline(&house, "C-100"), Err(Refusal::Full));
    for number in 0..CHILD_COUNT_MAX {
        let id = Uuid([u8::try_from(number).unwrap() + 100; 16]);
        adopt(&house, LOCK, &format!("C-{}", 100 + number), id).unwrap();
    }
    tell(&house, LOCK, &many(200..201)).unwrap();
    assert_eq!(adopt(&house, LOCK, "C-200", LAMP), Err(Refusal::Full));
    // The gateway goes: nothing of what it told stays.
    house.run(&RemoveThing { thing: LOCK, origin: house.origin() }).unwrap();
    assert_eq!(house.run(&ListChildren { hub: LOCK }), Err(Refusal::NotHere));
    assert_eq!(house.record_counts()[0xe], 0);
}
