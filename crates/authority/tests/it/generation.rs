//! A registration server was in a thief's hands: a new generation takes the devices back.

use std::sync::Arc;

use assure_json::DeviceKey;
use assure_proto::{
    AcceptedImage, Advance, AuthenticatedKey, BootstrapSession, CipherSuite, Circumstances, Class,
    GapContent, GapFile, GardenSwitch, HeldKey, HeldKeys, ImageContents, ImageRefusal, KeyDefinition,
    OwnDevice, OwnerData, OwnershipRecord, PayloadKey, Root, RoundBudget, Signer, SimpleTime, TimeTrust,
    Validity, build_image, validate_image,
};
use authority::bootstrap::{self, DeviceProof, HolderName, IssuedDevice, MirrorOwner, Mirrored, OwnerNow};
use authority::identity::{
    BeginGeneration, Enrolled, GenerationBegun, GenerationProgress, IdentityKeys, IssueGeneration,
    ReadGeneration, Submitted,
};
use authority::registration::{
    self, ChangeOwner, CompleteChange, ConfigurationAnswer, OnlineKey, OperationId, OwnerAnswer, OwnerPart,
    RegistrationKeys, ReplaceTrust, SignBootstrapKeys, Target, issued_registration,
};
use authority::{
    AskGeneration, Enrolment, FileTaken, FollowGeneration, ForgetWritten, NextKeys, ReadEnrolment,
    ReadOutbox, ReadOwn, RenewOnline, Renewed, ServerKey, ServerKeys, StoreEnrolment, TakeFile, TakeIfDone,
    WriteOwn, own_record,
};
use certificate::{Issuer, Lifetime};
use crypto::{Curve, KeyKind, PrivateKey, Secret};
use model::{KeyId, ManagementId, ServerRole, Uuid};
use store::{Batch, Memory, Operation, run};

use crate::gap::{CASE, Gap, holds};
use crate::world::MAKER;

const P256: KeyKind = KeyKind::Ec(Curve::P256);

/// A device with what it remembers.
struct Device {
    uuid: Uuid,
    secret: Option<Secret>,
    key: Option<Arc<dyn PrivateKey>>,
    record: OwnershipRecord,
}

struct Owner {
    id: ManagementId,
    key: Arc<dyn PrivateKey>,
}

/// What a registration server works with, or the thief who has a copy of it.
struct Server {
    store: Memory,
    keys: Arc<RegistrationKeys>,
    /// The bootstrap server's key for EC devices, as this server signed it.
    class_3: Vec<u8>,
}

struct System {
    gap: Gap,
    server: Server,
    bootstrap: Memory,
    /// Files of the identity server that were taken so far, by each server alike in its own count.
    taken: [u32; 2],
}

struct Holder<'a>(KeyId, HeldKey<'a>);

impl HeldKeys for Holder<'_> {
    fn held_key(&self, id: KeyId) -> Option<HeldKey<'_>> {
        (id == self.0).then_some(self.1)
    }

    fn is_root_secret(&self, _: &Secret) -> bool {
        false
    }
}

fn ran<O: Operation>(store: &Memory, gap: &Gap, operation: &O) -> O::Reply {
    run(store, operation, gap.now()).unwrap().reply
}

impl System {
    fn new(run_number: u64) -> Self {
        let mut gap = Gap::bare(run_number);
        let (registration, bootstrap) = (Memory::default(), Memory::default());
        for (server, store) in [(gap.registration(), &registration), (gap.bootstrap(), &bootstrap)] {
            let inner = gap.enrolment(server);
            let taken = gap.run(&TakeFile { from: server.gap.id, number: 1, inner });
            assert_eq!(taken, Ok(FileTaken::Applied(Ok(Enrolled::Answered))));
            let files = gap.outbox_of(server);
            let enrolment = server.open_answer(&**gap.provider(), gap.bundle(), &files[0].bytes);
            let inner = StoreEnrolment { enrolment: enrolment.unwrap().unwrap() };
            ran(store, &gap, &TakeFile { from: gap.identity().id, number: 1, inner }).unwrap();
            let mut batch = Batch::default();
            server.write(&mut batch).unwrap();
            assert!(ran(store, &gap, &WriteOwn { key: ServerKeys::key(), batch }));
        }
        let lifetime = Lifetime { from: gap.utc.unwrap(), until: None };
        let issuer = gap.registration().issuer.clone();
        let issuer = Issuer::self_signed_ca(&**gap.provider(), issuer, "owners", lifetime, &mut gap.dice);
        let keys = Arc::new(online(&gap, &registration, issuer.unwrap()));
        let mut system = Self {
            gap,
            server: Server { store: registration, keys, class_3: Vec::new() },
            bootstrap,
            taken: [1, 1],
        };
        system.sign_class_3();
        system
    }

