//! `kill -9` of a real process in the middle of its commits.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use store::{Batch, Key, ReadSet, Snapshot, Space, Table};
use store_redb::{Options, RedbStore};

use crate::place::Place;

const SPACE: Space = Space(3);
/// Set in the process that is killed: where its store lies.
const STORE: &str = "THINGSTEAD_TEST_STORE_TO_BE_KILLED";
const ACKNOWLEDGED: &str = "acknowledged ";

fn open(path: &Path) -> RedbStore {
    RedbStore::open(path, Options::default()).expect("opens")
}

/// Writes `number` in two places at once.
fn commit(store: &RedbStore, number: u32) {
    let reads = ReadSet::of([Key::new(SPACE, *b"left")]);
    let snapshot = store.snapshot(&reads).expect("readable");
    let mut batch = Batch::default();
    batch.put(Key::new(SPACE, *b"left"), number.to_be_bytes());
    batch.put(Key::new(SPACE, *b"right"), number.to_be_bytes().repeat(2000));
    store.commit(&snapshot, &batch).expect("commits");
}

/// The number that is in both places; 0 when neither is there.
#[track_caller]
fn number_in(store: &RedbStore) -> u32 {
    let of = |name: &[u8]| store.get(&Key::new(SPACE, name)).expect("readable").map(|record| record.value);
    let Some(left) = of(b"left") else {
        assert_eq!(of(b"right"), None, "half a commit");
        return 0;
    };
    assert!(of(b"right") == Some(left.repeat(2000)), "half a commit");
    u32::from_be_bytes(left.try_into().expect("four bytes were written"))
}

/// By itself a short run; in the process that is killed an endless one that says what it was promised.
#[test]
fn commits_one_after_the_other_are_all_there() {
    if let Some(path) = std::env::var_os(STORE) {
        let store = open(Path::new(&path));
        let before = number_in(&store);
        for number in before + 1.. {
            commit(&store, number);
            println!("{ACKNOWLEDGED}{number}");
        }
    }
    let place = Place::new();
    for number in 1..=5 {
        commit(&open(&place.store()), number);
        assert_eq!(number_in(&open(&place.store())), number);
    }
}

#[test]
fn a_process_that_is_killed_while_it_commits_loses_nothing_it_was_promised() {
    let place = Place::new();
    drop(open(&place.store()));
    let mut promised = 0;
    for life in [1, 4, 9, 2, 6] {
        let mut child = Command::new(std::env::current_exe().expect("this test is a program"))
            .args(["killed::commits_one_after_the_other_are_all_there", "--exact", "--nocapture"])
            .env(STORE, place.store())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut said = 0;
        while said < life {
            let line = lines.next().expect("it runs until it is killed").expect("readable");
            if let Some((_, number)) = line.split_once(ACKNOWLEDGED) {
                promised = number.parse().expect("a number");
                said += 1;
            }
        }
        child.kill().expect("it can be killed");
        for line in lines {
            let line = line.expect("readable");
            if let Some(Ok(number)) = line.strip_prefix(ACKNOWLEDGED).map(str::parse) {
                promised = number;
            }
        }
        child.wait().expect("it ends");
        let store = open(&place.store());
        let found = number_in(&store);
        assert!(found == promised || found == promised + 1, "{promised} was promised, {found} is there");
        assert!(store.commit(&Snapshot::default(), &Batch::default()).is_ok());
        promised = found;
    }
    assert!(promised >= 22, "every life added its commits");
}
