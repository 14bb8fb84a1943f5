//! A plain MQTT 5 client that is a thing, as anybody could write one with a client of their own.
//!
//! ```text
//! CONNECT (user name, password)           ->
//! SUBSCRIBE things/{id}/orders/#          ->
//! PUBLISH things/{id}/properties/{name}   ->   the newest value of each, QoS 1
//! PUBLISH things/{id}/events/{name}       ->   with an id, by which one that comes twice is known
//!         <-   things/{id}/orders/{order}/set|get|call/{name}
//! PUBLISH things/{id}/answers/{order}     ->
//! ```
//!
//! Its sessions end with their connections: what was not acknowledged is said anew in the next one.

mod order;
mod room;
mod saying;
mod standing;
mod waiting;

use std::time::Duration;

use agent::osap::wait_after;
use clock::{Dice, Moment, Now, Timestamp};
use crypto::Secret;
use model::Uuid;
use mqtt_proto::{
    Client, ClientEnd, ClientOutput, ConnectOptions, Incoming, Limits, NotSent, PacketId, Password, QoS,
    ReasonCode, SignIn, SubscriptionOptions, Version,
};
use net::https_client::Endpoint;
use net::now::Clock;
use net::seed;
use net::shutdown::StopSignals;
use net::stream_client::open_under;
use osap_things::{Node, Place};
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;
use tokio::time::{MissedTickBehavior, interval};

use super::lines::{self, Line};
use super::models::Model;
use super::play::Play;
use super::said;
use super::streams::{StreamSaid, Streams};
use crate::device::until;
use crate::device::voice::{Said, Voice};
use crate::failure::{Failure, Outcome};
use room::Room;
use waiting::{News, Waiting};

/// A connection has to stand after this, TLS included.
const OPEN_TIME_MAX: Duration = Duration::from_secs(10);
const KEEP_ALIVE_SECS: u16 = 30;
/// What this device measures, when its model has it, and above which value it says that it is too much.
const MEASURED: &str = "temperature";
const LIMIT: &str = "tooWarmAbove";
const TOO_MUCH: &str = "tooWarm";

/// How a plain client is to run.
pub(crate) struct Setup {
    /// The broker, over TLS.
    pub(crate) server: Endpoint,
    /// Whose certificates it may show (DER).
    pub(crate) roots: Vec<Vec<u8>>,
    /// Its user name, which is its client identifier as well.
    pub(crate) name: String,
    /// Its password.
    pub(crate) password: Secret,
    /// The thing that it is.
    pub(crate) thing: Uuid,
    /// What it plays.
    pub(crate) model: Model,
    /// Between two looks at the thermometer.
    pub(crate) every: Duration,
    /// The first wait after a failure.
    pub(crate) wait_unit: Duration,
}

enum Input {
    Stream(StreamSaid),
    Line(Option<Line>),
    Look,
    Deadline,
    Signal,
}

/// How it stands with the server.
enum Link {
    /// It is tried again then.
    Resting(Moment),
    /// It has to stand then.
    Opening(Moment),
    /// It stands, or MQTT is being agreed.
    Speaking(Box<Client>),
}

struct Running<'a> {
    server: Endpoint,
    roots: Vec<Vec<u8>>,
    name: String,
    password: Secret,
    thing: Uuid,
    wait_unit: Duration,
    play: Play,
    room: Option<Room>,
    waiting: Waiting,
    streams: Streams,
    /// The number of the stream that counts; rises with every one.
    stream: u64,
    link: Link,
    failures: u32,
    /// The server has too much to do: nothing is said before.
    hushed_until: Option<Moment>,
    dice: Dice,
    clock: Clock,
    voice: &'a Voice,
    is_off: bool,
}

/// Runs a plain client until it is switched off.
///
/// # Errors
/// Those of the machine: no signals, no chance.
pub(crate) async fn run(setup: Setup, voice: &Voice) -> Outcome {
    let signals =
        StopSignals::listen().map_err(|error| Failure::new("internal", "signals").because(error))?;
    let dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let (clock, play) = (Clock::start(), Play::new(Node::Device, setup.model));
    let sentence = format!("{} as {}, server {}", play.title(), setup.name, setup.server);
    voice.say(
        &Said::new("playing", sentence)
            .with("name", setup.name.clone())
            .with("title", play.title())
            .with("thing", setup.thing.to_string())
            .with("server", setup.server.to_string()),
    );
    let (streams, said) = Streams::new();
    let mut running = Running {
        room: play.value_of(MEASURED).map(Room::of),
        server: setup.server,
        roots: setup.roots,
        name: setup.name,
        password: setup.password,
        thing: setup.thing,
        wait_unit: setup.wait_unit,
        play,
        waiting: Waiting::default(),
        streams,
        stream: 0,
        link: Link::Resting(clock.now().moment),
        failures: 0,
        hushed_until: None,
        dice,
        clock,
        voice,
        is_off: false,
    };
    running.connect();
    running.until_off(signals, lines::listen(), said, setup.every).await
}

