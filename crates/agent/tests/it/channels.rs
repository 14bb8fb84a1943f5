//! Channels from the other side: strangers that call, both ends at once, peers that vanish.

use std::net::SocketAddr;
use std::time::Duration;

use assure_proto::{
    ChannelDefinition, ChannelId, ChannelState, Class, Derivation, DerivedKey, KeyDefinition, Metadata,
    Privileges,
};
use clock::Now;
use coap_proto::{Code, ContentFormat, Request};
use crypto::{Curve, KeyKind, Secret};
use dtls_proto::{Alert, Closing, Credential};
use model::{KeyId, Uuid};

use crate::bench::{A, Bench, ONE, server_of};
use crate::party::Party;
use crate::server::{Proof, Server};
use crate::world::{EC, Kind, World, address, definition};

const CALLER: &str = "10.0.0.6:40000";

fn seven() -> ChannelId {
    ChannelId::new(7).unwrap()
}

/// A peer device with a secret of its own that calls; its channel waits at our device.
fn expect_caller(bench: &mut Bench, number: u32, peer: Uuid, at: &str) -> (usize, Party) {
    let a = bench.world().a.clone();
    let key = bench.world().channel_secret(&a, Metadata::of_device(peer));
    assert_eq!(bench.push_key(&key).code, Code::CREATED);
    let to = address(at);
    let waiting =
        ChannelDefinition { open_immediately: false, ..definition(key.id, None, to, Privileges::NONE) };
    assert_eq!(bench.ask(Code::PUT, &format!("v1/channels/{number}"), &waiting.encode()).code, Code::CREATED);
    let caller = server_of(bench.world(), to, peer.into(), Proof::named(key.id, key.key.secret()));
    bench.servers.push(caller);
    (bench.servers.len() - 1, key)
}

fn call(bench: &mut Bench, caller: usize, name: Option<[u8; 16]>) {
    let (to, now) = (bench.device().address, Now::without_utc(bench.now));
    bench.servers[caller].call(to, name, now);
    bench.run_for(Duration::from_secs(3));
}

fn ended_with(server: &Server, alert: Alert) -> bool {
    server.ends.contains(&coaps::End::Closed(Closing::ByPeer(alert)))
}

// verifies: ASSURE-8.3-03, ASSURE-8.3-04, ASSURE-8.4-05, ASSURE-8.4-07, ASSURE-8.4-09, ASSURE-8.4-11, TS-M4
#[test]
fn a_named_caller_with_its_secret_comes_in_and_gets_the_hint() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let peer = Uuid([0xC1; 16]);
    let (caller, key) = expect_caller(&mut bench, 7, peer, CALLER);
    call(&mut bench, caller, Some(peer.0));
    assert_eq!(bench.device().state(seven()), Some(ChannelState::Open));
    let (_, summary) = &bench.servers[caller].connected[0];
    assert_eq!(summary.peer_name, Some(bench.devices[0].world.uuid.0), "the device names itself");
    let dtls_proto::PeerProof::Psk { hint: Some(hint), .. } = &summary.proof else { panic!("{summary:?}") };
    assert_eq!(assure_proto::PskHint::decode(hint), Ok(assure_proto::PskHint::KeyId(key.id)));
    assert_eq!(bench.servers[caller].asked, [], "a peer device is told no presence");
    let answer = bench.ask_from(caller, Request::new(Code::GET, "v1/ping")).unwrap();
    assert_eq!(answer.code, Code::CONTENT);
}

// verifies: ASSURE-8.3-02, ASSURE-8.3-03, TS-M4
#[test]
fn ts_m4_a_caller_that_takes_anothers_name_is_denied() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let (x, y) = (Uuid([0xC1; 16]), Uuid([0xC2; 16]));
    let (caller_x, _) = expect_caller(&mut bench, 7, x, CALLER);
    let (_, _) = expect_caller(&mut bench, 8, y, "10.0.0.7:40000");
    for name in [y.0, [0xEE; 16]] {
        call(&mut bench, caller_x, Some(name));
        assert!(
            ended_with(&bench.servers[caller_x], Alert::AccessDenied),
            "{:?}",
            bench.servers[caller_x].ends
        );
        assert!(bench.servers[caller_x].connected.is_empty());
        bench.servers[caller_x].ends.clear();
    }
    assert_ne!(bench.device().state(ChannelId::new(8).unwrap()), Some(ChannelState::Open));
    call(&mut bench, caller_x, Some(x.0));
    assert_eq!(bench.device().state(seven()), Some(ChannelState::Open), "its own name is fine");
}

