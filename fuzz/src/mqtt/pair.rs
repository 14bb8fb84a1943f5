//! Client and server over a network that cuts and breaks: QoS 2 arrives exactly once, QoS 1 at least once.

use std::collections::BTreeMap;

use clock::Moment;
use mqtt_proto::{
    Accept, Client, ClientOutput, ConnectOptions, Incoming, Limits, PacketId, Publication, QoS, ReasonCode,
    SavedSession, Server, ServerOutput, ServerSettings, Version,
};

use crate::rules::reached;
use crate::script::{Recorder, Script};
use crate::{Reached, Target};

pub(super) const PAIR: Target = Target {
    name: "mqtt_pair",
    about: "Client and Server: pieces, breaks and returns, answers in any order",
    length_max: 512,
    run,
    seeds,
};

/// What one end sent and what the other one took.
#[derive(Default)]
struct Lane {
    sent: Vec<QoS>,
    taken: BTreeMap<u32, u32>,
    unanswered: Vec<(PacketId, QoS)>,
    under_way: usize,
}

impl Lane {
    fn next(&mut self, choice: u8) -> Publication {
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(choice % 3)];
        let number = self.sent.len() as u32;
        Publication::new("t", &number.to_be_bytes(), qos).expect("a topic name")
    }

    fn sent(&mut self, qos: QoS, id: Option<PacketId>) {
        self.sent.push(qos);
        self.under_way += usize::from(id.is_some());
    }

    fn take(&mut self, incoming: &Incoming) {
        let payload = incoming.publication.message.payload[..].try_into().expect("it was sent so");
        *self.taken.entry(u32::from_be_bytes(payload)).or_default() += 1;
        self.unanswered.extend(incoming.id.map(|id| (id, incoming.publication.qos)));
    }

    fn check(&self) {
        for (number, qos) in self.sent.iter().enumerate() {
            let count = self.taken.get(&(number as u32)).copied().unwrap_or(0);
            match qos {
                QoS::AtMostOnce => assert!(count <= 1, "QoS 0 comes {count} times"),
                QoS::AtLeastOnce => assert!(count >= 1, "QoS 1 is lost"),
                QoS::ExactlyOnce => assert_eq!(count, 1, "QoS 2 comes once"),
            }
        }
    }
}

struct Run {
    version: Version,
    client: Option<Client>,
    server: Server,
    to_client: Vec<u8>,
    to_server: Vec<u8>,
    up: Lane,
    down: Lane,
    kept_by_client: Option<SavedSession>,
    kept_by_server: Option<SavedSession>,
}

const NOW: Moment = Moment::START;

fn new_server() -> Server {
    let limits = Limits { inflight_max: 3, ..Limits::default() };
    Server::new(ServerSettings { limits, ..ServerSettings::default() }, NOW)
}

fn run(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let mut run = Run {
        version: if script.u8() & 1 == 0 { Version::V3_1_1 } else { Version::V5 },
        client: None,
        server: new_server(),
        to_client: Vec::new(),
        to_server: Vec::new(),
        up: Lane::default(),
        down: Lane::default(),
        kept_by_client: Some(SavedSession::default()),
        kept_by_server: None,
    };
    while !script.is_empty() {
        run.step(&mut script);
        run.drain();
    }
    for _ in 0..2000 {
        if run.client.is_some() && run.up.under_way + run.down.under_way == 0 && run.to_server.is_empty() {
            break;
        }
        run.settle();
    }
    run.settle();
    assert_eq!((run.up.under_way, run.down.under_way), (0, 0), "everything arrives in the end");
    run.up.check();
    run.down.check();
    reached(!run.up.sent.is_empty() || !run.down.sent.is_empty())
}

impl Run {
    fn step(&mut self, script: &mut Script<'_>) {
        let operation = script.u8();
        let amount = usize::from(operation >> 3);
        match operation & 7 {
            0 => self.connect(),
            1 => self.break_off(),
            2 => self.carry(amount, 0),
            3 => self.carry(0, amount),
            4 => {
                let publication = self.up.next(operation >> 3);
                let qos = publication.qos;
                if let Some(Ok(id)) = self.client.as_mut().map(|client| client.publish(publication, NOW)) {
                    self.up.sent(qos, id);
                }
            }
            5 => {
                let publication = self.down.next(operation >> 3);
                let qos = publication.qos;
                if let Ok(id) = self.server.publish(publication) {
                    self.down.sent(qos, id);
                }
            }
            _ => self.answer(operation & 1 == 0, amount),
        }
    }

