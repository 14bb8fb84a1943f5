//! Tries with codes: who has to wait before the next one.
//!
//! Kind 1 alone waits, and only the pair of serial and address prefix that tried: other prefixes, other serials and
//! other kinds do not, so that strangers cannot keep a device out.
//! Source: OSAP secure profile section 11; decision H12.

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;
use core::time::Duration;

use clock::Moment;

use crate::Serial;

/// Pairs that are remembered; the one whose wait ends first goes first.
const PAIR_COUNT_MAX: usize = 65_536;
/// Serials whose tries of a day are counted; the one that was begun first goes first.
const SERIAL_COUNT_MAX: usize = 65_536;
/// A pair without a try for so long is forgotten, and so is the day of a serial.
const DAY: Duration = Duration::from_secs(86_400);
/// From this try on the pair waits.
const FREE_TRIES: u32 = 3;
const WAIT_SECS_MAX: u64 = 3600;
/// So many tries for a serial within a day raise an alert.
const TRIES_OF_ALERT: u32 = 100;

/// Where a connection comes from, as far as tries are told apart: the /24 of IPv4, the /56 of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressPrefix([u8; 8]);

impl AddressPrefix {
    /// The prefix of an address. An IPv4 address inside an IPv6 one is the IPv4 address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Self([4, a, b, c, 0, 0, 0, 0])
            }
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, ..] = address.octets();
                Self([6, a, b, c, d, e, f, g])
            }
        }
    }
}

type Pair = (Serial, AddressPrefix);

#[derive(Clone, Copy, Debug)]
struct Tries {
    count: u32,
    last: Moment,
}

impl Tries {
    fn wait_end(&self) -> Moment {
        let wait = match self.count.checked_sub(FREE_TRIES) {
            None => 0,
            Some(doublings) => 1_u64.checked_shl(doublings).unwrap_or(WAIT_SECS_MAX).min(WAIT_SECS_MAX),
        };
        self.last + Duration::from_secs(wait)
    }
}

#[derive(Clone, Copy, Debug)]
struct Day {
    began: Moment,
    count: u32,
}

/// The tries with codes at one load balancer; in memory only.
#[derive(Debug, Default)]
pub struct CodeTries {
    pairs: BTreeMap<Pair, Tries>,
    by_wait_end: BTreeSet<(Moment, Pair)>,
    days: BTreeMap<Serial, Day>,
    by_day: BTreeSet<(Moment, Serial)>,
}

