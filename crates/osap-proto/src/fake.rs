//! Records of serials that have none, so that answers do not tell which serials exist.
//!
//! Source: OSAP secure profile section 10; decision L9.

use crypto::{CryptoError, Provider, PublicKey, Secret};
use zeroize::Zeroizing;

use crate::key_schedule::{expand, hmac, secret_of};
use crate::{Kdf, Serial};

/// The order of P-256, most significant word first.
const ORDER: [u64; 4] =
    [0xFFFF_FFFF_0000_0000, 0xFFFF_FFFF_FFFF_FFFF, 0xBCE6_FAAD_A717_9E84, 0xF3B9_CAC2_FC63_2551];

/// Makes fake records: the same ones at all nodes and at all times, from a secret that never changes.
#[derive(Debug)]
pub struct FakeRecords {
    secret: Secret,
    point_l: PublicKey,
    device_key: PublicKey,
}

/// The fake record of one serial.
#[derive(Debug)]
pub struct FakeRecord {
    /// w0' of kind 1, 32 bytes.
    pub w0: Secret,
    /// psk' of kinds 2 and 4.
    pub psk: Secret,
    /// kdf' of kind 1.
    pub kdf: Kdf,
}

impl FakeRecords {
    /// The records of a server secret of 32 bytes.
    ///
    /// # Errors
    /// What the provider says when it has no keys on P-256.
    pub fn new(provider: &dyn Provider, secret: Secret) -> Result<Self, CryptoError> {
        let of_all = seed(provider, &secret, &[]);
        let point = |label: &[u8]| {
            let scalar = reduced(&expand(provider, of_all.expose(), &[label], 40));
            provider.import_key(&pkcs8_of(&scalar)[..]).map(|key| key.public().clone())
        };
        let (point_l, device_key) = (point(b"osap-h1 fake w1")?, point(b"osap-h1 fake key")?);
        Ok(Self { secret, point_l, device_key })
    }

    /// The fake record of a serial, whole.
    #[must_use]
    pub fn of(&self, provider: &dyn Provider, serial: &Serial) -> FakeRecord {
        let seed = self.seed_of(provider, serial);
        FakeRecord { w0: w0_of(provider, &seed), psk: psk_of(provider, &seed), kdf: kdf_of(provider, &seed) }
    }

    /// w0' and kdf', which kind 1 needs.
    pub(crate) fn of_code(&self, provider: &dyn Provider, serial: &Serial) -> (Secret, Kdf) {
        let seed = self.seed_of(provider, serial);
        (w0_of(provider, &seed), kdf_of(provider, &seed))
    }

    /// psk', which kinds 2 and 4 need.
    pub(crate) fn of_psk(&self, provider: &dyn Provider, serial: &Serial) -> Secret {
        psk_of(provider, &self.seed_of(provider, serial))
    }

    fn seed_of(&self, provider: &dyn Provider, serial: &Serial) -> Secret {
        seed(provider, &self.secret, serial.as_bytes())
    }

    /// L' of all fake records.
    #[must_use]
    pub const fn point_l(&self) -> &PublicKey {
        &self.point_l
    }

    /// The device key of all fake records, under which a signature is checked that proves nothing.
    #[must_use]
    pub const fn device_key(&self) -> &PublicKey {
        &self.device_key
    }
}

fn seed(provider: &dyn Provider, secret: &Secret, serial: &[u8]) -> Secret {
    secret_of(hmac(provider, secret.expose(), &[b"osap-h1 fake\0", serial]))
}

fn w0_of(provider: &dyn Provider, seed: &Secret) -> Secret {
    Secret::from(&reduced(&expand(provider, seed.expose(), &[b"osap-h1 fake w0"], 40))[..])
}

fn psk_of(provider: &dyn Provider, seed: &Secret) -> Secret {
    expand(provider, seed.expose(), &[b"osap-h1 fake psk"], 32)
}

fn kdf_of(provider: &dyn Provider, seed: &Secret) -> Kdf {
    let drawn = expand(provider, seed.expose(), &[b"osap-h1 fake kdf"], 1);
    if drawn.expose()[0] % 2 == 1 { Kdf::Pbkdf2 } else { Kdf::Scrypt }
}

/// A number of any size modulo the order of P-256, in the same time for all numbers of a size.
fn reduced(number: &Secret) -> Zeroizing<[u8; 32]> {
    let mut rest = Zeroizing::new([0_u64; 4]);
    // Wiped once, not with each bit.
    let mut less = Zeroizing::new([0_u64; 4]);
    for bit in number.expose().iter().flat_map(|byte| (0..8).rev().map(move |at| u64::from(byte >> at & 1))) {
        let mut carry = bit;
        for word in rest.iter_mut().rev() {
            (*word, carry) = (*word << 1 | carry, *word >> 63);
        }
        *less = *rest;
        let mut borrow = false;
        for (word, order) in less.iter_mut().zip(ORDER).rev() {
            let (once, first) = word.overflowing_sub(order);
            let (twice, second) = once.overflowing_sub(u64::from(borrow));
            (*word, borrow) = (twice, first | second);
        }
        // The doubled rest is below two orders: with a carry out, or no borrow, one order too much.
        let keep = 0_u64.wrapping_sub(u64::from(borrow) & (carry ^ 1));
        for (word, less) in rest.iter_mut().zip(less.iter()) {
            *word = *word & keep | less & !keep;
        }
    }
    let mut bytes = Zeroizing::new([0; 32]);
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(rest.iter()) {
        chunk.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// A private key of P-256 as PKCS#8 (RFC 5958, RFC 5915), without its public half.
fn pkcs8_of(scalar: &[u8; 32]) -> Zeroizing<[u8; 67]> {
    const HEAD: [u8; 35] = [
        0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06,
        0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04,
        0x20,
    ];
    let mut key = Zeroizing::new([0; 67]);
    key[..35].copy_from_slice(&HEAD);
    key[35..].copy_from_slice(scalar);
    key
}
