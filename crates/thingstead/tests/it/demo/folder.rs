//! Folders of a test and the processes that work in them.

use std::fs;
use std::path::{Path, PathBuf};

pub(in super::super) const PROGRAM: &str = env!("CARGO_BIN_EXE_thingstead");

/// A folder that goes with the test, and every process that still works in it.
pub(in super::super) struct Folder(pub(in super::super) PathBuf);

impl Folder {
    pub(in super::super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("thingstead-{name}-{}", std::process::id()));
        // Left by a run with the same process id, if any.
        let _gone = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(in super::super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for (pid, _) in processes(&self.0) {
            let _ended = std::process::Command::new("kill").args(["-KILL", &pid]).status();
        }
        if !std::thread::panicking() {
            let _left_to_the_system = fs::remove_dir_all(&self.0);
        }
    }
}

/// Process id and arguments of every running process that has this folder in its arguments.
pub(in super::super) fn processes(folder: &Path) -> Vec<(String, String)> {
    let folder = folder.display().to_string();
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        name.bytes().all(|digit| digit.is_ascii_digit()).then_some(name)
    });
    pids.filter_map(|pid| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
        arguments.contains(&folder).then_some((pid, arguments))
    })
    .collect()
}

/// The arguments of every running process that has this folder in them.
pub(in super::super) fn processes_naming(folder: &Path) -> Vec<String> {
    processes(folder).into_iter().map(|(_, arguments)| arguments).collect()
}
