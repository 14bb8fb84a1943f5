//! Conditional requests and content negotiation.

use crate::{Code, ContentFormat, OptionNumber, Options, Response};

/// What the conditions of a request say about acting on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Act.
    Holds,
    /// Answer 4.12 and change nothing.
    Failed,
    /// Answer 2.03 with the present entity tag and no body: the client holds this state already.
    StillValid,
}

/// Compares If-Match, If-None-Match and, for GET and FETCH, ETag with the present state.
///
/// `present` is the entity tag of the resource, `None` when it does not exist. An empty If-Match value
/// matches any existing resource. Source: RFC 7252 section 5.10.8, 5.10.6.2.
#[must_use]
pub fn precondition(method: Code, options: Options<'_>, present: Option<&[u8]>) -> Precondition {
    let mut wanted = options.all(OptionNumber::IF_MATCH).peekable();
    if wanted.peek().is_some() {
        let matches = present.is_some_and(|tag| wanted.any(|value| value.is_empty() || value == tag));
        if !matches {
            return Precondition::Failed;
        }
    }
    if options.has(OptionNumber::IF_NONE_MATCH) && present.is_some() {
        return Precondition::Failed;
    }
    let held =
        method.is_safe() && present.is_some_and(|tag| options.all(OptionNumber::ETAG).any(|v| v == tag));
    if held { Precondition::StillValid } else { Precondition::Holds }
}

/// The format to answer in: the one the client wants, or the first of `offered` when it has no wish.
///
/// # Errors
/// The 4.06 to answer when the wish is not among `offered`.
pub fn accepted_format(
    options: Options<'_>,
    offered: &[ContentFormat],
) -> Result<Option<ContentFormat>, Response> {
    match options.accept() {
        None => Ok(offered.first().copied()),
        Some(wish) if offered.contains(&wish) => Ok(Some(wish)),
        Some(_) => Err(Response::new(Code::NOT_ACCEPTABLE)),
    }
}

/// Checks that a body, if its format is given, has one of `taken`.
///
/// A missing format counts as the first of `taken`.
/// # Errors
/// The 4.15 to answer.
pub fn require_format(options: Options<'_>, taken: &[ContentFormat]) -> Result<(), Response> {
    let given = options.has(OptionNumber::CONTENT_FORMAT);
    let format = options.content_format();
    if !given || format.is_some_and(|format| taken.contains(&format)) {
        Ok(())
    } else {
        Err(Response::new(Code::UNSUPPORTED_CONTENT_FORMAT))
    }
}
