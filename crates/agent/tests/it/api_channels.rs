//! Channels over the management API: every answer, every limit, every privilege, every state.

use std::time::Duration;

use agent::CHANNEL_COUNT_MAX;
use assure_proto::{
    Address, ChannelDefinition, ChannelId, ChannelState, ChannelStatus, Metadata, Privileges,
    decode_channel_list,
};
use coap_proto::{Code, ContentFormat, Request};
use model::KeyId;

use crate::bench::{A, Bench, ONE, server_of};
use crate::server::Proof;
use crate::world::{Kind, World, address, definition};

const SEVEN: &str = "v1/channels/7";

fn seven() -> ChannelId {
    ChannelId::new(7).unwrap()
}

/// A key that a channel may use, pushed.
fn channel_key(bench: &mut Bench) -> KeyId {
    let a = bench.world().a.clone();
    let key = bench.world().channel_secret(&a, Metadata::NONE);
    assert_eq!(bench.push_key(&key).code, Code::CREATED);
    key.id
}

/// A channel that is not opened by itself, to an address where nobody is.
fn quiet(key: KeyId) -> ChannelDefinition {
    ChannelDefinition {
        open_immediately: false,
        ..definition(key, None, address("10.9.9.9:1"), Privileges::NONE)
    }
}

fn status(bench: &mut Bench, path: &str) -> Option<ChannelStatus> {
    let answer = bench.ask(Code::GET, path, b"");
    match answer.code {
        Code::CONTENT => Some(ChannelStatus::decode(&answer.payload).unwrap()),
        Code::NOT_FOUND => None,
        other => panic!("{other:?}"),
    }
}

// verifies: ASSURE-10.1.6-01, ASSURE-10.1.6-10, ASSURE-10.1.6-11, ASSURE-10.1.7-01, ASSURE-10.1.7-03
// verifies: ASSURE-10.1.7-04, ASSURE-10.1.11-01, ASSURE-10.1.11-02, ASSURE-10.1.11-04, ASSURE-10.1.11-13
// verifies: ASSURE-10.1.12-01, ASSURE-10.1.12-02
#[test]
fn channels_are_created_with_assigned_and_named_numbers() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let key = channel_key(&mut bench);
    let body = quiet(key).encode();
    for (method, number) in [(Code::PUT, 0x1_0000_u32), (Code::POST, 0x1_0001)] {
        let made = bench.ask(method, "v1/channels", &body);
        assert_eq!(made.code, Code::CREATED);
        assert_eq!(ChannelId::decode(&made.payload).map(ChannelId::number), Ok(number));
    }
    let made = bench.ask(Code::PUT, SEVEN, &body);
    assert_eq!((made.code, made.payload.as_slice()), (Code::CREATED, &[7][..]));
    let shown = status(&mut bench, SEVEN).unwrap();
    let expected = ChannelStatus { definition: quiet(key), id: seven(), state: ChannelState::Closed };
    assert_eq!(shown, expected);
    let list = bench.ask(Code::GET, "v1/channels", b"");
    let list = decode_channel_list(&list.payload).unwrap();
    let numbers: Vec<u32> = list.iter().map(|status| status.id.number()).collect();
    assert_eq!(numbers, [1, 7, 0x1_0000, 0x1_0001]);
    assert_eq!(list[0].state, ChannelState::Open, "the one we ask over");
    for bad in ["v1/channels/0", "v1/channels/65536", "v1/channels/x", "v1/channels/07", "v1/channels/-1"] {
        assert_eq!(bench.ask(Code::PUT, bad, &body).code, Code::BAD_REQUEST, "{bad}");
    }
}

