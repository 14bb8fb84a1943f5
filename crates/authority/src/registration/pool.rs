//! How the owner secrets of a device rest in its record.
//!
//! The identity server makes them alike: each is derived in one way from the device's own secret. They rest as
//! one byte string, without what is the same for all or follows from their form:
//!
//! ```text
//! reference (16) | rounds (4, little-endian) | for each: id (16) | salt (16) | pad (32) | secret (32)
//! ```
//! Secrets of any other form rest as a list of definition and secret, as all did before; both are read.
//! Source: docs/adr/0180.

use assure_proto::{Derivation, DerivedKey, KeyDefinition, SALT_LENGTH};
use crypto::Secret;
use minicbor::data::Type;
use minicbor::decode::Error as BadField;
use minicbor::encode::{Error as Unwritten, Write};
use minicbor::{Decoder, Encoder};
use model::KeyId;

use super::PoolEntry;

const ID_LENGTH: usize = 16;
const ROUNDS_LENGTH: usize = 4;
const SECRET_LENGTH: usize = 32;
const ENTRY_LENGTH: usize = ID_LENGTH + SALT_LENGTH + 2 * SECRET_LENGTH;

/// Writes the field.
///
/// # Errors
/// Those of the writer.
pub(crate) fn encode<C, W: Write>(
    pool: &[PoolEntry],
    to: &mut Encoder<W>,
    context: &mut C,
) -> Result<(), Unwritten<W::Error>> {
    if let Some(packed) = packed(pool) {
        return to.bytes(&packed)?.ok();
    }
    to.array(pool.len() as u64)?;
    for entry in pool {
        to.encode_with(entry, context)?;
    }
    Ok(())
}

/// Reads the field.
///
/// # Errors
/// When it is of another form.
pub(crate) fn decode<C>(from: &mut Decoder<'_>, context: &mut C) -> Result<Vec<PoolEntry>, BadField> {
    match from.datatype()? {
        Type::Bytes => {
            let packed = from.bytes()?;
            unpacked(packed).ok_or_else(|| BadField::message("no pool of owner secrets"))
        }
        _ => from.array_iter_with(context)?.collect(),
    }
}

/// The byte string; `None` when an entry is of another form than the others, or than the identity server's.
fn packed(pool: &[PoolEntry]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(ID_LENGTH + ROUNDS_LENGTH + pool.len() * ENTRY_LENGTH);
    for entry in pool {
        let KeyDefinition::Derived(key) = KeyDefinition::decode(&entry.definition).ok()? else { return None };
        let [way] = key.derivations() else { return None };
        let head = [&way.reference.0[..], &way.rounds.to_le_bytes()].concat();
        if out.is_empty() {
            out.extend_from_slice(&head);
        }
        let is_alike = out.starts_with(&head);
        let parts = [&key.id().0[..], &way.salt, &way.encrypted_secret, entry.secret.expose()];
        let lengths = [ID_LENGTH, SALT_LENGTH, SECRET_LENGTH, SECRET_LENGTH];
        if !is_alike || parts.map(<[u8]>::len) != lengths {
            return None;
        }
        parts.iter().for_each(|part| out.extend_from_slice(part));
    }
    Some(out)
}

