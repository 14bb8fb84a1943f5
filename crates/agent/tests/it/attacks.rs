//! The attacks of the ownership sheet on images, names, sessions and keys, on a whole device.

use std::time::Duration;

use agent::{AgentEvent, BootstrapFailure, Control};
use assure_proto::{
    AuthenticatedKey, ChannelState, Class, DeviceInfo, ImageRefusal, KeyDefinition, KeyStore, Metadata,
    PreciseTime, Signer, TimeSource, TimeTrust, Validity,
};
use coap_proto::{Code, Request};
use crypto::Secret;
use dtls_proto::Credential;
use model::KeyId;

use crate::bench::{A, B, BOOTSTRAP, Bench, ONE, bootstrap_server};
use crate::server::{Proof, Serving};
use crate::world::{EC, FIRST, Kind, Marks, NOON, SECOND, World, put};

// verifies: TS-H1, ASSURE-15.4-02, ASSURE-14.6-07
#[test]
fn ts_h1_a_bootstrap_server_of_the_owners_own_counts_only_in_a_walled_garden() {
    for kind in [Kind::Secret, EC] {
        let mut bench = Bench::in_service(World::new(kind));
        let a = bench.world().a.clone();
        let own_server = bench.world().party(Class::BootstrapService, Metadata::NONE, &a.party.signer());
        let header =
            vec![bench.world().online.proof.clone(), a.party.proof.clone(), own_server.proof.clone()];
        let messages = bench.world().messages(&a);
        let garden = |bench: &mut Bench, marks: Marks| {
            let image = bench.world().image_with(&a, marks, &header, &messages);
            bench.servers[BOOTSTRAP] = bootstrap_server(&own_server);
            bench.serve(image);
            bench.device().events.clear();
            bench.control(Control::Held(Duration::from_secs(5)));
            bench.run_for(Duration::from_secs(8));
        };
        let refused = AgentEvent::ImageRefused(ImageRefusal::BootstrapKeyNotByAuthority);
        let at = |seconds| Marks { created_at: NOON + seconds, ..FIRST };
        garden(&mut bench, at(1));
        assert!(bench.device().heard(&refused), "{:?}", bench.device().events);
        // an image of the authority's server sets the flag
        let genuine = bench.world().bootstrap.clone();
        bench.servers[BOOTSTRAP] = bootstrap_server(&genuine);
        let mut with_flag = messages.clone();
        with_flag.push(put(u16::try_from(messages.len()).unwrap(), "v1/walled-garden", &[0xf5]));
        let usual = bench.world().header(&a);
        let image = bench.world().image_with(&a, at(2), &usual, &with_flag);
        bench.serve(image);
        bench.control(Control::Held(Duration::from_secs(5)));
        bench.run_for(Duration::from_secs(8));
        garden(&mut bench, at(3));
        assert!(
            bench.device().heard(&AgentEvent::Bootstrapped { sequence_number: 1 }),
            "flag set, same number"
        );
        // the number rises: the flag is of no use any more
        garden(&mut bench, Marks { sequence_number: 2, created_at: NOON + 4, valid_until: 0 });
        assert!(bench.device().heard(&refused), "{:?}", bench.device().events);
    }
}

// verifies: TS-H1
#[test]
fn ts_h1_a_physical_action_allows_the_walled_garden_and_no_api_does() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let answer = bench.ask(Code::PUT, "v1/walled-garden", &[0xf5]);
    assert_eq!(answer.code, Code::FORBIDDEN, "in an image only");
    let a = bench.world().a.clone();
    let own_server = bench.world().party(Class::BootstrapService, Metadata::NONE, &a.party.signer());
    let header = vec![bench.world().online.proof.clone(), a.party.proof.clone(), own_server.proof.clone()];
    let messages = bench.world().messages(&a);
    let marks = Marks { created_at: NOON + 1, ..FIRST };
    let image = bench.world().image_with(&a, marks, &header, &messages);
    bench.servers[BOOTSTRAP] = bootstrap_server(&own_server);
    bench.serve(image);
    bench.device().events.clear();
    bench.control(Control::AllowWalledGarden);
    bench.control(Control::Held(Duration::from_secs(5)));
    bench.run_for(Duration::from_secs(8));
    assert!(
        bench.device().heard(&AgentEvent::Bootstrapped { sequence_number: 1 }),
        "{:?}",
        bench.device().events
    );
}

