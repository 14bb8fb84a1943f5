//! Thing models: what a thing has, as W3C Thing Model JSON, and where its device keeps each part of it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::json::is_within;
use crate::schema::bad_part;

/// The largest model, in bytes of JSON without spaces.
pub const MODEL_SIZE_MAX: usize = 64 * 1024;

/// How deep a model may be nested.
const MODEL_DEPTH_MAX: usize = 40;

/// The longest name of a property, action, event, resource or area, in bytes.
pub(crate) const NAME_SIZE_MAX: usize = 64;

/// Properties, actions and events of one thing, each.
pub(crate) const AFFORDANCE_COUNT_MAX: usize = 128;

/// What a thing offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AffordanceKind {
    /// State that can be read, written or observed.
    Property,
    /// A function that can be invoked.
    Action,
    /// Something that happens, and is told.
    Event,
}

impl AffordanceKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Property, Self::Action, Self::Event];

    /// The member of a model that lists them.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Property => "properties",
            Self::Action => "actions",
            Self::Event => "events",
        }
    }
}

/// Where a device keeps a property, action or event: member `osap:place` of the affordance.
///
/// In JSON `{"resource": "0-global", "area": "Thing", "identifier": name}`; these are also the values of
/// members that are left out. Each is 1 to 64 of `A-Z a-z 0-9 _ - .`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The resource: index, hyphen, category.
    pub resource: String,
    /// The area (domain).
    pub area: String,
    /// The identifier inside the area.
    pub identifier: String,
}

/// Why a model cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadModel {
    /// The JSON pointer to the part.
    pub at: String,
    /// What is the matter with it.
    pub why: BadModelReason,
}

/// What is the matter with a part of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadModelReason {
    /// Larger or nested deeper than is kept.
    TooLarge,
    /// Of another form.
    Form,
    /// A title is missing.
    Title,
    /// A name that cannot stand in paths and topics.
    Name,
    /// More than may be.
    Count,
    /// A rule that cannot be checked here, or of another form.
    Schema,
    /// Two of a kind at one place.
    Place,
    /// References to other models are not followed.
    Reference,
    /// Forms are made here.
    Forms,
}

fn bad(at: impl Into<String>, why: BadModelReason) -> BadModel {
    BadModel { at: at.into(), why }
}

/// Whether `text` can be a name of something: 1 to [`NAME_SIZE_MAX`] of `A-Z a-z 0-9 _ - .`, not a dot first.
pub(crate) fn is_name(text: &str) -> bool {
    let may = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=NAME_SIZE_MAX).contains(&text.len()) && text.bytes().all(may) && !text.starts_with('.')
}

/// A model that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThingModel(Map<String, Value>);

impl ThingModel {
    /// Takes a model.
    ///
    /// # Errors
    /// [`BadModel`] says what cannot be used, and where it stands.
    pub fn new(json: Value) -> Result<Self, BadModel> {
        if !is_within(&json, MODEL_DEPTH_MAX) || json.to_string().len() > MODEL_SIZE_MAX {
            return Err(bad("", BadModelReason::TooLarge));
        }
        let Value::Object(model) = json else { return Err(bad("", BadModelReason::Form)) };
        match model.get("title") {
            Some(Value::String(title)) if (1..=128).contains(&title.len()) => {}
            _ => return Err(bad("/title", BadModelReason::Title)),
        }
        if let Some(name) =
            model.keys().find(|name| matches!(name.as_str(), "tm:required" | "schemaDefinitions"))
        {
            return Err(bad(format!("/{name}"), BadModelReason::Reference));
        }
        let model = Self(model);
        for kind in AffordanceKind::ALL {
            model.check_kind(kind)?;
        }
        Ok(model)
    }

    fn check_kind(&self, kind: AffordanceKind) -> Result<(), BadModel> {
        let member = kind.member();
        let affordances = match self.0.get(member) {
            None => return Ok(()),
            Some(Value::Object(affordances)) => affordances,
            Some(_) => return Err(bad(format!("/{member}"), BadModelReason::Form)),
        };
        if affordances.len() > AFFORDANCE_COUNT_MAX {
            return Err(bad(format!("/{member}"), BadModelReason::Count));
        }
        let mut places = BTreeSet::new();
        for (name, affordance) in affordances {
            let at = format!("/{member}/{name}");
            if !is_name(name) {
                return Err(bad(at, BadModelReason::Name));
            }
            let Value::Object(affordance) = affordance else { return Err(bad(at, BadModelReason::Form)) };
            let affordance = Affordance { name: name.clone(), kind, json: affordance.clone() };
            let place = affordance.check(&at)?;
            if !places.insert(place) {
                return Err(bad(format!("{at}/osap:place"), BadModelReason::Place));
            }
        }
        Ok(())
    }

