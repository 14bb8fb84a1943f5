//! Servers of benchmarks: processes of this program on a processor of their own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use clap::ValueEnum;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use nix::unistd::Pid;

use super::{coap_server, echo};
use crate::cli::stdout::print_line;
use crate::failure::{Failure, Outcome};

/// The processor of servers; load is put on the others.
const SERVER_CPU: usize = 0;

/// What a process of a benchmark can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    /// Sends every datagram back, many with one call of the operating system.
    Echo,
    /// Our CoAP.
    Coap,
}

impl Part {
    /// Is that part until standard input ends.
    pub(super) fn run(self) -> Outcome {
        pin(|cpu| cpu == SERVER_CPU)?;
        match self {
            Self::Echo => echo::run(),
            Self::Coap => coap_server::run(),
        }
    }
}

fn pin(is_ours: impl Fn(usize) -> bool) -> Outcome {
    let cpu_count = std::thread::available_parallelism().map_or(1, usize::from);
    let mut set = CpuSet::new();
    for cpu in (0..cpu_count).filter(|cpu| is_ours(*cpu) || cpu_count == 1) {
        set.set(cpu).map_err(|error| internal("processors", error))?;
    }
    sched_setaffinity(Pid::from_raw(0), &set).map_err(|error| internal("processors", error))
}

/// Puts this process on the processors that no server uses.
pub(super) fn pin_load() -> Outcome {
    pin(|cpu| cpu != SERVER_CPU)
}

pub(super) fn internal(what: &'static str, cause: impl std::fmt::Display) -> Failure {
    Failure::new("internal", what).because(cause)
}

/// Says where this server listens; the first line of a part.
pub(super) fn say_ready(at: SocketAddr) {
    print_line(at);
}

/// Processor time of this process so far, in microseconds.
fn used_micros() -> Outcome<i64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).map_err(|error| internal("processor time", error))?;
    Ok(usage.user_time().num_microseconds() + usage.system_time().num_microseconds())
}

/// Answers each line on standard input with the processor time used; ends the process with the input.
pub(super) fn answer_questions() -> ! {
    for line in std::io::stdin().lines() {
        if line.is_err() {
            break;
        }
        let Ok(micros) = used_micros() else { break };
        print_line(micros);
    }
    std::process::exit(0)
}

/// A server that runs; it ends when this value goes.
pub(super) struct Server {
    child: Child,
    words: BufReader<std::process::ChildStdout>,
    pub(super) at: SocketAddr,
}

impl Server {
    /// Starts a part.
    pub(super) fn start(part: Part) -> Outcome<Self> {
        let own = std::env::current_exe().map_err(|error| internal("this program", error))?;
        let name = part.to_possible_value().expect("no part is hidden");
        let mut command = Command::new(own);
        command.args(["bench", "--be", name.get_name()]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| internal("a server of the benchmark", error))?;
        let words = child.stdout.take().map(BufReader::new);
        let mut words = words.ok_or_else(|| internal("a server of the benchmark", "no output"))?;
        let at = read_line(&mut words)?;
        let at = at.parse().map_err(|error| internal("a server of the benchmark", error))?;
        Ok(Self { child, words, at })
    }

    /// Processor time that the server has used, in microseconds.
    pub(super) fn used_micros(&mut self) -> Outcome<i64> {
        use std::io::Write as _;
        let input = self.child.stdin.as_mut().ok_or_else(|| internal("a server", "no input"))?;
        input.write_all(b"\n").map_err(|error| internal("a server", error))?;
        read_line(&mut self.words)?.parse().map_err(|error| internal("a server", error))
    }
}

fn read_line(words: &mut BufReader<std::process::ChildStdout>) -> Outcome<String> {
    let mut line = String::new();
    words.read_line(&mut line).map_err(|error| internal("a server of the benchmark", error))?;
    Ok(line.trim().to_owned())
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let mut rest = Vec::new();
        let _ = self.words.read_to_end(&mut rest);
        let _ = self.child.wait();
    }
}
