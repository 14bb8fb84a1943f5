//! Everything a device keeps without power, in one piece.
//!
//! `ARRAY [1, factory, record, keys, private parts, ids of image keys, channels, configured, parameters,
//! report]`,
//! each of factory and record a BYTE STRING of its own form. Volatile keys and channels are left out.
//! Source: TS-M13, TS-M14; ADR 0080.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use assure_proto::cbor::{Reader, Writer};
use assure_proto::{
    ChannelDefinition, ChannelId, Class, KeyStore, OwnershipRecord, StoredKey, definition_hash,
};
use crypto::{Provider, Secret};
use model::KeyId;
use wire::{DecodeError, Reason};

use crate::factory::Factory;
use crate::limits::{CHANNEL_COUNT_MAX, KEY_COUNT_MAX, PARAMETER_COUNT_MAX};

const VERSION: u8 = 1;

/// A channel and where its definition came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Channel {
    pub(crate) definition: ChannelDefinition,
    /// Defined by the image: it cannot be deleted or replaced by a peer.
    pub(crate) from_image: bool,
}

/// A key pair that was made here; its public part is in the key store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MadeKey {
    pub(crate) pkcs8: Secret,
    /// Whether it survives a reboot.
    pub(crate) is_persistent: bool,
}

/// What changes: ownership, and what the owner gave.
#[derive(Clone, Debug)]
pub(crate) struct DeviceState {
    pub(crate) record: OwnershipRecord,
    pub(crate) keys: KeyStore,
    pub(crate) made: BTreeMap<KeyId, MadeKey>,
    pub(crate) image_keys: BTreeSet<KeyId>,
    pub(crate) channels: BTreeMap<ChannelId, Channel>,
    /// Whether the second commit of the present image stands.
    pub(crate) is_configured: bool,
    pub(crate) parameters: BTreeMap<String, Vec<u8>>,
    /// Whether the owner is still to be told that data of the earlier one was erased. Source: D-04.
    pub(crate) must_report_erasure: bool,
}

impl DeviceState {
    /// What a device has before its first owner, or after a reset: nothing but its memory of owners.
    pub(crate) fn bare(record: OwnershipRecord) -> Self {
        Self {
            record,
            keys: KeyStore::empty(KEY_COUNT_MAX),
            made: BTreeMap::new(),
            image_keys: BTreeSet::new(),
            channels: BTreeMap::new(),
            is_configured: false,
            parameters: BTreeMap::new(),
            must_report_erasure: false,
        }
    }

    /// The owner's key: the class 2 key whose definition the record remembers.
    pub(crate) fn owner_key(&self, provider: &dyn Provider) -> Option<&StoredKey> {
        let hash = self.record.owner_hash?;
        self.keys.iter().find(|key| {
            let definition = key.authenticated_key().definition_bytes();
            key.class() == Class::ManagementSystem && definition_hash(provider, definition) == hash
        })
    }

    fn is_volatile(&self, id: KeyId) -> bool {
        self.made.get(&id).is_some_and(|made| !made.is_persistent)
    }

    /// Writes the state behind the factory part.
    pub(crate) fn write(&self, factory: &Factory) -> Secret {
        let mut out = Writer::new();
        out.array(10).uint(VERSION).bytes(factory.write().expose()).bytes(&self.record.encode());
        let keys: Vec<_> = self.keys.iter().filter(|key| !self.is_volatile(key.id())).collect();
        out.array(keys.len());
        for key in keys {
            out.bytes(&key.to_storage());
        }
        let made: Vec<_> = self.made.iter().filter(|(_, made)| made.is_persistent).collect();
        out.array(made.len());
        for (id, made) in made {
            out.array(2).bytes(&id.0).bytes(made.pkcs8.expose());
        }
        out.array(self.image_keys.len());
        for id in &self.image_keys {
            out.bytes(&id.0);
        }
        let lasting = |channel: &&Channel| channel.definition.persistent_across_reboots;
        out.array(self.channels.values().filter(lasting).count());
        for (id, channel) in self.channels.iter().filter(|(_, channel)| lasting(channel)) {
            out.array(3).uint(id.number()).bool(channel.from_image).bytes(&channel.definition.encode());
        }
        out.bool(self.is_configured).array(self.parameters.len());
        for (name, value) in &self.parameters {
            out.array(2).text(name).bytes(value);
        }
        out.bool(self.must_report_erasure);
        Secret::new(out.finish())
    }

    /// Reads a state and its factory part.
    pub(crate) fn read(bytes: &[u8]) -> Result<(Factory, Self), DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        reader.array_of(10)?;
        let version = reader.error(Reason::UnknownVersion);
        if reader.u8()? != VERSION {
            return Err(version);
        }
        let factory = Factory::read(reader.bytes()?)?;
        let mut state = Self::bare(OwnershipRecord::decode(reader.bytes()?)?);
        let keys = (0..count(&mut reader, KEY_COUNT_MAX)?)
            .map(|_| StoredKey::from_storage(reader.bytes()?))
            .collect::<Result<_, _>>()?;
        state.keys = KeyStore::restored(keys, KEY_COUNT_MAX);
        for _ in 0..count(&mut reader, KEY_COUNT_MAX)? {
            reader.array_of(2)?;
            let id = KeyId(reader.bytes_of()?);
            state.made.insert(id, MadeKey { pkcs8: Secret::from(reader.bytes()?), is_persistent: true });
        }
        for _ in 0..count(&mut reader, KEY_COUNT_MAX)? {
            state.image_keys.insert(KeyId(reader.bytes_of()?));
        }
        for _ in 0..count(&mut reader, CHANNEL_COUNT_MAX)? {
            let (id, channel) = read_channel(&mut reader)?;
            state.channels.insert(id, channel);
        }
        state.is_configured = reader.bool()?;
        for _ in 0..count(&mut reader, PARAMETER_COUNT_MAX)? {
            reader.array_of(2)?;
            let name = reader.text()?.into();
            state.parameters.insert(name, reader.bytes()?.to_vec());
        }
        state.must_report_erasure = reader.bool()?;
        reader.finish()?;
        Ok((factory, state))
    }
}

impl Factory {
    /// The state of a device that never had an owner: what its factory stores.
    #[must_use]
    pub fn first_state(&self) -> Secret {
        DeviceState::bare(OwnershipRecord::factory(self.generation)).write(self)
    }
}

fn count(reader: &mut Reader<'_>, count_max: usize) -> Result<usize, DecodeError> {
    let too_many = reader.error(Reason::OverLimit);
    let count = reader.array()?;
    if count > count_max { Err(too_many) } else { Ok(count) }
}

fn read_channel(reader: &mut Reader<'_>) -> Result<(ChannelId, Channel), DecodeError> {
    reader.array_of(3)?;
    let zero = reader.error(Reason::OutOfRange);
    let id = ChannelId::new(reader.u32()?).ok_or(zero)?;
    let from_image = reader.bool()?;
    let definition = ChannelDefinition::decode(reader.bytes()?)?;
    Ok((id, Channel { definition, from_image }))
}
