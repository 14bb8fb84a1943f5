//! The payload of an image: stored requests, carried out on a staged copy, all or nothing.

use alloc::vec::Vec;

use coap_proto::{Code, NotReplayable, StoredRequest};
use crypto::Secret;
use wire::DecodeError;

use crate::api::{Api, Desk, Principal};

/// Why the payload of an image was not applied; nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayFailure {
    /// The decrypted payload is no list of messages.
    Malformed(DecodeError),
    /// A message is no request that could be carried out.
    NotReplayable {
        /// Which, from 0.
        index: usize,
        /// Why.
        cause: NotReplayable,
    },
    /// The device's own API refused a message.
    Refused {
        /// Which, from 0.
        index: usize,
        /// Its answer.
        code: Code,
    },
}

/// Carries out all messages at a desk whose state is a copy; the caller drops it when this fails.
///
/// Effects are left out: channels open when the copy is in force.
/// # Errors
/// [`ReplayFailure`] of the first message that fails.
/// Source: aSSURE 15.5.4; rulings A-ASSURE-97, A-ASSURE-98; TS-H3.
pub(crate) fn replay(
    api: &Api,
    desk: &mut Desk<'_>,
    messages: &Result<Vec<Secret>, DecodeError>,
) -> Result<(), ReplayFailure> {
    assert_eq!(desk.principal, Principal::Image, "a payload speaks for the image");
    let messages = messages.as_ref().map_err(|error| ReplayFailure::Malformed(*error))?;
    for (index, message) in messages.iter().enumerate() {
        let request = StoredRequest::read(message.expose())
            .map_err(|cause| ReplayFailure::NotReplayable { index, cause })?;
        let code = api.serve(desk, &request).response.code;
        if !code.is_success() {
            return Err(ReplayFailure::Refused { index, code });
        }
    }
    Ok(())
}
