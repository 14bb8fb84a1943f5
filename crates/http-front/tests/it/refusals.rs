//! Refused owner calls: whatever the cause, the caller learns the same, and the server does the same work.

use store::ReadSet;

use crate::curl::Reply;
use crate::parties::{Device, Kind, Owner};
use crate::world::{Api, World};
use model::Uuid;

/// All that can differ between two refusals without a clock.
#[derive(Debug, PartialEq)]
struct Seen {
    reply: Reply,
    /// Space and length of each name that was read, per look at a store.
    registration: Vec<Vec<(u8, usize)>>,
    bootstrap: Vec<Vec<(u8, usize)>>,
    work: Vec<(&'static str, usize)>,
}

fn shape(reads: Vec<ReadSet>) -> Vec<Vec<(u8, usize)>> {
    let one = |reads: ReadSet| reads.keys.iter().map(|key| (key.space.0, key.name.len())).collect();
    reads.into_iter().map(one).collect()
}

fn seen(world: &World, call: impl FnOnce() -> Reply) -> Seen {
    world.registration.taken_reads();
    world.bootstrap.taken_reads();
    world.work.taken_work();
    Seen {
        reply: call().but_date(),
        registration: shape(world.registration.taken_reads()),
        bootstrap: shape(world.bootstrap.taken_reads()),
        work: world.work.taken_work(),
    }
}

/// Two owners whose ids are of one length: the shape of what is read has the caller's own name in it.
fn owners(world: &World) -> (Owner, Owner) {
    let a = world.owner();
    loop {
        let b = world.owner();
        if b.id.to_string().len() == a.id.to_string().len() {
            return (a, b);
        }
    }
}

/// An id that is nobody's, as long as that of `owner`.
fn unknown(owner: &Owner) -> String {
    let mut id = owner.id.to_string();
    let other = if id.pop() == Some('d') { 'e' } else { 'd' };
    id.push(other);
    id
}

/// Three devices: of another owner, of nobody, and one that does not exist.
struct Devices {
    foreign: Device,
    free: Device,
    missing: Device,
}

fn devices(world: &World, owner: &Owner) -> Devices {
    let maker = world.maker();
    let (foreign, free) = (world.device_of(&maker, Kind::Secret), world.device_of(&maker, Kind::Secret));
    world.claim(owner, &foreign).is(204);
    Devices { foreign, free, missing: Device::new(Kind::Secret, Uuid([9; 16])) }
}

#[track_caller]
fn all_alike(cases: Vec<(&str, Seen)>) {
    let (_, first) = &cases[0];
    assert_eq!(first.reply.is_empty(403).headers.len(), 1, "content-length alone: {:?}", first.reply);
    assert!(!first.registration.is_empty(), "the store was asked");
    for (cause, case) in &cases {
        assert_eq!(case, first, "{cause}");
    }
}

// verifies: ASSURE-9.3.2-06
#[test]
fn refused_claims_are_alike_in_answer_reads_and_hashes() {
    let Some(world) = World::start() else { return };
    let (a, b) = owners(&world);
    let devices = devices(&world, &a);
    let wrong = "f".repeat(32);
    let claim =
        |device: &Device, case: &str| seen(&world, || world.own(&b, device, &format!("?case_string={case}")));
    let cases = vec![
        ("wrong string", claim(&devices.free, &wrong)),
        ("of another owner", claim(&devices.foreign, &devices.foreign.case)),
        ("of another owner, wrong string", claim(&devices.foreign, &wrong)),
        ("no such device", claim(&devices.missing, &devices.missing.case)),
    ];
    assert!(cases[0].1.work.iter().any(|(what, _)| *what == "digest"), "the string is hashed");
    all_alike(cases);
    assert_eq!(world.owner_of(&devices.foreign), (1, Some(a.id)));
    assert_eq!(world.owner_of(&devices.free), (0, None));
}

// verifies: ASSURE-9.3.4-03, ASSURE-9.3.2-06
#[test]
fn refused_combined_calls_are_alike() {
    let Some(world) = World::start() else { return };
    let (a, b) = owners(&world);
    let devices = devices(&world, &a);
    let stranger = unknown(&b);
    let call = |device: &Device, case: &str, to: &str| {
        seen(&world, || world.own(&b, device, &format!("?case_string={case}&mgmtid={to}")))
    };
    let (to, wrong) = (a.id.to_string(), "f".repeat(32));
    all_alike(vec![
        ("wrong string", call(&devices.free, &wrong, &to)),
        ("of another owner", call(&devices.foreign, &devices.foreign.case, &to)),
        ("no such device", call(&devices.missing, &devices.missing.case, &to)),
        ("unknown receiver", call(&devices.free, &devices.free.case, &stranger)),
    ]);
    assert_eq!(world.owner_of(&devices.free), (0, None));
}

// verifies: ASSURE-9.3.3-02, ASSURE-9.3.3-04, ASSURE-9.3.5-04
#[test]
fn refused_transfers_and_releases_are_alike() {
    let Some(world) = World::start() else { return };
    let (a, b) = owners(&world);
    let devices = devices(&world, &a);
    let stranger = unknown(&b);
    let call = |who: &Owner, device: &Device, to: &str| {
        seen(&world, || world.own(who, device, &format!("?mgmtid={to}")))
    };
    let to = b.id.to_string();
    all_alike(vec![
        ("of another owner", call(&b, &devices.foreign, &to)),
        ("of nobody", call(&b, &devices.free, &to)),
        ("no such device", call(&b, &devices.missing, &to)),
        ("unknown receiver", call(&a, &devices.foreign, &stranger)),
    ]);
    all_alike(vec![
        ("of another owner", call(&b, &devices.foreign, "NULL")),
        ("of nobody", call(&b, &devices.free, "NULL")),
        ("no such device", call(&b, &devices.missing, "NULL")),
    ]);
    for unreadable in ["", "null", "no+id", "%00"] {
        world.own(&a, &devices.foreign, &format!("?mgmtid={unreadable}")).is_empty(403);
    }
    assert_eq!(world.owner_of(&devices.foreign), (1, Some(a.id)));
}

// verifies: ASSURE-9.3.6-04, ASSURE-9.3.7-04, ASSURE-9.3.8-03, ASSURE-15.2-08
#[test]
fn refused_readers_and_writers_learn_nothing() {
    let Some(world) = World::start() else { return };
    let (a, b) = owners(&world);
    let devices = devices(&world, &a);
    let image = crate::image::for_owner(&world, &a, &devices.foreign, &[]);
    world.about(&a, "PUT", &devices.foreign, "/bootstrap", Some(&image)).is(204);
    let calls: [(&str, &str, Option<&[u8]>); 5] = [
        ("GET", "/parameterset", None),
        ("GET", "/configuration", None),
        ("GET", "/bootstrap", None),
        ("PUT", "/bootstrap", Some(&image)),
        ("PUT", "/bootstrap", Some(b"")),
    ];
    for (method, what, body) in calls {
        let call = |device: &Device| seen(&world, || world.about(&b, method, device, what, body));
        all_alike(vec![
            ("of another owner", call(&devices.foreign)),
            ("of nobody", call(&devices.free)),
            ("no such device", call(&devices.missing)),
        ]);
        let path = format!("/v1/devices/no-uuid{what}");
        world.call(Api::Owner, &b.credentials, method, &path, body).is_empty(403);
    }
    let kept = world.about(&a, "GET", &devices.foreign, "/bootstrap", None);
    assert_eq!(kept.is(200).body, image, "the stored image is unchanged");
}

#[test]
fn queries_of_no_known_form_are_400() {
    let Some(world) = World::start() else { return };
    let owner = world.owner();
    let device = world.device(Kind::Ec);
    for query in ["?x=1", "?case_string", "?mgmtid=a&mgmtid=b", "?mgmtid=NULL&x=1"] {
        world.own(&owner, &device, query).is_empty(400);
    }
    for query in ["", "?", &format!("?case_string={}&mgmtid=NULL", device.case)] {
        world.own(&owner, &device, query).is_empty(403);
    }
    assert_eq!(world.owner_of(&device), (0, None));
}
