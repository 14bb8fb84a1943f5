//! What sessions that come back have heard: in memory, as long as the process lasts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clock::Timestamp;

/// Filters and sessions that are remembered, each. Beyond: one that comes back hears what happens from then on.
const COUNT_MAX: usize = 100_000;

#[derive(Default)]
struct Known {
    /// Session and filter to the number of the last event that is with the client.
    marks: HashMap<(String, Arc<str>), u64>,
    /// Session to when its connection ended.
    left: HashMap<String, Timestamp>,
}

/// See the head of the file.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<Known>);

/// From where a filter goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Since {
    /// Behind the event of this number.
    pub(crate) mark: Option<u64>,
    /// Or with the first that was heard from then on.
    pub(crate) left: Option<Timestamp>,
}

impl Remembered {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event is with the client; 0 is none.
    pub(crate) fn told(&self, session: &str, filter: Arc<str>, mark: u64) {
        let mut known = self.known();
        if mark == 0 {
            return;
        }
        let key = (session.to_owned(), filter);
        if known.marks.len() < COUNT_MAX || known.marks.contains_key(&key) {
            let last = known.marks.entry(key).or_default();
            *last = mark.max(*last);
        }
    }

    /// A connection ended.
    pub(crate) fn left(&self, session: &str, at: Option<Timestamp>) {
        let mut known = self.known();
        let Some(at) = at else { return };
        if known.left.len() >= COUNT_MAX {
            known.left.clear();
        }
        known.left.insert(session.to_owned(), at);
    }

    /// From where a filter of a session that goes on is heard.
    pub(crate) fn since(&self, session: &str, filter: &Arc<str>) -> Since {
        let known = self.known();
        let mark = known.marks.get(&(session.to_owned(), Arc::clone(filter))).copied();
        Since { mark, left: known.left.get(session).copied() }
    }

    /// A filter begins anew, or is over.
    pub(crate) fn forget(&self, session: &str, filter: &Arc<str>) {
        self.known().marks.remove(&(session.to_owned(), Arc::clone(filter)));
    }
}
