//! Floods from many addresses: what servers keep of strangers stays within its bounds, and honest devices and
//! owners are served meanwhile.
//!
//! All of 127.0.0.0/8 is this machine, so a few sockets, one after the other, have as many addresses as are
//! wanted. `THINGSTEAD_FLOOD_ADDRESSES=10000` floods from that many; the bounds stand in docs/security.md.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clock::{Dice, Moment};
use coap_proto::{Code, Kind, Message, MessageId, OptionNumber, OptionSet, Token};
use dtls_proto::{ClientSetup, Output, Session};
use tokio::net::{TcpSocket, TcpStream};

use crate::demo::PROGRAM;
use crate::device::program::Run;
use crate::going_on::{World, json_of, said, serving, until};
use crate::old_owner::former::provider;

/// Addresses when nothing else is asked for.
const ADDRESS_COUNT: usize = 400;
/// What a server's memory may grow by in a flood of datagrams of strangers, or of connections.
const STRANGERS_MIB_MAX: usize = 24;
/// The same where strangers are peers: unfinished bodies have 64 MiB in all, and each peer is remembered.
const PEERS_MIB_MAX: usize = 160;
/// Connections that a flood holds open at most; a server lets 1,024 in.
const OPEN_COUNT_MAX: usize = 1_500;
/// An honest caller repeats what is not answered.
const PATIENCE: Duration = Duration::from_secs(60);

fn address_count() -> usize {
    std::env::var("THINGSTEAD_FLOOD_ADDRESSES").map_or(ADDRESS_COUNT, |count| count.parse().unwrap())
}

/// One of many addresses of this machine that nobody else uses.
fn address(at: usize) -> Ipv4Addr {
    let [.., high, middle, low] = u32::try_from(at).unwrap().to_be_bytes();
    Ipv4Addr::new(127, 64 + high, middle, low)
}

/// Resident memory of a process now, and the most that it was, in KiB.
fn memory(pid: &str) -> (usize, usize) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    (of("VmRSS:"), of("VmHWM:"))
}

/// Resident memory now, in KiB; the most that it was counts from here on.
fn memory_before(pid: &str) -> usize {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    memory(pid).0
}

/// What a process grew by since; says so.
fn grew(pid: &str, before: usize, mib_max: usize, what: &str) {
    let (now, most) = memory(pid);
    let grown = most.saturating_sub(before) / 1024;
    println!("{what}: {before} KiB before, {now} KiB after, {most} KiB at most");
    assert!(grown <= mib_max, "{what}: the server grew by {grown} MiB");
}

/// A flood that goes on until this is dropped.
struct Flood<'a> {
    rounds: &'a AtomicUsize,
    stop: &'a AtomicBool,
}

impl Flood<'_> {
    /// Waits until everybody has had its turn once more.
    fn wait_for_a_round(&self) {
        let begun = self.rounds.load(Ordering::Relaxed);
        until("a round of the flood", || self.rounds.load(Ordering::Relaxed) > begun);
    }
}

impl Drop for Flood<'_> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Does `meanwhile` while every address says something to `to` again and again.
fn flood<T>(
    to: SocketAddr,
    says: impl Fn(&UdpSocket) + Send + Sync,
    meanwhile: impl FnOnce(&Flood<'_>) -> T,
) -> T {
    let (rounds, stop, count) = (AtomicUsize::new(0), AtomicBool::new(false), address_count());
    // Everybody has one port, so that a second round comes from those of the first.
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    thread::scope(|scope| {
        let flood = Flood { rounds: &rounds, stop: &stop };
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for at in 0..count {
                    // One whose port is in use leaves this round out.
                    let Ok(socket) = UdpSocket::bind((address(at), port)) else { continue };
                    socket.connect(to).unwrap();
                    says(&socket);
                }
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        });
        flood.wait_for_a_round();
        meanwhile(&flood)
    })
}

/// A hello as a stranger says it first.
fn hello() -> (Session, Vec<u8>) {
    let setup = ClientSetup::psk(provider(), Dice::numbered(3));
    let mut session = Session::client(setup, Moment::START).unwrap();
    match session.next_output() {
        Some(Output::Transmit(datagram)) => (session, datagram),
        other => panic!("a hello was expected: {other:?}"),
    }
}

/// The same with a cookie that another server made for another address.
fn hello_with_a_cookie() -> Vec<u8> {
    let (mut session, first) = hello();
    let mut other = dtls_proto::Listener::new(
        dtls_proto::ListenerSetup::new(provider(), Dice::numbered(4)),
        Moment::START,
    );
    let dtls_proto::Verdict::Reply(reply) = other.receive(b"elsewhere", &first, Moment::START) else {
        panic!("a stranger is asked for a cookie");
    };
    session.receive(&reply, Moment::START);
    match session.next_output() {
        Some(Output::Transmit(datagram)) => datagram,
        other => panic!("a second hello was expected: {other:?}"),
    }
}

fn switch_on(world: &World, device: &str) -> Run {
    let state = world.path(&format!("devices/{device}"));
    let resolve = format!("4294901761={}", world.address("bootstrap", "devices"));
    let words = ["--resolve", &resolve, "--retry-base", "0.2", "--data", &format!("{state}/data"), "--jsonl"];
    Run::start(state.as_ref(), &words)
}

/// A device takes a new image and reports to its owner.
fn bootstraps(world: &World, device: &str) {
    let mut run = switch_on(world, device);
    run.wait_for("bootstrapped");
    run.wait_for("in-service");
    run.tell("power off");
    assert!(run.ended().success());
}

fn may_open(count: u64) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if soft < count {
        setrlimit(Resource::RLIMIT_NOFILE, count.min(hard), hard).unwrap();
    }
}

