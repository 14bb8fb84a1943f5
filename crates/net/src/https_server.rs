//! An HTTPS server around a router: limits outside, values inside.
//!
//! ```text
//! accept -> place (limits) -> TLS handshake (time) -> request head (time, size) -> body (size) -> router (time)
//! ```
//!
//! Each request carries a [`TlsPeer`] in its extensions. What a peer can make grow is bounded: connections in
//! all and per source, one head buffer and one body per connection, and the time of each step. A peer that
//! breaks a limit loses its connection, others notice nothing.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::Service;

use crate::admission::{Admission, Full, Place};
use crate::shutdown::Shutdown;
use crate::stall::NoStall;
use crate::tls::TlsPeer;

/// The HTTP library keeps no smaller buffer.
const HEAD_SIZE_FLOOR: usize = 8192;

/// More header fields than this are refused with 431.
const HEADER_COUNT_MAX: usize = 64;

/// So much of a body that is too long is read and thrown away, since closing on unread bytes can destroy the
/// answer on its way; a longer one loses the answer.
const DISCARD_MAX: usize = 1 << 20;

/// How long accepting rests after the operating system had no descriptor or memory left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What one listener grants its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections in all; the newest over it is closed.
    pub connection_count_max: usize,
    /// Open connections from one IPv4 address or one IPv6 network of 64 bits; likewise.
    pub connection_count_per_source_max: usize,
    /// From accept to the end of the TLS handshake.
    pub handshake_time_max: Duration,
    /// For one request head, and between two requests of one connection.
    pub head_time_max: Duration,
    /// Bytes of a request head, at least 8192; over it 431.
    pub head_size_max: usize,
    /// Bytes of a request body; over it 413.
    pub body_size_max: usize,
    /// For body and answer together: 408 while the body is still coming, else 503.
    pub call_time_max: Duration,
    /// The same for calls that wait for something to happen and say so: see [`Patience`].
    pub patient_time_max: Duration,
    /// For the peer to read something of an answer.
    pub stall_time_max: Duration,
    /// For calls in flight to end after shutdown was requested.
    pub drain_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connection_count_max: 1024,
            connection_count_per_source_max: 64,
            handshake_time_max: Duration::from_secs(10),
            head_time_max: Duration::from_secs(15),
            head_size_max: 16 * 1024,
            body_size_max: 64 * 1024,
            call_time_max: Duration::from_secs(30),
            patient_time_max: Duration::from_secs(60 * 60),
            stall_time_max: Duration::from_secs(15),
            drain_time_max: Duration::from_secs(10),
        }
    }
}

/// In the extensions of each request: how its handler asks for more time.
///
/// A call that waits for something to happen has no end that could be foretold. Such a handler asks once it
/// knows that its caller may wait; the call then has [`Limits::patient_time_max`] beyond the usual time. It is
/// dropped when its connection ends.
#[derive(Clone, Debug, Default)]
pub struct Patience(Arc<AtomicBool>);

impl Patience {
    /// Asks for more time.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a server saw until it stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections that were let in.
    pub admitted: u64,
    /// Connections turned away because too many were open in all.
    pub refused_in_all: u64,
    /// Connections turned away because too many were open from their source.
    pub refused_for_source: u64,
    /// Handshakes that failed: no TLS, no common version, no or a wrong certificate.
    pub handshakes_failed: u64,
    /// Handshakes that took too long.
    pub handshakes_late: u64,
    /// Connections that ended in order.
    pub ended_well: u64,
    /// Connections that broke or were broken off by a limit.
    pub broken: u64,
    /// Connections whose task panicked.
    pub panicked: u64,
    /// Connections cut because they did not end within the drain time.
    pub cut_at_shutdown: u64,
    /// Failures of the operating system to accept.
    pub accept_failed: u64,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Well,
    HandshakeFailed,
    HandshakeLate,
    Broken,
}

struct Server {
    acceptor: TlsAcceptor,
    router: Router,
    limits: Limits,
    shutdown: Shutdown,
}

