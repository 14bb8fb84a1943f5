//! Operations: actions that somebody invoked, from the queue to their end.
//!
//! ```text
//! Queued -> Sent -> Done | Refused | NoAnswer (its deadline passed; an answer that comes is taken all the same)
//!    |-> Withdrawn      |-> NoAnswer (it was never sent)
//! ```
//! That a deadline has passed is seen when the record is looked at: nothing has to run for it, so that an
//! operation ends in time also while the server is down.

use clock::{Now, Timestamp};
use consent::{Act, Party};
use ledger::BadRecord;
use minicbor::{Decode, Encode};
use model::Uuid;
use serde_json::Value;
use store::{Batch, Decision, Key, Operation, ReadSet, Snapshot, decided};

use crate::access::{admit, admit_reads, affordance};
use crate::asked::Asked;
use crate::desired::clip;
use crate::json;
use crate::model::{AffordanceKind, Place};
use crate::notice::Effect;
use crate::order::{Order, OrderKind, What, order_id};
use crate::refusal::{Fault, Refusal};
use crate::schema;
use crate::spaces::{OPERATION, affordance_key, head_key, number_of, numbered, numbered_key};

/// Operations kept of one thing; the oldest one that has ended makes room.
pub const CALLS_KEPT_MAX: usize = 256;

/// The longest time that an operation may wait for its device, in milliseconds: a day.
pub const CALL_DEADLINE_MAX: u64 = 86_400_000;

const CALL_DEADLINE_MIN: u64 = 1000;

/// Numbers of a thing's orders.
#[derive(Clone, Default, Encode, Decode)]
#[cbor(map)]
pub(crate) struct OrderHead {
    #[n(0)]
    next: u64,
    #[n(1)]
    kept: u64,
}

impl OrderHead {
    pub(crate) fn read(snapshot: &Snapshot, thing: Uuid) -> Result<Self, BadRecord> {
        Ok(ledger::record(snapshot, &head_key(OPERATION, thing))?.unwrap_or_default())
    }

    /// The next number; the first is 1.
    pub(crate) fn draw(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn write(&self, thing: Uuid, batch: &mut Batch) {
        batch.put(head_key(OPERATION, thing), ledger::to_bytes(self));
    }
}

/// Where an operation stands.
#[derive(Clone, Debug, PartialEq)]
pub enum OperationState {
    /// It waits for its device.
    Queued,
    /// The device has it.
    Sent,
    /// The device did it.
    Done {
        /// What came of it.
        output: Option<Value>,
    },
    /// The device said no.
    Refused {
        /// Its own code.
        code: i64,
        /// Its own words.
        message: String,
    },
    /// The deadline passed. If it was sent it may have happened.
    NoAnswer {
        /// Whether the device got it.
        was_sent: bool,
    },
    /// Taken out of the queue before it was sent, by somebody or because who asked may not any more.
    Withdrawn,
}

/// An operation.
#[derive(Clone, Debug, PartialEq)]
pub struct OperationView {
    /// Its thing.
    pub thing: Uuid,
    /// Its number among the orders of its thing.
    pub number: u64,
    /// The action.
    pub name: String,
    /// Its input.
    pub input: Value,
    /// Where it stands.
    pub state: OperationState,
    /// Who asked for it, as in the audit log.
    pub by: String,
    /// When.
    pub asked: Timestamp,
    /// When nobody waits any longer.
    pub deadline: Timestamp,
    /// When it was sent.
    pub sent: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

impl OperationView {
    /// Whether nothing more is to come, but for a late answer.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        !matches!(self.state, OperationState::Queued | OperationState::Sent)
    }
}

#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Call {
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    input: String,
    /// 0 open, 1 done, 2 refused, 3 withdrawn.
    #[n(2)]
    end: u8,
    #[n(3)]
    output: Option<String>,
    #[n(4)]
    code: i64,
    #[n(5)]
    message: String,
    #[n(6)]
    by: String,
    #[n(7)]
    asked_unix_millis: u64,
    #[n(8)]
    deadline_unix_millis: u64,
    #[n(9)]
    sent_unix_millis: Option<u64>,
    #[n(10)]
    ended_unix_millis: Option<u64>,
    /// Who asked, to the rules.
    #[cbor(n(11), with = "minicbor::bytes")]
    party: Vec<u8>,
}

