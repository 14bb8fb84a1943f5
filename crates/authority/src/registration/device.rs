//! Devices as the registration server knows them.

use clock::Now;
use crypto::Secret;
use minicbor::{Decode, Encode};
use model::{ManagementId, Uuid};
use store::{Batch, Decision, Operation, ReadSet, Snapshot};

use super::recovery::RaisedBy;
use super::{OperationId, Ownership};
use crate::spaces::{DEVICE, device_key};
use crate::stored::{self, BadRecord};
use crate::{Origin, origin};

/// Which kind of key a device was born with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum DeviceKind {
    /// A shared secret.
    #[n(0)]
    SharedSecret,
    /// An EC key.
    #[n(1)]
    Ec,
    /// An RSA key.
    #[n(2)]
    Rsa,
}

/// A derived secret of one device with the key structure that proves it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct IssuedSecret {
    /// The secret itself.
    #[cbor(n(0), with = "stored::secret")]
    pub secret: Secret,
    /// Its authenticated key (7.4).
    #[cbor(n(1), with = "minicbor::bytes")]
    pub key: Vec<u8>,
}

/// An owner secret that no owner has been given yet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PoolEntry {
    /// The key definition (7.2) with the derivation for the device.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub definition: Vec<u8>,
    /// The secret itself.
    #[cbor(n(1), with = "stored::secret")]
    pub secret: Secret,
}

/// The secrets that the identity server issued for a device that knows only a secret.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SecretChain {
    /// The TA-signing secret T: signs owner data and owner secrets for this device alone.
    #[n(0)]
    pub signing: IssuedSecret,
    /// The wrapping secret W: makes owner secrets when the pool is empty.
    #[n(1)]
    pub wrapping: IssuedSecret,
    /// Owner secrets, used from the front; used ones are erased.
    #[cbor(n(2), with = "super::pool")]
    pub pool: Vec<PoolEntry>,
}

/// What the identity server issued about one device.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct IssuedRegistration {
    /// SHA-256 of UUID and case string.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub case_hash: [u8; 32],
    /// The parameter set of its kind.
    #[cbor(n(1), with = "stored::id16")]
    pub parameter_set: Uuid,
    /// The kind of its key.
    #[n(2)]
    pub kind: DeviceKind,
    /// The secrets, for devices that know only a secret.
    #[n(3)]
    pub secrets: Option<SecretChain>,
}

/// What the present owner gets to know: the keys of its configuration.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct OwnerGrant {
    /// The owner that this is for, and its number.
    #[cbor(n(0), with = "stored::management_id")]
    pub(crate) owner: ManagementId,
    #[n(1)]
    pub(crate) seq: u32,
    /// The owner's key for this device, authenticated (7.4).
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) key: Vec<u8>,
    /// The signed owner data (15.5).
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(crate) owner_data: Vec<u8>,
    /// Whether the key derives from the wrapping secret, which must then precede it.
    #[n(4)]
    pub(crate) by_wrapping: bool,
    /// The generation of the authority that signed it; none: the first.
    #[n(5)]
    pub(crate) generation: Option<u32>,
}

/// The record of one device.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct RegisteredDevice {
    #[cbor(n(0), with = "stored::id16")]
    pub(crate) maker: Uuid,
    #[cbor(n(1), with = "stored::id16")]
    pub(crate) created_by: OperationId,
    #[n(2)]
    pub(crate) issued: Option<IssuedRegistration>,
    #[n(3)]
    pub(crate) ownership: Ownership,
    #[n(4)]
    pub(crate) grant: Option<OwnerGrant>,
    /// The record is on its way to the identity server: the upload was taken.
    #[n(5)]
    pub(crate) submitted: Option<bool>,
    /// The recovery that raised it last.
    #[n(6)]
    pub(crate) raised_by: Option<RaisedBy>,
    /// The present owner lost its grant to a recovery and gets a new one when it asks.
    #[n(7)]
    pub(crate) regrant: Option<bool>,
    /// Owner secrets were asked for under this name and did not come yet.
    #[n(8)]
    pub(crate) refill: Option<RefillName>,
}

/// Names one request for owner secrets: an answer to any other counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct RefillName(#[cbor(n(0), with = "stored::id16")] pub(crate) Uuid);

impl RegisteredDevice {
    /// Voids what was issued before a recovery: the pool, an open request for more, and the grant, which
    /// the present owner gets anew under its new number.
    pub(crate) fn void(&mut self) {
        if let Some(chain) = self.issued.as_mut().and_then(|issued| issued.secrets.as_mut()) {
            chain.pool.clear();
        }
        self.refill = None;
        self.grant = None;
        self.regrant = Some(true);
    }

