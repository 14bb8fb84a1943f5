//! MQTT 3.1.1 and 5.0: one codec and the session machines of server and client, without I/O.
//!
//! [`Packet`] reads and writes every packet of both versions; the version is a value, topics and payloads are
//! borrowed. [`Framer`] cuts a stream into packets. [`Server`] and [`Client`] are one connection each: they take
//! bytes, commands and the present moment, and give outputs. [`SavedSession`] is what a session keeps between
//! connections, and [`Absence`] counts down its expiry and the delay of its will at a server.
//!
//! Routing, retained messages, queues and subscriptions are not here: a broker gets messages and requests, and
//! answers them (ADR 0211).
//!
//! ```
//! use clock::Moment;
//! use mqtt_proto::{
//!     Accept, Client, ClientOutput, ConnectOptions, Limits, Publication, QoS, ReasonCode, Server, ServerOutput,
//!     ServerSettings, Version,
//! };
//!
//! let now = Moment::START;
//! let options = ConnectOptions::new(Version::V5, "lamp");
//! let mut client = Client::connect(&options, Limits::default(), None, now).expect("the options are valid");
//! let mut server = Server::new(ServerSettings::default(), now);
//! let mut delivered = None;
//! while delivered.is_none() {
//!     while let Some(output) = client.next_output() {
//!         match output {
//!             ClientOutput::Transmit(bytes) => server.receive(&bytes, now),
//!             ClientOutput::Connected(_) => {
//!                 let on = Publication::new("lamp/state", b"on", QoS::AtLeastOnce).expect("a topic name");
//!                 client.publish(on, now).expect("nothing else is under way");
//!             }
//!             ClientOutput::Delivered { reason, .. } => delivered = Some(reason),
//!             other => panic!("{other:?}"),
//!         }
//!     }
//!     while let Some(output) = server.next_output() {
//!         match output {
//!             ServerOutput::Transmit(bytes) => client.receive(&bytes, now),
//!             ServerOutput::Connect(_) => server.accept(Accept::default(), now).expect("it was just asked"),
//!             ServerOutput::Message(incoming) => {
//!                 assert_eq!(incoming.publication.message.payload, b"on");
//!                 let id = incoming.id.expect("QoS 1 has an identifier");
//!                 server.acknowledge(id, ReasonCode::SUCCESS, None, now).expect("it was just handed up");
//!             }
//!             other => panic!("{other:?}"),
//!         }
//!     }
//! }
//! assert_eq!(delivered, Some(ReasonCode::SUCCESS));
//! ```
//!
//! Source: OASIS MQTT Version 5.0 (7 March 2019) and MQTT Version 3.1.1 (29 October 2014). Tests name the
//! statements of 5.0 as `MQTT-3.1.2-7`, those of 3.1.1 as `MQTT311-3.1.2-7`. Without a test are those about user
//! properties of acknowledgements, SUBACK, UNSUBACK, DISCONNECT and AUTH (3.4.2-3, 3.5.2-3, 3.6.2-3, 3.7.2-3, 3.9.2-2,
//! 3.11.2-2, 3.14.2-4, 3.15.2-3) and reasons in words of PUBREL, PUBCOMP and AUTH (3.6.2-2, 3.7.2-2, 3.15.2-2), which are
//! never sent, WebSocket (6.0.0) and other transports (4.2.0-1), which are not here, and servers of less than QoS 2
//! (3.2.2-10) or with a copy for each subscription (3.3.4-5), which this broker is not.
#![no_std]
extern crate alloc;

mod codec;
mod session;

pub use codec::{
    Ack, Auth, ConnAck, Connect, DecodeError, Delivery, Disconnect, EncodeError, FilterIter, FilterList,
    Filters, Flaw, Frame, Framer, Kind, PACKET_SIZE_MAX, Packet, PacketId, Password, PayloadFormat, Place,
    Properties, Property, PropertyIter, PropertyList, Publish, QoS, ReasonCode, RetainHandling, SubAck,
    Subscribe, SubscriptionIter, SubscriptionList, SubscriptionOptions, Subscriptions, TopicFilter, UnsubAck,
    Unsubscribe, Version, Will, is_topic_name,
};
pub use session::{
    Absence, AbsenceOutput, Accept, Authentication, Capabilities, Client, ClientEnd, ClientOutput,
    ConnectOptions, ConnectRequest, Connected, Countdown, End, Incoming, LastWill, Limits, Message,
    NotAccepted, NotAsked, NotConnectable, NotSent, OwnedPassword, Publication, Remaining, SavedSession,
    Server, ServerEnd, ServerOutput, ServerSettings, SignIn, SubscribeRequest, Unacknowledged,
    UnsubscribeRequest, Violation,
};
