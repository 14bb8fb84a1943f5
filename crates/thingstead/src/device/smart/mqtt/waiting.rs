//! What a plain client has to say and has not got rid of: bounded, in order, and kept until it is acknowledged.

use std::collections::VecDeque;

use model::Uuid;
use mqtt_proto::{Flaw, Message, PacketId, Property, PropertyList, Publication, QoS};
use osap_things::Failure;
use serde_json::{Value, json};

/// Events that wait; beyond, the oldest goes and is counted.
const EVENT_COUNT_MAX: usize = 256;
/// Answers that wait; beyond, the oldest goes: whoever asked has given up long since.
const ANSWER_COUNT_MAX: usize = 64;

/// One thing to say. Of values, of which a model has few, only the newest of each name waits.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum News {
    /// A property has this value since then (Unix milliseconds).
    Value { name: String, value: Value, at: Option<u64> },
    /// An event, known by its UUID should it come twice.
    Event { name: String, data: Value, id: Uuid, at: Option<u64> },
    /// What became of an order.
    Answer { order: String, result: Result<Value, Failure> },
}

impl News {
    /// The message that says it for `thing`.
    ///
    /// # Errors
    /// [`Flaw`] when a name cannot stand in a topic, or is too long.
    pub(super) fn publication(&self, thing: Uuid) -> Result<Publication, Flaw> {
        let mut properties = PropertyList::new();
        let mut note = |name: &str, value: &str| properties.push(Property::UserProperty(name, value));
        let (topic, payload) = match self {
            Self::Value { name, value, at } => {
                at.map_or(Ok(()), |at| note("at", &at.to_string()))?;
                (format!("things/{thing}/properties/{name}"), value.to_string())
            }
            Self::Event { name, data, id, at } => {
                note("id", &id.to_string())?;
                at.map_or(Ok(()), |at| note("at", &at.to_string()))?;
                // No payload: an event without data.
                let payload = if data.is_null() { String::new() } else { data.to_string() };
                (format!("things/{thing}/events/{name}"), payload)
            }
            Self::Answer { order, result } => {
                let payload = match result {
                    Ok(Value::Null) => String::new(),
                    Ok(value) => json!({ "value": value }).to_string(),
                    Err(Failure { code, message }) => {
                        json!({ "error": { "code": code, "message": message } }).to_string()
                    }
                };
                (format!("things/{thing}/answers/{order}"), payload)
            }
        };
        let plain = Publication::new(&topic, payload.as_bytes(), QoS::AtLeastOnce)?;
        let message = Message { topic, payload: payload.into_bytes(), properties };
        Ok(Publication { message: message.into(), ..plain })
    }
}

/// All that waits, oldest first, and what is under way.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    queue: VecDeque<News>,
    under_way: VecDeque<(PacketId, News)>,
    dropped: u64,
}

impl Waiting {
    /// One thing more. How many were dropped so far, when this one took the place of another.
    pub(super) fn push(&mut self, news: News) -> Option<u64> {
        match &news {
            News::Value { name, .. } => self.queue.retain(|one| !is_value_of(one, name)),
            News::Event { .. } => return self.push_bounded(news, EVENT_COUNT_MAX, is_event),
            News::Answer { .. } => return self.push_bounded(news, ANSWER_COUNT_MAX, is_answer),
        }
        self.queue.push_back(news);
        None
    }

    fn push_bounded(&mut self, news: News, count_max: usize, is_kind: fn(&News) -> bool) -> Option<u64> {
        let mut full = None;
        if self.queue.iter().filter(|one| is_kind(one)).count() >= count_max
            && let Some(oldest) = self.queue.iter().position(is_kind)
        {
            self.queue.remove(oldest);
            self.dropped += 1;
            full = Some(self.dropped);
        }
        self.queue.push_back(news);
        full
    }

    /// The next to say.
    pub(super) fn next(&mut self) -> Option<News> {
        self.queue.pop_front()
    }

    /// It could not be said now, and is the next again.
    pub(super) fn put_back(&mut self, news: News) {
        // A newer value makes this one old.
        let is_old =
            matches!(&news, News::Value { name, .. } if self.queue.iter().any(|one| is_value_of(one, name)));
        if !is_old {
            self.queue.push_front(news);
        }
    }

    /// It was sent under this number.
    pub(super) fn sent(&mut self, id: PacketId, news: News) {
        self.under_way.push_back((id, news));
    }

