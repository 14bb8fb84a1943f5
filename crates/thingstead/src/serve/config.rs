//! What `serve` is told: one file, then environment, then flags.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format as _, Toml};
use net::https_client::Endpoint;
use serde::Deserialize;

use crate::failure::{Failure, Outcome};
use crate::gap_folder::GapFolders;

/// The whole configuration. A role runs when its section is there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The registration server with its gateways.
    pub(crate) registration: Option<Registration>,
    /// The bootstrap server.
    pub(crate) bootstrap: Option<Bootstrap>,
    /// A management system.
    pub(crate) management: Option<Management>,
    /// A broker for MQTT clients, beside the management system whose accounts it uses.
    pub(crate) mqtt: Option<Mqtt>,
    /// Things over CoAP, beside the management system whose accounts it uses.
    pub(crate) coap: Option<Coap>,
    /// The load balancer of smart devices; beside `[management]`.
    pub(crate) lbs: Option<Lbs>,
    /// The access services of smart devices; beside `[management]`.
    pub(crate) das: Option<Das>,
    #[serde(default)]
    pub(crate) centre: Option<Centre>,
}

/// What an online server of the authority needs to be one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Membership {
    /// `ta.bundle` of the identity server.
    pub(crate) bundle: PathBuf,
    /// The certificate of the system CA, in PEM.
    pub(crate) system_ca: PathBuf,
    /// Files from the identity server.
    pub(crate) gap_in: PathBuf,
    /// Files to the identity server.
    pub(crate) gap_out: PathBuf,
    /// Host names and addresses under which others reach this server.
    #[serde(default = "loopback_names")]
    pub(crate) names: Vec<String>,
}

impl Membership {
    pub(crate) fn folders(&self) -> GapFolders {
        GapFolders { inbox: self.gap_in.clone(), outbox: self.gap_out.clone() }
    }
}

const fn yes() -> bool {
    true
}

/// Some forty browsers.
const fn connections() -> NonZeroU16 {
    NonZeroU16::new(256).expect("it is not 0")
}

/// Five browsers behind one address: each keeps up to six.
const fn connections_per_address() -> NonZeroU16 {
    NonZeroU16::new(32).expect("it is not 0")
}

fn loopback_names() -> Vec<String> {
    vec!["localhost".into(), "127.0.0.1".into()]
}

/// The section `[registration]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registration {
    /// The folder of its store and keys.
    pub(crate) data: PathBuf,
    /// What makes it a server of its authority.
    pub(crate) authority: Membership,
    /// HTTPS for makers.
    #[serde(default = "ports::maker_gateway")]
    pub(crate) maker_gateway: SocketAddr,
    /// HTTPS for management systems.
    #[serde(default = "ports::owner_gateway")]
    pub(crate) owner_gateway: SocketAddr,
    /// HTTPS for the bootstrap server.
    #[serde(default = "ports::registration_peers")]
    pub(crate) peers: SocketAddr,
    /// HTTPS for the operator.
    #[serde(default = "ports::registration_platform")]
    pub(crate) platform: SocketAddr,
    /// Where the bootstrap server listens for us.
    #[serde(default = "ports::bootstrap_server")]
    pub(crate) bootstrap_server: String,
}

/// The section `[bootstrap]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bootstrap {
    /// The folder of its store and keys.
    pub(crate) data: PathBuf,
    /// What makes it a server of its authority.
    pub(crate) authority: Membership,
    /// CoAP over DTLS for devices.
    #[serde(default = "ports::devices")]
    pub(crate) devices: SocketAddr,
    /// HTTPS for the registration server.
    #[serde(default = "ports::bootstrap_peers")]
    pub(crate) peers: SocketAddr,
    /// HTTPS for the operator.
    #[serde(default = "ports::bootstrap_platform")]
    pub(crate) platform: SocketAddr,
    /// Where the registration server listens for us.
    #[serde(default = "ports::registration_server")]
    pub(crate) registration_server: String,
}

