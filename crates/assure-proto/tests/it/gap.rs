//! Air-gap files and the trust bundle.

use std::sync::Arc;

use assure_proto::{
    AuthenticatedKey, AuthoritySecrets, BootstrapKey, CaseHash, Class, Derivation, DerivedKey, DeviceTrust,
    EnrolRequest, GAP_FILE_LENGTH_MAX, GapContent, GapError, GapFile, GapHeader, GapKind, GapRole, GapSender,
    GapSequence, GapTurn, IssuedSecret, KeyDefinition, Metadata, OwnerSecret, REFILL_MAX, RegistrationKeys,
    RejectReason, SignatureError, Signer, SimpleTime, TRUST_BUNDLE_LENGTH_MAX, TrustBundle, TrustBundleError,
    TrustSecrets, Validity, enrolment_fingerprint, key_fingerprint, seal_gap_file, write_enrolment,
};
use clock::Dice;
use crypto::{CryptoError, Curve, KeyKind, PrivateKey, Provider, PublicKey, Secret};
use model::{KeyId, Uuid};
use serde_json::Value;
use wire::{DecodeError, Reason};

use crate::counting::Counting;
use crate::reject;
use crate::vectors::{self, hex, id, load, name, number, providers, reason};

const NOW: Validity = Validity::since(SimpleTime { secs: 520_000_000 });
const IDENTITY: Uuid = Uuid([1; 16]);
const REGISTRATION: Uuid = Uuid([2; 16]);
const GAP_KEY: KeyId = KeyId([3; 16]);

/// A party of the oracle's world by its id, or its EC root.
fn party<'a>(world: &'a Value, party_id: &[u8]) -> Option<&'a Value> {
    let parties = ["identity", "registration", "bootstrap", "gateway"].map(|word| &world[word]);
    parties.into_iter().find(|party| hex(party, "party_id") == party_id)
}

fn public(definition: &[u8]) -> PublicKey {
    KeyDefinition::decode(definition).unwrap().public_key().unwrap().clone()
}

/// Reads a file as its recipient in the oracle's world does.
fn read(provider: &dyn Provider, world: &Value, vector: &Value) -> Result<(Vec<u8>, u32), &'static str> {
    let bytes = hex(vector, "bytes");
    let file = GapFile::decode(&bytes).map_err(|_| "malformed")?;
    let me = Uuid(hex(vector, "me").try_into().unwrap());
    let own = provider.import_key(&hex(&party(world, &me.0).unwrap()["gap_key"], "private_key")).unwrap();
    let content = if file.kind() == GapKind::EnrolRequest {
        let request = file.open_enrolment(provider, &me).map_err(told)?;
        assert_eq!(enrolment_fingerprint(provider, &request)[..], hex(vector, "fingerprint"));
        GapContent::EnrolRequest(request)
    } else {
        let from = party(world, &file.header().from.0).ok_or("sender")?;
        let signer = if file.kind() == GapKind::EnrolAnswer { &world["root_ec"] } else { &from["gap_key"] };
        let key = public(&hex(signer, "definition"));
        let sender = GapSender { id: file.header().from, key_id: id(signer, "key_id"), key: &key };
        file.open(provider, &me, &*own, sender).map_err(told)?
    };
    match GapSequence::after(number(vector, "last")).judge(file.header().sequence_number) {
        GapTurn::Take(_) => Ok((content.encode().to_vec(), file.header().sequence_number)),
        GapTurn::Skip => Err("repeated"),
        GapTurn::Hole { missing } => {
            assert_eq!(missing, number(vector, "missing"), "{}", name(vector));
            Err("hole")
        }
    }
}

fn told(error: GapError) -> &'static str {
    match error {
        GapError::Malformed(_) => "malformed",
        GapError::OtherKind => "kind",
        GapError::OtherRecipient => "recipient",
        GapError::OtherSender => "sender",
        GapError::Signature(_) => "signature",
        GapError::Encryption(_) => "encryption",
    }
}

