//! The machine of the bootstrap API.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use assure_proto::IMAGE_LENGTH_MAX;
use clock::{Dice, Moment, Now};
use coap_proto::{
    Code, Config, ContentFormat, ExchangeId, Incoming, Limits, Response, Route, Router, accepted_format,
};
use coaps::AssociationId;
use crypto::Provider;
use model::Uuid;

use super::{BootstrapCommand, BootstrapEvent, Class3Keys, ImageAnswer};
use crate::entrance::{Entrance, EntranceSetup, Seen};
use crate::{Counters, EntranceLimits, Output};

/// After so many seconds a device may ask again that could not be served. Source: decision G 31.
const BUSY_SECS: u32 = 30;
/// Forms of an image; it is CBOR, and a device that wants plain bytes gets the same ones.
const IMAGE_FORMATS: [ContentFormat; 2] = [ContentFormat::CBOR, ContentFormat::OCTET_STREAM];

/// What a bootstrap face is made with.
#[derive(Debug)]
pub struct BootstrapSetup {
    /// Does the cryptography.
    pub provider: Arc<dyn Provider>,
    /// Randomness of the face.
    pub dice: Dice,
    /// The server's own keys.
    pub keys: Class3Keys,
    /// Bounds.
    pub limits: EntranceLimits,
}

impl BootstrapSetup {
    /// Bounds for the open network: 1,000 associations of at most 15 minutes, closed after an idle minute;
    /// 256 handshakes of at most 30 s (32 with one net), 256 open questions.
    pub const LIMITS: EntranceLimits = EntranceLimits {
        association_count_max: 1000,
        handshake_count_max: 256,
        handshakes_per_net_max: 32,
        handshake_duration_max: Duration::from_secs(30),
        look_up_count_max: 256,
        look_up_duration_max: Duration::from_secs(10),
        idle_duration_max: Duration::from_secs(60),
        session_duration_max: Some(Duration::from_secs(15 * 60)),
    };
}

/// What became of the one request of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    /// The owner is being asked.
    Asked(ExchangeId, ContentFormat),
    /// It has had its answer.
    Over,
}

/// The bootstrap API over CoAP and DTLS. Plain CoAP gets no answer.
///
/// A session serves one GET: after an answer other than 5.03 every further request is answered 4.03.
/// Source: rulings A-ASSURE-57, A-ASSURE-41, A-ASSURE-72.
pub struct BootstrapFace {
    entrance: Entrance,
    keys: Class3Keys,
    router: Router<()>,
    services: BTreeMap<AssociationId, Service>,
    outputs: VecDeque<Output<BootstrapEvent>>,
}

impl core::fmt::Debug for BootstrapFace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BootstrapFace").field("services", &self.services.len()).finish_non_exhaustive()
    }
}

/// Every association may have one image under way: no block is ever asked of the owner twice.
fn coap_config(limits: &EntranceLimits) -> Config {
    let limits = Limits {
        peer_count_max: limits.association_count_max,
        requests_per_peer_max: 1,
        exchanges_per_peer_max: 2,
        exchange_count_max: 2 * limits.association_count_max,
        observers_per_peer_max: 0,
        observer_count_max: 0,
        body_size_max: 1024,
        transfers_per_peer_max: 1,
        transfer_bytes_per_peer_max: IMAGE_LENGTH_MAX,
        transfer_bytes_max: limits.association_count_max.saturating_mul(IMAGE_LENGTH_MAX),
        ..Limits::default()
    };
    Config { limits, ..Config::default() }
}

impl BootstrapFace {
    /// A face that listens from `now` on.
    #[must_use]
    pub fn new(setup: BootstrapSetup, now: Now) -> Self {
        let BootstrapSetup { provider, dice, keys, limits } = setup;
        let entrance = EntranceSetup {
            provider,
            dice,
            own: vec![keys.ec.1.clone(), keys.rsa.1.clone()],
            limits,
            ticket_key_duration: None,
            coap: coap_config(&limits),
        };
        let route = Route::new(Code::GET, "/v1/devices/{uuid}/bootstrap", ()).producing(&IMAGE_FORMATS);
        Self {
            entrance: Entrance::new(entrance, now.moment),
            keys,
            router: Router::new().with(route),
            services: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes in one datagram.
    pub fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Now) {
        self.entrance.receive(from, datagram, now);
        self.drain(now);
    }

    /// Takes an answer of the owner; one that comes too late changes nothing.
    pub fn command(&mut self, command: BootstrapCommand, now: Now) {
        match command {
            BootstrapCommand::Known { association, device, key } => {
                let admission = self.keys.admission(device, key);
                self.entrance.decide(association, admission, now);
            }
            BootstrapCommand::Unknown { association } => self.entrance.decide(association, None, now),
            BootstrapCommand::CouldNotLookUp { association } => {
                self.entrance.could_not_look_up(association, now)
            }
            BootstrapCommand::Answer { exchange, answer } => self.answer(exchange, answer, now),
        }
        self.drain(now);
    }

    /// The owner could not take this event: a handshake is forgotten, a request answered 5.03.
    pub fn refused(&mut self, event: BootstrapEvent, now: Now) {
        match event {
            BootstrapEvent::LookUp { association, .. } => self.entrance.forget_question(association, now),
            BootstrapEvent::GetImage { exchange, .. } => {
                Counters::add(&mut self.entrance.counters().requests_refused);
                self.answer(exchange, ImageAnswer::Unable, now);
            }
        }
        self.drain(now);
    }

    /// Does what is due.
    pub fn expire(&mut self, now: Now) {
        self.entrance.expire(now);
        self.drain(now);
    }

    /// Says goodbye to everybody.
    pub fn stop(&mut self, now: Now) {
        self.entrance.close_all(now);
        self.drain(now);
    }

    /// The next effect.
    pub fn next_output(&mut self) -> Option<Output<BootstrapEvent>> {
        self.outputs.pop_front()
    }

    /// When to call [`BootstrapFace::expire`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        self.entrance.next_deadline()
    }

