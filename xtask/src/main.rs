//! Chores of the repository: one command per chore, the same on a developer's machine and in CI.

mod attacks;
mod clauses;
mod console;
mod dependencies;
mod files;
mod floors;
mod fuzz;
mod fuzz_page;
mod metadata;
mod mutants;
mod parity;
mod peers;
mod purity;
mod repository;
mod runs;
mod steps;
mod tests_run;
mod tidy;

use std::process::ExitCode;

use repository::Repository;

/// What a chore found wrong, one line each; empty is never returned as an error.
type Outcome = Result<(), Vec<String>>;

const HELP: &str = "\
cargo xtask COMMAND

  check              what a change must pass: formats, lints, floors, clauses, docs, fast tests, demo
  test               everything: foreign peers, all tests, vectors, the demo
  floors             which crate may use which, and what runs without an operating system
  clauses [--check]  write docs/conformance.md from the tests, or say whether it is up to date
  dependencies       whether docs/dependencies.md has a line for every direct dependency
  attacks            whether every attack on ownership stands in docs/security.md, with tests that exist
  parity             console, API, command line and audit log have the same operations
  tidy               what a reader may stumble over; never fails
  mutants [ID..]     break one thing at a time and see the tests notice; writes docs/mutants.md
  console            rebuild the console and compare, then its tests, in Chromium too
  peers              install the foreign programs the tests talk to, where that is possible
  fuzz [TARGET..] [--seconds N] [--list] [--record]
                     run the fuzz targets, 600 s each; ends with 8 when something was found
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let repository = match Repository::find() {
        Ok(repository) => repository,
        Err(reason) => return complain(&[reason]),
    };
    let outcome = match words[..] {
        [_, .., "--help" | "-h"] => {
            print!("{}", help_of(words[0]));
            Ok(())
        }
        ["check"] => runs::check(&repository),
        ["test"] => runs::test(&repository),
        ["floors"] => runs::floors(&repository),
        ["clauses"] => clauses::write(&repository),
        ["clauses", "--check"] => clauses::check(&repository),
        ["dependencies"] => dependencies::check(&repository),
        ["attacks"] => attacks::check(&repository),
        ["parity"] => parity::check(&repository),
        ["tidy"] => tidy::show(&repository),
        ["mutants", ref wanted @ ..] => mutants::run(&repository, wanted),
        ["console"] => console::test(&repository),
        ["peers"] => peers::install(&repository),
        ["fuzz", ref wanted @ ..] => return fuzz::run(&repository, wanted),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => Err(vec![format!("no such command: {}\n\n{HELP}", words.join(" "))]),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(lines) => complain(&lines),
    }
}

/// The lines of the help about one command, or all of it.
fn help_of(command: &str) -> String {
    let is_of = |line: &&str| {
        line.strip_prefix("  ")
            .is_some_and(|line| line.starts_with(' ') || line.split(' ').next() == Some(command))
    };
    let from = HELP.lines().skip_while(|line| !is_of(line) || line.starts_with("   "));
    let lines: Vec<&str> = from.take_while(is_of).collect();
    if lines.is_empty() { HELP.to_owned() } else { format!("cargo xtask COMMAND\n\n{}\n", lines.join("\n")) }
}

fn complain(lines: &[String]) -> ExitCode {
    for line in lines {
        eprintln!("{line}");
    }
    ExitCode::FAILURE
}
