//! Risks that somebody has taken upon himself, until a day and for a reason.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use clock::{Now, Timestamp};
use minicbor::{Decode, Encode};
use store::{Decision, Operation, Range, ReadSet, Snapshot, decided};

use crate::asked::{Asked, CannotDecide};
use crate::audit::TEXT_LENGTH_MAX;
use crate::spaces::{HOUSE, RISK, from_value, risk_key, to_value};

/// Acceptances that are read.
const ACCEPTANCE_COUNT_MAX: usize = 200;

/// Who accepts a risk, until when and why.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Acceptance {
    /// The account.
    #[n(0)]
    pub by: String,
    /// In milliseconds since 1970.
    #[n(1)]
    pub until_unix_millis: u64,
    /// In its own words; at most 128 bytes are kept.
    #[n(2)]
    pub reason: String,
}

/// Accepts a risk.
#[derive(Clone, Debug)]
pub struct AcceptRisk {
    /// Which: an id of at most 64 bytes.
    pub id: String,
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub asked: Asked,
}

impl Operation for AcceptRisk {
    type Reply = Result<(), CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([risk_key(&self.id)])
    }

    fn decide(&self, _: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(CannotDecide::NoClock)?;
            let reason = &self.reason[..self.reason.floor_char_boundary(TEXT_LENGTH_MAX)];
            let acceptance = Acceptance {
                by: self.asked.by.clone(),
                until_unix_millis: self.until.as_unix_millis(),
                reason: reason.to_string(),
            };
            batch.put(risk_key(&self.id), to_value(&acceptance));
            self.asked.audit(batch, "risk.accept", &self.id, at);
            Ok(())
        })
    }
}

/// Reads every acceptance that holds now.
#[derive(Clone, Copy, Debug)]
pub struct ReadAcceptances;

impl ReadAcceptances {
    fn range() -> Range {
        Range { space: HOUSE, prefix: RISK.to_vec(), after: None, limit: ACCEPTANCE_COUNT_MAX }
    }
}

impl Operation for ReadAcceptances {
    /// With the id of the risk.
    type Reply = Result<Vec<(String, Acceptance)>, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(Self::range())
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let millis = now.utc.ok_or(CannotDecide::NoClock)?.as_unix_millis();
            let mut held = Vec::new();
            for (key, record) in &snapshot.page(&Self::range()).records {
                let acceptance: Acceptance = from_value(&record.value)?;
                let id =
                    core::str::from_utf8(&key.name[RISK.len()..]).map_err(|_| CannotDecide::BadRecord)?;
                if acceptance.until_unix_millis > millis {
                    held.push((id.to_string(), acceptance));
                }
            }
            Ok(held)
        })
    }
}
