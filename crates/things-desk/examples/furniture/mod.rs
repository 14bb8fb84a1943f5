//! A house with a lock, whose device obeys, and a sensor that is the MQTT client `meter`; `panel` may do everything with both.

use std::sync::Arc;

use clock::Dice;
use hub::{
    Act, Acts, Binding, Command, Event, Marks, Names, OsapMode, Outcome, Party, Reply, Reported, Spot,
    ThingModel, What,
};
use hub_desk::HubDesk;
use model::Uuid;
use net::executor::Executor;
use net::now::Clock;
use serde_json::{Value, json};
use store::Memory;
use tokio::io::{AsyncBufReadExt as _, BufReader};

const LOCK: Uuid = Uuid([7; 16]);
const SENSOR: Uuid = Uuid([9; 16]);

fn model() -> ThingModel {
    ThingModel::new(json!({
        "title": "Front door",
        "properties": {
            "battery": {"type": "integer", "minimum": 0, "maximum": 100, "readOnly": true},
            "mode": {"type": "string", "enum": ["home", "away"]},
        },
        "actions": {"unlock": {
            "input": {"type": "object", "properties": {"seconds": {"type": "integer", "minimum": 1}}},
            "output": {"type": "string"},
        }},
        "events": {"tamper": {"data": {"type": "string"}}},
    }))
    .unwrap()
}

pub(crate) async fn furnished(clock: Clock) -> (HubDesk, Vec<Uuid>) {
    let desk =
        HubDesk::open(Executor::new(Arc::new(Memory::default()), clock, Dice::numbered(1)), "management");
    let mut grants = Vec::new();
    for (thing, binding) in [
        (LOCK, Binding::Osap { serial: "D1".into(), mode: OsapMode::Serial }),
        (SENSOR, Binding::Mqtt { client: "meter".into() }),
    ] {
        let add = Command::Add { id: Some(thing), model: model(), binding, marks: Marks::default() };
        desk.call(Party::Owner, add).await.unwrap();
        let (party, acts) = (Party::Client("panel".into()), Act::ALL.into_iter().collect::<Acts>());
        let grant = Command::Grant { party, thing, acts, names: Names::All, from: None, until: None };
        match desk.call(Party::Owner, grant).await {
            Ok(Reply::Granted(grant)) => grants.push(grant.id),
            other => panic!("{other:?}"),
        }
    }
    let (device, answers) = (desk.attach(LOCK), desk.clone());
    tokio::spawn(async move {
        let mut device = device;
        while let Some(order) = device.orders.recv().await {
            let result = Ok(matches!(order.what, What::Call { .. }).then(|| json!("unlocked")));
            answers.answer(order.thing, Outcome { id: order.id, result }).await.unwrap();
        }
    });
    (desk, grants)
}

async fn obey(desk: &HubDesk, grants: &[Uuid], line: &str) {
    match line.split_once(' ') {
        Some(("report", value)) => {
            let value: Value = serde_json::from_str(value).unwrap();
            let of = Spot::Named("battery".into());
            desk.report(LOCK, vec![Reported { of, value, at: None }]).await.unwrap();
        }
        Some(("raise", text)) => {
            let of = Spot::Named("tamper".into());
            let event = Event { id: None, of, data: json!(text), at: None, lost_before: 0 };
            desk.raise(LOCK, event).await.unwrap();
        }
        _ => {
            for grant in grants {
                desk.call(Party::Owner, Command::Revoke { grant: *grant }).await.unwrap();
            }
        }
    }
    println!("{line}");
}

/// Does what the lines on standard input say: `report VALUE` (the lock's battery), `raise TEXT` (its event), `revoke`
/// (what `panel` may). Does not return.
pub(crate) async fn obey_lines(desk: &HubDesk, grants: &[Uuid]) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        obey(desk, grants, &line).await;
    }
    std::future::pending::<()>().await;
}
