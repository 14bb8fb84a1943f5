//! Many datagrams with one call of the operating system, where it has one.

use std::io;
use std::net::SocketAddr;

use tokio::net::UdpSocket;

use crate::udp::Transmit;

/// No UDP payload is longer.
const DATAGRAM_LENGTH_MAX: usize = 65_535;
/// Datagrams that one call takes or gives at most.
pub(crate) const BATCH_COUNT_MAX: usize = 64;
/// From one slot to the next: not a power of two, or the beginnings of all datagrams, which are all that most
/// have, would meet in the same few lines of the processor's caches.
const SLOT_LENGTH: usize = DATAGRAM_LENGTH_MAX + 1 + 33 * 64;

/// Room for datagrams that arrive together.
pub(crate) struct Inbox {
    /// One slot of [`SLOT_LENGTH`] bytes for each; pages that no datagram reaches stay untouched.
    room: Vec<u8>,
    arrived: Vec<(SocketAddr, usize)>,
    /// How many to ask for: few while few come.
    wanted: usize,
    /// Whether senders have addresses of IPv4, once the socket was asked.
    is_v4: Option<bool>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { room: vec![0; BATCH_COUNT_MAX * SLOT_LENGTH], arrived: Vec::new(), wanted: 1, is_v4: None }
    }

    /// Takes what is there, in its order; gives how many.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing is, and what the operating system says.
    pub(crate) fn fill(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.arrived.clear();
        let is_v4 = match self.is_v4 {
            Some(is_v4) => is_v4,
            None => *self.is_v4.insert(socket.local_addr()?.is_ipv4()),
        };
        let slots = self.room.chunks_exact_mut(SLOT_LENGTH).take(self.wanted);
        call::receive(socket, is_v4, slots, &mut self.arrived)?;
        self.wanted = (2 * self.arrived.len()).clamp(1, BATCH_COUNT_MAX);
        Ok(self.arrived.len())
    }

    /// The datagram with this number, of those that [`Inbox::fill`] took.
    pub(crate) fn datagram(&self, number: usize) -> Option<(SocketAddr, &[u8])> {
        let (from, length) = *self.arrived.get(number)?;
        let begin = number * SLOT_LENGTH;
        Some((from, self.room.get(begin..begin + length)?))
    }
}

/// Gives datagrams to the operating system, in their order, as many as it takes now; gives how many.
///
/// # Errors
/// What it says to the first one; [`io::ErrorKind::WouldBlock`] when its buffer is full.
pub(crate) fn send(socket: &UdpSocket, transmits: &[Transmit]) -> io::Result<usize> {
    match transmits {
        [] => Ok(0),
        [one] => socket.try_send_to(&one.datagram, one.to).map(|_| 1),
        many => call::send(socket, &many[..many.len().min(BATCH_COUNT_MAX)]),
    }
}

#[cfg(target_os = "linux")]
mod call {
    //! `recvmmsg` and `sendmmsg`.

    use std::cell::RefCell;
    use std::io::{self, IoSlice, IoSliceMut};
    use std::net::{SocketAddr, SocketAddrV6};
    use std::os::fd::AsRawFd as _;

    use nix::sys::socket::{
        MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, recvmmsg, sendmmsg,
    };
    use tokio::io::Interest;
    use tokio::net::UdpSocket;

    use super::BATCH_COUNT_MAX;
    use crate::udp::Transmit;

    // For receiving, made once a thread: pieces of this size, made anew for each call, have the allocator tidy up all
    // small ones. One for each kind of address, since the length of an address stays as the call before left it; and
    // never for sending, which has the headers point elsewhere.
    thread_local! {
        static V4: RefCell<MultiHeaders<SockaddrIn>> = headers();
        static V6: RefCell<MultiHeaders<SockaddrIn6>> = headers();
    }

    fn headers<S: Copy + SockaddrLike>() -> RefCell<MultiHeaders<S>> {
        RefCell::new(MultiHeaders::preallocate(BATCH_COUNT_MAX, None))
    }

