//! A smart device that runs: its machine, its streams, its folder, lines of a person, signals.
//!
//! All that the machine wants done is done in its order on one thread, so that nothing that depends on a write
//! goes out before the write is safe.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agent::osap::{NotTaken, Order, SmartDevice, SmartEvent, SmartOutput, SmartSettings};
use crypto::Provider;
use net::https_client::Endpoint;
use net::now::Clock;
use net::seed;
use net::shutdown::StopSignals;
use net::tls::TlsIdentity;
use osap_proto::Serial;
use osap_things::{Child, DesiredValue, Node, Place};
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;

use super::carriage::{self, Carriage, Errand};
use super::lines::{self, KNOWN, Line};
use super::models::Model;
use super::play::Play;
use super::said;
use super::storage::{CERTIFICATE_FILE, SmartStorage};
use super::streams::{StreamSaid, Streams, Ways};
use crate::device::until;
use crate::device::voice::{Said, Voice};
use crate::failure::{Failure, Outcome};
use crate::files;

/// How a smart device is to run.
pub(crate) struct Setup {
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// The load balancer.
    pub(crate) lbs: Endpoint,
    /// The first wait after a failure, seconds.
    pub(crate) wait_unit: Duration,
    /// The sub-devices behind it from the start, with their models.
    pub(crate) children: Vec<(Serial, Model)>,
}

enum Input {
    Stream(StreamSaid),
    Line(Option<Line>),
    Carried(Said),
    Deadline,
    Signal,
}

/// A sub-device behind the device.
struct SubDevice {
    play: Play,
    is_connected: bool,
}

struct Running<'a> {
    device: SmartDevice,
    storage: SmartStorage,
    ways: Ways,
    streams: Streams,
    play: Play,
    children: BTreeMap<Serial, SubDevice>,
    carriage: Carriage,
    clock: Clock,
    voice: &'a Voice,
    is_off: bool,
}

/// Runs a smart device until it is switched off.
///
/// # Errors
/// Those of its folder; `state-damaged` when its state is none that this program knows. A state that cannot be
/// written ends the run: a device that forgets must not go on.
pub(crate) async fn run(setup: Setup, provider: Arc<dyn Provider>, voice: &Voice) -> Outcome {
    let (storage, found) = SmartStorage::open(&setup.folder, &provider)?;
    let play = Play::new(Node::Device, Model::read(&setup.folder)?);
    let signals =
        StopSignals::listen().map_err(|error| Failure::new("internal", "signals").because(error))?;
    let clock = Clock::start();
    for path in &found.damaged {
        let path = path.display().to_string();
        voice.say(&Said::new("event-damaged", format!("{path} cannot be read")).with("file", path));
    }
    let dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let settings = SmartSettings { wait_unit: setup.wait_unit, ..SmartSettings::default() };
    let device =
        SmartDevice::start(found.state.expose(), found.events, settings, provider, dice, clock.now());
    let device = device
        .map_err(|error| Failure::new("state-damaged", setup.folder.display().to_string()).because(error))?;
    let serial = String::from_utf8_lossy(device.serial().as_bytes()).into_owned();
    voice.say(
        &Said::new("playing", format!("{} {serial}, load balancer {}", play.title(), setup.lbs))
            .with("serial", serial)
            .with("title", play.title())
            .with("lbs", setup.lbs.to_string()),
    );
    let identity = identity_of(&setup.folder, &device)?;
    let ways = Ways { lbs: setup.lbs, identity };
    let (streams, said) = Streams::new();
    let (carriage, carried) = Carriage::new();
    let children = BTreeMap::new();
    let mut running =
        Running { device, storage, ways, streams, play, children, carriage, clock, voice, is_off: false };
    running.tell_all_values();
    for (serial, model) in setup.children {
        let taken = running.child(serial, model, Some(true));
        running.say_not_taken(taken.err());
    }
    running.until_off(signals, lines::listen(), said, carried).await
}

