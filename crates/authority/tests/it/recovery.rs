//! Both online servers come back from a backup: numbers rise, old owner secrets are void.

use assure_proto::{Advance, ImageRefusal};
use assure_proto::{AuthenticatedKey, KeyDefinition, OwnershipRecord, SEQUENCE_STEP_MAX, SimpleTime};
use authority::bootstrap::{self, ImageAnswer, MirrorOwner, Mirrored, OwnerNow, ServeImage, StoreImage};
use authority::registration::{
    AdvanceRecovery, BeginRecovery, Begun, CompleteChange, ConfigurationAnswer, DeviceKind, OperationId,
    OwnerAnswer, PendingChange, RECOVERY_COUNT_MAX, RECOVERY_STEP, RaiseDevice, Raised, ReadRecovery,
    ReadRegistered, Recovery, Target,
};
use crypto::HashAlgorithm;
use model::{KeyId, ManagementId, Uuid};

use crate::world::{CASE, World};

const FIRST: OperationId = OperationId([1; 16]);
const SECOND: OperationId = OperationId([2; 16]);

fn begin(world: &mut World, id: OperationId) -> Begun {
    let origin = world.origin("operator");
    world.register(&BeginRecovery { id, generation: 1, origin }).unwrap()
}

fn under_way(world: &mut World, id: OperationId) -> Recovery {
    match begin(world, id) {
        Begun::UnderWay(recovery) => recovery,
        other => panic!("{other:?}"),
    }
}

fn raise(world: &mut World, device: Uuid, recovery: OperationId) -> Raised {
    let (operation, origin) = (world.operation(), world.origin("operator"));
    world.register(&RaiseDevice { device, recovery, operation, origin }).unwrap()
}

fn mirror(world: &mut World, device: Uuid, change: &PendingChange) -> Mirrored {
    let owner = OwnerNow { seq: change.seq, owner: change.owner.clone() };
    let origin = world.origin("registration");
    world.boot(&MirrorOwner { device, operation: change.operation, owner, origin }).unwrap()
}

fn complete(world: &mut World, device: Uuid, change: &PendingChange) -> bool {
    let origin = world.origin("bootstrap");
    world.register(&CompleteChange { device, operation: change.operation, origin }).unwrap()
}

fn finish(world: &mut World, from: Recovery) {
    let to = Recovery { is_finished: true, ..from.clone() };
    let origin = world.origin("operator");
    assert_eq!(world.register(&AdvanceRecovery { from, to: to.clone(), origin }), Ok(Some(to)));
}

/// The whole of a recovery, as the registration server carries it out.
fn recover(world: &mut World, id: OperationId) {
    let recovery = under_way(world, id);
    for stock in world.register(&ReadRegistered { after: None }).unwrap() {
        let Raised::OnItsWay(change) = raise(world, stock.device, id) else { panic!("it is raised") };
        assert_eq!(mirror(world, stock.device, &change), Mirrored::Stands);
        assert!(complete(world, stock.device, &change));
    }
    finish(world, recovery);
}

fn owner_key(world: &mut World, owner: &ManagementId, device: Uuid) -> AuthenticatedKey {
    let ConfigurationAnswer::Part(part) = world.configuration(owner, device) else {
        panic!("the owner asks")
    };
    AuthenticatedKey::decode(part.keys_after.last().unwrap()).unwrap()
}

/// The key of the first derivation: the device itself, or the wrapping secret.
fn derives_from(key: &AuthenticatedKey) -> KeyId {
    match key.definition() {
        KeyDefinition::Derived(key) => key.derivations()[0].reference,
        KeyDefinition::Ec(_) | KeyDefinition::Rsa(_) => panic!("a derived secret"),
    }
}