// verifies: ASSURE-10.1.6-02, ASSURE-10.1.6-04, ASSURE-10.1.6-08, ASSURE-10.1.6-09, ASSURE-10-06
#[test]
fn malformed_and_unusable_definitions_are_refused() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let key = channel_key(&mut bench);
    let good = quiet(key);
    let disk = bench.device().disk.clone();
    let with = |change: fn(&mut ChannelDefinition)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed.encode()
    };
    let refused: [Vec<u8>; 7] = [
        b"\xff".to_vec(),
        good.encode()[..30].to_vec(),
        with(|definition| definition.local_key = KeyId([3; 16])),
        with(|definition| definition.peer_key = Some(KeyId([3; 16]))),
        with(|definition| definition.address = Address::Bluetooth { mac: [1; 6] }),
        with(|definition| definition.address = Address::Bacnet { network: None, address: vec![1] }),
        Vec::new(),
    ];
    for body in &refused {
        assert_eq!(bench.ask(Code::PUT, "v1/channels", body).code, Code::BAD_REQUEST, "{body:02x?}");
        assert_eq!(bench.ask(Code::PUT, SEVEN, body).code, Code::BAD_REQUEST);
    }
    assert_eq!(bench.device().disk, disk);
    let sixth = with(|definition| definition.further_flags = vec![true]);
    assert_eq!(bench.ask(Code::PUT, SEVEN, &sixth).code, Code::CREATED, "a sixth flag is tolerated");
    let text = Request::new(Code::PUT, SEVEN).with_payload(ContentFormat::TEXT, good.encode());
    assert_eq!(bench.ask_from(A, text).unwrap().code, Code::UNSUPPORTED_CONTENT_FORMAT);
    assert_eq!(bench.ask(Code::POST, SEVEN, &good.encode()).code, Code::METHOD_NOT_ALLOWED);
    assert_eq!(bench.ask(Code::DELETE, "v1/channels", b"").code, Code::METHOD_NOT_ALLOWED);
}

// verifies: ASSURE-10.1.6-13, ASSURE-10.1.7-03
#[test]
fn a_full_table_takes_no_more() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let key = channel_key(&mut bench);
    let body = quiet(key).encode();
    for _ in 0..CHANNEL_COUNT_MAX - 1 {
        assert_eq!(bench.ask(Code::PUT, "v1/channels", &body).code, Code::CREATED);
    }
    assert_eq!(bench.ask(Code::PUT, "v1/channels", &body).code, Code::REQUEST_ENTITY_TOO_LARGE);
    assert_eq!(bench.ask(Code::PUT, SEVEN, &body).code, Code::REQUEST_ENTITY_TOO_LARGE);
    assert_eq!(bench.ask(Code::DELETE, "v1/channels/65536", b"").code, Code::DELETED);
    assert_eq!(bench.ask(Code::PUT, SEVEN, &body).code, Code::CREATED, "one went");
    bench.cut_power();
    bench.power_on();
    bench.run_for(Duration::from_secs(5));
    let list = bench.ask(Code::GET, "v1/channels", b"");
    assert_eq!(decode_channel_list(&list.payload).unwrap().len(), CHANNEL_COUNT_MAX);
}

// verifies: ASSURE-10.1.6-14, ASSURE-10.1.6-07
#[test]
fn nobody_grants_what_he_lacks() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let only = Privileges { channel_management: true, ..Privileges::NONE };
    let (server, _) = bench.add_channel(7, only, "10.0.0.4:49683");
    let key = channel_key(&mut bench);
    for (granted, code) in [
        (Privileges { key_management: true, ..only }, Code::UNAUTHORIZED),
        (Privileges { system_management: true, ..Privileges::NONE }, Code::UNAUTHORIZED),
        (Privileges::ALL, Code::UNAUTHORIZED),
        (only, Code::CREATED),
        (Privileges::NONE, Code::CREATED),
    ] {
        let body = ChannelDefinition { privileges: granted, ..quiet(key) }.encode();
        let request = Request::new(Code::PUT, "v1/channels").with_payload(ContentFormat::CBOR, body.clone());
        assert_eq!(bench.ask_from(server, request).unwrap().code, code, "{granted:?}");
        if code == Code::UNAUTHORIZED {
            let own = Request::new(Code::PUT, SEVEN).with_payload(ContentFormat::CBOR, body);
            assert_eq!(bench.ask_from(server, own).unwrap().code, code, "not to itself either");
        }
    }
    assert_eq!(bench.device().state(seven()), Some(ChannelState::Open));
}

