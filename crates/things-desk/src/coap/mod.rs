//! Things over CoAP.
//!
//! ```text
//! GET  /.well-known/core                      the things that the caller may use, as links
//! GET  /things/{id}                           the description, application/td+json
//! GET  /things/{id}/properties[/{name}]       values; one of them may be observed, or asked for afresh
//! PUT  /things/{id}/properties/{name}         a value that is wanted
//! POST /things/{id}/actions/{name}            an operation
//! GET  /things/{id}/actions/{name}/{number}   what became of it
//! GET  /things/{id}/events/{name}             the newest event; may be observed
//! ```
//! Each request is a task of its own: the face bounds how many one caller may have open.

mod asking;
mod hearing;
mod links;
mod path;
mod words;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use coap_front::ExchangeId;
use coap_front::things::{ObserverId, ThingsCommand, ThingsEvent};
use crypto::Secret;
use hub::ThingView;
use hub_desk::HubDesk;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::caller;

/// A key, and whether who holds it acts for the owner.
pub type KnownKey = (Secret, bool);

/// Who may call, and with which key; asked at every handshake.
pub type KeyOf =
    dyn Fn(String) -> std::pin::Pin<Box<dyn Future<Output = Option<KnownKey>> + Send>> + Send + Sync;

/// Writes the description of a thing for the caller whose view it is.
pub type Describe = dyn Fn(&ThingView) -> Vec<u8> + Send + Sync;

/// What every request stands on.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) desk: HubDesk,
    pub(crate) commands: Sender<ThingsCommand>,
    pub(crate) describe: Arc<Describe>,
    /// Requests whose first state is on its way, with who wants to know their observer.
    beginning: Arc<Mutex<HashMap<ExchangeId, oneshot::Sender<Option<ObserverId>>>>>,
    /// What runs for observers.
    hearing: Arc<Mutex<HashMap<ObserverId, AbortHandle>>>,
}

impl Ground {
    pub(crate) async fn say(&self, command: ThingsCommand) {
        // A face that has stopped has lost its callers too.
        self.commands.send(command).await.ok();
    }
}

/// Answers what a face asks.
pub struct ThingsDesk {
    ground: Ground,
    key_of: Arc<KeyOf>,
}

impl std::fmt::Debug for ThingsDesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ThingsDesk(..)")
    }
}

impl ThingsDesk {
    /// A desk before `desk` that answers on `commands`.
    #[must_use]
    pub fn new(
        desk: HubDesk,
        commands: Sender<ThingsCommand>,
        key_of: Arc<KeyOf>,
        describe: Arc<Describe>,
    ) -> Self {
        let ground = Ground { desk, commands, describe, beginning: Arc::default(), hearing: Arc::default() };
        Self { ground, key_of }
    }

    /// Takes an event; the answers are commands.
    pub fn take(&self, event: ThingsEvent) {
        let ground = self.ground.clone();
        match event {
            ThingsEvent::WhoIs { association, name } => {
                let key = (self.key_of)(name);
                tokio::spawn(async move {
                    ground
                        .say(match key.await {
                            Some((key, for_owner)) => ThingsCommand::Known { association, key, for_owner },
                            None => ThingsCommand::Unknown { association },
                        })
                        .await;
                });
            }
            ThingsEvent::Asks { caller, address, incoming, .. } => {
                let caller = caller::client(&caller.name, caller.for_owner, address.ip());
                tokio::spawn(asking::answer(ground, caller, incoming));
            }
            ThingsEvent::Observing { exchange, observer } => {
                let waiting = lock(&ground.beginning).remove(&exchange);
                if let Some(waiting) = waiting {
                    // One that has ended meanwhile needs no observer.
                    let _ended = waiting.send(observer);
                }
            }
            ThingsEvent::ObserverGone { observer } => {
                let task = lock(&ground.hearing).remove(&observer);
                task.into_iter().for_each(|task| task.abort());
            }
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
