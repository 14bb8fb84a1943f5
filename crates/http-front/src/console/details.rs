//! What an owner sees of one device besides its status: its time line, keys and channels; and the transfers
//! that are expected.

use std::sync::Arc;

use assure_json::DeviceStatus;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use crypto::HashAlgorithm;
use management::{
    DeviceChannels, DeviceKeys, KeyOwner, OrderState, ReadDevice, ReadDeviceChannels, ReadDeviceKeys,
    ReadOrder, ReadWork, Registrant, Work,
};
use model::Uuid;
use serde::Serialize;
use utoipa::ToSchema;

use super::audit::{Search, before};
use super::caller::Caller;
use super::problem::problem;
use super::{Console, json};
use crate::answer::{fault, not_run};
use crate::management::{kind_text, link_text};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/v1/devices/{uuid}/timeline", get(timeline))
        .route("/v1/devices/{uuid}/keys", get(keys))
        .route("/v1/devices/{uuid}/channels", get(channels))
        .route("/v1/offers", get(offers))
}

/// The device of a path, when the caller sees it.
async fn seen(console: &Console, caller: &Caller, uuid: &str) -> Result<Uuid, Response> {
    let device = uuid.parse().map_err(|_| problem("not-here"))?;
    match console.executor().run(ReadDevice { device, by: caller.registrant() }).await {
        Ok(Ok(Some(_))) => Ok(device),
        Ok(Ok(None)) => Err(problem("not-here")),
        Ok(Err(bad)) => Err(fault("read device", &bad)),
        Err(error) => Err(not_run("read device", &error)),
    }
}

/// `GET /v1/devices/{uuid}/timeline?before=`: 200, 400, 404, 503.
async fn timeline(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Path(uuid): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let (device, before) = match (seen(&console, &caller, &uuid).await, before(query.as_deref())) {
        (Ok(device), Ok(before)) => (device, before),
        (Err(refusal), _) | (_, Err(refusal)) => return refusal,
    };
    match console.look_back(Search::of_device(device), before).await {
        Ok(page) => json("timeline", StatusCode::OK, &page),
        Err(why) => fault("timeline", &why),
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = DeviceKeys)]
pub(super) struct KeysJson {
    keys: Vec<KeyJson>,
}

/// The public parts of a key.
#[derive(Serialize, ToSchema)]
#[schema(as = DeviceKey)]
pub(super) struct KeyJson {
    id: String,
    purpose: &'static str,
    class: Option<u8>,
    kind: &'static str,
    fingerprint: Option<String>,
    made_unix_millis: Option<u64>,
    ends_unix_millis: Option<u64>,
    signed_by: Option<&'static str>,
    secret: bool,
}

/// `GET /v1/devices/{uuid}/keys`: 200, 404, 503.
async fn keys(State(console): State<Arc<Console>>, caller: Caller, Path(uuid): Path<String>) -> Response {
    let device = match seen(&console, &caller, &uuid).await {
        Ok(device) => device,
        Err(refusal) => return refusal,
    };
    let DeviceKeys { keys } = match console.executor().run(ReadDeviceKeys { device }).await {
        Ok(Ok(keys)) => keys,
        Ok(Err(bad)) => return fault("read keys", &bad),
        Err(error) => return not_run("read keys", &error),
    };
    let owner = &console.server.owner().keys;
    let fingerprint =
        |spki: &[u8]| model::hex(owner.provider.digest(HashAlgorithm::Sha256, &[spki]).as_ref());
    let keys = keys.into_iter().map(|key| {
        let (purpose, class, signed_by) = match key.of {
            KeyOwner::Device => ("device", Some(1), None),
            KeyOwner::Us => ("owner", Some(2), Some("authority")),
            KeyOwner::ManagementChannel => ("management channel", None, None),
            KeyOwner::Channel(_) => ("channel", None, None),
        };
        let own = match (key.of, key.kind) {
            (KeyOwner::Us, management::KeyKind::Ec) => Some(owner.class_2.public().spki().to_vec()),
            (KeyOwner::Us, management::KeyKind::Rsa) => Some(owner.rsa.public().spki().to_vec()),
            _ => key.spki,
        };
        KeyJson {
            id: key.id.to_string(),
            purpose,
            class,
            kind: kind_text(key.kind),
            fingerprint: own.as_deref().map(fingerprint),
            made_unix_millis: None,
            ends_unix_millis: None,
            signed_by,
            secret: key.kind == management::KeyKind::SharedSecret,
        }
    });
    json("read keys", StatusCode::OK, &KeysJson { keys: keys.collect() })
}

#[derive(Serialize, ToSchema)]
#[schema(as = DeviceChannels)]
pub(super) struct ChannelsJson {
    channels: Vec<ChannelJson>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ChannelPrivileges)]
pub(super) struct PrivilegesJson {
    channel_management: bool,
    system_management: bool,
    key_management: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DeviceChannel)]
