//! The keys of an online server of the authority: made at its first start, signed when it is enrolled.

use std::sync::Arc;

use assure_proto::{
    AuthenticatedKey, Class, EnrolRequest, GapContent, GapError, GapFile, GapHeader, GapRole, GapSender,
    KeyDefinition, TrustBundle, Validity, write_enrolment,
};
use clock::{Dice, Now};
use crypto::{CryptoError, Curve, KeyKind, PrivateKey, Provider, Secret};
use minicbor::{Decode, Encode};
use model::{KeyId, ServerRole, Uuid};
use store::{Batch, Decision, Key, Operation, ReadSet, Snapshot};

use crate::spaces::SELF;
use crate::stored::{self, BadRecord};
use crate::{GapPartner, GapSelf};

/// Modulus of the online class 1 RSA key, in bits.
pub(crate) const ONLINE_MODULUS_BITS: u16 = 3072;
/// Modulus of the bootstrap server's RSA key, in bits.
const CLASS_3_MODULUS_BITS: u16 = 2048;

/// A key of the server with its id.
#[derive(Clone)]
pub struct ServerKey {
    /// Its id.
    pub id: KeyId,
    /// The private key.
    pub key: Arc<dyn PrivateKey>,
}

/// The keys of one online server.
pub struct ServerKeys {
    /// What the server is; never the identity server.
    pub role: ServerRole,
    /// The server across the gap.
    pub gap: GapSelf,
    /// The key of its TLS certificate.
    pub tls: Arc<dyn PrivateKey>,
    /// For EC devices: class 1 of a registration server, class 3 of a bootstrap server.
    pub ec: ServerKey,
    /// For RSA devices, likewise.
    pub rsa: ServerKey,
    /// The key of the CA that certifies management systems, makers and operators; used by a registration
    /// server alone.
    pub issuer: Arc<dyn PrivateKey>,
}

impl std::fmt::Debug for ServerKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServerKeys({:?}, {})", self.role, self.gap.id)
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
pub(crate) struct StoredKeys {
    #[cbor(n(0), with = "stored::id16")]
    id: Uuid,
    #[cbor(n(1), with = "stored::id16")]
    gap_id: KeyId,
    #[cbor(n(2), with = "stored::secret")]
    gap: Secret,
    #[cbor(n(3), with = "stored::secret")]
    tls: Secret,
    #[cbor(n(4), with = "stored::id16")]
    ec_id: KeyId,
    #[cbor(n(5), with = "stored::secret")]
    ec: Secret,
    #[cbor(n(6), with = "stored::id16")]
    rsa_id: KeyId,
    #[cbor(n(7), with = "stored::secret")]
    rsa: Secret,
    #[cbor(n(8), with = "stored::secret")]
    issuer: Secret,
}

impl StoredKeys {
    /// Puts other online keys in the place of those of before.
    pub(crate) fn set_online(&mut self, ec: (KeyId, Secret), rsa: (KeyId, Secret)) {
        ((self.ec_id, self.ec), (self.rsa_id, self.rsa)) = (ec, rsa);
    }
}

/// Why no keys were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoServerKeys {
    /// The stored record cannot be read.
    Record(BadRecord),
    /// A stored key cannot be used.
    Crypto(CryptoError),
}

impl From<CryptoError> for NoServerKeys {
    fn from(error: CryptoError) -> Self {
        Self::Crypto(error)
    }
}

impl ServerKeys {
    /// Makes the keys of a new server.
    ///
    /// # Errors
    /// [`CryptoError`] when the provider cannot.
    pub fn create(role: ServerRole, provider: &dyn Provider, dice: &mut Dice) -> Result<Self, CryptoError> {
        let modulus_bits = match role {
            ServerRole::Registration | ServerRole::Identity => ONLINE_MODULUS_BITS,
            ServerRole::Bootstrap => CLASS_3_MODULUS_BITS,
        };
        let p256 = KeyKind::Ec(Curve::P256);
        let mut make = |kind| provider.generate_key(kind, dice);
        let (gap, tls, ec, issuer) = (make(p256)?, make(p256)?, make(p256)?, make(p256)?);
        let rsa = make(KeyKind::Rsa { modulus_bits })?;
        let mut id = || Uuid::v4(dice.bytes());
        let gap = GapSelf { id: id(), key_id: KeyId(id().0), key: gap };
        let ec = ServerKey { id: KeyId(id().0), key: ec };
        let rsa = ServerKey { id: KeyId(id().0), key: rsa };
        Ok(Self { role, gap, tls, ec, rsa, issuer })
    }

