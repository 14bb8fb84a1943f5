//! Connection ids against wolfSSL and Mbed TLS, both ways round.

use dtls_proto::{ClientSetup, Resumption};

use super::Bridge;
use super::built::{Library, MBED_TLS, WOLFSSL, client_setup, hex, policy};

const LIBRARIES: [Library; 2] = [WOLFSSL, MBED_TLS];
const OURS: &[u8] = &[0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8];

/// `None` does not speak of ids at all; no bytes want records without one.
type Id = Option<&'static [u8]>;

/// Our id and theirs.
const IDS: [(Id, Id); 6] = [
    (Some(OURS), Some(&[0xB1, 0xB2, 0xB3])),
    (Some(OURS), Some(&[])),
    (Some(&[]), Some(&[0xB1])),
    (Some(&[]), Some(&[])),
    (Some(OURS), None),
    (None, Some(&[0xB1, 0xB2])),
];

/// The arguments that give a peer its id.
fn arguments(id: Id) -> Vec<String> {
    let text = |id: &[u8]| if id.is_empty() { "-".to_owned() } else { hex(id) };
    id.map_or(Vec::new(), |id| vec!["--cid".to_owned(), text(id)])
}

fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// What a peer prints about an id when both sides speak of them, and when one does not.
fn printed(library: Library, id: Id, other: Id) -> String {
    match (id, other) {
        // To Mbed TLS, two ids of no bytes are none.
        (Some([]), Some([])) if library.program == MBED_TLS.program => "none".to_owned(),
        (Some([]), Some(_)) => "empty".to_owned(),
        (Some(id), Some(_)) => hex(id),
        (None, _) | (_, None) => "none".to_owned(),
    }
}

/// Lines both ways before and after each side that may do so has moved.
fn talk_and_move(bridge: &mut Bridge, peer: &mut super::Peer, ours: Id, theirs: Id) {
    bridge.exchange_lines(peer);
    let peer_is_client = bridge.is_server();
    let is_long = |id: Id| id.is_some_and(|id| !id.is_empty());
    if peer_is_client && is_long(ours) && theirs.is_some() {
        peer.tell(":move");
        bridge.hear(peer, "from another port");
        assert_eq!(bridge.moves, 1);
        bridge.say(peer, "to another port");
    }
    if !peer_is_client && is_long(theirs) && ours.is_some() {
        bridge.move_away();
        bridge.say(peer, "from another port");
        bridge.hear(peer, "to another port");
        assert!(peer.said().contains("moved"), "{}", peer.said());
    }
}

// verifies: RFC9146-3, RFC9146-4, RFC9146-5, RFC9146-6, RFC8442-3
#[test]
fn foreign_clients_agree_on_connection_ids_with_our_server_and_may_move() {
    for library in LIBRARIES {
        for (ours, theirs) in IDS {
            if !library.is_there() {
                continue;
            }
            for (suite, name) in library.suites {
                let mut policy = policy(*suite);
                policy.choice.connection_id = ours.map(<[u8]>::to_vec);
                let mut bridge = Bridge::server(policy);
                let mut peer = library.client(name, &bridge, &borrowed(&arguments(theirs)));
                talk_and_move(&mut bridge, &mut peer, ours, theirs);
                assert_eq!(bridge.heard.summary().suite, *suite);
                assert_eq!(peer.agreed("own-cid"), printed(library, theirs, ours), "{}", library.program);
                assert_eq!(peer.agreed("peer-cid"), printed(library, ours, theirs), "{}", library.program);
            }
        }
    }
}

// verifies: RFC9146-3, RFC9146-4, RFC9146-5, RFC9146-6, RFC8442-3
#[test]
fn our_client_agrees_on_connection_ids_with_foreign_servers_and_may_move() {
    for library in LIBRARIES {
        for (ours, theirs) in IDS {
            if !library.is_there() {
                continue;
            }
            for (suite, name) in library.suites {
                let (mut peer, port) = library.server(name, &borrowed(&arguments(theirs)));
                let connection_id = ours.map(<[u8]>::to_vec);
                let setup = ClientSetup { connection_id, ..client_setup(*suite) };
                let mut bridge = Bridge::client(setup, policy(*suite), port);
                talk_and_move(&mut bridge, &mut peer, ours, theirs);
                assert_eq!(bridge.heard.summary().suite, *suite);
                assert_eq!(peer.agreed("own-cid"), printed(library, theirs, ours), "{}", library.program);
                assert_eq!(peer.agreed("peer-cid"), printed(library, ours, theirs), "{}", library.program);
            }
        }
    }
}

// verifies: RFC9146-6
#[test]
fn a_foreign_client_that_moves_without_an_id_of_ours_is_not_followed() {
    for library in LIBRARIES {
        if !library.is_there() {
            continue;
        }
        let (suite, name) = library.suite();
        let mut policy = policy(suite);
        policy.choice.connection_id = Some(Vec::new());
        let mut bridge = Bridge::server(policy);
        let mut peer = library.client(name, &bridge, &["--cid", "b1"]);
        bridge.exchange_lines(&mut peer);
        let heard = bridge.heard.data.len();
        peer.tell(":move\nfrom nowhere known");
        bridge.pass(20);
        assert_eq!((bridge.moves, bridge.heard.data.len()), (0, heard));
    }
}

// verifies: RFC9146-3, RFC5077-3.1
#[test]
fn foreign_clients_resume_with_connection_ids_of_ours() {
    for library in LIBRARIES {
        if !library.is_there() {
            continue;
        }
        let (suite, name) = library.suite();
        let mut policy = policy(suite);
        policy.ticket_state = Some(b"state".to_vec());
        policy.choice.connection_id = Some(OURS.to_vec());
        let mut bridge = Bridge::server(policy);
        let mut peer = library.client(name, &bridge, &["--cid", "b1b2b3"]);
        bridge.exchange_lines(&mut peer);
        assert!(!bridge.heard.summary().resumed);
        bridge.forget_session();
        peer.tell(":again");
        bridge.until_both_connected(&peer, 2);
        assert!(bridge.heard.summary().resumed, "{}", library.program);
        assert_ne!(peer.agreed("resumed"), "0", "{}", library.program);
        assert_eq!(peer.agreed("peer-cid"), hex(OURS), "{}", library.program);
        peer.tell(":move");
        bridge.hear(&mut peer, "resumed and moved");
        assert_eq!(bridge.moves, 1);
    }
}

// verifies: RFC9146-3, RFC5077-3.1
#[test]
fn our_client_resumes_with_connection_ids_of_foreign_servers() {
    for library in LIBRARIES {
        if !library.is_there() {
            continue;
        }
        let (suite, name) = library.suite();
        let (mut peer, port) = library.server(name, &["--cid", "b1b2b3"]);
        let mut resumption = Resumption::Ask;
        for round in 0..2 {
            let setup = ClientSetup { connection_id: Some(OURS.to_vec()), resumption, ..client_setup(suite) };
            let mut bridge = Bridge::client(setup, policy(suite), port);
            bridge.until_both_connected(&peer, round + 1);
            assert_eq!(bridge.heard.summary().resumed, round == 1, "{}", library.program);
            assert_eq!(peer.agreed("peer-cid"), hex(OURS), "{}", library.program);
            bridge.hear(&mut peer, "to the first port");
            bridge.move_away();
            bridge.say(&peer, &format!("moved in round {round}"));
            bridge.hear(&mut peer, "to the second port");
            let ticket = bridge.heard.ticket.take();
            bridge.close();
            bridge.until_closed(&peer, round + 1);
            resumption = ticket.map_or(Resumption::Never, Resumption::With);
        }
    }
}
