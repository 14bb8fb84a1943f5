//! Callers of things over CoAP and DTLS: a face before the desk of a house, real clients, bytes in memory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::Dice;
use coap_front::Output;
use coap_front::things::{ThingsCommand, ThingsEvent, ThingsFace, ThingsSetup};
use coap_proto::{Code, Config, ContentFormat, Endpoint, Request, RequestId, Response};
use coaps::{AssociationId, Coaps, CoapsLimits};
use crypto::{Provider, Secret};
use dtls_proto::{Answer, ClientSetup, Question};
use hub_desk::HubDesk;
use net::now::Clock;
use serde_json::Value;
use things_desk::coap::ThingsDesk;
use tokio::sync::mpsc::{Receiver, Sender, channel};

const SERVER: ([u8; 4], u16) = ([192, 0, 2, 1], 5684);

/// The key of a name: everybody has one here but `nobody`; `remote` acts for the owner.
pub(crate) fn key_of(name: &str) -> Option<Secret> {
    (name != "nobody").then(|| Secret::from(format!("the key of {name}, long enough").as_bytes()))
}

struct Guest {
    name: String,
    key: Secret,
    lines: Coaps<SocketAddr>,
    association: AssociationId,
    is_connected: bool,
    is_over: bool,
    answers: BTreeMap<RequestId, Response>,
    pub(crate) notified: Vec<Response>,
}

pub(crate) struct Callers {
    face: ThingsFace,
    commands: Receiver<ThingsCommand>,
    events: Sender<ThingsEvent>,
    guests: BTreeMap<u16, Guest>,
    clock: Clock,
    provider: Arc<dyn Provider>,
}

impl Callers {
    pub(crate) fn before(desk: &HubDesk, clock: Clock) -> Self {
        let provider: Arc<dyn Provider> = Arc::new(crypto_server::Server::new());
        let limits = ThingsSetup::LIMITS;
        let setup = ThingsSetup { provider: Arc::clone(&provider), dice: Dice::numbered(3), limits };
        let face = ThingsFace::new(setup, clock.now());
        let (commands_in, commands) = channel(1024);
        let (events, mut line) = channel(1024);
        let describe = |view: &hub::ThingView| view.thing.title.clone().into_bytes();
        let things = ThingsDesk::new(
            desk.clone(),
            commands_in,
            Arc::new(|name: String| Box::pin(async move { Some((key_of(&name)?, name == "remote")) })),
            Arc::new(describe),
        );
        tokio::spawn(async move {
            while let Some(event) = line.recv().await {
                things.take(event);
            }
        });
        Self { face, commands, events, guests: BTreeMap::new(), clock, provider }
    }

    /// Begins a handshake with what the caller holds to be its key.
    pub(crate) fn knock(&mut self, name: &str, key: Secret) -> u16 {
        let port = 1000 + u16::try_from(self.guests.len()).unwrap();
        let mut dice = Dice::numbered(u64::from(port));
        let endpoint = Endpoint::new(Config::default(), dice.split());
        let mut lines = Coaps::new(None, endpoint, CoapsLimits::default());
        let setup = ClientSetup::psk(Arc::clone(&self.provider), dice);
        let association = lines.connect(SERVER.into(), setup, self.clock.now()).unwrap();
        let guest = Guest {
            name: name.into(),
            key,
            lines,
            association,
            is_connected: false,
            is_over: false,
            answers: BTreeMap::new(),
            notified: Vec::new(),
        };
        self.guests.insert(port, guest);
        port
    }

    pub(crate) async fn connect(&mut self, name: &str) -> u16 {
        let port = self.knock(name, key_of(name).unwrap());
        self.until("connected", |callers| callers.guests[&port].is_connected).await;
        port
    }

    pub(crate) fn is_connected(&self, port: u16) -> bool {
        self.guests[&port].is_connected
    }

    pub(crate) fn request(&mut self, port: u16, request: Request) -> RequestId {
        let now = self.clock.now();
        let guest = self.guests.get_mut(&port).unwrap();
        guest.lines.request(guest.association, request, now).unwrap()
    }

    /// Asks and gives the code and the JSON of the answer.
    pub(crate) async fn ask(&mut self, port: u16, request: Request) -> (Code, Value) {
        let response = self.response(port, request).await;
        (response.code, serde_json::from_slice(&response.payload).unwrap_or_default())
    }

    pub(crate) async fn response(&mut self, port: u16, request: Request) -> Response {
        let asked = self.request(port, request);
        self.until("answered", |callers| callers.guests[&port].answers.contains_key(&asked)).await;
        self.guests.get_mut(&port).unwrap().answers.remove(&asked).unwrap()
    }

