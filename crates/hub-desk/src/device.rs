//! Devices that are there.

use std::sync::Arc;

use hub::Order;
use model::Uuid;
use tokio::sync::Notify;
use tokio::sync::mpsc::Receiver;

use crate::desk::HubDesk;

/// Orders that wait for a device's front; the others wait in the store.
pub const ORDER_LINE_LENGTH: usize = 64;

/// A device's connection to the desk. Dropping it says that the device is gone; a later one for the same thing
/// takes its place, and this one's orders end.
pub struct Attachment {
    /// What the device is to do, in order; ends when another connection took this one's place or the thing
    /// was removed.
    pub orders: Receiver<Order>,
    /// Told when another sub-device behind this device became a thing, or is one no more.
    pub family: Arc<Notify>,
    thing: Uuid,
    generation: u64,
    desk: HubDesk,
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attachment").field("thing", &self.thing).finish_non_exhaustive()
    }
}

impl Attachment {
    pub(crate) fn new(
        (orders, family): (Receiver<Order>, Arc<Notify>),
        thing: Uuid,
        generation: u64,
        desk: HubDesk,
    ) -> Self {
        Self { orders, family, thing, generation, desk }
    }

    /// The thing whose device this is.
    #[must_use]
    pub const fn thing(&self) -> Uuid {
        self.thing
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.desk.detach(self.thing, self.generation);
    }
}
