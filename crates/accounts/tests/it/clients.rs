//! Accounts of programs.

use accounts::{
    AddClient, CALLER_KEY_LENGTH, CallerKey, ChangeClient, Checked, ClientAt, ClientChange, ClientNotAdded,
    ClientSignedIn, KeyOfClient, ListClients, PrepareClient, Prepared, SettleClient, SignedIn,
};
use store::Table as _;

use crate::house::{HERE, House, MINUTE, THERE, hash, name, token};

fn add(house: &House, who: &str) -> Result<(), ClientNotAdded> {
    let asked = house.asked("root", Some(HERE));
    let (namespace, hash) = (name("home"), hash("right-123"));
    house.run(AddClient { name: name(who), namespace, hash, for_owner: false, asked }).unwrap()
}

fn add_for_owner(house: &House, who: &str) {
    let asked = house.asked("root", Some(HERE));
    let (namespace, hash) = (name("home"), hash("right-123"));
    house.run(AddClient { name: name(who), namespace, hash, for_owner: true, asked }).unwrap().unwrap();
}

fn sign_in(house: &House, who: &str, password: &str, from: [u8; 4]) -> ClientSignedIn {
    let client = ClientAt::new(who, from.into());
    let against = match house.run(PrepareClient { client: client.clone() }).unwrap() {
        Prepared::Wait(_) => return ClientSignedIn::Wait,
        Prepared::Check(against) => against,
    };
    let checked = match against {
        Some(against) if against == hash(password) => Checked::Fits(against),
        Some(_) | None => Checked::Wrong,
    };
    house.run(SettleClient { client, checked, asked: house.asked("", Some(from)) }).unwrap()
}

fn welcome(who: &str) -> ClientSignedIn {
    ClientSignedIn::Welcome { name: name(who), namespace: name("home"), for_owner: false }
}

#[test]
fn a_client_is_made_signs_in_gets_another_password_and_is_removed() {
    let house = House::activated();
    assert_eq!(add(&house, "lamp"), Ok(()));
    assert_eq!(add(&house, "lamp"), Err(ClientNotAdded::Exists));
    assert_eq!(sign_in(&house, "Lamp", "right-123", HERE), welcome("lamp"));
    let views = house.run(ListClients).unwrap();
    assert_eq!((views.len(), &views[0].name, &views[0].namespace), (1, &name("lamp"), &name("home")));
    let change = |change| {
        let asked = house.asked("root", Some(HERE));
        house.run(ChangeClient { name: name("lamp"), change, asked }).unwrap()
    };
    assert!(change(ClientChange::Password(hash("other-123"))));
    assert_eq!(sign_in(&house, "lamp", "right-123", HERE), ClientSignedIn::Wrong);
    assert_eq!(sign_in(&house, "lamp", "other-123", HERE), welcome("lamp"));
    assert!(change(ClientChange::Remove));
    assert!(!change(ClientChange::Remove));
    assert_eq!(sign_in(&house, "lamp", "other-123", HERE), ClientSignedIn::Wrong);
    let log = house.log();
    for entry in [
        "root client.add lamp 192.0.2.1",
        "root client.add refused 192.0.2.1",
        "root client.password lamp 192.0.2.1",
        "lamp client.login refused 192.0.2.1",
        "root client.remove lamp 192.0.2.1",
        "unknown client.login refused 192.0.2.1",
    ] {
        assert!(log.iter().any(|line| line == entry), "{entry} in {log:?}");
    }
}

#[test]
fn a_right_password_from_a_known_place_writes_nothing() {
    let house = House::activated();
    add(&house, "lamp").unwrap();
    assert_eq!(sign_in(&house, "lamp", "right-123", HERE), welcome("lamp"));
    let before = house.table.clone().commit(&store::Snapshot::default(), &store::Batch::default());
    for _ in 0..3 {
        assert_eq!(sign_in(&house, "lamp", "right-123", HERE), welcome("lamp"));
    }
    let after = house.table.clone().commit(&store::Snapshot::default(), &store::Batch::default());
    assert_eq!(before, after);
}

#[test]
fn failures_lock_name_and_address_and_neither_people_nor_the_client_elsewhere() {
    let house = House::activated();
    add(&house, "root").unwrap();
    assert_eq!(sign_in(&house, "root", "right-123", THERE), welcome("root"));
    for _ in 0..5 {
        assert_eq!(sign_in(&house, "root", "wrong", HERE), ClientSignedIn::Wrong);
    }
    assert_eq!(sign_in(&house, "root", "right-123", HERE), ClientSignedIn::Wait);
    assert_eq!(sign_in(&house, "root", "right-123", THERE), welcome("root"));
    assert!(
        matches!(house.sign_in("root", "root-1234", HERE, token(7)), SignedIn::Welcome { .. }),
        "the person of the same name"
    );
    house.later(30 * MINUTE);
    assert_eq!(sign_in(&house, "root", "right-123", HERE), welcome("root"));
}

