//! The list of resources at `/.well-known/core`.

use alloc::string::String;
use alloc::vec::Vec;

use crate::Options;

/// One resource and what is said about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    path: String,
    attributes: Vec<(String, Option<String>)>,
}

impl Link {
    /// The resource at `path`, which starts with `/`.
    #[must_use]
    pub fn new(path: &str) -> Self {
        Self { path: path.into(), attributes: Vec::new() }
    }

    /// The same resource with one more attribute, such as `rt` with a list parted by spaces.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.attributes.push((name.into(), Some(value.into())));
        self
    }

    /// The same resource with an attribute that has no value, such as `obs`.
    #[must_use]
    pub fn flagged(mut self, name: &str) -> Self {
        self.attributes.push((name.into(), None));
        self
    }

    /// Whether the link passes the filter `name=value`, where `value` may end with `*`.
    fn passes(&self, filter: &str) -> bool {
        let Some((name, wanted)) = filter.split_once('=') else {
            return self.attributes.iter().any(|(own, _)| own == filter);
        };
        if name == "href" {
            return equals(&self.path, wanted);
        }
        self.attributes.iter().filter(|(own, _)| own == name).any(|(_, value)| {
            let value = value.as_deref().unwrap_or("");
            equals(value, wanted) || (is_list(name) && value.split(' ').any(|part| equals(part, wanted)))
        })
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.path);
        out.push('>');
        for (name, value) in &self.attributes {
            out.push(';');
            out.push_str(name);
            let Some(value) = value else { continue };
            out.push('=');
            if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
                out.push_str(value);
                continue;
            }
            out.push('"');
            for letter in value.chars() {
                if matches!(letter, '"' | '\\') {
                    out.push('\\');
                }
                out.push(letter);
            }
            out.push('"');
        }
    }
}

/// Attributes whose value is a list parted by spaces. Source: RFC 6690 section 3, RFC 7252 section 7.2.1.
fn is_list(name: &str) -> bool {
    matches!(name, "rt" | "if" | "rel" | "rev" | "ct")
}

fn equals(value: &str, wanted: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(start) => value.starts_with(start),
        None => value == wanted,
    }
}

/// Writes the links that pass every query argument of a request, in link format, parted by commas.
///
/// An argument is `name=value`; `href` names the path; a trailing `*` stands for any ending; a member of a
/// list is enough. An argument that is not UTF-8 lets nothing pass. Source: RFC 6690 section 2 and 4.1.
#[must_use]
pub fn write_links(links: &[Link], options: Options<'_>) -> String {
    let mut out = String::new();
    let passes = |link: &&Link| {
        options.queries().all(|query| core::str::from_utf8(query).is_ok_and(|query| link.passes(query)))
    };
    for link in links.iter().filter(passes) {
        if !out.is_empty() {
            out.push(',');
        }
        link.write(&mut out);
    }
    out
}
