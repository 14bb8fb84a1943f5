//! What the owner decides about a device that is on record.

use core::time::Duration;

use clock::{Now, Timestamp};
use ledger::Origin;
use model::Uuid;
use osap_proto::{ProtocolType, Serial};
use store::{Decision, Operation, ReadSet, Snapshot, decided};

use crate::record::{CannotDecide, StoredDevice, at};
use crate::spaces::device_key;

/// How long the owner's window for the code stays open.
/// Source: decision H12.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Changes the record of `serial`, with an audit entry; whether there is one.
pub(crate) fn change(
    (serial, origin): (&Serial, &Origin),
    what: &str,
    snapshot: &Snapshot,
    now: Now,
    with: impl FnOnce(&mut StoredDevice, Timestamp),
) -> Decision<Result<bool, CannotDecide>, ()> {
    decided(|batch| {
        let at = at(now)?;
        let Some(mut record) = StoredDevice::read(snapshot, serial)? else { return Ok(false) };
        with(&mut record, at);
        record.write(batch, serial);
        origin.audit(batch, what, record.thing, "done", at);
        Ok(true)
    })
}

macro_rules! of_one_device {
    ($operation:ty, |$this:ident, $record:ident, $at:ident| $what:expr, $with:expr) => {
        impl Operation for $operation {
            /// Whether there is such a device.
            type Reply = Result<bool, CannotDecide>;
            type Effect = ();

            fn reads(&self) -> ReadSet {
                ReadSet::of([device_key(&self.serial)])
            }

            fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
                let $this = self;
                change((&self.serial, &self.origin), $what, snapshot, now, |$record, $at| $with)
            }
        }
    };
}
pub(crate) use of_one_device;

/// The code on the label is taken for [`WINDOW`] once more, until a device has enrolled with it.
#[derive(Clone, Debug)]
pub struct OpenWindow {
    /// Whose.
    pub serial: Serial,
    /// Who says so.
    pub origin: Origin,
}

of_one_device!(OpenWindow, |_this, record, at| "device.window-open", {
    let millis = u64::try_from(WINDOW.as_millis()).expect("a window is short");
    record.window_until_unix_millis = Some(at.as_unix_millis() + millis);
});

/// The window is closed before its time.
#[derive(Clone, Debug)]
pub struct CloseWindow {
    /// Whose.
    pub serial: Serial,
    /// Who says so.
    pub origin: Origin,
}

of_one_device!(CloseWindow, |_this, record, _at| "device.window-close", {
    record.window_until_unix_millis = None;
    // A run of the code that has not come to its end comes to none.
    record.renew();
});

/// A device is blocked, or no more.
#[derive(Clone, Debug)]
pub struct Block {
    /// Who.
    pub serial: Serial,
    /// Whether it is.
    pub is_blocked: bool,
    /// Who says so.
    pub origin: Origin,
}

of_one_device!(Block, |this, record, _at| if this.is_blocked { "device.block" } else { "device.unblock" }, {
    record.is_blocked = this.is_blocked;
});

/// The weakest protocol type that is run with a device. Type 1 is compat: its listener's switch is another.
#[derive(Clone, Debug)]
pub struct SetFloor {
    /// Whose.
    pub serial: Serial,
    /// 1, 2, 4 or 8; others are as the next stronger one.
    pub min_type: ProtocolType,
    /// Who says so.
    pub origin: Origin,
}

of_one_device!(SetFloor, |this, record, _at| "device.floor", {
    record.min_type = this.min_type.0.max(ProtocolType::COMPAT.0);
});

/// Which thing a device is for its owner.
#[derive(Clone, Debug)]
pub struct LinkThing {
    /// Whose.
    pub serial: Serial,
    /// The thing; `None` for no thing.
    pub thing: Option<Uuid>,
    /// Who says so.
    pub origin: Origin,
}

of_one_device!(LinkThing, |this, record, _at| "device.thing", {
    record.thing = this.thing;
});