const OPEN: u8 = 0;
const DONE: u8 = 1;
const REFUSED: u8 = 2;
const WITHDRAWN: u8 = 3;

impl Call {
    pub(crate) fn from_value(stored: &[u8]) -> Result<Self, BadRecord> {
        let call: Self = ledger::from_bytes(stored)?;
        if call.end <= WITHDRAWN { Ok(call) } else { Err(BadRecord) }
    }

    pub(crate) fn to_value(&self) -> Vec<u8> {
        ledger::to_bytes(self)
    }

    pub(crate) fn read(snapshot: &Snapshot, thing: Uuid, number: u64) -> Result<Option<Self>, BadRecord> {
        snapshot.value(&numbered_key(OPERATION, thing, number)).map(Self::from_value).transpose()
    }

    fn is_late(&self, at: Timestamp) -> bool {
        self.deadline_unix_millis <= at.as_unix_millis()
    }

    /// Whether it may still be sent.
    pub(crate) fn is_queued(&self, at: Timestamp) -> bool {
        self.end == OPEN && self.sent_unix_millis.is_none() && !self.is_late(at)
    }

    fn is_over(&self, at: Timestamp) -> bool {
        self.end != OPEN || self.is_late(at)
    }

    pub(crate) fn send(&mut self, at: Timestamp) {
        self.sent_unix_millis = Some(at.as_unix_millis());
    }

    /// Takes it out of the queue.
    pub(crate) fn withdraw(&mut self, at: Timestamp) {
        (self.end, self.ended_unix_millis) = (WITHDRAWN, Some(at.as_unix_millis()));
    }

    /// Who asked for it.
    pub(crate) fn party(&self) -> Result<Party, BadRecord> {
        Party::from_bytes(&self.party)
    }

    /// Whether an answer can still be taken: also late, and once.
    pub(crate) fn awaits_an_answer(&self) -> bool {
        self.end == OPEN && self.sent_unix_millis.is_some()
    }

    pub(crate) fn answer(
        &mut self,
        result: &Result<Option<Value>, (i64, String)>,
        at: Timestamp,
    ) -> Result<(), Refusal> {
        match result {
            Ok(output) => {
                self.output = output.as_ref().map(json::to_text).transpose()?;
                self.end = DONE;
            }
            Err((code, message)) => (self.end, self.code, self.message) = (REFUSED, *code, clip(message)),
        }
        self.ended_unix_millis = Some(at.as_unix_millis());
        Ok(())
    }

    pub(crate) fn order(&self, thing: Uuid, number: u64, place: Place) -> Result<Order, BadRecord> {
        let what = What::Call { name: self.name.clone(), place, input: json::from_text(&self.input)? };
        let deadline = Timestamp::from_unix_millis(self.deadline_unix_millis);
        Ok(Order { id: order_id(OrderKind::Call, number), thing, what, deadline })
    }

    fn view(&self, thing: Uuid, number: u64, at: Timestamp) -> Result<OperationView, BadRecord> {
        let was_sent = self.sent_unix_millis.is_some();
        let state = match self.end {
            DONE => OperationState::Done { output: self.output.as_deref().map(json::from_text).transpose()? },
            REFUSED => OperationState::Refused { code: self.code, message: self.message.clone() },
            WITHDRAWN => OperationState::Withdrawn,
            _ if self.is_late(at) => OperationState::NoAnswer { was_sent },
            _ if was_sent => OperationState::Sent,
            _ => OperationState::Queued,
        };
        let ended = match state {
            OperationState::NoAnswer { .. } => Some(self.deadline_unix_millis),
            _ => self.ended_unix_millis,
        };
        Ok(OperationView {
            thing,
            number,
            name: self.name.clone(),
            input: json::from_text(&self.input)?,
            state,
            by: self.by.clone(),
            asked: Timestamp::from_unix_millis(self.asked_unix_millis),
            deadline: Timestamp::from_unix_millis(self.deadline_unix_millis),
            sent: self.sent_unix_millis.map(Timestamp::from_unix_millis),
            ended: ended.map(Timestamp::from_unix_millis),
        })
    }
}

