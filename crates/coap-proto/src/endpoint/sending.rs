//! Confirmable messages under way to one peer and those in line behind them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use clock::Moment;

use super::shared::Shared;
use crate::{MessageId, PeerId};

/// What a confirmable message is about; the number is the serial of the request, observer or ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// A request of ours, or a block of one.
    Request(u64),
    /// A separate response.
    Response,
    /// A notification to an observer.
    Observer(u64),
    /// A ping.
    Ping(u64),
}

#[derive(Debug)]
struct Waiting {
    id: MessageId,
    datagram: Vec<u8>,
    about: About,
    /// Bytes that may be spent on it, repetitions included; what is over the limit is waited for in silence.
    size_max: usize,
}

#[derive(Debug)]
struct UnderWay {
    message: Waiting,
    retries: u32,
    wait: Duration,
    due: Moment,
}

/// At most NSTART messages under way, each repeated with doubled waits; the others wait in order.
///
/// ```text
/// push -> under way -- ACK, RST or answer --> settled, next in line starts
///              '-- 2 s, 4 s, 8 s, 16 s (times 1 to 1.5), then 32 s of silence --> given up
/// ```
/// Source: RFC 7252 section 4.2, 4.7.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    under_way: Vec<UnderWay>,
    line: VecDeque<Waiting>,
}

impl Sending {
    /// Sends a message, or puts it in line.
    pub(crate) fn push(
        &mut self,
        peer: PeerId,
        id: MessageId,
        datagram: Vec<u8>,
        about: About,
        shared: &mut Shared,
        now: Moment,
    ) {
        self.line.push_back(Waiting { id, datagram, about, size_max: usize::MAX });
        self.start_next(peer, shared, now);
    }

    /// Limits the bytes spent on the message `id`, all its transmissions together.
    pub(crate) fn limit(&mut self, id: MessageId, size_max: usize) {
        let sent = self.under_way.iter_mut().map(|sent| &mut sent.message);
        if let Some(message) = sent.chain(&mut self.line).find(|message| message.id == id) {
            message.size_max = size_max;
        }
    }

    /// Takes out the message `id`, because the peer acknowledged, reset or answered it.
    pub(crate) fn settle(
        &mut self,
        peer: PeerId,
        id: MessageId,
        shared: &mut Shared,
        now: Moment,
    ) -> Option<About> {
        let at = self.under_way.iter().position(|sent| sent.message.id == id)?;
        let about = self.under_way.swap_remove(at).message.about;
        self.start_next(peer, shared, now);
        Some(about)
    }

    /// Takes out every message about `about`, sent or in line.
    pub(crate) fn withdraw(&mut self, peer: PeerId, about: About, shared: &mut Shared, now: Moment) {
        self.under_way.retain(|sent| sent.message.about != about);
        self.line.retain(|waiting| waiting.about != about);
        self.start_next(peer, shared, now);
    }

    /// Repeats what is due; gives back one message that was repeated often enough, if there is one.
    ///
    /// Call until it gives nothing.
    pub(crate) fn expire(&mut self, peer: PeerId, shared: &mut Shared, now: Moment) -> Option<About> {
        let retransmit_max = shared.config.transmission.retransmit_max;
        let mut given_up = None;
        for (at, sent) in self.under_way.iter_mut().enumerate() {
            if sent.due > now {
                continue;
            }
            if sent.retries == retransmit_max {
                given_up = Some(at);
                break;
            }
            sent.retries += 1;
            sent.wait *= 2;
            sent.due = now + sent.wait;
            let transmission_count = 1 + sent.retries as usize;
            if sent.message.datagram.len().saturating_mul(transmission_count) > sent.message.size_max {
                continue;
            }
            shared.counters.retransmitted += 1;
            shared.transmit(peer, sent.message.datagram.clone());
        }
        let about = self.under_way.swap_remove(given_up?).message.about;
        self.start_next(peer, shared, now);
        Some(about)
    }

    /// Responses and notifications in line or under way.
    pub(crate) fn queued(&self) -> usize {
        let counts = |about: &About| !matches!(about, About::Request(_));
        self.under_way.iter().filter(|sent| counts(&sent.message.about)).count()
            + self.line.iter().filter(|waiting| counts(&waiting.about)).count()
    }

    /// Serials of the pings sent or in line.
    pub(crate) fn pings(&self) -> impl Iterator<Item = u64> + '_ {
        let sent = self.under_way.iter().map(|sent| sent.message.about);
        let waiting = self.line.iter().map(|waiting| waiting.about);
        sent.chain(waiting).filter_map(|about| match about {
            About::Ping(serial) => Some(serial),
            About::Request(_) | About::Response | About::Observer(_) => None,
        })
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.under_way.iter().map(|sent| sent.due).min()
    }

    fn start_next(&mut self, peer: PeerId, shared: &mut Shared, now: Moment) {
        while self.under_way.len() < shared.config.transmission.outstanding_max {
            let Some(message) = self.line.pop_front() else { return };
            let wait = first_wait(shared);
            shared.transmit(peer, message.datagram.clone());
            self.under_way.push(UnderWay { message, retries: 0, wait, due: now + wait });
        }
    }
}

/// ACK_TIMEOUT times a factor drawn from 1 to ACK_RANDOM_FACTOR.
fn first_wait(shared: &mut Shared) -> Duration {
    let times = &shared.config.transmission;
    let spread = times.ack_timeout * times.ack_random_percent.saturating_sub(100) / 100;
    let spread_micros = u64::try_from(spread.as_micros()).unwrap_or(u64::MAX - 1);
    let base = times.ack_timeout;
    base + Duration::from_micros(shared.dice.below(spread_micros + 1))
}
