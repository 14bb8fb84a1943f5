//! One session under watch, its owner's answers, and the setups that targets choose from.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clock::{Dice, Moment};
use crypto::{Curve, KeyKind, PrivateKey, Provider, Secret};
use crypto_portable::Portable;
use crypto_server::Server;
use dtls_proto::{
    Alert, Answer, CertificateType, CipherSuite, ClientAuthentication, ClientSetup, Closing, Credential,
    DEFAULT_GROUPS, HelloChoice, Limits, ListenerSetup, NotAsked, Output, PeerProof, PeerSummary, Question,
    Resumption, SendError, Session, Ticket,
};

pub(super) const ADDRESS: &[u8] = b"10.0.0.7:1234";
pub(super) const START: Moment = Moment::from_micros(1_000_000);
const IDENTITY: &[u8] = b"UBAREBAREBAREBAREBAREBA=";
const PSK: [u8; 32] = [7; 32];
/// Datagrams that one input may bring about: a whole flight and an alert.
const TRANSMITS_MAX: usize = 32;
/// Memory that one session may hold.
const SESSION_BYTES_MAX: usize = 512 * 1024;

/// What a run is about, from its first byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice(pub(super) u8);

impl Choice {
    /// Keys instead of a shared secret.
    const fn is_keyed(self) -> bool {
        self.0 & 1 != 0
    }

    const fn has_tickets(self) -> bool {
        self.0 & 2 != 0
    }

    const fn has_connection_ids(self) -> bool {
        self.0 & 4 != 0
    }

    /// Small datagrams, so that messages come in fragments.
    const fn is_narrow(self) -> bool {
        self.0 & 8 != 0
    }

    /// Flights with signatures are repeated only by the provider that draws all its chance from our dice.
    fn provider(self) -> Arc<dyn Provider> {
        if self.is_keyed() { Arc::new(Portable) } else { Arc::new(Server) }
    }

    pub(super) fn limits(self) -> Limits {
        let datagram_size_max = if self.is_narrow() { 256 } else { 1232 };
        Limits { datagram_size_max, ..Limits::default() }
    }

    pub(super) fn client(self, resumption: Option<Ticket>) -> ClientSetup {
        let (provider, dice) = (self.provider(), Dice::numbered(1));
        let setup = if self.is_keyed() {
            let suites = [CipherSuite::EcdheEcdsaAes128GcmSha256, CipherSuite::EcdheEcdsaAes128Ccm8];
            ClientSetup::keyed(provider, dice, &suites, Some(Credential::raw(key(1).clone())))
        } else {
            ClientSetup::psk(provider, dice)
        };
        let resumption = match resumption {
            Some(ticket) => Resumption::With(ticket),
            None if self.has_tickets() => Resumption::Ask,
            None => Resumption::Never,
        };
        let connection_id = self.has_connection_ids().then(|| vec![0xc1; 4]);
        ClientSetup { name: Some([0xc1; 16]), connection_id, resumption, limits: self.limits(), ..setup }
    }

    pub(super) fn listener(self) -> ListenerSetup {
        ListenerSetup {
            limits: self.limits(),
            ticket_key_duration: self.has_tickets().then_some(Duration::from_secs(3600)),
            ..ListenerSetup::new(self.provider(), Dice::numbered(2))
        }
    }

    fn hello(self) -> HelloChoice {
        HelloChoice {
            name: Some([0x5e; 16]),
            suites: CipherSuite::ALL.to_vec(),
            groups: DEFAULT_GROUPS.to_vec(),
            hint: (!self.is_keyed()).then(|| b"a hint".to_vec()),
            credentials: if self.is_keyed() { vec![Credential::raw(key(2).clone())] } else { Vec::new() },
            client_authentication: ClientAuthentication::Required(vec![CertificateType::RawPublicKey]),
            connection_id: self.has_connection_ids().then(|| vec![0x5e; 3]),
        }
    }

    /// The right answer.
    pub(super) fn answer(self, question: &Question) -> Answer {
        let ticket_state = self.has_tickets().then(|| b"state".to_vec());
        match question {
            Question::Ticket { state, .. } => {
                assert_eq!(state, b"state", "a ticket that was never issued");
                Answer::Resume { name: Some([0x5e; 16]), connection_id: None }
            }
            Question::Hello(_) => Answer::Hello(self.hello()),
            Question::PskIdentity { identity, .. } if identity == IDENTITY => {
                Answer::PskKey { key: Secret::from(&PSK[..]), ticket_state }
            }
            Question::PskIdentity { .. } => Answer::Refuse(Alert::UnknownPskIdentity),
            Question::ServerNamed { .. } => {
                Answer::PskCredential { identity: IDENTITY.to_vec(), key: Secret::from(&PSK[..]) }
            }
            Question::PeerKey { .. } => Answer::AcceptKey { ticket_state },
        }
    }

    /// Who the peer must be when it has proven itself: the other end of this choice, or nobody.
    fn check_proof(self, summary: &PeerSummary) {
        match &summary.proof {
            PeerProof::Psk { identity, .. } => assert_eq!(identity, IDENTITY),
            PeerProof::RawKey(shown) => assert!([key(1), key(2)].iter().any(|key| key.public() == shown)),
            PeerProof::Nothing => panic!("a peer that proved nothing"),
            PeerProof::Chain(_) => panic!("certificates were not offered"),
        }
    }
}

