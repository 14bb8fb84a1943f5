//! Who the identity server deals with: stations of makers, and the two online servers.

use std::sync::Arc;

use assure_proto::{AuthenticatedKey, Class, EnrolRequest, GapContent, GapRole, KeyDefinition, Metadata};
use clock::{Dice, Now};
use crypto::{KeyKind, PublicKey};
use minicbor::{Decode, Encode};
use model::{KeyId, Uuid};
use store::{Batch, Decision, Key, Operation, Range, ReadSet, Snapshot};

use super::keys::IdentityKeys;
use crate::gap::{self, NotSent, Sending};
use crate::registration::DeviceKind;
use crate::spaces::{SELF, STATION};
use crate::stored::{self, BadRecord};
use crate::{GapPartner, Origin, origin};

/// A maker's station, whose signature stands for what it saw on the line.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Station {
    /// The maker it belongs to.
    #[cbor(n(0), with = "stored::id16")]
    pub maker: Uuid,
    /// Its P-256 key.
    #[cbor(n(1), with = "stored::public_key")]
    pub key: PublicKey,
}

pub(crate) fn station_key(id: KeyId) -> Key {
    Key::new(STATION, id.0)
}

pub(crate) fn station(snapshot: &Snapshot, id: KeyId) -> Result<Option<Station>, BadRecord> {
    stored::record(snapshot, &station_key(id))
}

/// Lists a station.
/// Source: decision G 21.
#[derive(Clone, Debug)]
pub struct AddStation {
    /// The id of its key.
    pub id: KeyId,
    /// The station.
    pub station: Station,
    /// Where it came from.
    pub origin: Origin,
}

