//! Two ends and a network with virtual time: the one harness of these tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clock::{Dice, Moment};
use crypto::{KeyKind, PrivateKey, Provider, Secret};
use dtls_proto::{
    Alert, Answer, ClientAuthentication, ClientSetup, Closing, Credential, DEFAULT_GROUPS, HelloChoice,
    Listener, ListenerSetup, Output, PeerKey, PeerName, PeerSummary, Question, Session, Ticket, Verdict,
};

pub(crate) const CLIENT_NAME: PeerName = [0xC1; 16];
pub(crate) const SERVER_NAME: PeerName = [0x5E; 16];
pub(crate) const IDENTITY: &[u8] = b"UBAREBAREBAREBAREBAREBA=";
pub(crate) const PSK: &[u8] = &[7; 32];
pub(crate) const ADDRESS: &[u8] = b"10.0.0.7:1234";
pub(crate) const LATENCY: Duration = Duration::from_millis(10);

pub(crate) fn providers() -> [Arc<dyn Provider>; 2] {
    [Arc::new(crypto_server::Server::new()), Arc::new(crypto_portable::Portable::new())]
}

pub(crate) fn provider() -> Arc<dyn Provider> {
    Arc::new(crypto_server::Server::new())
}

pub(crate) fn key(provider: &dyn Provider, kind: KeyKind, run: u64) -> Arc<dyn PrivateKey> {
    provider.generate_key(kind, &mut Dice::numbered(run)).expect("the provider makes such keys")
}

/// Decides about a datagram by its direction, its number within the direction, and its bytes.
pub(crate) type Fates = Box<dyn FnMut(To, usize, &[u8]) -> Fate>;

/// What happens to one datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Deliver,
    Lose,
    Twice,
    /// Arrives so much later than usual.
    Late(Duration),
    /// Arrives with these bytes instead.
    As(Vec<u8>),
}

impl Fate {
    /// A bad network: one datagram in five is lost, one in ten comes twice, one in five late.
    pub(crate) fn by_chance(run: u64) -> Fates {
        let mut dice = Dice::numbered(run);
        Box::new(move |_, _, _| match dice.below(10) {
            0 | 1 => Self::Lose,
            2 => Self::Twice,
            3 | 4 => Self::Late(Duration::from_millis(20 * dice.below(100))),
            _ => Self::Deliver,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Server,
    Client,
}

/// Answers the questions of one end.
pub(crate) struct Policy {
    pub(crate) choice: HelloChoice,
    pub(crate) secrets: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) identity: Vec<u8>,
    pub(crate) refuse: Option<Alert>,
    pub(crate) trusted: Option<PeerKey>,
    pub(crate) resume: bool,
    pub(crate) ticket_state: Option<Vec<u8>>,
    pub(crate) asked: Vec<Question>,
}

impl Policy {
    pub(crate) fn new() -> Self {
        Self {
            choice: psk_choice(),
            secrets: [(IDENTITY.to_vec(), PSK.to_vec())].into(),
            identity: IDENTITY.to_vec(),
            refuse: None,
            trusted: None,
            resume: true,
            ticket_state: None,
            asked: Vec::new(),
        }
    }

    pub(crate) fn answer(&mut self, question: Question) -> Answer {
        self.asked.push(question.clone());
        if let Some(alert) = self.refuse {
            return Answer::Refuse(alert);
        }
        match question {
            Question::Ticket { .. } if self.resume => {
                Answer::Resume { name: self.choice.name, connection_id: self.choice.connection_id.clone() }
            }
            Question::Ticket { .. } => Answer::FullHandshake,
            Question::Hello(_) => Answer::Hello(self.choice.clone()),
            Question::PskIdentity { identity, .. } => match self.secrets.get(&identity) {
                Some(key) => {
                    Answer::PskKey { key: Secret::from(&key[..]), ticket_state: self.ticket_state.clone() }
                }
                None => Answer::Refuse(Alert::UnknownPskIdentity),
            },
            Question::ServerNamed { .. } => Answer::PskCredential {
                identity: self.identity.clone(),
                key: Secret::from(&self.secrets[&self.identity][..]),
            },
            Question::PeerKey { key, .. } => match &self.trusted {
                Some(trusted) if *trusted != key => Answer::Refuse(Alert::CertificateUnknown),
                _ => Answer::AcceptKey { ticket_state: self.ticket_state.clone() },
            },
        }
    }
}

pub(crate) fn psk_choice() -> HelloChoice {
    HelloChoice {
        name: Some(SERVER_NAME),
        suites: dtls_proto::CipherSuite::ALL.to_vec(),
        groups: DEFAULT_GROUPS.to_vec(),
        hint: Some(b"a hint".to_vec()),
        credentials: Vec::new(),
        client_authentication: ClientAuthentication::None,
        connection_id: None,
    }
}

pub(crate) fn keyed_choice(credential: Credential, authentication: ClientAuthentication) -> HelloChoice {
    HelloChoice {
        hint: None,
        credentials: vec![credential],
        client_authentication: authentication,
        ..psk_choice()
    }
}

/// What one end has put out.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) summary: Option<PeerSummary>,
    pub(crate) data: Vec<Vec<u8>>,
    pub(crate) closing: Option<Closing>,
    pub(crate) ticket: Option<Ticket>,
    pub(crate) connected: usize,
}

impl Heard {
    pub(crate) fn take(&mut self, output: Output) {
        assert!(self.closing.is_none(), "nothing follows Closed: {output:?}");
        match output {
            Output::Connected(summary) => {
                self.summary = Some(*summary);
                self.connected += 1;
            }
            Output::Data(data) => self.data.push(data),
            Output::Closed(closing) => self.closing = Some(closing),
            Output::Ticket(ticket) => self.ticket = Some(ticket),
            Output::Transmit(_) | Output::Ask(_) => unreachable!("the pair takes these"),
        }
    }

