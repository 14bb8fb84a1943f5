//! Steps of a run: a line when one begins, a line when it ends, a table at the end.

use std::time::{Duration, Instant};

use crate::Outcome;

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Passed,
    Failed,
    Skipped,
}

/// Steps, counted as they end. All are run, also after a failure.
#[derive(Debug)]
pub(crate) struct Steps {
    total: usize,
    ended: Vec<(String, End, Duration)>,
    complaints: Vec<String>,
    /// Tests inside the steps.
    pub(crate) tests: Tests,
}

/// Counts of single tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tests {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Steps {
    /// For `total` steps.
    pub(crate) fn new(total: usize) -> Self {
        Self { total, ended: Vec::new(), complaints: Vec::new(), tests: Tests::default() }
    }

    /// Runs one step.
    pub(crate) fn run(&mut self, name: &str, work: impl FnOnce(&mut Tests) -> Outcome) {
        println!("[{}/{}] {name}", self.ended.len() + 1, self.total);
        let started = Instant::now();
        let outcome = work(&mut self.tests);
        let took = started.elapsed();
        let end = match outcome {
            Ok(()) => End::Passed,
            Err(lines) => {
                for line in &lines {
                    println!("  {line}");
                }
                self.complaints.extend(lines.into_iter().map(|line| format!("{name}: {line}")));
                End::Failed
            }
        };
        println!(
            "[{}/{}] {name}: {} in {:.1} s",
            self.ended.len() + 1,
            self.total,
            word(&end),
            took.as_secs_f32()
        );
        self.ended.push((name.to_owned(), end, took));
    }

    /// Leaves one step out, and says why.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        println!("[{}/{}] {name}: skipped, {why}", self.ended.len() + 1, self.total);
        self.ended.push((name.to_owned(), End::Skipped, Duration::ZERO));
    }

    /// Prints the table and what failed. Tests and steps are counted alike; a step of tests adds its own.
    pub(crate) fn finish(self) -> Outcome {
        println!();
        for (name, end, took) in &self.ended {
            println!("{:>8.1} s  {:<8} {name}", took.as_secs_f32(), word(end));
        }
        let count = |wanted: &End| self.ended.iter().filter(|(_, end, _)| end == wanted).count();
        println!();
        println!(
            "{} passed, {} failed, {} skipped",
            self.tests.passed + count(&End::Passed),
            self.tests.failed + count(&End::Failed),
            self.tests.skipped + count(&End::Skipped)
        );
        if self.complaints.is_empty() { Ok(()) } else { Err(self.complaints) }
    }
}

const fn word(end: &End) -> &'static str {
    match end {
        End::Passed => "ok",
        End::Failed => "FAILED",
        End::Skipped => "skipped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_fails_the_run_and_the_next_steps_run() {
        let mut steps = Steps::new(3);
        let mut later = false;
        steps.run("one", |_| Err(vec!["broken".to_owned()]));
        steps.run("two", |tests| {
            later = true;
            tests.passed += 4;
            Ok(())
        });
        steps.skip("three", "there is none");
        assert_eq!((later, steps.tests.passed), (true, 4));
        assert_eq!(steps.finish(), Err(vec!["one: broken".to_owned()]));
    }

    #[test]
    fn a_run_without_failures_passes() {
        let mut steps = Steps::new(1);
        steps.run("one", |_| Ok(()));
        assert_eq!(steps.finish(), Ok(()));
    }
}
