//! The client's hello and the server's.
//!
//! ```text
//! ClientHello ->  <- HelloVerifyRequest  (again with the cookie; at most 4 times)
//!                 <- ServerHello         -> key exchange, or straight to Finished when resumed
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;

use clock::Dice;
use crypto::Group;

use crate::alert::{Alert, Stop};
use crate::client::ClientState;
use crate::client::finish::AwaitFinished;
use crate::client::key_exchange::KeyExchange;
use crate::codec::client_hello::ClientHello;
use crate::codec::extensions::Extensions;
use crate::codec::server_hello::ServerHello;
use crate::codec::{MessageType, verify_request};
use crate::handshake::{Role, Step, Taken, unexpected};
use crate::key_schedule::{Agreed, Sender};
use crate::reassembly::Message;
use crate::suite::{group_code, schemes_of};
use crate::{
    CONNECTION_ID_LENGTH_MAX, CertificateType, ClientSetup, Credential, KeyAgreement, Noise, PeerName,
    Resumption, SetupError, Ticket,
};
use crate::{CipherSuite, PeerProof};

const VERSION_1_2: u16 = 0xFEFD;
const COOKIE_COUNT_MAX: u16 = 4;

/// What the client offered, until the server has picked.
pub(crate) struct AwaitServerHello {
    hello: ClientHello,
    suites: Vec<CipherSuite>,
    groups: Vec<Group>,
    credential: Option<Credential>,
    server_certificate_types: Vec<CertificateType>,
    name: Option<PeerName>,
    ticket: Option<Ticket>,
    cookies: u16,
}

fn agreements(suites: &[CipherSuite]) -> impl Iterator<Item = KeyAgreement> + '_ {
    suites.iter().map(|suite| suite.key_agreement())
}

/// # Errors
/// What is wrong with the setup.
fn check(setup: &ClientSetup) -> Result<(), SetupError> {
    if setup.suites.is_empty() {
        return Err(SetupError::NoSuite);
    }
    if setup.groups.is_empty() && agreements(&setup.suites).any(KeyAgreement::uses_group) {
        return Err(SetupError::NoGroup);
    }
    let signs = agreements(&setup.suites).any(|agreement| !agreement.uses_psk());
    if signs && agreements(&setup.suites).any(KeyAgreement::uses_psk) {
        return Err(SetupError::MixedSuites);
    }
    if signs && setup.server_certificate_types.is_empty() {
        return Err(SetupError::NoCertificateType);
    }
    if setup.connection_id.as_ref().is_some_and(|id| id.len() > CONNECTION_ID_LENGTH_MAX) {
        return Err(SetupError::ConnectionIdTooLong);
    }
    Ok(())
}

fn extensions(setup: &ClientSetup) -> Extensions {
    let signs = agreements(&setup.suites).any(|agreement| !agreement.uses_psk());
    let exchanges = agreements(&setup.suites).any(KeyAgreement::uses_group);
    let mut out = Extensions {
        renegotiation_info: Some(Vec::new()),
        extended_master_secret: true,
        peer_name: setup.name.map(Some),
        connection_id: setup.connection_id.clone(),
        ticket: match &setup.resumption {
            Resumption::Never => None,
            Resumption::Ask => Some(Vec::new()),
            Resumption::With(ticket) => Some(ticket.sealed.clone()),
        },
        ..Extensions::default()
    };
    if exchanges {
        out.groups = Some(setup.groups.iter().map(|group| group_code(*group)).collect());
        out.say_uncompressed_points();
    }
    if signs {
        out.signature_schemes = Some(schemes_of(&setup.groups));
        let types = &setup.server_certificate_types;
        if types[..] != [CertificateType::X509] {
            out.server_certificate_types = Some(types.iter().map(|form| form.code()).collect());
        }
        let own = setup.credential.as_ref().map(Credential::certificate_type);
        if own == Some(CertificateType::RawPublicKey) {
            out.client_certificate_types = Some(alloc::vec![CertificateType::RawPublicKey.code()]);
        }
    }
    out
}

impl AwaitServerHello {
    /// Prepares the hello that [`AwaitServerHello::send`] sends.
    ///
    /// # Errors
    /// What is wrong with the setup.
    pub(crate) fn new(setup: ClientSetup, dice: &mut Dice) -> Result<Self, SetupError> {
        check(&setup)?;
        let extensions = extensions(&setup);
        let ticket = match setup.resumption {
            Resumption::With(ticket) => Some(ticket),
            Resumption::Never | Resumption::Ask => None,
        };
        // The server answers with this id when it takes the ticket (RFC 5077 section 3.4).
        let session_id = if ticket.is_some() { dice.bytes::<32>().to_vec() } else { Vec::new() };
        let hello = ClientHello {
            version: VERSION_1_2,
            random: dice.bytes(),
            session_id,
            cookie: Vec::new(),
            suites: setup.suites.iter().map(|suite| suite.code()).collect(),
            extensions,
        };
        Ok(Self {
            hello,
            suites: setup.suites,
            groups: setup.groups,
            credential: setup.credential,
            server_certificate_types: setup.server_certificate_types,
            name: setup.name,
            ticket,
            cookies: 0,
        })
    }

    pub(crate) fn send(&self, step: &mut Step<'_>) -> Result<(), Stop> {
        step.tools.transcript.clear();
        step.send(MessageType::ClientHello, self.hello.encode()?)?;
        step.transmit_flight()
    }

    /// The highest number a ServerHello may have: one per HelloVerifyRequest before it.
    pub(crate) const fn server_seq_max(&self) -> u16 {
        self.cookies
    }

