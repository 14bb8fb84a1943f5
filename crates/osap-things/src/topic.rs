//! Topics: `/iot/<serial>/<global|child>/<resource>/<module>/<method>/<message>[/<area>/<identifier>]`.

use alloc::format;
use alloc::string::String;

use osap_proto::Serial;
use wire::{DecodeError, Reason};

/// Bytes of a topic at most.
pub const TOPIC_SIZE_MAX: usize = 511;
/// Bytes of an area or identifier at most: with the longest serials a topic still has room.
const NAME_SIZE_MAX: usize = 128;
/// Bytes of a resource at most.
const RESOURCE_SIZE_MAX: usize = 64;
/// The third level of the device itself.
const GLOBAL: &str = "global";

/// A name that cannot stand in a topic: empty, too long, or with a character that does not belong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName;

impl core::fmt::Display for BadName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a name of 1 to 128 visible ASCII characters without \" # + / \\ is needed")
    }
}

impl core::error::Error for BadName {}

fn stands_in_topics(name: &str, size_max: usize) -> bool {
    let is_visible = |byte: u8| (0x21..=0x7E).contains(&byte) && !b"\"#+/\\".contains(&byte);
    (1..=size_max).contains(&name.len()) && name.bytes().all(is_visible)
}

/// Whose attribute, operation or event it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// The device that has the connection.
    Device,
    /// A sub-device behind it. Its serial is not `global`.
    Child(Serial),
}

impl Node {
    /// The node of a third level; `None` when it names none.
    fn of_level(level: &str) -> Option<Self> {
        if level == GLOBAL { Some(Self::Device) } else { Serial::new(level.as_bytes()).map(Self::Child) }
    }

    /// A sub-device; `None` for a serial that reads as the device itself.
    #[must_use]
    pub fn child(serial: Serial) -> Option<Self> {
        (serial.as_bytes() != GLOBAL.as_bytes()).then_some(Self::Child(serial))
    }

    fn level(&self) -> &str {
        match self {
            Self::Device => GLOBAL,
            Self::Child(serial) => text(serial),
        }
    }
}

/// A part of a device that serves requests by itself, as one channel of a recorder: `<number>-<type>`.
/// Source: OSAP draft 2.1.5.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource(String);

impl Resource {
    /// The resource of this name, at most 64 bytes; the part before the first `-` is its number.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn new(name: &str) -> Result<Self, BadName> {
        let (number, kind) = name.split_once('-').ok_or(BadName)?;
        let is_good = stands_in_topics(name, RESOURCE_SIZE_MAX) && !number.is_empty() && !kind.is_empty();
        if is_good { Ok(Self(name.into())) } else { Err(BadName) }
    }

    /// The device as a whole: `0-global`.
    #[must_use]
    pub fn global() -> Self {
        Self("0-global".into())
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where an attribute, operation or event stands in the model of a device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    resource: Resource,
    area: String,
    identifier: String,
}

impl Place {
    /// The place of these names; area and identifier have at most 128 bytes.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn new(resource: Resource, area: &str, identifier: &str) -> Result<Self, BadName> {
        if stands_in_topics(area, NAME_SIZE_MAX) && stands_in_topics(identifier, NAME_SIZE_MAX) {
            Ok(Self { resource, area: area.into(), identifier: identifier.into() })
        } else {
            Err(BadName)
        }
    }

    /// The resource it belongs to.
    #[must_use]
    pub const fn resource(&self) -> &Resource {
        &self.resource
    }

    /// The set of related functions it belongs to (OSAP draft 2.1.1).
    #[must_use]
    pub fn area(&self) -> &str {
        &self.area
    }

    /// Its name within the area.
    #[must_use]
    pub fn identifier(&self) -> &str {
        &self.identifier
    }
}

/// The fifth level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module<'a> {
    /// Attributes, operations and events: area and identifier follow.
    Model,
    /// What belongs to the device as a whole: shadow, session, sub-devices.
    Basic,
    /// Another one, as `ota`.
    Other(&'a str),
}

impl Module<'_> {
    const fn level(&self) -> &str {
        match self {
            Self::Model => "model",
            Self::Basic => "basic",
            Self::Other(name) => name,
        }
    }
}

/// A topic below `/iot/`, level by level. Its levels are not empty and have no wildcards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThingTopic<'a> {
    /// The serial of the device that has the connection.
    pub serial: &'a str,
    /// `global` or the serial of a sub-device.
    pub node: &'a str,
    /// Number and type of the resource.
    pub resource: &'a str,
    /// The module.
    pub module: Module<'a>,
    /// What it is about, as `attribute`.
    pub method: &'a str,
    /// What is said, as `set_reply`.
    pub message: &'a str,
    /// Area and identifier; of the module `model` only, and always there.
    pub place: Option<(&'a str, &'a str)>,
}

