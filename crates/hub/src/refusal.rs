//! Why a command is not carried out.

use consent::NotGranted;
use ledger::BadRecord;

use crate::model::BadModel;
use crate::schema::Mismatch;

/// Why a command is not carried out. Every front maps each variant once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such thing, or the caller was granted nothing with it: nobody learns which.
    NotHere,
    /// No grant allows the caller this act with this name; whether the name exists is not told.
    NotPermitted,
    /// The thing has no property, action or event of this name, or nothing of this number.
    NoSuchName,
    /// There is no such grant, or none any more.
    NoSuchGrant,
    /// The property cannot be written.
    ReadOnly,
    /// The property cannot be read.
    WriteOnly,
    /// The property cannot be observed.
    NotObservable,
    /// The thing never reported the property.
    NoValue,
    /// The value is not of the form the model gives.
    BadValue(Mismatch),
    /// The value is larger or nested deeper than is kept.
    TooLarge,
    /// The model cannot be used.
    BadModel(BadModel),
    /// No device can have such a serial or name.
    BadBinding,
    /// A thing of this id, or bound to this device, is there already.
    Exists,
    /// There are as many as may be.
    Full,
    /// The deadline is not between a second and a day.
    BadDeadline,
    /// The operation is no longer in the queue.
    NotOpen,
    /// The device is not connected.
    Offline,
    /// The device did not answer in time; it may have happened.
    NoAnswer,
    /// The device said no.
    DeviceRefused {
        /// Its own code.
        code: i64,
        /// Its own words, at most 256 bytes of them.
        message: String,
    },
    /// No grant was made.
    NotGranted(NotGranted),
    /// Too much at once; asking again is safe.
    Busy,
    /// Our own fault.
    Fault(Fault),
}

/// What failed on our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// We do not know the time.
    NoClock,
    /// A stored record cannot be read.
    BadRecord,
    /// The disk is full: nothing was changed.
    Full,
    /// The store failed: nothing was changed.
    Unavailable,
    /// Whether it happened is not known.
    OutcomeUnknown,
}

impl From<BadRecord> for Refusal {
    fn from(_: BadRecord) -> Self {
        Self::Fault(Fault::BadRecord)
    }
}

impl From<Mismatch> for Refusal {
    fn from(mismatch: Mismatch) -> Self {
        Self::BadValue(mismatch)
    }
}

impl From<BadModel> for Refusal {
    fn from(bad: BadModel) -> Self {
        Self::BadModel(bad)
    }
}

impl From<NotGranted> for Refusal {
    fn from(why: NotGranted) -> Self {
        match why {
            NotGranted::NoClock => Self::Fault(Fault::NoClock),
            NotGranted::BadRecord => Self::Fault(Fault::BadRecord),
            NotGranted::Party
            | NotGranted::Nothing
            | NotGranted::Names
            | NotGranted::Times
            | NotGranted::Full => Self::NotGranted(why),
        }
    }
}
