//! The owner gateway, as a management system calls it.
//!
//! Source: aSSURE 9.3; rulings A-ASSURE-30, -31, -35, -45; decisions D-05, D-10, M7, G 33.

use std::time::Duration;

use assure_json::Configuration;
use axum::http::{Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use crypto::Secret;
use model::{ManagementId, Uuid};
use net::https_client::{CallError, CallLimits, Client, Endpoint};
use net::tls::{TlsIdentity, TlsSetupError};

/// Waiting longer than this for a busy server is not worth it: ask again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);
/// When a busy server does not say how long.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(5);

/// Where the owner gateway is, and whom we trust to be it.
#[derive(Clone, Debug)]
pub struct GatewayAddress {
    /// Host and port.
    pub endpoint: Endpoint,
    /// Roots of its certificate, in DER.
    pub roots: Vec<Vec<u8>>,
}

/// Why the gateway gave no usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayError {
    /// Not now: try again after so long.
    Later(Duration),
    /// The call failed.
    Call(CallError),
    /// It answered with a status that this call does not know.
    Status(u16),
    /// It answered with something else than this call's content.
    Malformed,
    /// TLS cannot be set up with what we have.
    Tls(TlsSetupError),
}

impl GatewayError {
    /// Whether the gateway may have done what it was asked for.
    #[must_use]
    pub const fn outcome_is_unknown(self) -> bool {
        match self {
            Self::Call(error) => error.outcome_is_unknown(),
            Self::Malformed => true,
            // A status that no call knows comes from something in between, or from a fault.
            Self::Status(status) => status >= 500,
            // 503 of the authority: nothing was changed, or what was begun is driven on by asking again.
            Self::Later(_) => true,
            Self::Tls(_) => false,
        }
    }

    /// How long to wait, when the gateway said so.
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Later(after) => Some(after),
            Self::Call(_) | Self::Status(_) | Self::Malformed | Self::Tls(_) => None,
        }
    }
}

impl std::fmt::Display for GatewayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Later(after) => write!(f, "the authority is busy for {} s", after.as_secs()),
            Self::Call(error) => error.fmt(f),
            Self::Status(status) => write!(f, "unexpected status {status}"),
            Self::Malformed => f.write_str("unexpected answer"),
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for GatewayError {}

/// Whether the authority did what it was asked for; it never says why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// 204.
    Yes,
    /// 403.
    No,
}

/// The owner gateway. Every call has a connection of its own.
#[derive(Clone, Debug)]
pub struct OwnerGateway {
    client: Client,
    endpoint: Endpoint,
}

impl OwnerGateway {
    /// A stranger's view: only registering is possible.
    ///
    /// # Errors
    /// [`GatewayError::Tls`].
    pub fn stranger(address: &GatewayAddress) -> Result<Self, GatewayError> {
        Self::with(address, None)
    }

    /// The view of the management system that `identity` certifies.
    ///
    /// # Errors
    /// [`GatewayError::Tls`].
    pub fn certified(address: &GatewayAddress, identity: &TlsIdentity) -> Result<Self, GatewayError> {
        Self::with(address, Some(identity))
    }

    fn with(address: &GatewayAddress, identity: Option<&TlsIdentity>) -> Result<Self, GatewayError> {
        let limits = CallLimits { body_size_max: Configuration::LENGTH_MAX, ..CallLimits::default() };
        let client = Client::new(&address.roots, identity, limits).map_err(GatewayError::Tls)?;
        Ok(Self { client, endpoint: address.endpoint.clone() })
    }

