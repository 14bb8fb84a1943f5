//! Clients over DTLS: they connect, ask, wait for the answer, and ask again.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::{Duration, Instant};

use dtls_proto::{Output, Session};
use net::now::Clock;
use net::seed;

use super::{Party, Proof};
use crate::bench::child::internal;
use crate::bench::load::{self, Answered};
use crate::failure::Outcome;

/// Clients with one association each; all of one proof and of one server.
pub(in crate::bench) struct Clients {
    server: SocketAddr,
    party: Party,
    clock: Clock,
    all: Vec<Client>,
    next_id: u16,
}

struct Client {
    socket: Rc<UdpSocket>,
    session: Option<Session>,
    is_up: bool,
    /// Plaintext came.
    is_answered: bool,
}

impl Clients {
    /// So many clients of one server, not connected yet.
    pub(in crate::bench) fn new(proof: Proof, count: usize, server: SocketAddr) -> Outcome<Self> {
        let dice = seed::dice().map_err(|error| internal("randomness", error))?;
        let party = Party::new(proof, dice)?;
        let sockets: io::Result<Vec<_>> = (0..count).map(|_| load::socket().map(Rc::new)).collect();
        let sockets = sockets.map_err(|error| internal("a socket of the load", error))?;
        let clients = Self::over(sockets, party, server);
        clients.turn()?;
        Ok(clients)
    }

    /// As many clients of another server, over the same sockets: whoever speaks takes its [`turn`](Self::turn).
    pub(in crate::bench) fn beside(&self, proof: Proof, server: SocketAddr) -> Outcome<Self> {
        let dice = seed::dice().map_err(|error| internal("randomness", error))?;
        let sockets = self.all.iter().map(|client| Rc::clone(&client.socket)).collect();
        Ok(Self::over(sockets, Party::new(proof, dice)?, server))
    }

    fn over(sockets: Vec<Rc<UdpSocket>>, party: Party, server: SocketAddr) -> Self {
        let client = |socket| Client { socket, session: None, is_up: false, is_answered: false };
        let all = sockets.into_iter().map(client).collect();
        Self { server, party, clock: Clock::start(), all, next_id: 0 }
    }

    /// From now on the sockets are for these clients: the kernel keeps others' datagrams away.
    pub(in crate::bench) fn turn(&self) -> Outcome {
        let turned: io::Result<()> =
            self.all.iter().try_for_each(|client| client.socket.connect(self.server));
        turned.map_err(|error| internal("a socket of the load", error))
    }

    /// Each makes a full handshake; gives how many came to their end.
    pub(in crate::bench) fn connect(&mut self) -> Outcome<u64> {
        let now = self.clock.now().moment;
        let mut buffer = [0; 2048];
        for burst in self.all.chunks_mut(load::BURST) {
            for client in burst.iter_mut() {
                let session = Session::client(self.party.client_setup(), now);
                let session = session.map_err(|error| internal("a client", format!("{error:?}")))?;
                (client.session, client.is_up) = (Some(session), false);
                client.drain(&mut self.party, &self.clock);
            }
            // No handshake has more turns than this, with one datagram in each.
            for _ in 0..16 {
                for client in burst.iter_mut().filter(|client| !client.is_up) {
                    client.hear(&mut buffer, &mut self.party, &self.clock);
                }
            }
        }
        Ok(self.all.iter().filter(|client| client.is_up).count() as u64)
    }

    /// Full handshakes, one after the other by each client, until the time is over.
    pub(in crate::bench) fn connect_for(&mut self, span: Duration) -> Outcome<Answered> {
        let end = Instant::now() + span;
        let mut answered = Answered::default();
        while Instant::now() < end {
            let up = self.connect()?;
            answered.answers += up;
            answered.lost += self.all.len() as u64 - up;
        }
        Ok(answered)
    }

    /// Asks in bursts until the time is over.
    pub(in crate::bench) fn ask_for(&mut self, span: Duration) -> Answered {
        let end = Instant::now() + span;
        let mut answered = Answered::default();
        let mut buffer = [0; 2048];
        while Instant::now() < end {
            self.next_id = self.next_id.wrapping_add(1);
            let question = load::question(self.next_id);
            for burst in self.all.chunks_mut(load::BURST) {
                for client in burst.iter_mut() {
                    client.ask(&question, &mut self.party, &self.clock);
                }
                for client in burst.iter_mut() {
                    client.hear(&mut buffer, &mut self.party, &self.clock);
                    match client.is_answered {
                        true => answered.answers += 1,
                        false => answered.lost += 1,
                    }
                }
            }
        }
        answered
    }
}

impl Client {
    fn ask(&mut self, question: &[u8], party: &mut Party, clock: &Clock) {
        self.is_answered = false;
        if let Some(session) = &mut self.session {
            // What is not sent gets no answer, and counts as lost.
            let _ = session.send(question, clock.now().moment);
        }
        self.drain(party, clock);
    }

    /// Takes one datagram, if one comes in time.
    fn hear(&mut self, buffer: &mut [u8], party: &mut Party, clock: &Clock) {
        let Ok(length) = self.socket.recv(buffer) else { return };
        if let (Some(session), Some(datagram)) = (&mut self.session, buffer.get(..length)) {
            session.receive(datagram, clock.now().moment);
        }
        self.drain(party, clock);
    }

    fn drain(&mut self, party: &mut Party, clock: &Clock) {
        let Some(session) = &mut self.session else { return };
        while let Some(output) = session.next_output() {
            match output {
                // A datagram that is not sent is one that is lost.
                Output::Transmit(datagram) => drop(self.socket.send(&datagram)),
                Output::Ask(question) => drop(session.answer(party.answer(&question), clock.now().moment)),
                Output::Connected(_) => self.is_up = true,
                Output::Data(_) => self.is_answered = true,
                Output::Ticket(_) | Output::Closed(_) => {}
            }
        }
    }
}
