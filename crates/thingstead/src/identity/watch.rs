//! Records are taken in as they come, until a stop signal.
//!
//! The store is open only while there is something to take, so that other commands get at it in between. A stop
//! at any moment is like a loss of power: what was decided is in the store, and written by the next run; a
//! signal stops between two records.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use model::Uuid;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::Identity;
use super::import::{Import, Taken, number_of};
use crate::failure::{Failure, Outcome};

/// How often the folder is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Different complaints that one watch makes.
const TOLD_COUNT_MAX: usize = 1000;

/// A folder that is watched.
pub(crate) struct Watch<'a> {
    data: &'a Path,
    gap_in: &'a Path,
    gap_out: &'a Path,
    /// Whom files are for, and the number of the next.
    next: Option<(Uuid, u64)>,
    /// A file that was refused, as it was then: it is tried again when another lies there.
    refused: Option<(PathBuf, SystemTime, u64)>,
    told: BTreeSet<String>,
}

impl<'a> Watch<'a> {
    /// Takes files of `gap_in` into the store in `data` and answers into `gap_out`.
    pub(crate) const fn new(data: &'a Path, gap_in: &'a Path, gap_out: &'a Path) -> Self {
        Self { data, gap_in, gap_out, next: None, refused: None, told: BTreeSet::new() }
    }

    /// Watches until SIGINT or SIGTERM; `told` hears of every record. A file that is refused is told once and
    /// waits for the one that belongs there; a store that another command has open is waited for.
    pub(crate) fn run(mut self, told: impl Fn(Uuid, Taken)) -> Outcome {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register(signal, Arc::clone(&stop))
                .map_err(|error| Failure::new("internal", "signals").because(error))?;
        }
        crate::leash::watch();
        // What cannot be watched at all is said at once.
        self.take(&stop, &told)?;
        while !stop.load(Ordering::Relaxed) {
            if self.something_came()? {
                match self.take(&stop, &told) {
                    Err(failure) if failure.code() == "store-unavailable" => self.tell(&failure),
                    taken => taken?,
                }
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
        Ok(())
    }

    /// Whether the folder holds a file that is worth opening the store for.
    fn something_came(&mut self) -> Outcome<bool> {
        let Some((authority, next)) = self.next else { return Ok(true) };
        let unreadable =
            |error| Failure::new("file-unreadable", self.gap_in.display().to_string()).because(error);
        let (mut is_there, mut beyond) = (false, None);
        for entry in fs::read_dir(self.gap_in).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            match number_of(&path, authority).map(u64::from) {
                Some(number) if number == next => is_there = self.refused.as_ref() != seen(&path).as_ref(),
                Some(number) if number > next => beyond = Some(path),
                Some(_) | None => {}
            }
        }
        // Whether one is missing before it, or only refused, the store tells.
        if !is_there
            && self.refused.is_none()
            && let Some(path) = beyond
        {
            let why = format!("{} is there, and files are taken in order", path.display());
            self.tell(&Failure::new("gap-file-missing", format!("number {next}")).because(why));
        }
        Ok(is_there)
    }

    /// Opens the store, takes what waits, closes it.
    fn take(&mut self, stop: &AtomicBool, told: &impl Fn(Uuid, Taken)) -> Outcome {
        let identity = Identity::open(self.data)?;
        let import = Import::new(&identity, self.gap_in, self.gap_out)?;
        import.flush()?;
        self.refused = None;
        let (waiting, hole) = import.waiting()?;
        let mut stopped_by = hole;
        for file in &waiting {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let before = seen(&file.path);
            match import.take(file) {
                Ok((device, taken)) => told(device, taken),
                Err(failure)
                    if failure.code().starts_with("gap-file") || failure.code() == "file-unreadable" =>
                {
                    self.refused = before;
                    stopped_by = Some(failure);
                    break;
                }
                Err(failure) => return Err(failure),
            }
        }
        self.next = Some(import.next()?);
        if let Some(failure) = stopped_by {
            self.tell(&failure);
        }
        Ok(())
    }

    /// Says a complaint once.
    fn tell(&mut self, failure: &Failure) {
        if self.told.len() < TOLD_COUNT_MAX && self.told.insert(failure.to_string()) {
            // Whoever closed our standard error does not end the watch.
            let _unread = writeln!(std::io::stderr(), "{failure}");
        }
    }
}

/// A file as it is now.
fn seen(path: &Path) -> Option<(PathBuf, SystemTime, u64)> {
    let file = fs::metadata(path).ok()?;
    Some((path.to_owned(), file.modified().ok()?, file.len()))
}
