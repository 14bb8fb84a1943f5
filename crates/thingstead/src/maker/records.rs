//! Records on their way to the gateway, each in a file whose name says how far it has come.
//!
//! ```text
//! <uuid>.record --PUT begins--> <uuid>.sending --201--> <uuid>.uploaded
//!                                              --403--> <uuid>.refused
//!                                              --other 4xx, nothing sent--> <uuid>.record
//!                                              --503, no answer--> stays
//! ```
//! A file that is still `.sending` at the start of a run may have arrived: 403 then says that it did.
//! Source: aSSURE 9.2.1; ADR 0074.

use std::fs;
use std::path::{Path, PathBuf};

use model::Uuid;

use crate::failure::{Failure, Outcome};
use crate::files;

/// How far a record has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It was never sent, or is known not to have arrived.
    Made,
    /// Whether it arrived is not known.
    Sending,
    /// The gateway has it.
    Uploaded,
    /// The gateway refused it: the device exists.
    Refused,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Made, Self::Sending, Self::Uploaded, Self::Refused];

    const fn extension(self) -> &'static str {
        match self {
            Self::Made => "record",
            Self::Sending => "sending",
            Self::Uploaded => "uploaded",
            Self::Refused => "refused",
        }
    }
}

/// The file of a record at a stage.
pub(crate) fn path(folder: &Path, device: Uuid, stage: Stage) -> PathBuf {
    folder.join(format!("{device}.{}", stage.extension()))
}

/// The picture of a device's label.
pub(crate) fn label_path(folder: &Path, device: Uuid) -> PathBuf {
    folder.join(format!("{device}.label.png"))
}

/// Every record in the folder with its stage, in the order of their UUIDs.
pub(crate) fn all(folder: &Path) -> Outcome<Vec<(Uuid, Stage)>> {
    let unreadable = |error| Failure::new("file-unreadable", folder.display().to_string()).because(error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let parts = (path.file_stem().and_then(|stem| stem.to_str()), path.extension());
        let (Some(Ok(device)), Some(extension)) = (parts.0.map(str::parse), parts.1) else { continue };
        found.extend(
            Stage::ALL.into_iter().find(|stage| extension == stage.extension()).map(|at| (device, at)),
        );
    }
    found.sort_unstable();
    Ok(found)
}

/// Moves a record on; the new name is safe when this returns.
pub(crate) fn advance(folder: &Path, device: Uuid, from: Stage, to: Stage) -> Outcome {
    let target = path(folder, device, to);
    let moved =
        fs::rename(path(folder, device, from), &target).and_then(|()| fs::File::open(folder)?.sync_all());
    moved.map_err(|error| Failure::new("file-unwritable", target.display().to_string()).because(error))
}

/// Writes a new record.
pub(crate) fn write(folder: &Path, device: Uuid, blob: &[u8]) -> Outcome {
    files::write_secret(&path(folder, device, Stage::Made), blob)
}
