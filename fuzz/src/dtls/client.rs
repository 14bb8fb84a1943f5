//! A client fed with flights of a server that were recorded and altered.

use std::time::Duration;

use clock::Moment;
use dtls_proto::{Alert, Listener, Session, Verdict};

use super::end::{ADDRESS, Choice, End, START};
use crate::rules::reached;
use crate::script::{Recorder, Script};
use crate::{Reached, Target};

pub(super) const CLIENT: Target = Target {
    name: "dtls_client",
    about: "client Session: datagrams, time, answers",
    length_max: 8192,
    run,
    seeds: || (0..16).map(|choice| recorded(Choice(choice))).collect(),
};

fn run(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let choice = Choice(script.u8() & 0x0f);
    let mut now = START;
    let mut client = start(choice, now);
    let (mut how, mut connected, mut sent_count) = (0, false, client.drain().len());
    let mut inputs = 1;
    while !script.is_empty() {
        inputs += 1;
        match script.u8() % 8 {
            0..=2 => {
                client.session.receive(script.bytes(), now);
            }
            3 => {
                now = now + Duration::from_millis(250 * u64::from(script.u8()));
                client.expire(now);
            }
            4 => {
                now = client.session.next_deadline().unwrap_or(now).max(now);
                client.expire(now);
            }
            5 => how = script.u8(),
            6 => client.send(usize::from(script.u16()) % 2000, now),
            _ if script.u8() & 1 == 0 => client.session.abort(Alert::AccessDenied, now),
            _ => client.session.close(now),
        }
        sent_count += settle(&mut client, how, now).len();
        connected |= client.summary.is_some();
    }
    assert!(sent_count <= 24 * inputs, "{sent_count} datagrams for {inputs} inputs");
    reached(connected)
}

fn start(choice: Choice, now: Moment) -> End {
    End::new(Session::client(choice.client(None), now).expect("the setup is sound"), choice)
}

fn settle(client: &mut End, how: u8, now: Moment) -> Vec<Vec<u8>> {
    let mut sent = client.drain();
    while client.question.is_some() && how % 8 < 6 {
        client.answer(how, now);
        sent.extend(client.drain());
    }
    sent
}

/// Runs a server against the client and writes down what it sends.
fn recorded(choice: Choice) -> Vec<u8> {
    let mut out = Recorder::default();
    out.u8(choice.0);
    let mut listener = Listener::new(choice.listener(), START);
    let mut server: Option<End> = None;
    let mut client = start(choice, START);
    let mut way = settle(&mut client, 0, START);
    while !way.is_empty() {
        let mut back = Vec::new();
        for datagram in way {
            if let Some(server) = &mut server {
                server.session.receive(&datagram, START);
                back.extend(server.answer_all(START));
                continue;
            }
            match listener.receive(ADDRESS, &datagram, START) {
                Verdict::Reply(reply) => back.push(reply),
                Verdict::Accept(session) => {
                    let mut end = End::new(*session, choice);
                    back.extend(end.answer_all(START));
                    server = Some(end);
                }
                Verdict::Drop(noise) => panic!("an honest client is heard: {noise:?}"),
            }
        }
        for datagram in back {
            out.u8(0).bytes(&datagram);
            client.session.receive(&datagram, START);
        }
        way = settle(&mut client, 0, START);
    }
    let mut server = server.expect("the client was accepted");
    server.send(10, START);
    for datagram in server.drain() {
        out.u8(0).bytes(&datagram);
    }
    out.u8(6).u16(10).u8(7).u8(1);
    out.0
}
