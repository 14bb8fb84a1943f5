//! Bootstrap images: taken apart, and judged by a device of the oracle's world.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use assure_proto::{
    AcceptedImage, BootstrapImage, BootstrapSession, Circumstances, GardenSwitch, HeldKey,
    IMAGE_KEY_COUNT_MAX, OwnDevice, OwnershipRecord, Root, SimpleTime, TimeTrust, validate_image,
};
use crypto_server::Server;
use model::Uuid;
use serde_json::Value;

use super::oracle::{OwnKey, root, uuid};
use crate::rules::{bounded, decoded};
use crate::{Reached, Target, vectors};

pub(super) const DECODE: Target = Target {
    name: "image",
    about: "BootstrapImage::decode",
    length_max: 8192,
    run: |input| {
        let Some(image) = decoded(input, BootstrapImage::decode) else { return Reached::Refused };
        assert_eq!(image.encoded(), input);
        assert!((1..=IMAGE_KEY_COUNT_MAX).contains(&image.authenticated_keys().len()));
        assert!(image.to_be_signed().len() <= input.len());
        for key in image.authenticated_keys() {
            assert_eq!(image.key(key.id()).map(|found| found.id()), Some(key.id()));
        }
        Reached::Accepted
    },
    seeds: || {
        let files = ["image_ec.json", "image_ss.json", "image_rsa.json"];
        files.into_iter().flat_map(|file| vectors::member(file, "image").into_iter().step_by(4)).collect()
    },
};

/// A device, and the images that it accepts.
struct World {
    uuid: Uuid,
    key: OwnKey,
    roots: Vec<Root>,
    session: Session,
    genuine: BTreeSet<Vec<u8>>,
}

enum Session {
    PublicKey(Vec<u8>),
    Hint(Vec<Vec<u8>>),
}

impl World {
    fn of(file: &str) -> Self {
        let file = vectors::load(file);
        let world = &file["world"];
        let roots = world["roots"].as_array().expect("roots").iter().map(root).collect();
        let mut made = Self {
            uuid: uuid(&world["device"], "uuid"),
            key: OwnKey::of(&world["device"]),
            roots,
            session: session(&world["session"]),
            genuine: BTreeSet::new(),
        };
        let images = file["vectors"].as_array().expect("a list of vectors").iter();
        let images: Vec<_> = images.filter_map(|vector| vectors::hex(vector, "image")).collect();
        made.genuine = images.into_iter().filter(|image| made.judge_any(image)).collect();
        assert!(!made.genuine.is_empty(), "the device of the vectors takes some image");
        made
    }

    fn judge(&self, image: &[u8], time: TimeTrust, garden: GardenSwitch) -> Option<AcceptedImage> {
        let record = OwnershipRecord::factory(1);
        let device = OwnDevice { uuid: self.uuid, key: self.key.held(), roots: &self.roots, record: &record };
        let session = match &self.session {
            Session::PublicKey(spki) => BootstrapSession::PublicKey(spki),
            Session::Hint(definitions) => BootstrapSession::Hint(definitions),
        };
        let judged = bounded(image, |image| {
            validate_image(&Server, &device, image, &Circumstances { session, time, garden })
        });
        let accepted = judged.ok()?;
        assert!(accepted.record.sequence_number >= record.sequence_number);
        assert!(accepted.record.owner_hash.is_some() && accepted.record.generation >= record.generation);
        assert!(accepted.keys.find(accepted.owner_key).is_some());
        assert!(accepted.keys.find(accepted.bootstrap_key).is_some());
        Some(accepted)
    }

    fn judge_any(&self, image: &[u8]) -> bool {
        let times = [TimeTrust::Unknown, TimeTrust::Trusted(SimpleTime { secs: 520_000_000 })];
        let gardens = [GardenSwitch::Untouched, GardenSwitch::PressedHere];
        let ways = times.into_iter().flat_map(|time| gardens.map(|garden| (time, garden)));
        ways.fold(false, |taken, (time, garden)| self.judge(image, time, garden).is_some() || taken)
    }

    /// Only what the oracle's owners signed is accepted: anything else is a forgery.
    fn run(&self, input: &[u8]) -> Reached {
        if !self.judge_any(input) {
            return Reached::Refused;
        }
        assert!(self.genuine.contains(input), "an image was accepted that nobody signed");
        Reached::Accepted
    }
}

fn session(value: &Value) -> Session {
    if let Some(spki) = vectors::hex(value, "spki") {
        return Session::PublicKey(spki);
    }
    let definitions = value["hint"].as_array().unwrap_or_else(|| panic!("a session: {value}"));
    let bytes = |text: &Value| model::bytes_from_hex(text.as_str()?).ok();
    Session::Hint(definitions.iter().filter_map(bytes).collect())
}

pub(super) const VALIDATE_EC: Target = Target {
    name: "validate_image_ec",
    about: "validate_image on a device with an EC key; nothing unsigned is accepted",
    length_max: 8192,
    run: |input| {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| World::of("image_ec.json")).run(input)
    },
    seeds: || vectors::member("image_ec.json", "image"),
};

pub(super) const VALIDATE_SECRET: Target = Target {
    name: "validate_image_secret",
    about: "validate_image on a device with a shared secret; nothing unsigned is accepted",
    length_max: 8192,
    run: |input| {
        static WORLD: OnceLock<World> = OnceLock::new();
        let world = WORLD.get_or_init(|| World::of("image_ss.json"));
        assert!(matches!(world.key.held(), HeldKey::Secret(_)));
        world.run(input)
    },
    seeds: || vectors::member("image_ss.json", "image"),
};
