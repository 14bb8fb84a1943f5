//! Labels: serial and code as people and cameras read them.

use alloc::string::String;
use alloc::vec::Vec;

use osap_proto::Serial;
use wire::{DecodeError, Reason};

/// Digits and letters without I, L, O and U, which read as others.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code: 60 bits.
const CODE_SIZE: usize = 12;
/// What the text of a label begins with.
const HEAD: &str = "OSAP1:";

/// The code on a label: 12 characters of 32, and one more that shows slips of the pen.
///
/// The 13th is not part of the code that SPAKE2+ takes.
/// Source: OSAP secure profile section 15, H12; ADR 0273.
#[derive(Clone, PartialEq, Eq)]
pub struct LabelCode([u8; CODE_SIZE]);

impl core::fmt::Debug for LabelCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("LabelCode(..)")
    }
}

impl Drop for LabelCode {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl LabelCode {
    /// The code that 12 random bytes make; the upper bits of each are not used.
    #[must_use]
    pub fn draw(random: [u8; CODE_SIZE]) -> Self {
        Self(random.map(|byte| ALPHABET[usize::from(byte % 32)]))
    }

    /// Reads a code as a person types it: 13 characters in either case, hyphens and spaces anywhere; O is 0,
    /// I and L are 1.
    ///
    /// # Errors
    /// [`Reason::WrongKind`] for a character that is none, [`Reason::Truncated`] and [`Reason::Trailing`] for
    /// another count, [`Reason::OutOfRange`] when the last one does not fit the others.
    pub fn parse(text: &str) -> Result<Self, DecodeError> {
        let mut read: Vec<u8> = Vec::with_capacity(CODE_SIZE + 1);
        for (offset, byte) in text.bytes().enumerate() {
            let upper = match byte.to_ascii_uppercase() {
                b'-' | b' ' => continue,
                b'O' => b'0',
                b'I' | b'L' => b'1',
                upper if ALPHABET.contains(&upper) => upper,
                _ => return Err(DecodeError::new(offset, Reason::WrongKind)),
            };
            if read.len() == CODE_SIZE + 1 {
                return Err(DecodeError::new(offset, Reason::Trailing));
            }
            read.push(upper);
        }
        let (code, check) = read
            .split_first_chunk::<CODE_SIZE>()
            .filter(|(_, check)| check.len() == 1)
            .ok_or(DecodeError::new(text.len(), Reason::Truncated))?;
        let code = Self(*code);
        if code.check() == check[0] {
            Ok(code)
        } else {
            Err(DecodeError::new(text.len(), Reason::OutOfRange))
        }
    }

    /// The code that proves: 12 characters.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; CODE_SIZE] {
        &self.0
    }

    /// As it is printed: `XXXX-XXXX-XXXX-C`.
    #[must_use]
    pub fn print(&self) -> String {
        let mut text = String::with_capacity(CODE_SIZE + 4);
        for (at, byte) in self.0.iter().enumerate() {
            if at > 0 && at % 4 == 0 {
                text.push('-');
            }
            text.push(char::from(*byte));
        }
        text.push('-');
        text.push(char::from(self.check()));
        text
    }

    /// A sum in which each place has another odd weight: any one wrong character shows, and two neighbours
    /// that changed places, unless their values are 16 apart.
    fn check(&self) -> u8 {
        let value = |byte: u8| ALPHABET.iter().position(|one| *one == byte).unwrap_or(0);
        let sum: usize = self.0.iter().enumerate().map(|(at, byte)| value(*byte) * (2 * at + 1)).sum();
        ALPHABET[sum % 32]
    }
}

/// What the QR code of a label says: `OSAP1:<serial>:<code with its check>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmartLabel {
    /// Who the device is.
    pub serial: Serial,
    /// The code that enrols it.
    pub code: LabelCode,
}

impl SmartLabel {
    /// The text of the QR code.
    #[must_use]
    pub fn print(&self) -> String {
        let code = self.code.print().replace('-', "");
        alloc::format!("{HEAD}{}:{code}", crate::topic::text(&self.serial))
    }

    /// Reads the text of a QR code.
    ///
    /// # Errors
    /// As [`LabelCode::parse`]; [`Reason::WrongKind`] at 0 for another text.
    pub fn parse(text: &str) -> Result<Self, DecodeError> {
        let other = DecodeError::new(0, Reason::WrongKind);
        let rest = text.strip_prefix(HEAD).ok_or(other)?;
        let (serial, code) = rest.rsplit_once(':').ok_or(other)?;
        let serial =
            Serial::new(serial.as_bytes()).ok_or(DecodeError::new(HEAD.len(), Reason::OutOfRange))?;
        let code = LabelCode::parse(code).map_err(|error| error.moved_by(text.len() - code.len()))?;
        Ok(Self { serial, code })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn codes_print_and_are_read_as_people_type_them() {
        let code = LabelCode::draw([0, 1, 2, 3, 4, 5, 30, 31, 32, 255, 17, 16]);
        let text = code.print();
        assert_eq!(&text[..15], "0123-45YZ-0ZHG-");
        for typed in [
            text.clone(),
            text.to_lowercase(),
            text.replace('-', " "),
            text.replace('0', "o").replace('1', "l"),
        ] {
            assert_eq!(LabelCode::parse(&typed), Ok(code.clone()), "{typed}");
        }
        assert_eq!(alloc::format!("{code:?}"), "LabelCode(..)");
    }

    #[test]
    fn slips_are_noticed() {
        let text = LabelCode::draw([9, 3, 27, 14, 0, 31, 8, 8, 21, 2, 17, 5]).print();
        for at in (0..text.len()).filter(|at| text.as_bytes()[*at] != b'-') {
            for other in ALPHABET {
                let mut typed = text.clone().into_bytes();
                if typed[at] != *other {
                    typed[at] = *other;
                    assert!(LabelCode::parse(core::str::from_utf8(&typed).unwrap()).is_err());
                }
            }
        }
        for (typed, reason) in [
            ("", Reason::Truncated),
            ("0123", Reason::Truncated),
            ("0123-45YZ-0ZHU-0", Reason::WrongKind),
            ("0123-45YZ-0ZHG-0-0", Reason::Trailing),
            ("\u{e9}", Reason::WrongKind),
        ] {
            assert_eq!(LabelCode::parse(typed).map_err(|error| error.reason), Err(reason), "{typed}");
        }
    }

    #[test]
    fn labels_say_serial_and_code() {
        let code = LabelCode::draw([7; 12]);
        let label = SmartLabel { serial: Serial::new(b"TS:1").unwrap(), code };
        assert_eq!(label.print(), "OSAP1:TS:1:777777777777G");
        assert_eq!(SmartLabel::parse(&label.print()), Ok(label));
        for text in ["", "OSAP1:", "OSAP1:TS", "OSAP1::777777777777G", "OSAP2:TS:777777777777G"] {
            assert!(SmartLabel::parse(text).is_err(), "{}", text.to_string());
        }
        let slip = SmartLabel::parse("OSAP1:TS:7777777777778");
        assert_eq!(slip, Err(DecodeError::new(22, Reason::OutOfRange)));
    }
}
