//! Frames: a size, then as many bytes of CBOR.

use std::fmt;

use minicbor::{Decode, Decoder, Encode};

/// Bytes of one frame without its size: a topic and a body of 64 KiB with all around them fit.
pub const FRAME_SIZE_MAX: usize = 96 * 1024;

const SIZE: usize = 4;

/// A message that cannot be sent as it is: it is over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsendable;

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("over the size of a frame")
    }
}

impl std::error::Error for Unsendable {}

/// Bytes that the other end never sends: the link is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no frame of this link")
    }
}

impl std::error::Error for Unreadable {}

pub(super) fn written(frame: &impl Encode<()>) -> Result<Vec<u8>, Unsendable> {
    let body = minicbor::to_vec(frame).map_err(|_| Unsendable)?;
    let size = u32::try_from(body.len()).map_err(|_| Unsendable)?;
    if body.len() > FRAME_SIZE_MAX {
        return Err(Unsendable);
    }
    Ok([&size.to_be_bytes()[..], &body].concat())
}

pub(super) fn read<'b, T: Decode<'b, ()>>(body: &'b [u8]) -> Result<T, Unreadable> {
    let mut decoder = Decoder::new(body);
    let frame = decoder.decode().map_err(|_| Unreadable)?;
    if decoder.position() == body.len() { Ok(frame) } else { Err(Unreadable) }
}

/// Cuts a stream into bodies of frames. It holds one frame at most, and what came behind it in one piece.
#[derive(Debug, Default)]
pub struct FrameReader {
    bytes: Vec<u8>,
    at: usize,
}

impl FrameReader {
    /// At the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes arrived.
    pub fn take(&mut self, bytes: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.at));
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole body.
    ///
    /// # Errors
    /// [`Unreadable`]: the frame is longer than [`FRAME_SIZE_MAX`].
    pub fn next_body(&mut self) -> Result<Option<&[u8]>, Unreadable> {
        let Some((size, rest)) = self.bytes[self.at..].split_first_chunk::<SIZE>() else { return Ok(None) };
        let size = usize::try_from(u32::from_be_bytes(*size)).map_err(|_| Unreadable)?;
        if size > FRAME_SIZE_MAX {
            return Err(Unreadable);
        }
        if rest.len() < size {
            return Ok(None);
        }
        let from = self.at + SIZE;
        self.at = from + size;
        Ok(Some(&self.bytes[from..self.at]))
    }
}
