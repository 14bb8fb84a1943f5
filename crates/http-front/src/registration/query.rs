//! The query of the owner calls.

use assure_proto::CaseId;
use authority::registration::Target;
use crypto::Secret;

/// `case_string` and `mgmtid`, read strictly: each at most once, nothing else beside them.
pub(crate) struct OwnerQuery {
    pub(crate) case_string: Option<Secret>,
    pub(crate) target: Option<Target>,
}

/// A query that is none of the four forms.
pub(crate) struct BadQuery;

/// What stands for nobody.
/// Source: aSSURE 9.3.5.
const NOBODY: &str = "NULL";

impl OwnerQuery {
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, BadQuery> {
        let mut found = Self { case_string: None, target: None };
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(BadQuery)?;
            match name {
                "case_string" if found.case_string.is_none() => found.case_string = Some(canonical(value)),
                "mgmtid" if found.target.is_none() => found.target = Some(target(value)),
                _ => return Err(BadQuery),
            }
        }
        Ok(found)
    }
}

/// The canonical form of a typed case string; text that is none stays what it is, a wrong proof.
fn canonical(value: &str) -> Secret {
    let spaced = value.replace("%20", " ").replace('+', " ");
    match CaseId::from_typed(&spaced) {
        Ok(case) => Secret::from(case.case_string().as_bytes()),
        Err(_) => Secret::from(value.as_bytes()),
    }
}

fn target(value: &str) -> Target {
    if value == NOBODY {
        return Target::Nobody;
    }
    value.parse().map_or(Target::Unreadable, Target::Management)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_strictly() {
        let parse = |query| OwnerQuery::parse(Some(query)).ok();
        let case = parse("case_string=0123-4567%2089AB+CDEF0123456789abcdef").unwrap().case_string.unwrap();
        assert_eq!(case.expose(), b"0123456789abcdef0123456789abcdef");
        assert_eq!(parse("mgmtid=NULL").unwrap().target, Some(Target::Nobody));
        assert_eq!(parse("mgmtid=null").unwrap().target, Some(Target::Unreadable));
        let both = parse("mgmtid=ab1&case_string=x").unwrap();
        assert_eq!(both.target, Some(Target::Management("ab1".parse().unwrap())));
        assert_eq!(both.case_string.unwrap().expose(), b"x");
        for bad in ["case_string", "a=b", "mgmtid=a&mgmtid=b", "case_string=a&case_string=b"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
        assert!(OwnerQuery::parse(None).is_ok_and(|query| query.target.is_none()));
    }
}
