//! What a path is about.

use coap_front::things::Options;
use model::Uuid;

/// A resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Core,
    Thing(Uuid),
    Properties(Uuid),
    Property(Uuid, String),
    Action(Uuid, String),
    Operation(Uuid, String, u64),
    Event(Uuid, String),
}

/// The resource that the path of a request names.
pub(super) fn resource_of(options: Options<'_>) -> Option<Resource> {
    let segments: Option<Vec<&str>> =
        options.path().map(|segment| std::str::from_utf8(segment).ok()).collect();
    let segments = segments?;
    if segments == [".well-known", "core"] {
        return Some(Resource::Core);
    }
    let ["things", id, rest @ ..] = segments.as_slice() else { return None };
    let thing: Uuid = id.parse().ok()?;
    let owned = |name: &&str| (*name).to_owned();
    Some(match rest {
        [] => Resource::Thing(thing),
        ["properties"] => Resource::Properties(thing),
        ["properties", name] => Resource::Property(thing, owned(name)),
        ["actions", name] => Resource::Action(thing, owned(name)),
        ["actions", name, number] => Resource::Operation(thing, owned(name), number.parse().ok()?),
        ["events", name] => Resource::Event(thing, owned(name)),
        _ => return None,
    })
}