// verifies: ASSURE-8.3-03, ASSURE-8.4-07
#[test]
fn a_caller_without_a_name_gets_no_hint_and_is_known_by_its_key() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let peer = Uuid([0xC1; 16]);
    let (caller, _) = expect_caller(&mut bench, 7, peer, CALLER);
    call(&mut bench, caller, None);
    assert_eq!(bench.device().state(seven()), Some(ChannelState::Open));
    let (_, summary) = &bench.servers[caller].connected[0];
    assert!(matches!(&summary.proof, dtls_proto::PeerProof::Psk { hint: None, .. }), "{summary:?}");
    bench.servers[caller].proof = Proof::named(KeyId([9; 16]), &Secret::new(vec![1; 32]));
    call(&mut bench, caller, None);
    assert!(
        ended_with(&bench.servers[caller], Alert::UnknownPskIdentity),
        "{:?}",
        bench.servers[caller].ends
    );
}

// verifies: ASSURE-8.3-01, ASSURE-8.3-02, ASSURE-8.3-06, ASSURE-8.3-07, ASSURE-8.3-08
#[test]
fn callers_with_key_pairs_are_known_by_name_and_key() {
    let mut bench = Bench::in_service(World::new(EC));
    let (a, uuid) = (bench.world().a.clone(), bench.world().uuid);
    let peer = Uuid([0xC1; 16]);
    let pair = bench.world().generate(KeyKind::Ec(Curve::P256));
    let public = KeyDefinition::public(peer.into(), pair.public().clone());
    let proof = bench.world().prove(Class::Device, &public, Metadata::of_device(peer), &a.party.signer());
    assert_eq!(bench.ask(Code::PUT, &format!("v1/keys/{peer}"), proof.encoded()).code, Code::CREATED);
    let to = address(CALLER);
    let waiting = ChannelDefinition {
        open_immediately: false,
        ..definition(uuid.into(), Some(peer.into()), to, Privileges::NONE)
    };
    assert_eq!(bench.ask(Code::PUT, "v1/channels/7", &waiting.encode()).code, Code::CREATED);
    let device = bench.world().device.private().public().clone();
    let honest = Proof::Pair { own: Credential::raw(pair), peer: Some(device) };
    let caller = server_of(bench.world(), to, peer.into(), honest.clone());
    bench.servers.push(caller);
    let caller = bench.servers.len() - 1;
    for (name, opens) in [(Some(peer.0), true), (None, true), (Some([0xEE; 16]), false)] {
        call(&mut bench, caller, name);
        assert_eq!(bench.servers[caller].connected.len(), usize::from(opens), "{name:?}");
        bench.servers[caller].connected.clear();
        let closed = bench.ask(Code::PUT, "v1/channels/7/close", b"");
        assert_eq!(closed.code, Code::CHANGED);
        bench.run_for(Duration::from_secs(3));
    }
    let stranger = bench.world().generate(KeyKind::Ec(Curve::P256));
    bench.servers[caller].proof = Proof::Pair { own: Credential::raw(stranger), peer: None };
    for name in [Some(peer.0), None] {
        bench.servers[caller].ends.clear();
        call(&mut bench, caller, name);
        assert!(ended_with(&bench.servers[caller], Alert::AccessDenied), "{:?}", bench.servers[caller].ends);
    }
}

