//! Shared secrets: every suite, every fault of the network.

use std::time::Duration;

use crypto::{Curve, Group};
use dtls_proto::{Alert, CipherSuite, ClientSetup, Closing, Limits, PeerProof, Question, SendError};

use crate::pair::{
    CLIENT_NAME, Fate, IDENTITY, PSK, Pair, SERVER_NAME, To, providers, psk_setup, psk_setup_with,
};

const PSK_SUITES: [CipherSuite; 5] = [
    CipherSuite::PskAes128Ccm8,
    CipherSuite::PskAes128GcmSha256,
    CipherSuite::PskAes256GcmSha384,
    CipherSuite::EcdhePskAes128Ccm8Sha256,
    CipherSuite::EcdhePskAes128GcmSha256,
];

#[test]
fn sessions_and_listeners_move_between_threads() {
    fn movable<T: Send>() {}
    movable::<dtls_proto::Session>();
    movable::<dtls_proto::Listener>();
}

// verifies: ASSURE-8.1-02, ASSURE-8.2-01, ASSURE-8.2.1-01
#[test]
fn our_hello_has_name_extended_master_secret_and_connection_id() {
    let mut pair = Pair::psk();
    pair.run_for(Duration::from_secs(1));
    let hello = &pair.sent_to(To::Server)[0];
    let has = |extension: &[u8]| hello.windows(extension.len()).any(|bytes| bytes == extension);
    assert!(has(&[0, 23, 0, 0]), "extended_master_secret");
    assert!(has(&[0, 54, 0, 1, 0]), "connection_id, with none of our own");
    assert!(has(&[&[0xFF, 0x78, 0, 19, 0, 17, 0][..], &CLIENT_NAME].concat()), "peer_name");
    assert!(has(&[0xFF, 1, 0, 1, 0]), "renegotiation_info");
}

// verifies: RFC4279-2, RFC5487-2, RFC6655-5, RFC8442-3, ASSURE-8.4-09
#[test]
fn every_suite_with_a_shared_secret_connects_with_both_providers() {
    for provider in providers() {
        for suite in PSK_SUITES {
            let setup = ClientSetup { suites: vec![suite], ..psk_setup_with(provider.clone()) };
            let mut pair = Pair::new(setup);
            pair.run();
            pair.exchange_data();
            let summary = pair.server_heard.summary();
            assert_eq!(summary.suite, suite, "{}", provider.name());
            assert!(summary.extended_master_secret && !summary.resumed);
            assert_eq!(pair.client_heard.summary().suite, suite);
        }
    }
}

// verifies: ASSURE-8.3-04
#[test]
fn the_summary_reports_name_identity_and_hint_of_one_handshake() {
    let mut pair = Pair::psk();
    pair.run();
    let proof = PeerProof::Psk { identity: IDENTITY.to_vec(), hint: Some(b"a hint".to_vec()) };
    let server = pair.server_heard.summary();
    assert_eq!((server.peer_name, server.own_name), (Some(CLIENT_NAME), Some(SERVER_NAME)));
    assert_eq!(server.proof, proof);
    let client = pair.client_heard.summary();
    assert_eq!((client.peer_name, client.own_name), (Some(SERVER_NAME), Some(CLIENT_NAME)));
    assert_eq!(client.proof, proof);
    let Question::ServerNamed { peer_name, hint } = &pair.client_policy.asked[0] else {
        panic!("a PSK client is asked about the server's name first")
    };
    assert_eq!((*peer_name, hint.as_deref()), (Some(SERVER_NAME), Some(&b"a hint"[..])));
    let Question::Hello(offer) = &pair.server_policy.asked[0] else { panic!("the hello comes first") };
    assert_eq!(offer.peer_name, Some(CLIENT_NAME), "the name is known before suite, hint and key");
}

// verifies: ASSURE-8.3-04, RFC5246-7.4.1.4
#[test]
fn a_server_names_itself_only_to_a_client_that_did() {
    let mut pair = Pair::new(ClientSetup { name: None, ..psk_setup() });
    pair.run();
    pair.exchange_data();
    assert_eq!(pair.client_heard.summary().peer_name, None);
    assert_eq!(pair.server_heard.summary().own_name, None);
}

