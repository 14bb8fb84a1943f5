//! `/v1/accounts`: who may sign in, and what for.

use std::sync::Arc;

use accounts::{
    AccountChange, AccountName, AddAccount, ChangeAccount, Duties, EndSessionsOf, ListAccounts, ListSessions,
    NotAdded, NotChanged, Role,
};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{delete, get, put};
use hub::Party;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::problem::problem;
use super::sign_in::Typed;
use super::{Console, body, json};
use crate::answer::{empty, fault, not_run};
use crate::things::hub_caller;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/v1/accounts", get(list).post(add))
        .route("/v1/accounts/{name}", delete(remove))
        .route("/v1/accounts/{name}/duties", put(set_duties))
        .route("/v1/accounts/{name}/lock", put(lock).delete(unlock))
        .route("/v1/accounts/{name}/sessions", get(list_sessions).delete(end_sessions))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Accounts)]
pub(super) struct AccountsJson {
    accounts: Vec<AccountJson>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(super) struct AccountJson {
    name: String,
    role: &'static str,
    duties: Vec<&'static str>,
    made_unix_millis: u64,
    locked: bool,
    locked_until_unix_millis: Option<u64>,
    sessions: usize,
}

/// `GET /v1/accounts`: 200, 503.
async fn list(State(console): State<Arc<Console>>) -> Response {
    match console.executor().run(ListAccounts).await {
        Ok(Ok(views)) => {
            let accounts = views.into_iter().map(|view| AccountJson {
                name: view.name.as_str().to_owned(),
                role: view.role.name(),
                duties: view.duties.names().collect(),
                made_unix_millis: view.made.as_unix_millis(),
                locked: view.is_locked,
                locked_until_unix_millis: view.besieged_until.map(clock::Timestamp::as_unix_millis),
                sessions: view.session_count,
            });
            json("list accounts", StatusCode::OK, &AccountsJson { accounts: accounts.collect() })
        }
        Ok(Err(why)) => fault("list accounts", &why),
        Err(error) => not_run("list accounts", &error),
    }
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Role)]
pub(super) enum RoleJson {
    Administrator,
    User,
}

impl From<RoleJson> for Role {
    fn from(role: RoleJson) -> Self {
        match role {
            RoleJson::Administrator => Self::Administrator,
            RoleJson::User => Self::User,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAccount)]
pub(super) struct AddJson {
    name: String,
    role: RoleJson,
    #[serde(default)]
    duties: Vec<String>,
    #[schema(value_type = String, format = Password)]
    password: Typed,
}

fn duties(names: &[String]) -> Result<Duties, Response> {
    Duties::from_names(names.iter().map(String::as_str)).ok_or_else(|| problem("request-unreadable"))
}

/// `POST /v1/accounts`: 201, 400, 409, 422, 503.
async fn add(State(console): State<Arc<Console>>, caller: Caller, bytes: Bytes) -> Response {
    match console.add(&caller, &bytes).await {
        Ok(response) | Err(response) => response,
    }
}

impl Console {
    async fn add(&self, caller: &Caller, bytes: &[u8]) -> Result<Response, Response> {
        let asked: AddJson = body(bytes)?;
        let duties = duties(&asked.duties)?;
        let name = AccountName::from_typed(&asked.name).map_err(|_| problem("name-refused"))?;
        let password = asked.password.new_password()?;
        let hash = self.passwords.hash(password, self.executor().bytes()).await;
        let hash = hash.ok_or_else(|| fault("add account", &"the password cannot be hashed"))?;
        let by = caller.asked(self.executor().correlation());
        let add = AddAccount { name, role: asked.role.into(), duties, hash, asked: by };
        Ok(match self.executor().run(add).await {
            Ok(Ok(Ok(()))) => empty(StatusCode::CREATED),
            Ok(Ok(Err(NotAdded::Exists))) => problem("account-exists"),
            Ok(Ok(Err(NotAdded::Full))) => problem("accounts-full"),
            Ok(Err(why)) => fault("add account", &why),
            Err(error) => not_run("add account", &error),
        })
    }

