//! The client's machine against Mosquitto, over TCP on the loopback.
//!
//! A peer that is not installed is skipped with a line on standard output; with `CI=true` it fails the test.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clock::Moment;
use mqtt_proto::{
    Client, ClientEnd, ClientOutput, ConnectOptions, End, LastWill, Limits, Publication, QoS, ReasonCode,
    SavedSession, SubscriptionOptions,
};

use crate::round_trips::VERSIONS;

const NOW: Moment = Moment::START;

struct Mosquitto {
    child: Child,
    port: u16,
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // An error means that the process has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn program() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    // Where packages put it, which is not in everybody's path.
    folders.push("/usr/sbin".into());
    folders.into_iter().map(|folder| folder.join("mosquitto")).find(|program| program.is_file())
}

impl Mosquitto {
    /// `None` where it is not installed.
    fn start() -> Option<Self> {
        let Some(program) = program() else {
            println!("SKIPPED peer mosquitto: not installed");
            assert_ne!(
                std::env::var("CI").as_deref(),
                Ok("true"),
                "mosquitto has to be installed where CI=true"
            );
            return None;
        };
        // It takes no port 0: another process may take a free one first, and then the next one is tried.
        (0..10).find_map(|_| {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = Command::new(&program);
            command.args(["-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
            let mut started = Self { child: command.spawn().unwrap(), port };
            loop {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Some(started);
                }
                if started.child.try_wait().unwrap().is_some() {
                    return None;
                }
                std::thread::yield_now();
            }
        })
    }
}

/// A client on a socket.
struct Dialled {
    socket: TcpStream,
    client: Client,
    /// What came behind the output that was waited for.
    held: VecDeque<ClientOutput>,
}

impl Dialled {
    fn dial(server: &Mosquitto, options: &ConnectOptions<'_>, session: Option<SavedSession>) -> (Self, bool) {
        let socket = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let client = Client::connect(options, Limits::default(), session, NOW).unwrap();
        let mut dialled = Self { socket, client, held: VecDeque::new() };
        let is_present = dialled.until(|output| match output {
            ClientOutput::Connected(connected) => Some(connected.session_present),
            _ => None,
        });
        (dialled, is_present)
    }

    /// Goes on until an output is the wanted one. Messages are acknowledged on the way.
    fn until<T>(&mut self, mut wanted: impl FnMut(&ClientOutput) -> Option<T>) -> T {
        loop {
            while let Some(output) = self.held.pop_front().or_else(|| self.client.next_output()) {
                match &output {
                    ClientOutput::Transmit(bytes) => self.socket.write_all(bytes).unwrap(),
                    ClientOutput::Message(incoming) => {
                        if let Some(id) = incoming.id {
                            self.client.acknowledge(id, ReasonCode::SUCCESS, None, NOW).unwrap();
                        }
                    }
                    _ => {}
                }
                if let Some(found) = wanted(&output) {
                    self.flush();
                    return found;
                }
            }
            let mut bytes = [0; 4096];
            let length = self.socket.read(&mut bytes).unwrap();
            if length == 0 {
                self.client.transport_lost(NOW);
            } else {
                self.client.receive(&bytes[..length], NOW);
            }
        }
    }

    /// What an acknowledgement on the way made.
    fn flush(&mut self) {
        let mut bytes = Vec::new();
        while let Some(output) = self.client.next_output() {
            match output {
                ClientOutput::Transmit(more) => bytes.extend(more),
                other => self.held.push_back(other),
            }
        }
        self.socket.write_all(&bytes).unwrap();
    }

    fn subscribe(&mut self, filter: &str, qos: QoS) -> Vec<ReasonCode> {
        let options = SubscriptionOptions::plain(qos);
        let asked = self.client.subscribe(&[(filter, options)], None, NOW).unwrap();
        self.until(|output| match output {
            ClientOutput::Subscribed { id, reasons } if *id == asked => Some(reasons.clone()),
            _ => None,
        })
    }

