//! Enveloped data between us and OpenSSL, both ways.

use std::sync::Arc;

use assure_proto::cms::{self, OpenError};
use clock::Dice;
use crypto::{Curve, KeyKind, PrivateKey, Provider};
use model::{KeyId, hex};

use crate::peer::{self, Workshop};
use crate::vectors::providers;

const ID: KeyId = KeyId([0x1d; 16]);
const BOUND: [u8; 32] = [0xb0; 32];
const PLAINTEXT: [u8; 32] = [0x5a; 32];
const EC: [&str; 2] = ["-keyopt", "ecdh_kdf_md:sha256"];
const OAEP: [&str; 6] =
    ["-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256", "-keyopt", "rsa_mgf1_md:sha256"];

/// Each provider with a key of `kind`, where it has such private keys.
fn holders(kind: KeyKind) -> Vec<(&'static dyn Provider, Arc<dyn PrivateKey>)> {
    let with_key = |provider: &'static dyn Provider| {
        provider.generate_key(kind, &mut Dice::numbered(4)).ok().map(|key| (provider, key))
    };
    providers().into_iter().filter_map(with_key).collect()
}

fn ec_holders() -> Vec<(&'static dyn Provider, Arc<dyn PrivateKey>)> {
    [Curve::P256, Curve::P384, Curve::P521]
        .into_iter()
        .flat_map(|curve| holders(KeyKind::Ec(curve)))
        .collect()
}

fn rsa_holders() -> Vec<(&'static dyn Provider, Arc<dyn PrivateKey>)> {
    let holders = holders(KeyKind::Rsa { modulus_bits: 2048 });
    assert!(!holders.is_empty());
    holders
}

/// What the command makes for the workshop's certificate.
fn command_encrypts(workshop: &Workshop, cipher: &str, options: &[&str]) -> Vec<u8> {
    workshop.write("plain", &PLAINTEXT);
    let fixed = ["cms", "-encrypt", "-binary", cipher, "-keyid", "-outform", "DER"];
    let files = ["-in", "plain", "-out", "theirs.der", "-recip", "cert.pem"];
    workshop.must("openssl", &[&fixed[..], &files[..], options].concat());
    workshop.read("theirs.der")
}

fn command_decrypts(workshop: &Workshop, der: &[u8]) {
    workshop.write("ours.der", der);
    let files = ["-in", "ours.der", "-inkey", "key.pem", "-out", "opened"];
    workshop.must("openssl", &[&["cms", "-decrypt", "-binary", "-inform", "DER"][..], &files[..]].concat());
    assert_eq!(workshop.read("opened"), PLAINTEXT);
}

// verifies: ASSURE-7.2-28, ASSURE-7.2-29
#[test]
fn derivations_for_ec_keys_go_both_ways_with_the_openssl_command() {
    let Some(workshop) = peer::openssl() else { return };
    for (provider, key) in ec_holders() {
        workshop.certify(&*key);
        let theirs = command_encrypts(&workshop, "-aes128", &EC);
        assert_eq!(cms::open(provider, &*key, None, &theirs).unwrap().expose(), PLAINTEXT);
        assert_eq!(cms::open(provider, &*key, Some(&BOUND), &theirs), Err(OpenError::BindingAbsent));
        let ours = cms::seal(provider, key.public(), &ID, None, &PLAINTEXT, &mut Dice::numbered(1)).unwrap();
        command_decrypts(&workshop, &ours);
    }
}

// verifies: ASSURE-7.2-29, ASSURE-15.5.2-01, ASSURE-15.5.2-02
#[test]
fn rsa_messages_go_both_ways_with_the_openssl_command() {
    let Some(workshop) = peer::openssl() else { return };
    let label = format!("rsa_oaep_label:{}", hex(&BOUND));
    let labelled = [&OAEP[..], &["-keyopt", &label]].concat();
    for (provider, key) in rsa_holders() {
        workshop.certify(&*key);
        let theirs = command_encrypts(&workshop, "-aes128", &OAEP);
        assert_eq!(cms::open(provider, &*key, None, &theirs).unwrap().expose(), PLAINTEXT);
        assert_eq!(cms::open(provider, &*key, Some(&BOUND), &theirs), Err(OpenError::BindingAbsent));
        let theirs = command_encrypts(&workshop, "-aes128", &labelled);
        assert_eq!(cms::open(provider, &*key, Some(&BOUND), &theirs).unwrap().expose(), PLAINTEXT);
        assert_eq!(cms::open(provider, &*key, None, &theirs), Err(OpenError::BindingOther));
        for bound in [None, Some(&BOUND)] {
            let dice = &mut Dice::numbered(1);
            let ours = cms::seal(provider, key.public(), &ID, bound, &PLAINTEXT, dice).unwrap();
            command_decrypts(&workshop, &ours);
        }
    }
}

