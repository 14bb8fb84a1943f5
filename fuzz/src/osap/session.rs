//! The session at an access service: tickets and CONNECT, and envelopes in both directions.

use std::time::Duration;

use clock::Moment;
use crypto::Secret;
use crypto_portable::Portable;
use osap_proto::*;

use super::parties::{NOW, devid, provider, serial, server_id};
use crate::memory;
use crate::rules::reached;
use crate::script::{Recorder, Script};
use crate::{Reached, Target};

pub(super) const TICKET: Target = Target {
    name: "osap_connect",
    about: "DasTicket, ConnectTable: CONNECTs of anybody, notices, time; each is taken once",
    length_max: 2048,
    run: |input| memory::within(256 * 1024 + 96 * input.len(), || connect(input)),
    seeds: connect_seeds,
};

pub(super) const SESSION: Target = Target {
    name: "osap_session",
    about: "Sealer and Opener: any payload, topics, order and time; nothing forged or twice is delivered",
    length_max: 2048,
    run: |input| memory::within(512 * 1024 + 96 * input.len(), || session(input)),
    seeds: session_seeds,
};

const TOPIC: &[u8] = b"/iot/T12345678/global/0-global/model/attribute/report/Thing/a";
const SECONDS: u64 = 1_795_307_861;

fn das_secret() -> Secret {
    Secret::new(vec![8; 32])
}

fn ticket_key(number: u8) -> TicketKey {
    TicketKey { id: [number; 8], key: Secret::new(vec![number; 32]) }
}

fn ticket(number: u8) -> DasTicket {
    DasTicket {
        devid: devid(),
        serial: serial(),
        protocol: ProtocolType::PLAIN,
        das_secret: das_secret(),
        epoch: u32::from(number),
        issued: SECONDS * 1000 + u64::from(number),
        expiry: SECONDS + 1000,
        server_id: server_id(),
    }
}

const HEADER: ConnectHeader = ConnectHeader { level: 5, flags: 0xC2, keep_alive: 30 };

fn numbers(epoch: u8, conn_no: u8) -> ConnectionNumbers {
    ConnectionNumbers { epoch: u32::from(epoch), conn_no: u32::from(conn_no), conn_nonce: [conn_no; 16] }
}

fn password(epoch: u8, conn_no: u8) -> Vec<u8> {
    let numbers = numbers(epoch, conn_no);
    connect_password(&Portable, &das_secret(), &server_id(), &serial(), &numbers, HEADER)
}

fn connect(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let mut ring = TicketKeyRing::new();
    ring.add(ticket_key(1));
    let mut table = ConnectTable::new(server_id(), 2);
    let mut taken: Vec<(u64, u32)> = Vec::new();
    let mut now = SECONDS;
    while !script.is_empty() {
        match script.u8() & 7 {
            0..=2 => {
                // Genuine parts in any mixture.
                let (of_ticket, epoch, conn_no) = (script.u8() & 3, script.u8() & 3, script.u8());
                let name = ticket(of_ticket).seal(&Portable, &ticket_key(1), [of_ticket; 16]);
                let password = password(epoch, conn_no);
                let id = *devid().as_bytes();
                let connect = Connect {
                    client_id: &id,
                    user_name: &name,
                    password: &password,
                    header: HEADER,
                    will: None,
                };
                if let Ok(admitted) = table.admit(&Portable, &ring, &connect, false, now) {
                    assert_eq!(of_ticket, epoch, "the password is of another ticket");
                    let key = (admitted.ticket.issued, admitted.numbers.conn_no);
                    assert!(taken.last().is_none_or(|last| key > *last), "{key:?} after {taken:?}");
                    assert!(now < admitted.ticket.expiry);
                    taken.push(key);
                }
            }
            3 | 4 => {
                let (id, name) = (script.bytes(), script.bytes());
                let (password, payload) = (script.bytes(), script.bytes());
                let will = (script.u8() & 1 == 0).then_some((TOPIC, payload));
                let connect = Connect { client_id: id, user_name: name, password, header: HEADER, will };
                let before = taken.len();
                if let Ok(admitted) = table.admit(&Portable, &ring, &connect, false, now) {
                    let key = (admitted.ticket.issued, admitted.numbers.conn_no);
                    assert!(taken.last().is_none_or(|last| key > *last));
                    taken.push(key);
                }
                assert!(taken.len() <= before + 1);
            }
            5 => table.replaced(devid(), SECONDS * 1000 + u64::from(script.u8() & 3), 9),
            6 => now += u64::from(script.u16()),
            _ => {
                let bytes = script.bytes();
                if let Ok(opened) = DasTicket::open(&Portable, &ring, &server_id(), bytes) {
                    assert_eq!(opened.das_secret, das_secret(), "a ticket is forged");
                }
            }
        }
    }
    reached(!taken.is_empty())
}

