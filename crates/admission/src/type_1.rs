//! Devices of type 1, "compat": off for every device until somebody switches it on for that one.
//!
//! Whoever listens to a run of type 1 may have the code and the session key. So a code that was shown counts for
//! nothing else until there is a new one, and the first session key of a device is not taken at the access service. A
//! device that ever proved itself by the secure profile is not let in by type 1 again.
//! Source: OSAP secure profile sections 8 and 9; decision H13.

use clock::{Now, Timestamp};
use crypto::Secret;
use ledger::{BadRecord, Origin, fields};
use minicbor::{Decode, Encode};
use model::Uuid;
use osap_proto::compat::{CodeKeys, CompatCommit, CompatDevice, CompatSession, Dialogue};
use osap_proto::{Devid, Mode, ProtocolType, Serial, ServerId};
use store::{Batch, Decision, Operation, ReadSet, Snapshot, decided};

use crate::record::{CannotDecide, StoredDevice, at};
use crate::spaces::{compat_session_key, compat_switch_key, device_key};

/// What is on record of a device of type 1.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct StoredCompat {
    /// What its code comes to.
    #[cbor(n(0), with = "fields::secret")]
    pub(crate) keys: Secret,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) devid: Option<[u8; 32]>,
    /// Empty for none.
    #[cbor(n(2), with = "fields::secret")]
    pub(crate) master_key: Secret,
}

impl StoredCompat {
    pub(crate) fn device(&self) -> Result<CompatDevice, BadRecord> {
        Ok(CompatDevice {
            keys: CodeKeys::from_bytes(&self.keys).ok_or(BadRecord)?,
            devid: self.devid.map(|text| Devid::new(&text).ok_or(BadRecord)).transpose()?,
            master_key: Some(&self.master_key).filter(|key| !key.is_empty()).cloned(),
        })
    }
}

/// The session of a device of type 1, which every access service may read.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct StoredSession {
    #[cbor(n(0), with = "minicbor::bytes")]
    devid: [u8; 32],
    #[cbor(n(1), with = "fields::secret")]
    session_key: Secret,
    #[cbor(n(2), with = "minicbor::bytes")]
    server_id: Vec<u8>,
    #[n(3)]
    end_unix_millis: u64,
    #[n(4)]
    is_exposed: bool,
}

/// Type 1 is run with a device from now on. This is a risk, and its record says who took it.
#[derive(Clone, Debug)]
pub struct AllowCompat {
    /// Which device.
    pub serial: Serial,
    /// What its code comes to in type 1.
    pub keys: CodeKeys,
    /// Who says so.
    pub origin: Origin,
}

/// What becomes of [`AllowCompat`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompatAllowed {
    /// Type 1 is run with it.
    Done,
    /// There is no such device.
    Unknown,
    /// It has proven itself by the secure profile: there is no way back but to remove it and to put it on record anew.
    ProvenBetter,
}

impl Operation for AllowCompat {
    type Reply = Result<CompatAllowed, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(&self.serial)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = at(now)?;
            let Some(mut record) = StoredDevice::read(snapshot, &self.serial)? else {
                return Ok(CompatAllowed::Unknown);
            };
            if record.has_proven_itself() {
                return Ok(CompatAllowed::ProvenBetter);
            }
            record.compat = Some(StoredCompat {
                keys: self.keys.to_bytes(),
                devid: None,
                master_key: Secret::from(&[][..]),
            });
            record.min_type = ProtocolType::COMPAT.0;
            record.write(batch, &self.serial);
            self.origin.audit(batch, "device.compat-on", record.thing, "done", at);
            Ok(CompatAllowed::Done)
        })
    }
}

/// Type 1 is not run with a device any more; its session ends.
#[derive(Clone, Debug)]
pub struct ForbidCompat {
    /// Which device.
    pub serial: Serial,
    /// Who says so.
    pub origin: Origin,
}

impl Operation for ForbidCompat {
    /// Whether there is such a device.
    type Reply = Result<bool, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(&self.serial)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = at(now)?;
            let Some(mut record) = StoredDevice::read(snapshot, &self.serial)? else { return Ok(false) };
            record.leave_compat();
            record.write(batch, &self.serial);
            batch.delete(compat_session_key(&self.serial));
            self.origin.audit(batch, "device.compat-off", record.thing, "done", at);
            Ok(true)
        })
    }
}

/// Looks up whether type 1 may be run with a serial.
#[derive(Clone, Debug)]
pub struct LookUpCompat {
    /// Who the device says it is.
    pub serial: Serial,
    /// What the serial is, where the message tells.
    pub mode: Option<Mode>,
}

