//! Bytes that are mostly few.

use alloc::vec::Vec;

/// Up to this many bytes need no room on the heap: the options of nearly every message of small devices.
const INLINE_COUNT_MAX: usize = 30;

/// A growing sequence of bytes that takes room on the heap only when it is long.
#[derive(Clone)]
pub(crate) enum ShortBytes {
    /// The first `count` of `bytes`.
    Inline { count: u8, bytes: [u8; INLINE_COUNT_MAX] },
    /// More than fit inline.
    Heap(Vec<u8>),
}

impl ShortBytes {
    pub(crate) const fn new() -> Self {
        Self::Inline { count: 0, bytes: [0; INLINE_COUNT_MAX] }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Inline { count, bytes } => &bytes[..usize::from(*count)],
            Self::Heap(bytes) => bytes,
        }
    }

    pub(crate) fn extend(&mut self, more: &[u8]) {
        match self {
            Self::Inline { count, bytes } => {
                let (begin, end) = (usize::from(*count), usize::from(*count) + more.len());
                if let Some(room) = bytes.get_mut(begin..end) {
                    room.copy_from_slice(more);
                    *count = end as u8;
                } else {
                    let mut long = Vec::with_capacity(end.max(2 * INLINE_COUNT_MAX));
                    long.extend_from_slice(&bytes[..begin]);
                    long.extend_from_slice(more);
                    *self = Self::Heap(long);
                }
            }
            Self::Heap(bytes) => bytes.extend_from_slice(more),
        }
    }
}

impl From<&[u8]> for ShortBytes {
    fn from(bytes: &[u8]) -> Self {
        let mut short = Self::new();
        short.extend(bytes);
        short
    }
}

impl Default for ShortBytes {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for ShortBytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for ShortBytes {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_same_wherever_they_are_kept() {
        let all: [u8; 70] = core::array::from_fn(|at| at as u8);
        for cut in 0..all.len() {
            let mut grown = ShortBytes::from(&all[..cut]);
            for piece in all[cut..].chunks(7) {
                grown.extend(piece);
            }
            assert_eq!(grown.as_slice(), all, "cut at {cut}");
            assert!(grown == ShortBytes::from(&all[..]) && grown != ShortBytes::from(&all[1..]));
        }
        let at_most = ShortBytes::from(&all[..INLINE_COUNT_MAX]);
        assert!(matches!(at_most, ShortBytes::Inline { count: 30, .. }));
        assert!(matches!(ShortBytes::from(&all[..=INLINE_COUNT_MAX]), ShortBytes::Heap(_)));
    }
}
