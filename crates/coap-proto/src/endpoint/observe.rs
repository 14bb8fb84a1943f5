//! Observers of our resources.
//!
//! ```text
//! GET Observe 0 --> respond_observed --> told --- notify ---> told
//!                                          |-- CON under way: newest state waits --'
//!                                          '-- GET Observe 1, RST, no ACK, error response --> gone
//! ```
//! Source: RFC 7641 section 3 and 4.

use clock::Moment;

use super::compose::Envelope;
use super::peer::Peer;
use super::sending::About;
use super::shared::Shared;
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
    last_id: Option<MessageId>,
    /// Whether a confirmable notification waits for its acknowledgement.
    under_way: bool,
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
        // What went out in place of the response (a challenge, an error) is no registration.
        self.remove_observer(id.serial, shared, now);
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
        let observer = self.observers.iter_mut().find(|observer| observer.serial == serial).ok_or(Gone)?;
        if observer.under_way {
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
        let Some(id) = self.new_id(shared, now) else {
            shared.counters.undelivered += 1;
            return;
        };
        let goes_on = response.code.is_success();
        let observer = &mut self.observers[at];
        observer.sequence = following(observer.sequence);
        let (token, key, sequence) = (observer.token, observer.key, observer.sequence);
        let asked = observer.block_size.map(|size| Block { number: 0, more: false, size });
        let must_confirm = delivery == Delivery::Confirmable || now >= observer.check_at || !goes_on;
        let confirm = must_confirm && self.sending.queued() < shared.config.limits.queued_per_peer_max;
        let cut = self.cut_tagged(asked, &mut response, token, shared);
        let kind = if confirm { Kind::Confirmable } else { Kind::NonConfirmable };
        let envelope = Envelope { kind, code: response.code, id, token };
        let Some(datagram) = self.write_part(envelope, &response, cut, goes_on.then_some(sequence), None)
        else {
            return self.send_notification(
                serial,
                Response::new(Code::INTERNAL_SERVER_ERROR),
                delivery,
                shared,
                now,
            );
        };
        if cut.has_more() {
            self.transfers.keep(key, response, shared, now);
        }
        let observer = &mut self.observers[at];
        observer.last_id = Some(id);
        observer.under_way = confirm;
        if confirm {
            let about = if goes_on { About::Observer(serial) } else { About::Response };
            self.sending.push(self.id, id, datagram, about, shared, now);
        } else {
            shared.transmit(self.id, datagram);
        }
        if !goes_on {
            self.observers.swap_remove(at);
            shared.observer_count -= 1;
        }
    }

    pub(super) fn notification_acknowledged(&mut self, serial: u64, shared: &mut Shared, now: Moment) {
        let Some(observer) = self.observers.iter_mut().find(|observer| observer.serial == serial) else {
            return;
        };
        observer.under_way = false;
        observer.check_at = now + shared.config.transmission.observer_check;
        observer.told_due = false;
        if let Some(newest) = observer.pending.take() {
            self.send_notification(serial, newest, Delivery::Confirmable, shared, now);
        }
    }

    pub(super) fn observer_of(&self, id: MessageId) -> Option<u64> {
        self.observers.iter().find(|observer| observer.last_id == Some(id)).map(|observer| observer.serial)
    }

    pub(super) fn observer_reset(&mut self, serial: u64, shared: &mut Shared, now: Moment) {
        self.end_observer(serial, ObserverEnd::Reset, shared, now);
    }

    pub(super) fn observer_lost(&mut self, serial: u64, shared: &mut Shared, now: Moment) {
        self.end_observer(serial, ObserverEnd::NotAcknowledged, shared, now);
    }

    pub(super) fn deregister(&mut self, token: Token, shared: &mut Shared, now: Moment) {
        let known = self.observers.iter().find(|observer| observer.token == token);
        if let Some(serial) = known.map(|observer| observer.serial) {
            self.end_observer(serial, ObserverEnd::Deregistered, shared, now);
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

    fn end_observer(&mut self, serial: u64, reason: ObserverEnd, shared: &mut Shared, now: Moment) {
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
