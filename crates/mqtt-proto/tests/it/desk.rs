//! One machine alone against packets written by hand, in virtual time.

use std::time::Duration;

use clock::Moment;
use mqtt_proto::{
    Accept, Ack, Client, ClientEnd, ClientOutput, ConnAck, Connect, ConnectOptions, Delivery, End, Limits,
    Packet, PacketId, Properties, Publish, QoS, ReasonCode, SavedSession, Server, ServerEnd, ServerOutput,
    ServerSettings, Version,
};

use crate::round_trips::bytes_of;

pub(crate) fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn ack(number: u16, reason: ReasonCode) -> Ack<'static> {
    Ack { reason, ..Ack::success(id(number)) }
}

/// A message to `t` without properties.
pub(crate) fn publish(qos: QoS, number: u16, dup: bool, payload: &[u8]) -> Packet<'_> {
    let delivery = match qos {
        QoS::AtMostOnce => Delivery::AtMostOnce,
        QoS::AtLeastOnce => Delivery::AtLeastOnce { id: id(number), dup },
        QoS::ExactlyOnce => Delivery::ExactlyOnce { id: id(number), dup },
    };
    Packet::Publish(Publish { delivery, retain: false, topic: "t", properties: Properties::NONE, payload })
}

/// CONNECT of `c`, with a clean start and a keep alive of 10 s.
pub(crate) fn connect(version: Version) -> Connect<'static> {
    Connect {
        version,
        clean_start: true,
        keep_alive_secs: 10,
        properties: Properties::NONE,
        client_id: "c",
        will: None,
        user_name: None,
        password: None,
    }
}

/// A server's machine, its clock, and what it gave.
pub(crate) struct ServerDesk {
    pub(crate) server: Server,
    pub(crate) now: Moment,
    pub(crate) version: Version,
    pub(crate) events: Vec<ServerOutput>,
    sent: Vec<u8>,
}

impl ServerDesk {
    pub(crate) fn new(version: Version, settings: ServerSettings) -> Self {
        let server = Server::new(settings, Moment::START);
        Self { server, now: Moment::START, version, events: Vec::new(), sent: Vec::new() }
    }

    /// A client is accepted, and CONNACK taken off.
    pub(crate) fn accepted(version: Version, settings: ServerSettings) -> Self {
        Self::accepted_as(&connect(version), settings, None)
    }

    pub(crate) fn accepted_as(
        connect: &Connect<'_>,
        settings: ServerSettings,
        session: Option<SavedSession>,
    ) -> Self {
        let mut desk = Self::new(connect.version, settings);
        desk.feed(&Packet::Connect(*connect));
        assert!(matches!(desk.events.pop(), Some(ServerOutput::Connect(_))), "{:?}", desk.events);
        desk.server.accept(Accept { session, ..Accept::default() }, desk.now).unwrap();
        desk.drain();
        let length = 2 + usize::from(desk.sent[1]);
        assert_eq!(desk.sent[0], 0x20, "CONNACK comes first");
        desk.sent.drain(..length);
        desk
    }

    pub(crate) fn feed(&mut self, packet: &Packet<'_>) {
        let bytes = bytes_of(packet, self.version);
        self.feed_bytes(&bytes);
    }

    pub(crate) fn feed_bytes(&mut self, bytes: &[u8]) {
        self.server.receive(bytes, self.now);
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.server.next_output() {
            match output {
                ServerOutput::Transmit(bytes) => self.sent.extend(bytes),
                event => self.events.push(event),
            }
        }
    }

    /// What was sent since this was last asked, as text of packets.
    pub(crate) fn sent(&mut self) -> Vec<u8> {
        self.drain();
        std::mem::take(&mut self.sent)
    }

    /// Asserts that exactly these were sent.
    #[track_caller]
    pub(crate) fn expect(&mut self, packets: &[Packet<'_>]) {
        let expected: Vec<u8> = packets.iter().flat_map(|packet| bytes_of(packet, self.version)).collect();
        assert_eq!(self.sent(), expected, "{packets:?}");
    }

    /// The one event since this was last asked.
    #[track_caller]
    pub(crate) fn event(&mut self) -> ServerOutput {
        self.drain();
        assert_eq!(self.events.len(), 1, "{:?}", self.events);
        self.events.remove(0)
    }

    /// How it ended; nothing else is left.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ServerEnd {
        match self.event() {
            ServerOutput::Ended(end) => *end,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn ended_as(&mut self, end: End) {
        assert_eq!(self.end().end, end);
    }

    pub(crate) fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
        self.server.expire(self.now);
        self.drain();
    }
}

/// A client's machine, its clock, and what it gave.
pub(crate) struct ClientDesk {
    pub(crate) client: Client,
    pub(crate) now: Moment,
    version: Version,
    pub(crate) events: Vec<ClientOutput>,
    sent: Vec<u8>,
}

impl ClientDesk {
    pub(crate) fn new(options: &ConnectOptions<'_>, limits: Limits, session: Option<SavedSession>) -> Self {
        let now = Moment::START;
        let client = Client::connect(options, limits, session, now).unwrap();
        Self { client, now, version: options.version, events: Vec::new(), sent: Vec::new() }
    }

    /// Accepted with `properties`; CONNECT and the event are taken off.
    pub(crate) fn accepted(
        options: &ConnectOptions<'_>,
        session: Option<SavedSession>,
        properties: Properties<'_>,
    ) -> Self {
        let session_present = session.is_some();
        let mut desk = Self::new(options, Limits::default(), session);
        assert_eq!(desk.sent()[0], 0x10);
        let connack = ConnAck { session_present, reason: ReasonCode::SUCCESS, properties };
        desk.feed(&Packet::ConnAck(connack));
        assert!(matches!(desk.events.remove(0), ClientOutput::Connected(_)));
        desk
    }

    pub(crate) fn feed(&mut self, packet: &Packet<'_>) {
        let bytes = bytes_of(packet, self.version);
        self.client.receive(&bytes, self.now);
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.client.next_output() {
            match output {
                ClientOutput::Transmit(bytes) => self.sent.extend(bytes),
                event => self.events.push(event),
            }
        }
    }

    pub(crate) fn sent(&mut self) -> Vec<u8> {
        self.drain();
        std::mem::take(&mut self.sent)
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, packets: &[Packet<'_>]) {
        let expected: Vec<u8> = packets.iter().flat_map(|packet| bytes_of(packet, self.version)).collect();
        assert_eq!(self.sent(), expected, "{packets:?}");
    }

    #[track_caller]
    pub(crate) fn event(&mut self) -> ClientOutput {
        self.drain();
        assert_eq!(self.events.len(), 1, "{:?}", self.events);
        self.events.remove(0)
    }

    #[track_caller]
    pub(crate) fn end(&mut self) -> ClientEnd {
        match self.event() {
            ClientOutput::Ended(end) => *end,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
        self.client.expire(self.now);
        self.drain();
    }
}
