//! `device run --mqtt`: a plain MQTT 5 client that is a thing, at a real server with `[mqtt]`.

use std::io::{ErrorKind, copy};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::Smart;
use super::owner::{Owner, text};
use super::played::Played;
use crate::going_on::until;

pub(super) const SECTIONS: &str =
    "[das]\nlisten = \"127.0.0.1:0\"\n[mqtt]\nlisten = \"127.0.0.1:0\"\nplain = \"127.0.0.1:0\"\n";
pub(super) const PASSWORD: &str = "seven-C0pper-kettles";

/// One address for a server that has another port after each start.
struct Relay {
    at: SocketAddr,
    to: Arc<Mutex<SocketAddr>>,
}

impl Relay {
    fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (at, to) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(server)));
        let now = Arc::clone(&to);
        std::thread::spawn(move || {
            for caller in listener.incoming().map_while(Result::ok) {
                match TcpStream::connect(*now.lock().unwrap()) {
                    Ok(server) => carry(caller, server),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
                }
            }
        });
        Self { at, to }
    }

    fn lead_to(&self, server: SocketAddr) {
        *self.to.lock().unwrap() = server;
    }
}

fn carry(caller: TcpStream, server: TcpStream) {
    for (mut from, mut to) in [(caller.try_clone().unwrap(), server.try_clone().unwrap()), (server, caller)] {
        std::thread::spawn(move || {
            // Either end may break.
            copy(&mut from, &mut to).ok();
            to.shutdown(std::net::Shutdown::Both).ok();
        });
    }
}

/// Makes a client and the sensor that is bound to it; gives the thing.
pub(super) fn sensor(owner: &Owner<'_>, name: &str) -> String {
    owner.typed("client", &["add", name], &format!("{PASSWORD}\n"));
    let added = owner.run("things", &["add", "--model", "sensor", "--mqtt", name]);
    text(&added["id"]).to_owned()
}

/// Runs it; it measures so often.
pub(super) fn run(smart: &Smart, (name, thing): (&str, &str), at: SocketAddr, every: &str) -> Played {
    let (ca, at) = (smart.world.path("owner-a/ca.pem"), at.to_string());
    let words = ["--mqtt", &at, "--ca", &ca, "--name", name, "--thing", thing, "--every", every];
    let mut played = Played::start(&words);
    // Its password comes on the first line, as from a pipe.
    played.type_in(PASSWORD);
    played
}

fn value_is(owner: &Owner<'_>, thing: &str, name: &str, wanted: &Value) {
    let is_so = || owner.run("things", &["read", thing]).get(name).is_some_and(|it| it["value"] == *wanted);
    until(&format!("{name} is {wanted}"), is_so);
}

fn ids(said: &[Value]) -> Vec<Value> {
    said.iter().map(|said| said["id"].clone()).collect()
}

#[test]
fn a_plain_client_is_a_thing_and_loses_no_event_when_the_server_is_killed() {
    let mut smart = Smart::with("smart-plain", SECTIONS);
    let thing = sensor(&Owner(&smart), "meter");
    let relay = Relay::to(smart.mqtt.unwrap().0);
    // It looks at its thermometer once.
    let mut meter = run(&smart, ("meter", &thing), relay.at, "3600");
    meter.until("online", 1);
    let owner = Owner(&smart);
    meter.type_in("set temperature 30");
    value_is(&owner, &thing, "temperature", &json!(30));
    assert_eq!(owner.run("things", &["list"])[0]["device"], "meter");
    every_order(&owner, &thing, &mut meter);

    // What happens while the server is away is told later, once each.
    meter.type_in("event tooWarm {\"temperature\":30}");
    meter.until("delivered", 1);
    smart.kill();
    meter.until("offline", 1);
    for temperature in 31..34 {
        meter.type_in(&format!("event tooWarm {{\"temperature\":{temperature}}}"));
        meter.type_in(&format!("set temperature {temperature}"));
    }
    meter.until("raised", 4);
    meter.type_in("status");
    let status = meter.until("status", 1).remove(0);
    assert_eq!((&status["online"], &status["waiting_events"]), (&json!(false), &json!(3)));
    smart.serve_again();
    relay.lead_to(smart.mqtt.unwrap().0);
    let delivered = meter.until("delivered", 4);
    let owner = Owner(&smart);
    let stored = owner.run("things", &["events", &thing]);
    let mut stored = ids(stored.as_array().unwrap());
    stored.sort_by_key(Value::to_string);
    let mut told = ids(&delivered);
    told.sort_by_key(Value::to_string);
    assert_eq!(stored, told, "each is stored once");
    value_is(&owner, &thing, "temperature", &json!(33));

    // Another password: it is not let in any more, and says why; its own is in nothing that it says.
    owner.typed("client", &["password", "meter"], "another-h0rse\n");
    let refused = |said: &Value| said["event"] == "offline" && said["why"] == "refused";
    while !meter.said.iter().any(refused) {
        let count = meter.said.iter().filter(|said| said["event"] == "offline").count();
        meter.until("offline", count + 1);
    }
    let (said, exit) = meter.stop();
    assert_eq!((exit, &said.last().unwrap()["event"]), (Some(0), &json!("off")));
    assert!(!json!(said).to_string().contains(PASSWORD));
    let log = std::fs::read_to_string(smart.world.path("log/smart.log")).unwrap();
    assert!(!log.contains(PASSWORD));
}

