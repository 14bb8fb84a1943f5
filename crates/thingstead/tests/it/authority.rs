//! `thingstead authority`: bad times of the real servers, and how the operator ends them.

mod generation;
mod recovery;
pub(super) mod stage;
