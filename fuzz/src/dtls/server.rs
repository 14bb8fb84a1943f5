//! A listener and the session it accepts, fed with flights that were recorded and altered.

use std::time::Duration;

use clock::Moment;
use dtls_proto::{Alert, Listener, Session, Verdict, starts_handshake};

use super::end::{ADDRESS, Choice, End, START};
use crate::rules::reached;
use crate::script::{Recorder, Script};
use crate::{Reached, Target};

pub(super) const SERVER: Target = Target {
    name: "dtls_server",
    about: "Listener and server Session: datagrams, time, answers; nothing but a cookie before a cookie",
    length_max: 8192,
    run,
    seeds,
};

/// As in [`dtls_proto::ListenerSetup::new`].
const COOKIE_KEY_DURATION: Duration = Duration::from_secs(30);
const STRANGER: &[u8] = b"10.9.9.9:9";

struct Run {
    now: Moment,
    choice: Choice,
    listener: Listener,
    server: Option<End>,
    /// Cookies that went out, with the address.
    cookies: Vec<(&'static [u8], [u8; 32])>,
    how: u8,
    connected: bool,
}

fn run(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let mut run = Run::new(Choice(script.u8() & 0x0f));
    while !script.is_empty() {
        run.step(&mut script);
    }
    reached(run.connected)
}

impl Run {
    fn new(choice: Choice) -> Self {
        let listener = Listener::new(choice.listener(), START);
        let (cookies, how) = (Vec::new(), 0);
        Self { now: START, choice, listener, server: None, cookies, how, connected: false }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.u8() % 8 {
            0 | 1 => drop(self.arrive(ADDRESS, script.bytes())),
            2 => drop(self.arrive(STRANGER, script.bytes())),
            3 => {
                self.now = self.now + Duration::from_millis(250 * u64::from(script.u8()));
                self.expire();
            }
            4 => {
                let next = self.server.as_ref().and_then(|end| end.session.next_deadline());
                self.now = next.unwrap_or(self.now).max(self.now);
                self.expire();
            }
            5 => self.how = script.u8(),
            6 => {
                let length = usize::from(script.u16()) % 2000;
                if let Some(end) = &mut self.server {
                    end.send(length, self.now);
                }
            }
            _ => {
                let fatal = script.u8() & 1 == 0;
                if let Some(end) = &mut self.server {
                    if fatal {
                        end.session.abort(Alert::AccessDenied, self.now);
                    } else {
                        end.session.close(self.now);
                    }
                }
            }
        }
        self.settle();
    }

    fn expire(&mut self) {
        if let Some(end) = &mut self.server {
            end.expire(self.now);
        }
    }

    /// Answers as chosen, and checks what is sent.
    fn settle(&mut self) -> Vec<Vec<u8>> {
        let Some(end) = &mut self.server else { return Vec::new() };
        let mut sent = end.drain();
        while end.question.is_some() && self.how % 8 < 6 {
            end.answer(self.how, self.now);
            sent.extend(end.drain());
        }
        self.connected |= end.summary.is_some();
        sent
    }

    /// What a datagram brings back.
    fn arrive(&mut self, from: &'static [u8], datagram: &[u8]) -> Vec<Vec<u8>> {
        let known = |end: &End| !starts_handshake(datagram) || end.session.accepted_from(datagram);
        if let Some(end) = self.server.as_mut().filter(|end| from == ADDRESS && known(end)) {
            end.session.receive(datagram, self.now);
            return self.settle();
        }
        match self.listener.receive(from, datagram, self.now) {
            Verdict::Reply(reply) => {
                assert!(reply.len() <= datagram.len(), "a stranger gets no more than it sent");
                let cookie = reply.last_chunk::<32>().expect("a cookie stands at the end");
                self.cookies.push((from, *cookie));
                vec![reply]
            }
            Verdict::Accept(session) => {
                assert!(self.has_genuine_cookie(from, datagram), "accepted without a cookie for that place");
                self.accept(from, *session)
            }
            Verdict::Drop(_) => Vec::new(),
        }
    }

    /// Whether a hello carries the cookie that its sender would be told for it, or was told earlier.
    fn has_genuine_cookie(&mut self, from: &[u8], hello: &[u8]) -> bool {
        let (stripped, carried) = without_cookie(hello).expect("an accepted hello has this shape");
        if self.cookies.iter().any(|(to, cookie)| *to == from && carried == *cookie) {
            return true;
        }
        // A recorded run may bring a cookie of this listener; under a later key it cannot be told again.
        if self.now - START >= COOKIE_KEY_DURATION {
            return carried.len() == 32;
        }
        match self.listener.receive(from, &stripped, self.now) {
            Verdict::Reply(reply) => reply.ends_with(&carried) && carried.len() == 32,
            Verdict::Accept(_) => panic!("accepted without any cookie"),
            Verdict::Drop(_) => carried.len() == 32 && stripped.len() < 60,
        }
    }

    fn accept(&mut self, from: &[u8], session: Session) -> Vec<Vec<u8>> {
        if from != ADDRESS {
            return Vec::new();
        }
        let mut sent = self.server.take().map(|mut end| end.drain()).unwrap_or_default();
        self.server = Some(End::new(session, self.choice));
        sent.extend(self.settle());
        sent
    }
}

/// A hello of one record, without its cookie, and the cookie.
fn without_cookie(datagram: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    const BODY: usize = 13 + 12;
    let session_id = BODY + 2 + 32;
    let at = session_id + 1 + usize::from(*datagram.get(session_id)?);
    let length = usize::from(*datagram.get(at)?);
    let cookie = datagram.get(at + 1..at + 1 + length)?.to_vec();
    let mut stripped = [&datagram[..at], &[0], &datagram[at + 1 + length..]].concat();
    // Lengths of the record, the message and the fragment; each holds at least the cookie.
    for (start, width) in [(11, 2), (14, 3), (22, 3)] {
        let field = &mut stripped[start..start + width];
        let number = field.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)).checked_sub(length)?;
        field.copy_from_slice(&number.to_be_bytes()[8 - width..]);
    }
    Some((stripped, cookie))
}

/// Runs clients of every choice and writes down what they send; with a ticket, a second one resumes.
fn seeds() -> Vec<Vec<u8>> {
    (0..16).map(|choice| recorded(Choice(choice))).collect()
}

fn recorded(choice: Choice) -> Vec<u8> {
    let mut run = Run::new(choice);
    let mut out = Recorder::default();
    out.u8(choice.0);
    let mut ticket = None;
    for _ in 0..2 {
        let session = Session::client(choice.client(ticket.take()), run.now).expect("the setup is sound");
        let mut client = End::new(session, choice);
        let mut way = client.answer_all(run.now);
        while !way.is_empty() {
            let mut back = Vec::new();
            for datagram in way {
                out.u8(0).bytes(&datagram);
                back.extend(run.arrive(ADDRESS, &datagram));
            }
            for datagram in back {
                client.session.receive(&datagram, run.now);
            }
            way = client.answer_all(run.now);
        }
        client.send(10, run.now);
        client.session.close(run.now);
        for datagram in client.drain() {
            out.u8(0).bytes(&datagram);
            run.arrive(ADDRESS, &datagram);
        }
        ticket = client.ticket;
        if ticket.is_none() {
            break;
        }
    }
    out.0
}
