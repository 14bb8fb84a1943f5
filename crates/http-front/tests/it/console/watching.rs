//! What is seen of what happened: the log, the time line, the stream, risks.

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::people::{PASSWORD, Person, code, root, sign_in};
use crate::management::house::House;
use crate::parties::Kind;
use crate::world::World;

/// A stream that is read event by event: name, id, content.
pub(super) struct Stream {
    child: std::process::Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Stream {
    fn open(house: &House<'_>, person: &Person, query: &str) -> Self {
        Self::of(house, person, &format!("/ui/stream?{query}"))
    }

    /// The stream at `path`.
    pub(super) fn of(house: &House<'_>, person: &Person, path: &str) -> Self {
        let curl = person.curl(house, "GET").header("Accept: text/event-stream");
        let mut child = curl.unbuffered().url(&house.url(path)).start().0;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stream = Self { child, lines };
        let head: Vec<String> =
            stream.lines.by_ref().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        assert!(head[0].contains(" 200 "), "{head:?}");
        assert!(head.iter().any(|line| line == "content-type: text/event-stream"), "{head:?}");
        stream
    }

    /// The next event; `None` at the end of the stream.
    pub(super) fn next(&mut self) -> Option<(String, Option<String>, Value)> {
        let (mut name, mut id, mut content) = (None, None, Value::Null);
        for line in self.lines.by_ref().map(Result::unwrap) {
            match line.split_once(": ") {
                Some(("event", text)) => name = Some(text.to_owned()),
                Some(("id", text)) => id = Some(text.to_owned()),
                Some(("data", text)) => content = serde_json::from_str(text).unwrap(),
                _ if line.is_empty() && name.is_some() => return Some((name?, id, content)),
                _ => {}
            }
        }
        None
    }

    /// Reads on to the next event of this name.
    pub(super) fn until(&mut self, wanted: &str) -> (Option<String>, Value) {
        loop {
            let (name, id, content) = self.next().expect("the stream goes on");
            if name == wanted {
                return (id, content);
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.child.kill().expect("it is our own");
        self.child.wait().expect("it ends");
    }
}

#[test]
fn what_happens_is_told_as_it_happens_and_can_be_taken_up_again() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let device = world.device(Kind::Secret);
    let mut stream = Stream::open(&house, &root, "topics=devices,audit,risks");
    let (first, beat) = stream.until("beat");
    assert!(beat["unix_millis"].as_u64().is_some_and(|millis| millis > 1_700_000_000_000));
    assert_eq!(stream.until("risks").1["count"], 1, "there is one administrator");
    house.claim(&device);
    let (_, told) = stream.until("device");
    assert_eq!(told["id"], device.uuid.to_string());
    let (_, entry) = stream.until("audit");
    assert_eq!(entry["device"], device.uuid.to_string());
    let mut again = Stream::open(&house, &root, &format!("topics=audit&after={}", first.unwrap()));
    assert_eq!(again.until("audit").1["operation"], entry["operation"], "what was missed comes first");
    let mut foreign = Stream::open(&house, &root, "topics=audit&after=00000000-3");
    assert_eq!(foreign.next().unwrap().0, "reset", "a position of another run is none");
}

// verifies: SECDEV-6.2.4-c
#[test]
fn a_stream_ends_with_its_session_and_shows_what_its_duties_show() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let ivan = root.user(&house, "ivan", &["installer"]);
    let mut stream = Stream::open(&house, &ivan, "topics=devices,audit,risks");
    assert_eq!(stream.next().unwrap().0, "beat");
    let device = world.device(Kind::Secret);
    house.claim(&device);
    root.call(&house, "DELETE", "/v1/accounts/ivan", &Value::Null).is_empty(204);
    assert_eq!(stream.next().unwrap().0, "signed-out", "neither entries nor devices of others");
    assert!(stream.next().is_none());
}

// verifies: SECDEV-6.2.6-a, SECDEV-6.2.6-d
#[test]
fn the_log_is_read_from_its_end_searched_and_followed_per_device() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let (one, other) = (world.device(Kind::Secret), world.device(Kind::Ec));
    house.claim(&one);
    house.claim(&other);
    sign_in(&house, "root", "wrong").is(401);
    let look = |query: &str| House::json(root.get(&house, &format!("/v1/audit?{query}")).is(200));
    let page = look("before=");
    let entries = page["entries"].as_array().unwrap();
    assert_eq!((&entries[0]["operation"], &entries[0]["result"]), (&"login".into(), &"refused".into()));
    assert_eq!(entries[0]["address"], "127.0.0.1");
    let times: Vec<u64> = entries.iter().map(|entry| entry["unix_millis"].as_u64().unwrap()).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
    assert_eq!(page["kept"], entries.len());
    assert_eq!(page["next"], Value::Null);
    let behind = look(&format!("before={}", entries[1]["cursor"].as_str().unwrap()));
    assert_eq!(behind["entries"].as_array().unwrap()[..], entries[2..]);
    let refused = look("q=op%3Alogin+result%3Arefused");
    assert_eq!(refused["entries"].as_array().unwrap().len(), 1);
    assert_eq!(look("q=op%3Alogin+-result%3Arefused")["entries"], json!([]));
    assert_eq!(code(root.get(&house, "/v1/audit?before=xyz").is(400)), "request-unreadable");
    let timeline = House::json(root.get(&house, &one.path("/timeline")).is(200));
    let lines = timeline["entries"].as_array().unwrap();
    assert!(lines.iter().any(|line| line["operation"] == "owner.claim"));
    assert!(lines.iter().all(|line| line["device"] == one.uuid.to_string()), "{lines:?}");
    let unknown = root.get(&house, "/v1/devices/8f2c41d0-0000-4000-8000-0000000077aa/timeline");
    assert_eq!(code(unknown.is(404)), "not-here");
}

