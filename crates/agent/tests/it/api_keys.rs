//! Keys over the management API: every answer, every limit, every privilege.

use agent::KEY_COUNT_MAX;
use assure_proto::cbor::Reader;
use assure_proto::{AuthenticatedKey, ChannelState, Class, KeyDefinition, Metadata, Privileges};
use coap_proto::{Code, ContentFormat, Request};
use crypto::{Curve, KeyKind};
use model::KeyId;

use crate::bench::{A, Bench, ONE};
use crate::party::Party;
use crate::world::{EC, Kind, World, definition};

/// A public key of a peer device, signed by owner A.
fn peer_key(bench: &mut Bench, id: [u8; 16]) -> AuthenticatedKey {
    let a = bench.world().a.clone();
    let pair = bench.world().generate(KeyKind::Ec(Curve::P256));
    let definition = KeyDefinition::public(KeyId(id), pair.public().clone());
    let device = model::Uuid(id);
    bench.world().prove(Class::Device, &definition, Metadata::of_device(device), &a.party.signer())
}

fn path(id: KeyId) -> String {
    format!("v1/keys/{id}")
}

/// The keys of the list, as their raw bytes.
fn list(bench: &mut Bench) -> Vec<Vec<u8>> {
    let answer = bench.ask(Code::GET, "v1/keys", b"");
    assert_eq!(answer.code, Code::CONTENT);
    let mut reader = Reader::whole(&answer.payload).unwrap();
    let count = reader.array().unwrap();
    (0..count).map(|_| reader.item().unwrap().to_vec()).collect()
}

// verifies: ASSURE-10.1.1-01, ASSURE-10.1.1-02, ASSURE-10.1.1-03, ASSURE-10.1.3-01, ASSURE-10.1.3-02
// verifies: ASSURE-10.1.5-01, ASSURE-10.1.5-03, ASSURE-10.1.5-04
#[test]
fn a_key_is_created_once_shown_and_listed() {
    let mut bench = Bench::in_service(World::new(EC));
    assert_eq!(list(&mut bench).len(), 3, "those of the image");
    let key = peer_key(&mut bench, [7; 16]);
    let created = bench.ask(Code::PUT, &path(key.id()), key.encoded());
    assert_eq!((created.code, created.payload.len()), (Code::CREATED, 0));
    let disk = bench.device().disk.clone();
    let again = bench.ask(Code::PUT, &path(key.id()), key.encoded());
    assert_eq!(again.code, Code::CHANGED);
    assert_eq!(bench.device().disk, disk, "the store is unchanged");
    // another key under the same id does not replace it
    let other = peer_key(&mut bench, [7; 16]);
    assert_eq!(bench.ask(Code::PUT, &path(key.id()), other.encoded()).code, Code::CHANGED);
    let shown = bench.ask(Code::GET, &path(key.id()), b"");
    assert_eq!((shown.code, shown.payload.as_slice()), (Code::CONTENT, key.encoded()));
    assert_eq!(list(&mut bench).last().map(Vec::as_slice), Some(key.encoded()));
}

// verifies: ASSURE-10.1.1-06, ASSURE-10.1.3-04, ASSURE-10.1.4-05, ASSURE-10-06
#[test]
fn malformed_strange_and_misplaced_keys_change_nothing() {
    let mut bench = Bench::in_service(World::new(EC));
    let disk = bench.device().disk.clone();
    let key = peer_key(&mut bench, [7; 16]);
    let mut broken = key.encoded().to_vec();
    *broken.last_mut().unwrap() ^= 1;
    let strangers = World::numbered(EC, 99);
    let strange = strangers.a.party.proof.clone();
    let cases: [(&str, &[u8]); 6] = [
        (&path(key.id()), b"\xff"),
        (&path(key.id()), &key.encoded()[..20]),
        (&path(key.id()), &broken),
        (&path(KeyId([8; 16])), key.encoded()),
        ("v1/keys/nonsense", key.encoded()),
        (&path(strange.id()), strange.encoded()),
    ];
    for (path, body) in cases {
        assert_eq!(bench.ask(Code::PUT, path, body).code, Code::BAD_REQUEST, "{path}");
    }
    assert_eq!(bench.ask(Code::GET, &path(KeyId([9; 16])), b"").code, Code::NOT_FOUND);
    assert_eq!(bench.ask(Code::GET, "v1/keys/nonsense", b"").code, Code::NOT_FOUND);
    assert_eq!(bench.ask(Code::DELETE, &path(KeyId([9; 16])), b"").code, Code::DELETED, "it is not there");
    assert_eq!(bench.ask(Code::POST, &path(key.id()), key.encoded()).code, Code::METHOD_NOT_ALLOWED);
    let text = Request::new(Code::PUT, &path(key.id())).with_payload(ContentFormat::TEXT, key.encoded());
    assert_eq!(bench.ask_from(A, text).unwrap().code, Code::UNSUPPORTED_CONTENT_FORMAT);
    let json = Request::new(Code::GET, "v1/keys").accepting(ContentFormat::JSON);
    assert_eq!(bench.ask_from(A, json).unwrap().code, Code::NOT_ACCEPTABLE);
    assert_eq!(bench.device().disk, disk, "nothing was stored");
}

