//! More owner secrets for a device whose pool runs low: asked for and given across the air gap.
//!
//! The request has a name that the answer repeats. An answer counts once, and only while its request is
//! open: a file that a restored server reads for a second time brings nothing.
//! Source: decision H6; layouts G 22; ADR 0100.

use std::sync::Arc;

use assure_proto::{GapContent, KeyDefinition, OwnerSecret, REFILL_MAX};
use clock::{Dice, Now};
use crypto::Provider;
use model::Uuid;
use store::{Batch, Decision, Operation, ReadSet, Snapshot, decided};

use super::device::{PoolEntry, RefillName, RegisteredDevice};
use super::recovery::Recovery;
use super::signed_at;
use crate::gap::{self, GapPartner, GapSelf, NotSent, Sending};
use crate::spaces::{DEVICE, device_key};
use crate::stored::BadRecord;
use crate::{Origin, origin};

impl PoolEntry {
    /// An owner secret as it came from the identity server.
    #[must_use]
    pub fn from_gap(owner: OwnerSecret) -> Self {
        Self { definition: KeyDefinition::Derived(owner.definition).encode(), secret: owner.secret }
    }
}

/// Asks the identity server for owner secrets.
#[derive(Clone)]
pub struct AskRefill {
    /// The device.
    pub device: Uuid,
    /// This server across the gap.
    pub me: GapSelf,
    /// The identity server.
    pub identity: GapPartner,
    /// Does the cryptography.
    pub provider: Arc<dyn Provider>,
    /// Where it came from.
    pub origin: Origin,
}

/// What became of [`AskRefill`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The request is in the outbox; an earlier one is void.
    Sent,
    /// No such device, or one that needs no owner secrets.
    NotNeeded,
    /// A recovery is under way, or the server does not know the time.
    NotNow,
}

impl AskRefill {
    fn ask(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<Asked, NotSent> {
        let device = RegisteredDevice::read(snapshot, self.device)?;
        let has_pool =
            |device: &RegisteredDevice| device.issued.as_ref().is_some_and(|i| i.secrets.is_some());
        let Some(mut device) = device.filter(has_pool) else { return Ok(Asked::NotNeeded) };
        let Some(at) = origin::utc(now) else { return Ok(Asked::NotNow) };
        let Some(validity) = signed_at(at) else { return Ok(Asked::NotNow) };
        if Recovery::is_under_way(snapshot)? {
            return Ok(Asked::NotNow);
        }
        let mut dice = Dice::new(self.origin.seed);
        let request = Uuid::v4(dice.bytes());
        let content = GapContent::Refill { device: self.device, request, pool: Vec::new() };
        let (provider, me, partner) = (&*self.provider, &self.me, &self.identity);
        let sending = Sending { provider, me, partner, validity };
        gap::send(&sending, &me.signer(), &content, snapshot, batch, &mut dice)?;
        device.refill = Some(RefillName(request));
        device.write(batch, self.device);
        self.origin.audit(batch, "authority.refill", Some(self.device), "asked", at);
        Ok(Asked::Sent)
    }
}

impl Operation for AskRefill {
    type Reply = Result<Asked, NotSent>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device), gap::sent_key(self.identity.id), Recovery::key()])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.ask(snapshot, now, batch))
    }
}

/// Takes in the answer.
#[derive(Clone, Debug)]
pub struct TakeRefill {
    /// The device.
    pub device: Uuid,
    /// The request that it answers.
    pub request: Uuid,
    /// The secrets; none when the identity server gives none.
    pub pool: Vec<PoolEntry>,
    /// Where it came from.
    pub origin: Origin,
}

/// What became of [`TakeRefill`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refilled {
    /// So many secrets were added behind those that are left.
    Added(usize),
    /// No such request is open: nothing is taken.
    NotAsked,
}

impl TakeRefill {
    fn take(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<Refilled, BadRecord> {
        let asked = |device: &RegisteredDevice| device.refill == Some(RefillName(self.request));
        let found = RegisteredDevice::read(snapshot, self.device)?.filter(asked);
        let audit = |batch: &mut Batch, result| {
            if let Some(at) = origin::utc(now) {
                self.origin.audit(batch, "authority.refill", Some(self.device), result, at);
            }
        };
        let Some(mut device) = found else {
            audit(batch, "not asked");
            return Ok(Refilled::NotAsked);
        };
        device.refill = None;
        let mut added = 0;
        if let Some(chain) = device.issued.as_mut().and_then(|issued| issued.secrets.as_mut()) {
            let room = REFILL_MAX.saturating_sub(chain.pool.len());
            added = self.pool.len().min(room);
            chain.pool.extend(self.pool.iter().take(room).cloned());
        }
        device.write(batch, self.device);
        audit(batch, if added > 0 { "done" } else { "none given" });
        Ok(Refilled::Added(added))
    }
}

impl Operation for TakeRefill {
    type Reply = Result<Refilled, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = self.take(snapshot, now, &mut batch);
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}
