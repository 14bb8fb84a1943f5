//! The process dies at any step, and clients go on with what they know.

use std::collections::BTreeMap;

use clock::Dice;
use mqtt_front::FaceLimits;
use mqtt_proto::{PacketId, SavedSession, Version};

use crate::hall::{Hall, Q1, Q2, at, kept};

/// One history: publishers send, the broker dies or wires break, everybody comes back; then what arrived.
struct History {
    hall: Hall,
    dice: Dice,
    version: Version,
    /// The session of each client while it is away, or its connection.
    away: BTreeMap<&'static str, SavedSession>,
    here: BTreeMap<&'static str, u64>,
    /// By publisher and identifier: what is not acknowledged to it.
    open: BTreeMap<(&'static str, PacketId), String>,
    acknowledged: Vec<String>,
    arrived: Vec<String>,
    count: u32,
}

const NAMES: [&str; 3] = ["p", "q", "r"];

impl History {
    fn new(run: u64) -> Self {
        let version = if run.is_multiple_of(2) { Version::V5 } else { Version::V3_1_1 };
        let mut hall = Hall::new();
        let mut here = BTreeMap::new();
        for name in NAMES {
            here.insert(name, hall.connect(name, &kept(version, None)));
        }
        hall.subscribe(here["r"], "a", Q2);
        hall.stores_at_once = false;
        Self {
            hall,
            dice: Dice::numbered(run),
            version,
            away: BTreeMap::new(),
            here,
            open: BTreeMap::new(),
            acknowledged: Vec::new(),
            arrived: Vec::new(),
            count: 0,
        }
    }

    /// Notes what clients heard.
    fn look(&mut self) {
        for (name, conn) in self.here.clone() {
            for told in self.hall.told(conn) {
                let Some(rest) = told.strip_prefix("delivered ") else { continue };
                let number = rest.split(' ').next().unwrap().parse().unwrap();
                let payload = self.open.remove(&(name, PacketId::new(number).unwrap()));
                self.acknowledged.extend(payload);
            }
            self.arrived.extend(self.hall.came(conn));
        }
    }

    fn publish(&mut self, name: &'static str) {
        let Some(conn) = self.here.get(name).copied() else { return };
        if self.hall.guests[&conn].client.quota() == 0 {
            return;
        }
        let qos = [Q1, Q2][self.dice.below(2) as usize];
        self.count += 1;
        let payload = format!("{qos:?} {}", self.count);
        let id = self.hall.publish(conn, "a", &payload, qos).unwrap();
        self.open.insert((name, id), payload);
    }

    fn come(&mut self, name: &'static str) {
        if let Some(session) = self.away.remove(name) {
            let conn = self.hall.connect(name, &kept(self.version, Some(session)));
            self.here.insert(name, conn);
        }
    }

    fn part(&mut self, name: &'static str) {
        if let Some(conn) = self.here.remove(name) {
            self.away.insert(name, self.hall.break_off(conn));
        }
    }

    /// What is not stored is gone; the batch under way may be there.
    fn crash(&mut self) {
        if self.dice.below(2) == 0 {
            let face = &mut self.hall;
            if let Some(batch) = face.batch.take() {
                use store::{Journal as _, Table as _};
                if !batch.append.is_empty() {
                    face.store.append(broker::MESSAGES, broker::JOURNAL_NAME, &batch.append).unwrap();
                }
                // And between the two.
                if self.dice.below(2) == 0 {
                    face.store.commit(&Default::default(), &batch.records).unwrap();
                }
            }
        }
        let store = self.hall.store.clone();
        for name in NAMES {
            self.part(name);
        }
        self.hall = Hall::over(store, at(1), FaceLimits::default());
        self.hall.stores_at_once = false;
    }
}

// verifies: MQTT-4.3.2-1, MQTT-4.3.3-1, MQTT-4.4.0-1
#[test]
fn nothing_acknowledged_is_lost_and_no_qos_2_comes_twice_wherever_the_broker_dies() {
    let mut crashes = 0;
    for run in 0..120 {
        let mut history = History::new(run);
        for _ in 0..80 {
            let name = NAMES[history.dice.below(3) as usize];
            match history.dice.below(12) {
                0..5 => {
                    let name = ["p", "q"][history.dice.below(2) as usize];
                    history.publish(name);
                }
                5..8 => {
                    history.hall.store();
                    history.hall.run();
                }
                8 => history.part(name),
                9 | 10 => history.come(name),
                _ => {
                    history.look();
                    history.crash();
                    crashes += 1;
                }
            }
            history.look();
        }
        NAMES.into_iter().for_each(|name| history.come(name));
        history.hall.stores_at_once = true;
        history.hall.store();
        history.hall.run();
        history.look();
        assert!(history.open.is_empty(), "run {run}: everything is acknowledged in the end");
        let mut arrived = history.arrived.clone();
        for payload in &history.acknowledged {
            assert!(arrived.contains(payload), "run {run}: {payload} was acknowledged and is lost");
        }
        arrived.retain(|payload| payload.starts_with("ExactlyOnce"));
        let count = arrived.len();
        arrived.sort();
        arrived.dedup();
        assert_eq!(arrived.len(), count, "run {run}: a message of QoS 2 came twice");
    }
    assert!(crashes > 300, "{crashes}");
}
