//! The identity server: who it enrols, what it issues, and what a crash leaves.

use std::sync::Arc;

use assure_json::{ConfiguredDevice, DeviceKey};
use assure_proto::{
    Anchors, AuthenticatedKey, AuthoritySecrets, BootstrapKey, Class, GapContent, GapError, HeldKey,
    KeyDefinition, KeyStore, Metadata, OWNER_SECRETS_ISSUED, RegistrationKeys, Root, TimeTrust,
};
use authority::identity::{Enrolled, IdentityKeys, ReadStations, Station, Submitted};
use authority::registration::{self, CreateDevice, Created, OperationId, issued_registration};
use authority::{Enrolment, FileTaken, ReadTaken, TakeFile, TakeIfDone};
use clock::Timestamp;
use crypto::{Curve, KeyKind, Secret};
use model::{KeyId, Uuid};
use store::{Batch, Memory, run};

use crate::gap::{CASE, Gap, PARAMETER_SET, UNIX_MILLIS, case_id, contains, holds};
use crate::world::MAKER;

pub(crate) const OTHER_MAKER: Uuid = Uuid([0x4e; 16]);

fn answer(gap: &Gap, server: &'static authority::ServerKeys) -> Enrolment {
    let files = gap.outbox_of(server);
    assert_eq!(files.len(), 1);
    server.open_answer(&**gap.provider(), gap.bundle(), &files[0].bytes).unwrap().unwrap()
}

// verifies: ASSURE-5.1-02, TS-H7
#[test]
fn a_registration_server_gets_its_keys_signed_by_the_root_of_their_kind() {
    let mut gap = Gap::bare(1);
    let server = gap.registration();
    let enrol = gap.enrolment(server);
    assert_eq!(gap.run(&enrol), Ok(Enrolled::Answered));
    let enrolment = answer(&gap, server);
    assert_eq!(enrolment.identity, gap.identity());
    let signed = enrolment.authenticated().unwrap();
    let (keys, bundle) = (gap.keys(), gap.bundle());
    let roots =
        [(&keys.ec_root, &server.ec, &bundle.ec_root), (&keys.rsa_root, &server.rsa, &bundle.rsa_root)];
    assert_eq!(signed.len(), roots.len());
    for (key, (root, own, published)) in signed.iter().zip(roots) {
        assert_eq!((key.id(), key.class()), (own.id, Class::TrustedAuthority));
        assert_eq!(key.metadata(), Metadata::of_generation(1));
        assert_eq!((key.signature().key_id, published.id()), (root.id, root.id));
        let root = Root::public(Class::TrustedAuthority, root.id, root.key.public().clone());
        let verified = key.signature().verify(&**gap.provider(), root.verifying_key(), &key.to_be_signed());
        assert_eq!(verified, Ok(()));
    }
    assert_eq!(gap.partners().registration.unwrap().id, server.gap.id);
    assert_eq!(gap.partners().bootstrap, None);
}

// verifies: TS-H7
#[test]
fn a_bootstrap_server_gets_no_key_signed_and_nobody_gets_another_class() {
    let mut gap = Gap::bare(2);
    let enrol = gap.enrolment(gap.bootstrap());
    assert_eq!(gap.run(&enrol), Ok(Enrolled::Answered));
    assert_eq!(answer(&gap, gap.bootstrap()).keys, Vec::<Vec<u8>>::new());
    let mut greedy = gap.enrolment(gap.bootstrap());
    greedy.request.keys = gap.registration().enrolment().keys;
    assert_eq!(gap.run(&greedy), Ok(Enrolled::Refused), "class 1 for a bootstrap server");
    for class in Class::ALL.into_iter().filter(|class| *class != Class::TrustedAuthority) {
        let mut other = gap.enrolment(gap.registration());
        other.request.keys[1].0 = class;
        assert_eq!(gap.run(&other), Ok(Enrolled::Refused), "{class:?}");
    }
    assert_eq!(gap.outbox(), [], "who is refused is not answered");
    assert_eq!(gap.partners().registration, None);
}

