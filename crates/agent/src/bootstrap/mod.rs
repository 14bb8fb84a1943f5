//! Asking the bootstrap server for an image: when, and how it went.
//!
//! ```text
//! Idle --power-on, button, order, timer--> Resolving --address--> Talking --image--> judged by the caller
//!   ^                                          |                     |
//!   +---------- nothing changed but the timer -+---------------------+
//! ```
//! A failure is followed by another try after 30 s, doubling up to an hour. In service the series ends there:
//! when its waits have grown to their longest, and after every success, the device asks once a day.
//! Source: aSSURE 9.4.1, 15.3, 15.4; TS-H8; rulings A-ASSURE-57, A-ASSURE-58; ADR 0081.

mod talk;

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use assure_proto::{BootstrapSession, DerivationCache, GardenSwitch};
use clock::{Moment, Now};
use coap_proto::{Code, Failure, RequestId, Response};
use coaps::{AssociationId, ConnectError, End};
use dtls_proto::{Closing, PeerName, Question};

use crate::means::Means;
use crate::schedule::{Backoff, around};
use crate::{Output, Settings};
use talk::Talk;

/// How long the platform may look for the server.
const RESOLVING_DURATION_MAX: Duration = Duration::from_secs(60);
/// How long one attempt may take in all, blocks of the image included.
const TALK_DURATION_MAX: Duration = Duration::from_secs(15 * 60);

/// Why the bootstrap server gave no image. Nothing changed but the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootstrapFailure {
    /// Its name has no address, or the platform did not say.
    NotResolved,
    /// The association could not be begun.
    NotBegun(ConnectError),
    /// The server gave no name.
    NoName,
    /// Its hint is none, names no chain from the device's key, or costs too much.
    BadHint,
    /// The handshake failed, or the association broke off.
    NotConnected(Closing),
    /// There was no answer, or none that could be put together.
    NotAnswered(Failure),
    /// There is no image at present.
    Empty,
    /// The server does not serve this device.
    Forbidden,
    /// Another code than an answer to this request has.
    UnexpectedCode(Code),
    /// The whole attempt took too long.
    TookTooLong,
    /// The server's name in the handshake is not the id of the key that the image confirms.
    /// Source: TS-M4.
    NameDiffers,
}

/// What a server proved in the session that an image came over.
pub(crate) enum Proof {
    PublicKey(Vec<u8>),
    Hint(Vec<Vec<u8>>),
}

impl Proof {
    pub(crate) fn session(&self) -> BootstrapSession<'_> {
        match self {
            Self::PublicKey(spki) => BootstrapSession::PublicKey(spki),
            Self::Hint(definitions) => BootstrapSession::Hint(definitions),
        }
    }
}

/// An image as it came.
pub(crate) struct Fetched {
    pub(crate) image: Vec<u8>,
    pub(crate) proof: Proof,
    pub(crate) server_name: PeerName,
    pub(crate) garden: GardenSwitch,
}

enum Phase {
    Idle,
    Resolving { until: Moment },
    Talking(Talk),
}

/// The client side of the bootstrap API.
pub(crate) struct Bootstrap {
    phase: Phase,
    at: Option<Moment>,
    waits: Backoff,
    daily: Duration,
    cache: DerivationCache,
    garden: GardenSwitch,
}

