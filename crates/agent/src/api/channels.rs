//! Channels: define, open, close, show, delete.

use assure_proto::{Address, ChannelDefinition, ChannelId, encode_channel_list};
use coap_proto::Code;

use super::{Desk, Effect, Principal, Reply};
use crate::keyring::ChannelKeys;
use crate::limits::CHANNEL_COUNT_MAX;
use crate::state::Channel;

fn channel_id(text: &str) -> Option<ChannelId> {
    let number: u32 = text.parse().ok()?;
    // a sign or leading zeros would be a second name of one channel
    let plain = text.bytes().all(|digit| digit.is_ascii_digit()) && !text.starts_with('0');
    ChannelId::new(number).filter(|_| plain)
}

/// Checks a definition for whoever asks.
fn accept(desk: &Desk<'_>, payload: &[u8]) -> Result<ChannelDefinition, Code> {
    let definition = ChannelDefinition::decode(payload).map_err(|_| Code::BAD_REQUEST)?;
    if !desk.principal.privileges().covers(definition.privileges) {
        return Err(Code::UNAUTHORIZED);
    }
    if !matches!(definition.address, Address::Ip { .. }) {
        return Err(Code::BAD_REQUEST);
    }
    if ChannelKeys::of(desk.provider, desk.own, desk.state, &definition).is_err() {
        return Err(Code::BAD_REQUEST);
    }
    let is_volatile = |id| desk.state.made.get(&id).is_some_and(|made| !made.is_persistent);
    if definition.persistent_across_reboots && is_volatile(definition.local_key) {
        return Err(Code::BAD_REQUEST);
    }
    Ok(definition)
}

fn store(desk: &mut Desk<'_>, id: ChannelId, definition: ChannelDefinition, code: Code) -> Reply {
    let from_image = desk.principal == Principal::Image;
    let opens = definition.open_immediately;
    desk.state.channels.insert(id, Channel { definition, from_image });
    let reply = Reply::new(code).with_cbor(id.encode()).changed();
    let reply = if code == Code::CHANGED { reply.then(Effect::Redefined(id)) } else { reply };
    if opens { reply.then(Effect::Open(id)) } else { reply }
}

/// `PUT /v1/channels`, `POST` likewise. Source: aSSURE 10.1.6; rulings A-ASSURE-79, A-ASSURE-81, A-ASSURE-106.
pub(super) fn add(desk: &mut Desk<'_>, payload: &[u8]) -> Reply {
    let definition = match accept(desk, payload) {
        Ok(definition) => definition,
        Err(code) => return Reply::new(code),
    };
    if desk.state.channels.len() >= CHANNEL_COUNT_MAX {
        return Reply::new(Code::REQUEST_ENTITY_TOO_LARGE);
    }
    let mut assigned = (ChannelId::FIRST_ASSIGNED.number()..).filter_map(ChannelId::new);
    let free = assigned.find(|id| !desk.state.channels.contains_key(id) && !desk.channels.is_closing(*id));
    match free {
        Some(id) => store(desk, id, definition, Code::CREATED),
        None => Reply::new(Code::REQUEST_ENTITY_TOO_LARGE),
    }
}

/// `PUT /v1/channels/<id>`. Source: aSSURE 10.1.7; rulings A-ASSURE-79, A-ASSURE-106.
pub(super) fn put(desk: &mut Desk<'_>, name: &str, payload: &[u8]) -> Reply {
    let explicit = channel_id(name).and_then(|id| ChannelId::explicit(id.number()));
    let Some(id) = explicit else { return Reply::new(Code::BAD_REQUEST) };
    let definition = match accept(desk, payload) {
        Ok(definition) => definition,
        Err(code) => return Reply::new(code),
    };
    match desk.state.channels.get(&id) {
        Some(known) if known.from_image && desk.principal != Principal::Image => Reply::new(Code::FORBIDDEN),
        Some(_) => store(desk, id, definition, Code::CHANGED),
        None if desk.state.channels.len() >= CHANNEL_COUNT_MAX => Reply::new(Code::REQUEST_ENTITY_TOO_LARGE),
        None => store(desk, id, definition, Code::CREATED),
    }
}

fn known(desk: &Desk<'_>, name: &str) -> Option<ChannelId> {
    channel_id(name).filter(|id| desk.state.channels.contains_key(id))
}

/// `PUT /v1/channels/<id>/open`. Source: aSSURE 10.1.8.
pub(super) fn open(desk: &Desk<'_>, name: &str) -> Reply {
    match known(desk, name) {
        Some(id) => Reply::new(Code::CHANGED).then(Effect::Open(id)),
        None => Reply::new(Code::NOT_FOUND),
    }
}

/// `PUT /v1/channels/<id>/close`. Source: aSSURE 10.1.9.
pub(super) fn close(desk: &Desk<'_>, name: &str) -> Reply {
    match known(desk, name) {
        Some(id) => Reply::new(Code::CHANGED).then(Effect::Close(id)),
        None => Reply::new(Code::NOT_FOUND),
    }
}

/// `DELETE /v1/channels/<id>`. Source: aSSURE 10.1.10.
pub(super) fn delete(desk: &mut Desk<'_>, name: &str) -> Reply {
    let Some(id) = known(desk, name) else { return Reply::new(Code::DELETED) };
    if desk.state.channels.get(&id).is_some_and(|channel| channel.from_image) {
        return Reply::new(Code::FORBIDDEN);
    }
    desk.state.channels.remove(&id);
    let code = if desk.channels.is_open(id) { Code::CHANGED } else { Code::DELETED };
    Reply::new(code).changed().then(Effect::Redefined(id))
}

/// `GET /v1/channels/<id>`. Source: aSSURE 10.1.11; ruling A-ASSURE-83.
pub(super) fn read(desk: &Desk<'_>, name: &str) -> Reply {
    match channel_id(name).and_then(|id| desk.channels.status(id, desk.state)) {
        Some(status) => Reply::content(status.encode()),
        None => Reply::new(Code::NOT_FOUND),
    }
}

/// `GET /v1/channels`. Source: aSSURE 10.1.12.
pub(super) fn list(desk: &Desk<'_>) -> Reply {
    Reply::content(encode_channel_list(&desk.channels.statuses(desk.state)))
}
