//! Subscriptions are made and dropped.

use clock::Now;
use mqtt_proto::{
    ReasonCode, RetainHandling, SubscribeRequest, SubscriptionOptions, TopicFilter, UnsubscribeRequest,
    Version,
};

use crate::broker::Realm;
use crate::retained::matching;
use crate::session::{SessionKey, Subscription};
use crate::trie::Route;
use crate::{Broker, Place};

impl Broker {
    /// Makes subscriptions; a reason for each filter, in order. Retained messages follow.
    pub fn subscribe(&mut self, key: SessionKey, request: &SubscribeRequest, now: Now) -> Vec<ReasonCode> {
        let mut reasons = Vec::new();
        let mut is_changed = false;
        for (filter, options) in &request.subscriptions {
            let subscription = Subscription { options: *options, id: request.identifier };
            is_changed |= !self.has_subscription(key, filter, subscription);
            reasons.push(match self.subscribe_one(key, filter, subscription, now) {
                Ok(()) => granted(*options),
                Err(reason) => reason,
            });
        }
        if is_changed {
            self.store_subscriptions(key, now);
        }
        reasons
    }

    /// Whether a session has just this subscription already.
    fn has_subscription(&self, key: SessionKey, filter: &str, wanted: Subscription) -> bool {
        self.session(key).is_some_and(|session| session.subscriptions.get(filter) == Some(&wanted))
    }

    fn subscribe_one(
        &mut self,
        key: SessionKey,
        text: &str,
        subscription: Subscription,
        now: Now,
    ) -> Result<(), ReasonCode> {
        let Some(session) = self.session(key) else { return Err(ReasonCode::UNSPECIFIED_ERROR) };
        let Some(filter) = TopicFilter::parse(text, session.version) else {
            return Err(ReasonCode::TOPIC_FILTER_INVALID);
        };
        if Place::of(filter.filter()) != Place::Free {
            self.counters.refused_topic += 1;
            return Err(ReasonCode::NOT_AUTHORIZED);
        }
        if self.is_too_deep(filter.filter()) {
            self.counters.refused_levels += 1;
            return Err(ReasonCode::TOPIC_FILTER_INVALID);
        }
        let is_new = !session.subscriptions.contains_key(text);
        if is_new && self.is_full_for(session, text) {
            self.counters.refused_subscriptions += 1;
            return Err(ReasonCode::QUOTA_EXCEEDED);
        }
        let realm = session.realm;
        let route = Route { key, options: subscription.options, id: subscription.id };
        self.add_subscription(key, text, subscription);
        let wants_retained = match subscription.options.retain_handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        if wants_retained && filter.share().is_none() {
            let found = matching(&self.realms[realm as usize].retained, filter.filter(), now.moment);
            for publication in found {
                self.deliver_retained(&route, publication, now);
            }
        }
        Ok(())
    }

    /// Makes or replaces a subscription in session and tree; `text` is a valid filter.
    pub(crate) fn add_subscription(&mut self, key: SessionKey, text: &str, subscription: Subscription) {
        let Some(session) = self.session_mut(key) else { return };
        let Some(filter) = parse_kept(text) else { return };
        let realm = session.realm;
        if session.subscriptions.insert(text.into(), subscription).is_none() {
            session.filter_bytes += text.len();
        }
        if Place::of(filter.filter()) == Place::Things {
            // What matches it comes from the hub.
            return;
        }
        let route = Route { key, options: subscription.options, id: subscription.id };
        self.realm_mut(realm).trie.set(filter.share(), filter.filter(), route);
    }

    /// Drops subscriptions; a reason for each filter, in order. What waits already is still sent.
    pub fn unsubscribe(
        &mut self,
        key: SessionKey,
        request: &UnsubscribeRequest,
        now: Now,
    ) -> Vec<ReasonCode> {
        let mut reasons = Vec::new();
        for filter in &request.filters {
            reasons.push(match self.unsubscribe_one(key, filter) {
                true => ReasonCode::SUCCESS,
                false => ReasonCode::NO_SUBSCRIPTION_EXISTED,
            });
        }
        if reasons.contains(&ReasonCode::SUCCESS) {
            self.store_subscriptions(key, now);
        }
        reasons
    }

    pub(crate) fn unsubscribe_one(&mut self, key: SessionKey, filter: &str) -> bool {
        let Some(session) = self.session_mut(key) else { return false };
        if session.subscriptions.remove(filter).is_none() {
            return false;
        }
        session.filter_bytes -= filter.len();
        let realm = session.realm;
        remove_route(self.realm_mut(realm), filter, key);
        true
    }

    pub(crate) fn store_subscriptions(&mut self, key: SessionKey, now: Now) {
        if self.session(key).is_some_and(|session| session.is_durable) {
            self.put_record(key, now);
            self.depend(key, self.writing.open);
        }
    }
}

/// A filter as a session keeps it. Only MQTT 5.0 has shares, and who had one may come back with 3.1.1.
pub(crate) fn parse_kept(filter: &str) -> Option<TopicFilter<'_>> {
    TopicFilter::parse(filter, Version::V5)
}

pub(crate) fn remove_route(realm: &mut Realm, filter: &str, key: SessionKey) {
    if let Some(filter) = parse_kept(filter) {
        realm.trie.remove(filter.share(), filter.filter(), key);
    }
}

fn granted(options: SubscriptionOptions) -> ReasonCode {
    match options.qos {
        mqtt_proto::QoS::AtMostOnce => ReasonCode::SUCCESS,
        mqtt_proto::QoS::AtLeastOnce => ReasonCode::GRANTED_QOS_1,
        mqtt_proto::QoS::ExactlyOnce => ReasonCode::GRANTED_QOS_2,
    }
}
