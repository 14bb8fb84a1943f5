//! The driver of connections under a small machine.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::{Moment, Now};
use net::now::Clock;
use net::shutdown::{Trigger, shutdown};
use net::stream::{
    Arrival, ConnId, Door, DoorMode, Security, StreamDriver, StreamLimits, StreamMachine, StreamOutput,
    StreamTally, run,
};
use net::tls::device_config;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::{Holder, SHORT, World, within};

/// What the machine saw.
#[derive(Debug, PartialEq, Eq)]
enum Saw {
    Opened(ConnId, Arrival),
    Bytes(ConnId, Vec<u8>),
    Closed(ConnId),
}

enum Command {
    Say(ConnId, Vec<u8>),
    Close(ConnId),
    ExpireAfter(Duration),
}

/// Answers bytes with the same bytes; `x` closes behind a farewell, `!` asks for four million bytes.
#[derive(Default)]
struct Echo {
    outputs: VecDeque<StreamOutput<Saw>>,
    open: BTreeMap<ConnId, usize>,
    refused: Vec<Saw>,
    deadline: Option<Moment>,
}

impl Echo {
    fn say(&mut self, conn: ConnId, bytes: &[u8]) {
        self.outputs.push_back(StreamOutput::Transmit { conn, bytes: bytes.to_vec() });
    }
}

impl StreamMachine for Echo {
    type Command = Command;
    type Event = Saw;

    fn opened(&mut self, conn: ConnId, arrival: Arrival, now: Now) {
        assert!(arrival.accepted <= now.moment);
        assert!(self.open.insert(conn, 0).is_none(), "a number is used once");
        self.outputs.push_back(StreamOutput::Event(Saw::Opened(conn, arrival)));
    }

    fn receive(&mut self, conn: ConnId, bytes: &[u8], _now: Now) {
        assert!(!bytes.is_empty());
        *self.open.get_mut(&conn).expect("it is open") += bytes.len();
        self.outputs.push_back(StreamOutput::Event(Saw::Bytes(conn, bytes.to_vec())));
        match bytes {
            b"x" => {
                self.say(conn, b"bye");
                self.outputs.push_back(StreamOutput::Close { conn });
                self.open.remove(&conn);
            }
            b"!" => self.say(conn, &vec![7; 4_000_000]),
            _ => self.say(conn, bytes),
        }
    }

    fn closed(&mut self, conn: ConnId, _now: Now) {
        assert!(self.open.remove(&conn).is_some(), "it was open, and is told once");
        self.say(conn, b"into the void");
        self.outputs.push_back(StreamOutput::Event(Saw::Closed(conn)));
    }

    fn command(&mut self, command: Command, now: Now) {
        match command {
            Command::Say(conn, bytes) => self.say(conn, &bytes),
            Command::Close(conn) => {
                self.outputs.push_back(StreamOutput::Close { conn });
                self.open.remove(&conn);
            }
            Command::ExpireAfter(span) => self.deadline = Some(now.moment + span),
        }
    }

    fn refused(&mut self, event: Saw, _now: Now) {
        self.refused.push(event);
    }

    fn expire(&mut self, now: Now) {
        assert!(self.deadline.is_some_and(|deadline| deadline <= now.moment), "not before its time");
        self.deadline = None;
        for conn in self.open.keys().copied().collect::<Vec<_>>() {
            self.say(conn, b"expired");
        }
    }

    fn stop(&mut self, _now: Now) {
        for conn in self.open.keys().copied().collect::<Vec<_>>() {
            self.say(conn, b"goodbye");
        }
    }

    fn next_output(&mut self) -> Option<StreamOutput<Saw>> {
        self.outputs.pop_front()
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.deadline
    }
}

pub(crate) enum Kind {
    Plain,
    Tls,
    ByFirstByte,
}

pub(crate) struct Running {
    pub(crate) at: SocketAddr,
    /// SHA-256 of the server's SubjectPublicKeyInfo.
    pub(crate) key_hash: [u8; 32],
    commands: Sender<Command>,
    events: Receiver<Saw>,
    trigger: Trigger,
    task: JoinHandle<(Echo, StreamTally)>,
}

impl Running {
    pub(crate) async fn start(kind: Kind, limits: StreamLimits) -> Self {
        Self::start_with(kind, limits, 4096).await
    }

