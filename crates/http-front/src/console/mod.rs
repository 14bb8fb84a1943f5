//! The console's side of a management system: people sign in, and everything they may see and do is a call.
//!
//! [`operations::OPERATIONS`] lists every call with who may make it; the gate in front of all of them holds the
//! list. The operator's certificate stays a way in, for the command line.
//! Source: `004` 6.2.4, 6.2.6, 6.4.4; ADR 0121.

mod audit;
mod bodies;
pub(crate) mod caller;
mod claims;
mod client_certificate;
mod clients;
mod details;
mod feed;
mod file_channel;
mod files;
mod gate;
mod lines;
mod listeners;
mod openapi;
pub mod operations;
mod passwords;
mod people;
pub(crate) mod problem;
mod risks;
mod setting;
pub(crate) mod sign_in;
mod stream;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use accounts::{Asked, OfferActivation, Offered, ReadSettings, Settings, TrimAudit};
use axum::Router;
use axum::middleware;
use clock::Timestamp;
use crypto::{Provider, Secret};
use hub_desk::HubDesk;
use net::executor::Executor;
use net::shutdown::Shutdown;
use osap_proto::Realm;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answer::{content, fault};
use crate::management::{ManagementServer, ROLE};
use crate::shelf::Shelf;
use crate::source_limit::SourceLimit;
use crate::things::polls::Polled;
pub(crate) use audit::in_query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use claims::Claims;
pub use feed::Feed;
pub(crate) use lines::Lines;
pub use listeners::Listener;
pub use openapi::description;
pub use passwords::Passwords;
use problem::problem;
pub use risks::{InsecureMode, WatchedCertificate};

/// Tells somebody the name of a client, and what has changed.
type Tell = Box<dyn Fn(&str, ClientWord) + Send + Sync>;

/// What has changed about a client, for whoever holds connections of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientWord {
    /// It has another password.
    Password,
    /// It has another certificate, or none.
    Certificate,
    /// It has another key, or none.
    Key,
    /// It is no more.
    Removed,
}

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
    feed: Arc<Feed>,
    listeners: Vec<Listener>,
    certificates: Vec<WatchedCertificate>,
    insecure: Vec<InsecureMode>,
    risks_seen: risks::Seen,
    /// The content of files of things.
    shelf: Arc<Shelf>,
    desk: HubDesk,
    /// What codes of smart devices are stretched for; `None` without a load balancer.
    realm: Option<Realm>,
    models: &'static [(&'static str, &'static str)],
    stop: Shutdown,
    /// Told of clients that were removed or have another password or key.
    client_changed: RwLock<Vec<Tell>>,
    /// Where things are spoken too, beside this interface.
    things_elsewhere: RwLock<Vec<Elsewhere>>,
    /// What long polls told last.
    polled: Polled,
    /// Activation links that were tried.
    activations: Mutex<SourceLimit>,
}

/// Another protocol on which things are spoken, for the forms of their descriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// MQTT over TLS, on this port of the host under which the caller reached us.
    Mqtt(u16),
    /// CoAP over DTLS, likewise.
    Coaps(u16),
}

/// Activation links that one source may try in an hour.
const ACTIVATION_COUNT_MAX: u32 = 20;

/// What the console shows of the program around it.
#[derive(Debug)]
pub struct Surroundings {
    /// Whether people may sign in.
    pub is_on: bool,
    /// In front of the store of the management system.
    pub feed: Arc<Feed>,
    /// Every port of the program.
    pub listeners: Vec<Listener>,
    /// The certificates of this server.
    pub certificates: Vec<WatchedCertificate>,
    /// Modes that are switched on and that anybody on the network can read along or forge.
    pub insecure: Vec<InsecureMode>,
    /// Where the content of files of things rests.
    pub shelf: Arc<Shelf>,
    /// Where things are met; over the same store.
    pub desk: HubDesk,
    /// The realm of the load balancer of smart devices; `None` when there is none.
    pub realm: Option<Realm>,
    /// Names and texts of the W3C Thing Models that come with the program.
    pub models: &'static [(&'static str, &'static str)],
    /// Ends the streams.
    pub stop: Shutdown,
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
    /// The console of `server`.
    ///
    /// # Errors
    /// [`NoConsole`].
    pub async fn open(server: Arc<ManagementServer>, around: Surroundings) -> Result<Self, NoConsole> {
        let executor = server.executor();
        let (decoy, salt) = (executor.bytes(), executor.bytes());
        let passwords = Passwords::new(decoy, salt).ok_or(NoConsole::Hashing)?;
        let settings = executor.run(ReadSettings).await;
        let settings = settings.ok().and_then(Result::ok).ok_or(NoConsole::Settings)?;
        around.feed.follow(settings.audit_policy());
        let settings = RwLock::new(settings);
        let setting = tokio::sync::Mutex::new(());
        Ok(Self {
            server,
            is_on: around.is_on,
            passwords,
            settings,
            setting,
            claims: Claims::default(),
            feed: around.feed,
            listeners: around.listeners,
            certificates: around.certificates,
            insecure: around.insecure,
            risks_seen: risks::Seen::default(),
            shelf: around.shelf,
            desk: around.desk,
            realm: around.realm,
            models: around.models,
            stop: around.stop,
            client_changed: RwLock::default(),
            things_elsewhere: RwLock::default(),
            polled: Polled::default(),
            activations: Mutex::new(SourceLimit::new(ACTIVATION_COUNT_MAX)),
        })
    }

