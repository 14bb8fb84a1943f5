//! The API of things over HTTPS: the same answers as at the desk, descriptions, streams.

use hub::{
    Binding, Command, DesiredState, Event, Marks, OperationState, OsapMode, Outcome, Party, Refusal, Reply,
    Reported, Spot, ThingFilter, ThingModel,
};
use model::Uuid;
use serde_json::{Value, json};

use super::people::{Person, code, page, root, sent};
use super::watching::Stream;
use crate::curl;
use crate::management::house::House;
use crate::world::World;

pub(super) const LOCK: Uuid = Uuid([7; 16]);
const NOT_THERE: Uuid = Uuid([8; 16]);

/// The model of a door lock.
pub(super) fn model() -> Value {
    json!({
        "@context": ["https://www.w3.org/2022/wot/td/v1.1", {"saref": "https://saref.etsi.org/core/"}],
        "@type": ["tm:ThingModel", "saref:DoorLock"],
        "title": "Front door",
        "properties": {
            "battery": {"type": "integer", "minimum": 0, "maximum": 100, "unit": "percent", "readOnly": true},
            "mode": {"type": "string", "enum": ["home", "away"], "osap:place": {"area": "Lock"}},
            "volume": {"type": "integer", "minimum": 0, "maximum": 10},
            "code": {"type": "string", "writeOnly": true},
        },
        "actions": {"unlock": {
            "title": "Unlock the door",
            "input": {"type": "object", "properties": {"seconds": {"type": "integer", "minimum": 1}}},
            "output": {"type": "string"},
        }},
        "events": {"tamper": {"data": {"type": "string"}}},
    })
}

/// What the device of a thing reports.
pub(super) fn report(house: &House<'_>, thing: Uuid, name: &str, value: Value) {
    let values = vec![Reported { of: Spot::Named(name.into()), value, at: None }];
    assert_eq!(house.world.block_on(house.desk.report(thing, values)).unwrap().taken, 1);
}

/// What the device of a thing tells.
pub(super) fn raise(house: &House<'_>, thing: Uuid) -> u64 {
    let of = Spot::Named("tamper".into());
    let event = Event { id: None, of, data: json!("cover"), at: None, lost_before: 0 };
    house.world.block_on(house.desk.raise(thing, event)).unwrap().number
}

pub(super) fn with_lock<'a>(world: &'a World) -> (House<'a>, Person) {
    let house = House::open(world);
    let add = Command::Add {
        id: Some(LOCK),
        model: ThingModel::new(model()).unwrap(),
        binding: Binding::Osap { serial: "D1".into(), mode: OsapMode::Serial },
        marks: Marks::default(),
    };
    assert!(matches!(world.block_on(house.desk.call(Party::Owner, add)), Ok(Reply::Thing(_))));
    let root = root(&house);
    (house, root)
}

pub(super) fn grant(house: &House<'_>, root: &Person, acts: &[&str], names: &[&str]) -> String {
    let body = json!({ "party": "person:birch", "thing": LOCK.to_string(), "acts": acts, "names": names });
    let made = root.call(house, "POST", "/v1/grants", &body);
    House::json(made.is(201))["id"].as_str().unwrap().to_owned()
}

/// The device of the lock: it does what it is asked, but never gets loud.
pub(super) fn obedient(house: &House<'_>) -> tokio::task::JoinHandle<()> {
    let desk = house.desk.clone();
    let mut device = house.world.block_on(async { desk.attach(LOCK) });
    house.world.runtime.spawn(async move {
        while let Some(order) = device.orders.recv().await {
            let result = match &order.what {
                hub::What::Set { value, .. } if *value == json!(9) => Err((-3, "too loud".to_owned())),
                hub::What::Set { .. } => Ok(None),
                hub::What::Call { .. } => Ok(Some(json!("open"))),
                hub::What::Query { .. } => Ok(Some(json!(42))),
            };
            desk.answer(order.thing, Outcome { id: order.id, result }).await.unwrap();
        }
    })
}

