//! Where things lie, and how commands are run there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The root of the repository.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The repository this program was built in.
    pub(crate) fn find() -> Result<Self, String> {
        let here = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        match here.parent() {
            Some(root) if root.join("Cargo.toml").is_file() => Ok(Self { root: root.to_owned() }),
            Some(_) | None => Err("run this as `cargo xtask` inside the repository".to_owned()),
        }
    }

    pub(crate) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.root.join(below)
    }

    /// `path` as it is written from the root.
    pub(crate) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// The build directory.
    pub(crate) fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.path("target"), PathBuf::from)
    }

    /// A command that runs in the root.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// The cargo that runs this program.
    pub(crate) fn cargo(&self) -> Command {
        self.command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    pub(crate) fn read(&self, below: impl AsRef<Path>) -> Result<String, String> {
        let path = self.path(below);
        std::fs::read_to_string(&path).map_err(|cause| format!("{}: {cause}", self.relative(&path)))
    }

    pub(crate) fn write(&self, below: impl AsRef<Path>, text: &str) -> Result<(), String> {
        let path = self.path(below);
        let directory = path.parent().expect("a path below the root has a parent");
        std::fs::create_dir_all(directory)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|cause| format!("{}: {cause}", self.relative(&path)))
    }
}

/// Runs `command` with its output shown as it comes.
pub(crate) fn run(mut command: Command) -> Result<(), String> {
    let said = words_of(&command);
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{said}: {status}")),
        Err(cause) => Err(format!("{said}: {cause}")),
    }
}

/// Runs `command` and keeps what it says.
pub(crate) fn output_of(mut command: Command) -> Result<Output, String> {
    let said = words_of(&command);
    command.stdin(Stdio::null()).output().map_err(|cause| format!("{said}: {cause}"))
}

/// The standard output of a command that succeeds.
pub(crate) fn stdout_of(command: Command) -> Result<String, String> {
    let said = words_of(&command);
    let output = output_of(command)?;
    if !output.status.success() {
        return Err(format!("{said}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn words_of(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Whether a program of this name can be run.
pub(crate) fn is_installed(program: &str) -> bool {
    let Some(directories) = std::env::var_os("PATH") else { return false };
    std::env::split_paths(&directories).any(|directory| directory.join(program).is_file())
}
