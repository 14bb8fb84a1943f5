//! A new generation: what the stolen keys of an online server signed counts no longer.
//!
//! ```text
//! request of the registration server (new online keys) -> BeginGeneration: number + 1, signed keys out
//! IssueGeneration, again and again: 32 devices with a secret, new T, W, pool and bootstrap secret out
//! ```
//! Each step is one commit with the files it sends; what a kill leaves is gone on with.
//! Source: decision H7; layouts G 10, G 22; ADR 0101.

use std::sync::Arc;

use assure_proto::{
    AuthenticatedKey, BootstrapKey, Class, DeviceTrust, EnrolRequest, GapContent, GapRole, RegistrationKeys,
    TrustSecrets, Validity,
};
use clock::{Dice, Now};
use crypto::KeyKind;
use minicbor::{Decode, Encode};
use model::Uuid;
use store::{Batch, Decision, Key, Operation, Range, ReadSet, Snapshot, decided};

use super::issue;
use super::keys::IdentityKeys;
use super::partners::{GapPartners, sign_class_1};
use super::submit::KnownDevice;
use crate::gap::{self, NotSent, Sending};
use crate::registration::signed_at;
use crate::spaces::{IDENTITY_DEVICE, device_key, device_of, devices_after, own_record};
use crate::stored::{self, BadRecord};
use crate::{GapPartner, Origin, origin};

/// Devices in one file: each takes about 1500 bytes of at most 65,536.
const DEVICES_PER_FILE: usize = 32;

/// How far the latest new generation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct GenerationProgress {
    /// Its number.
    #[n(0)]
    pub generation: u32,
    /// Devices up to this one have their new secrets.
    #[cbor(n(1), with = "ledger::fields::optional_uuid")]
    pub after: Option<Uuid>,
    /// Whether all have.
    #[n(2)]
    pub is_finished: bool,
    /// How many devices with a secret there were so far.
    #[n(3)]
    pub devices: u32,
}

impl GenerationProgress {
    fn key() -> Key {
        own_record(b"generation")
    }

    fn read(snapshot: &Snapshot) -> Result<Option<Self>, BadRecord> {
        stored::record(snapshot, &Self::key())
    }
}

/// Reads how far the latest new generation is; `None` when there was none.
#[derive(Clone, Copy, Debug)]
pub struct ReadGeneration;

impl Operation for ReadGeneration {
    type Reply = Result<Option<GenerationProgress>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([GenerationProgress::key()])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let reply = GenerationProgress::read(snapshot);
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

/// Raises the generation and signs the online keys of it; the operator has compared the fingerprint of the
/// request. From this commit on everything is issued under the new number: read the keys again.
#[derive(Clone, Debug)]
pub struct BeginGeneration {
    /// Who asks, by the header of its file.
    pub from: Uuid,
    /// The new online keys, and the gap key that signed the file.
    pub request: EnrolRequest,
    /// Both online servers are enrolled.
    pub partners: GapPartners,
    /// Our keys, of the generation that ends.
    pub keys: Arc<IdentityKeys>,
    /// Where it came from.
    pub origin: Origin,
}

/// What became of [`BeginGeneration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GenerationBegun {
    /// The generation of this number begins; two files are in the outbox.
    Begun(u32),
    /// The request is not from the enrolled registration server, or not for one EC and one RSA key of
    /// class 1; or a server is not enrolled, the time is not known, or the generation before is unfinished.
    Refused,
}

impl BeginGeneration {
    /// The two partners, if the request is the enrolled registration server's own.
    fn entitled(&self) -> Option<(&GapPartner, &GapPartner)> {
        let (registration, bootstrap) =
            (self.partners.registration.as_ref()?, self.partners.bootstrap.as_ref()?);
        let gap_key = &self.request.gap_key;
        let own = self.request.role == GapRole::Registration
            && registration.id == self.from
            && registration.key_id == gap_key.id()
            && Some(&registration.key) == gap_key.public_key();
        let [(Class::TrustedAuthority, ec), (Class::TrustedAuthority, rsa)] = &self.request.keys[..] else {
            return None;
        };
        let kinds = (ec.public_key()?.kind(), rsa.public_key()?.kind());
        let fit = matches!(kinds, (KeyKind::Ec(_), KeyKind::Rsa { .. }));
        (own && fit).then_some((registration, bootstrap))
    }

    fn signed(&self, generation: u32, validity: Validity, dice: &mut Dice) -> Option<Vec<AuthenticatedKey>> {
        let sign = |(class, definition): &(Class, _)| {
            sign_class_1(&self.keys, generation, *class, definition, validity, dice)
        };
        self.request.keys.iter().map(sign).collect()
    }

