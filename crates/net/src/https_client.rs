//! A small HTTPS client: one call, one connection, every step bounded; or one connection for many calls.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::{AlertDescription, ClientConfig};
use rustls_pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::stream_client;
use crate::tls::{TlsIdentity, TlsSetupError, client_config};

/// What a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// For all of it: name, connection, handshake, request, answer.
    pub time_max: Duration,
    /// Bytes of the answer's body.
    pub body_size_max: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { time_max: Duration::from_secs(30), body_size_max: 256 * 1024 }
    }
}

/// Where a server is, and under which name it proves itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// A host name or an address (IPv6 without brackets).
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Text that is not `host:port`, nor `[address]:port` for IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadEndpoint;

impl fmt::Display for BadEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not of the form host:port")
    }
}

impl Error for BadEndpoint {}

impl FromStr for Endpoint {
    type Err = BadEndpoint;

    fn from_str(text: &str) -> Result<Self, BadEndpoint> {
        let (host, port) = text.rsplit_once(':').ok_or(BadEndpoint)?;
        let port = port.parse().map_err(|_| BadEndpoint)?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().map_err(|_| BadEndpoint)?.to_string(),
            None => host.to_owned(),
        };
        let bare_v6 = host.contains(':') && !text.starts_with('[');
        if bare_v6 || ServerName::try_from(host.as_str()).is_err() {
            return Err(BadEndpoint);
        }
        Ok(Self { host, port })
    }
}

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The host is neither a name nor an address.
    BadHost,
    /// No connection came about.
    Unreachable(io::ErrorKind),
    /// The server's certificate is not one of this host under the trusted roots.
    UntrustedServer,
    /// The server refuses our certificate, or asks for one that we do not have.
    CertificateRefused,
    /// The TLS handshake failed otherwise.
    Handshake,
    /// The time was over.
    Late {
        /// Whether the request had begun to leave.
        sent: bool,
    },
    /// The connection broke, or what came back is no HTTP.
    Broken,
    /// The body of the answer is over the limit.
    AnswerTooLong,
}

impl CallError {
    /// Whether the server may have acted on the request; then only a repeatable one may be sent again.
    #[must_use]
    pub const fn outcome_is_unknown(self) -> bool {
        match self {
            Self::BadHost
            | Self::Unreachable(_)
            | Self::UntrustedServer
            | Self::CertificateRefused
            | Self::Handshake => false,
            Self::Late { sent } => sent,
            Self::Broken | Self::AnswerTooLong => true,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadHost => f.write_str("the host is neither a name nor an address"),
            Self::Unreachable(kind) => write!(f, "no connection: {kind}"),
            Self::UntrustedServer => f.write_str("the server is not the one it should be"),
            Self::CertificateRefused => f.write_str("the server refuses our certificate"),
            Self::Handshake => f.write_str("the TLS handshake failed"),
            Self::Late { .. } => f.write_str("no answer in time"),
            Self::Broken => f.write_str("the connection broke"),
            Self::AnswerTooLong => f.write_str("the answer is too long"),
        }
    }
}

impl Error for CallError {}

