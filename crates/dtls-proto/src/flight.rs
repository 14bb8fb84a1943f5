//! Our flight of handshake messages: numbered, cut to size, sent again until answered.
//!
//! ```text
//! push.. -> transmit --peer answers--> push.. (a new flight replaces the old)
//!              ^ |
//!              | +--deadline--> expire: transmit again after 1, 2, 4 .. 60 s
//!              +--peer repeats its last message--
//! ```
//! Source: RFC 6347 section 4.2.4.

use alloc::vec::Vec;
use core::time::Duration;

use clock::Moment;

use crate::Limits;
use crate::alert::Stop;
use crate::codec::{MESSAGE_HEADER_LENGTH, MessageType, push_fragment};
use crate::record::{ContentType, Epoch, RecordLayer};

/// A rest of a datagram smaller than this is not worth a fragment of its own.
const FRAGMENT_SIZE_MIN: usize = 24;

enum Item {
    Message { code: u8, message_seq: u16, body: Vec<u8> },
    ChangeCipherSpec,
}

/// The newest flight, kept until the peer's answer makes it obsolete.
pub(crate) struct Flight {
    items: Vec<Item>,
    next_seq: u16,
    sent: bool,
    sent_at: Moment,
    deadline: Option<Moment>,
    wait: Duration,
    first_wait: Duration,
    wait_max: Duration,
    transmissions: u8,
    transmission_count_max: u8,
}

/// What a due deadline leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing is due.
    Nothing,
    /// Send again.
    Again,
    /// The peer counts as gone.
    GiveUp,
}

impl Flight {
    /// The first message gets the number `next_seq`.
    pub(crate) fn new(next_seq: u16, limits: &Limits) -> Self {
        Self {
            items: Vec::new(),
            next_seq,
            sent: false,
            sent_at: Moment::START,
            deadline: None,
            wait: limits.retransmit_after,
            first_wait: limits.retransmit_after,
            wait_max: limits.retransmit_after_max,
            transmissions: 0,
            transmission_count_max: limits.transmission_count_max,
        }
    }

    fn push(&mut self, item: Item) {
        if self.sent {
            self.items.clear();
            self.sent = false;
            self.transmissions = 0;
            self.wait = self.first_wait;
        }
        self.items.push(item);
    }

    /// Adds a message and tells its number.
    ///
    /// # Errors
    /// When numbers are used up.
    pub(crate) fn push_message(&mut self, kind: MessageType, body: Vec<u8>) -> Result<u16, Stop> {
        let message_seq = self.next_seq;
        self.next_seq = self.next_seq.checked_add(1).ok_or(Stop::Exhausted)?;
        self.push(Item::Message { code: kind.code(), message_seq, body });
        Ok(message_seq)
    }

    /// Adds a ChangeCipherSpec: messages behind it are protected.
    pub(crate) fn push_change_cipher_spec(&mut self) {
        self.push(Item::ChangeCipherSpec);
    }

    /// The flight as datagrams, with fresh record numbers; starts the clock.
    ///
    /// # Errors
    /// What the record layer says.
    pub(crate) fn transmit(
        &mut self,
        records: &mut RecordLayer,
        datagram_size_max: usize,
        now: Moment,
    ) -> Result<Vec<Vec<u8>>, Stop> {
        if self.transmissions > 0 {
            self.wait = (self.wait * 2).min(self.wait_max);
        }
        self.sent = true;
        self.transmissions = self.transmissions.saturating_add(1);
        self.sent_at = now;
        self.deadline = Some(now + self.wait);
        let mut packing = Packing { records, datagram_size_max, done: Vec::new(), open: Vec::new() };
        let mut epoch = Epoch::Clear;
        for item in &self.items {
            match item {
                Item::ChangeCipherSpec => {
                    packing.add_whole(Epoch::Clear, ContentType::ChangeCipherSpec, &[1])?;
                    epoch = Epoch::Protected;
                }
                Item::Message { code, message_seq, body } => {
                    packing.add_message(epoch, *code, *message_seq, body)?;
                }
            }
        }
        Ok(packing.finish())
    }

    /// Stops the clock: the peer has answered, or we wait for our own policy.
    pub(crate) const fn stop_clock(&mut self) {
        self.deadline = None;
    }

    /// Starts the clock again after the policy has answered.
    pub(crate) fn resume_clock(&mut self, now: Moment) {
        if self.sent && self.deadline.is_none() {
            self.deadline = Some(now + self.wait);
        }
    }

    pub(crate) const fn deadline(&self) -> Option<Moment> {
        self.deadline
    }

    /// What to do at `now`.
    pub(crate) fn due(&self, now: Moment) -> Due {
        match self.deadline {
            Some(at) if at <= now && self.transmissions >= self.transmission_count_max => Due::GiveUp,
            Some(at) if at <= now => Due::Again,
            Some(_) | None => Due::Nothing,
        }
    }

    /// Whether a peer that repeats itself may make us repeat: not more often than our own clock would by
    /// much, so that two sides never drive each other.
    pub(crate) fn may_repeat(&self, now: Moment) -> bool {
        self.sent
            && self.transmissions < self.transmission_count_max
            && now.since(self.sent_at) >= self.first_wait / 4
    }
}

/// Records on their way into datagrams.
struct Packing<'a> {
    records: &'a mut RecordLayer,
    datagram_size_max: usize,
    done: Vec<Vec<u8>>,
    open: Vec<u8>,
}

impl Packing<'_> {
    fn room(&self, epoch: Epoch) -> usize {
        self.datagram_size_max.saturating_sub(self.open.len() + self.records.overhead(epoch))
    }

    fn flush(&mut self) {
        if !self.open.is_empty() {
            self.done.push(core::mem::take(&mut self.open));
        }
    }

    fn add_whole(&mut self, epoch: Epoch, kind: ContentType, plaintext: &[u8]) -> Result<(), Stop> {
        if self.room(epoch) < plaintext.len() {
            self.flush();
        }
        self.records.write(epoch, kind, plaintext, &mut self.open)
    }

    fn add_message(&mut self, epoch: Epoch, code: u8, message_seq: u16, body: &[u8]) -> Result<(), Stop> {
        let mut offset = 0;
        loop {
            let left = body.len() - offset;
            let needed = MESSAGE_HEADER_LENGTH + left.min(FRAGMENT_SIZE_MIN);
            if self.room(epoch) < needed {
                self.flush();
            }
            let room = self.room(epoch).saturating_sub(MESSAGE_HEADER_LENGTH);
            let taken = left.min(room.max(1));
            let mut fragment = Vec::with_capacity(MESSAGE_HEADER_LENGTH + taken);
            push_fragment(&mut fragment, code, message_seq, body, offset..offset + taken);
            self.records.write(epoch, ContentType::Handshake, &fragment, &mut self.open)?;
            offset += taken;
            if offset == body.len() {
                return Ok(());
            }
        }
    }

    fn finish(mut self) -> Vec<Vec<u8>> {
        self.flush();
        self.done
    }
}
