//! Whether the time of a refusal tells its cause: refused calls of the owner gateway, cause by cause in turn.
//!
//! A demo plays and goes on; strangers that have registered ask its owner gateway for what is not theirs. The
//! middle times of two causes are to differ by less than those of one cause whose calls were parted in two by
//! chance. Every answer has to be the same, too, byte by byte but for its date.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use bytes::Bytes;
use clock::Dice;
use crypto::{Curve, KeyKind, Provider};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use net::https_client::{CallLimits, Client, Connection, Endpoint};
use net::tls::TlsIdentity;
use serde::Serialize;

use super::child::internal;
use crate::cli::stdout::print_line;
use crate::cli::{Output, block_on, provider};
use crate::failure::Outcome;
use crate::label_picture;
use crate::serve::{config, single_certificate};

/// One caller's failed claims before it has to wait (TS-M9).
const CLAIMS_PER_CALLER: usize = 20;
/// One address may register so many systems in an hour.
const CALLERS_PER_ADDRESS: usize = 60;
/// Callers that ask at the same time.
const LANES: usize = 4;
/// How often the calls of one cause are parted in two.
const PARTINGS: usize = 1000;

/// A call that is refused, and why.
struct Cause {
    name: &'static str,
    method: Method,
    path: String,
}

/// Calls of one kind that all look alike.
struct Family {
    name: &'static str,
    causes: Vec<Cause>,
    /// Calls of one caller before another one goes on.
    calls_per_caller: usize,
}

#[derive(Serialize)]
struct Report {
    call: &'static str,
    calls_for_each_cause: usize,
    /// Cause and middle time in microseconds.
    middle_micros: Vec<(&'static str, f64)>,
    /// The largest difference of the middles of two causes.
    causes_differ_by_micros: f64,
    /// What 95 of 100 partings of one cause in two stay below.
    halves_differ_by_micros: f64,
    /// The largest difference of two causes is below that.
    alike: bool,
}

/// Plays a demo and measures.
///
/// # Errors
/// When the demo fails, or a call is answered with anything else than the one refusal.
pub(super) fn measure(calls: usize, output: Output) -> Outcome {
    let demo = Demo::play()?;
    let mut dice = net::seed::dice().map_err(|error| internal("chance", error))?;
    for family in demo.families(&mut dice)? {
        let name = family.name;
        let times = block_on(demo.ask(&family, calls, &mut dice))?;
        let report = judge(name, &family, times, &mut dice);
        if output.json {
            let json = serde_json::to_string(&report).map_err(|error| internal("the result", error))?;
            print_line(json);
            continue;
        }
        for (cause, micros) in &report.middle_micros {
            print_line(format!("{name:<14} {cause:<32} {micros:>9.1} us"));
        }
        let Report { causes_differ_by_micros: causes, halves_differ_by_micros: halves, .. } = report;
        let word = if report.alike { "alike" } else { "NOT alike" };
        print_line(format!(
            "{name:<14} causes differ by {causes:.2} us, halves of one by {halves:.2} us: {word}"
        ));
    }
    Ok(())
}

fn judge(call: &'static str, family: &Family, times: Vec<Vec<f64>>, dice: &mut Dice) -> Report {
    let calls_for_each_cause = times.iter().map(Vec::len).min().unwrap_or_default();
    let middles: Vec<f64> = times.iter().map(|times| middle(times.clone())).collect();
    let highest = middles.iter().copied().fold(f64::MIN, f64::max);
    let lowest = middles.iter().copied().fold(f64::MAX, f64::min);
    let mut parted: Vec<f64> = Vec::new();
    for at in 0..PARTINGS {
        let mut halves = [Vec::new(), Vec::new()];
        for time in &times[at % times.len()] {
            halves[usize::from(dice.below(2) == 1)].push(*time);
        }
        let [one, other] = halves.map(middle);
        parted.push((one - other).abs());
    }
    parted.sort_by(f64::total_cmp);
    let halves_differ_by_micros = parted[PARTINGS * 95 / 100];
    let causes_differ_by_micros = highest - lowest;
    let names = family.causes.iter().map(|cause| cause.name);
    Report {
        call,
        calls_for_each_cause,
        middle_micros: names.zip(middles).collect(),
        causes_differ_by_micros,
        halves_differ_by_micros,
        alike: causes_differ_by_micros < halves_differ_by_micros,
    }
}

fn middle(mut times: Vec<f64>) -> f64 {
    let at = times.len() / 2;
    if times.is_empty() {
        return f64::NAN;
    }
    *times.select_nth_unstable_by(at, f64::total_cmp).1
}

/// A demo that was played and goes on until this is dropped.
struct Demo {
    child: Child,
    folder: PathBuf,
    devices: Vec<String>,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
        let _left_to_the_system = fs::remove_dir_all(&self.folder);
    }
}

fn program() -> Outcome<Command> {
    std::env::current_exe().map(Command::new).map_err(|error| internal("the program's own path", error))
}