    async fn change(&self, caller: &Caller, name: &str, change: AccountChange) -> Response {
        let Ok(name) = AccountName::from_typed(name) else { return problem("account-unknown") };
        let asked = caller.asked(self.executor().correlation());
        let party = Party::Person(name.as_str().to_owned());
        let wanted = ChangeAccount { name, change, asked };
        let changed = match change {
            AccountChange::Remove => {
                let is_gone: fn(&_) -> bool = |reply| matches!(reply, Ok(Ok(())));
                self.desk().leave(&hub_caller(caller), party, wanted, is_gone).await
            }
            AccountChange::Duties(..) | AccountChange::Lock | AccountChange::Unlock => {
                self.executor().run(wanted).await
            }
        };
        match changed {
            Ok(Ok(Ok(()))) => empty(StatusCode::NO_CONTENT),
            Ok(Ok(Err(NotChanged::Unknown))) => problem("account-unknown"),
            Ok(Ok(Err(NotChanged::LastAdministrator))) => problem("last-administrator"),
            Ok(Err(why)) => fault("change account", &why),
            Err(error) => not_run("change account", &error),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rights)]
pub(super) struct DutiesJson {
    role: RoleJson,
    #[serde(default)]
    duties: Vec<String>,
}

/// `PUT /v1/accounts/{name}/duties`: 204, 400, 404, 409, 503.
async fn set_duties(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Response {
    let wanted = body::<DutiesJson>(&bytes).and_then(|it| Ok((it.role.into(), duties(&it.duties)?)));
    match wanted {
        Ok((role, duties)) => console.change(&caller, &name, AccountChange::Duties(role, duties)).await,
        Err(refusal) => refusal,
    }
}

/// `PUT /v1/accounts/{name}/lock`: 204, 404, 409, 503.
async fn lock(State(console): State<Arc<Console>>, caller: Caller, Path(name): Path<String>) -> Response {
    console.change(&caller, &name, AccountChange::Lock).await
}

/// `DELETE /v1/accounts/{name}/lock`: 204, 404, 503.
async fn unlock(State(console): State<Arc<Console>>, caller: Caller, Path(name): Path<String>) -> Response {
    console.change(&caller, &name, AccountChange::Unlock).await
}

/// `DELETE /v1/accounts/{name}`: 204, 404, 409, 503.
async fn remove(State(console): State<Arc<Console>>, caller: Caller, Path(name): Path<String>) -> Response {
    console.change(&caller, &name, AccountChange::Remove).await
}

#[derive(Serialize, ToSchema)]
#[schema(as = AccountSessions)]
pub(super) struct SessionsJson {
    sessions: Vec<SessionJson>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AccountSession)]
pub(super) struct SessionJson {
    began_unix_millis: u64,
    seen_unix_millis: u64,
    address: String,
}

/// `GET /v1/accounts/{name}/sessions`: 200, 404, 503.
async fn list_sessions(State(console): State<Arc<Console>>, Path(name): Path<String>) -> Response {
    let Ok(name) = AccountName::from_typed(&name) else { return problem("account-unknown") };
    match console.executor().run(ListSessions { name }).await {
        Ok(Ok(views)) => {
            let sessions = views.into_iter().map(|view| SessionJson {
                began_unix_millis: view.began.as_unix_millis(),
                seen_unix_millis: view.seen.as_unix_millis(),
                address: view.address,
            });
            json("list sessions", StatusCode::OK, &SessionsJson { sessions: sessions.collect() })
        }
        Ok(Err(why)) => fault("list sessions", &why),
        Err(error) => not_run("list sessions", &error),
    }
}

/// `DELETE /v1/accounts/{name}/sessions`: 204, 404, 503.
async fn end_sessions(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Response {
    let Ok(name) = AccountName::from_typed(&name) else { return problem("account-unknown") };
    let asked = caller.asked(console.executor().correlation());
    match console.executor().run(EndSessionsOf { name, asked }).await {
        Ok(Ok(_)) => empty(StatusCode::NO_CONTENT),
        Ok(Err(why)) => fault("end sessions", &why),
        Err(error) => not_run("end sessions", &error),
    }
}
