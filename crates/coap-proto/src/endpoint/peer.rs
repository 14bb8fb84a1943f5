//! Everything about one peer, and where its messages go.

use alloc::vec::Vec;

use clock::{Dice, Moment};

use super::ask::Ask;
use super::ids::MessageIds;
use super::observe::Observer;
use super::seen::{Arrival, Reply, Seen};
use super::sending::{About, Sending};
use super::serve::Exchange;
use super::shared::Shared;
use super::transfers::Transfers;
use super::unproven::Hearing;
use crate::message::empty;
use crate::{Code, Failure, Kind, Message, MessageId, Output, PathLimits, PeerId, RequestId, Token};

/// Smallest datagram we plan for: an empty response with the longest token and every option of ours fits.
const DATAGRAM_SIZE_MIN: usize = 64;

/// A path that carries at least the smallest datagram.
fn widened(path: PathLimits) -> PathLimits {
    PathLimits { datagram_size_max: path.datagram_size_max.max(DATAGRAM_SIZE_MIN), ..path }
}

/// One peer. Idle, it holds no heap but itself.
pub(crate) struct Peer {
    pub(super) id: PeerId,
    pub(super) path: PathLimits,
    /// Whether the peer has shown that it is at its address.
    pub(super) proven: bool,
    /// The Echo value we challenge this peer with, once we have.
    pub(super) echo: Option<[u8; 8]>,
    pub(super) hearing: Hearing,
    pub(super) ids: MessageIds,
    pub(super) next_token: u32,
    pub(super) seen: Seen,
    pub(super) sending: Sending,
    pub(super) exchanges: Vec<Exchange>,
    pub(super) asks: Vec<Ask>,
    pub(super) observers: Vec<Observer>,
    pub(super) transfers: Transfers,
    /// First non-confirmable request since the peer was last heard, and bytes sent since then.
    pub(super) unheard: Option<(Moment, usize)>,
    /// When the endpoint looks at the peer again.
    pub(super) timer: Option<Moment>,
    /// Whether the caller was told that the peer is idle.
    told_idle: bool,
}

impl Peer {
    pub(super) fn new(id: PeerId, path: PathLimits, dice: &mut Dice) -> Self {
        Self {
            id,
            path: widened(path),
            proven: path.secure,
            echo: None,
            hearing: Hearing::default(),
            ids: MessageIds::starting_at(u16::from_be_bytes(dice.bytes())),
            next_token: u32::from_be_bytes(dice.bytes()),
            seen: Seen::default(),
            sending: Sending::default(),
            exchanges: Vec::new(),
            asks: Vec::new(),
            observers: Vec::new(),
            transfers: Transfers::default(),
            unheard: None,
            timer: None,
            told_idle: true,
        }
    }

    pub(super) fn change_path(&mut self, path: PathLimits) {
        self.path = widened(path);
        self.proven |= path.secure;
    }

