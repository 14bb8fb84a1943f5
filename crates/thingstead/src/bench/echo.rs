//! The least that a UDP server can do: the reference for what a protocol costs.

use std::io::{IoSlice, IoSliceMut};
use std::net::UdpSocket;
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
    std::thread::spawn(move || serve(&socket));
    answer_questions()
}

fn serve(socket: &UdpSocket) {
    let mut buffers = vec![[0_u8; LENGTH_MAX]; BATCH];
    loop {
        let mut lengths = [0_usize; BATCH];
        let mut from: [Option<SockaddrIn>; BATCH] = [None; BATCH];
        let count = {
            let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
            let mut slices: Vec<[IoSliceMut<'_>; 1]> =
                buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
            let received =
                recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), MsgFlags::MSG_WAITFORONE, None);
            match received {
                Ok(messages) => messages.enumerate().fold(0, |_, (index, message)| {
                    lengths[index] = message.bytes;
                    from[index] = message.address;
                    index + 1
                }),
                Err(Errno::EINTR | Errno::ECONNREFUSED) => 0,
                Err(_) => return,
            }
        };
        let slices: Vec<[IoSlice<'_>; 1]> =
            (0..count).map(|index| [IoSlice::new(&buffers[index][..lengths[index]])]).collect();
        let mut headers = MultiHeaders::<SockaddrIn>::preallocate(count, None);
        if count > 0 {
            let sent =
                sendmmsg(socket.as_raw_fd(), &mut headers, &slices, &from[..count], [], MsgFlags::empty());
            if sent.is_err_and(|error| error != Errno::EINTR && error != Errno::ECONNREFUSED) {
                return;
            }
        }
    }
}
