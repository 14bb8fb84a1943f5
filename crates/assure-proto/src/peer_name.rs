//! The TLS extension `peer_name`: each side tells the other its UUID before keys exist.
//!
//! Source: aSSURE 8.2.1; rulings A-ASSURE-49, A-ASSURE-50; decision G 25.

use model::Uuid;
use wire::{Cursor, DecodeError, Reason};

/// The extension's number, unless configured otherwise (ruling A-ASSURE-49).
pub const PEER_NAME_EXTENSION: u16 = 0xff78;
/// Length in bytes of the extension data that is sent.
pub const PEER_NAME_LENGTH: usize = 19;

const UUID_NAME: u8 = 0;

/// Writes the extension data: a list of one UUID.
#[must_use]
pub fn encode_peer_name(name: &Uuid) -> [u8; PEER_NAME_LENGTH] {
    let mut out = [0; PEER_NAME_LENGTH];
    out[1] = 17;
    out[2] = UUID_NAME;
    out[3..].copy_from_slice(&name.0);
    out
}

/// Reads the extension data: the UUID in it, or `None` when a name of an unknown type comes first.
///
/// The length of a name of unknown type is unknown too, so whatever follows it is not read.
///
/// # Errors
/// [`DecodeError`], for which the alert is decode_error(50): a wrong length, an empty list, two UUIDs.
pub fn decode_peer_name(extension_data: &[u8]) -> Result<Option<Uuid>, DecodeError> {
    const LIST_START: usize = 2;
    let mut outer = Cursor::new(extension_data);
    let mut list = Cursor::new(outer.vec16()?);
    outer.finish()?;
    if list.is_empty() {
        return Err(DecodeError::new(0, Reason::OutOfRange));
    }
    let mut name = None;
    while !list.is_empty() {
        let repeated = list.error(Reason::Repeated).moved_by(LIST_START);
        let moved = |error: DecodeError| error.moved_by(LIST_START);
        if list.u8().map_err(moved)? != UUID_NAME {
            break;
        }
        let uuid = Uuid(list.array().map_err(moved)?);
        if name.replace(uuid).is_some() {
            return Err(repeated);
        }
    }
    Ok(name)
}
