//! The role `management`: one owner's devices, its channels over CoAP and DTLS, its people over HTTPS.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use assure_proto::Address;
use certificate::Leaf;
use coap_front::Credential;
use coap_front::channels::{ChannelFace, ChannelSetup};
use crypto::Provider;
use http_front::console::{
    Console, Elsewhere, Feed, InsecureMode, Surroundings, WatchedCertificate, console_api,
};
use http_front::management::{
    EnrolmentError, GatewayAddress, Hooks, ManagementServer, Owner, RegistrationUser,
};
use http_front::shelf::Shelf;
use hub_desk::HubDesk;
use net::executor::Executor;
use net::seed;
use net::shutdown::Shutdown;
use net::tls::ClientCertificates;
use net::udp::{self, UdpDriver};
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinSet;

use super::channels::{ChannelDesk, ChannelWord};
use super::config::{self, Listener, Management};
use super::console_line;
use super::device_socket::{self, LINE_LENGTH, OnSocket};
use super::platform_keys::{operator_file, operators_ca, own_tls};
use super::smart::Ground;
use super::time::TimePort;
use super::{Door, announce, listen_https, open_store, smart};
use crate::failure::{Failure, Outcome};

/// How long to wait before the owner gateway is asked again.
const ENROL_INTERVAL: Duration = Duration::from_millis(500);
/// How long a key of DTLS tickets serves.
const TICKET_KEY_DURATION: Duration = Duration::from_secs(12 * 60 * 60);

/// Roles that use the store and the accounts of a management system.
#[derive(Clone, Debug)]
pub(crate) struct Beside {
    /// The broker.
    pub(crate) mqtt: Option<config::Mqtt>,
    /// Things over CoAP.
    pub(crate) coap: Option<config::Coap>,
    /// Load balancer and access services of smart devices.
    pub(crate) smart: smart::Sections,
}

