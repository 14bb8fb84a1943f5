//! The bootstrap API: each device gets the image that its owner left for it.
//!
//! Source: aSSURE 9.4, 15.3, 15.4.

mod face;
mod issued;
mod values;

pub use face::{BootstrapFace, BootstrapSetup};
pub use issued::{BadIssuedKey, Class3Keys, IssuedKey};
pub use values::{BootstrapCommand, BootstrapEvent, ImageAnswer};
