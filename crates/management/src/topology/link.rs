//! One channel between two devices: its keys, its two definitions, the orders for both ends.

use std::collections::BTreeMap;

use assure_proto::{
    Address, AuthenticatedKey, ChannelDefinition, ChannelId, Class, Derivation, DerivedKey, KeyDefinition,
    Metadata, Privileges, SimpleTime, Validity,
};
use clock::{Dice, Timestamp};
use crypto::{CryptoError, Curve, Secret};
use ledger::{BadRecord, fields};
use minicbor::{Decode, Encode};
use model::{KeyId, Uuid};
use store::{Batch, Range, Snapshot};

use super::{NotPlanned, kind_of};
use crate::OwnerKeys;
use crate::configuring::signer_for;
use crate::device::{KeyKind, ManagedDevice, OwnedDevice};
use crate::orders::{Command, NewOrder, Placed, place};
use crate::spaces::{LINK, link_key};

/// Channels of one device to others; more are refused, so that one page shows them all.
pub(crate) const LINKS_MAX: u16 = 64;
/// Length of a channel key in bytes.
const CHANNEL_KEY_LENGTH: usize = 32;

/// By what kind of key a channel between devices is secured.
/// Source: aSSURE 13.2 to 13.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum LinkKind {
    /// The EC keys of both devices.
    #[n(0)]
    Ec,
    /// The EC key of one and an EC key that we issue to the other.
    #[n(1)]
    IssuedEc,
    /// The RSA keys of both devices.
    #[n(2)]
    Rsa,
    /// The RSA key of one and an RSA key that we issue to the other.
    #[n(3)]
    IssuedRsa,
    /// A secret that we issue to both.
    #[n(4)]
    SharedSecret,
}

/// One end of a channel between devices, as it is stored under (this device, peer).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct StoredLink {
    #[n(0)]
    pub(crate) kind: LinkKind,
    /// Whether this end opens the channel, and so is the DTLS client.
    #[n(1)]
    pub(crate) opens: bool,
    /// The channel's number on this device.
    #[n(2)]
    pub(crate) channel: u16,
    /// Ids of the keys that this device was given for the channel.
    #[cbor(n(3), with = "fields::byte_list")]
    pub(crate) keys: Vec<Vec<u8>>,
    /// What the peer may do here: channel, system, key management.
    #[n(4)]
    privileges: (bool, bool, bool),
    /// The order that puts the channel on this device.
    #[n(5)]
    pub(crate) order: u64,
}

impl StoredLink {
    pub(crate) const fn privileges(&self) -> Privileges {
        let (channel_management, system_management, key_management) = self.privileges;
        Privileges { channel_management, system_management, key_management }
    }
}

/// The channels of one device.
pub(crate) fn links_of(device: Uuid) -> Range {
    Range { space: LINK, prefix: device.0.to_vec(), after: None, limit: LINKS_MAX.into() }
}

/// The channels of `device`, by peer.
pub(crate) fn read_links(snapshot: &Snapshot, device: Uuid) -> Result<Vec<(Uuid, StoredLink)>, BadRecord> {
    let records = snapshot.page(&links_of(device)).records.iter();
    let read = records.map(|(key, record)| {
        let peer = key.name.get(16..).and_then(|peer| peer.try_into().ok()).ok_or(BadRecord)?;
        Ok((Uuid(peer), ledger::from_bytes(&record.value)?))
    });
    read.collect()
}

/// A channel that is to be made.
pub(crate) struct LinkSpec<'a> {
    pub(crate) opener: Uuid,
    pub(crate) listener: Uuid,
    /// Where the opener finds the listener.
    pub(crate) listener_address: &'a Address,
    /// Where the listener expects the opener.
    pub(crate) opener_address: &'a Address,
    /// What the listener may do on the opener, and the opener on the listener.
    pub(crate) privileges: (Privileges, Privileges),
    pub(crate) deadline: Timestamp,
    pub(crate) at: Timestamp,
}

/// What one end gets.
struct EndKeys {
    /// Keys to put, in order.
    keys: Vec<(KeyId, Secret)>,
    local: KeyId,
    peer: Option<KeyId>,
}

struct Maker<'a> {
    ours: &'a OwnerKeys,
    validity: Validity,
    dice: &'a mut Dice,
}

