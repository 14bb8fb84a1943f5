//! What the load balancer has on record of smart devices, for the owner of their things.

use std::sync::atomic::Ordering;

use admission::{
    AddWithThing, AdmittedDevice, AllowCompat, Block, CannotDecide, CloseWindow, CompatAllowed, Credentials,
    Enrol, Enrolled, ForbidCompat, NoCredential, NotAdded, OpenWindow, ReadDevice, RemoveWithThing,
    ReplaceCode,
};
use hub::{
    AddThing, Binding, Fault, Marks, MayManage, OsapMode, Party, ReadThing, Refusal, RemoveThing, Thing,
    ThingModel,
};
use model::Uuid;
use osap_proto::compat::CodeKeys;
use osap_proto::{CodeRecord, Mode, Serial};
use store::{Operation, RunError};

use crate::caller::Caller;
use crate::desk::{HubDesk, Shut, not_run};

/// A smart device to add with its thing.
#[derive(Clone, Debug)]
pub struct NewSmartDevice {
    /// The thing's UUID; `None`: one is drawn.
    pub id: Option<Uuid>,
    /// What it offers.
    pub model: ThingModel,
    /// Who the device is.
    pub serial: Serial,
    /// What the serial is.
    pub mode: Mode,
    /// What it may prove itself with, all of it.
    pub credentials: Credentials,
    /// What is to be seen at a glance.
    pub marks: Marks,
}

/// What the owner changes about the record of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordChange {
    /// The code on the label is taken for a while once more.
    OpenWindow,
    /// The window is closed before its time.
    CloseWindow,
    /// The device is not let in; if it is there, its session ends at once.
    Block,
    /// The device is let in again.
    Unblock,
    /// It has another code.
    Code(CodeRecord),
    /// It comes on record; there was none of it.
    Enrol(Credentials),
    /// The old protocol, type 1, is run with it, by what its code comes to there. A risk.
    AllowCompat(CodeKeys),
    /// The old protocol is run with it no more; a session of it ends at once.
    ForbidCompat,
}

/// Why nothing was done about a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordRefusal {
    /// As for every command about things.
    Thing(Refusal),
    /// The thing is no smart device, or none that is on record.
    NoRecord,
    /// There is a record already.
    Recorded,
    /// The credentials make no record.
    Credential(NoCredential),
    /// It proved itself by the secure profile: the old protocol is not run with it again.
    ProvenBetter,
}

impl From<Refusal> for RecordRefusal {
    fn from(why: Refusal) -> Self {
        Self::Thing(why)
    }
}

impl From<NotAdded> for RecordRefusal {
    fn from(why: NotAdded) -> Self {
        match why {
            NotAdded::Thing(why) => Self::Thing(why),
            NotAdded::Credential(why) => Self::Credential(why),
        }
    }
}

fn cannot(why: CannotDecide) -> RecordRefusal {
    RecordRefusal::Thing(Refusal::Fault(match why {
        CannotDecide::Record(_) => Fault::BadRecord,
        CannotDecide::NoClock => Fault::NoClock,
    }))
}

const fn osap_mode(mode: Mode) -> OsapMode {
    match mode {
        Mode::Serial => OsapMode::Serial,
        Mode::ProductKey => OsapMode::ProductKey,
    }
}

impl HubDesk {
    /// Has `tell` called with the serial of each smart device that is not to be connected now, after the
    /// commit that says so. Only the first call counts: there is one fleet of access services for a desk.
    pub fn on_shut(&self, tell: impl Fn(&str, Shut) + Send + Sync + 'static) {
        let _second = self.desk.shut.set(Box::new(tell));
    }

    fn shut(&self, serial: &str, why: Shut) {
        if let Some(tell) = self.desk.shut.get() {
            tell(serial, why);
        }
    }

    pub(crate) async fn may_manage(&self, caller: &Caller, thing: Option<Uuid>) -> Result<(), Refusal> {
        self.run(MayManage { party: caller.party.clone(), thing }).await
    }

    /// Adds a smart device: its thing and its record, or neither.
    ///
    /// # Errors
    /// See [`RecordRefusal`].
    pub async fn admit(
        &self,
        caller: impl Into<Caller>,
        new: NewSmartDevice,
    ) -> Result<Thing, RecordRefusal> {
        let caller = caller.into();
        self.may_manage(&caller, None).await?;
        let id = new.id.unwrap_or_else(|| Uuid::v4(self.desk.executor.bytes()));
        let origin = self.origin(&caller);
        let serial = String::from_utf8_lossy(new.serial.as_bytes()).into_owned();
        let binding = Binding::Osap { serial, mode: osap_mode(new.mode) };
        let NewSmartDevice { model, serial, mode, credentials, marks, .. } = new;
        let add = AddThing { id, model, binding, marks, origin: origin.clone() };
        let enrol = Enrol { serial, mode, credentials, thing: Some(id), origin };
        let added = self.desk.executor.run(AddWithThing { add, enrol }).await;
        Ok(added.map_err(not_run)??)
    }

    /// Removes a thing, and the record of its device with it; the session of the device ends, also when nobody knows
    /// whether the removal was stored.
    pub(crate) async fn remove(&self, thing: Uuid, origin: hub::Origin) -> Result<(), Refusal> {
        let before = self.run(ReadThing { thing, party: Party::Owner }).await?.thing;
        let remove = RemoveWithThing(RemoveThing { thing, origin });
        let done = self.take_away(remove).await;
        self.desk.removals.fetch_add(1, Ordering::Release);
        let (removed, binding) = match done {
            Ok(done) => {
                for effect in done.effects {
                    self.carry(effect).await;
                }
                (Ok(()), done.reply?)
            }
            Err(why @ RunError::OutcomeUnknown(_)) => (Err(not_run(why)), before.binding),
            Err(why) => return Err(not_run(why)),
        };
        match binding {
            Binding::Osap { serial, .. } => self.shut(&serial, Shut::Removed),
            Binding::Child { hub, .. } => self.family_changed(hub),
            Binding::Mqtt { .. } => {}
        }
        removed
    }

