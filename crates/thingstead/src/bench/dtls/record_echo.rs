//! The least that a server over DTLS can do: it opens each record, seals what was in it, and sends it back.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};

use clock::Dice;
use dtls_proto::{Listener, ListenerSetup, Output, Session, Verdict, starts_handshake};
use net::now::Clock;
use net::seed;

use super::{Party, Proof};
use crate::bench::child::{answer_questions, internal, say_ready};
use crate::bench::echo;
use crate::failure::Outcome;

/// Serves until standard input ends.
pub(in crate::bench) fn run(proof: Proof) -> Outcome {
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(|error| internal("a socket", error))?;
    let at = socket.local_addr().map_err(|error| internal("a socket", error))?;
    let dice = seed::dice().map_err(|error| internal("randomness", error))?;
    let mut records = Records::new(proof, dice)?;
    std::thread::spawn(move || {
        echo::serve(&socket, |from, datagram, out| records.receive(from, datagram, out))
    });
    say_ready(at);
    answer_questions()
}

struct Records {
    party: Party,
    listener: Listener,
    sessions: HashMap<SocketAddr, Box<Session>>,
    clock: Clock,
}

impl Records {
    fn new(proof: Proof, dice: Dice) -> Outcome<Self> {
        let mut party = Party::new(proof, dice)?;
        let clock = Clock::start();
        let setup = ListenerSetup::new(party.provider.clone(), party.dice.split());
        let listener = Listener::new(setup, clock.now().moment);
        Ok(Self { party, listener, sessions: HashMap::new(), clock })
    }

    fn receive(&mut self, from: SocketAddr, datagram: &[u8], out: &mut Vec<(SocketAddr, Vec<u8>)>) {
        let now = self.clock.now().moment;
        if starts_handshake(datagram) {
            match self.listener.receive(b"anywhere", datagram, now) {
                Verdict::Reply(reply) => return out.push((from, reply)),
                Verdict::Accept(session) => drop(self.sessions.insert(from, session)),
                Verdict::Drop(_) => return,
            }
        }
        let Some(session) = self.sessions.get_mut(&from) else { return };
        if !session.accepted_from(datagram) {
            session.receive(datagram, now);
        }
        while let Some(output) = session.next_output() {
            match output {
                Output::Transmit(datagram) => out.push((from, datagram)),
                // A question that is not open any more, or a session that is over, sends nothing.
                Output::Ask(question) => drop(session.answer(self.party.answer(&question), now)),
                Output::Data(plaintext) => drop(session.send(&plaintext, now)),
                Output::Connected(_) | Output::Ticket(_) | Output::Closed(_) => {}
            }
        }
    }
}
