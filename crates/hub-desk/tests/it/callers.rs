//! What callers hear: alike for what is not there and what is not theirs.

use hub::{
    Act, Command, DesiredState, Fault, Mismatch, OperationState, Party, Reason, Refusal, Reply, Rule,
    ThingFilter,
};
use serde_json::json;

use crate::house::{House, LOCK, OTHER, birch, lock_model, obedient};

fn every_command(thing: model::Uuid) -> Vec<Command> {
    let name = || "mode".to_owned();
    vec![
        Command::Show { thing },
        Command::Read { thing, name: name(), fresh: false },
        Command::Read { thing, name: name(), fresh: true },
        Command::ReadAll { thing },
        Command::Write { thing, name: name(), value: json!("home"), wait_millis: 0 },
        Command::Invoke { thing, name: name(), input: json!(null), deadline_millis: 5000, wait_millis: 0 },
        Command::Operation { thing, name: name(), number: 1 },
        Command::Withdraw { thing, name: name(), number: 1 },
        Command::Events { thing, name: None, after: None, limit: 10 },
        Command::Who { party: None, thing, act: Act::Read, name: name() },
        Command::ReplaceModel { thing, model: lock_model() },
        Command::Remove { thing },
        Command::Grant {
            party: birch(),
            thing,
            acts: [Act::Read].into_iter().collect(),
            names: hub::Names::All,
            from: None,
            until: None,
        },
    ]
}

#[tokio::test]
async fn things_that_are_not_there_and_things_of_others_are_answered_alike() {
    let house = House::new().await;
    let before = house.audit();
    for party in [birch(), Party::Stranger, Party::Client("sensor".into()), Party::Thing(OTHER)] {
        for (there, not) in every_command(LOCK).into_iter().zip(every_command(OTHER)) {
            let shown = format!("{party}: {there:?}");
            let (there, not) = (house.call(party.clone(), there).await, house.call(party.clone(), not).await);
            assert_eq!(there, Err(Refusal::NotHere), "{shown}");
            assert_eq!(not, Err(Refusal::NotHere), "{shown}");
        }
        let list = Command::List { filter: ThingFilter::default(), after: None };
        let Ok(Reply::Things(page)) = house.call(party, list).await else { panic!() };
        assert_eq!((page.things.len(), page.next), (0, None));
    }
    assert_eq!(house.audit(), before, "nothing was done");
}

#[tokio::test]
async fn a_grant_lets_in_to_what_it_names_alone() {
    let house = House::new().await;
    house.report("battery", json!(80)).await;
    house.report("volume", json!(3)).await;
    let grant = house.grant(birch(), &[Act::Read], &["battery"], None).await;
    let Ok(Reply::Property(seen)) = house.call(birch(), House::read("battery")).await else { panic!() };
    assert_eq!(seen.reading.unwrap().value, json!(80));
    for name in ["volume", "never-heard-of"] {
        assert_eq!(house.call(birch(), House::read(name)).await, Err(Refusal::NotPermitted), "{name}");
    }
    let write = House::write("mode", json!("home"), 0);
    assert_eq!(house.call(birch(), write).await, Err(Refusal::NotPermitted));
    assert_eq!(house.call(birch(), House::unlock(0)).await, Err(Refusal::NotPermitted));
    assert_eq!(house.call(birch(), Command::Remove { thing: LOCK }).await, Err(Refusal::NotPermitted));
    let Ok(Reply::Properties(all)) = house.call(birch(), Command::ReadAll { thing: LOCK }).await else {
        panic!()
    };
    assert_eq!(all.keys().collect::<Vec<_>>(), ["battery"], "what may not be read is not told of");
    let list = Command::List { filter: ThingFilter::default(), after: None };
    let Ok(Reply::Things(page)) = house.call(birch(), list).await else { panic!() };
    assert_eq!(page.things.len(), 1);
    let who = |party| Command::Who { party, thing: LOCK, act: Act::Read, name: "battery".into() };
    let Ok(Reply::May(may)) = house.call(Party::Owner, who(None)).await else { panic!() };
    let may: Vec<_> = may.into_iter().map(|one| (one.party, one.rule)).collect();
    assert_eq!(may, [(Party::Owner, Rule::Owner), (birch(), Rule::Grant(grant))]);
    assert_eq!(
        house.call(birch(), who(None)).await,
        Err(Refusal::NotPermitted),
        "others are not its business"
    );
    let Ok(Reply::May(own)) = house.call(birch(), who(Some(birch()))).await else { panic!() };
    assert_eq!(own.first().map(|one| one.rule), Some(Rule::Grant(grant)));
    house.revoke(grant).await;
    assert_eq!(house.call(birch(), House::read("battery")).await, Err(Refusal::NotHere));
}

