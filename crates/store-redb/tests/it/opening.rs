//! What is opened, and what is not.

use redb::{Database, ReadableDatabase, TableDefinition};
use store::{Batch, Key, Snapshot, Space, Table};
use store_redb::{OpenError, Options, RedbStore};

use crate::disk::Disk;
use crate::place::Place;

const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");

fn open(place: &Place) -> Result<RedbStore, OpenError> {
    RedbStore::open(place.store(), Options::default())
}

/// The size of the head of the store's file.
fn head_size(file: &[u8]) -> usize {
    u32::from_le_bytes(*file[12..].first_chunk().expect("a head says its size")) as usize
}

/// Leaves the database of the store's file alone, as files were before they had a head; gives the head.
fn behead(place: &Place) -> Vec<u8> {
    let file = std::fs::read(place.store()).expect("readable");
    let (head, database) = file.split_at(head_size(&file));
    std::fs::write(place.store(), database).expect("writable");
    head.to_vec()
}

fn put_head_back(place: &Place, head: &[u8]) {
    let database = std::fs::read(place.store()).expect("readable");
    std::fs::write(place.store(), [head, &database].concat()).expect("writable");
}

fn write_format(place: &Place, format: u64) {
    let head = behead(place);
    let database = Database::create(place.store()).expect("opens");
    let transaction = database.begin_write().expect("begins");
    transaction.open_table(COUNTERS).expect("opens").insert("format", format).expect("inserts");
    transaction.commit().expect("commits");
    drop(database);
    put_head_back(place, &head);
}

#[test]
fn a_file_that_is_open_is_not_opened_again() {
    let place = Place::new();
    let store = open(&place).expect("opens");
    assert_eq!(open(&place).expect_err("it is open"), OpenError::InUse);
    drop(store);
    open(&place).expect("it was closed");
}

#[test]
fn a_newer_format_is_refused_and_stays_newer() {
    let place = Place::new();
    drop(open(&place).expect("opens"));
    write_format(&place, 2);
    for _ in 0..2 {
        assert_eq!(open(&place).expect_err("newer"), OpenError::NewerFormat { found: 2, known: 1 });
    }
    behead(&place);
    let database = Database::open(place.store()).expect("opens");
    let counters = database.begin_read().expect("begins").open_table(COUNTERS).expect("opens");
    assert_eq!(counters.get("format").expect("readable").map(|format| format.value()), Some(2));
}

#[test]
fn a_format_that_was_never_in_use_is_refused() {
    let place = Place::new();
    drop(open(&place).expect("opens"));
    write_format(&place, 0);
    assert!(matches!(open(&place), Err(OpenError::NotAStore(_))));
}

#[test]
fn a_file_without_a_head_is_opened_as_it_was_written() {
    let place = Place::new();
    let store = open(&place).expect("opens");
    store.commit(&Snapshot::default(), &one_record()).expect("commits");
    drop(store);
    behead(&place);
    for _ in 0..2 {
        let store = open(&place).expect("opens");
        let record = store.get(&Key::new(Space(1), *b"a")).expect("readable").expect("present");
        assert_eq!(record.value, b"one");
        store.commit(&Snapshot::default(), &one_record()).expect("goes on");
        store.compact().expect("compacts");
    }
    let file = std::fs::read(place.store()).expect("readable");
    assert!(file.starts_with(b"redb"), "nothing was put before it");
}

#[test]
fn a_head_that_is_damaged_newer_or_of_another_file_is_refused_and_left_alone() {
    let disk = Disk::default();
    let open = |disk: &Disk| RedbStore::with_backend(Box::new(disk.clone()), Options::default());
    let store = open(&disk).expect("opens");
    let behind = Disk::holding(disk.content());
    for _ in 0..3 {
        store.commit(&Snapshot::default(), &one_record()).expect("commits");
    }
    let killed = Disk::holding(disk.content());
    let size = head_size(&killed.content());
    let damaged: [(usize, &[u8]); 3] = [(12, &[1]), (16, &[1]), (8, &[2])];
    for (at, bytes) in damaged {
        let disk = killed.copy();
        disk.overwrite(at, bytes);
        let before = disk.content();
        assert!(matches!(open(&disk), Err(OpenError::NotAStore(_))), "at {at}");
        assert!(disk.content() == before, "at {at}");
    }
    // The second change in front, as if the first one had been made by another file's database.
    let first = 4096
        + 28
        + u32::from_le_bytes(*killed.content()[4096 + 24..].first_chunk().expect("a length")) as usize;
    let disk = behind;
    disk.overwrite(4096, &killed.content()[first..size]);
    let refused = open(&disk).expect_err("a change is missing");
    assert!(matches!(&refused, OpenError::NotAStore(fault) if fault.detail.contains("missing")), "{refused}");
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    const THEIRS: TableDefinition<'_, u64, u64> = TableDefinition::new("theirs");
    let place = Place::new();
    let database = Database::create(place.store()).expect("opens");
    let transaction = database.begin_write().expect("begins");
    transaction.open_table(THEIRS).expect("opens").insert(1, 2).expect("inserts");
    transaction.commit().expect("commits");
    drop(database);
    assert!(matches!(open(&place), Err(OpenError::NotAStore(_))));
    let database = Database::open(place.store()).expect("opens");
    assert_eq!(database.begin_read().expect("begins").list_tables().expect("lists").count(), 1);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let place = Place::new();
    let text = b"these are minutes of an assembly and no store".repeat(100);
    std::fs::write(place.store(), &text).expect("writable");
    assert!(matches!(open(&place), Err(OpenError::NotAStore(_))));
    assert_eq!(std::fs::read(place.store()).expect("readable"), text);
}