    pub(crate) fn summary(&self) -> &PeerSummary {
        self.summary.as_ref().expect("this end is connected")
    }
}

/// A client, a listener, the session it accepts, and the way between them.
pub(crate) struct Pair {
    pub(crate) now: Moment,
    pub(crate) client: Session,
    pub(crate) listener: Listener,
    pub(crate) server: Option<Session>,
    pub(crate) client_policy: Policy,
    pub(crate) server_policy: Policy,
    pub(crate) client_heard: Heard,
    pub(crate) server_heard: Heard,
    pub(crate) sessions_accepted: usize,
    /// Decides about each datagram, by direction and number within the direction.
    pub(crate) fate: Fates,
    /// How late questions are answered.
    pub(crate) answer_after: Duration,
    open: Vec<(Moment, To, Question)>,
    counts: [usize; 2],
    way: Vec<(Moment, usize, To, Vec<u8>)>,
    /// Everything that was sent, whatever became of it.
    pub(crate) sent: Vec<(To, Vec<u8>)>,
    order: usize,
}

impl Pair {
    /// A client with `setup` and a listener with the defaults.
    pub(crate) fn new(setup: ClientSetup) -> Self {
        let listener = ListenerSetup::new(setup.provider.clone(), Dice::numbered(2));
        Self::with_listener(setup, listener)
    }

    pub(crate) fn with_listener(setup: ClientSetup, listener: ListenerSetup) -> Self {
        let now = Moment::from_micros(1_000_000);
        let listener = Listener::new(listener, now);
        Self::on_listener(setup, listener, now)
    }

    pub(crate) fn on_listener(setup: ClientSetup, listener: Listener, now: Moment) -> Self {
        Self {
            now,
            client: Session::client(setup, now).expect("the setup is sound"),
            listener,
            server: None,
            client_policy: Policy::new(),
            server_policy: Policy::new(),
            client_heard: Heard::default(),
            server_heard: Heard::default(),
            sessions_accepted: 0,
            fate: Box::new(|_, _, _| Fate::Deliver),
            answer_after: Duration::ZERO,
            open: Vec::new(),
            counts: [0; 2],
            way: Vec::new(),
            sent: Vec::new(),
            order: 0,
        }
    }

    pub(crate) fn psk() -> Self {
        Self::new(psk_setup())
    }

    pub(crate) fn server(&mut self) -> &mut Session {
        self.server.as_mut().expect("a session was accepted")
    }

    fn put(&mut self, to: To, datagram: Vec<u8>) {
        let number = self.counts[to as usize];
        self.counts[to as usize] += 1;
        self.sent.push((to, datagram.clone()));
        let mut add = |delay: Duration, bytes: Vec<u8>| {
            self.order += 1;
            self.way.push((self.now + LATENCY + delay, self.order, to, bytes));
        };
        match (self.fate)(to, number, &datagram) {
            Fate::Deliver => add(Duration::ZERO, datagram),
            Fate::Lose => {}
            Fate::Twice => {
                add(Duration::ZERO, datagram.clone());
                add(Duration::ZERO, datagram);
            }
            Fate::Late(delay) => add(delay, datagram),
            Fate::As(bytes) => add(Duration::ZERO, bytes),
        }
    }

    fn drain(&mut self) {
        loop {
            if let Some(output) = self.client.next_output() {
                match output {
                    Output::Transmit(datagram) => self.put(To::Server, datagram),
                    Output::Ask(question) => self.ask(To::Client, question),
                    other => self.client_heard.take(other),
                }
                continue;
            }
            let Some(output) = self.server.as_mut().and_then(Session::next_output) else { return };
            match output {
                Output::Transmit(datagram) => self.put(To::Client, datagram),
                Output::Ask(question) => self.ask(To::Server, question),
                other => self.server_heard.take(other),
            }
        }
    }