impl Demo {
    fn play() -> Outcome<Self> {
        let folder = std::env::temp_dir().join(format!("thingstead-alike-{}", std::process::id()));
        let mut command = program()?;
        command.args(["demo", "--json", "--keep", "--folder"]).arg(&folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| internal("a demo", error))?;
        let mut played = String::new();
        if let Some(said) = child.stdout.take() {
            let _read = BufReader::new(said).read_line(&mut played);
        }
        let errors = child.stderr.take();
        let document: serde_json::Value = serde_json::from_str(&played).unwrap_or_default();
        let devices = document["devices"].as_array().into_iter().flatten();
        let devices = devices.filter_map(|device| device["device"].as_str().map(str::to_owned)).collect();
        let demo = Self { child, folder, devices };
        let goes_on = errors.is_some_and(|errors| {
            BufReader::new(errors).lines().map_while(Result::ok).any(|line| line == "Ctrl-C ends it.")
        });
        if goes_on && demo.devices.len() >= 2 { Ok(demo) } else { Err(internal("a demo", "it failed")) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// `key = "127.0.0.1:port"` of a role's configuration.
    fn address(&self, role: &str, key: &str) -> Outcome<String> {
        let text = fs::read_to_string(self.path(&format!("{role}.toml")));
        let text = text.map_err(|error| internal("the demo's configuration", error))?;
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")));
        line.map(|line| line.trim_matches('"').to_owned())
            .ok_or_else(|| internal("the demo's configuration", key))
    }

    /// Gives one device up, so that it is nobody's.
    fn release(&self, device: &str) -> Outcome {
        let mut command = program()?;
        command.args(["owner", "--data"]).arg(self.path("owner-b"));
        command.args([
            "--server",
            &self.address("owner-b", "platform")?,
            "release",
            device,
            "--to-nobody",
            "--yes",
        ]);
        let released = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|error| internal("a release", error))?;
        if released.success() { Ok(()) } else { Err(internal("a release", released)) }
    }

    fn families(&self, dice: &mut Dice) -> Outcome<Vec<Family>> {
        let (owned, free) = (&self.devices[0], &self.devices[1]);
        self.release(free)?;
        let label = label_picture::read(&self.path(&format!("maker/{owned}.label.png")))?;
        let right = label.case_id.case_string();
        let wrong = model::hex(&dice.bytes::<16>());
        let missing = model::Uuid::v4(dice.bytes()).to_string();
        let cause = |name, method: &Method, device: &str, rest: &str| Cause {
            name,
            method: method.clone(),
            path: format!("/v1/devices/{device}{rest}"),
        };
        let claim = |name, device: &str, string: &str| {
            cause(name, &Method::PUT, device, &format!("/owner?case_string={string}"))
        };
        let three = |method: &Method, rest: &str| {
            vec![
                cause("of another owner", method, owned, rest),
                cause("of nobody", method, free, rest),
                cause("no such device", method, &missing, rest),
            ]
        };
        let claims = vec![
            claim("wrong string", free, &wrong),
            claim("of another owner", owned, &right),
            claim("of another owner, wrong string", owned, &wrong),
            claim("no such device", &missing, &wrong),
        ];
        let family = |name, causes, calls_per_caller| Family { name, causes, calls_per_caller };
        Ok(vec![
            family("claim", claims, CLAIMS_PER_CALLER),
            family("release", three(&Method::PUT, "/owner?mgmtid=NULL"), CLAIMS_PER_CALLER),
            family("configuration", three(&Method::GET, "/configuration"), 1000),
        ])
    }

    /// The time of each call in microseconds, by cause.
    async fn ask(&self, family: &Family, calls: usize, dice: &mut Dice) -> Outcome<Vec<Vec<f64>>> {
        let mut lane = || self.ask_in_a_lane(family, calls.div_ceil(LANES), dice.split());
        // As many as there are lanes. A server that waits before it refuses serves the others meanwhile.
        let lanes = tokio::join!(lane(), lane(), lane(), lane());
        let lanes: [Outcome<Asked>; LANES] = lanes.into();
        let mut times = vec![Vec::new(); family.causes.len()];
        let mut first = None;
        for lane in lanes {
            let lane = lane?;
            times.iter_mut().zip(lane.times).for_each(|(all, more)| all.extend(more));
            if *first.get_or_insert_with(|| lane.answer.clone()) != lane.answer {
                return Err(internal("a refusal unlike the others", format!("{:?}", lane.answer)));
            }
        }
        Ok(times)
    }

    async fn ask_in_a_lane(&self, family: &Family, calls: usize, mut dice: Dice) -> Outcome<Asked> {
        let count = family.causes.len();
        let mut asked = Asked { times: vec![Vec::with_capacity(calls); count], answer: None };
        let mut gate = Gate::of(self)?;
        while asked.times[0].len() < calls {
            let mut caller = gate.caller(&mut dice).await?;
            for _ in 0..family.calls_per_caller / count {
                let mut order: Vec<usize> = (0..count).collect();
                for at in (1..count).rev() {
                    order.swap(at, usize::try_from(dice.below(at as u64 + 1)).unwrap_or_default());
                }
                for at in order {
                    let cause = &family.causes[at];
                    let began = Instant::now();
                    let answer = call(&mut caller, &cause.method, &cause.path, Bytes::new()).await?;
                    asked.times[at].push(began.elapsed().as_secs_f64() * 1e6);
                    let answer = without_date(answer);
                    let is_refused = answer.0 == StatusCode::FORBIDDEN;
                    if !is_refused || *asked.answer.get_or_insert_with(|| answer.clone()) != answer {
                        let said = format!("{}: {answer:?}", cause.name);
                        return Err(internal("a refusal unlike the others", said));
                    }
                }
            }
        }
        Ok(asked)
    }
}

/// What one lane was answered.
struct Asked {
    times: Vec<Vec<f64>>,
    answer: Option<(StatusCode, HeaderMap, Bytes)>,
}

fn without_date(answer: Response<Bytes>) -> (StatusCode, HeaderMap, Bytes) {
    let (mut parts, body) = answer.into_parts();
    parts.headers.remove(header::DATE);
    (parts.status, parts.headers, body)
}

async fn call(to: &mut Connection, method: &Method, path: &str, body: Bytes) -> Outcome<Response<Bytes>> {
    let request = Request::builder().method(method.clone()).uri(path).body(body);
    let request = request.map_err(|error| internal("a request", error))?;
    to.call(request).await.map_err(|error| internal("a call", error))
}

/// The owner gateway, where strangers register.
struct Gate {
    endpoint: Endpoint,
    root: Vec<u8>,
    provider: std::sync::Arc<dyn Provider>,
    registered: usize,
}

impl Gate {
    fn of(demo: &Demo) -> Outcome<Self> {
        let endpoint = config::endpoint(&demo.address("registration", "owner_gateway")?)?;
        let root = single_certificate(Path::new(&demo.path("public/system-ca.pem")))?;
        Ok(Self { endpoint, root, provider: provider(), registered: 0 })
    }

