//! Cases that close a store and open it again.

use super::scene::{SPACE, delete, look_at, put, value, version};
use crate::{Batch, CommitError, Entry, Journal, Position, Snapshot, Table};

/// Every acknowledged record is there again, with its version.
pub fn records_are_kept<S: Table>(open: &dyn Fn() -> S) {
    let store = open();
    let first = put(&store, &[(b"a", b"one"), (b"b", b"one")]);
    let second = put(&store, &[(b"b", &vec![2; 100_000])]);
    drop(store);
    let store = open();
    assert_eq!((value(&store, b"a").as_deref(), version(&store, b"a")), (Some(&b"one"[..]), first));
    assert_eq!((value(&store, b"b"), version(&store, b"b")), (Some(vec![2; 100_000]), second));
}

/// A snapshot from before is still judged rightly: no version is given twice.
pub fn versions_go_on<S: Table>(open: &dyn Fn() -> S) {
    let store = open();
    put(&store, &[(b"a", b"one")]);
    let snapshot = look_at(&store, b"a");
    let last = delete(&store, b"a");
    drop(store);
    let store = open();
    assert_eq!(store.commit(&Snapshot::default(), &Batch::default()), Ok(last));
    assert!(put(&store, &[(b"a", b"one")]) > last);
    assert_eq!(store.commit(&snapshot, &Batch::default()), Err(CommitError::Stale));
}

/// Nothing comes back.
pub fn a_removed_record_stays_removed<S: Table>(open: &dyn Fn() -> S) {
    let store = open();
    put(&store, &[(b"a", b"one")]);
    delete(&store, b"a");
    drop(store);
    assert_eq!(value(&open(), b"a"), None);
}

/// Every acknowledged entry is there again.
pub fn journals_are_kept<S: Journal>(open: &dyn Fn() -> S) {
    let store = open();
    store.append(SPACE, b"j", &[b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]).expect("appends");
    store.trim(SPACE, b"j", Position(1)).expect("trims");
    drop(store);
    let entries = open().read(SPACE, b"j", Position(0), 10).expect("readable");
    let kept = |position, value: &[u8]| Entry { position: Position(position), value: value.to_vec() };
    assert_eq!(entries, [kept(1, b"b"), kept(2, b"c")]);
}

/// An empty journal remembers where it was.
pub fn positions_go_on_after_everything_was_trimmed<S: Journal>(open: &dyn Fn() -> S) {
    let store = open();
    store.append(SPACE, b"j", &[b"a".to_vec(), b"b".to_vec()]).expect("appends");
    store.trim(SPACE, b"j", Position(2)).expect("trims");
    drop(store);
    assert_eq!(open().append(SPACE, b"j", &[b"c".to_vec()]), Ok(Position(2)));
}
