//! Results: what one side tells the other about a run.

/// The number of a result. Unknown numbers are kept as they came.
///
/// Outside a record nothing proves a result: it is a hint that may delay and changes nothing stored.
/// Source: OSAP secure profile section 11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultCode(pub u8);

impl ResultCode {
    /// All is well.
    pub const OK: Self = Self(0);
    /// The other side did not prove itself, for whatever reason.
    pub const NOT_PROVEN: Self = Self(1);
    /// A message out of order.
    pub const ORDER: Self = Self(2);
    /// A message that cannot be read.
    pub const MALFORMED: Self = Self(3);
    /// No access service is there for the device.
    pub const NO_DAS: Self = Self(9);
    /// A share that is no point of the curve, or was seen before.
    pub const BAD_POINT: Self = Self(16);
    /// Another type of the profile is to be used.
    pub const REMATCH: Self = Self(20);
    /// The two sides have no type in common.
    pub const NO_COMMON_TYPE: Self = Self(21);
    /// An unknown suite.
    pub const SUITE: Self = Self(22);
    /// Another stretching of the code is on record.
    pub const KDF: Self = Self(23);
    /// Too many tries; the seconds to wait follow.
    pub const LATER: Self = Self(24);
    /// The ticket is unknown, spent or at its end.
    pub const TICKET: Self = Self(25);
    /// The device is blocked; only inside a record.
    pub const BLOCKED: Self = Self(26);
}
