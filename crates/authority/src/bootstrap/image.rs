//! Bootstrap images: stored for the owner, served to the device.

use clock::Now;
use model::Uuid;
use store::{Batch, Decision, Operation, ReadSet, Snapshot};

use super::OwnerNow;
use super::device::BootstrapDevice;
use crate::spaces::{BOOTSTRAP_DEVICE, IMAGE, device_key};
use crate::stored::BadRecord;
use crate::{Origin, origin};

fn reads(device: Uuid) -> ReadSet {
    ReadSet::of([device_key(BOOTSTRAP_DEVICE, device), device_key(IMAGE, device)])
}

/// Whether the mirror says what the registration server said a moment ago.
fn agrees(device: &BootstrapDevice, now: &OwnerNow) -> bool {
    device.issued.is_some() && device.seq == now.seq && device.owner == now.owner && device.owner.is_some()
}

/// Stores an owner's image, or erases it when it is empty (`SetDeviceBootstrap`).
///
/// The owner sequence number is compared in the same commit: a transfer between check and store wins.
/// Source: aSSURE 9.3.7, 14.5 step 4 with decisions H1, M12 and TS-L5.
#[derive(Clone, Debug)]
pub struct StoreImage {
    /// The device.
    pub device: Uuid,
    /// The image; empty erases.
    pub image: Vec<u8>,
    /// The owner sequence number that stands in the image.
    pub image_seq: u32,
    /// What the registration server said; its owner is the caller, or the call is not made.
    pub owner: OwnerNow,
    /// Where it came from.
    pub origin: Origin,
}

/// What became of [`StoreImage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreImageAnswer {
    /// It is stored, or erased.
    Stored,
    /// The device is not the caller's, or the image is not of its owner sequence number.
    Forbidden,
}

impl Operation for StoreImage {
    type Reply = Result<StoreImageAnswer, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        reads(self.device)
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = BootstrapDevice::read(snapshot, self.device).map(|found| {
            let current = self.image.is_empty() || self.image_seq == self.owner.seq;
            if !current || !found.is_some_and(|device| agrees(&device, &self.owner)) {
                return StoreImageAnswer::Forbidden;
            }
            let key = device_key(IMAGE, self.device);
            if self.image.is_empty() {
                batch.delete(key);
            } else {
                batch.put(key, self.image.clone());
            }
            if let Some(at) = origin::utc(now) {
                let verb = if self.image.is_empty() { "bootstrap.erase" } else { "bootstrap.store" };
                self.origin.audit(&mut batch, verb, Some(self.device), "done", at);
            }
            StoreImageAnswer::Stored
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// Reads an image back for its owner.
/// Source: aSSURE 9.3.8 with decision D-19.
#[derive(Clone, Debug)]
pub struct ReadImage {
    /// The device.
    pub device: Uuid,
    /// What the registration server said; its owner is the caller, or the call is not made.
    pub owner: OwnerNow,
}

/// An image, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageAnswer {
    /// The image, byte for byte; empty when none is stored or its time is over.
    Image(Vec<u8>),
    /// Not this caller's device, or no such device.
    Forbidden,
}

impl Operation for ReadImage {
    type Reply = Result<ImageAnswer, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        reads(self.device)
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let reply = BootstrapDevice::read(snapshot, self.device).map(|found| match found {
            Some(device) if agrees(&device, &self.owner) => {
                ImageAnswer::Image(stored_image(snapshot, self.device))
            }
            Some(_) | None => ImageAnswer::Forbidden,
        });
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

/// Serves a device its image, if the registration server still names the same owner; otherwise nothing.
/// Source: aSSURE 9.4.1 with ruling A-ASSURE-58 and decision H1.
#[derive(Clone, Debug)]
pub struct ServeImage {
    /// The device that proved itself in the session.
    pub proven: Uuid,
    /// The device that it asks for.
    pub asked: Uuid,
    /// What the registration server said.
    pub owner: OwnerNow,
    /// Where it came from.
    pub origin: Origin,
}

impl Operation for ServeImage {
    type Reply = Result<ImageAnswer, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        reads(self.proven)
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = BootstrapDevice::read(snapshot, self.proven).map(|found| match found {
            Some(device) if device.issued.is_some() && self.proven == self.asked => {
                let current = agrees(&device, &self.owner);
                let image = if current { stored_image(snapshot, self.proven) } else { Vec::new() };
                if let Some(at) = origin::utc(now).filter(|_| !image.is_empty()) {
                    self.origin.audit(&mut batch, "bootstrap.serve", Some(self.proven), "done", at);
                }
                ImageAnswer::Image(image)
            }
            Some(_) | None => ImageAnswer::Forbidden,
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

fn stored_image(snapshot: &Snapshot, device: Uuid) -> Vec<u8> {
    snapshot.value(&device_key(IMAGE, device)).map(<[u8]>::to_vec).unwrap_or_default()
}
