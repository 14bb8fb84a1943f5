//! The management side of channels in memory.

use std::net::SocketAddr;
use std::time::Duration;

use assure_proto::{DeviceInfo, GoodbyeReason, PreciseTime, PskHint};
use clock::Timestamp;
use coap_front::channels::{
    ChannelCommand, ChannelEvent, OfflineReason, Order, OrderAnswer, OrderFailure, OrderId,
};
use coap_front::{Admission, AdmissionKey, Claim, Proven};
use coap_proto::{Busy, Code, ContentFormat, Failure, Request};
use crypto::Secret;
use dtls_proto::{Alert, Closing};
use model::{KeyId, Uuid};

use crate::client::{Client, ClientKey};
use crate::domain::{EC, Mood, RSA};
use crate::system::{ChannelWorld, Managed, SYSTEM, client, keyed, linked, world};
use crate::world::UNIX_MILLIS;

fn info_of(device: Uuid) -> DeviceInfo {
    DeviceInfo { software_version: "1.2".into(), ..DeviceInfo::only(device) }
}

fn put(device: Uuid, what: &str, payload: Vec<u8>) -> Request {
    Request::new(Code::PUT, &format!("/v1/devices/{device}/{what}"))
        .with_payload(ContentFormat::CBOR, payload)
}

fn order(id: u64, device: Uuid, path: &str) -> ChannelCommand {
    ChannelCommand::Order(Box::new(Order {
        id: OrderId(id),
        device,
        method: Code::GET,
        path: path.into(),
        queries: vec!["type=1".into()],
        payload: Vec::new(),
    }))
}

fn told(world: &ChannelWorld) -> Vec<ChannelEvent> {
    let is_question = |event: &&ChannelEvent| !matches!(event, ChannelEvent::WhoIs { .. });
    world.events.iter().filter(is_question).cloned().collect()
}

fn reports(world: &ChannelWorld) -> usize {
    let report =
        |event: &&ChannelEvent| matches!(event, ChannelEvent::Presence { .. } | ChannelEvent::Goodbye { .. });
    world.events.iter().filter(report).count()
}

fn outcome(world: &ChannelWorld, of: u64) -> Result<OrderAnswer, OrderFailure> {
    let mut found = world.events.iter().filter_map(|event| match event {
        ChannelEvent::OrderDone { id, outcome, .. } if id.0 == of => Some(outcome.clone()),
        _ => None,
    });
    let first = found.next().expect("the order is done");
    assert!(found.next().is_none(), "an order is done once");
    first
}

fn connected(managed: &Managed) -> (ChannelWorld, usize) {
    let mut world = world(&[managed]);
    let at = world.connect(client(1, managed));
    assert!(world.clients[at].summary.is_some(), "{:?}", world.clients[at].end);
    (world, at)
}

// verifies: ASSURE-8.3-04, ASSURE-8.3-06, ASSURE-8.3-08, ASSURE-8.4-08, ASSURE-8.4-09, ASSURE-8.4-10, ASSURE-8.4-11
// verifies: ASSURE-8.4-02
#[test]
fn devices_of_every_kind_come_online_and_meet_the_systems_name() {
    for (managed, hinted) in [(linked(1), true), (keyed(2, EC), false), (keyed(3, RSA), false)] {
        let (world, at) = connected(&managed);
        let proven = match &managed.admission.key {
            AdmissionKey::Secret { id, .. } => Proven::Link(*id),
            AdmissionKey::PublicKey { theirs, .. } => Proven::Key(theirs.clone()),
        };
        let address = world.clients[at].address;
        let online = ChannelEvent::Online { device: managed.uuid, address, proven, resumed: false };
        assert_eq!(told(&world), [online]);
        assert!(world.face.is_online(managed.uuid));
        assert_eq!(world.clients[at].server_name, Some(SYSTEM.0));
        let hint = world.clients[at].hint.as_deref().map(|hint| PskHint::decode(hint).unwrap());
        assert_eq!(hint, hinted.then(|| PskHint::KeyId(managed.admission.key.id())));
    }
}

