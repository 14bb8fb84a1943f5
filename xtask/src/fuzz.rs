//! Runs the fuzz targets: one build for all of them, then each for a while on one core.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::fuzz_page;
use crate::repository::{Repository, is_installed, run as run_command, stdout_of};

/// How the program ends when an input breaks what must hold.
const FOUND: u8 = 8;
/// Seconds of processor time for each target unless told otherwise.
const SECONDS: u32 = 600;
/// So few seconds are not worth another start of a target.
const SECONDS_LEFT_MAX: u32 = 5;
/// Fields of `/proc/self/stat` behind the name of the program, and how many clock ticks a second has.
const CHILDREN_TIME_FIELDS: [usize; 2] = [13, 14];
const TICKS_PER_SEC: u64 = 100;
/// An input that takes longer is a finding.
const SECONDS_PER_INPUT_MAX: u32 = 20;
/// A target that takes more memory is a finding.
const MEBIBYTES_MAX: u32 = 2048;

/// What makes coverage known to the fuzzer, and memory errors to us.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Zsanitizer=address",
];

/// How fuzzing ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum FuzzError {
    /// It could not be done: why.
    NotRun(String),
    /// Inputs were found that break what must hold, one line each.
    Findings(Vec<String>),
}

impl From<String> for FuzzError {
    fn from(reason: String) -> Self {
        Self::NotRun(reason)
    }
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted<'a> {
    names: Vec<&'a str>,
    seconds: u32,
    list: bool,
    record: bool,
}

/// A target, as the program of the seeds names it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    name: String,
    length_max: String,
    about: String,
}

/// What came of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) name: String,
    pub(crate) processor_secs: u32,
    pub(crate) executions: u64,
    pub(crate) coverage: u64,
    pub(crate) corpus: usize,
    pub(crate) finding: Option<String>,
}

/// `[TARGET..] [--seconds N] [--record] [--list]`; ends with [`FOUND`] when something was found.
pub(crate) fn run(repository: &Repository, words: &[&str]) -> ExitCode {
    match fuzz_all(repository, words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(FuzzError::NotRun(reason)) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
        Err(FuzzError::Findings(findings)) => {
            findings.iter().for_each(|finding| eprintln!("{finding}"));
            ExitCode::from(FOUND)
        }
    }
}

fn fuzz_all(repository: &Repository, words: &[&str]) -> Result<(), FuzzError> {
    let wanted = read(words)?;
    check_tools()?;
    let programs = build(repository)?;
    let targets = listed(repository, &programs)?;
    if wanted.list {
        for target in &targets {
            println!("{:<24} {}", target.name, target.about);
        }
        return Ok(());
    }
    let chosen = choose(&targets, &wanted.names)?;
    let names: Vec<&str> = targets.iter().map(|target| &*target.name).collect();
    let mut tallies = Vec::new();
    for (number, target) in chosen.iter().enumerate() {
        let tally = fuzz(repository, &programs, target, wanted.seconds)?;
        println!("[{}/{}] {}", number + 1, chosen.len(), in_words(&tally));
        if wanted.record {
            fuzz_page::record(repository, &tally, &names)?;
        }
        tallies.push(tally);
    }
    let findings: Vec<String> =
        tallies.iter().filter(|tally| tally.finding.is_some()).map(in_words).collect();
    if findings.is_empty() { Ok(()) } else { Err(FuzzError::Findings(findings)) }
}

fn read<'a>(words: &[&'a str]) -> Result<Wanted<'a>, String> {
    let mut wanted = Wanted { names: Vec::new(), seconds: SECONDS, list: false, record: false };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--list" => wanted.list = true,
            "--record" => wanted.record = true,
            "--seconds" => {
                let number = words.next().and_then(|number| number.parse().ok()).filter(|number| *number > 0);
                wanted.seconds = number.ok_or("--seconds needs a number above zero")?;
            }
            option if option.starts_with('-') => return Err(format!("no such option: {option}")),
            name => wanted.names.push(name),
        }
    }
    Ok(wanted)
}

fn check_tools() -> Result<(), String> {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let found = Path::new(&compiler).is_file() || is_installed(&compiler);
    if found || is_installed("g++") || is_installed("clang++") {
        return Ok(());
    }
    Err("fuzzing needs a C++ compiler (c++, g++, clang++, or the one in CXX): libFuzzer is C++".to_owned())
}

/// The two programs, built with their own flags in their own place.
struct Programs {
    targets: PathBuf,
    seeds: PathBuf,
}

