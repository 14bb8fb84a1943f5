//! Foreign clients over real UDP: they send no peer_name, and are known by the key that they prove.
//!
//! The only tests here with a real clock, and only to bound their waiting. A peer that is not installed is
//! skipped with a line on standard output, and fails the run where `CI` is `true`.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use assure_proto::{DeviceInfo, PskHint, encode_psk_identity};
use clock::{Dice, Moment, Now, Timestamp};
use coap_front::bootstrap::{BootstrapFace, BootstrapSetup, IssuedKey};
use coap_front::channels::{ChannelEvent, ChannelFace, ChannelSetup};
use coap_front::{Admission, AdmissionKey, Credential, Output};
use coap_proto::{Code, Kind, Message, MessageId, OptionSet, Token};
use crypto::{PublicKey, Secret};
use model::{KeyId, Uuid};

use crate::domain::{Domain, class_3_keys, image, secret_device};
use crate::system::{SYSTEM, System};
use crate::world::{Face, Owner, UNIX_MILLIS, provider};

const PATIENCE: Duration = Duration::from_secs(30);
/// Printable and without a NUL, as libcoap takes keys.
const SECRET: &str = "thirty-two-bytes-of-a-shared-key";

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
        return true;
    }
    println!("SKIPPED peer {program}: not installed");
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{program} has to be installed where CI=true");
    false
}

