//! What a played device does: it keeps values, opens doors that are not there, turns, counts.

use std::collections::BTreeMap;

use agent::osap::{Order, OrderKind};
use osap_things::{Failure, Node, Place};
use serde_json::{Value, json};

use super::models::{Model, Part};

/// What an order led to.
#[derive(Debug, PartialEq)]
pub(super) struct Done {
    /// For the platform.
    pub(super) result: Result<Value, Failure>,
    /// Properties that have another value now, by name.
    pub(super) changed: Vec<(Place, Value)>,
    /// What the place is called in the model.
    pub(super) name: String,
}

/// A device that is played.
#[derive(Debug)]
pub(super) struct Play {
    /// The device itself, or a sub-device behind it.
    node: Node,
    model: Model,
    values: BTreeMap<Place, Value>,
    pub(super) refuses: bool,
    count: u64,
}

impl Play {
    pub(super) fn new(node: Node, model: Model) -> Self {
        let first = |part: &Part| (part.place.clone(), part.json.get("default").cloned().unwrap_or_default());
        let values = model.properties.iter().map(first).collect();
        Self { node, model, values, refuses: false, count: 0 }
    }

    pub(super) const fn model(&self) -> &Model {
        &self.model
    }

    pub(super) const fn node(&self) -> &Node {
        &self.node
    }

    pub(super) fn title(&self) -> &str {
        &self.model.title
    }

    /// All values, as they are told after a login.
    pub(super) fn values(&self) -> impl Iterator<Item = (&Place, &Value)> {
        self.values.iter()
    }

    /// The place of a property by its name.
    pub(super) fn property(&self, name: &str) -> Option<&Place> {
        by_name(&self.model.properties, name).map(|part| &part.place)
    }

    /// The place of an operation by its name.
    pub(super) fn action(&self, name: &str) -> Option<&Place> {
        by_name(&self.model.actions, name).map(|part| &part.place)
    }

    /// The name of a property by its place.
    pub(super) fn name_of(&self, place: &Place) -> Option<&str> {
        self.model.properties.iter().find(|part| part.place == *place).map(|part| part.name.as_str())
    }

    /// The value of a property by its name.
    pub(super) fn value_of(&self, name: &str) -> Option<&Value> {
        self.values.get(self.property(name)?)
    }

    /// All values by their names.
    pub(super) fn named_values(&self) -> impl Iterator<Item = (String, Value)> + '_ {
        let value = |part: &Part| Some((part.name.clone(), self.values.get(&part.place)?.clone()));
        self.model.properties.iter().filter_map(value)
    }

    /// The place of an event by its name.
    pub(super) fn event(&self, name: &str) -> Option<&Place> {
        by_name(&self.model.events, name).map(|part| &part.place)
    }

    /// Gives a property a value at the device.
    pub(super) fn set(&mut self, place: &Place, value: Value) {
        self.values.insert(place.clone(), value);
    }

    /// Does what the platform wants.
    pub(super) fn order(&mut self, order: &Order) -> Done {
        let of_place = |parts: &[Part]| parts.iter().find(|part| part.place == order.place).cloned();
        let is_own = order.node == self.node;
        let part = match &order.kind {
            OrderKind::Set(_) | OrderKind::Query => of_place(&self.model.properties),
            OrderKind::Operate(_) => of_place(&self.model.actions),
        };
        let name =
            part.as_ref().map_or_else(|| order.place.identifier().to_owned(), |part| part.name.clone());
        let failed = |code, message: &str| {
            let failure = Failure { code, message: message.into() };
            Done { result: Err(failure), changed: Vec::new(), name: name.clone() }
        };
        if self.refuses {
            return failed(-1, "a person at the device refuses");
        }
        let Some(part) = part.filter(|_| is_own) else { return failed(-2, "there is nothing of this name") };
        match &order.kind {
            OrderKind::Set(_) if part.json.get("readOnly") == Some(&Value::Bool(true)) => {
                failed(-3, "it can only be read")
            }
            OrderKind::Set(value) => {
                self.set(&part.place, value.clone());
                let changed = vec![(part.place, value.clone())];
                Done { result: Ok(Value::Null), changed, name }
            }
            OrderKind::Query => {
                let value = self.values.get(&part.place).cloned().unwrap_or_default();
                Done { result: Ok(value), changed: Vec::new(), name }
            }
            OrderKind::Operate(input) => {
                let (output, changed) = self.operate(&part.name, input);
                Done { result: Ok(output), changed, name }
            }
        }
    }

    /// The operations of the models in the program; others do nothing, and say so by an empty output.
    fn operate(&mut self, name: &str, input: &Value) -> (Value, Vec<(Place, Value)>) {
        self.count += 1;
        let (output, property, value) = match name {
            "open" => (json!({ "opened": true }), "locked", json!(false)),
            "lock" => (Value::Null, "locked", json!(true)),
            "turn" => (Value::Null, "pan", input.get("pan").cloned().unwrap_or_default()),
            "snapshot" => {
                return (json!({ "width": 1920, "height": 1080, "number": self.count }), Vec::new());
            }
            "calibrate" => (json!({ "reflections": self.count }), "present", json!(false)),
            _ => return (Value::Null, Vec::new()),
        };
        let Some(place) = self.property(property).cloned() else { return (output, Vec::new()) };
        self.set(&place, value.clone());
        (output, vec![(place, value)])
    }
}

