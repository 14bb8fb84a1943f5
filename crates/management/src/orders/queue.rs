//! The queue of one device.

use clock::{Now, Timestamp};
use coap_proto::Code;
use ledger::{BadRecord, Origin};
use minicbor::{Decode, Encode};
use model::{KeyId, Uuid};
use store::{Batch, Decision, Operation, Range, ReadSet, Snapshot, decided};

use super::Command;
use crate::device::{ManagedDevice, Registrant};
use crate::spaces::{DEVICE, ORDER, device_key, order_key};

/// Orders that wait for one device; more are refused.
pub const ORDER_COUNT_MAX: usize = 64;
/// Orders of one device that are kept when done; the oldest is forgotten first.
const DONE_COUNT_MAX: usize = 64;
/// Orders that [`TakeOrders`] gives out at once.
pub const TAKEN_COUNT_MAX: usize = 8;
/// Bytes of an answer that are kept; a longer one is kept as [`Outcome::TooLong`].
const ANSWER_SIZE_MAX: usize = 64 * 1024;

/// How an order ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
    /// The device answered.
    #[n(0)]
    Answered {
        /// The code of its answer, as one byte: class in the upper three bits.
        #[n(0)]
        code: u8,
        /// The body of its answer.
        #[cbor(n(1), with = "minicbor::bytes")]
        payload: Vec<u8>,
    },
    /// The deadline came before the order could be sent: the device has not seen it.
    #[n(1)]
    Late,
    /// It was sent and no answer came: the device may have done it.
    #[n(2)]
    NoAnswer,
    /// The order it had to follow failed; this one was not sent.
    #[n(3)]
    Skipped,
    /// The device answered with more than is kept.
    #[n(4)]
    TooLong,
    /// The device was replaced, released or transferred before.
    #[n(5)]
    Withdrawn,
}

impl Outcome {
    /// Whether the device carried the order out.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Answered { code, .. } if Code::from_byte(*code).is_success())
    }
}

/// Where an order stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum OrderState {
    /// Not sent.
    #[n(0)]
    Waiting,
    /// Sent, not answered.
    #[n(1)]
    Sent,
    /// It has come to its end.
    #[n(2)]
    Done {
        /// Which.
        #[n(0)]
        outcome: Outcome,
    },
}

/// Another order that must have been carried out before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Placed {
    #[cbor(n(0), with = "ledger::fields::id16")]
    pub(crate) device: Uuid,
    #[n(1)]
    pub(crate) number: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct StoredOrder {
    #[n(0)]
    command: Command,
    #[n(1)]
    deadline_unix_millis: u64,
    #[n(2)]
    state: OrderState,
    #[n(3)]
    after: Option<Placed>,
    #[n(4)]
    placed_unix_millis: u64,
}

impl StoredOrder {
    fn is_done(&self) -> bool {
        matches!(self.state, OrderState::Done { .. })
    }

    /// Where it stands when the deadline counts.
    fn state_at(&self, now: Timestamp) -> OrderState {
        let late = now.as_unix_millis() >= self.deadline_unix_millis;
        match &self.state {
            OrderState::Waiting if late => OrderState::Done { outcome: Outcome::Late },
            OrderState::Sent if late => OrderState::Done { outcome: Outcome::NoAnswer },
            state => state.clone(),
        }
    }
}

/// An order before it has its number.
pub(crate) struct NewOrder {
    pub(crate) device: Uuid,
    pub(crate) command: Command,
    pub(crate) deadline: Timestamp,
    pub(crate) after: Option<Placed>,
}

/// Puts an order at the end of its device's queue. The caller writes the record.
pub(crate) fn place(record: &mut ManagedDevice, order: NewOrder, at: Timestamp, batch: &mut Batch) -> Placed {
    let number = record.next_order;
    record.next_order += 1;
    let stored = StoredOrder {
        command: order.command,
        deadline_unix_millis: order.deadline.as_unix_millis(),
        state: OrderState::Waiting,
        after: order.after,
        placed_unix_millis: at.as_unix_millis(),
    };
    batch.put(order_key(order.device, number), ledger::to_bytes(&stored));
    Placed { device: order.device, number }
}

/// Orders of one device, oldest first; those kept and those waiting fit into one page.
fn orders(device: Uuid) -> Range {
    let limit = 4 * (ORDER_COUNT_MAX + DONE_COUNT_MAX);
    Range { space: ORDER, prefix: device.0.to_vec(), after: None, limit }
}

fn read_orders(snapshot: &Snapshot, device: Uuid) -> Result<Vec<(u64, StoredOrder)>, BadRecord> {
    let records = snapshot.page(&orders(device)).records.iter();
    let read = records.map(|(key, record)| {
        let number = key.name.get(16..).and_then(|number| number.try_into().ok()).ok_or(BadRecord)?;
        Ok((u64::from_be_bytes(number), ledger::from_bytes(&record.value)?))
    });
    read.collect()
}

/// Deletes the oldest of the orders that are done, but for those that are kept.
fn forget(device: Uuid, done: &[u64], batch: &mut Batch) {
    for number in &done[..done.len().saturating_sub(DONE_COUNT_MAX)] {
        batch.delete(order_key(device, *number));
    }
}

