//! Key definitions: EC and RSA keys, and secrets derived from other keys.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crypto::{CryptoError, KeyKind, PrivateKey, Provider, PublicKey, Secret};
use model::KeyId;
use wire::{DecodeError, Reason};
use zeroize::Zeroizing;

use crate::cbor::{Reader, Writer};
use crate::derivation::{DERIVATION_COUNT_MAX, Derivation};
use crate::pkcs8_shape::is_pkcs8_of;

/// Content type of a key definition.
/// Source: aSSURE table 7.5.
const KEY_CONTENT: u8 = 1;
/// What stands for a private key that is there but not shown.
/// Source: aSSURE 10.1.5.
const PRESENT: &[u8] = b"PRESENT";

/// The format of a key.
/// Source: aSSURE table 7.6 with ruling A-ASSURE-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum KeyFormat {
    /// An elliptic-curve key.
    Ec = 0,
    /// An RSA key.
    Rsa = 1,
    /// A secret derived from other keys.
    Derived = 2,
}

/// A key and its id: `[1, 0|1, id, public, private]` or `[1, 2, id, derivation..]`.
///
/// Encoding is canonical, so what was decoded encodes to the same bytes.
/// Source: aSSURE 7.2; layouts 2.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyDefinition {
    /// An EC key.
    Ec(KeyPair),
    /// An RSA key.
    Rsa(KeyPair),
    /// A derived secret.
    Derived(DerivedKey),
}

/// The public part of an EC or RSA key and, on its way to a holder, the private part.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    id: KeyId,
    public: PublicKey,
    private_pkcs8: Option<Secret>,
}

/// A secret that its holders derive, each from a key it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivedKey {
    id: KeyId,
    derivations: Vec<Derivation>,
}

impl KeyPair {
    /// The id.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The public part.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Whether the private part is there.
    #[must_use]
    pub const fn has_private(&self) -> bool {
        self.private_pkcs8.is_some()
    }

    /// The private part ready for use; `None` when only the public part is here.
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] when it is malformed or belongs to another public key,
    /// [`CryptoError::Unsupported`] when the provider has no private keys of this kind.
    pub fn private_key(&self, provider: &dyn Provider) -> Result<Option<Arc<dyn PrivateKey>>, CryptoError> {
        let Some(pkcs8) = &self.private_pkcs8 else { return Ok(None) };
        let key = provider.import_key(pkcs8.expose())?;
        if *key.public() == self.public { Ok(Some(key)) } else { Err(CryptoError::BadInput) }
    }
}

impl core::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("KeyPair")
            .field("id", &self.id)
            .field("public", &self.public)
            .field("has_private", &self.has_private())
            .finish()
    }
}

impl DerivedKey {
    /// A derived key of 1 to 8 derivations; `None` for another count.
    /// Source: ruling A-ASSURE-08.
    #[must_use]
    pub fn new(id: KeyId, derivations: Vec<Derivation>) -> Option<Self> {
        (1..=DERIVATION_COUNT_MAX).contains(&derivations.len()).then_some(Self { id, derivations })
    }

    /// The id.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The ways to the secret, in order; 1 to 8.
    #[must_use]
    pub fn derivations(&self) -> &[Derivation] {
        &self.derivations
    }

    /// The same key with one more way at the end; `None` when there are 8 already.
    #[must_use]
    pub fn with(mut self, derivation: Derivation) -> Option<Self> {
        self.derivations.push(derivation);
        Self::new(self.id, self.derivations)
    }
}

impl KeyDefinition {
    /// The definition of a public key.
    #[must_use]
    pub fn public(id: KeyId, public: PublicKey) -> Self {
        Self::pair(KeyPair { id, public, private_pkcs8: None })
    }

    /// The definition of a key pair with its private part, which travels and rests only encrypted.
    ///
    /// # Errors
    /// [`CryptoError::Unsupported`] when the key may not leave its provider.
    pub fn private(id: KeyId, key: &dyn PrivateKey) -> Result<Self, CryptoError> {
        Ok(Self::pair(KeyPair { id, public: key.public().clone(), private_pkcs8: Some(key.pkcs8()?) }))
    }

    const fn pair(pair: KeyPair) -> Self {
        match pair.public.kind() {
            KeyKind::Ec(_) => Self::Ec(pair),
            KeyKind::Rsa { .. } => Self::Rsa(pair),
        }
    }

