//! A client and a server over a network that cuts streams into pieces and breaks, with sessions that are kept.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use clock::{Dice, Moment};
use mqtt_proto::{
    Accept, Client, ClientOutput, ConnectOptions, Incoming, Limits, PacketId, Publication, QoS, ReasonCode,
    SavedSession, Server, ServerOutput, ServerSettings, Version,
};

const MESSAGES: u32 = 12;

/// What one end wants to send, and what it took.
#[derive(Default)]
struct Ledger {
    to_send: VecDeque<(u32, QoS)>,
    under_way: usize,
    taken: BTreeMap<u32, (QoS, u32)>,
    order_of_qos_2: Vec<u32>,
    /// Taken, and not yet said so.
    unanswered: Vec<(PacketId, QoS)>,
}

impl Ledger {
    fn new(dice: &mut Dice) -> Self {
        let qos =
            |dice: &mut Dice| [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][dice.below(3) as usize];
        Self { to_send: (0..MESSAGES).map(|number| (number, qos(dice))).collect(), ..Self::default() }
    }

    fn take(&mut self, incoming: &Incoming) {
        let payload = &incoming.publication.message.payload;
        let number = u32::from_be_bytes(payload[..].try_into().unwrap());
        let taken = self.taken.entry(number).or_insert((incoming.publication.qos, 0));
        taken.1 += 1;
        if incoming.publication.qos == QoS::ExactlyOnce {
            self.order_of_qos_2.push(number);
        }
        self.unanswered.extend(incoming.id.map(|id| (id, incoming.publication.qos)));
    }
}

struct Line {
    version: Version,
    dice: Dice,
    now: Moment,
    client: Option<Client>,
    server: Server,
    to_client: Vec<u8>,
    to_server: Vec<u8>,
    of_client: Ledger,
    of_server: Ledger,
    kept_by_client: Option<SavedSession>,
    kept_by_server: Option<SavedSession>,
    breaks: u32,
}

fn publication((number, qos): (u32, QoS)) -> Publication {
    Publication::new("t", &number.to_be_bytes(), qos).unwrap()
}

impl Line {
    fn new(version: Version, run: u64) -> Self {
        let mut dice = Dice::numbered(run);
        let now = Moment::START;
        Self {
            version,
            now,
            client: None,
            server: Server::new(settings(), now),
            to_client: Vec::new(),
            to_server: Vec::new(),
            of_client: Ledger::new(&mut dice),
            of_server: Ledger::new(&mut dice),
            // An end that keeps sessions has an empty one at first.
            kept_by_client: Some(SavedSession::default()),
            kept_by_server: None,
            breaks: 0,
            dice,
        }
    }

    fn connect(&mut self) {
        let session = self.kept_by_client.take();
        let options = ConnectOptions {
            clean_start: false,
            session_expiry_secs: 3600,
            ..ConnectOptions::new(self.version, "c")
        };
        self.client = Some(Client::connect(&options, limits(), session, self.now).unwrap());
        self.server = Server::new(settings(), self.now);
    }

