//! Hints as weapons: definitions of an attacker's choice, on channels and at bootstrap.

use std::time::Duration;

use agent::{AgentEvent, BootstrapFailure};
use assure_proto::{ChannelState, Derivation, DerivedKey, ImageRefusal, KeyDefinition, Metadata, PskHint};
use coap_proto::Code;
use crypto::Secret;
use dtls_proto::{Alert, Closing, Credential};
use model::KeyId;

use crate::bench::{A, BOOTSTRAP, Bench, ONE, bootstrap_proof, management_server, server_of};
use crate::party::Party;
use crate::server::Proof;
use crate::world::{EC, Kind, World, address};

/// The derived definition of a party's key.
fn derived(party: &Party) -> DerivedKey {
    match party.definition() {
        KeyDefinition::Derived(derived) => derived.clone(),
        KeyDefinition::Ec(_) | KeyDefinition::Rsa(_) => panic!("this party has a key pair"),
    }
}

/// What somebody who knows one derived secret can make: the same pad under another secret.
fn with_known_pad(party: &Party, other: &Secret) -> DerivedKey {
    let way = derived(party).derivations()[0].clone();
    let flipped = way.encrypted_secret.iter().zip(party.key.secret().expose()).zip(other.expose());
    let encrypted_secret = flipped.map(|((sealed, known), other)| sealed ^ known ^ other).collect();
    DerivedKey::new(party.id, vec![Derivation { encrypted_secret, ..way }]).unwrap()
}

// verifies: TS-C1, ASSURE-8.4-12, ASSURE-8.4-14, ASSURE-8.4-15, ASSURE-10.1.11-10, ASSURE-7.2-22
#[test]
fn ts_c1_a_definition_under_the_right_id_is_refused_without_one_round() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let channel = bench.world().a.channel.clone().unwrap();
    let stolen = Secret::new(vec![9; 32]);
    let forged = with_known_pad(&channel, &stolen);
    bench.servers[A].proof = Proof::hinted(channel.id, &stolen, &PskHint::Definitions(vec![forged]));
    bench.cut_power();
    bench.power_on();
    let before = bench.world().counting.rounds();
    bench.servers[BOOTSTRAP].is_on = false;
    bench.run_for(Duration::from_secs(4));
    assert_eq!(bench.device().state(ONE), Some(ChannelState::WrongKeyId));
    assert_eq!(bench.world().counting.rounds(), before, "nothing is derived from a hint");
    let ended =
        bench.servers[A].ends.contains(&coaps::End::Closed(Closing::ByPeer(Alert::UnknownPskIdentity)));
    assert!(ended, "{:?}", bench.servers[A].ends);
}

// verifies: TS-C1, ASSURE-8.4-12, ASSURE-8.4-13, ASSURE-8.4-14
#[test]
fn ts_c1_a_hint_may_be_the_id_or_the_stored_bytes_and_nothing_else() {
    let channel = World::new(Kind::Secret).a.channel.unwrap();
    let key = derived(&channel);
    let text = |hint: PskHint| Some(hint.encode().unwrap().into_bytes());
    let mut other_rounds = derived(&channel).derivations()[0].clone();
    other_rounds.rounds += 1;
    let altered = DerivedKey::new(channel.id, vec![other_rounds]).unwrap();
    let hints = [
        (text(PskHint::KeyId(channel.id)), true),
        (text(PskHint::Definitions(vec![key.clone()])), true),
        (text(PskHint::Definitions(vec![altered])), false),
        (text(PskHint::Definitions(vec![key.clone(), key])), false),
        (text(PskHint::KeyId(KeyId([1; 16]))), false),
        (Some(b"garbage".to_vec()), false),
        (Some(Vec::new()), false),
        (None, false),
    ];
    for (hint, is_taken) in hints {
        let mut bench = Bench::new(World::new(Kind::Secret));
        let secret = channel.key.secret().clone();
        bench.servers[A].proof = Proof::Secret { id: channel.id, secret, hint: hint.clone() };
        bench.serve_a();
        bench.power_on();
        bench.run_for(Duration::from_secs(4));
        let expected = if is_taken { ChannelState::Open } else { ChannelState::WrongKeyId };
        assert_eq!(bench.device().state(ONE), Some(expected), "{hint:?}");
    }
}

// verifies: TS-C1
#[test]
fn ts_c1_a_stranger_cannot_pose_with_a_cms_definition_to_a_device_with_a_key_pair() {
    let mut bench = Bench::in_service(World::new(EC));
    let (server, key) = {
        let owner = bench.world().a.clone();
        let key = bench.world().channel_secret(&owner, Metadata::NONE);
        (
            server_of(
                bench.world(),
                address("10.0.0.4:49683"),
                key.id,
                Proof::named(key.id, key.key.secret()),
            ),
            key,
        )
    };
    bench.servers.push(server);
    assert_eq!(bench.push_key(&key).code, Code::CREATED);
    // anybody can encrypt to the device's public key
    let stranger = Secret::new(vec![7; 32]);
    let world = bench.world();
    let (provider, public, uuid) =
        (world.provider.clone(), world.device.private().public().clone(), world.uuid);
    let way =
        Derivation::for_public_key(&*provider, uuid.into(), &public, &stranger, &mut world.dice).unwrap();
    let forged = DerivedKey::new(key.id, vec![way]).unwrap();
    bench.servers[3].proof = Proof::hinted(key.id, &stranger, &PskHint::Definitions(vec![forged]));
    let opened = bench.world().counting.decryptions();
    let to = address("10.0.0.4:49683");
    let body = crate::world::definition(key.id, None, to, assure_proto::Privileges::ALL).encode();
    assert_eq!(bench.ask(Code::PUT, "v1/channels/2", &body).code, Code::CREATED);
    bench.run_for(Duration::from_secs(3));
    let two = assure_proto::ChannelId::new(2).unwrap();
    assert_eq!(bench.device().state(two), Some(ChannelState::WrongKeyId));
    assert_eq!(bench.world().counting.decryptions(), opened, "no envelope of the stranger is opened");
}