// verifies: TS-M5
#[test]
fn ts_m5_a_definition_that_changes_during_a_handshake_lets_nobody_in() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let (x, a) = (Uuid([0xC1; 16]), bench.world().a.clone());
    let (caller, _) = expect_caller(&mut bench, 7, x, CALLER);
    let other = bench.world().channel_secret(&a, Metadata::of_device(x));
    assert_eq!(bench.push_key(&other).code, Code::CREATED);
    let to = address(CALLER);
    let changed =
        ChannelDefinition { open_immediately: false, ..definition(other.id, None, to, Privileges::NONE) };
    let request =
        Request::new(Code::PUT, "v1/channels/7").with_payload(ContentFormat::CBOR, changed.encode());
    let (device, now) = (bench.device().address, Now::without_utc(bench.now));
    bench.servers[caller].call(device, Some(x.0), now);
    // the hello was answered after 30 ms, the handshake is over after 50
    bench.run_for(Duration::from_millis(25));
    let now = Now::without_utc(bench.now);
    let _ = bench.servers[A].ask(request, now);
    bench.run_for(Duration::from_secs(3));
    assert!(ended_with(&bench.servers[caller], Alert::AccessDenied), "{:?}", bench.servers[caller].ends);
    assert!(bench.servers[caller].connected.is_empty());
    assert_ne!(bench.device().state(seven()), Some(ChannelState::Open));
}

/// A second device in service, in a world of its own. Gives the device and its management system.
fn add_second_device(bench: &mut Bench, world: World) -> (usize, usize) {
    let second = bench.add_device(world, address("10.0.0.10:50000"));
    let mut a = bench.devices[second].world.a.clone();
    a.address = address("10.0.0.20:49683");
    bench.servers.push(crate::bench::management_server(&bench.devices[second].world, &a));
    let manager = bench.servers.len() - 1;
    let image = bench.devices[second].world.image(&a, crate::world::FIRST);
    let party = bench.devices[second].world.bootstrap.clone();
    let mut boot = crate::bench::bootstrap_server(&party);
    boot.address = address("10.0.0.21:49684");
    boot.serving = crate::server::Serving::Image(image);
    bench.resolves_to = Some(boot.address);
    bench.servers.push(boot);
    bench.switch_on(second);
    bench.run_for(Duration::from_secs(5));
    assert_eq!(bench.devices[second].state(ONE), Some(ChannelState::Open));
    (second, manager)
}

/// Gives a device its copy of the secret that both share, derived from its own owner's and naming `other`,
/// and channel 7 to `to`.
fn push_shared(bench: &mut Bench, index: usize, manager: usize, other: Uuid, to: SocketAddr) {
    let (shared, id) = (Secret::new(vec![0x77; 32]), KeyId([0x70; 16]));
    let world = &mut bench.devices[index].world;
    let (owner, provider) = (world.a.clone(), world.provider.clone());
    let reference = owner.party.key.secret();
    let way =
        Derivation::from_secret(&*provider, owner.party.id, reference, &shared, &mut world.dice).unwrap();
    let copy = KeyDefinition::Derived(DerivedKey::new(id, vec![way]).unwrap());
    let key = world.prove(Class::Channel, &copy, Metadata::of_device(other), &owner.party.signer());
    let channel = ChannelDefinition { open_immediately: false, ..definition(id, None, to, Privileges::NONE) };
    let bodies =
        [(format!("v1/keys/{id}"), key.encoded().to_vec()), ("v1/channels/7".into(), channel.encode())];
    for (path, body) in bodies {
        let request = Request::new(Code::PUT, &path).with_payload(ContentFormat::CBOR, body);
        assert_eq!(bench.ask_from(manager, request).unwrap().code, Code::CREATED);
    }
}

