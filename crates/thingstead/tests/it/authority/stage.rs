//! A demo that goes on, whose servers are stopped, put back and started, and whose devices this test runs.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::demo::{PROGRAM, processes};
use crate::device::program::Run;
use crate::going_on::{World, said, serving, until};

/// The two online servers.
const ROLES: [&str; 2] = ["registration", "bootstrap"];
/// The status of a device whose image waits for it (aSSURE 11.2.3).
pub(crate) const IMAGE_WAITS: u64 = 4;

impl World {
    /// Ends the process with these words in its arguments and waits until it is gone.
    pub(crate) fn end(&self, words: &str) {
        let pid = self.pid(words);
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        until("it ends", || processes(Path::new(&self.path(""))).iter().all(|(other, _)| *other != pid));
    }

    /// Stops both online servers.
    pub(crate) fn stop_servers(&self) {
        ROLES.iter().for_each(|role| self.end(&serving(self, role)));
    }

    pub(crate) fn start_servers(&mut self) {
        ROLES.iter().for_each(|role| self.serve_again(role));
    }

    /// Copies what both stopped servers have into another folder.
    pub(crate) fn keep_data(&self, name: &str) {
        for role in ROLES {
            copy(Path::new(&self.path(role)), Path::new(&self.path(&format!("{name}/{role}"))));
        }
    }

    /// Puts both stopped servers back to such a copy.
    pub(crate) fn put_back(&self, name: &str) {
        for role in ROLES {
            fs::remove_dir_all(self.path(role)).unwrap();
            copy(Path::new(&self.path(&format!("{name}/{role}"))), Path::new(&self.path(role)));
        }
    }

    /// Ends a device of the demo and switches it on again, under this test's eyes.
    pub(crate) fn switch_on_again(&self, device: &str) -> Run {
        let state = self.path(&format!("devices/{device}"));
        self.end(&format!("device run --state {state} "));
        self.switch_on(device)
    }

    pub(crate) fn switch_on(&self, device: &str) -> Run {
        let state = self.path(&format!("devices/{device}"));
        let resolve = format!("4294901761={}", self.address("bootstrap", "devices"));
        let data = format!("{state}/data");
        let words = ["--resolve", &resolve, "--retry-base", "0.2", "--data", &data, "--jsonl"];
        Run::start(Path::new(&state), &words)
    }

    /// `thingstead authority VERB ..`, as the operator of the registration server gives it.
    pub(crate) fn authority(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        let (data, server) = (self.path("registration"), self.address("registration", "platform"));
        command.arg("authority").args(words).args(["--json", "--data", &data, "--server", &server]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `thingstead identity ..` with its folders; nobody else may have its store open.
    pub(crate) fn identity(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        let (data, answers) = (self.path("identity"), self.path("gap/from-identity"));
        command.arg("identity").args(words).args(["--json", "--data", &data, "--gap-out", &answers]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The owner fetches the configuration again, and leaves an image under this number as soon as the
    /// authority lets it.
    pub(crate) fn leave_image(&self, owner: &str, device: &str, number: u64) {
        said(self.owner(owner, &["fetch", device]));
        until("an image is left", || {
            let shown = self.shown(owner, device);
            shown["owner_sequence_number"] == number && shown["status"] == IMAGE_WAITS
        });
    }

    /// What the management system of an owner says of a device.
    pub(crate) fn status(&self, owner: &str, device: &str) -> u64 {
        self.shown(owner, device)["status"].as_u64().unwrap()
    }

    /// The state of a device that is switched off.
    pub(crate) fn device_state(&self, device: &str) -> Value {
        crate::going_on::json(&[
            "device",
            "status",
            "--json",
            "--state",
            &self.path(&format!("devices/{device}")),
        ])
    }

    /// How many owner secrets are left, by device.
    pub(crate) fn pools(&self) -> Vec<(String, u64, bool)> {
        let lines = said(self.authority(&["pools"]));
        let read = |line: &str| {
            let pool: Value = serde_json::from_str(line).unwrap();
            let device = pool["device"].as_str().unwrap().to_owned();
            (device, pool["left"].as_u64().unwrap(), pool["asked"] == true)
        };
        lines.lines().map(read).collect()
    }
}

/// The code of the failure that a command ended with, and its exit status.
pub(crate) fn failed(output: &Output) -> (String, Option<i32>) {
    let text = String::from_utf8_lossy(&output.stderr);
    let failure: Value = serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_default();
    (failure["error"].as_str().unwrap_or(&text).to_owned(), output.status.code())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}
