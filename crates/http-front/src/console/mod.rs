//! The console's side of a management system: people sign in, and everything they may see and do is a call.
//!
//! [`operations::OPERATIONS`] lists every call with who may make it; the gate in front of all of them holds the
//! list. The operator's certificate stays a way in, for the command line.
//! Source: `004` 6.2.4, 6.2.6, 6.4.4; design in docs/console.md.

pub(crate) mod caller;
mod claims;
mod files;
mod gate;
pub mod operations;
mod passwords;
mod people;
pub(crate) mod problem;
mod setting;
mod sign_in;

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use accounts::{Asked, OfferActivation, Offered, ReadSettings, Settings};
use axum::Router;
use axum::middleware;
use clock::Timestamp;
use crypto::{Provider, Secret};
use net::executor::Executor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answer::{content, fault};
use crate::management::{ManagementServer, ROLE};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use claims::Claims;
use passwords::Passwords;
use problem::problem;

/// What the console needs besides the management system.
pub struct Console {
    server: Arc<ManagementServer>,
    /// Whether people may sign in; the operator's certificate always does.
    is_on: bool,
    passwords: Passwords,
    /// As stored; read at the start and written with every change.
    settings: RwLock<Settings>,
    /// Held while they change.
    setting: tokio::sync::Mutex<()>,
    claims: Claims,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Console(..)")
    }
}

/// Why there is no console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoConsole {
    /// The settings cannot be read.
    Settings,
    /// Nothing can be hashed here.
    Hashing,
}

impl std::fmt::Display for NoConsole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Settings => "its settings cannot be read",
            Self::Hashing => "no password can be hashed",
        })
    }
}

impl std::error::Error for NoConsole {}

/// An activation that was just made: to be shown once.
pub struct Activation {
    /// The token; it stands behind `#` in the link.
    pub token: Secret,
    /// Until when it may be used.
    pub until: Timestamp,
}

impl Console {
    /// The console of `server`; with `is_on` people may sign in.
    ///
    /// # Errors
    /// [`NoConsole`].
    pub async fn open(server: Arc<ManagementServer>, is_on: bool) -> Result<Self, NoConsole> {
        let executor = server.executor();
        let (decoy, salt) = (executor.bytes(), executor.bytes());
        let passwords = Passwords::new(decoy, salt).ok_or(NoConsole::Hashing)?;
        let settings = executor.run(ReadSettings).await;
        let settings = settings.ok().and_then(Result::ok).ok_or(NoConsole::Settings)?;
        let settings = RwLock::new(settings);
        let setting = tokio::sync::Mutex::new(());
        Ok(Self { server, is_on, passwords, settings, setting, claims: Claims::default() })
    }

    /// Makes an activation link's token; without `beside_others` only when there is no administrator.
    ///
    /// # Errors
    /// [`NoConsole::Settings`] when the store does not say.
    pub async fn offer_activation(&self, beside_others: bool) -> Result<Option<Activation>, NoConsole> {
        let asked = Asked {
            role: ROLE,
            by: "operator".into(),
            address: None,
            correlation: self.executor().correlation(),
        };
        self.offer(beside_others, asked).await
    }

    async fn offer(&self, beside_others: bool, asked: Asked) -> Result<Option<Activation>, NoConsole> {
        let token = Secret::from(&self.executor().bytes::<32>()[..]);
        let hash = gate::token_hash(self.provider(), &token);
        let offered = self.executor().run(OfferActivation { token: hash, beside_others, asked }).await;
        match offered {
            Ok(Ok(Offered::Until(until))) => Ok(Some(Activation { token, until })),
            Ok(Ok(Offered::NotNeeded)) => Ok(None),
            Ok(Err(_)) | Err(_) => Err(NoConsole::Settings),
        }
    }

    const fn is_on(&self) -> bool {
        self.is_on
    }

    fn executor(&self) -> &Executor {
        self.server.executor()
    }

    fn provider(&self) -> &dyn Provider {
        &*self.server.owner().keys.provider
    }

    fn admits(&self, address: IpAddr) -> bool {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).admits(address)
    }
}

/// Every call of the management system and its console, behind the gate.
pub fn console_api(console: Arc<Console>) -> Router {
    let own = Router::new()
        .merge(sign_in::routes())
        .merge(people::routes())
        .merge(setting::routes())
        .merge(claims::routes())
        .with_state(Arc::clone(&console));
    let server = Arc::clone(&console.server);
    let calls = own
        .merge(crate::management::management_api(server))
        .merge(crate::platform::platform_api(console.executor().clone()));
    let calls = calls.route_layer(middleware::from_fn_with_state(Arc::clone(&console), gate::gate));
    if console.is_on { calls.merge(files::routes().with_state(console)) } else { calls }
}

/// 200 with JSON.
fn json<T: Serialize>(what: &'static str, status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(json) => (status, content("application/json", json)).into_response(),
        Err(error) => fault(what, &error),
    }
}

/// The body of a call; what is wrong with it is not told, since it may hold a password.
fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Response> {
    serde_json::from_slice(bytes).map_err(|_| problem("request-unreadable"))
}
