//! Ways from a key that a party holds to a derived secret, and their use.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use clock::Dice;
use crypto::{CryptoError, PrivateKey, Provider, PublicKey, Secret};
use model::KeyId;
use wire::DecodeError;
use zeroize::Zeroize;

use crate::cbor::{Reader, Writer};
use crate::cms;
use crate::key_definition::DerivedKey;

/// Ways to one secret.
/// Source: ruling A-ASSURE-08.
pub const DERIVATION_COUNT_MAX: usize = 8;
/// The only salt length at use; that of a root secret is another, which keeps the two apart.
/// Source: TS-M2.
pub const SALT_LENGTH: usize = 16;
/// Shortest and longest derived secret in bytes. The upper end keeps HMAC and PBKDF2 uses of one secret
/// disjoint.
/// Source: rulings A-ASSURE-09, TS-M2, TS-L11.
pub const DERIVED_LENGTHS: core::ops::RangeInclusive<usize> = 16..=64;
/// Rounds that writers use.
/// Source: ruling A-ASSURE-06.
pub const ROUNDS_WRITTEN: NonZeroU32 = NonZeroU32::new(1000).expect("1000 is not zero");

/// One way to a secret: `[reference id, salt, rounds, encrypted secret]`.
///
/// A shared-secret reference uses PBKDF2-HMAC-SHA-256 and XOR; for an EC or RSA reference the encrypted
/// secret is a CMS message and salt and rounds mean nothing.
/// Source: aSSURE 7.2; layouts 2.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// The key that the holder needs.
    pub reference: KeyId,
    /// Salt; any length decodes, 16 bytes are required at use.
    pub salt: Vec<u8>,
    /// PBKDF2 rounds.
    pub rounds: u32,
    /// XOR pad output, or a CMS message.
    pub encrypted_secret: Vec<u8>,
}

/// A key that a party can derive with.
#[derive(Clone, Copy, Debug)]
pub enum HeldKey<'a> {
    /// A shared secret.
    Secret(&'a Secret),
    /// An EC or RSA private key.
    Private(&'a dyn PrivateKey),
}

/// The keys a party holds.
pub trait HeldKeys {
    /// The key with this id, when it is held and may be a reference; roots are none.
    fn held_key(&self, id: KeyId) -> Option<HeldKey<'_>>;

    /// Whether `secret` is that of a root, which no derivation may yield.
    /// Source: TS-M2.
    fn is_root_secret(&self, secret: &Secret) -> bool;
}

/// PBKDF2 rounds that may still be spent on a peer's word.
///
/// Source: TS-M3, decision G 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundBudget {
    left: u32,
    spent: u32,
}

impl RoundBudget {
    /// All keys of one handshake: 20,000 rounds.
    #[must_use]
    pub const fn handshake() -> Self {
        Self { left: 20_000, spent: 0 }
    }

    /// One key whose signature was checked: 100,000 rounds.
    #[must_use]
    pub const fn signed_key() -> Self {
        Self { left: 100_000, spent: 0 }
    }

    /// Rounds spent so far.
    #[must_use]
    pub const fn spent(&self) -> u32 {
        self.spent
    }

    fn spend(&mut self, rounds: NonZeroU32) -> Result<(), DeriveError> {
        self.left = self.left.checked_sub(rounds.get()).ok_or(DeriveError::TooManyRounds)?;
        self.spent += rounds.get();
        Ok(())
    }
}

/// Why a secret was not derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeriveError {
    /// None of the reference keys is held.
    ReferenceUnknown,
    /// The salt has not 16 bytes.
    SaltLength,
    /// The secret would have less than 16 or more than 64 bytes.
    SecretLength,
    /// No rounds at all.
    NoRounds,
    /// More rounds than the budget has left.
    TooManyRounds,
    /// The CMS message does not open with the reference key.
    NotOpened,
    /// The outcome is the secret of a root.
    IsRoot,
    /// An item of a chain does not rest on the device key or on the item before it.
    NotInOrder,
}

impl core::fmt::Display for DeriveError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::ReferenceUnknown => "no reference key is held",
            Self::SaltLength => "the salt has not 16 bytes",
            Self::SecretLength => "the secret has not 16 to 64 bytes",
            Self::NoRounds => "zero rounds",
            Self::TooManyRounds => "too many rounds",
            Self::NotOpened => "the encrypted secret does not open",
            Self::IsRoot => "the outcome is a root secret",
            Self::NotInOrder => "the chain is not in order",
        })
    }
}

impl core::error::Error for DeriveError {}

impl Derivation {
    /// A way from a shared secret, with a fresh salt; `None` when `secret` has not 16 to 64 bytes.
    #[must_use]
    pub fn from_secret(
        provider: &dyn Provider,
        reference: KeyId,
        reference_secret: &Secret,
        secret: &Secret,
        dice: &mut Dice,
    ) -> Option<Self> {
        if !DERIVED_LENGTHS.contains(&secret.len()) {
            return None;
        }
        let salt = dice.bytes::<SALT_LENGTH>();
        let encrypted_secret = apply_pad(provider, reference_secret, &salt, ROUNDS_WRITTEN, secret.expose());
        Some(Self { reference, salt: salt.to_vec(), rounds: ROUNDS_WRITTEN.get(), encrypted_secret })
    }

