//! The machine itself.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use clock::{Deadlines, Moment, Now};
use coap_proto::{
    Busy, Delivery, Endpoint, ExchangeId, Gone, ObserverId, PathLimits, PeerId, Request, RequestId, Response,
};
use dtls_proto::{
    Alert, Answer, Arrival, ClientSetup, Listener, NotAsked, SendError, Session, SetupError, Verdict,
    connection_id_of,
};

use crate::association::{Association, Place, Stage};
use crate::{Address, AssociationId, CoapsLimits, Counters, End, Output};

/// Why no association was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// [`CoapsLimits::association_count_max`] associations exist.
    TooMany,
    /// The setup cannot work.
    Setup(SetupError),
}

/// What is due when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Session(AssociationId),
    Idle(AssociationId),
}

/// CoAP over DTLS with many peers, as client and server at once.
pub struct Coaps<A> {
    listener: Option<Listener>,
    coap: Endpoint,
    limits: CoapsLimits,
    associations: BTreeMap<AssociationId, Association<A>>,
    places: BTreeMap<A, Place>,
    rising_count: usize,
    /// How many of them each net has.
    rising_by_net: BTreeMap<Vec<u8>, usize>,
    connection_ids: BTreeMap<Vec<u8>, AssociationId>,
    connection_id_length: usize,
    next_id: u64,
    due: Deadlines<Due>,
    outputs: VecDeque<Output<A>>,
    counters: Counters,
}