    /// Where the keys stand in the store.
    #[must_use]
    pub fn key() -> Key {
        Key::new(SELF, *b"server")
    }

    /// Adds the keys to `batch`, for a store that seals its values.
    ///
    /// # Errors
    /// [`CryptoError`] when a key may not leave the provider.
    pub fn write(&self, batch: &mut Batch) -> Result<(), CryptoError> {
        let stored = StoredKeys {
            id: self.gap.id,
            gap_id: self.gap.key_id,
            gap: self.gap.key.pkcs8()?,
            tls: self.tls.pkcs8()?,
            ec_id: self.ec.id,
            ec: self.ec.key.pkcs8()?,
            rsa_id: self.rsa.id,
            rsa: self.rsa.key.pkcs8()?,
            issuer: self.issuer.pkcs8()?,
        };
        batch.put(Self::key(), stored::to_bytes(&stored));
        Ok(())
    }

    /// Reads the keys back.
    ///
    /// # Errors
    /// [`NoServerKeys`].
    pub fn read(role: ServerRole, provider: &dyn Provider, bytes: &[u8]) -> Result<Self, NoServerKeys> {
        let stored: StoredKeys = stored::from_bytes(bytes).map_err(NoServerKeys::Record)?;
        let import = |key: &Secret| provider.import_key(key.expose());
        Ok(Self {
            role,
            gap: GapSelf { id: stored.id, key_id: stored.gap_id, key: import(&stored.gap)? },
            tls: import(&stored.tls)?,
            ec: ServerKey { id: stored.ec_id, key: import(&stored.ec)? },
            rsa: ServerKey { id: stored.rsa_id, key: import(&stored.rsa)? },
            issuer: import(&stored.issuer)?,
        })
    }

    fn gap_role(&self) -> GapRole {
        match self.role {
            ServerRole::Bootstrap => GapRole::Bootstrap,
            ServerRole::Registration | ServerRole::Identity => GapRole::Registration,
        }
    }

    /// What the server asks the identity server for: class 1 signatures for a registration server; a
    /// bootstrap server's class 3 keys are signed by the registration server (decision G 29).
    #[must_use]
    pub fn enrolment(&self) -> EnrolRequest {
        let public = |key: &ServerKey| KeyDefinition::public(key.id, key.key.public().clone());
        let class_1 = |key| (Class::TrustedAuthority, public(key));
        let keys = match self.role {
            ServerRole::Registration | ServerRole::Identity => vec![class_1(&self.ec), class_1(&self.rsa)],
            ServerRole::Bootstrap => Vec::new(),
        };
        let gap_key = KeyDefinition::public(self.gap.key_id, self.gap.key.public().clone());
        EnrolRequest { role: self.gap_role(), gap_key, keys }
    }

    /// The enrolment request as the first file to the identity server of `bundle`.
    ///
    /// # Errors
    /// [`CryptoError`] when signing fails.
    pub fn enrolment_file(
        &self,
        provider: &dyn Provider,
        bundle: &TrustBundle,
        validity: Validity,
        dice: &mut Dice,
    ) -> Result<(GapHeader, Vec<u8>), CryptoError> {
        let header = GapHeader { from: self.gap.id, to: bundle.authority, sequence_number: ENROLMENT_NUMBER };
        let signer = self.gap.signer();
        let file = write_enrolment(provider, &header, self.enrolment(), &signer, validity, dice)?;
        Ok((header, file))
    }