// verifies: ASSURE-11.3-01, ASSURE-11.3.1-02, ASSURE-11.3.1-03
#[test]
fn presence_is_acknowledged_once_it_is_stored() {
    let managed = linked(1);
    let (mut world, at) = connected(&managed);
    let info = info_of(managed.uuid);
    world.owner.reports = Mood::Silent;
    world.ask(at, put(managed.uuid, "info", info.encode()));
    assert!(world.clients[at].answers.is_empty(), "not before it is stored");
    let Some(ChannelEvent::Presence { exchange, device, info: heard }) = world.events.last().cloned() else {
        panic!("no presence: {:?}", world.events)
    };
    assert_eq!((device, *heard.clone(), heard.encode()), (managed.uuid, info.clone(), info.encode()));
    let receipt = coap_front::channels::Receipt::Stored;
    world.command(ChannelCommand::Received { exchange, receipt });
    assert_eq!(world.clients[at].last_code(), Some(Code::CHANGED));
    assert!(world.clients[at].answers[0].as_ref().unwrap().payload.is_empty());
    world.command(ChannelCommand::Received { exchange, receipt });
    assert_eq!(world.clients[at].answers.len(), 1, "an answer given twice goes out once");
}

// verifies: ASSURE-11.3.1-04, ASSURE-11.3.2-09
#[test]
fn information_of_another_device_is_unauthorized_and_never_told() {
    let (managed, other) = (linked(1), linked(2));
    let (mut world, at) = connected(&managed);
    for request in [
        put(other.uuid, "info", info_of(other.uuid).encode()),
        put(other.uuid, "info", info_of(managed.uuid).encode()),
        put(managed.uuid, "info", info_of(other.uuid).encode()),
        put(other.uuid, "goodbye", vec![0]),
        Request::new(Code::PUT, "/v1/devices/no-uuid/goodbye").with_payload(ContentFormat::CBOR, [0]),
    ] {
        world.ask(at, request.clone());
        assert_eq!(world.clients[at].last_code(), Some(Code::UNAUTHORIZED), "{request:?}");
    }
    assert_eq!(reports(&world), 0);
    world.owner.given_away.insert(managed.uuid);
    world.ask(at, put(managed.uuid, "info", info_of(managed.uuid).encode()));
    assert_eq!(world.clients[at].last_code(), Some(Code::UNAUTHORIZED), "the owner says so too");
}

#[test]
fn malformed_reports_wrong_formats_and_unknown_paths_are_told_apart() {
    let managed = linked(1);
    let (mut world, at) = connected(&managed);
    let device = managed.uuid;
    let path = |what: &str| format!("/v1/devices/{device}/{what}");
    let cut = info_of(device).encode()[..20].to_vec();
    for (request, code) in [
        (put(device, "info", cut), Code::BAD_REQUEST),
        (put(device, "info", Vec::new()), Code::BAD_REQUEST),
        (put(device, "goodbye", vec![5]), Code::BAD_REQUEST),
        (put(device, "goodbye", vec![0, 0]), Code::BAD_REQUEST),
        (put(device, "other", vec![0]), Code::NOT_FOUND),
        (put(device, "info", vec![0]).with_query("x=1"), Code::BAD_OPTION),
        (Request::new(Code::POST, &path("info")), Code::METHOD_NOT_ALLOWED),
        (Request::new(Code::GET, &path("goodbye")), Code::METHOD_NOT_ALLOWED),
        (Request::new(Code::PUT, "/v1/timestamp"), Code::METHOD_NOT_ALLOWED),
        (
            Request::new(Code::PUT, &path("info")).with_payload(ContentFormat::JSON, *b"{}"),
            Code::UNSUPPORTED_CONTENT_FORMAT,
        ),
        (put(device, "info", vec![0; 70_000]), Code::REQUEST_ENTITY_TOO_LARGE),
    ] {
        world.ask(at, request.clone());
        world.run_for(Duration::from_secs(5));
        assert_eq!(world.clients[at].last_code(), Some(code), "{:?}", request.options);
    }
    assert_eq!(reports(&world), 0);
}

