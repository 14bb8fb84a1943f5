//! Breaks one thing at a time and sees the tests notice.
//!
//! `conformance/mutants/ID.patch` breaks what the row ID asks for. It is applied to a copy of the working
//! tree; the tests that name ID must then fail. A row may have several: `ID~name.patch`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;
use crate::clauses::tags::{self, Tag};
use crate::repository::{Repository, output_of, stdout_of};

const PATCHES: &str = "conformance/mutants";
const PAGE: &str = "docs/mutants.md";

/// What became of one mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    /// These tests failed.
    Noticed(Vec<String>),
    /// All tests that name the row passed.
    Survived,
    /// The mutant says nothing: the reason.
    Void(String),
}

/// Runs the mutants of the ids or names `wanted`, or all, and writes what became of them into the page; the
/// rows of others stay as they are.
pub(crate) fn run(repository: &Repository, wanted: &[&str]) -> Outcome {
    let patches = patches(repository, wanted);
    if patches.is_empty() {
        return Err(vec![format!("no such mutant in {PATCHES}")]);
    }
    let (tags, _) = tags::find_all(repository);
    let copy = Copy::of(repository).map_err(|reason| vec![reason])?;
    let names: Vec<String> = self::patches(repository, &[]).iter().map(|patch| name_of(patch)).collect();
    let written = repository.read(PAGE).unwrap_or_default();
    let mut fates = Vec::new();
    for (number, patch) in patches.iter().enumerate() {
        let name = name_of(patch);
        println!("[{}/{}] {name}", number + 1, patches.len());
        let fate = copy.fate_of(repository, patch, &tests_of(&name, &tags)).unwrap_or_else(Fate::Void);
        println!("[{}/{}] {name}: {}", number + 1, patches.len(), in_words(&fate));
        fates.push((name, fate));
        // After each, since all of them take an hour.
        let page = page(&names, &written, &fates, &today());
        repository.write(PAGE, &page).map_err(|reason| vec![reason])?;
    }
    println!("wrote {PAGE}");
    let complaints: Vec<String> = fates
        .iter()
        .filter(|(_, fate)| !matches!(fate, Fate::Noticed(_)))
        .map(|(name, fate)| format!("{name}: {}", in_words(fate)))
        .collect();
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}

/// Whether every patch still fits the code. None is run: that takes an hour.
pub(crate) fn check(repository: &Repository) -> Outcome {
    let misfit = |patch: &PathBuf| {
        let mut apply = repository.command("git");
        apply.args(["apply", "--check", "--whitespace=nowarn"]).arg(patch);
        stdout_of(apply).err().map(|reason| format!("{}: {reason}", repository.relative(patch)))
    };
    let complaints: Vec<String> = patches(repository, &[]).iter().filter_map(misfit).collect();
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}

fn patches(repository: &Repository, wanted: &[&str]) -> Vec<PathBuf> {
    let mut patches = crate::files::below(&repository.path(PATCHES), &["patch"]);
    patches.retain(|patch| {
        let name = name_of(patch);
        wanted.is_empty() || wanted.iter().any(|wanted| name == *wanted || id_of(&name) == *wanted)
    });
    patches
}

fn name_of(patch: &Path) -> String {
    patch.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn id_of(name: &str) -> &str {
    name.split('~').next().unwrap_or(name)
}

/// The tests cargo can run that name the row of the mutant `name`: crate and test.
fn tests_of(name: &str, tags: &[Tag]) -> BTreeSet<(String, String)> {
    let tags = tags.iter().filter(|tag| tag.id == id_of(name));
    tags.filter_map(|tag| Some((tag.package.clone()?, tag.test.clone()))).collect()
}

/// A copy of the working tree, with a build directory of its own.
struct Copy {
    tree: PathBuf,
    build_directory: PathBuf,
}

impl Copy {
    fn of(repository: &Repository) -> Result<Self, String> {
        let place = repository.target().join("mutants");
        let copy = Self { tree: place.join("tree"), build_directory: place.join("build") };
        copy.refresh(repository)?;
        Ok(copy)
    }

    /// Makes the copy like the working tree again. Unchanged files keep their age, so little is built anew.
    fn refresh(&self, repository: &Repository) -> Result<(), String> {
        let mut git = repository.command("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listed = stdout_of(git)?;
        for name in listed.split('\0').filter(|name| !name.is_empty()) {
            copy_if_different(&repository.path(name), &self.tree.join(name))
                .map_err(|cause| format!("copying {name}: {cause}"))?;
        }
        Ok(())
    }

    fn fate_of(
        &self,
        repository: &Repository,
        patch: &Path,
        tests: &BTreeSet<(String, String)>,
    ) -> Result<Fate, String> {
        if tests.is_empty() {
            return Ok(Fate::Void("no test names its row".to_owned()));
        }
        self.refresh(repository)?;
        let mut apply = self.command("git");
        apply.args(["apply", "--whitespace=nowarn"]).arg(patch);
        // Without a repository above it, git applies the patch to plain files.
        apply.env("GIT_CEILING_DIRECTORIES", self.tree.parent().unwrap_or(&self.tree));
        stdout_of(apply).map_err(|reason| format!("the patch does not apply: {reason}"))?;
        let fate = self.judge(tests);
        self.refresh(repository)?;
        fate
    }

    fn judge(&self, tests: &BTreeSet<(String, String)>) -> Result<Fate, String> {
        let mut noticed = Vec::new();
        for (package, test) in tests {
            let mut build = self.cargo(package);
            build.arg("--no-run");
            let built = output_of(build)?;
            if !built.status.success() {
                return Ok(Fate::Void(format!("{package} does not build: a compiler is no test")));
            }
            let mut cargo = self.cargo(package);
            cargo.arg(test);
            let output = output_of(cargo)?;
            let said = String::from_utf8_lossy(&output.stdout);
            if !said.lines().any(|line| line.starts_with("test ") && line.contains(&test[..])) {
                return Ok(Fate::Void(format!("{package} has no test {test}")));
            }
            if !output.status.success() {
                noticed.push(format!("{package}: {test}"));
            }
        }
        Ok(if noticed.is_empty() { Fate::Survived } else { Fate::Noticed(noticed) })
    }

    fn cargo(&self, package: &str) -> Command {
        let mut cargo = self.command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["test", "--package", package]).env("CARGO_TARGET_DIR", &self.build_directory);
        cargo
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.tree);
        command
    }
}

