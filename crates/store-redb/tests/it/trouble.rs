//! A disk that fails for a while under a process that lives on.

use std::io::ErrorKind;

use store::{Batch, CommitError, Journal, JournalError, Key, Position, Snapshot, Space, Table};
use store_redb::{OpenError, Options, RedbStore};

use crate::disk::{Disk, Trouble};

const SPACE: Space = Space(9);

/// Room at the head of the file: none, so that each commit is durable by itself, and plenty.
const ROOMS: [u32; 2] = [0, 256 * 1024];

fn open(disk: &Disk) -> RedbStore {
    open_with(disk, 256 * 1024)
}

fn open_with(disk: &Disk, recent_size: u32) -> RedbStore {
    let options = Options { recent_size, ..Options::default() };
    RedbStore::with_backend(Box::new(disk.clone()), options).expect("opens")
}

fn put(store: &RedbStore, name: &[u8], value: Vec<u8>) -> Result<(), CommitError> {
    let mut batch = Batch::default();
    batch.put(Key::new(SPACE, name), value);
    store.commit(&Snapshot::default(), &batch).map(|_| ())
}

fn value(store: &RedbStore, name: &[u8]) -> Option<Vec<u8>> {
    store.get(&Key::new(SPACE, name)).expect("readable").map(|record| record.value)
}

/// How many operations `put` of this size takes after the store was opened and used once.
fn operations_of_a_put(room: u32, size: usize) -> (usize, usize) {
    let disk = Disk::default();
    let store = open_with(&disk, room);
    put(&store, b"before", vec![1; 10]).expect("commits");
    let first = disk.operations();
    put(&store, b"it", vec![2; size]).expect("commits");
    (first, disk.operations())
}

#[test]
fn a_failure_of_any_operation_of_a_commit_is_told_truly_and_the_store_goes_on() {
    ROOMS.into_iter().for_each(a_failure_is_told_truly);
}

fn a_failure_is_told_truly(room: u32) {
    let (first, end) = operations_of_a_put(room, 5000);
    assert!(end - first >= if room == 0 { 4 } else { 2 }, "a commit of {} operations", end - first);
    let mut refused = 0;
    for at in first..end {
        let disk = Disk::default();
        let store = open_with(&disk, room);
        put(&store, b"before", vec![1; 10]).expect("commits");
        disk.plan(Trouble::Fails(at, ErrorKind::Other));
        let expected = match put(&store, b"it", vec![2; 5000]) {
            Ok(()) => Some(vec![2; 5000]),
            Err(CommitError::Unavailable(_)) => {
                refused += 1;
                None
            }
            Err(other) => panic!("operation {at}: {other:?}"),
        };
        assert_eq!(value(&store, b"before"), Some(vec![1; 10]), "operation {at}");
        assert_eq!(value(&store, b"it"), expected, "operation {at}");
        put(&store, b"after", vec![3; 10]).expect("the store goes on");
        drop(store);
        let store = open(&disk);
        assert_eq!(value(&store, b"it"), expected, "operation {at}, opened again");
        assert_eq!(value(&store, b"after"), Some(vec![3; 10]), "operation {at}, opened again");
    }
    assert!(refused > 0, "some operation decides over the commit");
}