// verifies: ASSURE-11.3.2-08
#[test]
fn goodbye_is_acknowledged_and_says_why_the_device_went() {
    for reason in GoodbyeReason::ALL {
        let managed = linked(1);
        let (mut world, at) = connected(&managed);
        world.ask(at, put(managed.uuid, "goodbye", reason.encode()));
        assert_eq!(world.clients[at].last_code(), Some(Code::CHANGED));
        assert!(world.clients[at].answers[0].as_ref().unwrap().payload.is_empty());
        let (now, association) = (world.now(), world.clients[at].association.unwrap());
        world.clients[at].lines.close(association, now);
        world.run_for(Duration::from_secs(1));
        let offline = ChannelEvent::Offline { device: managed.uuid, reason: OfflineReason::Goodbye(reason) };
        assert_eq!(told(&world).last(), Some(&offline));
        assert!(!world.face.is_online(managed.uuid));
    }
}

#[test]
fn a_device_that_goes_without_a_word_is_offline_as_closed() {
    let managed = linked(1);
    let (mut world, at) = connected(&managed);
    let (now, association) = (world.now(), world.clients[at].association.unwrap());
    world.clients[at].lines.close(association, now);
    world.run_for(Duration::from_secs(1));
    let reason = OfflineReason::Closed(Closing::ByPeer(Alert::CloseNotify));
    assert_eq!(told(&world).last(), Some(&ChannelEvent::Offline { device: managed.uuid, reason }));
    world.reconnect(at);
    world.run_for(Duration::from_secs(24 * 60 * 60));
    let silent = ChannelEvent::Offline { device: managed.uuid, reason: OfflineReason::Silent };
    assert_eq!(told(&world).last(), Some(&silent));
}

// verifies: ASSURE-11.4.1-01, ASSURE-11.4.1-05
#[test]
fn the_time_is_told_when_it_is_known() {
    let managed = linked(1);
    let (mut world, at) = connected(&managed);
    let events = world.events.len();
    let ask = Request::new(Code::GET, "/v1/timestamp");
    world.ask(at, ask.clone());
    let answer = world.clients[at].answers.last().unwrap().as_ref().unwrap();
    assert_eq!(answer.code, Code::CONTENT);
    let time = PreciseTime::decode(&answer.payload).unwrap();
    assert_eq!(time.timestamp(), Timestamp::from_unix_millis(UNIX_MILLIS));
    world.utc_known = false;
    world.ask(at, ask);
    assert_eq!(world.clients[at].last_code(), Some(Code::SERVICE_UNAVAILABLE));
    assert_eq!(world.events.len(), events, "nobody else is asked");
}

// verifies: ASSURE-8.3-01
#[test]
fn orders_reach_the_device_over_its_own_association() {
    let managed = keyed(2, EC);
    let (mut world, at) = connected(&managed);
    world.command(order(7, managed.uuid, "/v1/keys"));
    let answer = OrderAnswer { code: Code::CONTENT, payload: b"v1/keys".to_vec() };
    assert_eq!(outcome(&world, 7), Ok(answer));
    let asked = &world.clients[at].asked[0];
    assert_eq!(asked.options().queries().collect::<Vec<_>>(), [b"type=1"]);
    world.command(ChannelCommand::Order(Box::new(Order {
        id: OrderId(8),
        device: managed.uuid,
        method: Code::PUT,
        path: "/v1/keys/x".into(),
        queries: Vec::new(),
        payload: vec![1; 3000],
    })));
    assert!(outcome(&world, 8).is_ok());
    let asked = &world.clients[at].asked[1];
    assert_eq!((asked.method, asked.payload.len()), (Code::PUT, 3000));
    assert_eq!(asked.options().content_format(), Some(ContentFormat::CBOR));
}

