//! What both roles of a handshake share: the tools of one step, and the way from step to step.
//!
//! ```text
//! client                                   server
//! ClientHello            -------->
//!                        <--------         HelloVerifyRequest      (Listener)
//! ClientHello + cookie   -------->
//!                                          ServerHello, Certificate*, ServerKeyExchange*,
//!                        <--------         CertificateRequest*, ServerHelloDone
//! Certificate*, ClientKeyExchange,
//! CertificateVerify*, [CCS], Finished ---->
//!                        <--------         NewSessionTicket*, [CCS], Finished
//!
//! resumed: ServerHello, [CCS], Finished  <--------  then  [CCS], Finished  -------->
//! ```
//! A ChangeCipherSpec is not waited for: Finished must come protected and nothing else may, which says the
//! same and survives reordering.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use clock::{Dice, Moment};
use crypto::{PublicKey, Secret, SignatureScheme, ecdsa_from_der, ecdsa_to_der};

use crate::alert::{Alert, Stop};
use crate::client::ClientState;
use crate::codec::key_exchange::Signed;
use crate::codec::{Fragment, MessageType, verify_request};
use crate::flight::Flight;
use crate::key_schedule::{Agreed, Sender, record_keys, verify_data};
use crate::line::Line;
use crate::reassembly::{Message, Reassembly};
use crate::record::Epoch;
use crate::server::ServerState;
use crate::suite::{SCHEMES, scheme_code, scheme_fits, scheme_for};
use crate::transcript::Transcript;
use crate::{Answer, Credential, Limits, Output, PeerProof, PeerSummary, Question, Ticket};

/// Where the random value stands in a ServerHello: behind the version.
const SERVER_RANDOM: Range<usize> = 2..34;

/// The tools of a handshake; gone when it is over.
pub(crate) struct Tools {
    pub(crate) dice: Dice,
    pub(crate) limits: Limits,
    pub(crate) transcript: Transcript,
    pub(crate) reassembly: Reassembly,
    pub(crate) flight: Flight,
    /// At a client, once the server's hello was taken.
    pub(crate) taken: Option<Taken>,
}

/// What tells the hello that a client took from one that answers another hello.
pub(crate) struct Taken {
    pub(crate) cookie: Vec<u8>,
    pub(crate) server_random: [u8; 32],
}

impl Taken {
    /// Whether the server of this fragment speaks of another handshake: it asks for another cookie, or its hello
    /// has another random value. One of the two belongs to a handshake that was begun from our address before.
    pub(crate) fn is_belied_by(&self, fragment: &Fragment<'_>) -> bool {
        match MessageType::from_code(fragment.code) {
            Some(MessageType::HelloVerifyRequest) => {
                fragment.is_whole()
                    && verify_request::decode(fragment.body).is_ok_and(|cookie| cookie != self.cookie)
            }
            Some(MessageType::ServerHello) => {
                let random = fragment.body.get(SERVER_RANDOM).filter(|_| fragment.offset == 0);
                random.is_some_and(|random| random != self.server_random)
            }
            _ => false,
        }
    }
}

impl Tools {
    /// Our first message gets the number `first_sent`, the peer's must have `first_received`.
    pub(crate) fn new(dice: Dice, limits: Limits, first_sent: u16, first_received: u16) -> Self {
        Self {
            dice,
            transcript: Transcript::with_limit(limits.transcript_size_max),
            reassembly: Reassembly::new(first_received, &limits),
            flight: Flight::new(first_sent, &limits),
            taken: None,
            limits,
        }
    }
}

/// One step of a handshake: everything it may touch.
pub(crate) struct Step<'a> {
    pub(crate) line: &'a mut Line,
    pub(crate) tools: &'a mut Tools,
    pub(crate) now: Moment,
}