/// Why an order was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPlaced {
    /// The device is not ours, not the caller's, or disabled.
    NotOurs,
    /// Too many orders wait for it.
    Full,
    /// The deadline has passed already.
    Late,
    /// The command is not of a form that devices take: a ping over 64 bytes, a key that is none or has
    /// another id, a channel number that requests may not name.
    Malformed,
    /// We do not know the time.
    NoClock,
    /// A stored record cannot be read.
    Record(BadRecord),
}

impl From<BadRecord> for NotPlaced {
    fn from(bad: BadRecord) -> Self {
        Self::Record(bad)
    }
}

/// Bytes of a ping.
const PING_SIZE_MAX: usize = 64;

fn is_well_formed(command: &Command) -> bool {
    let is_key =
        |id: &KeyId, key: &[u8]| assure_proto::AuthenticatedKey::decode(key).is_ok_and(|key| key.id() == *id);
    match command {
        Command::Ping { payload } => payload.len() <= PING_SIZE_MAX,
        Command::PutKey { id, key } => is_key(id, key.expose()),
        Command::PutChannel { id, .. } => assure_proto::ChannelId::explicit(id.number()).is_some(),
        Command::ReadInfo
        | Command::ListKeys
        | Command::ReadKey { .. }
        | Command::DeleteKey { .. }
        | Command::GenerateKey { .. }
        | Command::ListChannels
        | Command::ReadChannel { .. }
        | Command::CreateChannel { .. }
        | Command::OpenChannel { .. }
        | Command::CloseChannel { .. }
        | Command::DeleteChannel { .. }
        | Command::Reboot
        | Command::Shutdown
        | Command::Bootstrap => true,
    }
}

/// Somebody asks something of a device.
#[derive(Clone, Debug)]
pub struct PlaceOrder {
    /// The device.
    pub device: Uuid,
    /// Who asks.
    pub by: Registrant,
    /// What.
    pub command: Command,
    /// Until when it must have been answered.
    pub deadline: Timestamp,
    /// Where it came from.
    pub origin: Origin,
}

impl PlaceOrder {
    fn place(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<u64, NotPlaced> {
        let at = now.utc.ok_or(NotPlaced::NoClock)?;
        let record = ManagedDevice::read(snapshot, self.device)?;
        let mut record =
            record.filter(|r| r.in_use().is_some() && self.by.sees(r)).ok_or(NotPlaced::NotOurs)?;
        if !is_well_formed(&self.command) {
            return Err(NotPlaced::Malformed);
        }
        if self.deadline <= at {
            return Err(NotPlaced::Late);
        }
        let stored = read_orders(snapshot, self.device)?;
        let open = |order: &StoredOrder| !matches!(order.state_at(at), OrderState::Done { .. });
        if stored.iter().filter(|(_, order)| open(order)).count() >= ORDER_COUNT_MAX {
            return Err(NotPlaced::Full);
        }
        let done = stored.iter().filter(|(_, order)| !open(order)).map(|(number, _)| *number);
        forget(self.device, &done.collect::<Vec<_>>(), batch);
        let order = NewOrder {
            device: self.device,
            command: self.command.clone(),
            deadline: self.deadline,
            after: None,
        };
        let placed = place(&mut record, order, at, batch);
        record.write(batch, self.device);
        self.origin.audit(batch, self.command.verb(), Some(self.device), "ordered", at);
        Ok(placed.number)
    }
}

impl Operation for PlaceOrder {
    /// The number of the order.
    type Reply = Result<u64, NotPlaced>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)]).with_range(orders(self.device))
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.place(snapshot, now, batch))
    }
}

/// An order that is to be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueOrder {
    /// Its number.
    pub number: u64,
    /// What is asked.
    pub command: Command,
    /// Until when it must have been answered.
    pub deadline: Timestamp,
}

/// Takes the orders that may be sent to a device now, in their order; at most [`TAKEN_COUNT_MAX`].
///
/// Whoever takes them sends one after the other and settles each. Orders taken before and not settled are
/// given again when they may be repeated: the taker is gone or would have settled them.
#[derive(Clone, Copy, Debug)]
pub struct TakeOrders {
    /// The device, whose management channel is open.
    pub device: Uuid,
}

