//! The two folders of the air gap, as one party sees them.

use std::fs;
use std::path::{Path, PathBuf};

use assure_proto::{GAP_FILE_LENGTH_MAX, GapHeader};
use model::Uuid;

use crate::failure::{Failure, Outcome};
use crate::files;

/// Where files come from and go to.
#[derive(Clone, Debug)]
pub(crate) struct GapFolders {
    /// Files for us.
    pub(crate) inbox: PathBuf,
    /// Files from us.
    pub(crate) outbox: PathBuf,
}

impl GapFolders {
    /// Makes both folders.
    pub(crate) fn make(&self) -> Outcome {
        files::make_folder(&self.inbox)?;
        files::make_folder(&self.outbox)
    }

    /// The file with this header's number for its recipient, when it has come.
    pub(crate) fn read(&self, header: &GapHeader) -> Outcome<Option<Vec<u8>>> {
        let path = self.inbox.join(header.file_name());
        if !path.exists() {
            return Ok(None);
        }
        files::read(&path, GAP_FILE_LENGTH_MAX as u64).map(Some)
    }

    /// All files for `to` in the inbox, in the order of their numbers.
    pub(crate) fn files_for(&self, to: Uuid) -> Outcome<Vec<PathBuf>> {
        let unreadable =
            |error| Failure::new("file-unreadable", self.inbox.display().to_string()).because(error);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.inbox).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with(&to.to_string()) && name.ends_with(".gap") {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    /// Writes a file whole.
    pub(crate) fn write(&self, header: &GapHeader, bytes: &[u8]) -> Outcome {
        let path = self.outbox.join(header.file_name());
        files::write_whole(&path, bytes)
            .map_err(|error| Failure::new("file-unwritable", path.display().to_string()).because(error))
    }
}

/// Where a server's certificate lies after it was enrolled: beside the answer.
pub(crate) fn certificate_path(folder: &Path, server: Uuid) -> PathBuf {
    folder.join(format!("{server}.crt.pem"))
}

/// Where a server's certificate request lies: beside the enrolment request.
pub(crate) fn request_path(folder: &Path, server: Uuid) -> PathBuf {
    folder.join(format!("{server}.csr"))
}
