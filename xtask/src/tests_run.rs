//! Runs `cargo test` and counts.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use serde_json::Value;

use crate::Outcome;
use crate::repository::{Repository, stdout_of};
use crate::steps::Tests;

/// What a test prints when it cannot run here; it then counts as skipped.
const SKIPPED: &str = "skipped: ";

/// Runs a `cargo test` command: everything it says goes to a log, failures and totals to the terminal.
pub(crate) fn run(repository: &Repository, command: Command, log: &str, tests: &mut Tests) -> Outcome {
    let mut run = Run::begin(repository, log)?;
    run.follow(command)?;
    run.end(repository, tests)
}

/// Builds all tests at once, and runs those that `is_wanted` says of a package and a kind of target (`lib`,
/// `bin`, `test`). Cargo itself would build the rest of the workspace with other features for each choice.
pub(crate) fn chosen(
    repository: &Repository,
    log: &str,
    tests: &mut Tests,
    is_wanted: impl Fn(&str, &str) -> bool,
) -> Outcome {
    let mut cargo = repository.cargo();
    cargo.args(["test", "--quiet", "--workspace", "--lib", "--bins", "--tests", "--no-run"]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    let said = stdout_of(cargo).map_err(|reason| vec![reason])?;
    let mut run = Run::begin(repository, log)?;
    for built in said.lines().filter_map(built) {
        if is_wanted(&built.package, &built.kind) {
            let mut command = repository.command(&built.program);
            command.args(["--quiet", "--show-output"]).current_dir(&built.directory);
            run.follow(command)?;
        }
    }
    run.end(repository, tests)
}

/// A program of tests.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Built {
    package: String,
    kind: String,
    program: PathBuf,
    directory: PathBuf,
}

/// Reads one line of what cargo says when it builds tests.
fn built(line: &str) -> Option<Built> {
    let artifact: Value = serde_json::from_str(line).ok()?;
    if !artifact["profile"]["test"].as_bool()? {
        return None;
    }
    let directory = Path::new(artifact["manifest_path"].as_str()?).parent()?;
    Some(Built {
        package: directory.file_name()?.to_str()?.to_owned(),
        kind: artifact["target"]["kind"][0].as_str()?.to_owned(),
        program: artifact["executable"].as_str()?.into(),
        directory: directory.to_owned(),
    })
}

/// Programs of tests, one after the other, and what they say.
struct Run {
    log: PathBuf,
    kept: File,
    reader: Reader,
    ended_badly: Option<ExitStatus>,
}

impl Run {
    fn begin(repository: &Repository, log: &str) -> Result<Self, Vec<String>> {
        let log = repository.target().join(format!("{log}.log"));
        let kept = File::create(&log).map_err(|cause| vec![format!("{}: {cause}", log.display())])?;
        Ok(Self { log, kept, reader: Reader::default(), ended_badly: None })
    }

    fn follow(&mut self, mut command: Command) -> Outcome {
        let cannot_run = |cause: std::io::Error| vec![format!("tests: {cause}")];
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(cannot_run)?;
        let said = child.stdout.take().expect("the output was asked for as a pipe");
        for line in BufReader::new(said).split(b'\n') {
            let line = line.map_err(cannot_run)?;
            let line = String::from_utf8_lossy(&line);
            writeln!(self.kept, "{line}").map_err(cannot_run)?;
            if self.reader.take(&line) {
                println!("  {line}");
            }
        }
        let status = child.wait().map_err(cannot_run)?;
        if !status.success() {
            self.ended_badly = Some(status);
        }
        Ok(())
    }

    fn end(self, repository: &Repository, tests: &mut Tests) -> Outcome {
        let reader = self.reader;
        tests.passed += reader.passed.saturating_sub(reader.skipped.len());
        tests.failed += reader.failed;
        tests.skipped += reader.skipped.len() + reader.ignored;
        for reason in reader.skipped {
            println!("  {reason}");
        }
        println!("  {} tests passed, {} failed", reader.passed, reader.failed);
        let Some(status) = self.ended_badly else { return Ok(()) };
        Err(vec![format!(
            "{} tests failed ({status}); everything they said is in {}",
            reader.failed,
            repository.relative(&self.log)
        )])
    }
}

/// Follows the output of the test harness.
#[derive(Debug, Default)]
struct Reader {
    passed: usize,
    failed: usize,
    ignored: usize,
    skipped: Vec<String>,
    inside_failures: bool,
}

impl Reader {
    /// Takes one line; whether it is to be shown.
    fn take(&mut self, line: &str) -> bool {
        if let Some(totals) = line.strip_prefix("test result: ") {
            self.passed += number_before(totals, " passed");
            self.failed += number_before(totals, " failed");
            self.ignored += number_before(totals, " ignored");
            self.inside_failures = false;
            return totals.starts_with("FAILED");
        }
        if line.starts_with(SKIPPED) {
            self.skipped.push(line.to_owned());
        }
        match line {
            "failures:" => self.inside_failures = true,
            "successes:" => self.inside_failures = false,
            _ => {}
        }
        self.inside_failures || (line.starts_with("test ") && line.ends_with("FAILED"))
    }
}

fn number_before(text: &str, word: &str) -> usize {
    let Some(end) = text.find(word) else { return 0 };
    let digits = text[..end].rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(said: &str) -> (Reader, Vec<&str>) {
        let mut reader = Reader::default();
        let shown = said.lines().filter(|line| reader.take(line)).collect();
        (reader, shown)
    }

    #[test]
    fn totals_of_all_binaries_are_added() {
        let (reader, shown) = read(
            "running 2 tests\ntest a ... ok\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n\
             test result: ok. 13 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.20s\n",
        );
        assert_eq!((reader.passed, reader.failed, reader.ignored), (15, 0, 1));
        assert_eq!(shown, Vec::<&str>::new());
    }

    #[test]
    fn programs_of_tests_are_found_among_what_cargo_built() {
        let line = |executable: &str, test: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/r/crates/wire/Cargo.toml",
                "target":{{"kind":["test"],"name":"it"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let found = built(&line(r#""/r/target/debug/deps/it-1""#, true)).unwrap();
        assert_eq!((&*found.package, &*found.kind), ("wire", "test"));
        assert_eq!(found.program, Path::new("/r/target/debug/deps/it-1"));
        assert_eq!(found.directory, Path::new("/r/crates/wire"));
        assert_eq!(built(&line(r#""/r/target/debug/thingstead""#, false)), None);
        assert_eq!(built(&line("null", true)), None);
        assert_eq!(built(r#"{"reason":"build-finished","success":true}"#), None);
    }

    #[test]
    fn failures_are_shown_with_what_they_said_and_successes_are_not() {
        let (reader, shown) = read(
            "test a ... ok\ntest b ... FAILED\n\nsuccesses:\n\n---- a stdout ----\nskipped: no gnutls-serv\n\n\
             failures:\n\n---- b stdout ----\nleft is not right\n\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored\n",
        );
        assert_eq!((reader.passed, reader.failed), (1, 1));
        assert_eq!(reader.skipped, ["skipped: no gnutls-serv"]);
        assert!(shown.contains(&"test b ... FAILED") && shown.contains(&"left is not right"));
        assert!(!shown.iter().any(|line| line.contains("gnutls") || line.contains("a stdout")));
    }
}