    /// The server has answered what was sent under this number.
    pub(super) fn answered(&mut self, id: PacketId) -> Option<News> {
        let at = self.under_way.iter().position(|(number, _)| *number == id)?;
        self.under_way.remove(at).map(|(_, news)| news)
    }

    /// The connection is gone: what it had not acknowledged is to be said again, before all else and in order.
    pub(super) fn connection_lost(&mut self) {
        while let Some((_, news)) = self.under_way.pop_back() {
            self.put_back(news);
        }
    }

    /// Events that are not acknowledged.
    pub(super) fn event_count(&self) -> usize {
        let under_way = self.under_way.iter().map(|(_, news)| news);
        self.queue.iter().chain(under_way).filter(|news| is_event(news)).count()
    }
}

fn is_value_of(news: &News, wanted: &str) -> bool {
    matches!(news, News::Value { name, .. } if name == wanted)
}

const fn is_event(news: &News) -> bool {
    matches!(news, News::Event { .. })
}

const fn is_answer(news: &News) -> bool {
    matches!(news, News::Answer { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(number: u64) -> News {
        News::Value { name: "temperature".into(), value: json!(number), at: Some(number) }
    }

    fn event(number: u64) -> News {
        News::Event { name: "tooWarm".into(), data: json!(number), id: Uuid([7; 16]), at: None }
    }

    fn all(mut waiting: Waiting) -> Vec<News> {
        std::iter::from_fn(move || waiting.next()).collect()
    }

    fn number(id: u16) -> PacketId {
        PacketId(std::num::NonZeroU16::new(id).unwrap())
    }

    #[test]
    fn of_values_the_newest_waits_behind_the_events_before_it() {
        let mut waiting = Waiting::default();
        for news in [value(1), event(1), value(2)] {
            assert_eq!(waiting.push(news), None);
        }
        assert_eq!(all(waiting), [event(1), value(2)]);
    }

    #[test]
    fn beyond_its_limit_the_oldest_event_goes_and_is_counted() {
        let mut waiting = Waiting::default();
        waiting.push(value(1));
        let over: Vec<_> = (0..258).map(|number| waiting.push(event(number))).collect();
        assert!(over[..256].iter().all(Option::is_none));
        assert_eq!(over[256..], [Some(1), Some(2)]);
        assert_eq!(waiting.event_count(), 256);
        let all = all(waiting);
        assert_eq!((all.len(), &all[0], &all[1]), (257, &value(1), &event(2)));
    }

    #[test]
    fn what_a_lost_connection_had_not_acknowledged_is_said_again_in_order() {
        let mut waiting = Waiting::default();
        for (id, news) in [(1, event(1)), (2, value(1)), (3, event(2))] {
            waiting.sent(number(id), news);
        }
        assert_eq!(waiting.answered(number(1)), Some(event(1)));
        assert_eq!(waiting.answered(number(1)), None);
        waiting.push(value(2));
        waiting.push(event(3));
        assert_eq!(waiting.event_count(), 2);
        waiting.connection_lost();
        assert_eq!(all(waiting), [event(2), value(2), event(3)], "the older value is not said any more");
    }

    #[test]
    fn messages_are_those_that_the_server_describes() {
        let thing = Uuid([0x11; 16]);
        let said = |news: &News| {
            let publication = news.publication(thing).unwrap();
            let message = publication.message;
            (
                message.topic.replace(&thing.to_string(), "T"),
                String::from_utf8(message.payload.clone()).unwrap(),
            )
        };
        assert_eq!(said(&value(7)), ("things/T/properties/temperature".into(), "7".into()));
        assert_eq!(said(&event(9)), ("things/T/events/tooWarm".into(), "9".into()));
        let publication = event(9).publication(thing).unwrap();
        let words: Vec<_> = publication.message.properties.as_properties().user_properties().collect();
        assert_eq!(words, [("id", Uuid([7; 16]).to_string().as_str())]);
        let answer = |result| News::Answer { order: "4".into(), result };
        for (result, payload) in [
            (Ok(Value::Null), String::new()),
            (Ok(json!(3)), "{\"value\":3}".to_owned()),
            (
                Err(Failure { code: -2, message: "no".into() }),
                json!({ "error": { "code": -2, "message": "no" } }).to_string(),
            ),
        ] {
            assert_eq!(said(&answer(result)), ("things/T/answers/4".into(), payload));
        }
        let bad = News::Answer { order: "#".into(), result: Ok(Value::Null) };
        assert_eq!(bad.publication(thing), Err(Flaw::TopicName));
    }
}
