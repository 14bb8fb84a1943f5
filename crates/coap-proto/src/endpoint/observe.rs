//! Observers of our resources.
//!
//! ```text
//! GET Observe 0 --> respond_observed --> told --- notify ---> told
//!                                          |-- CON under way: newest state waits --'
//!                                          |-- another's CON under way to an address not heard: waits as well
//!                                          '-- GET Observe 1, RST, no ACK, error response --> gone
//! ```
//! Source: RFC 7641 section 3 and 4.

use alloc::vec::Vec;

use clock::Moment;

use super::compose::Envelope;
use super::peer::Peer;
use super::sending::About;
use super::shared::Shared;
use super::unproven::small_block;
use crate::{
    Block, BlockSize, Code, Delivery, Gone, Kind, MessageId, ObserverEnd, ObserverId, Output, Response, Token,
};

/// One standing interest of a peer.
pub(crate) struct Observer {
    pub(super) serial: u64,
    token: Token,
    key: u64,
    block_size: Option<BlockSize>,
    sequence: u32,
    /// Bytes of the message that registered it: what an address not heard may be sent depends on them.
    paid: usize,
    last_id: Option<MessageId>,
    /// Whether a confirmable notification waits for its acknowledgement.
    pub(super) under_way: bool,
    /// The newest state, when it has to wait.
    pending: Option<Response>,
    /// When the observer has to acknowledge again.
    check_at: Moment,
    told_due: bool,
}

impl Observer {
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        (!self.told_due).then_some(self.check_at)
    }
}

impl Peer {
    pub(super) fn respond_observed(
        &mut self,
        serial: u64,
        response: Response,
        shared: &mut Shared,
        now: Moment,
    ) -> Result<Option<ObserverId>, Gone> {
        let exchange = self.close_exchange(serial, shared)?;
        let known = self.observers.iter().position(|observer| observer.token == exchange.token);
        let limits = &shared.config.limits;
        let room = known.is_some()
            || (self.observers.len() < limits.observers_per_peer_max
                && shared.observer_count < limits.observer_count_max);
        if !(exchange.registers && response.code.is_success() && room) {
            self.send(exchange, response, None, shared, now);
            return Ok(None);
        }
        let before = known.map(|at| self.observers.swap_remove(at));
        let sequence = before.as_ref().map_or(1, |observer| following(observer.sequence));
        let observer = Observer {
            serial: before.as_ref().map_or_else(|| shared.next_serial(), |observer| observer.serial),
            token: exchange.token,
            key: exchange.key,
            block_size: exchange.block2.map(|block| block.size),
            sequence,
            paid: exchange.size,
            last_id: None,
            under_way: before.as_ref().is_some_and(|observer| observer.under_way),
            pending: None,
            check_at: now + shared.config.transmission.observer_check,
            told_due: false,
        };
        if before.is_none() {
            shared.observer_count += 1;
        }
        let id = ObserverId { peer: self.id, serial: observer.serial };
        self.observers.push(observer);
        if self.send(exchange, response, Some(sequence), shared, now) {
            return Ok(Some(id));
        }
        // What went out in place of the response (a challenge, an error) is no registration, and ends an earlier one.
        let is_gone = self.remove_observer(id.serial, shared, now);
        if is_gone && before.is_some() {
            shared.emit(Output::ObserverGone { observer: id, reason: ObserverEnd::NotAcknowledged });
        }
        Ok(None)
    }

    pub(super) fn notify(
        &mut self,
        serial: u64,
        response: Response,
        delivery: Delivery,
        shared: &mut Shared,
        now: Moment,
    ) -> Result<(), Gone> {
        let must_wait = self.must_wait(shared);
        let observer = self.observers.iter_mut().find(|observer| observer.serial == serial).ok_or(Gone)?;
        if observer.under_way || must_wait {
            observer.pending = Some(response);
            return Ok(());
        }
        self.send_notification(serial, response, delivery, shared, now);
        Ok(())
    }

    fn send_notification(
        &mut self,
        serial: u64,
        mut response: Response,
        delivery: Delivery,
        shared: &mut Shared,
        now: Moment,
    ) {
        let Some(at) = self.observers.iter().position(|observer| observer.serial == serial) else { return };
        let goes_on = response.code.is_success();
        let is_wary = self.is_wary(shared);
        let must_confirm =
            is_wary || delivery == Delivery::Confirmable || now >= self.observers[at].check_at || !goes_on;
        let confirm = must_confirm && self.sending.queued() < shared.config.limits.queued_per_peer_max;
        if is_wary && !confirm {
            self.observers[at].pending = Some(response);
            return;
        }
        let Some(id) = self.new_id(shared, now) else {
            shared.counters.undelivered += 1;
            return;
        };
        let observer = &mut self.observers[at];
        observer.sequence = following(observer.sequence);
        let (key, allowed) = (observer.key, observer.paid);
        let allowed = self.notification_allowance(allowed, shared);
        let kind = if confirm { Kind::Confirmable } else { Kind::NonConfirmable };
        let (datagram, has_more) =
            match self.write_notification(at, (kind, id), &mut response, allowed, shared) {
                Ok(written) => written,
                Err(instead) => {
                    self.send_notification(serial, instead, delivery, shared, now);
                    let observer = ObserverId { peer: self.id, serial };
                    shared.emit(Output::ObserverGone { observer, reason: ObserverEnd::NotAcknowledged });
                    return;
                }
            };
        if has_more {
            self.transfers.keep(key, response, shared, now);
        }
        let observer = &mut self.observers[at];
        observer.last_id = Some(id);
        observer.under_way = confirm;
        if confirm {
            let about = if goes_on { About::Observer(serial) } else { About::Response };
            self.sending.push(self.id, id, datagram, about, shared, now);
            self.sending.limit(id, allowed);
        } else {
            shared.transmit(self.id, datagram);
        }
        if !goes_on {
            self.observers.swap_remove(at);
            shared.observer_count -= 1;
        }
    }

