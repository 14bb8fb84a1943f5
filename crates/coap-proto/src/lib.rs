//! CoAP messages, exchanges, block-wise transfer and observation as a machine without I/O.
#![no_std]
extern crate alloc;
