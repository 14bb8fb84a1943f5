//! One table of cases (`conformance/same_answer.json`) at the desk, over MQTT and over CoAP: the same outcome, by the same
//! rule. HTTP is held against the same table where HTTP is: `the_same_table_of_cases_over_http`.

use std::collections::BTreeSet;

use coap_proto::Code;
use hub::{Act, Command, Interest, Party, Pick, Reply, Rule};
use model::Uuid;
use mqtt_proto::{Property, QoS};
use serde_json::{Value, json};
use things_desk::{Outcome, code_of};

use crate::callers::{Callers, get, post, put};
use crate::house::{House, How, LOCK, message, obedient, table, topic};

const NOT_THERE: Uuid = Uuid([8; 16]);

/// What somebody asks.
#[derive(Clone, Debug)]
enum Ask {
    Read { fresh: bool },
    Write(Value),
    Call(Value),
    ObserveProperty,
    ObserveEvent,
}

struct Case {
    who: String,
    thing: Uuid,
    name: String,
    ask: Ask,
    /// `done`, or the code of the refusal.
    outcome: String,
}

/// The cases of the table that every front is held against.
fn cases(when: &str) -> Vec<Case> {
    table()[when].as_array().unwrap().iter().map(Case::of).collect()
}

fn observing(outcome: &str) -> Case {
    let case = json!({ "who": "granted", "name": "battery", "ask": "observe-property", "outcome": outcome });
    Case::of(&case)
}

impl Case {
    fn of(told: &Value) -> Self {
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        let input = || match told["long_input"].as_u64() {
            Some(size) => json!("x".repeat(usize::try_from(size).unwrap())),
            None => told["input"].clone(),
        };
        let ask = match text("ask").as_str() {
            "read" => Ask::Read { fresh: false },
            "read-fresh" => Ask::Read { fresh: true },
            "write" => Ask::Write(input()),
            "call" => Ask::Call(input()),
            "observe-property" => Ask::ObserveProperty,
            "observe-event" => Ask::ObserveEvent,
            other => panic!("nobody asks so: {other}"),
        };
        let thing = if told["thing"] == "none" { NOT_THERE } else { LOCK };
        Self { who: text("who"), thing, name: text("name"), ask, outcome: text("outcome") }
    }
}

impl Case {
    fn interest(&self) -> Interest {
        let names = Pick::Set(BTreeSet::from([self.name.clone()]));
        match self.ask {
            Ask::ObserveEvent => Interest { thing: self.thing, properties: Pick::Nothing, events: names },
            _ => Interest { thing: self.thing, properties: names, events: Pick::Nothing },
        }
    }

    fn act(&self) -> Act {
        match self.ask {
            Ask::Read { .. } => Act::Read,
            Ask::Write(_) => Act::Write,
            Ask::Call(_) => Act::Call,
            Ask::ObserveProperty | Ask::ObserveEvent => Act::Observe,
        }
    }

    async fn at_the_desk(&self, house: &House) -> String {
        let (thing, name) = (self.thing, self.name.clone());
        let command = match self.ask.clone() {
            Ask::Read { fresh } => Command::Read { thing, name, fresh },
            Ask::Write(value) => Command::Write { thing, name, value, wait_millis: 10_000 },
            Ask::Call(input) => {
                Command::Invoke { thing, name, input, deadline_millis: 30_000, wait_millis: 10_000 }
            }
            Ask::ObserveProperty | Ask::ObserveEvent => {
                return match house.desk.watch(self.party(), self.interest()).await {
                    Ok(_) => "done".into(),
                    Err(refusal) => code_of(&refusal).into(),
                };
            }
        };
        word(&Outcome::of(house.desk.call(self.party(), command).await).to_json())
    }

    fn party(&self) -> Party {
        Party::Client(self.who.clone())
    }

    /// By which rule it is decided.
    async fn rule(&self, house: &House) -> Option<Rule> {
        let (party, name) = (Some(self.party()), self.name.clone());
        let who = Command::Who { party, thing: self.thing, act: self.act(), name };
        match house.desk.call(Party::Owner, who).await {
            Ok(Reply::May(judged)) => Some(judged[0].rule),
            _ => None,
        }
    }

    async fn over_mqtt(&self, house: &mut House, conn: u64) -> String {
        let name = &self.name;
        let (rest, payload) = match &self.ask {
            Ask::Read { fresh } => {
                (format!("properties/{name}/get"), if *fresh { "fresh" } else { "" }.into())
            }
            Ask::Write(value) => (format!("properties/{name}/set"), value.to_string()),
            Ask::Call(input) => (format!("actions/{name}/call"), input.to_string()),
            Ask::ObserveProperty | Ask::ObserveEvent => {
                let kind = if matches!(self.ask, Ask::ObserveEvent) { "events" } else { "properties" };
                let filter = topic(self.thing, &format!("{kind}/{name}"));
                let reason = house.subscribe(conn, &filter, QoS::AtLeastOnce).await;
                if reason == "0x01" {
                    house.unsubscribe(conn, &filter).await;
                    house.settle().await;
                    house.guests.get_mut(&conn).unwrap().came.clear();
                }
                return reason;
            }
        };
        let asked = [Property::ResponseTopic("answers/same")];
        house.send(conn, message(&topic(self.thing, &rest), &payload, &asked));
        house.next_told(conn).await;
        word(&serde_json::from_str(&house.next_came(conn).await.payload).unwrap())
    }