#[test]
fn a_role_is_taken_once_and_its_holder_is_answered_again() {
    let mut gap = Gap::new(3);
    let mut second = gap.enrolment(gap.registration());
    second.id = Uuid([5; 16]);
    assert_eq!(gap.run(&second), Ok(Enrolled::RoleTaken));
    assert_eq!(gap.outbox(), []);
    let again = gap.enrolment(gap.registration());
    assert_eq!(gap.run(&again), Ok(Enrolled::Answered));
    assert_eq!(gap.partners().registration.unwrap().id, gap.registration().gap.id);
}

#[test]
fn without_a_clock_nothing_is_signed() {
    let mut gap = Gap::bare(4);
    gap.utc = None;
    let enrol = gap.enrolment(gap.registration());
    assert_eq!(gap.run(&enrol), Ok(Enrolled::Refused));
    assert_eq!(gap.outbox(), []);
}

#[test]
fn keys_survive_the_store() {
    let gap = Gap::bare(5);
    let keys = gap.keys();
    let mut batch = Batch::default();
    keys.write(&mut batch).unwrap();
    let [store::Write::Put(key, bytes)] = &batch.writes[..] else { panic!("one record") };
    assert_eq!(*key, IdentityKeys::key());
    let read = IdentityKeys::read(gap.provider().clone(), bytes).unwrap();
    assert_eq!((read.authority, read.generation, read.ec_root.id), (keys.authority, 1, keys.ec_root.id));
    assert_eq!(read.rsa_root.key.public(), keys.rsa_root.key.public());
    assert_eq!(read.upload_key.public(), keys.upload_key.public());
    assert_eq!(read.gap.key.public(), keys.gap.key.public());
    assert_eq!(read.system_ca.certificate(), keys.system_ca.certificate());
    assert!(IdentityKeys::read(gap.provider().clone(), &bytes[..bytes.len() - 1]).is_err());
    assert!(!format!("{keys:?}").contains("key: ["), "{keys:?}");
}

// verifies: TS-M11
#[test]
fn a_station_is_listed_once_under_its_id() {
    let mut gap = Gap::new(6);
    let station = gap.station(MAKER);
    assert_eq!(gap.list(station.id, MAKER, &*station.key), Ok(true), "the same again");
    assert_eq!(gap.list(station.id, OTHER_MAKER, &*station.key), Ok(false), "for another maker");
    let other = gap.stranger();
    assert_eq!(gap.list(station.id, MAKER, &*other.key), Ok(false), "another key");
    let listed = gap.run(&ReadStations { after: None }).unwrap();
    assert_eq!(listed, [(station.id, Station { maker: MAKER, key: station.key.public().clone() })]);
    assert_eq!(gap.run(&ReadStations { after: Some(station.id) }), Ok(Vec::new()));
    let additions = gap.audit().into_iter().filter(|(operation, ..)| operation == "identity.station").count();
    assert_eq!(additions, 1);
}

pub(crate) fn issued_secrets(content: &GapContent) -> AuthoritySecrets {
    match content {
        GapContent::IssueRegistration { keys: RegistrationKeys::SharedSecret(secrets), .. } => {
            (**secrets).clone()
        }
        other => panic!("{:?}", other.kind()),
    }
}

