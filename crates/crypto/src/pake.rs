//! SPAKE2+ over P-256: two sides prove to each other that one knows a password and the other its record.
//!
//! The operations are those of RFC 9383 up to Z and V; what is hashed from them belongs to the protocol that uses
//! them. Source: RFC 9383 sections 3.2 to 3.4.

use alloc::boxed::Box;

use crate::{CryptoError, PublicKey, Secret};

/// A point of P-256, uncompressed: `04 || X || Y`.
pub type PakePoint = [u8; 65];

/// M of RFC 9383 for P-256, which blinds the share of the prover.
pub const SPAKE2PLUS_M: PakePoint = [
    0x04, 0x88, 0x6E, 0x2F, 0x97, 0xAC, 0xE4, 0x6E, 0x55, 0xBA, 0x9D, 0xD7, 0x24, 0x25, 0x79, 0xF2, 0x99,
    0x3B, 0x64, 0xE1, 0x6E, 0xF3, 0xDC, 0xAB, 0x95, 0xAF, 0xD4, 0x97, 0x33, 0x3D, 0x8F, 0xA1, 0x2F, 0x5F,
    0xF3, 0x55, 0x16, 0x3E, 0x43, 0xCE, 0x22, 0x4E, 0x0B, 0x0E, 0x65, 0xFF, 0x02, 0xAC, 0x8E, 0x5C, 0x7B,
    0xE0, 0x94, 0x19, 0xC7, 0x85, 0xE0, 0xCA, 0x54, 0x7D, 0x55, 0xA1, 0x2E, 0x2D, 0x20,
];

/// N of RFC 9383 for P-256, which blinds the share of the verifier.
pub const SPAKE2PLUS_N: PakePoint = [
    0x04, 0xD8, 0xBB, 0xD6, 0xC6, 0x39, 0xC6, 0x29, 0x37, 0xB0, 0x4D, 0x99, 0x7F, 0x38, 0xC3, 0x77, 0x07,
    0x19, 0xC6, 0x29, 0xD7, 0x01, 0x4D, 0x49, 0xA2, 0x4B, 0x4F, 0x98, 0xBA, 0xA1, 0x29, 0x2B, 0x49, 0x07,
    0xD6, 0x0A, 0xA6, 0xBF, 0xAD, 0xE4, 0x50, 0x08, 0xA6, 0x36, 0x33, 0x7F, 0x51, 0x68, 0xC6, 0x4D, 0x9B,
    0xD3, 0x60, 0x34, 0x80, 0x8C, 0xD5, 0x64, 0x49, 0x0B, 0x1E, 0x65, 0x6E, 0xDB, 0xE7,
];

/// Which side of SPAKE2+ we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PakeSide {
    /// It knows the password.
    Prover,
    /// It has the record of the password.
    Verifier,
}

/// What a stretched password becomes: the prover keeps w0 and w1, the verifier w0 and L.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PakePassword {
    /// The first half modulo the order, 32 bytes.
    pub w0: Secret,
    /// The second half, likewise.
    pub w1: Secret,
    /// w1 times the base point.
    pub point_l: PublicKey,
}

/// What both sides find when the password fits the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PakeSecrets {
    /// Z, uncompressed.
    pub z: Secret,
    /// V, uncompressed.
    pub v: Secret,
}

/// One side of one exchange, by its secret scalar.
pub trait PakeExchange: Send {
    /// Our share: the scalar's point, blinded with w0.
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] when w0 is no number below the order, or the share is infinity.
    fn share(&self, side: PakeSide, w0: &Secret) -> Result<PakePoint, CryptoError>;

    /// Z and V of the prover.
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] when w0 or w1 is no number below the order, `peer` is no point of the curve, or
    /// Z or V is infinity.
    fn finish_prover(
        self: Box<Self>,
        w0: &Secret,
        w1: &Secret,
        peer: &PakePoint,
    ) -> Result<PakeSecrets, CryptoError>;

    /// Z and V of the verifier.
    ///
    /// # Errors
    /// As [`Self::finish_prover`]; [`CryptoError::WrongKey`] when L is not on P-256.
    fn finish_verifier(
        self: Box<Self>,
        w0: &Secret,
        point_l: &PublicKey,
        peer: &PakePoint,
    ) -> Result<PakeSecrets, CryptoError>;
}

impl core::fmt::Debug for dyn PakeExchange + '_ {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PakeExchange")
    }
}

/// What scrypt costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScryptCost {
    /// The logarithm of N, to base 2.
    pub log2_n: u8,
    /// Block size.
    pub r: u32,
    /// Parallelism.
    pub p: u32,
}