    async fn over_coap(&self, callers: &mut Callers, port: u16) -> String {
        let (thing, name) = (self.thing, &self.name);
        let property = format!("/things/{thing}/properties/{name}");
        let request = match &self.ask {
            Ask::Read { fresh: false } => get(&property),
            Ask::Read { fresh: true } => get(&property).with_query("fresh=true"),
            Ask::Write(value) => put(&property, &value.to_string()),
            Ask::Call(input) => post(&format!("/things/{thing}/actions/{name}"), &input.to_string()),
            Ask::ObserveProperty => return observed(&callers.observe(port, &property).await),
            Ask::ObserveEvent => {
                return observed(&callers.observe(port, &format!("/things/{thing}/events/{name}")).await);
            }
        };
        let (code, body) = callers.ask(port, request).await;
        if code.is_success() { "done".into() } else { body["code"].as_str().unwrap().into() }
    }
}

fn observed(response: &coap_proto::Response) -> String {
    let body: Value = serde_json::from_slice(&response.payload).unwrap_or_default();
    if response.code.is_success() { "done".into() } else { body["code"].as_str().unwrap().into() }
}

/// `done`, or the code of a refusal.
fn word(answer: &Value) -> String {
    let word = if answer["outcome"] == "refused" { &answer["code"] } else { &answer["outcome"] };
    word.as_str().unwrap().to_owned()
}

/// What SUBACK says for an outcome.
fn reason_for(outcome: &str) -> &'static str {
    match outcome {
        "done" => "0x01",
        "not-here" | "not-granted" => "0x87",
        "no-such-name" | "not-so-described" => "0x8f",
        "try-later" => "0x97",
        other => panic!("no observation is refused so: {other}"),
    }
}

async fn compare(house: &mut House, callers: &mut Callers, cases: Vec<Case>) {
    for case in cases {
        let label = format!("{} {} {:?}", case.who, case.name, case.act());
        let conn = house.connect(&case.who, &How::default()).await;
        house.subscribe(conn, "answers/same", QoS::AtLeastOnce).await;
        let port = callers.connect(&case.who).await;
        let rule = case.rule(house).await;
        let is_allowed = rule.as_ref().is_some_and(|rule| *rule != Rule::Default);
        let is_of_rights = ["not-here", "not-granted"].contains(&&*case.outcome);
        assert_eq!(is_allowed, !is_of_rights, "{label}: {rule:?}");
        assert_eq!(case.at_the_desk(house).await, case.outcome, "at the desk: {label}");
        let is_observation = matches!(case.ask, Ask::ObserveProperty | Ask::ObserveEvent);
        let over_mqtt = if is_observation { reason_for(&case.outcome) } else { &case.outcome };
        assert_eq!(case.over_mqtt(house, conn).await, over_mqtt, "over MQTT: {label}");
        assert_eq!(case.over_coap(callers, port).await, case.outcome, "over CoAP: {label}");
        house.break_off(conn).await;
        callers.drop_all_of(&case.who);
        callers.settle().await;
    }
}

#[tokio::test]
async fn same_answer_at_the_desk_over_mqtt_and_over_coap() {
    let mut house = House::new().await;
    let mut callers = Callers::before(&house.desk, house.clock);
    house.report("battery", json!(80)).await;
    house.raise("shaken").await;
    house.grant("granted", &[Act::Read, Act::Write, Act::Call, Act::Observe], &[]).await;
    house.grant("reader", &[Act::Read], &["battery"]).await;
    compare(&mut house, &mut callers, cases("away")).await;
    obedient(&house.desk, house.desk.attach(LOCK), |order| match &order.what {
        hub::What::Call { .. } => Err((7, "jammed".into())),
        hub::What::Set { .. } => Ok(None),
        hub::What::Query { .. } => Ok(Some(json!(81))),
    });
    compare(&mut house, &mut callers, cases("there")).await;
    // As many observe it as may.
    let battery = observing("try-later");
    let mut watches = Vec::new();
    while let Ok(watch) = house.desk.watch(battery.party(), battery.interest()).await {
        watches.push(watch);
    }
    assert_eq!(watches.len(), hub_desk::WATCHES_PER_THING_MAX);
    compare(&mut house, &mut callers, vec![battery]).await;
}

#[tokio::test]
async fn revoked_while_observing_is_heard_at_once_everywhere() {
    let mut house = House::new().await;
    let mut callers = Callers::before(&house.desk, house.clock);
    let grant = house.grant("panel", &[Act::Observe], &["battery"]).await;
    let (conn, port) = (house.connect("panel", &How::default()).await, callers.connect("panel").await);
    let battery = Case { who: "panel".into(), ..observing("done") };
    let mut watch = house.desk.watch(battery.party(), battery.interest()).await.unwrap();
    house.subscribe(conn, &topic(LOCK, "properties/battery"), QoS::AtLeastOnce).await;
    assert_eq!(battery.over_coap(&mut callers, port).await, "done");
    house.revoke(grant).await;
    house.report("battery", json!(1)).await;
    assert!(watch.next().await.is_none());
    let last = house.next_came(conn).await;
    assert_eq!((last.payload.as_str(), last.words["ended"].as_str()), ("", "not-granted"));
    assert_eq!(callers.next_notified(port).await.code, Code::FORBIDDEN);
    house.settle().await;
    callers.settle().await;
    assert!(house.guests[&conn].came.is_empty() && callers.is_silent(port), "nothing comes after");
}
