//! Who stays online, whatever happened between the lookup and the login.

use admission::{AddWithThing, Block, CommitRun, Credentials, Enrol, LookUp};
use clock::Dice;
use crypto::Secret;
use hub::{AddThing, Command, Marks, Party, ThingModel};
use ledger::Origin;
use osap_proto::{Claim, Commit, Ticket};
use serde_json::json;
use store::Memory;

use super::*;

const CAMERA: Uuid = Uuid([9; 16]);

fn serial() -> Serial {
    Serial::new(b"C1").unwrap()
}

fn devid() -> Devid {
    Devid::from_random([1; 16])
}

fn origin(executor: &Executor) -> Origin {
    let correlation = executor.correlation();
    Origin { role: "management", actor: "owner".into(), address: None, correlation, seed: executor.bytes() }
}

/// A device that proved itself at the load balancer, and an access service that asks for it.
async fn started() -> (Executor, HubDesk, Sender<DasEvent>, Receiver<DasCommand>) {
    let clock = Clock::start();
    let executor = Executor::new(Arc::new(Memory::default()), clock, Dice::numbered(1));
    let model = ThingModel::new(json!({"title": "Camera"})).unwrap();
    let binding = Binding::Osap { serial: "C1".into(), mode: OsapMode::Serial };
    let add = AddThing { id: CAMERA, model, binding, marks: Marks::default(), origin: origin(&executor) };
    let credentials = Credentials { psk: Some(Secret::from(&[7; 32][..])), ..Credentials::default() };
    let (serial, mode, thing) = (serial(), Mode::Serial, Some(CAMERA));
    let enrol = Enrol { serial: serial.clone(), mode, credentials, thing, origin: origin(&executor) };
    executor.run(AddWithThing { add, enrol }).await.unwrap().unwrap();
    let found = executor.run(LookUp { serial: serial.clone(), mode }).await.unwrap().unwrap().unwrap();
    let ticket = Ticket { id: [1; 16], secret: Secret::from(&[2; 32][..]) };
    let (claim, devid, enrol_psk) = (Claim::Psk, devid(), None);
    let commit = Commit { serial, claim, devid, ticket, lifetime_secs: 3600, enrol_psk };
    let complete = CommitRun { commit, generation: found.generation, origin: origin(&executor) };
    executor.run(complete).await.unwrap().unwrap();
    let desk = HubDesk::open(executor.clone(), "management");
    let files = DeviceFiles {
        executor: executor.clone(),
        provider: Arc::new(crypto_server::Server::new()),
        at: "127.0.0.1:1".into(),
        tls_key: [0; 32],
    };
    let (commands, told) = channel(8);
    let (events, asked) = channel(8);
    let id = ServerId::new(b"das").unwrap();
    let das = DasDesk::new(executor.clone(), desk.clone(), clock, id, commands, Arc::default(), files);
    tokio::spawn(das.run(asked));
    (executor, desk, events, told)
}

fn who_is() -> DasEvent {
    DasEvent::WhoIs { line: LineId(1), serial: serial(), devid: devid() }
}

fn online() -> DasEvent {
    DasEvent::Online { serial: serial(), devid: devid(), protocol: ProtocolType::PLAIN, is_tls: false }
}

#[tokio::test]
async fn a_device_that_is_on_record_is_there_for_its_owner() {
    let (_, desk, events, mut told) = started().await;
    events.send(who_is()).await.unwrap();
    assert!(matches!(told.recv().await, Some(DasCommand::Known { is_welcome: true, .. })));
    events.send(online()).await.unwrap();
    // The next answer comes after it.
    events.send(who_is()).await.unwrap();
    assert!(told.recv().await.is_some());
    assert!(desk.online_since(CAMERA).is_some());
}

#[tokio::test]
async fn a_device_that_is_blocked_or_removed_between_proof_and_login_is_closed() {
    for is_removed in [false, true] {
        let (executor, desk, events, mut told) = started().await;
        events.send(who_is()).await.unwrap();
        assert!(matches!(told.recv().await, Some(DasCommand::Known { is_welcome: true, .. })));
        if is_removed {
            desk.call(Party::Owner, Command::Remove { thing: CAMERA }).await.unwrap();
        } else {
            let block = Block { serial: serial(), is_blocked: true, origin: origin(&executor) };
            assert!(executor.run(block).await.unwrap().unwrap());
        }
        events.send(online()).await.unwrap();
        assert!(matches!(told.recv().await, Some(DasCommand::Close { .. })), "{is_removed}");
        assert_eq!(desk.online_since(CAMERA), None);
    }
}