    fn ask(&mut self, end: To, question: Question) {
        if self.answer_after.is_zero() {
            self.answer(end, question);
        } else {
            self.open.push((self.now + self.answer_after, end, question));
        }
    }

    fn answer(&mut self, end: To, question: Question) {
        let now = self.now;
        let (policy, session) = match end {
            To::Client => (&mut self.client_policy, &mut self.client),
            To::Server => (&mut self.server_policy, self.server.as_mut().expect("it has just asked")),
        };
        let answer = policy.answer(question);
        session.answer(answer, now).expect("the question is open");
    }

    fn answer_due(&mut self) {
        let due: Vec<_> = self.open.extract_if(.., |(at, ..)| *at <= self.now).collect();
        for (_, end, question) in due {
            self.answer(end, question);
            self.drain();
        }
    }

    fn deliver(&mut self, to: To, datagram: &[u8]) {
        match to {
            To::Client => {
                self.client.receive(datagram, self.now);
            }
            To::Server => {
                let known = self.server.as_ref().is_some_and(|session| {
                    !dtls_proto::starts_handshake(datagram) || session.accepted_from(datagram)
                });
                if known {
                    let now = self.now;
                    self.server().receive(datagram, now);
                    return;
                }
                match self.listener.receive(ADDRESS, datagram, self.now) {
                    Verdict::Reply(reply) => {
                        assert!(reply.len() <= datagram.len(), "a stranger gets no more than it sent");
                        self.put(To::Client, reply);
                    }
                    Verdict::Accept(session) => {
                        self.sessions_accepted += 1;
                        if self.server.is_none() {
                            self.server = Some(*session);
                        }
                    }
                    Verdict::Drop(_) => {}
                }
            }
        }
    }

    fn next_event(&self) -> Option<Moment> {
        let arrivals = self.way.iter().map(|(at, ..)| *at);
        let deadlines = [self.client.next_deadline(), self.server.as_ref().and_then(Session::next_deadline)];
        let answers = self.open.iter().map(|(at, ..)| *at);
        arrivals.chain(answers).chain(deadlines.into_iter().flatten()).min()
    }

    /// Lets time pass until nothing is under way and no end waits within `span`.
    pub(crate) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.drain();
            let Some(at) = self.next_event().filter(|at| *at <= end) else { return };
            self.now = self.now.max(at);
            let mut due: Vec<_> = Vec::new();
            self.way.retain(|entry| {
                let keep = entry.0 > at;
                if !keep {
                    due.push(entry.clone());
                }
                keep
            });
            due.sort_by_key(|(at, order, ..)| (*at, *order));
            for (_, _, to, datagram) in due {
                self.deliver(to, &datagram);
                self.drain();
            }
            self.answer_due();
            self.client.expire(self.now);
            if let Some(server) = &mut self.server {
                server.expire(self.now);
            }
        }
    }

    /// Runs a handshake to its end, good or bad.
    pub(crate) fn run(&mut self) {
        self.run_for(Duration::from_secs(130));
    }

    pub(crate) fn both_connected(&self) -> bool {
        self.client.is_connected() && self.server.as_ref().is_some_and(Session::is_connected)
    }

    /// Sends one message each way and checks that it arrives once.
    pub(crate) fn exchange_data(&mut self) {
        assert!(self.both_connected(), "{:?} {:?}", self.client_heard.closing, self.server_heard.closing);
        let (from_client, from_server) = (self.client_heard.data.len(), self.server_heard.data.len());
        self.client.send(b"from the client", self.now).expect("it is connected");
        let now = self.now;
        self.server().send(b"from the server", now).expect("it is connected");
        self.run_for(Duration::from_secs(1));
        assert_eq!(self.server_heard.data[from_server..], [b"from the client".to_vec()]);
        assert_eq!(self.client_heard.data[from_client..], [b"from the server".to_vec()]);
    }

    /// Datagrams that were sent in one direction.
    pub(crate) fn sent_to(&self, to: To) -> Vec<Vec<u8>> {
        self.sent.iter().filter(|(way, _)| *way == to).map(|(_, datagram)| datagram.clone()).collect()
    }
}

pub(crate) fn psk_setup() -> ClientSetup {
    psk_setup_with(provider())
}

pub(crate) fn psk_setup_with(provider: Arc<dyn Provider>) -> ClientSetup {
    ClientSetup { name: Some(CLIENT_NAME), ..ClientSetup::psk(provider, Dice::numbered(1)) }
}
