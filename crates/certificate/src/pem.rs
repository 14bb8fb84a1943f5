//! The textual form of certificates and keys, for files that people and other programs read.

use std::fmt;

use crypto::Secret;
use der::pem::LineEnding;

/// Label of a certificate.
pub const CERTIFICATE: &str = "CERTIFICATE";
/// Label of a certificate request.
pub const CERTIFICATE_REQUEST: &str = "CERTIFICATE REQUEST";
/// Label of a private key in PKCS#8.
pub const PRIVATE_KEY: &str = "PRIVATE KEY";

/// A file with more blocks is refused.
const BLOCK_COUNT_MAX: usize = 64;

/// Text that is no sequence of PEM blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPem;

impl fmt::Display for BadPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not PEM")
    }
}

impl std::error::Error for BadPem {}

/// One block: its label and its bytes, which are wiped when dropped because they may be a key.
#[derive(Debug)]
pub struct PemBlock {
    /// What stands after BEGIN.
    pub label: String,
    /// The decoded bytes.
    pub der: Secret,
}

/// Writes one block, with a line feed at its end. The caller wipes the text when the bytes are secret.
///
/// # Errors
/// [`BadPem`] when the label has characters that no label may have.
/// Source: RFC 7468.
pub fn pem_from_der(label: &str, der: &[u8]) -> Result<String, BadPem> {
    der::pem::encode_string(label, LineEnding::LF, der).map_err(|_| BadPem)
}

/// Reads all blocks of a text in their order, at most 64; text between blocks is skipped.
///
/// # Errors
/// [`BadPem`] when a block is cut off or malformed, or there are too many.
/// Source: RFC 7468.
pub fn pem_blocks(text: &str) -> Result<Vec<PemBlock>, BadPem> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("-----BEGIN ") {
        rest = &rest[start..];
        let end_line = rest.find("-----END ").ok_or(BadPem)?;
        let after_end = end_line + rest[end_line..].find('\n').map_or(rest.len() - end_line, |at| at + 1);
        let (label, der) = der::pem::decode_vec(&rest.as_bytes()[..after_end]).map_err(|_| BadPem)?;
        if blocks.len() == BLOCK_COUNT_MAX {
            return Err(BadPem);
        }
        blocks.push(PemBlock { label: label.to_owned(), der: Secret::new(der) });
        rest = &rest[after_end..];
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_back_in_order_and_broken_ones_are_refused() {
        let key = pem_from_der(PRIVATE_KEY, &[1; 50]).unwrap();
        let certificate = pem_from_der(CERTIFICATE, &[2; 3]).unwrap();
        let file = format!("subject=somebody\n{key}some text\n{certificate}");
        let blocks = pem_blocks(&file).unwrap();
        let read: Vec<_> = blocks.iter().map(|block| (block.label.as_str(), block.der.expose())).collect();
        assert_eq!(read, [(PRIVATE_KEY, &[1; 50][..]), (CERTIFICATE, &[2; 3][..])]);
        assert!(pem_blocks("nothing here").unwrap().is_empty());
        for bad in [&key[..key.len() - 30], &key.replace("AQE", "A?E"), &certificate.repeat(65)] {
            assert_eq!(pem_blocks(bad).map(|blocks| blocks.len()), Err(BadPem));
        }
    }
}
