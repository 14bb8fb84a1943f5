//! An authority with its two online servers, driven by hand.

use std::sync::Arc;
use std::time::Duration;

use assure_proto::{
    AuthenticatedKey, CaseId, Class, Derivation, DerivedKey, KeyDefinition, Metadata, Root, Signer,
    SimpleTime, Validity,
};
use authority::bootstrap::{self, DeviceProof, HolderName, IssuedDevice, MirrorOwner, Mirrored, OwnerNow};
use authority::registration::{
    self, CompleteChange, ConfigurationAnswer, DeviceKind, IssuedRegistration, IssuedSecret, OnlineKey,
    OperationId, OwnerAnswer, PoolEntry, RegistrationKeys, SecretChain, Target,
};
use authority::{AUDIT, Origin};
use certificate::{Issuer, Lifetime};
use clock::{Dice, Moment, Now, Timestamp};
use crypto::{Curve, KeyKind, PrivateKey, Provider, PublicKey, Secret};
use crypto_server::Server;
use model::{CorrelationId, KeyId, ManagementId, Uuid};
use store::{Memory, Operation, Range, Table, run};

/// The string on every case of this world, and a wrong one.
pub(crate) const CASE: &[u8] = b"0123456789abcdef0123456789abcdef";
pub(crate) const WRONG_CASE: &[u8] = b"ffffffffffffffffffffffffffffffff";
pub(crate) const MAKER: Uuid = Uuid([0x4d; 16]);

pub(crate) struct World {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) registration: Memory,
    pub(crate) bootstrap: Memory,
    pub(crate) keys: Arc<RegistrationKeys>,
    pub(crate) dice: Dice,
    unix_millis: u64,
}

