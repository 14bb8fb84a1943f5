//! Parameter sets: what a maker says can be configured on a kind of device.

use clock::Now;
use minicbor::{Decode, Encode};
use model::Uuid;
use store::{Batch, Decision, Operation, ReadSet, Snapshot};

use crate::spaces::{PARAMETER_SET, device_key};
use crate::stored::{self, BadRecord};
use crate::{Origin, origin};

/// The record of one parameter set.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct StoredSet {
    #[cbor(n(0), with = "stored::id16")]
    pub(crate) maker: Uuid,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn stored_set(from: &Snapshot, set: Uuid) -> Result<Option<StoredSet>, BadRecord> {
    stored::record(from, &device_key(PARAMETER_SET, set))
}

/// Stores a new set, or replaces one of the same maker. The bytes were checked to be a parameter set.
/// Source: aSSURE 9.2.2, 9.2.3.
#[derive(Clone, Debug)]
pub struct StoreParameterSet {
    /// The set's UUID: fresh for a new set.
    pub set: Uuid,
    /// Whether the set must exist already.
    pub replaces: bool,
    /// The maker that uploads it.
    pub maker: Uuid,
    /// The set, kept byte for byte.
    pub bytes: Vec<u8>,
    /// Where it came from.
    pub origin: Origin,
}

/// What became of [`StoreParameterSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetStored {
    /// It stands.
    Stands,
    /// There is no such set, or it belongs to another maker.
    Forbidden,
}

impl Operation for StoreParameterSet {
    type Reply = Result<SetStored, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(PARAMETER_SET, self.set)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = stored_set(snapshot, self.set).map(|found| {
            let allowed = match &found {
                Some(set) => self.replaces && set.maker == self.maker,
                None => !self.replaces,
            };
            if !allowed {
                return SetStored::Forbidden;
            }
            let set = StoredSet { maker: self.maker, bytes: self.bytes.clone() };
            batch.put(device_key(PARAMETER_SET, self.set), stored::to_bytes(&set));
            if let Some(at) = origin::utc(now) {
                self.origin.audit(&mut batch, "maker.parameters", None, "done", at);
            }
            SetStored::Stands
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// Reads a set back for the maker that uploaded it; `None` for a missing set and a foreign one alike.
/// Source: aSSURE 9.2.4.
#[derive(Clone, Debug)]
pub struct ReadParameterSet {
    /// The set.
    pub set: Uuid,
    /// The maker that asks.
    pub maker: Uuid,
}

impl Operation for ReadParameterSet {
    type Reply = Result<Option<Vec<u8>>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(PARAMETER_SET, self.set)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let reply = stored_set(snapshot, self.set)
            .map(|found| found.filter(|set| set.maker == self.maker).map(|set| set.bytes));
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}
