//! What people type and open: passwords, case strings, links and cookies, at a server that logs all it can.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use axum::body::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use net::https_client::{CallLimits, Client};
use serde_json::{Value, json};

use crate::demo::PROGRAM;
use crate::demo::secrets::read_label;
use crate::going_on::{World, serving, until};
use crate::old_owner::former::{pem, wait};

const PASSWORD: &str = "a-horse-that-nobody-else-knows-71";
const WRONG: &str = "a-horse-that-is-not-the-one-72";
const OF_ANOTHER: &str = "a-donkey-for-the-second-person-73";

/// Somebody at the console of an owner, and every secret that was typed or given there.
struct Person {
    client: Client,
    endpoint: net::https_client::Endpoint,
    secrets: Vec<String>,
    cookie: String,
    token: String,
    /// Every answer that said no.
    refusals: Vec<String>,
}

impl Person {
    fn at(world: &World, owner: &str) -> Self {
        let roots = [pem(&world.path(&format!("{owner}/ca.pem"))).0];
        Self {
            client: Client::new(&roots, None, CallLimits::default()).unwrap(),
            endpoint: world.address(owner, "platform").parse().unwrap(),
            secrets: vec![PASSWORD.into(), WRONG.into(), OF_ANOTHER.into()],
            cookie: String::new(),
            token: String::new(),
            refusals: Vec::new(),
        }
    }

    fn says(&mut self, method: Method, path: &str, body: &Value) -> (StatusCode, HeaderMap, Value) {
        let request = Request::builder().method(method).uri(path).header("Sec-Fetch-Site", "same-origin");
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let request = request.header(header::COOKIE, &self.cookie).header("x-thingstead-token", &self.token);
        let request = request.body(Bytes::from(body.to_string())).unwrap();
        let (parts, body) = wait(self.client.call(&self.endpoint, request)).unwrap().into_parts();
        if !parts.status.is_success() {
            self.refusals.push(format!("{:?} {}", parts.headers, String::from_utf8_lossy(&body)));
        }
        (parts.status, parts.headers, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// A call that begins a session.
    fn begins(&mut self, path: &str, body: &Value, expected: u16) {
        let (status, headers, session) = self.says(Method::POST, path, body);
        assert_eq!(status, expected, "{session}");
        let cookie = headers[header::SET_COOKIE].to_str().unwrap();
        self.cookie = cookie.split(';').next().unwrap().to_owned();
        self.token = session["token"].as_str().unwrap().to_owned();
        let value = self.cookie.split_once('=').unwrap().1.to_owned();
        self.secrets.extend([value, self.token.clone()]);
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Claims with a string that is typed, and gives what the command said.
fn claims(world: &World, device: &str, typed: &str) -> String {
    let mut command = world.owner("owner-a", &["claim", device, "--case-string", "-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{typed}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat()
}

#[test]
fn what_people_type_and_open_is_in_no_log_and_no_error() {
    let mut world = World::new("typed-secrets");
    let world_path = PathBuf::from(world.path(""));
    // The file of the link is written after the server has said that it is ready.
    let link_file = || fs::read_to_string(world_path.join("owner-b/activation")).unwrap_or_default();
    let before = link_file();
    for role in ["registration", "owner-a", "owner-b"] {
        world.end(&serving(&world, role));
        let mut command = Command::new(PROGRAM);
        command.env("THINGSTEAD_LOG", "trace");
        world.serve_as(role, command);
    }
    until("a new link", || link_file() != before && link_file().ends_with(")\n"));
    let link = link_file().lines().next().unwrap().split_once('#').unwrap().1.to_owned();
    let mut person = Person::at(&world, "owner-b");
    person.secrets.push(link.clone());
    let forged: String = link.chars().rev().collect();
    let activation = |token: &str| json!({ "token": token, "account": "root", "password": PASSWORD });
    assert_eq!(person.says(Method::POST, "/v1/activation", &activation(&forged)).0, 410);
    person.begins("/v1/activation", &activation(&link), 201);
    assert_eq!(person.says(Method::POST, "/v1/activation", &activation(&link)).0, 410, "once");
    let sign_in = |password: &str| json!({ "account": "root", "password": password });
    assert_eq!(person.says(Method::POST, "/v1/session", &sign_in(WRONG)).0, 401);
    person.begins("/v1/session", &sign_in(PASSWORD), 200);
    let another = json!({ "name": "ann", "role": "user", "duties": [], "password": OF_ANOTHER });
    assert_eq!(person.says(Method::POST, "/v1/accounts", &another).0, 201);
    let malformed = json!({ "account": "root", "password": PASSWORD, "more": 1 });
    assert_eq!(person.says(Method::POST, "/v1/session", &malformed).0, 400);
    let mut said = std::mem::take(&mut person.refusals);
    let device = &world.devices[0];
    let label = read_label(world.path(&format!("maker/{device}.label.png")).as_ref());
    let case: String = label.case_id.case_string().as_str().to_owned();
    let other: String = case.chars().rev().collect();
    for typed in [&case, &other] {
        said.push(claims(&world, device, typed));
    }
    let mut secrets = person.secrets;
    secrets.extend([case, other]);
    let holds = |bytes: &[u8], secret: &str| {
        bytes.windows(secret.len()).any(|window| window.eq_ignore_ascii_case(secret.as_bytes()))
    };
    let logged = fs::read(world.path("log/owner-b.log")).unwrap();
    assert!(holds(&logged, "/v1/session"), "the log says what was called");
    for secret in &secrets {
        assert!(secret.len() >= 16, "{}", secret.len());
        for path in files(Path::new(&world.path(""))) {
            // The one place where a link is to stand.
            if path.file_name().is_some_and(|name| name == "activation") {
                continue;
            }
            assert!(!holds(&fs::read(&path).unwrap(), secret), "{} holds {secret}", path.display());
        }
        for answer in &said {
            assert!(!holds(answer.as_bytes(), secret), "an error says {secret}: {answer}");
        }
    }
}
