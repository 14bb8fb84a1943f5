//! The bootstrap server: hands each device the image that its present owner left for it.
//!
//! It mirrors the owner sequence number of every device and serves or stores an image only when image,
//! mirror and registration server agree. It never holds anything that opens an image.

mod device;
mod holder;
mod image;
mod owner;
mod trust;

pub use device::{
    CreateDevice, Created, DeviceProof, FreeDevice, ImportIssued, Imported, IssuedDevice, ReadDevice,
    RemoveDevice,
};
pub use holder::{HolderName, ReadHolder};
pub use image::{ImageAnswer, ReadImage, ServeImage, StoreImage, StoreImageAnswer};
pub use owner::{MirrorOwner, Mirrored, OwnerNow, ReadMirrors};
pub use trust::ReplaceTrust;
