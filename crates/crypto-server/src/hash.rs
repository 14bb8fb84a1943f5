//! Hash, HMAC and what is derived with them.

use std::num::NonZeroU32;

use aws_lc_rs::{digest as lc_digest, hmac as lc_hmac, pbkdf2, tls_prf};
use crypto::{Digest, HashAlgorithm};

const fn digest_algorithm(hash: HashAlgorithm) -> &'static lc_digest::Algorithm {
    match hash {
        HashAlgorithm::Sha256 => &lc_digest::SHA256,
        HashAlgorithm::Sha384 => &lc_digest::SHA384,
        HashAlgorithm::Sha512 => &lc_digest::SHA512,
    }
}

pub(crate) fn digest(hash: HashAlgorithm, parts: &[&[u8]]) -> Digest {
    if let [whole] = parts {
        return Digest::new(lc_digest::digest(digest_algorithm(hash), whole).as_ref());
    }
    let mut context = lc_digest::Context::new(digest_algorithm(hash));
    parts.iter().for_each(|part| context.update(part));
    Digest::new(context.finish().as_ref())
}

pub(crate) fn hmac(hash: HashAlgorithm, key: &[u8], parts: &[&[u8]]) -> Digest {
    hmac_of(&hmac_key(hash, key), parts)
}

pub(crate) fn hmac_each(hash: HashAlgorithm, key: &[u8], messages: &[&[&[u8]]]) -> Vec<Digest> {
    let key = hmac_key(hash, key);
    messages.iter().map(|parts| hmac_of(&key, parts)).collect()
}

fn hmac_key(hash: HashAlgorithm, key: &[u8]) -> lc_hmac::Key {
    let algorithm = match hash {
        HashAlgorithm::Sha256 => lc_hmac::HMAC_SHA256,
        HashAlgorithm::Sha384 => lc_hmac::HMAC_SHA384,
        HashAlgorithm::Sha512 => lc_hmac::HMAC_SHA512,
    };
    lc_hmac::Key::new(algorithm, key)
}

fn hmac_of(key: &lc_hmac::Key, parts: &[&[u8]]) -> Digest {
    if let [whole] = parts {
        return Digest::new(lc_hmac::sign(key, whole).as_ref());
    }
    let mut context = lc_hmac::Context::with_key(key);
    parts.iter().for_each(|part| context.update(part));
    Digest::new(context.sign().as_ref())
}

pub(crate) fn tls12_prf(hash: HashAlgorithm, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    if out.is_empty() {
        return;
    }
    let algorithm = match hash {
        HashAlgorithm::Sha256 => &tls_prf::P_SHA256,
        HashAlgorithm::Sha384 => &tls_prf::P_SHA384,
        HashAlgorithm::Sha512 => &tls_prf::P_SHA512,
    };
    // The library takes no empty secret; HMAC pads keys with zeros, so one zero byte is the same key.
    let secret = if secret.is_empty() { &[0] } else { secret };
    let secret = tls_prf::Secret::new(algorithm, secret).expect("the secret is not empty");
    let derived = match seed {
        [whole] => secret.derive(label, whole, out.len()),
        [first, second] => secret.derive_with_seed_concatination(label, first, second, out.len()),
        parts => secret.derive(label, &parts.concat(), out.len()),
    };
    out.copy_from_slice(derived.expect("the output is not empty and memory is at hand").as_ref());
}

pub(crate) fn pbkdf2_sha256(passphrase: &[u8], salt: &[u8], rounds: NonZeroU32, out: &mut [u8]) {
    if !out.is_empty() {
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, passphrase, out);
    }
}
