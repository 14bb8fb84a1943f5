//! Servers that pass on what one device says to another: the machine of MQTT connections alone, the same with
//! envelopes, and the access service.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use clock::{Dice, Moment, Now};
use crypto::Provider;
use crypto_server::Server as Crypto;
use mqtt_proto::{
    Accept, ConnectRequest, Incoming, Publication, QoS, ReasonCode, Server, ServerOutput, ServerSettings,
};
use net::seed;
use net::stream::{Arrival, ConnId, DoorMode, Security, StreamMachine, StreamOutput};
use net::tls::device_config;
use osap_front::das::{DasCommand, DasEvent, DasFace, DasSettings};
use osap_front::{LineId, Output};
use osap_proto::{General, Session, greet, greeting_topic};
use osap_things::{DownMessage, UpMessage};

use super::child::{internal, serve_until_input_ends};
use super::mqtt_server::drive;
use super::sealed_party::{Party, das_secret, server_id, ticket_key};
use super::tls_server;
use crate::failure::Outcome;

/// More than any row has.
const DEVICE_COUNT_MAX: usize = 200_000;

/// Serves until standard input ends.
pub(super) fn run_pass(is_sealed: bool) -> Outcome {
    serve_until_input_ends(async move {
        let provider: Arc<dyn Provider> = Arc::new(Crypto::new());
        let dice = seed::dice().map_err(|error| internal("randomness", error))?;
        let outputs = VecDeque::new();
        let pass =
            Pass { provider, dice, is_sealed, lines: HashMap::new(), by_party: HashMap::new(), outputs };
        drive(pass, DoorMode::Plain).await
    })
}

/// Serves until standard input ends.
pub(super) fn run_das(is_tls: bool) -> Outcome {
    serve_until_input_ends(async move {
        let provider: Arc<dyn Provider> = Arc::new(Crypto::new());
        let mut dice = seed::dice().map_err(|error| internal("randomness", error))?;
        let mode = if is_tls {
            let (identity, _) = tls_server::identity(&*provider, &mut dice)?;
            let config = device_config(&identity);
            DoorMode::Tls(config.map_err(|error| internal("TLS", format!("{error:?}")))?)
        } else {
            DoorMode::Plain
        };
        let settings = DasSettings {
            server_id: server_id(),
            device_count_max: DEVICE_COUNT_MAX,
            backlog_count_max: 1000,
            first_seq: 1,
        };
        let mut face = DasFace::new(provider, settings, dice);
        let now = Now::without_utc(Moment::START);
        face.command(DasCommand::TicketKey(ticket_key()), now);
        drive(Access { face, now }, mode).await
    })
}

/// Passes on with as little of its own as there can be.
struct Pass {
    provider: Arc<dyn Provider>,
    dice: Dice,
    is_sealed: bool,
    lines: HashMap<ConnId, PassLine>,
    by_party: HashMap<Party, ConnId>,
    outputs: VecDeque<StreamOutput<()>>,
}

struct PassLine {
    mqtt: Server,
    /// Who it is, and the topic that it hears.
    party: Option<(Party, String)>,
    session: Option<Box<Session>>,
}

impl Pass {
    fn drain(&mut self, conn: ConnId, now: Now) {
        while let Some(output) = self.lines.get_mut(&conn).and_then(|line| line.mqtt.next_output()) {
            match output {
                ServerOutput::Transmit(bytes) => {
                    self.outputs.push_back(StreamOutput::Transmit { conn, bytes });
                }
                ServerOutput::Connect(request) => self.connect(conn, &request, now),
                ServerOutput::Message(incoming) => self.pass(conn, incoming, now),
                ServerOutput::Ended(_) => {
                    self.outputs.push_back(StreamOutput::Close { conn });
                    self.lines.remove(&conn);
                }
                ServerOutput::Authenticate { .. }
                | ServerOutput::Released { .. }
                | ServerOutput::Received { .. }
                | ServerOutput::Delivered { .. }
                | ServerOutput::Subscribe(_)
                | ServerOutput::Unsubscribe(_) => {}
            }
        }
    }

    fn connect(&mut self, conn: ConnId, request: &ConnectRequest, now: Now) {
        let Some(line) = self.lines.get_mut(&conn) else { return };
        let party = Party::of_devid(&request.client_id).expect("only devices of the benchmark come here");
        line.mqtt.accept(Accept::default(), now.moment).expect("it was just asked for");
        line.party = Some((party, party.report().0));
        self.by_party.insert(party, conn);
        if self.is_sealed {
            let (nonce, general) = (self.dice.bytes(), General { seq: 0, ts: 0 });
            let (serial, numbers) = (party.serial(), party.numbers());
            let (greeting, session) =
                greet(&self.provider, &das_secret(), &serial, &numbers, nonce, general, now.moment);
            line.session = Some(Box::new(session));
            let topic = String::from_utf8(greeting_topic(&serial)).expect("a serial is ASCII");
            let greeting = Publication::new(&topic, &greeting, QoS::AtMostOnce).expect("a topic");
            line.mqtt.publish(greeting).expect("it was just accepted");
        }
    }

