//! What a bootstrap face says to its owner and hears from it.

use coap_proto::ExchangeId;
use coaps::AssociationId;
use model::Uuid;

use super::IssuedKey;
use crate::Claim;

/// What the face asks. Each question has one command that answers it; late answers are passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootstrapEvent {
    /// Who is this? [`BootstrapCommand::Known`], [`BootstrapCommand::Unknown`] or
    /// [`BootstrapCommand::CouldNotLookUp`].
    LookUp {
        /// The handshake that waits.
        association: AssociationId,
        /// What the peer says of itself.
        claim: Claim,
    },
    /// A proven device asks for an image; [`BootstrapCommand::Answer`].
    GetImage {
        /// The request that waits.
        exchange: ExchangeId,
        /// The device that proved itself.
        proven: Uuid,
        /// The device whose image it asks for.
        asked: Uuid,
    },
}

/// What the owner of the face says.
#[derive(Debug)]
pub enum BootstrapCommand {
    /// The device, and the key that was issued for it.
    Known {
        /// The handshake that waits.
        association: AssociationId,
        /// The device.
        device: Uuid,
        /// How it proves itself.
        key: IssuedKey,
    },
    /// There is no such device here.
    Unknown {
        /// The handshake that waits.
        association: AssociationId,
    },
    /// It cannot be found out now.
    CouldNotLookUp {
        /// The handshake that waits.
        association: AssociationId,
    },
    /// The answer to a request for an image.
    Answer {
        /// The request that waits.
        exchange: ExchangeId,
        /// The image, or why there is none.
        answer: ImageAnswer,
    },
}

/// What a device gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageAnswer {
    /// 2.05 with the image; empty when there is none at present.
    /// Source: aSSURE 9.4.1, ruling A-ASSURE-58.
    Image(Vec<u8>),
    /// 4.03: not its image, or no such device.
    Forbidden,
    /// 5.03 with Max-Age 30: it cannot be told now.
    /// Source: decision G 31.
    Unable,
}
