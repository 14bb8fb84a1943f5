//! One device and the hub: what it says is stored in the order in which it said it, orders go down.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use clock::{Moment, Timestamp};
use hub::{
    Event, Order, OrderKind, Outcome, Refusal, Reported, Spot, VALUES_PER_REPORT_MAX, What, order_number,
};
use hub_desk::{Attachment, HubDesk, QUERY_WAIT};
use model::Uuid;
use net::now::Clock;
use osap_front::das::{DasCommand, DasOrder, OrderFailure, OrderResult, Token};
use osap_proto::{General, Serial};
use osap_things::{DesiredValue, DownMessage, Failure, Node, Place, Resource, UpMessage};
use tokio::sync::mpsc::{Receiver, Sender};

use super::device_files::DeviceFiles;
use super::family::{Family, Question};
use super::lbs_desk::text;
use super::open_orders::OpenOrders;

/// How often a store that is busy is asked again, and after how long.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(50);

/// What a device said.
#[derive(Debug)]
pub(super) enum Said {
    /// Of its own accord.
    Up { token: Option<Token>, message: Box<UpMessage>, general: General },
    /// In answer to an order.
    Answered { token: Option<Token>, result: Box<OrderResult> },
    /// Not the device: its access service does not send an order.
    Failed { node: Node, id: u64, why: OrderFailure },
}

/// What is to be told about a message.
enum Verdict {
    Taken,
    Refused,
    Unable,
}

/// Values of one thing that are to be stored.
struct Values {
    thing: Uuid,
    of: Vec<(Option<Token>, Reported)>,
}

/// The line of one device.
pub(super) struct DeviceLine {
    pub(super) serial: Serial,
    pub(super) thing: Uuid,
    /// Whether the device says a value when it is asked; of type 1 none does.
    pub(super) answers_queries: bool,
    pub(super) desk: HubDesk,
    pub(super) commands: Sender<DasCommand>,
    pub(super) clock: Clock,
    pub(super) files: DeviceFiles,
}

impl DeviceLine {
    /// Works until the device is gone or another connection took its place.
    pub(super) async fn run(self, mut words: Receiver<Said>, mut attachment: Attachment) {
        let mut batch = Vec::new();
        let mut has_orders = true;
        let changed = Arc::clone(&attachment.family);
        let (mut family, mut of_children) = Family::new(self.thing, self.desk.clone(), changed);
        let (mut open, mut questions) = (OpenOrders::default(), VecDeque::new());
        loop {
            open.expire(self.clock.now().moment);
            while open.has_room()
                && let Some(question) = questions.pop_front()
            {
                self.ask(question, &mut open).await;
            }
            let has_room = open.has_room();
            let full_until = if has_room { None } else { open.next_deadline() };
            tokio::select! {
                count = words.recv_many(&mut batch, VALUES_PER_REPORT_MAX) => {
                    if count == 0 {
                        break;
                    }
                    self.take(std::mem::take(&mut batch), &mut family, &mut open).await;
                }
                order = attachment.orders.recv(), if has_orders && has_room => match order {
                    Some(order) => self.order(Node::Device, order, &mut open).await,
                    None => has_orders = false,
                },
                Some((serial, order)) = of_children.recv(), if has_room => {
                    if let Some(node) = Node::child(serial) {
                        self.order(node, order, &mut open).await;
                    }
                }
                () = self.reached(full_until) => {}
                () = family.changed() => {
                    questions.extend(self.family_changed(&mut family, &mut open).await);
                }
            }
        }
        // These are stored as sent: the access service keeps them for the next connection.
        attachment.orders.close();
        while let Some(order) = attachment.orders.recv().await {
            self.order(Node::Device, order, &mut open).await;
        }
        while let Ok((serial, order)) = of_children.try_recv() {
            if let Some(node) = Node::child(serial) {
                self.order(node, order, &mut open).await;
            }
        }
    }

    /// Ends when it is so late; never without a time.
    async fn reached(&self, at: Option<Moment>) {
        let Some(at) = at else { return std::future::pending().await };
        tokio::time::sleep(at - self.clock.now().moment).await;
    }

    async fn say(&self, command: DasCommand) {
        // An access service that is gone has lost its devices too.
        self.commands.send(command).await.ok();
    }

    async fn tell(&self, token: Option<Token>, verdict: &Verdict) {
        let Some(token) = token else { return };
        self.say(match verdict {
            Verdict::Taken => DasCommand::Taken(token),
            Verdict::Refused => DasCommand::Refused(token),
            Verdict::Unable => DasCommand::Unable(token),
        })
        .await;
    }

