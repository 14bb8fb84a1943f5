//! Retained messages of one namespace.

use std::collections::BTreeMap;
use std::ops::Bound;

use clock::Moment;
use mqtt_proto::{Countdown, Publication, Remaining, TopicFilter, Version};

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Retained {
    pub(crate) publication: Publication,
    pub(crate) life: Countdown,
    /// Names its record.
    pub(crate) number: u64,
}

/// By topic.
pub(crate) type RetainedMessages = BTreeMap<Box<str>, Retained>;

/// Those that `filter` (without its share) matches and that have time left, with the seconds they have.
pub(crate) fn matching(messages: &RetainedMessages, filter: &str, now: Moment) -> Vec<Publication> {
    let Some(wanted) = TopicFilter::parse(filter, Version::V3_1_1) else { return Vec::new() };
    let literal = filter.find(['+', '#']).map_or(filter, |wildcard| &filter[..wildcard]);
    // `a/#` matches `a` too.
    let prefix = literal.strip_suffix('/').unwrap_or(literal);
    let from = (Bound::Included(prefix), Bound::Unbounded);
    messages
        .range::<str, _>(from)
        .take_while(|(topic, _)| topic.starts_with(prefix))
        .filter(|(topic, _)| wanted.matches(topic))
        .filter_map(|(_, retained)| retained.left(now))
        .collect()
}

impl Retained {
    /// As it is sent now, if its time is not over.
    pub(crate) fn left(&self, now: Moment) -> Option<Publication> {
        let expiry_secs = match self.life.remaining(now) {
            Remaining::Unlimited => None,
            Remaining::Secs(secs) => Some(secs),
            Remaining::Over => return None,
        };
        Some(Publication { expiry_secs, ..self.publication.clone() })
    }
}

#[cfg(test)]
mod tests {
    use mqtt_proto::QoS;

    use super::*;

    #[test]
    fn filters_find_retained_messages_and_dead_ones_are_not_found() {
        let mut messages = RetainedMessages::new();
        for topic in ["a", "a/b", "a/b/c", "ab", "b", "/", ""] {
            let Ok(publication) = Publication::new(topic, b"x", QoS::AtMostOnce) else { continue };
            let expiry_secs = (topic == "a/b").then_some(5);
            let life = Countdown::start(expiry_secs, Moment::START);
            let retained = Retained { publication, life, number: 0 };
            messages.insert(topic.into(), retained);
        }
        let found = |filter: &str, secs: u64| -> Vec<String> {
            let now = Moment::from_micros(secs * 1_000_000);
            matching(&messages, filter, now).iter().map(|found| found.message.topic.clone()).collect()
        };
        assert_eq!(found("a/#", 1), ["a", "a/b", "a/b/c"]);
        assert_eq!(found("a/#", 6), ["a", "a/b/c"], "its time is over");
        assert_eq!(found("a", 1), ["a"]);
        assert_eq!(found("+", 1), ["a", "ab", "b"]);
        assert_eq!(found("+/b/#", 1), ["a/b", "a/b/c"]);
        assert_eq!(found("/#", 1), ["/"]);
        assert_eq!(found("#", 1).len(), 6);
        assert!(found("c", 1).is_empty());
        let left = matching(&messages, "a/b", Moment::from_micros(3_000_000));
        assert_eq!(left[0].expiry_secs, Some(2));
    }
}
