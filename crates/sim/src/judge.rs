//! The model: who may do what to a device with owner and number, and what was answered.
//!
//! It sees the calls, their answers, and the owner that the registration server names after each step.

use std::collections::BTreeMap;

/// What an owner asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Claim { proof: bool },
    ClaimAndTransfer { proof: bool, to: usize },
    Transfer { to: usize },
    Release,
}

/// Owner and number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) seq: u32,
    pub(crate) owner: Option<usize>,
}

/// What the caller hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 204.
    Stands,
    /// 403.
    Forbidden,
    /// 503 before anything was begun.
    Later,
    /// No answer, or one that leaves open whether it happened.
    Unknown,
}

/// A rule that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub String);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

/// Names a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallId(usize);

struct Asked {
    caller: usize,
    request: Request,
    /// It may still happen.
    open: bool,
    /// Nobody answered it yet.
    waiting: bool,
    /// What it asks for held at some moment while it waited.
    held: bool,
    /// Something else moved, or was about to, while it waited.
    contended: bool,
}

/// A change that was seen, as the calls that may have made it.
type Causes = Vec<usize>;

/// Whether each change can have a call of its own that made it.
fn all_explained(changes: &[Causes]) -> bool {
    let mut change_of: BTreeMap<usize, usize> = BTreeMap::new();
    (0..changes.len()).all(|change| find_maker(change, changes, &mut change_of, &mut Vec::new()))
}

/// Gives `change` a maker, moving others to other makers where that helps.
fn find_maker(
    change: usize,
    changes: &[Causes],
    change_of: &mut BTreeMap<usize, usize>,
    tried: &mut Vec<usize>,
) -> bool {
    for call in &changes[change] {
        if tried.contains(call) {
            continue;
        }
        tried.push(*call);
        let holder = change_of.get(call).copied();
        if holder.is_none_or(|other| find_maker(other, changes, change_of, tried)) {
            change_of.insert(*call, change);
            return true;
        }
    }
    false
}

/// The rule book of one device.
#[derive(Default)]
pub(crate) struct Judge {
    now: Owned,
    asked: Vec<Asked>,
    seen: Vec<Causes>,
    owner_of: BTreeMap<u32, usize>,
    hash_of: BTreeMap<u32, [u8; 32]>,
    secret_of: BTreeMap<Vec<u8>, u32>,
    /// The registration server was put back to an older state and has not caught up.
    catching_up: bool,
    /// Changes that brought an owner.
    pub(crate) changes: usize,
    /// What happened, a line each, for whoever reads of a rule that did not hold.
    log: Vec<String>,
}

fn broken<T>(what: String) -> Result<T, Broken> {
    Err(Broken(what))
}

/// The table of A-ASSURE-99: what holds after `request`, if it is granted.
fn granted(now: Owned, caller: usize, request: Request) -> Option<Owned> {
    let next = |owner| Owned { seq: now.seq + 1, owner: Some(owner) };
    let holds = now.owner == Some(caller);
    let free = now.owner.is_none();
    match request {
        Request::Claim { proof: true } if holds => Some(now),
        Request::Claim { proof: true } if free => Some(next(caller)),
        Request::ClaimAndTransfer { proof: true, to } if holds || free => Some(next(to)),
        Request::Transfer { to } if holds => Some(next(to)),
        Request::Release if holds => Some(Owned { seq: now.seq, owner: None }),
        Request::Claim { .. }
        | Request::ClaimAndTransfer { .. }
        | Request::Transfer { .. }
        | Request::Release => None,
    }
}

impl Asked {
    /// Who asks, and who is to own the device then: calls with one goal are one wish, said again.
    fn goal(&self) -> (usize, Option<usize>) {
        let owner = match self.request {
            Request::Claim { .. } => Some(self.caller),
            Request::ClaimAndTransfer { to, .. } | Request::Transfer { to } => Some(to),
            Request::Release => None,
        };
        (self.caller, owner)
    }
}

impl Judge {
    pub(crate) fn now(&self) -> Owned {
        self.now
    }

    pub(crate) fn note(&mut self, line: String) {
        self.log.push(line);
    }

    /// The rule that did not hold, with the history that led to it.
    pub(crate) fn with_log(&self, broken: Broken) -> Broken {
        let lines: Vec<&str> = self.log.iter().map(String::as_str).chain([broken.0.as_str()]).collect();
        Broken(lines.join("\n"))
    }

    pub(crate) fn ask(&mut self, caller: usize, request: Request, pending: bool) -> CallId {
        let held = granted(self.now, caller, request) == Some(self.now);
        let call = Asked { caller, request, open: true, waiting: true, held, contended: pending };
        self.asked.push(call);
        let id = self.asked.len() - 1;
        self.note(format!("call {id}: {request:?} by {caller}"));
        CallId(id)
    }

