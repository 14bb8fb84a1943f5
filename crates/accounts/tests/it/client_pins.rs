//! Clients by the key of a certificate.

use accounts::{
    AddClient, ChangeClient, ClientChange, ClientSignedIn, HolderOfPin, KeyPin, ListClients, NotPinned,
    PIN_COUNT_MAX, PinClient, SettleClientKey,
};
use store::Table as _;

use crate::house::{HERE, House, MINUTE, THERE, hash, name};

const ONE: KeyPin = KeyPin([1; 32]);
const TWO: KeyPin = KeyPin([2; 32]);
const NOBODYS: KeyPin = KeyPin([9; 32]);

fn house() -> House {
    let house = House::activated();
    for who in ["lamp", "meter"] {
        let asked = house.asked("root", Some(HERE));
        let (namespace, hash) = (name("home"), hash("right-123"));
        house.run(AddClient { name: name(who), namespace, hash, for_owner: false, asked }).unwrap().unwrap();
    }
    house
}

fn pin(house: &House, who: &str, pins: &[KeyPin]) -> Result<(), NotPinned> {
    let asked = house.asked("root", Some(HERE));
    house.run(PinClient { name: name(who), pins: pins.to_vec(), asked }).unwrap()
}

fn sign_in(house: &House, pin: KeyPin, user_name: Option<&str>, from: [u8; 4]) -> ClientSignedIn {
    let holder = house.run(HolderOfPin { pin }).unwrap();
    let (user_name, asked) = (user_name.map(str::to_owned), house.asked("", Some(from)));
    house.run(SettleClientKey { pin, holder, user_name, address: from.into(), asked }).unwrap()
}

fn welcome(who: &str) -> ClientSignedIn {
    ClientSignedIn::Welcome { name: name(who), namespace: name("home"), for_owner: false }
}

fn change(house: &House, who: &str, change: ClientChange) {
    let asked = house.asked("root", Some(HERE));
    assert!(house.run(ChangeClient { name: name(who), change, asked }).unwrap());
}

#[test]
fn a_client_is_who_has_its_key_by_its_own_name_or_none() {
    let house = house();
    assert_eq!(sign_in(&house, ONE, None, HERE), ClientSignedIn::Wrong, "nobody's yet");
    assert_eq!(pin(&house, "lamp", &[ONE]), Ok(()));
    assert_eq!(sign_in(&house, ONE, None, HERE), welcome("lamp"));
    assert_eq!(sign_in(&house, ONE, Some("Lamp"), HERE), welcome("lamp"));
    for other in ["meter", "nobody", "no name", ""] {
        assert_eq!(sign_in(&house, ONE, Some(other), HERE), ClientSignedIn::Wrong, "{other}");
    }
    assert_eq!(sign_in(&house, TWO, Some("lamp"), THERE), ClientSignedIn::Wrong);
    let has: Vec<bool> = house.run(ListClients).unwrap().iter().map(|view| view.has_certificate).collect();
    assert_eq!(has, [true, false]);
    change(&house, "lamp", ClientChange::Password(hash("other-123")));
    assert_eq!(sign_in(&house, ONE, None, HERE), welcome("lamp"), "a password leaves it");
}

#[test]
fn a_key_is_one_clients_and_free_when_it_is_taken_back_or_the_client_is_gone() {
    let house = house();
    assert_eq!(pin(&house, "lamp", &[ONE, TWO, TWO]), Ok(()));
    assert_eq!(pin(&house, "meter", &[NOBODYS, TWO]), Err(NotPinned::Taken));
    assert_eq!(sign_in(&house, NOBODYS, None, THERE), ClientSignedIn::Wrong, "nothing was given");
    assert_eq!(pin(&house, "nobody", &[ONE]), Err(NotPinned::Unknown));
    assert_eq!(pin(&house, "lamp", &[ONE; PIN_COUNT_MAX + 1]), Err(NotPinned::TooMany));
    assert_eq!(sign_in(&house, TWO, None, HERE), welcome("lamp"));
    // The first stays, the second is free.
    assert_eq!(pin(&house, "lamp", &[ONE]), Ok(()));
    assert_eq!(pin(&house, "meter", &[TWO]), Ok(()));
    assert_eq!(sign_in(&house, ONE, None, HERE), welcome("lamp"));
    assert_eq!(sign_in(&house, TWO, None, HERE), welcome("meter"));
    assert_eq!(pin(&house, "lamp", &[]), Ok(()));
    assert_eq!(sign_in(&house, ONE, None, HERE), ClientSignedIn::Wrong);
    change(&house, "meter", ClientChange::Remove);
    assert_eq!(sign_in(&house, TWO, None, HERE), ClientSignedIn::Wrong);
    assert_eq!(pin(&house, "lamp", &[TWO]), Ok(()), "no record of it was left");
    let log = house.log();
    for entry in [
        "root client.certificate lamp 192.0.2.1",
        "root client.certificate refused 192.0.2.1",
        "root client.certificate-remove lamp 192.0.2.1",
        "unknown client.login refused 192.0.2.1",
    ] {
        assert!(log.iter().any(|line| line == entry), "{entry} in {log:?}");
    }
}

#[test]
fn what_was_found_out_before_a_change_lets_nobody_in() {
    let house = house();
    pin(&house, "lamp", &[ONE]).unwrap();
    let asked = |house: &House| house.asked("", Some(HERE));
    let (holder, user_name, address) = (house.run(HolderOfPin { pin: ONE }).unwrap(), None, HERE.into());
    assert_eq!(holder, Some(name("lamp")));
    let late = SettleClientKey { pin: ONE, holder, user_name, address, asked: asked(&house) };
    pin(&house, "lamp", &[TWO]).unwrap();
    assert_eq!(house.run(late.clone()).unwrap(), ClientSignedIn::Wrong);
    change(&house, "lamp", ClientChange::Remove);
    assert_eq!(house.run(SettleClientKey { asked: asked(&house), ..late }).unwrap(), ClientSignedIn::Wrong);
}

#[test]
fn wrong_keys_count_for_the_address_and_a_right_one_comes_in_and_writes_nothing() {
    let house = house();
    pin(&house, "lamp", &[ONE]).unwrap();
    let entries = || house.log().len();
    for _ in 0..5 {
        assert_eq!(sign_in(&house, NOBODYS, None, HERE), ClientSignedIn::Wrong);
    }
    let before = entries();
    assert_eq!(sign_in(&house, NOBODYS, None, HERE), ClientSignedIn::Wait);
    assert_eq!(entries(), before, "nothing is written while it waits");
    assert_eq!(sign_in(&house, NOBODYS, None, THERE), ClientSignedIn::Wrong, "elsewhere it is another's");
    // Ever new keys from one address come to their end too.
    let all = (10..200).map(|number| sign_in(&house, KeyPin([number; 32]), None, HERE));
    assert!(all.collect::<Vec<_>>().contains(&ClientSignedIn::Wait));
    assert_eq!(sign_in(&house, KeyPin([201; 32]), None, HERE), ClientSignedIn::Wait);
    let before = house.table.clone().commit(&store::Snapshot::default(), &store::Batch::default());
    assert_eq!(sign_in(&house, ONE, None, HERE), welcome("lamp"), "nobody guesses a key");
    let after = house.table.clone().commit(&store::Snapshot::default(), &store::Batch::default());
    assert_eq!(before, after);
    house.later(30 * MINUTE);
    assert_eq!(sign_in(&house, NOBODYS, None, HERE), ClientSignedIn::Wrong);
}