fn build(repository: &Repository) -> Result<Programs, String> {
    let mut rustc = repository.command(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.arg("-vV");
    let said = stdout_of(rustc)?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or("rustc does not say what machine this is")?;
    if !host.contains("linux") && !host.contains("apple") {
        return Err(format!(
            "fuzzing with an address sanitizer is set up for Linux and macOS, not for {host}"
        ));
    }
    let place = repository.path("fuzz/target");
    let mut cargo = repository.cargo();
    cargo.args(["build", "--release", "--bins", "--locked", "--target", host]);
    cargo.arg("--manifest-path").arg(repository.path("fuzz/Cargo.toml"));
    // The stable toolchain has the sanitizer, but lets nobody ask for it without this.
    cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", FLAGS.join(" ")).env("CARGO_TARGET_DIR", &place);
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS");
    run_command(cargo)?;
    let built = place.join(host).join("release");
    Ok(Programs { targets: built.join("targets"), seeds: built.join("seeds") })
}

fn listed(repository: &Repository, programs: &Programs) -> Result<Vec<Target>, String> {
    let mut seeds = repository.command(&programs.seeds);
    seeds.arg("--list");
    let said = stdout_of(seeds)?;
    Ok(said.lines().filter_map(target_of).collect())
}

fn target_of(line: &str) -> Option<Target> {
    let mut parts = line.splitn(3, '\t').map(str::to_owned);
    Some(Target { name: parts.next()?, length_max: parts.next()?, about: parts.next()? })
}

fn choose<'a>(targets: &'a [Target], names: &[&str]) -> Result<Vec<&'a Target>, String> {
    if let Some(unknown) = names.iter().find(|name| targets.iter().all(|target| target.name != **name)) {
        return Err(format!("no such target: {unknown}; `cargo xtask fuzz --list` shows them"));
    }
    let is_wanted = |target: &&Target| names.is_empty() || names.contains(&&*target.name);
    Ok(targets.iter().filter(is_wanted).collect())
}

fn fuzz(
    repository: &Repository,
    programs: &Programs,
    target: &Target,
    seconds: u32,
) -> Result<Tally, String> {
    let corpus = repository.path("fuzz/corpus").join(&target.name);
    let artifacts = repository.path("fuzz/artifacts").join(&target.name);
    std::fs::create_dir_all(&artifacts).map_err(|cause| format!("{}: {cause}", artifacts.display()))?;
    let mut seeds = repository.command(&programs.seeds);
    seeds.arg(repository.path("fuzz/corpus")).arg(&target.name);
    stdout_of(seeds)?;
    let log = artifacts.join("log");
    let (mut executions, mut left, before) = (0, seconds, children_secs());
    loop {
        let mut command = fuzzer(repository, programs, target, left);
        command.arg(format!("-artifact_prefix={}/", artifacts.display())).arg(&corpus);
        let file = std::fs::File::create(&log).map_err(|cause| format!("{}: {cause}", log.display()))?;
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).status();
        let status = status.map_err(|cause| format!("{}: {cause}", target.name))?;
        let said = std::fs::read(&log).map_err(|cause| format!("{}: {cause}", log.display()))?;
        let said = String::from_utf8_lossy(&said);
        let finding = input_found(&said).map(|input| repository.relative(Path::new(input)));
        if finding.is_none() && !status.success() {
            return Err(format!("{}: ended with {status}, see {}", target.name, repository.relative(&log)));
        }
        let (more, coverage) = figures(&said);
        executions += more;
        // libFuzzer counts time on the wall. Who waited for the processor has not fuzzed.
        let taken = children_secs().zip(before).map_or(seconds, |(now, before)| now.saturating_sub(before));
        left = seconds.saturating_sub(taken);
        if finding.is_some() || left <= SECONDS_LEFT_MAX {
            let corpus = files_of(&corpus).len();
            let name = target.name.clone();
            return Ok(Tally { name, processor_secs: taken, executions, coverage, corpus, finding });
        }
    }
}

