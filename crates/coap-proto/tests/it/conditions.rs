//! Conditional requests and content negotiation.

use coap_proto::{
    Code, ContentFormat, OptionNumber, OptionSet, Precondition, accepted_format, precondition, require_format,
};

// verifies: RFC7252-5.10.8.1, RFC7252-5.10.8.2, RFC7252-5.10.6.2
#[test]
fn conditions_hold_fail_or_show_that_nothing_changed() {
    use OptionNumber as N;
    use Precondition::{Failed, Holds, StillValid};
    type Case = (Code, &'static [(N, &'static [u8])], Option<&'static [u8]>, Precondition);
    let table: [Case; 13] = [
        (Code::PUT, &[], None, Holds),
        (Code::PUT, &[(N::IF_MATCH, b"a")], Some(b"a"), Holds),
        (Code::PUT, &[(N::IF_MATCH, b"a")], Some(b"b"), Failed),
        (Code::PUT, &[(N::IF_MATCH, b"a"), (N::IF_MATCH, b"b")], Some(b"b"), Holds),
        (Code::PUT, &[(N::IF_MATCH, b"")], Some(b"b"), Holds),
        (Code::PUT, &[(N::IF_MATCH, b"")], None, Failed),
        (Code::PUT, &[(N::IF_NONE_MATCH, b"")], None, Holds),
        (Code::PUT, &[(N::IF_NONE_MATCH, b"")], Some(b"a"), Failed),
        (Code::GET, &[(N::ETAG, b"a")], Some(b"a"), StillValid),
        (Code::GET, &[(N::ETAG, b"b"), (N::ETAG, b"a")], Some(b"a"), StillValid),
        (Code::GET, &[(N::ETAG, b"a")], Some(b"b"), Holds),
        (Code::GET, &[(N::ETAG, b"a")], None, Holds),
        (Code::PUT, &[(N::ETAG, b"a")], Some(b"a"), Holds),
    ];
    for (method, options, present, expected) in table {
        let mut set = OptionSet::new();
        for (number, value) in options {
            set.add(*number, value);
        }
        assert_eq!(precondition(method, set.view(), present), expected, "{method} {options:?} {present:?}");
    }
}

// verifies: RFC7252-5.10.4, RFC7252-5.10.3
#[test]
fn formats_are_negotiated_or_refused() {
    let offered = [ContentFormat::CBOR, ContentFormat::JSON];
    let wish = |format: Option<u32>| {
        let mut set = OptionSet::new();
        if let Some(format) = format {
            set.add_uint(OptionNumber::ACCEPT, format).add_uint(OptionNumber::CONTENT_FORMAT, format);
        }
        let accepted = accepted_format(set.view(), &offered).map_err(|refusal| refusal.code);
        (accepted, require_format(set.view(), &offered).map_err(|refusal| refusal.code))
    };
    assert_eq!(wish(None), (Ok(Some(ContentFormat::CBOR)), Ok(())), "missing counts as CBOR");
    assert_eq!(wish(Some(50)), (Ok(Some(ContentFormat::JSON)), Ok(())));
    assert_eq!(wish(Some(65_000)), (Err(Code::NOT_ACCEPTABLE), Err(Code::UNSUPPORTED_CONTENT_FORMAT)));
}
