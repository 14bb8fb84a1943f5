//! A management system, an authority that grants devices of three kinds to it, and those devices.

use std::sync::{Arc, OnceLock};

use assure_json::{Capabilities, Configuration, ConfiguredDevice, DeviceStatus};
use assure_proto::{
    AcceptedImage, Address, Anchors, AuthenticatedKey, BootstrapSession, Circumstances, Class, Derivation,
    DerivedKey, GardenSwitch, HeldKey, ImageRefusal, KeyDefinition, KeyRefusal, Metadata, OwnDevice,
    OwnerBinding, OwnerData, OwnershipRecord, Put, Root, Signer, SimpleTime, TimeTrust, Validity,
    definition_hash, validate_image,
};
use clock::{Dice, Moment, Now, Timestamp};
use coap_proto::StoredRequest;
use crypto::{Curve, PrivateKey, Provider, Secret};
use crypto_server::Server;
use management::{
    AUDIT, ClaimEnd, ClaimSettled, Command, ConfigurationArrived, DeviceView, DueOrder, Heard, ImageToUpload,
    ImageUploaded, KeyKind, NotBuilt, Origin, Outcome, OwnerKeys, Presence, Proven, ReadDevice,
    RegisterDevice, Registrant, Registration, SettleOrder, TakeOrders, UploadEnd,
};
use model::{CorrelationId, KeyId, Uuid};
use store::{Memory, Operation, Range, Table, run};

pub(crate) const EC: crypto::KeyKind = crypto::KeyKind::Ec(Curve::P256);
const NOON_UNIX_MILLIS: u64 = 1_800_000_000_000;

/// RSA keys of this test run: making them takes its time.
fn rsa_keys() -> &'static [Arc<dyn PrivateKey>; 7] {
    static KEYS: OnceLock<[Arc<dyn PrivateKey>; 7]> = OnceLock::new();
    KEYS.get_or_init(|| {
        let kind = crypto::KeyKind::Rsa { modulus_bits: 2048 };
        core::array::from_fn(|_| Server::new().generate_key(kind, &mut Dice::numbered(0)).unwrap())
    })
}

pub(crate) fn spare_rsa() -> Secret {
    rsa_keys()[5].pkcs8().unwrap()
}

/// The key of a second RSA device.
pub(crate) fn second_rsa() -> Born {
    Born::Key(rsa_keys()[6].clone())
}

/// One chain of the authority: its root, its online key and its bootstrap server.
pub(crate) struct Chain {
    root: Root,
    online: Arc<dyn PrivateKey>,
    pub(crate) online_key: AuthenticatedKey,
    pub(crate) bootstrap: Arc<dyn PrivateKey>,
    pub(crate) bootstrap_key: AuthenticatedKey,
}

/// The secrets of a shared-secret device above those of its owners.
#[derive(Clone)]
pub(crate) struct Secrets {
    device: Secret,
    root: Root,
    signing: Secret,
    signing_key: AuthenticatedKey,
    pub(crate) bootstrap: Secret,
    pub(crate) bootstrap_key: AuthenticatedKey,
}

pub(crate) enum Born {
    Secret(Secret),
    Key(Arc<dyn PrivateKey>),
}

/// A device and what it remembers.
pub(crate) struct Device {
    pub(crate) uuid: Uuid,
    pub(crate) kind: KeyKind,
    pub(crate) born: Born,
    pub(crate) capabilities: Capabilities,
    pub(crate) roots: Vec<Root>,
    pub(crate) secrets: Option<Secrets>,
    pub(crate) record: OwnershipRecord,
    pub(crate) keys: assure_proto::KeyStore,
}

impl Device {
    fn held(&self) -> HeldKey<'_> {
        match &self.born {
            Born::Secret(secret) => HeldKey::Secret(secret),
            Born::Key(key) => HeldKey::Private(&**key),
        }
    }

    /// Takes a key as its API would.
    pub(crate) fn put(&mut self, key: &[u8]) -> Result<Put, KeyRefusal> {
        let held = match &self.born {
            Born::Secret(secret) => HeldKey::Secret(secret),
            Born::Key(key) => HeldKey::Private(&**key),
        };
        let held = [(KeyId::from(self.uuid), held)];
        let anchors = Anchors { device: Some(self.uuid), roots: &self.roots, held: &held };
        let key = AuthenticatedKey::decode(key).unwrap();
        self.keys.put(&Server::new(), &anchors, key, TimeTrust::Unknown)
    }
}