/// What the desk answers, in the words of HTTP: the status, and the code of the refusal or what is shown.
fn expected(answer: Result<Reply, Refusal>) -> (u16, Value) {
    match answer {
        Err(refusal) => {
            let (status, code) = match refusal {
                Refusal::NotHere => (404, "not-here"),
                Refusal::NotPermitted => (403, "not-granted"),
                Refusal::NoSuchName => (404, "no-such-name"),
                Refusal::ReadOnly | Refusal::WriteOnly | Refusal::NotObservable => (405, "not-so-described"),
                Refusal::BadValue(_) | Refusal::TooLarge => (422, "value-refused"),
                Refusal::NotOpen => (409, "not-in-queue"),
                Refusal::Offline => (503, "device-offline"),
                other => panic!("no scenario has it: {other:?}"),
            };
            (status, json!(code))
        }
        Ok(Reply::Property(seen)) => match seen.reading {
            Some(reading) => (200, reading.value),
            None => (404, json!("never-reported")),
        },
        Ok(Reply::Properties(all)) => {
            let values = all.into_iter().filter_map(|(name, seen)| Some((name, seen.reading?.value)));
            (200, Value::Object(values.collect()))
        }
        Ok(Reply::Desired(desired)) => match desired.state {
            DesiredState::Wanted => (202, desired.value),
            other => panic!("there is no device: {other:?}"),
        },
        Ok(Reply::Operation(view)) => match view.state {
            OperationState::Queued => (201, json!("queued")),
            OperationState::Withdrawn => (200, json!("withdrawn")),
            other => panic!("there is no device: {other:?}"),
        },
        Ok(Reply::Events(page)) => (200, page.events.into_iter().map(|event| event.data).collect()),
        Ok(Reply::Things(page)) => {
            (200, page.things.iter().map(|view| json!(view.thing.id.to_string())).collect())
        }
        Ok(Reply::View(view)) => (200, json!(view.thing.title)),
        Ok(other) => panic!("no scenario has it: {other:?}"),
    }
}

/// What HTTP answered, in the same words.
fn answered(reply: &curl::Reply, command: &Command) -> (u16, Value) {
    if reply.status >= 400 {
        return (reply.status, json!(code(reply)));
    }
    let body = House::json(reply);
    let shown = match command {
        Command::Write { .. } => body["value"].clone(),
        Command::Invoke { .. } | Command::Withdraw { .. } | Command::Operation { .. } => {
            body["state"].clone()
        }
        Command::Events { .. } => {
            body["events"].as_array().unwrap().iter().map(|event| event["data"].clone()).collect()
        }
        Command::List { .. } => {
            body["things"].as_array().unwrap().iter().map(|thing| thing["id"].clone()).collect()
        }
        Command::Show { .. } => body["title"].clone(),
        _ => body,
    };
    (reply.status, shown)
}

/// A command, and the call that says the same.
fn over_http(command: &Command) -> (&'static str, String, Value) {
    match command {
        Command::List { .. } => ("GET", "/things?format=summary".into(), Value::Null),
        Command::Show { thing } => ("GET", format!("/things/{thing}"), Value::Null),
        Command::Read { thing, name, fresh } => {
            ("GET", format!("/things/{thing}/properties/{name}?fresh={fresh}"), Value::Null)
        }
        Command::ReadAll { thing } => ("GET", format!("/things/{thing}/properties"), Value::Null),
        Command::Write { thing, name, value, .. } => {
            ("PUT", format!("/things/{thing}/properties/{name}?wait=0"), value.clone())
        }
        Command::Invoke { thing, name, input, .. } => {
            ("POST", format!("/things/{thing}/actions/{name}?wait=0"), input.clone())
        }
        Command::Withdraw { thing, name, number } => {
            ("DELETE", format!("/things/{thing}/actions/{name}/{number}"), Value::Null)
        }
        Command::Events { thing, name: None, .. } => ("GET", format!("/things/{thing}/events"), Value::Null),
        Command::Events { thing, name: Some(name), .. } => {
            ("GET", format!("/things/{thing}/events/{name}"), Value::Null)
        }
        other => panic!("no scenario has it: {other:?}"),
    }
}

