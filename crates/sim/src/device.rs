//! The device: what it remembers, and which images it takes.

use std::sync::Arc;

use assure_proto::{
    AcceptedImage, AuthenticatedKey, BootstrapSession, Circumstances, GardenSwitch, HeldKey, ImageRefusal,
    OwnDevice, OwnershipRecord, Root, TimeTrust, validate_image,
};
use crypto::{PrivateKey, Provider, Secret};
use model::Uuid;

/// What a device was born with.
pub(crate) enum DeviceKey {
    Secret(Secret),
    Private(Arc<dyn PrivateKey>),
}

/// A device and its memory of owners, which no reset erases.
pub(crate) struct Device {
    pub(crate) uuid: Uuid,
    pub(crate) key: DeviceKey,
    roots: Vec<Root>,
    /// The record as it is stored; a power cut before storing leaves it alone.
    stored: Vec<u8>,
}

impl Device {
    pub(crate) fn new(uuid: Uuid, key: DeviceKey, roots: Vec<Root>) -> Self {
        Self { uuid, key, roots, stored: OwnershipRecord::factory(1).encode() }
    }

    /// What it remembers after being switched on.
    pub(crate) fn record(&self) -> OwnershipRecord {
        OwnershipRecord::decode(&self.stored).expect("it wrote the record itself")
    }

    /// Judges an image that came in a session with the bootstrap server.
    pub(crate) fn judge(
        &self,
        provider: &dyn Provider,
        image: &[u8],
        server: &AuthenticatedKey,
    ) -> Result<AcceptedImage, ImageRefusal> {
        let record = self.record();
        let (key, hint) = match &self.key {
            DeviceKey::Secret(secret) => (HeldKey::Secret(secret), vec![server.definition_bytes().to_vec()]),
            DeviceKey::Private(key) => (HeldKey::Private(&**key), Vec::new()),
        };
        let session = match server.definition().public_key() {
            Some(public) => BootstrapSession::PublicKey(public.spki()),
            None => BootstrapSession::Hint(&hint),
        };
        let device = OwnDevice { uuid: self.uuid, key, roots: &self.roots, record: &record };
        let circumstances =
            Circumstances { session, time: TimeTrust::Unknown, garden: GardenSwitch::Untouched };
        validate_image(provider, &device, image, &circumstances)
    }

    /// The first commit of an accepted image.
    pub(crate) fn store(&mut self, accepted: &AcceptedImage) {
        self.stored = accepted.record.encode();
    }
}
