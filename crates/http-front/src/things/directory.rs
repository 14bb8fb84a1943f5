//! The directory: which things there are for the caller, and one thing as a Thing Description.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use hub::{Binding, Command, Marks, OsapMode, Reply, ThingFilter, ThingModel};
use hub_desk::NewSmartDevice;
use model::Uuid;
use osap_proto::{Mode, Serial};
use serde_json::{Value, json};

use super::bodies::{AddedJson, NewThingJson, ThingJson, ThingsJson};
use super::description::{self, TD};
use super::{JSON, created, document, hub_caller, records, refusals, thing_id, unexpected};
use crate::answer::empty;
use crate::console::caller::Caller;
use crate::console::problem::problem;
use crate::console::{Console, body, in_query};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/things", get(list).post(add))
        .route("/things/{id}", get(show).put(replace).delete(remove))
        .route("/.well-known/wot", get(introduce))
}

/// What `q=` names: words, `is:compat`, `is:osap`, `is:mqtt`, a minus in front turns the last ones around.
fn filter(text: &str) -> Option<ThingFilter> {
    let mut filter = ThingFilter::default();
    for word in text.split_whitespace() {
        let (wanted, plain) = word.strip_prefix('-').map_or((true, word), |word| (false, word));
        match plain {
            "is:compat" => filter.compat = Some(wanted),
            "is:osap" => filter.osap = Some(wanted),
            "is:mqtt" => filter.osap = Some(!wanted),
            _ if !wanted || plain.contains(':') => return None,
            _ => filter.words.push(plain.to_owned()),
        }
    }
    Some(filter)
}

/// `GET /things?q=&after=&format=`: 200, 400, 503.
async fn list(
    State(console): State<Arc<Console>>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    match console.directory(&caller, &headers, query.as_deref()).await {
        Ok(response) | Err(response) => response,
    }
}

/// `POST /things`: 201, 400, 409, 422, 503.
async fn add(State(console): State<Arc<Console>>, caller: Caller, bytes: Bytes) -> Response {
    match console.add_thing(&caller, &bytes).await {
        Ok(response) | Err(response) => response,
    }
}

/// `GET /things/{id}`: 200, 404, 503.
async fn show(
    State(console): State<Arc<Console>>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    match console.describe_thing(&caller, &headers, &id).await {
        Ok(response) | Err(response) => response,
    }
}

