//! The replay window. Source: RFC 6347 section 4.1.2.6.

/// How many numbers behind the highest are still told apart.
pub(crate) const WINDOW_SIZE: u64 = 64;

/// Which record numbers of an epoch have been seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// One more than the highest number seen; 0 before the first.
    next: u64,
    /// Bit i: number `next - 1 - i` was seen.
    seen: u64,
}

impl Window {
    /// Whether a record of this number may be looked at; numbers left of the window may not.
    pub(crate) const fn admits(&self, sequence: u64) -> bool {
        if sequence >= self.next {
            return true;
        }
        let age = self.next - 1 - sequence;
        age < WINDOW_SIZE && self.seen & (1 << age) == 0
    }

    /// Notes a genuine record; true when it is newer than all before.
    pub(crate) const fn note(&mut self, sequence: u64) -> bool {
        if sequence < self.next {
            let age = self.next - 1 - sequence;
            if age < WINDOW_SIZE {
                self.seen |= 1 << age;
            }
            return false;
        }
        let shift = sequence - self.next + 1;
        self.seen = if shift < WINDOW_SIZE { self.seen << shift } else { 0 };
        self.seen |= 1;
        self.next = sequence + 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: RFC6347-4.1.2.6
    #[test]
    fn a_number_is_admitted_once_and_only_inside_the_window() {
        let mut window = Window::default();
        assert!(window.note(0));
        assert!(!window.admits(0));
        assert!(window.note(70));
        assert!(window.admits(69) && window.admits(7), "70 - 63 is the oldest that can be told");
        assert!(!window.admits(6), "left of the window");
        assert!(!window.note(7), "not newer");
        assert!(!window.admits(7));
        assert!(window.note(134));
        assert!(window.admits(71) && !window.admits(70));
    }

    #[test]
    fn the_last_number_of_an_epoch_does_not_overflow() {
        let mut window = Window::default();
        assert!(window.note(super::super::header::SEQUENCE_MAX));
        assert!(!window.admits(super::super::header::SEQUENCE_MAX));
    }
}
