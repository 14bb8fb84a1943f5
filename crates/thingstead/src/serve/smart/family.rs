//! The sub-devices behind one device, as long as its session lasts: which are things, and their orders.
//!
//! ```text
//! device --basic/children/report--> Family --tell_children--> hub: offers wait, things come back
//! hub desk --orders of each child that is connected--> forwarders --one line--> DeviceLine
//! ```
//! A sub-device is attached while the device says that it reaches it, and is gone with the device. It is found by
//! the serial that its own gateway told: what another gateway says of that serial is about another thing.
//! Source: ADR 0370.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hub::{AffordanceKind, Command, Order, Party, Refusal, Reply, ToldChild};
use hub_desk::HubDesk;
use model::Uuid;
use osap_proto::Serial;
use osap_things::{Child, Node, Place};
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::AbortHandle;

use super::device_line::place_of;
use super::lbs_desk::text;

/// Orders of sub-devices that wait for their gateway's line; the others wait at the desk.
const ORDERS_LENGTH: usize = 16;
/// Own questions to a device that have not been answered; those over it are not asked.
const QUESTION_COUNT_MAX: usize = 256;

/// One that is a thing.
struct Member {
    thing: Uuid,
    /// Carries its orders while it is connected; ends with this.
    forwards: Option<Forwards>,
}

struct Forwards(AbortHandle);

impl Drop for Forwards {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// All sub-devices of one device.
pub(super) struct Family {
    hub: Uuid,
    desk: HubDesk,
    /// As the device told last.
    told: Vec<Child>,
    members: HashMap<Serial, Member>,
    orders_in: Sender<(Serial, Order)>,
    /// Told by the desk when a sub-device became a thing, or is one no more.
    changed: Arc<Notify>,
    asked: BTreeMap<u64, (Serial, Place)>,
    asked_count: u64,
}

/// A question of ours to a sub-device: what it has for a property.
pub(super) struct Question {
    pub(super) id: u64,
    pub(super) node: Node,
    pub(super) place: Place,
}

/// What a change among the sub-devices asks for.
#[derive(Default)]
pub(super) struct Changed {
    /// To those that are things now.
    pub(super) questions: Vec<Question>,
    /// Those that are things no more.
    pub(super) gone: Vec<Node>,
}

impl Family {
    pub(super) fn new(hub: Uuid, desk: HubDesk, changed: Arc<Notify>) -> (Self, Receiver<(Serial, Order)>) {
        let (orders_in, orders) = channel(ORDERS_LENGTH);
        let (told, members, asked) = (Vec::new(), HashMap::new(), BTreeMap::new());
        (Self { hub, desk, told, members, orders_in, changed, asked, asked_count: 0 }, orders)
    }

    /// Until something about it was decided elsewhere.
    pub(super) fn changed(&self) -> impl Future<Output = ()> + use<> {
        let changed = Arc::clone(&self.changed);
        async move { changed.notified().await }
    }

    /// The thing for which a device may speak as `node`; `None`: none.
    pub(super) fn thing_of(&self, node: &Node) -> Option<Uuid> {
        match node {
            Node::Device => Some(self.hub),
            Node::Child(serial) => self.members.get(serial).map(|member| member.thing),
        }
    }

    /// The device says which sub-devices it has.
    ///
    /// # Errors
    /// What the hub says; then the earlier ones stand.
    pub(super) async fn tell(&mut self, told: Vec<Child>) -> Result<(), Refusal> {
        let things = self.ask(&told).await?;
        self.told = told;
        self.stand(things);
        Ok(())
    }

    async fn ask(&self, told: &[Child]) -> Result<Vec<(String, Uuid)>, Refusal> {
        let told = told.iter();
        let told = told.map(|one| ToldChild { serial: text(&one.serial), is_connected: one.is_connected });
        self.desk.tell_children(self.hub, told.collect()).await
    }

    /// Looks once more which are things.
    ///
    /// # Errors
    /// What the hub says; then the earlier ones stand.
    pub(super) async fn look_again(&mut self) -> Result<Changed, Refusal> {
        if self.told.is_empty() {
            return Ok(Changed::default());
        }
        let things = self.ask(&self.told).await?;
        let before: HashMap<Serial, Uuid> =
            self.members.iter().map(|(serial, member)| (serial.clone(), member.thing)).collect();
        self.stand(things);
        let stands = |serial, thing| self.members.get(serial).is_some_and(|member| member.thing == thing);
        let gone = before.iter().filter(|(serial, thing)| !stands(serial, **thing));
        let gone = gone.filter_map(|(serial, _)| Node::child(serial.clone())).collect();
        let is_new = |child: &&Child| child.is_connected && !before.contains_key(&child.serial);
        let new: Vec<Serial> = self.told.iter().filter(is_new).map(|one| one.serial.clone()).collect();
        let mut questions = Vec::new();
        for serial in new {
            if let Some(thing) = self.members.get(&serial).map(|member| member.thing) {
                self.question(&serial, thing, &mut questions).await?;
            }
        }
        Ok(Changed { questions, gone })
    }

    /// What it told before it was a thing was not kept: it is asked for all that can be read.
    async fn question(
        &mut self,
        serial: &Serial,
        thing: Uuid,
        questions: &mut Vec<Question>,
    ) -> Result<(), Refusal> {
        let Reply::View(view) = self.desk.call(Party::Owner, Command::Show { thing }).await? else {
            return Ok(());
        };
        let Some(node) = Node::child(serial.clone()) else { return Ok(()) };
        for property in view.model.affordances(AffordanceKind::Property) {
            let Some(place) = property.place().ok().as_ref().and_then(place_of) else { continue };
            if self.asked.len() >= QUESTION_COUNT_MAX {
                break;
            }
            self.asked_count += 1;
            // No order has such a number.
            let id = self.asked_count << 2 | 3;
            self.asked.insert(id, (serial.clone(), place.clone()));
            questions.push(Question { id, node: node.clone(), place });
        }
        Ok(())
    }

    /// Which property an answer to a question of ours is about.
    pub(super) fn answered(&mut self, id: u64, node: &Node) -> Option<Place> {
        let (serial, _) = self.asked.get(&id)?;
        (*node == Node::Child(serial.clone())).then(|| self.asked.remove(&id))?.map(|(_, place)| place)
    }

    fn stand(&mut self, things: Vec<(String, Uuid)>) {
        let mut before = std::mem::take(&mut self.members);
        for (serial, thing) in things {
            let Some(told) = self.told.iter().find(|one| one.serial.as_bytes() == serial.as_bytes()) else {
                continue;
            };
            let earlier = before.remove(&told.serial).filter(|member| member.thing == thing);
            let forwards = earlier.and_then(|member| member.forwards);
            let forwards = match (told.is_connected, forwards) {
                (false, _) => None,
                (true, Some(forwards)) => Some(forwards),
                (true, None) => Some(self.forward(told.serial.clone(), thing)),
            };
            self.members.insert(told.serial.clone(), Member { thing, forwards });
        }
    }

    /// Attaches one and carries its orders.
    fn forward(&self, serial: Serial, thing: Uuid) -> Forwards {
        let mut attachment = self.desk.attach(thing);
        let line = self.orders_in.clone();
        let carries = tokio::spawn(async move {
            while let Some(order) = attachment.orders.recv().await {
                if line.send((serial.clone(), order)).await.is_err() {
                    return;
                }
            }
        });
        Forwards(carries.abort_handle())
    }
}
