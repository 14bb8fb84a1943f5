//! Images of the oracle, judged by a device.

use assure_proto::{
    BootstrapSession, Circumstances, GardenSwitch, ImageRefusal, KeyRefusal, OwnDevice, OwnershipRecord,
    Root, SignatureError, SimpleTime, TimeRefusal, validate_image,
};
use crypto::Provider;
use model::Uuid;
use serde_json::Value;

use crate::vectors::{self, OwnKey, hex, id, load, name, number, providers, reason};

const FILES: [&str; 4] = ["image_ss.json", "image_ec.json", "image_ec384.json", "image_rsa.json"];

/// Whether a refusal is the one that the oracle found, or another of the same form of the bytes.
fn fits(reason: &str, refusal: &ImageRefusal) -> bool {
    if reason == "ec-point" {
        // the oracle looks at points while it decodes; here whatever the key breaks comes first
        return matches!(refusal, ImageRefusal::Key { .. } | ImageRefusal::ServerNotConfirmed);
    }
    let expected: &[&str] = match refusal {
        ImageRefusal::Malformed(_) => return is_about_form(reason),
        ImageRefusal::PrivateKeyInHeader => &["private-key-present"],
        ImageRefusal::DuplicateKeyId => &["duplicate-key-id"],
        ImageRefusal::ForeignDeviceKey => &["device-key-mismatch"],
        ImageRefusal::ServerNotConfirmed => &["bootstrap-server-not-confirmed"],
        ImageRefusal::Key { cause, .. } => return fits_key(reason, *cause),
        ImageRefusal::BootstrapKeyNotByAuthority => &["class3-signer"],
        ImageRefusal::SignerUnknown => &["final-signer-unknown"],
        ImageRefusal::SignerClass => &["final-signer-class"],
        ImageRefusal::SignerNotByAuthority => &["final-signer-signer"],
        ImageRefusal::SignerUnusable => &["reference-unknown"],
        ImageRefusal::OwnerSigner => &["owner-signer"],
        ImageRefusal::GenerationMissing => &["generation-missing"],
        ImageRefusal::OwnerTime(TimeRefusal::NotYetValid) => &["not-yet-valid"],
        ImageRefusal::OwnerTime(TimeRefusal::Expired) | ImageRefusal::ImageExpired => &["expired"],
        ImageRefusal::OwnerSignature(SignatureError::NotGenuine) => &["owner-signature"],
        ImageRefusal::CreatedAtZero => &["created-at-zero"],
        ImageRefusal::ImageSignature(SignatureError::NotGenuine) => &["bad-signature"],
        ImageRefusal::OwnerSignature(SignatureError::FormatMismatch)
        | ImageRefusal::ImageSignature(SignatureError::FormatMismatch) => &["format-key-mismatch"],
        ImageRefusal::CreatedInFuture => &["created-at-future"],
        ImageRefusal::GenerationLower => &["generation-lower"],
        ImageRefusal::SequenceLower => &["sequence-lower"],
        ImageRefusal::SequenceTooFar => &["sequence-too-far"],
        ImageRefusal::OwnerDiffers => &["owner-differs"],
        ImageRefusal::CreatedEarlier => &["created-at-older"],
        ImageRefusal::CreatedAtTheSameTime => &["created-at-equal"],
        ImageRefusal::DecryptionKey => &["decryption-key"],
        ImageRefusal::Envelope(_) => return reason.starts_with("cms-"),
        ImageRefusal::PayloadMalformed(_) | ImageRefusal::Payload(_) => {
            return matches!(
                reason,
                "payload-structure" | "payload-decryption" | "salt-length" | "rounds-zero"
            ) || matches!(reason, "encrypted-secret-length" | "rounds-too-many" | "cipher-suite")
                || matches!(reason, "iv-length" | "tag-length")
                || reason.starts_with("cbor-")
                || reason.starts_with("payload-");
        }
    };
    expected.contains(&reason)
}