impl<'a> ThingTopic<'a> {
    /// Reads a topic.
    ///
    /// # Errors
    /// [`DecodeError`] with the offset of the level that is wrong.
    pub fn parse(topic: &'a str) -> Result<Self, DecodeError> {
        if topic.len() > TOPIC_SIZE_MAX {
            return Err(DecodeError::new(TOPIC_SIZE_MAX, Reason::OverLimit));
        }
        let rest = topic.strip_prefix("/iot/").ok_or(DecodeError::new(0, Reason::WrongKind))?;
        let mut levels = Levels { topic, at: "/iot/".len(), rest: Some(rest) };
        let serial = levels.next(TOPIC_SIZE_MAX)?;
        let node = levels.next(TOPIC_SIZE_MAX)?;
        let resource = levels.next(RESOURCE_SIZE_MAX)?;
        if Resource::new(resource).is_err() {
            return Err(levels.error_before(resource));
        }
        let module = match levels.next(16)? {
            "model" => Module::Model,
            "basic" => Module::Basic,
            other => Module::Other(other),
        };
        let (method, message) = (levels.next(32)?, levels.next(32)?);
        let place = match module {
            Module::Model => Some((levels.next(NAME_SIZE_MAX)?, levels.next(NAME_SIZE_MAX)?)),
            Module::Basic | Module::Other(_) => None,
        };
        levels.finish()?;
        Ok(Self { serial, node, resource, module, method, message, place })
    }

    /// The whole topic.
    #[must_use]
    pub fn print(&self) -> String {
        let Self { serial, node, resource, module, method, message, place } = self;
        let head = format!("/iot/{serial}/{node}/{resource}/{}/{method}/{message}", module.level());
        match place {
            Some((area, identifier)) => format!("{head}/{area}/{identifier}"),
            None => head,
        }
    }

    /// Whose it is, as a value.
    pub(crate) fn node(&self) -> Result<Node, DecodeError> {
        let offset = "/iot/".len() + self.serial.len() + 1;
        Node::of_level(self.node).ok_or(DecodeError::new(offset, Reason::OutOfRange))
    }

    /// The resource, as a value.
    pub(crate) fn resource(&self) -> Result<Resource, DecodeError> {
        let offset = "/iot/".len() + self.serial.len() + 1 + self.node.len() + 1;
        Resource::new(self.resource).map_err(|_| DecodeError::new(offset, Reason::OutOfRange))
    }

    /// Where it stands in the model, as a value.
    pub(crate) fn place(&self) -> Result<Place, DecodeError> {
        let (area, identifier) = self.place.ok_or(DecodeError::new(0, Reason::WrongKind))?;
        Place::new(self.resource()?, area, identifier).map_err(|_| DecodeError::new(0, Reason::OutOfRange))
    }
}

/// Prints the topic of something that has a place in the model.
pub(crate) fn of_model(serial: &Serial, node: &Node, place: &Place, method: &str, message: &str) -> String {
    ThingTopic {
        serial: text(serial),
        node: node.level(),
        resource: place.resource.as_str(),
        module: Module::Model,
        method,
        message,
        place: Some((&place.area, &place.identifier)),
    }
    .print()
}

/// Prints a topic of the module `basic`.
pub(crate) fn of_basic(
    serial: &Serial,
    node: &Node,
    resource: &Resource,
    method: &str,
    message: &str,
) -> String {
    ThingTopic {
        serial: text(serial),
        node: node.level(),
        resource: resource.as_str(),
        module: Module::Basic,
        method,
        message,
        place: None,
    }
    .print()
}

/// A serial as text.
pub(crate) fn text(serial: &Serial) -> &str {
    core::str::from_utf8(serial.as_bytes()).expect("a serial is visible ASCII")
}

struct Levels<'a> {
    topic: &'a str,
    at: usize,
    rest: Option<&'a str>,
}

impl<'a> Levels<'a> {
    fn next(&mut self, size_max: usize) -> Result<&'a str, DecodeError> {
        let rest = self.rest.ok_or(DecodeError::new(self.topic.len(), Reason::Truncated))?;
        let (level, rest) = rest.split_once('/').map_or((rest, None), |(level, rest)| (level, Some(rest)));
        if !stands_in_topics(level, size_max) {
            let reason = if level.len() > size_max { Reason::OverLimit } else { Reason::OutOfRange };
            return Err(DecodeError::new(self.at, reason));
        }
        (self.at, self.rest) = (self.at + level.len() + 1, rest);
        Ok(level)
    }

    const fn error_before(&self, level: &str) -> DecodeError {
        DecodeError::new(self.at - level.len() - 1, Reason::OutOfRange)
    }

    const fn finish(&self) -> Result<(), DecodeError> {
        match self.rest {
            None => Ok(()),
            Some(_) => Err(DecodeError::new(self.at - 1, Reason::Trailing)),
        }
    }
}
