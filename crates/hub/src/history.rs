//! What a property was: its newest values, in a ring of bounded size.
//!
//! Every report that is taken writes its value a second time, into the place that the oldest one had. A value
//! whose JSON is longer than [`SAMPLE_SIZE_MAX`] is not kept; its version is missing in the series then.
//! Source: OSAP 2.1.6; ADR 0312.

use clock::{Now, Timestamp};
use consent::{Act, Party};
use ledger::BadRecord;
use model::Uuid;
use store::{Batch, Decision, Operation, ReadSet, Snapshot, decided};

use crate::access::{admit, admit_reads, affordance};
use crate::model::AffordanceKind;
use crate::refusal::Refusal;
use crate::spaces::{VALUE, affordance_key, named_key, sample_key, samples_of};
use crate::values::Reading;

/// Values kept of each property: one for each number that a byte can be.
pub const SAMPLES_MAX: usize = 256;

/// Bytes of the JSON of a value that is kept.
pub const SAMPLE_SIZE_MAX: usize = 256;

/// Keeps a value that was reported: the record under which it stands as the last one, too. One that is too large
/// leaves its place empty: what was there is older than the ring reaches.
pub(crate) fn keep(batch: &mut Batch, thing: Uuid, reading: &Reading, json: &str, stored: Vec<u8>) {
    let key = sample_key(thing, &reading.name, reading.version);
    if json.len() <= SAMPLE_SIZE_MAX {
        batch.put(key, stored);
    } else {
        batch.delete(key);
    }
}

/// The values of a property that are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Oldest first.
    pub readings: Vec<Reading>,
    /// Reports behind the number that was asked about that are not among them: no longer kept, too large to be,
    /// or from before the caller was granted anything.
    pub gap: u64,
}

/// Reads what a property was.
///
/// Whoever is not the owner reads what was reported since the grant holds by which it may: a grant opens no past.
#[derive(Clone, Debug)]
pub struct ReadSeries {
    /// Of which thing.
    pub thing: Uuid,
    /// Which property.
    pub name: String,
    /// Only behind the report of this number.
    pub after: u64,
    /// For whom.
    pub party: Party,
}

impl ReadSeries {
    fn select(&self, snapshot: &Snapshot, since: Option<Timestamp>) -> Result<Series, BadRecord> {
        let page = snapshot.page(&samples_of(self.thing, &self.name));
        let read = page.records.iter().map(|(_, record)| Reading::from_value(&self.name, &record.value));
        let mut all = read.collect::<Result<Vec<_>, _>>()?;
        all.sort_unstable_by_key(|reading| reading.version);
        let last = snapshot.value(&named_key(VALUE, self.thing, &self.name));
        let last = last.map(|stored| Reading::from_value(&self.name, stored)).transpose()?;
        let newest = last.map_or(0, |reading| reading.version);
        all.retain(|reading| {
            reading.version > self.after && since.is_none_or(|since| reading.received >= since)
        });
        let gap = newest.saturating_sub(self.after).saturating_sub(all.len() as u64);
        Ok(Series { readings: all, gap })
    }
}

impl Operation for ReadSeries {
    type Reply = Result<Series, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let mut reads = admit_reads(&self.party, self.thing);
        reads.keys.extend([
            affordance_key(self.thing, AffordanceKind::Property, &self.name),
            named_key(VALUE, self.thing, &self.name),
        ]);
        reads.with_range(samples_of(self.thing, &self.name))
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let admitted = admit(snapshot, &self.party, self.thing, now)?;
            admitted.permit(Act::Read, &self.name)?;
            let property = affordance(snapshot, self.thing, AffordanceKind::Property, &self.name)?;
            if property.ok_or(Refusal::NoSuchName)?.is_write_only() {
                return Err(Refusal::WriteOnly);
            }
            Ok(self.select(snapshot, admitted.standing.since(Act::Read, &self.name))?)
        })
    }
}