    fn message(&mut self) -> Publication {
        self.until(|output| match output {
            ClientOutput::Message(incoming) => Some(incoming.publication.clone()),
            _ => None,
        })
    }

    /// Publishes, and takes the same message back.
    fn echo(&mut self, qos: QoS, payload: &[u8]) {
        let publication = Publication::new("a/b", payload, qos).unwrap();
        let sent = self.client.publish(publication, NOW).unwrap();
        let (mut is_back, mut is_delivered) = (false, sent.is_none());
        self.until(|output| {
            match output {
                ClientOutput::Message(incoming) => {
                    assert!(!is_back, "once");
                    assert_eq!(incoming.publication.message.payload, payload);
                    assert_eq!(incoming.publication.qos, qos);
                    is_back = true;
                }
                ClientOutput::Delivered { id, reason } => {
                    assert_eq!((Some(*id), *reason), (sent, ReasonCode::SUCCESS));
                    is_delivered = true;
                }
                _ => {}
            }
            (is_back && is_delivered).then_some(())
        });
    }

    /// Closes without a word, and keeps the session.
    fn vanish(mut self) -> Option<SavedSession> {
        self.client.transport_lost(NOW);
        loop {
            if let Some(ClientOutput::Ended(ended)) = self.client.next_output() {
                let ClientEnd { session, .. } = *ended;
                return session;
            }
        }
    }
}

// verifies: MQTT-3.1.0-1, MQTT-4.3.1-1, MQTT-4.3.2-1, MQTT-4.3.3-1
#[test]
fn messages_of_every_quality_go_through_mosquitto_and_back_once() {
    let Some(server) = Mosquitto::start() else { return };
    for version in VERSIONS {
        let (mut client, is_present) = Dialled::dial(&server, &ConnectOptions::new(version, "echo"), None);
        assert!(!is_present);
        assert_eq!(client.subscribe("a/#", QoS::ExactlyOnce), [ReasonCode(2)]);
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            client.echo(qos, b"small");
            client.echo(qos, &vec![7; 100_000]);
            client.echo(qos, b"");
        }
        // PINGREQ is answered: the deadline that follows is that of the next one.
        let due = client.client.next_deadline().unwrap();
        client.client.expire(due);
        client.echo(QoS::AtMostOnce, b"behind the ping");
        assert!(client.client.is_open());
        client.client.disconnect(ReasonCode::SUCCESS, None, NOW).unwrap();
        let end = client.until(|output| match output {
            ClientOutput::Ended(ended) => Some(ended.end),
            _ => None,
        });
        assert_eq!(end, End::Closed(ReasonCode::SUCCESS));
    }
}

// verifies: MQTT-3.1.2-5
#[test]
fn a_session_goes_on_and_a_will_is_told_by_mosquitto() {
    let Some(server) = Mosquitto::start() else { return };
    for version in VERSIONS {
        let mut keeps = ConnectOptions::new(version, "keeps");
        (keeps.clean_start, keeps.session_expiry_secs) = (false, 600);
        let (mut listener, is_present) = Dialled::dial(&server, &keeps, Some(SavedSession::default()));
        assert!(!is_present, "{version:?}");
        listener.subscribe("w/#", QoS::AtLeastOnce);
        let session = listener.vanish().expect("the session outlives the connection");

        let mut dying = ConnectOptions::new(version, "dying");
        let will = Publication::new("w/gone", b"gone", QoS::AtLeastOnce).unwrap();
        dying.will = Some(LastWill { publication: will, delay_secs: 0 });
        let (dies, _) = Dialled::dial(&server, &dying, None);
        drop(dies.vanish());

        let (mut listener, is_present) = Dialled::dial(&server, &keeps, Some(session));
        assert!(is_present, "{version:?}");
        assert_eq!(listener.message().message.payload, b"gone", "{version:?}");
        let clean = ConnectOptions::new(version, "keeps");
        drop(listener);
        assert!(!Dialled::dial(&server, &clean, None).1, "a clean start forgets");
    }
}
