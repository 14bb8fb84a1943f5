//! aSSURE formats: keys, signatures, derivations, owner data, bootstrap images, labels, records.
#![no_std]
extern crate alloc;

// Formats of keys and trust.
pub mod cbor;

mod authenticated_key;
mod class;
mod derivation;
mod hint_chain;
mod key_definition;
mod owner_data;
mod pkcs8_shape;
mod root;
mod signature;
mod signer;

pub use authenticated_key::{AuthenticatedKey, IssueError, Metadata};
pub use class::Class;
pub use derivation::{
    DERIVATION_COUNT_MAX, DERIVED_LENGTHS, Derivation, DeriveError, HeldKey, HeldKeys, IssuerCheckError,
    ROUNDS_WRITTEN, RoundBudget, SALT_LENGTH,
};
pub use hint_chain::{CHAIN_COUNT_MAX, DerivationCache, derive_chain};
pub use key_definition::{DerivedKey, KeyDefinition, KeyFormat, KeyPair};
pub use owner_data::{OwnerBinding, OwnerData, definition_hash};
pub use root::{Root, RootKey, root_key_id};
pub use signature::{
    Signature, SignatureError, SignatureFormat, SignatureValue, TimeRefusal, Validity, VerifyingKey,
};
pub use signer::Signer;

// Formats around them.
pub mod cms;
mod payload;
mod time;

pub use payload::{MESSAGES_MAX, TooManyMessages, decode_payload, encode_payload};
pub use time::{PreciseTime, SimpleTime};
