//! The receiving end of a direction.

use alloc::sync::Arc;
use core::time::Duration;

use clock::Moment;
use crypto::{Provider, Secret};

use super::window::Window;
use super::{COUNTER_END, FORM, General, HEAD_SIZE, PHASE_END, PhaseKeys, SIZE_MIN, next_secret, split};

/// How long the phase before is still opened.
const OVERLAP: Duration = Duration::from_secs(60);
/// So many bad envelopes close a connection.
const BAD_COUNT_MAX: u8 = 3;

/// A message that is to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its general part.
    pub general: General,
    plain: Secret,
    /// Where the application's part begins.
    start: usize,
}

impl Opened {
    /// The application's part.
    #[must_use]
    pub fn application(&self) -> &[u8] {
        &self.plain.expose()[self.start..]
    }
}

/// What becomes of an envelope that is not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unopened {
    /// Seen before, or too late: acknowledge as MQTT asks, and count.
    Old,
    /// Not genuine or not readable: do not acknowledge, and count.
    Bad,
    /// The third bad one: close the connection (MQTT 5.0: reason 81).
    Closed,
}

struct Before {
    keys: PhaseKeys,
    window: Window,
    until: Moment,
}

/// Opens the messages of one direction.
pub struct Opener {
    provider: Arc<dyn Provider>,
    phase: u8,
    secret: Secret,
    keys: PhaseKeys,
    window: Window,
    before: Option<Before>,
    bad_count: u8,
}

impl core::fmt::Debug for Opener {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Opener").field("phase", &self.phase).finish_non_exhaustive()
    }
}

impl Opener {
    /// The end of a direction whose phase 0 has this secret, and whose counter `seen` was taken already.
    pub(super) fn new(provider: Arc<dyn Provider>, secret: Secret, seen: Option<u64>) -> Self {
        let keys = PhaseKeys::new(provider.as_ref(), &secret);
        Self { provider, phase: 0, secret, keys, window: Window::new(seen), before: None, bad_count: 0 }
    }

    /// Opens the payload of a PUBLISH to `topic`, its full name.
    ///
    /// # Errors
    /// See [`Unopened`].
    pub fn receive(&mut self, topic: &[u8], payload: &[u8], now: Moment) -> Result<Opened, Unopened> {
        self.expire(now);
        let judged = if self.bad_count < BAD_COUNT_MAX {
            self.judge(topic, payload, now)
        } else {
            Err(Unopened::Closed)
        };
        if judged == Err(Unopened::Bad) {
            self.bad_count += 1;
            if self.bad_count == BAD_COUNT_MAX {
                return Err(Unopened::Closed);
            }
        }
        judged
    }

    /// Forgets the keys of the phase before when their time is over.
    pub fn expire(&mut self, now: Moment) {
        if self.before.as_ref().is_some_and(|before| now > before.until) {
            self.before = None;
        }
    }

    /// The last moment at which the phase before is opened: [`Self::expire`] is due after it.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        self.before.as_ref().map(|before| before.until)
    }

    fn judge(&mut self, topic: &[u8], payload: &[u8], now: Moment) -> Result<Opened, Unopened> {
        if payload.len() < SIZE_MIN || payload[0] != FORM {
            return Err(Unopened::Bad);
        }
        let (phase, counter) = (payload[1], counter_of(payload));
        if counter >= COUNTER_END || phase == PHASE_END {
            return Err(Unopened::Bad);
        }
        let plain = if phase == self.phase {
            take(&self.keys, &mut self.window, counter, topic, payload)?
        } else if phase == self.phase + 1 {
            self.open_next(counter, topic, payload, now)?
        } else if phase + 1 == self.phase {
            let before = self.before.as_mut().ok_or(Unopened::Old)?;
            take(&before.keys, &mut before.window, counter, topic, payload)?
        } else {
            return Err(Unopened::Bad);
        };
        let (general, application) = split(plain.expose()).ok_or(Unopened::Bad)?;
        let start = plain.len() - application.len();
        Ok(Opened { general, plain, start })
    }

    /// Opens what says to be of the next phase; only when it opens has that phase begun.
    fn open_next(
        &mut self,
        counter: u64,
        topic: &[u8],
        payload: &[u8],
        now: Moment,
    ) -> Result<Secret, Unopened> {
        let secret = next_secret(self.provider.as_ref(), &self.secret);
        let keys = PhaseKeys::new(self.provider.as_ref(), &secret);
        let mut window = Window::new(None);
        let plain = take(&keys, &mut window, counter, topic, payload)?;
        self.before = Some(Before {
            keys: core::mem::replace(&mut self.keys, keys),
            window: core::mem::replace(&mut self.window, window),
            until: now + OVERLAP,
        });
        (self.phase, self.secret) = (self.phase + 1, secret);
        Ok(plain)
    }
}

/// Old before bad: what the window does not take is not looked at.
fn take(
    keys: &PhaseKeys,
    window: &mut Window,
    counter: u64,
    topic: &[u8],
    payload: &[u8],
) -> Result<Secret, Unopened> {
    if !window.takes(counter) {
        return Err(Unopened::Old);
    }
    let plain = keys.open(counter, topic, payload).ok_or(Unopened::Bad)?;
    window.mark(counter);
    Ok(plain)
}

fn counter_of(payload: &[u8]) -> u64 {
    payload[2..HEAD_SIZE].iter().fold(0, |counter, &byte| counter << 8 | u64::from(byte))
}
