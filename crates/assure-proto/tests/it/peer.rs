//! Foreign programs that judge us: found or counted as skipped, run in a directory of their own.

use core::sync::atomic::{AtomicU32, Ordering};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crypto::PrivateKey;

/// A directory that is gone when the test ends.
pub(crate) struct Workshop(PathBuf);

impl Workshop {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("assure-proto-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("a directory under the target directory");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("a file is written");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("a file is read")
    }

    /// Runs `program` in the directory; whether it succeeded is in the output.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let ran = Command::new(program).args(arguments).current_dir(&self.0).output();
        ran.unwrap_or_else(|error| panic!("{program}: {error}"))
    }

    /// Runs `program` and expects success.
    pub(crate) fn must(&self, program: &str, arguments: &[&str]) {
        let output = self.run(program, arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {told}");
    }

    /// The private key and a throw-away certificate around its public half, as `key.pem` and `cert.pem`.
    pub(crate) fn certify(&self, key: &dyn PrivateKey) {
        self.write("key.der", key.pkcs8().expect("the key may leave").expose());
        self.must("openssl", &["pkey", "-inform", "DER", "-in", "key.der", "-out", "key.pem"]);
        let subject = ["-subj", "/CN=throw-away", "-days", "2"];
        let request = ["req", "-new", "-x509", "-key", "key.pem", "-out", "cert.pem"];
        self.must("openssl", &[&request[..], &subject[..]].concat());
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // A directory that stays behind is inside the target directory; the test's outcome matters more.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A workshop with the `openssl` command, or `None` when there is no such command.
///
/// In continuous integration a missing peer is a failure.
pub(crate) fn openssl() -> Option<Workshop> {
    found("openssl", &["version"])?;
    Some(Workshop::new())
}

/// As [`openssl`], with the C peer built as `cms_peer`.
pub(crate) fn cms_peer() -> Option<Workshop> {
    let workshop = openssl()?;
    found("cc", &["--version"])?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/peers/cms_peer.c");
    let probe = workshop.path("probe.c");
    fs::write(&probe, "#include <openssl/cms.h>\nint main(void) { return 0; }\n").expect("a file is written");
    if !workshop.run("cc", &["-fsyntax-only", "probe.c"]).status.success() {
        return absent("openssl headers");
    }
    let source = source.to_str().expect("a path of text");
    workshop.must("cc", &["-O1", "-o", "cms_peer", source, "-lcrypto"]);
    Some(workshop)
}

fn found(program: &str, arguments: &[&str]) -> Option<()> {
    match Command::new(program).args(arguments).output() {
        Ok(_) => Some(()),
        Err(error) if error.kind() == ErrorKind::NotFound => absent(program),
        Err(error) => panic!("{program}: {error}"),
    }
}

fn absent<T>(name: &str) -> Option<T> {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{name} is missing in continuous integration");
    println!("SKIPPED peer {name}: not installed");
    None
}
