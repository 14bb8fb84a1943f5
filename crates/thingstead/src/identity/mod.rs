//! The identity server: run by hand, one command at a time. It opens no socket; what it knows comes and goes
//! in files.
//!
//! ```text
//! init -> ta.bundle, system-ca.pem
//! stations add, enrol -> whom it deals with
//! import: submit files in, in the order of their numbers -> issued or rejected, files for both servers out
//! ```
//! Source: aSSURE 5.1, 14.1; ruling A-ASSURE-12; decisions G 21 to G 23; ADR 0071, 0073.

pub(crate) mod enrol;
pub(crate) mod generation;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod station_file;
pub(crate) mod watch;

use std::path::Path;
use std::sync::Arc;

use accounts::AuditEntry;
use assure_proto::{SimpleTime, Validity};
use authority::identity::{GapPartners, IdentityKeys, ReadPartners, ReadStations, Station};
use authority::{AUDIT, Origin, ReadOwn, ReadTaken};
use clock::{Dice, Now, Timestamp};
use crypto::Provider;
use model::{CorrelationId, KeyId, Uuid};
use net::now::Clock;
use net::seed;
use store::{Operation, Range, Table, run};

use crate::cli::provider;
use crate::failure::{Failure, Outcome};
use crate::gap_folder::GapFolders;
use crate::serve::gap_line::flush_outbox;
use crate::{serve, storage};

/// The opened store of an identity server, and its keys.
pub(crate) struct Identity {
    table: Arc<dyn Table>,
    clock: Clock,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) keys: Arc<IdentityKeys>,
}

impl Identity {
    /// Opens the store in `data`; nothing is made.
    pub(crate) fn open(data: &Path) -> Outcome<Self> {
        let missing = || Failure::new("no-identity", data.display().to_string());
        if !data.join("store.redb").exists() {
            return Err(missing());
        }
        let provider = provider();
        let table = storage::open(data, &*provider)?;
        let clock = Clock::start();
        let read = ReadOwn { key: IdentityKeys::key() };
        let stored = run(&*table, &read, clock.now()).map_err(serve::store_failed)?.reply;
        let keys = IdentityKeys::read(provider.clone(), &stored.ok_or_else(missing)?);
        let keys = keys.map_err(|error| {
            Failure::new("internal", "the keys of the identity server").because(format!("{error:?}"))
        })?;
        Ok(Self { table, clock, provider, keys: Arc::new(keys) })
    }

    /// Runs an operation to its commit.
    pub(crate) fn run<O: Operation>(&self, operation: &O) -> Outcome<O::Reply> {
        run(&*self.table, operation, self.clock.now()).map(|done| done.reply).map_err(serve::store_failed)
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Where a command comes from, with randomness of its own.
    pub(crate) fn origin(&self, actor: &str) -> Outcome<Origin> {
        let mut dice = dice()?;
        let correlation = CorrelationId(dice.bytes());
        Ok(Origin { address: None, role: "identity", actor: actor.into(), correlation, seed: dice.bytes() })
    }

    pub(crate) fn partners(&self) -> Outcome<GapPartners> {
        self.run(&ReadPartners)?.map_err(|_| unreadable("the enrolled servers"))
    }

    /// The number of the last file that was taken from `server`.
    pub(crate) fn taken(&self, server: Uuid) -> Outcome<u32> {
        self.run(&ReadTaken { from: server })?.map_err(|_| unreadable("the numbers of the air gap"))
    }

    /// Every station, in the order of key ids.
    pub(crate) fn stations(&self) -> Outcome<Vec<(KeyId, Station)>> {
        let mut all: Vec<(KeyId, Station)> = Vec::new();
        loop {
            let after = all.last().map(|(id, _)| *id);
            let page = self.run(&ReadStations { after })?.map_err(|_| unreadable("the stations"))?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Writes what stands in the outbox and forgets it there.
    pub(crate) fn flush(&self, gap_out: &Path) -> Outcome<usize> {
        let folders = GapFolders { inbox: gap_out.to_owned(), outbox: gap_out.to_owned() };
        flush_outbox(&*self.table, self.keys.authority, &folders, self.clock.now())
    }

    /// Hands every entry of the audit log to `entry`, oldest first, with its place.
    pub(crate) fn audit(&self, mut entry: impl FnMut(&[u8], &AuditEntry)) -> Outcome {
        let mut after = None;
        loop {
            let range = Range { space: AUDIT, prefix: Vec::new(), after, limit: AUDIT_PAGE };
            let page = self.table.scan(&range);
            let page =
                page.map_err(|error| Failure::new("store-unavailable", "the audit log").because(error))?;
            for (key, record) in &page.records {
                let read = AuditEntry::from_bytes(&record.value).map_err(|_| unreadable("the audit log"))?;
                entry(&key.name, &read);
            }
            after = page.records.last().map(|(key, _)| key.name.clone());
            if !page.more {
                return Ok(());
            }
        }
    }
}

/// Entries of the audit log that are read at once.
const AUDIT_PAGE: usize = 500;

pub(crate) fn unreadable(what: &str) -> Failure {
    Failure::new("internal", what).because("a stored record cannot be read")
}

/// Fresh dice.
pub(crate) fn dice() -> Outcome<Dice> {
    seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))
}

/// The time, which everything that is signed needs.
pub(crate) fn utc(now: Now) -> Outcome<Timestamp> {
    now.utc
        .ok_or_else(|| Failure::new("internal", "no clock").because("the clock of this machine is not set"))
}

/// From now on, without an end.
pub(crate) fn signed_from(now: Now) -> Outcome<Validity> {
    let secs = utc(now)?.as_assure_secs();
    let secs = secs
        .ok_or_else(|| Failure::new("internal", "no clock").because("the clock of this machine is wrong"))?;
    Ok(Validity::since(SimpleTime { secs }))
}