impl<A: Address> Coaps<A> {
    /// A machine that listens to strangers when it has a `listener`, and speaks through `coap`.
    #[must_use]
    pub fn new(listener: Option<Listener>, coap: Endpoint, limits: CoapsLimits) -> Self {
        Self {
            listener,
            coap,
            limits,
            associations: BTreeMap::new(),
            places: BTreeMap::new(),
            rising_count: 0,
            rising_by_net: BTreeMap::new(),
            connection_ids: BTreeMap::new(),
            connection_id_length: 0,
            next_id: 1,
            due: Deadlines::new(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// The same machine, whose owner gives each of its sessions a connection id of `length` bytes
    /// (`HelloChoice::connection_id`): associations then outlive a change of their peer's address.
    #[must_use]
    pub fn with_connection_ids(mut self, length: usize) -> Self {
        self.connection_id_length = length;
        self
    }

    /// Takes in one datagram.
    ///
    /// When both ends of an address call each other, two handshakes are under way at once whose messages
    /// cannot be told apart: the owner discards one of them when it is asked about the stranger's hello.
    pub fn receive(&mut self, from: A, datagram: &[u8], now: Now) {
        let by_id = connection_id_of(datagram, self.connection_id_length);
        if let Some(id) = by_id.and_then(|connection_id| self.connection_ids.get(connection_id)).copied() {
            return self.feed_from(id, from, datagram, now);
        }
        let place = self.places.get(&from).copied().unwrap_or_default();
        if dtls_proto::starts_handshake(datagram) {
            let own = place.rising.filter(|id| self.accepted(*id, datagram));
            match own {
                Some(id) => self.feed(id, datagram, now),
                None => self.meet(from, datagram, now),
            }
            return;
        }
        if place.is_empty() {
            self.counters.strangers = self.counters.strangers.saturating_add(1);
        }
        // Which of them a record belongs to is known only to their keys; the others count it as noise.
        for id in place.all() {
            self.feed(id, datagram, now);
        }
    }

    fn accepted(&self, id: AssociationId, datagram: &[u8]) -> bool {
        self.associations.get(&id).is_some_and(|association| association.session.accepted_from(datagram))
    }

    /// A hello of somebody who has no session being set up for it.
    fn meet(&mut self, from: A, datagram: &[u8], now: Now) {
        let full = self.associations.len() >= self.limits.association_count_max
            || self.rising_count >= self.limits.rising_count_max
            || self.is_net_full(&from);
        let Some(listener) = &mut self.listener else {
            self.counters.strangers = self.counters.strangers.saturating_add(1);
            return;
        };
        match listener.receive(&from.to_bytes(), datagram, now.moment) {
            Verdict::Reply(datagram) => self.outputs.push_back(Output::Transmit { to: from, datagram }),
            Verdict::Drop(_) => self.counters.strangers = self.counters.strangers.saturating_add(1),
            Verdict::Accept(_) if full => {
                self.counters.over_limit = self.counters.over_limit.saturating_add(1)
            }
            Verdict::Accept(session) => {
                let id = self.add(session, from, Stage::Rising, now);
                self.drain_session(id, now);
            }
        }
    }

    /// Whether a net has its share of handshakes; a new one in place of its own earlier one is no more than that.
    fn is_net_full(&self, from: &A) -> bool {
        let replaces = self.places.get(from).is_some_and(|place| place.rising.is_some());
        let count = self.rising_by_net.get(&from.net()).copied().unwrap_or(0);
        !replaces && count >= self.limits.rising_per_net_max
    }

    fn rise(&mut self, address: &A) {
        self.rising_count += 1;
        *self.rising_by_net.entry(address.net()).or_default() += 1;
    }

    fn risen(&mut self, address: &A) {
        self.rising_count -= 1;
        let net = address.net();
        let left = self.rising_by_net.remove(&net).unwrap_or_default().saturating_sub(1);
        if left > 0 {
            self.rising_by_net.insert(net, left);
        }
    }

    fn add(&mut self, session: Box<Session>, address: A, stage: Stage, now: Now) -> AssociationId {
        let id = AssociationId(self.next_id);
        self.next_id += 1;
        let place = self.places.entry(address.clone()).or_default();
        let slot = if stage == Stage::Rising { &mut place.rising } else { &mut place.calling };
        let replaced = slot.replace(id);
        if stage == Stage::Rising {
            self.rise(&address);
        }
        let association = Association { session, address, stage, last_heard: now.moment };
        self.associations.insert(id, association);
        if let Some(old) = replaced {
            self.remove(old, End::Replaced, now);
        }
        id
    }

    /// Opens an association with `to`.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect(&mut self, to: A, setup: ClientSetup, now: Now) -> Result<AssociationId, ConnectError> {
        if self.associations.len() >= self.limits.association_count_max {
            return Err(ConnectError::TooMany);
        }
        let session = Session::client(setup, now.moment).map_err(ConnectError::Setup)?;
        let id = self.add(Box::new(session), to, Stage::Calling, now);
        self.drain_session(id, now);
        Ok(id)
    }

    /// Decides what a handshake asked; an association that is over has nothing to ask any more.
    ///
    /// # Errors
    /// [`NotAsked`] when the answer does not fit the open question.
    pub fn answer(&mut self, id: AssociationId, answer: Answer, now: Now) -> Result<(), NotAsked> {
        let Some(association) = self.associations.get_mut(&id) else { return Ok(()) };
        association.session.answer(answer, now.moment)?;
        self.drain_session(id, now);
        Ok(())
    }

    /// Asks the peer of a connected association.
    ///
    /// # Errors
    /// See [`Busy`]; `UnknownPeer` while it is not connected.
    pub fn request(&mut self, id: AssociationId, request: Request, now: Now) -> Result<RequestId, Busy> {
        let asked = self.coap.request(id.peer(), request, now.moment)?;
        self.drain_coap(now);
        Ok(asked)
    }

    /// Answers a request of a peer.
    ///
    /// # Errors
    /// [`Gone`] when the exchange is over.
    pub fn respond(&mut self, exchange: ExchangeId, response: Response, now: Now) -> Result<(), Gone> {
        self.coap.respond(exchange, response, now.moment)?;
        self.drain_coap(now);
        Ok(())
    }

    /// Answers a request that wants to be told of changes; see [`Endpoint::respond_observed`].
    ///
    /// # Errors
    /// [`Gone`] when it was answered, is too old, or its association is over.
    pub fn respond_observed(
        &mut self,
        exchange: ExchangeId,
        response: Response,
        now: Now,
    ) -> Result<Option<ObserverId>, Gone> {
        let observer = self.coap.respond_observed(exchange, response, now.moment)?;
        self.drain_coap(now);
        Ok(observer)
    }

    /// Tells an observer the new state; see [`Endpoint::notify`].
    ///
    /// # Errors
    /// [`Gone`] when the observer is.
    pub fn notify(
        &mut self,
        observer: ObserverId,
        response: Response,
        delivery: Delivery,
        now: Now,
    ) -> Result<(), Gone> {
        self.coap.notify(observer, response, delivery, now.moment)?;
        self.drain_coap(now);
        Ok(())
    }

    /// Says close_notify and forgets the association.
    pub fn close(&mut self, id: AssociationId, now: Now) {
        if let Some(association) = self.associations.get_mut(&id) {
            association.session.close(now.moment);
            self.drain_session(id, now);
        }
    }

    /// Ends an association with a fatal alert: its owner found that names and keys do not belong together.
    pub fn abort(&mut self, id: AssociationId, alert: Alert, now: Now) {
        if let Some(association) = self.associations.get_mut(&id) {
            association.session.abort(alert, now.moment);
            self.drain_session(id, now);
        }
    }

    /// Forgets an association without a word to its peer. For one of two handshakes that both ends began at
    /// once: an alert would end the other one too.
    pub fn discard(&mut self, id: AssociationId, now: Now) {
        self.remove(id, End::Discarded, now);
    }

    /// Drops a request of ours without further output.
    pub fn cancel(&mut self, request: RequestId, now: Now) {
        self.coap.cancel(request, now.moment);
        self.drain_coap(now);
    }

    /// Registers interest in a resource of the peer; see [`Endpoint::observe`].
    ///
    /// # Errors
    /// See [`Busy`]; `UnknownPeer` while it is not connected.
    pub fn observe(&mut self, id: AssociationId, request: Request, now: Now) -> Result<RequestId, Busy> {
        let asked = self.coap.observe(id.peer(), request, now.moment)?;
        self.drain_coap(now);
        Ok(asked)
    }

    /// The address of an association.
    #[must_use]
    pub fn address(&self, id: AssociationId) -> Option<&A> {
        self.associations.get(&id).map(|association| &association.address)
    }

    /// Associations in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.associations.len()
    }

    /// Whether there is no association.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.associations.is_empty()
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Does what is due.
    pub fn expire(&mut self, now: Now) {
        while let Some(due) = self.due.take_due(now.moment) {
            match due {
                Due::Session(id) => {
                    if let Some(association) = self.associations.get_mut(&id) {
                        association.session.expire(now.moment);
                        self.drain_session(id, now);
                    }
                }
                Due::Idle(id) => self.close_if_idle(id, now),
            }
        }
        self.coap.expire(now.moment);
        self.drain_coap(now);
    }

    fn close_if_idle(&mut self, id: AssociationId, now: Now) {
        let Some(association) = self.associations.get(&id) else { return };
        let at = association.last_heard + self.limits.idle_duration_max;
        if at <= now.moment {
            self.close(id, now);
        } else {
            self.due.set(Due::Idle(id), at);
        }
    }

    /// The next effect.
    pub fn next_output(&mut self) -> Option<Output<A>> {
        self.outputs.pop_front()
    }

    /// When to call [`Coaps::expire`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        [self.due.next(), self.coap.next_deadline()].into_iter().flatten().min()
    }

