//! One session: subscriptions, what waits, and what is under way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;

use mqtt_proto::{
    Absence, Countdown, LastWill, PacketId, Publication, QoS, SubscriptionOptions, Unacknowledged, Version,
};

/// A connection, as a number of whoever drives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link(pub u64);

/// A session. Another session in the same place has another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// Where it stands in memory.
    pub(crate) slot: u32,
    /// Never used twice, across restarts too.
    pub(crate) serial: u64,
}

/// What a message costs beside its bytes.
const OVERHEAD: usize = 96;
/// What each identifier of a subscription costs that goes with it.
const ID_SIZE: usize = 4;

/// Bytes that `publication` counts for.
pub(crate) fn size_of(publication: &Publication) -> usize {
    let message = &publication.message;
    let properties = message.properties.as_properties().len();
    let ids = publication.subscription_ids.len() * ID_SIZE;
    OVERHEAD + message.topic.len() + message.payload.len() + properties + ids
}

/// A message that waits for a session, or is under way to it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) publication: Publication,
    pub(crate) life: Countdown,
    /// Milliseconds since 1970 when its time is over; 0: never, or not known.
    pub(crate) ends_unix_millis: u64,
    /// Names it in the journal; rises.
    pub(crate) number: u64,
    /// The batch that its entry is in; 0 when it is in none.
    pub(crate) batch: u64,
}

/// A subscription of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) options: SubscriptionOptions,
    pub(crate) id: Option<NonZeroU32>,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) key: SessionKey,
    pub(crate) realm: u32,
    /// The account that it counts for.
    pub(crate) holder: u32,
    pub(crate) client_id: Arc<str>,
    pub(crate) version: Version,
    /// Seconds it outlives its connection.
    pub(crate) expiry_secs: u32,
    pub(crate) link: Option<Link>,
    pub(crate) absence: Option<Absence>,
    /// The will of the connection; the absence has its own copy.
    pub(crate) will: Option<LastWill>,
    /// What one of the two counts.
    pub(crate) will_bytes: usize,
    /// By their whole text.
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
    pub(crate) filter_bytes: usize,
    pub(crate) queue: VecDeque<Item>,
    pub(crate) flying: VecDeque<(PacketId, Item)>,
    pub(crate) queue_bytes: usize,
    pub(crate) is_ready: bool,
    /// Whether it is stored.
    pub(crate) is_durable: bool,
    /// What the client may be told waits for this batch.
    pub(crate) depends: u64,
    /// Of QoS 2 from the client, ours and not released.
    pub(crate) owned: BTreeSet<PacketId>,
    /// Of QoS 2 from the client, put to the hub and not judged yet.
    pub(crate) judging: BTreeSet<PacketId>,
    /// Of QoS 2 to the client, received and not at their end.
    pub(crate) unreleased: BTreeSet<PacketId>,
    /// The oldest batch that `owned` and `unreleased` are in.
    pub(crate) flow_batch: Option<u64>,
    /// How many messages of `queue` and `flying` are in which batch.
    pub(crate) held: BTreeMap<u64, u32>,
    /// Under which batch the session stands among those that keep the journal from being trimmed.
    pub(crate) noted_batch: Option<u64>,
}

impl Session {
    pub(crate) fn new(
        key: SessionKey,
        (realm, holder): (u32, u32),
        client_id: Arc<str>,
        version: Version,
    ) -> Self {
        Self {
            key,
            realm,
            holder,
            client_id,
            version,
            expiry_secs: 0,
            link: None,
            absence: None,
            will: None,
            will_bytes: 0,
            subscriptions: BTreeMap::new(),
            filter_bytes: 0,
            queue: VecDeque::new(),
            flying: VecDeque::new(),
            queue_bytes: 0,
            is_ready: false,
            is_durable: false,
            depends: 0,
            owned: BTreeSet::new(),
            judging: BTreeSet::new(),
            unreleased: BTreeSet::new(),
            flow_batch: None,
            held: BTreeMap::new(),
            noted_batch: None,
        }
    }

    /// The oldest batch that holds something of this session.
    pub(crate) fn oldest_batch(&self) -> Option<u64> {
        if !self.is_durable {
            return None;
        }
        let held = self.held.first_key_value().map(|(batch, _)| *batch);
        held.into_iter().chain(self.flow_batch).min()
    }

    /// Notes that one message more is in `batch`; 0 is none.
    pub(crate) fn hold(&mut self, batch: u64) {
        if batch > 0 {
            *self.held.entry(batch).or_default() += 1;
        }
    }

    /// Notes that one message less is in `batch`.
    pub(crate) fn release(&mut self, batch: u64) {
        if let Some(count) = self.held.get_mut(&batch) {
            *count -= 1;
            if *count == 0 {
                self.held.remove(&batch);
            }
        }
    }

    /// Notes that `owned` or `unreleased` changed in batch `open`.
    pub(crate) fn flow_changed(&mut self, open: u64) {
        if self.owned.is_empty() && self.unreleased.is_empty() {
            self.flow_batch = None;
        } else {
            self.flow_batch.get_or_insert(open);
        }
    }

    /// What is under way, in order.
    pub(crate) fn unacknowledged(&self) -> Vec<Unacknowledged> {
        let kept =
            |(id, item): &(PacketId, Item)| Unacknowledged { id: *id, publication: item.publication.clone() };
        self.flying.iter().map(kept).collect()
    }

    /// Whether a message of `qos` may wait for it.
    pub(crate) fn may_wait(&self, qos: QoS) -> bool {
        qos > QoS::AtMostOnce && (self.link.is_some() || self.expiry_secs > 0)
    }
}
