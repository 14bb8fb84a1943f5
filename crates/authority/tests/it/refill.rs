//! More owner secrets across the air gap: asked, given, taken once.

use std::collections::BTreeSet;

use assure_proto::{GapContent, HeldKey, HeldKeys, OWNER_SECRETS_ISSUED, RoundBudget};
use authority::identity::{ImportRefill, RefillIssued, Submitted};
use authority::registration::{
    self, AskRefill, Asked, BeginRecovery, Begun, CreateDevice, Created, OperationId, PoolEntry, RaiseDevice,
    ReadRegistered, Refilled, TakeRefill, issued_registration,
};
use authority::{FileTaken, ForgetWritten, OutboxFile, ReadOutbox, TakeFile};
use crypto::Secret;
use model::{KeyId, Uuid};
use store::{Memory, Operation, run};

use crate::gap::{Gap, holds};
use crate::world::MAKER;

/// A registration server with one device that knows a secret, and the identity server that issued it.
struct Pair {
    gap: Gap,
    store: Memory,
    device: Uuid,
    device_secret: Secret,
}

impl Pair {
    fn new(run_number: u64) -> Self {
        let mut gap = Gap::new(run_number);
        let station = gap.station(MAKER);
        let (record, device_secret) = gap.secret_record();
        let blob = gap.honest(&record, &station);
        assert_eq!(gap.import(MAKER, record.id, blob), Submitted::Issued);
        let store = Memory::default();
        let mut pair = Self { device: record.id, store, device_secret, gap };
        let (device, operation) = (pair.device, OperationId([1; 16]));
        let origin = pair.gap.origin("maker");
        let create = CreateDevice { device, maker: MAKER, operation, origin: origin.clone() };
        assert_eq!(pair.here(&create), Ok(Created::Stands));
        let content = pair.gap.content_for(pair.gap.registration());
        pair.gap.outbox_of(pair.gap.bootstrap());
        let (device, maker, issued) = issued_registration(content).unwrap();
        let import = registration::ImportIssued { device, maker, issued, origin };
        assert_eq!(pair.here(&import), Ok(registration::Imported::Ready));
        pair
    }

    /// Runs on the registration server.
    fn here<O: Operation>(&self, operation: &O) -> O::Reply {
        run(&self.store, operation, self.gap.now()).unwrap().reply
    }

    fn ask(&mut self, device: Uuid) -> Asked {
        let ask = AskRefill {
            device,
            me: self.gap.registration().gap.clone(),
            identity: self.gap.identity(),
            provider: self.gap.provider().clone(),
            origin: self.gap.origin("operator"),
        };
        self.here(&ask).unwrap()
    }

    /// The request on its way out, opened by the identity server.
    fn request(&self) -> GapContent {
        let files: Vec<OutboxFile> = self.here(&ReadOutbox);
        let [file] = &files[..] else { panic!("one request: {}", files.len()) };
        self.here(&ForgetWritten { to: file.to, number: file.number });
        let registration = self.gap.partners().registration.unwrap();
        registration.open(&**self.gap.provider(), &self.gap.keys().gap, &file.bytes).unwrap().1
    }

    fn give(&mut self, content: &GapContent) -> RefillIssued {
        let registration = self.gap.partners().registration.unwrap();
        let (keys, origin) = (self.gap.keys(), self.gap.origin("registration"));
        let inner = ImportRefill::new(content, &registration, keys, origin).expect("it asks");
        let number = self.gap.next;
        self.gap.next += 1;
        let take = TakeFile { from: registration.id, number, inner };
        match self.gap.run(&take).unwrap() {
            FileTaken::Applied(reply) => reply.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn answer(&self) -> GapContent {
        self.gap.content_for(self.gap.registration())
    }

    fn take(&mut self, answer: &GapContent) -> Refilled {
        let GapContent::Refill { device, request, pool } = answer.clone() else { panic!("no refill") };
        let pool = pool.into_iter().map(PoolEntry::from_gap).collect();
        let origin = self.gap.origin("identity");
        self.here(&TakeRefill { device, request, pool, origin }).unwrap()
    }

    fn pool(&self) -> usize {
        let all = self.here(&ReadRegistered { after: None }).unwrap();
        all.iter().find(|stock| stock.device == self.device).unwrap().pool.unwrap()
    }
}

struct Holder<'a>(KeyId, &'a Secret);

impl HeldKeys for Holder<'_> {
    fn held_key(&self, id: KeyId) -> Option<HeldKey<'_>> {
        (id == self.0).then_some(HeldKey::Secret(self.1))
    }

    fn is_root_secret(&self, _: &Secret) -> bool {
        false
    }
}

