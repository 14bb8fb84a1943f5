//! Cases with several threads.
#![expect(clippy::disallowed_methods, reason = "only threads that run at once show what a race does")]

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::scene::{SPACE, all, batch_of, key, look_at, put, value};
use crate::{CommitError, Key, ReadSet, Snapshot, Table};

const THREADS: usize = 4;

/// Many decide on the same snapshot; one commit is accepted, the others are stale.
pub fn of_racing_commits_exactly_one_wins(table: &dyn Table) {
    for round in 0..10_u8 {
        let name = [b'r', round];
        let barrier = Barrier::new(THREADS);
        let winners = AtomicUsize::new(0);
        let winner = AtomicUsize::new(usize::MAX);
        thread::scope(|scope| {
            for racer in 0..THREADS {
                let (barrier, winners, winner) = (&barrier, &winners, &winner);
                scope.spawn(move || {
                    let snapshot = look_at(table, &name);
                    barrier.wait();
                    match table.commit(&snapshot, &batch_of(&[(&name, &[racer as u8])])) {
                        Ok(_) => {
                            winners.fetch_add(1, Ordering::SeqCst);
                            winner.store(racer, Ordering::SeqCst);
                        }
                        Err(CommitError::Stale) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                });
            }
        });
        assert_eq!(winners.into_inner(), 1);
        assert_eq!(value(table, &name), Some(vec![winner.into_inner() as u8]), "the winner's value stays");
    }
}

/// Read, add one, commit, again when stale: nothing is lost.
pub fn racing_counters_lose_no_increment(table: &dyn Table) {
    const INCREMENTS: u64 = 15;
    put(table, &[(b"counter", &0_u64.to_be_bytes())]);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..INCREMENTS {
                    while !increment(table) {}
                }
            });
        }
    });
    assert_eq!(value(table, b"counter"), Some((THREADS as u64 * INCREMENTS).to_be_bytes().to_vec()));
}

fn increment(table: &dyn Table) -> bool {
    let snapshot = look_at(table, b"counter");
    let octets = snapshot.value(&key(b"counter")).expect("the counter is there");
    let count = u64::from_be_bytes(octets.try_into().expect("the counter has eight bytes"));
    match table.commit(&snapshot, &batch_of(&[(b"counter", &(count + 1).to_be_bytes())])) {
        Ok(_) => true,
        Err(CommitError::Stale) => false,
        Err(other) => panic!("{other:?}"),
    }
}

/// Two records that are always written together are always read alike, as records and as a range.
pub fn readers_never_see_half_a_commit(table: &dyn Table) {
    let left = Key::new(SPACE, *b"left");
    let right = Key::new(SPACE, *b"right");
    put(table, &[(b"left", &[0]), (b"right", &[0])]);
    let finished = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let reads = ReadSet::of([left.clone(), right.clone()]).with_range(all(9));
            while !finished.load(Ordering::SeqCst) {
                let snapshot = table.snapshot(&reads).expect("readable");
                assert_eq!(snapshot.value(&left), snapshot.value(&right));
                let page = snapshot.page(&all(9));
                assert_eq!(page.records.len(), 2);
                assert_eq!(page.records[0].1, page.records[1].1);
            }
        });
        for round in 1..=40_u8 {
            let batch = batch_of(&[(b"left", &[round]), (b"right", &[round])]);
            table.commit(&Snapshot::default(), &batch).expect("commits");
        }
        finished.store(true, Ordering::SeqCst);
    });
    assert_eq!(value(table, b"left"), Some(vec![40]));
}
