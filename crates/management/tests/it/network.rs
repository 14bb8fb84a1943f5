//! Real devices around a management system and a bootstrap server, over datagrams in virtual time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use agent::{Agent, AgentEvent, DeviceKey, Factory, FactoryRoot, Settings};
use assure_json::DeviceStatus;
use assure_proto::{
    Address, AuthenticatedKey, BootstrapServerId, ChannelId, ChannelState, Class, DeviceInfo, PskHint,
    RootKey,
};
use clock::{Dice, Moment, Now, Timestamp};
use coap_front::bootstrap::{
    BootstrapCommand, BootstrapEvent, BootstrapFace, BootstrapSetup, Class3Keys, ImageAnswer, IssuedKey,
};
use coap_front::channels::{
    ChannelCommand, ChannelEvent, ChannelFace, ChannelSetup, Order, OrderId, Receipt,
};
use coap_front::{Admission, AdmissionKey, Claim, Credential, Output};
use crypto::Secret;
use management::{
    ChannelProof, Command, FindPeer, Heard, KeyKind, OwnProof, PeerSign, Presence, Proven, key_digest,
};
use model::{KeyId, Uuid};

use crate::world::{Born, Device, World};

const LATENCY: Duration = Duration::from_millis(10);
/// The first and only owner.
const FIRST: u32 = 1;
const BOOTSTRAP: SocketAddr = local(49684);

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port)
}

/// A device that runs.
pub(crate) struct Node {
    pub(crate) device: Device,
    pub(crate) address: SocketAddr,
    pub(crate) agent: Agent,
    pub(crate) events: Vec<AgentEvent>,
    image: Vec<u8>,
}

impl Node {
    pub(crate) fn state(&self, channel: u16) -> Option<ChannelState> {
        let wanted = ChannelId::new(channel.into());
        self.agent.channel_states().find(|(id, _)| Some(*id) == wanted).map(|(_, state)| state)
    }
}

pub(crate) struct Network {
    pub(crate) world: World,
    pub(crate) nodes: Vec<Node>,
    /// What the devices were told and answered.
    pub(crate) done: Vec<(Uuid, Command, u8)>,
    /// Every datagram: sender, receiver, bytes.
    pub(crate) seen: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    now: Moment,
    way: VecDeque<(Moment, SocketAddr, SocketAddr, Vec<u8>)>,
    bootstrap: BootstrapFace,
    channels: ChannelFace,
    at: BTreeMap<Uuid, SocketAddr>,
    under_way: BTreeMap<u64, (Uuid, u64, Command)>,
    next_order: u64,
}

impl Network {
    /// Devices of these kinds in service, in this order; `edit` changes each before it is made.
    pub(crate) fn in_service(run: u64, kinds: &[KeyKind], edit: impl Fn(usize, &mut Device)) -> Self {
        let mut network = Self::empty(World::new(run));
        for (place, kind) in kinds.iter().enumerate() {
            let mut device = network.world.device(*kind);
            edit(place, &mut device);
            network.add(device);
        }
        network.run_for(Duration::from_secs(10));
        for node in &network.nodes {
            assert_eq!(node.state(1), Some(ChannelState::Open), "{:?}", node.events);
            assert_eq!(network.world.status(&node.device), DeviceStatus::InService);
        }
        network
    }

    fn empty(world: World) -> Self {
        let (provider, keys) = (world.provider.clone(), world.keys.clone());
        let now = Now::new(Moment::START, world.utc());
        let class_3 = |chain: &crate::world::Chain| {
            (chain.bootstrap_key.id(), Credential::raw(chain.bootstrap.clone()))
        };
        let bootstrap = BootstrapSetup {
            provider: provider.clone(),
            dice: Dice::numbered(501),
            keys: Class3Keys { ec: class_3(&world.ec), rsa: class_3(&world.rsa) },
            limits: BootstrapSetup::LIMITS,
        };
        let channels = ChannelSetup {
            provider,
            dice: Dice::numbered(502),
            own: vec![Credential::raw(keys.class_2.clone()), Credential::raw(keys.rsa.clone())],
            limits: ChannelSetup::LIMITS,
            ticket_key_duration: None,
        };
        Self {
            nodes: Vec::new(),
            done: Vec::new(),
            seen: Vec::new(),
            now: Moment::START,
            way: VecDeque::new(),
            bootstrap: BootstrapFace::new(bootstrap, now),
            channels: ChannelFace::new(channels, now),
            at: BTreeMap::new(),
            under_way: BTreeMap::new(),
            next_order: 1,
            world,
        }
    }