/// Runs the role until shutdown, and what runs beside it.
pub(crate) async fn run(
    section: Management,
    beside: Beside,
    ports: Vec<Listener>,
    shared: super::Shared,
    stop: Shutdown,
) -> Outcome {
    let super::Shared { provider, clock, starting } = shared;
    let mut store = open_store(&section.data, &provider, clock).await?;
    let records = store.table.clone();
    let feed = Feed::over(store.table.clone(), store.executor.bytes(), clock.now());
    let dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    store.executor = Executor::new(feed.clone(), clock, dice);
    let desk = HubDesk::open(store.executor.clone(), "management");
    let issuer = operators_ca(&section.data, &store.executor, &*provider).await?;
    operator_file(&section.data, &issuer, &store.executor, &*provider)?;
    let tls = own_tls(&section.names, &issuer, &store.executor, &*provider).await?;
    let gateway = GatewayAddress {
        endpoint: config::endpoint(&section.owner_gateway)?,
        roots: vec![super::single_certificate(&section.system_ca)?],
    };
    let Some(owner) = owner(&store.executor, &provider, &gateway, &stop).await? else { return Ok(()) };
    let (keys, crypto) = (owner.keys.clone(), provider.clone());
    let (smart_provider, smart_stop) = (provider.clone(), stop.clone());
    let (words_in, words) = channel(LINE_LENGTH);
    let server = server(&section, &store.executor, owner, words_in)?;
    let mut services = JoinSet::new();
    let (socket, channels) = device_socket::bind(section.channels).await?;
    let mut listeners = vec![("channels", channels)];
    if let Some(at) = section.time {
        let (port, bound) = TimePort::open(at, clock).await?;
        services.spawn(port.run(stop.clone()));
        listeners.push(("time", bound));
    }
    let operators = [issuer.certificate().to_vec()];
    let around = Surroundings {
        desk: desk.clone(),
        realm: beside.smart.realm()?,
        models: &crate::device::smart::models::MODELS,
        is_on: section.console,
        feed,
        listeners: ports.iter().map(console_line::shown).collect(),
        certificates: certificates(&store.executor, &tls.certificate).await,
        insecure: insecure(&section, &beside),
        shelf: shelf(&section.data)?,
        stop: stop.clone(),
    };
    let console = Console::open(server.clone(), around).await;
    let console =
        Arc::new(console.map_err(|error| Failure::new("store-unavailable", "the console").because(error))?);
    let router = console_api(console.clone());
    if let Some(mqtt) = &beside.mqtt {
        let parts = super::mqtt::Parts {
            folder: section.data.clone(),
            records,
            executor: store.executor.clone(),
            provider: provider.clone(),
            tls: tls.identity.clone(),
            console: console.clone(),
            desk: desk.clone(),
            clock,
            stop: stop.clone(),
        };
        let bound = super::mqtt::start(mqtt, parts, &mut services).await?;
        let tls = bound.iter().find(|(name, _)| *name == "mqtt");
        tls.into_iter().for_each(|(_, at)| console.things_are_on(Elsewhere::Mqtt(at.port())));
        listeners.extend(bound);
    }
    let clients = ClientCertificates::Optional(&operators);
    let platform = listen_https(&mut services, door(&section), &tls.identity, clients, router, &stop).await?;
    if let Some(coap) = &beside.coap {
        let name = section.names.first().map_or("localhost", String::as_str);
        let parts = super::coap::Parts {
            executor: store.executor.clone(),
            provider: provider.clone(),
            console: console.clone(),
            desk: desk.clone(),
            host: format!("{name}:{}", platform.port()),
            clock,
            stop: stop.clone(),
        };
        let bound = super::coap::start(coap, parts, &mut services).await?;
        console.things_are_on(Elsewhere::Coaps(bound.port()));
        listeners.push(("coap", bound));
    }
    let dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let own = vec![Credential::raw(keys.class_2.clone()), Credential::raw(keys.rsa.clone())];
    let setup = ChannelSetup {
        provider,
        dice,
        own,
        limits: ChannelSetup::LIMITS,
        ticket_key_duration: Some(TICKET_KEY_DURATION),
    };
    let face = ChannelFace::new(setup, clock.now());
    let (events_in, events) = channel(LINE_LENGTH);
    let (commands_in, commands) = channel(LINE_LENGTH);
    let driver = UdpDriver { socket, commands, events: events_in, clock, shutdown: stop.clone() };
    services.spawn(async move {
        let (_, tally) = udp::run(driver, OnSocket(face)).await;
        tracing::info!(?tally, "channels: stopped");
    });
    services.spawn(ChannelDesk::new(store.executor.clone(), keys, commands_in).run(events, words));
    services.spawn(server.run(stop.clone()));
    let (log, files, after) = (console.clone(), console.clone(), starting.clone());
    services.spawn(async move {
        after.over(&stop).await;
        tokio::join!(log.keep_the_log(), files.keep_the_files());
    });
    listeners.push(("platform", platform));
    let ground = Ground {
        executor: store.executor.clone(),
        provider: smart_provider,
        clock,
        desk,
        stop: smart_stop,
        platform: (platform.port(), tls.key_digest),
    };
    smart::start(beside.smart, &ground, &issuer, &section.data, &mut services).await?;
    announce("management", &listeners);
    starting.one_is_up();
    if section.console {
        console_line::show(&section, platform, &tls.certificate, &*crypto, &console).await?;
    }
    while services.join_next().await.is_some() {}
    Ok(())
}

/// Where the content of files of devices rests.
fn shelf(folder: &Path) -> Outcome<Arc<Shelf>> {
    let folder = folder.join("files");
    let shelf = Shelf::open(&folder);
    let shelf = shelf
        .map_err(|error| Failure::new("file-unwritable", folder.display().to_string()).because(error))?;
    Ok(Arc::new(shelf))
}

/// Source: SECDEV 6.4.4 d; ADR 0162.
fn door(section: &Management) -> Door {
    let mut door = Door::new("platform", section.platform);
    door.limits.connection_count_max = section.connections.get().into();
    door.limits.connection_count_per_source_max = section.connections_per_address.get().into();
    door
}

fn insecure(section: &Management, beside: &Beside) -> Vec<InsecureMode> {
    let time = section.time.map(|_| TIME_IN_THE_CLEAR);
    let mqtt = beside.mqtt.as_ref().and_then(|mqtt| mqtt.plain).map(|_| MQTT_IN_THE_CLEAR);
    let mut places = beside.smart.das.iter().flat_map(config::Das::places);
    let devices = places.any(|place| place.plain.is_some()).then_some(DEVICES_WITHOUT_TLS);
    let compat = beside.smart.lbs.as_ref().and_then(|lbs| lbs.compat).map(|_| OLD_PROTOCOL);
    time.into_iter().chain(mqtt).chain(devices).chain(compat).collect()
}

