//! One line of the audit log, as it is stored and exported.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use clock::Timestamp;
use minicbor::{Decoder, Encoder};
use model::{CorrelationId, Uuid};

/// Longest text of a field in bytes; longer text is cut at a character.
pub const TEXT_LENGTH_MAX: usize = 128;

const FORMAT: u8 = 1;

/// Who did what to which device, when, and how it ended. Holds no secret and no case string.
///
/// Shape: CBOR `88 1 <unix ms> "role" "actor" "group.verb" <uuid> "result" <correlation>`; the UUID is an
/// empty byte string where no device is concerned.
/// Source: decision G 35 of the aSSURE layouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When it was decided.
    pub at: Timestamp,
    /// The server that decided.
    pub role: String,
    /// Who asked, as an id or a word; never a name from the peer's bytes without a check.
    pub actor: String,
    /// What was asked, as `group.verb`.
    pub operation: String,
    /// The device concerned.
    pub device: Option<Uuid>,
    /// `done`, or the code of the refusal.
    pub result: String,
    /// The input that led to it.
    pub correlation: CorrelationId,
}

/// Bytes that are no audit entry of a known format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadEntry;

impl AuditEntry {
    /// The stored form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Encoder::new(Vec::new());
        self.write(&mut out).expect("writing to a vector does not fail");
        out.into_writer()
    }

    fn write(
        &self,
        out: &mut Encoder<Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<core::convert::Infallible>> {
        out.array(8)?.u8(FORMAT)?.u64(self.at.as_unix_millis())?;
        out.str(cut(&self.role))?.str(cut(&self.actor))?.str(cut(&self.operation))?;
        out.bytes(self.device.as_ref().map_or(&[], |uuid| &uuid.0[..]))?;
        out.str(cut(&self.result))?.bytes(&self.correlation.0)?;
        Ok(())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`BadEntry`] on another format or trailing bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadEntry> {
        let mut input = Decoder::new(bytes);
        let entry = Self::read(&mut input).ok_or(BadEntry)?;
        if input.position() == bytes.len() { Ok(entry) } else { Err(BadEntry) }
    }

    fn read(input: &mut Decoder<'_>) -> Option<Self> {
        let known = input.array().ok() == Some(Some(8)) && input.u8().ok() == Some(FORMAT);
        if !known {
            return None;
        }
        let text = |input: &mut Decoder<'_>| input.str().ok().map(ToString::to_string);
        Some(Self {
            at: Timestamp::from_unix_millis(input.u64().ok()?),
            role: text(input)?,
            actor: text(input)?,
            operation: text(input)?,
            device: match input.bytes().ok()? {
                [] => None,
                uuid => Some(Uuid(uuid.try_into().ok()?)),
            },
            result: text(input)?,
            correlation: CorrelationId(input.bytes().ok()?.try_into().ok()?),
        })
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_LENGTH_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> AuditEntry {
        AuditEntry {
            at: Timestamp::from_unix_millis(1_767_225_600_123),
            role: "registration".into(),
            actor: "abc123".into(),
            operation: "owner.claim".into(),
            device: Some(Uuid([7; 16])),
            result: "done".into(),
            correlation: CorrelationId([9; 16]),
        }
    }

    #[test]
    fn entries_survive_storage() {
        let stored = entry().to_bytes();
        assert_eq!(stored[..2], [0x88, 1]);
        assert_eq!(AuditEntry::from_bytes(&stored), Ok(entry()));
        let about_nobody = AuditEntry { device: None, ..entry() };
        assert_eq!(AuditEntry::from_bytes(&about_nobody.to_bytes()), Ok(about_nobody));
    }

    #[test]
    fn other_bytes_are_no_entry() {
        let stored = entry().to_bytes();
        for length in 0..stored.len() {
            assert_eq!(AuditEntry::from_bytes(&stored[..length]), Err(BadEntry), "cut at {length}");
        }
        let mut trailing = stored.clone();
        trailing.push(0);
        assert_eq!(AuditEntry::from_bytes(&trailing), Err(BadEntry));
        let mut newer = stored;
        newer[1] = 2;
        assert_eq!(AuditEntry::from_bytes(&newer), Err(BadEntry));
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let long = AuditEntry { actor: "é".repeat(100), ..entry() };
        let read = AuditEntry::from_bytes(&long.to_bytes()).unwrap();
        assert_eq!(read.actor, "é".repeat(64));
    }
}
