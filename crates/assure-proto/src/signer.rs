//! The signing side.

use alloc::vec::Vec;

use clock::Dice;
use crypto::{CryptoError, Curve, HashAlgorithm, KeyKind, PrivateKey, Provider, Secret, SignatureScheme};
use model::KeyId;
use zeroize::Zeroizing;

use crate::cbor::Writer;
use crate::class::Class;
use crate::signature::{EMPTY_VALUE, SIGNATURE_CONTENT, SignatureFormat, Validity};

/// A key that signs, its id, and the class others know it by.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    key_id: KeyId,
    class: Class,
    key: SigningKey<'a>,
}

#[derive(Clone, Copy, Debug)]
enum SigningKey<'a> {
    Ec(&'a dyn PrivateKey, Curve),
    Rsa(&'a dyn PrivateKey, HashAlgorithm),
    Secret(&'a Secret, HashAlgorithm),
}

impl<'a> Signer<'a> {
    /// An EC or RSA key; RSA signs with SHA-256.
    #[must_use]
    pub fn with_private_key(key_id: KeyId, class: Class, key: &'a dyn PrivateKey) -> Self {
        let key = match key.public().kind() {
            KeyKind::Ec(curve) => SigningKey::Ec(key, curve),
            KeyKind::Rsa { .. } => SigningKey::Rsa(key, HashAlgorithm::Sha256),
        };
        Self { key_id, class, key }
    }

    /// A shared secret; signs with HMAC-SHA-256.
    #[must_use]
    pub const fn with_secret(key_id: KeyId, class: Class, secret: &'a Secret) -> Self {
        Self { key_id, class, key: SigningKey::Secret(secret, HashAlgorithm::Sha256) }
    }

    /// The same key with another hash; EC keys keep that of their curve.
    #[must_use]
    pub const fn hashing_with(self, hash: HashAlgorithm) -> Self {
        let key = match self.key {
            SigningKey::Ec(key, curve) => SigningKey::Ec(key, curve),
            SigningKey::Rsa(key, _) => SigningKey::Rsa(key, hash),
            SigningKey::Secret(secret, _) => SigningKey::Secret(secret, hash),
        };
        Self { key, ..self }
    }

    /// The id of the key.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The class of the key.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// The format of its signatures.
    #[must_use]
    pub const fn format(&self) -> SignatureFormat {
        match self.key {
            SigningKey::Ec(_, curve) => SignatureFormat::Ecdsa(curve),
            SigningKey::Rsa(_, hash) => SignatureFormat::Rsa(hash),
            SigningKey::Secret(_, hash) => SignatureFormat::Hmac(hash),
        }
    }

    /// Writes the array of `items` (encoded, `item_count` of them) and this key's signature as its last
    /// item. `prefix` is covered by the signature but not written.
    pub(crate) fn close(
        &self,
        provider: &dyn Provider,
        items: &[u8],
        item_count: usize,
        prefix: &[u8],
        validity: Validity,
        dice: &mut Dice,
    ) -> Result<Vec<u8>, CryptoError> {
        let format = self.format();
        let mut out = Writer::new();
        out.array(item_count + 1).raw(items);
        out.array(5 + format.value_count()).uint(SIGNATURE_CONTENT).uint(format.number());
        out.uint(validity.created_at.secs).uint(validity.valid_until.secs).bytes(&self.key_id.0);
        let array = Zeroizing::new(out.finish());
        let empty_values = &[EMPTY_VALUE; 2][..format.value_count()];
        let to_be_signed = Zeroizing::new([prefix, array.as_slice(), empty_values].concat());
        let value = self.sign(provider, &to_be_signed, dice)?;
        let mut out = Writer::new();
        out.raw(&array);
        let value_length = value.len() / format.value_count();
        value.chunks_exact(value_length).for_each(|value| {
            out.bytes(value);
        });
        Ok(out.finish())
    }

    fn sign(
        &self,
        provider: &dyn Provider,
        to_be_signed: &[u8],
        dice: &mut Dice,
    ) -> Result<Vec<u8>, CryptoError> {
        match self.key {
            SigningKey::Ec(key, curve) => key.sign(SignatureScheme::Ecdsa(curve), to_be_signed, dice),
            SigningKey::Rsa(key, hash) => key.sign(SignatureScheme::RsaPkcs1(hash), to_be_signed, dice),
            SigningKey::Secret(secret, hash) => {
                Ok(provider.hmac(hash, secret.expose(), &[to_be_signed]).as_ref().to_vec())
            }
        }
    }
}
