//! Many devices: copies of a few real ones under other names.
//!
//! A device's secrets cost thousands of rounds of key derivation, so that 200,000 real ones would take the better
//! part of an hour. Copies differ in every name by which a record is found; their secrets and signatures are those
//! of their models, which no store looks into.

use std::sync::Arc;

use clock::Dice;
use ledger::AUDIT;
use model::Uuid;
use store::{Batch, Key, Memory, Range, Snapshot, Space, Table};

use super::Stores;
use super::device::Device;
use super::keys::Keys;
use crate::bench::child::internal;
use crate::failure::Outcome;

/// Real devices among all.
const MODEL_COUNT: usize = 8;
/// Records that are written with one commit.
const BATCH: usize = 10_000;
const PAGE: usize = 1000;
/// Of so many devices a management system keeps all entries of its audit log, which holds 100,000.
const LOGGED_COUNT_MAX: u32 = 25_000;

/// A name of 16 bytes: of a device, a key or an input.
type Name = [u8; 16];

/// What all devices of a crowd are made of.
pub(in crate::bench) struct Crowd {
    pub(in crate::bench) keys: Keys,
    /// What the registration server knows besides devices.
    common: Vec<(Key, Vec<u8>)>,
    models: Vec<Model>,
}

/// The records of one device, on three servers.
struct Model {
    names: Vec<Name>,
    records: [Vec<Pattern>; 3],
}

/// A record, and where in it names stand.
struct Pattern {
    key: Key,
    value: Vec<u8>,
    in_key: Vec<Place>,
    in_value: Vec<Place>,
}

/// Where a name stands, and whether as text.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    name: usize,
    is_text: bool,
}

impl Crowd {
    /// Makes keys and models of devices that know only a secret, all in service.
    pub(in crate::bench) fn new(dice: &mut Dice) -> Outcome<Self> {
        let registration = Arc::new(Memory::new());
        let table: Arc<dyn Table> = registration.clone();
        let keys = Keys::new(&table, dice)?;
        let common = everything(&*table)?;
        let models = (0..MODEL_COUNT).map(|_| {
            let stores = Stores {
                registration: Arc::new(Memory::clone(&registration)),
                bootstrap: Arc::new(Memory::new()),
                management: Arc::new(Memory::new()),
            };
            let mut device = Device::with_secret(&keys, dice.split())?;
            device.issue(&stores, &keys)?;
            device.claim(&stores, &keys)?;
            device.configure(&stores, &keys)?;
            device.serve(&stores)?;
            device.present(&stores)?;
            Model::of(&stores, &common)
        });
        let models = models.collect::<Outcome<_>>()?;
        Ok(Self { keys, common, models })
    }

    /// Puts what is no device's into the registration server's store.
    pub(in crate::bench) fn found(&self, stores: &Stores) -> Outcome {
        let mut batch = Batch::default();
        for (key, value) in &self.common {
            batch.put(key.clone(), value.clone());
        }
        commit(&stores.registration, &mut batch)
    }

    /// Puts so many devices into the stores, in the order of their names: by chance each record would go to
    /// another page of the file, which takes ten times as long.
    pub(in crate::bench) fn fill(&self, stores: &Stores, count: u32, dice: &mut Dice) -> Outcome {
        let mut batches = [Batch::default(), Batch::default(), Batch::default()];
        let step = u32::MAX / count.max(1);
        for (model, rank) in self.models.iter().cycle().zip(0..count) {
            let mut fresh = |name: &Name| fresh(*name, rank * step, step, dice);
            let names: Vec<Name> = model.names.iter().map(&mut fresh).collect();
            for ((patterns, batch), (_, table)) in model.records.iter().zip(&mut batches).zip(stores.named())
            {
                // A management system keeps no more of its log.
                let is_log_full = Arc::ptr_eq(table, &stores.management) && rank >= LOGGED_COUNT_MAX;
                for pattern in patterns.iter().filter(|it| !is_log_full || it.key.space != AUDIT) {
                    let (key, value) = pattern.under(&names);
                    batch.put(key, value);
                }
                if batch.writes.len() >= BATCH {
                    commit(table, batch)?;
                }
            }
        }
        batches.iter_mut().zip(stores.named()).try_for_each(|(batch, (_, table))| commit(table, batch))
    }
}

