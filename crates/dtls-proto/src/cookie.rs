//! The cookie that shows a client can be reached, without keeping anything about it.
//!
//! `HMAC-SHA-256(key, length of address(2) || address || hello before the cookie || hello behind it)`, so it
//! vouches for version, random, session id, suites and all extensions, peer_name among them.
//! Source: RFC 6347 section 4.2.1; decision LOW (cookie covers peer_name).

use core::time::Duration;

use clock::{Dice, Moment};
use crypto::{HashAlgorithm, Provider, Secret};
use zeroize::Zeroizing;

use crate::codec::client_hello::CookieView;

const KEY_LENGTH: usize = 32;

/// The present key and the one before.
pub(crate) struct CookieKeys {
    present: Zeroizing<[u8; KEY_LENGTH]>,
    before: Zeroizing<[u8; KEY_LENGTH]>,
    duration: Duration,
    rotate_at: Moment,
}

impl CookieKeys {
    pub(crate) fn new(dice: &mut Dice, duration: Duration, now: Moment) -> Self {
        let (present, before) = (Zeroizing::new(dice.bytes()), Zeroizing::new(dice.bytes()));
        Self { present, before, duration, rotate_at: now + duration }
    }

    /// Retires keys whose time is over.
    pub(crate) fn rotate(&mut self, dice: &mut Dice, now: Moment) {
        if now < self.rotate_at {
            return;
        }
        let overslept = now >= self.rotate_at + self.duration;
        self.before = if overslept { Zeroizing::new(dice.bytes()) } else { self.present.clone() };
        self.present = Zeroizing::new(dice.bytes());
        self.rotate_at = now + self.duration;
    }

    pub(crate) fn make(&self, provider: &dyn Provider, from: &[u8], hello: &CookieView<'_>) -> [u8; 32] {
        cookie(provider, &self.present, from, hello)
    }

    pub(crate) fn accepts(&self, provider: &dyn Provider, from: &[u8], hello: &CookieView<'_>) -> bool {
        let given = Secret::from(hello.cookie);
        [&self.present, &self.before]
            .into_iter()
            .any(|key| Secret::from(&cookie(provider, key, from, hello)[..]) == given)
    }
}

fn cookie(provider: &dyn Provider, key: &[u8; KEY_LENGTH], from: &[u8], hello: &CookieView<'_>) -> [u8; 32] {
    let length = u16::try_from(from.len()).unwrap_or(u16::MAX).to_be_bytes();
    provider.hmac(HashAlgorithm::Sha256, key, &[&length, from, hello.before, hello.after]).first_32()
}
