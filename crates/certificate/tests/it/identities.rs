//! Whom certificates name, and whom they do not.

use std::net::{IpAddr, Ipv4Addr};

use certificate::{
    BadCertificate, CertificateIdentity, KeyDemand, Profile, Request, Serial, ServerNames, TlsPeer,
    identity_of,
};
use model::{KeyId, ManagementId, ServerRole, Uuid};

use crate::foreign::Openssl;
use crate::world::{NOW, World, in_days};

const CLASS_2: KeyId = KeyId([0xc2; 16]);

fn local() -> ServerNames {
    ServerNames { dns: vec!["localhost".to_owned()], addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)] }
}

#[test]
fn every_kind_of_holder_is_read_back() {
    let mut world = World::new();
    let maker = Uuid::v4([9; 16]);
    let until = in_days(30);
    let server = |role| Profile::AuthorityServer { role, names: local(), until };
    let table = [
        (Profile::Maker { maker, until }, CertificateIdentity::Maker(maker)),
        (Profile::Operator { until }, CertificateIdentity::Operator),
        (server(ServerRole::Registration), CertificateIdentity::Server(ServerRole::Registration)),
        (server(ServerRole::Bootstrap), CertificateIdentity::Server(ServerRole::Bootstrap)),
        (server(ServerRole::Identity), CertificateIdentity::Server(ServerRole::Identity)),
    ];
    for (profile, identity) in table {
        let (der, _) = world.certificate(&profile);
        assert_eq!(identity_of(&der), Ok(identity), "{profile:?}");
    }
}

// verifies: ASSURE-9.3.1-09, TS-M7, TS-L7
#[test]
fn ts_m7_a_renewed_certificate_names_the_same_management_system() {
    let mut world = World::new();
    let (first, serial) = world.certificate(&Profile::Management { class_2_key: CLASS_2, renewal_of: None });
    let id = serial.management_id();
    let expected = CertificateIdentity::Management { id: id.clone(), class_2_key: CLASS_2 };
    assert_eq!(identity_of(&first), Ok(expected.clone()));

    let renewal = Profile::Management { class_2_key: CLASS_2, renewal_of: Some(id.clone()) };
    let (renewed, new_serial) = world.certificate(&renewal);
    assert_ne!(new_serial, serial);
    assert_eq!(identity_of(&renewed), Ok(expected), "neither the new serial number nor the new key counts");
}

#[test]
fn servers_and_authorities_are_no_callers() {
    let mut world = World::new();
    let (server, _) = world.certificate(&Profile::TlsServer { names: local(), until: in_days(1) });
    assert_eq!(identity_of(&server), Err(BadCertificate::NotForClients));
    assert_eq!(identity_of(world.issuer.certificate()), Err(BadCertificate::NotForClients));
}

// verifies: ASSURE-9.3.1-03
#[test]
fn the_subject_of_a_request_does_not_reach_the_certificate() {
    let Some(openssl) = Openssl::found() else { return };
    let mut world = World::new();
    let der = openssl.request("prime256v1", "/OU=Operator/serialNumber=1234", &[]);
    let request = Request::from_der(&der, KeyDemand::P256, &world.provider).unwrap();
    let serial = Serial::random(&mut world.dice);
    let profile = Profile::Management { class_2_key: CLASS_2, renewal_of: None };
    let key = request.public_key();
    let issued = world.issuer.issue(&world.provider, key, serial, &profile, NOW, &mut world.dice).unwrap();
    let expected = CertificateIdentity::Management { id: serial.management_id(), class_2_key: CLASS_2 };
    assert_eq!(identity_of(&issued), Ok(expected), "not the operator that the applicant asked to be");
}