#[test]
fn orders_that_cannot_be_done_say_so_once() {
    let managed = linked(1);
    let (mut world, at) = connected(&managed);
    world.command(order(1, Uuid([7; 16]), "/v1/keys"));
    assert_eq!(outcome(&world, 1), Err(OrderFailure::NotConnected));
    world.loses = Box::new(|_| true);
    for id in 10..30 {
        world.command(order(id, managed.uuid, "/v1/keys"));
    }
    assert_eq!(outcome(&world, 29), Err(OrderFailure::Busy(Busy::TooManyRequests)), "the line is bounded");
    world.run_for(Duration::from_secs(100));
    assert_eq!(outcome(&world, 10), Err(OrderFailure::Failed(Failure::NotAcknowledged)));
    world.loses = Box::new(|_| false);
    world.command(ChannelCommand::Drop { device: managed.uuid });
    assert_eq!(outcome(&world, 20), Err(OrderFailure::Failed(Failure::PeerForgotten)));
    assert_eq!(world.clients[at].alert(), Some(Alert::CloseNotify));
}

// verifies: TS-M4, ASSURE-8.3-03, ASSURE-8.3-07, ASSURE-8.4-07
#[test]
fn ts_m4_names_identities_and_keys_must_name_one_device() {
    let (x, y) = (linked(1), linked(2));
    let (ec_x, ec_y) = (keyed(3, EC), keyed(4, EC));
    let mut world = world(&[&x, &y, &ec_x, &ec_y]);
    let as_y = Client::new(1, Some(y.uuid), x.key.clone());
    let as_ec_y = Client::new(2, Some(ec_y.uuid), ec_x.key.clone());
    // the secret of X under the identity of Y's key, and Y's name
    let ClientKey::Shared(_, secret) = &x.key else { unreachable!() };
    let forged = Client::new(3, Some(y.uuid), ClientKey::Shared(y.admission.key.id(), secret.clone()));
    let unlisted = Client::new(4, Some(Uuid([9; 16])), x.key.clone());
    let nobodys = Client::new(5, None, ClientKey::Shared(KeyId([1; 16]), Secret::new(vec![1; 32])));
    for (case, client) in [as_y, as_ec_y, unlisted, nobodys].into_iter().enumerate() {
        let at = world.connect(client);
        assert_eq!(world.clients[at].alert(), Some(Alert::AccessDenied), "{case}");
    }
    let at = world.connect(forged);
    world.run_for(Duration::from_secs(130));
    assert!(world.clients[at].summary.is_none(), "Finished does not verify");
    assert!(told(&world).is_empty(), "nobody came online: {:?}", told(&world));
    assert_eq!(world.face.counters().0.mismatched, 2);
}

// verifies: ASSURE-8.3-04, ASSURE-8.4-07
#[test]
fn without_a_name_the_proven_key_says_who_it_is() {
    for managed in [linked(1), keyed(2, EC), keyed(3, RSA)] {
        let mut world = world(&[&managed]);
        let at = world.connect(Client::new(1, None, managed.key.clone()));
        assert!(world.face.is_online(managed.uuid));
        assert_eq!((world.clients[at].hint.clone(), world.clients[at].server_name), (None, None));
        world.ask(at, put(managed.uuid, "info", info_of(managed.uuid).encode()));
        assert_eq!(world.clients[at].last_code(), Some(Code::CHANGED));
    }
}

fn resumable(managed: &Managed) -> (ChannelWorld, usize) {
    let mut world = world(&[managed]);
    world.clients.push(client(1, managed));
    resume(&mut world, 0);
    assert!(world.clients[0].ticket.is_some());
    (world, 0)
}

fn resume(world: &mut ChannelWorld, at: usize) {
    let now = world.now();
    world.clients[at].connect_resuming(crate::world::server(), now);
    world.run_for(Duration::from_secs(1));
}

// verifies: TS-M5
#[test]
fn a_ticket_is_authorised_again_and_then_stands_for_the_handshake() {
    for managed in [linked(1), keyed(2, EC)] {
        let (mut world, at) = resumable(&managed);
        let asked = world.events.len();
        resume(&mut world, at);
        assert!(world.clients[at].summary.as_ref().unwrap().resumed);
        let question = &world.events[asked];
        assert!(
            matches!(question, ChannelEvent::WhoIs { claim: Claim::Device(device), .. } if *device == managed.uuid),
            "{question:?}"
        );
        assert!(matches!(told(&world).last(), Some(ChannelEvent::Online { resumed: true, .. })));
    }
}