    /// The device that a thing is bound to.
    async fn device_of(&self, caller: &Caller, thing: Uuid) -> Result<(Serial, Mode), RecordRefusal> {
        self.may_manage(caller, Some(thing)).await?;
        let view = self.run(ReadThing { thing, party: caller.party.clone() }).await?;
        let Binding::Osap { serial, mode } = view.thing.binding else { return Err(RecordRefusal::NoRecord) };
        let mode = match mode {
            OsapMode::Serial => Mode::Serial,
            OsapMode::ProductKey => Mode::ProductKey,
        };
        let serial = Serial::new(serial.as_bytes()).ok_or(RecordRefusal::NoRecord)?;
        Ok((serial, mode))
    }

    /// The serial of the device that a thing is bound to.
    ///
    /// # Errors
    /// See [`RecordRefusal`].
    pub async fn serial_of(&self, caller: impl Into<Caller>, thing: Uuid) -> Result<Serial, RecordRefusal> {
        Ok(self.device_of(&caller.into(), thing).await?.0)
    }

    async fn read_record(&self, serial: Serial) -> Result<AdmittedDevice, RecordRefusal> {
        let read = self.desk.executor.run(ReadDevice { serial }).await.map_err(not_run)?;
        read.map_err(Refusal::from)?.ok_or(RecordRefusal::NoRecord)
    }

    /// What is on record of the device of a thing; nothing of it is secret.
    ///
    /// # Errors
    /// See [`RecordRefusal`].
    pub async fn record(
        &self,
        caller: impl Into<Caller>,
        thing: Uuid,
    ) -> Result<AdmittedDevice, RecordRefusal> {
        let (serial, _) = self.device_of(&caller.into(), thing).await?;
        self.read_record(serial).await
    }

    /// Changes the record of the device of a thing, and says what stands then.
    ///
    /// # Errors
    /// See [`RecordRefusal`].
    pub async fn change_record(
        &self,
        caller: impl Into<Caller>,
        thing: Uuid,
        change: RecordChange,
    ) -> Result<AdmittedDevice, RecordRefusal> {
        let caller = caller.into();
        let (serial, mode) = self.device_of(&caller, thing).await?;
        let origin = self.origin(&caller);
        let of = serial.clone();
        match change {
            RecordChange::OpenWindow => self.alter(OpenWindow { serial: of, origin }).await?,
            RecordChange::CloseWindow => self.alter(CloseWindow { serial: of, origin }).await?,
            RecordChange::Unblock => self.alter(Block { serial: of, is_blocked: false, origin }).await?,
            RecordChange::Code(code) => self.alter(ReplaceCode { serial: of, code, origin }).await?,
            RecordChange::Block => {
                self.alter_and_shut(Block { serial: of, is_blocked: true, origin }, &serial).await?;
            }
            RecordChange::AllowCompat(keys) => {
                let allow = AllowCompat { serial: of, keys, origin };
                let allowed = self.desk.executor.run(allow).await.map_err(not_run)?;
                match allowed.map_err(cannot)? {
                    CompatAllowed::Done => {}
                    CompatAllowed::Unknown => return Err(RecordRefusal::NoRecord),
                    CompatAllowed::ProvenBetter => return Err(RecordRefusal::ProvenBetter),
                }
            }
            RecordChange::ForbidCompat => {
                let was_compat = self.read_record(serial.clone()).await?.is_compat;
                let forbid = ForbidCompat { serial: of, origin };
                // A device that came by the secure profile meanwhile keeps its session.
                if was_compat {
                    self.alter_and_shut(forbid, &serial).await?;
                    self.mark(thing, Marks::default()).await?;
                } else {
                    self.alter(forbid).await?;
                }
            }
            RecordChange::Enrol(credentials) => {
                let enrol = Enrol { serial: of, mode, credentials, thing: Some(thing), origin };
                let enrolled = self.desk.executor.run(enrol).await.map_err(not_run)?;
                match enrolled.map_err(cannot)? {
                    Enrolled::Added => {}
                    Enrolled::Exists => return Err(RecordRefusal::Recorded),
                    Enrolled::Refused(why) => return Err(RecordRefusal::Credential(why)),
                }
            }
        }
        self.read_record(serial).await
    }

    /// The same with a change after which the device is not to be connected, which it is not either when nobody knows
    /// whether the change was stored.
    async fn alter_and_shut<O>(&self, operation: O, serial: &Serial) -> Result<(), RecordRefusal>
    where
        O: Operation<Reply = Result<bool, CannotDecide>, Effect = ()> + Send + 'static,
    {
        let altered = self.alter(operation).await;
        let unknown = RecordRefusal::Thing(Refusal::Fault(Fault::OutcomeUnknown));
        if altered.is_ok() || altered == Err(unknown) {
            self.shut(&String::from_utf8_lossy(serial.as_bytes()), Shut::Out);
        }
        altered
    }

    async fn alter<O>(&self, operation: O) -> Result<(), RecordRefusal>
    where
        O: Operation<Reply = Result<bool, CannotDecide>, Effect = ()> + Send + 'static,
    {
        let altered = self.desk.executor.run(operation).await.map_err(not_run)?;
        if altered.map_err(cannot)? { Ok(()) } else { Err(RecordRefusal::NoRecord) }
    }
}
