//! Who may try, how often, and what nobody learns from it.

use std::time::Duration;

use accounts::{
    AccountChange, ChangeAccount, Checked, Duties, PrepareSignIn, Prepared, Role, SetSettings, Settings,
    SignedIn, TypedName,
};
use store::{Operation as _, Range, Space, Table as _};

use crate::house::{HERE, House, MINUTE, THERE, hash, name, token};

fn wait(minutes: u64) -> SignedIn {
    SignedIn::Wait(Duration::from_millis(minutes * MINUTE))
}

// verifies: SECDEV-6.2.4-m
#[test]
fn five_failures_lock_account_and_address_and_not_the_account_elsewhere() {
    let house = House::activated();
    for _ in 0..5 {
        assert_eq!(house.sign_in("root", "wrong", HERE, token(2)), SignedIn::Wrong);
        house.later(1000);
    }
    house.later(1000 * 25);
    let SignedIn::Wait(left) = house.sign_in("root", "root-1234", HERE, token(2)) else {
        panic!("a right password is refused during the lock")
    };
    assert!(left < Duration::from_secs(30 * 60) && left > Duration::from_secs(29 * 60), "{left:?}");
    assert!(house.resume(token(2)).is_none());
    assert!(matches!(house.sign_in("root", "root-1234", THERE, token(3)), SignedIn::Welcome { .. }));
    house.later(30 * MINUTE);
    assert!(matches!(house.sign_in("root", "root-1234", HERE, token(2)), SignedIn::Welcome { .. }));
}

// verifies: SECDEV-6.2.4-m
#[test]
fn four_failures_and_failures_of_an_earlier_time_lock_nobody() {
    let house = House::activated();
    for _ in 0..4 {
        house.sign_in("root", "wrong", HERE, token(2));
    }
    house.later(10 * MINUTE);
    for _ in 0..4 {
        assert_eq!(house.sign_in("root", "wrong", HERE, token(2)), SignedIn::Wrong);
    }
    assert!(matches!(house.sign_in("root", "root-1234", HERE, token(2)), SignedIn::Welcome { .. }));
    for _ in 0..4 {
        assert_eq!(house.sign_in("root", "wrong", HERE, token(2)), SignedIn::Wrong, "success counts anew");
    }
}

// verifies: SECDEV-6.2.4-l
#[test]
fn a_name_that_is_no_account_gets_the_same_answers_and_the_same_work() {
    let house = House::activated();
    house.add("ann", Role::User, Duties::default());
    let ask = |typed: &str| PrepareSignIn { name: TypedName::new(typed), address: THERE.into() };
    let looks = |typed: &str| (ask(typed).reads().keys.len(), ask(typed).reads().ranges.len());
    assert_eq!(looks("ann"), looks("nobody"));
    assert_eq!(looks("ann"), looks("no name at all / pass word"));
    for typed in ["ann", "nobody", "Pass word!"] {
        let other = House::activated();
        other.add("ann", Role::User, Duties::default());
        let before = other.log().len();
        let answers: Vec<_> = (0..6).map(|_| other.sign_in(typed, "wrong", THERE, token(9))).collect();
        assert_eq!(answers[..5], [const { SignedIn::Wrong }; 5], "{typed}");
        assert_eq!(answers[5], wait(30), "{typed}");
        assert_eq!(other.log().len() - before, 5, "{typed}: each try leaves an entry, waiting none");
    }
    assert_eq!(house.run(ask("nobody")).unwrap(), Prepared::Check(None));
    assert_eq!(house.run(ask("ann")).unwrap(), Prepared::Check(Some(hash("right-123"))));
}

// verifies: SECDEV-6.2.6-a3, SECDEV-6.2.6-b
#[test]
fn tries_stand_in_the_log_with_account_and_address_and_never_with_what_was_typed() {
    let house = House::activated();
    house.sign_in("root", "wrong", THERE, token(2));
    house.sign_in("My-Pass word-9", "x", THERE, token(2));
    house.sign_in("root", "root-1234", THERE, token(2));
    let log = house.log();
    let last = &log[log.len() - 3..];
    assert_eq!(
        last,
        ["root login refused 192.0.2.2", "unknown login refused 192.0.2.2", "root login done 192.0.2.2"]
    );
    for space in 0..=u8::MAX {
        let range = Range { space: Space(space), prefix: Vec::new(), after: None, limit: 1000 };
        for (key, record) in house.table.scan(&range).unwrap().records {
            let text = [key.name, record.value].concat().to_ascii_lowercase();
            assert!(!text.windows(7).any(|part| part == b"my-pass"), "space {space}");
        }
    }
}

