//! A maker's record comes in: open, verify, issue or reject.

use std::sync::Arc;

use assure_json::{ConfiguredDevice, DeviceKey, DeviceRecord};
use assure_proto::ecies::EciesContext;
use assure_proto::{BootstrapKey, CaseId, GapContent, MakerRecord, RegistrationKeys, RejectReason, Validity};
use clock::{Dice, Now, Timestamp};
use crypto::{KeyKind, Secret};
use minicbor::{Decode, Encode};
use model::Uuid;
use store::{Batch, Decision, Operation, ReadSet, Snapshot};

use super::issue::{self, Issued};
use super::keys::IdentityKeys;
use super::partners::{GapPartners, station, station_key};
use crate::gap::{self, NotSent, Sending};
use crate::spaces::{IDENTITY_DEVICE, device_key};
use crate::stored::{self, BadRecord};
use crate::{GapPartner, Origin, origin};

/// What is kept of a device: its secret, which a refill and a new generation need.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(crate) struct KnownDevice {
    #[cbor(n(0), with = "stored::id16")]
    pub(crate) maker: Uuid,
    #[cbor(n(1), with = "stored::secret")]
    pub(crate) secret: Secret,
    /// The generation of the secrets that were issued last; none: the first.
    #[n(2)]
    pub(crate) generation: Option<u32>,
}

/// Opens a record and issues the device to both online servers, or rejects it, which frees its UUID.
///
/// Only records whose station is listed for the maker count; what the gateway says of the maker is held
/// against what the record was encrypted for.
/// Source: aSSURE 14.1 steps 6 to 10, decisions M11 and G 20 to G 22.
#[derive(Clone, Debug)]
pub struct ImportSubmit {
    /// The maker, as the gateway knows it.
    pub maker: Uuid,
    /// The device, from the URI.
    pub device: Uuid,
    /// The blob as it was uploaded.
    pub blob: Vec<u8>,
    /// The online servers; both are enrolled.
    pub registration: GapPartner,
    /// As above.
    pub bootstrap: GapPartner,
    /// Our keys.
    pub keys: Arc<IdentityKeys>,
    /// Where it came from.
    pub origin: Origin,
}

/// What became of [`ImportSubmit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// Issued: two files are in the outbox.
    Issued,
    /// Rejected: two files that say so are in the outbox.
    Rejected(RejectReason),
    /// The server does not know the time; the file stays where it is.
    NoClock,
}

impl ImportSubmit {
    /// The operation, when both servers are enrolled.
    #[must_use]
    pub fn new(
        content: GapContent,
        partners: &GapPartners,
        keys: Arc<IdentityKeys>,
        origin: Origin,
    ) -> Option<Self> {
        let GapContent::Submit { maker, device, blob } = content else { return None };
        let (registration, bootstrap) = (partners.registration.clone()?, partners.bootstrap.clone()?);
        Some(Self { maker, device, blob, registration, bootstrap, keys, origin })
    }

    fn open(&self) -> Result<MakerRecord, RejectReason> {
        let context = EciesContext { maker: self.maker, device: self.device };
        MakerRecord::open(&*self.keys.provider, &*self.keys.upload_key, context, &self.blob)
            .map_err(|_| RejectReason::NotOpened)
    }

    /// Every check of a record whose station was looked up.
    fn verified(
        &self,
        snapshot: &Snapshot,
        record: &MakerRecord,
    ) -> Result<Result<DeviceRecord, RejectReason>, BadRecord> {
        let Some(station) = station(snapshot, record.station())?.filter(|s| s.maker == self.maker) else {
            return Ok(Err(RejectReason::UnknownStation));
        };
        if record.verify(&*self.keys.provider, &station.key).is_err() {
            return Ok(Err(RejectReason::BadSignature));
        }
        let Ok(device) = DeviceRecord::from_json(record.json()) else {
            return Ok(Err(RejectReason::Malformed));
        };
        if device.id != self.device {
            return Ok(Err(RejectReason::OtherDevice));
        }
        let known = snapshot.value(&device_key(IDENTITY_DEVICE, self.device)).is_some();
        Ok(if known { Err(RejectReason::Refused) } else { Ok(device) })
    }

    fn issue(
        &self,
        device: &DeviceRecord,
        validity: Validity,
        dice: &mut Dice,
    ) -> Result<Issued, RejectReason> {
        match &device.key {
            DeviceKey::Secret(secret) => {
                let provider = &*self.keys.provider;
                issue::shared_secret(provider, device.id, secret, self.keys.generation, validity, dice)
                    .ok_or(RejectReason::Malformed)
            }
            DeviceKey::Public(key) => {
                self.keys.provider.check_key(key).map_err(|_| RejectReason::Malformed)?;
                let registration = match key.kind() {
                    KeyKind::Ec(_) => RegistrationKeys::Ec,
                    KeyKind::Rsa { .. } => RegistrationKeys::Rsa,
                };
                Ok(Issued { registration, bootstrap: BootstrapKey::Public(key.clone()) })
            }
        }
    }

