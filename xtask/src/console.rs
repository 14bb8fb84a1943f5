//! The console: its built files are those of its source, and its tests pass in a real browser.

use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::repository::{Repository, is_installed, output_of, run, stdout_of};

/// Below the root.
const FOLDER: &str = "console";

/// Names under which distributions install Chromium.
const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// What is run, in this order; each is a script of `console/package.json`.
const SCRIPTS: &[&str] = &["types", "lint", "unit", "same", "size", "pages"];

/// A device's life by the pages, against the program.
const LIFE: &str = "life";
const PROGRAM: &str = "thingstead";

/// The oldest Node that builds it.
const NODE: (u32, u32) = (20, 19);

/// Runs everything of the console and says how each part ended.
pub(crate) fn test(repository: &Repository) -> Outcome {
    if let Some(why) = missing() {
        println!("  skipped: {why}");
        return Ok(());
    }
    packages(repository)?;
    let mut complaints: Vec<String> =
        SCRIPTS.iter().filter_map(|script| script_of(repository, script, None)).collect();
    match program(repository) {
        Some(program) => complaints.extend(script_of(repository, LIFE, Some(&program))),
        None => println!("  {LIFE}: skipped, the program is not built"),
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}

/// The program as it was built last.
fn program(repository: &Repository) -> Option<PathBuf> {
    let built = ["release", "debug"].map(|profile| repository.target().join(profile).join(PROGRAM));
    let age = |path: &PathBuf| path.metadata().and_then(|about| about.modified()).ok();
    built.into_iter().filter(|path| path.is_file()).max_by_key(age)
}

/// Why the console cannot be tested here; in CI that is no reason.
pub(crate) fn missing() -> Option<String> {
    let in_ci = std::env::var("CI").is_ok_and(|ci| !matches!(&ci[..], "" | "0" | "false"));
    if in_ci {
        return None;
    }
    if !is_installed("npm") || node_version().is_none_or(|version| version < NODE) {
        return Some(format!("there is no npm with Node {}.{} or later", NODE.0, NODE.1));
    }
    let has_browser = BROWSERS.iter().any(|name| is_installed(name));
    (!has_browser).then(|| "there is no Chromium".to_owned())
}

/// Major and minor number of the Node that is installed.
fn node_version() -> Option<(u32, u32)> {
    let mut node = std::process::Command::new("node");
    node.arg("--version");
    version_in(&stdout_of(node).ok()?)
}

/// The first two numbers of a text such as `v20.19.1`.
fn version_in(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.trim().trim_start_matches('v').split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Packages as the lock file names them.
fn packages(repository: &Repository) -> Outcome {
    let mut npm = repository.command("npm");
    npm.args(["--prefix", FOLDER, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    run(npm).map_err(|reason| vec![reason])
}

/// What is wrong with the part of the console that `script` looks at; `program` is what it walks through.
fn script_of(repository: &Repository, script: &str, program: Option<&Path>) -> Option<String> {
    let mut npm = repository.command("npm");
    npm.args(["--prefix", FOLDER, "run", "--silent", script]);
    if let Some(program) = program {
        npm.env("THINGSTEAD", program);
    }
    let ended = match output_of(npm) {
        Ok(output) if output.status.success() => {
            println!("  {script}: passed");
            return None;
        }
        Ok(output) => output,
        Err(reason) => return Some(reason),
    };
    let said = [&ended.stdout[..], &ended.stderr[..]].map(String::from_utf8_lossy).concat();
    Some(format!("{script}: {}\n{said}", ended.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_node_are_compared_as_numbers() {
        assert_eq!(version_in("v20.20.2\n"), Some((20, 20)));
        assert!(version_in("v18.19.0").is_some_and(|version| version < NODE));
        assert!(version_in("v100.0.0").is_some_and(|version| version > NODE));
        assert_eq!(version_in("node"), None);
    }
}