/// The certificate of a device that has one: for the key in the same file, or for that of the device.
fn identity_of(folder: &Path, device: &SmartDevice) -> Outcome<Option<TlsIdentity>> {
    let path = folder.join(CERTIFICATE_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let file = files::read_pem(&path)?;
    let key = file.key.as_ref().or(device.key_pair());
    let key = key.ok_or_else(|| files::malformed(&path, "there is no private key for it"))?;
    let identity = TlsIdentity::new(&file.certificates, key);
    identity.map(Some).map_err(|error| files::malformed(&path, &error.to_string()))
}

impl Running<'_> {
    async fn until_off(
        mut self,
        mut signals: StopSignals,
        mut lines: Receiver<Line>,
        mut said: Receiver<StreamSaid>,
        mut carried: Receiver<Said>,
    ) -> Outcome {
        let mut lines_open = true;
        loop {
            self.drain()?;
            if self.is_off {
                break;
            }
            let due = self.device.next_deadline().map(|at| self.clock.instant_of(at));
            let input = tokio::select! {
                _ = signals.next() => Input::Signal,
                Some(said) = said.recv() => Input::Stream(said),
                line = lines.recv(), if lines_open => Input::Line(line),
                Some(said) = carried.recv() => Input::Carried(said),
                () = until(due) => Input::Deadline,
            };
            let now = self.clock.now();
            match input {
                Input::Stream(StreamSaid::Opened { stream, exporter }) => {
                    self.device.opened(stream, exporter, now);
                }
                Input::Stream(StreamSaid::Bytes { stream, bytes }) => {
                    self.device.receive(stream, &bytes, now);
                }
                Input::Stream(StreamSaid::Closed { stream, why }) => {
                    if let Some(why) = why {
                        let why = why.to_string();
                        self.voice.say(
                            &Said::new("stream-failed", format!("stream {stream}: {why}")).with("why", why),
                        );
                    }
                    self.streams.close(stream);
                    self.device.closed(stream, now);
                }
                Input::Line(Some(line)) => self.take(line),
                Input::Line(None) => lines_open = false,
                Input::Carried(said) => {
                    self.carriage.ended();
                    self.voice.say(&said);
                }
                Input::Deadline => self.device.expire(now),
                Input::Signal => self.device.power_off(now),
            }
        }
        self.streams.finish(said).await;
        self.voice.say(&Said::new("off", "switched off"));
        Ok(())
    }

    /// Does all that the device wants, in order.
    fn drain(&mut self) -> Outcome {
        while let Some(output) = self.device.next_output() {
            match output {
                SmartOutput::Open { stream, target } => {
                    self.streams.open(stream, self.ways.clone().to(target));
                }
                SmartOutput::Transmit { stream, bytes } => self.streams.transmit(stream, bytes),
                SmartOutput::Close { stream } => self.streams.close(stream),
                SmartOutput::Persist { write, bytes } => {
                    self.storage.write(&bytes)?;
                    self.device.persisted(write, self.clock.now());
                }
                SmartOutput::KeepEvent { write, number, bytes } => {
                    self.storage.keep(number, &bytes)?;
                    self.device.persisted(write, self.clock.now());
                }
                SmartOutput::ForgetEvent { number } => self.storage.forget(number),
                SmartOutput::Order(order) => self.order(&order),
                SmartOutput::Desired { node, resource, values } => {
                    for DesiredValue { area, identifier, value } in values {
                        if let Ok(place) = Place::new(resource.clone(), &area, &identifier) {
                            self.wanted(&node, &place, value);
                        }
                    }
                }
                // The platform's operations for devices are about files; nothing else is called here.
                SmartOutput::Event(SmartEvent::CallEnded { call, result }) => {
                    let said = self.carriage.answered(call, result.as_ref());
                    said.iter().for_each(|said| self.voice.say(said));
                }
                SmartOutput::Event(event) => self.voice.say(&said::of(&event)),
                SmartOutput::Off => self.is_off = true,
            }
        }
        Ok(())
    }

    fn order(&mut self, order: &Order) {
        let done = self.played(&order.node).order(order);
        self.voice.say(&said::of_order(order, &done.name, &done.result));
        let now = self.clock.now();
        for (place, value) in done.changed {
            let told = self.device.set_attribute(order.node.clone(), place, value, now);
            self.say_not_taken(told.err());
        }
        let answered = self.device.answer(order.number, done.result, now);
        self.say_not_taken(answered.err());
    }

    /// What an order is for; the device itself refuses those for sub-devices that are not there.
    fn played(&mut self, node: &Node) -> &mut Play {
        match node {
            Node::Child(serial) => match self.children.get_mut(serial).filter(|child| child.is_connected) {
                Some(child) => &mut child.play,
                None => &mut self.play,
            },
            Node::Device => &mut self.play,
        }
    }

    /// A value that the platform wanted while the device was away.
    fn wanted(&mut self, node: &Node, place: &Place, value: Value) {
        let kind = agent::osap::OrderKind::Set(value);
        let order = Order { number: 0, node: node.clone(), place: place.clone(), kind };
        let done = self.played(node).order(&order);
        self.voice.say(&said::of_order(&order, &done.name, &done.result));
        for (place, value) in done.changed {
            let told = self.device.set_attribute(node.clone(), place, value, self.clock.now());
            self.say_not_taken(told.err());
        }
    }

    fn tell_all_values(&mut self) {
        let now = self.clock.now();
        for (place, value) in self.play.values() {
            // Values of a model are within its limits.
            let _told = self.device.set_attribute(Node::Device, place.clone(), value.clone(), now);
        }
    }

    fn take(&mut self, line: Line) {
        let now = self.clock.now();
        let taken = match line {
            Line::Set(..) | Line::Event(..) => return self.happens(Node::Device, line),
            Line::AtChild(serial, line) => match Serial::new(serial.as_bytes()).and_then(Node::child) {
                Some(node) => return self.happens(node, *line),
                None => return self.say_unknown(&serial),
            },
            Line::Refuse(refuses) => {
                self.play.refuses = refuses;
                Ok(())
            }
            Line::Child(serial, state) => match Serial::new(serial.as_bytes()) {
                Some(serial) => {
                    let model = self.play.model().clone();
                    self.child(serial, model, state)
                }
                None => return self.say_unknown(&serial),
            },
            Line::Bring(path) => return self.carry(Errand::Bring(path), ""),
            Line::Fetch(file, path) => return self.carry(Errand::Fetch(path), &file),
            Line::Enrol => {
                if self.device.enrol_again(now) {
                    Ok(())
                } else {
                    Err(NotTaken::NoOrder)
                }
            }
            Line::Status => return self.voice.say(&self.standing()),
            Line::PowerOff => {
                self.device.power_off(now);
                Ok(())
            }
            Line::Unknown => {
                let sentence = format!("no such line; there are: {}", KNOWN.join(", "));
                return self.voice.say(&Said::new("unknown-line", sentence).with("known", KNOWN.to_vec()));
            }
        };
        self.say_not_taken(taken.err());
    }

    /// Asks the platform for what a file needs to come or go.
    fn carry(&mut self, errand: Errand, file: &str) {
        let asked = if self.carriage.has_room() {
            carriage::asks_for(&errand, file).map_err(|failure| errand.failed(&failure.in_a_line()))
        } else {
            Err(errand.failed("as many files as may be are on their way"))
        };
        match asked {
            Ok((place, input)) => match self.device.call(Node::Device, place, input, self.clock.now()) {
                Ok(call) => self.carriage.asked(call, errand),
                Err(why) => self.say_not_taken(Some(why)),
            },
            Err(said) => self.voice.say(&said),
        }
    }

    /// A value or an event at the device or at a sub-device.
    fn happens(&mut self, node: Node, line: Line) {
        if let Node::Child(serial) = &node
            && !self.children.contains_key(serial)
        {
            let serial = String::from_utf8_lossy(serial.as_bytes()).into_owned();
            return self.say_unknown(&serial);
        }
        let now = self.clock.now();
        let play = match &node {
            Node::Child(serial) => self.children.get_mut(serial).map(|child| &mut child.play),
            Node::Device => None,
        };
        let play = play.unwrap_or(&mut self.play);
        let taken = match line {
            Line::Set(name, value) => match play.property(&name).cloned() {
                Some(place) => {
                    play.set(&place, value.clone());
                    self.device.set_attribute(node, place, value, now)
                }
                None => return self.say_unknown(&name),
            },
            Line::Event(name, data) => match play.event(&name).cloned() {
                Some(place) => self.device.raise(node, place, data, now).map(|_| ()),
                None => return self.say_unknown(&name),
            },
            _ => return,
        };
        self.say_not_taken(taken.err());
    }

    /// A sub-device comes, goes offline or is no more; a new one is of `model`.
    fn child(&mut self, serial: Serial, model: Model, state: Option<bool>) -> Result<(), NotTaken> {
        let now = self.clock.now();
        let mut is_back = false;
        match state {
            Some(is_connected) => {
                let Some(node) = Node::child(serial.clone()) else { return Err(NotTaken::TooLarge) };
                let new = || SubDevice { play: Play::new(node, model), is_connected: false };
                let child = self.children.entry(serial.clone()).or_insert_with(new);
                is_back = is_connected && !child.is_connected;
                child.is_connected = is_connected;
            }
            None => {
                self.children.remove(&serial);
            }
        }
        let told = |(serial, child): (&Serial, &SubDevice)| Child {
            serial: serial.clone(),
            is_connected: child.is_connected,
        };
        let told = self.device.set_children(self.children.iter().map(told).collect(), now);
        if told.is_err() {
            self.children.remove(&serial);
            return told;
        }
        if let Some(child) = self.children.get(&serial).filter(|_| is_back) {
            for (place, value) in child.play.values() {
                self.device.set_attribute(child.play.node().clone(), place.clone(), value.clone(), now)?;
            }
        }
        Ok(())
    }

    fn say_unknown(&self, name: &str) {
        let sentence = format!("the model has nothing called {name}");
        self.voice.say(&Said::new("unknown-name", sentence).with("name", name));
    }

    fn say_not_taken(&self, error: Option<NotTaken>) {
        let (name, sentence) = match error {
            None => return,
            Some(NotTaken::TooLarge) => ("too-large", "it is over 64 KiB"),
            Some(NotTaken::TooMany) => ("too-many", "there are too many of its kind"),
            Some(NotTaken::NoOrder) => ("not-possible", "this device cannot do that"),
            Some(NotTaken::NoHub) => ("no-hub", "this device was not made as a hub"),
            Some(NotTaken::Off) => ("off", "the device is switched off"),
        };
        self.voice.say(&Said::new("not-taken", sentence).with("why", name));
    }

    fn standing(&self) -> Said {
        let (is_online, waiting) = (self.device.is_online(), self.device.waiting_events());
        let word = if is_online { "online" } else { "offline" };
        let values: serde_json::Map<String, Value> =
            self.play.values().map(|(place, value)| (place.identifier().to_owned(), value.clone())).collect();
        Said::new("status", format!("{word}, {waiting} events wait, {}", json!(values)))
            .with("online", is_online)
            .with("waiting_events", waiting)
            .with("values", values)
    }
}
