//! Devices found by the key that they prove themselves with.
//!
//! An index of the devices' records, written in the same commit. It serves clients that give no name in the
//! handshake; a device that names itself is found by its name.
//! Source: decision G 26.

use assure_proto::AuthenticatedKey;
use clock::Now;
use crypto::{HashAlgorithm, Provider, PublicKey};
use minicbor::{Decode, Encode};
use model::{KeyId, Uuid};
use store::{Batch, Decision, Key, Operation, ReadSet, Snapshot};

use super::device::{BootstrapDevice, DeviceProof, IssuedDevice};
use crate::spaces::{BOOTSTRAP_DEVICE, HOLDER, device_key};
use crate::stored::{self, BadRecord};

const SECRET: u8 = 0;
const PUBLIC_KEY: u8 = 1;

/// The name of a proving key in the index: of a secret the id of its class 3 key, of a public key the
/// SHA-256 of its SubjectPublicKeyInfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolderName(Vec<u8>);

impl HolderName {
    /// The holder of the secret of a class 3 key.
    #[must_use]
    pub fn of_secret(class_3: KeyId) -> Self {
        Self([&[SECRET][..], &class_3.0].concat())
    }

    /// The holder of a public key.
    #[must_use]
    pub fn of_public_key(provider: &dyn Provider, key: &PublicKey) -> Self {
        Self::of_spki(provider, key.spki())
    }

    fn of_spki(provider: &dyn Provider, spki: &[u8]) -> Self {
        let digest = provider.digest(HashAlgorithm::Sha256, &[spki]).first_32();
        Self([&[PUBLIC_KEY][..], &digest].concat())
    }

    /// The name of the key that was issued; `None` when its record cannot be read.
    #[must_use]
    pub fn of_issued(provider: &dyn Provider, issued: &IssuedDevice) -> Option<Self> {
        match &issued.proof {
            DeviceProof::PublicKey { spki } => Some(Self::of_spki(provider, spki)),
            DeviceProof::BootstrapSecret { key, .. } => {
                AuthenticatedKey::decode(key).ok().map(|key| Self::of_secret(key.id()))
            }
        }
    }

    pub(super) fn key(&self) -> Key {
        Key::new(HOLDER, self.0.clone())
    }

    /// The first device with a key keeps it: a second one with the same key is found by its name alone.
    pub(super) fn point_at(&self, device: Uuid, snapshot: &Snapshot, batch: &mut Batch) {
        if snapshot.value(&self.key()).is_none() {
            batch.put(self.key(), stored::to_bytes(&Holder { device }));
        }
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Holder {
    #[cbor(n(0), with = "stored::id16")]
    device: Uuid,
}

/// Reads which device holds a key, and what was issued about it.
#[derive(Clone, Debug)]
pub struct ReadHolder {
    /// The name of the key.
    pub holder: HolderName,
}

impl Operation for ReadHolder {
    type Reply = Result<Option<(Uuid, IssuedDevice)>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([self.holder.key()])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let done = |reply| Decision::Done { batch: Batch::default(), reply, effects: Vec::new() };
        let device = match stored::record::<Holder>(snapshot, &self.holder.key()) {
            Ok(Some(Holder { device })) => device,
            Ok(None) => return done(Ok(None)),
            Err(bad) => return done(Err(bad)),
        };
        let record = device_key(BOOTSTRAP_DEVICE, device);
        if !snapshot.covers(&record) {
            return Decision::Need(ReadSet::of([record]));
        }
        let found = BootstrapDevice::read(snapshot, device);
        done(found.map(|found| found.and_then(|found| Some((device, found.issued?)))))
    }
}
