//! Calls between the registration server and the bootstrap server.
//!
//! Source: decision G 31 of the layouts.

use assure_json::{
    CreateMessage, DeviceDataMessage, KeysMessage, MirrorMessage, OwnerChangeMessage, OwnerMessage,
};
use authority::bootstrap::OwnerNow;
use authority::registration::OperationId;
use axum::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use model::{ManagementId, Uuid, hex};
use net::https_client::{CallError, Client, Endpoint};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why another server of the authority gave no usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaError {
    /// The call failed.
    Call(CallError),
    /// It answered with a status that this call does not know.
    Status(u16),
    /// It answered with something else than this call's message.
    Malformed,
}

impl std::fmt::Display for TaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Status(status) => write!(f, "unexpected status {status}"),
            Self::Malformed => f.write_str("unexpected answer"),
        }
    }
}

impl std::error::Error for TaError {}

/// One server of the authority, seen from the other.
#[derive(Clone, Debug)]
struct TaServer {
    client: Client,
    endpoint: Endpoint,
}

impl TaServer {
    async fn call(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Response<Bytes>, TaError> {
        let request = Request::builder().method(method).uri(path).body(Bytes::from(body));
        let request = request.map_err(|_| TaError::Malformed)?;
        self.client.call(&self.endpoint, request).await.map_err(TaError::Call)
    }

    async fn send<T: Serialize + Sync>(
        &self,
        method: Method,
        path: &str,
        body: &T,
    ) -> Result<Response<Bytes>, TaError> {
        let body = serde_json::to_vec(body).map_err(|_| TaError::Malformed)?;
        self.call(method, path, body).await
    }
}

fn read<T: DeserializeOwned>(response: &Response<Bytes>) -> Result<T, TaError> {
    serde_json::from_slice(response.body()).map_err(|_| TaError::Malformed)
}

fn unexpected(response: &Response<Bytes>) -> TaError {
    TaError::Status(response.status().as_u16())
}

/// What is stored about an owner, as message.
#[must_use]
pub(crate) fn owner_message(owner: &OwnerNow) -> OwnerMessage {
    OwnerMessage { seq: owner.seq, owner: owner.owner.as_ref().map(|id| id.as_str().to_owned()) }
}

/// The message as what is stored; `None` when its owner is no management id.
#[must_use]
pub(crate) fn owner_now(message: OwnerMessage) -> Option<OwnerNow> {
    let owner = message.owner.map(|id| id.parse::<ManagementId>()).transpose().ok()?;
    Some(OwnerNow { seq: message.seq, owner })
}

/// What the registration server asks of the bootstrap server.
#[derive(Clone, Debug)]
pub struct BootstrapClient(TaServer);

/// What became of an owner change on the bootstrap server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MirrorAnswer {
    /// It stands.
    Stands,
    /// The bootstrap server is ahead.
    Ahead(OwnerNow),
    /// It does not know the device.
    Unknown,
}

/// An image, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageReply {
    /// Stored or read; reading gives the bytes.
    Done(Bytes),
    /// Not this owner's device, or not of its number.
    Forbidden,
    /// No image of the form of 15.5.
    Malformed,
}

impl BootstrapClient {
    /// A client of the bootstrap server at `endpoint`.
    #[must_use]
    pub const fn new(client: Client, endpoint: Endpoint) -> Self {
        Self(TaServer { client, endpoint })
    }

    /// `CreateDevice`: whether the entry stands.
    ///
    /// # Errors
    /// [`TaError`].
    pub async fn create_device(&self, device: Uuid, operation: OperationId) -> Result<bool, TaError> {
        let message = CreateMessage { operation: hex(&operation.0) };
        let answer = self.0.send(Method::PUT, &format!("/ta/v1/devices/{device}"), &message).await?;
        match answer.status() {
            StatusCode::CREATED => Ok(true),
            StatusCode::CONFLICT => Ok(false),
            _ => Err(unexpected(&answer)),
        }
    }

    /// Takes back what [`BootstrapClient::create_device`] made.
    ///
    /// # Errors
    /// [`TaError`].
    pub async fn remove_device(&self, device: Uuid, operation: OperationId) -> Result<(), TaError> {
        let path = format!("/ta/v1/devices/{device}?operation={}", hex(&operation.0));
        let answer = self.0.call(Method::DELETE, &path, Vec::new()).await?;
        if answer.status() == StatusCode::NO_CONTENT { Ok(()) } else { Err(unexpected(&answer)) }
    }

