//! What devices say over their management channel, and what their silence says.

use assure_json::DeviceStatus;
use assure_proto::{Address, DeviceInfo, GoodbyeReason};
use clock::Now;
use ledger::Origin;
use model::Uuid;
use store::{Batch, Decision, Operation, ReadSet, Snapshot, decided};

use crate::device::ManagedDevice;
use crate::registering::CannotDecide;
use crate::spaces::{DEVICE, device_key};

/// Who speaks: what the handshake of the session proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The device.
    pub device: Uuid,
    /// The owner sequence number under which it proved itself: a session does not outlive the ownership.
    /// Source: TS-M5.
    pub seq: u32,
}

impl Proven {
    /// Whether the session may still speak for the device it names.
    fn holds(self, named: Uuid, record: &ManagedDevice) -> bool {
        self.device == named && record.in_use().is_some_and(|owned| owned.seq == self.seq)
    }
}

/// The answer to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// 2.04.
    Acknowledged,
    /// 4.01: it speaks for another device, or is not ours (any more).
    Unauthorized,
    /// 4.00: not the structure of the call.
    Malformed,
}

/// `PUT /v1/devices/<uuid>/info`: the device is active and has finished its bootstrap.
/// Source: aSSURE 11.3.1.
#[derive(Clone, Debug)]
pub struct Presence {
    /// Who speaks.
    pub proven: Proven,
    /// The device in the path.
    pub named: Uuid,
    /// The body.
    pub info: Vec<u8>,
    /// Where its datagrams come from: where other devices may find it.
    pub address: Option<Address>,
    /// Where it came from.
    pub origin: Origin,
}

impl Presence {
    fn hear(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<Heard, CannotDecide> {
        let at = now.utc.ok_or(CannotDecide::NoClock)?;
        let Some(mut record) = ManagedDevice::read(snapshot, self.proven.device)? else {
            return Ok(Heard::Unauthorized);
        };
        if !self.proven.holds(self.named, &record) {
            return Ok(Heard::Unauthorized);
        }
        match DeviceInfo::decode(&self.info) {
            Ok(info) if info.device == self.named => {}
            Ok(_) => return Ok(Heard::Unauthorized),
            Err(_) => return Ok(Heard::Malformed),
        }
        record.info = Some(self.info.clone());
        record.goodbye = None;
        record.seen_unix_millis = Some(at.as_unix_millis());
        if let Some(address) = &self.address {
            record.address = Some(address.encode());
        }
        record.set_status(DeviceStatus::InService, at);
        record.write(batch, self.named);
        self.origin.audit(batch, "device.presence", Some(self.named), "done", at);
        Ok(Heard::Acknowledged)
    }
}

impl Operation for Presence {
    type Reply = Result<Heard, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.proven.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.hear(snapshot, now, batch))
    }
}

/// `PUT /v1/devices/<uuid>/goodbye`: the device goes offline on purpose.
/// Source: aSSURE 11.3.2.
#[derive(Clone, Debug)]
pub struct Goodbye {
    /// Who speaks.
    pub proven: Proven,
    /// The device in the path.
    pub named: Uuid,
    /// The body.
    pub reason: Vec<u8>,
    /// Where it came from.
    pub origin: Origin,
}

impl Goodbye {
    fn hear(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<Heard, CannotDecide> {
        let at = now.utc.ok_or(CannotDecide::NoClock)?;
        let Some(mut record) = ManagedDevice::read(snapshot, self.proven.device)? else {
            return Ok(Heard::Unauthorized);
        };
        if !self.proven.holds(self.named, &record) {
            return Ok(Heard::Unauthorized);
        }
        let Ok(reason) = GoodbyeReason::decode(&self.reason) else { return Ok(Heard::Malformed) };
        record.goodbye = Some(reason.number());
        record.seen_unix_millis = Some(at.as_unix_millis());
        // One that goes to fetch the image that waits for it is awaited, not offline.
        if record.status() != DeviceStatus::BootstrapUploaded {
            record.set_status(DeviceStatus::Offline, at);
        }
        record.write(batch, self.named);
        let result = format!("reason {}", reason.number());
        self.origin.audit(batch, "device.goodbye", Some(self.named), &result, at);
        Ok(Heard::Acknowledged)
    }
}

impl Operation for Goodbye {
    type Reply = Result<Heard, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.proven.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.hear(snapshot, now, batch))
    }
}

/// What went wrong with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Its session ended without a goodbye, or it does not answer.
    Unreachable,
    /// It failed to prove itself on its management channel.
    ChannelFailed,
    /// It reported that its image did not take effect.
    BootstrapFailed,
}

/// The management channel of a device is lost.
#[derive(Clone, Debug)]
pub struct ChannelLost {
    /// The device.
    pub device: Uuid,
    /// What went wrong.
    pub trouble: Trouble,
    /// Where it came from.
    pub origin: Origin,
}

impl Operation for ChannelLost {
    /// Whether that changed the device's status.
    type Reply = Result<bool, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(CannotDecide::NoClock)?;
            let Some(mut record) = ManagedDevice::read(snapshot, self.device)? else { return Ok(false) };
            let status = record.status();
            let next = match self.trouble {
                Trouble::Unreachable if status == DeviceStatus::InService => DeviceStatus::Unreachable,
                // Strangers can fail in a device's name: a device in service is not touched by that.
                Trouble::ChannelFailed
                    if matches!(status, DeviceStatus::BootstrapUploaded | DeviceStatus::Unreachable) =>
                {
                    DeviceStatus::ChannelFailed
                }
                Trouble::BootstrapFailed if record.is_enabled() => DeviceStatus::BootstrapFailed,
                Trouble::Unreachable | Trouble::ChannelFailed | Trouble::BootstrapFailed => {
                    return Ok(false);
                }
            };
            record.set_status(next, at);
            record.write(batch, self.device);
            self.origin.audit(batch, "device.lost", Some(self.device), next.description(), at);
            Ok(true)
        })
    }
}
