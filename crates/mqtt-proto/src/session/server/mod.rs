//! One connection of a server.
//!
//! ```text
//! client              machine                        application
//! CONNECT        ->   Connect                   ->
//!                <-   AUTH (continue)           <-   challenge        any number of times,
//! AUTH           ->   Authenticate              ->                    with a method only
//!                <-   CONNACK                   <-   accept | refuse
//! PUBLISH        ->   Message                   ->
//!                <-   PUBACK | PUBREC           <-   acknowledge      QoS 1 and 2
//! PUBREL         ->   Released, then PUBCOMP
//!                <-   PUBLISH                   <-   publish
//! PUBACK         ->   Delivered                 ->
//! PUBREC         ->   Received, then PUBREL
//! SUBSCRIBE      ->   Subscribe                 ->
//!                <-   SUBACK                    <-   subscribed
//! DISCONNECT     ->   Ended                     ->   (the absence of the client begins)
//! ```

mod events;
mod opening;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use clock::Moment;

pub use events::{
    ConnectRequest, OwnedPassword, ServerEnd, ServerOutput, SubscribeRequest, UnsubscribeRequest,
};
use opening::Opening;
pub use opening::{Accept, NotAccepted};

use super::flow::{Flow, PeerLimits, Step};
use super::outbox::{Item, Outbox};
use super::violation::Stop;
use super::{Absence, End, LastWill, NotAsked, NotSent, Publication, ServerSettings, Violation};
use crate::{
    Auth, Disconnect, EncodeError, Frame, Framer, Kind, Packet, PacketId, Properties, Publish, QoS,
    ReasonCode, SubAck, Subscribe, TopicFilter, UnsubAck, Unsubscribe, Version,
};

/// Where the connection stands.
#[derive(Debug)]
enum Phase {
    /// Nothing came yet.
    AwaitingConnect,
    /// The application decides about CONNECT, or about a step of authentication.
    Deciding(Box<Opening>),
    /// The client is asked to go on with its authentication.
    Challenged(Box<Opening>),
    /// Accepted.
    Open(Open),
    /// Ended.
    Over,
}

/// What an accepted connection has beside its messages.
#[derive(Debug)]
struct Open {
    session_expiry_secs: u32,
    will: Option<LastWill>,
    method: Option<String>,
    again: Again,
    keep_alive: Option<Duration>,
    /// SUBSCRIBE and UNSUBSCRIBE without an answer, and how many filters they have.
    requests: BTreeMap<PacketId, (Kind, usize)>,
}

/// A later authentication of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    No,
    Deciding { rounds: u32 },
    Challenged { rounds: u32 },
}

/// One connection of a server, from the first byte to the end. See the head of this file for the flow.
///
/// It neither routes nor queues: messages and requests go up, answers and messages come down. Drain
/// [`Server::next_output`] after every input; an event stands before the bytes that follow from it, so that what
/// an application stores for the event is stored before the peer hears of it.
#[derive(Debug)]
pub struct Server {
    settings: ServerSettings,
    framer: Framer,
    phase: Phase,
    flow: Flow,
    outbox: Outbox<ServerOutput>,
    /// What came behind CONNECT before it was answered.
    early: Vec<u8>,
    began: Moment,
    last_heard: Moment,
}

impl Server {
    /// A machine for a transport that opened now.
    #[must_use]
    pub fn new(settings: ServerSettings, now: Moment) -> Self {
        let size_max = settings.limits.connect_size_max.min(settings.limits.packet_size_max);
        Self {
            framer: Framer::new(size_max as usize),
            phase: Phase::AwaitingConnect,
            flow: Flow::new(Version::V5, &settings.limits, PeerLimits::NONE),
            outbox: Outbox::new(),
            early: Vec::new(),
            began: now,
            last_heard: now,
            settings,
        }
    }

    /// Takes in bytes, in pieces of any size.
    pub fn receive(&mut self, bytes: &[u8], now: Moment) {
        let mut input = bytes;
        let mut framer = core::mem::replace(&mut self.framer, Framer::new(0));
        loop {
            match self.phase {
                Phase::Over => break,
                Phase::Deciding(_) => {
                    self.hold(input, now);
                    break;
                }
                Phase::AwaitingConnect | Phase::Challenged(_) | Phase::Open(_) => {}
            }
            let taken = match framer.next(&mut input) {
                Ok(None) => break,
                Ok(Some(frame)) => self.take(frame, now),
                Err(error) => Err(error.into()),
            };
            if let Err(stop) = taken {
                self.stop(stop, now);
            }
            if matches!(self.phase, Phase::Deciding(_)) {
                framer.set_size_max(self.settings.limits.packet_size_max as usize);
            }
        }
        self.framer = framer;
    }

