//! Our server over DTLS: driver, associations, endpoint, router and access decision.

use std::net::SocketAddr;

use clock::{Moment, Now};
use coap_proto::{Config, Endpoint};
use coaps::{Coaps, CoapsLimits, Output as Said};
use dtls_proto::{Alert, Listener, ListenerSetup};
use net::now::Clock;
use net::seed;
use net::shutdown::shutdown;
use net::udp::{self, DatagramMachine, Output, Transmit, UdpDriver};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::channel;

use super::{Party, Proof};
use crate::bench::child::{internal, say_ready, serve_until_input_ends};
use crate::bench::coap_server::Desk;
use crate::failure::Outcome;

/// Serves until standard input ends.
pub(in crate::bench) fn run(proof: Proof) -> Outcome {
    serve_until_input_ends(serve(proof))
}

async fn serve(proof: Proof) -> Outcome {
    let socket = UdpSocket::bind("127.0.0.1:0").await.map_err(|error| internal("a socket", error))?;
    let at = socket.local_addr().map_err(|error| internal("a socket", error))?;
    let mut party = Party::new(proof, seed::dice().map_err(|error| internal("randomness", error))?)?;
    let clock = Clock::start();
    let setup = ListenerSetup::new(party.provider.clone(), party.dice.split());
    let listener = Listener::new(setup, clock.now().moment);
    let endpoint = Endpoint::new(Config::default(), party.dice.split());
    let lines = Coaps::new(Some(listener), endpoint, CoapsLimits::default());
    let machine = Secured { party, lines, desk: Desk::new() };
    let (_commands, commands) = channel::<()>(1);
    let (events, _events) = channel::<()>(1);
    let (_never, shutdown) = shutdown();
    say_ready(at);
    udp::run(UdpDriver { socket, commands, events, clock, shutdown }, machine).await;
    Ok(())
}

struct Secured {
    party: Party,
    lines: Coaps<SocketAddr>,
    desk: Desk,
}

impl DatagramMachine for Secured {
    type Command = ();
    type Event = ();

    fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Now) {
        self.lines.receive(from, datagram, now);
        self.work(now);
    }

    fn command(&mut self, (): (), _: Now) {}

    fn refused(&mut self, (): (), _: Now) {}

    fn expire(&mut self, now: Now) {
        self.lines.expire(now);
        self.work(now);
    }

    fn stop(&mut self, _: Now) {}

    fn next_output(&mut self) -> Option<Output<()>> {
        self.desk.ready.pop_front().map(Output::Transmit)
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.lines.next_deadline()
    }
}

impl Secured {
    fn work(&mut self, now: Now) {
        while let Some(said) = self.lines.next_output() {
            match said {
                Said::Transmit { to, datagram } => self.desk.ready.push_back(Transmit { to, datagram }),
                Said::Ask { association, question, .. } => {
                    let answer = self.party.answer(&question);
                    if self.lines.answer(association, answer, now).is_err() {
                        self.lines.abort(association, Alert::InternalError, now);
                    }
                }
                Said::Coap(coap_proto::Output::Request(asked)) => {
                    let response = self.desk.answer(&asked);
                    // An exchange that is gone needs no answer.
                    let _ = self.lines.respond(asked.exchange, response, now);
                }
                Said::Connected { .. } | Said::Ticket { .. } | Said::Ended { .. } | Said::Coap(_) => {}
            }
        }
    }
}
