//! The key derivation of ANSI X9.63, built on a provider's hash.

use alloc::vec::Vec;

use crate::{HashAlgorithm, Provider, Secret};

/// Derives `length` bytes from `shared_secret`: hash(Z || counter || shared info), counter from 1.
///
/// Source: SEC 1 section 3.6.1.
#[must_use]
pub fn x963_kdf(
    provider: &dyn Provider,
    hash: HashAlgorithm,
    shared_secret: &Secret,
    shared_info: &[u8],
    length: usize,
) -> Secret {
    let mut out = Vec::with_capacity(length + hash.digest_length());
    let mut counter = 1_u32;
    while out.len() < length {
        let block = provider.digest(hash, &[shared_secret.expose(), &counter.to_be_bytes(), shared_info]);
        out.extend_from_slice(block.as_ref());
        counter += 1;
    }
    out.truncate(length);
    Secret::new(out)
}
