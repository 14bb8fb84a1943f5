//! Codes on labels: how they are stretched, and what each side keeps of them.
//!
//! Source: OSAP secure profile section 5, kind 1.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use crypto::{CryptoError, Provider, PublicKey, ScryptCost, Secret};
use zeroize::Zeroizing;

use crate::key_schedule::sha256;
use crate::{Kdf, Serial};

/// The cost of kdf 01.
const SCRYPT: ScryptCost = ScryptCost { log2_n: 15, r: 8, p: 1 };
/// The rounds of kdf 02.
const PBKDF2_ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).expect("it is not zero");
/// w0s and w1s, 40 bytes each.
const STRETCHED_SIZE: usize = 80;

/// The lower-case name under which devices reach a load balancer, 1 to 255 bytes: part of what a code is
/// stretched with, so that its record is worth nothing elsewhere.
/// Source: OSAP secure profile section 1; decision L10.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Realm(Vec<u8>);

impl Realm {
    /// The realm of this name; `None` when it is none.
    #[must_use]
    pub fn new(name: &[u8]) -> Option<Self> {
        let is_long_enough = (1..=255).contains(&name.len());
        let is_lower = |byte: &u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase();
        (is_long_enough && name.iter().all(is_lower)).then(|| Self(name.to_vec()))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The record of a code: what SPAKE2+ verifies it by, never the code itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRecord {
    /// w0, 32 bytes.
    pub w0: Secret,
    /// L, on P-256.
    pub point_l: PublicKey,
    /// How the code was stretched.
    pub kdf: Kdf,
}

/// A stretched code: what a device proves itself with. A small one may have it from the factory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StretchedCode {
    /// w0, 32 bytes.
    pub w0: Secret,
    /// w1, 32 bytes.
    pub w1: Secret,
    /// How the code was stretched.
    pub kdf: Kdf,
}

impl StretchedCode {
    /// Stretches the code on a label, which takes a device a good while and, with scrypt, 32 MiB; and makes the
    /// record for the load balancer.
    ///
    /// # Errors
    /// What the provider says when it has no scrypt or no SPAKE2+.
    pub fn of_label(
        provider: &dyn Provider,
        code: &Secret,
        serial: &Serial,
        realm: &Realm,
        kdf: Kdf,
    ) -> Result<(Self, CodeRecord), CryptoError> {
        let parts: [&[u8]; 3] = [code.expose(), serial.as_bytes(), realm.as_bytes()];
        // Of its size from the start: growing would leave copies of the code behind.
        let size = parts.iter().map(|part| 8 + part.len()).sum();
        let mut passphrase = Zeroizing::new(Vec::with_capacity(size));
        for part in parts {
            passphrase.extend_from_slice(&len64le(part));
            passphrase.extend_from_slice(part);
        }
        let salt = sha256(provider, &[b"OSAP-H1 pw salt\0", serial.as_bytes()]);
        let mut stretched = Zeroizing::new([0; STRETCHED_SIZE]);
        match kdf {
            Kdf::Scrypt => provider.scrypt(&passphrase, &salt, SCRYPT, &mut *stretched)?,
            Kdf::Pbkdf2 => provider.pbkdf2_sha256(&passphrase, &salt, PBKDF2_ROUNDS, &mut *stretched),
        }
        let password = provider.pake_password(&Secret::from(&stretched[..]))?;
        let record = CodeRecord { w0: password.w0.clone(), point_l: password.point_l, kdf };
        Ok((Self { w0: password.w0, w1: password.w1, kdf }, record))
    }
}

/// A length as RFC 9383 writes it.
pub(crate) const fn len64le(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_le_bytes()
}
