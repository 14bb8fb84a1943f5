//! The listener: cookies, amplification, hellos from known addresses.

use std::time::Duration;

use clock::{Dice, Moment};
use dtls_proto::{
    Alert, ClientSetup, Closing, Listener, ListenerSetup, Noise, Output, Session, Verdict, starts_handshake,
};

use crate::pair::{ADDRESS, Fate, Pair, To, provider, psk_setup};

const START: Moment = Moment::from_micros(5);

fn listener() -> Listener {
    Listener::new(ListenerSetup::new(provider(), Dice::numbered(3)), START)
}

/// A client and its first hello.
fn client(setup: ClientSetup) -> (Session, Vec<u8>) {
    let mut session = Session::client(setup, START).expect("the setup is sound");
    let Some(Output::Transmit(hello)) = session.next_output() else { panic!("the hello comes first") };
    (session, hello)
}

fn reply(verdict: Verdict) -> Vec<u8> {
    let Verdict::Reply(reply) = verdict else { panic!("a HelloVerifyRequest is due, not {verdict:?}") };
    reply
}

/// The hello with the cookie that `listener` gives out at `now`.
fn hello_with_cookie(listener: &mut Listener, from: &[u8], now: Moment) -> Vec<u8> {
    let (mut session, hello) = client(ClientSetup { dice: Dice::numbered(66), ..psk_setup() });
    let answer = reply(listener.receive(from, &hello, now));
    session.receive(&answer, now);
    let Some(Output::Transmit(second)) = session.next_output() else { panic!("the second hello follows") };
    second
}

fn is_accepted(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Accept(_))
}

// verifies: RFC6347-4.2.1, ASSURE-8.4-16
#[test]
fn ten_thousand_hellos_without_a_cookie_leave_nothing_behind() {
    let mut listener = listener();
    let (_, hello) = client(psk_setup());
    let first = reply(listener.receive(b"a", &hello, START));
    for number in 0..10_000_u32 {
        let answer = reply(listener.receive(&number.to_be_bytes(), &hello, START));
        assert!(answer.len() <= hello.len(), "no amplification");
    }
    assert_eq!(reply(listener.receive(b"a", &hello, START)), first, "the answer depends on nothing before");
    assert_eq!(first.len(), 60);
}

// verifies: RFC6347-4.2.1, ASSURE-8.4-16
#[test]
fn a_cookie_is_good_for_its_address_and_its_time() {
    let mut listener = listener();
    let hello = hello_with_cookie(&mut listener, ADDRESS, START);
    assert!(is_accepted(&listener.receive(ADDRESS, &hello, START)));
    reply(listener.receive(b"another address", &hello, START));
    let after = |secs| START + Duration::from_secs(secs);
    assert!(is_accepted(&listener.receive(ADDRESS, &hello, after(31))), "the key before still counts");
    reply(listener.receive(ADDRESS, &hello, after(61)));
    let mut other = Listener::new(ListenerSetup::new(provider(), Dice::numbered(4)), START);
    reply(other.receive(ADDRESS, &hello, START));
}

#[test]
fn a_listener_that_overslept_knows_no_old_cookie() {
    let mut listener = listener();
    let hello = hello_with_cookie(&mut listener, ADDRESS, START);
    reply(listener.receive(ADDRESS, &hello, START + Duration::from_secs(10_000)));
}

// verifies: ASSURE-8.4-16
#[test]
fn ts_low_a_cookie_vouches_for_every_byte_of_the_hello() {
    let mut listener = listener();
    let hello = hello_with_cookie(&mut listener, ADDRESS, START);
    assert!(is_accepted(&listener.receive(ADDRESS, &hello, START)));
    // Behind the headers of record and message, up to the end with peer_name in it.
    for at in 25..hello.len() {
        let mut changed = hello.clone();
        changed[at] ^= 1;
        let verdict = listener.receive(ADDRESS, &changed, START);
        assert!(!is_accepted(&verdict), "byte {at}");
    }
    let name = hello.windows(16).position(|bytes| bytes == [0xC1; 16]).expect("peer_name is in it");
    let mut renamed = hello;
    renamed[name + 3] = 0;
    reply(listener.receive(ADDRESS, &renamed, START));
}

