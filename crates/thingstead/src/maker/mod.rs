//! A maker's station: its keys, the devices it makes, what it sends to the maker gateway.
//!
//! ```text
//! station  -> station.file, carried to the identity server
//! register -> a client certificate from the registration server's operator
//! make     -> device (child process) <- uuid, secret; station: record signed, encrypted, label drawn
//! upload   -> PUT /v1/devices/<uuid>, one record each
//! ```
//! A device secret is in memory only, from its draw until the record is encrypted.
//! Source: aSSURE 6.2, 9.2, 14.1 steps 1 to 5; decisions M11, G 20, G 21, G 30; ADR 0074.

pub(crate) mod gateway;
pub(crate) mod make;
pub(crate) mod parameters;
pub(crate) mod records;
pub(crate) mod smart;
mod smart_label;
pub(crate) mod station;