    /// A device is claimed, its image uploaded, and it is switched on for the first time.
    fn add(&mut self, device: Device) {
        self.world.claim(&device);
        let configuration = self.world.configuration(&device, FIRST);
        let image = self.world.arrives(&device, configuration).unwrap();
        self.world.uploaded(&device, &image);
        let place = self.nodes.len();
        let address = local(50_000 + u16::try_from(place).unwrap());
        let factory = factory_of(&device);
        let dice = Dice::numbered(900 + place as u64);
        let provider = self.world.provider.clone();
        let first = factory.first_state();
        let now = Now::without_utc(self.now);
        let agent = Agent::start(first.expose(), &Settings::default(), provider, dice, now).unwrap();
        self.nodes.push(Node { device, address, agent, events: Vec::new(), image: image.image });
        self.settle(place);
    }

    pub(crate) fn node(&self, device: Uuid) -> &Node {
        self.nodes.iter().find(|node| node.device.uuid == device).unwrap()
    }

    /// Devices between which datagrams went, each pair once.
    pub(crate) fn talking(&self) -> BTreeSet<(Uuid, Uuid)> {
        let owner =
            |at: &SocketAddr| self.nodes.iter().find(|node| node.address == *at).map(|node| node.device.uuid);
        let pairs = self.seen.iter().filter_map(|(from, to, _)| Some((owner(from)?, owner(to)?)));
        pairs.map(|(one, other)| (one.min(other), one.max(other))).collect()
    }

    /// Lets our own copy of a device know the keys of its image, so that it can judge what rests on them.
    pub(crate) fn learn(&mut self, place: usize) {
        let Node { device, image, .. } = &mut self.nodes[place];
        if device.record.sequence_number == 0 {
            self.world.apply(device, image);
        }
    }

    /// Hands out what waits for the devices, and gives them time.
    pub(crate) fn carry_out(&mut self) {
        for device in self.at.keys().copied().collect::<Vec<_>>() {
            self.send_orders(device);
        }
        self.run_for(Duration::from_secs(20));
    }

    fn clock(&self) -> Now {
        let utc = self.world.utc().as_unix_millis() + self.now.as_micros() / 1000;
        Now::new(self.now, Timestamp::from_unix_millis(utc))
    }

