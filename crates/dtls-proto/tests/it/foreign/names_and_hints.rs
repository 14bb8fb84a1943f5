//! The peer_name extension from a foreign library, long hints, and small datagrams.

use dtls_proto::{ClientSetup, Limits, PeerName, PeerProof, Question};

use super::Bridge;
use super::built::{MBED_TLS, OPENSSL, WOLFSSL, client_setup, hex, policy};
use crate::pair::SERVER_NAME;

const PEER_NAME: &str = "65400";
const THEIR_NAME: PeerName = [0x7A; 16];

fn list(name: &PeerName) -> String {
    format!("001100{}", hex(name))
}

// verifies: ASSURE-8.2.1-01, ASSURE-8.2.1-02, ASSURE-8.2.1-04
#[test]
fn openssl_names_itself_to_our_server_and_is_told_our_name() {
    if !OPENSSL.is_there() {
        return;
    }
    let (suite, name) = OPENSSL.suite();
    let mut bridge = Bridge::server(policy(suite));
    let mut peer = OPENSSL.client(name, &bridge, &["--extension", PEER_NAME, &list(&THEIR_NAME)]);
    bridge.exchange_lines(&mut peer);
    assert_eq!(bridge.heard.summary().peer_name, Some(THEIR_NAME));
    assert_eq!(peer.agreed("extension"), list(&SERVER_NAME));
    let asked = &bridge.policy.asked;
    assert!(
        asked.iter().any(
            |question| matches!(question, Question::Hello(hello) if hello.peer_name == Some(THEIR_NAME))
        )
    );
}

// verifies: ASSURE-8.2.1-01, ASSURE-8.2.1-02, ASSURE-8.2.1-04
#[test]
fn our_client_names_itself_to_openssl_and_is_told_its_name() {
    if !OPENSSL.is_there() {
        return;
    }
    let (suite, name) = OPENSSL.suite();
    let (mut peer, port) = OPENSSL.server(name, &["--extension", PEER_NAME, &list(&THEIR_NAME)]);
    let ours: PeerName = [0x0A; 16];
    let setup = ClientSetup { name: Some(ours), ..client_setup(suite) };
    let mut bridge = Bridge::client(setup, policy(suite), port);
    bridge.exchange_lines(&mut peer);
    assert_eq!(peer.agreed("extension"), list(&ours));
    assert_eq!(bridge.heard.summary().peer_name, Some(THEIR_NAME));
}

// verifies: RFC5246-7.4.1.4
#[test]
fn an_unknown_extension_of_a_foreign_client_is_passed_over() {
    if !OPENSSL.is_there() {
        return;
    }
    let (suite, name) = OPENSSL.suite();
    let mut bridge = Bridge::server(policy(suite));
    let mut peer = OPENSSL.client(name, &bridge, &["--extension", "65300", "0102030405"]);
    bridge.exchange_lines(&mut peer);
    assert_eq!(peer.agreed("extension"), "none");
    assert_eq!(bridge.heard.summary().peer_name, None);
}

/// 3000 bytes of many values, from `first` on.
fn long_hint(first: u8) -> Vec<u8> {
    (first..=250).cycle().take(3000).collect()
}

// verifies: RFC4279-2, RFC6347-4.2.3
#[test]
fn foreign_clients_take_a_hint_of_3000_bytes_in_datagrams_of_any_size() {
    for library in [WOLFSSL, MBED_TLS] {
        for (datagram_size_max, mtu) in [(1232, "1232"), (256, "256")] {
            if !library.is_there() {
                continue;
            }
            let (suite, name) = library.suites[0];
            // wolfSSL hands hints on as text, which ends at a zero.
            let hint = long_hint(u8::from(library.program == WOLFSSL.program));
            let mut policy = policy(suite);
            policy.choice.hint = Some(hint.clone());
            let limits = Limits { datagram_size_max, ..Limits::default() };
            let mut bridge = Bridge::server_with(policy, limits);
            let mut peer = library.client(name, &bridge, &["--mtu", mtu]);
            bridge.exchange_lines(&mut peer);
            let proof = bridge.heard.summary().proof.clone();
            assert!(matches!(proof, PeerProof::Psk { hint: Some(sent), .. } if sent == hint));
            // Mbed TLS passes over hints and cannot tell their length.
            let told = if library.program == WOLFSSL.program { "3000" } else { "-1" };
            assert_eq!(peer.agreed("hint"), told, "{}", library.program);
        }
    }
}

// verifies: RFC4279-2, RFC6347-4.2.3
#[test]
fn our_client_takes_a_long_hint_of_wolfssl_in_small_datagrams() {
    if !WOLFSSL.is_there() {
        return;
    }
    let (suite, name) = WOLFSSL.suites[0];
    let hint = "h".repeat(WOLFSSL_HINT);
    let (mut peer, port) = WOLFSSL.server(name, &["--hint", &hint, "--mtu", "300"]);
    let limits = Limits { datagram_size_max: 256, ..Limits::default() };
    let setup = ClientSetup { limits, ..client_setup(suite) };
    let mut bridge = Bridge::client(setup, policy(suite), port);
    bridge.exchange_lines(&mut peer);
    let proof = bridge.heard.summary().proof.clone();
    assert!(matches!(proof, PeerProof::Psk { hint: Some(heard), .. } if heard == hint.as_bytes()));
}

/// Long, and still within one record of wolfSSL.
const WOLFSSL_HINT: usize = 3000;