    /// Values of one thing that follow each other are stored in one go; all else one by one.
    async fn take(&self, batch: Vec<Said>, family: &mut Family, open: &mut OpenOrders) {
        let mut values = Values { thing: self.thing, of: Vec::new() };
        for said in batch {
            match said {
                Said::Up { token, message, general } => match *message {
                    UpMessage::Attribute { node, place, value } => {
                        let Some(thing) = family.thing_of(&node) else {
                            self.tell(token, &Verdict::Refused).await;
                            continue;
                        };
                        if thing != values.thing {
                            self.report(&mut values).await;
                            values.thing = thing;
                        }
                        let of = spot(&place);
                        let at = Some(Timestamp::from_unix_millis(general.ts));
                        values.of.push((token, Reported { of, value, at }));
                    }
                    other => {
                        self.report(&mut values).await;
                        self.up(token, other, general, family).await;
                    }
                },
                Said::Answered { token, result } => {
                    self.report(&mut values).await;
                    open.ended(&result.node, result.id);
                    let verdict = self.answered(*result, family).await;
                    self.tell(token, &verdict).await;
                }
                Said::Failed { node, id, why } => {
                    open.ended(&node, id);
                    self.failed(&node, id, why, family).await;
                }
            }
        }
        self.report(&mut values).await;
    }

    async fn answered(&self, result: OrderResult, family: &mut Family) -> Verdict {
        let OrderResult { id, node, result } = result;
        let Some(thing) = family.thing_of(&node) else { return Verdict::Refused };
        if let Some(place) = family.answered(id, &node) {
            let Ok(Some(value)) = result else { return Verdict::Taken };
            let values = vec![Reported { of: spot(&place), value, at: None }];
            let reported = patiently(|| self.desk.report(thing, values.clone())).await;
            return reported.map_or_else(|verdict| verdict, |_| Verdict::Taken);
        }
        let result = result.map_err(|failure| (failure.code, failure.message));
        let outcome = Outcome { id, result };
        let answer = || self.desk.answer(thing, outcome.clone());
        patiently(answer).await.map_or_else(|verdict| verdict, |_| Verdict::Taken)
    }

    /// An order that the access service gave back. A value stays wanted and goes again with the next connection, unless
    /// it can never go; whoever waits for anything else is told.
    async fn failed(&self, node: &Node, id: u64, why: OrderFailure, family: &mut Family) {
        let serial = text(&self.serial);
        tracing::warn!(%serial, id, ?why, "an order was not sent to its device");
        let Some(thing) = family.thing_of(node) else { return };
        let is_value = matches!(order_number(id), Some((OrderKind::Set, _)));
        if family.answered(id, node).is_some() || (is_value && why != OrderFailure::TooLarge) {
            return;
        }
        let words = match why {
            OrderFailure::NotHere => "the device was not here: nothing was sent",
            OrderFailure::Busy => "too much waits for the device already: nothing was sent",
            OrderFailure::TooLarge => "this is larger than what the device takes: nothing was sent",
        };
        let outcome = Outcome { id, result: Err((-1, words.to_owned())) };
        if patiently(|| self.desk.answer(thing, outcome.clone())).await.is_err() {
            tracing::warn!(%serial, id, "that an order was not sent is not on record: it ends by its time");
        }
    }

    /// A sub-device became a thing, or is one no more; what is to be asked.
    async fn family_changed(&self, family: &mut Family, open: &mut OpenOrders) -> Vec<Question> {
        let changed = match family.look_again().await {
            Ok(changed) => changed,
            // The device tells of its sub-devices again on its next connection.
            Err(why) => {
                tracing::warn!(serial = %text(&self.serial), ?why, "cannot look sub-devices up");
                return Vec::new();
            }
        };
        for node in changed.gone {
            open.forget(&node);
            self.say(DasCommand::Forget { serial: self.serial.clone(), node }).await;
        }
        changed.questions
    }

    async fn ask(&self, question: Question, open: &mut OpenOrders) {
        let Question { id, node, place } = question;
        let deadline = self.clock.now().moment + QUERY_WAIT;
        open.opened(node.clone(), id, deadline);
        let message = DownMessage::Query { node, place };
        let order = DasOrder { serial: self.serial.clone(), id, message, deadline };
        self.say(DasCommand::Order(Box::new(order))).await;
    }

