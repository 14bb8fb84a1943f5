//! The same handshakes by OpenSSL: a small C program, built when the benchmark runs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::bench::child::internal;
use crate::bench::scratch::Scratch;
use crate::failure::Outcome;

const SOURCE: &str = include_str!("openssl.c");

/// A running peer; it ends when this value goes.
pub(super) struct OpenSsl {
    child: Child,
    words: BufReader<ChildStdout>,
    pub(super) version: String,
    _place: Scratch,
}

impl OpenSsl {
    /// Builds and starts it; the reason when this machine has no compiler, or not the library.
    pub(super) fn start() -> Outcome<Result<Self, String>> {
        let place = Scratch::new("bench-openssl")?;
        let (source, program) = (place.join("openssl.c"), place.join("openssl"));
        std::fs::write(&source, SOURCE).map_err(|error| internal("a scratch file", error))?;
        let built = Command::new("cc")
            .args(["-O2", "-Wno-deprecated-declarations", "-o"])
            .args([&program, &source])
            .args(["-lssl", "-lcrypto"])
            .stdin(Stdio::null())
            .output();
        match built {
            Err(error) => return Ok(Err(format!("no C compiler: {error}"))),
            Ok(built) if !built.status.success() => {
                let said = String::from_utf8_lossy(&built.stderr);
                return Ok(Err(format!("not built: {}", said.lines().next().unwrap_or_default())));
            }
            Ok(_) => {}
        }
        let child = Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| internal("OpenSSL's peer", error))?;
        let words = child.stdout.take().map(BufReader::new);
        let mut words = words.ok_or_else(|| internal("OpenSSL's peer", "no output"))?;
        let said = line(&mut words)?;
        let version = said.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        Ok(Ok(Self { child, words, version, _place: place }))
    }

    /// Handshakes per second of the server's processor time.
    pub(super) fn per_second(&mut self, span: Duration) -> Outcome<f64> {
        let failed = |error: &dyn std::fmt::Display| internal("OpenSSL's peer", error.to_string());
        let input = self.child.stdin.as_mut().ok_or_else(|| failed(&"no input"))?;
        writeln!(input, "{}", span.as_millis()).map_err(|error| failed(&error))?;
        let said = line(&mut self.words)?;
        let mut numbers = said.split_whitespace().map(str::parse::<f64>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(count)), Some(Ok(nanos))) if nanos > 0.0 => Ok(count * 1e9 / nanos),
            _ => Err(failed(&"it said no numbers")),
        }
    }
}

fn line(words: &mut BufReader<ChildStdout>) -> Outcome<String> {
    let mut line = String::new();
    words.read_line(&mut line).map_err(|error| internal("OpenSSL's peer", error))?;
    Ok(line.trim().to_owned())
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // Without input it ends by itself.
        let _ = self.child.wait();
    }
}