    /// What was counted here, and by the associations below.
    #[must_use]
    pub const fn counters(&self) -> (Counters, coaps::Counters) {
        self.entrance.lines_counted()
    }

    /// Associations in all, handshakes included.
    #[must_use]
    pub fn association_count(&self) -> usize {
        self.entrance.association_count()
    }

    fn drain(&mut self, now: Now) {
        while let Some(seen) = self.entrance.next_seen(now) {
            match seen {
                Seen::Transmit { to, datagram } => {
                    self.outputs.push_back(Output::Transmit { to, datagram });
                }
                Seen::LookUp { association, claim } => {
                    self.outputs.push_back(Output::Event(BootstrapEvent::LookUp { association, claim }));
                }
                Seen::Asks { association, device, incoming } => {
                    self.asks(association, device, &incoming, now)
                }
                Seen::Left { association, .. } => {
                    self.services.remove(&association);
                }
                // we ask nothing of devices here
                Seen::Arrived(_) | Seen::Coap(_) => {}
            }
        }
    }

    fn asks(&mut self, association: AssociationId, proven: Uuid, incoming: &Incoming, now: Now) {
        let exchange = incoming.exchange;
        match self.read(association, incoming) {
            Ok((asked, format)) => {
                self.services.insert(association, Service::Asked(exchange, format));
                let event = BootstrapEvent::GetImage { exchange, proven, asked };
                self.outputs.push_back(Output::Event(event));
            }
            Err(response) => self.entrance.respond(exchange, response, now),
        }
    }

    /// Whose image is asked for, and in which form.
    fn read(
        &self,
        association: AssociationId,
        incoming: &Incoming,
    ) -> Result<(Uuid, ContentFormat), Response> {
        let options = incoming.options();
        let found = self.router.find(incoming.method, options)?;
        if options.queries().next().is_some() {
            return Err(Response::new(Code::BAD_OPTION));
        }
        match self.services.get(&association) {
            None => {}
            Some(Service::Asked(..)) => return Err(Response::busy(BUSY_SECS)),
            Some(Service::Over) => return Err(Response::new(Code::FORBIDDEN)),
        }
        let forbidden = || Response::new(Code::FORBIDDEN);
        let asked = found.parameter("uuid").and_then(|uuid| uuid.parse().ok()).ok_or_else(forbidden)?;
        let format = accepted_format(options, &IMAGE_FORMATS)?;
        Ok((asked, format.unwrap_or(ContentFormat::CBOR)))
    }

    fn answer(&mut self, exchange: ExchangeId, answer: ImageAnswer, now: Now) {
        let association = AssociationId::from(exchange.peer);
        let format = match self.services.get(&association) {
            Some(Service::Asked(open, format)) if *open == exchange => *format,
            Some(Service::Asked(..) | Service::Over) | None => return,
        };
        let response = match answer {
            ImageAnswer::Image(image) if image.is_empty() => Response::new(Code::CONTENT),
            ImageAnswer::Image(image) if image.len() <= IMAGE_LENGTH_MAX => Response::content(format, image),
            ImageAnswer::Image(_) => Response::new(Code::INTERNAL_SERVER_ERROR),
            ImageAnswer::Forbidden => Response::new(Code::FORBIDDEN),
            ImageAnswer::Unable => Response::busy(BUSY_SECS),
        };
        if response.code == Code::SERVICE_UNAVAILABLE {
            self.services.remove(&association);
        } else {
            self.services.insert(association, Service::Over);
        }
        self.entrance.respond(exchange, response, now);
    }
}
