//! Bootstrap secrets of a new generation.

use std::sync::Arc;

use assure_proto::{DeviceTrust, TrustSecrets};
use clock::Now;
use crypto::Provider;
use store::{Batch, Decision, Operation, ReadSet, Snapshot};

use super::device::{BootstrapDevice, DeviceProof};
use super::holder::HolderName;
use crate::spaces::{BOOTSTRAP_DEVICE, device_key};
use crate::stored::BadRecord;
use crate::{Origin, origin};

/// Replaces the class 3 secrets of the devices in one file. The images that are stored stay: a device that
/// takes one of the generation before still belongs to that one.
/// Source: decision H7; layouts G 22; ADR 0101.
#[derive(Clone)]
pub struct ReplaceTrust {
    /// The new generation.
    pub generation: u32,
    /// The devices with what the bootstrap server is told.
    pub devices: Vec<DeviceTrust>,
    /// Names keys in the index.
    pub provider: Arc<dyn Provider>,
    /// Where it came from.
    pub origin: Origin,
}

impl ReplaceTrust {
    fn secrets(&self) -> impl Iterator<Item = (model::Uuid, &assure_proto::IssuedSecret)> {
        self.devices.iter().filter_map(|trust| match &trust.secrets {
            TrustSecrets::Bootstrap(secret) => Some((trust.device, &**secret)),
            TrustSecrets::Registration(_) => None,
        })
    }

    fn replace(&self, snapshot: &Snapshot, batch: &mut Batch) -> Result<usize, BadRecord> {
        let mut replaced = 0;
        for (uuid, secret) in self.secrets() {
            let Some(mut device) = BootstrapDevice::read(snapshot, uuid)? else { continue };
            let Some(issued) = device.issued.as_mut() else { continue };
            let DeviceProof::BootstrapSecret { key, .. } = &issued.proof else { continue };
            if key == secret.key.encoded() {
                continue;
            }
            if let Some(before) = HolderName::of_issued(&*self.provider, issued) {
                batch.delete(before.key());
            }
            let (key, secret_bytes) = (secret.key.encoded().to_vec(), secret.secret.clone());
            issued.proof = DeviceProof::BootstrapSecret { secret: secret_bytes, key };
            device.write(batch, uuid);
            HolderName::of_secret(secret.key.id()).point_at(uuid, snapshot, batch);
            replaced += 1;
        }
        Ok(replaced)
    }
}

impl Operation for ReplaceTrust {
    /// How many devices were moved on.
    type Reply = Result<usize, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let keys = self.secrets().flat_map(|(uuid, secret)| {
            [device_key(BOOTSTRAP_DEVICE, uuid), HolderName::of_secret(secret.key.id()).key()]
        });
        ReadSet::of(keys.collect::<Vec<_>>())
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = self.replace(snapshot, &mut batch);
        if reply.is_err() {
            batch = Batch::default();
        } else if let Some(at) = origin::utc(now) {
            let result = format!("{} devices to {}", self.devices.len(), self.generation);
            self.origin.audit(&mut batch, "bootstrap.trust", None, &result, at);
        }
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}