fn connect_seeds() -> Vec<Vec<u8>> {
    let mut mixed = Recorder::default();
    for (of_ticket, epoch, conn_no) in [(0, 0, 1), (0, 0, 2), (0, 0, 2), (1, 1, 1), (0, 0, 3), (1, 2, 3)] {
        mixed.u8(0).u8(of_ticket).u8(epoch).u8(conn_no);
    }
    mixed.u8(5).u8(2).u8(0).u8(2).u8(2).u8(1).u8(6).u16(999).u8(0).u8(3).u8(3).u8(1).u8(6).u16(2);
    let mut raw = Recorder::default();
    let name = ticket(1).seal(&Portable, &ticket_key(1), [1; 16]);
    let will = seal_will(&Portable, &das_secret(), &numbers(1, 7), TOPIC, general(1), b"{}");
    raw.u8(3).bytes(devid().as_bytes()).bytes(&name).bytes(&password(1, 7));
    raw.bytes(&will.unwrap_or_default()).u8(0);
    vec![mixed.0, raw.0]
}

const fn general(seq: u64) -> General {
    General { seq, ts: 1_795_307_861_000 }
}

/// One direction: what was sealed, and which of it was delivered.
struct Way {
    sealer: Sealer,
    opener: Opener,
    sealed: Vec<(Vec<u8>, bool)>,
}

fn ways(now: Moment) -> [Way; 2] {
    let (provider, numbers) = (provider(), numbers(1, 1));
    let (payload, das) = greet(&provider, &das_secret(), &serial(), &numbers, [2; 16], general(0), now);
    let topic = greeting_topic(&serial());
    let device = open_greeting(&provider, &das_secret(), &serial(), &numbers, &topic, &payload, now);
    let device = device.expect("the greeting is genuine");
    [
        Way { sealer: device.sealer, opener: das.opener, sealed: Vec::new() },
        Way { sealer: das.sealer, opener: device.opener, sealed: Vec::new() },
    ]
}

fn session(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let mut now = NOW;
    let mut ways = ways(now);
    let mut is_delivered = false;
    while !script.is_empty() {
        let operation = script.u8();
        let way = &mut ways[usize::from(operation >> 7)];
        match operation & 7 {
            0 | 1 => {
                let seq = way.sealed.len() as u64;
                let application = seq.to_be_bytes();
                if let Ok(payload) = way.sealer.seal(TOPIC, general(seq), &application, now) {
                    way.sealed.push((payload, false));
                }
            }
            2 | 3 => {
                // Any of those that were sealed, in any order, as often as it is asked for.
                let which = usize::from(script.u8());
                let Some((payload, was_delivered)) = way.sealed.get_mut(which) else { continue };
                if let Ok(opened) = way.opener.receive(TOPIC, payload, now) {
                    assert!(!*was_delivered, "an envelope is delivered twice");
                    assert_eq!(opened.application(), (which as u64).to_be_bytes());
                    (*was_delivered, is_delivered) = (true, true);
                }
            }
            4 => {
                let (which, at, mask) = (usize::from(script.u8()), usize::from(script.u8()), script.u8());
                let Some((payload, _)) = way.sealed.get(which) else { continue };
                let mut changed = payload.clone();
                let at = at % changed.len();
                changed[at] ^= mask;
                if mask != 0 {
                    assert!(way.opener.receive(TOPIC, &changed, now).is_err(), "it was changed on its way");
                }
            }
            5 => {
                let Some((payload, _)) = way.sealed.last() else { continue };
                let other = b"/iot/T12345678/global/0-global/model/attribute/report/Thing/b";
                assert!(way.opener.receive(other, payload, now).is_err(), "it was for another topic");
            }
            6 => {
                now = now + Duration::from_secs(u64::from(script.u16()) * 4);
                way.opener.expire(now);
            }
            _ => {
                // All inputs have the same keys, so what another one sealed is genuine here: it says its number.
                let Ok(opened) = way.opener.receive(TOPIC, script.bytes(), now) else { continue };
                assert_eq!(opened.application(), opened.general.seq.to_be_bytes(), "an envelope is forged");
                return Reached::Accepted;
            }
        }
    }
    reached(is_delivered)
}

fn session_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for way in [0, 0x80] {
        let mut script = Recorder::default();
        for _ in 0..4 {
            script.u8(way);
        }
        script.u8(way | 2).u8(2).u8(way | 2).u8(0).u8(way | 2).u8(2).u8(way | 4).u8(1).u8(30).u8(1);
        // A phase on, and one that is over.
        script.u8(6 | way).u16(21_601).u8(way).u8(way | 2).u8(4).u8(way | 2).u8(3).u8(6 | way).u16(16);
        script.u8(way | 2).u8(1).u8(way | 5).u8(way | 7).bytes(&[0x10; 40]);
        seeds.push(script.0);
    }
    seeds
}
