//! Other implementations, over UDP on the loopback: libcoap, aiocoap, and the raw probe.
//!
//! A peer that is not installed is skipped with a line on standard output; with `CI=true` it fails the test.

use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const AIOCOAP: &str = "import aiocoap";

/// A server process, ended when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that the process has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Server {
    fn uri(&self, path: &str) -> String {
        format!("coap://{}{path}", self.address)
    }
}

fn is_installed(program: &str) -> bool {
    let found = |directory: PathBuf| directory.join(program).is_file();
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(found))
}

fn has_aiocoap() -> bool {
    let status =
        Command::new("python3").args(["-c", AIOCOAP]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Whether to go on; says so, or fails, when not.
fn peer(name: &str, installed: bool) -> bool {
    if !installed {
        println!("SKIPPED peer {name}: not installed");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{name} has to be installed where CI=true");
    }
    installed
}

/// Our test program, built beside this test.
fn ours() -> Command {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples/coap_udp");
    assert!(program.is_file(), "build it with `cargo build -p coap-proto --examples`");
    Command::new(program)
}

/// A repository file.
fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Runs a command to its end, at most 30 s, and gives its output.
fn output_of(command: &mut Command) -> (bool, Vec<u8>) {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let id = child.id();
    let (done, wait) = mpsc::channel();
    let waiter = std::thread::spawn(move || done.send(child.wait_with_output()));
    let output = wait.recv_timeout(Duration::from_secs(30));
    let Ok(output) = output else {
        let killed = Command::new("kill").arg(id.to_string()).status();
        waiter.join().unwrap().ok();
        panic!("{command:?} did not end; killed: {killed:?}");
    };
    let output = output.unwrap();
    (output.status.success(), output.stdout)
}

/// Text of a command that has to succeed.
fn text_of(command: &mut Command) -> String {
    let (succeeded, output) = output_of(command);
    let text = String::from_utf8_lossy(&output).trim_end().to_owned();
    assert!(succeeded, "{command:?} gave {text}");
    text
}

fn our_server(arguments: &[&str]) -> Server {
    let mut command = ours();
    command.args(["serve", "127.0.0.1:0"]).args(arguments).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").expect("it says where").to_owned();
    Server { child, address }
}

/// A port that was free a moment ago: these servers cannot say which one they took.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a foreign server and waits until our ping is answered, which repeats itself as CoAP does.
fn foreign_server(command: &mut Command, port: u16) -> Server {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let server = Server { child, address: format!("127.0.0.1:{port}") };
    assert_eq!(text_of(ours().args(["ping", &server.address])), "pong");
    server
}

fn libcoap_server() -> Server {
    let port = free_port();
    let mut command = Command::new("coap-server-notls");
    command.args(["-A", "127.0.0.1", "-p", &port.to_string(), "-d", "10"]);
    foreign_server(&mut command, port)
}

fn aiocoap_server() -> Server {
    let port = free_port();
    let mut command = Command::new("python3");
    command.arg(file("conformance/peers/aiocoap_server.py")).arg(port.to_string());
    foreign_server(&mut command, port)
}

/// What `/large` holds on our server.
fn served_body() -> String {
    (0..3000).map(|at| if at % 64 == 63 { '\n' } else { char::from(b'a' + (at / 64 % 26) as u8) }).collect()
}

/// A body to send.
fn large_body() -> String {
    (0..3000).map(|at| char::from(b'a' + (at / 50 % 26) as u8)).collect()
}

/// A file with the large body, removed when dropped.
struct BodyFile(PathBuf);

impl BodyFile {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("coap-proto-{}-{name}", std::process::id()));
        std::fs::File::create(&path).unwrap().write_all(large_body().as_bytes()).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

#[test]
fn the_probe_finds_no_fault() {
    if !peer("python3", is_installed("python3")) {
        return;
    }
    let server = our_server(&[]);
    let (host, port) = server.address.split_once(':').unwrap();
    let mut probe = Command::new("python3");
    let report = text_of(probe.arg(file("conformance/probes/coap_probe.py")).args([host, port]));
    assert!(report.ends_with("22 of 22 cases passed"), "{report}");
    assert_eq!(report.matches("identical= True").count(), 1, "a repeated POST gets the same reply");
}

// verifies: ASSURE-1-03, ASSURE-1-05, RFC7959-2.4, RFC7959-2.5, RFC7641-4.2, RFC7252-5.2.2
#[test]
fn libcoap_as_client_gets_puts_and_observes() {
    if !peer("libcoap client", is_installed("coap-client-notls")) {
        return;
    }
    let body = BodyFile::new("libcoap-client");
    for mode in [&[][..], &["challenge"]] {
        let server = our_server(mode);
        let run = |arguments: &[&str], path: &str| {
            let mut command = Command::new("coap-client-notls");
            text_of(command.args(["-B", "20"]).args(arguments).arg(server.uri(path)))
        };
        assert_eq!(run(&[], "/test"), "test");
        assert_eq!(run(&[], "/large"), served_body());
        assert_eq!(run(&["-b", "64"], "/large"), served_body());
        for size in ["16", "64", "1024"] {
            assert_eq!(run(&["-m", "put", "-b", size, "-f", body.path()], "/stored"), "");
            assert_eq!(run(&[], "/stored"), large_body(), "{size}");
        }
        for size in ["64", "1024"] {
            let posted = run(&["-m", "post", "-b", size, "-f", body.path()], "/large-post");
            assert_eq!(posted, large_body(), "{size}");
        }
        assert_eq!(run(&["-N"], "/test"), "test");
        assert_eq!(run(&[], "/separate"), "separate");
        let states = run(&["-w", "-s", "2"], "/obs");
        assert!(states.matches("state ").count() >= 3, "{states}");
        assert_eq!(run(&["-l", "30%"], "/test"), "test", "lost datagrams are sent again");
    }
}

// verifies: ASSURE-1-03, ASSURE-1-05, RFC7959-2.4, RFC7959-2.5, RFC7641-4.2, RFC7641-7, RFC7252-5.2.2
#[test]
fn aiocoap_as_client_gets_puts_and_observes() {
    if !peer("aiocoap client", is_installed("aiocoap-client") && has_aiocoap()) {
        return;
    }
    let server = our_server(&[]);
    let body = BodyFile::new("aiocoap-client");
    let payload = format!("@{}", body.path());
    let run = |arguments: &[&str], path: &str| {
        let mut command = Command::new("aiocoap-client");
        text_of(command.arg("-q").args(arguments).arg(server.uri(path)))
    };
    assert_eq!(run(&[], "/test"), "test");
    assert_eq!(run(&[], "/large"), served_body());
    run(&["-m", "PUT", "--payload", &payload], "/stored");
    assert_eq!(run(&[], "/stored"), large_body());
    assert_eq!(run(&["-m", "POST", "--payload", &payload], "/large-post"), large_body());
    assert_eq!(run(&["--non"], "/test"), "test");
    assert_eq!(run(&[], "/separate"), "separate");
    // Its command line program does not print notifications; its library gives them. It returns no Echo value,
    // and is heard by its acknowledgements.
    for server in [server, our_server(&["challenge"])] {
        let mut observer = Command::new("python3");
        observer.arg(file("conformance/peers/aiocoap_observe.py")).args([&server.uri("/obs"), "3"]);
        let states = text_of(&mut observer);
        assert_eq!(states.matches("state ").count(), 3, "{states}");
    }
}

/// Runs our client against a server.
fn we(server: &Server, command: &str, rest: &[&str]) -> String {
    text_of(ours().args([command, &server.address]).args(rest))
}

// verifies: ASSURE-1-03, ASSURE-1-05, RFC7641-3.2, RFC7252-5.2.2
#[test]
fn libcoap_as_server_is_read_written_and_observed() {
    if !peer("libcoap server", is_installed("coap-server-notls")) {
        return;
    }
    let server = libcoap_server();
    let body = BodyFile::new("libcoap-server");
    let upload = format!("@{}", body.path());
    assert!(we(&server, "get", &["/.well-known/core"]).contains("</time>"));
    let put = we(&server, "put", &["/made", &upload]);
    assert!(put.starts_with("2.01"), "{put}");
    assert_eq!(we(&server, "get", &["/made"]), large_body(), "up and down in blocks");
    assert_eq!(we(&server, "get", &["/async", "?1"]), "done", "a separate response");
    let times = we(&server, "observe", &["/time", "3"]);
    assert_eq!(times.lines().count(), 3, "{times}");
    assert!(we(&server, "delete", &["/made"]).starts_with("2.02"));
}

// verifies: ASSURE-1-03, ASSURE-1-05, RFC7641-3.2, RFC7252-5.2.2
#[test]
fn aiocoap_as_server_is_read_written_and_observed() {
    if !peer("aiocoap server", has_aiocoap()) {
        return;
    }
    let server = aiocoap_server();
    let body = BodyFile::new("aiocoap-server");
    let upload = format!("@{}", body.path());
    assert_eq!(we(&server, "get", &["/test"]), "test");
    assert_eq!(we(&server, "get", &["/large"]).len(), 3000);
    assert!(we(&server, "put", &["/stored", &upload]).starts_with("2.04"));
    assert_eq!(we(&server, "get", &["/stored"]), large_body());
    assert_eq!(we(&server, "post", &["/echo", &upload]), format!("2.04\n{}", large_body()));
    assert_eq!(we(&server, "get", &["/separate"]), "separate");
    let states = we(&server, "observe", &["/obs", "3"]);
    assert_eq!(states.matches("state ").count(), 3, "{states}");
}
