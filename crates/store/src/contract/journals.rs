//! Cases about journals.
#![expect(clippy::disallowed_methods, reason = "only threads that run at once show what a race does")]

use std::collections::BTreeSet;
use std::thread;

use super::scene::{SPACE, put, value};
use crate::{Entry, Journal, JournalError, NAME_SIZE_MAX, Position, Space, Table, VALUE_SIZE_MAX};

fn append(journal: &dyn Journal, name: &[u8], values: &[&[u8]]) -> u64 {
    let values: Vec<Vec<u8>> = values.iter().map(|value| value.to_vec()).collect();
    journal.append(SPACE, name, &values).expect("appends").0
}

fn read(journal: &dyn Journal, name: &[u8], from: u64, limit: usize) -> Vec<(u64, Vec<u8>)> {
    let entries = journal.read(SPACE, name, Position(from), limit).expect("readable");
    entries.into_iter().map(|Entry { position, value }| (position.0, value)).collect()
}

/// Positions rise by one from 0.
pub fn appended_entries_are_read_in_order(journal: &dyn Journal) {
    assert_eq!(append(journal, b"j", &[b"a", b"b"]), 0);
    assert_eq!(append(journal, b"j", &[b""]), 2);
    assert_eq!(append(journal, b"j", &[b"d"]), 3);
    let expected = [(0, b"a".to_vec()), (1, b"b".to_vec()), (2, Vec::new()), (3, b"d".to_vec())];
    assert_eq!(read(journal, b"j", 0, 10), expected);
}

/// A cursor and a page.
pub fn a_journal_is_read_from_a_position_and_up_to_a_limit(journal: &dyn Journal) {
    let values: Vec<Vec<u8>> = (0..300_u16).map(|at| at.to_be_bytes().to_vec()).collect();
    assert_eq!(journal.append(SPACE, b"j", &values), Ok(Position(0)));
    let page = read(journal, b"j", 254, 4);
    assert_eq!(page.iter().map(|(position, _)| *position).collect::<Vec<_>>(), [254, 255, 256, 257]);
    assert_eq!(page[2].1, 256_u16.to_be_bytes());
    assert_eq!(read(journal, b"j", 299, 4).len(), 1);
    assert_eq!(read(journal, b"j", 300, 4), []);
    assert_eq!(read(journal, b"j", 0, 0), []);
}

/// Nothing is stored, no position is used.
pub fn an_empty_append_answers_with_the_next_position(journal: &dyn Journal) {
    assert_eq!(append(journal, b"j", &[]), 0);
    assert_eq!(append(journal, b"j", &[b"a"]), 0);
    assert_eq!(append(journal, b"j", &[]), 1);
    assert_eq!(read(journal, b"j", 0, 10), [(0, b"a".to_vec())]);
}

/// Name and space tell journals apart.
pub fn journals_do_not_see_each_other(journal: &dyn Journal) {
    append(journal, b"one", &[b"a"]);
    append(journal, b"two", &[b"b", b"c"]);
    let elsewhere = journal.append(Space(SPACE.0 + 1), b"one", &[b"d".to_vec()]);
    assert_eq!(elsewhere, Ok(Position(0)));
    journal.trim(SPACE, b"two", Position(9)).expect("trims");
    assert_eq!(read(journal, b"one", 0, 10), [(0, b"a".to_vec())]);
    assert_eq!(read(journal, b"three", 0, 10), []);
}

/// Names may hold any bytes, also those that look like a length or a position.
pub fn a_name_that_starts_like_another_is_another_journal(journal: &dyn Journal) {
    let plain: &[u8] = b"j";
    let extended = [plain, &[0; 8]].concat();
    let further = [plain, &0_u64.to_be_bytes(), &1_u64.to_be_bytes()].concat();
    append(journal, plain, &[b"plain"]);
    append(journal, &extended, &[b"extended"]);
    append(journal, &further, &[b"further"]);
    append(journal, b"", &[b"nameless"]);
    assert_eq!(read(journal, plain, 0, 10), [(0, b"plain".to_vec())]);
    assert_eq!(read(journal, &extended, 0, 10), [(0, b"extended".to_vec())]);
    journal.trim(SPACE, plain, Position(1)).expect("trims");
    assert_eq!(read(journal, plain, 0, 10), []);
    assert_eq!(read(journal, &extended, 0, 10), [(0, b"extended".to_vec())]);
    assert_eq!(read(journal, &further, 0, 10), [(0, b"further".to_vec())]);
    assert_eq!(read(journal, b"", 0, 10), [(0, b"nameless".to_vec())]);
}

