//! The description of the API and what the real platform answers: one tour through every call.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use assure_proto::DeviceInfo;
use serde_json::{Value, json};

use super::people::{PASSWORD, Person, call, link, sign_in};
use super::schema::{DOCUMENT, fits, is_as_described, operation};
use crate::curl::Reply;
use crate::management::house::House;
use crate::parties::{Device, Kind};
use crate::world::World;

/// What was answered with success, and the bodies as they came.
struct Tour<'a, 'w> {
    house: &'a House<'w>,
    root: &'a Person,
    seen: BTreeSet<&'static str>,
    bodies: Vec<Value>,
}

impl Tour<'_, '_> {
    fn note(&mut self, method: &str, path: &str, reply: &Reply) {
        let id = is_as_described(method, path, reply);
        self.seen.insert(id.unwrap_or_else(|| panic!("{method} {path}: {reply:?}")));
        let kind = reply.header("content-type").unwrap_or_default().to_owned();
        if kind == "application/json" {
            let (_, operation) = operation(method, path).unwrap();
            let schema = &operation["responses"][reply.status.to_string()]["content"][&kind]["schema"];
            self.bodies.push(json!({ "of": path, "schema": schema, "value": House::json(reply) }));
        }
    }

    #[track_caller]
    fn call(&mut self, method: &str, path: &str, body: &Value) -> Reply {
        if let (Some(schema), false) = (request_schema(method, path), body.is_null()) {
            fits(schema, body, true).unwrap_or_else(|why| panic!("{path}: the request: {why}"));
            self.bodies.push(json!({ "of": path, "schema": schema, "value": body }));
        }
        let reply = self.root.call(self.house, method, path, body);
        self.note(method, path, &reply);
        reply
    }

    fn get(&mut self, path: &str) -> Value {
        let reply = self.call("GET", path, &Value::Null);
        if reply.header("content-type") == Some("application/json") {
            House::json(&reply)
        } else {
            Value::Null
        }
    }

    fn people(&mut self) {
        let add = json!({ "name": "ina", "role": "user", "duties": ["installer"], "password": PASSWORD });
        self.call("POST", "/v1/accounts", &add);
        let reply = sign_in(self.house, "ina", PASSWORD);
        self.note("POST", "/v1/session", &reply);
        assert_eq!(self.get("/v1/accounts")["accounts"].as_array().unwrap().len(), 2);
        assert_eq!(self.get("/v1/accounts/ina/sessions")["sessions"].as_array().unwrap().len(), 1);
        let offered = self.call("POST", "/v1/activation/offer", &Value::Null);
        assert_eq!(House::json(&offered)["token"].as_str().unwrap().len(), 64);
        self.call("PUT", "/v1/accounts/ina/duties", &json!({ "role": "user", "duties": ["owner"] }));
        for (method, part) in [("PUT", "/lock"), ("DELETE", "/lock"), ("DELETE", "/sessions"), ("DELETE", "")]
        {
            self.call(method, &format!("/v1/accounts/ina{part}"), &Value::Null);
        }
        let settings = self.get("/v1/settings");
        self.call("PUT", "/v1/settings", &settings);
        let risks = self.get("/v1/risks");
        let id = risks["risks"][0]["id"].as_str().unwrap();
        let acceptance = json!({ "until_unix_millis": 4_000_000_000_000_u64, "reason": "a test" });
        self.call("PUT", &format!("/v1/risks/{id}/acceptance"), &acceptance);
        assert_eq!(self.get("/v1/risks")["risks"][0]["accepted"]["reason"], "a test");
    }

    fn claim(&mut self, device: &Device) {
        let request = model::Uuid::v4(device.uuid.0).to_string();
        let body =
            json!({ "device": device.uuid.to_string(), "case_string": device.case, "request": request });
        self.call("POST", "/v1/claims", &body);
        self.house.drive();
    }

