//! Numbers: each one beside a reference that ran on the same machine in the same minute.
//!
//! A benchmark runs in pairs, ours and the reference by turns, and gives the ratio of each pair; the middle
//! one counts, and the spread of the others says how much it means. Servers run in processes of their own,
//! on one processor; what puts load on them runs on the others.

mod alike;
mod bootstraps;
mod brokers;
mod child;
mod coap;
mod coap_server;
mod device_line;
mod devices;
mod dtls;
mod echo;
mod hub;
mod idle;
mod load;
mod mqtt;
mod mqtt_latency;
mod mqtt_load;
mod mqtt_server;
mod osap;
mod osap_operations;
mod osap_type_1;
mod rows;
mod scratch;
mod sealed;
mod sealed_party;
mod sealed_server;
mod start;
mod stored;
mod svg;
mod tls_server;
mod world;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::Output;
use crate::cli::stdout::print_line;
use crate::failure::{Failure, Outcome};
use crate::files;
use rows::Line;

/// Longest result of an earlier run that is read.
const RESULT_LENGTH_MAX: u64 = 1024 * 1024;

/// Measure this machine, ours beside a reference.
///
/// Examples:
///   thingstead bench --list                what can be measured
///   thingstead bench coap                  CoAP over UDP, beside a bare echo and libcoap
///   thingstead bench coap --pairs 9        with less spread
///   thingstead bench idle stored --json    as one JSON document
///   thingstead bench --from a.json --svg a.svg   draws what an earlier run gave
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Bench {
    /// What to measure; everything unless named.
    #[arg(value_enum)]
    names: Vec<Name>,
    /// Pairs of runs for each row, at least 5 for a figure to be quoted.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    pairs: u32,
    /// Seconds that each run of a pair takes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// How many endpoints ask, a row each.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 10_000])]
    endpoints: Vec<usize>,
    /// Refused calls for each cause (`alike`).
    #[arg(long, default_value_t = 20_000)]
    calls: usize,
    /// How many associations are silent, or devices connected.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    associations: u32,
    /// How many devices are in the stores: few and many.
    #[arg(long, num_args = 2, value_names = ["FEW", "MANY"], default_values_t = [1000, 200_000])]
    devices: Vec<u32>,
    /// So many seconds after a start memory is looked at.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=3600))]
    settled: u32,
    /// Draw what was measured, against what is wanted, into this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Measure nothing: take what earlier runs gave with --json.
    #[arg(long, value_name = "FILE", conflicts_with = "names")]
    from: Vec<PathBuf>,
    /// Say what can be measured.
    #[arg(long)]
    list: bool,
    /// The server of a benchmark, in a process of its own.
    #[arg(long, hide = true, value_enum)]
    be: Option<child::Part>,
}

/// A benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// CoAP GET of a resource in memory, without security.
    Coap,
    /// Refused calls of the owner gateway: whether their time tells the cause.
    Alike,
    /// The same over DTLS.
    CoapDtls,
    /// Full DTLS handshakes.
    Handshakes,
    /// First proofs of smart devices at a load balancer.
    Osap,
    /// Sealed messages of smart devices, beside the same in clear.
    Sealed,
    /// Heap of smart devices that are connected.
    Devices,
    /// Readings by HTTPS from a smart device.
    Hub,
    /// Heap of an association that is silent.
    Idle,
    /// Complete bootstraps.
    Bootstraps,
    /// What a device costs in the stores.
    Stored,
    /// Start to listening, and memory.
    Start,
    /// Messages of MQTT clients.
    Mqtt,
}

