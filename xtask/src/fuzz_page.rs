//! The page with the last recorded run of each fuzz target.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use crate::fuzz::Tally;
use crate::repository::{Repository, stdout_of};

const PAGE: &str = "docs/fuzzing.md";
/// The table stands behind this line of the page, and is all that is rewritten.
const TABLE_HEAD: &str = "## Last recorded run of each target";
const COLUMNS: &str = "| Target | Date | Processor s | Executions | Edges | Inputs kept | Findings |\n\
                       |---|---|---|---|---|---|---|\n";

/// Writes one run down in place of the last one of its target; targets that are no more leave the page.
pub(crate) fn record(repository: &Repository, tally: &Tally, targets: &[&str]) -> Result<(), String> {
    let page = repository.read(PAGE)?;
    let mut date = Command::new("date");
    date.args(["-u", "+%Y-%m-%d"]);
    let date = stdout_of(date)?;
    repository.write(PAGE, &with(&page, tally, date.trim(), targets)?)
}

fn with(page: &str, tally: &Tally, date: &str, targets: &[&str]) -> Result<String, String> {
    let Some((before, after)) = page.split_once(TABLE_HEAD) else {
        return Err(format!("{PAGE} has no line {TABLE_HEAD:?}"));
    };
    let mut rows: BTreeMap<&str, String> = after.lines().filter_map(named_row).collect();
    rows.insert(&tally.name, row(tally, date));
    let mut written = format!("{before}{TABLE_HEAD}\n\n{COLUMNS}");
    for target in targets {
        let _ = match rows.get(target) {
            Some(row) => writeln!(written, "{row}"),
            None => writeln!(written, "| {target} | never | | | | | |"),
        };
    }
    Ok(written)
}

fn named_row(line: &str) -> Option<(&str, String)> {
    Some((line.strip_prefix("| ")?.split_once(" |")?.0, line.to_owned()))
}

fn row(tally: &Tally, date: &str) -> String {
    let Tally { name, processor_secs, executions, coverage, corpus, finding } = tally;
    let found = if finding.is_some() { "yes" } else { "none" };
    format!("| {name} | {date} | {processor_secs} | {executions} | {coverage} | {corpus} | {found} |")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(finding: Option<String>) -> Tally {
        Tally { name: "cbor".into(), processor_secs: 601, executions: 3, coverage: 2, corpus: 1, finding }
    }

    #[test]
    fn a_run_takes_the_place_of_the_last_one_of_its_target_alone() {
        let page = format!(
            "text\n{TABLE_HEAD}\n\n{COLUMNS}| gone | d | 1 | 1 | 1 | 1 | none |\n| label | d | 1 | 1 | 1 | 1 | none |\n\
             | cbor | d | 1 | 1 | 1 | 1 | none |\n"
        );
        let written = with(&page, &tally(None), "2026-01-02", &["cbor", "label", "pem"]).unwrap();
        let rows: Vec<&str> = written.lines().skip(5).collect();
        let expected = [
            "| cbor | 2026-01-02 | 601 | 3 | 2 | 1 | none |",
            "| label | d | 1 | 1 | 1 | 1 | none |",
            "| pem | never | | | | | |",
        ];
        assert_eq!(rows, expected);
        assert!(written.starts_with("text\n## Last"));
        let again = with(&written, &tally(Some("crash-1".into())), "2026-01-03", &["cbor"]).unwrap();
        assert!(again.ends_with("| cbor | 2026-01-03 | 601 | 3 | 2 | 1 | yes |\n"));
    }

    #[test]
    fn a_page_without_the_head_is_not_written() {
        assert!(with("text", &tally(None), "2026-01-02", &[]).is_err());
    }
}
