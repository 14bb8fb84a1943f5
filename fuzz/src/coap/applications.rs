//! What every fuzzed endpoint must keep, whatever comes in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clock::Moment;
use coap_proto::{
    Endpoint, ExchangeId, Incoming, Limits, Message, ObserverId, Output, PeerId, RequestId, Response,
};

/// Outputs that one input may bring about.
const OUTPUTS_MAX: usize = 512;

/// An endpoint, what is open at it, and what was drained.
pub(super) struct Watched {
    pub(super) endpoint: Endpoint,
    pub(super) now: Moment,
    limits: Limits,
    datagram_size_max: usize,
    /// Our requests without an end.
    pub(super) asked: BTreeSet<RequestId>,
    /// Our pings without an end.
    pub(super) pings: BTreeSet<RequestId>,
    /// Requests of peers without an answer.
    pub(super) exchanges: Vec<ExchangeId>,
    came_at: BTreeMap<ExchangeId, Moment>,
    pub(super) observers: Vec<ObserverId>,
    /// The newest datagram to each peer.
    pub(super) last_sent: BTreeMap<PeerId, Vec<u8>>,
    pub(super) worked: bool,
}

/// What a drain brought.
pub(super) enum Event {
    Sent(PeerId, Vec<u8>),
    Asked(Box<Incoming>),
    Answered(RequestId, Response),
}

impl Watched {
    pub(super) fn new(endpoint: Endpoint, limits: Limits, datagram_size_max: usize) -> Self {
        Self {
            endpoint,
            now: Moment::from_micros(1_000_000_000),
            limits,
            datagram_size_max,
            asked: BTreeSet::new(),
            pings: BTreeSet::new(),
            exchanges: Vec::new(),
            came_at: BTreeMap::new(),
            observers: Vec::new(),
            last_sent: BTreeMap::new(),
            worked: false,
        }
    }

    /// Takes all outputs, and checks each and what is kept.
    pub(super) fn drain(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut count = 0;
        while let Some(output) = self.endpoint.next_output() {
            count += 1;
            assert!(count <= OUTPUTS_MAX, "one input brings about more and more");
            self.take(output, &mut events);
        }
        assert!(self.endpoint.transfer_bytes() <= self.limits.transfer_bytes_max);
        assert!(self.asked.len() <= self.limits.requests_per_peer_max * self.endpoint.peer_count());
        assert!(self.endpoint.peer_count() <= self.limits.peer_count_max);
        events
    }

    fn take(&mut self, output: Output, events: &mut Vec<Event>) {
        match output {
            Output::Transmit { peer, datagram } => {
                assert!(datagram.len() <= self.datagram_size_max, "{} bytes", datagram.len());
                assert!(Message::parse(&datagram).is_ok(), "we send messages");
                self.last_sent.insert(peer, datagram.clone());
                events.push(Event::Sent(peer, datagram));
            }
            Output::Request(incoming) => {
                assert!(self.endpoint.is_connected(incoming.peer) && incoming.peer == incoming.exchange.peer);
                assert_eq!(self.came_at.insert(incoming.exchange, self.now), None, "an exchange comes once");
                assert!(incoming.payload.len() <= self.limits.body_size_max);
                assert!(incoming.options().path().all(|part| std::str::from_utf8(part).is_ok()));
                self.exchanges.push(incoming.exchange);
                assert!(self.young(incoming.peer) <= self.limits.exchanges_per_peer_max);
                self.worked = true;
                events.push(Event::Asked(Box::new(incoming)));
            }
            Output::Answer { request, response } => {
                self.end(request);
                assert!(response.payload.len() <= self.limits.body_size_max);
                self.worked = true;
                events.push(Event::Answered(request, response));
            }
            Output::Notification { request, response } => {
                assert!(self.asked.contains(&request), "an observation that is over");
                assert!(response.payload.len() <= self.limits.body_size_max);
                self.worked = true;
            }
            Output::Pong { request } => assert!(self.pings.remove(&request), "a ping ends once"),
            Output::Failed { request, .. } => {
                if !self.pings.remove(&request) {
                    self.end(request);
                }
            }
            Output::ObserverGone { observer, .. } => self.observers.retain(|known| *known != observer),
            Output::ObserverDue { observer } => assert!(self.endpoint.is_connected(observer.peer)),
            Output::Idle { peer } => assert!(self.endpoint.is_connected(peer)),
        }
    }

    /// Exchanges of a peer that cannot have grown too old: those the endpoint lets go of without telling.
    fn young(&self, peer: PeerId) -> usize {
        let is_young = |open: &&ExchangeId| self.now - self.came_at[*open] < Duration::from_secs(140);
        self.exchanges.iter().filter(|open| open.peer == peer).filter(is_young).count()
    }

    fn end(&mut self, request: RequestId) {
        assert!(self.asked.remove(&request), "a request ends once");
    }

    /// Lets time pass to `at` and does what is due; time must not stand still.
    pub(super) fn pass_to(&mut self, at: Moment) -> Vec<Event> {
        self.now = self.now.max(at);
        for _ in 0..10_000 {
            self.endpoint.expire(self.now);
            if self.endpoint.next_deadline().is_none_or(|next| next > self.now) {
                return self.drain();
            }
        }
        panic!("something stays due at {:?}", self.now);
    }

    /// Forgets everybody: everything that was kept is given back, and every request has ended.
    pub(super) fn finish(mut self, peers: &[PeerId]) -> bool {
        for peer in peers {
            self.endpoint.forget(*peer, self.now);
        }
        self.drain();
        assert_eq!(self.endpoint.transfer_bytes(), 0, "every byte is given back");
        assert_eq!(self.asked, BTreeSet::new(), "every request has ended");
        assert_eq!(self.pings, BTreeSet::new(), "every ping has ended");
        assert_eq!(self.observers, [], "every observer was told to be gone");
        assert_eq!((self.endpoint.peer_count(), self.endpoint.next_deadline()), (0, None));
        self.worked
    }
}