// verifies: TS-M5
#[test]
fn ts_m5_a_ticket_dies_with_the_owner_sequence_and_with_the_key() {
    let managed = linked(1);
    let changes: [fn(&mut Admission); 2] =
        [|admission| admission.owner_sequence = Some(2), |admission| admission.owner_sequence = None];
    for change in changes {
        let (mut world, at) = resumable(&managed);
        change(world.owner.devices.get_mut(&managed.uuid).unwrap());
        resume(&mut world, at);
        assert!(!world.clients[at].summary.as_ref().unwrap().resumed, "a full handshake instead");
    }
    // another key: the old secret no longer opens anything
    let (mut world, at) = resumable(&managed);
    let id = KeyId([0x44; 16]);
    world.owner.devices.get_mut(&managed.uuid).unwrap().key =
        AdmissionKey::Secret { id, secret: Secret::new(vec![4; 32]), hint: PskHint::KeyId(id) };
    resume(&mut world, at);
    assert!(world.clients[at].summary.is_none());
    assert_eq!(world.clients[at].alert(), Some(Alert::AccessDenied));
    // no device of ours any more
    let (mut world, at) = resumable(&managed);
    world.owner.devices.clear();
    resume(&mut world, at);
    assert_eq!(world.clients[at].alert(), Some(Alert::AccessDenied));
    // a ticket of X under the name of Y
    let other = linked(2);
    let (mut world, at) = resumable(&managed);
    world.owner.devices.insert(other.uuid, other.admission.clone());
    world.clients[at].name = Some(other.uuid);
    resume(&mut world, at);
    assert_eq!(world.clients[at].alert(), Some(Alert::AccessDenied));
}

// verifies: TS-M5
#[test]
fn ts_m5_dropping_ends_associations_handshakes_and_answers_of_yesterday() {
    let managed = linked(1);
    let (mut world, at) = connected(&managed);
    world.command(ChannelCommand::Drop { device: managed.uuid });
    assert_eq!(world.clients[at].alert(), Some(Alert::CloseNotify));
    let dropped = ChannelEvent::Offline { device: managed.uuid, reason: OfflineReason::Dropped };
    assert_eq!(told(&world).last(), Some(&dropped));
    // the question was asked before, its answer comes after
    world.owner.look_ups = Mood::Silent;
    world.reconnect(at);
    let Some(ChannelEvent::WhoIs { association, .. }) = world.events.last().cloned() else { panic!() };
    let now = world.now();
    world.face.command(ChannelCommand::Drop { device: managed.uuid }, now);
    let admission = Box::new(managed.admission.clone());
    world.face.command(ChannelCommand::Known { association, admission }, now);
    world.run_for(Duration::from_millis(500));
    assert!(world.clients[at].summary.is_none());
    // a handshake that is past the question
    world.owner.look_ups = Mood::Answers;
    world.clients.clear();
    world.clients.push(client(5, &managed));
    let mut heard = 0;
    world.loses = Box::new(move |datagram| {
        heard += usize::from(datagram.first() == Some(&0x16));
        heard > 4
    });
    world.reconnect(0);
    assert!(world.clients[0].summary.is_none() && !world.face.is_online(managed.uuid));
    world.loses = Box::new(|_| false);
    world.command(ChannelCommand::Drop { device: managed.uuid });
    assert_eq!(world.clients[0].alert(), Some(Alert::AccessDenied));
}

