//! The two folders of the air gap, as one party sees them.

use std::fs;
use std::path::{Path, PathBuf};

use assure_proto::{GAP_FILE_LENGTH_MAX, GapHeader};
use model::Uuid;

use crate::failure::{Failure, Outcome};
use crate::files;

/// Names the server that writes a folder of the air gap.
const WRITER: &str = "writer";

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

    /// Takes the outbox for the files of one server: names of files hold no sender, so another server's would
    /// overwrite them.
    ///
    /// # Errors
    /// `gap-folder-shared` when another server wrote its id there, `file-unwritable`.
    /// Source: decision G 22; ADR 0099.
    pub(crate) fn claim(&self, writer: Uuid) -> Outcome {
        let path = self.outbox.join(WRITER);
        let subject = path.display().to_string();
        let found = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failure::new("file-unreadable", subject).because(error)),
        };
        match found.trim() {
            // Written only half when the power failed: nobody holds it.
            "" => files::write_secret(&path, format!("{writer}\n").as_bytes()),
            holder if holder == writer.to_string() => Ok(()),
            holder => Err(Failure::new("gap-folder-shared", subject)
                .because(format!("server {holder} writes there, and this is {writer}"))),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_the_gap_has_one_writer() {
        let folder = std::env::temp_dir().join(format!("thingstead-gap-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let folders = GapFolders { inbox: folder.clone(), outbox: folder.clone() };
        let (one, other) = (Uuid([1; 16]), Uuid([2; 16]));
        folders.claim(one).unwrap();
        folders.claim(one).unwrap();
        assert_eq!(folders.claim(other).unwrap_err().code(), "gap-folder-shared");
        assert_eq!(fs::read_to_string(folder.join(WRITER)).unwrap().trim(), one.to_string());
        fs::write(folder.join(WRITER), "").unwrap();
        folders.claim(other).unwrap();
        assert!(folders.claim(one).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