impl CodeTries {
    /// Nobody has tried anything.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            pairs: BTreeMap::new(),
            by_wait_end: BTreeSet::new(),
            days: BTreeMap::new(),
            by_day: BTreeSet::new(),
        }
    }

    /// How many seconds this pair has to wait before its next try, 1 to 3600; `None` when it need not.
    #[must_use]
    pub fn wait_secs(&self, serial: &Serial, from: AddressPrefix, now: Moment) -> Option<u16> {
        let end = self.pairs.get(&(serial.clone(), from))?.wait_end();
        let left = end.as_micros().checked_sub(now.as_micros()).filter(|left| *left > 0)?;
        u16::try_from(left.div_ceil(1_000_000)).ok()
    }

    /// Counts a try, before it is known how it ends: an answer alone lets the other side test a code.
    ///
    /// Whether it is the one that raises an alert, once in a day and serial.
    pub(crate) fn count(&mut self, serial: &Serial, from: AddressPrefix, now: Moment) -> bool {
        let pair = (serial.clone(), from);
        let before = self.forget_pair(&pair).filter(|tries| now < tries.last + DAY);
        let tries = Tries { count: before.map_or(1, |tries| tries.count.saturating_add(1)), last: now };
        self.by_wait_end.insert((tries.wait_end(), pair.clone()));
        self.pairs.insert(pair, tries);
        if self.pairs.len() > PAIR_COUNT_MAX
            && let Some((_, first)) = self.by_wait_end.pop_first()
        {
            self.pairs.remove(&first);
        }
        self.count_of_day(serial, now)
    }

    fn count_of_day(&mut self, serial: &Serial, now: Moment) -> bool {
        let day = match self.days.get_mut(serial) {
            Some(day) if now < day.began + DAY => day,
            Some(day) => {
                self.by_day.remove(&(day.began, serial.clone()));
                *day = Day { began: now, count: 0 };
                self.by_day.insert((now, serial.clone()));
                day
            }
            None => {
                if self.days.len() >= SERIAL_COUNT_MAX
                    && let Some((_, first)) = self.by_day.pop_first()
                {
                    self.days.remove(&first);
                }
                self.by_day.insert((now, serial.clone()));
                self.days.entry(serial.clone()).or_insert(Day { began: now, count: 0 })
            }
        };
        day.count = day.count.saturating_add(1);
        day.count == TRIES_OF_ALERT
    }

    /// The device proved itself: its tries do not count.
    pub(crate) fn clear(&mut self, serial: &Serial, from: AddressPrefix) {
        self.forget_pair(&(serial.clone(), from));
    }

    fn forget_pair(&mut self, pair: &Pair) -> Option<Tries> {
        let tries = self.pairs.remove(pair)?;
        self.by_wait_end.remove(&(tries.wait_end(), pair.clone()));
        Some(tries)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    const NOW: Moment = Moment::from_micros(1_000_000);

    fn prefix(number: u32) -> AddressPrefix {
        AddressPrefix::of(IpAddr::from((u128::from(number) << 72).to_be_bytes()))
    }

    fn serial(number: u32) -> Serial {
        Serial::new(format!("T{number}").as_bytes()).expect("a serial")
    }

    // verifies: TS-H12
    #[test]
    fn an_alert_is_raised_once_in_a_day_and_serial() {
        let mut tries = CodeTries::new();
        let alerts = |tries: &mut CodeTries, now| {
            (1..=300)
                .filter(|number| tries.count(&serial(1), prefix(*number), now))
                .collect::<alloc::vec::Vec<_>>()
        };
        assert_eq!(alerts(&mut tries, NOW), [100]);
        assert_eq!(alerts(&mut tries, NOW + (DAY - Duration::from_secs(1))), [0; 0]);
        assert_eq!(alerts(&mut tries, NOW + DAY), [100], "another day");
        assert!((1..100).all(|number| !tries.count(&serial(2), prefix(number), NOW)), "another serial");
    }

    #[test]
    fn of_too_many_pairs_the_one_whose_wait_ends_first_is_forgotten() {
        let mut tries = CodeTries::new();
        for _ in 0..4 {
            tries.count(&serial(0), prefix(0), NOW);
        }
        let most = u32::try_from(PAIR_COUNT_MAX).expect("it fits");
        for number in 1..=most {
            tries.count(&serial(number), prefix(number), NOW);
        }
        assert_eq!((tries.pairs.len(), tries.by_wait_end.len()), (PAIR_COUNT_MAX, PAIR_COUNT_MAX));
        assert_eq!((tries.days.len(), tries.by_day.len()), (SERIAL_COUNT_MAX, SERIAL_COUNT_MAX));
        assert_eq!(tries.wait_secs(&serial(0), prefix(0), NOW), Some(2), "who has to wait stays");
        tries.clear(&serial(0), prefix(0));
        assert_eq!(tries.wait_secs(&serial(0), prefix(0), NOW), None);
        assert_eq!(tries.pairs.len(), tries.by_wait_end.len());
    }

    #[test]
    fn no_number_of_tries_is_too_great() {
        let mut tries = CodeTries::new();
        for _ in 0..200 {
            tries.count(&serial(0), prefix(0), NOW);
        }
        assert_eq!(tries.wait_secs(&serial(0), prefix(0), NOW), Some(3600));
        assert_eq!(tries.wait_secs(&serial(0), prefix(0), NOW + Duration::from_millis(3_599_001)), Some(1));
        assert_eq!(tries.wait_secs(&serial(0), prefix(0), NOW + Duration::from_secs(3600)), None);
    }
}