/// What a device that knows `key` as its owner's at `seq` says to an image of `next` at `next_seq`.
fn device_admits(
    world: &World,
    (seq, key): (u32, &AuthenticatedKey),
    (next_seq, next): (u32, &AuthenticatedKey),
) -> Result<Advance, ImageRefusal> {
    let hash = |key: &AuthenticatedKey| {
        world.provider.digest(HashAlgorithm::Sha256, &[key.definition_bytes()]).first_32()
    };
    let mut record = OwnershipRecord::factory(1);
    record.sequence_number = seq;
    record.owner_hash = Some(hash(key));
    record.admits(1, next_seq, &hash(next), SimpleTime { secs: 9 }, &[7; 32])
}

fn to(id: &ManagementId) -> Option<Target> {
    Some(Target::Management(id.clone()))
}

// verifies: TS-H5, TS-H6
#[test]
fn ts_h5_after_both_were_restored_nobody_gets_the_secret_that_another_owner_has() {
    let mut world = World::new(40);
    let (a, b, c) = (world.owner().0, world.owner().0, world.owner().0);
    let device = world.device(DeviceKind::SharedSecret);
    world.claim(&a, device);
    let backup = || (world.registration.clone(), world.bootstrap.clone());
    let (registration, bootstrap) = backup();
    let (registration_again, bootstrap_again) = backup();
    world.transfer(&a, device, &b);
    let of_b = owner_key(&mut world, &b, device);
    (world.registration, world.bootstrap) = (registration, bootstrap);
    assert_eq!(world.transfer(&a, device, &c), OwnerAnswer::Stands);
    let stolen = owner_key(&mut world, &c, device);
    assert_eq!(stolen.id(), of_b.id(), "without a recovery the pool gives it to C as well");
    assert_eq!(world.owner_now(device).seq, 2, "at B's number");
    (world.registration, world.bootstrap) = (registration_again, bootstrap_again);
    recover(&mut world, FIRST);
    let raised = OwnerNow { seq: 1 + RECOVERY_STEP, owner: Some(a.clone()) };
    assert_eq!(world.owner_now(device), raised);
    for owner in [&c, &b, &c] {
        let holder = world.owner_now(device).owner.unwrap();
        assert_eq!(world.transfer(&holder, device, owner), OwnerAnswer::Stands);
        let fresh = owner_key(&mut world, owner, device);
        assert_ne!(fresh.id(), of_b.id(), "a void entry is never given again");
        assert_ne!(derives_from(&fresh), KeyId::from(device), "it is wrapped by W");
        let seq = world.owner_now(device).seq;
        assert_eq!(device_admits(&world, (2, &of_b), (seq, &fresh)), Ok(Advance::NewOwner), "{seq}");
    }
}

// verifies: TS-H5
#[test]
fn ts_h5_the_owner_of_the_backup_gets_a_grant_under_the_raised_number_when_it_asks() {
    let mut world = World::new(41);
    let (a, b) = (world.owner().0, world.owner().0);
    for kind in [DeviceKind::SharedSecret, DeviceKind::Ec] {
        let device = world.device(kind);
        world.claim(&a, device);
        let before = owner_key(&mut world, &a, device);
        let id = world.operation();
        recover(&mut world, id);
        let ConfigurationAnswer::Part(part) = world.configuration(&a, device) else { panic!("{kind:?}") };
        let owner_data = assure_proto::OwnerData::decode(&part.owner_data).unwrap();
        assert_eq!(owner_data.sequence_number(), world.owner_now(device).seq);
        let after = AuthenticatedKey::decode(part.keys_after.last().unwrap()).unwrap();
        assert_eq!(after.id() == before.id(), kind == DeviceKind::Ec, "a secret is a fresh one");
        assert_eq!(owner_key(&mut world, &a, device).id(), after.id(), "asked again: the same");
        assert_eq!(world.configuration(&b, device), ConfigurationAnswer::Forbidden);
    }
}

