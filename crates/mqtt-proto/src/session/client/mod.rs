//! One connection of a client.
//!
//! ```text
//! application           machine                     server
//! Client::connect  ->   CONNECT                ->
//!                  <-   Challenge              <-   AUTH (continue)      with a method only
//! authenticate     ->   AUTH                   ->
//!                  <-   Connected              <-   CONNACK
//! publish          ->   PUBLISH                ->
//!                  <-   Delivered              <-   PUBACK
//!                  <-   Received, then PUBREL  <-   PUBREC
//!                  <-   Message                <-   PUBLISH
//! acknowledge      ->   PUBACK | PUBREC        ->
//! subscribe        ->   SUBSCRIBE              ->
//!                  <-   Subscribed             <-   SUBACK
//! disconnect       ->   DISCONNECT, Ended      ->
//! ```

mod events;
mod requests;
mod sign_in;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::time::Duration;

use clock::Moment;

pub use events::{ClientEnd, ClientOutput, Connected};
pub use sign_in::{Authentication, ConnectOptions, NotConnectable, SignIn};

use super::flow::{Flow, PeerLimits};
use super::outbox::{Item, Outbox};
use super::violation::Stop;
use super::{Capabilities, End, Limits, NotAsked, NotSent, Publication, SavedSession, Violation};
use crate::{
    Auth, ConnAck, Disconnect, Flaw, Frame, Framer, Kind, Packet, PacketId, Property, PropertyList, Publish,
    ReasonCode, Version,
};

/// Where the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// CONNECT was sent.
    Connecting,
    /// Accepted.
    Open,
    /// Ended.
    Over,
}

/// Whose turn it is in an authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// There is none.
    Nobody,
    /// The server's.
    Server,
    /// The application's.
    Application,
}

/// One connection of a client, from CONNECT to the end. See the head of this file for the flow.
///
/// Drain [`Client::next_output`] after every input; an event stands before the bytes that follow from it.
#[derive(Debug)]
pub struct Client {
    limits: Limits,
    framer: Framer,
    phase: Phase,
    flow: Flow,
    outbox: Outbox<ClientOutput>,
    /// What the server said it offers.
    offered: Capabilities,
    clean_start: bool,
    has_client_id: bool,
    /// Seconds the session outlives the connection.
    session_expiry_secs: u32,
    method: Option<String>,
    turn: Turn,
    rounds: u32,
    /// SUBSCRIBE and UNSUBSCRIBE without an answer, and how many filters they have.
    requests: BTreeMap<PacketId, (Kind, usize)>,
    stored: Option<SavedSession>,
    keep_alive: Option<Duration>,
    began: Moment,
    last_sent: Moment,
    /// When PINGRESP is due.
    pong_due: Option<Moment>,
}

impl Client {
    /// Begins a connection over a transport that opened now: CONNECT is the first output.
    ///
    /// `session` is what an earlier connection of the same session ended with. A client that keeps sessions gives an
    /// empty one at first: should CONNACK be lost, the server knows a session, and so does it.
    ///
    /// # Errors
    /// [`NotConnectable`] when the options break a rule.
    pub fn connect(
        options: &ConnectOptions<'_>,
        limits: Limits,
        session: Option<SavedSession>,
        now: Moment,
    ) -> Result<Self, NotConnectable> {
        if options.clean_start && session.is_some() {
            return Err(NotConnectable::CleanStart);
        }
        let mut outbox = Outbox::new();
        options.write(&limits, outbox.bytes())?;
        outbox.take_wrote();
        let secs = options.keep_alive_secs;
        Ok(Self {
            limits,
            framer: Framer::new(limits.packet_size_max as usize),
            phase: Phase::Connecting,
            flow: Flow::new(options.version, &limits, PeerLimits::NONE),
            outbox,
            offered: Capabilities::default(),
            clean_start: options.clean_start,
            has_client_id: !options.client_id.is_empty(),
            session_expiry_secs: options.kept_secs(),
            method: options.authentication.map(|authentication| authentication.method.into()),
            turn: Turn::Server,
            rounds: 0,
            requests: BTreeMap::new(),
            stored: session,
            keep_alive: (secs > 0).then(|| Duration::from_secs(u64::from(secs))),
            began: now,
            last_sent: now,
            pong_due: None,
        })
    }

