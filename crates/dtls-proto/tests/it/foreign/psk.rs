//! Shared secrets against OpenSSL, GnuTLS and libcoap.

use clock::Dice;
use dtls_proto::{CipherSuite, ClientSetup, Closing, PeerProof, Resumption};

use super::{Bridge, Folder, Peer, free_port, free_port_behind_another, installed};
use crate::pair::{PSK, Policy, provider};

const IDENTITY: &str = "device-1";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn policy() -> Policy {
    let mut policy = Policy::new();
    policy.identity = IDENTITY.as_bytes().to_vec();
    policy.secrets = [(policy.identity.clone(), PSK.to_vec())].into();
    policy
}

fn client_setup(suite: CipherSuite) -> ClientSetup {
    ClientSetup { suites: vec![suite], ..ClientSetup::psk(provider(), Dice::numbered(9)) }
}

const OPENSSL_SUITES: [(CipherSuite, &str); 3] = [
    (CipherSuite::PskAes128Ccm8, "PSK-AES128-CCM8:@SECLEVEL=0"),
    (CipherSuite::PskAes128GcmSha256, "PSK-AES128-GCM-SHA256"),
    (CipherSuite::PskAes256GcmSha384, "PSK-AES256-GCM-SHA384"),
];

// verifies: RFC4279-2, RFC6655-5, RFC6347-4.2.1
#[test]
fn openssl_connects_to_our_server_with_a_shared_secret() {
    if !installed("openssl") {
        return;
    }
    for (suite, cipher) in OPENSSL_SUITES {
        let mut bridge = Bridge::server(policy());
        let (address, psk) = (format!("127.0.0.1:{}", bridge.port()), hex(PSK));
        let arguments = ["s_client", "-connect", &address, "-dtls1_2", "-cipher", cipher];
        let secret = ["-psk_identity", IDENTITY, "-psk", &psk];
        let mut peer = Peer::start("openssl", &[&arguments[..], &secret].concat());
        bridge.exchange_lines(&mut peer);
        let summary = bridge.heard.summary();
        assert_eq!(summary.suite, suite);
        assert!(summary.extended_master_secret);
        let hint = Some(b"a hint".to_vec());
        assert_eq!(summary.proof, PeerProof::Psk { identity: IDENTITY.as_bytes().to_vec(), hint });
    }
}

// verifies: RFC4279-2, RFC6655-5
#[test]
fn our_client_connects_to_openssl_with_a_shared_secret() {
    if !installed("openssl") {
        return;
    }
    for (suite, cipher) in OPENSSL_SUITES {
        for cookie in [true, false] {
            let (port, psk) = (free_port(), hex(PSK));
            let address = format!("127.0.0.1:{port}");
            let mut arguments = vec!["s_server", "-accept", &address, "-dtls1_2", "-nocert", "-quiet"];
            arguments.extend(["-cipher", cipher, "-psk_hint", "their hint", "-psk", &psk]);
            if cookie {
                arguments.push("-listen");
            }
            let mut peer = Peer::start("openssl", &arguments);
            let mut bridge = Bridge::client(client_setup(suite), policy(), port);
            bridge.exchange_lines(&mut peer);
            let summary = bridge.heard.summary();
            let hint = Some(b"their hint".to_vec());
            assert_eq!(summary.suite, suite);
            assert_eq!(summary.proof, PeerProof::Psk { identity: IDENTITY.as_bytes().to_vec(), hint });
        }
    }
}

const GNUTLS_SUITES: [(CipherSuite, &str); 4] = [
    (CipherSuite::PskAes128Ccm8, "+PSK:-CIPHER-ALL:+AES-128-CCM-8"),
    (CipherSuite::PskAes128GcmSha256, "+PSK:-CIPHER-ALL:+AES-128-GCM"),
    (CipherSuite::PskAes256GcmSha384, "+PSK:-CIPHER-ALL:+AES-256-GCM"),
    (CipherSuite::EcdhePskAes128GcmSha256, "+ECDHE-PSK:-CIPHER-ALL:+AES-128-GCM"),
];

fn gnutls_priority(rest: &str) -> String {
    format!("--priority=NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:{rest}")
}

