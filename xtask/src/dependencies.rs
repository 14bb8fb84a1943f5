//! Every direct dependency has its line in `docs/dependencies.md`, and the fuzz crate, which no build of the workspace
//! touches, is locked to what it uses.

use std::collections::BTreeSet;

use crate::Outcome;
use crate::metadata;
use crate::repository::Repository;

const PAGE: &str = "docs/dependencies.md";

/// Compares the page with what the crates of the workspace depend on.
pub(crate) fn check(repository: &Repository) -> Outcome {
    let packages = metadata::packages(repository).map_err(|reason| vec![reason])?;
    let page = repository.read(PAGE).map_err(|reason| vec![reason])?;
    let used: BTreeSet<&str> = packages
        .iter()
        .flat_map(|package| &package.dependencies)
        .filter(|dependency| !dependency.is_ours)
        .map(|dependency| &dependency.name[..])
        .collect();
    let mut complaints = complaints_about(&used, &listed_in(&page));
    complaints.extend(stale_lock(repository));
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}

/// What is wrong with the lock file of the fuzz crate; what cannot be asked for want of a network is not wrong.
fn stale_lock(repository: &Repository) -> Option<String> {
    let mut cargo = repository.cargo();
    cargo.args(["metadata", "--locked", "--format-version", "1", "--manifest-path", "fuzz/Cargo.toml"]);
    let asked = cargo.output().ok()?;
    let is_stale = String::from_utf8_lossy(&asked.stderr).contains("--locked");
    is_stale.then(|| "fuzz/Cargo.lock: stale; `cargo update -w` in `fuzz` mends it".to_owned())
}

fn listed_in(page: &str) -> BTreeSet<&str> {
    let rows = page.lines().filter_map(|line| line.strip_prefix('|')?.split('|').next());
    let names = rows.flat_map(|cell| cell.split(',')).map(|name| name.trim().trim_matches('`'));
    names.filter(|name| !name.is_empty() && *name != "crate" && !name.starts_with("--")).collect()
}

fn complaints_about(used: &BTreeSet<&str>, listed: &BTreeSet<&str>) -> Vec<String> {
    let missing = used.difference(listed).map(|name| format!("{PAGE}: no line for {name}"));
    let idle = listed.difference(used).map(|name| format!("{PAGE}: no crate depends on {name} any more"));
    missing.chain(idle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_line_and_an_idle_one_are_complaints() {
        let page = "# D\n| crate | version |\n|---|---|\n| aes | 1 |\n| p256, `p384` | 2 |\n";
        let listed = listed_in(page);
        assert_eq!(listed, BTreeSet::from(["aes", "p256", "p384"]));
        assert_eq!(complaints_about(&listed.clone(), &listed), Vec::<String>::new());
        let used = BTreeSet::from(["aes", "p256", "redb"]);
        let complaints = complaints_about(&used, &listed);
        assert_eq!(
            complaints,
            [
                "docs/dependencies.md: no line for redb",
                "docs/dependencies.md: no crate depends on p384 any more",
            ]
        );
    }
}
