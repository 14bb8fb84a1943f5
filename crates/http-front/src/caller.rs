//! Who asks, by the client certificate of the connection.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use certificate::{CertificateIdentity, TlsPeer};
use model::{ManagementId, ServerRole, Uuid};

use crate::console::caller::Caller;

/// The identity in the verified client certificate.
///
/// Without one 401, with one that names nobody 403.
pub(crate) struct Proven(pub(crate) CertificateIdentity);

impl<S: Sync> FromRequestParts<S> for Proven {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let peer = parts.extensions.get::<TlsPeer>();
        match peer.map(TlsPeer::identity) {
            Some(Ok(Some(identity))) => Ok(Self(identity)),
            Some(Err(_)) => Err(StatusCode::FORBIDDEN.into_response()),
            Some(Ok(None)) | None => Err(StatusCode::UNAUTHORIZED.into_response()),
        }
    }
}

macro_rules! caller {
    ($(#[$doc:meta])* $name:ident($inner:ty), $pattern:pat => $value:expr) => {
        $(#[$doc])*
        pub(crate) struct $name(pub(crate) $inner);

        impl<S: Sync> FromRequestParts<S> for $name {
            type Rejection = Response;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
                match Proven::from_request_parts(parts, state).await?.0 {
                    $pattern => Ok(Self($value)),
                    _ => Err(StatusCode::FORBIDDEN.into_response()),
                }
            }
        }
    };
}

caller! {
    /// A maker.
    Maker(Uuid), CertificateIdentity::Maker(id) => id
}
caller! {
    /// A management system.
    Management(ManagementId), CertificateIdentity::Management { id, .. } => id
}
caller! {
    /// Another server of the authority.
    Peer(ServerRole), CertificateIdentity::Server(role) => role
}
/// The operator of this server: by certificate, or a person whom the console's gate has let through.
pub(crate) struct Operator;

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        if parts.extensions.get::<Caller>().is_some() {
            return Ok(Self);
        }
        match Proven::from_request_parts(parts, state).await?.0 {
            CertificateIdentity::Operator => Ok(Self),
            CertificateIdentity::Maker(_)
            | CertificateIdentity::Management { .. }
            | CertificateIdentity::Server(_) => Err(StatusCode::FORBIDDEN.into_response()),
        }
    }
}