#[test]
fn certificates_of_others_name_nobody_unless_all_of_it_fits() {
    let Some(openssl) = Openssl::found() else { return };
    let maker = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    let client = "extendedKeyUsage=clientAuth";
    let (key_uri, other_uri) = (format!("subjectAltName=URI:urn:uuid:{maker}"), "subjectAltName=URI:urn:x:1");
    let two_uris = format!("{key_uri},URI:urn:uuid:{maker}");
    let good = format!("/OU=Maker/serialNumber={maker}");
    let twice = format!("{good}/serialNumber={maker}");
    let two_kinds = format!("{good}/OU=Operator");
    let maker_id: Uuid = maker.parse().unwrap();
    let id: ManagementId = "abc".parse().unwrap();
    let manager = CertificateIdentity::Management { id, class_2_key: maker_id.into() };
    let named = "/OU=Management System/serialNumber=abc";
    let table: &[(&str, &[&str], Result<CertificateIdentity, BadCertificate>)] = &[
        (&good, &[client], Ok(CertificateIdentity::Maker(maker_id))),
        (&good, &[], Err(BadCertificate::NotForClients)),
        (&good, &["extendedKeyUsage=serverAuth"], Err(BadCertificate::NotForClients)),
        (&good, &[client, "basicConstraints=CA:TRUE"], Err(BadCertificate::NotForClients)),
        (&twice, &[client], Err(BadCertificate::BadIdentity)),
        (&two_kinds, &[client], Err(BadCertificate::UnknownKind)),
        ("/OU=Maker", &[client], Err(BadCertificate::BadIdentity)),
        ("/OU=Maker/serialNumber=12", &[client], Err(BadCertificate::BadIdentity)),
        ("/OU=maker", &[client], Err(BadCertificate::UnknownKind)),
        ("/CN=Operator", &[client], Err(BadCertificate::UnknownKind)),
        (named, &[client, &key_uri], Ok(manager)),
        (named, &[client], Err(BadCertificate::BadIdentity)),
        (named, &[client, other_uri], Err(BadCertificate::BadIdentity)),
        (named, &[client, &two_uris], Err(BadCertificate::BadIdentity)),
        ("/OU=Management System/serialNumber=NULL", &[client, &key_uri], Err(BadCertificate::BadIdentity)),
        ("/OU=Management System/serialNumber=0abc", &[client, &key_uri], Err(BadCertificate::BadIdentity)),
    ];
    for (subject, extensions, expected) in table {
        let der = openssl.self_signed(subject, extensions);
        assert_eq!(identity_of(&der), *expected, "{subject} {extensions:?}");
    }
}

#[test]
fn cut_off_and_altered_certificates_never_panic() {
    let mut world = World::new();
    let (der, _) = world.certificate(&Profile::Management { class_2_key: CLASS_2, renewal_of: None });
    for length in 0..der.len() {
        assert_eq!(identity_of(&der[..length]), Err(BadCertificate::Malformed), "cut at {length}");
    }
    let mut refused = 0;
    for at in 0..der.len() {
        for mask in [1, 0x80, 0xff] {
            let mut flipped = der.clone();
            flipped[at] ^= mask;
            refused += usize::from(identity_of(&flipped).is_err());
        }
    }
    assert!(refused > der.len(), "framing and identity cover most bytes; {refused} refused");
    let padded = [&der[..], &[0; 8192]].concat();
    assert_eq!(identity_of(&padded), Err(BadCertificate::Malformed));
}

#[test]
fn a_peer_without_a_certificate_is_nobody_yet_no_error() {
    let mut world = World::new();
    let (der, _) = world.certificate(&Profile::Operator { until: in_days(1) });
    let address = ([127, 0, 0, 1], 1).into();
    let stranger = TlsPeer { address, leaf: None };
    assert_eq!(stranger.identity(), Ok(None));
    let operator = TlsPeer { address, leaf: Some(der.into()) };
    assert_eq!(operator.identity(), Ok(Some(CertificateIdentity::Operator)));
    let garbage = TlsPeer { address, leaf: Some(b"x".as_slice().into()) };
    assert_eq!(garbage.identity(), Err(BadCertificate::Malformed));
}
