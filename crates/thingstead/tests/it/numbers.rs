//! Numbers that no registry assigned: which ones hold by default, and that each can be another.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::demo::{Folder, PROGRAM};

const CONFIGURATION: &str = "[management]\ndata = \"d\"\nsystem_ca = \"c\"\nCHANNELS\n[bootstrap]\ndata = \"b\"\n\
    DEVICES\n[bootstrap.authority]\nbundle = \"t\"\nsystem_ca = \"c\"\ngap_in = \"i\"\ngap_out = \"o\"\n";

/// The UDP listeners that the program would open: for channels of devices, for their bootstrap.
fn listeners(folder: &Folder, channels: &str, devices: &str, variables: &[(&str, &str)]) -> [String; 2] {
    let path = folder.join("thingstead.toml");
    fs::write(&path, CONFIGURATION.replace("CHANNELS", channels).replace("DEVICES", devices)).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--check", "--json", "--config"]).arg(&path);
    let output = command.envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let at = |role: &str| {
        let udp = |entry: &&Value| entry["role"] == role && entry["transport"] == "UDP coaps";
        let found: Vec<_> = listed.as_array().unwrap().iter().filter(udp).collect();
        assert_eq!(found.len(), 1, "one port for {role}");
        found[0]["address"].as_str().unwrap().to_owned()
    };
    [at("management"), at("bootstrap")]
}

// verifies: ASSURE-12.2-01, ASSURE-17-01
#[test]
fn channels_and_bootstrap_have_a_port_each_of_the_private_range_and_another_when_told() {
    let folder = Folder::new("numbers");
    let usual = listeners(&folder, "", "", &[]);
    assert_eq!(usual, ["127.0.0.1:49683", "127.0.0.1:49684"]);
    let told = listeners(&folder, "channels = \"127.0.0.1:50001\"", "devices = \"127.0.0.1:50002\"", &[]);
    assert_eq!(told, ["127.0.0.1:50001", "127.0.0.1:50002"]);
    let variables = [("THINGSTEAD_BOOTSTRAP__DEVICES", "127.0.0.1:50003")];
    assert_eq!(listeners(&folder, "", "", &variables), ["127.0.0.1:49683", "127.0.0.1:50003"]);
}

// verifies: ASSURE-11.2.1-03
#[test]
fn a_device_is_claimed_by_its_label_or_by_typing_and_by_nothing_else() {
    let output = Command::new(PROGRAM).args(["owner", "claim", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let options =
        help.lines().filter_map(|line| line.trim().split([' ', ',']).find(|word| word.starts_with("--")));
    let options: Vec<&str> = options.collect();
    let of_all = ["--json", "--quiet", "--help", "--version", "--data", "--server", "--operator", "--ca"];
    let own: Vec<&str> = options.into_iter().filter(|option| !of_all.contains(option)).collect();
    assert_eq!(own, ["--label", "--case-string", "--wait"]);
}
