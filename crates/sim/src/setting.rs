//! What all histories share: the authority's keys and three registered owners.

use std::sync::Arc;

use assure_proto::{AuthenticatedKey, Class, KeyDefinition, Metadata, Root, Signer, SimpleTime, Validity};
use authority::Origin;
use authority::registration::{OnlineKey, RegisterManagement, RegistrationKeys};
use certificate::{Issuer, Lifetime};
use clock::{Dice, Moment, Now, Timestamp};
use crypto::{Curve, KeyKind, PrivateKey, Provider};
use crypto_server::Server;
use model::{CorrelationId, KeyId, ManagementId};
use store::{Memory, run};

/// When every history begins.
pub(crate) const BEGIN_UNIX_MILLIS: u64 = 1_800_000_000_000;
/// How many owners there are.
pub(crate) const OWNER_COUNT: usize = 3;

/// A management system, as far as a history needs it.
pub(crate) struct Owner {
    pub(crate) id: ManagementId,
    pub(crate) key: Arc<dyn PrivateKey>,
}

/// An authority with its keys, and its owners; made once.
pub struct Setting {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) keys: Arc<RegistrationKeys>,
    pub(crate) root: Root,
    /// The bootstrap server's key for EC devices, signed by the online key.
    pub(crate) bootstrap_key: AuthenticatedKey,
    pub(crate) owners: Vec<Owner>,
    /// The registration server's store before the first device.
    registration: Memory,
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Setting(..)")
    }
}

pub(crate) fn origin(dice: &mut Dice, actor: &str) -> Origin {
    let correlation = CorrelationId(dice.bytes());
    Origin { address: None, role: "registration", actor: actor.into(), correlation, seed: dice.bytes() }
}

impl Default for Setting {
    fn default() -> Self {
        Self::new()
    }
}

impl Setting {
    /// Makes keys and owners.
    ///
    /// # Panics
    /// When the provider cannot make a key.
    #[must_use]
    pub fn new() -> Self {
        let provider: Arc<dyn Provider> = Arc::new(Server::new());
        let mut dice = Dice::numbered(0);
        let ec_kind = KeyKind::Ec(Curve::P256);
        let (ec, root) = online(&*provider, ec_kind, &mut dice);
        let (rsa, _) = online(&*provider, KeyKind::Rsa { modulus_bits: 2048 }, &mut dice);
        let ca = provider.generate_key(ec_kind, &mut dice).expect("keys can be made");
        let lifetime = Lifetime { from: Timestamp::from_unix_millis(BEGIN_UNIX_MILLIS), until: None };
        let issuer = Issuer::self_signed_ca(&*provider, ca, "owners", lifetime, &mut dice);
        let issuer = issuer.expect("a fresh CA signs itself");
        let keys = Arc::new(RegistrationKeys { provider: provider.clone(), ec, rsa, issuer });
        let server = provider.generate_key(ec_kind, &mut dice).expect("keys can be made");
        let bootstrap_key = issue(
            &*provider,
            Class::BootstrapService,
            (&*server, Metadata::NONE),
            &keys.ec.signer(),
            &mut dice,
        );
        let registration = Memory::new();
        let owners = (0..OWNER_COUNT).map(|_| owner(&provider, &keys, &registration, &mut dice)).collect();
        Self { provider, keys, root, bootstrap_key, owners, registration }
    }

    /// A registration server that knows the owners and nothing else.
    pub(crate) fn registration(&self) -> Memory {
        self.registration.clone()
    }

    pub(crate) fn owner_index(&self, id: &ManagementId) -> usize {
        self.owners.iter().position(|owner| owner.id == *id).expect("there are no other owners")
    }
}

fn owner(
    provider: &Arc<dyn Provider>,
    keys: &Arc<RegistrationKeys>,
    store: &Memory,
    dice: &mut Dice,
) -> Owner {
    let key = provider.generate_key(KeyKind::Ec(Curve::P256), dice).expect("keys can be made");
    let origin = origin(dice, "stranger");
    let register = RegisterManagement { key: key.public().clone(), keys: keys.clone(), origin };
    let now = Now::new(Moment::START, Timestamp::from_unix_millis(BEGIN_UNIX_MILLIS));
    let registered = run(store, &register, now).expect("memory does not fail").reply;
    Owner { id: registered.expect("an EC key on P-256 is taken").id, key }
}

/// A key of class 1 of generation 1, and the root that signed it.
fn online(provider: &dyn Provider, kind: KeyKind, dice: &mut Dice) -> (OnlineKey, Root) {
    let key = provider.generate_key(kind, dice).expect("keys can be made");
    let root = provider.generate_key(kind, dice).expect("keys can be made");
    let root_id = KeyId(dice.bytes());
    let signer = Signer::with_private_key(root_id, Class::TrustedAuthority, &*root);
    let metadata = Metadata::of_generation(1);
    let authenticated = issue(provider, Class::TrustedAuthority, (&*key, metadata), &signer, dice);
    let root = Root::public(Class::TrustedAuthority, root_id, root.public().clone());
    (OnlineKey { key, authenticated }, root)
}

fn issue(
    provider: &dyn Provider,
    class: Class,
    (key, metadata): (&dyn PrivateKey, Metadata),
    signer: &Signer<'_>,
    dice: &mut Dice,
) -> AuthenticatedKey {
    let definition = KeyDefinition::public(KeyId(dice.bytes()), key.public().clone());
    let validity = Validity::since(SimpleTime { secs: 1 });
    AuthenticatedKey::issue(provider, class, &definition, metadata, signer, validity, dice)
        .expect("a public key can be signed")
}
