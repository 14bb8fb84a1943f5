//! An attacker on the path: every message changed, repeated, misplaced; every byte flipped.

use std::time::Duration;

use crypto::{Curve, KeyKind};
use dtls_proto::{Alert, CipherSuite, ClientSetup, Closing, Noise, Output, PeerProof};

use crate::keyed::raw_pair;
use crate::pair::{CLIENT_NAME, Fate, Pair, SERVER_NAME, To, provider, psk_setup};

const RECORD: usize = 13;
const MESSAGE: usize = 12;
pub(crate) const EXTENDED_MASTER_SECRET: &[u8] = &[0, 23, 0, 0];

/// One whole message in clear.
#[derive(Clone, Debug)]
struct Clear {
    record: Vec<u8>,
    kind: u8,
    message_seq: [u8; 2],
    body: Vec<u8>,
}

impl Clear {
    fn write(&self, length: usize) -> Vec<u8> {
        let u24 = |value: usize| [(value >> 16) as u8, (value >> 8) as u8, value as u8];
        let fragment =
            [&[self.kind][..], &u24(length), &self.message_seq, &u24(0), &u24(self.body.len()), &self.body]
                .concat();
        let size = u16::try_from(fragment.len()).expect("messages are short").to_be_bytes();
        [&self.record[..11], &size, &fragment].concat()
    }
}

/// Rewrites the clear messages of a datagram; all else stays.
fn rewrite(datagram: &[u8], mut change: impl FnMut(Clear) -> Vec<u8>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = datagram;
    while rest.len() > RECORD {
        let size = RECORD + usize::from(u16::from_be_bytes([rest[11], rest[12]]));
        let (record, next) = rest.split_at(size);
        rest = next;
        let clear_handshake = record[0] == 22 && record[3..5] == [0, 0];
        let whole = clear_handshake && record[RECORD + 1..RECORD + 4] == record[RECORD + 9..RECORD + 12];
        if whole {
            out.extend(change(Clear {
                record: record[..RECORD].to_vec(),
                kind: record[RECORD],
                message_seq: [record[RECORD + 4], record[RECORD + 5]],
                body: record[RECORD + MESSAGE..].to_vec(),
            }));
        } else {
            out.extend_from_slice(record);
        }
    }
    out
}

/// Everything a full handshake with keys on both sides sends in clear behind the first hellos.
const MESSAGES: [(u8, &str, To); 8] = [
    (2, "ServerHello", To::Client),
    (11, "Certificate of the server", To::Client),
    (12, "ServerKeyExchange", To::Client),
    (13, "CertificateRequest", To::Client),
    (14, "ServerHelloDone", To::Client),
    (11, "Certificate of the client", To::Server),
    (16, "ClientKeyExchange", To::Server),
    (15, "CertificateVerify", To::Server),
];

fn keyed() -> Pair {
    let p256 = KeyKind::Ec(Curve::P256);
    raw_pair(&provider(), &[CipherSuite::EcdheEcdsaAes128GcmSha256], p256, p256)
}

/// Runs a handshake in which each message of `kind` is replaced; the alert the victim ended with.
fn outcome(kind: u8, to: To, change: impl Fn(&Clear) -> Vec<u8> + Clone + 'static) -> Option<Alert> {
    let mut pair = keyed();
    pair.fate = Box::new(move |way, _, datagram| {
        if way != to {
            return Fate::Deliver;
        }
        let change = change.clone();
        Fate::As(rewrite(datagram, move |message| {
            if message.kind == kind { change(&message) } else { message.write(message.body.len()) }
        }))
    });
    pair.run_for(Duration::from_secs(100));
    assert_eq!((pair.client_heard.connected, pair.server_heard.connected), (0, 0), "kind {kind}");
    let victim = if to == To::Client { &pair.client_heard } else { &pair.server_heard };
    victim.closing.and_then(|closing| closing.alert())
}

// verifies: RFC5246-7.2.2
#[test]
fn a_message_that_is_cut_or_has_more_behind_it_is_a_decode_error() {
    for (kind, name, to) in MESSAGES {
        let longer = outcome(kind, to, |message| {
            let mut message = message.clone();
            message.body.push(0);
            message.write(message.body.len())
        });
        assert_eq!(longer, Some(Alert::DecodeError), "{name} and a byte");
        let is_empty = kind == 14;
        if !is_empty {
            let shorter = outcome(kind, to, |message| {
                let mut message = message.clone();
                message.body.pop();
                message.write(message.body.len())
            });
            assert_eq!(shorter, Some(Alert::DecodeError), "{name} less a byte");
        }
    }
}

