//! Argon2id at the edge: hashes are made and checked here, a few at a time.
//!
//! Source: `004` 6.2.3 e; ruling A-SECDEV-03.

use std::sync::Arc;

use accounts::{Checked, PASSWORD_LENGTH_MAX, PasswordHash};
use argon2::Argon2;
use argon2::password_hash::phc;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use crypto::Secret;
use tokio::sync::Semaphore;

/// Passwords that are hashed at once: each takes 19 MiB and some ten milliseconds.
const HASH_COUNT_MAX: usize = 2;
/// The longest password in bytes: characters have four at most. Longer ones are wrong without a look.
const PASSWORD_SIZE_MAX: usize = 4 * PASSWORD_LENGTH_MAX;

/// Checks and makes hashes.
pub(crate) struct Passwords {
    hashing: Arc<Semaphore>,
    /// Against it the passwords of names are checked that are no account.
    decoy: PasswordHash,
}

fn hash_of(password: &Secret, salt: &[u8; 16]) -> Option<PasswordHash> {
    let hash = Argon2::default().hash_password_with_salt(password.expose(), salt);
    hash.map(|hash: phc::PasswordHash| PasswordHash::new(hash.to_string())).ok()
}

impl Passwords {
    /// With a decoy that no password is known to fit; `None` when nothing can be hashed here.
    pub(crate) fn new(decoy: [u8; 32], salt: [u8; 16]) -> Option<Self> {
        let decoy = hash_of(&Secret::from(&decoy[..]), &salt)?;
        Some(Self { hashing: Arc::new(Semaphore::new(HASH_COUNT_MAX)), decoy })
    }

    /// The hash of a new password.
    pub(crate) async fn hash(&self, password: Secret, salt: [u8; 16]) -> Option<PasswordHash> {
        let _place = Arc::clone(&self.hashing).acquire_owned().await.ok()?;
        tokio::task::spawn_blocking(move || hash_of(&password, &salt)).await.ok().flatten()
    }

    /// Checks `password` against the hash of an account, or against the decoy where there is none.
    pub(crate) async fn check(&self, password: Secret, against: Option<PasswordHash>) -> Checked {
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
