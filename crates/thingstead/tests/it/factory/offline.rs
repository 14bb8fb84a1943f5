//! A folder with an identity server in it, and the online servers that this test plays.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use assure_proto::{GapContent, GapHeader, SimpleTime, TrustBundle, Validity};
use authority::identity::IdentityKeys;
use authority::registration::{CreateDevice, Created, OperationId, SubmitRecord};
use authority::{
    Enrolment, FileTaken, ForgetWritten, Origin, ReadOutbox, ReadOwn, ServerKeys, StoreEnrolment, TakeFile,
};
use certificate::make_request;
use clock::{Dice, Now};
use crypto::{HashAlgorithm, Provider};
use crypto_server::Server;
use model::{CorrelationId, ServerRole, Uuid, hex};
use net::now::Clock;
use serde_json::Value;
use store::{Memory, Operation, run};
use store_redb::{Options, RedbStore};
use store_sealed::Sealed;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_thingstead");

static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// A folder that goes with the test; every command runs in it.
pub(crate) struct Place(pub(crate) PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        let _left_to_the_system = fs::remove_dir_all(&self.0);
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("thingstead-factory-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A place where an authority was made.
    pub(crate) fn with_authority() -> Self {
        let place = Self::new();
        place.ok("identity init --data id --out pub");
        place
    }

    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words.split_whitespace()).current_dir(&self.0).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &str) -> Output {
        self.command(words).output().unwrap()
    }

    /// The standard output of a command that succeeds.
    pub(crate) fn ok(&self, words: &str) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The one JSON document of a command that succeeds.
    pub(crate) fn json(&self, words: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{words} --json"))).unwrap()
    }

    /// The code of the catalogue and the exit status of a command that fails.
    pub(crate) fn fails(&self, words: &str) -> (String, i32) {
        let (failure, exit) = self.failure(words);
        (failure["error"].as_str().unwrap().to_owned(), exit)
    }

    /// The failure of a command, as JSON, and its exit status.
    pub(crate) fn failure(&self, words: &str) -> (Value, i32) {
        let output = self.run(&format!("{words} --json"));
        let stderr = String::from_utf8(output.stderr).unwrap();
        let last = stderr.lines().last().unwrap_or_default();
        let failure: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{words}: {stderr}"));
        assert_eq!(failure["exit"], output.status.code().unwrap());
        (failure, output.status.code().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The names in a folder, sorted; none when it does not exist.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Every file below a folder with its bytes.
    pub(crate) fn files_below(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for name in self.names(folder) {
            let below = format!("{folder}/{name}");
            match self.path(&below).is_dir() {
                true => files.extend(self.files_below(&below)),
                false => files.push((below.clone(), self.read(&below))),
            }
        }
        files
    }

    pub(crate) fn bundle(&self) -> TrustBundle {
        TrustBundle::decode(&*provider(), &self.read("pub/ta.bundle")).unwrap()
    }

    /// The keys of the identity server, out of its sealed store.
    pub(crate) fn identity_keys(&self) -> IdentityKeys {
        let provider = provider();
        let table = RedbStore::open(self.path("id/store.redb"), Options::default()).unwrap();
        let sealed = Sealed::new(table, &*provider, &self.read("id/seal.key"), Dice::numbered(0)).unwrap();
        let stored = run(&sealed, &ReadOwn { key: IdentityKeys::key() }, now()).unwrap().reply.unwrap();
        IdentityKeys::read(provider, &stored).unwrap()
    }

    /// Makes a station `name` and lists it.
    pub(crate) fn station(&self, name: &str) -> Uuid {
        let made = self.json(&format!("maker station --data {name} --bundle pub/ta.bundle --maker new"));
        self.ok(&format!("identity stations add {name}/station.file --data id"));
        made["maker"].as_str().unwrap().parse().unwrap()
    }

    /// Makes one device at a station and gives its UUID and record.
    pub(crate) fn device(&self, station: &str, kind: &str) -> (Uuid, Vec<u8>) {
        let words = format!(
            "maker make --data {station} --kind {kind} --bootstrap-server 42 --parameter-set {PARAMETER_SET} \
             --devices devices --quiet"
        );
        let device: Uuid = self.ok(&words).trim().parse().unwrap();
        (device, self.read(&format!("{station}/{device}.record")))
    }
}

pub(crate) const PARAMETER_SET: &str = "5d11c0de-0000-4000-8000-000000000001";
pub(crate) const IMPORT: &str = "identity import --data id --gap-in out --gap-out in";

pub(crate) fn provider() -> Arc<dyn Provider> {
    Arc::new(Server::new())
}

pub(crate) fn now() -> Now {
    Clock::start().now()
}

/// An online server of the authority, played by the test; its keys are made once for all tests.
pub(crate) struct Online {
    pub(crate) keys: &'static ServerKeys,
    pub(crate) store: Memory,
    pub(crate) dice: Dice,
}

static REGISTRATION: OnceLock<ServerKeys> = OnceLock::new();
static BOOTSTRAP: OnceLock<ServerKeys> = OnceLock::new();

fn made(role: ServerRole) -> ServerKeys {
    ServerKeys::create(role, &*provider(), &mut net::seed::dice().unwrap()).unwrap()
}

impl Online {
    pub(crate) fn registration() -> Self {
        Self::of(REGISTRATION.get_or_init(|| made(ServerRole::Registration)))
    }

    pub(crate) fn bootstrap() -> Self {
        Self::of(BOOTSTRAP.get_or_init(|| made(ServerRole::Bootstrap)))
    }

    /// A server with other keys.
    pub(crate) fn impostor(role: ServerRole) -> Self {
        Self::of(Box::leak(Box::new(made(role))))
    }

    fn of(keys: &'static ServerKeys) -> Self {
        Self { keys, store: Memory::default(), dice: net::seed::dice().unwrap() }
    }

    pub(crate) fn id(&self) -> Uuid {
        self.keys.gap.id
    }

    pub(crate) fn run<O: Operation>(&self, operation: &O) -> O::Reply {
        run(&self.store, operation, now()).unwrap().reply
    }

    /// Writes the request for enrolment; gives the file's name and the fingerprint that the server prints.
    pub(crate) fn ask(&mut self, place: &Place) -> (String, String) {
        let provider = provider();
        let validity = Validity::since(SimpleTime { secs: 1 });
        let bundle = place.bundle();
        let (header, file) = self.keys.enrolment_file(&*provider, &bundle, validity, &mut self.dice).unwrap();
        let request = make_request(&*self.keys.tls, "thingstead", &mut self.dice).unwrap();
        let beside = [&b"localhost\n127.0.0.1\n\n"[..], &request].concat();
        let name = format!("out/{}", header.file_name());
        place.write(&name, &file);
        place.write(&format!("out/{}.csr", self.id()), &beside);
        let fingerprint = provider.digest(HashAlgorithm::Sha256, &[&file, &beside]);
        (name, hex(fingerprint.as_ref()))
    }

    /// Asks, is enrolled by the program, reads the answer.
    pub(crate) fn enrol(&mut self, place: &Place) -> Enrolment {
        let (file, fingerprint) = self.ask(place);
        place.ok(&format!("identity enrol {file} --fingerprint {fingerprint} --data id --gap-out in"));
        let enrolment = self.read_answer(place);
        let take = TakeFile {
            from: enrolment.identity.id,
            number: 1,
            inner: StoreEnrolment { enrolment: enrolment.clone() },
        };
        assert_eq!(self.run(&take), Ok(FileTaken::Applied(())));
        enrolment
    }

    pub(crate) fn read_answer(&self, place: &Place) -> Enrolment {
        let bundle = place.bundle();
        let name = self.answer_name(&bundle, 1);
        let file = place.read(&format!("in/{name}"));
        self.keys.open_answer(&*provider(), &bundle, &file).unwrap().unwrap()
    }

    /// The name of the identity server's file with this number to this server.
    pub(crate) fn answer_name(&self, bundle: &TrustBundle, number: u32) -> String {
        GapHeader { from: bundle.authority, to: self.id(), sequence_number: number }.file_name()
    }

    /// What the identity server wrote under this number.
    pub(crate) fn content(&self, place: &Place, enrolment: &Enrolment, number: u32) -> GapContent {
        let file = place.read(&format!("in/{}", self.answer_name(&place.bundle(), number)));
        enrolment.identity.open(&*provider(), &self.keys.gap, &file).unwrap().1
    }

    /// Takes an upload as the gateway does, and writes the file for the identity server; gives its name.
    pub(crate) fn upload(
        &mut self,
        place: &Place,
        enrolment: &Enrolment,
        maker: Uuid,
        device: Uuid,
        blob: &[u8],
    ) -> String {
        let origin = Origin {
            address: None,
            role: "registration",
            actor: maker.to_string(),
            correlation: CorrelationId(self.dice.bytes()),
            seed: self.dice.bytes(),
        };
        let operation = OperationId(self.dice.bytes());
        assert_eq!(self.run(&CreateDevice { device, maker, operation, origin }), Ok(Created::Stands));
        let submit = SubmitRecord {
            device,
            maker,
            operation,
            blob: blob.to_vec(),
            me: self.keys.gap.clone(),
            identity: enrolment.identity.clone(),
            provider: provider(),
            seed: self.dice.bytes(),
        };
        assert_eq!(self.run(&submit), Ok(true));
        self.flush(place)
    }

    fn flush(&self, place: &Place) -> String {
        let files = self.run(&ReadOutbox);
        assert_eq!(files.len(), 1);
        let header = GapHeader { from: self.id(), to: files[0].to, sequence_number: files[0].number };
        let name = format!("out/{}", header.file_name());
        // As every party: under another name first, so that nobody reads half a file.
        place.write("out/part", &files[0].bytes);
        fs::rename(place.path("out/part"), place.path(&name)).unwrap();
        self.run(&ForgetWritten { to: files[0].to, number: files[0].number });
        name
    }
}

/// A place with an authority, both servers enrolled, and a listed station `st`.
pub(crate) struct Factory {
    pub(crate) place: Place,
    pub(crate) registration: Online,
    pub(crate) bootstrap: Online,
    pub(crate) enrolments: [Enrolment; 2],
    pub(crate) maker: Uuid,
}

impl Factory {
    pub(crate) fn new() -> Self {
        let place = Place::with_authority();
        let (mut registration, mut bootstrap) = (Online::registration(), Online::bootstrap());
        let enrolments = [registration.enrol(&place), bootstrap.enrol(&place)];
        let maker = place.station("st");
        Self { place, registration, bootstrap, enrolments, maker }
    }

    /// Makes a device and brings its record to the gap; gives its UUID and the file's name.
    pub(crate) fn submit(&mut self, kind: &str) -> (Uuid, String) {
        let (device, blob) = self.place.device("st", kind);
        let maker = self.maker;
        (device, self.upload(maker, device, &blob))
    }

    pub(crate) fn upload(&mut self, maker: Uuid, device: Uuid, blob: &[u8]) -> String {
        self.registration.upload(&self.place, &self.enrolments[0], maker, device, blob)
    }

    /// What was written for both servers under this number.
    pub(crate) fn contents(&self, number: u32) -> [GapContent; 2] {
        let [registration, bootstrap] = &self.enrolments;
        [
            self.registration.content(&self.place, registration, number),
            self.bootstrap.content(&self.place, bootstrap, number),
        ]
    }
}

pub(crate) fn contains(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}