/// Serves `router` over TLS on `listener` until shutdown, then lets calls in flight end.
///
/// The router sees bodies up to the limit, whatever its own default; each request has a [`TlsPeer`] in its
/// extensions.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    limits: Limits,
    shutdown: Shutdown,
) -> Tally {
    let router = router.layer(DefaultBodyLimit::disable());
    let server = Arc::new(Server { acceptor: TlsAcceptor::from(tls), router, limits, shutdown });
    let admission = Admission::new(limits.connection_count_max, limits.connection_count_per_source_max);
    let mut connections = JoinSet::new();
    let mut tally = Tally::default();
    loop {
        tokio::select! {
            () = server.shutdown.requested() => break,
            Some(ended) = connections.join_next() => tally.count(ended),
            accepted = listener.accept() => match accepted {
                Ok((socket, address)) => match admission.enter(address.ip()) {
                    Ok(place) => {
                        tally.admitted += 1;
                        // An answer is a few small writes: held back for more, each waits for a delayed
                        // acknowledgement.
                        if let Err(error) = socket.set_nodelay(true) {
                            tracing::debug!(%error, "small writes may wait");
                        }
                        connections.spawn(Arc::clone(&server).connection(socket, address, place));
                    }
                    Err(Full::InAll) => tally.refused_in_all += 1,
                    Err(Full::ForSource) => tally.refused_for_source += 1,
                },
                Err(error) => {
                    tally.accept_failed += 1;
                    tracing::warn!(kind = ?error.kind(), "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    tally.drain(connections, limits.drain_time_max).await;
    tally
}

impl Tally {
    fn count(&mut self, ended: Result<Ending, JoinError>) {
        match ended {
            Ok(Ending::Well) => self.ended_well += 1,
            Ok(Ending::HandshakeFailed) => self.handshakes_failed += 1,
            Ok(Ending::HandshakeLate) => self.handshakes_late += 1,
            Ok(Ending::Broken) => self.broken += 1,
            Err(error) if error.is_cancelled() => self.cut_at_shutdown += 1,
            Err(_) => {
                self.panicked += 1;
                tracing::error!("a call panicked; its connection is closed");
            }
        }
    }

    async fn drain(&mut self, mut connections: JoinSet<Ending>, within: Duration) {
        let all_ended = async {
            while let Some(ended) = connections.join_next().await {
                self.count(ended);
            }
        };
        if timeout(within, all_ended).await.is_err() {
            connections.abort_all();
            while let Some(ended) = connections.join_next().await {
                self.count(ended);
            }
        }
    }
}

impl Server {
    async fn connection(self: Arc<Self>, socket: TcpStream, address: SocketAddr, _place: Place) -> Ending {
        let handshake = timeout(self.limits.handshake_time_max, self.acceptor.accept(socket));
        let stream = tokio::select! {
            () = self.shutdown.requested() => return Ending::Well,
            outcome = handshake => match outcome {
                Err(_late) => return Ending::HandshakeLate,
                Ok(Err(error)) => {
                    tracing::debug!(%address, %error, "TLS handshake failed");
                    return Ending::HandshakeFailed;
                }
                Ok(Ok(stream)) => stream,
            },
        };
        let peer = peer_of(&stream, address);
        let io = TokioIo::new(NoStall::new(stream, self.limits.stall_time_max));
        let service = service_fn(|request| self.answer(request, peer.clone()));
        let serving = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_time_max)
            .max_buf_size(self.limits.head_size_max.max(HEAD_SIZE_FLOOR))
            .max_headers(HEADER_COUNT_MAX)
            .serve_connection(io, service);
        let mut serving = pin!(serving);
        let outcome = tokio::select! {
            outcome = serving.as_mut() => outcome,
            () = self.shutdown.requested() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        match outcome {
            Ok(()) => Ending::Well,
            Err(error) => {
                tracing::debug!(%address, %error, "connection broken");
                Ending::Broken
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: TlsPeer) -> Result<Response, Infallible> {
        let (parts, body) = request.into_parts();
        if body.size_hint().lower() > self.limits.body_size_max as u64 {
            discard(body, self.limits.head_time_max).await;
            return Ok(closing(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let arrived = Arc::new(AtomicBool::new(body.is_end_stream()));
        let body = Arriving { body, arrived: Arc::clone(&arrived) };
        let body = Body::new(Limited::new(body, self.limits.body_size_max));
        let mut request = Request::from_parts(parts, body);
        request.extensions_mut().insert(peer);
        let patience = Patience::default();
        request.extensions_mut().insert(patience.clone());
        let mut call = pin!(self.router.clone().call(request));
        let mut answered = timeout(self.limits.call_time_max, call.as_mut()).await;
        if answered.is_err() && patience.is_asked() {
            answered = timeout(self.limits.patient_time_max, call).await;
        }
        match answered {
            Ok(answer) => answer,
            Err(_late) if arrived.load(Ordering::Relaxed) => Ok(closing(StatusCode::SERVICE_UNAVAILABLE)),
            Err(_late) => Ok(closing(StatusCode::REQUEST_TIMEOUT)),
        }
    }
}

fn peer_of(stream: &TlsStream<TcpStream>, address: SocketAddr) -> TlsPeer {
    let chain = stream.get_ref().1.peer_certificates();
    TlsPeer { address, leaf: chain.and_then(|chain| chain.first()).map(|leaf| Arc::from(leaf.as_ref())) }
}

/// An answer after which the connection closes: what the peer still sends is not another request.
fn closing(status: StatusCode) -> Response {
    let mut answer = status.into_response();
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Reads what is left of a body, up to [`DISCARD_MAX`], in the time that a head may take.
async fn discard(body: Incoming, within: Duration) {
    let mut body = Limited::new(body, DISCARD_MAX);
    let reading = async { while let Some(Ok(_)) = body.frame().await {} };
    // Late or not, the answer is the same.
    let _late = timeout(within, reading).await.is_err();
}

/// A body that says when all of it has arrived.
struct Arriving {
    body: Incoming,
    arrived: Arc<AtomicBool>,
}

impl fmt::Debug for Arriving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Arriving(..)")
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.arrived.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