// verifies: RFC4279-2
#[test]
fn no_hint_an_empty_hint_and_a_long_hint_are_three_things() {
    for hint in [None, Some(Vec::new()), Some(vec![b'h'; 4096])] {
        let mut pair = Pair::psk();
        pair.server_policy.choice.hint = hint.clone();
        pair.run();
        pair.exchange_data();
        let Question::ServerNamed { hint: received, .. } = &pair.client_policy.asked[0] else {
            panic!("the client is asked")
        };
        assert_eq!(*received, hint);
    }
}

// verifies: RFC6347-4.2.4
#[test]
fn each_datagram_may_be_lost_once_and_the_handshake_completes() {
    for lost in 0..6 {
        for direction in [To::Server, To::Client] {
            let mut pair = Pair::psk();
            pair.fate = Box::new(
                move |to, number, _| {
                    if to == direction && number == lost { Fate::Lose } else { Fate::Deliver }
                },
            );
            pair.run_for(Duration::from_secs(20));
            pair.fate = Box::new(|_, _, _| Fate::Deliver);
            pair.exchange_data();
            assert_eq!(pair.client_heard.connected, 1, "{direction:?} {lost}");
            assert_eq!(pair.server_heard.connected, 1);
        }
    }
}

// verifies: RFC6347-4.2.4.1
#[test]
fn waits_double_and_a_silent_server_is_given_up() {
    let mut pair = Pair::psk();
    pair.fate = Box::new(|_, _, _| Fate::Lose);
    let start = pair.now;
    pair.run();
    assert_eq!(pair.client_heard.closing, Some(Closing::TimedOut));
    assert_eq!(pair.sent_to(To::Server).len(), 7);
    // 1 + 2 + 4 + 8 + 16 + 32 s between the seven, and 60 s behind the last, which is the longest wait.
    // The limit of the whole handshake comes first.
    assert_eq!(pair.now - start, Duration::from_secs(120));
    assert_eq!(pair.client.next_deadline(), None);
}

#[test]
fn everything_twice_connects_once() {
    let mut pair = Pair::psk();
    pair.fate = Box::new(|_, _, _| Fate::Twice);
    pair.run();
    pair.exchange_data();
    assert_eq!((pair.client_heard.connected, pair.server_heard.connected), (1, 1));
    assert_eq!(pair.sessions_accepted, 1, "a repeated hello belongs to its session");
}

// verifies: RFC6347-4.1.2.6, RFC6347-4.2.2
#[test]
fn any_reordering_connects() {
    for late in 0..5 {
        for direction in [To::Server, To::Client] {
            let setup =
                ClientSetup { limits: Limits { datagram_size_max: 256, ..Limits::default() }, ..psk_setup() };
            let mut pair = Pair::new(setup);
            pair.fate = Box::new(move |to, number, _| {
                if to == direction && number == late {
                    Fate::Late(Duration::from_millis(300))
                } else {
                    Fate::Deliver
                }
            });
            pair.run_for(Duration::from_secs(20));
            pair.exchange_data();
            assert!(pair.now.as_micros() < 30_000_000, "{direction:?} {late}");
        }
    }
}

#[test]
fn a_last_flight_that_got_lost_is_sent_again() {
    let mut pair = Pair::psk();
    // To the client: HelloVerifyRequest, hello flight, Finished.
    pair.fate =
        Box::new(|to, number, _| if to == To::Client && number == 2 { Fate::Lose } else { Fate::Deliver });
    pair.run_for(Duration::from_secs(3));
    assert!(pair.both_connected());
    assert_eq!(pair.server_heard.connected, 1);
    pair.exchange_data();
    // What is left to do is to give prepared keys up; a last flight would be kept for four minutes.
    let soon = pair.now + Duration::from_secs(60);
    let due = pair.server().next_deadline();
    assert!(due.is_none_or(|due| due < soon), "data from the client shows that it heard us: {due:?}");
}

#[test]
fn a_kept_last_flight_is_forgotten_in_time() {
    let mut pair = Pair::psk();
    pair.run_for(Duration::from_secs(1));
    assert!(pair.server().next_deadline().is_some());
    pair.run_for(Duration::from_secs(300));
    assert_eq!(pair.server().next_deadline(), None);
    pair.exchange_data();
}

