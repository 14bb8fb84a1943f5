//! An authority whose online servers listen: both services over stores that can be watched, behind TLS with
//! the client certificate modes of the program. Only the folders of the air gap are played.

mod servers;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use authority::identity::Submitted;
use authority::{AUDIT, OutboxFile};
use certificate::{CERTIFICATE, PRIVATE_KEY, pem_from_der};
use crypto::PrivateKey;
use http_front::bootstrap::BootstrapServer;
use http_front::registration::RegistrationServer;
use net::https_server::Tally;
use net::shutdown::{Shutdown, Trigger};
use store::{Memory, Range, Table};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::curl::{self, Credentials, Curl, NoAnswer, Reply};
use crate::gap;
use crate::gate::Gate;
use crate::log::Log;
use crate::watch::{Counting, Stoppable, Watched};
use servers::{Parts, Start, runtime};

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
    pub(crate) runtime: Runtime,
    trigger: Trigger,
    stop: Shutdown,
    start: Start,
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

    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.runtime.spawn(work)
    }

    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        tracing::subscriber::with_default(self.log.clone(), || self.runtime.block_on(future))
    }

    /// Brings the files of the gap to the identity server and its answers back.
    pub(crate) fn carry_gap(&self) -> Vec<Submitted> {
        self.carry_gap_and_keep().0
    }

    /// The same, and the identity server's answers, as they stay in their folder.
    pub(crate) fn carry_gap_and_keep(&self) -> (Vec<Submitted>, Vec<OutboxFile>) {
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
