//! How a device comes on record, gets other credentials, and goes.

use clock::Now;
use crypto::{Curve, KeyKind, PublicKey, Secret};
use ledger::Origin;
use model::Uuid;
use osap_proto::{CodeRecord, Mode, Serial};
use store::{Batch, Decision, Operation, ReadSet, Snapshot, decided};

use crate::owner::{change, of_one_device};
use crate::record::{CannotDecide, StoredDevice, at};
use crate::spaces::{compat_session_key, device_key};

/// Bytes of a pre-shared key.
const PSK_SIZES: core::ops::RangeInclusive<usize> = 16..=64;

/// What a maker gave a device: one or several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The record of the code on its label.
    pub code: Option<CodeRecord>,
    /// A factory key or a licence.
    pub psk: Option<Secret>,
    /// The public half of its key pair.
    pub device_key: Option<PublicKey>,
}

/// Credentials that make no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCredential {
    /// There is none.
    None,
    /// The pre-shared key has not 16 to 64 bytes.
    PskSize,
    /// The key is not on P-256.
    KeyKind,
}

impl Credentials {
    /// Whether a record can be made of them.
    ///
    /// # Errors
    /// See [`NoCredential`].
    pub fn check(&self) -> Result<(), NoCredential> {
        if self.code.is_none() && self.psk.is_none() && self.device_key.is_none() {
            return Err(NoCredential::None);
        }
        if self.psk.as_ref().is_some_and(|psk| !PSK_SIZES.contains(&psk.len())) {
            return Err(NoCredential::PskSize);
        }
        if self.device_key.as_ref().is_some_and(|key| key.kind() != KeyKind::Ec(Curve::P256)) {
            return Err(NoCredential::KeyKind);
        }
        Ok(())
    }
}

/// A device is let in with what its maker gave it.
#[derive(Clone, Debug)]
pub struct Enrol {
    /// Who it is.
    pub serial: Serial,
    /// What the serial is.
    pub mode: Mode,
    /// What it may prove itself with, all of it.
    pub credentials: Credentials,
    /// The thing that it is for its owner, when that is known.
    pub thing: Option<Uuid>,
    /// Who says so.
    pub origin: Origin,
}

/// What becomes of [`Enrol`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enrolled {
    /// It is on record.
    Added,
    /// A device of this serial is on record already; nothing has changed.
    Exists,
    /// The credentials make no record.
    Refused(NoCredential),
}

/// What becomes of a record of this serial that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// It stays, and the enrolment does not happen.
    Stays,
    /// It goes: no thing is bound to its device any more.
    Goes,
}

impl Enrol {
    /// What the decision wants to see.
    #[must_use]
    pub fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(&self.serial)])
    }

    /// Decides, and writes the record with its audit entry into `batch`; so that what must hold from the same
    /// moment on can be decided along with it.
    ///
    /// # Errors
    /// [`CannotDecide`]; then nothing is written.
    pub fn decide_into(
        &self,
        snapshot: &Snapshot,
        now: Now,
        batch: &mut Batch,
    ) -> Result<Enrolled, CannotDecide> {
        self.decide_over(Earlier::Stays, snapshot, now, batch)
    }

    pub(crate) fn decide_over(
        &self,
        earlier: Earlier,
        snapshot: &Snapshot,
        now: Now,
        batch: &mut Batch,
    ) -> Result<Enrolled, CannotDecide> {
        let at = at(now)?;
        if let Err(reason) = self.credentials.check() {
            return Ok(Enrolled::Refused(reason));
        }
        if earlier == Earlier::Stays && StoredDevice::read(snapshot, &self.serial)?.is_some() {
            return Ok(Enrolled::Exists);
        }
        // A device that was removed and comes again is not the one that a run began with.
        let [a, b, c, d, e, f, g, h, ..] = self.origin.seed;
        let mut record = StoredDevice::new(self.mode, u64::from_be_bytes([a, b, c, d, e, f, g, h]), at);
        if let Some(code) = &self.credentials.code {
            record.set_code(code);
            record.allows_code = true;
        }
        if let Some(psk) = &self.credentials.psk {
            record.set_psk(psk.clone());
            record.allows_psk = true;
        }
        if let Some(key) = &self.credentials.device_key {
            record.set_public_key(key);
            record.allows_key_pair = true;
        }
        record.thing = self.thing;
        record.write(batch, &self.serial);
        batch.delete(compat_session_key(&self.serial));
        self.origin.audit(batch, "device.admit", self.thing, "done", at);
        Ok(Enrolled::Added)
    }
}

impl Operation for Enrol {
    type Reply = Result<Enrolled, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        Self::reads(self)
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.decide_into(snapshot, now, batch))
    }
}

/// A device is on record no more: nothing it has proves anything.
#[derive(Clone, Debug)]
pub struct Remove {
    /// Who.
    pub serial: Serial,
    /// Who says so.
    pub origin: Origin,
}

impl Remove {
    /// What the decision wants to see.
    #[must_use]
    pub fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(&self.serial)])
    }

    /// Decides, and writes the removal with its audit entry into `batch`. Answers whether there was one.
    ///
    /// # Errors
    /// [`CannotDecide::NoClock`]; then nothing is written.
    pub fn decide_into(
        &self,
        snapshot: &Snapshot,
        now: Now,
        batch: &mut Batch,
    ) -> Result<bool, CannotDecide> {
        let at = at(now)?;
        let Some(stored) = snapshot.value(&device_key(&self.serial)) else { return Ok(false) };
        // What cannot be read any more can still be removed.
        let thing = StoredDevice::from_value(stored).ok().and_then(|record| record.thing);
        batch.delete(device_key(&self.serial));
        batch.delete(compat_session_key(&self.serial));
        self.origin.audit(batch, "device.dismiss", thing, "done", at);
        Ok(true)
    }
}

impl Operation for Remove {
    /// Whether there was one.
    type Reply = Result<bool, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        Self::reads(self)
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.decide_into(snapshot, now, batch))
    }
}

/// A device has a new code: it may be used again, even when the one before it was burned.
#[derive(Clone, Debug)]
pub struct ReplaceCode {
    /// Whose.
    pub serial: Serial,
    /// The record of the new code.
    pub code: CodeRecord,
    /// Who says so.
    pub origin: Origin,
}

of_one_device!(ReplaceCode, |this, record, _at| "device.code", {
    record.set_code(&this.code);
    record.is_code_burned = false;
    record.allows_code |= !record.is_enrolled;
    record.renew();
});

/// A device has a new factory key or licence.
#[derive(Clone, Debug)]
pub struct ReplacePsk {
    /// Whose.
    pub serial: Serial,
    /// 16 to 64 bytes.
    pub psk: Secret,
    /// Who says so.
    pub origin: Origin,
}

impl Operation for ReplacePsk {
    /// Whether there is such a device and the key has a size that fits.
    type Reply = Result<bool, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(&self.serial)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = at(now)?;
            let Some(mut record) = StoredDevice::read(snapshot, &self.serial)? else { return Ok(false) };
            if !PSK_SIZES.contains(&self.psk.len()) {
                return Ok(false);
            }
            record.set_psk(self.psk.clone());
            record.allows_psk = true;
            record.ticket = None;
            record.renew();
            record.write(batch, &self.serial);
            self.origin.audit(batch, "device.psk", record.thing, "done", at);
            Ok(true)
        })
    }
}
