//! The key spaces of accounts, in any store.

use alloc::vec::Vec;

use clock::Timestamp;
use minicbor::{Decode, Encode};
use model::CorrelationId;
use store::{Key, Range, Snapshot, Space};

use crate::account::AccountName;
use crate::asked::CannotDecide;
use crate::client_pin::KeyPin;
use crate::session::TokenHash;

/// Audit entries of any role, by time.
pub const AUDIT: Space = Space(0x01);
/// Settings, the activation, accepted risks: by name.
pub(crate) const HOUSE: Space = Space(0x02);
/// Accounts by name.
pub(crate) const ACCOUNT: Space = Space(0x03);
/// Sessions by the SHA-256 of their token.
pub(crate) const SESSION: Space = Space(0x04);
/// Failed tries by slot of their source.
pub(crate) const TRIES: Space = Space(0x05);
/// Failed tries by slot of the name.
pub(crate) const TRIES_OF_NAME: Space = Space(0x06);
/// Accounts of programs by name.
pub(crate) const CLIENT: Space = Space(0x07);
/// Names of clients by the digest of a key that is theirs.
const CLIENT_PIN: Space = Space(0x08);

/// What stands before the id of an accepted risk in [`HOUSE`].
pub(crate) const RISK: &[u8] = b"risk/";

/// Audit entries sort by time; the correlation and the operation keep entries of one millisecond apart.
#[must_use]
pub fn audit_key(at: Timestamp, correlation: CorrelationId, operation: &str) -> Key {
    let mut name = at.as_unix_millis().to_be_bytes().to_vec();
    name.extend_from_slice(&correlation.0);
    name.extend_from_slice(operation.as_bytes());
    Key::new(AUDIT, name)
}

/// Whether `key` is that of a session: its removal is the session's end.
#[must_use]
pub fn is_session(key: &Key) -> bool {
    key.space == SESSION
}

pub(crate) fn settings_key() -> Key {
    Key::new(HOUSE, *b"settings")
}

pub(crate) fn activation_key() -> Key {
    Key::new(HOUSE, *b"activation")
}

pub(crate) fn risk_key(id: &str) -> Key {
    Key::new(HOUSE, [RISK, id.as_bytes()].concat())
}

pub(crate) fn account_key(name: &AccountName) -> Key {
    Key::new(ACCOUNT, name.as_str().as_bytes())
}

pub(crate) fn client_key(name: &AccountName) -> Key {
    Key::new(CLIENT, name.as_str().as_bytes())
}

pub(crate) fn pin_key(pin: &KeyPin) -> Key {
    Key::new(CLIENT_PIN, pin.0)
}

pub(crate) fn session_key(token: &TokenHash) -> Key {
    Key::new(SESSION, token.0)
}

/// Everything in `space`, up to `limit`.
pub(crate) fn all_of(space: Space, limit: usize) -> Range {
    Range { space, prefix: Vec::new(), after: None, limit }
}

/// The version byte of every record.
const FORMAT: u8 = 1;

/// The stored form of `record`: the version byte and its CBOR. Fields are numbered, so later versions add and
/// old readers ignore.
pub(crate) fn to_value<T: Encode<()>>(record: &T) -> Vec<u8> {
    let mut out = alloc::vec![FORMAT];
    minicbor::encode(record, &mut out).expect("writing to a vector does not fail");
    out
}

/// Reads the stored form.
pub(crate) fn from_value<T: for<'b> Decode<'b, ()>>(stored: &[u8]) -> Result<T, CannotDecide> {
    let body = stored.strip_prefix(&[FORMAT]).ok_or(CannotDecide::BadRecord)?;
    minicbor::decode(body).map_err(|_| CannotDecide::BadRecord)
}

/// Reads the record under `key`, if there is one.
pub(crate) fn read<T: for<'b> Decode<'b, ()>>(from: &Snapshot, key: &Key) -> Result<Option<T>, CannotDecide> {
    from.value(key).map(from_value).transpose()
}