    /// The datagram of a notification of at most `allowed` bytes, and whether more blocks follow; or the error
    /// that has to be sent in its place.
    fn write_notification(
        &mut self,
        at: usize,
        (kind, id): (Kind, MessageId),
        response: &mut Response,
        allowed: usize,
        shared: &mut Shared,
    ) -> Result<(Vec<u8>, bool), Response> {
        let observer = &self.observers[at];
        let (token, sequence) = (observer.token, response.code.is_success().then_some(observer.sequence));
        let envelope = Envelope { kind, code: response.code, id, token };
        let mut asked = observer.block_size.map(|size| Block { number: 0, more: false, size });
        for _ in 0..2 {
            let cut = self.cut_tagged(asked, response, token, shared);
            match self.write_part(envelope, response, cut, sequence, None) {
                None => return Err(Response::new(Code::INTERNAL_SERVER_ERROR)),
                Some(datagram) if datagram.len() <= allowed => return Ok((datagram, cut.has_more())),
                Some(_) => asked = Some(small_block(allowed, token, response, asked)),
            }
        }
        // Its options alone are too long: whoever returns the challenge is proven, and may register again.
        Err(self.challenge_response(shared))
    }

    pub(super) fn notification_acknowledged(&mut self, serial: u64, shared: &mut Shared, now: Moment) {
        let Some(observer) = self.observers.iter_mut().find(|observer| observer.serial == serial) else {
            return;
        };
        observer.under_way = false;
        observer.check_at = now + shared.config.transmission.observer_check;
        observer.told_due = false;
        self.hear();
        self.notify_waiting(shared, now);
    }

    /// Sends the states that wait for nothing any more.
    fn notify_waiting(&mut self, shared: &mut Shared, now: Moment) {
        let waits = |observer: &&Observer| !observer.under_way && observer.pending.is_some();
        let serials: Vec<u64> = self.observers.iter().filter(waits).map(|observer| observer.serial).collect();
        for serial in serials {
            if self.must_wait(shared) {
                return;
            }
            let waiting = self.observers.iter_mut().find(|observer| observer.serial == serial);
            if let Some(newest) = waiting.and_then(|observer| observer.pending.take()) {
                self.send_notification(serial, newest, Delivery::Confirmable, shared, now);
            }
        }
    }

    pub(super) fn observer_of(&self, id: MessageId) -> Option<u64> {
        self.observers.iter().find(|observer| observer.last_id == Some(id)).map(|observer| observer.serial)
    }

    pub(super) fn observer_reset(&mut self, serial: u64, shared: &mut Shared, now: Moment) {
        self.end_observer(serial, ObserverEnd::Reset, shared, now);
        self.notify_waiting(shared, now);
    }

    pub(super) fn observer_lost(&mut self, serial: u64, shared: &mut Shared, now: Moment) {
        self.end_observer(serial, ObserverEnd::NotAcknowledged, shared, now);
        self.doubt(shared, now);
        self.notify_waiting(shared, now);
    }

    pub(super) fn deregister(&mut self, token: Token, shared: &mut Shared, now: Moment) {
        let known = self.observers.iter().find(|observer| observer.token == token);
        if let Some(serial) = known.map(|observer| observer.serial) {
            self.end_observer(serial, ObserverEnd::Deregistered, shared, now);
            self.notify_waiting(shared, now);
        }
    }

    pub(super) fn expire_observers(&mut self, shared: &mut Shared, now: Moment) {
        for observer in &mut self.observers {
            if !observer.told_due && observer.check_at <= now {
                observer.told_due = true;
                let id = ObserverId { peer: self.id, serial: observer.serial };
                shared.outputs.push_back(Output::ObserverDue { observer: id });
            }
        }
    }

    pub(super) fn forget_observers(&mut self, shared: &mut Shared) {
        shared.observer_count -= self.observers.len();
        for observer in self.observers.drain(..) {
            let observer = ObserverId { peer: self.id, serial: observer.serial };
            shared.emit(Output::ObserverGone { observer, reason: ObserverEnd::PeerForgotten });
        }
    }

    pub(super) fn end_observer(
        &mut self,
        serial: u64,
        reason: ObserverEnd,
        shared: &mut Shared,
        now: Moment,
    ) {
        if self.remove_observer(serial, shared, now) {
            let observer = ObserverId { peer: self.id, serial };
            shared.emit(Output::ObserverGone { observer, reason });
        }
    }

    fn remove_observer(&mut self, serial: u64, shared: &mut Shared, now: Moment) -> bool {
        let Some(at) = self.observers.iter().position(|observer| observer.serial == serial) else {
            return false;
        };
        self.observers.swap_remove(at);
        shared.observer_count -= 1;
        self.sending.withdraw(self.id, About::Observer(serial), shared, now);
        true
    }
}

/// Sequence numbers have 24 bits and wrap around.
const fn following(sequence: u32) -> u32 {
    (sequence + 1) & 0x00ff_ffff
}
