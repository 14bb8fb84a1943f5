//! Whoever may be granted something.

use std::fmt;
use std::str::FromStr;

use ledger::BadRecord;
use model::Uuid;

/// The longest name of a person or client, in bytes.
pub const PARTY_NAME_SIZE_MAX: usize = 64;

/// Who asks for something, as far as it is proven.
///
/// In text `owner`, `person:NAME`, `client:NAME`, `thing:UUID`, `stranger`; sorted in this order. Stored as a
/// version byte, a byte for the kind, and the name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// The owner of every thing here: administrators and the operator.
    Owner,
    /// A person with an account.
    Person(String),
    /// A program with credentials of its own, as MQTT clients have.
    Client(String),
    /// Another thing.
    Thing(Uuid),
    /// Whoever proved nothing.
    Stranger,
}

/// Text that names no party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadParty;

const FORMAT: u8 = 1;
const OWNER: u8 = 0;
const PERSON: u8 = 1;
const CLIENT: u8 = 2;
const THING: u8 = 3;
const STRANGER: u8 = 4;

impl Party {
    /// Whether the name of a person or client is one that can be stored: 1 to [`PARTY_NAME_SIZE_MAX`] bytes.
    #[must_use]
    pub fn is_storable(&self) -> bool {
        match self {
            Self::Person(name) | Self::Client(name) => (1..=PARTY_NAME_SIZE_MAX).contains(&name.len()),
            Self::Owner | Self::Thing(_) | Self::Stranger => true,
        }
    }

    /// The stored form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (kind, name) = match self {
            Self::Owner => (OWNER, &[][..]),
            Self::Person(name) => (PERSON, name.as_bytes()),
            Self::Client(name) => (CLIENT, name.as_bytes()),
            Self::Thing(thing) => (THING, &thing.0[..]),
            Self::Stranger => (STRANGER, &[][..]),
        };
        [&[FORMAT, kind], name].concat()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`BadRecord`] on anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadRecord> {
        let [FORMAT, kind, name @ ..] = bytes else { return Err(BadRecord) };
        let text = || std::str::from_utf8(name).map(str::to_owned).map_err(|_| BadRecord);
        let party = match *kind {
            OWNER if name.is_empty() => Self::Owner,
            PERSON => Self::Person(text()?),
            CLIENT => Self::Client(text()?),
            THING => Self::Thing(Uuid(name.try_into().map_err(|_| BadRecord)?)),
            STRANGER if name.is_empty() => Self::Stranger,
            _ => return Err(BadRecord),
        };
        if party.is_storable() { Ok(party) } else { Err(BadRecord) }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::Person(name) => write!(f, "person:{name}"),
            Self::Client(name) => write!(f, "client:{name}"),
            Self::Thing(thing) => write!(f, "thing:{thing}"),
            Self::Stranger => f.write_str("stranger"),
        }
    }
}

impl FromStr for Party {
    type Err = BadParty;

    fn from_str(text: &str) -> Result<Self, BadParty> {
        let party = match text.split_once(':') {
            None if text == "owner" => Self::Owner,
            None if text == "stranger" => Self::Stranger,
            Some(("person", name)) => Self::Person(name.to_owned()),
            Some(("client", name)) => Self::Client(name.to_owned()),
            Some(("thing", id)) => Self::Thing(id.parse().map_err(|_| BadParty)?),
            _ => return Err(BadParty),
        };
        if party.is_storable() { Ok(party) } else { Err(BadParty) }
    }
}
