//! Handshakes and records of DTLS: who takes part, and what they answer.

pub(super) mod handshakes;
pub(super) mod load;
pub(super) mod memory;
mod openssl;
pub(super) mod record_echo;
pub(super) mod server;

use std::sync::Arc;

use clock::Dice;
use crypto::{Curve, Group, KeyKind, PrivateKey, Provider, Secret};
use crypto_server::Server;
use dtls_proto::{
    Alert, Answer, CertificateType, CipherSuite, ClientAuthentication, ClientSetup, Credential, HelloChoice,
    Question,
};

use super::child::internal;
use crate::failure::Outcome;

/// The one identity of clients with a shared secret.
const IDENTITY: &[u8] = b"bench";
/// Its secret; the peer of another library is told the same one.
const SECRET: [u8; 16] = [7; 16];
/// The groups of ephemeral exchanges.
const GROUPS: [Group; 1] = [Group::Nist(Curve::P256)];

/// With what both ends prove themselves, and the suite they use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// A shared secret, records by AES-128-CCM with a tag of 8 bytes.
    PskCcm8,
    /// A shared secret, records by AES-128-GCM.
    PskGcm,
    /// Raw keys on P-256 at both ends, with an exchange on P-256.
    P256,
    /// Raw RSA keys of 2048 bits at both ends, with an exchange on P-256.
    Rsa2048,
}

impl Proof {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::PskCcm8 => "PSK-CCM_8",
            Self::PskGcm => "PSK-GCM",
            Self::P256 => "P-256 raw keys",
            Self::Rsa2048 => "RSA-2048 raw keys",
        }
    }

    const fn suite(self) -> CipherSuite {
        match self {
            Self::PskCcm8 => CipherSuite::PskAes128Ccm8,
            Self::PskGcm => CipherSuite::PskAes128GcmSha256,
            Self::P256 => CipherSuite::EcdheEcdsaAes128Ccm8,
            Self::Rsa2048 => CipherSuite::EcdheRsaAes128GcmSha256,
        }
    }

    const fn key_kind(self) -> Option<KeyKind> {
        match self {
            Self::PskCcm8 | Self::PskGcm => None,
            Self::P256 => Some(KeyKind::Ec(Curve::P256)),
            Self::Rsa2048 => Some(KeyKind::Rsa { modulus_bits: 2048 }),
        }
    }
}

/// One end of many handshakes.
pub(super) struct Party {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) dice: Dice,
    proof: Proof,
    key: Option<Arc<dyn PrivateKey>>,
}

impl Party {
    /// A party with a key of its own, when the proof is one by keys.
    pub(super) fn new(proof: Proof, dice: Dice) -> Outcome<Self> {
        let provider: Arc<dyn Provider> = Arc::new(Server::new());
        let mut dice = dice;
        let key = proof.key_kind().map(|kind| provider.generate_key(kind, &mut dice)).transpose();
        let key = key.map_err(|error| internal("a key of the benchmark", error))?;
        Ok(Self { provider, dice, proof, key })
    }

    pub(super) fn key(&self) -> Option<&Arc<dyn PrivateKey>> {
        self.key.as_ref()
    }

    /// What a client brings to its next handshake.
    pub(super) fn client_setup(&mut self) -> ClientSetup {
        let (provider, dice) = (self.provider.clone(), self.dice.split());
        let setup = match self.key.clone() {
            Some(key) => {
                ClientSetup::keyed(provider, dice, &[self.proof.suite()], Some(Credential::raw(key)))
            }
            None => ClientSetup { suites: vec![self.proof.suite()], ..ClientSetup::psk(provider, dice) },
        };
        ClientSetup { groups: GROUPS.to_vec(), ..setup }
    }

    /// Answers what either end is asked. Keys are taken as they come: whose they are is the domain's part.
    pub(super) fn answer(&mut self, question: &Question) -> Answer {
        match question {
            Question::Hello(_) => Answer::Hello(self.choice()),
            Question::PskIdentity { identity, .. } if identity == IDENTITY => {
                Answer::PskKey { key: Secret::from(&SECRET[..]), ticket_state: None }
            }
            Question::PskIdentity { .. } => Answer::Refuse(Alert::UnknownPskIdentity),
            Question::ServerNamed { .. } => {
                Answer::PskCredential { identity: IDENTITY.to_vec(), key: Secret::from(&SECRET[..]) }
            }
            Question::PeerKey { .. } => Answer::AcceptKey { ticket_state: None },
            Question::Ticket { .. } => Answer::FullHandshake,
        }
    }

    fn choice(&mut self) -> HelloChoice {
        HelloChoice {
            name: None,
            suites: vec![self.proof.suite()],
            groups: GROUPS.to_vec(),
            hint: None,
            credentials: self.key.clone().map(Credential::raw).into_iter().collect(),
            client_authentication: match self.key {
                Some(_) => ClientAuthentication::Required(vec![CertificateType::RawPublicKey]),
                None => ClientAuthentication::None,
            },
            connection_id: None,
        }
    }
}
