//! `thingstead demo`: the whole life, what it leaves behind, and what it says when a server is off.

mod folder;
pub(super) mod secrets;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

pub(super) use folder::{Folder, PROGRAM, processes, processes_naming};

/// How a demo ended.
pub(super) struct Played {
    pub(super) exit: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) took: Duration,
}

/// Plays the demo in `folder/play` to its end.
pub(super) fn play(folder: &Folder, words: &[&str]) -> Played {
    let began = Instant::now();
    let mut command = Command::new(PROGRAM);
    command.arg("demo").arg("--folder").arg(folder.join("play")).args(words);
    let output = command.stdin(Stdio::null()).output().unwrap();
    Played {
        exit: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        took: began.elapsed(),
    }
}

/// The devices of a demo that was played with `--json`.
pub(super) fn devices(played: &Played) -> Vec<Value> {
    assert_eq!(played.exit, Some(0), "{}", played.stderr);
    let document: Value = serde_json::from_str(&played.stdout).unwrap();
    let devices = document["devices"].as_array().unwrap().clone();
    let kinds: Vec<&str> = devices.iter().map(|device| device["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["secret", "p256", "p384", "rsa2048"]);
    devices
}

/// The smart devices of the same, by their titles.
fn smart_devices(played: &Played) -> Vec<String> {
    let document: Value = serde_json::from_str(&played.stdout).unwrap();
    let titles = document["smart"].as_array().unwrap().iter();
    titles.map(|device| device["title"].as_str().unwrap().to_owned()).collect()
}

/// When each entry `operation` of `role` was stored that was done.
pub(super) fn done(device: &Value, role: &str, operation: &str) -> Vec<u64> {
    let life = device["life"].as_array().unwrap().iter();
    life.filter(|entry| entry["role"] == role && entry["operation"] == operation && entry["result"] == "done")
        .map(|entry| entry["unix_millis"].as_u64().unwrap())
        .collect()
}

/// What stands once in the log of a server or device for each life, and what stands once for each owner.
const ONCE: [(&str, &str); 6] = [
    ("registration", "maker.upload"),
    ("identity", "identity.issue"),
    ("registration", "identity.import"),
    ("bootstrap", "identity.import"),
    ("registration", "owner.claim"),
    ("registration", "owner.transfer"),
];
const ONCE_PER_OWNER: [(&str, &str); 4] = [
    ("bootstrap", "bootstrap.store"),
    ("bootstrap", "bootstrap.serve"),
    ("device", "device.owned"),
    ("device", "device.bootstrapped"),
];
/// The order of what the protocols order: who stored it, what, for which of its times.
const ORDER: [(&str, &str, usize); 19] = [
    ("registration", "maker.upload", 0),
    ("identity", "identity.issue", 0),
    ("registration", "identity.import", 0),
    ("registration", "owner.claim", 0),
    ("owner-a", "owner.claim", 0),
    ("bootstrap", "bootstrap.store", 0),
    ("owner-a", "owner.bootstrap", 0),
    ("bootstrap", "bootstrap.serve", 0),
    ("device", "device.owned", 0),
    ("device", "device.bootstrapped", 0),
    ("owner-a", "device.presence", 0),
    ("registration", "owner.transfer", 0),
    ("owner-b", "owner.accept", 0),
    ("bootstrap", "bootstrap.store", 1),
    ("owner-b", "owner.bootstrap", 0),
    ("bootstrap", "bootstrap.serve", 1),
    ("device", "device.owned", 1),
    ("device", "device.bootstrapped", 1),
    ("owner-b", "device.presence", 0),
];

// verifies: ASSURE-5.1-01, ASSURE-5.1-05, ASSURE-14.1-03, ASSURE-14.1-09, ASSURE-14.1-10, ASSURE-14.3-04b
// verifies: ASSURE-14.4-02, ASSURE-14.5-04d, ASSURE-14.5-09, ASSURE-14.7-03, ASSURE-14.7-09, ASSURE-11.1-01
// verifies: ASSURE-1-15, OSAP-2.1.8-01, OSAP-5-09, OSAP-6-16
#[test]
fn every_device_lives_its_whole_life_in_order_and_no_secret_is_written_anywhere() {
    let folder = Folder::new("demo-life");
    let played = play(&folder, &["--json"]);
    for device in devices(&played) {
        let uuid = &device["device"];
        for (role, operation) in ONCE {
            assert_eq!(done(&device, role, operation).len(), 1, "{uuid}: {role} {operation}");
        }
        for (role, operation) in ONCE_PER_OWNER {
            assert_eq!(done(&device, role, operation).len(), 2, "{uuid}: {role} {operation}");
        }
        let times = ORDER.map(|(role, operation, nth)| done(&device, role, operation)[nth]);
        for (pair, what) in times.windows(2).zip(ORDER.windows(2)) {
            assert!(pair[0] <= pair[1], "{uuid}: {:?} comes after {:?}: {times:?}", what[0], what[1]);
        }
        assert_eq!(device["owned"], serde_json::json!([1, 2]), "{uuid}");
        let [first, second] = [0, 1].map(|owner| device["owners"][owner].clone());
        assert_eq!((&first["status"], &second["status"]), (&9.into(), &5.into()), "{uuid}: {first} {second}");
        assert_eq!(second["owner_sequence_number"], 2, "{uuid}");
    }
    assert_eq!(smart_devices(&played), ["Door lock", "Radar", "Camera"]);
    let document: Value = serde_json::from_str(&played.stdout).unwrap();
    assert_eq!(
        (&document["sensor"]["title"], &document["sensor"]["client"]),
        (&"Sensor".into(), &"sensor".into())
    );
    assert_eq!(processes_naming(&folder.0), Vec::<String>::new());
    secrets::are_nowhere_in(&folder.join("play"), &[&played.stdout, &played.stderr]);
}

#[test]
fn the_demo_says_a_line_for_each_device_and_leaves_nothing_behind() {
    let folder = Folder::new("demo-plain");
    let mut command = Command::new(PROGRAM);
    command.arg("demo").env("TMPDIR", &folder.0);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for kind in ["shared secret", "EC P-256", "EC P-384", "RSA-2048"] {
        let lines = said.lines().filter(|line| {
            line.starts_with(kind)
                && line.contains("made, claimed, in service, transferred, in service again")
        });
        assert_eq!(lines.count(), 1, "{kind}: {said}");
    }
    for title in ["Door lock", "Radar"] {
        let lines = said.lines().filter(|line| {
            line.starts_with(title) && line.contains("proven, connected, read, called, shared")
        });
        assert_eq!(lines.count(), 1, "{title}: {said}");
    }
    let sensor = |line: &&str| line.starts_with("Sensor") && line.contains("connected, read, shared");
    assert_eq!(said.lines().filter(sensor).count(), 1, "{said}");
    assert!(said.trim_end().lines().last().unwrap().starts_with("all of them lived through it in"));
    let left: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
    assert_eq!(processes_naming(&folder.0), Vec::<String>::new());
}

/// A demo without one server: the step that cannot be done, and the server that is named.
fn fails_without(part: &str, step: &str) {
    let folder = Folder::new(&format!("demo-without-{part}"));
    let played = play(&folder, &["--json", "--without", part]);
    assert_eq!(played.exit, Some(1), "{part}: {}", played.stderr);
    assert_eq!(played.stdout, "", "{part}");
    let failure: Value = serde_json::from_str(played.stderr.trim()).unwrap();
    assert_eq!(failure["error"], "step-missing", "{failure}");
    assert!(failure["subject"].as_str().unwrap().contains(step), "{part}: {failure}");
    let log = folder.join("play/log").join(format!("{part}.log"));
    let named = format!("{part} does not run, see {}", log.display());
    let why = failure["why"].as_str().unwrap();
    assert!(why.contains(&named), "{part}: {failure}");
    assert_eq!(why.matches("does not run").count(), 1, "only what was switched off is missed: {failure}");
    assert!(Path::new(&log).exists());
    assert_eq!(processes_naming(&folder.0), Vec::<String>::new(), "{part}");
}

#[test]
fn without_one_server_the_step_that_needs_it_fails_and_names_it() {
    let cases = [
        ("registration", "maker-register"),
        ("bootstrap", "maker-upload"),
        ("identity", "the registration server takes in what the identity server issued"),
        ("owner-a", "owner-a-claim"),
        ("owner-b", "owner-b-id"),
    ];
    thread::scope(|scope| {
        for pair in cases.chunks(2) {
            let runs: Vec<_> =
                pair.iter().map(|(part, step)| scope.spawn(|| fails_without(part, step))).collect();
            for run in runs {
                run.join().unwrap();
            }
        }
    });
}

/// A demo that is ended by a signal in the midst of its play takes its servers and devices with it.
fn leaves_nobody_behind(signal: &str) {
    let folder = Folder::new(&format!("demo-ended{signal}"));
    // What a shell starts in the background ignores SIGINT, and so does everything that this starts.
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,TERM", PROGRAM, "demo", "--folder"]).arg(folder.join("play"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut demo = command.spawn().unwrap();
    let mut steps = BufReader::new(demo.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut said = Vec::new();
    let begun = steps.by_ref().inspect(|step| said.push(step.clone()));
    assert!(begun.into_iter().any(|step| step.contains("two management systems register")), "{said:#?}");
    let send = |signal: &str| {
        assert!(Command::new("kill").args([signal, &demo.id().to_string()]).status().unwrap().success());
    };
    // However long the look takes, the play is not over behind it.
    send("-STOP");
    let running = processes_naming(&folder.0);
    assert!(running.len() >= 4, "{signal}: servers run: {running:?}");
    send(signal);
    send("-CONT");
    assert!(!demo.wait().unwrap().success());
    let deadline = Instant::now() + Duration::from_secs(60);
    while !processes_naming(&folder.0).is_empty() {
        assert!(Instant::now() < deadline, "{signal}: {:?}", processes_naming(&folder.0));
    }
}

#[test]
fn a_demo_that_is_stopped_or_killed_takes_its_processes_with_it() {
    for signal in ["-TERM", "-INT", "-KILL"] {
        leaves_nobody_behind(signal);
    }
}

#[test]
fn a_folder_that_exists_is_not_played_in() {
    let folder = Folder::new("demo-there");
    fs::create_dir(folder.join("play")).unwrap();
    let played = play(&folder, &["--json"]);
    let failure: Value = serde_json::from_str(played.stderr.trim()).unwrap();
    assert_eq!((failure["error"].as_str(), played.exit), (Some("already-there"), Some(3)));
    assert_eq!(fs::read_dir(folder.join("play")).unwrap().count(), 0);
}

#[test]
fn the_time_in_the_clear_is_off_unless_configured_and_then_named() {
    let folder = Folder::new("serve-time");
    let configuration = folder.join("management.toml");
    for (line, at) in [("", "off"), ("time = \"127.0.0.1:5683\"\n", "127.0.0.1:5683")] {
        fs::write(&configuration, format!("[management]\ndata = \"d\"\nsystem_ca = \"c\"\n{line}")).unwrap();
        let mut command = Command::new(PROGRAM);
        let output = command.args(["serve", "--check", "--config"]).arg(&configuration).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let named = said.lines().find(|line| line.contains("UDP coap ")).unwrap();
        assert!(named.starts_with("management") && named.ends_with(at), "{said}");
    }
}

#[test]
fn variables_of_other_commands_are_no_configuration_of_the_servers() {
    let folder = Folder::new("demo-variables");
    let configuration = folder.join("bootstrap.toml");
    let text = "[bootstrap]\ndata = \"d\"\ndevices = \"127.0.0.1:0\"\npeers = \"127.0.0.1:0\"\n\
                platform = \"127.0.0.1:0\"\nregistration_server = \"127.0.0.1:1\"\n\
                [bootstrap.authority]\nbundle = \"b\"\nsystem_ca = \"c\"\ngap_in = \"i\"\ngap_out = \"o\"\n";
    fs::write(&configuration, text).unwrap();
    let check = |variable: &str| {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--check", "--config"]).arg(&configuration).env(variable, "warn");
        let output = command.stdin(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for other in ["THINGSTEAD_LOG", "THINGSTEAD_DATA", "THINGSTEAD_SERVER", "THINGSTEAD_STATION"] {
        let (exit, said) = check(other);
        assert_eq!(exit, Some(0), "{other}: {said}");
    }
    let (exit, said) = check("THINGSTEAD_BOOTSTRAP__DAATA");
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains("daata"), "{said}");
}
