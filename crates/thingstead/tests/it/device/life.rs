//! A device through its life over UDP: made, bootstrapped, transferred, reset.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::authority::{Authority, Party};
use super::program::{Made, failure};
use super::server::Serving;
use super::wire::Wired;

/// A device, its bootstrap server and the management systems of two owners.
struct Scene {
    authority: Authority,
    made: Made,
    owners: [Party; 2],
    bootstrap: Wired,
    management: [Wired; 2],
}

impl Scene {
    /// The devices' key kinds by their numbers on the factory line.
    fn new(run: u64, kind: u8) -> Self {
        let mut authority = Authority::new(run);
        let made = Made::of(&authority, 40 + kind, kind, None);
        let owners = [authority.owner(), authority.owner()];
        let public = made.public.as_ref().unwrap();
        let bootstrap = Wired::start(&authority, &authority.bootstrap, public, 100 * run);
        let management =
            [0, 1].map(|at| Wired::start(&authority, &owners[at], public, 100 * run + 1 + at as u64));
        Self { authority, made, owners, bootstrap, management }
    }

    /// The bootstrap server has the image of an owner from now on.
    fn serve(&mut self, owner: usize, sequence_number: u32) {
        let device = (self.made.uuid, self.made.public.as_ref().unwrap());
        let port = self.management[owner].port();
        let image = self.authority.image(&self.owners[owner], device, sequence_number, port);
        self.bootstrap.server().serving = Serving::Image(image);
    }

    /// How often an owner's management system was asked for what ends so.
    fn asked(&self, owner: usize, ending: &str) -> usize {
        self.management[owner].server().count(ending)
    }
}

// verifies: TS-M14
#[test]
fn ts_m14_the_state_of_the_earlier_owner_goes_before_the_erasure_is_said() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("skipped: strace is not installed");
        assert!(std::env::var_os("CI").is_none(), "strace is needed here");
        return;
    }
    let mut scene = Scene::new(17, 1);
    scene.serve(0, 1);
    let mut device = scene.made.run(scene.bootstrap.port());
    device.wait_for("in-service");
    scene.serve(1, 2);
    let (pid, trace) = (device.pid(), scene.made.folder.join("trace"));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "trace=unlink,unlinkat,rename,renameat,renameat2", "-p", &pid, "-o"]);
    let mut strace = strace.arg(&trace).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{pid}/status");
    while fs::read_to_string(&status).unwrap().contains("TracerPid:\t0\n") {
        assert!(strace.try_wait().unwrap().is_none(), "strace may look at the device");
    }
    device.tell("button 5");
    device.wait_for("erased");
    device.tell("power off");
    assert!(device.ended().success());
    strace.wait().unwrap();
    let trace = fs::read_to_string(&trace).unwrap();
    // The copy itself, not a part of one that was cut off; done, not tried.
    let gone = |line: &str| {
        line.contains("unlink")
            && line.ends_with("= 0")
            && ["state.0\"", "state.1\""].iter().any(|copy| line.contains(copy))
    };
    assert!(trace.contains("rename"), "the trace sees the writes: {trace}");
    assert!(trace.lines().any(gone), "{trace}");
}

// verifies: ASSURE-14.5-05, ASSURE-14.5-09, ASSURE-14.7-08, ASSURE-14.7-09
#[test]
fn a_device_enters_service_and_changes_its_owner_at_the_button() {
    let mut scene = Scene::new(11, 1);
    let mut device = scene.made.run(scene.bootstrap.port());
    // no image yet: it asks again by itself
    assert_eq!(device.wait_for("bootstrap-failed")["cause"], "empty");
    scene.serve(0, 1);
    let owned = device.wait_for("owned");
    assert_eq!((&owned["sequence_number"], &owned["new_owner"]), (&1.into(), &true.into()));
    assert_eq!(device.wait_for("bootstrapped")["sequence_number"], 1);
    device.wait_until("channel 1 open", |said| said["event"] == "channel" && said["name"] == "open");
    assert_eq!(device.wait_for("in-service")["channel"], 1);
    assert_eq!(scene.asked(0, "info"), 1);
    device.tell("status");
    let status = device.wait_for("status");
    assert_eq!(status["configured"], true);
    assert_eq!(status["channels"][0]["name"], "open");

    let habit = scene.made.state().join("data/habits/of-the-first-owner");
    fs::create_dir_all(habit.parent().unwrap()).unwrap();
    fs::write(&habit, b"up at six").unwrap();
    scene.serve(1, 2);
    device.tell("button 2");
    device.wait_for("button-ignored");
    device.tell("button 5");
    let goodbye = device.wait_for("goodbye");
    assert_eq!((&goodbye["reason"], &goodbye["acknowledged"]), (&4.into(), &1.into()));
    assert_eq!(device.wait_for("owned")["sequence_number"], 2);
    device.wait_for("erased");
    assert!(!habit.exists(), "the first owner's data is gone before a channel opens");
    assert_eq!(device.heard("in-service"), 1);
    assert_eq!(device.wait_for("bootstrapped")["sequence_number"], 2);
    device.wait_for("in-service");
    assert_eq!((scene.asked(0, "info"), scene.asked(1, "info")), (1, 1));
    assert_eq!(scene.asked(0, "goodbye"), 1);

    // the first owner's image again: refused, and nothing changes
    scene.serve(0, 1);
    device.tell("button 5");
    assert_eq!(device.wait_for("refused")["cause"], "sequence-lower");
    device.tell("power off");
    assert!(device.ended().success());
    assert_eq!(scene.made.status()["sequence_number"], 2);
}

