//! Calls to a role's platform API with the operator's certificate.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use http::{Method, Request, Response, StatusCode, header};
use net::https_client::{CallError, CallLimits, Client, Connection, Endpoint, Pieces};
use net::tls::TlsIdentity;

use crate::failure::{Failure, Outcome};
use crate::files;
use crate::serve::{config, single_certificate};

/// What a server may ask to wait without a person being asked.
const MOMENT_MAX: Duration = Duration::from_secs(2);
/// How long a command waits in moments, all in all.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest answer of the operator's own server: ten thousand clients, or a thousand events of full size.
const ANSWER_SIZE_MAX: usize = 96 * 1024 * 1024;

/// How long a call may take that moves a whole file.
const LONG_CALL: Duration = Duration::from_secs(600);

/// Where the server is and with which right it is asked.
#[derive(Args, Clone, Debug)]
pub(crate) struct Target {
    /// The platform address of the server, as `serve` prints it.
    #[arg(long, env = "THINGSTEAD_SERVER", value_name = "HOST:PORT", default_value = "127.0.0.1:8443")]
    server: String,
    /// The data folder of the role: `operator.pem` and `ca.pem` are read from it.
    #[arg(long, env = "THINGSTEAD_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// The operator's certificate and key, instead of those in --data.
    #[arg(long, value_name = "FILE")]
    operator: Option<PathBuf>,
    /// The CA of the server's certificate, instead of that in --data.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// A client of one role.
pub(crate) struct OperatorClient {
    client: Client,
    endpoint: Endpoint,
}

impl Target {
    fn file(&self, given: Option<&PathBuf>, name: &str) -> Outcome<PathBuf> {
        match (given, &self.data) {
            (Some(path), _) => Ok(path.clone()),
            (None, Some(data)) => Ok(data.join(name)),
            (None, None) => {
                Err(Failure::new("file-unreadable", name).because("neither --data nor the file is named"))
            }
        }
    }

    /// Host and port of the server.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Reads the files and makes the client.
    pub(crate) fn client(&self) -> Outcome<OperatorClient> {
        let identity = identity(&self.file(self.operator.as_ref(), "operator.pem")?)?;
        let ca = single_certificate(&self.file(self.ca.as_ref(), "ca.pem")?)?;
        OperatorClient::new(&self.server, &ca, &identity)
    }

    /// The same for answers of up to so many bytes.
    pub(crate) fn client_for(&self, body_size_max: usize) -> Outcome<OperatorClient> {
        let identity = identity(&self.file(self.operator.as_ref(), "operator.pem")?)?;
        let ca = single_certificate(&self.file(self.ca.as_ref(), "ca.pem")?)?;
        OperatorClient::reading(&self.server, &ca, &identity, body_size_max)
    }
}

/// A client identity from a PEM file with certificate and key.
pub(crate) fn identity(path: &Path) -> Outcome<TlsIdentity> {
    let pem = files::read_pem(path)?;
    let key = pem.key.ok_or_else(|| files::malformed(path, "it holds no private key"))?;
    TlsIdentity::new(&pem.certificates, &key)
        .map_err(|_| files::malformed(path, "key and certificate do not fit"))
}

impl OperatorClient {
    /// A client of the server at `server`.
    pub(crate) fn new(server: &str, ca: &[u8], identity: &TlsIdentity) -> Outcome<Self> {
        let limits = CallLimits { body_size_max: ANSWER_SIZE_MAX, ..CallLimits::default() };
        Self::within(server, ca, identity, limits)
    }

    /// The same for answers of up to so many bytes.
    pub(crate) fn reading(
        server: &str,
        ca: &[u8],
        identity: &TlsIdentity,
        body_size_max: usize,
    ) -> Outcome<Self> {
        Self::within(server, ca, identity, CallLimits { body_size_max, time_max: LONG_CALL })
    }

    fn within(server: &str, ca: &[u8], identity: &TlsIdentity, limits: CallLimits) -> Outcome<Self> {
        let client = Client::new(&[ca.to_vec()], Some(identity), limits)
            .map_err(|error| Failure::new("internal", "TLS set-up").because(format!("{error:?}")))?;
        Ok(Self { client, endpoint: config::endpoint(server)? })
    }

    /// Without a certificate of ours, for answers of up to so many bytes of a server that is known by its key: whoever
    /// has a token needs no more.
    pub(crate) fn with_token(endpoint: Endpoint, key: [u8; 32], body_size_max: usize) -> Outcome<Self> {
        let limits = CallLimits { body_size_max, time_max: LONG_CALL };
        let client = Client::by_key(key, limits)
            .map_err(|error| Failure::new("internal", "TLS set-up").because(format!("{error:?}")))?;
        Ok(Self { client, endpoint })
    }

    /// A connection for many calls, one after the other.
    pub(crate) async fn connect(&self) -> Outcome<Connection> {
        let opened = self.client.open(&self.endpoint, None).await;
        opened.map_err(|error| Failure::new("cannot-reach", self.endpoint.to_string()).because(error))
    }

    /// One call; a status of class 2 is the answer, everything else a failure about `subject`. A server that
    /// asks to come back in a moment is asked again for a while.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
        subject: &str,
    ) -> Outcome<Response<Bytes>> {
        let (body, since) = (body.into(), Instant::now());
        loop {
            let answer = self.answer(method.clone(), path, body.clone()).await?;
            match moment(&answer).filter(|wait| since.elapsed() + *wait <= PATIENCE) {
                Some(wait) => tokio::time::sleep(wait).await,
                None if answer.status().is_success() => return Ok(answer),
                None => return Err(refusal(&answer, subject)),
            }
        }
    }