/// Seconds of processor time of all ended children; `None` where the machine does not tell.
fn children_secs() -> Option<u32> {
    secs_of(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

fn secs_of(stat: &str) -> Option<u32> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let [user, system] = CHILDREN_TIME_FIELDS.map(|at| fields.get(at)?.parse::<u64>().ok());
    u32::try_from((user? + system?) / TICKS_PER_SEC).ok()
}

fn fuzzer(repository: &Repository, programs: &Programs, target: &Target, seconds: u32) -> Command {
    // Fuzzing takes one core for long; whoever works beside it goes first.
    let mut command = if is_installed("nice") {
        let mut nice = repository.command("nice");
        nice.args(["-n", "10"]).arg(&programs.targets);
        nice
    } else {
        repository.command(&programs.targets)
    };
    command.env("FUZZ_TARGET", &target.name);
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={}", target.length_max));
    command.arg(format!("-timeout={SECONDS_PER_INPUT_MAX}")).arg(format!("-rss_limit_mb={MEBIBYTES_MAX}"));
    command.arg("-print_final_stats=1");
    command
}

fn files_of(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).collect()
}

/// Where libFuzzer says it left the input that broke something.
fn input_found(said: &str) -> Option<&str> {
    said.lines()
        .rev()
        .find_map(|line| line.split_once("Test unit written to "))
        .map(|(_, input)| input.trim())
}

/// Executions and edges covered, out of what libFuzzer says.
fn figures(said: &str) -> (u64, u64) {
    let after = |line: &str, word: &str| {
        let rest = &line[line.find(word)? + word.len()..];
        rest.split_whitespace().next()?.parse::<u64>().ok()
    };
    let executions = |line: &str| line.strip_prefix('#')?.split_whitespace().next()?.parse::<u64>().ok();
    let done = said.lines().rev().find_map(executions).unwrap_or_default();
    let total = said.lines().rev().find_map(|line| after(line, "stat::number_of_executed_units:"));
    let coverage = said.lines().rev().find_map(|line| after(line, " cov: ")).unwrap_or_default();
    (total.unwrap_or(done), coverage)
}

fn in_words(tally: &Tally) -> String {
    let Tally { name, processor_secs, executions, coverage, corpus, finding } = tally;
    let found = finding.as_ref().map_or("no finding".to_owned(), |place| format!("FINDING: {place}"));
    format!(
        "{name}: {processor_secs} s, {executions} executions, {coverage} edges, {corpus} inputs kept, {found}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_read_or_refused() {
        let wanted = read(&["label", "--seconds", "5", "--record"]).unwrap();
        assert_eq!(wanted, Wanted { names: vec!["label"], seconds: 5, list: false, record: true });
        assert_eq!(read(&[]).unwrap().seconds, SECONDS);
        assert!(read(&["--seconds"]).is_err() && read(&["--seconds", "0"]).is_err());
        assert!(read(&["--fast"]).is_err());
    }

    #[test]
    fn an_unknown_target_is_refused_and_known_ones_are_chosen() {
        let targets = ["cbor\t9\ta", "label\t64\tb c\td"].map(|line| target_of(line).unwrap());
        assert_eq!(targets[1].about, "b c\td");
        assert_eq!(choose(&targets, &["label"]).unwrap(), [&targets[1]]);
        assert_eq!(choose(&targets, &[]).unwrap().len(), 2);
        assert!(choose(&targets, &["lable"]).is_err());
    }

    #[test]
    fn figures_are_those_of_the_end() {
        let said = "#2\tINITED cov: 10 ft: 11\n#400\tNEW    cov: 12 ft: 30 corp: 3/9b\n\
                    stat::number_of_executed_units: 512\n";
        assert_eq!(figures(said), (512, 12));
        assert_eq!(figures("#400\tNEW    cov: 12 ft: 30\n==1== ERROR"), (400, 12));
        assert_eq!(figures(""), (0, 0));
    }

    #[test]
    fn a_finding_is_what_was_written_down() {
        let said = "artifact_prefix='/r/a/'; Test unit written to /r/a/crash-1\nBase64: AA==\n";
        assert_eq!(input_found(said), Some("/r/a/crash-1"));
        assert_eq!(input_found("==1== libFuzzer: run interrupted; exiting"), None);
    }

    #[test]
    fn a_finding_is_told_with_its_place() {
        let place = "fuzz/artifacts/cbor/crash-1";
        let tally = Tally {
            name: "cbor".into(),
            processor_secs: 9,
            executions: 3,
            coverage: 2,
            corpus: 1,
            finding: Some(place.into()),
        };
        assert!(in_words(&tally).ends_with("FINDING: fuzz/artifacts/cbor/crash-1"));
        assert!(in_words(&Tally { finding: None, ..tally }).contains("9 s, 3 executions"));
    }

    #[test]
    fn the_time_of_children_is_read_behind_any_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 101 0 1 0 8 9 1250 150 20 0 1 0";
        assert_eq!(secs_of(stat), Some(14));
        assert_eq!(secs_of("7 (cat) S 1"), None);
    }
}