pub(crate) struct World {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) table: Memory,
    pub(crate) keys: Arc<OwnerKeys>,
    pub(crate) ec: Chain,
    pub(crate) rsa: Chain,
    pub(crate) rsa_class_2: KeyId,
    pub(crate) dice: Dice,
    unix_millis: u64,
}

fn validity() -> Validity {
    Validity::since(SimpleTime { secs: 1000 })
}

impl World {
    pub(crate) fn new(run: u64) -> Self {
        let provider: Arc<dyn Provider> = Arc::new(Server::new());
        let mut dice = Dice::numbered(run);
        let mut chain =
            |root: Arc<dyn PrivateKey>, online: Arc<dyn PrivateKey>, server: Arc<dyn PrivateKey>| {
                let root_id = KeyId(dice.bytes());
                let by_root = Signer::with_private_key(root_id, Class::TrustedAuthority, &*root);
                let definition = KeyDefinition::public(KeyId(dice.bytes()), online.public().clone());
                let online_key = AuthenticatedKey::issue(
                    &*provider,
                    Class::TrustedAuthority,
                    &definition,
                    Metadata::of_generation(1),
                    &by_root,
                    validity(),
                    &mut dice,
                )
                .unwrap();
                let by_online = Signer::with_private_key(online_key.id(), Class::TrustedAuthority, &*online);
                let definition = KeyDefinition::public(KeyId(dice.bytes()), server.public().clone());
                let class = Class::BootstrapService;
                let metadata = Metadata::NONE;
                let bootstrap_key = AuthenticatedKey::issue(
                    &*provider,
                    class,
                    &definition,
                    metadata,
                    &by_online,
                    validity(),
                    &mut dice,
                )
                .unwrap();
                let root = Root::public(Class::TrustedAuthority, root_id, root.public().clone());
                Chain { root, online, online_key, bootstrap: server, bootstrap_key }
            };
        let mut seeds = Dice::numbered(run + 1_000_000);
        let mut fresh = || provider.generate_key(EC, &mut seeds).unwrap();
        let ec = chain(fresh(), fresh(), fresh());
        let [root, online, server, ours, ..] = rsa_keys();
        let rsa = chain(root.clone(), online.clone(), server.clone());
        let keys = OwnerKeys {
            provider: provider.clone(),
            id: "abc123".parse().unwrap(),
            class_2_id: KeyId(seeds.bytes()),
            class_2: provider.generate_key(EC, &mut seeds).unwrap(),
            rsa: ours.clone(),
        };
        let rsa_class_2 = KeyId(seeds.bytes());
        let (keys, table) = (Arc::new(keys), Memory::default());
        Self { provider, table, keys, ec, rsa, rsa_class_2, dice, unix_millis: NOON_UNIX_MILLIS }
    }