/// It is asked, changed and called, and refuses.
fn every_order(owner: &Owner<'_>, thing: &str, meter: &mut Played) {
    assert_eq!(owner.run("things", &["read", thing, "temperature", "--fresh"])["value"], 30);
    owner.run("things", &["write", thing, "tooWarmAbove", "25", "--wait", "20"]);
    value_is(owner, thing, "tooWarmAbove", &json!(25));
    owner.run("things", &["call", thing, "blink", "--wait", "20"]);
    let orders = meter.until("order", 3);
    let verbs: Vec<_> = orders.iter().map(|said| text(&said["verb"])).collect();
    assert_eq!(verbs, ["query", "set", "operate"]);
    meter.type_in("refuse on");
    meter.type_in("status");
    meter.until("status", 1);
    meter.said.clear();
    assert_eq!(owner.refused("things", &["call", thing, "blink", "--wait", "20"], ""), "device-refused");
    meter.type_in("refuse off");
    meter.type_in("enrol");
    meter.type_in("set nothing 1");
    meter.until("unknown-name", 1);
    meter.until("unknown-line", 1);
    meter.said.clear();
}

#[test]
fn a_sensor_moves_by_itself_and_a_server_that_is_not_its_own_hears_nothing() {
    let smart = Smart::with("smart-plain-moves", SECTIONS);
    let owner = Owner(&smart);
    let thing = sensor(&owner, "meter");
    let at = smart.mqtt.unwrap().0;
    // Under another CA: no word of it, not even its name.
    let (ca, place) = (smart.world.path("public/system-ca.pem"), at.to_string());
    let words = ["--mqtt", &place, "--ca", &ca, "--name", "meter", "--thing", &thing];
    let mut stranger = Played::start(&words);
    stranger.type_in(PASSWORD);
    let failed = stranger.until("offline", 2);
    assert!(failed.iter().all(|said| said["why"] == "not-reached"), "{failed:?}");
    assert!(text(&failed[0]["detail"]).contains("certificate"), "{failed:?}");
    stranger.stop();

    let mut meter = run(&smart, ("meter", &thing), at, "0.02");
    meter.until("delivered", 2);
    let events = owner.run("things", &["events", &thing]);
    let event = &events[0];
    assert!(event["name"] == "tooWarm" && event["data"]["temperature"].as_f64().unwrap() > 22.0, "{event}");
    let history = owner.run("things", &["history", &thing, "temperature"]);
    let values: Vec<_> = history.as_array().unwrap().iter().map(|one| one["value"].clone()).collect();
    assert!(values.len() > 4 && values.windows(2).all(|pair| pair[0] != pair[1]), "{values:?}");
    // One that is not the client of the thing is not heard.
    owner.typed("client", &["add", "liar"], &format!("{PASSWORD}\n"));
    let mut liar = run(&smart, ("liar", &thing), at, "3600");
    let refused = liar.until("not-taken", 3);
    assert!(refused.iter().all(|said| said["reason"] == 0x87), "{refused:?}");
    let (_, exit) = liar.stop();
    assert_eq!(exit, Some(0));
}