    /// Keeps what a client sends before it is answered.
    fn hold(&mut self, input: &[u8], now: Moment) {
        if input.len() > self.settings.limits.early_size_max - self.early.len() {
            return self.stop(Violation::TooMuchEarlyData.into(), now);
        }
        self.early.extend_from_slice(input);
    }

    fn take(&mut self, frame: Frame<'_>, now: Moment) -> Result<(), Stop> {
        self.last_heard = now;
        let is_first = matches!(self.phase, Phase::AwaitingConnect);
        if is_first && frame.kind_number() != 1 {
            let packet = Packet::decode(frame, Version::V5)?;
            return Err(Violation::NotConnected(packet.kind()).into());
        }
        let packet = match Packet::decode(frame, self.flow.version) {
            Ok(packet) => packet,
            Err(error) => {
                if is_first {
                    self.answer_broken_connect(frame, error);
                }
                return Err(error.into());
            }
        };
        match (&self.phase, packet) {
            (Phase::AwaitingConnect, Packet::Connect(connect)) => self.on_connect(&connect),
            (Phase::Challenged(_), Packet::Auth(auth)) => self.on_early_auth(&auth),
            (Phase::Challenged(_), Packet::Disconnect(disconnect)) => {
                self.end(End::Left(disconnect.reason), now);
                Ok(())
            }
            (Phase::Open(_), packet) => self.on_packet(packet, now),
            (_, packet) => Err(Violation::NotConnected(packet.kind()).into()),
        }
    }

    fn on_packet(&mut self, packet: Packet<'_>, now: Moment) -> Result<(), Stop> {
        match packet {
            Packet::Publish(publish) => self.on_publish(&publish),
            Packet::PubAck(ack) => self.flow.on_ack(Kind::PubAck, &ack, &mut self.outbox),
            Packet::PubRec(ack) => self.flow.on_ack(Kind::PubRec, &ack, &mut self.outbox),
            Packet::PubRel(ack) => self.flow.on_ack(Kind::PubRel, &ack, &mut self.outbox),
            Packet::PubComp(ack) => self.flow.on_ack(Kind::PubComp, &ack, &mut self.outbox),
            Packet::Subscribe(subscribe) => self.on_subscribe(&subscribe),
            Packet::Unsubscribe(unsubscribe) => self.on_unsubscribe(&unsubscribe),
            Packet::PingReq => Ok(self.flow.send(&Packet::PingResp, self.outbox.bytes())?),
            Packet::Disconnect(disconnect) => self.on_disconnect(&disconnect, now),
            Packet::Auth(auth) => self.on_auth(&auth),
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp => Err(Violation::Unexpected(packet.kind()).into()),
        }
    }

    fn on_publish(&mut self, publish: &Publish<'_>) -> Result<(), Stop> {
        let offered = self.settings.capabilities;
        if publish.properties.subscription_identifier().is_some() {
            return Err(Violation::IdentifierOfClient.into());
        }
        if publish.delivery.qos() > offered.maximum_qos {
            return Err(Violation::QosNotSupported.into());
        }
        if publish.retain && !offered.retain {
            return Err(Violation::RetainNotSupported.into());
        }
        let is_refused = self.settings.checks_payload_format && !publish.is_payload_as_said();
        if is_refused && publish.delivery.qos() == QoS::AtMostOnce {
            return Err(Violation::PayloadFormat.into());
        }
        let Some(incoming) = self.flow.on_publish(publish, self.outbox.bytes())? else { return Ok(()) };
        match incoming.id.filter(|_| is_refused) {
            Some(id) => {
                let reason = ReasonCode::PAYLOAD_FORMAT_INVALID;
                let answered = self.flow.acknowledge(id, reason, None, self.outbox.bytes())?;
                debug_assert!(answered.is_ok(), "it has just arrived");
            }
            None => self.outbox.event(ServerOutput::Message(incoming)),
        }
        Ok(())
    }