fn scenarios(thing: Uuid) -> Vec<Command> {
    let read = |name: &str, fresh| Command::Read { thing, name: name.into(), fresh };
    let write = |name: &str, value| Command::Write { thing, name: name.into(), value, wait_millis: 0 };
    let call = |name: &str, input| Command::Invoke {
        thing,
        name: name.into(),
        input,
        deadline_millis: 30_000,
        wait_millis: 0,
    };
    let events = |name: Option<&str>| Command::Events {
        thing,
        name: name.map(str::to_owned),
        after: None,
        limit: 100,
    };
    vec![
        Command::List { filter: ThingFilter::default(), after: None },
        Command::Show { thing },
        read("battery", false),
        read("battery", true),
        read("mode", false),
        read("code", false),
        read("nothing", false),
        Command::ReadAll { thing },
        write("volume", json!(3)),
        write("volume", json!(11)),
        write("volume", json!("loud")),
        write("battery", json!(1)),
        write("nothing", json!(1)),
        call("unlock", json!({ "seconds": 2 })),
        call("unlock", json!({ "seconds": 0 })),
        call("nothing", json!({})),
        Command::Withdraw { thing, name: "unlock".into(), number: 999 },
        events(None),
        events(Some("tamper")),
        events(Some("nothing")),
    ]
}

#[test]
fn same_answer_at_the_desk_and_over_http() {
    let Some(world) = World::start() else { return };
    let (house, root) = with_lock(&world);
    report(&house, LOCK, "battery", json!(80));
    raise(&house, LOCK);
    let (birch, cedar) = (root.user(&house, "birch", &[]), root.user(&house, "cedar", &["owner"]));
    grant(&house, &root, &["read", "write"], &["battery", "volume"]);
    grant(&house, &root, &["observe"], &["tamper"]);
    let person = |name: &str| Party::Person(name.into());
    let people = [(Party::Owner, &root), (person("birch"), &birch), (person("cedar"), &cedar)];
    let mut kinds = std::collections::BTreeSet::new();
    for (party, who) in people {
        for thing in [LOCK, NOT_THERE] {
            for command in scenarios(thing) {
                let said = world.block_on(house.desk.call(party.clone(), command.clone()));
                let (method, path, body) = over_http(&command);
                let over_http = answered(&who.call(&house, method, &path, &body), &command);
                let expected = expected(said);
                assert_eq!(over_http, expected, "{party}: {command:?}");
                kinds.insert(expected.0);
            }
        }
    }
    assert!(kinds.into_iter().eq([200, 201, 202, 403, 404, 405, 422, 503]), "the table meets every kind");
}

