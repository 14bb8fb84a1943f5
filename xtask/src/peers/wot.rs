//! The validator of Thing Descriptions that the W3C community uses, node-wot and MQTT.js, from the package registry.

use std::path::PathBuf;

use crate::repository::{Repository, is_installed, stdout_of};

/// The packages with their versions, and what shows that each is there.
const PACKAGES: [(&str, &str); 4] = [
    ("@thing-description-playground/core@1.4.0", "@thing-description-playground/core"),
    ("mqtt@5.16.0", "mqtt"),
    ("@node-wot/core@0.9.2", "@node-wot/core"),
    ("@node-wot/binding-http@0.9.2", "@node-wot/binding-http"),
];

/// Where they rest; the tests of http-front and things-desk look there.
fn place(repository: &Repository) -> PathBuf {
    repository.target().join("peers").join("wot")
}

/// Whether they are there.
pub(super) fn is_there(repository: &Repository) -> bool {
    let modules = place(repository).join("node_modules");
    PACKAGES.iter().all(|(_, name)| modules.join(name).join("package.json").is_file())
}

/// Fetches them.
///
/// # Errors
/// When there is no npm, or the registry does not answer.
pub(super) fn install(repository: &Repository) -> Result<(), String> {
    if is_there(repository) {
        return Ok(());
    }
    if !is_installed("npm") {
        return Err(
            "there is no npm: the validator of Thing Descriptions, node-wot and MQTT.js are left out"
                .to_owned(),
        );
    }
    let mut npm = repository.command("npm");
    npm.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    npm.arg("--prefix").arg(place(repository)).args(PACKAGES.map(|(package, _)| package));
    stdout_of(npm).map(drop)
}
