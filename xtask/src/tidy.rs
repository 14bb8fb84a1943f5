//! What a reader may stumble over: shown to reviewers, never a failure.

use std::path::Path;

use crate::Outcome;
use crate::files;
use crate::repository::Repository;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const VAGUE_NAMES: &[&str] = &[
    "common", "core", "utils", "util", "helpers", "helper", "misc", "manager", "handler", "data", "inner",
    "handy",
];

/// Prints every finding, one line each.
pub(crate) fn show(repository: &Repository) -> Outcome {
    let mut count = 0;
    for below in ["crates", "xtask", "fuzz"] {
        for path in files::below(&repository.path(below), &["rs"]) {
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let file = repository.relative(&path);
            for finding in findings_in(&file, &text).into_iter().chain(dead_file(&path, &file)) {
                println!("{finding}");
                count += 1;
            }
        }
    }
    println!("tidy: {count} findings");
    Ok(())
}

fn findings_in(file: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut findings = Vec::new();
    if lines.len() > FILE_LINES_MAX {
        findings.push(format!("{file}: {} lines", lines.len()));
    }
    if !lines.first().is_some_and(|line| line.starts_with("//!")) {
        findings.push(format!("{file}:1: does not begin with what it is about (`//!`)"));
    }
    if Path::new(file).file_stem().is_some_and(|stem| VAGUE_NAMES.iter().any(|name| stem == *name)) {
        findings.push(format!("{file}: the name does not say what is in it"));
    }
    let is_test_file = file.contains("/tests/");
    let tests_start = lines.iter().position(|line| line.trim() == "#[cfg(test)]").unwrap_or(lines.len());
    for (at, line) in lines.iter().enumerate() {
        let place = format!("{file}:{}", at + 1);
        let is_test = is_test_file || at > tests_start;
        if line.trim_start().starts_with("#[ignore") {
            findings.push(format!("{place}: an ignored test"));
        }
        if is_test && line.contains("sleep(") && !line.trim_start().starts_with("//") {
            findings.push(format!("{place}: a test that sleeps"));
        }
        if line.contains("todo!(") || line.contains("unimplemented!(") {
            findings.push(format!("{place}: left open"));
        }
        if let Some(length) = function_length(&lines, at).filter(|length| *length > FUNCTION_LINES_MAX) {
            findings.push(format!("{place}: a function of {length} lines"));
        }
    }
    // This file speaks of what it looks for.
    findings.retain(|_| !file.ends_with("xtask/src/tidy.rs"));
    findings
}

/// The lines of the function that starts on line `at`, by its indentation as rustfmt leaves it.
fn function_length(lines: &[&str], at: usize) -> Option<usize> {
    let line = lines[at];
    let trimmed = line.trim_start();
    let starts =
        ["fn ", "pub fn ", "pub(crate) fn ", "async fn ", "pub async fn ", "const fn ", "pub const fn "];
    if !starts.iter().any(|start| trimmed.starts_with(start)) || line.trim_end().ends_with(['}', ';']) {
        return None;
    }
    let end = format!("{}}}", &line[..line.len() - trimmed.len()]);
    lines[at..].iter().position(|candidate| *candidate == end).map(|length| length + 1)
}

/// A file that no `mod` line beside or above it names is never compiled.
fn dead_file(path: &Path, file: &str) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    if ["main", "lib", "mod", "build"].contains(&stem)
        || file.contains("/fuzz_targets/")
        || file.contains("/bin/")
    {
        return None;
    }
    let directory = path.parent()?;
    let beside = ["mod.rs", "lib.rs", "main.rs"].map(|name| directory.join(name));
    let above = directory.with_extension("rs");
    let is_root = ["tests", "examples", "benches"].iter().any(|name| directory.ends_with(name));
    let wanted = format!("mod {stem};");
    let named = beside
        .iter()
        .chain([&above])
        .any(|parent| std::fs::read_to_string(parent).is_ok_and(|text| text.contains(&wanted)));
    (!named && !is_root && !is_named_by_path(path, directory))
        .then(|| format!("{file}: no `mod` line names it"))
}

/// Whether a file beside it names it in a `#[path]`, as tests do that stand outside the file they test.
fn is_named_by_path(path: &Path, directory: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let wanted = format!("#[path = \"{name}\"]");
    let Ok(entries) = std::fs::read_dir(directory) else { return false };
    entries
        .filter_map(Result::ok)
        .any(|entry| std::fs::read_to_string(entry.path()).is_ok_and(|text| text.contains(&wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_functions_are_measured_by_their_closing_brace() {
        let text =
            format!("//! A.\nimpl A {{\n    pub fn long() {{\n{}    }}\n}}\n", "        x();\n".repeat(80));
        assert_eq!(findings_in("crates/a/src/a.rs", &text), ["crates/a/src/a.rs:3: a function of 82 lines"]);
        assert_eq!(
            findings_in("crates/a/src/a.rs", "//! A.\nfn short() {\n    x();\n}\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn names_headers_sleeps_and_open_ends_are_found() {
        let text = "fn a() {\n    todo!();\n}\n#[ignore]\nfn b() {\n    thread::sleep(x);\n}\n";
        let findings = findings_in("crates/a/tests/utils.rs", text);
        assert_eq!(findings.len(), 5, "{findings:#?}");
    }

    #[test]
    fn a_file_over_the_limit_is_found() {
        let text = format!("//! A.\n{}", "// line\n".repeat(FILE_LINES_MAX));
        assert_eq!(findings_in("crates/a/src/a.rs", &text), ["crates/a/src/a.rs: 601 lines"]);
    }
}
