//! Derived secrets against the oracle's vectors, and what an issuer makes.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use assure_proto::{
    Derivation, DerivationCache, DeriveError, DerivedKey, HeldKey, HeldKeys, IssuerCheckError, KeyDefinition,
    ROUNDS_WRITTEN, RoundBudget, derive_chain,
};
use clock::Dice;
use crypto::{
    Aead, AeadKey, CryptoError, Curve, Digest, Group, HashAlgorithm, KeyExchange, KeyKind, PrivateKey,
    Provider, PublicKey, Secret, SignatureScheme,
};
use crypto_portable::Portable;
use crypto_server::Server;
use model::KeyId;
use serde_json::Value;

use crate::vectors::{self, OwnKey, hex, id, load, name, providers, reason};

struct Held(Vec<(KeyId, OwnKey)>);

impl Held {
    /// `None` when the provider lacks the private keys of the vector.
    fn read(provider: &dyn Provider, vector: &Value) -> Option<Self> {
        let held = vector["held"].as_array().unwrap();
        let keys = held.iter().map(|key| Some((id(key, "key_id"), OwnKey::read(provider, key)?)));
        keys.collect::<Option<_>>().map(Self)
    }

    fn secret(id: KeyId, secret: &Secret) -> Self {
        Self(vec![(id, OwnKey::Secret(secret.clone()))])
    }
}

impl HeldKeys for Held {
    fn held_key(&self, id: KeyId) -> Option<HeldKey<'_>> {
        self.0.iter().find(|(held, _)| *held == id).map(|(_, key)| key.held())
    }

    fn is_root_secret(&self, secret: &Secret) -> bool {
        secret.expose() == [0xee; 32]
    }
}

/// Counts PBKDF2 rounds; else the portable provider.
struct Counting(AtomicU32);