// verifies: TS-H5
#[test]
fn ts_h5_a_kill_at_any_point_of_a_recovery_raises_nothing_twice() {
    for cut in 0..4 {
        let mut world = World::new(42);
        let (a, _) = world.owner();
        let (device, other) = (world.device(DeviceKind::SharedSecret), world.device(DeviceKind::Ec));
        world.claim(&a, device);
        let recovery = under_way(&mut world, FIRST);
        if cut > 0 {
            let Raised::OnItsWay(change) = raise(&mut world, device, FIRST) else { panic!("{cut}") };
            if cut > 1 {
                mirror(&mut world, device, &change);
            }
            if cut > 2 {
                assert!(complete(&mut world, device, &change));
            }
        }
        // the next run, under the same name and under another
        for id in [FIRST, SECOND] {
            assert_eq!(begin(&mut world, id), Begun::UnderWay(recovery.clone()), "cut {cut}");
        }
        for device in [device, other] {
            match raise(&mut world, device, FIRST) {
                Raised::OnItsWay(change) => {
                    assert_eq!(mirror(&mut world, device, &change), Mirrored::Stands);
                    assert!(complete(&mut world, device, &change));
                }
                Raised::Stands => assert_eq!(cut, 3),
                other => panic!("cut {cut}: {other:?}"),
            }
        }
        finish(&mut world, recovery);
        assert_eq!(world.owner_now(device).seq, 1 + RECOVERY_STEP, "cut {cut}");
        assert_eq!(world.owner_now(other).seq, RECOVERY_STEP, "cut {cut}");
        assert!(matches!(begin(&mut world, FIRST), Begun::Finished(_)), "asked again it does nothing");
        assert_eq!(raise(&mut world, device, FIRST), Raised::Not, "it is over");
        let mirrors = world.boot(&bootstrap::ReadMirrors { after: None }).unwrap();
        assert!(mirrors.iter().all(|(device, mirror)| world.owner_now(*device) == *mirror), "cut {cut}");
    }
}

// verifies: TS-H5
#[test]
fn ts_h5_no_owner_changes_while_a_recovery_is_under_way() {
    let mut world = World::new(43);
    let (a, b) = (world.owner().0, world.owner().0);
    let (owned, free) = (world.device(DeviceKind::SharedSecret), world.device(DeviceKind::Ec));
    world.claim(&a, owned);
    let recovery = under_way(&mut world, FIRST);
    let before = world.owner_now(owned);
    for (caller, device, case, target) in [
        (&a, owned, None, to(&b)),
        (&b, free, Some(CASE), None),
        (&b, Uuid([5; 16]), Some(CASE), None),
        (&a, owned, None, Some(Target::Nobody)),
    ] {
        let answer = world.call(caller, device, case, target);
        assert!(
            matches!(answer, OwnerAnswer::Later { .. }),
            "no device can be told from another: {answer:?}"
        );
    }
    assert_eq!((world.owner_now(owned), world.owner_now(free).owner), (before, None));
    for device in [owned, free] {
        let Raised::OnItsWay(change) = raise(&mut world, device, FIRST) else { panic!("it is raised") };
        mirror(&mut world, device, &change);
        complete(&mut world, device, &change);
    }
    finish(&mut world, recovery);
    assert_eq!(world.claim(&b, free), OwnerAnswer::Stands);
}

// verifies: TS-H5
#[test]
fn ts_h5_a_change_that_is_on_its_way_comes_before_the_raise() {
    let mut world = World::new(44);
    let (a, b) = (world.owner().0, world.owner().0);
    let device = world.device(DeviceKind::Ec);
    world.claim(&a, device);
    let OwnerAnswer::OnItsWay(change) = world.ask(&a, device, None, to(&b)) else { panic!("a transfer") };
    under_way(&mut world, FIRST);
    assert_eq!(raise(&mut world, device, FIRST), Raised::After(change.clone()));
    mirror(&mut world, device, &change);
    complete(&mut world, device, &change);
    let Raised::OnItsWay(raise) = raise(&mut world, device, FIRST) else { panic!("it is raised") };
    assert_eq!((raise.seq, raise.owner), (2 + RECOVERY_STEP, Some(b)));
}

