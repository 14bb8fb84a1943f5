//! How often one network may do something that anybody may try.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use clock::Moment;

/// Attempts are counted for so long.
const WINDOW: Duration = Duration::from_secs(60 * 60);
/// Sources that are remembered. Beyond: the one whose window began first is forgotten.
const SOURCE_COUNT_MAX: usize = 10_000;

/// Counts per source network: an IPv4 address, or 64 bits of an IPv6 address.
/// Source: ruling A-ASSURE-33.
#[derive(Debug)]
pub(crate) struct SourceLimit {
    /// Attempts of one source within [`WINDOW`].
    count_max: u32,
    windows: BTreeMap<IpAddr, (Moment, u32)>,
}

impl SourceLimit {
    /// For so many attempts of one source in an hour.
    pub(crate) const fn new(count_max: u32) -> Self {
        Self { count_max, windows: BTreeMap::new() }
    }

    /// Counts one attempt; says how long to wait when there were too many.
    pub(crate) fn admit(&mut self, from: IpAddr, now: Moment) -> Result<(), Duration> {
        let source = network(from);
        if !self.windows.contains_key(&source) && self.windows.len() >= SOURCE_COUNT_MAX {
            let oldest = self.windows.iter().min_by_key(|(_, (began, _))| *began).map(|(source, _)| *source);
            oldest.map(|source| self.windows.remove(&source));
        }
        let (began, count) = self.windows.entry(source).or_insert((now, 0));
        if now.since(*began) >= WINDOW {
            (*began, *count) = (now, 0);
        }
        if *count >= self.count_max {
            return Err(WINDOW.saturating_sub(now.since(*began)));
        }
        *count += 1;
        Ok(())
    }
}

/// An IPv4 address, or the 64 bits that one subscriber has of IPv6.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT_MAX: u32 = 60;

    fn at(secs: u64) -> Moment {
        Moment::from_micros(secs * 1_000_000)
    }

    #[test]
    fn a_source_waits_for_its_window_and_others_do_not() {
        let mut limit = SourceLimit::new(COUNT_MAX);
        let (here, there) = ("2001:db8::1".parse().unwrap(), "2001:db8:0:1::1".parse().unwrap());
        for _ in 0..COUNT_MAX {
            assert_eq!(limit.admit(here, at(0)), Ok(()));
        }
        let neighbour = "2001:db8::2".parse().unwrap();
        assert_eq!(limit.admit(neighbour, at(600)), Err(Duration::from_secs(3000)), "the same network");
        assert_eq!(limit.admit(there, at(600)), Ok(()));
        assert_eq!(limit.admit(here, at(3600)), Ok(()));
    }

    #[test]
    fn a_flood_of_sources_is_bounded() {
        let mut limit = SourceLimit::new(COUNT_MAX);
        for n in 0..=u32::try_from(SOURCE_COUNT_MAX).unwrap() {
            assert_eq!(limit.admit(IpAddr::V4(n.into()), at(n.into())), Ok(()));
        }
        assert_eq!(limit.windows.len(), SOURCE_COUNT_MAX);
        assert!(!limit.windows.contains_key(&IpAddr::V4(0.into())), "the oldest is forgotten");
    }
}
