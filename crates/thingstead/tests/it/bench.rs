//! Benchmarks run and say what they measured; how much it is, no test asks.

use std::process::Command;

use serde_json::Value;

use super::demo::Folder;

fn bench(words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thingstead"));
    let output = command.arg("bench").args(words).output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn lines(words: &[&str]) -> Vec<Value> {
    let shown = bench(&[words, &["--json"]].concat());
    serde_json::from_str(&shown).expect("a list of lines")
}

fn figure(line: &Value, name: &str) -> f64 {
    line[name].as_f64().unwrap_or_else(|| panic!("no {name}: {line}"))
}

/// A line beside a reference is whole, or says why that reference is not there.
fn is_whole(line: &Value, pairs: usize) {
    if line["skipped"].is_string() {
        return;
    }
    assert!(figure(line, "ours") > 0.0 && figure(line, "theirs") > 0.0, "{line}");
    let [low, high] = [&line["spread"][0], &line["spread"][1]].map(|end| end.as_f64().expect("an end"));
    assert!(low <= figure(line, "ratio") && figure(line, "ratio") <= high, "{line}");
    assert_eq!(line["pairs"], pairs);
}

/// A figure of its own.
fn is_figure(line: &Value) {
    let [low, high] = [&line["spread"][0], &line["spread"][1]].map(|end| end.as_f64().expect("an end"));
    assert!(low <= figure(line, "value") && figure(line, "value") <= high, "{line}");
}

#[test]
fn coap_stands_beside_an_echo_and_libcoap() {
    // Few endpoints: other tests use ports of this machine, too.
    let lines = lines(&["coap", "--pairs", "2", "--seconds", "1", "--endpoints", "8"]);
    assert_eq!(lines.len(), 2);
    assert_eq!([&lines[0]["reference"], &lines[1]["reference"]], ["bare echo", "libcoap"]);
    lines.iter().for_each(|line| is_whole(line, 2));
}

#[test]
fn coap_over_dtls_stands_beside_its_records() {
    let lines = lines(&["coap-dtls", "--pairs", "1", "--seconds", "1", "--endpoints", "4"]);
    assert_eq!(lines.len(), 2, "CCM_8 and GCM");
    lines.iter().for_each(|line| is_whole(line, 1));
}

#[test]
fn proofs_of_smart_devices_stand_beside_their_operations() {
    let lines = lines(&["osap", "--pairs", "1", "--seconds", "1"]);
    assert_eq!(lines.len(), 8, "code, key or licence, key pair, and type 1, each beside two references");
    lines.iter().for_each(|line| is_whole(line, 1));
}

#[test]
fn handshakes_stand_beside_their_operations_and_openssl() {
    let lines = lines(&["handshakes", "--pairs", "1", "--seconds", "1"]);
    assert_eq!(lines.len(), 7, "{lines:?}");
    let (shares, pairs): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line["value"].is_number());
    assert_eq!(shares.len(), 2, "the kernel's share of each kind over sockets");
    shares.into_iter().for_each(is_figure);
    pairs.into_iter().for_each(|line| is_whole(line, 1));
}

#[test]
fn a_silent_association_takes_heap_and_not_much() {
    let lines = lines(&["idle", "--associations", "200"]);
    assert_eq!(lines.len(), 3, "CCM_8, GCM, and keys on P-256");
    for line in &lines {
        is_figure(line);
        assert!((500.0..10_000.0).contains(&figure(line, "value")), "{line}");
    }
}

#[test]
fn a_connected_device_takes_heap_and_not_much() {
    let lines = lines(&["devices", "--associations", "20"]);
    assert_eq!(lines.len(), 6, "few, many, and after much was said, over TCP and over TLS");
    for line in &lines {
        is_figure(line);
        assert!((1_000.0..100_000.0).contains(&figure(line, "value")), "{line}");
    }
}

#[test]
fn a_reading_from_a_device_stands_beside_bare_round_trips() {
    let lines = lines(&["hub", "--pairs", "1", "--seconds", "1"]);
    assert_eq!(lines.len(), 2, "p50 and p99");
    lines.iter().for_each(|line| is_whole(line, 1));
}

#[test]
fn bootstraps_are_counted_for_devices_of_both_kinds() {
    let lines = lines(&["bootstraps", "--pairs", "1", "--seconds", "1"]);
    assert_eq!(lines.len(), 2, "secret only and P-256");
    lines.iter().for_each(is_figure);
    assert!(lines.iter().all(|line| figure(line, "value") > 1.0), "{lines:?}");
}

#[test]
fn steps_of_a_device_read_and_write_the_same_however_many_there_are() {
    let lines = lines(&["stored", "--pairs", "1", "--devices", "10", "60"]);
    let (steps, bytes): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line["reference"].is_string());
    assert_eq!((steps.len(), bytes.len()), (18, 10), "{lines:?}");
    bytes.into_iter().for_each(is_figure);
    for step in steps {
        is_whole(step, 1);
        let is_time = step["unit"] == "microseconds";
        assert!(is_time || figure(step, "ratio") == 1.0, "{step}");
    }
}

#[test]
fn all_servers_start_in_one_process_again_and_again() {
    let lines = lines(&["start", "--pairs", "1", "--devices", "10", "30", "--settled", "0"]);
    assert_eq!(lines.len(), 11, "the first start, and five for each count: {lines:?}");
    lines.iter().for_each(is_figure);
}

#[test]
fn a_picture_is_drawn_of_what_an_earlier_run_gave() {
    let folder = Folder::new("bench");
    let (result, picture) = (folder.join("result.json"), folder.join("picture.svg"));
    let words = ["idle", "--associations", "20", "--json"];
    std::fs::write(&result, bench(&words)).unwrap();
    let [from, to] = [&result, &picture].map(|path| path.to_str().expect("text"));
    let shown = bench(&["--from", from, "--svg", to]);
    assert_eq!(shown.matches("heap of an idle association").count(), 3, "{shown}");
    let drawn = std::fs::read_to_string(&picture).unwrap();
    assert!(drawn.starts_with("<svg ") && drawn.contains("heap of an idle association, PSK, GCM"), "{drawn}");
}

#[test]
fn the_list_names_what_can_be_measured() {
    let list = bench(&["--list"]);
    for name in [
        "coap",
        "coap-dtls",
        "handshakes",
        "idle",
        "bootstraps",
        "stored",
        "start",
        "sealed",
        "devices",
        "hub",
    ] {
        assert!(list.lines().any(|line| line.split_whitespace().next() == Some(name)), "{name}: {list}");
    }
}
