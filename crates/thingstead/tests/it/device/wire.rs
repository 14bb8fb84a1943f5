//! Servers on real sockets of this machine: each a machine, a socket and a thread.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use coap_proto::Request;
use crypto::{Provider, PublicKey};
use dtls_proto::{ClientSetup, Credential};
use model::KeyId;
use net::now::Clock;

use super::authority::{Authority, Party};
use super::server::{Proof, Server};

const TICK: Duration = Duration::from_millis(10);

pub(crate) struct Wired {
    pub(crate) at: SocketAddr,
    server: Arc<Mutex<Server>>,
    stop: Arc<AtomicBool>,
    clock: Clock,
    thread: Option<JoinHandle<()>>,
}

impl Wired {
    /// A server that proves `party`'s key and wants to see `device`'s.
    pub(in crate::device) fn start(
        authority: &Authority,
        party: &Party,
        device: &PublicKey,
        run: u64,
    ) -> Self {
        let proof = Proof::Pair { own: Credential::raw(party.key.clone()), peer: Some(device.clone()) };
        Self::of(authority.provider.clone(), party.id, proof, run)
    }

    /// A server of this name that proves itself so.
    pub(crate) fn of(provider: Arc<dyn Provider>, name: KeyId, proof: Proof, run: u64) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(TICK)).unwrap();
        let at = socket.local_addr().unwrap();
        let (server, clock) = (Server::new(provider, at, name, proof, run), Clock::start());
        let (server, stop) = (Arc::new(Mutex::new(server)), Arc::new(AtomicBool::new(false)));
        let (shared, stopped) = (server.clone(), stop.clone());
        let thread = thread::spawn(move || drive(&socket, &shared, clock, &stopped));
        Self { at, server, stop, clock, thread: Some(thread) }
    }

    /// Calls a peer as a client.
    pub(crate) fn call(&self, to: SocketAddr, setup: ClientSetup) {
        self.server().machine.connect(to, setup, self.clock.now()).unwrap();
    }

    /// Asks the newest peer.
    pub(crate) fn ask(&self, request: Request) {
        let _number = self.server().ask(request, self.clock.now());
    }

    pub(crate) fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
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

fn drive(socket: &UdpSocket, server: &Mutex<Server>, clock: Clock, stop: &AtomicBool) {
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
