//! What an address gets that has not shown that it is there.
//!
//! ```text
//! answers        each at most max(128 bytes, 3 times its request), else a challenge or small blocks
//! notifications  one under way to the address, its repetitions within the bound of the registration
//!                    '-- ACK --> heard: any size, but confirmable and one at a time for each observer
//!                    '-- never acknowledged, or many false ACKs --> all observers gone
//! Echo returned, or our own token in a response --> proven: no bound
//! ```
//! Source: RFC 9175 section 2.4, RFC 7641 section 7; ADR 0032, 0106.

use alloc::vec::Vec;

use clock::Moment;

use super::answer::{ADDED_SIZE_MAX, Cut};
use super::peer::Peer;
use super::serve::Exchange;
use super::shared::Shared;
use crate::{Block, BlockSize, ObserverEnd, Response, Token};

/// Acknowledgements of nothing that end the observations of an address not heard yet: whoever guesses message
/// ids without seeing them has this many of 65,536 chances for each registration.
const STRAY_COUNT_MAX: u8 = 16;

/// Bytes that suffice for an error of ours with the longest token: it ends a notification that may not be sent.
const ERROR_SIZE_MAX: usize = 32;

/// What an unproven address has shown about its interest in notifications.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    /// Whether it has acknowledged the newest confirmable notification that ended.
    is_heard: bool,
    /// Acknowledgements of nothing since then.
    stray_count: u8,
}

impl Peer {
    /// Bytes that a message of `size` bytes from this peer may bring about.
    pub(super) fn allowance(&self, size: usize, shared: &Shared) -> usize {
        let bound = shared.config.amplification.filter(|_| !self.proven);
        bound.map_or(usize::MAX, |bound| bound.bytes_free.max(bound.factor * size))
    }

    /// Whether a response is more than an unproven address may be sent.
    pub(super) fn is_amplified(
        &self,
        exchange: &Exchange,
        response: &Response,
        cut: Cut,
        shared: &Shared,
    ) -> bool {
        let payload = match cut {
            Cut::Whole => response.payload.len(),
            Cut::Part { start, end, .. } => end - start,
            Cut::OutOfRange | Cut::DoesNotFit => return false,
        };
        let size =
            4 + exchange.token.as_bytes().len() + response.options.view().encoded().len() + 1 + payload;
        size > self.allowance(exchange.size, shared)
    }

    /// Whether every notification has to be confirmed.
    pub(super) fn is_wary(&self, shared: &Shared) -> bool {
        shared.config.amplification.is_some() && !self.proven
    }

    /// Bytes that may be spent on one notification, its repetitions included, for a registration of `size`.
    pub(super) fn notification_allowance(&self, size: usize, shared: &Shared) -> usize {
        if self.hearing.is_heard { usize::MAX } else { self.allowance(size, shared).max(ERROR_SIZE_MAX) }
    }

    /// Whether a notification has to wait for the acknowledgement of another to the same address.
    pub(super) fn must_wait(&self, shared: &Shared) -> bool {
        let has_one_under_way = self.observers.iter().any(|observer| observer.under_way);
        self.is_wary(shared) && !self.hearing.is_heard && has_one_under_way
    }

    /// A notification was acknowledged under its id.
    pub(super) const fn hear(&mut self) {
        self.hearing = Hearing { is_heard: true, stray_count: 0 };
    }

    /// A notification was never acknowledged: if the address is not proven, nobody is there for the others.
    pub(super) fn doubt(&mut self, shared: &mut Shared, now: Moment) {
        self.hearing = Hearing::default();
        if self.is_wary(shared) {
            self.end_all_observers(shared, now);
        }
    }

    /// An acknowledgement of nothing came: perhaps somebody guesses in the name of an address.
    pub(super) fn stray_acknowledged(&mut self, shared: &mut Shared, now: Moment) {
        if !self.must_wait(shared) {
            return;
        }
        self.hearing.stray_count += 1;
        if self.hearing.stray_count >= STRAY_COUNT_MAX {
            self.doubt(shared, now);
        }
    }

    fn end_all_observers(&mut self, shared: &mut Shared, now: Moment) {
        let serials: Vec<u64> = self.observers.iter().map(|observer| observer.serial).collect();
        for serial in serials {
            self.end_observer(serial, ObserverEnd::NotAcknowledged, shared, now);
        }
    }
}

/// The asked-for block, no larger than fits in `allowed` bytes.
pub(super) fn small_block(allowed: usize, token: Token, response: &Response, asked: Option<Block>) -> Block {
    let head = 4 + token.as_bytes().len() + response.options.view().encoded().len() + ADDED_SIZE_MAX;
    let size = BlockSize::within(allowed.saturating_sub(head)).unwrap_or(BlockSize::SMALLEST);
    match asked {
        Some(block) => Block::at(block.offset(), block.size.min(size), false).unwrap_or(block),
        None => Block { number: 0, more: false, size },
    }
}
