//! Failed tries: who may try again, and when.
//!
//! A failure counts for the pair of name and source, for the source alone, and for the name alone. Names that
//! are no account count alike, so that waiting tells nobody which names exist. Both tables have 256 slots, a
//! slot at most 32 counts; what is over that makes the count go that matters least.
//! Source: `004` 6.2.4 m; rulings A-SECDEV-01, -02.

use alloc::vec::Vec;
use core::time::Duration;

use minicbor::{Decode, Encode};
use store::{Batch, Key, Snapshot, Space};

use crate::asked::CannotDecide;
use crate::network::Source;
use crate::settings::Settings;
use crate::spaces::{TRIES, TRIES_OF_NAME, read, to_value};

/// Failures further apart do not add up.
pub const FAILURE_WINDOW: Duration = Duration::from_secs(10 * 60);
/// Failures of one source, whatever the name, as a multiple of those of one pair.
pub const SOURCE_FAILURE_FACTOR: u32 = 4;
/// Failures of one name from all sources within the window, after which only sources it knows may try.
/// Source: ruling A-SECDEV-02.
pub const NAME_FAILURE_COUNT_MAX: u32 = 50;
/// How long those wait between two tries then.
pub const KNOWN_SOURCE_DELAY: Duration = Duration::from_secs(10);

const SLOT_COUNT: u64 = 256;
const COUNTS_PER_SLOT_MAX: usize = 32;
/// Stands for all names of a source.
const EVERY_NAME: u64 = 0;

