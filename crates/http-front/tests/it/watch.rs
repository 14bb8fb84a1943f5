//! What stands between the servers and what they use: a table, a provider and a key that can be watched and
//! stopped.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use clock::Dice;
use crypto::{
    Aead, AeadKey, CryptoError, Digest, Group, HashAlgorithm, KeyExchange, KeyKind, PrivateKey, Provider,
    PublicKey, Secret, SignatureScheme,
};
use store::{
    Batch, CommitError, Fault, Key, Memory, Page, Range, ReadSet, Record, Snapshot, Space, Table, Version,
};

/// A table that remembers what was read, can be exchanged, and can stop serving.
pub(crate) struct Watched {
    table: RwLock<Arc<dyn Table>>,
    reads: Mutex<Vec<ReadSet>>,
    stopped: AtomicBool,
    commits_left: AtomicUsize,
}

impl Watched {
    pub(crate) fn new(table: Arc<dyn Table>) -> Arc<Self> {
        Arc::new(Self {
            table: RwLock::new(table),
            reads: Mutex::default(),
            stopped: AtomicBool::new(false),
            commits_left: AtomicUsize::new(usize::MAX),
        })
    }

    fn table(&self) -> Arc<dyn Table> {
        self.table.read().unwrap().clone()
    }

    /// What was read since the last call, in the order of reading.
    pub(crate) fn taken_reads(&self) -> Vec<ReadSet> {
        std::mem::take(&mut self.reads.lock().unwrap())
    }

    /// Fails every call, or serves again.
    pub(crate) fn stop(&self, stopped: bool) {
        self.stopped.store(stopped, Ordering::SeqCst);
    }

    /// Lets this many commits that change something pass and refuses the ones after them.
    pub(crate) fn allow_commits(&self, count: usize) {
        self.commits_left.store(count, Ordering::SeqCst);
    }

    /// All records of today, as a backup would hold them.
    pub(crate) fn backup(&self) -> Memory {
        let copy = Memory::new();
        let mut batch = Batch::default();
        for (key, record) in self.records() {
            batch.put(key, record.value);
        }
        copy.commit(&Snapshot::new([], []), &batch).expect("memory takes it");
        copy
    }

    /// Goes on with another table, as after a restore.
    pub(crate) fn restore(&self, table: Memory) {
        *self.table.write().unwrap() = Arc::new(table);
    }

    pub(crate) fn records(&self) -> Vec<(Key, Record)> {
        let every = |space| Range { space: Space(space), prefix: Vec::new(), after: None, limit: 100_000 };
        let table = self.table();
        (0..=u8::MAX).flat_map(|space| table.scan(&every(space)).expect("it can be read").records).collect()
    }

    /// Whether `bytes` stand in any name or value.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        let within = |text: &[u8]| text.windows(bytes.len()).any(|part| part == bytes);
        self.records().iter().any(|(key, record)| within(&key.name) || within(&record.value))
    }

    fn serves(&self) -> Result<(), Fault> {
        match self.stopped.load(Ordering::SeqCst) {
            true => Err(Fault { detail: "stopped by the test".into() }),
            false => Ok(()),
        }
    }
}

impl Table for Watched {
    fn get(&self, key: &Key) -> Result<Option<Record>, Fault> {
        self.serves()?;
        self.table().get(key)
    }

    fn scan(&self, range: &Range) -> Result<Page, Fault> {
        self.serves()?;
        self.table().scan(range)
    }

    fn scan_back(&self, range: &Range) -> Result<Page, Fault> {
        self.serves()?;
        self.table().scan_back(range)
    }

    fn snapshot(&self, reads: &ReadSet) -> Result<Snapshot, Fault> {
        self.serves()?;
        self.reads.lock().unwrap().push(reads.clone());
        self.table().snapshot(reads)
    }

    fn commit(&self, based_on: &Snapshot, batch: &Batch) -> Result<Version, CommitError> {
        self.serves().map_err(CommitError::Unavailable)?;
        let step = |left: usize| if left == usize::MAX { Some(left) } else { left.checked_sub(1) };
        if !batch.is_empty()
            && self.commits_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step).is_err()
        {
            return Err(CommitError::Unavailable(Fault { detail: "no more commits".into() }));
        }
        self.table().commit(based_on, batch)
    }
}

/// A private key that can refuse to sign.
pub(crate) struct Stoppable {
    pub(crate) key: Arc<dyn PrivateKey>,
    pub(crate) stopped: AtomicBool,
}

impl PrivateKey for Stoppable {
    fn public(&self) -> &PublicKey {
        self.key.public()
    }