/// `PUT /things/{id}`: 204, 400, 404, 422, 503.
async fn replace(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Response {
    match console.replace_model(&caller, &id, &bytes).await {
        Ok(response) | Err(response) => response,
    }
}

/// `DELETE /things/{id}`: 204, 404, 503.
async fn remove(State(console): State<Arc<Console>>, caller: Caller, Path(id): Path<String>) -> Response {
    match console.remove_thing(&caller, &id).await {
        Ok(response) | Err(response) => response,
    }
}

/// `GET /.well-known/wot`: 200.
async fn introduce(State(_): State<Arc<Console>>, _: Caller, headers: HeaderMap) -> Response {
    document(TD, &description::of_the_directory(&headers))
}

impl Console {
    async fn directory(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Response, Response> {
        let words = in_query(query, "q").unwrap_or_default();
        let filter = filter(&words).ok_or_else(|| problem("request-unreadable"))?;
        let after = match in_query(query, "after").filter(|after| !after.is_empty()) {
            Some(after) => Some(after.parse().map_err(|_| problem("request-unreadable"))?),
            None => None,
        };
        let is_short = match in_query(query, "format").as_deref() {
            None | Some("") | Some("array") => false,
            Some("summary") => true,
            Some(_) => return Err(problem("request-unreadable")),
        };
        let Reply::Things(page) = self.ask(caller, Command::List { filter, after }).await? else {
            return Err(unexpected("list things"));
        };
        let next = page.next.map(|next| next.to_string());
        if is_short {
            let things = page.things.iter();
            let things =
                things.map(|view| ThingJson::new(view, self.desk().online_since(view.thing.id))).collect();
            return Ok(crate::console::json("list things", StatusCode::OK, &ThingsJson { things, next }));
        }
        let elsewhere = self.things_elsewhere();
        let things = page.things.iter().map(|view| description::of(view, headers, &elsewhere)).collect();
        let mut response = document("application/ld+json", &Value::Array(things));
        if let Some(next) = next {
            let query = if words.is_empty() { String::new() } else { format!("q={}&", in_url(&words)) };
            let link = format!("</things?{query}after={next}>; rel=\"next\"");
            if let Ok(link) = HeaderValue::from_str(&link) {
                response.headers_mut().insert(header::LINK, link);
            }
        }
        Ok(response)
    }

    async fn add_thing(&self, caller: &Caller, bytes: &[u8]) -> Result<Response, Response> {
        let wanted: NewThingJson = body(bytes)?;
        let id = match wanted.id {
            Some(id) => Some(id.parse().map_err(|_| problem("request-unreadable"))?),
            None => None,
        };
        let model = ThingModel::new(wanted.model).map_err(|bad| refusals::answer(bad.into()))?;
        let marks = Marks { compat: wanted.compat };
        let binding = match (wanted.osap, wanted.mqtt, wanted.enrolment) {
            (Some(osap), None, Some(enrolment)) => {
                let no_serial = || refusals::answer(hub::Refusal::BadBinding);
                let serial = Serial::new(osap.serial.as_bytes()).ok_or_else(no_serial)?;
                let credentials = self.credentials(&serial, enrolment).await?;
                let mode = if osap.product_key { Mode::ProductKey } else { Mode::Serial };
                let new = NewSmartDevice { id, model, serial, mode, credentials, marks };
                let added = self.desk().admit(hub_caller(caller), new).await;
                return Ok(was_added(added.map_err(records::answer)?.id));
            }
            (Some(osap), None, None) => {
                let mode = if osap.product_key { OsapMode::ProductKey } else { OsapMode::Serial };
                Binding::Osap { serial: osap.serial, mode }
            }
            (None, Some(mqtt), None) => Binding::Mqtt { client: mqtt.client },
            (_, Some(_), Some(_)) | (Some(_), Some(_), None) | (None, None, _) => {
                return Err(problem("request-unreadable"));
            }
        };
        match self.ask(caller, Command::Add { id, model, binding, marks }).await? {
            Reply::Thing(thing) => Ok(was_added(thing.id)),
            _ => Err(unexpected("add thing")),
        }
    }

    async fn describe_thing(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        id: &str,
    ) -> Result<Response, Response> {
        match self.ask(caller, Command::Show { thing: thing_id(id)? }).await? {
            Reply::View(view) => Ok(document(TD, &description::of(&view, headers, &self.things_elsewhere()))),
            _ => Err(unexpected("show thing")),
        }
    }

    async fn replace_model(&self, caller: &Caller, id: &str, bytes: &[u8]) -> Result<Response, Response> {
        let thing = thing_id(id)?;
        let model = ThingModel::new(body(bytes)?).map_err(|bad| refusals::answer(bad.into()))?;
        match self.ask(caller, Command::ReplaceModel { thing, model }).await? {
            Reply::Thing(_) => Ok(empty(StatusCode::NO_CONTENT)),
            _ => Err(unexpected("replace model")),
        }
    }

    async fn remove_thing(&self, caller: &Caller, id: &str) -> Result<Response, Response> {
        let thing = thing_id(id)?;
        // First what hangs on it: a cut in between leaves a thing that can be removed again.
        self.ask(caller, Command::Show { thing }).await?;
        self.forget_files(caller, thing).await?;
        match self.ask(caller, Command::Remove { thing }).await? {
            Reply::Done => Ok(empty(StatusCode::NO_CONTENT)),
            _ => Err(unexpected("remove thing")),
        }
    }
}

pub(super) fn was_added(thing: Uuid) -> Response {
    let id = thing.to_string();
    created(&format!("/things/{id}"), &json!(AddedJson { id }))
}

/// Text as it may stand in a query.
fn in_url(text: &str) -> String {
    let may = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes()
        .map(|byte| if may(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The media type of bodies that are plain values.
pub(super) const VALUE: &str = JSON;