// verifies: TS-C1, ASSURE-15.3-02, ASSURE-15.4-02, ASSURE-15.4-03, ASSURE-15.4-04
#[test]
fn ts_c1_a_bootstrap_hint_unlike_the_image_discards_the_image() {
    let mut bench = Bench::new(World::new(Kind::Secret));
    let party = bench.world().bootstrap.clone();
    let stolen = Secret::new(vec![9; 32]);
    let forged = with_known_pad(&party, &stolen);
    bench.servers[BOOTSTRAP].proof = Proof::hinted(party.id, &stolen, &PskHint::Definitions(vec![forged]));
    bench.serve_a();
    bench.power_on();
    bench.run_for(Duration::from_secs(5));
    assert_eq!(bench.servers[BOOTSTRAP].count("bootstrap"), 1, "the session itself stands");
    assert!(bench.device().heard(&AgentEvent::ImageRefused(ImageRefusal::ServerNotConfirmed)));
    assert_eq!(bench.device().works, 0, "nothing is written");
}

// verifies: TS-C1, ASSURE-15.4-01, ASSURE-15.4-02, ASSURE-15.4-04
#[test]
fn ts_c1_a_public_key_device_discards_an_image_that_does_not_confirm_its_server() {
    let mut bench = Bench::new(World::new(EC));
    let stranger = bench.world().generate(crypto::KeyKind::Ec(crypto::Curve::P256));
    bench.servers[BOOTSTRAP].proof = Proof::Pair { own: Credential::raw(stranger), peer: None };
    bench.serve_a();
    bench.power_on();
    bench.run_for(Duration::from_secs(5));
    assert!(bench.device().heard(&AgentEvent::ImageRefused(ImageRefusal::ServerNotConfirmed)));
    assert_eq!(bench.device().works, 0);
}

// verifies: TS-C1, TS-L8, ASSURE-8.4-01
#[test]
fn ts_l8_only_suites_of_the_key_kind_are_offered() {
    for (kind, uses_psk) in [(Kind::Secret, true), (EC, false)] {
        let bench = Bench::in_service(World::new(kind));
        for server in [BOOTSTRAP, A] {
            let offers = &bench.servers[server].offers;
            assert!(!offers.is_empty());
            let all_fit = |suites: &Vec<dtls_proto::CipherSuite>| {
                suites.iter().all(|suite| suite.key_agreement().uses_psk() == uses_psk)
            };
            assert!(offers.iter().all(all_fit), "{kind:?}: {offers:?}");
        }
    }
}

// verifies: TS-M3, TS-M2, ASSURE-15.3-03
#[test]
fn ts_m3_a_costly_or_crooked_hint_chain_is_refused_at_bootstrap() {
    let world = World::new(Kind::Secret);
    let party = world.bootstrap.clone();
    let way = derived(&party).derivations()[0].clone();
    let single = |way: Derivation| vec![DerivedKey::new(party.id, vec![way]).unwrap()];
    let costly = single(Derivation { rounds: 20_001, ..way.clone() });
    let long_salt = single(Derivation { salt: vec![1; 27], encrypted_secret: vec![0; 32], ..way.clone() });
    let short = single(Derivation { encrypted_secret: vec![1], ..way.clone() });
    let elsewhere = single(Derivation { reference: KeyId([5; 16]), ..way });
    for chain in [costly, long_salt, short, elsewhere] {
        let mut bench = Bench::new(World::new(Kind::Secret));
        let hint = PskHint::Definitions(chain);
        bench.servers[BOOTSTRAP].proof = Proof::hinted(party.id, party.key.secret(), &hint);
        bench.serve_a();
        bench.power_on();
        let before = bench.world().counting.rounds();
        bench.run_for(Duration::from_secs(3));
        assert!(bench.device().heard(&AgentEvent::BootstrapFailed(BootstrapFailure::BadHint)), "{hint:?}");
        assert_eq!(bench.world().counting.rounds(), before, "refused before the first round");
        assert_eq!(bench.servers[BOOTSTRAP].asked, []);
    }
}

// verifies: TS-C1
#[test]
fn the_genuine_bootstrap_server_is_taken_after_all_of_that() {
    let mut bench = Bench::new(World::new(Kind::Secret));
    let party = bench.world().bootstrap.clone();
    bench.servers[BOOTSTRAP].is_on = false;
    bench.serve_a();
    bench.power_on();
    bench.run_for(Duration::from_secs(5));
    bench.servers[BOOTSTRAP].is_on = true;
    bench.servers[BOOTSTRAP].proof = bootstrap_proof(&party);
    let a = bench.world().a.clone();
    bench.servers[A] = management_server(bench.world(), &a);
    bench.run_for(Duration::from_secs(300));
    assert_eq!(bench.device().state(ONE), Some(ChannelState::Open), "{:?}", bench.device().events);
}
