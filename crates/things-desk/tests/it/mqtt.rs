//! Things over MQTT: who may, what is heard, and what a refusal looks like.

use hub::{Act, Binding, Command, Party, Reply};
use mqtt_proto::{Property, Publication, QoS};
use serde_json::{Value, json};

use crate::house::{Came, House, How, LOCK, SENSOR, message, obedient, topic};

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

fn json_of(came: &Came) -> Value {
    serde_json::from_str(&came.payload).unwrap()
}

#[tokio::test]
async fn who_was_granted_it_observes_and_a_stranger_learns_nothing() {
    let mut house = House::new().await;
    house.report("battery", json!(80)).await;
    house.grant("panel", &[Act::Observe, Act::Read], &["battery", "tamper"]).await;
    let (panel, stranger) =
        (house.connect("panel", &How::default()).await, house.connect("stranger", &How::default()).await);
    assert_eq!(house.subscribe(panel, &topic(LOCK, "properties/battery"), Q2).await, "0x01");
    let first = house.next_came(panel).await;
    assert_eq!((first.payload.as_str(), first.retain, first.qos), ("80", true, Q1));
    assert_eq!(first.topic, topic(LOCK, "properties/battery"));
    house.report("battery", json!(79)).await;
    let second = house.next_came(panel).await;
    assert_eq!((second.payload.as_str(), second.retain), ("79", false));
    assert_eq!(second.words["version"], "2");
    assert_eq!(house.subscribe(panel, &topic(LOCK, "events/+"), Q0).await, "0x00");
    house.raise("opened by force").await;
    let event = house.next_came(panel).await;
    assert_eq!((event.payload.as_str(), event.qos), ("\"opened by force\"", Q0));
    assert_eq!((event.words["number"].as_str(), event.words["lost"].as_str()), ("1", "0"));
    // What is not granted, what is not there and what cannot be asked.
    assert_eq!(house.subscribe(panel, &topic(LOCK, "properties/secret"), Q1).await, "0x87");
    assert_eq!(house.subscribe(panel, &topic(LOCK, "properties/none"), Q1).await, "0x87");
    for filter in ["things/#", "things/+/properties/battery", &topic(LOCK, "properties/#")] {
        assert_eq!(house.subscribe(panel, filter, Q1).await, "0x8f", "{filter}");
    }
    for filter in [topic(LOCK, "#"), topic(LOCK, "properties/battery"), topic(LOCK, "orders/#")] {
        assert_eq!(house.subscribe(stranger, &filter, Q1).await, "0x87", "{filter}");
    }
    assert_eq!(house.subscribe(stranger, "#", Q1).await, "0x01", "free topics are");
    house.report("battery", json!(78)).await;
    assert_eq!(house.next_came(panel).await.payload, "78");
    house.settle().await;
    assert!(house.guests[&stranger].came.is_empty());
}

#[tokio::test]
async fn a_revoked_grant_ends_what_is_heard_at_once_and_says_so() {
    let mut house = House::new().await;
    let grant = house.grant("panel", &[Act::Observe], &["battery"]).await;
    let panel = house.connect("panel", &How::default()).await;
    let filter = topic(LOCK, "properties/battery");
    assert_eq!(house.subscribe(panel, &filter, Q1).await, "0x01");
    house.report("battery", json!(50)).await;
    assert_eq!(house.next_came(panel).await.payload, "50");
    // Nothing is acknowledged: values wait for room.
    house.guests.get_mut(&panel).unwrap().acknowledges = false;
    for level in 0..20 {
        house.report("battery", json!(level)).await;
        house.settle().await;
    }
    let under_way = std::mem::take(&mut house.guests.get_mut(&panel).unwrap().came);
    assert_eq!(under_way.len(), 8, "a window of them is under way");
    house.revoke(grant).await;
    let last = house.next_came(panel).await;
    assert_eq!((last.topic.as_str(), last.payload.as_str()), (filter.as_str(), ""));
    assert_eq!(last.words["ended"], "not-granted");
    house.report("battery", json!(33)).await;
    house.settle().await;
    assert!(house.guests[&panel].came.is_empty(), "what waited is not heard either");
    assert!(house.guests[&panel].is_open, "the connection goes on");
    assert_eq!(house.unsubscribe(panel, &filter).await, "0x11", "the subscription is gone");
}