// verifies: ASSURE-10.1.6-12, ASSURE-10.1.7-03, ASSURE-10.1.8-03, ASSURE-10.1.9-03, ASSURE-10.1.10-05
// verifies: ASSURE-10.1.11-14, ASSURE-10.1.12-03, ASSURE-10-04, ASSURE-2.4-01, ASSURE-2.5-01
#[test]
fn a_channel_without_the_channel_privilege_may_do_nothing_with_channels() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let others = Privileges { channel_management: false, system_management: true, key_management: true };
    let (server, key) = bench.add_channel(7, others, "10.0.0.4:49683");
    let disk = bench.device().disk.clone();
    let body = quiet(key.id).encode();
    let with = |path: &str| Request::new(Code::PUT, path).with_payload(ContentFormat::CBOR, body.clone());
    let requests = [
        with("v1/channels"),
        with("v1/channels/9"),
        Request::new(Code::PUT, "v1/channels/1/open"),
        Request::new(Code::PUT, "v1/channels/1/close"),
        Request::new(Code::DELETE, SEVEN),
        Request::new(Code::GET, SEVEN),
        Request::new(Code::GET, "v1/channels"),
    ];
    for request in requests {
        let answer = bench.ask_from(server, request.clone()).unwrap();
        assert_eq!((answer.code, answer.payload.len()), (Code::UNAUTHORIZED, 0), "{request:?}");
    }
    assert_eq!(bench.device().disk, disk);
    assert_eq!(bench.device().state(ONE), Some(ChannelState::Open));
}

// verifies: ASSURE-10.1.8-01, ASSURE-10.1.8-02, ASSURE-10.1.8-04, ASSURE-10.1.8-05, ASSURE-10.1.11-05
// verifies: ASSURE-10.1.11-09, ASSURE-10.1.9-04, ASSURE-10.1.11-15
#[test]
fn opening_towards_nobody_ends_in_no_answer() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let key = channel_key(&mut bench);
    assert_eq!(bench.ask(Code::PUT, SEVEN, &quiet(key).encode()).code, Code::CREATED);
    assert_eq!(bench.device().state(seven()), Some(ChannelState::Closed));
    let told = bench.ask(Code::PUT, "v1/channels/7/open", b"");
    assert_eq!((told.code, told.payload.len()), (Code::CHANGED, 0));
    assert_eq!(status(&mut bench, SEVEN).unwrap().state, ChannelState::OpenRequested);
    bench.run_for(Duration::from_secs(121));
    assert_eq!(status(&mut bench, SEVEN).unwrap().state, ChannelState::NoAnswer);
    bench.run_for(Duration::from_secs(10));
    assert_eq!(bench.device().state(seven()), Some(ChannelState::OpenRequested), "it tries again");
    assert_eq!(bench.ask(Code::PUT, "v1/channels/7/close", b"").code, Code::CHANGED);
    assert_eq!(status(&mut bench, SEVEN).unwrap().state, ChannelState::Closed);
    bench.run_for(Duration::from_secs(600));
    assert_eq!(bench.device().state(seven()), Some(ChannelState::Closed), "and not after it was closed");
    for path in ["v1/channels/9999/open", "v1/channels/9999/close"] {
        assert_eq!(bench.ask(Code::PUT, path, b"").code, Code::NOT_FOUND);
    }
    assert_eq!(status(&mut bench, "v1/channels/9999"), None);
}

// verifies: ASSURE-10.1.9-01, ASSURE-10.1.9-02, ASSURE-10.1.9-05, ASSURE-10.1.11-07, ASSURE-10.1.11-08
#[test]
fn a_channel_is_closed_with_a_state_between() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let (server, _) = bench.add_channel(7, Privileges::NONE, "10.0.0.4:49683");
    let told = bench.ask(Code::PUT, "v1/channels/7/close", b"");
    assert_eq!((told.code, told.payload.len()), (Code::CHANGED, 0));
    assert_eq!(status(&mut bench, SEVEN).unwrap().state, ChannelState::Closing);
    bench.run_for(Duration::from_secs(3));
    assert_eq!(status(&mut bench, SEVEN).unwrap().state, ChannelState::Closed);
    let goodbye = dtls_proto::Closing::ByPeer(dtls_proto::Alert::CloseNotify);
    assert_eq!(bench.servers[server].ends, [coaps::End::Closed(goodbye)], "close_notify is seen");
    assert_eq!(bench.ask(Code::PUT, "v1/channels/7/open", b"").code, Code::CHANGED);
    bench.run_for(Duration::from_secs(1));
    assert_eq!(bench.device().state(seven()), Some(ChannelState::Open), "and opened anew");
}

