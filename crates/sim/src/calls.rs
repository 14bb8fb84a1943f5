//! Owner calls under way: registration server, bootstrap server, registration server again.

use authority::bootstrap::{MirrorOwner, Mirrored, OwnerNow};
use authority::registration::{
    AdoptMirror, ChangeOwner, CompleteChange, OperationId, OwnerAnswer, PendingChange, Target,
};
use crypto::Secret;

use crate::attempt::{Attempt, Progress};
use crate::judge::{Answer, CallId, Request};
use crate::setting::origin;
use crate::world::{CASE, WRONG_CASE, World};

/// On which server a step is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Registration,
    Bootstrap,
}

/// A pending change on its way through both servers.
pub(crate) enum Driving {
    Mirror(Attempt<MirrorOwner>, OperationId),
    Complete(Attempt<CompleteChange>),
    Adopt(Attempt<AdoptMirror>),
}

/// How driving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driven {
    Completed,
    /// It did not get through; whether it will is open.
    Stuck,
}

impl Driving {
    pub(crate) fn new(world: &mut World<'_>, change: &PendingChange) -> Self {
        let owner = OwnerNow { seq: change.seq, owner: change.owner.clone() };
        let mirror = MirrorOwner {
            device: world.device.uuid,
            operation: change.operation,
            owner,
            origin: origin(&mut world.dice, "registration"),
        };
        Self::Mirror(Attempt::new(mirror), change.operation)
    }

    pub(crate) fn place(&self) -> Place {
        match self {
            Self::Mirror(..) => Place::Bootstrap,
            Self::Complete(_) | Self::Adopt(_) => Place::Registration,
        }
    }

    pub(crate) fn step(&mut self, world: &mut World<'_>) -> Option<Driven> {
        let (device, now) = (world.device.uuid, world.now());
        match self {
            Self::Mirror(attempt, operation) => match attempt.step(&world.bootstrap, now) {
                Progress::UnderWay => None,
                Progress::Busy => Some(Driven::Stuck),
                // The answer can be lost on its way back.
                Progress::Done(_) if world.one_in(12) => Some(Driven::Stuck),
                Progress::Done(reply) => {
                    let (operation, origin) = (*operation, origin(&mut world.dice, "bootstrap"));
                    match reply.expect("records can be read") {
                        Mirrored::Stands => {
                            let complete = CompleteChange { device, operation, origin };
                            *self = Self::Complete(Attempt::new(complete));
                            None
                        }
                        Mirrored::Ahead(mirror) => {
                            *self = Self::Adopt(Attempt::new(AdoptMirror { device, mirror, origin }));
                            None
                        }
                        Mirrored::Unknown => Some(Driven::Stuck),
                    }
                }
            },
            Self::Complete(attempt) => match attempt.step(&world.registration, now) {
                Progress::UnderWay => None,
                Progress::Busy => Some(Driven::Stuck),
                Progress::Done(reply) => {
                    reply.expect("records can be read");
                    Some(Driven::Completed)
                }
            },
            Self::Adopt(attempt) => match attempt.step(&world.registration, now) {
                Progress::UnderWay => None,
                Progress::Busy | Progress::Done(_) => Some(Driven::Stuck),
            },
        }
    }
}

enum Stage {
    Change(Box<Attempt<ChangeOwner>>),
    Drive(Box<Driving>),
}

/// One `PUT /v1/devices/{uuid}/owner`.
pub(crate) struct Call {
    pub(crate) id: CallId,
    stage: Stage,
}

impl Call {
    pub(crate) fn new(world: &mut World<'_>, id: CallId, caller: usize, request: Request) -> Self {
        let owners = &world.setting.owners;
        let case = |proof: bool| Some(Secret::from(if proof { &CASE[..] } else { &WRONG_CASE[..] }));
        let to = |index: usize| Some(Target::Management(owners[index].id.clone()));
        let (case_string, target) = match request {
            Request::Claim { proof } => (case(proof), None),
            Request::ClaimAndTransfer { proof, to: index } => (case(proof), to(index)),
            Request::Transfer { to: index } => (None, to(index)),
            Request::Release => (None, Some(Target::Nobody)),
        };
        let caller = owners[caller].id.clone();
        let change = ChangeOwner {
            device: world.device.uuid,
            origin: origin(&mut world.dice, caller.as_str()),
            caller,
            case_string,
            target,
            operation: world.operation(),
            keys: world.setting.keys.clone(),
        };
        Self { id, stage: Stage::Change(Box::new(Attempt::new(change))) }
    }

    pub(crate) fn place(&self) -> Place {
        match &self.stage {
            Stage::Change(_) => Place::Registration,
            Stage::Drive(driving) => driving.place(),
        }
    }

    pub(crate) fn step(&mut self, world: &mut World<'_>) -> Option<Answer> {
        match &mut self.stage {
            Stage::Change(attempt) => match attempt.step(&world.registration, world.now()) {
                Progress::UnderWay => None,
                Progress::Busy => Some(Answer::Later),
                Progress::Done(reply) => match reply.expect("the server can decide") {
                    OwnerAnswer::Stands => Some(Answer::Stands),
                    OwnerAnswer::Forbidden => Some(Answer::Forbidden),
                    OwnerAnswer::Later { .. } => Some(Answer::Later),
                    OwnerAnswer::OnItsWay(change) => {
                        self.stage = Stage::Drive(Box::new(Driving::new(world, &change)));
                        None
                    }
                },
            },
            Stage::Drive(driving) => driving.step(world).map(|driven| match driven {
                Driven::Completed => Answer::Stands,
                Driven::Stuck => Answer::Unknown,
            }),
        }
    }
}