    async fn start_with(kind: Kind, limits: StreamLimits, event_count_max: usize) -> Self {
        let mut world = World::new("Root");
        let profile = world.server_profile();
        let holder = world.holder(&profile);
        let (key_hash, tls) = (holder.key_hash, device_config(&holder.identity).unwrap());
        let mode = match kind {
            Kind::Plain => DoorMode::Plain,
            Kind::Tls => DoorMode::Tls(tls),
            Kind::ByFirstByte => DoorMode::ByFirstByte(tls),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (command_sender, commands) = channel(16);
        let (event_sender, events) = channel(event_count_max);
        let (trigger, token) = shutdown();
        let driver = StreamDriver {
            doors: vec![Door { listener, mode }],
            limits,
            commands,
            events: event_sender,
            clock: Clock::start(),
            shutdown: token,
        };
        let task = tokio::spawn(run(driver, Echo::default()));
        Self { at, key_hash, commands: command_sender, events, trigger, task }
    }

    async fn dial(&self) -> TcpStream {
        let socket = TcpStream::connect(self.at).await.unwrap();
        socket.set_nodelay(true).unwrap();
        socket
    }

    async fn dial_tls(&self, client: Option<&Holder>) -> std::io::Result<TlsStream<TcpStream>> {
        dial_tls(self.dial().await, client).await
    }

    async fn saw(&mut self) -> Saw {
        within(self.events.recv()).await.expect("the driver runs")
    }

    pub(crate) async fn opened(&mut self) -> (ConnId, Arrival) {
        match self.saw().await {
            Saw::Opened(conn, arrival) => (conn, arrival),
            other => panic!("{other:?}"),
        }
    }

    /// Bytes of one connection until there are `count`.
    pub(crate) async fn bytes(&mut self, conn: ConnId, count: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < count {
            match self.saw().await {
                Saw::Bytes(of, bytes) if of == conn => all.extend(bytes),
                other => panic!("{other:?}"),
            }
        }
        all
    }

    async fn stop(self) -> (Echo, StreamTally) {
        self.trigger.request();
        within(self.task).await.unwrap()
    }
}

/// Takes any server: its key is checked elsewhere.
#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

async fn dial_tls(socket: TcpStream, client: Option<&Holder>) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer));
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(holder) => {
            let pkcs8 = certificate::pem_blocks(&holder.key_pem).unwrap().remove(0).der;
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.expose().to_vec()));
            builder.with_client_auth_cert(vec![CertificateDer::from(holder.leaf.clone())], key).unwrap()
        }
    };
    let name = ServerName::try_from("localhost").unwrap();
    within(TlsConnector::from(Arc::new(config)).connect(name, socket)).await
}

async fn tell(peer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    within(peer.write_all(bytes)).await.unwrap();
    within(peer.flush()).await.unwrap();
}

async fn hear(peer: &mut (impl AsyncRead + Unpin), count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    within(peer.read_exact(&mut bytes)).await.unwrap();
    bytes
}

async fn hear_all(peer: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    within(peer.read_to_end(&mut bytes)).await.unwrap();
    bytes
}

#[tokio::test]
async fn bytes_commands_deadlines_and_a_close_reach_their_connection() {
    let mut running = Running::start(Kind::Plain, StreamLimits::default()).await;
    let (mut one, mut other) = (running.dial().await, running.dial().await);
    tell(&mut one, b"one").await;
    let (first, arrival) = running.opened().await;
    assert_eq!((arrival.security, arrival.door), (Security::Plain, 0));
    assert_eq!(arrival.from, one.local_addr().unwrap());
    assert_eq!(running.bytes(first, 3).await, b"one");
    tell(&mut other, b"other").await;
    let (second, _) = running.opened().await;
    assert_eq!(running.bytes(second, 5).await, b"other");
    assert_eq!((hear(&mut one, 3).await, hear(&mut other, 5).await), (b"one".to_vec(), b"other".to_vec()));

    let long: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
    tell(&mut one, &long).await;
    assert_eq!(running.bytes(first, long.len()).await, long);
    assert_eq!(hear(&mut one, long.len()).await, long);

    running.commands.send(Command::Say(second, b"told".to_vec())).await.unwrap();
    assert_eq!(hear(&mut other, 4).await, b"told");
    running.commands.send(Command::ExpireAfter(Duration::from_millis(1))).await.unwrap();
    assert_eq!(
        (hear(&mut one, 7).await, hear(&mut other, 7).await),
        (b"expired".to_vec(), b"expired".to_vec())
    );

    running.commands.send(Command::Close(second)).await.unwrap();
    assert!(hear_all(&mut other).await.is_empty());
    running.commands.send(Command::Say(second, b"too late".to_vec())).await.unwrap();
    tell(&mut one, b"x").await;
    assert_eq!(running.bytes(first, 1).await, b"x");
    assert_eq!(hear_all(&mut one).await, b"bye", "what waits leaves before the connection closes");
    let (machine, tally) = running.stop().await;
    assert!(machine.open.is_empty() && machine.refused.is_empty());
    assert_eq!((tally.opened, tally.broken, tally.overflowed), (2, 0, 0));
    assert_eq!((tally.received_bytes, tally.sent_bytes), (300_009, 300_029));
}