fn is_about_form(reason: &str) -> bool {
    let prefixes =
        ["cbor-", "key-", "spki-", "rsa-", "signature-", "derivation-", "image-", "pkcs8-", "owner-st"];
    prefixes.iter().any(|prefix| reason.starts_with(prefix))
        || matches!(reason, "metadata" | "too-many-keys" | "timestamp" | "class" | "owner-content")
        || matches!(reason, "authenticated-key-structure" | "authenticated-key-content" | "owner-sequence")
        || matches!(reason, "public-key-missing" | "private-key-mismatch")
}

fn fits_key(reason: &str, cause: KeyRefusal) -> bool {
    use assure_proto::DeriveError;
    let expected = match cause {
        KeyRefusal::SelfSigned => "self-signed",
        KeyRefusal::UnknownSigner => "unknown-signer",
        KeyRefusal::DuplicateKeyId => "duplicate-key-id",
        KeyRefusal::SignedByDeviceSecret => "signed-by-device-secret",
        KeyRefusal::ClassNotAllowed => "class-not-allowed",
        KeyRefusal::MetadataMismatch => "metadata-mismatch",
        KeyRefusal::ChainTooLong => "chain-too-long",
        KeyRefusal::Time(TimeRefusal::NotYetValid) => "not-yet-valid",
        KeyRefusal::Time(TimeRefusal::Expired) => "expired",
        KeyRefusal::SignerUnusable | KeyRefusal::Derivation(DeriveError::ReferenceUnknown) => {
            "reference-unknown"
        }
        KeyRefusal::Signature(SignatureError::NotGenuine) => "bad-signature",
        KeyRefusal::Signature(SignatureError::FormatMismatch) => "format-key-mismatch",
        KeyRefusal::BadKey => "ec-point",
        KeyRefusal::Derivation(DeriveError::SaltLength) => "salt-length",
        KeyRefusal::Derivation(DeriveError::SecretLength) => "encrypted-secret-length",
        KeyRefusal::Derivation(DeriveError::NoRounds) => "rounds-zero",
        KeyRefusal::Derivation(DeriveError::TooManyRounds) => "rounds-too-many",
        KeyRefusal::Derivation(DeriveError::IsRoot) => "output-is-root",
        KeyRefusal::Derivation(DeriveError::NotOpened) => return reason.starts_with("cms-"),
        KeyRefusal::Derivation(DeriveError::NotInOrder) | KeyRefusal::Full => return false,
    };
    reason == expected
}

fn record(value: &Value) -> OwnershipRecord {
    let hash = |member| <[u8; 32]>::try_from(hex(value, member)).ok();
    OwnershipRecord {
        generation: number(value, "generation"),
        sequence_number: number(value, "sequence"),
        owner_hash: hash("owner_hash"),
        created_at: SimpleTime { secs: number(value, "created_at") },
        image_hash: hash("image_hash"),
        walled_garden: value["walled_garden"].as_bool().unwrap(),
        erase_pending: false,
    }
}

/// Whether the device of a file exists under this provider, and how many vectors were judged.
fn judge_file(provider: &dyn Provider, file: &Value) -> Option<usize> {
    let world = &file["world"];
    let own = OwnKey::read(provider, &world["device"])?;
    let uuid = Uuid(id(&world["device"], "uuid").0);
    let roots: Vec<Root> = world["roots"].as_array().unwrap().iter().map(vectors::root).collect();
    for vector in vectors::vectors(file) {
        let extra = vector.get("extra_roots").and_then(Value::as_array);
        let extra = extra.into_iter().flatten().map(vectors::root);
        let roots: Vec<Root> = roots.iter().cloned().chain(extra).collect();
        let record = record(&vector["record"]);
        let device = OwnDevice { uuid, key: own.held(), roots: &roots, record: &record };
        judge_vector(provider, &device, vector);
    }
    Some(vectors::vectors(file).len())
}

