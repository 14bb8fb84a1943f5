//! The harness: two ends that each listen and call, with virtual time and a wire that can be cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::{Dice, Moment, Now};
use coap_proto::{Code, Config, Endpoint, Failure, Request, RequestId, Response};
use coaps::{AssociationId, Coaps, CoapsLimits, End, Output};
use crypto::Secret;
use crypto_server::Server;
use dtls_proto::{
    Alert, Answer, CipherSuite, ClientAuthentication, ClientSetup, DEFAULT_GROUPS, HelloChoice, Listener,
    ListenerSetup, Question,
};

const IDENTITY: &[u8] = b"the identity";
pub(crate) const CONNECTION_ID_LENGTH: usize = 4;

pub(crate) struct EndPoint {
    pub(crate) address: SocketAddr,
    pub(crate) machine: Coaps<SocketAddr>,
    pub(crate) connected: Vec<AssociationId>,
    pub(crate) ended: Vec<(AssociationId, End)>,
    pub(crate) answers: Vec<(RequestId, Result<Response, Failure>)>,
    pub(crate) asked: Vec<(AssociationId, String)>,
    pub(crate) secret: Vec<u8>,
    /// Discards a stranger's hello while a call of our own is under way.
    pub(crate) keeps_calling: bool,
    pub(crate) calling: Option<AssociationId>,
    dice: Dice,
}

impl EndPoint {
    fn new(address: &str, limits: CoapsLimits, run: u64) -> Self {
        let mut dice = Dice::numbered(run);
        let provider = Arc::new(Server::new());
        let listener = Listener::new(ListenerSetup::new(provider, dice.split()), Moment::START);
        let endpoint = Endpoint::new(Config::default(), dice.split());
        let machine = Coaps::new(Some(listener), endpoint, limits).with_connection_ids(CONNECTION_ID_LENGTH);
        Self {
            address: address.parse().unwrap(),
            machine,
            connected: Vec::new(),
            ended: Vec::new(),
            answers: Vec::new(),
            asked: Vec::new(),
            secret: vec![7; 32],
            keeps_calling: true,
            calling: None,
            dice,
        }
    }

    pub(crate) fn setup(&mut self) -> ClientSetup {
        ClientSetup::psk(Arc::new(Server::new()), self.dice.split())
    }

    fn answer(&mut self, association: AssociationId, question: Question, now: Now) {
        let answer = match question {
            Question::Hello(_) => {
                if let Some(calling) = self.calling.take() {
                    if self.keeps_calling {
                        self.calling = Some(calling);
                        return self.machine.discard(association, now);
                    }
                    self.machine.discard(calling, now);
                }
                Answer::Hello(HelloChoice {
                    name: None,
                    suites: CipherSuite::PSK.to_vec(),
                    groups: DEFAULT_GROUPS.to_vec(),
                    hint: None,
                    credentials: Vec::new(),
                    client_authentication: ClientAuthentication::None,
                    connection_id: Some(self.dice.bytes::<CONNECTION_ID_LENGTH>().to_vec()),
                })
            }
            Question::ServerNamed { .. } => {
                Answer::PskCredential { identity: IDENTITY.to_vec(), key: Secret::from(&self.secret[..]) }
            }
            Question::PskIdentity { .. } => {
                Answer::PskKey { key: Secret::from(&self.secret[..]), ticket_state: None }
            }
            Question::Ticket { .. } | Question::PeerKey { .. } => Answer::Refuse(Alert::InternalError),
        };
        self.machine.answer(association, answer, now).unwrap();
    }
}

pub(crate) struct Wire {
    pub(crate) now: Moment,
    pub(crate) ends: [EndPoint; 2],
    /// Replaces the sender's address of datagrams from an end, as a translating router does.
    pub(crate) seen_as: [Option<SocketAddr>; 2],
    pub(crate) is_cut: bool,
    pub(crate) sent: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    way: Vec<(Moment, SocketAddr, SocketAddr, Vec<u8>)>,
}

pub(crate) const LEFT: usize = 0;
pub(crate) const RIGHT: usize = 1;

impl Wire {
    pub(crate) fn new() -> Self {
        Self::with_limits(CoapsLimits::default())
    }

    pub(crate) fn with_limits(limits: CoapsLimits) -> Self {
        let ends = [EndPoint::new("10.0.0.1:1000", limits, 1), EndPoint::new("10.0.0.2:2000", limits, 2)];
        Self {
            now: Moment::START,
            ends,
            seen_as: [None; 2],
            is_cut: false,
            sent: Vec::new(),
            way: Vec::new(),
        }
    }