impl Operation for LookUpCompat {
    /// `None`: unknown, blocked, not with type 1, or proven by a better one; all alike.
    type Reply = Result<Option<CompatDevice>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(&self.serial)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let reply = StoredDevice::read(snapshot, &self.serial).and_then(|record| {
            let is_run = |record: &StoredDevice| {
                let is_of_mode = self.mode.is_none_or(|mode| mode == record.mode());
                is_of_mode && record.may_run_compat()
            };
            let compat = record.filter(is_run).and_then(|record| record.compat);
            compat.map(|compat| compat.device()).transpose()
        });
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

/// A device showed its code in type 1: it enrols nobody until there is a new one.
#[derive(Clone, Debug)]
pub struct BurnCode {
    /// Whose.
    pub serial: Serial,
    /// The load balancer.
    pub origin: Origin,
}

impl Operation for BurnCode {
    /// Whether it was burned by this.
    type Reply = Result<bool, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(&self.serial)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = at(now)?;
            let record = StoredDevice::read(snapshot, &self.serial)?;
            let Some(mut record) = record.filter(|record| !record.is_code_burned) else { return Ok(false) };
            record.is_code_burned = true;
            record.renew();
            record.write(batch, &self.serial);
            self.origin.audit(batch, "device.code-burned", record.thing, "done", at);
            Ok(true)
        })
    }
}

/// What a run of type 1 changes, and the session that it makes at an access service.
#[derive(Clone, Debug)]
pub struct CommitCompat {
    /// What the run has to say.
    pub commit: CompatCommit,
    /// Where the device is sent.
    pub server_id: ServerId,
    /// How long the session stands, in seconds.
    pub lifetime_secs: u32,
}

impl Operation for CommitCompat {
    /// Whether it holds; not when the device was blocked, removed or taken off type 1 meanwhile.
    type Reply = Result<bool, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(&self.commit.serial)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = at(now)?;
            let record = StoredDevice::read(snapshot, &self.commit.serial)?;
            let Some(mut record) = record.filter(StoredDevice::may_run_compat) else { return Ok(false) };
            if let Some(compat) = &mut record.compat {
                compat.devid = Some(*self.commit.devid.as_bytes());
                compat.master_key = self.commit.master_key.clone();
            }
            record.admitted_unix_millis = Some(at.as_unix_millis());
            record.write(batch, &self.commit.serial);
            let session = StoredSession {
                devid: *self.commit.devid.as_bytes(),
                session_key: self.commit.session_key.clone(),
                server_id: self.server_id.as_bytes().to_vec(),
                end_unix_millis: at.as_unix_millis() + u64::from(self.lifetime_secs) * 1000,
                is_exposed: self.commit.dialogue != Dialogue::Refresh,
            };
            batch.put(compat_session_key(&self.commit.serial), ledger::to_bytes(&session));
            Ok(true)
        })
    }
}

/// Reads the session of a device of type 1, for an access service that got its CONNECT.
#[derive(Clone, Debug)]
pub struct ReadCompatSession {
    /// Who the device says it is.
    pub serial: Serial,
    /// The access service.
    pub server_id: ServerId,
}

/// The session of a device of type 1 at this access service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingSession {
    /// What a CONNECT is judged by.
    pub session: CompatSession,
    /// The thing that the device is.
    pub thing: Option<Uuid>,
    /// When it ends.
    pub until: Timestamp,
}

impl Operation for ReadCompatSession {
    /// `None` when there is none here, it is over, or type 1 is not run with the device.
    type Reply = Result<Option<StandingSession>, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(&self.serial), compat_session_key(&self.serial)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let at = at(now)?;
            let record = StoredDevice::read(snapshot, &self.serial)?;
            let Some(record) = record.filter(StoredDevice::may_run_compat) else { return Ok(None) };
            let stored: Option<StoredSession> = ledger::record(snapshot, &compat_session_key(&self.serial))?;
            let stands = |session: &StoredSession| {
                session.server_id == self.server_id.as_bytes()
                    && at.as_unix_millis() < session.end_unix_millis
            };
            let Some(session) = stored.filter(stands) else { return Ok(None) };
            let until = Timestamp::from_unix_millis(session.end_unix_millis);
            let session = CompatSession {
                serial: self.serial.clone(),
                devid: Devid::new(&session.devid).ok_or(BadRecord)?,
                session_key: session.session_key,
                is_exposed: session.is_exposed,
            };
            Ok(Some(StandingSession { session, thing: record.thing, until }))
        })
    }
}

/// The listener of type 1 is switched on or off, by the configuration of this server. A risk that is switched on is in
/// the audit log, and so is its end.
#[derive(Clone, Debug)]
pub struct SwitchCompat {
    /// Whether it listens.
    pub is_on: bool,
    /// The server.
    pub origin: Origin,
}

impl Operation for SwitchCompat {
    /// Whether it was the other way before.
    type Reply = Result<bool, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([compat_switch_key()])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = at(now)?;
            if snapshot.value(&compat_switch_key()).is_some() == self.is_on {
                return Ok(false);
            }
            let what = if self.is_on {
                batch.put(compat_switch_key(), &[1][..]);
                "lbs.compat-on"
            } else {
                batch.delete(compat_switch_key());
                "lbs.compat-off"
            };
            self.origin.audit(batch, what, None, "done", at);
            Ok(true)
        })
    }
}
