//! An identity server with two online servers across the gap, driven by hand.

use std::sync::{Arc, OnceLock};

use assure_json::{Capabilities, DeviceKey, DeviceRecord};
use assure_proto::ecies::EciesContext;
use assure_proto::{
    CaseId, Class, GapContent, GapHeader, MakerRecord, Signer, SimpleTime, TrustBundle, Validity,
};
use authority::identity::{
    AddStation, EnrolServer, Enrolled, GapPartners, IdentityKeys, ImportSubmit, ReadPartners, Station,
    Submitted,
};
use authority::{
    AUDIT, FileTaken, ForgetWritten, GapPartner, NotSent, Origin, OutboxFile, ReadOutbox, ServerKeys,
    TakeFile, TakeIfDone,
};
use clock::{Dice, Moment, Now, Timestamp};
use crypto::{Curve, KeyKind, PrivateKey, Provider, Secret};
use crypto_server::Server;
use model::{CorrelationId, KeyId, ServerRole, Uuid};
use store::{Memory, Operation, Range, Space, Table, run};

use crate::world::MAKER;

/// The string on every case of this world.
pub(crate) const CASE: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const UNIX_MILLIS: u64 = 1_800_000_000_000;
/// The parameter set of every device here.
pub(crate) const PARAMETER_SET: Uuid = Uuid([9; 16]);
/// The bootstrap server that every device here asks.
pub(crate) const BOOTSTRAP_SERVER: u32 = 0xFFFF_0001;

/// Keys that take long to make, made once for all tests.
struct Keys {
    provider: Arc<dyn Provider>,
    identity: Arc<IdentityKeys>,
    registration: ServerKeys,
    bootstrap: ServerKeys,
    bundle: TrustBundle,
}

static KEYS: OnceLock<Keys> = OnceLock::new();

fn keys() -> &'static Keys {
    KEYS.get_or_init(|| {
        let provider: Arc<dyn Provider> = Arc::new(Server::new());
        let mut dice = Dice::numbered(1);
        let now = Timestamp::from_unix_millis(UNIX_MILLIS);
        let identity = IdentityKeys::create(provider.clone(), &mut dice, now).unwrap();
        let bundle = identity.bundle(Validity::since(SimpleTime { secs: 1 }), &mut dice).unwrap();
        let bundle = TrustBundle::decode(&*provider, &bundle).unwrap();
        let mut server = |role| ServerKeys::create(role, &*provider, &mut dice).unwrap();
        let (registration, bootstrap) = (server(ServerRole::Registration), server(ServerRole::Bootstrap));
        Keys { provider, identity: Arc::new(identity), registration, bootstrap, bundle }
    })
}

/// A station and its key.
pub(crate) struct TestStation {
    pub(crate) id: KeyId,
    pub(crate) key: Arc<dyn PrivateKey>,
}

pub(crate) struct Gap {
    pub(crate) store: Memory,
    pub(crate) dice: Dice,
    /// The number of the next file of the registration server.
    pub(crate) next: u32,
    pub(crate) utc: Option<Timestamp>,
}

impl Gap {
    /// Nobody is enrolled, no station is listed.
    pub(crate) fn bare(run: u64) -> Self {
        let utc = Some(Timestamp::from_unix_millis(UNIX_MILLIS));
        Self { store: Memory::default(), dice: Dice::numbered(run), next: 2, utc }
    }

    /// Both servers are enrolled, their answers are gone.
    pub(crate) fn new(run: u64) -> Self {
        let mut gap = Self::bare(run);
        for server in [gap.registration(), gap.bootstrap()] {
            let inner = gap.enrolment(server);
            let taken = gap.run(&TakeFile { from: server.gap.id, number: 1, inner });
            assert_eq!(taken, Ok(FileTaken::Applied(Ok(Enrolled::Answered))));
            gap.outbox_of(server);
        }
        gap
    }

