//! One face, its owner, its clients, and the network between them, with virtual time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::{Dice, Moment, Now, Timestamp};
use coap_front::Output;
use crypto::{KeyKind, PrivateKey, Provider};

use crate::client::Client;

pub(crate) const LATENCY: Duration = Duration::from_millis(5);
pub(crate) const UNIX_MILLIS: u64 = 1_800_000_000_000;

pub(crate) fn provider() -> Arc<dyn Provider> {
    Arc::new(crypto_server::Server::new())
}

pub(crate) fn key(kind: KeyKind, run: u64) -> Arc<dyn PrivateKey> {
    provider().generate_key(kind, &mut Dice::numbered(run)).unwrap()
}

pub(crate) fn server() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 49684))
}

/// Whether a datagram gets lost.
pub(crate) type Losses = Box<dyn FnMut(&[u8]) -> bool>;

/// What all faces have.
pub(crate) trait Face {
    type Event: core::fmt::Debug + Clone;
    type Command;
    fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Now);
    fn command(&mut self, command: Self::Command, now: Now);
    fn refused(&mut self, event: Self::Event, now: Now);
    fn expire(&mut self, now: Now);
    fn next_output(&mut self) -> Option<Output<Self::Event>>;
    fn next_deadline(&self) -> Option<Moment>;
}

macro_rules! face {
    ($face:ty, $event:ty, $command:ty) => {
        impl Face for $face {
            type Event = $event;
            type Command = $command;
            fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Now) {
                <$face>::receive(self, from, datagram, now);
            }
            fn command(&mut self, command: $command, now: Now) {
                <$face>::command(self, command, now);
            }
            fn refused(&mut self, event: $event, now: Now) {
                <$face>::refused(self, event, now);
            }
            fn expire(&mut self, now: Now) {
                <$face>::expire(self, now);
            }
            fn next_output(&mut self) -> Option<Output<$event>> {
                <$face>::next_output(self)
            }
            fn next_deadline(&self) -> Option<Moment> {
                <$face>::next_deadline(self)
            }
        }
    };
}

face!(
    coap_front::bootstrap::BootstrapFace,
    coap_front::bootstrap::BootstrapEvent,
    coap_front::bootstrap::BootstrapCommand
);
face!(
    coap_front::channels::ChannelFace,
    coap_front::channels::ChannelEvent,
    coap_front::channels::ChannelCommand
);

/// Answers a face's events.
pub(crate) trait Owner<F: Face> {
    /// `None`: the owner's queue is full. Else the commands that follow at once.
    fn hear(&mut self, event: &F::Event) -> Option<Vec<F::Command>>;
}

pub(crate) struct World<F: Face, O> {
    pub(crate) face: F,
    pub(crate) owner: O,
    pub(crate) clients: Vec<Client>,
    pub(crate) events: Vec<F::Event>,
    pub(crate) now: Moment,
    pub(crate) utc_known: bool,
    /// Whether a datagram gets lost.
    pub(crate) loses: Losses,
    /// Datagrams to each address that is no client's.
    pub(crate) elsewhere: Vec<(SocketAddr, Vec<u8>)>,
    /// Everything that came to the face.
    pub(crate) arrived: Vec<(SocketAddr, Vec<u8>)>,
    way: Vec<(Moment, SocketAddr, SocketAddr, Vec<u8>)>,
}

impl<F: Face, O: Owner<F>> World<F, O> {
    pub(crate) fn new(face: F, owner: O) -> Self {
        Self {
            face,
            owner,
            clients: Vec::new(),
            events: Vec::new(),
            now: start().moment,
            utc_known: true,
            loses: Box::new(|_| false),
            elsewhere: Vec::new(),
            arrived: Vec::new(),
            way: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now { moment: self.now, utc: self.utc_known.then(|| Timestamp::from_unix_millis(UNIX_MILLIS)) }
    }

    /// Adds a client and lets it connect.
    pub(crate) fn connect(&mut self, client: Client) -> usize {
        self.clients.push(client);
        let at = self.clients.len() - 1;
        self.reconnect(at);
        at
    }

    pub(crate) fn reconnect(&mut self, at: usize) {
        let now = self.now();
        self.clients[at].connect(server(), now);
        self.run_for(Duration::from_secs(1));
    }

    pub(crate) fn ask(&mut self, at: usize, request: coap_proto::Request) {
        let now = self.now();
        self.clients[at].ask(request, now);
        self.run_for(Duration::from_secs(2));
    }

    pub(crate) fn command(&mut self, command: F::Command) {
        let now = self.now();
        self.face.command(command, now);
        self.run_for(Duration::from_secs(1));
    }

    /// Lets anybody send anything.
    pub(crate) fn inject(&mut self, from: SocketAddr, datagram: &[u8]) {
        let now = self.now();
        self.face.receive(from, datagram, now);
        self.drain();
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, datagram: Vec<u8>) {
        if !(self.loses)(&datagram) {
            self.way.push((self.now + LATENCY, from, to, datagram));
        }
    }

    pub(crate) fn drain(&mut self) {
        let now = self.now();
        loop {
            let mut quiet = true;
            while let Some(output) = self.face.next_output() {
                quiet = false;
                match output {
                    Output::Transmit { to, datagram } => self.send(server(), to, datagram),
                    Output::Event(event) => match self.owner.hear(&event) {
                        Some(commands) => {
                            self.events.push(event);
                            for command in commands {
                                self.face.command(command, now);
                            }
                        }
                        None => self.face.refused(event, now),
                    },
                }
            }
            for at in 0..self.clients.len() {
                let from = self.clients[at].address;
                for (to, datagram) in self.clients[at].drain(now) {
                    quiet = false;
                    self.send(from, to, datagram);
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn next_event(&self) -> Option<Moment> {
        let clients = self.clients.iter().filter_map(|client| client.lines.next_deadline());
        let arrivals = self.way.iter().map(|(at, ..)| *at);
        arrivals.chain(clients).chain(self.face.next_deadline()).min()
    }

    /// Lets so much time pass.
    pub(crate) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.drain();
            let Some(at) = self.next_event().filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(at);
            let due: Vec<_> = self.way.extract_if(.., |(when, ..)| *when <= at).collect();
            for (_, from, to, datagram) in due {
                self.deliver(from, to, datagram);
            }
            let now = self.now();
            self.face.expire(now);
            for client in &mut self.clients {
                client.lines.expire(now);
            }
        }
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, datagram: Vec<u8>) {
        let now = self.now();
        if to == server() {
            self.arrived.push((from, datagram.clone()));
            self.face.receive(from, &datagram, now);
        } else if let Some(client) = self.clients.iter_mut().find(|client| client.address == to) {
            client.lines.receive(from, &datagram, now);
        } else {
            self.elsewhere.push((to, datagram));
        }
        self.drain();
    }
}

pub(crate) fn start() -> Now {
    Now::new(Moment::from_micros(1_000_000), Timestamp::from_unix_millis(UNIX_MILLIS))
}
