//! The shapes of 4.3 among devices that run: every channel is open on both ends.

use std::collections::{BTreeMap, BTreeSet};

use assure_proto::{ChannelState, KeyDefinition};
use crypto::Secret;
use management::{KeyKind, LinkKind, LinkView, ListLinks, PlannedLink, Shape};
use model::Uuid;

use crate::links::plan;
use crate::network::{Network, given_keys};
use crate::world::{Device, second_rsa, spare_rsa};

const SECRETS: [KeyKind; 5] = [KeyKind::SharedSecret; 5];

fn join(network: &mut Network, shape: Shape) -> Vec<PlannedLink> {
    let members: Vec<&Device> = network.nodes.iter().map(|node| &node.device).collect();
    let planned = plan(&mut network.world, shape, &members, vec![spare_rsa(), spare_rsa()]).unwrap();
    network.carry_out();
    planned
}

/// All ends of channels between devices, each of which must be open.
fn open_ends(network: &Network) -> Vec<LinkView> {
    let links = network.world.run(&ListLinks { after: None }).unwrap();
    for link in &links {
        let node = network.node(link.device);
        assert_eq!(node.state(link.channel), Some(ChannelState::Open), "{link:?}: {:?}", node.events);
    }
    for (device, command, code) in &network.done {
        assert_eq!(*code, 0x41, "{device}: {command:?} is created");
    }
    links
}

/// Channels between devices per device, in the order of the devices; the one to us is not counted.
fn degrees(network: &Network) -> Vec<usize> {
    let open = |state| state == ChannelState::Open;
    let count =
        |node: &crate::network::Node| node.agent.channel_states().filter(|(_, state)| open(*state)).count();
    network.nodes.iter().map(|node| count(node) - 1).collect()
}

fn pairs(links: &[LinkView]) -> BTreeSet<(Uuid, Uuid)> {
    links.iter().map(|link| (link.device.min(link.peer), link.device.max(link.peer))).collect()
}

// verifies: ASSURE-4.3.1-01, ASSURE-4.3.2-01, ASSURE-4.3.3-01, ASSURE-4.3.4-01, ASSURE-2.2-05
// verifies: ASSURE-1-12, ASSURE-4.1-02, ASSURE-10-07
#[test]
fn devices_form_every_shape_and_talk_to_nobody_else() {
    let expected = [
        (Shape::Star, vec![4, 1, 1, 1, 1]),
        (Shape::Ring, vec![2; 5]),
        (Shape::Tree, vec![2, 3, 1, 1, 1]),
        (Shape::Full, vec![4; 5]),
    ];
    for (shape, expected) in expected {
        let mut network = Network::in_service(70, &SECRETS, |_, _| ());
        assert!(network.talking().is_empty(), "no device calls another before it is told");
        let planned = join(&mut network, shape);
        let links = open_ends(&network);
        assert_eq!(links.len(), 2 * planned.len(), "{shape:?}");
        assert_eq!(degrees(&network), expected, "{shape:?}");
        assert_eq!(network.talking(), pairs(&links), "{shape:?}: exactly the pairs that were joined");
    }
}

// verifies: ASSURE-4.3.4-01
#[test]
fn four_fully_connected_devices_have_three_connectors_each() {
    let kinds = [KeyKind::Ec, KeyKind::SharedSecret, KeyKind::Ec, KeyKind::SharedSecret];
    let mut network = Network::in_service(71, &kinds, |_, _| ());
    assert_eq!(join(&mut network, Shape::Full).len(), 6);
    open_ends(&network);
    assert_eq!(degrees(&network), [3; 4]);
}

/// The devices of the example in 13.1, in the order A to G.
fn example() -> Network {
    use KeyKind::{Ec, Rsa, SharedSecret};
    let kinds = [Ec, Rsa, Rsa, SharedSecret, SharedSecret, Ec, Ec];
    Network::in_service(72, &kinds, |place, device| match place {
        1 => device.capabilities.ec_capable = true,
        2 => device.born = second_rsa(),
        6 => device.capabilities.rsa_capable = true,
        _ => {}
    })
}

