//! The roots and keys of the identity server.

use std::sync::Arc;

use assure_proto::{Class, KeyDefinition, Signer, TrustBundle, Validity};
use certificate::{Issuer, Lifetime};
use clock::{Dice, Timestamp};
use crypto::{CryptoError, Curve, KeyKind, PrivateKey, Provider, Secret};
use minicbor::{Decode, Encode};
use model::{KeyId, Uuid};
use store::{Batch, Key};

use crate::GapSelf;
use crate::registration::DeviceKind;
use crate::spaces::SELF;
use crate::stored::{self, BadRecord};

/// The generation of a new authority.
const FIRST_GENERATION: u32 = 1;
/// Modulus of the RSA root, in bits.
const ROOT_MODULUS_BITS: u16 = 3072;

/// A factory root.
#[derive(Clone)]
pub struct RootKeyPair {
    /// Its id.
    pub id: KeyId,
    /// The private key; it signs class 1 keys, the bundle and enrolments, nothing else.
    pub key: Arc<dyn PrivateKey>,
}

impl RootKeyPair {
    /// The root as a signer.
    #[must_use]
    pub fn signer(&self) -> Signer<'_> {
        Signer::with_private_key(self.id, Class::TrustedAuthority, &*self.key)
    }

    fn definition(&self) -> KeyDefinition {
        KeyDefinition::public(self.id, self.key.public().clone())
    }
}

/// Everything the identity server holds besides device secrets.
pub struct IdentityKeys {
    /// Does the cryptography.
    pub provider: Arc<dyn Provider>,
    /// The id of the authority, and of this server across the gap.
    pub authority: Uuid,
    /// The generation of the class 1 keys that are issued now.
    pub generation: u32,
    /// The root of EC devices.
    pub ec_root: RootKeyPair,
    /// The root of RSA devices.
    pub rsa_root: RootKeyPair,
    /// The P-521 key to which makers encrypt.
    pub upload_key: Arc<dyn PrivateKey>,
    /// The key with which gap files are signed and opened.
    pub gap: GapSelf,
    /// Certifies the authority's servers.
    pub system_ca: Issuer,
}

impl std::fmt::Debug for IdentityKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdentityKeys({})", self.authority)
    }
}

/// Why no keys were made or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoKeys {
    /// The stored record cannot be read.
    Record(BadRecord),
    /// The cryptography failed.
    Crypto(CryptoError),
    /// The system CA could not be made or read.
    Certificate,
}

