//! Cases about scans, pages and what a commit asserts of them.

use super::scene::{SPACE, all, assert_fresh, assert_stale, delete, key, look_at_range, names_of, put};
use crate::{Batch, CommitError, Key, Range, ReadSet, Snapshot, Space, Table};

fn names(list: &[&[u8]]) -> Vec<Vec<u8>> {
    list.iter().map(|name| name.to_vec()).collect()
}

fn fill(table: &dyn Table, list: &[&[u8]]) {
    let writes: Vec<(&[u8], &[u8])> = list.iter().map(|name| (*name, &b"value"[..])).collect();
    put(table, &writes);
}

fn starting_with(prefix: &[u8], limit: usize) -> Range {
    Range { space: SPACE, prefix: prefix.to_vec(), after: None, limit }
}

/// Names sort bytewise, a shorter one before its extensions.
pub fn a_scan_is_in_the_order_of_the_names(table: &dyn Table) {
    fill(table, &[b"b", b"\xff", b"a\0", b"a", b"", b"ab", b"\x00"]);
    let expected = names(&[b"", b"\x00", b"a", b"a\0", b"ab", b"b", b"\xff"]);
    assert_eq!(names_of(table, &all(100)), (expected, false));
}

/// Neither names beside the prefix nor other spaces are seen.
pub fn a_scan_keeps_to_its_prefix_and_space(table: &dyn Table) {
    fill(table, &[b"dev", b"device/1", b"device/2", b"devicf", b"a"]);
    let mut beside = Batch::default();
    beside.put(Key::new(Space(SPACE.0 + 1), *b"device/3"), *b"value");
    beside.put(Key::new(Space(SPACE.0 - 1), *b"device/0"), *b"value");
    table.commit(&Snapshot::default(), &beside).expect("commits");
    assert_eq!(names_of(table, &starting_with(b"device/", 9)), (names(&[b"device/1", b"device/2"]), false));
    assert_eq!(names_of(table, &starting_with(b"x", 9)), (Vec::new(), false));
    assert_eq!(names_of(table, &all(9)).0.len(), 5);
}

/// The end of a prefix is not found by adding one to its last byte.
pub fn a_prefix_that_ends_in_ff_is_a_prefix(table: &dyn Table) {
    fill(table, &[b"\xfe", b"\xff", b"\xff\xff", b"\xff\xff\x01"]);
    assert_eq!(names_of(table, &starting_with(b"\xff\xff", 9)).0, names(&[b"\xff\xff", b"\xff\xff\x01"]));
}

/// `more` is said exactly when something follows.
pub fn a_page_ends_at_its_limit_and_says_that_more_follow(table: &dyn Table) {
    fill(table, &[b"a", b"b", b"c"]);
    assert_eq!(names_of(table, &all(2)), (names(&[b"a", b"b"]), true));
    assert_eq!(names_of(table, &all(3)), (names(&[b"a", b"b", b"c"]), false));
    assert_eq!(names_of(table, &all(4)), (names(&[b"a", b"b", b"c"]), false));
}

/// The last name of a page is the cursor of the next.
pub fn a_cursor_goes_through_all_pages_once(table: &dyn Table) {
    let written: Vec<Vec<u8>> = (0..25_u8).map(|at| vec![b'p', at]).collect();
    fill(table, &written.iter().map(Vec::as_slice).collect::<Vec<_>>());
    fill(table, &[b"o", b"q"]);
    let mut seen = Vec::new();
    let mut range = starting_with(b"p", 7);
    loop {
        let (page, more) = names_of(table, &range);
        range.after = page.last().cloned();
        seen.extend(page);
        if !more {
            break;
        }
    }
    assert_eq!(seen, written);
    assert_eq!(names_of(table, &range), (Vec::new(), false), "behind the last page is nothing");
}

/// A cursor that lies elsewhere widens nothing.
pub fn a_cursor_before_the_prefix_starts_at_the_prefix(table: &dyn Table) {
    fill(table, &[b"a", b"b", b"b1", b"c"]);
    let before = Range { after: Some(b"a".to_vec()), ..starting_with(b"b", 9) };
    assert_eq!(names_of(table, &before), (names(&[b"b", b"b1"]), false));
    let behind = Range { after: Some(b"c".to_vec()), ..starting_with(b"b", 9) };
    assert_eq!(names_of(table, &behind), (Vec::new(), false));
}

