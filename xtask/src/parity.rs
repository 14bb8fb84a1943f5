//! One operation id on every face: console, API, command line, audit log. A complaint names what is missing on
//! which list; `conformance/parity.md` holds what may be, with why.

mod lists;

use std::collections::{BTreeMap, BTreeSet};

use crate::Outcome;
use crate::repository::Repository;

use lists::Lists;

const PERMITTED: &str = "conformance/parity.md";

/// Groups of commands that are the operations of a management system; the others are other programs' chores.
const GROUPS: &[&str] = &[
    "owner",
    "things",
    "files",
    "grant",
    "network",
    "account",
    "client",
    "settings",
    "risk",
    "audit",
    "listeners",
    "api",
];

/// One of the lists, as it stands in `conformance/parity.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum List {
    Console,
    Api,
    Cli,
    Audit,
    Words,
}

impl List {
    const ALL: [Self; 5] = [Self::Console, Self::Api, Self::Cli, Self::Audit, Self::Words];

    const fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Api => "api",
            Self::Cli => "cli",
            Self::Audit => "audit",
            Self::Words => "words",
        }
    }
}

/// Holds the lists against each other.
pub(crate) fn check(repository: &Repository) -> Outcome {
    let lists = Lists::read(repository).map_err(|reason| vec![reason])?;
    let page = repository.read(PERMITTED).map_err(|reason| vec![reason])?;
    let permitted = permitted_in(&page).map_err(|reason| vec![reason])?;
    let complaints = complaints_about(&lists, &permitted);
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}

/// What may be missing where: rows `| operation | not on | why |`; `device.*` stands for a family.
fn permitted_in(page: &str) -> Result<BTreeSet<(String, List)>, String> {
    let mut permitted = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [operation, list, why] = cells[..] else { return Err(format!("{PERMITTED}: {line}")) };
        let list = List::ALL.into_iter().find(|known| known.name() == list);
        let (Some(list), false) = (list, why.is_empty()) else { return Err(format!("{PERMITTED}: {line}")) };
        for one in operation.split(',').map(|one| one.trim().trim_matches('`').to_owned()) {
            if !permitted.insert((one, list)) {
                return Err(format!("{PERMITTED}: twice: {line}"));
            }
        }
    }
    Ok(permitted)
}

/// What is missing on which list, before permission.
fn missing(lists: &Lists) -> BTreeMap<(String, List), &'static str> {
    let mut missing = BTreeMap::new();
    let mut note = |operation: &str, list: List, why: &'static str| {
        missing.entry((operation.to_owned(), list)).or_insert(why);
    };
    for operation in &lists.controls {
        if !lists.api.contains_key(operation) {
            note(operation, List::Api, "a control of the console bears it");
        }
    }
    for (operation, call) in &lists.calls {
        if lists.api.get(operation) != Some(call) {
            note(operation, List::Api, "the console calls it so");
        }
    }
    for (operation, call) in &lists.api {
        if !lists.cli.contains(operation) {
            note(operation, List::Cli, "the API has it");
        }
        let shown = if call.writes() { lists.controls.contains(operation) } else { lists.reads(operation) };
        if !shown {
            note(operation, List::Console, "the API has it");
        }
        if call.writes() && !lists.audit.contains(operation) {
            note(operation, List::Audit, "it changes something");
        }
    }
    for operation in &lists.cli {
        let group = operation.split('.').next().unwrap_or_default();
        if GROUPS.contains(&group) && !lists.api.contains_key(operation) {
            note(operation, List::Api, "the command line has it");
        }
    }
    for operation in &lists.console_commands {
        if !lists.cli.contains(operation) {
            note(operation, List::Cli, "the console shows the command");
        }
    }
    for operation in &lists.audit {
        if !lists.api.contains_key(operation) {
            note(operation, List::Api, "the audit log has it");
        }
        if !lists.words.contains(operation) {
            note(operation, List::Words, "the audit log has it");
        }
    }
    for operation in &lists.words {
        if !lists.audit.contains(operation) {
            note(operation, List::Audit, "the console has words for it");
        }
    }
    missing
}

