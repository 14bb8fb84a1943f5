//! The tests every back end passes.
//!
//! [`contract_of_a_back_end!`](crate::contract_of_a_back_end) makes one test of each case, against a fresh
//! store. [`contract_of_a_persistent_back_end!`](crate::contract_of_a_persistent_back_end) adds the cases
//! that close a store and open it again.

pub mod journals;
pub mod persistence;
pub mod races;
pub mod ranges;
pub mod records;

/// One test per case of [`records`], [`ranges`], [`races`] and [`journals`].
///
/// `$fresh` is called once per test and gives an empty store that implements `Table` and `Journal`.
#[macro_export]
macro_rules! contract_of_a_back_end {
    ($fresh:expr) => {
        $crate::contract_cases!($fresh, records:
            a_written_record_is_read_back,
            an_absent_record_reads_as_absent,
            versions_rise_with_every_commit,
            a_removed_record_starts_again_at_a_higher_version,
            removing_what_is_absent_changes_nothing,
            the_last_write_to_a_key_wins,
            an_empty_batch_only_checks,
            a_changed_record_makes_the_snapshot_stale,
            a_record_rewritten_with_the_same_value_makes_the_snapshot_stale,
            a_record_that_appeared_makes_the_snapshot_stale,
            a_record_that_went_makes_the_snapshot_stale,
            a_record_that_went_and_came_back_makes_the_snapshot_stale,
            a_record_outside_the_snapshot_does_not_make_it_stale,
            a_stale_batch_writes_nothing,
            an_empty_value_is_a_record,
            a_value_at_the_limit_is_stored,
            a_value_over_the_limit_is_refused_and_nothing_is_written,
            a_name_at_the_limit_is_stored,
            a_name_over_the_limit_is_refused_and_nothing_is_written,
            spaces_do_not_see_each_other,
        );
        $crate::contract_cases!($fresh, ranges:
            a_scan_is_in_the_order_of_the_names,
            a_scan_keeps_to_its_prefix_and_space,
            a_prefix_that_ends_in_ff_is_a_prefix,
            a_page_ends_at_its_limit_and_says_that_more_follow,
            a_cursor_goes_through_all_pages_once,
            a_cursor_before_the_prefix_starts_at_the_prefix,
            a_scan_back_goes_from_the_greatest_name_down,
            a_limit_of_zero_says_whether_anything_is_there,
            a_snapshot_is_of_one_point_in_time,
            a_phantom_in_a_range_makes_the_snapshot_stale,
            a_phantom_in_an_empty_range_makes_the_snapshot_stale,
            a_removal_in_a_range_makes_the_snapshot_stale,
            a_change_in_a_range_makes_the_snapshot_stale,
            a_record_behind_a_full_page_does_not_make_it_stale,
            the_first_record_behind_a_page_that_was_the_last_makes_it_stale,
            an_empty_batch_checks_ranges,
        );
        $crate::contract_cases!($fresh, races:
            of_racing_commits_exactly_one_wins,
            racing_counters_lose_no_increment,
            readers_never_see_half_a_commit,
        );
        $crate::contract_cases!($fresh, journals:
            appended_entries_are_read_in_order,
            a_journal_is_read_from_a_position_and_up_to_a_limit,
            an_empty_append_answers_with_the_next_position,
            journals_do_not_see_each_other,
            a_name_that_starts_like_another_is_another_journal,
            trimmed_entries_are_gone_and_the_rest_stays,
            positions_are_not_reused_after_a_trim,
            trimming_beyond_the_end_does_not_move_the_end,
            an_entry_over_the_limit_is_refused_and_nothing_is_appended,
            a_journal_name_over_the_limit_is_refused,
            racing_appends_get_positions_of_their_own,
            records_and_journals_of_one_name_do_not_meet,
        );
    };
}

