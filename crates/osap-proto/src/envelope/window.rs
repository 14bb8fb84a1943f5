//! Which counters of a phase were seen.

/// Counters that a window remembers.
const SIZE: u64 = 1024;

/// The window of one phase: above the highest counter, or at most 1023 below it and not seen.
#[derive(Clone, Debug)]
pub(super) struct Window {
    highest: Option<u64>,
    /// One bit for each counter, at its remainder by the size.
    seen: [u64; SIZE as usize / 64],
}

impl Window {
    /// A window that has seen nothing, or one counter.
    pub(super) fn new(seen: Option<u64>) -> Self {
        let mut window = Self { highest: None, seen: [0; SIZE as usize / 64] };
        if let Some(counter) = seen {
            window.mark(counter);
        }
        window
    }

    /// Whether `counter` is new and not too old.
    pub(super) fn takes(&self, counter: u64) -> bool {
        let Some(highest) = self.highest else { return true };
        let (word, bit) = place(counter);
        counter > highest || (highest - counter < SIZE && self.seen[word] & bit == 0)
    }

    /// Marks a counter that the window takes.
    pub(super) fn mark(&mut self, counter: u64) {
        if let Some(highest) = self.highest.filter(|highest| counter > *highest) {
            // The places between the two held counters that are out of the window now.
            for passed in (highest + 1..counter).take(SIZE as usize) {
                let (word, bit) = place(passed);
                self.seen[word] &= !bit;
            }
        }
        let (word, bit) = place(counter);
        self.seen[word] |= bit;
        self.highest = self.highest.max(Some(counter));
    }
}

const fn place(counter: u64) -> (usize, u64) {
    let at = counter % SIZE;
    ((at / 64) as usize, 1 << (at % 64))
}
