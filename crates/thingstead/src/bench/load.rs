//! Load from many endpoints: each asks, waits for its answer, and asks again.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::child::internal;
use crate::failure::Outcome;

/// Endpoints that ask at the same moment.
const BURST: usize = 64;
/// So long an answer is waited for.
const ANSWER_TIME_MAX: Duration = Duration::from_millis(500);

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

fn socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    Ok(socket)
}

fn allow_files(count: usize) -> Outcome {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|error| internal("open files", error))?;
    let wanted = count as u64 + 200;
    if soft >= wanted {
        return Ok(());
    }
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted))
        .map_err(|error| internal("so many sockets: raise the limit of open files", error))
}

/// `GET /v1/outlet`, confirmable, with a token of two bytes.
fn question(id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let mut bytes = vec![0x42, 0x01, high, low, high, low];
    bytes.push(0xB2);
    bytes.extend_from_slice(b"v1");
    bytes.push(0x06);
    bytes.extend_from_slice(b"outlet");
    bytes
}
