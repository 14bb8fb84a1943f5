//! `thingstead serve`: the roles of the configuration, in one process.

pub(crate) mod bootstrap;
pub(crate) mod channels;
mod coap;
pub(crate) mod config;
mod console_line;
pub(crate) mod device_socket;
pub(crate) mod enrolled;
pub(crate) mod gap_line;
mod insist;
pub(crate) mod management;
pub(crate) mod mqtt;
pub(crate) mod platform_keys;
pub(crate) mod registration;
pub(crate) mod smart;
mod starting;
pub(crate) mod time;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use certificate::Issuer;
use crypto::Provider;
use net::executor::Executor;
use net::https_server::{self, Limits};
use net::now::Clock;
use net::seed;
use net::shutdown::{Shutdown, StopSignals, shutdown};
use net::tls::{ClientCertificates, TlsIdentity, server_config};
use store::{RunError, Table};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::failure::{Failure, Outcome};
use crate::{files, storage};
use config::Config;
use gap_line::RoleEnd;
use starting::Starting;

/// Runs every role of `config` until a stop signal; prints `ready` on standard output when all listen.
pub(crate) async fn run(config: Config, provider: Arc<dyn Provider>) -> Outcome {
    let (trigger, stop) = shutdown();
    let mut signals =
        StopSignals::listen().map_err(|error| Failure::new("internal", "signals").because(error))?;
    let clock = Clock::start();
    let ports = config.listeners();
    let mut roles: JoinSet<Outcome> = JoinSet::new();
    let are_on = [config.registration.is_some(), config.bootstrap.is_some(), config.management.is_some()];
    let starting = Starting::of(are_on.into_iter().filter(|is_on| *is_on).count());
    if let Some(section) = config.registration {
        let shared = Shared { provider: provider.clone(), clock, starting: starting.clone() };
        let stop = stop.clone();
        roles.spawn(again(move || registration::run(section.clone(), shared.clone(), stop.clone())));
    }
    if let Some(section) = config.bootstrap {
        let shared = Shared { provider: provider.clone(), clock, starting: starting.clone() };
        let stop = stop.clone();
        roles.spawn(again(move || bootstrap::run(section.clone(), shared.clone(), stop.clone())));
    }
    let needs_accounts = [("[mqtt]", config.mqtt.is_some()), ("[coap]", config.coap.is_some())];
    if let Some((section, _)) = needs_accounts.into_iter().find(|(_, is_on)| *is_on)
        && config.management.is_none()
    {
        trigger.request();
        return Err(Failure::new("config-unreadable", section)
            .because("it needs [management] in the same process: its clients are accounts there"));
    }
    if let Some((das, pass, data)) = config.das.clone().and_then(config::Das::apart) {
        let shared = Shared { provider: provider.clone(), clock, starting: starting.clone() };
        roles.spawn(smart::run_apart(das, pass, data, shared, stop.clone()));
    }
    if let Some(section) = config.management {
        let ports = ports.clone();
        let shared = Shared { provider, clock, starting };
        let beside = management::Beside {
            mqtt: config.mqtt,
            coap: config.coap,
            smart: smart::Sections { lbs: config.lbs, das: config.das, centre: config.centre },
        };
        roles.spawn(management::run(section, beside, ports, shared, stop.clone()));
    }
    if roles.is_empty() {
        return Err(Failure::new("config-unreadable", "no role is configured"));
    }
    let mut outcome = Ok(());
    loop {
        tokio::select! {
            signal = signals.next() => {
                tracing::info!(?signal, "stopping");
                trigger.request();
            }
            ended = roles.join_next() => match ended {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(failure))) => {
                    trigger.request();
                    outcome = outcome.and(Err(failure));
                }
                Some(Err(error)) => {
                    trigger.request();
                    outcome = outcome.and(Err(Failure::new("internal", "a role").because(error)));
                }
                None => return outcome,
            },
        }
    }
}

/// Runs a role until it is stopped: one whose keys were renewed begins anew with them.
async fn again<F>(role: impl Fn() -> F) -> Outcome
where
    F: Future<Output = Outcome<RoleEnd>>,
{
    while role().await? == RoleEnd::Anew {
        tracing::info!("the role begins anew, with the keys of a new generation");
    }
    Ok(())
}

/// What the roles of one process share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) clock: Clock,
    pub(crate) starting: Starting,
}

/// The store of a role and what runs operations on it.
pub(crate) struct RoleStore {
    pub(crate) table: Arc<dyn Table>,
    pub(crate) executor: Executor,
    pub(crate) clock: Clock,
}

