//! `thingstead device`: the agent.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use agent::Settings;
use assure_proto::BOOTSTRAP_SUFFIX;
use clap::{Args, Subcommand};
use net::https_client::Endpoint;

use super::plain_device::PlainDevice;
use super::smart::{self, Models};
use super::stdout::print_line;
use super::{Output, provider};
use crate::device::servers::{KnownServer, Servers};
use crate::device::status::Status;
use crate::device::voice::Voice;
use crate::device::{audit_log, make, reset, run};
use crate::failure::{Failure, Outcome};

/// Make and run a device, show or reset what it keeps.
///
/// Examples:
///   thingstead device run --state lamp --resolve 42=127.0.0.1:49684
///   thingstead device status --state lamp
///   thingstead device run --osap made/LOCK-7 --lbs 127.0.0.1:8666
///   thingstead device run --mqtt 127.0.0.1:8883 --ca ca.pem --name meter --thing UUID < password
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Device {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Make(Make),
    Run(Box<Run>),
    Status(Show),
    Log(Log),
    Reset(Reset),
    Models(Models),
}

impl Device {
    pub(crate) fn run(self, output: Output) -> Outcome {
        match self.verb {
            Verb::Make(make) => make.run(),
            Verb::Run(run) => run.run(output),
            Verb::Status(show) => show.run(output),
            Verb::Log(log) => log.run(output),
            Verb::Reset(reset) => reset.run(output),
            Verb::Models(models) => models.run(output),
        }
    }
}

/// Make a device: the factory's end of the line to a manufacturing station.
///
/// Reads one order on standard input and answers on standard output, both CBOR. A key pair is made in here
/// and its private half never leaves. `thingstead maker make` is the station.
#[derive(Args)]
struct Make {
    /// The folder that the device lives in; made if needed.
    #[arg(long)]
    state: PathBuf,
    /// The authority that the device will trust.
    #[arg(long)]
    bundle: PathBuf,
}

impl Make {
    fn run(self) -> Outcome {
        make::make(&self.state, &self.bundle, &provider(), &mut io::stdin().lock(), &mut io::stdout().lock())
    }
}

/// Switch a device on; it runs until it is switched off or gets a stop signal.
///
/// What happens is one line each on standard output; with --json each line is a JSON document with a member
/// "event". Lines on standard input are what a person does at the device:
///   button SECONDS    5 s: look for a new owner's image now
///   reboot            power off
///   reset             forget all but the memory of owners
///   garden            allow the next image to come from inside a walled garden
///   status            say how the device stands
///
/// With --osap it is a smart device that `thingstead maker osap` made: it proves itself to the load balancer and
/// stays connected to the access service that this one names. Its lines are:
///   set NAME JSON                 a property has another value
///   event NAME (JSON)             something happened; it is kept until the platform has it
///   refuse on|off                 refuse what the platform asks
///   child SERIAL on|off|gone      a sub-device of a gateway; `set` and `event` behind the serial happen at it
///   bring PATH                    bring a file to the platform, where its owner finds it
///   fetch FILE PATH               fetch a file of the device from there, by its id
///   enrol                         take the code of the label once more; the owner opens the window
///   status                        power off
///
/// With --mqtt it is a plain MQTT 5 client that is a thing (docs/mqtt.md), and nothing that others could not write: it
/// publishes values and events, and answers what it is asked. A temperature of its model moves by itself. It keeps the
/// newest value of each property and 256 events until the broker has acknowledged them. Its lines are set, event,
/// refuse, status and power off.
///
/// Examples:
///   thingstead device run --state lamp
///   thingstead device run --osap made/LOCK-7 --lbs 127.0.0.1:8666
///   thingstead device run --osap made/GATE-1 --lbs 127.0.0.1:8666 --child RADAR-1=radar --child LOCK-8=door-lock
///   thingstead device run --mqtt 127.0.0.1:8883 --ca data/a/ca.pem --name meter --password meter.password \
///       --thing 8f2c41d0-0000-4000-8000-0000000077aa --model sensor
///   thingstead device run --state lamp --resolve 42=127.0.0.1:49684 --retry-base 1 --json
#[derive(Args)]
#[command(verbatim_doc_comment)]
struct Run {
    /// The folder that the device lives in.
    #[arg(long, required_unless_present_any = ["osap", "mqtt"])]
    state: Option<PathBuf>,
    /// The folder of a smart device.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["state", "listen", "resolve", "suffix", "retry_base", "data"], requires = "lbs")]
    osap: Option<PathBuf>,
    /// The load balancer of a smart device.
    #[arg(long, value_name = "HOST:PORT", requires = "osap")]
    lbs: Option<Endpoint>,
    #[command(flatten)]
    plain: PlainDevice,
    /// The wait of a smart device or a plain client after its first failure; after the n-th it is n times this, give or
    /// take half.
    #[arg(long, value_name = "SECS", default_value = "2", conflicts_with = "state", value_parser = retry_base)]
    wait_unit: f64,
    /// A sub-device behind a smart device that was made with --hub; may be given several times.
    #[arg(long, value_name = "SERIAL=MODEL", requires = "osap")]
    child: Vec<String>,
    /// Where the device is reached; bootstrap servers are looked for in the same family of addresses.
    #[arg(long, default_value = "0.0.0.0:0")]
    listen: SocketAddr,
    /// A bootstrap server and where it is; others are found by domain name, at port 49684. A bootstrap server
    /// run by `serve` listens at 127.0.0.1:49684 unless configured otherwise.
    #[arg(long, value_name = "ID=HOST:PORT")]
    resolve: Vec<KnownServer>,
    /// What follows the server's number in its domain name.
    #[arg(long, default_value = BOOTSTRAP_SUFFIX)]
    suffix: String,
    /// The first wait before the bootstrap server is asked again; all waits that double scale with it.
    #[arg(long, value_name = "SECS", default_value = "30", value_parser = retry_base)]
    retry_base: f64,
    /// Where user data is: it is emptied between two owners. In the state's folder unless given.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The same as --json.
    #[arg(long)]
    jsonl: bool,
}

