//! The processes of the demo: the same binary, each with its own folder, talked to over pipes.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::peril::Peril;
use crate::failure::{Failure, Outcome};

/// How long any one step may take on a machine with much else to do, where keys of 2048 bits are found slowly and
/// datagrams are sent again; DTLS and CoAP would only give up after a minute (decision G 34).
const STEP_TIME: Duration = Duration::from_secs(45);
/// The same while processes are killed, so long that DTLS, CoAP and every back-off have come round.
const STEP_TIME_IN_PERIL: Duration = Duration::from_secs(180);
/// How long to wait before something is looked at or tried again.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);
/// How often it is looked whether a process that says nothing still runs.
const LOOK_TIME: Duration = Duration::from_millis(100);
/// How long to wait before a command that failed is run again.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(200);

/// Where the demo plays.
#[derive(Debug)]
pub(crate) struct Stage {
    scene: Scene,
    company: Company,
    peril: Option<Peril>,
}

#[derive(Clone, Debug)]
struct Scene {
    folder: PathBuf,
    program: PathBuf,
}

/// Every process that was started to go on, in that order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Company(Arc<Mutex<Vec<Arc<Process>>>>);

/// One process that plays a part until the end.
pub(crate) struct Actor {
    process: Arc<Process>,
    lines: Receiver<String>,
    seen: Vec<String>,
    step_time: Duration,
}

/// A process, which may be another one after it was killed and started again.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    scene: Scene,
    arguments: Vec<String>,
    spoken: Sender<String>,
    life: Mutex<Life>,
}

#[derive(Debug)]
struct Life {
    child: Child,
    input: Option<ChildStdin>,
    /// Its part is over: it is not started again.
    is_over: bool,
    /// Its work is done, too: it is not missed.
    is_done: bool,
}

/// What became of a command that did not succeed.
#[derive(Debug)]
pub(crate) struct Unsuccessful {
    /// Its exit status, unless a signal ended it.
    pub(crate) exit: Option<i32>,
    /// The last line of what it said.
    pub(crate) said: String,
    /// The failure of the step.
    pub(crate) failure: Failure,
}

impl Scene {
    fn log_of(&self, name: &str) -> PathBuf {
        self.folder.join("log").join(format!("{name}.log"))
    }

    fn command<A: AsRef<std::ffi::OsStr>>(&self, name: &str, arguments: &[A]) -> Outcome<Command> {
        let log_path = self.log_of(name);
        let log = File::options().create(true).append(true).open(&log_path);
        let log = log.map_err(|error| {
            Failure::new("file-unwritable", log_path.display().to_string()).because(error)
        })?;
        let mut command = Command::new(&self.program);
        command.args(arguments).stdout(Stdio::piped()).stderr(log);
        // Nothing but the files of the demo configures it.
        for (variable, _) in std::env::vars_os() {
            let name = variable.to_string_lossy();
            if name.starts_with("THINGSTEAD_") && name != "THINGSTEAD_LOG" {
                command.env_remove(&variable);
            }
        }
        Ok(command)
    }

    fn live(&self, name: &str, arguments: &[String], spoken: &Sender<String>) -> Outcome<Life> {
        let mut command = self.command(name, arguments)?;
        crate::leash::put_on(&mut command);
        let child = command.stdin(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| Failure::new("internal", name).because(error))?;
        if let Some(output) = child.stdout.take() {
            let spoken = spoken.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if spoken.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        let input = child.stdin.take();
        Ok(Life { child, input, is_over: false, is_done: false })
    }
}

impl Stage {
    /// A stage in `folder`, which exists.
    pub(crate) fn new(folder: PathBuf) -> Outcome<Self> {
        let program = std::env::current_exe();
        let program =
            program.map_err(|error| Failure::new("internal", "the program's own path").because(error))?;
        Ok(Self { scene: Scene { folder, program }, company: Company::default(), peril: None })
    }

    /// The same stage, on which processes are killed and started again: `kills` times, by chance of `seed`.
    pub(crate) fn in_peril(mut self, seed: u64, kills: usize) -> Self {
        self.peril = Some(Peril::begin(seed, kills, self.company.clone()));
        self
    }

    /// What was killed, when processes are.
    pub(crate) const fn peril(&self) -> Option<&Peril> {
        self.peril.as_ref()
    }

