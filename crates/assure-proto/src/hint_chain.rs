//! The chain of definitions that a bootstrap server hints at, followed to its end.

use alloc::vec::Vec;

use crypto::{HashAlgorithm, Provider, Secret};
use model::KeyId;

use crate::derivation::{DeriveError, HeldKey, HeldKeys, RoundBudget};
use crate::key_definition::KeyDefinition;

/// Keys in one chain.
/// Source: ruling A-ASSURE-54.
pub const CHAIN_COUNT_MAX: usize = 8;

/// Secrets of definitions computed before, so that a repeated hint costs nothing.
///
/// Holds at most 8 entries; the oldest is dropped first. Belongs to one device key.
/// Source: TS-M3.
#[derive(Debug, Default)]
pub struct DerivationCache {
    secrets: Vec<([u8; 32], Secret)>,
}

const CACHE_COUNT_MAX: usize = 8;

impl DerivationCache {
    /// An empty cache.
    #[must_use]
    pub const fn new() -> Self {
        Self { secrets: Vec::new() }
    }

    /// Forgets everything: after a change of owner, and when memory is short.
    pub fn clear(&mut self) {
        self.secrets.clear();
    }

    fn find(&self, hash: &[u8; 32]) -> Option<&Secret> {
        self.secrets.iter().find(|(known, _)| known == hash).map(|(_, secret)| secret)
    }

    fn keep(&mut self, hash: [u8; 32], secret: Secret) {
        if self.secrets.len() == CACHE_COUNT_MAX {
            self.secrets.remove(0);
        }
        self.secrets.push((hash, secret));
    }
}

/// The secret at the end of a hinted chain: the first item rests on the device key, each further one on
/// the item before it.
///
/// For the bootstrap session only; on every other channel a hint names a key and nothing is derived
/// from it.
///
/// # Errors
/// [`DeriveError`]; the budget counts what was spent before.
/// Source: aSSURE 15.3; TS-C1, TS-M3.
pub fn derive_chain(
    provider: &dyn Provider,
    device: &dyn HeldKeys,
    device_key: KeyId,
    chain: &[KeyDefinition],
    budget: &mut RoundBudget,
    cache: &mut DerivationCache,
) -> Result<Secret, DeriveError> {
    if chain.len() > CHAIN_COUNT_MAX {
        return Err(DeriveError::TooManyRounds);
    }
    let mut last: Option<(KeyId, Secret)> = None;
    let mut path = [0; 32];
    for definition in chain {
        let KeyDefinition::Derived(derived) = definition else { return Err(DeriveError::NotInOrder) };
        // the path hash covers all items so far: an equal definition behind another parent is another key
        path = provider.digest(HashAlgorithm::Sha256, &[&path, &definition.encode()]).first_32();
        let secret = match (cache.find(&path), &last) {
            (Some(secret), _) => secret.clone(),
            (None, None) => derived
                .derive(provider, &OneReference { reference: device_key, held: device }, budget)
                .map_err(in_order)?,
            (None, Some((id, secret))) => derived
                .derive(provider, &Parent { id: *id, secret, held: device }, budget)
                .map_err(in_order)?,
        };
        if cache.find(&path).is_none() {
            cache.keep(path, secret.clone());
        }
        last = Some((derived.id(), secret));
    }
    last.map(|(_, secret)| secret).ok_or(DeriveError::NotInOrder)
}

const fn in_order(error: DeriveError) -> DeriveError {
    match error {
        DeriveError::ReferenceUnknown => DeriveError::NotInOrder,
        other => other,
    }
}

struct OneReference<'a> {
    reference: KeyId,
    held: &'a dyn HeldKeys,
}

impl HeldKeys for OneReference<'_> {
    fn held_key(&self, id: KeyId) -> Option<HeldKey<'_>> {
        if id == self.reference { self.held.held_key(id) } else { None }
    }

    fn is_root_secret(&self, secret: &Secret) -> bool {
        self.held.is_root_secret(secret)
    }
}

struct Parent<'a> {
    id: KeyId,
    secret: &'a Secret,
    held: &'a dyn HeldKeys,
}

impl HeldKeys for Parent<'_> {
    fn held_key(&self, id: KeyId) -> Option<HeldKey<'_>> {
        (id == self.id).then_some(HeldKey::Secret(self.secret))
    }

    fn is_root_secret(&self, secret: &Secret) -> bool {
        self.held.is_root_secret(secret)
    }
}
