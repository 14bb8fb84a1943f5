//! Integration tests of the aSSURE formats.
#![expect(clippy::unwrap_used, reason = "a failing unwrap fails the test at the line that says why")]

// Formats of keys and trust.
mod attacks;
mod authenticated_key;
mod cbor;
mod derivation;
mod image;
mod key_definition;
mod owner_data;
mod root;
mod signature;
mod staged_keys;
mod vectors;
mod world;

// Formats around them.
