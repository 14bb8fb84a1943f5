//! EC key pairs and ECDSA.

use aws_lc_rs::agreement::{self, UnparsedPublicKey};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, ParsedPublicKey};
use clock::Dice;
use crypto::{
    CryptoError, Curve, HashAlgorithm, KeyKind, PrivateKey, PublicKey, Secret, SignatureScheme, draw_scalar,
    ec_to_pkcs8,
};

pub(crate) const fn agreement_algorithm(curve: Curve) -> &'static agreement::Algorithm {
    match curve {
        Curve::P256 => &agreement::ECDH_P256,
        Curve::P384 => &agreement::ECDH_P384,
        Curve::P521 => &agreement::ECDH_P521,
    }
}

const fn signing_algorithm(curve: Curve) -> &'static signature::EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
    }
}

const fn verification_algorithm(curve: Curve) -> &'static signature::EcdsaVerificationAlgorithm {
    match curve {
        Curve::P256 => &signature::ECDSA_P256_SHA256_FIXED,
        Curve::P384 => &signature::ECDSA_P384_SHA384_FIXED,
        Curve::P521 => &signature::ECDSA_P521_SHA512_FIXED,
    }
}

/// Reads an EC key and checks that its point is on the curve.
pub(crate) fn parse(curve: Curve, key: &PublicKey) -> Result<ParsedPublicKey, CryptoError> {
    let (_, point) = key.point().ok_or(CryptoError::WrongKey)?;
    ParsedPublicKey::new(verification_algorithm(curve), point).map_err(|_| CryptoError::BadInput)
}

pub(crate) struct EcKey {
    curve: Curve,
    signing: EcdsaKeyPair,
    agreeing: agreement::PrivateKey,
    public: PublicKey,
}

impl EcKey {
    pub(crate) fn generate(curve: Curve, dice: &mut Dice) -> Result<Self, CryptoError> {
        draw_scalar(curve, dice, |scalar| Self::import(curve, scalar, None))
    }

    pub(crate) fn import(curve: Curve, scalar: &[u8], point: Option<&[u8]>) -> Result<Self, CryptoError> {
        let agreeing = agreement::PrivateKey::from_private_key(agreement_algorithm(curve), scalar)
            .map_err(|_| CryptoError::BadInput)?;
        let derived = agreeing.compute_public_key().map_err(|_| CryptoError::BadInput)?;
        if point.is_some_and(|point| point != derived.as_ref()) {
            return Err(CryptoError::BadInput);
        }
        let signing =
            EcdsaKeyPair::from_private_key_and_public_key(signing_algorithm(curve), scalar, derived.as_ref())
                .map_err(|_| CryptoError::BadInput)?;
        let public = PublicKey::from_point(curve, derived.as_ref()).map_err(|_| CryptoError::BadInput)?;
        Ok(Self { curve, signing, agreeing, public })
    }
}

impl PrivateKey for EcKey {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn pkcs8(&self) -> Result<Secret, CryptoError> {
        let scalar: EcPrivateKeyBin<'_> =
            self.agreeing.as_be_bytes().map_err(|_| CryptoError::Unsupported)?;
        let (_, point) = self.public.point().expect("the key was made from a point");
        ec_to_pkcs8(self.curve, scalar.as_ref(), point)
    }

    fn sign(
        &self,
        scheme: SignatureScheme,
        message: &[u8],
        _dice: &mut Dice,
    ) -> Result<Vec<u8>, CryptoError> {
        if scheme != SignatureScheme::Ecdsa(self.curve) {
            return Err(CryptoError::WrongKey);
        }
        let signed = self.signing.sign(&SystemRandom::new(), message).map_err(|_| CryptoError::BadInput)?;
        Ok(signed.as_ref().to_vec())
    }

    fn agree(&self, peer: &PublicKey) -> Result<Secret, CryptoError> {
        if peer.kind() != KeyKind::Ec(self.curve) {
            return Err(CryptoError::WrongKey);
        }
        let (_, point) = peer.point().ok_or(CryptoError::WrongKey)?;
        let peer = UnparsedPublicKey::new(agreement_algorithm(self.curve), point);
        agreement::agree(&self.agreeing, peer, CryptoError::BadInput, |secret| Ok(Secret::from(secret)))
    }

    fn oaep_decrypt(&self, _: HashAlgorithm, _: &[u8], _: &[u8]) -> Result<Secret, CryptoError> {
        Err(CryptoError::WrongKey)
    }
}
