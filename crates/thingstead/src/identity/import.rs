//! Records come in: the registration server's files in the order of their numbers, each answered at once.

use std::path::{Path, PathBuf};

use assure_proto::{GAP_FILE_LENGTH_MAX, GapHeader};
use authority::identity::{GapPartners, ImportRefill, ImportSubmit, RefillIssued, Submitted};
use authority::{FileTaken, GapPartner, TakeFile, TakeIfDone};
use model::Uuid;

use super::{Identity, utc};
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::gap_folder::GapFolders;

/// Files from the registration server, on their way in.
pub(crate) struct Import<'a> {
    identity: &'a Identity,
    partners: GapPartners,
    registration: GapPartner,
    folders: GapFolders,
}

/// A file that waits to be taken.
#[derive(Debug)]
pub(crate) struct Waiting {
    number: u32,
    pub(crate) path: PathBuf,
}

impl<'a> Import<'a> {
    /// Looks for files in `gap_in` and answers into `gap_out`; both online servers must be enrolled.
    pub(crate) fn new(identity: &'a Identity, gap_in: &Path, gap_out: &Path) -> Outcome<Self> {
        let partners = identity.partners()?;
        let enrolled = |partner: &Option<GapPartner>, name: &str| {
            partner.clone().ok_or_else(|| {
                Failure::new("not-enrolled", name).because("records are issued to both online servers")
            })
        };
        enrolled(&partners.bootstrap, "the bootstrap server")?;
        let registration = enrolled(&partners.registration, "the registration server")?;
        let folders = GapFolders { inbox: gap_in.to_owned(), outbox: gap_out.to_owned() };
        folders.make()?;
        Ok(Self { identity, partners, registration, folders })
    }

    /// Writes what an earlier run decided and did not write.
    pub(crate) fn flush(&self) -> Outcome {
        self.identity.flush(&self.folders.outbox).map(drop)
    }

    /// The number of the file that is to be taken next, and whom it is for.
    pub(crate) fn next(&self) -> Outcome<(Uuid, u64)> {
        let taken = self.identity.taken(self.registration.id)?;
        Ok((self.identity.keys.authority, u64::from(taken) + 1))
    }

    /// The files that are the next to be taken, and whether one is missing behind them.
    pub(crate) fn waiting(&self) -> Outcome<(Vec<Waiting>, Option<Failure>)> {
        let (_, mut next) = self.next()?;
        let mut waiting = Vec::new();
        for path in self.folders.files_for(self.identity.keys.authority)? {
            let Some(number) = number_of(&path, self.identity.keys.authority) else { continue };
            if u64::from(number) < next {
                continue;
            }
            if u64::from(number) > next {
                let hole = Failure::new("gap-file-missing", format!("number {next}"))
                    .because(format!("{} is there, and files are taken in order", path.display()));
                return Ok((waiting, Some(hole)));
            }
            waiting.push(Waiting { number, path });
            next += 1;
        }
        Ok((waiting, None))
    }

    /// Takes one file: issues or rejects its device in one commit with its number, then writes the answers.
    pub(crate) fn take(&self, waiting: &Waiting) -> Outcome<(Uuid, Taken)> {
        let subject = waiting.path.display().to_string();
        let refused = |why: String| Failure::new("gap-file-refused", subject.as_str()).because(why);
        utc(self.identity.now())?;
        let file = files::read(&waiting.path, GAP_FILE_LENGTH_MAX as u64)?;
        let keys = &self.identity.keys;
        let (header, content) = self
            .registration
            .open(&*self.identity.provider, &keys.gap, &file)
            .map_err(|error| refused(error.to_string()))?;
        let expected =
            GapHeader { from: self.registration.id, to: keys.authority, sequence_number: waiting.number };
        if header != expected {
            return Err(refused("its number is not the one in its name".into()));
        }
        let origin = self.identity.origin("registration")?;
        if let Some(inner) = ImportRefill::new(&content, &self.registration, keys.clone(), origin.clone()) {
            return self.refill(header, inner, &subject);
        }
        let submit = ImportSubmit::new(content, &self.partners, keys.clone(), origin);
        let inner = submit.ok_or_else(|| refused("its kind does not belong here".into()))?;
        let device = inner.device;
        let take = TakeFile { from: header.from, number: header.sequence_number, inner };
        let is_done =
            |reply: &Result<Submitted, _>| matches!(reply, Ok(Submitted::Issued | Submitted::Rejected(_)));
        let taken = self.identity.run(&TakeIfDone { take, is_done })?;
        let failed = |why: String| Failure::new("internal", subject.as_str()).because(why);
        match taken.map_err(|_| super::unreadable("the numbers of the air gap"))? {
            FileTaken::Applied(Ok(submitted)) => {
                self.flush()?;
                Ok((device, Taken::Record(submitted)))
            }
            FileTaken::Applied(Err(error)) => Err(failed(format!("{error:?}"))),
            // Only another run on the same store could be ahead of us, and the store is claimed.
            FileTaken::Before => Err(failed("it was taken while it was being read".into())),
            FileTaken::Hole { missing } => Err(Failure::new("gap-file-missing", format!("number {missing}"))),
        }
    }
}

impl Import<'_> {
    /// Answers a request for owner secrets in one commit with its number.
    fn refill(&self, header: GapHeader, inner: ImportRefill, subject: &str) -> Outcome<(Uuid, Taken)> {
        let device = inner.device;
        let take = TakeFile { from: header.from, number: header.sequence_number, inner };
        let is_done = |reply: &Result<RefillIssued, _>| matches!(reply, Ok(RefillIssued::Given(_)));
        let taken = self.identity.run(&TakeIfDone { take, is_done })?;
        match taken.map_err(|_| super::unreadable("the numbers of the air gap"))? {
            FileTaken::Applied(Ok(issued)) => {
                self.flush()?;
                Ok((device, Taken::Refill(issued)))
            }
            other => Err(Failure::new("internal", subject).because(format!("{other:?}"))),
        }
    }
}

/// What a file was about, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A maker's record.
    Record(Submitted),
    /// A request for owner secrets.
    Refill(RefillIssued),
}

/// The number in a file's name; `None` for names that no party writes.
pub(crate) fn number_of(path: &Path, to: Uuid) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let digits = name.strip_prefix(&to.to_string())?.strip_prefix('-')?.strip_suffix(".gap")?;
    let number = digits.parse().ok()?;
    let header = GapHeader { from: to, to, sequence_number: number };
    (header.file_name() == name).then_some(number)
}
