//! Tickets and connection ids.

use std::time::Duration;

use clock::{Dice, Moment};
use crypto::{Curve, KeyKind};
use dtls_proto::{
    Alert, Arrival, CipherSuite, ClientSetup, Closing, Listener, ListenerSetup, Output, PeerName, PeerProof,
    Question, Resumption, Ticket, connection_id_of,
};

use crate::hostile::{EXTENDED_MASTER_SECRET, change_hellos, replace};
use crate::keyed::raw_pair;
use crate::pair::{CLIENT_NAME, Fate, IDENTITY, Pair, SERVER_NAME, To, provider, psk_setup};

const STATE: &[u8] = b"channel 1, key 5, owner sequence 2";

fn ticketing(run: u64) -> ListenerSetup {
    let mut setup = ListenerSetup::new(provider(), Dice::numbered(run));
    setup.ticket_key_duration = Some(Duration::from_secs(3600));
    setup
}

fn asking() -> ClientSetup {
    ClientSetup { resumption: Resumption::Ask, ..psk_setup() }
}

fn resuming(ticket: Ticket) -> ClientSetup {
    ClientSetup { resumption: Resumption::With(ticket), dice: Dice::numbered(31), ..psk_setup() }
}

/// A first session that ended with a ticket, and its listener.
fn first_session() -> (Ticket, Listener, Moment) {
    let mut pair = Pair::with_listener(asking(), ticketing(2));
    pair.server_policy.ticket_state = Some(STATE.to_vec());
    pair.run_for(Duration::from_secs(2));
    pair.exchange_data();
    (pair.client_heard.ticket.take().expect("a ticket came"), pair.listener, pair.now)
}

// verifies: RFC5077-3.1, RFC7627-5.3
#[test]
fn a_ticket_stands_for_a_full_handshake() {
    let (ticket, listener, now) = first_session();
    let mut pair = Pair::on_listener(resuming(ticket), listener, now);
    pair.run_for(Duration::from_secs(2));
    pair.exchange_data();
    let summary = pair.server_heard.summary();
    assert!(summary.resumed && summary.extended_master_secret);
    assert_eq!(summary.peer_name, Some(CLIENT_NAME), "the name is that of this hello");
    let proof = PeerProof::Psk { identity: IDENTITY.to_vec(), hint: Some(b"a hint".to_vec()) };
    assert_eq!(summary.proof, proof);
    let question = Question::Ticket { state: STATE.to_vec(), proof, peer_name: Some(CLIENT_NAME) };
    assert_eq!(pair.server_policy.asked, [question]);
    assert_eq!(pair.client_policy.asked, [], "no key was used");
    assert_eq!(pair.client_heard.summary().peer_name, Some(SERVER_NAME));
    assert!(pair.client_heard.summary().resumed);
}

// verifies: TS-M5
#[test]
fn ts_m5_a_ticket_is_judged_again_and_refused_after_a_change() {
    let (ticket, listener, now) = first_session();
    let mut pair = Pair::on_listener(resuming(ticket), listener, now);
    pair.server_policy.resume = false;
    pair.run_for(Duration::from_secs(2));
    pair.exchange_data();
    assert!(!pair.server_heard.summary().resumed && !pair.client_heard.summary().resumed);
    let kinds: Vec<_> = pair.server_policy.asked.iter().map(std::mem::discriminant).collect();
    assert_eq!(kinds.len(), 3, "Ticket, Hello, PskIdentity");
    assert!(matches!(pair.server_policy.asked[2], Question::PskIdentity { .. }), "the key was proven anew");
    let (ticket, listener, now) = first_session();
    let mut pair = Pair::on_listener(resuming(ticket), listener, now);
    pair.server_policy.refuse = Some(Alert::AccessDenied);
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.client_heard.closing, Some(Closing::ByPeer(Alert::AccessDenied)));
    assert_eq!(pair.server_heard.connected, 0);
}

// verifies: TS-M5
#[test]
fn a_ticket_dies_with_its_keys_and_is_of_no_use_elsewhere() {
    let (ticket, listener, now) = first_session();
    let late = now + Duration::from_secs(3601);
    let mut pair = Pair::on_listener(resuming(ticket), listener, late);
    pair.run_for(Duration::from_secs(2));
    pair.exchange_data();
    assert!(!pair.server_heard.summary().resumed, "its time is over");
    let (ticket, _, _) = first_session();
    let mut pair = Pair::with_listener(resuming(ticket), ticketing(99));
    pair.run_for(Duration::from_secs(2));
    pair.exchange_data();
    assert!(!pair.server_heard.summary().resumed, "another listener has other keys");
    assert!(matches!(pair.server_policy.asked[0], Question::Hello(_)));
}

