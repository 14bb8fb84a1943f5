//! After a device has its next owner, everything that the one before knows, kept, recorded or planted is tried.
//!
//! Four devices, one of each kind of key, with real servers: the second owner of the demo plants channels,
//! records every datagram, keeps copies of its management system and of the authority, and gives the devices
//! back to the first one. What it tries then is refused everywhere, and nothing changes.

pub(super) mod former;
mod keys;
mod relay;

use std::net::SocketAddr;
use std::process::Command;

use axum::body::Bytes;
use crypto::Secret;
use http::{Method, Request};
use model::Uuid;
use net::https_client::{CallLimits, Client};
use net::tls::TlsIdentity;
use serde_json::{Value, json};

use crate::authority::stage::failed;
use crate::demo::secrets::read_label;
use crate::device::program::Run;
use crate::going_on::{World, json, json_of, said, serving, until};
use former::{Former, asks_everything, pem, registers, wait};
use keys::Holder;
use relay::Relay;

const KINDS: [&str; 4] = ["secret", "p256", "p384", "rsa2048"];
/// The owner that is to be out, and the one that is in.
const OUT: &str = "owner-b";
const IN: &str = "owner-a";
/// The owner number of the one that is out, and of the one that is in.
const NUMBER: u64 = 2;
const IN_SERVICE: u64 = 5;
const RELEASED: u64 = 9;
/// The channel that the earlier owner plants.
const PLANTED: u64 = 9;

/// One device, and what the earlier owner has of it.
struct Thing {
    kind: &'static str,
    uuid: String,
    id: Uuid,
    run: Run,
    at: SocketAddr,
    case_string: Secret,
    holder: Holder,
    image: Vec<u8>,
}

/// The world with everything that the earlier owner prepared in it.
struct Scene {
    world: World,
    bootstrap: Relay,
    channels: Relay,
    former: Former,
    things: Vec<Thing>,
}

fn socket(world: &World, role: &str, key: &str) -> SocketAddr {
    world.address(role, key).parse().unwrap()
}

fn switch_on(world: &World, device: &str, bootstrap: SocketAddr) -> (Run, SocketAddr) {
    let state = world.path(&format!("devices/{device}"));
    let resolve = format!("4294901761={bootstrap}");
    let words = ["--resolve", &resolve, "--retry-base", "0.2", "--data", &format!("{state}/data"), "--jsonl"];
    let mut run = Run::start(state.as_ref(), &words);
    let at: SocketAddr = run.wait_for("listening")["address"].as_str().unwrap().parse().unwrap();
    (run, SocketAddr::from(([127, 0, 0, 1], at.port())))
}

fn stored_state(world: &World, device: &str) -> Value {
    json(&["device", "status", "--json", "--state", &world.path(&format!("devices/{device}"))])
}

/// Places an order for a device with its owner's management system.
fn order(world: &World, owner: &str, device: &str, order: &Value) {
    let (certificate, key) = pem(&world.path(&format!("{owner}/operator.pem")));
    let identity = TlsIdentity::new(&[certificate], &key.unwrap()).unwrap();
    let roots = [pem(&world.path(&format!("{owner}/ca.pem"))).0];
    let client = Client::new(&roots, Some(&identity), CallLimits::default()).unwrap();
    let request = Request::builder().method(Method::POST).uri(format!("/v1/devices/{device}/orders"));
    let request = request.body(Bytes::from(order.to_string())).unwrap();
    let endpoint = world.address(owner, "platform").parse().unwrap();
    let answer = wait(client.call(&endpoint, request)).unwrap();
    assert_eq!(answer.status(), 201, "{order}");
}

/// Copies the data folder of a role that does not run.
fn keep(world: &World, role: &str, name: &str) {
    let (from, to) = (world.path(role), world.path(name));
    std::fs::create_dir_all(std::path::Path::new(&to).parent().unwrap()).unwrap();
    assert!(Command::new("cp").args(["-r", &from, &to]).status().unwrap().success());
}

fn put_back(world: &World, role: &str, name: &str) {
    std::fs::remove_dir_all(world.path(role)).unwrap();
    keep(world, name, role);
}

