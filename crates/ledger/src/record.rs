//! Records: a CBOR map behind a version byte.

use minicbor::{Decode, Encode};
use store::{Key, Snapshot};

/// Stored bytes that this version cannot read: our own fault, or a newer version's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRecord;

/// The version byte of every record.
const FORMAT: u8 = 1;

/// The stored form of `record`: the version byte and its CBOR. Fields are numbered, so later versions add
/// and old readers ignore.
///
/// # Panics
/// When an encoder of the record refuses its own value, which none does.
#[must_use]
pub fn to_bytes<T: Encode<()>>(record: &T) -> Vec<u8> {
    let mut out = vec![FORMAT];
    minicbor::encode(record, &mut out).expect("writing to a vector does not fail");
    out
}

/// Reads the stored form.
///
/// # Errors
/// [`BadRecord`] on another version byte or other CBOR.
pub fn from_bytes<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, BadRecord> {
    let body = bytes.strip_prefix(&[FORMAT]).ok_or(BadRecord)?;
    minicbor::decode(body).map_err(|_| BadRecord)
}

/// Reads the record under `key`, if there is one.
///
/// # Errors
/// As [`from_bytes`].
pub fn record<T: for<'b> Decode<'b, ()>>(from: &Snapshot, key: &Key) -> Result<Option<T>, BadRecord> {
    from.value(key).map(from_bytes).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Encode, Decode)]
    #[cbor(map)]
    struct Old {
        #[n(0)]
        count: u32,
    }

    #[derive(Encode)]
    #[cbor(map)]
    struct New {
        #[n(0)]
        count: u32,
        #[n(7)]
        added: bool,
    }

    #[test]
    fn fields_may_be_added_and_other_versions_are_refused() {
        let stored = to_bytes(&New { count: 5, added: true });
        assert_eq!(from_bytes(&stored), Ok(Old { count: 5 }));
        let newer = [&[2], &stored[1..]].concat();
        assert_eq!(from_bytes::<Old>(&newer), Err(BadRecord));
        assert_eq!(from_bytes::<Old>(&stored[..stored.len() - 1]), Err(BadRecord));
        assert_eq!(from_bytes::<Old>(&[]), Err(BadRecord));
    }
}
