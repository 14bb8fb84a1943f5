//! Both servers, the device, and what o'clock it is.

use assure_proto::{
    AuthenticatedKey, CaseId, Class, Derivation, DerivedKey, KeyDefinition, Metadata, Root, Signer,
    SimpleTime, Validity,
};
use authority::bootstrap::{self, DeviceProof, HolderName, IssuedDevice};
use authority::registration::{
    self, DeviceKind, IssuedRegistration, IssuedSecret, OperationId, PoolEntry, SecretChain,
};
use clock::{Dice, Moment, Now, Timestamp};
use crypto::{Curve, KeyKind, Provider, Secret};
use model::{KeyId, Uuid};
use store::{Memory, Operation, run};

use crate::device::{Device, DeviceKey};
use crate::setting::{BEGIN_UNIX_MILLIS, Setting, origin};

/// The string on the case, and a wrong one.
pub(crate) const CASE: &[u8; 32] = b"0123456789abcdef0123456789abcdef";
pub(crate) const WRONG_CASE: &[u8; 32] = b"ffffffffffffffffffffffffffffffff";
const MAKER: Uuid = Uuid([0x4d; 16]);
/// Owner secrets that the identity server issued at first: few, so that histories reach their end.
const POOL_LENGTH: usize = 2;

/// Everything that stores, and chance.
pub(crate) struct World<'s> {
    pub(crate) setting: &'s Setting,
    pub(crate) dice: Dice,
    pub(crate) registration: Memory,
    pub(crate) bootstrap: Memory,
    pub(crate) device: Device,
    /// The class 3 key that the device gets to see.
    pub(crate) bootstrap_key: AuthenticatedKey,
    unix_millis: u64,
}

impl<'s> World<'s> {
    pub(crate) fn new(setting: &'s Setting, seed: u64) -> Self {
        let mut dice = Dice::numbered(seed);
        let uuid = Uuid::v4(dice.bytes());
        let kind = if dice.below(3) == 0 { DeviceKind::SharedSecret } else { DeviceKind::Ec };
        let provider = &*setting.provider;
        let (key, secrets, proof, bootstrap_key) = match kind {
            DeviceKind::SharedSecret => born_with_secret(provider, uuid, &mut dice),
            DeviceKind::Ec | DeviceKind::Rsa => {
                let key =
                    provider.generate_key(KeyKind::Ec(Curve::P256), &mut dice).expect("keys can be made");
                let proof = DeviceProof::PublicKey { spki: key.public().spki().to_vec() };
                (DeviceKey::Private(key), None, proof, setting.bootstrap_key.clone())
            }
        };
        let roots = vec![match &key {
            DeviceKey::Private(_) => setting.root.clone(),
            DeviceKey::Secret(secret) => Root::of_shared_secret(provider, &uuid, secret),
        }];
        let mut world = Self {
            setting,
            dice,
            registration: setting.registration(),
            bootstrap: Memory::new(),
            device: Device::new(uuid, key, roots),
            bootstrap_key,
            unix_millis: BEGIN_UNIX_MILLIS,
        };
        world.issue(kind, secrets, proof);
        world
    }

    fn issue(&mut self, kind: DeviceKind, secrets: Option<SecretChain>, proof: DeviceProof) {
        let (device, operation) = (self.device.uuid, OperationId(self.dice.bytes()));
        let origin = origin(&mut self.dice, "maker");
        let create = registration::CreateDevice { device, maker: MAKER, operation, origin: origin.clone() };
        assert_eq!(self.on_registration(&create), Ok(registration::Created::Stands));
        let create = bootstrap::CreateDevice { device, operation };
        assert_eq!(self.on_bootstrap(&create), Ok(bootstrap::Created::Stands));
        let case = CaseId::from_typed(std::str::from_utf8(CASE).expect("digits")).expect("32 digits");
        let case_hash = case.hash(&*self.setting.provider, &device).0;
        let issued = IssuedRegistration { case_hash, parameter_set: Uuid([9; 16]), kind, secrets };
        let import = registration::ImportIssued { device, maker: MAKER, issued, origin: origin.clone() };
        assert_eq!(self.on_registration(&import), Ok(registration::Imported::Ready));
        let issued = IssuedDevice { configuration: b"{}".to_vec(), proof };
        let holder = HolderName::of_issued(&*self.setting.provider, &issued).expect("a proof has a name");
        let import = bootstrap::ImportIssued { device, issued, holder, origin };
        assert_eq!(self.on_bootstrap(&import), Ok(bootstrap::Imported::Ready));
    }

