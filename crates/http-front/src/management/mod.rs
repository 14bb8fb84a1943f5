//! A management system towards people and the authority: the registration API, the platform calls of its
//! operator, and the flows that bring devices into service.
//!
//! **Registration API** (aSSURE 11.2; operator's client certificate, or user and passphrase):
//! `POST /v1/devices/{uuid}?case_string=` 201, 401, 503; `POST /v1/devices/{uuid}/replace?uuid=` 201, 401, 503;
//! `GET /v1/devices/{uuid}/status` 200 `{"status":5,"description":"in service"}`, 401, 503;
//! `GET /v1/devices/{uuid}/info` 200 (the nine keys of 11.2.4), 401, 503;
//! `GET /v1/timestamp` 200 (precision timestamp in CBOR), 503; asks nobody who he is.
//!
//! **Platform calls** (operator's client certificate; see [`platform`] for their JSON):
//! `GET /v1/devices`, `POST /v1/devices/{uuid}/transfer?to=`, `/release`, `/accept`, `/bootstrap`, `/orders`,
//! `GET /v1/devices/{uuid}`, `GET /v1/devices/{uuid}/orders/{number}`, `GET /v1/channels`, `POST /v1/network`,
//! `PUT /v1/managementsystem/takes`.
//!
//! Nothing here uses the crates of the authority: it is called through its owner gateway, also when both run
//! in one process.

mod awaiting;
mod enrolment;
mod find;
mod flow;
mod gateway;
mod order_json;
pub mod platform;
mod registrar;
mod registration_api;
mod users;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use assure_proto::Address;
use axum::Router;
use management::{Origin, Registrant};
use model::Uuid;
use net::executor::Executor;
use tokio::sync::Notify;

use crate::console::caller;

pub use enrolment::{EnrolmentError, Owner};
pub use flow::Driven;
pub use gateway::{GatewayAddress, GatewayError, Granted, OwnerGateway};
pub use users::{BadUser, RegistrationUser, passphrase_hash};

pub(crate) use flow::Registered;
pub(crate) use platform::{DeviceJson, kind_text, link_text};

/// What calls about devices take and give.
pub(crate) mod bodies {
    pub(crate) use super::order_json::{CommandJson, InfoJson, OrderJson};
    pub(crate) use super::platform::{
        BuiltJson, DevicesJson, LinksJson, NetworkJson, OwnIdJson, PlacedJson, PlannedJson, WishesJson,
    };
}

use flow::Wait;
use users::Users;

/// The name of this server in the audit log.
pub(crate) const ROLE: &str = "management";

/// What the management system tells the side that holds the devices' sessions. Both return at once.
#[derive(Clone)]
pub struct Hooks {
    /// The device is disabled: close its sessions.
    pub close_sessions: Arc<dyn Fn(Uuid) + Send + Sync>,
    /// Orders wait for this device, or, without one, for some.
    pub orders_wait: Arc<dyn Fn(Option<Uuid>) + Send + Sync>,
}

impl Hooks {
    /// Tells nobody: for a management system without a CoAP side, whose orders end by their deadlines.
    #[must_use]
    pub fn none() -> Self {
        Self { close_sessions: Arc::new(|_| {}), orders_wait: Arc::new(|_| {}) }
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hooks(..)")
    }
}

/// What a management system works with; shared by its APIs and its flows.
pub struct ManagementServer {
    executor: Executor,
    owner: Owner,
    /// Where devices find us.
    address: Address,
    users: Users,
    hooks: Hooks,
    waits: Mutex<BTreeMap<Uuid, Wait>>,
    woken: Notify,
}

impl std::fmt::Debug for ManagementServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ManagementServer({})", self.owner.keys.id)
    }
}

impl ManagementServer {
    /// A server over `executor`'s store for an enrolled owner. `address` is where devices find its
    /// management channel; `users` may register devices besides the operator.
    ///
    /// # Errors
    /// [`BadUser`].
    pub fn new(
        executor: Executor,
        owner: Owner,
        address: Address,
        users: &[RegistrationUser],
        hooks: Hooks,
    ) -> Result<Self, BadUser> {
        let users = Users::new(users)?;
        let (waits, woken) = (Mutex::new(BTreeMap::new()), Notify::new());
        Ok(Self { executor, owner, address, users, hooks, waits, woken })
    }

    /// The owner it acts for.
    #[must_use]
    pub const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// What runs operations on its store.
    #[must_use]
    pub const fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Whoever asked for what this task does stands in the audit log; where nobody did, `by`.
    fn origin(&self, by: &Registrant) -> Origin {
        let (actor, address) = match (caller::asker(), by) {
            (Some(caller), _) => (caller.name().to_owned(), Some(caller.address)),
            (None, Registrant::Operator) => ("operator".to_owned(), None),
            (None, Registrant::User(name)) => (name.clone(), None),
        };
        let (correlation, seed) = (self.executor.correlation(), self.executor.bytes());
        Origin { address, role: ROLE, actor, correlation, seed }
    }
}

/// Every route of a management system: the registration API and the platform calls.
pub fn management_api(server: Arc<ManagementServer>) -> Router {
    registration_api::routes().merge(platform::routes()).merge(awaiting::routes()).with_state(server)
}
