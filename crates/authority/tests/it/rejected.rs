//! Records that the identity server rejects, and what a rejection leaves to the true maker.

use assure_json::{DeviceKey, DeviceRecord};
use assure_proto::{GapContent, OWNER_SECRETS_ISSUED, RejectReason};
use authority::bootstrap::{self, FreeDevice, HolderName, IssuedDevice};
use authority::identity::Submitted;
use authority::registration::{self, Created, OperationId, RemoveDevice, issued_registration};
use crypto::Secret;
use model::Uuid;
use store::{Memory, run};

use crate::gap::{Gap, holds};
use crate::identity::{OTHER_MAKER, issued_secrets, with_entry};
use crate::world::MAKER;

/// The answer to both servers about a record that was refused.
fn assert_rejected(gap: &mut Gap, device: Uuid, reason: RejectReason) {
    for server in [gap.registration(), gap.bootstrap()] {
        assert_eq!(gap.content_for(server), GapContent::Rejected { device, reason });
    }
    let result = gap.last_result(device).unwrap();
    assert_ne!(result, "done", "{reason:?} stands in the audit log");
}

// verifies: TS-M11, ASSURE-9.2.1-12, ASSURE-14.1-06
#[test]
fn records_of_unlisted_stations_are_rejected() {
    let mut gap = Gap::new(12);
    let (unlisted, elsewhere) = (gap.stranger(), gap.station(OTHER_MAKER));
    for station in [unlisted, elsewhere] {
        let (record, _) = gap.secret_record();
        let blob = gap.honest(&record, &station);
        let reason = RejectReason::UnknownStation;
        assert_eq!(gap.import(MAKER, record.id, blob), Submitted::Rejected(reason));
        assert_rejected(&mut gap, record.id, reason);
    }
}

// verifies: TS-M11, ASSURE-9.2.1-12
#[test]
fn records_under_a_stations_id_that_its_key_did_not_sign_are_rejected() {
    let mut gap = Gap::new(13);
    let station = gap.station(MAKER);
    let mut forger = gap.stranger();
    forger.id = station.id;
    let (record, _) = gap.secret_record();
    let blob = gap.honest(&record, &forger);
    let reason = RejectReason::BadSignature;
    assert_eq!(gap.import(MAKER, record.id, blob), Submitted::Rejected(reason));
    assert_rejected(&mut gap, record.id, reason);
}

// verifies: TS-M11, ASSURE-9.2.1-02, ASSURE-14.1-06
#[test]
fn records_about_another_device_than_they_were_uploaded_for_are_rejected() {
    let mut gap = Gap::new(14);
    let station = gap.station(MAKER);
    let (record, _) = gap.secret_record();
    let victim = Uuid::v4([7; 16]);
    let blob = gap.blob(record.to_json().expose(), &station, MAKER, victim);
    let reason = RejectReason::OtherDevice;
    assert_eq!(gap.import(MAKER, victim, blob), Submitted::Rejected(reason));
    assert_rejected(&mut gap, victim, reason);
}

// verifies: ASSURE-9.2.1-02, ASSURE-9.2.1-07
#[test]
fn records_that_are_no_records_are_rejected() {
    let mut gap = Gap::new(15);
    let station = gap.station(MAKER);
    let (record, _) = gap.secret_record();
    let whole = String::from_utf8(record.to_json().expose().to_vec()).unwrap();
    let pem = "-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----\\n";
    let both = whole.replace("\"parameter_set\"", &format!("\"public_key\":\"{pem}\",\"parameter_set\""));
    let short = whole.replacen("\"case_string\":\"01", "\"case_string\":\"", 1);
    assert!(both != whole && short != whole);
    for json in ["", "{}", &both, &short, &whole[..whole.len() - 1]] {
        let device = record.id;
        let blob = gap.blob(json.as_bytes(), &station, MAKER, device);
        let reason = RejectReason::Malformed;
        assert_eq!(gap.import(MAKER, device, blob), Submitted::Rejected(reason), "{json}");
        assert_rejected(&mut gap, device, reason);
    }
}

