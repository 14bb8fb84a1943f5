//! A topology as one decision: which channels are missing, and the orders that make them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use assure_proto::{Address, Privileges};
use clock::{Dice, Now, Timestamp};
use crypto::Secret;
use ledger::{BadRecord, Origin};
use model::Uuid;
use store::{Batch, Decision, Operation, ReadSet, Snapshot, decided};

use super::{LinkKind, LinkSpec, Shape, make};
use crate::OwnerKeys;
use crate::device::ManagedDevice;
use crate::spaces::{DEVICE, device_key, link_key};

/// Devices in one topology.
pub const MEMBER_COUNT_MAX: usize = 16;

/// A device of a topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The device.
    pub device: Uuid,
    /// Where the others find it; `None`: where its presence came from.
    pub address: Option<Address>,
}

/// Why a topology, or a replacement with its channels, was not planned; nothing was ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPlanned {
    /// Too few or too many devices, or one twice.
    Members,
    /// This device is not ours, or not configured.
    NotOurs(Uuid),
    /// Nobody knows where this device is.
    NoAddress(Uuid),
    /// This device has as many channels as it may have, or has used up their numbers.
    OutOfChannels(Uuid),
    /// An RSA key is to be issued: give one and ask again.
    NeedsRsaKey,
    /// The cryptography failed.
    Signing,
    /// The deadline has passed already.
    Late,
    /// We do not know the time.
    NoClock,
    /// A stored record cannot be read.
    Record(BadRecord),
}

impl From<BadRecord> for NotPlanned {
    fn from(bad: BadRecord) -> Self {
        Self::Record(bad)
    }
}

/// A channel that was planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedLink {
    /// The DTLS client.
    pub opener: Uuid,
    /// The DTLS server.
    pub listener: Uuid,
    /// By what kind of key.
    pub kind: LinkKind,
}

/// A channel between devices as one of them has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkView {
    /// The device.
    pub device: Uuid,
    /// The one at the other end.
    pub peer: Uuid,
    /// By what kind of key.
    pub kind: LinkKind,
    /// Whether the device opens it.
    pub opens: bool,
    /// Its number on the device.
    pub channel: u16,
    /// The order that puts it there.
    pub order: u64,
}

/// Joins devices in a shape. Channels that exist stay as they are.
/// Source: aSSURE 4.2, 4.3, 13.
#[derive(Clone, Debug)]
pub struct PlanTopology {
    /// The devices, in the order that the shape reads them.
    pub members: Vec<Member>,
    /// The shape.
    pub shape: Shape,
    /// What devices may do on each other.
    pub privileges: Privileges,
    /// RSA keys to issue where 13.3.2 wants them, as PKCS#8; unused ones are forgotten.
    pub spare_rsa: Vec<Secret>,
    /// Until when the orders must have been carried out.
    pub deadline: Timestamp,
    /// The owner's keys.
    pub keys: Arc<OwnerKeys>,
    /// Where it came from.
    pub origin: Origin,
}

impl PlanTopology {
    fn plan(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<Vec<PlannedLink>, NotPlanned> {
        let at = now.utc.ok_or(NotPlanned::NoClock)?;
        if self.deadline <= at {
            return Err(NotPlanned::Late);
        }
        let links = self.pairs()?;
        let mut records = BTreeMap::new();
        for member in &self.members {
            let record = ManagedDevice::read(snapshot, member.device)?;
            records.insert(member.device, record.ok_or(NotPlanned::NotOurs(member.device))?);
        }
        let addresses = self.members.iter().map(|member| address_of(member, &records));
        let addresses: Vec<_> = addresses.collect::<Result<_, _>>()?;
        let mut dice = Dice::new(self.origin.seed);
        let mut spare_rsa = self.spare_rsa.clone();
        let mut planned = Vec::new();
        for (opener, listener) in links {
            let (from, to) = (self.members[opener].device, self.members[listener].device);
            if snapshot.value(&link_key(from, to)).is_some() {
                continue;
            }
            let spec = LinkSpec {
                opener: from,
                listener: to,
                listener_address: &addresses[listener],
                opener_address: &addresses[opener],
                privileges: (self.privileges, self.privileges),
                deadline: self.deadline,
                at,
            };
            let kind = make(&self.keys, &spec, &mut records, &mut spare_rsa, &mut dice, batch)?;
            planned.push(PlannedLink { opener: from, listener: to, kind });
        }
        for (device, record) in &records {
            record.write(batch, *device);
        }
        let result = format!("{} channels", planned.len());
        self.origin.audit(batch, "network.apply", None, &result, at);
        Ok(planned)
    }

    fn pairs(&self) -> Result<Vec<(usize, usize)>, NotPlanned> {
        let distinct: BTreeSet<_> = self.members.iter().map(|member| member.device).collect();
        if self.members.len() > MEMBER_COUNT_MAX || distinct.len() != self.members.len() {
            return Err(NotPlanned::Members);
        }
        self.shape.links(self.members.len()).map_err(|_| NotPlanned::Members)
    }
}

fn address_of(member: &Member, records: &BTreeMap<Uuid, ManagedDevice>) -> Result<Address, NotPlanned> {
    if let Some(address) = &member.address {
        return Ok(address.clone());
    }
    let stored = records.get(&member.device).and_then(|record| record.address.as_ref());
    let stored = stored.ok_or(NotPlanned::NoAddress(member.device))?;
    Address::decode(stored).map_err(|_| NotPlanned::Record(BadRecord))
}

impl Operation for PlanTopology {
    /// The channels that were missing.
    type Reply = Result<Vec<PlannedLink>, NotPlanned>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let devices = self.members.iter().map(|member| device_key(DEVICE, member.device));
        let mut reads = ReadSet::of(devices);
        for (opener, listener) in self.pairs().unwrap_or_default() {
            reads.keys.push(link_key(self.members[opener].device, self.members[listener].device));
        }
        reads
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.plan(snapshot, now, batch))
    }
}
