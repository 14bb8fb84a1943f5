//! The steps between a claim and an image at the authority, whatever happens in between.

use assure_proto::BootstrapImage;
use management::Registrant;

use super::house::House;
use crate::parties::Kind;
use crate::world::World;

// verifies: ASSURE-15.5-03, ASSURE-15.2-07
#[test]
fn every_kind_of_device_gets_an_image_at_the_authority() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    for kind in Kind::ALL {
        let device = world.device(kind);
        house.claim(&device);
        let gateway = &house.server.owner().gateway;
        let stored = world.block_on(gateway.read_bootstrap(device.uuid)).unwrap().unwrap();
        let image = BootstrapImage::decode(&stored).unwrap();
        let listed = world.block_on(gateway.configuration(device.uuid)).unwrap().unwrap();
        let keys: Vec<_> = image.authenticated_keys().iter().map(|key| key.encoded().to_vec()).collect();
        assert_eq!(keys, listed.authenticated_keys, "{kind:?}");
        assert_eq!(image.owner_data().sequence_number(), 1);
    }
    let verbs: Vec<_> = World::audit(&house.table).into_iter().map(|(verb, _)| verb).collect();
    for verb in ["owner.register", "owner.claim", "owner.configure", "owner.bootstrap"] {
        assert!(verbs.contains(&verb.to_owned()), "{verb} in {verbs:?}");
    }
}

#[test]
fn a_restart_at_any_point_goes_on_where_it_stopped() {
    let Some(world) = World::start() else { return };
    for commits in 0..3 {
        let house = House::open(&world);
        let device = world.device(Kind::Secret);
        let path = device.path(&format!("?case_string={}", device.case));
        house.call("POST", &path, None).is_empty(201);
        let id = house.server.owner().keys.id.clone();
        house.table.allow_commits(commits);
        house.drive();
        house.table.allow_commits(usize::MAX);
        let house = house.reopened();
        assert_eq!(house.server.owner().keys.id, id, "the same owner, not a second one");
        world.block_on(house.server.resume());
        assert_eq!(house.status(&device), 4, "after {commits} commits");
        let gateway = &house.server.owner().gateway;
        let stored = world.block_on(gateway.read_bootstrap(device.uuid)).unwrap().unwrap();
        assert!(BootstrapImage::decode(&stored).is_ok());
    }
}

#[test]
fn a_busy_authority_is_asked_again_and_not_before_its_time() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let device = world.device(Kind::Ec);
    let path = device.path(&format!("?case_string={}", device.case));
    house.call("POST", &path, None).is_empty(201);
    world.to_bootstrap.shut(true);
    let driven = house.drive();
    assert_eq!((driven.done, driven.waiting), (0, 1));
    let pause = driven.again_after.unwrap();
    assert!(pause.as_secs() >= 2, "{pause:?}");
    world.to_bootstrap.shut(false);
    let driven = house.drive();
    assert_eq!((driven.done, driven.waiting), (0, 1), "not before its time");
    assert_eq!(house.status(&device), 2);
    world.block_on(house.server.resume());
    assert_eq!(house.status(&device), 4);
}

// verifies: TS-M7, TS-L7
#[test]
fn ts_m7_the_tls_key_is_not_the_class_2_key_and_a_restart_is_the_same_owner() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let owner = world.block_on(house.executor.run(management::ReadOwner)).unwrap().unwrap().unwrap();
    let (first, now) = (owner.registered.clone().unwrap(), owner.certified.clone().unwrap());
    assert_eq!((&first.id, first.class_2_key), (&now.id, now.class_2_key));
    let leaf = certificate::Leaf::from_der(&now.certificate).unwrap();
    let keys = &house.server.owner().keys;
    assert_ne!(&leaf.public_key().unwrap(), keys.class_2.public());
    assert!(owner.rsa_linked);
    let house = house.reopened();
    let again = world.block_on(house.executor.run(management::ReadOwner)).unwrap().unwrap().unwrap();
    assert_eq!(again, owner, "nothing is registered twice");
}