// verifies: TS-M5, RFC7627-5.3
#[test]
fn ts_m5_nothing_is_resumed_without_the_extended_master_secret() {
    for way in [To::Server, To::Client] {
        let (ticket, listener, now) = first_session();
        let mut pair = Pair::on_listener(resuming(ticket), listener, now);
        // From the server it is cut out, since what a client did not offer would be refused for that alone.
        change_hellos(&mut pair, way, move |body| match way {
            To::Server => replace(body, EXTENDED_MASTER_SECRET, &[0xFA, 0xFA, 0, 0]),
            To::Client => cut_extension(body, EXTENDED_MASTER_SECRET),
        });
        pair.run_for(Duration::from_secs(5));
        assert_eq!((pair.client_heard.connected, pair.server_heard.connected), (0, 0));
        let victim = if way == To::Server { &pair.server_heard } else { &pair.client_heard };
        let Some(Closing::Violated(violation)) = victim.closing else { panic!("{way:?}: refused") };
        assert_eq!((violation.alert, violation.clause), (Alert::HandshakeFailure, "RFC7627-5.3"));
        assert_eq!(pair.server_policy.asked.is_empty(), way == To::Server, "nobody was asked about it");
    }
}

/// Takes an extension without content out of a ServerHello.
fn cut_extension(body: &mut Vec<u8>, extension: &[u8]) {
    let at = body.windows(extension.len()).position(|bytes| bytes == extension).expect("it is there");
    body.drain(at..at + extension.len());
    let session_id = usize::from(body[34]);
    let list = 35 + session_id + 3;
    let length = u16::from_be_bytes([body[list], body[list + 1]]) - 4;
    body[list..list + 2].copy_from_slice(&length.to_be_bytes());
}

// verifies: TS-M4
#[test]
fn ts_m4_who_comes_under_another_name_is_seen_also_on_resumption() {
    const OTHER: PeerName = [0x0E; 16];
    /// What the owner of the server does with a summary: name, identity and key belong to one client.
    fn belongs_together(name: Option<PeerName>, proof: &PeerProof) -> bool {
        matches!(proof, PeerProof::Psk { identity, .. } if identity == IDENTITY && name == Some(CLIENT_NAME))
    }
    let renamed = |setup: ClientSetup| ClientSetup { name: Some(OTHER), ..setup };
    let mut pair = Pair::new(renamed(psk_setup()));
    pair.run_for(Duration::from_secs(2));
    let summary = pair.server_heard.summary();
    assert!(!belongs_together(summary.peer_name, &summary.proof));
    let now = pair.now;
    pair.server().abort(Alert::AccessDenied, now);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.client_heard.closing, Some(Closing::ByPeer(Alert::AccessDenied)));
    let (ticket, listener, now) = first_session();
    let mut pair = Pair::on_listener(renamed(resuming(ticket)), listener, now);
    pair.run_for(Duration::from_secs(2));
    let Question::Ticket { proof, peer_name, .. } = &pair.server_policy.asked[0] else {
        panic!("the ticket is judged first")
    };
    assert!(!belongs_together(*peer_name, proof), "the new name stands beside the old proof");
    let summary = pair.server_heard.summary();
    assert_eq!(summary.peer_name, Some(OTHER));
    assert!(!belongs_together(summary.peer_name, &summary.proof), "and in the summary");
}

#[test]
fn a_tampered_ticket_leads_to_a_full_handshake() {
    let (ticket, listener, now) = first_session();
    let mut pair = Pair::on_listener(resuming(ticket), listener, now);
    pair.fate = Box::new(|to, _, datagram| {
        if to == To::Server && dtls_proto::starts_handshake(datagram) {
            // The ticket is the extension in front of peer_name.
            let mut changed = datagram.to_vec();
            let at = changed.len() - 23 - 5;
            changed[at] ^= 1;
            Fate::As(changed)
        } else {
            Fate::Deliver
        }
    });
    pair.run_for(Duration::from_secs(5));
    assert!(matches!(pair.server_policy.asked[0], Question::Hello(_)), "the ticket was not believed");
    assert!(!pair.both_connected(), "and the changed hello does not survive Finished");
}

#[test]
fn without_a_state_from_the_owner_there_is_no_ticket() {
    let mut pair = Pair::with_listener(asking(), ticketing(2));
    pair.run_for(Duration::from_secs(2));
    pair.exchange_data();
    assert!(pair.client_heard.ticket.is_none());
    let mut pair = Pair::new(asking());
    pair.server_policy.ticket_state = Some(STATE.to_vec());
    pair.run_for(Duration::from_secs(2));
    pair.exchange_data();
    assert!(pair.client_heard.ticket.is_none(), "this listener issues none");
}

#[test]
fn a_raw_key_session_resumes_and_still_names_its_key() {
    let p256 = KeyKind::Ec(Curve::P256);
    let suites = [CipherSuite::EcdheEcdsaAes128GcmSha256];
    let provider = provider();
    let client_key = crate::pair::key(&*provider, p256, 11);
    let setup = |resumption| ClientSetup {
        resumption,
        ..ClientSetup::keyed(
            provider.clone(),
            Dice::numbered(1),
            &suites,
            Some(dtls_proto::Credential::raw(client_key.clone())),
        )
    };
    let mut pair = Pair::with_listener(setup(Resumption::Ask), ticketing(2));
    pair.server_policy = raw_pair(&provider, &suites, p256, p256).server_policy;
    pair.server_policy.ticket_state = Some(STATE.to_vec());
    pair.run_for(Duration::from_secs(2));
    let ticket = pair.client_heard.ticket.take().expect("a ticket came");
    let mut pair = Pair::on_listener(setup(Resumption::With(ticket)), pair.listener, pair.now);
    pair.run_for(Duration::from_secs(2));
    pair.exchange_data();
    let summary = pair.server_heard.summary();
    assert_eq!((summary.resumed, &summary.proof), (true, &PeerProof::RawKey(client_key.public().clone())));
}