// verifies: RFC5246-7.4
#[test]
fn a_message_in_the_place_of_another_is_unexpected() {
    for (kind, name, to) in MESSAGES {
        let wrong = outcome(kind, to, |message| {
            let mut message = message.clone();
            message.kind = if matches!(message.kind, 13 | 14) { 16 } else { 14 };
            message.write(message.body.len())
        });
        assert_eq!(wrong, Some(Alert::UnexpectedMessage), "{name}");
        let unheard_of = outcome(kind, to, |message| {
            let mut message = message.clone();
            message.kind = 77;
            message.write(message.body.len())
        });
        assert_eq!(unheard_of, Some(Alert::UnexpectedMessage), "{name}");
    }
}

#[test]
fn a_message_over_the_limit_is_refused_at_its_turn() {
    for (kind, name, to) in MESSAGES {
        let huge = outcome(kind, to, |message| message.write(0x00FF_FFFF));
        assert_eq!(huge, Some(Alert::IllegalParameter), "{name}");
    }
}

#[test]
fn a_message_left_out_or_in_another_epoch_stops_the_handshake() {
    for (kind, name, to) in MESSAGES {
        assert_eq!(outcome(kind, to, |_| Vec::new()), None, "{name} left out: silence");
        let moved = outcome(kind, to, |message| {
            let mut bytes = message.write(message.body.len());
            bytes[4] = 1;
            bytes
        });
        // Among protected records they count as forged, which a waiting server tells the client.
        assert!(matches!(moved, None | Some(Alert::BadRecordMac)), "{name} in another epoch: {moved:?}");
    }
}

#[test]
fn a_message_twice_or_out_of_order_is_taken_once() {
    for (kind, name, to) in MESSAGES {
        for swap in [true, false] {
            let mut pair = keyed();
            pair.fate = Box::new(move |way, _, datagram| {
                if way != to {
                    return Fate::Deliver;
                }
                let mut held = Vec::new();
                let mut bytes = rewrite(datagram, |message| {
                    let plain = message.write(message.body.len());
                    match (message.kind == kind, swap) {
                        (true, true) => {
                            held = plain;
                            Vec::new()
                        }
                        (true, false) => [plain.clone(), plain].concat(),
                        (false, _) => plain,
                    }
                });
                bytes.extend(held);
                Fate::As(bytes)
            });
            pair.run_for(Duration::from_secs(30));
            pair.exchange_data();
            assert_eq!((pair.client_heard.connected, pair.server_heard.connected), (1, 1), "{name}");
        }
    }
}

/// Changes every ClientHello alike, so that the cookie is one for the changed hello.
fn with_hello(setup: ClientSetup, change: impl Fn(&mut Vec<u8>) + 'static) -> Pair {
    let mut pair = Pair::new(setup);
    change_hellos(&mut pair, To::Server, change);
    pair.run_for(Duration::from_secs(100));
    pair
}

/// Changes every hello in one direction.
pub(crate) fn change_hellos(pair: &mut Pair, way: To, change: impl Fn(&mut Vec<u8>) + 'static) {
    let kind = if way == To::Server { 1 } else { 2 };
    pair.fate = Box::new(move |to, _, datagram| {
        if to != way {
            return Fate::Deliver;
        }
        Fate::As(rewrite(datagram, |mut message| {
            if message.kind == kind {
                change(&mut message.body);
            }
            message.write(message.body.len())
        }))
    });
}

pub(crate) fn replace(body: &mut [u8], from: &[u8], to: &[u8]) {
    let at = body.windows(from.len()).position(|bytes| bytes == from).expect("the hello has it");
    body[at..at + to.len()].copy_from_slice(to);
}

// verifies: RFC5246-7.4.9, RFC7627-5.1
#[test]
fn a_downgraded_hello_never_connects() {
    // The strongest suites become ones nobody knows.
    let weaker = with_hello(psk_setup(), |body| {
        replace(body, &[0xC0, 0xA8, 0x00, 0xA8, 0x00, 0xA9], &[0x0A, 0x0A, 0x00, 0xA8, 0x0A, 0x0A]);
    });
    // The extended master secret becomes an unknown extension.
    let unbound = with_hello(psk_setup(), |body| replace(body, EXTENDED_MASTER_SECRET, &[0xFA, 0xFA, 0, 0]));
    // Another name.
    let renamed = with_hello(psk_setup(), |body| replace(body, &CLIENT_NAME, &[0xEE; 16]));
    for mut pair in [weaker, unbound, renamed] {
        assert_eq!((pair.client_heard.connected, pair.server_heard.connected), (0, 0));
        assert!(!pair.server().is_connected());
    }
}

// verifies: RFC6347-4.2.1
#[test]
fn an_older_version_is_refused() {
    let pair = with_hello(psk_setup(), |body| replace(body, &[0xFE, 0xFD], &[0xFE, 0xFF]));
    assert_eq!(pair.client_heard.closing, Some(Closing::ByPeer(Alert::ProtocolVersion)));
}

