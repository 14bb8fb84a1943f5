//! The four calls that change an owner, and how a change is brought to its end.

use core::time::Duration;
use std::sync::Arc;

use clock::{Dice, Now, Timestamp};
use crypto::{HashAlgorithm, Provider, Secret};
use model::{ManagementId, Uuid};
use store::{Batch, Decision, Key, Operation, ReadSet, Snapshot};

use super::device::RegisteredDevice;
use super::grant::{self, Owning};
use super::keys::{RegistrationKeys, signed_at};
use super::management::{StoredManagement, announcement_key};
use super::recovery::Recovery;
use super::{OperationId, OwnerRequest, PendingChange, Receiver, Ruling};
use crate::bootstrap::OwnerNow;
use crate::spaces::{DEVICE, FAILED_CLAIMS, MANAGEMENT, PENDING, device_key, management_key};
use crate::stored::{self, BadRecord};
use crate::{Origin, origin};

/// Claims that one management system may fail within [`FAILURE_WINDOW`].
/// Source: decision M9 as amended.
pub const FAILURE_COUNT_MAX: usize = 20;
/// The window of [`FAILURE_COUNT_MAX`].
pub const FAILURE_WINDOW: Duration = Duration::from_secs(60 * 60);

/// Whom a call names as next owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nobody: `mgmtid=NULL`.
    Nobody,
    /// A management system.
    Management(ManagementId),
    /// Text that is no management id.
    Unreadable,
}

/// `PUT /v1/devices/{uuid}/owner` in all its forms (`SetDeviceOwner`).
///
/// Every refusal takes the same reads and the same hash, whatever its cause.
/// Source: aSSURE 9.3.2 to 9.3.5, rulings A-ASSURE-13, -34, decisions H5, H6, M9, G 31.
#[derive(Clone, Debug)]
pub struct ChangeOwner {
    /// The device.
    pub device: Uuid,
    /// The management system that asks.
    pub caller: ManagementId,
    /// The case string in canonical form, when the call has one.
    pub case_string: Option<Secret>,
    /// The next owner, when the call names one.
    pub target: Option<Target>,
    /// Names the attempt, if it begins a change.
    pub operation: OperationId,
    /// What the server signs with.
    pub keys: Arc<RegistrationKeys>,
    /// Where it came from.
    pub origin: Origin,
}

/// What became of [`ChangeOwner`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerAnswer {
    /// It stands as asked; nothing is on its way.
    Stands,
    /// Stored here; it stands once the bootstrap server has it: see [`CompleteChange`].
    OnItsWay(PendingChange),
    /// Refused; the caller is told nothing else.
    Forbidden,
    /// Not now.
    Later {
        /// When to try again.
        retry_after: Duration,
    },
}

/// Why the server could not decide; the caller answers 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CannotDecide {
    /// A stored record cannot be read.
    Record(BadRecord),
    /// The server does not know the time.
    NoClock,
    /// There is no owner secret to give, or signing failed.
    NoGrant,
}

impl From<BadRecord> for CannotDecide {
    fn from(bad: BadRecord) -> Self {
        Self::Record(bad)
    }
}

/// How long to wait when the server cannot give an owner secret.
const NO_GRANT_RETRY: Duration = Duration::from_secs(60 * 60);
/// How long to wait while a recovery is under way.
const RECOVERY_RETRY: Duration = Duration::from_secs(60);

impl ChangeOwner {
    fn receiver(&self) -> Option<&ManagementId> {
        match &self.target {
            Some(Target::Management(id)) => Some(id),
            Some(Target::Nobody | Target::Unreadable) | None => None,
        }
    }

    /// The system that would own the device: reading it also when it is the caller keeps all reads alike.
    fn next_owner(&self) -> &ManagementId {
        self.receiver().unwrap_or(&self.caller)
    }

    fn failures_key(&self) -> Key {
        management_key(FAILED_CLAIMS, &self.caller)
    }

    fn proof(&self, device: Option<&RegisteredDevice>) -> bool {
        let nothing = [0; 32];
        let issued = device.and_then(|device| device.issued.as_ref());
        let expected = issued.map_or(&nothing, |issued| &issued.case_hash);
        let given = self.case_string.as_ref().map_or(&[][..], Secret::expose);
        let provider: &dyn Provider = &*self.keys.provider;
        let hash = provider.digest(HashAlgorithm::Sha256, &[&self.device.0, given]).first_32();
        Secret::from(&hash[..]) == Secret::from(&expected[..]) && issued.is_some()
    }

