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
                assert!(matches!(session.phase, Phase::Connected { last_flight: None }));
                assert_eq!(session.line.outputs.capacity(), 0, "an empty queue holds nothing");
                let own = size_of::<Session>() + 8;
                assert!(own <= 400, "{own} bytes without the keys");
                // What a prepared key weighs is the provider's choice, and what C code behind it holds is
                // not seen here.
                let keys = session.line.records.key_size();
                let limit = if suite == CipherSuite::PskAes128Ccm8 { 768 } else { 1280 };
                assert!(keys <= limit, "{} {suite:?}: {keys} bytes of keys", provider.name());
            }
        }
    }
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
