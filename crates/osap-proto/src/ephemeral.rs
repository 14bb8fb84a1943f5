//! What one side of a run draws.

use alloc::boxed::Box;

use clock::Dice;
use crypto::{CryptoError, Curve, Group, KeyExchange, Provider};

use crate::messages::SHARE_SIZE;

/// Random bytes and a key exchange on P-256, fresh for each run.
pub struct Ephemeral {
    /// random_d or random_s.
    pub random: [u8; 32],
    /// The secret scalar, and its point as the share.
    pub exchange: Box<dyn KeyExchange>,
}

impl Ephemeral {
    /// Draws both.
    ///
    /// # Errors
    /// What the provider says when it has no P-256.
    pub fn draw(provider: &dyn Provider, dice: &mut Dice) -> Result<Self, CryptoError> {
        let exchange = provider.start_exchange(Group::Nist(Curve::P256), dice)?;
        Ok(Self { random: dice.bytes(), exchange })
    }

    /// The share that goes on the wire; `None` when the exchange is on another group.
    pub(crate) fn share(&self) -> Option<[u8; SHARE_SIZE]> {
        self.exchange.public().try_into().ok()
    }
}

impl core::fmt::Debug for Ephemeral {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ephemeral").finish_non_exhaustive()
    }
}
