//! How the servers of a world are put together and made to listen.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use authority::registration::{Certificand, Certify, OnlineKey, RegistrationKeys, SignBootstrapKeys};
use authority::{Enrolment, GapPartner, OutboxFile};
use certificate::{CERTIFICATE, Issuer, pem_from_der};
use http_front::bootstrap::BootstrapServer;
use http_front::registration::{RegistrationServer, maker_api, operator_api, owner_api, ta_api};
use http_front::{BootstrapClient, RegistrationClient, with_request_log};
use model::ServerRole;
use net::executor::Executor;
use net::https_client::{CallLimits, Client, Endpoint};
use net::https_server::{Limits, Tally, serve};
use net::now::Clock;
use net::shutdown::{Shutdown, shutdown};
use net::tls::{ClientCertificates, TlsIdentity, server_config};
use store::{Memory, Table};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::{Api, World, write_credentials};
use crate::authority::{Authority, dice, origin};
use crate::curl::Credentials;
use crate::gap;
use crate::gate::Gate;
use crate::log::Log;
use crate::watch::{Counting, Stoppable, Watched};

/// Threads whose words go to `log`, whatever level they have.
pub(super) fn runtime(log: &Log) -> Runtime {
    let dispatch = tracing::Dispatch::new(log.clone());
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(move || std::mem::forget(tracing::dispatcher::set_default(&dispatch)))
        .build()
        .unwrap()
}

/// A world before it has a runtime and a log.
pub(super) struct Parts {
    registration: Arc<Watched>,
    bootstrap: Arc<Watched>,
    identity: Memory,
    work: Arc<Counting>,
    owner_ca: Arc<Stoppable>,
    folder: PathBuf,
    peers: [(TlsIdentity, Credentials); 2],
    gap: Arc<Mutex<Vec<OutboxFile>>>,
    gap_is_full: Arc<AtomicBool>,
    servers: (Arc<RegistrationServer>, Arc<BootstrapServer>),
    gates: [Gate; 2],
    listeners: Vec<(Api, TcpListener)>,
    start: Start,
}

/// What a registration server starts with.
pub(super) struct Start {
    table: Arc<Watched>,
    keys: Arc<RegistrationKeys>,
    bootstrap: BootstrapClient,
    identity: GapPartner,
    gap: Arc<Mutex<Vec<OutboxFile>>>,
    gap_is_full: Arc<AtomicBool>,
    tls: TlsIdentity,
}

impl Start {
    fn server(&self) -> Arc<RegistrationServer> {
        Arc::new(RegistrationServer::new(
            Executor::new(self.table.clone(), Clock::start(), dice()),
            self.keys.clone(),
            self.bootstrap.clone(),
            Authority::of_this_run().registration.gap.clone(),
            self.identity.clone(),
            flush(self.table.clone(), Arc::clone(&self.gap), self.gap_is_full.clone()),
        ))
    }
}

impl World {
    /// Starts the registration server anew, as after a crash: owners reach the new one from now on.
    pub(crate) fn restart_registration(&mut self) {
        self.server = self.start.server();
        let listener = self.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let at = listener.local_addr().unwrap();
        let (router, tls) = (owner_api(self.server.clone()), &self.start.tls);
        self.tallies.push(listen(&self.runtime, Api::Owner, listener, tls, router, self.stop.clone()));
        self.places.retain(|(api, _)| *api != Api::Owner);
        self.places.push((Api::Owner, at));
    }
}

