//! The Trusted Authority: maker, owner and bootstrap rules, and the ownership state machine.

pub mod registration;