// verifies: ASSURE-15.5.1-01, ASSURE-15.5.1-02, TS-M1
#[test]
fn bound_ec_messages_go_both_ways_with_libcrypto() {
    let Some(workshop) = peer::cms_peer() else { return };
    let ukm = hex(&BOUND);
    let peer = workshop.path("cms_peer");
    let peer = peer.to_str().unwrap();
    for (provider, key) in ec_holders() {
        workshop.certify(&*key);
        workshop.write("plain", &PLAINTEXT);
        workshop.must(peer, &["encrypt", "cert.pem", &ukm, "plain", "theirs.der"]);
        let theirs = workshop.read("theirs.der");
        assert_eq!(cms::open(provider, &*key, Some(&BOUND), &theirs).unwrap().expose(), PLAINTEXT);
        assert_eq!(cms::open(provider, &*key, None, &theirs), Err(OpenError::BindingOther));
        assert_eq!(cms::open(provider, &*key, Some(&[0; 32]), &theirs), Err(OpenError::BindingOther));

        let dice = &mut Dice::numbered(1);
        let ours = cms::seal(provider, key.public(), &ID, Some(&BOUND), &PLAINTEXT, dice).unwrap();
        command_decrypts(&workshop, &ours);
        workshop.must(peer, &["decrypt", "key.pem", &ukm, "ours.der", "opened"]);
        assert_eq!(workshop.read("opened"), PLAINTEXT);
        let other = workshop.run(peer, &["decrypt", "key.pem", &hex(&[0; 32]), "ours.der", "opened"]);
        assert!(!other.status.success(), "the peer looks at the binding");
    }
}

#[test]
fn stronger_algorithms_of_the_openssl_command_are_accepted() {
    let Some(workshop) = peer::openssl() else { return };
    for (provider, key) in holders(KeyKind::Ec(Curve::P256)) {
        workshop.certify(&*key);
        for kdf in ["ecdh_kdf_md:sha384", "ecdh_kdf_md:sha512"] {
            let theirs = command_encrypts(&workshop, "-aes256", &["-keyopt", kdf]);
            assert_eq!(cms::open(provider, &*key, None, &theirs).unwrap().expose(), PLAINTEXT, "{kdf}");
        }
    }
    for (provider, key) in rsa_holders() {
        workshop.certify(&*key);
        for hash in ["sha384", "sha512"] {
            let (digest, mask) = (format!("rsa_oaep_md:{hash}"), format!("rsa_mgf1_md:{hash}"));
            let options = ["-keyopt", "rsa_padding_mode:oaep", "-keyopt", &digest, "-keyopt", &mask];
            let theirs = command_encrypts(&workshop, "-aes256", &options);
            assert_eq!(cms::open(provider, &*key, None, &theirs).unwrap().expose(), PLAINTEXT, "{hash}");
        }
    }
}

// verifies: ASSURE-15.5.2-02
#[test]
fn weak_algorithms_of_the_openssl_command_are_refused() {
    let Some(workshop) = peer::openssl() else { return };
    for (provider, key) in holders(KeyKind::Ec(Curve::P256)) {
        workshop.certify(&*key);
        let cofactor = ["-keyopt", "ecdh_kdf_md:sha256", "-keyopt", "ecdh_cofactor_mode:1"];
        let cases: [(&str, &[&str]); 4] = [
            ("-aes128", &["-keyopt", "ecdh_kdf_md:sha1"]),
            ("-aes192", &EC),
            ("-des3", &EC),
            ("-aes128", &cofactor),
        ];
        for (cipher, options) in cases {
            let theirs = command_encrypts(&workshop, cipher, options);
            let outcome = cms::open(provider, &*key, None, &theirs);
            assert_eq!(outcome, Err(OpenError::RefusedAlgorithm), "{cipher} {options:?}");
        }
    }
    for (provider, key) in rsa_holders() {
        workshop.certify(&*key);
        let cases: [&[&str]; 4] = [
            &[],
            &["-keyopt", "rsa_padding_mode:oaep"],
            &[
                "-keyopt",
                "rsa_padding_mode:oaep",
                "-keyopt",
                "rsa_oaep_md:sha256",
                "-keyopt",
                "rsa_mgf1_md:sha1",
            ],
            &[
                "-keyopt",
                "rsa_padding_mode:oaep",
                "-keyopt",
                "rsa_oaep_md:sha1",
                "-keyopt",
                "rsa_mgf1_md:sha256",
            ],
        ];
        for options in cases {
            let theirs = command_encrypts(&workshop, "-aes128", options);
            let outcome = cms::open(provider, &*key, None, &theirs);
            assert_eq!(outcome, Err(OpenError::RefusedAlgorithm), "{options:?}");
        }
    }
}

#[test]
fn ber_of_the_openssl_command_is_refused() {
    let Some(workshop) = peer::openssl() else { return };
    for (provider, key) in holders(KeyKind::Ec(Curve::P256)) {
        workshop.certify(&*key);
        let theirs = command_encrypts(&workshop, "-aes128", &[&EC[..], &["-stream"]].concat());
        let outcome = cms::open(provider, &*key, None, &theirs);
        assert!(matches!(outcome, Err(OpenError::Malformed(_))), "{outcome:?}");
    }
}
