//! An authority, a server with a few routes, and clients of all kinds.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use axum::routing::{get, post};
use bytes::Bytes;
use certificate::{
    CERTIFICATE, Issuer, Lifetime, PRIVATE_KEY, Profile, Serial, ServerNames, TlsPeer, pem_from_der,
};
use clock::{Dice, Timestamp};
use crypto::{Curve, KeyKind, Provider};
use crypto_server::Server;
use hyper::{Request, Response};
use net::https_client::{CallError, CallLimits, Client, Endpoint};
use net::https_server::{Limits, Patience, Tally, serve};
use net::now::Clock;
use net::shutdown::{Trigger, shutdown};
use net::tls::{ClientCertificates, TlsIdentity, server_config};
use rustls_pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Time after which a test that still waits has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A limit that a test waits for.
pub(crate) const SHORT: Duration = Duration::from_millis(250);

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("the event comes in time")
}

pub(crate) struct Holder {
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub(crate) key_hash: [u8; 32],
    pub(crate) identity: TlsIdentity,
    pub(crate) leaf: Vec<u8>,
    pub(crate) leaf_pem: String,
    pub(crate) key_pem: String,
}

/// An authority and what it issues.
pub(crate) struct World {
    provider: Server,
    dice: Dice,
    pub(crate) issuer: Issuer,
    pub(crate) now: Timestamp,
}

impl World {
    pub(crate) fn new(name: &str) -> Self {
        let provider = Server::new();
        let mut dice = net::seed::dice().unwrap();
        let now = Clock::start().now().utc.unwrap();
        let key = provider.generate_key(KeyKind::Ec(Curve::P256), &mut dice).unwrap();
        let lifetime = Lifetime { from: now, until: None };
        let issuer = Issuer::self_signed_ca(&provider, key, name, lifetime, &mut dice).unwrap();
        Self { provider, dice, issuer, now }
    }

    pub(crate) fn roots(&self) -> Vec<Vec<u8>> {
        vec![self.issuer.certificate().to_vec()]
    }

    pub(crate) fn root_pem(&self) -> String {
        pem_from_der(CERTIFICATE, self.issuer.certificate()).unwrap()
    }

    pub(crate) fn later(&self, hours: u64) -> Timestamp {
        Timestamp::from_unix_millis(self.now.as_unix_millis() + hours * 3_600_000)
    }

    pub(crate) fn holder_with(&mut self, profile: &Profile, kind: KeyKind) -> Holder {
        let key = self.provider.generate_key(kind, &mut self.dice).unwrap();
        let serial = Serial::random(&mut self.dice);
        let issued =
            self.issuer.issue(&self.provider, key.public(), serial, profile, self.now, &mut self.dice);
        let leaf = issued.unwrap();
        let pkcs8 = key.pkcs8().unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.public().spki());
        Holder {
            key_hash: digest.as_ref().try_into().unwrap(),
            identity: TlsIdentity::new(std::slice::from_ref(&leaf), &pkcs8).unwrap(),
            leaf_pem: pem_from_der(CERTIFICATE, &leaf).unwrap(),
            key_pem: pem_from_der(PRIVATE_KEY, pkcs8.expose()).unwrap(),
            leaf,
        }
    }

    pub(crate) fn holder(&mut self, profile: &Profile) -> Holder {
        self.holder_with(profile, KeyKind::Ec(Curve::P256))
    }

    pub(crate) fn operator(&mut self) -> Holder {
        let until = self.later(1);
        self.holder(&Profile::Operator { until })
    }

    pub(crate) fn server_profile(&self) -> Profile {
        let names = ServerNames { dns: vec!["localhost".to_owned()], addresses: vec![[127, 0, 0, 1].into()] };
        Profile::TlsServer { names, until: self.later(1) }
    }
}

/// Doors of the `/wait` route: a permit per call that came in, a permit per call that may go.
#[derive(Clone)]
pub(crate) struct Doors {
    pub(crate) entered: Arc<Semaphore>,
    pub(crate) leave: Arc<Semaphore>,
}

fn router(doors: Doors) -> Router {
    let patient = {
        let doors = doors.clone();
        move |Extension(patience): Extension<Patience>| async move {
            patience.ask();
            doors.entered.add_permits(1);
            doors.leave.acquire().await.unwrap().forget();
            "patient"
        }
    };
    let wait = move || async move {
        doors.entered.add_permits(1);
        doors.leave.acquire().await.unwrap().forget();
        "waited"
    };
    let big = || async { Body::from(vec![0; 64 << 20]) };
    Router::new()
        .route("/who", get(who))
        .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/wait", get(wait))
        .route("/patient", get(patient))
        .route("/big", get(big))
        .route("/panic", get(|| async { panic!("as this route is asked to") as &str }))
}

async fn who(Extension(peer): Extension<TlsPeer>) -> String {
    assert!(peer.address.ip().is_loopback());
    match peer.identity() {
        Ok(Some(identity)) => format!("{:?}", identity.caller()),
        Ok(None) => "Stranger".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

/// A running server.
pub(crate) struct Running {
    pub(crate) endpoint: Endpoint,
    pub(crate) doors: Doors,
    pub(crate) trigger: Trigger,
    task: Mutex<Option<JoinHandle<Tally>>>,
    client: Client,
    connector: TlsConnector,
}

impl Running {
    pub(crate) async fn start(world: &mut World, clients: ClientCertificates<'_>, limits: Limits) -> Self {
        let holder = world.holder(&world.server_profile());
        let tls = server_config(&holder.identity, clients).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
        let doors = Doors { entered: Arc::new(Semaphore::new(0)), leave: Arc::new(Semaphore::new(0)) };
        let (trigger, token) = shutdown();
        let task = tokio::spawn(serve(listener, tls, router(doors.clone()), limits, token));
        let client = Client::new(&world.roots(), None, CallLimits::default()).unwrap();
        let raw = net::tls::client_config(&world.roots(), None).unwrap();
        let connector = TlsConnector::from(raw);
        Self { endpoint, doors, trigger, task: Mutex::new(Some(task)), client, connector }
    }

    /// One that does not ask for certificates.
    pub(crate) async fn open(limits: Limits) -> Self {
        Self::start(&mut World::new("Server root"), ClientCertificates::NotAsked, limits).await
    }

    pub(crate) async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        within(self.client.call(&self.endpoint, request)).await
    }

    /// An honest client still gets its answer.
    pub(crate) async fn assert_serves(&self) {
        let answer = self.call(get_request("/who")).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"Stranger"[..]));
    }

    pub(crate) async fn tcp(&self) -> TcpStream {
        within(TcpStream::connect((self.endpoint.host.as_str(), self.endpoint.port))).await.unwrap()
    }

    /// A connection after its handshake, for bytes that no honest client sends.
    pub(crate) async fn tls(&self) -> TlsStream<TcpStream> {
        self.tls_over(self.tcp().await).await
    }

    pub(crate) async fn tls_over(&self, socket: TcpStream) -> TlsStream<TcpStream> {
        let name = ServerName::try_from("localhost").unwrap();
        within(self.connector.connect(name, socket)).await.unwrap()
    }

    pub(crate) async fn stop(&self) -> Tally {
        self.trigger.request();
        let task = self.task.lock().unwrap().take().expect("stopped once");
        within(task).await.unwrap()
    }
}

pub(crate) fn get_request(path: &str) -> Request<Bytes> {
    Request::get(path).body(Bytes::new()).unwrap()
}

pub(crate) fn post_request(path: &str, body: Vec<u8>) -> Request<Bytes> {
    Request::post(path).body(Bytes::from(body)).unwrap()
}
