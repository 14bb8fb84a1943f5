//! Accounts are made, changed and removed.

use accounts::{
    AUDIT, AcceptRisk, AccountChange, AddAccount, ChangeAccount, Duties, Duty, ListAccounts, NotAdded,
    NotChanged, ReadAcceptances, ReadSettings, Role, SetSettings, Settings, TrimAudit,
};
use clock::Timestamp;
use store::{Range, Table as _};

use crate::house::{HERE, House, MINUTE, hash, name};

fn change(house: &House, who: &str, change: AccountChange) -> Result<(), NotChanged> {
    let asked = house.asked("root", Some(HERE));
    house.run(ChangeAccount { name: name(who), change, asked }).unwrap()
}

// verifies: SECDEV-6.2.4-a
#[test]
fn a_name_is_given_once() {
    let house = House::activated();
    house.add("ann", Role::User, Duties::default());
    for again in ["ann", "ANN"] {
        let asked = house.asked("root", Some(HERE));
        let (role, duties) = (Role::Administrator, Duties::default());
        let add = AddAccount { name: name(again), role, duties, hash: hash("other-123"), asked };
        assert_eq!(house.run(add), Ok(Err(NotAdded::Exists)));
    }
    let ann = &house.run(ListAccounts).unwrap()[0];
    assert_eq!((ann.name.as_str(), ann.role), ("ann", Role::User), "the first is as it was");
}

#[test]
fn there_is_always_an_administrator() {
    let house = House::activated();
    let user = AccountChange::Duties(Role::User, Duties::default());
    house.add("ann", Role::User, Duties::of(&[Duty::Owner]));
    for taken in [AccountChange::Remove, AccountChange::Lock, user] {
        assert_eq!(change(&house, "root", taken), Err(NotChanged::LastAdministrator));
    }
    house.add("bob", Role::Administrator, Duties::default());
    change(&house, "bob", AccountChange::Lock).unwrap();
    assert_eq!(
        change(&house, "root", AccountChange::Remove),
        Err(NotChanged::LastAdministrator),
        "one who may not sign in does not count"
    );
    change(&house, "bob", AccountChange::Unlock).unwrap();
    change(&house, "root", AccountChange::Remove).unwrap();
    assert_eq!(change(&house, "root", AccountChange::Remove), Err(NotChanged::Unknown));
}

// verifies: SECDEV-6.2.6-a2, SECDEV-6.2.6-a5
#[test]
fn every_change_of_accounts_and_settings_leaves_its_entry() {
    let house = House::activated();
    let before = house.log().len();
    house.add("ann", Role::User, Duties::default());
    for done in [
        AccountChange::Duties(Role::User, Duties::of(&[Duty::Auditor])),
        AccountChange::Lock,
        AccountChange::Unlock,
        AccountChange::Remove,
    ] {
        house.later(1);
        change(&house, "ann", done).unwrap();
    }
    house.later(1);
    let asked = house.asked("root", Some(HERE));
    let settings = Settings { audit_is_on: false, ..Settings::default() };
    house.run(SetSettings { settings, asked }).unwrap().unwrap();
    let log: Vec<String> = house.log().split_off(before);
    let by_root = |what: &str| format!("root {what} 192.0.2.1");
    let expected = [
        "account.add ann",
        "account.duties ann",
        "account.lock ann",
        "account.unlock ann",
        "account.remove ann",
        "audit.off done",
        "settings.set done",
    ];
    assert_eq!(log, expected.map(by_root));
}

#[test]
fn settings_are_what_was_set() {
    let house = House::activated();
    assert_eq!(house.run(ReadSettings).unwrap(), Settings::default());
    let settings = Settings {
        allowed: vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        audit_limit: 500,
        ..Settings::default()
    };
    let asked = house.asked("root", Some(HERE));
    house.run(SetSettings { settings: settings.clone(), asked }).unwrap().unwrap();
    assert_eq!(house.run(ReadSettings).unwrap(), settings);
    assert!(settings.admits(HERE.into()) && !settings.admits([198, 51, 100, 1].into()));
}

// verifies: SECDEV-6.2.6-c
#[test]
fn the_oldest_entries_go_first() {
    let house = House::activated();
    (0..20).for_each(|number| {
        house.later(1);
        house.add(&format!("n{number}"), Role::User, Duties::default());
    });
    let before = house.log();
    assert_eq!(house.run(TrimAudit { count: 7 }), 7);
    assert_eq!(house.log(), before[7..]);
    assert_eq!(house.run(TrimAudit { count: 1000 }), before.len() - 7);
    let all = Range { space: AUDIT, prefix: Vec::new(), after: None, limit: 1 };
    assert!(house.table.scan(&all).unwrap().records.is_empty());
}

#[test]
fn a_risk_is_accepted_until_its_day() {
    let house = House::activated();
    let until = Timestamp::from_unix_millis(house.now() + MINUTE);
    let accept = AcceptRisk {
        id: "certificate-ends".into(),
        until,
        reason: "a new one is ordered".into(),
        asked: house.asked("root", Some(HERE)),
    };
    house.run(accept).unwrap();
    let held = house.run(ReadAcceptances).unwrap();
    assert_eq!((held[0].0.as_str(), held[0].1.by.as_str()), ("certificate-ends", "root"));
    assert_eq!(house.log().last().unwrap(), "root risk.accept certificate-ends 192.0.2.1");
    house.later(MINUTE);
    assert_eq!(house.run(ReadAcceptances).unwrap(), []);
}
