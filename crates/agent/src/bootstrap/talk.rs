//! One session with a bootstrap server, used for one request and never resumed.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use assure_proto::{DerivationCache, KeyDefinition, PskHint, RoundBudget, derive_chain, encode_psk_identity};
use clock::{Moment, Now};
use coap_proto::{Code, ContentFormat, Request, RequestId};
use coaps::{AssociationId, ConnectError};
use dtls_proto::{Alert, Answer, ClientSetup, Credential, PeerKey, PeerName, Question};

use super::{BootstrapFailure, Proof};
use crate::keyring::signed_suites;
use crate::means::Means;

pub(crate) struct Talk {
    pub(super) association: AssociationId,
    pub(super) until: Moment,
    pub(super) request: Option<RequestId>,
    /// Why we ended the handshake, when we did.
    pub(super) cause: Option<BootstrapFailure>,
    server_name: Option<PeerName>,
    proof: Option<Proof>,
}

impl Talk {
    /// Calls the server with the device's own key; a device with a shared secret offers nothing but suites
    /// with such, another nothing but suites of its own kind of key.
    /// Source: TS-C1, TS-L8.
    pub(super) fn begin(
        address: SocketAddr,
        until: Moment,
        means: &mut Means,
        now: Now,
    ) -> Result<Self, ConnectError> {
        let provider = Arc::clone(&means.provider);
        let dice = means.dice.split();
        let setup = match means.own.private() {
            None => ClientSetup::psk(provider, dice),
            Some(own) => {
                let suites = signed_suites(own.public().kind());
                ClientSetup::keyed(provider, dice, suites, Some(Credential::raw(Arc::clone(own))))
            }
        };
        let setup = ClientSetup { name: Some(means.own.uuid().0), ..setup };
        let association = means.lines.connect(address, setup, now)?;
        Ok(Self { association, until, request: None, cause: None, server_name: None, proof: None })
    }

    /// Any name, but a name; any key, but remembered: the image must confirm both.
    pub(super) fn decide(
        &mut self,
        question: Question,
        cache: &mut DerivationCache,
        means: &Means,
    ) -> Answer {
        match question {
            Question::ServerNamed { peer_name: Some(name), hint } => {
                self.server_name = Some(name);
                self.follow_hint(hint.as_deref().unwrap_or_default(), cache, means)
            }
            Question::PeerKey { key: PeerKey::Raw(key), peer_name: Some(name) } => {
                self.server_name = Some(name);
                self.proof = Some(Proof::PublicKey(key.spki().to_vec()));
                Answer::AcceptKey { ticket_state: None }
            }
            Question::ServerNamed { peer_name: None, .. } | Question::PeerKey { peer_name: None, .. } => {
                self.cause = Some(BootstrapFailure::NoName);
                Answer::Refuse(Alert::AccessDenied)
            }
            Question::PeerKey { key: PeerKey::Chain(_), .. } => Answer::Refuse(Alert::UnsupportedCertificate),
            // asked of servers only
            Question::Ticket { .. } | Question::Hello(_) | Question::PskIdentity { .. } => {
                Answer::Refuse(Alert::InternalError)
            }
        }
    }

    /// Derives the pre-shared key from the hinted chain, which must rest on the device's own key.
    ///
    /// Source: aSSURE 15.3; TS-C1, TS-M3.
    fn follow_hint(&mut self, hint: &[u8], cache: &mut DerivationCache, means: &Means) -> Answer {
        let definitions = match PskHint::decode(hint) {
            Ok(PskHint::Definitions(definitions)) => definitions,
            Ok(PskHint::KeyId(_)) | Err(_) => return self.refuse_hint(),
        };
        let chain: Vec<KeyDefinition> = definitions.into_iter().map(KeyDefinition::Derived).collect();
        let Some(last) = chain.last().map(KeyDefinition::id) else { return self.refuse_hint() };
        let own = &means.own;
        let mut budget = RoundBudget::handshake();
        let derived = derive_chain(&*means.provider, own, own.key_id(), &chain, &mut budget, cache);
        let Ok(key) = derived else { return self.refuse_hint() };
        self.proof = Some(Proof::Hint(chain.iter().map(KeyDefinition::encode).collect()));
        Answer::PskCredential { identity: encode_psk_identity(&last).into_bytes(), key }
    }

    fn refuse_hint(&mut self) -> Answer {
        self.cause = Some(BootstrapFailure::BadHint);
        Answer::Refuse(Alert::UnknownPskIdentity)
    }

    /// Sends the one request. Source: aSSURE 9.4.1, ruling A-ASSURE-57.
    pub(super) fn ask(&mut self, means: &mut Means, now: Now) {
        let path = format!("v1/devices/{}/bootstrap", means.own.uuid());
        let request = Request::new(Code::GET, &path).accepting(ContentFormat::CBOR);
        match means.lines.request(self.association, request, now) {
            Ok(request) => self.request = Some(request),
            Err(_) => means.lines.close(self.association, now),
        }
    }

    /// What the server proved, and its name.
    pub(super) fn into_proof(self) -> Option<(Proof, PeerName)> {
        self.proof.zip(self.server_name)
    }
}
