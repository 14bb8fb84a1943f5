//! The key spaces of grants: the record once, and two indexes that are written with it.

use model::Uuid;
use store::{Key, Range, Space};

use crate::party::Party;

/// Grants by thing and id.
const GRANT: Space = Space(0x50);
/// The thing of a grant, by the grant's id.
const BY_ID: Space = Space(0x59);
/// Grants by party, thing and id; the values are empty.
const BY_PARTY: Space = Space(0x5a);

pub(crate) fn grant_key(thing: Uuid, id: Uuid) -> Key {
    Key::new(GRANT, [thing.0, id.0].concat())
}

pub(crate) fn by_id(id: Uuid) -> Key {
    Key::new(BY_ID, id.0)
}

/// What stands before the thing in the name of an index entry: no party's is the beginning of another's.
pub(crate) fn party_prefix(party: &Party) -> Vec<u8> {
    let bytes = party.to_bytes();
    let size = u8::try_from(bytes.len()).expect("names of parties are at most 64 bytes");
    [&[size], &bytes[..]].concat()
}

pub(crate) fn by_party(party: &Party, thing: Uuid, id: Uuid) -> Key {
    Key::new(BY_PARTY, [&party_prefix(party)[..], &thing.0, &id.0].concat())
}

/// Index entries of `party` behind everything about `after`.
pub(crate) fn of_party(party: &Party, after: Option<Uuid>, limit: usize) -> Range {
    let prefix = party_prefix(party);
    let after = after.map(|thing| [&prefix[..], &thing.0, &[0xff; 16]].concat());
    Range { space: BY_PARTY, prefix, after, limit }
}

/// Grants of one thing behind `after`.
pub(crate) fn of_thing(thing: Uuid, after: Option<Uuid>, limit: usize) -> Range {
    let after = after.map(|id| [thing.0, id.0].concat());
    Range { space: GRANT, prefix: thing.0.to_vec(), after, limit }
}

/// Every grant behind the name `after`.
pub(crate) fn everything(after: Option<Vec<u8>>, limit: usize) -> Range {
    Range { space: GRANT, prefix: Vec::new(), after, limit }
}

/// Thing and id in the name of a grant.
pub(crate) fn ids_of(name: &[u8]) -> Option<(Uuid, Uuid)> {
    let (thing, id) = name.split_first_chunk::<16>()?;
    Some((Uuid(*thing), Uuid(id.try_into().ok()?)))
}

/// Thing and id of the grant in the name of an index entry.
pub(crate) fn indexed_of(name: &[u8], party: &Party) -> Option<(Uuid, Uuid)> {
    ids_of(name.strip_prefix(&party_prefix(party)[..])?)
}