/// Print what the device remembers of its life, oldest first: one line an entry.
///
/// Examples:
///   thingstead device log --state lamp
///   thingstead device log --state lamp --json
#[derive(Args)]
#[command(verbatim_doc_comment)]
struct Log {
    /// The folder that the device lives in.
    #[arg(long)]
    state: PathBuf,
}

impl Log {
    fn run(self, output: Output) -> Outcome {
        for entry in audit_log::entries(&self.state)? {
            let millis = entry.at.as_unix_millis();
            if output.json {
                let document = serde_json::json!({
                    "unix_millis": millis,
                    "role": entry.role,
                    "actor": entry.actor,
                    "operation": entry.operation,
                    "device": entry.device.map(|device| device.to_string()),
                    "result": entry.result,
                    "correlation": entry.correlation.to_string(),
                });
                print_line(document);
            } else {
                print_line(format_args!(
                    "{}\t{}\t{}",
                    super::audit::time_of(millis),
                    entry.operation,
                    entry.result
                ));
            }
        }
        Ok(())
    }
}

pub(super) fn retry_base(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    if (0.01..=3600.0).contains(&seconds) { Ok(seconds) } else { Err("from 0.01 to 3600 seconds".into()) }
}

impl Run {
    fn run(self, output: Output) -> Outcome {
        let json = output.json || self.jsonl;
        if self.plain.is_meant() {
            return self.plain.play(self.wait_unit, json);
        }
        let state = match (self.osap, self.lbs, self.state) {
            (Some(folder), Some(lbs), _) => {
                return smart::play((folder, self.child), lbs, self.wait_unit, json);
            }
            (_, _, Some(state)) => state,
            (_, _, None) => return Err(Failure::new("state-missing", "--state")),
        };
        let setup = run::Setup {
            state,
            data: self.data,
            listen: self.listen,
            servers: Servers { table: self.resolve, suffix: self.suffix },
            settings: scaled(self.retry_base),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new("internal", "the runtime").because(error))?;
        let voice = Voice::start(json);
        let outcome = runtime.block_on(run::run(setup, provider(), &voice));
        voice.finish();
        // a lookup that hangs in the system's resolver is not waited for
        runtime.shutdown_background();
        outcome
    }
}

/// The defaults are those of a first wait of 30 s.
fn scaled(retry_base: f64) -> Settings {
    let plain = Settings::default();
    let scale = |wait: Duration| wait.mul_f64(retry_base / plain.bootstrap_after.as_secs_f64());
    Settings {
        bootstrap_after: scale(plain.bootstrap_after),
        bootstrap_after_max: scale(plain.bootstrap_after_max),
        reconnect_after: scale(plain.reconnect_after),
        reconnect_after_max: scale(plain.reconnect_after_max),
        ..plain
    }
}

/// Show what a device keeps, without its secrets, whether it runs or not.
#[derive(Args)]
struct Show {
    /// The folder that the device lives in.
    #[arg(long)]
    state: PathBuf,
}

impl Show {
    fn run(self, output: Output) -> Outcome {
        let status = Status::read(&self.state, &provider())?;
        if output.json {
            print_line(status.to_json());
        } else if output.quiet {
            print_line(status.device());
        } else {
            for line in status.lines() {
                print_line(line);
            }
        }
        Ok(())
    }
}

/// Forget keys, channels, parameters and user data of a device that is switched off.
///
/// What it remembers of its owners stays: an earlier owner's image is refused afterwards as before. Its own
/// key, UUID and bootstrap server never change.
#[derive(Args)]
struct Reset {
    /// The folder that the device lives in.
    #[arg(long)]
    state: PathBuf,
    /// Where user data is, unless in the state's folder.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

impl Reset {
    fn run(self, output: Output) -> Outcome {
        let device = Status::read(&self.state, &provider())?.device();
        if !self.yes {
            confirm(&device)?;
        }
        reset::reset(&self.state, self.data.as_deref(), &provider())?;
        if output.json {
            print_line(serde_json::json!({ "device": device, "reset": true }));
        } else {
            print_line(device);
        }
        Ok(())
    }
}

/// Has a person type the UUID.
fn confirm(device: &str) -> Outcome {
    if !io::stdin().is_terminal() {
        return Err(Failure::new("not-confirmed", device));
    }
    eprintln!("Keys, channels, parameters and user data of {device} will be lost.");
    eprint!("Type the UUID to go on: ");
    let mut typed = String::new();
    let read = io::stdin().lock().read_line(&mut typed);
    match read {
        Ok(_) if typed.trim().eq_ignore_ascii_case(device) => Ok(()),
        Ok(_) | Err(_) => Err(Failure::new("not-confirmed", device)),
    }
}