    fn answer(&mut self, is_server: bool, at: usize) {
        let lane = if is_server { &mut self.up } else { &mut self.down };
        if lane.unanswered.is_empty() {
            return;
        }
        let (id, _) = lane.unanswered.swap_remove(at % lane.unanswered.len());
        let answered = match (&mut self.client, is_server) {
            (_, true) => self.server.acknowledge(id, ReasonCode::SUCCESS, None, NOW),
            (Some(client), false) => client.acknowledge(id, ReasonCode::SUCCESS, None, NOW),
            (None, false) => Ok(()),
        };
        assert_eq!(answered, Ok(()), "it waits for this");
    }

    fn carry(&mut self, up: usize, down: usize) {
        let up: Vec<u8> = self.to_server.drain(..up.min(self.to_server.len())).collect();
        let down: Vec<u8> = self.to_client.drain(..down.min(self.to_client.len())).collect();
        self.server.receive(&up, NOW);
        if let Some(client) = &mut self.client {
            client.receive(&down, NOW);
        }
    }

    /// Connects, carries everything and answers everything.
    fn settle(&mut self) {
        self.connect();
        self.drain();
        self.carry(usize::MAX, usize::MAX);
        self.drain();
        while !self.up.unanswered.is_empty() {
            self.answer(true, 0);
        }
        while !self.down.unanswered.is_empty() {
            self.answer(false, 0);
        }
        self.drain();
    }

    fn connect(&mut self) {
        if self.client.is_some() {
            return;
        }
        let options = ConnectOptions {
            clean_start: false,
            session_expiry_secs: 60,
            ..ConnectOptions::new(self.version, "c")
        };
        let limits = Limits { inflight_max: 3, ..Limits::default() };
        let session = self.kept_by_client.take();
        self.client = Some(Client::connect(&options, limits, session, NOW).expect("the options are valid"));
        self.server = new_server();
    }

    fn break_off(&mut self) {
        let Some(mut client) = self.client.take() else { return };
        self.to_client.clear();
        self.to_server.clear();
        client.transport_lost(NOW);
        while let Some(output) = client.next_output() {
            if let ClientOutput::Ended(end) = output {
                self.kept_by_client = end.session;
            }
        }
        self.server.transport_lost(NOW);
        while let Some(output) = self.server.next_output() {
            if let ServerOutput::Ended(end) = output
                && let Some(absence) = end.absence
            {
                self.kept_by_server = absence.resume();
            }
        }
        for (lane, kept) in
            [(&mut self.down, &mut self.kept_by_client), (&mut self.up, &mut self.kept_by_server)]
        {
            for (id, qos) in lane.unanswered.drain(..) {
                if qos == QoS::ExactlyOnce {
                    kept.as_mut().expect("sessions are kept").take(id);
                }
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.as_mut().and_then(Client::next_output) {
            match output {
                ClientOutput::Transmit(bytes) => self.to_server.extend(bytes),
                ClientOutput::Message(incoming) => self.down.take(&incoming),
                ClientOutput::Delivered { .. } => self.up.under_way -= 1,
                ClientOutput::Connected(_)
                | ClientOutput::Released { .. }
                | ClientOutput::Received { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        while let Some(output) = self.server.next_output() {
            match output {
                ServerOutput::Transmit(bytes) => self.to_client.extend(bytes),
                ServerOutput::Message(incoming) => self.up.take(&incoming),
                ServerOutput::Delivered { .. } => self.down.under_way -= 1,
                ServerOutput::Connect(_) => {
                    let session = self.kept_by_server.take();
                    let accept = Accept { session, ..Accept::default() };
                    self.server.accept(accept, NOW).expect("it was just asked");
                }
                ServerOutput::Released { .. } | ServerOutput::Received { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for version in [0, 1] {
        let mut script = Recorder::default();
        let carried = [0xfa, 0xfa, 0xfa, 0xfb, 0xfb];
        let sent = [0x14, 0x0c, 0x15, 0x0d];
        for step in
            [&[version, 0][..], &carried, &sent, &carried, &[6, 7, 1, 0], &carried, &[0x14, 6, 1, 0]].concat()
        {
            script.u8(step);
        }
        seeds.push(script.0);
    }
    seeds
}
