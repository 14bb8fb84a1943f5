//! The frame that certificates and requests share: signed part, algorithm, signature.

use clock::Dice;
use crypto::{
    CryptoError, HashAlgorithm, KeyKind, PrivateKey, Provider, PublicKey, SignatureScheme, ecdsa_from_der,
    ecdsa_to_der,
};
use der::asn1::{Any, AnyRef, BitString};
use der::{Decode, Encode, Sequence};
use spki::{AlgorithmIdentifierOwned, ObjectIdentifier};

const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_WITH_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
const RSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_WITH_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");

/// `SEQUENCE { signed part, AlgorithmIdentifier, BIT STRING }`; the signed part keeps its bytes.
#[derive(Sequence)]
pub(crate) struct Signed<'a> {
    pub(crate) body: AnyRef<'a>,
    pub(crate) algorithm: AlgorithmIdentifierOwned,
    pub(crate) signature: BitString,
}

/// Why a signature over a body is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureError {
    /// An algorithm that is not offered, or not one of this key.
    Algorithm,
    /// It does not match.
    NotGenuine,
}

/// How a key signs X.509 structures: by the hash of its curve, RSA by SHA-256.
const fn scheme_of(kind: KeyKind) -> SignatureScheme {
    match kind {
        KeyKind::Ec(curve) => SignatureScheme::Ecdsa(curve),
        KeyKind::Rsa { .. } => SignatureScheme::RsaPkcs1(HashAlgorithm::Sha256),
    }
}

const fn ecdsa_oid(hash: HashAlgorithm) -> ObjectIdentifier {
    match hash {
        HashAlgorithm::Sha256 => ECDSA_WITH_SHA256,
        HashAlgorithm::Sha384 => ECDSA_WITH_SHA384,
        HashAlgorithm::Sha512 => ECDSA_WITH_SHA512,
    }
}

/// The AlgorithmIdentifier by which a key of `kind` signs.
pub(crate) fn algorithm_of(kind: KeyKind) -> AlgorithmIdentifierOwned {
    match kind {
        KeyKind::Ec(curve) => AlgorithmIdentifierOwned { oid: ecdsa_oid(curve.hash()), parameters: None },
        KeyKind::Rsa { .. } => {
            AlgorithmIdentifierOwned { oid: RSA_WITH_SHA256, parameters: Some(Any::null()) }
        }
    }
}

/// Signs `body`, the DER of the part to be signed, and frames it.
pub(crate) fn sign(key: &dyn PrivateKey, body: &[u8], dice: &mut Dice) -> Result<Vec<u8>, CryptoError> {
    let kind = key.public().kind();
    let signature = key.sign(scheme_of(kind), body, dice)?;
    let signature = match kind {
        KeyKind::Ec(curve) => ecdsa_to_der(curve, &signature)?,
        KeyKind::Rsa { .. } => signature,
    };
    let frame = |body| -> der::Result<Vec<u8>> {
        let body = AnyRef::from_der(body)?;
        Signed { body, algorithm: algorithm_of(kind), signature: BitString::from_bytes(&signature)? }.to_der()
    };
    frame(body).map_err(|_| CryptoError::BadInput)
}

/// Which scheme an AlgorithmIdentifier names for a key of `kind`, parameters checked.
fn scheme_named(algorithm: &AlgorithmIdentifierOwned, kind: KeyKind) -> Option<SignatureScheme> {
    match kind {
        KeyKind::Ec(curve) => {
            let named = algorithm.oid == ecdsa_oid(curve.hash()) && algorithm.parameters.is_none();
            named.then_some(SignatureScheme::Ecdsa(curve))
        }
        KeyKind::Rsa { .. } => {
            let hash = match algorithm.oid {
                RSA_WITH_SHA256 => HashAlgorithm::Sha256,
                RSA_WITH_SHA384 => HashAlgorithm::Sha384,
                RSA_WITH_SHA512 => HashAlgorithm::Sha512,
                _ => return None,
            };
            let plain = algorithm.parameters.as_ref().is_none_or(|parameters| *parameters == Any::null());
            plain.then_some(SignatureScheme::RsaPkcs1(hash))
        }
    }
}

impl Signed<'_> {
    /// Checks the signature over the body as received.
    pub(crate) fn verify(&self, provider: &dyn Provider, key: &PublicKey) -> Result<(), SignatureError> {
        let scheme = scheme_named(&self.algorithm, key.kind()).ok_or(SignatureError::Algorithm)?;
        let bytes = self.signature.as_bytes().ok_or(SignatureError::NotGenuine)?;
        let fixed = match scheme {
            SignatureScheme::Ecdsa(curve) => {
                ecdsa_from_der(curve, bytes).map_err(|_| SignatureError::NotGenuine)?
            }
            SignatureScheme::RsaPkcs1(_) => bytes.to_vec(),
        };
        // DER has one encoding per value, so writing the element again gives the bytes that were signed.
        let body = self.body.to_der().map_err(|_| SignatureError::NotGenuine)?;
        provider.verify(key, scheme, &body, &fixed).map_err(|_| SignatureError::NotGenuine)
    }
}
