//! Random requests: refused in order, never a fault of ours.

use std::process::{Command, Stdio};

use clock::Dice;
use model::{Uuid, hex};

use crate::curl::Credentials;
use crate::parties::{Kind, csr, key, parameter_set};
use crate::world::{Api, World};

const REQUESTS: usize = 500;
/// Requests of one curl.
const BATCH: usize = 50;

/// What requests are made of: things that stand in good requests, and things that stand in none.
struct Words {
    dice: Dice,
    segments: Vec<String>,
    queries: Vec<String>,
    bodies: Vec<Vec<u8>>,
}

impl Words {
    fn one<'a, T>(dice: &mut Dice, of: &'a [T]) -> &'a T {
        &of[usize::try_from(dice.below(of.len() as u64)).unwrap()]
    }

    fn path(&mut self) -> String {
        const STARTS: [&str; 7] = [
            "/v1/devices",
            "/v1/parametersets",
            "/v1/managementsystems",
            "/v1/makers",
            "/v1/audit",
            "/ta/v1/devices",
            "/ta/v1/class3",
        ];
        let mut path = (*Self::one(&mut self.dice, &STARTS)).to_owned();
        for _ in 0..self.dice.below(4) {
            path.push('/');
            path.push_str(Self::one(&mut self.dice, &self.segments).as_str());
        }
        if self.dice.below(2) == 0 {
            path.push('?');
            for _ in 0..self.dice.below(4) {
                path.push_str(Self::one(&mut self.dice, &self.queries).as_str());
                path.push('&');
            }
        }
        path
    }

    /// A body as it should be somewhere, or with bytes changed, or noise.
    fn body(&mut self) -> Vec<u8> {
        let mut body = Self::one(&mut self.dice, &self.bodies).clone();
        match self.dice.below(4) {
            0 if !body.is_empty() => {
                for _ in 0..=self.dice.below(4) {
                    let at = usize::try_from(self.dice.below(body.len() as u64)).unwrap();
                    body[at] = self.dice.bytes::<1>()[0];
                }
            }
            1 => body.truncate(usize::try_from(self.dice.below(body.len() as u64 + 1)).unwrap()),
            2 => {
                body = vec![0; usize::try_from(self.dice.below(3000)).unwrap()];
                self.dice.fill(&mut body);
            }
            _ => {}
        }
        body
    }
}

fn words(world: &World, run: u64) -> Words {
    let (device, owner) = (world.device(Kind::Ec), world.owner());
    world.claim(&owner, &device).is(204);
    let image = crate::image::for_owner(world, &owner, &device, &[]);
    let words =
        ["owner", "bootstrap", "configuration", "parameterset", "data", "certificate", "rsa", "takes"];
    let more = ["expected", "", ".", "..", "%00", "%ff%fe", "%2f", "NULL", "{uuid}", "0", "-1"];
    let mut segments: Vec<String> = words.iter().chain(&more).map(|word| (*word).to_owned()).collect();
    segments.extend([device.uuid.to_string(), owner.id.to_string(), Uuid([7; 16]).to_string()]);
    segments.push("a".repeat(3000));
    let queries = [
        format!("case_string={}", device.case),
        format!("case_string={}", "f".repeat(32)),
        format!("mgmtid={}", owner.id),
        format!("owner={}", owner.id),
        format!("operation={}", hex(&[1; 16])),
        format!("after={}", Uuid([0; 16])),
        "after=00".into(),
        "mgmtid=NULL".into(),
        "=".into(),
        "%".into(),
        "mgmtid=%".into(),
        "case_string=".into(),
        "\u{fc}=\u{1f511}".into(),
    ];
    let change = format!("{{\"operation\":\"{}\",\"seq\":4294967295,\"owner\":null}}", hex(&[3; 16]));
    let bodies = vec![
        Vec::new(),
        image,
        parameter_set("garbage"),
        csr(&*key(crate::parties::P256)),
        change.into_bytes(),
        b"{\"keys\":[\"AAAA\"]}".to_vec(),
        b"announced".to_vec(),
        b"[[[[[[[[[[[[[[[[[[[[".repeat(100),
        vec![0x9f; 4000],
    ];
    Words { dice: Dice::numbered(run), segments, queries: queries.to_vec(), bodies }
}

/// Runs one batch: the statuses, 0 where a connection broke.
fn batch(world: &World, api: Api, who: &Credentials, words: &mut Words) -> Vec<u16> {
    const METHODS: [&str; 8] = ["GET", "PUT", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "X"];
    let mut command = Command::new("curl");
    command.arg("--disable");
    for number in 0..BATCH {
        if number > 0 {
            command.arg("--next");
        }
        command.args(["--silent", "--http1.1", "--noproxy", "*", "--max-time", "60", "--globoff"]);
        command.args(["--path-as-is", "--output", "/dev/null", "--write-out", "%{http_code}\\n"]);
        command.arg("--cacert").arg(world.ca());
        command.arg("--cert").arg(&who.certificate).arg("--key").arg(&who.key);
        command.args(["--request", *Words::one(&mut words.dice, &METHODS)]);
        let body = words.body();
        if !body.is_empty() || words.dice.below(2) == 0 {
            command.arg("--data-binary").arg(format!("@{}", world.file(&body).display()));
            let kinds = ["application/json", "application/cbor", "multipart/form-data", "\u{fc}"];
            command.args(["--header", &format!("Content-Type: {}", Words::one(&mut words.dice, &kinds))]);
        }
        command.arg(world.url(api, &words.path()));
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
fn random_requests_are_never_our_fault() {
    let Some(mut world) = World::start() else { return };
    let (maker, owner) = (world.maker(), world.owner());
    let callers = [
        (Api::Maker, maker.credentials),
        (Api::Owner, owner.credentials),
        (Api::Peers, world.bootstrap_peer.clone()),
        (Api::Platform, world.operator.clone()),
        (Api::Bootstrap, world.registration_peer.clone()),
    ];
    for (run, (api, who)) in callers.iter().enumerate() {
        let mut words = words(&world, 70 + run as u64);
        let mut statuses = Vec::new();
        while statuses.len() < REQUESTS {
            statuses.extend(batch(&world, *api, who, &mut words));
        }
        let faults: Vec<_> = statuses.iter().filter(|status| **status >= 500 && **status != 503).collect();
        assert!(faults.is_empty(), "{api:?}: {faults:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 0).count(), 0, "{api:?}: all are answered");
        let kinds: std::collections::BTreeSet<_> = statuses.iter().collect();
        assert!(kinds.len() >= 3, "{api:?}: the requests differ: {kinds:?}");
    }
    let panicked: u64 = world.stop().iter().map(|tally| tally.panicked).sum();
    assert_eq!(panicked, 0);
    let said = world.log.lines();
    assert!(!said.iter().any(|line| line.contains("the operation panicked")), "nor inside an operation");
}