fn commit(table: &Arc<dyn Table>, batch: &mut Batch) -> Outcome {
    let written = table.commit(&Snapshot::default(), batch);
    batch.writes.clear();
    written.map(drop).map_err(|error| internal("a store of the benchmark", format!("{error:?}")))
}

/// Every record of a table.
pub(in crate::bench) fn everything(table: &dyn Table) -> Outcome<Vec<(Key, Vec<u8>)>> {
    let mut all = Vec::new();
    for space in 0..=u8::MAX {
        let mut range = Range { space: Space(space), prefix: Vec::new(), after: None, limit: PAGE };
        loop {
            let page = table.scan(&range).map_err(|error| internal("a store of the benchmark", error))?;
            range.after = page.records.last().map(|(key, _)| key.name.clone());
            all.extend(page.records.into_iter().map(|(key, record)| (key, record.value)));
            if !page.more {
                break;
            }
        }
    }
    Ok(all)
}

/// Another name of the same kind, which begins with a number from `first` on: what a version of a UUID has fixed
/// stays.
fn fresh(name: Name, first: u32, span: u32, dice: &mut Dice) -> Name {
    let mut fresh: Name = dice.bytes();
    let begins = first.saturating_add(u32::try_from(dice.below(u64::from(span.max(1)))).unwrap_or(0));
    fresh[..4].copy_from_slice(&begins.to_be_bytes());
    fresh[6] = (name[6] & 0xF0) | (fresh[6] & 0x0F);
    fresh[8] = (name[8] & 0xC0) | (fresh[8] & 0x3F);
    fresh
}

/// The name by which a record is found: alone, behind a byte that says of what kind it is, or behind a time.
fn name_of(key: &Key) -> Option<Name> {
    let name = &key.name;
    let bytes = match name.len() {
        16 => &name[..],
        17 => &name[1..],
        24.. if key.space == AUDIT => &name[8..24],
        _ => return None,
    };
    bytes.try_into().ok()
}

impl Model {
    fn of(stores: &Stores, common: &[(Key, Vec<u8>)]) -> Outcome<Self> {
        let mut own = Vec::new();
        for (_, table) in stores.named() {
            let mut records = everything(&**table)?;
            records.retain(|(key, _)| !common.iter().any(|(other, _)| other == key));
            own.push(records);
        }
        let mut names: Vec<Name> = own.iter().flatten().filter_map(|(key, _)| name_of(key)).collect();
        names.sort_unstable();
        names.dedup();
        let unnamed = own.iter().flatten().find(|(key, _)| name_of(key).is_none());
        if let Some((key, _)) = unnamed {
            return Err(internal("a record cannot be copied", format!("{key:?}")));
        }
        let mut patterns = own
            .into_iter()
            .map(|records| records.into_iter().map(|(key, value)| Pattern::of(key, value, &names)).collect());
        let records = std::array::from_fn(|_| patterns.next().unwrap_or_default());
        Ok(Self { names, records })
    }
}

impl Pattern {
    fn of(key: Key, value: Vec<u8>, names: &[Name]) -> Self {
        let (in_key, in_value) = (places(&key.name, names), places(&value, names));
        Self { key, value, in_key, in_value }
    }

    /// The same record under other names.
    fn under(&self, names: &[Name]) -> (Key, Vec<u8>) {
        let (mut key, mut value) = (self.key.clone(), self.value.clone());
        put(&mut key.name, &self.in_key, names);
        put(&mut value, &self.in_value, names);
        (key, value)
    }
}

fn places(bytes: &[u8], names: &[Name]) -> Vec<Place> {
    let mut found = Vec::new();
    for (name, known) in names.iter().enumerate() {
        let text = Uuid(*known).to_string();
        for (sought, is_text) in [(&known[..], false), (text.as_bytes(), true)] {
            let at = bytes.windows(sought.len()).enumerate().filter(|(_, window)| *window == sought);
            found.extend(at.map(|(at, _)| Place { at, name, is_text }));
        }
    }
    found
}

fn put(bytes: &mut [u8], places: &[Place], names: &[Name]) {
    for Place { at, name, is_text } in places {
        let name = names[*name];
        match is_text {
            false => bytes[*at..*at + name.len()].copy_from_slice(&name),
            true => {
                let text = Uuid(name).to_string();
                bytes[*at..*at + text.len()].copy_from_slice(text.as_bytes());
            }
        }
    }
}
