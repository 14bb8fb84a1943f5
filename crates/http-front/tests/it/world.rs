//! An authority whose online servers listen: both services over stores that can be watched, behind TLS with
//! the client certificate modes of the program. Only the folders of the air gap are played.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use authority::identity::Submitted;
use authority::registration::{OnlineKey, RegistrationKeys, SignBootstrapKeys};
use authority::{AUDIT, Enrolment, OutboxFile};
use certificate::{CERTIFICATE, Issuer, PRIVATE_KEY, pem_from_der};
use crypto::PrivateKey;
use http_front::bootstrap::BootstrapServer;
use http_front::registration::{RegistrationServer, maker_api, operator_api, owner_api, ta_api};
use http_front::{BootstrapClient, RegistrationClient, with_request_log};
use model::ServerRole;
use net::executor::Executor;
use net::https_client::{CallLimits, Client, Endpoint};
use net::https_server::{Limits, Tally, serve};
use net::now::Clock;
use net::shutdown::{Shutdown, Trigger, shutdown};
use net::tls::{ClientCertificates, TlsIdentity, server_config};
use store::{Memory, Range, Table};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::authority::{Authority, dice, origin};
use crate::curl::{self, Credentials, Curl, NoAnswer, Reply};
use crate::gap;
use crate::gate::Gate;
use crate::log::Log;
use crate::watch::{Counting, Stoppable, Watched};

/// Where a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Maker,
    Owner,
    /// The registration server's side towards the bootstrap server.
    Peers,
    Platform,
    /// The bootstrap server's side towards the registration server.
    Bootstrap,
}

impl Api {
    pub(crate) const ALL: [Self; 5] =
        [Self::Maker, Self::Owner, Self::Peers, Self::Platform, Self::Bootstrap];

    /// The name in the request log.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Maker => "maker-gateway",
            Self::Owner => "owner-gateway",
            Self::Peers => "peers",
            Self::Platform => "platform",
            Self::Bootstrap => "bootstrap-peers",
        }
    }
}

pub(crate) struct World {
    runtime: Runtime,
    trigger: Trigger,
    tallies: Vec<JoinHandle<Tally>>,
    places: Vec<(Api, SocketAddr)>,
    files: AtomicU64,
    pub(crate) folder: PathBuf,
    pub(crate) log: Log,
    pub(crate) server: Arc<RegistrationServer>,
    pub(crate) bootstrap_server: Arc<BootstrapServer>,
    pub(crate) registration: Arc<Watched>,
    pub(crate) bootstrap: Arc<Watched>,
    pub(crate) identity: Memory,
    pub(crate) work: Arc<Counting>,
    pub(crate) owner_ca: Arc<Stoppable>,
    pub(crate) to_bootstrap: Gate,
    pub(crate) to_registration: Gate,
    /// Files that lie in the gap, and whether it takes any.
    pub(crate) gap: Arc<Mutex<Vec<OutboxFile>>>,
    pub(crate) gap_is_full: Arc<AtomicBool>,
    pub(crate) operator: Credentials,
    pub(crate) registration_peer: Credentials,
    pub(crate) bootstrap_peer: Credentials,
}

impl World {
    /// Both servers over stores in memory; `None` when there is no curl.
    pub(crate) fn start() -> Option<Self> {
        Self::over(Arc::new(Memory::new()), Arc::new(Memory::new()))
    }

    /// Both servers over these stores.
    pub(crate) fn over(registration: Arc<dyn Table>, bootstrap: Arc<dyn Table>) -> Option<Self> {
        if !curl::is_installed() {
            return None;
        }
        let log = Log::default();
        let runtime = runtime(&log);
        let parts = runtime.block_on(Parts::make(registration, bootstrap));
        Some(parts.into_world(runtime, log))
    }

    pub(crate) fn address(&self, api: Api) -> SocketAddr {
        self.places.iter().find(|(place, _)| *place == api).expect("every API listens").1
    }

    pub(crate) fn url(&self, api: Api, path: &str) -> String {
        format!("https://{}{path}", self.address(api))
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.join("system-ca.pem")
    }

    /// Writes a file into the folder of this world.
    pub(crate) fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.join(format!("file-{}", self.files.fetch_add(1, Ordering::Relaxed)));
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes a certificate and its key.
    pub(crate) fn credentials(&self, certificate: &[u8], key: &dyn PrivateKey) -> Credentials {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        write_credentials(&self.folder, &format!("caller-{number}"), certificate, key)
    }

    /// A curl for one call.
    pub(crate) fn curl(&self, api: Api, who: Option<&Credentials>, method: &str, path: &str) -> Curl {
        Curl::new(&self.ca(), who).method(method).url(&self.url(api, path))
    }

