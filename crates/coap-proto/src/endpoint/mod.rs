//! Client and server for many peers, without I/O.
//!
//! ```text
//! receive --> parse --> ACK, RST ----------> sending: settle
//!                  |--> request --> seen? --> vet --> blocks --> Output::Request --> respond --.
//!                  |                  '-- same reply again                                     |
//!                  '--> response --> seen? --> token --> blocks --> Output::Answer             |
//! request, notify, respond --> compose --> sending (NSTART, repetition) --> Output::Transmit <-'
//! ```
//! One input (`receive`, `expire` or a command), then drain `next_output`.

mod answer;
mod ask;
mod compose;
mod download;
mod ids;
mod observe;
mod peer;
mod peers;
mod seen;
mod sending;
mod serve;
mod shared;
mod transfers;
mod unproven;

use alloc::collections::BTreeSet;

use clock::{Dice, Moment};

use crate::{
    Busy, Config, Counters, Delivery, ExchangeId, Gone, ObserverId, Output, PathLimits, PeerId, Request,
    RequestId, Response, TooManyPeers,
};
use peer::Peer;
use peers::Peers;
use shared::Shared;

/// Peers handled by one call of [`Endpoint::expire`]; the others are due at once.
const EXPIRED_PEERS_MAX: usize = 256;

/// Both roles of CoAP for many peers, each over one path.
///
/// Work per datagram does not depend on the number of peers but for a lookup in logarithmic time.
pub struct Endpoint {
    shared: Shared,
    peers: Peers,
    /// When each peer is to be looked at, which it knows as well.
    timers: BTreeSet<(Moment, PeerId)>,
    /// The peer of the last input, whose timer may be late.
    ///
    /// It is set when the outputs are drained. Most requests are answered by then, so that what was due of them
    /// soon never becomes a timer.
    touched: Option<PeerId>,
}

impl Endpoint {
    /// An endpoint without peers that draws ids, tokens and waits from `dice`.
    #[must_use]
    pub fn new(config: Config, dice: Dice) -> Self {
        Self {
            shared: Shared::new(config, dice),
            peers: Peers::default(),
            timers: BTreeSet::new(),
            touched: None,
        }
    }

    /// Makes a peer known, or changes the path of a known one and keeps all else.
    ///
    /// # Errors
    /// [`TooManyPeers`] at `Limits::peer_count_max`.
    pub fn connect(&mut self, peer: PeerId, path: PathLimits) -> Result<(), TooManyPeers> {
        if let Some(known) = self.peers.find(peer) {
            known.change_path(path);
            return Ok(());
        }
        if self.peers.len() >= self.shared.config.limits.peer_count_max {
            return Err(TooManyPeers);
        }
        self.peers.add(Peer::new(peer, path, &mut self.shared.dice));
        Ok(())
    }

    /// Whether the peer is known.
    #[must_use]
    pub fn is_connected(&self, peer: PeerId) -> bool {
        self.peers.contains(peer)
    }

    /// Forgets a peer and everything about it; requests to it fail, its observers are gone, its exchanges
    /// can no longer be answered. Does nothing for a peer that is not known.
    pub fn forget(&mut self, peer: PeerId, now: Moment) {
        if let Some(mut gone) = self.peers.remove(peer) {
            gone.forget(&mut self.shared, now);
            if let Some(set) = gone.timer {
                self.timers.remove(&(set, peer));
            }
        }
    }

    /// Takes in one datagram. Noise is counted; it is never an error.
    pub fn receive(&mut self, peer: PeerId, datagram: &[u8], now: Moment) {
        self.shared.counters.received += 1;
        let Some(known) = self.peers.find(peer) else {
            self.shared.counters.strangers += 1;
            return;
        };
        known.receive(datagram, &mut self.shared, now);
        self.touch(peer);
    }

    /// Does what is due: repeats, gives up, acknowledges, forgets.
    ///
    /// Handles a bounded number of peers; while more are due, `next_deadline` lies in the past.
    pub fn expire(&mut self, now: Moment) {
        self.settle();
        for _ in 0..EXPIRED_PEERS_MAX {
            if self.timers.first().is_none_or(|(due, _)| *due > now) {
                return;
            }
            let Some((_, peer)) = self.timers.pop_first() else { return };
            if let Some(known) = self.peers.find(peer) {
                known.timer = None;
                known.expire(&mut self.shared, now);
                self.set_timer(peer);
            }
        }
    }

    /// Sends a request, in blocks if need be, and fetches its whole response.
    ///
    /// Ends with exactly one [`Output::Answer`] or [`Output::Failed`], unless cancelled.
    /// # Errors
    /// [`Busy`]; nothing was sent.
    pub fn request(&mut self, peer: PeerId, request: Request, now: Moment) -> Result<RequestId, Busy> {
        self.ask(peer, |known, shared| known.request(request, shared, now))
    }

    /// Registers interest in a resource with `request` (GET or FETCH).
    ///
    /// Gives an [`Output::Notification`] for the first and every newer state, and registers again when the
    /// state is no longer fresh. Ends with [`Output::Answer`] (the server does not, or no longer, notify) or
    /// [`Output::Failed`].
    /// # Errors
    /// [`Busy`]; nothing was sent.
    pub fn observe(&mut self, peer: PeerId, request: Request, now: Moment) -> Result<RequestId, Busy> {
        self.ask(peer, |known, shared| known.observe(request, shared, now))
    }