/// What everybody has stored about the devices, which nothing that is refused may change.
fn standing(world: &World) -> Value {
    let log = |role: &str| {
        let (data, server) = (world.path(role), world.address(role, "platform"));
        let listed = json(&["audit", "list", "--json", "--data", &data, "--server", &server]);
        let about = |entry: &&Value| {
            entry["result"] == "done" && world.devices.iter().any(|device| entry["device"] == **device)
        };
        listed.as_array().unwrap().iter().filter(about).cloned().collect::<Vec<Value>>()
    };
    let devices: Vec<Value> = world.devices.iter().map(|device| stored_state(world, device)).collect();
    let shown = |owner| world.devices.iter().map(|device| world.shown(owner, device)).collect::<Vec<_>>();
    json!({
        "registration": log("registration"),
        "bootstrap": log("bootstrap"),
        "devices": devices,
        "in": shown(IN),
        "out": shown(OUT),
    })
}

/// The same without what a device changes that says goodbye and comes back, and may ask for its image again.
fn ownership(mut standing: Value) -> Value {
    let passing =
        ["write", "goodbye", "info", "seen_unix_millis", "since_unix_millis", "status", "description"];
    for part in ["devices", "in", "out"] {
        for entry in standing[part].as_array_mut().unwrap() {
            entry.as_object_mut().unwrap().retain(|name, _| !passing.contains(&name.as_str()));
        }
    }
    standing["bootstrap"].as_array_mut().unwrap().retain(|entry| entry["operation"] != "bootstrap.serve");
    standing
}

fn is_unchanged(before: &Value, after: &Value) {
    for (part, before) in before.as_object().unwrap() {
        let (before, after) = (before.as_array().unwrap(), after[part].as_array().unwrap());
        assert_eq!(before.len(), after.len(), "{part}: {:#?}", after.last());
        for (before, after) in before.iter().zip(after) {
            assert_eq!(before, after, "{part}");
        }
    }
}

impl Scene {
    /// The earlier owner is the owner, its devices are in service over somebody who records everything, each
    /// with a second channel to a place of its own; it has copies of everything.
    fn prepared() -> Self {
        let mut world = World::new("old-owner");
        let bootstrap = Relay::to(&world.address("bootstrap", "devices"));
        let channels = Relay::to(&world.address(OUT, "channels"));
        let devices = world.devices.clone();
        for device in &devices {
            world.end(&format!("device run --state {} ", world.path(&format!("devices/{device}"))));
        }
        world.end(&serving(&world, OUT));
        let configuration = world.path(&format!("{OUT}.toml"));
        let text = std::fs::read_to_string(&configuration).unwrap();
        let advertised = format!("advertised = \"{}\"", world.address(OUT, "advertised"));
        let text = text.replace(&advertised, &format!("advertised = \"{}\"", channels.at));
        std::fs::write(&configuration, text).unwrap();
        keep(&world, OUT, "kept/for-its-keys");
        let former = Former::with_data(&world, "kept/for-its-keys");
        world.serve_again(OUT);
        for device in &devices {
            world.leave_image(OUT, device, NUMBER);
        }
        let mut things = Vec::new();
        for (at, (kind, uuid)) in KINDS.into_iter().zip(&devices).enumerate() {
            let id = uuid.parse().unwrap();
            let (run, place) = switch_on(&world, uuid, bootstrap.at);
            let label = read_label(world.path(&format!("maker/{uuid}.label.png")).as_ref());
            let case_string = Secret::from(label.case_id.case_string().as_bytes());
            things.push(Thing {
                kind,
                uuid: uuid.clone(),
                id,
                run,
                at: place,
                case_string,
                holder: Holder::of(&former, former.access(id), 70 + at as u64),
                image: Vec::new(),
            });
        }
        let mut scene = Self { world, bootstrap, channels, former, things };
        scene.plant();
        scene
    }

    fn plant(&mut self) {
        for thing in &mut self.things {
            thing.run.wait_for("bootstrapped");
            thing.run.wait_for("in-service");
            until("it is in service", || self.world.status(OUT, &thing.uuid) == IN_SERVICE);
            let channel = stored_state(&self.world, &thing.uuid)["channels"][0].clone();
            let definition = json!({
                "local_key": channel["local_key"], "peer_key": channel["peer_key"], "persistent": true,
                "open_immediately": true, "address": thing.holder.server.at.to_string(),
                "privileges": { "channel_management": true, "system_management": true, "key_management": true },
            });
            let planted = json!({ "command": "put-channel", "channel": PLANTED, "definition": definition });
            order(&self.world, OUT, &thing.uuid, &planted);
            let what = format!("{}: the planted channel opens", thing.kind);
            until(&what, || !thing.holder.server.server().connected.is_empty());
            thing.holder.asks_in_session();
            until("it has every right", || thing.holder.answers() == 1);
            let called = thing.holder.calls_device(thing.at);
            assert!(called.came_in("the owner calls its device"), "{}: {}", thing.kind, called.end());
            let image = wait(self.former.gateway.read_bootstrap(thing.id)).unwrap().expect("it is the owner");
            thing.image = image.to_vec();
        }
        self.world.end(&serving(&self.world, OUT));
        keep(&self.world, OUT, "kept/system");
        self.world.serve_again(OUT);
        self.world.stop_servers();
        self.world.keep_data("kept/authority");
        self.world.start_servers();
    }

