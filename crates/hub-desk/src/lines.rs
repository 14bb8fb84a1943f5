//! What is connected to the desk right now, thing by thing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clock::Timestamp;
use hub::{Notice, Order, Settled};
use model::Uuid;
use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::pump::Load;
use crate::watch::Queue;

/// How an order ended.
pub(crate) type Answer = Result<Option<Value>, (i64, String)>;

/// A device that is there.
pub(crate) struct Device {
    pub(crate) orders: mpsc::Sender<Order>,
    /// Tells this connection from later ones of the same thing.
    pub(crate) generation: u64,
    pub(crate) since: Option<Timestamp>,
    /// Told when another sub-device behind this device is a thing, or one no more.
    pub(crate) family: Arc<Notify>,
    /// Whether a pump runs, and whether it is to look once more before it ends.
    pub(crate) pump: Option<PumpAgain>,
}

/// What a pump that runs already is to do before it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PumpAgain {
    No,
    Yes(Load),
}

/// Whoever waits for the answer to one order.
pub(crate) struct Waiter {
    pub(crate) settled: oneshot::Sender<Answer>,
    /// The property that is asked for, where the answer is to be stored as a report.
    pub(crate) query: Option<String>,
}

/// Everything connected to one thing.
#[derive(Default)]
pub(crate) struct Line {
    pub(crate) device: Option<Device>,
    pub(crate) watches: Vec<Arc<Queue>>,
    pub(crate) waiting: BTreeMap<u64, Vec<Waiter>>,
}

impl Line {
    fn is_idle(&self) -> bool {
        self.device.is_none() && self.watches.is_empty() && self.waiting.is_empty()
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Lines(Mutex<HashMap<Uuid, Line>>);

impl Lines {
    fn all(&self) -> MutexGuard<'_, HashMap<Uuid, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the line of a thing; a line that is idle afterwards is forgotten.
    pub(crate) fn with<T>(&self, thing: Uuid, work: impl FnOnce(&mut Line) -> T) -> T {
        let mut all = self.all();
        let line = all.entry(thing).or_default();
        let done = work(line);
        if line.is_idle() {
            all.remove(&thing);
        }
        done
    }

    /// The same, without making a line where none is.
    pub(crate) fn look<T>(&self, thing: Uuid, look: impl FnOnce(&mut Line) -> T) -> Option<T> {
        self.all().get_mut(&thing).map(look)
    }

    /// Every subscription.
    pub(crate) fn watches(&self) -> Vec<Arc<Queue>> {
        self.all().values().flat_map(|line| &line.watches).cloned().collect()
    }

    pub(crate) fn tell(&self, thing: Uuid, notice: &Notice, now: clock::Now) {
        self.look(thing, |line| line.watches.iter().for_each(|queue| queue.take(notice, now)));
    }

    /// Wakes whoever waits for an order.
    pub(crate) fn settle(&self, settled: &Settled) {
        let waiters = self.look(settled.thing, |line| line.waiting.remove(&settled.order));
        for waiter in waiters.flatten().into_iter().flatten() {
            // One that waits no more hears nothing.
            let _ = waiter.settled.send(settled.result.clone());
        }
        self.forget_if_idle(settled.thing);
    }

    fn forget_if_idle(&self, thing: Uuid) {
        let mut all = self.all();
        if all.get(&thing).is_some_and(Line::is_idle) {
            all.remove(&thing);
        }
    }
}
