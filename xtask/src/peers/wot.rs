//! The validator of Thing Descriptions that the W3C community uses, from the package registry.

use std::path::PathBuf;

use crate::repository::{Repository, is_installed, stdout_of};

/// The package with its version.
const PACKAGE: &str = "@thing-description-playground/core@1.4.0";

/// Where it rests; the test of http-front looks there.
fn place(repository: &Repository) -> PathBuf {
    repository.target().join("peers").join("wot")
}

/// Whether it is there.
pub(super) fn is_there(repository: &Repository) -> bool {
    place(repository).join("node_modules/@thing-description-playground/core/package.json").is_file()
}

/// Fetches it.
///
/// # Errors
/// When there is no npm, or the registry does not answer.
pub(super) fn install(repository: &Repository) -> Result<(), String> {
    if is_there(repository) {
        return Ok(());
    }
    if !is_installed("npm") {
        return Err("there is no npm: the validator of Thing Descriptions is left out".to_owned());
    }
    let mut npm = repository.command("npm");
    npm.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    npm.arg("--prefix").arg(place(repository)).arg(PACKAGE);
    stdout_of(npm).map(drop)
}
