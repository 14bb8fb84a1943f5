//! A new device in the place of an old one.

use assure_json::DeviceStatus;
use assure_proto::BootstrapImage;
use management::{Command, FindPeer, KeyKind, ListLinks, PeerSign, Registrant, Replace, Replacement, Shape};
use model::KeyId;

use crate::links::plan;
use crate::world::{Device, World};

fn replace(world: &mut World, old: &Device, new: &Device, by: Registrant) -> Replacement {
    let replace = Replace {
        old: old.uuid,
        new: new.uuid,
        by,
        spare_rsa: Vec::new(),
        keys: world.keys.clone(),
        origin: world.origin(),
    };
    world.run(&replace).unwrap()
}

fn put_keys(commands: &[Command]) -> Vec<KeyId> {
    let id = |command: &Command| match command {
        Command::PutKey { id, .. } => Some(*id),
        _ => None,
    };
    commands.iter().filter_map(id).collect()
}

fn deleted(commands: &[Command]) -> (Vec<u32>, Vec<KeyId>) {
    let (mut channels, mut keys) = (Vec::new(), Vec::new());
    for command in commands {
        match command {
            Command::DeleteChannel { id } => channels.push(id.number()),
            Command::DeleteKey { id } => keys.push(*id),
            _ => {}
        }
    }
    (channels, keys)
}

// verifies: TS-M12, ASSURE-11.2.2-01, ASSURE-11.2.2-02, ASSURE-11.2.2-03
#[test]
fn ts_m12_the_replaced_device_keeps_nothing_and_the_new_one_gets_fresh_keys() {
    let mut world = World::new(70);
    let secret = KeyKind::SharedSecret;
    let (mut old, mut peer) = (world.in_service(secret), world.in_service(secret));
    plan(&mut world, Shape::Star, &[&peer, &old], Vec::new()).unwrap();
    let mut before = put_keys(&world.carry_out(&mut peer));
    before.extend(put_keys(&world.carry_out(&mut old)));
    let mut new = world.in_service(secret);
    assert_eq!(replace(&mut world, &old, &new, Registrant::Operator), Replacement::Replaced);
    let (gone, come) = (world.view(&old).unwrap(), world.view(&new).unwrap());
    assert_eq!((gone.status, gone.replaced_by), (DeviceStatus::Replaced, Some(new.uuid)));
    assert_eq!(come.replaces, Some(old.uuid));
    assert_eq!(world.run(&FindPeer { sign: PeerSign::Name(old.uuid) }), Ok(None), "refused at once");
    assert_eq!(world.present(&old, 1), management::Heard::Unauthorized, "and its session too");
    let to_peer = world.carry_out(&mut peer);
    assert_eq!(deleted(&to_peer), (vec![2], vec![before[0]]), "the peer forgets channel and key");
    let fresh: Vec<_> = put_keys(&to_peer).into_iter().chain(put_keys(&world.carry_out(&mut new))).collect();
    assert_eq!(fresh.len(), 2);
    assert!(fresh.iter().all(|key| !before.contains(key)), "no key of the old device");
    let links = world.run(&ListLinks { after: None }).unwrap();
    let ends: Vec<_> = links.iter().map(|link| (link.device, link.peer)).collect();
    assert!(ends.contains(&(new.uuid, peer.uuid)) && ends.contains(&(peer.uuid, new.uuid)));
    assert!(ends.iter().all(|(device, other)| *device != old.uuid && *other != old.uuid));
    assert!(links.iter().any(|link| link.device == new.uuid && link.opens), "the same end opens");
    assert!(world.take(&old).is_empty(), "nobody talks to the old device");
}

// verifies: TS-M12
#[test]
fn ts_m12_the_image_for_the_old_uuid_has_no_channels() {
    for kind in [KeyKind::SharedSecret, KeyKind::Ec] {
        let mut world = World::new(71);
        let (mut old, new) = (world.in_service(kind), world.in_service(kind));
        assert_eq!(replace(&mut world, &old, &new, Registrant::Operator), Replacement::Replaced);
        let configuration = world.configuration(&old, 1);
        world.set_clock(60);
        let same_owner = kind == KeyKind::Ec;
        let image = world.arrives(&old, configuration).unwrap();
        assert!(BootstrapImage::decode(&image.image).is_ok());
        if same_owner {
            assert!(world.apply(&mut old, &image.image).is_empty(), "it applies, and there is nothing in it");
            assert!(old.keys.iter().all(|key| key.class() != assure_proto::Class::Channel));
        }
        world.uploaded(&old, &image);
        assert_eq!(world.status(&old), DeviceStatus::Replaced, "the status stays");
        assert_eq!(world.run(&FindPeer { sign: PeerSign::Name(old.uuid) }), Ok(None));
    }
}

// verifies: ASSURE-11.2.2-04, ASSURE-11.2.2-07
#[test]
fn only_ones_own_devices_in_fitting_states_are_replaced() {
    let mut world = World::new(72);
    let (old, new) = (world.in_service(KeyKind::Ec), world.in_service(KeyKind::Ec));
    let unknown = world.device(KeyKind::Ec);
    let claimed = world.device(KeyKind::Ec);
    world.claim(&claimed);
    let operator = Registrant::Operator;
    let refused = Replacement::Forbidden;
    assert_eq!(replace(&mut world, &old, &unknown, operator.clone()), refused);
    assert_eq!(replace(&mut world, &unknown, &new, operator.clone()), refused);
    assert_eq!(replace(&mut world, &old, &old, operator.clone()), refused);
    assert_eq!(replace(&mut world, &old, &new, Registrant::User("ann".into())), refused);
    assert_eq!(replace(&mut world, &old, &claimed, operator.clone()), Replacement::NotYet);
    assert_eq!(world.status(&old), DeviceStatus::InService, "nothing has changed");
    assert_eq!(replace(&mut world, &old, &new, operator.clone()), Replacement::Replaced);
    assert_eq!(replace(&mut world, &old, &new, operator.clone()), refused, "once");
    let third = world.in_service(KeyKind::Ec);
    assert_eq!(replace(&mut world, &third, &new, operator.clone()), refused, "it has its place");
    assert_eq!(replace(&mut world, &new, &third, operator), Replacement::Replaced, "but may be replaced");
}