    /// Takes in bytes, in pieces of any size.
    pub fn receive(&mut self, bytes: &[u8], now: Moment) {
        let mut input = bytes;
        let mut framer = core::mem::replace(&mut self.framer, Framer::new(0));
        while self.phase != Phase::Over {
            let taken = match framer.next(&mut input) {
                Ok(None) => break,
                Ok(Some(frame)) => self.take(frame, now),
                Err(error) => Err(error.into()),
            };
            if let Err(stop) = taken {
                self.stop(stop, now);
            }
        }
        self.framer = framer;
        self.note_sent(now);
    }

    fn note_sent(&mut self, now: Moment) {
        if self.outbox.take_wrote() {
            self.last_sent = now;
        }
    }

    fn take(&mut self, frame: Frame<'_>, now: Moment) -> Result<(), Stop> {
        let packet = Packet::decode(frame, self.flow.version)?;
        match (self.phase, packet) {
            (Phase::Connecting, Packet::ConnAck(connack)) => self.on_connack(&connack, now),
            (Phase::Connecting | Phase::Open, Packet::Auth(auth)) => self.on_auth(&auth),
            (Phase::Connecting | Phase::Over, packet) => Err(Violation::NotConnected(packet.kind()).into()),
            (Phase::Open, packet) => self.on_packet(packet, now),
        }
    }

    fn on_packet(&mut self, packet: Packet<'_>, now: Moment) -> Result<(), Stop> {
        match packet {
            Packet::Publish(publish) => self.on_publish(&publish),
            Packet::PubAck(ack) => self.flow.on_ack(Kind::PubAck, &ack, &mut self.outbox),
            Packet::PubRec(ack) => self.flow.on_ack(Kind::PubRec, &ack, &mut self.outbox),
            Packet::PubRel(ack) => self.flow.on_ack(Kind::PubRel, &ack, &mut self.outbox),
            Packet::PubComp(ack) => self.flow.on_ack(Kind::PubComp, &ack, &mut self.outbox),
            Packet::SubAck(suback) => self.on_suback(&suback),
            Packet::UnsubAck(unsuback) => self.on_unsuback(&unsuback),
            Packet::PingResp => {
                self.pong_due = None;
                Ok(())
            }
            Packet::Disconnect(disconnect) if self.flow.version == Version::V5 => {
                self.on_disconnect(&disconnect, now)
            }
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::Auth(_)
            | Packet::Disconnect(_) => Err(Violation::Unexpected(packet.kind()).into()),
        }
    }

    fn on_publish(&mut self, publish: &Publish<'_>) -> Result<(), Stop> {
        if let Some(incoming) = self.flow.on_publish(publish, self.outbox.bytes())? {
            self.outbox.event(ClientOutput::Message(incoming));
        }
        Ok(())
    }

    fn on_connack(&mut self, connack: &ConnAck<'_>, now: Moment) -> Result<(), Stop> {
        let properties = connack.properties;
        if connack.reason != ReasonCode::SUCCESS {
            let reference = properties.server_reference().map(Into::into);
            self.end(End::Refused(connack.reason), reference, now);
            return Ok(());
        }
        if properties.authentication_method() != self.method.as_deref() {
            return Err(Violation::AuthenticationMethod.into());
        }
        if connack.session_present && self.clean_start {
            return Err(Violation::UnknownSession.into());
        }
        let stored = self.stored.take();
        if connack.session_present && stored.is_none() {
            return Err(Violation::UnknownSession.into());
        }
        let assigned = properties.assigned_client_identifier();
        if self.flow.version == Version::V5 && !self.has_client_id && assigned.is_none() {
            return Err(Violation::NoClientIdentifier.into());
        }
        if let Some(secs) = properties.session_expiry_secs() {
            self.session_expiry_secs = secs;
        }
        if let Some(secs) = properties.server_keep_alive_secs() {
            self.keep_alive = (secs > 0).then(|| Duration::from_secs(u64::from(secs)));
        }
        self.offered = Connected::offered(&properties);
        self.flow.set_peer(PeerLimits::of(properties), &self.limits);
        self.phase = Phase::Open;
        self.turn = Turn::Nobody;
        let (session, lost) = if connack.session_present { (stored, None) } else { (None, stored) };
        let keep_alive_secs =
            self.keep_alive.map_or(0, |span| u16::try_from(span.as_secs()).unwrap_or(u16::MAX));
        let connected = Connected::of(connack, keep_alive_secs, self.session_expiry_secs, lost);
        self.outbox.event(ClientOutput::Connected(Box::new(connected)));
        if let Some(session) = session {
            self.flow.restore(session);
            for step in self.flow.resume(self.outbox.bytes())? {
                self.outbox.event(step.into());
            }
        }
        self.last_sent = now;
        Ok(())
    }

