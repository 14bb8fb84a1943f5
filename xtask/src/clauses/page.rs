//! The page itself.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::requirements::Requirement;
use super::tags::Tag;

const NO_FOREIGN_PEER: &str = include_str!("no_foreign_peer.md");

/// Counts of one group of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    rows: usize,
    shown: usize,
    musts: usize,
    musts_shown: usize,
}

impl Count {
    fn add(&mut self, row: &Requirement, is_shown: bool) {
        let is_must = row.level == "must";
        self.rows += 1;
        self.shown += usize::from(is_shown);
        self.musts += usize::from(is_must);
        self.musts_shown += usize::from(is_must && is_shown);
    }

    fn cells(self) -> String {
        format!("{} | {} | {} | {}", self.rows, self.shown, self.musts, self.musts_shown)
    }
}

type TestsById<'a> = BTreeMap<&'a str, Vec<&'a Tag>>;

/// The whole text of `docs/conformance.md`.
pub(crate) fn of(rows: &[Requirement], tags: &[Tag]) -> String {
    let mut tests = TestsById::new();
    for tag in tags {
        tests.entry(&tag.id).or_default().push(tag);
    }
    let mut page = String::from(
        "# Conformance\n\nWritten by `cargo xtask clauses` from the comments above the tests; not edited by \
         hand. A row is *shown* when at least one test names it, and *open* otherwise: an open row is not \
         known to be broken, but nothing would notice if it were.\n\n",
    );
    summary(&mut page, rows, &tests);
    let _ = write!(page, "\n## What no foreign program has confirmed\n\n{NO_FOREIGN_PEER}");
    sections(&mut page, rows, &tests);
    all_rows(&mut page, rows, &tests);
    labels(&mut page, rows, &tests);
    page
}

fn sources_of(rows: &[Requirement]) -> Vec<&str> {
    let mut sources: Vec<&str> = Vec::new();
    for row in rows {
        if !sources.contains(&&row.source[..]) {
            sources.push(&row.source);
        }
    }
    sources
}

fn summary(page: &mut String, rows: &[Requirement], tests: &TestsById<'_>) {
    page.push_str("## Summary\n\n| Source | Rows | Shown | Musts | Musts shown |\n|---|---|---|---|---|\n");
    let mut all = Count::default();
    for source in sources_of(rows) {
        let mut count = Count::default();
        for row in rows.iter().filter(|row| row.source == source) {
            count.add(row, tests.contains_key(&row.id[..]));
            all.add(row, tests.contains_key(&row.id[..]));
        }
        let _ = writeln!(page, "| {source} | {} |", count.cells());
    }
    let _ = writeln!(page, "| **all** | {} |", all.cells());
}

fn sections(page: &mut String, rows: &[Requirement], tests: &TestsById<'_>) {
    page.push_str("\n## By section\n\nSections with at least one row that is shown.\n\n");
    page.push_str("| Section | Rows | Shown | Musts | Musts shown |\n|---|---|---|---|---|\n");
    let mut order: Vec<(&str, Count)> = Vec::new();
    for row in rows {
        let section = row.section();
        let at = order.iter().position(|(name, _)| *name == section).unwrap_or_else(|| {
            order.push((section, Count::default()));
            order.len() - 1
        });
        order[at].1.add(row, tests.contains_key(&row.id[..]));
    }
    for (section, count) in order.into_iter().filter(|(_, count)| count.shown > 0) {
        let _ = writeln!(page, "| {section} | {} |", count.cells());
    }
}

fn all_rows(page: &mut String, rows: &[Requirement], tests: &TestsById<'_>) {
    for source in sources_of(rows) {
        let _ = write!(
            page,
            "\n## {source}: every row\n\n| Row | Level | Role | Requirement | Tests |\n|---|---|---|---|---|\n"
        );
        for row in rows.iter().filter(|row| row.source == source) {
            let shown_by = tests.get(&row.id[..]).map_or_else(|| "open".to_owned(), |tags| names_of(tags));
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} | {shown_by} |",
                row.id,
                row.level,
                row.role,
                cell(&row.text)
            );
        }
    }
}

fn labels(page: &mut String, rows: &[Requirement], tests: &TestsById<'_>) {
    page.push_str("\n## Clauses of other standards\n\n| Clause | Tests |\n|---|---|\n");
    for (id, tags) in tests.iter().filter(|(id, _)| !rows.iter().any(|row| row.id == **id)) {
        let _ = writeln!(page, "| {id} | {} |", names_of(tags));
    }
}

fn names_of(tags: &[&Tag]) -> String {
    let mut names: Vec<String> = tags
        .iter()
        .map(|tag| format!("{}: `{}`", tag.package.as_deref().unwrap_or(&tag.file), tag.test))
        .collect();
    names.sort();
    names.dedup();
    names.join("<br>")
}

/// `text` as one cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, level: &str) -> Requirement {
        Requirement {
            id: id.to_owned(),
            source: id.split('-').next().unwrap_or_default().to_owned(),
            role: "any".to_owned(),
            level: level.to_owned(),
            text: "a | <b>".to_owned(),
        }
    }

    fn tag(id: &str, test: &str) -> Tag {
        Tag {
            id: id.to_owned(),
            file: "f".to_owned(),
            line: 1,
            test: test.to_owned(),
            package: Some("net".to_owned()),
        }
    }

    #[test]
    fn rows_are_counted_by_source_and_section_and_open_ones_are_named() {
        let rows =
            [row("A-1-01", "must"), row("A-1-02", "should"), row("A-2-01", "must"), row("B-1-01", "must")];
        let tags =
            [tag("A-1-01", "second"), tag("A-1-01", "first"), tag("A-1-01", "first"), tag("RFC1-2", "first")];
        let page = of(&rows, &tags);
        for line in [
            "| A | 3 | 1 | 2 | 1 |",
            "| B | 1 | 0 | 1 | 0 |",
            "| **all** | 4 | 1 | 3 | 1 |",
            "| A-1 | 2 | 1 | 1 | 1 |",
            "| A-1-01 | must | any | a \\| &lt;b> | net: `first`<br>net: `second` |",
            "| A-2-01 | must | any | a \\| &lt;b> | open |",
            "| RFC1-2 | net: `first` |",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        assert!(!page.contains("\n| A-2 |"), "a section without a test is not in the list of sections");
    }
}
