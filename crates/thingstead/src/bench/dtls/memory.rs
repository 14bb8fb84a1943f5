//! Full handshakes in memory: only what the server does counts.
//!
//! Many handshakes go in step, so that the clock is read once for a step of all of them: it costs a call of
//! the operating system.

use std::time::Duration;

use clock::{Dice, Moment};
use crypto::{Curve, Group, PublicKey, SignatureScheme};
use dtls_proto::{Listener, ListenerSetup, Output, Session, Verdict};

use super::{Party, Proof};
use crate::bench::child::{internal, thread_time};
use crate::failure::Outcome;

/// Handshakes that go in step.
const ABREAST: usize = 64;
/// Where all clients are; a server is told no more of an address than bytes.
const ADDRESS: &[u8] = &[127, 0, 0, 1, 200, 1];
/// What is signed in a handshake is a little longer than this; a longer message is hashed at no cost to speak of.
const SIGNED_LENGTH: usize = 133;

/// Both ends of many handshakes.
pub(super) struct Handshakes {
    client: Party,
    server: Party,
    listener: Listener,
    now: Moment,
}

/// One handshake under way.
struct Pair {
    client: Session,
    server: Option<Box<Session>>,
    to_server: Vec<Vec<u8>>,
    to_client: Vec<Vec<u8>>,
    is_client_up: bool,
    is_server_up: bool,
}

impl Handshakes {
    pub(super) fn new(proof: Proof) -> Outcome<Self> {
        let (client, mut server) =
            (Party::new(proof, Dice::numbered(1))?, Party::new(proof, Dice::numbered(2))?);
        let now = Moment::START;
        let listener = Listener::new(ListenerSetup::new(server.provider.clone(), server.dice.split()), now);
        Ok(Self { client, server, listener, now })
    }

    /// Handshakes per second of the server's processor time.
    pub(super) fn per_second(&mut self, span: Duration) -> Outcome<f64> {
        let (mut count, mut spent) = (0_u32, Duration::ZERO);
        let begin = thread_time()?;
        while thread_time()?.saturating_sub(begin) < span {
            spent += self.many()?;
            count += u32::try_from(ABREAST).expect("a few handshakes go in step");
        }
        Ok(f64::from(count) / spent.as_secs_f64())
    }

    /// [`ABREAST`] handshakes; gives what the server's part took.
    fn many(&mut self) -> Outcome<Duration> {
        self.now = self.now + Duration::from_millis(1);
        let mut pairs = (0..ABREAST).map(|_| self.pair()).collect::<Outcome<Vec<_>>>()?;
        let mut spent = Duration::ZERO;
        loop {
            for pair in &mut pairs {
                self.client_step(pair)?;
            }
            if pairs.iter().all(|pair| pair.to_server.is_empty()) {
                break;
            }
            let begin = thread_time()?;
            for pair in &mut pairs {
                self.server_step(pair)?;
            }
            spent += thread_time()?.saturating_sub(begin);
        }
        if !pairs.iter().all(|pair| pair.is_client_up && pair.is_server_up) {
            return Err(internal("the benchmark", "a handshake did not come to its end"));
        }
        let servers: Vec<_> = pairs.iter_mut().map(|pair| pair.server.take()).collect();
        let begin = thread_time()?;
        drop(servers);
        Ok(spent + thread_time()?.saturating_sub(begin))
    }

    fn pair(&mut self) -> Outcome<Pair> {
        let client = Session::client(self.client.client_setup(), self.now);
        let client = client.map_err(|error| internal("a client", format!("{error:?}")))?;
        Ok(Pair {
            client,
            server: None,
            to_server: Vec::new(),
            to_client: Vec::new(),
            is_client_up: false,
            is_server_up: false,
        })
    }

    fn client_step(&mut self, pair: &mut Pair) -> Outcome {
        for datagram in pair.to_client.drain(..) {
            pair.client.receive(&datagram, self.now);
        }
        while let Some(output) = pair.client.next_output() {
            match output {
                Output::Transmit(datagram) => pair.to_server.push(datagram),
                Output::Ask(question) => answer(&mut self.client, &mut pair.client, &question, self.now)?,
                Output::Connected(_) => pair.is_client_up = true,
                Output::Ticket(_) | Output::Data(_) | Output::Closed(_) => {}
            }
        }
        Ok(())
    }