impl TakeOrders {
    fn take(
        &self,
        snapshot: &Snapshot,
        stored: Vec<(u64, StoredOrder)>,
        at: Timestamp,
        batch: &mut Batch,
    ) -> Result<Vec<DueOrder>, BadRecord> {
        let record = ManagedDevice::read(snapshot, self.device)?;
        let enabled = record.is_some_and(|record| record.in_use().is_some());
        // Plans place orders without looking at the queue: what is done makes room here too.
        let done = stored.iter().filter(|(_, order)| order.is_done()).map(|(number, _)| *number);
        forget(self.device, &done.collect::<Vec<_>>(), batch);
        let mut due = Vec::new();
        for (number, mut order) in stored {
            let before = order.state.clone();
            order.state = order.state_at(at);
            if !enabled && !order.is_done() {
                order.state = OrderState::Done { outcome: Outcome::Withdrawn };
            }
            let mut blocked = false;
            if let (OrderState::Waiting, Some(after)) = (&order.state, order.after) {
                match predecessor(snapshot, after, at)? {
                    Some(OrderState::Done { outcome }) if outcome.is_success() => {}
                    Some(OrderState::Waiting | OrderState::Sent) => blocked = true,
                    Some(OrderState::Done { .. }) | None => {
                        order.state = OrderState::Done { outcome: Outcome::Skipped };
                    }
                }
            }
            let sendable = match order.state {
                OrderState::Waiting => !blocked,
                OrderState::Sent => order.command.may_be_repeated(),
                OrderState::Done { .. } => false,
            };
            if sendable && due.len() < TAKEN_COUNT_MAX {
                order.state = OrderState::Sent;
                let deadline = Timestamp::from_unix_millis(order.deadline_unix_millis);
                due.push(DueOrder { number, command: order.command.clone(), deadline });
            }
            if order.state != before {
                batch.put(order_key(self.device, number), ledger::to_bytes(&order));
            }
            if blocked {
                // What stands behind a blocked order may rest on it.
                break;
            }
        }
        Ok(due)
    }
}

fn predecessor(snapshot: &Snapshot, after: Placed, at: Timestamp) -> Result<Option<OrderState>, BadRecord> {
    let order: Option<StoredOrder> = ledger::record(snapshot, &order_key(after.device, after.number))?;
    Ok(order.map(|order| order.state_at(at)))
}

impl Operation for TakeOrders {
    type Reply = Result<Vec<DueOrder>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)]).with_range(orders(self.device))
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let stored = match (read_orders(snapshot, self.device), now.utc) {
            (Ok(stored), Some(at)) => Ok((stored, at)),
            (Ok(_), None) => Ok((Vec::new(), Timestamp::from_unix_millis(0))),
            (Err(bad), _) => Err(bad),
        };
        let (stored, at) = match stored {
            Ok(read) => read,
            Err(bad) => {
                return Decision::Done { batch: Batch::default(), reply: Err(bad), effects: Vec::new() };
            }
        };
        let open = stored.iter().filter(|(_, order)| !order.is_done());
        let wanted = open.filter_map(|(_, order)| order.after);
        let missing = wanted.map(|after| order_key(after.device, after.number));
        let missing: Vec<_> = missing.filter(|key| !snapshot.covers(key)).collect();
        if !missing.is_empty() {
            return Decision::Need(ReadSet::of(missing));
        }
        decided(|batch| self.take(snapshot, stored, at, batch))
    }
}

/// An order that was sent has come to its end.
#[derive(Clone, Debug)]
pub struct SettleOrder {
    /// The device.
    pub device: Uuid,
    /// The order.
    pub number: u64,
    /// How it ended; an end that is known already stands.
    pub outcome: Outcome,
    /// Where it came from.
    pub origin: Origin,
}

impl Operation for SettleOrder {
    /// Whether this was the end of it.
    type Reply = Result<bool, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([order_key(self.device, self.number)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let key = order_key(self.device, self.number);
            let Some(mut order) = ledger::record::<StoredOrder>(snapshot, &key)? else { return Ok(false) };
            if order.state != OrderState::Sent {
                return Ok(false);
            }
            let too_long = matches!(
                &self.outcome,
                Outcome::Answered { payload, .. } if payload.len() > ANSWER_SIZE_MAX
            );
            let outcome = if too_long { Outcome::TooLong } else { self.outcome.clone() };
            if let Some(at) = now.utc {
                let result = if outcome.is_success() { "done" } else { "failed" };
                self.origin.audit(batch, order.command.verb(), Some(self.device), result, at);
            }
            order.state = OrderState::Done { outcome };
            batch.put(key, ledger::to_bytes(&order));
            Ok(true)
        })
    }
}

/// Reads one order.
#[derive(Clone, Debug)]
pub struct ReadOrder {
    /// The device.
    pub device: Uuid,
    /// The order.
    pub number: u64,
    /// Who asks.
    pub by: Registrant,
}

/// An order as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// What was asked.
    pub command: Command,
    /// When.
    pub placed: Timestamp,
    /// Until when it must have been answered.
    pub deadline: Timestamp,
    /// Where it stands.
    pub state: OrderState,
}

impl Operation for ReadOrder {
    /// `None`: no such order, or not the caller's device.
    type Reply = Result<Option<OrderView>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device), order_key(self.device, self.number)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let record = ManagedDevice::read(snapshot, self.device)?;
            if !record.is_some_and(|record| self.by.sees(&record)) {
                return Ok(None);
            }
            let order: Option<StoredOrder> = ledger::record(snapshot, &order_key(self.device, self.number))?;
            Ok(order.map(|order| OrderView {
                placed: Timestamp::from_unix_millis(order.placed_unix_millis),
                deadline: Timestamp::from_unix_millis(order.deadline_unix_millis),
                state: now.utc.map_or_else(|| order.state.clone(), |at| order.state_at(at)),
                command: order.command,
            }))
        })
    }
}
