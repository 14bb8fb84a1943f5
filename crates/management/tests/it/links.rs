//! Channels between devices: the keys both ends get, and the orders that bring them there.

use assure_proto::{AuthenticatedKey, ChannelDefinition, Class, KeyDefinition, Privileges};
use crypto::Secret;
use management::{
    Command, KeyKind, LinkKind, ListLinks, Member, NotPlanned, Outcome, PlanTopology, PlannedLink, Shape,
};
use model::KeyId;

use crate::world::{Device, World, spare_rsa};

pub(crate) fn plan(
    world: &mut World,
    shape: Shape,
    members: &[&Device],
    spare_rsa: Vec<Secret>,
) -> Result<Vec<PlannedLink>, NotPlanned> {
    let member = |device: &&Device| Member { device: device.uuid, address: None };
    let plan = PlanTopology {
        members: members.iter().map(member).collect(),
        shape,
        privileges: Privileges::NONE,
        spare_rsa,
        deadline: world.in_secs(3600),
        keys: world.keys.clone(),
        origin: world.origin(),
    };
    world.run(&plan)
}

fn channels(commands: &[Command]) -> Vec<ChannelDefinition> {
    let channel = |command: &Command| match command {
        Command::PutChannel { definition, .. } => Some(definition.clone()),
        _ => None,
    };
    commands.iter().filter_map(channel).collect()
}

fn keys(commands: &[Command]) -> Vec<AuthenticatedKey> {
    let key = |command: &Command| match command {
        Command::PutKey { key, .. } => Some(AuthenticatedKey::decode(key.expose()).unwrap()),
        _ => None,
    };
    commands.iter().filter_map(key).collect()
}

/// Two devices of these kinds, joined; what each was told, the opener first.
fn joined(world: &mut World, kinds: [KeyKind; 2], edit: impl Fn(&mut Device)) -> [(Device, Vec<Command>); 2] {
    let mut devices = kinds.map(|kind| {
        let mut device = world.device(kind);
        edit(&mut device);
        world.bring(&mut device);
        device
    });
    let [hub, leaf] = &devices;
    plan(world, Shape::Star, &[hub, leaf], vec![spare_rsa()]).unwrap();
    let [hub, leaf] = &mut devices;
    assert!(world.take(leaf).is_empty(), "the opener waits for the listener");
    let to_hub = world.carry_out(hub);
    let to_leaf = world.carry_out(leaf);
    let [hub, leaf] = devices;
    [(leaf, to_leaf), (hub, to_hub)]
}

// verifies: ASSURE-13.2-01, ASSURE-13.5-01, ASSURE-4.2-02, TS-M4
#[test]
fn devices_of_one_kind_are_joined_by_the_keys_they_have() {
    for kind in [KeyKind::Ec, KeyKind::Rsa] {
        let mut world = World::new(60);
        let [(opener, to_opener), (listener, to_listener)] = joined(&mut world, [kind, kind], |_| ());
        for (own, peer, commands) in [(&opener, &listener, &to_opener), (&listener, &opener, &to_listener)] {
            let (pushed, channel) = (keys(commands), channels(commands));
            assert_eq!((pushed.len(), channel.len(), commands.len()), (1, 1, 2), "no key besides the peer's");
            assert_eq!((pushed[0].id(), pushed[0].class()), (KeyId::from(peer.uuid), Class::Device));
            assert_eq!(pushed[0].metadata().device, Some(peer.uuid));
            assert_eq!(channel[0].local_key, KeyId::from(own.uuid));
            assert_eq!(channel[0].peer_key, Some(KeyId::from(peer.uuid)));
            assert_eq!(channel[0].address, world.address_of(peer));
            assert_eq!(channel[0].privileges, Privileges::NONE);
        }
        assert!(channels(&to_opener)[0].open_immediately && !channels(&to_listener)[0].open_immediately);
        let links = world.run(&ListLinks { after: None }).unwrap();
        assert_eq!(links.len(), 2, "one entry on each end");
        assert!(links.iter().all(|link| link.channel == 2), "channel 1 leads to us");
    }
}