    /// The devices go to the next owner, who is in service in the end.
    fn transfer(&mut self) {
        let receiver = json_of(self.world.owner(IN, &["id"]))["id"].as_str().unwrap().to_owned();
        for thing in &self.things {
            said(self.world.owner(OUT, &["transfer", &thing.uuid, "--to", &receiver, "--yes"]));
            said(self.world.owner(IN, &["accept", &thing.uuid]));
        }
        for thing in &mut self.things {
            until("the image waits", || self.world.status(IN, &thing.uuid) == 4);
            thing.holder.forget_sessions();
            thing.run.tell("button 5");
            let owned = thing.run.wait_until("the next owner", |said| said["event"] == "owned");
            assert_eq!(owned["sequence_number"], NUMBER + 1);
            thing.run.wait_for_all(&["in-service", "time-set"]);
            until("it is in service", || self.world.status(IN, &thing.uuid) == IN_SERVICE);
            until("the earlier owner knows", || self.world.status(OUT, &thing.uuid) == RELEASED);
            thing.run.tell("status");
            thing.run.wait_for("status");
        }
    }

    /// Its certificate and key, its images and the photographs of the labels, and those of a management system
    /// that somebody else has honestly registered.
    fn asks_the_authority(&self) {
        let other = registers(&self.world);
        for (who, gateway) in [("the earlier owner", &self.former.gateway), ("another one", &other)] {
            for thing in &self.things {
                let friend = &self.former.keys.id;
                for (what, answer) in
                    asks_everything(gateway, thing.id, &thing.case_string, &thing.image, friend)
                {
                    assert_eq!(answer, Ok(false), "{who}, {what}, {}", thing.kind);
                }
            }
        }
    }

    /// The right to operate the earlier owner's system is none at the next one's.
    fn asks_the_next_owners_system(&self) {
        let operator = self.world.path(&format!("{OUT}/operator.pem"));
        for thing in &self.things {
            let mut command = self.world.owner(IN, &["show", &thing.uuid]);
            let refused = command.args(["--operator", &operator]).output().unwrap();
            let (code, exit) = failed(&refused);
            assert!(exit.is_some_and(|exit| exit != 0) && refused.stdout.is_empty(), "{code}");
            let mut command = self.world.owner(OUT, &["bootstrap", &thing.uuid]);
            assert_eq!(failed(&command.output().unwrap()).0, "refused", "{}", thing.kind);
        }
    }

    /// Its keys, as a client: at the devices, and in their names at both management systems and the bootstrap
    /// server.
    fn calls_with_its_keys(&self) {
        let places = [
            ("the next owner's system", socket(&self.world, IN, "channels")),
            ("its own system", socket(&self.world, OUT, "channels")),
            ("the bootstrap server", socket(&self.world, "bootstrap", "devices")),
        ];
        let mut attempts = Vec::new();
        for thing in &self.things {
            attempts.push((thing.kind, "the device", thing.holder.calls_device(thing.at)));
            for (place, at) in places {
                attempts.push((thing.kind, place, thing.holder.calls_server(at)));
            }
        }
        for (kind, place, attempt) in attempts {
            assert!(!attempt.came_in(place), "{kind} at {place}");
            println!("{kind} at {place}: {}", attempt.end());
        }
    }

    /// The channel it planted is gone, and so is the session in it.
    fn uses_what_it_planted(&self) {
        for thing in &self.things {
            let state = stored_state(&self.world, &thing.uuid);
            let channels: Vec<&Value> =
                state["channels"].as_array().unwrap().iter().map(|channel| &channel["id"]).collect();
            assert_eq!(channels, [&json!(1)], "{}", thing.kind);
            let old_key = thing.holder.key();
            let keys = state["keys"].as_array().unwrap();
            assert!(keys.iter().all(|key| key["id"] != old_key), "{}: {keys:?}", thing.kind);
            assert_eq!(thing.holder.forget_sessions(), 0, "{}: it does not come again", thing.kind);
        }
    }