/// Invokes an action.
#[derive(Clone, Debug)]
pub struct Invoke {
    /// Of which thing.
    pub thing: Uuid,
    /// Which.
    pub name: String,
    /// Its input; `null` where it has none.
    pub input: Value,
    /// How long the device has, in milliseconds from now: a second to a day.
    pub deadline_millis: u64,
    /// Whether the device is there and has room: then the operation is stored as sent, and its order leaves
    /// with the commit. Else it waits in the queue.
    pub is_deliverable: bool,
    /// Who asks.
    pub asked: Asked,
}

impl Invoke {
    /// So many of the oldest kept operations.
    fn oldest(&self, count: usize) -> store::Range {
        numbered(OPERATION, self.thing, None, count)
    }

    /// The oldest operation that has ended: it makes room for this one. Mostly that is the oldest of all, and the others
    /// are asked for only when it is not.
    fn ended(&self, snapshot: &Snapshot, at: Timestamp) -> Result<Result<Option<Key>, ReadSet>, BadRecord> {
        for range in [self.oldest(1), self.oldest(CALLS_KEPT_MAX)] {
            if !snapshot.covers_range(&range) {
                return Ok(Err(ReadSet::default().with_range(range)));
            }
            for (key, record) in &snapshot.page(&range).records {
                if Call::from_value(&record.value)?.is_over(at) {
                    return Ok(Ok(Some(key.clone())));
                }
            }
        }
        Ok(Ok(None))
    }

    fn is_full(&self, snapshot: &Snapshot) -> Result<bool, BadRecord> {
        Ok(OrderHead::read(snapshot, self.thing)?.kept >= CALLS_KEPT_MAX as u64)
    }

    fn invoke(&self, snapshot: &Snapshot, now: Now) -> Result<(Batch, OperationView, Vec<Effect>), Refusal> {
        let admitted = admit(snapshot, &self.asked.party, self.thing, now)?;
        admitted.permit(Act::Call, &self.name)?;
        let at = now.utc.ok_or(Refusal::Fault(Fault::NoClock))?;
        let action = affordance(snapshot, self.thing, AffordanceKind::Action, &self.name)?;
        let action = action.ok_or(Refusal::NoSuchName)?;
        if !(CALL_DEADLINE_MIN..=CALL_DEADLINE_MAX).contains(&self.deadline_millis) {
            return Err(Refusal::BadDeadline);
        }
        let input = json::to_text(&self.input)?;
        match action.part("input") {
            Some(form) => schema::check(form, &self.input)?,
            None if self.input.is_null() => {}
            None => return Err(Refusal::BadValue(schema::Mismatch::no_input())),
        }
        let mut batch = Batch::default();
        let mut head = OrderHead::read(snapshot, self.thing)?;
        if self.is_full(snapshot)? {
            let ended = self.ended(snapshot, at)?.ok().flatten();
            batch.delete(ended.ok_or(Refusal::Full)?);
        } else {
            head.kept += 1;
        }
        let number = head.draw();
        let call = Call {
            name: self.name.clone(),
            input,
            end: OPEN,
            output: None,
            code: 0,
            message: String::new(),
            by: self.asked.origin.actor.clone(),
            asked_unix_millis: at.as_unix_millis(),
            deadline_unix_millis: at.as_unix_millis() + self.deadline_millis,
            sent_unix_millis: self.is_deliverable.then_some(at.as_unix_millis()),
            ended_unix_millis: None,
            party: self.asked.party.to_bytes(),
        };
        head.write(self.thing, &mut batch);
        batch.put(numbered_key(OPERATION, self.thing, number), call.to_value());
        self.asked.origin.audit(&mut batch, "things.call", Some(self.thing), &self.name, at);
        let mut effects = Vec::new();
        if self.is_deliverable {
            effects.push(Effect::Order(call.order(self.thing, number, action.place()?)?));
        }
        Ok((batch, call.view(self.thing, number, at)?, effects))
    }
}