    pub(crate) fn utc(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.unix_millis)
    }

    pub(crate) fn set_clock(&mut self, secs_from_noon: i64) {
        let noon = i64::try_from(NOON_UNIX_MILLIS).unwrap();
        self.unix_millis = u64::try_from(noon + secs_from_noon * 1000).unwrap();
    }

    pub(crate) fn in_secs(&self, secs: u64) -> Timestamp {
        Timestamp::from_unix_millis(self.unix_millis + secs * 1000)
    }

    pub(crate) fn run<O: Operation>(&self, operation: &O) -> O::Reply {
        run(&self.table, operation, Now::new(Moment::START, self.utc())).unwrap().reply
    }

    pub(crate) fn origin(&mut self) -> Origin {
        Origin {
            address: None,
            role: "management",
            actor: "operator".into(),
            correlation: CorrelationId(self.dice.bytes()),
            seed: self.dice.bytes(),
        }
    }

    pub(crate) fn device(&mut self, kind: KeyKind) -> Device {
        let uuid = Uuid::v4(self.dice.bytes());
        let (born, roots, secrets) = match kind {
            KeyKind::SharedSecret => {
                let secrets = self.secrets(uuid);
                (Born::Secret(secrets.device.clone()), vec![secrets.root.clone()], Some(secrets))
            }
            KeyKind::Ec => {
                let key = self.provider.generate_key(EC, &mut self.dice).unwrap();
                (Born::Key(key), vec![self.ec.root.clone()], None)
            }
            KeyKind::Rsa => (Born::Key(rsa_keys()[4].clone()), vec![self.rsa.root.clone()], None),
        };
        let capabilities = Capabilities {
            ec_capable: kind == KeyKind::Ec,
            rsa_capable: kind == KeyKind::Rsa,
            ..Capabilities::default()
        };
        let record = OwnershipRecord::factory(1);
        let keys = assure_proto::KeyStore::empty(64);
        Device { uuid, kind, born, capabilities, roots, secrets, record, keys }
    }

    fn derived(&mut self, device: Uuid, under: &Secret) -> (DerivedKey, Secret) {
        let secret = Secret::new(self.dice.bytes::<32>().to_vec());
        let way =
            Derivation::from_secret(&*self.provider, KeyId::from(device), under, &secret, &mut self.dice);
        (DerivedKey::new(KeyId(self.dice.bytes()), vec![way.unwrap()]).unwrap(), secret)
    }

    fn issue(
        &mut self,
        class: Class,
        definition: &KeyDefinition,
        metadata: Metadata,
        by: &Signer<'_>,
    ) -> AuthenticatedKey {
        let provider = &*self.provider;
        AuthenticatedKey::issue(provider, class, definition, metadata, by, validity(), &mut self.dice)
            .unwrap()
    }

    fn secrets(&mut self, uuid: Uuid) -> Secrets {
        let device = Secret::new(self.dice.bytes::<32>().to_vec());
        let root = Root::of_shared_secret(&*self.provider, &uuid, &device);
        let root_secret = root.secret().unwrap().clone();
        let by_root = Signer::with_secret(root.key_id, Class::TrustedAuthority, &root_secret);
        let (signing, signing_secret) = self.derived(uuid, &device);
        let (class, definition) = (Class::TrustedAuthority, KeyDefinition::Derived(signing));
        let signing_key = self.issue(class, &definition, Metadata::of_generation(1), &by_root);
        let by_signing = Signer::with_secret(signing_key.id(), class, &signing_secret);
        let (definition, bootstrap) = self.derived(uuid, &device);
        let definition = KeyDefinition::Derived(definition);
        let bootstrap_key = self.issue(Class::BootstrapService, &definition, Metadata::NONE, &by_signing);
        Secrets { device, root, signing: signing_secret, signing_key, bootstrap, bootstrap_key }
    }

    /// What the authority answers to `GET configuration` when we are owner number `seq`.
    pub(crate) fn configuration(&mut self, device: &Device, seq: u32) -> Configuration {
        let keys = Arc::clone(&self.keys);
        let class = Class::TrustedAuthority;
        let (top, bootstrap, owner, owner_data) = match (device.kind, device.secrets.clone()) {
            (KeyKind::SharedSecret, Some(secrets)) => {
                let signer = Signer::with_secret(secrets.signing_key.id(), class, &secrets.signing);
                let (owner, secret) = self.derived(device.uuid, &secrets.device);
                let (id, public) = (keys.class_2_id, keys.class_2.public());
                let way = Derivation::for_public_key(&*self.provider, id, public, &secret, &mut self.dice);
                let definition = KeyDefinition::Derived(owner.with(way.unwrap()).unwrap());
                let owner = self.issue(Class::ManagementSystem, &definition, Metadata::NONE, &signer);
                let owner_data = self.owner_data(device.uuid, &owner, seq, &signer);
                (secrets.signing_key, secrets.bootstrap_key, owner, owner_data)
            }
            (KeyKind::Rsa, _) => {
                let definition = KeyDefinition::public(self.rsa_class_2, keys.rsa.public().clone());
                self.public_grant(device.uuid, &definition, seq)
            }
            (KeyKind::Ec | KeyKind::SharedSecret, _) => {
                let definition = KeyDefinition::public(keys.class_2_id, keys.class_2.public().clone());
                self.public_grant(device.uuid, &definition, seq)
            }
        };
        let public_key = match &device.born {
            Born::Secret(_) => None,
            Born::Key(key) => Some(key.public().clone()),
        };
        let capabilities = device.capabilities.clone();
        Configuration {
            device: ConfiguredDevice { id: device.uuid, bootstrap_server: 7, public_key, capabilities },
            authenticated_keys: [top, bootstrap, owner].map(|key| key.encoded().to_vec()).into(),
            owner_information: owner_data.encoded().to_vec(),
            parameter_choices: Vec::new(),
        }
    }

    /// Class 1, class 3, class 2 and owner data of the chain that `definition` is of.
    fn public_grant(
        &mut self,
        device: Uuid,
        definition: &KeyDefinition,
        seq: u32,
    ) -> (AuthenticatedKey, AuthenticatedKey, AuthenticatedKey, OwnerData) {
        let chain = if matches!(definition, KeyDefinition::Rsa(_)) { &self.rsa } else { &self.ec };
        let (online, top, bootstrap) =
            (chain.online.clone(), chain.online_key.clone(), chain.bootstrap_key.clone());
        let signer = Signer::with_private_key(top.id(), Class::TrustedAuthority, &*online);
        let owner = self.issue(Class::ManagementSystem, definition, Metadata::NONE, &signer);
        let owner_data = self.owner_data(device, &owner, seq, &signer);
        (top, bootstrap, owner, owner_data)
    }

    fn owner_data(&mut self, device: Uuid, owner: &AuthenticatedKey, seq: u32, by: &Signer<'_>) -> OwnerData {
        let definition_hash = definition_hash(&*self.provider, owner.definition_bytes());
        let binding = OwnerBinding { device, owner_key: owner.id(), definition_hash };
        OwnerData::issue(&*self.provider, &binding, seq, by, validity(), &mut self.dice).unwrap()
    }

    pub(crate) fn address(&self) -> Address {
        Address::Ip { remote: [127, 0, 0, 1].into(), local_port: 0, remote_port: 49683 }
    }

    /// Registers and claims.
    pub(crate) fn claim(&mut self, device: &Device) {
        let by = Registrant::Operator;
        let register = RegisterDevice { device: device.uuid, by: by.clone(), origin: self.origin() };
        assert_eq!(self.run(&register), Ok(Registration::Claim));
        let end = ClaimEnd::Granted;
        let settle = ClaimSettled { device: device.uuid, by, end, origin: self.origin() };
        assert_eq!(self.run(&settle), Ok(true));
    }

    pub(crate) fn arrives(
        &mut self,
        device: &Device,
        configuration: Configuration,
    ) -> Result<ImageToUpload, NotBuilt> {
        let arrived = ConfigurationArrived {
            device: device.uuid,
            configuration: Arc::new(configuration),
            keys: self.keys.clone(),
            address: self.address(),
            origin: self.origin(),
        };
        self.run(&arrived)
    }

    pub(crate) fn uploaded(&mut self, device: &Device, image: &ImageToUpload) {
        let (created_at, end) = (image.created_at, UploadEnd::Taken);
        let uploaded = ImageUploaded { device: device.uuid, created_at, end, origin: self.origin() };
        assert_eq!(self.run(&uploaded), Ok(true));
    }

    /// The device judges an image as it comes from the genuine bootstrap server.
    pub(crate) fn judge(&self, device: &Device, image: &[u8]) -> Result<AcceptedImage, ImageRefusal> {
        let hint;
        let session = match (&device.secrets, device.kind) {
            (Some(secrets), _) => {
                hint = [secrets.bootstrap_key.definition_bytes().to_vec()];
                BootstrapSession::Hint(&hint)
            }
            (None, KeyKind::Rsa) => server_of(&self.rsa),
            (None, KeyKind::Ec | KeyKind::SharedSecret) => server_of(&self.ec),
        };
        let own =
            OwnDevice { uuid: device.uuid, key: device.held(), roots: &device.roots, record: &device.record };
        let time = TimeTrust::Trusted(SimpleTime::from_timestamp(self.utc()).unwrap());
        let circumstances = Circumstances { session, time, garden: GardenSwitch::Untouched };
        validate_image(&*self.provider, &own, image, &circumstances)
    }

    /// The device applies an image that must be genuine, and gives its messages.
    pub(crate) fn apply(&self, device: &mut Device, image: &[u8]) -> Vec<(String, String, Vec<u8>)> {
        let accepted = self.judge(device, image).unwrap();
        device.record = accepted.record;
        device.keys = accepted.keys;
        let messages = accepted.messages.unwrap();
        let message = |message: &Secret| {
            let request = StoredRequest::read(message.expose()).unwrap();
            let path: Vec<_> =
                request.options.path().map(|part| std::str::from_utf8(part).unwrap()).collect();
            (request.method.to_string(), path.join("/"), request.payload.to_vec())
        };
        messages.iter().map(message).collect()
    }

    /// Brings a device into service: claimed, configured, bootstrapped, present.
    pub(crate) fn in_service(&mut self, kind: KeyKind) -> Device {
        let mut device = self.device(kind);
        self.bring(&mut device);
        device
    }

    pub(crate) fn bring(&mut self, device: &mut Device) {
        self.claim(device);
        let configuration = self.configuration(device, 1);
        let image = self.arrives(device, configuration).unwrap();
        self.uploaded(device, &image);
        for (_, path, payload) in self.apply(device, &image.image) {
            if path.starts_with("v1/keys/") {
                assert_eq!(device.put(&payload), Ok(Put::Created));
            }
        }
        assert_eq!(self.present(device, 1), Heard::Acknowledged);
    }

    pub(crate) fn present(&mut self, device: &Device, seq: u32) -> Heard {
        let presence = Presence {
            proven: Proven { device: device.uuid, seq },
            named: device.uuid,
            info: assure_proto::DeviceInfo::only(device.uuid).encode(),
            address: Some(self.address_of(device)),
            origin: self.origin(),
        };
        self.run(&presence).unwrap()
    }

    /// Where a device is: a port made from its UUID.
    pub(crate) fn address_of(&self, device: &Device) -> Address {
        let port = 0x4000 | u16::from_be_bytes([device.uuid.0[0], device.uuid.0[1]]) >> 2;
        Address::Ip { remote: [127, 0, 0, 1].into(), local_port: 0, remote_port: port }
    }

    pub(crate) fn view(&self, device: &Device) -> Option<DeviceView> {
        self.run(&ReadDevice { device: device.uuid, by: Registrant::Operator }).unwrap()
    }

    pub(crate) fn status(&self, device: &Device) -> DeviceStatus {
        self.view(device).map_or(DeviceStatus::Unknown, |view| view.status)
    }

    pub(crate) fn take(&self, device: &Device) -> Vec<DueOrder> {
        self.run(&TakeOrders { device: device.uuid }).unwrap()
    }

    pub(crate) fn settle(&mut self, device: &Device, number: u64, outcome: Outcome) -> bool {
        let origin = self.origin();
        self.run(&SettleOrder { device: device.uuid, number, outcome, origin }).unwrap()
    }

    /// The device carries out all its orders that touch keys and channels; gives the commands in order.
    pub(crate) fn carry_out(&mut self, device: &mut Device) -> Vec<Command> {
        let mut done = Vec::new();
        loop {
            let due = self.take(device);
            if due.is_empty() {
                return done;
            }
            for order in due {
                if let Command::PutKey { key, .. } = &order.command {
                    assert_eq!(device.put(key.expose()), Ok(Put::Created), "{:?}", order.command);
                }
                if let Command::DeleteKey { id } = &order.command {
                    assert!(device.keys.remove(*id).is_some(), "only keys that are there are deleted");
                }
                let outcome = Outcome::Answered { code: 0x44, payload: Vec::new() };
                assert!(self.settle(device, order.number, outcome));
                done.push(order.command);
            }
        }
    }

    /// Audit entries: operation and result.
    pub(crate) fn audit(&self) -> Vec<(String, String)> {
        let range = Range { space: AUDIT, prefix: Vec::new(), after: None, limit: 1000 };
        let page = self.table.scan(&range).unwrap();
        let entries = page.records.iter().map(|(_, r)| accounts::AuditEntry::from_bytes(&r.value).unwrap());
        entries.map(|entry| (entry.operation, entry.result)).collect()
    }

    /// Whether `bytes` stand anywhere in the store.
    pub(crate) fn stores(&self, bytes: &[u8]) -> bool {
        (0..=u8::MAX).any(|space| {
            let range = Range { space: store::Space(space), prefix: Vec::new(), after: None, limit: 10_000 };
            let page = self.table.scan(&range).unwrap();
            page.records.iter().any(|(_, record)| record.value.windows(bytes.len()).any(|part| part == bytes))
        })
    }
}

fn server_of(chain: &Chain) -> BootstrapSession<'_> {
    BootstrapSession::PublicKey(chain.bootstrap_key.definition().public_key().unwrap().spki())
}