    /// The id of the key.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        match self {
            Self::Ec(pair) | Self::Rsa(pair) => pair.id,
            Self::Derived(derived) => derived.id,
        }
    }

    /// The format of the key.
    #[must_use]
    pub const fn format(&self) -> KeyFormat {
        match self {
            Self::Ec(_) => KeyFormat::Ec,
            Self::Rsa(_) => KeyFormat::Rsa,
            Self::Derived(_) => KeyFormat::Derived,
        }
    }

    /// The public key of an EC or RSA key.
    #[must_use]
    pub const fn public_key(&self) -> Option<&PublicKey> {
        match self {
            Self::Ec(pair) | Self::Rsa(pair) => Some(&pair.public),
            Self::Derived(_) => None,
        }
    }

    /// Whether a private part is there.
    #[must_use]
    pub const fn has_private(&self) -> bool {
        match self {
            Self::Ec(pair) | Self::Rsa(pair) => pair.has_private(),
            Self::Derived(_) => false,
        }
    }

    /// Reads one definition.
    ///
    /// Lengths inside derivations are free here and checked at use; that a point lies on its curve and
    /// that a private part belongs to the public one is for the provider to say.
    ///
    /// # Errors
    /// [`DecodeError`] at the offending item.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        let definition = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(definition)
    }

    /// Reads a definition that stands inside a larger item.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.position();
        let count = reader.array()?;
        reader.constant(KEY_CONTENT.into())?;
        let format_at = reader.position();
        let format = match reader.u8()? {
            0 => KeyFormat::Ec,
            1 => KeyFormat::Rsa,
            2 => KeyFormat::Derived,
            _ => return Err(DecodeError::new(format_at, Reason::OutOfRange)),
        };
        let id = KeyId(reader.bytes_of()?);
        if format == KeyFormat::Derived {
            let count_is_wrong = DecodeError::new(start, Reason::OverLimit);
            let count = count.checked_sub(3).filter(|count| *count <= DERIVATION_COUNT_MAX);
            let derivations = (0..count.ok_or(count_is_wrong)?)
                .map(|_| Derivation::read(reader))
                .collect::<Result<_, _>>()?;
            return DerivedKey::new(id, derivations).map(Self::Derived).ok_or(count_is_wrong);
        }
        if count != 5 {
            return Err(DecodeError::new(start, Reason::OutOfRange));
        }
        Self::read_pair(reader, format, id)
    }

    fn read_pair(reader: &mut Reader<'_>, format: KeyFormat, id: KeyId) -> Result<Self, DecodeError> {
        let public_at = reader.position();
        let refused = |at| DecodeError::new(at, Reason::OutOfRange);
        let public = PublicKey::from_spki(reader.bytes()?).map_err(|_| refused(public_at))?;
        let private_at = reader.position();
        let private = reader.bytes()?;
        if !private.is_empty() && !is_pkcs8_of(private, &public) {
            return Err(refused(private_at));
        }
        let private_pkcs8 = (!private.is_empty()).then(|| Secret::from(private));
        let definition = Self::pair(KeyPair { id, public, private_pkcs8 });
        if definition.format() == format { Ok(definition) } else { Err(refused(public_at)) }
    }

    /// The definition without a private part: what may be shown to anyone.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.write(&[])
    }

    /// The definition with its private part, where there is one.
    #[must_use]
    pub fn encode_private(&self) -> Zeroizing<Vec<u8>> {
        let private = match self {
            Self::Ec(pair) | Self::Rsa(pair) => pair.private_pkcs8.as_ref().map_or(&[][..], Secret::expose),
            Self::Derived(_) => &[],
        };
        Zeroizing::new(self.write(private))
    }

    /// The definition with `PRESENT` in place of a private part: what a device tells about its keys.
    /// Source: aSSURE 10.1.5 with ruling A-ASSURE-73.
    #[must_use]
    pub fn encode_masked(&self) -> Vec<u8> {
        self.write(if self.has_private() { PRESENT } else { &[] })
    }

    /// The definition of a key whose private part is held elsewhere, with `PRESENT` in its place.
    pub(crate) fn encode_present(&self) -> Vec<u8> {
        self.write(PRESENT)
    }

    fn write(&self, private: &[u8]) -> Vec<u8> {
        let mut out = Writer::new();
        match self {
            Self::Ec(pair) | Self::Rsa(pair) => {
                out.array(5).uint(KEY_CONTENT).uint(self.format() as u8).bytes(&pair.id.0);
                out.bytes(pair.public.spki()).bytes(private);
            }
            Self::Derived(derived) => {
                out.array(3 + derived.derivations.len()).uint(KEY_CONTENT);
                out.uint(self.format() as u8).bytes(&derived.id.0);
                derived.derivations.iter().for_each(|derivation| derivation.write(&mut out));
            }
        }
        out.finish()
    }
}
