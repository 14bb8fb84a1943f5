//! Requests of devices, as values.

use assure_proto::{DeviceInfo, GoodbyeReason, PreciseTime};
use clock::Now;
use coap_proto::{Code, ContentFormat, Incoming, Response, Route, Router};
use model::Uuid;

/// After so many seconds a device may ask again that could not be served.
pub(super) const BUSY_SECS: u32 = 30;
const CBOR: &[ContentFormat] = &[ContentFormat::CBOR];

/// What a device can ask of a management system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Info,
    Goodbye,
    Timestamp,
}

/// A request that is for the owner.
pub(super) enum Told {
    Info(Box<DeviceInfo>),
    Goodbye(GoodbyeReason),
}

/// Source: aSSURE 11.3, 11.4.
pub(super) fn router() -> Router<Resource> {
    Router::new()
        .with(Route::new(Code::PUT, "/v1/devices/{uuid}/info", Resource::Info).taking(CBOR))
        .with(Route::new(Code::PUT, "/v1/devices/{uuid}/goodbye", Resource::Goodbye).taking(CBOR))
        .with(Route::new(Code::GET, "/v1/timestamp", Resource::Timestamp).producing(CBOR))
}

/// What a request of `device` says to the owner.
///
/// # Errors
/// The response to give at once: the time, or why the request is refused.
/// Source: aSSURE 11.3; rulings A-ASSURE-72, A-ASSURE-84.
pub(super) fn read(
    router: &Router<Resource>,
    device: Uuid,
    incoming: &Incoming,
    now: Now,
) -> Result<Told, Response> {
    let options = incoming.options();
    let found = router.find(incoming.method, options)?;
    if options.queries().next().is_some() {
        return Err(Response::new(Code::BAD_OPTION));
    }
    let resource = *found.id;
    if resource == Resource::Timestamp {
        return Err(timestamp(now));
    }
    let named = found.parameter("uuid").and_then(|uuid| uuid.parse::<Uuid>().ok());
    if named != Some(device) {
        return Err(Response::new(Code::UNAUTHORIZED));
    }
    let malformed = |_| Response::new(Code::BAD_REQUEST);
    if resource == Resource::Goodbye {
        return GoodbyeReason::decode(&incoming.payload).map(Told::Goodbye).map_err(malformed);
    }
    let info = DeviceInfo::decode(&incoming.payload).map_err(malformed)?;
    if info.device != device {
        return Err(Response::new(Code::UNAUTHORIZED));
    }
    Ok(Told::Info(Box::new(info)))
}

/// The time, or 5.03 when it is not known. Source: aSSURE 11.4.1, ruling A-ASSURE-89.
pub(crate) fn timestamp(now: Now) -> Response {
    match now.utc.and_then(PreciseTime::from_timestamp) {
        Some(time) => Response::content(ContentFormat::CBOR, time.encode()).with_max_age(0),
        None => Response::busy(BUSY_SECS),
    }
}
