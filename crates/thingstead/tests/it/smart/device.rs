//! A smart device on real sockets.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent::osap::{Order, SmartDevice, SmartEvent, SmartFactory, SmartOutput, SmartSettings, Target};
use clock::{Dice, Moment, Now, Timestamp};
use crypto::Provider;
use osap_things::{Failure, Node, Place, Resource};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use serde_json::Value;

use super::super::going_on::until;

/// Takes the server with this key, or any.
#[derive(Debug)]
struct Pinned(Option<[u8; 32]>);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let key = certificate::Leaf::from_der(leaf).unwrap().public_key().unwrap();
        let provider = crypto_server::Server::new();
        let digest = provider.digest(crypto::HashAlgorithm::Sha256, &[key.spki()]);
        match self.0 {
            Some(pin) if digest.as_ref() != pin => Err(rustls::Error::General("another key".into())),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        panic!("TLS 1.3 alone")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, leaf, dss, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// One connection.
pub(super) struct Wire {
    socket: TcpStream,
    tls: Option<ClientConnection>,
}

impl Wire {
    pub(super) fn open(at: SocketAddr, tls: Option<Option<[u8; 32]>>) -> Option<Self> {
        let socket = TcpStream::connect(at).ok()?;
        socket.set_nodelay(true).unwrap();
        let mut wire = Self { socket, tls: None };
        if let Some(pin) = tls {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config = ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pinned(pin)))
                .with_no_client_auth();
            let name = ServerName::try_from("localhost").unwrap();
            let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
            while client.is_handshaking() {
                client.complete_io(&mut wire.socket).ok()?;
            }
            wire.tls = Some(client);
        }
        wire.socket.set_nonblocking(true).unwrap();
        Some(wire)
    }

    fn exporter(&self) -> Option<[u8; 32]> {
        let tls = self.tls.as_ref()?;
        Some(tls.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None).unwrap())
    }

    fn send(&mut self, bytes: &[u8]) {
        self.socket.set_nonblocking(false).unwrap();
        // A connection that broke is seen by the next read.
        if let Some(tls) = &mut self.tls {
            tls.writer().write_all(bytes).unwrap();
            while tls.wants_write() && tls.write_tls(&mut self.socket).is_ok() {}
        } else {
            self.socket.write_all(bytes).ok();
        }
        self.socket.set_nonblocking(true).unwrap();
    }

    /// What is there; `None` when the connection is over.
    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 16 * 1024];
        match self.socket.read(&mut buffer) {
            Ok(0) => None,
            Ok(count) => {
                let Some(tls) = &mut self.tls else { return Some(buffer[..count].to_vec()) };
                let (mut rest, mut plain) = (&buffer[..count], Vec::new());
                while !rest.is_empty() {
                    tls.read_tls(&mut rest).unwrap();
                    let state = tls.process_new_packets().ok()?;
                    let mut piece = vec![0; state.plaintext_bytes_to_read()];
                    tls.reader().read_exact(&mut piece).unwrap();
                    plain.extend(piece);
                }
                Some(plain)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(Vec::new()),
            Err(_) => None,
        }
    }
}

/// A smart device, its streams, and what it keeps.
pub(super) struct Running {
    pub(super) device: SmartDevice,
    pub(super) lbs: SocketAddr,
    began: Instant,
    wires: BTreeMap<u64, Wire>,
    pub(super) events: Vec<SmartEvent>,
    pub(super) orders: Vec<Order>,
    /// Names of access services that it was sent to, and ports.
    pub(super) ports: Vec<u16>,
    /// Whether it raises an event whenever few wait.
    pub(super) raising: bool,
    /// How many events it raised by itself.
    pub(super) raised: usize,
}

impl Running {
    pub(super) fn start(factory: &SmartFactory, lbs: SocketAddr, seed: u64) -> Self {
        let began = Instant::now();
        let settings = SmartSettings { wait_unit: Duration::from_millis(50), ..SmartSettings::default() };
        let provider: Arc<dyn Provider> = Arc::new(crypto_server::Server::new());
        let dice = Dice::numbered(seed);
        let state = factory.first_state();
        let now = now_since(began);
        let device = SmartDevice::start(state.expose(), Vec::new(), settings, provider, dice, now).unwrap();
        let (events, orders, ports) = (Vec::new(), Vec::new(), Vec::new());
        let wires = BTreeMap::new();
        Self { device, lbs, began, wires, events, orders, ports, raising: false, raised: 0 }
    }