/// The section `[management]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Management {
    /// The folder of its store and keys.
    pub(crate) data: PathBuf,
    /// HTTPS for the operator and for installers.
    #[serde(default = "ports::management_platform")]
    pub(crate) platform: SocketAddr,
    /// CoAP over DTLS for the devices it manages.
    #[serde(default = "ports::channels")]
    pub(crate) channels: SocketAddr,
    /// The time over plain CoAP, for devices that know none; off unless given.
    #[serde(default)]
    pub(crate) time: Option<SocketAddr>,
    /// The address that is written into images: where devices reach `channels`.
    #[serde(default = "ports::channels")]
    pub(crate) advertised: SocketAddr,
    /// The owner gateway of the authority.
    #[serde(default = "ports::owner_gateway_of_the_authority")]
    pub(crate) owner_gateway: String,
    /// The certificate of the authority's system CA, in PEM.
    pub(crate) system_ca: PathBuf,
    /// Host names and addresses under which installers reach `platform`.
    #[serde(default = "loopback_names")]
    pub(crate) names: Vec<String>,
    /// Whether people may sign in to the console at `platform`.
    #[serde(default = "yes")]
    pub(crate) console: bool,
    /// Connections to `platform` that may be open at once.
    #[serde(default = "connections")]
    pub(crate) connections: NonZeroU16,
    /// Those of them that may come from one IPv4 address or IPv6 network of 64 bits.
    #[serde(default = "connections_per_address")]
    pub(crate) connections_per_address: NonZeroU16,
    /// People who may register devices besides the operator.
    #[serde(default)]
    pub(crate) users: Vec<User>,
}

/// The section `[mqtt]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mqtt {
    /// MQTT over TLS.
    #[serde(default = "ports::mqtt")]
    pub(crate) listen: SocketAddr,
    /// MQTT without TLS: passwords and messages in the clear; off unless given.
    #[serde(default)]
    pub(crate) plain: Option<SocketAddr>,
    /// Connections that may be open at once.
    #[serde(default = "mqtt_connections")]
    pub(crate) connections: NonZeroU32,
    /// Those of them that may come from one IPv4 address or IPv6 network of 64 bits.
    #[serde(default = "mqtt_connections_per_address")]
    pub(crate) connections_per_address: NonZeroU32,
    /// Seconds that a session outlives its connection at most.
    #[serde(default = "session_expiry_max_secs")]
    pub(crate) session_expiry_max_secs: u32,
    /// MiB of messages that wait, for all sessions.
    #[serde(default = "queue_mib")]
    pub(crate) queue_mib: NonZeroU16,
    /// MiB of retained messages.
    #[serde(default = "queue_mib")]
    pub(crate) retained_mib: NonZeroU16,
}

const fn mqtt_connections() -> NonZeroU32 {
    NonZeroU32::new(10_000).expect("it is not 0")
}

/// Many things stand behind one address.
const fn mqtt_connections_per_address() -> NonZeroU32 {
    NonZeroU32::new(1_000).expect("it is not 0")
}

const fn session_expiry_max_secs() -> u32 {
    24 * 60 * 60
}

const fn queue_mib() -> NonZeroU16 {
    NonZeroU16::new(64).expect("it is not 0")
}

/// The section `[coap]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Coap {
    /// CoAP over DTLS for callers of things.
    #[serde(default = "ports::coap")]
    pub(crate) listen: SocketAddr,
    /// Callers that may be connected at once.
    #[serde(default = "mqtt_connections")]
    pub(crate) connections: NonZeroU32,
    /// Handshakes that may be under way with one IPv4 address or IPv6 network of 64 bits.
    #[serde(default = "coap_handshakes_per_address")]
    pub(crate) handshakes_per_address: NonZeroU16,
}

const fn coap_handshakes_per_address() -> NonZeroU16 {
    NonZeroU16::new(32).expect("it is not 0")
}

/// One user of the registration API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    /// The name; no colon.
    pub(crate) name: String,
    /// The argon2 hash of the passphrase as a PHC string.
    pub(crate) passphrase_hash: String,
}

