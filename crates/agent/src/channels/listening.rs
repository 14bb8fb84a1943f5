//! A stranger calls: its name picks the channel, its key must be that channel's.

use alloc::sync::Arc;
use alloc::vec::Vec;

use assure_proto::{ChannelDefinition, ChannelId, ChannelState, PskHint, decode_psk_identity};
use clock::Now;
use coaps::AssociationId;
use dtls_proto::{
    Alert, Answer, CertificateType, CipherSuite, ClientAuthentication, Credential, DEFAULT_GROUPS,
    HelloChoice, HelloOffer, PeerKey, PeerName,
};

use super::{Channels, Role, Seat, line, set_state};
use crate::keyring::{ChannelKeys, expected_name};
use crate::limits::CONNECTION_ID_LENGTH;
use crate::means::Means;
use crate::state::DeviceState;

impl Channels {
    /// Decides about a hello; `None` when the hello was discarded because our own call goes on.
    ///
    /// When both ends call at once, the lower UUID stays client (ruling A-ASSURE-80).
    pub(super) fn greet(
        &mut self,
        association: AssociationId,
        offer: &HelloOffer,
        state: &DeviceState,
        means: &mut Means,
        now: Now,
    ) -> Option<Answer> {
        let Some(name) = offer.peer_name else { return Some(self.greet_unnamed(association, state, means)) };
        let named = channels_of(name, state);
        if named.is_empty() {
            return Some(Answer::Refuse(Alert::AccessDenied));
        }
        let fitting = named.into_iter().find_map(|(id, definition)| {
            let keys = ChannelKeys::of(&*means.provider, &means.own, state, definition).ok()?;
            let fits = keys.server_suites().iter().any(|suite| offer.suites.contains(suite));
            fits.then(|| (id, definition.clone(), keys))
        });
        let Some((id, definition, keys)) = fitting else {
            return Some(Answer::Refuse(Alert::HandshakeFailure));
        };
        let line = line(&mut self.lines, &self.waits, id);
        let calling = line.association.filter(|_| line.state != ChannelState::Open && line.closing.is_none());
        if let Some(calling) = calling {
            let stays_client = means.own.uuid().0 < name;
            if stays_client && self.seats.get(&calling).is_some_and(|seat| seat.role == Role::Client) {
                means.lines.discard(association, now);
                return None;
            }
            line.association = None;
            self.seats.remove(&calling);
            means.lines.discard(calling, now);
        }
        line.try_at = None;
        if line.state != ChannelState::Open && line.closing.is_none() {
            set_state(line, id, ChannelState::Handshaking, means);
        }
        self.seats
            .insert(association, Seat { channel: Some((id, definition)), role: Role::Server, cause: None });
        Some(Answer::Hello(choice(&keys, means)))
    }

    /// A client that cannot say its name gets no hint and is known by the key it proves (G 26).
    fn greet_unnamed(
        &mut self,
        association: AssociationId,
        state: &DeviceState,
        means: &mut Means,
    ) -> Answer {
        let all = state.channels.values();
        let keys: Vec<ChannelKeys> = all
            .filter_map(|channel| {
                ChannelKeys::of(&*means.provider, &means.own, state, &channel.definition).ok()
            })
            .collect();
        if keys.is_empty() {
            return Answer::Refuse(Alert::AccessDenied);
        }
        let mut suites: Vec<CipherSuite> =
            keys.iter().flat_map(|keys| keys.server_suites()).copied().collect();
        suites.dedup();
        let own = keys.iter().filter_map(|keys| match keys {
            ChannelKeys::Pairs { own, .. } => Some(Credential::raw(Arc::clone(own))),
            ChannelKeys::Shared { .. } => None,
        });
        self.seats.insert(association, Seat { channel: None, role: Role::Server, cause: None });
        Answer::Hello(HelloChoice { suites, credentials: own.collect(), ..bare_choice(means) })
    }

    /// The client says which secret it uses: it must be that of the channel its name picked.
    pub(super) fn judge_identity(
        &mut self,
        association: AssociationId,
        identity: &[u8],
        state: &DeviceState,
        means: &mut Means,
    ) -> Answer {
        let Ok(proven) = decode_psk_identity(identity) else {
            return self.refuse(association, ChannelState::WrongKeyId, Alert::UnknownPskIdentity);
        };
        if self.is_unnamed(association) {
            let by_key = |definition: &ChannelDefinition| definition.local_key == proven;
            if !self.recognise(association, state, by_key) {
                return Answer::Refuse(Alert::UnknownPskIdentity);
            }
        }
        match self.keys_of(association, state, means) {
            Some((_, ChannelKeys::Shared { id, secret, .. })) if id == proven => {
                Answer::PskKey { key: secret, ticket_state: None }
            }
            _ => self.refuse(association, ChannelState::WrongKeyId, Alert::AccessDenied),
        }
    }

    pub(super) fn is_unnamed(&self, association: AssociationId) -> bool {
        self.seats.get(&association).is_some_and(|seat| seat.channel.is_none())
    }

    /// The public key of a client without a name: some channel must expect exactly it.
    pub(super) fn recognise_key(
        &mut self,
        association: AssociationId,
        key: &PeerKey,
        state: &DeviceState,
        means: &Means,
    ) -> Answer {
        let is_peers = |definition: &ChannelDefinition| {
            let keys = ChannelKeys::of(&*means.provider, &means.own, state, definition);
            matches!((keys, key), (Ok(ChannelKeys::Pairs { peer, .. }), PeerKey::Raw(shown)) if peer == *shown)
        };
        if self.recognise(association, state, is_peers) {
            Answer::AcceptKey { ticket_state: None }
        } else {
            Answer::Refuse(Alert::AccessDenied)
        }
    }

    fn recognise(
        &mut self,
        association: AssociationId,
        state: &DeviceState,
        is_it: impl Fn(&ChannelDefinition) -> bool,
    ) -> bool {
        let found = state.channels.iter().find(|(_, channel)| is_it(&channel.definition));
        let (Some((id, channel)), Some(seat)) = (found, self.seats.get_mut(&association)) else {
            return false;
        };
        seat.channel = Some((*id, channel.definition.clone()));
        true
    }
}

/// The channels whose peer goes by this name.
fn channels_of(name: PeerName, state: &DeviceState) -> Vec<(ChannelId, &ChannelDefinition)> {
    let all = state.channels.iter().map(|(id, channel)| (*id, &channel.definition));
    all.filter(|(_, definition)| expected_name(state, definition) == Some(name)).collect()
}

fn choice(keys: &ChannelKeys, means: &mut Means) -> HelloChoice {
    let bare = HelloChoice { suites: keys.server_suites().to_vec(), ..bare_choice(means) };
    match keys {
        ChannelKeys::Shared { id, .. } => {
            let hint = PskHint::KeyId(*id).encode().expect("an id has room in a hint");
            HelloChoice { hint: Some(hint.into_bytes()), ..bare }
        }
        ChannelKeys::Pairs { own, .. } => {
            HelloChoice { credentials: alloc::vec![Credential::raw(Arc::clone(own))], ..bare }
        }
    }
}

fn bare_choice(means: &mut Means) -> HelloChoice {
    HelloChoice {
        name: Some(means.own.uuid().0),
        suites: Vec::new(),
        groups: DEFAULT_GROUPS.to_vec(),
        hint: None,
        credentials: Vec::new(),
        client_authentication: ClientAuthentication::Required(alloc::vec![CertificateType::RawPublicKey]),
        connection_id: Some(means.dice.bytes::<CONNECTION_ID_LENGTH>().to_vec()),
    }
}
