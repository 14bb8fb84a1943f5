//! `thingstead demo`: four devices from the factory line to their second owner, and three smart devices and a plain
//! MQTT sensor at the second owner's load balancer and broker: over the real protocols, between real processes that
//! share nothing but sockets and the folders of the air gap.

mod devices;
mod peril;
mod places;
mod ports;
mod refusals;
mod sensor;
mod servers;
mod smart;
pub(crate) mod stage;
mod timeline;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Output;
use crate::failure::{Failure, Outcome};
use crate::files;
use devices::{Fleet, Part};
use servers::Servers;
use stage::Stage;

/// Watch four devices live: made, claimed, bootstrapped, in service, handed to a new owner.
///
/// Two smart devices (a door lock, a radar) then prove themselves to the second owner by OSAP; the lock is read
/// and opened. A plain MQTT 5 sensor connects to the second owner's broker, and its temperature is read. A stranger is
/// refused at both, let in for a while, and refused again. A camera of the old protocol, which protects nothing, is let
/// in by a listener of its own, marked, and the risk is shown.
///
/// Starts a registration server, a bootstrap server, an identity server (no socket: two folders), two
/// management systems and four devices (shared secret, P-256, P-384, RSA-2048), each a process of its own.
/// Nothing has to be installed or running. The timeline at the end is read from the audit logs that the
/// servers and devices stored.
///
/// Examples:
///   thingstead demo
///   thingstead demo --keep            leaves everything running and prints the addresses
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Demo {
    /// Leave everything running until Ctrl-C, with the addresses printed.
    #[arg(long)]
    keep: bool,
    /// Play in this folder, which must not exist, and leave it; otherwise a temporary one is removed
    /// when all went well.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Switch one server off after the set-up, to see what fails and how it is said.
    #[arg(long, value_enum, hide = true)]
    without: Option<Part>,
    /// Kill servers and devices at random points, drawn from this seed, and start each again at once.
    #[arg(long, value_name = "N", hide = true, conflicts_with = "without")]
    kill_seed: Option<u64>,
    /// How many are killed.
    #[arg(long, value_name = "COUNT", hide = true, requires = "kill_seed", default_value_t = 12)]
    kills: usize,
}

/// The steps a person sees, in order.
const STEPS: u64 = 14;

/// Says which step is under way: a bar on a terminal, a line per step elsewhere.
pub(crate) struct Progress {
    bar: ProgressBar,
    began: Instant,
    quiet: bool,
}

impl Progress {
    fn start(output: Output) -> Self {
        let quiet = output.json || output.quiet;
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(STEPS) };
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, began: Instant::now(), quiet }
    }

    fn step(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        if self.bar.is_hidden() && !self.quiet {
            eprintln!("{:>6.2} s  {what}", self.began.elapsed().as_secs_f64());
        }
    }

    fn done(&self) {
        self.bar.inc(1);
    }
}

/// Servers as the demo has them, for measurements: enrolled in `folder` and ended again, as by a loss of power.
/// Their configurations and stores stay. Gives how long each management system took to its first listening.
pub(crate) fn enrolled_servers(folder: &Path) -> Outcome<Vec<Duration>> {
    files::make_folder(&folder.join("log"))?;
    let stage = Stage::new(folder.to_owned())?;
    let progress = Progress::start(Output { json: false, quiet: true });
    let servers = Servers::set_up(&stage, &progress)?;
    Ok(servers.first_starts.to_vec())
}

/// The smart devices of the demo and their owner's server, for measurements; they end with this value.
pub(crate) struct SmartOwner {
    stage: Stage,
    servers: Servers,
    devices: Vec<smart::SmartDevice>,
}

/// Servers and smart devices as the demo has them, connected, in `folder`.
pub(crate) fn smart_owner(folder: &Path) -> Outcome<SmartOwner> {
    files::make_folder(&folder.join("log"))?;
    let stage = Stage::new(folder.to_owned())?;
    let progress = Progress::start(Output { json: false, quiet: true });
    let servers = Servers::set_up(&stage, &progress)?;
    let devices = smart::join(&stage, &servers, &progress)?;
    Ok(SmartOwner { stage, servers, devices })
}

