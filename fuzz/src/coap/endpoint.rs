//! One endpoint, two peers that send anything, and an application that does anything.

use std::collections::BTreeSet;
use std::time::Duration;

use clock::{Dice, Moment};
use coap_proto::{
    Code, Config, ContentFormat, Delivery, Endpoint, Kind, Limits, Message, MessageId, OptionNumber,
    PathLimits, PeerId, Request, Response,
};

use super::applications::{Event, Watched};
use crate::rules::reached;
use crate::script::{Recorder, Script};
use crate::{Reached, Target};

pub(super) const ENDPOINT: Target = Target {
    name: "coap_endpoint",
    about: "Endpoint: datagrams of two peers, time, requests, answers, notifications",
    length_max: 1024,
    run,
    seeds,
};

const SECURED: PeerId = PeerId(1);
const OPEN: PeerId = PeerId(2);
const DATAGRAM_SIZE_MAX: usize = 1152;

/// Small limits, so that short inputs reach them.
fn limits() -> Limits {
    Limits {
        peer_count_max: 2,
        requests_per_peer_max: 4,
        queued_per_peer_max: 3,
        exchanges_per_peer_max: 3,
        exchange_count_max: 5,
        remembered_per_peer_max: 8,
        reply_bytes_per_peer_max: 2048,
        observers_per_peer_max: 3,
        observer_count_max: 4,
        body_size_max: 4096,
        transfers_per_peer_max: 3,
        transfer_bytes_per_peer_max: 6000,
        transfer_bytes_max: 10_000,
    }
}

struct Run {
    watched: Watched,
    /// Whether the peer without security may be known to be there.
    perhaps_proven: bool,
    /// The longest datagram of that peer.
    longest: usize,
    /// How many datagrams that peer has sent.
    came: usize,
    /// Bytes sent to it about what it observes.
    told: usize,
    /// Ids of the confirmable messages to it: who knows one may have seen it.
    confirmable: BTreeSet<MessageId>,
}

fn run(input: &[u8]) -> Reached {
    let limits = limits();
    let endpoint = Endpoint::new(Config { limits, ..Config::default() }, Dice::numbered(3));
    let mut run = Run {
        watched: Watched::new(endpoint, limits, DATAGRAM_SIZE_MAX),
        perhaps_proven: false,
        longest: 0,
        came: 0,
        told: 0,
        confirmable: BTreeSet::new(),
    };
    run.watched.endpoint.connect(SECURED, PathLimits::SECURED).expect("two peers fit");
    run.watched.endpoint.connect(OPEN, PathLimits::UDP).expect("two peers fit");
    let refused = run.watched.endpoint.connect(PeerId(3), PathLimits::UDP);
    assert!(refused.is_err(), "a third peer is over the limit");
    let mut script = Script::new(input);
    while !script.is_empty() {
        run.step(&mut script);
    }
    reached(run.watched.finish(&[SECURED, OPEN]))
}

impl Run {
    fn step(&mut self, script: &mut Script<'_>) {
        let operation = script.u8();
        let peer = if operation & 0x80 == 0 { SECURED } else { OPEN };
        let now = self.watched.now;
        match operation & 0x0f {
            0..=2 => self.receive(peer, script.bytes()),
            3 | 4 => self.reply(peer, script),
            5 => {
                let at = now + Duration::from_millis(u64::from(script.u16()) * 10);
                self.pass_to(at);
            }
            6 => {
                if let Some(next) = self.watched.endpoint.next_deadline() {
                    self.pass_to(next);
                }
            }
            7 | 8 => self.ask(peer, operation & 0x0f == 8, script),
            9 | 10 => self.respond(script),
            11 => self.notify(script),
            12 => {
                let at = usize::from(script.u8());
                let chosen = self.watched.asked.iter().nth(at % self.watched.asked.len().max(1)).copied();
                if let Some(request) = chosen {
                    self.watched.endpoint.cancel(request, now);
                    self.watched.asked.remove(&request);
                }
            }
            13 => {
                if let Ok(id) = self.watched.endpoint.ping(peer, now) {
                    self.watched.pings.insert(id);
                    self.perhaps_proven |= peer == OPEN;
                }
            }
            14 => {
                self.watched.endpoint.forget(peer, now);
                self.watched.drain();
                let path = if peer == SECURED { PathLimits::SECURED } else { PathLimits::UDP };
                self.watched.endpoint.connect(peer, path).expect("there is room again");
                self.watched.exchanges.retain(|open| open.peer != peer);
            }
            _ => self.watched.endpoint.receive(PeerId(9), script.bytes(), now),
        }
        let events = self.watched.drain();
        self.check(events);
    }