#[test]
fn what_is_no_whole_hello_is_dropped() {
    let mut listener = listener();
    let (_, hello) = client(psk_setup());
    for cut in 0..hello.len() {
        let verdict = listener.receive(ADDRESS, &hello[..cut], START);
        assert!(matches!(verdict, Verdict::Drop(_)), "{cut} bytes: {verdict:?}");
    }
    let with = |at: usize, value: u8| {
        let mut changed = hello.clone();
        changed[at] = value;
        changed
    };
    let cases = [
        (with(0, 21), Noise::Unexpected),  // an alert
        (with(0, 99), Noise::Malformed),   // no such type
        (with(1, 3), Noise::WrongVersion), // TLS
        (with(4, 1), Noise::Unexpected),   // a protected epoch
        (with(13, 2), Noise::Unexpected),  // a ServerHello
        (with(18, 77), Noise::Unexpected), // a message number no honest client reaches
    ];
    for (datagram, noise) in cases {
        let verdict = listener.receive(ADDRESS, &datagram, START);
        assert!(matches!(verdict, Verdict::Drop(found) if found == noise), "{verdict:?}, not {noise:?}");
        assert_eq!(starts_handshake(&datagram), starts_handshake(&hello) && datagram[18] == 77);
    }
}

// verifies: RFC6347-4.2.8
#[test]
fn a_new_hello_on_a_live_association_replaces_it_only_when_complete() {
    let mut pair = Pair::psk();
    pair.run();
    pair.exchange_data();
    let now = pair.now;
    // A spoofed hello, even with a genuine cookie, leaves the association alone.
    let stolen = hello_with_cookie(&mut pair.listener, ADDRESS, now);
    assert!(starts_handshake(&stolen) && !pair.server().accepted_from(&stolen));
    let Verdict::Accept(newcomer) = pair.listener.receive(ADDRESS, &stolen, now) else {
        panic!("the cookie is genuine")
    };
    assert!(!newcomer.is_connected(), "so the caller keeps the old session");
    pair.exchange_data();
    // Fed to the old session by mistake it is noise.
    let before = pair.server().noise().total();
    pair.server().receive(&stolen, now);
    assert_eq!(pair.server().noise().total(), before + 1);
    pair.exchange_data();
}

#[test]
fn a_repeated_hello_belongs_to_its_session() {
    let mut pair = Pair::psk();
    let mut hellos = Vec::new();
    pair.fate = Box::new(|_, _, _| Fate::Deliver);
    pair.run();
    for datagram in pair.sent_to(To::Server) {
        if starts_handshake(&datagram) {
            hellos.push(pair.server().accepted_from(&datagram));
        }
    }
    assert_eq!(hellos, [true, true], "with and without the cookie it is the same hello");
    let (_, other) = client(ClientSetup { dice: Dice::numbered(77), ..psk_setup() });
    assert!(!pair.server().accepted_from(&other));
}

// verifies: ASSURE-8.2.1-05, ASSURE-8.2.1-06
#[test]
fn two_names_or_a_cut_one_end_with_decode_error() {
    // The list of one UUID gets a second entry, or loses a byte; all lengths around it are set right.
    for change in [Change::Double, Change::Cut] {
        let mut pair = Pair::psk();
        pair.fate = Box::new(move |to, _, datagram| {
            let is_hello = to == To::Server && starts_handshake(datagram);
            if is_hello { Fate::As(rewrite_name(datagram, change)) } else { Fate::Deliver }
        });
        pair.run_for(Duration::from_secs(1));
        assert_eq!(pair.client_heard.closing, Some(Closing::ByPeer(Alert::DecodeError)), "{change:?}");
        assert_eq!(pair.server_policy.asked, [], "nobody was asked about such a name");
    }
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Double,
    Cut,
}

fn rewrite_name(datagram: &[u8], change: Change) -> Vec<u8> {
    let at = datagram.windows(5).position(|bytes| bytes == [0xFF, 0x78, 0, 19, 0]).expect("it has a name");
    assert_eq!(at + 4 + 19, datagram.len(), "peer_name is the last extension");
    let names: Vec<u8> = match change {
        Change::Double => [&[0][..], &[0xC1; 16], &[0], &[0xC2; 16]].concat(),
        Change::Cut => [&[0][..], &[0xC1; 15]].concat(),
    };
    let extension = [&[0, u8::try_from(names.len()).expect("names are short")][..], &names].concat();
    let length = [0, u8::try_from(extension.len()).expect("names are short")];
    let mut out = [&datagram[..at + 2], &length, &extension].concat();
    let grown = out.len() as i64 - datagram.len() as i64;
    let mut adjust = |offset: usize| {
        let old = i64::from(u16::from_be_bytes([out[offset], out[offset + 1]]));
        let new = u16::try_from(old + grown).expect("hellos are short");
        out[offset..offset + 2].copy_from_slice(&new.to_be_bytes());
    };
    adjust(11); // record
    adjust(15); // message, low two bytes
    adjust(23); // fragment, low two bytes
    // version, random, session id, cookie, suites, compressions
    let cookie = 25 + 2 + 32 + 1;
    let suites = cookie + 1 + usize::from(datagram[cookie]);
    let count = usize::from(u16::from_be_bytes([datagram[suites], datagram[suites + 1]]));
    adjust(suites + 2 + count + 2);
    out
}
