//! What a plain client is asked, and what happens at it.

use agent::osap::{Order, OrderKind};

use super::*;
use osap_things::Failure as NotDone;

/// What an order is about: `things/{id}/orders/{order}/{verb}/{name}`.
#[derive(Debug, PartialEq)]
struct Asked<'a> {
    order: &'a str,
    verb: &'a str,
    name: &'a str,
}

impl<'a> Asked<'a> {
    fn on(topic: &'a str, thing: Uuid) -> Option<Self> {
        let rest = topic.strip_prefix("things/")?.strip_prefix(&thing.to_string())?;
        let mut parts = rest.strip_prefix("/orders/")?.split('/');
        let (order, verb, name) = (parts.next()?, parts.next()?, parts.next()?);
        parts.next().is_none().then_some(Self { order, verb, name })
    }
}

impl Running<'_> {
    /// Does an order, says what changed, and then what became of it.
    pub(super) fn ordered(&mut self, incoming: &Incoming) {
        let message = &incoming.publication.message;
        match Asked::on(&message.topic, self.thing) {
            Some(asked) => {
                let result = self.done(&asked, &message.payload);
                let order = asked.order.to_owned();
                self.wait(News::Answer { order, result });
            }
            None => {
                let topic = message.topic.clone();
                self.voice.say(&Said::new("not-asked", format!("no order: {topic}")).with("topic", topic));
            }
        }
        let now = self.now().moment;
        if let (Some(id), Link::Speaking(client)) = (incoming.id, &mut self.link) {
            // One whose connection has ended meanwhile is not waited for.
            let _ended = client.acknowledge(id, ReasonCode::SUCCESS, None, now);
        }
    }

    fn done(&mut self, asked: &Asked<'_>, payload: &[u8]) -> Result<Value, NotDone> {
        let failure = |message: &str| NotDone { code: -2, message: message.into() };
        let input = match payload {
            [] => Value::Null,
            bytes => osap_things::read_json(bytes).map_err(|_| failure("it is no JSON that is taken"))?,
        };
        let (place, kind) = match asked.verb {
            "set" => (self.play.property(asked.name), OrderKind::Set(input)),
            "get" => (self.play.property(asked.name), OrderKind::Query),
            "call" => (self.play.action(asked.name), OrderKind::Operate(input)),
            _ => return Err(failure("it cannot be done")),
        };
        let place = place.cloned().ok_or_else(|| failure("there is nothing of this name"))?;
        let order = Order { number: 0, node: Node::Device, place, kind };
        let done = self.play.order(&order);
        self.voice.say(&said::of_order(&order, &done.name, &done.result));
        for (place, value) in done.changed {
            self.changed(&place, value);
        }
        done.result
    }

    /// A property has another value.
    fn changed(&mut self, place: &Place, value: Value) {
        if let Some(name) = self.play.name_of(place) {
            let (name, at) = (name.to_owned(), self.at());
            self.wait(News::Value { name, value, at });
        }
    }

    fn raise(&mut self, name: String, data: Value) {
        let id = Uuid::v4(self.dice.bytes());
        let at = self.at();
        self.voice.say(
            &Said::new("raised", format!("event {id}, {name}"))
                .with("id", id.to_string())
                .with("name", name.clone()),
        );
        self.wait(News::Event { name, data, id, at });
    }

    fn wait(&mut self, news: News) {
        if let Some(total) = self.waiting.push(news) {
            let sentence = format!("the oldest was dropped, {total} so far");
            self.voice.say(&Said::new("dropped", sentence).with("total", total));
        }
    }

    /// Looks at the thermometer, when there is one.
    pub(super) fn look(&mut self) {
        let Some(room) = &mut self.room else { return };
        let Some(place) = self.play.property(MEASURED).cloned() else { return };
        let value = room.measure(&mut self.dice);
        let before = self.play.value_of(MEASURED).cloned().unwrap_or_default();
        let is_too_much = room::rose_above(self.play.value_of(LIMIT), &before, &value);
        self.play.set(&place, value.clone());
        self.changed(&place, value.clone());
        if is_too_much && self.play.event(TOO_MUCH).is_some() {
            self.raise(TOO_MUCH.to_owned(), json!({ MEASURED: value }));
        }
    }

    /// What a person at the device does.
    pub(super) fn take(&mut self, line: Line) {
        match line {
            Line::Set(name, value) => match self.play.property(&name).cloned() {
                Some(place) => {
                    if name == MEASURED && self.room.is_some() {
                        self.room = Some(Room::of(&value));
                    }
                    self.play.set(&place, value.clone());
                    self.changed(&place, value);
                }
                None => self.voice.say(&standing::unknown_name(&name)),
            },
            Line::Event(name, data) => match self.play.event(&name) {
                Some(_) => self.raise(name, data),
                None => self.voice.say(&standing::unknown_name(&name)),
            },
            Line::Refuse(refuses) => self.play.refuses = refuses,
            Line::Status => {
                let said = self.standing();
                self.voice.say(&said);
            }
            Line::PowerOff => self.switch_off(),
            Line::Child(..)
            | Line::AtChild(..)
            | Line::Bring(..)
            | Line::Fetch(..)
            | Line::Enrol
            | Line::Unknown => {
                self.voice.say(&standing::unknown_line());
            }
        }
    }

    fn standing(&self) -> Said {
        let is_online = matches!(&self.link, Link::Speaking(client) if client.is_open());
        let values: serde_json::Map<String, Value> = self.play.named_values().collect();
        standing::status(is_online, self.waiting.event_count(), values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_taken_from_its_topic_and_from_no_other() {
        let thing = Uuid([0x11; 16]);
        let asked = |rest: &str| {
            let topic = format!("things/{thing}{rest}");
            Asked::on(&topic, thing).map(|asked| [asked.order, asked.verb, asked.name].map(str::to_owned))
        };
        assert_eq!(asked("/orders/7/set/mode"), Some(["7", "set", "mode"].map(str::to_owned)));
        for other in
            ["/orders/7/set", "/orders/7/set/mode/more", "/answers/7", "/properties/mode", "orders/7/set/a"]
        {
            assert_eq!(asked(other), None, "{other}");
        }
        assert_eq!(Asked::on(&format!("things/{thing}/orders/7/set/mode"), Uuid([0x12; 16])), None);
    }
}