    /// A way for the holder of an EC or RSA private key; salt empty and rounds zero.
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] when `secret` has not 16 to 64 bytes or the key is no usable one.
    pub fn for_public_key(
        provider: &dyn Provider,
        reference: KeyId,
        key: &PublicKey,
        secret: &Secret,
        dice: &mut Dice,
    ) -> Result<Self, CryptoError> {
        if !DERIVED_LENGTHS.contains(&secret.len()) {
            return Err(CryptoError::BadInput);
        }
        let encrypted_secret = cms::seal(provider, key, &reference, None, secret.expose(), dice)?;
        Ok(Self { reference, salt: Vec::new(), rounds: 0, encrypted_secret })
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array_of(4)?;
        Ok(Self {
            reference: KeyId(reader.bytes_of()?),
            salt: reader.bytes()?.to_vec(),
            rounds: reader.u32()?,
            encrypted_secret: reader.bytes()?.to_vec(),
        })
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.array(4)
            .bytes(&self.reference.0)
            .bytes(&self.salt)
            .uint(self.rounds)
            .bytes(&self.encrypted_secret);
    }

    fn evaluate(
        &self,
        provider: &dyn Provider,
        reference: HeldKey<'_>,
        budget: &mut RoundBudget,
    ) -> Result<Secret, DeriveError> {
        match reference {
            HeldKey::Secret(reference) => self.evaluate_secret(provider, reference, budget),
            HeldKey::Private(key) => {
                let secret = cms::open(provider, key, None, &self.encrypted_secret)
                    .map_err(|_| DeriveError::NotOpened)?;
                let fits = DERIVED_LENGTHS.contains(&secret.len());
                if fits { Ok(secret) } else { Err(DeriveError::SecretLength) }
            }
        }
    }

    /// All checks come before the first round.
    fn evaluate_secret(
        &self,
        provider: &dyn Provider,
        reference: &Secret,
        budget: &mut RoundBudget,
    ) -> Result<Secret, DeriveError> {
        if self.salt.len() != SALT_LENGTH {
            return Err(DeriveError::SaltLength);
        }
        if !DERIVED_LENGTHS.contains(&self.encrypted_secret.len()) {
            return Err(DeriveError::SecretLength);
        }
        let rounds = NonZeroU32::new(self.rounds).ok_or(DeriveError::NoRounds)?;
        budget.spend(rounds)?;
        Ok(Secret::new(apply_pad(provider, reference, &self.salt, rounds, &self.encrypted_secret)))
    }
}

impl DerivedKey {
    /// The secret, by the first way whose reference is held.
    ///
    /// # Errors
    /// [`DeriveError`]; nothing is computed when the first usable way breaks a rule.
    /// Source: decisions G 6, G 7; TS-M2, TS-M3.
    pub fn derive(
        &self,
        provider: &dyn Provider,
        held: &dyn HeldKeys,
        budget: &mut RoundBudget,
    ) -> Result<Secret, DeriveError> {
        let mut ways = self.derivations().iter();
        let usable = ways.find_map(|way| held.held_key(way.reference).map(|key| (way, key)));
        let (way, key) = usable.ok_or(DeriveError::ReferenceUnknown)?;
        let secret = way.evaluate(provider, key, budget)?;
        if held.is_root_secret(&secret) { Err(DeriveError::IsRoot) } else { Ok(secret) }
    }

    /// What an issuer does before it signs a key that others made ways for: every way is tried.
    ///
    /// # Errors
    /// [`IssuerCheckError::Derive`] when a way breaks a rule or its reference is not held,
    /// [`IssuerCheckError::Differ`] when two ways lead to different secrets.
    pub fn check_all(
        &self,
        provider: &dyn Provider,
        held: &dyn HeldKeys,
    ) -> Result<Secret, IssuerCheckError> {
        let mut found: Option<Secret> = None;
        let mut budget = RoundBudget::signed_key();
        for way in self.derivations() {
            let key = held.held_key(way.reference);
            let key = key.ok_or(IssuerCheckError::Derive(DeriveError::ReferenceUnknown))?;
            let secret = way.evaluate(provider, key, &mut budget).map_err(IssuerCheckError::Derive)?;
            if held.is_root_secret(&secret) {
                return Err(IssuerCheckError::Derive(DeriveError::IsRoot));
            }
            if found.as_ref().is_some_and(|first| *first != secret) {
                return Err(IssuerCheckError::Differ);
            }
            found = Some(secret);
        }
        found.ok_or(IssuerCheckError::Derive(DeriveError::ReferenceUnknown))
    }
}

/// Why an issuer does not sign a derived key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerCheckError {
    /// One way cannot be followed.
    Derive(DeriveError),
    /// Two ways lead to different secrets.
    Differ,
}

/// `input` XOR the PBKDF2 output of the same length; the pad is wiped.
fn apply_pad(
    provider: &dyn Provider,
    reference: &Secret,
    salt: &[u8],
    rounds: NonZeroU32,
    input: &[u8],
) -> Vec<u8> {
    let mut pad = alloc::vec![0; input.len()];
    provider.pbkdf2_sha256(reference.expose(), salt, rounds, &mut pad);
    let out = pad.iter().zip(input).map(|(pad, input)| pad ^ input).collect();
    pad.zeroize();
    out
}
