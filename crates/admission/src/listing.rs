//! What people may see of the devices on record; nothing of it is secret.

use clock::{Now, Timestamp};
use ledger::BadRecord;
use model::Uuid;
use osap_proto::{AllowedKinds, Devid, Mode, ProtocolType, Serial};
use store::{Decision, Operation, Range, ReadSet, Snapshot, decided};

use crate::record::StoredDevice;
use crate::spaces::{DEVICE, device_key};

/// Devices per page of [`ListDevices`].
pub const PAGE: usize = 64;

/// A device on record, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmittedDevice {
    /// Who.
    pub serial: Serial,
    /// What the serial is.
    pub mode: Mode,
    /// What it may prove itself with now.
    pub allowed: AllowedKinds,
    /// Whether its code was burned.
    pub is_code_burned: bool,
    /// When the owner's window closes; one that is over is not told.
    pub window_until: Option<Timestamp>,
    /// The weakest type that is run with it.
    pub min_type: ProtocolType,
    /// Its present device id.
    pub devid: Option<Devid>,
    /// Whether it is blocked.
    pub is_blocked: bool,
    /// Whether a run has completed.
    pub is_enrolled: bool,
    /// Whether it has a ticket for its next run.
    pub has_ticket: bool,
    /// When a run was completed last.
    pub last_admitted: Option<Timestamp>,
    /// Whether type 1 is run with it, which protects nothing.
    pub is_compat: bool,
    /// The thing it is.
    pub thing: Option<Uuid>,
    /// When it came on record.
    pub created: Timestamp,
}

impl AdmittedDevice {
    fn of(serial: Serial, record: &StoredDevice, now: Now) -> Result<Self, BadRecord> {
        let until = record.window_until_unix_millis.map(Timestamp::from_unix_millis);
        Ok(Self {
            serial,
            mode: record.mode(),
            allowed: record.for_run(now)?.allowed,
            is_code_burned: record.is_code_burned,
            window_until: until.filter(|_| record.is_window_open(now)),
            min_type: ProtocolType(record.min_type),
            devid: record.devid()?,
            is_blocked: record.is_blocked,
            is_enrolled: record.is_enrolled,
            has_ticket: record.ticket.is_some(),
            last_admitted: record.admitted_unix_millis.map(Timestamp::from_unix_millis),
            is_compat: record.compat.is_some() && record.min_type == ProtocolType::COMPAT.0,
            thing: record.thing,
            created: Timestamp::from_unix_millis(record.created_unix_millis),
        })
    }
}

/// Reads one device.
#[derive(Clone, Debug)]
pub struct ReadDevice {
    /// Who.
    pub serial: Serial,
}

impl Operation for ReadDevice {
    type Reply = Result<Option<AdmittedDevice>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(&self.serial)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let record = StoredDevice::read(snapshot, &self.serial)?;
            record.map(|record| AdmittedDevice::of(self.serial.clone(), &record, now)).transpose()
        })
    }
}

/// Lists devices in the order of their serials.
#[derive(Clone, Debug)]
pub struct ListDevices {
    /// Read on after this one.
    pub after: Option<Serial>,
}

impl ListDevices {
    fn range(&self) -> Range {
        let after = self.after.as_ref().map(|serial| serial.as_bytes().to_vec());
        Range { space: DEVICE, prefix: Vec::new(), after, limit: PAGE }
    }
}

impl Operation for ListDevices {
    /// A page, and the cursor for the next one when there is more.
    type Reply = Result<(Vec<AdmittedDevice>, Option<Serial>), BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(self.range())
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let page = snapshot.page(&self.range());
            let read = page.records.iter().map(|(key, stored)| {
                let serial = Serial::new(&key.name).ok_or(BadRecord)?;
                AdmittedDevice::of(serial, &StoredDevice::from_value(&stored.value)?, now)
            });
            let devices = read.collect::<Result<Vec<_>, _>>()?;
            let next = devices.last().filter(|_| page.more).map(|device| device.serial.clone());
            Ok((devices, next))
        })
    }
}
