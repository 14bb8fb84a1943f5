//! Certificate requests: what is accepted, and everything that is not.

use certificate::{
    KeyDemand, MakeRequestError, REQUEST_LENGTH_MAX, Request, RequestError, make_request, pem_from_der,
};
use crypto::{Curve, KeyKind};

use crate::world::{P256, World};

const RSA_2048: KeyKind = KeyKind::Rsa { modulus_bits: 2048 };

fn request(world: &mut World, kind: KeyKind) -> Vec<u8> {
    let key = world.key(kind);
    make_request(&*key, "Applicant", &mut world.dice).unwrap()
}

// verifies: ASSURE-9.3.1-02, ASSURE-14.2-01
#[test]
fn a_request_proves_the_key_it_carries() {
    let mut world = World::new();
    let key = world.key(P256);
    let der = make_request(&*key, "Applicant", &mut world.dice).unwrap();
    let read = Request::from_der(&der, KeyDemand::P256, &world.provider).unwrap();
    assert_eq!(read.public_key(), key.public());
}

// verifies: ASSURE-9.3.1-03, TS-M8
#[test]
fn ts_m8_requests_on_other_curves_are_refused() {
    let mut world = World::new();
    for kind in [KeyKind::Ec(Curve::P384), KeyKind::Ec(Curve::P521), RSA_2048] {
        let der = request(&mut world, kind);
        let outcome = Request::from_der(&der, KeyDemand::P256, &world.provider);
        assert_eq!(outcome, Err(RequestError::WrongKey), "{kind:?}");
    }
    let der = request(&mut world, P256);
    assert!(Request::from_der(&der, KeyDemand::P256, &world.provider).is_ok(), "the demand is what differs");
}

#[test]
fn an_rsa_key_is_taken_where_one_is_demanded_and_only_there() {
    let mut world = World::new();
    let (rsa, ec) = (request(&mut world, RSA_2048), request(&mut world, P256));
    let read = Request::from_der(&rsa, KeyDemand::Rsa, &world.provider).unwrap();
    assert_eq!(read.public_key().kind(), RSA_2048);
    assert_eq!(Request::from_der(&ec, KeyDemand::Rsa, &world.provider), Err(RequestError::WrongKey));
}

// verifies: ASSURE-9.3.1-03
#[test]
fn cut_off_altered_and_foreign_bytes_are_no_request() {
    let mut world = World::new();
    let der = request(&mut world, P256);
    for length in 0..der.len() {
        let outcome = Request::from_der(&der[..length], KeyDemand::P256, &world.provider);
        assert!(matches!(outcome, Err(RequestError::Malformed { .. })), "cut at {length}: {outcome:?}");
    }
    for at in 0..der.len() {
        for mask in [1, 0x80, 0xff] {
            let mut flipped = der.clone();
            flipped[at] ^= mask;
            let outcome = Request::from_der(&flipped, KeyDemand::P256, &world.provider);
            assert!(outcome.is_err(), "byte {at} xor {mask:#x} must not pass");
        }
    }
    let longer = [&der[..], &[0]].concat();
    let pem = pem_from_der(certificate::CERTIFICATE_REQUEST, &der).unwrap();
    for bad in [longer, pem.into_bytes(), b"{}".to_vec(), world.issuer.certificate().to_vec()] {
        let outcome = Request::from_der(&bad, KeyDemand::P256, &world.provider);
        assert!(matches!(outcome, Err(RequestError::Malformed { .. })), "{outcome:?}");
    }
}

#[test]
fn a_request_signed_by_another_key_is_refused() {
    let mut world = World::new();
    let (first, second) = (request(&mut world, P256), request(&mut world, P256));
    // The outer header has three bytes, the body's two; both bodies have one length.
    assert_eq!((first[1], first[3], first[4]), (0x81, 0x30, second[4]));
    let body_end = 5 + usize::from(first[4]);
    let (body, tail) = (&first[3..body_end], &second[body_end..]);
    let length = u8::try_from(body.len() + tail.len()).unwrap();
    let spliced = [&[0x30, 0x81, length], body, tail];
    let outcome = Request::from_der(&spliced.concat(), KeyDemand::P256, &world.provider);
    assert_eq!(outcome, Err(RequestError::NotSigned));
}

#[test]
fn a_request_over_the_limit_is_refused_unread() {
    let world = World::new();
    let (at_limit, over) = (vec![0x30; REQUEST_LENGTH_MAX], vec![0x30; REQUEST_LENGTH_MAX + 1]);
    let read = |der: &[u8]| Request::from_der(der, KeyDemand::P256, &world.provider);
    assert!(matches!(read(&at_limit), Err(RequestError::Malformed { .. })));
    assert_eq!(read(&over), Err(RequestError::TooLong));
}

#[test]
fn names_that_cannot_stand_in_a_request_are_refused() {
    let mut world = World::new();
    let key = world.key(P256);
    let longest = "x".repeat(64);
    assert!(make_request(&*key, &longest, &mut world.dice).is_ok());
    for bad in ["", "two\nlines", &"x".repeat(65)] {
        let outcome = make_request(&*key, bad, &mut world.dice);
        assert!(matches!(outcome, Err(MakeRequestError::Name(_))), "{bad:?}");
    }
}
