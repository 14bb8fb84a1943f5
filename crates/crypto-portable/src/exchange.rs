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
        let private = x25519::StaticSecret::from(*scalar);
        let public = x25519::PublicKey::from(&private);
        Box::new(Self { private, public })
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
