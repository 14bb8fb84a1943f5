//! What others may read of the registration server.

use std::sync::Arc;

use assure_proto::{AuthenticatedKey, Class, KeyDefinition, Metadata};
use clock::{Dice, Now};
use crypto::{KeyKind, PublicKey};
use model::{KeyId, ManagementId, Uuid};
use store::{Batch, Decision, Operation, Range, ReadSet, Snapshot};

use super::device::{DeviceKind, OwnerGrant, RegisteredDevice};
use super::grant::{self, Owning};
use super::keys::{RegistrationKeys, signed_at};
use super::management::StoredManagement;
use super::parameter_sets::stored_set;
use super::recovery::Recovery;
use super::{OperationId, PendingChange};
use crate::bootstrap::OwnerNow;
use crate::spaces::{
    DEVICE, MANAGEMENT, PARAMETER_SET, PENDING, device_key, device_of, devices_after, management_key,
};
use crate::stored::BadRecord;
use crate::{Origin, origin};

/// Who owns a device at this moment (`GetDeviceOwner`); a change on its way does not count yet.
#[derive(Clone, Debug)]
pub struct ReadOwner {
    /// The device.
    pub device: Uuid,
}

impl Operation for ReadOwner {
    /// `None`: no such device, or not issued yet.
    type Reply = Result<Option<OwnerNow>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let reply = RegisteredDevice::read(snapshot, self.device).map(|found| {
            let device = found.filter(|device| device.issued.is_some())?;
            Some(OwnerNow { seq: device.ownership.seq, owner: device.ownership.owner })
        });
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

/// The registration server's part of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerPart {
    /// The kind of the device's key, which picks the bootstrap server's key.
    pub kind: DeviceKind,
    /// Authenticated keys before that of the bootstrap server.
    pub keys_before: Vec<Vec<u8>>,
    /// Authenticated keys after it.
    pub keys_after: Vec<Vec<u8>>,
    /// The signed owner data.
    pub owner_data: Vec<u8>,
    /// The parameter set of the device, as its maker uploaded it.
    pub parameter_set: Option<Vec<u8>>,
}

/// Reads the registration server's part of a configuration for the device's owner.
///
/// Makes the grant of an RSA device whose owner linked its RSA key only now.
/// Source: aSSURE 15.2, decisions G 15 and M6.
#[derive(Clone, Debug)]
pub struct ReadConfiguration {
    /// The device.
    pub device: Uuid,
    /// The management system that asks.
    pub caller: ManagementId,
    /// What the server signs with.
    pub keys: Arc<RegistrationKeys>,
    /// Randomness for a grant.
    pub seed: [u8; 32],
}

/// What became of [`ReadConfiguration`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigurationAnswer {
    /// The caller owns the device.
    Part(Box<OwnerPart>),
    /// It does not, or there is no such device.
    Forbidden,
    /// It does, but the owner's RSA key is missing, or the owner must re-key first.
    NotYet,
}

impl ReadConfiguration {
    fn answer(
        &self,
        snapshot: &Snapshot,
        now: Now,
        batch: &mut Batch,
    ) -> Result<ConfigurationAnswer, BadRecord> {
        let Some(mut device) = RegisteredDevice::read(snapshot, self.device)? else {
            return Ok(ConfigurationAnswer::Forbidden);
        };
        if device.ownership.owner.as_ref() != Some(&self.caller) {
            return Ok(ConfigurationAnswer::Forbidden);
        }
        let is_settled = device.ownership.pending.is_none() && !Recovery::is_under_way(snapshot)?;
        let of_now = |grant: &OwnerGrant| grant.generation.unwrap_or(1) >= self.keys.generation();
        if !device.grant.as_ref().is_some_and(of_now) {
            device.regrant = device.regrant.or(device.grant.take().map(|_| true));
        }
        if device.grant.is_none() && is_settled {
            self.late_grant(snapshot, now, &mut device, batch)?;
        }
        let (Some(issued), Some(grant)) = (&device.issued, &device.grant) else {
            return Ok(ConfigurationAnswer::NotYet);
        };
        if grant.owner != self.caller || grant.seq != device.ownership.seq {
            return Ok(ConfigurationAnswer::NotYet);
        }
        let (keys_before, mut keys_after) = match (issued.kind, &issued.secrets) {
            (DeviceKind::Ec, _) => (vec![self.keys.ec.authenticated.encoded().to_vec()], Vec::new()),
            (DeviceKind::Rsa, _) => (vec![self.keys.rsa.authenticated.encoded().to_vec()], Vec::new()),
            (DeviceKind::SharedSecret, Some(chain)) => {
                let wrapping = grant.by_wrapping.then(|| chain.wrapping.key.clone());
                (vec![chain.signing.key.clone()], wrapping.into_iter().collect())
            }
            (DeviceKind::SharedSecret, None) => return Err(BadRecord),
        };
        keys_after.push(grant.key.clone());
        let parameter_set = stored_set(snapshot, issued.parameter_set)?.map(|set| set.bytes);
        let owner_data = grant.owner_data.clone();
        let part = OwnerPart { kind: issued.kind, keys_before, keys_after, owner_data, parameter_set };
        Ok(ConfigurationAnswer::Part(Box::new(part)))
    }

