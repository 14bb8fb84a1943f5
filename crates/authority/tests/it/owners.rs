//! Owner changes from the call to the configuration.

use std::time::Duration;

use assure_proto::{AuthenticatedKey, Class, HeldKey, HeldKeys, KeyDefinition, RoundBudget};
use authority::bootstrap::OwnerNow;
use authority::registration::{
    self, Announce, ConfigurationAnswer, DeviceKind, LinkRsaKey, Linked, OwnerAnswer, RenewCertificate,
    TakeAnnouncedOnly, Target,
};
use certificate::{CertificateIdentity, Leaf, identity_of};
use crypto::{Curve, KeyKind, PrivateKey, Secret};
use model::{KeyId, Uuid};

use crate::world::{CASE, WRONG_CASE, World};

fn to(id: &model::ManagementId) -> Option<Target> {
    Some(Target::Management(id.clone()))
}

// verifies: ASSURE-9.3.2-01, ASSURE-9.3.2-05, ASSURE-14.3-04b, ASSURE-9.3.3-01, ASSURE-9.3.5-01, ASSURE-9.3.5-02
// verifies: ASSURE-15.5-07
#[test]
fn a_device_goes_from_owner_to_owner_and_to_nobody() {
    let mut world = World::new(1);
    let (a, b) = (world.owner().0, world.owner().0);
    let device = world.device(DeviceKind::Ec);
    assert_eq!(world.owner_now(device), OwnerNow { seq: 0, owner: None });
    assert_eq!(world.claim(&a, device), OwnerAnswer::Stands);
    assert_eq!(world.owner_now(device), OwnerNow { seq: 1, owner: Some(a.clone()) });
    assert_eq!(world.claim(&b, device), OwnerAnswer::Forbidden);
    assert_eq!(world.transfer(&a, device, &b), OwnerAnswer::Stands);
    assert_eq!(world.owner_now(device), OwnerNow { seq: 2, owner: Some(b.clone()) });
    assert_eq!(world.call(&b, device, None, Some(Target::Nobody)), OwnerAnswer::Stands);
    assert_eq!(world.owner_now(device), OwnerNow { seq: 2, owner: None });
    assert_eq!(world.claim(&a, device), OwnerAnswer::Stands);
    assert_eq!(world.owner_now(device), OwnerNow { seq: 3, owner: Some(a) });
    let done: Vec<_> = world.audit().into_iter().filter(|(verb, _)| verb.starts_with("owner.")).collect();
    let verbs: Vec<&str> = done.iter().map(|(verb, _)| verb.as_str()).collect();
    assert!(verbs.contains(&"owner.transfer") && verbs.contains(&"owner.release"), "{verbs:?}");
}

// verifies: ASSURE-9.3.2-06, ASSURE-9.3.4-03
#[test]
fn every_refusal_looks_alike_and_changes_nothing() {
    let mut world = World::new(2);
    let (a, b) = (world.owner().0, world.owner().0);
    let device = world.device(DeviceKind::Ec);
    let nowhere = Uuid([5; 16]);
    let stranger = "deadbeef".parse().unwrap();
    assert_eq!(world.claim(&a, device), OwnerAnswer::Stands);
    let before = world.owner_now(device);
    for (caller, uuid, case, target) in [
        (&b, device, Some(CASE), None),
        (&a, device, Some(WRONG_CASE), None),
        (&b, nowhere, Some(CASE), None),
        (&b, device, None, to(&b)),
        (&a, device, None, to(&stranger)),
        (&a, device, None, Some(Target::Unreadable)),
        (&a, device, None, None),
        (&a, device, Some(CASE), Some(Target::Nobody)),
        (&b, device, None, Some(Target::Nobody)),
        (&b, device, Some(CASE), to(&a)),
        (&a, device, Some(WRONG_CASE), to(&b)),
        (&stranger, device, Some(CASE), None),
    ] {
        assert_eq!(
            world.call(caller, uuid, case, target.clone()),
            OwnerAnswer::Forbidden,
            "{caller} {target:?}"
        );
    }
    assert_eq!(world.owner_now(device), before);
}

#[test]
fn of_two_claims_at_once_one_wins() {
    let mut world = World::new(3);
    let (a, b) = (world.owner().0, world.owner().0);
    let device = world.device(DeviceKind::Ec);
    let OwnerAnswer::OnItsWay(change) = world.ask(&a, device, Some(CASE), None) else {
        panic!("an unowned device is there to be claimed")
    };
    assert_eq!(world.ask(&b, device, Some(CASE), None), OwnerAnswer::Forbidden, "the second claim");
    assert_eq!(
        world.owner_now(device),
        OwnerNow { seq: 0, owner: None },
        "not before the other server has it"
    );
    let again = world.ask(&a, device, Some(CASE), None);
    assert_eq!(again, OwnerAnswer::OnItsWay(change), "the first one repeated is the same change");
    let pending = world.register(&registration::ReadPending { after: None });
    assert_eq!(pending.len(), 1, "and stands there to be driven on after a restart");
}