fn by_name<'a>(parts: &'a [Part], name: &str) -> Option<&'a Part> {
    parts.iter().find(|part| part.name == name)
}

#[cfg(test)]
mod tests {
    use super::super::models::{MODELS, text_of};
    use super::*;

    fn door() -> Play {
        Play::new(Node::Device, Model::parse(text_of("door-lock").unwrap().as_bytes()).unwrap())
    }

    fn order(play: &Play, name: &str, kind: OrderKind) -> Order {
        let all = play.model.properties.iter().chain(&play.model.actions);
        let place = all.clone().find(|part| part.name == name).unwrap().place.clone();
        Order { number: 1, node: Node::Device, place, kind }
    }

    #[test]
    fn a_door_opens_and_says_that_its_bolt_is_in() {
        let mut play = door();
        let open = order(&play, "open", OrderKind::Operate(json!({ "seconds": 3 })));
        let done = play.order(&open);
        assert_eq!(done.result, Ok(json!({ "opened": true })));
        let locked = play.property("locked").unwrap().clone();
        assert_eq!(done.changed, [(locked, json!(false))]);
        let query = order(&play, "locked", OrderKind::Query);
        assert_eq!(play.order(&query).result, Ok(json!(false)));
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let mut play = door();
        let set = order(&play, "locked", OrderKind::Set(json!(false)));
        assert_eq!(play.order(&set).result.unwrap_err().code, -3, "read only");
        let mut other = order(&play, "open", OrderKind::Operate(json!(null)));
        other.node = Node::child(osap_proto::Serial::new(b"C1").unwrap()).unwrap();
        assert_eq!(play.order(&other).result.unwrap_err().code, -2, "no such child");
        let mut wrong = order(&play, "open", OrderKind::Query);
        assert_eq!(play.order(&wrong).result.unwrap_err().code, -2, "an operation has no value");
        wrong.kind = OrderKind::Operate(json!(null));
        play.refuses = true;
        assert_eq!(play.order(&wrong).result.unwrap_err().code, -1);
    }

    #[test]
    fn every_operation_of_every_model_answers() {
        for (name, text) in MODELS {
            let mut play = Play::new(Node::Device, Model::parse(text.as_bytes()).unwrap());
            for part in play.model.actions.clone() {
                let done = play.order(&order(&play, &part.name, OrderKind::Operate(json!({ "pan": 5 }))));
                assert!(done.result.is_ok(), "{name} {}", part.name);
            }
        }
    }
}
