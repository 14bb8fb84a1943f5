//! Subscriptions: what one caller hears of one thing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clock::Now;
use consent::{Act, Party};
use hub::{Interest, Notice, Pick, Reading, Standing, StoredEvent, Subscribe};
use model::Uuid;
use tokio::sync::Notify;

use crate::desk::{Desk, HubDesk};

/// Events that wait for one subscriber; when more come the oldest are left out and counted.
pub const EVENT_QUEUE_LENGTH: usize = 256;

/// Subscriptions to one thing.
pub const WATCHES_PER_THING_MAX: usize = 256;

/// What waits for one subscriber.
pub(crate) struct Queue {
    pub(crate) party: Party,
    interest: Interest,
    waiting: Mutex<Waiting>,
    news: Notify,
    /// Held while it is judged.
    pub(crate) judging: tokio::sync::Mutex<()>,
}

struct Waiting {
    standing: Standing,
    values: BTreeMap<String, Reading>,
    events: VecDeque<StoredEvent>,
    gap: u64,
    is_over: bool,
}

impl Queue {
    pub(crate) fn new(party: Party, interest: Interest, standing: Standing) -> Self {
        let waiting =
            Waiting { standing, values: BTreeMap::new(), events: VecDeque::new(), gap: 0, is_over: false };
        let (waiting, judging) = (Mutex::new(waiting), tokio::sync::Mutex::new(()));
        Self { party, interest, waiting, news: Notify::new(), judging }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a notice that the subscriber wants and may still hear.
    pub(crate) fn take(&self, notice: &Notice, now: Now) {
        let wants = |pick: &Pick, name: &str| match pick {
            Pick::Nothing => false,
            Pick::All => true,
            Pick::Set(names) => names.contains(name),
        };
        let mut waiting = self.waiting();
        match notice {
            Notice::Value { reading, .. } => {
                let is_wanted = wants(&self.interest.properties, &reading.name);
                if !is_wanted || !waiting.standing.may_still(Act::Observe, &reading.name, now) {
                    return;
                }
                let known = waiting.values.get(&reading.name).map(|known| known.version);
                // Commits may be told in another order than they happened.
                if known.is_none_or(|known| known < reading.version) {
                    waiting.values.insert(reading.name.clone(), reading.clone());
                }
            }
            Notice::Event { event, .. } => {
                let is_wanted = wants(&self.interest.events, &event.name);
                if !is_wanted || !waiting.standing.may_still(Act::Observe, &event.name, now) {
                    return;
                }
                if waiting.events.len() == EVENT_QUEUE_LENGTH {
                    waiting.events.pop_front();
                    waiting.gap += 1;
                }
                let at = waiting.events.partition_point(|waits| waits.number < event.number);
                waiting.events.insert(at, event.clone());
            }
            Notice::Gap { .. } => return,
        }
        drop(waiting);
        self.news.notify_one();
    }

    /// Ends the subscription: nothing that waits is heard any more.
    pub(crate) fn end(&self) {
        let mut waiting = self.waiting();
        waiting.is_over = true;
        waiting.values.clear();
        waiting.events.clear();
        drop(waiting);
        self.news.notify_one();
    }

    fn next(&self) -> Next {
        let thing = self.interest.thing;
        let mut waiting = self.waiting();
        if waiting.is_over {
            return Next::Over;
        }
        if waiting.gap > 0 {
            let count = std::mem::take(&mut waiting.gap);
            return Next::Notice(Notice::Gap { thing, count });
        }
        if let Some(event) = waiting.events.pop_front() {
            return Next::Notice(Notice::Event { thing, event });
        }
        match waiting.values.pop_first() {
            Some((_, reading)) => Next::Notice(Notice::Value { thing, reading }),
            None => Next::Nothing,
        }
    }

    fn has_news(&self) -> bool {
        let waiting = self.waiting();
        waiting.is_over || waiting.gap > 0 || !waiting.events.is_empty() || !waiting.values.is_empty()
    }

    fn is_over(&self) -> bool {
        self.waiting().is_over
    }

    pub(crate) fn judge_again(&self) -> Subscribe {
        Subscribe { interest: self.interest.clone(), party: self.party.clone() }
    }

    /// Goes on with what is allowed from now on.
    pub(crate) fn stand(&self, standing: Standing) {
        let mut waiting = self.waiting();
        waiting.values.retain(|name, _| standing.may(Act::Observe, name));
        waiting.events.retain(|event| standing.may(Act::Observe, &event.name));
        waiting.standing = standing;
    }
}

enum Next {
    Notice(Notice),
    Nothing,
    Over,
}

/// A subscription; dropping it ends it.
pub struct Watch {
    desk: HubDesk,
    queue: Arc<Queue>,
    thing: Uuid,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("thing", &self.thing).finish_non_exhaustive()
    }
}

impl Watch {
    pub(crate) fn new(desk: HubDesk, queue: Arc<Queue>, thing: Uuid) -> Self {
        Self { desk, queue, thing }
    }

    /// Waits until there is something to [`Watch::take`], or the subscription is over.
    pub async fn ready(&mut self) {
        while !self.queue.has_news() {
            self.something_happens().await;
        }
    }

    /// Waits until the subscription is over.
    pub async fn ended(&mut self) {
        while !self.queue.is_over() {
            self.something_happens().await;
        }
    }

    /// Whether the subscription is over: nothing more is heard.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.queue.is_over()
    }

    /// The next notice, without waiting for one. A reader that has room only for some asks when it has: until
    /// then values give way to newer ones, and nothing that may no longer be heard waits in its hands.
    pub fn take(&mut self) -> Option<Notice> {
        match self.queue.next() {
            Next::Notice(notice) => Some(notice),
            Next::Over | Next::Nothing => None,
        }
    }

    async fn something_happens(&self) {
        let until = self.queue.waiting().standing.until();
        tokio::select! {
            () = self.queue.news.notified() => {}
            () = self.desk.passed(until) => self.desk.judge(&self.queue).await,
        }
    }

    /// The next notice; `None` when the right to hear more has ended, or the thing. May be dropped and called
    /// again at any time: nothing is lost by it.
    pub async fn next(&mut self) -> Option<Notice> {
        loop {
            match self.queue.next() {
                Next::Notice(notice) => return Some(notice),
                Next::Over => return None,
                Next::Nothing => self.something_happens().await,
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.desk.forget(self.thing, &self.queue);
    }
}

impl Desk {
    pub(crate) fn forget_watch(&self, thing: Uuid, queue: &Arc<Queue>) {
        self.lines.with(thing, |line| line.watches.retain(|watch| !Arc::ptr_eq(watch, queue)));
    }
}
