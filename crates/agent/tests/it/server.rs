//! A server in memory: bootstrap or management, honest unless a test changes its words.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use assure_proto::{PreciseTime, PskHint, encode_psk_identity};
use clock::{Dice, Moment, Now};
use coap_proto::{Code, Config, ContentFormat, Endpoint, Incoming, Request, RequestId, Response};
use coaps::{AssociationId, Coaps, CoapsLimits, Output};
use crypto::{Provider, PublicKey, Secret};
use dtls_proto::{
    Alert, Answer, CertificateType, CipherSuite, ClientAuthentication, ClientSetup, Credential,
    DEFAULT_GROUPS, HelloChoice, Listener, ListenerSetup, PeerKey, PeerName, PeerSummary, Question,
};
use model::KeyId;

/// With what a server proves itself, and what it wants to see.
#[derive(Clone)]
pub(crate) enum Proof {
    Secret {
        id: KeyId,
        secret: Secret,
        hint: Option<Vec<u8>>,
    },
    Pair {
        own: Credential,
        /// `None`: anybody.
        peer: Option<PublicKey>,
    },
}

impl Proof {
    /// A secret that both ends know, named by its id.
    pub(crate) fn named(id: KeyId, secret: &Secret) -> Self {
        Self::hinted(id, secret, &PskHint::KeyId(id))
    }

    pub(crate) fn hinted(id: KeyId, secret: &Secret, hint: &PskHint) -> Self {
        Self::Secret { id, secret: secret.clone(), hint: Some(hint.encode().unwrap().into_bytes()) }
    }
}

/// What a bootstrap server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Serving {
    Image(Vec<u8>),
    Empty,
    Code(Code),
    Silence,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) name: Option<PeerName>,
    pub(crate) proof: Proof,
    pub(crate) serving: Serving,
    /// What `GET /v1/timestamp` answers.
    pub(crate) time: Option<PreciseTime>,
    /// Whether goodbyes are answered.
    pub(crate) answers_goodbye: bool,
    pub(crate) machine: Coaps<SocketAddr>,
    provider: Arc<dyn Provider>,
    dice: Dice,
    /// Everything peers asked: method, path, body.
    pub(crate) asked: Vec<(Code, String, Vec<u8>)>,
    pub(crate) answers: Vec<(RequestId, Option<Response>)>,
    pub(crate) connected: Vec<(AssociationId, PeerSummary)>,
    pub(crate) offers: Vec<Vec<CipherSuite>>,
    pub(crate) ends: Vec<coaps::End>,
    /// Sent once more as soon as a session is up (attack on the bootstrap session).
    pub(crate) on_connected: Option<Request>,
    pub(crate) out: VecDeque<(SocketAddr, Vec<u8>)>,
    /// A datagram reaches nobody while this is off.
    pub(crate) is_on: bool,
}

impl Server {
    pub(crate) fn new(
        provider: Arc<dyn Provider>,
        address: SocketAddr,
        name: KeyId,
        proof: Proof,
        run: u64,
    ) -> Self {
        let mut dice = Dice::numbered(run);
        let listener = Listener::new(ListenerSetup::new(provider.clone(), dice.split()), Moment::START);
        let endpoint = Endpoint::new(Config::default(), dice.split());
        Self {
            address,
            name: Some(name.0),
            proof,
            serving: Serving::Empty,
            time: None,
            answers_goodbye: true,
            machine: Coaps::new(Some(listener), endpoint, CoapsLimits::default()),
            provider,
            dice,
            asked: Vec::new(),
            answers: Vec::new(),
            connected: Vec::new(),
            offers: Vec::new(),
            ends: Vec::new(),
            on_connected: None,
            out: VecDeque::new(),
            is_on: true,
        }
    }

