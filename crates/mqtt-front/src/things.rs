//! What concerns `things/...`: put to the owner in values, and what the owner says about it.
//!
//! ```text
//! SUBSCRIBE   -> Subscribe   -> Subscribed: SUBACK; then Tell, each answered by Told when it is with the client
//! PUBLISH     -> Publish     -> Taken: PUBACK or PUBREC, in order; Answer: to the asking session alone
//! CONNACK     -> Resume      filters that the session had
//! the right to hear ends     -> Ended: what waits is dropped, one empty message says so
//! ```
//! Nothing is decided here. Source: ADR 0320.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use broker::{KeptFilter, SessionKey};
use mqtt_proto::{
    Message, PacketId, Property, PropertyList, Publication, QoS, ReasonCode, SubscribeRequest, Version,
};

/// A client that is admitted, as the owner is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThingsClient {
    /// The name of its account.
    pub name: String,
    /// Its session, among all of its namespace.
    pub session: String,
    /// From where.
    pub address: IpAddr,
    /// Which text it follows.
    pub version: Version,
    /// Whether it acts for the owner of the things.
    pub for_owner: bool,
}

/// One filter that a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The filter and how it is wanted.
    pub filter: KeptFilter,
    /// Whether what is known already is to be told.
    pub wants_known: bool,
}

/// A message of a client that is the hub's to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The connection; to be answered with.
    pub conn: u64,
    /// The session; likewise.
    pub key: SessionKey,
    /// For QoS 1 and 2.
    pub id: Option<PacketId>,
    /// What it says.
    pub publication: Publication,
}

/// What the owner is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThingsEvent {
    /// Answer with [`ThingsCommand::Subscribed`].
    Subscribe {
        /// The connection.
        conn: u64,
        /// Who.
        client: Arc<ThingsClient>,
        /// To be answered with.
        request: PacketId,
        /// At least one.
        wants: Vec<Want>,
    },
    /// A session goes on that has these filters. Those that are no longer granted end.
    Resume {
        /// The connection.
        conn: u64,
        /// Who.
        client: Arc<ThingsClient>,
        /// At least one.
        filters: Vec<KeptFilter>,
    },
    /// A filter is no longer wanted.
    Unsubscribe {
        /// The connection.
        conn: u64,
        /// Which.
        filter: String,
    },
    /// Answer with [`ThingsCommand::Taken`].
    Publish {
        /// Who.
        client: Arc<ThingsClient>,
        /// What.
        asked: Box<Asked>,
    },
    /// A message of [`ThingsCommand::Tell`] is with the client, or was dropped: there is room for another.
    Told {
        /// The connection.
        conn: u64,
        /// For which filter.
        filter: Arc<str>,
        /// As the owner numbered it; 0 when it was dropped.
        mark: u64,
    },
    /// The connection is over.
    Gone {
        /// Which.
        conn: u64,
    },
}

impl ThingsEvent {
    /// The connection it is about.
    #[must_use]
    pub fn conn(&self) -> u64 {
        match self {
            Self::Subscribe { conn, .. }
            | Self::Resume { conn, .. }
            | Self::Unsubscribe { conn, .. }
            | Self::Told { conn, .. }
            | Self::Gone { conn } => *conn,
            Self::Publish { asked, .. } => asked.conn,
        }
    }
}

impl ThingsEvent {
    /// The answer of a program that has no things: nobody may anything.
    #[must_use]
    pub fn denied(self) -> Option<ThingsCommand> {
        let reason = ReasonCode::NOT_AUTHORIZED;
        match self {
            Self::Subscribe { conn, request, wants, .. } => {
                let refused = wants.iter().map(|_| Some(reason)).collect();
                Some(ThingsCommand::Subscribed { conn, request, refused })
            }
            Self::Publish { asked, .. } => {
                let (conn, key, id, qos) = (asked.conn, asked.key, asked.id, asked.publication.qos);
                Some(ThingsCommand::Taken { conn, key, id, qos, reason, why: None })
            }
            Self::Resume { .. } | Self::Unsubscribe { .. } | Self::Told { .. } | Self::Gone { .. } => None,
        }
    }
}

