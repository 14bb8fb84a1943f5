//! The formats of aSSURE.

mod envelopes;
mod formats;
mod gap;
mod image;
mod keys;
mod oracle;

use crate::Target;

pub(crate) const TARGETS: &[Target] = &[
    formats::CBOR,
    formats::LABEL,
    formats::PSK_HINT,
    formats::PSK_IDENTITY,
    formats::PEER_NAME,
    formats::PARAMETER_SET,
    formats::CHANNEL,
    formats::CHANNEL_STATUS,
    formats::CHANNEL_LIST,
    formats::DEVICE_INFO,
    formats::GOODBYE,
    formats::TIMES,
    formats::PAYLOAD,
    keys::DEFINITION,
    keys::AUTHENTICATED,
    keys::OWNER_DATA,
    keys::OWNERSHIP,
    keys::STORED,
    image::DECODE,
    image::VALIDATE_EC,
    image::VALIDATE_SECRET,
    gap::FILE,
    gap::CONTENT,
    gap::BUNDLE,
    envelopes::SECRET_PAYLOAD,
    envelopes::CMS,
    envelopes::ECIES,
    envelopes::MAKER_RECORD,
];