/// Opens a connection from each address, says the beginning of a handshake, and holds as many as it may.
fn connections(to: SocketAddr, stop: &AtomicBool, rounds: &AtomicUsize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let held_max = OPEN_COUNT_MAX.min(address_count());
    runtime.block_on(async {
        let mut held: VecDeque<TcpStream> = VecDeque::new();
        while !stop.load(Ordering::Relaxed) {
            for at in 0..address_count() {
                let socket = TcpSocket::new_v4().unwrap();
                // Held connections have the same addresses with other ports.
                socket.bind((address(at), 0).into()).unwrap();
                // A full line of the operating system is what a flood is to make.
                let connecting = tokio::time::timeout(Duration::from_millis(200), socket.connect(to));
                if let Ok(Ok(stream)) = connecting.await {
                    let _turned_away = stream.try_write(&[22, 3, 1, 2, 0, 1]);
                    held.push_back(stream);
                }
                if held.len() > held_max {
                    held.pop_front();
                }
            }
            rounds.fetch_add(1, Ordering::Relaxed);
        }
    });
}

// verifies: ASSURE-8.4-16
#[test]
fn devices_and_owners_are_served_while_strangers_flood_every_door() {
    may_open(4096);
    let world = World::new("floods");
    let device = world.devices[1].clone();
    let state = world.path(&format!("devices/{device}"));
    world.end(&format!("device run --state {state} "));
    let [bootstrap, registration, owner] =
        ["bootstrap", "registration", "owner-b"].map(|role| world.pid(&serving(&world, role)));
    let (first, second) = (hello().1, hello_with_a_cookie());
    for (door, role, key, pid) in [
        ("half-open handshakes, bootstrap server", "bootstrap", "devices", &bootstrap),
        ("half-open handshakes, channels", "owner-b", "channels", &owner),
    ] {
        world.leave_image("owner-b", &device, 2);
        let before = memory_before(pid);
        let says = |socket: &UdpSocket| {
            for datagram in [&first, &second] {
                let _lost_or_sent = socket.send(datagram);
            }
        };
        flood(world.address(role, key).parse().unwrap(), says, |flood| {
            bootstraps(&world, &device);
            flood.wait_for_a_round();
        });
        grew(pid, before, STRANGERS_MIB_MAX, door);
    }
    world.leave_image("owner-b", &device, 2);
    let (rounds, stop, before) = (AtomicUsize::new(0), AtomicBool::new(false), memory_before(&registration));
    let gateway: SocketAddr = world.address("registration", "owner_gateway").parse().unwrap();
    thread::scope(|scope| {
        let flood = Flood { rounds: &rounds, stop: &stop };
        scope.spawn(|| connections(gateway, &stop, &rounds));
        flood.wait_for_a_round();
        bootstraps(&world, &device);
        // The owner's own call may find every place taken, and comes again.
        let began = Instant::now();
        let image =
            || json_of(world.owner("owner-b", &["show", &device]))["image_created_unix_millis"].as_u64();
        let first = image();
        said(world.owner("owner-b", &["fetch", &device]));
        until("the owner gateway serves an owner", || image() > first);
        println!("the owner was served after {:.1} s", began.elapsed().as_secs_f64());
        assert!(began.elapsed() < PATIENCE * 2);
    });
    grew(&registration, before, STRANGERS_MIB_MAX, "connections to the owner gateway");
}

/// The CoAP server of the benchmark, which takes strangers for peers.
struct Coap {
    child: Child,
    at: SocketAddr,
}

impl Coap {
    fn start() -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["bench", "--be", "coap"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { at: line.trim().parse().unwrap(), child }
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// An honest client asks until it is answered.
    fn serves(&self, id: u16) {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let question = message(Code::GET, "/v1/outlet", id, None, &[]);
        let began = Instant::now();
        loop {
            client.send_to(&question, self.at).unwrap();
            let mut answer = [0; 1500];
            if let Ok((length, _)) = client.recv_from(&mut answer) {
                let answer = Message::parse(&answer[..length]).unwrap();
                assert_eq!((answer.code, answer.id), (Code::CONTENT, MessageId(id)));
                return;
            }
            assert!(began.elapsed() < PATIENCE, "nobody answers");
        }
    }
}

impl Drop for Coap {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

fn message(code: Code, path: &str, id: u16, block_1: Option<u8>, payload: &[u8]) -> Vec<u8> {
    let mut options = OptionSet::new();
    options.add_path(path);
    if let Some(block) = block_1 {
        options.add(OptionNumber::BLOCK1, &[block]);
    }
    let token = Token::new(&id.to_be_bytes()).unwrap();
    let message =
        Message { kind: Kind::Confirmable, code, id: MessageId(id), token, options: options.view(), payload };
    message.to_bytes(1400).unwrap()
}

// verifies: RFC7252-4.2, RFC7959-2.5
#[test]
fn what_is_remembered_of_many_peers_stays_within_its_bounds() {
    for (what, code, block) in [
        ("messages to be told from repeated ones", Code::GET, None),
        ("uploads that are never finished", Code::PUT, Some(0x0e)),
    ] {
        let server = Coap::start();
        server.serves(1);
        let before = memory_before(&server.pid());
        let payload = if block.is_some() { vec![7; 1024] } else { Vec::new() };
        let said: Vec<Vec<u8>> = (0..9)
            .map(|number| message(code, &format!("/v1/{number}"), 100 + number, block, &payload))
            .collect();
        let says = |socket: &UdpSocket| {
            for datagram in &said {
                let _lost_or_sent = socket.send(datagram);
            }
        };
        flood(server.at, says, |flood| {
            server.serves(2);
            flood.wait_for_a_round();
            server.serves(3);
        });
        grew(&server.pid(), before, PEERS_MIB_MAX, what);
    }
}
