//! From a method and a path to a route, with or without a socket.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::{Code, ContentFormat, Options, Response, accepted_format, require_format};

/// One method on one path template, and what it means to the application.
#[derive(Clone, Debug)]
pub struct Route<R> {
    method: Code,
    segments: Box<[Segment]>,
    produces: Vec<ContentFormat>,
    takes: Vec<ContentFormat>,
    id: R,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    Parameter(Box<str>),
}

impl<R> Route<R> {
    /// A route for `method` on `template`, which is parted by `/` and may have `{name}` as a whole segment.
    #[must_use]
    pub fn new(method: Code, template: &str, id: R) -> Self {
        let segments = template.split('/').filter(|segment| !segment.is_empty()).map(|segment| match segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
        {
            Some(name) => Segment::Parameter(name.into()),
            None => Segment::Literal(segment.into()),
        });
        Self { method, segments: segments.collect(), produces: Vec::new(), takes: Vec::new(), id }
    }

    /// The route answers in one of these formats; another Accept is answered 4.06.
    #[must_use]
    pub fn producing(mut self, formats: &[ContentFormat]) -> Self {
        self.produces = formats.to_vec();
        self
    }

    /// The route takes a body in one of these formats; another is answered 4.15, a missing one passes.
    #[must_use]
    pub fn taking(mut self, formats: &[ContentFormat]) -> Self {
        self.takes = formats.to_vec();
        self
    }

    fn matches(&self, options: Options<'_>) -> bool {
        let mut path = options.path();
        let all = self.segments.iter().all(|segment| match (segment, path.next()) {
            (_, None) => false,
            (Segment::Literal(text), Some(part)) => text.as_bytes() == part,
            (Segment::Parameter(_), Some(part)) => !part.is_empty() && core::str::from_utf8(part).is_ok(),
        });
        all && path.next().is_none()
    }

    /// Literals before parameters, from the left: `/keys/generate` is nearer than `/keys/{key_id}`.
    fn nearness(&self) -> impl Iterator<Item = bool> + '_ {
        self.segments.iter().map(|segment| matches!(segment, Segment::Literal(_)))
    }
}

/// A route that was found, with the parameters of its path.
#[derive(Debug)]
pub struct Found<'r, 'a, R> {
    /// What the route means to the application.
    pub id: &'r R,
    segments: &'r [Segment],
    options: Options<'a>,
}

impl<'a, R> Found<'_, 'a, R> {
    /// The path segment that stands for `{name}`; `None` when the template has no such name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        let at = self.segments.iter().position(|s| matches!(s, Segment::Parameter(own) if **own == *name))?;
        self.options.path().nth(at).and_then(|part| core::str::from_utf8(part).ok())
    }
}

/// The routes of an application.
#[derive(Clone, Debug)]
pub struct Router<R> {
    routes: Vec<Route<R>>,
}

impl<R> Default for Router<R> {
    fn default() -> Self {
        Self { routes: Vec::new() }
    }
}

impl<R> Router<R> {
    /// No routes: every path is answered 4.04.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The router with one more route.
    #[must_use]
    pub fn with(mut self, route: Route<R>) -> Self {
        self.routes.push(route);
        self
    }

    /// Finds the route for a request, live or stored.
    ///
    /// The nearest template alone decides about the method, so a method is never taken by a parameter that
    /// happens to match a literal.
    /// # Errors
    /// The response to give: 4.04 (no template matches), 4.05 (none for this method, known or not), 4.06
    /// (Accept), 4.15 (Content-Format).
    /// Source: RFC 7252 section 5.8, 5.9.2; ruling A-ASSURE-72.
    pub fn find<'r, 'a>(&'r self, method: Code, options: Options<'a>) -> Result<Found<'r, 'a, R>, Response> {
        let mut nearest: Option<&Route<R>> = None;
        // Of the nearest templates, the first with this method.
        let mut chosen = None;
        for route in self.routes.iter().filter(|route| route.matches(options)) {
            let order = nearest.map_or(Ordering::Greater, |known| route.nearness().cmp(known.nearness()));
            if order == Ordering::Less {
                continue;
            }
            if order == Ordering::Greater {
                (nearest, chosen) = (Some(route), None);
            }
            chosen = chosen.or((route.method == method).then_some(route));
        }
        if nearest.is_none() {
            return Err(Response::new(Code::NOT_FOUND));
        }
        let Some(route) = chosen else { return Err(Response::new(Code::METHOD_NOT_ALLOWED)) };
        if !route.takes.is_empty() {
            require_format(options, &route.takes)?;
        }
        if !route.produces.is_empty() {
            accepted_format(options, &route.produces)?;
        }
        Ok(Found { id: &route.id, segments: &route.segments, options })
    }
}
