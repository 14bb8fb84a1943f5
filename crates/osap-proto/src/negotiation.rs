//! Which protocol type a run has.
//!
//! Source: OSAP secure profile section 3.

use alloc::vec::Vec;

use wire::{Cursor, DecodeError, Reason};

use crate::frame::{MessageKind, VERSION_OF_MISMATCH, framed};
use crate::messages::Second;
use crate::{Frame, ResultCode};

/// A protocol type by its number; stronger types have greater numbers. Numbers that nobody knows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolType(pub u8);

impl ProtocolType {
    /// The old protocol, which this crate does not speak.
    pub const COMPAT: Self = Self(1);
    /// The profile on plain TCP.
    pub const PLAIN: Self = Self(2);
    /// The profile inside TLS 1.3.
    pub const TLS: Self = Self(4);
    /// The profile inside TLS 1.3 with a client certificate.
    pub const MUTUAL: Self = Self(8);

    /// Whether it is one of the three types of this profile.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::PLAIN | Self::TLS | Self::MUTUAL)
    }
}

/// Types that one side can: 1 to 14, none of them zero, none twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeGroup(Vec<u8>);

impl TypeGroup {
    /// The group of these numbers in their order; `None` when they make none.
    #[must_use]
    pub fn new(types: &[u8]) -> Option<Self> {
        let is_repeated = |at: usize| types[..at].contains(&types[at]);
        let is_group =
            (1..=14).contains(&types.len()) && !types.contains(&0) && !(0..types.len()).any(is_repeated);
        is_group.then(|| Self(types.to_vec()))
    }

    /// Whether `asked` is one of them.
    #[must_use]
    pub fn has(&self, asked: ProtocolType) -> bool {
        self.0.contains(&asked.0)
    }

    /// The numbers in their order.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The strongest type of a port.
    pub(crate) fn strongest_served(&self) -> ProtocolType {
        self.strongest(|_| true).unwrap_or(ProtocolType(self.0[0]))
    }

    /// The strongest of the known types that satisfies `is_fit`.
    fn strongest(&self, is_fit: impl Fn(ProtocolType) -> bool) -> Option<ProtocolType> {
        let known = [ProtocolType::MUTUAL, ProtocolType::TLS, ProtocolType::PLAIN, ProtocolType::COMPAT];
        known.into_iter().find(|&known| self.has(known) && is_fit(known))
    }
}

/// The header of H1-I and H1-II: a type and the group it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The asked type, or the one of the answer.
    pub protocol: ProtocolType,
    /// What the sender can: the device in the order of its preference, the load balancer weakest first.
    pub group: TypeGroup,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// [`Reason::Truncated`]; [`Reason::OutOfRange`] for a group or type against the rules.
    pub fn decode(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let protocol = ProtocolType(cursor.u8()?);
        let types = cursor.vec8()?;
        match TypeGroup::new(types) {
            Some(group) if group.has(protocol) => Ok(Self { protocol, group }),
            Some(_) | None => Err(cursor.error(Reason::OutOfRange)),
        }
    }

    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let count = u8::try_from(self.group.0.len()).expect("a group has at most 14 types");
        [&[self.protocol.0, count], &self.group.0[..]].concat()
    }
}

/// What a connection can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// TCP without anything.
    Plain,
    /// TLS 1.3 without a client certificate.
    Tls,
    /// TLS 1.3 with a client certificate.
    Mutual,
}

impl Connection {
    /// Whether a run of `protocol` of this profile may go on here.
    #[must_use]
    pub const fn can_run(self, protocol: ProtocolType) -> bool {
        match self {
            Self::Plain => matches!(protocol, ProtocolType::PLAIN),
            Self::Tls => matches!(protocol, ProtocolType::TLS),
            Self::Mutual => matches!(protocol, ProtocolType::TLS | ProtocolType::MUTUAL),
        }
    }
}

/// The answer of the load balancer to a type that it does not run here: H1-II with result 20 or 21. Types below
/// `at_least` are not common, though the port serves them.
#[must_use]
pub(crate) fn mismatch(
    offered: &TypeGroup,
    served: &TypeGroup,
    at_least: ProtocolType,
) -> (Vec<u8>, ResultCode) {
    let (protocol, result) = match served.strongest(|common| common >= at_least && offered.has(common)) {
        Some(common) => (common, ResultCode::REMATCH),
        None => (served.strongest_served(), ResultCode::NO_COMMON_TYPE),
    };
    let header = Header { protocol, group: served.clone() }.encode();
    let body = [&header[..], &VERSION_OF_MISMATCH, &[result.0]].concat();
    (framed(MessageKind::Second, &body), result)
}

/// What the first byte of a connection says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstByte {
    /// A TLS handshake.
    Tls,
    /// An H1-I, or the first message of the old protocol.
    Offer,
    /// A message that only the old protocol begins with.
    Compat,
    /// Nothing: the connection is closed unanswered.
    Nothing,
}

impl FirstByte {
    /// Judges the first byte of a connection.
    #[must_use]
    pub const fn of(byte: u8) -> Self {
        match byte {
            0x16 => Self::Tls,
            0x1A => Self::Offer,
            0x12 | 0x70 => Self::Compat,
            _ => Self::Nothing,
        }
    }
}

/// The type a device asks for on its next connection after an answer with result 20; `None` when the answer
/// is not to be followed and the attempt ends.
///
/// Only a type of this profile that the device itself offered, not below `min_type`, and not the one it
/// asked for: nothing proves the answer, so it may choose among these and nothing else.
#[must_use]
pub fn rematch(
    asked: ProtocolType,
    offered: &TypeGroup,
    min_type: ProtocolType,
    answer: &[u8],
) -> Option<ProtocolType> {
    let frame = Frame::read(answer).ok().flatten().filter(|frame| frame.bytes().len() == answer.len())?;
    let Ok(Second::Mismatch { told, result: ResultCode::REMATCH }) = Second::decode(&frame, false) else {
        return None;
    };
    (offered.has(told) && told.is_secure() && told >= min_type && told != asked).then_some(told)
}

/// The floor a device stores after record B, from the authenticated group of the load balancer.
///
/// The strongest common type when it is stronger than the one just run; never lower than before.
#[must_use]
pub fn floor_after(
    ran: ProtocolType,
    own: &TypeGroup,
    served: &TypeGroup,
    min_type: ProtocolType,
) -> ProtocolType {
    let best = served.strongest(|common| common.is_secure() && own.has(common));
    best.filter(|&best| best > ran).map_or(min_type, |best| best.max(min_type))
}

/// The next type that a device asks for after an attempt that ended without any answer: the next weaker one
/// that it can and its floor allows, after the weakest the strongest again.
///
/// `None` when its group has no type of this profile at or above the floor. Type 1 is never among them.
#[must_use]
pub fn asked_next(
    before: Option<ProtocolType>,
    own: &TypeGroup,
    min_type: ProtocolType,
) -> Option<ProtocolType> {
    let is_allowed = |one: ProtocolType| one.is_secure() && one >= min_type;
    let weaker = own.strongest(|one| is_allowed(one) && before.is_some_and(|before| one < before));
    weaker.or_else(|| own.strongest(is_allowed))
}

/// Whether a device may send type 1: a person set its floor to 1 on the device itself, it never ran this
/// profile, and no hold runs.
/// Source: OSAP secure profile section 9; decision H13.
#[must_use]
pub const fn may_send_compat(min_type: ProtocolType, has_seen_secure: bool, is_held: bool) -> bool {
    min_type.0 == 1 && !has_seen_secure && !is_held
}
