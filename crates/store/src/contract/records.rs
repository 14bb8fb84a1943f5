//! Cases about single records, versions and limits.

use super::scene::{SPACE, assert_fresh, assert_stale, batch_of, delete, key, look_at, put, value, version};
use crate::{
    Batch, CommitError, Key, NAME_SIZE_MAX, ReadSet, Snapshot, Space, Table, VALUE_SIZE_MAX, Version,
};

/// A value and its version come back as they were written.
pub fn a_written_record_is_read_back(table: &dyn Table) {
    let written = put(table, &[(b"a", b"one"), (b"b", b"two")]);
    let record = table.get(&key(b"a")).expect("readable").expect("present");
    assert_eq!((record.version, &record.value[..]), (written, &b"one"[..]));
    assert_eq!(value(table, b"b").as_deref(), Some(&b"two"[..]));
    let snapshot = look_at(table, b"a");
    assert_eq!(snapshot.value(&key(b"a")), Some(&b"one"[..]));
}

/// A key nobody wrote is absent, also one that no commit could write.
pub fn an_absent_record_reads_as_absent(table: &dyn Table) {
    put(table, &[(b"a", b"one")]);
    assert_eq!(table.get(&key(b"b")), Ok(None));
    assert_eq!(table.get(&key(&vec![b'a'; NAME_SIZE_MAX + 1])), Ok(None));
    assert_eq!(table.get(&key(b"")), Ok(None));
    assert_eq!(look_at(table, b"b").value(&key(b"b")), None);
}

/// Versions are unique in the table and rise.
pub fn versions_rise_with_every_commit(table: &dyn Table) {
    let first = put(table, &[(b"a", b"one"), (b"b", b"one")]);
    let second = put(table, &[(b"a", b"two")]);
    assert!(Version::ABSENT < first && first < second, "{first:?} {second:?}");
    assert_eq!((version(table, b"a"), version(table, b"b")), (second, first));
}

/// A key that comes back is never taken for the one that was there.
pub fn a_removed_record_starts_again_at_a_higher_version(table: &dyn Table) {
    let before = put(table, &[(b"a", b"one")]);
    delete(table, b"a");
    assert_eq!(version(table, b"a"), Version::ABSENT);
    put(table, &[(b"a", b"one")]);
    assert!(version(table, b"a") > before);
}

/// A removal of nothing is no error and touches no other record.
pub fn removing_what_is_absent_changes_nothing(table: &dyn Table) {
    let written = put(table, &[(b"a", b"one")]);
    delete(table, b"b");
    assert_eq!((version(table, b"a"), version(table, b"b")), (written, Version::ABSENT));
}

/// Writes of one batch apply in their order.
pub fn the_last_write_to_a_key_wins(table: &dyn Table) {
    let mut batch = Batch::default();
    batch.put(key(b"a"), *b"one").put(key(b"a"), *b"two");
    batch.put(key(b"b"), *b"one").delete(key(b"b"));
    batch.delete(key(b"c")).put(key(b"c"), *b"one");
    table.commit(&Snapshot::default(), &batch).expect("commits");
    assert_eq!(value(table, b"a").as_deref(), Some(&b"two"[..]));
    assert_eq!(value(table, b"b"), None);
    assert_eq!(value(table, b"c").as_deref(), Some(&b"one"[..]));
}

/// A batch without writes asserts the snapshot and moves no version.
pub fn an_empty_batch_only_checks(table: &dyn Table) {
    let written = put(table, &[(b"a", b"one")]);
    let snapshot = look_at(table, b"a");
    assert_eq!(table.commit(&snapshot, &Batch::default()), Ok(written));
    assert_eq!(version(table, b"a"), written);
    put(table, &[(b"a", b"two")]);
    assert_eq!(table.commit(&snapshot, &Batch::default()), Err(CommitError::Stale));
}

/// The version of every record that was read is asserted.
pub fn a_changed_record_makes_the_snapshot_stale(table: &dyn Table) {
    put(table, &[(b"a", b"one"), (b"b", b"one")]);
    let both = table.snapshot(&ReadSet::of([key(b"a"), key(b"b")])).expect("readable");
    put(table, &[(b"b", b"two")]);
    assert_stale(table, &both);
    assert_eq!(value(table, b"b").as_deref(), Some(&b"two"[..]));
}

/// The version counts, not the value.
pub fn a_record_rewritten_with_the_same_value_makes_the_snapshot_stale(table: &dyn Table) {
    put(table, &[(b"a", b"one")]);
    let snapshot = look_at(table, b"a");
    put(table, &[(b"a", b"one")]);
    assert_stale(table, &snapshot);
}

/// Absence is asserted.
pub fn a_record_that_appeared_makes_the_snapshot_stale(table: &dyn Table) {
    let snapshot = look_at(table, b"a");
    put(table, &[(b"a", b"one")]);
    assert_stale(table, &snapshot);
}

/// Presence is asserted.
pub fn a_record_that_went_makes_the_snapshot_stale(table: &dyn Table) {
    put(table, &[(b"a", b"one")]);
    let snapshot = look_at(table, b"a");
    delete(table, b"a");
    assert_stale(table, &snapshot);
}

