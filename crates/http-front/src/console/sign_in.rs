//! `/v1/activation`, `/v1/session`: the first administrator, signing in and out, a new password.

use std::sync::Arc;

use accounts::{
    AccountName, Activate, Asked, BadPassword, ChangePassword, Checked, Duties, EndSession, NotActivated,
    PrepareSignIn, Prepared, ReadHash, Role, SettleSignIn, SignedIn, TypedName, check_password,
};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{post, put};
use certificate::TlsPeer;
use clock::Timestamp;
use crypto::Secret;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::caller::{Caller, SignedInAs, Who};
use super::gate::{COOKIE, header_token, token_hash};
use super::problem::{problem, problem_because, problem_until};
use super::{Console, body, json};
use crate::answer::{empty, fault, not_run};
use crate::management::ROLE;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/v1/activation", post(activate))
        .route("/v1/activation/offer", post(offer))
        .route("/v1/session", post(sign_in).get(who_am_i).delete(sign_out))
        .route("/v1/session/password", put(set_password))
}

/// A password or token in a body: wiped when dropped, shown by nobody.
pub(crate) struct Typed(pub(crate) Secret);

impl<'de> Deserialize<'de> for Typed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Secret::new(text.into_bytes())))
    }
}

impl Typed {
    /// The password, when it may be one.
    pub(super) fn new_password(self) -> Result<Secret, Response> {
        // It came out of a text.
        let text = std::str::from_utf8(self.0.expose()).unwrap_or_default();
        match check_password(text) {
            Ok(()) => Ok(self.0),
            Err(why) => Err(problem_because(
                "password-too-simple",
                match why {
                    BadPassword::Short => "It has fewer than 8 characters.",
                    BadPassword::Long => "It has more than 128 characters.",
                    BadPassword::OneKind => "It has fewer than two kinds of: lower, upper, digit, sign.",
                },
            )),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionJson<'a> {
    account: &'a str,
    role: &'static str,
    duties: Vec<&'static str>,
    token: &'a str,
    idle_minutes: u8,
    ends_unix_millis: u64,
}

impl Console {
    /// A fresh session's answer: its JSON and its cookie.
    fn begun(
        &self,
        status: StatusCode,
        cookie: &Secret,
        who: (&AccountName, Role, Duties),
        idle_minutes: u8,
        ends: Timestamp,
    ) -> Response {
        let (account, role, duties) = who;
        let session = SessionJson {
            account: account.as_str(),
            role: role.name(),
            duties: duties.names().collect(),
            token: &header_token(self.provider(), cookie),
            idle_minutes,
            ends_unix_millis: ends.as_unix_millis(),
        };
        let mut response = json("begin session", status, &session);
        let text = Secret::from(
            format!("{COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Strict", model::hex(cookie.expose()))
                .as_bytes(),
        );
        match HeaderValue::from_bytes(text.expose()) {
            Ok(mut value) => {
                value.set_sensitive(true);
                response.headers_mut().insert(header::SET_COOKIE, value);
                response
            }
            Err(_) => fault("begin session", &"the cookie"),
        }
    }

    fn asked_by_nobody(&self, peer: &TlsPeer) -> Asked {
        let (by, address) = (String::new(), Some(peer.address.ip()));
        Asked { role: ROLE, by, address, correlation: self.executor().correlation() }
    }
}

fn cleared(mut response: Response) -> Response {
    let value =
        HeaderValue::from_static("__Host-thingstead=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    response.headers_mut().insert(header::SET_COOKIE, value);
    response
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Activation)]
pub(super) struct ActivateJson {
    #[schema(value_type = String, format = Password)]
    token: Typed,
    account: String,
    #[schema(value_type = String, format = Password)]
    password: Typed,
}

/// `POST /v1/activation`: 201, 400, 409, 410, 422, 429, 503.
async fn activate(
    State(console): State<Arc<Console>>,
    Extension(peer): Extension<TlsPeer>,
    bytes: Bytes,
) -> Response {
    let asked: ActivateJson = match body(&bytes) {
        Ok(asked) if console.is_on() => asked,
        Ok(_) => return problem("activation-ended"),
        Err(refusal) => return refusal,
    };
    // Anybody may try: each try hashes a password and is in the audit log.
    if let Err(wait) = console.tries_activation(peer.address.ip()) {
        return problem_until("too-many-tries", wait);
    }
    let Ok(name) = AccountName::from_typed(&asked.account) else { return problem("name-refused") };
    let password = match asked.password.new_password() {
        Ok(password) => password,
        Err(refusal) => return refusal,
    };
    let text = std::str::from_utf8(asked.token.0.expose()).unwrap_or_default();
    let Ok(token) = model::bytes_from_hex(text).map(Secret::new) else { return problem("activation-ended") };
    let Some(hash) = console.passwords.hash(password, console.executor().bytes()).await else {
        return fault("activate", &"the password cannot be hashed");
    };
    let cookie = Secret::from(&console.executor().bytes::<32>()[..]);
    let activate = Activate {
        token: token_hash(console.provider(), &token),
        name: name.clone(),
        hash,
        session: token_hash(console.provider(), &cookie),
        asked: console.asked_by_nobody(&peer),
    };
    match console.executor().run(activate).await {
        Ok(Ok(Ok(activated))) => {
            let who = (&name, Role::Administrator, Duties::default());
            console.begun(StatusCode::CREATED, &cookie, who, activated.idle_minutes, activated.ends)
        }
        Ok(Ok(Err(NotActivated::Ended))) => problem("activation-ended"),
        Ok(Ok(Err(NotActivated::Exists))) => problem("account-exists"),
        Ok(Ok(Err(NotActivated::Full))) => problem("accounts-full"),
        Ok(Err(why)) => fault("activate", &why),
        Err(error) => not_run("activate", &error),
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Invitation)]
pub(super) struct OfferJson {
    token: String,
    until_unix_millis: u64,
}

/// `POST /v1/activation/offer`: 201, 503.
async fn offer(State(console): State<Arc<Console>>, caller: Caller) -> Response {
    let asked = caller.asked(console.executor().correlation());
    match console.offer(true, asked).await {
        Ok(Some(made)) => {
            let (token, until) = (model::hex(made.token.expose()), made.until.as_unix_millis());
            json("offer activation", StatusCode::CREATED, &OfferJson { token, until_unix_millis: until })
        }
        Ok(None) => fault("offer activation", &"none was made"),
        Err(why) => fault("offer activation", &why),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SignIn)]
pub(super) struct SignInJson {
    #[schema(value_type = String)]
    account: Typed,
    #[schema(value_type = String, format = Password)]
    password: Typed,
}

/// `POST /v1/session`: 200, 400, 401, 429, 503.
async fn sign_in(
    State(console): State<Arc<Console>>,
    Extension(peer): Extension<TlsPeer>,
    bytes: Bytes,
) -> Response {
    let asked: SignInJson = match body(&bytes) {
        Ok(asked) if console.is_on() => asked,
        Ok(_) => return problem("sign-in-failed"),
        Err(refusal) => return refusal,
    };
    let name = TypedName::new(std::str::from_utf8(asked.account.0.expose()).unwrap_or_default());
    let prepare = PrepareSignIn { name: name.clone(), address: peer.address.ip() };
    let against = match console.executor().run(prepare).await {
        Ok(Ok(Prepared::Check(against))) => against,
        Ok(Ok(Prepared::Wait(wait))) => return problem_until("too-many-tries", wait),
        Ok(Err(why)) => return fault("sign in", &why),
        Err(error) => return not_run("sign in", &error),
    };
    let checked = console.passwords.check(asked.password.0, against).await;
    let cookie = Secret::from(&console.executor().bytes::<32>()[..]);
    let settle = SettleSignIn {
        name,
        checked,
        token: token_hash(console.provider(), &cookie),
        asked: console.asked_by_nobody(&peer),
    };
    match console.executor().run(settle).await {
        Ok(Ok(SignedIn::Welcome { account, role, duties, idle_minutes, ends })) => {
            console.begun(StatusCode::OK, &cookie, (&account, role, duties), idle_minutes, ends)
        }
        Ok(Ok(SignedIn::Wrong)) => problem("sign-in-failed"),
        Ok(Ok(SignedIn::Wait(wait))) => problem_until("too-many-tries", wait),
        Ok(Err(why)) => fault("sign in", &why),
        Err(error) => not_run("sign in", &error),
    }
}

/// `GET /v1/session`: 200, 401. The operator's certificate is no session, but says who it is.
async fn who_am_i(caller: Caller) -> Response {
    let operator;
    let session = match &caller.who {
        Who::Account(account) => SessionJson {
            account: account.resumed.account.as_str(),
            role: account.resumed.role.name(),
            duties: account.resumed.duties.names().collect(),
            token: &account.token,
            idle_minutes: account.resumed.idle_minutes,
            ends_unix_millis: account.resumed.ends.as_unix_millis(),
        },
        Who::Operator => {
            operator = SessionJson {
                account: "operator",
                role: Role::Administrator.name(),
                duties: Vec::new(),
                token: "",
                idle_minutes: 0,
                ends_unix_millis: 0,
            };
            operator
        }
    };
    json("who am I", StatusCode::OK, &session)
}

/// The caller's account and session; the operator's certificate has none.
fn own_account(caller: &Caller) -> Result<&SignedInAs, Response> {
    match &caller.who {
        Who::Account(account) => Ok(account),
        Who::Operator => Err(problem("not-permitted")),
    }
}

/// `DELETE /v1/session`: 204, 401, 403.
async fn sign_out(State(console): State<Arc<Console>>, caller: Caller) -> Response {
    let token = match own_account(&caller) {
        Ok(account) => account.session,
        Err(refusal) => return refusal,
    };
    let asked = caller.asked(console.executor().correlation());
    match console.executor().run(EndSession { token, asked }).await {
        Ok(Ok(_)) => cleared(empty(StatusCode::NO_CONTENT)),
        Ok(Err(why)) => fault("sign out", &why),
        Err(error) => not_run("sign out", &error),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasswordChange)]
pub(super) struct PasswordJson {
    #[schema(value_type = String, format = Password)]
    old: Typed,
    #[schema(value_type = String, format = Password)]
    new: Typed,
}

/// `PUT /v1/session/password`: 204, 400, 401, 403, 422, 429, 503. Wrong old passwords count like failed
/// sign-ins: a session left open is no place to guess it.
async fn set_password(State(console): State<Arc<Console>>, caller: Caller, bytes: Bytes) -> Response {
    let account = match own_account(&caller) {
        Ok(account) => account,
        Err(refusal) => return refusal,
    };
    let (old, new) = match body::<PasswordJson>(&bytes).and_then(|it| Ok((it.old.0, it.new.new_password()?)))
    {
        Ok(passwords) => passwords,
        Err(refusal) => return refusal,
    };
    let name = account.resumed.account.clone();
    let typed = TypedName::new(name.as_str());
    let prepare = PrepareSignIn { name: typed.clone(), address: caller.address };
    match console.executor().run(prepare).await {
        Ok(Ok(Prepared::Check(_))) => {}
        Ok(Ok(Prepared::Wait(wait))) => return problem_until("too-many-tries", wait),
        Ok(Err(why)) => return fault("set password", &why),
        Err(error) => return not_run("set password", &error),
    }
    let against = match console.executor().run(ReadHash { name: name.clone() }).await {
        Ok(Ok(against)) => against,
        Ok(Err(why)) => return fault("set password", &why),
        Err(error) => return not_run("set password", &error),
    };
    let asked = caller.asked(console.executor().correlation());
    let Checked::Fits(old) = console.passwords.check(old, against).await else {
        let settle = SettleSignIn {
            name: typed,
            checked: Checked::Wrong,
            token: token_hash(console.provider(), &Secret::from(&console.executor().bytes::<32>()[..])),
            asked,
        };
        return match console.executor().run(settle).await {
            Ok(Ok(_)) => problem("password-wrong"),
            Ok(Err(why)) => fault("set password", &why),
            Err(error) => not_run("set password", &error),
        };
    };
    let Some(new) = console.passwords.hash(new, console.executor().bytes()).await else {
        return fault("set password", &"the password cannot be hashed");
    };
    let change = ChangePassword { name, old: Some(old), new, session: account.session, asked };
    match console.executor().run(change).await {
        Ok(Ok(true)) => empty(StatusCode::NO_CONTENT),
        Ok(Ok(false)) => problem("password-wrong"),
        Ok(Err(why)) => fault("set password", &why),
        Err(error) => not_run("set password", &error),
    }
}
