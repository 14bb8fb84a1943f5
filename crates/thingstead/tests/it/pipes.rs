//! Results whose reader has enough.

use std::process::{Command, Stdio};

use super::demo::{Folder, PROGRAM};

/// Runs a command whose standard output nobody reads: its exit status, and what it said on standard error.
fn unread(words: &[&str]) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(PROGRAM);
    command.args(words).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_command_whose_output_nobody_reads_ends_without_a_word() {
    let folder = Folder::new("pipes");
    let configuration = folder.join("thingstead.toml");
    std::fs::write(&configuration, "[management]\ndata = \"d\"\nsystem_ca = \"c\"\n").unwrap();
    let check = ["serve", "--check", "--config", configuration.to_str().unwrap()];
    let cases: [&[&str]; 4] =
        [&["explain"], &["explain", "refused"], &["explain", "refused", "--json"], &check];
    for words in cases {
        assert_eq!(unread(words), (Some(141), String::new()), "{words:?}");
    }
}
