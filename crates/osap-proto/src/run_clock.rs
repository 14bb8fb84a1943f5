//! How long a run and its messages may take.
//!
//! Source: OSAP secure profile section 2.

use core::time::Duration;

use clock::Moment;

const FIRST_MESSAGE: Duration = Duration::from_secs(10);
const FURTHER_MESSAGE: Duration = Duration::from_secs(5);
const WHOLE_RUN: Duration = Duration::from_secs(30);

/// The two deadlines of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunClock {
    message: Option<Moment>,
    run: Moment,
}

impl RunClock {
    /// Of a load balancer: the first message may take 10 seconds from the accepted connection on.
    pub(crate) fn accepted(now: Moment) -> Self {
        Self { message: Some(now + FIRST_MESSAGE), run: now + WHOLE_RUN }
    }

    /// Of a device that sent its offer.
    pub(crate) fn offered(now: Moment) -> Self {
        Self { message: Some(now + FURTHER_MESSAGE), run: now + WHOLE_RUN }
    }

    /// The peer has the next word.
    pub(crate) fn await_message(&mut self, now: Moment) {
        self.message = Some(now + FURTHER_MESSAGE);
    }

    /// Our own side has the next word; only the run's time goes on.
    pub(crate) const fn await_ourselves(&mut self) {
        self.message = None;
    }

    pub(crate) fn deadline(&self) -> Moment {
        self.message.map_or(self.run, |message| message.min(self.run))
    }

    pub(crate) fn is_over(&self, now: Moment) -> bool {
        now >= self.deadline()
    }
}
