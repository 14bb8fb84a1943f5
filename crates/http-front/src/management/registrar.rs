//! Who uses the registration API: the operator by certificate, or a user by name and passphrase.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use certificate::{CertificateIdentity, TlsPeer};
use crypto::Secret;
use management::Registrant;

use super::ManagementServer;
use super::users::SignIn;
use crate::answer::later;
use crate::console::caller::Caller;

/// 401 in its one form, whatever the cause.
/// Source: rulings A-ASSURE-86, A-ASSURE-87.
pub(super) fn unauthorized() -> Response {
    let mut response = StatusCode::UNAUTHORIZED.into_response();
    let challenge = HeaderValue::from_static(r#"Basic realm="registration", charset="UTF-8""#);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// A registrant who has proven himself.
///
/// Whom the gate has let through needs no more. A client certificate counts before a passphrase; one that is not the operator's opens nothing.
/// Source: aSSURE 11.2.
pub(super) struct Registrar(pub(super) Registrant);

impl FromRequestParts<Arc<ManagementServer>> for Registrar {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<ManagementServer>) -> Result<Self, Response> {
        if let Some(caller) = parts.extensions.get::<Caller>() {
            return Ok(Self(caller.registrant()));
        }
        let peer = parts.extensions.get::<TlsPeer>().ok_or_else(unauthorized)?;
        match peer.identity() {
            Ok(Some(CertificateIdentity::Operator)) => return Ok(Self(Registrant::Operator)),
            Ok(None) => {}
            Ok(Some(
                CertificateIdentity::Maker(_)
                | CertificateIdentity::Management { .. }
                | CertificateIdentity::Server(_),
            ))
            | Err(_) => return Err(unauthorized()),
        }
        let from = peer.address.ip();
        let header = parts.headers.get(header::AUTHORIZATION).ok_or_else(unauthorized)?;
        let (name, passphrase) = credentials(header).ok_or_else(unauthorized)?;
        let now = server.executor.now().moment;
        match server.users.sign_in(&name, passphrase, from, now).await {
            SignIn::Welcome => Ok(Self(Registrant::User(name))),
            SignIn::Wrong => Err(unauthorized()),
            SignIn::Wait(wait) => Err(later(wait)),
        }
    }
}

/// Source: RFC 7617.
fn credentials(header: &HeaderValue) -> Option<(String, Secret)> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Secret::new(STANDARD.decode(encoded.trim()).ok()?);
    let colon = decoded.expose().iter().position(|byte| *byte == b':')?;
    let (name, passphrase) = decoded.expose().split_at(colon);
    Some((String::from_utf8(name.to_vec()).ok()?, Secret::from(&passphrase[1..])))
}
