//! What has just happened, for whoever watches: read off the commits of the role's store.
//!
//! A [`Feed`] stands in front of the table that every operation of the role runs on, whichever side runs it.
//! After a commit it says which devices, sessions and audit entries it wrote. It is also where the policy of
//! the audit log takes hold: entries that are not to be kept are left out of the commit that brings them.
//!
//! Watchers have no queues of their own: the last [`RECENT_COUNT_MAX`] happenings are kept with their
//! positions, and one who comes too late for the next is told to look at everything anew.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use accounts::{AUDIT, AuditEntry, AuditPolicy, Settings, is_session};
use clock::{Now, Timestamp};
use model::{Uuid, hex};
use store::{Batch, CommitError, Fault, Key, Page, Range, ReadSet, Record, Snapshot, Table, Version, Write};
use tokio::sync::watch;

/// Happenings that are kept for those who come back.
pub(super) const RECENT_COUNT_MAX: usize = 1024;
/// Audit entries that are counted with one look at the start.
const COUNT_PAGE: usize = 1000;

/// One thing that happened.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    /// A device's record was written.
    Device(Uuid),
    /// An entry was added to the audit log: its name and what stands in it.
    Audit(Vec<u8>, Arc<AuditEntry>),
    /// Sessions ended.
    SessionsEnded,
}

struct State {
    /// The position of the next happening.
    next: u64,
    recent: VecDeque<Happening>,
    /// Audit entries that are kept; those of before this run are added when they are counted.
    kept: u64,
    policy: AuditPolicy,
}

/// See the module.
pub struct Feed {
    table: Arc<dyn Table>,
    /// Tells positions of this run from those of another.
    run: String,
    /// Entries from then on are counted as they are committed.
    began: Option<Timestamp>,
    state: Mutex<State>,
    position: watch::Sender<u64>,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feed(..)")
    }
}

/// What a watcher gets.
pub(super) enum Seen {
    /// What happened since, and where to go on.
    Happenings(Vec<Happening>, u64),
    /// Too much happened since: everything is to be looked at anew, from here on.
    TooMuch(u64),
}

impl Feed {
    /// A feed of what is committed to `table` through it from now on. `run` is fresh chance.
    #[must_use]
    pub fn over(table: Arc<dyn Table>, run: [u8; 4], now: Now) -> Arc<Self> {
        let policy = Settings::default().audit_policy();
        let state = Mutex::new(State { next: 1, recent: VecDeque::new(), kept: 0, policy });
        Arc::new(Self { table, run: hex(&run), began: now.utc, state, position: watch::channel(1).0 })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept of the audit log from now on.
    pub(super) fn follow(&self, policy: AuditPolicy) {
        self.state().policy = policy;
    }

    /// How many audit entries are there, and what is kept of them.
    pub(super) fn audit(&self) -> (u64, AuditPolicy) {
        let state = self.state();
        (state.kept, state.policy)
    }

    /// Counts the entries that were there before this run; once, at the start.
    pub(super) fn count(&self) -> Result<(), Fault> {
        let end = self.began.map_or(u64::MAX, Timestamp::as_unix_millis).to_be_bytes();
        let mut range = Range { space: AUDIT, prefix: Vec::new(), after: None, limit: COUNT_PAGE };
        loop {
            let page = self.table.scan(&range)?;
            let before = page.records.iter().filter(|(key, _)| key.name[..] < end[..]).count();
            self.state().kept += before as u64;
            range.after = page.records.last().map(|(key, _)| key.name.clone());
            if !page.more || before < page.records.len() {
                return Ok(());
            }
        }
    }

    /// The table beneath, for reading.
    pub(super) fn table(&self) -> &dyn Table {
        &*self.table
    }

    /// Tells when something has happened.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.position.subscribe()
    }

    /// The position of the next happening.
    pub(super) fn next(&self) -> u64 {
        self.state().next
    }

    /// A position as it is given to watchers.
    pub(super) fn id(&self, position: u64) -> String {
        format!("{}-{position}", self.run)
    }

    /// The position that `id` stands for, when it is one of this run.
    pub(super) fn position_of(&self, id: &str) -> Option<u64> {
        id.strip_prefix(&self.run)?.strip_prefix('-')?.parse().ok()
    }

