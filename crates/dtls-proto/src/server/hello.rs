//! The client's hello and our answer to it.
//!
//! ```text
//! -> ClientHello   ask Ticket (when it brings one of ours), ask Hello
//! <- ServerHello, Certificate*, ServerKeyExchange*, CertificateRequest*, ServerHelloDone
//! resumed: <- ServerHello, [CCS], Finished
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::alert::{Alert, Stop};
use crate::codec::client_hello::ClientHello;
use crate::codec::extensions::Extensions;
use crate::codec::key_exchange::{ServerKeyExchange, Share, share_params};
use crate::codec::server_hello::ServerHello;
use crate::codec::{MessageType, certificate};
use crate::handshake::{Role, Step};
use crate::key_schedule::{Agreed, Sender};
use crate::server::ServerState;
use crate::server::finish::AwaitFinished;
use crate::server::key_exchange::KeyExchange;
use crate::server::selection::{Selection, select};
use crate::server::ticket_keys::{TicketContents, TicketReader};
use crate::suite::{group_code, group_from_code, schemes_of};
use crate::{
    Answer, CONNECTION_ID_LENGTH_MAX, CertificateType, CipherSuite, HINT_LENGTH_MAX, HelloChoice, HelloOffer,
    KeyAgreement, PeerName, Question,
};

const VERSION_1_2: u16 = 0xFEFD;

/// A hello that waits for the owner's decision.
pub(crate) struct Greeting {
    hello: ClientHello,
    offer: HelloOffer,
    tickets: TicketReader,
    /// Present while the question is about the ticket.
    ticket: Option<TicketContents>,
}

/// Reads a hello and asks the first question.
pub(crate) fn greet(body: &[u8], tickets: TicketReader, step: &mut Step<'_>) -> Result<Role, Stop> {
    let hello = ClientHello::decode(body)?;
    // DTLS counts versions downwards: what is above 1.2 in number is older.
    if hello.version >> 8 != VERSION_1_2 >> 8 || hello.version > VERSION_1_2 {
        return Err(Stop::rule(Alert::ProtocolVersion, "RFC6347-4.2.1"));
    }
    if hello.extensions.renegotiation_info.as_ref().is_some_and(|info| !info.is_empty()) {
        return Err(Stop::rule(Alert::HandshakeFailure, "RFC5746-3.6"));
    }
    if !hello.extensions.allows_uncompressed_points() {
        return Err(Stop::rule(Alert::IllegalParameter, "RFC8422-5.1.2"));
    }
    let offer = offer_of(&hello);
    let sealed = hello.extensions.ticket.as_deref().unwrap_or_default();
    let ticket =
        tickets.open(sealed, step.now).filter(|contents| hello.suites.contains(&contents.suite.code()));
    if ticket.is_some() && !hello.extensions.extended_master_secret {
        return Err(Stop::rule(Alert::HandshakeFailure, "RFC7627-5.3"));
    }
    let question = match &ticket {
        Some(contents) => Question::Ticket {
            state: contents.state.clone(),
            proof: contents.proof.clone(),
            peer_name: offer.peer_name,
        },
        None => Question::Hello(offer.clone()),
    };
    step.ask(question);
    Ok(Role::Server(ServerState::Hello(Box::new(Greeting { hello, offer, tickets, ticket }))))
}

fn offer_of(hello: &ClientHello) -> HelloOffer {
    let forms = |list: &Option<Vec<u8>>| match list {
        Some(list) => list.iter().filter_map(|code| CertificateType::from_code(*code)).collect(),
        None => alloc::vec![CertificateType::X509],
    };
    let extensions = &hello.extensions;
    let groups = extensions.groups.as_deref().unwrap_or_default();
    HelloOffer {
        peer_name: extensions.peer_name.flatten(),
        suites: hello.suites.iter().filter_map(|code| CipherSuite::from_code(*code)).collect(),
        groups: groups.iter().filter_map(|code| group_from_code(*code)).collect(),
        server_certificate_types: forms(&extensions.server_certificate_types),
        client_certificate_types: forms(&extensions.client_certificate_types),
        connection_ids: extensions.connection_id.is_some(),
    }
}

