//! The bootstrap API in memory.

use std::net::SocketAddr;
use std::time::Duration;

use assure_proto::{PskHint, encode_psk_identity};
use clock::Dice;
use coap_front::Claim;
use coap_front::bootstrap::{BootstrapCommand, BootstrapEvent, BootstrapSetup, ImageAnswer};
use coap_proto::{Code, ContentFormat, Request};
use coaps::End;
use dtls_proto::{Alert, CipherSuite, Closing, PeerProof};
use model::Uuid;

use crate::client::{Client, ClientKey};
use crate::domain::{
    BootstrapWorld, EC, EC_ID, Made, Mood, RSA, RSA_ID, class_3_keys, image, keyed_device, secret_device,
    world, world_with,
};

fn get(device: Uuid) -> Request {
    Request::new(Code::GET, &format!("/v1/devices/{device}/bootstrap")).accepting(ContentFormat::CBOR)
}

fn client(number: u8, made: &Made) -> Client {
    Client::new(number, Some(made.uuid), made.key.clone())
}

fn payload(world: &BootstrapWorld, at: usize) -> &[u8] {
    &world.clients[at].answers.last().unwrap().as_ref().unwrap().payload
}

fn claims(world: &BootstrapWorld) -> Vec<Claim> {
    let claim = |event: &BootstrapEvent| match event {
        BootstrapEvent::LookUp { claim, .. } => Some(claim.clone()),
        BootstrapEvent::GetImage { .. } => None,
    };
    world.events.iter().filter_map(claim).collect()
}

fn images_asked(world: &BootstrapWorld) -> usize {
    world.events.iter().filter(|event| matches!(event, BootstrapEvent::GetImage { .. })).count()
}

// verifies: ASSURE-9.4-01, ASSURE-9.4.1-02, ASSURE-9.4.1-04, ASSURE-15.3-02, ASSURE-8.4-09, ASSURE-8.4-10
#[test]
fn a_device_with_a_secret_gets_its_image_by_the_hinted_key() {
    let made = secret_device(1, 1);
    let mut world = world(&[&made]);
    let at = world.connect(client(1, &made));
    world.ask(at, get(made.uuid));
    assert_eq!(world.clients[at].last_code(), Some(Code::CONTENT));
    assert_eq!(payload(&world, at), image(made.uuid), "byte for byte, over several blocks");
    assert_eq!(images_asked(&world), 1, "blocks are not asked of the domain");
    let hint = world.clients[at].hint.clone().unwrap();
    let Ok(PskHint::Definitions(chain)) = PskHint::decode(&hint) else { panic!("no definitions") };
    assert_eq!(chain.len(), 1);
    assert_eq!(hint.len(), 124, "the single form, not a list of one");
    assert_eq!(world.clients[at].server_name, Some(chain[0].id().0), "the name is the class 3 id");
    assert!(world.clients[at].summary.as_ref().unwrap().extended_master_secret);
}

// verifies: ASSURE-15.3-02, ASSURE-15.3-03
#[test]
fn a_longer_chain_is_hinted_in_order_from_the_device_key() {
    let made = secret_device(2, 2);
    let mut world = world(&[&made]);
    let at = world.connect(client(1, &made));
    world.ask(at, get(made.uuid));
    assert_eq!(payload(&world, at), image(made.uuid));
    let hint = PskHint::decode(world.clients[at].hint.as_deref().unwrap());
    let Ok(PskHint::Definitions(chain)) = hint else { panic!("no definitions") };
    let references: Vec<_> = chain.iter().map(|key| key.derivations()[0].reference).collect();
    assert_eq!(references, [made.uuid.into(), chain[0].id()]);
}

// verifies: ASSURE-9.4.1-02, ASSURE-8.3-04, ASSURE-8.3-06, ASSURE-8.3-08, TS-M6
#[test]
fn devices_with_keys_meet_the_class_3_key_of_their_kind() {
    let (_, our_ec, our_rsa) = class_3_keys();
    for (kind, name, ours, suite) in [
        (EC, EC_ID, our_ec, CipherSuite::EcdheEcdsaAes128Ccm8),
        (RSA, RSA_ID, our_rsa, CipherSuite::EcdheRsaAes128GcmSha256),
    ] {
        let made = keyed_device(3, kind);
        let mut world = world(&[&made]);
        let at = world.connect(client(1, &made));
        world.ask(at, get(made.uuid));
        assert_eq!(payload(&world, at), image(made.uuid));
        assert_eq!(world.clients[at].server_name, Some(name.0));
        assert_eq!(*world.clients[at].proof_of_server(), PeerProof::RawKey(ours.public().clone()));
        assert_eq!(world.clients[at].summary.as_ref().unwrap().suite, suite);
    }
}

