//! Images: stored for the owner, served to the device, gone with the owner.

use authority::bootstrap::{
    self, ImageAnswer, MirrorOwner, Mirrored, OwnerNow, ReadImage, ServeImage, StoreImage, StoreImageAnswer,
};
use authority::registration::{DeviceKind, OperationId};
use model::Uuid;

use crate::world::World;

fn store(
    world: &mut World,
    device: Uuid,
    image: &[u8],
    image_seq: u32,
    owner: &OwnerNow,
) -> StoreImageAnswer {
    let origin = world.origin("owner");
    let owner = owner.clone();
    world.boot(&StoreImage { device, image: image.to_vec(), image_seq, owner, origin }).unwrap()
}

fn serve(world: &mut World, proven: Uuid, asked: Uuid, owner: &OwnerNow) -> ImageAnswer {
    let origin = world.origin("device");
    world.boot(&ServeImage { proven, asked, owner: owner.clone(), origin }).unwrap()
}

// verifies: ASSURE-9.3.7-03, ASSURE-9.3.7-05, ASSURE-9.3.8-01, ASSURE-9.4.1-01, ASSURE-9.4.1-04, ASSURE-9.4.1-05
#[test]
fn a_device_gets_its_owners_image_byte_for_byte_and_nobody_elses() {
    let mut world = World::new(20);
    let (a, _) = world.owner();
    let (device, other) = (world.device(DeviceKind::Ec), world.device(DeviceKind::Ec));
    world.claim(&a, device);
    let owner = world.owner_now(device);
    let nothing = ImageAnswer::Image(Vec::new());
    assert_eq!(serve(&mut world, device, device, &owner), nothing, "none stored: empty");
    assert_eq!(store(&mut world, device, b"image", 1, &owner), StoreImageAnswer::Stored);
    let image = ImageAnswer::Image(b"image".to_vec());
    assert_eq!(serve(&mut world, device, device, &owner), image);
    assert_eq!(world.boot(&ReadImage { device, owner: owner.clone() }).unwrap(), image);
    assert_eq!(serve(&mut world, device, other, &owner), ImageAnswer::Forbidden);
    assert_eq!(serve(&mut world, Uuid([1; 16]), Uuid([1; 16]), &owner), ImageAnswer::Forbidden);
    assert_eq!(store(&mut world, device, b"", 0, &owner), StoreImageAnswer::Stored);
    assert_eq!(serve(&mut world, device, device, &owner), nothing, "erased");
}

// verifies: ASSURE-14.7-04a, TS-H1
#[test]
fn ts_h1_an_image_is_gone_with_its_owner() {
    let mut world = World::new(21);
    let (a, b) = (world.owner().0, world.owner().0);
    let device = world.device(DeviceKind::Ec);
    world.claim(&a, device);
    let first = world.owner_now(device);
    assert_eq!(store(&mut world, device, b"image of a", 1, &first), StoreImageAnswer::Stored);
    world.transfer(&a, device, &b);
    let second = world.owner_now(device);
    let nothing = ImageAnswer::Image(Vec::new());
    assert_eq!(serve(&mut world, device, device, &second), nothing);
    assert_eq!(
        serve(&mut world, device, device, &first),
        nothing,
        "what the registration server said is old"
    );
    let late = store(&mut world, device, b"image of a", 1, &second);
    assert_eq!(late, StoreImageAnswer::Forbidden, "an image of the number before");
}

// verifies: TS-L5
#[test]
fn a_transfer_between_check_and_store_wins() {
    let mut world = World::new(22);
    let (a, b) = (world.owner().0, world.owner().0);
    let device = world.device(DeviceKind::Ec);
    world.claim(&a, device);
    let checked = world.owner_now(device);
    world.transfer(&a, device, &b);
    assert_eq!(store(&mut world, device, b"late", 1, &checked), StoreImageAnswer::Forbidden);
    let now = world.owner_now(device);
    assert_eq!(world.boot(&ReadImage { device, owner: now }).unwrap(), ImageAnswer::Image(Vec::new()));
}

// verifies: TS-H5
#[test]
fn the_mirror_never_goes_back_and_never_changes_owner_at_one_number() {
    let mut world = World::new(23);
    let (a, b) = (world.owner().0, world.owner().0);
    let device = world.device(DeviceKind::Ec);
    world.claim(&a, device);
    let here = world.owner_now(device);
    let mut mirror = |operation: u8, seq: u32, owner: Option<&model::ManagementId>| {
        let origin = world.origin("registration");
        let owner = OwnerNow { seq, owner: owner.cloned() };
        world.boot(&MirrorOwner { device, operation: OperationId([operation; 16]), owner, origin }).unwrap()
    };
    assert_eq!(mirror(1, 0, None), Mirrored::Ahead(here.clone()), "lower");
    assert_eq!(mirror(2, 1, Some(&b)), Mirrored::Ahead(here), "another owner at the same number");
    assert_eq!(mirror(3, 2, Some(&b)), Mirrored::Stands);
    assert_eq!(mirror(3, 2, Some(&b)), Mirrored::Stands, "the same change again");
    let unknown = MirrorOwner {
        device: Uuid([1; 16]),
        operation: OperationId([4; 16]),
        owner: OwnerNow { seq: 1, owner: None },
        origin: world.origin("registration"),
    };
    assert_eq!(world.boot(&unknown).unwrap(), Mirrored::Unknown);
}

// verifies: ASSURE-14.1-04c, TS-M11
#[test]
fn an_upload_can_be_taken_back_until_it_is_issued() {
    let world = World::new(24);
    let device = Uuid([8; 16]);
    let (first, second) = (OperationId([1; 16]), OperationId([2; 16]));
    let create = |operation| world.boot(&bootstrap::CreateDevice { device, operation }).unwrap();
    assert_eq!(create(first), bootstrap::Created::Stands);
    assert_eq!(create(second), bootstrap::Created::Exists);
    world.boot(&bootstrap::RemoveDevice { device, operation: second }).unwrap();
    assert_eq!(create(second), bootstrap::Created::Exists, "only the upload that made it takes it back");
    world.boot(&bootstrap::RemoveDevice { device, operation: first }).unwrap();
    assert_eq!(create(second), bootstrap::Created::Stands);
}

// verifies: ASSURE-8.4-07
#[test]
fn a_device_is_found_by_its_key_and_the_first_holder_stays() {
    let mut world = World::new(25);
    let device = world.device(DeviceKind::Ec);
    let issued = world.boot(&bootstrap::ReadDevice { device }).unwrap().unwrap();
    let holder = bootstrap::HolderName::of_issued(&*world.provider, &issued).unwrap();
    let read = |world: &World, holder: &bootstrap::HolderName| {
        world.boot(&bootstrap::ReadHolder { holder: holder.clone() }).unwrap()
    };
    assert_eq!(read(&world, &holder), Some((device, issued.clone())));
    let nobody = bootstrap::HolderName::of_secret(model::KeyId([3; 16]));
    assert_eq!(read(&world, &nobody), None);
    // another device with the same key is issued, and does not take the name over
    let twin = Uuid([9; 16]);
    let operation = OperationId([1; 16]);
    world.boot(&bootstrap::CreateDevice { device: twin, operation }).unwrap();
    let origin = world.origin("identity");
    let import =
        bootstrap::ImportIssued { device: twin, issued: issued.clone(), holder: holder.clone(), origin };
    assert_eq!(world.boot(&import), Ok(bootstrap::Imported::Ready));
    assert_eq!(read(&world, &holder), Some((device, issued)));
}
