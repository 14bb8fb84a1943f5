//! Servers of benchmarks: processes on a processor of their own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::ValueEnum;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use super::dtls::Proof;
use super::{coap_server, dtls, echo, idle, mqtt_server, sealed_server, tls_server};
use crate::cli::stdout::print_line;
use crate::failure::{Failure, Outcome};

/// The processor of servers; load is put on the others.
const SERVER_CPU: usize = 0;
/// Where Debian and others put libcoap's example server; the one without security first.
const LIBCOAP_SERVERS: [&str; 3] = ["coap-server-notls", "coap-server", "coap-server-openssl"];

/// What a process of a benchmark can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    /// Sends every datagram back, many with one call of the operating system.
    Echo,
    /// Our CoAP.
    Coap,
    /// Our CoAP over DTLS, records by CCM_8.
    CoapCcm8,
    /// The same by GCM.
    CoapGcm,
    /// Our CoAP over DTLS with raw keys on P-256.
    CoapP256,
    /// Opens records of CCM_8, seals what was in them, and sends it back.
    RecordsCcm8,
    /// The same by GCM.
    RecordsGcm,
    /// Our broker for MQTT clients.
    Mqtt,
    /// The same, with messages of stored sessions on disk, in its working directory.
    MqttStored,
    /// Passes messages of devices on in clear, by the machine of MQTT connections alone.
    Pass,
    /// The same, opened and sealed again.
    PassSealed,
    /// An access service, whose owner passes reports on.
    Das,
    /// The same over TLS 1.3.
    DasTls,
    /// Answers every HTTPS call with the same words.
    Https,
}

impl Part {
    /// Is that part until standard input ends.
    pub(super) fn run(self) -> Outcome {
        pin(Pid::from_raw(0), |cpu| cpu == SERVER_CPU)?;
        match self {
            Self::Echo => echo::run(),
            Self::Coap => coap_server::run(),
            Self::CoapCcm8 => dtls::server::run(Proof::PskCcm8),
            Self::CoapGcm => dtls::server::run(Proof::PskGcm),
            Self::CoapP256 => dtls::server::run(Proof::P256),
            Self::RecordsCcm8 => dtls::record_echo::run(Proof::PskCcm8),
            Self::RecordsGcm => dtls::record_echo::run(Proof::PskGcm),
            Self::Mqtt => mqtt_server::run(false),
            Self::MqttStored => mqtt_server::run(true),
            Self::Pass => sealed_server::run_pass(false),
            Self::PassSealed => sealed_server::run_pass(true),
            Self::Das => sealed_server::run_das(false),
            Self::DasTls => sealed_server::run_das(true),
            Self::Https => tls_server::run(),
        }
    }
}

fn pin(whom: Pid, is_ours: impl Fn(usize) -> bool) -> Outcome {
    let cpu_count = cpu_count();
    let mut set = CpuSet::new();
    for cpu in (0..cpu_count).filter(|cpu| is_ours(*cpu) || cpu_count == 1) {
        set.set(cpu).map_err(|error| internal("processors", error))?;
    }
    sched_setaffinity(whom, &set).map_err(|error| internal("processors", error))
}

/// Processors of this machine: not of this process, which may have been put on some of them.
fn cpu_count() -> usize {
    let configured = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN).ok().flatten();
    configured.and_then(|count| usize::try_from(count).ok()).unwrap_or(1)
}

/// Puts this process on the processors that no server uses.
pub(super) fn pin_load() -> Outcome {
    pin(Pid::from_raw(0), |cpu| cpu != SERVER_CPU)
}

/// Lets this process, and those that it starts, run everywhere again.
pub(super) fn unpin() -> Outcome {
    pin(Pid::from_raw(0), |_| true)
}

pub(super) fn internal(what: &'static str, cause: impl std::fmt::Display) -> Failure {
    Failure::new("internal", what).because(cause)
}

/// Says where this server listens; the first line of a part.
pub(super) fn say_ready(at: SocketAddr) {
    print_line(at);
}

/// Processor time of this thread so far.
pub(super) fn thread_time() -> Outcome<Duration> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    Ok(Duration::from(time.map_err(|error| internal("processor time", error))?))
}

/// Processor time of a process, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    /// In its own code.
    pub(super) own: i64,
    /// In the kernel's.
    pub(super) kernel: i64,
}

impl Used {
    /// Of this process so far.
    fn of_this_process() -> Outcome<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF).map_err(|error| internal("processor time", error))?;
        Ok(Self { own: usage.user_time().num_microseconds(), kernel: usage.system_time().num_microseconds() })
    }

    /// Of another process, in the steps of the clock that the kernel counts by: 100 a second.
    pub(super) fn of_process(id: u32) -> Outcome<Self> {
        const MICROS: i64 = 10_000;
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"));
        let stat = stat.map_err(|error| internal("processor time", error))?;
        // The name in brackets may hold anything; what follows it are numbers, the 12th and 13th wanted here.
        let numbers = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut ticks = numbers.split_whitespace().skip(11).map(str::parse::<i64>);
        match (ticks.next(), ticks.next()) {
            (Some(Ok(own)), Some(Ok(kernel))) => Ok(Self { own: own * MICROS, kernel: kernel * MICROS }),
            _ => Err(internal("processor time", "the kernel says it otherwise here")),
        }
    }

    pub(super) const fn since(self, before: Self) -> Self {
        Self { own: self.own - before.own, kernel: self.kernel - before.kernel }
    }

    pub(super) const fn total(self) -> i64 {
        self.own + self.kernel
    }
}

