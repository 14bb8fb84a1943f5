//! The platform calls of a management system's operator.
//!
//! | call | body | answer |
//! |---|---|---|
//! | `GET /v1/managementsystem` | | 200 `{"id":ID}`: what others name to transfer devices to us |
//! | `GET /v1/devices?after=UUID&q=WORDS` | | 200 `{"devices":[DEVICE..],"next":UUID or null}` |
//! | `GET /v1/devices/{uuid}` | | 200 `DEVICE`, 401 |
//! | `POST /v1/devices/{uuid}/transfer?to=ID` | | 204, 403 refused or not ours, 409 leaving for another, 503 on its way |
//! | `POST /v1/devices/{uuid}/release` | | the same |
//! | `POST /v1/devices/{uuid}/accept` | | 204 awaited or ours, 409 replaced, 503 not announced yet, which goes on |
//! | `DELETE /v1/devices/{uuid}/accept` | | 204 awaited no more, 409 ours, 503 |
//! | `PUT /v1/managementsystem/takes` | `announced` or `all` | 204, 400, 503 |
//! | `POST /v1/devices/{uuid}/bootstrap` | empty, or `{"choice":NAME or null,"messages":[{"method":"PUT","path":"/x","payload":BASE64}]}` | 202 `{"created_at_unix_millis":..}`, 400, 403, 409 not to be built, 503 |
//! | `POST /v1/devices/{uuid}/configuration` | | 202 fetched again, and the image built from it; 403, 503 |
//! | `POST /v1/devices/{uuid}/orders` | `{"command":..,"within_secs":30}` | 201 `{"order":N}`, 400, 403, 503 queue full |
//! | `GET /v1/devices/{uuid}/orders/{N}` | | 200 `ORDER`, 404 |
//! | `GET /v1/channels?after=UUID,UUID` | | 200 `{"channels":[{"device","peer","kind","opens","channel","order"}..],"next":"UUID,UUID" or null}` |
//! | `POST /v1/network` | `{"shape":"star","devices":[{"id":UUID,"address":"ip:port"}],"privileges":{..},"within_secs":3600}` | 201 `{"channels":[{"opener","listener","kind"}..]}`, 400, 403, 409, 503 |
//!
//! `DEVICE`: `{"id","status","description","since_unix_millis","registrant","kind","owner_sequence_number",
//! "due","image_created_unix_millis","parameter_choice","info","goodbye","seen_unix_millis","replaced_by",
//! "replaces"}`; what is not known is null. `kind` is `shared-secret`, `ec` or `rsa`; `due` is `announce`,
//! `configure`, `upload`, `transfer` or `release`.
//!
//! Commands: `ping` (`payload`), `read-info`, `list-keys`, `read-key` (`id`), `put-key` (`key`: Base64 of 7.4),
//! `delete-key` (`id`), `generate-key` (`kind`: `rsa-2048`, `p-256`, `p-384`, `p-521`; `persistent`),
//! `list-channels`, `read-channel` (`channel`), `put-channel` (`channel` or none; `definition`), `open-channel`,
//! `close-channel`, `delete-channel`, `reboot`, `shutdown`, `bootstrap`. A definition is `{"local_key",
//! "peer_key","persistent","open_immediately","privileges":{"channel_management","system_management",
//! "key_management"},"address":"ip:port"}`.
//!
//! `ORDER`: `{"state","placed_unix_millis","deadline_unix_millis","code":"2.05","answer":{..}}`; the answer is
//! one of `"done"`, `{"pong"}`, `{"info"}`, `{"keys"}`, `{"channels"}`, `{"created"}`, `{"unreadable"}`.

use std::sync::Arc;
use std::time::Duration;