    fn devices(&mut self, [one, other, old, new]: [&Device; 4]) {
        self.claim(one);
        self.claim(other);
        // As a program of aSSURE 11.2 does it.
        for device in [old, new] {
            self.call("POST", &device.path(&format!("?case_string={}", device.case)), &Value::Null);
        }
        self.house.drive();
        self.house.present(one, &DeviceInfo::only(one.uuid));
        assert_eq!(self.get("/v1/devices")["devices"].as_array().unwrap().len(), 4);
        let found = self.get(&format!("/v1/devices?q=id%3A{}+-is%3Arefused", one.uuid));
        assert_eq!(found["devices"][0]["id"], one.uuid.to_string());
        assert_eq!(self.get("/v1/devices?q=no%3Asuch")["devices"], json!([]));
        assert_eq!(self.get(&one.path(""))["status"], 5);
        for part in ["/status", "/info", "/timeline?before=", "/keys", "/channels"] {
            self.get(&one.path(part));
        }
        let order = json!({ "command": "ping", "payload": "x", "within_secs": 60 });
        let placed = House::json(&self.call("POST", &one.path("/orders"), &order));
        self.get(&one.path(&format!("/orders/{}", placed["order"])));
        let members =
            [one, other].map(|device| json!({ "id": device.uuid.to_string(), "address": "127.0.0.1:50000" }));
        self.call("POST", "/v1/network", &json!({ "shape": "star", "devices": members }));
        self.get("/v1/channels");
        assert_eq!(self.get(&other.path("/channels"))["channels"].as_array().unwrap().len(), 2);
        self.call("POST", &one.path("/bootstrap"), &json!({ "choice": null, "messages": [] }));
        self.call("POST", &one.path("/configuration"), &Value::Null);
        self.house.drive();
        self.call("POST", &old.path(&format!("/replace?uuid={}", new.uuid)), &Value::Null);
        self.get("/v1/offers");
    }

    fn things(&mut self) {
        let add =
            json!({ "model": super::things::model(), "osap": { "serial": "D1", "product_key": false } });
        let added = House::json(&self.call("POST", "/things", &add));
        let thing: model::Uuid = added["id"].as_str().unwrap().parse().unwrap();
        let path = |part: &str| format!("/things/{thing}{part}");
        self.get("/things?q=door");
        assert_eq!(self.get("/things?format=summary")["things"][0]["device"], "D1");
        for description in [path(""), "/.well-known/wot".to_owned()] {
            self.get(&description);
        }
        self.call("PUT", &path(""), &super::things::model());
        super::things::report(self.house, thing, "battery", json!(80));
        super::things::raise(self.house, thing);
        for part in
            ["/properties", "/properties?detail=true", "/properties/battery", "/events", "/events/tamper"]
        {
            self.get(&path(part));
        }
        self.get(&path("/properties/battery?detail=true"));
        self.call("PUT", &path("/properties/volume?wait=0"), &json!(3));
        self.get(&path("/properties/volume?detail=true"));
        let operation = self.call("POST", &path("/actions/unlock?wait=0"), &json!({ "seconds": 2 }));
        let operation = House::json(&operation)["href"].as_str().unwrap().to_owned();
        self.get(&operation);
        self.call("DELETE", &operation, &Value::Null);
        let grant = json!({ "party": "person:ina", "thing": thing.to_string(), "acts": ["read"] });
        let grant = House::json(&self.call("POST", "/v1/grants", &grant));
        assert_eq!(self.get("/v1/grants")["grants"][0], grant);
        let who = self.get(&format!("/v1/grants/who?thing={thing}&act=read&name=battery"));
        assert_eq!(who["judgements"][1]["grant"], grant["id"]);
        self.call("DELETE", &format!("/v1/grants/{}", grant["id"].as_str().unwrap()), &Value::Null);
        self.records(&path("/record"));
        self.children(thing);
        self.get(&path("/properties/battery/history"));
        self.call("DELETE", &path(""), &Value::Null);
    }

