//! What an owner knows: its keys and certificates, read from a copy of its management system's store.

use std::path::Path;
use std::sync::Arc;

use clock::Dice;
use crypto::{Curve, KeyKind, Provider, Secret};
use crypto_server::Server;
use http_front::management::{GatewayAddress, GatewayError, Granted, OwnerGateway};
use management::{ChannelAccess, FindPeer, OwnerKeys, PeerSign, ReadOwner};
use model::{ManagementId, Uuid};
use net::now::Clock;
use net::tls::TlsIdentity;
use store::{Operation, Table, run};
use store_redb::{Options, RedbStore};
use store_sealed::Sealed;

use crate::going_on::World;

/// An owner's view of the owner gateway, with all that it may show there.
pub(crate) struct Former {
    pub(crate) keys: OwnerKeys,
    pub(crate) gateway: OwnerGateway,
    table: Sealed<RedbStore>,
}

pub(crate) fn provider() -> Arc<dyn Provider> {
    Arc::new(Server::new())
}

pub(crate) fn wait<F: Future>(what: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(what)
}

/// The certificate in a PEM file, in DER, and its key where there is one.
pub(crate) fn pem(path: &str) -> (Vec<u8>, Option<Secret>) {
    let blocks = certificate::pem_blocks(&std::fs::read_to_string(path).unwrap()).unwrap();
    let of = |label: &str| blocks.iter().find(|block| block.label == label);
    let key = of("PRIVATE KEY").map(|block| Secret::from(block.der.expose()));
    (of("CERTIFICATE").unwrap().der.expose().to_vec(), key)
}

/// The store in a folder that no process uses.
pub(crate) fn open_store(world: &World, folder: &str) -> Sealed<RedbStore> {
    let folder = world.path(folder);
    let store = RedbStore::open(Path::new(&folder).join("store.redb"), Options::default()).unwrap();
    let key = std::fs::read(Path::new(&folder).join("seal.key")).unwrap();
    Sealed::new(store, &*provider(), &key, Dice::numbered(7)).unwrap()
}

fn gateway_of(world: &World) -> GatewayAddress {
    let endpoint = world.address("registration", "owner_gateway").parse().unwrap();
    GatewayAddress { endpoint, roots: vec![pem(&world.path("public/system-ca.pem")).0] }
}

impl Former {
    /// Whoever has this folder, which no process uses.
    pub(crate) fn with_data(world: &World, folder: &str) -> Self {
        let (table, provider) = (open_store(world, folder), provider());
        let owner = read(&table, &ReadOwner).unwrap().expect("it is registered");
        let certified = owner.certified.clone().expect("it has its certificate");
        let identity = TlsIdentity::new(&[certified.certificate], &owner.tls).unwrap();
        let gateway = OwnerGateway::certified(&gateway_of(world), &identity).unwrap();
        Self { keys: OwnerKeys::of(provider, &owner).unwrap(), gateway, table }
    }

    /// How it and a device of its proved themselves to each other.
    pub(crate) fn access(&self, device: Uuid) -> ChannelAccess {
        read(&self.table, &FindPeer { sign: PeerSign::Name(device) }).unwrap().expect("the device is its own")
    }
}

fn read<O: Operation>(table: &dyn Table, operation: &O) -> O::Reply {
    run(table, operation, Clock::start().now()).unwrap().reply
}

/// Registers one more management system, as anybody may.
pub(crate) fn registers(world: &World) -> OwnerGateway {
    let (provider, mut dice) = (provider(), net::seed::dice().unwrap());
    let key = provider.generate_key(KeyKind::Ec(Curve::P256), &mut dice).unwrap();
    let request = certificate::make_request(&*key, "one more", &mut dice).unwrap();
    let address = gateway_of(world);
    let certificate = wait(OwnerGateway::stranger(&address).unwrap().register(request)).unwrap();
    let identity = TlsIdentity::of_key(&[certificate], &*key).unwrap();
    OwnerGateway::certified(&address, &identity).unwrap()
}

/// Everything that an owner may ask of the owner gateway about a device, each with whether it was
/// granted.
pub(crate) fn asks_everything(
    gateway: &OwnerGateway,
    device: Uuid,
    case_string: &Secret,
    image: &[u8],
    friend: &ManagementId,
) -> Vec<(&'static str, Result<bool, GatewayError>)> {
    let yes = |granted: Result<Granted, GatewayError>| granted.map(|granted| granted == Granted::Yes);
    wait(async {
        vec![
            ("claim", yes(gateway.claim(device, case_string).await)),
            ("transfer", yes(gateway.give(device, Some(friend)).await)),
            ("release", yes(gateway.give(device, None).await)),
            ("configuration", gateway.configuration(device).await.map(|found| found.is_some())),
            ("parameter set", gateway.parameter_set(device).await.map(|found| found.is_some())),
            ("image", gateway.read_bootstrap(device).await.map(|found| found.is_some())),
            ("its image", yes(gateway.put_bootstrap(device, image.to_vec()).await)),
            ("no image", yes(gateway.put_bootstrap(device, Vec::new()).await)),
        ]
    })
}
