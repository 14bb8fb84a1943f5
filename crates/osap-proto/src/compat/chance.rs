//! What a side of type 1 draws.

use alloc::boxed::Box;

use clock::Dice;
use crypto::{CryptoError, Curve, Group, KeyExchange, Provider, Secret};

use crate::Devid;

/// Random values of one run, and an exchange on P-384.
pub struct CompatChance {
    /// For a new device id; the load balancer's.
    pub devid: Devid,
    /// For the session key, 16 bytes; the load balancer's.
    pub session_key: Secret,
    /// The side's one byte of challenge in a refresh.
    pub challenge: u8,
    /// The secret scalar, and its point.
    pub exchange: Box<dyn KeyExchange>,
}

impl CompatChance {
    /// Draws all of it.
    ///
    /// # Errors
    /// What the provider says when it has no P-384.
    pub fn draw(provider: &dyn Provider, dice: &mut Dice) -> Result<Self, CryptoError> {
        let exchange = provider.start_exchange(Group::Nist(Curve::P384), dice)?;
        let [challenge] = dice.bytes();
        Ok(Self {
            devid: Devid::from_random(dice.bytes()),
            session_key: Secret::from(&dice.bytes::<16>()[..]),
            challenge,
            exchange,
        })
    }
}

impl core::fmt::Debug for CompatChance {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CompatChance").finish_non_exhaustive()
    }
}
