//! SPAKE2+ over P-256, and scrypt: RustCrypto, since the library has no sums of points.
//!
//! Multiples of the base point come from the library, which is faster there.
//! All of it takes the same time for all secrets: the curve's arithmetic does, and nothing here branches on them.

use aws_lc_rs::agreement;
use crypto::{
    CryptoError, Curve, PakeExchange, PakePassword, PakePoint, PakeSecrets, PakeSide, PublicKey,
    SPAKE2PLUS_M, SPAKE2PLUS_N, ScryptCost, Secret,
};
use elliptic_curve::PrimeField;
use elliptic_curve::sec1::ToSec1Point;
use p256::{FieldBytes, NonZeroScalar, ProjectivePoint, Scalar};
use zeroize::Zeroizing;

/// Bytes of each half of a stretched password at least: 64 bits more than the order, so that nothing is
/// likelier than anything else.
const HALF_SIZE_MIN: usize = 40;
const WORD: usize = 8;

pub(crate) fn scrypt(
    passphrase: &[u8],
    salt: &[u8],
    cost: ScryptCost,
    out: &mut [u8],
) -> Result<(), CryptoError> {
    // N has to be above 1.
    if cost.log2_n == 0 {
        return Err(CryptoError::BadInput);
    }
    let params = scrypt::Params::new(cost.log2_n, cost.r, cost.p).map_err(|_| CryptoError::BadInput)?;
    scrypt::scrypt(passphrase, salt, &params, out).map_err(|_| CryptoError::BadInput)
}

pub(crate) fn password(stretched: &Secret) -> Result<PakePassword, CryptoError> {
    let half = stretched.len() / 2;
    if !stretched.len().is_multiple_of(2) || half < HALF_SIZE_MIN || !half.is_multiple_of(WORD) {
        return Err(CryptoError::BadInput);
    }
    let (first, second) = stretched.expose().split_at(half);
    let (w0, w1) = (reduced(first), reduced(second));
    let point_l = PublicKey::from_point(Curve::P256, &encoded(&base_times(&w1)?)?[..])
        .map_err(|_| CryptoError::BadInput)?;
    Ok(PakePassword { w0: bytes_of(&w0), w1: bytes_of(&w1), point_l })
}

/// A multiple of the base point; infinity is refused.
fn base_times(scalar: &Scalar) -> Result<ProjectivePoint, CryptoError> {
    let bytes = Zeroizing::new(scalar.to_bytes());
    let key = agreement::PrivateKey::from_private_key(&agreement::ECDH_P256, &bytes)
        .map_err(|_| CryptoError::BadInput)?;
    let public = key.compute_public_key().map_err(|_| CryptoError::BadInput)?;
    point_of(public.as_ref())
}

/// A number of whole words modulo the order.
fn reduced(number: &[u8]) -> Zeroizing<Scalar> {
    let word_base = Scalar::from(u64::MAX) + Scalar::ONE;
    let mut rest = Zeroizing::new(Scalar::ZERO);
    for word in number.as_chunks::<WORD>().0 {
        *rest = *rest * word_base + Scalar::from(u64::from_be_bytes(*word));
    }
    rest
}

fn bytes_of(scalar: &Scalar) -> Secret {
    Secret::from(&Zeroizing::new(scalar.to_bytes())[..])
}

/// A number below the order, as 32 bytes.
fn scalar_of(bytes: &[u8]) -> Result<Zeroizing<Scalar>, CryptoError> {
    let bytes = Zeroizing::new(FieldBytes::try_from(bytes).map_err(|_| CryptoError::BadInput)?);
    let scalar = Option::from(Scalar::from_repr(*bytes)).ok_or(CryptoError::BadInput)?;
    Ok(Zeroizing::new(scalar))
}

/// A point of the curve that is not infinity, uncompressed.
fn point_of(bytes: &[u8]) -> Result<ProjectivePoint, CryptoError> {
    PublicKey::from_point(Curve::P256, bytes).map_err(|_| CryptoError::BadInput)?;
    let key = p256::PublicKey::from_sec1_bytes(bytes).map_err(|_| CryptoError::BadInput)?;
    Ok(key.to_projective())
}

/// The bytes of a point; infinity has none.
fn encoded(point: &ProjectivePoint) -> Result<Zeroizing<PakePoint>, CryptoError> {
    let encoded = point.to_affine().to_sec1_point(false);
    let bytes = encoded.as_bytes().try_into().map_err(|_| CryptoError::BadInput)?;
    Ok(Zeroizing::new(bytes))
}

fn constant(side: PakeSide) -> Result<ProjectivePoint, CryptoError> {
    point_of(match side {
        PakeSide::Prover => &SPAKE2PLUS_M,
        PakeSide::Verifier => &SPAKE2PLUS_N,
    })
}

fn secrets(z: &ProjectivePoint, v: &ProjectivePoint) -> Result<PakeSecrets, CryptoError> {
    Ok(PakeSecrets { z: Secret::from(&encoded(z)?[..]), v: Secret::from(&encoded(v)?[..]) })
}

pub(crate) struct Exchange {
    scalar: Zeroizing<Scalar>,
}

impl Exchange {
    pub(crate) fn start(scalar: &[u8]) -> Result<Box<dyn PakeExchange>, CryptoError> {
        let scalar = scalar_of(scalar)?;
        let is_zero: Option<NonZeroScalar> = NonZeroScalar::new(*scalar).into();
        if is_zero.is_none() {
            return Err(CryptoError::BadInput);
        }
        Ok(Box::new(Self { scalar }))
    }

    /// The peer's share without its blinding.
    fn bared(peer_side: PakeSide, w0: &Secret, peer: &PakePoint) -> Result<ProjectivePoint, CryptoError> {
        Ok(point_of(peer)? - constant(peer_side)? * *scalar_of(w0.expose())?)
    }
}

impl PakeExchange for Exchange {
    fn share(&self, side: PakeSide, w0: &Secret) -> Result<PakePoint, CryptoError> {
        let share = base_times(&self.scalar)? + constant(side)? * *scalar_of(w0.expose())?;
        Ok(*encoded(&share)?)
    }

    fn finish_prover(
        self: Box<Self>,
        w0: &Secret,
        w1: &Secret,
        peer: &PakePoint,
    ) -> Result<PakeSecrets, CryptoError> {
        let base = Self::bared(PakeSide::Verifier, w0, peer)?;
        secrets(&(base * *self.scalar), &(base * *scalar_of(w1.expose())?))
    }

    fn finish_verifier(
        self: Box<Self>,
        w0: &Secret,
        point_l: &PublicKey,
        peer: &PakePoint,
    ) -> Result<PakeSecrets, CryptoError> {
        let Some((Curve::P256, point_l)) = point_l.point() else { return Err(CryptoError::WrongKey) };
        let base = Self::bared(PakeSide::Prover, w0, peer)?;
        secrets(&(base * *self.scalar), &(point_of(point_l)? * *self.scalar))
    }
}