    /// A token that no request on this association has used: a counter, and 32 bits of chance where an
    /// outsider could forge a response. Source: RFC 7252 section 5.3.1; RFC 9175 section 4.2.
    pub(super) fn new_token(&mut self, dice: &mut Dice) -> Token {
        self.next_token = self.next_token.wrapping_add(1);
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&self.next_token.to_be_bytes());
        if self.path.secure {
            return Token::new(&bytes[..4]).expect("4 bytes");
        }
        dice.fill(&mut bytes[4..]);
        Token::new(&bytes).expect("8 bytes")
    }

    pub(super) fn new_id(&mut self, shared: &Shared, now: Moment) -> Option<MessageId> {
        self.ids.take(now, shared.config.transmission.exchange_lifetime)
    }

    pub(super) fn receive(&mut self, datagram: &[u8], shared: &mut Shared, now: Moment) {
        self.unheard = None;
        let message = match Message::parse(datagram) {
            Ok(message) => message,
            Err(broken) => {
                shared.counters.malformed += 1;
                // Source: RFC 7252 section 4.2: a broken confirmable message is rejected with a reset.
                if let Some((Kind::Confirmable, id)) = broken.header {
                    shared.transmit(self.id, empty(Kind::Reset, id));
                }
                return;
            }
        };
        match message.kind {
            Kind::Acknowledgement => self.acknowledged(message, shared, now),
            Kind::Reset => self.reset(message, shared, now),
            Kind::Confirmable | Kind::NonConfirmable => self.arrived(message, datagram.len(), shared, now),
        }
    }

    fn acknowledged(&mut self, message: Message<'_>, shared: &mut Shared, now: Moment) {
        if message.code.is_response() {
            self.piggybacked(message, shared, now);
            return;
        }
        if message.code != Code::EMPTY {
            shared.counters.malformed += 1;
            return;
        }
        match self.sending.settle(self.id, message.id, shared, now) {
            Some(About::Observer(serial)) => self.notification_acknowledged(serial, shared, now),
            // A ping is to be reset; a peer that acknowledges it is there all the same.
            Some(About::Ping(serial)) => self.pong(serial, shared),
            // A request stays and waits for its separate response.
            Some(About::Request(_) | About::Response) => {}
            None => self.stray_acknowledged(shared, now),
        }
    }

    fn reset(&mut self, message: Message<'_>, shared: &mut Shared, now: Moment) {
        if message.code != Code::EMPTY {
            shared.counters.malformed += 1;
            return;
        }
        match self.sending.settle(self.id, message.id, shared, now) {
            Some(About::Request(serial)) => self.fail(serial, Failure::Reset, shared, now),
            Some(About::Response) => shared.counters.undelivered += 1,
            Some(About::Observer(serial)) => self.observer_reset(serial, shared, now),
            Some(About::Ping(serial)) => self.pong(serial, shared),
            None => self.non_confirmable_reset(message.id, shared, now),
        }
    }

    fn pong(&self, serial: u64, shared: &mut Shared) {
        shared.emit(Output::Pong { request: RequestId { peer: self.id, serial } });
    }

    /// A reset of something that was sent once: a notification or a request.
    fn non_confirmable_reset(&mut self, id: MessageId, shared: &mut Shared, now: Moment) {
        if let Some(serial) = self.observer_of(id) {
            self.observer_reset(serial, shared, now);
        } else if let Some(serial) = self.ask_sent_as(id) {
            self.fail(serial, Failure::Reset, shared, now);
        }
    }

    fn arrived(&mut self, message: Message<'_>, size: usize, shared: &mut Shared, now: Moment) {
        let confirmable = message.kind == Kind::Confirmable;
        let sensible = message.code.is_request() || message.code.is_response();
        if !sensible {
            // An empty confirmable message is a ping; a reserved class makes no sense. Both get a reset.
            if message.code != Code::EMPTY {
                shared.counters.malformed += 1;
            }
            if confirmable {
                shared.transmit(self.id, empty(Kind::Reset, message.id));
            }
            return;
        }
        let times = &shared.config.transmission;
        let kept_until = now + if confirmable { times.exchange_lifetime } else { times.non_lifetime };
        match self.seen.classify(message.id, kept_until, now, &shared.config.limits) {
            Arrival::New => self.told_idle = false,
            Arrival::Repeated => {
                shared.counters.repeated += 1;
                self.repeat_reply(message.id, confirmable, shared);
                return;
            }
            Arrival::Full => {
                shared.counters.unremembered += 1;
                return;
            }
        }
        if message.code.is_request() {
            self.requested(message, size, shared, now);
        } else {
            self.responded(message, shared, now);
        }
    }

    fn repeat_reply(&self, id: MessageId, confirmable: bool, shared: &mut Shared) {
        if !confirmable {
            return;
        }
        match self.seen.reply(id) {
            Reply::Open | Reply::Nothing => {}
            Reply::Empty(kind) => shared.transmit(self.id, empty(kind, id)),
            Reply::Datagram(datagram) => shared.transmit(self.id, datagram.to_vec()),
        }
    }

    /// Replies to `id` with an empty message, and with the same to its repetitions.
    pub(super) fn reply_empty(&mut self, id: MessageId, kind: Kind, shared: &mut Shared) {
        shared.transmit(self.id, empty(kind, id));
        self.seen.close(id, Reply::Empty(kind), &shared.config.limits);
    }

    pub(super) fn expire(&mut self, shared: &mut Shared, now: Moment) {
        while let Some(about) = self.sending.expire(self.id, shared, now) {
            match about {
                About::Request(serial) => self.fail(serial, Failure::NotAcknowledged, shared, now),
                About::Response => shared.counters.undelivered += 1,
                About::Observer(serial) => {
                    shared.counters.undelivered += 1;
                    self.observer_lost(serial, shared, now);
                }
                About::Ping(serial) => {
                    let request = RequestId { peer: self.id, serial };
                    shared.emit(Output::Failed { request, reason: Failure::NotAcknowledged });
                }
            }
        }
        self.expire_exchanges(shared, now);
        self.expire_asks(shared, now);
        self.expire_observers(shared, now);
        self.transfers.expire(shared, now);
        self.seen.expire(now);
        let is_empty = self.asks.is_empty() && self.observers.is_empty();
        if is_empty && self.next_deadline().is_none() && !self.told_idle {
            self.told_idle = true;
            shared.emit(Output::Idle { peer: self.id });
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        let fixed = [self.sending.next_deadline(), self.seen.next_deadline(), self.transfers.next_deadline()];
        let exchanges = self.exchanges.iter().map(Exchange::next_deadline);
        let asks = self.asks.iter().filter_map(Ask::next_deadline);
        let observers = self.observers.iter().filter_map(Observer::next_deadline);
        fixed.into_iter().flatten().chain(exchanges).chain(asks).chain(observers).min()
    }

    /// Ends everything with an output each.
    pub(super) fn forget(&mut self, shared: &mut Shared, now: Moment) {
        let pings = self.sending.pings().collect::<Vec<_>>();
        self.sending = Sending::default();
        for serial in pings {
            let request = RequestId { peer: self.id, serial };
            shared.emit(Output::Failed { request, reason: Failure::PeerForgotten });
        }
        while let Some(serial) = self.asks.last().map(|ask| ask.serial) {
            self.fail(serial, Failure::PeerForgotten, shared, now);
        }
        self.forget_observers(shared);
        shared.exchange_count -= self.exchanges.len();
        self.exchanges.clear();
        self.transfers.clear(shared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_peer_is_small() {
        let size = size_of::<Peer>();
        assert!(size <= 512, "{size} bytes, and none on the heap");
    }
}