#[test]
fn a_transferred_device_is_accepted_by_its_new_owner_and_gone_from_the_old() {
    let Some(world) = World::start() else { return };
    let (a, b) = (House::open(&world), House::open(&world));
    let device = world.device(Kind::Secret);
    a.claim(&device);
    b.call("POST", &device.path("/accept"), None).is_empty(204);
    let waiting = b.drive();
    assert_eq!((waiting.done, waiting.waiting, b.status(&device)), (0, 1, 1), "not transferred yet");
    let to = b.server.owner().keys.id.clone();
    a.call("POST", &device.path("/transfer?to=NULL"), None).is_empty(400);
    a.call("POST", &device.path("/transfer?to=abc"), None).is_empty(403);
    assert_eq!(a.status(&device), 4, "an unknown receiver changes nothing");
    a.call("POST", &device.path(&format!("/transfer?to={to}")), None).is_empty(204);
    assert_eq!(a.status(&device), 9);
    assert_eq!(*a.closed.lock().unwrap(), [device.uuid]);
    a.call("POST", &device.path(&format!("/transfer?to={to}")), None).is_empty(204);
    let own = a.server.owner().keys.id.clone();
    for other in [format!("/transfer?to={own}"), "/release".into()] {
        a.call("POST", &device.path(&other), None).is_empty(403);
    }
    world.block_on(b.server.resume());
    assert_eq!(b.status(&device), 4);
    b.call("POST", &device.path("/accept"), None).is_empty(204);
    assert_eq!((b.status(&device), b.drive().done), (4, 0), "the same order again does nothing");
    assert_eq!(House::json(&b.call("GET", &device.path(""), None))["owner_sequence_number"], 2);
    assert_eq!(world.owner_of(&device), (2, Some(to)));
    b.call("POST", &device.path("/release"), None).is_empty(204);
    assert_eq!((b.status(&device), world.owner_of(&device)), (9, (2, None)));
    a.claim(&device);
    assert_eq!(House::json(&a.call("GET", &device.path(""), None))["owner_sequence_number"], 3);
}

#[test]
fn an_order_repeated_after_its_answer_was_lost_finds_itself_done() {
    let Some(world) = World::start() else { return };
    let (a, b) = (House::open(&world), House::open(&world));
    let device = world.device(Kind::Ec);
    a.claim(&device);
    let transfer = device.path(&format!("/transfer?to={}", b.server.owner().keys.id));
    // The authority has changed the owner; what it answered is lost before it is stored.
    a.table.allow_commits(1);
    a.call("POST", &transfer, None).is(503);
    a.table.allow_commits(usize::MAX);
    assert_eq!((a.status(&device), world.owner_of(&device).0), (4, 2));
    for _ in 0..2 {
        a.call("POST", &transfer, None).is_empty(204);
        assert_eq!(a.status(&device), 9);
    }
    assert_eq!(*a.closed.lock().unwrap(), [device.uuid]);
    // The same for the receiver: announced, and not known to be.
    b.table.allow_commits(1);
    b.call("POST", &device.path("/accept"), None).is(503);
    b.table.allow_commits(usize::MAX);
    b.call("POST", &device.path("/accept"), None).is_empty(204);
    world.block_on(b.server.resume());
    assert_eq!(b.status(&device), 4);
    b.call("POST", &device.path("/accept"), None).is_empty(204);
    assert_eq!(world.owner_of(&device).0, 2, "nothing was changed twice");
    let done = |table, verb: &str| World::audit(table).iter().filter(|(op, _)| op == verb).count();
    assert_eq!((done(&a.table, "owner.transfer"), done(&b.table, "owner.accept")), (1, 1));
    b.call("DELETE", &device.path("/accept"), None).is_empty(409);
}