/// The question for the heap in use; an empty line asks for the processor time used.
const HEAP: &str = "heap";

/// Answers each line on standard input; ends the process with the input.
pub(super) fn answer_questions() -> ! {
    for line in std::io::stdin().lines() {
        let Ok(line) = line else { break };
        if line == HEAP {
            let Ok(bytes) = idle::in_use() else { break };
            print_line(bytes);
            continue;
        }
        let Ok(Used { own, kernel }) = Used::of_this_process() else { break };
        print_line(format!("{own} {kernel}"));
    }
    std::process::exit(0)
}

/// Runs a server on a thread of its own, and answers questions until standard input ends.
pub(super) fn serve_until_input_ends(server: impl Future<Output = Outcome> + Send + 'static) -> Outcome {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let served = runtime.map_err(|error| internal("the runtime", error)).and_then(|r| r.block_on(server));
        if let Err(failure) = served {
            eprintln!("{failure}");
        }
        std::process::exit(1)
    });
    answer_questions()
}

/// A server that runs; it ends when this value goes.
pub(super) struct Server {
    child: Child,
    pub(super) at: SocketAddr,
    kind: Kind,
}

enum Kind {
    /// One of ours answers questions about itself.
    Part(BufReader<std::process::ChildStdout>),
    /// Another's is looked at from outside.
    Foreign,
}

impl Server {
    /// Starts a part.
    pub(super) fn start(part: Part) -> Outcome<Self> {
        Self::start_in(part, Path::new("."))
    }

    /// Starts a part with this working directory.
    pub(super) fn start_in(part: Part, folder: &Path) -> Outcome<Self> {
        let own = std::env::current_exe().map_err(|error| internal("this program", error))?;
        let name = part.to_possible_value().expect("no part is hidden");
        let mut command = Command::new(own);
        command.args(["bench", "--be", name.get_name()]).current_dir(folder);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| internal("a server of the benchmark", error))?;
        let words = child.stdout.take().map(BufReader::new);
        let mut words = words.ok_or_else(|| internal("a server of the benchmark", "no output"))?;
        let at = read_line(&mut words)?;
        let at = at.parse().map_err(|error| internal("a server of the benchmark", error))?;
        Ok(Self { child, at, kind: Kind::Part(words) })
    }

    /// Starts libcoap's example server, which keeps resources in memory that were put there; the reason when
    /// this machine has none.
    pub(super) fn start_libcoap() -> Outcome<Result<Self, String>> {
        let Some(program) = LIBCOAP_SERVERS.into_iter().find_map(in_path) else {
            return Ok(Err("libcoap's coap-server is not installed".into()));
        };
        let free = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let at = free.map_err(|error| internal("a socket", error))?;
        let mut command = Command::new(program);
        command.args(["-A", "127.0.0.1", "-p", &at.port().to_string(), "-d", "10", "-v", "0"]);
        Ok(Ok(Self::foreign(&mut command, "libcoap's server", at)?))
    }

    /// Starts another's server, all of whose threads stay on the processor of servers; `at` is where it listens.
    pub(super) fn foreign(command: &mut Command, what: &'static str, at: SocketAddr) -> Outcome<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // What is started stays where this process was.
        pin(Pid::from_raw(0), |cpu| cpu == SERVER_CPU)?;
        let child = command.spawn();
        pin_load()?;
        Ok(Self { child: child.map_err(|error| internal(what, error))?, at, kind: Kind::Foreign })
    }

    /// Bytes that the server has in memory.
    pub(super) fn resident(&self) -> Outcome<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.map_err(|error| internal("memory", error))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
        kib.map(|kib| kib * 1024.0).ok_or_else(|| internal("memory", "the kernel says it otherwise here"))
    }

    /// Processor time that the server has used.
    pub(super) fn used(&mut self) -> Outcome<Used> {
        if matches!(self.kind, Kind::Foreign) {
            return Used::of_process(self.child.id());
        }
        let said = self.ask("")?;
        let mut numbers = said.split_whitespace().map(str::parse::<i64>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(own)), Some(Ok(kernel))) => Ok(Used { own, kernel }),
            _ => Err(internal("a server", "it did not say what it used")),
        }
    }

    /// Bytes that the allocator of a part has handed out and not got back.
    pub(super) fn heap(&mut self) -> Outcome<f64> {
        self.ask(HEAP)?.parse().map_err(|error| internal("a server", error))
    }

    fn ask(&mut self, question: &str) -> Outcome<String> {
        use std::io::Write as _;
        let Kind::Part(words) = &mut self.kind else {
            return Err(internal("a server", "another's answers nothing"));
        };
        let input = self.child.stdin.as_mut().ok_or_else(|| internal("a server", "no input"))?;
        writeln!(input, "{question}").map_err(|error| internal("a server", error))?;
        read_line(words)
    }
}

pub(super) fn in_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn read_line(words: &mut BufReader<std::process::ChildStdout>) -> Outcome<String> {
    let mut line = String::new();
    words.read_line(&mut line).map_err(|error| internal("a server of the benchmark", error))?;
    Ok(line.trim().to_owned())
}

impl Drop for Server {
    fn drop(&mut self) {
        match &mut self.kind {
            Kind::Part(words) => {
                drop(self.child.stdin.take());
                let mut rest = Vec::new();
                let _ = words.read_to_end(&mut rest);
            }
            Kind::Foreign => drop(self.child.kill()),
        }
        let _ = self.child.wait();
    }
}