    /// What the load balancer has on record of a smart device.
    fn records(&mut self, record: &str) {
        assert_eq!(self.get("/v1/models")["realm"], "lbs.example");
        self.call("POST", record, &json!({ "psk": "11".repeat(32) }));
        self.get(record);
        self.call("POST", &format!("{record}/window"), &Value::Null);
        self.call("DELETE", &format!("{record}/window"), &Value::Null);
        self.call("PUT", &format!("{record}/code"), &json!({ "code": "7777-7777-7777-G" }));
        self.call("PUT", &format!("{record}/compat"), &json!({ "code": "QWERTY" }));
        self.call("DELETE", &format!("{record}/compat"), &Value::Null);
        self.call("PUT", &format!("{record}/block"), &Value::Null);
        self.call("DELETE", &format!("{record}/block"), &Value::Null);
    }

    /// What is behind a gateway.
    fn children(&mut self, hub: model::Uuid) {
        let told = ["C1", "C2"].map(|serial| hub::ToldChild { serial: serial.into(), is_connected: true });
        self.house.world.block_on(self.house.desk.tell_children(hub, told.into())).unwrap();
        let path = format!("/things/{hub}/children");
        assert_eq!(self.get(&path)["children"].as_array().unwrap().len(), 2);
        self.call("PUT", &format!("{path}/C1"), &json!({ "model": super::things::model() })).is(201);
        self.call("DELETE", &format!("{path}/C2"), &Value::Null).is_empty(204);
    }

    fn the_rest(&mut self) {
        for path in
            ["/v1/managementsystem", "/v1/listeners", "/v1/session", "/v1/openapi.json", "/v1/timestamp"]
        {
            self.get(path);
        }
        for query in ["", "?before=", "?q=who:root", "?before=&q=op:login"] {
            self.get(&format!("/v1/audit{query}"));
        }
        for format in ["csv", "json"] {
            self.get(&format!("/v1/audit/export?format={format}"));
        }
        self.call("PUT", "/v1/session/password", &json!({ "old": PASSWORD, "new": format!("{PASSWORD}2") }));
        self.call("DELETE", "/v1/session", &Value::Null);
    }
}

fn request_schema(method: &str, path: &str) -> Option<&'static Value> {
    let (_, operation) = operation(method, path)?;
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    schema.is_object().then_some(schema)
}

/// A validator that others wrote, where there is one: of the document, and of every body against its schema.
const FOREIGN: &str = r##"
import json, sys
try:
    from openapi_spec_validator import validate
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT202012
except ImportError as missing:
    print("skipped:", missing); sys.exit(0)
given = json.load(open(sys.argv[1]))
validate(given["document"])
whole = Registry().with_resource("urn:api", Resource(contents=given["document"], specification=DRAFT202012))
def told(part):
    if isinstance(part, dict):
        return {key: "urn:api" + value if key == "$ref" else told(value) for key, value in part.items()}
    return [told(one) for one in part] if isinstance(part, list) else part
whole = Registry().with_resource("urn:api", Resource(contents=told(given["document"]), specification=DRAFT202012))
for body in given["bodies"]:
    for error in Draft202012Validator(told(body["schema"]), registry=whole).iter_errors(body["value"]):
        sys.exit(f"{body['of']}: {error.json_path}: {error.message}")
print("validated", len(given["bodies"]))
"##;

#[test]
fn every_call_of_the_real_platform_is_as_its_description_says() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let activated = json!({ "token": link(&house), "account": "first", "password": PASSWORD });
    let first = call(&house, "POST", "/v1/activation", &activated);
    let root = super::people::signed_in(&first);
    let mut tour = Tour { house: &house, root: &root, seen: BTreeSet::new(), bodies: Vec::new() };
    tour.note("POST", "/v1/activation", &first);
    let maker = world.maker();
    let devices = [0; 4].map(|_| world.device_of(&maker, Kind::Secret));
    tour.people();
    tour.devices(devices.each_ref());
    let leaving = devices[0].path("");
    tour.call("POST", &format!("{leaving}/release"), &Value::Null);
    let awaited = "/v1/devices/8f2c41d0-0000-4000-8000-00000000000a/accept";
    tour.call("POST", awaited, &Value::Null);
    assert_eq!(tour.get("/v1/offers")["offers"].as_array().unwrap().len(), 1);
    tour.call("DELETE", awaited, &Value::Null);
    tour.things();
    tour.the_rest();

    let all: BTreeSet<&str> =
        http_front::console::operations::OPERATIONS.iter().map(|operation| operation.id).collect();
    // Files of things and clients of the broker have tours of their own.
    let elsewhere = |id: &&&str| id.starts_with("files.") || id.starts_with("client.");
    let unseen: Vec<_> = all.difference(&tour.seen).filter(|id| !elsewhere(id)).collect();
    // A stream does not end; a transfer and its refusals have tests of their own; a text is no JSON.
    assert_eq!(
        unseen,
        [
            &"owner.takes",
            &"owner.transfer",
            &"stream",
            &"things.next-event",
            &"things.next-value",
            &"things.watch"
        ]
    );
    foreign_check(&world, &tour.bodies);
}

