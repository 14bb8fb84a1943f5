//! The real program as a child, its lines and its exit.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use std::{fs, thread};

use assure_proto::cbor::{Reader, Writer};
use crypto::PublicKey;
use model::Uuid;
use serde_json::Value;

use super::authority::Authority;

pub(super) const PROGRAM: &str = env!("CARGO_BIN_EXE_thingstead");
/// The bootstrap server of every device here.
pub(super) const SERVER: u32 = 0xFFFF_0001;
/// Nothing here takes so long on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// A folder that goes with the test.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("thingstead-device-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left_to_the_system = fs::remove_dir_all(&self.0);
    }
}

/// Every file below a folder with its bytes.
pub(super) fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    files
}

/// An order of the factory line.
pub(super) fn order(uuid: Uuid, kind: u8, secret: Option<&[u8]>) -> Vec<u8> {
    let mut out = Writer::new();
    out.array(5).uint(1_u8).bytes(&uuid.0).uint(kind).uint(SERVER);
    match secret {
        Some(secret) => out.bytes(secret),
        None => out.null(),
    };
    out.finish()
}

/// Runs `device make` with these bytes on its standard input.
pub(super) fn make(state: &Path, bundle: &Path, order: &[u8]) -> Output {
    let arguments = ["device", "make", "--state"].map(Path::new);
    let mut command = Command::new(PROGRAM);
    command.args(arguments).arg(state).arg("--bundle").arg(bundle).arg("--json");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // it may have refused already
    let _taken = child.stdin.take().unwrap().write_all(order);
    child.wait_with_output().unwrap()
}

/// The public key of an answer of the factory line, which must name `uuid`.
pub(super) fn answered(output: &Output, uuid: Uuid) -> Option<PublicKey> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut reader = Reader::whole(&output.stdout).unwrap();
    reader.array_of(3).unwrap();
    assert_eq!(reader.u8().unwrap(), 1);
    assert_eq!(reader.bytes().unwrap(), uuid.0);
    let spki = reader.bytes().unwrap();
    reader.finish().unwrap();
    (!spki.is_empty()).then(|| PublicKey::from_spki(spki).unwrap())
}

/// A device that was made: its folder, its id and its public key.
pub(super) struct Made {
    pub(super) folder: Folder,
    pub(super) uuid: Uuid,
    pub(super) public: Option<PublicKey>,
}

impl Made {
    /// A device with a P-256 key.
    pub(super) fn p256(authority: &Authority, number: u8) -> Self {
        Self::of(authority, number, 1, None)
    }

    pub(super) fn of(authority: &Authority, number: u8, kind: u8, secret: Option<&[u8]>) -> Self {
        let (folder, uuid) = (Folder::new(), Uuid::v4([number; 16]));
        let bundle = folder.join("ta.bundle");
        fs::write(&bundle, &authority.bundle).unwrap();
        let output = make(&folder.join("state"), &bundle, &order(uuid, kind, secret));
        let public = answered(&output, uuid);
        Self { folder, uuid, public }
    }

    pub(super) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Runs `device VERB --state .. --json` to its end.
    pub(super) fn device(&self, verb: &str, more: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(["device", verb, "--json", "--state"]).arg(self.state()).args(more);
        command.stdin(Stdio::null()).output().unwrap()
    }

    pub(super) fn status(&self) -> Value {
        let output = self.device("status", &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Switches it on; `port` is the bootstrap server's.
    pub(super) fn run(&self, port: u16) -> Run {
        let resolve = format!("{SERVER}=127.0.0.1:{port}");
        let words = ["--listen", "127.0.0.1:0", "--retry-base", "0.2", "--resolve", &resolve, "--jsonl"];
        Run::start(&self.state(), &words)
    }
}

/// The code of the failure that a command printed with `--json`, and its exit status.
pub(super) fn failure(output: &Output) -> (String, i32) {
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    let failure: Value = serde_json::from_slice(&output.stderr).unwrap();
    (failure["error"].as_str().unwrap().to_owned(), output.status.code().unwrap())
}

/// A device that runs.
pub(crate) struct Run {
    process: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    pub(crate) seen: Vec<Value>,
    /// Lines before the end that are no JSON.
    pub(crate) text: Vec<String>,
}

impl Run {
    pub(crate) fn start(state: &Path, words: &[&str]) -> Self {
        Self::start_as(Command::new(PROGRAM), state, words)
    }

    /// The same with a command that begins so: the program itself, or what runs it.
    pub(crate) fn start_as(mut command: Command, state: &Path, words: &[&str]) -> Self {
        command.args(["device", "run", "--state"]).arg(state).args(words);
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(process.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let input = process.stdin.take();
        Self { process, input, lines, seen: Vec::new(), text: Vec::new() }
    }

    /// The next event of this name; what comes before it is kept in `seen`.
    pub(crate) fn wait_for(&mut self, event: &str) -> Value {
        self.wait_until(event, |said| said["event"] == event)
    }

    /// Waits until every one of these came, in any order.
    pub(crate) fn wait_for_all(&mut self, events: &[&str]) {
        let mut missing = events.to_vec();
        while !missing.is_empty() {
            let said = self
                .wait_until(&missing.join(", "), |said| missing.iter().any(|event| said["event"] == *event));
            missing.retain(|event| said["event"] != *event);
        }
    }

    pub(crate) fn wait_until(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                let complaint = self.complaint();
                panic!("{what} did not come; before: {:#?}; {complaint}", self.seen);
            };
            let said: Value = serde_json::from_str(&line).unwrap();
            self.seen.push(said.clone());
            if is_it(&said) {
                return said;
            }
        }
    }

    fn complaint(&mut self) -> String {
        let mut text = String::new();
        self.kill();
        if let Some(errors) = &mut self.process.stderr {
            errors.read_to_string(&mut text).unwrap();
        }
        text
    }

    pub(crate) fn heard(&self, event: &str) -> usize {
        self.seen.iter().filter(|said| said["event"] == event).count()
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    /// A signal to this very process.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    pub(crate) fn pid(&self) -> String {
        self.process.id().to_string()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Waits for the end; all lines are in `seen` afterwards.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            match serde_json::from_str(&line) {
                Ok(said) => self.seen.push(said),
                Err(_) => self.text.push(line),
            }
        }
        assert!(Instant::now() < deadline, "it goes on: {:#?}", self.seen);
        self.process.wait().unwrap()
    }

    /// What it said on standard error; after its end.
    pub(crate) fn errors(&mut self) -> String {
        let mut text = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // it has ended already, as a rule
        let _ended = self.process.kill();
        let _waited = self.process.wait();
    }
}
