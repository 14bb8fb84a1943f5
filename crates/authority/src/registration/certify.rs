//! Certificates that the operator has issued: for makers, and for the operator's own client.

use std::sync::Arc;

use certificate::{Profile, Serial};
use clock::{Dice, Now, Timestamp};
use crypto::PublicKey;
use model::Uuid;
use store::{Batch, Decision, Operation, ReadSet, Snapshot};

use super::keys::RegistrationKeys;
use crate::{Origin, origin};

/// How long certificates of makers and operators are valid: five years.
const LIFETIME_MILLIS: u64 = 5 * 365 * 24 * 60 * 60 * 1000;

/// Whom the certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificand {
    /// A maker, under the id that its certificate carries and renewals keep.
    /// Source: decision G 21.
    Maker(Uuid),
    /// The operator of this server.
    /// Source: decision G 35.
    Operator,
}

/// Issues a certificate at the operator's word.
#[derive(Clone, Debug)]
pub struct Certify {
    /// Whom it is for.
    pub whom: Certificand,
    /// The key that the holder has proven.
    pub key: PublicKey,
    /// What the server signs with.
    pub keys: Arc<RegistrationKeys>,
    /// Where it came from.
    pub origin: Origin,
}

impl Certify {
    fn issue(&self, at: Timestamp) -> Option<Vec<u8>> {
        let mut dice = Dice::new(self.origin.seed);
        let until = Timestamp::from_unix_millis(at.as_unix_millis().saturating_add(LIFETIME_MILLIS));
        let profile = match self.whom {
            Certificand::Maker(maker) => Profile::Maker { maker, until },
            Certificand::Operator => Profile::Operator { until },
        };
        let serial = Serial::random(&mut dice);
        let keys = &*self.keys;
        keys.issuer.issue(&*keys.provider, &self.key, serial, &profile, at, &mut dice).ok()
    }
}

impl Operation for Certify {
    /// The certificate in DER; `None` when the server does not know the time or signing failed.
    type Reply = Option<Vec<u8>>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default()
    }

    fn decide(&self, _: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let mut batch = Batch::default();
        let reply = origin::utc(now).and_then(|at| {
            let certificate = self.issue(at)?;
            let verb = match self.whom {
                Certificand::Maker(_) => "maker.certify",
                Certificand::Operator => "operator.certify",
            };
            self.origin.audit(&mut batch, verb, None, "done", at);
            Some(certificate)
        });
        Decision::Done { batch, reply, effects: Vec::new() }
    }
}