    pub(crate) fn provider(&self) -> &'static Arc<dyn Provider> {
        &keys().provider
    }

    pub(crate) fn keys(&self) -> Arc<IdentityKeys> {
        keys().identity.clone()
    }

    pub(crate) fn registration(&self) -> &'static ServerKeys {
        &keys().registration
    }

    pub(crate) fn bootstrap(&self) -> &'static ServerKeys {
        &keys().bootstrap
    }

    pub(crate) fn bundle(&self) -> &'static TrustBundle {
        &keys().bundle
    }

    pub(crate) fn now(&self) -> Now {
        Now { moment: Moment::START, utc: self.utc }
    }

    pub(crate) fn run<O: Operation>(&self, operation: &O) -> O::Reply {
        run(&self.store, operation, self.now()).unwrap().reply
    }

    /// Time goes on a little with each command, so that audit entries stand in their order.
    pub(crate) fn origin(&mut self, actor: &str) -> Origin {
        self.utc = self.utc.map(|utc| Timestamp::from_unix_millis(utc.as_unix_millis() + 1));
        Origin {
            address: None,
            role: "identity",
            actor: actor.into(),
            correlation: CorrelationId(self.dice.bytes()),
            seed: self.dice.bytes(),
        }
    }

    pub(crate) fn enrolment(&mut self, server: &ServerKeys) -> EnrolServer {
        let origin = self.origin("operator");
        EnrolServer { id: server.gap.id, request: server.enrolment(), keys: self.keys(), origin }
    }

    pub(crate) fn partners(&self) -> GapPartners {
        self.run(&ReadPartners).unwrap()
    }

    /// A station with a fresh key that is not listed.
    pub(crate) fn stranger(&mut self) -> TestStation {
        let key = self.provider().generate_key(KeyKind::Ec(Curve::P256), &mut self.dice).unwrap();
        TestStation { id: KeyId(self.dice.bytes()), key }
    }

    /// A station that is listed for `maker`.
    pub(crate) fn station(&mut self, maker: Uuid) -> TestStation {
        let station = self.stranger();
        assert_eq!(self.list(station.id, maker, &*station.key), Ok(true));
        station
    }

    pub(crate) fn list(
        &mut self,
        id: KeyId,
        maker: Uuid,
        key: &dyn PrivateKey,
    ) -> Result<bool, authority::BadRecord> {
        let station = Station { maker, key: key.public().clone() };
        let origin = self.origin("operator");
        self.run(&AddStation { id, station, origin })
    }

    /// A record with `key` in it.
    pub(crate) fn record(&mut self, key: DeviceKey) -> DeviceRecord {
        DeviceRecord {
            id: Uuid::v4(self.dice.bytes()),
            bootstrap_server: BOOTSTRAP_SERVER,
            case_string: Secret::from(CASE.as_bytes()),
            key,
            parameter_set: PARAMETER_SET,
            capabilities: Capabilities { aes256_capable: true, ..Capabilities::default() },
        }
    }

    /// A record of a device with a shared secret.
    pub(crate) fn secret_record(&mut self) -> (DeviceRecord, Secret) {
        let secret = Secret::new(self.dice.bytes::<32>().to_vec());
        (self.record(DeviceKey::Secret(secret.clone())), secret)
    }

    /// `json` as `station` signs and encrypts it for an upload by `maker` for `device`.
    pub(crate) fn blob(&mut self, json: &[u8], station: &TestStation, maker: Uuid, device: Uuid) -> Vec<u8> {
        let provider = &**self.provider();
        let signer = Signer::with_private_key(station.id, Class::Manufacturer, &*station.key);
        let validity = Validity::since(SimpleTime { secs: 1 });
        let signed = MakerRecord::sign(provider, &signer, validity, json, &mut self.dice).unwrap();
        let context = EciesContext { maker, device };
        signed.seal(provider, keys().identity.upload_key.public(), context, &mut self.dice).unwrap()
    }

    /// The record as its own station and maker upload it.
    pub(crate) fn honest(&mut self, record: &DeviceRecord, station: &TestStation) -> Vec<u8> {
        self.blob(record.to_json().expose(), station, MAKER, record.id)
    }

    pub(crate) fn submit(&mut self, maker: Uuid, device: Uuid, blob: Vec<u8>) -> ImportSubmit {
        let content = GapContent::Submit { maker, device, blob };
        let origin = self.origin("registration");
        ImportSubmit::new(content, &self.partners(), self.keys(), origin).unwrap()
    }

    /// Takes a file of the registration server with this number.
    pub(crate) fn take(&self, number: u32, inner: ImportSubmit) -> FileTaken<Result<Submitted, NotSent>> {
        let take = TakeFile { from: self.registration().gap.id, number, inner };
        let is_done =
            |reply: &Result<Submitted, _>| matches!(reply, Ok(Submitted::Issued | Submitted::Rejected(_)));
        self.run(&TakeIfDone { take, is_done }).unwrap()
    }

    /// Takes a submit as the next file.
    pub(crate) fn import(&mut self, maker: Uuid, device: Uuid, blob: Vec<u8>) -> Submitted {
        let inner = self.submit(maker, device, blob);
        let number = self.next;
        self.next += 1;
        match self.take(number, inner) {
            FileTaken::Applied(Ok(submitted)) => submitted,
            other => panic!("file {number}: {other:?}"),
        }
    }

    /// The outbox as it stands.
    pub(crate) fn outbox(&self) -> Vec<OutboxFile> {
        self.run(&ReadOutbox)
    }

    /// What stands in the outbox for `server`, written: read by it and forgotten here.
    pub(crate) fn outbox_of(&self, server: &ServerKeys) -> Vec<OutboxFile> {
        let files: Vec<_> = self.outbox().into_iter().filter(|file| file.to == server.gap.id).collect();
        for file in &files {
            self.run(&ForgetWritten { to: file.to, number: file.number });
        }
        files
    }

    /// The identity server as its partners know it.
    pub(crate) fn identity(&self) -> GapPartner {
        let gap = &keys().identity.gap;
        GapPartner { id: gap.id, key_id: gap.key_id, key: gap.key.public().clone() }
    }

    /// The one file for `server`, opened by it.
    pub(crate) fn content_for(&self, server: &ServerKeys) -> GapContent {
        let files = self.outbox_of(server);
        assert_eq!(files.len(), 1, "one file for this server");
        let provider = &**self.provider();
        let (header, content) = self.identity().open(provider, &server.gap, &files[0].bytes).unwrap();
        let expected =
            GapHeader { from: self.identity().id, to: server.gap.id, sequence_number: files[0].number };
        assert_eq!(header, expected);
        content
    }

    /// Audit entries: operation, device, result.
    pub(crate) fn audit(&self) -> Vec<(String, Option<Uuid>, String)> {
        let range = Range { space: AUDIT, prefix: Vec::new(), after: None, limit: 1000 };
        let page = self.store.scan(&range).unwrap();
        let entries =
            page.records.iter().map(|(_, record)| accounts::AuditEntry::from_bytes(&record.value).unwrap());
        entries.map(|entry| (entry.operation, entry.device, entry.result)).collect()
    }

    /// The result of the last audit entry about `device`.
    pub(crate) fn last_result(&self, device: Uuid) -> Option<String> {
        self.audit()
            .into_iter()
            .rev()
            .find(|(_, about, _)| *about == Some(device))
            .map(|(_, _, result)| result)
    }
}

/// Whether `bytes` stand anywhere in `store`.
pub(crate) fn holds(store: &Memory, bytes: &[u8]) -> bool {
    (0..=u8::MAX).any(|space| {
        let range = Range { space: Space(space), prefix: Vec::new(), after: None, limit: 10_000 };
        let page = store.scan(&range).unwrap();
        page.records.iter().any(|(_, record)| contains(&record.value, bytes))
    })
}

pub(crate) fn contains(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

/// The case id of every device here.
pub(crate) fn case_id() -> CaseId {
    CaseId::from_typed(CASE).unwrap()
}
