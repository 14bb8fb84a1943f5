//! Keys: put, make, show, delete.

use assure_proto::cbor::Writer;
use assure_proto::{
    AuthenticatedKey, Class, KeyDefinition, KeyRefusal, Metadata, Put, Signer, StoredKey, Validity,
};
use coap_proto::{Code, Options};
use crypto::{Curve, KeyKind, PrivateKey};
use model::{KeyId, Uuid};

use super::{Desk, Principal, Reply};
use crate::limits::KEY_COUNT_MAX;
use crate::state::MadeKey;

const RSA_BITS: u16 = 2048;

fn key_id(text: &str) -> Option<KeyId> {
    text.parse::<Uuid>().ok().map(KeyId::from)
}

/// `PUT /v1/keys/<uuid>`. Source: aSSURE 10.1.1; rulings A-ASSURE-71, A-ASSURE-72.
pub(super) fn put(desk: &mut Desk<'_>, name: &str, payload: &[u8]) -> Reply {
    let Ok(key) = AuthenticatedKey::decode(payload) else { return Reply::new(Code::BAD_REQUEST) };
    let id = key.id();
    if key_id(name) != Some(id) {
        return Reply::new(Code::BAD_REQUEST);
    }
    let (provider, time) = (desk.provider, desk.time);
    let keys = &mut desk.state.keys;
    match desk.own.with_anchors(|anchors| keys.put(provider, anchors, key, time)) {
        Ok(Put::Exists) => Reply::new(Code::CHANGED),
        Ok(Put::Created) => {
            if desk.principal == Principal::Image {
                desk.state.image_keys.insert(id);
            }
            Reply::new(Code::CREATED).changed()
        }
        Err(KeyRefusal::Full) => Reply::new(Code::REQUEST_ENTITY_TOO_LARGE),
        Err(_) => Reply::new(Code::BAD_REQUEST),
    }
}

/// `true`, `false`, `1`, `0`; absent is false. Source: ruling A-ASSURE-77.
fn boolean(text: Option<&[u8]>) -> Option<bool> {
    match text {
        None | Some(b"false" | b"0") => Some(false),
        Some(b"true" | b"1") => Some(true),
        Some(_) => None,
    }
}

fn number(text: &[u8]) -> Option<u32> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// `POST /v1/keys/generate?type=..&persistent=..`. Source: aSSURE 10.1.2; rulings A-ASSURE-75 to A-ASSURE-77.
pub(super) fn generate(desk: &mut Desk<'_>, options: Options<'_>) -> Reply {
    let wanted = options.query("type").and_then(number).zip(boolean(options.query("persistent")));
    let Some((kind, is_persistent)) = wanted else { return Reply::new(Code::BAD_OPTION) };
    let kind = match kind {
        0 => KeyKind::Rsa { modulus_bits: RSA_BITS },
        1 => KeyKind::Ec(Curve::P256),
        2 => KeyKind::Ec(Curve::P384),
        3 => KeyKind::Ec(Curve::P521),
        _ => return Reply::new(Code::NOT_IMPLEMENTED),
    };
    if desk.state.keys.len() >= KEY_COUNT_MAX {
        return Reply::new(Code::REQUEST_ENTITY_TOO_LARGE);
    }
    let Ok(private) = desk.provider.generate_key(kind, desk.dice) else {
        return Reply::new(Code::NOT_IMPLEMENTED);
    };
    match keep(desk, &*private, is_persistent) {
        Some(key) => Reply::new(Code::CREATED).with_cbor(key.encoded().to_vec()).changed(),
        None => Reply::new(Code::INTERNAL_SERVER_ERROR),
    }
}

/// Signs the new key as this device's channel key and keeps both halves.
///
/// A device whose key is a shared secret signs with its owner secret: nobody could check the other.
/// Source: TS-M10.
fn keep(desk: &mut Desk<'_>, private: &dyn PrivateKey, is_persistent: bool) -> Option<AuthenticatedKey> {
    let pkcs8 = private.pkcs8().ok()?;
    let id = KeyId::from(Uuid::v4(desk.dice.bytes()));
    let definition = KeyDefinition::public(id, private.public().clone());
    let signer = match desk.own.private() {
        Some(own) => Signer::with_private_key(desk.own.key_id(), Class::Device, &**own),
        None => {
            let owner = desk.state.owner_key(desk.provider)?;
            Signer::with_secret(owner.id(), owner.class(), owner.secret()?)
        }
    };
    let metadata = Metadata::of_device(desk.own.uuid());
    let validity = Validity::UNLIMITED;
    let class = Class::Channel;
    let key =
        AuthenticatedKey::issue(desk.provider, class, &definition, metadata, &signer, validity, desk.dice)
            .ok()?;
    let (provider, time, keys) = (desk.provider, desk.time, &mut desk.state.keys);
    desk.own.with_anchors(|anchors| keys.put(provider, anchors, key.clone(), time)).ok()?;
    desk.state.made.insert(id, MadeKey { pkcs8, is_persistent });
    Some(key)
}

/// `GET /v1/keys/<uuid>`. Source: aSSURE 10.1.3; ruling A-ASSURE-73.
pub(super) fn read(desk: &Desk<'_>, name: &str) -> Reply {
    match key_id(name).and_then(|id| desk.state.keys.find(id)) {
        Some(key) => Reply::content(shown(desk, key)),
        None => Reply::new(Code::NOT_FOUND),
    }
}

/// `GET /v1/keys`. Source: aSSURE 10.1.5.
pub(super) fn list(desk: &Desk<'_>) -> Reply {
    let mut out = Writer::new();
    out.array(desk.state.keys.len());
    for key in desk.state.keys.iter() {
        out.raw(&shown(desk, key));
    }
    Reply::content(out.finish())
}

fn shown(desk: &Desk<'_>, key: &StoredKey) -> alloc::vec::Vec<u8> {
    let key = key.authenticated_key();
    if desk.state.made.contains_key(&key.id()) { key.encode_present() } else { key.encode_masked() }
}

/// `DELETE /v1/keys/<uuid>`. Source: aSSURE 10.1.4; ruling A-ASSURE-85.
pub(super) fn delete(desk: &mut Desk<'_>, name: &str) -> Reply {
    let Some(id) = key_id(name) else { return Reply::new(Code::DELETED) };
    if id == desk.own.key_id() || desk.own.roots.iter().any(|root| root.key_id == id) {
        return Reply::new(Code::FORBIDDEN);
    }
    if desk.state.keys.find(id).is_none() {
        return Reply::new(Code::DELETED);
    }
    if desk.state.image_keys.contains(&id) || is_used(desk, id) {
        return Reply::new(Code::FORBIDDEN);
    }
    desk.state.keys.remove(id);
    desk.state.made.remove(&id);
    Reply::new(Code::DELETED).changed()
}

/// Whether a channel or another key's derivation rests on the key.
fn is_used(desk: &Desk<'_>, id: KeyId) -> bool {
    let by_channel = desk
        .state
        .channels
        .values()
        .any(|channel| channel.definition.local_key == id || channel.definition.peer_key == Some(id));
    let by_key = desk.state.keys.iter().any(|key| match key.authenticated_key().definition() {
        KeyDefinition::Derived(derived) => derived.derivations().iter().any(|way| way.reference == id),
        KeyDefinition::Ec(_) | KeyDefinition::Rsa(_) => false,
    });
    by_channel || by_key || desk.channels.uses(id)
}
