//! What is made from the tree of commands.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use super::demo::{Folder, PROGRAM};

fn run(words: &[&str]) -> Output {
    Command::new(PROGRAM).args(words).output().unwrap()
}

fn said(words: &[&str]) -> String {
    let output = run(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_operation_is_listed_once_by_group_and_verb() {
    let listed = said(&["--list-operations"]);
    let operations: BTreeSet<&str> = listed.lines().collect();
    assert_eq!(operations.len(), listed.lines().count(), "{listed}");
    for operation in
        ["owner.transfer", "identity.stations.add", "maker.parameters.upload", "serve", "explain"]
    {
        assert!(operations.contains(operation), "{operation} in {listed}");
    }
    assert!(!listed.contains("help"), "{listed}");
}

#[test]
fn completions_and_manual_pages_name_every_operation() {
    let listed = said(&["--list-operations"]);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = said(&["completions", shell]);
        for word in listed.lines().flat_map(|operation| operation.split('.')) {
            assert!(script.contains(word), "{word} in the completions of {shell}");
        }
    }
    let folder = Folder::new("man");
    said(&["man", folder.join("man1").to_str().unwrap()]);
    for operation in listed.lines() {
        let page = folder.join("man1").join(format!("thingstead-{}.1", operation.replace('.', "-")));
        let page = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page:?}: {error}"));
        assert!(page.contains(".SH SYNOPSIS"), "{operation}");
    }
    let page = std::fs::read_to_string(folder.join("man1/thingstead.1")).unwrap();
    assert!(page.contains("owner"), "{page}");
}

#[test]
fn a_wrong_verb_gets_the_right_one_named() {
    for (words, meant) in [(&["owner", "transferr"][..], "transfer"), (&["identify"], "identity")] {
        let output = run(words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("'{meant}'")), "{said}");
    }
}

#[test]
fn help_names_the_ports_that_are_used_unless_others_are_given() {
    for (words, port) in [
        (&["owner", "--help"][..], "127.0.0.1:8443"),
        (&["device", "run", "--help"], "49684"),
        (&["maker", "upload", "--help"], "127.0.0.1:8441"),
        (&["maker", "register", "--help"], "127.0.0.1:8446"),
    ] {
        assert!(said(words).contains(port), "{words:?}");
    }
}
