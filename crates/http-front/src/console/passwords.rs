//! Argon2id at the edge: hashes are made and checked here, a few at a time.
//!
//! Source: `004` 6.2.3 e; ruling A-SECDEV-03.

use std::sync::Arc;

use accounts::{Checked, PASSWORD_LENGTH_MAX, PasswordHash};
use argon2::password_hash::phc;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Version};
use crypto::Secret;
use tokio::sync::Semaphore;

/// Passwords that are hashed at once: each takes 19 MiB and some ten milliseconds.
const HASH_COUNT_MAX: usize = 2;
/// The longest password in bytes: characters have four at most. Longer ones are wrong without a look.
const PASSWORD_SIZE_MAX: usize = 4 * PASSWORD_LENGTH_MAX;

/// What looks like the hash of a password and costs as much to check, with chance in place of what hashing
/// gives: whoever finds a password that fits it has inverted the hash. A start need not hash (ADR 0171).
fn decoy_of(result: &[u8; 32], salt: &[u8; 16]) -> Option<PasswordHash> {
    let hash = phc::PasswordHash {
        algorithm: Algorithm::default().ident(),
        version: Some(Version::default().into()),
        params: phc::ParamsString::try_from(Argon2::default().params()).ok()?,
        salt: Some(phc::Salt::new(salt).ok()?),
        hash: Some(phc::Output::new(result).ok()?),
    };
    Some(PasswordHash::new(hash.to_string()))
}

/// Checks and makes hashes.
pub struct Passwords {
    hashing: Arc<Semaphore>,
    /// Against it the passwords of names are checked that are no account.
    decoy: PasswordHash,
}

fn hash_of(password: &Secret, salt: &[u8; 16]) -> Option<PasswordHash> {
    let hash = Argon2::default().hash_password_with_salt(password.expose(), salt);
    hash.map(|hash: phc::PasswordHash| PasswordHash::new(hash.to_string())).ok()
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords(..)")
    }
}

impl Passwords {
    /// With a decoy that no password is known to fit; `None` when nothing can be hashed here.
    #[must_use]
    pub fn new(decoy: [u8; 32], salt: [u8; 16]) -> Option<Self> {
        Some(Self { hashing: Arc::new(Semaphore::new(HASH_COUNT_MAX)), decoy: decoy_of(&decoy, &salt)? })
    }

    /// The hash of a new password.
    pub async fn hash(&self, password: Secret, salt: [u8; 16]) -> Option<PasswordHash> {
        let _place = Arc::clone(&self.hashing).acquire_owned().await.ok()?;
        tokio::task::spawn_blocking(move || hash_of(&password, &salt)).await.ok().flatten()
    }

    /// Does other slow work in one of the same places; `None` when it could not be done.
    pub(crate) async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let _place = Arc::clone(&self.hashing).acquire_owned().await.ok()?;
        tokio::task::spawn_blocking(work).await.ok()
    }

    /// Checks `password` against the hash of an account, or against the decoy where there is none.
    pub async fn check(&self, password: Secret, against: Option<PasswordHash>) -> Checked {
        let hash = against.clone().unwrap_or_else(|| self.decoy.clone());
        // The semaphore is never closed; if it were, nobody could sign in.
        let Ok(_place) = Arc::clone(&self.hashing).acquire_owned().await else { return Checked::Wrong };
        let fits = tokio::task::spawn_blocking(move || {
            let short = password.len() <= PASSWORD_SIZE_MAX;
            let text: &[u8] = if short { password.expose() } else { b"" };
            let known = phc::PasswordHash::new(hash.as_str());
            known.is_ok_and(|known| Argon2::default().verify_password(text, &known).is_ok()) && short
        });
        match (fits.await, against) {
            (Ok(true), Some(hash)) => Checked::Fits(hash),
            _ => Checked::Wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decoy_costs_what_a_password_costs_and_nothing_fits_it() {
        let (secret, salt) = (Secret::from(&b"a password of nobody"[..]), [9; 16]);
        let decoy = decoy_of(&[7; 32], &salt).unwrap();
        let real = hash_of(&secret, &salt).unwrap();
        let [decoyed, hashed] = [&decoy, &real].map(|hash| phc::PasswordHash::new(hash.as_str()).unwrap());
        assert_eq!(decoyed.algorithm, hashed.algorithm);
        assert_eq!(decoyed.version, hashed.version);
        assert_eq!(decoyed.params, hashed.params, "memory, rounds and lanes decide the time");
        assert_eq!(decoyed.salt, hashed.salt);
        assert_eq!(decoyed.hash.unwrap().len(), hashed.hash.unwrap().len());
        let verify = |hash: &phc::PasswordHash| Argon2::default().verify_password(secret.expose(), hash);
        assert_eq!(verify(&hashed), Ok(()));
        assert_eq!(
            verify(&decoyed),
            Err(argon2::password_hash::Error::PasswordInvalid),
            "it is checked in full, not refused as malformed"
        );
    }
}