impl Operation for AddStation {
    /// Whether it is listed now; false when another station has this id.
    type Reply = Result<bool, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([station_key(self.id)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = station(snapshot, self.id).map(|found| match found {
            Some(found) => found == self.station,
            None => {
                batch.put(station_key(self.id), stored::to_bytes(&self.station));
                if let Some(at) = origin::utc(now) {
                    self.origin.audit(&mut batch, "identity.station", None, "done", at);
                }
                true
            }
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}

/// Stations per page of [`ReadStations`].
const STATION_PAGE: usize = 256;

/// Reads the stations that are listed, in the order of their key ids, one page of at most 256.
#[derive(Clone, Copy, Debug)]
pub struct ReadStations {
    /// Continues behind this one.
    pub after: Option<KeyId>,
}

impl ReadStations {
    fn range(&self) -> Range {
        let after = self.after.map(|id| id.0.to_vec());
        Range { space: STATION, prefix: Vec::new(), after, limit: STATION_PAGE }
    }
}

impl Operation for ReadStations {
    type Reply = Result<Vec<(KeyId, Station)>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(self.range())
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let records = &snapshot.page(&self.range()).records;
        let read = |key: &Key, value: &[u8]| {
            let id = key.name.as_slice().try_into().map_err(|_| BadRecord)?;
            Ok((KeyId(id), stored::from_bytes(value)?))
        };
        let reply = records.iter().map(|(key, record)| read(key, &record.value)).collect();
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

/// The online servers, once they are enrolled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GapPartners {
    /// The registration server.
    pub registration: Option<GapPartner>,
    /// The bootstrap server.
    pub bootstrap: Option<GapPartner>,
}

fn partner_key(role: GapRole) -> Key {
    let name: &[u8] = match role {
        GapRole::Gateway => b"partner/gateway",
        GapRole::Registration => b"partner/registration",
        GapRole::Bootstrap => b"partner/bootstrap",
    };
    Key::new(SELF, name)
}

/// Reads who is enrolled.
#[derive(Clone, Copy, Debug)]
pub struct ReadPartners;

impl Operation for ReadPartners {
    type Reply = Result<GapPartners, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([GapRole::Registration, GapRole::Bootstrap].map(partner_key))
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let read = |role| stored::record(snapshot, &partner_key(role));
        let reply = read(GapRole::Registration)
            .and_then(|registration| Ok(GapPartners { registration, bootstrap: read(GapRole::Bootstrap)? }));
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

/// Enrols an online server: signs its class 1 keys with the roots and answers with a file of kind 6, which
/// the EC root signs because the server knows no other key of ours yet.
///
/// The operator has compared the fingerprint of the request.
/// Source: decisions G 23 and H7.
#[derive(Clone, Debug)]
pub struct EnrolServer {
    /// The server's id across the gap.
    pub id: Uuid,
    /// What it asked for.
    pub request: EnrolRequest,
    /// Our keys.
    pub keys: Arc<IdentityKeys>,
    /// Where it came from.
    pub origin: Origin,
}

/// What became of [`EnrolServer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enrolled {
    /// The answer is in the outbox.
    Answered,
    /// Another server has this role.
    RoleTaken,
    /// It asks for keys that its role does not get, or of a kind that is not issued.
    Refused,
}

impl EnrolServer {
    fn partner(&self) -> Option<GapPartner> {
        let key = self.request.gap_key.public_key()?.clone();
        Some(GapPartner { id: self.id, key_id: self.request.gap_key.id(), key })
    }

    fn enrol(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<Enrolled, NotSent> {
        let role = self.request.role;
        let (Some(partner), Some(at)) = (self.partner(), origin::utc(now)) else {
            return Ok(Enrolled::Refused);
        };
        let Some(validity) = crate::registration::signed_at(at) else { return Ok(Enrolled::Refused) };
        let known: Option<GapPartner> = stored::record(snapshot, &partner_key(role))?;
        if known.is_some_and(|known| known != partner) {
            return Ok(Enrolled::RoleTaken);
        }
        let mut dice = Dice::new(self.origin.seed);
        let mut signed = Vec::new();
        for (class, definition) in &self.request.keys {
            let generation = self.keys.generation;
            let entitled = self.request.role == GapRole::Registration;
            let key = sign_class_1(&self.keys, generation, *class, definition, validity, &mut dice);
            let Some(key) = key.filter(|_| entitled) else {
                return Ok(Enrolled::Refused);
            };
            signed.push(key);
        }
        let gap_key = KeyDefinition::public(self.keys.gap.key_id, self.keys.gap.key.public().clone());
        let content = GapContent::EnrolAnswer { gap_key, keys: signed, generation: self.keys.generation };
        let provider = &*self.keys.provider;
        let sending = Sending { provider, me: &self.keys.gap, partner: &partner, validity };
        gap::send(&sending, &self.keys.ec_root.signer(), &content, snapshot, batch, &mut dice)?;
        batch.put(partner_key(role), stored::to_bytes(&partner));
        self.origin.audit(batch, "identity.enrol", None, "done", at);
        Ok(Enrolled::Answered)
    }
}

/// Signs an online key of class 1 with the root of its kind; only the registration server gets any.
pub(super) fn sign_class_1(
    keys: &IdentityKeys,
    generation: u32,
    class: Class,
    definition: &KeyDefinition,
    validity: assure_proto::Validity,
    dice: &mut Dice,
) -> Option<AuthenticatedKey> {
    if class != Class::TrustedAuthority {
        return None;
    }
    let kind = match definition.public_key()?.kind() {
        KeyKind::Ec(_) => DeviceKind::Ec,
        KeyKind::Rsa { .. } => DeviceKind::Rsa,
    };
    let metadata = Metadata::of_generation(generation);
    let (provider, signer) = (&*keys.provider, keys.root(kind).signer());
    AuthenticatedKey::issue(provider, class, definition, metadata, &signer, validity, dice).ok()
}

impl Operation for EnrolServer {
    type Reply = Result<Enrolled, NotSent>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([partner_key(self.request.role), gap::sent_key(self.id)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = self.enrol(snapshot, now, &mut batch);
        if reply != Ok(Enrolled::Answered) {
            batch = Batch::default();
        }
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}
