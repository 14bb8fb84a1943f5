//! What is granted, brought, fetched, swept and removed.

use std::time::Duration;

use depot::{
    FILE_COUNT_MAX, FILE_SIZE_MAX, FileId, GRANT_DURATION_MAX, IsKnown, LENT_COUNT_MAX, NoGrant,
    RemoveAllFiles, Settled, THING_SIZE_MAX, Way,
};

use crate::world::{CAMERA, HOUR, LOCK, World};

#[test]
fn an_upload_is_granted_arrives_once_and_is_fetched() {
    let mut world = World::default();
    let granted = world.grant(1, 1000, HOUR).unwrap();
    assert_eq!((granted.way, granted.file.size, granted.file.arrived), (Way::Upload, 1000, None));
    assert_eq!(world.found(1), Some(granted));
    assert_eq!(world.fetch(CAMERA, 1, 9), Err(NoGrant::NoFile), "it has not arrived");

    let Settled::Stored(file) = world.arrived(1) else { panic!("it is not stored") };
    assert_eq!((file.id, file.arrived), (FileId([1; 16]), Some(world.now())));
    assert_eq!(world.found(1), None, "an upload is granted once");
    assert_eq!(world.arrived(1), Settled::Over);
    assert_eq!(world.files(), std::slice::from_ref(&file));

    let fetched = world.fetch(CAMERA, 1, 9).unwrap();
    assert_eq!((fetched.way, fetched.file), (Way::Download, file));
    assert_eq!(world.found(9).unwrap().way, Way::Download, "a download may be repeated until its end");
    assert_eq!(world.audited(), 3, "two grants and one arrival");
}

#[test]
fn a_grant_ends_by_itself_and_says_nothing_of_itself_afterwards() {
    let mut world = World::default();
    let until = world.grant(1, 1000, HOUR).unwrap().until;
    world.wait(HOUR - Duration::from_millis(1));
    assert!(world.found(1).is_some());
    world.wait(Duration::from_millis(1));
    assert_eq!(world.now(), until);
    assert_eq!(world.found(1), None);
    assert_eq!(world.found(2), None, "one that never was looks the same");
}

#[test]
fn no_grant_lasts_longer_than_a_day() {
    let mut world = World::default();
    let until = world.grant(1, 1000, Duration::MAX).unwrap().until;
    let day = u64::try_from(GRANT_DURATION_MAX.as_millis()).unwrap();
    assert_eq!(until.as_unix_millis(), world.now().as_unix_millis() + day);
}

#[test]
fn a_file_is_lent_to_so_many_at_once() {
    let mut world = World::default();
    world.grant(1, 1000, HOUR).unwrap();
    world.arrived(1);
    let tokens = 100..100 + u8::try_from(LENT_COUNT_MAX).unwrap();
    tokens.for_each(|token| drop(world.fetch(CAMERA, 1, token).unwrap()));
    assert_eq!(world.fetch(CAMERA, 1, 9), Err(NoGrant::ManyLent));
    assert!(world.found(100).is_some(), "those that hold go on");
    world.wait(HOUR);
    assert!(world.fetch(CAMERA, 1, 9).is_ok(), "what has ended makes room");
}

#[test]
fn bytes_that_are_wrong_three_times_end_the_grant() {
    let mut world = World::default();
    world.grant(1, 1000, HOUR).unwrap();
    assert_eq!(world.spoiled(1), Settled::Again);
    assert_eq!(world.spoiled(1), Settled::Again);
    assert_eq!(world.spoiled(1), Settled::Over);
    assert_eq!((world.found(1), world.files()), (None, Vec::new()));
    assert_eq!(world.arrived(1), Settled::Over, "not even the right ones come in now");
}

