//! Tests of a connected session that need a look inside: what it holds, and records no session would send.

use alloc::sync::Arc;
use alloc::vec::Vec;

use clock::{Dice, Moment};
use crypto::{Provider, Secret};

use crate::record::{ContentType, Epoch};
use crate::session::Phase;
use crate::{
    Alert, Answer, CipherSuite, ClientAuthentication, ClientSetup, HelloChoice, Listener, ListenerSetup,
    Output, Session, Verdict,
};

const NOW: Moment = Moment::from_micros(1);

struct Ends {
    client: Session,
    server: Session,
}

fn drain(session: &mut Session) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    while let Some(output) = session.next_output() {
        match output {
            Output::Transmit(datagram) => datagrams.push(datagram),
            Output::Ask(question) => {
                let key = Secret::from(&[7; 16][..]);
                let answer = match question {
                    crate::Question::Hello(_) => Answer::Hello(HelloChoice {
                        name: None,
                        suites: CipherSuite::ALL.to_vec(),
                        groups: Vec::new(),
                        hint: None,
                        credentials: Vec::new(),
                        client_authentication: ClientAuthentication::None,
                        connection_id: Some(alloc::vec![9; 8]),
                    }),
                    crate::Question::PskIdentity { .. } => Answer::PskKey { key, ticket_state: None },
                    _ => Answer::PskCredential { identity: alloc::vec![1], key },
                };
                session.answer(answer, NOW).unwrap();
            }
            Output::Connected(_) | Output::Ticket(_) | Output::Data(_) | Output::Closed(_) => {}
        }
    }
    datagrams
}

fn connected(provider: Arc<dyn Provider>, suite: CipherSuite) -> Ends {
    let setup =
        ClientSetup { suites: alloc::vec![suite], ..ClientSetup::psk(provider.clone(), Dice::numbered(1)) };
    let mut client = Session::client(setup, NOW).unwrap();
    let mut listener = Listener::new(ListenerSetup::new(provider, Dice::numbered(2)), NOW);
    let first = drain(&mut client).remove(0);
    let Verdict::Reply(reply) = listener.receive(b"x", &first, NOW) else { panic!("a cookie is due") };
    client.receive(&reply, NOW);
    let second = drain(&mut client).remove(0);
    let Verdict::Accept(server) = listener.receive(b"x", &second, NOW) else { panic!("the cookie is good") };
    let mut ends = Ends { client, server: *server };
    while !ends.client.is_connected() || !ends.server.is_connected() {
        for datagram in drain(&mut ends.server) {
            ends.client.receive(&datagram, NOW);
        }
        for datagram in drain(&mut ends.client) {
            ends.server.receive(&datagram, NOW);
        }
    }
    drain(&mut ends.server);
    ends
}

fn server_provider() -> Arc<dyn Provider> {
    Arc::new(crypto_server::Server::new())
}

#[test]
fn an_idle_session_is_small() {
    let portable: Arc<dyn Provider> = Arc::new(crypto_portable::Portable::new());
    for provider in [server_provider(), portable] {
        for suite in CipherSuite::PSK {
            let mut ends = connected(provider.clone(), suite);
            ends.client.send(b"heard", NOW).unwrap();
            for datagram in drain(&mut ends.client) {
                ends.server.receive(&datagram, NOW);
            }
            assert_eq!(drain(&mut ends.server), Vec::<Vec<u8>>::new());
            for session in [&ends.client, &ends.server] {
                assert!(matches!(session.phase, Phase::Connected { last_flight: None, .. }));
                assert_eq!(session.line.outputs.capacity(), 0, "an empty queue holds nothing");
                let own = size_of::<Session>() + 8;
                assert!(own <= 400, "{own} bytes without the keys");
                // What a prepared key weighs is the provider's choice, and what C code behind it holds is
                // not seen here.
                let keys: usize = session.line.records.prepared_sizes().into_iter().flatten().sum();
                let limit = if suite == CipherSuite::PskAes128Ccm8 { 768 } else { 1280 };
                assert!(keys <= limit, "{} {suite:?}: {keys} bytes of keys", provider.name());
            }
            for session in [&mut ends.client, &mut ends.server] {
                fall_silent(session);
                assert_eq!(
                    session.line.records.prepared_sizes(),
                    [None, None],
                    "silent, it keeps the key alone"
                );
            }
        }
    }
}

/// Does all that is due, each when it is due.
fn fall_silent(session: &mut Session) {
    while let Some(due) = session.next_deadline() {
        session.expire(due);
    }
    assert!(session.is_connected(), "silence is no end");
}

fn is_prepared(session: &Session) -> [bool; 2] {
    session.line.records.prepared_sizes().map(|size| size.is_some())
}