// verifies: RFC6347-4.1.1.1
#[test]
fn small_datagrams_carry_everything() {
    for size in [256, 480, 1232] {
        let limits = Limits { datagram_size_max: size, ..Limits::default() };
        let mut listener = dtls_proto::ListenerSetup::new(crate::pair::provider(), clock::Dice::numbered(2));
        listener.limits = limits;
        let mut pair = Pair::with_listener(ClientSetup { limits, ..psk_setup() }, listener);
        pair.server_policy.choice.hint = Some(vec![b'h'; 2000]);
        pair.run();
        assert!(pair.both_connected());
        assert!(pair.sent.iter().all(|(_, datagram)| datagram.len() <= size));
        let limit = pair.client.plaintext_size_max();
        assert!(limit > size - 64);
        let now = pair.now;
        assert_eq!(pair.client.send(&vec![0; limit + 1], now), Err(SendError::TooLong { limit }));
        pair.client.send(&vec![9; limit], now).unwrap();
        pair.run_for(Duration::from_secs(1));
        assert_eq!(pair.server_heard.data, [vec![9; limit]]);
        assert!(pair.sent.iter().all(|(_, datagram)| datagram.len() <= size));
    }
}

// verifies: RFC4279-2, RFC6347-4.1.2.7
#[test]
fn a_wrong_secret_ends_with_bad_record_mac_on_both_sides() {
    let mut pair = Pair::psk();
    pair.client_policy.secrets.insert(IDENTITY.to_vec(), vec![8; 32]);
    pair.run();
    assert_eq!(pair.server_heard.closing.and_then(|closing| closing.alert()), Some(Alert::BadRecordMac));
    assert_eq!(pair.client_heard.closing, Some(Closing::ByPeer(Alert::BadRecordMac)));
    assert_eq!((pair.client_heard.connected, pair.server_heard.connected), (0, 0));
}

// verifies: RFC4279-2
#[test]
fn an_unknown_identity_is_refused_with_alert_115() {
    let mut pair = Pair::psk();
    pair.server_policy.secrets.clear();
    pair.run();
    assert_eq!(pair.server_heard.closing, Some(Closing::ByUs(Alert::UnknownPskIdentity)));
    assert_eq!(pair.client_heard.closing, Some(Closing::ByPeer(Alert::UnknownPskIdentity)));
}

#[test]
fn a_random_secret_for_an_unknown_identity_looks_like_a_wrong_secret() {
    let outcome = |known: bool| {
        let mut pair = Pair::psk();
        if known {
            pair.client_policy.secrets.insert(IDENTITY.to_vec(), vec![8; 32]);
        } else {
            // The server's owner answers for an identity it does not know with a secret nobody has.
            pair.client_policy.secrets = [(b"nobody".to_vec(), PSK.to_vec())].into();
            pair.client_policy.identity = b"nobody".to_vec();
            pair.server_policy.secrets = [(b"nobody".to_vec(), vec![1; 32])].into();
        }
        pair.run();
        let sizes: Vec<_> = pair.sent_to(To::Client).iter().map(Vec::len).collect();
        (sizes, pair.client_heard.closing)
    };
    assert_eq!(outcome(true), outcome(false));
}

#[test]
fn an_owner_may_refuse_a_name_before_any_key_is_used() {
    let mut pair = Pair::psk();
    pair.server_policy.refuse = Some(Alert::AccessDenied);
    pair.run();
    assert_eq!(pair.client_heard.closing, Some(Closing::ByPeer(Alert::AccessDenied)));
    assert_eq!(pair.server_policy.asked.len(), 1);
    assert!(matches!(pair.server_policy.asked[0], Question::Hello(_)));
}

#[test]
fn a_client_may_refuse_the_key_a_hint_names_with_alert_115() {
    let mut pair = Pair::psk();
    pair.client_policy.refuse = Some(Alert::UnknownPskIdentity);
    pair.run();
    assert_eq!(pair.client_heard.closing, Some(Closing::ByUs(Alert::UnknownPskIdentity)));
    assert_eq!(pair.server_heard.closing, Some(Closing::ByPeer(Alert::UnknownPskIdentity)));
}