fn foreign_check(world: &World, bodies: &[Value]) {
    let given = json!({ "document": &*DOCUMENT, "bodies": bodies });
    let file = world.file(given.to_string().as_bytes());
    let mut python = Command::new("python3");
    let output = python.args(["-c", FOREIGN]).arg(&file).stdin(Stdio::null()).output();
    let Ok(output) = output else { return println!("skipped: there is no python3") };
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{said:?}");
    println!("{}", said[0].trim());
}

#[test]
fn an_answer_that_is_not_described_is_seen() {
    let account = json!({ "$ref": "#/components/schemas/Account" });
    let mut value = json!({
        "name": "a", "role": "user", "duties": [], "made_unix_millis": 1, "locked": false,
        "locked_until_unix_millis": null, "sessions": 0,
    });
    assert_eq!(fits(&account, &value, true), Ok(()));
    value["made_unix_millis"] = "1".into();
    assert!(fits(&account, &value, true).unwrap_err().contains("made_unix_millis"));
    value["made_unix_millis"] = 1.into();
    value["more"] = 1.into();
    assert!(fits(&account, &value, true).unwrap_err().contains("more"));
    value.as_object_mut().unwrap().retain(|name, _| name != "more" && name != "locked");
    assert!(fits(&account, &value, true).unwrap_err().contains("locked"));
}

/// The console's types are those of the description: the same names, and null where it may be null.
#[test]
fn the_types_of_the_console_are_those_of_the_description() {
    let source = include_str!("../../../../../console/src/lib/api/types.ts");
    let named = [
        ("Session", "Session"),
        ("DeviceInfo", "DeviceInfo"),
        ("Device", "Device"),
        ("AuditEntry", "AuditEntry"),
        ("DeviceKey", "DeviceKey"),
        ("Channel", "DeviceChannel"),
        ("Invitation", "Invitation"),
        ("Offer", "ExpectedTransfer"),
        ("Account", "Account"),
        ("AccountSession", "AccountSession"),
        ("Settings", "Settings"),
        ("Risk", "Risk"),
        ("Listener", "Listener"),
    ];
    for (interface, schema) in named {
        let start =
            source.find(&format!("export interface {interface} {{")).unwrap_or_else(|| panic!("{interface}"));
        let body = &source[start..start + source[start..].find("\n}").unwrap()];
        let fields = body.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(": "));
        let given: BTreeSet<(String, bool)> = fields
            .filter(|(name, _)| !name.starts_with(['/', '*', ' ']))
            .map(|(name, kind)| (name.trim_end_matches('?').to_owned(), kind.contains("null")))
            .collect();
        let properties = DOCUMENT["components"]["schemas"][schema]["properties"].as_object().unwrap();
        let is_nullable = |property: &Value| {
            let says_null = |kind: &Value| kind == "null" || kind["type"] == "null";
            let kinds = property["type"].as_array().or(property["oneOf"].as_array());
            kinds.is_some_and(|kinds| kinds.iter().any(says_null))
        };
        let described: BTreeSet<(String, bool)> =
            properties.iter().map(|(name, property)| (name.clone(), is_nullable(property))).collect();
        assert_eq!(given, described, "{interface}");
    }
}