// verifies: TS-H6
#[test]
fn ts_h6_a_refill_brings_fresh_secrets_that_the_device_derives() {
    let mut pair = Pair::new(50);
    let device = pair.device;
    assert_eq!((pair.ask(device), pair.pool()), (Asked::Sent, OWNER_SECRETS_ISSUED));
    let request = pair.request();
    assert_eq!(pair.give(&request), RefillIssued::Given(OWNER_SECRETS_ISSUED));
    let answer = pair.answer();
    let GapContent::Refill { pool, .. } = &answer else { panic!("no refill") };
    let holder = Holder(KeyId::from(pair.device), &pair.device_secret);
    let mut ids = BTreeSet::new();
    for owner in pool {
        let derived =
            owner.definition.derive(&**pair.gap.provider(), &holder, &mut RoundBudget::signed_key());
        assert_eq!(derived.as_ref(), Ok(&owner.secret), "the device gets at it");
        assert!(!holds(&pair.gap.store, owner.secret.expose()), "what is given is not kept");
        assert!(!holds(&pair.store, owner.secret.expose()), "nor was it here before");
        ids.insert(owner.definition.id());
    }
    assert_eq!(ids.len(), OWNER_SECRETS_ISSUED);
    assert_eq!(pair.take(&answer), Refilled::Added(OWNER_SECRETS_ISSUED));
    assert_eq!(pair.pool(), 2 * OWNER_SECRETS_ISSUED);
    assert_eq!(pair.take(&answer), Refilled::NotAsked, "an answer counts once");
    assert_eq!(pair.pool(), 2 * OWNER_SECRETS_ISSUED);
    // and what is asked for next is something else again
    assert_eq!(pair.ask(device), Asked::Sent);
    let request = pair.request();
    pair.give(&request);
    let GapContent::Refill { pool, .. } = pair.answer() else { panic!("no refill") };
    assert!(pool.iter().all(|owner| ids.insert(owner.definition.id())), "none is given twice");
}

// verifies: TS-H5, TS-H6
#[test]
fn ts_h5_a_refill_that_a_restored_server_reads_again_brings_nothing_after_the_recovery() {
    let mut pair = Pair::new(51);
    let device = pair.device;
    assert_eq!(pair.ask(device), Asked::Sent);
    let backup = pair.store.clone();
    let request = pair.request();
    pair.give(&request);
    let answer = pair.answer();
    assert_eq!(pair.take(&answer), Refilled::Added(OWNER_SECRETS_ISSUED));
    pair.store = backup;
    let (id, origin) = (OperationId([7; 16]), pair.gap.origin("operator"));
    let begin = BeginRecovery { id, generation: 1, origin: origin.clone() };
    assert!(matches!(pair.here(&begin), Ok(Begun::UnderWay(_))));
    assert_eq!(pair.ask(device), Asked::NotNow, "not while a recovery is under way");
    let raise = RaiseDevice { device, recovery: id, operation: OperationId([8; 16]), origin };
    pair.here(&raise).unwrap();
    assert_eq!(pair.pool(), 0);
    assert_eq!(pair.take(&answer), Refilled::NotAsked, "it may have been used before the restore");
    assert_eq!(pair.pool(), 0);
}

// verifies: TS-H6
#[test]
fn ts_h6_only_the_latest_request_is_open_and_only_for_who_needs_it() {
    let mut pair = Pair::new(52);
    let device = pair.device;
    assert_eq!(pair.ask(Uuid([9; 16])), Asked::NotNeeded);
    assert_eq!(pair.ask(device), Asked::Sent);
    let first = pair.request();
    assert_eq!(pair.ask(device), Asked::Sent);
    let second = pair.request();
    let mut answers = Vec::new();
    for request in [&first, &second] {
        pair.give(request);
        answers.push(pair.answer());
    }
    assert_eq!(pair.take(&answers[0]), Refilled::NotAsked);
    assert_eq!(pair.take(&answers[1]), Refilled::Added(OWNER_SECRETS_ISSUED));
    // for a device that the identity server does not know it says so
    let unknown = GapContent::Refill { device: Uuid([9; 16]), request: Uuid([1; 16]), pool: Vec::new() };
    assert_eq!(pair.give(&unknown), RefillIssued::Given(0));
    let answer = pair.answer();
    assert_eq!(pair.take(&answer), Refilled::NotAsked);
    // a file that gives is none that asks
    let registration = pair.gap.partners().registration.unwrap();
    let (keys, origin) = (pair.gap.keys(), pair.gap.origin("registration"));
    assert!(ImportRefill::new(&answers[0], &registration, keys, origin).is_none());
}
