//! What a device tells of itself, and why it goes.
//!
//! Source: aSSURE 10.1.17, 11.3.1, 11.3.2.

use alloc::string::String;
use alloc::vec::Vec;

use model::Uuid;
use wire::{DecodeError, Reason};

use crate::cbor::{Reader, Writer};

/// Length in bytes that one text of a [`DeviceInfo`] may have.
pub const INFO_TEXT_LENGTH_MAX: usize = 256;

const ITEMS: usize = 9;

/// Basic information about a device; every text may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The device's UUID.
    pub device: Uuid,
    /// Its MAC address, when it tells one.
    pub mac_address: Option<[u8; 6]>,
    /// Who made the device.
    pub device_manufacturer: String,
    /// The maker's product code.
    pub device_product_code: String,
    /// The maker's serial number.
    pub device_serial_number: String,
    /// When the device was built, in the maker's own form.
    pub device_build_date: String,
    /// Who made the software.
    pub software_manufacturer: String,
    /// The product code of the software.
    pub software_product_code: String,
    /// The version of the software.
    pub software_version: String,
}

impl DeviceInfo {
    /// Information that tells nothing but the UUID.
    #[must_use]
    pub const fn only(device: Uuid) -> Self {
        Self {
            device,
            mac_address: None,
            device_manufacturer: String::new(),
            device_product_code: String::new(),
            device_serial_number: String::new(),
            device_build_date: String::new(),
            software_manufacturer: String::new(),
            software_product_code: String::new(),
            software_version: String::new(),
        }
    }

    /// Writes the ARRAY of 9 items.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.array(ITEMS).bytes(&self.device.0);
        out.bytes(self.mac_address.as_ref().map_or(&[], |address| &address[..]));
        for text in [
            &self.device_manufacturer,
            &self.device_product_code,
            &self.device_serial_number,
            &self.device_build_date,
            &self.software_manufacturer,
            &self.software_product_code,
            &self.software_version,
        ] {
            out.text(text);
        }
        out.finish()
    }

    /// Reads the ARRAY of 9 items.
    ///
    /// # Errors
    /// [`DecodeError`]: another count or kind, a MAC address of neither 0 nor 6 bytes, a text over
    /// [`INFO_TEXT_LENGTH_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        reader.array_of(ITEMS)?;
        let device = Uuid(reader.bytes_of()?);
        let bad_address = reader.error(Reason::OutOfRange);
        let mac_address = match reader.bytes()? {
            [] => None,
            address => Some(address.try_into().map_err(|_| bad_address)?),
        };
        let info = Self {
            device,
            mac_address,
            device_manufacturer: text(&mut reader)?,
            device_product_code: text(&mut reader)?,
            device_serial_number: text(&mut reader)?,
            device_build_date: text(&mut reader)?,
            software_manufacturer: text(&mut reader)?,
            software_product_code: text(&mut reader)?,
            software_version: text(&mut reader)?,
        };
        reader.finish()?;
        Ok(info)
    }
}

fn text(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let over_limit = reader.error(Reason::OverLimit);
    let text = reader.text()?;
    if text.len() > INFO_TEXT_LENGTH_MAX { Err(over_limit) } else { Ok(text.into()) }
}

/// Why a device deliberately goes offline.
///
/// Source: aSSURE 11.3.2; ruling A-ASSURE-102.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GoodbyeReason {
    /// 0: it shuts down, whoever asked for it.
    ShuttingDown,
    /// 1: a management system told it to reboot.
    RebootByManagement,
    /// 2: a management system told it to bootstrap.
    BootstrapByManagement,
    /// 3: local controls told it to reboot.
    RebootByLocalControl,
    /// 4: local controls told it to bootstrap.
    BootstrapByLocalControl,
}

impl GoodbyeReason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::ShuttingDown,
        Self::RebootByManagement,
        Self::BootstrapByManagement,
        Self::RebootByLocalControl,
        Self::BootstrapByLocalControl,
    ];

    /// The number that is sent.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::ShuttingDown => 0,
            Self::RebootByManagement => 1,
            Self::BootstrapByManagement => 2,
            Self::RebootByLocalControl => 3,
            Self::BootstrapByLocalControl => 4,
        }
    }

    /// Writes one INTEGER.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut out = Writer::new();
        out.uint(self.number());
        out.finish()
    }

    /// Reads one INTEGER.
    ///
    /// # Errors
    /// [`DecodeError`] on anything but one of the five numbers.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        let unknown = reader.error(Reason::OutOfRange);
        let number = reader.u64()?;
        reader.finish()?;
        Self::ALL.into_iter().find(|reason| u64::from(reason.number()) == number).ok_or(unknown)
    }
}
