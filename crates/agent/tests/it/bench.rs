//! Devices, servers and the network between them, in virtual time: the one harness of these tests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agent::{Agent, AgentEvent, Control, Output, Settings};
use assure_proto::{ChannelId, ChannelState, Metadata, Privileges, PskHint};
use clock::{Dice, Moment, Now, Timestamp};
use coap_proto::{Code, ContentFormat, Request, Response};
use crypto::{PrivateKey, Provider, Secret};
use dtls_proto::Credential;
use model::KeyId;

use crate::party::{Held, Party};
use crate::server::{Proof, Server, Serving};
use crate::world::{Marks, NOON, Owner, World, address, definition};

pub(crate) const LATENCY: Duration = Duration::from_millis(10);
pub(crate) const ONE: ChannelId = match ChannelId::new(1) {
    Some(id) => id,
    None => panic!("one is not zero"),
};

/// What the platform does at a write or erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Never,
    /// The power fails before write or erasure number n (from 0) is done.
    Before(usize),
    /// The power fails just after it, before the agent hears of it.
    After(usize),
}

/// A device and its platform.
pub(crate) struct Device {
    pub(crate) agent: Option<Agent>,
    pub(crate) world: World,
    pub(crate) settings: Settings,
    pub(crate) address: SocketAddr,
    /// The stored state.
    pub(crate) disk: Secret,
    /// What the application keeps of its user.
    pub(crate) user_data: Option<String>,
    pub(crate) events: Vec<AgentEvent>,
    /// Writes and erasures so far.
    pub(crate) works: usize,
    pub(crate) cut: Cut,
    /// Writes wait for `finish_writes` while this is off.
    pub(crate) writes_at_once: bool,
    pub(crate) pending: Vec<(u64, Secret)>,
    pub(crate) last: Option<&'static str>,
    pub(crate) has_utc: bool,
    starts: u64,
}

impl Device {
    pub(crate) fn agent(&mut self) -> &mut Agent {
        self.agent.as_mut().expect("the device is on")
    }

    pub(crate) fn state(&self, id: ChannelId) -> Option<ChannelState> {
        let agent = self.agent.as_ref()?;
        agent.channel_states().find(|(channel, _)| *channel == id).map(|(_, state)| state)
    }

    pub(crate) fn heard(&self, event: &AgentEvent) -> bool {
        self.events.contains(event)
    }
}

type Fate = Box<dyn FnMut(SocketAddr, SocketAddr, usize) -> bool>;

pub(crate) struct Bench {
    pub(crate) now: Moment,
    pub(crate) devices: Vec<Device>,
    pub(crate) servers: Vec<Server>,
    /// Which server the name of the bootstrap server leads to.
    pub(crate) resolves_to: Option<SocketAddr>,
    /// Whether a datagram arrives, by sender, receiver and number.
    pub(crate) arrives: Fate,
    /// Every datagram that was sent: sender, receiver, bytes.
    pub(crate) seen: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    way: Vec<(Moment, usize, SocketAddr, SocketAddr, Vec<u8>)>,
    sent: usize,
}

pub(crate) const BOOTSTRAP: usize = 0;
pub(crate) const A: usize = 1;
pub(crate) const B: usize = 2;

impl Bench {
    /// A device that was never switched on, its bootstrap server without an image, and both owners' servers.
    pub(crate) fn new(world: World) -> Self {
        let bootstrap = bootstrap_server(&world.bootstrap);
        let a = management_server(&world, &world.a.clone());
        let b = management_server(&world, &world.b.clone());
        let resolves_to = Some(bootstrap.address);
        let mut bench = Self {
            now: Moment::from_micros(1_000_000),
            devices: Vec::new(),
            servers: vec![bootstrap, a, b],
            resolves_to,
            arrives: Box::new(|_, _, _| true),
            seen: Vec::new(),
            way: Vec::new(),
            sent: 0,
        };
        bench.add_device(world, address("10.0.0.9:50000"));
        bench
    }

