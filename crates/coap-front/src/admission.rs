//! What the domain says about a peer that knocks.

use assure_proto::{PskHint, decode_psk_identity};
use crypto::KeyKind;
use crypto::{PublicKey, Secret};
use dtls_proto::{
    Answer, CertificateType, CipherSuite, ClientAuthentication, Credential, DEFAULT_GROUPS, HelloChoice,
    PeerName, PeerProof,
};
use model::{KeyId, Uuid};

use crate::ticket_state::TicketState;

/// Suites with a shared secret, best first: with an ephemeral exchange where the device can.
/// Source: ruling A-ASSURE-55.
pub(crate) const SECRET_SUITES: [CipherSuite; 5] = [
    CipherSuite::EcdhePskAes128GcmSha256,
    CipherSuite::EcdhePskAes128Ccm8Sha256,
    CipherSuite::PskAes128GcmSha256,
    CipherSuite::PskAes256GcmSha384,
    CipherSuite::PskAes128Ccm8,
];
const EC_SUITES: [CipherSuite; 3] = [
    CipherSuite::EcdheEcdsaAes128GcmSha256,
    CipherSuite::EcdheEcdsaAes256GcmSha384,
    CipherSuite::EcdheEcdsaAes128Ccm8,
];
const RSA_SUITES: [CipherSuite; 2] =
    [CipherSuite::EcdheRsaAes128GcmSha256, CipherSuite::EcdheRsaAes256GcmSha384];

/// What a peer in a handshake says of itself; nothing of it is proven when the owner is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It names itself.
    Device(Uuid),
    /// It gives no name, and says that it holds the secret of this key.
    Secret(KeyId),
    /// It gives no name, and shows this key.
    PublicKey(PublicKey),
}

/// A device that may come in, if it proves what stands here.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The device.
    pub device: Uuid,
    /// How both sides prove themselves.
    pub key: AdmissionKey,
    /// Our name, shown to a device that shows its own.
    /// Source: decision M4.
    pub own_name: PeerName,
    /// The owner sequence number to which tickets for later sessions are bound; `None` gives no tickets.
    /// Source: decision M5.
    pub owner_sequence: Option<u32>,
}

/// How a device and we prove ourselves to each other.
#[derive(Clone, Debug)]
pub enum AdmissionKey {
    /// Both hold a secret.
    Secret {
        /// The id of its key; the device's identity names it.
        id: KeyId,
        /// The secret.
        secret: Secret,
        /// What a device that names itself is told about the key.
        hint: PskHint,
    },
    /// Each holds a private key, and shows the public half raw.
    PublicKey {
        /// The id of the device's key.
        id: KeyId,
        /// The device's key.
        theirs: PublicKey,
        /// Ours, of the same kind.
        ours: Credential,
    },
}

/// What a device proved, for records: a secret proves a link, a key an end.
/// Source: aSSURE 8.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proven {
    /// It holds the secret of this key.
    Link(KeyId),
    /// It holds the private half of this key.
    Key(PublicKey),
}

impl AdmissionKey {
    /// The id of the key.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        match self {
            Self::Secret { id, .. } | Self::PublicKey { id, .. } => *id,
        }
    }

    /// Whether a proof of the DTLS layer is a proof of this key.
    pub(crate) fn is_proven_by(&self, proof: &PeerProof) -> bool {
        match (self, proof) {
            (Self::Secret { id, .. }, PeerProof::Psk { identity, .. }) => {
                decode_psk_identity(identity).is_ok_and(|named| named == *id)
            }
            (Self::PublicKey { theirs, .. }, PeerProof::RawKey(shown)) => theirs == shown,
            (Self::Secret { .. }, PeerProof::Nothing | PeerProof::RawKey(_) | PeerProof::Chain(_))
            | (Self::PublicKey { .. }, PeerProof::Nothing | PeerProof::Psk { .. } | PeerProof::Chain(_)) => {
                false
            }
        }
    }

    pub(crate) fn proven(&self) -> Proven {
        match self {
            Self::Secret { id, .. } => Proven::Link(*id),
            Self::PublicKey { theirs, .. } => Proven::Key(theirs.clone()),
        }
    }
}

impl Admission {
    /// With what the handshake of a device goes on that named itself: only suites of its kind of key.
    ///
    /// `None` when the hint cannot be written.
    /// Source: aSSURE 8.3, 8.4; TS-L8.
    pub(crate) fn choice(&self, connection_id: Option<Vec<u8>>) -> Option<HelloChoice> {
        let name = Some(self.own_name);
        Some(match &self.key {
            AdmissionKey::Secret { hint, .. } => HelloChoice {
                name,
                suites: SECRET_SUITES.to_vec(),
                groups: DEFAULT_GROUPS.to_vec(),
                hint: Some(hint.encode().ok()?.into_bytes()),
                credentials: Vec::new(),
                client_authentication: ClientAuthentication::None,
                connection_id,
            },
            AdmissionKey::PublicKey { ours, .. } => HelloChoice {
                name,
                suites: suites_of(ours),
                groups: DEFAULT_GROUPS.to_vec(),
                hint: None,
                credentials: vec![ours.clone()],
                client_authentication: raw_key_required(),
                connection_id,
            },
        })
    }

    fn ticket_state(&self) -> Option<Vec<u8>> {
        let sequence_number = self.owner_sequence?;
        Some(TicketState { device: self.device, key: self.key.id(), sequence_number }.to_bytes())
    }

    /// The answer to a device that says it holds the secret of key `named`.
    pub(crate) fn answer_to_identity(&self, named: KeyId) -> Option<Answer> {
        match &self.key {
            AdmissionKey::Secret { id, secret, .. } if *id == named => {
                Some(Answer::PskKey { key: secret.clone(), ticket_state: self.ticket_state() })
            }
            AdmissionKey::Secret { .. } | AdmissionKey::PublicKey { .. } => None,
        }
    }

    /// The answer to a device that shows a key.
    pub(crate) fn answer_to_key(&self, shown: &PublicKey) -> Option<Answer> {
        match &self.key {
            AdmissionKey::PublicKey { theirs, .. } if theirs == shown => {
                Some(Answer::AcceptKey { ticket_state: self.ticket_state() })
            }
            AdmissionKey::PublicKey { .. } | AdmissionKey::Secret { .. } => None,
        }
    }

    /// Whether a ticket that was given under `state` is still good.
    pub(crate) fn still_stands(&self, state: &TicketState, proof: &PeerProof) -> bool {
        self.owner_sequence == Some(state.sequence_number)
            && self.key.id() == state.key
            && self.key.is_proven_by(proof)
    }
}

/// With what the handshake of a client goes on that gave no name: any kind of key, no hint.
/// Source: decision G 26.
pub(crate) fn nameless_choice(own: &[Credential], connection_id: Option<Vec<u8>>) -> HelloChoice {
    let keyed = own.iter().flat_map(suites_of);
    HelloChoice {
        name: None,
        suites: keyed.chain(SECRET_SUITES).collect(),
        groups: DEFAULT_GROUPS.to_vec(),
        hint: None,
        credentials: own.to_vec(),
        client_authentication: raw_key_required(),
        connection_id,
    }
}

fn suites_of(own: &Credential) -> Vec<CipherSuite> {
    match own.kind() {
        KeyKind::Ec(_) => EC_SUITES.to_vec(),
        KeyKind::Rsa { .. } => RSA_SUITES.to_vec(),
    }
}

fn raw_key_required() -> ClientAuthentication {
    ClientAuthentication::Required(vec![CertificateType::RawPublicKey])
}
