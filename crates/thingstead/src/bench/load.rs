//! Load from many endpoints: each asks, waits for its answer, and asks again.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::child::internal;
use crate::failure::Outcome;

/// Endpoints that ask at the same moment.
pub(super) const BURST: usize = 64;
/// So long an answer is waited for.
const ANSWER_TIME_MAX: Duration = Duration::from_millis(500);

/// Files that are open besides the sockets of a load.
const SPARE_FILES: u64 = 200;
/// How often a server is asked that may not listen yet, or is drowned by late answers of another.
const TRIES_MAX: usize = 100;

/// Endpoints with one question each under way at most; they ask one server after the other.
pub(super) struct Load {
    sockets: Vec<UdpSocket>,
    next_id: u16,
}

/// What came of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answered {
    pub(super) answers: u64,
    pub(super) lost: u64,
}

impl Load {
    /// So many endpoints.
    pub(super) fn new(count: usize) -> Outcome<Self> {
        allow_files(count)?;
        let sockets: io::Result<Vec<UdpSocket>> = (0..count).map(|_| socket()).collect();
        let sockets = sockets.map_err(|error| internal("a socket of the load", error))?;
        Ok(Self { sockets, next_id: 0 })
    }

    /// From now on they ask this server.
    pub(super) fn turn_to(&self, server: SocketAddr) -> Outcome {
        let turned: io::Result<()> = self.sockets.iter().try_for_each(|socket| socket.connect(server));
        turned.map_err(|error| internal("a socket of the load", error))
    }

    /// Puts the reading on a server that has none of its own.
    pub(super) fn put_reading(&self) -> Outcome {
        let Some(socket) = self.sockets.first() else { return Ok(()) };
        let mut buffer = [0; 1500];
        // A server that was just started may not listen yet.
        for _ in 0..TRIES_MAX {
            let _ = socket.send(&put_question());
            match socket.recv(&mut buffer) {
                // 2.01 or 2.04
                Ok(2..) if buffer[1] == 0x41 || buffer[1] == 0x44 => return Ok(()),
                // An answer of the server that was asked before came late.
                Ok(_) => {}
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
        Err(internal("the benchmark", "the server takes no reading"))
    }

    /// Asks in bursts until the time is over.
    pub(super) fn run(&mut self, span: Duration) -> Answered {
        let end = Instant::now() + span;
        let mut answered = Answered::default();
        let mut buffer = [0; 1500];
        while Instant::now() < end {
            self.next_id = self.next_id.wrapping_add(1);
            let question = question(self.next_id);
            for burst in self.sockets.chunks(BURST) {
                for socket in burst {
                    let _ = socket.send(&question);
                }
                for socket in burst {
                    match socket.recv(&mut buffer) {
                        Ok(_) => answered.answers += 1,
                        Err(_) => answered.lost += 1,
                    }
                }
                if Instant::now() >= end {
                    break;
                }
            }
        }
        answered
    }
}

pub(super) fn socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    Ok(socket)
}

pub(super) fn allow_files(count: usize) -> Outcome {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|error| internal("open files", error))?;
    let wanted = count as u64 + SPARE_FILES;
    if soft >= wanted {
        return Ok(());
    }
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted))
        .map_err(|error| internal("so many sockets: raise the limit of open files", error))
}

/// Whether so many files can be open at once without asking for more than this process may have.
pub(super) fn may_open(count: usize) -> bool {
    getrlimit(Resource::RLIMIT_NOFILE).is_ok_and(|(_, hard)| hard >= count as u64 + SPARE_FILES)
}

/// `PUT /v1/outlet` with the three bytes that our server answers with.
fn put_question() -> Vec<u8> {
    let mut bytes = question(0);
    bytes[1] = 0x03;
    // Content-Format: application/cbor
    bytes.extend_from_slice(&[0x11, 60, 0xFF, 0x19, 0x08, 0x5C]);
    bytes
}

/// `GET /v1/outlet`, confirmable, with a token of two bytes.
pub(super) fn question(id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let mut bytes = vec![0x42, 0x01, high, low, high, low];
    bytes.push(0xB2);
    bytes.extend_from_slice(b"v1");
    bytes.push(0x06);
    bytes.extend_from_slice(b"outlet");
    bytes
}
