//! Reads the lists: from the program what it says of itself, from the sources what they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::files;
use crate::repository::{Repository, stdout_of};

const CONSOLE: &str = "console/src";
const CALLS: &str = "console/src/lib/api/operations.ts";
const WORDS: &str = "console/src/lib/words.ts";
/// The crates whose decisions a management system writes to its audit log.
const DECIDING: &[&str] = &[
    "crates/accounts/src",
    "crates/admission/src",
    "crates/consent/src",
    "crates/depot/src",
    "crates/hub/src",
    "crates/management/src",
];
/// Operations without a group.
const BARE: &[&str] = &["login", "logout"];

/// How an operation is called; parameters in the path have lost their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) path: String,
}

impl Call {
    fn new(method: &str, path: &str) -> Self {
        let mut nameless = String::new();
        let mut rest = path;
        while let Some((before, after)) = rest.split_once('{') {
            nameless.push_str(before);
            nameless.push_str("{}");
            rest = after.split_once('}').map_or("", |(_, after)| after);
        }
        Self { method: method.to_uppercase(), path: nameless + rest }
    }

    pub(super) fn writes(&self) -> bool {
        self.method != "GET"
    }
}

/// The operations of every face.
#[derive(Clone, Debug)]
pub(super) struct Lists {
    /// `data-op` of the console's controls.
    pub(super) controls: BTreeSet<String>,
    /// The console's calls.
    pub(super) calls: BTreeMap<String, Call>,
    /// `thingstead api`.
    pub(super) api: BTreeMap<String, Call>,
    /// `thingstead --list-operations`.
    pub(super) cli: BTreeSet<String>,
    /// Commands that the console shows.
    pub(super) console_commands: BTreeSet<String>,
    /// What decisions write to the audit log.
    pub(super) audit: BTreeSet<String>,
    /// What the console has words for.
    pub(super) words: BTreeSet<String>,
}

impl Lists {
    pub(super) fn read(repository: &Repository) -> Result<Self, String> {
        let console = texts(repository, CONSOLE, &["svelte", "ts"])?;
        let cli: BTreeSet<String> =
            program(repository, &["--list-operations"])?.lines().map(str::to_owned).collect();
        let document: Value = serde_json::from_str(&program(repository, &["api"])?)
            .map_err(|cause| format!("thingstead api: {cause}"))?;
        let mut audit = BTreeSet::new();
        for folder in DECIDING {
            for text in texts(repository, folder, &["rs"])? {
                audit.extend(operations_in(product_part(&text)));
            }
        }
        Ok(Self {
            controls: console.iter().flat_map(|text| controls_in(text)).collect(),
            calls: calls_in(&repository.read(CALLS)?),
            api: operations_of(&document),
            console_commands: console.iter().flat_map(|text| commands_in(text, &cli)).collect(),
            cli,
            audit,
            words: words_in(&repository.read(WORDS)?),
        })
    }

    /// Whether the console reads it: by a call, or by a link.
    pub(super) fn reads(&self, operation: &str) -> bool {
        self.calls.contains_key(operation) || self.controls.contains(operation)
    }
}

fn program(repository: &Repository, words: &[&str]) -> Result<String, String> {
    let mut cargo = repository.cargo();
    cargo.args(["run", "--quiet", "--package", "thingstead", "--"]).args(words);
    stdout_of(cargo)
}

fn texts(repository: &Repository, folder: &str, extensions: &[&str]) -> Result<Vec<String>, String> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|cause| format!("{}: {cause}", repository.relative(path)))
    };
    files::below(&repository.path(folder), extensions).iter().map(|path| read(path)).collect()
}

