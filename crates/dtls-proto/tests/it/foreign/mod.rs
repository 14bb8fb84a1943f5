//! Foreign stacks on real sockets: the only tests with a real clock, and only to bound their waiting.
//!
//! A peer that is not installed is skipped with a line on stderr, and fails the run where `CI` is `true`.

mod built;
mod certificates;
mod connection_ids;
mod names_and_hints;
mod psk;
mod raw_keys;

use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clock::{Dice, Moment};
use dtls_proto::{
    Arrival, ClientSetup, Limits, Listener, ListenerSetup, Output, Session, Verdict, connection_id_of,
    starts_handshake,
};

use crate::pair::{Heard, Policy, provider};

const PATIENCE: Duration = Duration::from_secs(20);
/// When a message is sent again that has no answer.
const REPEATED_AFTER: Duration = Duration::from_secs(1);

/// Whether a program can be run; says so when not.
pub(crate) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
        return true;
    }
    eprintln!("SKIPPED peer {program}: not installed");
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{program} must be there");
    false
}

/// A folder of its own that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dtls-proto-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder can be made");
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("temporary folders have plain names").to_owned()
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).expect("the file was written before")
    }

    /// Runs openssl in the folder.
    pub(crate) fn openssl(&self, arguments: &str) {
        let outcome = Command::new("openssl").args(arguments.split(' ')).current_dir(&self.0).output();
        let outcome = outcome.expect("openssl is installed");
        assert!(outcome.status.success(), "{arguments}: {}", String::from_utf8_lossy(&outcome.stderr));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(Path::new(&self.0)));
    }
}

/// A foreign process; ended with the test.
pub(crate) struct Peer {
    child: Child,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Peer {
    pub(crate) fn start(program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program is installed");
        let said = Arc::new(Mutex::new(Vec::new()));
        let listen = |mut pipe: Box<dyn Read + Send>| {
            let said = said.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                    said.lock().expect("no reader panics").extend_from_slice(&buffer[..count]);
                }
            });
        };
        listen(Box::new(child.stdout.take().expect("it is piped")));
        listen(Box::new(child.stderr.take().expect("it is piped")));
        Self { child, said }
    }

    pub(crate) fn tell(&mut self, line: &str) {
        let pipe = self.child.stdin.as_mut().expect("it is piped");
        writeln!(pipe, "{line}").expect("the peer reads");
        pipe.flush().expect("the peer reads");
    }

    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().expect("no reader panics")).into_owned()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One of our sessions on a socket.
pub(crate) struct Bridge {
    socket: UdpSocket,
    /// Where the peer is.
    peer: Option<SocketAddr>,
    /// How often the peer has moved.
    pub(crate) moves: usize,
    start: Instant,
    listener: Option<Listener>,
    pub(crate) session: Option<Session>,
    pub(crate) policy: Policy,
    pub(crate) heard: Heard,
}

impl Bridge {
    /// A server on a port of the system's choice.
    pub(crate) fn server(policy: Policy) -> Self {
        Self::server_with(policy, Limits::default())
    }

    /// A server with limits of its own.
    pub(crate) fn server_with(policy: Policy, limits: Limits) -> Self {
        let mut setup = ListenerSetup::new(provider(), Dice::numbered(5));
        setup.limits = limits;
        setup.ticket_key_duration = Some(Duration::from_secs(3600));
        let listener = Listener::new(setup, Moment::START);
        Self::new(policy, Some(listener))
    }

    /// A client of the peer on `port`.
    pub(crate) fn client(setup: ClientSetup, policy: Policy, port: u16) -> Self {
        let limits = Limits { retransmit_after: Duration::from_millis(200), ..setup.limits };
        let setup = ClientSetup { limits, ..setup };
        let mut bridge = Self::new(policy, None);
        bridge.peer = Some(SocketAddr::from(([127, 0, 0, 1], port)));
        bridge.session = Some(Session::client(setup, Moment::START).expect("the setup is sound"));
        bridge
    }

    fn new(policy: Policy, listener: Option<Listener>) -> Self {
        let start = Instant::now();
        let heard = Heard::default();
        Self { socket: fresh_socket(), peer: None, moves: 0, start, listener, session: None, policy, heard }
    }

    /// Goes on from another port.
    pub(crate) fn move_away(&mut self) {
        self.socket = fresh_socket();
    }

    /// Makes room for the next session with the same listener and socket.
    pub(crate) fn forget_session(&mut self) {
        (self.session, self.heard) = (None, Heard::default());
    }

    pub(crate) fn port(&self) -> u16 {
        self.socket.local_addr().expect("the socket is bound").port()
    }

    pub(crate) fn is_server(&self) -> bool {
        self.listener.is_some()
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::START + self.start.elapsed()
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.as_mut().and_then(Session::next_output) {
            let now = self.now();
            let session = self.session.as_mut().expect("it has just put something out");
            match output {
                // A peer that is not up yet refuses; the next transmission will find it.
                Output::Transmit(datagram) => {
                    let peer = self.peer.expect("a session has a peer");
                    drop(self.socket.send_to(&datagram, peer));
                }
                Output::Ask(question) => {
                    let answer = self.policy.answer(question);
                    session.answer(answer, now).expect("the question is open");
                }
                other => self.heard.take(other),
            }
        }
    }

