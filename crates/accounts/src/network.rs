//! Addresses: where a try came from, and from where people may come at all.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use minicbor::{Decode, Encode};

/// Whom failures are counted for: an IPv4 address, or an IPv6 network of 64 bits, which one subscriber holds as
/// a whole. IPv4 addresses stand mapped into IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Source(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]);

impl Source {
    /// The source that `address` belongs to.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(v4.to_ipv6_mapped().octets()),
            IpAddr::V6(v6) => {
                let mut octets = v6.octets();
                octets[8..].fill(0);
                Self(octets)
            }
        }
    }

    /// Stands for all sources together.
    pub(crate) const EVERY: Self = Self([0xff; 16]);

    pub(crate) const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// A network as `address/length`, mapped like a [`Source`]; the bits behind its length are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Network {
    #[cbor(n(0), with = "minicbor::bytes")]
    octets: [u8; 16],
    /// Of 128.
    #[n(1)]
    length: u8,
}

/// Text that is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadNetwork;

fn mapped(address: IpAddr) -> [u8; 16] {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn masked(octets: [u8; 16], length: u8) -> [u8; 16] {
    let kept = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
    (u128::from_be_bytes(octets) & kept).to_be_bytes()
}

impl Network {
    /// Whether `address` lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(mapped(address), self.length) == self.octets
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
        let address: IpAddr = address.parse().map_err(|_| BadNetwork)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Ok(bits), |length| length.parse::<u8>().map_err(|_| BadNetwork))?;
        if length > bits {
            return Err(BadNetwork);
        }
        let length = 128 - bits + length;
        let octets = mapped(address);
        if masked(octets, length) == octets { Ok(Self { octets, length }) } else { Err(BadNetwork) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = IpAddr::from(self.octets).to_canonical();
        let length = if address.is_ipv4() { self.length - 96 } else { self.length };
        write!(f, "{address}/{length}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn a_network_holds_its_addresses_and_no_other() {
        let network: Network = "192.0.2.128/25".parse().unwrap();
        assert!(network.contains([192, 0, 2, 200].into()));
        assert!(network.contains("::ffff:192.0.2.129".parse().unwrap()));
        assert!(!network.contains([192, 0, 2, 127].into()));
        assert!(!network.contains("2001:db8::1".parse().unwrap()));
        assert_eq!(network.to_string(), "192.0.2.128/25");
        let six: Network = "2001:db8::/32".parse().unwrap();
        assert!(six.contains("2001:db8:1::1".parse().unwrap()));
        assert!(!six.contains("2001:db9::1".parse().unwrap()));
        assert_eq!(six.to_string(), "2001:db8::/32");
        assert_eq!("127.0.0.1".parse::<Network>().unwrap().to_string(), "127.0.0.1/32");
        let every: Network = "::/0".parse().unwrap();
        assert!(every.contains([1, 2, 3, 4].into()));
        for bad in ["", "x", "192.0.2.1/24", "192.0.2.0/33", "::/129", "::/x", "192.0.2.0/"] {
            assert_eq!(bad.parse::<Network>(), Err(BadNetwork), "{bad}");
        }
    }

    #[test]
    fn an_ipv6_subscriber_is_one_source() {
        let source = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("192.0.2.1"), source("::ffff:192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }
}
