//! Serial numbers of certificates.

use clock::Dice;
use model::ManagementId;

/// The serial number of a certificate: 128 random bits, positive.
///
/// Drawn before the certificate is made, so that the caller can claim the number in the same commit.
/// Source: aSSURE 9.3.1 with ruling A-ASSURE-29; RFC 5280 4.1.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial([u8; 16]);

impl Serial {
    /// Draws a number; zero, which no certificate may carry, is drawn again.
    #[must_use]
    pub fn random(dice: &mut Dice) -> Self {
        loop {
            let bytes: [u8; 16] = dice.bytes();
            if bytes != [0; 16] {
                return Self(bytes);
            }
        }
    }

    /// The number, big-endian, leading zeros included.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id that a management system takes from the serial number of its first certificate.
    #[must_use]
    pub fn management_id(&self) -> ManagementId {
        ManagementId::from_serial(&self.0).expect("no constructor lets zero through, and 16 bytes fit")
    }
}