/// The section `[lbs]`: where smart devices prove themselves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lbs {
    /// TCP, and TLS where a connection begins so.
    #[serde(default = "ports::lbs")]
    pub(crate) listen: SocketAddr,
    /// The name under which devices reach it; part of the record of a code, so that it never changes.
    #[serde(default = "localhost")]
    pub(crate) realm: String,
    /// A listener of its own for the old protocol, type 1, which protects nothing; off unless given.
    #[serde(default)]
    pub(crate) compat: Option<SocketAddr>,
    /// A file with certificates, in PEM, of the issuers that vouch for certificates of devices (protocol type 8). One
    /// with the key on the device's record is good without.
    #[serde(default)]
    pub(crate) device_issuers: Option<PathBuf>,
    /// A folder whose record files of devices are taken in; none unless given.
    #[serde(default)]
    pub(crate) inbox: Option<PathBuf>,
    /// Connections, and so proofs, at once.
    #[serde(default = "proofs")]
    pub(crate) connections: usize,
    /// Those of them that may come from one IPv4 address or IPv6 network of 64 bits.
    #[serde(default = "proofs_per_address")]
    pub(crate) connections_per_address: usize,
}

/// The section `[das]`: where smart devices stay connected.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Das {
    /// Its name in tickets.
    #[serde(default = "first_das")]
    id: String,
    /// MQTT over TLS 1.3.
    #[serde(default = "ports::das")]
    listen: SocketAddr,
    /// MQTT without TLS, for devices that have none; not secure against loss, and off unless given.
    #[serde(default)]
    plain: Option<SocketAddr>,
    /// MQTT for devices of the old protocol, type 1; off unless given.
    #[serde(default)]
    compat: Option<SocketAddr>,
    /// The host name or address that devices are told.
    #[serde(default = "loopback_host")]
    host: String,
    /// Devices at once.
    #[serde(default = "devices")]
    connections: usize,
    /// Those of them that may come from one IPv4 address or IPv6 network of 64 bits.
    #[serde(default = "devices_per_address")]
    connections_per_address: usize,
    /// More access services of this process.
    #[serde(default)]
    beside: Vec<DasPlace>,
    /// The pass that a centre wrote for this access service, which then runs in a process without
    /// `[management]`.
    #[serde(default)]
    pub(crate) pass: Option<PathBuf>,
    /// With a pass: the folder of the key under which devices know it.
    #[serde(default)]
    pub(crate) data: Option<PathBuf>,
}

/// The section `[centre]`: where access services in processes of their own report.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Centre {
    /// TLS 1.3.
    #[serde(default = "ports::centre")]
    pub(crate) listen: SocketAddr,
    /// The host name or address that stands in passes.
    #[serde(default = "loopback_host")]
    pub(crate) host: String,
    /// The names of the access services; the pass of each is written to `passes/NAME.pass` in the folder of
    /// `[management]`.
    pub(crate) services: Vec<String>,
}

/// One access service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DasPlace {
    /// As in `[das]`, but needed: no two have one name.
    pub(crate) id: String,
    /// As in `[das]`, but needed.
    pub(crate) listen: SocketAddr,
    /// As in `[das]`.
    #[serde(default)]
    pub(crate) plain: Option<SocketAddr>,
    /// As in `[das]`.
    #[serde(default)]
    pub(crate) compat: Option<SocketAddr>,
    /// As in `[das]`.
    #[serde(default = "loopback_host")]
    pub(crate) host: String,
    /// As in `[das]`.
    #[serde(default = "devices")]
    pub(crate) connections: usize,
    /// As in `[das]`.
    #[serde(default = "devices_per_address")]
    pub(crate) connections_per_address: usize,
}

impl Das {
    /// The service with its pass and folder, when it is in a process of its own.
    pub(crate) fn apart(self) -> Option<(DasPlace, PathBuf, PathBuf)> {
        let place = self.places().swap_remove(0);
        Some((place, self.pass?, self.data?))
    }

    /// All access services, the first one first.
    pub(crate) fn places(&self) -> Vec<DasPlace> {
        let first = DasPlace {
            id: self.id.clone(),
            listen: self.listen,
            plain: self.plain,
            compat: self.compat,
            host: self.host.clone(),
            connections: self.connections,
            connections_per_address: self.connections_per_address,
        };
        std::iter::once(first).chain(self.beside.iter().cloned()).collect()
    }
}

fn localhost() -> String {
    "localhost".into()
}

fn loopback_host() -> String {
    "127.0.0.1".into()
}

fn first_das() -> String {
    "das-1".into()
}

const fn proofs() -> usize {
    1024
}

