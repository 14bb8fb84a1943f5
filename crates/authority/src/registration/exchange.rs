//! What the registration server sends and takes across the air gap.

use std::sync::Arc;

use assure_proto::{GapContent, RegistrationKeys as IssuedKeys};
use clock::{Dice, Now};
use crypto::Provider;
use model::Uuid;
use store::{Batch, Decision, Operation, ReadSet, Snapshot};

use super::device::{DeviceKind, IssuedRegistration, RegisteredDevice, SecretChain};
use super::{OperationId, signed_at};
use crate::gap::{self, GapPartner, GapSelf, NotSent, Sending};
use crate::origin;
use crate::spaces::{DEVICE, device_key};

/// Sends a maker's record to the identity server, once both online servers have the device's entry
/// (`SUBMIT device data`).
/// Source: aSSURE 14.1 step 6.
#[derive(Clone)]
pub struct SubmitRecord {
    /// The device.
    pub device: Uuid,
    /// The maker, from its certificate.
    pub maker: Uuid,
    /// The upload that made the entry.
    pub operation: OperationId,
    /// The ECIES blob, unchanged.
    pub blob: Vec<u8>,
    /// This server across the gap.
    pub me: GapSelf,
    /// The identity server.
    pub identity: GapPartner,
    /// Does the cryptography.
    pub provider: Arc<dyn Provider>,
    /// Randomness.
    pub seed: [u8; 32],
}

impl SubmitRecord {
    fn submit(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<bool, NotSent> {
        let device = RegisteredDevice::read(snapshot, self.device)?;
        let own = device.filter(|d| d.created_by == self.operation && d.issued.is_none());
        let validity = origin::utc(now).and_then(signed_at);
        let (Some(mut device), Some(validity)) = (own, validity) else { return Ok(false) };
        if device.submitted.is_some() {
            return Ok(true);
        }
        let content = GapContent::Submit { maker: self.maker, device: self.device, blob: self.blob.clone() };
        let (provider, me, partner) = (&*self.provider, &self.me, &self.identity);
        let sending = Sending { provider, me, partner, validity };
        gap::send(&sending, &me.signer(), &content, snapshot, batch, &mut Dice::new(self.seed))?;
        device.submitted = Some(true);
        device.write(batch, self.device);
        Ok(true)
    }
}

impl Operation for SubmitRecord {
    /// Whether the file is in the outbox; false when the entry is not this upload's.
    type Reply = Result<bool, NotSent>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device), gap::sent_key(self.identity.id)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = self.submit(snapshot, now, &mut batch);
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// A device as the identity server issued it: the device, its maker, and what is stored.
#[must_use]
pub fn issued_registration(content: GapContent) -> Option<(Uuid, Uuid, IssuedRegistration)> {
    let GapContent::IssueRegistration { device, maker, case_hash, parameter_set, keys } = content else {
        return None;
    };
    let (kind, secrets) = match keys {
        IssuedKeys::Ec => (DeviceKind::Ec, None),
        IssuedKeys::Rsa => (DeviceKind::Rsa, None),
        IssuedKeys::SharedSecret(secrets) => {
            (DeviceKind::SharedSecret, Some(SecretChain::from_gap(*secrets)))
        }
    };
    Some((device, maker, IssuedRegistration { case_hash: case_hash.0, parameter_set, kind, secrets }))
}