#[test]
fn a_full_disk_refuses_as_full_keeps_what_it_has_and_goes_on_when_there_is_room() {
    let disk = Disk::default();
    let store = open(&disk);
    put(&store, b"before", vec![1; 10]).expect("commits");
    disk.plan(Trouble::FullFrom(disk.operations()));
    // Free pages inside the file take the first of these; the file must grow for one of them.
    let refused_at = (0..64_u8).find(|at| match put(&store, &[b'i', *at], vec![2; 300_000]) {
        Ok(()) => false,
        Err(CommitError::Full) => true,
        Err(other) => panic!("{other:?}"),
    });
    let refused_at = refused_at.expect("the disk fills up");
    assert_eq!(value(&store, &[b'i', refused_at]), None, "full means that nothing was written");
    assert_eq!(value(&store, b"before"), Some(vec![1; 10]), "a full disk can be read");
    let large = vec![vec![3; 4_000_000]; 4];
    assert_eq!(store.append(SPACE, b"events", &large), Err(JournalError::Full));
    assert_eq!(Journal::read(&store, SPACE, b"events", Position(0), 9), Ok(Vec::new()));
    disk.repair();
    put(&store, &[b'i', refused_at], vec![2; 300_000]).expect("there is room again");
    assert_eq!(store.append(SPACE, b"events", &large), Ok(Position(0)));
    drop(store);
    let store = open(&disk);
    for at in 0..=refused_at {
        assert_eq!(value(&store, &[b'i', at]), Some(vec![2; 300_000]), "{at}");
    }
}

#[test]
fn a_full_disk_keeps_what_stands_at_the_head_of_the_file() {
    let disk = Disk::default();
    let store = open(&disk);
    for at in 0..20_u8 {
        put(&store, &[b'i', at], vec![at; 5000]).expect("commits");
    }
    disk.plan(Trouble::FullFrom(disk.operations()));
    let refused = (0..64).find(|_| put(&store, b"large", vec![2; 300_000]).is_err());
    assert!(refused.is_some(), "the disk fills up");
    let left = open(&{
        let full = disk.copy();
        full.plan(Trouble::FullFrom(0));
        full
    });
    for store in [&store, &left] {
        (0..20_u8).for_each(|at| assert_eq!(value(store, &[b'i', at]), Some(vec![at; 5000]), "{at}"));
    }
}

#[test]
fn a_commit_whose_end_nobody_saw_is_unknown() {
    ROOMS.into_iter().for_each(an_end_that_nobody_saw_is_unknown);
}

fn an_end_that_nobody_saw_is_unknown(room: u32) {
    let (first, end) = operations_of_a_put(room, 5000);
    let mut unknown = 0;
    for at in first..end {
        let disk = Disk::default();
        let store = open_with(&disk, room);
        put(&store, b"before", vec![1; 10]).expect("commits");
        disk.plan(Trouble::PowerCut(at, 0));
        match put(&store, b"it", vec![2; 5000]) {
            Ok(()) => panic!("operation {at}: nothing is acknowledged without power"),
            Err(CommitError::OutcomeUnknown(fault)) => {
                unknown += 1;
                assert!(fault.detail.contains("the power is off"), "{fault}");
            }
            Err(CommitError::Unavailable(_)) => {}
            Err(other) => panic!("operation {at}: {other:?}"),
        }
        assert!(store.get(&Key::new(SPACE, *b"before")).is_err(), "a dead disk gives no answers");
    }
    assert!(unknown > 0, "a commit that fails in its last steps cannot be judged without the disk");
}

#[test]
fn an_unreadable_disk_is_a_fault_and_passes() {
    let disk = Disk::default();
    let no_cache = Options { cache_size: 0, ..Options::default() };
    let store = RedbStore::with_backend(Box::new(disk.clone()), no_cache).expect("opens");
    put(&store, b"it", vec![2; 50_000]).expect("commits");
    disk.plan(Trouble::Unreadable);
    assert!(store.get(&Key::new(SPACE, *b"it")).is_err());
    assert!(matches!(put(&store, b"more", vec![1]), Err(CommitError::Unavailable(_))));
    disk.repair();
    assert_eq!(value(&store, b"it"), Some(vec![2; 50_000]));
    assert_eq!(value(&store, b"more"), None);
}

#[test]
fn a_disk_that_is_full_from_the_start_is_named() {
    let disk = Disk::default();
    disk.plan(Trouble::FullFrom(0));
    let opened = RedbStore::with_backend(Box::new(disk.clone()), Options::default());
    assert_eq!(opened.expect_err("no room for a header"), OpenError::Full);
    disk.repair();
    put(&open(&disk), b"it", vec![1]).expect("commits");
}