// verifies: ASSURE-10.1.10-01, ASSURE-10.1.10-02, ASSURE-10.1.10-03, ASSURE-10.1.10-04, ASSURE-10.1.10-06
// verifies: ASSURE-10.1.10-07, ASSURE-10.1.7-02
#[test]
fn a_deleted_channel_is_seen_going() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let (server, key) = bench.add_channel(7, Privileges::NONE, "10.0.0.4:49683");
    assert_eq!(bench.ask(Code::DELETE, SEVEN, b"").code, Code::CHANGED, "it was open");
    assert_eq!(status(&mut bench, SEVEN).unwrap().state, ChannelState::Closing);
    bench.run_for(Duration::from_secs(3));
    assert_eq!(status(&mut bench, SEVEN), None);
    assert!(bench.servers[server].connected.is_empty());
    assert_eq!(bench.ask(Code::PUT, SEVEN, &quiet(key.id).encode()).code, Code::CREATED);
    assert_eq!(bench.ask(Code::DELETE, SEVEN, b"").code, Code::DELETED, "it was closed");
    assert_eq!(bench.ask(Code::DELETE, SEVEN, b"").code, Code::DELETED, "it is not there");
    assert_eq!(bench.ask(Code::DELETE, "v1/channels/1", b"").code, Code::FORBIDDEN, "defined by the image");
    let body = quiet(key.id).encode();
    assert_eq!(bench.ask(Code::PUT, "v1/channels/1", &body).code, Code::FORBIDDEN);
    assert_eq!(bench.device().state(ONE), Some(ChannelState::Open));
}

// verifies: ASSURE-10.1.10-04, ASSURE-10.1.10-07
#[test]
fn a_peer_that_deletes_its_own_channel_may_watch_but_change_nothing_more() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let (server, key) = bench.add_channel(7, Privileges::ALL, "10.0.0.4:49683");
    let deleted = bench.ask_from(server, Request::new(Code::DELETE, SEVEN)).unwrap();
    assert_eq!(deleted.code, Code::CHANGED, "the answer comes before the end");
    let watched = bench.ask_from(server, Request::new(Code::GET, SEVEN)).unwrap();
    assert_eq!(watched.code, Code::CONTENT);
    let body = quiet(key.id).encode();
    let late = Request::new(Code::PUT, "v1/channels/9").with_payload(ContentFormat::CBOR, body);
    assert_eq!(bench.ask_from(server, late).unwrap().code, Code::SERVICE_UNAVAILABLE);
    bench.run_for(Duration::from_secs(3));
    assert!(bench.servers[server].connected.is_empty());
    assert_eq!(status(&mut bench, "v1/channels/9"), None);
}

// verifies: ASSURE-10.1.7-02
#[test]
fn a_replaced_definition_ends_the_old_association_and_opens_the_new_one() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let (old, _) = bench.add_channel(7, Privileges::ALL, "10.0.0.4:49683");
    let a = bench.world().a.clone();
    let key = bench.world().channel_secret(&a, Metadata::NONE);
    assert_eq!(bench.push_key(&key).code, Code::CREATED);
    let to = address("10.0.0.5:49683");
    let next = server_of(bench.world(), to, key.id, Proof::named(key.id, key.key.secret()));
    bench.servers.push(next);
    let replaced = bench.ask(Code::PUT, SEVEN, &definition(key.id, None, to, Privileges::NONE).encode());
    assert_eq!((replaced.code, replaced.payload.as_slice()), (Code::CHANGED, &[7][..]));
    let reboot = bench.ask_from(old, Request::new(Code::PUT, "v1/reboot"));
    assert_eq!(
        reboot.map(|answer| answer.code),
        Some(Code::SERVICE_UNAVAILABLE),
        "the old peer is on its way out"
    );
    bench.run_for(Duration::from_secs(4));
    assert!(bench.servers[old].connected.is_empty());
    assert_eq!(bench.servers.last().unwrap().connected.len(), 1);
    let shown = status(&mut bench, SEVEN).unwrap();
    assert_eq!((shown.state, shown.definition.local_key), (ChannelState::Open, key.id));
}

// verifies: ASSURE-10.1.6-05
#[test]
fn only_persistent_channels_survive_a_reboot() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let key = channel_key(&mut bench);
    let fleeting = ChannelDefinition { persistent_across_reboots: false, ..quiet(key) };
    assert_eq!(bench.ask(Code::PUT, SEVEN, &fleeting.encode()).code, Code::CREATED);
    assert_eq!(bench.ask(Code::PUT, "v1/channels/8", &quiet(key).encode()).code, Code::CREATED);
    bench.cut_power();
    bench.power_on();
    bench.run_for(Duration::from_secs(5));
    assert_eq!(status(&mut bench, SEVEN), None);
    assert!(status(&mut bench, "v1/channels/8").is_some());
}
