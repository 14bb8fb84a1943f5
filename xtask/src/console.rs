//! The console: its built files are those of its source, and its tests pass in a real browser.

use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::peers;
use crate::repository::{Repository, is_installed, output_of, run};

/// Below the root.
const FOLDER: &str = "console";

/// Names under which distributions install Chromium.
const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// What is run, in this order; each is a script of `console/package.json`.
const SCRIPTS: &[&str] = &["types", "lint", "unit", "same", "size", "pages"];

/// A device's life by the pages, against the program.
const LIFE: &str = "life";
const PROGRAM: &str = "thingstead";

/// Runs everything of the console and says how each part ended.
pub(crate) fn test(repository: &Repository) -> Outcome {
    if let Some(why) = missing(repository) {
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
pub(crate) fn missing(repository: &Repository) -> Option<String> {
    let in_ci = std::env::var("CI").is_ok_and(|ci| !matches!(&ci[..], "" | "0" | "false"));
    if in_ci {
        return None;
    }
    if !is_installed("npm") || !peers::has_node(repository) {
        let (major, minor) = peers::OLDEST_NODE;
        return Some(format!("there is no npm with Node {major}.{minor} or later"));
    }
    let has_browser = BROWSERS.iter().any(|name| is_installed(name));
    (!has_browser).then(|| "there is no Chromium".to_owned())
}

/// npm, running on a Node that is new enough.
fn npm(repository: &Repository) -> std::process::Command {
    let mut npm = repository.command("npm");
    npm.env("PATH", peers::path(repository));
    npm
}

/// Packages as the lock file names them.
fn packages(repository: &Repository) -> Outcome {
    let mut npm = npm(repository);
    npm.args(["--prefix", FOLDER, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    run(npm).map_err(|reason| vec![reason])
}

/// What is wrong with the part of the console that `script` looks at; `program` is what it walks through.
fn script_of(repository: &Repository, script: &str, program: Option<&Path>) -> Option<String> {
    let mut npm = npm(repository);
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
