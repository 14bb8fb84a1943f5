//! What one side of a run draws.

use alloc::boxed::Box;

use clock::Dice;
use crypto::{CryptoError, Curve, Group, KeyExchange, PakeExchange, Provider, draw_scalar};

use crate::Claim;
use crate::messages::SHARE_SIZE;

/// Random bytes and secret scalars of P-256, fresh for each run. Which of the exchanges is used hangs on the kind.
pub struct Ephemeral {
    /// random_d or random_s.
    pub random: [u8; 32],
    /// For kinds 2 to 4: the scalar's point is the share.
    pub exchange: Box<dyn KeyExchange>,
    /// For kind 1: the share is blinded with the code.
    pub pake: Box<dyn PakeExchange>,
}

impl Ephemeral {
    /// Draws all of it.
    ///
    /// # Errors
    /// What the provider says when it has no P-256 or no SPAKE2+.
    pub fn draw(provider: &dyn Provider, dice: &mut Dice) -> Result<Self, CryptoError> {
        let exchange = provider.start_exchange(Group::Nist(Curve::P256), dice)?;
        let random = dice.bytes();
        let pake = draw_scalar(Curve::P256, dice, |scalar| provider.start_pake(scalar))?;
        Ok(Self { random, exchange, pake })
    }

    /// The share of kinds 2 to 4; `None` when the exchange is on another group.
    pub(crate) fn share(&self) -> Option<[u8; SHARE_SIZE]> {
        self.exchange.public().try_into().ok()
    }
}

/// What the load balancer draws, once it knows which kind runs.
pub(crate) struct Drawn {
    /// random_s.
    pub(crate) random: [u8; 32],
    pub(crate) scalar: DrawnScalar,
}

/// The scalar of one kind of exchange.
pub(crate) enum DrawnScalar {
    /// Kind 1.
    Pake(Box<dyn PakeExchange>),
    /// Kinds 2 to 4.
    Exchange(Box<dyn KeyExchange>),
}

impl Drawn {
    /// Draws what this kind needs.
    pub(crate) fn for_claim(
        provider: &dyn Provider,
        dice: &mut Dice,
        claim: &Claim,
    ) -> Result<Self, CryptoError> {
        let scalar = match claim {
            Claim::Code(_) => {
                DrawnScalar::Pake(draw_scalar(Curve::P256, dice, |scalar| provider.start_pake(scalar))?)
            }
            Claim::Psk | Claim::KeyPair(_) | Claim::Ticket(_) => {
                DrawnScalar::Exchange(provider.start_exchange(Group::Nist(Curve::P256), dice)?)
            }
        };
        Ok(Self { random: dice.bytes(), scalar })
    }

    /// What this kind needs of what was drawn before.
    pub(crate) fn of(drawn: Ephemeral, claim: &Claim) -> Self {
        let Ephemeral { random, exchange, pake } = drawn;
        let scalar = match claim {
            Claim::Code(_) => DrawnScalar::Pake(pake),
            Claim::Psk | Claim::KeyPair(_) | Claim::Ticket(_) => DrawnScalar::Exchange(exchange),
        };
        Self { random, scalar }
    }
}

impl core::fmt::Debug for Ephemeral {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ephemeral").finish_non_exhaustive()
    }
}