// verifies: TS-D05
#[test]
fn an_accepted_device_is_announced_also_when_the_authority_was_away() {
    let Some(world) = World::start() else { return };
    let (a, b) = (House::open(&world), House::open(&world));
    let device = world.device(Kind::Ec);
    a.claim(&device);
    b.call("PUT", "/v1/managementsystem/takes", Some("some")).is_empty(400);
    b.call("PUT", "/v1/managementsystem/takes", Some("announced")).is_empty(204);
    world.registration.stop(true);
    b.call("POST", &device.path("/accept"), None).is(503);
    world.registration.stop(false);
    let transfer = device.path(&format!("/transfer?to={}", b.server.owner().keys.id));
    a.call("POST", &transfer, None).is_empty(403);
    assert_eq!(House::json(&b.call("GET", &device.path(""), None))["due"], "announce");
    world.block_on(b.server.resume());
    a.call("POST", &transfer, None).is_empty(204);
    world.block_on(b.server.resume());
    assert_eq!(b.status(&device), 4);
    // It was announced for one transfer, not for every one to come.
    let back = device.path(&format!("/transfer?to={}", a.server.owner().keys.id));
    a.call("POST", &device.path("/accept"), None).is_empty(204);
    b.call("POST", &back, None).is_empty(204);
    world.block_on(a.server.resume());
    assert_eq!((a.status(&device), b.status(&device)), (4, 9));
    a.call("POST", &transfer, None).is_empty(403);
}

// verifies: TS-D05
#[test]
fn a_transfer_that_is_expected_no_more_is_refused_and_not_awaited() {
    let Some(world) = World::start() else { return };
    let (a, b) = (House::open(&world), House::open(&world));
    let device = world.device(Kind::Ec);
    a.claim(&device);
    b.call("PUT", "/v1/managementsystem/takes", Some("announced")).is_empty(204);
    b.call("POST", &device.path("/accept"), None).is_empty(204);
    b.call("DELETE", &device.path("/accept"), None).is_empty(204);
    let transfer = device.path(&format!("/transfer?to={}", b.server.owner().keys.id));
    a.call("POST", &transfer, None).is_empty(403);
    assert_eq!(a.status(&device), 4, "it stays where it was");
    assert_eq!(b.drive().waiting, 0);
    b.call("PUT", "/v1/managementsystem/takes", Some("all")).is_empty(204);
    a.call("POST", &transfer, None).is_empty(204);
    let said: Vec<(String, String)> = World::audit(&b.table);
    for (operation, result) in
        [("owner.takes", "announced only"), ("owner.decline", "done"), ("owner.takes", "all")]
    {
        assert!(said.iter().any(|(op, end)| op == operation && end == result), "{operation} in {said:?}");
    }
}

#[test]
fn a_release_whose_answer_was_lost_is_found_out() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let device = world.device(Kind::Ec);
    house.claim(&device);
    let leave =
        management::Leave { device: device.uuid, to: None, origin: crate::authority::origin("management") };
    world.block_on(house.executor.run(leave)).unwrap().unwrap();
    let gateway = house.server.owner().gateway.clone();
    world.block_on(gateway.give(device.uuid, None)).unwrap();
    let house = house.reopened();
    assert_eq!(house.status(&device), 4, "it was ended before it heard the answer");
    world.block_on(house.server.resume());
    assert_eq!(house.status(&device), 9);
    let read = management::ReadDevice { device: device.uuid, by: Registrant::Operator };
    assert_eq!(world.block_on(house.executor.run(read)).unwrap().unwrap().unwrap().due, None);
}

// verifies: ASSURE-14.2-01, ASSURE-14.2-02, ASSURE-14.3-02, ASSURE-14.3-03, ASSURE-14.3-06, ASSURE-14.5-01
#[test]
fn the_calls_of_the_figures_come_once_and_in_their_order() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let device = world.device(Kind::Secret);
    house.claim(&device);
    let requests = world.log.requests();
    let calls = [
        ("owner-gateway", "POST", "/v1/managementsystems".to_owned()),
        ("owner-gateway", "PUT", device.path("/owner")),
        ("management", "POST", device.path("")),
        ("owner-gateway", "GET", device.path("/configuration")),
        ("owner-gateway", "PUT", device.path("/bootstrap")),
    ];
    let place = |(api, method, path): &(&str, &str, String)| {
        let is_it = |line: &&String| {
            let words: Vec<_> = line.split([' ', '=', '"']).filter(|word| !word.is_empty()).collect();
            [*api, *method, path.as_str()].iter().all(|word| words.contains(word))
        };
        assert_eq!(requests.iter().filter(is_it).count(), 1, "{method} {path} in {requests:?}");
        requests.iter().position(|line| is_it(&line))
    };
    let places: Vec<_> = calls.iter().map(place).collect();
    assert!(places.is_sorted(), "{places:?} in {requests:?}");
}
