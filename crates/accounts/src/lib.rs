//! Who did what: audit entries now, people and roles next.
#![no_std]
extern crate alloc;

mod audit;

pub use audit::{AuditEntry, BadEntry, TEXT_LENGTH_MAX};
