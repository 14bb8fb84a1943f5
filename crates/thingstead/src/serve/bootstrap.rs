//! The role `bootstrap`: devices over CoAP and DTLS, the registration server and the operator over HTTPS.

use std::sync::Arc;
use std::time::Duration;

use assure_json::KeysMessage;
use assure_proto::{AuthenticatedKey, Class};
use authority::bootstrap::{DeviceProof, HolderName, IssuedDevice};
use authority::{ENROLMENT_NUMBER, ReadOwn, ServerKey, WriteOwn, own_record};
use coap_front::bootstrap::{
    BadIssuedKey, BootstrapCommand, BootstrapEvent, BootstrapFace, BootstrapSetup, Class3Keys, ImageAnswer,
    IssuedKey,
};
use coap_front::{AssociationId, Claim, Credential};
use crypto::Provider;
use http_front::RegistrationClient;
use http_front::bootstrap::{BootstrapServer, Unable, ta_api};
use http_front::platform::platform_api;
use model::{ServerRole, Uuid};
use net::executor::Executor;
use net::https_client::{CallLimits, Client};
use net::seed;
use net::shutdown::Shutdown;
use net::tls::ClientCertificates;
use net::udp::{self, UdpDriver};
use store::Batch;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

use super::config::{self, Bootstrap};
use super::device_socket::{self, LINE_LENGTH, OnSocket};
use super::enrolled::{Enrolled, enrolled};
use super::gap_line::{Anew, CLASS_3, GapLine, RoleEnd, Side};
use super::platform_keys::operator_file;
use super::{Door, Shared, announce, listen_https, open_store, own_issuer};
use crate::failure::{Failure, Outcome};

/// How long to wait before the registration server is asked again to sign our keys.
const SIGN_INTERVAL: Duration = Duration::from_millis(100);
/// First byte of the stored answer.
const CLASS_3_VERSION: u8 = 1;

/// Runs the role until shutdown.
pub(crate) async fn run(section: Bootstrap, shared: Shared, stop: Shutdown) -> Outcome<RoleEnd> {
    let Shared { provider, clock, starting } = shared;
    let (anew, stop) = Anew::within(&stop);
    let store = open_store(&section.data, &provider, clock).await?;
    let role = ServerRole::Bootstrap;
    let enrolled = enrolled(role, &section.authority, &store.executor, &provider, &stop).await?;
    let Some(enrolled) = enrolled else { return Ok(RoleEnd::Stopped) };
    let registration = registration(&section, &enrolled)?;
    let signed = class_3(&enrolled, &registration, &store.executor, &stop).await?;
    let Some(signed) = signed else { return Ok(RoleEnd::Stopped) };
    let name = format!("Thingstead operators {}", enrolled.keys.gap.id);
    let issuer = own_issuer(enrolled.keys.issuer.clone(), &name, &store.executor, &*provider).await?;
    operator_file(&section.data, &issuer, &store.executor, &*provider)?;
    enrolled.write_ca(&section.data)?;
    let keys = signed.face_keys(&enrolled);
    let server = Arc::new(BootstrapServer::new(store.executor.clone(), registration, signed.ec, signed.rsa));
    let mut services = JoinSet::new();
    let (socket, devices) = device_socket::bind(section.devices).await?;
    let mut listeners = vec![("devices", devices)];
    let peers = [enrolled.system_ca.clone()];
    let operators = [issuer.certificate().to_vec()];
    for (name, at, accepted, router) in [
        ("peers", section.peers, &peers, ta_api(server.clone())),
        ("platform", section.platform, &operators, platform_api(store.executor.clone())),
    ] {
        let clients = ClientCertificates::Required(accepted);
        let bound =
            listen_https(&mut services, Door::new(name, at), &enrolled.tls, clients, router, &stop).await?;
        listeners.push((name, bound));
    }
    let line = GapLine {
        side: Side::Bootstrap,
        executor: store.executor.clone(),
        me: enrolled.keys.gap.clone(),
        identity: enrolled.enrolment.identity.clone(),
        folders: enrolled.folders.clone(),
        provider: provider.clone(),
        anew: anew.clone(),
    };
    services.spawn(line.run(ENROLMENT_NUMBER + 1, stop.clone()));
    let dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let setup = BootstrapSetup { provider: provider.clone(), dice, keys, limits: BootstrapSetup::LIMITS };
    let face = BootstrapFace::new(setup, clock.now());
    let (events_in, events) = channel(LINE_LENGTH);
    let (commands_in, commands) = channel(LINE_LENGTH);
    let driver = UdpDriver { socket, commands, events: events_in, clock, shutdown: stop };
    services.spawn(async move {
        let (face, tally) = udp::run(driver, OnSocket(face)).await;
        tracing::info!(?tally, counters = ?face.0.counters(), "devices: stopped");
    });
    services.spawn(answer_devices(events, commands_in, server, provider));
    announce("bootstrap", &listeners);
    starting.one_is_up();
    while services.join_next().await.is_some() {}
    Ok(anew.end())
}