    fn receive(&mut self) {
        let mut buffer = [0; 2048];
        self.socket.set_read_timeout(Some(Duration::from_millis(20))).expect("the wait is not zero");
        let now = self.now();
        if let Ok((count, from)) = self.socket.recv_from(&mut buffer) {
            let datagram = &buffer[..count];
            let ours = |session: &Session| {
                let listens_alone = !starts_handshake(datagram) || session.accepted_from(datagram);
                let own_id = session.own_connection_id().filter(|id| !id.is_empty());
                let known = own_id.is_some_and(|id| connection_id_of(datagram, id.len()) == Some(id));
                listens_alone && (known || self.peer == Some(from))
            };
            match (&mut self.session, &mut self.listener) {
                (Some(session), _) if ours(session) => {
                    let arrival = session.receive(datagram, now);
                    if arrival == Arrival::Newest && self.peer != Some(from) {
                        self.moves += 1;
                        self.peer = Some(from);
                    }
                }
                (_, Some(listener)) => match listener.receive(from.to_string().as_bytes(), datagram, now) {
                    Verdict::Reply(reply) => drop(self.socket.send_to(&reply, from)),
                    Verdict::Accept(session) => {
                        self.peer = Some(from);
                        self.session = Some(*session);
                    }
                    Verdict::Drop(_) => {}
                },
                (_, None) => {}
            }
        }
        let now = self.now();
        if let Some(session) = &mut self.session {
            session.expire(now);
        }
    }

    /// Sends a message until it is answered, as CoAP does: a datagram may get lost in a busy machine.
    pub(crate) fn until_answered(&mut self, peer: &Peer, message: &[u8], answer: &[u8]) {
        let patience = Instant::now() + PATIENCE;
        let mut again = Instant::now();
        while !self.heard.data.iter().any(|heard| heard == answer) {
            assert!(Instant::now() < patience, "no answer; peer: {}", peer.said());
            if Instant::now() >= again {
                let now = self.now();
                let session = self.session.as_mut().expect("it is connected");
                session.send(message, now).expect("it is connected");
                again += REPEATED_AFTER;
            }
            self.drain();
            self.receive();
            self.drain();
        }
    }

    /// Runs until `done`, or panics with what the peer said.
    pub(crate) fn until(&mut self, peer: &Peer, what: &str, mut done: impl FnMut(&Self, &Peer) -> bool) {
        let patience = Instant::now() + PATIENCE;
        loop {
            self.drain();
            if done(self, peer) {
                return;
            }
            let over = self.heard.closing;
            let asked = &self.policy.asked;
            assert!(
                over.is_none() && Instant::now() < patience,
                "{what} did not happen; closing: {over:?}; asked: {asked:?}; peer: {}",
                peer.said()
            );
            self.receive();
        }
    }

    pub(crate) fn until_connected(&mut self, peer: &Peer) {
        self.until(peer, "connecting", |bridge, _| bridge.heard.summary.is_some());
    }

    /// Sends a line each way and sees both arrive.
    pub(crate) fn exchange_lines(&mut self, peer: &mut Peer) {
        self.until_connected(peer);
        self.hear(peer, "line of the peer");
        self.say(peer, "line of ours");
    }

    /// Lets the peer send a line, and sees it arrive.
    pub(crate) fn hear(&mut self, peer: &mut Peer, line: &str) {
        peer.tell(line);
        self.until(peer, line, |bridge, _| {
            bridge.heard.data.iter().any(|data| data.starts_with(line.as_bytes()))
        });
    }

    /// Sends a line, and sees it arrive.
    pub(crate) fn say(&mut self, peer: &Peer, line: &str) {
        let now = self.now();
        let session = self.session.as_mut().expect("it is connected");
        session.send(format!("{line}\n").as_bytes(), now).expect("it is connected");
        self.until(peer, line, |_, peer| peer.said().contains(line));
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self) {
        let now = self.now();
        self.session.as_mut().expect("it is connected").close(now);
        self.drain();
    }
}

impl Bridge {
    /// Sends a line to a peer that sends it back.
    pub(crate) fn echo(&mut self, peer: &Peer) {
        self.until_connected(peer);
        let now = self.now();
        let session = self.session.as_mut().expect("it is connected");
        session.send(b"there and back\n", now).expect("it is connected");
        self.until(peer, "an echo", |bridge, _| {
            bridge.heard.data.iter().any(|data| data.starts_with(b"there and back"))
        });
    }
}

fn fresh_socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("the loopback has a free port")
}

/// A port that was free a moment ago, for peers that cannot choose one themselves.
pub(crate) fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("the loopback has a free port");
    socket.local_addr().expect("the socket is bound").port()
}

/// A port that was free a moment ago, as was the one before it.
pub(crate) fn free_port_behind_another() -> u16 {
    loop {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("there is a free port");
        let port = socket.local_addr().expect("the socket is bound").port();
        if UdpSocket::bind(("0.0.0.0", port - 1)).is_ok() {
            return port;
        }
    }
}