    /// Checks that a request is new and one too many is refused.
    fn add_request(&mut self, id: PacketId, kind: Kind, count: usize) -> Result<(), Stop> {
        let count_max = self.settings.limits.request_count_max;
        let Phase::Open(open) = &mut self.phase else { return Err(Violation::NotConnected(kind).into()) };
        if open.requests.contains_key(&id) {
            return Err(Violation::IdInUse.into());
        }
        if open.requests.len() >= count_max {
            return Err(Violation::TooManyRequests.into());
        }
        open.requests.insert(id, (kind, count));
        Ok(())
    }

    fn on_subscribe(&mut self, subscribe: &Subscribe<'_>) -> Result<(), Stop> {
        let offered = self.settings.capabilities;
        let identifier = subscribe.properties.subscription_identifier();
        if identifier.is_some() && !offered.subscription_identifiers {
            return Err(Violation::IdentifiersNotSupported.into());
        }
        for (text, _) in subscribe.subscriptions.iter() {
            let filter = TopicFilter::parse(text, self.flow.version);
            if filter.is_some_and(|filter| filter.share().is_some()) && !offered.shared_subscriptions {
                return Err(Violation::SharedNotSupported.into());
            }
            if filter.is_some_and(|filter| filter.has_wildcard()) && !offered.wildcards {
                return Err(Violation::WildcardsNotSupported.into());
            }
        }
        let request = SubscribeRequest::of(subscribe, identifier);
        self.add_request(subscribe.id, Kind::Subscribe, request.subscriptions.len())?;
        self.outbox.event(ServerOutput::Subscribe(request));
        Ok(())
    }

    fn on_unsubscribe(&mut self, unsubscribe: &Unsubscribe<'_>) -> Result<(), Stop> {
        let request = UnsubscribeRequest::of(unsubscribe);
        self.add_request(unsubscribe.id, Kind::Unsubscribe, request.filters.len())?;
        self.outbox.event(ServerOutput::Unsubscribe(request));
        Ok(())
    }

    fn on_auth(&mut self, auth: &Auth<'_>) -> Result<(), Stop> {
        let round_max = self.settings.limits.authentication_round_max;
        let Phase::Open(open) = &mut self.phase else {
            return Err(Violation::NotConnected(Kind::Auth).into());
        };
        if open.method.is_none() || open.method.as_deref() != auth.properties.authentication_method() {
            return Err(Violation::AuthenticationMethod.into());
        }
        let rounds = match (open.again, auth.reason) {
            (Again::No, ReasonCode::RE_AUTHENTICATE) => 1,
            (Again::Challenged { rounds }, ReasonCode::CONTINUE_AUTHENTICATION) => rounds + 1,
            _ => return Err(Violation::Unexpected(Kind::Auth).into()),
        };
        if rounds > round_max {
            return Err(Violation::TooManyRounds.into());
        }
        open.again = Again::Deciding { rounds };
        let data = auth.properties.authentication_data().map(<[u8]>::to_vec);
        self.outbox.event(ServerOutput::Authenticate { data });
        Ok(())
    }

    fn on_disconnect(&mut self, disconnect: &Disconnect<'_>, now: Moment) -> Result<(), Stop> {
        let expiry_max = self.settings.session_expiry_max_secs;
        let Phase::Open(open) = &mut self.phase else {
            return Err(Violation::NotConnected(Kind::Disconnect).into());
        };
        if !disconnect.reason.is_of_leaving_client() {
            return Err(Violation::ReasonOfOtherSide.into());
        }
        if let Some(secs) = disconnect.properties.session_expiry_secs() {
            if open.session_expiry_secs == 0 && secs != 0 {
                return Err(Violation::SessionExpiry.into());
            }
            open.session_expiry_secs = secs.min(expiry_max);
        }
        if disconnect.reason == ReasonCode::SUCCESS {
            open.will = None;
        }
        self.end(End::Left(disconnect.reason), now);
        Ok(())
    }

    /// Closes for a fault of the peer, with a word where the version has one.
    fn stop(&mut self, stop: Stop, now: Moment) {
        let reason = stop.reason_code();
        match &self.phase {
            Phase::Open(_) => self.say_goodbye(reason, None),
            Phase::Challenged(_) | Phase::Deciding(_) => self.say_refusal(reason, None),
            Phase::AwaitingConnect | Phase::Over => {}
        }
        self.end(stop.end(), now);
    }

