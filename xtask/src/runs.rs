//! The two runs: `check` for a change, `test` for everything.

use std::process::Command;

use crate::repository::{Repository, is_installed, run, stdout_of};
use crate::steps::{Steps, Tests};
use crate::{
    Outcome, attacks, clauses, console, dependencies, floors, mutants, parity, peers, purity, tests_run, tidy,
};

/// Crates whose integration tests take their time: they start a program for each call, or lives without number.
const SLOW: &[&str] = &["conformance", "http-front", "sim", "thingstead"];
const ORACLE: &str = "conformance/oracle/make.py";
const PROGRAM: &str = "thingstead";

/// What a change must pass.
pub(crate) fn check(repository: &Repository) -> Outcome {
    let mut steps = Steps::new(13);
    formats_and_lints(repository, &mut steps);
    steps.run("tidy", |_| tidy::show(repository));
    rules(repository, &mut steps);
    steps.run("docs", |_| one(run(documentation(repository))));
    steps.run("fast tests", |tests| {
        let is_fast = |package: &str, kind: &str| kind != "test" || !SLOW.contains(&package);
        tests_run::chosen(repository, "fast-tests", tests, is_fast)
    });
    demo(repository, "debug", &mut steps);
    licences(repository, &mut steps);
    steps.finish()
}

/// Everything, from the foreign programs to the demo.
pub(crate) fn test(repository: &Repository) -> Outcome {
    let mut steps = Steps::new(16);
    steps.run("peers", |_| peers::install(repository));
    formats_and_lints(repository, &mut steps);
    rules(repository, &mut steps);
    steps.run("docs", |_| one(run(documentation(repository))));
    licences(repository, &mut steps);
    steps.run("tests", |tests| all_tests(repository, tests));
    if is_installed("python3") {
        steps.run("oracle", |_| {
            let mut python = repository.command(peers::python(repository));
            python.args([ORACLE, "--check"]);
            one(run(python))
        });
    } else {
        steps.skip("oracle", "there is no python3");
    }
    steps.run("release build", |_| {
        let mut cargo = repository.cargo();
        cargo.args(["build", "--release", "--package", PROGRAM]);
        one(run(cargo))
    });
    demo(repository, "release", &mut steps);
    match console::missing(repository) {
        Some(why) => steps.skip("console", &why),
        None => steps.run("console", |_| console::test(repository)),
    }
    steps.finish()
}

/// Who uses whom, and what runs without an operating system: complaints of both.
pub(crate) fn floors(repository: &Repository) -> Outcome {
    let outcomes = [floors::check(repository), purity::check(repository)];
    let complaints: Vec<String> = outcomes.into_iter().filter_map(Result::err).flatten().collect();
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}

fn formats_and_lints(repository: &Repository, steps: &mut Steps) {
    steps.run("fmt", |_| {
        let mut cargo = repository.cargo();
        cargo.args(["fmt", "--all", "--check"]);
        one(run(cargo))
    });
    steps.run("clippy", |_| {
        let mut cargo = repository.cargo();
        cargo.args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]);
        one(run(cargo))
    });
}

fn rules(repository: &Repository, steps: &mut Steps) {
    steps.run("floors", |_| floors(repository));
    steps.run("clauses", |_| clauses::check(repository));
    steps.run("mutants fit", |_| mutants::check(repository));
    steps.run("dependencies", |_| dependencies::check(repository));
    steps.run("attacks", |_| attacks::check(repository));
    steps.run("parity", |_| parity::check(repository));
}

/// Licences, bans and sources; advisories need a database that is not always within reach.
fn licences(repository: &Repository, steps: &mut Steps) {
    if !is_installed("cargo-deny") {
        return steps.skip("licences", "cargo-deny is not installed");
    }
    steps.run("licences", |_| {
        let mut cargo = repository.cargo();
        cargo.args(["deny", "--all-features", "check", "licenses", "bans", "sources"]);
        one(run(cargo))
    });
}

fn documentation(repository: &Repository) -> Command {
    let mut cargo = repository.cargo();
    cargo.args(["doc", "--quiet", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    cargo
}

fn all_tests(repository: &Repository, tests: &mut Tests) -> Outcome {
    let mut cargo = repository.cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast", "--", "--show-output"]);
    cargo.env("PATH", peers::path(repository));
    tests_run::run(repository, cargo, "tests", tests)
}

fn demo(repository: &Repository, profile: &str, steps: &mut Steps) {
    let program = repository.target().join(profile).join(PROGRAM);
    let mut help = repository.command(&program);
    help.arg("--help");
    let has_demo =
        stdout_of(help).is_ok_and(|said| said.lines().any(|line| line.trim_start().starts_with("demo")));
    if !has_demo {
        return steps.skip("demo", "the program has no demo yet");
    }
    steps.run("demo", |_| {
        let mut command = repository.command(&program);
        command.arg("demo");
        one(run(command))
    });
}

fn one(result: Result<(), String>) -> Outcome {
    result.map_err(|reason| vec![reason])
}
