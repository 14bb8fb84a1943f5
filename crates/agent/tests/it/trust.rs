//! Whom a device talks to and trusts, what it says in the clear, and what a former owner is left with.

use std::time::Duration;

use agent::{AgentEvent, Control};
use assure_proto::cbor::{Reader, validate};
use assure_proto::{ChannelState, HeldKey, HeldKeys, KeyDefinition, RoundBudget};
use crypto::Secret;
use model::KeyId;

use crate::bench::{A, BOOTSTRAP, Bench, ONE, bootstrap_proof};
use crate::party::Held;
use crate::world::{EC, FIRST, Kind, World};

// verifies: ASSURE-2.2-02, ASSURE-5.1-05, ASSURE-12.2-04
#[test]
fn on_its_first_day_a_device_talks_straight_to_its_bootstrap_server_and_to_nobody_else() {
    for kind in [Kind::Secret, EC] {
        let mut bench = Bench::new(World::new(kind));
        bench.power_on();
        bench.run_for(Duration::from_secs(24 * 3600));
        let (device, server) = (bench.device().address, bench.servers[BOOTSTRAP].address);
        let mut sent = bench.seen.iter().filter(|(from, ..)| *from == device).peekable();
        assert!(sent.peek().is_some(), "it asks");
        assert!(sent.all(|(_, to, _)| *to == server), "{kind:?}");
        bench.serve_a();
        bench.run_for(Duration::from_secs(2 * 3600));
        assert_eq!(bench.device().state(ONE), Some(ChannelState::Open), "and to its owner once it has one");
    }
}

/// Whether a datagram is made of DTLS 1.2 records; a first hello may carry the version of DTLS 1.0.
fn is_dtls_12(datagram: &[u8]) -> bool {
    matches!(datagram, [20..=23 | 25, 0xfe, 0xfd, ..] | [22, 0xfe, 0xff, ..])
}

// verifies: ASSURE-1-02, ASSURE-1-04, ASSURE-10-02, ASSURE-6.1-05
#[test]
fn all_that_a_device_sends_is_dtls_and_all_that_it_says_is_cbor() {
    for kind in [Kind::Secret, EC] {
        let mut bench = Bench::in_service(World::new(kind));
        bench.serve_b();
        bench.control(Control::Held(Duration::from_secs(5)));
        bench.run_for(Duration::from_secs(3600));
        let stray = bench.seen.iter().find(|(_, _, datagram)| !is_dtls_12(datagram));
        assert_eq!(stray, None, "{kind:?}");
        let said = bench.servers.iter().flat_map(|server| &server.asked);
        let bodies: Vec<_> =
            said.map(|(_, path, body)| (path, body)).filter(|(_, body)| !body.is_empty()).collect();
        assert!(bodies.len() >= 3, "presence twice and a goodbye: {}", bodies.len());
        for (path, body) in bodies {
            assert_eq!(validate(body), Ok(()), "{path}");
            let mut reader = Reader::whole(body).unwrap();
            assert!(reader.array().is_ok() || body.len() == 1, "{path}: one item of CBOR");
        }
    }
}

// verifies: ASSURE-1-08, ASSURE-2.2-01, ASSURE-4.1-01
#[test]
fn a_device_takes_no_owner_from_another_authority() {
    for kind in [Kind::Secret, EC] {
        let mut bench = Bench::new(World::new(kind));
        let mut other = World::numbered(kind, 77);
        other.uuid = bench.world().uuid;
        if let (Kind::Ec(_), Held::Private(key)) = (kind, &bench.devices[0].world.device) {
            // even when the other authority knows the device's own key
            other.device = Held::Private(key.clone());
        }
        let a = other.a.clone();
        bench.servers[BOOTSTRAP].proof = bootstrap_proof(&other.bootstrap);
        bench.servers[BOOTSTRAP].name = Some(other.bootstrap.id.0);
        bench.serve(other.image(&a, FIRST));
        bench.power_on();
        bench.run_for(Duration::from_secs(600));
        assert_eq!(bench.device().agent().sequence_number(), 0, "{kind:?}");
        assert_eq!(bench.device().works, 0, "nothing of it is stored");
        assert_eq!(bench.device().state(ONE), None);
        let refused = |event: &AgentEvent| {
            matches!(event, AgentEvent::ImageRefused(_) | AgentEvent::BootstrapFailed(_))
        };
        assert!(bench.device().events.iter().any(refused), "{:?}", bench.device().events);
        // its own authority is still the one that counts
        let own = bench.world().bootstrap.clone();
        bench.servers[BOOTSTRAP].proof = bootstrap_proof(&own);
        bench.servers[BOOTSTRAP].name = Some(own.id.0);
        bench.serve_a();
        bench.run_for(Duration::from_secs(3600));
        assert_eq!(bench.device().state(ONE), Some(ChannelState::Open), "{:?}", bench.device().events);
    }
}

/// What a former owner holds.
struct Former<'a>(&'a [(KeyId, &'a Secret)]);

impl HeldKeys for Former<'_> {
    fn held_key(&self, id: KeyId) -> Option<HeldKey<'_>> {
        self.0.iter().find(|(held, _)| *held == id).map(|(_, secret)| HeldKey::Secret(secret))
    }

    fn is_root_secret(&self, _: &Secret) -> bool {
        false
    }
}

// verifies: ASSURE-6.1-10, ASSURE-6.1-11
#[test]
fn the_next_owner_has_another_secret_which_the_former_one_cannot_make() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    bench.serve_b();
    bench.control(Control::Held(Duration::from_secs(5)));
    bench.run_for(Duration::from_secs(8));
    assert_eq!(bench.device().agent().sequence_number(), 2);
    let (a, b, provider) = (bench.world().a.clone(), bench.world().b.clone(), bench.world().provider.clone());
    let secret_of = |owner: &crate::world::Owner| owner.party.key.secret().clone();
    assert_ne!(secret_of(&a), secret_of(&b));
    let channel = b.channel.clone().expect("a device with a secret has a channel key");
    let channel_a = a.channel.clone().expect("so had the first owner's channel");
    let (own, own_channel) = (secret_of(&a), channel_a.key.secret().clone());
    let device = bench.world().device.secret().clone();
    for (party, rests_on) in [(&b.party, &device), (&channel, b.party.key.secret())] {
        let KeyDefinition::Derived(derived) = party.definition() else { panic!("a derived secret") };
        let reference = derived.derivations()[0].reference;
        let make = |from: &Secret| {
            let held = [(reference, from)];
            derived.derive(&*provider, &Former(&held), &mut RoundBudget::signed_key()).ok()
        };
        assert_eq!(make(rests_on).as_ref(), Some(party.key.secret()));
        for tried in [&own, &own_channel] {
            assert_ne!(make(tried).as_ref(), Some(party.key.secret()), "with what the former owner has");
        }
    }
    assert!(bench.servers[A].connected.is_empty(), "and its session is over");
}