    pub(crate) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let devices = self.nodes.iter().filter_map(|node| node.agent.next_deadline());
            let faces = [self.bootstrap.next_deadline(), self.channels.next_deadline()];
            let arrival = self.way.front().map(|(at, ..)| *at);
            let next = devices.chain(faces.into_iter().flatten()).chain(arrival).min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.deliver();
            self.wake();
        }
        self.now = end;
    }

    fn deliver(&mut self) {
        while self.way.front().is_some_and(|(at, ..)| *at <= self.now) {
            let (_, from, to, datagram) = self.way.pop_front().unwrap();
            let now = self.clock();
            if to == BOOTSTRAP {
                self.bootstrap.receive(from, &datagram, now);
            } else if to == self.management() {
                self.channels.receive(from, &datagram, now);
            } else if let Some(place) = self.nodes.iter().position(|node| node.address == to) {
                self.nodes[place].agent.receive(from, &datagram, Now::without_utc(self.now));
                self.settle(place);
            }
            self.serve();
        }
    }

    fn wake(&mut self) {
        for place in 0..self.nodes.len() {
            if self.nodes[place].agent.next_deadline().is_some_and(|at| at <= self.now) {
                self.nodes[place].agent.expire(Now::without_utc(self.now));
                self.settle(place);
            }
        }
        let now = self.clock();
        if self.bootstrap.next_deadline().is_some_and(|at| at <= self.now) {
            self.bootstrap.expire(now);
        }
        if self.channels.next_deadline().is_some_and(|at| at <= self.now) {
            self.channels.expire(now);
        }
        self.serve();
    }

    pub(crate) fn management(&self) -> SocketAddr {
        match self.world.address() {
            Address::Ip { remote, remote_port, .. } => SocketAddr::new(remote, remote_port),
            other => panic!("an IP address: {other:?}"),
        }
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, datagram: Vec<u8>) {
        self.seen.push((from, to, datagram.clone()));
        self.way.push_back((self.now + LATENCY, from, to, datagram));
    }

    /// Does what a device's platform does.
    fn settle(&mut self, place: usize) {
        let now = Now::without_utc(self.now);
        while let Some(output) = self.nodes[place].agent.next_output() {
            let node = &mut self.nodes[place];
            match output {
                agent::Output::Transmit { to, datagram } => {
                    let from = node.address;
                    self.send(from, to, datagram);
                }
                agent::Output::Resolve { .. } => node.agent.resolved(Some(BOOTSTRAP), now),
                agent::Output::Persist { number, .. } => node.agent.persisted(number, now),
                agent::Output::Erase => node.agent.erased(now),
                agent::Output::Event(event) => node.events.push(event),
                agent::Output::Reboot | agent::Output::PowerOff => panic!("nobody asked for that"),
            }
        }
    }

    /// Does what the servers' edges do.
    fn serve(&mut self) {
        while let Some(output) = self.bootstrap.next_output() {
            match output {
                Output::Transmit { to, datagram } => self.send(BOOTSTRAP, to, datagram),
                Output::Event(event) => self.bootstraps(event),
            }
        }
        while let Some(output) = self.channels.next_output() {
            match output {
                Output::Transmit { to, datagram } => {
                    let from = self.management();
                    self.send(from, to, datagram);
                }
                Output::Event(event) => self.hears(event),
            }
        }
    }

    fn bootstraps(&mut self, event: BootstrapEvent) {
        let command = match event {
            BootstrapEvent::LookUp { association, claim: Claim::Device(uuid) } => {
                let key = issued_to(&self.node(uuid).device);
                BootstrapCommand::Known { association, device: uuid, key }
            }
            BootstrapEvent::LookUp { claim, .. } => panic!("devices name themselves: {claim:?}"),
            BootstrapEvent::GetImage { exchange, proven, asked } => {
                assert_eq!(proven, asked);
                let image = self.node(asked).image.clone();
                BootstrapCommand::Answer { exchange, answer: ImageAnswer::Image(image) }
            }
        };
        let now = self.clock();
        self.bootstrap.command(command, now);
    }

    fn hears(&mut self, event: ChannelEvent) {
        let command = match event {
            ChannelEvent::WhoIs { association, claim } => {
                let admission = self.admission(&claim).expect("only our devices come here");
                ChannelCommand::Known { association, admission: Box::new(admission) }
            }
            ChannelEvent::Online { device, address, .. } => {
                self.at.insert(device, address);
                return self.send_orders(device);
            }
            ChannelEvent::Presence { exchange, device, info } => {
                let address = Address::Ip {
                    remote: self.at[&device].ip(),
                    local_port: 0,
                    remote_port: self.at[&device].port(),
                };
                let presence = Presence {
                    proven: Proven { device, seq: FIRST },
                    named: device,
                    info: info.encode(),
                    address: Some(address),
                    origin: self.world.origin(),
                };
                assert_eq!(self.world.run(&presence), Ok(Heard::Acknowledged));
                ChannelCommand::Received { exchange, receipt: Receipt::Stored }
            }
            ChannelEvent::OrderDone { id, device, outcome } => {
                let (_, number, command) = self.under_way.remove(&id.0).unwrap();
                let answer = outcome.expect("the device answers");
                let outcome =
                    management::Outcome::Answered { code: answer.code.byte(), payload: answer.payload };
                self.done.push((device, command, answer.code.byte()));
                let origin = self.world.origin();
                let settle = management::SettleOrder { device, number, outcome, origin };
                assert_eq!(self.world.run(&settle), Ok(true));
                // another device's order may have waited for this one
                for device in self.at.keys().copied().collect::<Vec<_>>() {
                    self.send_orders(device);
                }
                return;
            }
            ChannelEvent::Offline { device, reason } => panic!("{device} is gone: {reason:?}"),
            ChannelEvent::Goodbye { device, reason, .. } => panic!("{device} goes: {reason:?}"),
        };
        let now = self.clock();
        self.channels.command(command, now);
    }

    fn admission(&self, claim: &Claim) -> Option<Admission> {
        let sign = match claim {
            Claim::Device(device) => PeerSign::Name(*device),
            Claim::Secret(key) => PeerSign::PskKey(*key),
            Claim::PublicKey(key) => PeerSign::PublicKey(key_digest(&*self.world.provider, key)),
        };
        let access = self.world.run(&FindPeer { sign }).unwrap()?;
        let key = match access.proof {
            ChannelProof::Psk { key, secret } => {
                AdmissionKey::Secret { id: key, secret, hint: PskHint::KeyId(key) }
            }
            ChannelProof::PublicKey { expected, own } => {
                let ours = match own {
                    OwnProof::Ec => self.world.keys.class_2.clone(),
                    OwnProof::Rsa => self.world.keys.rsa.clone(),
                };
                let id = KeyId::from(access.device);
                AdmissionKey::PublicKey { id, theirs: expected, ours: Credential::raw(ours) }
            }
        };
        let own_name = access.own_name.0;
        Some(Admission { device: access.device, key, own_name, owner_sequence: Some(access.seq) })
    }

    fn send_orders(&mut self, device: Uuid) {
        let due = self.world.run(&management::TakeOrders { device }).unwrap();
        for order in due {
            let sent = |(to, number, _): &(Uuid, u64, Command)| (*to, *number) == (device, order.number);
            if self.under_way.values().any(sent) {
                continue;
            }
            let request = order.command.request();
            let id = self.next_order;
            self.next_order += 1;
            self.under_way.insert(id, (device, order.number, order.command));
            let order = Order {
                id: OrderId(id),
                device,
                method: request.method,
                path: request.path,
                queries: request.queries,
                payload: request.payload.expose().to_vec(),
            };
            let now = self.clock();
            self.channels.command(ChannelCommand::Order(Box::new(order)), now);
        }
        self.serve();
    }
}