    fn request(&self, snapshot: &Snapshot, proof: bool) -> Result<OwnerRequest, BadRecord> {
        let to = match (&self.target, self.receiver()) {
            (_, Some(id)) => {
                let record = StoredManagement::read(snapshot, id)?;
                let announced = snapshot.value(&announcement_key(id, self.device)).is_some();
                let own = *id == self.caller;
                let willing = record.is_some_and(|record| !record.announced_only || announced || own);
                Some(if willing { Receiver::Willing(id.clone()) } else { Receiver::Unwilling })
            }
            (Some(Target::Unreadable), None) => Some(Receiver::Unwilling),
            (Some(Target::Nobody | Target::Management(_)) | None, None) => None,
        };
        Ok(match (&self.case_string, to, &self.target) {
            (Some(_), Some(to), _) => OwnerRequest::ClaimAndTransfer { proof, to },
            (None, Some(to), _) => OwnerRequest::Transfer { to },
            (None, None, Some(Target::Nobody)) => OwnerRequest::Release,
            // A case string with `mgmtid=NULL` would claim for nobody: no such call exists.
            (Some(_), None, Some(_)) => OwnerRequest::Claim { proof: false },
            (Some(_), None, None) => OwnerRequest::Claim { proof },
            (None, None, Some(_) | None) => OwnerRequest::Transfer { to: Receiver::Unwilling },
        })
    }

