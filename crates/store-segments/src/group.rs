//! Groups: what one append or trim writes.

use crate::checksum::checksum;

/// Bytes in front of a body.
pub(crate) const HEADER_SIZE: usize = 1 + 8 + 4 + 8;

const VALUES: u8 = 1;
const TRIM: u8 = 2;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group<'a> {
    /// Values that were appended together.
    Values { count: u64, body: &'a [u8] },
    /// Entries before this position are gone.
    Trim { before: u64 },
}

/// Puts the group of `values` together.
pub(crate) fn of_values(values: &[Vec<u8>]) -> Vec<u8> {
    let size: usize = values.iter().map(|value| 4 + value.len()).sum();
    let mut out = Vec::with_capacity(HEADER_SIZE + size);
    out.resize(HEADER_SIZE, 0);
    for value in values {
        let length = u32::try_from(value.len()).expect("the size of a value was checked");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(value);
    }
    finish(out, VALUES, values.len() as u64)
}

/// Puts the group of a trim together.
pub(crate) fn of_trim(before: u64) -> Vec<u8> {
    finish(vec![0; HEADER_SIZE], TRIM, before)
}

fn finish(mut out: Vec<u8>, kind: u8, number: u64) -> Vec<u8> {
    let length = u32::try_from(out.len() - HEADER_SIZE).expect("an append is smaller than 4 GiB");
    out[0] = kind;
    out[1..9].copy_from_slice(&number.to_be_bytes());
    out[9..13].copy_from_slice(&length.to_be_bytes());
    let sum = sum_of(&out[..13], &out[HEADER_SIZE..]);
    out[13..HEADER_SIZE].copy_from_slice(&sum.to_be_bytes());
    out
}

fn sum_of(head: &[u8], body: &[u8]) -> u64 {
    checksum(head) ^ checksum(body).rotate_left(1)
}

/// The group that begins `bytes`, with its size; `None` when none does, or not whole.
pub(crate) fn first_of(bytes: &[u8]) -> Option<(Group<'_>, usize)> {
    let header = bytes.get(..HEADER_SIZE)?;
    let number = u64::from_be_bytes(header[1..9].try_into().ok()?);
    let length = u32::from_be_bytes(header[9..13].try_into().ok()?) as usize;
    let sum = u64::from_be_bytes(header[13..].try_into().ok()?);
    let body = bytes.get(HEADER_SIZE..HEADER_SIZE.checked_add(length)?)?;
    if sum != sum_of(&header[..13], body) {
        return None;
    }
    let group = match header[0] {
        VALUES => Group::Values { count: number, body },
        TRIM => Group::Trim { before: number },
        _ => return None,
    };
    Some((group, HEADER_SIZE + length))
}

/// Whether a whole group stands behind the damaged one that begins `bytes`: no append that was cut short has one
/// behind it, for it is the last.
pub(crate) fn is_followed(bytes: &[u8]) -> bool {
    let length = bytes.get(9..13).and_then(|length| length.try_into().ok()).map(u32::from_be_bytes);
    let behind = length.and_then(|length| bytes.get(HEADER_SIZE.checked_add(length as usize)?..));
    behind.is_some_and(|behind| first_of(behind).is_some())
}

/// The values of a body.
pub(crate) fn values_of(mut body: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = body.split_at_checked(4)?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        let (value, rest) = rest.split_at_checked(length)?;
        body = rest;
        Some(value)
    })
}
