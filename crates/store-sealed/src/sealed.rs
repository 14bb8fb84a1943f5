//! The sealing of values with AES-256-GCM.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use clock::Dice;
use crypto::{Aead, AeadKey, CryptoError, Provider};
use store::{
    Batch, CommitError, Fault, Key, Page, Range, ReadSet, Record, Snapshot, SnapshotParts, Table, Version,
    Write,
};

/// Length of a sealing key in bytes.
pub const SEALING_KEY_LENGTH: usize = 32;

pub(crate) const AEAD: Aead = Aead::Aes256Gcm;
const FORMAT: u8 = 1;
pub(crate) const NONCE_LENGTH: usize = AEAD.nonce_length();

/// A table that seals every value: `01 | nonce (12) | ciphertext | tag (16)`.
///
/// The associated data are the space and the name of the record, so a value moved under another key does
/// not open. An older value under its own key does: against that, machines keep counters of their own
/// (owner sequence numbers, file numbers). Nonces are random; one key seals at most 2^32 values before
/// their collision would be likelier than 2^-32, and a store is re-sealed by a new key long before.
pub struct Sealed<T> {
    table: T,
    key: Box<dyn AeadKey>,
    dice: Mutex<Dice>,
}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

impl<T: Table> Sealed<T> {
    /// Seals `table` with `key` of [`SEALING_KEY_LENGTH`] bytes.
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] when the key has another length.
    pub fn new(table: T, provider: &dyn Provider, key: &[u8], dice: Dice) -> Result<Self, CryptoError> {
        Ok(Self { table, key: provider.aead(AEAD, key)?, dice: Mutex::new(dice) })
    }

    fn seal(&self, key: &Key, value: &[u8]) -> Result<Vec<u8>, Fault> {
        let nonce: [u8; NONCE_LENGTH] = self.dice.lock().unwrap_or_else(PoisonError::into_inner).bytes();
        let mut buffer = value.to_vec();
        let sealed = self.key.seal(&nonce, &associated(key), &mut buffer);
        sealed.map_err(|_| Fault { detail: "a value could not be sealed".into() })?;
        Ok([&[FORMAT], &nonce[..], &buffer].concat())
    }

    fn open(&self, key: &Key, record: Record) -> Result<Record, Fault> {
        let damaged = || Fault { detail: format!("a value in space {} does not open", key.space.0) };
        let (format, rest) = record.value.split_first().ok_or_else(damaged)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LENGTH).ok_or_else(damaged)?;
        if *format != FORMAT {
            return Err(Fault { detail: "a value was sealed by a newer version".into() });
        }
        let mut buffer = sealed.to_vec();
        self.key.open(nonce, &associated(key), &mut buffer).map_err(|_| damaged())?;
        Ok(Record { version: record.version, value: buffer })
    }

    fn open_page(&self, page: Page) -> Result<Page, Fault> {
        let open = |(key, record)| self.open(&key, record).map(|record| (key, record));
        Ok(Page { records: page.records.into_iter().map(open).collect::<Result<_, _>>()?, more: page.more })
    }
}

fn associated(key: &Key) -> Vec<u8> {
    [&[key.space.0], &key.name[..]].concat()
}

impl<T: Table> Table for Sealed<T> {
    fn get(&self, key: &Key) -> Result<Option<Record>, Fault> {
        self.table.get(key)?.map(|record| self.open(key, record)).transpose()
    }

    fn scan(&self, range: &Range) -> Result<Page, Fault> {
        self.open_page(self.table.scan(range)?)
    }

    fn scan_back(&self, range: &Range) -> Result<Page, Fault> {
        self.open_page(self.table.scan_back(range)?)
    }

    fn snapshot(&self, reads: &ReadSet) -> Result<Snapshot, Fault> {
        let SnapshotParts { records, ranges } = self.table.snapshot(reads)?.into_parts();
        let records = records.into_iter().map(|(key, record)| {
            let opened = record.map(|record| self.open(&key, record)).transpose()?;
            Ok((key, opened))
        });
        let ranges = ranges.into_iter().map(|(range, page)| Ok((range, self.open_page(page)?)));
        let records = records.collect::<Result<Vec<_>, Fault>>()?;
        Ok(Snapshot::new(records, ranges.collect::<Result<Vec<_>, Fault>>()?))
    }

    /// Versions stand outside the sealing, so the back end compares them as they are.
    fn commit(&self, based_on: &Snapshot, batch: &Batch) -> Result<Version, CommitError> {
        let sealed = batch.writes.iter().map(|write| match write {
            Write::Put(key, value) => Ok(Write::Put(key.clone(), self.seal(key, value)?)),
            Write::Delete(key) => Ok(Write::Delete(key.clone())),
        });
        let writes = sealed.collect::<Result<_, Fault>>().map_err(CommitError::Unavailable)?;
        self.table.commit(based_on, &Batch { writes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_server::Server;
    use std::sync::Arc;
    use store::{Memory, Space};

    fn key(name: &str) -> Key {
        Key::new(Space(7), name)
    }

    /// A memory table that the test sees from outside, too.
    struct Shared(Arc<Memory>);

    impl Table for Shared {
        fn get(&self, key: &Key) -> Result<Option<Record>, Fault> {
            self.0.get(key)
        }
        fn scan(&self, range: &Range) -> Result<Page, Fault> {
            self.0.scan(range)
        }
        fn scan_back(&self, range: &Range) -> Result<Page, Fault> {
            self.0.scan_back(range)
        }
        fn snapshot(&self, reads: &ReadSet) -> Result<Snapshot, Fault> {
            self.0.snapshot(reads)
        }
        fn commit(&self, based_on: &Snapshot, batch: &Batch) -> Result<Version, CommitError> {
            self.0.commit(based_on, batch)
        }
    }

    fn put(table: &dyn Table, key: &Key, value: &[u8]) {
        let mut batch = Batch::default();
        batch.put(key.clone(), value);
        table.commit(&Snapshot::default(), &batch).unwrap();
    }

    #[test]
    fn values_rest_sealed_and_open_only_under_their_own_key() {
        let memory = Arc::new(Memory::default());
        let seal = |byte| {
            Sealed::new(Shared(memory.clone()), &Server::new(), &[byte; 32], Dice::numbered(1)).unwrap()
        };
        let sealed = seal(1);
        put(&sealed, &key("a"), b"a private key");
        assert_eq!(sealed.get(&key("a")).unwrap().unwrap().value, b"a private key");
        let at_rest = memory.get(&key("a")).unwrap().unwrap().value;
        assert!(!at_rest.windows(7).any(|part| part == b"private"), "the back end sees no plaintext");
        assert!(seal(2).get(&key("a")).is_err(), "another sealing key opens nothing");
        put(&*memory, &key("b"), &at_rest);
        assert!(sealed.get(&key("b")).is_err(), "a value moved to another record does not open");
        for bad in [&b""[..], &at_rest[..12], &[&[2], &at_rest[1..]].concat()] {
            put(&*memory, &key("a"), bad);
            assert!(sealed.get(&key("a")).is_err());
        }
        let mut flipped = at_rest;
        *flipped.last_mut().unwrap() ^= 1;
        put(&*memory, &key("a"), &flipped);
        assert!(sealed.get(&key("a")).is_err());
    }
}
