//! OpenSSL as the foreign peer: its requests are accepted, ours and our certificates pass its checks.
#![expect(
    clippy::disallowed_methods,
    reason = "the foreign peer is a process, and CI says that it must be there"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use certificate::{
    CERTIFICATE, KeyDemand, Profile, Request, RequestError, ServerNames, make_request, pem_from_der,
};
use model::{KeyId, Uuid};

use crate::world::{P256, World, in_days};

/// The program, and a directory of its own for its files.
pub(crate) struct Openssl {
    directory: PathBuf,
}

static DIRECTORY_COUNT: AtomicU32 = AtomicU32::new(0);

impl Openssl {
    /// `None`, said aloud, where it is not installed; with CI=true that is a failure.
    pub(crate) fn found() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "peer openssl: not installed");
            println!("SKIPPED peer openssl: not installed");
            return None;
        }
        let number = DIRECTORY_COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("openssl-{}-{number}", std::process::id());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&directory).unwrap();
        Some(Self { directory })
    }

    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.directory.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs it to success and returns what it printed on both channels.
    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new("openssl").args(arguments).current_dir(&self.directory).output().unwrap();
        let both = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&both).into_owned();
        assert!(output.status.success(), "openssl {arguments:?}: {printed}");
        printed
    }

    fn new_key(&self, kind: &str) {
        let curve = format!("ec_paramgen_curve:{kind}");
        let arguments: &[&str] = match kind {
            "RSA" => &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            "RSA-1024" => &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
            "ED25519" => &["genpkey", "-algorithm", "ED25519"],
            _ => &["genpkey", "-algorithm", "EC", "-pkeyopt", &curve],
        };
        self.run(&[arguments, &["-out", "key.pem"]].concat());
    }

    /// A request in DER, by a new key on a curve, or "RSA", "RSA-1024", "ED25519".
    pub(crate) fn request(&self, kind: &str, subject: &str, more: &[&str]) -> Vec<u8> {
        self.new_key(kind);
        let arguments = ["req", "-new", "-key", "key.pem", "-subj", subject, "-outform", "DER", "-out", "r"];
        self.run(&[&arguments[..], more].concat());
        std::fs::read(self.directory.join("r")).unwrap()
    }

    /// A self-signed certificate in DER with exactly these extensions.
    pub(crate) fn self_signed(&self, subject: &str, extensions: &[&str]) -> Vec<u8> {
        self.new_key("prime256v1");
        let config =
            "[req]\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n[ext]\nsubjectKeyIdentifier=hash\n";
        let config = self.file("config", format!("{config}{}\n", extensions.join("\n")).as_bytes());
        let arguments = [
            "req", "-x509", "-new", "-key", "key.pem", "-subj", subject, "-config", &config, "-outform",
            "DER",
        ];
        self.run(&[&arguments[..], &["-days", "2", "-out", "c"]].concat());
        std::fs::read(self.directory.join("c")).unwrap()
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let removed = std::fs::remove_dir_all(&self.directory);
        assert!(removed.is_ok() || std::thread::panicking(), "the directory is ours alone");
    }
}

// verifies: ASSURE-9.3.1-03, TS-M8
#[test]
fn requests_made_by_openssl_are_judged_by_their_key() {
    let Some(openssl) = Openssl::found() else { return };
    let world = World::new();
    let table = [
        ("prime256v1", KeyDemand::P256, None),
        ("secp384r1", KeyDemand::P256, Some(RequestError::WrongKey)),
        ("secp521r1", KeyDemand::P256, Some(RequestError::WrongKey)),
        ("secp256k1", KeyDemand::P256, Some(RequestError::WrongKey)),
        ("ED25519", KeyDemand::P256, Some(RequestError::WrongKey)),
        ("RSA", KeyDemand::P256, Some(RequestError::WrongKey)),
        ("RSA", KeyDemand::Rsa, None),
        ("RSA-1024", KeyDemand::Rsa, Some(RequestError::WrongKey)),
        ("prime256v1", KeyDemand::Rsa, Some(RequestError::WrongKey)),
    ];
    for (kind, demand, expected) in table {
        let der = openssl.request(kind, "/CN=Any/O=Some body", &["-addext", "subjectAltName=DNS:a.example"]);
        assert_eq!(Request::from_der(&der, demand, &world.provider).err(), expected, "{kind} {demand:?}");
    }
}

