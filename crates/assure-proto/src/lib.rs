//! aSSURE formats: keys, signatures, derivations, owner data, bootstrap images, labels, records.
#![no_std]
extern crate alloc;

// Formats of keys and trust.
pub mod cbor;

// Formats around them.