#[test]
fn keys_are_prepared_while_records_come_and_go_and_not_in_silence() {
    for suite in CipherSuite::PSK {
        let mut ends = connected(server_provider(), suite);
        let seconds = |count| NOW + core::time::Duration::from_secs(count);
        // Traffic moves no deadline; what is due is done at it, and the keys stay for 10 s after a record.
        let due = ends.client.next_deadline().unwrap();
        assert_eq!(due, seconds(10));
        ends.client.send(b"later", seconds(9)).unwrap();
        drain(&mut ends.client);
        assert_eq!(ends.client.next_deadline(), Some(due));
        ends.client.expire(due);
        assert_eq!(is_prepared(&ends.client), [true, true]);
        assert_eq!(ends.client.next_deadline(), Some(seconds(19)));
        ends.client.expire(seconds(18));
        assert_eq!(is_prepared(&ends.client), [true, true], "never early");
        ends.client.expire(seconds(19));
        assert_eq!(is_prepared(&ends.client), [false, false]);
        assert_eq!(ends.client.next_deadline(), None, "a silent session has nothing to do");
        fall_silent(&mut ends.server);
        // The first records after the silence go both ways, under numbers that go on.
        for (from_client, text) in [(true, b"ask"), (false, b"say"), (true, b"ask")] {
            let Ends { client, server } = &mut ends;
            let (from, to) = if from_client { (client, server) } else { (server, client) };
            from.send(text, seconds(900)).unwrap();
            while let Some(output) = from.next_output() {
                let Output::Transmit(datagram) = output else { continue };
                to.receive(&datagram, seconds(900));
                assert_eq!(to.receive(&datagram, seconds(900)), crate::Arrival::Noise, "once is enough");
            }
            let heard = core::iter::from_fn(|| to.next_output()).find(|it| matches!(it, Output::Data(_)));
            assert!(matches!(heard, Some(Output::Data(plaintext)) if plaintext == text));
        }
        for session in [&ends.client, &ends.server] {
            assert_eq!(is_prepared(session), [true, true]);
            assert_eq!(session.next_deadline(), Some(seconds(910)));
        }
    }
}

#[test]
fn a_record_that_is_refused_without_a_key_prepares_none() {
    let mut ends = connected(server_provider(), CipherSuite::PskAes128GcmSha256);
    ends.client.send(b"heard", NOW).unwrap();
    let datagram = drain(&mut ends.client).remove(0);
    assert_eq!(ends.server.receive(&datagram, NOW), crate::Arrival::Newest);
    fall_silent(&mut ends.server);
    let late = NOW + core::time::Duration::from_secs(900);
    assert_eq!(ends.server.receive(&datagram, late), crate::Arrival::Noise, "it is known by its number");
    assert_eq!(is_prepared(&ends.server), [false, false]);
    assert_eq!(ends.server.next_deadline(), None);
    // One that is not genuine prepares the key it is tried with, and no more than that, and not for long.
    ends.client.send(b"changed on the way", late).unwrap();
    let mut forged = drain(&mut ends.client).remove(0);
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(ends.server.receive(&forged, late), crate::Arrival::Noise);
    assert_eq!(is_prepared(&ends.server), [false, true]);
    fall_silent(&mut ends.server);
    assert_eq!(is_prepared(&ends.server), [false, false]);
}

// verifies: RFC5246-7.2.2, RFC5746-4.5
#[test]
fn renegotiation_is_refused_and_the_association_lives_on() {
    let mut ends = connected(server_provider(), CipherSuite::PskAes128Ccm8);
    for (kind, from_client) in [(1, true), (0, false)] {
        let hello = [&[kind, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0][..]].concat();
        let (from, to) = if from_client {
            (&mut ends.client, &mut ends.server)
        } else {
            (&mut ends.server, &mut ends.client)
        };
        let mut datagram = Vec::new();
        from.line.records.write(Epoch::Protected, ContentType::Handshake, &hello, &mut datagram).unwrap();
        to.receive(&datagram, NOW);
        let answers = drain(to);
        assert_eq!(answers.len(), 1, "a warning and no handshake");
        from.receive(&answers[0], NOW);
        assert!(from.is_connected() && to.is_connected());
        assert_eq!(from.noise().total(), 0, "the answer is a genuine alert");
    }
}

#[test]
fn a_repeated_finished_repeats_the_last_flight_but_not_at_will() {
    let mut ends = connected(server_provider(), CipherSuite::PskAes128Ccm8);
    let finished = [&[20, 0, 0, 12, 0, 3, 0, 0, 0, 0, 0, 12][..], &[0; 12]].concat();
    let late = NOW + core::time::Duration::from_secs(1);
    let repeat = |ends: &mut Ends, at| {
        let mut datagram = Vec::new();
        let records = &mut ends.client.line.records;
        records.write(Epoch::Protected, ContentType::Handshake, &finished, &mut datagram).unwrap();
        ends.server.receive(&datagram, at);
        drain(&mut ends.server).len()
    };
    assert_eq!(repeat(&mut ends, NOW), 0, "at once it is a duplicate of the network");
    assert_eq!(repeat(&mut ends, late), 1);
    assert_eq!(repeat(&mut ends, late), 0);
    ends.server.close(late);
    assert_eq!(drain(&mut ends.server).len(), 1);
    assert_eq!(repeat(&mut ends, late + core::time::Duration::from_secs(9)), 0, "closed is closed");
}

#[test]
fn a_session_that_runs_out_of_numbers_ends() {
    let mut ends = connected(server_provider(), CipherSuite::PskAes128Ccm8);
    ends.client.line.records.use_up_numbers();
    assert_eq!(ends.client.send(b"no", NOW), Err(crate::SendError::Exhausted));
    assert!(ends.client.is_closed());
    let closing = ends.client.next_output();
    assert!(matches!(closing, Some(Output::Closed(crate::Closing::Exhausted))));
    assert_eq!(crate::Closing::Exhausted.alert(), None::<Alert>);
}
