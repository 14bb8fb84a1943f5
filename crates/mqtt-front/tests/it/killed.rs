//! The broker's process is killed under real connections, and clients go on with what they know.
//!
//! `THINGSTEAD_KILLS=50` and `THINGSTEAD_PUBLISHERS=100` make it long.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use clock::Moment;
use mqtt_proto::{
    Client, ClientOutput, ConnectOptions, Limits, PacketId, Publication, QoS, ReasonCode, SavedSession,
    SubscriptionOptions, Version,
};

use crate::foreign::Broker;

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// One client over connections that break.
struct Peer {
    name: String,
    port: String,
    began: Instant,
    session: Option<SavedSession>,
    /// What is not acknowledged to it.
    open: BTreeMap<PacketId, String>,
    to_send: Vec<String>,
    acknowledged: Vec<String>,
    /// Where messages go that arrive; `None`: it publishes.
    arrived: Option<Sender<String>>,
    is_ready: bool,
}

impl Peer {
    fn now(&self) -> Moment {
        Moment::from_micros(self.began.elapsed().as_micros() as u64)
    }

    fn is_done(&self) -> bool {
        self.arrived.is_none() && self.to_send.is_empty() && self.open.is_empty()
    }

    /// Connects again and again until everything is acknowledged, or for a reader `over` says so.
    fn run(mut self, over: &Receiver<()>) -> Self {
        while !self.is_done() && !matches!(over.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected))
        {
            if let Ok(socket) = TcpStream::connect(format!("127.0.0.1:{}", self.port)) {
                self.speak(socket, over);
            }
        }
        self
    }

    fn speak(&mut self, mut socket: TcpStream, over: &Receiver<()>) {
        socket.set_nodelay(true).ok();
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let name = self.name.clone();
        let mut options = ConnectOptions::new(Version::V5, &name);
        (options.clean_start, options.session_expiry_secs) = (false, 3600);
        let session = self.session.take();
        let mut client = Client::connect(&options, Limits::default(), session, self.now()).unwrap();
        let mut buffer = [0; 16 * 1024];
        loop {
            let mut is_broken = !self.drain(&mut client, &mut socket);
            if client.is_open() && client.quota() > 0 && !self.to_send.is_empty() {
                let payload = self.to_send.remove(0);
                let qos = if payload.starts_with("q2") { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
                let publication = Publication::new("all", payload.as_bytes(), qos).unwrap();
                let id = client.publish(publication, self.now()).unwrap().unwrap();
                self.open.insert(id, payload);
                continue;
            }
            match socket.read(&mut buffer) {
                Ok(0) => is_broken = true,
                Ok(length) => client.receive(&buffer[..length], self.now()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => is_broken = true,
            }
            let is_over = matches!(over.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
            if is_broken || self.is_done() || is_over {
                client.transport_lost(self.now());
                self.drain(&mut client, &mut socket);
                return;
            }
        }
    }

    /// Does what the client says; whether the connection still stands.
    fn drain(&mut self, client: &mut Client, socket: &mut TcpStream) -> bool {
        let now = self.now();
        while let Some(output) = client.next_output() {
            match output {
                ClientOutput::Transmit(bytes) => {
                    let written = socket.write_all(&bytes);
                    written.unwrap_or_else(|_| client.transport_lost(now));
                }
                ClientOutput::Connected(connected) => {
                    assert!(connected.lost.is_none(), "{}: its session is lost", self.name);
                    if self.arrived.is_some() && !self.is_ready {
                        let all = [("all", SubscriptionOptions::plain(QoS::ExactlyOnce))];
                        client.subscribe(&all, None, now).unwrap();
                    }
                }
                ClientOutput::Subscribed { .. } => {
                    self.is_ready = true;
                    self.arrived.as_ref().unwrap().send("ready".into()).unwrap();
                }
                ClientOutput::Message(incoming) => {
                    let payload = String::from_utf8(incoming.publication.message.payload.clone()).unwrap();
                    self.arrived.as_ref().unwrap().send(payload).unwrap();
                    client.acknowledge(incoming.id.unwrap(), ReasonCode::SUCCESS, None, now).unwrap();
                }
                ClientOutput::Delivered { id, reason } => {
                    assert!(!reason.is_failure(), "{reason:?}");
                    self.acknowledged.extend(self.open.remove(&id));
                }
                ClientOutput::Ended(end) => {
                    self.session = end.session;
                    return false;
                }
                _ => {}
            }
        }
        true
    }
}

fn peer(name: String, port: &str, to_send: Vec<String>, arrived: Option<Sender<String>>) -> Peer {
    Peer {
        name,
        port: port.to_owned(),
        began: Instant::now(),
        session: None,
        open: BTreeMap::new(),
        to_send,
        acknowledged: Vec::new(),
        arrived,
        is_ready: false,
    }
}

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
    let reader = peer("reader".into(), &port, Vec::new(), Some(arrived_in));
    let reader = std::thread::spawn(move || reader.run(&over));
    assert_eq!(arrived.recv().unwrap(), "ready");
    let threads: Vec<_> = (0..publishers)
        .map(|publisher| {
            let text = |number: usize| format!("q{} {publisher} {number}", 1 + number % 2);
            let one = peer(format!("p{publisher}"), &port, (0..each).map(text).collect(), None);
            std::thread::spawn(move || {
                let (_never, over) = channel();
                one.run(&over)
            })
        })
        .collect();
    let total = publishers * each;
    let mut seen = Vec::new();
    let mut killed = 0;
    // QoS 1 may come more than once.
    let distinct = |seen: &[String]| seen.iter().collect::<std::collections::BTreeSet<_>>().len();
    while distinct(&seen) < total {
        seen.push(arrived.recv_timeout(Duration::from_secs(60)).expect("messages go on arriving"));
        if killed < kills && distinct(&seen) > total * (killed + 1) / (kills + 1) {
            killed += 1;
            drop(broker);
            broker = Broker::start(&[&port, &place]);
        }
    }
    for thread in threads {
        let done = thread.join().unwrap();
        assert_eq!(done.acknowledged.len(), each, "everything is acknowledged, once");
        assert!(done.acknowledged.iter().all(|payload| seen.contains(payload)), "and nothing is lost");
    }
    drop(end);
    reader.join().unwrap();
    seen.extend(arrived.try_iter());
    let mut twice: Vec<&String> = seen.iter().filter(|payload| payload.starts_with("q2")).collect();
    let count = twice.len();
    twice.sort();
    twice.dedup();
    assert_eq!(twice.len(), count, "no message of QoS 2 came twice");
    assert_eq!(killed, kills);
    drop(broker);
    fs::remove_dir_all(folder).ok();
}