/// Same key, same value, another life.
pub fn a_record_that_went_and_came_back_makes_the_snapshot_stale(table: &dyn Table) {
    put(table, &[(b"a", b"one")]);
    let snapshot = look_at(table, b"a");
    delete(table, b"a");
    put(table, &[(b"a", b"one")]);
    assert_stale(table, &snapshot);
}

/// Only what was read is asserted.
pub fn a_record_outside_the_snapshot_does_not_make_it_stale(table: &dyn Table) {
    put(table, &[(b"a", b"one"), (b"b", b"one")]);
    let snapshot = look_at(table, b"a");
    put(table, &[(b"b", b"two")]);
    delete(table, b"b");
    assert_fresh(table, &snapshot);
}

/// A stale batch leaves every record and version as it was.
pub fn a_stale_batch_writes_nothing(table: &dyn Table) {
    put(table, &[(b"a", b"one"), (b"b", b"one")]);
    let snapshot = look_at(table, b"a");
    let last = put(table, &[(b"a", b"two")]);
    let mut batch = batch_of(&[(b"a", b"three"), (b"c", b"three")]);
    batch.delete(key(b"b"));
    assert_eq!(table.commit(&snapshot, &batch), Err(CommitError::Stale));
    assert_eq!(value(table, b"a").as_deref(), Some(&b"two"[..]));
    assert_eq!(value(table, b"b").as_deref(), Some(&b"one"[..]));
    assert_eq!(value(table, b"c"), None);
    assert_eq!(table.commit(&Snapshot::default(), &Batch::default()), Ok(last), "no version was used up");
}

/// Empty is not absent.
pub fn an_empty_value_is_a_record(table: &dyn Table) {
    let snapshot = look_at(table, b"a");
    let written = put(table, &[(b"a", b""), (b"", b"nameless")]);
    assert_eq!(value(table, b"a"), Some(Vec::new()));
    assert_eq!(version(table, b"a"), written);
    assert_eq!(value(table, b"").as_deref(), Some(&b"nameless"[..]));
    assert_stale(table, &snapshot);
}

/// A value of exactly [`VALUE_SIZE_MAX`] bytes comes back whole.
pub fn a_value_at_the_limit_is_stored(table: &dyn Table) {
    let large: Vec<u8> = (0..VALUE_SIZE_MAX).map(|at| (at % 251) as u8).collect();
    put(table, &[(b"large", &large), (b"small", b"beside it")]);
    assert!(value(table, b"large").as_deref() == Some(&large[..]), "the large value came back changed");
    assert_eq!(value(table, b"small").as_deref(), Some(&b"beside it"[..]));
}

/// One byte more refuses the whole batch.
pub fn a_value_over_the_limit_is_refused_and_nothing_is_written(table: &dyn Table) {
    let too_large = vec![7; VALUE_SIZE_MAX + 1];
    let batch = batch_of(&[(b"a", b"before it"), (b"large", &too_large), (b"b", b"after it")]);
    assert_refused_for_size(table, &batch, "value of 4194305 bytes");
    assert_eq!((value(table, b"a"), value(table, b"large"), value(table, b"b")), (None, None, None));
}

/// A name of exactly [`NAME_SIZE_MAX`] bytes is stored.
pub fn a_name_at_the_limit_is_stored(table: &dyn Table) {
    let longest = vec![0xff; NAME_SIZE_MAX];
    put(table, &[(&longest, b"kept")]);
    assert_eq!(value(table, &longest).as_deref(), Some(&b"kept"[..]));
    assert_eq!(value(table, &longest[1..]), None);
}

/// One byte more refuses the whole batch, for writes and removals.
pub fn a_name_over_the_limit_is_refused_and_nothing_is_written(table: &dyn Table) {
    let too_long = vec![b'n'; NAME_SIZE_MAX + 1];
    assert_refused_for_size(
        table,
        &batch_of(&[(b"a", b"before it"), (&too_long, b"x")]),
        "name of 513 bytes",
    );
    let mut removal = batch_of(&[(b"a", b"before it")]);
    removal.delete(key(&too_long));
    assert_refused_for_size(table, &removal, "name of 513 bytes");
    assert_eq!(value(table, b"a"), None);
}

#[track_caller]
fn assert_refused_for_size(table: &dyn Table, batch: &Batch, said: &str) {
    let Err(CommitError::Unavailable(fault)) = table.commit(&Snapshot::default(), batch) else {
        panic!("a batch over the limit must be refused");
    };
    assert!(fault.detail.contains(said), "{fault}");
}

/// Two spaces are two tables.
pub fn spaces_do_not_see_each_other(table: &dyn Table) {
    let neighbour = Key::new(Space(SPACE.0 + 1), *b"a");
    let mut batch = batch_of(&[(b"a", b"here")]);
    batch.put(neighbour.clone(), *b"there");
    table.commit(&Snapshot::default(), &batch).expect("commits");
    let snapshot = look_at(table, b"a");
    let mut removal = Batch::default();
    removal.delete(neighbour.clone());
    table.commit(&Snapshot::default(), &removal).expect("commits");
    assert_eq!(table.get(&neighbour), Ok(None));
    assert_eq!(value(table, b"a").as_deref(), Some(&b"here"[..]));
    assert_fresh(table, &snapshot);
}
