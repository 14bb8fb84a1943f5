//! People who register devices by name and passphrase.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use clock::Moment;
use crypto::Secret;
use tokio::sync::Semaphore;

use crate::source_limit::network;

/// Wrong passphrases from one source within [`FAILURE_WINDOW`] before it has to wait.
/// Source: ruling A-SECDEV-01.
const FAILURE_COUNT_MAX: u32 = 5;
/// The window of [`FAILURE_COUNT_MAX`].
const FAILURE_WINDOW: Duration = Duration::from_secs(10 * 60);
/// How long a source has to wait.
const LOCK_TIME: Duration = Duration::from_secs(30 * 60);
/// Sources that are remembered; beyond, the one that failed first is forgotten.
const SOURCE_COUNT_MAX: usize = 10_000;
/// Passphrases that are hashed at once: each takes 19 MiB and some ten milliseconds.
const HASH_COUNT_MAX: usize = 2;
/// Longer passphrases are wrong.
const PASSPHRASE_LENGTH_MAX: usize = 256;

/// A user of the registration API, as the configuration names him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationUser {
    /// The name; no colon, at most 64 bytes.
    pub name: String,
    /// The argon2 hash of the passphrase as a PHC string: see [`passphrase_hash`].
    pub passphrase_hash: String,
}

/// A user that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadUser {
    /// The name is empty, too long, has a colon, or is there twice.
    Name,
    /// The hash is no argon2 PHC string.
    Hash,
}

impl std::fmt::Display for BadUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Name => "a user name is empty, too long, doubled, or has a colon",
            Self::Hash => "a passphrase hash is no argon2 PHC string",
        })
    }
}

impl std::error::Error for BadUser {}

/// The PHC string of a passphrase (Argon2id with the library's default costs), for the configuration.
///
/// # Errors
/// [`BadUser::Hash`] when the passphrase is longer than 256 bytes or cannot be hashed.
pub fn passphrase_hash(passphrase: &Secret, salt: [u8; 16]) -> Result<String, BadUser> {
    if passphrase.len() > PASSPHRASE_LENGTH_MAX {
        return Err(BadUser::Hash);
    }
    let hash = Argon2::default().hash_password_with_salt(passphrase.expose(), &salt);
    hash.map(|hash: PasswordHash| hash.to_string()).map_err(|_| BadUser::Hash)
}

/// What became of a name and a passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignIn {
    Welcome,
    Wrong,
    /// Too many failures from there.
    Wait(Duration),
}

/// The users, and who failed lately.
pub(super) struct Users {
    hashes: BTreeMap<String, PasswordHash>,
    hashing: Arc<Semaphore>,
    failures: Mutex<BTreeMap<IpAddr, Failures>>,
}

#[derive(Clone, Copy)]
struct Failures {
    began: Moment,
    count: u32,
}

impl Failures {
    /// How long a source must wait that failed like this.
    fn wait(self, now: Moment) -> Option<Duration> {
        let left = LOCK_TIME.saturating_sub(now.since(self.began));
        (self.count >= FAILURE_COUNT_MAX && !left.is_zero()).then_some(left)
    }
}

impl Users {
    pub(super) fn new(users: &[RegistrationUser]) -> Result<Self, BadUser> {
        let mut hashes = BTreeMap::new();
        for user in users {
            if user.name.is_empty() || user.name.len() > 64 || user.name.contains(':') {
                return Err(BadUser::Name);
            }
            let hash = PasswordHash::new(&user.passphrase_hash).map_err(|_| BadUser::Hash)?;
            if !hash.algorithm.as_str().starts_with("argon2") {
                return Err(BadUser::Hash);
            }
            if hashes.insert(user.name.clone(), hash).is_some() {
                return Err(BadUser::Name);
            }
        }
        let hashing = Arc::new(Semaphore::new(HASH_COUNT_MAX));
        Ok(Self { hashes, hashing, failures: Mutex::new(BTreeMap::new()) })
    }

    /// Checks a passphrase. An unknown name costs the same time as a wrong passphrase.
    pub(super) async fn sign_in(&self, name: &str, passphrase: Secret, from: IpAddr, now: Moment) -> SignIn {
        let from = network(from);
        if let Some(wait) = self.must_wait(from, now) {
            return SignIn::Wait(wait);
        }
        let known = self.hashes.contains_key(name);
        let hash = self.hashes.get(name).or_else(|| self.hashes.values().next()).cloned();
        let fits = passphrase.len() <= PASSPHRASE_LENGTH_MAX;
        let (Some(hash), true) = (hash, fits) else { return self.failed(from, now) };
        // The semaphore is never closed; if it were, nobody could sign in.
        let Ok(_place) = Arc::clone(&self.hashing).acquire_owned().await else { return SignIn::Wrong };
        // Others may have failed from there while this one waited for its place.
        if let Some(wait) = self.must_wait(from, now) {
            return SignIn::Wait(wait);
        }
        let verified = tokio::task::spawn_blocking(move || {
            Argon2::default().verify_password(passphrase.expose(), &hash).is_ok()
        });
        if verified.await.unwrap_or(false) && known { SignIn::Welcome } else { self.failed(from, now) }
    }