    pub(crate) fn add_device(&mut self, world: World, address: SocketAddr) -> usize {
        let disk = world.factory().first_state();
        self.devices.push(Device {
            agent: None,
            world,
            settings: Settings::default(),
            address,
            disk,
            user_data: None,
            events: Vec::new(),
            works: 0,
            cut: Cut::Never,
            writes_at_once: true,
            pending: Vec::new(),
            last: None,
            has_utc: false,
            starts: 0,
        });
        self.devices.len() - 1
    }

    /// A device in the service of its first owner.
    pub(crate) fn in_service(world: World) -> Self {
        let mut bench = Self::new(world);
        bench.serve_a();
        bench.power_on();
        bench.run_for(Duration::from_secs(5));
        assert_eq!(bench.device().state(ONE), Some(ChannelState::Open), "{:?}", bench.device().events);
        bench
    }

    pub(crate) fn device(&mut self) -> &mut Device {
        &mut self.devices[0]
    }

    pub(crate) fn world(&mut self) -> &mut World {
        &mut self.devices[0].world
    }

    pub(crate) fn serve(&mut self, image: Vec<u8>) {
        self.servers[BOOTSTRAP].serving = Serving::Image(image);
    }

    pub(crate) fn serve_a(&mut self) -> Vec<u8> {
        let owner = self.world().a.clone();
        self.serve_image_of(&owner, crate::world::FIRST)
    }

    pub(crate) fn serve_b(&mut self) -> Vec<u8> {
        let owner = self.world().b.clone();
        self.serve_image_of(&owner, crate::world::SECOND)
    }

    pub(crate) fn serve_image_of(&mut self, owner: &Owner, marks: Marks) -> Vec<u8> {
        let image = self.world().image(owner, marks);
        self.serve(image.clone());
        image
    }

    pub(crate) fn clock(&self, device: usize) -> Now {
        let utc = Timestamp::from_assure_secs(
            NOON + 1000 + u32::try_from(self.now.as_micros() / 1_000_000).unwrap(),
        );
        if self.devices[device].has_utc { Now::new(self.now, utc) } else { Now::without_utc(self.now) }
    }

    pub(crate) fn power_on(&mut self) {
        self.switch_on(0);
    }

    pub(crate) fn switch_on(&mut self, index: usize) {
        let now = self.clock(index);
        let device = &mut self.devices[index];
        device.starts += 1;
        device.last = None;
        let dice = Dice::numbered(1000 * (index as u64 + 1) + device.starts);
        let provider = device.world.provider.clone();
        let agent = Agent::start(device.disk.expose(), &device.settings, provider, dice, now);
        device.agent = Some(agent.expect("the stored state is one"));
        self.settle(index);
    }

    /// The power fails: nothing but the disk is left.
    pub(crate) fn cut_power(&mut self) {
        let device = self.device();
        device.agent = None;
        device.pending.clear();
    }

    pub(crate) fn control(&mut self, control: Control) {
        let now = self.clock(0);
        self.device().agent().control(control, now);
        self.settle(0);
    }

    /// Lets writes that wait reach the disk.
    pub(crate) fn finish_writes(&mut self) {
        let now = self.clock(0);
        let pending = std::mem::take(&mut self.device().pending);
        for (number, bytes) in pending {
            self.device().disk = bytes;
            self.device().agent().persisted(number, now);
        }
        self.settle(0);
    }