    /// Asks whether the peer is there; ends with [`Output::Pong`] or [`Output::Failed`].
    ///
    /// # Errors
    /// [`Busy`]; nothing was sent.
    pub fn ping(&mut self, peer: PeerId, now: Moment) -> Result<RequestId, Busy> {
        self.ask(peer, |known, shared| known.ping(shared, now))
    }

    /// Drops a request or observation of ours without further output; a late response is answered RST. An
    /// observation is deregistered with GET and Observe 1. Does nothing for one that is done.
    pub fn cancel(&mut self, request: RequestId, now: Moment) {
        if let Some(known) = self.peers.find(request.peer) {
            known.cancel(request.serial, &mut self.shared, now);
            self.touch(request.peer);
        }
    }

    /// Answers a request: on its acknowledgement, or separately when that went out already.
    ///
    /// # Errors
    /// [`Gone`] when it was answered, is older than its lifetime, or its peer is forgotten.
    pub fn respond(&mut self, exchange: ExchangeId, response: Response, now: Moment) -> Result<(), Gone> {
        self.answer(exchange, |known, shared| known.respond(exchange.serial, response, shared, now))
    }

    /// Answers a request that wants to register with its first state, and keeps the observer.
    ///
    /// Gives the same id when the peer registers again with the same token, and `None` when there is no
    /// observation: the request did not ask for it, the response is no success, or the limits are reached.
    /// # Errors
    /// As [`Endpoint::respond`].
    pub fn respond_observed(
        &mut self,
        exchange: ExchangeId,
        response: Response,
        now: Moment,
    ) -> Result<Option<ObserverId>, Gone> {
        self.answer(exchange, |known, shared| known.respond_observed(exchange.serial, response, shared, now))
    }

    /// Answers a request with 4.01 and an Echo value; the peer's next request that returns it arrives with
    /// `Incoming::is_fresh`. Source: RFC 9175 section 2.
    ///
    /// # Errors
    /// As [`Endpoint::respond`].
    pub fn challenge(&mut self, exchange: ExchangeId, now: Moment) -> Result<(), Gone> {
        self.answer(exchange, |known, shared| known.challenge(exchange.serial, shared, now))
    }

    /// Tells an observer the new state. A response that is no success ends the observation.
    ///
    /// While a confirmable notification is under way the newest state waits and replaces older ones.
    /// Non-confirmable notifications become confirmable once a day.
    /// # Errors
    /// [`Gone`] when the observer is.
    pub fn notify(
        &mut self,
        observer: ObserverId,
        response: Response,
        delivery: Delivery,
        now: Moment,
    ) -> Result<(), Gone> {
        let known = self.peers.find(observer.peer).ok_or(Gone)?;
        let told = known.notify(observer.serial, response, delivery, &mut self.shared, now);
        self.touch(observer.peer);
        told
    }

    /// The next effect, in the order they came about.
    pub fn next_output(&mut self) -> Option<Output> {
        let output = self.shared.outputs.pop_front();
        if output.is_none() {
            self.settle();
        }
        output
    }

    /// When to call [`Endpoint::expire`] next; may be earlier than there is something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        let set = self.timers.first().map(|(due, _)| *due);
        let late = self.touched.and_then(|peer| self.peers.look_at(peer)?.next_deadline());
        set.into_iter().chain(late).min()
    }

    /// What happened on the message layer so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// How many peers are known.
    #[must_use]
    pub fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// Bytes of bodies kept for block-wise transfer, all peers together.
    #[must_use]
    pub fn transfer_bytes(&self) -> usize {
        self.shared.transfer_bytes
    }

    fn ask(
        &mut self,
        peer: PeerId,
        act: impl FnOnce(&mut Peer, &mut Shared) -> Result<RequestId, Busy>,
    ) -> Result<RequestId, Busy> {
        let known = self.peers.find(peer).ok_or(Busy::UnknownPeer)?;
        let asked = act(known, &mut self.shared);
        self.touch(peer);
        asked
    }

    fn answer<T>(
        &mut self,
        exchange: ExchangeId,
        act: impl FnOnce(&mut Peer, &mut Shared) -> Result<T, Gone>,
    ) -> Result<T, Gone> {
        let known = self.peers.find(exchange.peer).ok_or(Gone)?;
        let done = act(known, &mut self.shared);
        self.touch(exchange.peer);
        done
    }

    /// Notes that the peer's timer may be late, and sets that of the peer before.
    fn touch(&mut self, peer: PeerId) {
        if self.touched != Some(peer) {
            self.settle();
            self.touched = Some(peer);
        }
    }

    fn settle(&mut self) {
        if let Some(peer) = self.touched.take() {
            self.set_timer(peer);
        }
    }

    /// Moves the peer's timer forward when something is due earlier.
    ///
    /// It is never moved back: a timer that fires early costs less than two tree operations per datagram.
    fn set_timer(&mut self, peer: PeerId) {
        let Some(known) = self.peers.find(peer) else { return };
        let Some(due) = known.next_deadline() else { return };
        if known.timer.is_some_and(|set| set <= due) {
            return;
        }
        if let Some(set) = known.timer.replace(due) {
            self.timers.remove(&(set, peer));
        }
        self.timers.insert((due, peer));
    }
}

impl core::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Endpoint").field("peers", &self.peers.len()).finish_non_exhaustive()
    }
}
