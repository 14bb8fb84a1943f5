//! Access services in processes of their own: they report to a centre, and devices notice nothing but a break.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::{PROGRAM, PSK, Smart, device, hex, place};
use crate::going_on::until;

/// An access service alone.
struct Service {
    child: Child,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A port that was free a moment ago: the centre has to come back to where its passes say.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn centre() -> String {
    format!("[centre]\nlisten = \"127.0.0.1:{}\"\nservices = [\"das-7\"]\n", free_port())
}

/// The command of an access service with this pass.
fn command(smart: &Smart, name: &str, pass: &str) -> Command {
    let path = smart.world.path(&format!("{name}.toml"));
    let data = smart.world.path(name);
    fs::write(&path, format!("[das]\nlisten = \"127.0.0.1:0\"\npass = \"{pass}\"\ndata = \"{data}\"\n"))
        .unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--config", &path]).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

fn pass(smart: &Smart) -> String {
    smart.world.path(&format!("{}/passes/das-7.pass", super::ROLE))
}

impl Service {
    /// Starts it and waits for its first welcome.
    fn start(smart: &Smart) -> Self {
        let mut command = command(smart, "apart", &pass(smart));
        let log =
            fs::File::options().append(true).create(true).open(smart.world.path("log/apart.log")).unwrap();
        let mut child = command.stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let ready = lines.find(|line| line.starts_with("ready das ")).unwrap();
        assert!(ready.contains("das-7="), "{ready}");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_an_access_service_or_its_centre_is_killed() {
    let mut smart = Smart::with("smart-apart", &centre());
    let thing = smart.admit("T40000001", json!({ "psk": hex(PSK) }));
    let mut device = device(&smart, "T40000001", &[4, 2], 40);
    for _ in 0..20 {
        device.turn();
    }
    assert!(device.ports.is_empty(), "there is nowhere to go yet");
    let service = Service::start(&smart);
    device.until("it is online", |device| device.device.is_online());
    device.set(&place("isLocked"), json!(false));
    device.raising = true;

    let acknowledged = device.delivered().len() + 5;
    device.until("events are acknowledged", |device| device.delivered().len() >= acknowledged);
    assert_eq!(smart.things(&["read", &thing, "isLocked"])["value"], false);
    service.kill();
    let _service = Service::start(&smart);
    let acknowledged = device.delivered().len() + 5;
    device.until("events are acknowledged again", |device| device.delivered().len() >= acknowledged);
    smart.kill();
    smart.serve_again();
    device.lbs = smart.lbs;
    let acknowledged = device.delivered().len() + 5;
    device.until("the service found its centre again", |device| device.delivered().len() >= acknowledged);

    let all = device.raised;
    device.raising = false;
    device.until("all are acknowledged", |device| device.delivered().len() == all);
    let events = smart.things(&["events", &thing]);
    let stored: Vec<&str> =
        events.as_array().unwrap().iter().filter_map(|event| event["id"].as_str()).collect();
    let once: std::collections::BTreeSet<_> = stored.iter().collect();
    assert_eq!(once.len(), stored.len(), "none is stored twice");
    for id in device.delivered() {
        assert!(stored.contains(&id.to_string().as_str()), "an acknowledged event is lost: {id}");
    }
}

#[test]
fn orders_reach_a_device_at_another_process_and_a_dead_access_service_is_not_handed_out() {
    let smart = Smart::with("smart-apart-two", &format!("[das]\nlisten = \"127.0.0.1:0\"\n{}", centre()));
    let service = Service::start(&smart);
    let mut devices = Vec::new();
    for (serial, seed) in [("T50000001", 50), ("T50000002", 51)] {
        let thing = smart.admit(serial, json!({ "psk": hex(PSK) }));
        let mut device = device(&smart, serial, &[4, 2], seed);
        device.until("it is online", |device| device.device.is_online());
        devices.push((device, thing));
    }
    let (here, apart) = (devices[0].0.ports[0], devices[1].0.ports[0]);
    assert_ne!(here, apart, "the second goes where the first is not");
    let (device, thing) = &mut devices[1];
    device.set(&place("isLocked"), json!(false));
    let mut write = smart.things_command(&["write", thing, "isLocked", "true", "--wait", "20"]);
    let written = std::thread::spawn(move || write.output().unwrap());
    device.until("the order comes", |device| !device.orders.is_empty());
    let order = device.orders.remove(0);
    let now = device.now();
    device.device.answer(order.number, Ok(Value::Null), now).unwrap();
    device.until("the command ends", |_| written.is_finished());
    let written = written.join().unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    assert_eq!(smart.things(&["read", thing, "isLocked"])["desired"]["state"], "taken");

    service.kill();
    device.until("it is lost", |device| !device.device.is_online());
    device.until("it is online elsewhere", |device| device.device.is_online());
    assert_eq!(device.ports.last(), Some(&here));
}

#[test]
fn a_pass_that_was_not_given_opens_nothing_and_says_so() {
    let smart = Smart::with("smart-apart-pass", &centre());
    let given = fs::read_to_string(pass(&smart)).unwrap();
    let mut forged: Value = serde_json::from_str(&given).unwrap();
    let secret = forged["secret"].as_str().unwrap().to_owned();
    forged["secret"] = json!(hex(&[7; 32]));
    let mut renamed: Value = serde_json::from_str(&given).unwrap();
    renamed["id"] = json!("das-8");
    let mut other_centre: Value = serde_json::from_str(&given).unwrap();
    other_centre["key"] = json!(hex(&[8; 32]));
    for (name, pass) in [("forged", forged), ("renamed", renamed)] {
        let path = smart.world.path(&format!("{name}.pass"));
        fs::write(&path, pass.to_string()).unwrap();
        let log = smart.world.path(&format!("log/{name}.log"));
        let mut command = command(&smart, name, &path);
        let child = command.stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
        let mut service = Service { child };
        until("it is refused", || service.child.try_wait().unwrap().is_some());
        assert!(!service.child.wait().unwrap().success(), "{name}");
        let said = fs::read_to_string(&log).unwrap();
        assert!(said.contains("does not know this pass"), "{said}");
        assert!(!said.contains(&secret) && !said.contains(&hex(&[7; 32])), "{said}");
    }
    // Somebody who answers in the centre's place is never shown a proof.
    let path = smart.world.path("elsewhere.pass");
    fs::write(&path, other_centre.to_string()).unwrap();
    let log = smart.world.path("log/elsewhere.log");
    let mut command = command(&smart, "elsewhere", &path);
    let mut child = command.stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    until("it says that the centre is not reached", || {
        fs::read_to_string(&log).unwrap().contains("the centre is not reached")
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let log = fs::read_to_string(smart.world.path("log/smart.log")).unwrap();
    assert_eq!(log.matches("an access service is not taken").count(), 2, "{log}");
    assert!(!log.contains(&secret));
}
