//! Servers on real sockets of this machine: each a machine, a socket and a thread.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crypto::PublicKey;
use dtls_proto::Credential;
use net::now::Clock;

use super::authority::{Authority, Party};
use super::server::{Proof, Server};

const TICK: Duration = Duration::from_millis(10);

pub(super) struct Wired {
    pub(super) at: SocketAddr,
    server: Arc<Mutex<Server>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wired {
    /// A server that proves `party`'s key and wants to see `device`'s.
    pub(super) fn start(authority: &Authority, party: &Party, device: &PublicKey, run: u64) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(TICK)).unwrap();
        let at = socket.local_addr().unwrap();
        let proof = Proof::Pair { own: Credential::raw(party.key.clone()), peer: Some(device.clone()) };
        let server = Server::new(authority.provider.clone(), at, party.id, proof, run);
        let (server, stop) = (Arc::new(Mutex::new(server)), Arc::new(AtomicBool::new(false)));
        let (shared, stopped) = (server.clone(), stop.clone());
        let thread = thread::spawn(move || drive(&socket, &shared, &stopped));
        Self { at, server, stop, thread: Some(thread) }
    }

    pub(super) fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap()
    }

    pub(super) fn port(&self) -> u16 {
        self.at.port()
    }
}

impl Drop for Wired {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _a_panic_was_printed = thread.join();
        }
    }
}

fn drive(socket: &UdpSocket, server: &Mutex<Server>, stop: &AtomicBool) {
    let clock = Clock::start();
    let mut buffer = vec![0; 65_535];
    while !stop.load(Ordering::Relaxed) {
        let received = socket.recv_from(&mut buffer);
        let mut server = server.lock().unwrap();
        match received {
            Ok((length, from)) => server.receive(from, &buffer[..length], clock.now()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            // as by an ICMP message: the device was switched off
            Err(_) => {}
        }
        server.expire(clock.now());
        while let Some((to, datagram)) = server.out.pop_front() {
            let _lost_or_sent = socket.send_to(&datagram, to);
        }
    }
}