fn complaints_about(lists: &Lists, permitted: &BTreeSet<(String, List)>) -> Vec<String> {
    let missing = missing(lists);
    let permits = |operation: &str, list: List| {
        let family = operation.split('.').next().map(|group| format!("{group}.*")).unwrap_or_default();
        [operation.to_owned(), family]
            .map(|name| (name, list))
            .into_iter()
            .find(|row| permitted.contains(row))
    };
    let mut needed = BTreeSet::new();
    let mut complaints = Vec::new();
    for ((operation, list), why) in &missing {
        match permits(operation, *list) {
            Some(row) => {
                needed.insert(row);
            }
            None => complaints.push(format!("parity: {operation} is not on the list {}: {why}", list.name())),
        }
    }
    let idle = permitted.difference(&needed);
    complaints.extend(idle.map(|(operation, list)| {
        format!("{PERMITTED}: {operation} is on the list {} or on none: take the row out", list.name())
    }));
    complaints
}

#[cfg(test)]
mod tests {
    use super::lists::Call;
    use super::*;

    fn of(method: &str, path: &str) -> Call {
        Call { method: method.to_owned(), path: path.to_owned() }
    }

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// One write and one read, on every list.
    fn lists() -> Lists {
        let api = BTreeMap::from([
            ("owner.list".to_owned(), of("GET", "/v1/devices")),
            ("owner.release".to_owned(), of("POST", "/v1/devices/{}/release")),
        ]);
        Lists {
            controls: set(&["owner.release"]),
            calls: api.clone(),
            api,
            cli: set(&["owner.list", "owner.release", "identity.init"]),
            console_commands: set(&["owner.list"]),
            audit: set(&["owner.release"]),
            words: set(&["owner.release"]),
        }
    }

    fn without(change: impl FnOnce(&mut Lists)) -> Vec<String> {
        let mut lists = lists();
        change(&mut lists);
        complaints_about(&lists, &BTreeSet::new())
    }

    #[test]
    fn what_is_missing_is_named_with_its_list() {
        assert_eq!(without(|_| {}), Vec::<String>::new());
        type Change = fn(&mut Lists);
        let cases: [(Change, &str); 9] = [
            (|it| _ = it.controls.remove("owner.release"), "owner.release is not on the list console"),
            (|it| _ = it.calls.remove("owner.list"), "owner.list is not on the list console"),
            (|it| _ = it.cli.remove("owner.release"), "owner.release is not on the list cli"),
            (|it| _ = it.audit.remove("owner.release"), "owner.release is not on the list audit"),
            (|it| _ = it.words.remove("owner.release"), "owner.release is not on the list words"),
            (|it| _ = it.cli.insert("owner.share".into()), "owner.share is not on the list api"),
            (|it| _ = it.controls.insert("owner.share".into()), "owner.share is not on the list api"),
            (|it| _ = it.console_commands.insert("owner.share".into()), "owner.share is not on the list cli"),
            (
                |it| _ = it.calls.insert("owner.list".into(), of("GET", "/v1/all")),
                "owner.list is not on the list api",
            ),
        ];
        for (change, complaint) in cases {
            let complaints = without(change);
            assert_eq!(complaints.len(), 1, "{complaints:?}");
            assert!(complaints[0].contains(complaint), "{complaints:?}");
        }
    }

    #[test]
    fn what_is_permitted_is_no_complaint_and_an_idle_permission_is_one() {
        let permitted = permitted_in("| `owner.share`, `device.*` | api | a reason |\n").unwrap();
        let mut lists = lists();
        lists.cli.insert("owner.share".into());
        let complaints = complaints_about(&lists, &permitted);
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].contains("device.*"), "{complaints:?}");
        lists.audit.insert("device.reboot".into());
        lists.words.insert("device.reboot".into());
        assert_eq!(complaints_about(&lists, &permitted), Vec::<String>::new());
        assert!(permitted_in("| `owner.share` | api | |").is_err(), "a permission has a reason");
        assert!(permitted_in("| `owner.share` | paper | a reason |").is_err());
    }
}
