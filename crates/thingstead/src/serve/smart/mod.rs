//! Smart devices beside the role `management`: the load balancer `[lbs]` and the access services `[das]`.
//!
//! ```text
//! device -- TCP, TLS --> net::stream -> LbsFace <-> LbsDesk --+-> admission
//!                                                             +-> Fleet: which access service
//! device -- TLS ------> net::stream -> DasFace <-> DasDesk ---+-> hub desk
//! ```
//! They share the store, the executor and the hub desk of the role.

mod apart;
mod compat;
mod das_desk;
mod device_files;
mod device_line;
mod family;
mod fleet;
mod inbox;
mod keys;
mod lbs_desk;
mod on_stream;
mod open_orders;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use certificate::Issuer;
use crypto::Provider;
use hub_desk::{HubDesk, Shut};
use net::executor::Executor;
use net::now::Clock;
use net::seed;
use net::shutdown::Shutdown;
use net::stream::{self, Door, DoorMode, StreamDriver, StreamLimits};
use net::tls::{DeviceIssuers, DeviceTls, device_config};
use osap_front::das::{DasCommand, DasEvent, DasFace, DasSettings};
use osap_front::lbs::{LbsFace, LbsSettings};
use osap_proto::{FakeRecords, Realm, Serial, ServerId, TypeGroup};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

use super::announce;
use super::config::{Centre, Das, DasPlace, Lbs};
use crate::failure::{Failure, Outcome};
use crate::files;
pub(crate) use apart::service::run as run_apart;
use das_desk::DasDesk;
use device_files::DeviceFiles;
use fleet::{Fleet, Load, Member, Place};
use inbox::Inbox;
pub(crate) use keys::PIN_FILE;
use lbs_desk::LbsDesk;
use on_stream::{DasOnStream, LbsOnStream};

/// Events and commands in line between a machine and its desk.
const LINE_LENGTH: usize = 4096;

/// Devices that an access service remembers.
const DEVICE_COUNT_MAX: usize = 100_000;

/// What the roles of smart devices stand on.
#[derive(Clone)]
pub(super) struct Ground {
    pub(super) executor: Executor,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) clock: Clock,
    pub(super) desk: HubDesk,
    pub(super) stop: Shutdown,
    /// The platform's HTTPS, where files are brought and fetched: its port, and SHA-256 of its TLS key.
    pub(super) platform: (u16, [u8; 32]),
}

impl Ground {
    /// What decides for an access service, whose devices find the platform's HTTPS at `host`.
    fn das_desk(&self, host: &str, id: ServerId, commands: Sender<DasCommand>, load: Arc<Load>) -> DasDesk {
        let Self { executor, provider, clock, desk, platform: (port, tls_key), .. } = self.clone();
        let at = format!("{host}:{port}").into();
        let files = DeviceFiles { executor: executor.clone(), provider, at, tls_key };
        DasDesk::new(executor, desk, clock, id, commands, load, files)
    }
}

/// What is switched on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sections {
    pub(crate) lbs: Option<Lbs>,
    pub(crate) das: Option<Das>,
    pub(crate) centre: Option<Centre>,
}

impl Sections {
    /// The realm of the load balancer; `None` when there is none.
    pub(crate) fn realm(&self) -> Outcome<Option<Realm>> {
        self.lbs.as_ref().map(realm_of).transpose()
    }
}

fn realm_of(lbs: &Lbs) -> Outcome<Realm> {
    let realm = Realm::new(lbs.realm.as_bytes());
    realm.ok_or_else(|| Failure::new("config-unreadable", "[lbs] realm").because(&lbs.realm))
}

fn internal(what: &str, error: impl std::fmt::Debug) -> Failure {
    Failure::new("internal", what).because(format!("{error:?}"))
}

/// Opens the listeners of smart devices and starts what serves them.
pub(super) async fn start(
    sections: Sections,
    ground: &Ground,
    issuer: &Issuer,
    data: &std::path::Path,
    services: &mut JoinSet<()>,
) -> Outcome {
    let fleet = Fleet::new(Arc::clone(&ground.provider));
    if let Some(section) = &sections.das {
        let places: Vec<DasPlace> = section.places();
        let mut listeners = Vec::new();
        for place in &places {
            let bound = open_das(place, ground, issuer, &fleet, services).await?;
            listeners.extend(bound);
        }
        let named: Vec<(&str, SocketAddr)> =
            listeners.iter().map(|(name, at)| (name.as_str(), *at)).collect();
        announce("das", &named);
    }
    let fleet = Arc::new(fleet);
    close_what_is_shut(&fleet, &ground.desk);
    services.spawn(Arc::clone(&fleet).renew_keys(ground.stop.clone()));
    if let Some(section) = sections.centre {
        let bound = apart::centre::open(section, ground, issuer, data, Arc::clone(&fleet), services).await?;
        announce("centre", &[("services", bound)]);
    }
    if let Some(section) = sections.lbs {
        open_lbs(section, ground, issuer, data, fleet, services).await?;
    }
    Ok(())
}

