//! From our hello to the client's Finished.
//!
//! ```text
//! -> Certificate        (when requested)  ask PeerKey
//! -> ClientKeyExchange                    PSK: ask PskIdentity
//! -> CertificateVerify  (behind a Certificate)
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;

use crypto::{PublicKey, Secret};

use crate::alert::{Alert, Stop};
use crate::codec::key_exchange::ClientKeyExchange;
use crate::codec::{MessageType, certificate};
use crate::handshake::{Role, Step, check_psk, unexpected};
use crate::key_schedule::{Agreed, Sender, master_secret, psk_premaster};
use crate::reassembly::Message;
use crate::server::ServerState;
use crate::server::finish::{AwaitFinished, Issue};
use crate::server::ticket_keys::TicketReader;
use crate::{Answer, CertificateType, PeerKey, PeerProof, Question};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    AwaitCertificate(CertificateType),
    AskPeerKey,
    AwaitClientKeyExchange,
    AskPsk,
    AwaitCertificateVerify,
}

/// What has been settled since the hellos.
pub(crate) struct KeyExchange {
    stage: Stage,
    agreed: Agreed,
    hint: Option<Vec<u8>>,
    ephemeral: Option<Box<dyn crypto::KeyExchange>>,
    tickets: Option<TicketReader>,
    ticket_state: Option<Vec<u8>>,
    client_key: Option<(PublicKey, PeerKey)>,
    identity: Vec<u8>,
    exchanged: Option<Secret>,
    master: Option<Secret>,
}

impl KeyExchange {
    pub(crate) fn new(
        agreed: Agreed,
        hint: Option<Vec<u8>>,
        ephemeral: Option<Box<dyn crypto::KeyExchange>>,
        client_form: Option<CertificateType>,
        tickets: Option<TicketReader>,
    ) -> Self {
        Self {
            stage: client_form.map_or(Stage::AwaitClientKeyExchange, Stage::AwaitCertificate),
            agreed,
            hint,
            ephemeral,
            tickets,
            ticket_state: None,
            client_key: None,
            identity: Vec::new(),
            exchanged: None,
            master: None,
        }
    }

    pub(crate) const fn is_asking(&self) -> bool {
        matches!(self.stage, Stage::AskPeerKey | Stage::AskPsk)
    }

    pub(crate) const fn wants(&self, answer: &Answer) -> bool {
        matches!(
            (self.stage, answer),
            (Stage::AskPeerKey, Answer::AcceptKey { .. })
                | (Stage::AskPsk, Answer::PskKey { .. })
                | (Stage::AskPeerKey | Stage::AskPsk, Answer::Refuse(_))
        )
    }

    pub(crate) fn receive(mut self: Box<Self>, message: &Message, step: &mut Step<'_>) -> Result<Role, Stop> {
        match (self.stage, message.kind) {
            (Stage::AwaitCertificate(form), MessageType::Certificate) => {
                let (key, shown) = certificate::decode(&message.body, form)?
                    .ok_or(Stop::rule(Alert::HandshakeFailure, "RFC5246-7.4.6"))?;
                step.ask(Question::PeerKey { key: shown.clone(), peer_name: self.agreed.peer_name });
                self.client_key = Some((key, shown));
                self.stage = Stage::AskPeerKey;
            }
            (Stage::AwaitClientKeyExchange, MessageType::ClientKeyExchange) => {
                return self.on_client_key_exchange(&message.body, step);
            }
            (Stage::AwaitCertificateVerify, MessageType::CertificateVerify) => {
                let (key, _) = self.client_key.as_ref().ok_or(Stop::Fault)?;
                let signed = certificate::decode_verify(&message.body)?;
                step.verify(key, &signed, step.tools.transcript.messages())?;
                step.note(message)?;
                return self.conclude();
            }
            _ => return Err(unexpected()),
        }
        Ok(Role::Server(ServerState::KeyExchange(self)))
    }

    fn on_client_key_exchange(mut self: Box<Self>, body: &[u8], step: &mut Step<'_>) -> Result<Role, Stop> {
        let message = ClientKeyExchange::decode(body, self.agreed.suite.key_agreement())?;
        if let (Some(ours), Some(point)) = (self.ephemeral.take(), &message.point) {
            let wrong = Stop::rule(Alert::IllegalParameter, "RFC8422-5.11");
            self.exchanged = Some(ours.finish(point).map_err(|_| wrong)?);
        }
        if let Some(identity) = message.identity {
            self.identity = identity.clone();
            step.ask(Question::PskIdentity { identity, peer_name: self.agreed.peer_name });
            self.stage = Stage::AskPsk;
            return Ok(Role::Server(ServerState::KeyExchange(self)));
        }
        let premaster = self.exchanged.take().ok_or(Stop::Fault)?;
        self.derive(&premaster, step)?;
        if self.client_key.is_some() {
            self.stage = Stage::AwaitCertificateVerify;
            Ok(Role::Server(ServerState::KeyExchange(self)))
        } else {
            self.conclude()
        }
    }

    pub(crate) fn answer(mut self: Box<Self>, answer: Answer, step: &mut Step<'_>) -> Result<Role, Stop> {
        match answer {
            Answer::AcceptKey { ticket_state } => {
                self.ticket_state = ticket_state;
                self.stage = Stage::AwaitClientKeyExchange;
                step.tools.flight.resume_clock(step.now);
                Ok(Role::Server(ServerState::KeyExchange(self)))
            }
            Answer::PskKey { key, ticket_state } => {
                check_psk(&key)?;
                self.ticket_state = ticket_state;
                let premaster = psk_premaster(&key, self.exchanged.take().as_ref());
                self.derive(&premaster, step)?;
                step.tools.flight.resume_clock(step.now);
                self.conclude()
            }
            Answer::Refuse(alert) => Err(Stop::Refused(alert)),
            Answer::Hello(_)
            | Answer::Resume { .. }
            | Answer::FullHandshake
            | Answer::PskCredential { .. } => Err(Stop::Fault),
        }
    }

    fn derive(&mut self, premaster: &Secret, step: &mut Step<'_>) -> Result<(), Stop> {
        let master = master_secret(step.line.provider(), &self.agreed, premaster, &step.tools.transcript);
        step.install_keys(&self.agreed, &master, Sender::Server)?;
        self.master = Some(master);
        Ok(())
    }

    fn conclude(self: Box<Self>) -> Result<Role, Stop> {
        let Self { agreed, hint, tickets, ticket_state, client_key, identity, master, .. } = *self;
        let proof = match client_key {
            Some((_, PeerKey::Raw(key))) => PeerProof::RawKey(key),
            Some((_, PeerKey::Chain(chain))) => PeerProof::Chain(chain),
            None if agreed.suite.key_agreement().uses_psk() => PeerProof::Psk { identity, hint },
            None => PeerProof::Nothing,
        };
        let issue = tickets.map(|keys| Issue { keys, state: ticket_state });
        let master = master.ok_or(Stop::Fault)?;
        let state = AwaitFinished::full(agreed, master, proof, issue);
        Ok(Role::Server(ServerState::Finish(Box::new(state))))
    }
}
