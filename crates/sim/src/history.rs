//! One history: what happens in which order, and what is asked of the judge after each step.

use assure_proto::{ImageRefusal, OwnershipRecord, SimpleTime};
use authority::bootstrap::ReadMirrors;
use authority::registration::{ReadOwner, ReadPendingChange};
use model::ManagementId;
use store::Memory;

use crate::calls::{Call, Place};
use crate::image::Image;
use crate::judge::{Answer, Broken, Judge, Owned, Request};
use crate::setting::{OWNER_COUNT, Setting};
use crate::settling::{Settled, Settling};
use crate::visits::{Upload, Uploaded, Visit, Visited};
use crate::world::World;

/// Steps of a history before it is brought to rest.
const STEP_COUNT: u64 = 200;
/// Calls, uploads and visits under way at once.
const TASK_COUNT_MAX: usize = 6;
/// Steps that bringing everything to rest may take.
const REST_STEP_COUNT_MAX: usize = 10_000;
const DAY_SECS: u64 = 24 * 3600;

/// What happened in a history, for the reader of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Owner calls.
    pub calls: usize,
    /// Changes that brought an owner.
    pub changes: usize,
    /// Images that the device took.
    pub bootstraps: usize,
    /// Servers that died.
    pub crashes: usize,
    /// Servers that were put back to a backup.
    pub restores: usize,
    /// Times the device lost its power between judging and storing.
    pub cuts: usize,
}

impl std::ops::AddAssign for Played {
    fn add_assign(&mut self, more: Self) {
        self.calls += more.calls;
        self.changes += more.changes;
        self.bootstraps += more.bootstraps;
        self.crashes += more.crashes;
        self.restores += more.restores;
        self.cuts += more.cuts;
    }
}

enum Task {
    Call(Call),
    Upload(Upload, SimpleTime),
    Visit(Visit),
    Settle(Box<Settling>),
}

impl Task {
    fn place(&self) -> Option<Place> {
        match self {
            Self::Call(call) => Some(call.place()),
            Self::Upload(upload, _) => Some(upload.place()),
            Self::Visit(visit) => visit.place(),
            Self::Settle(settling) => Some(settling.place()),
        }
    }

    /// Which server carries it: when that dies, it is gone.
    fn dies_with(&self, place: Place) -> bool {
        match self {
            Self::Call(_) | Self::Settle(_) => place == Place::Registration || self.place() == Some(place),
            Self::Upload(..) | Self::Visit(_) => self.place() == Some(place),
        }
    }
}

struct History<'s> {
    world: World<'s>,
    judge: Judge,
    tasks: Vec<Task>,
    images: Vec<Image>,
    /// The registration server answers owners.
    ready: bool,
    backups: [Option<Memory>; 2],
    /// The bootstrap server was put back: it may hand out an older image of the present owner.
    rewound: bool,
    last_created_at: u32,
    /// No more faults.
    resting: bool,
    played: Played,
}

/// Plays the history of `seed` to its end.
///
/// # Errors
/// The first rule that did not hold.
pub fn play(setting: &Setting, seed: u64) -> Result<Played, Broken> {
    let mut history = History {
        world: World::new(setting, seed),
        judge: Judge::default(),
        tasks: Vec::new(),
        images: Vec::new(),
        ready: true,
        backups: [None, None],
        rewound: false,
        last_created_at: 1000,
        resting: false,
        played: Played::default(),
    };
    history.play().map_err(|broken| history.judge.with_log(broken))?;
    history.played.changes = history.judge.changes;
    Ok(history.played)
}