#[test]
fn air_gap_files_of_the_oracle_are_read_alike() {
    let file = load("gap.json");
    let world = &file["world"];
    let mut kinds = Vec::new();
    for vector in vectors::vectors(&file).iter().filter(|v| v.get("kind").is_none()) {
        for provider in providers() {
            let outcome = read(provider, world, vector);
            let expected = match reason(vector) {
                None => {
                    let (content, sequence_number) =
                        outcome.unwrap_or_else(|told| panic!("{}: {told}", name(vector)));
                    if let Some(plaintext) = vectors::hex_if(vector, "plaintext") {
                        assert_eq!(content, plaintext, "{}", name(vector));
                        kinds.push(number(vector, "gap_kind"));
                        let to = Uuid(hex(vector, "to_id").try_into().unwrap());
                        let header = GapHeader { from: IDENTITY, to, sequence_number };
                        assert_eq!(header.file_name(), vector["file_name"].as_str().unwrap());
                    }
                    continue;
                }
                Some("gap-repeated") => &["repeated", "malformed"][..],
                Some("gap-hole") => &["hole"],
                Some("gap-recipient") => &["recipient"],
                Some("gap-sender") => &["sender"],
                Some("bad-signature") => &["signature", "malformed"],
                Some(code) if code.starts_with("cms") => &["encryption"],
                Some(_) => &["malformed"],
            };
            let Err(refused) = outcome else { panic!("{}: accepted", name(vector)) };
            assert!(expected.contains(&refused), "{}: {refused} for {expected:?}", name(vector));
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn trust_bundles_of_the_oracle_are_read_alike() {
    let file = load("gap.json");
    let mut bundles = 0;
    for vector in vectors::vectors(&file).iter().filter(|v| v["kind"] == "bundle") {
        for provider in providers() {
            let read = TrustBundle::decode(provider, &hex(vector, "bytes"));
            if reason(vector).is_some() {
                assert!(read.is_err(), "{}", name(vector));
                continue;
            }
            let bundle = read.unwrap();
            bundles += 1;
            assert_eq!(bundle.authority.0, id(vector, "ta_id").0);
            assert_eq!(bundle.generation, number(vector, "generation"));
            assert_eq!(bundle.identity_key.spki(), hex(vector, "upload_spki"));
            let roots = [&bundle.ec_root, &bundle.rsa_root].map(|root| model::hex(&root.encode()));
            assert_eq!(serde_json::json!(roots), vector["roots"]);
        }
    }
    assert_eq!(bundles, 2);
    for vector in vectors::vectors(&file).iter().filter(|v| v["kind"] == "name") {
        let to = vector["to_text"].as_str().unwrap().parse().unwrap();
        let header = GapHeader { from: IDENTITY, to, sequence_number: number(vector, "sequence") };
        assert_eq!(header.file_name(), vector["file_name"].as_str().unwrap());
    }
}

fn key(provider: &dyn Provider, curve: Curve, run: u64) -> Arc<dyn PrivateKey> {
    provider.generate_key(KeyKind::Ec(curve), &mut Dice::numbered(run)).unwrap()
}

struct Issuer<'a> {
    provider: &'a dyn Provider,
    dice: Dice,
}

impl Issuer<'_> {
    fn derived(&mut self, id: u8) -> (DerivedKey, Secret) {
        let (reference, secret) = (Secret::new(vec![1; 32]), Secret::new(vec![id; 32]));
        let way = Derivation::from_secret(self.provider, KeyId([9; 16]), &reference, &secret, &mut self.dice);
        (DerivedKey::new(KeyId([id; 16]), vec![way.unwrap()]).unwrap(), secret)
    }

    fn issued(&mut self, id: u8) -> IssuedSecret {
        let (derived, secret) = self.derived(id);
        let root = Secret::new(vec![0xee; 32]);
        let signer = Signer::with_secret(KeyId([0xee; 16]), Class::TrustedAuthority, &root);
        let definition = KeyDefinition::Derived(derived);
        let key = AuthenticatedKey::issue(
            self.provider,
            Class::TrustedAuthority,
            &definition,
            Metadata::of_generation(1),
            &signer,
            NOW,
            &mut self.dice,
        );
        IssuedSecret { secret, key: key.unwrap() }
    }

    fn pool(&mut self, count: u8) -> Vec<OwnerSecret> {
        (0..count)
            .map(|index| self.derived(0x40 + index))
            .map(|(definition, secret)| OwnerSecret { definition, secret })
            .collect()
    }
}

/// One content of each shape.
fn contents(provider: &dyn Provider) -> Vec<GapContent> {
    let mut issuer = Issuer { provider, dice: Dice::numbered(11) };
    let (device, maker) = (Uuid([4; 16]), Uuid([5; 16]));
    let public = key(provider, Curve::P256, 12).public().clone();
    let gap_key = KeyDefinition::public(GAP_KEY, public.clone());
    let registration = |keys| GapContent::IssueRegistration {
        device,
        maker,
        case_hash: CaseHash([6; 32]),
        parameter_set: Uuid([7; 16]),
        keys,
    };
    let (signing, wrapping) = (issuer.issued(0x20), issuer.issued(0x21));
    let secrets =
        AuthoritySecrets { signing: signing.clone(), wrapping: wrapping.clone(), pool: issuer.pool(1) };
    let of_registration = TrustSecrets::Registration(Box::new(secrets));
    let of_bootstrap = TrustSecrets::Bootstrap(Box::new(wrapping.clone()));
    let trust = |secrets| DeviceTrust { device, secrets };
    let (pool, request) = (issuer.pool(8), Uuid([6; 16]));
    vec![
        GapContent::Submit { maker, device, blob: vec![8; 300] },
        registration(RegistrationKeys::Ec),
        registration(RegistrationKeys::Rsa),
        registration(RegistrationKeys::SharedSecret(Box::new(AuthoritySecrets {
            signing,
            wrapping: wrapping.clone(),
            pool,
        }))),
        GapContent::IssueBootstrap { device, json: b"{}".to_vec(), key: BootstrapKey::Public(public) },
        GapContent::IssueBootstrap {
            device,
            json: b"{}".to_vec(),
            key: BootstrapKey::Secret(Box::new(wrapping.clone())),
        },
        GapContent::Rejected { device, reason: RejectReason::UnknownStation },
        GapContent::Refill { device, request, pool: Vec::new() },
        GapContent::Refill { device, request, pool: issuer.pool(2) },
        GapContent::EnrolRequest(EnrolRequest {
            role: GapRole::Registration,
            gap_key: gap_key.clone(),
            keys: vec![(Class::TrustedAuthority, gap_key.clone())],
        }),
        GapContent::EnrolAnswer { gap_key, keys: vec![wrapping.key.clone()], generation: 1 },
        GapContent::NewGeneration {
            generation: 2,
            keys: vec![wrapping.key],
            devices: vec![trust(of_registration), trust(of_bootstrap)],
        },
    ]
}

// verifies: ASSURE-5.1-02
#[test]
fn every_kind_of_content_is_read_back_and_nothing_else() {
    let provider = providers()[0];
    for content in contents(provider) {
        let kind = content.kind();
        let good = content.encode();
        assert_eq!(GapContent::decode(kind, &good), Ok(content.clone()));
        reject::cuts_and_additions(&good, |bytes| GapContent::decode(kind, bytes));
        reject::flips(&good, |bytes| GapContent::decode(kind, bytes));
        for other in GapKind::ALL.into_iter().filter(|other| *other != kind) {
            assert!(GapContent::decode(other, &good).is_err(), "{kind:?} read as {other:?}");
        }
        assert_eq!(GapKind::from_number(kind.number().into()), Some(kind));
    }
    assert_eq!(GapKind::from_number(8), None);
}

// verifies: ASSURE-6.2.3-03
#[test]
fn secrets_in_contents_are_not_shown() {
    let provider = providers()[0];
    let mut issuer = Issuer { provider, dice: Dice::numbered(1) };
    let content = GapContent::Refill { device: Uuid([4; 16]), request: Uuid([6; 16]), pool: issuer.pool(1) };
    let shown = format!("{content:?}");
    assert!(shown.contains("Secret(32 bytes)"), "{shown}");
    assert!(!shown.contains("64, 64, 64, 64"), "{shown}");
}

#[test]
fn lists_over_their_limits_are_refused() {
    let mut issuer = Issuer { provider: providers()[0], dice: Dice::numbered(1) };
    let one = issuer.pool(1).remove(0);
    let (device, request) = (Uuid([4; 16]), Uuid([6; 16]));
    let with = |count| GapContent::Refill { device, request, pool: vec![one.clone(); count] };
    let most = with(REFILL_MAX);
    assert_eq!(GapContent::decode(GapKind::Refill, &most.encode()), Ok(most));
    let over = GapContent::decode(GapKind::Refill, &with(REFILL_MAX + 1).encode());
    assert_eq!(over.unwrap_err().reason, Reason::OverLimit);
    let long = vec![0x88; GAP_FILE_LENGTH_MAX + 1];
    assert_eq!(GapFile::decode(&long), Err(DecodeError::new(GAP_FILE_LENGTH_MAX, Reason::OverLimit)));
}

// verifies: ASSURE-5.1-02
#[test]
fn files_are_for_one_recipient_from_one_sender() {
    for provider in providers() {
        let counting = Counting::new(provider);
        let (own, other) = (key(provider, Curve::P256, 1), key(provider, Curve::P256, 2));
        let header = GapHeader { from: REGISTRATION, to: IDENTITY, sequence_number: 3 };
        let content = GapContent::Rejected { device: Uuid([4; 16]), reason: RejectReason::Malformed };
        let signer = Signer::with_private_key(GAP_KEY, Class::TrustedAuthority, &*other);
        let dice = &mut Dice::numbered(3);
        let bytes = seal_gap_file(provider, &header, &content, own.public(), &signer, NOW, dice).unwrap();
        let file = GapFile::decode(&bytes).unwrap();
        assert_eq!((file.header(), file.kind()), (header, GapKind::Rejected));
        let sender = GapSender { id: REGISTRATION, key_id: GAP_KEY, key: other.public() };
        let open = |me: Uuid, sender| file.open(&counting, &me, &*own, sender);
        assert_eq!(open(REGISTRATION, sender), Err(GapError::OtherRecipient));
        assert_eq!(open(IDENTITY, GapSender { id: IDENTITY, ..sender }), Err(GapError::OtherSender));
        assert_eq!(
            open(IDENTITY, GapSender { key_id: KeyId([0; 16]), ..sender }),
            Err(GapError::OtherSender)
        );
        let stranger = GapSender { key: own.public(), ..sender };
        assert_eq!(open(IDENTITY, stranger), Err(GapError::Signature(SignatureError::NotGenuine)));
        assert_eq!(counting.decryptions(), 0, "the signature is checked first");
        assert_eq!(file.open_enrolment(&counting, &IDENTITY), Err(GapError::OtherKind));
        assert_eq!(open(IDENTITY, sender), Ok(content));
        assert!(counting.decryptions() > 0);
        let wrong = file.open(provider, &IDENTITY, &*other, sender);
        assert!(matches!(wrong, Err(GapError::Encryption(_))), "{wrong:?}");
    }
}

#[test]
fn malformed_files_are_refused_and_no_changed_bit_is_accepted() {
    let provider = providers()[1];
    let (own, other) = (key(provider, Curve::P256, 1), key(provider, Curve::P256, 2));
    let header = GapHeader { from: REGISTRATION, to: IDENTITY, sequence_number: 3 };
    let content = GapContent::Rejected { device: Uuid([4; 16]), reason: RejectReason::Malformed };
    let signer = Signer::with_private_key(GAP_KEY, Class::TrustedAuthority, &*other);
    let dice = &mut Dice::numbered(3);
    let good = seal_gap_file(provider, &header, &content, own.public(), &signer, NOW, dice).unwrap();
    reject::cuts_and_additions(&good, |bytes| GapFile::decode(bytes).map(|file| file.header()));
    let sender = GapSender { id: REGISTRATION, key_id: GAP_KEY, key: other.public() };
    for (at, bit) in reject::every_bit(&good) {
        let mut changed = good.clone();
        changed[at] ^= bit;
        let opened = GapFile::decode(&changed).map(|file| file.open(provider, &IDENTITY, &*own, sender));
        assert!(!matches!(opened, Ok(Ok(_))), "bit {bit:02x} of byte {at}");
    }
    let zero = GapHeader { sequence_number: 0, ..header };
    let refused = seal_gap_file(provider, &zero, &content, own.public(), &signer, NOW, dice);
    assert_eq!(refused, Err(CryptoError::BadInput));
}

#[test]
fn a_request_for_enrolment_is_signed_by_the_key_in_it() {
    for provider in providers() {
        let (gap, other) = (key(provider, Curve::P256, 1), key(provider, Curve::P256, 2));
        let header = GapHeader { from: REGISTRATION, to: IDENTITY, sequence_number: 1 };
        let request = EnrolRequest {
            role: GapRole::Registration,
            gap_key: KeyDefinition::public(GAP_KEY, gap.public().clone()),
            keys: vec![(
                Class::TrustedAuthority,
                KeyDefinition::public(KeyId([8; 16]), other.public().clone()),
            )],
        };
        let write = |signer_id, signer: &dyn PrivateKey| {
            let signer = Signer::with_private_key(signer_id, Class::TrustedAuthority, signer);
            write_enrolment(provider, &header, request.clone(), &signer, NOW, &mut Dice::numbered(3))
        };
        assert_eq!(write(KeyId([0; 16]), &*gap), Err(CryptoError::WrongKey));
        let forged = write(GAP_KEY, &*other).unwrap();
        let refused = GapFile::decode(&forged).unwrap().open_enrolment(provider, &IDENTITY);
        assert_eq!(refused, Err(GapError::Signature(SignatureError::NotGenuine)));
        let good = write(GAP_KEY, &*gap).unwrap();
        let file = GapFile::decode(&good).unwrap();
        assert_eq!(file.open_enrolment(provider, &REGISTRATION), Err(GapError::OtherRecipient));
        let read = file.open_enrolment(provider, &IDENTITY).unwrap();
        assert_eq!(read, request);
        let changed = EnrolRequest { role: GapRole::Bootstrap, ..request.clone() };
        assert_ne!(enrolment_fingerprint(provider, &read), enrolment_fingerprint(provider, &changed));
        let sender = GapSender { id: REGISTRATION, key_id: GAP_KEY, key: gap.public() };
        assert_eq!(file.open(provider, &IDENTITY, &*gap, sender), Err(GapError::OtherKind));
    }
}

#[test]
fn files_are_taken_in_order_only() {
    let start = GapSequence::START;
    assert_eq!(start.next(), Some(1));
    assert_eq!(start.judge(2), GapTurn::Hole { missing: 1 });
    let GapTurn::Take(first) = start.judge(1) else { panic!("the first file is taken") };
    assert_eq!(first.last(), 1);
    assert_eq!(first.judge(1), GapTurn::Skip);
    assert_eq!(first.judge(0), GapTurn::Skip);
    assert_eq!(first.judge(u32::MAX), GapTurn::Hole { missing: 2 });
    assert!(matches!(first.judge(2), GapTurn::Take(second) if second.last() == 2));
    let last = GapSequence::after(u32::MAX);
    assert_eq!((last.next(), last.judge(u32::MAX)), (None, GapTurn::Skip));
}

fn bundle(provider: &dyn Provider, root: &dyn PrivateKey) -> TrustBundle {
    let rsa = load("gap.json");
    let rsa_root = KeyDefinition::decode(&hex(&rsa["world"]["root_rsa"], "definition")).unwrap();
    TrustBundle {
        authority: IDENTITY,
        ec_root: KeyDefinition::public(GAP_KEY, root.public().clone()),
        rsa_root,
        generation: 1,
        identity_key: key(provider, Curve::P521, 5).public().clone(),
    }
}

#[test]
fn a_trust_bundle_is_signed_by_its_own_ec_root() {
    for provider in providers() {
        let (root, other) = (key(provider, Curve::P256, 1), key(provider, Curve::P256, 2));
        let bundle = bundle(provider, &*root);
        let write = |bundle: &TrustBundle, key_id, signing: &dyn PrivateKey| {
            let signer = Signer::with_private_key(key_id, Class::TrustedAuthority, signing);
            bundle.encode(provider, &signer, NOW, &mut Dice::numbered(3))
        };
        let good = write(&bundle, GAP_KEY, &*root).unwrap();
        assert_eq!(TrustBundle::decode(provider, &good), Ok(bundle.clone()));
        assert_eq!(write(&bundle, KeyId([0; 16]), &*root), Err(CryptoError::WrongKey));
        let forged = write(&bundle, GAP_KEY, &*other).unwrap();
        let refused = TrustBundle::decode(provider, &forged);
        assert_eq!(refused, Err(TrustBundleError::Signature(SignatureError::NotGenuine)));
        let zero = TrustBundle { generation: 0, ..bundle.clone() };
        assert_eq!(write(&zero, GAP_KEY, &*root), Err(CryptoError::BadInput));
        let wrong = TrustBundle { identity_key: root.public().clone(), ..bundle.clone() };
        assert_eq!(write(&wrong, GAP_KEY, &*root), Err(CryptoError::WrongKey), "records go to a P-521 key");
        let fingerprints = [root.public(), other.public()].map(|key| key_fingerprint(provider, key));
        assert_ne!(fingerprints[0], fingerprints[1]);
    }
}

#[test]
fn malformed_trust_bundles_are_refused() {
    let provider = providers()[1];
    let root = key(provider, Curve::P256, 1);
    let signer = Signer::with_private_key(GAP_KEY, Class::TrustedAuthority, &*root);
    let good = bundle(provider, &*root).encode(provider, &signer, NOW, &mut Dice::numbered(3)).unwrap();
    for length in 0..good.len() {
        let outcome = TrustBundle::decode(provider, &good[..length]);
        assert!(matches!(outcome, Err(TrustBundleError::Malformed(_))), "cut at {length}");
    }
    for (at, bit) in reject::every_bit(&good) {
        let mut changed = good.clone();
        changed[at] ^= bit;
        assert!(TrustBundle::decode(provider, &changed).is_err(), "bit {bit:02x} of byte {at}");
    }
    let long = vec![0x87; TRUST_BUNDLE_LENGTH_MAX + 1];
    let over = DecodeError::new(TRUST_BUNDLE_LENGTH_MAX, Reason::OverLimit);
    assert_eq!(TrustBundle::decode(provider, &long), Err(TrustBundleError::Malformed(over)));
}