    fn feed(&mut self, id: AssociationId, datagram: &[u8], now: Now) {
        if let Some(association) = self.associations.get_mut(&id) {
            association.session.receive(datagram, now.moment);
            self.drain_session(id, now);
        }
    }

    /// Feeds a datagram that named its association; the association follows its peer to a new address once
    /// something newer than all before came from there (RFC 9146 section 6).
    fn feed_from(&mut self, id: AssociationId, from: A, datagram: &[u8], now: Now) {
        let Some(association) = self.associations.get_mut(&id) else { return };
        let arrival = association.session.receive(datagram, now.moment);
        if arrival == Arrival::Newest && association.address != from {
            let before = core::mem::replace(&mut association.address, from.clone());
            self.leave(&before, id);
            let replaced = self.places.entry(from).or_default().live.replace(id);
            if let Some(old) = replaced.filter(|old| *old != id) {
                self.remove(old, End::Replaced, now);
            }
        }
        self.drain_session(id, now);
    }

    fn leave(&mut self, address: &A, id: AssociationId) {
        let left = self.places.remove(address).map(|place| place.without(id));
        if let Some(place) = left.filter(|place| !place.is_empty()) {
            self.places.insert(address.clone(), place);
        }
    }

    /// Takes everything out of a session, and everything that follows from it.
    fn drain_session(&mut self, id: AssociationId, now: Now) {
        while let Some(output) = self.associations.get_mut(&id).and_then(|a| a.session.next_output()) {
            self.pass_on(id, output, now);
        }
        match self.associations.get(&id).and_then(|association| association.session.next_deadline()) {
            Some(at) => self.due.set(Due::Session(id), at),
            None => self.due.clear(&Due::Session(id)),
        }
    }

