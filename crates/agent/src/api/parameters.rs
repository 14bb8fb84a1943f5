//! Values that the application of a device takes from its owner, by name.

use coap_proto::{Code, ContentFormat, Response};

use super::{Desk, Reply};
use crate::limits::{PARAMETER_COUNT_MAX, PARAMETER_LENGTH_MAX, PARAMETER_NAME_LENGTH_MAX};

/// `PUT /v1/parameters/<name>` with any bytes. Source: aSSURE 15.1, 15.5.4.
pub(super) fn put(desk: &mut Desk<'_>, name: &str, payload: &[u8]) -> Reply {
    if name.len() > PARAMETER_NAME_LENGTH_MAX {
        return Reply::new(Code::BAD_REQUEST);
    }
    let is_new = !desk.state.parameters.contains_key(name);
    let is_full = is_new && desk.state.parameters.len() >= PARAMETER_COUNT_MAX;
    if payload.len() > PARAMETER_LENGTH_MAX || is_full {
        return Reply::new(Code::REQUEST_ENTITY_TOO_LARGE);
    }
    desk.state.parameters.insert(name.into(), payload.to_vec());
    Reply::new(if is_new { Code::CREATED } else { Code::CHANGED }).changed()
}

/// `GET /v1/parameters/<name>`.
pub(super) fn read(desk: &Desk<'_>, name: &str) -> Reply {
    match desk.state.parameters.get(name) {
        Some(value) => {
            let response = Response::content(ContentFormat::OCTET_STREAM, value.clone());
            Reply { response, ..Reply::new(Code::CONTENT) }
        }
        None => Reply::new(Code::NOT_FOUND),
    }
}

/// `DELETE /v1/parameters/<name>`.
pub(super) fn delete(desk: &mut Desk<'_>, name: &str) -> Reply {
    let was_there = desk.state.parameters.remove(name).is_some();
    let reply = Reply::new(Code::DELETED);
    if was_there { reply.changed() } else { reply }
}
