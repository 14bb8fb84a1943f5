//! Kills at one known moment, in a demo that goes on: between two commits, between a commit and its file.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::demo::{Folder, PROGRAM, processes};

/// Nothing here takes so long on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(90);

pub(super) fn json(words: &[&str]) -> Value {
    let output = Command::new(PROGRAM).args(words).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A demo that was played and goes on; its processes are killed with its folder.
struct World {
    demo: Child,
    /// Processes that this test started again.
    again: Vec<Child>,
    /// The devices' UUIDs, all owned by the second owner.
    devices: Vec<String>,
    folder: Folder,
}

impl Drop for World {
    fn drop(&mut self) {
        for child in self.again.iter_mut().chain([&mut self.demo]) {
            let _ended = child.kill();
            let _waited = child.wait();
        }
    }
}

impl World {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let mut command = Command::new(PROGRAM);
        command.args(["demo", "--json", "--keep", "--folder"]).arg(folder.join("play"));
        let mut demo =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut played = String::new();
        BufReader::new(demo.stdout.take().unwrap()).read_line(&mut played).unwrap();
        let mut errors = BufReader::new(demo.stderr.take().unwrap()).lines();
        let goes_on = errors.by_ref().map_while(Result::ok).any(|line| line == "Ctrl-C ends it.");
        assert!(goes_on, "the demo failed: {played}");
        let played: Value = serde_json::from_str(&played).unwrap();
        let devices = played["devices"].as_array().unwrap().iter();
        let devices = devices.map(|device| device["device"].as_str().unwrap().to_owned()).collect();
        Self { demo, again: Vec::new(), devices, folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join("play").join(name).display().to_string()
    }

    /// `key = "127.0.0.1:port"` of a role's configuration.
    fn address(&self, role: &str, key: &str) -> String {
        let configuration = fs::read_to_string(self.path(&format!("{role}.toml"))).unwrap();
        let line = configuration.lines().find_map(|line| line.strip_prefix(&format!("{key} = "))).unwrap();
        line.trim_matches('"').to_owned()
    }

    /// The one process with these words in its arguments.
    fn pid(&self, words: &str) -> String {
        let found: Vec<_> = processes(&self.folder.0)
            .into_iter()
            .filter(|(_, arguments)| arguments.contains(words) && !arguments.contains(" demo "))
            .collect();
        assert_eq!(found.len(), 1, "{words}: {found:?}");
        found[0].0.clone()
    }

    fn signal(&self, words: &str, signal: &str) {
        let pid = self.pid(words);
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    }

    fn serve_again(&mut self, role: &str) {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--config", &self.path(&format!("{role}.toml"))]);
        let log = fs::File::options().append(true).open(self.path(&format!("log/{role}.log"))).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        self.again.push(child);
        assert!(ready.starts_with("ready"), "{ready}");
    }

    fn watch(&self) -> Child {
        let words = ["identity", "import", "--watch", "--json", "--data", &self.path("identity"), "--gap-in"];
        let mut command = Command::new(PROGRAM);
        command.args(words).args([&self.path("gap/from-registration"), "--gap-out"]);
        command.arg(self.path("gap/from-identity"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn owner(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        let (data, server) = (self.path(name), self.address(name, "platform"));
        command.args(["owner", "--json", "--data", &data, "--server", &server]).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn maker(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["maker", "--quiet"]).args(words).args(["--data", &self.path("maker")]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn upload(&self) -> Command {
        let gateway = self.address("registration", "maker_gateway");
        self.maker(&["upload", "--gateway", &gateway, "--system-ca", &self.path("public/system-ca.pem")])
    }

    /// Makes one more device; its record waits at the station.
    fn make(&self) -> String {
        let gateway = self.address("registration", "maker_gateway");
        let (set, ca) = (self.path("parameters.json"), self.path("public/system-ca.pem"));
        let words = ["parameters", "upload", &set, "--gateway", &gateway, "--system-ca", &ca];
        let set = said(self.maker(&words));
        let to = self.path("devices");
        let words =
            ["make", "--kind", "p256", "--count", "1", "--bootstrap-server", "4294901761", "--devices", &to];
        let mut make = self.maker(&words);
        make.args(["--parameter-set", &set]);
        said(make)
    }

    /// Waits until something that a stopped server has not read waits at its port: whoever sent it has
    /// committed what comes before.
    fn wait_for_unread(&self, address: &str) {
        let port = format!(":{:04X}", address.rsplit_once(':').unwrap().1.parse::<u16>().unwrap());
        until("something waits for the stopped server", || {
            let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
            let unread = sockets.lines().filter_map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let queues = fields[1].ends_with(&port).then(|| fields[4].split_once(':'))??;
                u64::from_str_radix(queues.1, 16).ok()
            });
            unread.sum::<u64>() > 0
        });
    }

    /// The entries about one device in the log of the registration server.
    fn registered(&self, device: &str, operation: &str) -> usize {
        let (operator, ca) = (self.path("registration/operator.pem"), self.path("public/system-ca.pem"));
        let server = self.address("registration", "platform");
        let listed =
            json(&["audit", "list", "--json", "--operator", &operator, "--ca", &ca, "--server", &server]);
        count(listed.as_array().unwrap(), device, operation)
    }

    /// The entries about one device in the log of the identity server; `None` while another has its store.
    fn issued(&self, device: &str) -> Option<usize> {
        let words = ["identity", "audit", "--json", "--data", &self.path("identity")];
        let output = Command::new(PROGRAM).args(words).output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let entries: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        output.status.success().then(|| count(&entries, device, "identity.issue"))
    }

    fn shown(&self, owner: &str, device: &str) -> Value {
        let output = self.owner(owner, &["show", device]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }
}

fn count(entries: &[Value], device: &str, operation: &str) -> usize {
    let is_it = |entry: &&Value| {
        entry["device"] == device && entry["operation"] == operation && entry["result"] == "done"
    };
    entries.iter().filter(is_it).count()
}

/// What a command printed that must succeed.
fn said(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn exit(output: &Output) -> Option<i32> {
    output.status.code()
}

// verifies: ASSURE-14.4-02, ASSURE-14.7-03
#[test]
fn a_transfer_cut_between_pending_and_completion_is_driven_on() {
    let mut world = World::new("cut-transfer");
    let device = world.devices[1].clone();
    let receiver = json_of(world.owner("owner-a", &["id"]))["id"].as_str().unwrap().to_owned();
    let (registration, bootstrap) = (serving(&world, "registration"), serving(&world, "bootstrap"));
    world.signal(&bootstrap, "STOP");
    let call = world.owner("owner-b", &["transfer", &device, "--to", &receiver, "--yes"]).spawn().unwrap();
    world.wait_for_unread(&world.address("bootstrap", "peers"));
    world.signal(&registration, "KILL");
    assert_ne!(exit(&call.wait_with_output().unwrap()), Some(0), "nothing was acknowledged");
    world.signal(&bootstrap, "CONT");
    world.serve_again("registration");
    // Nobody asks again: the registration server drives on what was pending, and the management system what
    // it had promised.
    until("the change is driven on", || world.registered(&device, "owner.transfer") == 2);
    until("the giver knows", || world.shown("owner-b", &device)["status"] == 9);
    said(world.owner("owner-a", &["accept", &device]));
    until("the receiver has its number", || world.shown("owner-a", &device)["owner_sequence_number"] == 3);
    assert_eq!(world.registered(&device, "owner.transfer"), 2, "one for each change");
    assert_eq!(world.registered(&device, "owner.claim"), 1);
    assert_eq!(world.shown("owner-b", &device)["status"], 9, "one owner");
}

// verifies: ASSURE-14.1-04c
#[test]
fn an_upload_cut_between_the_two_servers_is_repeated_and_done_once() {
    let mut world = World::new("cut-upload");
    let device = world.make();
    let (registration, bootstrap) = (serving(&world, "registration"), serving(&world, "bootstrap"));
    world.signal(&bootstrap, "STOP");
    let call = world.upload().spawn().unwrap();
    world.wait_for_unread(&world.address("bootstrap", "peers"));
    world.signal(&registration, "KILL");
    assert_ne!(exit(&call.wait_with_output().unwrap()), Some(0), "nothing was acknowledged");
    world.signal(&bootstrap, "CONT");
    world.serve_again("registration");
    said(world.upload());
    until("what was issued comes in", || world.registered(&device, "identity.import") == 1);
    let label = world.path(&format!("maker/{device}.label.png"));
    said(world.owner("owner-a", &["claim", "--label", &label]));
    until("it has its first owner", || world.shown("owner-a", &device)["owner_sequence_number"] == 1);
    assert_eq!(world.registered(&device, "maker.upload"), 1);
    world.signal("identity import", "KILL");
    until("the store is free", || world.issued(&device).is_some());
    assert_eq!(world.issued(&device), Some(1));
}

// verifies: ASSURE-14.1-10
#[test]
fn an_issue_cut_between_its_commit_and_its_files_is_written_by_the_next_run_once() {
    let world = World::new("cut-issue");
    world.signal("identity import", "KILL");
    let before = world.make();
    until("the store is free", || world.issued(&before) == Some(0));
    let mut watch = world.watch();
    said(world.upload());
    until("the watch is at work", || world.registered(&before, "identity.import") == 1);
    let device = world.make();
    let (gap, away) = (world.path("gap/from-identity"), world.path("gap/away"));
    // Where the folder was, a file is: nothing can be written there.
    fs::rename(&gap, &away).unwrap();
    fs::write(&gap, b"").unwrap();
    said(world.upload());
    let ended = watch.wait().unwrap();
    assert!(!ended.success(), "it goes on without writing what it issued");
    assert_eq!(world.issued(&device), Some(1), "it is issued");
    assert_eq!(world.registered(&device, "identity.import"), 0, "and nobody knows");
    fs::remove_file(&gap).unwrap();
    fs::rename(&away, &gap).unwrap();
    let mut watch = world.watch();
    until("what was issued comes in", || world.registered(&device, "identity.import") == 1);
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert_eq!(world.issued(&device), Some(1), "it is not issued a second time");
}

fn serving(world: &World, role: &str) -> String {
    format!("serve --config {}", world.path(&format!("{role}.toml")))
}

fn json_of(command: Command) -> Value {
    serde_json::from_str(&said(command)).unwrap()
}