    /// The registration server is put back; what it says counts again once it has caught up.
    pub(crate) fn restored(&mut self) {
        self.catching_up = true;
    }

    /// It says that it has.
    pub(crate) fn caught_up(&mut self) {
        self.catching_up = false;
    }

    /// The registration server names this owner now; `pending` says whether a change is on its way.
    pub(crate) fn observe(&mut self, seen: Owned, pending: bool) -> Result<(), Broken> {
        let older = seen.seq < self.now.seq || seen.seq == self.now.seq && self.now.owner.is_none();
        if self.catching_up && older {
            return Ok(());
        }
        if seen != self.now {
            self.explain(seen)?;
        }
        for call in self.asked.iter_mut().filter(|call| call.waiting) {
            call.contended |= pending;
            call.held |= granted(self.now, call.caller, call.request) == Some(self.now);
        }
        Ok(())
    }

    fn explain(&mut self, seen: Owned) -> Result<(), Broken> {
        let before = self.now;
        let explains = |call: &Asked| call.open && granted(before, call.caller, call.request) == Some(seen);
        let causes: Causes = (0..self.asked.len()).filter(|index| explains(&self.asked[*index])).collect();
        self.note(format!("{before:?} -> {seen:?}, by one of calls {causes:?}"));
        let goals: Vec<_> = causes.iter().map(|index| self.asked[*index].goal()).collect();
        for call in self.asked.iter_mut().filter(|call| call.waiting) {
            call.contended = true;
            call.held |= goals.contains(&call.goal());
        }
        self.seen.push(causes);
        if !all_explained(&self.seen) {
            return broken(format!("nobody asked for {seen:?} after {before:?}"));
        }
        if let Some(owner) = seen.owner {
            self.changes += 1;
            if self.owner_of.insert(seen.seq, owner).is_some() {
                return broken(format!("number {} was given twice", seen.seq));
            }
        }
        self.now = seen;
        Ok(())
    }

    /// A call that was refused made no change: then others must have made them all.
    fn made_none(&mut self, index: usize) -> bool {
        for causes in &mut self.seen {
            causes.retain(|cause| *cause != index);
        }
        all_explained(&self.seen)
    }

    pub(crate) fn answer(&mut self, id: CallId, answer: Answer) -> Result<(), Broken> {
        let now = self.now;
        let is_refusal = matches!(answer, Answer::Forbidden | Answer::Later);
        let made_none = !is_refusal || self.made_none(id.0);
        let call = &mut self.asked[id.0];
        call.waiting = false;
        self.log.push(format!("call {}: {answer:?}", id.0));
        let says = format!("{:?} by {} was answered {answer:?}", call.request, call.caller);
        match answer {
            Answer::Stands if !call.held => return broken(format!("{says}, but it never held")),
            Answer::Forbidden | Answer::Later if !made_none => {
                return broken(format!("{says}, but it happened"));
            }
            Answer::Forbidden if !call.contended && granted(now, call.caller, call.request).is_some() => {
                return broken(format!("{says}, but nothing stood against it: {now:?}"));
            }
            Answer::Stands | Answer::Forbidden | Answer::Later => call.open = false,
            Answer::Unknown => {}
        }
        Ok(())
    }

    /// An owner got a configuration and can build images with this key, perhaps with this secret.
    pub(crate) fn configured(
        &mut self,
        seq: u32,
        owner: usize,
        hash: [u8; 32],
        secret: Option<Vec<u8>>,
    ) -> Result<(), Broken> {
        if self.owner_of.get(&seq) != Some(&owner) {
            return broken(format!("{owner} got a configuration of number {seq}, which was never its own"));
        }
        if *self.hash_of.entry(seq).or_insert(hash) != hash {
            return broken(format!("number {seq} stands for two keys"));
        }
        match secret.map(|secret| *self.secret_of.entry(secret).or_insert(seq)) {
            Some(other) if other != seq => broken(format!("{other} and {seq} have one owner secret")),
            Some(_) | None => Ok(()),
        }
    }

    /// The bootstrap server handed out an image of this owner and number at this moment.
    pub(crate) fn served(&self, seq: u32, owner: usize) -> Result<(), Broken> {
        let now = self.now;
        if now != (Owned { seq, owner: Some(owner) }) {
            return broken(format!("an image of {owner} as number {seq} was served while {now:?} held"));
        }
        Ok(())
    }

    /// The device took an image.
    pub(crate) fn obeyed(&self, seq: u32, hash: [u8; 32]) -> Result<(), Broken> {
        if self.hash_of.get(&seq) != Some(&hash) {
            return broken(format!("the device obeys a stranger as number {seq}"));
        }
        Ok(())
    }
}
