//! The keys with which the registration server speaks for the authority.

use std::sync::Arc;

use assure_proto::{AuthenticatedKey, Class, Signer, SimpleTime, Validity};
use certificate::Issuer;
use clock::Timestamp;
use crypto::{PrivateKey, Provider};

/// An online key of class 1, signed by a factory root.
#[derive(Clone)]
pub struct OnlineKey {
    /// Signs.
    pub key: Arc<dyn PrivateKey>,
    /// Its authenticated key, which carries the generation.
    pub authenticated: AuthenticatedKey,
}

impl OnlineKey {
    /// The key as a signer of class 1.
    #[must_use]
    pub fn signer(&self) -> Signer<'_> {
        Signer::with_private_key(self.authenticated.id(), Class::TrustedAuthority, &*self.key)
    }
}

/// Everything the registration server signs with.
///
/// The signing secrets of shared-secret devices are not here: each stands in its device's record.
/// Source: decisions D-09, D-10, H7.
pub struct RegistrationKeys {
    /// Does the cryptography.
    pub provider: Arc<dyn Provider>,
    /// For EC devices and management systems.
    pub ec: OnlineKey,
    /// For RSA devices.
    pub rsa: OnlineKey,
    /// Issues certificates of management systems, makers and operators.
    pub issuer: Issuer,
}

impl RegistrationKeys {
    /// The generation of the online keys.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.ec.authenticated.metadata().generation.unwrap_or_default()
    }
}

impl std::fmt::Debug for RegistrationKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RegistrationKeys(..)")
    }
}

/// Signed now, valid without end: devices without a clock could not tell (aSSURE 6.1).
pub(crate) fn signed_at(now: Timestamp) -> Option<Validity> {
    now.as_assure_secs().map(|secs| Validity::since(SimpleTime { secs }))
}
