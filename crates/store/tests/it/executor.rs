//! How an operation gets from its reads to its commit.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use clock::{Moment, Now};
use store::{
    Batch, CommitError, Decision, Fault, Key, Memory, Operation, Page, Range, ReadSet, Record, RunError,
    STALE_RETRIES_MAX, Snapshot, Space, Table, Version, run,
};

const SPACE: Space = Space(1);

fn key(name: &[u8]) -> Key {
    Key::new(SPACE, name)
}

fn now() -> Now {
    Now::without_utc(Moment::default())
}

fn fault() -> Fault {
    Fault { detail: "pulled out".to_owned() }
}

fn put(table: &dyn Table, name: &[u8], value: &[u8]) {
    let mut batch = Batch::default();
    batch.put(key(name), value);
    table.commit(&Snapshot::default(), &batch).expect("commits");
}

/// A table that lets `interfere` act before each commit; what it answers, if anything, replaces the commit.
struct Interfered<F> {
    memory: Memory,
    interfere: F,
    commits: AtomicUsize,
}

impl<F> Interfered<F> {
    fn new(interfere: F) -> Self {
        Self { memory: Memory::new(), interfere, commits: AtomicUsize::new(0) }
    }

    fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }
}

impl<F: Fn(&Memory, usize) -> Option<CommitError> + Send + Sync> Table for Interfered<F> {
    fn get(&self, key: &Key) -> Result<Option<Record>, Fault> {
        self.memory.get(key)
    }

    fn scan(&self, range: &Range) -> Result<Page, Fault> {
        self.memory.scan(range)
    }

    fn scan_back(&self, range: &Range) -> Result<Page, Fault> {
        self.memory.scan_back(range)
    }

    fn snapshot(&self, reads: &ReadSet) -> Result<Snapshot, Fault> {
        self.memory.snapshot(reads)
    }

    fn commit(&self, based_on: &Snapshot, batch: &Batch) -> Result<Version, CommitError> {
        let attempt = self.commits.fetch_add(1, Ordering::SeqCst);
        match (self.interfere)(&self.memory, attempt) {
            Some(error) => Err(error),
            None => self.memory.commit(based_on, batch),
        }
    }
}

/// Adds one byte to the record `list` and announces its new length.
struct Lengthen;

impl Operation for Lengthen {
    type Reply = usize;
    type Effect = String;

