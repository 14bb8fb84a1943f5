//! What the broker does for topics of the hub: it keeps filters with their session, and decides nothing.

use std::num::NonZeroU32;

use clock::Now;
use mqtt_proto::{PacketId, Publication, QoS, ReasonCode, SubscriptionOptions, TopicFilter};

use crate::entry::Entry;
use crate::session::{Session, SessionKey, Subscription};
use crate::subscribe::parse_kept;
use crate::trie::Route;
use crate::{Broker, Place};

/// A filter on topics of the hub, as its session keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFilter {
    /// The filter.
    pub text: String,
    /// How the client wants what matches it.
    pub options: SubscriptionOptions,
    /// Goes with every message that is sent for it.
    pub id: Option<NonZeroU32>,
}

/// Whether a message of QoS 2 goes to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandedUp {
    /// Yes: say [`Broker::handed_up`] when it is judged.
    Now,
    /// No, it is a repetition: the hub has it and has not judged it yet.
    Before,
    /// No, it is a repetition of one that was taken: acknowledge it.
    Taken,
}

impl Broker {
    /// Whether a message of QoS 2 on a topic of the hub is to be put to it: once, also when its client comes back and
    /// repeats it before it is judged.
    pub fn hand_up(&mut self, key: SessionKey, id: PacketId) -> HandedUp {
        let Some(session) = self.session_mut(key) else { return HandedUp::Now };
        if session.owned.contains(&id) {
            HandedUp::Taken
        } else if session.judging.insert(id) {
            HandedUp::Now
        } else {
            HandedUp::Before
        }
    }

    /// Takes note that a message of QoS 2 is judged; if it is taken, [`Broker::own`] follows.
    pub fn handed_up(&mut self, key: SessionKey, id: PacketId) {
        if let Some(session) = self.session_mut(key) {
            session.judging.remove(&id);
        }
    }

    /// Keeps a filter on topics of the hub with its session; whether it is new there. No message is routed by it.
    ///
    /// # Errors
    /// The reason for SUBACK; nothing was changed.
    pub fn keep_filter(&mut self, key: SessionKey, filter: &KeptFilter) -> Result<bool, ReasonCode> {
        let Some(session) = self.session(key) else { return Err(ReasonCode::UNSPECIFIED_ERROR) };
        let is_filter = TopicFilter::parse(&filter.text, session.version).is_some();
        if !is_filter || Place::of(&filter.text) != Place::Things || self.is_too_deep(&filter.text) {
            return Err(ReasonCode::TOPIC_FILTER_INVALID);
        }
        let is_new = !session.subscriptions.contains_key(&filter.text);
        if is_new && self.is_full_for(session, &filter.text) {
            self.counters.refused_subscriptions += 1;
            return Err(ReasonCode::QUOTA_EXCEEDED);
        }
        let subscription = Subscription { options: filter.options, id: filter.id };
        self.add_subscription(key, &filter.text, subscription);
        Ok(is_new)
    }

    /// Forgets a filter on topics of the hub; whether it was there.
    pub fn drop_filter(&mut self, key: SessionKey, text: &str) -> bool {
        Place::of(text) == Place::Things && self.unsubscribe_one(key, text)
    }

    /// Writes down which filters a session has now: what its client is told next waits for that.
    pub fn store_filters(&mut self, key: SessionKey, now: Now) {
        self.store_subscriptions(key, now);
    }

    /// The filters on topics of the hub that a session has.
    #[must_use]
    pub fn kept_filters(&self, key: SessionKey) -> Vec<KeptFilter> {
        let all = self.session(key).into_iter().flat_map(|session| &session.subscriptions);
        let things = all.filter(|(text, _)| Place::of(text) == Place::Things);
        things
            .map(|(text, one)| KeptFilter { text: text.clone(), options: one.options, id: one.id })
            .collect()
    }

    /// A filter on topics of the hub as the session has it.
    #[must_use]
    pub fn kept_filter(&self, key: SessionKey, text: &str) -> Option<KeptFilter> {
        let one = self.session(key)?.subscriptions.get(text)?;
        Some(KeptFilter { text: text.to_owned(), options: one.options, id: one.id })
    }

    /// Takes note that a message of QoS 2 that the hub took is ours: its repetition is no message, also when the
    /// connection ended meanwhile.
    pub fn own(&mut self, key: SessionKey, id: PacketId) {
        let Some(session) = self.session_mut(key) else { return };
        if let Some(saved) = session.absence.as_mut().and_then(|absence| absence.session_mut()) {
            saved.take(id);
        }
        if !session.is_durable {
            return;
        }
        let note = |session: &mut Session| session.owned.insert(id);
        self.change_flow(key, Entry::Owned { serial: key.serial, id }, true, note);
    }

    /// Gives a message to one session alone, as far as one of its own filters matches the topic; whether one did.
    /// It waits for the session as any other message does.
    pub fn tell(&mut self, key: SessionKey, publication: &Publication, now: Now) -> bool {
        let Some(session) = self.session(key) else { return false };
        let topic = publication.message.topic.as_str();
        if Place::of(topic) != Place::Free || self.is_too_deep(topic) {
            return false;
        }
        let mut routes = Vec::new();
        for (text, one) in &session.subscriptions {
            let filter = parse_kept(text);
            let is_own = |filter: &TopicFilter<'_>| filter.share().is_none() && filter.matches(topic);
            if Place::of(text) == Place::Free && filter.as_ref().is_some_and(is_own) {
                routes.push(Route { key, options: one.options, id: one.id });
            }
        }
        if routes.is_empty() {
            return false;
        }
        self.deliver_to(&routes, publication, now);
        true
    }

    /// Whether one more filter is too many for a session.
    pub(crate) fn is_full_for(&self, session: &Session, text: &str) -> bool {
        session.subscriptions.len() >= self.limits.subscription_count_max
            || session.filter_bytes + text.len() > self.limits.filter_bytes_max
    }
}

/// The QoS with which what matches a filter on topics of the hub is sent: at most 1. The hub numbers events and
/// keeps values; what would be sent again after the right to it has ended must not wait here.
#[must_use]
pub fn granted_qos(options: SubscriptionOptions) -> QoS {
    options.qos.min(QoS::AtLeastOnce)
}