    fn pass_on(&mut self, id: AssociationId, output: dtls_proto::Output, now: Now) {
        let Some(association) = self.associations.get_mut(&id) else { return };
        let address = association.address.clone();
        match output {
            dtls_proto::Output::Transmit(datagram) => {
                self.outputs.push_back(Output::Transmit { to: address, datagram });
            }
            dtls_proto::Output::Ask(question) => {
                self.outputs.push_back(Output::Ask { association: id, from: address, question });
            }
            dtls_proto::Output::Ticket(ticket) => {
                self.outputs.push_back(Output::Ticket { association: id, ticket });
            }
            dtls_proto::Output::Connected(summary) => {
                let replaced = self.go_live(id, now);
                self.outputs.push_back(Output::Connected { association: id, address, summary });
                if let Some(old) = replaced {
                    self.remove(old, End::Replaced, now);
                }
            }
            dtls_proto::Output::Data(plaintext) => {
                association.last_heard = now.moment;
                self.coap.receive(id.peer(), &plaintext, now.moment);
                self.drain_coap(now);
            }
            dtls_proto::Output::Closed(closing) => self.remove(id, End::Closed(closing), now),
        }
    }

    /// Gives the association that is replaced at its address.
    fn go_live(&mut self, id: AssociationId, now: Now) -> Option<AssociationId> {
        let association = self.associations.get_mut(&id)?;
        let was_rising = association.stage == Stage::Rising;
        association.stage = Stage::Live;
        association.last_heard = now.moment;
        let limits = PathLimits { datagram_size_max: association.session.plaintext_size_max(), secure: true };
        let place = self.places.entry(association.address.clone()).or_default();
        *place = place.without(id);
        let replaced = place.live.replace(id);
        let connection_id = association.session.own_connection_id().map(<[u8]>::to_vec);
        if let Some(own) =
            connection_id.filter(|own| !own.is_empty() && own.len() == self.connection_id_length)
        {
            self.connection_ids.insert(own, id);
        }
        if was_rising {
            let address = association.address.clone();
            self.risen(&address);
        }
        self.due.set(Due::Idle(id), now.moment + self.limits.idle_duration_max);
        self.counters.connected = self.counters.connected.saturating_add(1);
        // The endpoint's own limit on peers is at least ours, see `Coaps::new`; a refusal leaves requests
        // of this association unanswered with `UnknownPeer`.
        if self.coap.connect(id.peer(), limits).is_err() {
            self.counters.over_limit = self.counters.over_limit.saturating_add(1);
        }
        replaced
    }

    fn remove(&mut self, id: AssociationId, end: End, now: Now) {
        let Some(association) = self.associations.remove(&id) else { return };
        if association.stage == Stage::Rising {
            self.risen(&association.address);
        }
        self.due.clear(&Due::Session(id));
        self.due.clear(&Due::Idle(id));
        if let Some(own) = association.session.own_connection_id()
            && self.connection_ids.get(own) == Some(&id)
        {
            self.connection_ids.remove(own);
        }
        self.leave(&association.address, id);
        self.coap.forget(id.peer(), now.moment);
        self.drain_coap(now);
        self.outputs.push_back(Output::Ended { association: id, end });
    }

    /// Takes everything out of the endpoint; what it sends goes through the sessions.
    fn drain_coap(&mut self, now: Now) {
        while let Some(output) = self.coap.next_output() {
            match output {
                coap_proto::Output::Transmit { peer, datagram } => self.send(peer, &datagram, now),
                other => self.outputs.push_back(Output::Coap(other)),
            }
        }
    }

    fn send(&mut self, peer: PeerId, plaintext: &[u8], now: Now) {
        let id = AssociationId::from(peer);
        let Some(association) = self.associations.get_mut(&id) else { return };
        match association.session.send(plaintext, now.moment) {
            // A session that is over says so in its outputs; retransmission finds nothing to send to.
            Ok(()) | Err(SendError::NotConnected | SendError::Closed | SendError::Exhausted) => {}
            Err(SendError::TooLong { .. }) => {
                self.counters.too_long = self.counters.too_long.saturating_add(1);
            }
        }
        self.drain_session(id, now);
    }
}