pub(super) struct ChannelJson {
    number: Option<u16>,
    peer: String,
    local_key: Option<String>,
    peer_key: Option<String>,
    state: &'static str,
    since_unix_millis: Option<u64>,
    kind: Option<&'static str>,
    wanted: bool,
    privileges: Option<PrivilegesJson>,
}

const fn state_of(status: DeviceStatus) -> &'static str {
    match status {
        DeviceStatus::InService => "open",
        DeviceStatus::Offline => "closed",
        DeviceStatus::Unreachable => "lost",
        DeviceStatus::ChannelFailed => "failed",
        DeviceStatus::Unknown
        | DeviceStatus::Registered
        | DeviceStatus::OwnershipAssigned
        | DeviceStatus::ConfigurationFetched
        | DeviceStatus::BootstrapUploaded
        | DeviceStatus::BootstrapFailed => "waiting",
        DeviceStatus::Replaced | DeviceStatus::Released | DeviceStatus::OwnershipRefused => "none",
    }
}

/// `GET /v1/devices/{uuid}/channels`: 200, 404, 503. A channel between devices is *wanted* until its device
/// has answered the order that makes it.
async fn channels(State(console): State<Arc<Console>>, caller: Caller, Path(uuid): Path<String>) -> Response {
    let device = match seen(&console, &caller, &uuid).await {
        Ok(device) => device,
        Err(refusal) => return refusal,
    };
    let DeviceChannels { status, since, kind, links } =
        match console.executor().run(ReadDeviceChannels { device }).await {
            Ok(Ok(Some(channels))) => channels,
            Ok(Ok(None)) => return problem("not-here"),
            Ok(Err(bad)) => return fault("read channels", &bad),
            Err(error) => return not_run("read channels", &error),
        };
    let mut channels = vec![ChannelJson {
        number: Some(1),
        peer: console.server.owner().keys.id.to_string(),
        local_key: None,
        peer_key: None,
        state: state_of(status),
        since_unix_millis: Some(since.as_unix_millis()),
        kind: kind.map(kind_text),
        wanted: kind.is_some() && state_of(status) == "waiting",
        privileges: Some(PrivilegesJson {
            channel_management: true,
            system_management: true,
            key_management: true,
        }),
    }];
    for link in links {
        let read = ReadOrder { device, number: link.order, by: Registrant::Operator };
        let order = console.executor().run(read).await.ok().and_then(Result::ok).flatten();
        let state = order.as_ref().map(|order| &order.state);
        let (state, wanted) = match state {
            Some(OrderState::Waiting | OrderState::Sent) => ("waiting", true),
            Some(OrderState::Done { .. }) | None => ("made", false),
        };
        channels.push(ChannelJson {
            number: Some(link.channel),
            peer: link.peer.to_string(),
            local_key: link.keys.first().map(|id| model::hex(id)),
            peer_key: link.keys.get(1).map(|id| model::hex(id)),
            state,
            since_unix_millis: order.map(|order| order.placed.as_unix_millis()),
            kind: Some(link_text(link.kind)),
            wanted,
            privileges: Some(PrivilegesJson {
                channel_management: link.privileges.channel_management,
                system_management: link.privileges.system_management,
                key_management: link.privileges.key_management,
            }),
        });
    }
    json("read channels", StatusCode::OK, &ChannelsJson { channels })
}

#[derive(Serialize, ToSchema)]
#[schema(as = ExpectedTransfers)]
pub(super) struct OffersJson {
    offers: Vec<OfferJson>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ExpectedTransfer)]
pub(super) struct OfferJson {
    device: String,
    /// The authority does not tell from whom.
    from: Option<String>,
    since_unix_millis: u64,
}

/// Pages of due steps that are looked through for transfers that are expected.
const WORK_PAGES_MAX: usize = 16;

/// `GET /v1/offers`: 200, 503.
async fn offers(State(console): State<Arc<Console>>, _: Caller) -> Response {
    let (mut offers, mut after) = (Vec::new(), None);
    for _ in 0..WORK_PAGES_MAX {
        let page = match console.executor().run(ReadWork { after }).await {
            Ok(Ok(page)) => page,
            Ok(Err(bad)) => return fault("list offers", &bad),
            Err(error) => return not_run("list offers", &error),
        };
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        for (device, work) in page {
            if !matches!(work, Work::Announce | Work::Configure) {
                continue;
            }
            let read = ReadDevice { device, by: Registrant::Operator };
            let view = console.executor().run(read).await.ok().and_then(Result::ok).flatten();
            if let Some(view) = view.filter(|view| view.status == DeviceStatus::Registered) {
                let since_unix_millis = view.since.as_unix_millis();
                offers.push(OfferJson { device: device.to_string(), from: None, since_unix_millis });
            }
        }
    }
    json("list offers", StatusCode::OK, &OffersJson { offers })
}
