//! An owner uploads an image, and the device comes for it.

use assure_proto::{AcceptedImage, ImageRefusal, SimpleTime};
use authority::bootstrap::{ImageAnswer, OwnerNow, ServeImage, StoreImage, StoreImageAnswer};
use authority::registration::{ConfigurationAnswer, ReadConfiguration, ReadOwner};

use crate::attempt::{Attempt, Progress};
use crate::calls::Place;
use crate::image::{self, Image};
use crate::setting::origin;
use crate::world::World;

/// From configuration to stored image.
pub(crate) enum Upload {
    Fetch { owner: usize, attempt: Box<Attempt<ReadConfiguration>> },
    Ask(Image),
    Store(Box<Attempt<StoreImage>>),
}

/// What came of a step of an upload.
pub(crate) enum Uploaded {
    UnderWay,
    /// The owner has a configuration, and this image was built on it.
    Built(Image),
    Stored,
    /// Not its device, not now, or not this number any more.
    Refused,
}

impl Upload {
    pub(crate) fn new(world: &mut World<'_>, owner: usize) -> Self {
        let caller = world.setting.owners[owner].id.clone();
        let (device, keys, seed) = (world.device.uuid, world.setting.keys.clone(), world.dice.bytes());
        let read = ReadConfiguration { device, caller, keys, seed };
        Self::Fetch { owner, attempt: Box::new(Attempt::new(read)) }
    }

    pub(crate) fn place(&self) -> Place {
        match self {
            Self::Fetch { .. } | Self::Ask(_) => Place::Registration,
            Self::Store(..) => Place::Bootstrap,
        }
    }

    pub(crate) fn step(&mut self, world: &mut World<'_>, created_at: SimpleTime) -> Uploaded {
        let now = world.now();
        match self {
            Self::Fetch { owner, attempt } => match attempt.step(&world.registration, now) {
                Progress::UnderWay => Uploaded::UnderWay,
                Progress::Busy => Uploaded::Refused,
                Progress::Done(answer) => match answer.expect("records can be read") {
                    ConfigurationAnswer::Part(part) => {
                        let image = image::build(world, *owner, &part, created_at);
                        *self = Self::Ask(image.clone());
                        Uploaded::Built(image)
                    }
                    ConfigurationAnswer::Forbidden | ConfigurationAnswer::NotYet => Uploaded::Refused,
                },
            },
            // The bootstrap server asks whose the device is, then stores.
            Self::Ask(image) => {
                let image = image.clone();
                let Some(owner) = owner_now(world) else { return Uploaded::Refused };
                if owner.owner.as_ref() != Some(&world.setting.owners[image.owner].id) {
                    return Uploaded::Refused;
                }
                let store = StoreImage {
                    device: world.device.uuid,
                    image: image.bytes.clone(),
                    image_seq: image.seq,
                    owner,
                    origin: origin(&mut world.dice, "owner"),
                };
                *self = Self::Store(Box::new(Attempt::new(store)));
                Uploaded::UnderWay
            }
            Self::Store(attempt) => match attempt.step(&world.bootstrap, now) {
                Progress::UnderWay => Uploaded::UnderWay,
                Progress::Busy => Uploaded::Refused,
                Progress::Done(answer) => match answer.expect("records can be read") {
                    StoreImageAnswer::Stored => Uploaded::Stored,
                    StoreImageAnswer::Forbidden => Uploaded::Refused,
                },
            },
        }
    }
}

fn owner_now(world: &World<'_>) -> Option<OwnerNow> {
    world.on_registration(&ReadOwner { device: world.device.uuid }).expect("records can be read")
}

/// From power-on to a stored record.
pub(crate) enum Visit {
    Ask,
    Serve(Box<Attempt<ServeImage>>),
    /// The device has the image and judges it.
    Judge(Vec<u8>),
    /// It takes it and stores what it remembers.
    Store(Box<AcceptedImage>),
}

/// What came of a step of a visit.
pub(crate) enum Visited {
    UnderWay,
    /// The bootstrap server committed to this answer; empty when it has nothing for the device.
    Served(Vec<u8>),
    Refused(ImageRefusal),
    /// The device obeys the owner with this number and key hash.
    Stored {
        seq: u32,
        owner_hash: [u8; 32],
    },
    /// Nothing there, or not now.
    Nothing,
}

impl Visit {
    /// `None` while the device is by itself.
    pub(crate) fn place(&self) -> Option<Place> {
        match self {
            Self::Ask => Some(Place::Registration),
            Self::Serve(_) => Some(Place::Bootstrap),
            Self::Judge(_) | Self::Store(_) => None,
        }
    }

    pub(crate) fn step(&mut self, world: &mut World<'_>) -> Visited {
        let (uuid, now) = (world.device.uuid, world.now());
        match self {
            Self::Ask => {
                let Some(owner) = owner_now(world) else { return Visited::Nothing };
                let origin = origin(&mut world.dice, "device");
                let serve = ServeImage { proven: uuid, asked: uuid, owner, origin };
                *self = Self::Serve(Box::new(Attempt::new(serve)));
                Visited::UnderWay
            }
            Self::Serve(attempt) => match attempt.step(&world.bootstrap, now) {
                Progress::UnderWay => Visited::UnderWay,
                Progress::Busy => Visited::Nothing,
                Progress::Done(answer) => match answer.expect("records can be read") {
                    ImageAnswer::Image(image) if !image.is_empty() => {
                        *self = Self::Judge(image.clone());
                        Visited::Served(image)
                    }
                    ImageAnswer::Image(_) | ImageAnswer::Forbidden => Visited::Nothing,
                },
            },
            Self::Judge(image) => {
                let provider = &*world.setting.provider;
                match world.device.judge(provider, image, &world.bootstrap_key) {
                    Ok(accepted) => {
                        *self = Self::Store(Box::new(accepted));
                        Visited::UnderWay
                    }
                    Err(refusal) => Visited::Refused(refusal),
                }
            }
            Self::Store(accepted) => {
                world.device.store(accepted);
                let record = &accepted.record;
                let owner_hash = record.owner_hash.expect("an accepted image has an owner");
                Visited::Stored { seq: record.sequence_number, owner_hash }
            }
        }
    }
}