#[test]
fn names_and_sizes_are_within_their_limits() {
    let mut world = World::default();
    let long = "x".repeat(129);
    for name in ["", "a/b", "..\\a", "a\0", "a\n", &long[..]] {
        assert_eq!(world.grant_named(name, 1, 10, HOUR), Err(NoGrant::BadName), "{name:?}");
    }
    for size in [0, FILE_SIZE_MAX + 1, u64::MAX] {
        assert_eq!(world.grant(1, size, HOUR), Err(NoGrant::BadSize), "{size}");
    }
    assert_eq!((world.files().len(), world.audited(), world.found(1)), (0, 0, None));
    assert!(world.grant_named(&"x".repeat(128), 1, FILE_SIZE_MAX, HOUR).is_ok());
}

#[test]
fn a_thing_fills_neither_its_bytes_nor_its_places() {
    let mut world = World::default();
    let full = u8::try_from(THING_SIZE_MAX / FILE_SIZE_MAX).unwrap();
    for file in 0..full {
        world.grant(file, FILE_SIZE_MAX, HOUR).unwrap();
    }
    assert_eq!(world.grant(100, 1, HOUR), Err(NoGrant::NoRoom), "announced bytes count");
    assert!(world.remove(0));
    assert!(world.grant(100, FILE_SIZE_MAX, HOUR).is_ok());

    let mut world = World::default();
    for number in 0..FILE_COUNT_MAX {
        let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
        let mut id = [0; 16];
        id[..2].copy_from_slice(&[high, low]);
        world.grant_as(id);
    }
    assert_eq!(world.grant(0xff, 1, HOUR), Err(NoGrant::NoRoom));
}

#[test]
fn a_file_of_another_thing_is_not_there() {
    let mut world = World::default();
    world.grant(1, 10, HOUR).unwrap();
    world.arrived(1);
    assert_eq!(world.fetch(LOCK, 1, 9), Err(NoGrant::NoFile));
    assert_eq!(world.found(9), None);
}

#[test]
fn a_download_is_no_upload() {
    let mut world = World::default();
    world.grant(1, 10, HOUR).unwrap();
    world.arrived(1);
    world.fetch(CAMERA, 1, 9).unwrap();
    assert_eq!(world.arrived(9), Settled::Over);
    assert_eq!(world.spoiled(9), Settled::Over);
    assert_eq!(world.files().len(), 1);
    assert!(world.found(9).is_some(), "nor did the try end it");
}

#[test]
fn sweeping_takes_what_ended_and_nothing_else() {
    let mut world = World::default();
    world.grant(1, 10, HOUR).unwrap();
    world.grant(2, 10, HOUR).unwrap();
    world.arrived(2);
    world.fetch(CAMERA, 2, 8).unwrap();
    world.wait(HOUR);
    world.grant(3, 10, HOUR).unwrap();
    let swept = world.sweep();
    assert_eq!((swept.grant_count, swept.files, swept.next), (2, vec![(CAMERA, FileId([1; 16]))], None));
    let left: Vec<FileId> = world.files().iter().map(|file| file.id).collect();
    assert_eq!(left, [FileId([2; 16]), FileId([3; 16])], "what has arrived stays, and what may still arrive");
    assert!(world.found(3).is_some());
    assert!(!world.run(&IsKnown { thing: CAMERA, file: FileId([1; 16]) }));
    assert!(world.run(&IsKnown { thing: CAMERA, file: FileId([3; 16]) }));
}

#[test]
fn a_removed_file_ends_its_grants_and_all_of_them_go_with_their_owner() {
    let mut world = World::default();
    for file in 1..=3 {
        world.grant(file, 10, HOUR).unwrap();
        world.arrived(file);
    }
    world.fetch(CAMERA, 1, 9).unwrap();
    assert!(world.remove(1) && !world.remove(1));
    assert_eq!(world.found(9), None);
    let gone = world.run(&RemoveAllFiles { thing: CAMERA }).unwrap();
    assert_eq!(gone, [FileId([2; 16]), FileId([3; 16])]);
    assert_eq!(world.files(), []);
}
