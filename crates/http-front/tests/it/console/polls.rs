//! Long polls, and a program of others that uses a thing by its description alone.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::people::{Person, code};
use super::things::{LOCK, grant, obedient, raise, report, with_lock};
use crate::curl::{Reply, Running};
use crate::management::house::House;
use crate::world::World;

/// Nothing here takes so long on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn poll(house: &House<'_>, who: &Person, path: &str) -> Running {
    who.curl(house, "GET").url(&house.url(&format!("/things/{LOCK}{path}/next"))).start()
}

fn answer(waiting: Running) -> Reply {
    waiting.finish().unwrap().0.remove(0)
}

/// The answer of a poll that was perhaps not there yet when the first of these happened.
fn until_answered(mut waiting: Running, mut happen: impl FnMut()) -> Reply {
    let deadline = Instant::now() + PATIENCE;
    while waiting.0.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it hears nothing");
        happen();
    }
    answer(waiting)
}

#[test]
fn a_long_poll_ends_with_the_next_value_and_the_next_poll_misses_none_in_between() {
    let Some(world) = World::start() else { return };
    let (house, root) = with_lock(&world);
    let birch = root.user(&house, "birch", &[]);
    let refused = birch.get(&house, &format!("/things/{LOCK}/properties/volume/next"));
    assert_eq!((refused.status, code(&refused)), (404, "not-here".into()));
    let id = grant(&house, &root, &["read", "observe"], &["volume", "tamper"]);
    let other = birch.get(&house, &format!("/things/{LOCK}/properties/battery/next"));
    assert_eq!((other.status, code(&other)), (403, "not-granted".into()));
    // HEAD says that one may wait, and does not.
    let head =
        birch.curl(&house, "HEAD").head().url(&house.url(&format!("/things/{LOCK}/properties/volume/next")));
    head.run().unwrap().remove(0).is_empty(200);

    report(&house, LOCK, "volume", json!(1));
    let mut volume = 1;
    let first = until_answered(poll(&house, &birch, "/properties/volume"), || {
        volume = volume % 9 + 1;
        report(&house, LOCK, "volume", json!(volume));
    });
    assert!(House::json(first.is(200)).as_u64().is_some_and(|told| told > 0), "{first:?}");
    report(&house, LOCK, "volume", json!(10));
    let second = answer(poll(&house, &birch, "/properties/volume"));
    assert_eq!(House::json(second.is(200)), 10, "it came between the two");

    let mut raised = 0;
    let first = until_answered(poll(&house, &birch, "/events/tamper"), || raised = raise(&house, LOCK));
    assert_eq!(House::json(first.is(200)), "cover");
    let number = raise(&house, LOCK);
    assert!(number > raised);
    let second = answer(poll(&house, &birch, "/events/tamper"));
    assert_eq!(House::json(second.is(200)), "cover");

    // Nothing new: these wait, and end with the right to hear.
    let waiting = [poll(&house, &birch, "/properties/volume"), poll(&house, &birch, "/properties/volume")];
    root.call(&house, "DELETE", &format!("/v1/grants/{id}"), &Value::Null).is_empty(204);
    for waiting in waiting {
        let ended = answer(waiting);
        assert_eq!((ended.status, code(&ended)), (404, "not-here".into()));
    }
    grant(&house, &root, &["observe"], &["volume"]);
    let waiting = poll(&house, &birch, "/properties/volume");
    root.call(&house, "DELETE", "/v1/accounts/birch", &Value::Null).is_empty(204);
    let ended = answer(waiting);
    assert_eq!((ended.status, code(&ended)), (401, "signed-out".into()));
}

/// A program that talks line by line.
struct Said {
    child: Child,
    lines: Receiver<String>,
}

impl Said {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (said, lines) = channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).all(|line| said.send(line).is_ok()));
        Self { child, lines }
    }

    #[track_caller]
    fn next(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("it says something")
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// node-wot, with where its packages are; `None` where it is not installed, which fails where `CI` is set.
fn node_wot() -> Option<(Command, PathBuf)> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let target = std::env::var("CARGO_TARGET_DIR").map_or_else(|_| root.join("target"), PathBuf::from);
    let folder = target.join("peers/wot");
    let node = Command::new("node").arg("--version").stdout(Stdio::null()).status();
    let is_there = folder.join("node_modules/@node-wot/binding-http").is_dir();
    if !is_there || !node.is_ok_and(|status| status.success()) {
        println!("skipped: node-wot is not installed");
        assert!(std::env::var_os("CI").is_none(), "node-wot is needed here");
        return None;
    }
    let mut command = Command::new("node");
    command.arg(root.join("conformance/peers/node_wot.cjs"));
    Some((command, folder))
}

#[test]
fn node_wot_uses_a_thing_from_its_description_alone() {
    let Some((mut node, folder)) = node_wot() else { return };
    let Some(world) = World::start() else { return };
    let (house, root) = with_lock(&world);
    let birch = root.user(&house, "birch", &[]);
    grant(&house, &root, &["read", "write", "call", "observe"], &["battery", "volume", "unlock", "tamper"]);
    report(&house, LOCK, "battery", json!(80));
    let device = obedient(&house);
    let description = birch.get(&house, &format!("/things/{LOCK}"));
    let description = world.file(&description.is(200).body);
    let token = birch.cookie.split_once('=').unwrap().1;
    node.arg(folder).arg(description).arg(token).env("NODE_EXTRA_CA_CERTS", world.ca());
    let mut node = Said::start(node);
    assert_eq!(node.next(), "battery 80");
    assert_eq!(node.next(), "unlock \"open\"");
    assert_eq!(node.next(), "waiting null");
    let written =
        House::json(root.get(&house, &format!("/things/{LOCK}/properties/volume?detail=true")).is(200));
    assert_eq!(written["desired"]["value"], 7, "{written}");
    let deadline = Instant::now() + PATIENCE;
    let (mut values, mut events, mut volume) = (0, 0, 0);
    while values < 3 || events < 3 {
        assert!(Instant::now() < deadline, "{values} values and {events} events");
        volume = volume % 9 + 1;
        report(&house, LOCK, "volume", json!(volume));
        raise(&house, LOCK);
        while let Ok(line) = node.lines.try_recv() {
            match line.split_once(' ').unwrap() {
                ("volume", value) => values += usize::from(value.parse::<u8>().is_ok_and(|one| one <= 9)),
                ("tamper", "\"cover\"") => events += 1,
                _ => panic!("{line}"),
            }
        }
    }
    assert!(node.child.wait().unwrap().success());
    device.abort();
}
