//! Reboot, shutdown, bootstrap, ping, and the walled garden's flag.

use assure_proto::cbor::Reader;
use coap_proto::{Code, Response, StoredRequest};
use wire::DecodeError;

use super::{Desk, Effect, Principal, Reply};
use crate::limits::PING_LENGTH_MAX;

/// Answers first; the act follows. An image cannot ask for it: the device would never come to rest.
///
/// Source: aSSURE 10.1.13 to 10.1.15.
pub(super) fn act(principal: Principal, effect: Effect) -> Reply {
    match principal {
        Principal::Image => Reply::new(Code::FORBIDDEN),
        Principal::Peer { .. } => Reply::new(Code::CHANGED).then(effect),
    }
}

/// Gives back the payload or its beginning. Source: aSSURE 10.1.16.
pub(super) fn ping(request: &StoredRequest<'_>) -> Reply {
    let payload = &request.payload[..request.payload.len().min(PING_LENGTH_MAX)];
    let response = match request.options.content_format() {
        Some(format) => Response::content(format, payload),
        None => Response { payload: payload.to_vec(), ..Response::new(Code::CONTENT) },
    };
    Reply { response, ..Reply::new(Code::CONTENT) }
}

/// `PUT /v1/walled-garden` with a BOOLEAN: in an image only, for its own owner sequence number.
///
/// Source: TS-H1, decision G 28.
pub(super) fn walled_garden(desk: &mut Desk<'_>, payload: &[u8]) -> Reply {
    if desk.principal != Principal::Image {
        return Reply::new(Code::FORBIDDEN);
    }
    match flag(payload) {
        Ok(flag) => {
            desk.state.record.walled_garden = flag;
            Reply::new(Code::CHANGED).changed()
        }
        Err(_) => Reply::new(Code::BAD_REQUEST),
    }
}

fn flag(payload: &[u8]) -> Result<bool, DecodeError> {
    let mut reader = Reader::whole(payload)?;
    let flag = reader.bool()?;
    reader.finish()?;
    Ok(flag)
}