// verifies: SECDEV-6.2.6-a
#[test]
fn an_export_ends_with_its_count_and_hash() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    (0..3).for_each(|_| {
        sign_in(&house, "=cmd", "wrong").is(401);
    });
    let export = root.get(&house, "/v1/audit/export?format=json");
    assert!(export.is(200).header("content-disposition").unwrap().starts_with("attachment"));
    let text = String::from_utf8(export.body.clone()).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["count"], document["entries"].as_array().unwrap().len());
    let (hashed, _) = text.split_once("\n],\"count\"").unwrap();
    assert_eq!(document["sha256"], model::hex(&Sha256::digest(hashed)));
    let csv = root.get(&house, "/v1/audit/export?format=csv");
    let csv = String::from_utf8(csv.is(200).body.clone()).unwrap();
    let (lines, last) = csv.trim_end().rsplit_once('\n').unwrap();
    let hash = model::hex(&Sha256::digest(format!("{lines}\n")));
    assert_eq!(last, format!("# entries {}, SHA-256 of the lines above {hash}", lines.lines().count() - 1));
    assert_eq!(code(root.get(&house, "/v1/audit/export?format=exe").is(400)), "request-unreadable");
}

// verifies: SECDEV-6.2.6-c, SECDEV-6.2.6-a1
#[test]
fn the_log_is_a_ring_warns_at_four_fifths_and_its_switching_off_is_its_last_entry() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let mut settings = House::json(root.get(&house, "/v1/settings").is(200));
    settings["audit_limit_entries"] = json!(100);
    let set = |settings: &Value| {
        root.call(&house, "PUT", "/v1/settings", settings).is_empty(204);
    };
    let risks = || House::json(root.get(&house, "/v1/risks").is(200)).to_string();
    set(&settings);
    assert!(!risks().contains("audit-filling"));
    (0..78).for_each(|_| set(&settings));
    assert!(risks().contains("audit-filling"), "80 of 100 entries");
    (0..40).for_each(|_| set(&settings));
    let count = || House::json(&root.get(&house, "/v1/audit"))["entries"].as_array().unwrap().len();
    let kept = std::iter::repeat_with(count).find(|kept| *kept <= 100);
    assert_eq!(kept, Some(100), "the oldest make room");
    settings["audit_on"] = json!(false);
    set(&settings);
    sign_in(&house, "root", PASSWORD).is(200);
    let newest = House::json(&root.get(&house, "/v1/audit?before="));
    let operations: Vec<&str> = newest["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["operation"].as_str())
        .collect();
    assert!(!operations[..2].contains(&"login") && operations[..2].contains(&"audit.off"), "{operations:?}");
    assert!(risks().contains("audit-off"));
    settings["audit_on"] = json!(true);
    set(&settings);
    sign_in(&house, "root", PASSWORD).is(200);
    let newest = House::json(&root.get(&house, "/v1/audit?before="));
    assert_eq!(newest["entries"][0]["operation"], "login");
    assert_eq!(newest["entries"][1]["operation"], "audit.on");
}

