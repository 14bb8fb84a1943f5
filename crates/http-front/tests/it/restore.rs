//! One of the two servers comes back from a backup (decision H5); and the same calls over files on a disk.

use std::sync::Arc;

use store_redb::{Options, RedbStore};

use crate::parties::{Device, Kind, Owner, parameter_set};
use crate::world::World;

fn owner_is(world: &World, device: &Device, seq: u32, owner: Option<&Owner>) {
    assert_eq!(world.owner_of(device), (seq, owner.map(|owner| owner.id.clone())));
}

// verifies: TS-H5
#[test]
fn ts_h5_a_registration_server_from_a_backup_takes_the_higher_number() {
    let Some(world) = World::start() else { return };
    let (device, a, b, c) = (world.device(Kind::Secret), world.owner(), world.owner(), world.owner());
    world.claim(&a, &device).is(204);
    let backup = world.registration.backup();
    world.transfer(&a, &device, &b).is(204);
    world.registration.restore(backup);
    owner_is(&world, &device, 1, Some(&a));
    assert_eq!(world.block_on(world.server.settle()), Ok((0, 1)));
    owner_is(&world, &device, 2, Some(&b));
    world.transfer(&a, &device, &c).is_empty(403);
    world.about(&a, "GET", &device, "/configuration", None).is_empty(403);
    world.about(&b, "GET", &device, "/configuration", None).is_later();
    world.transfer(&b, &device, &b).is_empty(204);
    owner_is(&world, &device, 3, Some(&b));
    world.about(&b, "GET", &device, "/configuration", None).is(200);
    assert_eq!(world.block_on(world.server.settle()), Ok((0, 0)));
}

// verifies: TS-H5
#[test]
fn ts_h5_without_settling_the_former_owner_cannot_reach_the_same_number_either() {
    let Some(world) = World::start() else { return };
    let (device, a, b, c) = (world.device(Kind::Secret), world.owner(), world.owner(), world.owner());
    world.claim(&a, &device).is(204);
    let backup = world.registration.backup();
    world.transfer(&a, &device, &b).is(204);
    world.registration.restore(backup);
    world.transfer(&a, &device, &c).is_later();
    owner_is(&world, &device, 2, Some(&b));
    world.transfer(&a, &device, &c).is_empty(403);
    world.claim(&c, &device).is_empty(403);
}

// verifies: TS-H5
#[test]
fn ts_h5_a_registration_server_answers_no_owner_before_it_has_settled_since_its_start() {
    let Some(mut world) = World::start() else { return };
    let (device, a, b, c) = (world.device(Kind::Secret), world.owner(), world.owner(), world.owner());
    world.claim(&a, &device).is(204);
    let backup = world.registration.backup();
    world.transfer(&a, &device, &b).is(204);
    world.registration.restore(backup);
    world.to_bootstrap.shut(true);
    world.restart_registration();
    // The owner in the backup, the one that the backup does not know, a stranger: the same answer.
    for owner in [&a, &b, &c] {
        for path in ["/configuration", "/parameterset", "/bootstrap"] {
            assert_eq!(world.about(owner, "GET", &device, path, None).is_later(), 1, "{path}");
        }
        assert_eq!(world.about(owner, "PUT", &device, "/bootstrap", Some(b"")).is_later(), 1);
        assert_eq!(world.claim(owner, &device).is_later(), 1);
        assert_eq!(world.transfer(owner, &device, &c).is_later(), 1);
        assert_eq!(world.own(owner, &device, "?mgmtid=NULL").is_later(), 1);
    }
    owner_is(&world, &device, 1, Some(&a));
    world.to_bootstrap.shut(false);
    // The first call that can be answered settles the servers before it is.
    world.claim(&a, &device).is_empty(403);
    owner_is(&world, &device, 2, Some(&b));
    world.transfer(&a, &device, &c).is_empty(403);
    world.claim(&b, &device).is_empty(204);
    // The bootstrap server may go: what was agreed once holds until the next start.
    world.to_bootstrap.shut(true);
    world.claim(&b, &device).is_empty(204);
}

// verifies: TS-H5
#[test]
fn ts_h5_what_could_not_be_taken_over_keeps_owners_waiting() {
    let Some(mut world) = World::start() else { return };
    let (device, a, b) = (world.device(Kind::Ec), world.owner(), world.owner());
    world.claim(&a, &device).is(204);
    let backup = world.registration.backup();
    world.transfer(&a, &device, &b).is(204);
    world.registration.restore(backup);
    world.restart_registration();
    world.registration.allow_commits(0);
    world.claim(&a, &device).is_later();
    world.registration.allow_commits(usize::MAX);
    world.claim(&a, &device).is_empty(403);
    owner_is(&world, &device, 2, Some(&b));
}