    pub(crate) fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Now) {
        if self.is_on {
            self.machine.receive(from, datagram, now);
            self.drain(now);
        }
    }

    pub(crate) fn expire(&mut self, now: Now) {
        self.machine.expire(now);
        self.drain(now);
    }

    pub(crate) fn call(&mut self, to: SocketAddr, name: Option<PeerName>, now: Now) {
        let (provider, dice) = (self.provider.clone(), self.dice.split());
        let setup = match &self.proof {
            Proof::Secret { .. } => ClientSetup::psk(provider, dice),
            Proof::Pair { own, .. } => {
                let suites = [CipherSuite::EcdheEcdsaAes128GcmSha256];
                ClientSetup::keyed(provider, dice, &suites, Some(own.clone()))
            }
        };
        self.machine.connect(to, ClientSetup { name, ..setup }, now).unwrap();
        self.drain(now);
    }

    /// Asks the newest peer.
    pub(crate) fn ask(&mut self, request: Request, now: Now) -> RequestId {
        let (association, _) = self.connected.last().expect("a peer is connected");
        let id = self.machine.request(*association, request, now).expect("the peer takes requests");
        self.drain(now);
        id
    }

    fn drain(&mut self, now: Now) {
        while let Some(output) = self.machine.next_output() {
            match output {
                Output::Transmit { to, datagram } => self.out.push_back((to, datagram)),
                Output::Ask { association, question, .. } => {
                    let answer = self.answer(question);
                    self.machine.answer(association, answer, now).expect("it was asked");
                }
                Output::Connected { association, summary, .. } => {
                    self.connected.push((association, *summary));
                    if let Some(request) = self.on_connected.take() {
                        let _ = self.ask(request, now);
                    }
                }
                Output::Ticket { .. } => {}
                Output::Ended { association, end } => {
                    self.connected.retain(|(known, _)| *known != association);
                    self.ends.push(end);
                }
                Output::Coap(coap_proto::Output::Request(incoming)) => self.serve(&incoming, now),
                Output::Coap(coap_proto::Output::Answer { request, response }) => {
                    self.answers.push((request, Some(response)));
                }
                Output::Coap(coap_proto::Output::Failed { request, .. }) => {
                    self.answers.push((request, None))
                }
                Output::Coap(_) => {}
            }
        }
    }

    fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Hello(offer) => {
                self.offers.push(offer.suites);
                Answer::Hello(self.choice())
            }
            Question::Ticket { .. } => Answer::FullHandshake,
            Question::PskIdentity { identity, .. } => match &self.proof {
                Proof::Secret { id, secret, .. } if encode_psk_identity(id).into_bytes() == identity => {
                    Answer::PskKey { key: secret.clone(), ticket_state: None }
                }
                _ => Answer::Refuse(Alert::UnknownPskIdentity),
            },
            Question::ServerNamed { .. } => match &self.proof {
                Proof::Secret { id, secret, .. } => Answer::PskCredential {
                    identity: encode_psk_identity(id).into_bytes(),
                    key: secret.clone(),
                },
                Proof::Pair { .. } => Answer::Refuse(Alert::InternalError),
            },
            Question::PeerKey { key: PeerKey::Raw(shown), .. } => match &self.proof {
                Proof::Pair { peer: Some(peer), .. } if *peer != shown => Answer::Refuse(Alert::AccessDenied),
                _ => Answer::AcceptKey { ticket_state: None },
            },
            Question::PeerKey { .. } => Answer::Refuse(Alert::UnsupportedCertificate),
        }
    }

    fn choice(&self) -> HelloChoice {
        let (hint, credentials) = match &self.proof {
            Proof::Secret { hint, .. } => (hint.clone(), Vec::new()),
            Proof::Pair { own, .. } => (None, vec![own.clone()]),
        };
        HelloChoice {
            name: self.name,
            suites: match self.proof {
                Proof::Secret { .. } => CipherSuite::PSK.to_vec(),
                Proof::Pair { .. } => {
                    CipherSuite::ALL.into_iter().filter(|suite| !suite.key_agreement().uses_psk()).collect()
                }
            },
            groups: DEFAULT_GROUPS.to_vec(),
            hint,
            credentials,
            client_authentication: ClientAuthentication::Required(vec![CertificateType::RawPublicKey]),
            connection_id: None,
        }
    }

    fn serve(&mut self, incoming: &Incoming, now: Now) {
        let segments: Vec<String> =
            incoming.options().path().map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        let path = segments.join("/");
        self.asked.push((incoming.method, path.clone(), incoming.payload.clone()));
        let response = match segments.last().map(String::as_str) {
            Some("bootstrap") => match &self.serving {
                Serving::Image(image) => Response::content(ContentFormat::CBOR, image.clone()),
                Serving::Empty => Response::new(Code::CONTENT),
                Serving::Code(code) => Response::new(*code),
                Serving::Silence => return,
            },
            Some("info") => Response::new(Code::CHANGED),
            Some("goodbye") if self.answers_goodbye => Response::new(Code::CHANGED),
            Some("goodbye") => return,
            Some("timestamp") => match self.time {
                Some(time) => Response::content(ContentFormat::CBOR, time.encode()),
                None => Response::busy(30),
            },
            _ => Response::new(Code::NOT_FOUND),
        };
        self.machine.respond(incoming.exchange, response, now).expect("the exchange is open");
    }

    /// How often peers asked for something that ends so.
    pub(crate) fn count(&self, ending: &str) -> usize {
        self.asked.iter().filter(|(_, path, _)| path.ends_with(ending)).count()
    }
}
