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
