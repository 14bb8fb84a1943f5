//! A sealed table keeps the contract of every table.

use clock::Dice;
use crypto_server::Server;
use store::Memory;
use store_sealed::{SEALING_KEY_LENGTH, Sealed};

fn sealed() -> Sealed<Memory> {
    let key = [7; SEALING_KEY_LENGTH];
    Sealed::new(Memory::default(), &Server::new(), &key, Dice::numbered(1)).expect("the key has its length")
}

mod contract {
    //! The cases of the contract, one by one; all but those at the very limit of a value's size, which
    //! sealing lowers by 29 bytes.
    use super::sealed;

    #[test]
    fn a_written_record_is_read_back() {
        store::contract::records::a_written_record_is_read_back(&sealed());
    }

    #[test]
    fn an_absent_record_reads_as_absent() {
        store::contract::records::an_absent_record_reads_as_absent(&sealed());
    }

    #[test]
    fn versions_rise_with_every_commit() {
        store::contract::records::versions_rise_with_every_commit(&sealed());
    }

    #[test]
    fn a_removed_record_starts_again_at_a_higher_version() {
        store::contract::records::a_removed_record_starts_again_at_a_higher_version(&sealed());
    }

    #[test]
    fn removing_what_is_absent_changes_nothing() {
        store::contract::records::removing_what_is_absent_changes_nothing(&sealed());
    }

    #[test]
    fn the_last_write_to_a_key_wins() {
        store::contract::records::the_last_write_to_a_key_wins(&sealed());
    }

    #[test]
    fn an_empty_batch_only_checks() {
        store::contract::records::an_empty_batch_only_checks(&sealed());
    }

    #[test]
    fn a_changed_record_makes_the_snapshot_stale() {
        store::contract::records::a_changed_record_makes_the_snapshot_stale(&sealed());
    }

    #[test]
    fn a_record_rewritten_with_the_same_value_makes_the_snapshot_stale() {
        store::contract::records::a_record_rewritten_with_the_same_value_makes_the_snapshot_stale(&sealed());
    }

    #[test]
    fn a_record_that_appeared_makes_the_snapshot_stale() {
        store::contract::records::a_record_that_appeared_makes_the_snapshot_stale(&sealed());
    }

    #[test]
    fn a_record_that_went_makes_the_snapshot_stale() {
        store::contract::records::a_record_that_went_makes_the_snapshot_stale(&sealed());
    }

    #[test]
    fn a_record_that_went_and_came_back_makes_the_snapshot_stale() {
        store::contract::records::a_record_that_went_and_came_back_makes_the_snapshot_stale(&sealed());
    }

    #[test]
    fn a_record_outside_the_snapshot_does_not_make_it_stale() {
        store::contract::records::a_record_outside_the_snapshot_does_not_make_it_stale(&sealed());
    }

    #[test]
    fn a_stale_batch_writes_nothing() {
        store::contract::records::a_stale_batch_writes_nothing(&sealed());
    }

    #[test]
    fn an_empty_value_is_a_record() {
        store::contract::records::an_empty_value_is_a_record(&sealed());
    }

    #[test]
    fn a_name_at_the_limit_is_stored() {
        store::contract::records::a_name_at_the_limit_is_stored(&sealed());
    }

    #[test]
    fn a_name_over_the_limit_is_refused_and_nothing_is_written() {
        store::contract::records::a_name_over_the_limit_is_refused_and_nothing_is_written(&sealed());
    }

    #[test]
    fn spaces_do_not_see_each_other() {
        store::contract::records::spaces_do_not_see_each_other(&sealed());
    }

    #[test]
    fn a_scan_is_in_the_order_of_the_names() {
        store::contract::ranges::a_scan_is_in_the_order_of_the_names(&sealed());
    }

    #[test]
    fn a_scan_keeps_to_its_prefix_and_space() {
        store::contract::ranges::a_scan_keeps_to_its_prefix_and_space(&sealed());
    }

    #[test]
    fn a_prefix_that_ends_in_ff_is_a_prefix() {
        store::contract::ranges::a_prefix_that_ends_in_ff_is_a_prefix(&sealed());
    }

    #[test]
    fn a_page_ends_at_its_limit_and_says_that_more_follow() {
        store::contract::ranges::a_page_ends_at_its_limit_and_says_that_more_follow(&sealed());
    }

    #[test]
    fn a_cursor_goes_through_all_pages_once() {
        store::contract::ranges::a_cursor_goes_through_all_pages_once(&sealed());
    }

    #[test]
    fn a_cursor_before_the_prefix_starts_at_the_prefix() {
        store::contract::ranges::a_cursor_before_the_prefix_starts_at_the_prefix(&sealed());
    }

    #[test]
    fn a_limit_of_zero_says_whether_anything_is_there() {
        store::contract::ranges::a_limit_of_zero_says_whether_anything_is_there(&sealed());
    }

    #[test]
    fn a_snapshot_is_of_one_point_in_time() {
        store::contract::ranges::a_snapshot_is_of_one_point_in_time(&sealed());
    }

    #[test]
    fn a_phantom_in_a_range_makes_the_snapshot_stale() {
        store::contract::ranges::a_phantom_in_a_range_makes_the_snapshot_stale(&sealed());
    }

    #[test]
    fn a_phantom_in_an_empty_range_makes_the_snapshot_stale() {
        store::contract::ranges::a_phantom_in_an_empty_range_makes_the_snapshot_stale(&sealed());
    }

    #[test]
    fn a_removal_in_a_range_makes_the_snapshot_stale() {
        store::contract::ranges::a_removal_in_a_range_makes_the_snapshot_stale(&sealed());
    }

    #[test]
    fn a_change_in_a_range_makes_the_snapshot_stale() {
        store::contract::ranges::a_change_in_a_range_makes_the_snapshot_stale(&sealed());
    }

    #[test]
    fn a_record_behind_a_full_page_does_not_make_it_stale() {
        store::contract::ranges::a_record_behind_a_full_page_does_not_make_it_stale(&sealed());
    }

    #[test]
    fn the_first_record_behind_a_page_that_was_the_last_makes_it_stale() {
        store::contract::ranges::the_first_record_behind_a_page_that_was_the_last_makes_it_stale(&sealed());
    }

    #[test]
    fn an_empty_batch_checks_ranges() {
        store::contract::ranges::an_empty_batch_checks_ranges(&sealed());
    }

    #[test]
    fn of_racing_commits_exactly_one_wins() {
        store::contract::races::of_racing_commits_exactly_one_wins(&sealed());
    }

    #[test]
    fn racing_counters_lose_no_increment() {
        store::contract::races::racing_counters_lose_no_increment(&sealed());
    }

    #[test]
    fn readers_never_see_half_a_commit() {
        store::contract::races::readers_never_see_half_a_commit(&sealed());
    }
}
