//! The client that nobody here wrote: curl, one child process per call.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Certificate and key of a caller, as PEM files.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// All that a caller can compare: the date is left out.
    pub(crate) fn but_date(mut self) -> Self {
        self.headers.retain(|(name, _)| name != "date");
        self
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// The status with an empty body.
    #[track_caller]
    pub(crate) fn is_empty(&self, status: u16) -> &Self {
        assert_eq!(self.is(status).body, b"", "{self:?}");
        self
    }

    /// 503 that says when to come again.
    #[track_caller]
    pub(crate) fn is_later(&self) -> u64 {
        self.is_empty(503).header("retry-after").expect("503 says when to come again").parse().unwrap()
    }
}

/// Why curl has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoAnswer {
    /// What curl wrote to standard error.
    pub(crate) said: String,
}

/// Whether curl can be run; without it the tests say so and pass, but fail where `CI` is set.
pub(crate) fn is_installed() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let ran = Command::new("curl").arg("--version").stdout(Stdio::null()).status();
        let found = ran.is_ok_and(|status| status.success());
        if !found {
            println!("skipped: curl is not installed");
            assert!(std::env::var_os("CI").is_none(), "curl is needed here");
        }
        found
    })
}

/// A command line under way.
pub(crate) struct Curl(Command);

impl Curl {
    /// A curl that reads no configuration and trusts servers under `ca` alone.
    pub(crate) fn new(ca: &Path, who: Option<&Credentials>) -> Self {
        let mut command = Command::new("curl");
        command.args(["--disable", "--silent", "--show-error", "--include", "--http1.1"]);
        command.args(["--noproxy", "*", "--max-time", "60", "--globoff", "--path-as-is", "--cacert"]).arg(ca);
        if let Some(who) = who {
            command.arg("--cert").arg(&who.certificate).arg("--key").arg(&who.key);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command)
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        self.0.args(["--request", method]);
        self
    }

    pub(crate) fn header(mut self, header: &str) -> Self {
        self.0.args(["--header", header]);
        self
    }

    /// Waits for no body.
    pub(crate) fn head(mut self) -> Self {
        self.0.arg("--head");
        self
    }

    /// Hands on what it gets at once.
    pub(crate) fn unbuffered(mut self) -> Self {
        self.0.arg("--no-buffer");
        self
    }

    /// Comes from this address.
    pub(crate) fn from(mut self, address: &str) -> Self {
        self.0.args(["--interface", address]);
        self
    }

    /// Hangs up after this many seconds.
    pub(crate) fn for_at_most(mut self, secs: &str) -> Self {
        self.0.args(["--max-time", secs]);
        self
    }

    /// Sends the bytes of a file, as they are.
    pub(crate) fn body(mut self, file: &Path) -> Self {
        self.0.arg("--data-binary").arg(format!("@{}", file.display()));
        self.header("Content-Type: application/octet-stream")
    }

    /// One more call of the same kind on the same connection.
    pub(crate) fn url(mut self, url: &str) -> Self {
        self.0.arg(url);
        self
    }

    /// Another call, with options of its own, on the same connection.
    pub(crate) fn next(mut self, ca: &Path, who: &Credentials) -> Self {
        self.0.args(["--next", "--silent", "--show-error", "--include", "--http1.1", "--cacert"]).arg(ca);
        self.0.arg("--cert").arg(&who.certificate).arg("--key").arg(&who.key);
        self
    }

    /// Says on standard error how often it connected.
    pub(crate) fn counting_connections(mut self) -> Self {
        self.0.args(["--write-out", "%{stderr}connects=%{num_connects}\\n"]);
        self
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Running {
        Running(self.0.spawn().expect("curl starts"))
    }

    /// Runs it to its end: the answers in their order.
    pub(crate) fn run(self) -> Result<Vec<Reply>, NoAnswer> {
        self.start().finish().map(|(replies, _)| replies)
    }
}

/// A curl that runs.
pub(crate) struct Running(pub(crate) std::process::Child);

impl Running {
    /// The answers, and what was said besides.
    pub(crate) fn finish(self) -> Result<(Vec<Reply>, String), NoAnswer> {
        let output = self.0.wait_with_output().expect("curl ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.success() {
            true => Ok((replies(&output.stdout), said)),
            false => Err(NoAnswer { said }),
        }
    }
}

/// Reads answers one after the other; interim ones (1xx) are passed over.
fn replies(mut bytes: &[u8]) -> Vec<Reply> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head ends");
        let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
        bytes = &bytes[end + 4..];
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
        let status: u16 = status.parse().expect("a status");
        if status < 200 {
            continue;
        }
        let field = |line: &str| {
            let (name, value) = line.split_once(':').expect("a header has a colon");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let headers: Vec<_> = lines.map(field).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let is_chunked = headers.iter().any(|(name, _)| name == "transfer-encoding");
        let without = if is_chunked { bytes.len() } else { 0 };
        let length = length.map_or(without, |(_, length)| length.parse().expect("a length"));
        let (body, rest) = bytes.split_at(length);
        found.push(Reply { status, headers, body: body.to_vec() });
        bytes = rest;
    }
    found
}