/// The keys of client (1) and server (2).
fn key(run: u64) -> &'static Arc<dyn PrivateKey> {
    static KEYS: OnceLock<[Arc<dyn PrivateKey>; 2]> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        [41, 42].map(|run| {
            let key = Portable.generate_key(KeyKind::Ec(Curve::P256), &mut Dice::numbered(run));
            key.expect("the provider has P-256")
        })
    });
    &keys[if run == 1 { 0 } else { 1 }]
}

/// A session, and what it has said.
pub(super) struct End {
    pub(super) session: Session,
    choice: Choice,
    pub(super) question: Option<Question>,
    pub(super) summary: Option<PeerSummary>,
    pub(super) data: Vec<Vec<u8>>,
    pub(super) closing: Option<Closing>,
    pub(super) ticket: Option<Ticket>,
    bytes_before: usize,
}

impl End {
    pub(super) fn new(session: Session, choice: Choice) -> Self {
        Self {
            session,
            choice,
            question: None,
            summary: None,
            data: Vec::new(),
            closing: None,
            ticket: None,
            bytes_before: crate::memory::live(),
        }
    }

    /// Takes all outputs and checks them; gives what is to be sent.
    pub(super) fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        while let Some(output) = self.session.next_output() {
            assert_eq!(self.closing, None, "nothing follows Closed: {output:?}");
            match output {
                Output::Transmit(datagram) => {
                    let size_max = self.choice.limits().datagram_size_max;
                    assert!((13..=size_max).contains(&datagram.len()), "{} bytes", datagram.len());
                    sent.push(datagram);
                    assert!(sent.len() <= TRANSMITS_MAX, "one input brings about more and more");
                }
                Output::Ask(question) => {
                    assert_eq!(self.question, None, "one question at a time");
                    assert_eq!(self.summary, None, "nothing is asked behind the handshake");
                    self.question = Some(question);
                }
                Output::Connected(summary) => {
                    assert_eq!(self.summary, None, "connected once");
                    assert_eq!(self.question, None, "connected with a question open");
                    self.choice.check_proof(&summary);
                    self.summary = Some(*summary);
                }
                Output::Ticket(ticket) => self.ticket = Some(ticket),
                Output::Data(data) => {
                    assert!(self.summary.is_some(), "data before the peer has proven itself");
                    assert!(data.len() <= 1 << 14);
                    self.data.push(data);
                }
                Output::Closed(closing) => {
                    self.closing = Some(closing);
                    self.question = None;
                }
            }
        }
        self.check();
        sent
    }

    fn check(&self) {
        assert_eq!(self.session.is_closed(), self.closing.is_some());
        assert!(self.closing.is_none() || self.session.next_deadline().is_none(), "the dead do not wake");
        if self.closing.is_none() {
            assert_eq!(self.session.is_connected(), self.summary.is_some());
        }
        let kept: usize = self.data.iter().map(Vec::len).sum();
        let held = crate::memory::live().saturating_sub(self.bytes_before + 2 * kept);
        assert!(held <= SESSION_BYTES_MAX, "{held} bytes are held");
    }

    /// Answers the open question: rightly, with a refusal, wrongly, or not yet.
    pub(super) fn answer(&mut self, how: u8, now: Moment) {
        if how % 8 == 7 {
            return;
        }
        if how % 8 == 6 {
            let wrong = match &self.question {
                Some(Question::ServerNamed { .. }) => Answer::FullHandshake,
                _ => Answer::PskCredential { identity: Vec::new(), key: Secret::from(&[1][..]) },
            };
            assert_eq!(self.session.answer(wrong, now), Err(NotAsked));
            return;
        }
        let Some(question) = self.question.take() else {
            let refused = self.session.answer(Answer::FullHandshake, now);
            assert_eq!(refused, Err(NotAsked), "an answer to no question");
            return;
        };
        let answer = match (how % 8, &question) {
            (5, _) => Answer::Refuse(Alert::AccessDenied),
            (4, Question::Ticket { .. }) => Answer::FullHandshake,
            _ => self.choice.answer(&question),
        };
        self.session.answer(answer, now).expect("the question is open");
    }

    /// Answers rightly until nothing is asked.
    pub(super) fn answer_all(&mut self, now: Moment) -> Vec<Vec<u8>> {
        let mut sent = self.drain();
        while self.question.is_some() {
            self.answer(0, now);
            sent.extend(self.drain());
        }
        sent
    }

    pub(super) fn send(&mut self, length: usize, now: Moment) {
        let limit = self.session.plaintext_size_max();
        match self.session.send(&vec![0xda; length], now) {
            Ok(()) => assert!(self.summary.is_some() && self.closing.is_none() && length <= limit),
            Err(SendError::NotConnected) => assert!(self.summary.is_none()),
            Err(SendError::Closed) => assert!(self.closing.is_some()),
            Err(SendError::TooLong { limit }) => assert!(length > limit),
            Err(SendError::Exhausted) => panic!("record numbers do not end so soon"),
        }
    }

    /// Does what is due at `now`; time must not stand still.
    pub(super) fn expire(&mut self, now: Moment) {
        self.session.expire(now);
        let next = self.session.next_deadline();
        assert!(next.is_none_or(|next| next > now), "something stays due");
    }
}
