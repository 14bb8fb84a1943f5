//! What devices say on their channels, and who may say it.

use assure_json::DeviceStatus;
use assure_proto::{DeviceInfo, GoodbyeReason};
use management::{ChannelLost, Goodbye, Heard, KeyKind, Presence, Proven, Trouble};
use model::Uuid;

use crate::world::{Device, World};

fn presence(world: &mut World, proven: Proven, named: Uuid, info: Vec<u8>) -> Heard {
    let origin = world.origin();
    world.run(&Presence { proven, named, info, address: None, origin }).unwrap()
}

fn goodbye(world: &mut World, device: &Device, reason: &[u8]) -> Heard {
    let proven = Proven { device: device.uuid, seq: 1 };
    let origin = world.origin();
    world.run(&Goodbye { proven, named: device.uuid, reason: reason.to_vec(), origin }).unwrap()
}

fn lost(world: &mut World, device: &Device, trouble: Trouble) -> bool {
    let origin = world.origin();
    world.run(&ChannelLost { device: device.uuid, trouble, origin }).unwrap()
}

// verifies: ASSURE-11.3.1-03, ASSURE-11.3.1-04
#[test]
fn presence_is_heard_from_the_device_itself_alone() {
    let mut world = World::new(20);
    let (one, other) = (world.in_service(KeyKind::SharedSecret), world.in_service(KeyKind::Ec));
    let (before, others) = (world.view(&one), world.view(&other));
    let own = Proven { device: one.uuid, seq: 1 };
    let info = |device: &Device| DeviceInfo { software_version: "2".into(), ..DeviceInfo::only(device.uuid) };
    let as_other = presence(&mut world, own, other.uuid, info(&other).encode());
    assert_eq!(as_other, Heard::Unauthorized, "another device's path");
    let about_other = presence(&mut world, own, one.uuid, info(&other).encode());
    assert_eq!(about_other, Heard::Unauthorized, "another device's information");
    let cut = info(&one).encode()[..20].to_vec();
    assert_eq!(presence(&mut world, own, one.uuid, cut), Heard::Malformed);
    let old_session = Proven { device: one.uuid, seq: 0 };
    assert_eq!(presence(&mut world, old_session, one.uuid, info(&one).encode()), Heard::Unauthorized);
    assert_eq!((world.view(&one), world.view(&other)), (before, others), "nothing is stored");
    assert_eq!(presence(&mut world, own, one.uuid, info(&one).encode()), Heard::Acknowledged);
    assert_eq!(presence(&mut world, own, one.uuid, info(&one).encode()), Heard::Acknowledged, "repeated");
    assert_eq!(world.view(&one).unwrap().info, Some(info(&one)));
    assert!(world.stores(&info(&one).encode()), "byte for byte");
    let stranger = Proven { device: Uuid([7; 16]), seq: 1 };
    assert_eq!(presence(&mut world, stranger, stranger.device, vec![]), Heard::Unauthorized);
}

// verifies: ASSURE-11.3.2-08, ASSURE-11.3.2-09
#[test]
fn goodbyes_are_kept_with_their_reason() {
    let mut world = World::new(21);
    let (one, other) = (world.in_service(KeyKind::SharedSecret), world.in_service(KeyKind::SharedSecret));
    for reason in GoodbyeReason::ALL {
        assert_eq!(goodbye(&mut world, &one, &reason.encode()), Heard::Acknowledged);
        let view = world.view(&one).unwrap();
        assert_eq!((view.status, view.goodbye), (DeviceStatus::Offline, Some(reason)));
    }
    for bad in [&[5][..], &[], &[0, 0], &[0x20]] {
        assert_eq!(goodbye(&mut world, &one, bad), Heard::Malformed, "{bad:?}");
    }
    let as_other = Goodbye {
        proven: Proven { device: one.uuid, seq: 1 },
        named: other.uuid,
        reason: GoodbyeReason::ShuttingDown.encode(),
        origin: world.origin(),
    };
    assert_eq!(world.run(&as_other), Ok(Heard::Unauthorized));
    assert_eq!(world.view(&other).unwrap().goodbye, None);
    assert_eq!(world.present(&one, 1), Heard::Acknowledged);
    let back = world.view(&one).unwrap();
    assert_eq!((back.status, back.goodbye), (DeviceStatus::InService, None));
}

#[test]
fn silence_changes_what_silence_can_tell() {
    let mut world = World::new(22);
    let device = world.in_service(KeyKind::Ec);
    assert!(!lost(&mut world, &device, Trouble::ChannelFailed), "strangers fail in a device's name too");
    assert_eq!(world.status(&device), DeviceStatus::InService);
    assert!(lost(&mut world, &device, Trouble::Unreachable));
    assert_eq!(world.status(&device), DeviceStatus::Unreachable);
    assert!(!lost(&mut world, &device, Trouble::Unreachable), "once");
    assert!(lost(&mut world, &device, Trouble::ChannelFailed));
    assert_eq!(world.status(&device), DeviceStatus::ChannelFailed);
    assert_eq!(world.present(&device, 1), Heard::Acknowledged);
    assert!(lost(&mut world, &device, Trouble::BootstrapFailed));
    assert_eq!(world.status(&device), DeviceStatus::BootstrapFailed);
}