// verifies: ASSURE-9.4.1-01, ASSURE-14.7-05
#[test]
fn without_an_image_the_answer_is_empty_content() {
    let made = secret_device(1, 1);
    let mut world = world(&[&made]);
    world.owner.images.clear();
    let at = world.connect(client(1, &made));
    world.ask(at, get(made.uuid));
    assert_eq!(world.clients[at].last_code(), Some(Code::CONTENT));
    assert_eq!(payload(&world, at), b"");
}

// verifies: ASSURE-9.4.1-03, ASSURE-9.4.1-05
#[test]
fn another_device_and_no_device_are_forbidden_without_payload() {
    let (made, other) = (secret_device(1, 1), secret_device(2, 1));
    for path in [other.uuid.to_string(), Uuid([7; 16]).to_string(), "no-uuid".to_owned()] {
        let mut world = world(&[&made, &other]);
        let at = world.connect(client(1, &made));
        world.ask(at, Request::new(Code::GET, &format!("/v1/devices/{path}/bootstrap")));
        assert_eq!(world.clients[at].last_code(), Some(Code::FORBIDDEN), "{path}");
        assert_eq!(payload(&world, at), b"");
    }
}

// verifies: ASSURE-8.3-03, ASSURE-8.4-07, ASSURE-9.4.1-02
#[test]
fn unknown_names_are_denied_before_any_hint() {
    let (made, stranger) = (secret_device(1, 1), secret_device(2, 1));
    let mut world = world(&[&made]);
    let at = world.connect(client(1, &stranger));
    assert_eq!(world.clients[at].alert(), Some(Alert::AccessDenied));
    assert_eq!(world.clients[at].hint, None);
    assert_eq!(claims(&world), [Claim::Device(stranger.uuid)]);
    assert_eq!(world.face.counters().0.denied, 1);
    assert_eq!(world.face.association_count(), 0);
}

// verifies: TS-M4, ASSURE-8.4-07, ASSURE-8.3-07
#[test]
fn ts_m4_x_does_not_connect_as_y() {
    let (x, y) = (secret_device(1, 1), secret_device(2, 1));
    let mut world = world(&[&x, &y]);
    // Y's name, X's class 3 secret and id: X has them from a session of its own
    let own = world.connect(client(1, &x));
    let key = match &x.issued {
        coap_front::bootstrap::IssuedKey::Secret { chain, secret } => {
            ClientKey::Shared(chain[0].id(), secret.clone())
        }
        coap_front::bootstrap::IssuedKey::PublicKey(_) => unreachable!(),
    };
    assert!(world.clients[own].summary.is_some());
    let at = world.connect(Client::new(2, Some(y.uuid), key.clone()));
    assert_eq!(world.clients[at].alert(), Some(Alert::AccessDenied));
    assert!(world.clients[at].summary.is_none());
    // X's name, X's secret, another identity
    let mut wrong = Client::new(3, Some(x.uuid), key);
    wrong.identity = Some(encode_psk_identity(&y.uuid.into()).into_bytes());
    let at = world.connect(wrong);
    assert_eq!(world.clients[at].alert(), Some(Alert::AccessDenied));
    // Y's name, a key of X
    let (x, y) = (keyed_device(3, EC), keyed_device(4, EC));
    world.owner.devices.extend([(x.uuid, x.issued.clone()), (y.uuid, y.issued.clone())]);
    let at = world.connect(Client::new(4, Some(y.uuid), x.key.clone()));
    assert_eq!(world.clients[at].alert(), Some(Alert::AccessDenied));
    assert_eq!(world.face.counters().0.mismatched, 3);
    assert_eq!(images_asked(&world), 0);
}

