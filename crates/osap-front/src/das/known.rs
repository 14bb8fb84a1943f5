//! The messages of a device that were stored, so that a repetition is known again.
//!
//! Number and time of each are kept as the difference to those before, three or four bytes for most: there are many
//! devices, and most say something again and again. Most messages are newer than all before, and nothing is searched.

use std::collections::VecDeque;

use osap_proto::General;

/// Messages of a device that are known again; beyond, the oldest goes.
/// Source: OSAP secure profile section 13.
const COUNT_MAX: usize = 1024;

/// The last messages of a device.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// What the first difference counts from: the message before the oldest that is kept.
    base: Pair,
    /// The newest.
    last: Pair,
    /// Highest number and highest time of all that ever were here.
    top: Pair,
    count: usize,
    /// Differences of number and time in turns, seven bits in a byte, the lowest first.
    differences: VecDeque<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pair {
    seq: u64,
    ts: u64,
}

impl Known {
    /// Whether this message is among them.
    pub(super) fn has(&self, general: General) -> bool {
        let wanted = Pair { seq: general.seq, ts: general.ts };
        if wanted.seq > self.top.seq || wanted.ts > self.top.ts {
            return false;
        }
        let mut bytes = self.differences.iter().copied();
        let mut at = self.base;
        (0..self.count).any(|_| {
            at = at.moved(&mut bytes);
            at == wanted
        })
    }

    /// Takes one in as the newest.
    pub(super) fn note(&mut self, general: General) {
        if self.count == COUNT_MAX {
            let mut bytes = self.differences.iter().copied();
            self.base = self.base.moved(&mut bytes);
            let rest = bytes.len();
            self.differences.drain(..self.differences.len() - rest);
            self.count -= 1;
        }
        let next = Pair { seq: general.seq, ts: general.ts };
        for (from, to) in [(self.last.seq, next.seq), (self.last.ts, next.ts)] {
            write(&mut self.differences, to.wrapping_sub(from));
        }
        self.top = Pair { seq: self.top.seq.max(next.seq), ts: self.top.ts.max(next.ts) };
        self.last = next;
        self.count += 1;
    }
}

impl Pair {
    /// The pair that is so much further.
    fn moved(self, bytes: &mut impl Iterator<Item = u8>) -> Self {
        Self { seq: self.seq.wrapping_add(read(bytes)), ts: self.ts.wrapping_add(read(bytes)) }
    }
}

/// The way back is as long as the way on: differences count from zero to both sides, in turns.
fn write(out: &mut VecDeque<u8>, difference: u64) {
    let sign = difference >> 63;
    let mut rest = difference << 1 ^ 0_u64.wrapping_sub(sign);
    while rest > 0x7F {
        out.push_back(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push_back(rest as u8);
}

fn read(bytes: &mut impl Iterator<Item = u8>) -> u64 {
    let (mut value, mut shift) = (0, 0);
    for byte in bytes {
        value |= u64::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value >> 1 ^ 0_u64.wrapping_sub(value & 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seq: u64, ts: u64) -> General {
        General { seq, ts }
    }

    #[test]
    fn the_last_1024_are_known_and_no_other() {
        let mut known = Known::default();
        let all: Vec<General> =
            (0..3000_u64).map(|at| message(at * 7919 % 4001, 1_790_000_000_000 + at * at % 977)).collect();
        for (at, one) in all.iter().enumerate() {
            assert!(!known.has(*one), "{at}: it is new");
            known.note(*one);
            assert!(known.has(*one), "{at}");
        }
        let (old, kept) = all.split_at(all.len() - COUNT_MAX);
        assert!(kept.iter().all(|one| known.has(*one)));
        assert!(!old.iter().any(|one| known.has(*one)), "the oldest went");
        assert!(!known.has(message(kept[0].seq, kept[0].ts + 1)), "number and time count together");
    }

    #[test]
    fn the_ends_of_both_scales_are_kept_as_they_are() {
        let mut known = Known::default();
        let all = [(u64::MAX, 0), (0, u64::MAX), (u64::MAX, u64::MAX), (0, 0), (1 << 63, 1 << 62), (5, 5)];
        for (seq, ts) in all {
            assert!(!known.has(message(seq, ts)), "{seq} {ts}");
            known.note(message(seq, ts));
        }
        assert!(all.iter().all(|(seq, ts)| known.has(message(*seq, *ts))));
        assert!(!known.has(message(5, 0)) && !known.has(message(0, 5)));
    }

    #[test]
    fn a_device_that_reports_all_day_takes_few_bytes() {
        let mut known = Known::default();
        for at in 0..5000 {
            known.note(message(40_000 + at, 1_790_000_000_000 + at * 7_013));
        }
        assert!(known.differences.capacity() <= 4 * COUNT_MAX, "{}", known.differences.capacity());
    }
}