// verifies: ASSURE-7.2-12, ASSURE-9.2.1-11, ASSURE-12.2-08
// verifies: ASSURE-13.1-01, ASSURE-4.3.4-01, ASSURE-13.2-01, ASSURE-13.3.1-01, ASSURE-13.3.2-01
// verifies: ASSURE-13.3.3-01, ASSURE-13.4-01, ASSURE-13.5-01, ASSURE-13.6-01, ASSURE-13.7-01
#[test]
fn the_example_of_seven_devices_is_joined_by_the_keys_each_pair_can_use() {
    let mut network = example();
    let names: BTreeMap<Uuid, char> =
        network.nodes.iter().zip('A'..).map(|(node, name)| (node.device.uuid, name)).collect();
    let planned = join(&mut network, Shape::Full);
    assert_eq!(planned.len(), 21);
    open_ends(&network);
    assert_eq!(degrees(&network), [6; 7]);
    let kind_of = |link: &PlannedLink| {
        let mut ends = [names[&link.opener], names[&link.listener]];
        ends.sort_unstable();
        (String::from_iter(ends), link.kind)
    };
    let kinds: BTreeMap<String, LinkKind> = planned.iter().map(kind_of).collect();
    for (pair, kind) in &kinds {
        let expected = match pair.as_str() {
            "AF" | "AG" | "FG" => LinkKind::Ec,
            "BC" => LinkKind::Rsa,
            "AB" | "BF" | "BG" => LinkKind::IssuedEc,
            "CG" => LinkKind::IssuedRsa,
            _ => LinkKind::SharedSecret,
        };
        assert_eq!(*kind, expected, "{pair}");
    }
    private_keys_travel_encrypted(&network);
}

/// Keys that were issued whole show nothing of their private part to those who carry datagrams.
fn private_keys_travel_encrypted(network: &Network) {
    let keys = given_keys(network);
    let mut whole: Vec<_> = keys.iter().filter(|(_, key, _)| key.definition().has_private()).collect();
    whole.dedup_by_key(|(_, key, _)| key.id());
    assert_eq!(whole.len(), 4, "three EC keys and one RSA key");
    for (_, key, _) in whole {
        let (definition, provider) = (key.definition(), &*network.world.provider);
        let private = match definition {
            KeyDefinition::Ec(key) | KeyDefinition::Rsa(key) => key.private_key(provider).unwrap().unwrap(),
            KeyDefinition::Derived(_) => panic!("a key pair"),
        };
        let pkcs8 = private.pkcs8().unwrap();
        let (public, kind) = (private.public().spki(), private.public().kind());
        let part_of_public = |part: &[u8]| public.windows(part.len()).any(|there| there == part);
        let telling = pkcs8.expose().windows(24).filter(|part| !part_of_public(part));
        let telling: BTreeSet<&[u8]> = telling.collect();
        assert!(!telling.is_empty());
        let shown = network.seen.iter().any(|(_, _, d)| d.windows(24).any(|part| telling.contains(part)));
        assert!(!shown, "{kind:?}");
    }
}

// verifies: ASSURE-2.6-01, ASSURE-8.4-04
#[test]
fn every_pair_has_a_secret_of_its_own() {
    let mut network = Network::in_service(73, &SECRETS, |_, _| ());
    join(&mut network, Shape::Full);
    open_ends(&network);
    let mut holders: BTreeMap<Vec<u8>, BTreeSet<Uuid>> = BTreeMap::new();
    for (holder, key, encoded) in given_keys(&network) {
        let secret = secret_of(&mut network, holder, key.id(), &encoded);
        assert!(holders.entry(secret.expose().to_vec()).or_default().insert(holder), "one key per link");
    }
    assert_eq!(holders.len(), 10, "as many secrets as pairs");
    let pairs: BTreeSet<_> = holders.values().cloned().collect();
    assert!(pairs.len() == 10 && pairs.iter().all(|pair| pair.len() == 2), "{pairs:?}");
    for secret in holders.keys() {
        let leaks = |bytes: &[u8]| bytes.windows(secret.len()).any(|part| part == secret);
        assert!(!network.seen.iter().any(|(_, _, datagram)| leaks(datagram)), "no secret on the wire");
    }
}

/// What a device makes of a key it was given: it applies its image, and puts the key.
fn secret_of(network: &mut Network, holder: Uuid, key: model::KeyId, encoded: &Secret) -> Secret {
    let place = network.nodes.iter().position(|node| node.device.uuid == holder).unwrap();
    if network.nodes[place].device.keys.find(key).is_none() {
        network.learn(place);
        network.nodes[place].device.put(encoded.expose()).unwrap();
    }
    network.nodes[place].device.keys.find(key).unwrap().secret().cloned().unwrap()
}
