//! The keys of a channel, made ready: which kind it is, what proves us, what must prove the peer.

use alloc::sync::Arc;
use alloc::vec::Vec;

use assure_proto::{ChannelDefinition, Class, KeyDefinition, PskHint, StoredKey};
use crypto::{KeyKind, PrivateKey, Provider, PublicKey, Secret};
use dtls_proto::{CipherSuite, PeerName};
use model::KeyId;

use crate::factory::Own;
use crate::state::DeviceState;

/// The keys of a channel.
pub(crate) enum ChannelKeys {
    /// Both ends share a secret.
    Shared {
        id: KeyId,
        secret: Secret,
        /// The stored definition, byte for byte.
        definition: Vec<u8>,
    },
    /// Each end has a key pair.
    Pairs { own: Arc<dyn PrivateKey>, peer: PublicKey },
}

/// Why a channel cannot be made with these keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyTrouble {
    /// A key is not there, or its secret or private part is not.
    Missing,
    /// A key is there for another purpose.
    WrongClass,
    /// The two keys do not go together.
    WrongKind,
}

impl ChannelKeys {
    /// Finds the keys of a channel.
    ///
    /// A shared secret must be a channel key: the owner secret signs images and is none (G 19).
    pub(crate) fn of(
        provider: &dyn Provider,
        own: &Own,
        state: &DeviceState,
        definition: &ChannelDefinition,
    ) -> Result<Self, KeyTrouble> {
        let Some(peer) = definition.peer_key.filter(|peer| *peer != definition.local_key) else {
            return Self::shared(state.keys.find(definition.local_key).ok_or(KeyTrouble::Missing)?);
        };
        let stored = state.keys.find(peer).ok_or(KeyTrouble::Missing)?;
        let may_be_peer = matches!(stored.class(), Class::ManagementSystem | Class::Device | Class::Channel);
        if !may_be_peer {
            return Err(KeyTrouble::WrongClass);
        }
        let peer = stored.authenticated_key().definition().public_key().ok_or(KeyTrouble::WrongKind)?;
        let local = private_key(provider, own, state, definition.local_key)?;
        Ok(Self::Pairs { own: local, peer: peer.clone() })
    }

    fn shared(stored: &StoredKey) -> Result<Self, KeyTrouble> {
        if stored.authenticated_key().definition().public_key().is_some() {
            return Err(KeyTrouble::WrongKind);
        }
        if stored.class() != Class::Channel {
            return Err(KeyTrouble::WrongClass);
        }
        let secret = stored.secret().ok_or(KeyTrouble::Missing)?.clone();
        let definition = stored.authenticated_key().definition_bytes().to_vec();
        Ok(Self::Shared { id: stored.id(), secret, definition })
    }

    /// Suites to offer as client: those by which the server proves itself with the peer's key.
    pub(crate) fn client_suites(&self) -> &'static [CipherSuite] {
        match self {
            Self::Shared { .. } => &CipherSuite::PSK,
            Self::Pairs { peer, .. } => signed_suites(peer.kind()),
        }
    }

    /// Suites to allow as server: those by which we prove ourselves with our own key.
    pub(crate) fn server_suites(&self) -> &'static [CipherSuite] {
        match self {
            Self::Shared { .. } => &CipherSuite::PSK,
            Self::Pairs { own, .. } => signed_suites(own.public().kind()),
        }
    }

    /// Whether a hint names exactly this key: by its id, or by the very bytes of the stored definition.
    /// Nothing is derived from a hint.
    /// Source: TS-C1.
    pub(crate) fn is_named_by(&self, hint: Option<&[u8]>) -> bool {
        let Self::Shared { id, definition, .. } = self else { return false };
        match hint.map(PskHint::decode) {
            Some(Ok(PskHint::KeyId(hinted))) => hinted == *id,
            Some(Ok(PskHint::Definitions(hinted))) => match <[_; 1]>::try_from(hinted) {
                Ok([single]) => KeyDefinition::Derived(single).encode() == *definition,
                Err(_) => false,
            },
            Some(Err(_)) | None => false,
        }
    }
}

/// Suites in which a key of `kind` signs.
pub(crate) const fn signed_suites(kind: KeyKind) -> &'static [CipherSuite] {
    match kind {
        KeyKind::Ec(_) => &[
            CipherSuite::EcdheEcdsaAes128Ccm8,
            CipherSuite::EcdheEcdsaAes128GcmSha256,
            CipherSuite::EcdheEcdsaAes256GcmSha384,
        ],
        KeyKind::Rsa { .. } => &[CipherSuite::EcdheRsaAes128GcmSha256, CipherSuite::EcdheRsaAes256GcmSha384],
    }
}

/// A private key that this device holds: its own, one made here, or one pushed with its private part.
fn private_key(
    provider: &dyn Provider,
    own: &Own,
    state: &DeviceState,
    id: KeyId,
) -> Result<Arc<dyn PrivateKey>, KeyTrouble> {
    if id == own.key_id() {
        return own.private().cloned().ok_or(KeyTrouble::WrongKind);
    }
    if let Some(made) = state.made.get(&id) {
        return provider.import_key(made.pkcs8.expose()).map_err(|_| KeyTrouble::Missing);
    }
    let stored = state.keys.find(id).ok_or(KeyTrouble::Missing)?;
    if !matches!(stored.class(), Class::Device | Class::Channel) {
        return Err(KeyTrouble::WrongClass);
    }
    match stored.authenticated_key().definition() {
        KeyDefinition::Ec(pair) | KeyDefinition::Rsa(pair) => {
            pair.private_key(provider).ok().flatten().ok_or(KeyTrouble::Missing)
        }
        KeyDefinition::Derived(_) => Err(KeyTrouble::WrongKind),
    }
}

/// The key that the peer of a channel proves.
fn peer_key<'a>(state: &'a DeviceState, definition: &ChannelDefinition) -> Option<&'a StoredKey> {
    state.keys.find(definition.peer_key.unwrap_or(definition.local_key))
}

/// The name that the peer of a channel must give: the device its key belongs to, else the key's id.
/// Source: TS-M4.
pub(crate) fn expected_name(state: &DeviceState, definition: &ChannelDefinition) -> Option<PeerName> {
    let key = peer_key(state, definition)?;
    Some(key.authenticated_key().metadata().device.map_or(key.id().0, |device| device.0))
}

/// Whether the peer is a management system and not another device: its key names no device.
pub(crate) fn is_management(state: &DeviceState, definition: &ChannelDefinition) -> bool {
    peer_key(state, definition).is_some_and(|key| key.authenticated_key().metadata().device.is_none())
}
