//! A registration server renews its online keys, and both online servers go over to a new generation.
//!
//! The keys of the next generation are made here and wait in the store, with the request that carries their
//! public halves, until the identity server's answer brings their signatures.
//! Source: decision H7; layouts G 10, G 22; ADR 0101.

use std::sync::Arc;

use assure_proto::{AuthenticatedKey, Class, EnrolRequest, GapRole, KeyDefinition};
use clock::{Dice, Now};
use crypto::{CryptoError, Curve, KeyKind, PrivateKey, Provider, Secret};
use minicbor::{Decode, Encode};
use model::{KeyId, Uuid};
use store::{Batch, Decision, Key, Operation, ReadSet, Snapshot, decided};

use crate::gap::{self, NotSent, Sending};
use crate::registration::signed_at;
use crate::server_keys::{Enrolment, ONLINE_MODULUS_BITS, ServerKey, ServerKeys, StoredKeys};
use crate::spaces::own_record;
use crate::stored::{self, BadRecord};
use crate::{GapPartner, GapSelf, Origin, origin};

/// The online keys that a registration server wants signed for the next generation.
#[derive(Clone)]
pub struct NextKeys {
    /// For EC devices.
    pub ec: ServerKey,
    /// For RSA devices.
    pub rsa: ServerKey,
}

impl std::fmt::Debug for NextKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NextKeys({}, {})", self.ec.id, self.rsa.id)
    }
}

impl NextKeys {
    /// Makes them.
    ///
    /// # Errors
    /// [`CryptoError`] when the provider cannot.
    pub fn create(provider: &dyn Provider, dice: &mut Dice) -> Result<Self, CryptoError> {
        let make = |kind, dice: &mut Dice| -> Result<ServerKey, CryptoError> {
            let key: Arc<dyn PrivateKey> = provider.generate_key(kind, dice)?;
            Ok(ServerKey { id: KeyId(Uuid::v4(dice.bytes()).0), key })
        };
        let ec = make(KeyKind::Ec(Curve::P256), dice)?;
        let rsa = make(KeyKind::Rsa { modulus_bits: ONLINE_MODULUS_BITS }, dice)?;
        Ok(Self { ec, rsa })
    }

    fn request(&self, me: &GapSelf) -> EnrolRequest {
        let public = |key: &ServerKey| {
            (Class::TrustedAuthority, KeyDefinition::public(key.id, key.key.public().clone()))
        };
        let gap_key = KeyDefinition::public(me.key_id, me.key.public().clone());
        EnrolRequest { role: GapRole::Registration, gap_key, keys: vec![public(&self.ec), public(&self.rsa)] }
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct StoredNext {
    #[cbor(n(0), with = "stored::id16")]
    ec_id: KeyId,
    #[cbor(n(1), with = "stored::secret")]
    ec: Secret,
    #[cbor(n(2), with = "stored::id16")]
    rsa_id: KeyId,
    #[cbor(n(3), with = "stored::secret")]
    rsa: Secret,
    /// The request as it was written.
    #[cbor(n(4), with = "minicbor::bytes")]
    file: Vec<u8>,
    #[n(5)]
    number: u32,
}

fn next_key() -> Key {
    own_record(b"next")
}

/// Puts a request for a new generation into the outbox; asked again before it is answered, it is the same
/// request.
#[derive(Clone)]
pub struct AskGeneration {
    /// The keys, if none wait already.
    pub next: NextKeys,
    /// This server across the gap.
    pub me: GapSelf,
    /// The identity server.
    pub identity: GapPartner,
    /// Does the cryptography.
    pub provider: Arc<dyn Provider>,
    /// Where it came from.
    pub origin: Origin,
}

/// The request that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerationRequest {
    /// Its number.
    pub number: u32,
    /// Its bytes, whose SHA-256 a person compares.
    pub file: Vec<u8>,
}

impl AskGeneration {
    fn ask(
        &self,
        snapshot: &Snapshot,
        now: Now,
        batch: &mut Batch,
    ) -> Result<Option<GenerationRequest>, NotSent> {
        if let Some(waiting) = stored::record::<StoredNext>(snapshot, &next_key())? {
            return Ok(Some(GenerationRequest { number: waiting.number, file: waiting.file }));
        }
        let Some(at) = origin::utc(now) else { return Ok(None) };
        let Some(validity) = signed_at(at) else { return Ok(None) };
        let (provider, me, partner) = (&*self.provider, &self.me, &self.identity);
        let sending = Sending { provider, me, partner, validity };
        let mut dice = Dice::new(self.origin.seed);
        let request = self.next.request(me);
        let (number, file) = gap::send_in_the_clear(&sending, request, snapshot, batch, &mut dice)?;
        let stored = StoredNext {
            ec_id: self.next.ec.id,
            ec: self.next.ec.key.pkcs8().map_err(NotSent::Crypto)?,
            rsa_id: self.next.rsa.id,
            rsa: self.next.rsa.key.pkcs8().map_err(NotSent::Crypto)?,
            file: file.clone(),
            number,
        };
        batch.put(next_key(), stored::to_bytes(&stored));
        self.origin.audit(batch, "authority.generation", None, "asked", at);
        Ok(Some(GenerationRequest { number, file }))
    }
}

impl Operation for AskGeneration {
    /// `None` when the server does not know the time.
    type Reply = Result<Option<GenerationRequest>, NotSent>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([next_key(), gap::sent_key(self.identity.id)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.ask(snapshot, now, batch))
    }
}

/// What became of keys of a new generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// They are this server's from now on: start it anew.
    Renewed,
    /// Not higher than the present generation, or not the keys that were asked for; nothing changed.
    Refused,
}

