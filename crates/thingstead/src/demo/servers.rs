//! The servers of the demo: started, enrolled, and switched off on demand.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Outcome};

use super::Progress;
use super::devices::Part;
use super::places::{self, OWNERS, Ports};
use super::stage::{Actor, PAUSE, Stage};

/// Every server process.
pub(crate) struct Servers {
    pub(crate) ports: Ports,
    pub(crate) identity: Option<Actor>,
    pub(crate) registration: Option<Actor>,
    pub(crate) bootstrap: Option<Actor>,
    pub(crate) owners: [Option<Actor>; 2],
    /// What each management system took to its first listening, its keys included.
    pub(crate) first_starts: [Duration; 2],
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}

impl Servers {
    /// Makes the authority, enrols its servers, starts both management systems.
    pub(crate) fn set_up(stage: &Stage, progress: &Progress) -> Outcome<Self> {
        progress.step("an authority is made: roots, bundle, system CA");
        let ports = Ports::choose()?;
        places::write_configurations(stage, &ports)?;
        let (identity, public) = (text(&stage.path("identity")), text(&stage.path("public")));
        stage.run("identity-init", &["identity", "init", "--data", &identity, "--out", &public])?;
        list_station(stage, &identity)?;
        progress.done();
        progress.step("its servers are enrolled across the air gap");
        let mut registration = start(stage, "registration")?;
        let mut bootstrap = start(stage, "bootstrap")?;
        for role in ["registration", "bootstrap"] {
            enrol(stage, role, &identity)?;
        }
        let identity = watch(stage)?;
        ready(&mut registration, "registration")?;
        ready(&mut bootstrap, "bootstrap")?;
        progress.done();
        progress.step("two management systems register with the owner gateway");
        let (mut owners, mut first_starts) = (Vec::new(), [Duration::ZERO; 2]);
        let began = Instant::now();
        for name in OWNERS {
            owners.push(start(stage, name)?);
        }
        for (owner, took) in owners.iter_mut().zip(&mut first_starts) {
            ready(owner, "management")?;
            *took = began.elapsed();
        }
        let mut owners = owners.into_iter().map(Some);
        progress.done();
        Ok(Self {
            ports,
            identity: Some(identity),
            registration: Some(registration),
            bootstrap: Some(bootstrap),
            owners: std::array::from_fn(|_| owners.next().flatten()),
            first_starts,
        })
    }

    /// Ends one server.
    pub(crate) fn switch_off(&mut self, part: Part) {
        let place = match part {
            Part::Identity => &mut self.identity,
            Part::Registration => &mut self.registration,
            Part::Bootstrap => &mut self.bootstrap,
            Part::OwnerA => &mut self.owners[0],
            Part::OwnerB => &mut self.owners[1],
        };
        drop(place.take());
    }

    /// Ends the watch of the identity server, so that its store can be read.
    pub(crate) fn rest_identity(&mut self) {
        if let Some(watch) = self.identity.take() {
            watch.rest();
        }
    }

    /// Ends the first owner's management system, so that its store can be read.
    pub(crate) fn rest_first_owner(&mut self) {
        if let Some(owner) = self.owners[0].take() {
            owner.rest();
        }
    }

    /// Starts again what rests.
    pub(crate) fn wake(&mut self, stage: &Stage) -> Outcome {
        if self.owners[0].is_none() {
            let mut owner = start(stage, OWNERS[0])?;
            ready(&mut owner, "management")?;
            self.owners[0] = Some(owner);
        }
        if self.identity.is_none() {
            self.identity = Some(watch(stage)?);
        }
        Ok(())
    }

    /// Where everything listens, for people.
    pub(crate) fn addresses(&self) -> Vec<(String, String)> {
        let ports = &self.ports;
        let mut all = vec![
            ("maker gateway (https)".into(), places::at(ports.maker_gateway)),
            ("owner gateway (https)".into(), places::at(ports.owner_gateway)),
            ("registration operator (https)".into(), places::at(ports.registration_platform)),
            ("bootstrap devices (coaps)".into(), places::at(ports.bootstrap_devices)),
            ("bootstrap operator (https)".into(), places::at(ports.bootstrap_platform)),
        ];
        all.push(("load balancer (osap)".into(), places::at(ports.lbs)));
        all.push(("access service (mqtts)".into(), places::at(ports.das)));
        all.push(("broker (mqtts)".into(), places::at(ports.mqtt)));
        all.push(("old load balancer (osap type 1)".into(), places::at(ports.lbs_compat)));
        all.push(("old access service (mqtt)".into(), places::at(ports.das_compat)));
        for (owner, name) in OWNERS.into_iter().enumerate() {
            all.push((format!("{name} operator (https)"), places::at(ports.owner_platforms[owner])));
            all.push((format!("{name} channels (coaps)"), places::at(ports.owner_channels[owner])));
        }
        all
    }
}

