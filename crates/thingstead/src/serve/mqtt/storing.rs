//! The broker's store: records in the table, messages in segment files, one thread that writes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use broker::{Broker, JOURNAL_NAME, Limits, MESSAGES, RETAINED, SESSIONS, StoreBatch, Stored};
use clock::{Dice, Now};
use crypto::Provider;
use mqtt_front::Command;
use store::{CommitError, Journal, JournalError, Position, Range, Snapshot, Table};
use store_sealed::SealedJournal;
use store_segments::Segments;
use tokio::sync::mpsc::{Sender, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::failure::{Failure, Outcome};
use crate::storage;

/// How long a batch that was not stored waits before it is tried again.
const RETRY_TIME: Duration = Duration::from_secs(1);
/// Records and entries that are read at once.
const PAGE_SIZE: usize = 256;

/// Where a broker's batches go.
pub(crate) struct BrokerStore {
    records: Arc<dyn Table>,
    journal: Box<dyn Journal>,
    /// The batch whose values the journal has already, and where: only its records are tried again.
    appended: Option<(u64, Position)>,
}

fn failed(error: impl std::fmt::Debug) -> Failure {
    Failure::new("store-unavailable", "the broker's store").because(format!("{error:?}"))
}

impl BrokerStore {
    /// Opens the journal in `folder`, sealed with the key of the store there.
    pub(crate) fn open(
        folder: &Path,
        records: Arc<dyn Table>,
        provider: &dyn Provider,
        dice: Dice,
    ) -> Outcome<Self> {
        let key = storage::sealing_key(&folder.join("seal.key"), true)?;
        let segments = Segments::open(folder.join("messages")).map_err(failed)?;
        let journal = SealedJournal::new(segments, provider, key.expose(), dice).map_err(failed)?;
        Ok(Self { records, journal: Box::new(journal), appended: None })
    }

    /// The broker that goes on from what is stored.
    pub(crate) fn recover(&self, limits: Limits, now: Now) -> Outcome<Broker> {
        let mut stored = Stored::new();
        for space in [SESSIONS, RETAINED] {
            let mut range = Range { space, prefix: Vec::new(), after: None, limit: PAGE_SIZE };
            loop {
                let page = self.records.scan(&range).map_err(failed)?;
                for (key, record) in &page.records {
                    stored.record(key, &record.value).map_err(failed)?;
                }
                range.after = page.records.last().map(|(key, _)| key.name.clone());
                if !page.more {
                    break;
                }
            }
        }
        let mut from = Position(0);
        loop {
            let entries = self.journal.read(MESSAGES, JOURNAL_NAME, from, PAGE_SIZE).map_err(failed)?;
            let Some(last) = entries.last() else { break };
            from = Position(last.position.0 + 1);
            for entry in &entries {
                stored.journal(entry.position, &entry.value).map_err(failed)?;
            }
        }
        Ok(stored.open(limits, now))
    }

    /// Stores a batch; the position of its first value.
    fn try_store(&mut self, batch: &StoreBatch) -> Result<Option<Position>, String> {
        let mut first = self.appended.filter(|(number, _)| *number == batch.number).map(|(_, first)| first);
        if first.is_none() && !batch.append.is_empty() {
            let appended = self.journal.append(MESSAGES, JOURNAL_NAME, &batch.append);
            let appended = appended.map_err(|error: JournalError| format!("{error:?}"))?;
            self.appended = Some((batch.number, appended));
            first = Some(appended);
        }
        if !batch.records.is_empty() {
            let committed = self.records.commit(&Snapshot::default(), &batch.records);
            committed.map_err(|error: CommitError| format!("{error:?}"))?;
        }
        if let Some(before) = batch.trim
            && let Err(error) = self.journal.trim(MESSAGES, JOURNAL_NAME, before)
        {
            // It may be left undone.
            tracing::warn!(?error, "the journal of messages was not trimmed");
        }
        Ok(first)
    }

    /// Stores what a broker that has stopped still has; whether all of it is stored.
    pub(crate) fn store_rest(&mut self, broker: &mut Broker, untold: Option<StoreBatch>) -> bool {
        let mut next = untold;
        loop {
            let Some(batch) = next.take().or_else(|| broker.take_batch()) else { return true };
            match self.try_store(&batch) {
                Ok(first) => broker.stored(batch.number, first),
                Err(error) => {
                    tracing::error!(%error, "messages are not stored");
                    return false;
                }
            }
        }
    }
}

/// What the writer stored last.
type Last = Arc<Mutex<Option<(u64, Option<Position>)>>>;

/// Stores batches on a thread of its own, again and again until each is stored.
pub(crate) struct Writer {
    batches: UnboundedSender<StoreBatch>,
    task: JoinHandle<BrokerStore>,
    last: Last,
}

impl Writer {
    /// Starts the thread, which answers on `commands`.
    pub(crate) fn start(store: BrokerStore, commands: Sender<Command>) -> Self {
        // There is one batch at a time: the broker gives the next when this one is stored.
        let (batches, line) = unbounded_channel();
        let last = Last::default();
        let noted = Arc::clone(&last);
        let task = tokio::task::spawn_blocking(move || write(store, line, &commands, &noted));
        Self { batches, task, last }
    }

    pub(crate) fn write(&self, batch: StoreBatch) {
        if self.batches.send(batch).is_err() {
            tracing::error!("nobody stores messages any more");
        }
    }

    /// Waits for what it was given; what it stored last.
    pub(crate) async fn finish(self) -> (Option<(u64, Option<Position>)>, Option<BrokerStore>) {
        drop(self.batches);
        let store = self.task.await.ok();
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (last, store)
    }
}

fn write(
    mut store: BrokerStore,
    mut line: UnboundedReceiver<StoreBatch>,
    commands: &Sender<Command>,
    last: &Mutex<Option<(u64, Option<Position>)>>,
) -> BrokerStore {
    while let Some(batch) = line.blocking_recv() {
        let number = batch.number;
        let first = loop {
            match store.try_store(&batch) {
                Ok(first) => break first,
                Err(error) if line.is_closed() => {
                    tracing::error!(%error, "messages are not stored, and the broker stops");
                    return store;
                }
                Err(error) => {
                    tracing::error!(%error, "messages are not stored: clients wait");
                    std::thread::sleep(RETRY_TIME);
                }
            }
        };
        *last.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, first));
        // When nobody listens the broker has stopped, and asks what was last.
        let _stopped = commands.blocking_send(Command::Stored { number, first });
    }
    store
}