#[test]
fn a_description_shows_what_its_reader_may_do_and_how() {
    let Some(world) = World::start() else { return };
    let (house, root) = with_lock(&world);
    let birch = root.user(&house, "birch", &[]);
    let path = format!("/things/{LOCK}");
    grant(&house, &root, &["read", "observe"], &["volume"]);
    let reply = root.get(&house, &path);
    assert_eq!(reply.header("content-type"), Some("application/td+json"));
    let whole = House::json(&reply);
    assert_eq!(whole["id"], format!("urn:uuid:{LOCK}"));
    assert_eq!(whole["@type"], json!(["saref:DoorLock"]));
    assert_eq!(whole["base"], format!("https://{}/things/{LOCK}/", house.address));
    assert!(!whole.to_string().contains("osap:"), "where a device keeps things is nobody's business");
    let ops = |td: &Value, kind: &str, name: &str| -> Vec<String> {
        let forms = td[kind][name]["forms"].as_array().cloned().unwrap_or_default();
        let ops = forms.iter().flat_map(|form| form["op"].as_array().unwrap().clone());
        ops.map(|op| op.as_str().unwrap().to_owned()).collect()
    };
    // Observed by long polls, and as a stream.
    let seen =
        ["readproperty", "observeproperty", "unobserveproperty", "observeproperty", "unobserveproperty"];
    assert_eq!(ops(&whole, "properties", "battery"), seen);
    assert_eq!(ops(&whole, "properties", "code"), ["writeproperty"]);
    assert_eq!(ops(&whole, "actions", "unlock"), ["invokeaction"]);
    assert_eq!(ops(&whole, "events", "tamper"), ["subscribeevent", "unsubscribeevent"].repeat(2));
    assert_eq!(whole["properties"]["mode"]["forms"][2]["subprotocol"], "longpoll");
    assert_eq!(whole["properties"]["mode"]["forms"][3]["subprotocol"], "sse");
    let part = House::json(&birch.get(&house, &path));
    let names: Vec<_> = part["properties"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["volume"]);
    assert_eq!(ops(&part, "properties", "volume"), seen);
    assert_eq!(part["properties"]["volume"]["readOnly"], true, "to this reader it is");
    assert_eq!((&part["actions"], &part["events"]), (&json!({}), &json!({})));
    let listed = House::json(&birch.get(&house, "/things"));
    assert_eq!(listed, json!([part]), "the directory shows the same");
    let directory = House::json(&birch.get(&house, "/.well-known/wot"));
    assert_eq!(directory["@type"], "ThingDirectory");
    let others = forms_of_others(&house, &root, &birch);
    judged_by_others(&world, &json!([&[whole, part, directory], &others[..]].concat()));
}

/// Descriptions with forms of MQTT and CoAP, for the owner and for somebody who may see one property.
fn forms_of_others(house: &House<'_>, root: &Person, birch: &Person) -> [Value; 4] {
    let path = format!("/things/{LOCK}");
    // Where the broker runs too, its forms stand beside those of this interface.
    house.console.things_are_on(http_front::console::Elsewhere::Mqtt(8883));
    let wide = House::json(&root.get(house, &path));
    let narrow = House::json(&birch.get(house, &path));
    let mqtt = |td: &Value, kind: &str, name: &str| -> Vec<Value> {
        let forms = td[kind][name]["forms"].as_array().unwrap().clone();
        forms.into_iter().filter(|form| form["href"] == "mqtts://127.0.0.1:8883").collect()
    };
    let write = &mqtt(&wide, "properties", "mode")[0];
    assert_eq!((&write["op"], &write["security"]), (&json!(["writeproperty"]), &json!("mqtt-client")));
    assert_eq!(write["mqv:topic"], format!("things/{LOCK}/properties/mode/set"));
    let call = &mqtt(&wide, "actions", "unlock")[0];
    assert_eq!(call["mqv:topic"], format!("things/{LOCK}/actions/unlock/call"));
    let event = &mqtt(&wide, "events", "tamper")[0];
    assert_eq!(event["mqv:filter"], format!("things/{LOCK}/events/tamper"));
    let volume = mqtt(&narrow, "properties", "volume");
    assert_eq!(volume.len(), 1, "it may not be written by this reader");
    assert_eq!(volume[0]["op"], json!(["observeproperty", "unobserveproperty"]));
    // Where things are spoken over CoAP too, likewise.
    house.console.things_are_on(http_front::console::Elsewhere::Coaps(5684));
    let wider = House::json(&root.get(house, &path));
    let narrower = House::json(&birch.get(house, &path));
    assert_eq!(wider["securityDefinitions"]["coap-client"]["scheme"], "psk");
    let coaps = |td: &Value, kind: &str, name: &str| -> Vec<(Value, Value, Value)> {
        let href = format!("coaps://127.0.0.1:5684/things/{LOCK}/{kind}/{name}");
        let forms = td[kind][name]["forms"].as_array().unwrap().clone();
        let own = forms.into_iter().filter(|form| form["href"] == href && form["security"] == "coap-client");
        own.map(|form| (form["op"][0].clone(), form["cov:method"].clone(), form["subprotocol"].clone()))
            .collect()
    };
    let said = |op: &str, method: &str| (json!(op), json!(method), Value::Null);
    let observed = |op: &str| (json!(op), json!("GET"), json!("cov:observe"));
    let mode = [said("readproperty", "GET"), said("writeproperty", "PUT"), observed("observeproperty")];
    assert_eq!(coaps(&wider, "properties", "mode"), mode);
    assert_eq!(coaps(&wider, "actions", "unlock"), [said("invokeaction", "POST")]);
    assert_eq!(coaps(&wider, "events", "tamper"), [observed("subscribeevent")]);
    let volume = [said("readproperty", "GET"), observed("observeproperty")];
    assert_eq!(coaps(&narrower, "properties", "volume"), volume, "it may not be written by this reader");
    [wide, narrow, wider, narrower]
}