impl World {
    pub(crate) fn new(run: u64) -> Self {
        let provider: Arc<dyn Provider> = Arc::new(Server::new());
        let mut dice = Dice::numbered(run);
        let unix_millis = 1_800_000_000_000;
        let keys = Arc::new(registration_keys(&provider, &mut dice, unix_millis));
        Self {
            provider,
            registration: Memory::default(),
            bootstrap: Memory::default(),
            keys,
            dice,
            unix_millis,
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now::new(Moment::START, Timestamp::from_unix_millis(self.unix_millis))
    }

    pub(crate) fn wait(&mut self, span: Duration) {
        self.unix_millis += u64::try_from(span.as_millis()).unwrap();
    }

    pub(crate) fn origin(&mut self, actor: &str) -> Origin {
        Origin {
            address: None,
            role: "registration",
            actor: actor.into(),
            correlation: CorrelationId(self.dice.bytes()),
            seed: self.dice.bytes(),
        }
    }

    pub(crate) fn operation(&mut self) -> OperationId {
        OperationId(self.dice.bytes())
    }

    /// Runs on the registration server.
    pub(crate) fn register<O: Operation>(&self, operation: &O) -> O::Reply {
        run(&self.registration, operation, self.now()).unwrap().reply
    }

    /// Runs on the bootstrap server.
    pub(crate) fn boot<O: Operation>(&self, operation: &O) -> O::Reply {
        run(&self.bootstrap, operation, self.now()).unwrap().reply
    }

    pub(crate) fn key(&mut self, kind: KeyKind) -> Arc<dyn PrivateKey> {
        self.provider.generate_key(kind, &mut self.dice).unwrap()
    }

    /// Registers a management system with a fresh key.
    pub(crate) fn owner(&mut self) -> (ManagementId, Arc<dyn PrivateKey>) {
        let key = self.key(KeyKind::Ec(Curve::P256));
        let (origin, keys) = (self.origin("stranger"), self.keys.clone());
        let operation = registration::RegisterManagement { key: key.public().clone(), keys, origin };
        (self.register(&operation).unwrap().id, key)
    }

    /// Uploads and issues a device on both servers; one with a secret has two owner secrets in its pool.
    pub(crate) fn device(&mut self, kind: DeviceKind) -> Uuid {
        self.device_of(kind, 2)
    }

    /// A device with a secret and so many owner secrets in its pool.
    pub(crate) fn device_with_pool(&mut self, length: usize) -> Uuid {
        self.device_of(DeviceKind::SharedSecret, length)
    }

    fn device_of(&mut self, kind: DeviceKind, pool: usize) -> Uuid {
        let (device, issued) = self.uploaded_with_pool(kind, pool);
        self.import_issued(device, issued);
        device
    }

    /// A device that both servers know of, and what is issued for it.
    pub(crate) fn uploaded(&mut self, kind: DeviceKind) -> (Uuid, IssuedRegistration) {
        self.uploaded_with_pool(kind, 2)
    }

    fn uploaded_with_pool(&mut self, kind: DeviceKind, pool: usize) -> (Uuid, IssuedRegistration) {
        let device = Uuid::v4(self.dice.bytes());
        let operation = self.operation();
        let origin = self.origin("maker");
        let create = registration::CreateDevice { device, maker: MAKER, operation, origin };
        assert_eq!(self.register(&create), Ok(registration::Created::Stands));
        assert_eq!(self.boot(&bootstrap::CreateDevice { device, operation }), Ok(bootstrap::Created::Stands));
        let secrets = (kind == DeviceKind::SharedSecret).then(|| self.secret_chain(device, pool));
        let issued = IssuedRegistration {
            case_hash: CaseId::from_typed(std::str::from_utf8(CASE).unwrap())
                .unwrap()
                .hash(&*self.provider, &device)
                .0,
            parameter_set: Uuid([9; 16]),
            kind,
            secrets,
        };
        (device, issued)
    }

    /// What was issued comes in on both servers.
    pub(crate) fn import_issued(&mut self, device: Uuid, issued: IssuedRegistration) {
        let origin = self.origin("identity");
        let import = registration::ImportIssued { device, maker: MAKER, issued, origin: origin.clone() };
        assert_eq!(self.register(&import), Ok(registration::Imported::Ready));
        let proof = DeviceProof::PublicKey { spki: device.0.to_vec() };
        let issued = IssuedDevice { configuration: b"{}".to_vec(), proof };
        let holder = HolderName::of_issued(&*self.provider, &issued).unwrap();
        let import = bootstrap::ImportIssued { device, issued, holder, origin };
        assert_eq!(self.boot(&import), Ok(bootstrap::Imported::Ready));
    }

    /// What the identity server would issue: T, W and a pool of owner secrets.
    fn secret_chain(&mut self, device: Uuid, pool: usize) -> SecretChain {
        let provider = self.provider.clone();
        let device_secret = Secret::new(self.dice.bytes::<32>().to_vec());
        let root = Root::of_shared_secret(&*provider, &device, &device_secret);
        let root_secret = root.secret().unwrap().clone();
        let validity = Validity::since(SimpleTime { secs: 1 });
        let device_id = KeyId::from(device);
        let derived = |dice: &mut Dice| {
            let secret = Secret::new(dice.bytes::<32>().to_vec());
            let way = Derivation::from_secret(&*provider, device_id, &device_secret, &secret, dice).unwrap();
            (DerivedKey::new(KeyId(dice.bytes()), vec![way]).unwrap(), secret)
        };
        let (signing, signing_secret) = derived(&mut self.dice);
        let (wrapping, wrapping_secret) = derived(&mut self.dice);
        let pool: Vec<PoolEntry> = (0..pool)
            .map(|_| {
                let (key, secret) = derived(&mut self.dice);
                PoolEntry { definition: KeyDefinition::Derived(key).encode(), secret }
            })
            .collect();
        let issue = |key: DerivedKey, metadata, signer: &Signer<'_>, dice: &mut Dice| {
            let definition = KeyDefinition::Derived(key);
            let class = Class::TrustedAuthority;
            AuthenticatedKey::issue(&*provider, class, &definition, metadata, signer, validity, dice).unwrap()
        };
        let by_root = Signer::with_secret(root.key_id, Class::TrustedAuthority, &root_secret);
        let signing_key = issue(signing, Metadata::of_generation(1), &by_root, &mut self.dice);
        let by_signing = Signer::with_secret(signing_key.id(), Class::TrustedAuthority, &signing_secret);
        let wrapping_key = issue(wrapping, Metadata::NONE, &by_signing, &mut self.dice);
        SecretChain {
            signing: IssuedSecret { secret: signing_secret, key: signing_key.encoded().to_vec() },
            wrapping: IssuedSecret { secret: wrapping_secret, key: wrapping_key.encoded().to_vec() },
            pool,
        }
    }

    /// The call as it stands, without what must follow on the bootstrap server.
    pub(crate) fn ask(
        &mut self,
        caller: &ManagementId,
        device: Uuid,
        case: Option<&[u8]>,
        target: Option<Target>,
    ) -> OwnerAnswer {
        let change = registration::ChangeOwner {
            device,
            caller: caller.clone(),
            case_string: case.map(Secret::from),
            target,
            operation: self.operation(),
            keys: self.keys.clone(),
            origin: self.origin(caller.as_str()),
        };
        self.register(&change).unwrap()
    }

