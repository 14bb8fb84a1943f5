//! Who did what: audit entries now, people and roles next.
#![no_std]
extern crate alloc;
