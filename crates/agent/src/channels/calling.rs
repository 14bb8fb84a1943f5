//! This end calls: the server's name, hint and key are judged.

use alloc::sync::Arc;

use assure_proto::{ChannelDefinition, ChannelId, ChannelState, encode_psk_identity};
use clock::Now;
use coaps::AssociationId;
use dtls_proto::{Alert, Answer, ClientSetup, Credential, PeerKey, PeerName};

use super::{Channels, Role, Seat, set_state, socket_address};
use crate::keyring::{ChannelKeys, expected_name};
use crate::means::Means;
use crate::state::DeviceState;

impl Channels {
    pub(super) fn call(&mut self, id: ChannelId, state: &DeviceState, means: &mut Means, now: Now) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        line.try_at = None;
        if line.association.is_some() {
            return;
        }
        let Some(definition) = state.channels.get(&id).map(|channel| channel.definition.clone()) else {
            return;
        };
        set_state(line, id, ChannelState::OpenRequested, means);
        let prepared = prepare(&definition, state, means);
        let called = prepared.and_then(|(to, setup)| means.lines.connect(to, setup, now).ok());
        match called {
            Some(association) => {
                let seat = Seat { channel: Some((id, definition)), role: Role::Client, cause: None };
                self.seats.insert(association, seat);
                if let Some(line) = self.lines.get_mut(&id) {
                    line.association = Some(association);
                }
            }
            None => self.fail(id, ChannelState::OtherError, means, now),
        }
    }

    /// The server has named itself and a key.
    ///
    /// The name is that of the expected key's owner, and the hint names the channel's key or the stored
    /// definition: the secret is always the stored one, whatever the hint holds.
    /// Source: TS-C1, TS-M4.
    pub(super) fn judge_hint(
        &mut self,
        association: AssociationId,
        name: Option<PeerName>,
        hint: Option<&[u8]>,
        state: &DeviceState,
        means: &mut Means,
    ) -> Answer {
        self.peer_answered(association, means);
        let Some((definition, keys)) = self.keys_of(association, state, means) else {
            return self.refuse(association, ChannelState::OtherError, Alert::InternalError);
        };
        if name.is_none() || name != expected_name(state, &definition) {
            return self.refuse(association, ChannelState::AuthenticationFailed, Alert::AccessDenied);
        }
        if !keys.is_named_by(hint) {
            return self.refuse(association, ChannelState::WrongKeyId, Alert::UnknownPskIdentity);
        }
        match keys {
            ChannelKeys::Shared { id, secret, .. } => {
                Answer::PskCredential { identity: encode_psk_identity(&id).into_bytes(), key: secret }
            }
            ChannelKeys::Pairs { .. } => {
                self.refuse(association, ChannelState::OtherError, Alert::InternalError)
            }
        }
    }

    /// A peer shows its public key, to us as client or as server.
    ///
    /// Source: aSSURE 8.3; TS-M4.
    pub(super) fn judge_key(
        &mut self,
        association: AssociationId,
        key: &PeerKey,
        name: Option<PeerName>,
        state: &DeviceState,
        means: &mut Means,
    ) -> Answer {
        self.peer_answered(association, means);
        if self.is_unnamed(association) {
            return self.recognise_key(association, key, state, means);
        }
        let Some((definition, keys)) = self.keys_of(association, state, means) else {
            return self.refuse(association, ChannelState::OtherError, Alert::InternalError);
        };
        if name.is_none() || name != expected_name(state, &definition) {
            return self.refuse(association, ChannelState::AuthenticationFailed, Alert::AccessDenied);
        }
        match (keys, key) {
            (ChannelKeys::Pairs { peer, .. }, PeerKey::Raw(shown)) if peer == *shown => {
                Answer::AcceptKey { ticket_state: None }
            }
            _ => self.refuse(association, ChannelState::AuthenticationFailed, Alert::AccessDenied),
        }
    }

    pub(super) fn keys_of(
        &self,
        association: AssociationId,
        state: &DeviceState,
        means: &Means,
    ) -> Option<(ChannelDefinition, ChannelKeys)> {
        let (_, definition) = self.seats.get(&association)?.channel.clone()?;
        let keys = ChannelKeys::of(&*means.provider, &means.own, state, &definition).ok()?;
        Some((definition, keys))
    }

    /// Remembers why, so that the channel's state says so when the association is over.
    pub(super) fn refuse(&mut self, association: AssociationId, cause: ChannelState, alert: Alert) -> Answer {
        if let Some(seat) = self.seats.get_mut(&association) {
            seat.cause = Some(cause);
        }
        Answer::Refuse(alert)
    }

    fn peer_answered(&mut self, association: AssociationId, means: &mut Means) {
        let Some(id) = self.seats.get(&association).and_then(|seat| seat.channel.as_ref()).map(|(id, _)| *id)
        else {
            return;
        };
        if let Some(line) = self.lines.get_mut(&id)
            && line.state != ChannelState::Open
            && line.closing.is_none()
        {
            set_state(line, id, ChannelState::Handshaking, means);
        }
    }
}

/// Where to call, and with what.
fn prepare(
    definition: &ChannelDefinition,
    state: &DeviceState,
    means: &mut Means,
) -> Option<(core::net::SocketAddr, ClientSetup)> {
    let to = socket_address(definition)?;
    let keys = ChannelKeys::of(&*means.provider, &means.own, state, definition).ok()?;
    let dice = means.dice.split();
    let provider = Arc::clone(&means.provider);
    let setup = match &keys {
        ChannelKeys::Shared { .. } => ClientSetup::psk(provider, dice),
        ChannelKeys::Pairs { own, .. } => {
            let credential = Credential::raw(Arc::clone(own));
            ClientSetup::keyed(provider, dice, keys.client_suites(), Some(credential))
        }
    };
    Some((to, ClientSetup { name: Some(means.own.uuid().0), ..setup }))
}
