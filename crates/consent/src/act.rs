//! What can be done with a thing.

use std::fmt;
use std::str::FromStr;

use model::BadText;

/// One way of using a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// Read a property.
    Read,
    /// Write a property.
    Write,
    /// Invoke an action.
    Call,
    /// Observe a property, or receive an event.
    Observe,
}

impl Act {
    /// Every act, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Call, Self::Observe];

    const fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Write => 2,
            Self::Call => 4,
            Self::Observe => 8,
        }
    }

    /// As people write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Call => "call",
            Self::Observe => "observe",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Act {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        Self::ALL.into_iter().find(|act| act.word() == text).ok_or(BadText)
    }
}

/// A set of acts, stored as one byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acts(u8);

impl Acts {
    /// Whether `act` is in the set.
    #[must_use]
    pub const fn contains(self, act: Act) -> bool {
        self.0 & act.bit() != 0
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Every act of the set, in the order of [`Act::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Act> {
        Act::ALL.into_iter().filter(move |act| self.contains(*act))
    }

    pub(crate) const fn byte(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        if byte < 16 { Some(Self(byte)) } else { None }
    }
}

impl FromIterator<Act> for Acts {
    fn from_iter<I: IntoIterator<Item = Act>>(acts: I) -> Self {
        Self(acts.into_iter().fold(0, |bits, act| bits | act.bit()))
    }
}