// verifies: TS-H5, TS-H7
#[test]
fn ts_h5_recoveries_of_one_generation_stay_within_what_a_device_accepts() {
    let mut world = World::new(45);
    let (a, _) = world.owner();
    let device = world.device(DeviceKind::Ec);
    world.claim(&a, device);
    let first = owner_key(&mut world, &a, device);
    for number in 0..RECOVERY_COUNT_MAX {
        let number = u8::try_from(number).unwrap();
        recover(&mut world, OperationId([number + 1; 16]));
    }
    let seq = world.owner_now(device).seq;
    assert_eq!(seq, 1 + RECOVERY_COUNT_MAX * RECOVERY_STEP);
    let of_a = owner_key(&mut world, &a, device);
    // a device that took no image in between still takes the next one, and 255 changes of owner more
    assert_eq!(device_admits(&world, (1, &first), (seq, &of_a)), Ok(Advance::NewOwner));
    assert!(seq + RECOVERY_STEP - 1 - 1 <= SEQUENCE_STEP_MAX);
    assert_eq!(begin(&mut world, OperationId([9; 16])), Begun::TooMany);
    assert_eq!(world.owner_now(device).seq, seq);
    let next_generation =
        BeginRecovery { id: OperationId([9; 16]), generation: 2, origin: world.origin("operator") };
    assert!(matches!(world.register(&next_generation), Ok(Begun::UnderWay(_))));
}

// verifies: TS-H5
#[test]
fn ts_h5_the_image_of_before_goes_and_the_recovery_is_in_the_log() {
    let mut world = World::new(46);
    let (a, _) = world.owner();
    let device = world.device(DeviceKind::Ec);
    world.claim(&a, device);
    let owner = world.owner_now(device);
    let origin = world.origin("owner");
    let store = StoreImage { device, image: b"image".to_vec(), image_seq: 1, owner, origin };
    world.boot(&store).unwrap();
    recover(&mut world, FIRST);
    let (owner, origin) = (world.owner_now(device), world.origin("device"));
    let serve = ServeImage { proven: device, asked: device, owner, origin };
    assert_eq!(world.boot(&serve), Ok(ImageAnswer::Image(Vec::new())));
    let log = world.audit();
    let results = |verb: &str| {
        log.iter().filter(|(at, _)| at == verb).map(|(_, result)| result.as_str()).collect::<Vec<_>>()
    };
    let mut whole = results("authority.recover");
    whole.sort_unstable();
    assert_eq!((whole, results("authority.raise")), (vec!["begun", "done"], vec!["done"]));
    assert!(world.register(&ReadRecovery).unwrap().is_some_and(|recovery| recovery.is_finished));
}

// verifies: TS-H5
#[test]
fn ts_h5_a_pool_that_comes_from_the_gap_after_the_recovery_is_void_too() {
    let mut world = World::new(47);
    let (a, _) = world.owner();
    // uploaded before the backup, issued after it: its file lies in the gap still
    let (device, issued) = world.uploaded(DeviceKind::SharedSecret);
    recover(&mut world, FIRST);
    world.import_issued(device, issued);
    assert_eq!(world.claim(&a, device), OwnerAnswer::Stands);
    let key = owner_key(&mut world, &a, device);
    assert_ne!(derives_from(&key), KeyId::from(device), "the pool of before the restore is not used");
    assert_eq!(world.owner_now(device).seq, RECOVERY_STEP + 1);
}

// verifies: TS-H5
#[test]
fn a_recovery_ends_at_the_last_number_and_leaves_the_device_alone() {
    let mut world = World::new(48);
    let device = world.device(DeviceKind::Ec);
    let mirror = OwnerNow { seq: u32::MAX - 100, owner: None };
    let origin = world.origin("start");
    world.register(&authority::registration::AdoptMirror { device, mirror: mirror.clone(), origin }).unwrap();
    under_way(&mut world, FIRST);
    assert_eq!(raise(&mut world, device, FIRST), Raised::Not);
    assert_eq!(raise(&mut world, Uuid([1; 16]), FIRST), Raised::Not, "no such device");
    assert_eq!(raise(&mut world, device, SECOND), Raised::Not, "another recovery");
    assert_eq!(world.owner_now(device), mirror);
}
