//! Our CoAP server with one resource in memory: driver, endpoint, router and access decision.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;

use clock::{Moment, Now};
use coap_proto::{
    Code, Config, ContentFormat, Endpoint, Incoming, Output as Said, PathLimits, PeerId, Response, Route,
    Router,
};
use net::now::Clock;
use net::seed;
use net::shutdown::shutdown;
use net::udp::{self, DatagramMachine, Output, Transmit, UdpDriver};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::channel;

use super::child::{internal, say_ready, serve_until_input_ends};
use crate::failure::Outcome;

/// Serves until standard input ends.
pub(super) fn run() -> Outcome {
    serve_until_input_ends(serve())
}

async fn serve() -> Outcome {
    let socket = UdpSocket::bind("127.0.0.1:0").await.map_err(|error| internal("a socket", error))?;
    say_ready(socket.local_addr().map_err(|error| internal("a socket", error))?);
    let dice = seed::dice().map_err(|error| internal("randomness", error))?;
    let machine = Readings {
        endpoint: Endpoint::new(Config::default(), dice),
        desk: Desk::new(),
        ids: HashMap::new(),
        addresses: Vec::new(),
    };
    let (_commands, commands) = channel::<()>(1);
    let (events, _events) = channel::<()>(1);
    let (_never, shutdown) = shutdown();
    let driver = UdpDriver { socket, commands, events, clock: Clock::start(), shutdown };
    udp::run(driver, machine).await;
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Resource {
    Outlet,
}

/// One reading, for everybody who may read it, and what is to be sent.
pub(super) struct Desk {
    router: Router<Resource>,
    /// What a stranger may read.
    readers: BTreeSet<Resource>,
    pub(super) ready: VecDeque<Transmit>,
}

impl Desk {
    pub(super) fn new() -> Self {
        let route = Route::new(Code::GET, "/v1/outlet", Resource::Outlet).producing(&[ContentFormat::CBOR]);
        Self {
            router: Router::new().with(route),
            readers: BTreeSet::from([Resource::Outlet]),
            ready: VecDeque::new(),
        }
    }

    pub(super) fn answer(&self, asked: &Incoming) -> Response {
        let found = match self.router.find(asked.method, asked.options()) {
            Ok(found) => *found.id,
            Err(refusal) => return refusal,
        };
        if !self.readers.contains(&found) {
            return Response::new(Code::FORBIDDEN);
        }
        match found {
            Resource::Outlet => Response::content(ContentFormat::CBOR, [0x19, 0x08, 0x5C]),
        }
    }
}

/// Plain CoAP for anybody.
struct Readings {
    endpoint: Endpoint,
    desk: Desk,
    /// Keyed by chance: whoever picks addresses cannot make them meet.
    ids: HashMap<SocketAddr, PeerId>,
    addresses: Vec<SocketAddr>,
}

impl Readings {
    fn peer(&mut self, from: SocketAddr) -> PeerId {
        if let Some(id) = self.ids.get(&from) {
            return *id;
        }
        let id = PeerId(self.addresses.len() as u64);
        self.addresses.push(from);
        self.ids.insert(from, id);
        // A peer beyond the limit stays a stranger to the endpoint.
        let _ = self.endpoint.connect(id, PathLimits::UDP);
        id
    }

    fn take_outputs(&mut self, now: Moment) {
        while let Some(said) = self.endpoint.next_output() {
            match said {
                Said::Transmit { peer, datagram } => {
                    let address = usize::try_from(peer.0).ok().and_then(|index| self.addresses.get(index));
                    if let Some(to) = address.copied() {
                        self.desk.ready.push_back(Transmit { to, datagram });
                    }
                }
                Said::Request(asked) => {
                    let response = self.desk.answer(&asked);
                    // An exchange that is gone needs no answer.
                    let _ = self.endpoint.respond(asked.exchange, response, now);
                }
                _ => {}
            }
        }
    }
}

impl DatagramMachine for Readings {
    type Command = ();
    type Event = ();

    fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Now) {
        let peer = self.peer(from);
        self.endpoint.receive(peer, datagram, now.moment);
        self.take_outputs(now.moment);
    }

    fn command(&mut self, (): (), _: Now) {}

    fn refused(&mut self, (): (), _: Now) {}

    fn expire(&mut self, now: Now) {
        self.endpoint.expire(now.moment);
        self.take_outputs(now.moment);
    }

    fn stop(&mut self, _: Now) {}

    fn next_output(&mut self) -> Option<Output<()>> {
        self.desk.ready.pop_front().map(Output::Transmit)
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.endpoint.next_deadline()
    }
}