    /// `SetDeviceOwner` with `ResetDeviceBootstrap`.
    ///
    /// # Errors
    /// [`TaError`].
    pub async fn mirror_owner(
        &self,
        device: Uuid,
        operation: OperationId,
        owner: &OwnerNow,
    ) -> Result<MirrorAnswer, TaError> {
        let message = OwnerChangeMessage { operation: hex(&operation.0), owner: owner_message(owner) };
        let answer = self.0.send(Method::PUT, &format!("/ta/v1/devices/{device}/owner"), &message).await?;
        match answer.status() {
            StatusCode::NO_CONTENT => Ok(MirrorAnswer::Stands),
            StatusCode::NOT_FOUND => Ok(MirrorAnswer::Unknown),
            StatusCode::CONFLICT => {
                owner_now(read(&answer)?).map(MirrorAnswer::Ahead).ok_or(TaError::Malformed)
            }
            _ => Err(unexpected(&answer)),
        }
    }

    /// `GetDeviceData` for `caller`; `None` when the device is not its own.
    ///
    /// # Errors
    /// [`TaError`].
    pub async fn device_data(
        &self,
        device: Uuid,
        caller: &ManagementId,
    ) -> Result<Option<DeviceDataMessage>, TaError> {
        let path = format!("/ta/v1/devices/{device}/data?owner={caller}");
        let answer = self.0.call(Method::GET, &path, Vec::new()).await?;
        match answer.status() {
            StatusCode::OK => read(&answer).map(Some),
            StatusCode::FORBIDDEN => Ok(None),
            _ => Err(unexpected(&answer)),
        }
    }

    /// `SetDeviceBootstrap` for `caller`; an empty image erases.
    ///
    /// # Errors
    /// [`TaError`].
    pub async fn store_image(
        &self,
        device: Uuid,
        caller: &ManagementId,
        image: Bytes,
    ) -> Result<ImageReply, TaError> {
        let path = format!("/ta/v1/devices/{device}/bootstrap?owner={caller}");
        let answer = self.0.call(Method::PUT, &path, image.into()).await?;
        match answer.status() {
            StatusCode::NO_CONTENT => Ok(ImageReply::Done(Bytes::new())),
            StatusCode::FORBIDDEN => Ok(ImageReply::Forbidden),
            StatusCode::BAD_REQUEST => Ok(ImageReply::Malformed),
            _ => Err(unexpected(&answer)),
        }
    }

    /// Reads the stored image back for `caller`.
    ///
    /// # Errors
    /// [`TaError`].
    pub async fn read_image(&self, device: Uuid, caller: &ManagementId) -> Result<ImageReply, TaError> {
        let path = format!("/ta/v1/devices/{device}/bootstrap?owner={caller}");
        let answer = self.0.call(Method::GET, &path, Vec::new()).await?;
        match answer.status() {
            StatusCode::OK => Ok(ImageReply::Done(answer.into_body())),
            StatusCode::FORBIDDEN => Ok(ImageReply::Forbidden),
            _ => Err(unexpected(&answer)),
        }
    }

    /// One page of the mirror, in the order of UUIDs, after `after`; empty at the end.
    ///
    /// # Errors
    /// [`TaError`].
    pub async fn mirrors(&self, after: Option<Uuid>) -> Result<Vec<(Uuid, OwnerNow)>, TaError> {
        let path = after.map_or("/ta/v1/devices".to_owned(), |uuid| format!("/ta/v1/devices?after={uuid}"));
        let answer = self.0.call(Method::GET, &path, Vec::new()).await?;
        if answer.status() != StatusCode::OK {
            return Err(unexpected(&answer));
        }
        let messages: Vec<MirrorMessage> = read(&answer)?;
        let one = |message: MirrorMessage| Some((message.device.parse().ok()?, owner_now(message.owner)?));
        messages.into_iter().map(one).collect::<Option<_>>().ok_or(TaError::Malformed)
    }
}

/// What the bootstrap server asks of the registration server.
#[derive(Clone, Debug)]
pub struct RegistrationClient(TaServer);

impl RegistrationClient {
    /// A client of the registration server at `endpoint`.
    #[must_use]
    pub const fn new(client: Client, endpoint: Endpoint) -> Self {
        Self(TaServer { client, endpoint })
    }

    /// `GetDeviceOwner`; `None` when there is no such device.
    ///
    /// # Errors
    /// [`TaError`].
    pub async fn owner(&self, device: Uuid) -> Result<Option<OwnerNow>, TaError> {
        let path = format!("/ta/v1/devices/{device}/owner");
        let answer = self.0.call(Method::GET, &path, Vec::new()).await?;
        match answer.status() {
            StatusCode::OK => owner_now(read(&answer)?).map(Some).ok_or(TaError::Malformed),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(unexpected(&answer)),
        }
    }

    /// Has our public keys signed as class 3 (decision G 29); the answer is in the same order.
    ///
    /// # Errors
    /// [`TaError`].
    pub async fn sign_class_3(&self, keys: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, TaError> {
        let answer = self.0.send(Method::POST, "/ta/v1/class3", &KeysMessage { keys }).await?;
        match answer.status() {
            StatusCode::OK => read::<KeysMessage>(&answer).map(|message| message.keys),
            _ => Err(unexpected(&answer)),
        }
    }
}
