//! The sending end of a direction.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use clock::Moment;
use crypto::{Provider, Secret};

use super::{COUNTER_END, General, PHASE_END, PhaseKeys, next_secret};

/// A phase is left after this time at the latest.
const PHASE_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Seals the messages of one direction; it alone decides when the next phase begins.
pub struct Sealer {
    provider: Arc<dyn Provider>,
    secret: Secret,
    keys: PhaseKeys,
    pub(super) phase: u8,
    pub(super) counter: u64,
    began: Moment,
}

impl core::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sealer")
            .field("phase", &self.phase)
            .field("counter", &self.counter)
            .finish_non_exhaustive()
    }
}

/// The last phase is used up: a device runs the profile anew, an access service closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

impl Sealer {
    pub(super) fn new(provider: Arc<dyn Provider>, secret: Secret, counter: u64, now: Moment) -> Self {
        let keys = PhaseKeys::new(provider.as_ref(), &secret);
        Self { provider, secret, keys, phase: 0, counter, began: now }
    }

    /// The payload of one PUBLISH to `topic`, its full name. A retransmission repeats these bytes.
    ///
    /// No two payloads have the same counter: it is spent also when nothing comes of it.
    ///
    /// # Errors
    /// [`Exhausted`] when no phase is left, or the message is longer than the cipher takes.
    pub fn seal(
        &mut self,
        topic: &[u8],
        general: General,
        application: &[u8],
        now: Moment,
    ) -> Result<Vec<u8>, Exhausted> {
        if self.counter >= COUNTER_END || now.since(self.began) >= PHASE_LIFE {
            self.go_on(now)?;
        }
        let counter = self.counter;
        self.counter += 1;
        self.keys.seal(self.phase, counter, topic, general.plaintext(application)).ok_or(Exhausted)
    }

    fn go_on(&mut self, now: Moment) -> Result<(), Exhausted> {
        let next = self.phase + 1;
        if next == PHASE_END {
            return Err(Exhausted);
        }
        self.secret = next_secret(self.provider.as_ref(), &self.secret);
        self.keys = PhaseKeys::new(self.provider.as_ref(), &self.secret);
        (self.phase, self.counter, self.began) = (next, 0, now);
        Ok(())
    }
}
