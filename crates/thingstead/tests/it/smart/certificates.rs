//! Clients by certificate at a real server, with clients that others wrote; and a client that acts for the owner.

use std::io::Read as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::callers::{caller, is_installed, said};
use super::owner::{Owner, text};
use super::played::Played;
use super::{ROLE, Smart};
use crate::demo::PROGRAM;
use crate::going_on::until;

const SECTIONS: &str = "[das]\nlisten = \"127.0.0.1:0\"\n[coap]\nlisten = \"127.0.0.1:0\"\n\
    [mqtt]\nlisten = \"127.0.0.1:0\"\nplain = \"127.0.0.1:0\"\n";
/// Nothing here takes so long on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(90);
const PASSWORD: &str = "correct-h0rse";

fn has_mosquitto() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let installed = is_there("mosquitto_pub") && is_there("openssl");
    if !installed {
        println!("SKIPPED peer mosquitto_pub: not installed, or no openssl");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "they have to be installed where CI=true");
    }
    installed
}

/// Key pairs and certificates of clients, in files.
struct Shop<'a>(&'a Smart);

impl Shop<'_> {
    fn path(&self, name: &str) -> String {
        self.0.world.path(name)
    }

    fn openssl(words: &[&str]) {
        let output = Command::new("openssl").args(words).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A key pair and a certificate that it signed for itself.
    fn pair(&self, name: &str, kind: &[&str]) {
        let (key, certificate) = (self.path(&format!("{name}.key")), self.path(&format!("{name}.pem")));
        let subject = format!("/CN={name}");
        let words = ["req", "-x509", "-nodes", "-subj", &subject, "-keyout", &key, "-out", &certificate];
        Self::openssl(&[&words[..], &["-days", "1", "-newkey"], kind].concat());
    }

    /// Another certificate over the key of `name`, which ended long ago.
    fn ended(&self, name: &str, file: &str) {
        let (key, request) = (self.path(&format!("{name}.key")), self.path("request.csr"));
        Self::openssl(&["req", "-new", "-key", &key, "-subj", "/CN=other", "-out", &request]);
        let extensions = self.path("extensions");
        std::fs::write(&extensions, "subjectKeyIdentifier=hash\n").unwrap();
        let out = self.path(file);
        let words = ["x509", "-req", "-in", &request, "-signkey", &key, "-extfile", &extensions];
        Self::openssl(&[&words[..], &["-days", "-1", "-out", &out]].concat());
    }

    /// A program of mosquitto's over TLS, which shows `certificate` and proves the key of `key`.
    fn mosquitto(&self, program: &str, shown: Option<(&str, &str)>, words: &[&str]) -> Command {
        let port = self.0.mqtt.unwrap().0.port().to_string();
        let root = format!("{}/ca.pem", self.path(ROLE));
        let mut command = Command::new(program);
        command.args(["-h", "localhost", "-p", &port, "--cafile", &root]).args(words);
        if let Some((certificate, key)) = shown {
            command.args(["--cert", &self.path(&format!("{certificate}.pem"))]);
            command.args(["--key", &self.path(&format!("{key}.key"))]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn publish(&self, shown: Option<(&str, &str)>, words: &[&str]) -> Output {
        let topic = ["-q", "1", "-t", "home/door", "-m", "open"];
        self.mosquitto("mosquitto_pub", shown, &[&topic[..], words].concat()).output().unwrap()
    }

    #[track_caller]
    fn gets_in(&self, shown: Option<(&str, &str)>, words: &[&str]) {
        let output = self.publish(shown, words);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[track_caller]
    fn is_refused(&self, shown: Option<(&str, &str)>, words: &[&str], why: &str) {
        let output = self.publish(shown, words);
        let said = [output.stderr, output.stdout].map(|text| String::from_utf8_lossy(&text).to_lowercase());
        assert!(!output.status.success() && said.concat().contains(why), "{why}: {said:?}");
    }
}

/// A subscriber, until its connection was ended and it was not let in again.
struct Subscriber(Child);

impl Drop for Subscriber {
    fn drop(&mut self) {
        // An error means that it has ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Subscriber {
    fn of(shop: &Shop<'_>, who: &str) -> Self {
        shop.gets_in(Some((who, who)), &["-r"]);
        let words = ["-q", "1", "-t", "home/#"];
        let mut command = shop.mosquitto("mosquitto_sub", Some((who, who)), &words);
        let mut child = command.spawn().unwrap();
        let mut said = String::new();
        let mut byte = [0];
        // What is retained comes when it has subscribed.
        let out = child.stdout.as_mut().unwrap();
        while !said.contains("open") {
            assert_eq!(out.read(&mut byte).unwrap(), 1, "{said}");
            said.push(char::from(byte[0]));
        }
        Self(child)
    }

    /// What it said until the end.
    fn until_cut(mut self) -> String {
        let since = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            assert!(since.elapsed() < PATIENCE, "its connection has ended");
            std::thread::yield_now();
        }
        let (mut said, mut errors) = (String::new(), String::new());
        self.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (said + &errors).to_lowercase()
    }
}

#[test]
fn clients_sign_in_by_certificate_and_one_of_them_acts_for_the_owner() {
    if !has_mosquitto() {
        return;
    }
    let mut smart = Smart::with("smart-certificates", SECTIONS);
    let owner = Owner(&smart);
    let shop = Shop(&smart);
    for name in ["meter", "second", "stranger"] {
        shop.pair(name, &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    }
    shop.pair("remote", &["rsa:2048"]);
    shop.ended("meter", "meter-ended.pem");
    by_certificate(&owner, &shop);
    ends_at_once(&owner, &shop);
    for_the_owner(&smart, &owner, &shop);
    smart.kill();
    smart.serve_again();
    Shop(&smart).gets_in(Some(("remote", "remote")), &[]);
    let log = std::fs::read_to_string(smart.world.path("log/smart.log")).unwrap();
    assert!(!log.contains(PASSWORD) && !log.contains("BEGIN"), "no secret is written down");
}

fn by_certificate(owner: &Owner<'_>, shop: &Shop<'_>) {
    let meter = Some(("meter", "meter"));
    owner.typed("client", &["add", "meter"], &format!("{PASSWORD}\n"));
    owner.typed("client", &["add", "other"], &format!("{PASSWORD}\n"));
    shop.is_refused(meter, &[], "not authori");
    let (pem, key) = (shop.path("meter.pem"), shop.path("meter.key"));
    assert_eq!(owner.refused("client", &["certificate", "meter", &key], ""), "certificate-refused");
    assert_eq!(owner.refused("client", &["certificate", "nobody", &pem], ""), "client-unknown");
    owner.run("client", &["certificate", "meter", &pem]);
    assert_eq!(owner.refused("client", &["certificate", "other", &pem], ""), "certificate-taken");
    let listed = owner.run("client", &["list"]);
    assert_eq!((&listed[0]["has_certificate"], &listed[1]["has_certificate"]), (&json!(true), &json!(false)));
    for version in [["-V", "mqttv311"], ["-V", "mqttv5"]] {
        shop.gets_in(meter, &version);
        shop.gets_in(meter, &[&version[..], &["-u", "meter"]].concat());
        shop.gets_in(meter, &[&version[..], &["--tls-version", "tlsv1.2"]].concat());
        shop.is_refused(Some(("stranger", "stranger")), &version, "not authori");
    }
    // The key counts, not what else stands in the certificate.
    shop.gets_in(Some(("meter-ended", "meter")), &[]);
    // Another name, and what a password says.
    shop.is_refused(meter, &["-u", "other"], "not authori");
    shop.is_refused(meter, &["-u", "meter", "-P", "wrong-1234"], "");
    shop.gets_in(meter, &["-u", "other", "-P", PASSWORD]);
    shop.gets_in(Some(("stranger", "stranger")), &["-u", "meter", "-P", PASSWORD]);
    shop.gets_in(None, &["-u", "meter", "-P", PASSWORD]);
    shop.is_refused(None, &[], "");
}

fn ends_at_once(owner: &Owner<'_>, shop: &Shop<'_>) {
    // Two keys in a file, one of which comes after the other.
    let both = ["meter.pem", "second.pem"].map(|name| std::fs::read_to_string(shop.path(name)).unwrap());
    std::fs::write(shop.path("both.pem"), both.concat()).unwrap();
    owner.run("client", &["certificate", "meter", &shop.path("both.pem")]);
    let first = Subscriber::of(shop, "meter");
    shop.gets_in(Some(("second", "second")), &[]);
    owner.run("client", &["certificate", "meter", &shop.path("second.pem")]);
    assert!(first.until_cut().contains("not authori"));
    let second = Subscriber::of(shop, "second");
    assert_eq!(owner.refused("client", &["certificate-remove", "meter"], ""), "not-confirmed");
    owner.run("client", &["certificate-remove", "meter", "--yes"]);
    assert!(second.until_cut().contains("not authori"));
    shop.gets_in(None, &["-u", "meter", "-P", PASSWORD]);
    // Free for another client, and free again when that is gone.
    owner.run("client", &["certificate", "other", &shop.path("meter.pem")]);
    let other = Subscriber::of(shop, "meter");
    owner.run("client", &["remove", "other", "--yes"]);
    assert!(other.until_cut().contains("not authori"));
    owner.run("client", &["certificate", "meter", &shop.path("meter.pem")]);
    shop.gets_in(Some(("meter", "meter")), &[]);
}

/// Whether the audit log says that `actor` did this.
fn is_written(smart: &Smart, actor: &str, operation: &str) -> bool {
    let mut command = Command::new(PROGRAM);
    let data = smart.world.path(ROLE);
    command.args(["audit", "list", "--json", "--data", &data, "--server", &smart.platform]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    log.as_array().unwrap().iter().any(|entry| entry["actor"] == actor && entry["operation"] == operation)
}

/// A request about a thing over MQTT and its answer.
fn asked(shop: &Shop<'_>, thing: &str, rest: &str, payload: &str, who: &str) -> Value {
    let topic = format!("things/{thing}/{rest}");
    let words = ["-V", "mqttv5", "-q", "1", "-t", &topic, "-e", "answers/mine", "-m", payload, "-W", "60"];
    let output = shop.mosquitto("mosquitto_rr", Some((who, who)), &words).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!(
            "{rest}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

fn for_the_owner(smart: &Smart, owner: &Owner<'_>, shop: &Shop<'_>) {
    let made = super::owner::made(smart, &["--model", "door-lock", "--kind", "psk", "--serial", "C1"]);
    let thing = owner.run("things", &["add", "--enrol", text(&made["record"])]);
    let thing = text(&thing["id"]).to_owned();
    let mut played = Played::run(smart, "C1");
    played.until("online", 1);
    owner.typed("client", &["add", "remote", "--for-owner"], &format!("{PASSWORD}\n"));
    owner.run("client", &["certificate", "remote", &shop.path("remote.pem")]);
    let listed = owner.run("client", &["list"]);
    let acts = |name: &str| {
        let one = listed.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
        one["for_owner"].clone()
    };
    assert_eq!((acts("remote"), acts("meter")), (json!(true), json!(false)));
    // MQTT: nothing is granted to anybody.
    let set = asked(shop, &thing, "properties/autoLockSeconds/set", "7", "remote");
    assert_eq!(set["outcome"], "done", "{set}");
    until("the value is told", || {
        let read = asked(shop, &thing, "properties/autoLockSeconds/get", "", "remote");
        read == json!({"outcome": "done", "value": 7})
    });
    let called = asked(shop, &thing, "actions/open/call", "{\"seconds\":3}", "remote");
    assert_eq!(called["value"]["opened"], true, "{called}");
    let refused = asked(shop, &thing, "properties/autoLockSeconds/get", "", "meter");
    assert_eq!(refused["outcome"], "refused", "{refused}");
    for operation in ["things.call", "things.write"] {
        assert!(is_written(smart, "client:remote", operation), "{operation}");
    }
    // CoAP.
    if !is_installed() {
        return;
    }
    let key = text(&owner.run("client", &["key", "remote"])["key"]).to_owned();
    let (remote, panel_key) = (("remote", key.as_str()), caller(owner, "panel"));
    let at = format!("coaps://{}/things/{thing}", smart.coap.clone().unwrap());
    let wrote =
        said(remote, &["-m", "put", "-e", "9", "-t", "50"], &format!("{at}/properties/autoLockSeconds"));
    assert!(!wrote.contains("refused"), "{wrote}");
    until("the value is told", || {
        said(remote, &[], &format!("{at}/properties/autoLockSeconds")).trim() == "9"
    });
    let called =
        said(remote, &["-m", "post", "-e", "{\"seconds\":3}", "-t", "50"], &format!("{at}/actions/open"));
    assert!(called.contains("\"opened\":true"), "{called}");
    let refused = said(("panel", &panel_key), &[], &format!("{at}/properties/autoLockSeconds"));
    assert!(refused.contains("4.04") && refused.contains("not-here"), "{refused}");
}
