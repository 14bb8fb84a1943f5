//! A client and a server over a network that loses, repeats, reorders, cuts and flips.

use std::collections::VecDeque;
use std::time::Duration;

use clock::Moment;
use dtls_proto::{Listener, Session, Verdict, starts_handshake};

use super::end::{ADDRESS, Choice, End, START};
use crate::rules::reached;
use crate::script::Script;
use crate::{Reached, Target};

pub(super) const PAIR: Target = Target {
    name: "dtls_pair",
    about: "client and server over a hostile network: both ends agree, and data arrives once, unaltered",
    length_max: 1024,
    run,
    seeds: || {
        let plain = |choice| [vec![choice], vec![0; 24], vec![7; 4], vec![0; 8]].concat();
        let lossy = |choice| {
            [vec![choice], [0_u8, 3, 8, 0, 4, 8, 0, 5, 0, 8, 8].repeat(4), vec![7, 0, 7, 0]].concat()
        };
        let flipped = |choice| {
            let ops = [vec![0; 4], vec![6, 0, 20, 1], vec![0; 4], vec![8, 0, 0, 8, 0, 0, 7, 0, 0]];
            [vec![choice], ops.concat()].concat()
        };
        (0..16).flat_map(|choice| [plain(choice), lossy(choice), flipped(choice)]).collect()
    },
};

/// Datagrams on their way; more are lost.
const WAY_MAX: usize = 64;

struct Run {
    now: Moment,
    choice: Choice,
    listener: Listener,
    client: End,
    server: Option<End>,
    /// Whether to the server, and the bytes.
    way: VecDeque<(bool, Vec<u8>)>,
    sent: [usize; 2],
}

fn run(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let choice = Choice(script.u8() & 0x0f);
    let client = Session::client(choice.client(None), START).expect("the setup is sound");
    let mut run = Run {
        now: START,
        choice,
        listener: Listener::new(choice.listener(), START),
        client: End::new(client, choice),
        server: None,
        way: VecDeque::new(),
        sent: [0; 2],
    };
    run.settle();
    while !script.is_empty() {
        run.step(&mut script);
        run.settle();
        run.check();
    }
    reached(run.client.summary.is_some() && run.server.is_some_and(|server| server.summary.is_some()))
}

impl Run {
    fn step(&mut self, script: &mut Script<'_>) {
        match script.u8() % 9 {
            0..=2 => self.deliver(),
            3 => drop(self.way.pop_front()),
            4 => {
                if let Some(front) = self.way.front().cloned() {
                    self.way.push_back(front);
                    self.deliver();
                }
            }
            5 => self.way.rotate_left(1.min(self.way.len())),
            6 => {
                let (at, mask) = (usize::from(script.u16()), script.u8());
                if let Some((_, datagram)) = self.way.front_mut() {
                    let at = at % datagram.len();
                    if mask == 0 {
                        datagram.truncate(at.max(1));
                    } else {
                        datagram[at] ^= mask;
                    }
                }
                self.deliver();
            }
            7 => self.send(),
            _ => {
                let ends = [Some(&self.client), self.server.as_ref()].into_iter().flatten();
                let next = ends.filter_map(|end| end.session.next_deadline()).min();
                self.now = next.unwrap_or(self.now + Duration::from_secs(1)).max(self.now);
                self.client.expire(self.now);
                if let Some(server) = &mut self.server {
                    server.expire(self.now);
                }
            }
        }
    }

    fn send(&mut self) {
        let ends = [Some(&mut self.client), self.server.as_mut()];
        for (way, end) in ends.into_iter().enumerate() {
            let Some(end) = end.filter(|end| end.summary.is_some() && end.closing.is_none()) else {
                continue;
            };
            let text = [&[way as u8][..], &self.sent[way].to_be_bytes()].concat();
            if end.session.send(&text, self.now).is_ok() {
                self.sent[way] += 1;
            }
        }
    }

    fn deliver(&mut self) {
        let Some((to_server, datagram)) = self.way.pop_front() else { return };
        if !to_server {
            self.client.session.receive(&datagram, self.now);
            return;
        }
        let known = |end: &End| !starts_handshake(&datagram) || end.session.accepted_from(&datagram);
        if let Some(server) = self.server.as_mut().filter(|end| known(end)) {
            server.session.receive(&datagram, self.now);
            return;
        }
        match self.listener.receive(ADDRESS, &datagram, self.now) {
            Verdict::Reply(reply) => self.push(false, reply),
            Verdict::Accept(session) if self.server.is_none() => {
                self.server = Some(End::new(*session, self.choice));
            }
            // As the demultiplexer: a new session takes the place of the old one when it is connected.
            Verdict::Accept(_) | Verdict::Drop(_) => {}
        }
    }

    fn push(&mut self, to_server: bool, datagram: Vec<u8>) {
        if self.way.len() < WAY_MAX {
            self.way.push_back((to_server, datagram));
        }
    }

    fn settle(&mut self) {
        for datagram in self.client.answer_all(self.now) {
            self.push(true, datagram);
        }
        let sent = self.server.as_mut().map(|server| server.answer_all(self.now)).unwrap_or_default();
        for datagram in sent {
            self.push(false, datagram);
        }
    }

    /// Both ends agree about everything, and hear only what the other said, once.
    fn check(&self) {
        let heard = |end: &End, way: usize| {
            let mut numbers: Vec<&[u8]> = end.data.iter().map(Vec::as_slice).collect();
            numbers.sort_unstable();
            assert!(numbers.windows(2).all(|two| two[0] != two[1]), "data came twice");
            for text in numbers {
                let number =
                    text.get(1..).and_then(|number| number.try_into().ok()).map(usize::from_be_bytes);
                assert!(text[0] == way as u8 && number.is_some_and(|number| number < self.sent[way]));
            }
        };
        heard(&self.client, 1);
        let Some(server) = &self.server else { return };
        heard(server, 0);
        let (Some(client), Some(server)) = (&self.client.summary, &server.summary) else { return };
        assert_eq!(client.suite, server.suite, "two suites");
        assert!(client.extended_master_secret && server.extended_master_secret);
        assert_eq!(client.resumed, server.resumed);
        assert_eq!((client.peer_name, client.own_name), (server.own_name, server.peer_name));
        assert_eq!(client.peer_connection_id, server.own_connection_id);
        assert_eq!(client.own_connection_id, server.peer_connection_id);
    }
}
