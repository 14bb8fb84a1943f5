//! One server is away or fails half-way: 503, nothing done twice, nothing lost.

use crate::curl::Credentials;
use crate::parties::{Device, Kind};
use crate::world::{Api, World};
use http_front::TaError;
use http_front::bootstrap::Unable;

fn count(world: &World, verb: &str) -> usize {
    let both = [World::audit(&world.registration), World::audit(&world.bootstrap)].concat();
    both.iter().filter(|(operation, result)| operation == verb && result == "done").count()
}

fn is_pending(world: &World, device: &Device) -> bool {
    let read = authority::registration::ReadPendingChange { device: device.uuid };
    crate::gap::ran(&*world.registration, &read).unwrap().is_some()
}

// verifies: ASSURE-14.3-04b, ASSURE-14.7-04b
#[test]
fn a_claim_waits_for_the_bootstrap_server_and_is_driven_on_when_it_is_back() {
    let Some(world) = World::start() else { return };
    let (device, a, b) = (world.device(Kind::Secret), world.owner(), world.owner());
    world.to_bootstrap.shut(true);
    world.claim(&a, &device).is_later();
    assert_eq!(world.owner_of(&device), (0, None), "no owner before both servers have it");
    world.claim(&a, &device).is_later();
    world.claim(&b, &device).is_empty(403);
    assert!(is_pending(&world, &device));
    assert!(world.block_on(world.server.settle()).is_err(), "not yet");
    world.to_bootstrap.shut(false);
    world.claim(&b, &device).is_empty(403);
    assert_eq!(world.block_on(world.server.settle()), Ok((1, 0)));
    assert_eq!(world.owner_of(&device), (1, Some(a.id.clone())));
    assert!(!is_pending(&world, &device));
    assert_eq!((count(&world, "owner.claim"), count(&world, "bootstrap.reset")), (1, 1));
    assert_eq!(world.block_on(world.server.settle()), Ok((0, 0)), "settled is settled");
    world.claim(&a, &device).is_empty(204);
    world.about(&a, "GET", &device, "/configuration", None).is(200);
}

#[test]
fn the_caller_itself_drives_its_change_on_by_asking_again() {
    let Some(world) = World::start() else { return };
    let (device, a) = (world.device(Kind::Ec), world.owner());
    world.to_bootstrap.shut(true);
    world.claim(&a, &device).is_later();
    world.to_bootstrap.shut(false);
    world.claim(&a, &device).is_empty(204);
    assert_eq!(world.owner_of(&device), (1, Some(a.id)));
    assert_eq!((count(&world, "owner.claim"), count(&world, "bootstrap.reset")), (1, 1));
}

// verifies: ASSURE-9.3.5-06, ASSURE-14.7-04b
#[test]
fn between_the_two_commits_of_a_release_neither_server_serves_the_image() {
    let Some(world) = World::start() else { return };
    let (device, a) = (world.device(Kind::Ec), world.owner());
    world.claim(&a, &device).is(204);
    let image = crate::image::for_owner(&world, &a, &device, &[]);
    world.about(&a, "PUT", &device, "/bootstrap", Some(&image)).is(204);
    world.registration.allow_commits(1);
    world.own(&a, &device, "?mgmtid=NULL").is_later();
    world.registration.allow_commits(usize::MAX);
    assert!(is_pending(&world, &device));
    let serving = world.bootstrap_server.serve_image(device.uuid, device.uuid);
    assert_eq!(world.block_on(serving), Ok(Some(Vec::new())), "the image is gone on the bootstrap server");
    world.about(&a, "PUT", &device, "/bootstrap", Some(&image)).is_empty(403);
    assert_eq!(world.block_on(world.server.settle()), Ok((1, 0)));
    assert_eq!(world.owner_of(&device), (1, None));
    assert_eq!((count(&world, "owner.release"), count(&world, "bootstrap.reset")), (1, 2));
}

