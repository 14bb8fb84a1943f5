//! Requests and responses as the application sees them, and the names they go by.

use alloc::vec::Vec;

use crate::{Code, ContentFormat, OptionNumber, OptionSet, Options};

/// Names the other end of an association.
///
/// Opaque: the caller maps addresses or secured associations to it. A new secured association is a new
/// peer, because message ids and tokens do not outlive one (RFC 7252 section 9.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// Names a request we sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId {
    /// Whom we asked.
    pub peer: PeerId,
    pub(crate) serial: u64,
}

/// Names a request we received and have not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId {
    /// Who asked.
    pub peer: PeerId,
    pub(crate) serial: u64,
}

/// Names a peer's standing interest in a resource of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObserverId {
    /// Who observes.
    pub peer: PeerId,
    pub(crate) serial: u64,
}

/// Whether the message layer makes sure that a message arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Repeated until acknowledged (CON).
    #[default]
    Confirmable,
    /// Sent once (NON).
    NonConfirmable,
}

/// A request to send. The body may be larger than a message: it is then sent in blocks.
///
/// Observe, Block1, Block2, Size1, Request-Tag and Echo are the endpoint's: set here, they are passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Code,
    /// Path, query, format and so on.
    pub options: OptionSet,
    /// The whole body; GET may have one too.
    pub payload: Vec<u8>,
    /// Confirmable by default.
    pub delivery: Delivery,
}

impl Request {
    /// A confirmable request without a body; `path` is parted by `/`.
    #[must_use]
    pub fn new(method: Code, path: &str) -> Self {
        let mut options = OptionSet::new();
        options.add_path(path);
        Self { method, options, payload: Vec::new(), delivery: Delivery::Confirmable }
    }

    /// The same request with a body in `format`.
    #[must_use]
    pub fn with_payload(mut self, format: ContentFormat, payload: impl Into<Vec<u8>>) -> Self {
        self.options.add_uint(OptionNumber::CONTENT_FORMAT, u32::from(format.0));
        self.payload = payload.into();
        self
    }

    /// The same request with one more query argument.
    #[must_use]
    pub fn with_query(mut self, query: &str) -> Self {
        self.options.add_query(query);
        self
    }

    /// The same request that wants its answer in `format`.
    #[must_use]
    pub fn accepting(mut self, format: ContentFormat) -> Self {
        self.options.add_uint(OptionNumber::ACCEPT, u32::from(format.0));
        self
    }

    /// The same request, sent once and without acknowledgement.
    #[must_use]
    pub fn non_confirmable(mut self) -> Self {
        self.delivery = Delivery::NonConfirmable;
        self
    }
}

/// A response: ours to a peer, or a peer's to us. Always whole, however many blocks it took.
///
/// In one to be sent, Observe and the block options are the endpoint's and passed over; an entity tag is
/// added to content that goes out in blocks and has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The response code. A code we do not know counts as the `x.00` of its class.
    pub code: Code,
    /// Format, entity tag, freshness and so on.
    pub options: OptionSet,
    /// The whole body, or a diagnostic text.
    pub payload: Vec<u8>,
}

impl Response {
    /// A response without options and body.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        Self { code, options: OptionSet::new(), payload: Vec::new() }
    }

    /// 2.05 with a body in `format`.
    #[must_use]
    pub fn content(format: ContentFormat, payload: impl Into<Vec<u8>>) -> Self {
        let mut response = Self::new(Code::CONTENT);
        response.options.add_uint(OptionNumber::CONTENT_FORMAT, u32::from(format.0));
        response.payload = payload.into();
        response
    }

    /// 5.03 that asks to come back after `secs` seconds.
    #[must_use]
    pub fn busy(secs: u32) -> Self {
        Self::new(Code::SERVICE_UNAVAILABLE).with_max_age(secs)
    }

    /// The same response with an entity tag of 1 to 8 bytes.
    #[must_use]
    pub fn with_etag(mut self, etag: &[u8]) -> Self {
        self.options.add(OptionNumber::ETAG, etag);
        self
    }

    /// The same response with its freshness in seconds.
    #[must_use]
    pub fn with_max_age(mut self, secs: u32) -> Self {
        self.options.add_uint(OptionNumber::MAX_AGE, secs);
        self
    }

    /// The same response with the path of the resource that was made.
    #[must_use]
    pub fn with_location(mut self, path: &str) -> Self {
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            self.options.add(OptionNumber::LOCATION_PATH, segment.as_bytes());
        }
        self
    }
}

/// What a request says about standing interest. Source: RFC 7641 section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// The peer wants to be told of changes (Observe 0).
    Register,
    /// The peer wants to be told no longer (Observe 1); its interest is gone already.
    Deregister,
}

/// A whole request of a peer, past all checks of the protocol: every critical option is known and in range,
/// text options are UTF-8, and it comes to the application exactly once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// What to answer with [`crate::Endpoint::respond`].
    pub exchange: ExchangeId,
    /// Who asks.
    pub peer: PeerId,
    /// The method, perhaps unknown.
    pub method: Code,
    /// All options but those of the block-wise transfer.
    pub options: OptionSet,
    /// The whole body; also of GET.
    pub payload: Vec<u8>,
    /// What the peer says about standing interest, if anything.
    pub interest: Option<Interest>,
    /// Whether the request carries the Echo value of a challenge we sent to this peer.
    /// Source: RFC 9175 section 2.
    pub is_fresh: bool,
}

impl Incoming {
    /// Reads the options.
    #[must_use]
    pub fn options(&self) -> Options<'_> {
        self.options.view()
    }
}
