//! The comments above tests that name what the test shows.

use std::path::Path;

use crate::files;
use crate::repository::Repository;

/// One id in one comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// A row or a label.
    pub(crate) id: String,
    /// The file, from the root.
    pub(crate) file: String,
    /// The line of the comment, from 1.
    pub(crate) line: usize,
    /// The name of the test below it.
    pub(crate) test: String,
    /// The crate, for tests that cargo runs.
    pub(crate) package: Option<String>,
}

/// Every tag of every test, in the order of files and lines, and complaints about comments without a test.
pub(crate) fn find_all(repository: &Repository) -> (Vec<Tag>, Vec<String>) {
    let mut tags = Vec::new();
    let mut complaints = Vec::new();
    let places = [("crates", &["rs"][..]), ("conformance", &["py", "rs"]), ("console/tests", &["mjs", "ts"])];
    for (below, extensions) in places {
        for path in files::below(&repository.path(below), extensions) {
            let file = repository.relative(&path);
            match std::fs::read_to_string(&path) {
                Ok(text) => find_in(&file, &text, &mut tags, &mut complaints),
                Err(cause) => complaints.push(format!("{file}: {cause}")),
            }
        }
    }
    (tags, complaints)
}

fn find_in(file: &str, text: &str, tags: &mut Vec<Tag>, complaints: &mut Vec<String>) {
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        let first = at;
        let Some(mut list) = verified_in(lines[at]).map(str::to_owned) else {
            at += 1;
            continue;
        };
        at += 1;
        while list.trim_end().ends_with(',') {
            let Some(more) = lines.get(at).and_then(|line| comment_of(line)) else { break };
            list.push_str(more);
            at += 1;
        }
        let Some(test) = lines[at..].iter().find_map(|line| test_on(line)) else {
            complaints.push(format!("{file}:{}: no test follows this comment", first + 1));
            continue;
        };
        let ids = list.split(',').map(str::trim).filter(|id| !id.is_empty());
        tags.extend(ids.map(|id| Tag {
            id: id.to_owned(),
            file: file.to_owned(),
            line: first + 1,
            test: test.to_owned(),
            package: package_of(file),
        }));
    }
}

fn comment_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = line.strip_prefix("//").or_else(|| line.strip_prefix('#'))?;
    (!rest.starts_with(['/', '!', '['])).then_some(rest)
}

fn verified_in(line: &str) -> Option<&str> {
    comment_of(line)?.trim_start().strip_prefix("verifies:")
}

/// The name of the function that starts on `line`, in Rust or Python; in a list of macro cases, the case; in the
/// tests of the console, the first argument of `test`.
fn test_on(line: &str) -> Option<&str> {
    let line = line.trim_start();
    if let Some(after) = line.strip_prefix("test('") {
        return after.split_once('\'').map(|(name, _)| name);
    }
    let after = ["fn ", "pub fn ", "pub(crate) fn ", "async fn ", "def ", "class "]
        .into_iter()
        .find_map(|start| line.strip_prefix(start))?;
    let end = after.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(after.len());
    Some(&after[..end])
}

fn package_of(file: &str) -> Option<String> {
    let mut parts = Path::new(file).components();
    let is_crate = parts.next()?.as_os_str() == "crates";
    let name = parts.next()?.as_os_str().to_string_lossy().into_owned();
    is_crate.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> (Vec<(String, String, usize)>, usize) {
        let (mut tags, mut complaints) = (Vec::new(), Vec::new());
        find_in("crates/net/tests/it/a.rs", text, &mut tags, &mut complaints);
        assert!(tags.iter().all(|tag| tag.package.as_deref() == Some("net")));
        (tags.into_iter().map(|tag| (tag.id, tag.test, tag.line)).collect(), complaints.len())
    }

    fn one(id: &str, test: &str, line: usize) -> (String, String, usize) {
        (id.to_owned(), test.to_owned(), line)
    }

    #[test]
    fn the_ids_of_a_comment_go_to_the_test_below_it() {
        let text = "\n// verifies: A-1, B-2\n#[test]\nfn rule() {}\n// plain comment\nfn other() {}\n";
        assert_eq!(found(text), (vec![one("A-1", "rule", 2), one("B-2", "rule", 2)], 0));
    }

    #[test]
    fn a_list_goes_on_after_a_comma() {
        let text = "    // verifies: A-1,\n    //     B-2\n    #[test]\n    fn rule() {}\n";
        assert_eq!(found(text), (vec![one("A-1", "rule", 1), one("B-2", "rule", 1)], 0));
    }

    #[test]
    fn two_comments_may_stand_above_one_test() {
        let text = "// verifies: A-1\n// verifies: B-2\n#[test]\nasync fn rule() {}\n";
        assert_eq!(found(text), (vec![one("A-1", "rule", 1), one("B-2", "rule", 2)], 0));
    }

    #[test]
    fn python_tests_are_found() {
        assert_eq!(found("# verifies: A-1\ndef test_it():\n"), (vec![one("A-1", "test_it", 1)], 0));
    }

    #[test]
    fn tests_of_the_console_are_found() {
        let text = "// verifies: A-1\ntest('a_password_is_masked', async () => {\n";
        assert_eq!(found(text), (vec![one("A-1", "a_password_is_masked", 1)], 0));
    }

    #[test]
    fn a_comment_without_a_test_is_a_complaint() {
        assert_eq!(found("// verifies: A-1\nconst X: u8 = 1;\n"), (Vec::new(), 1));
    }

    #[test]
    fn documentation_is_no_tag() {
        assert_eq!(found("//! // verifies: A-1\n/// verifies: A-1\nfn rule() {}\n"), (Vec::new(), 0));
    }
}