// verifies: ASSURE-14.1-07, ASSURE-14.1-08, ASSURE-14.1-09, ASSURE-14.1-10, TS-H7, TS-L4
#[test]
fn a_device_with_a_secret_accepts_everything_that_is_issued_for_it() {
    let mut gap = Gap::new(7);
    let station = gap.station(MAKER);
    let (record, device_secret) = gap.secret_record();
    let blob = gap.honest(&record, &station);
    assert_eq!(gap.import(MAKER, record.id, blob), Submitted::Issued);
    let registration = gap.content_for(gap.registration());
    let bootstrap = gap.content_for(gap.bootstrap());
    let secrets = issued_secrets(&registration);
    let GapContent::IssueBootstrap { key: BootstrapKey::Secret(bootstrap_secret), device, .. } = bootstrap
    else {
        panic!("a device with a secret is known by a secret");
    };
    assert_eq!(device, record.id);
    assert_eq!(secrets.pool.len(), OWNER_SECRETS_ISSUED);
    let device_key = KeyId::from(record.id);
    let provider = &**gap.provider();
    let root = Root::of_shared_secret(provider, &record.id, &device_secret);
    let (root_id, signing_id) = (root.key_id, secrets.signing.key.id());
    let (roots, held) = ([root], [(device_key, HeldKey::Secret(&device_secret))]);
    let anchors = Anchors { device: Some(record.id), roots: &roots, held: &held };
    let mut device = KeyStore::empty(8);
    for (issued, class, signer, metadata) in [
        (&secrets.signing, Class::TrustedAuthority, root_id, Metadata::of_generation(1)),
        (&secrets.wrapping, Class::TrustedAuthority, signing_id, Metadata::NONE),
        (&*bootstrap_secret, Class::BootstrapService, signing_id, Metadata::NONE),
    ] {
        assert_eq!((issued.key.class(), issued.key.signature().key_id), (class, signer));
        assert_eq!(issued.key.metadata(), metadata, "only T carries the generation");
        device.put(provider, &anchors, issued.key.clone(), TimeTrust::Unknown).unwrap();
        let derived = device.find(issued.key.id()).unwrap().secret();
        assert_eq!(derived, Some(&issued.secret), "the device derives what the server was told");
    }
    for owner in &secrets.pool {
        let derived = owner.definition.derive(provider, &Holder(device_key, &device_secret), &mut budget());
        assert_eq!(derived.as_ref(), Ok(&owner.secret));
    }
}

struct Holder<'a>(KeyId, &'a Secret);

impl assure_proto::HeldKeys for Holder<'_> {
    fn held_key(&self, id: KeyId) -> Option<HeldKey<'_>> {
        (id == self.0).then_some(HeldKey::Secret(self.1))
    }

    fn is_root_secret(&self, _: &Secret) -> bool {
        false
    }
}

fn budget() -> assure_proto::RoundBudget {
    assure_proto::RoundBudget::signed_key()
}

/// The registration server with an entry for `device`, as an upload makes it.
pub(crate) fn with_entry(gap: &mut Gap, store: &Memory, device: Uuid, maker: Uuid) -> Created {
    let origin = gap.origin("maker");
    let operation = OperationId(gap.dice.bytes());
    run(store, &CreateDevice { device, maker, operation, origin }, gap.now()).unwrap().reply.unwrap()
}

// verifies: TS-L4
#[test]
fn ts_l4_the_bootstrap_secret_never_reaches_the_registration_server() {
    let mut gap = Gap::new(8);
    let station = gap.station(MAKER);
    let (record, device_secret) = gap.secret_record();
    let blob = gap.honest(&record, &station);
    gap.import(MAKER, record.id, blob);
    let registration = gap.content_for(gap.registration());
    let GapContent::IssueBootstrap { key: BootstrapKey::Secret(secret), .. } =
        gap.content_for(gap.bootstrap())
    else {
        panic!("a device with a secret is known by a secret");
    };
    let imported = registration.encode();
    let store = Memory::default();
    assert_eq!(with_entry(&mut gap, &store, record.id, MAKER), Created::Stands);
    let (device, maker, issued) = issued_registration(registration).unwrap();
    let origin = gap.origin("identity");
    let import = registration::ImportIssued { device, maker, issued, origin };
    assert_eq!(run(&store, &import, gap.now()).unwrap().reply, Ok(registration::Imported::Ready));
    let encrypted = match secret.key.definition() {
        KeyDefinition::Derived(key) => key.derivations().to_vec(),
        other => panic!("{other:?}"),
    };
    assert_eq!(encrypted.len(), 1);
    for (what, bytes) in [
        ("the secret", secret.secret.expose()),
        ("its key", secret.key.encoded()),
        ("its id", &secret.key.id().0),
        ("the device secret", device_secret.expose()),
    ] {
        assert!(!contains(&imported, bytes), "{what} is in the file");
        assert!(!holds(&store, bytes), "{what} is in the store");
    }
    let kept = issued_secrets_of(&imported);
    assert!(holds(&store, kept.signing.secret.expose()), "the search finds what is there");
}

