//! Devices as the bootstrap server knows them.

use assure_proto::{BootstrapKey, GapContent};
use clock::Now;
use crypto::Secret;
use minicbor::{Decode, Encode};
use model::{ManagementId, Uuid};
use store::{Batch, Decision, Operation, ReadSet, Snapshot};

use super::holder::HolderName;
use crate::registration::OperationId;
use crate::spaces::{BOOTSTRAP_DEVICE, device_key};
use crate::stored::{self, BadRecord};
use crate::{Origin, origin};

/// How a device proves itself to the bootstrap server.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum DeviceProof {
    /// By its public key.
    #[n(0)]
    PublicKey {
        /// The SubjectPublicKeyInfo.
        #[cbor(n(0), with = "minicbor::bytes")]
        spki: Vec<u8>,
    },
    /// By the secret that it derives from its own.
    #[n(1)]
    BootstrapSecret {
        /// The class 3 secret.
        #[cbor(n(0), with = "stored::secret")]
        secret: Secret,
        /// Its authenticated key (7.4), signed by the device's TA-signing secret.
        #[cbor(n(1), with = "minicbor::bytes")]
        key: Vec<u8>,
    },
}

/// What the identity server issued about one device.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct IssuedDevice {
    /// The device part of the configuration, as JSON (15.2).
    #[cbor(n(0), with = "minicbor::bytes")]
    pub configuration: Vec<u8>,
    /// How it proves itself.
    #[n(1)]
    pub proof: DeviceProof,
}

impl IssuedDevice {
    /// A device as the identity server issued it, with its UUID.
    #[must_use]
    pub fn from_gap(content: GapContent) -> Option<(Uuid, Self)> {
        let GapContent::IssueBootstrap { device, json, key } = content else { return None };
        let proof = match key {
            BootstrapKey::Public(key) => DeviceProof::PublicKey { spki: key.spki().to_vec() },
            BootstrapKey::Secret(issued) => {
                DeviceProof::BootstrapSecret { secret: issued.secret, key: issued.key.encoded().to_vec() }
            }
        };
        Some((device, Self { configuration: json, proof }))
    }
}

/// The record of one device.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct BootstrapDevice {
    #[cbor(n(0), with = "stored::id16")]
    pub(crate) created_by: OperationId,
    #[n(1)]
    pub(crate) issued: Option<IssuedDevice>,
    #[n(2)]
    pub(crate) seq: u32,
    #[cbor(n(3), with = "stored::owner")]
    pub(crate) owner: Option<ManagementId>,
    #[n(4)]
    pub(crate) changed_by: Option<LastChange>,
}

/// The owner change that was mirrored last.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct LastChange(#[cbor(n(0), with = "stored::id16")] pub(crate) OperationId);

impl BootstrapDevice {
    /// The entry of a device whose upload this store does not remember.
    const UPLOADED_BEFORE: Self =
        Self { created_by: OperationId([0; 16]), issued: None, seq: 0, owner: None, changed_by: None };

    pub(crate) fn read(from: &Snapshot, device: Uuid) -> Result<Option<Self>, BadRecord> {
        stored::record(from, &device_key(BOOTSTRAP_DEVICE, device))
    }

    pub(crate) fn write(&self, to: &mut Batch, device: Uuid) {
        to.put(device_key(BOOTSTRAP_DEVICE, device), stored::to_bytes(self));
    }
}

/// Makes the entry of a device that was uploaded but not issued yet.
/// Source: aSSURE 14.1 step 4, decision G 31.
#[derive(Clone, Debug)]
pub struct CreateDevice {
    /// The device.
    pub device: Uuid,
    /// The upload; repeating it is harmless.
    pub operation: OperationId,
}

/// What became of [`CreateDevice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// The entry stands, made now or by the same upload before.
    Stands,
    /// Another upload made it.
    Exists,
}

impl Operation for CreateDevice {
    type Reply = Result<Created, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(BOOTSTRAP_DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = BootstrapDevice::read(snapshot, self.device).map(|found| match found {
            Some(device) if device.created_by == self.operation => Created::Stands,
            Some(_) => Created::Exists,
            None => {
                let device = BootstrapDevice {
                    created_by: self.operation,
                    issued: None,
                    seq: 0,
                    owner: None,
                    changed_by: None,
                };
                device.write(&mut batch, self.device);
                Created::Stands
            }
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// Takes back an entry that was not issued: the upload failed elsewhere, or the identity server rejected
/// the record.
#[derive(Clone, Debug)]
pub struct RemoveDevice {
    /// The device.
    pub device: Uuid,
    /// The upload that made it.
    pub operation: OperationId,
}

impl Operation for RemoveDevice {
    type Reply = Result<(), BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(BOOTSTRAP_DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = BootstrapDevice::read(snapshot, self.device).map(|found| {
            if found.is_some_and(|device| device.created_by == self.operation && device.issued.is_none()) {
                batch.delete(device_key(BOOTSTRAP_DEVICE, self.device));
            }
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// Takes in what the identity server issued. The caller puts it into one commit with the number of the
/// file that brought it.
///
/// A device without an entry gets one: the identity server issues only what was uploaded, so this store was
/// restored from a backup that is older than the upload (ADR 0110).
/// Source: aSSURE 14.1 step 9; decision H5.
#[derive(Clone, Debug)]
pub struct ImportIssued {
    /// The device.
    pub device: Uuid,
    /// What was issued.
    pub issued: IssuedDevice,
    /// The name of the key in it, by which the device is found that gives no name of its own.
    pub holder: HolderName,
    /// Where it came from.
    pub origin: Origin,
}

/// What became of [`ImportIssued`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// The device is ready for its owner.
    Ready,
    /// It had been issued before; what was issued first stands.
    Known,
}

impl Operation for ImportIssued {
    type Reply = Result<Imported, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(BOOTSTRAP_DEVICE, self.device), self.holder.key()])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = BootstrapDevice::read(snapshot, self.device).map(|found| match found {
            Some(device) if device.issued.is_some() => Imported::Known,
            found => {
                let mut device = found.unwrap_or(BootstrapDevice::UPLOADED_BEFORE);
                device.issued = Some(self.issued.clone());
                device.write(&mut batch, self.device);
                self.holder.point_at(self.device, snapshot, &mut batch);
                if let Some(at) = origin::utc(now) {
                    self.origin.audit(&mut batch, "identity.import", Some(self.device), "done", at);
                }
                Imported::Ready
            }
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// Reads what was issued about a device, with the owner that is mirrored here.
/// Source: aSSURE 14.5 step 2 (`GetDeviceData`).
#[derive(Clone, Debug)]
pub struct ReadDevice {
    /// The device.
    pub device: Uuid,
}

impl Operation for ReadDevice {
    type Reply = Result<Option<IssuedDevice>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(BOOTSTRAP_DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let reply = BootstrapDevice::read(snapshot, self.device).map(|found| found.and_then(|d| d.issued));
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

/// Frees the entry of a device whose record the identity server rejected.
/// Source: decision M11.
#[derive(Clone, Debug)]
pub struct FreeDevice {
    /// The device.
    pub device: Uuid,
}

impl Operation for FreeDevice {
    type Reply = Result<(), BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(BOOTSTRAP_DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = BootstrapDevice::read(snapshot, self.device).map(|found| {
            if found.is_some_and(|device| device.issued.is_none()) {
                batch.delete(device_key(BOOTSTRAP_DEVICE, self.device));
            }
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}
