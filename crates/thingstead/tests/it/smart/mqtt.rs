//! MQTT clients at a real server: nothing that was acknowledged is lost when it is killed.
//!
//! `THINGSTEAD_KILLS=50` and `THINGSTEAD_PUBLISHERS=100` make it long.

#[path = "../../../../mqtt-front/tests/it/killed/peer.rs"]
mod peer;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::Smart;
use super::owner::Owner;
use peer::{Account, Outside, Peer, number, twice};

const SECTIONS: &str =
    "[das]\nlisten = \"127.0.0.1:0\"\n[mqtt]\nlisten = \"127.0.0.1:0\"\nplain = \"127.0.0.1:0\"\n";
/// Nothing here takes so long on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(180);
const METER: Account = Account { name: "meter", password: "seven-C0pper-kettles" };

fn add(smart: &Smart, account: Account) {
    Owner(smart).typed("client", &["add", account.name], &format!("{}\n", account.password));
}

/// Paho in a process of its own, which publishes.
struct Paho {
    name: String,
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Paho {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Paho {
    fn start(place: &str, name: &str, count: usize) -> Self {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance/peers/paho_killed.py");
        let mut command = Command::new("python3");
        command.arg(script).args([place, METER.name, METER.password, name, &count.to_string()]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        Self { name: name.to_owned(), child, lines }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What was acknowledged to it, and whether it may have sent a message of QoS 2 anew; it has ended.
    fn said(&self) -> (Vec<String>, bool) {
        let mut all: Vec<String> = self.lines.iter().collect();
        let count = all.len();
        all.retain(|line| line != "unsure");
        let is_unsure = all.len() < count;
        (all, is_unsure)
    }
}

fn has_paho() -> bool {
    let mut command = Command::new("python3");
    command.args(["-c", "import paho.mqtt.client"]).stderr(Stdio::null());
    let is_there = command.status().is_ok_and(|status| status.success());
    if !is_there {
        println!("SKIPPED peer paho-mqtt: not installed");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "it has to be installed where CI=true");
    }
    is_there
}

/// One reader of a persistent session, and what came to it.
struct Reading {
    arrived: Receiver<String>,
    seen: Vec<String>,
    distinct: BTreeSet<String>,
    /// How many of those are from our own publishers.
    own: usize,
}

impl Reading {
    fn note(&mut self, text: String) {
        // QoS 1 may come more than once.
        let is_new = self.distinct.insert(text.clone());
        self.own += usize::from(is_new && text.contains(" own "));
        self.seen.push(text);
    }

    fn take(&mut self) {
        let text = self.arrived.recv_timeout(PATIENCE).expect("messages go on arriving");
        self.note(text);
    }
}

/// The publishers and the readers of one run.
struct Run {
    smart: Smart,
    outside: std::sync::Arc<Outside>,
    readings: Vec<Reading>,
    pahos: Vec<Paho>,
    place: String,
    /// What was acknowledged to those of Paho that were killed.
    acknowledged: Vec<String>,
    killed: usize,
    /// Those of Paho whose messages of QoS 2 may come twice by their own fault.
    unsure: Vec<String>,
}

const PAHO_COUNT: usize = 200;

impl Run {
    fn note_port(&self) -> u16 {
        let port = self.smart.mqtt.unwrap().1.port();
        let part = format!("{}.part", self.place);
        fs::write(&part, port.to_string()).unwrap();
        fs::rename(&part, &self.place).unwrap();
        port
    }

    fn take_from(&mut self, paho: &Paho) -> usize {
        let (acknowledged, is_unsure) = paho.said();
        let count = acknowledged.len();
        self.acknowledged.extend(acknowledged);
        self.unsure.extend(is_unsure.then(|| paho.name.clone()));
        count
    }

    /// The server dies, or somebody else, by turns.
    fn kill(&mut self) {
        self.killed += 1;
        match self.killed % 3 {
            0 => self.outside.cut_power(),
            1 => {}
            // Before the server, so that it is killed in the middle of something.
            _ if self.pahos.is_empty() => self.outside.cut_power(),
            _ => {
                let mut paho = self.pahos.remove(0);
                paho.kill();
                self.take_from(&paho);
                let name = format!("paho-{}", self.killed);
                self.pahos.push(Paho::start(&self.place, &name, PAHO_COUNT));
            }
        }
        self.smart.kill();
        self.smart.serve_again();
        let port = self.note_port();
        self.outside.serve_at(port);
    }

    /// Until all that was acknowledged has come to every reader.
    fn wait_for_acknowledged(&mut self) {
        for reading in &mut self.readings {
            while !self.acknowledged.iter().all(|text| reading.distinct.contains(text)) {
                reading.take();
            }
        }
    }

    fn assert_none_twice(self) {
        for mut reading in self.readings {
            let rest: Vec<String> = reading.arrived.try_iter().collect();
            rest.into_iter().for_each(|text| reading.note(text));
            println!("{} messages came, {} of them different", reading.seen.len(), reading.distinct.len());
            let mut again = twice(&reading.seen);
            again.retain(|text| !self.unsure.iter().any(|name| text.contains(&format!(" {name} "))));
            assert_eq!(again, Vec::<&String>::new(), "no message of QoS 2 came twice");
        }
        println!("{} kills, {} messages acknowledged", self.killed, self.acknowledged.len());
    }
}

/// Starts publishers of our own, of which each sends so many messages of QoS 1 and 2 by turns.
fn publish(
    outside: &std::sync::Arc<Outside>,
    count: usize,
    each: usize,
) -> Vec<std::thread::JoinHandle<Peer>> {
    (0..count)
        .map(|publisher| {
            let text = |number: usize| format!("q{} own {publisher} {number}", 1 + number % 2);
            let texts = (0..each).map(text).collect();
            let one = Peer::publisher(format!("p{publisher}"), METER, outside, texts);
            std::thread::spawn(move || {
                let (_never, over) = channel();
                one.run(&over)
            })
        })
        .collect()
}

// verifies: MQTT-4.3.2-1, MQTT-4.3.3-1
#[test]
fn a_server_killed_under_its_clients_loses_nothing_acknowledged_and_gives_no_qos_2_twice() {
    let (kills, publishers) = (number("THINGSTEAD_KILLS", 3), number("THINGSTEAD_PUBLISHERS", 6));
    let each = number("THINGSTEAD_MESSAGES", 40).max(kills * 4);
    let smart = Smart::with("smart-mqtt-kill", SECTIONS);
    add(&smart, METER);
    let place = smart.world.path("mqtt-port");
    let outside = Outside::new(smart.mqtt.unwrap().1.port());
    let mut run = Run {
        smart,
        outside: std::sync::Arc::clone(&outside),
        readings: Vec::new(),
        pahos: Vec::new(),
        place,
        acknowledged: Vec::new(),
        killed: 0,
        unsure: Vec::new(),
    };
    run.note_port();
    let (ends, overs): (Vec<_>, Vec<_>) = (0..2).map(|_| channel::<()>()).unzip();
    let mut readers = Vec::new();
    for (reader, over) in overs.into_iter().enumerate() {
        let (sender, arrived) = channel();
        let one = Peer::reader(format!("reader-{reader}"), METER, &outside, sender);
        readers.push(std::thread::spawn(move || one.run(&over)));
        assert_eq!(arrived.recv_timeout(PATIENCE).unwrap(), "ready");
        run.readings.push(Reading { arrived, seen: Vec::new(), distinct: BTreeSet::new(), own: 0 });
    }
    if has_paho() {
        let names = (0..publishers.div_ceil(20)).map(|number| format!("paho-start-{number}"));
        run.pahos = names.map(|name| Paho::start(&run.place, &name, PAHO_COUNT)).collect();
    }
    let publishers = publish(&outside, publishers, each);
    let total = publishers.len() * each;
    while run.readings[0].own < total {
        run.readings[0].take();
        if run.killed < kills && run.readings[0].own > total * (run.killed + 1) / (kills + 1) {
            run.kill();
        }
    }
    for thread in publishers {
        let done = thread.join().unwrap();
        assert_eq!(done.acknowledged.len(), each, "everything is acknowledged, once");
        run.acknowledged.extend(done.acknowledged);
    }
    for mut paho in std::mem::take(&mut run.pahos) {
        assert!(paho.child.wait().unwrap().success());
        assert_eq!(run.take_from(&paho), PAHO_COUNT, "everything is acknowledged to Paho, once");
    }
    run.wait_for_acknowledged();
    drop(ends);
    readers.into_iter().for_each(|thread| drop(thread.join().unwrap()));
    assert_eq!(run.killed, kills);
    run.assert_none_twice();
}