// verifies: ASSURE-8.3-03, ASSURE-8.3-04, ASSURE-8.4-07
#[test]
fn a_client_without_a_name_is_the_owner_of_its_proven_key() {
    let (secret, ec, rsa) = (secret_device(1, 1), keyed_device(2, EC), keyed_device(3, RSA));
    let mut world = world(&[&secret, &ec, &rsa]);
    let coap_front::bootstrap::IssuedKey::Secret { chain, secret: shared } = &secret.issued else { panic!() };
    let shared = ClientKey::Shared(chain[0].id(), shared.clone());
    for (number, made, key) in [(1, &secret, shared), (2, &ec, ec.key.clone()), (3, &rsa, rsa.key.clone())] {
        let at = world.connect(Client::new(number, None, key));
        assert_eq!(world.clients[at].hint, None, "no hint without a name");
        assert_eq!(world.clients[at].server_name, None, "no name without a name");
        world.ask(at, get(made.uuid));
        assert_eq!(payload(&world, at), image(made.uuid));
    }
    assert!(matches!(claims(&world)[..], [Claim::Secret(_), Claim::PublicKey(_), Claim::PublicKey(_)]));
    let stranger = keyed_device(9, EC);
    let at = world.connect(Client::new(9, None, stranger.key));
    assert_eq!(world.clients[at].alert(), Some(Alert::AccessDenied), "a key that nobody owns");
}

// verifies: ASSURE-15.4-06
#[test]
fn a_session_serves_one_get_and_is_not_resumed() {
    let made = secret_device(1, 1);
    let mut world = world(&[&made]);
    world.clients.push(client(1, &made));
    let now = world.now();
    world.clients[0].connect_resuming(crate::world::server(), now);
    world.run_for(Duration::from_secs(1));
    assert!(world.clients[0].summary.is_some());
    assert!(world.clients[0].ticket.is_none(), "none is given, though one was asked for (M5)");
    world.ask(0, get(made.uuid));
    assert_eq!(world.clients[0].last_code(), Some(Code::CONTENT));
    world.ask(0, get(made.uuid).with_payload(ContentFormat::CBOR, [0]));
    assert_eq!(world.clients[0].last_code(), Some(Code::FORBIDDEN));
    assert_eq!(images_asked(&world), 1);
}

// verifies: ASSURE-14.1-03
#[test]
fn other_methods_paths_formats_and_queries_are_told_apart() {
    let made = secret_device(1, 1);
    let path = format!("/v1/devices/{}/bootstrap", made.uuid);
    for (request, code) in [
        (Request::new(Code::POST, &path), Code::METHOD_NOT_ALLOWED),
        (Request::new(Code::PUT, &path), Code::METHOD_NOT_ALLOWED),
        (Request::new(Code::DELETE, &path), Code::METHOD_NOT_ALLOWED),
        (Request::new(Code::GET, "/v1/devices"), Code::NOT_FOUND),
        (Request::new(Code::GET, "/.well-known/core"), Code::NOT_FOUND),
        (Request::new(Code::GET, &path).with_query("contest=1"), Code::BAD_OPTION),
        (Request::new(Code::GET, &path).accepting(ContentFormat::JSON), Code::NOT_ACCEPTABLE),
        (Request::new(Code::GET, &path).accepting(ContentFormat::OCTET_STREAM), Code::CONTENT),
    ] {
        let mut world = world(&[&made]);
        let at = world.connect(client(1, &made));
        world.ask(at, request.clone());
        assert_eq!(world.clients[at].last_code(), Some(code), "{request:?}");
        assert_eq!(images_asked(&world), usize::from(code == Code::CONTENT));
    }
}

#[test]
fn a_server_that_is_unable_says_when_to_come_again_and_serves_then() {
    let made = secret_device(1, 1);
    let mut world = world(&[&made]);
    world.owner.requests = Mood::Unable;
    let at = world.connect(client(1, &made));
    world.ask(at, get(made.uuid));
    let busy = world.clients[at].answers.last().unwrap().as_ref().unwrap();
    assert_eq!((busy.code, busy.options.view().max_age_secs()), (Code::SERVICE_UNAVAILABLE, 30));
    world.owner.requests = Mood::Full;
    world.ask(at, get(made.uuid));
    assert_eq!(world.clients[at].last_code(), Some(Code::SERVICE_UNAVAILABLE), "a full queue says the same");
    world.owner.requests = Mood::Answers;
    world.ask(at, get(made.uuid));
    assert_eq!(payload(&world, at), image(made.uuid));
}

#[test]
fn images_survive_a_bad_network_and_are_asked_for_once() {
    for run in 0..20 {
        let made = secret_device(1, 1);
        let mut world = world(&[&made]);
        let mut dice = Dice::numbered(run);
        world.loses = Box::new(move |_| dice.below(5) == 0);
        let at = world.connect(client(1, &made));
        world.run_for(Duration::from_secs(25));
        if world.clients[at].summary.is_none() {
            continue;
        }
        let now = world.now();
        world.clients[at].ask(get(made.uuid), now);
        world.run_for(Duration::from_secs(59));
        if world.clients[at].last_code() == Some(Code::CONTENT) {
            assert_eq!(payload(&world, at), image(made.uuid), "{run}");
        }
        assert!(images_asked(&world) <= 1, "{run}");
    }
}

