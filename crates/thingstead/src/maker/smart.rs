//! Making smart devices of OSAP: serial, credential, the device's folder, the operator's record, the label.
//!
//! ```text
//! OUT/<serial>/             the device: sealed state, model.json, client.pem of one with protocol type 8
//! OUT/<serial>.json         the operator's record: never the code, but the key of a device with one
//! OUT/<serial>.png          the label of a device with a code
//! ```
//! Source: OSAP secure profile sections 5 and 8; ADR 0273.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use agent::osap::{FactoryCredential, SmartFactory};
use certificate::{Issuer, Lifetime, Profile};
use clock::{Dice, Timestamp};
use crypto::{Curve, KeyKind, Provider, PublicKey, Secret};
use model::{bytes_from_hex, hex};
use osap_proto::compat::CodeKeys;
use osap_proto::{Kdf, Mode, ProtocolType, Realm, Serial, StretchedCode, TypeGroup};
use osap_things::{LabelCode, SmartLabel};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::smart_label;
use crate::device::smart::models::MODEL_FILE;
use crate::device::smart::storage::{CERTIFICATE_FILE, SmartStorage};
use crate::failure::{Failure, Outcome};
use crate::files;

/// Letters and digits of serials that are drawn: those of codes, so that people read them alike.
const SERIAL_ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Bytes of keys that are drawn.
const PSK_SIZE: usize = 32;
/// The certificate of a device lasts for the life of the device: twenty years.
const LIFETIME_MILLIS: u64 = 20 * 365 * 86_400_000;

/// With what devices are born.
#[derive(Clone, Debug)]
pub(crate) enum SmartBirth {
    /// A code on the label, good at this realm.
    Code(Realm),
    /// A pre-shared key.
    Psk,
    /// A key pair, and the load balancers' keys that it takes.
    KeyPair(Vec<PublicKey>),
}

/// What all devices of a run have in common.
pub(crate) struct SmartLot<'a> {
    pub(crate) birth: SmartBirth,
    pub(crate) is_hub: bool,
    pub(crate) types: TypeGroup,
    pub(crate) lbs_tls_key: Option<[u8; 32]>,
    /// Who issues certificates of devices with protocol type 8; without it each device signs its own.
    pub(crate) issuer: Option<Issuer>,
    /// The model, as text.
    pub(crate) model: &'a str,
    /// Where everything goes.
    pub(crate) out: &'a Path,
}

/// A device that was made.
pub(crate) struct Made {
    pub(crate) serial: String,
    pub(crate) folder: PathBuf,
    pub(crate) record: PathBuf,
    pub(crate) label: Option<PathBuf>,
}

/// A serial that nobody has: `TS` and 50 bits of chance.
pub(crate) fn draw_serial(dice: &mut Dice) -> Serial {
    let random: [u8; 10] = dice.bytes();
    let drawn = random.map(|byte| SERIAL_ALPHABET[usize::from(byte % 32)]);
    Serial::new(&[b"TS", &drawn[..]].concat()).expect("twelve letters and digits are a serial")
}

/// Makes one device. The label is written before the record, and both before the device: what is cut off leaves
/// papers without a device, never a device without papers.
///
/// # Errors
/// `already-there` for a serial that was made here before; those of files.
pub(crate) fn make(
    lot: &SmartLot<'_>,
    serial: Serial,
    provider: &Arc<dyn Provider>,
    dice: &mut Dice,
) -> Outcome<Made> {
    let name = String::from_utf8_lossy(serial.as_bytes()).into_owned();
    if name.starts_with('.') {
        return Err(
            Failure::new("request-unreadable", name).because("a serial here does not begin with a dot")
        );
    }
    files::make_folder(lot.out)?;
    let folder = lot.out.join(&name);
    if folder.exists() {
        let subject = folder.display().to_string();
        return Err(Failure::new("already-there", subject).because("a device of this serial was made here"));
    }
    let (credential, told, code) = born(lot, &serial, provider, dice)?;
    let mut made = Made {
        serial: name.clone(),
        folder: folder.clone(),
        record: lot.out.join(format!("{name}.json")),
        label: None,
    };
    if let Some(code) = code {
        let path = lot.out.join(format!("{name}.png"));
        let label = SmartLabel { serial: serial.clone(), code };
        files::write_secret(&path, &smart_label::draw(&label)?)?;
        made.label = Some(path);
    }
    let record = Zeroizing::new(record_of(lot, &name, told)?.into_bytes());
    files::write_secret(&made.record, &record)?;
    let factory = SmartFactory {
        serial,
        mode: Mode::Serial,
        is_hub: lot.is_hub,
        types: lot.types.clone(),
        credential,
        lbs_tls_key: lot.lbs_tls_key,
    };
    SmartStorage::make(&folder, provider, &factory.first_state())?;
    if lot.types.has(ProtocolType::MUTUAL) {
        let certificate = certificate_of(lot, &factory, &name, provider, dice)?;
        files::write_pem(&folder.join(CERTIFICATE_FILE), &[&certificate], None)?;
    }
    let model = folder.join(MODEL_FILE);
    fs::write(&model, lot.model)
        .map_err(|error| Failure::new("file-unwritable", model.display().to_string()).because(error))?;
    Ok(made)
}