// verifies: TS-H2, ASSURE-15.5-04
#[test]
fn ts_h2_keys_planted_under_the_next_owners_ids_do_not_stop_its_image() {
    let mut bench = Bench::in_service(World::new(EC));
    let (a, b) = (bench.world().a.clone(), bench.world().b.clone());
    // A pushes a key of its own under the id of B's key, and another under that of B's next channel
    for id in [b.party.id, bench.world().bootstrap.id] {
        let key = bench.world().generate(crypto::KeyKind::Ec(crypto::Curve::P256));
        let definition = KeyDefinition::public(id, key.public().clone());
        let planted = bench.world().prove(Class::Channel, &definition, Metadata::NONE, &a.party.signer());
        let answer = bench.ask(Code::PUT, &format!("v1/keys/{id}"), planted.encoded());
        let is_there = id == bench.world().bootstrap.id;
        assert_eq!(answer.code, if is_there { Code::CHANGED } else { Code::CREATED });
    }
    bench.serve_b();
    bench.control(Control::Held(Duration::from_secs(5)));
    bench.run_for(Duration::from_secs(8));
    assert!(
        bench.device().heard(&AgentEvent::Bootstrapped { sequence_number: 2 }),
        "{:?}",
        bench.device().events
    );
    assert_eq!(bench.device().state(ONE), Some(ChannelState::Open));
    assert_eq!(bench.servers[B].count("info"), 1);
}

// verifies: TS-H2
#[test]
fn ts_h2_an_image_of_the_same_number_without_a_key_removes_it() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let (_, key) = bench.add_channel(7, assure_proto::Privileges::NONE, "10.0.0.4:49683");
    assert!(bench.stores(&key.id.0));
    let a = bench.world().a.clone();
    bench.serve_image_of(&a, Marks { created_at: NOON + 5, ..FIRST });
    bench.control(Control::Held(Duration::from_secs(5)));
    bench.run_for(Duration::from_secs(8));
    assert!(!bench.stores(&key.id.0), "the stolen peer's key is gone");
    assert!(bench.servers[3].connected.is_empty(), "and its session with it");
    assert_eq!(bench.device().state(ONE), Some(ChannelState::Open));
}

// verifies: TS-H4, ASSURE-11.4.1-03
#[test]
fn ts_h4_a_clock_that_the_owner_set_judges_no_image() {
    let far = PreciseTime { secs: u32::MAX - 10, frac: 0 };
    let mut bench = Bench::new(World::new(Kind::Secret));
    bench.servers[A].time = Some(far);
    bench.serve_a();
    bench.power_on();
    bench.run_for(Duration::from_secs(5));
    assert!(bench.device().heard(&AgentEvent::TimeSet { went_back: false }));
    let now = bench.clock(0);
    let utc = bench.device().agent().utc(now).expect("the owner told the time");
    assert!(utc > far.timestamp(), "half the round trip is added");
    let b = bench.world().b.clone();
    bench.serve_image_of(&b, Marks { valid_until: NOON + 2000, ..SECOND });
    bench.control(Control::Held(Duration::from_secs(5)));
    bench.run_for(Duration::from_secs(8));
    assert!(
        bench.device().heard(&AgentEvent::Bootstrapped { sequence_number: 2 }),
        "{:?}",
        bench.device().events
    );
    let now = bench.clock(0);
    assert_eq!(bench.device().agent().utc(now), None, "A's time is gone with A");
}