/// One test per case of [`persistence`].
///
/// `$place` makes a place (a directory, a database); `$open` opens the store at a reference to it. The
/// store is dropped before it is opened again.
#[macro_export]
macro_rules! contract_of_a_persistent_back_end {
    ($place:expr, $open:expr) => {
        $crate::persistence_cases!($place, $open;
            records_are_kept,
            versions_go_on,
            a_removed_record_stays_removed,
            journals_are_kept,
            positions_go_on_after_everything_was_trimmed,
        );
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! contract_cases {
    ($fresh:expr, $module:ident: $($case:ident),* $(,)?) => {
        mod $module {
            #[allow(unused_imports, reason = "the store's constructor may be named by its full path")]
            use super::*;
            $(
                #[test]
                fn $case() {
                    $crate::contract::$module::$case(&($fresh)());
                }
            )*
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! persistence_cases {
    ($place:expr, $open:expr; $($case:ident),* $(,)?) => {
        mod persistence {
            #[allow(unused_imports, reason = "the store's constructor may be named by its full path")]
            use super::*;
            $(
                #[test]
                fn $case() {
                    let place = ($place)();
                    $crate::contract::persistence::$case(&|| ($open)(&place));
                }
            )*
        }
    };
}

pub(crate) mod scene {
    //! What the cases share: one space and short ways to write and read.

    use crate::{Batch, CommitError, Key, Range, ReadSet, Snapshot, Space, Table, Version};

    pub(crate) const SPACE: Space = Space(0x40);

    pub(crate) fn key(name: &[u8]) -> Key {
        Key::new(SPACE, name)
    }

    pub(crate) fn all(limit: usize) -> Range {
        Range { space: SPACE, prefix: Vec::new(), after: None, limit }
    }

    pub(crate) fn batch_of(writes: &[(&[u8], &[u8])]) -> Batch {
        let mut batch = Batch::default();
        for (name, value) in writes {
            batch.put(key(name), *value);
        }
        batch
    }

    /// Writes without looking.
    pub(crate) fn put(table: &dyn Table, writes: &[(&[u8], &[u8])]) -> Version {
        table.commit(&Snapshot::default(), &batch_of(writes)).expect("a blind write commits")
    }

    /// Removes without looking.
    pub(crate) fn delete(table: &dyn Table, name: &[u8]) -> Version {
        let mut batch = Batch::default();
        batch.delete(key(name));
        table.commit(&Snapshot::default(), &batch).expect("a blind removal commits")
    }

    pub(crate) fn value(table: &dyn Table, name: &[u8]) -> Option<Vec<u8>> {
        table.get(&key(name)).expect("the record can be read").map(|record| record.value)
    }

    pub(crate) fn version(table: &dyn Table, name: &[u8]) -> Version {
        let record = table.get(&key(name)).expect("the record can be read");
        record.map_or(Version::ABSENT, |record| record.version)
    }

    pub(crate) fn look_at(table: &dyn Table, name: &[u8]) -> Snapshot {
        table.snapshot(&ReadSet::of([key(name)])).expect("the snapshot can be read")
    }

    pub(crate) fn look_at_range(table: &dyn Table, range: Range) -> Snapshot {
        table.snapshot(&ReadSet::default().with_range(range)).expect("the snapshot can be read")
    }

    /// Asserts that a batch on `snapshot` is refused as stale and leaves no trace.
    #[track_caller]
    pub(crate) fn assert_stale(table: &dyn Table, snapshot: &Snapshot) {
        let outcome = table.commit(snapshot, &batch_of(&[(b"written on a stale snapshot", b"!")]));
        assert_eq!(outcome, Err(CommitError::Stale));
        assert_eq!(value(table, b"written on a stale snapshot"), None, "a stale batch writes nothing");
    }

    /// Asserts that a batch on `snapshot` is accepted.
    #[track_caller]
    pub(crate) fn assert_fresh(table: &dyn Table, snapshot: &Snapshot) {
        let outcome = table.commit(snapshot, &batch_of(&[(b"zz", b"on a fresh snapshot")]));
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(value(table, b"zz").as_deref(), Some(&b"on a fresh snapshot"[..]));
    }

    pub(crate) fn names_of(table: &dyn Table, range: &Range) -> (Vec<Vec<u8>>, bool) {
        let page = table.scan(range).expect("the range can be scanned");
        (page.records.into_iter().map(|(key, _)| key.name).collect(), page.more)
    }
}
