//! The role `coap`: things over CoAP and DTLS, beside the management system whose accounts and hub it uses.

use std::net::SocketAddr;
use std::sync::Arc;

use accounts::{AccountName, KeyOfClient};
use coap_front::EntranceLimits;
use coap_front::things::{ThingsCommand, ThingsEvent, ThingsFace, ThingsSetup};
use crypto::Provider;
use http_front::console::{ClientWord, Console};
use hub::ThingView;
use hub_desk::HubDesk;
use net::executor::Executor;
use net::now::Clock;
use net::seed;
use net::shutdown::Shutdown;
use net::udp::{self, UdpDriver};
use things_desk::coap::{KnownKey, ThingsDesk};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

use super::config::Coap;
use super::device_socket::{self, LINE_LENGTH, OnSocket};
use super::insist::insist;
use crate::failure::{Failure, Outcome};

/// What the role uses of the management system.
pub(crate) struct Parts {
    pub(crate) executor: Executor,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) console: Arc<Console>,
    /// Which decides.
    pub(crate) desk: HubDesk,
    /// Under which descriptions name us: host and port of the HTTP interface.
    pub(crate) host: String,
    pub(crate) clock: Clock,
    pub(crate) stop: Shutdown,
}

/// Opens the port and serves until shutdown; gives the port.
pub(crate) async fn start(section: &Coap, parts: Parts, services: &mut JoinSet<()>) -> Outcome<SocketAddr> {
    let Parts { executor, provider, console, desk, host, clock, stop } = parts;
    let dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let limits = EntranceLimits {
        association_count_max: section.connections.get() as usize,
        handshakes_per_net_max: section.handshakes_per_address.get().into(),
        ..ThingsSetup::LIMITS
    };
    let face = ThingsFace::new(ThingsSetup { provider, dice, limits }, clock.now());
    let (socket, bound) = device_socket::bind_for("callers of things", section.listen).await?;
    let (events_in, events) = channel(LINE_LENGTH);
    let (commands_in, commands) = channel(LINE_LENGTH);
    drop_changed(&console, commands_in.clone());
    let driver = UdpDriver { socket, commands, events: events_in, clock, shutdown: stop };
    services.spawn(async move {
        let (face, tally) = udp::run(driver, OnSocket(face)).await;
        tracing::info!(?tally, denied = face.0.denied_count(), "callers of things: stopped");
    });
    let key_of = Arc::new(move |name: String| {
        let executor = executor.clone();
        Box::pin(async move { key_of(&executor, &name).await }) as _
    });
    let describe = Arc::new(move |view: &ThingView| console.describe(view, &host));
    services.spawn(pass_on(events, ThingsDesk::new(desk, commands_in, key_of, describe)));
    Ok(bound)
}

/// The key of a client that names itself as its account is written; other ways to write it are other names, so that
/// every association stands under the one name by which it is ended.
async fn key_of(executor: &Executor, name: &str) -> Option<KnownKey> {
    let account = AccountName::from_typed(name).ok().filter(|account| account.as_str() == name)?;
    match executor.run(KeyOfClient { name: account }).await {
        Ok(Ok(client)) => client.map(|client| (client.key.secret().clone(), client.for_owner)),
        Ok(Err(error)) => {
            tracing::error!(?error, "the key of a caller");
            None
        }
        Err(error) => {
            tracing::error!(?error, "the key of a caller");
            None
        }
    }
}

/// Ends what was begun with a key that counts no longer.
fn drop_changed(console: &Console, commands: Sender<ThingsCommand>) {
    let runtime = tokio::runtime::Handle::current();
    console.on_client_changed(move |name, word| {
        if matches!(word, ClientWord::Password | ClientWord::Certificate) {
            return;
        }
        insist(&runtime, &commands, ThingsCommand::Drop { name: name.to_owned() });
    });
}

async fn pass_on(mut events: Receiver<ThingsEvent>, things: ThingsDesk) {
    while let Some(event) = events.recv().await {
        things.take(event);
    }
}
