//! What survives when the process dies.

use std::collections::BTreeMap;

use broker::{JOURNAL_NAME, Limits, MESSAGES};
use clock::Dice;
use mqtt_proto::SavedSession;
use store::{Journal, Memory, Position};

use crate::desk::{Desk, FOR_NOW, How, KEPT, Q1, Q2, at, id, message};

/// What the session of `name` has under way and waiting, as payloads in order.
fn waiting(store: &Memory, name: &str) -> (Vec<String>, SavedSession) {
    let mut desk = Desk::over(store.clone(), Limits::default(), at(1));
    let (link, joined) = desk.try_connect(name, &KEPT).unwrap();
    desk.lines.get_mut(&link).unwrap().quota = usize::MAX;
    desk.pump(link);
    (desk.came(link).iter().map(|text| text[2..].to_owned()).collect(), joined.session.unwrap_or_default())
}

#[test]
fn nothing_that_was_stored_is_lost_wherever_the_process_dies() {
    for run in 0..30 {
        let mut dice = Dice::numbered(run);
        let mut desk = Desk::new(Limits::default());
        let publisher = desk.connect("p", &KEPT);
        let mut readers: BTreeMap<&str, u64> = BTreeMap::new();
        for name in ["x", "y"] {
            let link = desk.connect(name, &KEPT);
            desk.lines.get_mut(&link).unwrap().quota = 3;
            desk.subscribe(link, "a", Q2);
            readers.insert(name, link);
        }
        desk.store_all();
        // Payloads in order, by reader: all that were published and not acknowledged.
        let mut owed: BTreeMap<&str, Vec<String>> = BTreeMap::from([("x", vec![]), ("y", vec![])]);
        for step in 0..120 {
            let name = ["x", "y"][dice.below(2) as usize];
            match dice.below(5) {
                0 | 1 => {
                    let qos = [Q1, Q2][dice.below(2) as usize];
                    let payload = format!("{step}");
                    desk.publish(publisher, &message("a", &payload, qos));
                    owed.values_mut().for_each(|list| list.push(payload.clone()));
                }
                2 | 3 if readers.contains_key(name) => {
                    let link = readers[name];
                    if let Some(first) = desk.lines[&link].flying.first() {
                        let payload = String::from_utf8(first.publication.message.payload.clone()).unwrap();
                        owed.get_mut(name).unwrap().retain(|owed| *owed != payload);
                        desk.acknowledge(link);
                    }
                }
                4 => match readers.remove(name) {
                    Some(link) => desk.leave(link, false),
                    None => {
                        let link = desk.connect(name, &KEPT);
                        desk.lines.get_mut(&link).unwrap().quota = 3;
                        desk.pump(link);
                        readers.insert(name, link);
                    }
                },
                _ => {}
            }
            let before = desk.store.clone();
            desk.store_all();
            for name in ["x", "y"] {
                let (mut seen, _) = waiting(&desk.store, name);
                let mut due = owed[name].clone();
                seen.sort();
                due.sort();
                assert_eq!(seen, due, "run {run}, step {step}: {name}");
                // Before it was stored: whatever is there was owed or is done since, none twice.
                let (mut older, _) = waiting(&before, name);
                let count = older.len();
                older.sort();
                older.dedup();
                assert_eq!(older.len(), count, "none twice");
            }
        }
    }
}

#[test]
fn an_identifier_of_qos_2_is_the_same_after_a_crash() {
    let mut desk = Desk::new(Limits::default());
    let (publisher, reader) = (desk.connect("p", &FOR_NOW), desk.connect("r", &KEPT));
    desk.subscribe(reader, "a", Q2);
    for number in 0..3 {
        desk.publish(publisher, &message("a", &number.to_string(), Q2));
    }
    let key = desk.lines[&reader].key;
    assert!(desk.broker.depends(key) > desk.broker.last_stored(), "PUBLISH waits for its identifier");
    desk.broker.received(key, id(1));
    desk.store_all();
    assert!(desk.broker.depends(key) <= desk.broker.last_stored());
    let (_, saved) = waiting(&desk.store, "r");
    let ids: Vec<u16> = saved.unacknowledged.iter().map(|kept| kept.id.get()).collect();
    assert_eq!(ids, [2, 3]);
    assert_eq!(saved.unreleased, [id(1)], "only its release is left");
    assert_eq!(saved.last_id, 3);
    desk.broker.delivered(key, id(1));
    desk.store_all();
    assert!(waiting(&desk.store, "r").1.unreleased.is_empty());
}

#[test]
fn a_message_of_qos_2_is_owned_until_it_is_released_across_a_crash() {
    let mut desk = Desk::new(Limits::default());
    let publisher = desk.connect("p", &KEPT);
    desk.store_all();
    let key = desk.lines[&publisher].key;
    desk.broker.publish(key, &message("nobody", "x", Q2), Some(id(9)), at(0));
    let waits = desk.broker.depends(key);
    assert!(waits > desk.broker.last_stored(), "PUBREC waits");
    desk.store_all();
    assert_eq!(waiting(&desk.store, "p").1.received, [id(9)]);
    desk.broker.released(key, id(9));
    assert!(desk.broker.depends(key) > waits, "PUBCOMP waits");
    desk.store_all();
    assert!(waiting(&desk.store, "p").1.received.is_empty());
}

