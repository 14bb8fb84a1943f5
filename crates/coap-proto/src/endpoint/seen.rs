//! Messages of one peer that arrived, so that a repeated one is answered and not acted upon again.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use clock::Moment;

use crate::{Kind, Limits, MessageId};

/// What a repetition of a message gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply<'a> {
    /// The application has not answered: nothing yet.
    Open,
    /// Nothing: it was not confirmable, or its reply had to go.
    Nothing,
    /// An empty message of this kind.
    Empty(Kind),
    /// The same datagram again.
    Datagram(&'a [u8]),
}

/// How a message arrives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Not seen before; now remembered as open.
    New,
    /// Seen before.
    Repeated,
    /// Every remembered message is open: drop it, the peer repeats it.
    Full,
}

/// What is remembered of a message besides its id.
#[derive(Debug)]
struct Entry {
    kept_until: Moment,
    /// Bytes of its reply.
    size: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Nothing,
    Empty(Kind),
    Datagram,
}

/// The messages of one peer, oldest first. Source: RFC 7252 section 4.5, 4.8.2.
///
/// Every datagram of every peer passes here. The ids stand beside each other, so that all of them are compared
/// in a few lines of the cache; replies stand in one buffer, in the order of their messages.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    ids: VecDeque<MessageId>,
    /// One for each id.
    entries: VecDeque<Entry>,
    replies: Vec<u8>,
    /// Where the replies begin: what stands before has been forgotten.
    begin: usize,
}

impl Seen {
    /// Decides whether a message is new; a new one is remembered until `kept_until`.
    pub(crate) fn classify(
        &mut self,
        id: MessageId,
        kept_until: Moment,
        now: Moment,
        limits: &Limits,
    ) -> Arrival {
        self.expire(now);
        if let Some(at) = self.known(id) {
            if self.entries[at].kept_until > now {
                return Arrival::Repeated;
            }
            self.drop_entry(at);
        }
        if self.ids.len() >= limits.remembered_per_peer_max {
            let Some(oldest) = self.entries.iter().position(|entry| entry.state != State::Open) else {
                return Arrival::Full;
            };
            self.drop_entry(oldest);
        }
        self.ids.push_back(id);
        self.entries.push_back(Entry { kept_until, size: 0, state: State::Open });
        Arrival::New
    }

