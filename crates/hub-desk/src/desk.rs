//! The desk itself: runs operations, and carries what leaves after their commits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clock::Timestamp;
use consent::Party;
use hub::{
    Answer, Answered, Asked, DesiredOf, Effect, Event, Fault, FindThing, Interest, MarkThing, Marks, Order,
    OrderKind, Origin, Outcome, Raise, Raised, ReadSeries, Refusal, Report, Reported, Reporting, Series,
    Settled, Spot, Subscribe, order_number,
};
use model::Uuid;
use net::executor::Executor;
use store::{Committed, Operation, RunError};
use tokio::sync::Notify;
use tokio::sync::mpsc::channel;
use tokio::sync::mpsc::error::TrySendError;

use crate::caller::Caller;
use crate::device::{Attachment, ORDER_LINE_LENGTH};
use crate::lines::{Device, Lines};
use crate::pump::Load;
use crate::watch::{Queue, WATCHES_PER_THING_MAX, Watch};

/// How long a device has to say a value that is asked for afresh.
pub const QUERY_WAIT: Duration = Duration::from_secs(10);

pub(crate) struct Desk {
    pub(crate) executor: Executor,
    role: &'static str,
    pub(crate) lines: Lines,
    generations: AtomicU64,
    pub(crate) queries: AtomicU64,
    /// Rises whenever a thing was removed.
    pub(crate) removals: AtomicU64,
    /// Told the serial of a smart device that is not to be connected now.
    pub(crate) shut: OnceLock<Tell>,
}

/// Why a smart device is not to be connected now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shut {
    /// It is blocked, or may not use the old protocol any more: what it is to do is kept for it.
    Out,
    /// Its thing was removed: nothing that it was to do is to be done.
    Removed,
}

/// Tells somebody a name.
type Tell = Box<dyn Fn(&str, Shut) + Send + Sync>;

/// The desk; clones are the same desk.
#[derive(Clone)]
pub struct HubDesk {
    pub(crate) desk: Arc<Desk>,
}

impl std::fmt::Debug for HubDesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HubDesk(..)")
    }
}

/// What a run that did not come to its commit means to a caller.
pub(crate) fn not_run(error: RunError) -> Refusal {
    match error {
        RunError::Busy => Refusal::Busy,
        RunError::Full => Refusal::Fault(Fault::Full),
        RunError::OutcomeUnknown(_) => Refusal::Fault(Fault::OutcomeUnknown),
        RunError::Unavailable(_) => Refusal::Fault(Fault::Unavailable),
    }
}

impl HubDesk {
    /// A desk over the store of `executor`; `role` is the server that decides, as it stands in the audit log.
    /// There is one desk for a store: what leaves after a commit is carried by the desk that committed.
    #[must_use]
    pub fn open(executor: Executor, role: &'static str) -> Self {
        let desk = Desk {
            executor,
            role,
            lines: Lines::default(),
            generations: AtomicU64::new(0),
            queries: AtomicU64::new(0),
            removals: AtomicU64::new(0),
            shut: OnceLock::new(),
        };
        Self { desk: Arc::new(desk) }
    }

    pub(crate) fn origin(&self, caller: &Caller) -> Origin {
        Origin {
            role: self.desk.role,
            actor: caller.actor.clone(),
            address: caller.address,
            correlation: self.desk.executor.correlation(),
            seed: self.desk.executor.bytes(),
        }
    }

    pub(crate) fn asked(&self, caller: &Caller) -> Asked {
        Asked { party: caller.party.clone(), origin: self.origin(caller) }
    }

    /// Runs an operation that leaves nothing behind but its commit.
    pub(crate) async fn run<O, T>(&self, operation: O) -> Result<T, Refusal>
    where
        O: Operation<Reply = Result<T, Refusal>, Effect = ()> + Send + 'static,
        T: Send + 'static,
    {
        self.desk.executor.run(operation).await.map_err(not_run)?
    }

    /// Runs an operation and carries what leaves after its commit.
    pub(crate) async fn commit<O, T>(&self, operation: O) -> Result<T, Refusal>
    where
        O: Operation<Reply = Result<T, Refusal>, Effect = Effect> + Send + 'static,
        T: Send + 'static,
    {
        let done = self.desk.executor.commit(operation).await.map_err(not_run)?;
        for effect in done.effects {
            self.carry(effect).await;
        }
        done.reply
    }

    /// Commits a change that may take something away from somebody. When nobody knows whether it was stored, what goes
    /// on by right of anything is judged anew: by what the store says, and if it says nothing, to its end.
    pub(crate) async fn take_away<O>(&self, change: O) -> Result<Committed<O::Reply, O::Effect>, RunError>
    where
        O: Operation + Send + 'static,
        O::Reply: Send + 'static,
        O::Effect: Send + 'static,
    {
        let done = self.desk.executor.commit(change).await;
        if matches!(done, Err(RunError::OutcomeUnknown(_))) {
            for queue in self.desk.lines.watches() {
                self.judge(&queue).await;
            }
        }
        done
    }

