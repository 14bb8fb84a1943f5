//! The table of attacks in `docs/security.md`, held against the rows of ownership and against the tests.

use std::collections::BTreeSet;

use crate::Outcome;
use crate::files;
use crate::repository::Repository;

const PAGE: &str = "docs/security.md";
const ROWS: &str = "conformance/requirements.csv";

/// Every ownership row stands in the table once, and every test that the page names exists.
pub(crate) fn check(repository: &Repository) -> Outcome {
    let read = |path| repository.read(path).map_err(|reason| vec![reason]);
    let (page, rows) = (read(PAGE)?, read(ROWS)?);
    let mut tests = BTreeSet::new();
    for path in files::below(&repository.path("crates"), &["rs"]) {
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|cause| vec![format!("{}: {cause}", repository.relative(&path))])?;
        tests.extend(functions_of(&text).map(str::to_owned));
    }
    let complaints = complaints_about(&page, &ids_of(&rows), &tests);
    println!("attacks: {} rows", ids_of(&rows).len());
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}

fn ids_of(rows: &str) -> Vec<&str> {
    rows.lines().filter_map(|line| line.split(',').next()).filter(|id| id.starts_with("TS-")).collect()
}

fn functions_of(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let line = line.trim_start();
        let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
        rest.split('(').next()
    })
}

fn complaints_about(page: &str, ids: &[&str], tests: &BTreeSet<String>) -> Vec<String> {
    let cells = |line: &str| -> Vec<String> { line.split('|').map(|cell| cell.trim().to_owned()).collect() };
    let lines: Vec<Vec<String>> = page.lines().filter(|line| line.starts_with('|')).map(cells).collect();
    let mut complaints = Vec::new();
    for id in ids {
        let of: Vec<&Vec<String>> = lines.iter().filter(|cells| cells[1] == *id).collect();
        match of[..] {
            [cells] if cells.len() < 5 => complaints.push(format!("{PAGE}: {id} lacks a cell")),
            [cells] => {
                let is_open = cells[4].starts_with("open");
                if is_open != cells[3].is_empty() {
                    complaints.push(format!("{PAGE}: {id} has a test or is open, and not both"));
                }
            }
            _ => complaints.push(format!("{PAGE}: {id} has {} rows", of.len())),
        }
    }
    for cells in &lines {
        for name in cells.iter().flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
            let is_test = name.contains('_') && !name.contains(['/', '.', ' ']);
            if is_test
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
                && !tests.contains(name)
            {
                complaints.push(format!("{PAGE}: there is no test {name}"));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(page: &str) -> Vec<String> {
        let tests =
            functions_of("    fn it_is_refused() {\nasync fn another_one() {}").map(str::to_owned).collect();
        complaints_about(page, &["TS-C1", "TS-C2"], &tests)
    }

    #[test]
    fn each_row_stands_once_with_tests_that_exist_or_is_open() {
        let good =
            "| TS-C1 | a | `it_is_refused`<br>`another_one` | refused |\n| TS-C2 | b | | open: not built |\n";
        assert_eq!(about(good), Vec::<String>::new());
        assert_eq!(
            about("| TS-C1 | a | `it_is_refused` | refused |"),
            ["docs/security.md: TS-C2 has 0 rows"]
        );
        let gone = good.replace("another_one", "it_is_gone");
        assert_eq!(about(&gone), ["docs/security.md: there is no test it_is_gone"]);
        let untested = good.replace("open: not built", "refused");
        assert_eq!(about(&untested), ["docs/security.md: TS-C2 has a test or is open, and not both"]);
    }
}
