//! Changes as bytes, to be made again after a crash.
//!
//! ```text
//! 1, then each write:  0 | key              delete
//!                      1 | key | value      put
//! 2 | space | name | each value              append
//! 3 | space | name | position (8)            trim
//! ```
//! Keys (space and name), names and values stand behind their lengths (4 bytes); numbers are little-endian.

use std::borrow::Cow;

use redb::WriteTransaction;
use store::{Key, Position, Space, Write};

use crate::journal::{append, trim};
use crate::layout::{key_of, stored_key};
use crate::table::put_all;

const WRITES: u8 = 1;
const APPEND: u8 = 2;
const TRIM: u8 = 3;
const DELETE: u8 = 0;
const PUT: u8 = 1;
const LENGTH_SIZE: usize = 4;

/// One change of the store, as it is repeated after a crash: what it depended on was checked before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// Records are written, as one version.
    Writes(Cow<'a, [Write]>),
    /// Entries are appended to a journal.
    Append { space: Space, name: Cow<'a, [u8]>, values: Cow<'a, [Vec<u8>]> },
    /// Entries before a position are dropped.
    Trim { space: Space, name: Cow<'a, [u8]>, before: Position },
}

impl Change<'_> {
    /// How many bytes [`Change::encode`] gives.
    pub(crate) fn size(&self) -> usize {
        let of_write = |write: &Write| match write {
            Write::Put(key, value) => 1 + 2 * LENGTH_SIZE + 1 + key.name.len() + value.len(),
            Write::Delete(key) => 1 + LENGTH_SIZE + 1 + key.name.len(),
        };
        1 + match self {
            Self::Writes(writes) => writes.iter().map(of_write).sum(),
            Self::Append { name, values, .. } => {
                let of_values: usize = values.iter().map(|value| LENGTH_SIZE + value.len()).sum();
                1 + LENGTH_SIZE + name.len() + of_values
            }
            Self::Trim { name, .. } => 1 + LENGTH_SIZE + name.len() + 8,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size());
        match self {
            Self::Writes(writes) => {
                out.push(WRITES);
                for write in writes.iter() {
                    match write {
                        Write::Put(key, value) => {
                            out.push(PUT);
                            put(&mut out, &stored_key(key.space, &key.name));
                            put(&mut out, value);
                        }
                        Write::Delete(key) => {
                            out.push(DELETE);
                            put(&mut out, &stored_key(key.space, &key.name));
                        }
                    }
                }
            }
            Self::Append { space, name, values } => {
                out.extend([APPEND, space.0]);
                put(&mut out, name);
                values.iter().for_each(|value| put(&mut out, value));
            }
            Self::Trim { space, name, before } => {
                out.extend([TRIM, space.0]);
                put(&mut out, name);
                out.extend(before.0.to_le_bytes());
            }
        }
        debug_assert_eq!(out.len(), self.size(), "room was asked for so many bytes");
        out
    }

    /// Reads what [`Change::encode`] gave; `None` for anything else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Change<'static>> {
        let (kind, mut rest) = bytes.split_first()?;
        match *kind {
            WRITES => {
                let mut writes = Vec::new();
                while !rest.is_empty() {
                    writes.push(take_write(&mut rest)?);
                }
                Some(Change::Writes(writes.into()))
            }
            APPEND => {
                let (space, name) = take_journal(&mut rest)?;
                let mut values = Vec::new();
                while !rest.is_empty() {
                    values.push(take(&mut rest)?.to_vec());
                }
                Some(Change::Append { space, name: name.into(), values: values.into() })
            }
            TRIM => {
                let (space, name) = take_journal(&mut rest)?;
                let before = Position(u64::from_le_bytes(rest.try_into().ok()?));
                Some(Change::Trim { space, name: name.into(), before })
            }
            _ => None,
        }
    }

    /// Makes the change.
    pub(crate) fn make(&self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        match self {
            Self::Writes(writes) => put_all(transaction, writes).map(drop),
            Self::Append { space, name, values } => append(transaction, *space, name, values).map(drop),
            Self::Trim { space, name, before } => trim(transaction, *space, name, *before).map(drop),
        }
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("sizes of names and values were checked");
    out.extend(length.to_le_bytes());
    out.extend_from_slice(bytes);
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, behind) = rest.split_first_chunk::<LENGTH_SIZE>()?;
    let (taken, behind) = behind.split_at_checked(u32::from_le_bytes(*length).try_into().ok()?)?;
    *rest = behind;
    Some(taken)
}

fn take_key(rest: &mut &[u8]) -> Option<Key> {
    key_of(take(rest)?)
}

fn take_write(rest: &mut &[u8]) -> Option<Write> {
    let (kind, behind) = rest.split_first()?;
    *rest = behind;
    match *kind {
        PUT => Some(Write::Put(take_key(rest)?, take(rest)?.to_vec())),
        DELETE => take_key(rest).map(Write::Delete),
        _ => None,
    }
}

fn take_journal(rest: &mut &[u8]) -> Option<(Space, Vec<u8>)> {
    let (space, behind) = rest.split_first()?;
    *rest = behind;
    Some((Space(*space), take(rest)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> [Change<'static>; 4] {
        let key = |name: &[u8]| Key::new(Space(7), name);
        let writes =
            vec![Write::Put(key(b"a"), vec![1; 300]), Write::Delete(key(b"")), Write::Put(key(b"c"), vec![])];
        let name = || Cow::from(b"events".to_vec());
        [
            Change::Writes(writes.into()),
            Change::Append { space: Space(9), name: name(), values: vec![vec![], vec![5; 9]].into() },
            Change::Append { space: Space(0), name: Cow::from(vec![]), values: vec![].into() },
            Change::Trim { space: Space(9), name: name(), before: Position(u64::MAX) },
        ]
    }

    #[test]
    fn changes_go_both_ways_and_say_their_size() {
        for change in changes() {
            let bytes = change.encode();
            assert_eq!(bytes.len(), change.size(), "{change:?}");
            assert_eq!(Change::decode(&bytes), Some(change));
        }
    }

    #[test]
    fn what_is_cut_or_no_change_is_refused() {
        let [writes, append, _, trim] = changes().map(|change| change.encode());
        for bytes in [&trim[..trim.len() - 1], &[&trim[..], &[0]].concat(), &[0], &[4], &[]] {
            assert_eq!(Change::decode(bytes), None, "{bytes:?}");
        }
        for cut in 1..6 {
            assert_eq!(Change::decode(&append[..append.len() - cut]), None);
        }
        assert_eq!(Change::decode(&writes[..writes.len() - 1]), None);
        let over = [&[WRITES, PUT][..], &[255; 4], &[0; 20]].concat();
        assert_eq!(Change::decode(&over), None, "longer than what is there");
        assert_eq!(Change::decode(&[WRITES, 2, 1, 0, 0, 0, 7]), None, "no such write");
        assert_eq!(Change::decode(&[WRITES, DELETE, 0, 0, 0, 0]), None, "a key has a space");
    }
}