    pub(super) fn now(&self) -> Now {
        now_since(self.began)
    }

    /// One look at everything.
    pub(super) fn turn(&mut self) {
        let now = self.now();
        if self.device.next_deadline().is_some_and(|due| due <= now.moment) {
            self.device.expire(now);
        }
        if self.raising && self.device.waiting_events() < 3 {
            let place = Place::new(Resource::global(), "Lock", "opened").unwrap();
            self.device.raise(Node::Device, place, Value::Null, now).unwrap();
            self.raised += 1;
        }
        self.drain();
        for stream in self.wires.keys().copied().collect::<Vec<_>>() {
            let now = self.now();
            match self.wires.get_mut(&stream).and_then(Wire::receive) {
                Some(bytes) if bytes.is_empty() => {}
                Some(bytes) => self.device.receive(stream, &bytes, now),
                None => {
                    self.wires.remove(&stream);
                    self.device.closed(stream, now);
                }
            }
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.device.next_output() {
            let now = self.now();
            match output {
                SmartOutput::Open { stream, target } => {
                    let (at, tls) = match target {
                        Target::Lbs { is_tls, tls_key } => (self.lbs, is_tls.then_some(tls_key)),
                        Target::Das { address, port, tls_key } => {
                            self.ports.push(port);
                            (format!("{address}:{port}").parse().unwrap(), tls_key.map(Some))
                        }
                    };
                    match Wire::open(at, tls) {
                        Some(wire) => {
                            let exporter = wire.exporter();
                            self.wires.insert(stream, wire);
                            self.device.opened(stream, exporter, now);
                        }
                        None => self.device.closed(stream, now),
                    }
                }
                SmartOutput::Transmit { stream, bytes } => {
                    if let Some(wire) = self.wires.get_mut(&stream) {
                        wire.send(&bytes);
                    }
                }
                SmartOutput::Close { stream } => drop(self.wires.remove(&stream)),
                SmartOutput::Persist { write, .. } | SmartOutput::KeepEvent { write, .. } => {
                    self.device.persisted(write, now);
                }
                SmartOutput::Order(order) => self.orders.push(order),
                SmartOutput::Event(event) => self.events.push(event),
                SmartOutput::ForgetEvent { .. } | SmartOutput::Desired { .. } | SmartOutput::Off => {}
            }
        }
    }

    /// Goes on until something is so.
    pub(super) fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        until(what, || {
            self.turn();
            is_so(self)
        });
    }

    /// Names of events that the server acknowledged.
    pub(super) fn delivered(&self) -> Vec<model::Uuid> {
        let delivered =
            |event: &SmartEvent| if let SmartEvent::Delivered { id } = event { Some(*id) } else { None };
        self.events.iter().filter_map(delivered).collect()
    }

    /// Calls an operation of the platform, and goes on until that answers.
    pub(super) fn ask(&mut self, area: &str, identifier: &str, input: Value) -> Result<Value, Failure> {
        let place = Place::new(Resource::global(), area, identifier).unwrap();
        let now = self.now();
        let call = self.device.call(Node::Device, place, input, now).unwrap();
        let ended = |event: &SmartEvent| match event {
            SmartEvent::CallEnded { call: of, result } if *of == call => result.clone(),
            _ => None,
        };
        self.until("the call is answered", |device| device.events.iter().any(|event| ended(event).is_some()));
        self.events.iter().find_map(ended).unwrap()
    }

    pub(super) fn set(&mut self, place: &Place, value: Value) {
        let now = self.now();
        self.device.set_attribute(Node::Device, place.clone(), value, now).unwrap();
    }
}

fn now_since(began: Instant) -> Now {
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let utc = Timestamp::from_unix_millis(u64::try_from(unix.as_millis()).unwrap());
    Now { moment: Moment::START + Duration::from_secs(1) + began.elapsed(), utc: Some(utc) }
}