/// A number for a name that was typed: FNV-1a of 64 bits, never [`EVERY_NAME`]. What was typed is not stored,
/// since people type passwords into the wrong field.
pub(crate) fn number_of(typed: &str) -> u64 {
    let hash = typed.trim().bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3)
    });
    hash.max(1)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Count {
    #[n(0)]
    source: Source,
    #[n(1)]
    name: u64,
    #[n(2)]
    began_unix_millis: u64,
    #[n(3)]
    last_unix_millis: u64,
    #[n(4)]
    count: u32,
    /// Locked until then; 0: not locked.
    #[n(5)]
    until_unix_millis: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Slot {
    #[n(0)]
    counts: Vec<Count>,
}

impl Slot {
    fn find(&self, source: Source, name: u64) -> Option<&Count> {
        self.counts.iter().find(|count| count.source == source && count.name == name)
    }

    /// How long `source` and `name` are still locked. A clock that was set back locks nobody for longer.
    fn locked(&self, source: Source, name: u64, now: u64, lock: u64) -> Option<Duration> {
        let until = self.find(source, name)?.until_unix_millis;
        let left = until.saturating_sub(now).min(lock);
        (left > 0).then(|| Duration::from_millis(left))
    }

    /// Counts a failure; whether that locked.
    fn fail(&mut self, source: Source, name: u64, limit: u32, now: u64, lock: u64) -> bool {
        let fresh = Count {
            source,
            name,
            began_unix_millis: now,
            last_unix_millis: now,
            count: 0,
            until_unix_millis: 0,
        };
        let at = self.counts.iter().position(|count| count.source == source && count.name == name);
        let mut count = at.map_or(fresh, |at| self.counts.swap_remove(at));
        let is_over = count.until_unix_millis != 0 && count.until_unix_millis <= now;
        let window = u64::try_from(FAILURE_WINDOW.as_millis()).unwrap_or(u64::MAX);
        let is_old = count.until_unix_millis == 0 && now.abs_diff(count.began_unix_millis) >= window;
        if is_over || is_old {
            count = fresh;
        }
        count.count += 1;
        count.last_unix_millis = now;
        let locks = count.count >= limit;
        if locks {
            count.until_unix_millis = now.saturating_add(lock);
        }
        if self.counts.len() >= COUNTS_PER_SLOT_MAX {
            let matters =
                |count: &&Count| (count.until_unix_millis > now, count.count, count.last_unix_millis);
            let least = self.counts.iter().min_by_key(matters).copied();
            self.counts.retain(|count| Some(*count) != least);
        }
        self.counts.push(count);
        locks && count.count == limit
    }
}

/// What is remembered of one name and one source.
#[derive(Clone, Debug)]
pub(crate) struct Tries {
    source: Source,
    name: u64,
    of_source: Slot,
    of_name: Slot,
}

fn slot_of_source(source: Source) -> Key {
    let sum =
        source.bytes().iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
    slot(TRIES, sum)
}

fn slot(space: Space, number: u64) -> Key {
    Key::new(space, [u8::try_from(number % SLOT_COUNT).expect("a remainder of 256 is a byte")])
}

impl Tries {
    /// The records it stands in.
    pub(crate) fn keys(source: Source, name: u64) -> [Key; 2] {
        [slot_of_source(source), slot(TRIES_OF_NAME, name)]
    }

    pub(crate) fn read(from: &Snapshot, source: Source, name: u64) -> Result<Self, CannotDecide> {
        let [of_source, of_name] = Self::keys(source, name);
        let (of_source, of_name) = (read(from, &of_source)?, read(from, &of_name)?);
        Ok(Self {
            source,
            name,
            of_source: of_source.unwrap_or_default(),
            of_name: of_name.unwrap_or_default(),
        })
    }

    /// How long the source must wait before it may try this name. `is_known`: it signed in as this before.
    pub(crate) fn wait(&self, is_known: bool, settings: &Settings, now: u64) -> Option<Duration> {
        let lock = settings.lock_millis();
        let locked = |name| self.of_source.locked(self.source, name, now, lock);
        if let Some(wait) = locked(self.name).max(locked(EVERY_NAME)) {
            return Some(wait);
        }
        let besieged = self.of_name.locked(Source::EVERY, self.name, now, lock)?;
        if !is_known {
            return Some(besieged);
        }
        let last = self.of_name.find(Source::EVERY, self.name)?.last_unix_millis;
        let delay = u64::try_from(KNOWN_SOURCE_DELAY.as_millis()).unwrap_or(u64::MAX);
        let left = last.saturating_add(delay).saturating_sub(now).min(delay);
        (left > 0).then(|| Duration::from_millis(left))
    }

    /// Counts a failure; whether that locked the pair or the source.
    pub(crate) fn fail(&mut self, settings: &Settings, now: u64) -> bool {
        let (limit, lock) = (u32::from(settings.lock_failures), settings.lock_millis());
        let pair = self.of_source.fail(self.source, self.name, limit, now, lock);
        let every = limit * SOURCE_FAILURE_FACTOR;
        let source = self.of_source.fail(self.source, EVERY_NAME, every, now, lock);
        self.of_name.fail(Source::EVERY, self.name, NAME_FAILURE_COUNT_MAX, now, lock);
        pair || source
    }

    /// The pair has shown that it is who it says. What counts for the source stays: an own account is no way
    /// to go on trying others.
    /// Says whether that changed anything.
    pub(crate) fn succeed(&mut self) -> bool {
        let (source, name) = (self.source, self.name);
        let before = self.of_source.counts.len();
        self.of_source.counts.retain(|count| count.source != source || count.name != name);
        self.of_source.counts.len() != before
    }

    pub(crate) fn write(&self, batch: &mut Batch) {
        let [of_source, of_name] = Self::keys(self.source, self.name);
        batch.put(of_source, to_value(&self.of_source)).put(of_name, to_value(&self.of_name));
    }
}

/// Until when a name is besieged from all sides, in milliseconds since 1970.
pub(crate) fn besieged_until(from: &Snapshot, name: u64, now: u64) -> Result<Option<u64>, CannotDecide> {
    let slot: Slot = read(from, &slot(TRIES_OF_NAME, name))?.unwrap_or_default();
    let until = slot.find(Source::EVERY, name).map(|count| count.until_unix_millis);
    Ok(until.filter(|until| *until > now))
}

/// The record that tells whether `name` is besieged.
pub(crate) fn key_of_name(name: u64) -> Key {
    slot(TRIES_OF_NAME, name)
}

/// Forgets what is counted for `name` in a page of [`TRIES`] and in its own slot.
pub(crate) fn forget(
    name: u64,
    pages: &store::Page,
    from: &Snapshot,
    batch: &mut Batch,
) -> Result<(), CannotDecide> {
    let own = slot(TRIES_OF_NAME, name);
    let own_slot: Option<Slot> = read(from, &own)?;
    let stored = pages
        .records
        .iter()
        .map(|(key, record)| Ok((key.clone(), crate::spaces::from_value::<Slot>(&record.value)?)));
    for pair in stored.chain(own_slot.map(|slot| Ok((own, slot)))) {
        let (key, mut slot): (Key, Slot) = pair?;
        let before = slot.counts.len();
        slot.counts.retain(|count| count.name != name);
        if slot.counts.len() != before {
            batch.put(key, to_value(&slot));
        }
    }
    Ok(())
}

/// Slots of [`TRIES`].
pub(crate) const SLOT_COUNT_MAX: usize = 256;