    async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Bytes>, GatewayError> {
        let request = Request::builder().method(method).uri(path).body(body);
        let request = request.map_err(|_| GatewayError::Malformed)?;
        let answer = self.client.call(&self.endpoint, request).await.map_err(GatewayError::Call)?;
        if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
            let after = answer.headers().get(header::RETRY_AFTER);
            let secs = after.and_then(|after| after.to_str().ok()?.parse().ok());
            let after = secs.map_or(RETRY_AFTER_DEFAULT, Duration::from_secs);
            return Err(GatewayError::Later(after.min(RETRY_AFTER_MAX)));
        }
        Ok(answer)
    }

    async fn granted(&self, method: Method, path: &str, body: Bytes) -> Result<Granted, GatewayError> {
        let answer = self.call(method, path, body).await?;
        match answer.status() {
            StatusCode::NO_CONTENT => Ok(Granted::Yes),
            StatusCode::FORBIDDEN => Ok(Granted::No),
            other => Err(GatewayError::Status(other.as_u16())),
        }
    }

    /// The body of a 200; `None` for 403.
    async fn read(&self, path: &str) -> Result<Option<Bytes>, GatewayError> {
        let answer = self.call(Method::GET, path, Bytes::new()).await?;
        match answer.status() {
            StatusCode::OK => Ok(Some(answer.into_body())),
            StatusCode::FORBIDDEN => Ok(None),
            other => Err(GatewayError::Status(other.as_u16())),
        }
    }

    /// `POST /v1/managementsystems`: gives the certificate.
    ///
    /// # Errors
    /// [`GatewayError`]; whether a certificate was issued may be unknown, and then nobody uses it.
    pub async fn register(&self, csr: Vec<u8>) -> Result<Vec<u8>, GatewayError> {
        let answer = self.call(Method::POST, "/v1/managementsystems", csr.into()).await?;
        match answer.status() {
            StatusCode::CREATED => Ok(answer.into_body().into()),
            other => Err(GatewayError::Status(other.as_u16())),
        }
    }

    /// `PUT /v1/managementsystems/{id}/certificate`: a certificate for the key of `csr`.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn renew(&self, id: &ManagementId, csr: Vec<u8>) -> Result<Vec<u8>, GatewayError> {
        let path = format!("/v1/managementsystems/{id}/certificate");
        let answer = self.call(Method::PUT, &path, csr.into()).await?;
        match answer.status() {
            StatusCode::CREATED => Ok(answer.into_body().into()),
            other => Err(GatewayError::Status(other.as_u16())),
        }
    }

    /// `PUT /v1/managementsystems/{id}/rsa`: links the RSA key of `csr`.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn link_rsa(&self, id: &ManagementId, csr: Vec<u8>) -> Result<Granted, GatewayError> {
        self.granted(Method::PUT, &format!("/v1/managementsystems/{id}/rsa"), csr.into()).await
    }

    /// Announces that we expect a transfer (decision D-05).
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn expect(&self, id: &ManagementId, device: Uuid) -> Result<Granted, GatewayError> {
        let path = format!("/v1/managementsystems/{id}/expected/{device}");
        self.granted(Method::PUT, &path, Bytes::new()).await
    }

    /// Takes an announcement back.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn expect_no_more(&self, id: &ManagementId, device: Uuid) -> Result<Granted, GatewayError> {
        let path = format!("/v1/managementsystems/{id}/expected/{device}");
        self.granted(Method::DELETE, &path, Bytes::new()).await
    }

    /// Whether we take only transfers that we announced (decision D-05).
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn set_takes(&self, id: &ManagementId, announced_only: bool) -> Result<Granted, GatewayError> {
        let takes: &'static [u8] = if announced_only { b"announced" } else { b"all" };
        self.granted(Method::PUT, &format!("/v1/managementsystems/{id}/takes"), Bytes::from_static(takes))
            .await
    }

    /// `PUT /v1/devices/{uuid}/owner?case_string=`: claims a device. `case_string` is canonical.
    ///
    /// # Errors
    /// [`GatewayError`]; asking again is harmless.
    pub async fn claim(&self, device: Uuid, case_string: &Secret) -> Result<Granted, GatewayError> {
        let text = std::str::from_utf8(case_string.expose()).map_err(|_| GatewayError::Malformed)?;
        let path = format!("/v1/devices/{device}/owner?case_string={text}");
        self.granted(Method::PUT, &path, Bytes::new()).await
    }

    /// `PUT /v1/devices/{uuid}/owner?mgmtid=`: gives a device to another owner, or to nobody.
    ///
    /// # Errors
    /// [`GatewayError`]; asked again after the change, the authority answers [`Granted::No`].
    pub async fn give(&self, device: Uuid, to: Option<&ManagementId>) -> Result<Granted, GatewayError> {
        let to = to.map_or("NULL", ManagementId::as_str);
        let path = format!("/v1/devices/{device}/owner?mgmtid={to}");
        self.granted(Method::PUT, &path, Bytes::new()).await
    }

    /// `GET /v1/devices/{uuid}/configuration`; `None`: the device is not ours.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn configuration(&self, device: Uuid) -> Result<Option<Configuration>, GatewayError> {
        match self.read(&format!("/v1/devices/{device}/configuration")).await? {
            Some(json) => Configuration::from_json(&json).map(Some).map_err(|_| GatewayError::Malformed),
            None => Ok(None),
        }
    }

    /// `GET /v1/devices/{uuid}/parameterset`: raw CBOR; `None`: the device is not ours.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn parameter_set(&self, device: Uuid) -> Result<Option<Bytes>, GatewayError> {
        self.read(&format!("/v1/devices/{device}/parameterset")).await
    }

    /// `PUT /v1/devices/{uuid}/bootstrap`: stores an image; an empty one erases.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn put_bootstrap(&self, device: Uuid, image: Vec<u8>) -> Result<Granted, GatewayError> {
        self.granted(Method::PUT, &format!("/v1/devices/{device}/bootstrap"), image.into()).await
    }

    /// `GET /v1/devices/{uuid}/bootstrap`: the stored image, empty when there is none; `None`: not ours.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn read_bootstrap(&self, device: Uuid) -> Result<Option<Bytes>, GatewayError> {
        self.read(&format!("/v1/devices/{device}/bootstrap")).await
    }
}