    /// Says hello again with the cookie.
    pub(crate) fn verify(&mut self, body: &[u8], step: &mut Step<'_>) -> Result<(), Stop> {
        let Ok(cookie) = verify_request::decode(body) else {
            step.line.count(Noise::Malformed);
            return Ok(());
        };
        if cookie == self.hello.cookie || self.cookies == COOKIE_COUNT_MAX {
            step.line.count(Noise::Unexpected);
            return Ok(());
        }
        self.hello.cookie = cookie;
        self.cookies += 1;
        step.tools.reassembly.begin_at(self.cookies);
        self.send(step)
    }

    pub(crate) fn receive(mut self: Box<Self>, message: &Message, step: &mut Step<'_>) -> Result<Role, Stop> {
        if message.kind != MessageType::ServerHello {
            return Err(unexpected());
        }
        let hello = ServerHello::decode(&message.body)?;
        let suite = self.check_hello(&hello)?;
        let cookie = self.hello.cookie.clone();
        step.tools.taken = Some(Taken { cookie, server_random: hello.random });
        let resumed = !self.hello.session_id.is_empty() && hello.session_id == self.hello.session_id;
        let agreed = Agreed {
            suite,
            client_random: self.hello.random,
            server_random: hello.random,
            extended_master_secret: hello.extensions.extended_master_secret,
            peer_name: hello.extensions.peer_name.flatten(),
            own_name: self.name,
            resumed,
        };
        let ids = (&self.hello.extensions.connection_id, &hello.extensions.connection_id);
        if let (Some(own), Some(peer)) = ids {
            step.line.records.set_connection_ids(own, peer);
        }
        let ticket_follows = hello.extensions.ticket.is_some();
        if resumed {
            return self.resume(agreed, ticket_follows, step);
        }
        let server_form = self.form(hello.extensions.server_certificate_types.as_deref(), suite)?;
        let client_form = single(hello.extensions.client_certificate_types.as_deref())?;
        let credential = self.credential.take().filter(|own| own.certificate_type() == client_form);
        let state = KeyExchange::new(agreed, server_form, credential, self.groups, ticket_follows);
        Ok(Role::Client(ClientState::KeyExchange(Box::new(state))))
    }

    /// Checks that the server picked from what was offered.
    fn check_hello(&self, hello: &ServerHello) -> Result<CipherSuite, Stop> {
        if hello.version != VERSION_1_2 {
            return Err(Stop::rule(Alert::ProtocolVersion, "RFC5246-7.4.1.3"));
        }
        let suite = CipherSuite::from_code(hello.suite)
            .filter(|suite| self.suites.contains(suite))
            .ok_or(Stop::rule(Alert::IllegalParameter, "RFC5246-7.4.1.3"))?;
        let (ours, theirs) = (&self.hello.extensions, &hello.extensions);
        let unsolicited = theirs.unknown
            || theirs.peer_name.is_some() && ours.peer_name.is_none()
            || theirs.connection_id.is_some() && ours.connection_id.is_none()
            || theirs.ticket.is_some() && ours.ticket.is_none()
            || theirs.client_certificate_types.is_some() && ours.client_certificate_types.is_none()
            || theirs.server_certificate_types.is_some() && ours.server_certificate_types.is_none();
        if unsolicited {
            return Err(Stop::rule(Alert::UnsupportedExtension, "RFC5246-7.4.1.4"));
        }
        if theirs.renegotiation_info.as_ref().is_some_and(|info| !info.is_empty()) {
            return Err(Stop::rule(Alert::HandshakeFailure, "RFC5746-3.4"));
        }
        if suite.key_agreement().uses_group() && !theirs.allows_uncompressed_points() {
            return Err(Stop::rule(Alert::IllegalParameter, "RFC8422-5.2"));
        }
        Ok(suite)
    }

    fn form(&self, picked: Option<&[u8]>, suite: CipherSuite) -> Result<CertificateType, Stop> {
        let form = single(picked)?;
        if suite.key_agreement().uses_psk() || self.server_certificate_types.contains(&form) {
            Ok(form)
        } else {
            Err(Stop::rule(Alert::UnsupportedCertificate, "RFC7250-4.2"))
        }
    }

    fn resume(
        self: Box<Self>,
        agreed: Agreed,
        ticket_follows: bool,
        step: &mut Step<'_>,
    ) -> Result<Role, Stop> {
        let ticket = self.ticket.ok_or(Stop::Fault)?;
        if agreed.suite != ticket.suite {
            return Err(Stop::rule(Alert::IllegalParameter, "RFC5246-7.4.1.3"));
        }
        if !agreed.extended_master_secret {
            return Err(Stop::rule(Alert::HandshakeFailure, "RFC7627-5.3"));
        }
        step.install_keys(&agreed, &ticket.master_secret, Sender::Client)?;
        step.tools.flight.stop_clock();
        step.tools.flight.resume_clock(step.now);
        let proof: PeerProof = ticket.proof;
        let state = AwaitFinished::new(agreed, ticket.master_secret, proof, ticket_follows);
        Ok(Role::Client(ClientState::Finish(Box::new(state))))
    }
}

/// The form a server picked; X.509 when it said nothing (RFC 7250 section 4.2).
fn single(picked: Option<&[u8]>) -> Result<CertificateType, Stop> {
    match picked {
        None => Ok(CertificateType::X509),
        Some(list) => list
            .first()
            .and_then(|code| CertificateType::from_code(*code))
            .ok_or(Stop::rule(Alert::UnsupportedCertificate, "RFC7250-4.2")),
    }
}