    /// RSA devices wait for a key of their owner; all others got their grant with the claim, unless a
    /// recovery took it. One that lost it by a restore gets none here: its number may be in use.
    fn late_grant(
        &self,
        snapshot: &Snapshot,
        now: Now,
        device: &mut RegisteredDevice,
        batch: &mut Batch,
    ) -> Result<(), BadRecord> {
        let rsa = device.issued.as_ref().is_some_and(|issued| issued.kind == DeviceKind::Rsa);
        let validity = origin::utc(now).and_then(signed_at);
        let record = StoredManagement::read(snapshot, &self.caller)?;
        let due = rsa || device.regrant == Some(true);
        let (true, Some(validity), Some(record)) = (due, validity, record) else { return Ok(()) };
        let Some(issued) = &mut device.issued else { return Ok(()) };
        let owner = &self.caller;
        let owning =
            Owning { device: self.device, owner, record: &record, seq: device.ownership.seq, validity };
        let made = grant::make(&self.keys, issued, &owning, &mut Dice::new(self.seed));
        if let Ok(Some(grant)) = made {
            device.grant = Some(grant);
            device.regrant = None;
            device.write(batch, self.device);
        }
        Ok(())
    }
}

impl Operation for ReadConfiguration {
    type Reply = Result<ConfigurationAnswer, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let caller = management_key(MANAGEMENT, &self.caller);
        ReadSet::of([device_key(DEVICE, self.device), caller, Recovery::key()])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let set = match RegisteredDevice::read(snapshot, self.device) {
            Ok(device) => device.and_then(|device| device.issued).map(|issued| issued.parameter_set),
            Err(_) => None,
        };
        if let Some(key) = set.map(|set| device_key(PARAMETER_SET, set))
            && !snapshot.covers(&key)
        {
            return Decision::Need(ReadSet::of([key]));
        }
        let mut batch = Batch::default();
        let reply = self.answer(snapshot, now, &mut batch);
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// The parameter set of a device, for its owner.
/// Source: aSSURE 9.3.6.
#[derive(Clone, Debug)]
pub struct ReadDeviceParameters {
    /// The device.
    pub device: Uuid,
    /// The management system that asks.
    pub caller: ManagementId,
}

impl Operation for ReadDeviceParameters {
    /// `None`: not the caller's, or no such device.
    type Reply = Result<Option<Vec<u8>>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let read = RegisteredDevice::read(snapshot, self.device);
        let own = read.map(|found| {
            found
                .filter(|device| device.ownership.owner.as_ref() == Some(&self.caller))
                .and_then(|d| d.issued)
        });
        let reply = match own {
            Ok(Some(issued)) => {
                let key = device_key(PARAMETER_SET, issued.parameter_set);
                if !snapshot.covers(&key) {
                    return Decision::Need(ReadSet::of([key]));
                }
                // A device whose maker never uploaded its set has an empty one.
                stored_set(snapshot, issued.parameter_set)
                    .map(|set| Some(set.map(|s| s.bytes).unwrap_or_default()))
            }
            Ok(None) => Ok(None),
            Err(bad) => Err(bad),
        };
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

/// The changes that are still on their way, to be driven on after a restart.
#[derive(Clone, Debug)]
pub struct ReadPending {
    /// Read on after this device.
    pub after: Option<Uuid>,
}

/// Changes per page of [`ReadPending`].
const PENDING_PAGE: usize = 64;

impl ReadPending {
    fn range(&self) -> Range {
        devices_after(PENDING, self.after, PENDING_PAGE)
    }
}

impl Operation for ReadPending {
    type Reply = Vec<(Uuid, OperationId)>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(self.range())
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let id = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).ok();
        let page = snapshot.page(&self.range());
        let entries = page
            .records
            .iter()
            .filter_map(|(key, record)| Some((Uuid(id(&key.name)?), OperationId(id(&record.value)?))));
        Decision::Done { batch: Batch::default(), reply: entries.collect(), effects: Vec::new() }
    }
}

