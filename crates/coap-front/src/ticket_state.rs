//! What a ticket is bound to.

use model::{KeyId, Uuid};
use wire::Cursor;

const VERSION: u8 = 1;

/// `version(1) device(16) key id(16) owner sequence number(4)`, sealed by the DTLS layer.
///
/// Source: decision M5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TicketState {
    pub(crate) device: Uuid,
    pub(crate) key: KeyId,
    pub(crate) sequence_number: u32,
}

impl TicketState {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [&[VERSION][..], &self.device.0, &self.key.0, &self.sequence_number.to_be_bytes()].concat()
    }

    /// `None` for a state of another version of the program.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        if cursor.u8().ok()? != VERSION {
            return None;
        }
        let device = Uuid(cursor.array().ok()?);
        let key = KeyId(cursor.array().ok()?);
        let sequence_number = cursor.u32().ok()?;
        cursor.is_empty().then_some(Self { device, key, sequence_number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_survive_a_round_trip_and_nothing_else_is_read() {
        let state = TicketState { device: Uuid([1; 16]), key: KeyId([2; 16]), sequence_number: 3 };
        let bytes = state.to_bytes();
        assert_eq!(bytes.len(), 37);
        assert_eq!(TicketState::from_bytes(&bytes), Some(state));
        assert_eq!(TicketState::from_bytes(&bytes[..36]), None);
        assert_eq!(TicketState::from_bytes(&[&bytes[..], &[0]].concat()), None);
        assert_eq!(TicketState::from_bytes(&[&[2], &bytes[1..]].concat()), None, "another version");
    }
}