impl Running<'_> {
    async fn until_off(
        mut self,
        mut signals: StopSignals,
        mut lines: Receiver<Line>,
        mut said: Receiver<StreamSaid>,
        every: Duration,
    ) -> Outcome {
        let mut lines_open = true;
        let mut looks = interval(every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_off {
            let due = self.next_deadline().map(|at| self.clock.instant_of(at));
            let input = tokio::select! {
                _ = signals.next() => Input::Signal,
                Some(said) = said.recv() => Input::Stream(said),
                line = lines.recv(), if lines_open => Input::Line(line),
                _ = looks.tick() => Input::Look,
                () = until(due) => Input::Deadline,
            };
            match input {
                Input::Stream(said) => self.hear(said),
                Input::Line(Some(line)) => self.take(line),
                Input::Line(None) => lines_open = false,
                Input::Look => self.look(),
                Input::Deadline => self.expire(),
                Input::Signal => self.switch_off(),
            }
            self.speak();
        }
        self.streams.finish(said).await;
        self.voice.say(&Said::new("off", "switched off"));
        Ok(())
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn at(&self) -> Option<u64> {
        self.now().utc.map(Timestamp::as_unix_millis)
    }

    fn next_deadline(&self) -> Option<Moment> {
        match &self.link {
            Link::Resting(until) | Link::Opening(until) => Some(*until),
            Link::Speaking(client) => client.next_deadline().into_iter().chain(self.hushed_until).min(),
        }
    }

    fn connect(&mut self) {
        self.stream += 1;
        self.link = Link::Opening(self.now().moment + OPEN_TIME_MAX);
        let (server, roots) = (self.server.clone(), self.roots.clone());
        self.streams.open(self.stream, async move { open_under(&server, &roots).await });
    }

    fn hear(&mut self, said: StreamSaid) {
        let now = self.now().moment;
        match said {
            StreamSaid::Opened { stream, .. } if stream == self.stream => self.sign_in(now),
            StreamSaid::Bytes { stream, bytes } if stream == self.stream => {
                if let Link::Speaking(client) = &mut self.link {
                    client.receive(&bytes, now);
                }
            }
            StreamSaid::Closed { stream, why } if stream == self.stream => {
                self.streams.close(stream);
                match (&mut self.link, why) {
                    (Link::Speaking(client), _) => client.transport_lost(now),
                    (Link::Opening(_), Some(why)) => self.failed("not-reached", &why.to_string()),
                    (Link::Opening(_), None) => self.failed("not-reached", "it was closed"),
                    (Link::Resting(_), _) => {}
                }
            }
            // Last words of one that was given up.
            StreamSaid::Opened { .. } | StreamSaid::Bytes { .. } | StreamSaid::Closed { .. } => {}
        }
    }

    fn sign_in(&mut self, now: Moment) {
        let password = Some(Password(self.password.expose()));
        let options = ConnectOptions {
            keep_alive_secs: KEEP_ALIVE_SECS,
            sign_in: Some(SignIn { user_name: &self.name, password }),
            ..ConnectOptions::new(Version::V5, &self.name)
        };
        match Client::connect(&options, Limits::default(), None, now) {
            Ok(client) => self.link = Link::Speaking(Box::new(client)),
            Err(error) => self.failed("not-possible", &format!("{error:?}")),
        }
    }

    fn expire(&mut self) {
        let now = self.now().moment;
        if self.hushed_until.is_some_and(|until| until <= now) {
            self.hushed_until = None;
        }
        match &mut self.link {
            Link::Resting(until) if *until <= now => self.connect(),
            Link::Opening(until) if *until <= now => self.failed("not-reached", "it took too long"),
            Link::Resting(_) | Link::Opening(_) => {}
            Link::Speaking(client) => client.expire(now),
        }
    }

    /// One failure more: this stream is given up, and another is opened after a while.
    fn failed(&mut self, why: &'static str, detail: &str) {
        self.streams.close(self.stream);
        self.waiting.connection_lost();
        self.failures = self.failures.saturating_add(1);
        let wait = wait_after(self.wait_unit, self.failures, &mut self.dice);
        self.link = Link::Resting(self.now().moment + wait);
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let sentence = format!("offline: {detail}; again in {}", said::seconds(millis));
        self.voice.say(
            &Said::new("offline", sentence)
                .with("why", why)
                .with("detail", detail)
                .with("wait_millis", millis),
        );
    }

    fn switch_off(&mut self) {
        let now = self.now().moment;
        self.is_off = true;
        if let Link::Speaking(client) = &mut self.link {
            // One that is not open has nobody to say it to.
            let _not_open = client.disconnect(ReasonCode::SUCCESS, None, now);
        }
    }

    /// Does all that the connection wants, and says what waits as far as there is room.
    fn speak(&mut self) {
        loop {
            while let Link::Speaking(client) = &mut self.link
                && let Some(output) = client.next_output()
            {
                self.act(output);
            }
            if !self.say_some() {
                return;
            }
        }
    }

    fn act(&mut self, output: ClientOutput) {
        match output {
            ClientOutput::Transmit(bytes) => self.streams.transmit(self.stream, bytes),
            ClientOutput::Connected(_) => self.online(),
            ClientOutput::Delivered { id, reason } => self.delivered(id, reason),
            ClientOutput::Message(incoming) => self.ordered(&incoming),
            ClientOutput::Subscribed { reasons, .. } => {
                for reason in reasons.into_iter().filter(|reason| reason.is_failure()) {
                    self.say_refused("orders", reason);
                }
            }
            ClientOutput::Ended(end) => self.ended(&end),
            // Of QoS 2, of authentications and of unsubscribing, which it does not do.
            ClientOutput::Challenge { .. }
            | ClientOutput::Reauthenticated { .. }
            | ClientOutput::Released { .. }
            | ClientOutput::Received { .. }
            | ClientOutput::Unsubscribed { .. } => {}
        }
    }

    fn ended(&mut self, end: &ClientEnd) {
        if self.is_off {
            self.streams.close(self.stream);
            return;
        }
        let (why, detail) = standing::why(end);
        self.failed(why, &detail);
    }
}