    /// DISCONNECT in 5.0; what cannot be sent is left unsaid.
    fn say_goodbye(&mut self, reason: ReasonCode, why: Option<&str>) {
        if self.flow.version == Version::V5 {
            // Some reasons are of CONNACK only.
            let known = reason.is_of(Kind::Disconnect, Version::V5);
            let reason = if known { reason } else { ReasonCode::PROTOCOL_ERROR };
            let _unsaid = self.flow.explain(why, self.outbox.bytes(), |flow, properties, out| {
                flow.send(&Packet::Disconnect(Disconnect { reason, properties }), out)
            });
        }
    }

    fn end(&mut self, end: End, now: Moment) {
        let phase = core::mem::replace(&mut self.phase, Phase::Over);
        let fresh = Flow::new(self.flow.version, &self.settings.limits, PeerLimits::NONE);
        let flow = core::mem::replace(&mut self.flow, fresh);
        self.early = Vec::new();
        let absence = match phase {
            Phase::Open(open) => Some(Absence::begin(flow.save(), open.session_expiry_secs, open.will, now)),
            Phase::AwaitingConnect | Phase::Deciding(_) | Phase::Challenged(_) => None,
            Phase::Over => return,
        };
        self.outbox.event(ServerOutput::Ended(Box::new(ServerEnd { end, absence })));
    }

    /// Lets time pass.
    pub fn expire(&mut self, now: Moment) {
        if self.next_deadline().is_none_or(|due| due > now) {
            return;
        }
        match &self.phase {
            Phase::Open(_) => {
                self.say_goodbye(ReasonCode::KEEP_ALIVE_TIMEOUT, None);
                self.end(End::KeepAlive, now);
            }
            Phase::AwaitingConnect | Phase::Deciding(_) | Phase::Challenged(_) => {
                self.end(End::NotConnectedInTime, now);
            }
            Phase::Over => {}
        }
    }

