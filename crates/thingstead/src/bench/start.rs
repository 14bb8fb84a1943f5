//! How long all three servers take to listen, in one process, and how much memory they keep.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clock::Dice;
use crypto_server::Server;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Effort;
use super::child::{Used, internal};
use super::rows::{Figure, Line};
use super::scratch::Scratch;
use super::world::Stores;
use super::world::crowd::Crowd;
use crate::demo;
use crate::failure::Outcome;
use crate::{files, storage};

/// Milliseconds to listening that are wanted at most.
const LISTENING_LIMIT: f64 = 300.0;
/// The same when keys are made first.
const FIRST_LISTENING_LIMIT: f64 = 2000.0;
/// MiB of resident memory that are wanted at most, with few devices and with many.
const MEMORY_LIMITS: [f64; 2] = [40.0, 64.0];
/// The roles of the one process; each says when it listens.
const ROLES: [&str; 3] = ["registration", "bootstrap", "management"];
/// Who waits longer has a problem.
const PATIENCE: Duration = Duration::from_secs(120);

/// Rows of this benchmark; `settled` after a start, memory is looked at.
pub(super) fn measure(counts: [u32; 2], settled: Duration, effort: Effort) -> Outcome<Vec<Line>> {
    let folder = Scratch::new("bench-start")?;
    let mut lines = Vec::new();
    let first = demo::enrolled_servers(folder.path())?;
    let what = "first start of a management system, with its keys, to listening";
    let millis: Vec<f64> = first.iter().map(|took| took.as_secs_f64() * 1e3).collect();
    lines.extend(Figure::of(what, "ms", &millis).map(|figure| figure.limited(FIRST_LISTENING_LIMIT).into()));
    let configuration = in_one(folder.path())?;
    let mut dice = Dice::numbered(31);
    let crowd = Crowd::new(&mut dice)?;
    let mut there = 0;
    for (count, memory_limit) in counts.into_iter().zip(MEMORY_LIMITS) {
        crowd.fill(&open(folder.path())?, count.saturating_sub(there), &mut dice)?;
        there = there.max(count);
        lines.extend(starts(folder.path(), &configuration, count, effort)?);
        let (running, _) = Running::start(folder.path(), &configuration)?;
        std::thread::sleep(settled);
        let what = format!("resident {} s after a start with {count} devices", settled.as_secs());
        let memory = Figure::of(&what, "MiB", &[running.resident_mib()?]);
        lines.extend(memory.map(|memory| memory.limited(memory_limit).into()));
        running.stop(Signal::SIGTERM)?;
    }
    Ok(lines)
}

/// Starts after an orderly stop, and after a kill.
fn starts(folder: &Path, configuration: &Path, count: u32, effort: Effort) -> Outcome<Vec<Line>> {
    let mut lines = Vec::new();
    for (signal, name) in [(Signal::SIGTERM, "a clean stop"), (Signal::SIGKILL, "kill -9")] {
        Running::start(folder, configuration)?.0.stop(signal)?;
        let (mut millis, mut processor) = (Vec::new(), Vec::new());
        for _ in 0..effort.pairs {
            let (running, took) = Running::start(folder, configuration)?;
            processor.push(running.processor_millis()?);
            millis.push(took.as_secs_f64() * 1e3);
            running.stop(signal)?;
        }
        let what = format!("start to listening after {name}, {count} devices");
        lines.extend(Figure::of(&what, "ms", &millis).map(|figure| figure.limited(LISTENING_LIMIT).into()));
        let what = format!("CPU time of that start, {count} devices");
        lines.extend(Figure::of(&what, "ms", &processor).map(Line::from));
    }
    Ok(lines)
}

/// One configuration of what the demo has one each for.
fn in_one(folder: &Path) -> Outcome<PathBuf> {
    let mut all = String::new();
    for name in ["registration", "bootstrap", "owner-a"] {
        let text = fs::read_to_string(folder.join(format!("{name}.toml")));
        all.push_str(&text.map_err(|error| internal("a configuration", error))?);
    }
    let path = folder.join("all.toml");
    files::write_secret(&path, all.as_bytes())?;
    Ok(path)
}

fn open(folder: &Path) -> Outcome<Stores> {
    let one = |name: &str| storage::open(&folder.join(name), &Server::new());
    Ok(Stores {
        registration: one("registration")?,
        bootstrap: one("bootstrap")?,
        management: one("owner-a")?,
    })
}

/// The process of all servers.
struct Running(Child);

impl Running {
    /// Starts it; gives what it took until all its roles listened.
    fn start(folder: &Path, configuration: &Path) -> Outcome<(Self, Duration)> {
        let own = std::env::current_exe().map_err(|error| internal("this program", error))?;
        let log = File::options().create(true).append(true).open(folder.join("log/all.log"));
        let log = log.map_err(|error| internal("a log", error))?;
        let mut command = Command::new(own);
        command.args(["serve", "--config"]).arg(configuration);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        crate::leash::put_on(&mut command);
        let began = Instant::now();
        let child = command.spawn().map_err(|error| internal("the servers", error))?;
        let mut running = Self(child);
        let output = running.0.stdout.take().ok_or_else(|| internal("the servers", "no output"))?;
        let mut lines = BufReader::new(output).lines();
        let mut silent = ROLES.to_vec();
        while !silent.is_empty() && began.elapsed() < PATIENCE {
            let Some(Ok(line)) = lines.next() else {
                return Err(internal("the servers", format!("they ended before {silent:?} listened")));
            };
            silent.retain(|role| !line.starts_with(&format!("ready {role} ")));
        }
        let took = began.elapsed();
        // What they say later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok((running, took))
    }

    /// Processor time so far, in steps of 10 ms.
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a start are far below 2^53")]
    fn processor_millis(&self) -> Outcome<f64> {
        Ok(Used::of_process(self.0.id())?.total() as f64 / 1e3)
    }

    fn resident_mib(&self) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        let status = status.map_err(|error| internal("the kernel", error))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib =
            line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<f64>().ok());
        kib.map(|kib| kib / 1024.0).ok_or_else(|| internal("the kernel", "it does not say"))
    }

    fn stop(mut self, signal: Signal) -> Outcome {
        let id = i32::try_from(self.0.id()).map_err(|error| internal("a process", error))?;
        kill(Pid::from_raw(id), signal).map_err(|error| internal("a process", error))?;
        self.0.wait().map(drop).map_err(|error| internal("a process", error))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that was stopped is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