#[tokio::test]
async fn a_slow_client_gets_the_newest_value_and_a_counted_gap_of_events() {
    let mut house = House::new().await;
    house.grant("panel", &[Act::Observe], &[]).await;
    let panel = house.connect("panel", &How::default()).await;
    assert_eq!(house.subscribe(panel, &topic(LOCK, "#"), Q1).await, "0x01");
    house.guests.get_mut(&panel).unwrap().acknowledges = false;
    for _ in 0..8 {
        house.raise("first").await;
    }
    house.settle().await;
    for _ in 0..300 {
        house.raise("again").await;
    }
    for level in 0..10 {
        house.report("battery", json!(level)).await;
    }
    house.settle().await;
    let under_way = std::mem::take(&mut house.guests.get_mut(&panel).unwrap().came);
    assert_eq!(under_way.len(), 8);
    house.guests.get_mut(&panel).unwrap().acknowledges = true;
    house.acknowledge(panel);
    let next = house.next_came(panel).await;
    // 300 came while 256 may wait.
    assert_eq!((next.words["number"].as_str(), next.words["lost"].as_str()), ("53", "44"));
    house.until("all came", |house| house.guests[&panel].came.len() == 256).await;
    let all = std::mem::take(&mut house.guests.get_mut(&panel).unwrap().came);
    assert!(all[..255].iter().all(|came| came.words["lost"] == "0"), "told once");
    assert_eq!((all[255].payload.as_str(), all[255].words["version"].as_str()), ("9", "10"));
    // It may observe, and not read what was before.
    let again = house.connect("panel-again", &How::default()).await;
    house.grant("panel-again", &[Act::Observe], &["battery"]).await;
    assert_eq!(house.subscribe(again, &topic(LOCK, "properties/battery"), Q1).await, "0x01");
    house.settle().await;
    assert!(house.guests[&again].came.is_empty());
}

#[tokio::test]
async fn events_that_happen_while_a_session_is_away_come_when_it_is_back_unless_the_right_has_ended() {
    let mut house = House::new().await;
    let grant = house.grant("panel", &[Act::Observe], &["tamper"]).await;
    let kept = How { kept: Some(Default::default()), ..How::default() };
    let panel = house.connect("panel", &kept).await;
    let filter = topic(LOCK, "events/tamper");
    assert_eq!(house.subscribe(panel, &filter, Q1).await, "0x01");
    house.raise("one").await;
    assert_eq!(house.next_came(panel).await.payload, "\"one\"");
    house.settle().await;
    let session = house.break_off(panel).await;
    house.raise("two").await;
    house.raise("three").await;
    let back = How { kept: Some(session), ..How::default() };
    let panel = house.connect("panel", &back).await;
    assert_eq!(house.next_came(panel).await.payload, "\"two\"");
    assert_eq!(house.next_came(panel).await.payload, "\"three\"");
    // One that is not acknowledged is not sent again when the right has ended meanwhile.
    house.guests.get_mut(&panel).unwrap().acknowledges = false;
    house.raise("four").await;
    assert_eq!(house.next_came(panel).await.payload, "\"four\"");
    let session = house.break_off(panel).await;
    house.revoke(grant).await;
    let back = How { kept: Some(session), ..How::default() };
    let panel = house.connect("panel", &back).await;
    let last = house.next_came(panel).await;
    assert_eq!((last.payload.as_str(), last.words["ended"].as_str()), ("", "not-granted"));
    house.settle().await;
    assert!(house.guests[&panel].came.is_empty());
}

#[tokio::test]
async fn writes_reads_and_operations_are_decided_by_the_hub_and_answered_to_the_asker_alone() {
    let mut house = House::new().await;
    house.report("battery", json!(64)).await;
    obedient(&house.desk, house.desk.attach(LOCK), |order| match &order.what {
        hub::What::Call { .. } => Ok(Some(json!("unlocked"))),
        hub::What::Set { .. } | hub::What::Query { .. } => Ok(None),
    });
    house.grant("panel", &[Act::Read, Act::Write, Act::Call], &[]).await;
    let panel = house.connect("panel", &How::default()).await;
    let neighbour = house.connect("neighbour", &How::default()).await;
    for who in [panel, neighbour] {
        assert_eq!(house.subscribe(who, "home/answers", Q1).await, "0x01");
    }
    let asked = [Property::ResponseTopic("home/answers"), Property::CorrelationData(&[1, 2, 3])];
    for (rest, payload, expected) in [
        ("properties/battery/get", "", json!({"outcome": "done", "value": 64})),
        ("properties/mode/set", "\"away\"", json!({"outcome": "done"})),
        ("actions/unlock/call", "{\"seconds\":3}", json!({"outcome": "done", "value": "unlocked"})),
    ] {
        house.send(panel, message(&topic(LOCK, rest), payload, &asked));
        assert_eq!(house.next_told(panel).await, "0x00", "{rest}");
        let answer = house.next_came(panel).await;
        assert_eq!(json_of(&answer), expected, "{rest}");
        assert_eq!(
            (answer.topic.as_str(), answer.correlation.as_deref()),
            ("home/answers", Some(&[1, 2, 3][..]))
        );
    }
    house.settle().await;
    assert!(house.guests[&neighbour].came.is_empty(), "others of the namespace do not hear it");
}