    /// Does what the platform does with the outputs of a device.
    pub(crate) fn settle(&mut self, index: usize) {
        let now = self.clock(index);
        loop {
            let device = &mut self.devices[index];
            let Some(agent) = &mut device.agent else { return };
            let Some(output) = agent.next_output() else { return };
            match output {
                Output::Transmit { to, datagram } => {
                    let from = device.address;
                    self.send(from, to, datagram);
                }
                Output::Resolve { .. } => {
                    let address = self.resolves_to;
                    self.devices[index].agent().resolved(address, now);
                }
                Output::Persist { number, bytes } if !device.writes_at_once => {
                    device.pending.push((number, bytes))
                }
                Output::Persist { number, bytes } => {
                    let done = work(device, |device| device.disk = bytes);
                    if done {
                        self.devices[index].agent().persisted(number, now);
                    }
                }
                Output::Erase => {
                    let done = work(device, |device| device.user_data = None);
                    if done {
                        self.devices[index].agent().erased(now);
                    }
                }
                Output::Event(event) => device.events.push(event),
                Output::Reboot => device.last = Some("reboot"),
                Output::PowerOff => device.last = Some("power off"),
            }
        }
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, datagram: Vec<u8>) {
        let number = self.sent;
        self.sent += 1;
        self.seen.push((from, to, datagram.clone()));
        if (self.arrives)(from, to, number) {
            self.way.push((self.now + LATENCY, number, from, to, datagram));
        }
    }

    /// Puts a datagram on the way, as anybody can.
    pub(crate) fn inject(&mut self, from: SocketAddr, to: SocketAddr, datagram: Vec<u8>) {
        self.send(from, to, datagram);
    }

    fn flush_servers(&mut self) {
        for index in 0..self.servers.len() {
            while let Some((to, datagram)) = self.servers[index].out.pop_front() {
                let from = self.servers[index].address;
                self.send(from, to, datagram);
            }
        }
    }

    pub(crate) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.flush_servers();
            let arrivals = self.way.iter().map(|(at, ..)| *at).min();
            let devices =
                self.devices.iter().filter_map(|device| device.agent.as_ref()?.next_deadline()).min();
            let servers = self.servers.iter().filter_map(|server| server.machine.next_deadline()).min();
            let next = [arrivals, devices, servers].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.deliver();
            self.wake();
        }
        self.now = end;
    }

    fn deliver(&mut self) {
        let now = self.now;
        self.way.sort_by_key(|(at, number, ..)| (*at, *number));
        while self.way.first().is_some_and(|(at, ..)| *at <= now) {
            let (_, _, from, to, datagram) = self.way.remove(0);
            if let Some(index) = self.devices.iter().position(|device| device.address == to) {
                let stamped = self.clock(index);
                if let Some(agent) = &mut self.devices[index].agent {
                    agent.receive(from, &datagram, stamped);
                }
                self.settle(index);
            }
            if let Some(server) = self.servers.iter_mut().find(|server| server.address == to) {
                server.receive(from, &datagram, Now::without_utc(now));
            }
            self.flush_servers();
        }
    }

    fn wake(&mut self) {
        for index in 0..self.devices.len() {
            let stamped = self.clock(index);
            if let Some(agent) = &mut self.devices[index].agent
                && agent.next_deadline().is_some_and(|at| at <= self.now)
            {
                agent.expire(stamped);
            }
            self.settle(index);
        }
        for server in &mut self.servers {
            if server.machine.next_deadline().is_some_and(|at| at <= self.now) {
                server.expire(Now::without_utc(self.now));
            }
        }
    }

    /// Lets a server ask its newest peer, and waits for the answer.
    pub(crate) fn ask_from(&mut self, server: usize, request: Request) -> Option<Response> {
        let now = Now::without_utc(self.now);
        let id = self.servers[server].ask(request, now);
        for _ in 0..100 {
            self.run_for(Duration::from_millis(100));
            if let Some((_, response)) = self.servers[server].answers.iter().find(|(asked, _)| *asked == id) {
                return response.clone();
            }
        }
        None
    }

    /// Owner A asks over the management channel.
    pub(crate) fn ask(&mut self, method: Code, path: &str, body: &[u8]) -> Response {
        let mut request = Request::new(method, path);
        if !body.is_empty() {
            request = request.with_payload(ContentFormat::CBOR, body);
        }
        self.ask_from(A, request).expect("the device answers")
    }
}

