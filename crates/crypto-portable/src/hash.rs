//! Hash, HMAC and what is derived with them.

use core::num::NonZeroU32;

use crypto::{Digest, HashAlgorithm};
use hmac::digest::Output;
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};
use zeroize::{Zeroize, Zeroizing};

pub(crate) fn digest(hash: HashAlgorithm, parts: &[&[u8]]) -> Digest {
    fn of<D: sha2::Digest>(parts: &[&[u8]]) -> Digest {
        let mut state = D::new();
        parts.iter().for_each(|part| state.update(part));
        Digest::new(&state.finalize())
    }
    match hash {
        HashAlgorithm::Sha256 => of::<Sha256>(parts),
        HashAlgorithm::Sha384 => of::<Sha384>(parts),
        HashAlgorithm::Sha512 => of::<Sha512>(parts),
    }
}

/// The state of an HMAC that has taken its key.
fn keyed<D: EagerHash>(key: &[u8]) -> Hmac<D> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of every length")
}

fn finish<D: EagerHash>(mut state: Hmac<D>, parts: &[&[u8]]) -> Output<Hmac<D>> {
    parts.iter().for_each(|part| state.update(part));
    state.finalize().into_bytes()
}

pub(crate) fn hmac(hash: HashAlgorithm, key: &[u8], parts: &[&[u8]]) -> Digest {
    match hash {
        HashAlgorithm::Sha256 => Digest::new(&finish(keyed::<Sha256>(key), parts)),
        HashAlgorithm::Sha384 => Digest::new(&finish(keyed::<Sha384>(key), parts)),
        HashAlgorithm::Sha512 => Digest::new(&finish(keyed::<Sha512>(key), parts)),
    }
}

pub(crate) fn tls12_prf(hash: HashAlgorithm, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    match hash {
        HashAlgorithm::Sha256 => p_hash(&keyed::<Sha256>(secret), label, seed, out),
        HashAlgorithm::Sha384 => p_hash(&keyed::<Sha384>(secret), label, seed, out),
        HashAlgorithm::Sha512 => p_hash(&keyed::<Sha512>(secret), label, seed, out),
    }
}

/// `P_hash` of RFC 5246 section 5: A(1) = HMAC(label + seed), A(i) = HMAC(A(i-1)), and block i of the output
/// is HMAC(A(i) + label + seed).
fn p_hash<D>(keyed: &Hmac<D>, label: &[u8], seed: &[&[u8]], out: &mut [u8])
where
    D: EagerHash,
    Hmac<D>: Clone,
    Output<Hmac<D>>: Zeroize,
{
    let start = |state: Hmac<D>| state.chain_update(label);
    let mut a = Zeroizing::new(finish(start(keyed.clone()), seed));
    let mut chunks = out.chunks_mut(a.len()).peekable();
    while let Some(chunk) = chunks.next() {
        let block = Zeroizing::new(finish(start(keyed.clone().chain_update(&*a)), seed));
        chunk.copy_from_slice(&block[..chunk.len()]);
        if chunks.peek().is_some() {
            a = Zeroizing::new(finish(keyed.clone(), &[&a]));
        }
    }
}

pub(crate) fn pbkdf2_sha256(passphrase: &[u8], salt: &[u8], rounds: NonZeroU32, out: &mut [u8]) {
    pbkdf2::pbkdf2_hmac::<Sha256>(passphrase, salt, rounds.get(), out);
}
