//! MQTT clients as programs are written that lose nothing: over connections that break, servers that are killed, and
//! power of their own that goes at any step.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

use clock::Moment;
use mqtt_proto::{
    Client, ClientOutput, ConnectOptions, Limits, PacketId, Password, Publication, QoS, ReasonCode,
    SavedSession, SignIn, SubscriptionOptions, Version,
};

pub(crate) fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Name and password.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) name: &'static str,
    pub(crate) password: &'static str,
}

/// Where the server is, which may have another port after each start, and how often the power of the clients went.
#[derive(Debug)]
pub(crate) struct Outside {
    port: AtomicU16,
    cuts: AtomicUsize,
}

impl Outside {
    pub(crate) fn new(port: u16) -> Arc<Self> {
        Arc::new(Self { port: AtomicU16::new(port), cuts: AtomicUsize::new(0) })
    }

    pub(crate) fn serve_at(&self, port: u16) {
        self.port.store(port, Ordering::SeqCst);
    }

    /// Every client falls silent where it is, and comes back with what it keeps: its session.
    pub(crate) fn cut_power(&self) {
        self.cuts.fetch_add(1, Ordering::SeqCst);
    }
}

/// One client.
pub(crate) struct Peer {
    name: String,
    account: Account,
    outside: Arc<Outside>,
    began: Instant,
    /// Empty at first: a server may know a session whose CONNACK was lost.
    session: Option<SavedSession>,
    was_connected: bool,
    /// What is not acknowledged to it.
    open: BTreeMap<PacketId, String>,
    to_send: Vec<String>,
    pub(crate) acknowledged: Vec<String>,
    /// Where messages go that arrive; `None`: it publishes.
    arrived: Option<Sender<String>>,
    is_ready: bool,
    /// Of those outside: what it has gone through.
    cuts: usize,
}

impl Peer {
    /// Publishes these: QoS 2 those that begin with `q2`, the others QoS 1.
    pub(crate) fn publisher(
        name: String,
        account: Account,
        outside: &Arc<Outside>,
        to_send: Vec<String>,
    ) -> Self {
        Self {
            name,
            account,
            outside: Arc::clone(outside),
            began: Instant::now(),
            session: Some(SavedSession::default()),
            was_connected: false,
            open: BTreeMap::new(),
            to_send,
            acknowledged: Vec::new(),
            arrived: None,
            is_ready: false,
            cuts: 0,
        }
    }

    /// Reads all, in a session that outlives its connections. Says `ready` when it has subscribed.
    pub(crate) fn reader(
        name: String,
        account: Account,
        outside: &Arc<Outside>,
        arrived: Sender<String>,
    ) -> Self {
        Self { arrived: Some(arrived), ..Self::publisher(name, account, outside, Vec::new()) }
    }

    fn now(&self) -> Moment {
        Moment::from_micros(self.began.elapsed().as_micros() as u64)
    }

    fn is_done(&self) -> bool {
        self.arrived.is_none() && self.to_send.is_empty() && self.open.is_empty()
    }

    fn is_cut(&self) -> bool {
        self.cuts != self.outside.cuts.load(Ordering::SeqCst)
    }

    /// Connects again and again until everything is acknowledged, or for a reader `over` says so.
    pub(crate) fn run(mut self, over: &Receiver<()>) -> Self {
        while !self.is_done() && !matches!(over.try_recv(), Err(TryRecvError::Disconnected)) {
            let port = self.outside.port.load(Ordering::SeqCst);
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(socket) => self.speak(socket, over),
                // A hundred of them leave the processor to the server that starts.
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        self
    }

    fn speak(&mut self, mut socket: TcpStream, over: &Receiver<()>) {
        socket.set_nodelay(true).ok();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        self.cuts = self.outside.cuts.load(Ordering::SeqCst);
        let (name, account) = (self.name.clone(), self.account);
        let password = Some(Password(account.password.as_bytes()));
        let options = ConnectOptions {
            clean_start: false,
            session_expiry_secs: 3600,
            sign_in: Some(SignIn { user_name: account.name, password }),
            ..ConnectOptions::new(Version::V5, &name)
        };
        let session = self.session.take();
        let mut client = Client::connect(&options, Limits::default(), session, self.now()).unwrap();
        let mut buffer = [0; 16 * 1024];
        loop {
            let mut is_broken = !self.drain(&mut client, &mut socket);
            if client.is_open() && client.quota() > 0 && !self.to_send.is_empty() {
                self.publish(&mut client);
                continue;
            }
            match socket.read(&mut buffer) {
                Ok(0) => is_broken = true,
                Ok(length) => client.receive(&buffer[..length], self.now()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => is_broken = true,
            }
            let is_over = matches!(over.try_recv(), Err(TryRecvError::Disconnected));
            if is_broken || self.is_cut() || self.is_done() || is_over {
                client.transport_lost(self.now());
                self.drain(&mut client, &mut socket);
                return;
            }
        }
    }

    fn publish(&mut self, client: &mut Client) {
        let payload = self.to_send.remove(0);
        let qos = if payload.starts_with("q2") { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
        let publication = Publication::new("all", payload.as_bytes(), qos).unwrap();
        let id = client.publish(publication, self.now()).unwrap().unwrap();
        self.open.insert(id, payload);
    }

    /// Does what the client says; whether the connection still stands.
    fn drain(&mut self, client: &mut Client, socket: &mut TcpStream) -> bool {
        let now = self.now();
        while let Some(output) = client.next_output() {
            let is_cut = self.is_cut();
            if is_cut {
                client.transport_lost(now);
            }
            match output {
                ClientOutput::Transmit(_) if is_cut => {}
                ClientOutput::Transmit(bytes) => {
                    let written = socket.write_all(&bytes);
                    written.unwrap_or_else(|_| client.transport_lost(now));
                }
                ClientOutput::Connected(connected) => {
                    let is_lost = connected.lost.is_some() && self.was_connected;
                    assert!(!is_lost, "{}: its session is lost", self.name);
                    self.was_connected = true;
                    if self.arrived.is_some() && !self.is_ready {
                        let all = [("all", SubscriptionOptions::plain(QoS::ExactlyOnce))];
                        // Not when the power went just now.
                        client.subscribe(&all, None, now).ok();
                    }
                }
                ClientOutput::Subscribed { .. } => {
                    self.is_ready = true;
                    self.arrived.as_ref().unwrap().send("ready".into()).unwrap();
                }
                // What it cannot acknowledge any more it has not taken: it comes again.
                ClientOutput::Message(incoming)
                    if client.acknowledge(incoming.id.unwrap(), ReasonCode::SUCCESS, None, now).is_ok() =>
                {
                    let payload = incoming.publication.message.payload.clone();
                    self.arrived.as_ref().unwrap().send(String::from_utf8(payload).unwrap()).unwrap();
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

/// The messages of QoS 2 that came more than once.
pub(crate) fn twice(seen: &[String]) -> Vec<&String> {
    let mut all: Vec<&String> = seen.iter().filter(|payload| payload.starts_with("q2")).collect();
    all.sort();
    let again = all.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[1]);
    again.collect()
}
