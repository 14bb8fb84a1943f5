//! An endpoint on a UDP socket: addresses become peers, the run loop drives the endpoint.

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use clock::{Dice, Moment};
use coap_proto::{Config, Endpoint, Output, PathLimits, PeerId};

/// A socket, an endpoint, and the addresses of its peers.
pub(crate) struct Driver {
    pub(crate) endpoint: Endpoint,
    socket: UdpSocket,
    started: Instant,
    peers: HashMap<SocketAddr, PeerId>,
    addresses: HashMap<PeerId, SocketAddr>,
}

impl Driver {
    pub(crate) fn bind(address: &str, config: Config) -> io::Result<Self> {
        let mut seed = [0; 32];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut seed)?;
        Ok(Self {
            endpoint: Endpoint::new(config, Dice::new(seed)),
            socket: UdpSocket::bind(address)?,
            started: Instant::now(),
            peers: HashMap::new(),
            addresses: HashMap::new(),
        })
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::START + self.started.elapsed()
    }

    /// The peer at `address`, made known if need be.
    pub(crate) fn peer(&mut self, address: SocketAddr) -> Option<PeerId> {
        if let Some(peer) = self.peers.get(&address) {
            return Some(*peer);
        }
        let peer = PeerId(self.peers.len() as u64 + 1);
        self.endpoint.connect(peer, PathLimits::UDP).ok()?;
        self.peers.insert(address, peer);
        self.addresses.insert(peer, address);
        Some(peer)
    }

    /// The next effect that is not a datagram, or `None` when `until` has come.
    pub(crate) fn next(&mut self, until: Moment) -> io::Result<Option<Output>> {
        let mut buffer = [0; 2048];
        loop {
            while let Some(output) = self.endpoint.next_output() {
                match output {
                    Output::Transmit { peer, datagram } => self.transmit(peer, &datagram),
                    other => return Ok(Some(other)),
                }
            }
            let now = self.now();
            if now >= until {
                return Ok(None);
            }
            let wake = self.endpoint.next_deadline().map_or(until, |due| due.min(until));
            if wake <= now {
                self.endpoint.expire(now);
                continue;
            }
            self.socket.set_read_timeout(Some((wake - now).max(Duration::from_millis(1))))?;
            match self.socket.recv_from(&mut buffer) {
                Ok((size, address)) => {
                    let now = self.now();
                    if let Some(peer) = self.peer(address) {
                        self.endpoint.receive(peer, &buffer[..size], now);
                    }
                }
                Err(error) if is_quiet(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A datagram that cannot be sent is a lost one.
    fn transmit(&self, peer: PeerId, datagram: &[u8]) {
        let Some(address) = self.addresses.get(&peer) else { return };
        if let Err(error) = self.socket.send_to(datagram, address) {
            eprintln!("coap_udp: to {address}: {error}");
        }
    }
}

/// Whether the error only says that nothing came, or that an earlier datagram found nobody.
fn is_quiet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock
            | io::ErrorKind::TimedOut
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
