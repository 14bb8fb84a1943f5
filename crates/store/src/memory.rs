//! A table and journal in memory, for tests and for volatile state.

/// Records and journals that live as long as the value.
#[derive(Debug, Default)]
pub struct Memory {}
