//! Ephemeral key exchange.

use alloc::boxed::Box;
use alloc::vec::Vec;

use clock::Dice;
use crypto::{CryptoError, KeyExchange, PublicKey, Secret, draw_scalar};
use elliptic_curve::SecretKey;
use elliptic_curve::sec1::ToSec1Point;
use x25519_dalek as x25519;
use zeroize::Zeroizing;

use crate::ec::{NistCurve, agree, parse};

pub(crate) struct NistExchange<C: NistCurve> {
    private: SecretKey<C>,
    public: Vec<u8>,
}

impl<C: NistCurve> NistExchange<C> {
    pub(crate) fn start(dice: &mut Dice) -> Result<Box<dyn KeyExchange>, CryptoError> {
        let private = draw_scalar(C::CURVE, dice, |scalar| {
            SecretKey::<C>::from_slice(scalar).map_err(|_| CryptoError::BadInput)
        })?;
        let public = private.public_key().to_sec1_point(false).as_bytes().to_vec();
        Ok(Box::new(Self { private, public }))
    }
}

impl<C: NistCurve> KeyExchange for NistExchange<C> {
    fn public(&self) -> &[u8] {
        &self.public
    }

    fn finish(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        let peer = PublicKey::from_point(C::CURVE, peer).map_err(|_| CryptoError::BadInput)?;
        Ok(agree(&self.private.to_nonzero_scalar(), &parse::<C>(&peer)?))
    }
}

pub(crate) struct X25519Exchange {
    private: x25519::StaticSecret,
    public: x25519::PublicKey,
}

impl X25519Exchange {
    pub(crate) fn start(dice: &mut Dice) -> Box<dyn KeyExchange> {
        let mut scalar = Zeroizing::new([0; 32]);
        dice.fill(&mut *scalar);
        Box::new(Self::with(x25519::StaticSecret::from(*scalar)))
    }

    fn with(private: x25519::StaticSecret) -> Self {
        let public = x25519::PublicKey::from(&private);
        Self { private, public }
    }
}

impl KeyExchange for X25519Exchange {
    fn public(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn finish(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        let peer = <[u8; 32]>::try_from(peer).map_err(|_| CryptoError::BadInput)?;
        let shared = self.private.diffie_hellman(&x25519::PublicKey::from(peer));
        // All zero when the peer sent a point of small order (RFC 7748 section 6.1).
        if shared.was_contributory() {
            Ok(Secret::from(&shared.as_bytes()[..]))
        } else {
            Err(CryptoError::BadInput)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(digits: &str) -> [u8; 32] {
        core::array::from_fn(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
    }

    // verifies: RFC7748-6.1
    #[test]
    fn x25519_gives_the_published_secret() {
        let parties = [
            (
                "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
                "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
            ),
            (
                "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
                "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
            ),
        ];
        for ((scalar, public), (_, peer)) in [(parties[0], parties[1]), (parties[1], parties[0])] {
            let exchange = X25519Exchange::with(x25519::StaticSecret::from(bytes(scalar)));
            assert_eq!(exchange.public(), bytes(public));
            let secret = Box::new(exchange).finish(&bytes(peer)).unwrap();
            let published = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
            assert_eq!(secret.expose(), bytes(published));
        }
    }
}