impl Name {
    const fn about(self) -> &'static str {
        match self {
            Self::Coap => "CoAP GET of a resource in memory, per second of the server's processor time",
            Self::Alike => "refused calls of the owner gateway: whether their time tells the cause",
            Self::CoapDtls => "the same over DTLS with CCM_8 and GCM, beside records alone",
            Self::Handshakes => "full DTLS handshakes, beside their operations with keys and beside OpenSSL",
            Self::Osap => "first proofs of smart devices at a load balancer, beside their own operations",
            Self::Sealed => {
                "sealed messages of smart devices per second of processor time, beside the same in clear"
            }
            Self::Devices => {
                "heap of a smart device connected to an access service, as the allocator counts it"
            }
            Self::Hub => "a reading by HTTPS from a smart device and back, beside bare HTTPS and MQTT",
            Self::Idle => "heap of a secured association that is silent, as the allocator counts it",
            Self::Bootstraps => "complete bootstraps, from hello to image",
            Self::Stored => "bytes a device takes in stores, and reads, writes and time of its steps",
            Self::Mqtt => {
                "MQTT messages per second of the broker's processor time, and their latency, beside other brokers"
            }
            Self::Start => "start to listening on few and many devices, and resident memory",
        }
    }
}

/// How long and how often.
#[derive(Clone, Copy, Debug)]
struct Effort {
    pairs: u32,
    seconds: u32,
}

impl Effort {
    const fn span(self) -> Duration {
        Duration::from_secs(self.seconds as u64)
    }
}

impl Bench {
    /// Runs the benchmarks.
    ///
    /// # Errors
    /// A [`Failure`] when a part of a benchmark cannot run; a number that is missed is none.
    pub(crate) fn run(self, output: Output) -> Outcome {
        if let Some(part) = self.be {
            return part.run();
        }
        if self.list {
            for name in Name::value_variants() {
                let text = name.to_possible_value().expect("no benchmark is hidden");
                print_line(format!("{:<12} {}", text.get_name(), name.about()));
            }
            return Ok(());
        }
        let lines = if self.from.is_empty() { self.measure(output)? } else { read(&self.from)? };
        if let Some(path) = &self.svg {
            std::fs::write(path, svg::picture(&lines)).map_err(|error| {
                Failure::new("file-unwritable", path.display().to_string()).because(error)
            })?;
        }
        if lines.is_empty() { Ok(()) } else { show(&lines, output) }
    }

    fn measure(&self, output: Output) -> Outcome<Vec<Line>> {
        let names = if self.names.is_empty() { Name::value_variants() } else { &self.names };
        let effort = Effort { pairs: self.pairs, seconds: self.seconds };
        let device_counts = [self.devices[0], self.devices[1]];
        let mut lines = Vec::new();
        for name in names {
            lines.extend(match name {
                Name::Coap => coap::measure(&self.endpoints, effort)?,
                // It compares nothing with a reference, and says its figures itself.
                Name::Alike => {
                    alike::measure(self.calls, output)?;
                    Vec::new()
                }
                Name::CoapDtls => coap::measure_over_dtls(&self.endpoints, effort)?,
                Name::Handshakes => dtls::handshakes::measure(effort)?,
                Name::Osap => osap::measure(effort)?,
                Name::Sealed => sealed::measure(effort)?,
                Name::Devices => devices::measure(self.associations)?,
                Name::Hub => hub::measure(effort)?,
                Name::Idle => idle::measure(self.associations)?,
                Name::Bootstraps => bootstraps::measure(effort)?,
                Name::Stored => stored::measure(device_counts, effort)?,
                Name::Mqtt => mqtt::measure(effort)?,
                Name::Start => {
                    start::measure(device_counts, Duration::from_secs(self.settled.into()), effort)?
                }
            });
        }
        Ok(lines)
    }
}

/// Lines of earlier runs.
fn read(paths: &[PathBuf]) -> Outcome<Vec<Line>> {
    let mut lines = Vec::new();
    for path in paths {
        let read = files::read(path, RESULT_LENGTH_MAX)?;
        let some: Vec<Line> = serde_json::from_slice(&read).map_err(|error| malformed(path, &error))?;
        lines.extend(some);
    }
    Ok(lines)
}

fn malformed(path: &Path, error: &serde_json::Error) -> Failure {
    files::malformed(path, &error.to_string())
}

fn show(lines: &[Line], output: Output) -> Outcome {
    if output.json {
        let json = serde_json::to_string_pretty(lines);
        let json = json.map_err(|error| Failure::new("internal", "the result").because(error))?;
        print_line(json);
        return Ok(());
    }
    print_line(rows::HEAD);
    for line in lines {
        print_line(line);
    }
    Ok(())
}