const fn proofs_per_address() -> usize {
    256
}

const fn devices() -> usize {
    10_000
}

/// A house, or a hall, behind one address.
const fn devices_per_address() -> usize {
    1000
}

/// Ports unless configured otherwise: loopback only, so that nothing is open by accident.
/// Source: architecture, section 6.
mod ports {
    use std::net::{Ipv4Addr, SocketAddr};

    const fn loopback(port: u16) -> SocketAddr {
        SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
    }

    macro_rules! ports {
        ($($name:ident $port:literal)*) => {
            $(pub(super) const fn $name() -> SocketAddr { loopback($port) })*
        };
    }

    ports! {
        maker_gateway 8441
        owner_gateway 8442
        management_platform 8443
        registration_peers 8444
        bootstrap_peers 8445
        registration_platform 8446
        bootstrap_platform 8447
        channels 49683
        devices 49684
        mqtt 8883
        coap 5684
        lbs 8666
        das 8884
        centre 8668
    }

    pub(super) fn registration_server() -> String {
        registration_peers().to_string()
    }

    pub(super) fn bootstrap_server() -> String {
        bootstrap_peers().to_string()
    }

    pub(super) fn owner_gateway_of_the_authority() -> String {
        owner_gateway().to_string()
    }
}

impl Config {
    /// Reads the file, then `THINGSTEAD_` variables (`THINGSTEAD_REGISTRATION__DATA=...`). One without `__`
    /// names no key of a section: it is for another command, as `THINGSTEAD_DATA` and `THINGSTEAD_LOG` are.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let subject = path.display().to_string();
        if !path.is_file() {
            return Err(Failure::new("file-unreadable", subject));
        }
        Figment::new()
            .merge(Toml::file_exact(path))
            .merge(Env::prefixed("THINGSTEAD_").filter(|name| name.as_str().contains("__")).split("__"))
            .extract()
            .map_err(|error| Failure::new("config-unreadable", subject).because(error))
            .and_then(|config: Self| config.with_folders_of_its_own())
            .and_then(Self::with_ground_for_smart_devices)
    }

    /// Smart devices are served beside a management system, and no two access services have one name.
    fn with_ground_for_smart_devices(self) -> Outcome<Self> {
        let wrong = |why: &str| Err(Failure::new("config-unreadable", "[lbs], [das]").because(why));
        let ids: Vec<String> = self.das.iter().flat_map(Das::places).map(|place| place.id).collect();
        let is_twice = |id: &String| ids.iter().filter(|other| *other == id).count() > 1;
        let apart = self.das.as_ref().filter(|das| das.pass.is_some());
        if let Some(das) = apart {
            if self.management.is_some() || self.lbs.is_some() || self.centre.is_some() {
                return wrong("[das] with a pass is for a process without [management], [lbs] and [centre]");
            }
            if das.compat.is_some() {
                return wrong("devices of type 1 are served beside [lbs] alone: no compat with a pass");
            }
            if das.data.is_none() || !das.beside.is_empty() {
                return wrong("[das] with a pass needs data = \"FOLDER\", and has no others beside it");
            }
        } else if self.das.as_ref().is_some_and(|das| das.data.is_some()) {
            return wrong(
                "[das] data goes with a pass; without one its keys rest in the folder of [management]",
            );
        }
        let stands_on_store = self.lbs.is_some() || self.das.is_some() || self.centre.is_some();
        if self.management.is_none() && stands_on_store && apart.is_none() {
            return wrong(
                "they share the store of [management], which is not there; [das] alone needs a pass",
            );
        }
        if self.lbs.is_some() && self.das.is_none() && self.centre.is_none() {
            return wrong("[lbs] without [das] or [centre] has nowhere to send devices");
        }
        let takes_compat = self.das.iter().flat_map(Das::places).any(|place| place.compat.is_some());
        if self.lbs.as_ref().is_some_and(|lbs| lbs.compat.is_some()) != takes_compat {
            return wrong("compat is on in one of them: devices of type 1 need both listeners");
        }
        if ids.iter().any(is_twice) { wrong("two access services have one id") } else { Ok(self) }
    }

    /// Two roles that wrote one folder of the air gap would overwrite each other's files: their names hold
    /// the receiver and a number that both count from 1 (decision G 22).
    fn with_folders_of_its_own(self) -> Outcome<Self> {
        let place = |membership: &Membership| {
            let path = &membership.gap_out;
            std::fs::canonicalize(path)
                .or_else(|_| std::path::absolute(path))
                .unwrap_or_else(|_| path.clone())
        };
        let registration = self.registration.as_ref().map(|section| place(&section.authority));
        let bootstrap = self.bootstrap.as_ref().map(|section| place(&section.authority));
        match registration {
            Some(shared) if bootstrap.as_ref() == Some(&shared) => {
                Err(Failure::new("gap-folder-shared", shared.display().to_string())
                    .because("it is gap_out of [registration.authority] and of [bootstrap.authority]"))
            }
            Some(_) | None => Ok(self),
        }
    }

    /// Every listener with its role, what it is for, and whether it is on.
    pub(crate) fn listeners(&self) -> Vec<Listener> {
        let registration = self.registration.as_ref();
        let bootstrap = self.bootstrap.as_ref();
        let management = self.management.as_ref();
        let mqtt = self.mqtt.as_ref();
        let line =
            |role, transport, purpose, at: Option<SocketAddr>| Listener { role, transport, purpose, at };
        let mut lines = vec![
            line("registration", "TCP https", "maker gateway", registration.map(|r| r.maker_gateway)),
            line("registration", "TCP https", "owner gateway", registration.map(|r| r.owner_gateway)),
            line("registration", "TCP https", "bootstrap server", registration.map(|r| r.peers)),
            line("registration", "TCP https", "operator", registration.map(|r| r.platform)),
            line("bootstrap", "UDP coaps", "devices", bootstrap.map(|b| b.devices)),
            line("bootstrap", "TCP https", "registration server", bootstrap.map(|b| b.peers)),
            line("bootstrap", "TCP https", "operator", bootstrap.map(|b| b.platform)),
            line("management", "UDP coaps", "channels of devices", management.map(|m| m.channels)),
            line("management", "UDP coap", "time, in the clear", management.and_then(|m| m.time)),
            line("management", "TCP https", "operator, installers", management.map(|m| m.platform)),
            line(
                "management",
                "TCP https",
                "console (/ui/)",
                management.filter(|m| m.console).map(|m| m.platform),
            ),
            line("mqtt", "TCP mqtts", "MQTT clients", mqtt.map(|m| m.listen)),
            line("mqtt", "TCP mqtt", "MQTT clients, in the clear", mqtt.and_then(|m| m.plain)),
            line("coap", "UDP coaps", "callers of things", self.coap.as_ref().map(|coap| coap.listen)),
            line("lbs", "TCP osap", "proofs of smart devices", self.lbs.as_ref().map(|lbs| lbs.listen)),
        ];
        let centre = self.centre.as_ref().map(|centre| centre.listen);
        lines.push(line("centre", "TCP tls", "access services of other processes", centre));
        if let Some(at) = self.lbs.as_ref().and_then(|lbs| lbs.compat) {
            lines.push(line("lbs", "TCP osap", "proofs of smart devices, old protocol too", Some(at)));
        }
        let places = self.das.as_ref().map(Das::places).unwrap_or_default();
        if places.is_empty() {
            lines.push(line("das", "TCP mqtts", "smart devices", None));
        }
        for place in places {
            lines.push(line("das", "TCP mqtts", "smart devices", Some(place.listen)));
            if place.plain.is_some() {
                lines.push(line("das", "TCP mqtt", "smart devices, without TLS", place.plain));
            }
            if place.compat.is_some() {
                lines.push(line("das", "TCP mqtt", "smart devices of the old protocol", place.compat));
            }
        }
        lines
    }
}

/// One listener as `serve --check` names it.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub(crate) role: &'static str,
    pub(crate) transport: &'static str,
    pub(crate) purpose: &'static str,
    /// `None`: the role is off.
    pub(crate) at: Option<SocketAddr>,
}

/// An endpoint of the configuration.
pub(crate) fn endpoint(text: &str) -> Outcome<Endpoint> {
    text.parse().map_err(|error| Failure::new("config-unreadable", text).because(error))
}
