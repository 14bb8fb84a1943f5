//! A maker gateway and its operator's API that answer what the test tells them, over real HTTPS.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{Method, StatusCode};
use axum::routing::{post, put};
use certificate::{Issuer, KeyDemand, Lifetime, Profile, Request, Serial, ServerNames};
use clock::{Dice, Timestamp};
use crypto::{Curve, KeyKind, PrivateKey, Provider};
use net::https_server::{self, Limits};
use net::shutdown::{Trigger, shutdown};
use net::tls::{ClientCertificates, TlsIdentity, server_config};
use tokio::runtime::Runtime;

use super::offline::{Place, now, provider};

/// What came in: method, path, body.
type Calls = Arc<Mutex<Vec<(Method, String, Vec<u8>)>>>;

pub(crate) struct Gateway {
    pub(crate) at: SocketAddr,
    calls: Calls,
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
    _trigger: Trigger,
    _runtime: Runtime,
}

const P256: KeyKind = KeyKind::Ec(Curve::P256);

impl Gateway {
    /// Starts it with a certificate of the place's system CA, and writes `operator.pem`, which it accepts.
    pub(crate) fn start(place: &Place) -> Self {
        let keys = place.identity_keys();
        let (provider, mut dice) = (provider(), net::seed::dice().unwrap());
        let now = now().utc.unwrap();
        let until = Timestamp::from_unix_millis(now.as_unix_millis() + 3_600_000);
        let key = provider.generate_key(P256, &mut dice).unwrap();
        let names = ServerNames { dns: Vec::new(), addresses: vec![[127, 0, 0, 1].into()] };
        let profile = Profile::TlsServer { names, until };
        let certificate = issue(&*provider, &keys.system_ca, &*key, &profile, now, &mut dice);
        let identity = TlsIdentity::of_key(&[certificate], &*key).unwrap();
        let ca = provider.generate_key(P256, &mut dice).unwrap();
        let lifetime = Lifetime { from: now, until: None };
        let owners = Issuer::self_signed_ca(&*provider, ca, "owners", lifetime, &mut dice).unwrap();
        write_operator(place, &*provider, &owners, now, until, &mut dice);
        let (calls, answers) = (Calls::default(), Arc::new(Mutex::new(VecDeque::new())));
        let router = router(calls.clone(), answers.clone(), Arc::new(owners), provider, now, until);
        Self::listen(router.0, &identity, &router.1, calls, answers)
    }

    fn listen(
        router: Router,
        identity: &TlsIdentity,
        owners: &[u8],
        calls: Calls,
        answers: Arc<Mutex<VecDeque<StatusCode>>>,
    ) -> Self {
        let roots = [owners.to_vec()];
        let tls = server_config(identity, ClientCertificates::Required(&roots)).unwrap();
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let at = listener.local_addr().unwrap();
        let (trigger, stop) = shutdown();
        runtime.spawn(https_server::serve(listener, tls, router, Limits::default(), stop));
        Self { at, calls, answers, _trigger: trigger, _runtime: runtime }
    }

    /// Answers the next upload with this status; 201 once all are used.
    pub(crate) fn answer(&self, status: StatusCode) {
        self.answers.lock().unwrap().push_back(status);
    }

    /// What came in so far.
    pub(crate) fn calls(&self) -> Vec<(Method, String, Vec<u8>)> {
        self.calls.lock().unwrap().clone()
    }
}

fn issue(
    provider: &dyn Provider,
    issuer: &Issuer,
    key: &dyn PrivateKey,
    profile: &Profile,
    now: Timestamp,
    dice: &mut Dice,
) -> Vec<u8> {
    let serial = Serial::random(dice);
    issuer.issue(provider, key.public(), serial, profile, now, dice).unwrap()
}

fn write_operator(
    place: &Place,
    provider: &dyn Provider,
    owners: &Issuer,
    now: Timestamp,
    until: Timestamp,
    dice: &mut Dice,
) {
    let key = provider.generate_key(P256, dice).unwrap();
    let certificate = issue(provider, owners, &*key, &Profile::Operator { until }, now, dice);
    let pem = |label, der: &[u8]| certificate::pem_from_der(label, der).unwrap();
    let key = pem(certificate::PRIVATE_KEY, key.pkcs8().unwrap().expose());
    place.write("operator.pem", [pem(certificate::CERTIFICATE, &certificate), key].concat().as_bytes());
}

fn router(
    calls: Calls,
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
    owners: Arc<Issuer>,
    provider: Arc<dyn Provider>,
    now: Timestamp,
    until: Timestamp,
) -> (Router, Vec<u8>) {
    let root = owners.certificate().to_vec();
    let noted = calls.clone();
    let certify = move |Path(maker): Path<String>, body: Bytes| {
        noted.lock().unwrap().push((Method::PUT, maker.clone(), body.to_vec()));
        let request = Request::from_der(&body, KeyDemand::P256, &*provider).unwrap();
        let profile = Profile::Maker { maker: maker.parse().unwrap(), until };
        let mut dice = net::seed::dice().unwrap();
        let serial = Serial::random(&mut dice);
        let issued = owners.issue(&*provider, request.public_key(), serial, &profile, now, &mut dice);
        async move { (StatusCode::CREATED, issued.unwrap()) }
    };
    let noted = calls.clone();
    let upload = move |Path(device): Path<String>, body: Bytes| {
        noted.lock().unwrap().push((Method::PUT, device, body.to_vec()));
        let status = answers.lock().unwrap().pop_front().unwrap_or(StatusCode::CREATED);
        async move { status }
    };
    let store_set = move |body: Bytes| {
        calls.lock().unwrap().push((Method::POST, "parametersets".into(), body.to_vec()));
        async { (StatusCode::CREATED, super::offline::PARAMETER_SET) }
    };
    let router = Router::new()
        .route("/v1/makers/{uuid}/certificate", put(certify))
        .route("/v1/devices/{uuid}", put(upload))
        .route("/v1/parametersets", post(store_set));
    (router, root)
}