    pub(crate) async fn carry(&self, effect: Effect) {
        match effect {
            Effect::Order(order) => self.deliver(order),
            Effect::Notice(notice) => {
                let thing = match &notice {
                    hub::Notice::Value { thing, .. }
                    | hub::Notice::Event { thing, .. }
                    | hub::Notice::Gap { thing, .. } => *thing,
                };
                self.desk.lines.tell(thing, &notice, self.desk.executor.now());
            }
            Effect::Settled(settled) => self.desk.lines.settle(&settled),
            Effect::Judge { thing, party } => self.judge_all(thing, party.as_ref()).await,
        }
    }

    /// Gives an order to its device, or leaves it to a pump when there is no room.
    fn deliver(&self, order: Order) {
        let thing = order.thing;
        let is_full = self.desk.lines.look(thing, |line| {
            // A device that is gone gets what is wanted when it comes back.
            let device = line.device.as_ref()?;
            Some(matches!(device.orders.try_send(order), Err(TrySendError::Full(_))))
        });
        if is_full.flatten() == Some(true) {
            self.start_pump(thing, Load::Everything);
        }
    }

    /// Judges the subscriptions of `party` to `thing` anew; of everybody, when the thing is no more.
    async fn judge_all(&self, thing: Uuid, party: Option<&Party>) {
        let Some(party) = party else {
            let line = self.desk.lines.look(thing, std::mem::take);
            line.into_iter().flat_map(|line| line.watches).for_each(|queue| queue.end());
            return;
        };
        let concerned = self.desk.lines.look(thing, |line| {
            line.watches.iter().filter(|queue| queue.party == *party).cloned().collect::<Vec<_>>()
        });
        for queue in concerned.into_iter().flatten() {
            self.judge(&queue).await;
        }
    }

    /// Judges one subscription anew; one that cannot be judged ends.
    pub(crate) async fn judge(&self, queue: &Arc<Queue>) {
        // The later of two judgements counts: they do not pass each other.
        let _turn = queue.judging.lock().await;
        match self.run(queue.judge_again()).await {
            Ok(standing) => queue.stand(standing),
            Err(_) => queue.end(),
        }
    }

    /// Ends when the time `until` has passed; never when there is none.
    pub(crate) async fn passed(&self, until: Option<Timestamp>) {
        let Some(until) = until else { return std::future::pending().await };
        loop {
            let now = self.desk.executor.now().utc.map_or(u64::MAX, Timestamp::as_unix_millis);
            let left = until.as_unix_millis().saturating_sub(now);
            if left == 0 {
                return;
            }
            // The clock of the wall may be set: it is looked at again after a minute at the latest.
            tokio::time::sleep(Duration::from_millis(left.min(60_000))).await;
        }
    }

    pub(crate) fn forget(&self, thing: Uuid, queue: &Arc<Queue>) {
        self.desk.forget_watch(thing, queue);
    }

    /// Subscribes a caller to a thing.
    ///
    /// # Errors
    /// As for reading, and [`Refusal::Busy`] when the thing has as many subscriptions as may be.
    pub async fn watch(&self, caller: impl Into<Caller>, interest: Interest) -> Result<Watch, Refusal> {
        let (party, thing) = (caller.into().party, interest.thing);
        let judge = Subscribe { interest: interest.clone(), party: party.clone() };
        let standing = self.run(judge).await?;
        let queue = Arc::new(Queue::new(party, interest, standing));
        let has_room = self.desk.lines.with(thing, |line| {
            let has_room = line.watches.len() < WATCHES_PER_THING_MAX;
            if has_room {
                line.watches.push(queue.clone());
            }
            has_room
        });
        if !has_room {
            return Err(Refusal::Busy);
        }
        let watch = Watch::new(self.clone(), queue.clone(), thing);
        // A grant that was revoked in between found no subscription to end.
        self.judge(&queue).await;
        Ok(watch)
    }

    /// A device is there: what waits for it begins to come.
    #[must_use]
    pub fn attach(&self, thing: Uuid) -> Attachment {
        let (orders, line_out) = channel(ORDER_LINE_LENGTH);
        let generation = self.desk.generations.fetch_add(1, Ordering::Relaxed) + 1;
        let since = self.desk.executor.now().utc;
        let family = Arc::new(Notify::new());
        self.desk.lines.with(thing, |line| {
            let family = Arc::clone(&family);
            line.device = Some(Device { orders, generation, since, family, pump: None });
        });
        self.start_pump(thing, Load::Everything);
        Attachment::new((line_out, family), thing, generation, self.clone())
    }

