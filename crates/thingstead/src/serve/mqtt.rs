//! The role `mqtt`: a broker for MQTT clients, beside the management system whose accounts and store it uses.

mod sign_in;
mod storing;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clock::{Moment, Now};
use crypto::Provider;
use http_front::console::{ClientWord, Console};
use hub_desk::HubDesk;
use mqtt_front::{Command, Event, FaceLimits, MqttFace, Newcomer, Output, ServerSettings};
use net::executor::Executor;
use net::now::Clock;
use net::seed;
use net::shutdown::Shutdown;
use net::stream::{
    self, Arrival, ConnId, Door, DoorMode, Security, StreamDriver, StreamLimits, StreamMachine, StreamOutput,
};
use net::tls::{ClientCertificates, TlsIdentity, server_config};
use store::Table;
use things_desk::mqtt::ThingsDesk;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

use super::config::Mqtt;
use super::insist::insist;
use crate::failure::{Failure, Outcome};
use sign_in::SignInDesk;
use storing::{BrokerStore, Writer};

/// Events and commands in line between the face and what answers it.
const LINE_LENGTH: usize = 4_096;
/// Bytes that wait for one client that does not read; over it the connection is cut. Messages of QoS 0 are dropped
/// long before.
const OUTGOING_SIZE_MAX: usize = 32 * 1024 * 1024;

/// What the role uses of the management system.
pub(crate) struct Parts {
    /// The folder of the store and its key.
    pub(crate) folder: PathBuf,
    pub(crate) records: Arc<dyn Table>,
    pub(crate) executor: Executor,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) tls: TlsIdentity,
    pub(crate) console: Arc<Console>,
    /// Which decides about `things/...`.
    pub(crate) desk: HubDesk,
    pub(crate) clock: Clock,
    pub(crate) stop: Shutdown,
}

/// Opens the ports, reads what is stored and serves until shutdown; gives the ports.
pub(crate) async fn start(
    section: &Mqtt,
    parts: Parts,
    services: &mut JoinSet<()>,
) -> Outcome<Vec<(&'static str, SocketAddr)>> {
    let dice = || seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error));
    let limits = broker_limits(section);
    let (folder, records) = (parts.folder.clone(), Arc::clone(&parts.records));
    let (provider, now, journal_dice) = (Arc::clone(&parts.provider), parts.clock.now(), dice()?);
    let opened = tokio::task::spawn_blocking(move || {
        let store = BrokerStore::open(&folder, records, &*provider, journal_dice)?;
        let broker = store.recover(limits, now)?;
        Ok::<_, Failure>((store, broker))
    });
    let (store, broker) =
        opened.await.map_err(|error| Failure::new("internal", "the broker's store").because(error))??;
    let gauges = broker.gauges();
    tracing::info!(sessions = gauges.sessions, retained = gauges.retained_count, "the broker goes on");
    let (doors, bound) = doors(section, &parts.tls).await?;
    let settings = ServerSettings {
        session_expiry_max_secs: section.session_expiry_max_secs,
        ..ServerSettings::default()
    };
    let face = MqttFace::new(settings, FaceLimits::default(), broker, dice()?);
    let (events_in, events) = channel(LINE_LENGTH);
    let (commands_in, commands) = channel(LINE_LENGTH);
    let limits = StreamLimits {
        connection_count_max: section.connections.get() as usize,
        connection_count_per_source_max: section.connections_per_address.get() as usize,
        outgoing_size_max: OUTGOING_SIZE_MAX,
        ..StreamLimits::default()
    };
    let (clock, shutdown) = (parts.clock, parts.stop.clone());
    let driver = StreamDriver { doors, limits, commands, events: events_in, clock, shutdown };
    expel_changed(&parts.console, commands_in.clone());
    let writer = Writer::start(store, commands_in.clone());
    let things = ThingsDesk::new(parts.desk.clone(), commands_in.clone(), clock);
    let sign_in = SignInDesk::new(&parts, commands_in)?;
    services.spawn(serve(driver, face, Desks { writer, sign_in, things }, events));
    Ok(bound)
}

fn broker_limits(section: &Mqtt) -> broker::Limits {
    let mib = |count: std::num::NonZeroU16| usize::from(count.get()) * 1024 * 1024;
    broker::Limits {
        session_expiry_max_secs: section.session_expiry_max_secs,
        queue_bytes_account_max: mib(section.queue_mib) / 2,
        queue_bytes_total_max: mib(section.queue_mib),
        retained_bytes_max: mib(section.retained_mib),
        // The name of the account stands in front.
        client_id_size_max: 256 + accounts::NAME_LENGTH_MAX,
        ..broker::Limits::default()
    }
}

/// Ends the connections of clients that were removed or have another password or certificate.
fn expel_changed(console: &Console, commands: Sender<Command>) {
    let runtime = tokio::runtime::Handle::current();
    console.on_client_changed(move |name, word| {
        let name = name.to_owned();
        let command = match word {
            ClientWord::Removed => Command::Forget { name },
            ClientWord::Password | ClientWord::Certificate => Command::Expel { name },
            ClientWord::Key => return,
        };
        insist(&runtime, &commands, command);
    });
}