// verifies: TS-H4, TS-M13
#[test]
fn ts_h4_a_clock_from_the_factory_does_judge_images() {
    let judged = [(NOON - 5, ImageRefusal::ImageExpired), (0, ImageRefusal::CreatedInFuture)];
    for (valid_until, refusal) in judged {
        let mut bench = Bench::new(World::new(Kind::Secret));
        bench.device().has_utc = true;
        bench.device().settings.platform_time = TimeSource::Factory;
        let a = bench.world().a.clone();
        let created_at = if valid_until == 0 { NOON + 1_000_000 } else { NOON - 100 };
        bench.serve_image_of(&a, Marks { sequence_number: 1, created_at, valid_until });
        bench.power_on();
        bench.run_for(Duration::from_secs(5));
        assert!(bench.device().heard(&AgentEvent::ImageRefused(refusal)), "{:?}", bench.device().events);
    }
}

// verifies: TS-H5, ASSURE-15.5-09, ASSURE-15.5-10
#[test]
fn ts_h5_another_owner_under_the_same_number_and_an_earlier_owner_are_refused() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let (a, b) = (bench.world().a.clone(), bench.world().b.clone());
    bench.serve_image_of(&b, Marks { created_at: NOON + 50, ..FIRST });
    bench.control(Control::Held(Duration::from_secs(5)));
    bench.run_for(Duration::from_secs(8));
    assert!(bench.device().heard(&AgentEvent::ImageRefused(ImageRefusal::OwnerDiffers)));
    bench.serve_b();
    bench.control(Control::Held(Duration::from_secs(5)));
    bench.run_for(Duration::from_secs(8));
    bench.serve_image_of(&a, Marks { created_at: NOON + 900, ..FIRST });
    bench.control(Control::Held(Duration::from_secs(5)));
    bench.run_for(Duration::from_secs(8));
    assert!(bench.device().heard(&AgentEvent::ImageRefused(ImageRefusal::SequenceLower)));
    assert_eq!(bench.device().agent().sequence_number(), 2);
}

// verifies: TS-M4, ASSURE-8.3-05, ASSURE-8.4-08, ASSURE-10.1.11-11
#[test]
fn ts_m4_a_server_with_another_name_or_none_is_refused() {
    for kind in [Kind::Secret, EC] {
        for name in [Some([0xEE; 16]), None] {
            let mut bench = Bench::new(World::new(kind));
            bench.servers[A].name = name;
            bench.serve_a();
            bench.power_on();
            bench.run_for(Duration::from_secs(4));
            assert_eq!(
                bench.device().state(ONE),
                Some(ChannelState::AuthenticationFailed),
                "{kind:?} {name:?}"
            );
            assert!(bench.servers[A].connected.is_empty());
        }
    }
}

// verifies: TS-M4, ASSURE-8.3-05, ASSURE-8.4-08
#[test]
fn ts_m4_the_bootstrap_servers_name_must_be_the_id_of_its_key() {
    for kind in [Kind::Secret, EC] {
        for (name, failure) in
            [(Some([0xEE; 16]), BootstrapFailure::NameDiffers), (None, BootstrapFailure::NoName)]
        {
            let mut bench = Bench::new(World::new(kind));
            bench.servers[BOOTSTRAP].name = name;
            bench.serve_a();
            bench.power_on();
            bench.run_for(Duration::from_secs(4));
            assert!(
                bench.device().heard(&AgentEvent::BootstrapFailed(failure)),
                "{:?}",
                bench.device().events
            );
            assert_eq!(bench.device().works, 0);
        }
    }
}

// verifies: TS-M4, ASSURE-8.3-07, ASSURE-2.3-01
#[test]
fn ts_m4_a_server_with_another_key_is_refused() {
    let mut bench = Bench::new(World::new(EC));
    let stranger = bench.world().generate(crypto::KeyKind::Ec(crypto::Curve::P256));
    bench.servers[A].proof = Proof::Pair { own: Credential::raw(stranger), peer: None };
    bench.serve_a();
    bench.power_on();
    bench.run_for(Duration::from_secs(4));
    assert_eq!(bench.device().state(ONE), Some(ChannelState::AuthenticationFailed));
    let mut bench = Bench::new(World::new(Kind::Secret));
    let channel = bench.world().a.channel.clone().unwrap();
    bench.servers[A].proof = Proof::named(channel.id, &Secret::new(vec![1; 32]));
    bench.serve_a();
    bench.power_on();
    bench.run_for(Duration::from_secs(10));
    let state = bench.device().state(ONE);
    assert_ne!(state, Some(ChannelState::Open), "the right name with the wrong secret");
    assert!(bench.servers[A].connected.is_empty());
}