    fn reads(&self) -> ReadSet {
        ReadSet::of([key(b"list")])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<usize, String> {
        let mut value = snapshot.value(&key(b"list")).unwrap_or_default().to_vec();
        value.push(b'+');
        let reply = value.len();
        let mut batch = Batch::default();
        batch.put(key(b"list"), value);
        Decision::Done { batch, reply, effects: vec![format!("now {reply}")] }
    }
}

fn rival_writes(memory: &Memory) {
    let length = memory.get(&key(b"list")).expect("readable").map_or(0, |record| record.value.len());
    put(memory, b"list", &vec![b'r'; length + 1]);
}

#[test]
fn effects_come_with_the_commit() {
    let memory = Memory::new();
    let committed = run(&memory, &Lengthen, now()).expect("commits");
    assert_eq!((committed.reply, committed.effects), (1, vec!["now 1".to_owned()]));
    let stored = memory.get(&key(b"list")).expect("readable").expect("present");
    assert_eq!(stored.value, b"+");
}

#[test]
fn a_stale_decision_is_made_again_on_what_is_there_now() {
    let table = Interfered::new(|memory: &Memory, attempt| {
        if attempt < 2 {
            rival_writes(memory);
        }
        None
    });
    let committed = run(&table, &Lengthen, now()).expect("commits");
    assert_eq!(committed.reply, 3, "both of the rival's writes are in the decision");
    assert_eq!(committed.effects, ["now 3"], "only the decision that was committed has effects");
    assert_eq!(table.commits(), 3);
}

#[test]
fn the_last_of_the_retries_may_still_win() {
    let table = Interfered::new(|memory: &Memory, attempt| {
        if attempt < STALE_RETRIES_MAX {
            rival_writes(memory);
        }
        None
    });
    let committed = run(&table, &Lengthen, now()).expect("commits");
    assert_eq!(committed.reply, STALE_RETRIES_MAX + 1);
}

#[test]
fn after_five_stale_retries_the_answer_is_busy() {
    let table = Interfered::new(|memory: &Memory, _| {
        rival_writes(memory);
        None
    });
    assert_eq!(run(&table, &Lengthen, now()).expect_err("never wins"), RunError::Busy);
    assert_eq!(table.commits(), 1 + STALE_RETRIES_MAX);
    let stored = table.get(&key(b"list")).expect("readable").expect("present");
    assert!(!stored.value.contains(&b'+'), "a busy operation changed nothing");
}

#[test]
fn every_failure_of_a_commit_keeps_its_name_and_is_not_tried_again() {
    let table_of_cases = [
        (CommitError::Full, RunError::Full),
        (CommitError::OutcomeUnknown(fault()), RunError::OutcomeUnknown(fault())),
        (CommitError::Unavailable(fault()), RunError::Unavailable(fault())),
    ];
    for (failure, expected) in table_of_cases {
        let table = Interfered::new(|_: &Memory, _| Some(failure.clone()));
        assert_eq!(run(&table, &Lengthen, now()).expect_err("fails"), expected);
        assert_eq!(table.commits(), 1);
    }
}

/// Follows a pointer: needs `pointer`, then what it names, then everything under that.
#[derive(Default)]
struct Follow {
    looks: Cell<usize>,
}

fn below(name: &[u8]) -> Range {
    Range { space: SPACE, prefix: [name, b"/"].concat(), after: None, limit: 10 }
}

impl Operation for Follow {
    type Reply = (Vec<u8>, usize);
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([key(b"pointer")])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        self.looks.set(self.looks.get() + 1);
        let target = snapshot.value(&key(b"pointer")).expect("the pointer is there");
        if !snapshot.covers(&key(target)) {
            return Decision::Need(ReadSet::of([key(target)]));
        }
        if !snapshot.covers_range(&below(target)) {
            return Decision::Need(ReadSet::default().with_range(below(target)));
        }
        let value = snapshot.value(&key(target)).unwrap_or_default().to_vec();
        let reply = (value, snapshot.page(&below(target)).records.len());
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

#[test]
fn a_need_widens_the_snapshot_and_what_is_asserted() {
    let table = Interfered::new(|memory: &Memory, attempt| {
        if attempt == 0 {
            put(memory, b"target/2", b"appeared");
        }
        None
    });
    put(&table.memory, b"pointer", b"target");
    put(&table.memory, b"target", b"found");
    put(&table.memory, b"target/1", b"below");
    let follow = Follow::default();
    let committed = run(&table, &follow, now()).expect("commits");
    assert_eq!(committed.reply, (b"found".to_vec(), 2), "the phantom under the target made it look again");
    assert_eq!(table.commits(), 2);
    assert_eq!(follow.looks.get(), 4, "three looks, and one more on the wide set after the stale commit");
}

#[test]
fn a_pointer_that_moves_is_followed_to_its_new_place() {
    let table = Interfered::new(|memory: &Memory, attempt| {
        if attempt == 0 {
            put(memory, b"pointer", b"elsewhere");
        }
        None
    });
    put(&table.memory, b"pointer", b"target");
    put(&table.memory, b"elsewhere", b"moved");
    let committed = run(&table, &Follow::default(), now()).expect("commits");
    assert_eq!(committed.reply, (b"moved".to_vec(), 0));
}

/// Never satisfied.
struct AsksAgain;

impl Operation for AsksAgain {
    type Reply = ();
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([key(b"a")])
    }

    fn decide(&self, _: &Snapshot, _: Now) -> Decision<(), ()> {
        Decision::Need(ReadSet::of([key(b"a")]))
    }
}

#[test]
#[should_panic(expected = "asked again for what it had been given")]
fn an_operation_that_never_decides_is_our_bug() {
    let _ = run(&Memory::new(), &AsksAgain, now());
}

#[test]
#[should_panic(expected = "a decision reads only its read set")]
fn a_decision_cannot_use_what_is_not_asserted() {
    let _ = Snapshot::default().value(&key(b"a"));
}

#[test]
fn a_snapshot_that_cannot_be_read_is_a_fault() {
    struct Unreadable;
    impl Table for Unreadable {
        fn get(&self, _: &Key) -> Result<Option<Record>, Fault> {
            Err(fault())
        }
        fn scan(&self, _: &Range) -> Result<Page, Fault> {
            Err(fault())
        }
        fn scan_back(&self, _: &Range) -> Result<Page, Fault> {
            Err(fault())
        }
        fn snapshot(&self, _: &ReadSet) -> Result<Snapshot, Fault> {
            Err(fault())
        }
        fn commit(&self, _: &Snapshot, _: &Batch) -> Result<Version, CommitError> {
            panic!("nothing may be committed on a snapshot that was not read")
        }
    }
    assert_eq!(run(&Unreadable, &Lengthen, now()).expect_err("fails"), RunError::Unavailable(fault()));
}
