//! RSA key pairs, PKCS#1 v1.5 signatures and OAEP.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepAlgorithm,
    OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{
    KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding,
    RsaKeyPair, RsaParameters,
};
use clock::Dice;
use crypto::{CryptoError, HashAlgorithm, PrivateKey, PublicKey, Secret, SignatureScheme};
use zeroize::Zeroizing;

fn encoding(hash: HashAlgorithm) -> &'static dyn RsaEncoding {
    match hash {
        HashAlgorithm::Sha256 => &RSA_PKCS1_SHA256,
        HashAlgorithm::Sha384 => &RSA_PKCS1_SHA384,
        HashAlgorithm::Sha512 => &RSA_PKCS1_SHA512,
    }
}

const fn parameters(hash: HashAlgorithm) -> &'static RsaParameters {
    match hash {
        HashAlgorithm::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        HashAlgorithm::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        HashAlgorithm::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
    }
}

const fn oaep(hash: HashAlgorithm) -> &'static OaepAlgorithm {
    match hash {
        HashAlgorithm::Sha256 => &OAEP_SHA256_MGF1SHA256,
        HashAlgorithm::Sha384 => &OAEP_SHA384_MGF1SHA384,
        HashAlgorithm::Sha512 => &OAEP_SHA512_MGF1SHA512,
    }
}

/// An empty label and no label are the same (RFC 8017 section 7.1.1).
fn label_option(label: &[u8]) -> Option<&[u8]> {
    (!label.is_empty()).then_some(label)
}

pub(crate) fn parse(hash: HashAlgorithm, key: &PublicKey) -> Result<ParsedPublicKey, CryptoError> {
    let pkcs1 = key.rsa_pkcs1().ok_or(CryptoError::WrongKey)?;
    ParsedPublicKey::new(parameters(hash), pkcs1).map_err(|_| CryptoError::BadInput)
}

pub(crate) fn oaep_encrypt(
    key: &PublicKey,
    hash: HashAlgorithm,
    label: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    if key.rsa_pkcs1().is_none() {
        return Err(CryptoError::WrongKey);
    }
    let key = PublicEncryptingKey::from_der(key.spki()).map_err(|_| CryptoError::BadInput)?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| CryptoError::BadInput)?;
    let mut out = vec![0; key.ciphertext_size()];
    key.encrypt(oaep(hash), plaintext, &mut out, label_option(label)).map_err(|_| CryptoError::BadInput)?;
    Ok(out)
}

pub(crate) struct RsaKey {
    signing: RsaKeyPair,
    decrypting: OaepPrivateDecryptingKey,
    public: PublicKey,
}

impl RsaKey {
    pub(crate) fn generate(modulus_bits: u16) -> Result<Self, CryptoError> {
        let size = match modulus_bits {
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            4096 => KeySize::Rsa4096,
            _ => return Err(CryptoError::Unsupported),
        };
        let key = PrivateDecryptingKey::generate(size).map_err(|_| CryptoError::Unsupported)?;
        let pkcs8: Pkcs8V1Der<'_> = key.as_der().map_err(|_| CryptoError::Unsupported)?;
        Self::import(pkcs8.as_ref())
    }

    pub(crate) fn import(pkcs8: &[u8]) -> Result<Self, CryptoError> {
        let signing = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| CryptoError::BadInput)?;
        let spki: PublicKeyX509Der<'_> = signing.public_key().as_der().map_err(|_| CryptoError::BadInput)?;
        // Also refuses exponents other than 65537 and moduli beyond 4096 bits.
        let public = PublicKey::from_spki(spki.as_ref()).map_err(|_| CryptoError::BadInput)?;
        let decrypting = PrivateDecryptingKey::from_pkcs8(pkcs8).map_err(|_| CryptoError::BadInput)?;
        let decrypting = OaepPrivateDecryptingKey::new(decrypting).map_err(|_| CryptoError::BadInput)?;
        Ok(Self { signing, decrypting, public })
    }
}

impl PrivateKey for RsaKey {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn pkcs8(&self) -> Result<Secret, CryptoError> {
        let pkcs8: Pkcs8V1Der<'_> = self.signing.as_der().map_err(|_| CryptoError::Unsupported)?;
        Ok(Secret::from(pkcs8.as_ref()))
    }

    fn sign(
        &self,
        scheme: SignatureScheme,
        message: &[u8],
        _dice: &mut Dice,
    ) -> Result<Vec<u8>, CryptoError> {
        let SignatureScheme::RsaPkcs1(hash) = scheme else {
            return Err(CryptoError::WrongKey);
        };
        let mut signature = vec![0; self.signing.public_modulus_len()];
        self.signing
            .sign(encoding(hash), &SystemRandom::new(), message, &mut signature)
            .map_err(|_| CryptoError::BadInput)?;
        Ok(signature)
    }

    fn agree(&self, _: &PublicKey) -> Result<Secret, CryptoError> {
        Err(CryptoError::WrongKey)
    }

    fn oaep_decrypt(
        &self,
        hash: HashAlgorithm,
        label: &[u8],
        ciphertext: &[u8],
    ) -> Result<Secret, CryptoError> {
        let mut out = Zeroizing::new(vec![0; self.decrypting.key_size_bytes()]);
        let text = self
            .decrypting
            .decrypt(oaep(hash), ciphertext, &mut out, label_option(label))
            .map_err(|_| CryptoError::NotGenuine)?;
        Ok(Secret::from(&*text))
    }
}
