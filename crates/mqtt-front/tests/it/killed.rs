//! The broker's process is killed under real connections, and clients go on with what they know.
//!
//! `THINGSTEAD_KILLS=50` and `THINGSTEAD_PUBLISHERS=100` make it long.

mod peer;

use std::collections::BTreeSet;
use std::fs;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::foreign::Broker;
use peer::{Account, Outside, Peer, number, twice};

const ANYBODY: Account = Account { name: "m", password: "secret" };

// verifies: MQTT-4.3.2-1, MQTT-4.3.3-1
#[test]
fn nothing_acknowledged_is_lost_and_no_qos_2_comes_twice_when_the_process_is_killed() {
    let (kills, publishers) = (number("THINGSTEAD_KILLS", 4), number("THINGSTEAD_PUBLISHERS", 10));
    let each = number("THINGSTEAD_MESSAGES", 40);
    let folder = std::env::temp_dir().join(format!("thingstead-killed-{}", std::process::id()));
    let place = folder.display().to_string();
    let mut broker = Broker::start(&["0", &place]);
    let port = broker.port.clone();
    let (arrived_in, arrived) = channel();
    let (end, over) = channel::<()>();
    let outside = Outside::new(port.parse().unwrap());
    let reader = Peer::reader("reader".into(), ANYBODY, &outside, arrived_in);
    let reader = std::thread::spawn(move || reader.run(&over));
    assert_eq!(arrived.recv().unwrap(), "ready");
    let threads: Vec<_> = (0..publishers)
        .map(|publisher| {
            let text = |number: usize| format!("q{} {publisher} {number}", 1 + number % 2);
            let texts = (0..each).map(text).collect();
            let one = Peer::publisher(format!("p{publisher}"), ANYBODY, &outside, texts);
            std::thread::spawn(move || {
                let (_never, over) = channel();
                one.run(&over)
            })
        })
        .collect();
    let total = publishers * each;
    let (mut seen, mut distinct, mut killed) = (Vec::new(), BTreeSet::new(), 0);
    while distinct.len() < total {
        let payload = arrived.recv_timeout(Duration::from_secs(60)).expect("messages go on arriving");
        // QoS 1 may come more than once.
        distinct.insert(payload.clone());
        seen.push(payload);
        if killed < kills && distinct.len() > total * (killed + 1) / (kills + 1) {
            killed += 1;
            if killed % 2 == 0 {
                outside.cut_power();
            }
            drop(broker);
            broker = Broker::start(&["0", &place]);
            outside.serve_at(broker.port.parse().unwrap());
        }
    }
    for thread in threads {
        let done = thread.join().unwrap();
        assert_eq!(done.acknowledged.len(), each, "everything is acknowledged, once");
        assert!(done.acknowledged.iter().all(|payload| distinct.contains(payload)), "and nothing is lost");
    }
    drop(end);
    reader.join().unwrap();
    seen.extend(arrived.try_iter());
    assert_eq!(twice(&seen), Vec::<&String>::new(), "no message of QoS 2 came twice");
    assert_eq!(killed, kills);
    drop(broker);
    fs::remove_dir_all(folder).ok();
}
