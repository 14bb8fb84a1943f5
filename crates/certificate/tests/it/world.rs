//! A provider, dice, an authority: what every test starts from.

use std::sync::Arc;

use certificate::{Issuer, Lifetime, Profile, Serial};
use clock::{Dice, Timestamp};
use crypto::{Curve, KeyKind, PrivateKey, Provider};
use crypto_server::Server;

/// 2026-11-22 00:00:00 UTC.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_millis(1_795_305_600_000);

pub(crate) const P256: KeyKind = KeyKind::Ec(Curve::P256);

pub(crate) struct World {
    pub(crate) provider: Server,
    pub(crate) dice: Dice,
    pub(crate) issuer: Issuer,
}

impl World {
    pub(crate) fn new() -> Self {
        let provider = Server::new();
        let mut dice = Dice::numbered(1);
        let key = provider.generate_key(P256, &mut dice).unwrap();
        let lifetime = Lifetime { from: NOW, until: None };
        let issuer = Issuer::self_signed_ca(&provider, key, "Test root", lifetime, &mut dice).unwrap();
        Self { provider, dice, issuer }
    }

    pub(crate) fn key(&mut self, kind: KeyKind) -> Arc<dyn PrivateKey> {
        self.provider.generate_key(kind, &mut self.dice).unwrap()
    }

    /// A certificate for a new P-256 key, and its serial number.
    pub(crate) fn certificate(&mut self, profile: &Profile) -> (Vec<u8>, Serial) {
        let key = self.key(P256);
        let serial = Serial::random(&mut self.dice);
        let der = self.issuer.issue(&self.provider, key.public(), serial, profile, NOW, &mut self.dice);
        (der.unwrap(), serial)
    }
}

/// So many days after [`NOW`].
pub(crate) fn in_days(days: u64) -> Timestamp {
    Timestamp::from_unix_millis(NOW.as_unix_millis() + days * 86_400_000)
}