// verifies: ASSURE-13.7-01, ASSURE-13.4-01, ASSURE-13.6-01, ASSURE-13.3.3-01, ASSURE-8.4-05, TS-M4
#[test]
fn a_shared_secret_reaches_both_ends_and_names_the_other() {
    let secret = KeyKind::SharedSecret;
    for kinds in
        [[secret, secret], [KeyKind::Ec, secret], [secret, KeyKind::Rsa], [KeyKind::Ec, KeyKind::Rsa]]
    {
        let mut world = World::new(61);
        let [(opener, to_opener), (listener, to_listener)] = joined(&mut world, kinds, |_| ());
        let [one, other] = [&to_opener, &to_listener].map(|commands| keys(commands));
        assert_eq!((one.len(), other.len()), (1, 1));
        assert_eq!((one[0].id(), one[0].class()), (other[0].id(), Class::Channel));
        let at = |device: &Device| device.keys.find(one[0].id()).unwrap().secret().cloned().unwrap();
        assert_eq!(at(&opener), at(&listener), "{kinds:?}: both derive the same secret");
        assert_eq!(one[0].metadata().device, Some(listener.uuid));
        assert_eq!(other[0].metadata().device, Some(opener.uuid));
        for commands in [&to_opener, &to_listener] {
            let channel = &channels(commands)[0];
            assert_eq!((channel.local_key, channel.peer_key), (one[0].id(), None));
        }
    }
}

// verifies: TS-C1
#[test]
fn ts_c1_a_peer_learns_no_way_under_its_partners_owner_secret() {
    let mut world = World::new(62);
    let secret = KeyKind::SharedSecret;
    let [(_, to_opener), (_, to_listener)] = joined(&mut world, [secret, secret], |_| ());
    let ways = |commands: &[Command]| match keys(commands)[0].definition() {
        KeyDefinition::Derived(derived) => derived.derivations().to_vec(),
        KeyDefinition::Ec(_) | KeyDefinition::Rsa(_) => panic!("a derived key"),
    };
    let (one, other) = (ways(&to_opener), ways(&to_listener));
    assert_eq!((one.len(), other.len()), (1, 1));
    assert_ne!(one[0].reference, other[0].reference);
}

// verifies: ASSURE-13.3.1-01, ASSURE-13.3.2-01
#[test]
fn mixed_pairs_get_an_issued_key_of_the_kind_they_share() {
    let both = |device: &mut Device| device.capabilities.ec_capable = true;
    let rsa_too = |device: &mut Device| device.capabilities.rsa_capable = true;
    let issued_ec = (both as fn(&mut Device), KeyKind::Rsa, LinkKind::IssuedEc);
    for (edit, getter_kind, expected) in [issued_ec, (rsa_too, KeyKind::Ec, LinkKind::IssuedRsa)] {
        for kinds in [[KeyKind::Ec, KeyKind::Rsa], [KeyKind::Rsa, KeyKind::Ec]] {
            let mut world = World::new(63);
            let ends = joined(&mut world, kinds, edit);
            let links = world.run(&ListLinks { after: None }).unwrap();
            assert!(links.iter().all(|link| link.kind == expected), "{links:?}");
            let getter = ends.iter().find(|(device, _)| device.kind == getter_kind).unwrap();
            let other = ends.iter().find(|(device, _)| device.kind != getter_kind).unwrap();
            let (issued, shown) = (&keys(&getter.1)[0], &keys(&other.1)[0]);
            assert!(issued.definition().has_private() && !shown.definition().has_private());
            assert_eq!(issued.definition().public_key(), shown.definition().public_key());
            for key in [issued, shown] {
                assert_eq!((key.class(), key.metadata().device), (Class::Device, Some(getter.0.uuid)));
            }
            assert_eq!(channels(&getter.1)[0].local_key, issued.id());
            assert_eq!(channels(&getter.1)[0].peer_key, Some(KeyId::from(other.0.uuid)));
            assert_eq!(channels(&other.1)[0].peer_key, Some(issued.id()));
        }
    }
}

