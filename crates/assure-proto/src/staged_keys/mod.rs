//! Whether a device takes an image: every check up to the point where the first commit may be made.
//!
//! Order: form, header hygiene, the server of this session, the keys one by one into an empty staged
//! store, owner data, the signature over the image, what the device remembers, and only then decryption.
//! The live store takes no part: whatever an earlier owner planted there cannot decide.
//! Source: aSSURE 7.4, 15.3 to 15.5; TS-C1, TS-C2, TS-H1, TS-H2, TS-H4, TS-H5, TS-H7, TS-M1, TS-M13, TS-M15.

mod record;
mod refusal;
mod validate;

pub use record::{Advance, OwnershipRecord, SEQUENCE_STEP_MAX};
pub use refusal::ImageRefusal;
pub use validate::{
    AcceptedImage, BootstrapSession, Circumstances, FUTURE_SECS_MAX, GardenSwitch, OwnDevice,
    STAGED_KEY_COUNT_MAX, validate_image,
};
