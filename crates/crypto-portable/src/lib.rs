//! The provider for devices: RustCrypto alone, without an operating system.
#![no_std]
extern crate alloc;
