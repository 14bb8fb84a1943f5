//! A management system that knows some devices.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use assure_proto::PskHint;
use clock::Dice;
use coap_front::channels::{ChannelCommand, ChannelEvent, ChannelFace, ChannelSetup, Receipt};
use coap_front::{Admission, AdmissionKey, Claim, Credential, EntranceLimits};
use crypto::Secret;
use model::{KeyId, Uuid};

use crate::client::{Client, ClientKey};
use crate::domain::{Mood, class_3_keys};
use crate::world::{Owner, World, key, provider, start};

/// The id of the management system's own key, which is its name.
pub(crate) const SYSTEM: KeyId = KeyId([0x5e; 16]);

#[derive(Default)]
pub(crate) struct System {
    pub(crate) devices: BTreeMap<Uuid, Admission>,
    pub(crate) look_ups: Mood,
    pub(crate) reports: Mood,
    pub(crate) notices: Mood,
    /// Devices whose reports are not ours to hear.
    pub(crate) given_away: BTreeSet<Uuid>,
}

impl System {
    fn find(&self, claim: &Claim) -> Option<&Admission> {
        self.devices.values().find(|admission| match (claim, &admission.key) {
            (Claim::Device(device), _) => *device == admission.device,
            (Claim::Secret(named), AdmissionKey::Secret { id, .. }) => named == id,
            (Claim::PublicKey(shown), AdmissionKey::PublicKey { theirs, .. }) => shown == theirs,
            _ => false,
        })
    }
}

impl Owner<ChannelFace> for System {
    fn hear(&mut self, event: &ChannelEvent) -> Option<Vec<ChannelCommand>> {
        match event {
            ChannelEvent::WhoIs { association, claim } => {
                let association = *association;
                let command = match (self.look_ups, self.find(claim)) {
                    (Mood::Full, _) => return None,
                    (Mood::Silent, _) => return Some(Vec::new()),
                    (Mood::Unable, _) => ChannelCommand::CouldNotLookUp { association },
                    (Mood::Answers, Some(admission)) => {
                        ChannelCommand::Known { association, admission: Box::new(admission.clone()) }
                    }
                    (Mood::Answers, None) => ChannelCommand::Unknown { association },
                };
                Some(vec![command])
            }
            ChannelEvent::Presence { exchange, device, .. }
            | ChannelEvent::Goodbye { exchange, device, .. } => {
                let receipt = match self.reports {
                    Mood::Full => return None,
                    Mood::Silent => return Some(Vec::new()),
                    Mood::Unable => Receipt::Unable,
                    Mood::Answers if self.given_away.contains(device) => Receipt::NotOurs,
                    Mood::Answers => Receipt::Stored,
                };
                Some(vec![ChannelCommand::Received { exchange: *exchange, receipt }])
            }
            ChannelEvent::Online { .. } | ChannelEvent::Offline { .. } | ChannelEvent::OrderDone { .. } => {
                (self.notices != Mood::Full).then(Vec::new)
            }
        }
    }
}

/// A device with what the system knows of it.
pub(crate) struct Managed {
    pub(crate) uuid: Uuid,
    pub(crate) key: ClientKey,
    pub(crate) admission: Admission,
}

/// A device on a channel with a shared secret.
pub(crate) fn linked(number: u8) -> Managed {
    let (uuid, id) = (Uuid::v4([number; 16]), KeyId([number | 0x80; 16]));
    let secret = Secret::new(vec![number; 32]);
    let key = AdmissionKey::Secret { id, secret: secret.clone(), hint: PskHint::KeyId(id) };
    let admission = Admission { device: uuid, key, own_name: SYSTEM.0, owner_sequence: Some(1) };
    Managed { uuid, key: ClientKey::Shared(id, secret), admission }
}

/// A device on a channel with keys of `kind`.
pub(crate) fn keyed(number: u8, kind: crypto::KeyKind) -> Managed {
    let uuid = Uuid::v4([number; 16]);
    let own = key(kind, u64::from(number));
    let (_, ec, rsa) = class_3_keys();
    let ours = match kind {
        crypto::KeyKind::Ec(_) => ec,
        crypto::KeyKind::Rsa { .. } => rsa,
    };
    let theirs = own.public().clone();
    let key = AdmissionKey::PublicKey { id: uuid.into(), theirs, ours: Credential::raw(ours) };
    let admission = Admission { device: uuid, key, own_name: SYSTEM.0, owner_sequence: Some(1) };
    Managed { uuid, key: ClientKey::Private(own), admission }
}

pub(crate) type ChannelWorld = World<ChannelFace, System>;

pub(crate) fn face(limits: EntranceLimits) -> ChannelFace {
    let (_, ec, rsa) = class_3_keys();
    let setup = ChannelSetup {
        provider: provider(),
        dice: Dice::numbered(78),
        own: vec![Credential::raw(ec), Credential::raw(rsa)],
        limits,
        ticket_key_duration: Some(Duration::from_secs(3600)),
    };
    ChannelFace::new(setup, start())
}

pub(crate) fn world(devices: &[&Managed]) -> ChannelWorld {
    let devices = devices.iter().map(|managed| (managed.uuid, managed.admission.clone())).collect();
    World::new(face(ChannelSetup::LIMITS), System { devices, ..System::default() })
}

pub(crate) fn client(number: u8, managed: &Managed) -> Client {
    Client::new(number, Some(managed.uuid), managed.key.clone())
}
