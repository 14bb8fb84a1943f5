//! Handshake messages put together from fragments and handed out in order.
//!
//! Overflow policy: a fragment that is too far ahead, or whose message would pass the limit in bytes, is
//! dropped; the peer sends it again with its next transmission.
//! Source: RFC 6347 section 4.2.3.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use crate::alert::{Alert, Stop};
use crate::codec::{Fragment, MessageType};
use crate::record::Epoch;
use crate::{Limits, Noise};

/// How many messages ahead of the next one are kept.
const AHEAD_MAX: u16 = 12;
/// How many separate pieces of one message are kept.
const GAPS_MAX: usize = 32;

/// A complete message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: MessageType,
    pub(crate) message_seq: u16,
    pub(crate) body: Vec<u8>,
}

/// What became of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It is new, or fits what is there.
    Kept,
    /// It belongs to the newest message that was handed out: the peer has not heard our answer.
    RepeatsLast,
    /// It belongs to an older one.
    RepeatsEarlier,
}

struct Partial {
    code: u8,
    body: Vec<u8>,
    /// Disjoint, ascending, not touching.
    present: Vec<(usize, usize)>,
}

/// Messages under way.
pub(crate) struct Reassembly {
    next: u16,
    started: bool,
    waiting: BTreeMap<u16, Partial>,
    held: usize,
    message_size_max: usize,
    held_max: usize,
}

impl Reassembly {
    /// Expects the message of number `next` first.
    pub(crate) fn new(next: u16, limits: &Limits) -> Self {
        Self {
            next,
            started: false,
            waiting: BTreeMap::new(),
            held: 0,
            message_size_max: limits.message_size_max,
            held_max: limits.reassembly_size_max,
        }
    }

    /// Lets a peer that counts differently after a HelloVerifyRequest start at `next`.
    pub(crate) fn start_at(&mut self, next: u16) {
        if !self.started {
            self.next = next;
        }
    }

    /// Forgets what came ahead and expects the message of number `next` first. What came before a server has
    /// seen its cookie again is its answer to somebody else: to an earlier handshake from the same address.
    pub(crate) fn begin_at(&mut self, next: u16) {
        self.waiting.clear();
        self.held = 0;
        self.start_at(next);
    }

    /// Takes a fragment in.
    ///
    /// # Errors
    /// The noise to count when it is dropped.
    pub(crate) fn store(&mut self, fragment: &Fragment<'_>, epoch: Epoch) -> Result<Stored, Noise> {
        let protected = epoch == Epoch::Protected;
        if protected != (fragment.code == MessageType::Finished.code()) {
            return Err(Noise::WrongEpoch);
        }
        if fragment.message_seq < self.next {
            let last = fragment.message_seq + 1 == self.next;
            return Ok(if last { Stored::RepeatsLast } else { Stored::RepeatsEarlier });
        }
        if fragment.message_seq - self.next >= AHEAD_MAX {
            return Err(Noise::OverLimit);
        }
        if !self.waiting.contains_key(&fragment.message_seq) {
            self.begin(fragment)?;
        }
        let partial = self.waiting.get_mut(&fragment.message_seq).expect("it was there or has just begun");
        partial.add(fragment)?;
        Ok(Stored::Kept)
    }

    fn begin(&mut self, fragment: &Fragment<'_>) -> Result<(), Noise> {
        // A message over the limit is kept without its body, so that its turn can refuse it.
        let size = if fragment.length > self.message_size_max { 0 } else { fragment.length };
        if self.held + size > self.held_max {
            return Err(Noise::OverLimit);
        }
        self.held += size;
        let body = if size == fragment.length { vec![0; size] } else { Vec::new() };
        let over_limit = size != fragment.length;
        let present = if over_limit { vec![(0, usize::MAX)] } else { Vec::new() };
        self.waiting.insert(fragment.message_seq, Partial { code: fragment.code, body, present });
        Ok(())
    }

    /// The next message, when all of it is there.
    ///
    /// # Errors
    /// When it is over the limit or of a type that does not exist.
    pub(crate) fn take_next(&mut self) -> Result<Option<Message>, Stop> {
        let Some(partial) = self.waiting.get(&self.next) else { return Ok(None) };
        if partial.is_over_limit() {
            return Err(Stop::rule(Alert::IllegalParameter, "limit message_size_max"));
        }
        if !partial.is_complete() {
            return Ok(None);
        }
        let partial = self.waiting.remove(&self.next).expect("it was there a moment ago");
        self.held -= partial.body.len();
        let message_seq = self.next;
        self.next = self.next.checked_add(1).ok_or(Stop::Exhausted)?;
        self.started = true;
        let kind = MessageType::from_code(partial.code)
            .ok_or(Stop::rule(Alert::UnexpectedMessage, "RFC5246-7.4"))?;
        Ok(Some(Message { kind, message_seq, body: partial.body }))
    }
}

impl Partial {
    fn is_over_limit(&self) -> bool {
        self.present.first() == Some(&(0, usize::MAX))
    }

    fn is_complete(&self) -> bool {
        self.body.is_empty() || self.present == [(0, self.body.len())]
    }