    /// The call with all that follows, as the gateway would answer it.
    pub(crate) fn call(
        &mut self,
        caller: &ManagementId,
        device: Uuid,
        case: Option<&[u8]>,
        target: Option<Target>,
    ) -> OwnerAnswer {
        let answer = self.ask(caller, device, case, target);
        if let OwnerAnswer::OnItsWay(change) = &answer {
            let owner = OwnerNow { seq: change.seq, owner: change.owner.clone() };
            let operation = change.operation;
            let origin = self.origin("registration");
            let mirror = MirrorOwner { device, operation, owner, origin: origin.clone() };
            assert_eq!(self.boot(&mirror), Ok(Mirrored::Stands));
            assert_eq!(self.register(&CompleteChange { device, operation, origin }), Ok(true));
            return OwnerAnswer::Stands;
        }
        answer
    }

    pub(crate) fn claim(&mut self, caller: &ManagementId, device: Uuid) -> OwnerAnswer {
        self.call(caller, device, Some(CASE), None)
    }

    pub(crate) fn transfer(&mut self, caller: &ManagementId, device: Uuid, to: &ManagementId) -> OwnerAnswer {
        self.call(caller, device, None, Some(Target::Management(to.clone())))
    }

    pub(crate) fn owner_now(&self, device: Uuid) -> OwnerNow {
        self.register(&registration::ReadOwner { device }).unwrap().unwrap()
    }

    pub(crate) fn configuration(&mut self, caller: &ManagementId, device: Uuid) -> ConfigurationAnswer {
        let (keys, seed) = (self.keys.clone(), self.dice.bytes());
        let caller = caller.clone();
        self.register(&registration::ReadConfiguration { device, caller, keys, seed }).unwrap()
    }

    /// Audit entries of the registration server: operation and result.
    pub(crate) fn audit(&self) -> Vec<(String, String)> {
        let range = Range { space: AUDIT, prefix: Vec::new(), after: None, limit: 1000 };
        let page = self.registration.scan(&range).unwrap();
        let entries =
            page.records.iter().map(|(_, record)| accounts::AuditEntry::from_bytes(&record.value).unwrap());
        entries.map(|entry| (entry.operation, entry.result)).collect()
    }

    /// Whether `bytes` stand anywhere in the registration server's store.
    pub(crate) fn stores(&self, bytes: &[u8]) -> bool {
        (0..=u8::MAX).any(|space| {
            let range = Range { space: store::Space(space), prefix: Vec::new(), after: None, limit: 10_000 };
            let page = self.registration.scan(&range).unwrap();
            page.records.iter().any(|(_, record)| record.value.windows(bytes.len()).any(|part| part == bytes))
        })
    }
}

fn registration_keys(provider: &Arc<dyn Provider>, dice: &mut Dice, unix_millis: u64) -> RegistrationKeys {
    let mut online = |kind: KeyKind, root: KeyKind| {
        let key = provider.generate_key(kind, dice).unwrap();
        let root = provider.generate_key(root, dice).unwrap();
        let signer = Signer::with_private_key(KeyId(dice.bytes()), Class::TrustedAuthority, &*root);
        let definition = KeyDefinition::public(KeyId(dice.bytes()), public(&*key));
        let authenticated = AuthenticatedKey::issue(
            &**provider,
            Class::TrustedAuthority,
            &definition,
            Metadata::of_generation(1),
            &signer,
            Validity::since(SimpleTime { secs: 1 }),
            dice,
        )
        .unwrap();
        OnlineKey { key, authenticated }
    };
    let ec_kind = KeyKind::Ec(Curve::P256);
    let rsa_kind = KeyKind::Rsa { modulus_bits: 2048 };
    let (ec, rsa) = (online(ec_kind, ec_kind), online(rsa_kind, rsa_kind));
    let ca = provider.generate_key(ec_kind, dice).unwrap();
    let lifetime = Lifetime { from: Timestamp::from_unix_millis(unix_millis), until: None };
    let issuer = Issuer::self_signed_ca(&**provider, ca, "owners", lifetime, dice).unwrap();
    RegistrationKeys { provider: provider.clone(), ec, rsa, issuer }
}

fn public(key: &dyn PrivateKey) -> PublicKey {
    key.public().clone()
}
