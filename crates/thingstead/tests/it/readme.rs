//! The README's walk by hand, run as it is printed: its own blocks, its own fixed ports.
//!
//! The ports are those that a person uses, so the walk has a network of its own: this program starts itself
//! again inside a new network namespace.

mod terminal;
mod text;

use std::fs;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use super::demo::{Folder, PROGRAM};
use terminal::{PATIENCE, Terminal, at_home_in};
use text::Walk;

/// Set inside the namespace.
const ALONE: &str = "THINGSTEAD_TEST_HAS_ITS_NETWORK";
const LOOPBACK_UP: &str = "ip link set lo up";
const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
const LISTENERS: [&str; 9] = [
    "127.0.0.1:8441",
    "127.0.0.1:8442",
    "127.0.0.1:8443",
    "127.0.0.1:8444",
    "127.0.0.1:8445",
    "127.0.0.1:8446",
    "127.0.0.1:8447",
    "127.0.0.1:49683",
    "127.0.0.1:49684",
];

/// Whether this process may use the fixed ports. If not, the test `name` has run elsewhere, or cannot run.
fn has_a_network_of_its_own(name: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut tried = Command::new("unshare");
    let tried = tried.args(["-rn", "sh", "-c", LOOPBACK_UP]).output();
    if !tried.is_ok_and(|output| output.status.success()) {
        println!("skipped: no network namespace can be made (unshare and ip, and the right to use them)");
        assert!(std::env::var_os("CI").is_none(), "a network namespace is needed here");
        return false;
    }
    let itself = std::env::current_exe().unwrap();
    let mut again = Command::new("unshare");
    again.args(["-rn", "sh", "-c", &format!("{LOOPBACK_UP} && exec \"$0\" \"$@\"")]).arg(itself);
    let output = again.args([name, "--exact", "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(output.status.success() && said.contains("test result: ok. 1 passed"), "{said}");
    false
}

/// Waits until the servers at these ports have taken in what the identity server issued.
fn wait_for_import(folder: &Folder) {
    let deadline = Instant::now() + PATIENCE;
    for (data, port) in [("registration", 8446), ("bootstrap", 8447)] {
        let is_there = || {
            let mut audit = Command::new(PROGRAM);
            audit.args(["audit", "list", "--data", data, "--server", &format!("127.0.0.1:{port}")]);
            let output =
                audit.args(["--ca", "public/system-ca.pem"]).current_dir(&folder.0).output().unwrap();
            String::from_utf8_lossy(&output.stdout).contains("identity.import")
        };
        while !is_there() {
            assert!(Instant::now() < deadline, "{data} took nothing in");
        }
    }
}

/// Waits until a management system says that the device has this status, and gives the README's command.
fn wait_for_status(folder: &Folder, command: &str, status: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut shell = at_home_in(&folder.0);
        let output = shell.args(["-c", &format!("DEVICE=$(ls devices); {command} --json")]).output().unwrap();
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if said["status"] == status {
            return;
        }
        assert!(Instant::now() < deadline, "{command}: {said}");
    }
}

/// The servers start, are enrolled as the text says, and say that they are ready.
fn serve_and_enrol(walk: &mut Walk, folder: &Folder, first: &mut Terminal, second: &mut Terminal) {
    let text = walk.text("**Servers.**");
    let check = text.span("thingstead serve --check");
    fs::write(folder.join(&text.span_where(|span| span.ends_with(".toml"))), walk.block()).unwrap();
    let listed = second.run(&check);
    for listener in LISTENERS {
        assert!(listed.iter().any(|line| line.ends_with(listener)), "{listener}: {listed:?}");
    }
    let text = walk.text("starts all three in one terminal");
    first.type_line(&text.span("thingstead serve"));
    let behind = text.span_where(|span| span.starts_with("--data identity"));
    let wanted = text.span_where(|span| span.starts_with("thingstead identity enrol"));
    let wanted = wanted.split("FILE").next().unwrap().to_owned();
    for _ in 0..2 {
        let line = first.wait_for(&wanted);
        second.run(&format!("{} {behind}", line.trim()));
    }
    let ready = text.span("ready");
    for role in ["registration", "bootstrap", "management"] {
        first.wait_for(&format!("{ready} {role}"));
    }
}

#[test]
fn the_walk_by_hand_goes_as_the_readme_prints_it() {
    if !has_a_network_of_its_own("readme::the_walk_by_hand_goes_as_the_readme_prints_it") {
        return;
    }
    let folder = Folder::new("readme");
    let readme = fs::read_to_string(README).unwrap();
    let mut walk = Walk::of(&readme, "## The same life by hand");
    let terminal = || Terminal::open(&folder.0);
    let (mut first, mut second, mut third, mut fourth) = (terminal(), terminal(), terminal(), terminal());

    walk.text("one empty folder");
    walk.text("**The authority and a maker's station.**");
    second.run_all(&walk.block());
    serve_and_enrol(&mut walk, &folder, &mut first, &mut second);

    walk.text("in the second terminal");
    second.run_all(&walk.block());
    wait_for_import(&folder);

    walk.text("**Its owner** claims it");
    let block = walk.block();
    let (device_run, before) =
        text::commands(&block).split_last().map(|(last, before)| (last.clone(), before.to_vec())).unwrap();
    before.iter().for_each(|command| drop(second.run(command)));
    assert!(device_run.starts_with("thingstead device run "), "{device_run}");
    second.type_line(&device_run);
    let in_service = walk.text("The device says").span_where(|span| span.contains("in service"));
    second.wait_for(&in_service);

    let text = walk.text("**Its next owner**");
    fs::write(
        folder.join(&text.span_where(|span| span.ends_with(".toml") && !span.contains(' '))),
        walk.block(),
    )
    .unwrap();
    third.type_line(&text.span_where(|span| span.starts_with("thingstead serve --config")));
    third.wait_for("ready management");
    walk.text("In a fourth terminal");
    fourth.run_all(&walk.block());

    let text = walk.text("into the device's terminal");
    second.type_line(&text.span_where(|span| span.starts_with("button ")));
    assert_eq!(text.span_where(|span| span.contains("in service")), in_service);
    second.wait_for(&in_service);
    let block = walk.block();
    let shows = text::commands(&block);
    let (birch, alder) = (&shows[0], &shows[1]);
    assert!(birch.contains("--data birch") && alder.contains("--data alder"), "{shows:?}");
    wait_for_status(&folder, birch, 5);
    wait_for_status(&folder, alder, 9);
    let said = fourth.run_all(&block).join("\n");
    for done in ["owner.claim", "owner.transfer", "identity.import", "maker.upload"] {
        let has = said.lines().any(|line| line.contains(done) && line.ends_with("\tdone"));
        assert!(has, "{done} does not stand in the authority's log: {said}");
    }
    walk.ends();
}
