//! Power cuts at every write, change of length and sync of a history: what was acknowledged is there, what
//! was not is there as a whole or not at all.

use clock::Dice;
use store::{Batch, Entry, Journal, Key, Position, ReadSet, Snapshot, Space, Table};
use store_redb::{Options, RedbStore};

use crate::disk::{Disk, Trouble};

const SPACE: Space = Space(9);
const STEPS: u8 = 5;
/// Room at the head of the file: none, so that each commit is durable by itself; for about every second change;
/// for the whole history.
const ROOMS: [u32; 3] = [0, 12 * 1024, 256 * 1024];
/// Every step writes these together.
const TOGETHER: [&[u8]; 3] = [b"owner", b"keys", b"audit"];

fn open(disk: &Disk) -> RedbStore {
    RedbStore::with_backend(Box::new(disk.clone()), Options::default()).expect("the store opens again")
}

fn key(name: &[u8]) -> Key {
    Key::new(SPACE, name)
}

/// What step number `step` writes under each of the names: sizes differ, so that pages split, merge and
/// are freed.
fn value_of(step: u8, name: &[u8]) -> Vec<u8> {
    let size = match (step % 3, name) {
        (0, b"keys") => 9_000,
        (1, b"audit") => 200,
        _ => 20,
    };
    vec![step; size]
}

/// Step by step: three records together, one record of its own, one that goes away again, and an entry.
fn step(store: &RedbStore, step: u8) -> bool {
    let mut batch = Batch::default();
    for name in TOGETHER {
        batch.put(key(name), value_of(step, name));
    }
    batch.put(key(&[b's', step]), vec![step; 700]);
    if step >= 2 {
        batch.delete(key(&[b's', step - 2]));
    }
    let reads = ReadSet::of(TOGETHER.map(key));
    let Ok(snapshot) = store.snapshot(&reads) else { return false };
    store.commit(&snapshot, &batch).is_ok() && store.append(SPACE, b"events", &[vec![step; 50]]).is_ok()
}

/// A disk that holds an empty store. How a store comes to be is a matter of files: see `opening`.
fn fresh(recent_size: u32) -> Disk {
    let disk = Disk::default();
    let options = Options { recent_size, ..Options::default() };
    drop(RedbStore::with_backend(Box::new(disk.clone()), options).expect("opens"));
    Disk::holding(disk.content())
}

/// Runs the history until something is not acknowledged; how many steps were.
fn run(disk: &Disk) -> u8 {
    let Ok(store) = RedbStore::with_backend(Box::new(disk.clone()), Options::default()) else { return 0 };
    (1..=STEPS).take_while(|at| step(&store, *at)).count() as u8
}

/// The step whose records are all there; fails when records of two steps are mixed.
#[track_caller]
fn step_of_the_records(store: &RedbStore, case: &str) -> u8 {
    let of = |name: &[u8]| store.get(&key(name)).expect("readable").map(|record| record.value);
    let Some(owner) = of(b"owner") else {
        assert_eq!((of(b"keys"), of(b"audit")), (None, None), "{case}: a commit is half there");
        return 0;
    };
    let found = owner[0];
    for name in TOGETHER {
        assert!(of(name) == Some(value_of(found, name)), "{case}: a commit is half there");
    }
    for at in 1..=STEPS {
        let expected = at == found || at + 1 == found;
        assert_eq!(of(&[b's', at]).is_some(), expected, "{case}: record of step {at} after step {found}");
    }
    found
}

/// Asserts what must hold after a crash in the step after `acknowledged`, and that the store goes on.
#[track_caller]
fn assert_whole(content: Vec<u8>, acknowledged: u8, case: &str) {
    let disk = Disk::holding(content);
    let store = open(&disk);
    let found = step_of_the_records(&store, case);
    assert!(found == acknowledged || found == acknowledged + 1, "{case}: {acknowledged} became {found}");
    let entries = store.read(SPACE, b"events", Position(0), usize::MAX).expect("readable");
    let expected: Vec<Entry> = (1..=entries.len() as u8)
        .map(|at| Entry { position: Position(u64::from(at) - 1), value: vec![at; 50] })
        .collect();
    assert!(entries == expected, "{case}: the journal has gaps");
    let appended = entries.len() as u8;
    assert!(appended >= acknowledged && appended <= found, "{case}: {appended} entries after {found}");
    if found < STEPS {
        assert!(step(&store, found + 1), "{case}: the store does not go on");
        drop(store);
        assert_eq!(step_of_the_records(&open(&disk), case), found + 1, "{case}: it forgot what came after");
    }
}

fn operations_of_the_history(fresh: &Disk) -> usize {
    let disk = fresh.copy();
    assert_eq!(run(&disk), STEPS, "the history runs through without trouble");
    let operations = disk.operations();
    assert!(operations > 20, "a history of {operations} operations is too short to mean much");
    operations
}

/// Does `trouble` to the history at each of its operations, in files of each kind.
fn at_each_operation(trouble: impl Fn(&Disk, usize, &str)) {
    for room in ROOMS {
        let fresh = fresh(room);
        for at in 0..operations_of_the_history(&fresh) {
            trouble(&fresh.copy(), at, &format!("room for {room}, at {at}"));
        }
    }
}

