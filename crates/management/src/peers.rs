//! Who a stranger at the management channel is, and how it has to prove that.

use crypto::{PublicKey, Secret};
use ledger::BadRecord;
use model::{KeyId, Uuid};
use store::{Batch, Decision, Key, Operation, ReadSet, Snapshot};

use crate::device::{KeyKind, ManagedDevice};
use crate::spaces::{DEVICE, by_channel_key, by_public_key, device_key, unversioned};

/// By what a device is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerSign {
    /// The name in its hello.
    Name(Uuid),
    /// The key id in its psk_identity.
    PskKey(KeyId),
    /// The SHA-256 of the public key it shows: see [`crate::key_digest`].
    PublicKey([u8; 32]),
}

/// Which of our keys proves us to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnProof {
    /// The class 2 EC key.
    Ec,
    /// The class 2 RSA key.
    Rsa,
}

/// How a device proves itself on its management channel, and how we do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelProof {
    /// Both ends know the secret `key`; the hint names it, the psk_identity must too.
    Psk {
        /// The id of the channel's key.
        key: KeyId,
        /// The secret.
        secret: Secret,
    },
    /// It holds the private half of `expected`, we that of `own`.
    PublicKey {
        /// The only key that the device may show.
        expected: PublicKey,
        /// Which of our keys it expects.
        own: OwnProof,
    },
}

/// What a handshake with a device needs; everything in it belongs to that one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelAccess {
    /// The device: the only name that its hello may carry.
    pub device: Uuid,
    /// The owner sequence number, which ends sessions and tickets with the ownership.
    pub seq: u32,
    /// How both ends prove themselves.
    pub proof: ChannelProof,
    /// The name that we show.
    pub own_name: KeyId,
}

impl ChannelAccess {
    /// Whether everything that a peer has named belongs to this device: its name, and the key it proved.
    ///
    /// Source: TS-M4, decision G 26 (a name may be absent).
    #[must_use]
    pub fn agrees(&self, name: Option<Uuid>, proven: &ProvenKey<'_>) -> bool {
        let named = name.is_none_or(|name| name == self.device);
        let key = match (&self.proof, proven) {
            (ChannelProof::Psk { key, .. }, ProvenKey::Psk(given)) => key == given,
            (ChannelProof::PublicKey { expected, .. }, ProvenKey::Public(given)) => expected == *given,
            (ChannelProof::Psk { .. }, ProvenKey::Public(_))
            | (ChannelProof::PublicKey { .. }, ProvenKey::Psk(_)) => false,
        };
        named && key
    }
}

/// The key that a peer has proven to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProvenKey<'a> {
    /// The secret of this id.
    Psk(KeyId),
    /// The private half of this key.
    Public(&'a PublicKey),
}

/// Looks a device up at the start of a handshake.
///
/// Source: TS-M4, decision G 26, ruling A-ASSURE-103.
#[derive(Clone, Copy, Debug)]
pub struct FindPeer {
    /// By what.
    pub sign: PeerSign,
}

impl FindPeer {
    fn index(&self) -> Option<Key> {
        match self.sign {
            PeerSign::Name(_) => None,
            PeerSign::PskKey(id) => Some(by_channel_key(id)),
            PeerSign::PublicKey(digest) => Some(by_public_key(digest)),
        }
    }

    fn device(&self, snapshot: &Snapshot) -> Result<Option<Uuid>, BadRecord> {
        match (self.sign, self.index()) {
            (PeerSign::Name(device), _) => Ok(Some(device)),
            (_, Some(index)) => match snapshot.value(&index) {
                Some(stored) => {
                    let bytes = unversioned(stored)?.try_into();
                    bytes.map(|bytes| Some(Uuid(bytes))).map_err(|_| BadRecord)
                }
                None => Ok(None),
            },
            (PeerSign::PskKey(_) | PeerSign::PublicKey(_), None) => Ok(None),
        }
    }
}

/// How `device` proves itself; `None` when it is not ours, or disabled.
fn access(device: Uuid, record: &ManagedDevice) -> Result<Option<ChannelAccess>, BadRecord> {
    let Some(owned) = record.in_use() else { return Ok(None) };
    let (proof, own_name) = match (owned.kind, &owned.channel) {
        (KeyKind::SharedSecret, Some(channel)) => {
            (ChannelProof::Psk { key: channel.id, secret: channel.secret.clone() }, channel.id)
        }
        (KeyKind::SharedSecret, None) => return Ok(None),
        (KeyKind::Ec, _) => {
            let expected = owned.public_key()?;
            (ChannelProof::PublicKey { expected, own: OwnProof::Ec }, owned.owner_key)
        }
        (KeyKind::Rsa, _) => {
            let expected = owned.public_key()?;
            (ChannelProof::PublicKey { expected, own: OwnProof::Rsa }, owned.owner_key)
        }
    };
    Ok(Some(ChannelAccess { device, seq: owned.seq, proof, own_name }))
}

impl Operation for FindPeer {
    /// `None`: unknown, not ours, replaced, released or transferred; all alike.
    type Reply = Result<Option<ChannelAccess>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        match (self.sign, self.index()) {
            (PeerSign::Name(device), _) => ReadSet::of([device_key(DEVICE, device)]),
            (_, index) => ReadSet::of(index),
        }
    }

    fn decide(&self, snapshot: &Snapshot, _: clock::Now) -> Decision<Self::Reply, ()> {
        let reply = match self.device(snapshot) {
            Ok(Some(device)) => {
                let key = device_key(DEVICE, device);
                if !snapshot.covers(&key) {
                    return Decision::Need(ReadSet::of([key]));
                }
                let record = ManagedDevice::read(snapshot, device);
                let found = record.and_then(|record| match record {
                    Some(record) => access(device, &record),
                    None => Ok(None),
                });
                // An index entry of an earlier ownership leads to a device that proves itself otherwise.
                found.map(|found| found.filter(|access| self.fits(access)))
            }
            Ok(None) => Ok(None),
            Err(bad) => Err(bad),
        };
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

impl FindPeer {
    fn fits(&self, access: &ChannelAccess) -> bool {
        match (self.sign, &access.proof) {
            (PeerSign::Name(_), _) | (PeerSign::PublicKey(_), ChannelProof::PublicKey { .. }) => true,
            (PeerSign::PskKey(id), ChannelProof::Psk { key, .. }) => id == *key,
            (PeerSign::PskKey(_), ChannelProof::PublicKey { .. })
            | (PeerSign::PublicKey(_), ChannelProof::Psk { .. }) => false,
        }
    }
}
