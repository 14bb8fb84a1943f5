//! What stands in an image for those who carry it.

use management::KeyKind;

use crate::world::World;

/// Bytes that are no accident when they stand somewhere else.
const TELLING: usize = 12;

fn shows(image: &[u8], content: &[u8]) -> bool {
    content.windows(TELLING).any(|part| image.windows(TELLING).any(|there| there == part))
}

// verifies: ASSURE-15.1-01, ASSURE-15.1-02
#[test]
fn whoever_carries_an_image_reads_nothing_of_its_content() {
    let mut world = World::new(80);
    for kind in [KeyKind::SharedSecret, KeyKind::Ec, KeyKind::Rsa] {
        let mut device = world.device(kind);
        world.claim(&device);
        let configuration = world.configuration(&device, 1);
        let image = world.arrives(&device, configuration).unwrap().image;
        let other = world.device(kind);
        assert!(world.judge(&other, &image).is_err(), "{kind:?}: another device opens nothing");
        let messages = world.apply(&mut device, &image);
        let address = world.address().encode();
        assert!(!image.windows(address.len()).any(|part| part == address), "{kind:?}: where we are");
        for (_, path, _) in &messages {
            assert!(!shows(&image, path.as_bytes()), "{kind:?}: {path}");
        }
        // definitions of channels name the device and its keys, which the header of the image names too
        let keys = messages.iter().filter(|(_, path, _)| path.starts_with("v1/keys/"));
        for (_, _, key) in keys {
            let key = assure_proto::AuthenticatedKey::decode(key).unwrap();
            assert!(!shows(&image, &key.id().0), "{kind:?}: the channel's key is not even named");
        }
        assert!(messages.iter().any(|(_, path, _)| path.starts_with("v1/channels/")), "{messages:?}");
    }
}