/// Source: SECDEV 6.4.3.
const MQTT_IN_THE_CLEAR: InsecureMode = InsecureMode {
    name: "mqtt",
    effect: "MQTT clients send passwords and messages in the clear: anybody on the way reads and forges them.",
};

/// Source: SECDEV 6.4.3; what is switched on though it is not secure is named to people.
const TIME_IN_THE_CLEAR: InsecureMode = InsecureMode {
    name: "time",
    effect: "The time is told in the clear: anybody on the way can tell another one.",
};

/// Source: as above.
const DEVICES_WITHOUT_TLS: InsecureMode = InsecureMode {
    name: "das-plain",
    effect: "Smart devices may connect without TLS: anybody on the way can drop or hold back what they say.",
};

/// Source: as above; decisions D-14 and H13.
const OLD_PROTOCOL: InsecureMode = InsecureMode {
    name: "osap-compat",
    effect: "Devices of the old protocol (type 1) are let in: who listens has their keys, reads and forges what they say.",
};

/// The certificates whose end people are told of.
async fn certificates(executor: &Executor, platform: &[u8]) -> Vec<WatchedCertificate> {
    let owner = executor.run(management::ReadOwner).await.ok().and_then(Result::ok).flatten();
    let owner = owner.and_then(|owner| owner.certified.or(owner.registered));
    let owner = owner.map(|certified| ("owner-gateway", certified.certificate));
    let all = owner.into_iter().chain([("platform", platform.to_vec())]);
    let watched = all.filter_map(|(purpose, der)| {
        let ends = Leaf::from_der(&der).ok()?.until()?;
        Some(WatchedCertificate { purpose, ends })
    });
    watched.collect()
}

/// Registers with the owner gateway, or goes on from where that stopped; waits for the gateway as long as
/// it takes. `None` when shutdown was requested first.
async fn owner(
    executor: &Executor,
    provider: &Arc<dyn Provider>,
    gateway: &GatewayAddress,
    stop: &Shutdown,
) -> Outcome<Option<Owner>> {
    loop {
        match Owner::enrol(executor, provider, gateway).await {
            Ok(owner) => return Ok(Some(owner)),
            Err(EnrolmentError::Gateway(error)) => {
                tracing::warn!(%error, endpoint = %gateway.endpoint, "the owner gateway gives no answer yet");
            }
            Err(error) => return Err(Failure::new("refused", "the owner gateway").because(error)),
        }
        tokio::select! {
            () = tokio::time::sleep(ENROL_INTERVAL) => {}
            () = stop.requested() => return Ok(None),
        }
    }
}

fn server(
    section: &Management,
    executor: &Executor,
    owner: Owner,
    words: Sender<ChannelWord>,
) -> Outcome<Arc<ManagementServer>> {
    let at = section.advertised;
    let address = Address::Ip { remote: at.ip(), local_port: 0, remote_port: at.port() };
    let hooks = hooks(words);
    let users: Vec<RegistrationUser> = section
        .users
        .iter()
        .map(|user| RegistrationUser {
            name: user.name.clone(),
            passphrase_hash: user.passphrase_hash.clone(),
        })
        .collect();
    let server = ManagementServer::new(executor.clone(), owner, address, &users, hooks);
    let server =
        server.map_err(|error| Failure::new("config-unreadable", "[management] users").because(error))?;
    Ok(Arc::new(server))
}

/// Words that do not fit their line are dropped: a session that is not closed at once loses its rights at
/// the next call all the same, and orders are looked for again when the device comes back.
fn hooks(words: Sender<ChannelWord>) -> Hooks {
    let again = words.clone();
    let say = |words: &Sender<ChannelWord>, word| {
        if words.try_send(word).is_err() {
            tracing::warn!(?word, "the channels have too much to do");
        }
    };
    Hooks {
        close_sessions: Arc::new(move |device| say(&words, ChannelWord::Drop(device))),
        orders_wait: Arc::new(move |device| say(&again, ChannelWord::Orders(device))),
    }
}