// verifies: ASSURE-9.3.2-08, TS-H6
#[test]
fn ts_h6_the_fifth_change_of_a_day_waits_and_a_drained_pool_still_serves() {
    let mut world = World::new(6);
    let (a, b) = (world.owner().0, world.owner().0);
    let device = world.device(DeviceKind::SharedSecret);
    assert_eq!(world.claim(&a, device), OwnerAnswer::Stands);
    let mut owners = [(&a, &b), (&b, &a)].into_iter().cycle();
    let mut keys = vec![owner_key(&mut world, &a, device).id()];
    for _ in 0..3 {
        let (from, receiver) = owners.next().unwrap();
        assert_eq!(world.transfer(from, device, receiver), OwnerAnswer::Stands);
        keys.push(owner_key(&mut world, receiver, device).id());
    }
    let before = world.owner_now(device);
    let (from, receiver) = owners.next().unwrap();
    let later = world.transfer(from, device, receiver);
    assert_eq!(later, OwnerAnswer::Later { retry_after: Duration::from_secs(24 * 3600) });
    assert_eq!(world.owner_now(device), before);
    world.wait(Duration::from_secs(24 * 3600));
    assert_eq!(world.transfer(from, device, receiver), OwnerAnswer::Stands);
    keys.push(owner_key(&mut world, receiver, device).id());
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 5, "five owners, five secrets, though the pool held two");
    let ConfigurationAnswer::Part(part) = world.configuration(receiver, device) else {
        panic!("the owner asks")
    };
    assert_eq!(part.keys_after.len(), 2, "the wrapping key precedes what derives from it");
}

// verifies: TS-H6
#[test]
fn ts_h6_nine_owners_in_turn_get_nine_secrets() {
    let mut world = World::new(14);
    let (a, b) = (world.owner().0, world.owner().0);
    let device = world.device_with_pool(8);
    let mut keys = Vec::new();
    for turn in 0..9 {
        let (from, to) = if turn % 2 == 0 { (&b, &a) } else { (&a, &b) };
        let granted = match turn {
            0 => world.claim(to, device),
            _ => world.transfer(from, device, to),
        };
        assert_eq!(granted, OwnerAnswer::Stands, "owner {turn}");
        keys.push(owner_key(&mut world, to, device).id());
        let ConfigurationAnswer::Part(part) = world.configuration(to, device) else {
            panic!("the owner asks")
        };
        assert_eq!(part.keys_after.len(), if turn < 8 { 1 } else { 2 }, "the ninth by the wrapping key");
        world.wait(Duration::from_secs(6 * 3600));
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 9);
}

// verifies: ASSURE-9.3.1-10
#[test]
fn management_ids_are_128_bits_of_the_generator_positive_and_distinct() {
    let mut world = World::new(15);
    let key = world.key(KeyKind::Ec(Curve::P256));
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..1000 {
        let (origin, keys) = (world.origin("stranger"), world.keys.clone());
        let drawn = clock::Dice::new(origin.seed).bytes::<16>();
        let register = registration::RegisterManagement { key: key.public().clone(), keys, origin };
        let certified = world.register(&register).unwrap();
        let serial = Leaf::from_der(&certified.certificate).unwrap().serial().to_vec();
        assert!(serial[0] & 0x80 == 0, "positive");
        let digits = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
        assert_eq!(digits(&serial), digits(&drawn), "all 128 bits are from the generator");
        ids.insert(certified.id);
    }
    assert_eq!(ids.len(), 1000);
}

fn owner_key(world: &mut World, owner: &model::ManagementId, device: Uuid) -> AuthenticatedKey {
    let ConfigurationAnswer::Part(part) = world.configuration(owner, device) else {
        panic!("the owner asks")
    };
    AuthenticatedKey::decode(part.keys_after.last().unwrap()).unwrap()
}

/// An owner that holds its class 2 key and nothing else.
struct Owner<'a>(KeyId, &'a dyn PrivateKey);

impl HeldKeys for Owner<'_> {
    fn held_key(&self, id: KeyId) -> Option<HeldKey<'_>> {
        (id == self.0).then_some(HeldKey::Private(self.1))
    }

    fn is_root_secret(&self, _: &Secret) -> bool {
        false
    }
}