fn registration(section: &Bootstrap, enrolled: &Enrolled) -> Outcome<RegistrationClient> {
    let client =
        Client::new(std::slice::from_ref(&enrolled.system_ca), Some(&enrolled.tls), CallLimits::default())
            .map_err(|error| Failure::new("internal", "TLS set-up").because(format!("{error:?}")))?;
    Ok(RegistrationClient::new(client, config::endpoint(&section.registration_server)?))
}

/// Our two class 3 keys (7.4), signed by the registration server.
struct SignedKeys {
    ec: Vec<u8>,
    rsa: Vec<u8>,
    ec_key: AuthenticatedKey,
    rsa_key: AuthenticatedKey,
}

impl SignedKeys {
    /// `None` unless these are our keys, in order, as class 3.
    fn read(keys: Vec<Vec<u8>>, enrolled: &Enrolled) -> Option<Self> {
        let [ec, rsa]: [Vec<u8>; 2] = keys.try_into().ok()?;
        let is_ours = |signed: &AuthenticatedKey, own: &ServerKey| {
            signed.class() == Class::BootstrapService
                && signed.definition().public_key() == Some(own.key.public())
        };
        let ec_key = AuthenticatedKey::decode(&ec).ok().filter(|key| is_ours(key, &enrolled.keys.ec))?;
        let rsa_key = AuthenticatedKey::decode(&rsa).ok().filter(|key| is_ours(key, &enrolled.keys.rsa))?;
        Some(Self { ec, rsa, ec_key, rsa_key })
    }

    fn face_keys(&self, enrolled: &Enrolled) -> Class3Keys {
        let raw = |own: &ServerKey| Credential::raw(own.key.clone());
        Class3Keys {
            ec: (self.ec_key.id(), raw(&enrolled.keys.ec)),
            rsa: (self.rsa_key.id(), raw(&enrolled.keys.rsa)),
        }
    }
}

/// Reads the signed keys, or has them signed at the first start; `None` when stopped while waiting.
/// Source: decision G 29.
async fn class_3(
    enrolled: &Enrolled,
    registration: &RegistrationClient,
    executor: &Executor,
    stop: &Shutdown,
) -> Outcome<Option<SignedKeys>> {
    let record = own_record(CLASS_3);
    let stored = executor.run(ReadOwn { key: record.clone() }).await.map_err(super::store_failed)?;
    if let Some(stored) = stored {
        let unreadable = || Failure::new("internal", "the record of the class 3 keys");
        let (version, json) = stored.split_first().ok_or_else(unreadable)?;
        let message =
            serde_json::from_slice::<KeysMessage>(json).ok().filter(|_| *version == CLASS_3_VERSION);
        let signed = message.and_then(|message| SignedKeys::read(message.keys, enrolled));
        return signed.ok_or_else(unreadable).map(Some);
    }
    let own = [&enrolled.keys.ec, &enrolled.keys.rsa];
    let public: Vec<_> = own.iter().map(|own| own.key.public().spki().to_vec()).collect();
    let keys = loop {
        match registration.sign_class_3(public.clone()).await {
            // After a new generation the signatures of before count no longer.
            Ok(keys) if !is_of_generation(&keys, enrolled) => {
                tracing::debug!("the registration server has not taken the new generation in yet");
            }
            Ok(keys) => break keys,
            Err(error) => tracing::debug!(%error, "the registration server does not sign our keys yet"),
        }
        tokio::select! {
            () = tokio::time::sleep(SIGN_INTERVAL) => {}
            () = stop.requested() => return Ok(None),
        }
    };
    let json = serde_json::to_vec(&KeysMessage { keys: keys.clone() });
    let json = json.map_err(|error| Failure::new("internal", "the class 3 keys").because(error))?;
    let signed = SignedKeys::read(keys, enrolled);
    let signed = signed.ok_or_else(|| Failure::new("internal", "other keys were signed than asked for"))?;
    let mut batch = Batch::default();
    batch.put(record.clone(), [&[CLASS_3_VERSION][..], &json].concat());
    executor.run(WriteOwn { key: record, batch }).await.map_err(super::store_failed)?;
    Ok(Some(signed))
}

