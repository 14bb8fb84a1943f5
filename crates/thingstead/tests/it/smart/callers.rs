//! Callers of things over CoAP and DTLS, at a real server: a client that others wrote, with a key of its own.

use std::io::{BufReader, Read as _, pipe};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Smart;
use super::owner::{Owner, text};
use crate::going_on::until;

/// libcoap's client on GnuTLS.
const LIBCOAP: &str = "coap-client-gnutls";
const PASSWORD: &str = "correct-h0rse\n";
/// Nothing here takes so long on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(90);

pub(super) fn is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).any(|folder| folder.join(LIBCOAP).is_file());
    if !installed {
        println!("SKIPPED peer {LIBCOAP}: not installed");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{LIBCOAP} has to be installed where CI=true");
    }
    installed
}

fn libcoap(who: (&str, &str), words: &[&str], address: &str) -> Command {
    let mut command = Command::new(LIBCOAP);
    command.args(["-u", who.0, "-k", who.1, "-B", "10"]).args(words).arg(address);
    command
}

/// What it says: the payload of an answer, or the code and payload of a refusal.
pub(super) fn said(who: (&str, &str), words: &[&str], address: &str) -> String {
    let output = libcoap(who, words, address).stdin(Stdio::null()).output().unwrap();
    [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
}

/// One that observes, until it ends.
pub(super) struct Observer {
    child: Child,
    /// Values, which it writes on standard output, and refusals, which it does not.
    told: Receiver<u8>,
    pub(super) seen: String,
}

impl Drop for Observer {
    fn drop(&mut self) {
        // An error means that it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Observer {
    fn of(who: (&str, &str), address: &str) -> Self {
        Self::run(libcoap(who, &["-s", "300"], address))
    }

    /// Starts a program that goes on.
    pub(super) fn run(mut command: Command) -> Self {
        let (output, says) = pipe().unwrap();
        let output = BufReader::new(output);
        command.stdin(Stdio::null()).stdout(says.try_clone().unwrap()).stderr(says);
        let child = command.spawn().unwrap();
        let (tell, told) = channel();
        std::thread::spawn(move || output.bytes().map_while(Result::ok).all(|byte| tell.send(byte).is_ok()));
        Self { child, told, seen: String::new() }
    }

    pub(super) fn until(&mut self, wanted: &str) {
        while !self.seen.contains(wanted) {
            let byte = self.told.recv_timeout(PATIENCE);
            let byte = byte.unwrap_or_else(|_| panic!("{wanted} is told: {}", self.seen));
            self.seen.push(char::from(byte));
        }
    }

    /// Waits until its association was ended, long before it would end by itself.
    fn is_cut(&mut self) {
        let since = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(since.elapsed() < PATIENCE, "its association has ended");
            std::thread::yield_now();
        }
    }
}

/// These do not even come in; libcoap tries for some seconds, and so they do together.
fn hear_nothing(all: &[(&str, &str)], address: &str) {
    let is_let_in = |who: (&str, &str)| {
        let heard = said(who, &[], address);
        heard.starts_with(|first: char| first.is_ascii_digit())
    };
    std::thread::scope(|scope| {
        let tries: Vec<_> = all.iter().map(|who| (who, scope.spawn(move || is_let_in(*who)))).collect();
        for (who, one) in tries {
            assert!(!one.join().unwrap(), "{who:?}");
        }
    });
}

/// Makes a client with a key.
pub(super) fn caller(owner: &Owner<'_>, name: &str) -> String {
    owner.typed("client", &["add", name], PASSWORD);
    text(&owner.run("client", &["key", name])["key"]).to_owned()
}

/// The address of a form on CoAP that does this, as the description has it.
fn form(described: &Value, kind: &str, name: &str, operation: &str) -> String {
    let forms = described[kind][name]["forms"].as_array().unwrap();
    let does = |form: &&Value| {
        form["security"] == "coap-client" && form["op"].as_array().unwrap().contains(&json!(operation))
    };
    text(&forms.iter().find(does).unwrap()["href"]).to_owned()
}

/// A thing that is online is read, written, called and observed by its description alone, until that is taken back.
pub(super) fn use_a_thing(smart: &Smart, owner: &Owner<'_>, thing: &str) {
    if !is_installed() {
        return;
    }
    let key = caller(owner, "panel");
    let (panel, stranger_key) = (("panel", key.as_str()), caller(owner, "stranger"));
    let acts = ["read", "write", "call", "observe"].map(|act| ["--act", act]).concat();
    let grant = owner.run("grant", &[&["add", thing, "client:panel"][..], &acts].concat());
    let described = owner.run("things", &["show", thing]);
    let value = form(&described, "properties", "autoLockSeconds", "observeproperty");
    let at = smart.coap.clone().unwrap();
    assert_eq!(value, format!("coaps://{at}/things/{thing}/properties/autoLockSeconds"));

    let links = said(panel, &[], &format!("coaps://{at}/.well-known/core"));
    assert!(links.contains(&format!("</things/{thing}>")), "{links}");
    let told = said(panel, &[], &format!("coaps://{at}/things/{thing}"));
    // By the first of the names that the server has.
    let named = value.replace("127.0.0.1", "localhost");
    assert!(told.contains("Door lock") && told.contains(&named), "{told}");
    let write = form(&described, "properties", "autoLockSeconds", "writeproperty");
    let wrote = said(panel, &["-m", "put", "-e", "7", "-t", "50"], &write);
    assert!(!wrote.contains("refused"), "{wrote}");
    let read = form(&described, "properties", "autoLockSeconds", "readproperty");
    until("the value is told", || said(panel, &[], &read).trim() == "7");
    let call = form(&described, "actions", "open", "invokeaction");
    let called = said(panel, &["-m", "post", "-e", "{\"seconds\":3}", "-t", "50"], &call);
    assert!(called.contains("\"opened\":true"), "{called}");
    let refused = said(("stranger", &stranger_key), &[], &read);
    assert!(refused.contains("4.04") && refused.contains("not-here"), "{refused}");
    let mut observer = Observer::of(panel, &value);
    observer.until("7");
    owner.run("things", &["write", thing, "autoLockSeconds", "8", "--wait", "20"]);
    observer.until("8");
    owner.run("grant", &["revoke", text(&grant["id"])]);
    observer.until("not-granted");
    drop(observer);
    assert!(said(panel, &[], &read).contains("not-here"));

    // Another key ends what was begun with the one before, and so does the end of the client.
    let grant = owner.run("grant", &[&["add", thing, "client:panel"][..], &acts].concat());
    let mut observer = Observer::of(panel, &value);
    observer.until("8");
    owner.typed("client", &["password", "panel"], "another-h0rse\n");
    owner.run("things", &["write", thing, "autoLockSeconds", "11", "--wait", "20"]);
    observer.until("11");
    let second = text(&owner.run("client", &["key", "panel"])["key"]).to_owned();
    observer.is_cut();
    assert_ne!(second, key);
    let wrong =
        [panel, ("panel", "another key"), ("panel", &stranger_key), ("Panel", &second), ("nobody", &second)];
    hear_nothing(&wrong, &read);
    let mut observer = Observer::of(("panel", &second), &value);
    observer.until("11");
    owner.run("client", &["remove", "panel", "--yes"]);
    observer.is_cut();
    owner.run("client", &["remove", "stranger", "--yes"]);
    // What was granted to it went with it; all is as it was before.
    assert_eq!(owner.refused("grant", &["revoke", text(&grant["id"])], ""), "grant-unknown");
    owner.run("things", &["call", thing, "lock", "--wait", "20"]);
}

/// A key is there after a kill, as it was, and rests sealed.
pub(super) fn keys_outlive_a_kill(smart: &mut Smart) {
    if !is_installed() {
        return;
    }
    let key = caller(&Owner(smart), "meter");
    smart.kill();
    let rests =
        |path: &std::path::Path| std::fs::read(path).is_ok_and(|bytes| contains(&bytes, key.as_bytes()));
    let folder = std::fs::read_dir(smart.world.path(super::ROLE)).unwrap();
    let files: Vec<_> = folder.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    assert!(files.len() > 1 && !files.iter().any(|path| rests(path)), "sealed: {files:?}");
    smart.serve_again();
    let address = format!(
        "coaps://{}/things/{}",
        smart.coap.clone().unwrap(),
        "0".repeat(8) + "-0000-4000-8000-000000000001"
    );
    assert!(said(("meter", &key), &[], &address).contains("not-here"), "it is let in");
    let mut observer = Observer::of(("meter", &key), &address);
    observer.until("not-here");
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