/// What the owner says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThingsCommand {
    /// What became of a SUBSCRIBE.
    Subscribed {
        /// The connection.
        conn: u64,
        /// As it was asked.
        request: PacketId,
        /// For each filter that was wanted, in order: `None` where it is granted.
        refused: Vec<Option<ReasonCode>>,
    },
    /// What became of a message.
    Taken {
        /// The connection.
        conn: u64,
        /// The session.
        key: SessionKey,
        /// As it was asked; nothing happens without.
        id: Option<PacketId>,
        /// Of the message.
        qos: QoS,
        /// A failure closes a 3.1.1 connection, which cannot be told.
        reason: ReasonCode,
        /// In words, for clients that want them.
        why: Option<&'static str>,
    },
    /// A message for a filter of the connection. [`ThingsEvent::Told`] follows, unless the connection is gone by then.
    Tell {
        /// The connection.
        conn: u64,
        /// The filter.
        filter: Arc<str>,
        /// Comes back when it is with the client.
        mark: u64,
        /// Its identifiers and QoS are those of the filter.
        publication: Publication,
    },
    /// A filter is not served any more.
    Ended {
        /// The connection.
        conn: u64,
        /// The filter.
        filter: Arc<str>,
        /// In one word, said in 5.0 as the user property `ended`.
        why: &'static str,
    },
    /// A client asks faster than it can be served: its connection is closed.
    Overrun {
        /// The connection.
        conn: u64,
    },
    /// An answer to a message of the session: sent to it alone, as far as its own filters match the topic.
    Answer {
        /// The session.
        key: SessionKey,
        /// The answer.
        publication: Publication,
    },
}

/// A SUBSCRIBE of which the hub judges some filters.
#[derive(Debug)]
pub(crate) struct AskedFilters {
    pub(crate) request: SubscribeRequest,
    /// For each filter; `None` where the hub is asked.
    pub(crate) reasons: Vec<Option<ReasonCode>>,
}

impl AskedFilters {
    /// Bytes of its filters.
    pub(crate) fn size(&self) -> usize {
        self.request.subscriptions.iter().map(|(text, _)| text.len() + 32).sum()
    }
}

/// A message that waits for quota or for a client that reads.
#[derive(Debug)]
pub(crate) struct Untold {
    pub(crate) filter: Arc<str>,
    pub(crate) mark: u64,
    pub(crate) publication: Publication,
}

/// What one connection has to do with things.
#[derive(Debug)]
pub(crate) struct LineThings {
    pub(crate) client: Arc<ThingsClient>,
    pub(crate) asked: HashMap<PacketId, AskedFilters>,
    /// Bytes of the filters in `asked`.
    pub(crate) asked_bytes: usize,
    pub(crate) untold: VecDeque<Untold>,
    /// Of QoS 1, not acknowledged.
    pub(crate) flying: HashMap<PacketId, (Arc<str>, u64)>,
}

impl LineThings {
    pub(crate) fn new(client: ThingsClient) -> Self {
        Self {
            client: Arc::new(client),
            asked: HashMap::new(),
            asked_bytes: 0,
            untold: VecDeque::new(),
            flying: HashMap::new(),
        }
    }
}

/// The message that says that a filter is not served any more: without payload, on the shortest topic that the
/// filter matches.
pub(crate) fn farewell(filter: &KeptFilter, why: &str) -> Option<Publication> {
    let above = filter.text.strip_suffix("/#").unwrap_or(&filter.text);
    let levels: Vec<&str> = above.split('/').map(|level| if level == "+" { "" } else { level }).collect();
    let mut properties = PropertyList::new();
    properties.push(Property::UserProperty("ended", why)).ok()?;
    let message = Message { topic: levels.join("/"), payload: Vec::new(), properties };
    Some(Publication {
        message: Arc::new(message),
        qos: QoS::AtMostOnce,
        retain: false,
        expiry_secs: None,
        subscription_ids: filter.id.into_iter().collect(),
    })
}
