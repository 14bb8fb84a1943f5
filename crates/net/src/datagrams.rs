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
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { room: vec![0; BATCH_COUNT_MAX * SLOT_LENGTH], arrived: Vec::new(), wanted: 1 }
    }

    /// Takes what is there, in its order; gives how many.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing is, and what the operating system says.
    pub(crate) fn fill(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.arrived.clear();
        let slots = self.room.chunks_exact_mut(SLOT_LENGTH).take(self.wanted);
        call::receive(socket, slots, &mut self.arrived)?;
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

    use std::io::{self, IoSlice, IoSliceMut};
    use std::net::SocketAddr;
    use std::os::fd::AsRawFd as _;

    use nix::sys::socket::{
        MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, SockaddrStorage, recvmmsg, sendmmsg,
    };
    use tokio::io::Interest;
    use tokio::net::UdpSocket;

    use crate::udp::Transmit;

    pub(super) fn receive<'a>(
        socket: &UdpSocket,
        slots: impl Iterator<Item = &'a mut [u8]>,
        arrived: &mut Vec<(SocketAddr, usize)>,
    ) -> io::Result<()> {
        let mut slots: Vec<[IoSliceMut<'_>; 1]> = slots.map(|slot| [IoSliceMut::new(slot)]).collect();
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(slots.len(), None);
        socket.try_io(Interest::READABLE, || {
            let flags = MsgFlags::MSG_DONTWAIT;
            let messages = recvmmsg(socket.as_raw_fd(), &mut headers, slots.iter_mut(), flags, None)?;
            for message in messages {
                let from = message.address.as_ref().and_then(address);
                // A sender without an address cannot be answered; its slot keeps the numbers right.
                arrived.push(from.map_or_else(nowhere, |from| (from, message.bytes)));
            }
            Ok(())
        })
    }

    fn nowhere() -> (SocketAddr, usize) {
        (SocketAddr::from(([0, 0, 0, 0], 0)), 0)
    }

    fn address(from: &SockaddrStorage) -> Option<SocketAddr> {
        if let Some(from) = from.as_sockaddr_in() {
            return Some(SocketAddr::from((from.ip(), from.port())));
        }
        let from = from.as_sockaddr_in6()?;
        Some(std::net::SocketAddrV6::new(from.ip(), from.port(), from.flowinfo(), from.scope_id()).into())
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
        let to: Vec<Option<S>> =
            transmits.iter().map(|transmit| kind(transmit.to)).take_while(Option::is_some).collect();
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