/// GnuTLS 3.7 does not have the suites of RFC 8442.
fn gnutls_has(suite: CipherSuite) -> bool {
    suite != CipherSuite::EcdhePskAes128GcmSha256
}

#[test]
fn gnutls_connects_to_our_server_with_a_shared_secret() {
    if !installed("gnutls-cli") {
        return;
    }
    for (suite, rest) in GNUTLS_SUITES.into_iter().filter(|(suite, _)| gnutls_has(*suite)) {
        let mut bridge = Bridge::server(policy());
        let (port, psk) = (format!("--port={}", bridge.port()), format!("--pskkey={}", hex(PSK)));
        let (priority, identity) = (gnutls_priority(rest), format!("--pskusername={IDENTITY}"));
        let mut peer = Peer::start("gnutls-cli", &["--udp", &port, &priority, &identity, &psk, "127.0.0.1"]);
        bridge.exchange_lines(&mut peer);
        assert_eq!(bridge.heard.summary().suite, suite);
    }
}

#[test]
fn our_client_connects_to_gnutls_with_a_shared_secret_and_a_long_hint() {
    if !installed("gnutls-serv") {
        return;
    }
    let folder = Folder::new("gnutls-psk");
    std::fs::write(folder.file("psk"), format!("{IDENTITY}:{}\n", hex(PSK))).expect("the folder is ours");
    for (suite, rest) in GNUTLS_SUITES.into_iter().filter(|(suite, _)| gnutls_has(*suite)) {
        let port = free_port();
        let long_hint = "h".repeat(300);
        let (number, hint) = (format!("--port={port}"), format!("--pskhint={long_hint}"));
        let (priority, secrets) = (gnutls_priority(rest), format!("--pskpasswd={}", folder.file("psk")));
        let peer = Peer::start("gnutls-serv", &["--udp", "--echo", &number, &priority, &secrets, &hint]);
        let mut bridge = Bridge::client(client_setup(suite), policy(), port);
        bridge.echo(&peer);
        assert_eq!(bridge.heard.summary().suite, suite);
        let proof = bridge.heard.summary().proof.clone();
        assert!(matches!(proof, PeerProof::Psk { hint: Some(hint), .. } if hint == long_hint.as_bytes()));
    }
}

// verifies: RFC7627-5.3
#[test]
fn a_peer_without_extended_master_secret_connects_but_gets_no_ticket() {
    if !installed("gnutls-cli") {
        return;
    }
    let mut policy = policy();
    policy.ticket_state = Some(b"state".to_vec());
    let mut bridge = Bridge::server(policy);
    let (port, psk) = (format!("--port={}", bridge.port()), format!("--pskkey={}", hex(PSK)));
    let priority = gnutls_priority("+PSK:%NO_SESSION_HASH");
    let identity = format!("--pskusername={IDENTITY}");
    let mut peer = Peer::start("gnutls-cli", &["--udp", &port, &priority, &identity, &psk, "127.0.0.1"]);
    bridge.exchange_lines(&mut peer);
    assert!(!bridge.heard.summary().extended_master_secret);
}

// verifies: RFC5746-4.5
#[test]
fn openssl_that_wants_to_renegotiate_is_refused() {
    if !installed("openssl") {
        return;
    }
    let mut bridge = Bridge::server(policy());
    let (address, psk) = (format!("127.0.0.1:{}", bridge.port()), hex(PSK));
    let arguments = ["s_client", "-connect", &address, "-dtls1_2", "-cipher", "PSK-AES128-GCM-SHA256"];
    let secret = ["-psk_identity", IDENTITY, "-psk", &psk];
    let mut peer = Peer::start("openssl", &[&arguments[..], &secret].concat());
    bridge.exchange_lines(&mut peer);
    let asked = bridge.policy.asked.len();
    peer.tell("R");
    bridge.until(&peer, "the end of a peer that insists", |bridge, _| bridge.heard.closing.is_some());
    assert!(matches!(bridge.heard.closing, Some(Closing::ByPeer(_))), "{:?}", bridge.heard.closing);
    assert_eq!(bridge.policy.asked.len(), asked, "no second hello was looked at");
}

