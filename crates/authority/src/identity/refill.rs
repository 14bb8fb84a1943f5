//! The registration server asks for owner secrets: fresh ones are derived and sent.

use std::sync::Arc;

use assure_proto::GapContent;
use clock::{Dice, Now};
use model::Uuid;
use store::{Batch, Decision, Operation, ReadSet, Snapshot, decided};

use super::issue;
use super::keys::IdentityKeys;
use super::submit::KnownDevice;
use crate::gap::{self, NotSent, Sending};
use crate::spaces::{IDENTITY_DEVICE, device_key};
use crate::{GapPartner, Origin, origin, stored};

/// Answers one request for owner secrets.
///
/// Every secret and key id is drawn anew, so nothing that was given before is given again; what is given
/// is not kept here.
/// Source: decision H6; layouts G 22; ADR 0100.
#[derive(Clone, Debug)]
pub struct ImportRefill {
    /// The device.
    pub device: Uuid,
    /// The name of the request, which the answer repeats.
    pub request: Uuid,
    /// The registration server.
    pub registration: GapPartner,
    /// Our keys.
    pub keys: Arc<IdentityKeys>,
    /// Where it came from.
    pub origin: Origin,
}

/// What became of [`ImportRefill`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefillIssued {
    /// So many secrets are in the outbox; none for a device that is unknown or has no secret.
    Given(usize),
    /// The server does not know the time; the file stays where it is.
    NoClock,
}

impl ImportRefill {
    /// The operation for a file that asks; `None` when it is none.
    #[must_use]
    pub fn new(
        content: &GapContent,
        registration: &GapPartner,
        keys: Arc<IdentityKeys>,
        origin: Origin,
    ) -> Option<Self> {
        match content {
            GapContent::Refill { device, request, pool } if pool.is_empty() => {
                let (device, request, registration) = (*device, *request, registration.clone());
                Some(Self { device, request, registration, keys, origin })
            }
            _ => None,
        }
    }

    fn answer(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<RefillIssued, NotSent> {
        let Some(at) = origin::utc(now) else { return Ok(RefillIssued::NoClock) };
        let Some(validity) = crate::registration::signed_at(at) else { return Ok(RefillIssued::NoClock) };
        let known: Option<KnownDevice> = stored::record(snapshot, &device_key(IDENTITY_DEVICE, self.device))?;
        let secret = known.map(|known| known.secret).filter(|secret| !secret.expose().is_empty());
        let mut dice = Dice::new(self.origin.seed);
        let provider = &*self.keys.provider;
        let pool = secret.and_then(|secret| issue::owner_secrets(provider, self.device, &secret, &mut dice));
        let pool = pool.unwrap_or_default();
        let given = pool.len();
        let content = GapContent::Refill { device: self.device, request: self.request, pool };
        let me = &self.keys.gap;
        let sending = Sending { provider, me, partner: &self.registration, validity };
        gap::send(&sending, &me.signer(), &content, snapshot, batch, &mut dice)?;
        let result = if given > 0 { "done" } else { "unknown" };
        self.origin.audit(batch, "identity.refill", Some(self.device), result, at);
        Ok(RefillIssued::Given(given))
    }
}

impl Operation for ImportRefill {
    type Reply = Result<RefillIssued, NotSent>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(IDENTITY_DEVICE, self.device), gap::sent_key(self.registration.id)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.answer(snapshot, now, batch))
    }
}