// verifies: SECDEV-6.2.4-m
#[test]
fn tries_that_are_checked_at_the_same_time_do_not_pass_the_limit_together() {
    let house = House::activated();
    let typed = TypedName::new("root");
    for _ in 0..6 {
        let ask = PrepareSignIn { name: typed.clone(), address: HERE.into() };
        assert!(matches!(house.run(ask), Ok(Prepared::Check(Some(_)))));
    }
    for _ in 0..5 {
        house.settle(typed.clone(), Checked::Wrong, HERE, token(2));
    }
    let sixth = house.settle(typed, Checked::Fits(hash("root-1234")), HERE, token(2));
    assert_eq!(sixth, wait(30));
    assert!(house.resume(token(2)).is_none());
}

// verifies: SECDEV-6.2.4-m
#[test]
fn twenty_failures_of_one_address_under_any_names_lock_the_address() {
    let house = House::activated();
    for round in 0..20 {
        assert_eq!(house.sign_in(&format!("name{round}"), "x", THERE, token(2)), SignedIn::Wrong);
    }
    assert_eq!(house.sign_in("root", "root-1234", THERE, token(2)), wait(30));
    assert!(matches!(house.sign_in("root", "root-1234", HERE, token(2)), SignedIn::Welcome { .. }));
}

#[test]
fn fifty_failures_from_everywhere_delay_known_addresses_and_stop_others() {
    let house = House::activated();
    for round in 0..50_u8 {
        let from = [198, 51, 100, round];
        assert_eq!(house.sign_in("root", "wrong", from, token(2)), SignedIn::Wrong, "{round}");
    }
    assert_eq!(house.sign_in("root", "root-1234", THERE, token(2)), wait(30), "not seen before");
    assert_eq!(
        house.sign_in("root", "root-1234", HERE, token(2)),
        SignedIn::Wait(Duration::from_secs(10)),
        "a known address waits a little"
    );
    house.later(10_000);
    assert!(matches!(house.sign_in("root", "root-1234", HERE, token(2)), SignedIn::Welcome { .. }));
    let nobody = House::activated();
    for round in 0..50_u8 {
        nobody.sign_in("nobody", "wrong", [198, 51, 100, round], token(2));
    }
    assert_eq!(nobody.sign_in("nobody", "x", THERE, token(2)), wait(30), "a name without account alike");
}

#[test]
fn counts_do_not_grow_without_end() {
    let house = House::activated();
    for at in 0..3000_u32 {
        let [.., second, third, last] = at.to_be_bytes();
        house.sign_in(&format!("n{at}"), "x", [10, second, third, last], token(2));
    }
    for space in [5, 6] {
        let range = Range { space: Space(space), prefix: Vec::new(), after: None, limit: 1000 };
        let page = house.table.scan(&range).unwrap();
        assert!(page.records.len() <= 256);
        let largest = page.records.iter().map(|(_, record)| record.value.len()).max();
        assert!(largest.is_some_and(|length| length < 32 * 80), "{largest:?}");
    }
}

#[test]
fn a_clock_that_is_set_back_locks_nobody_for_longer() {
    let house = House::activated();
    for _ in 0..5 {
        house.sign_in("root", "wrong", HERE, token(2));
    }
    house.set(house.now() - 1000 * MINUTE);
    assert_eq!(house.sign_in("root", "root-1234", HERE, token(2)), wait(30));
}

// verifies: SECDEV-6.2.4-m
#[test]
fn the_limits_are_settable_within_their_bounds() {
    let house = House::activated();
    let set = |settings: Settings| {
        let asked = house.asked("root", Some(HERE));
        house.run(SetSettings { settings, asked }).unwrap()
    };
    let usual = Settings::default();
    assert_eq!(set(Settings { lock_failures: 3, lock_minutes: 5, ..usual.clone() }), Ok(()));
    for _ in 0..3 {
        house.sign_in("root", "wrong", THERE, token(2));
    }
    assert_eq!(house.sign_in("root", "root-1234", THERE, token(2)), wait(5));
    for failures in [2, 11] {
        assert!(set(Settings { lock_failures: failures, ..usual.clone() }).is_err());
    }
    for minutes in [4, 61] {
        assert!(set(Settings { lock_minutes: minutes, ..usual.clone() }).is_err());
    }
    for minutes in [0, 61] {
        assert!(set(Settings { idle_minutes: minutes, ..usual.clone() }).is_err());
    }
    let elsewhere = vec!["203.0.113.0/24".parse().unwrap()];
    assert!(set(Settings { allowed: elsewhere, ..usual }).is_err(), "nobody locks himself out");
}

#[test]
fn unlocking_forgets_the_failures_of_every_address() {
    let house = House::activated();
    house.add("ann", Role::User, Duties::default());
    for _ in 0..5 {
        house.sign_in("ann", "wrong", THERE, token(2));
    }
    assert_eq!(house.sign_in("ann", "right-123", THERE, token(2)), wait(30));
    let asked = house.asked("root", Some(HERE));
    let unlock = ChangeAccount { name: name("ann"), change: AccountChange::Unlock, asked };
    house.run(unlock).unwrap().unwrap();
    assert!(matches!(house.sign_in("ann", "right-123", THERE, token(2)), SignedIn::Welcome { .. }));
}