// verifies: TS-M5, ASSURE-15.4-06, ASSURE-14.7-09
#[test]
fn ts_m5_nothing_of_the_earlier_owners_sessions_is_of_use() {
    for kind in [Kind::Secret, EC] {
        let mut bench = Bench::in_service(World::new(kind));
        let mut recorded = Vec::new();
        let device = bench.device().address;
        // A does not hear that the device leaves, and keeps its session and a request it sealed in it
        let request = Request::new(Code::GET, "v1/info").non_confirmable();
        let now = clock::Now::without_utc(bench.now);
        let _ = bench.servers[A].ask(request, now);
        while let Some((_, datagram)) = bench.servers[A].out.pop_front() {
            recorded.push(datagram);
        }
        assert!(!recorded.is_empty());
        bench.servers[A].is_on = false;
        bench.serve_b();
        bench.control(Control::Held(Duration::from_secs(5)));
        bench.run_for(Duration::from_secs(12));
        assert!(bench.device().heard(&AgentEvent::Bootstrapped { sequence_number: 2 }));
        bench.servers[A].is_on = true;
        assert!(!bench.servers[A].connected.is_empty(), "A still holds its end");
        let from = bench.servers[A].address;
        for datagram in recorded {
            bench.inject(from, device, datagram);
        }
        let answer = bench.ask_from(A, Request::new(Code::GET, "v1/ping"));
        assert_eq!(answer, None, "the session is dead");
        let heard = bench.servers[A].answers.iter().any(|(_, answer)| answer.is_some());
        assert!(!heard, "so is what was recorded");
    }
}

// verifies: TS-M5
#[test]
fn ts_m5_the_device_asks_for_no_tickets_and_resumes_nothing() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    bench.cut_power();
    bench.power_on();
    bench.run_for(Duration::from_secs(5));
    for server in &bench.servers {
        assert!(
            server.connected.iter().all(|(_, summary)| !summary.resumed && summary.extended_master_secret)
        );
    }
}

// verifies: TS-M10, ASSURE-10.1.2-07, ASSURE-10.1.2-08
#[test]
fn ts_m10_a_key_made_on_a_shared_secret_device_is_signed_with_the_owner_secret() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let request =
        Request::new(Code::POST, "v1/keys/generate").with_query("type=1").with_query("persistent=true");
    let answer = bench.ask_from(A, request).unwrap();
    assert_eq!(answer.code, Code::CREATED);
    let key = AuthenticatedKey::decode(&answer.payload).unwrap();
    let (a, uuid) = (bench.world().a.clone(), bench.world().uuid);
    assert_eq!((key.class(), key.metadata()), (Class::Channel, Metadata::of_device(uuid)));
    assert_eq!(key.signature().key_id, a.party.id, "signed by K_n");
    // the management system knows K_n and verifies with it
    let owner = assure_proto::Root {
        class: Class::ManagementSystem,
        key_id: a.party.id,
        key: assure_proto::RootKey::Secret(a.party.key.secret().clone()),
        metadata: Metadata::NONE,
    };
    let anchors = assure_proto::Anchors { device: None, roots: &[owner], held: &[] };
    let provider = bench.world().provider.clone();
    let checked = KeyStore::empty(4).check(&*provider, &anchors, key, TimeTrust::Unknown);
    assert!(checked.is_ok(), "{checked:?}");
    // a key that somebody signed with the device's own secret is refused by the device
    let device_secret = bench.world().device.secret().clone();
    let by_device = Signer::with_secret(uuid.into(), Class::Device, &device_secret);
    let pair = bench.world().generate(crypto::KeyKind::Ec(crypto::Curve::P256));
    let definition = KeyDefinition::public(KeyId([3; 16]), pair.public().clone());
    let metadata = Metadata::of_device(uuid);
    let validity = Validity::UNLIMITED;
    let mut dice = clock::Dice::numbered(3);
    let forged = AuthenticatedKey::issue(
        &*provider,
        Class::Channel,
        &definition,
        metadata,
        &by_device,
        validity,
        &mut dice,
    )
    .unwrap();
    let path = format!("v1/keys/{}", KeyId([3; 16]));
    assert_eq!(bench.ask(Code::PUT, &path, forged.encoded()).code, Code::BAD_REQUEST);
    assert_eq!(bench.ask(Code::GET, &path, b"").code, Code::NOT_FOUND);
}

