//! Connections whose other end has proven nothing yet.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use osap_proto::AddressPrefix;

/// At once, of all networks together.
const ALL_MAX: usize = 64;
/// Of one network: it does not keep others from showing who they are.
const OF_ONE_MAX: usize = 8;

/// Places for them; clones are the same places.
#[derive(Clone, Default)]
pub(super) struct Strangers(Arc<Mutex<HashMap<AddressPrefix, usize>>>);

/// A place, given back when it is dropped.
pub(super) struct Place {
    strangers: Strangers,
    of: AddressPrefix,
}

impl Strangers {
    fn counts(&self) -> MutexGuard<'_, HashMap<AddressPrefix, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from there, if one is left.
    pub(super) fn take_in(&self, from: IpAddr) -> Option<Place> {
        let of = AddressPrefix::of(from);
        let mut counts = self.counts();
        if counts.values().sum::<usize>() >= ALL_MAX {
            return None;
        }
        let count = counts.entry(of).or_default();
        if *count >= OF_ONE_MAX {
            return None;
        }
        *count += 1;
        Some(Place { strangers: self.clone(), of })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.strangers.counts();
        if let Some(count) = counts.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_takes_a_share_and_all_together_what_there_is() {
        let strangers = Strangers::default();
        let from = |network: u8| IpAddr::from([192, 0, network, 1]);
        let mut places: Vec<Place> = (0..OF_ONE_MAX).filter_map(|_| strangers.take_in(from(0))).collect();
        assert_eq!(places.len(), OF_ONE_MAX);
        assert!(strangers.take_in(from(0)).is_none());
        for network in 1..8 {
            places.extend((0..OF_ONE_MAX).filter_map(|_| strangers.take_in(from(network))));
        }
        assert_eq!(places.len(), ALL_MAX);
        assert!(strangers.take_in(from(9)).is_none());
        places.pop();
        assert!(strangers.take_in(from(9)).is_some());
        drop(places);
        assert!(strangers.counts().is_empty(), "nothing is kept of who is gone");
    }
}