// verifies: ASSURE-6.1-09
#[test]
fn the_owner_alone_gets_at_the_owner_secret_and_the_server_forgets_it() {
    let mut world = World::new(7);
    let ((a, a_key), (b, b_key)) = (world.owner(), world.owner());
    let device = world.device(DeviceKind::SharedSecret);
    world.claim(&a, device);
    let key = owner_key(&mut world, &a, device);
    assert_eq!(key.class(), Class::ManagementSystem);
    let KeyDefinition::Derived(derived) = key.definition() else { panic!("a derived secret") };
    let class_2 = derived.derivations()[1].reference;
    let open = |id: KeyId, key: &dyn PrivateKey| {
        derived.derive(&*world.provider, &Owner(id, key), &mut RoundBudget::signed_key())
    };
    let secret = open(class_2, &*a_key).unwrap();
    assert_eq!(secret.len(), 32);
    assert!(open(class_2, &*b_key).is_err(), "another owner's key opens nothing");
    assert!(!world.stores(secret.expose()), "the plain owner secret is gone once it is given");
    assert_eq!(world.configuration(&b, device), ConfigurationAnswer::Forbidden);
}

// verifies: TS-M6, ASSURE-15.2-08
#[test]
fn ts_m6_an_rsa_device_waits_for_its_owners_rsa_key() {
    let mut world = World::new(8);
    let (a, _) = world.owner();
    let device = world.device(DeviceKind::Rsa);
    assert_eq!(world.claim(&a, device), OwnerAnswer::Stands);
    assert_eq!(world.configuration(&a, device), ConfigurationAnswer::NotYet);
    let rsa = KeyKind::Rsa { modulus_bits: 2048 };
    let (first, second) = (world.key(rsa), world.key(rsa));
    let link = |world: &mut World, key: &dyn PrivateKey| {
        let (keys, origin) = (world.keys.clone(), world.origin("a"));
        world.register(&LinkRsaKey { id: a.clone(), key: key.public().clone(), keys, origin }).unwrap()
    };
    assert_eq!(link(&mut world, &*first), Linked::Linked);
    assert_eq!(link(&mut world, &*first), Linked::Linked, "again the same key");
    assert_eq!(link(&mut world, &*second), Linked::Forbidden, "another key at the same number");
    let ConfigurationAnswer::Part(part) = world.configuration(&a, device) else { panic!("now it is there") };
    let keys: Vec<_> = part.keys_before.iter().chain(&part.keys_after).collect();
    for key in keys {
        let kind = AuthenticatedKey::decode(key).unwrap().definition().public_key().unwrap().kind();
        assert!(matches!(kind, KeyKind::Rsa { .. }), "an RSA device gets RSA keys only");
    }
}

// verifies: TS-M7, TS-L7, ASSURE-9.3.3-06, ASSURE-9.3.1-12
#[test]
fn ts_m7_a_renewed_certificate_and_a_re_key_keep_the_owner() {
    let mut world = World::new(9);
    let (a, a_key) = world.owner();
    let device = world.device(DeviceKind::SharedSecret);
    world.claim(&a, device);
    let old = owner_key(&mut world, &a, device);
    let new_tls_key = world.key(KeyKind::Ec(Curve::P256));
    let (keys, origin) = (world.keys.clone(), world.origin("a"));
    let renew = RenewCertificate { id: a.clone(), key: new_tls_key.public().clone(), keys, origin };
    let renewed = world.register(&renew).unwrap().unwrap();
    assert_ne!(new_tls_key.public(), a_key.public());
    let CertificateIdentity::Management { id, class_2_key } = identity_of(&renewed.certificate).unwrap()
    else {
        panic!("a management system's certificate")
    };
    assert_eq!(id, a);
    let KeyDefinition::Derived(derived) = old.definition() else { panic!("a derived secret") };
    assert_eq!(class_2_key, derived.derivations()[1].reference, "class 2 stays the first key");
    assert_eq!(world.transfer(&a, device, &a), OwnerAnswer::Stands);
    assert_eq!(world.owner_now(device), OwnerNow { seq: 2, owner: Some(a.clone()) });
    assert_ne!(owner_key(&mut world, &a, device).id(), old.id());
}

// verifies: TS-M9
#[test]
fn ts_m9_failed_claims_bar_the_one_who_fails_and_nobody_else() {
    let mut world = World::new(10);
    let (x, y) = (world.owner().0, world.owner().0);
    let device = world.device(DeviceKind::Ec);
    for failure in 0..20 {
        let refused = world.call(&x, device, Some(WRONG_CASE), None);
        assert_eq!(refused, OwnerAnswer::Forbidden, "failure {failure}");
    }
    let barred = OwnerAnswer::Later { retry_after: Duration::from_secs(3600) };
    assert_eq!(world.call(&x, device, Some(WRONG_CASE), None), barred);
    assert_eq!(world.claim(&x, device), barred, "right or wrong");
    assert_eq!(world.claim(&y, device), OwnerAnswer::Stands, "the real owner is not barred");
    world.wait(Duration::from_secs(3600));
    assert_eq!(world.claim(&x, device), OwnerAnswer::Forbidden, "an hour later it is heard again");
}

