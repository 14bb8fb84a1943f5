//! Journals as segment files: the contract, and every cut of a file.
#![expect(clippy::unwrap_used, reason = "in helpers of tests too, the wrong value ends the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use store::{Entry, Fault, Journal, JournalError, Position, Space};
use store_segments::Segments;

/// A folder that goes with the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("thingstead-segments-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn open(&self) -> Segments {
        Segments::open(self.0.clone()).unwrap()
    }

    /// Its files, by name.
    fn files(&self) -> Vec<PathBuf> {
        fn below(folder: &Path, found: &mut Vec<PathBuf>) {
            for file in fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                if path.is_dir() { below(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        below(&self.0, &mut found);
        found.sort();
        found
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left of a test is the operating system's to clean.
        let _left = fs::remove_dir_all(&self.0);
    }
}

/// Journals in a folder of their own.
struct Alone(Segments, #[expect(dead_code, reason = "it is removed when it is dropped")] Place);

impl Journal for Alone {
    fn append(&self, space: Space, name: &[u8], values: &[Vec<u8>]) -> Result<Position, JournalError> {
        self.0.append(space, name, values)
    }
    fn read(&self, space: Space, name: &[u8], from: Position, limit: usize) -> Result<Vec<Entry>, Fault> {
        self.0.read(space, name, from, limit)
    }
    fn trim(&self, space: Space, name: &[u8], before: Position) -> Result<(), JournalError> {
        self.0.trim(space, name, before)
    }
}

fn fresh() -> Alone {
    let place = Place::new();
    Alone(place.open(), place)
}

store::contract_cases!(fresh, journals:
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
);

#[test]
fn journals_are_kept() {
    let place = Place::new();
    store::contract::persistence::journals_are_kept(&|| place.open());
}

#[test]
fn positions_go_on_after_everything_was_trimmed() {
    let place = Place::new();
    store::contract::persistence::positions_go_on_after_everything_was_trimmed(&|| place.open());
}

const SPACE: Space = Space(0x70);

fn values(journal: &Segments) -> Vec<Vec<u8>> {
    let entries = journal.read(SPACE, b"j", Position(0), usize::MAX).unwrap();
    entries.into_iter().map(|entry| entry.value).collect()
}

#[test]
fn an_append_that_was_cut_is_gone_as_a_whole_and_the_next_one_stands_in_its_place() {
    let place = Place::new();
    let journal = place.open();
    journal.append(SPACE, b"j", &[b"one".to_vec()]).unwrap();
    let [file] = &place.files()[..] else { panic!("one segment") };
    let kept = fs::read(file).unwrap().len();
    journal.append(SPACE, b"j", &[b"two".to_vec(), b"three".to_vec()]).unwrap();
    drop(journal);
    let whole = fs::read(file).unwrap();
    for cut in kept..whole.len() {
        for flipped in [false, true] {
            let mut bytes = whole.clone();
            if flipped {
                bytes[cut] ^= 1;
            } else {
                bytes.truncate(cut);
            }
            fs::write(file, &bytes).unwrap();
            let journal = place.open();
            assert_eq!(values(&journal), [b"one".to_vec()], "{cut} {flipped}");
            assert_eq!(journal.append(SPACE, b"j", &[b"four".to_vec()]), Ok(Position(1)));
            drop(journal);
            assert_eq!(values(&place.open()), [b"one".to_vec(), b"four".to_vec()]);
        }
    }
}

#[test]
fn segments_are_closed_when_full_and_removed_when_trimmed_and_damage_is_told() {
    let place = Place::new();
    let journal = place.open();
    let big = vec![7; 3 * 1024 * 1024];
    for position in 0..9 {
        assert_eq!(journal.append(SPACE, b"j", std::slice::from_ref(&big)), Ok(Position(position)));
    }
    assert_eq!(place.files().len(), 3);
    journal.trim(SPACE, b"j", Position(4)).unwrap();
    assert_eq!(place.files().len(), 3, "the first three were in one; the trim itself begins another");
    assert_eq!(values(&journal).len(), 5);
    drop(journal);
    let journal = place.open();
    assert_eq!(values(&journal).len(), 5, "what was trimmed stays gone");
    drop(journal);
    let first = &place.files()[0];
    let mut bytes = fs::read(first).unwrap();
    bytes[100] ^= 1;
    fs::write(first, &bytes).unwrap();
    assert!(place.open().read(SPACE, b"j", Position(0), 9).is_err(), "not passed over");
    fs::remove_file(first).unwrap();
    assert_eq!(values(&place.open()).len(), 3, "as if it had been trimmed");
}

#[test]
fn damage_with_whole_entries_behind_it_is_no_append_that_was_cut() {
    let place = Place::new();
    let journal = place.open();
    for value in ["one", "two", "three"] {
        journal.append(SPACE, b"j", &[value.into()]).unwrap();
    }
    drop(journal);
    let [file] = &place.files()[..] else { panic!("one segment") };
    let whole = fs::read(file).unwrap();
    let size = whole.len();
    let at = whole.windows(3).position(|three| three == b"two").unwrap();
    let mut bytes = whole.clone();
    bytes[at] ^= 1;
    fs::write(file, &bytes).unwrap();
    let told = place.open().read(SPACE, b"j", Position(0), 9).unwrap_err();
    assert!(told.detail.contains("damaged at byte"), "{told}");
    assert_eq!(fs::read(file).unwrap().len(), size, "nothing is cut off");
    fs::write(file, whole).unwrap();
    assert_eq!(values(&place.open()).len(), 3);
}