impl Servers {
    /// The console of each owner, with the link that makes its first administrator.
    pub(crate) fn consoles(&self, stage: &Stage) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for (owner, name) in OWNERS.into_iter().enumerate() {
            let at = places::at(self.ports.owner_platforms[owner]);
            all.push((format!("{name} console"), format!("https://{at}/ui/")));
            // One whose first administrator is there has no link.
            if let Ok(link) = std::fs::read_to_string(stage.path(format!("{name}/activation"))) {
                all.push((format!("{name} activation"), link.trim_end().replace('\n', " ")));
            }
        }
        all
    }
}

/// The identity server as it watches the folder of the gap.
fn watch(stage: &Stage) -> Outcome<Actor> {
    let identity = text(&stage.path("identity"));
    let (inbox, outbox) =
        (text(&stage.path("gap/from-registration")), text(&stage.path("gap/from-identity")));
    let watch =
        ["identity", "import", "--data", &identity, "--gap-in", &inbox, "--gap-out", &outbox, "--watch"];
    stage.start("identity", &watch)
}

/// Makes the maker's station and lists it, while nobody else has the identity server's store open.
fn list_station(stage: &Stage, identity: &str) -> Outcome {
    let (maker, bundle) = (text(&stage.path("maker")), text(&stage.path("public/ta.bundle")));
    stage.run(
        "maker-station",
        &["maker", "station", "--data", &maker, "--bundle", &bundle, "--maker", "new"],
    )?;
    let station = text(&stage.path("maker/station.file"));
    stage.run("identity-stations", &["identity", "stations", "add", &station, "--data", identity]).map(drop)
}

fn start(stage: &Stage, name: &str) -> Outcome<Actor> {
    let configuration = text(&stage.path(format!("{name}.toml")));
    stage.start(name, &["serve", "--config", &configuration])
}

/// Waits until a role says that it listens.
fn ready(actor: &mut Actor, role: &str) -> Outcome {
    let line = format!("ready {role}");
    actor.wait_for(&format!("{role} server listens"), |seen| seen.starts_with(&line).then_some(()))
}

/// Plays the operator: finds the server's request, compares the fingerprint that the server printed, and has
/// the identity server enrol it. A server that was started again has written and printed another request.
fn enrol(stage: &Stage, role: &str, identity: &str) -> Outcome {
    stage.step_begins("identity-enrol");
    let deadline = Instant::now() + stage.step_time();
    loop {
        let Some(command) = wait_for_last(stage, role, "thingstead identity enrol ", deadline) else {
            let missing = Failure::new("step-missing", format!("{role} server asks to be enrolled"));
            return Err(stage.away().into_iter().fold(missing, Failure::and));
        };
        let mut words = command.split_whitespace().skip_while(|word| *word != "enrol").skip(1);
        let (file, fingerprint) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default());
        let answers = text(&stage.path("gap/from-identity"));
        let enrol = [
            "identity",
            "enrol",
            file,
            "--fingerprint",
            fingerprint,
            "--data",
            identity,
            "--gap-out",
            &answers,
        ];
        match (stage.attempt(&format!("identity-enrol-{role}"), &enrol)?, stage.peril()) {
            (Ok(_), _) => return Ok(()),
            (Err(_), Some(peril)) if Instant::now() < deadline => peril.repeated(),
            (Err(unsuccessful), _) => return Err(unsuccessful.failure),
        }
        std::thread::sleep(PAUSE);
    }
}

/// The last line of a server's log with `part` in it, as soon as one stands there; `None` when none came in
/// time, or a server has ended.
fn wait_for_last(stage: &Stage, role: &str, part: &str, deadline: Instant) -> Option<String> {
    loop {
        let has_ended = !stage.away().is_empty();
        let written = std::fs::read_to_string(stage.log_of(role)).unwrap_or_default();
        // A line is whole once its end is written.
        let whole = written.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let line = whole.lines().rfind(|line| line.contains(part)).map(str::to_owned);
        if line.is_some() || has_ended || Instant::now() >= deadline {
            return line;
        }
        std::thread::sleep(PAUSE);
    }
}