/// Reads who owns what, in the order of the devices' UUIDs.
/// Source: decision H5.
#[derive(Clone, Debug)]
pub struct ReadOwners {
    /// Read on after this device.
    pub after: Option<Uuid>,
}

/// Devices per page of [`ReadOwners`].
const OWNERS_PAGE: usize = 256;

impl ReadOwners {
    fn range(&self) -> Range {
        devices_after(DEVICE, self.after, OWNERS_PAGE)
    }
}

impl Operation for ReadOwners {
    /// `None` behind a device: it is not issued yet. Empty at the end.
    type Reply = Result<Vec<(Uuid, Option<OwnerNow>)>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(self.range())
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let records = snapshot.page(&self.range()).records.iter();
        let reply = records.map(|(key, record)| {
            let device: RegisteredDevice = crate::stored::from_bytes(&record.value)?;
            let uuid = device_of(key)?;
            let owner = OwnerNow { seq: device.ownership.seq, owner: device.ownership.owner };
            Ok((uuid, device.issued.is_some().then_some(owner)))
        });
        Decision::Done { batch: Batch::default(), reply: reply.collect(), effects: Vec::new() }
    }
}

/// The change of one device that is on its way.
#[derive(Clone, Debug)]
pub struct ReadPendingChange {
    /// The device.
    pub device: Uuid,
}

impl Operation for ReadPendingChange {
    type Reply = Result<Option<PendingChange>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let reply = RegisteredDevice::read(snapshot, self.device)
            .map(|found| found.and_then(|d| d.ownership.pending));
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

/// Signs the bootstrap server's keys as class 3, each with the online key of its kind.
/// Source: decision G 29.
#[derive(Clone, Debug)]
pub struct SignBootstrapKeys {
    /// The keys.
    pub public: Vec<PublicKey>,
    /// What the server signs with.
    pub keys: Arc<RegistrationKeys>,
    /// Where it came from.
    pub origin: Origin,
}

/// Keys in one request: one EC and one RSA key, and room for their successors.
const BOOTSTRAP_KEYS_MAX: usize = 4;

impl Operation for SignBootstrapKeys {
    /// The authenticated keys in the same order; `None` when one of them is not to be signed.
    type Reply = Option<Vec<Vec<u8>>>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default()
    }

    fn decide(&self, _: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = self.sign(now);
        if let (Some(_), Some(at)) = (&reply, origin::utc(now)) {
            self.origin.audit(&mut batch, "authority.class3", None, "done", at);
        }
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

impl SignBootstrapKeys {
    fn sign(&self, now: Now) -> Option<Vec<Vec<u8>>> {
        let validity = origin::utc(now).and_then(signed_at)?;
        let mut dice = Dice::new(self.origin.seed);
        let one = |public: &PublicKey| {
            let signer = match public.kind() {
                KeyKind::Ec(_) => self.keys.ec.signer(),
                KeyKind::Rsa { .. } => self.keys.rsa.signer(),
            };
            let definition = KeyDefinition::public(KeyId(Uuid::v4(dice.bytes()).0), public.clone());
            let (provider, class) = (&*self.keys.provider, Class::BootstrapService);
            AuthenticatedKey::issue(
                provider,
                class,
                &definition,
                Metadata::NONE,
                &signer,
                validity,
                &mut dice,
            )
            .ok()
            .map(|key| key.encoded().to_vec())
        };
        (self.public.len() <= BOOTSTRAP_KEYS_MAX).then(|| self.public.iter().map(one).collect()).flatten()
    }
}
