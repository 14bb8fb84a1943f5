//! Which clause of the sources is shown by which test: `docs/conformance.md`.
//!
//! Rows come from `conformance/requirements.csv`; tests name them in a comment above: `// verifies: ID, ID`.

mod page;
mod requirements;
pub(crate) mod tags;

use crate::Outcome;
use crate::repository::Repository;
use requirements::Requirement;
use tags::Tag;

const ROWS: &str = "conformance/requirements.csv";
const PAGE: &str = "docs/conformance.md";
/// Where the rows are kept by those who maintain them, when that folder lies beside this one.
const ORIGINAL_ROWS: &str = "../shared/spec/requirements.csv";

/// Writes the page.
pub(crate) fn write(repository: &Repository) -> Outcome {
    let (page, complaints) = build(repository)?;
    repository.write(PAGE, &page).map_err(|reason| vec![reason])?;
    println!("wrote {PAGE}");
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}

/// Compares the page with what would be written.
pub(crate) fn check(repository: &Repository) -> Outcome {
    let (page, mut complaints) = build(repository)?;
    if repository.read(PAGE).ok().as_deref() != Some(&page) {
        complaints.push(format!("{PAGE} is out of date: run `cargo xtask clauses`"));
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}

fn build(repository: &Repository) -> Result<(String, Vec<String>), Vec<String>> {
    let rows =
        repository.read(ROWS).and_then(|text| requirements::parse(&text)).map_err(|reason| vec![reason])?;
    if let (Ok(own), Ok(original)) = (repository.read(ROWS), repository.read(ORIGINAL_ROWS))
        && own != original
    {
        eprintln!("warning: {ROWS} differs from {ORIGINAL_ROWS}");
    }
    let (tags, mut complaints) = tags::find_all(repository);
    complaints.extend(tags.iter().filter_map(|tag| complaint_about(tag, &rows)));
    let shown = rows.iter().filter(|row| tags.iter().any(|tag| tag.id == row.id)).count();
    println!("clauses: {} rows, {shown} with a test, {} tags", rows.len(), tags.len());
    Ok((page::of(&rows, &tags), complaints))
}

fn complaint_about(tag: &Tag, rows: &[Requirement]) -> Option<String> {
    let known = is_label(&tag.id) || rows.iter().any(|row| row.id == tag.id);
    (!known).then(|| format!("{}:{}: no row {} in {ROWS}", tag.file, tag.line, tag.id))
}

/// Whether `id` names a clause of a standard that the rows do not list.
fn is_label(id: &str) -> bool {
    let numbered = |prefix: &str| {
        id.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    ["RFC", "MQTT-", "MQTT311-", "XEP-"].into_iter().any(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(id: &str) -> Tag {
        Tag { id: id.to_owned(), file: "a.rs".to_owned(), line: 7, test: "t".to_owned(), package: None }
    }

    #[test]
    fn a_tag_without_a_row_is_a_complaint_unless_it_is_a_label_of_a_standard() {
        let rows = requirements::parse("id,source,role,level,requirement,verify\nTS-C1,TS,any,must,a,b\n")
            .expect("parses");
        assert_eq!(complaint_about(&tag("TS-C1"), &rows), None);
        assert_eq!(complaint_about(&tag("RFC7252-4.2"), &rows), None);
        assert_eq!(complaint_about(&tag("MQTT-3.3.1-2"), &rows), None);
        assert_eq!(complaint_about(&tag("MQTT311-3.3.1-2"), &rows), None);
        let complaint = complaint_about(&tag("TS-C9"), &rows).expect("there is no such row");
        assert_eq!(complaint, "a.rs:7: no row TS-C9 in conformance/requirements.csv");
        assert!(complaint_about(&tag("RFC-4.2"), &rows).is_some());
    }
}