    fn sign_class_3(&mut self) {
        let public = vec![self.gap.bootstrap().ec.key.public().clone()];
        let (keys, origin) = (self.server.keys.clone(), self.gap.origin("bootstrap"));
        let signed = ran(&self.server.store, &self.gap, &SignBootstrapKeys { public, keys, origin });
        self.server.class_3 = signed.unwrap().remove(0);
    }

    fn owner(&mut self) -> Owner {
        let key = self.gap.provider().generate_key(P256, &mut self.gap.dice).unwrap();
        let (keys, origin) = (self.server.keys.clone(), self.gap.origin("stranger"));
        let register = registration::RegisterManagement { key: key.public().clone(), keys, origin };
        Owner { id: ran(&self.server.store, &self.gap, &register).unwrap().id, key }
    }

    /// A device that both servers know, made and issued.
    fn device(&mut self, with_secret: bool) -> Device {
        let station = self.gap.station(MAKER);
        let (key, secret) = match with_secret {
            true => (None, Some(Secret::new(self.gap.dice.bytes::<32>().to_vec()))),
            false => (Some(self.gap.provider().generate_key(P256, &mut self.gap.dice).unwrap()), None),
        };
        let device_key = match (&key, &secret) {
            (Some(key), _) => DeviceKey::Public(key.public().clone()),
            (None, secret) => DeviceKey::Secret(secret.clone().unwrap()),
        };
        let record = self.gap.record(device_key);
        let (uuid, operation) = (record.id, OperationId(self.gap.dice.bytes()));
        let origin = self.gap.origin("maker");
        let create = registration::CreateDevice { device: uuid, maker: MAKER, operation, origin };
        ran(&self.server.store, &self.gap, &create).unwrap();
        ran(&self.bootstrap, &self.gap, &bootstrap::CreateDevice { device: uuid, operation }).unwrap();
        let blob = self.gap.honest(&record, &station);
        let keys = self.identity();
        let mut submit = self.gap.submit(MAKER, uuid, blob);
        submit.keys = keys;
        let number = self.gap.next;
        self.gap.next += 1;
        assert_eq!(self.gap.take(number, submit), FileTaken::Applied(Ok(Submitted::Issued)));
        self.carry();
        Device { uuid, secret, key, record: OwnershipRecord::factory(1) }
    }

    /// The identity server's keys as its store has them.
    fn identity(&self) -> Arc<IdentityKeys> {
        match self.gap.run(&ReadOwn { key: IdentityKeys::key() }) {
            Some(stored) => Arc::new(IdentityKeys::read(self.gap.provider().clone(), &stored).unwrap()),
            None => self.gap.keys(),
        }
    }

    /// Takes what the identity server sent, on both servers.
    fn carry(&mut self) {
        let provider = &**self.gap.provider();
        let from = self.gap.identity().id;
        for (at, server) in [self.gap.registration(), self.gap.bootstrap()].into_iter().enumerate() {
            for file in self.gap.outbox_of(server) {
                let (_, content) = self.gap.identity().open(provider, &server.gap, &file.bytes).unwrap();
                self.taken[at] += 1;
                assert_eq!(file.number, self.taken[at], "in order");
                let number = file.number;
                match at {
                    0 => self.take_registration(from, number, content),
                    _ => self.take_bootstrap(from, number, content),
                }
            }
        }
    }