/// Calls servers under given roots, with or without a certificate of ours.
#[derive(Clone)]
pub struct Client {
    connector: TlsConnector,
    limits: CallLimits,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Client {
    /// A client that trusts servers under `roots` (DER) and shows `identity` where asked for one.
    ///
    /// # Errors
    /// [`TlsSetupError::Roots`], [`TlsSetupError::Library`].
    pub fn new(
        roots: &[Vec<u8>],
        identity: Option<&TlsIdentity>,
        limits: CallLimits,
    ) -> Result<Self, TlsSetupError> {
        let config: Arc<ClientConfig> = client_config(roots, identity)?;
        Ok(Self { connector: TlsConnector::from(config), limits })
    }

    /// A client of a server that is known by its key (SHA-256 of its SubjectPublicKeyInfo): names and issuers do not
    /// count. TLS 1.3 alone.
    ///
    /// # Errors
    /// [`TlsSetupError::Library`].
    pub fn by_key(key: [u8; 32], limits: CallLimits) -> Result<Self, TlsSetupError> {
        let mut config = stream_client::client_config(Some(key), None)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), limits })
    }

    /// Sends one request and reads the whole answer. The URI of `request` is a path with an optional query;
    /// `Host` and `Connection` are written here.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(
        &self,
        endpoint: &Endpoint,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, CallError> {
        let deadline = Instant::now() + self.limits.time_max;
        let stream = timeout_at(deadline, self.connect(endpoint));
        let stream = stream.await.map_err(|_| CallError::Late { sent: false })??;
        let exchange = exchange(stream, endpoint, request, self.limits.body_size_max);
        timeout_at(deadline, exchange).await.map_err(|_| CallError::Late { sent: true })?
    }

    /// Opens a connection for many calls, from this address of ours if one is given (IPv4).
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn open(&self, endpoint: &Endpoint, from: Option<Ipv4Addr>) -> Result<Connection, CallError> {
        let opening = async {
            let socket = match from {
                None => TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await,
                Some(from) => connect_from(from, endpoint).await,
            };
            let stream = self.secure(endpoint, socket).await?;
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))
        };
        let deadline = Instant::now() + self.limits.time_max;
        let opened = timeout_at(deadline, opening).await;
        let (sender, connection) = opened.map_err(|_| CallError::Late { sent: false })??;
        // How it ends shows in the call that it breaks.
        let driver =
            AbortOnDrop(tokio::spawn(async move { connection.await.map_err(|error| broken(&error)) }));
        Ok(Connection { sender, driver, endpoint: endpoint.clone(), limits: self.limits })
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<TlsStream<TcpStream>, CallError> {
        self.secure(endpoint, TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await).await
    }

    async fn secure(
        &self,
        endpoint: &Endpoint,
        socket: io::Result<TcpStream>,
    ) -> Result<TlsStream<TcpStream>, CallError> {
        let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| CallError::BadHost)?;
        let socket = socket.map_err(|error| CallError::Unreachable(error.kind()))?;
        // A call is a few small writes: held back for more, each waits for a delayed acknowledgement.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "small writes may wait");
        }
        self.connector.connect(name, socket).await.map_err(|error| match tls_error(&error) {
            Some(rustls::Error::InvalidCertificate(_)) => CallError::UntrustedServer,
            Some(rustls::Error::AlertReceived(alert)) if blames_our_certificate(*alert) => {
                CallError::CertificateRefused
            }
            Some(_) | None => CallError::Handshake,
        })
    }
}

async fn connect_from(from: Ipv4Addr, endpoint: &Endpoint) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    let mut places = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port)).await?;
    let place = places.find(SocketAddr::is_ipv4).ok_or(io::ErrorKind::AddrNotAvailable)?;
    socket.connect(place).await
}

/// A connection that serves many calls, one after the other.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: AbortOnDrop,
    endpoint: Endpoint,
    limits: CallLimits,
}

/// What drives a connection ends with it.
#[derive(Debug)]
struct AbortOnDrop(JoinHandle<Result<(), CallError>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    /// The same as [`Client::call`]. After an error the connection is of no more use.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(&mut self, mut request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        let host = HeaderValue::try_from(self.endpoint.to_string()).map_err(|_| CallError::BadHost)?;
        request.headers_mut().insert(HOST, host);
        let exchange = async {
            self.sender.ready().await.map_err(|error| broken(&error))?;
            let answer = self.sender.send_request(request.map(Full::new)).await;
            whole(answer.map_err(|error| broken(&error))?, self.limits.body_size_max).await
        };
        let answered = timeout_at(Instant::now() + self.limits.time_max, exchange).await;
        let answered = answered.map_err(|_| CallError::Late { sent: true })?;
        if answered.is_err() && self.driver.0.is_finished() {
            // Why the server hung up says more than that it did.
            return match (&mut self.driver.0).await {
                Ok(Err(why)) => Err(why),
                Ok(Ok(())) | Err(_) => answered,
            };
        }
        answered
    }
}