/// Without the tests at its end.
fn product_part(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

/// `data-op="owner.list"`, and the words in `data-op={again ? 'owner.fetch' : 'owner.bootstrap'}`.
fn controls_in(text: &str) -> Vec<String> {
    let marks = text.split("data-op=").skip(1);
    let words = marks.flat_map(|rest| match rest.split_once('{') {
        Some(("", rest)) => {
            rest.split('}').next().unwrap_or_default().split('\'').skip(1).step_by(2).collect()
        }
        _ => rest.split('"').skip(1).take(1).collect::<Vec<_>>(),
    });
    words.map(str::to_owned).collect()
}

fn is_operation(word: &str) -> bool {
    let is_word =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    match word.split_once('.') {
        Some((group, verb)) => is_word(group) && is_word(verb),
        None => BARE.contains(&word),
    }
}

/// The texts of a Rust source that are operations: nothing else has this form there.
fn operations_in(source: &str) -> Vec<String> {
    let lines = source.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    let texts = lines.flat_map(|line| line.split('"').skip(1).step_by(2));
    texts.filter(|text| is_operation(text)).map(str::to_owned).collect()
}

/// `'owner.show': ['GET', '/v1/devices/{id}'],`
fn calls_in(source: &str) -> BTreeMap<String, Call> {
    let call = |line: &str| {
        let (name, rest) = line.trim().split_once(": ['")?;
        let (method, path) = rest.strip_suffix("'],")?.split_once("', '")?;
        Some((name.trim_matches('\'').to_owned(), Call::new(method, path)))
    };
    source.lines().filter_map(call).collect()
}

/// `'owner.claim': 'Claimed',`
fn words_in(source: &str) -> BTreeSet<String> {
    let word = |line: &str| {
        let (name, _) = line.strip_prefix("  ")?.split_once(": '")?;
        let name = name.trim_matches('\'');
        is_operation(name).then(|| name.to_owned())
    };
    source.lines().filter_map(word).collect()
}

fn operations_of(document: &Value) -> BTreeMap<String, Call> {
    let mut found = BTreeMap::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            if let Some(id) = operation["operationId"].as_str() {
                found.insert(id.to_owned(), Call::new(method, path));
            }
        }
    }
    found
}

/// `thingstead owner list` and the like, as operations.
fn commands_in(text: &str, cli: &BTreeSet<String>) -> Vec<String> {
    let command = |rest: &str| {
        let mut words = rest.split_whitespace().map(|word| {
            let end = word.find(|letter: char| !letter.is_ascii_lowercase() && letter != '-');
            &word[..end.unwrap_or(word.len())]
        });
        let (group, verb) = (words.next()?, words.next().unwrap_or_default());
        let is_group = cli.iter().any(|known| known.split_once('.').is_some_and(|(first, _)| first == group));
        let name = if is_group { format!("{group}.{verb}") } else { group.to_owned() };
        (!group.is_empty() && !group.starts_with('-')).then_some(name)
    };
    text.split("thingstead ").skip(1).filter_map(command).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_read_from_sources_without_their_tests() {
        let source = "// \"owner.comment\"\n.audit(batch, \"owner.claim\", \"done\");\nlet x = \"v1.2\"; \"login\"\n\
                      #[cfg(test)]\nmod tests { \"owner.test\" }";
        assert_eq!(operations_in(product_part(source)), ["owner.claim", "login"]);
    }

    #[test]
    fn calls_words_and_commands_are_read_from_the_console() {
        let calls =
            calls_in("  'owner.show': ['GET', '/v1/devices/{id}/x'],\n  login: ['POST', '/v1/session'],\n");
        assert_eq!(calls["owner.show"], Call::new("get", "/v1/devices/{uuid}/x"));
        assert_ne!(calls["owner.show"], Call::new("get", "/v1/devices/{uuid}"));
        assert_eq!(calls["login"].method, "POST");
        assert!(
            words_in("  'owner.claim': 'Claimed',\n  login: 'In',\n  other: 'x',\n")
                .into_iter()
                .eq(["login", "owner.claim"])
        );
        let cli = ["owner.list", "explain"].map(str::to_owned).into_iter().collect();
        let shown = "command=\"thingstead owner list\" `thingstead explain {code}` thingstead owner share ID";
        assert_eq!(commands_in(shown, &cli), ["owner.list", "explain", "owner.share"]);
        let page = "<a data-op=\"x.y\" b=\"{c}\"> <b data-op={d ? 'e.f' : 'g.h'}>";
        assert_eq!(controls_in(page), ["x.y", "e.f", "g.h"]);
    }
}