    fn take_registration(&mut self, from: Uuid, number: u32, content: GapContent) {
        let origin = self.gap.origin("identity");
        let store = &self.server.store;
        match content {
            GapContent::NewGeneration { generation, keys, devices } if devices.is_empty() => {
                let inner = RenewOnline { generation, keys, origin };
                let taken = ran(store, &self.gap, &TakeFile { from, number, inner });
                assert_eq!(taken, Ok(FileTaken::Applied(Ok(Renewed::Renewed))));
            }
            GapContent::NewGeneration { generation, devices, .. } => {
                let count = devices.len();
                let inner = ReplaceTrust { generation, devices, origin };
                let taken = ran(store, &self.gap, &TakeFile { from, number, inner });
                assert_eq!(taken, Ok(FileTaken::Applied(Ok(count))));
            }
            other => {
                let (device, maker, issued) = issued_registration(other).unwrap();
                let inner = registration::ImportIssued { device, maker, issued, origin };
                ran(store, &self.gap, &TakeFile { from, number, inner }).unwrap();
            }
        }
    }

    fn take_bootstrap(&mut self, from: Uuid, number: u32, content: GapContent) {
        let origin = self.gap.origin("identity");
        let provider = self.gap.provider().clone();
        match content {
            GapContent::NewGeneration { generation, keys, devices } if devices.is_empty() => {
                let inner = FollowGeneration { generation, keys, signed: own_record(b"class3"), origin };
                let taken = ran(&self.bootstrap, &self.gap, &TakeFile { from, number, inner });
                assert_eq!(taken, Ok(FileTaken::Applied(Ok(Renewed::Renewed))));
            }
            GapContent::NewGeneration { generation, devices, .. } => {
                let count = devices.len();
                let inner = bootstrap::ReplaceTrust { generation, devices, provider, origin };
                let taken = ran(&self.bootstrap, &self.gap, &TakeFile { from, number, inner });
                assert_eq!(taken, Ok(FileTaken::Applied(Ok(count))));
            }
            other => {
                let (device, issued) = IssuedDevice::from_gap(other).unwrap();
                let holder = HolderName::of_issued(&*provider, &issued).unwrap();
                let inner = bootstrap::ImportIssued { device, issued, holder, origin };
                ran(&self.bootstrap, &self.gap, &TakeFile { from, number, inner }).unwrap();
            }
        }
    }

    fn proof(&self, device: Uuid) -> DeviceProof {
        ran(&self.bootstrap, &self.gap, &bootstrap::ReadDevice { device }).unwrap().unwrap().proof
    }

    /// An owner change to its end, on `server` and, when it is the genuine one, on the bootstrap server.
    fn own(&mut self, server: &Server, caller: &Owner, device: Uuid, to: Option<&Owner>) {
        let change = ChangeOwner {
            device,
            caller: caller.id.clone(),
            case_string: to.is_none().then(|| Secret::from(CASE.as_bytes())),
            target: to.map(|owner| Target::Management(owner.id.clone())),
            operation: OperationId(self.gap.dice.bytes()),
            keys: server.keys.clone(),
            origin: self.gap.origin("owner"),
        };
        let answer = ran(&server.store, &self.gap, &change).unwrap();
        let OwnerAnswer::OnItsWay(change) = answer else { panic!("{answer:?}") };
        let (operation, origin) = (change.operation, self.gap.origin("registration"));
        let owner = OwnerNow { seq: change.seq, owner: change.owner };
        let mirror = MirrorOwner { device, operation, owner, origin: origin.clone() };
        assert_eq!(ran(&self.bootstrap, &self.gap, &mirror), Ok(Mirrored::Stands));
        assert_eq!(ran(&server.store, &self.gap, &CompleteChange { device, operation, origin }), Ok(true));
    }

    fn part(&mut self, server: &Server, owner: &Owner, device: Uuid) -> ConfigurationAnswer {
        let (keys, seed) = (server.keys.clone(), self.gap.dice.bytes());
        let read = registration::ReadConfiguration { device, caller: owner.id.clone(), keys, seed };
        ran(&server.store, &self.gap, &read).unwrap()
    }

    /// The image that `owner` builds from its configuration; `bootstrap_key` is that of the session.
    fn image(&mut self, server: &Server, owner: &Owner, device: &Device, bootstrap_key: &[u8]) -> Vec<u8> {
        let ConfigurationAnswer::Part(part) = self.part(server, owner, device.uuid) else {
            panic!("the owner asks")
        };
        self.built(&part, owner, device, bootstrap_key)
    }