impl Bootstrap {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            phase: Phase::Idle,
            at: None,
            waits: Backoff::new(settings.bootstrap_after, settings.bootstrap_after_max),
            daily: settings.bootstrap_every,
            cache: DerivationCache::new(),
            garden: GardenSwitch::Untouched,
        }
    }

    /// Asks as soon as possible; an attempt that is under way counts.
    pub(crate) fn order(&mut self, now: Now) {
        self.waits.reset();
        if matches!(self.phase, Phase::Idle) {
            self.at = Some(now.moment);
        }
    }

    /// Allows a server that only the owner vouches for, for the next image.
    pub(crate) const fn allow_garden(&mut self) {
        self.garden = GardenSwitch::PressedHere;
    }

    /// Forgets secrets of the earlier owner's chain.
    pub(crate) fn forget_owner(&mut self) {
        self.cache.clear();
        self.garden = GardenSwitch::Untouched;
    }

    /// An image is in service: ask again in a day.
    pub(crate) fn rest(&mut self, means: &mut Means, now: Now) {
        self.waits.reset();
        self.at = Some(now.moment + around(self.daily, &mut means.dice));
    }

    /// The attempt changed nothing: ask again later.
    pub(crate) fn try_later(&mut self, is_in_service: bool, means: &mut Means, now: Now) {
        let wait = if is_in_service && self.waits.is_longest() {
            around(self.daily, &mut means.dice)
        } else {
            self.waits.next(&mut means.dice)
        };
        self.at = Some(now.moment + wait);
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        match &self.phase {
            Phase::Idle => self.at,
            Phase::Resolving { until } => Some(*until),
            Phase::Talking(talk) => Some(talk.until),
        }
    }

    /// Does what is due; gives the failure of an attempt that took too long.
    pub(crate) fn expire(&mut self, means: &mut Means, now: Now) -> Option<BootstrapFailure> {
        match &self.phase {
            Phase::Idle if self.at.is_some_and(|at| at <= now.moment) => {
                self.at = None;
                self.phase = Phase::Resolving { until: now.moment + RESOLVING_DURATION_MAX };
                means.tell(crate::AgentEvent::BootstrapBegun);
                let server = means.own.factory.bootstrap_server;
                means.outputs.push_back(Output::Resolve { server });
                None
            }
            Phase::Resolving { until } if *until <= now.moment => {
                self.phase = Phase::Idle;
                Some(BootstrapFailure::NotResolved)
            }
            Phase::Talking(talk) if talk.until <= now.moment => {
                self.stop(means, now);
                Some(BootstrapFailure::TookTooLong)
            }
            Phase::Idle | Phase::Resolving { .. } | Phase::Talking(_) => None,
        }
    }

    /// The platform found the server, or did not.
    pub(crate) fn resolved(
        &mut self,
        address: Option<SocketAddr>,
        means: &mut Means,
        now: Now,
    ) -> Option<BootstrapFailure> {
        if !matches!(self.phase, Phase::Resolving { .. }) {
            return None;
        }
        self.phase = Phase::Idle;
        let Some(address) = address else { return Some(BootstrapFailure::NotResolved) };
        match Talk::begin(address, now.moment + TALK_DURATION_MAX, means, now) {
            Ok(talk) => {
                self.phase = Phase::Talking(talk);
                None
            }
            Err(error) => Some(BootstrapFailure::NotBegun(error)),
        }
    }

    fn talk(&mut self, association: AssociationId) -> Option<&mut Talk> {
        match &mut self.phase {
            Phase::Talking(talk) if talk.association == association => Some(talk),
            Phase::Idle | Phase::Resolving { .. } | Phase::Talking(_) => None,
        }
    }

    pub(crate) fn owns(&self, association: AssociationId) -> bool {
        matches!(&self.phase, Phase::Talking(talk) if talk.association == association)
    }

    pub(crate) fn owns_request(&self, request: RequestId) -> bool {
        matches!(&self.phase, Phase::Talking(talk) if talk.request == Some(request))
    }

    /// Decides a question of the handshake.
    pub(crate) fn decide(
        &mut self,
        association: AssociationId,
        question: Question,
        means: &mut Means,
        now: Now,
    ) {
        let Phase::Talking(talk) = &mut self.phase else { return };
        let answer = talk.decide(question, &mut self.cache, means);
        if means.lines.answer(association, answer, now).is_err() {
            means.lines.abort(association, dtls_proto::Alert::InternalError, now);
        }
    }

    /// The server is connected: the one request of this session goes out.
    pub(crate) fn connected(&mut self, association: AssociationId, means: &mut Means, now: Now) {
        if let Some(talk) = self.talk(association) {
            talk.ask(means, now);
        }
    }

    /// The association ended before an answer came.
    pub(crate) fn ended(&mut self, association: AssociationId, end: &End) -> Option<BootstrapFailure> {
        let cause = self.talk(association)?.cause;
        self.phase = Phase::Idle;
        let closing = match end {
            End::Closed(closing) => *closing,
            End::Replaced | End::Discarded => Closing::TimedOut,
        };
        Some(cause.unwrap_or(BootstrapFailure::NotConnected(closing)))
    }

    /// The answer came; the session is over, whatever it was.
    ///
    /// # Errors
    /// Why it is no image.
    pub(crate) fn answered(
        &mut self,
        outcome: Result<Response, Failure>,
        means: &mut Means,
        now: Now,
    ) -> Result<Fetched, BootstrapFailure> {
        let garden = self.garden;
        let talk = self.stop(means, now);
        let response = outcome.map_err(BootstrapFailure::NotAnswered)?;
        match response.code {
            Code::CONTENT if response.payload.is_empty() => return Err(BootstrapFailure::Empty),
            Code::CONTENT => {}
            Code::FORBIDDEN => return Err(BootstrapFailure::Forbidden),
            other => return Err(BootstrapFailure::UnexpectedCode(other)),
        }
        let (proof, server_name) = talk.and_then(Talk::into_proof).ok_or(BootstrapFailure::NoName)?;
        Ok(Fetched { image: response.payload, proof, server_name, garden })
    }

    /// Breaks an attempt off.
    pub(crate) fn stop(&mut self, means: &mut Means, now: Now) -> Option<Talk> {
        match core::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Talking(talk) => {
                means.lines.close(talk.association, now);
                Some(talk)
            }
            Phase::Idle | Phase::Resolving { .. } => None,
        }
    }
}