impl Bench {
    /// Owner A gives the device one more channel, to a server of its own at `at`, which it opens at once.
    /// Gives the server's index and the channel's key.
    pub(crate) fn add_channel(&mut self, number: u32, privileges: Privileges, at: &str) -> (usize, Party) {
        let (at, owner) = (address(at), self.world().a.clone());
        let key = self.world().channel_secret(&owner, Metadata::NONE);
        assert_eq!(self.push_key(&key).code, Code::CREATED);
        let proof = Proof::named(key.id, key.key.secret());
        let server = server_of(self.world(), at, key.id, proof);
        self.servers.push(server);
        let body = definition(key.id, None, at, privileges).encode();
        let made = self.ask(Code::PUT, &format!("v1/channels/{number}"), &body);
        assert_eq!(made.code, Code::CREATED);
        self.run_for(Duration::from_secs(2));
        assert_eq!(self.device().state(ChannelId::new(number).unwrap()), Some(ChannelState::Open));
        (self.servers.len() - 1, key)
    }

    pub(crate) fn push_key(&mut self, key: &Party) -> Response {
        self.ask(Code::PUT, &format!("v1/keys/{}", key.id), key.proof.encoded())
    }

    /// Bytes stand on the device's disk.
    pub(crate) fn stores(&mut self, bytes: &[u8]) -> bool {
        self.device().disk.expose().windows(bytes.len()).any(|part| part == bytes)
    }
}

/// Carries a write or erasure out unless the power fails; tells whether the agent hears of it.
fn work(device: &mut Device, act: impl FnOnce(&mut Device)) -> bool {
    let number = device.works;
    device.works += 1;
    if device.cut == Cut::Before(number) {
        device.agent = None;
        return false;
    }
    act(device);
    if device.cut == Cut::After(number) {
        device.agent = None;
        return false;
    }
    true
}

/// The proof by which a bootstrap server with this class 3 key is known.
pub(crate) fn bootstrap_proof(party: &Party) -> Proof {
    match &party.key {
        Held::Secret(secret) => {
            let assure_proto::KeyDefinition::Derived(derived) = party.definition() else { unreachable!() };
            Proof::hinted(party.id, secret, &PskHint::Definitions(vec![derived.clone()]))
        }
        Held::Private(key) => Proof::Pair { own: credential(key), peer: None },
    }
}

/// Servers have the provider of servers, whichever the device has.
fn provider_of_servers() -> Arc<dyn Provider> {
    Arc::new(crypto_server::Server::new())
}

/// A key as a server works with it.
fn credential(key: &Arc<dyn PrivateKey>) -> Credential {
    let pkcs8 = key.pkcs8().expect("keys of tests can be copied");
    Credential::raw(provider_of_servers().import_key(pkcs8.expose()).expect("both providers write one form"))
}

pub(crate) fn bootstrap_server(party: &Party) -> Server {
    let proof = bootstrap_proof(party);
    Server::new(provider_of_servers(), address("10.0.0.1:49684"), party.id, proof, 11)
}

pub(crate) fn management_server(world: &World, owner: &Owner) -> Server {
    let proof = match (&owner.channel, &world.device) {
        (Some(channel), _) => Proof::named(channel.id, channel.key.secret()),
        (None, Held::Private(device)) => {
            Proof::Pair { own: credential(owner.party.key.private()), peer: Some(device.public().clone()) }
        }
        (None, Held::Secret(_)) => unreachable!("such devices have a channel secret"),
    };
    let run = 100 + u64::from(owner.address.port()) + u64::from(owner.party.id.0[0]);
    Server::new(provider_of_servers(), owner.address, owner.name(), proof, run)
}

/// A server that proves a party's key at an address.
pub(crate) fn server_of(world: &World, at: SocketAddr, name: KeyId, proof: Proof) -> Server {
    Server::new(world.provider.clone(), at, name, proof, 500 + u64::from(at.port()))
}
