//! The keys of the owner that this management system acts for.

use std::sync::Arc;

use assure_proto::{Class, HeldKey, HeldKeys, Signer};
use crypto::{PrivateKey, Provider, Secret};
use ledger::{BadRecord, Origin};
use minicbor::{Decode, Encode};
use model::{KeyId, ManagementId};
use store::{Batch, Decision, Operation, ReadSet, Snapshot};

use crate::spaces::owner_key;

/// What the authority has said about the owner.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Certified {
    /// The management id.
    #[cbor(n(0), with = "ledger::fields::management_id")]
    pub id: ManagementId,
    /// The id that the authority gave the class 2 key.
    /// Source: decision G 33.
    #[cbor(n(1), with = "ledger::fields::id16")]
    pub class_2_key: KeyId,
    /// The certificate of the TLS key, in DER.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub certificate: Vec<u8>,
}

/// The owner's private keys and standing, as they rest in the store (which is sealed).
///
/// Source: decisions D-10, G 33; LOW (a TLS key apart from the class 2 key).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StoredOwner {
    /// The class 2 EC key as PKCS#8: the key of the first request, for ever.
    #[cbor(n(0), with = "ledger::fields::secret")]
    pub class_2: Secret,
    /// The class 2 RSA key as PKCS#8.
    #[cbor(n(1), with = "ledger::fields::secret")]
    pub rsa: Secret,
    /// The key of the TLS certificate as PKCS#8.
    #[cbor(n(2), with = "ledger::fields::secret")]
    pub tls: Secret,
    /// What the first certificate said; the class 2 key answers for TLS until [`StoredOwner::certified`].
    #[n(3)]
    pub registered: Option<Certified>,
    /// What the certificate of the TLS key says.
    #[n(4)]
    pub certified: Option<Certified>,
    /// Whether the authority has linked the RSA key.
    #[n(5)]
    pub rsa_linked: bool,
}

/// Reads the owner's record.
#[derive(Clone, Copy, Debug)]
pub struct ReadOwner;

impl Operation for ReadOwner {
    /// `None`: this management system has no keys yet.
    type Reply = Result<Option<StoredOwner>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([owner_key()])
    }

    fn decide(&self, snapshot: &Snapshot, _: clock::Now) -> Decision<Self::Reply, ()> {
        let reply = ledger::record(snapshot, &owner_key());
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

/// A step of the owner's way to its standing with the authority.
#[derive(Clone, Debug)]
pub enum OwnerStep {
    /// Fresh keys as PKCS#8; kept only when there are none yet.
    Keys {
        /// An EC key on P-256.
        class_2: Secret,
        /// An RSA key of 2048 bits or more.
        rsa: Secret,
        /// An EC key on P-256.
        tls: Secret,
    },
    /// The authority registered the class 2 key.
    Registered(Certified),
    /// The authority certified the TLS key, now or again.
    Certified(Certified),
    /// The authority linked the RSA key.
    RsaLinked,
}

/// Keeps what became of a step; repeating one changes nothing.
///
/// Keys and management id are for ever: a second registration would be another owner, to whom no device
/// belongs. Source: decisions G 33, M7.
#[derive(Clone, Debug)]
pub struct KeepOwner {
    /// What was done.
    pub step: OwnerStep,
    /// Where it came from.
    pub origin: Origin,
}

impl KeepOwner {
    fn after(&self, now: Option<StoredOwner>) -> Option<StoredOwner> {
        match (&self.step, now) {
            (OwnerStep::Keys { class_2, rsa, tls }, None) => Some(StoredOwner {
                class_2: class_2.clone(),
                rsa: rsa.clone(),
                tls: tls.clone(),
                registered: None,
                certified: None,
                rsa_linked: false,
            }),
            (OwnerStep::Keys { .. }, Some(owner)) => Some(owner),
            (OwnerStep::Registered(certified), Some(mut owner)) => {
                owner.registered.get_or_insert_with(|| certified.clone());
                Some(owner)
            }
            (OwnerStep::Certified(certified), Some(mut owner)) => {
                let same = owner.registered.as_ref().is_some_and(|first| first.id == certified.id);
                if same {
                    owner.certified = Some(certified.clone());
                }
                Some(owner)
            }
            (OwnerStep::RsaLinked, Some(owner)) => Some(StoredOwner { rsa_linked: true, ..owner }),
            (OwnerStep::Registered(_) | OwnerStep::Certified(_) | OwnerStep::RsaLinked, None) => None,
        }
    }
}

impl Operation for KeepOwner {
    /// The record as it stands now; `None` when there are no keys yet to which the step could belong.
    type Reply = Result<Option<StoredOwner>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([owner_key()])
    }

    fn decide(&self, snapshot: &Snapshot, now: clock::Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = ledger::record::<StoredOwner>(snapshot, &owner_key()).map(|before| {
            let after = self.after(before.clone());
            if let (Some(owner), true) = (&after, after != before) {
                batch.put(owner_key(), ledger::to_bytes(owner));
                if let (OwnerStep::Registered(first), Some(at)) = (&self.step, now.utc) {
                    self.origin.audit(&mut batch, "owner.register", None, first.id.as_str(), at);
                }
            }
            after
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// The owner's keys, ready for use.
pub struct OwnerKeys {
    /// Does the cryptography.
    pub provider: Arc<dyn Provider>,
    /// The management id.
    pub id: ManagementId,
    /// The id of the class 2 EC key.
    pub class_2_id: KeyId,
    /// The class 2 EC key: signs for EC devices, opens owner secrets, proves us on their channels.
    pub class_2: Arc<dyn PrivateKey>,
    /// The class 2 RSA key: signs for RSA devices and proves us on their channels. Its id comes with each
    /// configuration.
    pub rsa: Arc<dyn PrivateKey>,
}

impl std::fmt::Debug for OwnerKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OwnerKeys({})", self.id)
    }
}

impl OwnerKeys {
    /// The keys of a registered owner.
    ///
    /// # Errors
    /// [`BadRecord`] when the owner is not registered yet or a key is malformed.
    pub fn of(provider: Arc<dyn Provider>, owner: &StoredOwner) -> Result<Self, BadRecord> {
        let registered = owner.registered.as_ref().ok_or(BadRecord)?;
        let import = |key: &Secret| provider.import_key(key.expose()).map_err(|_| BadRecord);
        Ok(Self {
            id: registered.id.clone(),
            class_2_id: registered.class_2_key,
            class_2: import(&owner.class_2)?,
            rsa: import(&owner.rsa)?,
            provider,
        })
    }

    /// The class 2 EC key as a signer.
    pub(crate) fn ec_signer(&self) -> Signer<'_> {
        Signer::with_private_key(self.class_2_id, Class::ManagementSystem, &*self.class_2)
    }

    /// The class 2 RSA key as a signer, under the id that a configuration gave it.
    pub(crate) fn rsa_signer(&self, id: KeyId) -> Signer<'_> {
        Signer::with_private_key(id, Class::ManagementSystem, &*self.rsa)
    }
}

impl HeldKeys for OwnerKeys {
    fn held_key(&self, id: KeyId) -> Option<HeldKey<'_>> {
        (id == self.class_2_id).then_some(HeldKey::Private(&*self.class_2))
    }

    fn is_root_secret(&self, _: &Secret) -> bool {
        // No management system ever holds a root secret (decision D-09).
        false
    }
}
