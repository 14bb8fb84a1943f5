//! Type 1, "compat": what deployed devices speak, byte for byte, on both sides.
//!
//! It protects nothing. One nonce seals the device id and the session key, so that a listener who sees the id in
//! clear has the key; the code on the label falls to an offline search; envelopes are CBC without a tag. It is off by
//! default, a device sends it only when somebody set that on the device itself, and a code that was shown in it is
//! burned. Nothing here is used by the secure profile, and nothing here is followed by it.
//!
//! ```text
//! first        1A 2A  72 82  A0 B0     device id and session key under a master key of an exchange
//! again        1A 2A  42 62  A0 B0     the device has an id
//! refresh      70 80  90     A0 B0     the device has an id and the master key
//! ```
//! Devices of the second generation send 12 for 1A and have CBC where the third has GCM.
//! Source: the wire facts of type 1 (`conformance/vectors/osap/transcript.json`); profile section 9; decision H13.

mod chance;
mod das;
mod device;
mod keys;
mod lbs;
mod messages;
#[cfg(test)]
mod vectors;

pub use chance::CompatChance;
pub use das::{
    CompatConnect, CompatGeneral, CompatMessage, CompatRefusal, CompatRegistration, CompatSession,
    admit_compat, open_compat, seal_compat,
};
pub use device::{
    CompatCompleted, CompatDeviceEnd, CompatDeviceOutput, CompatDeviceRun, CompatDeviceSetup, CompatStored,
};
pub use keys::{Case, CodeKeys, Generation};
pub use lbs::{
    CompatCommit, CompatDas, CompatDevice, CompatLbsEnd, CompatLbsOutput, CompatLbsRun, CompatLbsSetup,
    Dialogue,
};
pub use messages::{Beginning, beginning};

use crate::ResultCode;

/// The device id is not the one on record.
const OTHER_DEVID: ResultCode = ResultCode(4);
/// No device of this serial, or none that type 1 is run with.
const UNKNOWN: ResultCode = ResultCode(5);
/// What was sealed does not open.
const UNSEALED: ResultCode = ResultCode(7);
/// The master key is not the one on record.
const OTHER_MASTER_KEY: ResultCode = ResultCode(10);
/// The proof of the master key is wrong.
const WRONG_SIGN: ResultCode = ResultCode(19);