// verifies: ASSURE-9.2.1-12, TS-M11
#[test]
fn blobs_that_were_not_made_for_this_maker_and_device_do_not_open() {
    let mut gap = Gap::new(16);
    let station = gap.station(MAKER);
    let (record, _) = gap.secret_record();
    let blob = gap.honest(&record, &station);
    let mut altered = blob.clone();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    let replayed = Uuid::v4([8; 16]);
    for (maker, device, blob) in [
        (OTHER_MAKER, record.id, blob.clone()),
        (MAKER, replayed, blob.clone()),
        (MAKER, record.id, altered),
        (MAKER, record.id, blob[..blob.len() - 1].to_vec()),
        (MAKER, record.id, Vec::new()),
    ] {
        let reason = RejectReason::NotOpened;
        assert_eq!(gap.import(maker, device, blob), Submitted::Rejected(reason));
        assert_rejected(&mut gap, device, reason);
    }
    assert_eq!(gap.import(MAKER, record.id, blob), Submitted::Issued, "the genuine one is none the worse");
}

#[test]
fn a_device_that_was_issued_is_not_issued_again() {
    let mut gap = Gap::new(17);
    let station = gap.station(MAKER);
    let (record, _) = gap.secret_record();
    let first = gap.honest(&record, &station);
    assert_eq!(gap.import(MAKER, record.id, first), Submitted::Issued);
    let before = issued_secrets(&gap.content_for(gap.registration()));
    gap.outbox_of(gap.bootstrap());
    let other = DeviceRecord { key: DeviceKey::Secret(Secret::new(vec![1; 32])), ..record.clone() };
    let second = gap.honest(&other, &station);
    let reason = RejectReason::Refused;
    assert_eq!(gap.import(MAKER, record.id, second), Submitted::Rejected(reason));
    assert_rejected(&mut gap, record.id, reason);
    assert!(!holds(&gap.store, &[1; 32]), "what was issued first stands");
    assert_eq!(before.pool.len(), OWNER_SECRETS_ISSUED);
}

// verifies: TS-M11, ASSURE-9.2.1-16
#[test]
fn ts_m11_a_record_of_an_unknown_station_is_rejected_and_the_true_maker_can_upload() {
    let mut gap = Gap::new(18);
    let (true_station, intruder) = (gap.station(MAKER), gap.stranger());
    let (record, _) = gap.secret_record();
    let device = record.id;
    let (registration, bootstrap) = (Memory::default(), Memory::default());
    // Another maker, or the gateway itself, is first with a record for this UUID.
    assert_eq!(with_entry(&mut gap, &registration, device, OTHER_MAKER), Created::Stands);
    let create = |gap: &mut Gap| {
        let operation = OperationId(gap.dice.bytes());
        run(&bootstrap, &bootstrap::CreateDevice { device, operation }, gap.now()).unwrap().reply.unwrap()
    };
    assert_eq!(create(&mut gap), bootstrap::Created::Stands);
    assert_eq!(with_entry(&mut gap, &registration, device, MAKER), Created::Exists, "403 for the true maker");
    let forged = DeviceRecord { key: DeviceKey::Secret(Secret::new(vec![1; 32])), ..record.clone() };
    let blob = gap.blob(forged.to_json().expose(), &intruder, OTHER_MAKER, device);
    assert_eq!(gap.import(OTHER_MAKER, device, blob), Submitted::Rejected(RejectReason::UnknownStation));
    assert_rejected(&mut gap, device, RejectReason::UnknownStation);
    let origin = gap.origin("identity");
    let free = RemoveDevice { device, operation: None, reason: "rejected", origin };
    assert_eq!(run(&registration, &free, gap.now()).unwrap().reply, Ok(true));
    assert_eq!(run(&bootstrap, &FreeDevice { device }, gap.now()).unwrap().reply, Ok(()));
    assert_eq!(with_entry(&mut gap, &registration, device, MAKER), Created::Stands, "201 for the true maker");
    assert_eq!(create(&mut gap), bootstrap::Created::Stands);
    let blob = gap.honest(&record, &true_station);
    assert_eq!(gap.import(MAKER, device, blob), Submitted::Issued);
    let (device, maker, issued) = issued_registration(gap.content_for(gap.registration())).unwrap();
    let origin = gap.origin("identity");
    let import = registration::ImportIssued { device, maker, issued, origin };
    assert_eq!(run(&registration, &import, gap.now()).unwrap().reply, Ok(registration::Imported::Ready));
    let (device, issued) = IssuedDevice::from_gap(gap.content_for(gap.bootstrap())).unwrap();
    let origin = gap.origin("identity");
    let holder = HolderName::of_issued(&**gap.provider(), &issued).unwrap();
    let import = bootstrap::ImportIssued { device, issued, holder, origin };
    assert_eq!(run(&bootstrap, &import, gap.now()).unwrap().reply, Ok(bootstrap::Imported::Ready));
}
