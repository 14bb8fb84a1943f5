//! Ephemeral key exchange.

use aws_lc_rs::agreement::{self, UnparsedPublicKey};
use clock::Dice;
use crypto::{CryptoError, Group, KeyExchange, PublicKey, Secret, draw_scalar};
use zeroize::Zeroizing;

use crate::ec::agreement_algorithm;

pub(crate) struct Exchange {
    group: Group,
    private: agreement::PrivateKey,
    public: agreement::PublicKey,
}

impl Exchange {
    pub(crate) fn start(group: Group, dice: &mut Dice) -> Result<Self, CryptoError> {
        let private = match group {
            Group::Nist(curve) => {
                draw_scalar(curve, dice, |scalar| import(agreement_algorithm(curve), scalar))?
            }
            Group::X25519 => {
                let mut scalar = Zeroizing::new([0; 32]);
                dice.fill(&mut *scalar);
                import(&agreement::X25519, &*scalar)?
            }
        };
        Self::with(group, private)
    }

    fn with(group: Group, private: agreement::PrivateKey) -> Result<Self, CryptoError> {
        let public = private.compute_public_key().map_err(|_| CryptoError::BadInput)?;
        Ok(Self { group, private, public })
    }
}

fn import(
    algorithm: &'static agreement::Algorithm,
    scalar: &[u8],
) -> Result<agreement::PrivateKey, CryptoError> {
    agreement::PrivateKey::from_private_key(algorithm, scalar).map_err(|_| CryptoError::BadInput)
}

/// The library also takes compressed points and whole SubjectPublicKeyInfos; the boundary does not.
fn has_form(group: Group, peer: &[u8]) -> bool {
    match group {
        Group::Nist(curve) => PublicKey::from_point(curve, peer).is_ok(),
        Group::X25519 => peer.len() == 32,
    }
}

impl KeyExchange for Exchange {
    fn public(&self) -> &[u8] {
        self.public.as_ref()
    }

    fn finish(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        if !has_form(self.group, peer) {
            return Err(CryptoError::BadInput);
        }
        let peer = UnparsedPublicKey::new(self.private.algorithm(), peer);
        agreement::agree(&self.private, peer, CryptoError::BadInput, |secret| Ok(Secret::from(secret)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(digits: &str) -> Vec<u8> {
        let pairs = digits.as_bytes().chunks(2);
        pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
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
            let private = import(&agreement::X25519, &bytes(scalar)).unwrap();
            let exchange = Exchange::with(Group::X25519, private).unwrap();
            assert_eq!(exchange.public(), bytes(public));
            let secret = Box::new(exchange).finish(&bytes(peer)).unwrap();
            let published = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
            assert_eq!(secret.expose(), bytes(published));
        }
    }
}