// verifies: ASSURE-10.1.1-05, ASSURE-10.1.2-11
#[test]
fn a_full_store_takes_no_more() {
    let mut bench = Bench::in_service(World::new(EC));
    for number in 0..KEY_COUNT_MAX - 3 {
        let key = peer_key(&mut bench, [0x40 + u8::try_from(number).unwrap(); 16]);
        assert_eq!(bench.ask(Code::PUT, &path(key.id()), key.encoded()).code, Code::CREATED, "{number}");
    }
    let key = peer_key(&mut bench, [7; 16]);
    assert_eq!(bench.ask(Code::PUT, &path(key.id()), key.encoded()).code, Code::REQUEST_ENTITY_TOO_LARGE);
    let made = Request::new(Code::POST, "v1/keys/generate").with_query("type=1");
    assert_eq!(bench.ask_from(A, made).unwrap().code, Code::REQUEST_ENTITY_TOO_LARGE);
    let known = peer_key(&mut bench, [0x40; 16]);
    assert_eq!(
        bench.ask(Code::PUT, &path(known.id()), known.encoded()).code,
        Code::CHANGED,
        "one that is there"
    );
    assert_eq!(list(&mut bench).len(), KEY_COUNT_MAX);
    bench.cut_power();
    bench.power_on();
    bench.run_for(std::time::Duration::from_secs(5));
    assert_eq!(list(&mut bench).len(), KEY_COUNT_MAX, "and the full store is read back");
}

// verifies: ASSURE-10.1.4-01, ASSURE-10.1.4-02, ASSURE-10.1.4-03, ASSURE-10.1.4-04, ASSURE-10.1.4-05
// verifies: ASSURE-10.1.4-07
#[test]
fn a_key_in_use_of_the_image_or_under_another_stays() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let (server, key) = bench.add_channel(7, Privileges::NONE, "10.0.0.4:49683");
    let world = bench.world();
    let fixed = [world.online.id, world.bootstrap.id, world.a.party.id, world.a.name(), world.uuid.into()];
    for id in fixed {
        assert_eq!(bench.ask(Code::DELETE, &path(id), b"").code, Code::FORBIDDEN, "{id}");
    }
    assert_eq!(bench.ask(Code::DELETE, &path(key.id), b"").code, Code::FORBIDDEN, "in use by a channel");
    assert_eq!(bench.ask(Code::DELETE, "v1/channels/7", b"").code, Code::CHANGED);
    assert_eq!(bench.ask(Code::DELETE, &path(key.id), b"").code, Code::FORBIDDEN, "the channel still closes");
    bench.run_for(std::time::Duration::from_secs(3));
    assert_eq!(bench.ask(Code::DELETE, &path(key.id), b"").code, Code::DELETED);
    assert_eq!(bench.ask(Code::GET, &path(key.id), b"").code, Code::NOT_FOUND);
    assert!(!bench.stores(&key.id.0));
    assert!(bench.servers[server].connected.is_empty());
    // a reference: one secret that derives from another pushed one
    let below = |bench: &mut Bench, above: &Party| {
        let owner = crate::world::Owner {
            party: Party { class: Class::ManagementSystem, ..above.clone() },
            ..bench.world().a.clone()
        };
        let by = bench.world().a.clone();
        let key = bench.world().channel_secret(&owner, Metadata::NONE);
        let proof = bench.world().prove(Class::Channel, key.definition(), Metadata::NONE, &by.party.signer());
        Party { proof, ..key }
    };
    let a = bench.world().a.clone();
    let above = bench.world().channel_secret(&a, Metadata::NONE);
    let lower = below(&mut bench, &above);
    assert_eq!(bench.push_key(&above).code, Code::CREATED);
    assert_eq!(bench.push_key(&lower).code, Code::CREATED);
    assert_eq!(bench.ask(Code::DELETE, &path(above.id), b"").code, Code::FORBIDDEN, "the other rests on it");
    assert_eq!(bench.ask(Code::DELETE, &path(lower.id), b"").code, Code::DELETED);
    assert_eq!(bench.ask(Code::DELETE, &path(above.id), b"").code, Code::DELETED);
}

