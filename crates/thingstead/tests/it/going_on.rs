//! A demo that was played and goes on: its servers, devices and commands, one by one.

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
pub(super) struct World {
    demo: Child,
    /// Processes that this test started again.
    again: Vec<Child>,
    /// The devices' UUIDs, by their kinds (secret, p256, p384, rsa2048), all owned by the second owner.
    pub(super) devices: Vec<String>,
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
    pub(super) fn new(name: &str) -> Self {
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

    pub(super) fn path(&self, name: &str) -> String {
        self.folder.join("play").join(name).display().to_string()
    }

    /// `key = "127.0.0.1:port"` of a role's configuration.
    pub(super) fn address(&self, role: &str, key: &str) -> String {
        let configuration = fs::read_to_string(self.path(&format!("{role}.toml"))).unwrap();
        let line = configuration.lines().find_map(|line| line.strip_prefix(&format!("{key} = "))).unwrap();
        line.trim_matches('"').to_owned()
    }

    /// The one process with these words in its arguments, which it shows a moment after it was started.
    pub(super) fn pid(&self, words: &str) -> String {
        let found = || {
            let all = processes(&self.folder.0).into_iter();
            let named = all.filter(|(_, said)| said.contains(words) && !said.contains(" demo "));
            named.map(|(pid, _)| pid).collect::<Vec<_>>()
        };
        until(words, || found().len() == 1);
        found().remove(0)
    }

    pub(super) fn signal(&self, words: &str, signal: &str) {
        let pid = self.pid(words);
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    }

    pub(super) fn serve_again(&mut self, role: &str) {
        self.serve_as(role, Command::new(PROGRAM));
    }

    /// Starts a role again with a command that begins so: the program itself, or what runs it.
    pub(super) fn serve_as(&mut self, role: &str, mut command: Command) {
        command.args(["serve", "--config", &self.path(&format!("{role}.toml"))]);
        let log = fs::File::options().append(true).open(self.path(&format!("log/{role}.log"))).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        self.again.push(child);
        assert!(ready.starts_with("ready"), "{ready}");
    }

    pub(super) fn watch(&self) -> Child {
        let words = ["identity", "import", "--watch", "--json", "--data", &self.path("identity"), "--gap-in"];
        let mut command = Command::new(PROGRAM);
        command.args(words).args([&self.path("gap/from-registration"), "--gap-out"]);
        command.arg(self.path("gap/from-identity"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub(super) fn owner(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        let (data, server) = (self.path(name), self.address(name, "platform"));
        command.args(["owner", "--json", "--data", &data, "--server", &server]).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(super) fn maker(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["maker", "--quiet"]).args(words).args(["--data", &self.path("maker")]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(super) fn upload(&self) -> Command {
        let gateway = self.address("registration", "maker_gateway");
        self.maker(&["upload", "--gateway", &gateway, "--system-ca", &self.path("public/system-ca.pem")])
    }

    /// Makes one more device; its record waits at the station.
    pub(super) fn make(&self) -> String {
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
    pub(super) fn wait_for_unread(&self, address: &str) {
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
    pub(super) fn registered(&self, device: &str, operation: &str) -> usize {
        let (operator, ca) = (self.path("registration/operator.pem"), self.path("public/system-ca.pem"));
        let server = self.address("registration", "platform");
        let listed =
            json(&["audit", "list", "--json", "--operator", &operator, "--ca", &ca, "--server", &server]);
        count(listed.as_array().unwrap(), device, operation)
    }

    /// The entries about one device in the log of the identity server; `None` while another has its store.
    pub(super) fn issued(&self, device: &str) -> Option<usize> {
        let words = ["identity", "audit", "--json", "--data", &self.path("identity")];
        let output = Command::new(PROGRAM).args(words).output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let entries: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        output.status.success().then(|| count(&entries, device, "identity.issue"))
    }

    pub(super) fn shown(&self, owner: &str, device: &str) -> Value {
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
pub(super) fn said(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn exit(output: &Output) -> Option<i32> {
    output.status.code()
}

pub(super) fn serving(world: &World, role: &str) -> String {
    format!("serve --config {}", world.path(&format!("{role}.toml")))
}

pub(super) fn json_of(command: Command) -> Value {
    serde_json::from_str(&said(command)).unwrap()
}
