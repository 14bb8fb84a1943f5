//! The machine of the management side.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use assure_proto::GoodbyeReason;
use clock::{Dice, Moment, Now};
use coap_proto::{Code, Config, ExchangeId, Incoming, Limits, RequestId, Response, Router};
use coaps::{AssociationId, End};
use crypto::Provider;
use dtls_proto::{Alert, Closing, Credential};
use model::Uuid;

use super::order::{Order, OrderFailure, OrderId};
use super::routes::{self, BUSY_SECS, Resource, Told, router};
use super::values::{ChannelCommand, ChannelEvent, OfflineReason, Receipt};
use crate::entrance::{Entrance, EntranceSetup, Seen};
use crate::{Counters, EntranceLimits, Output};

/// After so long an event is offered again that the owner could not take and that nobody else can answer.
const OFFER_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Longest body of a device's answer or report, in bytes.
const BODY_SIZE_MAX: usize = 64 * 1024;

/// What a channel face is made with.
#[derive(Debug)]
pub struct ChannelSetup {
    /// Does the cryptography.
    pub provider: Arc<dyn Provider>,
    /// Randomness of the face.
    pub dice: Dice,
    /// Our keys for clients that give no name, at most one of each kind.
    pub own: Vec<Credential>,
    /// Bounds.
    pub limits: EntranceLimits,
    /// How long a key of tickets serves; `None` gives and takes no tickets.
    pub ticket_key_duration: Option<Duration>,
}

impl ChannelSetup {
    /// Bounds for the open network: 100,000 associations, closed after a day of silence; 1,024 handshakes of
    /// at most a minute (128 with one net), 1,024 open questions.
    pub const LIMITS: EntranceLimits = EntranceLimits {
        association_count_max: 100_000,
        handshake_count_max: 1024,
        handshakes_per_net_max: 128,
        handshake_duration_max: Duration::from_secs(60),
        look_up_count_max: 1024,
        look_up_duration_max: Duration::from_secs(10),
        idle_duration_max: Duration::from_secs(24 * 60 * 60),
        session_duration_max: None,
    };
}

/// A report that waits for its receipt.
#[derive(Clone, Copy, Debug)]
struct Report {
    device: Uuid,
    goodbye: Option<GoodbyeReason>,
}

/// Channels with the devices of a management system. Plain CoAP gets no answer.
pub struct ChannelFace {
    entrance: Entrance,
    router: Router<Resource>,
    orders: BTreeMap<RequestId, (OrderId, Uuid)>,
    reports: BTreeMap<ExchangeId, Report>,
    goodbyes: BTreeMap<Uuid, GoodbyeReason>,
    /// Being dropped right now.
    dropping: Option<Uuid>,
    /// Events that came back and cannot be answered "busy", oldest first: one per order, which the owner
    /// bounds, and one per device that was let in, its newest.
    owed: VecDeque<ChannelEvent>,
    offer_at: Option<Moment>,
    outputs: VecDeque<Output<ChannelEvent>>,
}

impl core::fmt::Debug for ChannelFace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ChannelFace").field("orders", &self.orders.len()).finish_non_exhaustive()
    }
}

/// The device whose coming or going an event tells.
const fn whereabouts(event: &ChannelEvent) -> Option<Uuid> {
    match event {
        ChannelEvent::Online { device, .. } | ChannelEvent::Offline { device, .. } => Some(*device),
        ChannelEvent::WhoIs { .. }
        | ChannelEvent::Presence { .. }
        | ChannelEvent::Goodbye { .. }
        | ChannelEvent::OrderDone { .. } => None,
    }
}

/// Whether an event can be answered "busy".
const fn is_question(event: &ChannelEvent) -> bool {
    match event {
        ChannelEvent::WhoIs { .. } | ChannelEvent::Presence { .. } | ChannelEvent::Goodbye { .. } => true,
        ChannelEvent::Online { .. } | ChannelEvent::Offline { .. } | ChannelEvent::OrderDone { .. } => false,
    }
}

fn coap_config(limits: &EntranceLimits) -> Config {
    let limits = Limits {
        peer_count_max: limits.association_count_max,
        observers_per_peer_max: 0,
        observer_count_max: 0,
        body_size_max: BODY_SIZE_MAX,
        ..Limits::default()
    };
    Config { limits, ..Config::default() }
}