impl Maker<'_> {
    /// A key of `class` for the key store of `holder`, signed as `holder` knows us.
    fn issue(
        &mut self,
        holder: &OwnedDevice,
        class: Class,
        definition: &KeyDefinition,
        about: Uuid,
    ) -> Result<(KeyId, Secret), NotPlanned> {
        let provider = &*self.ours.provider;
        let signer = signer_for(self.ours, holder);
        let metadata = Metadata::of_device(about);
        let key =
            AuthenticatedKey::issue(provider, class, definition, metadata, &signer, self.validity, self.dice);
        key.map(|key| (key.id(), Secret::from(key.encoded()))).map_err(|_| NotPlanned::Signing)
    }

    /// Both ends use what they were born with: each is given the other's public key.
    fn device_keys(&mut self, ends: [(Uuid, &OwnedDevice); 2]) -> Result<[EndKeys; 2], NotPlanned> {
        let [one, other] = ends;
        Ok([self.peer_key(one, other)?, self.peer_key(other, one)?])
    }

    fn peer_key(
        &mut self,
        (own, holder): (Uuid, &OwnedDevice),
        (peer, of): (Uuid, &OwnedDevice),
    ) -> Result<EndKeys, NotPlanned> {
        let definition = KeyDefinition::public(KeyId::from(peer), of.public_key()?);
        let key = self.issue(holder, Class::Device, &definition, peer)?;
        Ok(EndKeys { keys: vec![key], local: KeyId::from(own), peer: Some(KeyId::from(peer)) })
    }

    /// One end is given a key of the other's kind, private part and all; the other its public part.
    /// Source: aSSURE 13.3.1, 13.3.2 with ruling A-ASSURE-78.
    fn issued(
        &mut self,
        getter: (Uuid, &OwnedDevice),
        other: (Uuid, &OwnedDevice),
        private: &dyn crypto::PrivateKey,
    ) -> Result<(EndKeys, EndKeys), NotPlanned> {
        let id = KeyId(Uuid::v4(self.dice.bytes()).0);
        let whole = KeyDefinition::private(id, private).map_err(|_| NotPlanned::Signing)?;
        let public = KeyDefinition::public(id, private.public().clone());
        let own = self.issue(getter.1, Class::Device, &whole, getter.0)?;
        let mut getters = self.peer_key(getter, other)?;
        getters.keys.insert(0, own);
        getters.local = id;
        let shown = self.issue(other.1, Class::Device, &public, getter.0)?;
        let others = EndKeys { keys: vec![shown], local: KeyId::from(other.0), peer: Some(id) };
        Ok((getters, others))
    }

    /// A fresh secret for both. Each end is given only its own way to it: the other's would tell it a pad
    /// under that device's owner secret.
    /// Source: aSSURE 13.7, TS-C1, TS-M4.
    fn shared(&mut self, ends: [(Uuid, &OwnedDevice); 2]) -> Result<[EndKeys; 2], NotPlanned> {
        let secret = Secret::new(self.dice.bytes::<CHANNEL_KEY_LENGTH>().to_vec());
        let id = KeyId(Uuid::v4(self.dice.bytes()).0);
        let [one, other] = ends;
        Ok([self.shared_end(one, other.0, id, &secret)?, self.shared_end(other, one.0, id, &secret)?])
    }

    fn shared_end(
        &mut self,
        (own, holder): (Uuid, &OwnedDevice),
        peer: Uuid,
        id: KeyId,
        secret: &Secret,
    ) -> Result<EndKeys, NotPlanned> {
        let provider = &*self.ours.provider;
        let way = match holder.kind {
            KeyKind::SharedSecret => {
                let (reference, under) = (holder.owner_key, &holder.owner_secret);
                Derivation::from_secret(provider, reference, under, secret, self.dice)
            }
            KeyKind::Ec | KeyKind::Rsa => {
                let key = holder.public_key()?;
                Derivation::for_public_key(provider, KeyId::from(own), &key, secret, self.dice).ok()
            }
        };
        let derived = way.and_then(|way| DerivedKey::new(id, vec![way])).ok_or(NotPlanned::Signing)?;
        let key = self.issue(holder, Class::Channel, &KeyDefinition::Derived(derived), peer)?;
        Ok(EndKeys { keys: vec![key], local: id, peer: None })
    }

    /// The keys of (opener, listener). `spare_rsa` gives away its last key where one is to be issued.
    fn ends(
        &mut self,
        kind: LinkKind,
        ends: [(Uuid, &OwnedDevice); 2],
        spare_rsa: &mut Vec<Secret>,
    ) -> Result<[EndKeys; 2], NotPlanned> {
        let provider = self.ours.provider.clone();
        let (private, getter_kind) = match kind {
            LinkKind::Ec | LinkKind::Rsa => return self.device_keys(ends),
            LinkKind::SharedSecret => return self.shared(ends),
            LinkKind::IssuedEc => {
                (provider.generate_key(crypto::KeyKind::Ec(Curve::P256), self.dice), KeyKind::Rsa)
            }
            LinkKind::IssuedRsa => {
                let spare = spare_rsa.pop().ok_or(NotPlanned::NeedsRsaKey)?;
                (provider.import_key(spare.expose()), KeyKind::Ec)
            }
        };
        let private = private.map_err(|_: CryptoError| NotPlanned::Signing)?;
        let [opener, listener] = ends;
        if opener.1.kind == getter_kind {
            let (opener, listener) = self.issued(opener, listener, &*private)?;
            Ok([opener, listener])
        } else {
            let (listener, opener) = self.issued(listener, opener, &*private)?;
            Ok([opener, listener])
        }
    }
}

