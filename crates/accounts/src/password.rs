//! What a password must be.

/// Fewest characters of a password.
pub const PASSWORD_LENGTH_MIN: usize = 8;
/// Most characters of a password.
pub const PASSWORD_LENGTH_MAX: usize = 128;
/// Fewest kinds of characters in it.
const KIND_COUNT_MIN: usize = 2;

/// Why a password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPassword {
    /// Fewer than 8 characters.
    Short,
    /// More than 128 characters.
    Long,
    /// Of fewer than two kinds: lower, upper, digit, sign.
    OneKind,
}

/// Checks a new password. A sign is printable ASCII other than letters, digits and the space; other characters
/// are allowed and of no kind.
///
/// # Errors
/// [`BadPassword`].
/// Source: `004` 6.2.4 h; ruling A-SECDEV-07.
pub fn check_password(password: &str) -> Result<(), BadPassword> {
    match password.chars().count() {
        0..PASSWORD_LENGTH_MIN => return Err(BadPassword::Short),
        PASSWORD_LENGTH_MIN..=PASSWORD_LENGTH_MAX => {}
        _ => return Err(BadPassword::Long),
    }
    let kinds: [fn(&char) -> bool; 4] = [
        char::is_ascii_lowercase,
        char::is_ascii_uppercase,
        char::is_ascii_digit,
        char::is_ascii_punctuation,
    ];
    let of_kind = |kind: &&fn(&char) -> bool| password.chars().any(|character| kind(&character));
    if kinds.iter().filter(of_kind).count() < KIND_COUNT_MIN { Err(BadPassword::OneKind) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: SECDEV-6.2.4-h
    #[test]
    fn eight_to_128_characters_of_two_kinds() {
        for good in ["abcdefg1", "ABCDEFGh", "1234567!", "~~~~~~~a", "ää ää ä1a", &["a1"; 64].concat()] {
            assert_eq!(check_password(good), Ok(()), "{good}");
        }
        assert_eq!(check_password("abcdef1"), Err(BadPassword::Short));
        assert_eq!(check_password("ääääää1"), Err(BadPassword::Short), "characters count, not bytes");
        assert_eq!(check_password(&["a1", &"a".repeat(127)].concat()), Err(BadPassword::Long));
        let of_one_kind =
            ["abcdefgh", "ABCDEFGH", "12345678", "!!!!!!!!", "abcdefg ", "abcdefgä", "ääääääää"];
        for bad in of_one_kind {
            assert_eq!(check_password(bad), Err(BadPassword::OneKind), "{bad}");
        }
    }
}
