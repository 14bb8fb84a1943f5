//! Brings what waits in the store to a device that is there, as fast as its line takes it.

use std::time::Duration;

use hub::{Order, OrderKind, TakePending, order_number};
use model::Uuid;
use tokio::sync::mpsc::Sender;

use crate::desk::HubDesk;
use crate::lines::PumpAgain;

/// Pauses after the store was too busy or could not be read: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Which values go along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Queued operations and every value that is wanted.
    Everything,
    /// Queued operations alone.
    Operations,
}

impl HubDesk {
    /// Starts a pump for the device of `thing`, or tells the one that runs to look once more.
    pub(crate) fn start_pump(&self, thing: Uuid, load: Load) {
        let start = self.desk.lines.look(thing, |line| {
            let device = line.device.as_mut()?;
            match device.pump {
                None => {}
                // Somebody wants everything looked for: that stands.
                Some(PumpAgain::Yes(Load::Everything)) => return None,
                Some(_) => {
                    device.pump = Some(PumpAgain::Yes(load));
                    return None;
                }
            }
            device.pump = Some(PumpAgain::No);
            Some((device.orders.clone(), device.generation))
        });
        if let Some((orders, generation)) = start.flatten() {
            let desk = self.clone();
            tokio::spawn(async move { desk.pump(thing, generation, orders, load).await });
        }
    }

    async fn pump(self, thing: Uuid, generation: u64, orders: Sender<Order>, load: Load) {
        // Values that were brought already are not brought again by the same pump.
        let mut behind = match load {
            Load::Everything => Some(0),
            Load::Operations => None,
        };
        let mut pause = FIRST_PAUSE;
        loop {
            // Waits for room; the line is closed when the device is gone.
            match orders.reserve().await {
                Ok(permit) => drop(permit),
                Err(_) => return,
            }
            let room = orders.capacity().max(1);
            let Ok(permits) = orders.try_reserve_many(room) else { continue };
            let take = TakePending { thing, room, desired_behind: behind };
            let taken = self.desk.executor.run(take).await;
            let Ok(Ok(taken)) = taken else {
                drop(permits);
                // What waits would wait for ever if nobody looked again: the device is there.
                tokio::time::sleep(pause).await;
                if !self.is_there(thing, generation) {
                    return;
                }
                pause = (pause * 2).min(LAST_PAUSE);
                continue;
            };
            pause = FIRST_PAUSE;
            let count = taken.len();
            for (order, permit) in taken.into_iter().zip(permits) {
                if let Some((OrderKind::Set, number)) = order_number(order.id) {
                    behind = behind.map(|behind| behind.max(number));
                }
                permit.send(order);
            }
            if count < room {
                match self.look_again(thing, generation) {
                    None => return,
                    Some(Load::Everything) => behind = behind.or(Some(0)),
                    Some(Load::Operations) => {}
                }
            }
        }
    }

    /// Whether the device that this pump is for is still the one of the thing.
    fn is_there(&self, thing: Uuid, generation: u64) -> bool {
        let is_there = self
            .desk
            .lines
            .look(thing, |line| line.device.as_ref().is_some_and(|device| device.generation == generation));
        is_there.unwrap_or(false)
    }

    /// What somebody asked to be looked for once more; when nobody did, the next one starts a pump of its own.
    fn look_again(&self, thing: Uuid, generation: u64) -> Option<Load> {
        let again = self.desk.lines.look(thing, |line| {
            let device = line.device.as_mut().filter(|device| device.generation == generation)?;
            match device.pump {
                Some(PumpAgain::Yes(load)) => {
                    device.pump = Some(PumpAgain::No);
                    Some(load)
                }
                Some(PumpAgain::No) | None => {
                    device.pump = None;
                    None
                }
            }
        });
        again.flatten()
    }
}