    fn built(&mut self, part: &OwnerPart, owner: &Owner, device: &Device, bootstrap_key: &[u8]) -> Vec<u8> {
        let provider = &**self.gap.provider();
        let class_3 = [bootstrap_key.to_vec()];
        let keys = part.keys_before.iter().chain(&class_3).chain(&part.keys_after);
        let keys: Vec<_> = keys.map(|key| AuthenticatedKey::decode(key).unwrap()).collect();
        let own = keys.last().unwrap();
        let secret = match own.definition() {
            KeyDefinition::Derived(derived) => {
                let holder = Holder(derived.derivations()[1].reference, HeldKey::Private(&*owner.key));
                Some(derived.derive(provider, &holder, &mut RoundBudget::signed_key()).unwrap())
            }
            KeyDefinition::Ec(_) | KeyDefinition::Rsa(_) => None,
        };
        let (signer, payload_key) = match (&secret, &device.key) {
            (Some(secret), _) => {
                let suite = CipherSuite::Aes128Ccm;
                let signer = Signer::with_secret(own.id(), Class::ManagementSystem, secret);
                (signer, PayloadKey::OwnerSecret { secret, suite })
            }
            (None, key) => {
                let signer = Signer::with_private_key(own.id(), Class::ManagementSystem, &*owner.key);
                (signer, PayloadKey::Device(key.as_ref().unwrap().public()))
            }
        };
        let owner_data = OwnerData::decode(&part.owner_data).unwrap();
        let contents = ImageContents {
            device: device.uuid,
            authenticated_keys: &keys,
            owner_data: &owner_data,
            payload_key,
            messages: &[],
        };
        let validity = Validity::since(SimpleTime { secs: 600_000_000 });
        build_image(provider, &contents, &signer, validity, &mut self.gap.dice).unwrap()
    }

    /// The device judges an image from the genuine bootstrap server.
    fn judge(&self, device: &Device, image: &[u8], class_3: &[u8]) -> Result<AcceptedImage, ImageRefusal> {
        let provider = &**self.gap.provider();
        let bundle = self.gap.bundle();
        let root = match &device.secret {
            Some(secret) => Root::of_shared_secret(provider, &device.uuid, secret),
            None => {
                let root = &bundle.ec_root;
                Root::public(Class::TrustedAuthority, root.id(), root.public_key().unwrap().clone())
            }
        };
        let key = match (&device.secret, &device.key) {
            (Some(secret), _) => HeldKey::Secret(secret),
            (None, key) => HeldKey::Private(&**key.as_ref().unwrap()),
        };
        let own = OwnDevice { uuid: device.uuid, key, roots: &[root], record: &device.record };
        let class_3 = AuthenticatedKey::decode(class_3).unwrap();
        let (spki, hint) =
            (self.gap.bootstrap().ec.key.public().spki().to_vec(), vec![class_3.definition_bytes().to_vec()]);
        let session = match device.secret {
            Some(_) => BootstrapSession::Hint(&hint),
            None => BootstrapSession::PublicKey(&spki),
        };
        let circumstances =
            Circumstances { session, time: TimeTrust::Unknown, garden: GardenSwitch::Untouched };
        validate_image(provider, &own, image, &circumstances)
    }

    /// The key of the bootstrap server that stands in images for this device.
    fn class_3(&self, device: &Device) -> Vec<u8> {
        match self.proof(device.uuid) {
            DeviceProof::BootstrapSecret { key, .. } => key,
            DeviceProof::PublicKey { .. } => self.server.class_3.clone(),
        }
    }

    /// The registration server asks, the operator compares, the identity server issues, both take it in.
    fn recover(&mut self) {
        self.ask();
        let begin = self.begin();
        // submits of this world are not in the server's outbox: the number counts on from theirs
        let number = self.gap.next;
        let from = self.gap.registration().gap.id;
        let is_done = |reply: &Result<GenerationBegun, _>| matches!(reply, Ok(GenerationBegun::Begun(_)));
        let take = TakeIfDone { take: TakeFile { from, number, inner: begin }, is_done };
        assert_eq!(self.gap.run(&take), Ok(FileTaken::Applied(Ok(GenerationBegun::Begun(2)))));
        self.gap.next = number + 1;
        self.carry();
        while let progress = self.progress()
            && !progress.is_finished
        {
            self.issue(progress);
            self.carry();
        }
        let issuer = Issuer::new(
            &**self.gap.provider(),
            self.gap.registration().issuer.clone(),
            self.server.keys.issuer.certificate().to_vec(),
        );
        self.server.keys = Arc::new(online(&self.gap, &self.server.store, issuer.unwrap()));
        self.sign_class_3();
    }

