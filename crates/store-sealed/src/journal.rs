//! The sealing of journals.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use clock::Dice;
use crypto::{AeadKey, CryptoError, Provider};
use store::{Entry, Fault, Journal, JournalError, Position, Space};

use crate::sealed::{AEAD, NONCE_LENGTH};

const FORMAT: u8 = 1;

/// A journal that seals every value: `01 | nonce (12) | ciphertext | tag (16)`.
///
/// The associated data are the space, `journal` and the name: no value of a table opens here, nor one of another
/// journal. Values of one journal could be put in another order by whoever writes the disk.
pub struct SealedJournal<J> {
    journal: J,
    key: Box<dyn AeadKey>,
    dice: Mutex<Dice>,
}

impl<J> fmt::Debug for SealedJournal<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedJournal(..)")
    }
}

fn associated(space: Space, name: &[u8]) -> Vec<u8> {
    [&[space.0], &b"journal\0"[..], name].concat()
}

impl<J: Journal> SealedJournal<J> {
    /// Seals `journal` with `key` of [`crate::SEALING_KEY_LENGTH`] bytes.
    ///
    /// # Errors
    /// [`CryptoError::BadInput`] when the key has another length.
    pub fn new(journal: J, provider: &dyn Provider, key: &[u8], dice: Dice) -> Result<Self, CryptoError> {
        Ok(Self { journal, key: provider.aead(AEAD, key)?, dice: Mutex::new(dice) })
    }

    fn seal(&self, associated: &[u8], value: &[u8]) -> Result<Vec<u8>, Fault> {
        let nonce: [u8; NONCE_LENGTH] = self.dice.lock().unwrap_or_else(PoisonError::into_inner).bytes();
        let mut buffer = value.to_vec();
        let sealed = self.key.seal(&nonce, associated, &mut buffer);
        sealed.map_err(|_| Fault { detail: "an entry could not be sealed".into() })?;
        Ok([&[FORMAT], &nonce[..], &buffer].concat())
    }

    fn open(&self, associated: &[u8], entry: Entry) -> Result<Entry, Fault> {
        let damaged = || Fault { detail: format!("the entry at {} does not open", entry.position.0) };
        let sealed = entry.value.strip_prefix(&[FORMAT]).ok_or_else(damaged)?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LENGTH).ok_or_else(damaged)?;
        let mut value = sealed.to_vec();
        self.key.open(nonce, associated, &mut value).map_err(|_| damaged())?;
        Ok(Entry { position: entry.position, value })
    }
}

impl<J: Journal> Journal for SealedJournal<J> {
    fn append(&self, space: Space, name: &[u8], values: &[Vec<u8>]) -> Result<Position, JournalError> {
        let associated = associated(space, name);
        let sealed = values.iter().map(|value| self.seal(&associated, value)).collect::<Result<Vec<_>, _>>();
        self.journal.append(space, name, &sealed.map_err(JournalError::Unavailable)?)
    }

    fn read(&self, space: Space, name: &[u8], from: Position, limit: usize) -> Result<Vec<Entry>, Fault> {
        let associated = associated(space, name);
        let entries = self.journal.read(space, name, from, limit)?;
        entries.into_iter().map(|entry| self.open(&associated, entry)).collect()
    }

    fn trim(&self, space: Space, name: &[u8], before: Position) -> Result<(), JournalError> {
        self.journal.trim(space, name, before)
    }
}

#[cfg(test)]
mod tests {
    use crypto_server::Server;
    use store::Memory;

    use super::*;

    #[test]
    fn entries_rest_sealed_and_open_only_in_their_own_journal() {
        let memory = std::sync::Arc::new(Memory::new());
        struct Shared(std::sync::Arc<Memory>);
        impl Journal for Shared {
            fn append(
                &self,
                space: Space,
                name: &[u8],
                values: &[Vec<u8>],
            ) -> Result<Position, JournalError> {
                self.0.append(space, name, values)
            }
            fn read(
                &self,
                space: Space,
                name: &[u8],
                from: Position,
                limit: usize,
            ) -> Result<Vec<Entry>, Fault> {
                self.0.read(space, name, from, limit)
            }
            fn trim(&self, space: Space, name: &[u8], before: Position) -> Result<(), JournalError> {
                self.0.trim(space, name, before)
            }
        }
        let (space, from) = (Space(7), Position(0));
        let seal = |byte| {
            let journal = Shared(memory.clone());
            SealedJournal::new(journal, &Server::new(), &[byte; 32], Dice::numbered(1)).unwrap()
        };
        let journal = seal(1);
        journal.append(space, b"a", &[b"private".to_vec(), b"second".to_vec()]).unwrap();
        assert_eq!(journal.read(space, b"a", Position(1), 9).unwrap()[0].value, b"second");
        let at_rest = memory.read(space, b"a", from, 9).unwrap().remove(0).value;
        assert!(!at_rest.windows(7).any(|part| part == b"private"), "the back end sees no plaintext");
        assert!(seal(2).read(space, b"a", from, 9).is_err(), "another sealing key opens nothing");
        memory.append(space, b"b", &[at_rest]).unwrap();
        assert!(
            journal.read(space, b"b", from, 9).is_err(),
            "a value moved to another journal does not open"
        );
        journal.trim(space, b"a", Position(1)).unwrap();
        assert_eq!(journal.read(space, b"a", from, 9).unwrap().len(), 1);
    }
}