#[test]
fn a_history_takes_fewer_operations_the_more_room_there_is() {
    let operations = ROOMS.map(|room| operations_of_the_history(&fresh(room)));
    assert!(operations.is_sorted_by(|more, fewer| more > fewer), "{operations:?}");
}

#[test]
fn a_power_cut_at_any_operation_takes_no_acknowledged_commit_and_leaves_none_half_done() {
    at_each_operation(|disk, at, case| {
        disk.plan(Trouble::PowerCut(at, 0));
        let acknowledged = run(disk);
        assert_whole(disk.after_power_cut(|_, _| 0), acknowledged, &format!("{case}, nothing kept"));
        let all = disk.after_power_cut(|_, size| size);
        assert_whole(all, acknowledged, &format!("{case}, everything kept"));
    });
}

#[test]
fn a_power_cut_that_keeps_any_part_of_what_was_not_synced_is_survived() {
    at_each_operation(|fresh, at, case| {
        for seed in 0..2 {
            let mut dice = Dice::numbered(2 * at as u64 + seed);
            let disk = fresh.copy();
            disk.plan(Trouble::PowerCut(at, dice.below(5000) as usize));
            let acknowledged = run(&disk);
            let content = disk.after_power_cut(|_, size| match dice.below(3) {
                0 => 0,
                1 => size,
                _ => dice.below(size as u64 + 1) as usize,
            });
            assert_whole(content, acknowledged, &format!("{case}, seed {seed}"));
        }
    });
}

#[test]
fn a_process_that_is_killed_at_any_operation_leaves_a_whole_store() {
    at_each_operation(|fresh, at, case| {
        for written in [1, 100] {
            let disk = fresh.copy();
            disk.plan(Trouble::PowerCut(at, written));
            let acknowledged = run(&disk);
            assert_whole(disk.content(), acknowledged, &format!("{case}, killed after {written} bytes"));
        }
    });
}

/// A crash while the changes of the crash before are made again.
#[test]
fn a_second_power_cut_while_the_store_opens_takes_nothing() {
    for room in ROOMS {
        let disk = fresh(room);
        let store = open(&disk);
        (1..=STEPS).for_each(|at| assert!(step(&store, at)));
        let killed = Disk::holding(disk.content());
        drop(store);
        for at in 0..40 {
            let disk = killed.copy();
            disk.plan(Trouble::PowerCut(at, 50));
            drop(RedbStore::with_backend(Box::new(disk.clone()), Options::default()));
            assert_whole(
                disk.after_power_cut(|_, _| 0),
                STEPS,
                &format!("room for {room}, at {at}, nothing kept"),
            );
            assert_whole(disk.content(), STEPS, &format!("room for {room}, at {at}, everything kept"));
        }
    }
}

#[test]
fn an_acknowledged_commit_was_synced() {
    for (room, syncs_of_a_commit) in [(0, 2), (256 * 1024, 1)] {
        let disk = fresh(room);
        let store = open(&disk);
        let syncs = disk.syncs();
        let mut batch = Batch::default();
        batch.put(key(b"owner"), *b"somebody");
        store.commit(&Snapshot::default(), &batch).expect("commits");
        // At the head of the file once; by itself the data, then the mark that makes it current.
        assert_eq!(disk.syncs() - syncs, syncs_of_a_commit, "room for {room}");
        let survivor = open(&Disk::holding(disk.after_power_cut(|_, _| 0)));
        let record = survivor.get(&key(b"owner")).expect("readable").expect("present");
        assert_eq!(record.value, b"somebody");
    }
}

#[test]
fn a_sync_that_failed_and_forgot_what_it_had_to_do_takes_nothing_that_is_acknowledged_later() {
    let disk = fresh(256 * 1024);
    for at in 0..operations_of_the_history(&disk) {
        let disk = disk.copy();
        disk.plan(Trouble::Forgets(at));
        let store = RedbStore::with_backend(Box::new(disk.clone()), Options::default());
        let Ok(store) = store else { continue };
        let acknowledged = (1..=STEPS).take_while(|at| step(&store, *at)).count() as u8;
        assert_whole(disk.after_power_cut(|_, _| 0), acknowledged, &format!("forgets at {at}"));
    }
}

#[test]
fn what_is_made_again_has_the_versions_and_positions_it_had() {
    let disk = fresh(256 * 1024);
    let store = open(&disk);
    (1..=STEPS).for_each(|at| assert!(step(&store, at)));
    store.trim(SPACE, b"events", Position(2)).expect("trims");
    let seen = |store: &RedbStore| {
        let records = [b"owner".to_vec(), b"keys".to_vec(), vec![b's', STEPS], vec![b's', 1]];
        let records = records.map(|name| store.get(&Key::new(SPACE, name)).expect("readable"));
        let entries = store.read(SPACE, b"events", Position(0), 99).expect("readable");
        let last = store.commit(&Snapshot::default(), &Batch::default()).expect("a look");
        (records, entries, last)
    };
    let before = seen(&store);
    assert_eq!(before.1.len(), usize::from(STEPS) - 2);
    let again = open(&Disk::holding(disk.content()));
    assert_eq!(seen(&again), before);
    assert_eq!(again.append(SPACE, b"events", &[vec![1]]), Ok(Position(STEPS.into())));
}