#[test]
fn a_change_survives_a_restart_of_the_registration_server() {
    let Some(world) = World::start() else { return };
    let (device, a, b) = (world.device(Kind::Secret), world.owner(), world.owner());
    world.claim(&a, &device).is(204);
    world.to_bootstrap.shut(true);
    world.transfer(&a, &device, &b).is_later();
    let disk = world.registration.backup();
    world.registration.restore(disk);
    world.to_bootstrap.shut(false);
    assert_eq!(world.block_on(world.server.settle()), Ok((1, 0)));
    assert_eq!(world.owner_of(&device), (2, Some(b.id.clone())));
    world.about(&b, "GET", &device, "/configuration", None).is(200);
    world.about(&a, "GET", &device, "/configuration", None).is_empty(403);
}

// verifies: ASSURE-14.7-04b
#[test]
fn a_running_server_drives_a_change_on_by_itself_after_an_outage() {
    let Some(world) = World::start() else { return };
    let (device, a, b) = (world.device(Kind::Ec), world.owner(), world.owner());
    world.claim(&a, &device).is(204);
    let (trigger, stop) = net::shutdown::shutdown();
    let running = world.spawn(world.server.clone().run(stop));
    world.to_bootstrap.shut(true);
    world.transfer(&a, &device, &b).is_later();
    assert_eq!(world.owner_of(&device), (1, Some(a.id.clone())));
    world.to_bootstrap.shut(false);
    // nobody asks for the change again; each look takes a new connection
    let looks = || world.about(&b, "GET", &device, "/parameterset", None).status == 200;
    assert!((0..1000).any(|_| looks()), "the change came off");
    assert_eq!(world.owner_of(&device), (2, Some(b.id.clone())));
    trigger.request();
    world.block_on(running).unwrap();
    assert!(!is_pending(&world, &device));
    assert_eq!((count(&world, "owner.transfer"), count(&world, "bootstrap.reset")), (1, 2));
    assert_eq!(world.server.unsettled(), http_front::registration::Unsettled::default());
}

#[test]
fn images_wait_for_both_servers() {
    let Some(world) = World::start() else { return };
    let (device, a) = (world.device(Kind::Ec), world.owner());
    world.claim(&a, &device).is(204);
    let image = crate::image::for_owner(&world, &a, &device, &[]);
    let put = || world.about(&a, "PUT", &device, "/bootstrap", Some(&image));
    let get = || world.about(&a, "GET", &device, "/bootstrap", None);
    for gate in [&world.to_bootstrap, &world.to_registration] {
        gate.shut(true);
        put().is_later();
        get().is_later();
        gate.shut(false);
    }
    world.bootstrap.stop(true);
    put().is_later();
    get().is_later();
    world.bootstrap.stop(false);
    assert_eq!(get().is(200).body, b"", "nothing was stored by the way");
    put().is(204);
    world.to_registration.shut(true);
    let unable = world.block_on(world.bootstrap_server.serve_image(device.uuid, device.uuid)).unwrap_err();
    assert!(matches!(unable, Unable::Registration(TaError::Call(_))), "{unable:?}");
    world.to_registration.shut(false);
}

/// Lets a caller hang up while the bootstrap server keeps the registration server waiting.
fn hung_up(world: &World, who: &Credentials, path: &str, body: &[u8]) {
    world.to_bootstrap.hold(true);
    let body = world.file(body);
    let curl = world.curl(Api::Maker, Some(who), "PUT", path).body(&body).for_at_most("0.5");
    assert!(curl.run().is_err(), "no answer in time");
    world.to_bootstrap.hold(false);
}

// verifies: ASSURE-14.1-04c, ASSURE-9.2.1-17
#[test]
fn an_upload_whose_caller_hangs_up_is_still_taken_back() {
    let Some(world) = World::start() else { return };
    let maker = world.maker();
    let device = Device::new(Kind::Ec, model::Uuid([9; 16]));
    hung_up(&world, &maker.credentials, &device.path(""), &maker.blob(&device));
    // the server goes on by itself; each call below gives it the time of a TLS handshake
    let uploaded = (0..200).find(|_| world.upload(&maker, &device).status == 201);
    assert!(uploaded.is_some(), "the UUID is free again");
    assert_eq!(world.carry_gap(), [authority::identity::Submitted::Issued]);
}