impl Counting {
    const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    fn rounds(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Provider for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }
    fn digest(&self, hash: HashAlgorithm, parts: &[&[u8]]) -> Digest {
        Portable.digest(hash, parts)
    }
    fn hmac(&self, hash: HashAlgorithm, key: &[u8], parts: &[&[u8]]) -> Digest {
        Portable.hmac(hash, key, parts)
    }
    fn tls12_prf(&self, hash: HashAlgorithm, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
        Portable.tls12_prf(hash, secret, label, seed, out);
    }
    fn pbkdf2_sha256(&self, passphrase: &[u8], salt: &[u8], rounds: NonZeroU32, out: &mut [u8]) {
        self.0.fetch_add(rounds.get(), Ordering::Relaxed);
        Portable.pbkdf2_sha256(passphrase, salt, rounds, out);
    }
    fn aead(&self, aead: Aead, key: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError> {
        Portable.aead(aead, key)
    }
    fn cbc_encrypt(&self, key: &[u8], iv: &[u8; 16], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Portable.cbc_encrypt(key, iv, plaintext)
    }
    fn cbc_decrypt(&self, key: &[u8], iv: &[u8; 16], ciphertext: &[u8]) -> Result<Secret, CryptoError> {
        Portable.cbc_decrypt(key, iv, ciphertext)
    }
    fn key_wrap(&self, kek: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Portable.key_wrap(kek, key)
    }
    fn key_unwrap(&self, kek: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError> {
        Portable.key_unwrap(kek, wrapped)
    }
    fn generate_key(&self, kind: KeyKind, dice: &mut Dice) -> Result<Arc<dyn PrivateKey>, CryptoError> {
        Portable.generate_key(kind, dice)
    }
    fn import_key(&self, pkcs8: &[u8]) -> Result<Arc<dyn PrivateKey>, CryptoError> {
        Portable.import_key(pkcs8)
    }
    fn check_key(&self, key: &PublicKey) -> Result<(), CryptoError> {
        Portable.check_key(key)
    }
    fn verify(
        &self,
        key: &PublicKey,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        Portable.verify(key, scheme, message, signature)
    }
    fn oaep_encrypt(
        &self,
        key: &PublicKey,
        hash: HashAlgorithm,
        label: &[u8],
        plaintext: &[u8],
        dice: &mut Dice,
    ) -> Result<Vec<u8>, CryptoError> {
        Portable.oaep_encrypt(key, hash, label, plaintext, dice)
    }
    fn start_exchange(&self, group: Group, dice: &mut Dice) -> Result<Box<dyn KeyExchange>, CryptoError> {
        Portable.start_exchange(group, dice)
    }
}

fn derived(bytes: &[u8]) -> DerivedKey {
    match KeyDefinition::decode(bytes) {
        Ok(KeyDefinition::Derived(derived)) => derived,
        other => panic!("not a derived key: {other:?}"),
    }
}

fn fits(reason: &str, error: DeriveError) -> bool {
    match error {
        DeriveError::ReferenceUnknown => reason == "reference-unknown",
        DeriveError::SaltLength => reason == "salt-length",
        DeriveError::SecretLength => matches!(reason, "encrypted-secret-length" | "secret-length"),
        DeriveError::NoRounds => reason == "rounds-zero",
        DeriveError::TooManyRounds => reason == "rounds-too-many",
        DeriveError::NotOpened => reason.starts_with("cms-"),
        DeriveError::IsRoot => reason == "output-is-root",
        DeriveError::NotInOrder => false,
    }
}

// verifies: ASSURE-6.1-06, ASSURE-6.1-07, ASSURE-7.2-18, ASSURE-7.2-19, ASSURE-7.2-20, ASSURE-7.2-21
// verifies: ASSURE-7.2-23, ASSURE-7.2-24, ASSURE-7.2-25, ASSURE-7.2-26, ASSURE-7.2-27, ASSURE-7.2-28
// verifies: ASSURE-7.2-30, ASSURE-7.2-31, ASSURE-7.2-33, ASSURE-7.2-34, TS-L11
#[test]
fn derivations_of_the_oracle_give_the_same_secrets() {
    let file = load("keys.json");
    let mut run = [0, 0];
    for vector in vectors::vectors(&file).iter().filter(|vector| vector["kind"] == "use") {
        for (which, provider) in providers().into_iter().enumerate() {
            let Some(held) = Held::read(provider, vector) else { continue };
            run[which] += 1;
            let mut budget = match vector["limit"].as_str() {
                Some("handshake") => RoundBudget::handshake(),
                Some("signed") => RoundBudget::signed_key(),
                other => panic!("limit {other:?}"),
            };
            let outcome = derived(&hex(vector, "bytes")).derive(provider, &held, &mut budget);
            match (reason(vector), outcome) {
                (None, Ok(secret)) => {
                    assert_eq!(secret.expose(), hex(vector, "secret"), "{}", name(vector));
                    let spent = vectors::number(vector, "rounds_spent");
                    assert_eq!(budget.spent(), spent, "{}", name(vector));
                }
                (Some(reason), Err(error)) => {
                    assert!(fits(reason, error), "{}: {error:?} for {reason}", name(vector));
                }
                (expected, outcome) => panic!("{}: {outcome:?} for {expected:?}", name(vector)),
            }
        }
    }
    assert!(run[0] > 30 && run[1] > run[0], "{run:?}: the server provider runs the RSA references too");
}

// verifies: ASSURE-7.2-23
#[test]
fn an_issuer_refuses_a_key_whose_derivations_differ() {
    let file = load("keys.json");
    let issue: Vec<_> = vectors::vectors(&file).iter().filter(|v| v["kind"] == "issue").collect();
    assert_eq!(issue.len(), 2);
    for vector in issue {
        for provider in providers() {
            let held = Held::read(provider, vector).expect("EC and secrets only");
            let outcome = derived(&hex(vector, "bytes")).check_all(provider, &held);
            match reason(vector) {
                None => assert!(outcome.is_ok(), "{}", name(vector)),
                Some(_) => assert_eq!(outcome, Err(IssuerCheckError::Differ), "{}", name(vector)),
            }
        }
    }
}

fn id_of(number: u8) -> KeyId {
    KeyId([number; 16])
}

fn secret_of(number: u8) -> Secret {
    Secret::new(vec![number; 32])
}

fn one_way(salt: Vec<u8>, rounds: u32, encrypted_secret: Vec<u8>) -> DerivedKey {
    DerivedKey::new(id_of(9), vec![Derivation { reference: id_of(1), salt, rounds, encrypted_secret }])
        .unwrap()
}

// verifies: ASSURE-7.2-34, TS-M2
#[test]
fn ts_m2_what_could_reach_the_root_is_refused_before_any_round() {
    let held = Held::secret(id_of(1), &secret_of(1));
    let counting = Counting::new();
    let refused = |key: DerivedKey| key.derive(&counting, &held, &mut RoundBudget::signed_key()).err();
    for salt_length in [0, 15, 17, 27] {
        let key = one_way(vec![7; salt_length], 1000, vec![0; 32]);
        assert_eq!(refused(key), Some(DeriveError::SaltLength), "{salt_length}");
    }
    for length in (0..16).chain([65, 289]) {
        let key = one_way(vec![7; 16], 1000, vec![0; length]);
        assert_eq!(refused(key), Some(DeriveError::SecretLength), "{length}");
    }
    assert_eq!(refused(one_way(vec![7; 16], 0, vec![0; 32])), Some(DeriveError::NoRounds));
    assert_eq!(refused(one_way(vec![7; 16], 100_001, vec![0; 32])), Some(DeriveError::TooManyRounds));
    assert_eq!(counting.rounds(), 0);
    for length in [16, 64] {
        let key = one_way(vec![7; 16], 1, vec![0; length]);
        let secret = key.derive(&counting, &held, &mut RoundBudget::signed_key()).unwrap();
        assert_eq!(secret.len(), length);
    }
}

// verifies: TS-M2
#[test]
fn an_outcome_equal_to_a_root_secret_is_refused() {
    let held = Held::secret(id_of(1), &secret_of(1));
    let root = Secret::new(vec![0xee; 32]);
    let mut dice = Dice::numbered(1);
    let way = Derivation::from_secret(&Portable, id_of(1), &secret_of(1), &root, &mut dice).unwrap();
    let key = DerivedKey::new(id_of(9), vec![way]).unwrap();
    let outcome = key.derive(&Portable, &held, &mut RoundBudget::signed_key());
    assert_eq!(outcome, Err(DeriveError::IsRoot));
}

// verifies: ASSURE-6.1-09, ASSURE-7.2-23, ASSURE-7.2-27, ASSURE-7.2-29
#[test]
fn both_holders_of_an_issued_key_derive_one_secret() {
    let mut dice = Dice::numbered(2);
    for provider in providers() {
        let secret = Secret::new(dice.bytes::<32>().to_vec());
        let owner = provider.generate_key(KeyKind::Ec(Curve::P256), &mut dice).unwrap();
        let device = Derivation::from_secret(provider, id_of(1), &secret_of(1), &secret, &mut dice).unwrap();
        let to_owner = Derivation::for_public_key(provider, id_of(2), owner.public(), &secret, &mut dice);
        let to_owner = to_owner.unwrap();
        assert_eq!((device.salt.len(), device.rounds), (16, ROUNDS_WRITTEN.get()));
        assert_eq!((to_owner.salt.len(), to_owner.rounds), (0, 0));
        let key = DerivedKey::new(id_of(9), vec![device]).unwrap().with(to_owner).unwrap();
        let device = Held::secret(id_of(1), &secret_of(1));
        let owner = Held(vec![(id_of(2), OwnKey::Private(owner))]);
        let stranger = Held::secret(id_of(3), &secret_of(3));
        let derive = |held: &Held| key.derive(provider, held, &mut RoundBudget::signed_key());
        assert_eq!(derive(&device), Ok(secret.clone()));
        assert_eq!(derive(&owner), Ok(secret));
        assert_eq!(derive(&stranger), Err(DeriveError::ReferenceUnknown));
    }
}

// verifies: ASSURE-7.2-23, TS-M3
#[test]
fn a_receiver_with_two_references_computes_one_derivation() {
    let mut dice = Dice::numbered(3);
    let secret = secret_of(5);
    let ways = [1, 2]
        .map(|n| Derivation::from_secret(&Portable, id_of(n), &secret_of(n), &secret, &mut dice).unwrap());
    let key = DerivedKey::new(id_of(9), ways.to_vec()).unwrap();
    let held = Held([1, 2].map(|n| (id_of(n), OwnKey::Secret(secret_of(n)))).into());
    let counting = Counting::new();
    assert_eq!(key.derive(&counting, &held, &mut RoundBudget::signed_key()), Ok(secret));
    assert_eq!(counting.rounds(), 1000);
}

// verifies: ASSURE-6.1-06, ASSURE-7.2-34
#[test]
fn a_key_has_one_to_eight_derivations() {
    let way = Derivation { reference: id_of(1), salt: vec![1; 16], rounds: 1, encrypted_secret: vec![2; 16] };
    assert_eq!(DerivedKey::new(id_of(9), vec![]), None);
    assert_eq!(DerivedKey::new(id_of(9), vec![way.clone(); 9]), None);
    let eight = DerivedKey::new(id_of(9), vec![way.clone(); 8]).unwrap();
    let bytes = KeyDefinition::Derived(eight.clone()).encode();
    assert_eq!(KeyDefinition::decode(&bytes), Ok(KeyDefinition::Derived(eight.clone())));
    assert_eq!(eight.with(way), None);
    assert!(
        Derivation::from_secret(
            &Portable,
            id_of(1),
            &secret_of(1),
            &Secret::new(vec![0; 15]),
            &mut Dice::numbered(1)
        )
        .is_none()
    );
    assert!(
        Derivation::from_secret(
            &Portable,
            id_of(1),
            &secret_of(1),
            &Secret::new(vec![0; 65]),
            &mut Dice::numbered(1)
        )
        .is_none()
    );
}

/// A chain of `count` keys below the device key 1, each with the given rounds.
fn chain(count: u8, rounds: u32) -> Vec<KeyDefinition> {
    (0..count)
        .map(|at| {
            let reference = id_of(1 + at);
            let way = Derivation { reference, salt: vec![at; 16], rounds, encrypted_secret: vec![at; 32] };
            KeyDefinition::Derived(DerivedKey::new(id_of(2 + at), vec![way]).unwrap())
        })
        .collect()
}

// verifies: ASSURE-15.3-02, ASSURE-15.3-03
#[test]
fn a_hinted_chain_is_followed_in_its_order_only() {
    let device = Held::secret(id_of(1), &secret_of(1));
    let derive = |chain: &[KeyDefinition]| {
        let mut cache = DerivationCache::new();
        derive_chain(&Server, &device, id_of(1), chain, &mut RoundBudget::handshake(), &mut cache)
    };
    let two = chain(2, 1000);
    let first = derive(&two[..1]).unwrap();
    let KeyDefinition::Derived(second) = &two[1] else { unreachable!("the chain has derived keys") };
    let expected =
        second.derive(&Server, &Held::secret(id_of(2), &first), &mut RoundBudget::handshake()).unwrap();
    assert_eq!(derive(&two), Ok(expected));
    let reversed: Vec<_> = two.iter().rev().cloned().collect();
    assert_eq!(derive(&reversed), Err(DeriveError::NotInOrder));
    assert_eq!(derive(&two[1..]), Err(DeriveError::NotInOrder));
    assert_eq!(derive(&[]), Err(DeriveError::NotInOrder));
}

// verifies: TS-M3
#[test]
fn ts_m3_a_chain_stops_within_20000_rounds_and_a_repeat_costs_none() {
    let device = Held::secret(id_of(1), &secret_of(1));
    let counting = Counting::new();
    let mut cache = DerivationCache::new();
    let mut derive = |chain: &[KeyDefinition], budget: &mut RoundBudget| {
        derive_chain(&counting, &device, id_of(1), chain, budget, &mut cache)
    };
    let greedy = derive(&chain(8, 100_000), &mut RoundBudget::handshake());
    assert_eq!(greedy, Err(DeriveError::TooManyRounds));
    assert_eq!(counting.rounds(), 0);
    let mut budget = RoundBudget::handshake();
    assert_eq!(derive(&chain(3, 9000), &mut budget), Err(DeriveError::TooManyRounds));
    assert_eq!((budget.spent(), counting.rounds()), (18_000, 18_000));
    let mut budget = RoundBudget::handshake();
    let first = derive(&chain(2, 1000), &mut budget).unwrap();
    assert_eq!((budget.spent(), counting.rounds()), (2000, 20_000));
    let mut budget = RoundBudget::handshake();
    assert_eq!(derive(&chain(2, 1000), &mut budget), Ok(first));
    assert_eq!((budget.spent(), counting.rounds()), (0, 20_000), "computed once");
    assert_eq!(derive(&chain(9, 1), &mut RoundBudget::handshake()), Err(DeriveError::TooManyRounds));
}