    async fn report(&self, values: &mut Values) {
        let thing = values.thing;
        let values = std::mem::take(&mut values.of);
        if values.is_empty() {
            return;
        }
        let (tokens, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        match patiently(|| self.desk.report(thing, values.clone())).await {
            Ok(reporting) => {
                for (number, token) in tokens.into_iter().enumerate() {
                    let refused = reporting.refused.iter().find(|(at, _)| *at == number);
                    let verdict = refused.map_or(Verdict::Taken, |(_, refusal)| self.verdict_of(refusal));
                    self.tell(token, &verdict).await;
                }
            }
            Err(verdict) => {
                for token in tokens {
                    self.tell(token, &verdict).await;
                }
            }
        }
    }

    fn verdict_of(&self, refusal: &Refusal) -> Verdict {
        let verdict = verdict_of(refusal);
        if matches!(verdict, Verdict::Refused) {
            tracing::debug!(serial = %text(&self.serial), ?refusal, "a value is not taken");
        }
        verdict
    }

    async fn up(&self, token: Option<Token>, message: UpMessage, general: General, family: &mut Family) {
        let verdict = match message {
            UpMessage::Event { node, place, id, at, data, dropped } => match family.thing_of(&node) {
                Some(thing) => {
                    let event =
                        Event { id: Some(id), of: spot(&place), data, at: Some(at), lost_before: dropped };
                    let raise = || self.desk.raise(thing, event.clone());
                    patiently(raise).await.map_or_else(|verdict| verdict, |_| Verdict::Taken)
                }
                None => Verdict::Refused,
            },
            UpMessage::AskDesired { node, resource } => match family.thing_of(&node) {
                Some(thing) => self.desired(general.seq, (node, thing), resource).await,
                None => Verdict::Refused,
            },
            UpMessage::Children(told) => match family.tell(told).await {
                Ok(()) => Verdict::Taken,
                Err(refusal) => self.verdict_of(&refusal),
            },
            UpMessage::Call { node: Node::Device, place, input } => {
                let answered = self.files.call((&self.serial, self.thing), &place, &input).await;
                let failure = Failure { code: 404, message: "no such operation".into() };
                let result = answered.unwrap_or(Err(failure));
                let message = DownMessage::CallAnswered { node: Node::Device, place, result };
                self.answer(general.seq, message).await;
                Verdict::Taken
            }
            // Sub-devices bring and fetch no files, and other answers come to their orders.
            UpMessage::Attribute { .. }
            | UpMessage::Call { .. }
            | UpMessage::Operated { .. }
            | UpMessage::WasSet { .. }
            | UpMessage::Answered { .. } => Verdict::Refused,
        };
        self.tell(token, &verdict).await;
    }

    async fn answer(&self, seq: u64, message: DownMessage) {
        let (serial, message) = (self.serial.clone(), Box::new(message));
        self.say(DasCommand::Answer { serial, seq, message }).await;
    }

    async fn desired(&self, seq: u64, (node, thing): (Node, Uuid), resource: Resource) -> Verdict {
        let orders = match patiently(|| self.desk.desired_of(thing)).await {
            Ok(orders) => orders,
            Err(verdict) => return verdict,
        };
        let wanted = |order: Order| match order.what {
            What::Set { place, value, .. } if place.resource == resource.as_str() => {
                Some(DesiredValue { area: place.area, identifier: place.identifier, value })
            }
            What::Set { .. } | What::Call { .. } | What::Query { .. } => None,
        };
        let values = orders.into_iter().filter_map(wanted).collect();
        self.answer(seq, DownMessage::Desired { node, resource, values }).await;
        Verdict::Taken
    }

    async fn order(&self, node: Node, order: Order, open: &mut OpenOrders) {
        let Order { id, thing, what, deadline } = order;
        let is_query = matches!(what, What::Query { .. });
        let of = node.clone();
        let (place, make): (_, Box<dyn FnOnce(Place) -> DownMessage + Send>) = match what {
            What::Set { place, value, .. } => {
                (place, Box::new(|place| DownMessage::Set { node, place, value }))
            }
            What::Call { place, input, .. } => {
                (place, Box::new(|place| DownMessage::Operate { node, place, input }))
            }
            What::Query { place, .. } => (place, Box::new(|place| DownMessage::Query { node, place })),
        };
        if !self.answers_queries && is_query {
            let failure = (-1, "devices of the old protocol tell values and are not asked".to_owned());
            self.desk.answer(thing, Outcome { id, result: Err(failure) }).await.ok();
            return;
        }
        let Some(place) = place_of(&place) else {
            let failure = (-1, "the model names a place that no device can have".to_owned());
            self.desk.answer(thing, Outcome { id, result: Err(failure) }).await.ok();
            return;
        };
        let now = self.clock.now();
        let unix_millis = now.utc.map_or(0, Timestamp::as_unix_millis);
        let left = Duration::from_millis(deadline.as_unix_millis().saturating_sub(unix_millis));
        let (serial, deadline) = (self.serial.clone(), now.moment + left);
        open.opened(of, id, deadline);
        let order = DasOrder { serial, id, message: make(place), deadline };
        self.say(DasCommand::Order(Box::new(order))).await;
    }
}

fn spot(place: &Place) -> Spot {
    Spot::Placed(hub::Place {
        resource: place.resource().as_str().to_owned(),
        area: place.area().to_owned(),
        identifier: place.identifier().to_owned(),
    })
}

/// Where a model says that something stands; `None` when no device can have it there.
pub(super) fn place_of(place: &hub::Place) -> Option<Place> {
    let resource = Resource::new(&place.resource).ok()?;
    Place::new(resource, &place.area, &place.identifier).ok()
}

const fn verdict_of(refusal: &Refusal) -> Verdict {
    match refusal {
        Refusal::Busy | Refusal::Fault(_) => Verdict::Unable,
        _ => Verdict::Refused,
    }
}

/// Asks a hub that is busy again.
async fn patiently<T, F>(ask: impl Fn() -> F) -> Result<T, Verdict>
where
    F: Future<Output = Result<T, Refusal>>,
{
    for _ in 1..TRIES {
        match ask().await {
            Ok(done) => return Ok(done),
            Err(Refusal::Busy) => tokio::time::sleep(PAUSE).await,
            Err(refusal) => {
                tracing::debug!(?refusal, "not taken");
                return Err(verdict_of(&refusal));
            }
        }
    }
    ask().await.map_err(|refusal| verdict_of(&refusal))
}
