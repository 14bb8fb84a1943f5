//! What an owner does with the record of a smart device, at the desk.

use std::sync::{Arc, Mutex};

use admission::{Credentials, NoCredential};
use crypto::Secret;
use hub::{Command, Marks, Party, Refusal, Reply};
use hub_desk::{NewSmartDevice, RecordChange, RecordRefusal};
use model::Uuid;
use osap_proto::{Mode, Serial};

use crate::house::{House, LOCK, birch, lock_model};

const CAMERA: Uuid = Uuid([9; 16]);

fn camera(credentials: Credentials) -> NewSmartDevice {
    NewSmartDevice {
        id: Some(CAMERA),
        model: lock_model(),
        serial: Serial::new(b"C1").unwrap(),
        mode: Mode::Serial,
        credentials,
        marks: Marks::default(),
    }
}

fn psk() -> Credentials {
    Credentials { psk: Some(Secret::from(&[7; 32][..])), ..Credentials::default() }
}

async fn with_camera() -> (House, Arc<Mutex<Vec<String>>>) {
    let house = House::new().await;
    let shut = Arc::new(Mutex::new(Vec::new()));
    let noted = shut.clone();
    house.desk.on_shut(move |serial, _| noted.lock().unwrap().push(serial.to_owned()));
    house.desk.admit(Party::Owner, camera(psk())).await.unwrap();
    (house, shut)
}

#[tokio::test]
async fn blocking_and_removing_shut_the_session_and_nothing_else_does() {
    let (house, shut) = with_camera().await;
    let change = async |change| house.desk.change_record(Party::Owner, CAMERA, change).await.unwrap();
    let opened = change(RecordChange::OpenWindow).await;
    assert!(opened.window_until.is_some() && opened.allowed.code);
    assert_eq!(change(RecordChange::CloseWindow).await.window_until, None);
    assert!(shut.lock().unwrap().is_empty());
    assert!(change(RecordChange::Block).await.is_blocked);
    assert_eq!(*shut.lock().unwrap(), ["C1"]);
    assert!(!change(RecordChange::Unblock).await.is_blocked);
    assert_eq!(house.call(Party::Owner, Command::Remove { thing: CAMERA }).await, Ok(Reply::Done));
    assert_eq!(*shut.lock().unwrap(), ["C1", "C1"]);
    let gone = house.desk.record(Party::Owner, CAMERA).await;
    assert_eq!(gone, Err(RecordRefusal::Thing(Refusal::NotHere)));
    house.desk.admit(Party::Owner, camera(psk())).await.expect("its record went with it");
    let audit = house.audit();
    for said in ["device.block", "device.unblock", "device.window-open", "device.window-close"] {
        assert!(audit.contains(&format!("{said} owner done")), "{said}: {audit:?}");
    }
}

#[tokio::test]
async fn a_record_is_the_owners_alone_and_strangers_learn_nothing_of_it() {
    let (house, shut) = with_camera().await;
    for (party, thing, why) in [
        (birch(), CAMERA, Refusal::NotHere),
        (birch(), LOCK, Refusal::NotHere),
        (Party::Stranger, CAMERA, Refusal::NotHere),
        (Party::Owner, Uuid([1; 16]), Refusal::NotHere),
    ] {
        let record = house.desk.record(party.clone(), thing).await;
        assert_eq!(record, Err(RecordRefusal::Thing(why.clone())), "{party:?}");
        let block = house.desk.change_record(party, thing, RecordChange::Block).await;
        assert_eq!(block.map(|_| ()), Err(RecordRefusal::Thing(why)));
    }
    let admitted = house.desk.admit(birch(), NewSmartDevice { id: None, ..camera(psk()) }).await;
    assert_eq!(admitted.map(|_| ()), Err(RecordRefusal::Thing(Refusal::NotPermitted)));
    assert!(shut.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_thing_that_was_added_alone_gets_its_record_later_and_once() {
    let house = House::new().await;
    assert_eq!(house.desk.record(Party::Owner, LOCK).await, Err(RecordRefusal::NoRecord));
    let nothing = RecordChange::Enrol(Credentials::default());
    let refused = house.desk.change_record(Party::Owner, LOCK, nothing).await;
    assert_eq!(refused.map(|_| ()), Err(RecordRefusal::Credential(NoCredential::None)));
    let enrolled = house.desk.change_record(Party::Owner, LOCK, RecordChange::Enrol(psk())).await.unwrap();
    assert_eq!((enrolled.thing, enrolled.serial.as_bytes()), (Some(LOCK), &b"D00000001"[..]));
    let again = house.desk.change_record(Party::Owner, LOCK, RecordChange::Enrol(psk())).await;
    assert_eq!(again.map(|_| ()), Err(RecordRefusal::Recorded));
}
