//! What a stored state says, without its secrets.

use alloc::string::String;
use alloc::vec::Vec;

use assure_proto::{BootstrapServerId, ChannelDefinition, ChannelId, Class};
use crypto::{Provider, PublicKey};
use model::{KeyId, Uuid};

use crate::StartError;
use crate::factory::Own;
use crate::state::DeviceState;

/// A stored state as a person may see it: no secret, no private key, no value of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The device's UUID.
    pub device: Uuid,
    /// Its public key; none for a device with a shared secret.
    pub public_key: Option<PublicKey>,
    /// The bootstrap server it asks.
    pub bootstrap_server: BootstrapServerId,
    /// The highest generation of the authority that was applied.
    pub generation: u32,
    /// Owners so far.
    pub sequence_number: u32,
    /// Whether an image was applied in full.
    pub is_configured: bool,
    /// Whether data of an earlier owner is still to be erased.
    pub is_erase_pending: bool,
    /// The channels, in the order of their numbers.
    pub channels: Vec<(ChannelId, ChannelDefinition)>,
    /// The keys of the key store; the device's own is not among them.
    pub keys: Vec<(KeyId, Class)>,
    /// Names of the application's parameters, in order.
    pub parameters: Vec<String>,
}

impl Summary {
    /// Reads a stored state.
    ///
    /// # Errors
    /// Those with which [`crate::Agent::start`] would fail.
    pub fn read(provider: &dyn Provider, stored: &[u8]) -> Result<Self, StartError> {
        let (factory, state) = DeviceState::read(stored).map_err(StartError::Malformed)?;
        let own = Own::load(provider, factory).map_err(StartError::Key)?;
        Ok(Self {
            device: own.uuid(),
            public_key: own.private().map(|key| key.public().clone()),
            bootstrap_server: own.factory.bootstrap_server,
            generation: state.record.generation,
            sequence_number: state.record.sequence_number,
            is_configured: state.is_configured,
            is_erase_pending: state.record.erase_pending,
            channels: state.channels.iter().map(|(id, channel)| (*id, channel.definition.clone())).collect(),
            keys: state.keys.iter().map(|key| (key.id(), key.class())).collect(),
            parameters: state.parameters.keys().cloned().collect(),
        })
    }
}
