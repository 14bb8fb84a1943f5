//! What subscribers hear, and when they hear no more.

use hub::{Act, Command, Notice, Party, Pick, Refusal, Reply};
use hub_desk::EVENT_QUEUE_LENGTH;
use serde_json::json;

use crate::house::{House, LOCK, OTHER, birch, names};

fn value(notice: Option<Notice>) -> (String, serde_json::Value) {
    match notice {
        Some(Notice::Value { reading, .. }) => (reading.name, reading.value),
        other => panic!("no value: {other:?}"),
    }
}

#[tokio::test]
async fn a_slow_subscriber_gets_the_newest_values_and_a_counted_gap() {
    let house = House::new().await;
    let mut watch = house.watch(Party::Owner, Pick::All, Pick::All).await;
    for level in [80, 79, 78] {
        house.report("battery", json!(level)).await;
    }
    let lost = 5;
    for number in 0..EVENT_QUEUE_LENGTH + lost {
        assert_eq!(house.raise("cover").await, number as u64 + 1);
    }
    assert_eq!(watch.next().await, Some(Notice::Gap { thing: LOCK, count: lost as u64 }));
    for number in lost..EVENT_QUEUE_LENGTH + lost {
        match watch.next().await {
            Some(Notice::Event { event, .. }) => assert_eq!(event.number, number as u64 + 1),
            other => panic!("no event: {other:?}"),
        }
    }
    assert_eq!(value(watch.next().await), ("battery".into(), json!(78)));
}

#[tokio::test]
async fn a_revoked_grant_ends_what_went_on_by_it_at_once() {
    let house = House::new().await;
    let grant = house.grant(birch(), &[Act::Observe], &["battery", "tamper"], None).await;
    let mut watch = house.watch(birch(), names(&["battery"]), names(&["tamper"])).await;
    let mut owner = house.watch(Party::Owner, Pick::All, Pick::Nothing).await;
    house.report("battery", json!(80)).await;
    house.report("volume", json!(1)).await;
    assert_eq!(value(watch.next().await), ("battery".into(), json!(80)));
    house.raise("cover").await;
    house.revoke(grant).await;
    house.report("battery", json!(1)).await;
    assert_eq!(watch.next().await, None, "not even what waited");
    assert_eq!(value(owner.next().await), ("battery".into(), json!(1)));
    let interest = hub::Interest { thing: LOCK, properties: Pick::All, events: Pick::Nothing };
    assert_eq!(house.desk.watch(birch(), interest.clone()).await.unwrap_err(), Refusal::NotHere);
    let elsewhere = hub::Interest { thing: OTHER, ..interest };
    assert_eq!(house.desk.watch(birch(), elsewhere).await.unwrap_err(), Refusal::NotHere);
}

#[tokio::test]
async fn another_grant_carries_a_subscription_on() {
    let house = House::new().await;
    let first = house.grant(birch(), &[Act::Observe], &["battery"], None).await;
    house.grant(birch(), &[Act::Observe], &["battery", "volume"], None).await;
    let mut watch = house.watch(birch(), names(&["battery"]), Pick::Nothing).await;
    let mut all = house.watch(birch(), Pick::All, Pick::All).await;
    house.revoke(first).await;
    house.report("battery", json!(2)).await;
    house.report("mode", json!("away")).await;
    assert_eq!(value(watch.next().await), ("battery".into(), json!(2)));
    assert_eq!(value(all.next().await), ("battery".into(), json!(2)));
    house.report("volume", json!(3)).await;
    assert_eq!(value(all.next().await), ("volume".into(), json!(3)), "what may not be observed is not heard");
}

#[tokio::test]
async fn a_grant_that_ends_by_itself_ends_its_subscriptions() {
    let house = House::new().await;
    let until = house.in_millis(400);
    house.grant(birch(), &[Act::Observe], &["battery"], Some(until)).await;
    let mut watch = house.watch(birch(), names(&["battery"]), Pick::Nothing).await;
    assert_eq!(watch.next().await, None, "nobody had to say anything");
    assert!(house.clock.now().utc.unwrap() >= until);
}

#[tokio::test]
async fn a_removed_thing_ends_its_subscriptions() {
    let house = House::new().await;
    let mut watch = house.watch(Party::Owner, Pick::All, Pick::All).await;
    assert_eq!(house.call(Party::Owner, Command::Remove { thing: LOCK }).await, Ok(Reply::Done));
    assert_eq!(watch.next().await, None);
}