// verifies: TS-M13, ASSURE-15.5-08, ASSURE-15.5-09
#[test]
fn ts_m13_a_factory_reset_does_not_reopen_the_replay() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let a = bench.world().a.clone();
    let early = bench.world().image(&a, Marks { created_at: NOON - 10, ..FIRST });
    bench.serve(early);
    bench.device().user_data = Some("a diary".into());
    bench.control(Control::FactoryReset);
    bench.run_for(Duration::from_secs(5));
    assert_eq!(bench.device().user_data, None, "a reset erases the same set");
    assert!(!bench.stores(&a.name().0), "keys are gone");
    assert!(bench.device().heard(&AgentEvent::ImageRefused(ImageRefusal::CreatedEarlier)));
    assert_eq!(bench.device().state(ONE), None);
    assert_eq!(bench.device().agent().sequence_number(), 1, "the memory of owners stays");
    // the last image itself brings the device back
    let last = bench.world().image(&a, Marks { created_at: NOON + 1, ..FIRST });
    bench.serve(last);
    bench.run_for(Duration::from_secs(60));
    assert_eq!(bench.device().state(ONE), Some(ChannelState::Open));
}

// verifies: TS-M13
#[test]
fn ts_m13_a_far_future_image_is_unlocked_by_a_rekey() {
    let mut bench = Bench::new(World::new(Kind::Secret));
    let a = bench.world().a.clone();
    // without trusted time a mistaken clock of the owner gets through
    bench.serve_image_of(&a, Marks { created_at: NOON + 500_000_000, ..FIRST });
    bench.power_on();
    bench.run_for(Duration::from_secs(5));
    bench.serve_image_of(&a, Marks { created_at: NOON + 10, ..FIRST });
    bench.control(Control::Held(Duration::from_secs(5)));
    bench.run_for(Duration::from_secs(8));
    assert!(bench.device().heard(&AgentEvent::ImageRefused(ImageRefusal::CreatedEarlier)));
    // a transfer to oneself raises the number, and everything is well
    bench.serve_image_of(&a, Marks { sequence_number: 2, created_at: NOON + 20, valid_until: 0 });
    bench.control(Control::Held(Duration::from_secs(5)));
    bench.run_for(Duration::from_secs(8));
    assert!(bench.device().heard(&AgentEvent::Bootstrapped { sequence_number: 2 }));
}

// verifies: ASSURE-15.4-06, TS-C1
#[test]
fn the_bootstrap_session_serves_nobody_but_the_device() {
    for kind in [Kind::Secret, EC] {
        let mut bench = Bench::new(World::new(kind));
        bench.servers[BOOTSTRAP].on_connected = Some(Request::new(Code::PUT, "v1/reboot"));
        bench.servers[BOOTSTRAP].serving = Serving::Silence;
        bench.power_on();
        bench.run_for(Duration::from_secs(5));
        let answers = &bench.servers[BOOTSTRAP].answers;
        assert_eq!(answers[0].1.as_ref().map(|answer| answer.code), Some(Code::UNAUTHORIZED));
        assert_eq!(bench.device().last, None, "no reboot");
    }
}