    /// One call to its answer, if there is one.
    pub(crate) fn try_call(
        &self,
        api: Api,
        who: Option<&Credentials>,
        method: &str,
        path: &str,
        body: Option<&[u8]>,
    ) -> Result<Reply, NoAnswer> {
        let curl = self.curl(api, who, method, path);
        let curl = match body {
            Some(body) => curl.body(&self.file(body)),
            None => curl,
        };
        let mut replies = curl.run()?;
        assert_eq!(replies.len(), 1, "one call, one answer");
        Ok(replies.remove(0))
    }

    /// One call that has an answer.
    #[track_caller]
    pub(crate) fn call(
        &self,
        api: Api,
        who: &Credentials,
        method: &str,
        path: &str,
        body: Option<&[u8]>,
    ) -> Reply {
        self.try_call(api, Some(who), method, path, body).expect("it has an answer")
    }

    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        tracing::subscriber::with_default(self.log.clone(), || self.runtime.block_on(future))
    }

    /// Brings the files of the gap to the identity server and its answers back.
    pub(crate) fn carry_gap(&self) -> Vec<Submitted> {
        let uploads = std::mem::take(&mut *self.gap.lock().unwrap());
        gap::carry(&self.identity, &*self.registration, &*self.bootstrap, uploads)
    }

    /// The audit log of one of the stores: operation and result, oldest first.
    pub(crate) fn audit(table: &Watched) -> Vec<(String, String)> {
        let range = Range { space: AUDIT, prefix: Vec::new(), after: None, limit: 10_000 };
        let entry = |value: &[u8]| accounts::AuditEntry::from_bytes(value).unwrap();
        let records = table.scan(&range).unwrap().records;
        let entries = records.iter().map(|(_, record)| entry(&record.value));
        entries.map(|entry| (entry.operation, entry.result)).collect()
    }

    /// Stops both servers: what their listeners saw.
    pub(crate) fn stop(&mut self) -> Vec<Tally> {
        self.trigger.request();
        let tallies = std::mem::take(&mut self.tallies);
        self.runtime.block_on(async {
            let mut seen = Vec::new();
            for tally in tallies {
                seen.push(tally.await.expect("a listener ends in order"));
            }
            seen
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.trigger.request();
            return;
        }
        let panicked: u64 = self.stop().iter().map(|tally| tally.panicked).sum();
        assert_eq!(panicked, 0, "no call may panic: {:?}", self.log.lines());
        fs::remove_dir_all(&self.folder).expect("the folder of the test goes");
    }
}

/// Threads whose words go to `log`, whatever level they have.
fn runtime(log: &Log) -> Runtime {
    let dispatch = tracing::Dispatch::new(log.clone());
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(move || std::mem::forget(tracing::dispatcher::set_default(&dispatch)))
        .build()
        .unwrap()
}

pub(crate) fn write_credentials(
    folder: &Path,
    name: &str,
    certificate: &[u8],
    key: &dyn PrivateKey,
) -> Credentials {
    let (certificate_file, key_file) =
        (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    fs::write(&certificate_file, pem_from_der(CERTIFICATE, certificate).unwrap()).unwrap();
    fs::write(&key_file, pem_from_der(PRIVATE_KEY, key.pkcs8().unwrap().expose()).unwrap()).unwrap();
    Credentials { certificate: certificate_file, key: key_file }
}

/// A world before it has a runtime and a log.
struct Parts {
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
    keys: Arc<RegistrationKeys>,
}

impl Parts {
    async fn make(registration: Arc<dyn Table>, bootstrap: Arc<dyn Table>) -> Self {
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
        let executor = Executor::new(registration.clone(), Clock::start(), dice());
        let server = RegistrationServer::new(
            executor,
            keys.clone(),
            BootstrapClient::new(client(&peers[0].0), endpoint(&to_bootstrap)),
            authority.registration.gap.clone(),
            enrolment.identity,
            flush(registration.clone(), Arc::clone(&gap), gap_is_full.clone()),
        );
        let to_owner = RegistrationClient::new(client(&peers[1].0), endpoint(&to_registration));
        let bootstrap_server = bootstrap_server(&bootstrap, &registration, to_owner, keys.clone());
        let servers = (Arc::new(server), Arc::new(bootstrap_server));
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
            keys,
        }
    }

    fn into_world(self, runtime: Runtime, log: Log) -> World {
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
        let operator = operator(&self.folder, &self.keys, &self.registration);
        let [to_bootstrap, to_registration] = self.gates;
        World {
            runtime,
            trigger,
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
    use authority::registration::{Certificand, Certify};
    let authority = Authority::of_this_run();
    let p256 = crypto::KeyKind::Ec(crypto::Curve::P256);
    let key = authority.provider.generate_key(p256, &mut dice()).unwrap();
    let (public, origin) = (key.public().clone(), origin("registration"));
    let certify = Certify { whom: Certificand::Operator, key: public, keys: keys.clone(), origin };
    let certificate = gap::ran(registration, &certify).expect("the operator is certified");
    write_credentials(folder, "operator", &certificate, &*key)
}