/// A trim is of everything before a position.
pub fn trimmed_entries_are_gone_and_the_rest_stays(journal: &dyn Journal) {
    append(journal, b"j", &[b"a", b"b", b"c"]);
    journal.trim(SPACE, b"j", Position(2)).expect("trims");
    assert_eq!(read(journal, b"j", 0, 10), [(2, b"c".to_vec())]);
    journal.trim(SPACE, b"j", Position(1)).expect("an earlier trim changes nothing");
    assert_eq!(read(journal, b"j", 0, 10), [(2, b"c".to_vec())]);
    journal.trim(SPACE, b"none", Position(5)).expect("a journal that is not there has nothing to trim");
    assert_eq!(append(journal, b"none", &[b"a"]), 0);
}

/// An empty journal remembers where it was.
pub fn positions_are_not_reused_after_a_trim(journal: &dyn Journal) {
    append(journal, b"j", &[b"a", b"b"]);
    journal.trim(SPACE, b"j", Position(2)).expect("trims");
    assert_eq!(read(journal, b"j", 0, 10), []);
    assert_eq!(append(journal, b"j", &[b"c"]), 2);
    assert_eq!(read(journal, b"j", 0, 10), [(2, b"c".to_vec())]);
}

/// A trim says what may go, not what has been.
pub fn trimming_beyond_the_end_does_not_move_the_end(journal: &dyn Journal) {
    append(journal, b"j", &[b"a"]);
    journal.trim(SPACE, b"j", Position(u64::MAX)).expect("trims");
    assert_eq!(append(journal, b"j", &[b"b"]), 1);
}

/// All or none, also at the limit.
pub fn an_entry_over_the_limit_is_refused_and_nothing_is_appended(journal: &dyn Journal) {
    let over = [b"a".to_vec(), vec![1; VALUE_SIZE_MAX + 1]];
    let Err(JournalError::Unavailable(fault)) = journal.append(SPACE, b"j", &over) else {
        panic!("an entry over the limit must be refused");
    };
    assert!(fault.detail.contains("value of 4194305 bytes"), "{fault}");
    assert_eq!(read(journal, b"j", 0, 10), []);
    assert_eq!(journal.append(SPACE, b"j", &[vec![1; VALUE_SIZE_MAX]]), Ok(Position(0)));
    assert_eq!(read(journal, b"j", 0, 1)[0].1.len(), VALUE_SIZE_MAX);
}

/// The longest name works, a longer one is refused and is empty to a reader.
pub fn a_journal_name_over_the_limit_is_refused(journal: &dyn Journal) {
    let longest = vec![0xff; NAME_SIZE_MAX];
    assert_eq!(append(journal, &longest, &[b"a"]), 0);
    assert_eq!(read(journal, &longest, 0, 10), [(0, b"a".to_vec())]);
    let too_long = vec![0xff; NAME_SIZE_MAX + 1];
    let refused = journal.append(SPACE, &too_long, &[b"a".to_vec()]);
    assert!(matches!(refused, Err(JournalError::Unavailable(_))), "{refused:?}");
    assert_eq!(read(journal, &too_long, 0, 10), []);
    assert_eq!(journal.trim(SPACE, &too_long, Position(1)), Ok(()));
}

/// No two appends share a position and none is lost.
pub fn racing_appends_get_positions_of_their_own(journal: &dyn Journal) {
    const THREADS: u8 = 4;
    const APPENDS: u8 = 10;
    let positions: Vec<Vec<u64>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|racer| {
                scope.spawn(move || (0..APPENDS).map(|_| append(journal, b"j", &[&[racer]])).collect())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no appender panics")).collect()
    });
    let total = u64::from(THREADS) * u64::from(APPENDS);
    assert_eq!(positions.iter().flatten().copied().collect::<BTreeSet<_>>(), (0..total).collect());
    let entries = read(journal, b"j", 0, usize::MAX);
    assert_eq!(entries.len() as u64, total);
    for (racer, own) in positions.iter().enumerate() {
        assert!(own.is_sorted(), "the appends of one thread stay in order");
        assert!(own.iter().all(|position| entries[*position as usize].1 == [racer as u8]));
    }
}

/// A journal may have the name of a record.
pub fn records_and_journals_of_one_name_do_not_meet<S: Table + Journal>(store: &S) {
    put(store, &[(b"same", b"record")]);
    append(store, b"same", &[b"entry"]);
    assert_eq!(value(store, b"same").as_deref(), Some(&b"record"[..]));
    assert_eq!(read(store, b"same", 0, 10), [(0, b"entry".to_vec())]);
}
