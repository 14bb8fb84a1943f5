//! The processes of the demo: the same binary, each with its own folder, talked to over pipes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Outcome};

/// How long any one step may take: DTLS and CoAP would only give up after a minute (decision G 34).
pub(crate) const STEP_TIME: Duration = Duration::from_secs(3);

/// Where the demo plays.
#[derive(Debug)]
pub(crate) struct Stage {
    folder: PathBuf,
    program: PathBuf,
}

/// One process that plays a part until the end.
pub(crate) struct Actor {
    name: String,
    child: Child,
    lines: Receiver<String>,
    seen: VecDeque<String>,
    input: Option<ChildStdin>,
}

impl Stage {
    /// A stage in `folder`, which exists.
    pub(crate) fn new(folder: PathBuf) -> Outcome<Self> {
        let program = std::env::current_exe();
        let program =
            program.map_err(|error| Failure::new("internal", "the program's own path").because(error))?;
        Ok(Self { folder, program })
    }

    /// A path below the folder.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }

    fn command(&self, name: &str, arguments: &[&str]) -> Outcome<Command> {
        let log_path = self.path("log").join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(&log_path);
        let log = log.map_err(|error| {
            Failure::new("file-unwritable", log_path.display().to_string()).because(error)
        })?;
        let mut command = Command::new(&self.program);
        command.args(arguments).stdout(Stdio::piped()).stderr(log);
        Ok(command)
    }

    /// Runs a command to its end and gives its standard output.
    pub(crate) fn run(&self, name: &str, arguments: &[&str]) -> Outcome<String> {
        let mut command = self.command(name, arguments)?;
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| Failure::new("internal", name).because(error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let log = self.path("log").join(format!("{name}.log"));
        let why =
            format!("`thingstead {}` ended with {}; {}", arguments.join(" "), output.status, tail(&log));
        Err(Failure::new("step-missing", name).because(why))
    }

    /// Starts a process that goes on.
    pub(crate) fn start(&self, name: &str, arguments: &[&str]) -> Outcome<Actor> {
        let mut command = self.command(name, arguments)?;
        let child = command.stdin(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| Failure::new("internal", name).because(error))?;
        let (sender, lines) = channel();
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        let input = child.stdin.take();
        Ok(Actor { name: name.into(), child, lines, seen: VecDeque::new(), input })
    }

    /// The last words of a process, for a failure about it.
    pub(crate) fn log_of(&self, name: &str) -> PathBuf {
        self.path("log").join(format!("{name}.log"))
    }
}

/// The last line of a log.
fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing in its log");
    format!("its log {} ends with: {last}", path.display())
}

/// Lines that are remembered unread; beyond, the oldest are forgotten.
const SEEN_COUNT_MAX: usize = 10_000;

impl Actor {
    /// Waits for a line that `picks` takes; lines in between stay for later calls.
    pub(crate) fn wait_for<T>(&mut self, what: &str, mut picks: impl FnMut(&str) -> Option<T>) -> Outcome<T> {
        if let Some((at, found)) =
            self.seen.iter().enumerate().find_map(|(at, line)| Some((at, picks(line)?)))
        {
            self.seen.remove(at);
            return Ok(found);
        }
        let deadline = Instant::now() + STEP_TIME;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => match picks(&line) {
                    Some(found) => return Ok(found),
                    None if self.seen.len() < SEEN_COUNT_MAX => self.seen.push_back(line),
                    None => {
                        self.seen.pop_front();
                        self.seen.push_back(line);
                    }
                },
                Err(RecvTimeoutError::Timeout) => return Err(self.missing(what, "not in time")),
                Err(RecvTimeoutError::Disconnected) => return Err(self.missing(what, "the process ended")),
            }
        }
    }

    fn missing(&self, what: &str, why: &str) -> Failure {
        Failure::new("step-missing", what).because(format!("{} did not do it: {why}", self.name))
    }

    /// Writes one line to the process.
    pub(crate) fn tell(&mut self, line: &str) -> Outcome {
        let told = self.input.as_mut().map(|input| writeln!(input, "{line}").and_then(|()| input.flush()));
        match told {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(self.missing(line, &error.to_string())),
            None => Err(self.missing(line, "its input is closed")),
        }
    }
}

impl Drop for Actor {
    /// Ends the process; what it acknowledged is in its store.
    fn drop(&mut self) {
        drop(self.input.take());
        if self.child.kill().is_ok()
            && let Err(error) = self.child.wait()
        {
            tracing::debug!(%error, name = self.name, "could not wait for a process");
        }
    }
}

/// `count` TCP ports that are free on loopback now.
pub(crate) fn free_tcp_ports(count: usize) -> Outcome<Vec<u16>> {
    let refused = |error| Failure::new("cannot-listen", "127.0.0.1").because(error);
    let held: Result<Vec<_>, _> = (0..count).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect();
    held.and_then(|held| held.iter().map(|socket| socket.local_addr().map(|at| at.port())).collect())
        .map_err(refused)
}

/// `count` UDP ports that are free on loopback now.
pub(crate) fn free_udp_ports(count: usize) -> Outcome<Vec<u16>> {
    let refused = |error| Failure::new("cannot-listen", "127.0.0.1").because(error);
    let held: Result<Vec<_>, _> = (0..count).map(|_| UdpSocket::bind(("127.0.0.1", 0))).collect();
    held.and_then(|held| held.iter().map(|socket| socket.local_addr().map(|at| at.port())).collect())
        .map_err(refused)
}