#[test]
fn late_and_unasked_answers_change_nothing() {
    let made = secret_device(1, 1);
    let mut world = world(&[&made]);
    world.owner.look_ups = Mood::Silent;
    let at = world.connect(client(1, &made));
    let Some(BootstrapEvent::LookUp { association, .. }) = world.events.first().cloned() else { panic!() };
    assert!(world.clients[at].summary.is_none());
    world.run_for(Duration::from_secs(11));
    assert_eq!(world.face.counters().0.look_ups_late, 1);
    let known = || BootstrapCommand::Known { association, device: made.uuid, key: made.issued.clone() };
    let before = world.face.association_count();
    world.command(known());
    assert_eq!(world.face.association_count(), before, "nobody waits for it any more");
    // the client's repeated hello has begun a new handshake, which is answered in time
    world.owner.look_ups = Mood::Answers;
    world.run_for(Duration::from_secs(60));
    assert!(world.clients[at].summary.is_some());
    world.command(known());
    world.ask(at, get(made.uuid));
    let Some(BootstrapEvent::GetImage { exchange, .. }) = world.events.last().cloned() else { panic!() };
    world.command(BootstrapCommand::Answer { exchange, answer: ImageAnswer::Forbidden });
    assert_eq!(payload(&world, at), image(made.uuid), "the first answer stands");
}

#[test]
fn a_full_or_failing_owner_costs_a_handshake_and_no_more() {
    let made = secret_device(1, 1);
    let mut world = world(&[&made]);
    world.owner.look_ups = Mood::Full;
    let at = world.connect(client(1, &made));
    assert_eq!(world.face.association_count(), 0, "forgotten without a word");
    assert_eq!(world.clients[at].end, None);
    world.owner.look_ups = Mood::Answers;
    world.run_for(Duration::from_secs(10));
    assert!(world.clients[at].summary.is_some(), "the repeated hello was heard");
    world.owner.look_ups = Mood::Unable;
    let at = world.connect(client(2, &made));
    assert_eq!(world.clients[at].alert(), Some(Alert::InternalError));
}

#[test]
fn a_device_has_one_association_and_the_newer_proof_counts() {
    let made = secret_device(1, 1);
    let mut world = world(&[&made]);
    let first = world.connect(client(1, &made));
    let second = world.connect(client(2, &made));
    assert_eq!(world.clients[first].alert(), Some(Alert::CloseNotify));
    assert_eq!(world.face.association_count(), 1);
    // somebody who only names the device ends nothing
    let third = world.connect(Client::new(3, Some(made.uuid), keyed_device(9, EC).key));
    assert!(world.clients[third].end.is_some());
    world.ask(second, get(made.uuid));
    assert_eq!(payload(&world, second), image(made.uuid));
}

#[test]
fn sessions_end_after_an_idle_minute_and_at_their_age() {
    let made = secret_device(1, 1);
    let mut world = world(&[&made]);
    let at = world.connect(client(1, &made));
    world.run_for(Duration::from_secs(57));
    assert_eq!(world.clients[at].end, None);
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.clients[at].end, Some(End::Closed(Closing::ByPeer(Alert::CloseNotify))));
    world.reconnect(at);
    for _ in 0..40 {
        world.ask(at, Request::new(Code::GET, "/nothing"));
        world.run_for(Duration::from_secs(28));
        if world.clients[at].end.is_some() {
            break;
        }
    }
    assert_eq!(world.clients[at].alert(), Some(Alert::CloseNotify), "however busy it was");
}

// verifies: ASSURE-8.1-01, ASSURE-9.4-01
#[test]
fn plain_coap_and_noise_get_no_answer() {
    let made = secret_device(1, 1);
    let mut world = world(&[&made]);
    let stranger = SocketAddr::from(([10, 9, 9, 9], 5683));
    let plain = coap_proto::store_request(
        1,
        Code::GET,
        &format!("/v1/devices/{}/bootstrap", made.uuid),
        &[],
        ContentFormat::CBOR,
        &[],
    );
    for datagram in [&plain[..], &[], &[0x16], &[0x16, 0xfe, 0xfd], &[0x40, 0, 0, 1], &[0xff; 1500]] {
        world.inject(stranger, datagram);
    }
    world.run_for(Duration::from_secs(5));
    assert!(world.elsewhere.is_empty(), "{:?}", world.elsewhere);
    assert!(world.events.is_empty());
    assert_eq!(world.face.association_count(), 0);
}

