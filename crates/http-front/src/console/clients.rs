//! `/v1/clients`: programs that speak MQTT, and with a key CoAP.

use std::sync::Arc;

use accounts::{AccountName, AddClient, CallerKey, ChangeClient, ClientChange, ClientNotAdded, ListClients};
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
use super::{ClientWord, Console, body, json};
use crate::answer::{empty, fault, not_run};
use crate::things::hub_caller;

/// The namespace of clients that are given none.
const HOME: &str = "home";

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/v1/clients", get(list).post(add))
        .route("/v1/clients/{name}", delete(remove))
        .route("/v1/clients/{name}/password", put(set_password))
        .route("/v1/clients/{name}/key", put(draw_key).delete(remove_key))
        .merge(super::client_certificate::routes())
}

#[derive(Serialize, ToSchema)]
#[schema(as = Clients)]
pub(super) struct ClientsJson {
    clients: Vec<ClientJson>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Client)]
pub(super) struct ClientJson {
    name: String,
    namespace: String,
    made_unix_millis: u64,
    /// Whether it has a key for CoAP.
    has_key: bool,
    /// Whether it may sign in by a certificate.
    has_certificate: bool,
    /// Whether it acts for the owner.
    for_owner: bool,
}

/// `GET /v1/clients`: 200, 503.
async fn list(State(console): State<Arc<Console>>) -> Response {
    match console.executor().run(ListClients).await {
        Ok(Ok(views)) => {
            let clients = views.into_iter().map(|view| ClientJson {
                name: view.name.as_str().to_owned(),
                namespace: view.namespace.as_str().to_owned(),
                made_unix_millis: view.made.as_unix_millis(),
                has_key: view.has_key,
                has_certificate: view.has_certificate,
                for_owner: view.for_owner,
            });
            json("list clients", StatusCode::OK, &ClientsJson { clients: clients.collect() })
        }
        Ok(Err(why)) => fault("list clients", &why),
        Err(error) => not_run("list clients", &error),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewClient)]
pub(super) struct AddClientJson {
    name: String,
    /// Clients of one namespace share topics; `home` unless given.
    #[serde(default)]
    namespace: Option<String>,
    #[schema(value_type = String, format = Password)]
    password: Typed,
    /// Whether it acts for the owner: every thing is open to it, without a grant. It cannot be changed later.
    #[serde(default)]
    for_owner: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClientPassword)]
pub(super) struct ClientPasswordJson {
    #[schema(value_type = String, format = Password)]
    password: Typed,
}

/// `POST /v1/clients`: 201, 400, 409, 422, 503.
async fn add(State(console): State<Arc<Console>>, caller: Caller, bytes: Bytes) -> Response {
    match console.add_client(&caller, &bytes).await {
        Ok(response) | Err(response) => response,
    }
}

/// `PUT /v1/clients/{name}/password`: 204, 400, 404, 422, 503.
async fn set_password(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Response {
    match console.set_client_password(&caller, &name, &bytes).await {
        Ok(response) | Err(response) => response,
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = ClientKey)]
pub(super) struct ClientKeyJson<'a> {
    /// The identity that it shows.
    name: &'a str,
    /// What it proves: these bytes as they stand. Told once.
    #[schema(format = Password)]
    key: &'a str,
}

/// `PUT /v1/clients/{name}/key`: 200, 404, 503. Each time another one: the last one counts.
async fn draw_key(State(console): State<Arc<Console>>, caller: Caller, Path(name): Path<String>) -> Response {
    let Ok(name) = AccountName::from_typed(&name) else { return problem("client-unknown") };
    let name = name.as_str();
    let key = CallerKey::drawn(&console.executor().bytes());
    let changed = console.change_client(&caller, name, ClientChange::Key(key.clone())).await;
    match (changed.status().is_success(), std::str::from_utf8(key.secret().expose())) {
        (true, Ok(key)) => json("draw a key", StatusCode::OK, &ClientKeyJson { name, key }),
        (true, Err(error)) => fault("draw a key", &error),
        (false, _) => changed,
    }
}

/// `DELETE /v1/clients/{name}/key`: 204, 404, 503.
async fn remove_key(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Response {
    console.change_client(&caller, &name, ClientChange::NoKey).await
}

/// `DELETE /v1/clients/{name}`: 204, 404, 503.
async fn remove(State(console): State<Arc<Console>>, caller: Caller, Path(name): Path<String>) -> Response {
    console.change_client(&caller, &name, ClientChange::Remove).await
}

impl Console {
    async fn add_client(&self, caller: &Caller, bytes: &[u8]) -> Result<Response, Response> {
        let asked: AddClientJson = body(bytes)?;
        let named = |text: &str| AccountName::from_typed(text).map_err(|_| problem("name-refused"));
        let name = named(&asked.name)?;
        let namespace = named(asked.namespace.as_deref().unwrap_or(HOME))?;
        let hash = self.passwords.hash(asked.password.new_password()?, self.executor().bytes()).await;
        let hash = hash.ok_or_else(|| fault("add client", &"the password cannot be hashed"))?;
        let add = AddClient {
            name,
            namespace,
            hash,
            for_owner: asked.for_owner,
            asked: caller.asked(self.executor().correlation()),
        };
        Ok(match self.executor().run(add).await {
            Ok(Ok(Ok(()))) => empty(StatusCode::CREATED),
            Ok(Ok(Err(ClientNotAdded::Exists))) => problem("client-exists"),
            Ok(Ok(Err(ClientNotAdded::Full))) => problem("clients-full"),
            Ok(Err(why)) => fault("add client", &why),
            Err(error) => not_run("add client", &error),
        })
    }

    async fn set_client_password(
        &self,
        caller: &Caller,
        name: &str,
        bytes: &[u8],
    ) -> Result<Response, Response> {
        let asked: ClientPasswordJson = body(bytes)?;
        let hash = self.passwords.hash(asked.password.new_password()?, self.executor().bytes()).await;
        let hash = hash.ok_or_else(|| fault("set a client's password", &"it cannot be hashed"))?;
        Ok(self.change_client(caller, name, ClientChange::Password(hash)).await)
    }

    async fn change_client(&self, caller: &Caller, name: &str, change: ClientChange) -> Response {
        let Ok(name) = AccountName::from_typed(name) else { return problem("client-unknown") };
        let asked = caller.asked(self.executor().correlation());
        let word = match change {
            ClientChange::Password(_) => ClientWord::Password,
            ClientChange::Key(_) | ClientChange::NoKey => ClientWord::Key,
            ClientChange::Remove => ClientWord::Removed,
        };
        let party = Party::Client(name.as_str().to_owned());
        let change = ChangeClient { name: name.clone(), change, asked };
        let changed = match word {
            ClientWord::Removed => {
                let is_gone: fn(&_) -> bool = |reply| matches!(reply, Ok(true));
                self.desk().leave(&hub_caller(caller), party, change, is_gone).await
            }
            ClientWord::Password | ClientWord::Key | ClientWord::Certificate => {
                self.executor().run(change).await
            }
        };
        match changed {
            Ok(Ok(true)) => {
                self.tell_of_client(name.as_str(), word);
                empty(StatusCode::NO_CONTENT)
            }
            Ok(Ok(false)) => problem("client-unknown"),
            Ok(Err(why)) => fault("change client", &why),
            Err(error) => not_run("change client", &error),
        }
    }
}
