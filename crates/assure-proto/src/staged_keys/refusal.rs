//! Why a device does not take an image.

use model::KeyId;
use wire::DecodeError;

use crate::cms::OpenError;
use crate::key_store::KeyRefusal;
use crate::secret_payload::PayloadRefusal;
use crate::signature::{SignatureError, TimeRefusal};

/// Why a device does not take an image, one cause each, in the order of the checks. Nothing of the
/// device's state changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageRefusal {
    /// The bytes are no image.
    Malformed(DecodeError),
    /// A private key stands in the header. Source: TS-M15.
    PrivateKeyInHeader,
    /// Two keys have one id, or a key has the id of a root. Source: TS-C2.
    DuplicateKeyId,
    /// A key with the device's id is not the device's own public key. Source: TS-H2, decision G 16.
    ForeignDeviceKey,
    /// The key that the server of this session proved is not in the image as a bootstrap service.
    /// Source: aSSURE 15.4; TS-C1.
    ServerNotConfirmed,
    /// A key of the header is refused.
    Key {
        /// Which key.
        key_id: KeyId,
        /// Why.
        cause: KeyRefusal,
    },
    /// A bootstrap service key is not signed by the authority, outside a walled garden. Source: TS-H1.
    BootstrapKeyNotByAuthority,
    /// The image's signer is not one of its keys.
    SignerUnknown,
    /// The image's signer is not a management system.
    SignerClass,
    /// The image's signer was not itself signed by the authority. Source: TS-C2.
    SignerNotByAuthority,
    /// The image's signer is a secret that cannot be derived here.
    SignerUnusable,
    /// Owner data is not signed by a class 1 key of the image that a root signed, nor by a class 0 root.
    /// Source: ruling A-ASSURE-27, decision G 10.
    OwnerSigner,
    /// The signer of owner data carries no generation. Source: decision G 10.
    GenerationMissing,
    /// The owner data's signature does not hold at this time.
    OwnerTime(TimeRefusal),
    /// The owner data is not for this device, this owner key and this number. Source: TS-C2, D-13.
    OwnerSignature(SignatureError),
    /// The image has no time of creation. Source: decision G 9.
    CreatedAtZero,
    /// The signature over the image does not hold.
    ImageSignature(SignatureError),
    /// The image was made more than a day from now. Source: TS-M13.
    CreatedInFuture,
    /// The image's signature is over.
    ImageExpired,
    /// An older generation of the authority. Source: TS-H7.
    GenerationLower,
    /// An earlier owner's number.
    SequenceLower,
    /// A number more than 1024 ahead. Source: TS-H7.
    SequenceTooFar,
    /// Another owner under the number that is stored. Source: TS-H5.
    OwnerDiffers,
    /// Older than the image applied last. Source: D-03, TS-M13.
    CreatedEarlier,
    /// Made in the same second as the image applied last, but another one. Source: TS-M13.
    CreatedAtTheSameTime,
    /// The payload is encrypted to a key that is not the one it must be.
    DecryptionKey,
    /// The CMS message of the payload does not open.
    Envelope(OpenError),
    /// The array of a shared-secret payload is malformed.
    PayloadMalformed(DecodeError),
    /// The shared-secret payload does not open.
    Payload(PayloadRefusal),
}

impl core::fmt::Display for ImageRefusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "malformed image: {error}"),
            Self::PrivateKeyInHeader => f.write_str("private key in the header"),
            Self::DuplicateKeyId => f.write_str("two keys of one id"),
            Self::ForeignDeviceKey => f.write_str("another key under the device's id"),
            Self::ServerNotConfirmed => f.write_str("the image does not confirm the bootstrap server"),
            Self::Key { key_id, cause } => write!(f, "key {key_id}: {cause}"),
            Self::BootstrapKeyNotByAuthority => f.write_str("bootstrap key not signed by the authority"),
            Self::SignerUnknown => f.write_str("the signer is not in the image"),
            Self::SignerClass => f.write_str("the signer is no management system"),
            Self::SignerNotByAuthority => f.write_str("the signer was not signed by the authority"),
            Self::SignerUnusable => f.write_str("the signer's secret cannot be derived"),
            Self::OwnerSigner => f.write_str("owner data not signed by the authority"),
            Self::GenerationMissing => f.write_str("the authority's generation is missing"),
            Self::OwnerTime(_) => f.write_str("owner data is not valid now"),
            Self::OwnerSignature(_) => f.write_str("owner data of another device, owner or number"),
            Self::CreatedAtZero => f.write_str("no time of creation"),
            Self::ImageSignature(_) => f.write_str("the image's signature does not hold"),
            Self::CreatedInFuture => f.write_str("created in the future"),
            Self::ImageExpired => f.write_str("the image's signature is over"),
            Self::GenerationLower => f.write_str("an older generation of the authority"),
            Self::SequenceLower => f.write_str("an earlier owner"),
            Self::SequenceTooFar => f.write_str("the owner number is too far ahead"),
            Self::OwnerDiffers => f.write_str("another owner under the same number"),
            Self::CreatedEarlier => f.write_str("older than the last image"),
            Self::CreatedAtTheSameTime => f.write_str("another image of the same second"),
            Self::DecryptionKey => f.write_str("the payload is for another key"),
            Self::Envelope(error) => write!(f, "payload: {error}"),
            Self::PayloadMalformed(error) => write!(f, "malformed payload: {error}"),
            Self::Payload(error) => write!(f, "payload: {error}"),
        }
    }
}

impl core::error::Error for ImageRefusal {}