impl From<CryptoError> for NoKeys {
    fn from(error: CryptoError) -> Self {
        Self::Crypto(error)
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct StoredKeys {
    #[cbor(n(0), with = "stored::id16")]
    authority: Uuid,
    #[n(1)]
    generation: u32,
    #[cbor(n(2), with = "stored::id16")]
    ec_root_id: KeyId,
    #[cbor(n(3), with = "stored::secret")]
    ec_root: Secret,
    #[cbor(n(4), with = "stored::id16")]
    rsa_root_id: KeyId,
    #[cbor(n(5), with = "stored::secret")]
    rsa_root: Secret,
    #[cbor(n(6), with = "stored::secret")]
    upload_key: Secret,
    #[cbor(n(7), with = "stored::id16")]
    gap_id: KeyId,
    #[cbor(n(8), with = "stored::secret")]
    gap: Secret,
    #[cbor(n(9), with = "stored::secret")]
    system_ca: Secret,
    #[cbor(n(10), with = "minicbor::bytes")]
    system_ca_certificate: Vec<u8>,
}

impl IdentityKeys {
    /// Makes the keys of a new authority.
    ///
    /// # Errors
    /// [`NoKeys`].
    pub fn create(provider: Arc<dyn Provider>, dice: &mut Dice, now: Timestamp) -> Result<Self, NoKeys> {
        let mut make = |kind| provider.generate_key(kind, dice);
        let p256 = KeyKind::Ec(Curve::P256);
        let (ec_root, gap, ca) = (make(p256)?, make(p256)?, make(p256)?);
        let rsa_root = make(KeyKind::Rsa { modulus_bits: ROOT_MODULUS_BITS })?;
        let upload_key = make(KeyKind::Ec(Curve::P521))?;
        let authority = Uuid::v4(dice.bytes());
        let mut id = || KeyId(Uuid::v4(dice.bytes()).0);
        let (ec_root, rsa_root) =
            (RootKeyPair { id: id(), key: ec_root }, RootKeyPair { id: id(), key: rsa_root });
        let gap = GapSelf { id: authority, key_id: id(), key: gap };
        let lifetime = Lifetime { from: now, until: None };
        let name = format!("Thingstead authority {authority}");
        let system_ca =
            Issuer::self_signed_ca(&*provider, ca, &name, lifetime, dice).map_err(|_| NoKeys::Certificate)?;
        let generation = FIRST_GENERATION;
        Ok(Self { provider, authority, generation, ec_root, rsa_root, upload_key, gap, system_ca })
    }

    /// Where the keys stand in the store.
    #[must_use]
    pub fn key() -> Key {
        Key::new(SELF, *b"identity")
    }

    /// Adds the keys to `batch`, for a store that seals its values.
    ///
    /// # Errors
    /// [`CryptoError`] when a key may not leave the provider.
    pub fn write(&self, batch: &mut Batch) -> Result<(), CryptoError> {
        self.write_as(self.generation, batch)
    }

    /// The same keys under the number of a new generation, and the bundle that states it.
    pub(crate) fn write_moved_on(
        &self,
        generation: u32,
        validity: Validity,
        dice: &mut Dice,
        batch: &mut Batch,
    ) -> Result<(), CryptoError> {
        self.write_as(generation, batch)?;
        batch.put(Self::bundle_key(), self.bundle_of(generation, validity, dice)?);
        Ok(())
    }

    /// Where the bundle stands in the store, so that it is written again with the same bytes.
    #[must_use]
    pub fn bundle_key() -> Key {
        Key::new(SELF, *b"bundle")
    }

    fn write_as(&self, generation: u32, batch: &mut Batch) -> Result<(), CryptoError> {
        let stored = StoredKeys {
            authority: self.authority,
            generation,
            ec_root_id: self.ec_root.id,
            ec_root: self.ec_root.key.pkcs8()?,
            rsa_root_id: self.rsa_root.id,
            rsa_root: self.rsa_root.key.pkcs8()?,
            upload_key: self.upload_key.pkcs8()?,
            gap_id: self.gap.key_id,
            gap: self.gap.key.pkcs8()?,
            system_ca: self.system_ca.key().pkcs8()?,
            system_ca_certificate: self.system_ca.certificate().to_vec(),
        };
        batch.put(Self::key(), stored::to_bytes(&stored));
        Ok(())
    }

    /// Reads the keys back.
    ///
    /// # Errors
    /// [`NoKeys`].
    pub fn read(provider: Arc<dyn Provider>, bytes: &[u8]) -> Result<Self, NoKeys> {
        let stored: StoredKeys = stored::from_bytes(bytes).map_err(NoKeys::Record)?;
        let import = |key: &Secret| provider.import_key(key.expose());
        let ec_root = RootKeyPair { id: stored.ec_root_id, key: import(&stored.ec_root)? };
        let rsa_root = RootKeyPair { id: stored.rsa_root_id, key: import(&stored.rsa_root)? };
        let upload_key = import(&stored.upload_key)?;
        let gap = GapSelf { id: stored.authority, key_id: stored.gap_id, key: import(&stored.gap)? };
        let ca = import(&stored.system_ca)?;
        let system_ca = Issuer::new(&*provider, ca, stored.system_ca_certificate);
        let system_ca = system_ca.map_err(|_| NoKeys::Certificate)?;
        let (authority, generation) = (stored.authority, stored.generation);
        Ok(Self { provider, authority, generation, ec_root, rsa_root, upload_key, gap, system_ca })
    }

    /// The root that devices of this kind are given; shared-secret devices make their own.
    pub(crate) fn root(&self, kind: DeviceKind) -> &RootKeyPair {
        match kind {
            DeviceKind::Rsa => &self.rsa_root,
            DeviceKind::Ec | DeviceKind::SharedSecret => &self.ec_root,
        }
    }

    /// What makers, factories and servers are given by path: `ta.bundle`.
    ///
    /// # Errors
    /// [`CryptoError`] when signing fails.
    pub fn bundle(&self, validity: Validity, dice: &mut Dice) -> Result<Vec<u8>, CryptoError> {
        self.bundle_of(self.generation, validity, dice)
    }

    fn bundle_of(
        &self,
        generation: u32,
        validity: Validity,
        dice: &mut Dice,
    ) -> Result<Vec<u8>, CryptoError> {
        let bundle = TrustBundle {
            authority: self.authority,
            ec_root: self.ec_root.definition(),
            rsa_root: self.rsa_root.definition(),
            generation,
            identity_key: self.upload_key.public().clone(),
        };
        bundle.encode(&*self.provider, &self.ec_root.signer(), validity, dice)
    }
}