/// The validator of the W3C community, where it is installed.
fn judged_by_others(world: &World, descriptions: &Value) {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| format!("{root}/target"));
    let file = world.file(descriptions.to_string().as_bytes());
    let mut node = std::process::Command::new("node");
    node.arg(format!("{root}/conformance/peers/thing_description.cjs"));
    let output = node.arg(format!("{target}/peers/wot")).arg(file).output();
    let Ok(output) = output else { return println!("skipped: there is no node") };
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{said:?}");
    println!("{}", said[0].trim());
}

#[test]
fn a_stream_tells_values_and_events_until_the_grant_is_taken_back() {
    let Some(world) = World::start() else { return };
    let (house, root) = with_lock(&world);
    let birch = root.user(&house, "birch", &[]);
    let id = grant(&house, &root, &["observe"], &["battery", "tamper"]);
    let mut all = Stream::of(&house, &birch, &format!("/things/{LOCK}/watch"));
    assert_eq!(all.next().unwrap().0, "beat");
    let mut one = Stream::of(&house, &birch, &format!("/things/{LOCK}/properties/battery"));
    report(&house, LOCK, "volume", json!(1));
    report(&house, LOCK, "battery", json!(80));
    let (_, value) = all.until("value");
    assert_eq!((&value["name"], &value["value"]), (&json!("battery"), &json!(80)));
    assert_eq!(one.next().unwrap(), ("battery".into(), None, json!(80)));
    let (first, second) = (raise(&house, LOCK), raise(&house, LOCK));
    assert_eq!(all.until("event").0, Some(first.to_string()));
    let path = format!("/things/{LOCK}/events/tamper?after={first}");
    let mut missed = Stream::of(&house, &birch, &path);
    assert_eq!(missed.next().unwrap(), ("tamper".into(), Some(second.to_string()), json!("cover")));
    root.call(&house, "DELETE", &format!("/v1/grants/{id}"), &Value::Null).is_empty(204);
    for stream in [&mut one, &mut missed] {
        assert!(stream.next().is_none(), "it ends at once");
    }
    while let Some((name, ..)) = all.next() {
        assert_eq!(name, "event", "what waited; nothing new comes");
    }
    let refused = birch.get(&house, &format!("/things/{LOCK}/watch"));
    assert_eq!((refused.status, code(&refused)), (404, "not-here".into()));
}

// verifies: SECDEV-6.2.4-c
#[test]
fn a_stream_of_a_thing_ends_with_its_session() {
    let Some(world) = World::start() else { return };
    let (house, root) = with_lock(&world);
    let birch = root.user(&house, "birch", &[]);
    grant(&house, &root, &["observe"], &["battery"]);
    let mut all = Stream::of(&house, &birch, &format!("/things/{LOCK}/watch"));
    assert_eq!(all.next().unwrap().0, "beat");
    root.call(&house, "DELETE", "/v1/accounts/birch", &Value::Null).is_empty(204);
    assert!(all.next().is_none());
}

