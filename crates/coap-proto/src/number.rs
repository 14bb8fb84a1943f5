//! Option numbers, their properties, and content formats.

/// The number of an option. Unknown numbers survive a round trip.
///
/// Source: RFC 7252 section 5.4, 12.2 and the registry it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OptionNumber(pub u16);

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $repeats:literal, $min:literal ..= $max:literal;)*) => {
        impl OptionNumber {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// What is known about the option: whether it may stand more than once, and how many bytes
            /// its value has.
            pub(crate) const fn shape(self) -> Option<Shape> {
                match self.0 {
                    $($number => Some(Shape { repeats: $repeats, min: $min, max: $max }),)*
                    _ => None,
                }
            }
        }
    };
}

/// Occurrence and value length of a known option.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Whether it may stand more than once.
    pub(crate) repeats: bool,
    min: usize,
    max: usize,
}

impl Shape {
    /// Whether a value of `length` bytes is in range.
    pub(crate) const fn allows_length(self, length: usize) -> bool {
        length >= self.min && length <= self.max
    }
}

options! {
    /// The request holds only for a resource in one of these states.
    IF_MATCH = 1, true, 0..=8;
    /// The host asked for.
    URI_HOST = 3, false, 1..=255;
    /// Names a state of a resource.
    ETAG = 4, true, 1..=8;
    /// The request holds only when there is no resource yet.
    IF_NONE_MATCH = 5, false, 0..=0;
    /// Registers interest, or orders notifications. Source: RFC 7641.
    OBSERVE = 6, false, 0..=3;
    /// The port asked for.
    URI_PORT = 7, false, 0..=2;
    /// Path of the resource that was made, one segment each.
    LOCATION_PATH = 8, true, 0..=255;
    /// Path asked for, one segment each.
    URI_PATH = 11, true, 0..=255;
    /// Format of the payload.
    CONTENT_FORMAT = 12, false, 0..=2;
    /// Seconds the response stays fresh, or to wait before another try.
    MAX_AGE = 14, false, 0..=4;
    /// Arguments of the resource, one each.
    URI_QUERY = 15, true, 0..=255;
    /// How many proxies may follow. Source: RFC 8768.
    HOP_LIMIT = 16, false, 1..=1;
    /// The format the client wants.
    ACCEPT = 17, false, 0..=2;
    /// Query of the resource that was made, one argument each.
    LOCATION_QUERY = 20, true, 0..=255;
    /// A block of a response. Source: RFC 7959.
    BLOCK2 = 23, false, 0..=3;
    /// A block of a request. Source: RFC 7959.
    BLOCK1 = 27, false, 0..=3;
    /// Size of the response body. Source: RFC 7959.
    SIZE2 = 28, false, 0..=4;
    /// Asks a proxy for this URI.
    PROXY_URI = 35, false, 1..=1034;
    /// Asks a proxy for the URI in the other options with this scheme.
    PROXY_SCHEME = 39, false, 1..=255;
    /// Size of the request body.
    SIZE1 = 60, false, 0..=4;
    /// Proves that the sender is there and fresh. Source: RFC 9175.
    ECHO = 252, false, 1..=40;
    /// Classes of responses the client does not want. Source: RFC 7967.
    NO_RESPONSE = 258, false, 0..=1;
    /// Tells concurrent block-wise requests apart. Source: RFC 9175.
    REQUEST_TAG = 292, true, 0..=8;
}

impl OptionNumber {
    /// Whether a receiver that does not know the option must refuse the message.
    #[must_use]
    pub const fn is_critical(self) -> bool {
        self.0 & 1 == 1
    }

    /// Whether two requests that differ in this option ask for different things.
    ///
    /// Options that steer a transfer (Observe, Block1, Block2, ETag, Hop-Limit, No-Response) do not count,
    /// nor do those whose number says so.
    pub(crate) const fn names_the_resource(self) -> bool {
        let steers = matches!(
            self,
            Self::OBSERVE | Self::BLOCK1 | Self::BLOCK2 | Self::ETAG | Self::HOP_LIMIT | Self::NO_RESPONSE
        );
        !steers && self.0 & 0x1e != 0x1c
    }

    /// Whether a value of `length` bytes is in range; true for unknown options.
    pub(crate) const fn allows_length(self, length: usize) -> bool {
        match self.shape() {
            Some(shape) => shape.allows_length(length),
            None => true,
        }
    }

    /// A value of this option as a number; `None` when it is longer than the option allows.
    pub(crate) fn uint(self, value: &[u8]) -> Option<u32> {
        if value.len() > 4 || !self.allows_length(value.len()) {
            return None;
        }
        Some(value.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }

    /// Whether the value must be UTF-8.
    pub(crate) const fn is_text(self) -> bool {
        matches!(
            self,
            Self::URI_HOST
                | Self::URI_PATH
                | Self::URI_QUERY
                | Self::LOCATION_PATH
                | Self::LOCATION_QUERY
                | Self::PROXY_URI
                | Self::PROXY_SCHEME
        )
    }
}

/// The format of a payload. Source: RFC 7252 section 12.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentFormat(pub u16);

impl ContentFormat {
    /// `text/plain; charset=utf-8`
    pub const TEXT: Self = Self(0);
    /// `application/link-format`
    pub const LINK_FORMAT: Self = Self(40);
    /// `application/xml`
    pub const XML: Self = Self(41);
    /// `application/octet-stream`
    pub const OCTET_STREAM: Self = Self(42);
    /// `application/json`
    pub const JSON: Self = Self(50);
    /// `application/cbor`
    pub const CBOR: Self = Self(60);
    /// `application/td+json`
    pub const TD_JSON: Self = Self(432);
}
