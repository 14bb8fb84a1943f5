//! The bootstrap image: what an owner's management system tells a device, in one signed array.
//!
//! `[authenticated key.., owner data, decryption key id, encrypted payload, signature]`.
//! Source: aSSURE 15.5; layouts 2.7.

mod build;
mod parse;

pub use build::{BuildError, ImageContents, PayloadKey, build_image, next_created_at};
pub use parse::{BootstrapImage, IMAGE_KEY_COUNT_MAX, IMAGE_LENGTH_MAX};
