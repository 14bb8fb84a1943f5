//! From the server's hello to our Finished.
//!
//! ```text
//! <- Certificate        (signed suites)  ask PeerKey
//! <- ServerKeyExchange  (PSK: only with a hint)
//! <- CertificateRequest (signed suites, when the server wants to know us)
//! <- ServerHelloDone                     PSK: ask ServerNamed
//! -> Certificate, ClientKeyExchange, CertificateVerify, [CCS], Finished
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;

use crypto::{Group, KeyKind, PublicKey, Secret};

use crate::alert::{Alert, Stop};
use crate::client::ClientState;
use crate::client::finish::AwaitFinished;
use crate::codec::key_exchange::{ClientKeyExchange, ServerKeyExchange, Share, share_params};
use crate::codec::{MessageType, certificate};
use crate::handshake::{Role, Step, check_psk, unexpected};
use crate::key_schedule::{Agreed, Sender, master_secret, psk_premaster};
use crate::reassembly::Message;
use crate::suite::{group_from_code, scheme_for};
use crate::{
    Answer, CertificateType, Credential, IDENTITY_LENGTH_MAX, KeyAgreement, PeerKey, PeerProof, Question,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    AwaitCertificate,
    AskPeerKey,
    AwaitServerKeyExchange,
    AwaitServerHelloDone,
    AskPsk,
}

/// What has been settled since the hellos.
pub(crate) struct KeyExchange {
    stage: Stage,
    agreed: Agreed,
    server_form: CertificateType,
    credential: Option<Credential>,
    groups: Vec<Group>,
    ticket_follows: bool,
    server_key: Option<(PublicKey, PeerKey)>,
    from_server: ServerKeyExchange,
    /// Schemes of a CertificateRequest, when there was one.
    requested: Option<Vec<u16>>,
}

impl KeyExchange {
    pub(crate) fn new(
        agreed: Agreed,
        server_form: CertificateType,
        credential: Option<Credential>,
        groups: Vec<Group>,
        ticket_follows: bool,
    ) -> Self {
        let psk = agreed.suite.key_agreement().uses_psk();
        Self {
            stage: if psk { Stage::AwaitServerKeyExchange } else { Stage::AwaitCertificate },
            agreed,
            server_form,
            credential,
            groups,
            ticket_follows,
            server_key: None,
            from_server: ServerKeyExchange::default(),
            requested: None,
        }
    }

    pub(crate) const fn is_asking(&self) -> bool {
        matches!(self.stage, Stage::AskPeerKey | Stage::AskPsk)
    }

    pub(crate) const fn wants(&self, answer: &Answer) -> bool {
        matches!(
            (self.stage, answer),
            (Stage::AskPeerKey, Answer::AcceptKey { .. })
                | (Stage::AskPsk, Answer::PskCredential { .. })
                | (Stage::AskPeerKey | Stage::AskPsk, Answer::Refuse(_))
        )
    }

    pub(crate) fn receive(mut self: Box<Self>, message: &Message, step: &mut Step<'_>) -> Result<Role, Stop> {
        let agreement = self.agreed.suite.key_agreement();
        match (self.stage, message.kind) {
            (Stage::AwaitCertificate, MessageType::Certificate) => {
                self.on_certificate(&message.body, step)?;
            }
            (Stage::AwaitServerKeyExchange, MessageType::ServerKeyExchange) => {
                self.on_server_key_exchange(&message.body, step)?;
            }
            (Stage::AwaitServerHelloDone, MessageType::CertificateRequest)
                if !agreement.uses_psk() && self.requested.is_none() =>
            {
                self.requested = Some(certificate::decode_request(&message.body)?);
            }
            (Stage::AwaitServerKeyExchange, MessageType::ServerHelloDone)
                if agreement == KeyAgreement::Psk =>
            {
                return self.on_hello_done(&message.body, step);
            }
            (Stage::AwaitServerHelloDone, MessageType::ServerHelloDone) => {
                return self.on_hello_done(&message.body, step);
            }
            _ => return Err(unexpected()),
        }
        Ok(Role::Client(ClientState::KeyExchange(self)))
    }

    fn on_certificate(&mut self, body: &[u8], step: &mut Step<'_>) -> Result<(), Stop> {
        let (key, shown) = certificate::decode(body, self.server_form)?
            .ok_or(Stop::rule(Alert::DecodeError, "RFC5246-7.4.2"))?;
        let fits = matches!(
            (self.agreed.suite.key_agreement(), key.kind()),
            (KeyAgreement::EcdheEcdsa, KeyKind::Ec(_)) | (KeyAgreement::EcdheRsa, KeyKind::Rsa { .. })
        );
        if !fits {
            return Err(Stop::rule(Alert::UnsupportedCertificate, "RFC8422-5.3"));
        }
        if let KeyKind::Ec(curve) = key.kind()
            && !self.groups.contains(&Group::Nist(curve))
        {
            return Err(Stop::rule(Alert::UnsupportedCertificate, "RFC8422-5.1.1"));
        }
        step.ask(Question::PeerKey { key: shown.clone(), peer_name: self.agreed.peer_name });
        self.server_key = Some((key, shown));
        self.stage = Stage::AskPeerKey;
        Ok(())
    }

