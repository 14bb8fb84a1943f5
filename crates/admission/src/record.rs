//! The record of one device.

use clock::{Now, Timestamp};
use crypto::{Curve, KeyKind, PublicKey, Secret};
use ledger::{BadRecord, fields};
use minicbor::{Decode, Encode};
use model::Uuid;
use osap_proto::{
    AllowedKinds, CodeRecord, DeviceRecord, Devid, Kdf, Mode, ProtocolType, Serial, TicketOnRecord,
};
use store::{Batch, Snapshot};

use crate::spaces::device_key;
use crate::type_1::StoredCompat;

/// Why nothing was decided; whoever asks may ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CannotDecide {
    /// A stored record cannot be read.
    Record(BadRecord),
    /// We do not know the time.
    NoClock,
}

impl From<BadRecord> for CannotDecide {
    fn from(bad: BadRecord) -> Self {
        Self::Record(bad)
    }
}

/// Which credentials of a device stand: another number after every change of one of them.
///
/// A run that began under one generation changes nothing under another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation(pub u64);

/// The time, or why there is no decision.
pub(crate) fn at(now: Now) -> Result<Timestamp, CannotDecide> {
    now.utc.ok_or(CannotDecide::NoClock)
}

/// The record of a code; never the code itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct StoredCode {
    #[cbor(n(0), with = "fields::secret")]
    w0: Secret,
    #[cbor(n(1), with = "fields::public_key")]
    point_l: PublicKey,
    #[n(2)]
    kdf: u8,
}

/// The resumption ticket.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct StoredTicket {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) id: [u8; 16],
    #[cbor(n(1), with = "fields::secret")]
    pub(crate) secret: Secret,
    #[n(2)]
    pub(crate) end_unix_secs: u64,
}

/// The ticket for an access service that was given out last.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct StoredDasTicket {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) server_id: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) devid: [u8; 32],
    #[n(2)]
    pub(crate) issued_unix_millis: u64,
    #[n(3)]
    pub(crate) epoch: u32,
}

/// What is on record of a device.
/// Source: OSAP secure profile section 8.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct StoredDevice {
    /// Whether the serial is `<product key>:<device name>`.
    #[n(0)]
    pub(crate) is_product_key: bool,
    #[n(1)]
    pub(crate) allows_code: bool,
    #[n(2)]
    pub(crate) allows_psk: bool,
    #[n(3)]
    pub(crate) allows_key_pair: bool,
    #[n(4)]
    pub(crate) code: Option<StoredCode>,
    #[n(5)]
    pub(crate) is_code_burned: bool,
    /// The owner's window for kind 1.
    #[n(6)]
    pub(crate) window_until_unix_millis: Option<u64>,
    /// Empty for none.
    #[cbor(n(7), with = "fields::secret")]
    psk: Secret,
    /// As SubjectPublicKeyInfo; empty for none.
    #[cbor(n(8), with = "minicbor::bytes")]
    device_key: Vec<u8>,
    #[n(9)]
    pub(crate) min_type: u8,
    #[cbor(n(10), with = "minicbor::bytes")]
    devid: Option<[u8; 32]>,
    #[n(11)]
    pub(crate) ticket: Option<StoredTicket>,
    #[n(12)]
    pub(crate) is_blocked: bool,
    /// Whether a run of kinds 1 to 3 has completed since the credentials were made.
    #[n(13)]
    pub(crate) is_enrolled: bool,
    #[n(14)]
    pub(crate) generation: u64,
    /// The thing that the device is, for its owner.
    #[cbor(n(15), with = "fields::optional_uuid")]
    pub(crate) thing: Option<Uuid>,
    #[n(16)]
    pub(crate) created_unix_millis: u64,
    #[n(17)]
    pub(crate) das_ticket: Option<StoredDasTicket>,
    /// Where type 1 was switched on for it.
    #[n(18)]
    pub(crate) compat: Option<StoredCompat>,
    /// When a proof of it was completed last.
    #[n(20)]
    pub(crate) admitted_unix_millis: Option<u64>,
}

impl StoredDevice {
    /// A record without any credential.
    pub(crate) fn new(mode: Mode, generation: u64, at: Timestamp) -> Self {
        Self {
            is_product_key: mode == Mode::ProductKey,
            allows_code: false,
            allows_psk: false,
            allows_key_pair: false,
            code: None,
            is_code_burned: false,
            window_until_unix_millis: None,
            psk: Secret::from(&[][..]),
            device_key: Vec::new(),
            min_type: ProtocolType::PLAIN.0,
            devid: None,
            ticket: None,
            is_blocked: false,
            is_enrolled: false,
            generation,
            thing: None,
            created_unix_millis: at.as_unix_millis(),
            das_ticket: None,
            compat: None,
            admitted_unix_millis: None,
        }
    }

