//! Deterministic CBOR: one strict reader and one writer.
//!
//! Signatures cover received bytes, so the reader hands out byte positions and raw items and accepts
//! exactly one encoding of each value: definite lengths, shortest integers, map keys in canonical order
//! (RFC 7049 3.9), no tags, no floats. What it accepts, [`Writer`] writes back byte for byte.
//! Source: ruling A-ASSURE-18, decision G 4 of the layouts.

mod reader;
mod validate;
mod writer;

pub use reader::{Kind, Reader};
pub use validate::{NESTING_MAX, validate};
pub use writer::Writer;

/// Major types (RFC 7049 2.1).
mod major {
    pub(super) const UNSIGNED: u8 = 0;
    pub(super) const NEGATIVE: u8 = 1;
    pub(super) const BYTES: u8 = 2;
    pub(super) const TEXT: u8 = 3;
    pub(super) const ARRAY: u8 = 4;
    pub(super) const MAP: u8 = 5;
    pub(super) const SIMPLE: u8 = 7;
}

const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