fn issued_secrets_of(encoded: &[u8]) -> AuthoritySecrets {
    issued_secrets(&GapContent::decode(assure_proto::GapKind::IssueRegistration, encoded).unwrap())
}

// verifies: ASSURE-6.2.4-03, ASSURE-14.1-09, ASSURE-14.1-10, ASSURE-9.2.1-03, ASSURE-9.2.1-08, ASSURE-9.2.1-09
// verifies: ASSURE-6.1-12
#[test]
fn online_servers_get_a_hash_of_the_case_string_and_a_record_without_secrets() {
    let mut gap = Gap::new(9);
    let station = gap.station(MAKER);
    let (record, device_secret) = gap.secret_record();
    let blob = gap.honest(&record, &station);
    gap.import(MAKER, record.id, blob);
    let registration = gap.content_for(gap.registration());
    let bootstrap = gap.content_for(gap.bootstrap());
    for content in [&registration, &bootstrap] {
        let bytes = content.encode();
        for secret in [CASE.as_bytes(), case_id().expose(), device_secret.expose()] {
            assert!(!contains(&bytes, secret), "{:?}", content.kind());
        }
        assert!(!contains(&bytes, model::hex(device_secret.expose()).as_bytes()));
    }
    let GapContent::IssueRegistration { device, maker, case_hash, parameter_set, .. } = registration else {
        panic!("not for the registration server");
    };
    assert_eq!((device, maker, parameter_set), (record.id, MAKER, PARAMETER_SET));
    assert_eq!(case_hash, case_id().hash(&**gap.provider(), &record.id));
    let GapContent::IssueBootstrap { json, .. } = bootstrap else { panic!("not for the bootstrap server") };
    let configured = ConfiguredDevice::from_json(&json).unwrap();
    assert_eq!((configured.id, configured.bootstrap_server), (record.id, record.bootstrap_server));
    assert_eq!((configured.public_key, configured.capabilities), (None, record.capabilities));
}

// verifies: ASSURE-14.1-08, ASSURE-14.1-09, ASSURE-9.2.1-06
#[test]
fn a_device_with_a_key_pair_is_known_by_its_public_key_and_no_secret_is_made() {
    let mut gap = Gap::new(10);
    let station = gap.station(MAKER);
    let kinds = [KeyKind::Ec(Curve::P256), KeyKind::Ec(Curve::P384), KeyKind::Rsa { modulus_bits: 2048 }];
    for kind in kinds {
        let public = gap.provider().generate_key(kind, &mut gap.dice).unwrap().public().clone();
        let record = gap.record(DeviceKey::Public(public.clone()));
        let blob = gap.honest(&record, &station);
        assert_eq!(gap.import(MAKER, record.id, blob), Submitted::Issued);
        let GapContent::IssueRegistration { keys, .. } = gap.content_for(gap.registration()) else {
            panic!("not for the registration server");
        };
        let expected = match kind {
            KeyKind::Ec(_) => RegistrationKeys::Ec,
            KeyKind::Rsa { .. } => RegistrationKeys::Rsa,
        };
        assert_eq!(keys, expected);
        let GapContent::IssueBootstrap { json, key, .. } = gap.content_for(gap.bootstrap()) else {
            panic!("not for the bootstrap server");
        };
        assert_eq!(key, BootstrapKey::Public(public.clone()));
        assert_eq!(ConfiguredDevice::from_json(&json).unwrap().public_key, Some(public));
    }
}