#[tokio::test]
async fn refusals_have_the_reason_of_the_rule_in_5_and_an_answer_or_a_closed_connection_in_3_1_1() {
    let mut house = House::new().await;
    house.grant("panel", &[Act::Read, Act::Write, Act::Call], &["battery", "mode", "unlock"]).await;
    let panel = house.connect("panel", &How::default()).await;
    for (rest, payload, reason) in [
        ("properties/mode/set", "\"elsewhere\"", "0x99"),
        ("properties/mode/set", "not json", "0x99"),
        ("properties/battery/set", "1", "0x90"),
        ("properties/secret/set", "\"x\"", "0x87"),
        ("properties/secret/get", "", "0x90"),
        ("properties/mode/put", "", "0x90"),
        ("actions/unlock/call", "{\"seconds\":0}", "0x99"),
        ("properties/mode", "\"home\"", "0x87"),
        ("events/tamper", "\"x\"", "0x87"),
        ("answers/4", "", "0x87"),
    ] {
        assert_eq!(house.publish(panel, &topic(LOCK, rest), payload).await, reason, "{rest} {payload}");
    }
    let retained =
        Publication { retain: true, ..message(&topic(LOCK, "properties/mode/set"), "\"home\"", &[]) };
    house.send(panel, retained);
    assert_eq!(house.next_told(panel).await, "0x83");
    // An action for a device that is away waits for it.
    let old = house.connect("panel-old", &How { is_old: true, kept: None }).await;
    house.grant("panel-old", &[Act::Read, Act::Write], &["mode", "battery"]).await;
    house.subscribe(old, "answers/#", Q1).await;
    assert_eq!(house.publish(old, &topic(LOCK, "properties/mode/set/w1"), "\"x\"").await, "0x00");
    let answer = house.next_came(old).await;
    assert_eq!((answer.topic.as_str(), &json_of(&answer)["code"]), ("answers/w1", &json!("value-refused")));
    assert_eq!(house.publish(old, &topic(LOCK, "properties/secret/get/w2"), "").await, "0x00");
    assert_eq!(json_of(&house.next_came(old).await)["code"], "not-granted");
    assert_eq!(house.publish(old, &topic(LOCK, "properties/mode/get/w3"), "").await, "0x00");
    assert_eq!(json_of(&house.next_came(old).await)["code"], "never-reported");
    assert_eq!(
        house.publish(old, &topic(LOCK, "properties/mode/set"), "\"x\"").await,
        "0x00",
        "else for ever"
    );
    assert_eq!(house.publish(old, &topic(LOCK, "properties/secret/set"), "\"x\"").await, "ended");
    assert!(!house.guests[&old].is_open);
    assert_eq!(house.known(LOCK, "mode").await, None);
}