    /// A step of the life begins.
    pub(crate) fn step_begins(&self, what: &str) {
        if let Some(peril) = &self.peril {
            peril.step_begins(what);
        }
    }

    /// How long any one step may take.
    pub(crate) const fn step_time(&self) -> Duration {
        match self.peril {
            Some(_) => STEP_TIME_IN_PERIL,
            None => STEP_TIME,
        }
    }

    /// Processes that ended without being told to, or were switched off: each with its log.
    pub(crate) fn away(&self) -> Vec<String> {
        let away = self.company.everybody().into_iter().filter(|process| process.is_missed());
        away.map(|process| {
            let log = self.log_of(&process.name);
            format!("{} does not run, see {}", process.name, log.display())
        })
        .collect()
    }

    /// Whether this process was switched off, or ended by itself, and will not come back.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        let is_missed = |process: &Arc<Process>| process.name == name && process.is_missed();
        self.peril.is_none() && self.company.everybody().iter().any(is_missed)
    }

    /// A path below the folder.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.scene.folder.join(name)
    }

    /// Runs a command to its end and gives its standard output, or what became of it.
    pub(crate) fn attempt(
        &self,
        name: &str,
        arguments: &[&str],
    ) -> Outcome<Result<String, Box<Unsuccessful>>> {
        let mut command = self.scene.command(name, arguments)?;
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| Failure::new("internal", name).because(error))?;
        if output.status.success() {
            return Ok(Ok(String::from_utf8_lossy(&output.stdout).into_owned()));
        }
        let log = self.log_of(name);
        let said = last_line(&log);
        let why = format!(
            "`thingstead {}` ended with {}; its log {} ends with: {said}",
            arguments.join(" "),
            output.status,
            log.display()
        );
        let failure = Failure::new("step-missing", name).because(why);
        Ok(Err(Box::new(Unsuccessful { exit: output.status.code(), said, failure })))
    }

    /// Runs a command to its end and gives its standard output.
    pub(crate) fn run(&self, name: &str, arguments: &[&str]) -> Outcome<String> {
        self.attempt(name, arguments)?.map_err(|unsuccessful| unsuccessful.failure)
    }

    /// A step of the life: a command whose repetition is safe. While processes are killed it is repeated as a
    /// person would, until it comes off, or `done` finds by another way that it came off unheard.
    pub(crate) fn act(
        &self,
        name: &str,
        arguments: &[&str],
        done: impl Fn() -> Outcome<Option<String>>,
    ) -> Outcome<String> {
        self.step_begins(name);
        let deadline = Instant::now() + self.step_time();
        loop {
            let failure = match self.attempt(name, arguments)? {
                Ok(said) => return Ok(said),
                Err(unsuccessful) => unsuccessful.failure,
            };
            let Some(peril) = &self.peril else { return Err(failure) };
            if let Some(said) = done()? {
                return Ok(said);
            }
            if Instant::now() >= deadline {
                return Err(failure);
            }
            peril.repeated();
            std::thread::sleep(PAUSE_AFTER_FAILURE);
        }
    }

    /// Starts a process that goes on.
    pub(crate) fn start(&self, name: &str, arguments: &[&str]) -> Outcome<Actor> {
        self.step_begins(name);
        let (spoken, lines) = channel();
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let life = Mutex::new(self.scene.live(name, &arguments, &spoken)?);
        let process = Process { name: name.into(), scene: self.scene.clone(), arguments, spoken, life };
        let process = Arc::new(process);
        self.company.join(Arc::clone(&process));
        Ok(Actor { process, lines, seen: Vec::new(), step_time: self.step_time() })
    }

    /// The log of a process or command.
    pub(crate) fn log_of(&self, name: &str) -> PathBuf {
        self.scene.log_of(name)
    }
}

/// The last line of a log.
fn last_line(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.unwrap_or("nothing in its log").to_owned()
}

impl Company {
    fn join(&self, process: Arc<Process>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(process);
    }

    fn everybody(&self) -> Vec<Arc<Process>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those whose part is not over, in the order of their start.
    pub(crate) fn on_stage(&self) -> Vec<Arc<Process>> {
        self.everybody().into_iter().filter(|process| !process.life().is_over).collect()
    }
}

impl Process {
    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_running(&self) -> bool {
        matches!(self.life().child.try_wait(), Ok(None))
    }

    fn is_missed(&self) -> bool {
        let mut life = self.life();
        !life.is_done && !matches!(life.child.try_wait(), Ok(None))
    }