    fn pkcs8(&self) -> Result<Secret, CryptoError> {
        self.key.pkcs8()
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8], dice: &mut Dice) -> Result<Vec<u8>, CryptoError> {
        match self.stopped.load(Ordering::SeqCst) {
            true => Err(CryptoError::Unsupported),
            false => self.key.sign(scheme, message, dice),
        }
    }

    fn agree(&self, peer: &PublicKey) -> Result<Secret, CryptoError> {
        self.key.agree(peer)
    }

    fn oaep_decrypt(&self, hash: HashAlgorithm, label: &[u8], text: &[u8]) -> Result<Secret, CryptoError> {
        self.key.oaep_decrypt(hash, label, text)
    }
}

/// A provider that lists what it was asked to do, with the length of the input.
pub(crate) struct Counting {
    pub(crate) provider: Arc<dyn Provider>,
    done: Mutex<Vec<(&'static str, usize)>>,
}

impl Counting {
    pub(crate) fn new(provider: Arc<dyn Provider>) -> Self {
        Self { provider, done: Mutex::default() }
    }

    /// What was done since the last call.
    pub(crate) fn taken_work(&self) -> Vec<(&'static str, usize)> {
        std::mem::take(&mut self.done.lock().unwrap())
    }

    fn count(&self, what: &'static str, length: usize) {
        self.done.lock().unwrap().push((what, length));
    }
}

fn length(parts: &[&[u8]]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

impl Provider for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn digest(&self, hash: HashAlgorithm, parts: &[&[u8]]) -> Digest {
        self.count("digest", length(parts));
        self.provider.digest(hash, parts)
    }

    fn hmac(&self, hash: HashAlgorithm, key: &[u8], parts: &[&[u8]]) -> Digest {
        self.count("hmac", length(parts));
        self.provider.hmac(hash, key, parts)
    }

    fn tls12_prf(&self, hash: HashAlgorithm, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
        self.count("prf", length(seed));
        self.provider.tls12_prf(hash, secret, label, seed, out);
    }

    fn pbkdf2_sha256(&self, passphrase: &[u8], salt: &[u8], rounds: NonZeroU32, out: &mut [u8]) {
        self.count("pbkdf2", salt.len());
        self.provider.pbkdf2_sha256(passphrase, salt, rounds, out);
    }

    fn aead(&self, aead: Aead, key: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError> {
        self.count("aead", key.len());
        self.provider.aead(aead, key)
    }

    fn cbc_encrypt(&self, key: &[u8], iv: &[u8; 16], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.count("cbc", plaintext.len());
        self.provider.cbc_encrypt(key, iv, plaintext)
    }

    fn cbc_decrypt(&self, key: &[u8], iv: &[u8; 16], ciphertext: &[u8]) -> Result<Secret, CryptoError> {
        self.count("cbc", ciphertext.len());
        self.provider.cbc_decrypt(key, iv, ciphertext)
    }

    fn key_wrap(&self, kek: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.count("wrap", key.len());
        self.provider.key_wrap(kek, key)
    }

    fn key_unwrap(&self, kek: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError> {
        self.count("wrap", wrapped.len());
        self.provider.key_unwrap(kek, wrapped)
    }

    fn generate_key(&self, kind: KeyKind, dice: &mut Dice) -> Result<Arc<dyn PrivateKey>, CryptoError> {
        self.count("generate", 0);
        self.provider.generate_key(kind, dice)
    }

    fn import_key(&self, pkcs8: &[u8]) -> Result<Arc<dyn PrivateKey>, CryptoError> {
        self.count("import", pkcs8.len());
        self.provider.import_key(pkcs8)
    }

    fn check_key(&self, key: &PublicKey) -> Result<(), CryptoError> {
        self.count("check", 0);
        self.provider.check_key(key)
    }

    fn verify(
        &self,
        key: &PublicKey,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        self.count("verify", message.len());
        self.provider.verify(key, scheme, message, signature)
    }

    fn oaep_encrypt(
        &self,
        key: &PublicKey,
        hash: HashAlgorithm,
        label: &[u8],
        plaintext: &[u8],
        dice: &mut Dice,
    ) -> Result<Vec<u8>, CryptoError> {
        self.count("oaep", plaintext.len());
        self.provider.oaep_encrypt(key, hash, label, plaintext, dice)
    }

    fn start_exchange(&self, group: Group, dice: &mut Dice) -> Result<Box<dyn KeyExchange>, CryptoError> {
        self.count("exchange", 0);
        self.provider.start_exchange(group, dice)
    }
}