// verifies: RFC5077-3.1
#[test]
fn openssl_resumes_with_a_ticket_of_ours() {
    if !installed("openssl") {
        return;
    }
    let folder = Folder::new("resume-client");
    let (session, psk) = (folder.file("session"), hex(PSK));
    let mut listener = None;
    for round in 0..2 {
        let mut policy = policy();
        policy.ticket_state = Some(b"state".to_vec());
        let mut bridge = Bridge::server(policy);
        if let Some(before) = listener.take() {
            bridge.listener = before;
        }
        let address = format!("127.0.0.1:{}", bridge.port());
        let keep = if round == 0 { "-sess_out" } else { "-sess_in" };
        let arguments = ["s_client", "-connect", &address, "-dtls1_2", "-cipher", "PSK-AES128-GCM-SHA256"];
        let rest = ["-psk_identity", IDENTITY, "-psk", &psk, keep, &session];
        let mut peer = Peer::start("openssl", &[&arguments[..], &rest].concat());
        bridge.exchange_lines(&mut peer);
        assert_eq!(bridge.heard.summary().resumed, round == 1);
        listener = Some(bridge.listener.take());
    }
}

// verifies: RFC5077-3.1
#[test]
fn our_client_resumes_with_a_ticket_of_openssl() {
    if !installed("openssl") {
        return;
    }
    let (port, psk) = (free_port(), hex(PSK));
    let address = format!("127.0.0.1:{port}");
    let arguments = ["s_server", "-accept", &address, "-dtls1_2", "-nocert", "-quiet"];
    let rest = ["-cipher", "PSK-AES128-GCM-SHA256", "-psk", &psk];
    let mut peer = Peer::start("openssl", &[&arguments[..], &rest].concat());
    let mut resumption = Resumption::Ask;
    for round in 0..2 {
        let setup = ClientSetup { resumption, ..client_setup(CipherSuite::PskAes128GcmSha256) };
        let mut bridge = Bridge::client(setup, policy(), port);
        bridge.exchange_lines(&mut peer);
        assert_eq!(bridge.heard.summary().resumed, round == 1);
        let now = bridge.now();
        let session = bridge.session.as_mut().expect("it is connected");
        session.close(now);
        bridge.drain();
        match bridge.heard.ticket.take() {
            Some(ticket) => resumption = Resumption::With(ticket),
            None => {
                assert_eq!(round, 1, "the first session brings a ticket");
                return;
            }
        }
    }
}

#[test]
fn libcoap_clients_connect_and_their_request_arrives() {
    for program in ["coap-client-openssl", "coap-client-gnutls"] {
        if !installed(program) {
            continue;
        }
        let mut bridge = Bridge::server(policy());
        bridge.policy.choice.suites = vec![CipherSuite::PskAes128Ccm8, CipherSuite::PskAes128GcmSha256];
        bridge.policy.secrets = [(IDENTITY.as_bytes().to_vec(), b"sesame".to_vec())].into();
        let target = format!("coaps://127.0.0.1:{}/x", bridge.port());
        let peer = Peer::start(program, &["-B", "10", "-u", IDENTITY, "-k", "sesame", &target]);
        bridge.until_connected(&peer);
        bridge.until(&peer, "a CoAP request", |bridge, _| {
            bridge.heard.data.iter().any(|data| data.first().is_some_and(|byte| byte >> 6 == 1))
        });
    }
}

#[test]
fn our_client_connects_to_libcoap_servers() {
    for program in ["coap-server-openssl", "coap-server-gnutls"] {
        if !installed(program) {
            continue;
        }
        // libcoap listens for DTLS on the port after the one it is given.
        let port = free_port_behind_another();
        let given = format!("{}", port - 1);
        let peer = Peer::start(program, &["-A", "127.0.0.1", "-p", &given, "-k", "sesame", "-h", "hint"]);
        let mut policy = policy();
        policy.secrets = [(IDENTITY.as_bytes().to_vec(), b"sesame".to_vec())].into();
        let mut bridge = Bridge::client(client_setup(CipherSuite::PskAes128Ccm8), policy, port);
        bridge.until_connected(&peer);
        // A CoAP ping is answered by a reset.
        bridge.until_answered(&peer, &[0x40, 0, 0x12, 0x34], &[0x70, 0, 0x12, 0x34]);
    }
}