    fn ask(&mut self) {
        let next = NextKeys::create(&**self.gap.provider(), &mut self.gap.dice).unwrap();
        let ask = AskGeneration {
            next,
            me: self.gap.registration().gap.clone(),
            identity: self.gap.identity(),
            provider: self.gap.provider().clone(),
            origin: self.gap.origin("operator"),
        };
        let request = ran(&self.server.store, &self.gap, &ask).unwrap().unwrap();
        assert_eq!(ran(&self.server.store, &self.gap, &ask).unwrap(), Some(request), "asked again");
    }

    /// The request on its way out, as the identity server decides on it.
    fn begin(&mut self) -> BeginGeneration {
        let files = ran(&self.server.store, &self.gap, &ReadOutbox);
        let file = files.last().unwrap().clone();
        ran(&self.server.store, &self.gap, &ForgetWritten { to: file.to, number: file.number });
        let decoded = GapFile::decode(&file.bytes).unwrap();
        let request = decoded.open_enrolment(&**self.gap.provider(), &self.gap.identity().id).unwrap();
        let (from, partners) = (decoded.header().from, self.gap.partners());
        let (keys, origin) = (self.identity(), self.gap.origin("operator"));
        BeginGeneration { from, request, partners, keys, origin }
    }

    fn progress(&self) -> GenerationProgress {
        self.gap.run(&ReadGeneration).unwrap().unwrap()
    }

    fn issue(&mut self, progress: GenerationProgress) -> GenerationProgress {
        let partners = self.gap.partners();
        let (registration, bootstrap) = (partners.registration.unwrap(), partners.bootstrap.unwrap());
        let (keys, origin) = (self.identity(), self.gap.origin("operator"));
        self.gap.run(&IssueGeneration { progress, registration, bootstrap, keys, origin }).unwrap()
    }
}

/// The signing keys of a registration server as its store has them.
fn online(gap: &Gap, store: &Memory, issuer: Issuer) -> RegistrationKeys {
    let provider = gap.provider().clone();
    let stored = ran(store, gap, &ReadOwn { key: ServerKeys::key() }).unwrap();
    let own = ServerKeys::read(ServerRole::Registration, &*provider, &stored).unwrap();
    let enrolment: Enrolment = ran(store, gap, &ReadEnrolment).unwrap().unwrap();
    let signed = enrolment.authenticated().unwrap();
    let online = |own: &ServerKey| OnlineKey {
        key: own.key.clone(),
        authenticated: signed.iter().find(|key| key.id() == own.id).unwrap().clone(),
    };
    RegistrationKeys { ec: online(&own.ec), rsa: online(&own.rsa), provider, issuer }
}

fn taken_over(system: &mut System) -> Server {
    Server {
        store: system.server.store.clone(),
        keys: system.server.keys.clone(),
        class_3: system.server.class_3.clone(),
    }
}