    pub(crate) fn read(from: &Snapshot, device: Uuid) -> Result<Option<Self>, BadRecord> {
        stored::record(from, &device_key(DEVICE, device))
    }

    pub(crate) fn write(&self, to: &mut Batch, device: Uuid) {
        to.put(device_key(DEVICE, device), stored::to_bytes(self));
    }
}

/// Makes the entry of a device that is being uploaded (`CheckDeviceExists`, `CreateDevice`).
/// Source: aSSURE 9.2.1, 14.1 step 4.
#[derive(Clone, Debug)]
pub struct CreateDevice {
    /// The device.
    pub device: Uuid,
    /// The maker that uploads it.
    pub maker: Uuid,
    /// The upload.
    pub operation: OperationId,
    /// Where it came from.
    pub origin: Origin,
}

/// What became of [`CreateDevice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// The entry stands.
    Stands,
    /// The device exists already.
    Exists,
}

impl Operation for CreateDevice {
    type Reply = Result<Created, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = RegisteredDevice::read(snapshot, self.device).map(|found| {
            let outcome = match found {
                // An upload that was cut before its record was on its way goes on where it stopped.
                Some(device) if device.created_by == self.operation && device.submitted.is_none() => {
                    return Created::Stands;
                }
                Some(_) => Created::Exists,
                None => {
                    let device = RegisteredDevice {
                        maker: self.maker,
                        created_by: self.operation,
                        issued: None,
                        ownership: Ownership::default(),
                        grant: None,
                        submitted: None,
                        raised_by: None,
                        regrant: None,
                        refill: None,
                    };
                    device.write(&mut batch, self.device);
                    Created::Stands
                }
            };
            if let Some(at) = origin::utc(now) {
                let result = if outcome == Created::Stands { "done" } else { "exists" };
                self.origin.audit(&mut batch, "maker.upload", Some(self.device), result, at);
            }
            outcome
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// Takes back an entry that was not issued: the upload failed elsewhere, or the identity server rejected
/// the record, which frees the UUID.
/// Source: decision M11.
#[derive(Clone, Debug)]
pub struct RemoveDevice {
    /// The device.
    pub device: Uuid,
    /// The upload that made it; `None` when the identity server rejected whatever was uploaded.
    pub operation: Option<OperationId>,
    /// Why, as it stands in the audit log.
    pub reason: &'static str,
    /// Where it came from.
    pub origin: Origin,
}

impl Operation for RemoveDevice {
    /// Whether the entry was this upload's and is gone.
    type Reply = Result<bool, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = RegisteredDevice::read(snapshot, self.device).map(|found| {
            // What is on its way to the identity server is not taken back by a second try of the same upload.
            let own = |device: &RegisteredDevice| {
                self.operation
                    .is_none_or(|operation| device.created_by == operation && device.submitted.is_none())
            };
            let is_removed = found.is_some_and(|device| device.issued.is_none() && own(&device));
            if is_removed {
                batch.delete(device_key(DEVICE, self.device));
                if let Some(at) = origin::utc(now) {
                    self.origin.audit(&mut batch, "maker.withdraw", Some(self.device), self.reason, at);
                }
            }
            is_removed
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// Takes in what the identity server issued.
/// Source: aSSURE 14.1 step 10.
#[derive(Clone, Debug)]
pub struct ImportIssued {
    /// The device.
    pub device: Uuid,
    /// The maker that the identity server verified.
    pub maker: Uuid,
    /// What was issued.
    pub issued: IssuedRegistration,
    /// Where it came from.
    pub origin: Origin,
}

/// What became of [`ImportIssued`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// The device is ready to be claimed.
    Ready,
    /// It had been issued before; what was issued first stands.
    Known,
    /// No upload by this maker made an entry for it.
    NeverUploaded,
}

impl Operation for ImportIssued {
    type Reply = Result<Imported, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = RegisteredDevice::read(snapshot, self.device).map(|found| match found {
            Some(device) if device.maker != self.maker => Imported::NeverUploaded,
            None => Imported::NeverUploaded,
            Some(device) if device.issued.is_some() => Imported::Known,
            Some(mut device) => {
                device.issued = Some(self.issued.clone());
                // No entry without issue has had owners, unless a restore lost it: the file is an old one then,
                // and its pool may have been used.
                if device.raised_by.is_some() || device.ownership.seq > 0 {
                    device.void();
                }
                device.write(&mut batch, self.device);
                if let Some(at) = origin::utc(now) {
                    self.origin.audit(&mut batch, "identity.import", Some(self.device), "done", at);
                }
                Imported::Ready
            }
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}