impl Parts {
    pub(super) async fn make(registration: Arc<dyn Table>, bootstrap: Arc<dyn Table>) -> Self {
        let authority = Authority::of_this_run();
        let (registration, bootstrap) = (Watched::new(registration), Watched::new(bootstrap));
        let identity = Memory::new();
        let enrolment = gap::enrol(&identity, &*registration, &authority.registration);
        gap::enrol(&identity, &*bootstrap, &authority.bootstrap);
        let work = Arc::new(Counting::new(authority.provider.clone()));
        let key = authority.registration.issuer.clone();
        let owner_ca = Arc::new(Stoppable { key, stopped: AtomicBool::new(false) });
        let keys = Arc::new(registration_keys(&enrolment, work.clone(), owner_ca.clone()));
        let folder = folder();
        let peers = [ServerRole::Registration, ServerRole::Bootstrap].map(|role| peer(role, &folder));
        let mut listeners = Vec::new();
        for api in Api::ALL {
            listeners.push((api, TcpListener::bind("127.0.0.1:0").await.unwrap()));
        }
        let place = |api| listeners.iter().find(|(at, _)| *at == api).unwrap().1.local_addr().unwrap();
        let (to_bootstrap, to_registration) =
            (Gate::before(place(Api::Bootstrap)).await, Gate::before(place(Api::Peers)).await);
        let (gap, gap_is_full) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let start = Start {
            table: registration.clone(),
            keys: keys.clone(),
            bootstrap: BootstrapClient::new(client(&peers[0].0), endpoint(&to_bootstrap)),
            identity: enrolment.identity,
            gap: Arc::clone(&gap),
            gap_is_full: gap_is_full.clone(),
            tls: peers[0].0.clone(),
        };
        let server = start.server();
        let to_owner = RegistrationClient::new(client(&peers[1].0), endpoint(&to_registration));
        let bootstrap_server = bootstrap_server(&bootstrap, &registration, to_owner, keys.clone());
        let servers = (server, Arc::new(bootstrap_server));
        let gates = [to_bootstrap, to_registration];
        Self {
            registration,
            bootstrap,
            identity,
            work,
            owner_ca,
            folder,
            peers,
            gap,
            gap_is_full,
            servers,
            gates,
            listeners,
            start,
        }
    }

    pub(super) fn into_world(self, runtime: Runtime, log: Log) -> World {
        let (trigger, stop) = shutdown();
        let places = self.listeners.iter().map(|(api, at)| (*api, at.local_addr().unwrap())).collect();
        let (server, bootstrap_server) = self.servers;
        let [(registration_tls, registration_peer), (bootstrap_tls, bootstrap_peer)] = self.peers;
        let mut tallies = Vec::new();
        for (api, listener) in self.listeners {
            let router = match api {
                Api::Maker => maker_api(server.clone()),
                Api::Owner => owner_api(server.clone()),
                Api::Peers => ta_api(server.clone()),
                Api::Platform => operator_api(server.clone()),
                Api::Bootstrap => http_front::bootstrap::ta_api(bootstrap_server.clone()),
            };
            let tls = if api == Api::Bootstrap { &bootstrap_tls } else { &registration_tls };
            tallies.push(listen(&runtime, api, listener, tls, router, stop.clone()));
        }
        let operator = operator(&self.folder, &self.start.keys, &self.registration);
        runtime.block_on(server.settle()).expect("both servers listen");
        let [to_bootstrap, to_registration] = self.gates;
        World {
            runtime,
            trigger,
            stop,
            start: self.start,
            tallies,
            places,
            files: AtomicU64::new(0),
            folder: self.folder,
            log,
            server,
            bootstrap_server,
            registration: self.registration,
            bootstrap: self.bootstrap,
            identity: self.identity,
            work: self.work,
            owner_ca: self.owner_ca,
            to_bootstrap,
            to_registration,
            gap: self.gap,
            gap_is_full: self.gap_is_full,
            operator,
            registration_peer,
            bootstrap_peer,
        }
    }
}

fn listen(
    runtime: &Runtime,
    api: Api,
    listener: TcpListener,
    tls: &TlsIdentity,
    router: axum::Router,
    stop: Shutdown,
) -> JoinHandle<Tally> {
    let authority = Authority::of_this_run();
    let owners = [authority.owner_ca.clone()];
    let system = [authority.identity.system_ca.certificate().to_vec()];
    let clients = match api {
        Api::Maker | Api::Platform => ClientCertificates::Required(&owners),
        Api::Owner => ClientCertificates::Optional(&owners),
        Api::Peers | Api::Bootstrap => ClientCertificates::Required(&system),
    };
    let tls = server_config(tls, clients).unwrap();
    let limits = Limits { drain_time_max: Duration::from_secs(2), ..Limits::default() };
    runtime.spawn(serve(listener, tls, with_request_log(api.name(), router), limits, stop))
}

