//! One line of the audit log, as it is stored and exported.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use clock::Timestamp;
use minicbor::{Decoder, Encoder};
use model::{CorrelationId, Uuid};

/// Longest text of a field in bytes; longer text is cut at a character.
pub const TEXT_LENGTH_MAX: usize = 128;

/// The form that is written. Form 1 had no address and is still read.
const FORMAT: u8 = 2;

/// Who did what to which device, when, and how it ended. Holds no secret and no case string.
///
/// Shape: CBOR `89 2 <unix ms> "role" "actor" "group.verb" <uuid> "result" <correlation> <address>`; the UUID
/// is an empty byte string where no device is concerned, the address one of 0, 4 or 16 bytes. Entries of the
/// first form, `88 1 ..` without the address, are read as well.
/// Source: decision G 35 of the aSSURE layouts; `004` 6.2.6 b (SECDEV-6.2.6-b).
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
    /// The address from which that was asked, where people ask.
    pub address: Option<IpAddr>,
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
        out.array(9)?.u8(FORMAT)?.u64(self.at.as_unix_millis())?;
        out.str(cut(&self.role))?.str(cut(&self.actor))?.str(cut(&self.operation))?;
        out.bytes(self.device.as_ref().map_or(&[], |uuid| &uuid.0[..]))?;
        out.str(cut(&self.result))?.bytes(&self.correlation.0)?;
        match self.address {
            None => out.bytes(&[])?,
            Some(IpAddr::V4(v4)) => out.bytes(&v4.octets())?,
            Some(IpAddr::V6(v6)) => out.bytes(&v6.octets())?,
        };
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
        let form = (input.array().ok()??, input.u8().ok()?);
        if form != (8, 1) && form != (9, FORMAT) {
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
            address: if form.1 == FORMAT { read_address(input.bytes().ok()?)? } else { None },
        })
    }
}

fn read_address(bytes: &[u8]) -> Option<Option<IpAddr>> {
    match bytes.len() {
        0 => Some(None),
        4 => Some(Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?))),
        16 => Some(Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?))),
        _ => None,
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
            address: Some(IpAddr::from([192, 0, 2, 7])),
        }
    }

    /// What the first form looked like, byte for byte: stores hold such entries.
    const FIRST_FORM: &[u8] =
        b"\x88\x01\x1b\x00\x00\x01\x9b\x76\xda\x88\x7b\x6cregistration\x66abc123\x6bowner.claim\
        \x50\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x64done\
        \x50\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09";

    #[test]
    fn entries_of_the_first_form_are_read() {
        let read = AuditEntry::from_bytes(FIRST_FORM).unwrap();
        assert_eq!(read, AuditEntry { address: None, at: read.at, ..entry() });
        assert_eq!(read.at.as_unix_millis(), 0x019b_76da_887b);
    }

    // verifies: SECDEV-6.2.6-b
    #[test]
    fn entries_are_written_in_the_second_form() {
        let stored = entry().to_bytes();
        assert_eq!(stored[..2], [0x89, 2]);
        let behind = 2 + FIRST_FORM.len() - 2;
        assert_eq!(stored[11..behind], FIRST_FORM[11..], "all but head and time stand as they stood");
        assert_eq!(stored[behind..], [0x44, 192, 0, 2, 7]);
        for address in [None, Some(IpAddr::from([9; 16])), entry().address] {
            for device in [None, Some(Uuid([7; 16]))] {
                let entry = AuditEntry { device, address, ..entry() };
                assert_eq!(AuditEntry::from_bytes(&entry.to_bytes()), Ok(entry));
            }
        }
    }

    #[test]
    fn other_bytes_are_no_entry() {
        for stored in [entry().to_bytes(), FIRST_FORM.to_vec()] {
            for length in 0..stored.len() {
                assert_eq!(AuditEntry::from_bytes(&stored[..length]), Err(BadEntry), "cut at {length}");
            }
            let mut trailing = stored.clone();
            trailing.push(0);
            assert_eq!(AuditEntry::from_bytes(&trailing), Err(BadEntry));
            let mut newer = stored;
            newer[1] = 3;
            assert_eq!(AuditEntry::from_bytes(&newer), Err(BadEntry));
        }
        let mut odd = entry().to_bytes();
        let length = odd.len();
        odd[length - 5] = 0x43;
        assert_eq!(
            AuditEntry::from_bytes(&odd[..length - 1]),
            Err(BadEntry),
            "an address has 0, 4 or 16 bytes"
        );
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let long = AuditEntry { actor: "é".repeat(100), ..entry() };
        let read = AuditEntry::from_bytes(&long.to_bytes()).unwrap();
        assert_eq!(read.actor, "é".repeat(64));
    }
}