#[test]
fn what_needs_no_store_waits_for_none() {
    let mut desk = Desk::new(Limits::default());
    let (publisher, reader) = (desk.connect("p", &FOR_NOW), desk.connect("r", &FOR_NOW));
    desk.subscribe(reader, "a", Q2);
    desk.publish(publisher, &message("a", "x", Q2));
    assert!(desk.broker.take_batch().is_none(), "sessions that end with their connection are not stored");
    let keys = [desk.lines[&publisher].key, desk.lines[&reader].key];
    assert_eq!(keys.map(|key| desk.broker.depends(key)), [0, 0]);
    let mut volatile = Desk::new(Limits { is_durable: false, ..Limits::default() });
    let kept = volatile.connect("k", &KEPT);
    volatile.subscribe(kept, "a", Q2);
    volatile.publish(kept, &message("a", "x", Q2));
    assert!(volatile.broker.take_batch().is_none());
}

#[test]
fn a_session_is_stored_before_its_client_hears_of_it() {
    let mut desk = Desk::new(Limits::default());
    let client = desk.connect("p", &KEPT);
    let key = desk.lines[&client].key;
    assert!(desk.broker.depends(key) > desk.broker.last_stored(), "CONNACK waits");
    desk.store_all();
    assert!(desk.broker.depends(key) <= desk.broker.last_stored());
    desk.leave(client, false);
    desk.store_all();
    let (client, _) = desk.try_connect("p", &KEPT).unwrap();
    let key = desk.lines[&client].key;
    assert!(desk.broker.depends(key) > desk.broker.last_stored(), "and that it did not end while away");
    desk.store_all();
    let mut desk = desk.crash(Limits::default());
    let (_, joined) = desk.try_connect("p", &KEPT).unwrap();
    assert!(joined.session.is_some(), "as it was told");
}

#[test]
fn a_subscription_and_an_ended_session_wait_to_be_stored() {
    let mut desk = Desk::new(Limits::default());
    let reader = desk.connect("r", &KEPT);
    desk.store_all();
    desk.subscribe(reader, "a", Q1);
    let key = desk.lines[&reader].key;
    assert!(desk.broker.depends(key) > desk.broker.last_stored(), "SUBACK waits");
    desk.store_all();
    desk.leave(reader, false);
    let (anew, _) = desk.try_connect("r", &How { clean: true, ..KEPT }).unwrap();
    let key = desk.lines[&anew].key;
    assert!(desk.broker.depends(key) > desk.broker.last_stored(), "CONNACK waits");
    desk.store_all();
    let mut desk = desk.crash(Limits::default());
    let (_, joined) = desk.try_connect("r", &KEPT).unwrap();
    assert!(joined.session.is_some(), "the new session is there");
    let publisher = desk.connect("p", &FOR_NOW);
    assert_eq!(desk.publish(publisher, &message("a", "x", Q1)), crate::desk::yes(false));
}

#[test]
fn a_batch_that_is_stored_twice_changes_nothing() {
    let mut desk = Desk::new(Limits::default());
    let (publisher, reader) = (desk.connect("p", &KEPT), desk.connect("r", &KEPT));
    desk.subscribe(reader, "a", Q2);
    desk.store_all();
    for number in 0..4 {
        desk.publish(publisher, &message("a", &number.to_string(), Q2));
    }
    desk.acknowledge(reader);
    let batch = desk.broker.take_batch().unwrap();
    desk.store.append(MESSAGES, JOURNAL_NAME, &batch.append).unwrap();
    let once = waiting(&desk.store, "r");
    desk.store.append(MESSAGES, JOURNAL_NAME, &batch.append).unwrap();
    assert_eq!(waiting(&desk.store, "r"), once);
    assert_eq!(once.0, ["1", "2", "3"]);
}

/// One message that nobody fetches must not keep the whole journal.
#[test]
fn the_journal_is_trimmed_and_written_anew_and_nothing_is_lost() {
    let mut desk = Desk::new(Limits::default());
    let publisher = desk.connect("p", &KEPT);
    let (lazy, busy) = (desk.connect("lazy", &KEPT), desk.connect("busy", &KEPT));
    desk.subscribe(lazy, "a", Q2);
    desk.subscribe(busy, "b", Q1);
    desk.publish(publisher, &message("a", "first", Q2));
    desk.publish(publisher, &message("a", "second", Q1));
    let key = desk.lines[&publisher].key;
    desk.broker.publish(key, &message("nobody", "x", Q2), Some(id(7)), at(0));
    desk.store_all();
    let long = "x".repeat(200_000);
    for _ in 0..200 {
        desk.publish(publisher, &message("b", &long, Q1));
        desk.acknowledge(busy);
        desk.came(busy);
        desk.store_all();
        assert!(desk.broker.gauges().journal_bytes < 18 * 1024 * 1024);
    }
    let entries = desk.store.read(MESSAGES, JOURNAL_NAME, Position(0), usize::MAX).unwrap();
    assert!(entries.iter().map(|entry| entry.value.len()).sum::<usize>() < 18 * 1024 * 1024);
    let (seen, saved) = waiting(&desk.store, "lazy");
    assert_eq!(seen, ["first", "second"]);
    assert_eq!(saved.unacknowledged[0].id, id(1), "with its identifier");
    assert_eq!(waiting(&desk.store, "p").1.received, [id(7)]);
}

#[test]
fn a_message_for_a_subscription_and_a_share_of_one_session_is_kept_twice() {
    let mut desk = Desk::new(Limits::default());
    let (publisher, reader) = (desk.connect("p", &FOR_NOW), desk.connect("r", &KEPT));
    desk.subscribe(reader, "a", Q1);
    desk.subscribe(reader, "$share/g/a", Q1);
    desk.leave(reader, false);
    desk.publish(publisher, &message("a", "x", Q1));
    desk.store_all();
    assert_eq!(waiting(&desk.store, "r").0, ["x", "x"]);
}