impl Operation for Invoke {
    type Reply = Result<OperationView, Refusal>;
    type Effect = Effect;

    fn reads(&self) -> ReadSet {
        let mut reads = admit_reads(&self.asked.party, self.thing);
        reads.keys.extend([
            affordance_key(self.thing, AffordanceKind::Action, &self.name),
            head_key(OPERATION, self.thing),
        ]);
        reads
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, Effect> {
        if let (Ok(true), Some(at)) = (self.is_full(snapshot), now.utc)
            && let Ok(Err(missing)) = self.ended(snapshot, at)
        {
            return Decision::Need(missing);
        }
        match self.invoke(snapshot, now) {
            Ok((batch, view, effects)) => Decision::Done { batch, reply: Ok(view), effects },
            Err(why) => Decision::Done { batch: Batch::default(), reply: Err(why), effects: Vec::new() },
        }
    }
}

/// The operation, when the caller is the owner, asked for it itself, or may call the same action.
fn seen(
    snapshot: &Snapshot,
    party: &Party,
    thing: Uuid,
    name: &str,
    number: u64,
    now: Now,
) -> Result<Call, Refusal> {
    let admitted = admit(snapshot, party, thing, now)?;
    admitted.permit(Act::Call, name)?;
    let call = Call::read(snapshot, thing, number)?.filter(|call| call.name == name);
    let call = call.ok_or(Refusal::NoSuchName)?;
    if admitted.standing.is_owner() || call.party == party.to_bytes() {
        Ok(call)
    } else {
        Err(Refusal::NoSuchName)
    }
}

/// Looks at an operation: its caller may, and the owner.
#[derive(Clone, Debug)]
pub struct ReadOperation {
    /// Of which thing.
    pub thing: Uuid,
    /// The action.
    pub name: String,
    /// The number it got.
    pub number: u64,
    /// For whom.
    pub party: Party,
}

impl Operation for ReadOperation {
    type Reply = Result<OperationView, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let mut reads = admit_reads(&self.party, self.thing);
        reads.keys.push(numbered_key(OPERATION, self.thing, self.number));
        reads
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let at = now.utc.ok_or(Refusal::Fault(Fault::NoClock))?;
            let call = seen(snapshot, &self.party, self.thing, &self.name, self.number, now)?;
            Ok(call.view(self.thing, self.number, at)?)
        })
    }
}

/// Takes an operation out of the queue: its caller may, and the owner, as long as it was not sent.
#[derive(Clone, Debug)]
pub struct Withdraw {
    /// Of which thing.
    pub thing: Uuid,
    /// The action.
    pub name: String,
    /// The number it got.
    pub number: u64,
    /// Who asks.
    pub asked: Asked,
}

impl Operation for Withdraw {
    type Reply = Result<OperationView, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let mut reads = admit_reads(&self.asked.party, self.thing);
        reads.keys.push(numbered_key(OPERATION, self.thing, self.number));
        reads
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(Refusal::Fault(Fault::NoClock))?;
            let party = &self.asked.party;
            let mut call = seen(snapshot, party, self.thing, &self.name, self.number, now)?;
            if !call.is_queued(at) {
                return Err(Refusal::NotOpen);
            }
            call.withdraw(at);
            batch.put(numbered_key(OPERATION, self.thing, self.number), call.to_value());
            self.asked.origin.audit(batch, "things.withdraw", Some(self.thing), &self.name, at);
            Ok(call.view(self.thing, self.number, at)?)
        })
    }
}

/// Every kept operation of a thing, with its number, from a page of all of them.
pub(crate) fn kept(page: &store::Page) -> impl Iterator<Item = Result<(u64, Call), BadRecord>> + '_ {
    page.records
        .iter()
        .map(|(key, record)| Ok((number_of(key).ok_or(BadRecord)?, Call::from_value(&record.value)?)))
}
