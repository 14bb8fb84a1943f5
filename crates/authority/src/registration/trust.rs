//! Secrets of a new generation for devices that know only a secret.

use assure_proto::{AuthenticatedKey, AuthoritySecrets, DeviceTrust, TrustSecrets};
use clock::Now;
use store::{Batch, Decision, Operation, ReadSet, Snapshot};

use super::device::{IssuedSecret, PoolEntry, RegisteredDevice, SecretChain};
use crate::spaces::{DEVICE, device_key};
use crate::stored::BadRecord;
use crate::{Origin, origin};

impl SecretChain {
    /// The secrets as they came from the identity server.
    #[must_use]
    pub fn from_gap(secrets: AuthoritySecrets) -> Self {
        let secret = |issued: assure_proto::IssuedSecret| IssuedSecret {
            secret: issued.secret,
            key: issued.key.encoded().to_vec(),
        };
        let AuthoritySecrets { signing, wrapping, pool } = secrets;
        let pool = pool.into_iter().map(PoolEntry::from_gap).collect();
        Self { signing: secret(signing), wrapping: secret(wrapping), pool }
    }

    /// The generation that T carries.
    pub(crate) fn generation(&self) -> Result<u32, BadRecord> {
        let key = AuthenticatedKey::decode(&self.signing.key).map_err(|_| BadRecord)?;
        Ok(key.metadata().generation.unwrap_or_default())
    }
}

/// Replaces T, W and the pool of the devices in one file. Their owners get a grant under the new T when
/// they next ask; what the T of before signed is worth nothing to a device that has taken that.
/// Source: decision H7; layouts G 22; ADR 0101.
#[derive(Clone, Debug)]
pub struct ReplaceTrust {
    /// The new generation.
    pub generation: u32,
    /// The devices with what the registration server is told.
    pub devices: Vec<DeviceTrust>,
    /// Where it came from.
    pub origin: Origin,
}

impl ReplaceTrust {
    fn replace(&self, snapshot: &Snapshot, batch: &mut Batch) -> Result<usize, BadRecord> {
        let mut replaced = 0;
        for trust in &self.devices {
            let TrustSecrets::Registration(secrets) = &trust.secrets else { continue };
            let Some(mut device) = RegisteredDevice::read(snapshot, trust.device)? else { continue };
            let Some(chain) = device.issued.as_mut().and_then(|issued| issued.secrets.as_mut()) else {
                continue;
            };
            if chain.generation()? >= self.generation {
                continue;
            }
            *chain = SecretChain::from_gap((**secrets).clone());
            device.refill = None;
            device.grant = None;
            device.regrant = Some(true);
            device.write(batch, trust.device);
            replaced += 1;
        }
        Ok(replaced)
    }
}

impl Operation for ReplaceTrust {
    /// How many devices were moved on; those that were already, or are not issued here, are left alone.
    type Reply = Result<usize, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of(self.devices.iter().map(|trust| device_key(DEVICE, trust.device)).collect::<Vec<_>>())
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = self.replace(snapshot, &mut batch);
        if reply.is_err() {
            batch = Batch::default();
        } else if let Some(at) = origin::utc(now) {
            let result = format!("{} devices to {}", self.devices.len(), self.generation);
            self.origin.audit(&mut batch, "authority.trust", None, &result, at);
        }
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}