/// A folder of its own that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("coap-front-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// A P-256 key pair as libcoap reads it; its public half.
    fn key_pair(&self) -> PublicKey {
        self.openssl("ecparam -name prime256v1 -genkey -noout -out own.pem");
        self.openssl("pkey -in own.pem -pubout -outform DER -out own.spki");
        PublicKey::from_spki(&std::fs::read(self.file("own.spki")).unwrap()).unwrap()
    }

    fn openssl(&self, arguments: &str) {
        let done = Command::new("openssl").args(arguments.split(' ')).current_dir(&self.0).output().unwrap();
        assert!(done.status.success(), "{arguments}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// A foreign process, ended with the test, and what it says on both of its outputs.
struct Peer {
    child: Child,
    pieces: Receiver<Vec<u8>>,
    said: Vec<u8>,
}

impl Peer {
    fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, pieces) = channel();
        let pipes: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for mut pipe in pipes {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                    if sender.send(buffer[..count].to_vec()).is_err() {
                        return;
                    }
                }
            });
        }
        Self { child, pieces, said: Vec::new() }
    }

    fn tell(&mut self, bytes: &[u8]) {
        let pipe = self.child.stdin.as_mut().unwrap();
        pipe.write_all(bytes).unwrap();
        pipe.flush().unwrap();
    }

    fn listen(&mut self) {
        self.said.extend(self.pieces.try_iter().flatten());
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A face on a socket.
struct Served<F: Face, O> {
    socket: UdpSocket,
    start: Instant,
    face: F,
    owner: O,
    events: Vec<F::Event>,
}

impl<F: Face, O: Owner<F>> Served<F, O> {
    fn new(face: F, owner: O) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        Self { socket, start: Instant::now(), face, owner, events: Vec::new() }
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    fn uri(&self, path: &str) -> String {
        format!("coaps://127.0.0.1:{}{path}", self.port())
    }

    fn now(&self) -> Now {
        let utc = Timestamp::from_unix_millis(UNIX_MILLIS);
        Now::new(Moment::from_micros(1_000_000) + self.start.elapsed(), utc)
    }

    fn step(&mut self) {
        let mut buffer = [0; 2048];
        if let Ok((count, from)) = self.socket.recv_from(&mut buffer) {
            self.face.receive(from, &buffer[..count], self.now());
        }
        self.face.expire(self.now());
        while let Some(output) = self.face.next_output() {
            match output {
                Output::Transmit { to, datagram } => {
                    self.socket.send_to(&datagram, to).unwrap();
                }
                Output::Event(event) => {
                    for command in self.owner.hear(&event).unwrap_or_default() {
                        self.face.command(command, self.now());
                    }
                    self.events.push(event);
                }
            }
        }
    }

    fn until(&mut self, peer: &mut Peer, mut done: impl FnMut(&mut Peer) -> bool) {
        let patience = Instant::now() + PATIENCE;
        while !done(peer) {
            self.step();
            peer.listen();
            let said = String::from_utf8_lossy(&peer.said);
            assert!(Instant::now() < patience, "it did not happen; events {:?}, peer: {said}", self.events);
        }
        peer.listen();
    }

    /// Serves until the peer ends; what it said.
    fn run(&mut self, command: &mut Command) -> String {
        let mut peer = Peer::start(command);
        self.until(&mut peer, Peer::has_ended);
        // the pipes are empty a moment after the end
        let quiet = Instant::now() + Duration::from_millis(200);
        self.until(&mut peer, |_| Instant::now() > quiet);
        String::from_utf8_lossy(&peer.said).into_owned()
    }
}

fn bootstrap(devices: Vec<(Uuid, IssuedKey, Vec<u8>)>) -> Served<BootstrapFace, Domain> {
    let mut domain = Domain::default();
    for (device, key, image) in devices {
        domain.devices.insert(device, key);
        domain.images.insert(device, image);
    }
    let (provider, dice) = (provider(), Dice::numbered(7));
    let limits = BootstrapSetup::LIMITS;
    let setup = BootstrapSetup { provider, dice, keys: class_3_keys().0, limits };
    let now = Now::new(Moment::from_micros(1_000_000), Timestamp::from_unix_millis(UNIX_MILLIS));
    Served::new(BootstrapFace::new(setup, now), domain)
}

fn management(admission: Admission) -> Served<ChannelFace, System> {
    let (_, ec, rsa) = class_3_keys();
    let setup = ChannelSetup {
        provider: provider(),
        dice: Dice::numbered(8),
        own: vec![Credential::raw(ec), Credential::raw(rsa)],
        limits: ChannelSetup::LIMITS,
        ticket_key_duration: Some(Duration::from_secs(3600)),
    };
    let now = Now::new(Moment::from_micros(1_000_000), Timestamp::from_unix_millis(UNIX_MILLIS));
    let devices = [(admission.device, admission)].into();
    Served::new(ChannelFace::new(setup, now), System { devices, ..System::default() })
}

/// A device with [`SECRET`], and the identity that names its class 3 key.
fn with_secret(image: Vec<u8>) -> (Uuid, IssuedKey, String, Vec<u8>) {
    let made = secret_device(1, 1);
    let IssuedKey::Secret { chain, .. } = made.issued else { unreachable!() };
    let identity = encode_psk_identity(&chain[0].id());
    let issued = IssuedKey::Secret { chain, secret: Secret::from(SECRET.as_bytes()) };
    (made.uuid, issued, identity, image)
}

fn linked() -> (Admission, String) {
    let id = KeyId([0x81; 16]);
    let secret = Secret::from(SECRET.as_bytes());
    let key = AdmissionKey::Secret { id, secret, hint: PskHint::KeyId(id) };
    let device = Uuid::v4([1; 16]);
    let admission = Admission { device, key, own_name: SYSTEM.0, owner_sequence: Some(1) };
    (admission, encode_psk_identity(&id))
}

const LIBCOAP: [&str; 2] = ["coap-client-openssl", "coap-client-gnutls"];

// verifies: ASSURE-9.4.1-04, ASSURE-9.4.1-05, ASSURE-8.4-07
#[test]
fn libcoap_gets_an_image_with_a_secret_and_without_a_name() {
    for program in LIBCOAP {
        if !installed(program) {
            continue;
        }
        let folder = Folder::new(&format!("{program}-psk"));
        let other = secret_device(2, 1);
        let (device, issued, identity, image) = with_secret(image(Uuid([1; 16])));
        let mut served =
            bootstrap(vec![(device, issued, image.clone()), (other.uuid, other.issued, vec![1])]);
        let mut get = |of: Uuid, file: &str| {
            let uri = served.uri(&format!("/v1/devices/{of}/bootstrap"));
            let file = folder.file(file);
            served.run(
                Command::new(program).args(["-B", "20", "-k", SECRET, "-u", &identity, "-o", &file, &uri]),
            )
        };
        let said = get(device, "image");
        assert_eq!(std::fs::read(folder.file("image")).ok(), Some(image), "{program}: {said}");
        let said = get(other.uuid, "none");
        assert!(said.contains("4.03"), "{program}: {said}");
    }
}

// verifies: ASSURE-8.4-07, ASSURE-9.4.1-02
#[test]
fn libcoap_with_a_wrong_secret_or_identity_gets_nothing() {
    let program = LIBCOAP[0];
    if !installed(program) {
        return;
    }
    let folder = Folder::new("wrong-psk");
    let (device, issued, identity, image) = with_secret(image(Uuid([1; 16])));
    let mut served = bootstrap(vec![(device, issued, image)]);
    let stranger = encode_psk_identity(&KeyId([9; 16]));
    for (secret, identity) in [("another-secret-of-thirty-two-byte", &identity), (SECRET, &stranger)] {
        let uri = served.uri(&format!("/v1/devices/{device}/bootstrap"));
        let file = folder.file("image");
        served.run(Command::new(program).args(["-B", "3", "-k", secret, "-u", identity, "-o", &file, &uri]));
        assert!(std::fs::read(&file).unwrap_or_default().is_empty());
    }
    assert_eq!(served.face.counters().0.admitted, 0);
    assert_eq!(served.face.counters().0.denied, 1, "an unknown identity");
}

// verifies: ASSURE-8.3-06, ASSURE-9.4.1-02, ASSURE-9.4.1-04
#[test]
fn libcoap_gets_an_image_with_a_raw_public_key() {
    let program = LIBCOAP[1];
    if !installed(program) || !installed("openssl") {
        return;
    }
    let folder = Folder::new("rpk");
    let public = folder.key_pair();
    let (device, image) = (Uuid::v4([5; 16]), image(Uuid([5; 16])));
    let issued = IssuedKey::public_key(public.spki()).unwrap();
    let mut served = bootstrap(vec![(device, issued, image.clone())]);
    let uri = served.uri(&format!("/v1/devices/{device}/bootstrap"));
    let (key, file) = (folder.file("own.pem"), folder.file("image"));
    let said = served.run(Command::new(program).args(["-B", "20", "-M", &key, "-o", &file, &uri]));
    assert_eq!(std::fs::read(&file).ok(), Some(image), "{said}");
}

// verifies: ASSURE-11.3.1-03, ASSURE-11.3.1-04, ASSURE-11.3.2-08, ASSURE-11.4.1-01
#[test]
fn libcoap_reports_to_a_management_system_over_a_channel() {
    for program in LIBCOAP {
        if !installed(program) {
            continue;
        }
        let folder = Folder::new(&format!("{program}-channel"));
        let (admission, identity) = linked();
        let device = admission.device;
        let mut served = management(admission);
        std::fs::write(folder.file("info"), DeviceInfo::only(device).encode()).unwrap();
        std::fs::write(folder.file("bye"), [0]).unwrap();
        let mut put = |what: &str, of: Uuid, file: &str| {
            let uri = served.uri(&format!("/v1/devices/{of}/{what}"));
            let file = folder.file(file);
            let options = ["-B", "20", "-v", "7", "-m", "put", "-t", "60", "-k", SECRET, "-u", &identity];
            served.run(Command::new(program).args(options).args(["-f", &file, &uri]))
        };
        for (what, of, file, code) in [
            ("info", device, "info", "2.04"),
            ("info", Uuid([3; 16]), "info", "4.01"),
            ("goodbye", device, "bye", "2.04"),
            ("goodbye", device, "info", "4.00"),
        ] {
            let said = put(what, of, file);
            assert!(said.contains(code), "{program} {what} {file}: {said}");
        }
        let told = |wanted: fn(&ChannelEvent) -> bool| served.events.iter().filter(|e| wanted(e)).count();
        assert_eq!(told(|event| matches!(event, ChannelEvent::Presence { .. })), 1);
        assert_eq!(told(|event| matches!(event, ChannelEvent::Goodbye { .. })), 1);
        assert_eq!(told(|event| matches!(event, ChannelEvent::Online { .. })), 4);
    }
}

// verifies: ASSURE-8.3-06, ASSURE-11.3.1-03
#[test]
fn libcoap_reports_with_a_raw_public_key() {
    let program = LIBCOAP[1];
    if !installed(program) || !installed("openssl") {
        return;
    }
    let folder = Folder::new("rpk-channel");
    let theirs = folder.key_pair();
    let device = Uuid::v4([5; 16]);
    let ours = Credential::raw(class_3_keys().1);
    let key = AdmissionKey::PublicKey { id: device.into(), theirs, ours };
    let admission = Admission { device, key, own_name: SYSTEM.0, owner_sequence: None };
    let mut served = management(admission);
    let uri = served.uri(&format!("/v1/devices/{device}/info"));
    std::fs::write(folder.file("info"), DeviceInfo::only(device).encode()).unwrap();
    let (key, file) = (folder.file("own.pem"), folder.file("info"));
    let options = ["-B", "20", "-v", "7", "-m", "put", "-t", "60", "-M", &key, "-f", &file, &uri];
    let said = served.run(Command::new(program).args(options));
    assert!(said.contains("2.04"), "{said}");
}

fn request(path: &str) -> Vec<u8> {
    let mut options = OptionSet::new();
    options.add_path(path);
    let message = Message {
        kind: Kind::Confirmable,
        code: Code::GET,
        id: MessageId(4711),
        token: Token::new(&[0x55]).unwrap(),
        options: options.view(),
        payload: &[],
    };
    message.to_bytes(1152).unwrap()
}

fn s_client(port: u16, identity: &str, suite: &str) -> Peer {
    let (to, key) = (format!("127.0.0.1:{port}"), model::hex(SECRET.as_bytes()));
    let cipher = format!("{suite}:@SECLEVEL=0");
    let options = ["s_client", "-dtls1_2", "-quiet", "-nocommands", "-connect", &to, "-cipher", &cipher];
    Peer::start(Command::new("openssl").args(options).args(["-psk_identity", identity, "-psk", &key]))
}

// verifies: ASSURE-9.4.1-04, ASSURE-11.4.1-01, ASSURE-12.2-02
#[test]
fn openssl_carries_a_request_to_both_faces() {
    if !installed("openssl") {
        return;
    }
    for suite in ["PSK-AES128-CCM8", "PSK-AES128-GCM-SHA256"] {
        let (device, issued, identity, image) = with_secret(b"an image in one message".to_vec());
        let mut served = bootstrap(vec![(device, issued, image.clone())]);
        let mut peer = s_client(served.port(), &identity, suite);
        served.until(&mut peer, |_| true);
        peer.tell(&request(&format!("/v1/devices/{device}/bootstrap")));
        served.until(&mut peer, |peer| peer.said.windows(image.len()).any(|part| part == image));
        let (admission, identity) = linked();
        let mut served = management(admission);
        let mut peer = s_client(served.port(), &identity, suite);
        peer.tell(&request("/v1/timestamp"));
        // acknowledgement with 2.05, our message id and token
        let head = [0x61, 0x45, 0x12, 0x67, 0x55];
        served.until(&mut peer, |peer| peer.said.windows(5).any(|part| part == head));
    }
}