impl Greeting {
    pub(crate) const fn wants(&self, answer: &Answer) -> bool {
        match answer {
            Answer::Refuse(_) => true,
            Answer::Resume { .. } | Answer::FullHandshake => self.ticket.is_some(),
            Answer::Hello(_) => self.ticket.is_none(),
            Answer::PskKey { .. } | Answer::PskCredential { .. } | Answer::AcceptKey { .. } => false,
        }
    }

    pub(crate) fn answer(mut self: Box<Self>, answer: Answer, step: &mut Step<'_>) -> Result<Role, Stop> {
        match answer {
            Answer::Refuse(alert) => Err(Stop::Refused(alert)),
            Answer::Resume { name, connection_id } => self.resume(name, connection_id, step),
            Answer::FullHandshake => {
                self.ticket = None;
                step.ask(Question::Hello(self.offer.clone()));
                Ok(Role::Server(ServerState::Hello(self)))
            }
            Answer::Hello(choice) => self.proceed(choice, step),
            Answer::PskKey { .. } | Answer::PskCredential { .. } | Answer::AcceptKey { .. } => {
                Err(Stop::Fault)
            }
        }
    }

    fn resume(
        mut self: Box<Self>,
        name: Option<PeerName>,
        connection_id: Option<Vec<u8>>,
        step: &mut Step<'_>,
    ) -> Result<Role, Stop> {
        let ticket = self.ticket.take().ok_or(Stop::Fault)?;
        let agreed = self.agree(ticket.suite, name, true, step);
        let mut extensions = self.extensions(&agreed);
        self.settle_connection_ids(connection_id, &mut extensions, step)?;
        let session_id = self.hello.session_id.clone();
        send_hello(&agreed, session_id, extensions, step)?;
        step.install_keys(&agreed, &ticket.master, Sender::Server)?;
        step.send_finished(&agreed, &ticket.master, Sender::Server)?;
        step.transmit_flight()?;
        let state = AwaitFinished::resumed(agreed, ticket.master, ticket.proof);
        Ok(Role::Server(ServerState::Finish(Box::new(state))))
    }

    fn proceed(self: Box<Self>, choice: HelloChoice, step: &mut Step<'_>) -> Result<Role, Stop> {
        if choice.hint.as_ref().is_some_and(|hint| hint.len() > HINT_LENGTH_MAX) {
            return Err(Stop::Fault);
        }
        let selection = select(&self.hello, &self.offer, &choice)
            .ok_or(Stop::rule(Alert::HandshakeFailure, "RFC5246-7.4.1.3"))?;
        let agreed = self.agree(selection.suite, choice.name, false, step);
        let mut extensions = self.extensions(&agreed);
        self.settle_connection_ids(choice.connection_id.clone(), &mut extensions, step)?;
        self.say_forms(&selection, &mut extensions);
        let issues_ticket =
            self.hello.extensions.ticket.is_some() && self.tickets.issues() && agreed.extended_master_secret;
        if issues_ticket {
            extensions.ticket = Some(Vec::new());
        }
        send_hello(&agreed, Vec::new(), extensions, step)?;
        let ephemeral = self.send_keys(&agreed, &selection, &choice, step)?;
        step.send(MessageType::ServerHelloDone, Vec::new())?;
        step.transmit_flight()?;
        let tickets = issues_ticket.then_some(self.tickets);
        let state = KeyExchange::new(agreed, choice.hint, ephemeral, selection.client_form, tickets);
        Ok(Role::Server(ServerState::KeyExchange(Box::new(state))))
    }

    fn agree(
        &self,
        suite: CipherSuite,
        name: Option<PeerName>,
        resumed: bool,
        step: &mut Step<'_>,
    ) -> Agreed {
        Agreed {
            suite,
            client_random: self.hello.random,
            server_random: step.tools.dice.bytes(),
            extended_master_secret: self.hello.extensions.extended_master_secret,
            peer_name: self.offer.peer_name,
            own_name: name.filter(|_| self.offer.peer_name.is_some()),
            resumed,
        }
    }