impl Step<'_> {
    /// Adds a message to our flight and to the transcript.
    pub(crate) fn send(&mut self, kind: MessageType, body: Vec<u8>) -> Result<(), Stop> {
        let message_seq = self.tools.flight.push_message(kind, body.clone())?;
        self.tools.transcript.append(kind.code(), message_seq, &body)
    }

    /// Adds ChangeCipherSpec and our Finished.
    pub(crate) fn send_finished(
        &mut self,
        agreed: &Agreed,
        master: &Secret,
        sender: Sender,
    ) -> Result<(), Stop> {
        let provider = self.line.provider();
        let proof = verify_data(provider, agreed.suite, master, sender, &self.tools.transcript);
        self.tools.flight.push_change_cipher_spec();
        self.line.write_epoch = Epoch::Protected;
        self.send(MessageType::Finished, proof.expose().to_vec())
    }

    /// Sends the flight and waits for the peer.
    pub(crate) fn transmit_flight(&mut self) -> Result<(), Stop> {
        let size = self.line.datagram_size_max;
        let datagrams = self.tools.flight.transmit(&mut self.line.records, size, self.now)?;
        self.line.transmit_all(datagrams);
        Ok(())
    }

    /// Asks the owner; the peer cannot hurry it.
    pub(crate) fn ask(&mut self, question: Question) {
        self.tools.flight.stop_clock();
        self.line.put(Output::Ask(question));
    }

    pub(crate) fn note(&mut self, message: &Message) -> Result<(), Stop> {
        self.tools.transcript.append(message.kind.code(), message.message_seq, &message.body)
    }

    /// Checks the peer's Finished against the transcript before it.
    pub(crate) fn check_finished(
        &self,
        agreed: &Agreed,
        master: &Secret,
        sender: Sender,
        body: &[u8],
    ) -> Result<(), Stop> {
        let provider = self.line.provider();
        let expected = verify_data(provider, agreed.suite, master, sender, &self.tools.transcript);
        if body.len() != expected.len() {
            return Err(Stop::rule(Alert::DecodeError, "RFC5246-7.4.9"));
        }
        if Secret::from(body) == expected {
            Ok(())
        } else {
            Err(Stop::rule(Alert::DecryptError, "RFC5246-7.4.9"))
        }
    }

    /// Derives and installs the record keys.
    pub(crate) fn install_keys(
        &mut self,
        agreed: &Agreed,
        master: &Secret,
        ours: Sender,
    ) -> Result<(), Stop> {
        let keys = record_keys(self.line.provider(), agreed, master).map_err(|_| Stop::Fault)?;
        match ours {
            Sender::Client => self.line.records.install(keys.client, keys.server),
            Sender::Server => self.line.records.install(keys.server, keys.client),
        }
        Ok(())
    }

    /// Signs with a key of ours; `offered` are the schemes the peer verifies.
    pub(crate) fn sign(
        &mut self,
        credential: &Credential,
        offered: &[u16],
        message: &[u8],
    ) -> Result<Signed, Stop> {
        let scheme = scheme_for(credential.kind(), offered).ok_or(Stop::Fault)?;
        let fixed = credential.key.sign(scheme, message, &mut self.tools.dice).map_err(|_| Stop::Fault)?;
        let signature = match scheme {
            SignatureScheme::Ecdsa(curve) => ecdsa_to_der(curve, &fixed).map_err(|_| Stop::Fault)?,
            SignatureScheme::RsaPkcs1(_) => fixed,
        };
        Ok(Signed { scheme: scheme_code(scheme), signature })
    }

    /// Checks a signature of the peer.
    pub(crate) fn verify(&self, key: &PublicKey, signed: &Signed, message: &[u8]) -> Result<(), Stop> {
        let scheme = SCHEMES
            .into_iter()
            .find(|scheme| scheme_code(*scheme) == signed.scheme && scheme_fits(*scheme, key.kind()))
            .ok_or(Stop::rule(Alert::IllegalParameter, "RFC5246-7.4.1.4.1"))?;
        let wrong = Stop::rule(Alert::DecryptError, "RFC5246-7.4.8");
        let converted;
        let fixed = match scheme {
            SignatureScheme::Ecdsa(curve) => {
                converted = ecdsa_from_der(curve, &signed.signature).map_err(|_| wrong)?;
                &converted
            }
            SignatureScheme::RsaPkcs1(_) => &signed.signature,
        };
        self.line.provider().verify(key, scheme, message, fixed).map_err(|_| wrong)
    }

    /// The summary of a completed handshake.
    pub(crate) fn summary(&self, agreed: &Agreed, proof: PeerProof) -> PeerSummary {
        PeerSummary {
            suite: agreed.suite,
            proof,
            peer_name: agreed.peer_name,
            own_name: agreed.own_name,
            resumed: agreed.resumed,
            extended_master_secret: agreed.extended_master_secret,
            own_connection_id: self.line.records.own_connection_id().map(<[u8]>::to_vec),
            peer_connection_id: self.line.records.peer_connection_id().map(<[u8]>::to_vec),
        }
    }
}

/// Longest shared secret; the field would take more, but none of ours comes near.
const PSK_LENGTH_MAX: usize = 1024;

/// # Errors
/// [`Stop::Fault`] when the owner's secret is empty or too long.
pub(crate) fn check_psk(key: &Secret) -> Result<(), Stop> {
    if (1..=PSK_LENGTH_MAX).contains(&key.len()) { Ok(()) } else { Err(Stop::Fault) }
}

/// Who we are, and how far we are.
pub(crate) enum Role {
    Client(ClientState),
    Server(ServerState),
    Done(Box<Done>),
    /// Only while a step is being taken, and after one that failed.
    Spent,
}

/// A handshake that came to its end.
pub(crate) struct Done {
    pub(crate) summary: PeerSummary,
    pub(crate) ticket: Option<Ticket>,
    /// Whether the last flight was ours, so that we must repeat it when the peer repeats its own.
    pub(crate) sent_last: bool,
}

impl Role {
    pub(crate) fn is_asking(&self) -> bool {
        match self {
            Self::Client(state) => state.is_asking(),
            Self::Server(state) => state.is_asking(),
            Self::Done(_) | Self::Spent => false,
        }
    }

    /// Whether `answer` is of the kind that the open question wants.
    pub(crate) fn wants(&self, answer: &Answer) -> bool {
        match self {
            Self::Client(state) => state.wants(answer),
            Self::Server(state) => state.wants(answer),
            Self::Done(_) | Self::Spent => false,
        }
    }

    /// Takes the next message.
    pub(crate) fn receive(self, message: &Message, step: &mut Step<'_>) -> Result<Self, Stop> {
        // These two speak about the transcript before themselves.
        let late = matches!(message.kind, MessageType::Finished | MessageType::CertificateVerify);
        if !late {
            step.note(message)?;
        }
        match self {
            Self::Client(state) => state.receive(message, step),
            Self::Server(state) => state.receive(message, step),
            Self::Done(_) | Self::Spent => Err(Stop::Fault),
        }
    }

    /// Takes an answer that it wants.
    pub(crate) fn answer(self, answer: Answer, step: &mut Step<'_>) -> Result<Self, Stop> {
        match self {
            Self::Client(state) => state.answer(answer, step),
            Self::Server(state) => state.answer(answer, step),
            Self::Done(_) | Self::Spent => Err(Stop::Fault),
        }
    }
}

/// The violation of a message that has no place in this state.
pub(crate) const fn unexpected() -> Stop {
    Stop::rule(Alert::UnexpectedMessage, "RFC5246-7.4")
}
