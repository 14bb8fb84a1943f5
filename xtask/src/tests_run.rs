//! Runs `cargo test` and counts.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::repository::Repository;
use crate::steps::Tests;

/// What a test prints when it cannot run here; it then counts as skipped.
const SKIPPED: &str = "skipped: ";

/// Runs a `cargo test` command: everything it says goes to a log, failures and totals to the terminal.
pub(crate) fn run(repository: &Repository, mut command: Command, log: &str, tests: &mut Tests) -> Outcome {
    let log = repository.target().join(format!("{log}.log"));
    let mut kept = File::create(&log).map_err(|cause| vec![format!("{}: {cause}", log.display())])?;
    let cannot_run = |cause: std::io::Error| vec![format!("cargo test: {cause}")];
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(cannot_run)?;
    let said = child.stdout.take().expect("the output was asked for as a pipe");
    let mut reader = Reader::default();
    for line in BufReader::new(said).split(b'\n') {
        let line = line.map_err(cannot_run)?;
        let line = String::from_utf8_lossy(&line);
        writeln!(kept, "{line}").map_err(cannot_run)?;
        if reader.take(&line) {
            println!("  {line}");
        }
    }
    let status = child.wait().map_err(cannot_run)?;
    tests.passed += reader.passed.saturating_sub(reader.skipped.len());
    tests.failed += reader.failed;
    tests.skipped += reader.skipped.len() + reader.ignored;
    for reason in reader.skipped {
        println!("  {reason}");
    }
    println!("  {} tests passed, {} failed", reader.passed, reader.failed);
    if status.success() {
        return Ok(());
    }
    Err(vec![format!(
        "{} tests failed ({status}); everything they said is in {}",
        reader.failed,
        log.display()
    )])
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