#[test]
fn whoever_is_given_the_name_of_one_who_left_has_nothing_that_was_granted_to_that_one() {
    let Some(world) = World::start() else { return };
    let (house, root) = with_lock(&world);
    let path = format!("/things/{LOCK}/properties/battery");
    report(&house, LOCK, "battery", json!(80));
    let birch = root.user(&house, "birch", &[]);
    grant(&house, &root, &["read"], &["battery"]);
    let client = json!({ "name": "panel", "password": "Panel-of-the-hall-1" });
    root.call(&house, "POST", "/v1/clients", &client).is_empty(201);
    let body = json!({ "party": "client:panel", "thing": LOCK.to_string(), "acts": ["read"] });
    root.call(&house, "POST", "/v1/grants", &body).is(201);
    assert_eq!(House::json(birch.get(&house, &path).is(200)), 80);
    let parties = || -> Vec<Value> {
        let listed = House::json(root.get(&house, "/v1/grants").is(200));
        listed["grants"].as_array().unwrap().iter().map(|grant| grant["party"].clone()).collect()
    };
    assert_eq!(parties().len(), 2);
    root.call(&house, "DELETE", "/v1/clients/panel", &Value::Null).is_empty(204);
    assert_eq!(parties(), [json!("person:birch")]);
    root.call(&house, "DELETE", "/v1/accounts/birch", &Value::Null).is_empty(204);
    assert_eq!(parties(), Vec::<Value>::new());
    let another = root.user(&house, "birch", &[]);
    let refused = another.get(&house, &path);
    assert_eq!((refused.status, code(&refused)), (404, "not-here".into()));
}

#[test]
fn a_device_takes_a_value_and_does_what_it_is_asked() {
    let Some(world) = World::start() else { return };
    let (house, root) = with_lock(&world);
    let device = obedient(&house);
    let path = |part: &str| format!("/things/{LOCK}{part}");
    root.call(&house, "PUT", &path("/properties/volume?wait=25"), &json!(5)).is_empty(204);
    let loud = root.call(&house, "PUT", &path("/properties/volume?wait=25"), &json!(9));
    assert_eq!((loud.status, code(&loud)), (409, "device-refused".into()));
    let done = root.call(&house, "POST", &path("/actions/unlock?wait=25"), &json!({ "seconds": 1 }));
    assert_eq!(House::json(done.is(200)), "open");
    assert_eq!(House::json(root.get(&house, &path("/properties/battery?fresh=true")).is(200)), 42);
    assert_eq!(House::json(root.get(&house, &path("/properties/battery")).is(200)), 42);
    device.abort();
}

#[test]
fn a_program_uses_the_token_of_its_session_without_a_second_one() {
    let Some(world) = World::start() else { return };
    let (house, root) = with_lock(&world);
    let token = root.cookie.split_once('=').unwrap().1.to_owned();
    let bearer = |method: &str, token: &str, path: &str, body: &Value| {
        let curl = house.curl(None, method).header(&format!("Authorization: Bearer {token}"));
        sent(&house, curl, path, body)
    };
    let volume = format!("/things/{LOCK}/properties/volume?wait=0");
    assert_eq!(bearer("PUT", &token, &volume, &json!(3)).status, 202);
    assert_eq!(bearer("PUT", &"0".repeat(64), &volume, &json!(3)).status, 401);
    assert_eq!(bearer("PUT", "x", &volume, &json!(3)).status, 401);
    let page = page(&house, "PUT").header(&format!("Cookie: {}", root.cookie));
    let without = sent(&house, page, &volume, &json!(3));
    assert_eq!(
        (without.status, code(&without)),
        (403, "token-missing".into()),
        "a cookie alone is not enough"
    );
}