impl SmartOwner {
    /// A connection with the rights of the owner.
    pub(crate) async fn connect(&self) -> Outcome<net::https_client::Connection> {
        smart::operator(&self.stage, &self.servers)?.connect().await
    }

    /// The thing that is the door lock, which speaks the secure profile.
    pub(crate) fn thing(&self) -> &str {
        &self.devices[0].thing
    }

    /// One of its properties.
    pub(crate) const fn property(&self) -> &'static str {
        "locked"
    }
}

impl Demo {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let folder = self.place()?;
        files::make_folder(&folder.join("log"))?;
        let mut stage = Stage::new(folder.clone())?;
        if let Some(seed) = self.kill_seed {
            stage = stage.in_peril(seed, self.kills);
        }
        let played = self.play(&stage, output);
        if played.is_ok() && self.folder.is_none() {
            return std::fs::remove_dir_all(&folder).map_err(|error| {
                Failure::new("file-unwritable", folder.display().to_string()).because(error)
            });
        }
        // After a failure the folder stays: the logs in it are what is to be looked at.
        played
    }

    fn place(&self) -> Outcome<PathBuf> {
        match &self.folder {
            Some(folder) if folder.exists() => {
                Err(Failure::new("already-there", folder.display().to_string()))
            }
            Some(folder) => {
                files::make_folder(folder)?;
                std::path::absolute(folder).map_err(|error| {
                    Failure::new("file-unwritable", folder.display().to_string()).because(error)
                })
            }
            None => {
                let mut dice =
                    net::seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
                let name = format!("thingstead-demo-{}", model::hex(&dice.bytes::<6>()));
                let folder = std::env::temp_dir().join(name);
                files::make_folder(&folder)?;
                Ok(folder)
            }
        }
    }

    fn play(&self, stage: &Stage, output: Output) -> Outcome {
        let progress = Progress::start(output);
        let mut servers = Servers::set_up(stage, &progress)?;
        if let Some(part) = self.without {
            servers.switch_off(part);
        }
        let mut fleet = Fleet::default();
        let lived = self.live(stage, &mut servers, &mut fleet, &progress, output);
        // What ended unasked is named while everything else still runs.
        lived.map_err(|failure| stage.away().into_iter().fold(failure, Failure::and))
    }

    fn live(
        &self,
        stage: &Stage,
        servers: &mut Servers,
        fleet: &mut Fleet,
        progress: &Progress,
        output: Output,
    ) -> Outcome {
        devices::make(stage, servers, fleet, progress)?;
        devices::first_owner(stage, servers, fleet, progress)?;
        devices::second_owner(stage, servers, fleet, progress)?;
        if let Some(peril) = stage.peril() {
            peril.end();
        }
        devices::look_at_each(stage, servers, fleet)?;
        // Killing is tried on the four: these have tests of their own.
        let smart = if stage.peril().is_none() && self.without.is_none() {
            let smart = smart::join(stage, servers, progress)?;
            let sensor = sensor::join(stage, servers, progress)?;
            smart::use_and_share(stage, servers, (&smart, &sensor), progress)?;
            smart::show_the_old_one(stage, servers, &smart, progress)?;
            Some((smart, sensor))
        } else {
            None
        };
        progress.step("the first owner is refused, and what happened is read from the stored logs");
        servers.rest_identity();
        let entries = timeline::read(stage, servers, fleet)?;
        if stage.peril().is_none() {
            refusals::by_the_devices(stage, fleet)?;
        }
        refusals::by_the_authority(stage, servers, fleet)?;
        progress.done();
        progress.bar.finish_and_clear();
        timeline::show(stage, &entries, fleet, smart.as_ref(), output, progress.began.elapsed());
        if self.keep {
            servers.wake(stage)?;
            keep(stage, servers);
        }
        Ok(())
    }
}

/// Waits for the end of standard input or Ctrl-C, which ends this process and with it the others.
fn keep(stage: &Stage, servers: &Servers) {
    eprintln!("\nEverything keeps running in {}:", stage.path("").display());
    for (what, at) in servers.addresses() {
        eprintln!("  {what:<30}{at}");
    }
    for (what, said) in servers.consoles(stage) {
        eprintln!("  {what:<30}{said}");
    }
    eprintln!("Ctrl-C ends it.");
    loop {
        std::thread::park_timeout(Duration::from_secs(3600));
    }
}