/// Whether these keys are signed with the registration server's keys that the identity server told us of; in
/// the first generation it told us of none.
fn is_of_generation(keys: &[Vec<u8>], enrolled: &Enrolled) -> bool {
    let Ok(online) = enrolled.enrolment.authenticated() else { return false };
    let is_online = |key: &Vec<u8>| {
        let signer = AuthenticatedKey::decode(key).map(|key| key.signature().key_id);
        online.iter().any(|online| Ok(online.id()) == signer)
    };
    online.is_empty() || keys.iter().all(is_online)
}

/// Answers what the face asks, each question on its own: how many are open is bounded by the face.
async fn answer_devices(
    mut events: Receiver<BootstrapEvent>,
    commands: Sender<BootstrapCommand>,
    server: Arc<BootstrapServer>,
    provider: Arc<dyn Provider>,
) {
    let mut answers = JoinSet::new();
    while let Some(event) = events.recv().await {
        let (server, provider, commands) = (server.clone(), provider.clone(), commands.clone());
        answers.spawn(async move {
            let command = answer(event, &server, &*provider).await;
            // A face that has stopped needs no answers.
            if commands.send(command).await.is_err() {}
        });
        while answers.try_join_next().is_some() {}
    }
}

async fn answer(
    event: BootstrapEvent,
    server: &BootstrapServer,
    provider: &dyn Provider,
) -> BootstrapCommand {
    match event {
        BootstrapEvent::LookUp { association, claim } => {
            let found = match claim {
                Claim::Device(device) => {
                    server.device(device).await.map(|found| found.map(|issued| (device, issued)))
                }
                Claim::Secret(id) => server.holder(HolderName::of_secret(id)).await,
                Claim::PublicKey(key) => server.holder(HolderName::of_public_key(provider, &key)).await,
            };
            known(association, found)
        }
        BootstrapEvent::GetImage { exchange, proven, asked } => {
            let answer = match server.serve_image(proven, asked).await {
                Ok(Some(image)) => ImageAnswer::Image(image),
                Ok(None) => ImageAnswer::Forbidden,
                Err(why) => {
                    tracing::warn!(?why, "an image cannot be served now");
                    ImageAnswer::Unable
                }
            };
            BootstrapCommand::Answer { exchange, answer }
        }
    }
}

fn known(
    association: AssociationId,
    found: Result<Option<(Uuid, IssuedDevice)>, Unable>,
) -> BootstrapCommand {
    let (device, issued) = match found {
        Ok(Some(found)) => found,
        Ok(None) => return BootstrapCommand::Unknown { association },
        Err(why) => {
            tracing::warn!(?why, "a device cannot be looked up now");
            return BootstrapCommand::CouldNotLookUp { association };
        }
    };
    match issued_key(issued) {
        Ok(key) => BootstrapCommand::Known { association, device, key },
        Err(error) => {
            tracing::error!(%error, "the stored key of a device cannot be used");
            BootstrapCommand::CouldNotLookUp { association }
        }
    }
}

/// How a device proves itself, out of what was issued about it.
pub(crate) fn issued_key(issued: IssuedDevice) -> Result<IssuedKey, BadIssuedKey> {
    match issued.proof {
        DeviceProof::PublicKey { spki } => IssuedKey::public_key(&spki),
        DeviceProof::BootstrapSecret { secret, key } => IssuedKey::secret(&key, secret),
    }
}
