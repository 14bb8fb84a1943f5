//! The registration server: its gateways, its side towards the bootstrap server, and the flows over both.

mod even;
mod maker_api;
mod operator_api;
mod owner_api;
mod owner_flow;
mod query;
mod recovery_flow;
mod settling;
mod ta_api;

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};

use authority::registration::RegistrationKeys;
use authority::{GapPartner, GapSelf, Origin};
use net::executor::Executor;
use tokio::sync::Notify;

use crate::BootstrapClient;
use crate::source_limit::SourceLimit;

pub use maker_api::maker_api;
pub use operator_api::operator_api;
pub use owner_api::owner_api;
pub use settling::Unsettled;
pub use ta_api::ta_api;

/// The name of this server in the audit log.
const ROLE: &str = "registration";
/// Registrations of one source in an hour. Source: ruling A-ASSURE-33.
const REGISTRATION_COUNT_MAX: u32 = 60;

/// Writes the files of the outbox to the gap; says what went wrong.
pub type FlushOutbox = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What the registration server works with; shared by its three APIs.
pub struct RegistrationServer {
    executor: Executor,
    keys: Arc<RegistrationKeys>,
    bootstrap: BootstrapClient,
    gap: GapSelf,
    identity: GapPartner,
    registrations: Mutex<SourceLimit>,
    flush_outbox: FlushOutbox,
    /// A change stayed pending.
    woken: Notify,
    /// Changes that stayed pending, and issued devices that the bootstrap server does not know.
    unsettled: [AtomicUsize; 2],
    /// Held by whoever settles, so that waiting calls do not all ask the bootstrap server.
    settling: tokio::sync::Mutex<()>,
    /// This server has agreed with the bootstrap server since its start.
    has_settled: AtomicBool,
}

impl std::fmt::Debug for RegistrationServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RegistrationServer(..)")
    }
}

impl RegistrationServer {
    /// A server over `executor`'s store, which answers no owner about a device before it has settled with the
    /// bootstrap server: see [`RegistrationServer::settle`]. `flush_outbox` writes the files of the outbox to the gap and
    /// returns when they are safe; the maker gateway calls it before it answers 201.
    #[must_use]
    pub fn new(
        executor: Executor,
        keys: Arc<RegistrationKeys>,
        bootstrap: BootstrapClient,
        gap: GapSelf,
        identity: GapPartner,
        flush_outbox: FlushOutbox,
    ) -> Self {
        let registrations = Mutex::new(SourceLimit::new(REGISTRATION_COUNT_MAX));
        let unsettled = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let (woken, settling, has_settled) =
            (Notify::new(), tokio::sync::Mutex::default(), AtomicBool::new(false));
        Self {
            executor,
            keys,
            bootstrap,
            gap,
            identity,
            registrations,
            flush_outbox,
            woken,
            unsettled,
            settling,
            has_settled,
        }
    }

    fn origin(&self, actor: impl Into<String>) -> Origin {
        Origin {
            address: None,
            role: ROLE,
            actor: actor.into(),
            correlation: self.executor.correlation(),
            seed: self.executor.bytes(),
        }
    }
}
