//! Devices in the stores of an authority and a management system, brought there by the operations that bring
//! real ones there; for many, copies under other names.

pub(super) mod counting;
pub(super) mod crowd;
pub(super) mod device;
pub(super) mod keys;

use std::sync::Arc;

use clock::{Dice, Moment, Now, Timestamp};
use model::CorrelationId;
use store::{Operation, Table, run};

use super::child::internal;
use crate::failure::Outcome;

/// When it all happens.
const UNIX_MILLIS: u64 = 1_800_000_000_000;

/// The stores of the three servers that a claimed device has records in.
#[derive(Clone)]
pub(super) struct Stores {
    pub(super) registration: Arc<dyn Table>,
    pub(super) bootstrap: Arc<dyn Table>,
    pub(super) management: Arc<dyn Table>,
}

impl Stores {
    /// With the names that people know them by.
    pub(super) fn named(&self) -> [(&'static str, &Arc<dyn Table>); 3] {
        [
            ("registration", &self.registration),
            ("bootstrap", &self.bootstrap),
            ("management", &self.management),
        ]
    }
}

/// Now, in this world.
pub(super) fn now() -> Now {
    Now::new(Moment::START, Timestamp::from_unix_millis(UNIX_MILLIS))
}

/// Runs an operation to its commit.
pub(super) fn did<O: Operation>(table: &Arc<dyn Table>, operation: &O) -> Outcome<O::Reply> {
    run(&**table, operation, now())
        .map(|done| done.reply)
        .map_err(|error| internal("an operation", format!("{error:?}")))
}

/// Where a command comes from, with chance of its own.
fn origin_of(dice: &mut Dice, role: &'static str) -> authority::Origin {
    let correlation = CorrelationId(dice.bytes());
    authority::Origin { address: None, role, actor: "bench".into(), correlation, seed: dice.bytes() }
}
