//! Two endpoints over a network that loses, repeats, reorders and alters: nothing is done twice or made up.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use clock::{Dice, Moment};
use coap_proto::{
    Code, Config, ContentFormat, Endpoint, Limits, PathLimits, PeerId, Request, RequestId, Response,
};

use super::applications::{Event, Watched};
use crate::rules::reached;
use crate::script::{Recorder, Script};
use crate::{Reached, Target};

pub(super) const PAIR: Target = Target {
    name: "coap_pair",
    about: "two endpoints, and a network that loses, repeats and reorders: at most once, and unaltered",
    length_max: 256,
    run,
    seeds,
};

const PEER: PeerId = PeerId(7);
/// Datagrams on their way; more are lost.
const WAY_MAX: usize = 64;
/// A network keeps a datagram no longer (RFC 7252 section 4.8.2), and lets so many overtake it: what an
/// endpoint remembers against repetition is made for that.
const LATENCY_MAX: Duration = Duration::from_secs(100);
const OVERTAKING_MAX: usize = 25;

/// A datagram on its way.
#[derive(Clone)]
struct Moving {
    to_server: bool,
    sent_at: Moment,
    number: usize,
    datagram: Vec<u8>,
}

struct Run {
    client: Watched,
    server: Watched,
    way: VecDeque<Moving>,
    sent: usize,
    /// The tag that each request carries, and what came of it.
    tags: BTreeMap<RequestId, u16>,
    served: BTreeMap<u16, usize>,
    answered: usize,
}

fn watched(run: u64) -> Watched {
    let mut endpoint = Endpoint::new(Config::default(), Dice::numbered(run));
    endpoint.connect(PEER, PathLimits { datagram_size_max: 300, secure: true }).expect("one peer fits");
    Watched::new(endpoint, Limits::default(), 300)
}

/// A body that tells its tag in every byte pair.
fn body(tag: u16) -> Vec<u8> {
    let length = usize::from(tag) * 37 % 1500;
    tag.to_be_bytes().into_iter().cycle().take(length + 2).collect()
}

fn run(input: &[u8]) -> Reached {
    let mut run = Run {
        client: watched(1),
        server: watched(2),
        way: VecDeque::new(),
        sent: 0,
        tags: BTreeMap::new(),
        served: BTreeMap::new(),
        answered: 0,
    };
    let mut script = Script::new(input);
    while !script.is_empty() {
        run.step(script.u8());
    }
    let answered = run.answered;
    run.client.finish(&[PEER]);
    run.server.finish(&[PEER]);
    reached(answered > 0)
}

impl Run {
    fn step(&mut self, operation: u8) {
        match operation & 7 {
            0 => self.ask(operation),
            1 | 2 => self.deliver(),
            3 => drop(self.way.pop_front()),
            4 => {
                if let Some(front) = self.way.front().cloned() {
                    self.way.push_back(front);
                    self.deliver();
                }
            }
            5 => self.way.rotate_left(1.min(self.way.len())),
            6 => {
                let now = self.client.now + Duration::from_millis(u64::from(operation >> 3) * 200);
                self.pass_to(now);
            }
            _ => {
                let ends = [&self.client, &self.server];
                let next = ends.into_iter().filter_map(|end| end.endpoint.next_deadline()).min();
                if let Some(next) = next {
                    self.pass_to(next);
                }
            }
        }
    }

    fn pass_to(&mut self, at: Moment) {
        let sent = self.client.pass_to(at);
        self.take(true, sent);
        let sent = self.server.pass_to(at);
        self.take(false, sent);
    }

    fn ask(&mut self, operation: u8) {
        let tag = 2 * u16::try_from(self.tags.len()).expect("inputs are shorter");
        let mut request = Request::new(Code::POST, "/a").with_payload(ContentFormat::CBOR, body(tag));
        if operation & 8 != 0 {
            request = request.non_confirmable();
        }
        if let Ok(id) = self.client.endpoint.request(PEER, request, self.client.now) {
            self.client.asked.insert(id);
            self.tags.insert(id, tag);
        }
        let events = self.client.drain();
        self.take(true, events);
    }

    fn deliver(&mut self) {
        let Some(Moving { to_server, sent_at, number, datagram }) = self.way.pop_front() else { return };
        let end = if to_server { &mut self.server } else { &mut self.client };
        if end.now - sent_at > LATENCY_MAX || self.sent - number > OVERTAKING_MAX {
            return;
        }
        end.endpoint.receive(PEER, &datagram, end.now);
        let events = end.drain();
        self.take(!to_server, events);
    }

    /// Passes on what the client or the server put out.
    fn take(&mut self, from_client: bool, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Sent(_, datagram) if self.way.len() < WAY_MAX => {
                    self.sent += 1;
                    let (sent_at, number) = (self.client.now, self.sent);
                    self.way.push_back(Moving { to_server: from_client, sent_at, number, datagram });
                }
                Event::Sent(..) => {}
                Event::Asked(incoming) => {
                    let tag = u16::from_be_bytes([incoming.payload[0], incoming.payload[1]]);
                    assert_eq!(incoming.payload, body(tag), "a body was altered");
                    assert!(self.tags.values().any(|known| *known == tag), "a request nobody made");
                    let served = self.served.entry(tag).or_default();
                    *served += 1;
                    assert_eq!(*served, 1, "a request was served twice");
                    self.server.exchanges.retain(|open| *open != incoming.exchange);
                    let response = Response::content(ContentFormat::CBOR, body(tag ^ 1));
                    let done = self.server.endpoint.respond(incoming.exchange, response, self.server.now);
                    assert!(done.is_ok(), "a request just handed out is open");
                    let events = self.server.drain();
                    self.take(false, events);
                }
                // The endpoint itself answers what is incomplete or too much for it.
                Event::Answered(_, response) if !response.code.is_success() => {}
                Event::Answered(request, Response { payload, .. }) => {
                    let tag = self.tags[&request];
                    assert!(self.served.contains_key(&tag), "an answer to what was never served");
                    assert_eq!(payload, body(tag ^ 1), "the answer of another request, or an altered one");
                    self.answered += 1;
                }
            }
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut plain = Recorder::default();
    for operation in [0_u8, 1, 1, 8, 1, 1, 0x70, 1, 1, 1, 1, 1, 1, 1, 1] {
        plain.u8(operation);
    }
    let mut lossy = Recorder::default();
    for operation in [0xf0_u8, 3, 7, 4, 1, 3, 7, 7, 1, 5, 1, 4, 1, 1, 0x26, 1, 1, 1, 7, 1, 1, 7, 1, 1] {
        lossy.u8(operation);
    }
    vec![plain.0, lossy.0, [[0_u8, 4, 1, 4, 1].repeat(4), vec![7; 40]].concat()]
}