use assure_proto::SimpleTime;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clock::Timestamp;
use management::{
    ApplicationMessage, Command, DeviceView, DueStep, FetchAgain, KeyKind, LinkKind, ListDevices, ListLinks,
    Member, NotBuilt, NotPlaced, NotPlanned, PlaceOrder, PlanTopology, ReadDevice, ReadOrder, Rebuild,
    Registrant, Shape,
};
use model::ManagementId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ManagementServer;
use super::find::Find;
use super::flow::Given;
use super::order_json::{CommandJson, InfoJson, MethodJson, OrderJson, PrivilegesJson, address};
use super::registrar::{Registrar, unauthorized};
use super::registration_api::{RETRY, Server, info_json, json};
use crate::answer::{empty, fault, later, not_run};
use crate::caller::Operator;
use crate::console::in_query;

/// How long an order may take unless told otherwise.
const WITHIN_DEFAULT: Duration = Duration::from_secs(30);
/// How long the orders of a topology may take unless told otherwise.
const NETWORK_WITHIN_DEFAULT: Duration = Duration::from_secs(60 * 60);
/// Pages that one search looks at: 20,000 devices; a search that finds little goes on with the next call.
const LOOK_PAGES_MAX: usize = 100;
/// So many found are enough for one answer.
const FOUND_COUNT: usize = 200;
/// Nothing may take longer.
const WITHIN_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// RSA keys that one topology may need.
const SPARE_KEY_COUNT_MAX: usize = 32;

pub(super) fn routes() -> Router<Arc<ManagementServer>> {
    Router::new()
        .route("/v1/managementsystem", get(read_own_id))
        .route("/v1/devices", get(list_devices))
        .route("/v1/devices/{uuid}/transfer", post(transfer))
        .route("/v1/devices/{uuid}/release", post(release))
        .route("/v1/devices/{uuid}/bootstrap", post(bootstrap))
        .route("/v1/devices/{uuid}/configuration", post(fetch_again))
        .route("/v1/devices/{uuid}/orders", post(place_order))
        .route("/v1/devices/{uuid}/orders/{number}", get(read_order))
        .route("/v1/channels", get(list_channels))
        .route("/v1/network", post(apply_network))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Device)]
pub(crate) struct DeviceJson {
    id: String,
    status: u8,
    description: &'static str,
    since_unix_millis: u64,
    registrant: String,
    kind: Option<&'static str>,
    owner_sequence_number: Option<u32>,
    due: Option<&'static str>,
    image_created_unix_millis: Option<u64>,
    parameter_choice: Option<String>,
    #[schema(value_type = Option<InfoJson>)]
    info: Option<assure_json::DeviceInfo>,
    goodbye: Option<u8>,
    seen_unix_millis: Option<u64>,
    replaced_by: Option<String>,
    replaces: Option<String>,
}

pub(crate) const fn kind_text(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::SharedSecret => "shared-secret",
        KeyKind::Ec => "ec",
        KeyKind::Rsa => "rsa",
    }
}

pub(crate) const fn due_text(due: &DueStep) -> &'static str {
    match due {
        DueStep::Configure => "configure",
        DueStep::Upload => "upload",
        DueStep::Transfer(_) => "transfer",
        DueStep::Release => "release",
        DueStep::Announce => "announce",
    }
}