    /// Everything that was said is said again, to everybody.
    fn replays(&mut self) {
        let servers = [
            socket(&self.world, IN, "channels"),
            socket(&self.world, OUT, "channels"),
            socket(&self.world, "bootstrap", "devices"),
        ];
        let count = self.bootstrap.replay(&servers) + self.channels.replay(&servers);
        assert!(count >= 80, "only {count} datagrams of eight bootstraps and four channels were recorded");
        println!("{count} datagrams are sent once more");
        for thing in &mut self.things {
            let before = thing.run.seen.len();
            for _ in 0..2 {
                thing.run.tell("status");
                let status = thing.run.wait_for("status");
                assert_eq!(status["channels"][0]["name"], "open", "{}: {status}", thing.kind);
            }
            let heard = thing.run.seen[before..].iter().filter(|said| said["event"] != "status");
            assert_eq!(heard.collect::<Vec<_>>(), Vec::<&Value>::new(), "{}", thing.kind);
        }
    }

    /// The earlier owner's system comes back as it was when it owned the devices.
    fn restores_its_system(&mut self) {
        self.world.end(&serving(&self.world, OUT));
        keep(&self.world, OUT, "now/system");
        put_back(&self.world, OUT, "kept/system");
        self.world.serve_again(OUT);
        for thing in &self.things {
            let shown = self.world.shown(OUT, &thing.uuid);
            assert_eq!(shown["owner_sequence_number"], NUMBER, "it believes to be the owner: {shown}");
            order(&self.world, OUT, &thing.uuid, &json!({ "command": "reboot", "within_secs": 600 }));
            said(self.world.owner(OUT, &["bootstrap", &thing.uuid]));
        }
        for thing in &self.things {
            until("the authority tells it", || self.world.status(OUT, &thing.uuid) == RELEASED);
        }
        self.world.end(&serving(&self.world, OUT));
        put_back(&self.world, OUT, "now/system");
        self.world.serve_again(OUT);
    }

    /// Devices that are led to a bootstrap server with the earlier owner's keys and image, then to the
    /// authority's own servers as they were.
    fn serves_its_images(&mut self) {
        let genuine = socket(&self.world, "bootstrap", "devices");
        for thing in &mut self.things {
            thing.holder.server.server().serving = crate::device::server::Serving::Image(thing.image.clone());
            self.bootstrap.lead_to(thing.holder.server.at);
            thing.run.tell("button 5");
            let end = thing.run.wait_until("it is refused", |said| {
                said["event"] == "refused" || said["event"] == "bootstrap-failed"
            });
            // Without the device's secret nothing that is hinted derives from it.
            let why = if thing.kind == "secret" { "bad-hint" } else { "server-not-confirmed" };
            assert_eq!(end["cause"], why, "{}", thing.kind);
        }
        self.bootstrap.lead_to(genuine);
        self.world.stop_servers();
        self.world.keep_data("now/authority");
        self.world.put_back("kept/authority");
        self.world.start_servers();
        for thing in &mut self.things {
            thing.run.tell("button 5");
            assert_eq!(thing.run.wait_for("refused")["cause"], "sequence-lower", "{}", thing.kind);
        }
        self.world.stop_servers();
        self.world.put_back("now/authority");
        self.world.start_servers();
    }
}

// verifies: TS-C1, TS-H2, TS-H5, ASSURE-14.7-08, ASSURE-14.7-09
#[test]
fn ts_the_earlier_owner_is_out_whatever_it_knows_kept_recorded_or_planted() {
    let mut scene = Scene::prepared();
    scene.transfer();
    let before = standing(&scene.world);
    scene.asks_the_authority();
    scene.asks_the_next_owners_system();
    scene.calls_with_its_keys();
    scene.uses_what_it_planted();
    scene.replays();
    is_unchanged(&before, &standing(&scene.world));
    scene.restores_its_system();
    is_unchanged(&before, &standing(&scene.world));
    scene.serves_its_images();
    is_unchanged(&ownership(before), &ownership(standing(&scene.world)));
    for thing in &mut scene.things {
        thing.run.tell("button 5");
        thing.run.wait_for("image-unchanged");
        assert_eq!(stored_state(&scene.world, &thing.uuid)["sequence_number"], NUMBER + 1);
    }
}
