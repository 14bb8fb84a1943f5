//! The first administrator.

use accounts::{
    ACTIVATION_TIME, AccountChange, Activate, Activated, ChangeAccount, ListAccounts, NotActivated,
    OfferActivation, Offered, Role, TokenHash,
};

use crate::house::{HERE, House, hash, name, token};

fn offer(house: &House, number: u8, beside_others: bool) -> Offered {
    let asked = house.asked("operator", None);
    house.run(OfferActivation { token: token(number), beside_others, asked }).unwrap()
}

fn activate(house: &House, number: u8, who: &str) -> Result<Activated, NotActivated> {
    let asked = house.asked("", Some(HERE));
    let (token, session): (TokenHash, TokenHash) = (token(number), token(number + 100));
    house.run(Activate { token, name: name(who), hash: hash("right-123"), session, asked }).unwrap()
}

// verifies: SECDEV-6.2.4-g
#[test]
fn an_activation_makes_one_administrator_and_signs_it_in() {
    let house = House::new();
    assert!(matches!(offer(&house, 1, false), Offered::Until(_)));
    activate(&house, 1, "root").unwrap();
    let resumed = house.resume(token(101)).unwrap();
    assert_eq!((resumed.account, resumed.role), (name("root"), Role::Administrator));
    assert_eq!(activate(&house, 1, "other"), Err(NotActivated::Ended), "once");
    assert_eq!(house.run(ListAccounts).unwrap().len(), 1);
    assert_eq!(house.log().last().unwrap(), "unknown account.activate refused 192.0.2.1");
    assert_eq!(offer(&house, 2, false), Offered::NotNeeded);
    assert_eq!(activate(&house, 2, "other"), Err(NotActivated::Ended));
}

#[test]
fn a_late_a_wrong_and_a_replaced_token_are_refused_alike() {
    let house = House::new();
    assert_eq!(activate(&house, 1, "root"), Err(NotActivated::Ended), "there was no offer");
    offer(&house, 1, false);
    assert_eq!(activate(&house, 2, "root"), Err(NotActivated::Ended));
    offer(&house, 3, false);
    assert_eq!(activate(&house, 1, "root"), Err(NotActivated::Ended), "a newer offer ends the older");
    house.later(u64::try_from(ACTIVATION_TIME.as_millis()).unwrap());
    assert_eq!(activate(&house, 3, "root"), Err(NotActivated::Ended));
    assert_eq!(house.run(ListAccounts).unwrap(), []);
    offer(&house, 4, false);
    house.later(u64::try_from(ACTIVATION_TIME.as_millis()).unwrap() - 1);
    assert!(activate(&house, 4, "root").is_ok());
}

#[test]
fn a_second_administrator_is_activated_on_demand_under_another_name() {
    let house = House::activated();
    assert!(matches!(offer(&house, 5, true), Offered::Until(_)));
    assert_eq!(activate(&house, 5, "root"), Err(NotActivated::Exists));
    assert!(activate(&house, 5, "rescue").is_ok(), "the offer was not used up by that");
    let asked = house.asked("rescue", None);
    let remove = ChangeAccount { name: name("root"), change: AccountChange::Remove, asked };
    assert_eq!(house.run(remove), Ok(Ok(())));
}
