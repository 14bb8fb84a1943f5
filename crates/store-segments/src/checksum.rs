//! CRC-64 (XZ), eight bytes at a time: tells a whole group from one that was cut short. It keeps nobody out.

/// The reversed polynomial of ECMA-182.
const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;

const TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u64;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        tables[0][index] = value;
        index += 1;
    }
    let mut index = 0;
    while index < 256 {
        let mut table = 1;
        while table < 8 {
            let before = tables[table - 1][index];
            tables[table][index] = tables[0][(before & 0xff) as usize] ^ (before >> 8);
            table += 1;
        }
        index += 1;
    }
    tables
}

/// The checksum of `bytes`.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    let mut sum = u64::MAX;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word: [u8; 8] = chunk.try_into().unwrap_or_default();
        let mixed = (sum ^ u64::from_le_bytes(word)).to_le_bytes();
        sum = (0..8).fold(0, |sum, at| sum ^ TABLES[7 - at][usize::from(mixed[at])]);
    }
    for byte in chunks.remainder() {
        sum = TABLES[0][usize::from(sum.to_le_bytes()[0] ^ byte)] ^ (sum >> 8);
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_catalogue_is_met_whatever_the_length() {
        assert_eq!(checksum(b"123456789"), 0x995D_C9BB_DF19_39FA);
        let bytes: Vec<u8> = (0..=255).collect();
        for length in 0..64 {
            let slow = bytes[..length]
                .iter()
                .fold(u64::MAX, |sum, byte| TABLES[0][usize::from(sum.to_le_bytes()[0] ^ byte)] ^ (sum >> 8));
            assert_eq!(checksum(&bytes[..length]), !slow, "{length}");
        }
    }
}
