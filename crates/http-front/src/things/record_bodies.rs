//! What calls about records of smart devices take and give.

use admission::AdmittedDevice;
use clock::Timestamp;
use osap_proto::{Mode, Realm};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::console::sign_in::Typed;

/// What a code on a label comes to, where it was stretched elsewhere.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CodeRecord)]
pub(crate) struct CodeJson {
    /// 32 bytes, hexadecimal.
    #[schema(value_type = String, format = Password)]
    pub(super) w0: Typed,
    /// An uncompressed point on P-256, hexadecimal.
    pub(super) l: String,
    /// 1: scrypt, 2: PBKDF2.
    pub(super) kdf: u8,
    /// The realm it was stretched for; when it is given, it has to be that of the load balancer.
    #[serde(default)]
    pub(super) realm: Option<String>,
}

/// What a smart device may prove itself with: one or several.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Enrolment)]
pub(crate) struct EnrolmentJson {
    /// The code on its label, as it is typed; it is stretched here and kept nowhere.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    pub(super) code: Option<Typed>,
    /// In place of the code: what it was stretched to elsewhere.
    #[serde(default)]
    pub(super) record: Option<CodeJson>,
    /// A factory key or licence of 16 to 64 bytes, hexadecimal.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    pub(super) psk: Option<Typed>,
    /// Its public key on P-256, SubjectPublicKeyInfo, hexadecimal.
    #[serde(default)]
    pub(super) key: Option<String>,
}

/// Another code: one of both.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCode)]
pub(crate) struct NewCodeJson {
    /// As it is typed.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    pub(super) code: Option<Typed>,
    /// What it was stretched to elsewhere.
    #[serde(default)]
    pub(super) record: Option<CodeJson>,
}

/// What the old protocol, type 1, is run by with a device: one of both.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OldProtocol)]
pub(crate) struct CompatJson {
    /// The code of the device, as it is typed.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    pub(super) code: Option<Typed>,
    /// What it comes to: 64 bytes, hexadecimal, as in a maker's record.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    pub(super) keys: Option<Typed>,
}

/// What the load balancer has on record of a smart device.
#[derive(Serialize, ToSchema)]
#[schema(as = DeviceRecord)]
pub(crate) struct RecordJson {
    serial: String,
    product_key: bool,
    /// What it may prove itself with now: of `code`, `psk`, `key`.
    kinds: Vec<&'static str>,
    /// Whether it has a ticket for its next proof.
    has_ticket: bool,
    /// Whether its code was shown in the old protocol and counts no more.
    code_burned: bool,
    /// Until when the code on the label is taken once more.
    window_until_unix_millis: Option<u64>,
    blocked: bool,
    /// The weakest protocol type that is run with it.
    min_type: u8,
    compat: bool,
    /// Whether it completed a proof since it is on record.
    enrolled: bool,
    /// Its id at the access services.
    devid: Option<String>,
    created_unix_millis: u64,
    /// When it completed a proof last.
    admitted_unix_millis: Option<u64>,
}

impl From<AdmittedDevice> for RecordJson {
    fn from(device: AdmittedDevice) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let allowed = device.allowed;
        let kinds = [(allowed.code, "code"), (allowed.psk, "psk"), (allowed.key_pair, "key")];
        Self {
            serial: text(device.serial.as_bytes()),
            product_key: device.mode == Mode::ProductKey,
            kinds: kinds.into_iter().filter_map(|(is_taken, kind)| is_taken.then_some(kind)).collect(),
            has_ticket: device.has_ticket,
            code_burned: device.is_code_burned,
            window_until_unix_millis: device.window_until.map(Timestamp::as_unix_millis),
            blocked: device.is_blocked,
            min_type: device.min_type.0,
            compat: device.is_compat,
            enrolled: device.is_enrolled,
            devid: device.devid.map(|devid| text(devid.as_bytes())),
            created_unix_millis: device.created.as_unix_millis(),
            admitted_unix_millis: device.last_admitted.map(Timestamp::as_unix_millis),
        }
    }
}

/// A model that comes with the program.
#[derive(Serialize, ToSchema)]
#[schema(as = ShippedModel)]
pub(crate) struct ModelJson {
    name: &'static str,
    /// W3C Thing Model.
    #[schema(value_type = Object)]
    model: Value,
}

/// What a smart device can be added with.
#[derive(Serialize, ToSchema)]
#[schema(as = ShippedModels)]
pub(crate) struct ModelsJson {
    /// The realm that codes are stretched for; `null`: no load balancer runs here.
    realm: Option<String>,
    models: Vec<ModelJson>,
}

impl ModelsJson {
    pub(super) fn new(realm: Option<&Realm>, models: &[(&'static str, &'static str)]) -> Self {
        // They are ours; a test of the program reads every one.
        let parsed = |(name, text): &(&'static str, &'static str)| {
            serde_json::from_str(text).ok().map(|model| ModelJson { name, model })
        };
        Self {
            realm: realm.map(|realm| String::from_utf8_lossy(realm.as_bytes()).into_owned()),
            models: models.iter().filter_map(parsed).collect(),
        }
    }
}