    pub(crate) fn read(from: &Snapshot, serial: &Serial) -> Result<Option<Self>, BadRecord> {
        from.value(&device_key(serial)).map(Self::from_value).transpose()
    }

    /// Reads the stored form, with everything in it that has to be of a form.
    pub(crate) fn from_value(stored: &[u8]) -> Result<Self, BadRecord> {
        let record: Self = ledger::from_bytes(stored)?;
        record.public_key()?;
        record.devid()?;
        record.code_record()?;
        Ok(record)
    }

    pub(crate) fn write(&self, to: &mut Batch, serial: &Serial) {
        to.put(device_key(serial), ledger::to_bytes(self));
    }

    /// Whether a run of the secure profile was ever complete; nothing takes that back but removal.
    pub(crate) const fn has_proven_itself(&self) -> bool {
        self.is_enrolled || self.devid.is_some()
    }

    /// Type 1 is not run with it any more; whether it was.
    pub(crate) fn leave_compat(&mut self) -> bool {
        let was_compat = self.compat.take().is_some() || self.min_type < ProtocolType::PLAIN.0;
        self.min_type = self.min_type.max(ProtocolType::PLAIN.0);
        was_compat
    }

    /// Whether type 1 may be run with it now.
    pub(crate) const fn may_run_compat(&self) -> bool {
        !self.is_blocked
            && self.min_type == ProtocolType::COMPAT.0
            && self.compat.is_some()
            && !self.has_proven_itself()
    }

    /// Other credentials stand from now on: runs that began before change nothing more.
    pub(crate) const fn renew(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    pub(crate) const fn mode(&self) -> Mode {
        if self.is_product_key { Mode::ProductKey } else { Mode::Serial }
    }

    pub(crate) fn psk(&self) -> Option<&Secret> {
        Some(&self.psk).filter(|psk| !psk.is_empty())
    }

    pub(crate) fn set_psk(&mut self, psk: Secret) {
        self.psk = psk;
    }

    pub(crate) fn public_key(&self) -> Result<Option<PublicKey>, BadRecord> {
        if self.device_key.is_empty() {
            return Ok(None);
        }
        let key = PublicKey::from_spki(&self.device_key).map_err(|_| BadRecord)?;
        if key.kind() == KeyKind::Ec(Curve::P256) { Ok(Some(key)) } else { Err(BadRecord) }
    }

    pub(crate) fn set_public_key(&mut self, key: &PublicKey) {
        self.device_key = key.spki().to_vec();
    }

    pub(crate) const fn has_public_key(&self) -> bool {
        !self.device_key.is_empty()
    }

    pub(crate) fn devid(&self) -> Result<Option<Devid>, BadRecord> {
        self.devid.map(|text| Devid::new(&text).ok_or(BadRecord)).transpose()
    }

    pub(crate) const fn set_devid(&mut self, devid: &Devid) {
        self.devid = Some(*devid.as_bytes());
    }

    pub(crate) fn set_code(&mut self, code: &CodeRecord) {
        self.code =
            Some(StoredCode { w0: code.w0.clone(), point_l: code.point_l.clone(), kdf: code.kdf.number() });
    }

    fn code_record(&self) -> Result<Option<CodeRecord>, BadRecord> {
        let of = |code: &StoredCode| {
            let kdf = Kdf::from_number(code.kdf).ok_or(BadRecord)?;
            Ok(CodeRecord { w0: code.w0.clone(), point_l: code.point_l.clone(), kdf })
        };
        self.code.as_ref().map(of).transpose()
    }

    /// Whether the owner's window is open. Without a clock it is not.
    pub(crate) fn is_window_open(&self, now: Now) -> bool {
        let until = self.window_until_unix_millis.unwrap_or(0);
        now.utc.is_some_and(|utc| utc.as_unix_millis() < until)
    }

    /// What a run is judged by.
    pub(crate) fn for_run(&self, now: Now) -> Result<DeviceRecord, BadRecord> {
        let allowed = AllowedKinds {
            code: (self.allows_code || self.is_window_open(now)) && !self.is_code_burned,
            psk: self.allows_psk,
            key_pair: self.allows_key_pair,
        };
        Ok(DeviceRecord {
            allowed,
            min_type: ProtocolType(self.min_type),
            code: self.code_record()?,
            psk: self.psk().cloned(),
            device_key: self.public_key()?,
            ticket: self.ticket.as_ref().map(|ticket| TicketOnRecord {
                id: ticket.id,
                secret: ticket.secret.clone(),
                end_secs: ticket.end_unix_secs,
            }),
        })
    }
}