    fn drain_client(&mut self) {
        let Some(client) = &mut self.client else { return };
        while let Some(output) = client.next_output() {
            match output {
                ClientOutput::Transmit(bytes) => self.to_server.extend(bytes),
                ClientOutput::Message(incoming) => self.of_client.take(&incoming),
                ClientOutput::Delivered { reason, .. } => {
                    assert_eq!(reason, ReasonCode::SUCCESS);
                    self.of_client.under_way -= 1;
                }
                ClientOutput::Connected(connected) => {
                    assert_eq!(
                        connected.lost.filter(|lost| !lost.is_empty()),
                        None,
                        "the server keeps sessions"
                    );
                }
                ClientOutput::Released { .. } | ClientOutput::Received { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn drain_server(&mut self) {
        while let Some(output) = self.server.next_output() {
            match output {
                ServerOutput::Transmit(bytes) => self.to_client.extend(bytes),
                ServerOutput::Message(incoming) => self.of_server.take(&incoming),
                ServerOutput::Delivered { reason, .. } => {
                    assert_eq!(reason, ReasonCode::SUCCESS);
                    self.of_server.under_way -= 1;
                }
                ServerOutput::Connect(_) => {
                    let session = self.kept_by_server.take();
                    self.server.accept(Accept { session, ..Accept::default() }, self.now).unwrap();
                }
                ServerOutput::Released { .. } | ServerOutput::Received { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The transport breaks; what is on its way is lost.
    fn break_off(&mut self) {
        let Some(mut client) = self.client.take() else { return };
        self.breaks += 1;
        self.to_client.clear();
        self.to_server.clear();
        client.transport_lost(self.now);
        while let Some(output) = client.next_output() {
            if let ClientOutput::Ended(end) = output {
                self.kept_by_client = end.session;
            }
        }
        self.server.transport_lost(self.now);
        while let Some(output) = self.server.next_output() {
            if let ServerOutput::Ended(end) = output
                && let Some(absence) = end.absence
            {
                self.kept_by_server = absence.resume();
            }
        }
        // What was taken and could not be said is noted where the session is kept.
        for (ledger, kept) in
            [(&mut self.of_client, &mut self.kept_by_client), (&mut self.of_server, &mut self.kept_by_server)]
        {
            for (id, qos) in ledger.unanswered.drain(..) {
                if qos == QoS::ExactlyOnce {
                    kept.as_mut().expect("sessions are kept").take(id);
                }
            }
        }
    }

    fn step(&mut self) {
        self.now = self.now + Duration::from_millis(1);
        match self.dice.below(100) {
            0..3 if self.breaks < 30 => self.break_off(),
            0..12 if self.client.is_none() => self.connect(),
            12..30 => self.publish_one(),
            30..45 => self.answer_one(),
            45..70 => {
                let count = self.dice.below(40).min(self.to_server.len() as u64) as usize;
                let piece: Vec<u8> = self.to_server.drain(..count).collect();
                self.server.receive(&piece, self.now);
            }
            _ => {
                let count = self.dice.below(40).min(self.to_client.len() as u64) as usize;
                let piece: Vec<u8> = self.to_client.drain(..count).collect();
                if let Some(client) = &mut self.client {
                    client.receive(&piece, self.now);
                }
            }
        }
        self.drain_client();
        self.drain_server();
    }

    fn publish_one(&mut self) {
        if self.dice.below(2) == 0 {
            let Some(client) = &mut self.client else { return };
            if let Some(next) = self.of_client.to_send.front().copied()
                && let Ok(id) = client.publish(publication(next), self.now)
            {
                self.of_client.to_send.pop_front();
                self.of_client.under_way += usize::from(id.is_some());
            }
        } else if let Some(next) = self.of_server.to_send.front().copied()
            && let Ok(id) = self.server.publish(publication(next))
        {
            self.of_server.to_send.pop_front();
            self.of_server.under_way += usize::from(id.is_some());
        }
    }

    fn answer_one(&mut self) {
        let is_client = self.dice.below(2) == 0;
        let ledger = if is_client { &mut self.of_client } else { &mut self.of_server };
        let count = ledger.unanswered.len() as u64;
        if count == 0 {
            return;
        }
        let (id, _) = ledger.unanswered.swap_remove(self.dice.below(count) as usize);
        let done = match (&mut self.client, is_client) {
            (Some(client), true) => client.acknowledge(id, ReasonCode::SUCCESS, None, self.now),
            (_, false) => self.server.acknowledge(id, ReasonCode::SUCCESS, None, self.now),
            (None, true) => Ok(()),
        };
        assert_eq!(done, Ok(()));
    }

    fn is_done(&self) -> bool {
        [&self.of_client, &self.of_server]
            .into_iter()
            .all(|ledger| ledger.to_send.is_empty() && ledger.under_way == 0 && ledger.unanswered.is_empty())
    }
}

fn limits() -> Limits {
    Limits { inflight_max: 4, connect_timeout: Duration::from_secs(3600), ..Limits::default() }
}

fn settings() -> ServerSettings {
    ServerSettings { limits: limits(), ..ServerSettings::default() }
}

fn check(sent: &[(u32, QoS)], by: &Ledger, run: u64) {
    for (number, qos) in sent {
        let count = by.taken.get(number).map_or(0, |(_, count)| *count);
        match qos {
            QoS::AtMostOnce => assert!(count <= 1, "run {run}: QoS 0 {count} times"),
            QoS::AtLeastOnce => assert!(count >= 1, "run {run}: QoS 1 lost"),
            QoS::ExactlyOnce => assert_eq!(count, 1, "run {run}: QoS 2 number {number}"),
        }
    }
    assert!(by.order_of_qos_2.is_sorted(), "run {run}: {:?}", by.order_of_qos_2);
}

// verifies: MQTT-4.3.3-1, MQTT-4.3.3-3, MQTT-4.3.3-5, MQTT-4.3.3-6, MQTT-4.3.3-10, MQTT-4.3.2-3, MQTT-4.4.0-1,
// MQTT-4.6.0-1, MQTT-4.1.0-1, MQTT311-4.3.3-1, MQTT311-4.3.3-2, MQTT311-4.3.2-1, MQTT311-4.4.0-1, MQTT311-4.6.0-1
#[test]
fn qos_2_arrives_exactly_once_and_qos_1_at_least_once_whatever_breaks() {
    let mut breaks = 0;
    for version in [Version::V3_1_1, Version::V5] {
        for run in 0..1000 {
            let mut line = Line::new(version, run);
            let sent = [&line.of_client, &line.of_server].map(|ledger| Vec::from(ledger.to_send.clone()));
            let mut steps = 0;
            while !line.is_done() {
                line.step();
                steps += 1;
                assert!(steps < 200_000, "run {run} of {version:?} comes to its end");
            }
            check(&sent[0], &line.of_server, run);
            check(&sent[1], &line.of_client, run);
            breaks += line.breaks;
        }
    }
    assert!(breaks > 5_000, "only {breaks} breaks");
}