    fn begin(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<GenerationBegun, NotSent> {
        let unfinished = GenerationProgress::read(snapshot)?.is_some_and(|progress| !progress.is_finished);
        let (Some((registration, bootstrap)), Some(at)) = (self.entitled(), origin::utc(now)) else {
            return Ok(GenerationBegun::Refused);
        };
        let (Some(validity), Some(generation)) = (signed_at(at), self.keys.generation.checked_add(1)) else {
            return Ok(GenerationBegun::Refused);
        };
        let mut dice = Dice::new(self.origin.seed);
        let Some(keys) = self.signed(generation, validity, &mut dice).filter(|_| !unfinished) else {
            return Ok(GenerationBegun::Refused);
        };
        let (provider, me) = (&*self.keys.provider, &self.keys.gap);
        for partner in [registration, bootstrap] {
            let content = GapContent::NewGeneration { generation, keys: keys.clone(), devices: Vec::new() };
            let sending = Sending { provider, me, partner, validity };
            gap::send(&sending, &me.signer(), &content, snapshot, batch, &mut dice)?;
        }
        self.keys.write_moved_on(generation, validity, &mut dice, batch).map_err(NotSent::Crypto)?;
        let progress = GenerationProgress { generation, after: None, is_finished: false, devices: 0 };
        batch.put(GenerationProgress::key(), stored::to_bytes(&progress));
        self.origin.audit(batch, "identity.generation", None, &format!("begun {generation}"), at);
        Ok(GenerationBegun::Begun(generation))
    }
}

impl Operation for BeginGeneration {
    type Reply = Result<GenerationBegun, NotSent>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let partners = [&self.partners.registration, &self.partners.bootstrap].into_iter().flatten();
        let mut keys: Vec<Key> = partners.map(|partner| gap::sent_key(partner.id)).collect();
        keys.extend([GenerationProgress::key(), IdentityKeys::key()]);
        ReadSet::of(keys)
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = self.begin(snapshot, now, &mut batch);
        if !matches!(reply, Ok(GenerationBegun::Begun(_))) {
            batch = Batch::default();
        }
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// Issues the secrets of the new generation to the next devices.
#[derive(Clone, Debug)]
pub struct IssueGeneration {
    /// Read together with this decision's `keys`.
    pub progress: GenerationProgress,
    /// Both online servers.
    pub registration: GapPartner,
    /// As above.
    pub bootstrap: GapPartner,
    /// Our keys, of the new generation.
    pub keys: Arc<IdentityKeys>,
    /// Where it came from.
    pub origin: Origin,
}

impl IssueGeneration {
    fn range(&self) -> Range {
        devices_after(IDENTITY_DEVICE, self.progress.after, DEVICES_PER_FILE)
    }

    fn issue(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<GenerationProgress, NotSent> {
        let stands = GenerationProgress::read(snapshot)? == Some(self.progress);
        let validity = origin::utc(now).and_then(|at| Some((at, signed_at(at)?)));
        let due = stands && !self.progress.is_finished && self.keys.generation == self.progress.generation;
        let Some((at, validity)) = validity.filter(|_| due) else { return Ok(self.progress) };
        let mut dice = Dice::new(self.origin.seed);
        let page = snapshot.page(&self.range());
        let (mut registration, mut bootstrap) = (Vec::new(), Vec::new());
        let mut progress = GenerationProgress { is_finished: !page.more, ..self.progress };
        for (key, record) in &page.records {
            let device = device_of(key)?;
            let mut known: KnownDevice = stored::from_bytes(&record.value)?;
            progress.after = Some(device);
            // One that was issued since the generation began has its secrets.
            if known.secret.expose().is_empty() || known.generation >= Some(progress.generation) {
                continue;
            }
            let issued = issue::shared_secret(
                &*self.keys.provider,
                device,
                &known.secret,
                progress.generation,
                validity,
                &mut dice,
            );
            let issued = issued.ok_or(BadRecord)?;
            if let RegistrationKeys::SharedSecret(secrets) = issued.registration
                && let BootstrapKey::Secret(secret) = issued.bootstrap
            {
                registration.push(DeviceTrust { device, secrets: TrustSecrets::Registration(secrets) });
                bootstrap.push(DeviceTrust { device, secrets: TrustSecrets::Bootstrap(secret) });
            }
            known.generation = Some(progress.generation);
            batch.put(device_key(IDENTITY_DEVICE, device), stored::to_bytes(&known));
            progress.devices = progress.devices.saturating_add(1);
        }
        if !registration.is_empty() {
            self.send(&self.registration, registration, validity, snapshot, batch, &mut dice)?;
            self.send(&self.bootstrap, bootstrap, validity, snapshot, batch, &mut dice)?;
        }
        batch.put(GenerationProgress::key(), stored::to_bytes(&progress));
        if progress.is_finished {
            let result = format!("done {}", progress.generation);
            self.origin.audit(batch, "identity.generation", None, &result, at);
        }
        Ok(progress)
    }

    fn send(
        &self,
        partner: &GapPartner,
        devices: Vec<DeviceTrust>,
        validity: Validity,
        snapshot: &Snapshot,
        batch: &mut Batch,
        dice: &mut Dice,
    ) -> Result<(), NotSent> {
        let generation = self.progress.generation;
        let content = GapContent::NewGeneration { generation, keys: Vec::new(), devices };
        let (provider, me) = (&*self.keys.provider, &self.keys.gap);
        let sending = Sending { provider, me, partner, validity };
        gap::send(&sending, &me.signer(), &content, snapshot, batch, dice)
    }
}

impl Operation for IssueGeneration {
    /// How far it is now; unchanged when `progress` is not what stands, or the time is not known.
    type Reply = Result<GenerationProgress, NotSent>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let sent = [&self.registration, &self.bootstrap].map(|partner| gap::sent_key(partner.id));
        let mut reads = ReadSet::of(sent).with_range(self.range());
        reads.extend(ReadSet::of([GenerationProgress::key()]));
        reads
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.issue(snapshot, now, batch))
    }
}
