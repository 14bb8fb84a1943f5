//! Connections whose other end has proven nothing yet.

use net::admission::{self, Admission};
use osap_proto::AddressPrefix;

/// At once, of all networks together.
const ALL_MAX: usize = 64;
/// Of one network: it does not keep others from showing who they are.
const OF_ONE_MAX: usize = 8;

/// One of their places.
pub(super) type Place = admission::Place<AddressPrefix>;

/// Their places.
pub(super) fn places() -> Admission<AddressPrefix> {
    Admission::new(ALL_MAX, OF_ONE_MAX)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn one_network_takes_a_share_and_all_together_what_there_is() {
        let strangers = places();
        let from = |network: u8, host: u8| {
            strangers.enter_as(AddressPrefix::of(IpAddr::from([192, 0, network, host]))).ok()
        };
        let mut places: Vec<Place> = (1..=8).filter_map(|host| from(0, host)).collect();
        assert_eq!(places.len(), OF_ONE_MAX);
        assert!(from(0, 9).is_none());
        for network in 1..8 {
            places.extend((1..=8).filter_map(|host| from(network, host)));
        }
        assert_eq!(places.len(), ALL_MAX);
        assert!(from(9, 1).is_none());
        places.pop();
        assert!(from(9, 1).is_some());
        drop(places);
        let again: Vec<Place> = (1..=8).filter_map(|host| from(0, host)).collect();
        assert_eq!(again.len(), OF_ONE_MAX, "nothing is kept of who is gone");
    }
}
