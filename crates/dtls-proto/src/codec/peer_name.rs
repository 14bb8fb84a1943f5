//! The peer_name extension: `list length(2) { type(1) name }*`, with type 0 a UUID of 16 bytes.
//!
//! Source: aSSURE 8.2.1; rulings A-ASSURE-49, A-ASSURE-50, decision G 25.

use alloc::vec::Vec;

use wire::{Cursor, DecodeError, Reason};

use crate::PeerName;

const UUID: u8 = 0;

/// The UUID of a list. A name of an unknown type has no known length and ends the reading.
///
/// # Errors
/// When the list is empty, longer or shorter than its length says, a UUID is cut, or there are two.
pub(crate) fn decode(extension: &[u8]) -> Result<Option<PeerName>, DecodeError> {
    let mut outer = Cursor::new(extension);
    let list = outer.vec16()?;
    outer.finish()?;
    let mut cursor = Cursor::new(list);
    let mut name = None;
    if list.is_empty() {
        return Err(cursor.error(Reason::Truncated));
    }
    while !cursor.is_empty() {
        if cursor.u8()? != UUID {
            return Ok(name);
        }
        let uuid = cursor.array()?;
        if name.replace(uuid).is_some() {
            return Err(cursor.error(Reason::Repeated));
        }
    }
    Ok(name)
}

/// A list of one UUID.
pub(crate) fn encode(name: &PeerName) -> Vec<u8> {
    [&[0, 17, UUID][..], name].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: PeerName = [7; 16];

    fn list(entries: &[&[u8]]) -> Vec<u8> {
        let body = entries.concat();
        [&u16::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
    }

    // verifies: ASSURE-8.2.1-02, ASSURE-8.2.1-04
    #[test]
    fn a_list_of_one_uuid_has_19_bytes() {
        let bytes = encode(&NAME);
        assert_eq!(bytes, [&[0, 0x11, 0][..], &NAME].concat());
        assert_eq!(decode(&bytes), Ok(Some(NAME)));
    }

    // verifies: ASSURE-8.2.1-03, ASSURE-8.2.1-05, ASSURE-8.2.1-06
    #[test]
    fn unknown_types_end_the_reading_and_lengths_must_fit() {
        let uuid = [&[UUID][..], &NAME].concat();
        let cases = [
            (list(&[&uuid, &[9, 1, 2, 3]]), Ok(Some(NAME))),
            (list(&[&[9, 1, 2, 3], &uuid]), Ok(None)),
            (list(&[&[255]]), Ok(None::<PeerName>)),
            (list(&[&uuid, &uuid]), Err(Reason::Repeated)),
            (list(&[&uuid[..16]]), Err(Reason::Truncated)),
            (list(&[]), Err(Reason::Truncated)),
            (Vec::new(), Err(Reason::Truncated)),
            ([&list(&[&uuid])[..], &[0]].concat(), Err(Reason::Trailing)),
            ([&[0, 18][..], &uuid].concat(), Err(Reason::Truncated)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(decode(&bytes).map_err(|error| error.reason), expected, "{bytes:02x?}");
        }
    }
}
