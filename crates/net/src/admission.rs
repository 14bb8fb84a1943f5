//! How many connections are let in: in all, and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Which limit a new connection would break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// As many as may be are open.
    InAll,
    /// As many as may be from this address, or IPv6 network of 64 bits, are open.
    ForAddress,
}

#[derive(Debug, Default)]
struct Counts {
    in_all: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// Counts open connections; the table holds only sources with an open one, so its size is bounded by `in_all`.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    counts: Arc<Mutex<Counts>>,
    in_all_max: usize,
    per_source_max: usize,
}

/// A connection's place; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Place {
    counts: Arc<Mutex<Counts>>,
    source: IpAddr,
}

impl Admission {
    pub(crate) fn new(in_all_max: usize, per_source_max: usize) -> Self {
        Self { counts: Arc::default(), in_all_max, per_source_max }
    }

    /// A place for a connection from `address`. The newest is turned away, open ones keep their places.
    pub(crate) fn enter(&self, address: IpAddr) -> Result<Place, Full> {
        let source = source_of(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.in_all >= self.in_all_max {
            return Err(Full::InAll);
        }
        let of_source = counts.by_source.get(&source).copied().unwrap_or(0);
        if of_source >= self.per_source_max {
            return Err(Full::ForAddress);
        }
        counts.in_all += 1;
        counts.by_source.insert(source, of_source + 1);
        Ok(Place { counts: Arc::clone(&self.counts), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.in_all -= 1;
        let left = counts.by_source.get(&self.source).copied().unwrap_or(0).saturating_sub(1);
        if left == 0 {
            counts.by_source.remove(&self.source);
        } else {
            counts.by_source.insert(self.source, left);
        }
    }
}

/// One subscriber holds a whole IPv6 network of 64 bits, so that is what counts as a source.
fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let network = u128::from(v6) >> 64 << 64;
            IpAddr::V6(network.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_run_out_per_source_and_in_all_and_come_back() {
        let admission = Admission::new(3, 2);
        let first = admission.enter(address("192.0.2.1")).unwrap();
        let mapped = admission.enter(address("::ffff:192.0.2.1")).unwrap();
        assert_eq!(admission.enter(address("192.0.2.1")).err(), Some(Full::ForAddress));
        let other = admission.enter(address("2001:db8::1")).unwrap();
        assert_eq!(admission.enter(address("2001:db8:1::1")).err(), Some(Full::InAll));
        drop(first);
        let same_network = admission.enter(address("2001:db8::ffff")).unwrap();
        drop(mapped);
        assert_eq!(admission.enter(address("2001:db8::2")).err(), Some(Full::ForAddress));
        drop((other, same_network));
        assert!(admission.counts.lock().unwrap().by_source.is_empty(), "no source is remembered");
        assert_eq!(admission.counts.lock().unwrap().in_all, 0);
    }
}