#[test]
fn strangers_do_not_lock_a_client_out_where_it_is_known() {
    let house = House::activated();
    add(&house, "lamp").unwrap();
    assert_eq!(sign_in(&house, "lamp", "right-123", HERE), welcome("lamp"));
    for number in 0..60 {
        sign_in(&house, "lamp", "wrong", [198, 51, 100, number]);
    }
    assert_eq!(sign_in(&house, "lamp", "right-123", THERE), ClientSignedIn::Wait, "besieged");
    house.later(11_000);
    assert_eq!(sign_in(&house, "lamp", "right-123", HERE), welcome("lamp"));
}

#[test]
fn a_key_is_drawn_replaced_and_gone_with_its_client_and_a_password_leaves_it() {
    let house = House::activated();
    add(&house, "panel").unwrap();
    let change = |change| {
        let asked = house.asked("root", Some(HERE));
        house.run(ChangeClient { name: name("panel"), change, asked }).unwrap()
    };
    let key = || house.run(KeyOfClient { name: name("panel") }).unwrap().map(|client| client.key);
    let has_key = || house.run(ListClients).unwrap()[0].has_key;
    let [first, second] = [1, 2].map(|chance| CallerKey::drawn(&[chance; CALLER_KEY_LENGTH / 2]));
    assert_eq!((key(), has_key()), (None, false), "nobody calls who was given no key");
    assert_eq!(first.secret().expose(), "01".repeat(16).as_bytes());
    assert!(change(ClientChange::Key(first.clone())));
    assert_eq!((key(), has_key()), (Some(first.clone()), true));
    assert!(change(ClientChange::Password(hash("other-123"))));
    assert_eq!(key(), Some(first), "another password");
    assert!(change(ClientChange::Key(second.clone())));
    assert_eq!(key(), Some(second.clone()), "the last one counts");
    assert!(change(ClientChange::NoKey));
    assert_eq!((key(), has_key()), (None, false));
    assert!(change(ClientChange::Key(second.clone())) && change(ClientChange::Remove));
    assert_eq!(key(), None);
    assert!(!change(ClientChange::Key(second.clone())), "there is nobody to give it to");
    add(&house, "panel").unwrap();
    assert_eq!(key(), None, "another client of the same name");
    assert!(!format!("{second:?}").contains("02"), "{second:?}");
    let log = house.log();
    for entry in ["root client.key panel 192.0.2.1", "root client.key-remove panel 192.0.2.1"] {
        assert!(log.iter().any(|line| line == entry), "{entry} in {log:?}");
    }
    assert!(log.iter().all(|line| !line.contains("0202")), "no key is written down");
}

#[test]
fn who_acts_for_the_owner_is_said_when_it_is_made_and_with_every_sign_in() {
    let house = House::activated();
    add(&house, "panel").unwrap();
    add_for_owner(&house, "remote");
    let acts = |who: &str| match sign_in(&house, who, "right-123", HERE) {
        ClientSignedIn::Welcome { for_owner, .. } => for_owner,
        other => panic!("{other:?}"),
    };
    assert_eq!((acts("panel"), acts("remote")), (false, true));
    let change = |who: &str, change| {
        let asked = house.asked("root", Some(HERE));
        assert!(house.run(ChangeClient { name: name(who), change, asked }).unwrap());
    };
    let key = CallerKey::drawn(&[1; CALLER_KEY_LENGTH / 2]);
    for who in ["panel", "remote"] {
        change(who, ClientChange::Key(key.clone()));
        change(who, ClientChange::Password(hash("right-123")));
    }
    assert_eq!((acts("panel"), acts("remote")), (false, true), "no change makes or ends it");
    let keyed = |who: &str| house.run(KeyOfClient { name: name(who) }).unwrap().unwrap().for_owner;
    assert_eq!((keyed("panel"), keyed("remote")), (false, true));
    let views = house.run(ListClients).unwrap();
    assert_eq!(views.iter().map(|view| view.for_owner).collect::<Vec<_>>(), [false, true]);
    change("remote", ClientChange::Remove);
    add(&house, "remote").unwrap();
    assert!(!acts("remote"), "another client of the same name");
    let log = house.log();
    let made = |line: &&String| line.starts_with("root client.add remote");
    let made: Vec<_> = log.iter().filter(made).collect();
    assert_eq!(made, ["root client.add remote, for the owner 192.0.2.1", "root client.add remote 192.0.2.1"]);
}
