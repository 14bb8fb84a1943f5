//! One device on the line: told its UUID, asked for its key, recorded, labelled.

use std::ffi::OsStr;
use std::path::Path;

use assure_json::{Capabilities, DeviceKey, DeviceRecord};
use assure_proto::ecies::EciesContext;
use assure_proto::{BootstrapServerId, CaseId, Class, Label, MakerRecord, Signer};
use clock::Dice;
use crypto::Secret;
use model::Uuid;

use super::records;
use super::station::Station;
use crate::factory_line::{Birth, BirthKind, make_device};
use crate::failure::{Failure, Outcome};
use crate::identity::signed_from;
use crate::{files, label_picture};

/// Length of the device secrets that are drawn here, in bytes.
/// Source: decision G 7: 16 to 64 stand, 32 are written.
const SECRET_LENGTH: usize = 32;

/// What every device of a run has in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lot<'a> {
    /// With which kind of key they are born.
    pub(crate) kind: BirthKind,
    /// The bootstrap server they will ask.
    pub(crate) bootstrap_server: BootstrapServerId,
    /// The parameter set that describes them.
    pub(crate) parameter_set: Uuid,
    /// Below it each device gets a folder of its own, named by its UUID.
    pub(crate) devices: &'a Path,
    /// The program of the device.
    pub(crate) program: &'a OsStr,
}

/// Makes one device; when it returns, its record and its label are safe.
///
/// The label is written before the record: a device without a record is scrap, a record without its label is
/// a device that nobody can ever claim.
pub(crate) fn make(station: &Station, lot: Lot<'_>, dice: &mut Dice) -> Outcome<Uuid> {
    let device = Uuid::v4(dice.bytes());
    let case = CaseId::draw(dice);
    let is_secret = lot.kind.key_kind().is_none();
    let secret =
        is_secret.then(|| Secret::from(&*zeroize::Zeroizing::new(dice.bytes::<SECRET_LENGTH>()) as &[u8]));
    let order = Birth { device, kind: lot.kind, bootstrap_server: lot.bootstrap_server, secret };
    files::make_folder(lot.devices)?;
    let state = lot.devices.join(device.to_string());
    let public = make_device(lot.program, &state, &station.bundle_for_devices()?, &order)?;
    let key = match (order.secret, public) {
        (Some(secret), None) => DeviceKey::Secret(secret),
        (None, Some(public)) => DeviceKey::Public(public),
        (Some(_), Some(_)) | (None, None) => {
            return Err(
                Failure::new("device-failed", device.to_string()).because("it answered with no fitting key")
            );
        }
    };
    let record = DeviceRecord {
        id: device,
        bootstrap_server: lot.bootstrap_server.0,
        case_string: Secret::from(case.case_string().as_bytes()),
        key,
        parameter_set: lot.parameter_set,
        capabilities: capabilities(lot.kind),
    };
    let blob = sealed(station, &record, dice)?;
    drop(record);
    let label = label_picture::draw(&Label { device, case_id: case })?;
    files::write_secret(&records::label_path(station.folder(), device), &label)?;
    records::write(station.folder(), device, &blob)?;
    Ok(device)
}

/// The record as it leaves the station: signed, then encrypted to the identity server.
fn sealed(station: &Station, record: &DeviceRecord, dice: &mut Dice) -> Outcome<Vec<u8>> {
    let failed = |error| Failure::new("internal", "the record of a device").because(error);
    let validity = signed_from(station.clock.now())?;
    let signer = Signer::with_private_key(station.id, Class::Manufacturer, &*station.key);
    let provider = &*station.provider;
    let signed =
        MakerRecord::sign(provider, &signer, validity, record.to_json().expose(), dice).map_err(failed)?;
    let context = EciesContext { maker: station.maker, device: record.id };
    signed.seal(provider, &station.bundle.identity_key, context, dice).map_err(failed)
}

/// What the device program can do beyond the minimum: its provider has every hash and both ciphers; of keys
/// it is given one kind.
fn capabilities(kind: BirthKind) -> Capabilities {
    let (ec_capable, rsa_capable) = match kind {
        BirthKind::Secret => (false, false),
        BirthKind::P256 | BirthKind::P384 => (true, false),
        BirthKind::Rsa2048 => (false, true),
    };
    let (sha384_capable, sha512_capable, aes256_capable) = (true, true, true);
    Capabilities {
        ec_capable,
        rsa_capable,
        sha384_capable,
        sha512_capable,
        aes256_capable,
        ..Default::default()
    }
}
