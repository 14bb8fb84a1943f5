//! The switch of type 1, the old protocol that protects nothing.

use admission::{Origin, SwitchCompat};
use net::executor::Executor;

use super::internal;
use crate::failure::Outcome;
use crate::serve::store_failed;

/// Notes in the audit log that the listener of type 1 was switched on or off since the last start.
///
/// Source: decisions D-14 and H13: who takes a risk is on record.
pub(super) async fn note_switch(is_on: bool, executor: &Executor) -> Outcome {
    let origin = Origin {
        role: "lbs",
        actor: "configuration".into(),
        address: None,
        correlation: executor.correlation(),
        seed: executor.bytes(),
    };
    let noted = executor.run(SwitchCompat { is_on, origin }).await.map_err(store_failed)?;
    noted.map(|_| ()).map_err(|error| internal("the switch of type 1", error))
}
