//! A new device takes the place of an old one.

use std::sync::Arc;

use assure_json::DeviceStatus;
use assure_proto::Address;
use clock::{Dice, Now, Timestamp};
use crypto::Secret;
use ledger::Origin;
use model::Uuid;
use store::{Batch, Decision, Operation, ReadSet, Snapshot, decided};

use crate::OwnerKeys;
use crate::device::{ManagedDevice, Registrant, Work};
use crate::leaving::{UNLINK_TIME, later, peer_ends, peers_to_read, records_of};
use crate::registering::CannotDecide;
use crate::spaces::{DEVICE, device_key};
use crate::topology::{LinkSpec, NotPlanned, links_of, make, read_links, unlink};

/// The new device takes the place of the old one, which is disabled at once.
///
/// The old device keeps nothing: it gets an image without channels as soon as it asks for one, its peers are
/// ordered to delete its channels and keys, and no handshake in its name succeeds. The new device gets the
/// same channels with fresh keys. Ownership at the authority stays until the old device is released.
/// Source: aSSURE 11.2.2 with ruling A-ASSURE-103, TS-M12.
#[derive(Clone, Debug)]
pub struct Replace {
    /// The device that goes.
    pub old: Uuid,
    /// The device that takes its place.
    pub new: Uuid,
    /// Who says so.
    pub by: Registrant,
    /// RSA keys to issue where 13.3.2 wants them, as PKCS#8.
    pub spare_rsa: Vec<Secret>,
    /// The owner's keys.
    pub keys: Arc<OwnerKeys>,
    /// Where it came from.
    pub origin: Origin,
}

/// What becomes of [`Replace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// The mapping is stored; the sessions of the old device are to be closed now.
    Replaced,
    /// One of the two does not exist, is not the caller's, or cannot take this part: the old one was
    /// released, either was replaced before, both are one.
    Forbidden,
    /// Not at this time: the new device is not configured yet, or the old one is leaving.
    NotYet,
    /// An RSA key is to be issued to one of the peers: give one and ask again.
    NeedsRsaKey,
}

impl Replace {
    fn replace(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<Replacement, CannotDecide> {
        let at = now.utc.ok_or(CannotDecide::NoClock)?;
        let seen = |record: &ManagedDevice| self.by.sees(record);
        let old = ManagedDevice::read(snapshot, self.old)?.filter(seen);
        let new = ManagedDevice::read(snapshot, self.new)?.filter(seen);
        let (Some(mut old), Some(mut new)) = (old, new) else { return Ok(Replacement::Forbidden) };
        if self.old == self.new || !old.is_enabled() {
            return Ok(Replacement::Forbidden);
        }
        if !new.is_enabled() {
            let coming = new.status() == DeviceStatus::Registered;
            return Ok(if coming { Replacement::NotYet } else { Replacement::Forbidden });
        }
        if new.replaces.is_some() {
            return Ok(Replacement::Forbidden);
        }
        let leaving = |record: &ManagedDevice| matches!(record.work, Some(Work::Leave { .. }));
        if new.owned.is_none() || leaving(&old) || leaving(&new) {
            return Ok(Replacement::NotYet);
        }
        old.set_status(DeviceStatus::Replaced, at);
        old.replaced_by = Some(self.new);
        old.work = Some(Work::Configure);
        new.replaces = Some(self.old);
        new.address = new.address.take().or_else(|| old.address.clone());
        match self.move_channels(snapshot, new, at, batch) {
            Ok(()) => {}
            Err(NotPlanned::NeedsRsaKey) => {
                *batch = Batch::default();
                return Ok(Replacement::NeedsRsaKey);
            }
            Err(NotPlanned::Record(bad)) => return Err(bad.into()),
            Err(NotPlanned::NoClock) => return Err(CannotDecide::NoClock),
            Err(
                NotPlanned::Members
                | NotPlanned::NotOurs(_)
                | NotPlanned::NoAddress(_)
                | NotPlanned::OutOfChannels(_)
                | NotPlanned::Signing
                | NotPlanned::Late,
            ) => {
                *batch = Batch::default();
                return Ok(Replacement::NotYet);
            }
        }
        old.write(batch, self.old);
        self.origin.audit(batch, "owner.replace", Some(self.old), &self.new.to_string(), at);
        Ok(Replacement::Replaced)
    }

    /// Takes the old device's channels from its peers and gives the new device the same, with fresh keys.
    fn move_channels(
        &self,
        snapshot: &Snapshot,
        new: ManagedDevice,
        at: Timestamp,
        batch: &mut Batch,
    ) -> Result<(), NotPlanned> {
        let ends = peer_ends(snapshot, self.old)?;
        let mut records = records_of(snapshot, ends.iter().map(|(peer, _)| *peer))?;
        let deadline = later(at, UNLINK_TIME);
        records.insert(self.new, new);
        unlink(self.old, &ends, deadline, at, &mut records, batch);
        let (mut dice, mut spare_rsa) = (Dice::new(self.origin.seed), self.spare_rsa.clone());
        for (peer, own) in read_links(snapshot, self.old)? {
            // With the new device itself, or a peer that is not ours any more, there is nothing to renew.
            let usable = records.get(&peer).is_some_and(|record| record.in_use().is_some());
            if peer == self.new || !usable {
                continue;
            }
            let other = ends.iter().find(|(end, _)| *end == peer).map(|(_, end)| end.privileges());
            let other = other.unwrap_or_default();
            let own_address = address(&records, self.new)?;
            let peer_address = address(&records, peer)?;
            let (opener, listener) = if own.opens { (self.new, peer) } else { (peer, self.new) };
            let (opener_address, listener_address) =
                if own.opens { (&own_address, &peer_address) } else { (&peer_address, &own_address) };
            let privileges = if own.opens { (own.privileges(), other) } else { (other, own.privileges()) };
            let spec =
                LinkSpec { opener, listener, listener_address, opener_address, privileges, deadline, at };
            make(&self.keys, &spec, &mut records, &mut spare_rsa, &mut dice, batch)?;
        }
        for (device, record) in &records {
            record.write(batch, *device);
        }
        Ok(())
    }
}

fn address(
    records: &std::collections::BTreeMap<Uuid, ManagedDevice>,
    device: Uuid,
) -> Result<Address, NotPlanned> {
    let stored = records.get(&device).and_then(|record| record.address.as_ref());
    let stored = stored.ok_or(NotPlanned::NoAddress(device))?;
    Address::decode(stored).map_err(|_| NotPlanned::Record(ledger::BadRecord))
}

impl Operation for Replace {
    type Reply = Result<Replacement, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.old), device_key(DEVICE, self.new)])
            .with_range(links_of(self.old))
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        match peers_to_read(snapshot, self.old) {
            Ok(Some(more)) => Decision::Need(more),
            Ok(None) => decided(|batch| self.replace(snapshot, now, batch)),
            Err(bad) => decided(|_| Err(bad.into())),
        }
    }
}