    fn pass(&mut self, conn: ConnId, incoming: Incoming, now: Now) {
        let Some(line) = self.lines.get_mut(&conn) else { return };
        let Some((party, _)) = line.party else { return };
        let message = &incoming.publication.message;
        let opened = line.session.as_mut().map(|session| {
            let opened = session.opener.receive(message.topic.as_bytes(), &message.payload, now.moment);
            opened.expect("what was sealed for it opens")
        });
        if let Some(id) = incoming.id {
            line.mqtt.acknowledge(id, ReasonCode::SUCCESS, None, now.moment).expect("it waits for this");
        }
        let Some(reader) = self.by_party.get(&party.peer()).copied() else { return };
        let Some(line) = self.lines.get_mut(&reader) else { return };
        let Some((_, topic)) = &line.party else { return };
        let qos = match incoming.publication.qos {
            QoS::AtMostOnce => QoS::AtMostOnce,
            _ if line.mqtt.quota() == 0 => QoS::AtMostOnce,
            QoS::AtLeastOnce | QoS::ExactlyOnce => QoS::AtLeastOnce,
        };
        let sealed = opened.and_then(|opened| {
            let (topic, body) = (topic.as_bytes(), opened.application());
            line.session.as_mut()?.sealer.seal(topic, opened.general, body, now.moment).ok()
        });
        let payload = sealed.as_deref().unwrap_or(&message.payload);
        let publication = Publication::new(topic, payload, qos).expect("a topic");
        line.mqtt.publish(publication).expect("there is room for it");
        self.drain(reader, now);
    }
}

impl StreamMachine for Pass {
    type Command = ();
    type Event = ();

    fn opened(&mut self, conn: ConnId, _: Arrival, now: Now) {
        let mqtt = Server::new(ServerSettings::default(), now.moment);
        self.lines.insert(conn, PassLine { mqtt, party: None, session: None });
    }

    fn receive(&mut self, conn: ConnId, bytes: &[u8], now: Now) {
        let Some(line) = self.lines.get_mut(&conn) else { return };
        line.mqtt.receive(bytes, now.moment);
        self.drain(conn, now);
    }

    fn closed(&mut self, conn: ConnId, _: Now) {
        if let Some((party, _)) = self.lines.remove(&conn).and_then(|line| line.party) {
            self.by_party.remove(&party);
        }
    }

    fn command(&mut self, (): (), _: Now) {}

    fn refused(&mut self, (): (), _: Now) {}

    fn expire(&mut self, _: Now) {}

    fn stop(&mut self, _: Now) {}

    fn next_output(&mut self) -> Option<StreamOutput<()>> {
        self.outputs.pop_front()
    }

    fn next_deadline(&self) -> Option<Moment> {
        None
    }
}

/// An access service whose owner knows everybody, and tells a device what its peer reports.
struct Access {
    face: DasFace,
    now: Now,
}

impl Access {
    fn answer(&mut self, event: DasEvent) {
        match event {
            DasEvent::WhoIs { line, .. } => {
                self.face.command(DasCommand::Known { line, is_welcome: true }, self.now);
            }
            DasEvent::Up { token, serial, message, general } => {
                if let Some(token) = token {
                    self.face.command(DasCommand::Taken(token), self.now);
                }
                let UpMessage::Attribute { node, place, value } = *message else { return };
                let Some(party) = Party::of_serial(&serial) else { return };
                let message = Box::new(DownMessage::Set { node, place, value });
                let (serial, seq) = (party.peer().serial(), general.seq);
                self.face.command(DasCommand::Answer { serial, seq, message }, self.now);
            }
            DasEvent::WhoIsCompat { .. }
            | DasEvent::Online { .. }
            | DasEvent::Offline { .. }
            | DasEvent::Answered { .. }
            | DasEvent::OrderFailed { .. } => {}
        }
    }
}

impl StreamMachine for Access {
    type Command = ();
    type Event = ();

    fn opened(&mut self, conn: ConnId, arrival: Arrival, now: Now) {
        self.now = now;
        self.face.opened(LineId(conn.0), matches!(arrival.security, Security::Tls { .. }), now);
    }

    fn receive(&mut self, conn: ConnId, bytes: &[u8], now: Now) {
        self.now = now;
        self.face.receive(LineId(conn.0), bytes, now);
    }

    fn closed(&mut self, conn: ConnId, now: Now) {
        self.now = now;
        self.face.closed(LineId(conn.0), now);
    }

    fn command(&mut self, (): (), _: Now) {}

    fn refused(&mut self, (): (), _: Now) {}

    fn expire(&mut self, now: Now) {
        self.now = now;
        self.face.expire(now);
    }

    fn stop(&mut self, now: Now) {
        self.face.stop(now);
    }

    fn next_output(&mut self) -> Option<StreamOutput<()>> {
        loop {
            match self.face.next_output()? {
                Output::Transmit { line, bytes } => {
                    return Some(StreamOutput::Transmit { conn: ConnId(line.0), bytes });
                }
                Output::Close { line } => return Some(StreamOutput::Close { conn: ConnId(line.0) }),
                Output::Event(event) => self.answer(event),
            }
        }
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.face.next_deadline()
    }
}
