//! EC key pairs and ECDSA.

use alloc::sync::Arc;
use alloc::vec::Vec;

use clock::Dice;
use crypto::{
    CryptoError, Curve, HashAlgorithm, KeyKind, PrivateKey, PublicKey, Secret, SignatureScheme, draw_scalar,
    ec_to_pkcs8,
};
use ecdsa::signature::{Signer, Verifier};
use ecdsa::{DigestAlgorithm, EcdsaCurve, Signature, SigningKey, VerifyingKey};
use elliptic_curve::ecdh::diffie_hellman;
use elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use elliptic_curve::{CurveArithmetic, NonZeroScalar};
use p256::NistP256;
use p384::NistP384;
use p521::NistP521;
use zeroize::Zeroizing;

/// The three curves, with the bounds that signing, verifying and agreeing need.
pub(crate) trait NistCurve:
    EcdsaCurve
    + DigestAlgorithm
    + elliptic_curve::Curve<FieldBytesSize: ModulusSize>
    + CurveArithmetic<AffinePoint: FromSec1Point<Self> + ToSec1Point<Self>>
{
    const CURVE: Curve;
}

impl NistCurve for NistP256 {
    const CURVE: Curve = Curve::P256;
}

impl NistCurve for NistP384 {
    const CURVE: Curve = Curve::P384;
}

impl NistCurve for NistP521 {
    const CURVE: Curve = Curve::P521;
}

/// Reads an EC key of this curve and checks that its point is on it.
pub(crate) fn parse<C: NistCurve>(key: &PublicKey) -> Result<VerifyingKey<C>, CryptoError> {
    match key.point() {
        Some((curve, point)) if curve == C::CURVE => {
            VerifyingKey::from_sec1_bytes(point).map_err(|_| CryptoError::BadInput)
        }
        Some(_) | None => Err(CryptoError::WrongKey),
    }
}

pub(crate) fn verify<C: NistCurve>(
    key: &PublicKey,
    message: &[u8],
    signature: &[u8],
) -> Result<(), CryptoError> {
    let key = parse::<C>(key)?;
    let signature = Signature::<C>::from_slice(signature).map_err(|_| CryptoError::NotGenuine)?;
    key.verify(message, &signature).map_err(|_| CryptoError::NotGenuine)
}

/// The X coordinate of the product.
pub(crate) fn agree<C: NistCurve>(own: &NonZeroScalar<C>, peer: &VerifyingKey<C>) -> Secret {
    let shared = diffie_hellman::<C>(own, peer.as_affine());
    Secret::from(shared.raw_secret_bytes().as_slice())
}

pub(crate) struct EcKey<C: NistCurve> {
    signing: SigningKey<C>,
    public: PublicKey,
}

impl<C: NistCurve> EcKey<C> {
    pub(crate) fn generate(dice: &mut Dice) -> Result<Arc<dyn PrivateKey>, CryptoError> {
        draw_scalar(C::CURVE, dice, |scalar| Self::import(scalar, None))
    }

    pub(crate) fn import(scalar: &[u8], point: Option<&[u8]>) -> Result<Arc<dyn PrivateKey>, CryptoError> {
        let signing = SigningKey::<C>::from_slice(scalar).map_err(|_| CryptoError::BadInput)?;
        let derived = signing.verifying_key().to_sec1_point(false);
        if point.is_some_and(|point| point != derived.as_bytes()) {
            return Err(CryptoError::BadInput);
        }
        let public =
            PublicKey::from_point(C::CURVE, derived.as_bytes()).map_err(|_| CryptoError::BadInput)?;
        Ok(Arc::new(Self { signing, public }))
    }
}

impl<C: NistCurve> PrivateKey for EcKey<C> {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn pkcs8(&self) -> Result<Secret, CryptoError> {
        let scalar = Zeroizing::new(self.signing.to_bytes());
        let (_, point) = self.public.point().expect("the key was made from a point");
        ec_to_pkcs8(C::CURVE, &scalar, point)
    }

    fn sign(
        &self,
        scheme: SignatureScheme,
        message: &[u8],
        _dice: &mut Dice,
    ) -> Result<Vec<u8>, CryptoError> {
        if scheme != SignatureScheme::Ecdsa(C::CURVE) {
            return Err(CryptoError::WrongKey);
        }
        let signature: Signature<C> = self.signing.try_sign(message).map_err(|_| CryptoError::BadInput)?;
        Ok(signature.to_bytes().to_vec())
    }

    fn agree(&self, peer: &PublicKey) -> Result<Secret, CryptoError> {
        if peer.kind() != KeyKind::Ec(C::CURVE) {
            return Err(CryptoError::WrongKey);
        }
        Ok(agree(self.signing.as_nonzero_scalar(), &parse::<C>(peer)?))
    }

    fn oaep_decrypt(&self, _: HashAlgorithm, _: &[u8], _: &[u8]) -> Result<Secret, CryptoError> {
        Err(CryptoError::WrongKey)
    }
}
