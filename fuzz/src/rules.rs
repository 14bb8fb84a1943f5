//! What holds for every decoder.

use ::wire::DecodeError;

use crate::Reached;
use crate::memory;

/// Memory that any decoder may take.
const MEMORY_FREE: usize = 64 * 1024;
/// Memory in bytes for each byte of input.
const MEMORY_PER_BYTE: usize = 96;

/// Decodes within the memory that the input is worth.
pub(crate) fn bounded<'a, T>(input: &'a [u8], decode: impl FnOnce(&'a [u8]) -> T) -> T {
    memory::within(MEMORY_FREE + MEMORY_PER_BYTE * input.len(), || decode(input))
}

/// Decodes; a refusal must point into the input or just behind it.
pub(crate) fn decoded<'a, T>(
    input: &'a [u8],
    decode: impl FnOnce(&'a [u8]) -> Result<T, DecodeError>,
) -> Option<T> {
    bounded(input, decode).map_err(|error| points_into(input, error)).ok()
}

/// Checks that a refusal points into the input or just behind it.
pub(crate) fn points_into(input: &[u8], error: DecodeError) {
    assert!(error.offset <= input.len(), "{error} of {} bytes", input.len());
}

/// A format with one form for each value: what is accepted is written back byte for byte.
pub(crate) fn canonical<T>(
    input: &[u8],
    decode: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
    encode: impl FnOnce(&T) -> Vec<u8>,
) -> Reached {
    let Some(value) = decoded(input, decode) else { return Reached::Refused };
    assert_eq!(hex(&encode(&value)), hex(input), "an accepted value has another form");
    Reached::Accepted
}

/// A format with several forms for a value: what is written is read as the same value, and written alike.
pub(crate) fn stable<T: PartialEq + std::fmt::Debug>(
    input: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, DecodeError>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> Reached {
    let Some(value) = decoded(input, &decode) else { return Reached::Refused };
    let written = encode(&value);
    let again = decoded(&written, &decode).expect("what we write is read");
    assert_eq!(again, value, "the value changed on its way");
    assert_eq!(hex(&encode(&again)), hex(&written), "one value has two forms");
    Reached::Accepted
}

/// Whether something was accepted.
pub(crate) const fn reached(accepted: bool) -> Reached {
    if accepted { Reached::Accepted } else { Reached::Refused }
}

fn hex(bytes: &[u8]) -> String {
    model::hex(bytes)
}