    fn add(&mut self, fragment: &Fragment<'_>) -> Result<(), Noise> {
        if self.is_over_limit() {
            return Ok(());
        }
        if self.code != fragment.code || self.body.len() != fragment.length {
            return Err(Noise::Unexpected);
        }
        if fragment.body.is_empty() {
            return Ok(());
        }
        let (start, end) = (fragment.offset, fragment.offset + fragment.body.len());
        let touching = |range: &(usize, usize)| range.0 <= end && start <= range.1;
        let merged = self
            .present
            .iter()
            .filter(|range| touching(range))
            .fold((start, end), |all, range| (all.0.min(range.0), all.1.max(range.1)));
        let apart = self.present.iter().filter(|range| !touching(range)).count();
        if apart + 1 > GAPS_MAX {
            return Err(Noise::OverLimit);
        }
        self.body[start..end].copy_from_slice(fragment.body);
        self.present.retain(|range| !touching(range));
        self.present.push(merged);
        self.present.sort_unstable();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(message_seq: u16, whole: &[u8], range: core::ops::Range<usize>) -> Fragment<'_> {
        let code = MessageType::Certificate.code();
        Fragment { code, length: whole.len(), message_seq, offset: range.start, body: &whole[range] }
    }

    fn taken(reassembly: &mut Reassembly) -> Option<Vec<u8>> {
        reassembly.take_next().unwrap().map(|message| message.body)
    }

    // verifies: RFC6347-4.2.3
    #[test]
    fn fragments_come_in_any_order_and_overlap() {
        let whole: Vec<u8> = (0..100).collect();
        let mut reassembly = Reassembly::new(0, &Limits::default());
        for range in [60..80, 0..30, 20..50, 90..100, 75..92] {
            assert_eq!(reassembly.store(&fragment(0, &whole, range), Epoch::Clear), Ok(Stored::Kept));
            assert_eq!(taken(&mut reassembly), None);
        }
        assert_eq!(reassembly.store(&fragment(0, &whole, 49..61), Epoch::Clear), Ok(Stored::Kept));
        assert_eq!(taken(&mut reassembly), Some(whole.clone()));
        assert_eq!(reassembly.store(&fragment(0, &whole, 0..30), Epoch::Clear), Ok(Stored::RepeatsLast));
        assert_eq!(taken(&mut reassembly), None, "a message is handed out once");
    }

    #[test]
    fn what_came_ahead_is_forgotten_when_the_peer_is_asked_anew() {
        let mut reassembly = Reassembly::new(0, &Limits::default());
        assert_eq!(reassembly.store(&fragment(1, &[7; 9], 0..9), Epoch::Clear), Ok(Stored::Kept));
        reassembly.begin_at(1);
        assert_eq!((taken(&mut reassembly), reassembly.held), (None, 0), "it answers an earlier question");
        assert_eq!(reassembly.store(&fragment(1, &[8; 9], 0..9), Epoch::Clear), Ok(Stored::Kept));
        assert_eq!(taken(&mut reassembly), Some(vec![8; 9]));
    }

    #[test]
    fn messages_wait_for_their_turn_up_to_the_limit() {
        let limits = Limits { reassembly_size_max: 200, message_size_max: 100, ..Limits::default() };
        let whole = [5; 100];
        let mut reassembly = Reassembly::new(0, &limits);
        assert_eq!(reassembly.store(&fragment(2, &whole, 0..100), Epoch::Clear), Ok(Stored::Kept));
        assert_eq!(reassembly.store(&fragment(1, &whole, 0..100), Epoch::Clear), Ok(Stored::Kept));
        assert_eq!(reassembly.store(&fragment(0, &whole, 0..100), Epoch::Clear), Err(Noise::OverLimit));
        assert_eq!(reassembly.store(&fragment(12, &[], 0..0), Epoch::Clear), Err(Noise::OverLimit));
        assert_eq!(taken(&mut reassembly), None, "number 0 is still missing");
    }

    #[test]
    fn a_message_over_the_limit_is_refused_at_its_turn_and_holds_nothing() {
        let limits = Limits { message_size_max: 10, reassembly_size_max: 10, ..Limits::default() };
        let mut reassembly = Reassembly::new(0, &limits);
        assert_eq!(reassembly.store(&fragment(0, &[0; 11], 0..1), Epoch::Clear), Ok(Stored::Kept));
        assert_eq!(reassembly.held, 0);
        assert_eq!(
            reassembly.take_next(),
            Err(Stop::rule(Alert::IllegalParameter, "limit message_size_max"))
        );
    }

    #[test]
    fn only_finished_is_protected_and_contradictions_are_dropped() {
        let mut reassembly = Reassembly::new(0, &Limits::default());
        assert_eq!(reassembly.store(&fragment(0, &[1], 0..1), Epoch::Protected), Err(Noise::WrongEpoch));
        let finished = Fragment { code: MessageType::Finished.code(), ..fragment(0, &[1], 0..1) };
        assert_eq!(reassembly.store(&finished, Epoch::Clear), Err(Noise::WrongEpoch));
        assert_eq!(reassembly.store(&fragment(0, &[1, 2], 0..1), Epoch::Clear), Ok(Stored::Kept));
        assert_eq!(reassembly.store(&fragment(0, &[1, 2, 3], 1..2), Epoch::Clear), Err(Noise::Unexpected));
    }
}
