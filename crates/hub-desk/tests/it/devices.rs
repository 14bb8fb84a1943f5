//! What devices get, and what they say.

use std::collections::BTreeSet;
use std::time::Duration;

use hub::{Answered, Command, OperationState, Outcome, Party, Reply, What};
use hub_desk::ORDER_LINE_LENGTH;
use serde_json::json;

use crate::house::{House, LOCK};

fn value_of(order: &hub::Order) -> serde_json::Value {
    match &order.what {
        What::Set { value, .. } => value.clone(),
        What::Call { input, .. } => input.clone(),
        What::Query { .. } => panic!("nobody asked"),
    }
}

#[tokio::test]
async fn what_waited_comes_in_order_when_the_device_comes_back_even_to_another_process() {
    let house = House::new().await;
    for volume in [1, 2] {
        house.call(Party::Owner, House::write("volume", json!(volume), 0)).await.unwrap();
    }
    house.call(Party::Owner, House::unlock(0)).await.unwrap();
    house.call(Party::Owner, House::write("mode", json!("away"), 0)).await.unwrap();
    let house = House::over(house.table);
    let mut device = house.desk.attach(LOCK);
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(device.orders.recv().await.unwrap());
    }
    let values: Vec<_> = seen.iter().map(value_of).collect();
    assert_eq!(values, [json!(2), json!({"seconds": 5}), json!("away")], "the newest value of each property");
    // Another connection takes the place: the values come again, the operation does not.
    let mut second = house.desk.attach(LOCK);
    assert_eq!(device.orders.recv().await, None, "the first connection's line ends");
    let again = [second.orders.recv().await.unwrap(), second.orders.recv().await.unwrap()];
    assert_eq!(again.each_ref().map(value_of), [json!(2), json!("away")]);
    drop(device);
    assert!(house.desk.online_since(LOCK).is_some(), "the end of the old connection is not that of the new");
    let stored = house.desk.answer(LOCK, Outcome { id: again[0].id, result: Ok(None) }).await;
    assert_eq!(stored, Ok(Answered::Stored));
    let repeated = house.desk.answer(LOCK, Outcome { id: again[0].id, result: Ok(None) }).await;
    assert_eq!(repeated, Ok(Answered::NotAwaited));
    let left = house.desk.desired_of(LOCK).await.unwrap();
    assert_eq!(left.iter().map(value_of).collect::<Vec<_>>(), [json!("away")]);
    let call = Outcome { id: seen[1].id, result: Err((3, "jammed".into())) };
    assert_eq!(house.desk.answer(LOCK, call).await, Ok(Answered::Stored));
    let look = Command::Operation { thing: LOCK, name: "unlock".into(), number: seen[1].id >> 2 };
    let Ok(Reply::Operation(ended)) = house.call(Party::Owner, look).await else { panic!() };
    assert_eq!(ended.state, OperationState::Refused { code: 3, message: "jammed".into() });
}

#[tokio::test]
async fn a_slow_device_gets_every_operation_once() {
    let house = House::new().await;
    let mut device = house.desk.attach(LOCK);
    let count = 2 * ORDER_LINE_LENGTH + 9;
    for _ in 0..count {
        house.call(Party::Owner, House::unlock(0)).await.unwrap();
    }
    let mut seen = BTreeSet::new();
    for _ in 0..count {
        let order = device.orders.recv().await.unwrap();
        assert!(seen.insert(order.id), "twice: {order:?}");
        house.desk.answer(LOCK, Outcome { id: order.id, result: Ok(None) }).await.unwrap();
    }
    assert!(device.orders.try_recv().is_err());
    assert_eq!(seen.len(), count);
}

#[tokio::test]
async fn a_value_that_is_wanted_while_operations_are_brought_is_brought_too() {
    let house = House::new().await;
    let mut device = house.desk.attach(LOCK);
    tokio::task::yield_now().await;
    // The line is full, and what did not fit is brought as it empties.
    for _ in 0..ORDER_LINE_LENGTH + 2 {
        house.call(Party::Owner, House::unlock(0)).await.unwrap();
    }
    house.call(Party::Owner, House::write("mode", json!("away"), 0)).await.unwrap();
    let mut calls = 0;
    loop {
        let order = tokio::time::timeout(Duration::from_secs(20), device.orders.recv()).await;
        match order.expect("the value is brought").unwrap().what {
            What::Set { .. } => break,
            _ => calls += 1,
        }
    }
    assert!(calls <= ORDER_LINE_LENGTH + 2);
}
