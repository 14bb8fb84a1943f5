//! Where a peer is: addresses inside channel definitions, and names of bootstrap servers.
//!
//! Source: aSSURE 12.1, 12.2, 12.3, 12.4; rulings A-ASSURE-61, A-ASSURE-63, A-ASSURE-106.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use wire::{DecodeError, Reason};

use crate::cbor::{Kind, Reader, Writer};

/// Length in bytes of the longest BACnet address: IPv6 and a port.
pub const BACNET_ADDRESS_LENGTH_MAX: usize = 18;

/// The suffix of bootstrap server names, unless configured otherwise (ruling A-ASSURE-61).
pub const BOOTSTRAP_SUFFIX: &str = ".bootstrap.assure.internal";

const BACNET: u64 = 0;
const IP: u64 = 1;
const BLUETOOTH: u64 = 2;

/// An address of one of the three assigned types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Type 0: a BACnet NPDU address.
    Bacnet {
        /// The network; `None` for the local one.
        network: Option<u16>,
        /// The address on that network, 1 to [`BACNET_ADDRESS_LENGTH_MAX`] bytes, as its medium has it.
        address: Vec<u8>,
    },
    /// Type 1: an IP address and UDP ports.
    Ip {
        /// The peer's address.
        remote: IpAddr,
        /// The local port; 0 means any.
        local_port: u16,
        /// The peer's port; not 0.
        remote_port: u16,
    },
    /// Type 2: a Bluetooth MAC address.
    Bluetooth {
        /// The MAC address.
        mac: [u8; 6],
    },
}

impl Address {
    /// Writes the ARRAY.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        self.write(&mut out);
        out.finish()
    }

    /// Reads the ARRAY.
    ///
    /// # Errors
    /// [`DecodeError`] on a type that is not assigned, a wrong length, a port or network above 16 bits,
    /// a remote port of 0.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        let address = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(address)
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        match self {
            Self::Bacnet { network, address } => {
                out.array(3).uint(BACNET);
                match network {
                    Some(network) => out.uint(*network),
                    None => out.null(),
                };
                out.bytes(address);
            }
            Self::Ip { remote, local_port, remote_port } => {
                out.array(4).uint(IP);
                match remote {
                    IpAddr::V4(remote) => out.bytes(&remote.octets()),
                    IpAddr::V6(remote) => out.bytes(&remote.octets()),
                };
                out.uint(*local_port).uint(*remote_port);
            }
            Self::Bluetooth { mac } => {
                out.array(2).uint(BLUETOOTH).bytes(mac);
            }
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let wrong_count = reader.error(Reason::OutOfRange);
        let count = reader.array()?;
        let unassigned = reader.error(Reason::OutOfRange);
        let (address_type, items) = match reader.u64()? {
            BACNET => (BACNET, 3),
            IP => (IP, 4),
            BLUETOOTH => (BLUETOOTH, 2),
            _ => return Err(unassigned),
        };
        if count != items {
            return Err(wrong_count);
        }
        match address_type {
            BACNET => Self::read_bacnet(reader),
            IP => Self::read_ip(reader),
            _ => Ok(Self::Bluetooth { mac: reader.bytes_of()? }),
        }
    }

    fn read_bacnet(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let network = if reader.peek() == Some(Kind::Simple) {
            reader.null()?;
            None
        } else {
            Some(reader.u16()?)
        };
        let wrong_length = reader.error(Reason::OutOfRange);
        let address = reader.bytes()?;
        if !(1..=BACNET_ADDRESS_LENGTH_MAX).contains(&address.len()) {
            return Err(wrong_length);
        }
        Ok(Self::Bacnet { network, address: address.to_vec() })
    }

    fn read_ip(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let wrong_length = reader.error(Reason::OutOfRange);
        let remote = match reader.bytes()? {
            v4 if v4.len() == 4 => <[u8; 4]>::try_from(v4).map(IpAddr::from).map_err(|_| wrong_length)?,
            other => <[u8; 16]>::try_from(other).map(IpAddr::from).map_err(|_| wrong_length)?,
        };
        let local_port = reader.u16()?;
        let no_port = reader.error(Reason::OutOfRange);
        match reader.u16()? {
            0 => Err(no_port),
            remote_port => Ok(Self::Ip { remote, local_port, remote_port }),
        }
    }
}

/// The number of a bootstrap server, which a device finds by a name made from it.
///
/// Source: aSSURE 9.2.1, 12.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootstrapServerId(pub u32);

impl BootstrapServerId {
    /// The first number of the private range, for walled gardens and tests (ruling A-ASSURE-106).
    pub const FIRST_PRIVATE: Self = Self(0xffff_0000);

    /// Whether the number is in the private range.
    #[must_use]
    pub const fn is_private(self) -> bool {
        self.0 >= Self::FIRST_PRIVATE.0
    }

    /// The server's domain name: the decimal number and `suffix`, which begins with a dot.
    #[must_use]
    pub fn domain_name(self, suffix: &str) -> String {
        format!("{}{suffix}", self.0)
    }

    /// The number in a domain name made with `suffix`; `None` for any other name, leading zeros included.
    #[must_use]
    pub fn from_domain_name(name: &str, suffix: &str) -> Option<Self> {
        let digits = name.strip_suffix(suffix)?;
        let id = Self(digits.parse().ok()?);
        // What was parsed but would be printed otherwise has a sign or leading zeros.
        (id.domain_name("") == digits).then_some(id)
    }
}
