//! Folders and ports of the demo, and the configuration files that name them.

use std::path::PathBuf;

use crate::failure::Outcome;
use crate::files;

use super::ports::Block;
use super::stage::Stage;

/// Every port of the demo, all on loopback.
pub(crate) struct Ports {
    pub(crate) maker_gateway: u16,
    pub(crate) owner_gateway: u16,
    pub(crate) registration_peers: u16,
    pub(crate) registration_platform: u16,
    pub(crate) bootstrap_peers: u16,
    pub(crate) bootstrap_platform: u16,
    pub(crate) bootstrap_devices: u16,
    pub(crate) owner_platforms: [u16; 2],
    pub(crate) owner_channels: [u16; 2],
    pub(crate) lbs: u16,
    pub(crate) das: u16,
    pub(crate) lbs_compat: u16,
    pub(crate) das_compat: u16,
    pub(crate) mqtt: u16,
    _block: Block,
}

/// The two owners.
pub(crate) const OWNERS: [&str; 2] = ["owner-a", "owner-b"];

/// The bootstrap server's id: one of the private range.
/// Source: ruling A-ASSURE-106.
pub(crate) const BOOTSTRAP_SERVER: u32 = 0xFFFF_0001;

impl Ports {
    /// Ports that are free now.
    pub(crate) fn choose() -> Outcome<Self> {
        let block = Block::choose()?;
        let [maker_gateway, owner_gateway, registration_peers, registration_platform, others @ ..] =
            block.ports::<16>();
        let [bootstrap_peers, bootstrap_platform, bootstrap_devices, owners @ ..] = others;
        Ok(Self {
            maker_gateway,
            owner_gateway,
            registration_peers,
            registration_platform,
            bootstrap_peers,
            bootstrap_platform,
            bootstrap_devices,
            owner_platforms: [owners[0], owners[1]],
            owner_channels: [owners[2], owners[3]],
            lbs: owners[4],
            das: owners[5],
            lbs_compat: owners[6],
            das_compat: owners[7],
            mqtt: owners[8],
            _block: block,
        })
    }
}

/// A loopback address with this port.
pub(crate) fn at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// A path as it stands in a configuration file.
fn quoted(path: PathBuf) -> String {
    format!("{:?}", path.display().to_string())
}

/// Writes one configuration file per server process.
pub(crate) fn write_configurations(stage: &Stage, ports: &Ports) -> Outcome {
    let membership = |role: &str| {
        format!(
            "[{role}.authority]\nbundle = {}\nsystem_ca = {}\ngap_in = {}\ngap_out = {}\n",
            quoted(stage.path("public/ta.bundle")),
            quoted(stage.path("public/system-ca.pem")),
            quoted(stage.path("gap/from-identity")),
            quoted(stage.path(format!("gap/from-{role}"))),
        )
    };
    let registration = format!(
        "[registration]\ndata = {}\nmaker_gateway = \"{}\"\nowner_gateway = \"{}\"\npeers = \"{}\"\n\
         platform = \"{}\"\nbootstrap_server = \"{}\"\n{}",
        quoted(stage.path("registration")),
        at(ports.maker_gateway),
        at(ports.owner_gateway),
        at(ports.registration_peers),
        at(ports.registration_platform),
        at(ports.bootstrap_peers),
        membership("registration"),
    );
    let bootstrap = format!(
        "[bootstrap]\ndata = {}\ndevices = \"{}\"\npeers = \"{}\"\nplatform = \"{}\"\n\
         registration_server = \"{}\"\n{}",
        quoted(stage.path("bootstrap")),
        at(ports.bootstrap_devices),
        at(ports.bootstrap_peers),
        at(ports.bootstrap_platform),
        at(ports.registration_peers),
        membership("bootstrap"),
    );
    files::write_secret(&stage.path("registration.toml"), registration.as_bytes())?;
    files::write_secret(&stage.path("bootstrap.toml"), bootstrap.as_bytes())?;
    for (owner, name) in OWNERS.into_iter().enumerate() {
        let management = format!(
            "[management]\ndata = {}\nplatform = \"{}\"\nchannels = \"{}\"\nadvertised = \"{}\"\n\
             owner_gateway = \"{}\"\nsystem_ca = {}\n",
            quoted(stage.path(name)),
            at(ports.owner_platforms[owner]),
            at(ports.owner_channels[owner]),
            at(ports.owner_channels[owner]),
            at(ports.owner_gateway),
            quoted(stage.path("public/system-ca.pem")),
        );
        let smart = if owner == 1 { with_smart_devices(stage, ports)? } else { String::new() };
        let all = format!("{management}{smart}");
        files::write_secret(&stage.path(format!("{name}.toml")), all.as_bytes())?;
    }
    Ok(())
}

/// What the second owner serves besides: smart devices, and a broker.
fn with_smart_devices(stage: &Stage, ports: &Ports) -> Outcome<String> {
    let inbox = stage.path(super::smart::INBOX);
    files::make_folder(&inbox)?;
    let (lbs, das) = (at(ports.lbs), at(ports.das));
    let mqtt = at(ports.mqtt);
    let (old_lbs, old_das) = (at(ports.lbs_compat), at(ports.das_compat));
    Ok(format!(
        "[lbs]\nlisten = \"{lbs}\"\ncompat = \"{old_lbs}\"\ninbox = {}\n\
         [das]\nlisten = \"{das}\"\ncompat = \"{old_das}\"\n[mqtt]\nlisten = \"{mqtt}\"\n",
        quoted(inbox)
    ))
}
