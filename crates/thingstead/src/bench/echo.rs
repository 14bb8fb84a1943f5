//! The least that a UDP server can do: the reference for what a protocol costs.

use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};

use super::child::{answer_questions, internal, say_ready};
use crate::failure::Outcome;

/// Datagrams for one call of the operating system.
const BATCH: usize = 64;
const LENGTH_MAX: usize = 2048;

/// Sends every datagram back until standard input ends.
pub(super) fn run() -> Outcome {
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(|error| internal("a socket", error))?;
    let at = socket.local_addr().map_err(|error| internal("a socket", error))?;
    say_ready(at);
    std::thread::spawn(move || send_back(&socket));
    answer_questions()
}

/// What came with one call of the operating system.
struct Batch {
    buffers: Vec<[u8; LENGTH_MAX]>,
    lengths: [usize; BATCH],
    from: [Option<SockaddrIn>; BATCH],
}

impl Batch {
    fn new() -> Self {
        Self { buffers: vec![[0; LENGTH_MAX]; BATCH], lengths: [0; BATCH], from: [None; BATCH] }
    }

    /// Waits for datagrams; gives their count. `None`: the socket is of no more use.
    fn fill(&mut self, socket: &UdpSocket) -> Option<usize> {
        let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            self.buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let received =
            recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), MsgFlags::MSG_WAITFORONE, None);
        match received {
            Ok(messages) => Some(messages.enumerate().fold(0, |_, (index, message)| {
                self.lengths[index] = message.bytes;
                self.from[index] = message.address;
                index + 1
            })),
            Err(Errno::EINTR | Errno::ECONNREFUSED) => Some(0),
            Err(_) => None,
        }
    }
}

fn send_back(socket: &UdpSocket) {
    let mut batch = Batch::new();
    while let Some(count) = batch.fill(socket) {
        let slices: Vec<[IoSlice<'_>; 1]> =
            (0..count).map(|index| [IoSlice::new(&batch.buffers[index][..batch.lengths[index]])]).collect();
        if !send(socket, &slices, &batch.from[..count]) {
            return;
        }
    }
}

/// Hands each datagram to `answer`, which adds what is to be sent.
pub(super) fn serve(
    socket: &UdpSocket,
    mut answer: impl FnMut(SocketAddr, &[u8], &mut Vec<(SocketAddr, Vec<u8>)>),
) {
    let mut batch = Batch::new();
    let mut out = Vec::new();
    while let Some(count) = batch.fill(socket) {
        for index in 0..count {
            let Some(from) = batch.from[index] else { continue };
            let from = SocketAddr::V4(SocketAddrV4::new(from.ip(), from.port()));
            answer(from, &batch.buffers[index][..batch.lengths[index]], &mut out);
        }
        for some in out.chunks(BATCH) {
            let slices: Vec<[IoSlice<'_>; 1]> =
                some.iter().map(|(_, datagram)| [IoSlice::new(datagram)]).collect();
            let to: Vec<Option<SockaddrIn>> = some.iter().map(|(to, _)| v4(*to)).collect();
            if !send(socket, &slices, &to) {
                return;
            }
        }
        out.clear();
    }
}

fn v4(address: SocketAddr) -> Option<SockaddrIn> {
    match address {
        SocketAddr::V4(address) => Some(address.into()),
        SocketAddr::V6(_) => None,
    }
}

/// False when the socket is of no more use.
fn send(socket: &UdpSocket, slices: &[[IoSlice<'_>; 1]], to: &[Option<SockaddrIn>]) -> bool {
    if slices.is_empty() {
        return true;
    }
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(slices.len(), None);
    let sent = sendmmsg(socket.as_raw_fd(), &mut headers, slices, to, [], MsgFlags::empty());
    !sent.is_err_and(|error| error != Errno::EINTR && error != Errno::ECONNREFUSED)
}