    fn submit(
        &self,
        snapshot: &Snapshot,
        record: &Result<MakerRecord, RejectReason>,
        at: Timestamp,
        batch: &mut Batch,
    ) -> Result<Submitted, NotSent> {
        let Some(validity) = crate::registration::signed_at(at) else { return Ok(Submitted::NoClock) };
        let verified = match record {
            Ok(record) => self.verified(snapshot, record)?,
            Err(reason) => Err(*reason),
        };
        let mut dice = Dice::new(self.origin.seed);
        let issued = verified.and_then(|device| {
            let issued = self.issue(&device, validity, &mut dice)?;
            Ok((device, issued))
        });
        match issued {
            Ok((device, issued)) => {
                let contents = self.contents(&device, issued).map_err(|()| BadRecord)?;
                self.send(contents, validity, snapshot, batch, &mut dice)?;
                self.keep(&device, batch);
                self.origin.audit(batch, "identity.issue", Some(self.device), "done", at);
                Ok(Submitted::Issued)
            }
            Err(reason) => {
                let rejected = GapContent::Rejected { device: self.device, reason };
                self.send([rejected.clone(), rejected], validity, snapshot, batch, &mut dice)?;
                self.origin.audit(batch, "identity.issue", Some(self.device), word(reason), at);
                Ok(Submitted::Rejected(reason))
            }
        }
    }

    fn contents(&self, device: &DeviceRecord, issued: Issued) -> Result<[GapContent; 2], ()> {
        let case_string = std::str::from_utf8(device.case_string.expose()).map_err(|_| ())?;
        let case = CaseId::from_typed(case_string).map_err(|_| ())?;
        let public_key = match &device.key {
            DeviceKey::Public(key) => Some(key.clone()),
            DeviceKey::Secret(_) => None,
        };
        let configured = ConfiguredDevice {
            id: device.id,
            bootstrap_server: device.bootstrap_server,
            public_key,
            capabilities: device.capabilities.clone(),
        };
        let registration = GapContent::IssueRegistration {
            device: self.device,
            maker: self.maker,
            case_hash: case.hash(&*self.keys.provider, &self.device),
            parameter_set: device.parameter_set,
            keys: issued.registration,
        };
        let json = configured.to_json();
        Ok([registration, GapContent::IssueBootstrap { device: self.device, json, key: issued.bootstrap }])
    }

    fn send(
        &self,
        [registration, bootstrap]: [GapContent; 2],
        validity: Validity,
        snapshot: &Snapshot,
        batch: &mut Batch,
        dice: &mut Dice,
    ) -> Result<(), NotSent> {
        let (provider, me) = (&*self.keys.provider, &self.keys.gap);
        for (partner, content) in [(&self.registration, registration), (&self.bootstrap, bootstrap)] {
            let sending = Sending { provider, me, partner, validity };
            gap::send(&sending, &me.signer(), &content, snapshot, batch, dice)?;
        }
        Ok(())
    }

    fn keep(&self, device: &DeviceRecord, batch: &mut Batch) {
        let secret = match &device.key {
            DeviceKey::Secret(secret) => secret.clone(),
            DeviceKey::Public(_) => Secret::new(Vec::new()),
        };
        let known = KnownDevice { maker: self.maker, secret, generation: Some(self.keys.generation) };
        batch.put(device_key(IDENTITY_DEVICE, self.device), stored::to_bytes(&known));
    }
}

impl Operation for ImportSubmit {
    type Reply = Result<Submitted, NotSent>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([
            device_key(IDENTITY_DEVICE, self.device),
            gap::sent_key(self.registration.id),
            gap::sent_key(self.bootstrap.id),
        ])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let record = self.open();
        if let Ok(record) = &record {
            let key = station_key(record.station());
            if !snapshot.covers(&key) {
                return Decision::Need(ReadSet::of([key]));
            }
        }
        let mut batch = Batch::default();
        let reply = match origin::utc(now) {
            Some(at) => self.submit(snapshot, &record, at, &mut batch),
            None => Ok(Submitted::NoClock),
        };
        if reply.is_err() {
            batch = Batch::default();
        }
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// The reason as it stands in the audit log.
const fn word(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::NotOpened => "not opened",
        RejectReason::UnknownStation => "unknown station",
        RejectReason::BadSignature => "bad signature",
        RejectReason::Malformed => "malformed",
        RejectReason::OtherDevice => "other device",
        RejectReason::Refused => "exists",
    }
}