// verifies: RFC5746-3.6
#[test]
fn renegotiation_info_with_content_is_refused() {
    let pair = with_hello(psk_setup(), |body| {
        let at = body.windows(5).position(|bytes| bytes == [0xFF, 1, 0, 1, 0]).expect("it is offered");
        // renegotiation_info grows by a byte that extended_master_secret behind it gives up to be unknown.
        body[at + 3] = 5;
        body[at + 4] = 4;
    });
    assert_eq!(pair.client_heard.closing, Some(Closing::ByPeer(Alert::HandshakeFailure)));
}

// verifies: RFC5246-7.4.1.4
#[test]
fn an_extension_nobody_asked_for_is_refused_by_the_client() {
    let mut pair = Pair::psk();
    change_hellos(&mut pair, To::Client, |body| replace(body, EXTENDED_MASTER_SECRET, &[0xFA, 0xFA, 0, 0]));
    pair.run_for(Duration::from_secs(5));
    assert_eq!(
        pair.client_heard.closing.and_then(|closing| closing.alert()),
        Some(Alert::UnsupportedExtension)
    );
}

#[test]
fn any_flipped_byte_leads_to_the_same_connection_or_to_none() {
    let datagrams = {
        let mut pair = keyed();
        pair.run_for(Duration::from_secs(2));
        pair.sent
    };
    let mut numbers = [0; 2];
    for (to, datagram) in &datagrams {
        let number = numbers[*to as usize];
        numbers[*to as usize] += 1;
        for at in 0..datagram.len() {
            let mut pair = keyed();
            let to = *to;
            pair.fate = Box::new(move |way, count, bytes| {
                if way != to || count != number || at >= bytes.len() {
                    return Fate::Deliver;
                }
                let mut changed = bytes.to_vec();
                changed[at] ^= 0x41;
                Fate::As(changed)
            });
            pair.run_for(Duration::from_secs(100));
            if let (Some(client), Some(server)) = (&pair.client_heard.summary, &pair.server_heard.summary) {
                assert_eq!(client.suite, CipherSuite::EcdheEcdsaAes128GcmSha256);
                assert_eq!((client.peer_name, server.peer_name), (Some(SERVER_NAME), Some(CLIENT_NAME)));
                assert!(client.extended_master_secret && server.extended_master_secret);
                assert!(matches!(client.proof, PeerProof::RawKey(_)));
            }
        }
    }
}

// verifies: RFC6347-4.1.2.6, RFC6347-4.1.2.7
#[test]
fn replayed_forged_and_foreign_records_are_noise() {
    let mut pair = Pair::psk();
    pair.run_for(Duration::from_secs(2));
    let now = pair.now;
    pair.client.send(b"once", now).unwrap();
    let Some(Output::Transmit(record)) = pair.client.next_output() else { panic!("a record goes out") };
    let server = pair.server();
    for _ in 0..3 {
        server.receive(&record, now);
    }
    assert_eq!(server.noise().of(Noise::Replayed), 2);
    for at in 0..record.len() {
        let mut changed = record.clone();
        changed[at] ^= 1;
        // The sequence number must be a fresh one to reach the tag.
        changed[10] ^= 0x10;
        server.receive(&changed, now);
    }
    server.receive(&[21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40], now);
    assert_eq!(server.noise().of(Noise::WrongEpoch), 1 + 2, "a clear alert, and two flips of the epoch");
    assert!(server.is_connected(), "no forgery ends an association");
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.server_heard.data, [b"once".to_vec()]);
    pair.exchange_data();
}

// verifies: RFC6347-4.2.2
#[test]
fn early_records_are_kept_up_to_the_limit() {
    let mut pair = Pair::psk();
    // The client's flight comes in one datagram; its protected part arrives alone, ten times, before it.
    pair.fate = Box::new(|to, _, datagram| {
        if to == To::Server && !dtls_proto::starts_handshake(datagram) && datagram[0] == 22 {
            let finished = datagram.windows(5).rposition(|bytes| bytes == [22, 0xFE, 0xFD, 0, 1]);
            if let Some(at) = finished {
                return Fate::As([datagram[at..].repeat(10), datagram.to_vec()].concat());
            }
        }
        Fate::Deliver
    });
    pair.run_for(Duration::from_secs(5));
    assert_eq!(pair.server().noise().of(Noise::OverLimit), 11 - 4);
    pair.fate = Box::new(|_, _, _| Fate::Deliver);
    pair.exchange_data();
}

#[test]
fn rubbish_is_counted_and_answered_by_nothing() {
    let mut pair = keyed();
    pair.run_for(Duration::from_secs(2));
    let sent = pair.sent.len();
    let mut dice = clock::Dice::numbered(5);
    for _ in 0..2000 {
        let mut datagram = vec![0; dice.below(80) as usize];
        dice.fill(&mut datagram);
        if let Some(first) = datagram.first_mut() {
            *first = 20 + *first % 6;
        }
        let now = pair.now;
        pair.server().receive(&datagram, now);
        pair.client.receive(&datagram, now);
    }
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.sent.len(), sent);
    pair.exchange_data();
}
