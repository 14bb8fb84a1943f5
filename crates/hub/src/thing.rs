//! The record of a thing.

use clock::Timestamp;
use ledger::BadRecord;
use minicbor::{Decode, Encode};
use model::Uuid;
use store::Snapshot;

use crate::spaces::thing_key;

/// How the serial of a smart device is to be read (field `mode` of its first message).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum OsapMode {
    /// The serial of a product.
    #[n(0)]
    Serial,
    /// `<product key>:<device name>`.
    #[n(1)]
    ProductKey,
}

/// Through what the device behind a thing is reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Binding {
    /// A smart device at an access service.
    #[n(0)]
    Osap {
        /// Its serial, 1 to 71 bytes.
        #[n(0)]
        serial: String,
        /// How the serial is to be read.
        #[n(1)]
        mode: OsapMode,
    },
    /// A client of the broker.
    #[n(1)]
    Mqtt {
        /// The name under which it proves itself, 1 to 64 bytes.
        #[n(0)]
        client: String,
    },
    /// A sub-device behind a gateway, which speaks for it in its own session.
    #[n(2)]
    Child {
        /// The thing of the gateway: the same serial behind another gateway is another device.
        #[cbor(n(0), with = "uuid_bytes")]
        hub: Uuid,
        /// Its serial, 1 to 71 bytes.
        #[n(1)]
        serial: String,
    },
}

/// UUIDs as byte strings.
mod uuid_bytes {
    use minicbor::decode::{Decoder, Error as Unreadable};
    use minicbor::encode::{Encoder, Error as Unwritten, Write};
    use model::Uuid;

    pub(super) fn encode<C, W: Write>(
        id: &Uuid,
        out: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), Unwritten<W::Error>> {
        out.bytes(&id.0).map(|_| ())
    }

    pub(super) fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<Uuid, Unreadable> {
        from.bytes()?.try_into().map(Uuid).map_err(|_| Unreadable::message("no UUID"))
    }
}

fn is_serial(serial: &str) -> bool {
    let may = |byte| matches!(byte, 0x21..=0x7e) && !b"\"#+/\\".contains(&byte);
    (1..=71).contains(&serial.len()) && serial.bytes().all(may)
}

impl Binding {
    /// Whether the name in it is of a form that can be stored.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        match self {
            Self::Osap { serial, .. } => is_serial(serial),
            // In topics that word names the gateway itself.
            Self::Child { serial, .. } => is_serial(serial) && serial != "global",
            Self::Mqtt { client } => (1..=consent::PARTY_NAME_SIZE_MAX).contains(&client.len()),
        }
    }
}

/// What is to be seen on a thing at a glance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Whether its device is let in through the old, weak protocol.
    pub compat: bool,
}

/// A thing without its model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    /// Its UUID.
    pub id: Uuid,
    /// Its title, 1 to 128 bytes.
    pub title: String,
    /// Through what its device is reached.
    pub binding: Binding,
    /// What is to be seen at a glance.
    pub marks: Marks,
    /// When it was added.
    pub created: Timestamp,
    /// When its title, marks or model were changed last.
    pub modified: Timestamp,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Stored {
    #[n(0)]
    title: String,
    #[n(1)]
    binding: Binding,
    #[n(2)]
    compat: bool,
    #[n(3)]
    created_unix_millis: u64,
    #[n(4)]
    modified_unix_millis: u64,
}

impl Thing {
    pub(crate) fn to_value(&self) -> Vec<u8> {
        ledger::to_bytes(&Stored {
            title: self.title.clone(),
            binding: self.binding.clone(),
            compat: self.marks.compat,
            created_unix_millis: self.created.as_unix_millis(),
            modified_unix_millis: self.modified.as_unix_millis(),
        })
    }

    pub(crate) fn from_value(id: Uuid, stored: &[u8]) -> Result<Self, BadRecord> {
        let Stored { title, binding, compat, created_unix_millis, modified_unix_millis } =
            ledger::from_bytes(stored)?;
        Ok(Self {
            id,
            title,
            binding,
            marks: Marks { compat },
            created: Timestamp::from_unix_millis(created_unix_millis),
            modified: Timestamp::from_unix_millis(modified_unix_millis),
        })
    }

    pub(crate) fn read(snapshot: &Snapshot, id: Uuid) -> Result<Option<Self>, BadRecord> {
        snapshot.value(&thing_key(id)).map(|stored| Self::from_value(id, stored)).transpose()
    }
}
