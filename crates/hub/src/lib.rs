//! Things: what they are, what they said last, what is wanted of them, what they were asked and what happened.
//!
//! ```text
//! person  --Write, Invoke-->  desired value, operation  --Order-->  device
//! person  <--Read, Notice--   last value, event         <--Report, Raise, Answer--  device
//! ```
//! Every command is a pure decision over a snapshot; who may is asked of [`consent`] in the same decision.
//! Orders and notices are effects: they leave after the commit, and whoever carries them decides nothing.
//! A thing nobody told the caller about and a thing that does not exist are answered alike.
//! Source: architecture sections 1, 3 and 4; W3C Thing Description 1.1; ADRs 0231 to 0233.

mod access;
mod adding;
mod answering;
mod asked;
mod children;
mod command;
mod desired;
mod events;
mod granting;
mod history;
mod json;
mod listing;
mod model;
mod notice;
mod observing;
mod operations;
mod order;
mod pending;
mod refusal;
mod removing;
mod schema;
mod spaces;
mod spot;
mod thing;
mod values;

pub use access::Standing;
pub use adding::{AddThing, MarkThing, PROPERTY_COUNT_MAX, ReplaceModel};
pub use answering::{Answer, Answered};
pub use asked::Asked;
pub use children::{
    Adopt, CHILD_COUNT_MAX, ChildState, ChildView, DECLINED_COUNT_MAX, Decline, ListChildren, TellChildren,
    ToldChild,
};
pub use command::{Command, Interest, Pick, Reply};
pub use consent::{Act, Acts, Grant, GrantPage, Names, NotGranted, Party, Rule, Verdict};
pub use desired::{DesiredState, DesiredView, ReadDesired, Write, Written};
pub use events::{EVENT_COUNT_MAX, Event, EventPage, ListEvents, Raise, Raised, StoredEvent};
pub use granting::{AddThingGrant, Judge, Judgement, WhoMay};
pub use history::{ReadSeries, SAMPLE_SIZE_MAX, SAMPLES_MAX, Series};
pub use json::{VALUE_DEPTH_MAX, VALUE_SIZE_MAX, check_value};
pub use ledger::{BadRecord, Origin};
pub use listing::{FindThing, ListThings, ReadThing, ThingFilter, ThingPage, ThingView};
pub use model::{Affordance, AffordanceKind, BadModel, BadModelReason, MODEL_SIZE_MAX, Place, ThingModel};
pub use notice::{Effect, Notice, Settled};
pub use observing::{MayManage, Subscribe};
pub use operations::{
    CALL_DEADLINE_MAX, CALLS_KEPT_MAX, Invoke, OperationState, OperationView, ReadOperation, Withdraw,
};
pub use order::{Order, OrderKind, Outcome, What, order_id, order_number};
pub use pending::{DesiredOf, TakePending};
pub use refusal::{Fault, Refusal};
pub use removing::RemoveThing;
pub use schema::{Mismatch, Reason};
pub use spot::Spot;
pub use thing::{Binding, Marks, OsapMode, Thing};
pub use values::{Observation, Read, ReadAll, Reading, Report, Reported, Reporting, VALUES_PER_REPORT_MAX};