// verifies: ASSURE-15.4-06
#[test]
fn an_image_over_the_limit_is_not_fetched_to_its_end() {
    let mut bench = Bench::new(World::new(Kind::Secret));
    bench.serve(vec![0x80; assure_proto::IMAGE_LENGTH_MAX + 1]);
    bench.power_on();
    bench.run_for(Duration::from_secs(60));
    let too_large = BootstrapFailure::NotAnswered(coap_proto::Failure::TooLarge);
    assert!(bench.device().heard(&AgentEvent::BootstrapFailed(too_large)), "{:?}", bench.device().events);
}

// verifies: TS-D04, ASSURE-14.7-08
#[test]
fn ts_d04_an_image_of_the_same_owner_erases_nothing_of_the_user() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    bench.device().user_data = Some("A's diary".into());
    let a = bench.world().a.clone();
    bench.serve_image_of(&a, Marks { created_at: NOON + 5, ..FIRST });
    bench.control(Control::Held(Duration::from_secs(5)));
    bench.run_for(Duration::from_secs(8));
    assert!(bench.device().heard(&AgentEvent::Owned {
        generation: 1,
        sequence_number: 1,
        is_new_owner: false
    }));
    assert_eq!(bench.device().user_data.as_deref(), Some("A's diary"));
    // and another owner's does
    bench.serve_b();
    bench.control(Control::Held(Duration::from_secs(5)));
    bench.run_for(Duration::from_secs(8));
    assert_eq!(bench.device().user_data, None);
    let told = |bench: &Bench, server: usize| {
        let asked = bench.servers[server].asked.iter().filter(|(_, path, _)| path.ends_with("/info"));
        let versions = asked.map(|(_, _, body)| DeviceInfo::decode(body).unwrap().software_version);
        versions.collect::<Vec<_>>()
    };
    assert_eq!(told(&bench, B), [" (earlier data erased)"], "B is told so");
    bench.cut_power();
    bench.power_on();
    bench.run_for(Duration::from_secs(5));
    assert_eq!(told(&bench, B).last().map(String::as_str), Some(""), "once");
}

// verifies: TS-M15, ASSURE-10.1.1-06
#[test]
fn ts_m15_a_device_does_not_take_a_channel_key_that_another_device_signed_for_it() {
    let mut bench = Bench::in_service(World::new(EC));
    let (uuid, a) = (bench.world().uuid, bench.world().a.clone());
    let other = bench.world().generate(crypto::KeyKind::Ec(crypto::Curve::P256));
    let x = model::Uuid([8; 16]);
    let definition = KeyDefinition::public(x.into(), other.public().clone());
    let of_x = bench.world().prove(Class::Device, &definition, Metadata::of_device(x), &a.party.signer());
    assert_eq!(bench.ask(Code::PUT, &format!("v1/keys/{x}"), of_x.encoded()).code, Code::CREATED);
    let by_x = Signer::with_private_key(x.into(), Class::Device, &*other);
    let pair = bench.world().generate(crypto::KeyKind::Ec(crypto::Curve::P256));
    for (id, metadata, code) in [
        (KeyId([4; 16]), Metadata::of_device(uuid), Code::BAD_REQUEST),
        (KeyId([5; 16]), Metadata::of_device(x), Code::CREATED),
    ] {
        let definition = KeyDefinition::public(id, pair.public().clone());
        let key = bench.world().prove(Class::Channel, &definition, metadata, &by_x);
        assert_eq!(bench.ask(Code::PUT, &format!("v1/keys/{id}"), key.encoded()).code, code, "{metadata:?}");
    }
}

// verifies: TS-H2
#[test]
fn a_second_key_under_a_roots_id_is_refused() {
    let mut bench = Bench::in_service(World::new(EC));
    let a = bench.world().a.clone();
    let id = bench.world().root.key_id;
    let pair = bench.world().generate(crypto::KeyKind::Ec(crypto::Curve::P256));
    let definition = KeyDefinition::public(id, pair.public().clone());
    let key = bench.world().prove(Class::Channel, &definition, Metadata::NONE, &a.party.signer());
    assert_eq!(bench.ask(Code::PUT, &format!("v1/keys/{id}"), key.encoded()).code, Code::BAD_REQUEST);
}