fn copy_if_different(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_file() {
        // Removed in the working tree and not yet in the index.
        return if to.is_file() { std::fs::remove_file(to) } else { Ok(()) };
    }
    let content = std::fs::read(from)?;
    if std::fs::read(to).is_ok_and(|copied| copied == content) {
        return Ok(());
    }
    if let Some(directory) = to.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(to, content)
}

fn in_words(fate: &Fate) -> String {
    match fate {
        Fate::Noticed(tests) => format!("noticed by {}", tests.join(", ")),
        Fate::Survived => "SURVIVED: its tests do not notice".to_owned(),
        Fate::Void(reason) => format!("VOID: {reason}"),
    }
}

/// The page after `fates` were seen on `date`: a row for each of `names`, from `written` where it was not run
/// this time.
fn page(names: &[String], written: &str, fates: &[(String, Fate)], date: &str) -> String {
    let mut page = format!(
        "# Mutants\n\nWritten by `cargo xtask mutants`. Each patch in `{PATCHES}` breaks what one row asks for; the \
         tests that name the row must then fail.\n\n| Mutant | Run on | What became of it |\n|---|---|---|\n"
    );
    for name in names {
        let fresh = fates.iter().find(|(of, _)| of == name);
        let row = fresh.map(|(_, fate)| format!("| {name} | {date} | {} |", in_words(fate)));
        let earlier =
            || written.lines().find(|line| line.starts_with(&format!("| {name} | "))).map(String::from);
        let row = row.or_else(earlier).unwrap_or_else(|| format!("| {name} | never | |"));
        let _ = writeln!(page, "{row}");
    }
    page
}

/// The date in UTC, as `git` writes it.
fn today() -> String {
    let mut date = Command::new("date");
    date.args(["-u", "+%Y-%m-%d"]);
    stdout_of(date).map_or_else(|_| "an unknown day".to_owned(), |date| date.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_is_judged_by_the_tests_that_name_its_row() {
        let tag = |id: &str, package: Option<&str>, test: &str| Tag {
            id: id.to_owned(),
            file: "f".to_owned(),
            line: 1,
            test: test.to_owned(),
            package: package.map(str::to_owned),
        };
        let tags = [
            tag("TS-C1", Some("net"), "one"),
            tag("TS-C1", None, "in_python"),
            tag("TS-C2", Some("net"), "two"),
        ];
        let expected = BTreeSet::from([("net".to_owned(), "one".to_owned())]);
        assert_eq!(tests_of("TS-C1", &tags), expected);
        assert_eq!(tests_of("TS-C1~other way", &tags), expected);
        assert_eq!(tests_of("TS-C9", &tags), BTreeSet::new());
    }

    #[test]
    fn the_page_names_every_fate_and_keeps_those_of_earlier_days() {
        let names = ["TS-C1", "TS-C2", "TS-C3", "TS-C4"].map(str::to_owned);
        let written = "| TS-C1 | 2026-01-01 | VOID: x |\n| TS-C3 | 2026-01-01 | noticed by net: three |\n\
                       | TS-GONE | 2026-01-01 | noticed by net: gone |\n";
        let fates = [
            ("TS-C1".to_owned(), Fate::Noticed(vec!["net: one".to_owned()])),
            ("TS-C2".to_owned(), Fate::Survived),
        ];
        let page = page(&names, written, &fates, "2026-01-02");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| TS-")).collect();
        let expected = [
            "| TS-C1 | 2026-01-02 | noticed by net: one |",
            "| TS-C2 | 2026-01-02 | SURVIVED: its tests do not notice |",
            "| TS-C3 | 2026-01-01 | noticed by net: three |",
            "| TS-C4 | never | |",
        ];
        assert_eq!(rows, expected);
    }
}