    /// Observes a path; gives the first state.
    pub(crate) async fn observe(&mut self, port: u16, path: &str) -> Response {
        let now = self.clock.now();
        let guest = self.guests.get_mut(&port).unwrap();
        let asked = guest.lines.observe(guest.association, Request::new(Code::GET, path), now).unwrap();
        let is_told = |callers: &Self| {
            let guest = &callers.guests[&port];
            guest.answers.contains_key(&asked) || !guest.notified.is_empty()
        };
        self.until("observed", is_told).await;
        let guest = self.guests.get_mut(&port).unwrap();
        match guest.answers.remove(&asked) {
            Some(response) => response,
            None => guest.notified.remove(0),
        }
    }

    /// The next notification; the last of an observation too.
    pub(crate) async fn next_notified(&mut self, port: u16) -> Response {
        let is_told = |callers: &Self| {
            let guest = &callers.guests[&port];
            !guest.notified.is_empty() || !guest.answers.is_empty()
        };
        self.until("notified", is_told).await;
        let guest = self.guests.get_mut(&port).unwrap();
        match guest.notified.is_empty() {
            false => guest.notified.remove(0),
            true => guest.answers.pop_first().unwrap().1,
        }
    }

    /// Whether nothing was told.
    pub(crate) fn is_silent(&self, port: u16) -> bool {
        self.guests[&port].notified.is_empty() && self.guests[&port].answers.is_empty()
    }

    pub(crate) fn is_over(&self, port: u16) -> bool {
        self.guests[&port].is_over
    }

    pub(crate) fn drop_all_of(&mut self, name: &str) {
        self.face.command(ThingsCommand::Drop { name: name.into() }, self.clock.now());
    }

    pub(crate) async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let all = async {
            loop {
                self.run();
                if done(self) {
                    return;
                }
                let command = tokio::time::timeout(Duration::from_millis(20), self.commands.recv()).await;
                match command {
                    Ok(command) => self.face.command(command.unwrap(), self.clock.now()),
                    Err(_) => self.face.expire(self.clock.now()),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), all).await.unwrap_or_else(|_| panic!("{what}"));
    }

    /// Moves bytes for a while in which nothing is to happen.
    pub(crate) async fn settle(&mut self) {
        for _ in 0..5 {
            let command = tokio::time::timeout(Duration::from_millis(10), self.commands.recv()).await;
            if let Ok(Some(command)) = command {
                self.face.command(command, self.clock.now());
            }
            self.run();
        }
    }

    fn run(&mut self) {
        let now = self.clock.now();
        loop {
            let mut is_still = true;
            while let Ok(command) = self.commands.try_recv() {
                self.face.command(command, now);
            }
            while let Some(output) = self.face.next_output() {
                is_still = false;
                match output {
                    Output::Transmit { to, datagram } => {
                        if let Some(guest) = self.guests.get_mut(&to.port()) {
                            guest.lines.receive(SERVER.into(), &datagram, now);
                        }
                    }
                    Output::Event(event) => {
                        if let Err(error) = self.events.try_send(event) {
                            self.face.refused(error.into_inner(), now);
                        }
                    }
                }
            }
            for (port, guest) in &mut self.guests {
                while let Some(output) = guest.lines.next_output() {
                    is_still = false;
                    match output {
                        coaps::Output::Transmit { datagram, .. } => {
                            self.face.receive(SocketAddr::from(([10, 0, 0, 1], *port)), &datagram, now);
                        }
                        coaps::Output::Ask { association, question, .. } => {
                            assert!(matches!(question, Question::ServerNamed { .. }), "{question:?}");
                            let identity = guest.name.clone().into_bytes();
                            let answer = Answer::PskCredential { identity, key: guest.key.clone() };
                            guest.lines.answer(association, answer, now).unwrap();
                        }
                        coaps::Output::Connected { .. } => guest.is_connected = true,
                        coaps::Output::Ended { .. } => guest.is_over = true,
                        coaps::Output::Coap(coap_proto::Output::Answer { request, response }) => {
                            guest.answers.insert(request, response);
                        }
                        coaps::Output::Coap(coap_proto::Output::Notification { response, .. }) => {
                            guest.notified.push(response);
                        }
                        coaps::Output::Coap(_) | coaps::Output::Ticket { .. } => {}
                    }
                }
            }
            if is_still {
                return;
            }
        }
    }
}

pub(crate) fn get(path: &str) -> Request {
    Request::new(Code::GET, path)
}

pub(crate) fn put(path: &str, payload: &str) -> Request {
    Request::new(Code::PUT, path).with_payload(ContentFormat::JSON, payload)
}

pub(crate) fn post(path: &str, payload: &str) -> Request {
    Request::new(Code::POST, path).with_payload(ContentFormat::JSON, payload)
}