    /// One call with whatever status it is answered.
    pub(crate) async fn answer(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Outcome<Response<Bytes>> {
        let request = Request::builder().method(method).uri(path).body(body.into());
        self.send(request.map_err(|error| Failure::new("internal", "a request").because(error))?).await
    }

    /// One request as it is, with whatever status it is answered.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Outcome<Response<Bytes>> {
        self.client.call(&self.endpoint, request).await.map_err(|error| self.not_called(error))
    }

    /// The events of a stream, one after the other, each as its name and its data.
    pub(crate) async fn follow(&self, path: &str, subject: &str) -> Outcome<Events> {
        let request = Request::builder().uri(path).header(header::ACCEPT, "text/event-stream");
        let request = request.body(Bytes::new());
        let request = request.map_err(|error| Failure::new("internal", "a request").because(error))?;
        let connection = self.client.open(&self.endpoint, None).await;
        let connection = connection.map_err(|error| self.not_called(error))?;
        match connection.follow(request).await.map_err(|error| self.not_called(error))? {
            Ok(pieces) => Ok(Events { pieces, read: Vec::new() }),
            Err(answer) => Err(refusal(&answer, subject)),
        }
    }

    /// One request whose answer is read piece by piece; one that is no success comes whole.
    pub(crate) async fn pieces(
        &self,
        request: Request<Bytes>,
    ) -> Result<Result<Pieces, Response<Bytes>>, CallError> {
        self.client.open(&self.endpoint, None).await?.follow(request).await
    }

    pub(crate) fn not_called(&self, error: CallError) -> Failure {
        let code = match error {
            CallError::AnswerTooLong => "answer-too-long",
            CallError::UntrustedServer => "untrusted-server",
            CallError::CertificateRefused => "not-admitted",
            error if error.outcome_is_unknown() => "outcome-unknown",
            _ => "cannot-reach",
        };
        Failure::new(code, self.endpoint.to_string()).because(error)
    }
}

/// How long a server asks to wait that cannot answer at this moment: it has just started, or has much to do.
/// Longer waits are for people to decide upon.
fn moment(answer: &Response<Bytes>) -> Option<Duration> {
    let secs = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    let wait = Duration::from_secs(secs);
    (answer.status() == StatusCode::SERVICE_UNAVAILABLE && wait <= MOMENT_MAX).then_some(wait)
}

/// What an answer that is not of class 2 means.
pub(crate) fn refusal(answer: &Response<Bytes>, subject: &str) -> Failure {
    let status = answer.status();
    let said = String::from_utf8_lossy(answer.body()).trim().to_owned();
    if let Ok(problem) = serde_json::from_slice::<serde_json::Value>(answer.body())
        && let Some(entry) = problem["code"].as_str().and_then(http_front::catalogue::entry)
    {
        let failure = Failure::new(entry.code, subject);
        let detail = problem["detail"].as_str().map(|detail| detail.trim_end_matches('.').to_owned());
        return detail.map_or(Failure::new(entry.code, subject), |detail| failure.because(detail));
    }
    let because = |failure: Failure| if said.is_empty() { failure } else { failure.because(said.clone()) };
    match status {
        StatusCode::SERVICE_UNAVAILABLE => {
            let after = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            let why = after.map(|secs| format!("it asks to come back in {secs} s"));
            let failure = Failure::new("try-later", subject);
            why.map_or(Failure::new("try-later", subject), |why| failure.because(why))
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => because(Failure::new("refused", subject)),
        _ => Failure::new("refused", subject).because(format!("status {status} {said}")),
    }
}

/// The longest event that is read.
const EVENT_SIZE_MAX: usize = 1024 * 1024;

/// A stream of events.
pub(crate) struct Events {
    pieces: Pieces,
    read: Vec<u8>,
}

impl Events {
    /// The next event: its name and its data. `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Outcome<Option<(String, String)>> {
        loop {
            while let Some(end) = self.read.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.read.drain(..end + 2).collect();
                let block = String::from_utf8_lossy(&block);
                let line = |field: &str| block.lines().find_map(|line| line.strip_prefix(field));
                if let (Some(name), Some(data)) = (line("event: "), line("data: ")) {
                    return Ok(Some((name.to_owned(), data.to_owned())));
                }
            }
            if self.read.len() > EVENT_SIZE_MAX {
                return Err(Failure::new("internal", "an event").because("it is too long"));
            }
            match self.pieces.next().await {
                Ok(Some(piece)) => self.read.extend_from_slice(&piece),
                Ok(None) => return Ok(None),
                Err(error) => return Err(Failure::new("cannot-reach", "the stream").because(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_moment_is_waited_for_and_only_when_nothing_was_done() {
        let answer = |status: StatusCode, after: Option<&str>| {
            let after = after.map(|after| (header::RETRY_AFTER, after));
            let builder =
                after.into_iter().fold(Response::builder().status(status), |builder, (name, value)| {
                    builder.header(name, value)
                });
            moment(&builder.body(Bytes::new()).unwrap())
        };
        let busy = StatusCode::SERVICE_UNAVAILABLE;
        assert_eq!(answer(busy, Some("1")), Some(Duration::from_secs(1)));
        assert_eq!(answer(busy, Some("60")), None, "a person decides");
        assert_eq!((answer(busy, None), answer(busy, Some("soon"))), (None, None));
        assert_eq!(answer(StatusCode::TOO_MANY_REQUESTS, Some("1")), None);
        assert_eq!(answer(StatusCode::CREATED, Some("1")), None);
    }
}