/// Takes the signatures of the identity server for the keys that wait: from now on they are the online
/// keys, and those of before are forgotten.
#[derive(Clone, Debug)]
pub struct RenewOnline {
    /// The new generation.
    pub generation: u32,
    /// The signed keys, EC and RSA.
    pub keys: Vec<AuthenticatedKey>,
    /// Where it came from.
    pub origin: Origin,
}

impl RenewOnline {
    fn renew(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<Renewed, BadRecord> {
        let enrolment: Enrolment = stored::record(snapshot, &Enrolment::key())?.ok_or(BadRecord)?;
        let next: Option<StoredNext> = stored::record(snapshot, &next_key())?;
        let mut own: StoredKeys = stored::record(snapshot, &ServerKeys::key())?.ok_or(BadRecord)?;
        let fits = |next: &StoredNext| {
            let ids: Vec<KeyId> = self.keys.iter().map(AuthenticatedKey::id).collect();
            let generation = |key: &AuthenticatedKey| key.metadata().generation == Some(self.generation);
            ids == [next.ec_id, next.rsa_id] && self.keys.iter().all(generation)
        };
        let next = next.filter(|next| fits(next) && self.generation > enrolment.generation);
        let Some(next) = next else { return Ok(Renewed::Refused) };
        own.set_online((next.ec_id, next.ec), (next.rsa_id, next.rsa));
        let keys = self.keys.iter().map(|key| key.encoded().to_vec()).collect();
        let enrolment = Enrolment { keys, generation: self.generation, ..enrolment };
        batch.put(ServerKeys::key(), stored::to_bytes(&own));
        batch.put(Enrolment::key(), stored::to_bytes(&enrolment));
        batch.delete(next_key());
        if let Some(at) = origin::utc(now) {
            let result = format!("done {}", self.generation);
            self.origin.audit(batch, "authority.generation", None, &result, at);
        }
        Ok(Renewed::Renewed)
    }
}

impl Operation for RenewOnline {
    type Reply = Result<Renewed, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([Enrolment::key(), next_key(), ServerKeys::key()])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = self.renew(snapshot, now, &mut batch);
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// A bootstrap server learns the registration server's keys of a new generation and forgets the signatures
/// of its own keys: it has to ask for new ones.
#[derive(Clone, Debug)]
pub struct FollowGeneration {
    /// The new generation.
    pub generation: u32,
    /// The registration server's online keys of it.
    pub keys: Vec<AuthenticatedKey>,
    /// The record of the server's own signed keys, which goes.
    pub signed: Key,
    /// Where it came from.
    pub origin: Origin,
}

impl Operation for FollowGeneration {
    type Reply = Result<Renewed, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([Enrolment::key()])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = stored::record::<Enrolment>(snapshot, &Enrolment::key()).and_then(|found| {
            let enrolment = found.ok_or(BadRecord)?;
            if self.generation <= enrolment.generation || self.keys.is_empty() {
                return Ok(Renewed::Refused);
            }
            let keys = self.keys.iter().map(|key| key.encoded().to_vec()).collect();
            let enrolment = Enrolment { keys, generation: self.generation, ..enrolment };
            batch.put(Enrolment::key(), stored::to_bytes(&enrolment)).delete(self.signed.clone());
            if let Some(at) = origin::utc(now) {
                let result = format!("done {}", self.generation);
                self.origin.audit(&mut batch, "bootstrap.generation", None, &result, at);
            }
            Ok(Renewed::Renewed)
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}
