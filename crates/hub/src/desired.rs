//! Desired values: what is wanted of a property until its device has taken it, also while it is away.

use clock::{Now, Timestamp};
use consent::{Act, Party};
use ledger::BadRecord;
use minicbor::{Decode, Encode};
use model::Uuid;
use serde_json::Value;
use store::{Batch, Decision, Operation, ReadSet, Snapshot, decided};

use crate::access::{admit, admit_reads, affordance};
use crate::asked::Asked;
use crate::json;
use crate::model::{AffordanceKind, Place};
use crate::notice::{Effect, Settled};
use crate::operations::OrderHead;
use crate::order::{Order, OrderKind, What, order_id};
use crate::refusal::{Fault, Refusal};
use crate::schema;
use crate::spaces::{DESIRED, OPERATION, affordance_key, head_key, named_key};

/// How long the answer to one delivery of a desired value is waited for, in milliseconds. The value itself is
/// wanted until it is taken, refused or replaced.
pub(crate) const SET_ANSWER_MILLIS: u64 = 30_000;

/// Where a desired value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DesiredState {
    /// The device has not taken it yet.
    Wanted,
    /// The device took it, or reports it.
    Taken,
    /// The device said no.
    Refused {
        /// Its own code.
        code: i64,
        /// Its own words.
        message: String,
    },
    /// Who wanted it may not any more, and it never reached the device, or was not taken.
    Withdrawn,
}

/// A desired value.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredView {
    /// The property.
    pub name: String,
    /// What is wanted.
    pub value: Value,
    /// How often a value was wanted; the newest counts.
    pub version: u64,
    /// The id of the order that carries it.
    pub order: u64,
    /// Where it stands.
    pub state: DesiredState,
    /// When it was asked for.
    pub asked: Timestamp,
    /// By whom, as in the audit log.
    pub by: String,
    /// When the device answered.
    pub settled: Option<Timestamp>,
}

#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Desired {
    #[n(0)]
    json: String,
    #[n(1)]
    version: u64,
    #[n(2)]
    pub(crate) number: u64,
    /// 0 wanted, 1 taken, 2 refused, 3 withdrawn.
    #[n(3)]
    state: u8,
    #[n(4)]
    code: i64,
    #[n(5)]
    message: String,
    #[n(6)]
    asked_unix_millis: u64,
    #[n(7)]
    by: String,
    #[n(8)]
    settled_unix_millis: Option<u64>,
    /// Who asked, to the rules; records of before it was kept have none.
    #[cbor(n(9), with = "minicbor::bytes")]
    party: Option<Vec<u8>>,
}

const WANTED: u8 = 0;
const TAKEN: u8 = 1;
const REFUSED: u8 = 2;
const WITHDRAWN: u8 = 3;

/// The longest words of a device that are kept, in bytes.
const MESSAGE_SIZE_MAX: usize = 256;

/// The beginning of a device's words, cut at a character.
pub(crate) fn clip(message: &str) -> String {
    let end =
        message.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= MESSAGE_SIZE_MAX);
    message[..end.last().unwrap_or(0)].to_owned()
}

impl Desired {
    pub(crate) fn from_value(stored: &[u8]) -> Result<Self, BadRecord> {
        let desired: Self = ledger::from_bytes(stored)?;
        if desired.state <= WITHDRAWN { Ok(desired) } else { Err(BadRecord) }
    }

    pub(crate) fn to_value(&self) -> Vec<u8> {
        ledger::to_bytes(self)
    }

    pub(crate) fn view(&self, name: &str) -> Result<DesiredView, BadRecord> {
        let state = match self.state {
            WANTED => DesiredState::Wanted,
            TAKEN => DesiredState::Taken,
            WITHDRAWN => DesiredState::Withdrawn,
            _ => DesiredState::Refused { code: self.code, message: self.message.clone() },
        };
        Ok(DesiredView {
            name: name.to_owned(),
            value: json::from_text(&self.json)?,
            version: self.version,
            order: order_id(OrderKind::Set, self.number),
            state,
            asked: Timestamp::from_unix_millis(self.asked_unix_millis),
            by: self.by.clone(),
            settled: self.settled_unix_millis.map(Timestamp::from_unix_millis),
        })
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.state == WANTED
    }

    /// Whether it is still wanted and the device reports just that.
    pub(crate) fn meets(&self, reported: &Value) -> Result<bool, BadRecord> {
        Ok(self.is_wanted() && json::from_text(&self.json)? == *reported)
    }

    pub(crate) fn settle(&mut self, result: &Result<Option<Value>, (i64, String)>, at: Timestamp) {
        match result {
            Ok(_) => self.state = TAKEN,
            Err((code, message)) => {
                (self.state, self.code, self.message) = (REFUSED, *code, clip(message));
            }
        }
        self.settled_unix_millis = Some(at.as_unix_millis());
    }