fn folder() -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("http-front-{}-{number}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    let ca = Authority::of_this_run().identity.system_ca.certificate();
    fs::write(folder.join("system-ca.pem"), pem_from_der(CERTIFICATE, ca).unwrap()).unwrap();
    folder
}

fn registration_keys(
    enrolment: &Enrolment,
    provider: Arc<Counting>,
    owner_ca: Arc<Stoppable>,
) -> RegistrationKeys {
    let authority = Authority::of_this_run();
    let signed = enrolment.authenticated().unwrap();
    let own = &authority.registration;
    let online = |key: &authority::ServerKey| OnlineKey {
        key: key.key.clone(),
        authenticated: signed.iter().find(|signed| signed.id() == key.id).unwrap().clone(),
    };
    let issuer = Issuer::new(&*authority.provider, owner_ca, authority.owner_ca.clone()).unwrap();
    RegistrationKeys { provider, ec: online(&own.ec), rsa: online(&own.rsa), issuer }
}

fn peer(role: ServerRole, folder: &Path) -> (TlsIdentity, Credentials) {
    let authority = Authority::of_this_run();
    let key = match role {
        ServerRole::Registration | ServerRole::Identity => &authority.registration.tls,
        ServerRole::Bootstrap => &authority.bootstrap.tls,
    };
    let certificate = authority.server_certificate(role, &**key);
    let credentials = write_credentials(folder, &format!("{role:?}"), &certificate, &**key);
    (TlsIdentity::of_key(&[certificate], &**key).unwrap(), credentials)
}

fn client(tls: &TlsIdentity) -> Client {
    let system_ca = Authority::of_this_run().identity.system_ca.certificate().to_vec();
    Client::new(&[system_ca], Some(tls), CallLimits::default()).unwrap()
}

fn endpoint(gate: &Gate) -> Endpoint {
    Endpoint { host: "127.0.0.1".into(), port: gate.address.port() }
}

fn flush(
    table: Arc<Watched>,
    gap: Arc<Mutex<Vec<OutboxFile>>>,
    full: Arc<AtomicBool>,
) -> http_front::registration::FlushOutbox {
    Arc::new(move || {
        if full.load(Ordering::SeqCst) {
            return Err("the gap is full".into());
        }
        gap.lock().unwrap().extend(gap::emptied(&*table));
        Ok(())
    })
}

fn bootstrap_server(
    bootstrap: &Arc<Watched>,
    registration: &Watched,
    owners: RegistrationClient,
    keys: Arc<RegistrationKeys>,
) -> BootstrapServer {
    let own = &Authority::of_this_run().bootstrap;
    let public = vec![own.ec.key.public().clone(), own.rsa.key.public().clone()];
    let sign = SignBootstrapKeys { public, keys, origin: origin("bootstrap") };
    let signed = gap::ran(registration, &sign).expect("class 3 is signed");
    let executor = Executor::new(bootstrap.clone(), Clock::start(), dice());
    let [ec, rsa] = <[Vec<u8>; 2]>::try_from(signed).unwrap();
    BootstrapServer::new(executor, owners, ec, rsa)
}

fn operator(folder: &Path, keys: &Arc<RegistrationKeys>, registration: &Watched) -> Credentials {
    let authority = Authority::of_this_run();
    let p256 = crypto::KeyKind::Ec(crypto::Curve::P256);
    let key = authority.provider.generate_key(p256, &mut dice()).unwrap();
    let (public, origin) = (key.public().clone(), origin("registration"));
    let certify = Certify { whom: Certificand::Operator, key: public, keys: keys.clone(), origin };
    let certificate = gap::ran(registration, &certify).expect("the operator is certified");
    write_credentials(folder, "operator", &certificate, &*key)
}