/// The certificate of a device, for its key: of the issuer, or of itself.
fn certificate_of(
    lot: &SmartLot<'_>,
    factory: &SmartFactory,
    name: &str,
    provider: &Arc<dyn Provider>,
    dice: &mut Dice,
) -> Outcome<Vec<u8>> {
    let failed = |error| Failure::new("internal", "the certificate of a device").because(error);
    let FactoryCredential::KeyPair { pkcs8, .. } = &factory.credential else {
        let why = "protocol type 8 is for devices with a key pair";
        return Err(Failure::new("request-unreadable", "--types").because(why));
    };
    let key = provider.import_key(pkcs8.expose()).map_err(failed)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::from_unix_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    let until = Timestamp::from_unix_millis(now.as_unix_millis().saturating_add(LIFETIME_MILLIS));
    let failed = |error| Failure::new("internal", "the certificate of a device").because(error);
    let own = match &lot.issuer {
        Some(_) => None,
        None => {
            let lifetime = Lifetime { from: now, until: Some(until) };
            let own = Issuer::self_signed_ca(provider.as_ref(), Arc::clone(&key), name, lifetime, dice);
            Some(own.map_err(failed)?)
        }
    };
    let Some(issuer) = lot.issuer.as_ref().or(own.as_ref()) else {
        return Err(Failure::new("internal", "the certificate of a device"));
    };
    let serial = certificate::Serial::random(dice);
    let profile = Profile::SmartDevice { serial: name.to_owned(), until };
    issuer.issue(provider.as_ref(), key.public(), serial, &profile, now, dice).map_err(failed)
}

/// Reads who issues certificates: a file with its certificate and its private key.
///
/// # Errors
/// Those of the file; `file-malformed` when it is no issuer's.
pub(crate) fn read_issuer(path: &Path, provider: &Arc<dyn Provider>) -> Outcome<Issuer> {
    let mut file = files::read_pem(path)?;
    let (1, Some(key)) = (file.certificates.len(), file.key) else {
        return Err(files::malformed(path, "it does not hold one certificate and its private key"));
    };
    let wrong = |_| files::malformed(path, "the certificate is no issuer's, or the key is another's");
    let key =
        provider.import_key(key.expose()).map_err(|_| files::malformed(path, "it holds no such key"))?;
    Issuer::new(provider.as_ref(), key, file.certificates.remove(0)).map_err(wrong)
}

/// What the device has, what the operator is told of it, and the code of its label.
fn born(
    lot: &SmartLot<'_>,
    serial: &Serial,
    provider: &Arc<dyn Provider>,
    dice: &mut Dice,
) -> Outcome<(FactoryCredential, Value, Option<LabelCode>)> {
    let failed = |error| Failure::new("internal", "the credential of a device").because(error);
    match &lot.birth {
        SmartBirth::Code(realm) => {
            let label = LabelCode::draw(dice.bytes());
            let code = Secret::from(&label.as_bytes()[..]);
            let stretched = StretchedCode::of_label(provider.as_ref(), &code, serial, realm, Kdf::Scrypt);
            let (_, record) = stretched.map_err(failed)?;
            let point = record.point_l.point().map(|(_, point)| hex(point)).unwrap_or_default();
            let told = json!({
                "w0": hex(record.w0.expose()), "l": point, "kdf": record.kdf.number(),
                "realm": String::from_utf8_lossy(realm.as_bytes()),
            });
            let mut all = json!({ "code": told });
            if lot.types.has(ProtocolType::COMPAT) {
                // Who has these has the code, more or less: that is the old protocol.
                let keys = CodeKeys::of_code(provider.as_ref(), &code, serial).to_bytes();
                all["compat"] = json!(hex(keys.expose()));
            }
            let credential = FactoryCredential::Code { code, realm: realm.clone() };
            Ok((credential, all, Some(label)))
        }
        SmartBirth::Psk => {
            let psk = Zeroizing::new(dice.bytes::<PSK_SIZE>());
            let told = json!({ "psk": hex(&*psk) });
            Ok((FactoryCredential::Psk(Secret::from(&psk[..])), told, None))
        }
        SmartBirth::KeyPair(pins) => {
            let key = provider.generate_key(KeyKind::Ec(Curve::P256), dice).map_err(failed)?;
            let pkcs8 = key.pkcs8().map_err(failed)?;
            let told = json!({ "key": hex(key.public().spki()) });
            Ok((FactoryCredential::KeyPair { pkcs8, pins: pins.clone() }, told, None))
        }
    }
}

fn record_of(lot: &SmartLot<'_>, serial: &str, told: Value) -> Outcome<String> {
    let model: Value = serde_json::from_str(lot.model)
        .map_err(|error| Failure::new("file-malformed", "the model").because(error))?;
    let mut record = json!({
        "osap": 1, "serial": serial, "hub": lot.is_hub, "types": lot.types.as_bytes(), "model": model,
    });
    if let (Some(record), Value::Object(told)) = (record.as_object_mut(), told) {
        record.extend(told);
    }
    Ok(format!("{record:#}\n"))
}

/// Reads the key that a load balancer wrote for devices to pin: hexadecimal text of a SubjectPublicKeyInfo.
///
/// # Errors
/// `file-unreadable`, `file-malformed`.
pub(crate) fn read_pin(path: &Path) -> Outcome<PublicKey> {
    let text = files::read(path, 4096)?;
    let text = String::from_utf8_lossy(&text);
    let bytes =
        bytes_from_hex(text.trim()).map_err(|_| files::malformed(path, "it is no hexadecimal text"))?;
    let key = PublicKey::from_spki(&bytes).map_err(|_| files::malformed(path, "it is no public key"))?;
    if key.kind() == KeyKind::Ec(Curve::P256) {
        Ok(key)
    } else {
        Err(files::malformed(path, "the key is not on P-256"))
    }
}

#[cfg(test)]
#[path = "smart_tests.rs"]
mod tests;
