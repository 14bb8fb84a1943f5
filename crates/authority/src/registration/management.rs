//! Management systems: registration, renewal, the RSA link, and which transfers they take.

use std::sync::Arc;

use assure_proto::{AuthenticatedKey, Class, KeyDefinition, Metadata};
use certificate::{Profile, Serial};
use clock::{Dice, Now};
use crypto::PublicKey;
use minicbor::{Decode, Encode};
use model::{KeyId, ManagementId, Uuid};
use store::{Batch, Decision, Key, Operation, ReadSet, Snapshot};

use super::keys::{RegistrationKeys, signed_at};
use crate::spaces::{ANNOUNCED, MANAGEMENT, management_key};
use crate::stored::{self, BadRecord};
use crate::{Origin, origin};

/// The record of one management system.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct StoredManagement {
    /// The class 2 key of its first request, authenticated by the online EC key.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) ec_key: Vec<u8>,
    /// The class 2 RSA key, authenticated by the online RSA key, once it is linked.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) rsa_key: Option<Vec<u8>>,
    /// Whether it takes only transfers that it announced (decision D-05).
    #[n(2)]
    pub(crate) announced_only: bool,
}

impl StoredManagement {
    pub(crate) fn read(from: &Snapshot, id: &ManagementId) -> Result<Option<Self>, BadRecord> {
        stored::record(from, &management_key(MANAGEMENT, id))
    }

    fn write(&self, to: &mut Batch, id: &ManagementId) {
        to.put(management_key(MANAGEMENT, id), stored::to_bytes(self));
    }

    /// The class 2 EC key.
    pub(crate) fn ec(&self) -> Result<AuthenticatedKey, BadRecord> {
        AuthenticatedKey::decode(&self.ec_key).map_err(|_| BadRecord)
    }

    /// The class 2 RSA key.
    pub(crate) fn rsa(&self) -> Result<Option<AuthenticatedKey>, BadRecord> {
        self.rsa_key.as_ref().map(|key| AuthenticatedKey::decode(key).map_err(|_| BadRecord)).transpose()
    }
}

/// The announcement that `receiver` expects `device`.
pub(crate) fn announcement_key(receiver: &ManagementId, device: Uuid) -> Key {
    Key::new(ANNOUNCED, [receiver.as_str().as_bytes(), b"/", &device.0].concat())
}

/// Registers a management system: its request was read and proven, the key is EC P-256.
/// Source: aSSURE 9.3.1 with rulings A-ASSURE-29, -31, -32, decisions G 33 and M8.
#[derive(Clone, Debug)]
pub struct RegisterManagement {
    /// The key of the request: TLS key of the first certificate and class 2 key for ever.
    pub key: PublicKey,
    /// What the server signs with.
    pub keys: Arc<RegistrationKeys>,
    /// Where it came from; its seed makes serial number and key id.
    pub origin: Origin,
}

/// A certificate that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// Who it is for.
    pub id: ManagementId,
    /// The certificate in DER.
    pub certificate: Vec<u8>,
}

/// Why no certificate was issued; the caller answers 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotCertified {
    /// A stored record cannot be read.
    Record(BadRecord),
    /// The server does not know the time.
    NoClock,
    /// Signing failed.
    Signing,
    /// The id drawn is taken; the next attempt draws another.
    Taken,
}

impl From<BadRecord> for NotCertified {
    fn from(bad: BadRecord) -> Self {
        Self::Record(bad)
    }
}

impl RegisterManagement {
    fn drawn(&self) -> (Serial, KeyId, Dice) {
        let mut dice = Dice::new(self.origin.seed);
        (Serial::random(&mut dice), KeyId(Uuid::v4(dice.bytes()).0), dice)
    }

