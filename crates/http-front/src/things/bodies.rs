//! What calls about things take and give.

use clock::Timestamp;
use hub::{
    Act, Acts, Binding, DesiredState, DesiredView, Grant, Judgement, Names, Observation, OperationState,
    OperationView, Rule, StoredEvent, ThingView,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::record_bodies::EnrolmentJson;

fn millis(at: Option<Timestamp>) -> Option<u64> {
    at.map(Timestamp::as_unix_millis)
}

/// A thing in the short form of the directory.
#[derive(Serialize, ToSchema)]
#[schema(as = ThingSummary)]
pub(crate) struct ThingJson {
    id: String,
    title: String,
    /// `osap`, `mqtt`, or `child` for a sub-device behind a gateway.
    binding: &'static str,
    /// The serial or name of its device; for the owner alone.
    device: Option<String>,
    /// The thing of the gateway that a sub-device is behind; for the owner alone.
    hub: Option<String>,
    compat: bool,
    created_unix_millis: u64,
    online_since_unix_millis: Option<u64>,
    properties: Vec<String>,
    actions: Vec<String>,
    events: Vec<String>,
}

impl ThingJson {
    pub(super) fn new(view: &ThingView, online_since: Option<Timestamp>) -> Self {
        use hub::AffordanceKind::{Action, Event, Property};
        let (binding, device) = match &view.thing.binding {
            Binding::Osap { serial, .. } => ("osap", serial),
            Binding::Mqtt { client } => ("mqtt", client),
            Binding::Child { serial, .. } => ("child", serial),
        };
        let hub = match &view.thing.binding {
            Binding::Child { hub, .. } => Some(hub.to_string()),
            Binding::Osap { .. } | Binding::Mqtt { .. } => None,
        };
        let names = |kind, acts: &[Act]| {
            let usable = |name: &String| acts.iter().any(|act| view.standing.may(*act, name));
            view.model.affordances(kind).map(|one| one.name).filter(usable).collect()
        };
        Self {
            id: view.thing.id.to_string(),
            title: view.thing.title.clone(),
            binding,
            device: view.standing.is_owner().then(|| device.clone()),
            hub: hub.filter(|_| view.standing.is_owner()),
            compat: view.thing.marks.compat,
            created_unix_millis: view.thing.created.as_unix_millis(),
            online_since_unix_millis: millis(online_since),
            properties: names(Property, &[Act::Read, Act::Write, Act::Observe]),
            actions: names(Action, &[Act::Call]),
            events: names(Event, &[Act::Observe]),
        }
    }
}

/// The directory in short.
#[derive(Serialize, ToSchema)]
#[schema(as = ThingSummaries)]
pub(crate) struct ThingsJson {
    pub(super) things: Vec<ThingJson>,
    pub(super) next: Option<String>,
}

/// How a smart device of the access service is reached.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OsapDevice)]
pub(crate) struct OsapJson {
    /// Its serial.
    pub(super) serial: String,
    /// Whether the serial is `<product key>:<device name>`.
    #[serde(default)]
    pub(super) product_key: bool,
}

/// A client of the broker.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MqttDevice)]
pub(crate) struct MqttJson {
    /// The name under which it proves itself.
    pub(super) client: String,
}

/// A thing to add: its model, and one of the devices.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewThing)]
pub(crate) struct NewThingJson {
    /// Its UUID; drawn when it is left out.
    pub(super) id: Option<String>,
    /// W3C Thing Model.
    #[schema(value_type = Object)]
    pub(super) model: Value,
    pub(super) osap: Option<OsapJson>,
    pub(super) mqtt: Option<MqttJson>,
    /// With `osap`: the device comes on record at the load balancer in the same step.
    #[serde(default)]
    pub(super) enrolment: Option<EnrolmentJson>,
    /// Whether its device is let in through the old, weak protocol.
    #[serde(default)]
    pub(super) compat: bool,
}

/// A thing that was added.
#[derive(Serialize, ToSchema)]
#[schema(as = AddedThing)]
pub(crate) struct AddedJson {
    pub(super) id: String,
}

/// What is wanted of a property.
#[derive(Serialize, ToSchema)]
#[schema(as = DesiredValue)]
pub(crate) struct DesiredJson {
    #[schema(value_type = Value)]
    value: Value,
    version: u64,
    /// `wanted`, `taken`, `refused`, or `withdrawn` when who wanted it may not any more.
    state: &'static str,
    /// The device's own code, where it refused.
    code: Option<i64>,
    /// The device's own words, where it refused.
    message: Option<String>,
    asked_unix_millis: u64,
    settled_unix_millis: Option<u64>,
}

impl From<DesiredView> for DesiredJson {
    fn from(view: DesiredView) -> Self {
        let (state, code, message) = match view.state {
            DesiredState::Wanted => ("wanted", None, None),
            DesiredState::Taken => ("taken", None, None),
            DesiredState::Withdrawn => ("withdrawn", None, None),
            DesiredState::Refused { code, message } => ("refused", Some(code), Some(message)),
        };
        Self {
            value: view.value,
            version: view.version,
            state,
            code,
            message,
            asked_unix_millis: view.asked.as_unix_millis(),
            settled_unix_millis: millis(view.settled),
        }
    }
}

/// What is known of a property.
#[derive(Serialize, ToSchema)]
#[schema(as = Observation)]
pub(crate) struct ObservationJson {
    /// Absent until it was reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    value: Option<Value>,
    at_unix_millis: Option<u64>,
    received_unix_millis: Option<u64>,
    version: u64,
    desired: Option<DesiredJson>,
}

impl From<Observation> for ObservationJson {
    fn from(seen: Observation) -> Self {
        let reading = seen.reading.as_ref();
        Self {
            at_unix_millis: millis(reading.map(|reading| reading.at)),
            received_unix_millis: millis(reading.map(|reading| reading.received)),
            version: reading.map_or(0, |reading| reading.version),
            desired: seen.desired.map(DesiredJson::from),
            value: seen.reading.map(|reading| reading.value),
        }
    }
}

/// What a property was once.
#[derive(Serialize, ToSchema)]
#[schema(as = Sample)]
pub(crate) struct SampleJson {
    #[schema(value_type = Value)]
    value: Value,
    at_unix_millis: u64,
    received_unix_millis: u64,
    /// The number of the report.
    version: u64,
}

/// What a property was, oldest first; 256 reports are kept.
#[derive(Serialize, ToSchema)]
#[schema(as = Series)]
pub(crate) struct SeriesJson {
    samples: Vec<SampleJson>,
    /// Reports behind `after` that are not among them: no longer kept, too large to be, or not the caller's to see.
    gap: u64,
}

impl From<hub::Series> for SeriesJson {
    fn from(series: hub::Series) -> Self {
        let sample = |reading: hub::Reading| SampleJson {
            value: reading.value,
            at_unix_millis: reading.at.as_unix_millis(),
            received_unix_millis: reading.received.as_unix_millis(),
            version: reading.version,
        };
        Self { samples: series.readings.into_iter().map(sample).collect(), gap: series.gap }
    }
}

/// An operation.
#[derive(Serialize, ToSchema)]
#[schema(as = ThingOperation)]
pub(crate) struct OperationJson {
    number: u64,
    action: String,
    #[schema(value_type = Value)]
    input: Value,
    /// `queued`, `sent`, `done`, `refused`, `no-answer` or `withdrawn`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    output: Option<Value>,
    /// The device's own code, where it refused.
    code: Option<i64>,
    /// The device's own words, where it refused.
    message: Option<String>,
    /// Whether the device got it.
    was_sent: bool,
    asked_unix_millis: u64,
    deadline_unix_millis: u64,
    ended_unix_millis: Option<u64>,
    href: String,
}

/// Where an operation is looked at.
pub(super) fn href(view: &OperationView) -> String {
    format!("/things/{}/actions/{}/{}", view.thing, view.name, view.number)
}

impl From<OperationView> for OperationJson {
    fn from(view: OperationView) -> Self {
        let href = href(&view);
        let (state, output, refused) = match view.state {
            OperationState::Queued => ("queued", None, None),
            OperationState::Sent => ("sent", None, None),
            OperationState::Done { output } => ("done", output, None),
            OperationState::Refused { code, message } => ("refused", None, Some((code, message))),
            OperationState::NoAnswer { .. } => ("no-answer", None, None),
            OperationState::Withdrawn => ("withdrawn", None, None),
        };
        let (code, message) = refused.unzip();
        Self {
            number: view.number,
            action: view.name,
            input: view.input,
            state,
            output,
            code,
            message,
            was_sent: view.sent.is_some(),
            asked_unix_millis: view.asked.as_unix_millis(),
            deadline_unix_millis: view.deadline.as_unix_millis(),
            ended_unix_millis: millis(view.ended),
            href,
        }
    }
}

/// An event that was kept.
#[derive(Serialize, ToSchema)]
#[schema(as = ThingEvent)]
pub(crate) struct EventJson {
    number: u64,
    id: String,
    name: String,
    #[schema(value_type = Value)]
    data: Value,
    at_unix_millis: u64,
    received_unix_millis: u64,
    /// How many events the device had to drop before this one.
    lost_before: u64,
}

impl From<StoredEvent> for EventJson {
    fn from(event: StoredEvent) -> Self {
        Self {
            number: event.number,
            id: event.id.to_string(),
            name: event.name,
            data: event.data,
            at_unix_millis: event.at.as_unix_millis(),
            received_unix_millis: event.received.as_unix_millis(),
            lost_before: event.lost_before,
        }
    }
}

/// Kept events, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = ThingEvents)]
pub(crate) struct EventsJson {
    pub(super) events: Vec<EventJson>,
    /// Where to go on, in `after=`.
    pub(super) next: Option<u64>,
    /// How many events behind `after` are no longer kept.
    pub(super) gap: u64,
}

/// A reported value, in the stream of everything.
#[derive(Serialize)]
pub(super) struct ValueJson {
    pub(super) name: String,
    pub(super) value: Value,
    pub(super) at_unix_millis: u64,
    pub(super) version: u64,
}

/// A grant to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewGrant)]
pub(crate) struct NewGrantJson {
    /// `person:NAME`, `client:NAME` or `thing:UUID`.
    pub(super) party: String,
    pub(super) thing: String,
    /// Of `read`, `write`, `call`, `observe`.
    pub(super) acts: Vec<String>,
    /// Properties, actions and events; all when it is left out.
    pub(super) names: Option<Vec<String>>,
    pub(super) from_unix_millis: Option<u64>,
    pub(super) until_unix_millis: Option<u64>,
}

impl NewGrantJson {
    pub(super) fn acts(&self) -> Option<Acts> {
        self.acts.iter().map(|act| act.parse::<Act>().ok()).collect()
    }

    pub(super) fn names(&mut self) -> Names {
        self.names.take().map_or(Names::All, |names| Names::Set(names.into_iter().collect()))
    }
}

/// A grant.
#[derive(Serialize, ToSchema)]
#[schema(as = ThingGrant)]
pub(crate) struct GrantJson {
    id: String,
    party: String,
    thing: String,
    acts: Vec<&'static str>,
    /// `null`: all.
    names: Option<Vec<String>>,
    from_unix_millis: Option<u64>,
    until_unix_millis: Option<u64>,
    made_unix_millis: u64,
    made_by: String,
}

impl From<Grant> for GrantJson {
    fn from(grant: Grant) -> Self {
        Self {
            id: grant.id.to_string(),
            party: grant.party.to_string(),
            thing: grant.thing.to_string(),
            acts: grant.acts.iter().map(Act::word).collect(),
            names: match grant.names {
                Names::All => None,
                Names::Set(names) => Some(names.into_iter().collect()),
            },
            from_unix_millis: millis(grant.from),
            until_unix_millis: millis(grant.until),
            made_unix_millis: grant.made.as_unix_millis(),
            made_by: grant.made_by,
        }
    }
}

/// Grants, by thing and id.
#[derive(Serialize, ToSchema)]
#[schema(as = ThingGrants)]
pub(crate) struct GrantsJson {
    pub(super) grants: Vec<GrantJson>,
    pub(super) next: Option<String>,
}

/// Whether a party may, and why.
#[derive(Serialize, ToSchema)]
#[schema(as = Judgement)]
pub(crate) struct JudgementJson {
    party: String,
    allowed: bool,
    /// `owner`, `grant` or `default`.
    rule: &'static str,
    /// The grant that allows it.
    grant: Option<String>,
    until_unix_millis: Option<u64>,
}

impl From<Judgement> for JudgementJson {
    fn from(one: Judgement) -> Self {
        let (rule, grant) = match one.rule {
            Rule::Owner => ("owner", None),
            Rule::Grant(id) => ("grant", Some(id.to_string())),
            Rule::Default => ("default", None),
        };
        Self {
            party: one.party.to_string(),
            allowed: one.is_allowed,
            rule,
            grant,
            until_unix_millis: millis(one.until),
        }
    }
}

/// Who may; whoever is not listed may not, by default.
#[derive(Serialize, ToSchema)]
#[schema(as = WhoMay)]
pub(crate) struct WhoJson {
    pub(super) judgements: Vec<JudgementJson>,
}

/// Values by name.
pub(super) fn by_name(values: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(values.into_iter().collect::<Map<_, _>>())
}
