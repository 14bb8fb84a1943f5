//! How many connections are let in: in all, and from one source.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Which limit a new connection would break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// As many as may be are open.
    InAll,
    /// As many as may be from this source are open.
    ForSource,
}

#[derive(Debug)]
struct Counts<S> {
    in_all: usize,
    by_source: HashMap<S, usize>,
}

/// Counts open connections; the table holds only sources with an open one, so its size is bounded by `in_all`.
/// What a source is, is the caller's to say; with [`Admission::enter`] it is an address, or an IPv6 network of 64 bits.
#[derive(Clone, Debug)]
pub struct Admission<S: Eq + Hash = IpAddr> {
    counts: Arc<Mutex<Counts<S>>>,
    in_all_max: usize,
    per_source_max: usize,
}

/// A connection's place; dropping it gives the place back.
#[derive(Debug)]
pub struct Place<S: Eq + Hash = IpAddr> {
    counts: Arc<Mutex<Counts<S>>>,
    source: S,
}

impl Admission {
    /// A place for a connection from `address`.
    ///
    /// # Errors
    /// As for [`Admission::enter_as`].
    pub fn enter(&self, address: IpAddr) -> Result<Place, Full> {
        self.enter_as(source_of(address))
    }
}

impl<S: Clone + Eq + Hash> Admission<S> {
    /// Places for so many connections in all, and so many of one source.
    #[must_use]
    pub fn new(in_all_max: usize, per_source_max: usize) -> Self {
        let counts = Counts { in_all: 0, by_source: HashMap::new() };
        Self { counts: Arc::new(Mutex::new(counts)), in_all_max, per_source_max }
    }

    /// A place for a connection of `source`. The newest is turned away, open ones keep their places.
    ///
    /// # Errors
    /// Which limit it would break.
    pub fn enter_as(&self, source: S) -> Result<Place<S>, Full> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.in_all >= self.in_all_max {
            return Err(Full::InAll);
        }
        let of_source = counts.by_source.get(&source).copied().unwrap_or(0);
        if of_source >= self.per_source_max {
            return Err(Full::ForSource);
        }
        counts.in_all += 1;
        counts.by_source.insert(source.clone(), of_source + 1);
        Ok(Place { counts: Arc::clone(&self.counts), source })
    }
}

impl<S: Eq + Hash> Drop for Place<S> {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.in_all -= 1;
        if let Some(left) = counts.by_source.get_mut(&self.source) {
            *left -= 1;
            if *left == 0 {
                counts.by_source.remove(&self.source);
            }
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
        assert_eq!(admission.enter(address("192.0.2.1")).err(), Some(Full::ForSource));
        let other = admission.enter(address("2001:db8::1")).unwrap();
        assert_eq!(admission.enter(address("2001:db8:1::1")).err(), Some(Full::InAll));
        drop(first);
        let same_network = admission.enter(address("2001:db8::ffff")).unwrap();
        drop(mapped);
        assert_eq!(admission.enter(address("2001:db8::2")).err(), Some(Full::ForSource));
        drop((other, same_network));
        assert!(admission.counts.lock().unwrap().by_source.is_empty(), "no source is remembered");
        assert_eq!(admission.counts.lock().unwrap().in_all, 0);
    }
}
