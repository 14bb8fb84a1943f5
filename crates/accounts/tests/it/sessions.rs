//! How long one stays signed in.

use accounts::{
    AccountChange, ChangeAccount, ChangePassword, Duties, EndSession, ListSessions, Role,
    SESSIONS_PER_ACCOUNT_MAX, SetSettings, Settings, SignedIn,
};

use crate::house::{HERE, House, MINUTE, THERE, hash, name, token};

fn welcome(house: &House, who: &str, number: u8) {
    let password = if who == "root" { "root-1234" } else { "right-123" };
    assert!(matches!(house.sign_in(who, password, HERE, token(number)), SignedIn::Welcome { .. }));
}

// verifies: SECDEV-6.4.4-b
#[test]
fn a_session_ends_when_nothing_happens_for_the_idle_time() {
    let house = House::activated();
    house.later(14 * MINUTE);
    assert!(house.resume(token(1)).is_some());
    house.later(14 * MINUTE);
    let resumed = house.resume(token(1)).unwrap();
    assert_eq!(resumed.ends.as_unix_millis(), house.now() + 15 * MINUTE);
    house.later(15 * MINUTE);
    assert!(house.resume(token(1)).is_none());
    assert_eq!(house.log().last().unwrap(), "root logout idle 192.0.2.1");
}

// verifies: SECDEV-6.4.4-b
#[test]
fn the_idle_time_is_settable_and_holds_at_once() {
    let house = House::activated();
    let settings = Settings { idle_minutes: 1, ..Settings::default() };
    house.run(SetSettings { settings, asked: house.asked("root", Some(HERE)) }).unwrap().unwrap();
    house.later(59_000);
    assert!(house.resume(token(1)).is_some());
    house.later(60_000);
    assert!(house.resume(token(1)).is_none());
}

#[test]
fn what_a_page_asks_for_by_itself_is_no_activity() {
    let house = House::activated();
    for _ in 0..3 {
        house.later(4 * MINUTE);
        assert!(house.look(token(1), false).is_some());
    }
    house.later(3 * MINUTE);
    assert!(house.look(token(1), false).is_none());
}

// verifies: SECDEV-6.4.4-a
#[test]
fn signing_out_ends_the_session_and_no_other() {
    let house = House::activated();
    welcome(&house, "root", 2);
    let asked = house.asked("root", Some(HERE));
    assert_eq!(house.run(EndSession { token: token(1), asked }), Ok(true));
    assert!(house.resume(token(1)).is_none());
    assert!(house.resume(token(2)).is_some());
    assert_eq!(house.log().last().unwrap(), "root logout done 192.0.2.1");
    let again = EndSession { token: token(1), asked: house.asked("root", Some(HERE)) };
    assert_eq!(house.run(again), Ok(false));
}

// verifies: SECDEV-6.2.4-c
#[test]
fn removing_or_locking_an_account_ends_its_sessions_at_once() {
    for change in [AccountChange::Remove, AccountChange::Lock] {
        let house = House::activated();
        house.add("ann", Role::User, Duties::default());
        welcome(&house, "ann", 2);
        welcome(&house, "ann", 3);
        let asked = house.asked("root", Some(HERE));
        house.run(ChangeAccount { name: name("ann"), change, asked }).unwrap().unwrap();
        assert!(house.resume(token(2)).is_none() && house.resume(token(3)).is_none(), "{change:?}");
        assert!(house.resume(token(1)).is_some());
        assert_eq!(house.sign_in("ann", "right-123", HERE, token(4)), SignedIn::Wrong);
    }
}

#[test]
fn an_account_made_again_does_not_take_over_old_sessions() {
    let house = House::activated();
    house.add("ann", Role::User, Duties::default());
    welcome(&house, "ann", 2);
    let asked = house.asked("root", Some(HERE));
    house.run(ChangeAccount { name: name("ann"), change: AccountChange::Remove, asked }).unwrap().unwrap();
    house.later(1);
    house.add("ann", Role::Administrator, Duties::default());
    assert!(house.resume(token(2)).is_none());
}

#[test]
fn a_ninth_session_ends_the_one_that_was_used_longest_ago() {
    let house = House::activated();
    house.add("ann", Role::User, Duties::default());
    let count = u8::try_from(SESSIONS_PER_ACCOUNT_MAX).unwrap();
    for number in 10..10 + count {
        welcome(&house, "ann", number);
        house.later(1000);
    }
    house.later(MINUTE);
    assert!(house.resume(token(10)).is_some(), "the first is used again");
    welcome(&house, "ann", 99);
    assert!(house.resume(token(11)).is_none());
    assert!(house.resume(token(10)).is_some() && house.resume(token(99)).is_some());
    assert!(house.resume(token(1)).is_some(), "others keep theirs");
    assert_eq!(house.run(ListSessions { name: name("ann") }).unwrap().len(), 8);
}

#[test]
fn a_new_password_ends_the_other_sessions_and_needs_the_old_one() {
    let house = House::activated();
    welcome(&house, "root", 2);
    let change = |old| ChangePassword {
        name: name("root"),
        old,
        new: hash("new-12345"),
        session: token(1),
        asked: house.asked("root", Some(HERE)),
    };
    assert_eq!(house.run(change(None)), Ok(false));
    assert_eq!(house.run(change(Some(hash("another")))), Ok(false));
    assert!(house.resume(token(2)).is_some());
    assert_eq!(house.run(change(Some(hash("root-1234")))), Ok(true));
    assert!(house.resume(token(2)).is_none() && house.resume(token(1)).is_some());
    assert_eq!(house.sign_in("root", "root-1234", THERE, token(3)), SignedIn::Wrong);
    assert!(matches!(house.sign_in("root", "new-12345", THERE, token(3)), SignedIn::Welcome { .. }));
}

#[test]
fn a_session_from_the_future_ends() {
    let house = House::activated();
    house.set(house.now() - 16 * MINUTE);
    assert!(house.resume(token(1)).is_none(), "the clock was set back");
}