async fn doors(section: &Mqtt, tls: &TlsIdentity) -> Outcome<(Vec<Door>, Vec<(&'static str, SocketAddr)>)> {
    let config = server_config(tls, ClientCertificates::Any);
    let config = config.map_err(|error| Failure::new("internal", "TLS set-up").because(error))?;
    let mut config = Arc::unwrap_or_clone(config);
    // A client that names `mqtt` is served; most name nothing.
    config.alpn_protocols = vec![b"mqtt".to_vec()];
    let plain = section.plain.map(|at| ("mqtt-plain", at, DoorMode::Plain));
    let wanted = [("mqtt", section.listen, DoorMode::Tls(Arc::new(config)))].into_iter().chain(plain);
    let (mut doors, mut bound) = (Vec::new(), Vec::new());
    for (name, at, mode) in wanted {
        let failed = |error| Failure::new("cannot-listen", format!("{name} on {at}")).because(error);
        let listener = TcpListener::bind(at).await.map_err(failed)?;
        let place = listener.local_addr().map_err(failed)?;
        tracing::info!(name, %place, "listening for MQTT clients");
        bound.push((name, place));
        doors.push(Door { listener, mode });
    }
    Ok((doors, bound))
}

/// Runs the face, passes on what it tells, and stores what is left when it has stopped.
async fn serve(driver: StreamDriver<Command, Event>, face: MqttFace, desks: Desks, events: Receiver<Event>) {
    let running = tokio::spawn(stream::run(driver, OnStream { face, now: Now::without_utc(Moment::START) }));
    let passing = tokio::spawn(pass_on(events, desks));
    let (Ok((machine, tally)), Ok(writer)) = (running.await, passing.await) else {
        tracing::error!("the broker broke off");
        return;
    };
    let counters = machine.face.counters();
    let (mut broker, untold) = machine.face.into_broker();
    tracing::info!(?tally, ?counters, broker = ?broker.counters(), "mqtt: stopped");
    let (last, store) = writer.finish().await;
    if let Some((number, first)) = last.filter(|(number, _)| *number > broker.last_stored()) {
        broker.stored(number, first);
    }
    if let Some(mut store) = store {
        let kept = tokio::task::spawn_blocking(move || store.store_rest(&mut broker, untold));
        if !matches!(kept.await, Ok(true)) {
            tracing::error!("what the broker had to store last could not be stored");
        }
    }
}

/// What answers the face.
struct Desks {
    writer: Writer,
    sign_in: SignInDesk,
    things: ThingsDesk,
}

async fn pass_on(mut events: Receiver<Event>, desks: Desks) -> Writer {
    let Desks { writer, mut sign_in, mut things } = desks;
    while let Some(event) = events.recv().await {
        match event {
            Event::Store(batch) => writer.write(*batch),
            Event::SignIn(asked) => sign_in.ask(*asked),
            Event::Things(event) => things.take(event).await,
        }
    }
    writer
}

/// The face as the driver of connections wants it.
#[derive(Debug)]
struct OnStream {
    face: MqttFace,
    /// Of the last input.
    now: Now,
}

impl StreamMachine for OnStream {
    type Command = Command;
    type Event = Event;

    fn opened(&mut self, conn: ConnId, arrival: Arrival, now: Now) {
        self.now = now;
        let (is_plain, client_certificate) = match arrival.security {
            Security::Plain => (true, None),
            Security::Tls { client_certificate, .. } => (false, client_certificate),
        };
        self.face.opened(conn.0, Newcomer { from: arrival.from, is_plain, client_certificate }, now);
    }

    fn receive(&mut self, conn: ConnId, bytes: &[u8], now: Now) {
        self.now = now;
        self.face.receive(conn.0, bytes, now);
    }

    fn closed(&mut self, conn: ConnId, now: Now) {
        self.now = now;
        self.face.closed(conn.0, now);
    }

    fn waits(&mut self, conn: ConnId, bytes: usize) {
        self.face.waits(conn.0, bytes);
    }

    fn command(&mut self, command: Command, now: Now) {
        self.now = now;
        self.face.command(command, now);
    }

    fn refused(&mut self, event: Event, now: Now) {
        self.now = now;
        self.face.refused(event, now);
    }

    fn expire(&mut self, now: Now) {
        self.now = now;
        self.face.expire(now);
    }

    fn stop(&mut self, now: Now) {
        self.now = now;
        self.face.stop(now);
    }

    fn next_output(&mut self) -> Option<StreamOutput<Event>> {
        Some(match self.face.next_output(self.now)? {
            Output::Transmit { conn, bytes } => StreamOutput::Transmit { conn: ConnId(conn), bytes },
            Output::Close { conn } => StreamOutput::Close { conn: ConnId(conn) },
            Output::Event(event) => StreamOutput::Event(event),
        })
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.face.next_deadline()
    }
}