#[test]
fn a_resumed_handshake_survives_a_bad_network() {
    for run in 0..30 {
        let (ticket, listener, now) = first_session();
        let mut pair = Pair::on_listener(resuming(ticket), listener, now);
        pair.fate = Fate::by_chance(run);
        pair.run_for(Duration::from_secs(100));
        pair.fate = Box::new(|_, _, _| Fate::Deliver);
        pair.exchange_data();
        assert!(pair.server_heard.summary().resumed, "run {run}");
    }
}

fn with_ids(client: Option<&[u8]>, server: Option<&[u8]>) -> Pair {
    let setup = ClientSetup { connection_id: client.map(<[u8]>::to_vec), ..psk_setup() };
    let mut pair = Pair::new(setup);
    pair.server_policy.choice.connection_id = server.map(<[u8]>::to_vec);
    pair.run_for(Duration::from_secs(2));
    pair
}

// verifies: RFC9146-3, RFC9146-4, ASSURE-8.1-02
#[test]
fn connection_ids_are_settled_per_direction() {
    let none = None::<&[u8]>;
    let cases = [
        (none, none),
        (Some(b""), none),
        (none, Some(b"srv1")),
        (Some(b""), Some(b"srv1")),
        (Some(b"cli"), Some(b"srv1")),
        (Some(b"cli"), Some(b"")),
    ];
    for (client, server) in cases {
        let mut pair = with_ids(client, server);
        pair.exchange_data();
        let both = client.zip(server);
        const WITH_CONNECTION_ID: u8 = 25;
        let seen = |to| pair.sent_to(to).last().is_some_and(|last| last[0] == WITH_CONNECTION_ID);
        let to_server = both.is_some_and(|(_, server)| !server.is_empty());
        let to_client = both.is_some_and(|(client, _)| !client.is_empty());
        assert_eq!((seen(To::Server), seen(To::Client)), (to_server, to_client));
        let summary = pair.server_heard.summary();
        assert_eq!(summary.own_connection_id.as_deref(), both.map(|(_, server)| server));
        assert_eq!(summary.peer_connection_id.as_deref(), both.map(|(client, _)| client));
    }
}

// verifies: RFC9146-6, ASSURE-8.1-02
#[test]
fn an_address_change_counts_only_with_a_newer_genuine_record() {
    let mut pair = with_ids(Some(b""), Some(b"srv1"));
    let now = pair.now;
    let mut sent = Vec::new();
    for text in [&b"one"[..], b"two"] {
        pair.client.send(text, now).unwrap();
        let Some(Output::Transmit(datagram)) = pair.client.next_output() else { panic!("a record goes out") };
        assert_eq!(connection_id_of(&datagram, 4), Some(&b"srv1"[..]));
        sent.push(datagram);
    }
    let mut forged = sent[1].clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(pair.server().receive(&forged, now), Arrival::Noise);
    let mut misdirected = sent[1].clone();
    misdirected[11] ^= 1;
    assert_eq!(pair.server().receive(&misdirected, now), Arrival::Noise);
    assert_eq!(pair.server().receive(&sent[1], now), Arrival::Newest);
    assert_eq!(pair.server().receive(&sent[0], now), Arrival::Useful, "genuine, but older: no move");
    assert_eq!(pair.server().receive(&sent[1], now), Arrival::Noise, "a replay moves nothing");
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.server_heard.data, [b"two".to_vec(), b"one".to_vec()]);
}

// verifies: RFC6347-4.1.2.7
#[test]
fn a_client_that_goes_by_the_connection_id_of_another_handshake_is_told_soon() {
    const ID: &[u8] = b"srv1";
    let mut pair = Pair::new(ClientSetup { connection_id: Some(Vec::new()), ..psk_setup() });
    pair.server_policy.choice.connection_id = Some(ID.to_vec());
    pair.fate = Box::new(|to, _, datagram| {
        let mut bytes = datagram.to_vec();
        match bytes.windows(ID.len()).position(|window| window == ID) {
            Some(at) if to == To::Server => {
                bytes[at..at + ID.len()].copy_from_slice(b"srv0");
                Fate::As(bytes)
            }
            Some(_) | None => Fate::Deliver,
        }
    });
    pair.run_for(Duration::from_secs(10));
    assert_eq!(pair.client_heard.closing, Some(Closing::ByPeer(Alert::BadRecordMac)));
    assert_eq!((pair.client_heard.connected, pair.server_heard.connected), (0, 0));
}