/// Opens the store of a role, on a thread that may block: the roles of a process wait for the disk together.
pub(crate) async fn open_store(
    folder: &Path,
    provider: &Arc<dyn Provider>,
    clock: Clock,
) -> Outcome<RoleStore> {
    let (folder, provider) = (folder.to_owned(), Arc::clone(provider));
    let opened = tokio::task::spawn_blocking(move || {
        let table = storage::open(&folder, &*provider)?;
        let dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
        let executor = Executor::new(Arc::clone(&table), clock, dice);
        Ok(RoleStore { table, executor, clock })
    });
    opened.await.map_err(|error| Failure::new("internal", "opening a store").because(error))?
}

/// One HTTPS listener to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door {
    /// What it is for.
    pub(crate) name: &'static str,
    /// Where.
    pub(crate) at: SocketAddr,
    /// What it grants its peers.
    pub(crate) limits: Limits,
}

impl Door {
    /// With the limits that hold unless told otherwise.
    pub(crate) fn new(name: &'static str, at: SocketAddr) -> Self {
        Self { name, at, limits: Limits { body_size_max: BODY_SIZE_MAX, ..Limits::default() } }
    }
}

/// Opens a TCP port and serves `router` on it until shutdown.
pub(crate) async fn listen_https(
    services: &mut JoinSet<()>,
    door: Door,
    tls: &TlsIdentity,
    clients: ClientCertificates<'_>,
    router: Router,
    stop: &Shutdown,
) -> Outcome<SocketAddr> {
    let Door { name, at, limits } = door;
    let subject = format!("{name} on {at}");
    let listener = TcpListener::bind(at).await;
    let listener =
        listener.map_err(|error| Failure::new("cannot-listen", subject.as_str()).because(error))?;
    let bound =
        listener.local_addr().map_err(|error| Failure::new("cannot-listen", subject).because(error))?;
    let tls = server_config(tls, clients)
        .map_err(|error| Failure::new("internal", "TLS set-up").because(format!("{error:?}")))?;
    let router = http_front::with_request_log(name, router);
    let stop = stop.clone();
    services.spawn(async move {
        let tally = https_server::serve(listener, tls, router, limits, stop).await;
        tracing::info!(name, ?tally, "stopped");
    });
    tracing::info!(name, %bound, "listening");
    Ok(bound)
}

/// Images have at most 65,536 bytes (ruling A-ASSURE-57); nothing longer is ever posted.
const BODY_SIZE_MAX: usize = 64 * 1024;

/// The failure of an operation that did not reach its commit.
pub(crate) fn store_failed(error: RunError) -> Failure {
    Failure::new("store-unavailable", "an operation").because(format!("{error:?}"))
}

/// The one certificate of a PEM file, in DER.
pub(crate) fn single_certificate(path: &Path) -> Outcome<Vec<u8>> {
    let mut file = files::read_pem(path)?;
    match file.certificates.len() {
        1 => Ok(file.certificates.remove(0)),
        _ => Err(files::malformed(path, "it does not hold exactly one certificate")),
    }
}

/// Reads the role's own CA certificate, or makes it at the first start.
pub(crate) async fn own_issuer(
    key: Arc<dyn crypto::PrivateKey>,
    name: &str,
    executor: &Executor,
    provider: &dyn Provider,
) -> Outcome<Issuer> {
    let record = authority::own_record(b"issuer");
    let read = authority::ReadOwn { key: record.clone() };
    let stored = executor.run(read.clone()).await.map_err(store_failed)?;
    let made = match stored {
        Some(certificate) => Issuer::new(provider, key, certificate),
        None => {
            let now = executor.now().utc.ok_or_else(|| Failure::new("internal", "no clock"))?;
            let mut dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
            let lifetime = certificate::Lifetime { from: now, until: None };
            let issuer = Issuer::self_signed_ca(provider, key, name, lifetime, &mut dice);
            if let Ok(issuer) = &issuer {
                let mut batch = store::Batch::default();
                batch.put(record.clone(), issuer.certificate());
                executor.run(authority::WriteOwn { key: record, batch }).await.map_err(store_failed)?;
            }
            issuer
        }
    };
    made.map_err(|error| Failure::new("internal", "the role's CA").because(format!("{error:?}")))
}

/// Says that the role listens: one line on standard output per role, for people and for programs.
pub(crate) fn announce(role: &str, listeners: &[(&str, SocketAddr)]) {
    let places: Vec<String> = listeners.iter().map(|(name, at)| format!("{name}={at}")).collect();
    crate::cli::stdout::mention(format_args!("ready {role} {}", places.join(" ")));
}