    /// Kills the process as a loss of power would end it, and starts it again at once with the same
    /// arguments. False when its part is over.
    pub(crate) fn restart(&self) -> Outcome<bool> {
        let mut life = self.life();
        if life.is_over {
            return Ok(false);
        }
        life.end(&self.name);
        *life = self.scene.live(&self.name, &self.arguments, &self.spoken)?;
        Ok(true)
    }
}

impl Life {
    fn end(&mut self, name: &str) {
        drop(self.input.take());
        if self.child.kill().is_ok()
            && let Err(error) = self.child.wait()
        {
            tracing::debug!(%error, name, "could not wait for a process");
        }
    }
}

/// Lines that are remembered unread; beyond, the oldest are forgotten.
const SEEN_COUNT_MAX: usize = 10_000;

impl Actor {
    /// Waits for a line that `picks` takes; lines in between stay for later calls. `picks` sees every line
    /// that no call took, oldest first.
    pub(crate) fn wait_for<T>(&mut self, what: &str, mut picks: impl FnMut(&str) -> Option<T>) -> Outcome<T> {
        if let Some(found) = self.among_seen(&mut picks) {
            return Ok(found);
        }
        self.wait_until(what, Instant::now() + self.step_time, &mut picks)
            .and_then(|found| found.ok_or_else(|| self.missing(what, "not in time")))
    }

    /// The same, pressing on the process with `press` whenever nothing came for a while.
    pub(crate) fn wait_pressing<T>(
        &mut self,
        what: &str,
        mut picks: impl FnMut(&str) -> Option<T>,
        while_silent: Duration,
        mut press: impl FnMut(&mut Self) -> Outcome,
    ) -> Outcome<T> {
        if let Some(found) = self.among_seen(&mut picks) {
            return Ok(found);
        }
        let deadline = Instant::now() + self.step_time;
        loop {
            let until = deadline.min(Instant::now() + while_silent);
            if let Some(found) = self.wait_until(what, until, &mut picks)? {
                return Ok(found);
            }
            if Instant::now() >= deadline {
                return Err(self.missing(what, "not in time"));
            }
            press(self)?;
        }
    }

    fn among_seen<T>(&mut self, picks: &mut impl FnMut(&str) -> Option<T>) -> Option<T> {
        let (at, found) = self.seen.iter().enumerate().find_map(|(at, line)| Some((at, picks(line)?)))?;
        self.seen.remove(at);
        Some(found)
    }

    fn wait_until<T>(
        &mut self,
        what: &str,
        deadline: Instant,
        picks: &mut impl FnMut(&str) -> Option<T>,
    ) -> Outcome<Option<T>> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(LOOK_TIME)) {
                Ok(line) => match picks(&line) {
                    Some(found) => return Ok(Some(found)),
                    None => {
                        if self.seen.len() >= SEEN_COUNT_MAX {
                            self.seen.remove(0);
                        }
                        self.seen.push(line);
                    }
                },
                Err(RecvTimeoutError::Timeout) if self.process.is_running() => {
                    if Instant::now() >= deadline {
                        return Ok(None);
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(self.missing(what, "the process ended"));
                }
            }
        }
    }

    /// Every line that no call took so far.
    pub(crate) fn unread(&mut self) -> &[String] {
        self.seen.extend(self.lines.try_iter());
        &self.seen
    }

    fn missing(&self, what: &str, why: &str) -> Failure {
        Failure::new("step-missing", what).because(format!("{} did not do it: {why}", self.process.name))
    }

    /// Writes one line to the process.
    pub(crate) fn tell(&mut self, line: &str) -> Outcome {
        let mut life = self.process.life();
        let told = life.input.as_mut().map(|input| writeln!(input, "{line}").and_then(|()| input.flush()));
        drop(life);
        match told {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(self.missing(line, &error.to_string())),
            None => Err(self.missing(line, "its input is closed")),
        }
    }
}

impl Actor {
    /// Ends the process, whose work is done; nobody will miss it.
    pub(crate) fn rest(self) {
        self.process.life().is_done = true;
    }
}

impl Drop for Actor {
    /// Ends the process; what it acknowledged is in its store.
    fn drop(&mut self) {
        let mut life = self.process.life();
        life.is_over = true;
        life.end(&self.process.name);
    }
}
