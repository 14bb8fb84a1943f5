//! Message codes, kinds, identifiers and tokens.

use core::fmt;

/// The code of a message: a method, a response code, or empty.
///
/// Printed as class and two-digit detail, such as `2.05`. Unknown values survive a round trip.
/// Source: RFC 7252 section 12.1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u8);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $class:literal . $detail:literal;)*) => {
        impl Code {
            $($(#[$doc])* pub const $name: Self = Self::new($class, $detail);)*
        }
    };
}

codes! {
    /// No request and no response: acknowledgement, reset or ping.
    EMPTY = 0 . 0;
    /// Reads a resource.
    GET = 0 . 1;
    /// Asks a resource to process the payload.
    POST = 0 . 2;
    /// Creates or replaces a resource.
    PUT = 0 . 3;
    /// Removes a resource.
    DELETE = 0 . 4;
    /// Reads with parameters in the payload. Source: RFC 8132.
    FETCH = 0 . 5;
    /// Changes a part. Source: RFC 8132.
    PATCH = 0 . 6;
    /// Changes a part, repeatable without harm. Source: RFC 8132.
    IPATCH = 0 . 7;
    /// A resource was made.
    CREATED = 2 . 1;
    /// A resource was removed, or was not there.
    DELETED = 2 . 2;
    /// What the client holds is still valid.
    VALID = 2 . 3;
    /// A resource was changed.
    CHANGED = 2 . 4;
    /// The representation asked for.
    CONTENT = 2 . 5;
    /// This block was taken, send the next. Source: RFC 7959.
    CONTINUE = 2 . 31;
    /// The request could not be understood.
    BAD_REQUEST = 4 . 0;
    /// The caller may not do this; also carries an Echo challenge.
    UNAUTHORIZED = 4 . 1;
    /// A critical option was not understood.
    BAD_OPTION = 4 . 2;
    /// Refused whoever asks.
    FORBIDDEN = 4 . 3;
    /// No such resource.
    NOT_FOUND = 4 . 4;
    /// The resource does not know this method.
    METHOD_NOT_ALLOWED = 4 . 5;
    /// No representation in the format asked for.
    NOT_ACCEPTABLE = 4 . 6;
    /// Blocks are missing. Source: RFC 7959.
    REQUEST_ENTITY_INCOMPLETE = 4 . 8;
    /// The state does not allow this now. Source: RFC 8132.
    CONFLICT = 4 . 9;
    /// If-Match or If-None-Match did not hold.
    PRECONDITION_FAILED = 4 . 12;
    /// The body is larger than the server takes; Size1 says how much it takes.
    REQUEST_ENTITY_TOO_LARGE = 4 . 13;
    /// The payload has a format the resource does not take.
    UNSUPPORTED_CONTENT_FORMAT = 4 . 15;
    /// Understood but not possible. Source: RFC 8132.
    UNPROCESSABLE_ENTITY = 4 . 22;
    /// Asked too often. Source: RFC 8516.
    TOO_MANY_REQUESTS = 4 . 29;
    /// The server failed.
    INTERNAL_SERVER_ERROR = 5 . 0;
    /// The server cannot do this.
    NOT_IMPLEMENTED = 5 . 1;
    /// Not now; Max-Age says when to try again.
    SERVICE_UNAVAILABLE = 5 . 3;
    /// The server is no proxy.
    PROXYING_NOT_SUPPORTED = 5 . 5;
}

impl Code {
    /// The code `class.detail`; only the low 3 and 5 bits count.
    #[must_use]
    pub const fn new(class: u8, detail: u8) -> Self {
        Self((class & 7) << 5 | detail & 31)
    }

    /// The code as it stands in the second byte of a message.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Self {
        Self(byte)
    }

    /// The byte on the wire.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// The first digit.
    #[must_use]
    pub const fn class(self) -> u8 {
        self.0 >> 5
    }

    /// The two digits behind the point.
    #[must_use]
    pub const fn detail(self) -> u8 {
        self.0 & 31
    }

    /// Whether this is a method, known or not.
    #[must_use]
    pub const fn is_request(self) -> bool {
        self.class() == 0 && self.0 != 0
    }

    /// Whether this is a response code of class 2, 4 or 5, known or not.
    #[must_use]
    pub const fn is_response(self) -> bool {
        matches!(self.class(), 2 | 4 | 5)
    }

    /// Whether this is a response code of class 2.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.class() == 2
    }

    /// Whether the method changes nothing (GET, FETCH), so that asking twice does no harm.
    #[must_use]
    pub const fn is_safe(self) -> bool {
        matches!(self, Self::GET | Self::FETCH)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.class(), self.detail())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the message layer does with a message. Source: RFC 7252 section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Repeated until the other side acknowledges or resets (CON).
    Confirmable,
    /// Sent once (NON).
    NonConfirmable,
    /// Answers a confirmable message, may carry a response (ACK).
    Acknowledgement,
    /// Says that a message made no sense here (RST).
    Reset,
}

impl Kind {
    pub(crate) const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Confirmable,
            1 => Self::NonConfirmable,
            2 => Self::Acknowledgement,
            _ => Self::Reset,
        }
    }

    pub(crate) const fn bits(self) -> u8 {
        match self {
            Self::Confirmable => 0,
            Self::NonConfirmable => 1,
            Self::Acknowledgement => 2,
            Self::Reset => 3,
        }
    }
}

/// Names a message between two endpoints for as long as it may be repeated (MID).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u16);

/// Ties a response to its request: 0 to 8 bytes chosen by the client.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    length: u8,
    bytes: [u8; 8],
}

impl Token {
    /// The empty token.
    pub const EMPTY: Self = Self { length: 0, bytes: [0; 8] };

    /// The token with these bytes; `None` above 8.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut token = Self { length: u8::try_from(bytes.len()).ok()?, bytes: [0; 8] };
        token.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(token)
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(")?;
        for byte in self.as_bytes() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}