fn factory_of(device: &Device) -> Factory {
    let key = match &device.born {
        Born::Secret(secret) => DeviceKey::Secret(secret.clone()),
        Born::Key(key) => DeviceKey::Private(key.pkcs8().unwrap()),
    };
    let public = device.roots.iter().filter_map(|root| match &root.key {
        RootKey::Public(key) => {
            Some(FactoryRoot { class: Class::TrustedAuthority, key_id: root.key_id, key: key.clone() })
        }
        RootKey::Secret(_) => None,
    });
    Factory {
        device: device.uuid,
        key,
        roots: public.collect(),
        bootstrap_server: BootstrapServerId(7),
        generation: 1,
        info: DeviceInfo::only(device.uuid),
    }
}

/// How a device proves itself to the bootstrap server.
fn issued_to(device: &Device) -> IssuedKey {
    match (&device.secrets, &device.born) {
        (Some(secrets), _) => {
            IssuedKey::secret(secrets.bootstrap_key.encoded(), secrets.bootstrap.clone()).unwrap()
        }
        (None, Born::Key(key)) => IssuedKey::PublicKey(key.public().clone()),
        (None, Born::Secret(_)) => panic!("a device with a secret has the secrets of its chain"),
    }
}

/// The keys that the devices were given, with whom they were given to.
pub(crate) fn given_keys(network: &Network) -> Vec<(Uuid, AuthenticatedKey, Secret)> {
    let key = |(device, command, _): &(Uuid, Command, u8)| match command {
        Command::PutKey { key, .. } => {
            Some((*device, AuthenticatedKey::decode(key.expose()).unwrap(), key.clone()))
        }
        _ => None,
    };
    network.done.iter().filter_map(key).collect()
}
