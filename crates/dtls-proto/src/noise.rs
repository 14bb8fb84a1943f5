//! Datagrams and records that mean nothing: counted, never an error.

/// Why a datagram or record was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Noise {
    /// It cannot be taken apart.
    Malformed,
    /// Its version is not DTLS 1.0 or 1.2.
    WrongVersion,
    /// Its epoch does not exist, or does not fit its content.
    WrongEpoch,
    /// Its tag does not match.
    NotGenuine,
    /// It was seen before, or is too old to tell.
    Replayed,
    /// A buffer is full.
    OverLimit,
    /// It has no place in the present state.
    Unexpected,
    /// Its connection id is not ours.
    WrongConnectionId,
}

const KINDS: usize = 8;

/// How often each kind of noise was heard; saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoiseCounts([u16; KINDS]);

impl NoiseCounts {
    pub(crate) fn count(&mut self, noise: Noise) {
        let slot = &mut self.0[noise as usize];
        *slot = slot.saturating_add(1);
    }

    /// The count of one kind.
    #[must_use]
    pub fn of(&self, noise: Noise) -> u16 {
        self.0[noise as usize]
    }

    /// All kinds together.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.0.iter().map(|count| u32::from(*count)).sum()
    }
}
