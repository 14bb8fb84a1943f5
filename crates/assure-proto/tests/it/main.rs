//! Integration tests of the aSSURE formats.
#![expect(clippy::unwrap_used, reason = "a failing unwrap fails the test at the line that says why")]

// Formats of keys and trust.
mod attacks;
mod authenticated_key;
mod cbor;
mod derivation;
mod image;
mod key_definition;
mod key_store;
mod owner_data;
mod root;
mod signature;
mod staged_keys;
mod vectors;
mod world;

// Formats around them.
mod channel;
mod cms;
mod cms_peers;
mod counting;
mod gap;
mod hint;
mod label;
mod parameter_set;
mod payload;
mod peer;
mod record;
mod reject;
mod time;