impl From<DeviceView> for DeviceJson {
    fn from(view: DeviceView) -> Self {
        let (image, parameter_choice) = view.image.map_or((None, None), |(at, choice)| (Some(at), choice));
        Self {
            id: view.device.to_string(),
            status: view.status.number(),
            description: view.status.description(),
            since_unix_millis: view.since.as_unix_millis(),
            registrant: view.registrant,
            kind: view.kind.map(kind_text),
            owner_sequence_number: view.owner_sequence_number,
            due: view.due.as_ref().map(due_text),
            image_created_unix_millis: image.map(Timestamp::as_unix_millis),
            parameter_choice,
            info: view.info.as_ref().map(info_json),
            goodbye: view.goodbye.map(assure_proto::GoodbyeReason::number),
            seen_unix_millis: view.seen.map(Timestamp::as_unix_millis),
            replaced_by: view.replaced_by.map(|device| device.to_string()),
            replaces: view.replaces.map(|device| device.to_string()),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Devices)]
pub(crate) struct DevicesJson {
    devices: Vec<DeviceJson>,
    next: Option<String>,
}

/// `GET /v1/devices`: 200, 400, 401, 503; a user sees his own. With `q=` a page may be short or empty though
/// there is a `next`.
async fn list_devices(
    State(server): Server,
    Registrar(by): Registrar,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.as_deref().filter(|query| !query.is_empty());
    let (after, words) = (in_query(query, "after"), in_query(query, "q"));
    let after = after.as_deref().map(str::parse).transpose();
    let (Ok(mut after), true) = (after, query.is_none() || after_or_words(query)) else {
        return empty(StatusCode::BAD_REQUEST);
    };
    let find = Find::read(words.as_deref().unwrap_or_default());
    let mut found: Vec<DeviceJson> = Vec::new();
    for _ in 0..LOOK_PAGES_MAX {
        match server.executor.run(ListDevices { after, by: by.clone() }).await {
            Ok(Ok((devices, next))) => {
                let devices = devices.into_iter().filter(|device| find.fits(device));
                found.extend(devices.map(DeviceJson::from));
                after = next;
            }
            Ok(Err(bad)) => return fault("list devices", &bad),
            Err(error) => return not_run("list devices", &error),
        }
        if after.is_none() || words.is_none() || found.len() >= FOUND_COUNT {
            break;
        }
    }
    let next = after.map(|next| next.to_string());
    json("list devices", StatusCode::OK, &DevicesJson { devices: found, next })
}

/// Nothing else may stand in a query for devices.
fn after_or_words(query: Option<&str>) -> bool {
    let mut names = query.unwrap_or_default().split('&').map(|pair| pair.split('=').next());
    names.all(|name| matches!(name, Some("after" | "q")))
}

/// `GET /v1/devices/{uuid}`: 200, 401, 503.
pub(super) async fn read_device(
    State(server): Server,
    Registrar(by): Registrar,
    Path(uuid): Path<String>,
) -> Response {
    let Ok(device) = uuid.parse() else { return unauthorized() };
    match server.executor.run(ReadDevice { device, by }).await {
        Ok(Ok(Some(view))) => json("read device", StatusCode::OK, &DeviceJson::from(view)),
        Ok(Ok(None)) => unauthorized(),
        Ok(Err(bad)) => fault("read device", &bad),
        Err(error) => not_run("read device", &error),
    }
}

impl ManagementServer {
    async fn answer_giving(&self, uuid: &str, to: Option<ManagementId>) -> Response {
        let Ok(device) = uuid.parse() else { return empty(StatusCode::FORBIDDEN) };
        match self.give(device, to).await {
            Ok(Given::Gone) => empty(StatusCode::NO_CONTENT),
            Ok(Given::Refused) => empty(StatusCode::FORBIDDEN),
            Ok(Given::Otherwise) => empty(StatusCode::CONFLICT),
            Ok(Given::Later(after)) => later(after.unwrap_or(RETRY)),
            Err(error) => not_run("give device up", &error),
        }
    }
}

/// `POST /v1/devices/{uuid}/transfer?to=`: 204, 400, 403, 409, 503.
async fn transfer(
    State(server): Server,
    _: Operator,
    Path(uuid): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let to = query.as_deref().and_then(|query| query.strip_prefix("to=")?.parse::<ManagementId>().ok());
    match to {
        Some(to) => server.answer_giving(&uuid, Some(to)).await,
        None => empty(StatusCode::BAD_REQUEST),
    }
}

/// `POST /v1/devices/{uuid}/release`: 204, 403, 409, 503.
async fn release(State(server): Server, _: Operator, Path(uuid): Path<String>) -> Response {
    server.answer_giving(&uuid, None).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ImageWishes)]
pub(crate) struct WishesJson {
    #[serde(default)]
    choice: Option<String>,
    #[serde(default)]
    messages: Vec<MessageJson>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApplicationMessage)]
