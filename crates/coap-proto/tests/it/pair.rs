//! Two endpoints in virtual time, and one endpoint alone against raw datagrams.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use clock::{Dice, Moment};
use coap_proto::{
    Code, Config, Endpoint, ExchangeId, Incoming, Kind, Message, Output, PathLimits, PeerId, Request,
    RequestId, Response,
};

/// The only peer either side knows.
pub(crate) const PEER: PeerId = PeerId(7);
/// How long a datagram travels.
pub(crate) const LATENCY: Duration = Duration::from_millis(10);

/// A configuration without chance in its waits.
pub(crate) fn steady() -> Config {
    let mut config = Config::default();
    config.transmission.ack_random_percent = 100;
    config
}

/// What the network does with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Deliver,
    Drop,
    Twice,
    Late(Duration),
}

type Network = Box<dyn FnMut(usize, &[u8]) -> Fate>;
type Application = Box<dyn FnMut(&Incoming) -> Option<Response>>;

/// One end: its endpoint, its application, and what it saw.
pub(crate) struct Side {
    pub(crate) endpoint: Endpoint,
    pub(crate) requests: Vec<Incoming>,
    pub(crate) answers: BTreeMap<RequestId, Response>,
    pub(crate) notifications: Vec<Response>,
    pub(crate) others: Vec<Output>,
    application: Application,
}

impl Side {
    fn new(config: Config, run: u64, path: PathLimits) -> Self {
        let mut endpoint = Endpoint::new(config, Dice::numbered(run));
        endpoint.connect(PEER, path).expect("one peer fits");
        Self {
            endpoint,
            requests: Vec::new(),
            answers: BTreeMap::new(),
            notifications: Vec::new(),
            others: Vec::new(),
            application: Box::new(|_| None),
        }
    }

    /// Answers every request with what `application` gives; `None` leaves the exchange open.
    pub(crate) fn serve(&mut self, application: impl FnMut(&Incoming) -> Option<Response> + 'static) {
        self.application = Box::new(application);
    }

    pub(crate) fn last_exchange(&self) -> ExchangeId {
        self.requests.last().expect("a request arrived").exchange
    }
}

struct InTransit {
    at: Moment,
    to_server: bool,
    datagram: Vec<u8>,
}

/// A client and a server; both may ask and answer.
pub(crate) struct Pair {
    pub(crate) client: Side,
    pub(crate) server: Side,
    pub(crate) now: Moment,
    /// Every datagram either side sent, in order, with who sent it.
    pub(crate) sent: Vec<(&'static str, Vec<u8>)>,
    in_transit: VecDeque<InTransit>,
    network: Network,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with(steady(), PathLimits::SECURED)
    }

    pub(crate) fn with(config: Config, path: PathLimits) -> Self {
        Self {
            client: Side::new(config.clone(), 1, path),
            server: Side::new(config, 2, path),
            now: Moment::START + Duration::from_secs(1000),
            sent: Vec::new(),
            in_transit: VecDeque::new(),
            network: Box::new(|_, _| Fate::Deliver),
        }
    }

    /// Lets `network` decide about every datagram, counted from zero.
    pub(crate) fn network(&mut self, network: impl FnMut(usize, &[u8]) -> Fate + 'static) {
        self.network = Box::new(network);
    }

    pub(crate) fn ask(&mut self, request: Request) -> RequestId {
        self.client.endpoint.request(PEER, request, self.now).expect("the request is taken on")
    }

    /// Asks and runs until there is an answer or nothing moves for a while.
    pub(crate) fn exchange(&mut self, request: Request) -> Option<Response> {
        let id = self.ask(request);
        let end = self.now + Duration::from_secs(600);
        while self.now < end && !self.client.answers.contains_key(&id) && self.step(end) {}
        self.client.answers.remove(&id)
    }