#[test]
fn openssl_requests_by_another_hash_or_padding_are_refused() {
    let Some(openssl) = Openssl::found() else { return };
    let world = World::new();
    let by_hash = openssl.request("prime256v1", "/CN=x", &["-sha384"]);
    let outcome = Request::from_der(&by_hash, KeyDemand::P256, &world.provider);
    assert_eq!(outcome.err(), Some(RequestError::WrongAlgorithm));
    let by_padding = openssl.request("RSA", "/CN=x", &["-sigopt", "rsa_padding_mode:pss"]);
    let outcome = Request::from_der(&by_padding, KeyDemand::Rsa, &world.provider);
    assert_eq!(outcome.err(), Some(RequestError::WrongAlgorithm));
    let by_sha1 = openssl.request("RSA", "/CN=x", &["-sha1"]);
    let outcome = Request::from_der(&by_sha1, KeyDemand::Rsa, &world.provider);
    assert_eq!(outcome.err(), Some(RequestError::WrongAlgorithm));
    for hash in ["-sha256", "-sha384", "-sha512"] {
        let der = openssl.request("RSA", "/CN=x", &[hash]);
        assert!(Request::from_der(&der, KeyDemand::Rsa, &world.provider).is_ok(), "{hash}");
    }
}

#[test]
fn openssl_accepts_our_requests() {
    let Some(openssl) = Openssl::found() else { return };
    let mut world = World::new();
    for kind in [P256, crypto::KeyKind::Rsa { modulus_bits: 2048 }] {
        let key = world.key(kind);
        let der = make_request(&*key, "Müller & Söhne, #1", &mut world.dice).unwrap();
        let file = openssl.file("request.der", &der);
        let printed = openssl.run(&[
            "req", "-inform", "DER", "-in", &file, "-verify", "-noout", "-subject", "-nameopt", "utf8",
        ]);
        assert!(printed.contains("verify OK"), "{printed}");
        assert!(printed.contains("Müller & Söhne, #1"), "{printed}");
    }
}

// verifies: ASSURE-9.3.1-04, TS-M7
#[test]
fn openssl_verifies_what_we_issue_for_its_purpose_and_for_no_other() {
    let Some(openssl) = Openssl::found() else { return };
    let mut world = World::new();
    let until = in_days(365);
    let names = ServerNames {
        dns: vec!["a.example".to_owned()],
        addresses: vec![[127, 0, 0, 1].into(), [0; 16].into()],
    };
    let role = model::ServerRole::Bootstrap;
    let table = [
        (Profile::TlsServer { names: names.clone(), until }, true, false),
        (Profile::AuthorityServer { role, names, until }, true, true),
        (Profile::Maker { maker: Uuid([3; 16]), until }, false, true),
        (Profile::Operator { until }, false, true),
        (Profile::Management { class_2_key: KeyId([2; 16]), renewal_of: None }, false, true),
    ];
    let root =
        openssl.file("root.pem", pem_from_der(CERTIFICATE, world.issuer.certificate()).unwrap().as_bytes());
    for (profile, server, client) in table {
        let (der, _) = world.certificate(&profile);
        let leaf = openssl.file("leaf.pem", pem_from_der(CERTIFICATE, &der).unwrap().as_bytes());
        for (purpose, expected) in [("sslserver", server), ("sslclient", client)] {
            let status = Command::new("openssl")
                .args(["verify", "-x509_strict", "-attime", "1795392000", "-CAfile", &root])
                .args(["-purpose", purpose, &leaf])
                .output()
                .unwrap();
            assert_eq!(status.status.success(), expected, "{profile:?} as {purpose}: {status:?}");
        }
        if server {
            let arguments = ["verify", "-attime", "1795392000", "-CAfile", &root];
            let names = ["-verify_hostname", "a.example", "-verify_ip", "127.0.0.1", &leaf];
            openssl.run(&[&arguments[..], &names].concat());
        }
    }
}

// verifies: ASSURE-9.3.1-09, TS-M7, TS-L7
#[test]
fn openssl_reads_what_a_management_certificate_says() {
    let Some(openssl) = Openssl::found() else { return };
    let mut world = World::new();
    let id = "abcdef0123456789".parse().unwrap();
    let profile = Profile::Management { class_2_key: KeyId([0xc2; 16]), renewal_of: Some(id) };
    let (der, serial) = world.certificate(&profile);
    let file = openssl.file("leaf.der", &der);
    let printed = openssl.run(&["x509", "-inform", "DER", "-in", &file, "-noout", "-text", "-serial"]);
    let hex: String = serial.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
    let expected = [
        "Not After : Dec 31 23:59:59 9999 GMT",
        "Not Before: Nov 21 23:00:00 2026 GMT",
        "URI:urn:uuid:c2c2c2c2-c2c2-c2c2-c2c2-c2c2c2c2c2c2",
        "serialNumber = abcdef0123456789",
        "OU = Management System",
        "TLS Web Client Authentication",
        "CA:FALSE",
        "Digital Signature",
        "ecdsa-with-SHA256",
        &format!("serial={hex}"),
    ];
    for line in expected {
        assert!(printed.contains(line), "{line} is missing in {printed}");
    }
    assert!(!printed.contains("TLS Web Server Authentication"));
}