// verifies: TS-H7
#[test]
fn ts_h7_t_and_the_class_1_keys_carry_the_generation_of_the_authority() {
    let mut gap = Gap::new(11);
    let keys = gap.keys();
    let moved = |gap: &Gap| IdentityKeys {
        provider: gap.provider().clone(),
        authority: keys.authority,
        generation: 2,
        ec_root: keys.ec_root.clone(),
        rsa_root: keys.rsa_root.clone(),
        upload_key: keys.upload_key.clone(),
        gap: keys.gap.clone(),
        system_ca: certificate::Issuer::new(
            &**gap.provider(),
            keys.system_ca.key().clone(),
            keys.system_ca.certificate().to_vec(),
        )
        .unwrap(),
    };
    let second = Arc::new(moved(&gap));
    let station = gap.station(MAKER);
    let (record, _) = gap.secret_record();
    let blob = gap.honest(&record, &station);
    let mut submit = gap.submit(MAKER, record.id, blob);
    submit.keys = second.clone();
    assert_eq!(gap.take(2, submit), FileTaken::Applied(Ok(Submitted::Issued)));
    let secrets = issued_secrets(&gap.content_for(gap.registration()));
    assert_eq!(secrets.signing.key.metadata(), Metadata::of_generation(2));
    assert_eq!(secrets.wrapping.key.metadata(), Metadata::NONE);
    let mut enrol = gap.enrolment(gap.registration());
    enrol.keys = second;
    assert_eq!(gap.run(&enrol), Ok(Enrolled::Answered));
    let enrolment = answer(&gap, gap.registration());
    assert_eq!(enrolment.generation, 2);
    let signed: Vec<AuthenticatedKey> = enrolment.authenticated().unwrap();
    assert!(signed.iter().all(|key| key.metadata() == Metadata::of_generation(2)));
}

// verifies: ASSURE-5.1-02
#[test]
fn files_are_taken_in_their_order_once_each() {
    let mut gap = Gap::new(19);
    let station = gap.station(MAKER);
    let from = gap.registration().gap.id;
    let submit = |gap: &mut Gap| {
        let (record, _) = gap.secret_record();
        let blob = gap.honest(&record, &station);
        gap.submit(MAKER, record.id, blob)
    };
    let (second, third) = (submit(&mut gap), submit(&mut gap));
    assert_eq!(gap.take(3, third.clone()), FileTaken::Hole { missing: 2 });
    assert_eq!(gap.outbox(), [], "nothing behind a hole is looked at");
    assert_eq!(gap.take(2, second.clone()), FileTaken::Applied(Ok(Submitted::Issued)));
    assert_eq!(gap.run(&ReadTaken { from }), Ok(2));
    let written = gap.outbox();
    assert_eq!(gap.take(2, second.clone()), FileTaken::Before, "a file that comes again");
    assert_eq!(gap.take(1, third.clone()), FileTaken::Before, "an old number with another content");
    assert_eq!(gap.outbox(), written, "is answered by nothing new");
    assert_eq!(gap.take(3, third), FileTaken::Applied(Ok(Submitted::Issued)));
    assert_eq!(gap.run(&ReadTaken { from }), Ok(3));
    let numbers: Vec<u32> = gap.outbox_of(gap.registration()).iter().map(|file| file.number).collect();
    assert_eq!(numbers, [2, 3], "answers are counted from the enrolment's on");
}

#[test]
fn a_file_that_cannot_be_answered_now_keeps_its_number() {
    let mut gap = Gap::new(20);
    let station = gap.station(MAKER);
    let (record, _) = gap.secret_record();
    let blob = gap.honest(&record, &station);
    let submit = gap.submit(MAKER, record.id, blob);
    gap.utc = None;
    assert_eq!(gap.take(2, submit.clone()), FileTaken::Applied(Ok(Submitted::NoClock)));
    assert_eq!(gap.run(&ReadTaken { from: gap.registration().gap.id }), Ok(1), "the number is not used up");
    assert_eq!(gap.outbox(), []);
    gap.utc = Some(Timestamp::from_unix_millis(UNIX_MILLIS));
    assert_eq!(gap.take(2, submit), FileTaken::Applied(Ok(Submitted::Issued)));
}