// verifies: TS-H5
#[test]
fn ts_h5_a_release_that_a_backup_does_not_know_stands() {
    let Some(world) = World::start() else { return };
    let (device, a, b) = (world.device(Kind::Ec), world.owner(), world.owner());
    world.claim(&a, &device).is(204);
    let backup = world.registration.backup();
    world.own(&a, &device, "?mgmtid=NULL").is(204);
    world.registration.restore(backup);
    owner_is(&world, &device, 1, Some(&a));
    assert_eq!(world.block_on(world.server.settle()), Ok((0, 1)));
    owner_is(&world, &device, 1, None);
    world.claim(&b, &device).is_empty(204);
    owner_is(&world, &device, 2, Some(&b));
}

// verifies: TS-H5
#[test]
fn ts_h5_a_bootstrap_server_from_a_backup_is_told_and_its_old_image_goes() {
    let Some(world) = World::start() else { return };
    let (device, a, b) = (world.device(Kind::Ec), world.owner(), world.owner());
    world.claim(&a, &device).is(204);
    let old = crate::image::for_owner(&world, &a, &device, &[]);
    world.about(&a, "PUT", &device, "/bootstrap", Some(&old)).is(204);
    let backup = world.bootstrap.backup();
    world.transfer(&a, &device, &b).is(204);
    world.bootstrap.restore(backup);
    let served = || world.block_on(world.bootstrap_server.serve_image(device.uuid, device.uuid));
    assert_eq!(served(), Ok(Some(Vec::new())), "an image of an earlier owner is never served");
    assert!(world.bootstrap.holds(&old));
    assert_eq!(world.block_on(world.server.settle()), Ok((0, 1)));
    assert!(!world.bootstrap.holds(&old), "the image went with its owner");
    let new = crate::image::for_owner(&world, &b, &device, &[]);
    world.about(&b, "PUT", &device, "/bootstrap", Some(&new)).is_empty(204);
    assert_eq!(world.block_on(world.server.settle()), Ok((0, 0)));
    assert_eq!(served(), Ok(Some(new)), "settling again leaves the image");
}

// verifies: TS-H5
#[test]
fn ts_h5_a_device_that_a_backup_of_the_bootstrap_server_does_not_know_comes_back_by_its_file() {
    let Some(world) = World::start() else { return };
    let old = world.device(Kind::Ec);
    let backup = world.bootstrap.backup();
    let maker = world.maker();
    let device = Device::new(Kind::Secret, world.upload_set(&maker, &parameter_set("demo")));
    world.upload(&maker, &device).is(201);
    let (_, answers) = world.carry_gap_and_keep();
    let (a, b) = (world.owner(), world.owner());
    world.claim(&a, &device).is(204);
    world.bootstrap.restore(backup);
    assert_eq!(world.block_on(world.server.settle()), Ok((0, 0)));
    assert_eq!(world.server.unsettled().missing, 1, "the operator sees it");
    world.transfer(&a, &device, &b).is_later();
    assert_eq!(world.owner_of(&device), (1, Some(a.id.clone())), "nothing changes meanwhile");
    // The restored server reads the file again, since its count of files is that of the backup.
    let ours = crate::authority::Authority::of_this_run().bootstrap.gap.id;
    answers.iter().filter(|file| file.to == ours).for_each(|file| {
        crate::gap::bring_to_bootstrap(&*world.bootstrap, file);
    });
    assert_eq!(world.block_on(world.server.settle()), Ok((1, 0)));
    assert_eq!(world.server.unsettled(), http_front::registration::Unsettled::default());
    owner_is(&world, &device, 2, Some(&b));
    world.about(&b, "GET", &device, "/configuration", None).is(200);
    owner_is(&world, &old, 0, None);
}

#[test]
fn over_files_on_a_disk_the_same_holds_and_stays_after_reopening() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = folder.join(format!("http-front-redb-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("registration.redb");
    let open = |path: &std::path::Path| Arc::new(RedbStore::open(path, Options::default()).unwrap());
    let Some(world) = World::over(open(&path), open(&folder.join("bootstrap.redb"))) else { return };
    let (device, a, b) = (world.device(Kind::Secret), world.owner(), world.owner());
    world.claim(&a, &device).is_empty(204);
    world.claim(&b, &device).is_empty(403);
    let image = crate::image::for_owner(&world, &a, &device, &[vec![1]]);
    world.about(&a, "PUT", &device, "/bootstrap", Some(&image)).is_empty(204);
    world.transfer(&a, &device, &b).is_empty(204);
    assert_eq!(world.about(&b, "GET", &device, "/bootstrap", None).is(200).body, b"");
    world.to_bootstrap.shut(true);
    world.own(&b, &device, "?mgmtid=NULL").is_later();
    drop(world);
    let table = open(&path);
    let pending = authority::registration::ReadPendingChange { device: device.uuid };
    let change = crate::gap::ran(&*table, &pending).unwrap().expect("the change is on the disk");
    assert_eq!((change.seq, change.owner, change.by), (2, None, Some(b.id)));
    drop(table);
    std::fs::remove_dir_all(&folder).unwrap();
}