    pub(crate) fn detach(&self, thing: Uuid, generation: u64) {
        self.desk.lines.with(thing, |line| {
            if line.device.as_ref().is_some_and(|device| device.generation == generation) {
                line.device = None;
            }
        });
    }

    /// Since when the device of a thing is there; `None`: it is not.
    #[must_use]
    pub fn online_since(&self, thing: Uuid) -> Option<Timestamp> {
        let since = |line: &mut crate::lines::Line| {
            let device = line.device.as_ref()?;
            Some(device.since.unwrap_or(Timestamp::from_unix_millis(0)))
        };
        self.desk.lines.look(thing, since).flatten()
    }

    /// Another number after every removal of a thing: what [`HubDesk::find`] found before may be another's now.
    #[must_use]
    pub fn removals(&self) -> u64 {
        self.desk.removals.load(Ordering::Acquire)
    }

    /// The thing behind a device.
    ///
    /// # Errors
    /// [`Refusal::Fault`], [`Refusal::Busy`].
    pub async fn find(&self, binding: hub::Binding) -> Result<Option<Uuid>, Refusal> {
        self.run(FindThing { binding }).await
    }

    /// Says of a device through which protocol it was let in; whether that is news.
    ///
    /// # Errors
    /// [`Refusal::NotHere`], [`Refusal::Fault`], [`Refusal::Busy`].
    pub async fn mark(&self, thing: Uuid, marks: Marks) -> Result<bool, Refusal> {
        let origin = self.origin(&Party::Thing(thing).into());
        self.run(MarkThing { thing, marks, origin }).await
    }

    /// A device reports values; answers when they are stored.
    ///
    /// # Errors
    /// [`Refusal::NotHere`] for a thing that is no more, [`Refusal::TooLarge`] for too many values,
    /// [`Refusal::Fault`], [`Refusal::Busy`]; a value that cannot be taken is told in the answer.
    pub async fn report(&self, thing: Uuid, values: Vec<Reported>) -> Result<Reporting, Refusal> {
        self.commit(Report { thing, values }).await
    }

    /// A device tells of an event; answers when it is stored.
    ///
    /// # Errors
    /// [`Refusal::NotHere`], [`Refusal::NoSuchName`], [`Refusal::BadValue`], [`Refusal::TooLarge`]: the event
    /// will never be taken; [`Refusal::Fault`], [`Refusal::Busy`]: it may be later.
    pub async fn raise(&self, thing: Uuid, event: Event) -> Result<Raised, Refusal> {
        let fresh = Uuid::v4(self.desk.executor.bytes());
        self.commit(Raise { thing, event, fresh }).await
    }

    /// A device answers an order; answers when that is stored.
    ///
    /// # Errors
    /// [`Refusal::NotHere`], [`Refusal::TooLarge`], [`Refusal::BadValue`], [`Refusal::Fault`],
    /// [`Refusal::Busy`].
    pub async fn answer(&self, thing: Uuid, outcome: Outcome) -> Result<Answered, Refusal> {
        if let Some((OrderKind::Query, _)) = order_number(outcome.id) {
            return self.answer_query(thing, outcome).await;
        }
        self.commit(Answer { thing, outcome }).await
    }

    async fn answer_query(&self, thing: Uuid, outcome: Outcome) -> Result<Answered, Refusal> {
        let name = self.desk.lines.look(thing, |line| line.waiting.get(&outcome.id)?.first()?.query.clone());
        let Some(name) = name.flatten() else { return Ok(Answered::NotAwaited) };
        let mut told = Ok(());
        if let Ok(Some(value)) = &outcome.result {
            let reported = Reported { of: Spot::Named(name), value: value.clone(), at: None };
            let reporting = self.report(thing, vec![reported]).await?;
            told = reporting.refused.into_iter().next().map_or(Ok(()), |(_, why)| Err(why));
        }
        self.desk.lines.settle(&Settled { thing, order: outcome.id, result: outcome.result });
        told.map(|()| Answered::Stored)
    }

    /// What a property was, as far as it is kept and the caller may know.
    ///
    /// # Errors
    /// As for reading the property.
    pub async fn series(
        &self,
        caller: impl Into<Caller>,
        thing: Uuid,
        name: String,
        after: u64,
    ) -> Result<Series, Refusal> {
        self.run(ReadSeries { thing, name, after, party: caller.into().party }).await
    }

    /// The values that are still wanted of a device that asks, oldest first.
    ///
    /// # Errors
    /// [`Refusal::NotHere`], [`Refusal::Fault`], [`Refusal::Busy`].
    pub async fn desired_of(&self, thing: Uuid) -> Result<Vec<Order>, Refusal> {
        self.run(DesiredOf { thing }).await
    }
}