pub(crate) struct MessageJson {
    #[schema(value_type = MethodJson)]
    method: assure_json::Method,
    path: String,
    #[serde(default)]
    payload: String,
}

fn wishes(body: &Bytes) -> Option<Option<(Vec<ApplicationMessage>, Option<String>)>> {
    if body.is_empty() {
        return Some(None);
    }
    let wishes: WishesJson = serde_json::from_slice(body).ok()?;
    let message = |message: MessageJson| {
        let method = match message.method {
            assure_json::Method::Get => 1,
            assure_json::Method::Post => 2,
            assure_json::Method::Put => 3,
            assure_json::Method::Delete => 4,
        };
        let payload = STANDARD.decode(message.payload).ok()?;
        Some(ApplicationMessage { method, path: message.path, payload })
    };
    let messages = wishes.messages.into_iter().map(message).collect::<Option<_>>()?;
    Some(Some((messages, wishes.choice)))
}

#[derive(Serialize, ToSchema)]
#[schema(as = ImageBuilt)]
pub(crate) struct BuiltJson {
    created_at_unix_millis: u64,
}

/// `POST /v1/devices/{uuid}/bootstrap`: 202, 400, 403, 409, 503.
async fn bootstrap(State(server): Server, _: Operator, Path(uuid): Path<String>, body: Bytes) -> Response {
    let (Ok(device), Some(wishes)) = (uuid.parse(), wishes(&body)) else {
        return empty(StatusCode::BAD_REQUEST);
    };
    let rebuild = Rebuild {
        device,
        wishes,
        keys: Arc::clone(&server.owner.keys),
        address: server.address.clone(),
        origin: server.origin(&Registrant::Operator),
    };
    match server.executor.run(rebuild).await {
        Ok(Ok(built)) => {
            server.hurry(device);
            let at: SimpleTime = built.created_at;
            let created_at_unix_millis = at.timestamp().as_unix_millis();
            json("bootstrap", StatusCode::ACCEPTED, &BuiltJson { created_at_unix_millis })
        }
        Ok(Err(NotBuilt::NotOurs)) => empty(StatusCode::FORBIDDEN),
        Ok(Err(NotBuilt::NothingToDo | NotBuilt::Payload(_) | NotBuilt::Image(_))) => {
            empty(StatusCode::CONFLICT)
        }
        Ok(Err(why @ (NotBuilt::Configuration(_) | NotBuilt::NoClock | NotBuilt::Record(_)))) => {
            fault("bootstrap", &why)
        }
        Err(error) => not_run("bootstrap", &error),
    }
}

/// `POST /v1/devices/{uuid}/configuration`: 202, 400, 403, 503.
async fn fetch_again(State(server): Server, _: Operator, Path(uuid): Path<String>) -> Response {
    let Ok(device) = uuid.parse() else { return empty(StatusCode::BAD_REQUEST) };
    let fetch = FetchAgain { device, origin: server.origin(&Registrant::Operator) };
    match server.executor.run(fetch).await {
        Ok(Ok(true)) => {
            server.hurry(device);
            empty(StatusCode::ACCEPTED)
        }
        Ok(Ok(false)) => empty(StatusCode::FORBIDDEN),
        Ok(Err(bad)) => fault("fetch again", &bad),
        Err(error) => not_run("fetch again", &error),
    }
}

#[derive(Deserialize)]
struct PlaceJson {
    #[serde(flatten)]
    command: serde_json::Value,
    #[serde(default)]
    within_secs: Option<u64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OrderPlaced)]
pub(crate) struct PlacedJson {
    order: u64,
}

impl ManagementServer {
    /// The deadline that lies `secs` ahead, or `default` when nothing is said.
    fn deadline(&self, secs: Option<u64>, default: Duration) -> Option<Timestamp> {
        let within = secs.map_or(default, Duration::from_secs).min(WITHIN_MAX);
        let millis = u64::try_from(within.as_millis()).ok()?;
        Some(Timestamp::from_unix_millis(self.executor.now().utc?.as_unix_millis() + millis))
    }
}

