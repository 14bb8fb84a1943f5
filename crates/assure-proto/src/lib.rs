//! aSSURE formats: keys, signatures, derivations, owner data, bootstrap images, labels, records.
#![no_std]
extern crate alloc;

// Formats of keys and trust.
pub mod cbor;

mod authenticated_key;
mod class;
mod derivation;
mod hint_chain;
mod image;
mod key_definition;
mod key_store;
mod owner_data;
mod pkcs8_shape;
mod root;
mod signature;
mod signer;
mod staged_keys;
mod stored_key;
mod time_trust;

pub use authenticated_key::{AuthenticatedKey, IssueError, Metadata};
pub use class::Class;
pub use derivation::{
    DERIVATION_COUNT_MAX, DERIVED_LENGTHS, Derivation, DeriveError, HeldKey, HeldKeys, IssuerCheckError,
    ROUNDS_WRITTEN, RoundBudget, SALT_LENGTH,
};
pub use hint_chain::{CHAIN_COUNT_MAX, DerivationCache, derive_chain};
pub use image::{
    BootstrapImage, BuildError, IMAGE_KEY_COUNT_MAX, IMAGE_LENGTH_MAX, ImageContents, PayloadKey,
    build_image, next_created_at,
};
pub use key_definition::{DerivedKey, KeyDefinition, KeyFormat, KeyPair};
pub use key_store::{Anchors, KeyRefusal, KeyStore, Put, SIGNATURE_CHAIN_MAX};
pub use owner_data::{OwnerBinding, OwnerData, definition_hash};
pub use root::{Root, RootKey, root_key_id};
pub use signature::{
    Signature, SignatureError, SignatureFormat, SignatureValue, TimeRefusal, Validity, VerifyingKey,
};
pub use signer::Signer;
pub use staged_keys::{
    AcceptedImage, Advance, BootstrapSession, Circumstances, FUTURE_SECS_MAX, GardenSwitch, ImageRefusal,
    OwnDevice, OwnershipRecord, SEQUENCE_STEP_MAX, STAGED_KEY_COUNT_MAX, validate_image,
};
pub use stored_key::StoredKey;
pub use time_trust::{TimeSource, TimeTrust};

// Formats around them.
pub mod cms;
pub mod ecies;

mod address;
mod channel;
mod gap_body;
mod gap_content;
mod gap_file;
mod info;
mod label;
mod maker_record;
mod parameter_set;
mod payload;
mod peer_name;
mod psk_hint;
mod secret_payload;
mod time;
mod trust_bundle;

pub use address::{Address, BACNET_ADDRESS_LENGTH_MAX, BOOTSTRAP_SUFFIX, BootstrapServerId};
pub use channel::{
    CHANNEL_FLAGS_MAX, CHANNEL_LIST_MAX, ChannelDefinition, ChannelId, ChannelState, ChannelStatus,
    Privileges, decode_channel_list, encode_channel_list,
};
pub use gap_content::{
    AuthoritySecrets, BootstrapKey, DeviceTrust, EnrolRequest, GAP_DEVICES_MAX, GAP_KEYS_MAX, GapContent,
    GapKind, GapRole, IssuedSecret, OWNER_SECRETS_ISSUED, OwnerSecret, REFILL_MAX, RegistrationKeys,
    RejectReason, TrustSecrets,
};
pub use gap_file::{
    GAP_FILE_LENGTH_MAX, GapError, GapFile, GapHeader, GapSender, GapSequence, GapTurn,
    enrolment_fingerprint, seal_gap_file, write_enrolment,
};
pub use info::{DeviceInfo, GoodbyeReason, INFO_TEXT_LENGTH_MAX};
pub use label::{CASE_INPUT_LENGTH_MAX, CASE_STRING_LENGTH, CaseHash, CaseId, LABEL_LENGTH, Label};
pub use maker_record::{MakerRecord, RECORD_LENGTH_MAX, RecordError};
pub use parameter_set::{
    CHOICES_MAX, PARAMETER_SET_LENGTH_MAX, ParameterChoice, ParameterMessage, ParameterMethod, ParameterSet,
    PayloadForm,
};
pub use payload::{MESSAGES_MAX, TooManyMessages, decode_payload, encode_payload};
pub use peer_name::{PEER_NAME_EXTENSION, PEER_NAME_LENGTH, decode_peer_name, encode_peer_name};
pub use psk_hint::{HINT_LENGTH_MAX, PSK_IDENTITY_LENGTH, PskHint, decode_psk_identity, encode_psk_identity};
pub use secret_payload::{
    CipherSuite, PAYLOAD_ROUNDS, PAYLOAD_ROUNDS_MAX, PayloadRefusal, SecretPayload, seal_secret_payload,
};
pub use time::{PreciseTime, SimpleTime};
pub use trust_bundle::{TRUST_BUNDLE_LENGTH_MAX, TrustBundle, TrustBundleError, key_fingerprint};