// verifies: TS-H7
#[test]
fn ts_h7_after_a_new_generation_the_thief_of_the_online_keys_has_lost_the_devices() {
    for with_secret in [true, false] {
        let mut system = System::new(60);
        let (a, thief) = (system.owner(), system.owner());
        let mut device = system.device(with_secret);
        let server = taken_over(&mut system);
        let genuine = std::mem::replace(&mut system.server, server);
        system.own(&genuine, &a, device.uuid, None);
        let before = system.class_3(&device);
        let image = system.image(&genuine, &a, &device, &before);
        device.record = system.judge(&device, &image, &before).unwrap().record;
        assert_eq!((device.record.generation, device.record.sequence_number), (1, 1));
        // the thief has a copy of the server, and takes the device over with it
        let stolen = Server {
            store: genuine.store.clone(),
            keys: genuine.keys.clone(),
            class_3: genuine.class_3.clone(),
        };
        system.server = genuine;
        let mirrors = system.bootstrap.clone();
        system.own(&stolen, &a, device.uuid, Some(&thief));
        system.bootstrap = mirrors;
        let theft = system.image(&stolen, &thief, &device, &before);
        assert!(system.judge(&device, &theft, &before).is_ok(), "nothing stops it before the recovery");
        system.recover();
        let after = system.class_3(&device);
        let keys = system.server.keys.clone();
        assert_eq!(keys.generation(), 2);
        assert_ne!(keys.ec.authenticated.id(), stolen.keys.ec.authenticated.id());
        let genuine = taken_over(&mut system);
        let own = system.image(&genuine, &a, &device, &after);
        let accepted = system.judge(&device, &own, &after).unwrap();
        assert_eq!(accepted.advance, Advance::NewOwner, "what the thief may have left goes");
        device.record = accepted.record;
        assert_eq!((device.record.generation, device.record.sequence_number), (2, 1));
        let refused = |image: &[u8], class_3: &[u8]| system.judge(&device, image, class_3).unwrap_err();
        assert_eq!(refused(&theft, &before), ImageRefusal::GenerationLower);
        assert_eq!(refused(&image, &before), ImageRefusal::GenerationLower, "nor the owner's own old one");
        assert!(system.judge(&device, &own, &after).is_ok(), "the present one again");
    }
}

// verifies: TS-H7
#[test]
fn ts_h7_a_new_generation_reaches_each_device_once_and_survives_a_kill() {
    let mut system = System::new(61);
    let a = system.owner();
    let devices: Vec<Device> = (0..3).map(|_| system.device(true)).collect();
    system.ask();
    let begin = system.begin();
    let number = system.gap.next;
    let from = system.gap.registration().gap.id;
    assert_eq!(
        system.gap.run(&TakeFile { from, number, inner: begin.clone() }),
        Ok(FileTaken::Applied(Ok(GenerationBegun::Begun(2))))
    );
    assert_eq!(system.gap.run(&begin), Ok(GenerationBegun::Refused), "one at a time");
    assert_eq!(system.gap.run(&TakeFile { from, number, inner: begin }), Ok(FileTaken::Before));
    // killed here; one device more is issued before anybody goes on
    system.gap.next = number + 1;
    let late = system.device(true);
    let progress = system.progress();
    assert_eq!((progress.generation, progress.is_finished, progress.devices), (2, false, 0));
    let trust = |system: &System, device: &Device| system.proof(device.uuid);
    let of_late = trust(&system, &late);
    let before: Vec<_> = devices.iter().map(|device| trust(&system, device)).collect();
    let done = system.issue(progress);
    assert_eq!((done.is_finished, done.devices), (true, 3), "the late one has its secrets");
    assert_eq!(system.issue(progress), progress, "the same step again does nothing");
    system.carry();
    assert_eq!(system.issue(done), done);
    assert_eq!(trust(&system, &late), of_late);
    for (device, before) in devices.iter().zip(before) {
        assert_ne!(trust(&system, device), before);
    }
    assert!(!holds(
        &system.gap.store,
        match &of_late {
            DeviceProof::BootstrapSecret { secret, .. } => secret.expose(),
            DeviceProof::PublicKey { .. } => panic!("a secret"),
        }
    ));
    let identity = system.identity();
    assert_eq!(identity.generation, 2);
    let bundle = system.gap.run(&ReadOwn { key: IdentityKeys::bundle_key() }).unwrap();
    let bundle = assure_proto::TrustBundle::decode(&**system.gap.provider(), &bundle).unwrap();
    assert_eq!((bundle.generation, bundle.ec_root), (2, system.gap.bundle().ec_root.clone()));
    drop(a);
}