/// Two devices with a channel between them, which one or both are told to open.
fn two_devices(lower_is_ours: bool, both_open: bool) -> (Bench, usize) {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let ours = bench.world().uuid;
    let other = (1..200)
        .map(|number| World::numbered(Kind::Secret, number))
        .find(|world| (ours.0 < world.uuid.0) == lower_is_ours)
        .unwrap();
    let (second, manager) = add_second_device(&mut bench, other);
    let (uuid, at) = (bench.devices[second].world.uuid, bench.devices[second].address);
    push_shared(&mut bench, 0, A, uuid, at);
    let at = bench.devices[0].address;
    push_shared(&mut bench, second, manager, ours, at);
    let now = Now::without_utc(bench.now);
    let openers = if both_open { &[A, manager][..] } else { &[A] };
    for opener in openers {
        let _ = bench.servers[*opener].ask(Request::new(Code::PUT, "v1/channels/7/open"), now);
    }
    bench.run_for(Duration::from_secs(5));
    (bench, second)
}

// verifies: ASSURE-8.4-05, ASSURE-8.4-06, ASSURE-8.4-12
#[test]
fn one_of_two_devices_opens_their_channel() {
    let (bench, second) = two_devices(true, false);
    for device in [&bench.devices[0], &bench.devices[second]] {
        assert_eq!(device.state(seven()), Some(ChannelState::Open), "{:?}", device.events);
    }
}

// verifies: ASSURE-10.1.6-15
#[test]
fn when_both_devices_open_at_once_the_lower_uuid_stays_client() {
    for lower_is_ours in [true, false] {
        let (mut bench, second) = two_devices(lower_is_ours, true);
        for index in [0, second] {
            let events = &bench.devices[index].events;
            assert_eq!(
                bench.devices[index].state(seven()),
                Some(ChannelState::Open),
                "{lower_is_ours} {events:?}"
            );
        }
        bench.run_for(Duration::from_secs(300));
        for index in [0, second] {
            let opened = bench.devices[index].events.iter().filter(|event| {
                matches!(event, agent::AgentEvent::ChannelChanged { channel, state: ChannelState::Open }
                    if *channel == seven())
            });
            assert_eq!(opened.count(), 1, "one association, for good");
        }
    }
}

// verifies: ASSURE-10.1.11-12
#[test]
fn a_peer_that_vanished_is_found_out_and_called_again() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    bench.servers[A].is_on = false;
    bench.run_for(Duration::from_secs(3 * 3600));
    assert_eq!(bench.servers[A].connected.len(), 1, "it heard nothing of the end");
    assert_ne!(bench.device().state(ONE), Some(ChannelState::Open), "presence was not acknowledged");
    let a = bench.world().a.clone();
    bench.servers[A] = crate::bench::management_server(bench.world(), &a);
    bench.run_for(Duration::from_secs(900));
    assert_eq!(bench.device().state(ONE), Some(ChannelState::Open));
    assert_eq!(bench.servers[A].count("info"), 1);
}

// verifies: ASSURE-12.2-03, ASSURE-8.1-02
#[test]
fn a_server_that_closes_is_called_again_after_a_while() {
    let mut bench = Bench::in_service(World::new(EC));
    let now = Now::without_utc(bench.now);
    let (association, _) = bench.servers[A].connected[0].clone();
    bench.servers[A].machine.close(association, now);
    bench.servers[A].expire(now);
    bench.run_for(Duration::from_millis(500));
    assert_eq!(bench.device().state(ONE), Some(ChannelState::Closed));
    bench.run_for(Duration::from_secs(7));
    assert_eq!(bench.device().state(ONE), Some(ChannelState::Open));
    let summary = &bench.servers[A].connected[0].1;
    assert!(summary.extended_master_secret && !summary.resumed);
}

// verifies: ASSURE-8.4-16
#[test]
fn floods_of_strangers_leave_the_channel_alone() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let device = bench.device().address;
    let mut dice = clock::Dice::numbered(6);
    for number in 0..200_u16 {
        let from = address(&format!("10.1.{}.{}:7", number / 250, number % 250));
        let mut noise = dice.bytes::<60>().to_vec();
        if number % 2 == 0 {
            noise[..3].copy_from_slice(&[22, 0xfe, 0xfd]);
        }
        bench.inject(from, device, noise);
    }
    bench.run_for(Duration::from_secs(2));
    assert_eq!(bench.ask(Code::GET, "v1/ping", b"x").code, Code::CONTENT);
}
