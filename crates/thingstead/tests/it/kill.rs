//! Servers and devices killed at any moment: nothing acknowledged is lost, nothing happens twice.
//!
//! `THINGSTEAD_KILL_SEEDS=200` plays that many lives instead of a few; `THINGSTEAD_KILL_SEED=17` plays that one
//! again.

mod cut;

use serde_json::Value;

use super::demo::{Folder, devices, done, play, processes_naming};
use super::going_on::json;

/// Lives that are played when nothing else is asked for.
const SEED_COUNT: u64 = 3;
/// Kills in each life.
const KILLS: &str = "16";

fn seeds() -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    match (number("THINGSTEAD_KILL_SEED"), number("THINGSTEAD_KILL_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, count) => (1..=count.unwrap_or(SEED_COUNT)).collect(),
    }
}

/// One entry and no more: of these each is the one commit that makes it so.
const ONCE: [(&str, &str); 5] = [
    ("identity", "identity.issue"),
    ("registration", "identity.import"),
    ("bootstrap", "identity.import"),
    ("registration", "owner.claim"),
    ("registration", "owner.transfer"),
];
/// Once for each owner at least: repeating these changes nothing.
const FOR_EACH_OWNER: [(&str, &str); 2] =
    [("bootstrap", "bootstrap.store"), ("bootstrap", "bootstrap.serve")];

/// How often a device was killed.
fn cuts(peril: &Value, uuid: &str) -> usize {
    let killed = peril["killed"].as_array().unwrap().iter();
    killed.filter(|kill| kill["who"].as_str().unwrap().ends_with(uuid)).count()
}

fn is_as_if_nobody_had_been_killed(folder: &Folder, device: &Value, peril: &Value, seed: u64) {
    let uuid = device["device"].as_str().unwrap();
    let what = format!("seed {seed}, {} device {uuid}", device["kind"]);
    for (role, operation) in ONCE {
        assert_eq!(done(device, role, operation).len(), 1, "{what}: {role} {operation}");
    }
    // An upload that failed on the bootstrap server is taken back, and made again.
    let is_withdrawn = |entry: &&Value| entry["operation"] == "maker.withdraw";
    let withdrawn = device["life"].as_array().unwrap().iter().filter(is_withdrawn).count();
    assert_eq!(done(device, "registration", "maker.upload").len(), 1 + withdrawn, "{what}");
    for (role, operation) in FOR_EACH_OWNER {
        assert!(done(device, role, operation).len() >= 2, "{what}: {role} {operation}");
    }
    for owner in ["owner-a", "owner-b"] {
        assert!(!done(device, owner, "device.presence").is_empty(), "{what}: {owner}");
    }
    assert_eq!(done(device, "owner-a", "owner.claim").len(), 1, "{what}");
    let refused = device["life"].as_array().unwrap().iter().find(|entry| {
        entry["role"] == "identity" && entry["operation"] != "identity.issue"
            || entry["operation"] == "device.refused"
    });
    assert_eq!(refused, None, "{what}");
    // One owner, under the second number; the first one has none any more.
    let [first, second] = [0, 1].map(|owner| device["owners"][owner].clone());
    assert_eq!((&first["status"], &first["owner_sequence_number"]), (&9.into(), &Value::Null), "{what}");
    assert_eq!((&second["status"], &second["owner_sequence_number"]), (&5.into(), &2.into()), "{what}");
    // What the device said of new owners: each number once at most, since a kill may come before the word; never 1 after 2.
    let said: Vec<u64> =
        device["owned"].as_array().unwrap().iter().map(|seq| seq.as_u64().unwrap()).collect();
    assert!([&[1, 2][..], &[2], &[1], &[]].contains(&&said[..]), "{what}: {said:?}");
    // What it remembers: when it was cut off between the two commits of an image, it took it once more.
    let owned = done(device, "device", "device.owned").len();
    assert!(owned <= 2 + cuts(peril, uuid), "{what}: owned {owned} times");
    let state = folder.join("play/devices").join(uuid);
    let state = json(&["device", "status", "--json", "--state", &state.display().to_string()]);
    assert_eq!((&state["sequence_number"], &state["configured"]), (&2.into(), &true.into()), "{what}");
    assert_eq!(state["erase_pending"], false, "{what}");
}

// verifies: ASSURE-14.4-02, ASSURE-14.7-03
#[test]
fn whoever_is_killed_and_whenever_each_step_of_a_life_happens_once() {
    let mut killed = 0;
    for seed in seeds() {
        let folder = Folder::new(&format!("kill-{seed}"));
        let played = play(&folder, &["--json", "--kill-seed", &seed.to_string(), "--kills", KILLS]);
        assert_eq!(played.exit, Some(0), "seed {seed}: {}", played.stderr);
        let document: Value = serde_json::from_str(&played.stdout).unwrap();
        let peril = &document["peril"];
        let victims = peril["killed"].as_array().unwrap();
        killed += victims.iter().filter(|victim| victim["outcome"] == "killed").count();
        println!("seed {seed}: {:.1} s, {peril}", played.took.as_secs_f64());
        for device in devices(&played) {
            is_as_if_nobody_had_been_killed(&folder, &device, peril, seed);
        }
        assert_eq!(processes_naming(&folder.0), Vec::<String>::new(), "seed {seed}");
    }
    assert!(killed >= 8, "only {killed} processes were killed");
}
