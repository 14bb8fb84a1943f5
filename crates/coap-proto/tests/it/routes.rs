//! From method and path to a route.

use coap_proto::{Code, ContentFormat, OptionNumber, OptionSet, Route, Router};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    PutKey,
    GenerateKey,
    ListKeys,
    OpenChannel,
    Oic,
    Root,
}

fn router() -> Router<Api> {
    Router::new()
        .with(Route::new(Code::PUT, "/v1/keys/{key_id}", Api::PutKey).taking(&[ContentFormat::CBOR]))
        .with(Route::new(Code::POST, "/v1/keys/generate", Api::GenerateKey))
        .with(Route::new(Code::GET, "/v1/keys", Api::ListKeys).producing(&[ContentFormat::CBOR]))
        .with(Route::new(Code::PUT, "/v1/channels/{channel_id}/open", Api::OpenChannel))
        .with(Route::new(Code::GET, "/oic/res", Api::Oic))
        .with(Route::new(Code::GET, "/", Api::Root))
}

fn options(path: &str) -> OptionSet {
    let mut set = OptionSet::new();
    set.add_path(path);
    set
}

// verifies: RFC7252-5.8, ASSURE-1-13
#[test]
fn a_path_leads_to_its_route_or_to_a_refusal() {
    let table = [
        (Code::PUT, "/v1/keys/42", Ok(Api::PutKey)),
        (Code::POST, "/v1/keys/generate", Ok(Api::GenerateKey)),
        (Code::GET, "/v1/keys", Ok(Api::ListKeys)),
        (Code::PUT, "/v1/channels/7/open", Ok(Api::OpenChannel)),
        (Code::GET, "/oic/res", Ok(Api::Oic)),
        (Code::GET, "", Ok(Api::Root)),
        (Code::PUT, "/v1/keys/generate", Err(Code::METHOD_NOT_ALLOWED)),
        (Code::DELETE, "/v1/keys", Err(Code::METHOD_NOT_ALLOWED)),
        (Code::new(0, 31), "/v1/keys", Err(Code::METHOD_NOT_ALLOWED)),
        (Code::GET, "/v1/keys/", Err(Code::NOT_FOUND)),
        (Code::GET, "/v1", Err(Code::NOT_FOUND)),
        (Code::GET, "/oic/keys", Err(Code::NOT_FOUND)),
        (Code::PUT, "/v1/keys/42/more", Err(Code::NOT_FOUND)),
    ];
    let router = router();
    for (method, path, expected) in table {
        let set = options(path);
        let found = router.find(method, set.view()).map(|found| *found.id).map_err(|refusal| refusal.code);
        assert_eq!(found, expected, "{method} {path}");
    }
}

#[test]
fn parameters_come_by_name() {
    let (router, set) = (router(), options("/v1/channels/7/open"));
    let found = router.find(Code::PUT, set.view()).unwrap();
    assert_eq!(found.parameter("channel_id"), Some("7"));
    assert_eq!(found.parameter("key_id"), None);
}

// verifies: RFC7252-5.10.4, RFC7252-5.10.3
#[test]
fn formats_are_checked_after_path_and_method() {
    let router = router();
    let code = |method, path, number, format: u32| {
        let mut set = options(path);
        set.add_uint(number, format);
        router.find(method, set.view()).map(|found| *found.id).map_err(|refusal| refusal.code)
    };
    assert_eq!(code(Code::GET, "/v1/keys", OptionNumber::ACCEPT, 60), Ok(Api::ListKeys));
    assert_eq!(code(Code::GET, "/v1/keys", OptionNumber::ACCEPT, 50), Err(Code::NOT_ACCEPTABLE));
    assert_eq!(code(Code::PUT, "/v1/keys/1", OptionNumber::CONTENT_FORMAT, 60), Ok(Api::PutKey));
    assert_eq!(
        code(Code::PUT, "/v1/keys/1", OptionNumber::CONTENT_FORMAT, 0),
        Err(Code::UNSUPPORTED_CONTENT_FORMAT)
    );
    assert_eq!(code(Code::PUT, "/v1/key/1", OptionNumber::CONTENT_FORMAT, 0), Err(Code::NOT_FOUND));
}

#[test]
fn no_routes_means_not_found() {
    let set = options("/a");
    let refusal = Router::<Api>::new().find(Code::GET, set.view()).unwrap_err();
    assert_eq!(refusal.code, Code::NOT_FOUND);
}