    fn client(&self, identity: Option<&TlsIdentity>) -> Outcome<Client> {
        let client = Client::new(std::slice::from_ref(&self.root), identity, CallLimits::default());
        client.map_err(|error| internal("TLS set-up", format!("{error:?}")))
    }

    /// A management system that was just registered, at the gateway: one call was made, so that the next ones
    /// find everything as warm.
    async fn caller(&mut self, dice: &mut Dice) -> Outcome<Connection> {
        // All of 127.0.0.0/8 is this machine: an hour's share of one address is used, then that of the next.
        let at = self.registered / CALLERS_PER_ADDRESS;
        let [.., high, low] = u32::try_from(at).unwrap_or_default().to_be_bytes();
        let from = Ipv4Addr::new(127, dice.bytes::<1>()[0], high, low);
        self.registered += 1;
        let unopened = |error| internal("the owner gateway", error);
        let key = self.provider.generate_key(KeyKind::Ec(Curve::P256), dice);
        let key = key.map_err(|error| internal("a key", error))?;
        let request = certificate::make_request(&*key, "a stranger", dice);
        let request = request.map_err(|error| internal("a certificate request", error))?;
        let mut stranger = self.client(None)?.open(&self.endpoint, Some(from)).await.map_err(unopened)?;
        let answer = call(&mut stranger, &Method::POST, "/v1/managementsystems", request.into()).await?;
        if answer.status() != StatusCode::CREATED {
            return Err(internal("registering a stranger", answer.status()));
        }
        let identity = TlsIdentity::of_key(&[answer.into_body().to_vec()], &*key);
        let identity = identity.map_err(|error| internal("TLS set-up", format!("{error:?}")))?;
        let mut caller =
            self.client(Some(&identity))?.open(&self.endpoint, Some(from)).await.map_err(unopened)?;
        let nobody = format!("/v1/devices/{}/parameterset", model::Uuid::v4(dice.bytes()));
        call(&mut caller, &Method::GET, &nobody, Bytes::new()).await?;
        Ok(caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family() -> Family {
        let cause = |name| Cause { name, method: Method::GET, path: String::new() };
        Family { name: "x", causes: vec![cause("a"), cause("b")], calls_per_caller: 1 }
    }

    fn times(dice: &mut Dice, later: f64) -> Vec<f64> {
        (0..2000).map(|_| dice.below(1000) as f64 + later).collect()
    }

    #[test]
    fn a_cause_that_takes_longer_is_seen_and_chance_is_not() {
        let mut dice = Dice::numbered(6);
        let alike = vec![times(&mut dice, 0.0), times(&mut dice, 0.0)];
        let report = judge("x", &family(), alike, &mut dice);
        assert!(report.alike && report.halves_differ_by_micros > 10.0, "{}", report.halves_differ_by_micros);
        let unlike = vec![times(&mut dice, 0.0), times(&mut dice, 200.0)];
        assert!(!judge("x", &family(), unlike, &mut dice).alike);
    }
}