/// `POST /v1/devices/{uuid}/orders`: 201, 400, 403, 503.
async fn place_order(State(server): Server, _: Operator, Path(uuid): Path<String>, body: Bytes) -> Response {
    let order = serde_json::from_slice::<PlaceJson>(&body).ok();
    let order = order.and_then(|order| {
        let command: CommandJson = serde_json::from_value(order.command).ok()?;
        Some((Command::try_from(command).ok()?, order.within_secs))
    });
    let (Ok(device), Some((command, within_secs))) = (uuid.parse(), order) else {
        return empty(StatusCode::BAD_REQUEST);
    };
    let Some(deadline) = server.deadline(within_secs, WITHIN_DEFAULT) else { return later(RETRY) };
    let by = Registrant::Operator;
    let origin = server.origin(&by);
    match server.executor.run(PlaceOrder { device, by, command, deadline, origin }).await {
        Ok(Ok(order)) => {
            (server.hooks.orders_wait)(Some(device));
            json("place order", StatusCode::CREATED, &PlacedJson { order })
        }
        Ok(Err(NotPlaced::NotOurs)) => empty(StatusCode::FORBIDDEN),
        Ok(Err(NotPlaced::Malformed | NotPlaced::Late)) => empty(StatusCode::BAD_REQUEST),
        Ok(Err(NotPlaced::Full | NotPlaced::NoClock)) => later(RETRY),
        Ok(Err(NotPlaced::Record(bad))) => fault("place order", &bad),
        Err(error) => not_run("place order", &error),
    }
}

/// `GET /v1/devices/{uuid}/orders/{number}`: 200, 404, 503.
async fn read_order(
    State(server): Server,
    _: Operator,
    Path((uuid, number)): Path<(String, String)>,
) -> Response {
    let (Ok(device), Ok(number)) = (uuid.parse(), number.parse()) else {
        return empty(StatusCode::NOT_FOUND);
    };
    match server.executor.run(ReadOrder { device, number, by: Registrant::Operator }).await {
        Ok(Ok(Some(view))) => json("read order", StatusCode::OK, &OrderJson::from(&view)),
        Ok(Ok(None)) => empty(StatusCode::NOT_FOUND),
        Ok(Err(bad)) => fault("read order", &bad),
        Err(error) => not_run("read order", &error),
    }
}

pub(crate) const fn link_text(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::Ec => "ec",
        LinkKind::IssuedEc => "issued-ec",
        LinkKind::Rsa => "rsa",
        LinkKind::IssuedRsa => "issued-rsa",
        LinkKind::SharedSecret => "shared-secret",
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Link)]
pub(crate) struct LinkJson {
    device: String,
    peer: String,
    kind: &'static str,
    opens: bool,
    channel: u16,
    order: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Links)]
pub(crate) struct LinksJson {
    channels: Vec<LinkJson>,
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OwnId)]
pub(crate) struct OwnIdJson {
    id: String,
}

/// `GET /v1/managementsystem`: 200.
async fn read_own_id(State(server): Server, _: Operator) -> Response {
    let id = server.owner.keys.id.as_str().to_owned();
    json("read own id", StatusCode::OK, &OwnIdJson { id })
}

/// `GET /v1/channels`: 200, 400, 503.
async fn list_channels(State(server): Server, _: Operator, RawQuery(query): RawQuery) -> Response {
    let after = match query.as_deref().unwrap_or_default() {
        "" => None,
        query => {
            let pair = query.strip_prefix("after=").and_then(|after| after.split_once(','));
            match pair.and_then(|(device, peer)| Some((device.parse().ok()?, peer.parse().ok()?))) {
                Some(after) => Some(after),
                None => return empty(StatusCode::BAD_REQUEST),
            }
        }
    };
    match server.executor.run(ListLinks { after }).await {
        Ok(Ok(links)) => {
            let next = links.last().map(|last| format!("{},{}", last.device, last.peer));
            let link = |link: management::LinkView| LinkJson {
                device: link.device.to_string(),
                peer: link.peer.to_string(),
                kind: link_text(link.kind),
                opens: link.opens,
                channel: link.channel,
                order: link.order,
            };
            let channels = links.into_iter().map(link).collect();
            json("list channels", StatusCode::OK, &LinksJson { channels, next })
        }
        Ok(Err(bad)) => fault("list channels", &bad),
        Err(error) => not_run("list channels", &error),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Network)]
