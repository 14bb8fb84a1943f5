//! Models of smart devices that the program can play, as W3C Thing Models, and where each part of one stands.

use std::path::Path;

use osap_things::{Place, Resource};
use serde_json::{Map, Value};

use crate::failure::{Failure, Outcome};
use crate::files;

/// The models in the program: name and text.
pub(crate) const MODELS: [(&str, &str); 4] = [
    ("door-lock", include_str!("models/door-lock.json")),
    ("camera", include_str!("models/camera.json")),
    ("radar", include_str!("models/radar.json")),
    ("sensor", include_str!("models/sensor.json")),
];
/// The file of a device's model, in its folder.
pub(crate) const MODEL_FILE: &str = "model.json";
/// Bytes of a model at most.
const MODEL_SIZE_MAX: u64 = 64 * 1024;

/// The text of the model `name`.
pub(crate) fn text_of(name: &str) -> Option<&'static str> {
    MODELS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// A part of a model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    /// Its name in the model.
    pub(crate) name: String,
    /// Where it stands on the wire.
    pub(crate) place: Place,
    /// All that the model says about it.
    pub(crate) json: Value,
}

/// A model, as far as a device that plays it needs it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    pub(crate) title: String,
    pub(crate) properties: Vec<Part>,
    pub(crate) actions: Vec<Part>,
    pub(crate) events: Vec<Part>,
}

impl Model {
    /// Reads the model in a device's folder.
    ///
    /// # Errors
    /// `file-unreadable`, `file-malformed`.
    pub(crate) fn read(folder: &Path) -> Outcome<Self> {
        let path = folder.join(MODEL_FILE);
        let bytes = files::read(&path, MODEL_SIZE_MAX)?;
        Self::parse(&bytes).map_err(|why| files::malformed(&path, why))
    }

    /// Reads a model.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let json = osap_things::read_json(bytes).map_err(|_| "it is no JSON that is taken")?;
        let title = json.get("title").and_then(Value::as_str).ok_or("it has no title")?.to_owned();
        let parts = |member| parts_of(json.get(member)).ok_or("a part has no place that can be used");
        Ok(Self {
            title,
            properties: parts("properties")?,
            actions: parts("actions")?,
            events: parts("events")?,
        })
    }
}

fn parts_of(parts: Option<&Value>) -> Option<Vec<Part>> {
    let none = Map::new();
    let parts = match parts {
        None => &none,
        Some(parts) => parts.as_object()?,
    };
    parts
        .iter()
        .map(|(name, json)| {
            Some(Part { name: name.clone(), place: place_of(name, json)?, json: json.clone() })
        })
        .collect()
}

/// The member `osap:place`, or what it stands for when it is left out.
fn place_of(name: &str, json: &Value) -> Option<Place> {
    let place = json.get("osap:place");
    let text = |member: &str, default: &str| match place.and_then(|place| place.get(member)) {
        None => Some(default.to_owned()),
        Some(value) => value.as_str().map(str::to_owned),
    };
    let resource = Resource::new(&text("resource", "0-global")?).ok()?;
    Place::new(resource, &text("area", "Thing")?, &text("identifier", name)?).ok()
}

/// The failure of a model that does not exist.
pub(crate) fn unknown(name: &str) -> Failure {
    let known: Vec<&str> = MODELS.iter().map(|(name, _)| *name).collect();
    Failure::new("request-unreadable", name.to_owned()).because(format!("models are {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_in_the_program_can_be_played() {
        for (name, text) in MODELS {
            let model = Model::parse(text.as_bytes()).unwrap();
            assert!(!model.properties.is_empty() && !model.events.is_empty(), "{name}");
            assert!(model.properties.iter().all(|part| part.json.get("default").is_some()), "{name}");
        }
        assert_eq!(text_of("no"), None);
    }

    #[test]
    fn a_place_that_is_left_out_has_its_defaults() {
        let model = Model::parse(br#"{"title":"T","properties":{"on":{"type":"boolean"}}}"#).unwrap();
        assert_eq!(model.properties[0].place, Place::new(Resource::global(), "Thing", "on").unwrap());
        for bad in [
            r#"{"properties":{}}"#,
            r#"{"title":"T","properties":[]}"#,
            r#"{"title":"T","events":{"e":{"osap:place":{"area":"a/b"}}}}"#,
            r#"{"title":"T","events":{"e":{"osap:place":{"resource":"0"}}}}"#,
            "{",
        ] {
            assert!(Model::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