    pub(crate) fn now(&self) -> Now {
        Now::new(Moment::START, Timestamp::from_unix_millis(self.unix_millis))
    }

    pub(crate) fn wait_secs(&mut self, secs: u64) {
        self.unix_millis += secs * 1000;
    }

    pub(crate) fn operation(&mut self) -> OperationId {
        OperationId(self.dice.bytes())
    }

    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.dice.below(count) == 0
    }

    /// Runs at one go, with nothing in between.
    pub(crate) fn on_registration<O: Operation>(&self, operation: &O) -> O::Reply {
        run(&self.registration, operation, self.now()).expect("memory does not fail").reply
    }

    /// The same on the bootstrap server.
    pub(crate) fn on_bootstrap<O: Operation>(&self, operation: &O) -> O::Reply {
        run(&self.bootstrap, operation, self.now()).expect("memory does not fail").reply
    }
}

type Born = (DeviceKey, Option<SecretChain>, DeviceProof, AuthenticatedKey);

/// A device that knows only a secret, and all that the identity server makes for it.
fn born_with_secret(provider: &dyn Provider, device: Uuid, dice: &mut Dice) -> Born {
    let own = Secret::new(dice.bytes::<32>().to_vec());
    let root = Root::of_shared_secret(provider, &device, &own);
    let root_secret = root.secret().expect("the root of a secret is one").clone();
    let derived = |dice: &mut Dice| {
        let secret = Secret::new(dice.bytes::<32>().to_vec());
        let way = Derivation::from_secret(provider, KeyId::from(device), &own, &secret, dice);
        let key = way.and_then(|way| DerivedKey::new(KeyId(dice.bytes()), vec![way]));
        (key.expect("32 bytes can be derived"), secret)
    };
    let issue = |class, key: DerivedKey, metadata, signer: &Signer<'_>, dice: &mut Dice| {
        let validity = Validity::since(SimpleTime { secs: 1 });
        let definition = KeyDefinition::Derived(key);
        AuthenticatedKey::issue(provider, class, &definition, metadata, signer, validity, dice)
            .expect("a derived key can be signed")
    };
    let (authority, service) = (Class::TrustedAuthority, Class::BootstrapService);
    let (signing, signing_secret) = derived(dice);
    let by_root = Signer::with_secret(root.key_id, authority, &root_secret);
    let signing = issue(authority, signing, Metadata::of_generation(1), &by_root, dice);
    let by_signing = Signer::with_secret(signing.id(), authority, &signing_secret);
    let (wrapping, wrapping_secret) = derived(dice);
    let wrapping = issue(authority, wrapping, Metadata::NONE, &by_signing, dice);
    let (session, session_secret) = derived(dice);
    let session = issue(service, session, Metadata::NONE, &by_signing, dice);
    let pool = (0..POOL_LENGTH).map(|_| {
        let (key, secret) = derived(dice);
        PoolEntry { definition: KeyDefinition::Derived(key).encode(), secret }
    });
    let pool = pool.collect();
    let chain = SecretChain {
        signing: IssuedSecret { secret: signing_secret.clone(), key: signing.encoded().to_vec() },
        wrapping: IssuedSecret { secret: wrapping_secret, key: wrapping.encoded().to_vec() },
        pool,
    };
    let proof = DeviceProof::BootstrapSecret { secret: session_secret, key: session.encoded().to_vec() };
    (DeviceKey::Secret(own), Some(chain), proof, session)
}