/// An answer that goes on: read piece by piece, for as long as the server sends.
#[derive(Debug)]
pub struct Pieces {
    head: hyper::http::response::Parts,
    body: Incoming,
    _driver: AbortOnDrop,
}

impl Pieces {
    /// Status and headers.
    #[must_use]
    pub const fn head(&self) -> &hyper::http::response::Parts {
        &self.head
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`CallError::Broken`] and what else breaks connections.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(broken(&error)),
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }
}

impl Connection {
    /// Sends a request whose answer goes on: its head, and its body to be read piece by piece. A head that is no
    /// success comes with its whole body.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn follow(
        mut self,
        mut request: Request<Bytes>,
    ) -> Result<Result<Pieces, Response<Bytes>>, CallError> {
        let host = HeaderValue::try_from(self.endpoint.to_string()).map_err(|_| CallError::BadHost)?;
        request.headers_mut().insert(HOST, host);
        let exchange = async {
            self.sender.ready().await.map_err(|error| broken(&error))?;
            let answer = self.sender.send_request(request.map(Full::new)).await;
            let answer = answer.map_err(|error| broken(&error))?;
            if answer.status().is_success() {
                return Ok(Ok(answer.into_parts()));
            }
            Ok(Err(whole(answer, self.limits.body_size_max).await?))
        };
        let answered = timeout_at(Instant::now() + self.limits.time_max, exchange).await;
        let answered = answered.map_err(|_| CallError::Late { sent: true })??;
        Ok(answered.map(|(head, body)| Pieces { head, body, _driver: self.driver }))
    }
}

/// The whole of an answer, up to the limit.
async fn whole(answer: Response<Incoming>, body_size_max: usize) -> Result<Response<Bytes>, CallError> {
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, body_size_max).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() { CallError::AnswerTooLong } else { broken(&*error) }
    })?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}

async fn exchange(
    stream: TlsStream<TcpStream>,
    endpoint: &Endpoint,
    request: Request<Bytes>,
    body_size_max: usize,
) -> Result<Response<Bytes>, CallError> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    let (mut parts, body) = request.into_parts();
    let host = HeaderValue::try_from(endpoint.to_string()).map_err(|_| CallError::BadHost)?;
    parts.headers.insert(HOST, host);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let request = Request::from_parts(parts, Full::new(body));
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
        whole(answer, body_size_max).await
    };
    // The connection has to be driven beside the exchange; when it fails first, its error says why.
    let mut answer = std::pin::pin!(answer);
    let mut connection = std::pin::pin!(connection);
    let mut failure = None;
    loop {
        tokio::select! {
            biased;
            answered = answer.as_mut() => return answered.map_err(|error| failure.unwrap_or(error)),
            ended = connection.as_mut(), if failure.is_none() => {
                failure = Some(ended.err().map_or(CallError::Broken, |error| broken(&error)));
            }
        }
    }
}

/// The TLS error in a chain of causes.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match inside {
            Some(inside) => Some(inside),
            None => error.source(),
        };
    }
    None
}

/// With TLS 1.3 a server judges our certificate after our handshake has ended, so its alert comes here.
fn broken(error: &(dyn Error + 'static)) -> CallError {
    match tls_error(error) {
        Some(rustls::Error::AlertReceived(alert)) if blames_our_certificate(*alert) => {
            CallError::CertificateRefused
        }
        Some(_) | None => CallError::Broken,
    }
}

fn blames_our_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_print_as_they_are_read() {
        for text in ["localhost:8443", "127.0.0.1:1", "[::1]:65535", "a-b.example.org:80"] {
            assert_eq!(text.parse::<Endpoint>().map(|endpoint| endpoint.to_string()), Ok(text.to_owned()));
        }
        for bad in ["", "host", "host:", ":1", "host:65536", "::1:80", "[a.org]:80", "a b:80", "[::1:80"] {
            assert_eq!(bad.parse::<Endpoint>(), Err(BadEndpoint), "{bad}");
        }
    }
}
