//! The resources of the test server and what is said about them.

use coap_proto::{Code, ContentFormat, Link, Route, Router};

/// What a route of the test server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Discovery,
    Test,
    Large,
    LargeUpdate,
    Count,
    Time,
    Echo,
    Separate,
    Observed,
    Query,
    Segments,
    Validated,
    Stored,
    Create,
    MultiFormat,
}

pub(crate) const TEXT: &[ContentFormat] = &[ContentFormat::TEXT];

/// Routes after the resources the CoAP interoperability events use.
pub(crate) fn routes() -> Router<Resource> {
    use Resource::{
        Count, Create, Discovery, Echo, Large, LargeUpdate, MultiFormat, Observed, Query, Segments, Separate,
        Stored, Test, Time, Validated,
    };
    let mut router = Router::new()
        .with(Route::new(Code::GET, "/.well-known/core", Discovery).producing(&[ContentFormat::LINK_FORMAT]))
        .with(Route::new(Code::GET, "/large", Large).producing(TEXT))
        .with(Route::new(Code::GET, "/time", Time).producing(TEXT))
        .with(Route::new(Code::GET, "/separate", Separate).producing(TEXT))
        .with(Route::new(Code::GET, "/obs", Observed).producing(TEXT))
        .with(Route::new(Code::PUT, "/obs", Observed))
        .with(Route::new(Code::GET, "/query", Query).producing(TEXT))
        .with(Route::new(Code::GET, "/seg1/{second}/{third}", Segments).producing(TEXT))
        .with(Route::new(Code::GET, "/validate", Validated).producing(TEXT))
        .with(Route::new(Code::PUT, "/validate", Validated).taking(TEXT))
        .with(Route::new(Code::POST, "/large-post", Echo))
        .with(Route::new(Code::PUT, "/create/{name}", Create))
        .with(
            Route::new(Code::GET, "/multi-format", MultiFormat)
                .producing(&[ContentFormat::TEXT, ContentFormat::XML]),
        );
    for method in [Code::GET, Code::PUT, Code::POST, Code::DELETE] {
        router = router.with(Route::new(method, "/test", Test));
    }
    for method in [Code::GET, Code::POST, Code::PUT, Code::FETCH] {
        router = router.with(Route::new(method, "/echo", Echo));
    }
    for method in [Code::POST, Code::PUT] {
        router = router.with(Route::new(method, "/count", Count));
    }
    for method in [Code::GET, Code::PUT] {
        router = router.with(Route::new(method, "/large-update", LargeUpdate));
        router = router.with(Route::new(method, "/stored", Stored));
    }
    router
}

/// What `/.well-known/core` lists. Short enough to be answered to an address that has proven nothing.
pub(crate) fn links() -> Vec<Link> {
    vec![
        Link::new("/test"),
        Link::new("/large").with("sz", "3000"),
        Link::new("/obs").flagged("obs"),
        Link::new("/separate"),
        Link::new("/time").with("rt", "time"),
        Link::new("/echo"),
        Link::new("/count"),
    ]
}