    /// What a repetition of `id` gets.
    pub(crate) fn reply(&self, id: MessageId) -> Reply<'_> {
        let Some(at) = self.newest(id) else { return Reply::Nothing };
        match self.entries[at].state {
            State::Open => Reply::Open,
            State::Nothing => Reply::Nothing,
            State::Empty(kind) => Reply::Empty(kind),
            State::Datagram => {
                let start = self.reply_start(at);
                Reply::Datagram(&self.replies[start..start + self.entries[at].size as usize])
            }
        }
    }

    /// Remembers what was replied to `id`; makes room by forgetting the oldest replies, not their messages.
    pub(crate) fn close(&mut self, id: MessageId, reply: Reply<'_>, limits: &Limits) {
        let Some(at) = self.newest(id) else { return };
        self.cut_reply(at);
        let state = match reply {
            Reply::Open => State::Open,
            Reply::Nothing => State::Nothing,
            Reply::Empty(kind) => State::Empty(kind),
            Reply::Datagram(bytes) => match u32::try_from(bytes.len()) {
                Ok(size) => {
                    // Mostly the newest message is answered, and nothing moves.
                    let start = self.reply_start(at);
                    self.replies.extend_from_slice(bytes);
                    if at + 1 < self.entries.len() {
                        self.replies[start..].rotate_right(bytes.len());
                    }
                    self.entries[at].size = size;
                    State::Datagram
                }
                Err(_) => State::Nothing,
            },
        };
        self.entries[at].state = state;
        let mut oldest = 0;
        while self.reply_bytes() > limits.reply_bytes_per_peer_max {
            if self.cut_reply(oldest) {
                self.entries[oldest].state = State::Nothing;
            }
            oldest += 1;
        }
    }

    /// Forgets messages that can no longer be repeated.
    pub(crate) fn expire(&mut self, now: Moment) {
        if self.next_deadline().is_none_or(|first| first > now) {
            return;
        }
        while self.next_deadline().is_some_and(|first| first <= now) {
            self.drop_entry(0);
        }
        if self.ids.is_empty() {
            *self = Self::default();
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.entries.front().map(|entry| entry.kept_until)
    }

    /// Where a message with this id stands.
    fn newest(&self, id: MessageId) -> Option<usize> {
        self.ids.iter().rposition(|known| *known == id)
    }

    /// The same for one that is nearly always new: without a way out the loop compares many at once.
    fn known(&self, id: MessageId) -> Option<usize> {
        let (older, newer) = self.ids.as_slices();
        let is_in = |ids: &[MessageId]| ids.iter().fold(false, |found, known| found | (*known == id));
        if is_in(older) || is_in(newer) { self.newest(id) } else { None }
    }

    const fn reply_bytes(&self) -> usize {
        self.replies.len() - self.begin
    }

    /// Where the reply to a message stands, or would stand.
    fn reply_start(&self, at: usize) -> usize {
        // Mostly asked about the oldest or the newest.
        if at < self.entries.len() / 2 {
            self.begin + self.entries.range(..at).map(|entry| entry.size as usize).sum::<usize>()
        } else {
            self.replies.len() - self.entries.range(at..).map(|entry| entry.size as usize).sum::<usize>()
        }
    }

    /// Takes the reply of a message out; whether there was one.
    fn cut_reply(&mut self, at: usize) -> bool {
        let size = self.entries[at].size as usize;
        if size == 0 {
            return false;
        }
        let start = self.reply_start(at);
        self.entries[at].size = 0;
        if start > self.begin {
            self.replies.drain(start..start + size);
            return true;
        }
        self.begin += size;
        // Moved to the front when no more has to be moved than was forgotten.
        if self.begin >= self.replies.len() - self.begin {
            self.replies.drain(..self.begin);
            self.begin = 0;
        }
        true
    }

    fn drop_entry(&mut self, at: usize) {
        self.cut_reply(at);
        self.ids.remove(at);
        self.entries.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(247);

    fn at(secs: u64) -> Moment {
        Moment::START + Duration::from_secs(secs)
    }

    fn seen(limits: &Limits, ids: impl IntoIterator<Item = u16>, now: Moment) -> Seen {
        let mut seen = Seen::default();
        for id in ids {
            assert_eq!(seen.classify(MessageId(id), now + LIFETIME, now, limits), Arrival::New);
        }
        seen
    }

    fn reply_of(id: u16) -> Vec<u8> {
        alloc::vec![id as u8; 1 + usize::from(id % 5)]
    }

    // verifies: RFC7252-4.5
    #[test]
    fn replies_are_told_apart_in_whatever_order_they_were_given() {
        let limits = Limits::default();
        let mut seen = seen(&limits, 0..64, at(0));
        for id in (0..64).map(|step| step * 37 % 64) {
            seen.close(MessageId(id), Reply::Datagram(&reply_of(id)), &limits);
        }
        // Each new one pushes the oldest out, past the place where the buffer is moved.
        for id in 64..300 {
            assert_eq!(seen.classify(MessageId(id), at(250), at(1), &limits), Arrival::New);
            seen.close(MessageId(id), Reply::Datagram(&reply_of(id)), &limits);
            assert_eq!(seen.reply(MessageId(id - 64)), Reply::Nothing);
            for kept in id - 63..=id {
                assert_eq!(
                    seen.reply(MessageId(kept)),
                    Reply::Datagram(&reply_of(kept)),
                    "{kept} after {id}"
                );
            }
        }
        assert!(seen.replies.capacity() < 4 * 64 * 5, "{} bytes", seen.replies.capacity());
    }

    #[test]
    fn a_reply_takes_the_place_of_an_earlier_one_and_the_oldest_go_first() {
        let limits = Limits { reply_bytes_per_peer_max: 10, ..Limits::default() };
        let mut seen = seen(&limits, 1..=3, at(0));
        seen.close(MessageId(2), Reply::Datagram(b"22222"), &limits);
        seen.close(MessageId(1), Reply::Datagram(b"111"), &limits);
        seen.close(MessageId(2), Reply::Datagram(b"2"), &limits);
        assert_eq!(seen.reply_bytes(), 4);
        seen.close(MessageId(3), Reply::Datagram(b"3333333"), &limits);
        assert_eq!(seen.reply(MessageId(1)), Reply::Nothing);
        assert_eq!(seen.reply(MessageId(2)), Reply::Datagram(b"2"));
        assert_eq!(seen.reply(MessageId(3)), Reply::Datagram(b"3333333"));
        seen.close(MessageId(2), Reply::Empty(Kind::Reset), &limits);
        assert_eq!((seen.reply(MessageId(2)), seen.reply_bytes()), (Reply::Empty(Kind::Reset), 7));
        seen.close(MessageId(2), Reply::Datagram(&[0; 11]), &limits);
        assert_eq!(seen.reply_bytes(), 7, "larger than everything that may be kept");
        assert_eq!(seen.classify(MessageId(2), at(247), at(0), &limits), Arrival::Repeated);
    }

    // verifies: RFC7252-4.8.2
    #[test]
    fn what_can_no_longer_be_repeated_is_forgotten_with_its_room() {
        let limits = Limits::default();
        let mut seen = seen(&limits, [7, 8], at(0));
        seen.close(MessageId(7), Reply::Datagram(b"7"), &limits);
        assert_eq!(seen.classify(MessageId(7), at(493), at(246), &limits), Arrival::Repeated);
        assert_eq!(seen.classify(MessageId(7), at(494), at(247), &limits), Arrival::New);
        assert_eq!(seen.reply(MessageId(7)), Reply::Open);
        seen.expire(at(494));
        let room = (seen.ids.capacity(), seen.entries.capacity(), seen.replies.capacity());
        assert_eq!((room, seen.next_deadline()), ((0, 0, 0), None));
    }
}