// verifies: ASSURE-10.1.2-01, ASSURE-10.1.2-03, ASSURE-10.1.2-04, ASSURE-10.1.2-05, ASSURE-10.1.2-06
// verifies: ASSURE-10.1.2-07, ASSURE-10.1.2-08, ASSURE-10.1.2-09, ASSURE-10.1.2-12, ASSURE-10.1.5-02
// verifies: ASSURE-10.1.3-05, ASSURE-6.2.2-02, ASSURE-10-06
#[test]
fn keys_are_made_inside_and_never_leave() {
    let mut bench = Bench::in_service(World::new(EC));
    let uuid = bench.world().uuid;
    let mut made = Vec::new();
    for (number, curve) in [(1, Curve::P256), (2, Curve::P384), (3, Curve::P521)] {
        for persistent in ["true", "0"] {
            let request = Request::new(Code::POST, "v1/keys/generate")
                .with_query(&format!("type={number}"))
                .with_query(&format!("persistent={persistent}"));
            let answer = bench.ask_from(A, request).unwrap();
            assert_eq!(answer.code, Code::CREATED);
            let key = AuthenticatedKey::decode(&answer.payload).unwrap();
            assert_eq!(key.definition().public_key().unwrap().kind(), KeyKind::Ec(curve));
            assert!(!key.definition().has_private());
            assert_eq!((key.class(), key.metadata()), (Class::Channel, Metadata::of_device(uuid)));
            assert_eq!(key.signature().key_id, KeyId::from(uuid), "signed with the device key");
            made.push((key, persistent == "true"));
        }
    }
    assert_ne!(made[0].0.definition().public_key(), made[1].0.definition().public_key());
    for (key, _) in &made {
        let shown = bench.ask(Code::GET, &path(key.id()), b"").payload;
        assert_eq!(shown, key.encode_present(), "PRESENT stands for the private part");
        assert!(shown.windows(7).any(|part| part == b"PRESENT"));
    }
    assert_eq!(list(&mut bench).len(), 9);
    bench.cut_power();
    bench.power_on();
    bench.run_for(std::time::Duration::from_secs(5));
    for (key, is_persistent) in &made {
        let code = bench.ask(Code::GET, &path(key.id()), b"").code;
        assert_eq!(code, if *is_persistent { Code::CONTENT } else { Code::NOT_FOUND });
    }
    for (query, code) in [
        ("type=0", Code::NOT_IMPLEMENTED),
        ("type=99", Code::NOT_IMPLEMENTED),
        ("type=x", Code::BAD_OPTION),
        ("typ=1", Code::BAD_OPTION),
    ] {
        let request = Request::new(Code::POST, "v1/keys/generate").with_query(query);
        assert_eq!(bench.ask_from(A, request).unwrap().code, code, "{query}");
    }
    let wrong =
        Request::new(Code::POST, "v1/keys/generate").with_query("type=1").with_query("persistent=yes");
    assert_eq!(bench.ask_from(A, wrong).unwrap().code, Code::BAD_OPTION);
    assert_eq!(bench.ask(Code::GET, "v1/keys/generate", b"").code, Code::METHOD_NOT_ALLOWED);
}

// verifies: ASSURE-10.1.2-02
#[test]
fn rsa_keys_are_made_where_the_provider_can() {
    let mut bench = Bench::in_service(World::new(Kind::Rsa));
    let request = Request::new(Code::POST, "v1/keys/generate").with_query("type=0");
    let answer = bench.ask_from(A, request).unwrap();
    assert_eq!(answer.code, Code::CREATED);
    let key = AuthenticatedKey::decode(&answer.payload).unwrap();
    assert_eq!(key.definition().public_key().unwrap().kind(), KeyKind::Rsa { modulus_bits: 2048 });
}

// verifies: ASSURE-10.1.1-04, ASSURE-10.1.2-10, ASSURE-10.1.3-03, ASSURE-10.1.4-06, ASSURE-10.1.5-05
// verifies: ASSURE-10-03, ASSURE-2.4-01, ASSURE-2.5-01
#[test]
fn a_channel_without_the_key_privilege_may_do_nothing_with_keys() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let others = Privileges { channel_management: true, system_management: true, key_management: false };
    let (server, _) = bench.add_channel(7, others, "10.0.0.4:49683");
    let disk = bench.device().disk.clone();
    let key = peer_key_of_secret_world(&mut bench);
    let requests = [
        Request::new(Code::PUT, &path(key.id())).with_payload(ContentFormat::CBOR, key.encoded()),
        Request::new(Code::POST, "v1/keys/generate").with_query("type=1"),
        Request::new(Code::GET, &path(key.id())),
        Request::new(Code::DELETE, &path(key.id())),
        Request::new(Code::GET, "v1/keys"),
    ];
    for request in requests {
        let answer = bench.ask_from(server, request.clone()).unwrap();
        assert_eq!((answer.code, answer.payload.len()), (Code::UNAUTHORIZED, 0), "{request:?}");
    }
    assert_eq!(bench.device().disk, disk);
    assert_eq!(bench.device().state(ONE), Some(ChannelState::Open));
}

fn peer_key_of_secret_world(bench: &mut Bench) -> AuthenticatedKey {
    let a = bench.world().a.clone();
    bench.world().channel_secret(&a, Metadata::NONE).proof
}

// verifies: ASSURE-8.4-03, ASSURE-10.1.6-02
#[test]
fn the_owner_secret_is_no_channel_key() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let (owner, to) = (bench.world().a.party.id, bench.world().b.address);
    let body = definition(owner, None, to, Privileges::NONE).encode();
    assert_eq!(bench.ask(Code::PUT, "v1/channels", &body).code, Code::BAD_REQUEST);
}