pub(crate) struct NetworkJson {
    shape: ShapeJson,
    devices: Vec<MemberJson>,
    #[serde(default)]
    privileges: PrivilegesJson,
    #[serde(default)]
    within_secs: Option<u64>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = NetworkShape)]
pub(crate) enum ShapeJson {
    Star,
    Ring,
    Tree,
    Full,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NetworkMember)]
pub(crate) struct MemberJson {
    id: String,
    #[serde(default)]
    address: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NetworkPlan)]
pub(crate) struct PlannedJson {
    channels: Vec<PlannedLinkJson>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PlannedLink)]
pub(crate) struct PlannedLinkJson {
    opener: String,
    listener: String,
    kind: &'static str,
}

fn members(devices: &[MemberJson]) -> Option<Vec<Member>> {
    let member = |member: &MemberJson| {
        let address = member.address.as_deref().map(address).transpose().ok()?;
        Some(Member { device: member.id.parse().ok()?, address })
    };
    devices.iter().map(member).collect()
}

/// `POST /v1/network`: 201, 400, 403, 409, 503.
async fn apply_network(State(server): Server, _: Operator, body: Bytes) -> Response {
    let network = serde_json::from_slice::<NetworkJson>(&body).ok();
    let network = network.and_then(|network| Some((members(&network.devices)?, network)));
    let Some((members, network)) = network else { return empty(StatusCode::BAD_REQUEST) };
    let shape = match network.shape {
        ShapeJson::Star => Shape::Star,
        ShapeJson::Ring => Shape::Ring,
        ShapeJson::Tree => Shape::Tree,
        ShapeJson::Full => Shape::Full,
    };
    let Some(deadline) = server.deadline(network.within_secs, NETWORK_WITHIN_DEFAULT) else {
        return later(RETRY);
    };
    let mut plan = PlanTopology {
        members,
        shape,
        privileges: network.privileges.into(),
        spare_rsa: Vec::new(),
        deadline,
        keys: Arc::clone(&server.owner.keys),
        origin: server.origin(&Registrant::Operator),
    };
    loop {
        match server.executor.run(plan.clone()).await {
            Ok(Ok(planned)) => {
                (server.hooks.orders_wait)(None);
                let link = |link: management::PlannedLink| PlannedLinkJson {
                    opener: link.opener.to_string(),
                    listener: link.listener.to_string(),
                    kind: link_text(link.kind),
                };
                let channels = planned.into_iter().map(link).collect();
                return json("apply network", StatusCode::CREATED, &PlannedJson { channels });
            }
            Ok(Err(NotPlanned::NeedsRsaKey)) if plan.spare_rsa.len() < SPARE_KEY_COUNT_MAX => {
                let Some(key) = server.spare_rsa_key().await else {
                    return fault("apply network", &"no RSA key could be made");
                };
                plan.spare_rsa.push(key);
            }
            Ok(Err(NotPlanned::Members | NotPlanned::Late)) => return empty(StatusCode::BAD_REQUEST),
            Ok(Err(NotPlanned::NotOurs(_))) => return empty(StatusCode::FORBIDDEN),
            Ok(Err(NotPlanned::NoAddress(_) | NotPlanned::OutOfChannels(_) | NotPlanned::NeedsRsaKey)) => {
                return empty(StatusCode::CONFLICT);
            }
            Ok(Err(NotPlanned::NoClock)) => return later(RETRY),
            Ok(Err(why @ (NotPlanned::Signing | NotPlanned::Record(_)))) => {
                return fault("apply network", &why);
            }
            Err(error) => return not_run("apply network", &error),
        }
    }
}