impl ChannelFace {
    /// A face that listens from `now` on.
    #[must_use]
    pub fn new(setup: ChannelSetup, now: Now) -> Self {
        let ChannelSetup { provider, dice, own, limits, ticket_key_duration } = setup;
        let coap = coap_config(&limits);
        let entrance = EntranceSetup { provider, dice, own, limits, ticket_key_duration, coap };
        Self {
            entrance: Entrance::new(entrance, now.moment),
            router: router(),
            orders: BTreeMap::new(),
            reports: BTreeMap::new(),
            goodbyes: BTreeMap::new(),
            dropping: None,
            owed: VecDeque::new(),
            offer_at: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes in one datagram.
    pub fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Now) {
        self.entrance.receive(from, datagram, now);
        self.drain(now);
    }

    /// Takes an answer or an order of the owner; an answer that comes too late changes nothing.
    pub fn command(&mut self, command: ChannelCommand, now: Now) {
        match command {
            ChannelCommand::Known { association, admission } => {
                self.entrance.decide(association, Some(*admission), now);
            }
            ChannelCommand::Unknown { association } => self.entrance.decide(association, None, now),
            ChannelCommand::CouldNotLookUp { association } => {
                self.entrance.could_not_look_up(association, now)
            }
            ChannelCommand::Received { exchange, receipt } => self.received(exchange, receipt, now),
            ChannelCommand::Order(order) => self.order(&order, now),
            ChannelCommand::Drop { device } => {
                self.dropping = Some(device);
                self.entrance.drop_device(device, now);
            }
        }
        self.drain(now);
        self.dropping = None;
    }

    /// The owner could not take this event: a handshake is forgotten, a report answered 5.03, and any other
    /// event offered again a little later, in the same order.
    pub fn refused(&mut self, event: ChannelEvent, now: Now) {
        match event {
            ChannelEvent::WhoIs { association, .. } => self.entrance.forget_question(association, now),
            ChannelEvent::Presence { exchange, .. } | ChannelEvent::Goodbye { exchange, .. } => {
                Counters::add(&mut self.entrance.counters().requests_refused);
                self.received(exchange, Receipt::Unable, now);
            }
            ChannelEvent::Online { .. } | ChannelEvent::Offline { .. } | ChannelEvent::OrderDone { .. } => {
                self.owe(event);
                self.offer_at = Some(now.moment + OFFER_AGAIN_AFTER);
            }
        }
        self.drain(now);
    }

    /// Does what is due.
    pub fn expire(&mut self, now: Now) {
        self.entrance.expire(now);
        if self.offer_at.is_some_and(|at| at <= now.moment) {
            self.offer_at = None;
            self.outputs.extend(self.owed.drain(..).map(Output::Event));
        }
        self.drain(now);
    }

    /// Says goodbye to everybody.
    pub fn stop(&mut self, now: Now) {
        self.entrance.close_all(now);
        self.drain(now);
    }

    /// The next effect.
    pub fn next_output(&mut self) -> Option<Output<ChannelEvent>> {
        self.outputs.pop_front()
    }

    /// When to call [`ChannelFace::expire`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        [self.offer_at, self.entrance.next_deadline()].into_iter().flatten().min()
    }

    /// What was counted here, and by the associations below.
    #[must_use]
    pub const fn counters(&self) -> (Counters, coaps::Counters) {
        self.entrance.lines_counted()
    }

    /// Whether a device is connected.
    #[must_use]
    pub fn is_online(&self, device: Uuid) -> bool {
        self.entrance.association_of(device).is_some()
    }

    /// Keeps an event for later, and all of its kind that would overtake it.
    fn owe(&mut self, event: ChannelEvent) {
        self.keep(event);
        for output in core::mem::take(&mut self.outputs) {
            match output {
                Output::Event(event) if !is_question(&event) => self.keep(event),
                other => self.outputs.push_back(other),
            }
        }
    }

    /// Of a device's comings and goings the newest counts; it replaces those before.
    fn keep(&mut self, event: ChannelEvent) {
        if let Some(device) = whereabouts(&event) {
            self.owed.retain(|owed| whereabouts(owed) != Some(device));
        }
        self.owed.push_back(event);
    }

    fn tell(&mut self, event: ChannelEvent) {
        if self.owed.is_empty() || is_question(&event) {
            self.outputs.push_back(Output::Event(event));
        } else {
            self.keep(event);
        }
    }

