//! The door of every call: from where, by whom, with which right.
//!
//! ```text
//! address allowed -> same site -> certificate | session (+ header token for writes) -> permission -> handler
//! ```
//! Source: `004` 6.2.4 d, e, 6.4.4 c.

use std::net::IpAddr;
use std::sync::Arc;

use accounts::{ResumeSession, TokenHash};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use certificate::{CertificateIdentity, TlsPeer};
use crypto::{HashAlgorithm, Provider, Secret};

use super::Console;
use super::caller::{Caller, SignedInAs, Who, on_behalf_of};
use super::operations::{self, Need, Operation};
use super::problem::{problem, with_words};
use crate::answer::{fault, not_run, to_its_end};

/// The name of the session's cookie.
pub(super) const COOKIE: &str = "__Host-thingstead";
/// The header with the session's second token.
const TOKEN_HEADER: &str = "x-thingstead-token";
/// The header of a request that the page makes by itself.
const BACKGROUND_HEADER: &str = "x-thingstead-background";

/// The SHA-256 under which a token is stored.
pub(super) fn token_hash(provider: &dyn Provider, token: &Secret) -> TokenHash {
    let digest = provider.digest(HashAlgorithm::Sha256, &[b"thingstead token\0", token.expose()]);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    TokenHash(hash)
}

/// The header token of a session: derived from the cookie's, which scripts cannot read.
pub(super) fn header_token(provider: &dyn Provider, token: &Secret) -> String {
    let digest = provider.digest(HashAlgorithm::Sha256, &[b"thingstead header\0", token.expose()]);
    model::hex(&digest.as_ref()[..16])
}

/// The token in the cookie, if there is one of its form.
fn cookie(headers: &HeaderMap) -> Option<Secret> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, text) = pairs.find(|(name, _)| *name == COOKIE)?;
    model::bytes_from_hex(text).ok().filter(|token| token.len() == 32).map(Secret::new)
}

/// The session's token where a program gives it by itself: nobody else's page can, so it needs no second one.
fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, text) = given.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    model::bytes_from_hex(text.trim()).ok().filter(|token| is_bearer && token.len() == 32).map(Secret::new)
}

/// Whether a browser says that another site's page made the request.
fn is_cross_site(headers: &HeaderMap) -> bool {
    let says = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let foreign_fetch = says("sec-fetch-site").is_some_and(|site| site != b"same-origin" && site != b"none");
    let foreign_origin = says("origin").is_some_and(|origin| {
        let own = says("host").map(|host| [b"https://", host].concat());
        own.as_deref() != Some(origin)
    });
    foreign_fetch || foreign_origin
}

/// Whether a person's browser asks: it gets words instead of a challenge that makes it ask for a password.
fn is_browser(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-fetch-site") || headers.contains_key(header::COOKIE)
}

/// What the gate looks at.
#[derive(Clone, Copy)]
struct Asked<'a> {
    headers: &'a HeaderMap,
    /// GET for HEAD.
    method: &'a Method,
    path: &'static str,
}

/// Lets a request through or answers it.
pub(super) async fn gate(State(console): State<Arc<Console>>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    let operation = path.and_then(|path| operations::find(method.as_str(), &path));
    let Some(operation) = operation else { return problem("not-here") };
    let Some(peer) = request.extensions().get::<TlsPeer>().cloned() else {
        return fault("gate", &"a request without a connection");
    };
    if !console.admits(peer.address.ip()) {
        return problem("address-refused");
    }
    if is_cross_site(request.headers()) {
        return problem("cross-site");
    }
    let asked = Asked { headers: request.headers(), method: &method, path: operation.path };
    let caller = match console.caller(operation, &peer, asked).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let words = is_browser(request.headers())
        || caller.as_ref().is_some_and(|caller| matches!(caller.who, Who::Account(_)));
    if let Some(caller) = &caller {
        request.extensions_mut().insert(caller.clone());
    }
    let is_change = caller.is_some() && method != Method::GET;
    let work = next.run(request);
    let mut response = if is_change {
        // What follows a commit belongs to it, also when whoever asked has hung up.
        on_behalf_of(caller, async { to_its_end(work).await }).await
    } else {
        on_behalf_of(caller, work).await
    };
    if words {
        response = with_words(operation.id, response);
    }
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

impl Console {
    /// Who calls, when it may; `None` for calls that need nobody, or that look for a passphrase themselves.
    async fn caller(
        &self,
        operation: &Operation,
        peer: &TlsPeer,
        asked: Asked<'_>,
    ) -> Result<Option<Caller>, Response> {
        let headers = asked.headers;
        let permission = match operation.need {
            Need::Nothing => return Ok(None),
            Need::Permission(permission) | Need::PermissionOrPassphrase(permission) => permission,
        };
        let caller = match peer.identity() {
            Ok(Some(CertificateIdentity::Operator)) => {
                Caller { who: Who::Operator, address: peer.address.ip() }
            }
            Ok(None) if self.is_on() && (cookie(headers).is_some() || bearer(headers).is_some()) => {
                self.signed_in(asked, peer.address.ip()).await?
            }
            // The extractors of these calls know their fixed answers.
            Ok(_) | Err(_) if !is_browser(headers) && operation.need != Need::Permission(permission) => {
                return Ok(None);
            }
            Ok(None) => return Err(problem("signed-out")),
            Ok(Some(_)) | Err(_) => return Err(problem("not-permitted")),
        };
        if caller.may(permission) { Ok(Some(caller)) } else { Err(problem("not-permitted")) }
    }

    async fn signed_in(&self, asked: Asked<'_>, address: IpAddr) -> Result<Caller, Response> {
        let headers = asked.headers;
        let bearer = bearer(headers);
        let is_of_a_page = bearer.is_none();
        let secret = bearer.or_else(|| cookie(headers)).ok_or_else(|| problem("signed-out"))?;
        let (session, token) = (token_hash(self.provider(), &secret), header_token(self.provider(), &secret));
        let writes = *asked.method != Method::GET;
        let streams = asked.path == "/ui/stream" || crate::things::wants_events(headers);
        let background = headers.contains_key(BACKGROUND_HEADER) || streams;
        let resume = ResumeSession {
            token: session,
            is_activity: writes || !background,
            correlation: self.executor().correlation(),
            role: crate::management::ROLE,
        };
        let resumed = match self.executor().run(resume).await {
            Ok(Ok(Some(resumed))) => resumed,
            Ok(Ok(None)) => return Err(problem("signed-out")),
            Ok(Err(why)) => return Err(fault("resume session", &why)),
            Err(error) => return Err(not_run("resume session", &error)),
        };
        let given = headers.get(TOKEN_HEADER).map_or(&[][..], HeaderValue::as_bytes);
        if writes && is_of_a_page && Secret::from(given) != Secret::from(token.as_bytes()) {
            return Err(problem("token-missing"));
        }
        let account = SignedInAs { resumed, session, token };
        Ok(Caller { who: Who::Account(Arc::new(account)), address })
    }
}