    /// It is wanted no more.
    pub(crate) fn withdraw(&mut self, at: Timestamp) {
        (self.state, self.settled_unix_millis) = (WITHDRAWN, Some(at.as_unix_millis()));
    }

    /// Who asked for it; of a record that does not say so the owner, who may let it stand.
    pub(crate) fn party(&self) -> Result<Party, BadRecord> {
        self.party.as_deref().map_or(Ok(Party::Owner), Party::from_bytes)
    }

    pub(crate) fn settled(&self, thing: Uuid, result: &Result<Option<Value>, (i64, String)>) -> Effect {
        let order = order_id(OrderKind::Set, self.number);
        Effect::Settled(Settled { thing, order, result: result.clone() })
    }

    /// The order that carries it to the device.
    pub(crate) fn order(
        &self,
        thing: Uuid,
        name: &str,
        place: Place,
        at: Timestamp,
    ) -> Result<Order, BadRecord> {
        let what = What::Set {
            name: name.to_owned(),
            place,
            value: json::from_text(&self.json)?,
            version: self.version,
        };
        let deadline = Timestamp::from_unix_millis(at.as_unix_millis() + SET_ANSWER_MILLIS);
        Ok(Order { id: order_id(OrderKind::Set, self.number), thing, what, deadline })
    }
}

/// Somebody wants another value of a property.
#[derive(Clone, Debug)]
pub struct Write {
    /// Of which thing.
    pub thing: Uuid,
    /// Which property.
    pub name: String,
    /// The value.
    pub value: Value,
    /// Who asks.
    pub asked: Asked,
}

/// A value is wanted, and stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// How often a value was wanted of this property.
    pub version: u64,
    /// The id of the order that carries it.
    pub order: u64,
}

impl Write {
    fn want(&self, snapshot: &Snapshot, now: Now) -> Result<(Batch, Written, Order), Refusal> {
        let admitted = admit(snapshot, &self.asked.party, self.thing, now)?;
        admitted.permit(Act::Write, &self.name)?;
        let at = now.utc.ok_or(Refusal::Fault(Fault::NoClock))?;
        let property = affordance(snapshot, self.thing, AffordanceKind::Property, &self.name)?;
        let property = property.ok_or(Refusal::NoSuchName)?;
        if property.is_read_only() {
            return Err(Refusal::ReadOnly);
        }
        let json = json::to_text(&self.value)?;
        schema::check(&property.json, &self.value)?;
        let key = named_key(DESIRED, self.thing, &self.name);
        let before = snapshot.value(&key).map(Desired::from_value).transpose()?;
        let mut head = OrderHead::read(snapshot, self.thing)?;
        let desired = Desired {
            json,
            version: before.map_or(0, |before| before.version) + 1,
            number: head.draw(),
            state: WANTED,
            code: 0,
            message: String::new(),
            asked_unix_millis: at.as_unix_millis(),
            by: self.asked.origin.actor.clone(),
            settled_unix_millis: None,
            party: Some(self.asked.party.to_bytes()),
        };
        let mut batch = Batch::default();
        head.write(self.thing, &mut batch);
        batch.put(key, desired.to_value());
        self.asked.origin.audit(&mut batch, "things.write", Some(self.thing), &self.name, at);
        let order = desired.order(self.thing, &self.name, property.place()?, at)?;
        Ok((batch, Written { version: desired.version, order: order.id }, order))
    }
}

impl Operation for Write {
    type Reply = Result<Written, Refusal>;
    type Effect = Effect;

    fn reads(&self) -> ReadSet {
        let mut reads = admit_reads(&self.asked.party, self.thing);
        reads.keys.extend([
            affordance_key(self.thing, AffordanceKind::Property, &self.name),
            named_key(DESIRED, self.thing, &self.name),
            head_key(OPERATION, self.thing),
        ]);
        reads
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, Effect> {
        match self.want(snapshot, now) {
            Ok((batch, written, order)) => {
                Decision::Done { batch, reply: Ok(written), effects: vec![Effect::Order(order)] }
            }
            Err(why) => Decision::Done { batch: Batch::default(), reply: Err(why), effects: Vec::new() },
        }
    }
}

/// Looks at what is wanted of a property: for whoever may write it.
#[derive(Clone, Debug)]
pub struct ReadDesired {
    /// Of which thing.
    pub thing: Uuid,
    /// Which property.
    pub name: String,
    /// For whom.
    pub party: Party,
}

impl Operation for ReadDesired {
    type Reply = Result<DesiredView, Refusal>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let mut reads = admit_reads(&self.party, self.thing);
        reads.keys.push(named_key(DESIRED, self.thing, &self.name));
        reads
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            admit(snapshot, &self.party, self.thing, now)?.permit(Act::Write, &self.name)?;
            let stored = snapshot.value(&named_key(DESIRED, self.thing, &self.name));
            let stored = stored.ok_or(Refusal::NoSuchName)?;
            Ok(Desired::from_value(stored)?.view(&self.name)?)
        })
    }
}