    fn server_step(&mut self, pair: &mut Pair) -> Outcome {
        for datagram in pair.to_server.drain(..) {
            let session = match &mut pair.server {
                Some(session) => session,
                slot @ None => match self.listener.receive(ADDRESS, &datagram, self.now) {
                    Verdict::Reply(reply) => {
                        pair.to_client.push(reply);
                        continue;
                    }
                    Verdict::Accept(session) => slot.insert(session),
                    Verdict::Drop(noise) => {
                        return Err(internal("a hello was dropped", format!("{noise:?}")));
                    }
                },
            };
            // The session has the hello already that it was accepted from.
            if !session.accepted_from(&datagram) {
                session.receive(&datagram, self.now);
            }
            while let Some(output) = session.next_output() {
                match output {
                    Output::Transmit(datagram) => pair.to_client.push(datagram),
                    Output::Ask(question) => answer(&mut self.server, session, &question, self.now)?,
                    Output::Connected(_) => pair.is_server_up = true,
                    Output::Ticket(_) | Output::Data(_) | Output::Closed(_) => {}
                }
            }
        }
        Ok(())
    }
}

fn answer(party: &mut Party, session: &mut Session, question: &dtls_proto::Question, now: Moment) -> Outcome {
    let answered = session.answer(party.answer(question), now);
    answered.map_err(|_| internal("the benchmark", "a question was answered that nobody asked"))
}

/// The operations with keys that the server's part of a handshake cannot do without: both halves of the
/// exchange, its signature, and the check of the client's.
pub(super) struct Primitives {
    server: Party,
    client_key: PublicKey,
    scheme: SignatureScheme,
    /// Signatures of clients and their halves of the exchange: no two handshakes have the same, and a processor
    /// learns the way through an operation that is repeated.
    of_clients: Vec<(Vec<u8>, Vec<u8>)>,
}

const SIGNED: [u8; SIGNED_LENGTH] = [0x5A; SIGNED_LENGTH];

impl Primitives {
    /// `None` for a proof that has no such operations.
    pub(super) fn new(proof: Proof) -> Outcome<Option<Self>> {
        let scheme = match proof {
            Proof::PskCcm8 | Proof::PskGcm => return Ok(None),
            Proof::P256 => SignatureScheme::Ecdsa(Curve::P256),
            Proof::Rsa2048 => SignatureScheme::RsaPkcs1(crypto::HashAlgorithm::Sha256),
        };
        let (mut client, server) =
            (Party::new(proof, Dice::numbered(1))?, Party::new(proof, Dice::numbered(2))?);
        let failed = |error: crypto::CryptoError| internal("a key of the benchmark", error);
        let Some(key) = client.key().cloned() else { return Ok(None) };
        let of_clients = (0..ABREAST).map(|_| {
            let signature = key.sign(scheme, &SIGNED, &mut client.dice)?;
            let exchange = client.provider.start_exchange(Group::Nist(Curve::P256), &mut client.dice)?;
            Ok::<_, crypto::CryptoError>((signature, exchange.public().to_vec()))
        });
        let of_clients = of_clients.collect::<Result<_, _>>().map_err(failed)?;
        Ok(Some(Self { server, client_key: key.public().clone(), scheme, of_clients }))
    }

    /// How often they can be done in a second of processor time.
    pub(super) fn per_second(&mut self, span: Duration) -> Outcome<f64> {
        let mut count = 0_u32;
        let begin = thread_time()?;
        let mut spent = Duration::ZERO;
        while spent < span {
            for (signature, share) in &self.of_clients {
                let done = once(&mut self.server, &self.client_key, self.scheme, signature, share);
                done.map_err(|error| internal("an operation of the benchmark", error))?;
                count += 1;
            }
            spent = thread_time()?.saturating_sub(begin);
        }
        Ok(f64::from(count) / spent.as_secs_f64())
    }
}

fn once(
    server: &mut Party,
    client_key: &PublicKey,
    scheme: SignatureScheme,
    signature: &[u8],
    share: &[u8],
) -> Result<(), crypto::CryptoError> {
    let Party { provider, dice, key, .. } = server;
    let key = key.as_ref().ok_or(crypto::CryptoError::WrongKey)?;
    let exchange = provider.start_exchange(Group::Nist(Curve::P256), dice)?;
    key.sign(scheme, &SIGNED, dice)?;
    exchange.finish(share)?;
    provider.verify(client_key, scheme, &SIGNED, signature)
}
