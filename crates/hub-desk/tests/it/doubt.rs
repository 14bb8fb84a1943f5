//! Changes of which nobody knows whether they were stored.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use admission::Credentials;
use clock::Dice;
use crypto::Secret;
use hub::{Act, Binding, Command, Fault, Party, Refusal};
use hub_desk::{HubDesk, NewSmartDevice, RecordChange, RecordRefusal};
use model::Uuid;
use net::executor::Executor;
use osap_proto::{Mode, Serial};
use store::{Batch, CommitError, Key, Memory, Page, Range, ReadSet, Record, Snapshot, Table, Version};

use crate::house::{House, LOCK, birch, lock_model, names};

const CAMERA: Uuid = Uuid([9; 16]);
const UNKNOWN: Refusal = Refusal::Fault(Fault::OutcomeUnknown);

/// Stores what it is given, and while it is in doubt never says so.
struct Doubtful {
    table: Arc<Memory>,
    is_in_doubt: Arc<AtomicBool>,
}

impl Table for Doubtful {
    fn get(&self, key: &Key) -> Result<Option<Record>, store::Fault> {
        self.table.get(key)
    }

    fn scan(&self, range: &Range) -> Result<Page, store::Fault> {
        self.table.scan(range)
    }

    fn scan_back(&self, range: &Range) -> Result<Page, store::Fault> {
        self.table.scan_back(range)
    }

    fn snapshot(&self, reads: &ReadSet) -> Result<Snapshot, store::Fault> {
        self.table.snapshot(reads)
    }

    fn commit(&self, snapshot: &Snapshot, batch: &Batch) -> Result<Version, CommitError> {
        let version = self.table.commit(snapshot, batch)?;
        if self.is_in_doubt.load(Ordering::Relaxed) && !batch.is_empty() {
            return Err(CommitError::OutcomeUnknown(store::Fault { detail: "no word from the disk".into() }));
        }
        Ok(version)
    }
}

async fn in_doubt() -> (House, Arc<AtomicBool>) {
    let House { table, clock, .. } = House::new().await;
    let is_in_doubt = Arc::new(AtomicBool::new(false));
    let doubtful = Doubtful { table: table.clone(), is_in_doubt: is_in_doubt.clone() };
    let executor = Executor::new(Arc::new(doubtful), clock, Dice::numbered(2));
    (House { table, desk: HubDesk::open(executor, "management"), clock }, is_in_doubt)
}

#[tokio::test]
async fn a_subscription_ends_when_nobody_knows_whether_its_grant_or_thing_is_gone() {
    let (house, is_in_doubt) = in_doubt().await;
    let grant = house.grant(birch(), &[Act::Observe], &["battery"], None).await;
    let mut of_birch = house.watch(birch(), names(&["battery"]), names(&[])).await;
    let mut of_owner = house.watch(Party::Owner, names(&["battery"]), names(&[])).await;
    is_in_doubt.store(true, Ordering::Relaxed);
    assert_eq!(house.call(Party::Owner, Command::Revoke { grant }).await, Err(UNKNOWN));
    assert_eq!(of_birch.next().await, None, "it was stored");
    assert_eq!(house.call(Party::Owner, Command::Remove { thing: LOCK }).await, Err(UNKNOWN));
    assert_eq!(of_owner.next().await, None, "the thing is no more");
}

#[tokio::test]
async fn a_device_is_cut_off_when_nobody_knows_whether_it_is_blocked_or_removed() {
    let (house, is_in_doubt) = in_doubt().await;
    let shut = Arc::new(Mutex::new(Vec::new()));
    let noted = shut.clone();
    house.desk.on_shut(move |serial, _| noted.lock().unwrap().push(serial.to_owned()));
    let camera = NewSmartDevice {
        id: Some(CAMERA),
        model: lock_model(),
        serial: Serial::new(b"C1").unwrap(),
        mode: Mode::Serial,
        credentials: Credentials { psk: Some(Secret::from(&[7; 32][..])), ..Credentials::default() },
        marks: hub::Marks::default(),
    };
    let added = house.desk.admit(Party::Owner, camera).await.unwrap();
    assert!(matches!(added.binding, Binding::Osap { .. }));
    is_in_doubt.store(true, Ordering::Relaxed);
    let change = async |change| house.desk.change_record(Party::Owner, CAMERA, change).await;
    assert_eq!(change(RecordChange::OpenWindow).await.unwrap_err(), RecordRefusal::Thing(UNKNOWN));
    assert!(shut.lock().unwrap().is_empty(), "that takes nothing away");
    assert_eq!(change(RecordChange::Block).await.unwrap_err(), RecordRefusal::Thing(UNKNOWN));
    assert_eq!(*shut.lock().unwrap(), ["C1"]);
    assert_eq!(house.call(Party::Owner, Command::Remove { thing: CAMERA }).await, Err(UNKNOWN));
    assert_eq!(*shut.lock().unwrap(), ["C1", "C1"]);
}