// verifies: RFC9266-2
#[tokio::test]
async fn both_ends_of_a_tls_connection_know_its_exporter_and_the_clients_certificate() {
    let mut running = Running::start(Kind::Tls, StreamLimits::default()).await;
    // nobody vouches for it: what it is worth is not judged here
    let mut strangers = World::new("Strangers");
    let until = strangers.later(1);
    let holder = strangers.holder(&certificate::Profile::Operator { until });
    for client in [None, Some(&holder)] {
        let mut peer = running.dial_tls(client).await.unwrap();
        let own =
            peer.get_ref().1.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[])).unwrap();
        tell(&mut peer, b"hello").await;
        let (conn, arrival) = running.opened().await;
        let client_certificate = client.map(|holder| holder.leaf.clone());
        assert_eq!(arrival.security, Security::Tls { exporter: own, client_certificate });
        assert_eq!(running.bytes(conn, 5).await, b"hello");
        assert_eq!(hear(&mut peer, 5).await, b"hello");
        let long = vec![9; 200_000];
        let (mut reading, mut writing) = tokio::io::split(peer);
        let heard = async { hear(&mut reading, long.len()).await };
        let ((), heard) = tokio::join!(tell(&mut writing, &long), heard);
        assert_eq!(heard, long);
        assert_eq!(running.bytes(conn, long.len()).await, long);
        tell(&mut writing, b"x").await;
        assert_eq!(running.bytes(conn, 1).await, b"x");
        assert_eq!(hear_all(&mut reading).await, b"bye", "the end is told within TLS");
    }
    let (_, tally) = running.stop().await;
    assert_eq!((tally.opened, tally.handshakes_failed, tally.broken), (2, 0, 0));
}

#[tokio::test]
async fn a_tls_door_takes_tls_1_3_alone() {
    let running = Running::start(Kind::Tls, StreamLimits::default()).await;
    let mut plain = running.dial().await;
    tell(&mut plain, b"hello, this is no handshake").await;
    let mut answer = Vec::new();
    // an alert, or a reset that overtook it
    within(plain.read_to_end(&mut answer)).await.ok();
    assert!(answer.len() < 16 && answer.first().is_none_or(|byte| *byte == 0x15), "{answer:?}");

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let old = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let refused = TlsConnector::from(Arc::new(old)).connect(name, running.dial().await);
    assert!(within(refused).await.is_err());
    let (_, tally) = running.stop().await;
    assert_eq!((tally.opened, tally.handshakes_failed), (0, 2));
}

#[tokio::test]
async fn the_first_byte_says_whether_a_connection_is_tls() {
    let mut running = Running::start(Kind::ByFirstByte, StreamLimits::default()).await;
    let mut plain = running.dial().await;
    tell(&mut plain, &[0x1A]).await;
    let (conn, arrival) = running.opened().await;
    assert_eq!(arrival.security, Security::Plain);
    assert_eq!(running.bytes(conn, 1).await, [0x1A], "the byte that decided is the machine's first");
    let mut sealed = running.dial_tls(None).await.unwrap();
    tell(&mut sealed, &[0x1A]).await;
    let (conn, arrival) = running.opened().await;
    assert!(matches!(arrival.security, Security::Tls { .. }));
    assert_eq!(running.bytes(conn, 1).await, [0x1A]);
    assert_eq!((hear(&mut plain, 1).await, hear(&mut sealed, 1).await), (vec![0x1A], vec![0x1A]));
}