// verifies: TS-H7
#[test]
fn ts_h7_who_is_not_the_registration_server_begins_no_generation() {
    let mut system = System::new(62);
    system.ask();
    let honest = system.begin();
    let registration = system.gap.registration();
    let bootstrap = system.gap.bootstrap();
    let stranger = system.gap.stranger();
    let alter = |change: &dyn Fn(&mut BeginGeneration)| {
        let mut altered = honest.clone();
        change(&mut altered);
        system.gap.run(&altered)
    };
    let refused = Ok(GenerationBegun::Refused);
    assert_eq!(alter(&|b| b.from = bootstrap.gap.id), refused);
    assert_eq!(alter(&|b| b.request.role = assure_proto::GapRole::Bootstrap), refused);
    let gap_key = KeyDefinition::public(registration.gap.key_id, stranger.key.public().clone());
    assert_eq!(alter(&|b| b.request.gap_key = gap_key.clone()), refused, "another gap key");
    assert_eq!(alter(&|b| b.request.keys[0].0 = Class::ManagementSystem), refused);
    assert_eq!(alter(&|b| b.request.keys.swap(0, 1)), refused);
    assert_eq!(alter(&|b| b.request.keys.truncate(1)), refused);
    assert_eq!(alter(&|b| b.partners.bootstrap = None), refused);
    assert_eq!(system.gap.run(&ReadGeneration), Ok(None));
    assert_eq!(system.identity().generation, 1);
    assert_eq!(system.gap.run(&honest), Ok(GenerationBegun::Begun(2)));
}

// verifies: TS-H7
#[test]
fn ts_h7_servers_take_a_generation_only_when_it_is_higher_and_their_own() {
    let mut system = System::new(63);
    let (a, b) = (system.owner(), system.owner());
    let device = system.device(true);
    let genuine = taken_over(&mut system);
    system.own(&genuine, &a, device.uuid, None);
    system.server = genuine;
    let signed = ran(&system.server.store, &system.gap, &ReadEnrolment).unwrap().unwrap();
    let origin = system.gap.origin("identity");
    let (generation, keys) = (2, signed.authenticated().unwrap());
    let renew = RenewOnline { generation, keys: keys.clone(), origin: origin.clone() };
    let here = |system: &System, operation: &RenewOnline| ran(&system.server.store, &system.gap, operation);
    assert_eq!(here(&system, &renew), Ok(Renewed::Refused), "nothing was asked for");
    system.ask();
    assert_eq!(here(&system, &renew), Ok(Renewed::Refused), "other keys than were asked for");
    let follow = |generation, keys: &[AuthenticatedKey]| {
        let (keys, signed) = (keys.to_vec(), own_record(b"class3"));
        let follow = FollowGeneration { generation, keys, signed, origin: origin.clone() };
        ran(&system.bootstrap, &system.gap, &follow)
    };
    assert_eq!(follow(1, &keys), Ok(Renewed::Refused), "not higher");
    assert_eq!(follow(2, &[]), Ok(Renewed::Refused), "no keys");
    assert_eq!(follow(2, &keys), Ok(Renewed::Renewed));
    assert_eq!(follow(2, &keys), Ok(Renewed::Refused), "again");
    // new online keys, and the device's new T still in the gap: nobody is given anything under the old T
    let begin = system.begin();
    system.gap.run(&begin).unwrap();
    let files = system.gap.outbox_of(system.gap.registration());
    let opened =
        system.gap.identity().open(&**system.gap.provider(), &system.gap.registration().gap, &files[0].bytes);
    let GapContent::NewGeneration { generation, keys, .. } = opened.unwrap().1 else { panic!("kind 7") };
    let renew = RenewOnline { generation, keys, origin: system.gap.origin("identity") };
    assert_eq!(here(&system, &renew), Ok(Renewed::Renewed));
    let issuer = Issuer::new(
        &**system.gap.provider(),
        system.gap.registration().issuer.clone(),
        system.server.keys.issuer.certificate().to_vec(),
    );
    let keys = Arc::new(online(&system.gap, &system.server.store, issuer.unwrap()));
    let renewed = Server { store: system.server.store.clone(), keys, class_3: Vec::new() };
    assert_eq!(system.part(&renewed, &a, device.uuid), ConfigurationAnswer::NotYet);
    let change = ChangeOwner {
        device: device.uuid,
        caller: a.id.clone(),
        case_string: None,
        target: Some(Target::Management(b.id.clone())),
        operation: OperationId([1; 16]),
        keys: renewed.keys.clone(),
        origin: system.gap.origin("owner"),
    };
    let answer = ran(&renewed.store, &system.gap, &change).unwrap();
    assert!(matches!(answer, OwnerAnswer::Later { .. }), "{answer:?}");
}
