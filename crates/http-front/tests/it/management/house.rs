//! A management system that listens, enrolled with the authority of a world.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use assure_json::StatusAnswer;
use assure_proto::{Address, DeviceInfo};
use crypto::Secret;
use http_front::console::{Console, Feed, Listener, Surroundings, console_api};
use http_front::management::{
    Driven, GatewayAddress, Hooks, ManagementServer, Owner, RegistrationUser, passphrase_hash,
};
use http_front::shelf::Shelf;
use http_front::with_request_log;
use hub_desk::HubDesk;
use management::{FindPeer, Heard, PeerSign, Presence, Proven};
use model::Uuid;
use net::executor::Executor;
use net::https_client::Endpoint;
use net::https_server::{Limits, serve};
use net::now::Clock;
use net::shutdown::{Trigger, shutdown};
use net::tls::{ClientCertificates, TlsIdentity, server_config};
use store::Memory;
use tokio::net::TcpListener;

use crate::authority::{Authority, dice, origin};
use crate::console::schema::is_as_described;
use crate::curl::{Credentials, Curl, Reply};
use crate::parties::{Device, P256, key};
use crate::watch::Watched;
use crate::world::{Api, World};

/// The users of this management system, and the passphrase of both.
pub(crate) const ANN: &str = "ann:correct horse";
pub(crate) const BOB: &str = "bob:correct horse";

pub(crate) struct House<'a> {
    pub(crate) world: &'a World,
    pub(crate) server: Arc<ManagementServer>,
    pub(crate) table: Arc<Watched>,
    pub(crate) executor: Executor,
    pub(crate) address: SocketAddr,
    pub(crate) console: Arc<Console>,
    pub(crate) desk: HubDesk,
    /// Devices whose sessions were to be closed.
    pub(crate) closed: Arc<Mutex<Vec<Uuid>>>,
    _trigger: Trigger,
}

impl<'a> House<'a> {
    pub(crate) fn open(world: &'a World) -> Self {
        Self::over(world, Watched::new(Arc::new(Memory::new())))
    }

    /// The same management system again, after its program was ended.
    pub(crate) fn reopened(self) -> Self {
        Self::over(self.world, self.table)
    }

    fn over(world: &'a World, table: Arc<Watched>) -> Self {
        let authority = Authority::of_this_run();
        let feed = Feed::over(table.clone(), [7; 4], Clock::start().now());
        let executor = Executor::new(feed.clone(), Clock::start(), dice());
        let gateway = GatewayAddress {
            endpoint: Endpoint { host: "127.0.0.1".into(), port: world.address(Api::Owner).port() },
            roots: vec![authority.identity.system_ca.certificate().to_vec()],
        };
        let owner = world.block_on(Owner::enrol(&executor, &authority.provider, &gateway)).unwrap();
        let hash = passphrase_hash(&Secret::from(&b"correct horse"[..]), [7; 16]).unwrap();
        let user = |name: &str| RegistrationUser { name: name.into(), passphrase_hash: hash.clone() };
        let address = Address::Ip { remote: [127, 0, 0, 1].into(), local_port: 0, remote_port: 49683 };
        let closed = Arc::new(Mutex::new(Vec::new()));
        let noted = closed.clone();
        let close_sessions = Arc::new(move |device| noted.lock().unwrap().push(device));
        let hooks = Hooks { close_sessions, ..Hooks::none() };
        let users = [user("ann"), user("bob")];
        let server = ManagementServer::new(executor.clone(), owner, address, &users, hooks).unwrap();
        let server = Arc::new(server);
        let (trigger, stop) = shutdown();
        let tls_key = key(P256);
        let certificate = authority.server_certificate(model::ServerRole::Registration, &*tls_key);
        let identity = TlsIdentity::of_key(&[certificate], &*tls_key).unwrap();
        let owners = [authority.owner_ca.clone()];
        let tls = server_config(&identity, ClientCertificates::Optional(&owners)).unwrap();
        let desk = HubDesk::open(executor.clone(), "management");
        let around = Surroundings {
            desk: desk.clone(),
            realm: osap_proto::Realm::new(b"lbs.example"),
            models: &[("lamp", r#"{"title":"Lamp","properties":{"on":{"type":"boolean"}}}"#)],
            is_on: true,
            feed,
            listeners: vec![Listener { name: "platform".into(), address: None, on: true }],
            certificates: Vec::new(),
            insecure: Vec::new(),
            shelf: Arc::new(Shelf::open(&world.folder.join("files")).unwrap()),
            stop: stop.clone(),
        };
        let console = Arc::new(world.block_on(Console::open(server.clone(), around)).unwrap());
        world.runtime.spawn(console.clone().keep_the_log());
        let router = with_request_log("management", console_api(console.clone()));
        let address = world.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let limits = Limits { drain_time_max: Duration::from_secs(2), ..Limits::default() };
            tokio::spawn(serve(listener, tls, router, limits, stop));
            address
        });
        Self { world, server, table, executor, address, console, desk, closed, _trigger: trigger }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    pub(crate) fn curl(&self, who: Option<&Credentials>, method: &str) -> Curl {
        Curl::new(&self.world.ca(), who).method(method)
    }

    /// One call of the operator.
    #[track_caller]
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&str>) -> Reply {
        let curl = self.curl(Some(&self.world.operator), method).url(&self.url(path));
        let curl = match body {
            Some(body) => curl.body(&self.world.file(body.as_bytes())),
            None => curl,
        };
        let reply = curl.run().expect("it has an answer").remove(0);
        is_as_described(method, path, &reply);
        reply
    }

    /// One call of a user.
    #[track_caller]
    pub(crate) fn call_as(&self, user: &str, method: &str, path: &str) -> Reply {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(user);
        let curl = self.curl(None, method).header(&format!("Authorization: Basic {encoded}"));
        curl.url(&self.url(path)).run().expect("it has an answer").remove(0)
    }

    pub(crate) fn drive(&self) -> Driven {
        self.world.block_on(self.server.drive())
    }

    /// Registers a device and brings its image to the authority.
    #[track_caller]
    pub(crate) fn claim(&self, device: &Device) {
        let path = device.path(&format!("?case_string={}", device.case));
        self.call("POST", &path, None).is_empty(201);
        self.drive();
        assert_eq!(self.status(device), 4);
    }

    #[track_caller]
    pub(crate) fn status(&self, device: &Device) -> u8 {
        let reply = self.call("GET", &device.path("/status"), None);
        let answer: StatusAnswer = serde_json::from_slice(&reply.is(200).body).unwrap();
        assert!(!answer.description.is_empty());
        answer.status
    }

    /// The device reports its presence, as the CoAP side would hand it in.
    pub(crate) fn present(&self, device: &Device, info: &DeviceInfo) {
        let find = FindPeer { sign: PeerSign::Name(device.uuid) };
        let access = self.world.block_on(self.executor.run(find)).unwrap().unwrap().unwrap();
        let proven = Proven { device: device.uuid, seq: access.seq };
        let presence = Presence {
            proven,
            named: device.uuid,
            info: info.encode(),
            address: None,
            origin: origin("management"),
        };
        assert_eq!(self.world.block_on(self.executor.run(presence)).unwrap(), Ok(Heard::Acknowledged));
    }

    pub(crate) fn json(reply: &Reply) -> serde_json::Value {
        serde_json::from_slice(&reply.body).unwrap()
    }
}