    pub(super) fn receive<'a>(
        socket: &UdpSocket,
        is_v4: bool,
        slots: impl Iterator<Item = &'a mut [u8]>,
        arrived: &mut Vec<(SocketAddr, usize)>,
    ) -> io::Result<()> {
        if is_v4 {
            let address = |from: SockaddrIn| SocketAddr::from((from.ip(), from.port()));
            return V4.with_borrow_mut(|headers| receive_of(socket, headers, slots, arrived, address));
        }
        let address = |from: SockaddrIn6| {
            SocketAddrV6::new(from.ip(), from.port(), from.flowinfo(), from.scope_id()).into()
        };
        V6.with_borrow_mut(|headers| receive_of(socket, headers, slots, arrived, address))
    }

    fn receive_of<'a, S: Copy + SockaddrLike>(
        socket: &UdpSocket,
        headers: &mut MultiHeaders<S>,
        slots: impl Iterator<Item = &'a mut [u8]>,
        arrived: &mut Vec<(SocketAddr, usize)>,
        address: impl Fn(S) -> SocketAddr,
    ) -> io::Result<()> {
        let mut slots: Vec<[IoSliceMut<'_>; 1]> = slots.map(|slot| [IoSliceMut::new(slot)]).collect();
        socket.try_io(Interest::READABLE, || {
            let flags = MsgFlags::MSG_DONTWAIT;
            let messages = recvmmsg(socket.as_raw_fd(), headers, slots.iter_mut(), flags, None)?;
            for message in messages {
                // A sender without an address cannot be answered; its slot keeps the numbers right.
                arrived.push(message.address.map_or_else(nowhere, |from| (address(from), message.bytes)));
            }
            Ok(())
        })
    }

    fn nowhere() -> (SocketAddr, usize) {
        (SocketAddr::from(([0, 0, 0, 0], 0)), 0)
    }

    pub(super) fn send(socket: &UdpSocket, transmits: &[Transmit]) -> io::Result<usize> {
        match transmits.first().map(|first| first.to) {
            None => Ok(0),
            Some(SocketAddr::V4(_)) => send_to(socket, transmits, |to| match to {
                SocketAddr::V4(to) => Some(SockaddrIn::from(to)),
                SocketAddr::V6(_) => None,
            }),
            Some(SocketAddr::V6(_)) => send_to(socket, transmits, |to| match to {
                SocketAddr::V6(to) => Some(SockaddrIn6::from(to)),
                SocketAddr::V4(_) => None,
            }),
        }
    }

    /// Sends the first ones, as far as they go to addresses of one kind.
    fn send_to<S: Copy + SockaddrLike>(
        socket: &UdpSocket,
        transmits: &[Transmit],
        kind: impl Fn(SocketAddr) -> Option<S>,
    ) -> io::Result<usize> {
        let mut to = Vec::with_capacity(transmits.len());
        to.extend(transmits.iter().map(|transmit| kind(transmit.to)).take_while(Option::is_some));
        let slices: Vec<[IoSlice<'_>; 1]> =
            transmits[..to.len()].iter().map(|transmit| [IoSlice::new(&transmit.datagram)]).collect();
        let mut headers = MultiHeaders::<S>::preallocate(to.len(), None);
        socket.try_io(Interest::WRITABLE, || {
            let flags = MsgFlags::MSG_DONTWAIT;
            Ok(sendmmsg(socket.as_raw_fd(), &mut headers, &slices, &to, [], flags)?.count())
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod call {
    //! One datagram a call.

    use std::io;
    use std::net::SocketAddr;

    use tokio::net::UdpSocket;

    use crate::udp::Transmit;

    pub(super) fn receive<'a>(
        socket: &UdpSocket,
        _is_v4: bool,
        slots: impl Iterator<Item = &'a mut [u8]>,
        arrived: &mut Vec<(SocketAddr, usize)>,
    ) -> io::Result<()> {
        for slot in slots {
            match socket.try_recv_from(slot) {
                Ok((length, from)) => arrived.push((from, length)),
                Err(error) if arrived.is_empty() => return Err(error),
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    pub(super) fn send(socket: &UdpSocket, transmits: &[Transmit]) -> io::Result<usize> {
        for (count, transmit) in transmits.iter().enumerate() {
            match socket.try_send_to(&transmit.datagram, transmit.to) {
                Ok(_) => {}
                Err(error) if count == 0 => return Err(error),
                Err(_) => return Ok(count),
            }
        }
        Ok(transmits.len())
    }
}
