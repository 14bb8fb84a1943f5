//! The folder of what applications keep for an owner; it is emptied between two owners.
//!
//! Source: TS-M14; D-04.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::sealed_state::sync_folder;
use crate::failure::{Failure, Outcome};

/// A folder that holds nothing but user data.
#[derive(Clone, Debug)]
pub(crate) struct UserData(PathBuf);

impl UserData {
    /// The folder `chosen`, else `data` in the folder of the state; made if needed.
    ///
    /// # Errors
    /// `data-folder-refused` when the state lies in it; `file-unwritable`.
    pub(crate) fn of(state: &Path, chosen: Option<&Path>) -> Outcome<Self> {
        let folder = chosen.map_or_else(|| state.join("data"), Path::to_owned);
        crate::files::make_folder(&folder)?;
        let whole = |path: &Path| path.canonicalize().map_err(|error| unwritable(path, &error));
        if whole(state)?.starts_with(whole(&folder)?) {
            return Err(Failure::new("data-folder-refused", folder.display().to_string()));
        }
        Ok(Self(folder))
    }

    /// Removes all that is in the folder; links are removed, not followed.
    ///
    /// # Errors
    /// `file-unwritable`: something may be left, and this must be called again.
    pub(crate) fn erase(&self) -> Outcome {
        crate::files::make_folder(&self.0)?;
        let entries = fs::read_dir(&self.0).map_err(|error| unwritable(&self.0, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unwritable(&self.0, &error))?;
            let path = entry.path();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|error| unwritable(&path, &error))?;
        }
        sync_folder(&self.0)
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new("file-unwritable", path.display().to_string()).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("user-data-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[cfg(unix)]
    #[test]
    fn all_goes_and_nothing_behind_a_link() {
        let root = folder("links");
        let (state, outside) = (root.join("state"), root.join("outside"));
        fs::create_dir_all(&state).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("kept"), b"kept").unwrap();
        let data = UserData::of(&state, None).unwrap();
        fs::create_dir_all(state.join("data/deep/er")).unwrap();
        fs::write(state.join("data/deep/er/file"), b"secret habits").unwrap();
        fs::write(state.join("data/file"), b"secret habits").unwrap();
        std::os::unix::fs::symlink(&outside, state.join("data/folder-link")).unwrap();
        std::os::unix::fs::symlink(outside.join("kept"), state.join("data/file-link")).unwrap();
        data.erase().unwrap();
        assert_eq!(fs::read_dir(state.join("data")).unwrap().count(), 0);
        assert_eq!(fs::read(outside.join("kept")).unwrap(), b"kept");
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_folder_that_holds_the_state_is_refused() {
        let root = folder("refused");
        let state = root.join("state");
        fs::create_dir_all(&state).unwrap();
        for chosen in [root.clone(), state.clone(), state.join("../state"), PathBuf::from("/")] {
            let refused = UserData::of(&state, Some(&chosen)).unwrap_err();
            assert_eq!(refused.code(), "data-folder-refused", "{}", chosen.display());
        }
        assert!(UserData::of(&state, Some(&root.join("state-data"))).is_ok());
        fs::remove_dir_all(root).unwrap();
    }
}