// verifies: ASSURE-14.5-05
#[test]
fn a_p384_device_enters_service_too_and_comes_back_after_a_reboot() {
    let mut scene = Scene::new(12, 2);
    scene.serve(0, 1);
    let mut device = scene.made.run(scene.bootstrap.port());
    device.wait_for("in-service");
    device.tell("reboot");
    assert_eq!(device.wait_for("goodbye")["reason"], 3);
    device.wait_for("rebooting");
    let started = device.wait_for("started");
    assert_eq!((&started["sequence_number"], &started["configured"]), (&1.into(), &true.into()));
    // whichever comes first
    device.wait_for_all(&["in-service", "image-unchanged"]);
    assert_eq!(device.heard("bootstrapped"), 1);
}

#[test]
fn a_device_that_is_told_to_stop_says_goodbye_within_two_seconds() {
    let mut scene = Scene::new(13, 1);
    scene.serve(0, 1);
    let mut device = scene.made.run(scene.bootstrap.port());
    device.wait_for("in-service");
    device.signal("TERM");
    let goodbye = device.wait_for("goodbye");
    assert_eq!((&goodbye["reason"], &goodbye["acknowledged"]), (&0.into(), &1.into()));
    assert!(device.ended().success());
    assert_eq!(device.seen.last().unwrap()["event"], "off");
    assert_eq!(scene.asked(0, "goodbye"), 1);

    // nobody answers the goodbye: it is not waited for longer
    scene.management[0].server().answers_goodbye = false;
    let mut device = scene.made.run(scene.bootstrap.port());
    device.wait_for("in-service");
    let asked_at = Instant::now();
    device.signal("TERM");
    assert!(device.ended().success());
    let took = asked_at.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    let goodbye = device.seen.iter().find(|said| said["event"] == "goodbye").unwrap();
    assert_eq!(goodbye["acknowledged"], 0);
}

// verifies: ASSURE-9.1-03
#[test]
fn ts_m13_a_reset_forgets_everything_but_the_memory_of_owners() {
    let mut scene = Scene::new(14, 1);
    scene.serve(0, 2);
    let mut device = scene.made.run(scene.bootstrap.port());
    device.wait_for("in-service");
    assert_eq!(failure(&scene.made.device("reset", &["--yes"])), ("state-in-use".into(), 3));
    device.tell("power off");
    assert!(device.ended().success());
    let before = scene.made.status();
    assert_eq!(before["channels"].as_array().unwrap().len(), 1);
    assert_eq!(before["keys"].as_array().unwrap().len(), 3);
    let habit = scene.made.state().join("data/habit");
    fs::write(&habit, b"up at six").unwrap();

    assert_eq!(failure(&scene.made.device("reset", &[])), ("not-confirmed".into(), 2));
    assert_eq!(scene.made.status(), before, "nobody confirmed");
    assert!(habit.exists());

    let reset = scene.made.device("reset", &["--yes"]);
    assert!(reset.status.success(), "{}", String::from_utf8_lossy(&reset.stderr));
    assert!(!habit.exists());
    let after = scene.made.status();
    for gone in ["channels", "keys", "parameters"] {
        assert_eq!(after[gone], serde_json::json!([]), "{gone}");
    }
    for kept in ["device", "kind", "bootstrap_server", "sequence_number", "generation"] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
    assert_eq!((&after["configured"], &after["erase_pending"]), (&false.into(), &false.into()));
    let copies = ["state.0", "state.1"].map(|copy| scene.made.state().join(copy).exists());
    assert_eq!(copies.into_iter().filter(|exists| *exists).count(), 1, "the copy before the reset is gone");

    scene.serve(1, 1);
    let mut device = scene.made.run(scene.bootstrap.port());
    assert_eq!(device.wait_for("refused")["cause"], "sequence-lower");
}
