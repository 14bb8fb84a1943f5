//! Requests stored in a bootstrap image.

use coap_proto::{
    Code, ContentFormat, NotReplayable, OptionNumber, Route, Router, StoredRequest, store_request,
};

// verifies: ASSURE-15.5.4-04
#[test]
fn a_stored_message_has_the_agreed_bytes() {
    let stored = store_request(1, Code::PUT, "/v1/channels/1", &[], ContentFormat::CBOR, &[0x80]);
    assert_eq!(stored, b"\x50\x03\x00\x01\xb2v1\x08channels\x011\x11\x3c\xff\x80");
}

// verifies: ASSURE-15.5.4-04
#[test]
fn kind_token_and_id_of_a_stored_message_mean_nothing() {
    let forms: [&[u8]; 4] = [
        b"\x50\x02\x00\x01\xb1k\x41x\xff1",
        b"\x40\x02\x99\x99\xb1k\x41x\xff1",
        b"\x63\x02\x00\x01abc\xb1k\x41x\xff1",
        b"\x78\x02\x00\x0112345678\xb1k\x41x\xff1",
    ];
    let first = StoredRequest::read(forms[0]).unwrap();
    assert_eq!(
        (first.method, first.payload, first.options.query("x")),
        (Code::POST, &b"1"[..], Some(&b""[..]))
    );
    for form in forms {
        assert_eq!(StoredRequest::read(form), Ok(first), "{form:02x?}");
    }
}

// verifies: ASSURE-15.5.4-04
#[test]
fn what_is_no_request_is_refused() {
    let table: [(&[u8], NotReplayable); 6] = [
        (b"\x50\x45\x00\x01", NotReplayable::NotARequest(Code::CONTENT)),
        (b"\x50\x00\x00\x01", NotReplayable::NotARequest(Code::EMPTY)),
        (b"\x50\x21\x00\x01", NotReplayable::NotARequest(Code::new(1, 1))),
        (b"\x50\x03\x00\x01\xd1\x0e\x08\xff1", NotReplayable::Option(OptionNumber::BLOCK1)),
        (b"\x50\x03\x00\x01\xd4\x16coap", NotReplayable::Option(OptionNumber::PROXY_URI)),
        (b"\x50\x03\x00\x01\xe0\x22\x10", NotReplayable::Option(OptionNumber(0x2210 + 269))),
    ];
    for (bytes, reason) in table {
        assert_eq!(StoredRequest::read(bytes), Err(reason), "{bytes:02x?}");
    }
    assert!(matches!(StoredRequest::read(b"\x50\x03\x00"), Err(NotReplayable::Malformed(_))));
}

#[test]
fn a_stored_message_of_any_size_is_routed_like_a_live_one() {
    let router = Router::new().with(Route::new(Code::PUT, "/v1/keys/{key_id}", "put key"));
    let key = vec![7; 60_000];
    let stored = store_request(0, Code::PUT, "/v1/keys/abc", &["type=1"], ContentFormat::CBOR, &key);
    let request = StoredRequest::read(&stored).unwrap();
    let found = router.find(request.method, request.options).unwrap();
    assert_eq!((*found.id, found.parameter("key_id")), ("put key", Some("abc")));
    assert_eq!(request.options.query("type"), Some(&b"1"[..]));
    assert_eq!(request.payload, key);
}