impl History<'_> {
    fn play(&mut self) -> Result<(), Broken> {
        for _ in 0..STEP_COUNT {
            self.happen()?;
        }
        self.resting = true;
        self.come_to_rest()?;
        self.last_owner_bootstraps()?;
        self.images_of_the_past_are_refused()
    }

    fn happen(&mut self) -> Result<(), Broken> {
        match self.world.dice.below(100) {
            0..=8 => self.begin_call(),
            9..=15 => self.begin_upload(),
            16..=23 => self.begin_visit(),
            24 => {
                self.world.wait_secs(DAY_SECS / 3);
                Ok(())
            }
            25 => self.crash(Place::Registration),
            26 => self.crash(Place::Bootstrap),
            27 => {
                self.back_up();
                Ok(())
            }
            28 => self.restore(),
            // The device goes off and comes on again.
            29 => {
                self.tasks.retain(|task| !matches!(task, Task::Visit(_)));
                Ok(())
            }
            _ => self.step(),
        }
    }

    fn begin_call(&mut self) -> Result<(), Broken> {
        if self.tasks.len() >= TASK_COUNT_MAX {
            return Ok(());
        }
        let index =
            |world: &mut World<'_>| usize::try_from(world.dice.below(OWNER_COUNT as u64)).expect("few");
        // More often than not the owner is the one who asks.
        let caller = match self.judge.now().owner {
            Some(owner) if !self.world.one_in(3) => owner,
            Some(_) | None => index(&mut self.world),
        };
        let (proof, to) = (!self.world.one_in(6), index(&mut self.world));
        let request = match self.world.dice.below(7) {
            0 | 1 => Request::Claim { proof },
            2 => Request::ClaimAndTransfer { proof, to },
            3..=5 => Request::Transfer { to },
            _ => Request::Release,
        };
        self.call(caller, request)
    }

    fn call(&mut self, caller: usize, request: Request) -> Result<(), Broken> {
        self.played.calls += 1;
        let pending = self.observe()?.is_some();
        let id = self.judge.ask(caller, request, pending);
        if !self.ready {
            return self.judge.answer(id, Answer::Later);
        }
        let call = Call::new(&mut self.world, id, caller, request);
        self.tasks.push(Task::Call(call));
        Ok(())
    }

    fn begin_upload(&mut self) -> Result<(), Broken> {
        let owner = match self.judge.now().owner {
            Some(owner) if !self.world.one_in(4) => owner,
            Some(_) | None => usize::try_from(self.world.dice.below(OWNER_COUNT as u64)).expect("few"),
        };
        // A management system uploads the images of one device one after the other.
        let uploads = self.tasks.iter().any(|task| matches!(task, Task::Upload(..)));
        if self.tasks.len() < TASK_COUNT_MAX && self.ready && !uploads {
            self.upload(owner);
        }
        Ok(())
    }

    fn upload(&mut self, owner: usize) {
        self.last_created_at += 1;
        let created_at = SimpleTime { secs: self.last_created_at };
        let upload = Upload::new(&mut self.world, owner);
        self.tasks.push(Task::Upload(upload, created_at));
    }

    fn begin_visit(&mut self) -> Result<(), Broken> {
        let visits = self.tasks.iter().any(|task| matches!(task, Task::Visit(_)));
        if !visits {
            self.tasks.push(Task::Visit(Visit::Ask));
        }
        Ok(())
    }

    /// A server dies and is there again at once; what it was doing is gone.
    fn crash(&mut self, place: Place) -> Result<(), Broken> {
        self.played.crashes += 1;
        self.judge.note(format!("{place:?} dies"));
        let (gone, stay) =
            std::mem::take(&mut self.tasks).into_iter().partition(|task: &Task| task.dies_with(place));
        self.tasks = stay;
        let gone: Vec<Task> = gone;
        for task in gone {
            if let Task::Call(call) = task {
                self.judge.answer(call.id, Answer::Unknown)?;
            }
        }
        if place == Place::Registration {
            self.ready = false;
            self.tasks.retain(|task| !matches!(task, Task::Settle(_)));
            self.tasks.push(Task::Settle(Box::new(Settling::new())));
        } else if !self.ready && !self.tasks.iter().any(|task| matches!(task, Task::Settle(_))) {
            self.tasks.push(Task::Settle(Box::new(Settling::new())));
        }
        Ok(())
    }

    fn back_up(&mut self) {
        self.backups = [Some(self.world.registration.clone()), Some(self.world.bootstrap.clone())];
    }

    /// One server is put back to its backup, while the other one knows what was lost.
    fn restore(&mut self) -> Result<(), Broken> {
        if !self.ready || !self.servers_agree() {
            return Ok(());
        }
        let place = if self.world.one_in(2) { Place::Registration } else { Place::Bootstrap };
        let slot = usize::from(place == Place::Bootstrap);
        let Some(backup) = self.backups[slot].take() else { return Ok(()) };
        self.backups = [None, None];
        self.played.restores += 1;
        self.judge.note(format!("{place:?} is put back to a backup"));
        self.crash(place)?;
        match place {
            Place::Registration => {
                self.judge.restored();
                self.world.registration = backup;
            }
            Place::Bootstrap => {
                self.rewound = true;
                self.world.bootstrap = backup;
                // The operator starts the registration server anew, which tells the other what it lost.
                self.crash(Place::Registration)?;
            }
        }
        Ok(())
    }

    fn servers_agree(&self) -> bool {
        let (owned, pending) = self.registered();
        pending.is_none() && owned == self.mirrored() && owned == self.judge.now()
    }

    fn registered(&self) -> (Owned, Option<u32>) {
        let device = self.world.device.uuid;
        let now = self.world.on_registration(&ReadOwner { device }).expect("records can be read");
        let now = now.expect("the device was issued");
        let pending = self.world.on_registration(&ReadPendingChange { device }).expect("records can be read");
        (self.owned(now.seq, now.owner.as_ref()), pending.map(|change| change.seq))
    }

    fn mirrored(&self) -> Owned {
        let mirrors = self.world.on_bootstrap(&ReadMirrors { after: None }).expect("records can be read");
        let (_, mirror) = mirrors.into_iter().next().expect("the device is there");
        self.owned(mirror.seq, mirror.owner.as_ref())
    }

    fn owned(&self, seq: u32, owner: Option<&ManagementId>) -> Owned {
        Owned { seq, owner: owner.map(|id| self.world.setting.owner_index(id)) }
    }

    fn observe(&mut self) -> Result<Option<u32>, Broken> {
        let (owned, pending) = self.registered();
        self.judge.observe(owned, pending.is_some())?;
        Ok(pending)
    }

    /// One step of one task.
    fn step(&mut self) -> Result<(), Broken> {
        if self.tasks.is_empty() {
            return Ok(());
        }
        let index = usize::try_from(self.world.dice.below(self.tasks.len() as u64)).expect("few tasks");
        let mut task = self.tasks.swap_remove(index);
        let goes_on = match &mut task {
            Task::Call(call) => {
                let answer = call.step(&mut self.world);
                self.observe()?;
                if let Some(answer) = answer {
                    self.judge.answer(call.id, answer)?;
                }
                answer.is_none()
            }
            Task::Upload(upload, created_at) => {
                let step = upload.step(&mut self.world, *created_at);
                self.uploaded(step)?
            }
            Task::Visit(Visit::Store(_)) if !self.resting && self.world.one_in(5) => {
                self.played.cuts += 1;
                self.judge.note("the device loses its power before it stores".into());
                false
            }
            Task::Visit(visit) => {
                let step = visit.step(&mut self.world);
                self.visited(step)?
            }
            Task::Settle(settling) => self.settled(settling)?,
        };
        if goes_on {
            self.tasks.push(task);
        }
        Ok(())
    }

    fn settled(&mut self, settling: &mut Settling) -> Result<bool, Broken> {
        let step = settling.step(&mut self.world);
        self.observe()?;
        match step {
            None => {}
            Some(Settled::Again) => *settling = Settling::new(),
            Some(Settled::Ready) => {
                self.judge.note("ready".into());
                self.judge.caught_up();
                self.observe()?;
                self.ready = true;
            }
        }
        Ok(step != Some(Settled::Ready))
    }

    fn uploaded(&mut self, step: Uploaded) -> Result<bool, Broken> {
        Ok(match step {
            Uploaded::UnderWay => true,
            Uploaded::Built(image) => {
                let secret = image.secret.as_ref().map(|secret| secret.expose().to_vec());
                self.judge.configured(image.seq, image.owner, image.owner_hash, secret)?;
                self.images.push(image);
                true
            }
            Uploaded::Stored | Uploaded::Refused => false,
        })
    }

    fn visited(&mut self, step: Visited) -> Result<bool, Broken> {
        Ok(match step {
            Visited::UnderWay => true,
            Visited::Served(bytes) => {
                let image = self.images.iter().find(|image| image.bytes == bytes);
                let Some(image) = image else { return Err(Broken("a stranger's image was served".into())) };
                self.judge.served(image.seq, image.owner)?;
                true
            }
            Visited::Refused(refusal) => {
                let harmless = self.rewound && refusal == ImageRefusal::CreatedEarlier;
                if !harmless {
                    return Err(Broken(format!("the device refused its owner's image: {refusal}")));
                }
                false
            }
            Visited::Stored { seq, owner_hash } => {
                self.played.bootstraps += 1;
                self.judge.note(format!("the device obeys number {seq}"));
                self.judge.obeyed(seq, owner_hash)?;
                false
            }
            Visited::Nothing => false,
        })
    }

    /// Everybody finishes, no more faults; the registration server is started once more.
    fn come_to_rest(&mut self) -> Result<(), Broken> {
        self.run_out()?;
        self.crash(Place::Registration)?;
        self.run_out()?;
        let (owned, pending) = self.registered();
        if pending.is_some() || owned != self.mirrored() || owned != self.judge.now() {
            let mirror = self.mirrored();
            return Err(Broken(format!("no rest: {owned:?}, pending {pending:?}, mirror {mirror:?}")));
        }
        Ok(())
    }

    fn run_out(&mut self) -> Result<(), Broken> {
        for _ in 0..REST_STEP_COUNT_MAX {
            if self.tasks.is_empty() {
                return Ok(());
            }
            self.step()?;
        }
        Err(Broken("no rest: the tasks do not end".into()))
    }

    /// The present owner gets its device, whatever was before.
    fn last_owner_bootstraps(&mut self) -> Result<(), Broken> {
        let Some(owner) = self.judge.now().owner else {
            self.begin_visit()?;
            return self.run_out();
        };
        for _ in 0..3 {
            self.upload(owner);
            self.run_out()?;
            self.begin_visit()?;
            self.run_out()?;
            let Owned { seq, .. } = self.judge.now();
            if self.world.device.record().sequence_number == seq {
                return Ok(());
            }
            // What a restored server gave away is void: the owner has to take new keys.
            self.world.wait_secs(DAY_SECS);
            self.call(owner, Request::Transfer { to: owner })?;
            self.run_out()?;
            self.come_to_rest()?;
        }
        Err(Broken(format!("{owner} owns the device as {:?} and cannot bootstrap it", self.judge.now())))
    }

    /// Even the bootstrap server itself cannot bring an earlier owner back.
    fn images_of_the_past_are_refused(&mut self) -> Result<(), Broken> {
        let provider = &*self.world.setting.provider;
        let before = self.world.device.record();
        for image in &self.images {
            let judged = self.world.device.judge(provider, &image.bytes, &self.world.bootstrap_key);
            if let Ok(accepted) = judged
                && !same(&accepted.record, &before)
                && (before.sequence_number, before.owner_hash) != (image.seq, Some(image.owner_hash))
                && image.seq <= before.sequence_number
            {
                return Err(Broken(format!("number {} came back over {before:?}", image.seq)));
            }
        }
        Ok(())
    }
}

fn same(one: &OwnershipRecord, other: &OwnershipRecord) -> bool {
    one.sequence_number == other.sequence_number && one.owner_hash == other.owner_hash
}
