//! DTLS 1.2 handshake and records as a machine without I/O.
#![no_std]
extern crate alloc;
