//! The provider boundary: which cryptographic operations Thingstead needs, and none of their primitives.
//!
//! A [`Provider`] is picked once, by the program. Private keys are operations behind [`PrivateKey`], so
//! that a key may live outside the process. `crypto-server` and `crypto-portable` implement the boundary;
//! the `suite` feature holds the tests both must pass.
#![no_std]
extern crate alloc;

mod algorithm;
mod ecdsa_der;
mod kdf;
mod pake;
mod pkcs8;
mod provider;
mod public_key;
mod scalar;
mod secret;
#[cfg(feature = "suite")]
pub mod suite;

pub use algorithm::{Aead, Curve, Group, HashAlgorithm, KeyKind, SignatureScheme};
pub use ecdsa_der::{ecdsa_from_der, ecdsa_to_der};
pub use kdf::x963_kdf;
pub use pake::{
    PakeExchange, PakePassword, PakePoint, PakeSecrets, PakeSide, SPAKE2PLUS_M, SPAKE2PLUS_N, ScryptCost,
};
pub use pkcs8::{PrivateKeyInfo, ec_to_pkcs8};
pub use provider::{AeadKey, CryptoError, Digest, KeyExchange, PrivateKey, Provider};
pub use public_key::{BadPublicKey, PublicKey, SPKI_LENGTH_MAX};
pub use scalar::draw_scalar;
pub use secret::Secret;