    /// A model that we stored: it was checked then.
    pub(crate) fn stored(text: &str) -> Result<Self, ledger::BadRecord> {
        match crate::json::from_text(text)? {
            Value::Object(model) => Ok(Self(model)),
            _ => Err(ledger::BadRecord),
        }
    }

    /// The title.
    #[must_use]
    pub fn title(&self) -> &str {
        self.0.get("title").and_then(Value::as_str).unwrap_or_default()
    }

    /// The members as they were given.
    #[must_use]
    pub const fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Every affordance of a kind, by name.
    pub fn affordances(&self, kind: AffordanceKind) -> impl Iterator<Item = Affordance> {
        let members = self.0.get(kind.member()).and_then(Value::as_object).into_iter().flatten();
        members.filter_map(move |(name, json)| {
            let json = json.as_object()?.clone();
            Some(Affordance { name: name.clone(), kind, json })
        })
    }
}

/// One property, action or event of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affordance {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: AffordanceKind,
    /// Its members.
    pub json: Map<String, Value>,
}

impl Affordance {
    fn check(&self, at: &str) -> Result<Place, BadModel> {
        for (name, why) in [
            ("forms", BadModelReason::Forms),
            ("tm:ref", BadModelReason::Reference),
            ("uriVariables", BadModelReason::Form),
        ] {
            if self.json.contains_key(name) {
                return Err(bad(format!("{at}/{name}"), why));
            }
        }
        for flag in ["readOnly", "writeOnly", "observable", "safe", "idempotent", "synchronous"] {
            if self.json.get(flag).is_some_and(|value| !value.is_boolean()) {
                return Err(bad(format!("{at}/{flag}"), BadModelReason::Form));
            }
        }
        let parts: &[&str] = match self.kind {
            AffordanceKind::Property => {
                if let Some(part) = bad_part(&self.json) {
                    return Err(bad(format!("{at}{part}"), BadModelReason::Schema));
                }
                &[]
            }
            AffordanceKind::Action => &["input", "output"],
            AffordanceKind::Event => &["data", "subscription", "cancellation", "dataResponse"],
        };
        for part in parts {
            let below = match self.json.get(*part) {
                None => None,
                Some(Value::Object(form)) => bad_part(form),
                Some(_) => Some(String::new()),
            };
            if let Some(below) = below {
                return Err(bad(format!("{at}/{part}{below}"), BadModelReason::Schema));
            }
        }
        // A member that is misspelt would put the part somewhere else.
        let place = self.json.get("osap:place").and_then(Value::as_object);
        let known = |member: &String| matches!(member.as_str(), "resource" | "area" | "identifier");
        let is_known = place.is_none_or(|place| place.keys().all(known));
        let place = self.place_in_json().filter(|_| is_known);
        place.ok_or_else(|| bad(format!("{at}/osap:place"), BadModelReason::Form))
    }

    fn place_in_json(&self) -> Option<Place> {
        let empty = Map::new();
        let place = match self.json.get("osap:place") {
            None => &empty,
            Some(Value::Object(place)) => place,
            Some(_) => return None,
        };
        let part = |name: &str, otherwise: &str| match place.get(name) {
            None => Some(otherwise.to_owned()),
            Some(Value::String(text)) if is_name(text) => Some(text.clone()),
            Some(_) => None,
        };
        Some(Place {
            resource: part("resource", "0-global")?,
            area: part("area", "Thing")?,
            identifier: part("identifier", &self.name)?,
        })
    }

    /// Where the device keeps it.
    ///
    /// # Errors
    /// [`ledger::BadRecord`] when a stored affordance has no place: it was checked when it was taken.
    pub fn place(&self) -> Result<Place, ledger::BadRecord> {
        self.place_in_json().ok_or(ledger::BadRecord)
    }

    fn flag(&self, name: &str) -> bool {
        self.json.get(name) == Some(&Value::Bool(true))
    }

    /// Whether the property cannot be written.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.flag("readOnly")
    }

    /// Whether the property cannot be read.
    #[must_use]
    pub fn is_write_only(&self) -> bool {
        self.flag("writeOnly")
    }

    /// Whether the property can be observed: unless the model says no.
    #[must_use]
    pub fn is_observable(&self) -> bool {
        !self.is_write_only() && self.json.get("observable") != Some(&Value::Bool(false))
    }

    /// The schema of a part: `input`, `output` or `data`.
    pub(crate) fn part(&self, name: &str) -> Option<&Map<String, Value>> {
        self.json.get(name).and_then(Value::as_object)
    }

    pub(crate) fn stored(name: &str, kind: AffordanceKind, stored: &[u8]) -> Result<Self, ledger::BadRecord> {
        let text = std::str::from_utf8(crate::spaces::unversioned(stored)?).map_err(|_| ledger::BadRecord)?;
        match crate::json::from_text(text)? {
            Value::Object(json) => Ok(Self { name: name.to_owned(), kind, json }),
            _ => Err(ledger::BadRecord),
        }
    }
}