/// Has the session of a device end that was blocked or removed.
fn close_what_is_shut(fleet: &Arc<Fleet>, desk: &HubDesk) {
    let fleet = Arc::clone(fleet);
    desk.on_shut(move |serial, why| {
        let Some(serial) = Serial::new(serial.as_bytes()) else { return };
        let fleet = Arc::clone(&fleet);
        tokio::spawn(async move {
            match why {
                Shut::Out => fleet.close(&serial).await,
                Shut::Removed => fleet.forget(&serial).await,
            }
        });
    });
}

async fn bind(name: &str, at: SocketAddr) -> Outcome<(TcpListener, SocketAddr)> {
    let subject = format!("{name} on {at}");
    let failed = |error| Failure::new("cannot-listen", subject.as_str()).because(error);
    let listener = TcpListener::bind(at).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    tracing::info!(name, %bound, "listening for smart devices");
    Ok((listener, bound))
}

fn limits(connections: usize, per_address: usize) -> StreamLimits {
    StreamLimits {
        connection_count_max: connections,
        connection_count_per_source_max: per_address,
        ..StreamLimits::default()
    }
}

async fn open_das(
    place: &DasPlace,
    ground: &Ground,
    issuer: &Issuer,
    fleet: &Fleet,
    services: &mut JoinSet<()>,
) -> Outcome<Vec<(String, SocketAddr)>> {
    let Ground { executor, provider, clock, stop, .. } = ground.clone();
    let key_name = format!("das-tls:{}", place.id);
    let names = [place.host.clone()];
    let tls =
        super::platform_keys::tls_of(key_name.as_bytes(), &names, issuer, &executor, &*provider).await?;
    let config = device_config(&tls.identity).map_err(|error| internal("TLS set-up", error))?;
    let (events_in, events) = channel(LINE_LENGTH);
    let (commands_in, commands) = channel(LINE_LENGTH);
    let run = das_run(place, config, (provider, clock, stop), (commands, events_in)).await?;
    let host = place.host.clone();
    let (plain_port, compat_port) = (run.plain_port, run.compat_port);
    let at = Place { host, port: run.at.port(), plain_port, compat_port, tls_key: tls.key_digest };
    let member = Member::new(run.id.clone(), at, commands_in.clone());
    let load = member.load();
    fleet.add(member, executor.bytes(), executor.bytes()).await;
    let (id, listeners) = (run.id.clone(), run.listeners.clone());
    services.spawn(run.serve(place.id.clone()));
    services.spawn(ground.das_desk(&place.host, id, commands_in, load).run(events));
    Ok(listeners)
}

/// An access service that listens and does not serve yet.
struct DasRun {
    id: ServerId,
    /// With their names.
    listeners: Vec<(String, SocketAddr)>,
    /// MQTT over TLS.
    at: SocketAddr,
    plain_port: Option<u16>,
    compat_port: Option<u16>,
    driver: StreamDriver<DasCommand, DasEvent>,
    machine: DasOnStream,
}

impl DasRun {
    /// Until its shutdown.
    async fn serve(self, name: String) {
        let (machine, tally) = stream::run(self.driver, self.machine).await;
        tracing::info!(name, ?tally, counters = ?machine.0.counters(), "access service: stopped");
    }
}