/// From the newest down, page by page, neither names beside the prefix nor other spaces are seen.
pub fn a_scan_back_goes_from_the_greatest_name_down(table: &dyn Table) {
    fill(table, &[b"o", b"p1", b"p2", b"p3", b"p\xff", b"q"]);
    let mut beside = Batch::default();
    beside.put(Key::new(Space(SPACE.0 + 1), *b"p9"), *b"value");
    beside.put(Key::new(Space(SPACE.0 - 1), *b"p0"), *b"value");
    table.commit(&Snapshot::default(), &beside).expect("commits");
    let back = |prefix: &[u8], before: Option<&[u8]>, limit| {
        let range = Range { after: before.map(<[u8]>::to_vec), ..starting_with(prefix, limit) };
        let page = table.scan_back(&range).expect("the range can be scanned");
        (page.records.into_iter().map(|(key, _)| key.name).collect::<Vec<_>>(), page.more)
    };
    assert_eq!(back(b"p", None, 3), (names(&[b"p\xff", b"p3", b"p2"]), true));
    assert_eq!(back(b"p", Some(b"p2"), 3), (names(&[b"p1"]), false));
    assert_eq!(back(b"p", Some(b"a"), 3), (Vec::new(), false), "a cursor before the prefix widens nothing");
    assert_eq!(back(b"p", Some(b"z"), 1), (names(&[b"p\xff"]), true));
    assert_eq!(back(b"", None, 9).0.len(), 6);
    assert_eq!(back(b"", None, 6), (names(&[b"q", b"p\xff", b"p3", b"p2", b"p1", b"o"]), false));
}

/// A question for existence alone.
pub fn a_limit_of_zero_says_whether_anything_is_there(table: &dyn Table) {
    assert_eq!(names_of(table, &all(0)), (Vec::new(), false));
    fill(table, &[b"a"]);
    assert_eq!(names_of(table, &all(0)), (Vec::new(), true));
}

/// Records and ranges of one snapshot are not read at different times, and later commits do not show in it.
pub fn a_snapshot_is_of_one_point_in_time(table: &dyn Table) {
    put(table, &[(b"a", b"one"), (b"b", b"one")]);
    let reads = ReadSet::of([key(b"a"), key(b"absent")]).with_range(all(9));
    let snapshot = table.snapshot(&reads).expect("readable");
    put(table, &[(b"a", b"two"), (b"absent", b"two")]);
    assert_eq!(snapshot.value(&key(b"a")), Some(&b"one"[..]));
    assert_eq!(snapshot.value(&key(b"absent")), None);
    let page = snapshot.page(&all(9));
    let seen: Vec<_> = page.records.iter().map(|(key, record)| (&key.name[..], &record.value[..])).collect();
    assert_eq!(seen, [(&b"a"[..], &b"one"[..]), (b"b", b"one")]);
}

/// A record that appears between two that were seen.
pub fn a_phantom_in_a_range_makes_the_snapshot_stale(table: &dyn Table) {
    fill(table, &[b"a", b"c"]);
    let snapshot = look_at_range(table, all(9));
    fill(table, &[b"b"]);
    assert_stale(table, &snapshot);
}

/// "There is none" is an assertion too.
pub fn a_phantom_in_an_empty_range_makes_the_snapshot_stale(table: &dyn Table) {
    fill(table, &[b"beside"]);
    let snapshot = look_at_range(table, starting_with(b"claim/", 1));
    fill(table, &[b"claim/1"]);
    assert_stale(table, &snapshot);
}

/// A record that was seen and went.
pub fn a_removal_in_a_range_makes_the_snapshot_stale(table: &dyn Table) {
    fill(table, &[b"a", b"b", b"c"]);
    let snapshot = look_at_range(table, all(9));
    delete(table, b"b");
    assert_stale(table, &snapshot);
}

/// A record that was seen and changed, even to the same value.
pub fn a_change_in_a_range_makes_the_snapshot_stale(table: &dyn Table) {
    fill(table, &[b"a", b"b", b"c"]);
    let snapshot = look_at_range(table, all(9));
    fill(table, &[b"b"]);
    assert_stale(table, &snapshot);
}

/// What a full page did not show is not asserted.
pub fn a_record_behind_a_full_page_does_not_make_it_stale(table: &dyn Table) {
    fill(table, &[b"a", b"b", b"y"]);
    let snapshot = look_at_range(table, all(2));
    fill(table, &[b"c", b"y"]);
    assert_fresh(table, &snapshot);
}

/// "Nothing follows" is an assertion.
pub fn the_first_record_behind_a_page_that_was_the_last_makes_it_stale(table: &dyn Table) {
    fill(table, &[b"a", b"b"]);
    let snapshot = look_at_range(table, all(2));
    fill(table, &[b"c"]);
    assert_stale(table, &snapshot);
}

/// A decision that changes nothing still rests on what it saw.
pub fn an_empty_batch_checks_ranges(table: &dyn Table) {
    fill(table, &[b"a"]);
    let snapshot = look_at_range(table, all(9));
    assert!(table.commit(&snapshot, &Batch::default()).is_ok());
    fill(table, &[b"b"]);
    assert_eq!(table.commit(&snapshot, &Batch::default()), Err(CommitError::Stale));
}