    fn change(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<OwnerAnswer, CannotDecide> {
        let at = origin::utc(now).ok_or(CannotDecide::NoClock)?;
        let failures = Failures::read(snapshot, &self.failures_key())?;
        let device = RegisteredDevice::read(snapshot, self.device)?;
        let caller = StoredManagement::read(snapshot, &self.caller)?;
        let proof = self.proof(device.as_ref());
        let request = self.request(snapshot, proof)?;
        if self.case_string.is_some()
            && let Some(retry_after) = failures.too_many(at)
        {
            return Ok(OwnerAnswer::Later { retry_after });
        }
        if Recovery::is_under_way(snapshot)? {
            return Ok(OwnerAnswer::Later { retry_after: RECOVERY_RETRY });
        }
        let ready = device.filter(|device| device.issued.is_some() && caller.is_some());
        let ruling = match &ready {
            Some(device) => device.ownership.rule(&self.caller, &request, self.operation, at),
            None => Ruling::Refused,
        };
        match (ruling, ready) {
            (Ruling::Begin(change), Some(device)) => self.begin(snapshot, device, change, at, batch),
            (Ruling::AsItIs, _) => Ok(OwnerAnswer::Stands),
            (Ruling::Continue(change), _) => Ok(OwnerAnswer::OnItsWay(change)),
            (Ruling::TooMany { retry_after }, _) => Ok(OwnerAnswer::Later { retry_after }),
            (Ruling::Refused, _) | (Ruling::Begin(_), None) => {
                if self.case_string.is_some() {
                    failures.with(at).write(batch, self.failures_key());
                    self.origin.audit(batch, "owner.claim", Some(self.device), "refused", at);
                }
                Ok(OwnerAnswer::Forbidden)
            }
        }
    }

    fn begin(
        &self,
        snapshot: &Snapshot,
        mut device: RegisteredDevice,
        change: PendingChange,
        at: Timestamp,
        batch: &mut Batch,
    ) -> Result<OwnerAnswer, CannotDecide> {
        device.grant = None;
        device.regrant = None;
        if let (Some(owner), Some(issued)) = (&change.owner, &mut device.issued) {
            let Some(record) = StoredManagement::read(snapshot, owner)? else {
                return Ok(OwnerAnswer::Forbidden);
            };
            let validity = signed_at(at).ok_or(CannotDecide::NoClock)?;
            let owning = Owning { device: self.device, owner, record: &record, seq: change.seq, validity };
            let mut dice = Dice::new(self.origin.seed);
            match grant::make(&self.keys, issued, &owning, &mut dice) {
                Ok(grant) => device.grant = grant,
                Err(grant::NoGrant::NoSecret) => {
                    return Ok(OwnerAnswer::Later { retry_after: NO_GRANT_RETRY });
                }
                Err(grant::NoGrant::Record(bad)) => return Err(bad.into()),
                Err(grant::NoGrant::Signing) => return Err(CannotDecide::NoGrant),
            }
        }
        device.ownership = device.ownership.begun(change.clone(), at);
        device.write(batch, self.device);
        batch.put(device_key(PENDING, self.device), change.operation.0);
        // It was announced for one transfer.
        if let Some(receiver) = self.receiver() {
            batch.delete(announcement_key(receiver, self.device));
        }
        Ok(OwnerAnswer::OnItsWay(change))
    }
}

impl Operation for ChangeOwner {
    type Reply = Result<OwnerAnswer, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let next = self.next_owner();
        ReadSet::of([
            device_key(DEVICE, self.device),
            management_key(MANAGEMENT, &self.caller),
            management_key(MANAGEMENT, next),
            announcement_key(next, self.device),
            self.failures_key(),
            Recovery::key(),
        ])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = self.change(snapshot, now, &mut batch);
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// Completes a change that the bootstrap server has mirrored; repeating it is harmless.
#[derive(Clone, Debug)]
pub struct CompleteChange {
    /// The device.
    pub device: Uuid,
    /// The change.
    pub operation: OperationId,
    /// Where it came from.
    pub origin: Origin,
}

impl Operation for CompleteChange {
    /// Whether the change was pending until now.
    type Reply = Result<bool, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device), device_key(PENDING, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = RegisteredDevice::read(snapshot, self.device).map(|found| {
            let Some(mut device) = found else { return false };
            let Some(change) = device.ownership.pending.clone() else { return false };
            let Some(ownership) = device.ownership.clone().completed(self.operation) else { return false };
            device.ownership = ownership;
            device.write(&mut batch, self.device);
            batch.delete(device_key(PENDING, self.device));
            if let Some(at) = origin::utc(now) {
                let actor = change.by.as_ref().map_or("operator", ManagementId::as_str).into();
                let by = Origin { actor, ..self.origin.clone() };
                by.audit(&mut batch, change.kind.operation(), Some(self.device), "done", at);
            }
            true
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// Takes over what the bootstrap server has beyond us, after a restore from a backup: the higher number
/// wins, and its owner has to re-key before it gets a configuration again. At one number a release is the
/// later state, since nobody owns a device again without a new number. Owner secrets that are left in the
/// pool may have been given away since the backup: they are erased, and the wrapping secret makes new ones.
/// Source: decision H5.
#[derive(Clone, Debug)]
pub struct AdoptMirror {
    /// The device.
    pub device: Uuid,
    /// What the bootstrap server has.
    pub mirror: OwnerNow,
    /// Where it came from.
    pub origin: Origin,
}

impl Operation for AdoptMirror {
    /// Whether anything was behind.
    type Reply = Result<bool, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device), device_key(PENDING, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = RegisteredDevice::read(snapshot, self.device).map(|found| {
            let Some(mut device) = found else { return false };
            let released = device.ownership.seq == self.mirror.seq
                && device.ownership.pending.is_none()
                && device.ownership.owner.is_some()
                && self.mirror.owner.is_none();
            let behind = device.ownership.seq < self.mirror.seq || released;
            if behind {
                device.ownership.seq = self.mirror.seq;
                device.ownership.owner.clone_from(&self.mirror.owner);
                device.ownership.pending = None;
                device.grant = None;
                device.void();
                // At the mirror's number there may be a grant that we know nothing of.
                device.regrant = None;
                device.raised_by = None;
                device.write(&mut batch, self.device);
                batch.delete(device_key(PENDING, self.device));
                if let Some(at) = origin::utc(now) {
                    self.origin.audit(&mut batch, "owner.adopt", Some(self.device), "done", at);
                }
            }
            behind
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// When one management system failed to claim, oldest first.
struct Failures(Vec<Timestamp>);

impl Failures {
    fn read(from: &Snapshot, key: &Key) -> Result<Self, BadRecord> {
        let stored: Option<StoredFailures> = stored::record(from, key)?;
        Ok(Self(stored.map(|stored| stored.at).unwrap_or_default()))
    }

    /// How long to wait when the window is full; failures that seem to lie ahead count as just made.
    fn too_many(&self, now: Timestamp) -> Option<Duration> {
        let age =
            |at: &Timestamp| Duration::from_millis(now.as_unix_millis().saturating_sub(at.as_unix_millis()));
        let recent: Vec<Duration> = self.0.iter().map(age).filter(|age| *age < FAILURE_WINDOW).collect();
        let oldest = recent.iter().max()?;
        (recent.len() >= FAILURE_COUNT_MAX).then(|| FAILURE_WINDOW.saturating_sub(*oldest))
    }

    fn with(mut self, now: Timestamp) -> Self {
        if self.0.len() >= FAILURE_COUNT_MAX {
            self.0.remove(0);
        }
        self.0.push(now);
        self
    }

    fn write(self, to: &mut Batch, key: Key) {
        to.put(key, stored::to_bytes(&StoredFailures { at: self.0 }));
    }
}

#[derive(minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
struct StoredFailures {
    #[cbor(n(0), with = "stored::times")]
    at: Vec<Timestamp>,
}