    fn must_wait(&self, from: IpAddr, now: Moment) -> Option<Duration> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(&from).and_then(|failures| failures.wait(now))
    }

    fn failed(&self, from: IpAddr, now: Moment) -> SignIn {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if !failures.contains_key(&from) && failures.len() >= SOURCE_COUNT_MAX {
            let oldest = failures.iter().min_by_key(|(_, failures)| failures.began).map(|(from, _)| *from);
            oldest.map(|oldest| failures.remove(&oldest));
        }
        let entry = failures.entry(from).or_insert(Failures { began: now, count: 0 });
        let window = if entry.count >= FAILURE_COUNT_MAX { LOCK_TIME } else { FAILURE_WINDOW };
        if now.since(entry.began) >= window {
            *entry = Failures { began: now, count: 0 };
        }
        entry.count += 1;
        SignIn::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Users {
        let hash = passphrase_hash(&Secret::from(&b"correct horse"[..]), [7; 16]).unwrap();
        Users::new(&[RegistrationUser { name: "ann".into(), passphrase_hash: hash }]).unwrap()
    }

    fn at(secs: u64) -> Moment {
        Moment::from_micros(secs * 1_000_000)
    }

    async fn tries(users: &Users, name: &str, passphrase: &[u8], secs: u64) -> SignIn {
        users.sign_in(name, Secret::from(passphrase), [127, 0, 0, 1].into(), at(secs)).await
    }

    #[tokio::test]
    async fn five_failures_make_a_source_wait_and_no_other() {
        let users = users();
        assert_eq!(tries(&users, "ann", b"correct horse", 0).await, SignIn::Welcome);
        for (name, passphrase) in [("ann", &b"wrong"[..]), ("bob", b"correct horse"), ("ann", &[b'x'; 300])] {
            assert_eq!(tries(&users, name, passphrase, 1).await, SignIn::Wrong);
        }
        assert_eq!(tries(&users, "ann", b"", 2).await, SignIn::Wrong);
        assert_eq!(tries(&users, "ann", b"", 2).await, SignIn::Wrong);
        let wait = SignIn::Wait(LOCK_TIME - Duration::from_secs(2));
        assert_eq!(tries(&users, "ann", b"correct horse", 3).await, wait, "not even the right one");
        let elsewhere =
            users.sign_in("ann", Secret::from(&b"correct horse"[..]), [10, 0, 0, 1].into(), at(3));
        assert_eq!(elsewhere.await, SignIn::Welcome);
        assert_eq!(tries(&users, "ann", b"correct horse", 1 + 30 * 60).await, SignIn::Welcome);
    }

    #[tokio::test]
    async fn tries_at_the_same_time_and_from_one_network_count_together() {
        let users = Arc::new(users());
        let mut tries = tokio::task::JoinSet::new();
        for host in 0..3 * FAILURE_COUNT_MAX {
            let users = Arc::clone(&users);
            let from = IpAddr::V6((0x2001_0db8_u128 << 96 | u128::from(host)).into());
            tries.spawn(async move { users.sign_in("ta", Secret::from(&b"wrong"[..]), from, at(0)).await });
        }
        let all = tries.join_all().await;
        let wrong = all.iter().filter(|one| **one == SignIn::Wrong).count();
        assert!(wrong < FAILURE_COUNT_MAX as usize + HASH_COUNT_MAX, "{wrong}");
    }

    #[test]
    fn users_that_cannot_be_are_refused() {
        let user =
            |name: &str, hash: &str| RegistrationUser { name: name.into(), passphrase_hash: hash.into() };
        let hash = passphrase_hash(&Secret::from(&b"x"[..]), [7; 16]).unwrap();
        let refused = |users: &[RegistrationUser]| Users::new(users).err();
        assert_eq!(refused(&[user("", &hash)]), Some(BadUser::Name));
        assert_eq!(refused(&[user("a:b", &hash)]), Some(BadUser::Name));
        assert_eq!(refused(&[user("a", &hash), user("a", &hash)]), Some(BadUser::Name));
        assert_eq!(refused(&[user("a", "secret")]), Some(BadUser::Hash));
    }
}
