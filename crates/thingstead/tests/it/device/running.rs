//! A device that runs among garbage, strangers and people who type anything.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};

use clock::Dice;

use super::authority::Authority;
use super::program::{Made, PROGRAM, Run, failure};

/// A port that nobody listens on while the socket lives, since it is never read.
fn nobody() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[test]
fn a_second_run_on_one_state_is_refused_and_the_first_goes_on() {
    let made = Made::p256(&Authority::new(1), 1);
    let (_silent, port) = nobody();
    let mut first = made.run(port);
    first.wait_for("started");
    assert_eq!(failure(&made.device("run", &["--listen", "127.0.0.1:0"])), ("state-in-use".into(), 3));
    assert_eq!(made.status()["sequence_number"], 0, "status reads beside it");
    first.tell("status");
    first.wait_for("status");
    first.kill();
    let mut second = made.run(port);
    second.wait_for("started");
}

#[test]
fn datagrams_of_strangers_change_nothing() {
    let made = Made::p256(&Authority::new(1), 1);
    let (_silent, port) = nobody();
    let mut device = made.run(port);
    let at: SocketAddr = device.wait_for("listening")["address"].as_str().unwrap().parse().unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut dice = Dice::numbered(8);
    for length in (0..2000).step_by(37) {
        let mut garbage = vec![0; length];
        dice.fill(&mut garbage);
        stranger.send_to(&garbage, at).unwrap();
        // the look of a DTLS record: handshake, 1.2, epoch 0
        let mut record = garbage.clone();
        for (byte, like) in record.iter_mut().zip([22, 0xfe, 0xfd, 0, 0]) {
            *byte = like;
        }
        stranger.send_to(&record, at).unwrap();
    }
    device.tell("status");
    let status = device.wait_for("status");
    assert_eq!((&status["sequence_number"], &status["write"]), (&0.into(), &1.into()));
    assert_eq!(device.heard("persisted"), 0);
    device.tell("power off");
    assert!(device.ended().success());
}

#[test]
fn a_line_that_does_not_exist_is_answered_with_those_that_do() {
    let made = Made::p256(&Authority::new(1), 1);
    let (_silent, port) = nobody();
    let mut device = made.run(port);
    let long = "x".repeat(100_000);
    for line in ["make coffee", "button", "button -1", "\u{1b}[2J", &long] {
        device.tell(line);
        let answer = device.wait_for("unknown-line");
        let known: Vec<&str> =
            answer["known"].as_array().unwrap().iter().filter_map(|w| w.as_str()).collect();
        assert!(known.contains(&"power off") && known.contains(&"button SECONDS"), "{known:?}");
        assert!(!answer.to_string().contains("coffee"), "what was typed is not repeated");
    }
}

#[test]
fn a_closed_standard_input_is_no_reason_to_stop() {
    let made = Made::p256(&Authority::new(1), 1);
    let (_silent, port) = nobody();
    let mut device = made.run(port);
    device.wait_for("started");
    device.close_input();
    // it tries on and on
    device.wait_for("bootstrap-begun");
    device.signal("TERM");
    assert!(device.ended().success());
}

#[test]
fn a_device_on_the_leash_of_its_starter_ends_with_its_input() {
    let made = Made::p256(&Authority::new(1), 1);
    let mut command = Command::new(PROGRAM);
    command.args(["device", "run", "--listen", "127.0.0.1:0", "--state"]).arg(made.state());
    let output = command.env("THINGSTEAD_ENDS_WITH_ITS_INPUT", "1").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_server_without_an_address_is_looked_for_again() {
    let made = Made::p256(&Authority::new(1), 1);
    let words = ["--listen", "127.0.0.1:0", "--suffix", ".invalid", "--retry-base", "0.1", "--json"];
    let mut device = Run::start(&made.state(), &words);
    for _ in 0..2 {
        assert_eq!(device.wait_for("bootstrap-failed")["cause"], "not-resolved");
    }
}

#[test]
fn people_read_sentences() {
    let made = Made::p256(&Authority::new(1), 1);
    let mut device = Run::start(&made.state(), &["--listen", "127.0.0.1:0", "--suffix", ".invalid"]);
    device.tell("power off");
    assert!(device.ended().success());
    assert!(device.seen.is_empty(), "no line is JSON: {:?}", device.seen);
    assert!(device.text[0].starts_with(&format!("device {} listens on 127.0.0.1:", made.uuid)));
    assert_eq!(device.text[1], "switched on, no owner yet, not configured");
    assert_eq!(device.text.last().unwrap(), "switched off");
    assert_eq!(device.errors(), "");
}

#[test]
fn a_data_folder_that_holds_the_state_is_refused() {
    let made = Made::p256(&Authority::new(1), 1);
    let folder = made.folder.0.to_str().unwrap();
    for verb in ["run", "reset"] {
        let yes: &[&str] = if verb == "reset" { &["--yes"] } else { &[] };
        let refused = made.device(verb, &[&["--data", folder], yes].concat());
        assert_eq!(failure(&refused), ("data-folder-refused".into(), 2), "{verb}");
    }
    assert_eq!(made.status()["sequence_number"], 0);
}

#[test]
fn words_that_mean_nothing_are_usage_errors() {
    let made = Made::p256(&Authority::new(1), 1);
    for words in [
        ["--resolve", "nowhere"],
        ["--resolve", "1=host"],
        ["--retry-base", "0"],
        ["--retry-base", "inf"],
        ["--listen", "nowhere"],
    ] {
        let output = made.device("run", &words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(output.stdout.is_empty());
    }
}