/// The entries of a byte string; `None` when it is cut or goes on behind the last.
fn unpacked(packed: &[u8]) -> Option<Vec<PoolEntry>> {
    if packed.is_empty() {
        return Some(Vec::new());
    }
    let (reference, rest) = packed.split_first_chunk::<ID_LENGTH>()?;
    let (rounds, rest) = rest.split_first_chunk::<ROUNDS_LENGTH>()?;
    let entries = rest.chunks_exact(ENTRY_LENGTH);
    if rest.is_empty() || !entries.remainder().is_empty() {
        return None;
    }
    let entry = |entry: &[u8]| {
        let (id, entry) = entry.split_first_chunk::<ID_LENGTH>()?;
        let (salt, entry) = entry.split_at_checked(SALT_LENGTH)?;
        let (pad, secret) = entry.split_at_checked(SECRET_LENGTH)?;
        let way = Derivation {
            reference: KeyId(*reference),
            salt: salt.to_vec(),
            rounds: u32::from_le_bytes(*rounds),
            encrypted_secret: pad.to_vec(),
        };
        let key = DerivedKey::new(KeyId(*id), vec![way])?;
        Some(PoolEntry { definition: KeyDefinition::Derived(key).encode(), secret: Secret::from(secret) })
    };
    entries.map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(number: u8) -> Derivation {
        Derivation {
            reference: KeyId([0xD; 16]),
            salt: vec![number; SALT_LENGTH],
            rounds: 1000,
            encrypted_secret: vec![0x80 | number; SECRET_LENGTH],
        }
    }

    fn entry(number: u8, ways: Vec<Derivation>) -> PoolEntry {
        let key = DerivedKey::new(KeyId([number; 16]), ways).unwrap();
        let secret = Secret::new(vec![0x40 | number; SECRET_LENGTH]);
        PoolEntry { definition: KeyDefinition::Derived(key).encode(), secret }
    }

    fn pool(count: u8) -> Vec<PoolEntry> {
        (1..=count).map(|number| entry(number, vec![way(number)])).collect()
    }

    fn written(pool: &[PoolEntry]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(pool, &mut Encoder::new(&mut out), &mut ()).unwrap();
        out
    }

    fn read(bytes: &[u8]) -> Result<Vec<PoolEntry>, BadField> {
        decode(&mut Decoder::new(bytes), &mut ())
    }

    /// The form of before: what the derived decoder of a list read.
    fn written_as_list(pool: &[PoolEntry]) -> Vec<u8> {
        minicbor::to_vec(pool).unwrap()
    }

    #[test]
    fn secrets_of_the_identity_server_rest_as_bytes_and_come_back_whole() {
        for count in [0, 1, 7, 8] {
            let bytes = written(&pool(count));
            assert_eq!(Decoder::new(&bytes).datatype().unwrap(), Type::Bytes);
            assert_eq!(read(&bytes).unwrap(), pool(count));
        }
        let (bytes, list) = (written(&pool(7)), written_as_list(&pool(7)));
        assert_eq!(bytes.len(), 3 + 20 + 7 * 96);
        assert!(list.len() > bytes.len() + 200, "{} as a list", list.len());
    }

    #[test]
    fn what_rests_as_a_list_is_read_as_before() {
        assert_eq!(read(&written_as_list(&pool(7))).unwrap(), pool(7));
        assert_eq!(read(&written_as_list(&[])).unwrap(), []);
    }

    #[test]
    fn secrets_of_any_other_form_rest_as_a_list() {
        let with = |change: fn(&mut Derivation)| {
            let mut way = way(9);
            change(&mut way);
            [pool(2), vec![entry(9, vec![way])]].concat()
        };
        let mut short = pool(2);
        short[1].secret = Secret::new(vec![1; 16]);
        let mut unreadable = pool(2);
        unreadable[0].definition = vec![0x80];
        for pool in [
            with(|way| way.reference = KeyId([1; 16])),
            with(|way| way.rounds = 2000),
            with(|way| way.salt = vec![1; 8]),
            with(|way| way.encrypted_secret = vec![1; 64]),
            vec![entry(3, vec![way(3), way(4)])],
            short,
            unreadable,
        ] {
            let bytes = written(&pool);
            assert_eq!(bytes, written_as_list(&pool));
            assert_eq!(read(&bytes).unwrap(), pool);
        }
    }

    #[test]
    fn a_byte_string_that_is_cut_or_too_long_is_refused() {
        let packed = packed(&pool(2)).unwrap();
        for length in (1..packed.len()).filter(|length| *length != packed.len() - ENTRY_LENGTH) {
            assert_eq!(unpacked(&packed[..length]), None, "cut at {length}");
        }
        assert_eq!(unpacked(&[&packed[..], &[0]].concat()), None);
        let bytes = written(&pool(2));
        assert!(read(&bytes[..bytes.len() - 1]).is_err());
        assert!(read(&[0x05]).is_err(), "a number");
    }
}
