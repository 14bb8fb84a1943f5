//! Enhanced authentication, before CONNACK and again.

use mqtt_proto::{
    Accept, Auth, Authentication, ClientOutput, ConnAck, Connect, ConnectOptions, Disconnect, End, Kind,
    Limits, NotAsked, Packet, Properties, Property, PropertyList, ReasonCode, ServerOutput, ServerSettings,
    Version, Violation,
};

use crate::desk::{ClientDesk, ServerDesk, connect, secs};

const GO_ON: ReasonCode = ReasonCode::CONTINUE_AUTHENTICATION;

fn said(method: &str, data: Option<&[u8]>) -> PropertyList {
    let mut list = PropertyList::new().with(Property::AuthenticationMethod(method)).unwrap();
    data.into_iter().for_each(|data| list.push(Property::AuthenticationData(data)).unwrap());
    list
}

fn auth(reason: ReasonCode, list: &PropertyList) -> Packet<'_> {
    Packet::Auth(Auth { reason, properties: list.as_properties() })
}

/// A server whose client said CONNECT with method `m`.
fn asked() -> ServerDesk {
    let own = said("m", Some(b"1"));
    let mut desk = ServerDesk::new(Version::V5, ServerSettings::default());
    desk.feed(&Packet::Connect(Connect { properties: own.as_properties(), ..connect(Version::V5) }));
    let ServerOutput::Connect(request) = desk.event() else { panic!() };
    assert_eq!(
        (request.method.as_deref(), request.authentication_data.as_deref()),
        (Some("m"), Some(&b"1"[..]))
    );
    desk
}

fn accepted() -> ServerDesk {
    let mut desk = asked();
    desk.server.accept(Accept::default(), desk.now).unwrap();
    desk.sent();
    desk
}

// verifies: MQTT-4.12.0-2, MQTT-4.12.0-3, MQTT-4.12.0-5, MQTT-3.2.0-1
#[test]
fn authentication_takes_as_many_steps_as_it_needs() {
    let mut desk = asked();
    for step in [b"2", b"4"] {
        desk.server.challenge(Some(step), desk.now).unwrap();
        desk.expect(&[auth(GO_ON, &said("m", Some(step)))]);
        assert_eq!(desk.server.challenge(None, desk.now), Err(NotAsked), "it is the client's turn");
        desk.feed(&auth(GO_ON, &said("m", Some(b"3"))));
        let ServerOutput::Authenticate { data } = desk.event() else { panic!() };
        assert_eq!(data.as_deref(), Some(&b"3"[..]));
    }
    let accept = Accept { authentication_data: Some(b"5"), ..Accept::default() };
    desk.server.accept(accept, desk.now).unwrap();
    let bytes = desk.sent();
    let frame = mqtt_proto::Frame::first_of(&bytes, 1000).unwrap().unwrap();
    let Ok(Packet::ConnAck(connack)) = Packet::decode(frame, Version::V5) else { panic!() };
    assert_eq!(connack.properties.authentication_method(), Some("m"));
    assert_eq!(connack.properties.authentication_data(), Some(&b"5"[..]));
}

// verifies: MQTT-3.1.2-30, MQTT-4.12.0-1, MQTT-4.12.0-4
#[test]
fn a_client_that_is_challenged_says_nothing_else() {
    let mut desk = asked();
    desk.server.challenge(None, desk.now).unwrap();
    desk.sent();
    desk.feed(&Packet::PingReq);
    assert_eq!(desk.sent()[..4], [0x20, 3, 0, 0x82], "refused as a protocol error");
    desk.ended_as(End::Violation(Violation::NotConnected(Kind::PingReq)));
    let mut desk = asked();
    desk.server.challenge(None, desk.now).unwrap();
    desk.feed(&Packet::Disconnect(Disconnect::plain(ReasonCode::SUCCESS)));
    let end = desk.end();
    assert_eq!((end.end, end.absence.is_none()), (End::Left(ReasonCode::SUCCESS), true));
    let mut desk = asked();
    desk.server.refuse(ReasonCode::BAD_AUTHENTICATION_METHOD, None, None, desk.now).unwrap();
    assert_eq!(desk.sent(), [0x20, 3, 0, 0x8c, 0]);
}

// verifies: MQTT-4.12.0-5, MQTT-4.12.0-6, MQTT-4.12.0-7
#[test]
fn the_method_stays_the_same_and_without_one_there_is_no_auth() {
    let mut desk = asked();
    desk.server.challenge(None, desk.now).unwrap();
    desk.feed(&auth(GO_ON, &said("other", None)));
    desk.ended_as(End::Violation(Violation::AuthenticationMethod));
    let mut desk = ServerDesk::new(Version::V5, ServerSettings::default());
    desk.feed(&Packet::Connect(connect(Version::V5)));
    desk.event();
    assert_eq!(desk.server.challenge(None, desk.now), Err(NotAsked));
    let accept = Accept { authentication_data: Some(b"5"), ..Accept::default() };
    desk.server.accept(accept, desk.now).unwrap();
    assert!(!desk.sent().contains(&0x16), "no data without a method");
    desk.feed(&auth(ReasonCode::RE_AUTHENTICATE, &said("m", None)));
    desk.expect(&[Packet::Disconnect(Disconnect::plain(ReasonCode::PROTOCOL_ERROR))]);
    desk.ended_as(End::Violation(Violation::AuthenticationMethod));
}