fn judge_vector(provider: &dyn Provider, device: &OwnDevice<'_>, vector: &Value) {
    let session = &vector["session"];
    let spki = vectors::hex_if(session, "spki");
    let hint: Option<Vec<String>> =
        session.get("hint").map(|hint| serde_json::from_value(hint.clone()).unwrap());
    let hint = hint.map(|hint| hint.iter().map(|d| model::bytes_from_hex(d).unwrap()).collect::<Vec<_>>());
    let session = match (&spki, &hint) {
        (Some(spki), None) => BootstrapSession::PublicKey(spki),
        (None, Some(hint)) => BootstrapSession::Hint(hint),
        other => panic!("{}: session {other:?}", name(vector)),
    };
    let time = vectors::time(&vector["now"]);
    let circumstances = Circumstances { session, time, garden: GardenSwitch::Untouched };
    let verdict = validate_image(provider, device, &hex(vector, "image"), &circumstances);
    let at = format!("{} with {}", name(vector), provider.name());
    if let Some(expected) = vector.get("expect") {
        let accepted = verdict.unwrap_or_else(|refusal| panic!("{at}: {refusal:?}"));
        assert_accepted(&at, expected, &accepted);
        // the payload belongs to the second commit: it does not undo the first
        assert_eq!(accepted.messages.is_ok(), reason(vector).is_none(), "{at}");
        return;
    }
    let reason = reason(vector).unwrap_or_else(|| panic!("{at}: accepted without an expectation"));
    let refusal = verdict.err().unwrap_or_else(|| panic!("{at}: accepted, {reason} expected"));
    assert!(fits(reason, &refusal), "{at}: {refusal:?} for {reason}");
}

fn assert_accepted(at: &str, expected: &Value, accepted: &assure_proto::AcceptedImage) {
    let keys: Vec<_> = accepted.keys.iter().map(|key| (key.id(), u32::from(key.class().number()))).collect();
    let expected_keys: Vec<_> = expected["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (id(key, "key_id"), number(key, "class")))
        .collect();
    assert_eq!(keys, expected_keys, "{at}");
    let stored = OwnershipRecord { erase_pending: false, ..accepted.record };
    assert_eq!(stored, record(&expected["record"]), "{at}");
    assert_eq!(OwnershipRecord::decode(&accepted.record.encode()), Ok(accepted.record), "{at}");
    if let Ok(messages) = &accepted.messages {
        let messages: Vec<_> = messages.iter().map(crypto::Secret::expose).collect();
        let payload = assure_proto::encode_payload(&messages).unwrap();
        assert_eq!(payload, hex(expected, "payload"), "{at}");
    }
}

// verifies: ASSURE-15.3-01, ASSURE-15.4-02, ASSURE-15.4-03, ASSURE-15.5-01, ASSURE-15.5-02, ASSURE-15.5-04
// verifies: ASSURE-15.5-05, ASSURE-15.5-06, ASSURE-15.5-08, ASSURE-15.5-09, ASSURE-15.5-10, ASSURE-15.5-11
// verifies: ASSURE-15.5-12, ASSURE-15.5-13, ASSURE-15.5-14, ASSURE-15.5-16, ASSURE-15.5.1-01
// verifies: ASSURE-15.5.1-03, ASSURE-15.5.2-01, ASSURE-15.5.2-03, ASSURE-15.5.3-01, ASSURE-15.5.3-02
// verifies: ASSURE-15.5.3-06, ASSURE-15.5.4-01, ASSURE-7.3-14, ASSURE-7.4-07, ASSURE-7.4-09, ASSURE-7.4-12
// verifies: TS-C1, TS-C2, TS-H1, TS-H2, TS-H5, TS-H7, TS-M1, TS-M13, TS-M15, TS-L3
#[test]
fn images_of_the_oracle_are_judged_alike() {
    for file in FILES {
        let loaded = load(file);
        let judged = providers().map(|provider| judge_file(provider, &loaded));
        let portable_has_rsa = judged[0].is_some();
        assert_eq!(portable_has_rsa, file != "image_rsa.json", "{file}");
        assert!(judged[1].is_some_and(|count| count > 150), "{file}: {judged:?}");
    }
}