    fn on_auth(&mut self, auth: &Auth<'_>) -> Result<(), Stop> {
        if self.method.is_none() || auth.properties.authentication_method() != self.method.as_deref() {
            return Err(Violation::AuthenticationMethod.into());
        }
        let data = auth.properties.authentication_data().map(<[u8]>::to_vec);
        match (self.turn, auth.reason) {
            (Turn::Server, ReasonCode::CONTINUE_AUTHENTICATION) => {
                self.rounds += 1;
                if self.rounds > self.limits.authentication_round_max {
                    return Err(Violation::TooManyRounds.into());
                }
                self.turn = Turn::Application;
                self.outbox.event(ClientOutput::Challenge { data });
                Ok(())
            }
            (Turn::Server, ReasonCode::SUCCESS) if self.phase == Phase::Open => {
                self.turn = Turn::Nobody;
                self.outbox.event(ClientOutput::Reauthenticated { data });
                Ok(())
            }
            _ => Err(Violation::Unexpected(Kind::Auth).into()),
        }
    }

    fn on_disconnect(&mut self, disconnect: &Disconnect<'_>, now: Moment) -> Result<(), Stop> {
        if disconnect.reason == ReasonCode::DISCONNECT_WITH_WILL {
            return Err(Violation::ReasonOfOtherSide.into());
        }
        if disconnect.properties.session_expiry_secs().is_some() {
            return Err(Violation::SessionExpiry.into());
        }
        let reference = disconnect.properties.server_reference().map(Into::into);
        self.end(End::Left(disconnect.reason), reference, now);
        Ok(())
    }

    /// Closes for a fault of the server, with a word where the version has one.
    fn stop(&mut self, stop: Stop, now: Moment) {
        let reason = stop.reason_code();
        if self.flow.version == Version::V5 && self.phase != Phase::Over {
            let known = reason.is_of_leaving_client();
            let reason = if known { reason } else { ReasonCode::PROTOCOL_ERROR };
            // What does not fit is left unsaid; the connection is closed all the same.
            let _unsaid = self.flow.send(&Packet::Disconnect(Disconnect::plain(reason)), self.outbox.bytes());
        }
        self.end(stop.end(), None, now);
    }

    fn end(&mut self, end: End, server_reference: Option<String>, now: Moment) {
        let phase = core::mem::replace(&mut self.phase, Phase::Over);
        let fresh = Flow::new(self.flow.version, &self.limits, PeerLimits::NONE);
        let flow = core::mem::replace(&mut self.flow, fresh);
        let session = match phase {
            Phase::Connecting => self.stored.take(),
            Phase::Open => (self.session_expiry_secs > 0).then(|| flow.save()),
            Phase::Over => return,
        };
        self.pong_due = None;
        self.note_sent(now);
        self.outbox.event(ClientOutput::Ended(Box::new(ClientEnd { end, session, server_reference })));
    }

    /// Lets time pass.
    pub fn expire(&mut self, now: Moment) {
        if self.next_deadline().is_none_or(|due| due > now) {
            return;
        }
        match self.phase {
            Phase::Connecting => self.end(End::NotConnectedInTime, None, now),
            Phase::Open if self.pong_due.is_some_and(|due| due <= now) => self.end(End::KeepAlive, None, now),
            Phase::Open => {
                if self.flow.send(&Packet::PingReq, self.outbox.bytes()).is_err() {
                    return self.end(End::Unsendable, None, now);
                }
                self.note_sent(now);
                self.pong_due.get_or_insert(now + self.limits.ping_timeout);
            }
            Phase::Over => {}
        }
    }