    fn on_server_key_exchange(&mut self, body: &[u8], step: &Step<'_>) -> Result<(), Stop> {
        let decoded = ServerKeyExchange::decode(body, self.agreed.suite.key_agreement())?;
        if let Some(share) = &decoded.share {
            let offered = group_from_code(share.group).is_some_and(|group| self.groups.contains(&group));
            if !offered {
                return Err(Stop::rule(Alert::IllegalParameter, "RFC8422-5.4"));
            }
        }
        if let (Some(signed), Some(share)) = (&decoded.signed, &decoded.share) {
            let (key, _) = self.server_key.as_ref().ok_or(Stop::Fault)?;
            step.verify(key, signed, &signed_bytes(&self.agreed, share)?)?;
        }
        self.from_server = decoded;
        self.stage = Stage::AwaitServerHelloDone;
        Ok(())
    }

    fn on_hello_done(mut self: Box<Self>, body: &[u8], step: &mut Step<'_>) -> Result<Role, Stop> {
        if !body.is_empty() {
            return Err(Stop::rule(Alert::DecodeError, "RFC5246-7.4.5"));
        }
        if !self.agreed.suite.key_agreement().uses_psk() {
            return self.conclude(None, step);
        }
        step.ask(Question::ServerNamed {
            peer_name: self.agreed.peer_name,
            hint: self.from_server.hint.clone(),
        });
        self.stage = Stage::AskPsk;
        Ok(Role::Client(ClientState::KeyExchange(self)))
    }

    pub(crate) fn answer(mut self: Box<Self>, answer: Answer, step: &mut Step<'_>) -> Result<Role, Stop> {
        match answer {
            Answer::AcceptKey { .. } => {
                self.stage = Stage::AwaitServerKeyExchange;
                step.tools.flight.resume_clock(step.now);
                Ok(Role::Client(ClientState::KeyExchange(self)))
            }
            Answer::PskCredential { identity, key } => {
                check_psk(&key)?;
                if identity.len() > IDENTITY_LENGTH_MAX {
                    return Err(Stop::Fault);
                }
                self.conclude(Some((identity, key)), step)
            }
            Answer::Refuse(alert) => Err(Stop::Refused(alert)),
            Answer::Hello(_) | Answer::Resume { .. } | Answer::FullHandshake | Answer::PskKey { .. } => {
                Err(Stop::Fault)
            }
        }
    }

    /// Everything is known: our last full flight.
    fn conclude(
        mut self: Box<Self>,
        psk: Option<(Vec<u8>, Secret)>,
        step: &mut Step<'_>,
    ) -> Result<Role, Stop> {
        let shown = self.show_certificate(step)?;
        let (point, exchanged) = match &self.from_server.share {
            Some(share) => {
                let (point, secret) = exchange(share, step)?;
                (Some(point), Some(secret))
            }
            None => (None, None),
        };
        let (premaster, identity) = match (psk, exchanged) {
            (Some((identity, key)), exchanged) => (psk_premaster(&key, exchanged.as_ref()), Some(identity)),
            (None, Some(exchanged)) => (exchanged, None),
            (None, None) => return Err(Stop::Fault),
        };
        let message = ClientKeyExchange { identity: identity.clone(), point };
        step.send(MessageType::ClientKeyExchange, message.encode()?)?;
        let master = master_secret(step.line.provider(), &self.agreed, &premaster, &step.tools.transcript);
        if let (Some(credential), Some(schemes)) = (shown, &self.requested) {
            let transcript = step.tools.transcript.messages().to_vec();
            let signed = step.sign(&credential, schemes, &transcript)?;
            step.send(MessageType::CertificateVerify, certificate::encode_verify(&signed)?)?;
        }
        step.install_keys(&self.agreed, &master, Sender::Client)?;
        step.send_finished(&self.agreed, &master, Sender::Client)?;
        step.transmit_flight()?;
        let proof = match (identity, self.server_key.take()) {
            (Some(identity), _) => PeerProof::Psk { identity, hint: self.from_server.hint.take() },
            (None, Some((_, PeerKey::Raw(key)))) => PeerProof::RawKey(key),
            (None, Some((_, PeerKey::Chain(chain)))) => PeerProof::Chain(chain),
            (None, None) => return Err(Stop::Fault),
        };
        let state = AwaitFinished::new(self.agreed, master, proof, self.ticket_follows);
        Ok(Role::Client(ClientState::Finish(Box::new(state))))
    }

    /// Answers a CertificateRequest, with an empty Certificate when no key of ours fits it.
    fn show_certificate(&mut self, step: &mut Step<'_>) -> Result<Option<Credential>, Stop> {
        let Some(schemes) = &self.requested else { return Ok(None) };
        let credential = self.credential.take().filter(|own| scheme_for(own.kind(), schemes).is_some());
        step.send(MessageType::Certificate, certificate::encode(credential.as_ref())?)?;
        Ok(credential)
    }
}

fn exchange(share: &Share, step: &mut Step<'_>) -> Result<(Vec<u8>, Secret), Stop> {
    let group = group_from_code(share.group).ok_or(Stop::Fault)?;
    let ours = step.line.provider().start_exchange(group, &mut step.tools.dice).map_err(|_| Stop::Fault)?;
    let point = ours.public().to_vec();
    let secret =
        ours.finish(&share.point).map_err(|_| Stop::rule(Alert::IllegalParameter, "RFC8422-5.11"))?;
    Ok((point, secret))
}

/// Both randoms and the share: what a server signs. Source: RFC 8422 section 5.4.
pub(crate) fn signed_bytes(agreed: &Agreed, share: &Share) -> Result<Vec<u8>, Stop> {
    Ok([&agreed.client_random[..], &agreed.server_random, &share_params(share)?].concat())
}
