//! Images of the oracle, which never saw this code, take a device into service.

use std::path::PathBuf;
use std::time::Duration;

use agent::{AgentEvent, DeviceKey, Factory, FactoryRoot};
use assure_proto::{ChannelState, Class, DeviceInfo, KeyDefinition, PskHint};
use crypto::{Provider, Secret};
use dtls_proto::Credential;
use model::{KeyId, Uuid, bytes_from_hex};
use serde_json::Value;

use crate::bench::{A, BOOTSTRAP, Bench, ONE, server_of};
use crate::server::{Proof, Serving};
use crate::world::{BOOTSTRAP_ID, EC, Kind, World, address};

fn hex(value: &Value, member: &str) -> Vec<u8> {
    bytes_from_hex(value[member].as_str().unwrap()).unwrap()
}

fn id(value: &Value, member: &str) -> [u8; 16] {
    hex(value, member).try_into().unwrap()
}

fn load(name: &str) -> Value {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "../../conformance/vectors/assure", name].iter().collect();
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn factory(world: &Value) -> Factory {
    let device = Uuid(id(&world["device"], "uuid"));
    let (key, roots) = match world["device"].get("secret") {
        Some(_) => (DeviceKey::Secret(Secret::new(hex(&world["device"], "secret"))), Vec::new()),
        None => {
            let root = |value: &Value| {
                let definition = KeyDefinition::decode(&hex(value, "definition")).unwrap();
                let key = definition.public_key().unwrap().clone();
                FactoryRoot { class: Class::TrustedAuthority, key_id: definition.id(), key }
            };
            let roots = world["roots"].as_array().unwrap().iter().map(root).collect();
            (DeviceKey::Private(Secret::new(hex(&world["device"], "private_key"))), roots)
        }
    };
    let info = DeviceInfo::only(device);
    Factory { device, key, roots, bootstrap_server: BOOTSTRAP_ID, generation: 1, info }
}

/// How a party of the oracle's world proves itself.
fn proof(provider: &dyn Provider, party: &Value, hint: PskHint, peer: Option<crypto::PublicKey>) -> Proof {
    match party.get("secret") {
        Some(_) => Proof::hinted(KeyId(id(party, "key_id")), &Secret::new(hex(party, "secret")), &hint),
        None => {
            let own = Credential::raw(provider.import_key(&hex(party, "private_key")).unwrap());
            Proof::Pair { own, peer }
        }
    }
}

// verifies: ASSURE-15.5-01, ASSURE-15.5-16, ASSURE-15.5.1-03, ASSURE-15.5.3-06, ASSURE-15.5.4-01
// verifies: ASSURE-15.5.4-02, ASSURE-10.1.6-04, TS-L1
#[test]
fn genuine_images_of_the_oracle_bring_devices_into_service() {
    for (name, kind) in [("image_ss.json", Kind::Secret), ("image_ec.json", EC)] {
        let file = load(name);
        let (world, vectors) = (&file["world"], file["vectors"].as_array().unwrap());
        let genuine = vectors.iter().find(|vector| vector["name"] == "genuine").unwrap();
        let mut bench = Bench::new(World::new(kind));
        bench.device().disk = factory(world).first_state();
        let provider = bench.world().provider.clone();
        let bootstrap = &world["parties"]["bootstrap"];
        let chain = genuine["session"].get("hint").map(|hint| {
            let definition = bytes_from_hex(hint[0].as_str().unwrap()).unwrap();
            let KeyDefinition::Derived(derived) = KeyDefinition::decode(&definition).unwrap() else {
                panic!("{name}")
            };
            PskHint::Definitions(vec![derived])
        });
        let bootstrap_id = KeyId(id(bootstrap, "key_id"));
        let proven = proof(&*provider, bootstrap, chain.unwrap_or(PskHint::KeyId(bootstrap_id)), None);
        bench.servers[BOOTSTRAP] = server_of(bench.world(), address("10.0.0.1:49684"), bootstrap_id, proven);
        bench.servers[BOOTSTRAP].serving = Serving::Image(hex(genuine, "image"));
        let manager = &world["parties"][if kind == Kind::Secret { "channel_a" } else { "owner_a" }];
        let manager_id = KeyId(id(manager, "key_id"));
        let peer = world["device"]
            .get("spki")
            .map(|_| crypto::PublicKey::from_spki(&hex(&world["device"], "spki")).unwrap());
        let proven = proof(&*provider, manager, PskHint::KeyId(manager_id), peer);
        bench.servers[A] = server_of(bench.world(), address("192.0.2.10:49683"), manager_id, proven);
        bench.power_on();
        bench.run_for(Duration::from_secs(5));
        assert_eq!(
            bench.device().state(ONE),
            Some(ChannelState::Open),
            "{name}: {:?}",
            bench.device().events
        );
        assert!(bench.device().heard(&AgentEvent::InService { channel: ONE }));
        assert_eq!(bench.device().agent().sequence_number(), 1);
        let record = &genuine["expect"]["record"];
        for hash in ["owner_hash", "image_hash"] {
            assert!(bench.stores(&hex(record, hash)), "{name}: the record holds the {hash}");
        }
    }
}
