//! Issuing: names, lifetimes, stored issuers.

use certificate::{IssueError, Issuer, Leaf, Lifetime, Profile, Serial, ServerNames};
use clock::Timestamp;
use model::{KeyId, Uuid};

use crate::world::{NOW, P256, World, in_days};

fn names(dns: &[&str]) -> ServerNames {
    ServerNames { dns: dns.iter().map(|name| (*name).to_owned()).collect(), addresses: Vec::new() }
}

// verifies: ASSURE-9.3.1-04
#[test]
fn the_certificate_carries_the_key_and_the_serial_number_it_was_made_for() {
    let mut world = World::new();
    let key = world.key(P256);
    let serial = Serial::random(&mut world.dice);
    let profile = Profile::Management { class_2_key: KeyId([7; 16]), renewal_of: None };
    let der = world.issuer.issue(&world.provider, key.public(), serial, &profile, NOW, &mut world.dice);
    let leaf = Leaf::from_der(&der.unwrap()).unwrap();
    assert_eq!(leaf.public_key().as_ref(), Ok(key.public()));
    let digits = leaf.serial().iter().copied().skip_while(|byte| *byte == 0);
    assert!(digits.eq(serial.as_bytes().iter().copied().skip_while(|byte| *byte == 0)));
}

#[test]
fn serial_numbers_of_all_shapes_stay_positive_and_name_one_id() {
    let mut world = World::new();
    let profile = Profile::Management { class_2_key: KeyId([7; 16]), renewal_of: None };
    let mut first_bits = [false; 2];
    for _ in 0..40 {
        let (der, serial) = world.certificate(&profile);
        first_bits[usize::from(serial.as_bytes()[0] >> 7)] = true;
        let identity = certificate::identity_of(&der).unwrap();
        assert_eq!(identity.caller(), model::Caller::Management(serial.management_id()));
    }
    assert_eq!(first_bits, [true; 2], "both a high and a low first bit were drawn");
}

#[test]
fn server_names_are_host_names_and_at_least_one() {
    let mut world = World::new();
    let key = world.key(P256);
    let mut issue = |names: ServerNames| {
        let profile = Profile::TlsServer { names, until: in_days(1) };
        let serial = Serial::random(&mut world.dice);
        world.issuer.issue(&world.provider, key.public(), serial, &profile, NOW, &mut world.dice)
    };
    let long_label = "a".repeat(64);
    let bad = ["", "*.example.org", "a..b", "-a.org", "a b", "ü.org", "a\0b", &long_label];
    for host in bad {
        assert!(matches!(issue(names(&[host])), Err(IssueError::Name(_))), "{host:?}");
    }
    assert!(matches!(issue(names(&[])), Err(IssueError::Name(_))), "a server without a name");
    assert!(matches!(issue(names(&["a"; 65])), Err(IssueError::Name(_))), "over the limit");
    assert!(issue(names(&["a"; 64])).is_ok());
    let long = format!("{}.{}.example.org", "a".repeat(63), "b".repeat(63));
    assert!(issue(names(&[&long])).is_ok(), "longer than a common name may be");
}

#[test]
fn a_certificate_does_not_end_before_it_starts_nor_after_the_year_9999() {
    let mut world = World::new();
    let key = world.key(P256);
    let mut issue = |until: Timestamp| {
        let serial = Serial::random(&mut world.dice);
        let profile = Profile::Operator { until };
        world.issuer.issue(&world.provider, key.public(), serial, &profile, NOW, &mut world.dice)
    };
    assert!(issue(NOW).is_ok());
    for until in [Timestamp::from_unix_millis(0), Timestamp::from_unix_millis(253_402_300_800_000)] {
        assert_eq!(issue(until), Err(IssueError::Lifetime));
    }
}

#[test]
fn an_issuer_comes_back_from_its_certificate_and_only_with_its_key() {
    let mut world = World::new();
    let stored = world.issuer.certificate().to_vec();
    let key = world.issuer.key().clone();
    world.issuer = Issuer::new(&world.provider, key.clone(), stored.clone()).unwrap();
    let (leaf, _) = world.certificate(&Profile::Maker { maker: Uuid([1; 16]), until: in_days(9) });
    assert!(Leaf::from_der(&leaf).is_ok());

    let other_key = world.key(P256);
    let cut = stored[..stored.len() - 1].to_vec();
    let attempts = [(other_key, stored), (key.clone(), cut), (key, leaf)];
    for (key, certificate) in attempts {
        assert_eq!(Issuer::new(&world.provider, key, certificate).err(), Some(IssueError::Issuer));
    }
}

#[test]
fn a_root_that_ends_before_it_starts_is_not_made() {
    let mut world = World::new();
    let key = world.key(P256);
    let lifetime = Lifetime { from: NOW, until: Some(Timestamp::from_unix_millis(1)) };
    let outcome = Issuer::self_signed_ca(&world.provider, key, "Root", lifetime, &mut world.dice);
    assert_eq!(outcome.err(), Some(IssueError::Lifetime));
}