#[test]
fn an_enrolment_that_is_refused_keeps_its_number() {
    let mut gap = Gap::bare(21);
    let mut greedy = gap.enrolment(gap.bootstrap());
    greedy.request.keys = gap.registration().enrolment().keys;
    let from = gap.bootstrap().gap.id;
    let is_done = |reply: &Result<Enrolled, _>| *reply == Ok(Enrolled::Answered);
    let take = |inner| TakeIfDone { take: TakeFile { from, number: 1, inner }, is_done };
    assert_eq!(gap.run(&take(greedy)), Ok(FileTaken::Applied(Ok(Enrolled::Refused))));
    let honest = gap.enrolment(gap.bootstrap());
    assert_eq!(gap.run(&take(honest)), Ok(FileTaken::Applied(Ok(Enrolled::Answered))));
}

// verifies: ASSURE-5.1-02, ASSURE-14.1-09, ASSURE-14.1-10
#[test]
fn a_crash_between_commit_and_file_loses_and_doubles_nothing() {
    let mut gap = Gap::new(22);
    let station = gap.station(MAKER);
    let (record, _) = gap.secret_record();
    let blob = gap.honest(&record, &station);
    let submit = gap.submit(MAKER, record.id, blob);
    assert_eq!(gap.take(2, submit.clone()), FileTaken::Applied(Ok(Submitted::Issued)));
    // The process ends here; the next one finds the answers, byte for byte.
    let left = gap.outbox();
    assert_eq!(left.len(), 2);
    assert_eq!(gap.take(2, submit), FileTaken::Before);
    assert_eq!(gap.outbox(), left);
    // It writes one file and ends again before it forgets it: the same bytes are written once more.
    assert_eq!(
        gap.outbox_of(gap.registration()),
        [left.iter().find(|f| f.to == gap.registration().gap.id).unwrap().clone()]
    );
    assert_eq!(gap.outbox().len(), 1, "the other still waits");
    assert!(matches!(gap.content_for(gap.bootstrap()), GapContent::IssueBootstrap { .. }));
    assert_eq!(gap.outbox(), []);
}

// verifies: ASSURE-6.2.4-03
#[test]
fn the_identity_server_keeps_the_device_secret_and_drops_what_it_derived() {
    let mut gap = Gap::new(23);
    let station = gap.station(MAKER);
    let (record, device_secret) = gap.secret_record();
    let blob = gap.honest(&record, &station);
    gap.import(MAKER, record.id, blob);
    let secrets = issued_secrets(&gap.content_for(gap.registration()));
    let GapContent::IssueBootstrap { key: BootstrapKey::Secret(bootstrap), .. } =
        gap.content_for(gap.bootstrap())
    else {
        panic!("a device with a secret is known by a secret");
    };
    assert!(holds(&gap.store, device_secret.expose()), "a refill and a new generation need it");
    let pool = secrets.pool.iter().map(|owner| &owner.secret);
    let derived = [&secrets.signing.secret, &secrets.wrapping.secret, &bootstrap.secret];
    for secret in derived.into_iter().chain(pool) {
        assert!(!holds(&gap.store, secret.expose()));
    }
}

#[test]
fn files_of_others_do_not_open() {
    let mut gap = Gap::new(24);
    let station = gap.station(MAKER);
    let (record, _) = gap.secret_record();
    let blob = gap.honest(&record, &station);
    gap.import(MAKER, record.id, blob);
    let (registration, bootstrap) = (gap.registration(), gap.bootstrap());
    let file = gap.outbox_of(registration).remove(0).bytes;
    let provider = &**gap.provider();
    let open = |me: &authority::GapSelf, file: &[u8]| gap.identity().open(provider, me, file).map(|_| ());
    assert_eq!(open(&registration.gap, &file), Ok(()));
    assert_eq!(open(&bootstrap.gap, &file), Err(GapError::OtherRecipient));
    let mut impostor = gap.identity();
    impostor.key = bootstrap.gap.key.public().clone();
    assert!(matches!(impostor.open(provider, &registration.gap, &file), Err(GapError::Signature(_))));
    for at in (0..file.len()).step_by(97) {
        let mut altered = file.clone();
        altered[at] ^= 1;
        assert!(open(&registration.gap, &altered).is_err(), "byte {at}");
    }
}