#[tokio::test]
async fn the_newest_connection_over_a_limit_is_closed_and_places_come_back() {
    let limits = StreamLimits { connection_count_per_source_max: 2, ..StreamLimits::default() };
    let mut running = Running::start(Kind::Plain, limits).await;
    let (mut one, mut two) = (running.dial().await, running.dial().await);
    tell(&mut one, b"1").await;
    let (first, _) = running.opened().await;
    running.bytes(first, 1).await;
    tell(&mut two, b"2").await;
    let (second, _) = running.opened().await;
    running.bytes(second, 1).await;
    let mut three = running.dial().await;
    assert!(matches!(within(three.read(&mut [0])).await, Ok(0) | Err(_)));
    hear(&mut one, 1).await;
    drop(one);
    assert_eq!(running.saw().await, Saw::Closed(first));
    let mut four = running.dial().await;
    tell(&mut four, b"4").await;
    assert_eq!(hear(&mut four, 1).await, b"4");
    assert_eq!(hear(&mut two, 1).await, b"2", "others notice nothing");
    let (_, tally) = running.stop().await;
    assert_eq!((tally.opened, tally.refused_for_source, tally.refused_in_all), (3, 1, 0));
}

#[tokio::test]
async fn silence_and_handshakes_that_do_not_end_are_closed_and_never_reach_the_machine() {
    let limits =
        StreamLimits { first_byte_time_max: SHORT, handshake_time_max: SHORT, ..StreamLimits::default() };
    let running = Running::start(Kind::ByFirstByte, limits).await;
    let mut silent = running.dial().await;
    let mut slow = running.dial().await;
    tell(&mut slow, &[0x16, 3, 1]).await;
    assert!(hear_all(&mut silent).await.is_empty());
    assert!(matches!(within(slow.read(&mut [0])).await, Ok(0) | Err(_)));
    let (machine, tally) = running.stop().await;
    assert!(machine.open.is_empty());
    assert_eq!((tally.opened, tally.silent, tally.handshakes_failed), (0, 1, 1));
}

#[tokio::test]
async fn a_peer_that_closes_or_breaks_off_is_told_to_the_machine_once() {
    let mut running = Running::start(Kind::Plain, StreamLimits::default()).await;
    let mut half = running.dial().await;
    tell(&mut half, b"last words").await;
    within(half.shutdown()).await.unwrap();
    let (first, _) = running.opened().await;
    assert_eq!(running.bytes(first, 10).await, b"last words");
    assert_eq!(running.saw().await, Saw::Closed(first));
    assert_eq!(hear_all(&mut half).await, b"last words", "what was answered before still leaves");

    let mut reset = running.dial().await;
    tell(&mut reset, b"?").await;
    let (second, _) = running.opened().await;
    running.bytes(second, 1).await;
    // closing with the answer unread sends a reset
    within(reset.readable()).await.unwrap();
    drop(reset);
    assert_eq!(running.saw().await, Saw::Closed(second));
    let (machine, tally) = running.stop().await;
    assert!(machine.open.is_empty());
    assert_eq!(tally.opened, 2);
}