    pub(crate) fn stamp(&self) -> Now {
        Now::without_utc(self.now)
    }

    /// The left end calls the right one, and both are connected.
    pub(crate) fn connected() -> Self {
        let mut wire = Self::new();
        wire.call(LEFT);
        wire.run_for(Duration::from_secs(2));
        assert_eq!((wire.ends[LEFT].connected.len(), wire.ends[RIGHT].connected.len()), (1, 1));
        wire
    }

    pub(crate) fn call(&mut self, from: usize) {
        let (to, now) = (self.ends[1 - from].address, self.stamp());
        let setup = self.ends[from].setup();
        let id = self.ends[from].machine.connect(to, setup, now).unwrap();
        self.ends[from].calling = Some(id);
        self.drain(from);
    }

    pub(crate) fn ask(&mut self, from: usize, path: &str) -> RequestId {
        let (id, now) = (*self.ends[from].connected.last().unwrap(), self.stamp());
        let asked = self.ends[from].machine.request(id, Request::new(Code::GET, path), now).unwrap();
        self.drain(from);
        asked
    }

    pub(crate) fn answer_to(&self, from: usize, request: RequestId) -> Option<&Result<Response, Failure>> {
        self.ends[from].answers.iter().find(|(asked, _)| *asked == request).map(|(_, answer)| answer)
    }

    pub(crate) fn inject(&mut self, to: usize, from: SocketAddr, datagram: &[u8]) {
        let now = self.stamp();
        self.ends[to].machine.receive(from, datagram, now);
        self.drain(to);
    }

    pub(crate) fn drain(&mut self, index: usize) {
        let now = self.stamp();
        while let Some(output) = self.ends[index].machine.next_output() {
            let end = &mut self.ends[index];
            match output {
                Output::Transmit { to, datagram } => {
                    let from = self.seen_as[index].unwrap_or(end.address);
                    self.sent.push((from, to, datagram.clone()));
                    if !self.is_cut {
                        self.way.push((self.now + Duration::from_millis(10), from, to, datagram));
                    }
                }
                Output::Ask { association, question, .. } => end.answer(association, question, now),
                Output::Connected { association, .. } => {
                    end.calling = end.calling.filter(|calling| *calling != association);
                    end.connected.push(association);
                }
                Output::Ended { association, end: why } => {
                    end.connected.retain(|known| *known != association);
                    end.ended.push((association, why));
                }
                Output::Coap(coap_proto::Output::Request(incoming)) => {
                    let path: Vec<_> = incoming
                        .options()
                        .path()
                        .map(|part| String::from_utf8_lossy(part).into_owned())
                        .collect();
                    end.asked.push((incoming.peer.into(), path.join("/")));
                    let answer = Response::new(Code::CONTENT);
                    end.machine.respond(incoming.exchange, answer, now).unwrap();
                }
                Output::Coap(coap_proto::Output::Answer { request, response }) => {
                    end.answers.push((request, Ok(response)));
                }
                Output::Coap(coap_proto::Output::Failed { request, reason }) => {
                    end.answers.push((request, Err(reason)));
                }
                Output::Ticket { .. } | Output::Coap(_) => {}
            }
        }
    }

    pub(crate) fn run_for(&mut self, span: Duration) {
        let stop = self.now + span;
        loop {
            let arrivals = self.way.iter().map(|(at, ..)| *at);
            let due = self.ends.iter().filter_map(|end| end.machine.next_deadline());
            let Some(at) = arrivals.chain(due).min().filter(|at| *at <= stop) else { break };
            self.now = self.now.max(at);
            let now = self.stamp();
            let (ready, later) = self.way.drain(..).partition(|(at, ..)| *at <= self.now);
            self.way = later;
            let ready: Vec<(Moment, SocketAddr, SocketAddr, Vec<u8>)> = ready;
            for (_, from, to, datagram) in ready {
                let receiver = self.ends.iter().position(|end| end.address == to);
                let receiver = receiver.or_else(|| self.seen_as.iter().position(|seen| *seen == Some(to)));
                if let Some(index) = receiver {
                    self.ends[index].machine.receive(from, &datagram, now);
                    self.drain(index);
                }
            }
            for index in [LEFT, RIGHT] {
                if self.ends[index].machine.next_deadline().is_some_and(|at| at <= self.now) {
                    self.ends[index].machine.expire(now);
                }
                self.drain(index);
            }
        }
        self.now = stop;
    }
}