// verifies: ASSURE-8.4-04
#[test]
fn every_link_has_a_secret_of_its_own() {
    let mut world = World::new(67);
    let mut devices: Vec<_> = (0..3).map(|_| world.in_service(KeyKind::SharedSecret)).collect();
    let members: Vec<_> = devices.iter().collect();
    assert_eq!(plan(&mut world, Shape::Ring, &members, Vec::new()).unwrap().len(), 3);
    for _ in 0..2 {
        devices.iter_mut().for_each(|device| drop(world.carry_out(device)));
    }
    let secrets = devices.iter().flat_map(|device| {
        let channel = |key: &&assure_proto::StoredKey| key.authenticated_key().metadata().device.is_some();
        device.keys.iter().filter(channel).map(|key| (key.id(), key.secret().unwrap().expose().to_vec()))
    });
    let secrets: Vec<_> = secrets.collect();
    let distinct: std::collections::BTreeSet<_> = secrets.iter().map(|(_, secret)| secret).collect();
    assert_eq!(
        (secrets.len(), distinct.len()),
        (6, 3),
        "each link's secret at both of its ends, and nowhere else"
    );
}

// verifies: ASSURE-4.2-01
#[test]
fn every_shape_is_applied_and_what_exists_stays() {
    let mut world = World::new(64);
    let devices: Vec<_> = (0..4).map(|_| world.in_service(KeyKind::SharedSecret)).collect();
    let members: Vec<_> = devices.iter().collect();
    let mut links = 0;
    for (shape, fresh) in [(Shape::Star, 3), (Shape::Tree, 1), (Shape::Ring, 2), (Shape::Full, 0)] {
        let planned = plan(&mut world, shape, &members, Vec::new()).unwrap();
        links += planned.len();
        assert_eq!(planned.len(), fresh, "{shape:?}: only what is missing: {planned:?}");
        assert_eq!(world.run(&ListLinks { after: None }).unwrap().len(), 2 * links);
    }
    assert_eq!(links, 6, "four devices, fully connected");
}

#[test]
fn topologies_that_cannot_be_are_refused_and_order_nothing() {
    let mut world = World::new(65);
    let (one, two) = (world.in_service(KeyKind::Ec), world.in_service(KeyKind::Rsa));
    let stranger = world.device(KeyKind::Ec);
    let mut absent = world.device(KeyKind::Ec);
    world.claim(&absent);
    let configuration = world.configuration(&absent, 1);
    let image = world.arrives(&absent, configuration).unwrap();
    world.apply(&mut absent, &image.image);
    let star = |world: &mut World, members: &[&Device]| plan(world, Shape::Star, members, Vec::new()).err();
    assert_eq!(star(&mut world, &[&one]), Some(NotPlanned::Members));
    assert_eq!(star(&mut world, &[&one, &one]), Some(NotPlanned::Members));
    assert_eq!(plan(&mut world, Shape::Ring, &[&one, &two], Vec::new()).err(), Some(NotPlanned::Members));
    assert_eq!(star(&mut world, &[&one, &stranger]), Some(NotPlanned::NotOurs(stranger.uuid)));
    assert_eq!(star(&mut world, &[&one, &absent]), Some(NotPlanned::NoAddress(absent.uuid)));
    let mut capable = world.device(KeyKind::Ec);
    capable.capabilities.rsa_capable = true;
    world.bring(&mut capable);
    assert_eq!(star(&mut world, &[&capable, &two]), Some(NotPlanned::NeedsRsaKey));
    assert!(world.run(&ListLinks { after: None }).unwrap().is_empty());
    assert!(world.take(&one).is_empty() && world.take(&two).is_empty());
}

#[test]
fn the_opener_is_not_told_when_the_listener_refused() {
    let mut world = World::new(66);
    let (hub, leaf) = (world.in_service(KeyKind::Ec), world.in_service(KeyKind::Ec));
    plan(&mut world, Shape::Star, &[&hub, &leaf], Vec::new()).unwrap();
    let due = world.take(&hub);
    assert_eq!(due.len(), 1, "the channel waits for its key");
    let no_space = Outcome::Answered { code: 0x8d, payload: Vec::new() };
    assert!(world.settle(&hub, due[0].number, no_space));
    assert!(world.take(&hub).is_empty());
    assert!(world.take(&leaf).is_empty(), "nothing reaches the opener");
}