    /// What happened from `from` on.
    pub(super) fn since(&self, from: u64) -> Seen {
        let state = self.state();
        let oldest = state.next - state.recent.len() as u64;
        if from < oldest || from > state.next {
            return Seen::TooMuch(state.next);
        }
        let skipped = usize::try_from(from - oldest).unwrap_or(usize::MAX);
        Seen::Happenings(state.recent.iter().skip(skipped).cloned().collect(), state.next)
    }

    /// Tells when sessions have ended from now on.
    pub(crate) fn sessions_ended(self: &Arc<Self>) -> SessionsEnded {
        SessionsEnded { news: self.watch(), from: self.next(), feed: Arc::clone(self) }
    }

    /// The batch without the audit entries that are not kept; `None`: all are.
    fn kept_of(&self, batch: &Batch) -> Option<Batch> {
        let (kept, policy) = self.audit();
        let keeps = |write: &Write| match write {
            Write::Put(key, value) if key.space == AUDIT => {
                AuditEntry::from_bytes(value).map_or(true, |entry| policy.keeps(kept, &entry.operation))
            }
            Write::Put(..) | Write::Delete(_) => true,
        };
        if batch.writes.iter().all(keeps) {
            return None;
        }
        Some(Batch { writes: batch.writes.iter().filter(|write| keeps(write)).cloned().collect() })
    }

    fn tell(&self, batch: &Batch) {
        let mut state = self.state();
        let before = state.next;
        for write in &batch.writes {
            let happening = match write {
                Write::Put(key, value) if key.space == AUDIT => {
                    state.kept += 1;
                    let entry = AuditEntry::from_bytes(value).ok();
                    entry.map(|entry| Happening::Audit(key.name.clone(), Arc::new(entry)))
                }
                Write::Delete(key) if key.space == AUDIT => {
                    state.kept = state.kept.saturating_sub(1);
                    None
                }
                Write::Delete(key) if is_session(key) => Some(Happening::SessionsEnded),
                Write::Put(key, _) | Write::Delete(key) => management::device_of(key).map(Happening::Device),
            };
            if let Some(happening) = happening {
                if state.recent.len() == RECENT_COUNT_MAX {
                    state.recent.pop_front();
                }
                state.recent.push_back(happening);
                state.next += 1;
            }
        }
        let next = state.next;
        drop(state);
        if next != before {
            self.position.send_replace(next);
        }
    }
}

/// Whoever waits for the end of sessions.
pub(crate) struct SessionsEnded {
    feed: Arc<Feed>,
    news: watch::Receiver<u64>,
    from: u64,
}

impl SessionsEnded {
    /// Ends when a session has ended, whosever it is; may be dropped and called again.
    pub(crate) async fn wait(&mut self) {
        loop {
            if self.news.changed().await.is_err() {
                // Nothing is committed any more.
                return std::future::pending().await;
            }
            let (is_over, next) = match self.feed.since(self.from) {
                Seen::Happenings(happenings, next) => {
                    (happenings.iter().any(|one| matches!(one, Happening::SessionsEnded)), next)
                }
                Seen::TooMuch(next) => (true, next),
            };
            self.from = next;
            if is_over {
                return;
            }
        }
    }
}

impl Table for Feed {
    fn get(&self, key: &Key) -> Result<Option<Record>, Fault> {
        self.table.get(key)
    }

    fn scan(&self, range: &Range) -> Result<Page, Fault> {
        self.table.scan(range)
    }

    fn scan_back(&self, range: &Range) -> Result<Page, Fault> {
        self.table.scan_back(range)
    }

    fn snapshot(&self, reads: &ReadSet) -> Result<Snapshot, Fault> {
        self.table.snapshot(reads)
    }

    fn commit(&self, based_on: &Snapshot, batch: &Batch) -> Result<Version, CommitError> {
        let fewer = self.kept_of(batch);
        let batch = fewer.as_ref().unwrap_or(batch);
        let version = self.table.commit(based_on, batch)?;
        self.tell(batch);
        Ok(version)
    }
}