/// Opens the listeners of an access service.
async fn das_run(
    place: &DasPlace,
    config: DeviceTls,
    (provider, clock, shutdown): (Arc<dyn Provider>, Clock, Shutdown),
    (commands, events): (Receiver<DasCommand>, Sender<DasEvent>),
) -> Outcome<DasRun> {
    let id = ServerId::new(place.id.as_bytes())
        .ok_or_else(|| Failure::new("config-unreadable", "[das] id").because(&place.id))?;
    let (listener, at) = bind(&place.id, place.listen).await?;
    let mut doors = vec![Door { listener, mode: DoorMode::Tls(config) }];
    let mut listeners = vec![(place.id.clone(), at)];
    let mut plain_port = None;
    if let Some(plain) = place.plain {
        let (listener, bound) = bind("das, not sealed by TLS", plain).await?;
        doors.push(Door { listener, mode: DoorMode::Plain });
        listeners.push((format!("{}-plain", place.id), bound));
        plain_port = Some(bound.port());
    }
    let mut compat_door = None;
    let mut compat_port = None;
    if let Some(at) = place.compat {
        let (listener, bound) = bind("das, type 1", at).await?;
        compat_door = Some(doors.len());
        doors.push(Door { listener, mode: DoorMode::Plain });
        listeners.push((format!("{}-compat", place.id), bound));
        compat_port = Some(bound.port());
    }
    let dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let unix_millis = clock.now().utc.map_or(0, clock::Timestamp::as_unix_millis);
    let settings = DasSettings {
        server_id: id.clone(),
        device_count_max: DEVICE_COUNT_MAX,
        backlog_count_max: 65_536,
        first_seq: unix_millis.saturating_mul(1000),
    };
    let face = DasFace::new(provider, settings, dice);
    let limits = limits(place.connections, place.connections_per_address);
    let driver = StreamDriver { doors, limits, commands, events, clock, shutdown };
    let machine = DasOnStream(face, compat_door);
    Ok(DasRun { id, listeners, at, plain_port, compat_port, driver, machine })
}

/// Who vouches for certificates of devices.
fn device_issuers(path: Option<&std::path::Path>) -> Outcome<DeviceIssuers> {
    let Some(path) = path else { return Ok(DeviceIssuers::default()) };
    let certificates = files::read_pem(path)?.certificates;
    DeviceIssuers::new(&certificates).map_err(|error| files::malformed(path, &error.to_string()))
}

async fn open_lbs(
    section: Lbs,
    ground: &Ground,
    issuer: &Issuer,
    data: &std::path::Path,
    fleet: Arc<Fleet>,
    services: &mut JoinSet<()>,
) -> Outcome {
    let Ground { executor, provider, clock, desk, stop, .. } = ground.clone();
    let realm = realm_of(&section)?;
    let name = section.realm;
    let key = super::platform_keys::own_key(b"lbs-key", &executor, &*provider).await?;
    let secret = keys::own_secret(b"lbs-fakes", &executor).await?;
    let fakes = FakeRecords::new(&*provider, secret).map_err(|error| internal("records", error))?;
    let pin = keys::write_pin(data, key.public())?;
    let names = [name.clone()];
    let tls = super::platform_keys::tls_of(b"lbs-tls", &names, issuer, &executor, &*provider).await?;
    let config = device_config(&tls.identity).map_err(|error| internal("TLS set-up", error))?;
    let (listener, bound) = bind("lbs", section.listen).await?;
    let served = TypeGroup::new(&[2, 4, 8]).expect("three different types");
    let settings = LbsSettings {
        served: served.clone(),
        realm,
        key,
        fakes: Arc::new(fakes),
        run_count_max: section.connections,
    };
    let issuers = device_issuers(section.device_issuers.as_deref())?;
    let dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let face = LbsFace::new(Arc::clone(&provider), settings, dice);
    let (events_in, events) = channel(LINE_LENGTH);
    let (commands_in, commands) = channel(LINE_LENGTH);
    let limits = StreamLimits {
        first_byte_time_max: Duration::from_secs(10),
        ..limits(section.connections, section.connections_per_address)
    };
    let mut doors = vec![Door { listener, mode: DoorMode::ByFirstByte(config.clone()) }];
    let mut listeners = vec![("devices", bound)];
    let mut compat_door = None;
    if let Some(at) = section.compat {
        let (listener, bound) = bind("lbs, type 1 too", at).await?;
        compat_door = Some(doors.len());
        doors.push(Door { listener, mode: DoorMode::ByFirstByte(config) });
        listeners.push(("compat", bound));
        tracing::warn!("devices of type 1 are let in, which protects nothing");
    }
    compat::note_switch(compat_door.is_some(), &executor).await?;
    let driver = StreamDriver { doors, limits, commands, events: events_in, clock, shutdown: stop.clone() };
    services.spawn(async move {
        let (machine, tally) = stream::run(driver, LbsOnStream(face, compat_door, issuers)).await;
        tracing::info!(?tally, counters = ?machine.0.counters(), "load balancer: stopped");
    });
    let (hub, of_inbox) = (desk.clone(), executor.clone());
    let lbs = LbsDesk { executor, hub, commands: commands_in, fleet, served, realm: name };
    services.spawn(lbs.run(events));
    if let Some(folder) = section.inbox {
        services.spawn(Inbox { folder, executor: of_inbox, desk }.run(stop));
    }
    announce("lbs", &listeners);
    // People copy it into devices that prove themselves by a key pair.
    crate::cli::stdout::mention(format_args!("lbs key {pin}"));
    Ok(())
}