#[test]
fn answers_may_come_late_and_only_once() {
    let mut pair = Pair::psk();
    pair.answer_after = Duration::from_secs(5);
    pair.run_for(Duration::from_secs(60));
    pair.exchange_data();
    assert_eq!((pair.client_heard.connected, pair.server_heard.connected), (1, 1));
    assert_eq!((pair.client_policy.asked.len(), pair.server_policy.asked.len()), (1, 2));
    let now = pair.now;
    let late = dtls_proto::Answer::Refuse(Alert::AccessDenied);
    assert_eq!(pair.client.answer(late, now), Err(dtls_proto::NotAsked));
    pair.exchange_data();
}

#[test]
fn an_answer_of_another_kind_changes_nothing() {
    let mut pair = Pair::psk();
    pair.answer_after = Duration::from_secs(5);
    pair.run_for(Duration::from_secs(1));
    let now = pair.now;
    let wrong = || dtls_proto::Answer::AcceptKey { ticket_state: None };
    assert_eq!(pair.server().answer(wrong(), now), Err(dtls_proto::NotAsked), "the hello is open");
    assert_eq!(pair.client.answer(wrong(), now), Err(dtls_proto::NotAsked), "nothing is open");
    pair.run_for(Duration::from_secs(60));
    pair.exchange_data();
}

#[test]
fn an_owner_that_never_answers_costs_no_more_than_the_limit() {
    let mut pair = Pair::psk();
    pair.answer_after = Duration::from_secs(1000);
    pair.run();
    assert_eq!(pair.server_heard.closing, Some(Closing::TimedOut));
    assert_eq!(pair.client_heard.closing, Some(Closing::TimedOut));
}

// verifies: RFC5246-7.2.1
#[test]
fn a_goodbye_is_answered_and_ends_both_sides() {
    let mut pair = Pair::psk();
    pair.run();
    let now = pair.now;
    pair.client.close(now);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.client_heard.closing, Some(Closing::ByUs(Alert::CloseNotify)));
    assert_eq!(pair.server_heard.closing, Some(Closing::ByPeer(Alert::CloseNotify)));
    assert_eq!(pair.client.send(b"late", now), Err(SendError::Closed));
    assert_eq!(pair.server().send(b"late", now), Err(SendError::Closed));
}

#[test]
fn an_owner_that_finds_a_mismatch_after_connecting_aborts_with_an_alert() {
    let mut pair = Pair::psk();
    pair.run();
    let now = pair.now;
    pair.server().abort(Alert::AccessDenied, now);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.client_heard.closing, Some(Closing::ByPeer(Alert::AccessDenied)));
}

#[test]
fn every_group_serves_an_ephemeral_exchange() {
    let groups =
        [Group::X25519, Group::Nist(Curve::P256), Group::Nist(Curve::P384), Group::Nist(Curve::P521)];
    for provider in providers() {
        for group in groups {
            let setup = ClientSetup {
                suites: vec![CipherSuite::EcdhePskAes128GcmSha256],
                groups: vec![group],
                ..psk_setup_with(provider.clone())
            };
            let mut pair = Pair::new(setup);
            pair.run();
            pair.exchange_data();
        }
    }
}

// verifies: RFC5246-7.4.1.3
#[test]
fn without_a_common_suite_or_group_there_is_no_handshake() {
    let mut pair = Pair::psk();
    pair.server_policy.choice.suites = vec![CipherSuite::EcdhePskAes128GcmSha256];
    pair.run();
    assert_eq!(pair.client_heard.closing, Some(Closing::ByPeer(Alert::HandshakeFailure)));
    let setup = ClientSetup {
        suites: vec![CipherSuite::EcdhePskAes128GcmSha256],
        groups: vec![Group::X25519],
        ..psk_setup()
    };
    let mut pair = Pair::new(setup);
    pair.server_policy.choice.groups = vec![Group::Nist(Curve::P256)];
    pair.run();
    assert_eq!(pair.client_heard.closing, Some(Closing::ByPeer(Alert::HandshakeFailure)));
}
