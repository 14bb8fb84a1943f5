//! Sub-devices behind gateways: what the gateway tells, what its owner decides.

use hub::{Adopt, ChildView, Decline, ListChildren, Refusal, TellChildren, Thing, ThingModel, ToldChild};
use model::Uuid;

use crate::caller::Caller;
use crate::desk::HubDesk;

impl HubDesk {
    /// A gateway tells of all its sub-devices. Answers those that are things, with their things.
    ///
    /// # Errors
    /// [`Refusal::NotHere`], [`Refusal::Full`], [`Refusal::BadBinding`], [`Refusal::Fault`], [`Refusal::Busy`].
    pub async fn tell_children(
        &self,
        hub: Uuid,
        told: Vec<ToldChild>,
    ) -> Result<Vec<(String, Uuid)>, Refusal> {
        self.run(TellChildren { hub, told }).await
    }

    /// The sub-devices of a gateway, by serial; for the owner. One counts as connected while its gateway is.
    ///
    /// # Errors
    /// [`Refusal::NotHere`], [`Refusal::NotPermitted`], [`Refusal::Fault`], [`Refusal::Busy`].
    pub async fn children(&self, caller: impl Into<Caller>, hub: Uuid) -> Result<Vec<ChildView>, Refusal> {
        self.may_manage(&caller.into(), Some(hub)).await?;
        let mut children = self.run(ListChildren { hub }).await?;
        if self.online_since(hub).is_none() {
            children.iter_mut().for_each(|child| child.is_connected = false);
        }
        Ok(children)
    }

    /// Makes a thing of a sub-device that its gateway tells of.
    ///
    /// # Errors
    /// [`Refusal::NoSuchName`] when the gateway tells of none such, [`Refusal::Exists`], [`Refusal::Full`], and as
    /// for [`HubDesk::children`].
    pub async fn adopt(
        &self,
        caller: impl Into<Caller>,
        hub: Uuid,
        serial: String,
        (id, model): (Option<Uuid>, ThingModel),
    ) -> Result<Thing, Refusal> {
        let caller = caller.into();
        self.may_manage(&caller, Some(hub)).await?;
        let id = id.unwrap_or_else(|| Uuid::v4(self.desk.executor.bytes()));
        let origin = self.origin(&caller);
        let thing = self.run(Adopt { hub, serial, id, model, origin }).await?;
        self.family_changed(hub);
        Ok(thing)
    }

    /// Refuses a sub-device of a gateway, until the owner adopts it.
    ///
    /// # Errors
    /// [`Refusal::NoSuchName`], [`Refusal::Exists`] for one that is a thing, [`Refusal::Full`], and as for
    /// [`HubDesk::children`].
    pub async fn decline(&self, caller: impl Into<Caller>, hub: Uuid, serial: String) -> Result<(), Refusal> {
        let caller = caller.into();
        self.may_manage(&caller, Some(hub)).await?;
        let origin = self.origin(&caller);
        self.run(Decline { hub, serial, origin }).await
    }

    /// Has a gateway that is there look once more which of its sub-devices are things.
    pub(crate) fn family_changed(&self, hub: Uuid) {
        self.desk.lines.look(hub, |line| {
            if let Some(device) = &line.device {
                device.family.notify_one();
            }
        });
    }
}
