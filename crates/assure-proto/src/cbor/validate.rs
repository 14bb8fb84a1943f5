//! The pass over a whole item.

use wire::{DecodeError, Reason};

use super::{Kind, Reader};

/// Arrays and maps inside each other, the outermost included.
/// Source: decision G 4.
pub const NESTING_MAX: usize = 8;

/// Checks that `bytes` hold exactly one item of deterministic CBOR.
///
/// # Errors
/// [`Reason::Indefinite`], [`Reason::NotShortest`], [`Reason::Truncated`] and [`Reason::Trailing`] by name;
/// [`Reason::OverLimit`] past [`NESTING_MAX`]; [`Reason::Repeated`] for a map key that stands twice;
/// [`Reason::OutOfRange`] for map keys out of canonical order and text that is not UTF-8;
/// [`Reason::WrongKind`] for tags, floats and other simple values.
pub fn validate(bytes: &[u8]) -> Result<(), DecodeError> {
    let mut reader = Reader::sequence(bytes);
    skip(&mut reader, 0)?;
    reader.finish()
}

/// Checks and skips one item that stands inside `depth` arrays and maps.
pub(super) fn skip(reader: &mut Reader<'_>, depth: usize) -> Result<(), DecodeError> {
    match reader.peek() {
        Some(Kind::Unsigned) => reader.u64().map(|_| ()),
        Some(Kind::Negative) => reader.negative(),
        Some(Kind::Bytes) => reader.bytes().map(|_| ()),
        Some(Kind::Text) => reader.text().map(|_| ()),
        Some(Kind::Simple) => reader.simple(),
        Some(Kind::Array | Kind::Map) if depth == NESTING_MAX => Err(reader.error(Reason::OverLimit)),
        Some(Kind::Array) => {
            let count = reader.array()?;
            (0..count).try_for_each(|_| skip(reader, depth + 1))
        }
        Some(Kind::Map) => skip_map(reader, depth),
        None if reader.is_empty() => Err(reader.error(Reason::Truncated)),
        None => Err(reader.error(Reason::WrongKind)),
    }
}

fn skip_map(reader: &mut Reader<'_>, depth: usize) -> Result<(), DecodeError> {
    let count = reader.map()?;
    let mut previous: Option<&[u8]> = None;
    for _ in 0..count {
        let start = reader.position();
        skip(reader, depth + 1)?;
        let key = reader.since(start);
        if let Some(before) = previous {
            match (before.len(), before).cmp(&(key.len(), key)) {
                core::cmp::Ordering::Less => {}
                core::cmp::Ordering::Equal => return Err(DecodeError::new(start, Reason::Repeated)),
                core::cmp::Ordering::Greater => return Err(DecodeError::new(start, Reason::OutOfRange)),
            }
        }
        previous = Some(key);
        skip(reader, depth + 1)?;
    }
    Ok(())
}
