//! A house with people: who signs in, and what they hold.

use serde_json::{Value, json};

use super::schema::is_as_described;
use crate::curl::{Curl, Reply};
use crate::management::house::House;

pub(super) const PASSWORD: &str = "correct-h0rse-battery";

/// What a browser holds of a session.
pub(super) struct Person {
    pub(super) cookie: String,
    pub(super) token: String,
}

/// An activation link's token.
pub(super) fn link(house: &House<'_>) -> String {
    let offered = house.world.block_on(house.console.offer_activation(true)).unwrap().unwrap();
    model::hex(offered.token.expose())
}

/// A call without a session, as a page of the console makes it.
#[track_caller]
pub(super) fn call(house: &House<'_>, method: &str, path: &str, body: &Value) -> Reply {
    let reply = sent(house, page(house, method), path, body);
    is_as_described(method, path, &reply);
    reply
}

pub(super) fn page(house: &House<'_>, method: &str) -> Curl {
    house.curl(None, method).header("Sec-Fetch-Site: same-origin")
}

pub(super) fn sent(house: &House<'_>, curl: Curl, path: &str, body: &Value) -> Reply {
    let curl = if body.is_null() { curl } else { curl.body(&house.world.file(body.to_string().as_bytes())) };
    curl.url(&house.url(path)).run().expect("it has an answer").remove(0)
}

/// The code of a problem.
#[track_caller]
pub(super) fn code(reply: &Reply) -> String {
    assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{reply:?}");
    let problem = House::json(reply);
    for text in ["title", "detail", "request"] {
        assert!(problem[text].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
    }
    let code = problem["code"].as_str().unwrap().to_owned();
    assert_eq!(problem["type"], format!("/ui/help/{code}"));
    code
}

pub(super) fn signed_in(reply: &Reply) -> Person {
    let cookie = reply.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-thingstead="), "{cookie}");
    for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap().to_owned();
    Person { cookie, token: House::json(reply)["token"].as_str().unwrap().to_owned() }
}

/// The first administrator, signed in.
pub(super) fn root(house: &House<'_>) -> Person {
    let body = json!({ "token": link(house), "account": "root", "password": PASSWORD });
    signed_in(call(house, "POST", "/v1/activation", &body).is(201))
}

pub(super) fn sign_in(house: &House<'_>, name: &str, password: &str) -> Reply {
    call(house, "POST", "/v1/session", &json!({ "account": name, "password": password }))
}

impl Person {
    pub(super) fn curl(&self, house: &House<'_>, method: &str) -> Curl {
        let curl = page(house, method).header(&format!("Cookie: a=b; {}", self.cookie));
        if method == "GET" { curl } else { curl.header(&format!("x-thingstead-token: {}", self.token)) }
    }

    #[track_caller]
    pub(super) fn call(&self, house: &House<'_>, method: &str, path: &str, body: &Value) -> Reply {
        let reply = sent(house, self.curl(house, method), path, body);
        is_as_described(method, path, &reply);
        reply
    }

    pub(super) fn get(&self, house: &House<'_>, path: &str) -> Reply {
        self.call(house, "GET", path, &Value::Null)
    }

    /// Makes a user and signs it in.
    pub(super) fn user(&self, house: &House<'_>, name: &str, duties: &[&str]) -> Self {
        let body = json!({ "name": name, "role": "user", "duties": duties, "password": PASSWORD });
        self.call(house, "POST", "/v1/accounts", &body).is_empty(201);
        signed_in(sign_in(house, name, PASSWORD).is(200))
    }
}