// verifies: ASSURE-8.1-02, ASSURE-12.2-03
#[test]
fn an_association_follows_its_device_to_a_new_port() {
    let managed = linked(1);
    let (mut world, at) = connected(&managed);
    let summary = world.clients[at].summary.clone().unwrap();
    assert_eq!(summary.peer_connection_id.map(|id| id.len()), Some(8));
    assert!(summary.extended_master_secret);
    world.clients[at].address = SocketAddr::from(([10, 0, 0, 77], 4242));
    world.ask(at, put(managed.uuid, "info", info_of(managed.uuid).encode()));
    assert_eq!(world.clients[at].last_code(), Some(Code::CHANGED));
    world.command(order(3, managed.uuid, "/v1/info"));
    assert!(outcome(&world, 3).is_ok(), "calls follow it too");
    assert!(world.face.is_online(managed.uuid));
}

#[test]
fn a_newer_association_replaces_the_older_without_an_offline() {
    let managed = linked(1);
    let (mut world, first) = connected(&managed);
    let second = world.connect(client(2, &managed));
    assert_eq!(world.clients[first].alert(), Some(Alert::CloseNotify));
    assert!(told(&world).iter().all(|event| matches!(event, ChannelEvent::Online { .. })));
    world.command(order(1, managed.uuid, "/v1/info"));
    assert_eq!((world.clients[first].asked.len(), world.clients[second].asked.len()), (0, 1));
}

#[test]
fn a_full_owner_hears_outcomes_and_the_newest_whereabouts_later() {
    let (managed, other) = (linked(1), linked(2));
    let (mut world, at) = connected(&managed);
    world.owner.devices.insert(other.uuid, other.admission.clone());
    world.owner.notices = Mood::Full;
    world.command(order(1, managed.uuid, "/v1/info"));
    let second = world.connect(client(2, &other));
    for _ in 0..5 {
        let (now, association) = (world.now(), world.clients[at].association.unwrap());
        world.clients[at].lines.close(association, now);
        world.run_for(Duration::from_secs(1));
        world.reconnect(at);
    }
    assert_eq!(told(&world).len(), 1, "only the first coming online");
    let (now, association) = (world.now(), world.clients[second].association.unwrap());
    world.clients[second].lines.close(association, now);
    world.run_for(Duration::from_secs(1));
    world.owner.notices = Mood::Answers;
    world.run_for(Duration::from_secs(1));
    let later = told(&world)[1..].to_vec();
    let [done, online, offline] = &later[..] else { panic!("{later:?}") };
    assert!(matches!(done, ChannelEvent::OrderDone { outcome: Ok(_), .. }), "{done:?}");
    assert!(matches!(online, ChannelEvent::Online { device, .. } if *device == managed.uuid), "{online:?}");
    assert!(matches!(offline, ChannelEvent::Offline { device, .. } if *device == other.uuid), "{offline:?}");
    world.owner.reports = Mood::Full;
    world.ask(at, put(managed.uuid, "info", info_of(managed.uuid).encode()));
    assert_eq!(world.clients[at].last_code(), Some(Code::SERVICE_UNAVAILABLE));
    assert_eq!(world.face.counters().0.requests_refused, 1);
}

// verifies: ASSURE-11.3-01, ASSURE-8.1-01
#[test]
fn plain_coap_gets_no_answer_on_the_channel_port() {
    let managed = linked(1);
    let (mut world, _) = connected(&managed);
    let plain = coap_proto::store_request(1, Code::GET, "/v1/timestamp", &[], ContentFormat::CBOR, &[]);
    world.inject(SocketAddr::from(([10, 9, 9, 9], 5683)), &plain);
    let known = world.clients[0].address;
    world.inject(known, &plain);
    world.run_for(Duration::from_secs(5));
    assert!(world.elsewhere.is_empty() && world.clients[0].answers.is_empty());
}

#[test]
fn repeated_datagrams_are_heard_once() {
    let managed = linked(1);
    let (mut world, at) = connected(&managed);
    world.arrived.clear();
    world.ask(at, put(managed.uuid, "info", info_of(managed.uuid).encode()));
    for (from, datagram) in world.arrived.clone() {
        world.inject(from, &datagram);
    }
    world.run_for(Duration::from_secs(1));
    assert_eq!(reports(&world), 1);
    assert_eq!(world.clients[at].answers.len(), 1);
}
