//! Integration tests of the aSSURE formats.

// Formats of keys and trust.
mod cbor;

// Formats around them.
