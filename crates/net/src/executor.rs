//! Runs domain operations on a blocking back end without holding up the sockets.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use clock::{Dice, Now};
use model::CorrelationId;
use store::{Committed, Operation, RunError, Table, run};

use crate::now::Clock;

/// One role's store, clock and dice: what an operation needs to run, and nothing it decides.
#[derive(Clone)]
pub struct Executor {
    table: Arc<dyn Table>,
    clock: Clock,
    dice: Arc<Mutex<Dice>>,
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Executor(..)")
    }
}

impl Executor {
    /// An executor over `table`.
    #[must_use]
    pub fn new(table: Arc<dyn Table>, clock: Clock, dice: Dice) -> Self {
        Self { table, clock, dice: Arc::new(Mutex::new(dice)) }
    }

    /// Both scales now.
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// `N` fresh random bytes: a seed, an id, a correlation.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).bytes()
    }

    /// A name for one input.
    #[must_use]
    pub fn correlation(&self) -> CorrelationId {
        CorrelationId(self.bytes())
    }

    /// Runs `operation` to its commit on a thread that may block, and gives its reply.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn run<O>(&self, operation: O) -> Result<O::Reply, RunError>
    where
        O: Operation + Send + 'static,
        O::Reply: Send + 'static,
        O::Effect: Send + 'static,
    {
        Ok(self.commit(operation).await?.reply)
    }

    /// Runs `operation` to its commit on a thread that may block, and gives its reply with what is to leave now.
    ///
    /// # Errors
    /// See [`RunError`]; a panic inside the operation counts as an unknown outcome.
    pub async fn commit<O>(&self, operation: O) -> Result<Committed<O::Reply, O::Effect>, RunError>
    where
        O: Operation + Send + 'static,
        O::Reply: Send + 'static,
        O::Effect: Send + 'static,
    {
        let (table, now) = (Arc::clone(&self.table), self.clock.now());
        let ran = tokio::task::spawn_blocking(move || run(&*table, &operation, now));
        match ran.await {
            Ok(outcome) => outcome,
            Err(_) => Err(RunError::OutcomeUnknown(store::Fault { detail: "the operation panicked".into() })),
        }
    }
}
