//! Certificate requests, certificates and PEM.

use certificate::{
    CERTIFICATE_REQUEST, Issuer, KeyDemand, Leaf, Lifetime, Profile, Request, RequestError, Serial,
    ServerNames, identity_of, make_request, pem_blocks, pem_from_der,
};
use clock::{Dice, Timestamp};
use crypto::{Curve, KeyKind, Provider as _};
use crypto_server::Server;
use model::{KeyId, ManagementId, ServerRole, Uuid};

use crate::rules::{bounded, reached};
use crate::{Reached, Target};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "certificate_request",
        about: "Request::from_der for both kinds of key",
        length_max: 2048,
        run: request,
        seeds: request_seeds,
    },
    Target {
        name: "certificate",
        about: "identity_of, serial number and key of a certificate",
        length_max: 2048,
        run: leaf,
        seeds: leaf_seeds,
    },
    Target { name: "pem", about: "pem_blocks", length_max: 4096, run: pem, seeds: pem_seeds },
];

const NOW: Timestamp = Timestamp::from_unix_millis(1_795_305_600_000);
const LATER: Timestamp = Timestamp::from_unix_millis(1_805_305_600_000);
const P256: KeyKind = KeyKind::Ec(Curve::P256);

fn request(input: &[u8]) -> Reached {
    let mut accepted = false;
    for demand in [KeyDemand::P256, KeyDemand::Rsa] {
        match bounded(input, |der| Request::from_der(der, demand, &Server)) {
            Ok(request) => {
                let is_ec = matches!(request.public_key().kind(), KeyKind::Ec(Curve::P256));
                assert_eq!(is_ec, demand == KeyDemand::P256, "the key is not of the demanded kind");
                accepted = true;
            }
            Err(RequestError::Malformed { offset }) => assert!(offset <= input.len(), "{offset}"),
            Err(_) => {}
        }
    }
    reached(accepted)
}

fn request_seeds() -> Vec<Vec<u8>> {
    let mut dice = Dice::numbered(8);
    let kinds = [P256, KeyKind::Ec(Curve::P384), KeyKind::Rsa { modulus_bits: 2048 }];
    let of = |kind| {
        let key = Server.generate_key(kind, &mut dice).expect("a kind of the provider");
        make_request(&*key, "Applicant", &mut dice).expect("a good name")
    };
    kinds.map(of).to_vec()
}

fn leaf(input: &[u8]) -> Reached {
    let identity = bounded(input, identity_of);
    let Ok(leaf) = bounded(input, Leaf::from_der) else {
        assert!(identity.is_err());
        return Reached::Refused;
    };
    assert_eq!(leaf.identity(), identity, "one certificate names two holders");
    let _ = leaf.public_key();
    assert!(leaf.serial().len() <= input.len());
    reached(identity.is_ok())
}

fn leaf_seeds() -> Vec<Vec<u8>> {
    let mut dice = Dice::numbered(9);
    let key = || Server.generate_key(P256, &mut Dice::numbered(10)).expect("the provider has P-256");
    let lifetime = Lifetime { from: NOW, until: None };
    let issuer = Issuer::self_signed_ca(&Server, key(), "Root", lifetime, &mut dice).expect("a good name");
    let names = ServerNames { dns: vec!["localhost".to_owned()], addresses: vec![[127, 0, 0, 1].into()] };
    let class_2_key = KeyId([0xc2; 16]);
    let renewal_of = ManagementId::from_serial(&[1, 2, 3]).ok();
    let profiles = [
        Profile::TlsServer { names: names.clone(), until: LATER },
        Profile::Management { class_2_key, renewal_of: None },
        Profile::Management { class_2_key, renewal_of },
        Profile::Maker { maker: Uuid([9; 16]), until: LATER },
        Profile::AuthorityServer { role: ServerRole::Bootstrap, names, until: LATER },
        Profile::Operator { until: LATER },
    ];
    let mut seeds = vec![issuer.certificate().to_vec()];
    for profile in profiles {
        let serial = Serial::random(&mut dice);
        let der = issuer.issue(&Server, key().public(), serial, &profile, NOW, &mut dice);
        seeds.push(der.expect("profiles of this crate are issued"));
    }
    seeds
}

fn pem(input: &[u8]) -> Reached {
    let Ok(text) = std::str::from_utf8(input) else { return Reached::Refused };
    let Ok(blocks) = bounded(input, |_| pem_blocks(text)) else { return Reached::Refused };
    let mut written = String::new();
    for block in &blocks {
        // An empty body has no form in PEM.
        let Ok(one) = pem_from_der(&block.label, block.der.expose()) else { return Reached::Accepted };
        written.push_str(&one);
    }
    let again = pem_blocks(&written).expect("what we write is read");
    assert_eq!(again.len(), blocks.len());
    for (one, other) in again.iter().zip(&blocks) {
        assert!(one.label == other.label && one.der == other.der, "a block changed");
    }
    reached(!blocks.is_empty())
}

fn pem_seeds() -> Vec<Vec<u8>> {
    let of = |der: Vec<u8>| pem_from_der(CERTIFICATE_REQUEST, &der).expect("DER has a form in PEM");
    let mut texts: Vec<String> = request_seeds().into_iter().map(of).collect();
    texts.push(texts.concat());
    texts.push(texts[0].replace('\n', "\r\n"));
    texts.into_iter().map(String::into_bytes).collect()
}
