//! Accepting: place, first byte, handshake.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clock::Moment;
use rustls::{ServerConfig, ServerConnection};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::{Arrival, Security, StreamLimits};
use crate::admission::{Admission, Full, Place};
use crate::now::Clock;

/// How long accepting rests after the operating system had no descriptor or memory left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The first byte of a TLS connection: a record of its handshake.
const HANDSHAKE: u8 = 0x16;

/// What a listener takes.
#[derive(Clone, Debug)]
pub enum DoorMode {
    /// Bytes as they are.
    Plain,
    /// TLS alone.
    Tls(Arc<ServerConfig>),
    /// TLS where a connection begins with `16`, else bytes as they are.
    /// Source: OSAP secure profile section 2.
    ByFirstByte(Arc<ServerConfig>),
}

/// One listener of a driver.
#[derive(Debug)]
pub struct Door {
    /// The bound socket.
    pub listener: TcpListener,
    /// What it takes.
    pub mode: DoorMode,
}

/// A connection that the driver may take over.
pub(super) struct Newcomer {
    pub(super) socket: TcpStream,
    pub(super) tls: Option<Box<ServerConnection>>,
    pub(super) arrival: Arrival,
    pub(super) place: Place,
}

/// What the doors counted.
#[derive(Debug, Default)]
pub(super) struct DoorCounts {
    pub(super) refused_in_all: AtomicU64,
    pub(super) refused_for_source: AtomicU64,
    pub(super) silent: AtomicU64,
    pub(super) handshakes_failed: AtomicU64,
    pub(super) accept_failed: AtomicU64,
}

/// What all doors of a driver share.
#[derive(Clone)]
pub(super) struct Porch {
    pub(super) limits: StreamLimits,
    pub(super) admission: Admission,
    pub(super) newcomers: Sender<Newcomer>,
    pub(super) counts: Arc<DoorCounts>,
    pub(super) clock: Clock,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Accepts until it is aborted, and with it every handshake on the way.
pub(super) async fn keep(door: Door, number: usize, porch: Porch) {
    let mut openings = JoinSet::new();
    loop {
        tokio::select! {
            Some(_ended) = openings.join_next() => {}
            accepted = door.listener.accept() => match accepted {
                Ok((socket, from)) => match porch.admission.enter(from.ip()) {
                    Ok(place) => {
                        let accepted = porch.clock.now().moment;
                        let entry = Entry { socket, from, accepted, place, door: number };
                        openings.spawn(porch.clone().open(entry, door.mode.clone()));
                    }
                    Err(Full::InAll) => count(&porch.counts.refused_in_all),
                    Err(Full::ForSource) => count(&porch.counts.refused_for_source),
                },
                Err(error) => {
                    count(&porch.counts.accept_failed);
                    tracing::warn!(kind = ?error.kind(), "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

struct Entry {
    socket: TcpStream,
    from: SocketAddr,
    accepted: Moment,
    place: Place,
    door: usize,
}

impl Porch {
    async fn open(self, entry: Entry, mode: DoorMode) {
        let Entry { socket, from, accepted, place, door } = entry;
        // Answers are small writes: held back for more, each waits for a delayed acknowledgement.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "small writes may wait");
        }
        let Some(first) = self.first_byte(&socket).await else { return count(&self.counts.silent) };
        let tls = match mode {
            DoorMode::Plain => None,
            DoorMode::Tls(config) => Some(config),
            DoorMode::ByFirstByte(config) => (first == HANDSHAKE).then_some(config),
        };
        let newcomer = match tls {
            None => {
                let arrival = Arrival { from, security: Security::Plain, accepted, door };
                Newcomer { socket, tls: None, arrival, place }
            }
            Some(config) => match self.handshake(socket, config, accepted).await {
                Ok((socket, tls, security)) => {
                    let arrival = Arrival { from, security, accepted, door };
                    Newcomer { socket, tls: Some(tls), arrival, place }
                }
                Err(error) => {
                    tracing::debug!(%from, %error, "TLS handshake failed");
                    return count(&self.counts.handshakes_failed);
                }
            },
        };
        // A driver that is gone takes nobody.
        self.newcomers.send(newcomer).await.ok();
    }

    async fn first_byte(&self, socket: &TcpStream) -> Option<u8> {
        let mut byte = [0];
        match timeout(self.limits.first_byte_time_max, socket.peek(&mut byte)).await {
            Ok(Ok(1)) => Some(byte[0]),
            Ok(Ok(_) | Err(_)) | Err(_) => None,
        }
    }

    async fn handshake(
        &self,
        socket: TcpStream,
        config: Arc<ServerConfig>,
        accepted: Moment,
    ) -> io::Result<(TcpStream, Box<ServerConnection>, Security)> {
        let until = self.clock.instant_of(accepted + self.limits.handshake_time_max);
        let accepting = TlsAcceptor::from(config).accept(socket);
        let stream =
            tokio::time::timeout_at(until, accepting).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let (socket, mut tls) = stream.into_inner();
        let exporter = tls
            .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None)
            .map_err(|error| io::Error::other(error.to_string()))?;
        let leaf = tls.peer_certificates().and_then(|chain| chain.first());
        let client_certificate = leaf.map(|leaf| leaf.as_ref().to_vec());
        // What waits for the peer is counted before it is sealed.
        tls.set_buffer_limit(None);
        Ok((socket, Box::new(tls), Security::Tls { exporter, client_certificate }))
    }
}