/// Makes the keys of a channel, queues the orders for both ends and stores both ends.
///
/// The opener's channel waits for the listener's: it is opened at once, and must find somebody there.
/// Source: aSSURE 8.4, 13; rulings A-ASSURE-78, A-ASSURE-80; TS-M4.
pub(crate) fn make(
    ours: &OwnerKeys,
    spec: &LinkSpec<'_>,
    records: &mut BTreeMap<Uuid, ManagedDevice>,
    spare_rsa: &mut Vec<Secret>,
    dice: &mut Dice,
    batch: &mut Batch,
) -> Result<LinkKind, NotPlanned> {
    let now = SimpleTime::from_timestamp(spec.at).ok_or(NotPlanned::NoClock)?;
    let in_use = |device: Uuid| {
        let owned = records.get(&device).and_then(ManagedDevice::in_use);
        owned.ok_or(NotPlanned::NotOurs(device))
    };
    let (opener, listener) = (in_use(spec.opener)?, in_use(spec.listener)?);
    let kind = kind_of(opener, listener);
    let mut maker = Maker { ours, validity: Validity::since(now), dice };
    let pair = [(spec.opener, opener), (spec.listener, listener)];
    let [opener, listener] = maker.ends(kind, pair, spare_rsa)?;
    let listens = install(spec, spec.listener, &listener, None, kind, records, batch)?;
    install(spec, spec.opener, &opener, Some(listens), kind, records, batch)?;
    Ok(kind)
}

/// Queues the orders for one end; `listener` is the listener's channel, which the opener's waits for.
fn install(
    spec: &LinkSpec<'_>,
    device: Uuid,
    end: &EndKeys,
    listener: Option<Placed>,
    kind: LinkKind,
    records: &mut BTreeMap<Uuid, ManagedDevice>,
    batch: &mut Batch,
) -> Result<Placed, NotPlanned> {
    let opens = listener.is_some();
    let (peer, address, privileges) = if opens {
        (spec.listener, spec.listener_address, spec.privileges.0)
    } else {
        (spec.opener, spec.opener_address, spec.privileges.1)
    };
    let record = records.get_mut(&device).ok_or(NotPlanned::NotOurs(device))?;
    if record.link_count >= LINKS_MAX {
        return Err(NotPlanned::OutOfChannels(device));
    }
    record.link_count += 1;
    let number = record.next_channel;
    let id = ChannelId::explicit(number.into()).ok_or(NotPlanned::OutOfChannels(device))?;
    record.next_channel = number.checked_add(1).ok_or(NotPlanned::OutOfChannels(device))?;
    let order = |command, after| NewOrder { device, command, deadline: spec.deadline, after };
    let mut before = listener;
    for (key_id, key) in &end.keys {
        let command = Command::PutKey { id: *key_id, key: key.clone() };
        before = Some(place(record, order(command, before), spec.at, batch));
    }
    let definition = ChannelDefinition {
        local_key: end.local,
        peer_key: end.peer,
        persistent_across_reboots: true,
        open_immediately: opens,
        privileges,
        further_flags: Vec::new(),
        address: address.clone(),
    };
    let placed = place(record, order(Command::PutChannel { id, definition }, before), spec.at, batch);
    let link = StoredLink {
        kind,
        opens,
        channel: number,
        keys: end.keys.iter().map(|(id, _)| id.0.to_vec()).collect(),
        privileges: (privileges.channel_management, privileges.system_management, privileges.key_management),
        order: placed.number,
    };
    batch.put(link_key(device, peer), ledger::to_bytes(&link));
    Ok(placed)
}

/// Takes the channels of `device` away from its peers: each loses the channel and the keys it was given for
/// it. Peers that are not in use any more keep their orders unplaced; their keys are dead with them.
/// Source: TS-M12, ruling A-ASSURE-103.
pub(crate) fn unlink(
    device: Uuid,
    peers: &[(Uuid, StoredLink)],
    deadline: Timestamp,
    at: Timestamp,
    records: &mut BTreeMap<Uuid, ManagedDevice>,
    batch: &mut Batch,
) {
    for (peer, link) in peers {
        batch.delete(link_key(device, *peer));
        batch.delete(link_key(*peer, device));
        let Some(record) = records.get_mut(peer) else { continue };
        record.link_count = record.link_count.saturating_sub(1);
        if record.in_use().is_none() {
            continue;
        }
        let Some(id) = ChannelId::new(link.channel.into()) else { continue };
        let order = |command, after| NewOrder { device: *peer, command, deadline, after };
        let closed = place(record, order(Command::DeleteChannel { id }, None), at, batch);
        for key in &link.keys {
            let Ok(key) = <[u8; 16]>::try_from(key.as_slice()) else { continue };
            place(record, order(Command::DeleteKey { id: KeyId(key) }, Some(closed)), at, batch);
        }
    }
}