// verifies: ASSURE-8.4-16
#[test]
fn a_flood_of_handshakes_is_bounded_and_passes() {
    let made = secret_device(1, 1);
    let mut limits = BootstrapSetup::LIMITS;
    (limits.handshake_count_max, limits.handshakes_per_net_max) = (8, 8);
    limits.look_up_count_max = 8;
    let mut world = world_with(limits, &[&made]);
    // hellos without a cookie leave nothing behind
    let mut hellos = Vec::new();
    world.loses = Box::new(|_| true);
    for number in 1..=40 {
        world.clients.push(client(number, &made));
        let now = world.now();
        let at = world.clients.len() - 1;
        world.clients[at].connect(crate::world::server(), now);
        hellos.extend(world.clients[at].drain(now).into_iter().map(|(_, hello)| hello));
    }
    for (number, hello) in hellos.iter().enumerate() {
        world.inject(SocketAddr::from(([10, 1, 1, number as u8], 9)), hello);
    }
    assert_eq!(world.face.association_count(), 0);
    assert!(world.events.is_empty());
    // reachable strangers that name a device and go no further
    world.owner.look_ups = Mood::Silent;
    world.loses = Box::new(|_| false);
    world.run_for(Duration::from_secs(4));
    assert!(world.face.association_count() <= 8, "{}", world.face.association_count());
    assert!(world.events.len() <= 8);
    assert!(world.face.counters().1.over_limit > 0);
    // they fall silent; an honest device gets in
    world.clients.clear();
    world.owner.look_ups = Mood::Answers;
    world.run_for(Duration::from_secs(31));
    let at = world.connect(client(99, &made));
    assert!(world.clients[at].summary.is_some());
}

#[test]
fn open_questions_are_bounded_and_the_others_forgotten() {
    let made = secret_device(1, 1);
    let mut limits = BootstrapSetup::LIMITS;
    limits.look_up_count_max = 2;
    let mut world = world_with(limits, &[&made]);
    world.owner.look_ups = Mood::Silent;
    for number in 1..=5 {
        world.clients.push(client(number, &made));
        let (now, at) = (world.now(), world.clients.len() - 1);
        world.clients[at].connect(crate::world::server(), now);
    }
    world.run_for(Duration::from_millis(900));
    assert_eq!((claims(&world).len(), world.face.association_count()), (2, 2));
    assert_eq!(world.face.counters().0.look_ups_over_limit, 3);
    assert!(world.clients.iter().all(|client| client.end.is_none()), "nobody was sent away");
}

// verifies: TS-M4
#[test]
fn an_owner_that_names_another_device_lets_nobody_in() {
    let (made, other) = (secret_device(1, 1), secret_device(2, 1));
    let mut world = world(&[&made]);
    world.owner.look_ups = Mood::Silent;
    let at = world.connect(client(1, &made));
    let Some(BootstrapEvent::LookUp { association, .. }) = world.events.last().cloned() else { panic!() };
    world.command(BootstrapCommand::Known { association, device: other.uuid, key: made.issued.clone() });
    assert_eq!(world.clients[at].alert(), Some(Alert::AccessDenied));
    assert_eq!(world.clients[at].hint, None);
}

#[test]
fn malformed_and_oversized_requests_inside_a_session_do_no_harm() {
    let made = secret_device(1, 1);
    let mut world = world(&[&made]);
    let at = world.connect(client(1, &made));
    let long = Request::new(Code::PUT, "/v1/x").with_payload(ContentFormat::CBOR, vec![0; 4000]);
    world.ask(at, long);
    assert_eq!(world.clients[at].last_code(), Some(Code::REQUEST_ENTITY_TOO_LARGE));
    world.ask(at, get(made.uuid));
    assert_eq!(payload(&world, at), image(made.uuid));
    world.owner.images.insert(made.uuid, vec![0; 65_537]);
    let second = world.connect(client(2, &made));
    world.ask(second, get(made.uuid));
    assert_eq!(world.clients[second].last_code(), Some(Code::INTERNAL_SERVER_ERROR), "64 KiB + 1");
}

// verifies: TS-L8
#[test]
fn ts_l8_a_device_with_a_key_is_not_offered_a_secret() {
    let made = keyed_device(3, EC);
    let mut world = world(&[&made]);
    let at = world.connect(Client::new(1, Some(made.uuid), ClientKey::Shared(EC_ID, [1; 32][..].into())));
    assert_eq!(world.clients[at].alert(), Some(Alert::HandshakeFailure), "no suite in common");
}