#[test]
fn a_first_start_that_was_cut_short_is_made_again() {
    let place = Place::new();
    std::fs::write(place.store().with_extension("redb.new"), [0; 5000]).expect("writable");
    let store = open(&place).expect("opens");
    store.commit(&Snapshot::default(), &one_record()).expect("commits");
    drop(store);
    assert!(!place.store().with_extension("redb.new").exists());
    let record = open(&place).expect("opens").get(&Key::new(Space(1), *b"a")).expect("readable");
    assert_eq!(record.expect("present").value, b"one");
}

#[test]
fn of_two_first_starts_at_once_one_is_refused_and_nothing_is_lost() {
    let place = Place::new();
    let opened: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| open(&place))).collect();
        starts.into_iter().map(|start| start.join().expect("no start panics")).collect()
    });
    let mut stores: Vec<RedbStore> = Vec::new();
    for outcome in opened {
        match outcome {
            Ok(store) => stores.push(store),
            Err(error) => assert_eq!(error, OpenError::InUse),
        }
    }
    assert_eq!(stores.len(), 1);
    stores[0].commit(&Snapshot::default(), &one_record()).expect("commits");
    drop(stores);
    let record = open(&place).expect("opens").get(&Key::new(Space(1), *b"a")).expect("readable");
    assert_eq!(record.expect("present").value, b"one");
}

fn one_record() -> Batch {
    let mut batch = Batch::default();
    batch.put(Key::new(Space(1), *b"a"), *b"one");
    batch
}

#[test]
fn a_directory_that_is_not_there_is_a_fault() {
    let place = Place::new();
    let below = place.store().join("deeper").join("store.redb");
    assert!(matches!(RedbStore::open(below, Options::default()), Err(OpenError::Unavailable(_))));
}

#[test]
#[cfg(unix)]
fn a_new_file_belongs_to_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    drop(open(&place).expect("opens"));
    let files: Vec<_> = place.files();
    assert!(files.contains(&place.store()));
    for file in files {
        let mode = std::fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file:?}: {mode:o}");
    }
}

#[test]
fn a_small_cache_holds_large_stores() {
    let place = Place::new();
    let options = Options { cache_size: 64 * 1024, ..Options::default() };
    let store = RedbStore::open(place.store(), options).expect("opens");
    let mut batch = Batch::default();
    for at in 0..50_u8 {
        batch.put(Key::new(Space(1), [at]), vec![at; 20_000]);
    }
    store.commit(&Snapshot::default(), &batch).expect("commits");
    for at in 0..50_u8 {
        let record = store.get(&Key::new(Space(1), [at])).expect("readable").expect("present");
        assert_eq!(record.value, vec![at; 20_000]);
    }
}

#[test]
fn compaction_gives_room_back_and_loses_nothing() {
    let place = Place::new();
    let store = open(&place).expect("opens");
    let key = |number: u32| Key::new(Space(1), number.to_be_bytes());
    for number in 0..64 {
        let mut batch = Batch::default();
        batch.put(key(number), vec![7; 20_000]);
        store.commit(&Snapshot::default(), &batch).expect("commits");
    }
    let mut batch = Batch::default();
    (1..64).for_each(|number| {
        batch.delete(key(number));
    });
    store.commit(&Snapshot::default(), &batch).expect("commits");
    let length = || std::fs::metadata(place.store()).expect("is there").len();
    let before = length();
    store.compact().expect("compacts");
    assert!(length() < before, "{} of {before} bytes", length());
    assert_eq!(store.get(&key(0)).expect("reads").expect("is there").value, vec![7; 20_000]);
    store.commit(&Snapshot::default(), &batch).expect("commits as before");
    drop(store);
    let again = open(&place).expect("opens");
    assert_eq!(again.get(&key(0)).expect("reads").expect("is there").value.len(), 20_000);
    assert_eq!(again.get(&key(1)).expect("reads"), None);
}
