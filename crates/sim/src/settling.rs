//! What the registration server does after a start, before it answers owners again.

use authority::bootstrap::{MirrorOwner, OwnerNow, ReadMirrors};
use authority::registration::{AdoptMirror, ReadOwner, ReadPendingChange};

use crate::attempt::{Attempt, Progress};
use crate::calls::{Driven, Driving, Place};
use crate::setting::origin;
use crate::world::World;

enum Stage {
    ReadMirror,
    Compare(OwnerNow),
    Adopt(Attempt<AdoptMirror>, OwnerNow, bool),
    Tell(Attempt<MirrorOwner>),
    ReadPending,
    Drive(Driving),
}

/// A start under way.
pub(crate) struct Settling(Stage);

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Ready,
    /// Something did not get through: from the beginning.
    Again,
}

impl Settling {
    pub(crate) fn new() -> Self {
        Self(Stage::ReadMirror)
    }

    pub(crate) fn place(&self) -> Place {
        match &self.0 {
            Stage::ReadMirror | Stage::Tell(_) => Place::Bootstrap,
            Stage::Compare(_) | Stage::Adopt(..) | Stage::ReadPending => Place::Registration,
            Stage::Drive(driving) => driving.place(),
        }
    }

    pub(crate) fn step(&mut self, world: &mut World<'_>) -> Option<Settled> {
        let (device, now) = (world.device.uuid, world.now());
        match &mut self.0 {
            Stage::ReadMirror => {
                let mirrors = world.on_bootstrap(&ReadMirrors { after: None }).expect("records can be read");
                let (_, mirror) = mirrors.into_iter().next().expect("the device is there");
                self.0 = Stage::Compare(mirror);
                None
            }
            Stage::Compare(mirror) => {
                let mirror = mirror.clone();
                let pending =
                    world.on_registration(&ReadPendingChange { device }).expect("records can be read");
                let waits = pending
                    .as_ref()
                    .is_some_and(|change| change.seq == mirror.seq && change.owner == mirror.owner);
                self.0 = if waits {
                    Stage::ReadPending
                } else {
                    let origin = origin(&mut world.dice, "bootstrap");
                    let adopt = AdoptMirror { device, mirror: mirror.clone(), origin };
                    Stage::Adopt(Attempt::new(adopt), mirror, pending.is_some())
                };
                None
            }
            Stage::Adopt(attempt, mirror, pending) => match attempt.step(&world.registration, now) {
                Progress::UnderWay => None,
                Progress::Busy => Some(Settled::Again),
                Progress::Done(behind) => {
                    let behind = behind.expect("records can be read");
                    let (mirror, pending) = (mirror.clone(), *pending);
                    self.0 = if behind || pending { Stage::ReadPending } else { tell(world, &mirror) };
                    None
                }
            },
            Stage::Tell(attempt) => match attempt.step(&world.bootstrap, now) {
                Progress::UnderWay => None,
                Progress::Busy => Some(Settled::Again),
                Progress::Done(_) => {
                    self.0 = Stage::ReadPending;
                    None
                }
            },
            Stage::ReadPending => {
                let pending =
                    world.on_registration(&ReadPendingChange { device }).expect("records can be read");
                let Some(change) = pending else { return Some(Settled::Ready) };
                self.0 = Stage::Drive(Driving::new(world, &change));
                None
            }
            Stage::Drive(driving) => driving.step(world).map(|driven| match driven {
                Driven::Completed => Settled::Ready,
                Driven::Stuck => Settled::Again,
            }),
        }
    }
}

fn tell(world: &mut World<'_>, mirror: &OwnerNow) -> Stage {
    let device = world.device.uuid;
    let own = world.on_registration(&ReadOwner { device }).expect("records can be read");
    let own = own.expect("the device was issued");
    if own == *mirror {
        return Stage::ReadPending;
    }
    let (operation, origin) = (world.operation(), origin(&mut world.dice, "registration"));
    Stage::Tell(Attempt::new(MirrorOwner { device, operation, owner: own, origin }))
}
