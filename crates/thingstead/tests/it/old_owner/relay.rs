//! Somebody on the way between devices and a server, who passes everything on and keeps a copy.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// So long it listens on one side before it looks at the other.
const TICK: Duration = Duration::from_millis(2);

/// One datagram that passed.
#[derive(Clone)]
struct Taped {
    device: SocketAddr,
    datagram: Vec<u8>,
}

pub(super) struct Relay {
    /// Where devices take it for the server.
    pub(super) at: SocketAddr,
    front: UdpSocket,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    server: Mutex<SocketAddr>,
    /// Where the server takes it for a device, by that device.
    backs: Mutex<HashMap<SocketAddr, UdpSocket>>,
    tape: Mutex<Vec<Taped>>,
    stop: AtomicBool,
}

impl Relay {
    pub(super) fn to(server: &str) -> Self {
        let front = UdpSocket::bind("127.0.0.1:0").unwrap();
        front.set_read_timeout(Some(TICK)).unwrap();
        let shared = Arc::new(Shared {
            server: Mutex::new(server.parse().unwrap()),
            backs: Mutex::default(),
            tape: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let (listening, passing) = (front.try_clone().unwrap(), shared.clone());
        let thread = thread::spawn(move || pass_on(&listening, &passing));
        Self { at: front.local_addr().unwrap(), front, shared, thread: Some(thread) }
    }

    /// From now on devices reach another server.
    pub(super) fn lead_to(&self, server: SocketAddr) {
        *self.shared.server.lock().unwrap() = server;
        self.shared.backs.lock().unwrap().clear();
    }

    /// Sends everything that ever passed once more, both ways: to each device what it heard and what it said,
    /// to the servers what was said to them and what they said. How many datagrams that were.
    pub(super) fn replay(&self, servers: &[SocketAddr]) -> usize {
        let tape = self.shared.tape.lock().unwrap().clone();
        let backs = self.shared.backs.lock().unwrap();
        for taped in &tape {
            // What a socket of this machine does not take is as lost as any datagram.
            let _lost_or_sent = self.front.send_to(&taped.datagram, taped.device);
            for server in servers {
                if let Some(back) = backs.get(&taped.device) {
                    let _lost_or_sent = back.send_to(&taped.datagram, server);
                }
            }
        }
        tape.len()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _a_panic_was_printed = thread.join();
        }
    }
}

fn pass_on(front: &UdpSocket, shared: &Shared) {
    let mut buffer = vec![0; 65_535];
    while !shared.stop.load(Ordering::Relaxed) {
        if let Ok((length, device)) = front.recv_from(&mut buffer) {
            let datagram = buffer[..length].to_vec();
            let mut backs = shared.backs.lock().unwrap();
            let back = backs.entry(device).or_insert_with(|| {
                let back = UdpSocket::bind("127.0.0.1:0").unwrap();
                back.set_nonblocking(true).unwrap();
                back
            });
            let _lost_or_sent = back.send_to(&datagram, *shared.server.lock().unwrap());
            shared.tape.lock().unwrap().push(Taped { device, datagram });
        }
        for (device, back) in shared.backs.lock().unwrap().iter() {
            while let Ok((length, _)) = back.recv_from(&mut buffer) {
                let datagram = buffer[..length].to_vec();
                let _lost_or_sent = front.send_to(&datagram, device);
                shared.tape.lock().unwrap().push(Taped { device: *device, datagram });
            }
        }
    }
}
