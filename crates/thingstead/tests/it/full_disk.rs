//! Servers whose store cannot grow: refusals that say so, nothing acknowledged is lost, and they go on as soon as
//! there is room, without being started again.
//!
//! The disk is full for one process only: its files may not grow beyond what the store already has.

use std::fs;
use std::process::{Command, Output};

use authority::registration::ReadParameterSet;
use model::Uuid;
use net::now::Clock;
use store::run;
use store_redb::{Options, RedbStore};

use crate::authority::stage::{IMAGE_WAITS, failed};
use crate::clocks::switch_on;
use crate::demo::PROGRAM;
use crate::going_on::{World, exit, json, json_of, said, serving, until};
use crate::old_owner::former::open_store;

/// What a command says that was answered 503, and its exit status.
const REFUSED: (&str, i32) = ("error[try-later]: the server cannot do this now", 3);
/// So many large records a store takes at most before its file has to grow.
const TRIES: usize = 400;

/// The program, which is told that its file may not grow instead of being ended for it.
fn told_of_full_disks() -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", PROGRAM]);
    command
}

fn may_grow_to(pid: &str, limit: &str) {
    let output = Command::new("prlimit").args(["--pid", pid, &format!("--fsize={limit}:")]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn can_be_shown() -> bool {
    let tried = Command::new("prlimit").arg("--version").output();
    let is_there = tried.is_ok_and(|tried| tried.status.success());
    if !is_there {
        println!("skipped: prlimit is not installed");
        assert!(std::env::var_os("CI").is_none(), "prlimit is needed here");
    }
    is_there
}

/// Starts a role again so that it may be told, and gives its process id.
fn serve_told(world: &mut World, role: &str) -> String {
    world.end(&serving(world, role));
    world.serve_as(role, told_of_full_disks());
    world.pid(&serving(world, role))
}

/// Ends a role without warning and waits until nobody has its store.
fn kill(world: &World, role: &str) {
    world.signal(&serving(world, role), "KILL");
    let store = world.path(&format!("{role}/store.redb"));
    until("its store is free", || RedbStore::open(&store, Options::default()).is_ok());
}

fn fill(world: &World, role: &str, pid: &str, mut one: impl FnMut(usize) -> Output) -> (Vec<String>, Output) {
    let taken = |output: Output| String::from_utf8(output.stdout).unwrap().trim().to_owned();
    // There may be no room at all from now on: one is acknowledged before.
    let first = one(0);
    assert!(first.status.success(), "{role}: {first:?}");
    let mut acknowledged = vec![taken(first)];
    let size = fs::metadata(world.path(&format!("{role}/store.redb"))).unwrap().len();
    may_grow_to(pid, &size.to_string());
    for number in 1..TRIES {
        let output = one(number);
        if !output.status.success() {
            return (acknowledged, output);
        }
        acknowledged.push(taken(output));
    }
    panic!("{role}: the store took {TRIES} records without growing beyond {size} bytes");
}

/// A parameter set of some 12 kB.
fn set(world: &World, number: usize) -> String {
    let path = world.path(&format!("large-{number}.json"));
    let message = serde_json::json!({
        "method": "PUT", "path": "/v1/channels/1", "payload": "channel", "required": true, "min": 1, "max": 1,
        "description": "x".repeat(1000),
    });
    let set = serde_json::json!({ "name": format!("large {number}"), "choices": [{ "name": "all", "messages": vec![message; 12] }] });
    fs::write(&path, set.to_string()).unwrap();
    path
}

fn uploads(world: &World, number: usize) -> Output {
    let gateway = world.address("registration", "maker_gateway");
    let (set, ca) = (set(world, number), world.path("public/system-ca.pem"));
    let words = ["parameters", "upload", &set, "--gateway", &gateway, "--system-ca", &ca];
    world.maker(&words).output().unwrap()
}

/// The sets of the registration server that stands still which are not there any more.
fn lost(world: &World, maker: Uuid, sets: &[String]) -> Vec<String> {
    let table = open_store(world, "registration");
    let is_lost = |set: &&String| {
        let read = ReadParameterSet { set: set.parse().unwrap(), maker };
        run(&table, &read, Clock::start().now()).unwrap().reply.unwrap().is_none()
    };
    sets.iter().filter(is_lost).cloned().collect()
}

/// Who uploaded the devices' records.
fn maker(world: &World) -> Uuid {
    let (data, server) = (world.path("registration"), world.address("registration", "platform"));
    let listed = json(&["audit", "list", "--json", "--data", &data, "--server", &server]);
    let upload = listed.as_array().unwrap().iter().find(|entry| entry["operation"] == "maker.upload");
    upload.unwrap()["actor"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_registration_server_without_room_refuses_loses_nothing_and_goes_on_with_room() {
    if !can_be_shown() {
        return;
    }
    let mut world = World::new("full-registration");
    let pid = serve_told(&mut world, "registration");
    let device = world.devices[1].clone();
    let (acknowledged, refusal) = fill(&world, "registration", &pid, |number| uploads(&world, number));
    let said_why = String::from_utf8(refusal.stderr.clone()).unwrap();
    assert!(said_why.starts_with(REFUSED.0) && exit(&refusal) == Some(REFUSED.1), "{said_why}");
    // An owner's change is refused alike, or was done: never half of it.
    let receiver = json_of(world.owner("owner-a", &["id"]));
    let receiver = receiver["id"].as_str().unwrap();
    let transfer =
        world.owner("owner-b", &["transfer", &device, "--to", receiver, "--yes"]).output().unwrap();
    println!("{} sets; the transfer: {:?} {:?}", acknowledged.len(), exit(&transfer), failed(&transfer));
    let log = fs::read_to_string(world.path("log/registration.log")).unwrap();
    let lines = log.lines().filter(|line| line.contains("Full")).count();
    assert!((1..=8).contains(&lines), "a line for each refusal: {lines}");
    may_grow_to(&pid, "unlimited");
    until("it goes on", || uploads(&world, TRIES).status.success());
    assert_eq!(world.pid(&serving(&world, "registration")), pid, "the same process");
    let maker = maker(&world);
    kill(&world, "registration");
    assert_eq!(lost(&world, maker, &acknowledged), Vec::<String>::new());
    world.serve_again("registration");
    if world.registered(&device, "owner.transfer") == 1 {
        said(world.owner("owner-b", &["transfer", &device, "--to", receiver, "--yes"]));
    }
    until("the change is done once", || world.registered(&device, "owner.transfer") == 2);
    said(world.owner("owner-a", &["accept", &device]));
    until("the receiver has it", || world.shown("owner-a", &device)["owner_sequence_number"] == 3);
}

/// What is refused for want of room, and said so.
#[track_caller]
fn refused(output: &Output) {
    let said_why = String::from_utf8_lossy(&output.stderr);
    assert!(said_why.contains("try-later") && exit(output) == Some(REFUSED.1), "{output:?}");
}

fn idle_minutes(world: &World, owner: &str) -> serde_json::Value {
    json_of(world.operator(owner, &["settings", "show"]))["idle_minutes"].clone()
}

#[test]
fn a_management_system_without_room_refuses_loses_nothing_and_goes_on_with_room() {
    if !can_be_shown() {
        return;
    }
    let mut world = World::new("full-management");
    let pid = serve_told(&mut world, "owner-b");
    let device = world.devices[1].clone();
    let receiver = json_of(world.owner("owner-a", &["id"]));
    let receiver = receiver["id"].as_str().unwrap();
    let transfer = ["transfer", &device, "--to", receiver, "--yes"];
    let set = |world: &World, minutes: &str| {
        world.operator("owner-b", &["settings", "set", "--idle-minutes", minutes]).output().unwrap()
    };
    assert!(set(&world, "7").status.success());
    // Not even a line of its log can be written.
    may_grow_to(&pid, "0");
    refused(&set(&world, "8"));
    refused(&world.owner("owner-b", &transfer).output().unwrap());
    assert_eq!(idle_minutes(&world, "owner-b"), 7, "who asks is still answered");
    assert_eq!(world.registered(&device, "owner.transfer"), 1, "nothing went out that is not stored here");
    may_grow_to(&pid, "unlimited");
    until("it goes on", || set(&world, "9").status.success());
    assert_eq!(world.pid(&serving(&world, "owner-b")), pid, "the same process");
    kill(&world, "owner-b");
    world.serve_again("owner-b");
    assert_eq!(idle_minutes(&world, "owner-b"), 9);
    for device in &world.devices {
        assert_eq!(world.shown("owner-b", device)["owner_sequence_number"], 2, "{device}");
    }
    said(world.owner("owner-b", &transfer));
    said(world.owner("owner-a", &["accept", &device]));
    until("the receiver has it", || world.shown("owner-a", &device)["owner_sequence_number"] == 3);
    assert_eq!(world.registered(&device, "owner.transfer"), 2);
}

#[test]
fn a_bootstrap_server_without_room_keeps_its_images_and_goes_on_with_room() {
    if !can_be_shown() {
        return;
    }
    let mut world = World::new("full-bootstrap");
    let pid = serve_told(&mut world, "bootstrap");
    let (waiting, later) = (world.devices[1].clone(), world.devices[2].clone());
    for device in [&waiting, &later] {
        world.end(&format!("device run --state {} ", world.path(&format!("devices/{device}"))));
    }
    world.leave_image("owner-b", &waiting, 2);
    let images = |world: &World| world.registered(&later, "owner.upload");
    let before = images(&world);
    // Neither its store nor its log: the head of a store takes some images even where the file cannot grow.
    may_grow_to(&pid, "0");
    said(world.owner("owner-b", &["fetch", &later]));
    let mut run = switch_on(&world, &waiting, Command::new(PROGRAM));
    run.wait_for("started");
    assert_eq!(images(&world), before, "what is not stored is not acknowledged");
    may_grow_to(&pid, "unlimited");
    assert_eq!(run.wait_for("bootstrapped")["sequence_number"], 2);
    run.wait_for("in-service");
    until("the other image is there", || world.status("owner-b", &later) == IMAGE_WAITS);
    assert_eq!(world.pid(&serving(&world, "bootstrap")), pid, "the same process");
    kill(&world, "bootstrap");
    world.serve_again("bootstrap");
    let mut run = switch_on(&world, &later, Command::new(PROGRAM));
    assert_eq!(run.wait_for("bootstrapped")["sequence_number"], 2);
    run.wait_for("in-service");
}