    pub(crate) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.step(end) {}
        self.now = end;
    }

    /// Datagrams the client sent that carry a request or ping.
    pub(crate) fn requests_sent(&self) -> usize {
        let is_request = |bytes: &[u8]| Message::parse(bytes).is_ok_and(|message| message.code.is_request());
        self.sent.iter().filter(|(who, bytes)| *who == "client" && is_request(bytes)).count()
    }

    /// Drains outputs, then moves to the next event before `end`; `false` when there is none.
    fn step(&mut self, end: Moment) -> bool {
        self.drain();
        let arrival = self.in_transit.iter().map(|moving| moving.at).min();
        let deadlines = [self.client.endpoint.next_deadline(), self.server.endpoint.next_deadline()];
        let next = deadlines.into_iter().flatten().chain(arrival).min();
        let Some(next) = next.filter(|next| *next <= end) else { return false };
        self.now = self.now.max(next);
        let due = self.in_transit.iter().position(|moving| moving.at <= self.now);
        if let Some(arrived) = due.and_then(|at| self.in_transit.remove(at)) {
            let side = if arrived.to_server { &mut self.server } else { &mut self.client };
            side.endpoint.receive(PEER, &arrived.datagram, self.now);
        } else {
            self.client.endpoint.expire(self.now);
            self.server.endpoint.expire(self.now);
        }
        self.drain();
        true
    }

    fn drain(&mut self) {
        for to_server in [true, false] {
            loop {
                let side = if to_server { &mut self.client } else { &mut self.server };
                let Some(output) = side.endpoint.next_output() else { break };
                match output {
                    Output::Transmit { peer, datagram } => {
                        assert_eq!(peer, PEER);
                        self.travel(to_server, datagram);
                    }
                    Output::Request(incoming) => {
                        if let Some(response) = (side.application)(&incoming) {
                            side.endpoint.respond(incoming.exchange, response, self.now).expect("it is open");
                        }
                        side.requests.push(incoming);
                    }
                    Output::Answer { request, response } => {
                        let before = side.answers.insert(request, response);
                        assert_eq!(before, None, "a request is answered once");
                    }
                    Output::Notification { response, .. } => side.notifications.push(response),
                    other => side.others.push(other),
                }
            }
        }
    }

    fn travel(&mut self, to_server: bool, datagram: Vec<u8>) {
        let fate = (self.network)(self.sent.len(), &datagram);
        self.sent.push((if to_server { "client" } else { "server" }, datagram.clone()));
        let spans: &[Duration] = match fate {
            Fate::Deliver => &[LATENCY],
            Fate::Drop => &[],
            Fate::Twice => &[LATENCY, Duration::from_millis(30)],
            Fate::Late(span) => &[span],
        };
        for span in spans {
            let moving = InTransit { at: self.now + *span, to_server, datagram: datagram.clone() };
            self.in_transit.push_back(moving);
        }
    }
}

/// One endpoint against datagrams written by hand.
pub(crate) struct Bench {
    pub(crate) endpoint: Endpoint,
    pub(crate) now: Moment,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(steady(), PathLimits::SECURED)
    }

    pub(crate) fn with(config: Config, path: PathLimits) -> Self {
        let mut endpoint = Endpoint::new(config, Dice::numbered(3));
        endpoint.connect(PEER, path).expect("one peer fits");
        Self { endpoint, now: Moment::START + Duration::from_secs(1000) }
    }

    /// Takes in a datagram and gives everything that comes out.
    pub(crate) fn receive(&mut self, datagram: &[u8]) -> Vec<Output> {
        self.endpoint.receive(PEER, datagram, self.now);
        self.drain()
    }

    /// Takes in a request and answers it; gives the datagrams sent.
    pub(crate) fn receive_and_respond(&mut self, datagram: &[u8], response: Response) -> Vec<Vec<u8>> {
        let outputs = self.receive(datagram);
        let mut sent = datagrams(&outputs);
        for output in &outputs {
            if let Output::Request(incoming) = output {
                self.endpoint.respond(incoming.exchange, response.clone(), self.now).expect("it is open");
            }
        }
        sent.extend(datagrams(&self.drain()));
        sent
    }

    pub(crate) fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.endpoint.next_output()).collect()
    }

    /// Lets time pass, stopping at every deadline; gives outputs with the time they came at.
    pub(crate) fn pass(&mut self, span: Duration) -> Vec<(Moment, Output)> {
        let end = self.now + span;
        let mut out = Vec::new();
        while let Some(due) = self.endpoint.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.endpoint.expire(self.now);
            out.extend(self.drain().into_iter().map(|output| (self.now, output)));
        }
        self.now = end;
        out
    }
}

/// The datagrams among outputs.
pub(crate) fn datagrams(outputs: &[Output]) -> Vec<Vec<u8>> {
    let datagram = |output: &Output| match output {
        Output::Transmit { datagram, .. } => Some(datagram.clone()),
        _ => None,
    };
    outputs.iter().filter_map(datagram).collect()
}

/// The requests among outputs.
pub(crate) fn requests(outputs: &[Output]) -> Vec<Incoming> {
    let request = |output: &Output| match output {
        Output::Request(incoming) => Some(incoming.clone()),
        _ => None,
    };
    outputs.iter().filter_map(request).collect()
}

/// Kind and code of each datagram.
pub(crate) fn heads(datagrams: &[Vec<u8>]) -> Vec<(Kind, Code)> {
    datagrams
        .iter()
        .map(|bytes| Message::parse(bytes).expect("we send messages"))
        .map(|m| (m.kind, m.code))
        .collect()
}