    /// Has `tell` called with the name of each client that is removed or gets another password or key, after the
    /// commit: what was begun with what it had before is to end.
    pub fn on_client_changed(&self, tell: impl Fn(&str, ClientWord) + Send + Sync + 'static) {
        self.client_changed.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(tell));
    }

    fn tell_of_client(&self, name: &str, word: ClientWord) {
        let all = self.client_changed.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().for_each(|tell| tell(name, word));
    }

    /// The description of a thing for the caller whose view it is, when it was not asked for over this interface;
    /// `host` is where its forms say that we are, with the port of this interface.
    #[must_use]
    pub fn describe(&self, view: &hub::ThingView, host: &str) -> Vec<u8> {
        crate::things::described(view, host, &self.things_elsewhere())
    }

    /// Keeps the audit log within its limit, until shutdown.
    pub async fn keep_the_log(self: Arc<Self>) {
        let feed = Arc::clone(&self.feed);
        let counted = tokio::task::spawn_blocking(move || feed.count()).await;
        if !matches!(counted, Ok(Ok(()))) {
            tracing::error!("the audit log could not be counted");
        }
        let mut news = self.feed.watch();
        loop {
            let (kept, policy) = self.feed.audit();
            let excess = policy.excess(kept);
            if excess > 0 {
                let count = usize::try_from(excess).unwrap_or(usize::MAX);
                match self.executor().run(TrimAudit { count }).await {
                    // There is less than was counted.
                    Ok(0) => tracing::warn!(kept, "the audit log is shorter than it was counted"),
                    Ok(_) => continue,
                    Err(error) => tracing::error!(?error, "the audit log could not be kept short"),
                }
            }
            tokio::select! {
                () = self.stop.requested() => return,
                changed = news.changed() => if changed.is_err() { return },
            }
        }
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

    pub(crate) const fn realm(&self) -> Option<&Realm> {
        self.realm.as_ref()
    }

    pub(crate) const fn models(&self) -> &'static [(&'static str, &'static str)] {
        self.models
    }

    pub(crate) const fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    pub(crate) fn provider_handle(&self) -> Arc<dyn Provider> {
        Arc::clone(&self.server.owner().keys.provider)
    }

    /// Says that things are spoken on another protocol as well.
    pub fn things_are_on(&self, elsewhere: Elsewhere) {
        self.things_elsewhere.write().unwrap_or_else(PoisonError::into_inner).push(elsewhere);
    }

    pub(crate) fn things_elsewhere(&self) -> Vec<Elsewhere> {
        self.things_elsewhere.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) const fn desk(&self) -> &HubDesk {
        &self.desk
    }

    pub(crate) const fn stop(&self) -> &Shutdown {
        &self.stop
    }

    pub(crate) const fn polled(&self) -> &Polled {
        &self.polled
    }

    pub(crate) fn sessions_ended(&self) -> feed::SessionsEnded {
        self.feed.sessions_ended()
    }

    pub(crate) fn executor(&self) -> &Executor {
        self.server.executor()
    }

    pub(crate) fn provider(&self) -> &dyn Provider {
        &*self.server.owner().keys.provider
    }

    /// Counts a try of an activation link; says how long to wait when there were too many.
    fn tries_activation(&self, from: IpAddr) -> Result<(), Duration> {
        let now = self.executor().now().moment;
        self.activations.lock().unwrap_or_else(PoisonError::into_inner).admit(from, now)
    }

    fn admits(&self, address: IpAddr) -> bool {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).admits(address)
    }
}

/// The digest under which the token of a file is stored.
#[must_use]
pub fn file_token_digest(provider: &dyn Provider, token: &Secret) -> [u8; 32] {
    gate::token_hash(provider, token).0
}

/// Every call of the management system and its console, behind the gate.
pub fn console_api(console: Arc<Console>) -> Router {
    let own = Router::new()
        .merge(sign_in::routes())
        .merge(people::routes())
        .merge(clients::routes())
        .merge(setting::routes())
        .merge(claims::routes())
        .merge(audit::routes())
        .merge(details::routes())
        .merge(risks::routes())
        .merge(listeners::routes())
        .merge(openapi::routes())
        .merge(stream::routes())
        .merge(file_channel::routes())
        .merge(crate::things::routes())
        .with_state(Arc::clone(&console));
    let server = Arc::clone(&console.server);
    let calls = own.merge(crate::management::management_api(server));
    let calls = calls.route_layer(middleware::from_fn_with_state(Arc::clone(&console), gate::gate));
    if console.is_on { calls.merge(files::routes().with_state(console)) } else { calls }
}

/// 200 with JSON.
pub(crate) fn json<T: Serialize>(what: &'static str, status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(json) => (status, content("application/json", json)).into_response(),
        Err(error) => fault(what, &error),
    }
}

/// The body of a call; what is wrong with it is not told, since it may hold a password.
pub(crate) fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Response> {
    serde_json::from_slice(bytes).map_err(|_| problem("request-unreadable"))
}