    /// When to call [`Client::expire`] next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        match self.phase {
            Phase::Connecting => Some(self.began + self.limits.connect_timeout),
            Phase::Open => {
                let ping = self.keep_alive.map(|span| self.last_sent + span);
                ping.into_iter().chain(self.pong_due).min()
            }
            Phase::Over => None,
        }
    }

    /// The next output, if any. Nothing follows [`ClientOutput::Ended`].
    pub fn next_output(&mut self) -> Option<ClientOutput> {
        self.outbox.next().map(|item| match item {
            Item::Bytes(bytes) => ClientOutput::Transmit(bytes),
            Item::Event(event) => event,
        })
    }

    /// Takes note that the transport broke or was closed by the server.
    pub fn transport_lost(&mut self, now: Moment) {
        self.end(End::TransportLost, None, now);
    }

    /// Whether the server accepted and is there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// How many messages of QoS 1 and 2 may be published now.
    #[must_use]
    pub fn quota(&self) -> u16 {
        if self.is_open() { self.flow.outgoing.room() } else { 0 }
    }

    /// Sends a message; its identifier unless it is QoS 0. [`ClientOutput::Delivered`] says when it is at its end.
    ///
    /// # Errors
    /// See [`NotSent`].
    pub fn publish(&mut self, publication: Publication, now: Moment) -> Result<Option<PacketId>, NotSent> {
        if !self.is_open() {
            return Err(NotSent::NotConnected);
        }
        if !publication.subscription_ids.is_empty() {
            return Err(NotSent::Invalid(Flaw::MisplacedProperty));
        }
        if publication.qos > self.offered.maximum_qos {
            return Err(NotSent::QosNotSupported);
        }
        if publication.retain && !self.offered.retain {
            return Err(NotSent::RetainNotSupported);
        }
        let sent = self.flow.publish(publication, self.outbox.bytes());
        if sent.is_ok() {
            self.last_sent = now;
        }
        self.outbox.take_wrote();
        sent
    }

    /// Answers a message of QoS 1 or 2: it is the application's now, or is refused. Acknowledgements leave in the
    /// order of the messages.
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
        let answered = self.flow.acknowledge(id, reason, why, self.outbox.bytes());
        self.note_sent(now);
        answered.unwrap_or_else(|error| {
            self.stop(error.into(), now);
            Ok(())
        })
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
        let passed = self.flow.pass_over(id, self.outbox.bytes());
        self.note_sent(now);
        passed.unwrap_or_else(|error| {
            self.stop(error.into(), now);
            Ok(())
        })
    }

    /// Ends the connection with DISCONNECT. With [`ReasonCode::SUCCESS`] the will is not published.
    ///
    /// `session_expiry_secs` changes how long the session is kept, in 5.0; not from zero.
    ///
    /// # Errors
    /// [`NotSent`] when there is no connection, or the reason or the expiry breaks a rule.
    pub fn disconnect(
        &mut self,
        reason: ReasonCode,
        session_expiry_secs: Option<u32>,
        now: Moment,
    ) -> Result<(), NotSent> {
        if !self.is_open() {
            return Err(NotSent::NotConnected);
        }
        let mut list = PropertyList::new();
        if self.flow.version == Version::V5 {
            if !reason.is_of_leaving_client() {
                return Err(NotSent::Invalid(Flaw::ReasonCode));
            }
            if let Some(secs) = session_expiry_secs {
                if self.session_expiry_secs == 0 && secs > 0 {
                    return Err(NotSent::Invalid(Flaw::PropertyValue));
                }
                list.push(Property::SessionExpiryInterval(secs)).map_err(NotSent::Invalid)?;
            }
        }
        // 3.1.1 has one farewell, and it takes the will back: a client that wants its will closes without.
        let is_silent = self.flow.version == Version::V3_1_1 && reason != ReasonCode::SUCCESS;
        if !is_silent {
            let said = Packet::Disconnect(Disconnect { reason, properties: list.as_properties() });
            self.flow.send(&said, self.outbox.bytes()).map_err(super::flow::not_sent)?;
        }
        if let Some(secs) = list.as_properties().session_expiry_secs() {
            self.session_expiry_secs = secs;
        }
        self.end(End::Closed(reason), None, now);
        Ok(())
    }
}