#[tokio::test]
async fn a_plain_client_is_a_thing() {
    let mut house = House::new().await;
    house.grant_on(SENSOR, "panel", &[Act::Observe, Act::Write, Act::Call, Act::Read], &[]).await;
    let (meter, panel) =
        (house.connect("meter", &How::default()).await, house.connect("panel", &How::default()).await);
    assert_eq!(house.subscribe(panel, &topic(SENSOR, "#"), Q1).await, "0x01");
    // Acknowledged means stored.
    assert_eq!(house.publish(meter, &topic(SENSOR, "properties/battery"), "12").await, "0x00");
    assert_eq!(house.known(SENSOR, "battery").await, Some(json!(12)));
    assert_eq!(house.next_came(panel).await.payload, "12");
    let id = "0d0c0b0a-0000-4000-8000-000000000001";
    for _ in 0..2 {
        let event =
            message(&topic(SENSOR, "events/tamper"), "\"shaken\"", &[Property::UserProperty("id", id)]);
        house.send(meter, event);
        assert_eq!(house.next_told(meter).await, "0x00");
    }
    let event = house.next_came(panel).await;
    assert_eq!((event.payload.as_str(), event.words["id"].as_str()), ("\"shaken\"", id));
    for (rest, payload, reason) in [
        ("properties/battery", "101", "0x99"),
        ("properties/battery", "x", "0x99"),
        ("properties/none", "1", "0x90"),
        ("events/none", "", "0x90"),
        ("events/tamper", "1", "0x99"),
    ] {
        assert_eq!(house.publish(meter, &topic(SENSOR, rest), payload).await, reason, "{rest} {payload}");
    }
    // Its orders.
    assert_eq!(house.subscribe(meter, &topic(SENSOR, "orders/#"), Q1).await, "0x01");
    house.subscribe(panel, "a", Q1).await;
    let asked = [Property::ResponseTopic("a")];
    house.send(panel, message(&topic(SENSOR, "properties/mode/set"), "\"away\"", &asked));
    assert_eq!(house.next_told(panel).await, "0x00");
    let order = house.next_came(meter).await;
    assert!(order.topic.ends_with("/set/mode"), "{}", order.topic);
    assert_eq!(order.payload, "\"away\"");
    assert_eq!(house.publish(meter, order.response_topic.as_ref().unwrap(), "").await, "0x00");
    assert_eq!(json_of(&house.next_came(panel).await), json!({"outcome": "done"}));
    house.send(panel, message(&topic(SENSOR, "actions/unlock/call"), "{}", &asked));
    assert_eq!(house.next_told(panel).await, "0x00");
    let order = house.next_came(meter).await;
    assert!(order.topic.ends_with("/call/unlock"), "{}", order.topic);
    let no = "{\"error\":{\"code\":7,\"message\":\"jammed\"}}";
    assert_eq!(house.publish(meter, order.response_topic.as_ref().unwrap(), no).await, "0x00");
    let answer = json_of(&house.next_came(panel).await);
    assert_eq!((&answer["code"], &answer["device_code"]), (&json!("device-refused"), &json!(7)));
    house.send(panel, message(&topic(SENSOR, "properties/battery/get"), "fresh", &asked));
    assert_eq!(house.next_told(panel).await, "0x00");
    let order = house.next_came(meter).await;
    assert!(order.topic.ends_with("/get/battery"), "{}", order.topic);
    assert_eq!(house.publish(meter, order.response_topic.as_ref().unwrap(), "{\"value\":77}").await, "0x00");
    loop {
        let came = house.next_came(panel).await;
        if came.topic == "a" {
            assert_eq!(json_of(&came), json!({"outcome": "done", "value": 77}));
            break;
        }
    }
    // It is there as long as it hears its orders, and what is asked meanwhile waits.
    assert!(house.desk.online_since(SENSOR).is_some());
    house.break_off(meter).await;
    house.until("it is away", |house| house.desk.online_since(SENSOR).is_none()).await;
    let events = Command::Events { thing: SENSOR, name: None, after: None, limit: 10 };
    match house.desk.call(Party::Owner, events).await {
        Ok(Reply::Events(page)) => assert_eq!(page.events.len(), 1, "told twice, stored once"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nobody_else_speaks_for_a_thing_or_hears_its_orders() {
    let mut house = House::new().await;
    house.grant_on(SENSOR, "panel", &[Act::Observe, Act::Write, Act::Call, Act::Read], &[]).await;
    let (meter, panel) =
        (house.connect("meter", &How::default()).await, house.connect("panel", &How::default()).await);
    assert_eq!(house.publish(panel, &topic(SENSOR, "properties/battery"), "1").await, "0x87");
    assert_eq!(house.publish(panel, &topic(SENSOR, "events/tamper"), "\"x\"").await, "0x87");
    assert_eq!(house.subscribe(panel, &topic(SENSOR, "orders/#"), Q1).await, "0x87");
    assert_eq!(house.publish(meter, &topic(LOCK, "properties/battery"), "1").await, "0x87");
    assert_eq!(house.subscribe(meter, &topic(LOCK, "orders/#"), Q1).await, "0x87");
    // A thing is no caller of itself.
    assert_eq!(house.publish(meter, &topic(SENSOR, "properties/mode/set"), "\"home\"").await, "0x87");
    assert_eq!(house.known(SENSOR, "battery").await, None);
    assert_eq!(house.known(LOCK, "battery").await, None);
}

#[tokio::test]
async fn whoever_was_a_thing_that_was_removed_is_not_the_one_that_gets_its_id() {
    let mut house = House::new().await;
    let (old, new) =
        (house.connect("meter", &How::default()).await, house.connect("other", &How::default()).await);
    assert_eq!(house.publish(old, &topic(SENSOR, "properties/battery"), "12").await, "0x00");
    let removed = house.desk.call(Party::Owner, Command::Remove { thing: SENSOR }).await;
    assert_eq!(removed, Ok(Reply::Done));
    house.add(SENSOR, Binding::Mqtt { client: "other".into() }).await;
    assert_eq!(house.publish(old, &topic(SENSOR, "properties/battery"), "13").await, "0x87");
    assert_eq!(house.subscribe(old, &topic(SENSOR, "orders/#"), Q1).await, "0x87");
    assert_eq!(house.publish(new, &topic(SENSOR, "properties/battery"), "14").await, "0x00");
    assert_eq!(house.known(SENSOR, "battery").await, Some(json!(14)));
}
