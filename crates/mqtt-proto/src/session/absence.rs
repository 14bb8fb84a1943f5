//! What a server keeps of a client that is not connected.

use alloc::collections::VecDeque;
use core::time::Duration;

use clock::Moment;

use super::{LastWill, Publication, SavedSession};

/// One effect of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AbsenceOutput {
    /// Publish this will.
    PublishWill(Publication),
    /// The session is over: forget its subscriptions and what waits for it. Nothing follows.
    SessionOver,
}

/// A session between two connections of its client, with its will.
///
/// The will is published when its delay is over or the session ends, whichever comes first, unless the client is
/// back by then. Source: MQTT 5.0 sections 3.1.2.5, 3.1.3.2.2 and 4.1; MQTT 3.1.1 section 3.1.2.5.
#[derive(Debug)]
pub struct Absence {
    session: Option<SavedSession>,
    will: Option<(Publication, Moment)>,
    /// `None`: the session has no end.
    ends: Option<Moment>,
    outputs: VecDeque<AbsenceOutput>,
}

impl Absence {
    /// Begins when a connection ends. `expiry_secs` is `u32::MAX` for a session without end.
    #[must_use]
    pub fn begin(session: SavedSession, expiry_secs: u32, will: Option<LastWill>, now: Moment) -> Self {
        let secs = |secs: u32| Duration::from_secs(u64::from(secs));
        let will = will.map(|will| (will.publication, now + secs(will.delay_secs)));
        let ends = (expiry_secs != u32::MAX).then(|| now + secs(expiry_secs));
        let mut absence = Self { session: Some(session), will, ends, outputs: VecDeque::new() };
        absence.expire(now);
        absence
    }

    /// Lets time pass.
    pub fn expire(&mut self, now: Moment) {
        let is_over = self.session.is_some() && self.ends.is_some_and(|ends| ends <= now);
        if is_over || self.will.as_ref().is_some_and(|(_, due)| *due <= now) {
            let will = self.will.take().map(|(will, _)| AbsenceOutput::PublishWill(will));
            self.outputs.extend(will);
        }
        if is_over {
            self.session = None;
            self.outputs.push_back(AbsenceOutput::SessionOver);
        }
    }

    /// When to call [`Absence::expire`] next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        let will = self.will.as_ref().map(|(_, due)| *due);
        let ends = self.ends.filter(|_| self.session.is_some());
        will.into_iter().chain(ends).min()
    }

    /// The next effect, if any.
    pub fn next_output(&mut self) -> Option<AbsenceOutput> {
        self.outputs.pop_front()
    }

    /// The stored session, while it lasts.
    #[must_use]
    pub const fn session(&self) -> Option<&SavedSession> {
        self.session.as_ref()
    }

    /// The stored session, to note what was stored after the connection had ended.
    #[must_use]
    pub const fn session_mut(&mut self) -> Option<&mut SavedSession> {
        self.session.as_mut()
    }

    /// When the session ends; `None` when it has no end, or is over.
    #[must_use]
    pub fn ends(&self) -> Option<Moment> {
        self.ends.filter(|_| self.session.is_some())
    }

    /// The will that waits, and when its delay is over.
    #[must_use]
    pub fn will(&self) -> Option<(&Publication, Moment)> {
        self.will.as_ref().map(|(will, due)| (will, *due))
    }

    /// Ends the absence: the client is back and goes on. A will that waits is not published.
    ///
    /// `None` when the session was over. Outputs that were not drained are lost: drain first.
    #[must_use]
    pub fn resume(self) -> Option<SavedSession> {
        self.session
    }

    /// Ends the session now: the client is back and starts anew, or an operator says so. A will that waits is
    /// published.
    pub fn discard(&mut self, now: Moment) {
        self.ends = Some(now);
        self.expire(now);
    }
}
