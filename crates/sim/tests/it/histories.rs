//! As many histories as `THINGSTEAD_HISTORIES` says, from the seed `THINGSTEAD_HISTORY` on.

use sim::{Played, Setting, play};

/// Histories in an ordinary run of the tests.
const HISTORY_COUNT: u64 = 1_000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

// verifies: ASSURE-14.4-01, ASSURE-15.5-06, TS-H5
#[test]
fn random_histories_never_have_two_owners_nor_lose_an_acknowledged_change() {
    let setting = Setting::new();
    let first = number("THINGSTEAD_HISTORY").unwrap_or(1);
    let count = number("THINGSTEAD_HISTORIES").unwrap_or(HISTORY_COUNT);
    let mut all = Played::default();
    for seed in first..first + count {
        match play(&setting, seed) {
            Ok(played) => all += played,
            Err(broken) => panic!("history {seed}: {broken}"),
        }
    }
    println!("{count} histories: {all:?}");
    assert!(
        all.bootstraps > 0 && all.restores > 0 && all.crashes > 0 && all.cuts > 0 || count < HISTORY_COUNT
    );
}
