//! What fronts ask of the hub, in one word each: a front translates and decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use clock::Timestamp;
use consent::{Act, Acts, Grant, GrantPage, Names, Party};
use model::Uuid;
use serde_json::Value;

use crate::desired::DesiredView;
use crate::events::EventPage;
use crate::granting::Judgement;
use crate::listing::{ThingFilter, ThingPage, ThingView};
use crate::model::ThingModel;
use crate::operations::OperationView;
use crate::thing::{Binding, Marks, Thing};
use crate::values::Observation;

/// What a caller asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Adds a thing; the owner alone. Answered with [`Reply::Thing`].
    Add {
        /// Its UUID; `None`: one is drawn.
        id: Option<Uuid>,
        /// What it offers.
        model: ThingModel,
        /// Through what its device is reached.
        binding: Binding,
        /// What is to be seen at a glance.
        marks: Marks,
    },
    /// Gives a thing another model; the owner alone. Answered with [`Reply::Thing`].
    ReplaceModel {
        /// Which.
        thing: Uuid,
        /// What it offers from now on.
        model: ThingModel,
    },
    /// Erases a thing; the owner alone. Answered with [`Reply::Done`].
    Remove {
        /// Which.
        thing: Uuid,
    },
    /// Lists things. Answered with [`Reply::Things`].
    List {
        /// Which.
        filter: ThingFilter,
        /// Goes on behind this one.
        after: Option<Uuid>,
    },
    /// Shows a thing. Answered with [`Reply::View`].
    Show {
        /// Which.
        thing: Uuid,
    },
    /// Reads a property. Answered with [`Reply::Property`].
    Read {
        /// Of which thing.
        thing: Uuid,
        /// Which.
        name: String,
        /// Asks the device first and waits for its answer; else what it said last counts.
        fresh: bool,
    },
    /// Reads every property that may be read. Answered with [`Reply::Properties`].
    ReadAll {
        /// Of which thing.
        thing: Uuid,
    },
    /// Wants another value of a property. Answered with [`Reply::Desired`].
    Write {
        /// Of which thing.
        thing: Uuid,
        /// Which.
        name: String,
        /// The value.
        value: Value,
        /// How long to wait for the device, in milliseconds; then what stands is answered.
        wait_millis: u64,
    },
    /// Invokes an action. Answered with [`Reply::Operation`].
    Invoke {
        /// Of which thing.
        thing: Uuid,
        /// Which.
        name: String,
        /// Its input; `null` where it has none.
        input: Value,
        /// How long the device has, in milliseconds.
        deadline_millis: u64,
        /// How long to wait for the device, in milliseconds; then what stands is answered.
        wait_millis: u64,
    },
    /// Looks at an operation. Answered with [`Reply::Operation`].
    Operation {
        /// Of which thing.
        thing: Uuid,
        /// The action.
        name: String,
        /// Its number.
        number: u64,
    },
    /// Takes an operation out of the queue. Answered with [`Reply::Operation`].
    Withdraw {
        /// Of which thing.
        thing: Uuid,
        /// The action.
        name: String,
        /// Its number.
        number: u64,
    },
    /// Lists kept events. Answered with [`Reply::Events`].
    Events {
        /// Of which thing.
        thing: Uuid,
        /// Only of this name.
        name: Option<String>,
        /// Behind this number.
        after: Option<u64>,
        /// Looks at so many at most.
        limit: usize,
    },
    /// Grants something; the owner alone. Answered with [`Reply::Granted`].
    Grant {
        /// To whom.
        party: Party,
        /// On which thing.
        thing: Uuid,
        /// What.
        acts: Acts,
        /// With which properties, actions and events.
        names: Names,
        /// From then on.
        from: Option<Timestamp>,
        /// Before then.
        until: Option<Timestamp>,
    },
    /// Takes a grant back; the owner alone. Answered with [`Reply::Done`].
    Revoke {
        /// Which.
        grant: Uuid,
    },
    /// Lists grants; the owner alone. Answered with [`Reply::Grants`].
    Grants {
        /// Only on this thing.
        thing: Option<Uuid>,
        /// Goes on behind this grant: its thing and id.
        after: Option<(Uuid, Uuid)>,
        /// At most so many.
        limit: usize,
    },
    /// Says who may do something, or whether one party may, and why; the owner alone, and whoever asks about
    /// itself. Answered with [`Reply::May`].
    Who {
        /// About whom; `None`: everybody who may.
        party: Option<Party>,
        /// With which thing.
        thing: Uuid,
        /// What.
        act: Act,
        /// With which property, action or event.
        name: String,
    },
}

/// What a caller hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// It is done.
    Done,
    /// A thing.
    Thing(Thing),
    /// A thing whole.
    View(Box<ThingView>),
    /// A page of things.
    Things(ThingPage),
    /// What is known of a property.
    Property(Observation),
    /// What is known of properties, by name.
    Properties(BTreeMap<String, Observation>),
    /// What is wanted of a property.
    Desired(DesiredView),
    /// An operation.
    Operation(OperationView),
    /// A page of events.
    Events(EventPage),
    /// A grant.
    Granted(Grant),
    /// A page of grants.
    Grants(GrantPage),
    /// Who may.
    May(Vec<Judgement>),
}

/// Which of a thing's properties or events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// None.
    Nothing,
    /// Every one that the caller may observe.
    All,
    /// These: each must be one that the caller may observe.
    Set(BTreeSet<String>),
}

/// What a subscriber wants to hear of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Which thing.
    pub thing: Uuid,
    /// Which properties.
    pub properties: Pick,
    /// Which events.
    pub events: Pick,
}