// verifies: MQTT-4.12.1-1, MQTT-4.12.1-2
#[test]
fn a_connected_client_authenticates_again() {
    let mut desk = accepted();
    desk.feed(&auth(ReasonCode::RE_AUTHENTICATE, &said("m", Some(b"1"))));
    assert!(matches!(desk.event(), ServerOutput::Authenticate { .. }));
    desk.server.challenge(Some(b"2"), desk.now).unwrap();
    desk.expect(&[auth(GO_ON, &said("m", Some(b"2")))]);
    desk.feed(&Packet::PingReq);
    desk.expect(&[Packet::PingResp]);
    desk.feed(&auth(GO_ON, &said("m", Some(b"3"))));
    assert!(matches!(desk.event(), ServerOutput::Authenticate { .. }));
    desk.server.reauthenticated(Some(b"4"), desk.now).unwrap();
    desk.expect(&[auth(ReasonCode::SUCCESS, &said("m", Some(b"4")))]);
    assert_eq!(desk.server.reauthenticated(None, desk.now), Err(NotAsked), "once");
    desk.feed(&auth(GO_ON, &said("m", None)));
    desk.ended_as(End::Violation(Violation::Unexpected(Kind::Auth)));
    let mut desk = accepted();
    desk.feed(&auth(ReasonCode::RE_AUTHENTICATE, &said("x", None)));
    desk.ended_as(End::Violation(Violation::AuthenticationMethod));
    let mut desk = accepted();
    desk.feed(&auth(ReasonCode::RE_AUTHENTICATE, &said("m", None)));
    desk.event();
    desk.server.disconnect(ReasonCode::NOT_AUTHORIZED, None, desk.now);
    desk.expect(&[Packet::Disconnect(Disconnect::plain(ReasonCode::NOT_AUTHORIZED))]);
    desk.ended_as(End::Closed(ReasonCode::NOT_AUTHORIZED));
}

#[test]
fn endless_authentication_is_ended() {
    let limits = Limits { authentication_round_max: 3, ..Limits::default() };
    let own = said("m", None);
    let mut desk = ServerDesk::new(Version::V5, ServerSettings { limits, ..ServerSettings::default() });
    desk.feed(&Packet::Connect(Connect { properties: own.as_properties(), ..connect(Version::V5) }));
    for _ in 0..3 {
        desk.event();
        desk.server.challenge(None, desk.now).unwrap();
        desk.feed(&auth(GO_ON, &own));
    }
    desk.event();
    desk.server.challenge(None, desk.now).unwrap();
    desk.feed(&auth(GO_ON, &own));
    desk.ended_as(End::Violation(Violation::TooManyRounds));
    let mut desk = asked();
    desk.server.challenge(None, desk.now).unwrap();
    desk.pass(secs(10));
    desk.ended_as(End::NotConnectedInTime);
}

// verifies: MQTT-4.12.0-3, MQTT-4.12.0-5, MQTT-4.12.0-6, MQTT-4.12.1-1
#[test]
fn a_client_answers_challenges_with_its_method() {
    let authentication = Some(Authentication { method: "m", data: Some(b"1") });
    let options = ConnectOptions { authentication, ..ConnectOptions::new(Version::V5, "c") };
    let mut desk = ClientDesk::new(&options, Limits::default(), None);
    desk.sent();
    assert_eq!(desk.client.authenticate(None, desk.now), Err(NotAsked), "it is the server's turn");
    desk.feed(&auth(GO_ON, &said("m", Some(b"2"))));
    assert_eq!(desk.event(), ClientOutput::Challenge { data: Some(b"2".to_vec()) });
    desk.client.authenticate(Some(b"3"), desk.now).unwrap();
    desk.expect(&[auth(GO_ON, &said("m", Some(b"3")))]);
    let last = said("m", Some(b"4"));
    let reason = ReasonCode::SUCCESS;
    desk.feed(&Packet::ConnAck(ConnAck { session_present: false, reason, properties: last.as_properties() }));
    let ClientOutput::Connected(connected) = desk.event() else { panic!() };
    assert_eq!(connected.authentication_data.as_deref(), Some(&b"4"[..]));
    desk.client.reauthenticate(None, desk.now).unwrap();
    desk.expect(&[auth(ReasonCode::RE_AUTHENTICATE, &said("m", None))]);
    assert_eq!(desk.client.reauthenticate(None, desk.now), Err(NotAsked), "one at a time");
    desk.feed(&auth(ReasonCode::SUCCESS, &said("m", None)));
    assert_eq!(desk.event(), ClientOutput::Reauthenticated { data: None });
    desk.feed(&auth(GO_ON, &said("m", None)));
    assert_eq!(desk.end().end, End::Violation(Violation::Unexpected(Kind::Auth)));
}

// verifies: MQTT-4.12.0-5, MQTT-4.12.0-6, MQTT-4.12.0-7
#[test]
fn a_client_takes_no_other_method() {
    let authentication = Some(Authentication { method: "m", data: None });
    for (own, connack_method) in [(authentication, None), (authentication, Some("x")), (None, Some("m"))] {
        let options = ConnectOptions { authentication: own, ..ConnectOptions::new(Version::V5, "c") };
        let mut desk = ClientDesk::new(&options, Limits::default(), None);
        let list = connack_method.map_or_else(PropertyList::new, |method| said(method, None));
        let (reason, properties) = (ReasonCode::SUCCESS, list.as_properties());
        desk.feed(&Packet::ConnAck(ConnAck { session_present: false, reason, properties }));
        assert_eq!(desk.end().end, End::Violation(Violation::AuthenticationMethod));
    }
    let mut desk = ClientDesk::accepted(&ConnectOptions::new(Version::V5, "c"), None, Properties::NONE);
    assert_eq!(desk.client.reauthenticate(None, desk.now), Err(NotAsked));
    desk.expect(&[]);
}