    /// When to call [`Server::expire`] next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        match &self.phase {
            Phase::Open(open) => open.keep_alive.map(|span| self.last_heard + span * 3 / 2),
            Phase::AwaitingConnect | Phase::Deciding(_) | Phase::Challenged(_) => {
                Some(self.began + self.settings.limits.connect_timeout)
            }
            Phase::Over => None,
        }
    }

    /// The next output, if any. Nothing follows [`ServerOutput::Ended`].
    pub fn next_output(&mut self) -> Option<ServerOutput> {
        self.outbox.next().map(|item| match item {
            Item::Bytes(bytes) => ServerOutput::Transmit(bytes),
            Item::Event(event) => event,
        })
    }

    /// Takes note that the transport broke or was closed by the peer.
    pub fn transport_lost(&mut self, now: Moment) {
        self.end(End::TransportLost, now);
    }

    /// Whether the client was accepted and is there.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// Which text the connection follows; 5.0 until CONNECT came.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.flow.version
    }

    /// How many messages of QoS 1 and 2 may be published now.
    #[must_use]
    pub fn quota(&self) -> u16 {
        if self.is_open() { self.flow.outgoing.room() } else { 0 }
    }

    /// Sends a message; its identifier unless it is QoS 0. [`ServerOutput::Delivered`] says when it is at its end.
    ///
    /// # Errors
    /// See [`NotSent`].
    pub fn publish(&mut self, publication: Publication) -> Result<Option<PacketId>, NotSent> {
        if !self.is_open() {
            return Err(NotSent::NotConnected);
        }
        self.flow.publish(publication, self.outbox.bytes())
    }

    /// Answers a message of QoS 1 or 2: it is the application's now, or is refused. Acknowledgements leave in the
    /// order of the messages. `why` is said in words where the client wants and takes it.
    ///
    /// A reason that PUBACK does not have is sent as 0x80; 3.1.1 has no refusal, and its messages count as taken.
    ///
    /// # Errors
    /// [`NotAsked`] when no such message waits.
    pub fn acknowledge(
        &mut self,
        id: PacketId,
        reason: ReasonCode,
        why: Option<&str>,
        now: Moment,
    ) -> Result<(), NotAsked> {
        if !self.is_open() {
            return Err(NotAsked);
        }
        match self.flow.acknowledge(id, reason, why, self.outbox.bytes()) {
            Ok(answered) => answered,
            Err(error) => {
                self.stop(error.into(), now);
                Ok(())
            }
        }
    }

    /// Leaves a message of QoS 1 or 2 without an answer in this connection, so that the acknowledgements of those
    /// behind it do not wait for its own. Its identifier stays in use, and it counts for the receive maximum.
    ///
    /// # Errors
    /// [`NotAsked`] when no such message waits.
    pub fn pass_over(&mut self, id: PacketId, now: Moment) -> Result<(), NotAsked> {
        if !self.is_open() {
            return Err(NotAsked);
        }
        self.flow.pass_over(id, self.outbox.bytes()).unwrap_or_else(|error| {
            self.stop(error.into(), now);
            Ok(())
        })
    }

    /// Answers SUBSCRIBE: a reason for each filter, in order. 3.1.1 clients see 0x80 for every failure.
    ///
    /// # Errors
    /// [`NotAsked`] when no such request waits, or the number of reasons is another, or a reason is none of SUBACK.
    pub fn subscribed(
        &mut self,
        id: PacketId,
        reasons: &[ReasonCode],
        why: Option<&str>,
        now: Moment,
    ) -> Result<(), NotAsked> {
        let codes = self.answer_codes(id, Kind::Subscribe, reasons, Kind::SubAck)?;
        self.answer_request(id, why, now, |flow, properties, out| {
            flow.send(&Packet::SubAck(SubAck { id, properties, codes: &codes }), out)
        })
    }

    /// Answers UNSUBSCRIBE: a reason for each filter, in order. 3.1.1 clients see none.
    ///
    /// # Errors
    /// As of [`Server::subscribed`].
    pub fn unsubscribed(
        &mut self,
        id: PacketId,
        reasons: &[ReasonCode],
        why: Option<&str>,
        now: Moment,
    ) -> Result<(), NotAsked> {
        let codes = self.answer_codes(id, Kind::Unsubscribe, reasons, Kind::UnsubAck)?;
        let codes = if self.flow.version == Version::V5 { codes } else { Vec::new() };
        self.answer_request(id, why, now, |flow, properties, out| {
            flow.send(&Packet::UnsubAck(UnsubAck { id, properties, codes: &codes }), out)
        })
    }

    fn answer_codes(
        &self,
        id: PacketId,
        asked: Kind,
        reasons: &[ReasonCode],
        answer: Kind,
    ) -> Result<Vec<u8>, NotAsked> {
        let Phase::Open(open) = &self.phase else { return Err(NotAsked) };
        let fits = open.requests.get(&id) == Some(&(asked, reasons.len()));
        if !fits || !reasons.iter().all(|reason| reason.is_of(answer, Version::V5)) {
            return Err(NotAsked);
        }
        let plain = |reason: &ReasonCode| match self.flow.version {
            Version::V3_1_1 if reason.is_failure() => ReasonCode::UNSPECIFIED_ERROR.0,
            Version::V3_1_1 | Version::V5 => reason.0,
        };
        Ok(reasons.iter().map(plain).collect())
    }

    fn answer_request(
        &mut self,
        id: PacketId,
        why: Option<&str>,
        now: Moment,
        send: impl Fn(&Flow, Properties<'_>, &mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<(), NotAsked> {
        if let Phase::Open(open) = &mut self.phase {
            open.requests.remove(&id);
        }
        let why = why.filter(|_| self.flow.peer.wants_reasons);
        if let Err(error) = self.flow.explain(why, self.outbox.bytes(), send) {
            self.stop(error.into(), now);
        }
        Ok(())
    }

    /// Closes the connection; in 5.0 with DISCONNECT. The will is published, at once or after its delay.
    ///
    /// Before the client is accepted this is [`Server::refuse`].
    pub fn disconnect(&mut self, reason: ReasonCode, why: Option<&str>, now: Moment) {
        match &self.phase {
            Phase::Open(_) => {
                let known =
                    reason.is_of(Kind::Disconnect, Version::V5) && reason != ReasonCode::DISCONNECT_WITH_WILL;
                let reason = if known { reason } else { ReasonCode::UNSPECIFIED_ERROR };
                self.say_goodbye(reason, why);
                self.end(End::Closed(reason), now);
            }
            Phase::Deciding(_) => {
                self.say_refusal(reason, why);
                self.end(End::Closed(reason), now);
            }
            Phase::AwaitingConnect | Phase::Challenged(_) => self.end(End::Closed(reason), now),
            Phase::Over => {}
        }
    }
}

impl From<Step> for ServerOutput {
    fn from(step: Step) -> Self {
        match step {
            Step::Received(id) => Self::Received { id },
            Step::Delivered(id, reason) => Self::Delivered { id, reason },
            Step::Released(id) => Self::Released { id },
        }
    }
}