    fn pass_to(&mut self, at: Moment) {
        let events = self.watched.pass_to(at);
        self.check(events);
    }

    fn receive(&mut self, peer: PeerId, datagram: &[u8]) {
        if peer == OPEN {
            self.longest = self.longest.max(datagram.len());
            self.came += 1;
            let acknowledges = |message: Message<'_>| {
                message.kind == Kind::Acknowledgement && self.confirmable.contains(&message.id)
            };
            self.perhaps_proven |= Message::parse(datagram).is_ok_and(acknowledges);
        }
        self.watched.endpoint.receive(peer, datagram, self.watched.now);
    }

    /// A message that fits the newest one to the peer: same token, same id.
    fn reply(&mut self, peer: PeerId, script: &mut Script<'_>) {
        let (head, code, tail) = (script.u8(), script.u8(), script.bytes());
        let Some(sent) = self.watched.last_sent.get(&peer).cloned() else { return };
        let Ok(message) = Message::parse(&sent) else { return };
        let token = message.token.as_bytes();
        let first = 1 << 6 | (head & 3) << 4 | if code == 0 { 0 } else { token.len() as u8 };
        let id = message.id.0.wrapping_add(u16::from(head >> 2 & 3)).to_be_bytes();
        let mut bytes = vec![first, code, id[0], id[1]];
        if code != 0 {
            bytes.extend_from_slice(token);
            bytes.extend_from_slice(tail);
        }
        self.receive(peer, &bytes);
    }

    fn ask(&mut self, peer: PeerId, observe: bool, script: &mut Script<'_>) {
        let (method, length) = (script.u8(), usize::from(script.u16()) % 5000);
        let mut request = Request::new(Code::from_byte(1 + method % 7), "/a/b");
        if length > 0 {
            request = request.with_payload(ContentFormat::CBOR, vec![method; length]);
        }
        if method & 0x80 != 0 {
            request = request.non_confirmable();
        }
        let (endpoint, now) = (&mut self.watched.endpoint, self.watched.now);
        let asked =
            if observe { endpoint.observe(peer, request, now) } else { endpoint.request(peer, request, now) };
        if let Ok(id) = asked {
            assert!(self.watched.asked.insert(id), "a request has a name of its own");
            self.perhaps_proven |= peer == OPEN;
        }
    }

    fn respond(&mut self, script: &mut Script<'_>) {
        let (choice, code, length) = (script.u8(), script.u8(), usize::from(script.u16()) % 5000);
        if self.watched.exchanges.is_empty() {
            return;
        }
        let at = usize::from(choice >> 2) % self.watched.exchanges.len();
        let exchange = self.watched.exchanges.swap_remove(at);
        let mut response = Response::new(match code % 4 {
            0 => Code::CONTENT,
            1 => Code::CHANGED,
            2 => Code::NOT_FOUND,
            _ => Code::from_byte(0x40 | code >> 2 & 0x1f),
        });
        response.payload = vec![code; length];
        if code & 0x40 != 0 {
            response = response.with_etag(&[code]);
        }
        let (endpoint, now) = (&mut self.watched.endpoint, self.watched.now);
        match choice % 4 {
            0 | 1 => {
                let first = endpoint.respond(exchange, response.clone(), now);
                let second = endpoint.respond(exchange, response, now);
                assert!(second.is_err(), "an exchange is answered once, and the first time was {first:?}");
            }
            2 => {
                let observed = endpoint.respond_observed(exchange, response, now);
                if let Ok(Some(observer)) = observed
                    && !self.watched.observers.contains(&observer)
                {
                    self.watched.observers.push(observer);
                }
            }
            _ => {
                let _ = endpoint.challenge(exchange, now);
            }
        }
    }

    fn notify(&mut self, script: &mut Script<'_>) {
        let (choice, length) = (script.u8(), usize::from(script.u16()) % 5000);
        let Some(count) = self.watched.observers.len().checked_sub(1) else { return };
        let observer = self.watched.observers[usize::from(choice >> 2) % (count + 1)];
        let mut response = Response::content(ContentFormat::TEXT, vec![choice; length]);
        if choice & 2 != 0 {
            response = Response::new(Code::NOT_FOUND);
            self.watched.observers.retain(|known| *known != observer);
        }
        let delivery = if choice & 1 == 0 { Delivery::Confirmable } else { Delivery::NonConfirmable };
        let told = self.watched.endpoint.notify(observer, response, delivery, self.watched.now);
        assert!(told.is_ok(), "an observer that was not told to be gone is there");
    }

    /// Nobody unproven gets much more than it sent, and what it observes costs no more than its registrations.
    fn check(&mut self, events: Vec<Event>) {
        const ADDED: usize = 32;
        for event in events {
            match event {
                Event::Sent(OPEN, datagram) if !self.perhaps_proven => {
                    let allowed = ADDED + 128.max(3 * self.longest);
                    assert!(datagram.len() <= allowed, "{} bytes for {}", datagram.len(), self.longest);
                    let message = Message::parse(&datagram).expect("we send messages");
                    if message.kind == Kind::Confirmable {
                        self.confirmable.insert(message.id);
                    }
                    if message.options.has(OptionNumber::OBSERVE) {
                        self.told += datagram.len();
                    }
                    // An answer and a notification with its repetitions for each datagram that came.
                    let allowed = 2 * self.came * allowed;
                    assert!(self.told <= allowed, "{} bytes told for {} datagrams", self.told, self.came);
                }
                Event::Asked(incoming) => self.perhaps_proven |= incoming.is_fresh,
                Event::Sent(..) | Event::Answered(..) => {}
            }
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let get: &[u8] = &[0x41, 1, 0x10, 1, 1, 0xb1, b'a'];
    let observe: &[u8] = &[0x41, 1, 0x30, 2, 2, 0x60, 0x51, b'o'];
    let block: &[u8] = &[0x41, 3, 0x11, 3, 3, 0xb1, b'b', 0xd1, 3, 0x08, 0xff, 1, 1, 1, 1, 1, 1, 1, 1];
    let mut seeds = Vec::new();
    for high in [0, 0x80] {
        let mut asked = Recorder::default();
        asked.u8(high).bytes(get).u8(9).u8(0).u8(0).u16(2000).u8(high).bytes(get).u8(5).u16(30_000);
        seeds.push(asked.0);
        let mut observed = Recorder::default();
        observed.u8(high).bytes(observe).u8(9).u8(2).u8(0).u16(10).u8(11).u8(0).u16(20).u8(6);
        observed.u8(high | 3).u8(2).u8(0).u16(0).u8(11).u8(1).u16(3000).u8(14 | high);
        seeds.push(observed.0);
        let mut ignored = Recorder::default();
        ignored.u8(high).bytes(observe).u8(9).u8(2).u8(0).u16(10).u8(11).u8(1).u16(40);
        ignored.u8(6).u8(6).u8(6).u8(6).u8(6).u8(11).u8(0).u16(10).u8(5).u16(60_000);
        seeds.push(ignored.0);
        let mut upload = Recorder::default();
        upload.u8(high).bytes(block).u8(high).bytes(block).u8(5).u16(60_000);
        seeds.push(upload.0);
        let mut asking = Recorder::default();
        asking.u8(high | 7).u8(0).u16(0).u8(high | 3).u8(2).u8(0x45).bytes(&[0xff, 1, 2]);
        asking.u8(high | 8).u8(0).u16(0).u8(high | 3).u8(2).u8(0x45).bytes(&[0x61, 5, 0xff, 1]);
        asking.u8(high | 7).u8(2).u16(3000).u8(high | 3).u8(2).u8(0x5f).bytes(&[0xd1, 14, 0x0e]);
        asking.u8(13 | high).u8(6).u8(12).u8(0).u8(6).u8(6);
        seeds.push(asking.0);
    }
    seeds
}
