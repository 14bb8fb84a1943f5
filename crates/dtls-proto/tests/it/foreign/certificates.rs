//! X.509 certificates against OpenSSL, both ways and on both sides.

use clock::Dice;
use dtls_proto::{
    CertificateType, CipherSuite, ClientAuthentication, ClientSetup, Credential, PeerKey, PeerProof,
};

use super::{Bridge, Folder, Peer, free_port, installed};
use crate::pair::{Policy, keyed_choice, provider};

const KINDS: [(&str, &str, CipherSuite, &str); 3] = [
    ("ec-ccm8", EC, CipherSuite::EcdheEcdsaAes128Ccm8, "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0"),
    ("ec-gcm", EC, CipherSuite::EcdheEcdsaAes256GcmSha384, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("rsa", "rsa:2048", CipherSuite::EcdheRsaAes256GcmSha384, "ECDHE-RSA-AES256-GCM-SHA384"),
];
const EC: &str = "ec -pkeyopt ec_paramgen_curve:P-256";

struct Certificates {
    folder: Folder,
    ours: Credential,
    their_chain: Vec<Vec<u8>>,
}

impl Certificates {
    fn make(name: &str, key: &str) -> Self {
        let folder = Folder::new(name);
        for who in ["our", "their"] {
            folder.openssl(&format!(
                "req -x509 -newkey {key} -nodes -days 30 -subj /CN={who} -keyout {who}.pem -out {who}.crt"
            ));
            folder.openssl(&format!("x509 -in {who}.crt -outform DER -out {who}.cer"));
            folder.openssl(&format!("pkcs8 -topk8 -nocrypt -in {who}.pem -outform DER -out {who}.der"));
        }
        let key = provider().import_key(&folder.read("our.der")).expect("openssl writes plain keys");
        let ours = Credential { key, chain: vec![folder.read("our.cer")] };
        let their_chain = vec![folder.read("their.cer")];
        Self { folder, ours, their_chain }
    }
}

// verifies: RFC5246-7.4.2, RFC8422-5
#[test]
fn openssl_connects_to_our_server_with_certificates_on_both_sides() {
    if !installed("openssl") {
        return;
    }
    for (name, key, suite, cipher) in KINDS {
        let made = Certificates::make(&format!("client-{name}"), key);
        let mut policy = Policy::new();
        let required = ClientAuthentication::Required(vec![CertificateType::X509]);
        policy.choice = keyed_choice(made.ours, required);
        policy.trusted = Some(PeerKey::Chain(made.their_chain.clone()));
        let mut bridge = Bridge::server(policy);
        let address = format!("127.0.0.1:{}", bridge.port());
        let (key, certificate) = (made.folder.file("their.pem"), made.folder.file("their.crt"));
        let arguments = ["s_client", "-connect", &address, "-dtls1_2", "-cipher", cipher];
        let mut peer =
            Peer::start("openssl", &[&arguments[..], &["-key", &key, "-cert", &certificate]].concat());
        bridge.exchange_lines(&mut peer);
        assert_eq!(bridge.heard.summary().suite, suite);
        assert_eq!(bridge.heard.summary().proof, PeerProof::Chain(made.their_chain));
    }
}

// verifies: RFC5246-7.4.2, RFC8422-5
#[test]
fn our_client_connects_to_openssl_with_certificates_on_both_sides() {
    if !installed("openssl") {
        return;
    }
    for (name, key, suite, cipher) in KINDS {
        let made = Certificates::make(&format!("server-{name}"), key);
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let (key, certificate) = (made.folder.file("their.pem"), made.folder.file("their.crt"));
        let ours = made.folder.file("our.crt");
        let mut arguments = vec!["s_server", "-accept", &address, "-dtls1_2", "-quiet", "-cipher", cipher];
        arguments.extend(["-key", &key, "-cert", &certificate, "-Verify", "1", "-CAfile", &ours]);
        let mut peer = Peer::start("openssl", &arguments);
        let setup = ClientSetup::keyed(provider(), Dice::numbered(8), &[suite], Some(made.ours));
        let mut policy = Policy::new();
        policy.trusted = Some(PeerKey::Chain(made.their_chain.clone()));
        let mut bridge = Bridge::client(setup, policy, port);
        bridge.exchange_lines(&mut peer);
        assert_eq!(bridge.heard.summary().proof, PeerProof::Chain(made.their_chain));
    }
}