#[tokio::test]
async fn a_write_waits_for_its_device_and_says_what_stands() {
    let house = House::new().await;
    let Ok(Reply::Desired(away)) = house.call(Party::Owner, House::write("volume", json!(4), 0)).await else {
        panic!()
    };
    assert_eq!((away.state, away.version), (DesiredState::Wanted, 1), "the device is away");
    let device = house.desk.attach(LOCK);
    let device = obedient(&house.desk, device, |order| match &order.what {
        hub::What::Set { value, .. } if *value == json!(9) => Err((-1, "too loud".into())),
        _ => Ok(None),
    });
    let Ok(Reply::Desired(taken)) = house.call(Party::Owner, House::write("volume", json!(5), 30_000)).await
    else {
        panic!()
    };
    assert_eq!((taken.state, taken.version), (DesiredState::Taken, 2));
    let Ok(Reply::Desired(no)) = house.call(Party::Owner, House::write("volume", json!(9), 30_000)).await
    else {
        panic!()
    };
    assert_eq!(no.state, DesiredState::Refused { code: -1, message: "too loud".into() });
    for (name, value, why) in [
        ("volume", json!(11), Refusal::BadValue(Mismatch { at: String::new(), why: Reason::Maximum })),
        ("battery", json!(1), Refusal::ReadOnly),
        ("nothing", json!(1), Refusal::NoSuchName),
    ] {
        assert_eq!(house.call(Party::Owner, House::write(name, value, 0)).await, Err(why));
    }
    assert_eq!(house.call(Party::Owner, Command::Remove { thing: LOCK }).await, Ok(Reply::Done));
    let orders = device.await.unwrap();
    assert!(orders.len() >= 2, "a removed thing's device hears nothing more: its line ended");
}

#[tokio::test]
async fn an_operation_is_done_refused_or_left_to_be_looked_at() {
    let house = House::new().await;
    let Ok(Reply::Operation(queued)) = house.call(Party::Owner, House::unlock(0)).await else { panic!() };
    assert_eq!(queued.state, OperationState::Queued);
    let withdraw = Command::Withdraw { thing: LOCK, name: "unlock".into(), number: queued.number };
    let Ok(Reply::Operation(gone)) = house.call(Party::Owner, withdraw.clone()).await else { panic!() };
    assert_eq!(gone.state, OperationState::Withdrawn);
    assert_eq!(house.call(Party::Owner, withdraw).await, Err(Refusal::NotOpen), "once");
    let device = house.desk.attach(LOCK);
    let device = obedient(&house.desk, device, |_| Ok(Some(json!("open"))));
    let Ok(Reply::Operation(done)) = house.call(Party::Owner, House::unlock(30_000)).await else { panic!() };
    assert_eq!(done.state, OperationState::Done { output: Some(json!("open")) });
    house.grant(birch(), &[Act::Call], &["unlock"], None).await;
    let look = Command::Operation { thing: LOCK, name: "unlock".into(), number: done.number };
    assert_eq!(house.call(birch(), look).await, Err(Refusal::NoSuchName), "another caller's operation");
    house.desk.call(Party::Owner, Command::Remove { thing: LOCK }).await.unwrap();
    let orders = device.await.unwrap();
    assert_eq!(orders.len(), 1, "what was withdrawn is never sent");
    assert!(house.audit().contains("things.call owner unlock"));
    assert!(house.audit().contains("things.withdraw owner unlock"));
}

#[tokio::test]
async fn a_fresh_value_is_asked_of_the_device_and_stored() {
    let house = House::new().await;
    house.report("battery", json!(80)).await;
    let fresh = || Command::Read { thing: LOCK, name: "battery".into(), fresh: true };
    assert_eq!(house.call(Party::Owner, fresh()).await, Err(Refusal::Offline));
    let device = house.desk.attach(LOCK);
    let device = obedient(&house.desk, device, |_| Ok(Some(json!(71))));
    let Ok(Reply::Property(seen)) = house.call(Party::Owner, fresh()).await else { panic!() };
    let reading = seen.reading.unwrap();
    assert_eq!((reading.value, reading.version), (json!(71), 2));
    device.abort();
    assert!(device.await.unwrap_err().is_cancelled());
    assert_eq!(house.desk.online_since(LOCK), None, "a device whose connection is dropped is away");
    let device = house.desk.attach(LOCK);
    let device = obedient(&house.desk, device, |_| Err((7, "worn out".into())));
    let said = Refusal::DeviceRefused { code: 7, message: "worn out".into() };
    assert_eq!(house.call(Party::Owner, fresh()).await, Err(said));
    assert!(!matches!(
        house.call(Party::Owner, House::read("battery")).await,
        Err(Refusal::Fault(Fault::BadRecord))
    ));
    device.abort();
}