    fn drain(&mut self, now: Now) {
        while let Some(seen) = self.entrance.next_seen(now) {
            match seen {
                Seen::Transmit { to, datagram } => self.outputs.push_back(Output::Transmit { to, datagram }),
                Seen::LookUp { association, claim } => self.tell(ChannelEvent::WhoIs { association, claim }),
                Seen::Arrived(arrival) => {
                    self.goodbyes.remove(&arrival.device);
                    self.tell(ChannelEvent::Online {
                        device: arrival.device,
                        address: arrival.address,
                        proven: arrival.proven,
                        resumed: arrival.resumed,
                    });
                }
                Seen::Left { association, device, end } => self.left(association, device, &end),
                Seen::Asks { device, incoming, .. } => self.asks(device, &incoming, now),
                Seen::Coap(coap_proto::Output::Answer { request, response }) => {
                    self.order_done(request, Ok(response));
                }
                Seen::Coap(coap_proto::Output::Failed { request, reason }) => {
                    self.order_done(request, Err(OrderFailure::Failed(reason)));
                }
                // nothing is observed here, and nobody observes us
                Seen::Coap(
                    coap_proto::Output::Transmit { .. }
                    | coap_proto::Output::Request(_)
                    | coap_proto::Output::Notification { .. }
                    | coap_proto::Output::Pong { .. }
                    | coap_proto::Output::ObserverGone { .. }
                    | coap_proto::Output::ObserverDue { .. }
                    | coap_proto::Output::Idle { .. },
                ) => {}
            }
        }
    }

    fn left(&mut self, association: AssociationId, device: Uuid, end: &End) {
        self.reports.retain(|exchange, _| exchange.peer != association.peer());
        if self.entrance.association_of(device).is_some() {
            return;
        }
        let reason = match (self.goodbyes.remove(&device), end) {
            _ if self.dropping == Some(device) => OfflineReason::Dropped,
            (Some(reason), _) => OfflineReason::Goodbye(reason),
            (None, End::Closed(Closing::ByUs(Alert::CloseNotify))) => OfflineReason::Silent,
            (None, End::Closed(closing)) => OfflineReason::Closed(*closing),
            (None, End::Replaced | End::Discarded) => OfflineReason::Displaced,
        };
        self.tell(ChannelEvent::Offline { device, reason });
    }

    fn asks(&mut self, device: Uuid, incoming: &Incoming, now: Now) {
        let exchange = incoming.exchange;
        match routes::read(&self.router, device, incoming, now) {
            Ok(Told::Info(info)) => {
                self.reports.insert(exchange, Report { device, goodbye: None });
                self.tell(ChannelEvent::Presence { exchange, device, info });
            }
            Ok(Told::Goodbye(reason)) => {
                self.reports.insert(exchange, Report { device, goodbye: Some(reason) });
                self.tell(ChannelEvent::Goodbye { exchange, device, reason });
            }
            Err(response) => self.entrance.respond(exchange, response, now),
        }
    }

    fn received(&mut self, exchange: ExchangeId, receipt: Receipt, now: Now) {
        let Some(report) = self.reports.remove(&exchange) else { return };
        let response = match receipt {
            Receipt::Stored => Response::new(Code::CHANGED),
            Receipt::NotOurs => Response::new(Code::UNAUTHORIZED),
            Receipt::Unable => Response::busy(BUSY_SECS),
        };
        if let (Receipt::Stored, Some(reason)) = (receipt, report.goodbye) {
            self.goodbyes.insert(report.device, reason);
        }
        self.entrance.respond(exchange, response, now);
    }

    fn order(&mut self, order: &Order, now: Now) {
        let (id, device) = (order.id, order.device);
        let Some(association) = self.entrance.association_of(device) else {
            let outcome = Err(OrderFailure::NotConnected);
            return self.tell(ChannelEvent::OrderDone { id, device, outcome });
        };
        match self.entrance.request(association, order.to_request(), now) {
            Ok(request) => {
                self.orders.insert(request, (id, device));
            }
            Err(busy) => {
                let outcome = Err(OrderFailure::Busy(busy));
                self.tell(ChannelEvent::OrderDone { id, device, outcome });
            }
        }
    }

    fn order_done(&mut self, request: RequestId, outcome: Result<Response, OrderFailure>) {
        if let Some((id, device)) = self.orders.remove(&request) {
            let outcome = outcome.map(Into::into);
            self.tell(ChannelEvent::OrderDone { id, device, outcome });
        }
    }
}