    fn register(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<Certified, NotCertified> {
        let (serial, key_id, mut dice) = self.drawn();
        let id = serial.management_id();
        if StoredManagement::read(snapshot, &id)?.is_some() {
            return Err(NotCertified::Taken);
        }
        let at = origin::utc(now).ok_or(NotCertified::NoClock)?;
        let validity = signed_at(at).ok_or(NotCertified::NoClock)?;
        let keys = &*self.keys;
        let definition = KeyDefinition::public(key_id, self.key.clone());
        let ec_key = AuthenticatedKey::issue(
            &*keys.provider,
            Class::ManagementSystem,
            &definition,
            Metadata::NONE,
            &keys.ec.signer(),
            validity,
            &mut dice,
        )
        .map_err(|_| NotCertified::Signing)?;
        let profile = Profile::Management { class_2_key: key_id, renewal_of: None };
        let certificate = keys
            .issuer
            .issue(&*keys.provider, &self.key, serial, &profile, at, &mut dice)
            .map_err(|_| NotCertified::Signing)?;
        let record =
            StoredManagement { ec_key: ec_key.encoded().to_vec(), rsa_key: None, announced_only: false };
        record.write(batch, &id);
        self.origin.audit(batch, "owner.register", None, id.as_str(), at);
        Ok(Certified { id, certificate })
    }
}

impl Operation for RegisterManagement {
    type Reply = Result<Certified, NotCertified>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([management_key(MANAGEMENT, &self.drawn().0.management_id())])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = self.register(snapshot, now, &mut batch);
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// Issues a further certificate under the same id, perhaps for another TLS key.
/// Source: decision M7, row TS-L7.
#[derive(Clone, Debug)]
pub struct RenewCertificate {
    /// The management system that asks; the path names the same one.
    pub id: ManagementId,
    /// The key of the request.
    pub key: PublicKey,
    /// What the server signs with.
    pub keys: Arc<RegistrationKeys>,
    /// Where it came from.
    pub origin: Origin,
}

impl Operation for RenewCertificate {
    /// `None`: no such management system.
    type Reply = Result<Option<Certified>, NotCertified>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([management_key(MANAGEMENT, &self.id)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = self.renew(snapshot, now, &mut batch);
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

impl RenewCertificate {
    fn renew(
        &self,
        snapshot: &Snapshot,
        now: Now,
        batch: &mut Batch,
    ) -> Result<Option<Certified>, NotCertified> {
        let Some(record) = StoredManagement::read(snapshot, &self.id)? else { return Ok(None) };
        let at = origin::utc(now).ok_or(NotCertified::NoClock)?;
        let mut dice = Dice::new(self.origin.seed);
        let serial = Serial::random(&mut dice);
        let class_2_key = record.ec()?.id();
        let profile = Profile::Management { class_2_key, renewal_of: Some(self.id.clone()) };
        let keys = &*self.keys;
        let certificate = keys
            .issuer
            .issue(&*keys.provider, &self.key, serial, &profile, at, &mut dice)
            .map_err(|_| NotCertified::Signing)?;
        self.origin.audit(batch, "owner.certificate", None, "done", at);
        Ok(Some(Certified { id: self.id.clone(), certificate }))
    }
}

/// Links an RSA key, so that devices without EC keys can be owned.
/// Source: decisions D-10 and M6.
#[derive(Clone, Debug)]
pub struct LinkRsaKey {
    /// The management system that asks; the path names the same one.
    pub id: ManagementId,
    /// The RSA key of the request, of 2048 bits or more.
    pub key: PublicKey,
    /// What the server signs with.
    pub keys: Arc<RegistrationKeys>,
    /// Where it came from.
    pub origin: Origin,
}

/// What became of [`LinkRsaKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// It is linked, now or before.
    Linked,
    /// Another key is linked already, or there is no such management system.
    Forbidden,
}

impl Operation for LinkRsaKey {
    type Reply = Result<Linked, NotCertified>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([management_key(MANAGEMENT, &self.id)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = self.link(snapshot, now, &mut batch);
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

impl LinkRsaKey {
    fn link(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<Linked, NotCertified> {
        let Some(mut record) = StoredManagement::read(snapshot, &self.id)? else {
            return Ok(Linked::Forbidden);
        };
        if let Some(linked) = record.rsa()? {
            let same = linked.definition().public_key() == Some(&self.key);
            return Ok(if same { Linked::Linked } else { Linked::Forbidden });
        }
        let at = origin::utc(now).ok_or(NotCertified::NoClock)?;
        let validity = signed_at(at).ok_or(NotCertified::NoClock)?;
        let mut dice = Dice::new(self.origin.seed);
        let definition = KeyDefinition::public(KeyId(Uuid::v4(dice.bytes()).0), self.key.clone());
        let key = AuthenticatedKey::issue(
            &*self.keys.provider,
            Class::ManagementSystem,
            &definition,
            Metadata::NONE,
            &self.keys.rsa.signer(),
            validity,
            &mut dice,
        )
        .map_err(|_| NotCertified::Signing)?;
        record.rsa_key = Some(key.encoded().to_vec());
        record.write(batch, &self.id);
        self.origin.audit(batch, "owner.rsa", None, "done", at);
        Ok(Linked::Linked)
    }
}

/// Sets whether a management system takes only transfers that it announced.
/// Source: decision D-05.
#[derive(Clone, Debug)]
pub struct TakeAnnouncedOnly {
    /// The management system that asks.
    pub id: ManagementId,
    /// The new setting.
    pub announced_only: bool,
    /// Where it came from.
    pub origin: Origin,
}

impl Operation for TakeAnnouncedOnly {
    /// Whether there is such a management system.
    type Reply = Result<bool, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([management_key(MANAGEMENT, &self.id)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = StoredManagement::read(snapshot, &self.id).map(|found| {
            let Some(mut record) = found else { return false };
            record.announced_only = self.announced_only;
            record.write(&mut batch, &self.id);
            if let Some(at) = origin::utc(now) {
                let result = if self.announced_only { "announced only" } else { "all" };
                self.origin.audit(&mut batch, "owner.takes", None, result, at);
            }
            true
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// Announces that a management system expects a device, or takes that back.
/// Source: decision D-05.
#[derive(Clone, Debug)]
pub struct Announce {
    /// The management system that asks.
    pub id: ManagementId,
    /// The device it expects.
    pub device: Uuid,
    /// Whether it expects it.
    pub expected: bool,
}

impl Operation for Announce {
    /// Whether there is such a management system.
    type Reply = Result<bool, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([management_key(MANAGEMENT, &self.id)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = StoredManagement::read(snapshot, &self.id).map(|found| {
            let key = announcement_key(&self.id, self.device);
            if found.is_some() && self.expected {
                batch.put(key, [1]);
            } else if found.is_some() {
                batch.delete(key);
            }
            found.is_some()
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}