// verifies: TS-D05
#[test]
fn who_takes_announced_transfers_only_gets_no_others() {
    let mut world = World::new(11);
    let (a, b) = (world.owner().0, world.owner().0);
    let (first, second) = (world.device(DeviceKind::Ec), world.device(DeviceKind::Ec));
    world.claim(&a, first);
    let origin = world.origin("b");
    assert_eq!(world.register(&TakeAnnouncedOnly { id: b.clone(), announced_only: true, origin }), Ok(true));
    assert_eq!(world.transfer(&a, first, &b), OwnerAnswer::Forbidden);
    let combined = world.call(&a, second, Some(CASE), to(&b));
    assert_eq!(combined, OwnerAnswer::Forbidden, "the combined call too");
    let announce = |world: &World, expected| {
        world.register(&Announce { id: b.clone(), device: first, expected }).unwrap()
    };
    assert!(announce(&world, true));
    assert_eq!(world.transfer(&a, first, &b), OwnerAnswer::Stands);
    assert_eq!(world.transfer(&b, first, &a), OwnerAnswer::Stands);
    assert!(announce(&world, false));
    assert_eq!(world.transfer(&a, first, &b), OwnerAnswer::Forbidden, "taken back");
    assert_eq!(world.claim(&b, second), OwnerAnswer::Stands, "a claim of its own needs no announcement");
}

// verifies: TS-H5
#[test]
fn ts_h5_a_registration_server_restored_from_backup_takes_the_higher_number() {
    let mut world = World::new(12);
    let (a, b) = (world.owner().0, world.owner().0);
    let device = world.device(DeviceKind::SharedSecret);
    world.claim(&a, device);
    let mirror = OwnerNow { seq: 2, owner: Some(b.clone()) };
    let origin = world.origin("start");
    let adopt = registration::AdoptMirror { device, mirror: mirror.clone(), origin };
    assert_eq!(world.register(&adopt), Ok(true));
    assert_eq!(world.owner_now(device), mirror);
    assert_eq!(world.configuration(&a, device), ConfigurationAnswer::Forbidden);
    assert_eq!(
        world.configuration(&b, device),
        ConfigurationAnswer::NotYet,
        "its secret is lost: re-key first"
    );
    assert_eq!(world.register(&adopt), Ok(false), "nothing is behind any more");
    assert_eq!(world.transfer(&b, device, &b), OwnerAnswer::Stands);
    assert_eq!(world.owner_now(device).seq, 3);
    assert!(matches!(world.configuration(&b, device), ConfigurationAnswer::Part(_)));
}

// verifies: TS-H5
#[test]
fn ts_h5_what_a_restored_pool_still_holds_is_given_to_nobody() {
    let begin = || {
        let mut world = World::new(15);
        let (a, b) = (world.owner().0, world.owner().0);
        let device = world.device_with_pool(3);
        world.claim(&a, device);
        (world, a, b, device)
    };
    let (mut before, a, b, device) = begin();
    assert_eq!(before.transfer(&a, device, &b), OwnerAnswer::Stands);
    let of_b = owner_key(&mut before, &b, device).id();
    // The same server, put back to a backup from before that transfer.
    let (mut world, a, b, device) = begin();
    let mirror = OwnerNow { seq: 2, owner: Some(b.clone()) };
    let origin = world.origin("start");
    assert_eq!(world.register(&registration::AdoptMirror { device, mirror, origin }), Ok(true));
    assert_eq!(world.transfer(&b, device, &a), OwnerAnswer::Stands);
    let of_a = owner_key(&mut world, &a, device).id();
    assert_ne!(of_a, of_b, "B knows that secret and would read what A sends");
}

// verifies: ASSURE-9.3.2-07, TS-L2
#[test]
fn case_strings_are_not_stored() {
    let mut world = World::new(13);
    let (a, _) = world.owner();
    let device = world.device(DeviceKind::Ec);
    world.call(&a, device, Some(WRONG_CASE), None);
    world.claim(&a, device);
    assert!(!world.stores(CASE) && !world.stores(WRONG_CASE));
    let again = world.call(&a, device, Some(WRONG_CASE), None);
    assert_eq!(again, OwnerAnswer::Forbidden, "the owner's wrong string is refused too");
}