    /// What every ServerHello answers.
    fn extensions(&self, agreed: &Agreed) -> Extensions {
        let secure = self.hello.signals_secure_renegotiation();
        let mut out = Extensions {
            renegotiation_info: secure.then(Vec::new),
            extended_master_secret: agreed.extended_master_secret,
            peer_name: agreed.own_name.map(Some),
            ..Extensions::default()
        };
        let asked = self.hello.extensions.point_formats.is_some();
        if asked && agreed.suite.key_agreement().uses_group() {
            out.say_uncompressed_points();
        }
        out
    }

    fn settle_connection_ids(
        &self,
        own: Option<Vec<u8>>,
        extensions: &mut Extensions,
        step: &mut Step<'_>,
    ) -> Result<(), Stop> {
        if let (Some(own), Some(peer)) = (own, &self.hello.extensions.connection_id) {
            if own.len() > CONNECTION_ID_LENGTH_MAX {
                return Err(Stop::Fault);
            }
            step.line.records.set_connection_ids(&own, peer);
            extensions.connection_id = Some(own);
        }
        Ok(())
    }

    /// Says in which form keys travel, to a client that asked. Source: RFC 7250 section 4.2.
    fn say_forms(&self, selection: &Selection, extensions: &mut Extensions) {
        let asked = &self.hello.extensions;
        if let (Some(own), Some(_)) = (&selection.credential, &asked.server_certificate_types) {
            extensions.server_certificate_types = Some(alloc::vec![own.certificate_type().code()]);
        }
        if let (Some(form), Some(_)) = (selection.client_form, &asked.client_certificate_types) {
            extensions.client_certificate_types = Some(alloc::vec![form.code()]);
        }
    }

    /// Sends Certificate, ServerKeyExchange and CertificateRequest, as far as the suite has them.
    fn send_keys(
        &self,
        agreed: &Agreed,
        selection: &Selection,
        choice: &HelloChoice,
        step: &mut Step<'_>,
    ) -> Result<Option<Box<dyn crypto::KeyExchange>>, Stop> {
        if let Some(credential) = &selection.credential {
            step.send(MessageType::Certificate, certificate::encode(Some(credential))?)?;
        }
        let ephemeral = match selection.group {
            Some(group) => Some(
                step.line.provider().start_exchange(group, &mut step.tools.dice).map_err(|_| Stop::Fault)?,
            ),
            None => None,
        };
        let share = match (&ephemeral, selection.group) {
            (Some(ours), Some(group)) => {
                Some(Share { group: group_code(group), point: ours.public().to_vec() })
            }
            _ => None,
        };
        let signed = match (&selection.credential, &share) {
            (Some(credential), Some(share)) => {
                let randoms = [&agreed.client_random[..], &agreed.server_random];
                let message = [randoms[0], randoms[1], &share_params(share)?].concat();
                let offered = self.hello.extensions.signature_schemes.as_deref().unwrap_or_default();
                Some(step.sign(credential, offered, &message)?)
            }
            _ => None,
        };
        let agreement = agreed.suite.key_agreement();
        if agreement != KeyAgreement::Psk || choice.hint.is_some() {
            let hint = choice.hint.clone();
            let message = ServerKeyExchange { hint, share, signed };
            step.send(MessageType::ServerKeyExchange, message.encode(agreement)?)?;
        }
        if selection.client_form.is_some() {
            let schemes = schemes_of(&choice.groups);
            step.send(MessageType::CertificateRequest, certificate::encode_request(schemes)?)?;
        }
        Ok(ephemeral)
    }
}

fn send_hello(
    agreed: &Agreed,
    session_id: Vec<u8>,
    extensions: Extensions,
    step: &mut Step<'_>,
) -> Result<(), Stop> {
    let hello = ServerHello {
        version: VERSION_1_2,
        random: agreed.server_random,
        session_id,
        suite: agreed.suite.code(),
        extensions,
    };
    step.send(MessageType::ServerHello, hello.encode()?)
}
