//! The key spaces of things. Whatever belongs to one thing starts with its UUID, so that it can be erased.

use model::Uuid;
use store::{Key, Range, Space};

use crate::history::SAMPLES_MAX;
use crate::model::{AffordanceKind, Place};
use crate::thing::Binding;

/// Things by UUID.
pub(crate) const THING: Space = Space(0x51);
/// Models: whole under the UUID; each affordance under its kind and name; names under kind and place.
pub(crate) const MODEL: Space = Space(0x52);
/// Last values by UUID and property.
pub(crate) const VALUE: Space = Space(0x53);
/// Desired values by UUID and property.
pub(crate) const DESIRED: Space = Space(0x54);
/// Operations by UUID and number; under the UUID alone the head.
pub(crate) const OPERATION: Space = Space(0x55);
/// Events by UUID and number; under the UUID alone the head.
pub(crate) const EVENT: Space = Space(0x56);
/// Numbers of kept events by UUID and the event's own id.
pub(crate) const EVENT_ID: Space = Space(0x57);
/// Values that were reported, by UUID, property and place in its ring.
pub(crate) const HISTORY: Space = Space(0x5d);
/// Things by what they are bound to.
const BINDING: Space = Space(0x58);
/// Sub-devices that a gateway told of, by the gateway's UUID and their serial.
pub(crate) const CHILD: Space = Space(0x5e);

/// Spaces whose names start with the UUID of the thing they belong to.
pub(crate) const OF_ONE_THING: [Space; 8] =
    [MODEL, VALUE, DESIRED, OPERATION, EVENT, EVENT_ID, HISTORY, CHILD];

pub(crate) fn thing_key(thing: Uuid) -> Key {
    Key::new(THING, thing.0)
}

pub(crate) fn model_key(thing: Uuid) -> Key {
    Key::new(MODEL, thing.0)
}

pub(crate) fn affordance_key(thing: Uuid, kind: AffordanceKind, name: &str) -> Key {
    let mark: &[u8] = match kind {
        AffordanceKind::Property => b"p",
        AffordanceKind::Action => b"a",
        AffordanceKind::Event => b"e",
    };
    Key::new(MODEL, [&thing.0[..], mark, clipped(name)].concat())
}

pub(crate) fn place_key(thing: Uuid, kind: AffordanceKind, place: &Place) -> Key {
    let mark: &[u8] = match kind {
        AffordanceKind::Property => b"P",
        AffordanceKind::Action => b"A",
        AffordanceKind::Event => b"E",
    };
    let Place { resource, area, identifier } = place;
    let path = [clipped(resource), &[0], clipped(area), &[0], clipped(identifier)].concat();
    Key::new(MODEL, [&thing.0[..], mark, &path].concat())
}

/// Names come from peers: one that is longer than any stored name is looked up, and absent, by its beginning
/// and a byte that no name has.
fn clipped(name: &str) -> &[u8] {
    if name.len() <= crate::model::NAME_SIZE_MAX { name.as_bytes() } else { b"\xff" }
}

pub(crate) fn named_key(space: Space, thing: Uuid, name: &str) -> Key {
    Key::new(space, [&thing.0[..], clipped(name)].concat())
}

pub(crate) fn head_key(space: Space, thing: Uuid) -> Key {
    Key::new(space, thing.0)
}

pub(crate) fn numbered_key(space: Space, thing: Uuid, number: u64) -> Key {
    Key::new(space, [&thing.0[..], &number.to_be_bytes()].concat())
}

pub(crate) fn number_of(key: &Key) -> Option<u64> {
    key.name.get(16..)?.try_into().ok().map(u64::from_be_bytes)
}

pub(crate) fn name_of(key: &Key) -> Option<&str> {
    std::str::from_utf8(key.name.get(16..)?).ok()
}

/// Records of one thing behind its head, or behind `after`.
pub(crate) fn numbered(space: Space, thing: Uuid, after: Option<u64>, limit: usize) -> Range {
    let after = after.map_or_else(|| thing.0.to_vec(), |number| numbered_key(space, thing, number).name);
    Range { space, prefix: thing.0.to_vec(), after: Some(after), limit }
}

/// Everything of one thing in `space`.
pub(crate) fn all_of(space: Space, thing: Uuid, limit: usize) -> Range {
    Range { space, prefix: thing.0.to_vec(), after: None, limit }
}

fn ring(thing: Uuid, name: &str) -> Vec<u8> {
    // No name has a byte 0.
    [&thing.0[..], clipped(name), &[0]].concat()
}

/// The place of a value in the ring of its property.
pub(crate) fn sample_key(thing: Uuid, name: &str, version: u64) -> Key {
    let place = u8::try_from(version % SAMPLES_MAX as u64).expect("it is below 256");
    Key::new(HISTORY, [ring(thing, name), vec![place]].concat())
}

/// All of the ring.
pub(crate) fn samples_of(thing: Uuid, name: &str) -> Range {
    Range { space: HISTORY, prefix: ring(thing, name), after: None, limit: SAMPLES_MAX }
}

/// The property of a record in a ring.
pub(crate) fn sampled_name(key: &Key) -> Option<&str> {
    let name = key.name.get(16..key.name.len().checked_sub(2)?)?;
    std::str::from_utf8(name).ok()
}

pub(crate) fn event_id_key(thing: Uuid, id: Uuid) -> Key {
    Key::new(EVENT_ID, [thing.0, id.0].concat())
}

pub(crate) fn binding_key(binding: &Binding) -> Key {
    let name = match binding {
        Binding::Osap { serial, .. } => [b"o", serial.as_bytes()].concat(),
        Binding::Mqtt { client } => [b"m", client.as_bytes()].concat(),
        Binding::Child { hub, serial } => [b"c", &hub.0[..], serial.as_bytes()].concat(),
    };
    Key::new(BINDING, name)
}

/// What a gateway said of a sub-device.
pub(crate) fn child_key(hub: Uuid, serial: &str) -> Key {
    Key::new(CHILD, [&hub.0[..], serial.as_bytes()].concat())
}

/// Sub-devices of a gateway that became things.
pub(crate) fn adopted(hub: Uuid, limit: usize) -> Range {
    Range { space: BINDING, prefix: [b"c", &hub.0[..]].concat(), after: None, limit }
}

/// The serial of a sub-device in the key of its thing.
pub(crate) fn adopted_serial(key: &Key) -> Option<&str> {
    std::str::from_utf8(key.name.get(17..)?).ok()
}

/// The version byte of values that are no records.
pub(crate) const FORMAT: u8 = 1;

pub(crate) fn versioned(bytes: &[u8]) -> Vec<u8> {
    [&[FORMAT], bytes].concat()
}

pub(crate) fn unversioned(stored: &[u8]) -> Result<&[u8], ledger::BadRecord> {
    stored.strip_prefix(&[FORMAT]).ok_or(ledger::BadRecord)
}