    /// Reads the answer, which the EC root of `bundle` signed.
    ///
    /// # Errors
    /// [`GapError`] says what is wrong with it.
    pub fn open_answer(
        &self,
        provider: &dyn Provider,
        bundle: &TrustBundle,
        file: &[u8],
    ) -> Result<Option<Enrolment>, GapError> {
        let file = GapFile::decode(file)?;
        let Some(root) = bundle.ec_root.public_key() else { return Ok(None) };
        let sender = GapSender { id: bundle.authority, key_id: bundle.ec_root.id(), key: root };
        let content = file.open(provider, &self.gap.id, &*self.gap.key, sender)?;
        let GapContent::EnrolAnswer { gap_key, keys, generation } = content else { return Ok(None) };
        let Some(key) = gap_key.public_key().cloned() else { return Ok(None) };
        let identity = GapPartner { id: bundle.authority, key_id: gap_key.id(), key };
        let keys = keys.iter().map(|key| key.encoded().to_vec()).collect();
        Ok(Some(Enrolment { identity, keys, generation }))
    }
}

/// The enrolment request is the first file that a server sends.
pub const ENROLMENT_NUMBER: u32 = 1;

/// What an enrolled server knows of the identity server, and the keys that were signed for it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Enrolment {
    /// The identity server across the gap.
    #[n(0)]
    pub identity: GapPartner,
    /// Authenticated keys (7.4), in the order of the request.
    #[cbor(n(1), with = "stored::byte_list")]
    pub keys: Vec<Vec<u8>>,
    /// The generation of the authority's class 1 keys.
    #[n(2)]
    pub generation: u32,
}

impl Enrolment {
    pub(crate) fn key() -> Key {
        Key::new(SELF, *b"enrolment")
    }

    /// The authenticated keys, decoded.
    ///
    /// # Errors
    /// [`BadRecord`] when one cannot be read.
    pub fn authenticated(&self) -> Result<Vec<AuthenticatedKey>, BadRecord> {
        self.keys.iter().map(|key| AuthenticatedKey::decode(key).map_err(|_| BadRecord)).collect()
    }
}

/// Stores the enrolment, as part of taking the answer's file.
#[derive(Clone, Debug)]
pub struct StoreEnrolment {
    /// What the answer brought.
    pub enrolment: Enrolment,
}

impl Operation for StoreEnrolment {
    type Reply = ();
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default()
    }

    fn decide(&self, _: &Snapshot, _: Now) -> Decision<(), ()> {
        let mut batch = Batch::default();
        batch.put(Enrolment::key(), stored::to_bytes(&self.enrolment));
        batch.put(crate::gap::sent_key(self.enrolment.identity.id), ENROLMENT_NUMBER.to_be_bytes());
        Decision::Done { batch, reply: (), effects: Vec::new() }
    }
}

/// Reads the enrolment; `None` before the server is enrolled.
#[derive(Clone, Copy, Debug)]
pub struct ReadEnrolment;

impl Operation for ReadEnrolment {
    type Reply = Result<Option<Enrolment>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([Enrolment::key()])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let reply = stored::record(snapshot, &Enrolment::key());
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

/// Reads a record of the role itself, such as [`ServerKeys::key`].
#[derive(Clone, Debug)]
pub struct ReadOwn {
    /// Which record.
    pub key: Key,
}

impl Operation for ReadOwn {
    type Reply = Option<Vec<u8>>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([self.key.clone()])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let reply = snapshot.value(&self.key).map(<[u8]>::to_vec);
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

/// Writes records of the role itself once; what stands there already stays.
#[derive(Clone, Debug)]
pub struct WriteOwn {
    /// The record that must not exist yet.
    pub key: Key,
    /// What to write.
    pub batch: Batch,
}

impl Operation for WriteOwn {
    /// Whether it was written now.
    type Reply = bool;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([self.key.clone()])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<bool, ()> {
        let fresh = snapshot.value(&self.key).is_none();
        let batch = if fresh { self.batch.clone() } else { Batch::default() };
        Decision::Done { batch, reply: fresh, effects: Vec::new() }
    }
}