#[tokio::test]
async fn more_waiting_than_a_peer_may_have_cuts_its_connection_alone() {
    for kind in [Kind::Plain, Kind::Tls] {
        let is_tls = matches!(kind, Kind::Tls);
        let mut running = Running::start(kind, StreamLimits::default()).await;
        let mut calm: Box<dyn Stream> = match is_tls {
            true => Box::new(running.dial_tls(None).await.unwrap()),
            false => Box::new(running.dial().await),
        };
        tell(&mut calm, b"calm").await;
        let (first, _) = running.opened().await;
        running.bytes(first, 4).await;
        let mut greedy: Box<dyn Stream> = match is_tls {
            true => Box::new(running.dial_tls(None).await.unwrap()),
            false => Box::new(running.dial().await),
        };
        tell(&mut greedy, b"!").await;
        let (second, _) = running.opened().await;
        running.bytes(second, 1).await;
        assert_eq!(running.saw().await, Saw::Closed(second));
        assert_eq!(hear(&mut calm, 4).await, b"calm");
        tell(&mut calm, b"still").await;
        assert_eq!(hear(&mut calm, 5).await, b"still");
        let (_, tally) = running.stop().await;
        assert_eq!((tally.overflowed, tally.stalled), (1, 0));
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

#[tokio::test]
async fn a_slow_reader_gets_everything_and_one_that_does_not_read_is_cut() {
    let limits =
        StreamLimits { outgoing_size_max: 8_000_000, stall_time_max: SHORT, ..StreamLimits::default() };
    let mut running = Running::start(Kind::Plain, limits).await;
    let mut slow = running.dial().await;
    tell(&mut slow, b"!").await;
    let (first, _) = running.opened().await;
    running.bytes(first, 1).await;
    let mut heard = 0;
    while heard < 4_000_000 {
        heard += hear(&mut slow, 100_000).await.len();
        tokio::task::yield_now().await;
    }
    tell(&mut slow, b"more").await;
    assert_eq!(running.bytes(first, 4).await, b"more");
    assert_eq!(hear(&mut slow, 4).await, b"more");

    let mut deaf = running.dial().await;
    tell(&mut deaf, b"!").await;
    let (second, _) = running.opened().await;
    running.bytes(second, 1).await;
    assert_eq!(running.saw().await, Saw::Closed(second));
    let (_, tally) = running.stop().await;
    assert_eq!((tally.overflowed, tally.stalled), (0, 1));
    drop(deaf);
}

#[tokio::test]
async fn at_shutdown_everybody_hears_the_goodbye_and_nobody_is_waited_for_long() {
    let mut running = Running::start(Kind::ByFirstByte, StreamLimits::default()).await;
    let mut plain = running.dial().await;
    tell(&mut plain, b"1").await;
    let (first, _) = running.opened().await;
    running.bytes(first, 1).await;
    let mut sealed = running.dial_tls(None).await.unwrap();
    tell(&mut sealed, b"2").await;
    let (second, _) = running.opened().await;
    running.bytes(second, 1).await;
    let waiting = running.dial().await;
    let heard = async { (hear_all(&mut plain).await, hear_all(&mut sealed).await) };
    let ((machine, tally), heard) = tokio::join!(running.stop(), heard);
    assert_eq!(heard, (b"1goodbye".to_vec(), b"2goodbye".to_vec()));
    assert_eq!(machine.open.len(), 2, "the machine said goodbye itself");
    assert_eq!(tally.opened, 2);
    drop(waiting);
}

#[tokio::test]
async fn events_over_their_line_come_back_to_the_machine() {
    let running = Running::start_with(Kind::Plain, StreamLimits::default(), 1).await;
    let mut peer = running.dial().await;
    tell(&mut peer, b"heard").await;
    assert_eq!(hear(&mut peer, 5).await, b"heard");
    let (machine, tally) = running.stop().await;
    assert!(matches!(&machine.refused[..], [Saw::Bytes(_, bytes)] if bytes == b"heard"));
    assert_eq!(tally.events_refused, 1);
}

#[tokio::test]
async fn many_connections_at_once_get_what_is_theirs() {
    const COUNT: u32 = 300;
    let limits = StreamLimits { connection_count_per_source_max: 1000, ..StreamLimits::default() };
    let running = Running::start(Kind::Plain, limits).await;
    let mut peers = Vec::new();
    for number in 0..COUNT {
        let mut peer = running.dial().await;
        tell(&mut peer, &number.to_be_bytes()).await;
        peers.push(peer);
    }
    for round in 0..5 {
        for (number, peer) in peers.iter_mut().enumerate() {
            let number = u32::try_from(number).unwrap() + if round == 0 { 0 } else { round * 1000 };
            assert_eq!(hear(peer, 4).await, number.to_be_bytes());
            tell(peer, &(number % 1000 + (round + 1) * 1000).to_be_bytes()).await;
        }
    }
    for peer in &mut peers {
        hear(peer, 4).await;
    }
    let (_, tally) = running.stop().await;
    assert_eq!((tally.opened, tally.overflowed, tally.broken), (u64::from(COUNT), 0, 0));
    assert_eq!(tally.received_bytes, u64::from(COUNT) * 24);
}
