//! Records at rest that every role keeps alike: audit entries, and the fields of ledger records.

use accounts::AuditEntry;
use clock::Timestamp;
use crypto::{PublicKey, Secret};
use ledger::fields;
use minicbor::{Decode, Encode};
use model::{CorrelationId, KeyId, ManagementId, Uuid};

use crate::rules::bounded;
use crate::{Reached, Target};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "audit_entry",
        about: "AuditEntry::from_bytes",
        length_max: 2048,
        run: audit,
        seeds: audit_seeds,
    },
    Target {
        name: "ledger_record",
        about: "a record with a field of each kind that the ledger has",
        length_max: 2048,
        run: record,
        seeds: record_seeds,
    },
];

/// Texts longer than the limit are cut when written, so only the second form is the last.
fn audit(input: &[u8]) -> Reached {
    let Ok(entry) = bounded(input, AuditEntry::from_bytes) else { return Reached::Refused };
    let written = entry.to_bytes();
    let again = AuditEntry::from_bytes(&written).expect("what we write is read");
    assert_eq!(again.to_bytes(), written, "one entry has two forms");
    let texts = |entry: &AuditEntry| {
        [&entry.role, &entry.actor, &entry.operation, &entry.result].map(|text| text.len())
    };
    assert!(texts(&again).iter().all(|length| *length <= accounts::TEXT_LENGTH_MAX));
    assert_eq!(
        (again.at, again.device, again.correlation),
        (entry.at, entry.device, entry.correlation),
        "the entry changed"
    );
    Reached::Accepted
}

fn audit_seeds() -> Vec<Vec<u8>> {
    let entry = AuditEntry {
        at: Timestamp::from_unix_millis(1_795_305_600_000),
        role: "registration".into(),
        actor: "maker".into(),
        operation: "upload".into(),
        device: Some(Uuid([3; 16])),
        result: "ok".into(),
        correlation: CorrelationId([4; 16]),
        address: Some([127, 0, 0, 1].into()),
    };
    let without = AuditEntry { device: None, result: "é".repeat(90), ..entry.clone() };
    vec![entry.to_bytes(), without.to_bytes()]
}

#[derive(Debug, PartialEq, Encode, Decode)]
struct Every {
    #[cbor(n(0), with = "fields::id16")]
    uuid: Uuid,
    #[cbor(n(1), with = "fields::id16")]
    key: KeyId,
    #[cbor(n(2), with = "fields::optional_uuid")]
    optional: Option<Uuid>,
    #[cbor(n(3), with = "fields::management_id")]
    management: ManagementId,
    #[cbor(n(4), with = "fields::owner")]
    owner: Option<ManagementId>,
    #[cbor(n(5), with = "fields::secret")]
    secret: Secret,
    #[cbor(n(6), with = "fields::times")]
    times: Vec<Timestamp>,
    #[cbor(n(7), with = "fields::public_key")]
    public: PublicKey,
    #[cbor(n(8), with = "fields::byte_list")]
    list: Vec<Vec<u8>>,
}

fn record(input: &[u8]) -> Reached {
    let Ok(record) = bounded(input, ledger::from_bytes::<Every>) else { return Reached::Refused };
    let written = ledger::to_bytes(&record);
    let again: Every = ledger::from_bytes(&written).expect("what we write is read");
    assert_eq!(again, record, "the record changed");
    assert_eq!(ledger::to_bytes(&again), written, "one record has two forms");
    Reached::Accepted
}

fn record_seeds() -> Vec<Vec<u8>> {
    use crypto::Provider as _;
    let kind = crypto::KeyKind::Ec(crypto::Curve::P256);
    let key = crypto_server::Server.generate_key(kind, &mut clock::Dice::numbered(4));
    let management = ManagementId::from_serial(&[7, 8, 9]).expect("a serial number");
    let record = Every {
        uuid: Uuid([1; 16]),
        key: KeyId([2; 16]),
        optional: None,
        management: management.clone(),
        owner: Some(management),
        secret: Secret::new(vec![3; 32]),
        times: vec![Timestamp::from_unix_millis(4), Timestamp::from_unix_millis(1 << 40)],
        public: key.expect("the provider has P-256").public().clone(),
        list: vec![vec![5; 3], Vec::new()],
    };
    vec![ledger::to_bytes(&record)]
}