#[test]
fn risks_are_real_and_may_be_accepted_for_a_reason() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let list = || House::json(root.get(&house, "/v1/risks").is(200))["risks"].clone();
    assert_eq!(list()[0]["code"], "one-administrator");
    assert_eq!(list()[0]["accepted"], Value::Null);
    for _ in 0..5 {
        sign_in(&house, "nobody", "wrong").is(401);
    }
    let found = list();
    assert_eq!((&found[0]["code"], &found[0]["level"]), (&"sign-ins-failed".into(), &"soon".into()));
    assert_eq!(found[0]["who"], "127.0.0.1");
    let accept = |id: &str, reason: &str| {
        let body = json!({ "until_unix_millis": 4_000_000_000_000_u64, "reason": reason });
        root.call(&house, "PUT", &format!("/v1/risks/{id}/acceptance"), &body)
    };
    assert_eq!(code(accept("one-administrator", " ").is(422)), "setting-refused");
    assert_eq!(code(accept("no-such-risk", "why").is(404)), "not-here");
    accept("one-administrator", "we are one").is_empty(204);
    let last = list().as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["code"], &last["accepted"]["by"]), (&"one-administrator".into(), &"root".into()));
    assert_eq!(last["accepted"]["reason"], "we are one");
}

#[test]
fn keys_and_channels_are_shown_without_secrets() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let (ec, secret) = (world.device(Kind::Ec), world.device(Kind::Secret));
    house.claim(&ec);
    house.claim(&secret);
    let keys = |device: &crate::parties::Device| {
        House::json(root.get(&house, &device.path("/keys")).is(200))["keys"].as_array().unwrap().clone()
    };
    let of_ec = keys(&ec);
    assert_eq!((&of_ec[0]["purpose"], &of_ec[0]["kind"]), (&"device".into(), &"ec".into()));
    assert!(of_ec[..2].iter().all(|key| key["fingerprint"].as_str().is_some_and(|it| it.len() == 64)));
    assert_ne!(of_ec[0]["fingerprint"], of_ec[1]["fingerprint"]);
    let of_secret = keys(&secret);
    assert!(of_secret.iter().all(|key| key["secret"] == true && key["fingerprint"] == Value::Null));
    let channels = House::json(root.get(&house, &ec.path("/channels")).is(200));
    assert_eq!(channels["channels"][0]["number"], 1);
    assert_eq!(channels["channels"][0]["state"], "waiting");
    let awaited = world.device(Kind::Ec);
    root.call(&house, "POST", &awaited.path("/accept"), &Value::Null).is_empty(204);
    let offers = House::json(root.get(&house, "/v1/offers").is(200));
    assert_eq!(offers["offers"][0]["device"], awaited.uuid.to_string());
}

#[test]
fn the_api_describes_itself_and_names_its_listeners() {
    let Some(world) = World::start() else { return };
    let house = House::open(&world);
    let root = root(&house);
    let described = House::json(root.get(&house, "/v1/openapi.json").is(200));
    assert_eq!(described["paths"]["/v1/claims"]["post"]["operationId"], "owner.claim");
    let listeners = House::json(root.get(&house, "/v1/listeners").is(200));
    assert_eq!(listeners["listeners"][0]["name"], "platform");
}
