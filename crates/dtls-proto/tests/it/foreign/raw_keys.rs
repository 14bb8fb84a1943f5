//! Raw public keys against GnuTLS, both ways and on both sides.

use std::sync::Arc;

use clock::Dice;
use crypto::{Group, KeyKind, PrivateKey, PublicKey};
use dtls_proto::{
    CertificateType, CipherSuite, ClientAuthentication, ClientSetup, Credential, DEFAULT_GROUPS, PeerKey,
    PeerProof,
};

use super::{Bridge, Folder, Peer, free_port, installed};
use crate::pair::{Policy, keyed_choice, provider};

/// A foreign peer's key in files, and one of ours.
struct Keys {
    folder: Folder,
    theirs: PublicKey,
    ours: Arc<dyn PrivateKey>,
}

impl Keys {
    fn make(name: &str, options: &str) -> Self {
        let folder = Folder::new(name);
        folder.openssl(&format!("genpkey {options} -out their.pem"));
        folder.openssl("pkey -in their.pem -pubout -out their.pub");
        folder.openssl("pkey -in their.pem -pubout -outform DER -out their.der");
        folder.openssl(&format!("genpkey {options} -out our.pem"));
        folder.openssl("pkcs8 -topk8 -nocrypt -in our.pem -outform DER -out our.der");
        let theirs = PublicKey::from_spki(&folder.read("their.der")).expect("openssl writes plain keys");
        let ours = provider().import_key(&folder.read("our.der")).expect("openssl writes plain keys");
        Self { folder, theirs, ours }
    }

    fn gnutls(&self) -> [String; 2] {
        let (key, public) = (self.folder.file("their.pem"), self.folder.file("their.pub"));
        [format!("--rawpkkeyfile={key}"), format!("--rawpkfile={public}")]
    }
}

/// GnuTLS signs with the first hash that is listed, whatever its key: groups name the one curve expected.
const KINDS: [(&str, &str, CipherSuite, &str); 5] = [
    ("p256-ccm8", P256, CipherSuite::EcdheEcdsaAes128Ccm8, "+ECDHE-ECDSA:-CIPHER-ALL:+AES-128-CCM-8"),
    ("p256-gcm", P256, CipherSuite::EcdheEcdsaAes128GcmSha256, "+ECDHE-ECDSA:-CIPHER-ALL:+AES-128-GCM"),
    ("p384", P384, CipherSuite::EcdheEcdsaAes256GcmSha384, "+ECDHE-ECDSA:-CIPHER-ALL:+AES-256-GCM"),
    ("p521", P521, CipherSuite::EcdheEcdsaAes128GcmSha256, "+ECDHE-ECDSA:-CIPHER-ALL:+AES-128-GCM"),
    ("rsa", RSA, CipherSuite::EcdheRsaAes128GcmSha256, "+ECDHE-RSA:-CIPHER-ALL:+AES-128-GCM"),
];
const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
const P384: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-384";
const P521: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-521";
const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";

fn groups_of(key: &PublicKey) -> Vec<Group> {
    match key.kind() {
        KeyKind::Ec(curve) => vec![Group::Nist(curve)],
        KeyKind::Rsa { .. } => DEFAULT_GROUPS.to_vec(),
    }
}

fn priority(rest: &str) -> String {
    format!("--priority=NORMAL:-VERS-ALL:+VERS-DTLS1.2:-CTYPE-ALL:+CTYPE-RAWPK:-KX-ALL:{rest}")
}

// verifies: RFC7250-4, ASSURE-8.3-06
#[test]
fn gnutls_connects_to_our_server_with_raw_keys_on_both_sides() {
    if !installed("gnutls-cli") || !installed("openssl") {
        return;
    }
    for (name, options, suite, rest) in KINDS {
        let keys = Keys::make(&format!("cli-{name}"), options);
        let mut policy = Policy::new();
        let groups = groups_of(&keys.theirs);
        let required = ClientAuthentication::Required(vec![CertificateType::RawPublicKey]);
        policy.choice = keyed_choice(Credential::raw(keys.ours.clone()), required);
        policy.choice.groups = groups;
        policy.trusted = Some(PeerKey::Raw(keys.theirs.clone()));
        let mut bridge = Bridge::server(policy);
        let (port, priority, [key, public]) =
            (format!("--port={}", bridge.port()), priority(rest), keys.gnutls());
        let mut peer =
            Peer::start("gnutls-cli", &["--udp", "--insecure", &port, &priority, &key, &public, "127.0.0.1"]);
        bridge.exchange_lines(&mut peer);
        assert_eq!(bridge.heard.summary().suite, suite, "{name}");
        assert_eq!(bridge.heard.summary().proof, PeerProof::RawKey(keys.theirs));
    }
}

// verifies: RFC7250-4, ASSURE-8.3-06
#[test]
fn our_client_connects_to_gnutls_with_raw_keys_on_both_sides() {
    if !installed("gnutls-serv") || !installed("openssl") {
        return;
    }
    for (name, options, suite, rest) in KINDS {
        let keys = Keys::make(&format!("serv-{name}"), options);
        let port = free_port();
        let (number, priority, [key, public]) = (format!("--port={port}"), priority(rest), keys.gnutls());
        let peer = Peer::start(
            "gnutls-serv",
            &["--udp", "--echo", "--require-client-cert", &number, &priority, &key, &public],
        );
        let credential = Credential::raw(keys.ours.clone());
        let mut setup = ClientSetup::keyed(provider(), Dice::numbered(8), &[suite], Some(credential));
        setup.groups = groups_of(&keys.theirs);
        let mut policy = Policy::new();
        policy.trusted = Some(PeerKey::Raw(keys.theirs.clone()));
        let mut bridge = Bridge::client(setup, policy, port);
        bridge.echo(&peer);
        assert_eq!(bridge.heard.summary().proof, PeerProof::RawKey(keys.theirs), "{name}");
    }
}
